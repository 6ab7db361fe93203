//! Frees what lies in the trash: after its grace, or at once when a person says so.
//!
//! Only what a journal names is removed, and nothing that somebody has come to want meanwhile. A record says "from here on only purged" before the first
//! unlink, so that nothing half removed is ever restored; the next command finishes what this one
//! could not.

mod foreseen;
mod spared;

use super::held::Freed;
use super::home::{self, Home};
use super::journal::Journal;
use super::journal::history::{Item, Run, State};
use super::journal::record::{Intent, Record, Work};
use super::located::{Fate, Located, Tidied};
use super::outcome::{ApplyError, Event, Progress, PurgeReport, Settings};
use super::parallel;
use super::recover::{self, by_session};
use super::root::Root;
use super::site::{Site, may_act};
use crate::core::model::Time;
use spared::{Sorted, Sorting, not_found, pointed_at, stays};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;

pub use foreseen::{Due, foresee};
pub(super) use spared::out_of_reach;

/// Sessions whose removal is recorded together.
const BATCH: usize = 64;
/// Checkpoints whose records surely find place in the room that is kept back.
const FEW: usize = 500;

/// What to purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// Runs older than their grace.
    Expired,
    /// One run, whatever its age.
    Run(&'a str),
    /// These runs, whatever their age.
    Runs(&'a [String]),
    /// Everything.
    All,
}

impl Which<'_> {
    /// Whether it is about a run, if one is meant by its whole id.
    fn takes(self, run: &Run, now: Time) -> bool {
        match self {
            Which::Expired => is_expired(run, now),
            Which::Run(id) => run.id == id,
            Which::Runs(ids) => ids.contains(&run.id),
            Which::All => true,
        }
    }
}

/// Purges the trash of this user's runs.
///
/// # Errors
/// No such run; another run is at work; the journal cannot be written.
pub fn purge(
    root: &Root,
    which: Which<'_>,
    settings: &Settings<'_>,
    progress: Progress<'_>,
) -> Result<PurgeReport, ApplyError> {
    // The recovery before it has just walked the root. A run that began since is not expired.
    let known = if which == Which::Expired { root.recall() } else { None };
    let (homes, faults) = match known {
        Some(places) => home::at(root, settings.threads_on(root), &places),
        None => home::find(root, settings.threads_on(root), &BTreeSet::new())
            .map_err(ApplyError::io("find journals"))?,
    };
    let mut report = PurgeReport::default();
    for (at, e) in faults {
        report.faults.push(format!("{at}: {e}"));
    }
    let id = match which {
        Which::Run(text) => Some(super::undo::pick(&homes, text)?),
        _ => None,
    };
    let which = id.as_deref().map_or(which, Which::Run);
    report.faults.extend(homes.iter().filter_map(Home::closed));
    for home in homes.iter().filter(|h| h.is_writable()) {
        let done = purge_home(root, home, which, settings, progress, &mut report);
        // I33: what is gone by then is said as well.
        done.map_err(|e| e.after(report.purged))?;
    }
    Ok(report)
}

fn purge_home(
    root: &Root,
    home: &Home,
    which: Which<'_>,
    settings: &Settings<'_>,
    progress: Progress<'_>,
    report: &mut PurgeReport,
) -> Result<(), ApplyError> {
    let entered = Site::enter_any(root, home, *settings, &mut report.faults)?;
    let Some(site) = entered else { return Ok(()) };
    if let Some(recovered) = recover::at(&site, progress)? {
        report.recovered.get_or_insert_default().absorb(recovered);
    }
    let runs = site.runs()?;
    // I12: with a clock that jumped ahead everything would seem expired; back, nothing is.
    site.check_clock(&runs)?;
    for run in runs.iter().filter(|r| !r.settled) {
        let chosen = which.takes(run, settings.now);
        if site.stopped() {
            continue;
        }
        if let Err(e) = may_act(root, run) {
            let named = chosen && matches!(which, Which::Run(_));
            if named || is_passed_over(home, run, chosen)? {
                report.faults.push(e.to_string());
            }
            continue;
        }
        purge_run(&site, run, (chosen, true), progress, report)?;
    }
    if site.stopped() {
        report.stopped = Some("a signal".to_owned());
    }
    Ok(())
}

