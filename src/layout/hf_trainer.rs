//! Hugging Face Trainer: directories `checkpoint-<global step>`.
//!
//! The Trainer writes `trainer_state.json` last, so its absence means an unfinished save. Each
//! state holds the history of the whole run: the newest one knows every step's metrics, also
//! those of checkpoints that were saved before they were evaluated. What was evaluated after the
//! last save only `TensorBoard`'s event files in `runs/` know. The newest state also names the best
//! one, by a path that was often written on another machine.

use super::events::{self, Place, Scalars};
use super::folder::{Folder, Peek, cannot_read, join, read_json};
use super::join::Join;
use super::metric::Source;
use super::{About, Claim, Layout, Notes, Series, pointer};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::format::json::Value;
use crate::store::{Dir, Entry, Kind};
use std::collections::BTreeMap;

pub struct HfTrainer;

const STATE: &[u8] = b"trainer_state.json";
/// Each start of a run logs into a folder of its own in it.
const RUNS: &[u8] = b"runs";
const JOIN: Join =
    Join { column: "step", offset: 0, why: "the Trainer logs and saves by the same global step" };
const PREFIX: &str = "checkpoint-";
/// Some versions saved under this name and renamed it at the end.
const UNFINISHED_PREFIX: &str = "tmp-checkpoint-";

const ABOUT: About = About {
    unit: "directory",
    name: "`checkpoint-<step>`",
    signature: "`trainer_state.json` or `training_args.bin` inside; weights alone only beside proven ones",
    order: "name; `epoch` of the state",
    metrics: "own and newest `trainer_state.json`: `eval_*` and `loss` logged at that step; event files for what was evaluated later",
    pointers: "`best_model_checkpoint` of the newest state",
    unfinished: "no `trainer_state.json`; `checkpoint-is-incomplete.txt`; `tmp-checkpoint-*`",
    traps: "`global_step` another step, or a step padded with zeros: ambiguous. `checkpoint-1e3` with a Trainer's files is neither claimed nor entered",
};

