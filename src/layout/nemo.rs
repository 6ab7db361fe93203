//! `NeMo`: Lightning's checkpoints with rules of its own.
//!
//! `NeMo` 2 saves directories with `weights/` and `context/`, `NeMo` 1 files `*.ckpt`, with model
//! parallelism one in each rank's folder: all files of one name are one checkpoint. A marker file
//! `NAME-unfinished` stands beside what is being saved or deleted; on its next start `NeMo` deletes
//! whatever is marked. Metrics stand in the names alone.

use super::folder::Folder;
use super::lightning::name::ParsedName;
use super::metric::Source;
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::store::{Entry, Kind};

mod gather;

pub struct Nemo;

const UNFINISHED: &str = "-unfinished";
const LAST: &str = "-last";
const AVERAGED: &str = "-EMA";
const FILE: &str = ".ckpt";

const ABOUT: About = About {
    unit: "directory; or a file, or one in each rank's folder; with its `-EMA` and its `-unfinished` marker",
    name: "any; files `NAME--KEY=VALUE-...ckpt`",
    signature: "`weights/` and `context/` inside; a Lightning file",
    order: "name",
    metrics: "the name, which is rounded",
    pointers: "`-last` is marked `latest`",
    unfinished: "the marker; a rank without the file; no `.metadata`",
    traps: "no `KEY=VALUE` in the name, as of imported models, a file here and in the ranks' folders, or what may be of several models or runs: ambiguous. `*.nemo` and an `-EMA` without its checkpoint are never candidates",
};

impl Layout for Nemo {
    fn name(&self) -> &'static str {
        "nemo"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut claims = gather::directories(folder);
        if owns_files(folder) {
            claims.extend(gather::files(folder, notes));
        }
        if claims.is_empty() {
            return Vec::new();
        }
        merge_equal_names(&mut claims);
        join_companions(&mut claims, folder, notes);
        for entry in folder.entries().iter().filter(|e| e.kind == Kind::File) {
            if entry.name.ends_with(b".nemo") {
                notes.never(folder, &entry.name, "the model as NeMo exported it");
            }
        }
        for claim in &mut claims {
            describe(claim, folder);
        }
        // What was imported is kept already, and is of no series.
        let (mut saved, imported): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(is_told);
        super::lightning::apart::tell_apart(&mut saved);
        let claims = saved.into_iter().chain(imported).collect();
        let own_components = usize::from(folder.name() == b"checkpoints");
        vec![Series { own_components, claims, ..Series::default() }]
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        let pairs = encode(&entry.name).split_once("--").is_some_and(|(_, p)| p.contains('='));
        (pairs && entry.kind == Kind::Dir).then(|| "no weights/ and context/ in it".to_owned())
    }

    fn enrich(&self, _: &Folder<'_>, series: &mut Series, _: &mut Notes) {
        super::lightning::recognise_copies(&mut series.claims);
        for claim in &mut series.claims {
            if claim.summary.is_some() {
                continue;
            }
            let name = core_name(&claim.id).to_owned();
            for (metric, value, half_unit) in ParsedName::parse(&name, &[]).metrics {
                if metric != SAMPLES {
                    claim.metrics.offer(&metric, value, Source::Name { half_unit });
                }
            }
        }
    }
}

const SAMPLES: &str = "consumed_samples";

/// Whether the `*.ckpt` files of a directory, or of the ranks' folders in it, are `NeMo`'s.
pub fn owns_files(folder: &Folder<'_>) -> bool {
    folder.entries().iter().any(|e| match e.kind {
        Kind::Dir => is_rank(&e.name),
        Kind::File => {
            let name = encode(&e.name);
            let is_named = name.ends_with(FILE)
                && name.split_once("--").is_some_and(|(_, pairs)| pairs.contains('='));
            is_named || name.ends_with(UNFINISHED)
        }
        _ => false,
    })
}

/// `mp_rank_01`, `tp_rank_00_pp_rank_001`.
fn is_rank(name: &[u8]) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Ok(name) = std::str::from_utf8(name) else { return false };
    match (name.strip_prefix("mp_rank_"), name.strip_prefix("tp_rank_")) {
        (Some(n), _) => digits(n),
        (_, Some(rest)) => {
            rest.split_once("_pp_rank_").is_some_and(|(t, p)| digits(t) && digits(p))
        }
        _ => false,
    }
}

/// A name without `.ckpt`, `-EMA` and `-last`.
fn core_name(id: &str) -> &str {
    let stem = id.strip_suffix(FILE).unwrap_or(id);
    let stem = stem.strip_suffix(AVERAGED).unwrap_or(stem);
    stem.strip_suffix(LAST).unwrap_or(stem)
}

