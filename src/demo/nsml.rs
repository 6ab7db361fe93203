//! `nsmlteam`: sessions as the NSML platform stored them, the manual's example among them.

use super::curve::Curve;
use super::disk::{DAY, Disk, MINUTE};
use crate::core::model::Time;
use serde_json::json;
use std::io;

struct Run {
    number: u32,
    memo: &'static str,
    epochs: u32,
    /// Between two saves.
    pace: i64,
    /// Since the last save.
    ended: i64,
    running: bool,
    /// A checkpoint that was submitted, with its score.
    submitted: Option<(&'static str, f64)>,
    curve: Curve,
}

const RUNS: [Run; 4] = [
    Run {
        number: 1,
        memo: "baseline",
        epochs: 30,
        pace: 11 * MINUTE,
        ended: 74 * DAY,
        running: false,
        submitted: None,
        curve: Curve { start: 2.31, floor: 0.19, turn: 1.0 },
    },
    Run {
        number: 2,
        memo: "dropout 0.1: overfits",
        epochs: 36,
        pace: 12 * MINUTE,
        ended: 61 * DAY,
        running: false,
        submitted: None,
        curve: Curve { start: 2.29, floor: 0.11, turn: 0.55 },
    },
    Run {
        number: 3,
        memo: "dropout 0.3, submitted",
        epochs: 40,
        pace: 12 * MINUTE,
        ended: 23 * DAY,
        running: false,
        submitted: Some(("21", 97.2)),
        curve: Curve { start: 2.30, floor: 0.08, turn: 0.8 },
    },
    Run {
        number: 5,
        memo: "larger batches",
        epochs: 18,
        pace: 13 * MINUTE,
        ended: 9 * MINUTE,
        running: true,
        submitted: None,
        curve: Curve { start: 2.33, floor: 0.07, turn: 1.0 },
    },
];

/// The manual's session: id, epoch, seconds since the save before, loss.
const MANUAL: [(&str, u32, f64, f64); 9] = [
    ("0", 0, 3.785, 7.015_200_052_175_436),
    ("1", 1, 25.032, 6.762_363_957_929_182),
    ("2", 2, 24.942, 6.377_185_855_899_845),
    ("3", 3, 25.053, 5.742_813_685_992_816),
    ("4", 4, 24.971, 4.847_646_936_640_009),
    ("11", 1, 25.032, 6.762_363_957_929_182),
    ("21", 2, 24.942, 6.377_185_855_899_845),
    ("31", 3, 25.053, 5.742_813_685_992_816),
    ("41", 4, 24.971, 4.847_646_936_640_009),
];
/// How long before the manual's listing its first checkpoint was saved, in seconds.
const MANUAL_AGE: f64 = 1930.0;

pub fn write(disk: &mut Disk) -> io::Result<()> {
    for run in &RUNS {
        session(disk, run)?;
    }
    manual(disk)
}

fn session(disk: &mut Disk, run: &Run) -> io::Result<()> {
    let path = format!("nsmlteam/mnist/{}", run.number);
    let total = if run.running { run.epochs * 2 } else { run.epochs };
    for epoch in 0..run.epochs {
        let at = disk.ago(run.ended + i64::from(run.epochs - 1 - epoch) * run.pace);
        let progress = f64::from(epoch + 1) / f64::from(total);
        let loss = run.curve.at(progress, disk.rng());
        #[expect(clippy::cast_precision_loss, reason = "minutes, as seconds")]
        let elapsed = run.pace as f64 + (disk.rng().jitter() * 5000.0).round() / 1000.0;
        checkpoint(disk, &path, &epoch.to_string(), (epoch, elapsed, loss), at)?;
    }
    let created = disk.ago(run.ended + i64::from(run.epochs) * run.pace);
    let last = disk.ago(run.ended);
    let mut about = json!({
        "status": if run.running { "running" } else { "exited" },
        "created": created.to_string(),
        "memo": run.memo,
        "args": "--epochs 40 --dataset mnist",
    });
    if let Some((id, score)) = run.submitted {
        let at = disk.ago(run.ended - DAY).to_string();
        about["submissions"] = json!([{ "checkpoint": id, "score": score, "at": at }]);
    }
    disk.session();
    disk.file(&format!("{path}/session.json"), pretty(&about).as_bytes(), last)
}

fn manual(disk: &mut Disk) -> io::Result<()> {
    let path = "nsmlteam/mnist/4";
    let start = disk.ago(0);
    let mut since = -MANUAL_AGE - MANUAL[0].2;
    let mut at = start;
    for (id, epoch, elapsed, loss) in MANUAL {
        since += elapsed;
        #[expect(clippy::cast_possible_truncation, reason = "half an hour in milliseconds")]
        let millis = (since * 1000.0).round() as i64;
        at = Time::from_nanos(start.nanos() + millis * 1_000_000);
        checkpoint(disk, path, id, (epoch, elapsed, loss), at)?;
    }
    let about = json!({ "status": "exited", "memo": "the example of the NSML manual" });
    disk.session();
    disk.file(&format!("{path}/session.json"), pretty(&about).as_bytes(), at)
}

fn checkpoint(
    disk: &mut Disk,
    session: &str,
    id: &str,
    (epoch, elapsed, loss): (u32, f64, f64),
    at: Time,
) -> io::Result<()> {
    let about = json!({
        "checkpoint": id,
        "saved_at": at.to_string(),
        "elapsed": elapsed,
        "summary": { "epoch": epoch, "loss": loss },
    });
    let weights = disk.rng().fill(36 * 1024);
    let about = pretty(&about);
    let files: [(&str, &[u8]); 2] =
        [("model/model.pt", &weights), ("metadata.json", about.as_bytes())];
    disk.checkpoint(&format!("{session}/nsml_model/{id}"), &files, at)
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
