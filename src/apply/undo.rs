//! Moves checkpoints of a run from the trash back to where they were.
//!
//! It never overwrites, and it restores what can be restored: a checkpoint whose place was taken
//! stays in the trash, and is said.

mod foreseen;

use super::cause::Cause;
use super::dir::Rel;
use super::home::{self, Home};
use super::journal::Journal;
use super::journal::history::{Item, Run, State};
use super::journal::record::{Intent, Record, Work};
use super::located::Located;
use super::outcome::{ApplyError, Event, Progress, Settings, Skip, UndoReport};
use super::recover::{self, by_session};
use super::root::Root;
use super::site::{Site, may_act};
use crate::store::unit::{self, Unit};
use std::collections::BTreeSet;
use std::io;

pub use foreseen::{Foreseen, foresee};

/// What to restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct What<'a> {
    /// A run's id, or a beginning that no other run has.
    pub run: &'a str,
    /// Only this session.
    pub session: Option<&'a str>,
    /// Only this checkpoint of it.
    pub checkpoint: Option<&'a str>,
}

impl What<'_> {
    fn wants(&self, item: &Intent) -> bool {
        self.session.is_none_or(|s| s == item.session)
            && self.checkpoint.is_none_or(|c| c == item.id)
    }
}

/// Restores a run, a session of it, or one checkpoint.
///
/// # Errors
/// No such run, session or checkpoint; the run is another user's; the journal cannot be written.
pub fn undo(
    root: &Root,
    what: &What<'_>,
    settings: &Settings<'_>,
    progress: Progress<'_>,
) -> Result<UndoReport, ApplyError> {
    let (homes, faults) = home::find(root, settings.threads_on(root), &BTreeSet::new())
        .map_err(ApplyError::io("find journals"))?;
    let run = pick(&homes, what.run)?;
    let mut report = UndoReport::default();
    // Of a run with journals beside its sessions, some of them may be where nobody could look.
    let mut beside = false;
    let (mut asked, mut met) = (0, false);
    for home in &homes {
        if !known(home, &run)? {
            continue;
        }
        beside |= !home.at.components().is_empty();
        // Before the lock, which whoever may not act on it may not have either.
        may_act(root, &read(home, &run)?)?;
        let site = Site::enter(root, home, *settings)?;
        if let Some(recovered) = recover::at(&site, progress)? {
            report.recovered.get_or_insert_default().absorb(recovered);
        }
        let run = read(home, &run)?;
        may_act(root, &run)?;
        met |= run.begin.is_some() || !run.items.is_empty();
        let items: Vec<&Item> = run.items.values().filter(|i| what.wants(&i.intent)).collect();
        asked += items.len();
        restore(&site, &run, &items, progress, &mut report)?;
        if report.stopped.is_some() {
            break;
        }
    }
    if beside {
        report.faults.extend(faults.into_iter().map(unseen));
    }
    // I33, F24: it was listed a moment ago; nothing restored is no success then.
    if !met && report.stopped.is_none() {
        return Err(ApplyError::NoSuchRun(run));
    }
    not_in_run(what, run, asked)?;
    Ok(report)
}

/// Some of the run's journals may be where nobody could look.
fn unseen((at, e): (Rel, io::Error)) -> String {
    format!("{at} could not be searched: {e}")
}

/// A part that was asked for and is in no journal of the run is a typing mistake.
fn not_in_run(what: &What<'_>, run: String, asked: usize) -> Result<(), ApplyError> {
    if asked > 0 || (what.session.is_none() && what.checkpoint.is_none()) {
        return Ok(());
    }
    let what = [what.session, what.checkpoint].into_iter().flatten().collect::<Vec<_>>().join(" ");
    Err(ApplyError::NotInRun { run, what })
}

