//! Hugging Face Trainer: directories `checkpoint-<global step>`.
//!
//! The Trainer writes `trainer_state.json` last, so its absence means an unfinished save. Each
//! state holds the history of the whole run: the newest one knows every step's metrics, also
//! those of checkpoints that were saved before they were evaluated. What was evaluated after the
//! last save only `TensorBoard`'s event files in `runs/` know. The newest state also names the best
//! one, by a path that was often written on another machine.

use super::events::{self, Place, Scalars};
use super::folder::{Folder, Peek, cannot_read, join};
use super::join::Join;
use super::{About, Claim, Layout, Notes, Series, pointer};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::store::{Dir, Entry, Kind, read_metadata};
use std::fmt::Display;
use std::io;

mod state;
mod weights;

use state::Logged;

pub struct HfTrainer;

const STATE_SHOWN: &str = "trainer_state.json";
/// Stands in what is being saved.
const MARKER: &[u8] = b"checkpoint-is-incomplete.txt";
const TOO_LARGE: &str =
    "take old entries out of its log_history, or name the checkpoint in `exclude` of retain.toml";
const STATE: &[u8] = STATE_SHOWN.as_bytes();
/// Each start of a run logs into a folder of its own in it.
const RUNS: &[u8] = b"runs";
const JOIN: Join =
    Join { column: "step", offset: 0, why: "the Trainer logs and saves by the same global step" };
const BEST: &str = "best_model_checkpoint";
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
    traps: "`global_step` another step, or a step padded with zeros: ambiguous. So is what lacks weights: a shard that an index names missing or empty, or none at all beside others that have some; and weights without a state, older than a finished one: thinned out by hand. `checkpoint-1e3` with a Trainer's files is neither claimed nor entered",
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
        let mut thinned = Vec::new();
        for (i, claim) in series.claims.iter_mut().enumerate() {
            match read_state(folder, claim) {
                Ok(Read::State(state)) => {
                    if newest.as_ref().is_none_or(|n| state.step > n.step) {
                        newest = Some(state);
                    }
                }
                // Its history is not to be trusted either.
                Ok(Read::OfAnotherStep) => claim.marks.set(Marks::AMBIGUOUS),
                Ok(Read::Unfinished) => claim.complete = false,
                Ok(Read::OnlyWeights) => {
                    claim.complete = false;
                    thinned.push(i);
                }
                Err(text) => {
                    claim.complete = false;
                    notes.fault(folder.join(claim.name()), text);
                }
            }
        }
        look_for_weights(folder, &mut series.claims);
        // A save that was cut short is the newest; an older one was finished, and thinned out since.
        let finished = series.claims.iter().filter(|c| c.complete).map(|c| c.step).max();
        for i in thinned {
            let claim = &mut series.claims[i];
            if finished > Some(claim.step) {
                claim.marks.set(Marks::AMBIGUOUS);
            }
        }
        let Some(newest) = newest else { return };
        // What is damaged in it was said when it was read.
        let whole = state::read_whole(&newest.bytes);
        let history = whole.ok().and_then(|state| state.history.ok()).unwrap_or_default();
        for claim in &mut series.claims {
            if let Some(Step::Whole(step)) = claim.step {
                offer(claim, &newest.source, history.at(step));
            }
            if claim.step == Some(Step::Whole(newest.step)) && !is_evaluated(claim) {
                event_metrics(folder, claim, notes);
            }
        }
        let Some(best) = &newest.best else { return };
        let (path, claims) = (folder.join(newest.source.as_bytes()), series.claims.iter_mut());
        let lead = pointer::follow(folder, claims, BEST, path, best.as_bytes());
        series.leads.extend(lead);
    }
}

