//! Ray Tune (and Ray Train before version 2): `checkpoint_<six digits>` in a trial's folder.
//!
//! The trial's log, `result.json`, names the checkpoint that was saved with each report, so the
//! join is exact. `progress.csv` holds the same, and stands in where the other is lost.

use super::folder::{Folder, cannot_read};
use super::metric::Source;
use super::{About, Claim, Layout, Notes, Series, ray};
use crate::core::model::Step;
use crate::core::name::encode;
use crate::format::csv::{CsvError, Reader, Row, number};
use crate::format::json::{self, Value};
use crate::store::{Blob, Entry, Kind};
use std::collections::HashMap;

pub struct RayTune;

const RESULT: &[u8] = b"result.json";
const PROGRESS: &[u8] = b"progress.csv";
const JOIN: &str = "checkpoint_dir_name";

const ABOUT: About = About {
    unit: "directory",
    name: "`checkpoint_<6 digits>`",
    signature: "`result.json` or `progress.csv` beside it",
    order: "name",
    metrics: "`result.json` by `checkpoint_dir_name`, else `progress.csv`",
    pointers: "-",
    unfinished: "an empty directory",
    traps: "a restored trial reports again: the later row counts",
};

impl Layout for RayTune {
    fn name(&self) -> &'static str {
        "ray_tune"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        if !is_trial(folder) {
            return Vec::new();
        }
        let mut claims = Vec::new();
        for entry in folder.dirs() {
            let Some(step) = step_of(&entry.name) else { continue };
            match folder.peek(&entry.name) {
                // Files arrive after the directory; an empty one is a save that never began.
                Ok(peek) => claims.push(Claim {
                    step: Some(Step::Whole(step)),
                    complete: !peek.entries().is_empty(),
                    ..Claim::of_entry(&entry.name)
                }),
                Err(e) => {
                    notes.fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e));
                }
            }
        }
        if claims.is_empty() {
            return Vec::new();
        }
        vec![Series { claims, ..Series::default() }]
    }

    fn holds_anything(&self) -> bool {
        true
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        if entry.kind != Kind::Dir {
            return None;
        }
        if step_of(&entry.name).is_some() {
            return (!is_trial(folder))
                .then(|| "neither result.json nor progress.csv beside it".to_owned());
        }
        let digits = entry.name.strip_prefix(b"checkpoint_")?;
        (is_trial(folder) && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
            .then(|| "Ray's numbers have six digits".to_owned())
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        let mut done = false;
        if folder.entry(RESULT).is_some() {
            match open(folder, RESULT).and_then(|file| offer_results(&*file, series)) {
                Ok(()) => done = true,
                Err(text) => notes.fault(folder.join(RESULT), text),
            }
        }
        if !done && folder.entry(PROGRESS).is_some() {
            let read = open(folder, PROGRESS).and_then(|file| {
                offer_progress(&*file, series).map_err(|e| format!("progress.csv: {e}"))
            });
            if let Err(text) = read {
                notes.fault(folder.join(PROGRESS), text);
            }
        }
    }
}

/// Whether a directory is a trial's checkpoint, whatever a training put into it.
pub fn owns(folder: &Folder<'_>, name: &[u8]) -> bool {
    step_of(name).is_some() && is_trial(folder)
}

fn is_trial(folder: &Folder<'_>) -> bool {
    folder.entry(RESULT).or(folder.entry(PROGRESS)).is_some_and(|e| e.kind != Kind::Symlink)
}

/// Six digits, or more from the millionth on.
fn step_of(name: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(name).ok()?.strip_prefix("checkpoint_")?;
    let fits = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| digits.parse().ok()).flatten()
}

fn open(folder: &Folder<'_>, name: &[u8]) -> Result<Box<dyn Blob>, String> {
    folder.dir.file(name).map_err(|e| cannot_read(&encode(name), &e))
}

fn by_id(series: &mut Series) -> HashMap<String, &mut Claim> {
    series.claims.iter_mut().map(|c| (c.id.clone(), c)).collect()
}

/// A trial that was restored reports again; the later row is of what lies there.
fn offer_results(file: &dyn Blob, series: &mut Series) -> Result<(), String> {
    let mut claims = by_id(series);
    let mut rows: HashMap<String, Value> = HashMap::new();
    json::for_each_line(file, |_, row| {
        if let Some(name) = row.get(JOIN).and_then(Value::as_str)
            && claims.contains_key(name)
        {
            rows.insert(name.to_owned(), row);
        }
    })
    .map_err(|e| format!("result.json: {e}"))?;
    for (name, row) in rows {
        if let Some(claim) = claims.get_mut(&name) {
            ray::offer(claim, &row, "result.json");
        }
    }
    Ok(())
}

fn offer_progress(file: &dyn Blob, series: &mut Series) -> Result<(), CsvError> {
    let mut reader = Reader::new(file)?;
    let Some(join) = reader.column(JOIN) else { return Ok(()) };
    let header = reader.header().to_vec();
    let mut claims = by_id(series);
    let mut rows: HashMap<String, Row> = HashMap::new();
    while let Some(row) = reader.next_row()? {
        if let Some(name) = row.field(join).filter(|n| claims.contains_key(*n)) {
            rows.insert(name.to_owned(), row.clone());
        }
    }
    for (name, row) in rows {
        let Some(claim) = claims.get_mut(&name) else { continue };
        for (column, name) in header.iter().enumerate() {
            let Some(value) = row.field(column).map(number) else { continue };
            if name == "epoch" {
                claim.epoch = Step::from_f64(value);
            } else if ray::is_metric(name) && !value.is_nan() {
                claim.metrics.offer(name, value, Source::File("progress.csv".to_owned()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table = [
            ("checkpoint_000000", Some(0)),
            ("checkpoint_000041", Some(41)),
            ("checkpoint_1000000", Some(1_000_000)),
            ("checkpoint_41", None),
            ("checkpoint_00004a", None),
            ("checkpoint_-00041", None),
            ("checkpoint-000041", None),
            ("checkpoint_2026-01-31_10-00-00.000000", None),
            ("checkpoint_99999999999999999999", None),
        ];
        for (name, want) in table {
            assert_eq!(step_of(name.as_bytes()), want, "{name}");
        }
    }
}
