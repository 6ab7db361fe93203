//! Ray Tune (and Ray Train before version 2): `checkpoint_<six digits>` in a trial's folder.
//!
//! The trial's log, `result.json`, names the checkpoint that was saved with each report, so the
//! join is exact. `progress.csv` holds the same, and stands in where the other is lost.

use super::folder::{Folder, cannot_read};
use super::metric::Source;
use super::{Claim, Layout, Notes, Series, ray};
use crate::core::model::Step;
use crate::core::name::encode;
use crate::format::csv::{Table, number};
use crate::format::json::{self, Value};
use crate::store::{self, Kind};
use std::collections::HashMap;

pub struct RayTune;

const RESULT: &[u8] = b"result.json";
const PROGRESS: &[u8] = b"progress.csv";
const JOIN: &str = "checkpoint_dir_name";

impl Layout for RayTune {
    fn name(&self) -> &'static str {
        "ray_tune"
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        if folder.entry(RESULT).or(folder.entry(PROGRESS)).is_none_or(|e| e.kind == Kind::Symlink) {
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

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        let mut done = false;
        if folder.entry(RESULT).is_some() {
            match read(folder, RESULT).and_then(|bytes| offer_results(&bytes, series)) {
                Ok(()) => done = true,
                Err(text) => notes.fault(folder.join(RESULT), text),
            }
        }
        if !done && folder.entry(PROGRESS).is_some() {
            let read = read(folder, PROGRESS).and_then(|bytes| offer_progress(&bytes, series));
            if let Err(text) = read {
                notes.fault(folder.join(PROGRESS), text);
            }
        }
    }
}

/// Six digits, or more from the millionth on.
fn step_of(name: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(name).ok()?.strip_prefix("checkpoint_")?;
    let fits = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| digits.parse().ok()).flatten()
}

fn read(folder: &Folder<'_>, name: &[u8]) -> Result<Vec<u8>, String> {
    store::read_metadata(&*folder.dir, name).map_err(|e| cannot_read(&encode(name), &e))
}

fn offer_results(bytes: &[u8], series: &mut Series) -> Result<(), String> {
    let rows = json::parse_lines(bytes)
        .map_err(|(line, e)| format!("result.json is damaged: {e} of line {line}"))?;
    // A trial that was restored reports again; the later row is of what lies there.
    let by_name: HashMap<&str, &Value> =
        rows.iter().filter_map(|(_, row)| Some((row.get(JOIN)?.as_str()?, row))).collect();
    for claim in &mut series.claims {
        if let Some(row) = by_name.get(claim.id.as_str()) {
            ray::offer(claim, row, "result.json");
        }
    }
    Ok(())
}

fn offer_progress(bytes: &[u8], series: &mut Series) -> Result<(), String> {
    let table = Table::parse(bytes).map_err(|e| format!("progress.csv: {e}"))?;
    let Some(join) = table.column(JOIN) else { return Ok(()) };
    let by_name: HashMap<&str, usize> =
        (0..table.len()).filter_map(|row| Some((table.field(row, join)?, row))).collect();
    for claim in &mut series.claims {
        let Some(&row) = by_name.get(claim.id.as_str()) else { continue };
        for (column, name) in table.header.iter().enumerate() {
            let Some(value) = table.field(row, column).map(number) else { continue };
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
