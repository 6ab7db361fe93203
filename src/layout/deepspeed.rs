//! `DeepSpeed`: directories of any name, the tag, and beside them the file `latest`.
//!
//! Each rank writes files of its own into the directory; `latest` gets the tag when all are done.
//! A directory that was written after the one `latest` names may be unfinished: nothing in it
//! tells. `DeepSpeed` records no metrics outside its pickles, and never deletes anything.

use super::folder::{Folder, Peek, cannot_read};
use super::{About, Claim, Layout, Notes, Series, by_prefix, trailing_step, words};
use crate::core::model::{Marks, Time};
use crate::core::name::encode;
use crate::store::{self, Entry, Kind};

pub struct DeepSpeed;

const LATEST: &[u8] = b"latest";
/// A copy of the state that other parallel shapes can load; it has a pointer of its own.
const UNIVERSAL: &[u8] = b"latest_universal";

const ABOUT: About = About {
    unit: "directory",
    name: "any",
    signature: "`*_model_states.pt` or a rank's `*_optim_states.pt` inside, `latest` beside",
    order: "the number at the end of the tag",
    metrics: "sidecar",
    pointers: "`latest`, `latest_universal`",
    unfinished: "no model states",
    traps: "newer than what `latest` names: unfinished, or saved without moving the pointer, ambiguous. So is a seed, `seed_1`. Universal copies are a session of their own",
};

impl Layout for DeepSpeed {
    fn name(&self) -> &'static str {
        "deepspeed"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, _: &mut Notes) -> Vec<Series> {
        if !folder.has_file(LATEST) && !folder.has_file(UNIVERSAL) {
            return Vec::new();
        }
        let mut claims = Vec::new();
        for entry in folder.dirs().filter(|e| &*e.name != b".retain") {
            // What cannot be opened is said when the directory is visited.
            let Ok(peek) = folder.peek(&entry.name) else { continue };
            if is_checkpoint(&peek) {
                let tag = encode(&entry.name);
                let (tag, prefix) = match tag.strip_suffix("_universal") {
                    Some(of) => (of, "universal"),
                    None => (&*tag, ""),
                };
                let step = trailing_step(tag);
                let mut claim = Claim { step, ..Claim::of_entry(&entry.name) };
                let before = tag.trim_end_matches(|c: char| c.is_ascii_digit());
                if step.is_some() && words::orders_nothing(before) {
                    claim.marks.set(Marks::AMBIGUOUS);
                }
                claims.push((prefix.to_owned(), claim));
            }
        }
        by_prefix(claims)
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        let looks_like_it =
            entry.kind == Kind::Dir && is_checkpoint(&folder.peek(&entry.name).ok()?);
        let has_pointer = folder.has_file(LATEST) || folder.has_file(UNIVERSAL);
        (looks_like_it && !has_pointer).then(|| "no file `latest` beside it".to_owned())
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        for claim in &mut series.claims {
            match folder.peek(claim.name()) {
                // Optimizer states alone: the model's were not written yet, or are gone.
                Ok(peek) => claim.complete = has_model(&peek),
                Err(e) => notes.fault(folder.join(claim.name()), cannot_read("it", &e)),
            }
        }
        // What cannot be read, or names nothing, is noted where all text pointers are followed.
        let universal = series.claims.iter().all(|c| c.id.ends_with("_universal"));
        let pointer = if universal { UNIVERSAL } else { LATEST };
        let Ok(text) = store::read_metadata(&*folder.dir, pointer) else { return };
        let tag = text.trim_ascii();
        let Some(target) = series.claims.iter().find(|c| c.name() == tag) else { return };
        let at = (target.step, written(folder, target));
        for claim in series.claims.iter_mut().filter(|c| c.name() != tag) {
            let newer = match (claim.step, at.0) {
                (Some(own), Some(latest)) => own > latest,
                // A tag without a number: only the time tells.
                _ => written(folder, claim).zip(at.1).is_none_or(|(own, latest)| own > latest),
            };
            if newer {
                // Or it was saved without moving the pointer: never counted, never given up.
                claim.complete = false;
                claim.marks.set(Marks::AMBIGUOUS);
            }
        }
    }
}

/// Files that only `DeepSpeed` writes.
fn is_checkpoint(peek: &Peek<'_>) -> bool {
    has_model(peek)
        || peek.entries().iter().any(|e| {
            e.kind == Kind::File && e.name.ends_with(b"_optim_states.pt") && has_rank(&e.name)
        })
}

/// `mp_rank_00_model_states.pt`, the zero ranks' and the layers' parts of it, or a universal one.
fn has_model(peek: &Peek<'_>) -> bool {
    let is_states = |name: &[u8]| {
        name.ends_with(b"_model_states.pt") && (has_rank(name) || name.starts_with(b"layer_"))
    };
    peek.entries().iter().any(|e| e.kind == Kind::File && is_states(&e.name))
}

fn has_rank(name: &[u8]) -> bool {
    name.windows(8).any(|w| w == b"mp_rank_")
}

/// When a directory was last written to, by its own time.
fn written(folder: &Folder<'_>, claim: &Claim) -> Option<Time> {
    folder.dir.stat_entry(claim.name()).ok().and_then(|s| s.modified)
}
