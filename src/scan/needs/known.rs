//! Where checkpoints are and how their paths end, to find what a path means.

use super::MAX_COMPONENTS;
use crate::core::named::{components, is_alike};
use crate::layout::folder::{join, last_component};
use crate::layout::pointer::Lead;
use crate::scan::draft::Draft;
use crate::scan::link::{Map, Place, is_like_a_checkpoint, parent_of};
use std::collections::{HashMap, HashSet};

/// Where the end of a text's path fits more checkpoints than these, it means none of them: every run of
/// some project has one that is called so.
const MANY: usize = 16;

/// What names a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A symlink in a checkpoint.
    Link,
    /// A base's path: in its own directory its last component alone is enough.
    Base,
    /// A text beside checkpoints, or in one.
    Pointer,
}

/// What a path leads to.
pub struct Found<'m> {
    /// With the paths of their entries, which are empty if the path itself leads there. Of too many
    /// that a text may mean those alone that were moved along with it.
    pub places: Vec<(&'m [u8], Place)>,
    /// How many last components the path has in common with those; `None`: the path itself leads there.
    pub fits: Option<usize>,
    /// It would be among the checkpoints of a session, as surely as among those that were found; it is
    /// called like them, and is not there.
    pub is_gone: bool,
}

pub struct Known<'m> {
    pub map: &'m Map<'m>,
    /// Paths of checkpoints by their last component, of those that are sought; each in the order of
    /// the others, last first.
    endings: HashMap<&'m [u8], Vec<(&'m [u8], Place)>>,
    /// Drafts by the directory of their checkpoints.
    folders: HashMap<Vec<u8>, Vec<usize>>,
}

