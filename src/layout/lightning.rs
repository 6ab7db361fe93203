//! PyTorch Lightning: files `*.ckpt`, and directories of that name where a model is sharded.
//!
//! Names are templates that users write, so the content decides: a zip of `torch.save` whose
//! pickle has the key `pytorch-lightning_version`. The name gives epoch, step and rounded metrics,
//! `metrics.csv` the exact ones, or `TensorBoard`'s event files where there is none. A save is moved into place from another folder, across devices by
//! copying: a file whose zip directory is missing is still on its way, or was never finished.

use super::events::{self, Place, Scalars};
use super::folder::{Folder, cannot_read};
use super::join::Join;
use super::metric::Source;
use super::{About, Claim, Layout, Notes, Series, nemo};
use crate::core::called;
use crate::core::model::{Marks, Step};
use crate::format::torch::Torch;
use crate::store::{Blob, Entry, Kind};
use std::collections::BTreeMap;
use std::io;

pub mod apart;
pub mod gather;
pub mod history;
pub mod name;

use history::History;
use name::ParsedName;

pub struct Lightning;

const METRICS: &[u8] = b"metrics.csv";
/// Of event files; [`History`] knows the same of `metrics.csv`.
const JOIN: Join =
    Join { column: "step", offset: 1, why: "a log counts batches from zero, a save those done" };
const VERSION_KEY: &str = "pytorch-lightning_version";
/// A file shorter than this cannot hold the first key of the pickle.
const HEADER: u64 = 64;

const ABOUT: About = About {
    unit: "file, or directory `NAME.ckpt/` of shards",
    name: "any, ending in `.ckpt`",
    signature: "a zip of `torch.save` whose pickle holds the key `pytorch-lightning_version`; in a directory `meta.pt`, or `checkpoint/` and `latest` of DeepSpeed",
    order: "name, else the first keys of the pickle",
    metrics: "`metrics.csv` (its `step` is one less), without it event files, and the name, which is rounded",
    pointers: "`last.ckpt` as a symlink; names with `best`, `last` are marked",
    unfinished: "the zip's directory, written last, is missing; no `.metadata` or `meta.pt`",
    traps: "name and pickle differ by more than one: ambiguous; so is what may be of several models or runs. A metric called `val/loss` makes folders, which are one session",
};

impl Layout for Lightning {
    fn name(&self) -> &'static str {
        "lightning"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        if nemo::owns_files(folder) {
            return Vec::new();
        }
        let mut claims = Vec::new();
        let mut cut_short = Vec::new();
        for (path, content) in gather::contents(folder, notes) {
            match content {
                Content::Checkpoint(seen) => claims.push(claim(&path, &seen)),
                Content::CutShort => cut_short.push(path),
                Content::Other => {}
            }
        }
        if claims.is_empty() {
            return Vec::new();
        }
        // A file that breaks off before the key that proves it: its name and its neighbours do.
        let none = Seen::default();
        for name in cut_short {
            let claim = claim(&name, &none);
            if claim.step.is_some() || claim.epoch.is_some() {
                claims.push(claim);
            }
        }
        join_averaged(&mut claims, folder, notes);
        apart::tell_apart(&mut claims);
        let own_components = usize::from(folder.name() == b"checkpoints");
        vec![Series { own_components, claims, ..Series::default() }]
    }

    fn own_logs(&self) -> &[&str] {
        &["metrics.csv"]
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        let named = entry.name.ends_with(b".ckpt");
        match entry.kind {
            Kind::File if named => {
                Some("no zip of torch.save with pytorch-lightning_version in its pickle".to_owned())
            }
            Kind::Dir if named => Some("no meta.pt, and no checkpoint/ of DeepSpeed".to_owned()),
            Kind::Symlink if named => Some("a link is never a checkpoint of its own".to_owned()),
            _ => None,
        }
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        recognise_copies(&mut series.claims);
        let home = if series.own_components == 0 { None } else { folder.parent() };
        let mut homes = [Some(folder), home].into_iter().flatten();
        let Some(home) = homes.find(|f| f.entry(METRICS).is_some()) else {
            return event_metrics(folder, series, notes);
        };
        let steps = events::whole(series.claims.iter().map(|c| c.step));
        let read =
            home.dir.file(METRICS).map_err(|e| cannot_read("metrics.csv", &e)).and_then(|file| {
                History::read(&*file, &steps).map_err(|e| format!("metrics.csv: {e}"))
            });
        match read {
            Ok(history) => {
                name_metrics(&mut series.claims, history.columns());
                let in_folder = std::ptr::eq(home, folder) && series.own_components > 0;
                let source = if in_folder { "checkpoints/metrics.csv" } else { "metrics.csv" };
                offer_rows(&mut series.claims, |claim| {
                    for (name, value) in history.at(claim.step, claim.epoch) {
                        claim.metrics.offer(&name, value, Source::File(source.to_owned()));
                    }
                });
            }
            Err(text) => {
                name_metrics(&mut series.claims, &[]);
                notes.fault(home.join(METRICS), text);
            }
        }
    }
}

