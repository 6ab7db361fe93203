//! What a purge would free, told without a lock and without a change.

use super::spared::{pointed_at, unwanted};
use super::{Which, is_passed_over};
use crate::apply::home::{self, Home};
use crate::apply::journal::history::{self, Item, Run, Settled, State};
use crate::apply::outcome::{ApplyError, Count, Skip};
use crate::apply::recover::by_session;
use crate::apply::root::Root;
use crate::apply::site::may_act;
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
}

/// Looks at what [`super::purge`] would free, on so many threads, on as many as the file system bears
/// with 0.
///
/// # Errors
/// The root cannot be searched; the one run that is asked for is not to be acted upon.
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
        let one = if let Which::Run(id) = which { Some(id) } else { None };
        let runs = match history::read(home.journal(), Settled::But(one)) {
            Ok(runs) => runs,
            Err(e) if home.is_writable() => {
                due.faults.push(format!("{}/.retain/journal: {e}", home.at));
                continue;
            }
            Err(_) => continue,
        };
        for run in &runs {
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
                    if home.is_writable() && !run.newer {
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
        for group in &groups {
            let (goes, kept) = unwanted(root, now, run, group, &pointed);
            for item in goes {
                self.count.add(item.intent.bytes);
            }
            self.kept.extend(kept);
        }
        Ok(())
    }
}