/// Whether it is to be said that a run is none that may be acted upon.
fn is_passed_over(home: &Home, run: &Run, chosen: bool) -> Result<bool, ApplyError> {
    Ok(run.unreadable.is_some() || (chosen && is_orphaned(home, run)?))
}

/// Trash of a root that this one was before it was given another id: nobody else comes to purge it. A
/// root inside this one does its own.
fn is_orphaned(home: &Home, run: &Run) -> Result<bool, ApplyError> {
    let left = |i: &Item| matches!(i.state, State::Moved | State::Purging);
    if run.foreign.is_some() || !run.items.values().any(left) {
        return Ok(false);
    }
    Ok(home.at.components().is_empty()
        || !home.is_a_roots().map_err(ApplyError::io("read the journal"))?)
}

/// Whether the trash of a run may go; a run whose beginning is lost never expires by itself.
pub fn is_expired(run: &Run, now: Time) -> bool {
    expires(run).is_some_and(|at| now >= at)
}

/// When the grace of a run ends.
pub fn expires(run: &Run) -> Option<Time> {
    let grace = run.applied()?.grace_seconds;
    let grace = i64::try_from(grace).ok()?.checked_mul(Time::NANOS_PER_SEC)?;
    Some(Time::from_nanos(began(run)?.nanos().checked_add(grace)?))
}

/// Purges a run: what a purge had begun on in any case, the rest if it is `chosen`. It `looks` first
/// where all of it is, as it does in any case if the run could not be brought to its end.
fn purge_run(
    site: &Site<'_>,
    run: &Run,
    (chosen, looks): (bool, bool),
    progress: Progress<'_>,
    report: &mut PurgeReport,
) -> Result<(), ApplyError> {
    let wanted = |i: &&Item| i.state == State::Purging || (chosen && i.state == State::Moved);
    let groups = by_session(run.items.values().filter(wanted));
    if groups.is_empty() {
        return Ok(());
    }
    let mut open: HashMap<&str, usize> = HashMap::new();
    for item in run.items.values().filter(|i| !i.state.is_final()) {
        *open.entry(&item.intent.session).or_default() += 1;
    }
    let calls = site.settings.calls;
    let pointed = pointed_at(site.root, site.settings.threads, run, &groups)?;
    let threads = site.settings.threads;
    let (root, now) = (site.root, site.settings.now);
    let looks = looks || !run.open.is_empty();
    let sorting = Sorting { root, run, now, pointed: &pointed, looks };
    let sync = |removed: &[Removed<'_>]| -> io::Result<()> {
        let synced = parallel::map(threads, removed, |one| {
            one.tidied.as_ref().map_or(Ok(()), |tidied| tidied.sync(calls))
        });
        synced.into_iter().collect()
    };
    let (mut journal, mut stopped, mut gone) = (None, None, HashSet::new());
    // Removed, and not yet surely on disk.
    let mut last: Vec<Removed<'_>> = Vec::new();
    let mut rest = &groups[..];
    while !rest.is_empty() {
        let next = if journal.is_none() { begin_with(rest) } else { BATCH };
        let (batch, after) = rest.split_at(next.min(rest.len()));
        rest = after;
        if site.stopped() {
            stopped = Some("a signal".to_owned());
            break;
        }
        site.check()?;
        let mut batch = parallel::map(threads, batch, |group| sorting.sort(group));
        for sorted in &mut batch {
            report.kept.append(&mut sorted.kept);
            report.faults.append(&mut sorted.faults);
        }
        batch.retain(|sorted| !sorted.goes.is_empty() || !sorted.away.is_empty());
        if batch.is_empty() {
            continue;
        }
        let new = journal.is_none();
        let open_journal = match &mut journal {
            Some(journal) => journal,
            None => journal.insert(site.journal(run, Work::Purge)?),
        };
        let items: Vec<u32> =
            batch.iter().flat_map(|sorted| &sorted.goes).map(|i| i.intent.item).collect();
        // I23: the records of the end must find room on a full disk, or the next run starts over.
        let unrecorded = last.iter().map(|removed| removed.done.len()).sum::<usize>()
            + batch.iter().map(|sorted| sorted.goes.len() + sorted.away.len()).sum::<usize>();
        if !items.is_empty() {
            open_journal.add(&Record::Purging { items });
        }
        if let Err(e) = open_journal.reserve(calls, unrecorded as u64 * 12) {
            if new && let Some(journal) = journal {
                journal.discard(calls);
            }
            return Err(ApplyError::journal("reserve space for the journal")(e));
        }
        open_journal.commit(calls).map_err(ApplyError::journal("write the journal"))?;
        let mut freed = Freed::default();
        let going = batch.iter().flat_map(|sorted| &sorted.goes);
        freed.look(site.root, threads, &run.id, going.map(|i| &i.intent));
        // Where there are fewer sessions than threads, each has several.
        let within = threads.div_ceil(batch.len());
        let removal = || {
            parallel::map(threads, &batch, |sorted| {
                let first = sorted.goes.iter().chain(&sorted.away).next();
                let left = first.and_then(|item| open.get(item.intent.session.as_str()));
                let all = left == Some(&(sorted.goes.len() + sorted.away.len()));
                remove(site, &run.id, sorted, (all, within), progress)
            })
        };
        // While the disk takes what the one before removed.
        let (synced, removed) = if last.is_empty() {
            (Ok(()), removal())
        } else {
            parallel::both(threads, || sync(&last), removal)
        };
        // I33: what is gone is gone, whether or not the disk takes it: a run that stops here says so.
        for one in &removed {
            one.done.iter().for_each(|item| report.purged.add(freed.take(item)));
            one.undone.iter().for_each(|item| report.unpurged.add(item.bytes));
            report.faults.extend(one.faults.iter().cloned());
        }
        synced.map_err(ApplyError::io("sync what was purged"))?;
        record(open_journal, &std::mem::replace(&mut last, removed), &mut gone);
    }
    report.stopped = report.stopped.take().or(stopped.clone());
    let Some(mut journal) = journal else { return Ok(()) };
    sync(&last).map_err(ApplyError::io("sync what was purged"))?;
    record(&mut journal, &last, &mut gone);
    if !run.open.is_empty() {
        return site.finish(journal, &run.id, stopped);
    }
    site.end(journal, stopped)?;
    // Its apply came to an end, so nothing is added to it, and states only ever move on.
    if !run.settled && run.is_done_with(&gone) { site.settle(&run.id) } else { Ok(()) }
}

