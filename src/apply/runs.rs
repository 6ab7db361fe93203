//! What earlier runs did, and what of it is still in the trash.

use super::dir::Rel;
use super::home::{self, Home};
use super::journal::history::{self, Item, Run, Settled, State};
use super::journal::record::Intent;
use super::outcome::{ApplyError, Count};
use super::purge;
use super::root::Root;
use super::site::{may_act, may_read};
use super::threads;
use crate::core::model::Time;
use std::collections::BTreeSet;

/// One checkpoint of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunItem {
    pub session: String,
    pub id: String,
    pub bytes: u64,
    pub state: State,
    /// Why it was to go; empty if the run did not write that down.
    pub why: String,
}

impl RunItem {
    pub(super) fn of(item: &Item) -> RunItem {
        RunItem {
            session: item.intent.session.clone(),
            id: item.intent.id.clone(),
            bytes: item.intent.bytes,
            state: item.state,
            why: item.intent.why.clone(),
        }
    }

    /// It was moved to the trash, and is there still.
    pub fn in_trash(&self) -> bool {
        matches!(self.state, State::Moved | State::Purging | State::Intent)
    }

    /// It is no longer at its own path.
    pub fn has_left(&self) -> bool {
        matches!(self.state, State::Moved | State::Purging | State::Purged | State::Gone)
    }
}

/// A run as `retain log` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSummary {
    pub id: String,
    /// When it was carried out.
    pub at: Option<Time>,
    pub uid: Option<u32>,
    /// Another user, whose journal it is.
    pub foreign: Option<u32>,
    /// Which root it says it is of.
    pub root: String,
    /// Where its policy came from.
    pub policy: String,
    /// Digest of its plan.
    pub plan: String,
    /// What the plan asked for.
    pub planned: Count,
    /// Moved to the trash and still there.
    pub in_trash: Count,
    /// Of `in_trash`, what nobody who runs this can purge: of another user's run or another root, of a
    /// journal that cannot be written, and, where that was looked for, what is not what was moved.
    pub out_of_reach: Count,
    /// Announced, and no more: the run was cut off, or is at work. Only recovery tells where.
    pub midway: Count,
    pub purged: Count,
    pub restored: Count,
    /// Never moved, or moved back; gone before, or by somebody else.
    pub left: Count,
    pub items: Vec<RunItem>,
    /// Of `in_trash`, and not out of reach, what had files with other hard links.
    pub linked: Vec<Intent>,
    /// Sessions it left alone, and why.
    pub skipped: Vec<(String, String)>,
    /// When the trash may be purged, while there is any.
    pub expires: Option<Time>,
    /// It was cut off, or is at work this moment.
    pub unfinished: bool,
    /// Why it ended early.
    pub stopped: Option<String>,
    /// Some of its records are lost.
    pub damaged: bool,
    /// A file of its journal cannot be read: the sentence that says so.
    pub unreadable: Option<String>,
}

/// All runs of a root that this user may read, oldest first, those kept beside the checkpoints
/// (see [`home`]) included; and what could not be read. They are looked for on so many threads, on as
/// many as the file system bears with 0.
///
/// # Errors
/// The root cannot be read.
pub fn runs(root: &Root, threads: usize) -> Result<(Vec<RunSummary>, Vec<String>), ApplyError> {
    let homes = home::find(root, threads::or_good(threads, root.fd()), &BTreeSet::new());
    let (homes, faults) = homes.map_err(ApplyError::io("find journals"))?;
    let mut faults = said(faults);
    let all = of(root, &homes, Settled::Whole, None, &mut faults);
    Ok((all, faults))
}

pub(super) fn said(faults: super::survey::Faults) -> Vec<String> {
    faults.into_iter().map(|(at, e)| format!("{at}: {e}")).collect()
}

/// The runs that may have left something in the trash, or half way, by the journals at the root and
/// at these places, as a scan found them ([`crate::scan::Scan::homes`]): no search, and what a scan
/// did not look into has no say. Only what can be read.
pub fn pending(root: &Root, threads: usize, places: &[Vec<u8>]) -> Vec<RunSummary> {
    at(root, threads, places, Settled::But(None), false)
}

/// As [`pending`], and looks at each checkpoint in the trash, whether a purge would take it: for whoever
/// counts on the room that it has.
pub fn purgeable(root: &Root, threads: usize, places: &[Vec<u8>]) -> Vec<RunSummary> {
    at(root, threads, places, Settled::But(None), true)
}

/// As [`pending`], and all others, however long they are over.
pub fn told(root: &Root, threads: usize, places: &[Vec<u8>]) -> Vec<RunSummary> {
    at(root, threads, places, Settled::Whole, false)
}

fn at(
    root: &Root,
    threads: usize,
    places: &[Vec<u8>],
    settled: Settled<'_>,
    looks: bool,
) -> Vec<RunSummary> {
    let threads = threads::or_good(threads, root.fd());
    let places: BTreeSet<Rel> =
        places.iter().filter_map(|path| Rel::of_bytes(path)).chain([Rel::default()]).collect();
    let places: Vec<Rel> = places.into_iter().collect();
    let (homes, _) = home::at(root, threads, &places);
    of(root, &homes, settled, looks.then_some(threads), &mut Vec::new())
}

