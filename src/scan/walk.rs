//! Visits directories: listed, shown to the layouts, measured, and left.
//!
//! Subdirectories are visited in parallel and their results joined in the order of their names, so
//! that a scan of an unchanged tree always says the same. Facts travel upwards: an error or a write
//! below a session's directory is the session's, unless another session lies in between.

use super::draft::{self, Draft};
use super::link::{Link, read_links};
use super::{MAX_DEPTH, MAX_EXAMPLES, ScanEvent, ScanOptions, arbitrate, touch};
use crate::core::model::Time;
use crate::layout::folder::{cannot_read, join, show};
use crate::layout::{Folder, Never, Note, Notes, outside, pointer};
use crate::store::{Dir, Entry, Kind, Store};
use rayon::prelude::*;
use std::collections::HashSet;
use std::io;

pub struct Walk<'s> {
    pub options: &'s ScanOptions,
    pub events: &'s (dyn Fn(ScanEvent) + Sync),
}

/// What one directory and everything below it gave.
#[derive(Default)]
pub struct Tree {
    pub drafts: Vec<Draft>,
    /// Faults that belong to no session yet.
    pub faults: Vec<Note>,
    pub links: Vec<Link>,
    pub other_mounts: Vec<Vec<u8>>,
    pub never: Vec<Never>,
    pub unclaimed: u64,
    /// The first unclaimed files, at most [`MAX_EXAMPLES`].
    pub examples: Vec<Vec<u8>>,
    /// Newest write to files of no session in it; known only inside a session.
    pub newest: Option<Time>,
}

impl Tree {
    fn join(mut self, mut other: Tree) -> Tree {
        self.drafts.append(&mut other.drafts);
        self.faults.append(&mut other.faults);
        self.links.append(&mut other.links);
        self.other_mounts.append(&mut other.other_mounts);
        self.never.append(&mut other.never);
        self.unclaimed += other.unclaimed;
        self.examples.append(&mut other.examples);
        self.examples.truncate(MAX_EXAMPLES);
        self.newest = self.newest.max(other.newest);
        self
    }

    fn of_fault(path: Vec<u8>, text: String) -> Tree {
        Tree { faults: vec![Note { path, text }], ..Tree::default() }
    }
}

