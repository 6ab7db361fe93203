//! What lies beside or in a series of checkpoints and seems to belong to it: a log, a pointer, a
//! marker.

use crate::core::declared::{Fact, Format, Join, MetricFile, MetricPlace};
use crate::core::model::Step;
use crate::format::json::Value;
use crate::layout::outside::SIDECARS;
use crate::layout::{Claim, Folder, pointer, record};
use crate::store::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Files that say of the directory they lie in that it is finished.
const DONE: [&str; 8] =
    ["DONE", "done", ".done", "_SUCCESS", "SUCCESS", "COMPLETE", "complete", "FINISHED"];
/// What columns with steps, epochs and names are called.
const STEPS: [&str; 6] = ["step", "steps", "iter", "iteration", "global_step", "it"];
const EPOCHS: [&str; 2] = ["epoch", "ep"];
const IDS: [&str; 6] = ["checkpoint", "id", "file", "filename", "path", "name"];
/// Metrics in each directory.
const INSIDE: [&str; 5] =
    ["metrics.json", "scores.json", "results.json", "eval.json", "score.json"];
/// Larger files are no small texts.
const MAX_POINTER: u64 = 4096;
/// Larger logs are not read for a guess.
const MAX_LOG: u64 = 64 << 20;

/// A marker that at least one of the directories holds.
pub fn marker_inside(folder: &Folder<'_>, claims: &[Claim]) -> Option<String> {
    let has = |name: &&str| {
        claims.iter().any(|c| folder.peek(c.name()).is_ok_and(|p| p.has_file(name.as_bytes())))
    };
    DONE.into_iter().find(has).map(str::to_owned)
}

/// A small file whose text is the name of one of them, unless any layout follows it anyway.
pub fn pointer(folder: &Folder<'_>, claims: &[Claim]) -> Option<String> {
    let files = folder.entries().iter().filter(|e| e.kind == Kind::File);
    let unknown = files.filter(|e| !pointer::is_text_pointer(&e.name));
    let mut names = unknown.filter_map(|e| std::str::from_utf8(&e.name).ok()).filter(|name| {
        let name = name.to_ascii_lowercase();
        ["last", "best", "current", "newest", "checkpoint", "pointer"]
            .iter()
            .any(|word| name.contains(word))
    });
    names
        .find(|name| {
            let text = folder.dir.file(name.as_bytes()).and_then(|f| {
                let small = f.len() <= MAX_POINTER;
                if small { f.read_at(0, 4096) } else { Ok(Vec::new()) }
            });
            text.is_ok_and(|text| {
                let target = text.trim_ascii();
                !target.is_empty() && claims.iter().any(|c| pointer::means(target, c))
            })
        })
        .map(str::to_owned)
}

/// A log beside them, above them or in each, with the join that most of them have in common.
pub fn metrics(folder: &Folder<'_>, claims: &[Claim], is_dir: bool) -> Option<MetricFile> {
    if is_dir && let Some(name) = INSIDE.iter().find(|name| is_scores(folder, claims, name)) {
        let file = MetricPlace::Inside((*name).to_owned());
        return Some(MetricFile { file, format: Format::Json, join: None, keys: Vec::new() });
    }
    let homes: [(Option<&Folder<'_>>, fn(String) -> MetricPlace); 2] =
        [(Some(folder), MetricPlace::Beside), (folder.parent(), MetricPlace::Above)];
    for (home, place) in homes {
        let Some(home) = home else { continue };
        for entry in home.entries().iter().filter(|e| e.kind == Kind::File) {
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let read_anyway = SIDECARS.contains(&name);
            let Some(format) = Format::of(name).filter(|_| !read_anyway) else { continue };
            if let Some(join) = join(home, name, format, claims) {
                let file = place(name.to_owned());
                return Some(MetricFile { file, format, join: Some(join), keys: Vec::new() });
            }
        }
    }
    None
}

fn is_scores(folder: &Folder<'_>, claims: &[Claim], name: &str) -> bool {
    let is_number = |v: &Value| matches!(v, Value::Whole(_) | Value::Float(_));
    claims.iter().take(3).any(|claim| {
        let peek = folder.peek(claim.name()).ok().filter(|p| p.has_file(name.as_bytes()));
        let value = peek.and_then(|p| p.read_json(name.as_bytes()).ok());
        value.is_some_and(|v| v.as_object().is_some_and(|o| o.iter().any(|(_, v)| is_number(v))))
    })
}

/// The column and offset by which the most checkpoints find a record.
fn join(home: &Folder<'_>, name: &str, format: Format, claims: &[Claim]) -> Option<Join> {
    if home.dir.file(name.as_bytes()).ok()?.len() > MAX_LOG {
        return None;
    }
    let mut numbers: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let read = record::for_each(&*home.dir, name.as_bytes(), format, |fields| {
        for (column, value) in fields {
            match value {
                Value::Whole(n) => {
                    numbers.entry(column).or_default().extend(i64::try_from(n));
                }
                Value::Text(text) if IDS.contains(&&*column) => {
                    let last = text.rsplit('/').next().unwrap_or_default().to_owned();
                    texts.entry(column).or_default().insert(last);
                }
                _ => {}
            }
        }
    });
    read.ok()?;
    let mut best: Option<(usize, Join)> = None;
    let mut consider = |hits: usize, fact, column: &str, offset| {
        if hits > best.as_ref().map_or(0, |b| b.0) {
            best = Some((hits, Join { fact, column: column.to_owned(), offset }));
        }
    };
    for (column, seen) in &texts {
        consider(claims.iter().filter(|c| seen.contains(&c.id)).count(), Fact::Id, column, 0);
    }
    for (column, seen) in &numbers {
        let fact = match &*column.to_ascii_lowercase() {
            c if STEPS.contains(&c) => Fact::Step,
            c if EPOCHS.contains(&c) => Fact::Epoch,
            _ => continue,
        };
        for offset in [0, 1, -1] {
            let hits = claims.iter().filter(|c| {
                let number = if fact == Fact::Step { c.step } else { c.epoch };
                let Some(Step::Whole(n)) = number else { return false };
                i64::try_from(n).is_ok_and(|n| seen.contains(&(n - offset)))
            });
            consider(hits.count(), fact, column, offset);
        }
    }
    best.map(|(_, join)| join)
}
