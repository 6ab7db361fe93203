//! What trash takes on the disk: a file with several hard links is gone with the last of them alone.
//!
//! A journal has the bytes of each checkpoint by itself, and says whether it had files with other links.
//! Only these are looked at again: where their links are by now no journal knows.

use super::journal::record::Intent;
use super::located::Located;
use super::parallel;
use super::root::Root;
use super::runs::RunSummary;
use crate::core::limit::usage::Usage;
use crate::core::model::{Checkpoint, Inventory};
use std::collections::HashMap;

/// Bytes of its own, for a sum over several ([`Usage`]).
pub fn of_its_own(bytes: u64) -> Checkpoint {
    Checkpoint { bytes, ..Checkpoint::default() }
}

/// What a checkpoint of a run takes in the trash; `None` if it had files with other links and cannot be
/// looked at.
pub fn weigh(root: &Root, run: &str, item: &Intent) -> Option<Checkpoint> {
    if item.lasting.is_empty() {
        return Some(of_its_own(item.bytes));
    }
    let found = Located::open(root, run, &[item]).ok()?;
    let unit = found.measure(item, false).ok()?;
    let mut weight = of_its_own(unit.bytes);
    weight.extra_mut().shared = unit.shared;
    Some(weight)
}

/// Adds up what a purge of some checkpoints, one after the other, gives back to the disk.
#[derive(Clone, Debug, Default)]
pub struct Freed {
    usage: Usage,
    /// By their numbers in a run; those that have files with other links.
    linked: HashMap<u32, Option<Checkpoint>>,
}

impl Freed {
    /// Looks at some checkpoints of a run while they lie there.
    pub fn look<'i>(
        &mut self,
        root: &Root,
        threads: usize,
        run: &str,
        items: impl Iterator<Item = &'i Intent>,
    ) {
        let linked: Vec<&Intent> = items.filter(|item| !item.lasting.is_empty()).collect();
        let weights = parallel::map(threads, &linked, |item| weigh(root, run, item));
        self.linked = linked.iter().map(|item| item.item).zip(weights).collect();
    }

    /// Bytes that are free when one of these is gone, after those asked before. What could not be looked
    /// at is not said to free anything (I33).
    pub fn take(&mut self, item: &Intent) -> u64 {
        let Some(weight) = self.linked.get(&item.item) else { return item.bytes };
        weight.as_ref().map_or(0, |weight| {
            self.usage.add(weight);
            self.usage.remove(weight)
        })
    }
}

/// Counts what these runs left in the trash as gone, as far as whoever asks can purge it: its bytes as
/// free, and its links of a file as none, so that the last one elsewhere is what holds the file.
pub fn count_as_gone(root: &Root, runs: &[RunSummary], inventory: &mut Inventory) {
    let Some(space) = &mut inventory.space else { return };
    let before = space.free;
    let (mut usage, mut weights) = (Usage::default(), Vec::new());
    let mut links: HashMap<u64, u32> = HashMap::new();
    for run in runs {
        let mut bytes = run.in_trash.bytes.saturating_sub(run.out_of_reach.bytes);
        for item in &run.linked {
            // What cannot be looked at counts whole: nothing else goes in its place.
            let Some(weight) = weigh(root, &run.id, item) else { continue };
            bytes = bytes.saturating_sub(item.bytes);
            for file in weight.shared() {
                *links.entry(file.inode).or_default() += 1;
            }
            usage.add(&weight);
            weights.push(weight);
        }
        space.free = space.free.saturating_add(bytes);
    }
    let freed = weights.iter().map(|weight| usage.remove(weight));
    space.free = freed.fold(space.free, u64::saturating_add);
    space.trash = space.free - before;
    if links.is_empty() {
        return;
    }
    let checkpoints = inventory.sessions.iter_mut().flat_map(|s| &mut s.checkpoints);
    for file in checkpoints.filter_map(|c| c.extra.as_mut()).flat_map(|extra| &mut extra.shared) {
        let gone = links.get(&file.inode).copied().unwrap_or_default();
        file.links = file.links.saturating_sub(gone).max(1);
    }
}
