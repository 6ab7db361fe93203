//! fairseq: files `checkpoint<E>.pt` of epochs and `checkpoint_<E>_<U>.pt` of updates.
//!
//! fairseq keeps the two apart, each with a count of its own, and so do sessions here. A model that
//! is saved in shards has a file for each, `checkpoint3-shard0.pt`, which are one checkpoint. Those
//! called `best` and `last` are full copies. Metrics stand only in the names of the best ones.

use super::folder::Folder;
use super::metric::{Source, rounded};
use super::shaped::{self, Shaped, check_parts, worse};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::{Marks, Step};
use crate::format::shape::{self, Shape};
use crate::format::torch::Torch;
use crate::store::{Entry, Kind};
use std::collections::BTreeMap;

pub struct Fairseq;

/// What its pickles hold, and no other framework's do.
const KEYS: [&str; 2] = ["optimizer_history", "extra_state"];

const ABOUT: About = About {
    unit: "file, or all shards of one name",
    name: "`checkpoint<E>.pt`, `checkpoint_<E>_<U>.pt`",
    signature: "`checkpoint_last.pt` or `_best` beside it, or fairseq's keys in a pickle",
    order: "name",
    metrics: "`checkpoint.best_<metric>_<value>`, less the random last digit",
    pointers: "`best`, `last` are marked",
    unfinished: "`.pt.tmp`; it breaks off; a shard missing",
    traps: "epochs and updates are two sessions, as fairseq counts them apart. Of a mixture of experts, `-shared` and every `-rank-<N>` are one checkpoint",
};

impl Layout for Fairseq {
    fn name(&self) -> &'static str {
        "fairseq"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let files = folder.entries().iter().filter(|e| e.kind == Kind::File);
        let named: Vec<(&[u8], File)> =
            files.filter_map(|e| Some((&*e.name, File::parse(&e.name)?))).collect();
        if !is_proven(folder, &named) {
            return Vec::new();
        }
        let mut units: BTreeMap<String, Unit> = BTreeMap::new();
        for (name, file) in named {
            let Some(shape) = shaped::look(folder, name, shape::torch, notes) else { continue };
            let key = if file.unfinished { format!("{}.tmp", file.id) } else { file.id.clone() };
            let unit = units.entry(key).or_insert_with(|| Unit::new(file.kind, file.unfinished));
            unit.parts.push((file.shard, name.into(), shape));
        }
        let (updates, rest): (Vec<_>, Vec<_>) =
            units.into_iter().partition(|(_, unit)| matches!(unit.kind, Name::Update(..)));
        let epochs = rest.iter().any(|(_, unit)| matches!(unit.kind, Name::Epoch(_)));
        if updates.is_empty() || !epochs {
            // Copies belong to what there is.
            return series("", updates.into_iter().chain(rest).collect()).into_iter().collect();
        }
        [series("", rest), series("updates", updates)].into_iter().flatten().collect()
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        File::parse(&entry.name)?;
        Some(match entry.kind {
            Kind::Symlink => "a link is never a checkpoint of its own".to_owned(),
            Kind::File => "no checkpoint_last.pt or checkpoint_best.pt beside it, and no \
                           optimizer_history and extra_state in its pickle"
                .to_owned(),
            _ => return None,
        })
    }

    fn enrich(&self, _: &Folder<'_>, _: &mut Series, _: &mut Notes) {}
}

/// What a checkpoint is called.
#[derive(Clone, Debug, PartialEq)]
enum Name {
    Epoch(u64),
    Update(u64, u64),
    Best,
    Last,
    /// One of the best by a metric: its name, the value, half of its last digit's worth.
    BestBy(String, f64, f64),
}

/// One file.
#[derive(Clone, Debug, PartialEq)]
struct File {
    /// The name of the whole: `checkpoint3.pt`, whatever the shard.
    id: String,
    kind: Name,
    shard: Option<u64>,
    /// Still under the name that a save writes to before it renames.
    unfinished: bool,
}

impl File {
    fn parse(name: &[u8]) -> Option<File> {
        let text = std::str::from_utf8(name).ok()?;
        let (text, unfinished) = match text.strip_suffix(".tmp") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let stem = text.strip_suffix(".pt")?;
        let (stem, shard) = part(stem)?;
        let rest = stem.strip_prefix("checkpoint")?;
        let kind = match rest {
            "_best" => Name::Best,
            "_last" => Name::Last,
            _ => {
                if let Some(rest) = rest.strip_prefix(".best_") {
                    best_by(rest)?
                } else if let Some(rest) = rest.strip_prefix('_') {
                    let (epoch, update) = rest.split_once('_')?;
                    Name::Update(number(epoch)?, number(update)?)
                } else {
                    Name::Epoch(number(rest)?)
                }
            }
        };
        Some(File { id: format!("{stem}.pt"), kind, shard, unfinished })
    }
}

/// A file's name without what tells the parts of one checkpoint apart, and which part it is: a
/// shard's number, or, of a mixture of experts, what all ranks share (0) or a rank's own (from 1).
fn part(stem: &str) -> Option<(&str, Option<u64>)> {
    if let Some(stem) = stem.strip_suffix("-shared") {
        return Some((stem, Some(0)));
    }
    if let Some((stem, digits)) = stem.rsplit_once("-rank-") {
        return Some((stem, Some(number(digits)?.checked_add(1)?)));
    }
    match stem.rsplit_once("-shard") {
        Some((stem, digits)) => Some((stem, Some(number(digits)?))),
        None => Some((stem, None)),
    }
}