impl Walk<'_> {
    pub fn root(&self, store: &dyn Store) -> Tree {
        let folder = store.root().and_then(|dir| Folder::new(dir, Vec::new(), None));
        match folder {
            Ok(folder) => {
                let excluded = self.excluded(&folder).collect();
                self.visit(&folder.hide(excluded), false, 0)
            }
            Err(e) => Tree::of_fault(Vec::new(), cannot_read("the root", &e)),
        }
    }

    fn visit(&self, folder: &Folder<'_>, in_session: bool, depth: usize) -> Tree {
        (self.events)(ScanEvent::Directory);
        let mut notes = Notes::default();
        let found = self.recognise(folder, &mut notes);
        let mut tree = Tree::default();
        let claimed: HashSet<&[u8]> = found
            .iter()
            .flat_map(|f| &f.series.claims)
            .flat_map(|c| &c.entries)
            .map(|e| &**e)
            .collect();
        let holds_session = !found.is_empty();

        let children: Vec<&Entry> = folder
            .dirs()
            .filter(|e| !claimed.contains(&*e.name) && !notes.closed.contains(&e.name))
            .filter(|e| self.is_entered(folder, e))
            .collect();
        let files: Vec<&Entry> = folder
            .entries()
            .iter()
            .filter(|e| !matches!(e.kind, Kind::Dir | Kind::Symlink))
            .filter(|e| !claimed.contains(&*e.name) && !notes.closed.contains(&e.name))
            .collect();
        tree.unclaimed = files.len() as u64;
        tree.examples = files.iter().take(MAX_EXAMPLES).map(|e| folder.join(&e.name)).collect();
        tree.links = read_links(folder, holds_session, &mut notes);

        let below = in_session || holds_session;
        if below {
            tree.newest = touch::newest(folder, &files, &mut notes);
        }
        let deeper = children
            .par_iter()
            .map(|child| {
                let hidden = folder.claimed_in(&child.name, &claimed);
                self.child(folder, child, hidden, (below, holds_session), depth + 1)
            })
            .reduce(Tree::default, Tree::join);
        let found = draft::drafts(folder, found, &self.options.layouts, &mut notes);
        tree = tree.join(deeper);
        tree.faults.append(&mut notes.faults);
        tree.never.append(&mut notes.never);
        self.settle(folder, found, &children, below, tree)
    }

    /// Claims of all layouts on this directory, one for each entry, enriched.
    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<arbitrate::Found> {
        let layouts = &self.options.layouts;
        let asked = layouts.iter().enumerate().flat_map(|(layout, l)| {
            let series = l.recognise(folder, notes);
            series.into_iter().map(move |series| arbitrate::Found { layout, series })
        });
        let mut found = arbitrate::settle(asked.collect());
        for f in &mut found {
            let layout = &layouts[f.layout];
            layout.enrich(folder, &mut f.series, notes);
            outside::enrich(folder, &mut f.series, layout.own_logs(), notes);
        }
        if !found.is_empty() {
            let mut all: Vec<_> = found.iter_mut().map(|f| std::mem::take(&mut f.series)).collect();
            pointer::follow_texts(folder, &mut all, notes);
            for (f, series) in found.iter_mut().zip(all) {
                f.series = series;
            }
        }
        found
    }

    fn is_entered(&self, folder: &Folder<'_>, entry: &Entry) -> bool {
        &*entry.name != b".retain"
            && self
                .options
                .exclude
                .as_ref()
                .is_none_or(|globs| !globs.is_match(&show(&folder.join(&entry.name))))
    }

    /// Directories that no layout may look into either: a data set can have millions of files.
    fn excluded(&self, folder: &Folder<'_>) -> impl Iterator<Item = Box<[u8]>> {
        let globs = self.options.exclude.is_some();
        let is_excluded =
            move |e: &&Entry| globs && &*e.name != b".retain" && !self.is_entered(folder, e);
        folder.dirs().filter(is_excluded).map(|e| e.name.clone())
    }

    fn child(
        &self,
        parent: &Folder<'_>,
        entry: &Entry,
        mut hidden: Vec<Box<[u8]>>,
        (in_session, beside_checkpoints): (bool, bool),
        depth: usize,
    ) -> Tree {
        let path = join(&parent.path, &entry.name);
        if depth > MAX_DEPTH {
            return Tree::of_fault(path, "nested more than 64 deep; not entered".to_owned());
        }
        let opened = parent.dir.open(&entry.name);
        match opened.and_then(|dir: Box<dyn Dir>| Folder::new(dir, path.clone(), Some(parent))) {
            Ok(folder) => {
                hidden.extend(self.excluded(&folder));
                self.visit(&folder.hide(hidden), in_session, depth)
            }
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
                let mut tree = Tree { other_mounts: vec![path.clone()], ..Tree::default() };
                if beside_checkpoints {
                    // It may be a checkpoint itself.
                    let text = "lies on another file system, which is not entered".to_owned();
                    tree.faults.push(Note { path, text });
                }
                tree
            }
            Err(e) => Tree::of_fault(path, cannot_read("the directory", &e)),
        }
    }

    /// Gives what was found below to the sessions whose directory this is.
    fn settle(
        &self,
        folder: &Folder<'_>,
        mut own: Vec<Draft>,
        children: &[&Entry],
        below_session: bool,
        mut tree: Tree,
    ) -> Tree {
        // Sessions that lie deeper, but are called after this directory (`X/checkpoints` is `X`).
        let is_home = |d: &Draft| d.own_components > 0 && d.home() == folder.path;
        let called_after_this = tree.drafts.iter().any(is_home);
        if called_after_this && !below_session {
            let mut notes = Notes::default();
            tree.newest = touch::newest_beside(self, folder, children, &tree.drafts, &mut notes);
            tree.faults.append(&mut notes.faults);
        }
        for draft in &own {
            (self.events)(ScanEvent::Session {
                checkpoints: draft.session.checkpoints.len(),
                bytes: draft.session.checkpoints.iter().map(|c| c.bytes).sum(),
            });
        }
        if !own.is_empty() || called_after_this {
            let faults = std::mem::take(&mut tree.faults);
            for draft in own.iter_mut().chain(tree.drafts.iter_mut().filter(|d| is_home(d))) {
                draft.faults.extend(faults.iter().cloned());
                draft.session.last_write = draft.session.last_write.max(tree.newest);
            }
            tree.drafts.append(&mut own);
            // A session around this one has no part in it.
            tree.newest = None;
        }
        tree
    }

    /// Whether a directory is looked into at all; for the walks that only look at times.
    pub fn enters(&self, folder: &Folder<'_>, entry: &Entry) -> bool {
        self.is_entered(folder, entry)
    }
}