/// From the folder that `TensorBoardLogger` shares with `CSVLogger`.
fn event_metrics(folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
    let steps = events::whole(series.claims.iter().map(|c| c.step));
    let mut scalars = Scalars::default();
    let below = if series.own_components == 0 { "" } else { "checkpoints/" };
    let home = if series.own_components > 0 { folder.parent() } else { None };
    for (at, shown) in [(Some(folder), below), (home, "")] {
        if let Some(at) = at {
            scalars.read(&Place::of(at, shown), &JOIN, &steps, naming, notes);
        }
    }
    name_metrics(&mut series.claims, scalars.names());
    offer_rows(&mut series.claims, |claim| {
        // With several optimizers a checkpoint's step counts more than batches, and means another
        // row; the epoch tells.
        let epoch = scalars.get(claim.step, events::EPOCH).and_then(Step::from_f64);
        if epoch.is_none() || claim.epoch.is_none() || epoch == claim.epoch {
            scalars.offer(claim, claim.step);
        }
    });
}

/// `hp_metric` is a place holder of `TensorBoardLogger`.
fn naming(tag: &str) -> Option<String> {
    (!matches!(tag, "step" | "hp_metric")).then(|| tag.to_owned())
}

/// What the pickle says of itself.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    pub whole: bool,
    pub epoch: Option<u64>,
    pub step: Option<u64>,
}

/// What a file or directory is.
pub enum Content {
    /// Of which `pytorch-lightning_version` stands in the pickle.
    Checkpoint(Seen),
    CutShort,
    Other,
}

impl Content {
    /// Looks at a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(file: &dyn Blob) -> io::Result<Content> {
        let Some(torch) = Torch::look(file)? else {
            let head = file.read_at(0, 4)?;
            let torn = file.len() < HEADER && b"PK\x03\x04".starts_with(&head);
            return Ok(if torn { Content::CutShort } else { Content::Other });
        };
        if torch.has_key(VERSION_KEY) {
            return Ok(Content::Checkpoint(Seen {
                whole: torch.whole,
                epoch: torch.number_before("epoch", VERSION_KEY),
                step: torch.number_before("global_step", VERSION_KEY),
            }));
        }
        Ok(if torch.whole { Content::Other } else { Content::CutShort })
    }
}

fn claim(name: &[u8], seen: &Seen) -> Claim {
    let mut claim = Claim { complete: seen.whole, ..Claim::of_entry(name) };
    let parsed = ParsedName::parse(&claim.id, &[]);
    // Before version 1.6 the pickle counted one more than the name.
    let contradict = |name: Option<u64>, content: Option<u64>| {
        name.zip(content).is_some_and(|(a, b)| a.abs_diff(b) > 1)
    };
    if contradict(parsed.epoch, seen.epoch) || contradict(parsed.step, seen.step) {
        claim.marks.set(Marks::AMBIGUOUS);
    }
    claim.step = parsed.step.or(seen.step).map(Step::Whole);
    claim.epoch = parsed.epoch.or(seen.epoch).map(Step::Whole);
    if let Some(mark) = called::in_words(claim.id.as_bytes()) {
        claim.marks.set(mark);
    }
    claim
}

