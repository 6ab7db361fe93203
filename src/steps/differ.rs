//! About which checkpoints two decisions do not agree.
//!
//! A policy may declare layouts, and then another one recognises other checkpoints in the same
//! directory: what is told apart is what would be gone of it, by path.

use crate::core::decision::{Outcome, Verdict};
use crate::core::model::{Checkpoint, Inventory};
use std::collections::{HashMap, HashSet};

/// One checkpoint, by its place in the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub session: usize,
    pub checkpoint: usize,
    /// The later decision deletes it, the earlier one did not; else the other way round.
    pub deletes: bool,
}

/// What changes between two decisions about one inventory, in its order.
pub fn changes(inventory: &Inventory, before: &Outcome, after: &Outcome) -> Vec<Change> {
    let goes =
        |outcome: &Outcome, s: usize, c: usize| outcome.sessions[s].verdict(c) == Verdict::Delete;
    let mut changes = Vec::new();
    for (s, session) in inventory.sessions.iter().enumerate() {
        for c in 0..session.checkpoints.len() {
            let deletes = goes(after, s, c);
            if deletes != goes(before, s, c) {
                changes.push(Change { session: s, checkpoint: c, deletes });
            }
        }
    }
    changes
}

/// A place in an inventory: a session and a checkpoint of it.
pub type Place = (usize, usize);

/// One checkpoint of two inventories of one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Goes by the later decision alone; its place in the later inventory.
    Deleted(Place),
    /// Went by the earlier decision alone: its place in the earlier inventory, and in the later one
    /// if something there has its path.
    Kept(Place, Option<Place>),
}

/// What changes between two decisions, each about what its own policy recognises.
pub fn between(before: (&Inventory, &Outcome), after: (&Inventory, &Outcome)) -> Vec<Moved> {
    let gone = |side| -> HashSet<&str> {
        deletions(side).flat_map(|(_, c)| c.paths()).map(AsRef::as_ref).collect()
    };
    let (went, goes) = (gone(before), gone(after));
    // One file of several that goes now and did not is a loss, and so is the other way a gain.
    let other =
        |paths: &[Box<str>], known: &HashSet<&str>| paths.iter().any(|p| !known.contains(&**p));
    let mut here: HashMap<&str, Place> = HashMap::new();
    for (s, session) in after.0.sessions.iter().enumerate() {
        for (c, checkpoint) in session.checkpoints.iter().enumerate() {
            here.extend(checkpoint.paths().iter().map(|p| (&**p, (s, c))));
        }
    }
    let deleted = deletions(after).filter(|(_, c)| other(c.paths(), &went));
    let kept = deletions(before).filter(|(_, c)| other(c.paths(), &goes));
    let now = |c: &Checkpoint| c.paths().first().and_then(|p| here.get(&**p)).copied();
    let kept = kept.map(|(place, c)| Moved::Kept(place, now(c)));
    deleted.map(|(place, _)| Moved::Deleted(place)).chain(kept).collect()
}

/// What a decision deletes, in the order of its inventory.
fn deletions<'a>(
    (inventory, outcome): (&'a Inventory, &'a Outcome),
) -> impl Iterator<Item = (Place, &'a Checkpoint)> {
    let sessions = inventory.sessions.iter().enumerate();
    sessions.flat_map(move |(s, session)| {
        let all = session.checkpoints.iter().enumerate();
        let goes = move |c: usize| outcome.sessions[s].verdict(c) == Verdict::Delete;
        all.filter(move |(c, _)| goes(*c)).map(move |(c, checkpoint)| ((s, c), checkpoint))
    })
}
