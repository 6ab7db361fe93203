//! `torch.distributed.checkpoint`: directories of any name.
//!
//! Each rank writes `__RANK_N.distcp`; `.metadata`, which tells where every tensor lies, is written
//! last, under another name, and renamed. Shards without it are an unfinished save. Many frameworks
//! put such a directory inside their own checkpoints: theirs is claimed first, and never entered.

use super::folder::{Folder, Peek};
use super::{
    About, Claim, Layout, Notes, Series, by_prefix, megatron, ray_train, ray_tune, torchtnt,
};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::store::{Entry, Kind};
use std::collections::BTreeSet;

mod name;

use name::Name;

pub struct TorchDcp;

/// What Fabric writes last, beside the shards; it loads nothing without it.
const FABRIC: &[u8] = b"meta.pt";

const ABOUT: About = About {
    unit: "directory",
    name: "any",
    signature: "`__0_0.distcp` inside",
    order: "the number at the end of the name; an epoch before it, as in `ep1-ba300`",
    metrics: "sidecar",
    pointers: "-",
    unfinished: "no `.metadata`; no `meta.pt` beside others of Fabric that have one, also ambiguous",
    traps: "no number in the name, or that of a run or a part (`seed_1`, `rank_0`, `stage_0`), or `model` or `optim` in it: ambiguous. Where steps begin anew with each epoch, each epoch is a session",
};

impl Layout for TorchDcp {
    fn name(&self) -> &'static str {
        "torch_dcp"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, _: &mut Notes) -> Vec<Series> {
        if is_part_of_another(folder) || megatron::owns(folder) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for entry in folder.dirs().filter(|e| &*e.name != b".retain") {
            // What cannot be opened is said when the directory is visited.
            let Ok(peek) = folder.peek(&entry.name) else { continue };
            if !has_shards(&peek) {
                continue;
            }
            // Those of frameworks with a layout of their own.
            let lightning = peek.has_file(FABRIC) || !has_metadata(&peek);
            let owned = torchtnt::is_name(&entry.name)
                || ray_tune::owns(folder, &entry.name)
                || ray_train::owns(folder, &entry.name)
                || (lightning && entry.name.ends_with(b".ckpt"))
                || peek.has_file(b"common.pt")
                || peek.has_file(b"metadata.json");
            if owned {
                continue;
            }
            let id = encode(&entry.name);
            let name = Name::parse(&id);
            let mut claim = Claim {
                step: name.step.map(Step::Whole),
                epoch: name.epoch.map(Step::Whole),
                complete: has_metadata(&peek),
                ..Claim::of_entry(&entry.name)
            };
            if name.orders_nothing {
                // `model/` and `optim/`, `rank_0/` and `rank_1/` may be one checkpoint together,
                // `seed_0/` and `seed_1/` are the ends of two runs.
                claim.marks.set(Marks::AMBIGUOUS);
            }
            found.push((name, peek.has_file(FABRIC), claim));
        }
        let names = name::prefixes(found.iter().map(|(name, ..)| name));
        let fabric: BTreeSet<&String> =
            names.iter().zip(&found).filter(|(_, f)| f.1).map(|(prefix, _)| prefix).collect();
        let mut claims = Vec::new();
        for (prefix, (_, has_meta, mut claim)) in names.iter().zip(found) {
            if !has_meta && claim.complete && fabric.contains(prefix) {
                // Unfinished for Fabric, whole for whoever loads shards: not counted, not given up.
                claim.complete = false;
                claim.marks.set(Marks::AMBIGUOUS);
            }
            claims.push((prefix.clone(), claim));
        }
        by_prefix(claims)
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        if entry.kind != Kind::Dir {
            return None;
        }
        let peek = folder.peek(&entry.name).ok()?;
        if has_shards(&peek) {
            return Some("it holds shards, but is a part of what lies around it".to_owned());
        }
        let is_shard = |e: &Entry| e.name.ends_with(b".distcp");
        let is_like_one = has_metadata(&peek) || peek.entries().iter().any(is_shard);
        is_like_one.then(|| "no shard in it that is called `__RANK_N.distcp`".to_owned())
    }

    fn enrich(&self, _: &Folder<'_>, _: &mut Series, _: &mut Notes) {}
}

/// Whether the directory itself is a checkpoint, of which others are parts.
fn is_part_of_another(folder: &Folder<'_>) -> bool {
    folder.has_file(b"trainer_state.json") || folder.has_file(FABRIC)
}

/// `__0_0.distcp`.
pub fn has_shards(peek: &Peek<'_>) -> bool {
    peek.entries().iter().any(|e| e.kind == Kind::File && is_shard_name(&e.name))
}

fn is_shard_name(name: &[u8]) -> bool {
    let stem = name.strip_prefix(b"__").and_then(|n| n.strip_suffix(b".distcp"));
    let Some(stem) = stem else { return false };
    let mut parts = stem.split(|b| *b == b'_');
    let digits =
        |p: Option<&[u8]>| p.is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit));
    digits(parts.next()) && digits(parts.next()) && parts.next().is_none()
}

/// Whether that is there which tells where the tensors lie.
pub fn has_metadata(peek: &Peek<'_>) -> bool {
    peek.entries().iter().any(|e| e.kind == Kind::File && is_metadata_name(&e.name))
}

/// `.metadata`, or, where each rank saved by itself, `__0.metadata`.
pub fn is_metadata_name(name: &[u8]) -> bool {
    name == b".metadata" || (name.starts_with(b"__") && name.ends_with(b".metadata"))
}
