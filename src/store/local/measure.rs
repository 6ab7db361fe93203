//! Measures a unit from what is known of its directories, so that none is opened or listed again.
//!
//! The order and the names are those of [`unit::measure_parts`], and so is the fingerprint.

use super::node::{Look, Node, changed, identity};
use super::{kind_of, stat_at};
use crate::store::unit::{MAX_DEPTH, Unit, Walk};
use crate::store::{Fact, Kind, Observation};
use rustix::fd::BorrowedFd;
use rustix::fs::{self, AtFlags, Statx};
use rustix::io::retry_on_intr;
use std::ffi::CStr;
use std::io;
use std::sync::Arc;

/// `names` are entries of `dir`, or paths below it.
pub fn measure(dir: &Arc<Node>, names: &[&[u8]]) -> io::Result<Unit> {
    let mut measure = Measure { keeps_account: dir.spare.account, ..Measure::default() };
    for name in names {
        let mut components = name.split(|b| *b == b'/');
        let leaf = components.next_back().unwrap_or(name);
        let mut parent = Arc::clone(dir);
        for component in components {
            parent = parent.open(component)?;
        }
        let mut path = leaf.to_vec();
        measure.above = name[..name.len() - leaf.len()].to_vec();
        match parent.last_look(leaf)? {
            Look::Other(stat) => {
                measure.walk.fold(&stat, &path, true);
                let fact = Fact::Is(identity(&stat));
                measure.seen.push(Observation { path: name.to_vec(), fact });
            }
            Look::Dir(node) => {
                measure.walk.fold(&node.stat, &path, true);
                let below = path.len() + 1;
                measure.inside(&node, &mut path, below, 1)?;
            }
        }
    }
    if measure.keeps_account {
        dir.remember_measured(measure.seen);
    }
    Ok(measure.walk.finish())
}

#[derive(Default)]
struct Measure {
    walk: Walk,
    /// What comes before the paths in the walk, which begin with the name of an entry.
    above: Vec<u8>,
    keeps_account: bool,
    /// The name that was last told to the kernel.
    name: Vec<u8>,
    /// The named entries, all directories, and what was asked about before.
    seen: Vec<Observation>,
}

impl Measure {
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
                Some(Look::Other(stat)) => self.other(&stat, fd, &entry.name, path, below),
                None => {
                    let stat = stat_at(fd, self.c_name(&entry.name)?, AtFlags::SYMLINK_NOFOLLOW)?;
                    self.other(&stat, fd, &entry.name, path, below)
                }
                Some(Look::Dir(_)) if depth >= MAX_DEPTH => {
                    Err(io::Error::other("directories nested too deeply"))
                }
                Some(Look::Dir(node)) => {
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
        name: &[u8],
        path: &[u8],
        below: usize,
    ) -> io::Result<()> {
        match kind_of(stat) {
            Kind::Dir => return Err(changed()),
            Kind::Symlink => {
                let name = self.c_name(name)?;
                let target = retry_on_intr(|| fs::readlinkat(fd, name, Vec::new()))?;
                self.walk.fold_link(path.get(below..).unwrap_or_default(), target.into_bytes());
            }
            Kind::File | Kind::Other => {}
        }
        self.walk.fold(stat, path, false);
        Ok(())
    }

    /// The name of a listing's entry, for the kernel.
    fn c_name(&mut self, name: &[u8]) -> io::Result<&CStr> {
        self.name.clear();
        self.name.extend_from_slice(name);
        self.name.push(0);
        CStr::from_bytes_with_nul(&self.name).map_err(|_| changed())
    }
}
