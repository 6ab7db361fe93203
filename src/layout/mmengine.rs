//! `OpenMMLab`'s engine, below `MMDetection` and others: files `epoch_<N>.pth` and `iter_<N>.pth`.
//!
//! With DeepSpeed they are directories of the same name. `last_checkpoint` beside them names the
//! last one by an absolute path, often of another machine. `best_<metric>_epoch_<N>.pth` is a copy
//! of its own, which protects itself. The log of a run lies in a folder called after its start; a
//! resumed run has several.

use super::folder::{Folder, Peek, cannot_read};
use super::join::{Join, Logged};
use super::shaped::{self, Shaped};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::format::json::{self, Value};
use crate::format::shape::{self, Shape};
use crate::format::torch::Torch;
use crate::store::{Blob, Entry, Kind};

pub struct MmEngine;

const LAST: &[u8] = b"last_checkpoint";
/// What its pickles hold, behind epoch and iteration.
const PROOF: &str = "mmengine_version";
const SCALARS: &[u8] = b"scalars.json";

/// How a validation row finds its checkpoint, by what the checkpoints count.
const JOINS: [(Count, Join); 2] = [
    (
        Count::Epoch,
        Join { column: "step", offset: 0, why: "a validation row's step is the epoch, from one" },
    ),
    (
        Count::Iter,
        Join { column: "step", offset: 0, why: "without epochs a row's step is the iteration" },
    ),
];

const ABOUT: About = About {
    unit: "file; with DeepSpeed a directory",
    name: "`epoch_<N>.pth`, `iter_<N>.pth`; by another template, a number that the pickle says as well",
    signature: "`last_checkpoint` beside it, or `mmengine_version` in a pickle",
    order: "name",
    metrics: "validation rows of `<start>/vis_data/scalars.json`, whose `step` is the epoch",
    pointers: "`last_checkpoint`; `best_*` are marked",
    unfinished: "it breaks off",
    traps: "training rows count iterations in the same key",
};

impl Layout for MmEngine {
    fn name(&self) -> &'static str {
        "mmengine"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let named: Vec<(&Entry, Name)> = folder
            .entries()
            .iter()
            .filter(|e| matches!(e.kind, Kind::File | Kind::Dir))
            .filter_map(|e| Some((e, Name::parse(&e.name).or_else(|| templated(folder, e))?)))
            .collect();
        let proven = folder.has_file(LAST) || named.iter().any(|(e, _)| proves_itself(folder, e));
        if !proven {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (entry, name) in named {
            let shape = match entry.kind {
                Kind::Dir => shape_of_dir(folder, entry, notes),
                _ => shaped::look(folder, &entry.name, shape::torch, notes),
            };
            if let Some(shape) = shape {
                found.push(Shaped { claim: claim(&entry.name, &name), shape });
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        vec![Series { claims: shaped::settle(found), ..Series::default() }]
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        Name::parse(&entry.name)?;
        Some(match entry.kind {
            Kind::Symlink => "a link is never a checkpoint of its own".to_owned(),
            Kind::Dir if folder.has_file(LAST) => "no *_model_states.pt in it".to_owned(),
            _ => "no last_checkpoint beside it, and no mmengine_version in its pickle".to_owned(),
        })
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        let runs: Vec<&Entry> = folder.dirs().filter(|e| is_start_time(&e.name)).collect();
        // The latest run first: what it logged again, it also saved again.
        for run in runs.into_iter().rev() {
            let source = format!("{}/vis_data/scalars.json", encode(&run.name));
            match read_scalars(folder, &run.name) {
                Ok(None) => {}
                Ok(Some(file)) => match rows(&*file, &source) {
                    Ok((count, logged)) => offer(series, count, &logged),
                    Err(text) => notes.fault(folder.join(source.as_bytes()), text),
                },
                Err(text) => notes.fault(folder.join(source.as_bytes()), text),
            }
        }
    }
}

fn offer(series: &mut Series, count: Option<Count>, logged: &Logged) {
    for claim in &mut series.claims {
        if claim.marks.has(Marks::BEST) || !claim.metrics.readings().is_empty() {
            continue;
        }
        // The rows count either epochs or iterations; if nothing tells, what the checkpoint does.
        let number = match count {
            Some(Count::Epoch) => claim.epoch,
            Some(Count::Iter) => claim.step,
            None => claim.epoch.or(claim.step),
        };
        logged.offer(claim, number);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Epoch,
    Iter,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    /// The metric it is the best by.
    best: Option<String>,
    count: Count,
    number: u64,
}

impl Name {
    fn parse(name: &[u8]) -> Option<Name> {
        let stem = std::str::from_utf8(name).ok()?.strip_suffix(".pth")?;
        let (head, digits) = stem.rsplit_once('_')?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number = digits.parse().ok()?;
        let (before, count) = match head.rsplit_once('_') {
            None => ("", head),
            Some((before, count)) => (before, count),
        };
        let count = match count {
            "epoch" => Count::Epoch,
            "iter" => Count::Iter,
            _ => return None,
        };
        let best = match before.strip_prefix("best_") {
            Some(metric) if !metric.is_empty() => Some(metric.to_owned()),
            None if before.is_empty() => None,
            _ => return None,
        };
        Some(Name { best, count, number })
    }
}

fn claim(file: &[u8], name: &Name) -> Claim {
    let mut claim = Claim::of_entry(file);
    match (&name.best, name.count) {
        (Some(metric), count) => {
            // A numbered one's copy or not, it takes no numbered one's place in a rule.
            let count = if count == Count::Epoch { "epoch" } else { "iter" };
            claim.summary = Some(format!("best {metric}, {count} {}", name.number));
            claim.marks.set(Marks::BEST);
        }
        (None, Count::Epoch) => claim.epoch = Some(Step::Whole(name.number)),
        (None, Count::Iter) => claim.step = Some(Step::Whole(name.number)),
    }
    claim
}

/// A name by a template of the user's, `model_{}.pth`: beside `last_checkpoint`, with a number that
/// is the epoch or the iteration that its own pickle says.
fn templated(folder: &Folder<'_>, entry: &Entry) -> Option<Name> {
    let stem = std::str::from_utf8(&entry.name).ok()?.strip_suffix(".pth")?;
    let digits = stem.len() - stem.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (before, digits) = stem.split_at(stem.len() - digits);
    let number: u64 = digits.parse().ok()?;
    // `resnet50` is a model's name.
    if before.ends_with(char::is_alphanumeric) {
        return None;
    }
    if entry.kind != Kind::File || !folder.has_file(LAST) || stem.contains("best") {
        return None;
    }
    let torch = folder.dir.file(&entry.name).and_then(|f| Torch::look(&*f)).ok()??;
    let is = |key| torch.number_before(key, PROOF) == Some(number);
    let count = match (is("epoch"), is("iter")) {
        (true, false) => Count::Epoch,
        (false, true) => Count::Iter,
        // Neither, or nobody can tell which.
        _ => return None,
    };
    Some(Name { best: None, count, number })
}

/// A file that says so: for folders that lost their `last_checkpoint`.
fn proves_itself(folder: &Folder<'_>, entry: &Entry) -> bool {
    entry.kind == Kind::File
        && folder
            .dir
            .file(&entry.name)
            .and_then(|f| Torch::look(&*f))
            .is_ok_and(|torch| torch.is_some_and(|t| t.has_key(PROOF) || t.has_key("mmcv_version")))
}

/// A directory that DeepSpeed wrote; `None` for any other.
fn shape_of_dir(folder: &Folder<'_>, entry: &Entry, notes: &mut Notes) -> Option<Shape> {
    match folder.peek(&entry.name) {
        Ok(peek) => {
            let holds =
                |p: &Peek<'_>| p.entries().iter().any(|e| e.name.ends_with(b"_model_states.pt"));
            holds(&peek).then_some(Shape::Unknown)
        }
        Err(e) => {
            notes.fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e));
            None
        }
    }
}

/// `20260131_101500`, the folder of a run's logs.
fn is_start_time(name: &[u8]) -> bool {
    name.len() == 15
        && name
            .iter()
            .enumerate()
            .all(|(i, b)| if i == 8 { *b == b'_' } else { b.is_ascii_digit() })
}

/// The scalars of one run; `None` if it logged none.
fn read_scalars(folder: &Folder<'_>, run: &[u8]) -> Result<Option<Box<dyn Blob>>, String> {
    let shown = encode(run).into_owned();
    let peek = folder.peek(run).map_err(|e| cannot_read(&shown, &e))?;
    if peek.entry(b"vis_data").is_none_or(|e| e.kind != Kind::Dir) {
        return Ok(None);
    }
    let dir =
        peek.dir().and_then(|d| d.open(b"vis_data")).map_err(|e| cannot_read("vis_data", &e))?;
    match dir.file(SCALARS) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(cannot_read("scalars.json", &e)),
    }
}

