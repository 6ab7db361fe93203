//! Tells of runs that were cut off, for commands that only read (I15).
//!
//! Whoever kills an apply must not have to know that: whatever command comes next says it. A
//! command that changes something recovers first (see [`super::recover()`]) and says what it did.

use super::dir::Rel;
use super::home::Home;
use super::journal::history::{self, Run, Settled, State};
use super::root::Root;
use std::collections::BTreeSet;
use std::fmt;

/// A run that did not come to its end, by its journal alone; shows as one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interrupted {
    pub run: String,
    /// Another user, who alone can bring it to an end.
    pub uid: Option<u32>,
    /// Whole in the trash.
    pub moved: u64,
    /// Announced: at their paths, in the trash, or half-way between and not loadable.
    pub midway: u64,
    pub purging: u64,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} was interrupted: ", self.run)?;
        let parts = [
            (self.moved, "in the trash and restorable"),
            (self.midway, "perhaps half-way there"),
            (self.purging, "being purged"),
        ];
        let said: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        f.write_str(&if said.is_empty() {
            "nothing had been moved".to_owned()
        } else {
            said.join(", ")
        })?;
        match self.uid {
            Some(uid) => write!(f, "; user {uid} can bring it to an end"),
            None => write!(
                f,
                "; the next `retain apply` or `purge` brings it to an end, `retain undo {}` brings its checkpoints back",
                self.run
            ),
        }
    }
}

/// Runs that were cut off, of the root's own journal, or, for a user who may not write there, also
/// of the journals beside checkpoints in `folders` (below the root). What cannot be read is passed
/// over: `retain log` names it.
pub fn interrupted<'a>(
    root: &Root,
    folders: impl IntoIterator<Item = &'a str>,
) -> Vec<Interrupted> {
    // Nothing of ours can be in a root that was never declared.
    if root.id.is_none() {
        return Vec::new();
    }
    let central = Home::central(root).ok().flatten();
    let writable = central.as_ref().is_some_and(Home::is_writable);
    let mut found: Vec<Interrupted> = central.iter().flat_map(of_home).collect();
    if !writable {
        for folder in folders.into_iter().collect::<BTreeSet<_>>() {
            let Ok(rel) = Rel::parse(folder) else { continue };
            if let Ok(Some(home)) = Home::existing(root, &rel) {
                found.extend(of_home(&home));
            }
        }
    }
    // A run beside the checkpoints of several sessions has a journal at each.
    let mut all: Vec<Interrupted> = Vec::new();
    for one in found {
        match all.iter_mut().find(|known| known.run == one.run) {
            Some(known) => {
                known.moved += one.moved;
                known.midway += one.midway;
                known.purging += one.purging;
            }
            None => all.push(one),
        }
    }
    all
}

fn of_home(home: &Home) -> Vec<Interrupted> {
    let runs = history::read(home.journal(), Settled::But(None)).unwrap_or_default();
    let cut_off = |run: &Run| !run.open.is_empty() && !run.seems_live(home.journal());
    runs.iter().filter(|run| cut_off(run)).map(summarise).collect()
}

fn summarise(run: &Run) -> Interrupted {
    let count = |state| run.items.values().filter(|i| i.state == state).count() as u64;
    Interrupted {
        run: run.id.clone(),
        uid: run.foreign,
        moved: count(State::Moved),
        midway: count(State::Intent),
        purging: count(State::Purging),
    }
}
