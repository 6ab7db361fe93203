//! Checkpoints that cannot be loaded without another one: an adapter and its base, and symlinks
//! from inside one checkpoint into another, as incremental saves leave them.
//!
//! Where a path leads is computed as for symlinks, by its text. A base's path was often written on
//! another machine, or relative to where the training was started: then the checkpoints whose
//! paths end like it are meant. To need one too many keeps one too many; the other way round an
//! adapter would lose its base. What is no checkpoint of this root (a name on a model hub, a
//! directory elsewhere) is never deleted here and needs no care.

use super::draft::Draft;
use super::index::{Reader, Writer};
use super::link::{Link, Map, Place, is_like_a_checkpoint, parent_of};
use crate::core::name::encode;
use crate::layout::folder::{Folder, cannot_read, join, last_component};
use crate::layout::pointer::Lead;
use crate::layout::{Note, Notes, pointer};
use crate::store::unit::InnerLink;
use crate::store::{Dir, Kind, Store};
use std::collections::HashMap;
use std::io;

mod adapter;
mod leads;

use adapter::{CONFIGS, Config};
pub use leads::read_adapter;

/// As the kernel's: what is longer is no path.
const MAX_PATH: usize = 4096;
/// How much of the end of a path is compared.
const MAX_COMPONENTS: usize = 64;
/// PEFT saves an adapter that is not called `default` into a folder of its own in the checkpoint.
/// What has more folders has shards or arrays in them.
const MAX_INNER: usize = 16;

/// A path that a checkpoint needs to be loaded, before it is known where it leads.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Index in its draft.
    checkpoint: u32,
    /// The file or link that says so, below the root.
    path: Vec<u8>,
    target: Vec<u8>,
    /// Written into a file, and so perhaps relative to some other directory, or of another machine.
    is_text: bool,
}

impl Wish {
    /// A symlink inside the checkpoint that is made of these entries.
    pub fn of_link(
        folder: &Folder<'_>,
        entries: &[Box<[u8]>],
        checkpoint: u32,
        link: InnerLink,
    ) -> Option<Wish> {
        let path = join(&folder.join(entries.get(link.top)?), &link.path);
        Some(Wish { checkpoint, path, target: link.target, is_text: false })
    }

    /// For the index of the last scan.
    pub fn put(&self, out: &mut Writer) {
        let Wish { checkpoint, path, target, is_text } = self;
        out.u64((*checkpoint).into());
        out.bytes(path);
        out.bytes(target);
        out.bool(*is_text);
    }

    pub fn get(reader: &mut Reader<'_>) -> Option<Wish> {
        Some(Wish {
            checkpoint: reader.u32()?,
            path: reader.bytes()?.to_vec(),
            target: reader.bytes()?.to_vec(),
            is_text: reader.bool()?,
        })
    }
}

/// Reads which bases the adapters in a checkpoint's directories name.
pub fn read_adapters(
    folder: &Folder<'_>,
    entries: &[Box<[u8]>],
    checkpoint: u32,
    wishes: &mut Vec<Wish>,
    notes: &mut Notes,
) {
    let is_dir = |name: &&[u8]| folder.entry(name).is_some_and(|e| e.kind == Kind::Dir);
    for name in entries.iter().map(|e| &**e).filter(is_dir) {
        // What cannot be opened is said when it is measured.
        let Ok(peek) = folder.peek(name) else { continue };
        let mut read = |dir: io::Result<Box<dyn Dir>>, path: Vec<u8>, config: Config| {
            let path = join(&path, config.file.as_bytes());
            let opened = dir.map_err(|e| cannot_read(&encode(name), &e));
            match opened.and_then(|dir| config.base(&*dir)) {
                Ok(Some(target)) => wishes.push(Wish { checkpoint, path, target, is_text: true }),
                Ok(None) => {}
                Err(text) => notes.fault(path, text),
            }
        };
        for config in CONFIGS.into_iter().filter(|c| peek.entry(c.file.as_bytes()).is_some()) {
            read(peek.dir(), folder.join(name), config);
        }
        let inner = || peek.entries().iter().filter(|e| e.kind == Kind::Dir);
        if inner().next().is_none() || inner().count() > MAX_INNER {
            continue;
        }
        let Ok(dir) = peek.dir() else { continue };
        for inner in inner() {
            // Its listing is what will be measured.
            let Ok(list) = dir.open(&inner.name).and_then(|below| below.list()) else { continue };
            let is_there = |c: &Config| list.iter().any(|e| *e.name == *c.file.as_bytes());
            for config in CONFIGS.into_iter().filter(is_there) {
                read(dir.open(&inner.name), join(&folder.join(name), &inner.name), config);
            }
        }
    }
}