/// Marks what has a state and lacks weights: not to be counted, and, as nobody knows why, not to be
/// given up.
fn look_for_weights(folder: &Folder<'_>, claims: &mut [Claim]) {
    // What cannot be looked into was said when its state was read.
    let has_any = |c: &Claim| match folder.peek(c.name()) {
        Ok(peek) => weights::any(&peek),
        Err(_) => true,
    };
    let some_have = claims.iter().any(has_any);
    for claim in claims.iter_mut().filter(|c| c.complete) {
        let missing = match folder.peek(claim.name()) {
            Ok(peek) if some_have && !weights::any(&peek) => Some("it has no weights".to_owned()),
            Ok(peek) => weights::missing(&peek),
            Err(_) => None,
        };
        if let Some(missing) = missing {
            claim.complete = false;
            claim.marks.set(Marks::AMBIGUOUS);
            claim.metrics.conflicts.push(missing);
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

fn evidence(peek: &Peek<'_>) -> Evidence {
    if peek.entry(STATE).is_some() || peek.has_file(b"training_args.bin") {
        return Evidence::Trainer;
    }
    if peek.entries().iter().any(|e| weights::is_known(&e.name)) {
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
    bytes: Vec<u8>,
    best: Option<String>,
}

fn offer(claim: &mut Claim, source: &str, logged: &[Logged<'_>]) {
    for logged in logged {
        claim.metrics.offer_from_file(logged.key(), logged.value(), source);
    }
}

enum Read {
    State(State),
    /// The name says one step and the content another.
    OfAnotherStep,
    Unfinished,
    /// Unfinished, or finished once.
    OnlyWeights,
}

/// Reads a checkpoint's own state, and offers it what was logged at its step.
fn read_state(folder: &Folder<'_>, claim: &mut Claim) -> Result<Read, String> {
    let peek = folder.peek(claim.name()).map_err(|e| cannot_read(&encode(claim.name()), &e))?;
    let is_marked = peek.entry(MARKER).is_some();
    if !claim.complete || peek.entry(STATE).is_none() {
        let maybe_thinned = claim.complete && !is_marked && weights::any(&peek);
        return Ok(if maybe_thinned { Read::OnlyWeights } else { Read::Unfinished });
    }
    let dir = peek.dir().map_err(|e| cannot_read(STATE_SHOWN, &e))?;
    let bytes = read_metadata(&*dir, STATE).map_err(|e| match e.kind() {
        io::ErrorKind::FileTooLarge => {
            format!("{}; {TOO_LARGE}", cannot_read(STATE_SHOWN, &e))
        }
        _ => cannot_read(STATE_SHOWN, &e),
    })?;
    // It is written last. Evaluations and merged weights are added to old ones, at any time.
    claim.saved_at = dir.stat_entry(STATE).ok().and_then(|s| s.modified);
    let damaged = |what: &dyn Display| format!("trainer_state.json is damaged: {what}");
    let state = state::read_own(&bytes).map_err(|e| damaged(&e))?;
    let step = state.step.map_err(|what| damaged(&what))?;
    let best = state.best?;
    let own = state.history.map_err(|what| damaged(&what))?;
    if is_marked {
        claim.complete = false;
    }
    if claim.step != Some(Step::Whole(step)) {
        return Ok(Read::OfAnotherStep);
    }
    claim.epoch = state.epoch.and_then(Step::from_f64);
    let source = [&*claim.id, "/", STATE_SHOWN].concat();
    offer(claim, &source, own.at(step));
    Ok(Read::State(State { source, step, bytes, best }))
}

fn is_evaluated(claim: &Claim) -> bool {
    claim.metrics.readings().iter().any(|r| r.name.starts_with("eval_"))
}

/// From the event files of all starts of the run.
fn event_metrics(folder: &Folder<'_>, claim: &mut Claim, notes: &mut Notes) {
    if folder.entry(RUNS).is_none_or(|e| e.kind != Kind::Dir) {
        return;
    }
    let opened = folder.peek(RUNS).and_then(|runs| Ok((runs.dir()?, runs)));
    let (dir, runs) = match opened {
        Ok(opened) => opened,
        Err(e) => return notes.fault(folder.join(RUNS), cannot_read("runs", &e)),
    };
    let steps = events::whole([claim.step].into_iter());
    let mut scalars = Scalars::default();
    let mut read = |dir: &dyn Dir, entries: &[Entry], path: Vec<u8>, shown: String| {
        let place = Place { dir, entries, path, shown };
        scalars.read(&place, &JOIN, &steps, naming, notes);
    };
    let path = folder.join(RUNS);
    read(&*dir, runs.entries(), path.clone(), "runs/".to_owned());
    for start in runs.entries().iter().filter(|e| e.kind == Kind::Dir) {
        // What cannot be opened is said when the directory is visited.
        let opened = dir.open(&start.name).and_then(|dir| Ok((dir.list()?, dir)));
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
