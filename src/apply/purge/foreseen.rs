//! What a purge would free, told without a lock and without a change.

use super::spared::{Sorting, not_found, pointed_at};
use super::{Which, is_passed_over};
use crate::apply::held::Freed;
use crate::apply::home::{self, Home};
use crate::apply::journal::history::{self, Item, Run, Settled, State};
use crate::apply::outcome::{ApplyError, Count, Skip};
use crate::apply::parallel;
use crate::apply::recover::by_session;
use crate::apply::root::Root;
use crate::apply::site::{check_clock, may_act, runs_of};
use crate::apply::threads;
use crate::core::model::Time;
use std::collections::BTreeSet;

/// What would go for good, and what would stay in the trash.
#[derive(Clone, Debug, Default)]
pub struct Due {
    pub count: Count,
    /// What is chosen, and somebody wants by now.
    pub kept: Vec<Skip>,
    pub faults: Vec<String>,
    freed: Freed,
}

/// Looks at what [`super::purge`] would free, on so many threads, on as many as the file system bears
/// with 0.
///
/// # Errors
/// As for `purge`, but for what is said of its lock and of writing.
pub fn foresee(
    root: &Root,
    which: Which<'_>,
    threads: usize,
    now: Time,
) -> Result<Due, ApplyError> {
    let threads = threads::or_good(threads, root.fd());
    let (homes, faults) =
        home::find(root, threads, &BTreeSet::new()).map_err(ApplyError::io("find journals"))?;
    let mut due = Due::default();
    due.faults.extend(faults.into_iter().map(|(at, e)| format!("{at}: {e}")));
    due.faults.extend(homes.iter().filter_map(Home::closed));
    let (mut refused, mut met) = (None, false);
    for home in &homes {
        let runs = if home.is_writable() {
            let runs = runs_of(home)?;
            check_clock(root, home, now, &runs)?;
            runs
        } else {
            // What is asked for may lie here, and be somebody else's.
            history::read(home.journal(), Settled::Beginning).unwrap_or_default()
        };
        for run in runs.iter().filter(|run| !run.settled) {
            let chosen = which.takes(run, now);
            match may_act(root, run) {
                Err(e) if chosen && matches!(which, Which::Run(_)) => refused = Some(e),
                Err(e) => {
                    if is_passed_over(home, run, chosen)? {
                        due.faults.push(e.to_string());
                    }
                }
                Ok(()) => {
                    met |= chosen;
                    if home.is_writable() {
                        due.add(root, run, chosen, (threads, now))?;
                    }
                }
            }
        }
    }
    match refused {
        Some(e) if !met => Err(e),
        _ => Ok(due),
    }
}

impl Due {
    /// What a purge had begun on goes in any case.
    fn add(
        &mut self,
        root: &Root,
        run: &Run,
        chosen: bool,
        (threads, now): (usize, Time),
    ) -> Result<(), ApplyError> {
        let wanted = |i: &&Item| i.state == State::Purging || (chosen && i.state == State::Moved);
        let groups = by_session(run.items.values().filter(wanted));
        if groups.is_empty() {
            return Ok(());
        }
        let pointed = pointed_at(root, threads, run, &groups)?;
        let sorting = Sorting { root, run, now, pointed: &pointed, looks: true };
        let sorted = parallel::map(threads, &groups, |group| sorting.sort(group));
        let going = sorted.iter().flat_map(|sorted| &sorted.goes);
        self.freed.look(root, threads, &run.id, going.map(|item| &item.intent));
        for (group, sorted) in groups.iter().zip(sorted) {
            for item in &sorted.goes {
                self.count.add(self.freed.take(&item.intent));
            }
            self.kept.extend(sorted.kept);
            self.faults.extend(sorted.faults);
            if sorted.missing > 0 {
                self.faults.push(not_found(&group[0].intent.session, sorted.missing, &run.id));
            }
        }
        Ok(())
    }
}