/// A file here and files of its name in the ranks' folders: nobody knows which belong together.
fn merge_equal_names(claims: &mut Vec<Claim>) {
    let mut merged: Vec<Claim> = Vec::new();
    for claim in claims.drain(..) {
        match merged.iter_mut().find(|c| c.id == claim.id) {
            Some(known) => {
                known.entries.extend(claim.entries);
                known.marks.set(Marks::AMBIGUOUS);
            }
            None => merged.push(claim),
        }
    }
    *claims = merged;
}

/// What the checkpoint is called that these are the averaged weights of; `None`: they are none.
pub fn averaged_for(id: &str) -> Option<String> {
    match id.strip_suffix(FILE) {
        Some(stem) => stem.strip_suffix(AVERAGED).map(|stem| format!("{stem}{FILE}")),
        None => id.strip_suffix(AVERAGED).map(str::to_owned),
    }
}

const LONELY: &str = "averaged weights without their checkpoint";

/// Shown, because what lies in a folder below cannot be passed over there, and kept.
fn lonely(mut claim: Claim) -> Claim {
    claim.marks.set(Marks::AMBIGUOUS);
    claim.metrics.conflicts.push(LONELY.to_owned());
    claim
}

/// Averaged weights are part of the checkpoint they were averaged for.
pub fn join_companions(claims: &mut Vec<Claim>, folder: &Folder<'_>, notes: &mut Notes) {
    let (averaged, mut own): (Vec<Claim>, Vec<Claim>) =
        claims.drain(..).partition(|c| averaged_for(&c.id).is_some());
    let mut alone = Vec::new();
    for companion in averaged {
        let Some(name) = averaged_for(&companion.id) else { continue };
        if let Some(claim) = own.iter_mut().find(|c| c.id == name) {
            if claim.complete != companion.complete {
                // One of the two can be loaded: it goes neither for the other's sake nor in its place.
                let text =
                    format!("it and its averaged weights {} are not both whole", companion.id);
                claim.metrics.conflicts.push(text);
                claim.marks.set(Marks::AMBIGUOUS);
            }
            claim.complete &= companion.complete;
            claim.entries.extend(companion.entries);
        } else if companion.entries.iter().any(|e| e.contains(&b'/')) {
            // Not claimed, it would be a checkpoint in the eyes of whoever looks into its folder.
            alone.push(lonely(companion));
        } else {
            for entry in &companion.entries {
                notes.never(folder, entry, LONELY);
            }
        }
    }
    own.append(&mut alone);
    *claims = own;
}

/// Whether anything says how far the training was. `llm.import_ckpt` makes such directories of models,
/// called after what they were imported from.
fn is_told(claim: &Claim) -> bool {
    let parsed = ParsedName::parse(core_name(&claim.id), &[]);
    let named = parsed.step.is_some() || parsed.epoch.is_some() || !parsed.metrics.is_empty();
    named || claim.step.is_some() || claim.epoch.is_some()
}

/// What the name says, and the marker beside it.
fn describe(claim: &mut Claim, folder: &Folder<'_>) {
    let parsed = ParsedName::parse(core_name(&claim.id), &[]);
    if !is_told(claim) {
        claim.marks.set(Marks::AMBIGUOUS);
    }
    let samples =
        || parsed.metrics.iter().find(|m| m.0 == SAMPLES).and_then(|m| Step::from_f64(m.1));
    claim.step = parsed.step.map(Step::Whole).or(claim.step).or_else(samples);
    claim.epoch = parsed.epoch.map(Step::Whole).or(claim.epoch);
    if claim.id.strip_suffix(FILE).unwrap_or(&claim.id).ends_with(LAST) {
        claim.marks.set(Marks::LATEST);
    }
    let stem = claim.id.strip_suffix(FILE).unwrap_or(&claim.id);
    let marker = format!("{stem}{UNFINISHED}");
    if folder.has_file(marker.as_bytes()) {
        claim.complete = false;
        claim.entries.push(marker.into_bytes().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["mp_rank_00", "mp_rank_7", "tp_rank_00_pp_rank_001"] {
            assert!(is_rank(name.as_bytes()), "{name}");
        }
        for name in ["mp_rank_", "mp_rank_00_001", "tp_rank_00", "rank_0", "tp_rank_0_pp_rank_"] {
            assert!(!is_rank(name.as_bytes()), "{name}");
        }
        assert_eq!(core_name("a--x=1-epoch=2-last-EMA.ckpt"), "a--x=1-epoch=2");
        assert_eq!(core_name("a--x=1-epoch=2"), "a--x=1-epoch=2");
    }
}