/// A `last.ckpt` or `model_best.ckpt` that holds the same step as another checkpoint is its copy.
///
/// It must not take that one's place in a rule's count, so it has no step and no metrics of its
/// own; its name protects it anyway. One of the best ones that has a number in its name is of a
/// series of its own.
pub fn recognise_copies(claims: &mut [Claim]) {
    for i in 0..claims.len() {
        let copy = &claims[i];
        let is_last = copy.marks.has(Marks::LATEST);
        let is_named = is_last || (copy.marks.has(Marks::BEST) && !name::is_numbered(&copy.id));
        if !is_named || !copy.complete || copy.step.is_none() {
            continue;
        }
        // Of what may be another model's no best one is surely a copy.
        let is_plain = |c: &Claim| ![Marks::BEST, Marks::AMBIGUOUS].iter().any(|m| c.marks.has(*m));
        let same = |c: &&Claim| {
            !c.marks.has(Marks::LATEST)
                && (is_last || is_plain(c))
                && (c.step, c.epoch) == (copy.step, copy.epoch)
        };
        if let Some(original) = claims.iter().find(same) {
            let summary = format!("{COPY_OF}{}", original.id);
            claims[i].summary = Some(summary);
            (claims[i].step, claims[i].epoch) = (None, None);
        }
    }
}

/// Averaged weights are part of the checkpoint they were averaged for, where any have one.
fn join_averaged(claims: &mut Vec<Claim>, folder: &Folder<'_>, notes: &mut Notes) {
    let has_own =
        |c: &Claim| nemo::averaged_for(&c.id).is_some_and(|own| claims.iter().any(|c| c.id == own));
    if claims.iter().any(has_own) {
        nemo::join_companions(claims, folder, notes);
    }
}

/// The checkpoints whose row in the log may be another's as well: that one's id, by their place.
///
/// A run in the same folder that starts with the same numbers gets `-v1` put to its names, and may
/// replace the log of the first. Those of one run with one step differ in more than numbers.
fn rivals(claims: &[Claim]) -> BTreeMap<usize, String> {
    let mut by_key: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    let is_placed = |c: &Claim| !is_copy(c) && (c.step.is_some() || c.epoch.is_some());
    for (i, claim) in claims.iter().enumerate().filter(|(_, c)| is_placed(c)) {
        let key = (claim.step, claim.epoch, name::template(&claim.id));
        by_key.entry(key).or_default().push(i);
    }
    let mut rivals = BTreeMap::new();
    for same in by_key.into_values().filter(|same| same.len() > 1) {
        for (k, i) in same.iter().enumerate() {
            rivals.insert(*i, claims[same[usize::from(k == 0)]].id.clone());
        }
    }
    rivals
}

/// Gives each checkpoint what the log has of it, unless it may be another's.
fn offer_rows(claims: &mut [Claim], offer: impl Fn(&mut Claim)) {
    let rivals = rivals(claims);
    for (i, claim) in claims.iter_mut().enumerate().filter(|(_, c)| !is_copy(c)) {
        let Some(other) = rivals.get(&i) else {
            offer(claim);
            continue;
        };
        let (step, epoch) = (claim.step, claim.epoch);
        let mut like_it = Claim { step, epoch, ..Claim::default() };
        offer(&mut like_it);
        if !like_it.metrics.readings().is_empty() {
            let text = format!("what was logged of its step may be of {other} as well");
            claim.metrics.conflicts.push(text);
        }
    }
}

const COPY_OF: &str = "copy of ";

fn is_copy(claim: &Claim) -> bool {
    claim.summary.as_ref().is_some_and(|s| s.starts_with(COPY_OF))
}

/// The metrics in the names; `columns` of the log tell what is a metric and what is free text.
fn name_metrics(claims: &mut [Claim], columns: &[String]) {
    for claim in claims.iter_mut().filter(|c| !is_copy(c)) {
        for (name, value, half_unit) in ParsedName::parse(&claim.id, columns).metrics {
            claim.metrics.offer(&name, value, Source::Name { half_unit });
        }
    }
}
