//! What of a directory, and of the folders that a metric's name made in it, may be a checkpoint.
//!
//! A name from the template `{epoch}-{val/loss:.2f}` has a slash in it, so the checkpoint lands in
//! a folder `epoch=0-val`. Those of one run lie in as many folders: they are told together.

use super::name::is_numbered;
use super::{Content, Seen};
use crate::core::name::encode;
use crate::layout::Notes;
use crate::layout::folder::{Folder, cannot_read, join};
use crate::layout::torch_dcp::has_shards;
use crate::layout::{Peek, torch_dcp};
use crate::store::{Dir, Entry, Kind};
use std::io;

/// Deeper folders are not made by a template anyone writes.
const MAX_FOLDERS: usize = 3;
const SUFFIX: &[u8] = b".ckpt";

/// Every `*.ckpt`, as a path below the directory, and what it is.
pub fn contents(folder: &Folder<'_>, notes: &mut Notes) -> Vec<(Vec<u8>, Content)> {
    let mut out = Vec::new();
    for entry in folder.entries() {
        if entry.name.ends_with(SUFFIX) {
            match entry.kind {
                Kind::File => look(folder, &*folder.dir, &entry.name, entry, notes, &mut out),
                // What cannot be opened is said when the directory is visited.
                Kind::Dir => {
                    if let Ok(peek) = folder.peek(&entry.name)
                        && let Ok(content) = sharded(&peek)
                    {
                        out.push((entry.name.to_vec(), content));
                    }
                }
                _ => {}
            }
        } else if entry.kind == Kind::Dir
            && is_half_a_name(&entry.name)
            && let Ok(peek) = folder.peek(&entry.name)
            && let Ok(dir) = peek.dir()
        {
            below(folder, &*dir, peek.entries(), &entry.name, notes, &mut out);
        }
    }
    out
}

/// `epoch=0-val`: only with an epoch or a step, or a sweep's `lr=0.1/` would be half a name too.
fn is_half_a_name(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(is_numbered)
}

fn below(
    folder: &Folder<'_>,
    dir: &dyn Dir,
    entries: &[Entry],
    path: &[u8],
    notes: &mut Notes,
    out: &mut Vec<(Vec<u8>, Content)>,
) {
    // The rest of the name starts with the rest of a key.
    let goes_on = |name: &[u8]| {
        let key = name.split(|b| *b == b'=').next().unwrap_or_default();
        key.len() < name.len() && !key.is_empty() && !key.contains(&b'-')
    };
    for entry in entries.iter().filter(|e| goes_on(&e.name)) {
        let path = join(path, &entry.name);
        match entry.kind {
            Kind::File if entry.name.ends_with(SUFFIX) => {
                look(folder, dir, &path, entry, notes, out);
            }
            Kind::Dir if path.iter().filter(|b| **b == b'/').count() < MAX_FOLDERS => {
                let opened = dir.open(&entry.name).and_then(|d| Ok((d.list()?, d)));
                if let Ok((entries, dir)) = opened {
                    below(folder, &*dir, &entries, &path, notes, out);
                }
            }
            _ => {}
        }
    }
}

fn look(
    folder: &Folder<'_>,
    dir: &dyn Dir,
    path: &[u8],
    entry: &Entry,
    notes: &mut Notes,
    out: &mut Vec<(Vec<u8>, Content)>,
) {
    match dir.file(&entry.name).and_then(|f| Content::of(&*f)) {
        Ok(content) => out.push((path.to_vec(), content)),
        Err(e) => notes.fault(folder.join(path), cannot_read(&encode(&entry.name), &e)),
    }
}

/// A directory `NAME.ckpt/`, as sharded strategies and `DeepSpeed` leave it.
fn sharded(peek: &Peek<'_>) -> io::Result<Content> {
    let meta = if peek.has_file(b"meta.pt") {
        Some(Content::of(&*peek.dir()?.file(b"meta.pt")?)?)
    } else {
        None
    };
    let seen = match meta {
        Some(Content::Checkpoint(seen)) => Some(seen),
        _ => None,
    };
    if let Some(seen) = seen {
        let whole = seen.whole && torch_dcp::has_metadata(peek);
        return Ok(Content::Checkpoint(Seen { whole, ..seen }));
    }
    if has_shards(peek) {
        // `meta.pt` comes after them.
        return Ok(Content::CutShort);
    }
    if peek.entry(b"checkpoint").is_none_or(|e| e.kind != Kind::Dir) {
        return Ok(Content::Other);
    }
    let states = peek.dir()?.open(b"checkpoint")?.list()?;
    let has_states = states.iter().any(|e| e.name.ends_with(b"_states.pt"));
    let whole = has_states && peek.has_file(b"latest");
    let seen = Seen { whole, ..Seen::default() };
    Ok(if has_states { Content::Checkpoint(seen) } else { Content::Other })
}
