//! Ignite: files `[<prefix>_]<name>_<step>[_<metric>=<score>].pt`, `.pth`, `.ckpt`.
//!
//! Such names are common, so more has to prove them: a score in the name, or a pickle that holds
//! the state of Ignite's engine, as one to resume from does. A save writes to a temporary name in
//! the same folder.

use super::folder::Folder;
use super::metric::{Source, rounded};
use super::shaped::{self, Shaped};
use super::{About, Claim, Layout, Notes, Series, words};
use crate::core::called;
use crate::core::model::{Marks, Step};
use crate::format::shape::{self, Shape};
use crate::format::torch::Torch;
use crate::store::{Entry, Kind};
use std::collections::{BTreeMap, BTreeSet};

pub struct Ignite;

/// The default, and others that people choose.
const EXTENSIONS: [&str; 3] = [".pt", ".pth", ".ckpt"];
/// What the engine's state holds, and little else does.
const ENGINE_KEY: &str = "epoch_length";

const ABOUT: About = About {
    unit: "file",
    name: "`[<prefix>_]<name>_<step>[_<metric>=<score>].pt`",
    signature: "torch content, and a named score or the engine's state in a pickle",
    order: "name",
    metrics: "name",
    pointers: "names with `best`, `last` are marked",
    unfinished: "`tmpXXXXXXXX` beside it; it breaks off",
    traps: "`model_500.pt` is anyone's: not claimed without a proof. A fold in `model_fold_1_acc=0.9.pt`: ambiguous",
};

impl Layout for Ignite {
    fn name(&self) -> &'static str {
        "ignite"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let files = || folder.entries().iter().filter(|e| e.kind == Kind::File);
        let mut groups: BTreeMap<&str, Vec<(&[u8], Name<'_>)>> = BTreeMap::new();
        for entry in files() {
            if let Some(name) = Name::parse(&entry.name) {
                groups.entry(name.series).or_default().push((&entry.name, name));
            }
        }
        groups.retain(|_, named| is_proven(folder, named));
        let alone = groups.len() == 1;
        let mut series = Vec::new();
        for (prefix, named) in groups {
            let mut found = Vec::new();
            let apart = apart(&named);
            for (file, name) in named {
                match shaped::look(folder, file, shape::torch, notes) {
                    // Nothing but the content proves it.
                    Some(Shape::Other) | None => {}
                    Some(shape) => {
                        let mut claim = name.claim(file);
                        if name.orders_nothing()
                            || name.score.is_some_and(|(metric, _)| apart.contains(metric))
                        {
                            claim.marks.set(Marks::AMBIGUOUS);
                        }
                        found.push(Shaped { claim, shape });
                    }
                }
            }
            let claims = shaped::settle(found);
            if !claims.is_empty() {
                let prefix = if alone { String::new() } else { prefix.to_owned() };
                series.push(Series { prefix, claims, ..Series::default() });
            }
        }
        if let Some(first) = series.first_mut() {
            for entry in files().filter(|e| is_temporary(&e.name)) {
                let shape = shaped::look(folder, &entry.name, shape::torch, notes);
                if matches!(shape, Some(Shape::Whole | Shape::CutShort)) {
                    first.claims.push(Claim { complete: false, ..Claim::of_entry(&entry.name) });
                }
            }
        }
        series
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        Name::parse(&entry.name)?;
        (entry.kind == Kind::File).then(|| {
            format!("no file of torch.save with a named score, or `{ENGINE_KEY}` in its pickle")
        })
    }

    fn enrich(&self, _: &Folder<'_>, _: &mut Series, _: &mut Notes) {}
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Name<'n> {
    /// Prefix and name, which tell one series from another.
    series: &'n str,
    step: Option<u64>,
    /// Name and text of the value.
    score: Option<(&'n str, &'n str)>,
}

impl<'n> Name<'n> {
    fn parse(name: &'n [u8]) -> Option<Name<'n>> {
        let text = std::str::from_utf8(name).ok()?;
        let stem = EXTENSIONS.iter().find_map(|e| text.strip_suffix(e))?;
        match stem.rsplit_once('=') {
            Some((left, value)) => Self::with_score(left, value),
            None => Self::plain(stem),
        }
    }

    /// `best_model_12_val_acc` and `0.83`.
    fn with_score(left: &'n str, value: &'n str) -> Option<Name<'n>> {
        rounded(value)?;
        let mut at = 0;
        let mut found = None;
        for token in left.split('_') {
            let (start, end) = (at, at + token.len());
            at = end + 1;
            // What follows must be the metric's name.
            let Some(metric) = left.get(end + 1..).filter(|m| is_word(m)) else { continue };
            if let (Some(step), true) = (number(token), start > 0) {
                found = Some(Name {
                    series: &left[..start - 1],
                    step: Some(step),
                    score: Some((metric, value)),
                });
            } else if found.is_none() && is_noun(token) {
                found =
                    Some(Name { series: &left[..end], step: None, score: Some((metric, value)) });
            }
        }
        found
    }

