//! `retain pin`, `unpin`, `tag`: what people say about checkpoints.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::pick;
use super::work::{self, Seen};
use crate::apply::Root;
use crate::apply::dir::{self, Rel};
use crate::core::calendar;
use crate::core::model::{Pin, Session, Time};
use crate::marks::{self, Mark, MarksFile, Subject};
use crate::report::human;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;

/// What a mark is set on.
#[derive(Debug, Args)]
pub struct Target {
    /// A session by name, glob or range
    #[arg(value_name = "SESSION")]
    pub session: String,

    /// Checkpoints by name, glob or range; none: the session as a whole
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoints: Vec<String>,

    /// Say what would be marked and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct PinArgs {
    #[command(flatten)]
    target: Target,

    /// The last day on which it holds (2027-01-31, UTC), or the instant at which it ends (RFC 3339)
    #[arg(long, value_name = "DATE", value_parser = parse_until)]
    until: Option<Time>,

    /// For those who wonder later
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Debug, Args)]
pub struct UnpinArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args(["add", "remove"])))]
pub struct TagArgs {
    #[command(flatten)]
    target: Target,

    /// A tag to set; may be repeated
    #[arg(long, value_name = "TAG")]
    add: Vec<String>,

    /// A tag to take away; may be repeated
    #[arg(long, value_name = "TAG")]
    remove: Vec<String>,
}

pub fn pin(context: &Context, args: &PinArgs) -> Result<Exit, Failure> {
    let pin = Pin { until: args.until, why: args.why.as_deref().map(Into::into) };
    if pin.until.is_some_and(|until| until <= context.now) {
        return Err(Failure::usage("--until lies in the past; such a pin would protect nothing"));
    }
    change(context, &args.target, "pinned", |mark| mark.pin = Some(pin.clone()))
}

pub fn unpin(context: &Context, args: &UnpinArgs) -> Result<Exit, Failure> {
    change(context, &args.target, "unpinned", |mark| mark.pin = None)
}

pub fn tag(context: &Context, args: &TagArgs) -> Result<Exit, Failure> {
    change(context, &args.target, "tagged", |mark| {
        for tag in &args.remove {
            mark.tags.remove(tag);
        }
        mark.tags.extend(args.add.iter().cloned());
    })
}

/// The subjects in one directory of checkpoints.
type Folders = BTreeMap<String, Vec<Subject>>;

/// Changes the mark of each subject of the target, and says so.
///
/// # Errors
/// Nothing has that name, or a marks file cannot be read or written.
pub fn change(
    context: &Context,
    target: &Target,
    done: &str,
    edit: impl Fn(&mut Mark),
) -> Result<Exit, Failure> {
    let config = context.config()?;
    let root = context::open(&config.root)?;
    let seen = work::scan_root(context, &config, &root)?;
    let (folders, count) = subjects(&seen, target)?;
    let what = match target.checkpoints.as_slice() {
        [] => human::count(count, "session"),
        _ => human::count(count, "checkpoint"),
    };
    let mut changed = 0;
    if !target.dry_run {
        context.confine(&root);
        for (folder, subjects) in &folders {
            changed += u64::from(write(&root, folder, subjects, &edit)?);
        }
    }
    if context.ui.json {
        let subjects: Vec<_> = folders
            .iter()
            .flat_map(|(folder, list)| list.iter().map(move |s| (folder, &s.checkpoint)))
            .map(|(folder, id)| json!({ "folder": folder, "checkpoint": id }))
            .collect();
        context.ui.json(&json!({
            "format": "retain-marks/1", "dry_run": target.dry_run, "files_changed": changed,
            "subjects": subjects,
        }))?;
    } else if target.dry_run {
        context.ui.note(format!("dry run: {what} would be {done}"));
    } else if changed == 0 {
        context.ui.note(format!("{what}: nothing to change"));
    } else {
        context.ui.note(format!("{what} {done}"));
    }
    Ok(work::finish(context, &seen))
}

/// Where the marks of the target lie, and of how many sessions or checkpoints.
fn subjects(seen: &Seen, target: &Target) -> Result<(Folders, u64), Failure> {
    let inventory = &seen.inventory;
    let sessions = pick::sessions(inventory, std::slice::from_ref(&target.session))?;
    let mut folders = Folders::new();
    if target.checkpoints.is_empty() {
        for &s in &sessions {
            let session = &inventory.sessions[s];
            for folder in session.checkpoints.iter().filter_map(|c| folder_of(c.paths())) {
                let list = folders.entry(folder).or_default();
                let subject = Subject::in_series(&session.series, None);
                if !list.contains(&subject) {
                    list.push(subject);
                }
            }
        }
        return Ok((folders, sessions.len() as u64));
    }
    let mut count = 0;
    for (s, checkpoints) in pick::checkpoints(inventory, &sessions, &target.checkpoints)? {
        let session: &Session = &inventory.sessions[s];
        for c in checkpoints {
            let checkpoint = &session.checkpoints[c];
            let Some(folder) = folder_of(checkpoint.paths()) else { continue };
            let subject = Subject::in_series(&session.series, Some(&checkpoint.id));
            folders.entry(folder).or_default().push(subject);
            count += 1;
        }
    }
    Ok((folders, count))
}

/// The directory that holds a checkpoint, below the root.
fn folder_of(paths: &[Box<str>]) -> Option<String> {
    let first = paths.first()?;
    Some(first.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned())
}

fn write(
    root: &Root,
    folder: &str,
    subjects: &[Subject],
    edit: impl Fn(&mut Mark),
) -> Result<bool, Failure> {
    let failed = |e: anyhow::Error| e.context(format!("cannot mark in {folder}"));
    let rel = Rel::parse(folder).map_err(|e| failed(e.into()))?;
    let fd = dir::open(root.fd(), &rel, dir::how()).map_err(|e| failed(e.into()))?;
    let change = |file: &mut MarksFile| {
        for subject in subjects {
            edit(file.entry(subject.clone()));
        }
    };
    Ok(marks::edit(&fd, change).map_err(|e| failed(e.into()))?)
}

/// A day, inclusive and in UTC, or an instant.
pub fn parse_until(text: &str) -> Result<Time, String> {
    if let Some(t) = Time::parse(text) {
        return Ok(t);
    }
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    day.and_then(|d| calendar::end_of_day(d, chrono_tz::UTC))
        .ok_or_else(|| "write it as 2027-01-31 or 2027-01-31T10:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_to_its_end() {
        assert_eq!(parse_until("2027-01-31"), Ok(Time::parse("2027-02-01T00:00:00Z").unwrap()));
        assert_eq!(
            parse_until("2027-01-31T10:00:00Z"),
            Ok(Time::parse("2027-01-31T10:00:00Z").unwrap())
        );
        assert!(parse_until("31.1.2027").is_err());
        assert!(parse_until("2027-02-30").is_err());
    }

    #[test]
    fn marks_lie_beside_what_they_are_about() {
        assert_eq!(folder_of(&["a/b/c".into()]).as_deref(), Some("a/b"));
        assert_eq!(folder_of(&["c".into()]).as_deref(), Some("."));
        assert_eq!(folder_of(&[]), None);
    }
}