impl<'m> Known<'m> {
    pub fn new(map: &'m Map<'m>, drafts: &[Draft], adapters: &[Lead]) -> Known<'m> {
        let leads = || drafts.iter().flat_map(|d| &d.leads).chain(adapters).map(|l| &*l.target);
        let targets = drafts.iter().flat_map(|d| &d.wishes).map(|w| &*w.target).chain(leads());
        let sought: HashSet<&[u8]> = targets.flat_map(reversed).collect();
        let mut known = Known { map, endings: HashMap::new(), folders: HashMap::new() };
        for (path, place) in map.units() {
            if let Some(last) = components(path).next().filter(|last| sought.contains(last)) {
                known.endings.entry(last).or_default().push((path, place));
            }
        }
        for paths in known.endings.values_mut() {
            paths.sort_unstable_by(|a, b| components(a.0).cmp(components(b.0)).then(a.cmp(b)));
        }
        for (d, draft) in drafts.iter().enumerate() {
            known.folders.entry(draft.folder.clone()).or_default().push(d);
        }
        known
    }

    /// What a target leads to that the file at `path` names.
    pub fn resolve(&self, drafts: &[Draft], path: &[u8], target: &[u8], by: By) -> Found<'m> {
        let mut is_gone = false;
        let mut from = parent_of(path);
        loop {
            match self.map.walk(from, target) {
                Ok(place) => {
                    return Found { places: vec![(b"", place)], fits: None, is_gone: false };
                }
                Err(end) => is_gone |= end.is_some_and(|end| self.misses(drafts, &end)),
            }
            // A path in a file is relative to nobody knows which directory.
            if by == By::Link || from.is_empty() || target.starts_with(b"/") {
                break;
            }
            from = parent_of(from);
        }
        let mut found = Found { places: Vec::new(), fits: Some(0), is_gone };
        if by != By::Link || target.starts_with(b"/") {
            let target = reversed(target);
            let same_folder = |p: &Place| {
                // What a pointer calls so should lie beside it.
                let folder = &drafts[p.0].folder;
                by != By::Pointer && (folder.is_empty() || is_below(path, folder))
            };
            let (fits, places) = self.like((path, &target, by), same_folder);
            found.is_gone |= self.misses_like(drafts, &target) >= fits.max(1);
            (found.fits, found.places) = (Some(fits), places);
        }
        found
    }

    /// Whether a path would be, or be in, a checkpoint of a session that is here, and none is there.
    fn misses(&self, drafts: &[Draft], path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| i);
        let mut above = ends.chain([path.len()]).map(|end| &path[..end]);
        !above.clone().any(|path| self.map.is_unit(path))
            && above.any(|path| self.is_like(drafts, parent_of(path), last_component(path)))
    }

    /// The same for a path from elsewhere, of which a session's whole directory is a part: how many
    /// components that and the checkpoint's name are at most.
    fn misses_like(&self, drafts: &[Draft], target: &[&[u8]]) -> usize {
        let mut most = 0;
        for (at, name) in target.iter().enumerate() {
            for len in 1..target.len() - at {
                let folder: Vec<&[u8]> = target[at + 1..=at + len].iter().rev().copied().collect();
                let folder = folder.join(&b'/');
                let is_here = || self.map.is_unit(&[&folder[..], name].join(&b'/'));
                if len >= most && self.is_like(drafts, &folder, name) && !is_here() {
                    most = len + 1;
                }
            }
        }
        most
    }

    fn is_like(&self, drafts: &[Draft], folder: &[u8], name: &[u8]) -> bool {
        let here = self.folders.get(folder).into_iter().flatten();
        here.into_iter().any(|d| is_like_a_checkpoint(&drafts[*d], name))
    }

    /// The checkpoints whose paths have the most last components in common with `target`, or with
    /// a directory above it, and how many: at least two, but for those that `alone` holds for.
    fn like(
        &self,
        (path, target, by): (&[u8], &[&[u8]], By),
        alone: impl Fn(&Place) -> bool,
    ) -> (usize, Vec<(&'m [u8], Place)>) {
        let mut best: (usize, Vec<(&'m [u8], Place)>) = (0, Vec::new());
        for (at, name) in target.iter().enumerate() {
            // What is called like a checkpoint and lies further in is meant, and not here.
            if by == By::Pointer && target[..at].iter().any(|inner| is_alike(inner, name)) {
                continue;
            }
            let Some(mut all) = self.endings.get(name).map(|all| &all[..]) else { continue };
            let mut count = 1;
            while let Some(next) = target.get(at + count) {
                let same = narrow(all, count, next);
                if same.is_empty() {
                    break;
                }
                (all, count) = (same, count + 1);
            }
            let mut places: Vec<_> = match by {
                By::Pointer if count < 2 => continue,
                By::Pointer if all.len() > MANY => self.along(path, &target[at..at + count]),
                _ if count < 2 => all.iter().filter(|p| alone(&p.1)).copied().collect(),
                _ => all.to_vec(),
            };
            if count < best.0 || count < 2 && places.is_empty() {
                continue;
            }
            if count > best.0 {
                best = (count, Vec::new());
            }
            best.1.append(&mut places);
        }
        best.1.sort_unstable_by_key(|(_, place)| *place);
        best.1.dedup_by_key(|(_, place)| *place);
        best
    }

    /// The checkpoints with this ending, last component first, in a directory above the file at `path`:
    /// what was moved along with it.
    fn along(&self, path: &[u8], ending: &[&[u8]]) -> Vec<(&'m [u8], Place)> {
        let ending = ending.iter().rev().copied().collect::<Vec<_>>().join(&b'/');
        let above = std::iter::successors(Some(parent_of(path)), |path| {
            (!path.is_empty()).then(|| parent_of(path))
        });
        above.filter_map(|folder| self.map.unit(&join(folder, &ending))).collect()
    }
}

/// Those of `all`, which have `at` last components in common, of which the next is this one too.
fn narrow<'a, 'm>(all: &'a [(&'m [u8], Place)], at: usize, next: &[u8]) -> &'a [(&'m [u8], Place)] {
    let key = |path: &(&'m [u8], Place)| components(path.0).nth(at);
    let rest = &all[all.partition_point(|p| key(p) < Some(next))..];
    &rest[..rest.partition_point(|p| key(p) == Some(next))]
}

fn reversed(target: &[u8]) -> Vec<&[u8]> {
    components(target).take(MAX_COMPONENTS).collect()
}

/// Whether a path lies below a directory.
pub fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}
