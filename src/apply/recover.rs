//! Brings interrupted runs to an end, at the start of every mutating command.
//!
//! It looks at the file system first and believes the journal second. It completes what was whole
//! in the trash, moves back what was half way, finishes a purge that had begun, and never moves
//! anything into the trash. Done twice, it does nothing the second time.

mod told;

pub use told::Recovery;

use super::dir::Rel;
use super::home;
use super::journal::Journal;
use super::journal::history::{Item, Run, State};
use super::journal::record::{Intent, Record, Work};
use super::located::{Fate, Located};
use super::outcome::{ApplyError, Event, Progress, Settings};
use super::root::Root;
use super::site::{Site, may_act};
use crate::core::plan::PlanFile;
use crate::store::unit;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io;

/// Recovers every home that this user may write; `None` if there was nothing to do.
///
/// # Errors
/// Another run is at work, a journal is newer than this program, or cannot be read or written.
pub fn recover(
    root: &Root,
    settings: &Settings<'_>,
    progress: Progress<'_>,
) -> Result<Option<Recovery>, ApplyError> {
    recover_but(root, &BTreeSet::new(), settings, progress)
}

/// As [`recover`], for a command that carries out a plan: the checkpoints that it names, which may
/// be nearly all there is, are not looked into. No folder of checkpoints lies in one (T21).
///
/// # Errors
/// As [`recover`].
pub fn recover_for(
    root: &Root,
    plan: &PlanFile,
    settings: &Settings<'_>,
    progress: Progress<'_>,
) -> Result<Option<Recovery>, ApplyError> {
    let paths = plan.decisions.iter().flat_map(|d| &d.paths);
    let skip = paths.filter_map(|path| Rel::parse(path).ok()).collect();
    recover_but(root, &skip, settings, progress)
}

fn recover_but(
    root: &Root,
    skip: &BTreeSet<Rel>,
    settings: &Settings<'_>,
    progress: Progress<'_>,
) -> Result<Option<Recovery>, ApplyError> {
    let found = home::find(root, settings.threads_on(root), skip);
    let (homes, faults) = found.map_err(ApplyError::io("find journals"))?;
    if faults.is_empty() {
        root.remember(homes.iter().map(|h| h.at.clone()).collect());
    }
    let mut all = Recovery::default();
    for home in homes.iter().filter(|h| h.is_writable()) {
        let Some(site) = Site::enter_any(root, home, *settings, &mut all.faults)? else { continue };
        if let Some(done) = at(&site, progress)? {
            all.absorb(done);
        }
    }
    Ok((!all.is_empty()).then_some(all))
}

/// Recovers the runs of one home.
pub(super) fn at(site: &Site<'_>, progress: Progress<'_>) -> Result<Option<Recovery>, ApplyError> {
    let mut all = Recovery::default();
    for run in site.runs()? {
        if run.settled || (run.open.is_empty() && run.unreadable.is_none()) {
            continue;
        }
        if let Err(e) = may_act(site.root, &run) {
            all.faults.push(e.to_string());
            continue;
        }
        let live = run.is_live(site.settings.calls, site.home.journal());
        if live.map_err(ApplyError::io("open the journal"))? {
            continue;
        }
        all.absorb(recover_run(site, &run)?);
    }
    if all.is_empty() {
        return Ok(None);
    }
    progress(Event::Recovered(&all));
    Ok(Some(all))
}

fn recover_run(site: &Site<'_>, run: &Run) -> Result<Recovery, ApplyError> {
    let mut done = Recovery { runs: vec![run.id.clone()], ..Recovery::default() };
    if run.damaged {
        done.faults
            .push(format!("the journal of run {} is damaged; look into its trash by hand", run.id));
    }
    let mut work = Recovering { site, run, journal: None, done };
    let mut split = false;
    for items in by_session(run.items.values().filter(|i| !i.state.is_final())) {
        let intents: Vec<&Intent> = items.iter().map(|i| &i.intent).collect();
        let found = match Located::open(site.root, &run.id, &intents) {
            Ok(found) => found,
            Err(e) => {
                work.done.faults.push(format!("{} of run {}: {e}", intents[0].session, run.id));
                // What nobody could look at may be half way.
                split = true;
                continue;
            }
        };
        for item in items {
            if let Err(e) = work.item(&found, item)? {
                let (session, id) = (&item.intent.session, &item.intent.id);
                work.done.faults.push(format!("{session} {id} of run {}: {e}", run.id));
                // What is only intended no purge and no undo by itself would come back to.
                split |= item.state == State::Intent
                    || found.look(&item.intent).map_or(true, |seen| seen.is_split());
            }
        }
        let Some(journal) = &mut work.journal else { continue };
        // I24: what a record will say must be on disk before it.
        found.sync(site.settings.calls).map_err(ApplyError::io("sync the trash"))?;
        let calls = site.settings.calls;
        if let Err(e) = found.tidy(calls).and_then(|tidied| tidied.sync(calls)) {
            let fault = format!("an empty trash folder of run {} stays: {e}", run.id);
            work.done.faults.push(fault);
        }
        journal.commit(site.settings.calls).map_err(ApplyError::io("write the journal"))?;
    }
    // P: what is still half way is looked at again by the next command.
    if !split {
        work.journal()?;
    }
    match work.journal {
        Some(journal) if !split => site.finish(journal, &run.id, None)?,
        _ => {}
    }
    Ok(work.done)
}

