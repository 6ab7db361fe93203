//! `retain pin`, `unpin`, `tag`: what people say about checkpoints.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::work::{self, Seen};
use super::{gone, pins};
use crate::apply::Root;
use crate::core::model::{Inventory, Pin, Time};
use crate::marks::Mark;
use crate::report::human;
use crate::steps::mark::{self, Folders, MarkError, Written, parse_until};
use crate::steps::pick::{self, PickError};
use clap::Args;
use serde_json::{Value, json};
use std::collections::HashSet;

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

/// What was done, and what a dry run says of it.
pub type Words = [&'static str; 2];
const PINNED: Words = ["pinned", "would be pinned"];
const UNPINNED: Words = ["unpinned", "would be unpinned"];
const TAGGED: Words = ["tagged", "would be tagged"];

pub fn pin(context: &Context, args: &PinArgs) -> Result<Exit, Failure> {
    let pin = Pin { until: args.until, why: args.why.as_deref().map(Into::into) };
    if pin.until.is_some_and(|until| until <= context.now) {
        return Err(Failure::usage("--until lies in the past; such a pin would protect nothing"));
    }
    Ok(change(context, &args.target, PINNED, |mark| mark.pin = Some(pin.clone()))?.exit)
}

pub fn unpin(context: &Context, args: &UnpinArgs) -> Result<Exit, Failure> {
    let (root, seen) = look(context)?;
    let marked = change_in(context, &root, &seen, &args.target, UNPINNED, |m| m.pin = None)?;
    pins::say_left(context, &root, &seen, &args.target)?;
    Ok(marked.exit)
}

pub fn tag(context: &Context, args: &TagArgs) -> Result<Exit, Failure> {
    let marked = change(context, &args.target, TAGGED, |mark| {
        for tag in &args.remove {
            mark.tags.remove(tag);
        }
        mark.tags.extend(args.add.iter().cloned());
    })?;
    Ok(marked.exit)
}

/// What became of the marks of a target.
pub struct Marked {
    pub exit: Exit,
    /// Nothing of the target is left without its mark.
    pub whole: bool,
    /// Something is not marked as it was, or would not be.
    pub changed: bool,
}

/// Changes the mark of each subject of the target, and says so: which could not be changed, and of
/// how many it was done.
///
/// # Errors
/// Nothing has that name, or stdout cannot be written to.
pub fn change(
    context: &Context,
    target: &Target,
    words: Words,
    edit: impl Fn(&mut Mark),
) -> Result<Marked, Failure> {
    let (root, seen) = look(context)?;
    change_in(context, &root, &seen, target, words, edit)
}

fn look(context: &Context) -> Result<(Root, Seen), Failure> {
    let config = context.config()?;
    let root = context::open(&config.root)?;
    let seen = work::scan_root(context, &config, &root)?;
    Ok((root, seen))
}

fn change_in(
    context: &Context,
    root: &Root,
    seen: &Seen,
    target: &Target,
    words: Words,
    edit: impl Fn(&mut Mark),
) -> Result<Marked, Failure> {
    let chosen = Chosen::of(&seen.inventory, target).map_err(|e| {
        gone::explained(context, root, seen, (&target.session, &target.checkpoints), e)
    })?;
    let mut written = if target.dry_run {
        mark::rehearse(root, &chosen.folders, &edit)
    } else {
        context.confine(root);
        mark::write(root, &chosen.folders, &edit)
    };
    let changed = chosen.changed(&seen.inventory, &written);
    if target.dry_run {
        written.changed = 0;
    }
    for error in &written.failed {
        let text = error.to_string();
        context.ui.failure(&Failure::msg(Exit::Partly, text));
    }
    let failed: HashSet<&str> = written.failed.iter().map(|e| &*e.folder).collect();
    if context.ui.json {
        context.ui.json(&chosen.json(target, &written, &failed))?;
    } else {
        let left_out = chosen.count_in(&seen.inventory, &failed);
        context.ui.note(chosen.sentence(target, words, changed, left_out));
    }
    let whole = failed.is_empty();
    if !whole {
        context.ui.help("what was not marked is not protected: mend the cause and run it again");
    }
    let nothing = !whole && failed.len() == chosen.folders.len();
    let exit = Exit::Done.and_if(!whole, if nothing { Exit::Error } else { Exit::Partly });
    Ok(Marked { exit: work::say_faults(context, seen).and(exit), whole, changed: changed > 0 })
}

/// Where the marks of a target lie.
///
/// # Errors
/// Nothing has that name.
pub fn folders(inventory: &Inventory, target: &Target) -> Result<Folders, PickError> {
    Ok(Chosen::of(inventory, target)?.folders)
}

/// Where the marks of the target lie.
struct Chosen {
    folders: Folders,
    sessions: Vec<usize>,
    /// Checkpoints, if the target names any, else sessions.
    count: u64,
    whole_sessions: bool,
}

impl Chosen {
    fn of(inventory: &Inventory, target: &Target) -> Result<Chosen, PickError> {
        let sessions = pick::sessions(inventory, std::slice::from_ref(&target.session))?;
        let whole_sessions = target.checkpoints.is_empty();
        let (folders, count) = if whole_sessions {
            (mark::of_sessions(inventory, &sessions), sessions.len() as u64)
        } else {
            let picked = pick::checkpoints(inventory, &sessions, &target.checkpoints)?;
            mark::of_checkpoints(inventory, &picked)
        };
        Ok(Chosen { folders, sessions, count, whole_sessions })
    }

    /// How many have a mark, or a part of it, in one of these folders.
    fn count_in(&self, inventory: &Inventory, folders: &HashSet<&str>) -> u64 {
        let is_in = |f: &String| folders.contains(&**f);
        if self.whole_sessions {
            let lies_in = |s: &&usize| mark::of_sessions(inventory, &[**s]).keys().any(is_in);
            return self.sessions.iter().filter(lies_in).count() as u64;
        }
        self.folders.iter().filter(|(f, _)| is_in(f)).map(|(_, list)| list.len() as u64).sum()
    }

    /// How many are marked otherwise than before.
    fn changed(&self, inventory: &Inventory, written: &Written) -> u64 {
        if !self.whole_sessions {
            return written.subjects.len() as u64;
        }
        let is_changed = |s: &&usize| {
            let places = mark::of_sessions(inventory, &[**s]);
            let mut all = places.into_iter().flat_map(|(folder, list)| {
                list.into_iter().map(move |subject| (folder.clone(), subject))
            });
            all.any(|place| written.subjects.contains(&place))
        };
        self.sessions.iter().filter(is_changed).count() as u64
    }

    fn sentence(&self, target: &Target, words: Words, changed: u64, left_out: u64) -> String {
        let noun = if self.whole_sessions { "session" } else { "checkpoint" };
        let what = human::count(self.count, noun);
        let (dry, words) = if target.dry_run { ("dry run: ", words[1]) } else { ("", words[0]) };
        let same = self.count.saturating_sub(left_out).saturating_sub(changed);
        match (changed, left_out, same) {
            (0, 0, _) => format!("{dry}{what}: nothing to change"),
            (_, 0, 0) => format!("{dry}{what} {words}"),
            (n, _, 0) => format!("{dry}{n} of {what} {words}"),
            (n, _, same) => format!("{dry}{n} of {what} {words}; nothing to change for {same}"),
        }
    }

    fn json(&self, target: &Target, written: &Written, failed: &HashSet<&str>) -> Value {
        let marked = self.folders.iter().filter(|(folder, _)| !failed.contains(&***folder));
        let subjects: Vec<_> = marked
            .flat_map(|(folder, list)| list.iter().map(move |s| (folder, &s.checkpoint)))
            .map(|(folder, id)| json!({ "folder": folder, "checkpoint": id }))
            .collect();
        let error = |e: &MarkError| json!({ "folder": e.folder, "error": e.to_string() });
        json!({
            "format": "retain-marks/1", "dry_run": target.dry_run, "files_changed": written.changed,
            "subjects": subjects, "failed": written.failed.iter().map(error).collect::<Vec<_>>(),
        })
    }
}