/// `loss_3.4567`: three decimals, and one random digit that keeps names apart.
fn best_by(text: &str) -> Option<Name> {
    let (metric, value) = text.rsplit_once('_')?;
    let (_, decimals) = value.split_once('.')?;
    let (value, half) =
        rounded(if decimals.len() == 4 { &value[..value.len() - 1] } else { value })?;
    (!metric.is_empty()).then(|| Name::BestBy(metric.to_owned(), value, half))
}

fn number(digits: &str) -> Option<u64> {
    let all = digits.bytes().all(|b| b.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten()
}

/// fairseq puts a last or a best one beside the others; without either, a pickle has to tell.
fn is_proven(folder: &Folder<'_>, named: &[(&[u8], File)]) -> bool {
    let is_copy = |file: &File| matches!(file.kind, Name::Best | Name::Last) && !file.unfinished;
    let (copies, others) = named
        .iter()
        .fold((0, 0), |(c, o), (_, f)| if is_copy(f) { (c + 1, o) } else { (c, o + 1) });
    if copies > 0 && others > 0 {
        return true;
    }
    named.first().is_some_and(|(name, _)| {
        let torch = folder.dir.file(name).and_then(|f| Torch::look(&*f)).ok().flatten();
        torch.is_some_and(|t| KEYS.iter().all(|k| t.has_key(k)))
    })
}

/// The files of one checkpoint.
struct Unit {
    kind: Name,
    unfinished: bool,
    /// Shard, name, shape.
    parts: Vec<(Option<u64>, Box<[u8]>, Shape)>,
}

impl Unit {
    fn new(kind: Name, unfinished: bool) -> Unit {
        Unit { kind, unfinished, parts: Vec::new() }
    }

    fn into_claim(self, id: String) -> Shaped {
        let shape = self.parts.iter().map(|p| p.2).fold(Shape::Whole, worse);
        let entries = self.parts.into_iter().map(|p| p.1).collect();
        let mut claim = Claim { entries, id, complete: !self.unfinished, ..Claim::default() };
        match self.kind {
            Name::Epoch(epoch) => claim.epoch = Some(Step::Whole(epoch)),
            Name::Update(epoch, update) => {
                claim.epoch = Some(Step::Whole(epoch));
                claim.step = Some(Step::Whole(update));
            }
            Name::Last => claim.marks.set(Marks::LATEST),
            Name::Best => claim.marks.set(Marks::BEST),
            Name::BestBy(metric, value, half_unit) => {
                claim.marks.set(Marks::BEST);
                claim.metrics.offer(&metric, value, Source::Name { half_unit });
            }
        }
        Shaped { claim, shape }
    }
}

fn series(prefix: &str, units: Vec<(String, Unit)>) -> Option<Series> {
    let mut whole = Vec::new();
    let mut sharded = Vec::new();
    let mut shards: Vec<Vec<u64>> = Vec::new();
    for (id, mut unit) in units {
        unit.parts.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let numbers: Vec<u64> = unit.parts.iter().filter_map(|p| p.0).collect();
        let is_sharded = numbers.len() == unit.parts.len() && !unit.unfinished;
        let shaped = unit.into_claim(id);
        if is_sharded {
            shards.push(numbers);
            sharded.push(shaped);
        } else {
            whole.push(shaped);
        }
    }
    let count = sharded.len();
    sharded.append(&mut whole);
    let mut claims = shaped::settle(sharded);
    check_parts(&mut claims[..count], &shards);
    (!claims.is_empty()).then(|| Series { prefix: prefix.to_owned(), claims, ..Series::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |id: &str, kind, shard, unfinished| {
            Some(File { id: id.to_owned(), kind, shard, unfinished })
        };
        let table = [
            ("checkpoint3.pt", of("checkpoint3.pt", Name::Epoch(3), None, false)),
            ("checkpoint3-shard1.pt", of("checkpoint3.pt", Name::Epoch(3), Some(1), false)),
            ("checkpoint_2_500.pt", of("checkpoint_2_500.pt", Name::Update(2, 500), None, false)),
            ("checkpoint_best.pt", of("checkpoint_best.pt", Name::Best, None, false)),
            ("checkpoint_last.pt.tmp", of("checkpoint_last.pt", Name::Last, None, true)),
            ("checkpoint_last-shard0.pt", of("checkpoint_last.pt", Name::Last, Some(0), false)),
            (
                "checkpoint.best_loss_3.4567.pt",
                of(
                    "checkpoint.best_loss_3.4567.pt",
                    Name::BestBy("loss".to_owned(), 3.456, 0.0005),
                    None,
                    false,
                ),
            ),
            (
                "checkpoint.best_ter_err_-0.50.pt",
                of(
                    "checkpoint.best_ter_err_-0.50.pt",
                    Name::BestBy("ter_err".to_owned(), -0.5, 0.005),
                    None,
                    false,
                ),
            ),
            (
                "checkpoint_2_500-rank-3.pt",
                of("checkpoint_2_500.pt", Name::Update(2, 500), Some(4), false),
            ),
            ("checkpoint3-shared.pt", of("checkpoint3.pt", Name::Epoch(3), Some(0), false)),
            ("checkpoint3-rank-0-shard1.pt", None),
            ("checkpoint3-rank-.pt", None),
            ("checkpoint.pt", None),
            ("checkpoint_500.pt", None),
            ("checkpoint_1_2_3.pt", None),
            ("checkpoint-3.pt", None),
            ("checkpoint1e3.pt", None),
            ("checkpoint3-shard.pt", None),
            ("checkpoint.best_loss.pt", None),
            ("checkpoint3.pth", None),
        ];
        for (name, want) in table {
            assert_eq!(File::parse(name.as_bytes()), want, "{name}");
        }
    }
}
