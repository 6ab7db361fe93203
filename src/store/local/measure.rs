//! Measures a unit from what is known of its directories, so that none is opened or listed again.
//!
//! The order and the names are those of [`unit::measure_parts`], and so is the fingerprint.

use super::node::{Inside, Look, Node, changed, identity};
use super::{kind_of, stat_at};
use crate::store::unit::{self, MAX_DEPTH, Unit, Walk};
use crate::store::{Entry, Fact, Kind, Observation};
use rustix::fd::BorrowedFd;
use rustix::fs::{self, AtFlags, Statx};
use rustix::io::retry_on_intr;
use std::borrow::Cow;
use std::ffi::CStr;
use std::io;
use std::sync::Arc;

/// `names` are entries of `dir`, or paths below it.
pub fn measure(dir: &Arc<Node>, names: &[&[u8]]) -> io::Result<Unit> {
    unit::fold_all(|walk| {
        let mut path = std::mem::take(&mut walk.path);
        let (keeps_account, above, seen) = (dir.spare.account, Vec::new(), Vec::new());
        let mut measure = Measure { walk, above, keeps_account, seen };
        for name in names {
            measure.top(dir, name, &mut path)?;
        }
        if keeps_account {
            dir.remember_measured(measure.seen);
        }
        walk.path = path;
        Ok(())
    })
}

struct Measure<'w> {
    walk: &'w mut Walk,
    /// What comes before the paths in the walk, which begin with the name of an entry.
    above: Vec<u8>,
    keeps_account: bool,
    /// The named entries, all directories, and what was asked about before.
    seen: Vec<Observation>,
}

impl Measure<'_> {
    /// Folds in a named entry of `dir`, or of a directory below it.
    fn top(&mut self, dir: &Arc<Node>, name: &[u8], path: &mut Vec<u8>) -> io::Result<()> {
        let mut components = name.split(|b| *b == b'/');
        let leaf = components.next_back().unwrap_or(name);
        let mut parent = Arc::clone(dir);
        for component in components {
            parent = parent.open(component)?;
        }
        path.clear();
        path.extend_from_slice(leaf);
        self.above = name[..name.len() - leaf.len()].to_vec();
        match parent.last_look(leaf)? {
            Look::Other(stat) => {
                self.walk.fold(&stat, path, true);
                if self.keeps_account {
                    let fact = Fact::Is(identity(&stat));
                    self.seen.push(Observation { path: name.to_vec(), fact });
                }
            }
            Look::Dir(node) => {
                self.walk.fold(&node.stat, path, true);
                let below = path.len() + 1;
                self.inside(&node, path, below, 1)?;
            }
        }
        Ok(())
    }

    /// Folds in what a directory holds; `depth` counts it and those above it in the unit, and the
    /// path below the named entry begins at `below`.
    fn inside(
        &mut self,
        dir: &Node,
        path: &mut Vec<u8>,
        below: usize,
        depth: usize,
    ) -> io::Result<()> {
        let own = path.len();
        dir.inside(|entry, fd, known| {
            path.truncate(own);
            path.push(b'/');
            path.extend_from_slice(&entry.name);
            match known {
                Inside::Other(stat) => self.other(stat, fd, entry, path, below),
                Inside::Unknown => {
                    let stat = stat_at(fd, &*c_name(entry)?, AtFlags::SYMLINK_NOFOLLOW)?;
                    self.other(&stat, fd, entry, path, below)
                }
                Inside::Dir(_) if depth >= MAX_DEPTH => {
                    Err(io::Error::other("directories nested too deeply"))
                }
                Inside::Dir(node) => {
                    self.walk.fold(&node.stat, path, false);
                    self.inside(&node, path, below, depth + 1)
                }
            }
        })?;
        path.truncate(own);
        if self.keeps_account {
            dir.observe_own(&[&self.above, &path[..]].concat(), &mut self.seen);
        }
        Ok(())
    }

    /// Folds in what is no directory.
    fn other(
        &mut self,
        stat: &Statx,
        fd: BorrowedFd<'_>,
        entry: &Entry,
        path: &[u8],
        below: usize,
    ) -> io::Result<()> {
        match kind_of(stat) {
            Kind::Dir => return Err(changed()),
            Kind::Symlink => {
                let name = c_name(entry)?;
                let target = retry_on_intr(|| fs::readlinkat(fd, &*name, Vec::new()))?;
                self.walk.fold_link(path.get(below..).unwrap_or_default(), target.into_bytes());
            }
            Kind::File | Kind::Other => {}
        }
        self.walk.fold(stat, path, false);
        Ok(())
    }
}

/// The name of a listing's entry, for the kernel.
fn c_name(entry: &Entry) -> io::Result<Cow<'_, CStr>> {
    entry.name.to_c_str().ok_or_else(changed)
}
