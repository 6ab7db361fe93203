//! `nlp`: sessions as the Hugging Face Trainer leaves them.

use super::curve::Curve;
use super::disk::{DAY, Disk, HOUR, MINUTE};
use serde_json::{Value, json};
use std::io;

struct Run {
    name: &'static str,
    saves: u32,
    /// Steps between two saves.
    every: u32,
    /// Since the last save.
    ended: i64,
    evaluates: bool,
    /// `load_best_model_at_end`: each state names the best checkpoint so far.
    best: bool,
    /// Killed while it saved once more.
    killed: bool,
    curve: Curve,
}

const RUNS: [Run; 4] = [
    Run {
        name: "nlp/squad/bert-lr3e-5",
        saves: 24,
        every: 500,
        ended: 40 * DAY,
        evaluates: true,
        best: true,
        killed: false,
        curve: Curve { start: 4.9, floor: 1.02, turn: 0.6 },
    },
    Run {
        name: "nlp/squad/bert-lr5e-5",
        saves: 24,
        every: 500,
        ended: 37 * DAY,
        evaluates: true,
        best: false,
        killed: false,
        curve: Curve { start: 5.1, floor: 1.08, turn: 0.45 },
    },
    Run {
        name: "nlp/squad/roberta-lr3e-5",
        saves: 15,
        every: 500,
        ended: 2 * DAY,
        evaluates: true,
        best: false,
        killed: true,
        curve: Curve { start: 4.7, floor: 0.88, turn: 0.9 },
    },
    Run {
        name: "nlp/news/gpt2-small",
        saves: 20,
        every: 1000,
        ended: 12 * DAY,
        evaluates: false,
        best: false,
        killed: false,
        curve: Curve { start: 9.8, floor: 3.1, turn: 1.0 },
    },
];
/// Between two saves.
const PACE: i64 = 25 * MINUTE;

pub fn write(disk: &mut Disk) -> io::Result<()> {
    RUNS.iter().try_for_each(|run| session(disk, run))
}

fn session(disk: &mut Disk, run: &Run) -> io::Result<()> {
    let mut history = Vec::new();
    let mut best: Option<(f64, u32)> = None;
    for save in 1..=run.saves {
        let step = save * run.every;
        let loss = run.curve.at(f64::from(save) / f64::from(run.saves), disk.rng());
        let epoch = f64::from(step) / 4000.0;
        history.push(
            json!({ "epoch": epoch, "learning_rate": 3e-5, "loss": loss * 0.9, "step": step }),
        );
        if run.evaluates {
            history.push(
                json!({ "epoch": epoch, "eval_loss": loss, "eval_runtime": 41.7, "step": step }),
            );
            if best.is_none_or(|(value, _)| loss < value) {
                best = Some((loss, step));
            }
        }
        let state = state(run, step, &history, best.filter(|_| run.best));
        let at = disk.ago(run.ended + i64::from(run.saves - save) * PACE);
        checkpoint(disk, run, step, Some(&state), at)?;
    }
    if run.killed {
        let at = disk.ago(run.ended - PACE);
        checkpoint(disk, run, (run.saves + 1) * run.every, None, at)?;
    }
    disk.session();
    let log = disk.ago(run.ended - HOUR / 2);
    disk.file(&format!("{}/runs/events.out.tfevents.0", run.name), EVENTS, log)
}

/// An event file to which nothing was logged yet: one record, which names the format.
const EVENTS: &[u8] =
    b"\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7fK\x22\x09\x00\x00\x00\x00\x00\x00\x00\x00\
    \x1a\x0dbrain.Event:2\xee\xdf(\xa3";

/// Without a `state`, which is written last, the checkpoint is unfinished.
fn checkpoint(
    disk: &mut Disk,
    run: &Run,
    step: u32,
    state: Option<&Value>,
    at: crate::core::model::Time,
) -> io::Result<()> {
    let weights = disk.rng().fill(40 * 1024);
    let optimizer = disk.rng().fill(8 * 1024);
    let config = br#"{"model_type":"bert","hidden_size":768}"#;
    let state = state.map(|s| format!("{s:#}\n"));
    let mut files: Vec<(&str, &[u8])> = vec![
        ("config.json", config),
        ("model.safetensors", &weights),
        ("training_args.bin", b"training arguments"),
        ("optimizer.pt", &optimizer),
    ];
    if let Some(state) = &state {
        files.push(("scheduler.pt", b"scheduler"));
        files.push(("rng_state.pth", b"rng"));
        files.push(("trainer_state.json", state.as_bytes()));
    }
    disk.checkpoint(&format!("{}/checkpoint-{step}", run.name), &files, at)
}

fn state(run: &Run, step: u32, history: &[Value], best: Option<(f64, u32)>) -> Value {
    json!({
        "best_global_step": best.map(|b| b.1),
        "best_metric": best.map(|b| b.0),
        // Where it was trained, which is rarely where it is kept.
        "best_model_checkpoint": best.map(|b| format!("/home/{}/checkpoint-{}", run.name, b.1)),
        "epoch": f64::from(step) / 4000.0,
        "eval_steps": run.every,
        "global_step": step,
        "is_hyper_param_search": false,
        "is_local_process_zero": true,
        "is_world_process_zero": true,
        "log_history": history,
        "logging_steps": run.every,
        "max_steps": run.saves * run.every,
        "num_train_epochs": 3,
        "save_steps": run.every,
        "train_batch_size": 16,
    })
}
