//! `AllenNLP`: pairs of files `model_state_e<E>_b<B>.th` and `training_state_e<E>_b<B>.th`.
//!
//! `E` is the number of epochs that were completed, `B` of batches since. The training state is
//! written last, and a run resumes only with both; a model that is sharded has a file `_w<R>` of
//! each worker. `best.th` is a copy of its own. `metrics_epoch_<E>.json` counts epochs from zero.

use super::folder::{Folder, read_json};
use super::join::{Join, Logged};
use super::shaped::{self, Shaped, check_parts, worse};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::{Marks, Step};
use crate::format::json::Value;
use crate::format::shape::{self, Shape};
use crate::store::{Entry, Kind};
use std::collections::BTreeMap;

pub struct AllenNlp;

const BEST: &[u8] = b"best.th";
const JOIN: Join = Join {
    column: "epoch",
    offset: 1,
    why: "metrics count epochs from zero, checkpoints those that are completed",
};
/// Of each epoch's metrics, what repeats those of another or counts something else.
const NO_METRICS: [&str; 2] = ["best_", "peak_"];

const ABOUT: About = About {
    unit: "both files of a pair, and those of all workers",
    name: "`model_state_e<E>_b<B>[_w<R>].th`, `training_state_e<E>_b<B>[_w<R>].th`",
    signature: "a pair in the directory, with torch content",
    order: "name; `E` counts completed epochs",
    metrics: "`metrics_epoch_<E>.json`, from zero: only of checkpoints at an epoch's end",
    pointers: "`best.th` is marked",
    unfinished: "no training state, which comes last; it breaks off; a worker's file missing",
    traps: "an older model without its training state was thinned out by hand: ambiguous",
};

impl Layout for AllenNlp {
    fn name(&self) -> &'static str {
        "allennlp"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut units: BTreeMap<(u64, u64), Unit<'_>> = BTreeMap::new();
        for entry in folder.entries().iter().filter(|e| e.kind == Kind::File) {
            let Some(name) = Name::parse(&entry.name) else { continue };
            let Some(shape) = shaped::look(folder, &entry.name, shape::torch, notes) else {
                continue;
            };
            let unit = units.entry((name.epochs, name.batches)).or_default();
            let files = if name.is_model { &mut unit.model } else { &mut unit.training };
            files.push((name.worker, &entry.name, shape));
        }
        let begins_well = |u: &Unit<'_>| {
            let is_torch = |s: Shape| matches!(s, Shape::Whole | Shape::Unknown | Shape::CutShort);
            !u.training.is_empty() && u.model.iter().any(|m| is_torch(m.2))
        };
        if !units.values().any(begins_well) {
            return Vec::new();
        }
        let newest_pair = units.iter().rev().find(|(_, u)| u.is_pair()).map(|(at, _)| *at);
        let mut found = Vec::new();
        let mut workers = Vec::new();
        for (at, unit) in units {
            workers.push(unit.model.iter().filter_map(|m| m.0).collect::<Vec<u64>>());
            found.push(unit.shaped(at, newest_pair));
        }
        let mut claims = shaped::settle(found);
        if workers.iter().any(|w| !w.is_empty()) {
            check_parts(&mut claims, &workers);
        }
        if folder.has_file(BEST)
            && let Some(shape) = shaped::look(folder, BEST, shape::torch, notes)
            && shape != Shape::Other
        {
            let mut best = Claim { complete: shape != Shape::CutShort, ..Claim::of_entry(BEST) };
            best.marks.set(Marks::BEST);
            claims.push(best);
        }
        vec![Series { claims, ..Series::default() }]
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        Name::parse(&entry.name)?;
        (entry.kind == Kind::File).then(|| "no pair of model and training state here".to_owned())
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        for claim in &mut series.claims {
            let Some(Step::Whole(completed)) = claim.epoch else { continue };
            let Some(epoch) = completed.checked_add_signed(-JOIN.offset) else { continue };
            let file = format!("metrics_epoch_{epoch}.json");
            // Within an epoch nothing was evaluated.
            if !claim.id.ends_with("_b0") || folder.entry(file.as_bytes()).is_none() {
                continue;
            }
            match read_json(&*folder.dir, file.as_bytes()) {
                Ok(value) => {
                    let mut logged = Logged::new(&*file);
                    let number = value.get(JOIN.column).and_then(Value::as_f64);
                    for (key, value) in value.as_object().into_iter().flatten() {
                        let is_metric = key != JOIN.column
                            && key != "training_epochs"
                            && !NO_METRICS.iter().any(|p| key.starts_with(p));
                        let at = number.and_then(|n| JOIN.number(n));
                        if let (true, Some(at), Some(value)) = (is_metric, at, value.as_f64()) {
                            logged.add(at, key, value);
                        }
                    }
                    logged.offer(claim, claim.epoch);
                }
                Err(text) => notes.fault(folder.join(file.as_bytes()), text),
            }
        }
    }
}