/// How many sessions a purge begins with: what it frees of them lets it go on where the disk is so full
/// that there is no room but what was kept back.
fn begin_with(groups: &[Vec<&Item>]) -> usize {
    let mut items = 0;
    let few = groups.iter().take(BATCH).take_while(|group| {
        items += group.len();
        items <= FEW
    });
    few.count().max(1)
}

/// I24: queues the record of what was removed, once that is on disk. It is written with what comes
/// next: until then all of it is known to be purged or half purged, and whoever looks finds nothing.
fn record<'a>(journal: &mut Journal, removed: &'a [Removed<'a>], gone: &mut HashSet<u32>) {
    let all = |which: fn(&'a Removed<'_>) -> &'a Vec<&'a Intent>| -> Vec<u32> {
        removed.iter().flat_map(which).map(|item| item.item).collect()
    };
    let (purged, missing) = (all(|one| &one.done), all(|one| &one.missing));
    let restored = all(|one| &one.restored);
    gone.extend(purged.iter().chain(&missing).chain(&restored));
    let records = [
        (purged, (|items| Record::Purged { items }) as fn(Vec<u32>) -> Record),
        (missing, |items| Record::Lost { items }),
        (restored, |items| Record::Restored { items }),
    ];
    for (items, record) in records {
        if !items.is_empty() {
            journal.add(&record(items));
        }
    }
}

fn began(run: &Run) -> Option<Time> {
    Time::parse(&run.applied()?.now)
}

/// What became of the checkpoints of one session.
#[derive(Default)]
struct Removed<'a> {
    /// Gone, once `tidied` is synced.
    done: Vec<&'a Intent>,
    missing: Vec<&'a Intent>,
    /// Begun on and not brought to an end, and `missing`.
    undone: Vec<&'a Intent>,
    /// Whole at their paths.
    restored: Vec<&'a Intent>,
    tidied: Option<Tidied>,
    faults: Vec<String>,
}

