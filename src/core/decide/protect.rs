//! What is never deleted, whatever the rules say: the absolute part of the ladder.
//!
//! Every protection that applies is recorded, not just the first: a person who lifts one wants to
//! know what else stands in the way.

use super::SessionView;
use super::matching::covers;
use crate::core::decision::Reason;
use crate::core::model::{Checkpoint, Marks, Status};
use crate::core::policy::Discard;

/// Adds every reason why checkpoint `index` of the session is protected.
pub fn protections(view: &SessionView<'_>, index: u32, reasons: &mut Vec<Reason>) {
    let (session, c) = (view.session, &view.session.checkpoints[index as usize]);
    if !session.tainted.is_empty() {
        reasons.push(Reason::Tainted); // I3
    }
    for &i in &view.protections {
        if covers(&view.file.protections[usize::from(i)], session, c) {
            reasons.push(Reason::Protected { protection: i });
        }
    }
    if c.marks.has(Marks::PINNED) && !view.pin_expired(c) {
        reasons.push(Reason::Pinned); // I10
    }
    age(view, c, reasons);
    pointers(view, c, reasons);
    for &(session, checkpoint) in view.needed_by(index) {
        reasons.push(Reason::Needed { session, checkpoint });
    }
    if !c.complete && given_up(view, c).is_none() {
        let due = overdue(view, c).is_some();
        reasons.push(if due { Reason::NothingWhole } else { Reason::Incomplete });
    }
    if c.marks.has(Marks::AMBIGUOUS) {
        reasons.push(Reason::Ambiguous);
    }
    if !c.conflicts().is_empty() {
        reasons.push(Reason::Conflict); // I7
    }
    if session.status == Status::Running
        && view
            .newest
            .is_none_or(|newest| view.order.cmp(c, &session.checkpoints[newest as usize]).is_ge())
    {
        reasons.push(Reason::Running); // I5
    }
    if let Some(later) = view.restarted {
        reasons.push(Reason::Restarted { later });
    }
}

/// I8: too young, or of unknown age. A time in the future is a negative age, hence too young.
fn age(view: &SessionView<'_>, c: &Checkpoint, reasons: &mut Vec<Reason>) {
    match c.written() {
        Some(t) => {
            if t > view.min_age_ago {
                reasons.push(Reason::Young { age: view.now.since(t) });
            }
        }
        None if view.policy.min_age.is_zero() => {}
        None => reasons.push(Reason::UnknownAge),
    }
}

/// I6: named by a pointer, or named like one. A session that may go empty lets go of its own.
fn pointers(view: &SessionView<'_>, c: &Checkpoint, reasons: &mut Vec<Reason>) {
    for (i, pointer) in (0..).zip(c.pointers()) {
        if pointer.external || !view.may_go_empty {
            reasons.push(Reason::Pointer { index: i });
        }
    }
    if view.may_go_empty {
        return;
    }
    if c.pointers().is_empty() && c.marks.has(Marks::LATEST) {
        reasons.push(Reason::MarkedLatest);
    }
    if c.pointers().is_empty() && c.marks.has(Marks::BEST) {
        reasons.push(Reason::MarkedBest);
    }
    if c.is_named_last_or_best() {
        reasons.push(Reason::NamedLastOrBest);
    }
}

/// The `incomplete-for` entry that gives an unfinished checkpoint up, if one does.
///
/// None is given up where nothing finished is left beside it: a file that all of them lack is not
/// what a save that was cut off looks like, and `min-keep` would have nothing to hold on to.
pub fn given_up(view: &SessionView<'_>, c: &Checkpoint) -> Option<u16> {
    overdue(view, c).filter(|_| !view.members.is_empty() || view.may_go_empty)
}

/// The first `incomplete-for` entry whose time is over.
fn overdue(view: &SessionView<'_>, c: &Checkpoint) -> Option<u16> {
    if c.complete || view.session.status == Status::Running {
        return None;
    }
    let written = c.written()?;
    (0..).zip(&view.policy.discard).find_map(|(i, discard)| match discard {
        Discard::IncompleteFor(span) if span.has_passed(written, view.now) => Some(i),
        _ => None,
    })
}

/// The first `discard` entry that names the checkpoint.
pub fn discarded(view: &SessionView<'_>, c: &Checkpoint) -> Option<u16> {
    if !c.complete {
        return given_up(view, c);
    }
    let named = |discard: &Discard| match discard {
        Discard::IncompleteFor(_) => false,
        Discard::Id(globs) => globs.is_match(&c.id),
        Discard::Tag(tags) => tags.iter().all(|t| c.tags().contains(t)),
        Discard::Steps(steps) => c.step.is_some_and(|s| steps.contains(&s)),
        Discard::Submitted => c.marks.has(Marks::SUBMITTED),
        Discard::All => true,
    };
    let found = view.policy.discard.iter().position(named)?;
    u16::try_from(found).ok()
}