/// What the validation rows say, and what their steps count if the training rows tell.
fn rows(file: &dyn Blob, source: &str) -> Result<(Option<Count>, Logged), String> {
    let mut training = false;
    let mut epochs = false;
    let mut validated = Vec::new();
    json::for_each_line(file, |_, row| {
        if ["loss", "epoch", "iter", "lr"].iter().any(|k| row.get(k).is_some()) {
            training = true;
            epochs |= row.get("epoch").is_some();
        } else {
            validated.push(row);
        }
    })
    .map_err(|e| format!("scalars.json: {e}"))?;
    let count = training.then_some(if epochs { Count::Epoch } else { Count::Iter });
    let (_, join) = &JOINS[usize::from(count == Some(Count::Iter))];
    let mut logged = Logged::new(source);
    for row in validated {
        let number = row.get(join.column).and_then(Value::as_f64).and_then(|n| join.number(n));
        let Some(number) = number else { continue };
        for (key, value) in row.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "step" | "time" | "data_time" | "memory")
                && let Some(value) = value.as_f64()
            {
                logged.add(number, key, value);
            }
        }
    }
    Ok((count, logged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |best: Option<&str>, count, number| {
            Some(Name { best: best.map(str::to_owned), count, number })
        };
        let table = [
            ("epoch_5.pth", of(None, Count::Epoch, 5)),
            ("iter_40000.pth", of(None, Count::Iter, 40000)),
            ("best_acc_epoch_4.pth", of(Some("acc"), Count::Epoch, 4)),
            ("best_coco_bbox_mAP_50_iter_9.pth", of(Some("coco_bbox_mAP_50"), Count::Iter, 9)),
            ("best__epoch_4.pth", None),
            ("best_epoch_4.pth", None),
            ("epoch_.pth", None),
            ("epoch_1e3.pth", None),
            ("epoch_18446744073709551616.pth", None),
            ("my_epoch_4.pth", None),
            ("epoch_4.pt", None),
            ("resnet50_8xb32-0a1b2c3d.pth", None),
            ("latest.pth", None),
        ];
        for (name, want) in table {
            assert_eq!(Name::parse(name.as_bytes()), want, "{name}");
        }
    }
}
