//! timm: files `checkpoint-<epoch>.pth.tar`.
//!
//! `last.pth.tar` and `model_best.pth.tar` are hard links to checkpoints, or copies where the file
//! system has none: they protect themselves by their names, and take nobody's place in a rule. The
//! saver keeps what it may delete in memory only, so a restart orphans what was there before.

use super::folder::{Folder, cannot_read};
use super::join::{Join, Logged};
use super::shaped::{self, Shaped};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::{Marks, Step};
use crate::format::shape::{self, Shape};
use crate::format::torch::Torch;
use crate::store::{Entry, Kind};

pub struct Timm;

const SUMMARY: &[u8] = b"summary.csv";
const LAST: &[u8] = b"last.pth.tar";
const EXTENSION: &str = ".pth.tar";

const JOIN: Join =
    Join { column: "epoch", offset: 0, why: "the saver and the summary are given the same epoch" };

const ABOUT: About = About {
    unit: "file",
    name: "`checkpoint-<epoch>.pth.tar`",
    signature: "`last.pth.tar` beside it, or timm's keys in a pickle",
    order: "name",
    metrics: "`summary.csv`, same epoch",
    pointers: "`last`, `model_best` are marked",
    unfinished: "`tmp.pth.tar`, `recovery_tmp.pth.tar`; it breaks off",
    traps: "hard links: what is freed is not the sum of sizes",
};

impl Layout for Timm {
    fn name(&self) -> &'static str {
        "timm"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let files = || folder.entries().iter().filter(|e| e.kind == Kind::File);
        // Others call their files so too: only timm puts a last one beside numbered ones.
        if !has_numbered(folder) || !(folder.has_file(LAST) || proves_itself(folder)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for entry in files() {
            let Some(name) = Name::parse(&entry.name) else { continue };
            let Some(shape) = shaped::look(folder, &entry.name, shape::torch, notes) else {
                continue;
            };
            found.push(Shaped { claim: claim(&entry.name, name), shape });
        }
        vec![Series { claims: shaped::settle(found), ..Series::default() }]
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        let name = Name::parse(&entry.name)?;
        Some(match (entry.kind, name) {
            (Kind::Symlink, _) => "a link is never a checkpoint of its own".to_owned(),
            (Kind::File, Name::Epoch(_)) => {
                "no last.pth.tar beside it, and no arch, state_dict and optimizer in its pickle"
                    .to_owned()
            }
            (Kind::File, _) if !has_numbered(folder) => {
                "no checkpoint-<epoch>.pth.tar beside it".to_owned()
            }
            (Kind::File, _) => "those beside it are not timm's".to_owned(),
            _ => "its name matches, but it is no file".to_owned(),
        })
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        for i in 0..series.claims.len() {
            let marks = series.claims[i].marks;
            if !marks.has(Marks::LATEST) && !marks.has(Marks::BEST) {
                continue;
            }
            if let Some(original) = original(folder, &series.claims, i) {
                series.claims[i].summary = Some(format!("copy of {original}"));
            } else if marks.has(Marks::LATEST) {
                // Without its original it is what there is of that epoch.
                series.claims[i].epoch = epoch_inside(folder, series.claims[i].name());
            }
        }
        if folder.entry(SUMMARY).is_none() {
            return;
        }
        let read =
            folder.dir.file(SUMMARY).map_err(|e| cannot_read("summary.csv", &e)).and_then(|file| {
                Logged::csv(&*file, &JOIN, "summary.csv", |column| column != "lr")
                    .map_err(|e| format!("summary.csv: {e}"))
            });
        match read {
            Ok(logged) => {
                for claim in &mut series.claims {
                    // A recovery file is of before the epoch's evaluation.
                    if matches!(Name::parse(claim.name()), Some(Name::Epoch(_))) {
                        logged.offer(claim, claim.epoch);
                    }
                }
            }
            Err(text) => notes.fault(folder.join(SUMMARY), text),
        }
    }
}

fn has_numbered(folder: &Folder<'_>) -> bool {
    let is_numbered = |name: &[u8]| matches!(Name::parse(name), Some(Name::Epoch(_)));
    folder.entries().iter().any(|e| e.kind == Kind::File && is_numbered(&e.name))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Epoch(u64),
    /// Saved within an epoch, to go on from after a crash.
    Recovery(u64),
    Last,
    Best,
    Unfinished,
}

