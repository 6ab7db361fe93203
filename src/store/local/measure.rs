//! Measures a unit from what is known of its directories, so that none is opened or listed again.
//!
//! The order and the names are those of [`unit::measure_parts`], and so is the fingerprint.

use super::node::{Look, Node, changed, identity};
use crate::store::unit::{MAX_DEPTH, Unit, Walk};
use crate::store::{Fact, Kind, Observation};
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
                measure.inside(&node, &mut path, 1)?;
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
    /// The named entries, all directories, and what was asked about before.
    seen: Vec<Observation>,
}

impl Measure {
    /// Folds in what a directory holds; `depth` counts it and those above it in the unit.
    fn inside(&mut self, dir: &Node, path: &mut Vec<u8>, depth: usize) -> io::Result<()> {
        let own = path.len();
        for entry in &*dir.list()? {
            path.truncate(own);
            path.push(b'/');
            path.extend_from_slice(&entry.name);
            match dir.last_look(&entry.name)? {
                Look::Other(_) if entry.kind == Kind::Dir => return Err(changed()),
                Look::Other(stat) => self.walk.fold(&stat, path, false),
                Look::Dir(_) if depth >= MAX_DEPTH => {
                    return Err(io::Error::other("directories nested too deeply"));
                }
                Look::Dir(node) => {
                    self.walk.fold(&node.stat, path, false);
                    self.inside(&node, path, depth + 1)?;
                }
            }
        }
        path.truncate(own);
        if self.keeps_account {
            dir.observe_own(&[&self.above, &path[..]].concat(), &mut self.seen);
        }
        Ok(())
    }
}