impl Layout for HfTrainer {
    fn name(&self) -> &'static str {
        "hf_trainer"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut claims = Vec::new();
        let mut weak = Vec::new();
        for entry in folder.dirs() {
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            if !name.starts_with(PREFIX) && !name.starts_with(UNFINISHED_PREFIX) {
                continue;
            }
            let peek = match folder.peek(&entry.name) {
                Ok(peek) => peek,
                Err(e) => {
                    notes.fault(folder.join(&entry.name), cannot_read(name, &e));
                    continue;
                }
            };
            let evidence = evidence(&peek);
            let Some(step) = step_of(name) else {
                // The Trainer never writes such a name. Whatever it is, it is left alone whole.
                if evidence != Evidence::None {
                    notes.closed.push((&entry.name).into());
                }
                continue;
            };
            let mut claim = Claim {
                step: Some(Step::Whole(step)),
                complete: !name.starts_with(UNFINISHED_PREFIX),
                ..Claim::of_entry(&entry.name)
            };
            if !name.ends_with(&format!("-{step}")) {
                // Padded with zeros by another hand: shown, and kept.
                claim.marks.set(Marks::AMBIGUOUS);
            }
            match evidence {
                Evidence::Trainer => claims.push(claim),
                Evidence::Weights => weak.push(claim),
                Evidence::None => {}
            }
        }
        if claims.is_empty() {
            return Vec::new();
        }
        // Weights alone could be anyone's; beside real ones they are a save that was cut short.
        claims.append(&mut weak);
        vec![Series { claims, ..Series::default() }]
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        let name = std::str::from_utf8(&entry.name).ok()?;
        if entry.kind != Kind::Dir || !name.starts_with(PREFIX) {
            return None;
        }
        Some(match step_of(name) {
            Some(_) => "neither trainer_state.json nor training_args.bin in it".to_owned(),
            None => "what follows `checkpoint-` is no step".to_owned(),
        })
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        let mut newest: Option<State> = None;
        for claim in &mut series.claims {
            match read_state(folder, claim) {
                Ok(Read::State(state)) => {
                    state.offer(claim, &state.own);
                    if newest.as_ref().is_none_or(|n| state.step > n.step) {
                        newest = Some(state);
                    }
                }
                // Its history is not to be trusted either.
                Ok(Read::OfAnotherStep) => claim.marks.set(Marks::AMBIGUOUS),
                Ok(Read::Unfinished) => claim.complete = false,
                Err(text) => {
                    claim.complete = false;
                    notes.fault(folder.join(claim.name()), text);
                }
            }
        }
        let Some(newest) = newest else { return };
        // What is damaged in it was said when it was read.
        let history = history(&newest.content, |_| true).unwrap_or_default();
        for claim in &mut series.claims {
            let logged = claim.step.and_then(|step| history.get(&step));
            newest.offer(claim, logged.map_or(&[], Vec::as_slice));
            if claim.step == Some(Step::Whole(newest.step)) && !is_evaluated(claim) {
                event_metrics(folder, claim, notes);
            }
        }
        let Some(best) = &newest.best else { return };
        let path = folder.join(newest.source.as_bytes());
        match series.claims.iter_mut().find(|c| pointer::means(best.as_bytes(), c)) {
            Some(claim) => pointer::attach(claim, "best_model_checkpoint"),
            None => notes.fault(path, format!("best_model_checkpoint `{best}` is not here")),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// A file that only the Trainer writes.
    Trainer,
    /// Weights, which anyone may have written.
    Weights,
    None,
}

fn evidence(peek: &Peek) -> Evidence {
    if peek.entry(STATE).is_some() || peek.has_file(b"training_args.bin") {
        return Evidence::Trainer;
    }
    let is_weights = |name: &[u8]| {
        let stem = [&b"model"[..], b"pytorch_model", b"adapter_model"].iter().any(|s| {
            name.strip_prefix(*s)
                .is_some_and(|rest| rest.starts_with(b".") || rest.starts_with(b"-"))
        });
        stem && (name.ends_with(b".safetensors") || name.ends_with(b".bin"))
    };
    if peek.entries().iter().any(|e| is_weights(&e.name)) {
        Evidence::Weights
    } else {
        Evidence::None
    }
}

/// The step of a name: ASCII digits only, and no overflow.
fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(UNFINISHED_PREFIX).or_else(|| name.strip_prefix(PREFIX))?;
    let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

/// What one `trainer_state.json` says.
struct State {
    /// Its path relative to the session.
    source: String,
    step: u64,
    /// What was logged at its own step.
    own: Vec<(String, f64)>,
    content: Value,
    best: Option<String>,
}

impl State {
    fn offer(&self, claim: &mut Claim, logged: &[(String, f64)]) {
        for (key, value) in logged {
            claim.metrics.offer(key, *value, Source::File(self.source.clone()));
        }
    }
}

enum Read {
    State(State),
    /// The name says one step and the content another.
    OfAnotherStep,
    Unfinished,
}

fn read_state(folder: &Folder<'_>, claim: &mut Claim) -> Result<Read, String> {
    let peek = folder.peek(claim.name()).map_err(|e| cannot_read(&encode(claim.name()), &e))?;
    if !claim.complete || peek.entry(STATE).is_none() {
        return Ok(Read::Unfinished);
    }
    let value = read_json(&*peek.dir, STATE)?;
    if value.as_object().is_none() {
        return Err("trainer_state.json is damaged: not an object".to_owned());
    }
    let step = value
        .get("global_step")
        .and_then(Value::as_u64)
        .ok_or("trainer_state.json is damaged: global_step is missing")?;
    let best = match value.get("best_model_checkpoint") {
        None | Some(Value::Null) => None,
        Some(Value::Text(best)) => Some(best.clone()),
        Some(_) => return Err("best_model_checkpoint in trainer_state.json is no path".to_owned()),
    };
    let own = history(&value, |s| s == step)?.remove(&Step::Whole(step)).unwrap_or_default();
    if peek.entry(b"checkpoint-is-incomplete.txt").is_some() {
        claim.complete = false;
    }
    if claim.step != Some(Step::Whole(step)) {
        return Ok(Read::OfAnotherStep);
    }
    claim.epoch = value.get("epoch").and_then(Value::as_f64).and_then(Step::from_f64);
    let source = format!("{}/trainer_state.json", claim.id);
    Ok(Read::State(State { source, step, own, content: value, best }))
}

/// The last value of each metric at each wanted step, in the order they were logged.
type History = BTreeMap<Step, Vec<(String, f64)>>;

fn history(state: &Value, wanted: impl Fn(u64) -> bool) -> Result<History, String> {
    let mut history = History::new();
    let entries = match state.get("log_history") {
        None | Some(Value::Null) => return Ok(history),
        Some(entries) => entries,
    };
    let damaged = || "trainer_state.json is damaged: log_history is no list of objects".to_owned();
    for entry in entries.as_list().ok_or_else(damaged)? {
        let members = entry.as_object().ok_or_else(damaged)?;
        let step = entry.get("step").and_then(Value::as_u64).filter(|s| wanted(*s));
        let Some(step) = step else { continue };
        for (key, value) in members {
            if key != "loss" && !key.starts_with("eval_") {
                continue;
            }
            let number = match value {
                Value::Bool(_) | Value::List(_) | Value::Object(_) => continue,
                other => other.as_f64().unwrap_or(f64::NAN),
            };
            let logged = history.entry(Step::Whole(step)).or_default();
            match logged.iter_mut().find(|(k, _)| k == key) {
                // A resumed run logs a step again; the later entry is what the weights went on from.
                Some(known) => known.1 = number,
                None => logged.push((key.clone(), number)),
            }
        }
    }
    Ok(history)
}

fn is_evaluated(claim: &Claim) -> bool {
    claim.metrics.readings().iter().any(|r| r.name.starts_with("eval_"))
}

/// From the event files of all starts of the run.
fn event_metrics(folder: &Folder<'_>, claim: &mut Claim, notes: &mut Notes) {
    if folder.entry(RUNS).is_none_or(|e| e.kind != Kind::Dir) {
        return;
    }
    let runs = match folder.peek(RUNS) {
        Ok(runs) => runs,
        Err(e) => return notes.fault(folder.join(RUNS), cannot_read("runs", &e)),
    };
    let steps = events::whole([claim.step].into_iter());
    let mut scalars = Scalars::default();
    let mut read = |dir: &dyn Dir, entries: &[Entry], path: Vec<u8>, shown: String| {
        let place = Place { dir, entries, path, shown };
        scalars.read(&place, &JOIN, &steps, naming, notes);
    };
    let path = folder.join(RUNS);
    read(&*runs.dir, runs.entries(), path.clone(), "runs/".to_owned());
    for start in runs.entries().iter().filter(|e| e.kind == Kind::Dir) {
        // What cannot be opened is said when the directory is visited.
        let opened = runs.dir.open(&start.name).and_then(|dir| Ok((dir.list()?, dir)));
        if let Ok((entries, dir)) = opened {
            let shown = format!("runs/{}/", encode(&start.name));
            read(&*dir, &entries, join(&path, &start.name), shown);
        }
    }
    scalars.offer(claim, claim.step);
}

/// The Trainer's own names: its callback writes `eval_loss` as `eval/loss`.
fn naming(tag: &str) -> Option<String> {
    match tag.split_once('/')? {
        ("eval", name) => Some(format!("eval_{name}")),
        ("train", "loss") => Some("loss".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_steps() {
        let table = [
            ("checkpoint-5", Some(5)),
            ("checkpoint-0", Some(0)),
            ("checkpoint-18446744073709551615", Some(u64::MAX)),
            ("tmp-checkpoint-7", Some(7)),
            ("checkpoint-18446744073709551616", None),
            ("checkpoint--5", None),
            ("checkpoint-+5", None),
            ("checkpoint-1e3", None),
            ("checkpoint-007", Some(7)),
            ("checkpoint-٣", None),
            ("checkpoint-", None),
            ("checkpoint-5 ", None),
            ("Checkpoint-5", None),
            ("checkpoint_5", None),
        ];
        for (name, step) in table {
            assert_eq!(step_of(name), step, "{name}");
        }
    }
}