impl Name {
    fn parse(name: &[u8]) -> Option<Name> {
        let stem = std::str::from_utf8(name).ok()?.strip_suffix(EXTENSION)?;
        let number = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten()
        };
        match stem {
            "last" => return Some(Name::Last),
            "model_best" => return Some(Name::Best),
            "tmp" | "recovery_tmp" => return Some(Name::Unfinished),
            _ => {}
        }
        if let Some(epoch) = stem.strip_prefix("checkpoint-") {
            return number(epoch).map(Name::Epoch);
        }
        let (epoch, batch) = stem.strip_prefix("recovery-")?.split_once('-')?;
        number(batch)?;
        number(epoch).map(Name::Recovery)
    }
}

fn claim(file: &[u8], name: Name) -> Claim {
    let mut claim = Claim::of_entry(file);
    match name {
        Name::Epoch(epoch) | Name::Recovery(epoch) => claim.epoch = Some(Step::Whole(epoch)),
        Name::Last => claim.marks.set(Marks::LATEST),
        Name::Best => claim.marks.set(Marks::BEST),
        Name::Unfinished => claim.complete = false,
    }
    claim
}

/// The numbered checkpoint that the claim at `copy` is a hard link to, or of the same epoch as.
fn original(folder: &Folder<'_>, claims: &[Claim], copy: usize) -> Option<String> {
    let numbered = || {
        let is_epoch = |c: &&Claim| matches!(Name::parse(c.name()), Some(Name::Epoch(_)));
        claims.iter().filter(is_epoch)
    };
    let inode = |c: &Claim| folder.entry(c.name()).map(|e| e.inode);
    let linked = numbered().find(|c| inode(c) == inode(&claims[copy]));
    let found = linked.or_else(|| {
        let epoch = epoch_inside(folder, claims[copy].name())?;
        numbered().find(|c| c.epoch == Some(epoch))
    });
    found.map(|c| c.id.clone())
}

/// The epoch that the pickle says.
fn epoch_inside(folder: &Folder<'_>, name: &[u8]) -> Option<Step> {
    let torch = folder.dir.file(name).and_then(|f| Torch::look(&*f)).ok().flatten()?;
    torch.number_before("epoch", "state_dict").map(Step::Whole)
}

/// Whether a numbered checkpoint holds what timm's saver writes, for folders that lost their last.
fn proves_itself(folder: &Folder<'_>) -> bool {
    let mut files = folder.entries().iter().filter(|e| e.kind == Kind::File);
    let first = files.find(|e| matches!(Name::parse(&e.name), Some(Name::Epoch(_))));
    first.is_some_and(|e| {
        let look = folder.dir.file(&e.name).and_then(|f| match shape::torch(&*f)? {
            Shape::Whole => Torch::look(&*f),
            _ => Ok(None),
        });
        let keys = ["epoch", "arch", "state_dict", "optimizer"];
        look.ok().flatten().is_some_and(|torch| keys.iter().all(|k| torch.has_key(k)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table = [
            ("checkpoint-0.pth.tar", Some(Name::Epoch(0))),
            ("checkpoint-123.pth.tar", Some(Name::Epoch(123))),
            ("recovery-2-50.pth.tar", Some(Name::Recovery(2))),
            ("last.pth.tar", Some(Name::Last)),
            ("model_best.pth.tar", Some(Name::Best)),
            ("tmp.pth.tar", Some(Name::Unfinished)),
            ("recovery_tmp.pth.tar", Some(Name::Unfinished)),
            ("checkpoint.pth.tar", None),
            ("checkpoint-.pth.tar", None),
            ("checkpoint--1.pth.tar", None),
            ("checkpoint-1e3.pth.tar", None),
            ("checkpoint-18446744073709551616.pth.tar", None),
            ("recovery-2.pth.tar", None),
            ("recovery-2-.pth.tar", None),
            ("checkpoint-1.pth", None),
            ("last.pth", None),
        ];
        for (name, want) in table {
            assert_eq!(Name::parse(name.as_bytes()), want, "{name}");
        }
    }
}
