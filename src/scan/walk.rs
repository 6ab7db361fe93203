//! Visits directories: listed, shown to the layouts, measured, and left.
//!
//! Subdirectories are visited in parallel and their results joined in the order of their names, so
//! that a scan of an unchanged tree always says the same. Facts travel upwards: an error or a write
//! below a session's directory is the session's, unless another session lies in between. So does the
//! account of what was looked at, until it is known which directory everything found rests in.

use super::draft::{self, Draft};
use super::index::Kept;
use super::link::{Link, read_links};
use super::weigh::Pile;
use super::{MAX_DEPTH, MAX_EXAMPLES, ScanEvent, ScanOptions, arbitrate, needs, room, touch};
use crate::core::model::Time;
use crate::layout::folder::{cannot_read, join, show};
use crate::layout::{Folder, Never, Note, Notes, outside, pointer};
use crate::store::{Dir, Entry, Kind, Observation, Store};
use rayon::prelude::*;
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
    /// Of what is no checkpoint, and needs one.
    pub leads: Vec<pointer::Lead>,
    pub other_mounts: Vec<Vec<u8>>,
    pub never: Vec<Never>,
    /// Directories with a `.retain`.
    pub homes: Vec<Vec<u8>>,
    pub unclaimed: u64,
    /// The first unclaimed files, at most [`MAX_EXAMPLES`].
    pub examples: Vec<Vec<u8>>,
    /// What the unclaimed files occupy; empty unless that is asked for.
    pub pile: Pile,
    /// Newest write to files of no session in it; known only inside a session.
    pub newest: Option<Time>,
    /// What all this rests on, as paths below the root; `None` if that is not known, or of no use.
    pub seen: Option<Vec<Observation>>,
    /// What is worth remembering.
    pub(super) kept: Vec<Kept>,
}

/// So many subdirectories are worth being listed at once.
const MANY: usize = 64;
/// A session that rests on more than this is not worth remembering.
const MAX_SEEN: usize = 1_000_000;

impl Tree {
    fn join(mut self, mut other: Tree) -> Tree {
        self.drafts.append(&mut other.drafts);
        self.faults.append(&mut other.faults);
        self.links.append(&mut other.links);
        self.leads.append(&mut other.leads);
        self.other_mounts.append(&mut other.other_mounts);
        self.never.append(&mut other.never);
        self.homes.append(&mut other.homes);
        self.unclaimed += other.unclaimed;
        self.examples.append(&mut other.examples);
        self.examples.truncate(MAX_EXAMPLES);
        self.pile.join(other.pile);
        self.newest = self.newest.max(other.newest);
        self.seen = match (self.seen, other.seen) {
            (Some(mut a), Some(mut b)) if a.len() + b.len() <= MAX_SEEN => {
                a.append(&mut b);
                Some(a)
            }
            _ => None,
        };
        self.kept.append(&mut other.kept);
        self
    }

    /// Nothing found, and nothing that this rests on.
    fn empty() -> Tree {
        Tree { seen: Some(Vec::new()), ..Tree::default() }
    }

    fn of_fault(path: Vec<u8>, text: String) -> Tree {
        Tree { faults: vec![Note { path, text }], ..Tree::default() }
    }
}

/// Whether a directory below the root has a marker of its own. One that cannot be seen is met again
/// by who reads the marks beside it, and by apply.
fn is_root(folder: &Folder<'_>) -> bool {
    let ours = folder.entry(b".retain").filter(|e| e.kind == Kind::Dir);
    ours.is_some_and(|e| folder.holds(&e.name, b"root.toml").unwrap_or(false))
}

