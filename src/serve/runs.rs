//! The history of a root as one person may see it.

use super::auth::{Principal, Scope};
use super::site::Site;
use super::view::View;
use crate::apply::journal::history::State;
use crate::apply::{self, ApplyError, Count, RunSummary};

/// A run, and whether all of it is theirs.
pub struct Seen {
    pub run: RunSummary,
    pub whole: bool,
}

/// Runs, the newest first, and what could not be read.
///
/// # Errors
/// The root or its journals cannot be read.
pub fn all(
    site: &Site,
    view: Option<&View>,
    who: &Principal,
) -> Result<(Vec<Seen>, Vec<String>), ApplyError> {
    let root = site.open()?;
    let (runs, faults) = apply::runs(&root)?;
    let mut seen: Vec<Seen> = Vec::new();
    for run in runs.into_iter().rev() {
        seen.extend(cut(site, view, who, run));
    }
    // A fault names paths that are not an owner's concern.
    Ok((seen, if who.is_administrator() { faults } else { Vec::new() }))
}

/// # Errors
/// As [`all`].
pub fn one(
    site: &Site,
    view: Option<&View>,
    who: &Principal,
    id: &str,
) -> Result<Option<Seen>, ApplyError> {
    Ok(all(site, view, who)?.0.into_iter().find(|s| s.run.id == id))
}

/// The part of a run that is theirs, counted anew.
fn cut(site: &Site, view: Option<&View>, who: &Principal, mut run: RunSummary) -> Option<Seen> {
    if let Scope::Administrator = who.scope {
        return Some(Seen { run, whole: true });
    }
    let mine = |session: &str| owns(site, view, who, session);
    let before = run.items.len() + run.skipped.len();
    run.items.retain(|i| mine(&i.session));
    run.skipped.retain(|(s, _)| mine(s));
    let whole = run.items.len() + run.skipped.len() == before;
    if run.items.is_empty() && run.skipped.is_empty() {
        return None;
    }
    let count = |states: &[State]| {
        let mut count = Count::default();
        for item in run.items.iter().filter(|i| states.contains(&i.state)) {
            count.add(item.bytes);
        }
        count
    };
    run.in_trash = count(&[State::Moved, State::Purging]);
    run.midway = count(&[State::Intent]);
    run.purged = count(&[State::Purged]);
    run.restored = count(&[State::Restored]);
    run.left = count(&[State::Kept, State::Gone, State::Lost]);
    run.planned = Count::default();
    for item in &run.items {
        run.planned.add(item.bytes);
    }
    if run.in_trash.checkpoints == 0 {
        run.expires = None;
    }
    Some(Seen { run, whole })
}

/// Whose a session is that may be gone from the disk.
pub fn owns(site: &Site, view: Option<&View>, who: &Principal, session: &str) -> bool {
    if who.is_administrator() {
        return true;
    }
    if let Some(view) = view
        && let Some(s) = view.index.by_name(session)
    {
        return who.sees(&view.session(s).owner);
    }
    // By its name; where owners are uids the name says nothing, and nobody but an administrator
    // sees it.
    who.sees(&site.config.owner.of(session, None))
}
