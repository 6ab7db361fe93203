//! `vision`: sessions as PyTorch Lightning leaves them.

use super::curve::Curve;
use super::disk::{DAY, Disk, HOUR, MINUTE};
use super::zip;
use std::fmt::Write as _;
use std::io;

struct Run {
    name: &'static str,
    epochs: u32,
    /// Steps of one epoch.
    steps: u32,
    /// Since the last save.
    ended: i64,
    /// The template has `{val_loss:.2f}`.
    in_name: bool,
    /// A `CSVLogger` was used.
    logged: bool,
    /// `save_last="link"`.
    last: bool,
    /// The epoch a person pinned, and why.
    pinned: Option<(u32, &'static str)>,
    curve: Curve,
}

const RUNS: [Run; 4] = [
    Run {
        name: "vision/resnet50/lightning_logs/version_0",
        epochs: 30,
        steps: 390,
        ended: 55 * DAY,
        in_name: true,
        logged: true,
        last: false,
        pinned: Some((9, "figure 3 of the paper")),
        curve: Curve { start: 4.6, floor: 0.71, turn: 0.7 },
    },
    Run {
        name: "vision/resnet50/lightning_logs/version_1",
        epochs: 30,
        steps: 390,
        ended: 50 * DAY,
        in_name: true,
        logged: true,
        last: true,
        pinned: None,
        curve: Curve { start: 4.6, floor: 0.64, turn: 0.85 },
    },
    Run {
        name: "vision/unet/lightning_logs/version_0",
        epochs: 24,
        steps: 120,
        ended: 16 * DAY,
        in_name: false,
        logged: true,
        last: false,
        pinned: None,
        curve: Curve { start: 0.93, floor: 0.12, turn: 1.0 },
    },
    Run {
        name: "vision/unet/lightning_logs/version_1",
        epochs: 20,
        steps: 120,
        ended: 5 * HOUR,
        in_name: false,
        logged: false,
        last: true,
        pinned: None,
        curve: Curve { start: 0.93, floor: 0.10, turn: 1.0 },
    },
];
/// Between two saves.
const PACE: i64 = 19 * MINUTE;

pub fn write(disk: &mut Disk) -> io::Result<()> {
    RUNS.iter().try_for_each(|run| session(disk, run))
}

fn session(disk: &mut Disk, run: &Run) -> io::Result<()> {
    let mut csv = String::from("epoch,step,train_loss,val_loss\n");
    let mut newest = String::new();
    for epoch in 0..run.epochs {
        let step = (epoch + 1) * run.steps;
        let loss = run.curve.at(f64::from(epoch + 1) / f64::from(run.epochs), disk.rng());
        // The log counts steps from 0, the checkpoint's name counts those done.
        let _ = writeln!(csv, "{epoch},{},{:.6},", step - 50, loss * 0.93);
        let _ = writeln!(csv, "{epoch},{},,{loss}", step - 1);
        newest = if run.in_name {
            format!("epoch={epoch}-step={step}-val_loss={loss:.2}.ckpt")
        } else {
            format!("epoch={epoch}-step={step}.ckpt")
        };
        let at = disk.ago(run.ended + i64::from(run.epochs - 1 - epoch) * PACE);
        let content = archive(epoch, step, &disk.rng().fill(44 * 1024));
        let folder = format!("{}/checkpoints", run.name);
        disk.checkpoint_file(&format!("{folder}/{newest}"), &content, at)?;
        if let Some((_, why)) = run.pinned.filter(|p| p.0 == epoch) {
            disk.pin(&folder, &newest, why, at)?;
        }
    }
    let end = disk.ago(run.ended);
    if run.last {
        disk.symlink(&format!("{}/checkpoints/last.ckpt", run.name), &newest, end)?;
    }
    if run.logged {
        disk.file(&format!("{}/metrics.csv", run.name), csv.as_bytes(), end)?;
    }
    disk.session();
    disk.file(&format!("{}/hparams.yaml", run.name), b"lr: 0.1\n", end)
}

/// What `torch.save` makes of a Lightning checkpoint, with one tensor's bytes.
fn archive(epoch: u32, step: u32, weights: &[u8]) -> Vec<u8> {
    zip::stored(&[
        ("archive/data.pkl", &pickle(epoch, step)),
        ("archive/byteorder", b"little"),
        ("archive/data/0", weights),
        ("archive/version", b"3\n"),
    ])
}

/// A dictionary in pickle protocol 2.
fn pickle(epoch: u32, step: u32) -> Vec<u8> {
    let mut out = b"\x80\x02}(".to_vec();
    text(&mut out, "epoch");
    number(&mut out, epoch);
    text(&mut out, "global_step");
    number(&mut out, step);
    text(&mut out, "pytorch-lightning_version");
    text(&mut out, "2.6.6");
    text(&mut out, "state_dict");
    out.extend_from_slice(b"}u.");
    out
}

fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'X');
    let len = u32::try_from(value.len()).expect("a short text");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(value.as_bytes());
}

fn number(out: &mut Vec<u8>, value: u32) {
    out.push(b'J');
    out.extend_from_slice(&value.to_le_bytes());
}
