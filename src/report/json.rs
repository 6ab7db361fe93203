//! The versioned JSON of each reading command.
//!
//! These types are the contract with scripts: separate from the model, so that a change inside
//! never reaches a format by accident. Fields may be added and never change their meaning. Text is
//! lossless: names stand as [`crate::core::name::encode`] wrote them.

use super::listing;
use crate::core::model::{Checkpoint, Inventory, Names, Session, Step};
use crate::core::plan::PlanReason;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// `retain ls --json`.
#[derive(Debug, Serialize)]
pub struct Ls {
    pub format: &'static str,
    pub root: String,
    pub now: String,
    pub sessions: Vec<LsSession>,
    /// The first ones, with `--unrecognised`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrecognised: Option<Vec<String>>,
    pub unrecognised_files: u64,
    pub faults: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct LsSession {
    pub session: String,
    pub owner: String,
    pub layout: Option<String>,
    pub status: &'static str,
    pub bytes: u64,
    pub last_write: Option<String>,
    pub tainted: Vec<String>,
    pub tags: Vec<String>,
    pub checkpoint_count: u64,
    /// Only where sessions were named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Vec<LsCheckpoint>>,
}

#[derive(Debug, Serialize)]
pub struct LsCheckpoint {
    pub id: String,
    pub step: Value,
    pub epoch: Value,
    pub saved_at: Option<String>,
    pub elapsed: Option<f64>,
    pub summary: Option<String>,
    /// Allocated.
    pub bytes: u64,
    /// Lengths of its files; `null` where only the allocation is known.
    pub apparent_bytes: Option<u64>,
    pub files: u32,
    pub metrics: Map<String, Value>,
    /// The file that each metric was read from, relative to the session, or `name`.
    pub sources: Map<String, Value>,
    pub marks: Vec<&'static str>,
    pub tags: Vec<String>,
    pub complete: bool,
    pub pointers: Vec<String>,
    pub needs: Vec<String>,
    pub conflicts: Vec<String>,
    /// Only with `--long`: why nothing may delete it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<Vec<PlanReason>>,
}

impl LsSession {
    pub fn new(session: &Session, checkpoints: Option<Vec<LsCheckpoint>>) -> LsSession {
        LsSession {
            session: session.name.to_string(),
            owner: session.owner.to_string(),
            layout: session.layout.as_ref().map(ToString::to_string),
            status: session.status.as_str(),
            bytes: listing::session_bytes(session),
            last_write: listing::last_write(session).map(|t| t.to_string()),
            tainted: strings(&session.tainted),
            tags: strings(&session.tags),
            checkpoint_count: session.checkpoints.len() as u64,
            checkpoints,
        }
    }
}

impl LsCheckpoint {
    pub fn new(c: &Checkpoint, names: &Names, protected: Option<Vec<PlanReason>>) -> LsCheckpoint {
        LsCheckpoint {
            id: c.id.to_string(),
            step: step(c.step),
            epoch: step(c.epoch),
            saved_at: c.saved_at.map(|t| t.to_string()),
            elapsed: c.elapsed(),
            summary: c.summary().map(str::to_owned),
            bytes: c.bytes,
            apparent_bytes: c.extra.as_ref().map(|e| e.apparent).filter(|n| *n > 0),
            files: c.files,
            metrics: metrics(c, names),
            sources: c
                .sources()
                .iter()
                .map(|(id, file)| (names.name(*id).to_owned(), json!(file)))
                .collect(),
            marks: c.marks.names().collect(),
            tags: strings(c.tags()),
            complete: c.complete,
            pointers: c.pointers().iter().map(|p| p.name.to_string()).collect(),
            needs: strings(c.needs()),
            conflicts: strings(c.conflicts()),
            protected,
        }
    }
}

/// `retain why --json`.
#[derive(Debug, Serialize)]
pub struct Why {
    pub format: &'static str,
    pub now: String,
    pub session: String,
    /// The policy that has the session.
    pub policy: Option<String>,
    pub checkpoint: LsCheckpoint,
    pub verdict: &'static str,
    pub reasons: Vec<PlanReason>,
}

/// A number of a checkpoint that is not finite becomes `"NaN"`, `"Infinity"` or `"-Infinity"`.
pub fn number(value: f64) -> Value {
    match value {
        v if v.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        v => json!(v),
    }
}

fn step(step: Option<Step>) -> Value {
    match step {
        None => Value::Null,
        Some(Step::Whole(n)) => json!(n),
        Some(Step::Fraction(x)) => number(x),
    }
}

fn metrics(checkpoint: &Checkpoint, names: &Names) -> Map<String, Value> {
    checkpoint.metrics.iter().map(|(id, v)| (names.name(id).to_owned(), number(v))).collect()
}

fn strings(list: &[Box<str>]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// The sessions of an inventory, `checkpoints` deciding which of each are listed.
pub fn sessions(
    inventory: &Inventory,
    picked: &[usize],
    mut checkpoints: impl FnMut(usize) -> Option<Vec<LsCheckpoint>>,
) -> Vec<LsSession> {
    picked.iter().map(|&i| LsSession::new(&inventory.sessions[i], checkpoints(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_cannot_say_is_text() {
        assert_eq!(number(0.5), json!(0.5));
        assert_eq!(number(f64::NAN), json!("NaN"));
        assert_eq!(number(f64::INFINITY), json!("Infinity"));
        assert_eq!(number(f64::NEG_INFINITY), json!("-Infinity"));
    }

    #[test]
    fn names_are_lossless() {
        let mut names = Names::default();
        let loss = names.intern("lo\u{202e}ss");
        let c = Checkpoint {
            id: "a\n\u{1b}[2J".into(),
            step: Some(Step::Whole(u64::MAX)),
            metrics: [(loss, f64::NAN)].into(),
            ..Checkpoint::default()
        };
        let text = serde_json::to_string(&LsCheckpoint::new(&c, &names, None)).unwrap();
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["id"], "a\n\u{1b}[2J");
        assert_eq!(back["step"], json!(u64::MAX));
        assert_eq!(back["metrics"]["lo\u{202e}ss"], "NaN");
    }
}
