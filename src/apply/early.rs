//! Which trash may go before its grace is over, where a policy demands free space.
//!
//! Somebody may still count on `undo` of it. So only what lay there when a command began may go for
//! it, the oldest first, and never what that command itself has moved.

use super::held;
use super::home;
use super::journal::history::{self, Item, Run, Settled, State};
use super::outcome::{ApplyError, Count};
use super::purge;
use super::root::Root;
use super::site::may_act;
use super::threads;
use crate::core::model::{Checkpoint, Time};
use std::collections::BTreeSet;

/// A run that this user may purge, with what of it lies in the trash.
#[derive(Clone, Debug)]
pub struct Trash {
    pub run: String,
    /// When it began; without that it is older than nothing.
    pub at: Option<Time>,
    pub count: Count,
    /// What that takes: all that shares no file with anything as one, and nothing for what cannot be looked
    /// at.
    pub weights: Vec<Checkpoint>,
    pub expired: bool,
}

impl Trash {
    /// Whether it may go early for a command that began at `now` and made `own`.
    pub fn may_go(&self, now: Time, own: Option<&str>) -> bool {
        !self.expired && self.at.is_some_and(|at| at <= now) && own != Some(self.run.as_str())
    }
}

/// All trash that this user may purge, the oldest first. It is looked for on so many threads, on as
/// many as the file system bears with 0.
///
/// # Errors
/// The root cannot be read. A journal that cannot be has no say: nothing of it goes.
pub fn trash(root: &Root, threads: usize, now: Time) -> Result<Vec<Trash>, ApplyError> {
    let threads = threads::or_good(threads, root.fd());
    let homes = home::find(root, threads, &BTreeSet::new());
    let (homes, _) = homes.map_err(ApplyError::io("find journals"))?;
    let mut all: Vec<Trash> = Vec::new();
    for home in homes.iter().filter(|home| home.is_writable()) {
        for run in history::read(home.journal(), Settled::But(None)).unwrap_or_default() {
            let Some(trash) = of(root, threads, &run, now) else { continue };
            // A run beside the checkpoints of several sessions has a journal at each.
            match all.iter_mut().find(|known| known.run == trash.run) {
                Some(known) => {
                    known.count.absorb(trash.count);
                    known.weights.extend(trash.weights);
                    known.expired &= trash.expired;
                }
                None => all.push(trash),
            }
        }
    }
    all.sort_by(|a, b| (a.at, &a.run).cmp(&(b.at, &b.run)));
    Ok(all)
}

fn of(root: &Root, threads: usize, run: &Run, now: Time) -> Option<Trash> {
    if run.newer || may_act(root, run).is_err() {
        return None;
    }
    // What no purge takes is no room.
    let beyond = purge::out_of_reach(root, threads, run);
    let (mut count, mut alone, mut weights) = (Count::default(), 0_u64, Vec::new());
    let moved = run.items.values().filter(|item| item.state == State::Moved);
    for Item { intent, .. } in moved.filter(|item| !beyond.contains(&item.intent.item)) {
        count.add(intent.bytes);
        match held::weigh(root, &run.id, intent) {
            Some(weight) if weight.shared().is_empty() => {
                alone = alone.saturating_add(weight.bytes);
            }
            weight => weights.extend(weight),
        }
    }
    weights.push(held::of_its_own(alone));
    let at = run.applied().and_then(|begin| Time::parse(&begin.now));
    let expired = purge::is_expired(run, now);
    (count.checkpoints > 0).then(|| Trash { run: run.id.clone(), at, count, weights, expired })
}
