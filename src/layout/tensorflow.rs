//! TensorFlow (`CheckpointManager`, `Saver`): groups of files `<prefix>-<n>.index` and `.data-*`.
//!
//! A checkpoint is whole with its index, which is written last, and all shards. The text file
//! `checkpoint` names the latest one. It also lists others, but not those that were preserved by
//! `keep_checkpoint_every_n_hours`: the list protects nothing, and what it lacks is no orphan.

use super::folder::{Folder, cannot_read};
use super::shaped::{self, Shaped};
use super::{About, Claim, Layout, Notes, Series, pointer, words};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::core::named;
use crate::format::shape::{self, Shape};
use crate::store::{self, Entry, Kind};
use std::collections::BTreeMap;

pub mod file;
pub mod state;

use file::{Base, Part};

pub struct TensorFlow;

const STATE: &[u8] = b"checkpoint";

/// The files of one checkpoint, as they are listed.
#[derive(Default)]
struct Group {
    index: Option<Box<[u8]>>,
    meta: Option<Box<[u8]>>,
    /// Number, of how many, name.
    shards: Vec<(u32, u32, Box<[u8]>)>,
    /// The directory that a save writes its shards to first.
    temp: Option<Box<[u8]>>,
    /// A part of it is a symlink, a directory, or worse.
    odd: bool,
}

const ABOUT: About = About {
    unit: "files `.index`, `.data-*` and `.meta` of one name",
    name: "`<prefix>-<n>`",
    signature: "an index and a shard of the prefix",
    order: "`n`; an epoch in `cp-0005.ckpt`",
    metrics: "sidecar",
    pointers: "`model_checkpoint_path` in `checkpoint`; its list protects nothing",
    unfinished: "no index, no end of it, a shard missing; only `<prefix>-<n>_temp/`",
    traps: "those preserved by the hour are not in the list. A prefix without a number is overwritten in place, or a `SavedModel`'s: not claimed. A fold in `fold-1`: ambiguous",
};

impl Layout for TensorFlow {
    fn name(&self) -> &'static str {
        "tensorflow"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut by_prefix: BTreeMap<String, Vec<(Base, Group)>> = BTreeMap::new();
        for (base, group) in groups(folder, notes) {
            by_prefix.entry(base.prefix.clone()).or_default().push((base, group));
        }
        by_prefix.retain(|_, groups| {
            groups.iter().any(|(_, g)| g.index.is_some() && !g.shards.is_empty())
        });
        let alone = by_prefix.len() == 1;
        let mut series = Vec::new();
        for (prefix, groups) in by_prefix {
            let mut found = Vec::new();
            for (base, group) in groups.into_iter().filter(|(_, g)| !g.odd) {
                let shape = match &group.index {
                    Some(index) => shaped::look(folder, index, shape::sstable, notes),
                    None => Some(Shape::Unknown),
                };
                if let Some(shape) = shape {
                    found.push(Shaped { claim: claim(base, group), shape });
                }
            }
            // An index that breaks off is no other file: the shards beside it prove that.
            for s in &mut found {
                s.shape = if s.shape == Shape::Other { Shape::CutShort } else { s.shape };
            }
            let prefix = if alone { String::new() } else { prefix };
            if !found.is_empty() {
                series.push(Series { prefix, claims: shaped::settle(found), ..Series::default() });
            }
        }
        series
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        if let Some((named, _)) = file::parse(&entry.name) {
            let prefix = named.parsed.prefix;
            return Some(format!("no `.index` and `.data-*` of one `{prefix}-<n>` beside it"));
        }
        let is_part =
            entry.name.ends_with(b".index") || entry.name.windows(7).any(|w| w == b".data-0");
        (entry.kind == Kind::File && is_part)
            .then(|| "its prefix does not end in `-` and a number".to_owned())
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        if !folder.has_file(STATE) {
            return;
        }
        let target = store::read_metadata(&*folder.dir, STATE)
            .map_err(|e| cannot_read("checkpoint", &e))
            .and_then(|bytes| {
                state::latest(&bytes).ok_or_else(|| {
                    "checkpoint is damaged: it does not name a model_checkpoint_path".to_owned()
                })
            });
        let fault = match target {
            Ok(target) => {
                let base = named::components(&target).next().unwrap_or_default();
                let mut found = false;
                for claim in series.claims.iter_mut().filter(|c| c.id == encode(base)) {
                    pointer::attach(claim, "checkpoint");
                    claim.marks.set(Marks::LATEST);
                    found = true;
                }
                // It may belong to another series of this directory, or be of another kind.
                let beside = [&b".index"[..], b".meta", b""];
                let exists = beside.iter().any(|s| folder.entry(&[base, s].concat()).is_some());
                let shown = encode(&target).into_owned();
                (!found && !exists)
                    .then(|| format!("checkpoint names `{shown}`, which is not here"))
            }
            Err(text) => Some(text),
        };
        if let Some(text) = fault {
            let path = folder.join(STATE);
            // Each series of the directory asks.
            if notes.faults.iter().all(|f| f.path != path || f.text != text) {
                notes.fault(path, text);
            }
        }
    }
}

fn groups(folder: &Folder<'_>, notes: &mut Notes) -> Vec<(Base, Group)> {
    let mut groups: BTreeMap<&[u8], (Base, Group)> = BTreeMap::new();
    for entry in folder.entries() {
        let Some((base, part)) = file::parse(&entry.name) else { continue };
        let is_dir = entry.kind == Kind::Dir;
        if part == Part::Temp && !(is_dir && holds_parts(folder, &entry.name, notes)) {
            continue;
        }
        let (_, group) = groups.entry(base.name).or_insert_with(|| (base.parsed, Group::default()));
        group.odd |= entry.kind != Kind::File && part != Part::Temp;
        let name = Box::from(&entry.name);
        match part {
            Part::Index => group.index = Some(name),
            Part::Meta => group.meta = Some(name),
            Part::Shard(n, of) => group.shards.push((n, of, name)),
            Part::Temp => group.temp = Some(name),
        }
    }
    groups.into_values().collect()
}

/// Whether a temporary directory holds what a save puts there; one may just have been made.
fn holds_parts(folder: &Folder<'_>, name: &[u8], notes: &mut Notes) -> bool {
    match folder.peek(name) {
        Ok(peek) => peek.entries().iter().all(|e| e.name.starts_with(b"part-")),
        Err(e) => {
            notes.fault(folder.join(name), cannot_read(&encode(name), &e));
            false
        }
    }
}

fn claim(base: Base, group: Group) -> Claim {
    let totals = |f: fn(u32, u32) -> u32| group.shards.iter().map(|s| s.1).reduce(f);
    let all_there = totals(u32::max) == Some(u32::try_from(group.shards.len()).unwrap_or(u32::MAX));
    let mut claim =
        Claim { id: base.id, complete: group.index.is_some() && all_there, ..Claim::default() };
    if totals(u32::max) != totals(u32::min) {
        // Saved again with another number of shards: the index knows which ones count.
        claim.marks.set(Marks::AMBIGUOUS);
    }
    if words::orders_nothing(&base.prefix) {
        claim.marks.set(Marks::AMBIGUOUS);
    }
    let number = Some(Step::Whole(base.number));
    if base.is_epoch {
        claim.epoch = number;
    } else {
        claim.step = number;
    }
    let shards = group.shards.into_iter().map(|s| s.2);
    claim.entries =
        group.index.into_iter().chain(shards).chain(group.meta).chain(group.temp).collect();
    claim
}
