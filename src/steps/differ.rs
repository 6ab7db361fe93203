//! About which checkpoints two decisions do not agree.

use crate::core::decision::{Outcome, Verdict};
use crate::core::model::Inventory;

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