/// As [`pending`], after a `run` of our own, which is among them whatever it left. Who may not write
/// at the root's top may have a journal by now where a scan before it found none.
pub fn after(
    root: &Root,
    threads: usize,
    places: &[Vec<u8>],
    run: Option<&str>,
) -> Vec<RunSummary> {
    if Home::central(root).is_ok_and(|home| home.is_some_and(|home| home.is_writable())) {
        return at(root, threads, places, Settled::But(run), false);
    }
    let homes = home::find(root, threads::or_good(threads, root.fd()), &BTreeSet::new());
    let (homes, _) = homes.unwrap_or_default();
    of(root, &homes, Settled::But(run), None, &mut Vec::new())
}

/// The runs whose journals are in these homes. `looks`, on so many threads, at what is in the trash.
pub(super) fn of(
    root: &Root,
    homes: &[Home],
    settled: Settled<'_>,
    looks: Option<usize>,
    faults: &mut Vec<String>,
) -> Vec<RunSummary> {
    let mut all: Vec<RunSummary> = Vec::new();
    for home in homes {
        let writable = home.is_writable();
        match history::read(Home::journal(home), settled) {
            Ok(runs) => {
                for run in runs {
                    if run.newer {
                        faults.push(format!("run {} was written by a newer retain", run.id));
                    }
                    let mut summary = summarise(&run);
                    if let Err(e) = may_read(&run) {
                        faults.push(e.to_string());
                        summary.unreadable = Some(e.to_string());
                    }
                    if !writable || run.newer || may_act(root, &run).is_err() {
                        summary.out_of_reach = summary.in_trash;
                    } else {
                        let beyond = looks.map(|threads| purge::out_of_reach(root, threads, &run));
                        let beyond = beyond.unwrap_or_default();
                        let items = beyond.iter().filter_map(|item| run.items.get(item));
                        items.for_each(|i| summary.out_of_reach.add(i.intent.bytes));
                        let within = run.items.values().filter(|item| {
                            matches!(item.state, State::Moved | State::Purging)
                                && !item.intent.lasting.is_empty()
                                && !beyond.contains(&item.intent.item)
                        });
                        summary.linked = within.map(|item| item.intent.clone()).collect();
                    }
                    // A run beside the checkpoints of several sessions has a journal at each.
                    match all.iter_mut().find(|r| r.id == summary.id) {
                        Some(known) => known.absorb(summary),
                        None => all.push(summary),
                    }
                }
            }
            Err(e) => faults.push(format!("{}/.retain/journal: {e}", home.at)),
        }
    }
    all.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    all
}

fn summarise(run: &Run) -> RunSummary {
    let mut out = RunSummary {
        id: run.id.clone(),
        skipped: run.skipped.clone(),
        // Where nothing is left to do, a file without an end is of no concern.
        unfinished: !run.open.is_empty() && !run.settled,
        stopped: run.ended.clone().flatten(),
        damaged: run.damaged,
        foreign: run.foreign,
        ..RunSummary::default()
    };
    if let Some(begin) = &run.begin {
        out.at = Time::parse(&begin.now);
        out.uid = Some(begin.uid);
        out.root.clone_from(&begin.root);
        out.policy.clone_from(&begin.policy);
        out.plan.clone_from(&begin.plan);
        out.planned = Count { checkpoints: begin.checkpoints, bytes: begin.bytes };
    }
    for item in run.items.values() {
        let count = match item.state {
            State::Moved | State::Purging => &mut out.in_trash,
            State::Intent => &mut out.midway,
            State::Purged => &mut out.purged,
            State::Restored => &mut out.restored,
            State::Kept | State::Gone | State::Lost => &mut out.left,
        };
        count.add(item.intent.bytes);
        out.items.push(RunItem::of(item));
    }
    if out.in_trash.checkpoints > 0 {
        out.expires = purge::expires(run);
    }
    out
}

impl RunSummary {
    /// I30: whether this user may undo or purge it in this root, as far as can be told from outside.
    pub fn may_act(&self, root: &Root) -> bool {
        let known = self.at.is_some() || !self.root.is_empty();
        self.foreign.is_none() && (!known || root.is_called(&self.root))
    }

    fn absorb(&mut self, other: RunSummary) {
        let counts = [
            (&mut self.in_trash, other.in_trash),
            (&mut self.out_of_reach, other.out_of_reach),
            (&mut self.midway, other.midway),
            (&mut self.purged, other.purged),
            (&mut self.restored, other.restored),
            (&mut self.left, other.left),
        ];
        for (mine, theirs) in counts {
            mine.absorb(theirs);
        }
        self.items.extend(other.items);
        self.linked.extend(other.linked);
        self.skipped.extend(other.skipped);
        self.expires = self.expires.or(other.expires);
        self.unfinished |= other.unfinished;
        self.stopped = self.stopped.take().or(other.stopped);
        self.damaged |= other.damaged;
        self.unreadable = self.unreadable.take().or(other.unreadable);
        self.foreign = self.foreign.or(other.foreign);
    }
}
