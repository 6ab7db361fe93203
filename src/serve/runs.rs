//! The history of a root as one person may see it.

use super::auth::{Principal, Scope};
use super::pages::heavy;
use super::site::Site;
use super::view::View;
use crate::apply::journal::history::State;
use crate::apply::{ApplyError, Count, KnownRuns, RunSummary};
use std::sync::Arc;

/// A run, and whether all of it is theirs.
pub struct Seen {
    pub run: Arc<RunSummary>,
    pub whole: bool,
}

/// Runs, the newest first, and what could not be read.
///
/// # Errors
/// The root or its journals cannot be read.
pub async fn all(
    site: &Site,
    view: Option<&View>,
    who: &Principal,
) -> Result<(Vec<Seen>, Vec<String>), ApplyError> {
    let known = known(site).await?;
    let cut = |run| cut(site, view, who, run);
    let seen = known.runs.iter().rev().filter_map(cut).collect();
    // A fault names paths that are not an owner's concern.
    let faults = if who.is_administrator() { known.faults.clone() } else { Vec::new() };
    Ok((seen, faults))
}

/// # Errors
/// As [`all`].
pub async fn one(
    site: &Site,
    view: Option<&View>,
    who: &Principal,
    id: &str,
) -> Result<Option<Seen>, ApplyError> {
    let known = known(site).await?;
    let run = known.runs.iter().find(|r| r.id == id);
    Ok(run.and_then(|run| cut(site, view, who, run)))
}

/// What the journals say now. One that another user made since the last scan, in a directory that
/// had none, is found by the next scan. Reading them is worth a thread of its own, a look
/// at them is not.
///
/// # Errors
/// The root or its journals cannot be read.
pub async fn known(site: &Site) -> Result<Arc<KnownRuns>, ApplyError> {
    let root = site.open()?;
    let make = |old: Option<&KnownRuns>| {
        heavy(|| {
            old.map_or_else(|| KnownRuns::find(&root, site.threads()), |old| Ok(old.again(&root)))
        })
    };
    site.runs.get(|known| known.holds(&root), make).await
}

/// The part of a run that is theirs, counted anew.
fn cut(site: &Site, view: Option<&View>, who: &Principal, known: &Arc<RunSummary>) -> Option<Seen> {
    if let Scope::Administrator = who.scope {
        return Some(Seen { run: Arc::clone(known), whole: true });
    }
    let mine = |session: &str| owns(site, view, who, session);
    let items: Vec<_> = known.items.iter().filter(|i| mine(&i.session)).cloned().collect();
    let skipped: Vec<_> = known.skipped.iter().filter(|(s, _)| mine(s)).cloned().collect();
    if items.is_empty() && skipped.is_empty() {
        return None;
    }
    let whole = items.len() + skipped.len() == known.items.len() + known.skipped.len();
    let mut run = RunSummary {
        id: known.id.clone(),
        at: known.at,
        uid: known.uid,
        policy: known.policy.clone(),
        plan: known.plan.clone(),
        items,
        skipped,
        expires: known.expires,
        unfinished: known.unfinished,
        stopped: known.stopped.clone(),
        damaged: known.damaged,
        ..RunSummary::default()
    };
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
    for item in &run.items {
        run.planned.add(item.bytes);
    }
    if run.in_trash.checkpoints == 0 {
        run.expires = None;
    }
    Some(Seen { run: Arc::new(run), whole })
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