/// Removes what goes of one session, perhaps `all` that it has in the trash, on so many threads.
fn remove<'a>(
    site: &Site<'_>,
    run: &str,
    sorted: &Sorted<'a>,
    (all, threads): (bool, usize),
    progress: Progress<'_>,
) -> Removed<'a> {
    let calls = site.settings.calls;
    let group: Vec<&Item> = sorted.goes.iter().chain(&sorted.away).copied().collect();
    let intents: Vec<&Intent> = group.iter().map(|i| &i.intent).collect();
    let mut out = Removed::default();
    let found = match Located::open(site.root, run, &intents) {
        Ok(found) => found,
        Err(e) => {
            out.faults.extend(intents.first().map(|item| stays(item, &e)));
            out.undone = intents;
            return out;
        }
    };
    let mut fates = parallel::map(threads, &sorted.goes, |item| {
        found.remove(calls, &item.intent, item.state == State::Purging).map(Some)
    });
    // I23: nothing of these is removed, wherever they have come to lie since: no record says that they go.
    fates.extend(sorted.away.iter().map(|item| found.away(&item.intent)));
    let mut taken = 0;
    for (item, fate) in intents.into_iter().zip(fates) {
        match fate {
            Ok(Some(Fate::Purged)) => out.done.push(item),
            // Somebody restored it since its state was read, or is at it: theirs (I28).
            Ok(Some(Fate::Restored)) => {
                taken += 1;
                let back = found.look(item).is_ok_and(|seen| seen.home == seen.parts);
                out.restored.extend(back.then_some(item));
            }
            Ok(Some(Fate::Missing)) => {
                out.missing.push(item);
                out.undone.push(item);
            }
            Ok(None) => {}
            Err(e) => {
                out.undone.push(item);
                out.faults.push(stays(item, &e));
            }
        }
    }
    if !out.missing.is_empty() {
        out.faults.push(not_found(&group[0].intent.session, out.missing.len(), run));
    }
    match found.tidy(calls) {
        Ok(tidied) => {
            // A slot that is not empty by now holds what no journal names: it stays, and is said (I25).
            if all && out.done.len() + taken == group.len() {
                out.faults.extend(tidied.left.iter().map(|path| {
                    format!("`{path}` holds something that no journal names; it stays")
                }));
            }
            out.tidied = Some(tidied);
        }
        Err(e) => {
            out.undone.append(&mut out.done);
            let session = &group[0].intent.session;
            out.faults.push(format!("the trash of {session} cannot be tidied: {e}"));
        }
    }
    for item in &out.done {
        progress(Event::Purged { session: &item.session, id: &item.id, bytes: item.bytes });
    }
    out
}

/// Purges all of the run that the caller, who has had the lock all the time, just ended: it has verified
/// what it moved where that is now.
pub(super) fn purge_now(
    site: &Site<'_>,
    run: &str,
    progress: Progress<'_>,
    report: &mut PurgeReport,
) -> Result<(), ApplyError> {
    let run = super::journal::history::read_run(Home::journal(site.home), run)
        .map_err(ApplyError::io("read the journal"))?;
    may_act(site.root, &run)?;
    purge_run(site, &run, (true, false), progress, report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::journal::record::Begin;

    #[test]
    fn a_run_expires_when_its_grace_is_over_and_never_by_accident() {
        let at = |seconds: i64| Time::from_nanos(seconds * Time::NANOS_PER_SEC);
        let run = |now: &str, grace_seconds| {
            let mut run = Run::default();
            run.begin = Some(Begin { now: now.to_owned(), grace_seconds, ..Begin::default() });
            run
        };
        let an_hour = run("1970-01-01T00:00:10Z", 3600);
        assert_eq!(expires(&an_hour), Some(at(3610)));
        for (now, expired) in [(3609, false), (3610, true), (3611, true)] {
            assert_eq!(is_expired(&an_hour, at(now)), expired, "{now}");
        }
        // Its beginning is lost, says no time, or its grace is longer than any time.
        for never in [Run::default(), run("soon", 1), run("1970-01-01T00:00:10Z", u64::MAX)] {
            assert_eq!(expires(&never), None);
            assert!(!is_expired(&never, Time::from_nanos(i64::MAX)));
        }
        let far = run("2200-01-01T00:00:00Z", 9_000_000_000);
        assert_eq!(expires(&far), None, "beyond the end of time");
    }
}
