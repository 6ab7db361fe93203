//! Why each entry of a directory is, or is not, part of a checkpoint: to debug a layout with.
//!
//! What is recognised comes from a scan like any other, so that nothing is said here that a plan
//! would see differently; what is not is then shown to every layout once more, for its reason.

use super::walk::Walk;
use super::{MAX_DEPTH, Scan, ScanEvent, ScanOptions, scan};
use crate::core::model::{Checkpoint, Session};
use crate::layout::Folder;
use crate::layout::folder::show;
use crate::layout::propose::{Proposal, merged, propose};
use crate::store::{Entry, Kind, Store};
use std::collections::{HashMap, HashSet};

/// One entry, and what it is taken for.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Below the root.
    pub path: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It is, or is part of, a checkpoint: by indices into the scan's inventory.
    Checkpoint { session: usize, checkpoint: usize },
    /// Recognised and never a candidate.
    Never(String),
    /// Excluded by the settings, or `retain`'s own.
    NotEntered,
    /// Nobody's, and what each layout to which it looks familiar misses.
    Unrecognised(Vec<(String, String)>),
}

/// What an examination found.
pub struct Examined {
    pub seen: Scan,
    pub findings: Vec<Finding>,
    /// Declarations that would recognise some of what nobody did.
    pub proposals: Vec<Proposal>,
}

/// Examines everything below the root of `store`.
pub fn examine(
    store: &dyn Store,
    options: &ScanOptions,
    events: &(dyn Fn(ScanEvent) + Sync),
) -> Examined {
    let seen = scan(store, options, events);
    let mut found = Found::default();
    let known = Known::new(&seen);
    let walk = Walk { options, events };
    // What cannot be opened is a fault of the scan.
    if let Ok(folder) = store.root().and_then(|dir| Folder::new(dir, Vec::new(), None)) {
        known.visit(&walk, &folder, 0, &mut found);
    }
    let taken: Vec<&str> = options.layouts.iter().map(|l| l.name()).collect();
    let proposals = merged(found.proposals, &taken);
    Examined { findings: found.findings, proposals, seen }
}

#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    proposals: Vec<Proposal>,
    /// Paths that a proposal takes for directories of checkpoints: nothing is proposed inside.
    proposed: HashSet<String>,
}

struct Known<'s> {
    checkpoints: HashMap<&'s str, (usize, usize)>,
    never: HashMap<&'s str, &'s str>,
    /// Directories that lead to a checkpoint.
    above: HashSet<&'s str>,
}

impl<'s> Known<'s> {
    fn new(seen: &'s Scan) -> Known<'s> {
        let mut known = Known {
            checkpoints: HashMap::new(),
            never: seen.never.iter().map(|(path, what)| (&**path, &**what)).collect(),
            above: HashSet::new(),
        };
        let sessions: &[Session] = &seen.inventory.sessions;
        for (s, session) in sessions.iter().enumerate() {
            for (c, checkpoint) in session.checkpoints.iter().enumerate() {
                for path in Checkpoint::paths(checkpoint) {
                    known.checkpoints.insert(path, (s, c));
                    known.above.extend(path.match_indices('/').map(|(i, _)| &path[..i]));
                }
            }
        }
        known
    }

    fn visit(&self, walk: &Walk<'_>, folder: &Folder<'_>, depth: usize, out: &mut Found) {
        self.propose(walk, folder, out);
        for entry in folder.entries() {
            let path = show(&folder.join(&entry.name)).into_owned();
            if let Some(&(session, checkpoint)) = self.checkpoints.get(&*path) {
                let what = What::Checkpoint { session, checkpoint };
                out.findings.push(Finding { path, what });
            } else if let Some(what) = self.never.get(&*path) {
                out.findings.push(Finding { path, what: What::Never((*what).to_owned()) });
            } else if entry.kind == Kind::Dir && !walk.enters(folder, entry) {
                out.findings.push(Finding { path, what: What::NotEntered });
            } else {
                let leads_on = self.above.contains(&*path);
                let reasons = reasons(walk, folder, entry);
                if !leads_on && (entry.kind != Kind::Dir || !reasons.is_empty()) {
                    out.findings.push(Finding { path, what: What::Unrecognised(reasons) });
                }
                if entry.kind == Kind::Dir && depth < MAX_DEPTH {
                    self.below(walk, folder, entry, depth, out);
                }
            }
        }
    }

    /// What could be declared for the entries of a directory that are nobody's.
    fn propose(&self, walk: &Walk<'_>, folder: &Folder<'_>, out: &mut Found) {
        let path = show(&folder.path).into_owned();
        let mut above = path.match_indices('/').map(|(i, _)| &path[..i]).chain([&*path]);
        if above.any(|p| out.proposed.contains(p)) {
            return;
        }
        let is_free = |e: &&Entry| {
            let path = show(&folder.join(&e.name)).into_owned();
            !self.checkpoints.contains_key(&*path)
                && !self.never.contains_key(&*path)
                && !self.above.contains(&*path)
                && (e.kind != Kind::Dir || walk.enters(folder, e))
        };
        let free: Vec<&Entry> = folder.entries().iter().filter(is_free).collect();
        for proposal in propose(folder, &free) {
            out.proposed.extend(proposal.entries.iter().cloned());
            out.proposals.push(proposal);
        }
    }

    fn below(
        &self,
        walk: &Walk<'_>,
        folder: &Folder<'_>,
        entry: &Entry,
        depth: usize,
        out: &mut Found,
    ) {
        let opened = folder.dir.open(&entry.name);
        let path = folder.join(&entry.name);
        if let Ok(child) = opened.and_then(|dir| Folder::new(dir, path, Some(folder))) {
            self.visit(walk, &child, depth + 1, out);
        }
    }
}

fn reasons(walk: &Walk<'_>, folder: &Folder<'_>, entry: &Entry) -> Vec<(String, String)> {
    let layouts = walk.options.layouts.iter();
    layouts.filter_map(|l| Some((l.name().to_owned(), l.explain(folder, entry)?))).collect()
}
