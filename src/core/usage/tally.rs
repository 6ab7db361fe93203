//! Adds checkpoints up, each hard-linked file once, whatever the order.

use super::Amount;
use super::outcome::Class;
use crate::core::decision::{Outcome, Verdict};
use crate::core::model::{Checkpoint, Inventory};
use std::collections::HashMap;

/// Inodes that stay although a checkpoint that holds them goes.
#[derive(Debug, Default)]
pub struct Links {
    stays: HashMap<u64, bool>,
}

impl Links {
    pub fn new(inventory: &Inventory, outcome: &Outcome) -> Links {
        // Seen, of how many, and whether one of those that were seen stays.
        let mut seen: HashMap<u64, (u32, u32, bool)> = HashMap::new();
        for (session, decision) in inventory.sessions.iter().zip(&outcome.sessions) {
            for (i, c) in session.checkpoints.iter().enumerate() {
                let stays = decision.verdict(i) != Verdict::Delete;
                for file in c.shared() {
                    let links = seen.entry(file.inode).or_default();
                    *links = (links.0 + 1, links.1.max(file.links), links.2 || stays);
                }
            }
        }
        let stays = |(seen, of, stays): (u32, u32, bool)| stays || seen < of;
        Links { stays: seen.into_iter().map(|(inode, l)| (inode, stays(l))).collect() }
    }
}

/// A sum that can be added to another.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub sessions: u64,
    pub checkpoints: u64,
    files: u64,
    apparent: u64,
    unmeasured: u64,
    deletes: u64,
    /// By [`Class`], of files with one link.
    private: [u64; 5],
    /// Inode, class, what it occupies, and its length where that is counted.
    shared: Vec<(u64, Class, u64, u64)>,
}

impl Tally {
    /// One checkpoint, in no session yet.
    pub fn of(c: &Checkpoint, class: Class, goes: bool, links: &Links) -> Tally {
        let apparent = c.extra.as_ref().map_or(0, |e| e.apparent);
        let mut tally = Tally {
            checkpoints: 1,
            files: u64::from(c.files),
            apparent,
            unmeasured: u64::from(apparent == 0 && c.bytes > 0),
            deletes: u64::from(goes),
            ..Tally::default()
        };
        let mut own = c.bytes;
        for file in c.shared() {
            if tally.shared.iter().any(|s| s.0 == file.inode) {
                continue;
            }
            let linked = goes && links.stays.get(&file.inode) == Some(&true);
            let class = if linked { Class::Linked } else { class };
            let length = if apparent == 0 { 0 } else { file.apparent };
            tally.shared.push((file.inode, class, file.bytes, length));
            own = own.saturating_sub(file.bytes);
        }
        tally.private[class as usize] = own;
        tally
    }

    pub fn add(&mut self, other: Tally) {
        self.sessions += other.sessions;
        self.checkpoints += other.checkpoints;
        self.files += other.files;
        self.apparent = self.apparent.saturating_add(other.apparent);
        self.unmeasured += other.unmeasured;
        self.deletes += other.deletes;
        for (sum, bytes) in self.private.iter_mut().zip(other.private) {
            *sum = sum.saturating_add(bytes);
        }
        if self.shared.is_empty() {
            self.shared = other.shared;
        } else {
            self.shared.extend(other.shared);
        }
    }

    pub fn amount(&self) -> Amount {
        let mut classes = self.private;
        let mut apparent = self.apparent;
        let mut shared = self.shared.clone();
        // The strongest class of each inode comes first.
        shared.sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        for files in shared.chunk_by(|a, b| a.0 == b.0) {
            let (_, class, bytes, _) = files[0];
            classes[class as usize] = classes[class as usize].saturating_add(bytes);
            let lengths = files.iter().map(|f| f.3);
            let once = lengths.clone().max().unwrap_or(0);
            let again = lengths.fold(0, u64::saturating_add) - once;
            apparent = apparent.saturating_sub(again);
        }
        let [reclaimable, linked, unmatched, kept, protected] = classes;
        Amount {
            sessions: self.sessions,
            checkpoints: self.checkpoints,
            files: self.files,
            bytes: classes.into_iter().fold(0, u64::saturating_add),
            apparent,
            unmeasured: self.unmeasured,
            deletes: self.deletes,
            reclaimable,
            linked,
            unmatched,
            kept,
            protected,
        }
    }
}