    /// `checkpoint_500` and, with an unnamed score, `checkpoint_500_0.8300`.
    fn plain(stem: &'n str) -> Option<Name<'n>> {
        let (left, last) = stem.rsplit_once('_')?;
        let ends_in_noun = |text: &str| text.rsplit('_').next().is_some_and(is_noun);
        if let Some(step) = number(last) {
            return ends_in_noun(left).then_some(Name {
                series: left,
                step: Some(step),
                score: None,
            });
        }
        rounded(last).filter(|_| last.contains('.'))?;
        let score = Some(("score", last));
        match left.rsplit_once('_').map(|(series, step)| (series, number(step))) {
            Some((series, Some(step))) => {
                ends_in_noun(series).then_some(Name { series, step: Some(step), score })
            }
            _ => ends_in_noun(left).then_some(Name { series: left, step: None, score }),
        }
    }

    /// The number tells a run or a part: `model_fold_1_acc=0.91`.
    fn orders_nothing(&self) -> bool {
        self.step.is_some() && words::orders_nothing(self.series)
    }

    fn claim(&self, file: &[u8]) -> Claim {
        let mut claim = Claim { step: self.step.map(Step::Whole), ..Claim::of_entry(file) };
        if let Some((metric, (value, half_unit))) =
            self.score.and_then(|(metric, value)| Some((metric, rounded(value)?)))
        {
            claim.metrics.offer(metric, value, Source::Name { half_unit });
        }
        if let Some(mark) = called::in_words(self.series.as_bytes()) {
            claim.marks.set(mark);
        }
        claim
    }
}

/// Metrics in whose names a number tells one run from another: `fold1_acc` beside `fold2_acc`.
fn apart<'n>(named: &[(&[u8], Name<'n>)]) -> BTreeSet<&'n str> {
    let is_digit = |c: char| c.is_ascii_digit();
    let tells = |metric: &&str| {
        metric.split('_').any(|token| {
            let word = token.trim_end_matches(is_digit);
            // `recall_k5` and `rank1` are metrics.
            word.len() < token.len() && word.len() > 1 && words::tells_runs(word)
        })
    };
    let metrics = named.iter().filter_map(|(_, name)| name.score).map(|(metric, _)| metric);
    let metrics: BTreeSet<&str> = metrics.filter(tells).collect();
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for metric in metrics {
        alike.entry(metric.replace(is_digit, "")).or_default().push(metric);
    }
    alike.into_values().filter(|metrics| metrics.len() > 1).flatten().collect()
}

/// Whether it can be a metric's name.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic())
}

/// What Ignite calls several objects together, and what people call one.
fn is_noun(token: &str) -> bool {
    matches!(token, "checkpoint" | "model")
}

fn number(token: &str) -> Option<u64> {
    let all = token.bytes().all(|b| b.is_ascii_digit());
    all.then(|| token.parse().ok()).flatten()
}

/// A named score and a step, or the engine's state in one of them.
fn is_proven(folder: &Folder<'_>, named: &[(&[u8], Name<'_>)]) -> bool {
    let telling = |n: &Name<'_>| n.score.is_some_and(|(metric, _)| metric != "score");
    named.iter().any(|(_, name)| telling(name))
        || named.first().is_some_and(|(file, _)| {
            let torch = folder.dir.file(file).and_then(|f| Torch::look(&*f)).ok().flatten();
            torch.is_some_and(|t| t.has_key(ENGINE_KEY))
        })
}

/// A name as Python's `tempfile` makes it.
fn is_temporary(name: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
    name.strip_prefix(b"tmp").is_some_and(|rest| rest.len() == 8 && rest.iter().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |series, step, score| Some(Name { series, step, score });
        let table = [
            ("checkpoint_500.pt", of("checkpoint", Some(500), None)),
            ("run1_checkpoint_500.pt", of("run1_checkpoint", Some(500), None)),
            (
                "best_model_12_val_acc=0.8300.pt",
                of("best_model", Some(12), Some(("val_acc", "0.8300"))),
            ),
            ("model_val_loss=-1.5.pt", of("model", None, Some(("val_loss", "-1.5")))),
            ("checkpoint_12_0.8300.pt", of("checkpoint", Some(12), Some(("score", "0.8300")))),
            ("best_checkpoint_0.8300.pt", of("best_checkpoint", None, Some(("score", "0.8300")))),
            ("net_2_checkpoint_7_f1=1.pt", of("net_2_checkpoint", Some(7), Some(("f1", "1")))),
            ("checkpoint_1_500.pt", None),
            ("checkpoint500.pt", None),
            ("epoch=3.pt", None),
            ("step=100_loss=0.5.pt", None),
            ("model_12_=0.5.pt", None),
            ("checkpoint_x.pt", None),
            ("12_acc=0.5.pt", None),
            ("checkpoint_500.pth", of("checkpoint", Some(500), None)),
            ("best_model_3_acc=0.5.ckpt", of("best_model", Some(3), Some(("acc", "0.5")))),
            ("checkpoint_500.th", None),
        ];
        for (name, want) in table {
            assert_eq!(Name::parse(name.as_bytes()), want, "{name}");
        }
        assert!(
            is_temporary(b"tmpab_9x2zq")
                && !is_temporary(b"tmpab_9x2z")
                && !is_temporary(b"temporary12")
        );
    }
}
