//! What somebody else does to a storage, between two commands or in the middle of one.

use crate::tree;
use crate::world::{Part, UNITS, World};
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Numbers are those of [`UNITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Writes into a file of it (its last part).
    Change(usize),
    /// Adds a file to it; as [`Deed::Change`] where it is no directory.
    Add(usize),
    /// Removes one file, or one part, of it.
    RemovePart(usize),
    Remove(usize),
    /// Removes it, if it is there, and makes another of the same name.
    Replace(usize),
    /// A new file beside the checkpoints of session `d`.
    Stray,
    /// Pins the first checkpoint of session `d`.
    Pin,
}

impl World {
    /// Does it, and keeps the model up to it.
    pub fn outside(&mut self, deed: Deed) {
        match deed {
            Deed::Change(n) => self.touch(n, |path| {
                if let Some(file) = deepest(path) {
                    append(&file);
                }
            }),
            Deed::Add(n) => self.touch(n, |path| {
                if path.is_dir() {
                    fs::write(path.join("added"), "by somebody else").unwrap();
                } else {
                    append(path);
                }
            }),
            Deed::RemovePart(n) => self.touch(n, |path| {
                if let Some(file) = deepest(path) {
                    fs::remove_file(file).unwrap();
                }
            }),
            Deed::Remove(n) => self.remove(n),
            Deed::Replace(n) => {
                self.remove(n);
                if UNITS[n].paths.iter().all(|p| !self.top.join(p).exists()) {
                    self.make(n);
                    self.rests_on(n);
                }
            }
            Deed::Stray => {
                self.deeds += 1;
                let path = format!("d/stray-{}", self.deeds);
                self.write(&path, "stray");
                self.others.extend(tree::without_ours(&self.top).remove_entry(Path::new(&path)));
            }
            Deed::Pin => {
                if !self.pins.contains(&"1") {
                    self.pins.push("1");
                    self.write("d/.retain/marks.toml", "version = 1\n");
                    self.unplan("d");
                }
            }
        }
    }

    /// Whoever is at home of a session is not as planned any more. A command that is at work may
    /// have looked already.
    fn unplan(&mut self, session: &str) {
        if self.in_command {
            return;
        }
        let top = self.top.clone();
        for thing in self.things.iter_mut().filter(|t| UNITS[t.unit].session == session) {
            let there = |p: &Part| tree::tree(&top.join(&p.path)) == p.tree;
            if thing.parts.iter().all(there) {
                thing.planned = false;
            }
        }
    }

    /// What rests on a keeper is not as planned when the keeper is not.
    fn rests_on(&mut self, n: usize) {
        if UNITS[n].keeper {
            self.unplan(UNITS[n].session);
        }
    }

    fn touch(&mut self, n: usize, deed: impl Fn(&Path)) {
        let path = self.top.join(UNITS[n].paths.last().unwrap());
        let before = tree::tree(&path);
        if before.is_empty() {
            return;
        }
        deed(&path);
        let now = tree::tree(&path);
        for thing in self.things.iter_mut().filter(|t| t.unit == n) {
            for part in thing.parts.iter_mut().filter(|p| p.tree == before) {
                part.tree = now.clone();
                (thing.planned, thing.purgeable) = (false, false);
            }
            thing.parts.retain(|p| !p.tree.is_empty());
        }
        self.things.retain(|t| !t.parts.is_empty());
        self.rests_on(n);
    }

    fn remove(&mut self, n: usize) {
        for path in UNITS[n].paths {
            let path = self.top.join(path);
            let before = tree::tree(&path);
            if before.is_empty() {
                continue;
            }
            if path.is_dir() {
                fs::remove_dir_all(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            for thing in self.things.iter_mut().filter(|t| t.unit == n) {
                let parts = thing.parts.len();
                thing.parts.retain(|p| p.tree != before);
                if thing.parts.len() != parts {
                    (thing.planned, thing.purgeable) = (false, false);
                }
            }
        }
        self.things.retain(|t| !t.parts.is_empty());
        self.rests_on(n);
    }
}

/// A file of a checkpoint, while it has one.
fn deepest(path: &Path) -> Option<std::path::PathBuf> {
    let files = walkdir::WalkDir::new(path).sort_by_file_name();
    let mut files = files.into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    Some(files.next()?.into_path())
}

fn append(path: &Path) {
    fs::File::options().append(true).open(path).unwrap().write_all(b"+").unwrap();
}