/// The files of one checkpoint: worker, name, shape.
#[derive(Default)]
struct Unit<'n> {
    model: Vec<(Option<u64>, &'n [u8], Shape)>,
    training: Vec<(Option<u64>, &'n [u8], Shape)>,
}

impl Unit<'_> {
    fn is_pair(&self) -> bool {
        !self.model.is_empty() && self.model.len() == self.training.len()
    }

    fn shaped(mut self, at: (u64, u64), newest_pair: Option<(u64, u64)>) -> Shaped {
        self.model.sort_unstable_by_key(|m| m.0);
        self.training.sort_unstable_by_key(|t| t.0);
        let all = || self.model.iter().chain(&self.training);
        let mut claim = Claim {
            id: format!("e{}_b{}", at.0, at.1),
            entries: all().map(|f| f.1.into()).collect(),
            epoch: Some(Step::Whole(at.0)),
            complete: self.is_pair(),
            ..Claim::default()
        };
        if !self.is_pair() && newest_pair.is_some_and(|newest| at < newest) {
            claim.marks.set(Marks::AMBIGUOUS);
        }
        Shaped { shape: all().map(|f| f.2).fold(Shape::Whole, worse), claim }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Name {
    is_model: bool,
    epochs: u64,
    batches: u64,
    worker: Option<u64>,
}

impl Name {
    fn parse(name: &[u8]) -> Option<Name> {
        let stem = std::str::from_utf8(name).ok()?.strip_suffix(".th")?;
        let (is_model, rest) = match stem.strip_prefix("model_state_") {
            Some(rest) => (true, rest),
            None => (false, stem.strip_prefix("training_state_")?),
        };
        let mut parts = rest.split('_');
        let number = |text: &str, prefix: &str| {
            let digits = text.strip_prefix(prefix)?;
            let plain = digits == "0" || !digits.starts_with('0');
            let all = digits.bytes().all(|b| b.is_ascii_digit());
            // Another spelling of a number would be another file of the same checkpoint.
            (plain && all).then(|| digits.parse().ok()).flatten()
        };
        let epochs = number(parts.next()?, "e")?;
        let batches = number(parts.next()?, "b")?;
        let worker = match parts.next() {
            Some(worker) => Some(number(worker, "w")?),
            None => None,
        };
        parts.next().is_none().then_some(Name { is_model, epochs, batches, worker })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of =
            |is_model, epochs, batches, worker| Some(Name { is_model, epochs, batches, worker });
        let table = [
            ("model_state_e1_b0.th", of(true, 1, 0, None)),
            ("training_state_e12_b500.th", of(false, 12, 500, None)),
            ("model_state_e1_b0_w3.th", of(true, 1, 0, Some(3))),
            ("model_state_e01_b0.th", None),
            ("model_state_e1.th", None),
            ("model_state_epoch_1.th", None),
            ("model_state_e1_b0_w1_x.th", None),
            ("model_state_e1_b0.pt", None),
            ("best.th", None),
        ];
        for (name, want) in table {
            assert_eq!(Name::parse(name.as_bytes()), want, "{name}");
        }
    }
}