/// T22, I3: what lies in a root inside the root is that root's alone to delete. It is seen all the
/// same: what it points at or needs elsewhere is protected (I6).
fn left_alone(folder: &Folder<'_>, in_session: bool, mut tree: Tree) -> Tree {
    let marker = folder.join(b".retain/root.toml");
    let text = format!(
        "lies in a root of its own, and is left alone; if that should be none, remove `{}`",
        show(&marker)
    );
    let note = Note { path: folder.path.clone(), text };
    for draft in &mut tree.drafts {
        draft.faults.push(note.clone());
    }
    if in_session || tree.drafts.is_empty() {
        tree.faults.push(note);
    }
    // Its runs are not ours.
    tree.homes.clear();
    tree
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
        let tree = self.visit_as_one(folder, in_session, depth);
        if depth == 0 || !is_root(folder) { tree } else { left_alone(folder, in_session, tree) }
    }

    /// As if there were no roots below the root.
    fn visit_as_one(&self, folder: &Folder<'_>, in_session: bool, depth: usize) -> Tree {
        (self.events)(ScanEvent::Directory);
        let mut notes = Notes::default();
        self.look_ahead(folder, in_session);
        let found = self.recognise(folder, &mut notes);
        let mut tree = Tree::empty();
        tree.homes.extend(folder.entry(b".retain").map(|_| folder.path.clone()));
        let claims = found.iter().flat_map(|f| &f.series.claims);
        let mut claimed: Vec<&[u8]> = claims.flat_map(|c| &c.entries).map(|e| &**e).collect();
        claimed.sort_unstable();
        let is_nobodys = |e: &Entry| {
            claimed.binary_search(&&*e.name).is_err()
                && !notes.closed.iter().any(|c| **c == *e.name)
        };
        let holds_session = !found.is_empty();

        let children: Vec<&Entry> =
            folder.dirs().filter(|e| is_nobodys(e) && self.is_entered(folder, e)).collect();
        let files: Vec<&Entry> = folder
            .entries()
            .iter()
            .filter(|e| !matches!(e.kind, Kind::Dir | Kind::Symlink) && is_nobodys(e))
            .collect();
        tree.unclaimed = files.len() as u64;
        tree.examples = files.iter().take(MAX_EXAMPLES).map(|e| folder.join(&e.name)).collect();
        if self.options.weigh {
            tree.pile = Pile::of(folder, &files);
        }
        tree.links = read_links(folder, holds_session, &mut notes);
        tree.leads.extend(needs::read_adapter(folder, &mut notes));

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
            .reduce(Tree::empty, Tree::join);
        let found = draft::drafts(folder, found, &self.options.layouts, &mut notes);
        tree = tree.join(deeper);
        tree.faults.append(&mut notes.faults);
        tree.never.append(&mut notes.never);
        self.settle(folder, found, &children, below, tree)
    }

    /// Lists the subdirectories before the layouts, one after the other, look into them: at once
    /// where there are many, and not at all where the last scan's listing still holds.
    fn look_ahead(&self, folder: &Folder<'_>, in_session: bool) {
        let index = self.options.index.as_ref().filter(|i| !in_session && !i.is_empty());
        let dirs: Vec<&Entry> = folder.dirs().filter(|e| &*e.name != b".retain").collect();
        let many = dirs.len() > MANY;
        let look = |entry: &&Entry| {
            let known = index.and_then(|i| i.listing(&folder.join(&entry.name)));
            let holds = known.is_some_and(|(was, list)| folder.dir.expect(&entry.name, &was, list));
            if many && !holds {
                // A failure is met again by who needs it.
                let _ = folder.peek(&entry.name);
            }
        };
        if many {
            dirs.par_iter().with_min_len(MANY / 8).for_each(look);
        } else if index.is_some() {
            dirs.iter().for_each(look);
        }
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
        folder.dirs().filter(is_excluded).map(|e| Box::from(&e.name))
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
        // What was remembered was found by itself.
        let by_itself = !in_session && hidden.is_empty();
        if by_itself && let Some(tree) = self.recall(parent, &entry.name, &path) {
            return tree;
        }
        if depth > MAX_DEPTH {
            return Tree::of_fault(path, "nested more than 64 deep; not entered".to_owned());
        }
        let opened = parent.dir.take(&entry.name);
        match opened.and_then(|dir: Box<dyn Dir>| Folder::new(dir, path.clone(), Some(parent))) {
            Ok(folder) => {
                hidden.extend(self.excluded(&folder));
                let folder = folder.hide(hidden);
                let tree = self.visit(&folder, in_session, depth);
                self.keep(&folder, by_itself, in_session, tree)
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
            self.tell(draft);
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

    /// What the last scan found in a directory, if all that it rests on is as it was.
    fn recall(&self, parent: &Folder<'_>, name: &[u8], path: &[u8]) -> Option<Tree> {
        let index = self.options.index.as_ref()?;
        let tree = index.recall(path, |observation| parent.dir.is_still(observation))?;
        if self.options.weigh && tree.unclaimed > 0 {
            // What they weigh is not remembered.
            return None;
        }
        parent.dir.forget(name);
        (self.events)(ScanEvent::Directory);
        tree.drafts.iter().for_each(|draft| self.tell(draft));
        Some(tree)
    }

    /// Remembers what was found in a directory, if nothing above it has a part in it.
    fn keep(&self, folder: &Folder<'_>, by_itself: bool, in_session: bool, mut tree: Tree) -> Tree {
        let Some(index) = &self.options.index else {
            tree.seen = None;
            return tree;
        };
        let at = |o: Observation| match &*o.path {
            [] => Observation { path: folder.path.clone(), ..o },
            below => Observation { path: join(&folder.path, below), fact: o.fact },
        };
        let own = folder.dir.seen().map(|own| own.into_iter().map(at).collect());
        tree = tree.join(Tree { seen: own, ..Tree::default() });
        let is_below = |d: &Draft| {
            let below = d.home().strip_prefix(&*folder.path);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        if in_session || tree.drafts.is_empty() || !tree.drafts.iter().all(is_below) {
            return tree;
        }
        if by_itself && !folder.looked_above() {
            let above = folder.path.len() - folder.name().len();
            let listing = folder.dir.list().unwrap_or_default();
            let now = self.options.now;
            tree.kept.extend(index.keep(&tree, &listing, now, &folder.path, above));
        }
        tree.seen = None;
        tree
    }

    fn tell(&self, draft: &Draft) {
        let checkpoints = draft.session.checkpoints.len();
        room::after(checkpoints);
        (self.events)(ScanEvent::Session {
            checkpoints,
            bytes: draft.session.checkpoints.iter().map(|c| c.bytes).sum(),
        });
    }

    /// Whether a directory is looked into at all; for the walks that only look at times.
    pub fn enters(&self, folder: &Folder<'_>, entry: &Entry) -> bool {
        self.is_entered(folder, entry)
    }
}