/// Gives every checkpoint the names of those that it needs.
pub fn follow(store: &dyn Store, drafts: &mut [Draft], links: &[Link], adapters: &[Lead]) {
    if adapters.is_empty() && drafts.iter().all(|d| d.wishes.is_empty() && d.leads.is_empty()) {
        return;
    }
    let map = Map::new(store, drafts, links);
    let known = Known::new(&map, drafts);
    let mut needed = Vec::new();
    let mut lost = Vec::new();
    for (d, draft) in drafts.iter().enumerate() {
        for wish in &draft.wishes {
            let own = (d, wish.checkpoint);
            let Wish { path, target, is_text, .. } = wish;
            match resolve(&known, drafts, (path, target, *is_text), MAX_COMPONENTS) {
                Found::Here(places) => {
                    needed.extend(places.into_iter().filter(|p| *p != own).map(|p| (own, p)));
                }
                Found::Gone => lost.push((d, wish.clone())),
                Found::Elsewhere => {}
            }
        }
    }
    let led = leads::find(&known, drafts, adapters);
    leads::settle(store, drafts, led);
    for ((d, c), (other, target)) in needed {
        let id = &drafts[other].session.checkpoints[target as usize].id;
        let name: Box<str> = if d == other {
            (**id).into()
        } else {
            format!("{}/{id}", drafts[other].session.name).into()
        };
        let needs = &mut drafts[d].session.checkpoints[c as usize].extra_mut().needs;
        if !needs.contains(&name) {
            needs.push(name);
        }
    }
    for (d, wish) in lost {
        let text = format!("needs `{}`, which is not here", encode(&wish.target));
        drafts[d].faults.push(Note { path: wish.path, text });
    }
}

enum Found {
    Here(Vec<Place>),
    /// Among the checkpoints of a session, called like them, and not there.
    Gone,
    Elsewhere,
}

/// What a target leads to that the file at `path` names; `reach`: how many components further in
/// than a checkpoint it may lead, if it is of another machine.
fn resolve(
    known: &Known<'_>,
    drafts: &[Draft],
    (path, target, is_text): (&[u8], &[u8], bool),
    reach: usize,
) -> Found {
    let mut gone = false;
    let mut from = parent_of(path);
    loop {
        match known.map.walk(from, target) {
            Ok(place) => return Found::Here(vec![place]),
            Err(end) => gone |= end.is_some_and(|end| known.misses(drafts, &end)),
        }
        // A path in a file is relative to nobody knows which directory.
        if !is_text || from.is_empty() || target.starts_with(b"/") {
            break;
        }
        from = parent_of(from);
    }
    let same_folder = |p: &Place| {
        // What a pointer calls so should lie beside it.
        let folder = &drafts[p.0].folder;
        let below = || path.strip_prefix(&folder[..]).is_some_and(|r| r[0] == b'/');
        reach > pointer::REACH && (folder.is_empty() || below())
    };
    let mut places = Vec::new();
    if is_text || target.starts_with(b"/") {
        places = known.like(target, reach, same_folder);
        gone = gone || known.misses_like(drafts, target);
    }
    match (places.is_empty(), gone) {
        (false, _) => Found::Here(places),
        (true, true) => Found::Gone,
        (true, false) => Found::Elsewhere,
    }
}

/// Where checkpoints are, and how their paths end.
struct Known<'m> {
    map: &'m Map<'m>,
    /// Paths of checkpoints by their last component.
    endings: HashMap<&'m [u8], Vec<(&'m [u8], Place)>>,
    /// Drafts by the directory of their checkpoints.
    folders: HashMap<Vec<u8>, Vec<usize>>,
}

impl<'m> Known<'m> {
    fn new(map: &'m Map<'m>, drafts: &[Draft]) -> Known<'m> {
        let mut known = Known { map, endings: HashMap::new(), folders: HashMap::new() };
        for (path, place) in map.units() {
            known.endings.entry(last_component(path)).or_default().push((path, place));
        }
        for (d, draft) in drafts.iter().enumerate() {
            known.folders.entry(draft.folder.clone()).or_default().push(d);
        }
        known
    }

    /// Whether a path would be, or be in, a checkpoint of a session that is here, and none is there.
    fn misses(&self, drafts: &[Draft], path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| i);
        let mut above = ends.chain([path.len()]).map(|end| &path[..end]);
        !above.clone().any(|path| self.map.is_unit(path))
            && above.any(|path| self.is_like(drafts, parent_of(path), last_component(path)))
    }

    /// The same for a path from elsewhere, of which a session's whole directory is a part.
    fn misses_like(&self, drafts: &[Draft], target: &[u8]) -> bool {
        let mut target: Vec<&[u8]> = pointer::components(target).take(MAX_COMPONENTS).collect();
        target.reverse();
        (1..target.len()).any(|name| {
            (0..name)
                .any(|start| self.is_like(drafts, &target[start..name].join(&b'/'), target[name]))
        })
    }

    fn is_like(&self, drafts: &[Draft], folder: &[u8], name: &[u8]) -> bool {
        let here = self.folders.get(folder).into_iter().flatten();
        here.into_iter().any(|d| is_like_a_checkpoint(&drafts[*d], name))
    }

    /// The checkpoints whose paths have the most last components in common with `target`, or with
    /// a directory above it: at least two, but for those that `alone` holds for.
    fn like(&self, target: &[u8], reach: usize, alone: impl Fn(&Place) -> bool) -> Vec<Place> {
        let target: Vec<&[u8]> = pointer::components(target).take(MAX_COMPONENTS).collect();
        let mut best = (0, Vec::new());
        for (i, component) in target.iter().enumerate().take(reach) {
            for (path, place) in self.endings.get(component).into_iter().flatten() {
                let same = pointer::components(path).zip(&target[i..]);
                let count = same.take_while(|(a, b)| a == *b).count();
                if count < 2 && !alone(place) {
                    continue;
                }
                if count > best.0 {
                    best = (count, Vec::new());
                }
                if count == best.0 {
                    best.1.push(*place);
                }
            }
        }
        best.1.sort_unstable();
        best.1.dedup();
        best.1
    }
}
