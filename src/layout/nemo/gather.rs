//! The entries of one `NeMo` checkpoint, wherever they lie.

use super::{FILE, is_rank};
use crate::core::model::Step;
use crate::core::name::encode;
use crate::layout::folder::{Folder, cannot_read, join};
use crate::layout::lightning::{Content, Seen};
use crate::layout::torch_dcp::is_metadata_name;
use crate::layout::{Claim, Notes};
use crate::store::{Dir, Kind};
use std::collections::BTreeMap;

/// `NeMo` 2: directories with `weights/` and `context/`.
pub fn directories(folder: &Folder<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for entry in folder.dirs() {
        // What cannot be opened is said when the directory is visited.
        let Ok(peek) = folder.peek(&entry.name) else { continue };
        let has = |name: &[u8]| peek.entry(name).is_some_and(|e| e.kind == Kind::Dir);
        if has(b"weights") && has(b"context") {
            let listing = peek.dir().and_then(|d| d.open(b"weights")).and_then(|d| d.list());
            let complete = listing.is_ok_and(|entries| {
                let is_last_written = |n: &[u8]| is_metadata_name(n) || n == b"metadata.json";
                entries.iter().any(|e| e.kind == Kind::File && is_last_written(&e.name))
            });
            claims.push(Claim { complete, ..Claim::of_entry(&entry.name) });
        }
    }
    claims
}

/// `NeMo` 1: files, here or of one name in all ranks' folders.
pub fn files(folder: &Folder<'_>, notes: &mut Notes) -> Vec<Claim> {
    let mut claims = Vec::new();
    for entry in folder.entries().iter().filter(|e| e.kind == Kind::File) {
        if let Some(seen) = look(&*folder.dir, &entry.name, folder, &entry.name, notes) {
            claims.push(claim(&entry.name, vec![(&entry.name).into()], &seen));
        }
    }
    let ranks: Vec<&[u8]> = folder.dirs().map(|e| &*e.name).filter(|n| is_rank(n)).collect();
    let mut by_name: BTreeMap<Box<[u8]>, (Vec<Box<[u8]>>, Vec<Seen>)> = BTreeMap::new();
    for rank in &ranks {
        // What cannot be opened is said when the directory is visited.
        let opened = folder.peek(rank).and_then(|peek| Ok((peek.dir()?, peek)));
        let Ok((dir, peek)) = opened else { continue };
        for entry in peek.entries().iter().filter(|e| e.kind == Kind::File) {
            let path = join(rank, &entry.name);
            if let Some(seen) = look(&*dir, &entry.name, folder, &path, notes) {
                let (paths, all) = by_name.entry((&entry.name).into()).or_default();
                paths.push(path.into());
                all.push(seen);
            }
        }
    }
    for (name, (paths, all)) in by_name {
        let whole = all.len() == ranks.len() && all.iter().all(|s| s.whole);
        let seen = Seen { whole, ..all.into_iter().next().unwrap_or_default() };
        claims.push(claim(&name, paths, &seen));
    }
    claims
}

/// What a `*.ckpt` file shows of itself; a file of another kind is none of ours.
fn look(
    dir: &dyn Dir,
    name: &[u8],
    folder: &Folder<'_>,
    path: &[u8],
    notes: &mut Notes,
) -> Option<Seen> {
    if !name.ends_with(FILE.as_bytes()) {
        return None;
    }
    match dir.file(name).and_then(|f| Content::of(&*f)) {
        Ok(Content::Checkpoint(seen)) => Some(seen),
        // `NeMo`'s names say enough: `--`, and a pair behind it.
        Ok(Content::CutShort) if encode(name).contains("--") => Some(Seen::default()),
        Ok(_) => None,
        Err(e) => {
            notes.fault(folder.join(path), cannot_read(&encode(name), &e));
            None
        }
    }
}

fn claim(name: &[u8], entries: Vec<Box<[u8]>>, seen: &Seen) -> Claim {
    Claim {
        entries,
        complete: seen.whole,
        step: seen.step.map(Step::Whole),
        epoch: seen.epoch.map(Step::Whole),
        ..Claim::of_entry(name)
    }
}