/// The one run that a person's text stands for.
pub(super) fn pick(homes: &[Home], text: &str) -> Result<String, ApplyError> {
    let mut found: Option<String> = None;
    for home in homes {
        for id in ids(home)? {
            if id == text {
                return Ok(id);
            }
            if !text.is_empty() && id.starts_with(text) && found.as_ref() != Some(&id) {
                if found.is_some() {
                    return Err(ApplyError::AmbiguousRun(text.to_owned()));
                }
                found = Some(id);
            }
        }
    }
    found.ok_or_else(|| ApplyError::NoSuchRun(text.to_owned()))
}

fn ids(home: &Home) -> Result<Vec<String>, ApplyError> {
    super::journal::history::ids(home.journal()).map_err(ApplyError::io("read the journal"))
}

fn read(home: &Home, run: &str) -> Result<Run, ApplyError> {
    super::journal::history::read_run(home.journal(), run)
        .map_err(ApplyError::io("read the journal"))
}

fn known(home: &Home, run: &str) -> Result<bool, ApplyError> {
    Ok(ids(home)?.iter().any(|id| id == run))
}

fn restore(
    site: &Site<'_>,
    run: &Run,
    items: &[&Item],
    progress: Progress<'_>,
    report: &mut UndoReport,
) -> Result<(), ApplyError> {
    let (purged, todo): (Vec<&Item>, Vec<&Item>) =
        items.iter().partition(|i| i.state == State::Purged);
    report.skipped.extend(purged.iter().map(|i| skip(&i.intent, Cause::Changed, PURGED)));
    let mut work = Undoing { site, run, progress, report, journal: None, split: false };
    for group in by_session(todo.into_iter()) {
        if site.stopped() {
            work.report.stopped = Some("a signal".to_owned());
            break;
        }
        site.check()?;
        work.session(&group)?;
    }
    let (journal, split) = (work.journal, work.split);
    match journal {
        // P: what is half way stays the business of recovery.
        Some(journal) if !split => site.finish(journal, &run.id, report.stopped.clone()),
        _ => Ok(()),
    }
}

fn skip(item: &Intent, cause: Cause, why: &str) -> Skip {
    let (session, id) = (item.session.clone(), Some(item.id.clone()));
    Skip { session, id, cause, why: why.to_owned() }
}

const PURGED: &str = "it was purged";
const TAKEN: &str = "its place is taken; it stays in the trash";
const NOWHERE: &str = "it is neither in the trash nor at its path";

/// Where a checkpoint is that is to come back.
enum Lies {
    /// Some of it at least.
    InTrash,
    Home,
    Nowhere,
    /// A purge took some of it at least.
    Purged,
}

/// # Errors
/// It cannot be looked at; `NotFound`: a part of it is nowhere.
fn lies(found: &Located, state: State, item: &Intent) -> io::Result<Lies> {
    // P: what is half removed never goes back; what a purge could not begin on is as it was.
    if state == State::Purged || state == State::Purging && !found.is_untouched(item)? {
        return Ok(Lies::Purged);
    }
    let seen = found.look(item)?;
    if seen.trash + seen.strange == 0 && state.is_final() {
        return Ok(match state {
            State::Gone | State::Lost => Lies::Nowhere,
            _ => Lies::Home,
        });
    }
    if seen.trash + seen.strange + seen.home < seen.parts {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Lies::InTrash)
}

/// An undo at one home.
struct Undoing<'a> {
    site: &'a Site<'a>,
    run: &'a Run,
    progress: Progress<'a>,
    report: &'a mut UndoReport,
    /// Created with the first checkpoint that moves.
    journal: Option<Journal>,
    /// A checkpoint is half way.
    split: bool,
}

