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
use super::link::{Link, Map};
use crate::core::name::encode;
use crate::layout::folder::{Folder, cannot_read, join};
use crate::layout::pointer::Lead;
use crate::layout::{Note, Notes};
use crate::store::unit::InnerLink;
use crate::store::{Dir, Kind, Store};
use known::{By, Known};
use std::io;

mod adapter;
mod known;
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
    let known = Known::new(&map, drafts, adapters);
    let mut needed = Vec::new();
    let mut lost = Vec::new();
    for (d, draft) in drafts.iter().enumerate() {
        for wish in &draft.wishes {
            let own = (d, wish.checkpoint);
            let Wish { path, target, is_text, .. } = wish;
            let by = if *is_text { By::Base } else { By::Link };
            let found = known.resolve(drafts, path, target, by);
            let places = found.places.into_iter().map(|(_, place)| place);
            needed.extend(places.filter(|p| *p != own).map(|p| (own, p)));
            if found.is_gone {
                lost.push((d, wish.clone()));
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
