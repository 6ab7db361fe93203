//! Ray Train, version 2: `checkpoint_<time of saving>` in a run's folder.
//!
//! `checkpoint_manager_snapshot.json` lists the checkpoints with their metrics. A run that resumes
//! insists that each one is there, so every one in the list is protected. One that is newer than
//! all of them was not registered: its save was cut.

use super::folder::{Folder, read_json};
use super::{About, Claim, Layout, Notes, Series, pointer, ray};
use crate::core::model::{Marks, Time};
use crate::format::json::Value;
use crate::store::{Entry, Kind};

pub struct RayTrain;

const SNAPSHOT: &str = "checkpoint_manager_snapshot.json";

const ABOUT: About = About {
    unit: "directory",
    name: "`checkpoint_<time>`",
    signature: "`checkpoint_manager_snapshot.json` beside it",
    order: "the time in the name (local, zone unknown)",
    metrics: "the snapshot",
    pointers: "every checkpoint that the snapshot lists",
    unfinished: "newer than all that are listed",
    traps: "a run refuses to resume if a listed one is gone",
};

impl Layout for RayTrain {
    fn name(&self) -> &'static str {
        "ray_train"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, _: &mut Notes) -> Vec<Series> {
        if folder.entry(SNAPSHOT.as_bytes()).is_none() {
            return Vec::new();
        }
        let claims: Vec<Claim> = folder
            .dirs()
            .filter_map(|entry| {
                let saved_at = Some(saved_at(&entry.name)?);
                Some(Claim { saved_at, ..Claim::of_entry(&entry.name) })
            })
            .collect();
        if claims.is_empty() {
            return Vec::new();
        }
        vec![Series { claims, ..Series::default() }]
    }

    fn holds_anything(&self) -> bool {
        true
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        saved_at(&entry.name)?;
        if entry.kind != Kind::Dir {
            return Some("its name matches, but it is no directory".to_owned());
        }
        (!owns(folder, &entry.name)).then(|| format!("no {SNAPSHOT} beside it"))
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        let path = folder.join(SNAPSHOT.as_bytes());
        match read_json(&*folder.dir, SNAPSHOT.as_bytes()).and_then(|v| apply(&v, series)) {
            Ok(missing) => {
                for name in missing {
                    notes.fault(path.clone(), format!("lists `{name}`, which is not here"));
                }
            }
            Err(text) => notes.fault(path, text),
        }
    }
}

/// Whether a directory is a run's checkpoint, whatever a training put into it.
pub fn owns(folder: &Folder<'_>, name: &[u8]) -> bool {
    saved_at(name).is_some() && folder.entry(SNAPSHOT.as_bytes()).is_some()
}

/// The time in a name. It is local time of an unknown zone: good for the order, which is what it
/// is for, and within hours of the truth. Ages go by the files' own times.
fn saved_at(name: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(name).ok()?.strip_prefix("checkpoint_")?;
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d_%H-%M-%S%.f").ok()?;
    // Nothing but what Ray's format writes comes back the same.
    (time.format("%Y-%m-%d_%H-%M-%S%.6f").to_string() == text)
        .then(|| Time::from_chrono(&time.and_utc()))
        .flatten()
}

/// Notes what the snapshot says; returns what it lists and is not there.
fn apply(snapshot: &Value, series: &mut Series) -> Result<Vec<String>, String> {
    let damaged = |what: &str| format!("{SNAPSHOT} is damaged: {what}");
    let results = snapshot
        .get("checkpoint_results")
        .and_then(Value::as_list)
        .ok_or_else(|| damaged("no list of checkpoint_results"))?;
    let latest = snapshot.get("latest_checkpoint_result").filter(|v| !v.is_null());
    let name_of = |result: &Value| {
        let name = result.get("checkpoint_dir_name").and_then(Value::as_str);
        name.map(str::to_owned).ok_or_else(|| damaged("a result without checkpoint_dir_name"))
    };
    let mut listed = Vec::new();
    let mut missing = Vec::new();
    for result in results.iter().chain(latest) {
        let name = name_of(result)?;
        if listed.contains(&name) {
            continue;
        }
        match series.claims.iter_mut().find(|c| c.id == name) {
            Some(claim) => {
                pointer::attach(claim, SNAPSHOT);
                if let Some(metrics) = result.get("metrics") {
                    ray::offer(claim, metrics, SNAPSHOT);
                }
            }
            None => missing.push(name.clone()),
        }
        listed.push(name);
    }
    if let Some(latest) = latest {
        let name = name_of(latest)?;
        for claim in series.claims.iter_mut().filter(|c| c.id == name) {
            claim.marks.set(Marks::LATEST);
        }
    }
    let newest = series.claims.iter().filter(|c| listed.contains(&c.id)).map(|c| c.saved_at).max();
    for claim in &mut series.claims {
        if !listed.contains(&claim.id) && newest.is_some_and(|newest| claim.saved_at > newest) {
            claim.complete = false;
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table = [
            ("checkpoint_2026-01-31_10-00-00.000001", Some("2026-01-31T10:00:00.000001Z")),
            ("checkpoint_2026-01-31_10-00-00", None),
            ("checkpoint_2026-02-31_10-00-00.000001", None),
            ("checkpoint_2026-1-31_10-00-00.000001", None),
            ("checkpoint_000001", None),
            ("2026-01-31_10-00-00.000001", None),
        ];
        for (name, want) in table {
            assert_eq!(saved_at(name.as_bytes()), want.and_then(Time::parse), "{name}");
        }
    }
}
