//! What keeps a checkpoint pinned, for somebody who wants it gone.
//!
//! A pin is set on a checkpoint or on its whole session, and only the same words take it away again.

use super::context::Context;
use super::failure::Failure;
use super::marks::Target;
use super::shell;
use super::work::Seen;
use crate::apply::Root;
use crate::core::model::{Marks, Session};
use crate::marks::{DIRECTORY, FILE};
use crate::report::human;
use crate::steps::mark::{self, Pinned};
use crate::steps::pick;

/// Says after `unpin` what is pinned all the same: the session of a checkpoint, or checkpoints of a
/// session.
///
/// # Errors
/// Nothing has that name.
pub fn say_left(
    context: &Context,
    root: &Root,
    seen: &Seen,
    target: &Target,
) -> Result<(), Failure> {
    let inventory = &seen.inventory;
    let whole = target.checkpoints.is_empty();
    for (s, list) in pick::chosen(inventory, &target.session, &target.checkpoints)? {
        let session = &inventory.sessions[s];
        // What was asked for is gone, or would be: only the other kind can still hold.
        let pinned = |c: &usize| {
            let checkpoint = &session.checkpoints[*c];
            if !checkpoint.marks.has(Marks::PINNED) {
                return None;
            }
            let mut held = mark::pinned(root, &session.series, checkpoint, context.now)?;
            held.subjects.retain(|subject| {
                *subject.series != *session.series || subject.checkpoint.is_some() == whole
            });
            (!held.subjects.is_empty()).then_some((*c, held))
        };
        let left: Vec<(usize, Pinned)> = list.iter().filter_map(pinned).collect();
        let Some((_, first)) = left.first() else { continue };
        let ids: Vec<&str> = left.iter().map(|(c, _)| &*session.checkpoints[*c].id).collect();
        let count = human::count(ids.len() as u64, "checkpoint");
        let (are, themselves) =
            if ids.len() == 1 { ("is", "itself") } else { ("are", "themselves") };
        let by = if whole { format!("by {themselves}") } else { "with its session".to_owned() };
        context.ui.warn(format!("{count} of {} {are} still pinned {by}", session.name));
        say_remedy(context, session, &ids, first);
    }
    Ok(())
}

/// How to unpin checkpoints of a session that are pinned alike.
pub fn say_remedy(context: &Context, session: &Session, ids: &[&str], pinned: &Pinned) {
    let own = |whole: bool| {
        let mut own = pinned.subjects.iter().filter(|s| *s.series == *session.series);
        own.any(|s| s.checkpoint.is_none() == whole)
    };
    let unpin = |words: &[&str]| context.command(&format!("unpin {}", shell::words(words)));
    if own(false) {
        let words: Vec<&str> = [&*session.name].into_iter().chain(ids.iter().copied()).collect();
        let pin = if ids.len() == 1 { "its pin" } else { "their pins" };
        context.ui.help(format!("`{}` takes {pin} away", unpin(&words)));
    }
    if own(true) {
        context
            .ui
            .help(format!("`{}` takes the pin of the whole session away", unpin(&[&session.name])));
    }
    if pinned.subjects.iter().any(|s| *s.series != *session.series) {
        context.ui.help(format!(
            "a pin in {}/{DIRECTORY}/{FILE} was set while the session had another name; it is taken \
             away there",
            pinned.folder
        ));
    }
}
