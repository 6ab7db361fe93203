//! What the files occupy that no layout recognises; measured only for those who ask how full a
//! storage is.

use crate::core::usage::Weight;
use crate::layout::Folder;
use crate::store::Entry;
use std::collections::HashSet;

/// A sum, and the files with several links that are not in it yet: inode, allocated bytes, length.
#[derive(Debug, Default)]
pub struct Pile {
    sum: Weight,
    linked: Vec<(u64, u64, u64)>,
}

impl Pile {
    /// Measures files of one directory.
    pub fn of(folder: &Folder<'_>, files: &[&Entry]) -> Pile {
        let mut pile = Pile::default();
        for entry in files {
            match folder.dir.measure(&[&entry.name]) {
                Ok(unit) => match unit.shared.first() {
                    Some(shared) => pile.linked.push((shared.inode, unit.bytes, unit.apparent)),
                    None => pile.put(unit.bytes, unit.apparent),
                },
                Err(_) => pile.sum.unmeasured += 1,
            }
        }
        pile
    }

    fn put(&mut self, bytes: u64, apparent: u64) {
        self.sum.bytes = self.sum.bytes.saturating_add(bytes);
        self.sum.apparent = self.sum.apparent.saturating_add(apparent);
    }

    pub fn join(&mut self, mut other: Pile) {
        self.put(other.sum.bytes, other.sum.apparent);
        self.sum.unmeasured += other.sum.unmeasured;
        self.linked.append(&mut other.linked);
    }

    pub fn weight(mut self) -> Weight {
        let mut seen = HashSet::new();
        for (inode, bytes, apparent) in std::mem::take(&mut self.linked) {
            if seen.insert(inode) {
                self.put(bytes, apparent);
            }
        }
        self.sum
    }
}
