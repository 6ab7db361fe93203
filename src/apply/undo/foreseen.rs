//! What an undo would do, told without a lock and without a change.

use super::{
    Lies, NOWHERE, PURGED, TAKEN, What, is_what_it_was, known, lies, not_in_run, pick, skip, unseen,
};
use crate::apply::cause::Cause;
use crate::apply::home;
use crate::apply::journal::history::{self, Item, State};
use crate::apply::located::Located;
use crate::apply::outcome::{ApplyError, UndoReport};
use crate::apply::recover::by_session;
use crate::apply::root::Root;
use crate::apply::runs::RunItem;
use crate::apply::site::{may_act, runs_of};
use crate::apply::threads;
use std::collections::BTreeSet;
use std::io;

/// What would come back, and what would not.
#[derive(Clone, Debug, Default)]
pub struct Foreseen {
    pub items: Vec<RunItem>,
    pub report: UndoReport,
}

/// Looks at what [`super::undo`] would restore, on so many threads, on as many as the file system bears
/// with 0.
///
/// # Errors
/// As for `undo`, but for what is said of its lock and of writing.
pub fn foresee(root: &Root, what: &What<'_>, threads: usize) -> Result<Foreseen, ApplyError> {
    let (homes, faults) = home::find(root, threads::or_good(threads, root.fd()), &BTreeSet::new())
        .map_err(ApplyError::io("find journals"))?;
    let id = pick(&homes, what.run)?;
    let (mut foreseen, mut asked, mut beside) = (Foreseen::default(), 0, false);
    for home in &homes {
        let known = known(home, &id)?;
        // I23: beside what a newer retain wrote nothing is changed, nor recovered before.
        if known || home.is_writable() {
            runs_of(home)?;
        }
        if !known {
            continue;
        }
        beside |= !home.at.components().is_empty();
        let run =
            history::read_run(home.journal(), &id).map_err(ApplyError::io("read the journal"))?;
        may_act(root, &run)?;
        let wanted: Vec<&Item> = run.items.values().filter(|i| what.wants(&i.intent)).collect();
        asked += wanted.len();
        for group in by_session(wanted.into_iter()) {
            foreseen.session(root, &id, &group);
        }
    }
    if beside {
        foreseen.report.faults = faults.into_iter().map(unseen).collect();
    }
    not_in_run(what, id, asked)?;
    Ok(foreseen)
}

impl Foreseen {
    fn session(&mut self, root: &Root, run: &str, group: &[&Item]) {
        let intents: Vec<_> = group.iter().map(|i| &i.intent).collect();
        let found = Located::open(root, run, &intents);
        for item in group {
            let intent = &item.intent;
            let fate = match (&found, item.state) {
                (_, State::Purged) => Err((Cause::Changed, PURGED.to_owned())),
                (Err(e), _) => Err((Cause::of_reading(e), e.to_string())),
                (Ok(found), _) => fate(found, item),
            };
            match fate {
                Ok(true) => {
                    self.report.restored.add(intent.bytes);
                    self.items.push(RunItem::of(item));
                }
                Ok(false) => self.report.already += 1,
                Err((cause, why)) => self.report.skipped.push(skip(intent, cause, &why)),
            }
        }
    }
}

const COPIED: &str =
    "it would be back at its path, but was copied or written to while it was in the trash";

/// Whether it would come back; `Ok(false)`: it is back already.
fn fate(found: &Located, item: &Item) -> Result<bool, (Cause, String)> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => (Cause::Changed, NOWHERE.to_owned()),
        _ => (Cause::Refused, e.to_string()),
    };
    match lies(found, item.state, &item.intent).map_err(failed)? {
        Lies::Home => Ok(false),
        Lies::Nowhere => Err((Cause::Changed, NOWHERE.to_owned())),
        Lies::Purged => Err((Cause::Changed, PURGED.to_owned())),
        Lies::InTrash if found.taken(&item.intent).map_err(failed)? => {
            Err((Cause::Changed, TAKEN.to_owned()))
        }
        // I26: as the undo does once it is back.
        Lies::InTrash => {
            let back = found.measure_where_it_lies(&item.intent).map_err(failed)?;
            let same = is_what_it_was(&back, &item.intent);
            if same { Ok(true) } else { Err((Cause::Changed, COPIED.to_owned())) }
        }
    }
}
