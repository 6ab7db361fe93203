//! Moves checkpoints of a run from the trash back to where they were.
//!
//! It never overwrites, and it restores what can be restored: a checkpoint whose place was taken
//! stays in the trash, and is said.

use super::home::{self, Home};
use super::journal::history::{Item, Run, State};
use super::journal::record::{Intent, Record, Work};
use super::located::Located;
use super::outcome::{ApplyError, Event, Progress, Settings, Skip, UndoReport};
use super::recover::{self, by_session};
use super::root::Root;
use super::site::{Site, may_act};
use crate::store::unit;
use std::io;

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
    let (homes, _) = home::find(root).map_err(ApplyError::io("find journals"))?;
    let run = pick(&homes, what.run)?;
    let mut report = UndoReport::default();
    let mut asked = 0;
    for home in &homes {
        if !known(home, &run)? {
            continue;
        }
        let site = Site::enter(root, home, *settings)?;
        if let Some(recovered) = recover::at(&site, progress)? {
            report.recovered.get_or_insert_default().absorb(recovered);
        }
        let run = super::journal::history::read_run(home.journal(), &run)
            .map_err(ApplyError::io("read the journal"))?;
        may_act(root, &run)?;
        let items: Vec<&Item> = run.items.values().filter(|i| what.wants(&i.intent)).collect();
        asked += items.len();
        restore(&site, &run, &items, progress, &mut report)?;
        if report.stopped.is_some() {
            break;
        }
    }
    if asked == 0 && (what.session.is_some() || what.checkpoint.is_some()) {
        let what =
            [what.session, what.checkpoint].into_iter().flatten().collect::<Vec<_>>().join(" ");
        return Err(ApplyError::NotInRun { run, what });
    }
    Ok(report)
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
    let mut todo = Vec::new();
    for item in items {
        let skip = |why: &str| Skip {
            session: item.intent.session.clone(),
            id: Some(item.intent.id.clone()),
            why: why.to_owned(),
        };
        match item.state {
            State::Moved | State::Intent => todo.push(*item),
            State::Restored | State::Kept => report.already += 1,
            State::Purging | State::Purged => report.skipped.push(skip("it was purged")),
            State::Gone | State::Lost => {
                report.skipped.push(skip("it is neither in the trash nor at its path"));
            }
        }
    }
    if todo.is_empty() {
        return Ok(());
    }
    let calls = site.settings.calls;
    let mut journal = site.journal(run, Work::Undo)?;
    let mut split = false;
    for group in by_session(todo.into_iter()) {
        if site.stopped() {
            report.stopped = Some("a signal".to_owned());
            break;
        }
        site.check()?;
        let intents: Vec<&Intent> = group.iter().map(|i| &i.intent).collect();
        let skip = |item: &Intent, e: &io::Error| {
            let why = match e.kind() {
                io::ErrorKind::AlreadyExists => {
                    "its place is taken; it stays in the trash".to_owned()
                }
                io::ErrorKind::NotFound => "it is neither in the trash nor at its path".to_owned(),
                _ => e.to_string(),
            };
            Skip { session: item.session.clone(), id: Some(item.id.clone()), why }
        };
        let found = match Located::open(site.root, &run.id, &intents) {
            Ok(found) => found,
            Err(e) => {
                report.skipped.extend(intents.iter().map(|i| skip(i, &e)));
                continue;
            }
        };
        for item in intents {
            match one(site, &found, item) {
                Ok(()) => {
                    journal.add(&Record::Restored { items: vec![item.item] });
                    report.restored.add(item.bytes);
                    progress(Event::Restored {
                        session: &item.session,
                        id: &item.id,
                        bytes: item.bytes,
                    });
                }
                Err(e) => {
                    report.skipped.push(skip(item, &e));
                    split |= found.look(item).map_or(true, |seen| seen.is_split());
                }
            }
        }
        found.sync(calls).map_err(ApplyError::io("sync what was restored"))?;
        found.tidy(calls).map_err(ApplyError::io("remove an empty trash folder"))?;
        journal.commit(calls).map_err(ApplyError::io("write the journal"))?;
    }
    // P: what is half way stays the business of recovery.
    if split { Ok(()) } else { site.finish(journal, &run.id, report.stopped.clone()) }
}

fn one(site: &Site<'_>, found: &Located, item: &Intent) -> io::Result<()> {
    let seen = found.look(item)?;
    if seen.trash + seen.strange + seen.home < seen.parts {
        return Err(io::ErrorKind::NotFound.into());
    }
    found.take_back(site.settings.calls, item)?;
    // I26, I33: counted as restored only if it is what it was, every file of it.
    match found.identity(item, true)? {
        now if unit::hex(&now) == item.identity => Ok(()),
        _ => Err(io::Error::other(
            "it is back at its path, but somebody wrote in it while it was in the trash",
        )),
    }
}
