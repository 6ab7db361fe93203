//! Ultralytics (YOLO): files `weights/epoch<K>.pt`, and `last.pt` and `best.pt` beside them.
//!
//! Without `save_period` there are only the last two, and both protect themselves by their names.
//! The run is the folder above: `args.yaml`, which is written before the first epoch, marks it.

use super::events::{self, Place, Scalars};
use super::folder::{Folder, cannot_read};
use super::join::{Join, LogError, Logged};
use super::shaped::{self, Shaped};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::{Marks, Step};
use crate::format::csv::{Reader, number};
use crate::format::shape;
use crate::store::{Blob, Entry, Kind};

pub struct Ultralytics;

const WEIGHTS: &[u8] = b"weights";
const ARGS: &[u8] = b"args.yaml";
/// What marks a run of `YOLOv5`, whose files are called and logged alike.
const YOLOV5: [&[u8]; 2] = [b"hyp.yaml", b"opt.yaml"];
const RESULTS: &[u8] = b"results.csv";

/// By what the first row of `results.csv` counts from.
const JOINS: [Join; 2] = [
    Join {
        column: "epoch",
        offset: 0,
        why: "YOLOv5 and early 8.0 releases logged the epoch from zero",
    },
    Join {
        column: "epoch",
        offset: -1,
        why: "the log counts epochs from one, file names from zero",
    },
];

/// Of `TensorBoard`'s event files, where there is no `results.csv`.
const EVENTS: Join = Join {
    column: "step",
    offset: -1,
    why: "the callback logs the epoch's number plus one, file names count from zero",
};

const ABOUT: About = About {
    unit: "file",
    name: "`epoch<K>.pt`, `last.pt`, `best.pt` in `weights/`",
    signature: "`../args.yaml`; or `../hyp.yaml` and `../opt.yaml` of `YOLOv5`",
    order: "name",
    metrics: "`../results.csv`, whose epoch is K + 1 (K in early 8.0 and in `YOLOv5`), without it event files",
    pointers: "`last`, `best` are marked",
    unfinished: "it breaks off",
    traps: "the session is the folder above `weights`",
};

impl Layout for Ultralytics {
    fn name(&self) -> &'static str {
        "ultralytics"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        if folder.name() != WEIGHTS || !folder.parent().is_some_and(is_run) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for entry in folder.entries().iter().filter(|e| e.kind == Kind::File) {
            let Some(claim) = claim(&entry.name) else { continue };
            if let Some(shape) = shaped::look(folder, &entry.name, shape::torch, notes) {
                found.push(Shaped { claim, shape });
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        vec![Series { own_components: 1, claims: shaped::settle(found), ..Series::default() }]
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        claim(&entry.name)?;
        Some(match entry.kind {
            Kind::Symlink => "a link is never a checkpoint of its own".to_owned(),
            Kind::File if folder.name() != WEIGHTS => "not in a folder `weights`".to_owned(),
            Kind::File => "neither args.yaml nor hyp.yaml and opt.yaml above it".to_owned(),
            _ => return None,
        })
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        let Some(run) = folder.parent() else { return };
        if run.entry(RESULTS).is_none() {
            let epochs = events::whole(series.claims.iter().map(|c| c.epoch));
            let mut scalars = Scalars::default();
            scalars.read(&Place::of(run, ""), &EVENTS, &epochs, naming, notes);
            series.claims.iter_mut().for_each(|c| scalars.offer(c, c.epoch));
            return;
        }
        let read = run
            .dir
            .file(RESULTS)
            .map_err(|e| cannot_read("results.csv", &e))
            .and_then(|file| read(&*file).map_err(|e| format!("results.csv: {e}")));
        match read {
            Ok(logged) => {
                for claim in &mut series.claims {
                    logged.offer(claim, claim.epoch);
                }
            }
            Err(text) => notes.fault(run.join(RESULTS), text),
        }
    }
}

fn is_run(run: &Folder<'_>) -> bool {
    run.has_file(ARGS) || YOLOV5.iter().all(|file| run.has_file(file))
}

fn claim(name: &[u8]) -> Option<Claim> {
    let mut claim = Claim::of_entry(name);
    match std::str::from_utf8(name).ok()?.strip_suffix(".pt")? {
        "last" => claim.marks.set(Marks::LATEST),
        "best" => claim.marks.set(Marks::BEST),
        stem => {
            let digits = stem.strip_prefix("epoch")?;
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            claim.epoch = Some(Step::Whole(digits.parse().ok()?));
        }
    }
    Some(claim)
}

fn naming(tag: &str) -> Option<String> {
    (!tag.starts_with("lr/")).then(|| tag.to_owned())
}

fn read(file: &dyn Blob) -> Result<Logged, LogError> {
    let mut reader = Reader::new(file)?;
    let column = reader.column(JOINS[0].column);
    let row = reader.next_row()?;
    let first = column.zip(row).and_then(|(c, row)| row.field(c)).map(number);
    let join = if first == Some(0.0) { &JOINS[0] } else { &JOINS[1] };
    Logged::csv(file, join, "results.csv", |name| name != "time" && !name.starts_with("lr/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table = [
            ("epoch0.pt", Some((Some(0), ""))),
            ("epoch120.pt", Some((Some(120), ""))),
            ("last.pt", Some((None, "latest"))),
            ("best.pt", Some((None, "best"))),
            ("epoch.pt", None),
            ("epoch-1.pt", None),
            ("epoch1.onnx", None),
            ("best.onnx", None),
            ("yolo11n.pt", None),
        ];
        for (name, want) in table {
            let found = claim(name.as_bytes());
            let shown = found.map(|c| {
                let epoch = c.epoch.map(|e| e.to_string());
                (epoch, c.marks.names().collect::<String>())
            });
            let want = want.map(|(e, m)| (e.map(|e: u64| e.to_string()), m.to_owned()));
            assert_eq!(shown, want, "{name}");
        }
    }
}