impl Undoing<'_> {
    fn session(&mut self, group: &[&Item]) -> Result<(), ApplyError> {
        let calls = self.site.settings.calls;
        let intents: Vec<&Intent> = group.iter().map(|i| &i.intent).collect();
        let found = match Located::open(self.site.root, &self.run.id, &intents) {
            Ok(found) => found,
            Err(e) => {
                self.report
                    .skipped
                    .extend(intents.iter().map(|i| skip(i, Cause::of_reading(&e), &e.to_string())));
                return Ok(());
            }
        };
        let mut restored = Vec::new();
        for item in group {
            match self.item(&found, item) {
                Ok(true) => restored.push(item.intent.item),
                Ok(false) => {}
                Err(e) => {
                    let (cause, why) = match e.kind() {
                        io::ErrorKind::AlreadyExists => (Cause::Changed, TAKEN),
                        io::ErrorKind::NotFound => (Cause::Changed, NOWHERE),
                        _ => (Cause::Refused, &*e.to_string()),
                    };
                    self.report.skipped.push(skip(&item.intent, cause, why));
                    self.split |= found.look(&item.intent).map_or(true, |seen| seen.is_split());
                }
            }
        }
        if restored.is_empty() && !self.split {
            return Ok(());
        }
        found.sync(calls).map_err(ApplyError::io("sync what was restored"))?;
        found
            .tidy(calls)
            .and_then(|tidied| tidied.sync(calls))
            .map_err(ApplyError::io("remove an empty trash folder"))?;
        let Some(journal) = &mut self.journal else { return Ok(()) };
        journal.add(&Record::Restored { items: restored });
        journal.commit(calls).map_err(ApplyError::io("write the journal"))
    }

    /// Restores one checkpoint. The file system decides, not its recorded state: without locks a
    /// recovery may have called it kept while its own run still moved it. `Ok(false)`: there was
    /// nothing to restore.
    fn item(&mut self, found: &Located, item: &Item) -> io::Result<bool> {
        let (state, item) = (item.state, &item.intent);
        match lies(found, state, item)? {
            Lies::InTrash => {}
            Lies::Home => {
                self.report.already += 1;
                return Ok(false);
            }
            gone @ (Lies::Nowhere | Lies::Purged) => {
                let why = if matches!(gone, Lies::Purged) { PURGED } else { NOWHERE };
                self.report.skipped.push(skip(item, Cause::Changed, why));
                return Ok(false);
            }
        }
        // I23: a file without an end is what makes recovery look, should this be cut off.
        if self.journal.is_none() {
            let journal = self.site.journal(self.run, Work::Undo);
            self.journal = Some(journal.map_err(io::Error::other)?);
        }
        found.take_back(self.site.settings.calls, item, state == State::Intent)?;
        // I26, I33: counted as restored only if it is what it was, every file of it.
        if is_what_it_was(&found.measure(item, true)?, item) {
            self.report.restored.add(item.bytes);
            let (session, id) = (&item.session, &item.id);
            (self.progress)(Event::Restored { session, id, bytes: item.bytes });
        } else {
            let why =
                "it is back at its path, but was copied or written to while it was in the trash";
            self.report.skipped.push(skip(item, Cause::Changed, why));
        }
        Ok(true)
    }
}

/// Of files that had other hard links when it was moved the ctimes say nothing: they change when one of
/// these is removed, and of the last that is left nobody can tell that there were more.
fn is_what_it_was(unit: &Unit, item: &Intent) -> bool {
    unit::hex(&unit.identity) == item.identity
        || !item.lasting.is_empty() && unit::hex(&unit.lasting) == item.lasting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let item = |session: &str, id: &str| Intent {
            session: session.to_owned(),
            id: id.to_owned(),
            ..Intent::default()
        };
        let ten = item("s", "10");
        for (session, checkpoint, wanted) in [
            (None, None, true),
            (Some("s"), None, true),
            (Some("s"), Some("10"), true),
            (None, Some("10"), true),
            (Some("t"), None, false),
            (Some("t"), Some("10"), false),
            (Some("s"), Some("1"), false),
            (None, Some("1"), false),
        ] {
            let what = What { run: "r", session, checkpoint };
            assert_eq!(what.wants(&ten), wanted, "{what:?}");
        }
    }
}
