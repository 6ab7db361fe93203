//! Metrics that no framework's own files have: sidecars in a session, and an `MLflow` file store.
//!
//! `metrics.json`, `metrics.jsonl` and `metrics.csv` beside checkpoints, or in the directory that
//! the session is called after, name a checkpoint by its id, else by step, else by epoch. Below a
//! run of `MLflow`, `metrics/KEY` has a line `MILLISECONDS VALUE STEP` for each value logged.

use super::folder::{Folder, cannot_read};
use super::metric::Source;
use super::record::{self, Join};
use super::{Notes, Series};
use crate::core::declared::{Fact, Format};
use crate::core::model::Step;
use crate::core::name::encode;
use crate::format::csv::number;
use crate::format::lines::Lines;
use crate::store::{Dir, Kind};
use std::collections::BTreeMap;

/// Read in every session, whatever its layout.
pub const SIDECARS: [&str; 3] = ["metrics.json", "metrics.jsonl", "metrics.csv"];

/// Offers a series what stands in sidecars and in `MLflow`'s store.
pub fn enrich(folder: &Folder<'_>, series: &mut Series, own_logs: &[&str], notes: &mut Notes) {
    sidecars(folder, series, own_logs, notes);
    mlflow(folder, series, notes);
}

fn sidecars(folder: &Folder<'_>, series: &mut Series, own_logs: &[&str], notes: &mut Notes) {
    let home = if series.own_components == 0 { None } else { folder.parent() };
    for home in [Some(folder), home].into_iter().flatten() {
        for name in SIDECARS.into_iter().filter(|n| !own_logs.contains(n)) {
            if home.entry(name.as_bytes()).is_none() {
                continue;
            }
            let Some(format) = Format::of(name) else { continue };
            let in_folder = std::ptr::eq(home, folder) && series.own_components > 0;
            let below =
                if in_folder { format!("{}/", encode(folder.name())) } else { String::new() };
            let source = Source::File(format!("{below}{name}"));
            let read = record::offer(
                &mut series.claims,
                &*home.dir,
                name.as_bytes(),
                format,
                &joins(),
                &source,
            );
            if let Err(text) = read {
                notes.fault(home.join(name.as_bytes()), text);
            }
        }
    }
}

fn joins() -> Vec<Join> {
    let join =
        |fact, column: &str| Join { fact, column: column.to_owned(), offset: 0, keys: Vec::new() };
    vec![
        join(Fact::Id, "checkpoint"),
        join(Fact::Id, "id"),
        join(Fact::Step, "step"),
        join(Fact::Epoch, "epoch"),
    ]
}

/// The run whose artifacts hold this directory, if one does.
fn mlflow(folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
    // Directories above are looked at only where there is something to find.
    if !folder.path.split(|b| *b == b'/').any(|c| c == b"artifacts") {
        return;
    }
    let mut at = Some(folder);
    while let Some(here) = at {
        if here.name() == b"artifacts"
            && let Some(run) = here.parent()
            && run.has_file(b"meta.yaml")
            && run.entry(b"metrics").is_some_and(|e| e.kind == Kind::Dir)
        {
            let read = run.dir.open(b"metrics").map_err(|e| cannot_read("metrics", &e));
            if let Err(text) = read.and_then(|dir| keys(&*dir, "", series)) {
                notes.fault(run.join(b"metrics"), text);
            }
            return;
        }
        at = here.parent();
    }
}

/// A key with a slash lies in a directory.
fn keys(dir: &dyn Dir, prefix: &str, series: &mut Series) -> Result<(), String> {
    for entry in &*dir.list().map_err(|e| cannot_read("metrics", &e))? {
        let key = format!("{prefix}{}", encode(&entry.name));
        match entry.kind {
            Kind::File => {
                let file = dir.file(&entry.name).map_err(|e| cannot_read(&key, &e))?;
                let mut by_step: BTreeMap<Step, f64> = BTreeMap::new();
                let mut lines = Lines::new(&*file);
                while let Some(line) = lines.next_line().map_err(|e| format!("{key} {e}"))? {
                    match (parse(line.bytes), line.ended) {
                        (Some((step, value)), _) => {
                            by_step.insert(step, value);
                        }
                        (None, true) => {
                            return Err(format!("line {} of {key} is no value", line.number));
                        }
                        (None, false) => {}
                    }
                }
                for claim in series.claims.iter_mut().filter(|c| c.summary.is_none()) {
                    if let Some(value) = claim.step.and_then(|s| by_step.get(&s)) {
                        let source = Source::File(format!("mlflow metrics/{key}"));
                        claim.metrics.offer(&key, *value, source);
                    }
                }
            }
            Kind::Dir if prefix.matches('/').count() < 8 => {
                let below = dir.open(&entry.name).map_err(|e| cannot_read(&key, &e))?;
                keys(&*below, &format!("{key}/"), series)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// `1795365147697 0.25 40`.
fn parse(line: &[u8]) -> Option<(Step, f64)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (_, value, step) = (words.next()?, words.next()?, words.next()?);
    Some((Step::from_f64(step.parse().ok()?)?, number(value)))
}
