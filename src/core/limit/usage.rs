//! Bytes in use, each hard-linked file once, and what a removal really gives back.
//!
//! The two differ where a file has links elsewhere. What a set holds gets smaller with the last of
//! its links in the set, and a scan after the removal would see just that; on the disk the file is
//! gone with the last of all of its links.

use crate::core::model::{Checkpoint, SharedFile};
use std::collections::HashMap;

/// The bytes that a set of checkpoints occupies.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    bytes: u64,
    /// Of files that left the set and have links that were never in it.
    elsewhere: u64,
    shared: HashMap<u64, Links>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Links {
    /// From checkpoints in the set.
    now: u32,
    /// From checkpoints that were in it.
    gone: u32,
}

impl Links {
    /// Nothing in the set has the file, and something elsewhere has.
    fn lingers(self, file: &SharedFile) -> bool {
        self.now == 0 && self.gone > 0 && self.gone < file.links
    }
}

impl Usage {
    /// Of what is in the set.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of what is in the set, and of what removals could not free.
    pub fn occupied(&self) -> u64 {
        self.bytes.saturating_add(self.elsewhere)
    }

    /// Adds bytes of files that have one link only.
    pub fn add_private(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes out bytes that were added so; returns what that frees.
    pub fn remove_private(&mut self, bytes: u64) -> u64 {
        self.bytes = self.bytes.saturating_sub(bytes);
        bytes
    }

    pub fn add(&mut self, c: &Checkpoint) {
        self.bytes = self.bytes.saturating_add(private_bytes(c));
        for file in c.shared() {
            let links = self.shared.entry(file.inode).or_default();
            if links.lingers(file) {
                self.elsewhere = self.elsewhere.saturating_sub(file.bytes);
            }
            if links.now == 0 {
                self.bytes = self.bytes.saturating_add(file.bytes);
            }
            links.now += 1;
        }
    }

    /// Takes out a checkpoint that was added; returns the bytes that frees on the disk.
    ///
    /// A file whose links all lie in removed checkpoints is freed; one that is linked from
    /// anywhere else is not.
    pub fn remove(&mut self, c: &Checkpoint) -> u64 {
        let mut freed = private_bytes(c);
        self.bytes = self.bytes.saturating_sub(freed);
        for file in c.shared() {
            let Some(links) = self.shared.get_mut(&file.inode) else { continue };
            links.now = links.now.saturating_sub(1);
            links.gone = links.gone.saturating_add(1);
            if links.now > 0 {
                continue;
            }
            self.bytes = self.bytes.saturating_sub(file.bytes);
            if links.lingers(file) {
                self.elsewhere = self.elsewhere.saturating_add(file.bytes);
            } else {
                freed = freed.saturating_add(file.bytes);
            }
        }
        freed
    }
}

/// Bytes of the files that have one link only.
fn private_bytes(c: &Checkpoint) -> u64 {
    if c.shared().is_empty() {
        return c.bytes;
    }
    let mut seen: Vec<u64> = Vec::new();
    let mut shared = 0_u64;
    for SharedFile { inode, bytes, .. } in c.shared() {
        if !seen.contains(inode) {
            seen.push(*inode);
            shared = shared.saturating_add(*bytes);
        }
    }
    c.bytes.saturating_sub(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(bytes: u64, shared: &[(u64, u64, u32)]) -> Checkpoint {
        let mut c = Checkpoint { bytes, ..Checkpoint::default() };
        c.extra_mut().shared = shared
            .iter()
            .map(|&(inode, bytes, links)| SharedFile { inode, bytes, apparent: bytes, links })
            .collect();
        c
    }

    #[test]
    fn a_hard_link_counts_once_and_is_freed_last() {
        let (a, b) = (linked(110, &[(7, 100, 2)]), linked(120, &[(7, 100, 2)]));
        let mut usage = Usage::default();
        usage.add(&a);
        usage.add(&b);
        assert_eq!(usage.bytes(), 130);
        assert_eq!(usage.remove(&a), 10);
        assert_eq!(usage.remove(&b), 120);
        assert_eq!(usage.bytes(), 0);
    }

    #[test]
    fn a_link_from_outside_is_never_freed() {
        let a = linked(110, &[(7, 100, 3), (7, 100, 3)]);
        let mut usage = Usage::default();
        usage.add(&a);
        assert_eq!(usage.bytes(), 110);
        assert_eq!(usage.remove(&a), 10);
        assert_eq!((usage.bytes(), usage.occupied()), (0, 100));
    }

    #[test]
    fn what_came_for_the_first_time_takes_nothing_of_what_lingers() {
        let (gone, new) = (linked(110, &[(7, 100, 2)]), linked(60, &[(8, 50, 2)]));
        let mut usage = Usage::default();
        usage.add(&gone);
        usage.remove(&gone);
        usage.add(&new);
        assert_eq!((usage.bytes(), usage.occupied()), (60, 160));
    }

    /// In whatever order they come and go: as a simulation sees them.
    #[test]
    fn the_last_link_frees_also_what_came_after_the_first_had_gone() {
        let (a, b) = (linked(110, &[(7, 100, 2)]), linked(120, &[(7, 100, 2)]));
        let mut usage = Usage::default();
        usage.add(&a);
        assert_eq!(usage.remove(&a), 10);
        assert_eq!((usage.bytes(), usage.occupied()), (0, 100));
        usage.add(&b);
        assert_eq!((usage.bytes(), usage.occupied()), (120, 120));
        assert_eq!(usage.remove(&b), 120);
        assert_eq!((usage.bytes(), usage.occupied()), (0, 0));
    }
}