/// A recovery of one run.
struct Recovering<'a> {
    site: &'a Site<'a>,
    run: &'a Run,
    /// Created with the first record: a fault that lasts must not add a file with every command. The
    /// file without an end, for which this recovery is, stays until then.
    journal: Option<Journal>,
    done: Recovery,
}

impl Recovering<'_> {
    fn journal(&mut self) -> Result<&mut Journal, ApplyError> {
        match &mut self.journal {
            Some(journal) => Ok(journal),
            none => Ok(none.insert(self.site.journal(self.run, Work::Recover)?)),
        }
    }

    /// Looks where a checkpoint is, and makes it whole at one place or the other. The inner error is
    /// of this checkpoint alone.
    fn item(&mut self, found: &Located, item: &Item) -> Result<io::Result<()>, ApplyError> {
        let step = match step(found, item) {
            Ok(step) => step,
            Err(e) => return Ok(Err(e)),
        };
        if step == Step::Nothing {
            return Ok(Ok(()));
        }
        let record = match self.take(found, item, step) {
            Ok(record) => record,
            Err(e) => return Ok(Err(e)),
        };
        self.journal()?.add(&record);
        let done = &mut self.done;
        *match record {
            Record::Moved { .. } => &mut done.completed,
            Record::Purged { .. } => &mut done.purged,
            Record::Restored { .. } => &mut done.restored,
            Record::Kept { .. } => &mut done.put_back,
            _ => &mut done.lost,
        } += 1;
        Ok(Ok(()))
    }

    fn take(&self, found: &Located, item: &Item, step: Step) -> io::Result<Record> {
        let (calls, items) = (self.site.settings.calls, vec![item.intent.item]);
        let restoring = item.state == State::Moved;
        match step {
            Step::Purge => match found.remove(calls, &item.intent, true)? {
                Fate::Purged => return Ok(Record::Purged { items }),
                // P: an undo that was cut off before a purge was: the rest follows what is back.
                Fate::Restored | Fate::Missing => {
                    found.take_back(calls, &item.intent, false)?;
                    let seen = found.look(&item.intent)?;
                    if seen.home < seen.parts {
                        return Err(io::Error::other("only a part of it is at its path"));
                    }
                    return Ok(Record::Restored { items });
                }
            },
            Step::Nothing | Step::Complete => return Ok(Record::Moved { items }),
            Step::Miss if restoring => return Ok(Record::Lost { items }),
            Step::Miss => return Ok(Record::Gone { items }),
            Step::TakeBack => found.take_back(calls, &item.intent, !restoring)?,
            Step::Leave => {}
        }
        Ok(if restoring {
            Record::Restored { items }
        } else {
            Record::Kept { items, why: "the run was interrupted".to_owned() }
        })
    }
}

/// What recovery does about one checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    /// Whole in the trash: moved.
    Complete,
    Purge,
    TakeBack,
    /// It is at its path.
    Leave,
    /// It is nowhere.
    Miss,
}

/// What is to be done about it, by looking only.
fn step(found: &Located, item: &Item) -> io::Result<Step> {
    let seen = found.look(&item.intent)?;
    if item.state == State::Purging {
        return Ok(Step::Purge);
    }
    if seen.whole_in_trash() {
        if item.state == State::Moved {
            return Ok(Step::Nothing);
        }
        // I22: the move is verified now if it was not before.
        if unit::hex(&found.measure(&item.intent, false)?.identity) == item.intent.identity {
            return Ok(Step::Complete);
        }
    }
    if seen.trash + seen.strange > 0 {
        // I26: nothing is moved where a place is taken.
        return if found.taken(&item.intent)? {
            Err(Errno::EXIST.into())
        } else {
            Ok(Step::TakeBack)
        };
    }
    Ok(if seen.home == 0 { Step::Miss } else { Step::Leave })
}

/// Checkpoints of one session together: they share directories.
pub(super) fn by_session<'a>(items: impl Iterator<Item = &'a Item>) -> Vec<Vec<&'a Item>> {
    let mut groups: Vec<Vec<&Item>> = Vec::new();
    for item in items {
        match groups.last_mut() {
            Some(group) if group[0].intent.session == item.intent.session => group.push(item),
            _ => groups.push(vec![item]),
        }
    }
    groups
}
