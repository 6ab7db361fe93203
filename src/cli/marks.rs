//! `retain pin`, `unpin`, `tag`: what people say about checkpoints.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::work::{self, Seen};
use crate::core::model::{Pin, Time};
use crate::marks::Mark;
use crate::report::human;
use crate::steps::mark::{self, Folders, parse_until};
use crate::steps::pick;
use clap::Args;
use serde_json::json;

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
            changed += u64::from(
                mark::write(&root, folder, subjects, &edit).map_err(anyhow::Error::from)?,
            );
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
    if target.checkpoints.is_empty() {
        return Ok((mark::of_sessions(inventory, &sessions), sessions.len() as u64));
    }
    let picked = pick::checkpoints(inventory, &sessions, &target.checkpoints)?;
    Ok(mark::of_checkpoints(inventory, &picked))
}
