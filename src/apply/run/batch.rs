//! One batch of sessions: as many as share one sync of the journal.

use super::session::{Done, Ready};
use super::{AtHome, Kept};
use crate::apply::cause::{Cause, Why};
use crate::apply::journal::Journal;
use crate::apply::journal::record::Record;
use crate::apply::outcome::{ApplyError, Event, Skip};
use crate::apply::parallel;
use crate::apply::site::Site;
use crate::apply::trash::Slot;
use crate::apply::work::SessionWork;
use crate::core::model::Time;
use crate::store::unit::Past;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

/// Bounds descriptors: a folder of checkpoints takes one, and four for its slot, while those of the
/// next batch are opened.
const MAX_FOLDERS: usize = 64;
/// Bounds what a crash leaves to be looked up.
const MAX_ITEMS: usize = 2048;
/// Journal bytes that the end of an item may need (moved or kept, purging, purged), and of a session.
const PER_ITEM: u64 = 48;
const PER_SESSION: u64 = 2048;

/// Cuts the work into batches.
pub(super) fn split<'s, 'w>(mut work: &'s [&'w SessionWork]) -> Vec<&'s [&'w SessionWork]> {
    let mut out = Vec::new();
    while !work.is_empty() {
        let (mut n, mut items, mut folders) = (0, 0, 0);
        for session in work {
            items += session.deletions.len();
            folders += folders_of(session);
            if n > 0 && (items > MAX_ITEMS || folders > MAX_FOLDERS) {
                break;
            }
            n += 1;
        }
        let (batch, rest) = work.split_at(n);
        out.push(batch);
        work = rest;
    }
    out
}

/// How many directories its checkpoints lie in; one that has none takes its place all the same.
fn folders_of(session: &SessionWork) -> usize {
    let mut all: Vec<_> = Vec::new();
    for dir in session.deletions.iter().flat_map(|d| &d.parts).map(|part| &part.dir) {
        // Nearly always the one before.
        if all.last() != Some(&dir) && !all.contains(&dir) {
            all.push(dir);
        }
    }
    all.len().max(1)
}

/// What became of a look at each session of a batch.
pub(super) type Looked<'w> = Vec<Result<Ready<'w>, Why>>;

/// Looks at the sessions of a batch, of a run that has done this before; `made`: when their plan was.
pub(super) fn look<'w>(
    site: &Site<'_>,
    batch: &[&'w SessionWork],
    pointed: &HashMap<&str, Why>,
    (made, past): (Time, &Mutex<Arc<Past>>),
) -> Looked<'w> {
    let past = Arc::clone(&past.lock().unwrap_or_else(PoisonError::into_inner));
    let threads = site.settings.threads;
    // Where there are fewer sessions than threads, each has several.
    let within = threads.div_ceil(batch.len().max(1));
    parallel::map(threads, batch, |work| match pointed.get(&*work.session) {
        Some(why) => Err(why.clone()),
        None => Ready::look(site.root, work, (made, &past), within),
    })
}

/// Looks once more at what could not be read while another batch was under way: that one held
/// descriptors, for want of which it may have failed.
pub(super) fn again<'w>(
    mut looked: Looked<'w>,
    batch: &[&'w SessionWork],
    look: impl Fn(&[&'w SessionWork]) -> Looked<'w>,
) -> Looked<'w> {
    let unread = |one: &Result<_, Why>| one.as_ref().is_err_and(|w| w.cause == Cause::Unreadable);
    let places: Vec<usize> = (0..looked.len()).filter(|n| unread(&looked[*n])).collect();
    let work: Vec<_> = places.iter().map(|n| batch[*n]).collect();
    for (n, one) in places.into_iter().zip(look(&work)) {
        looked[n] = one;
    }
    looked
}

impl AtHome<'_> {
    /// Carries out a batch as it was `looked` at. Does `then`, a look at the next one, while the disk
    /// takes what this one changed.
    pub(super) fn batch<'w>(
        &mut self,
        site: &Site<'_>,
        batch: &[&'w SessionWork],
        looked: Looked<'w>,
        then: Option<impl Fn() -> Looked<'w> + Sync>,
        journal: &mut Option<Journal>,
        kept: &mut Kept<'w>,
    ) -> Result<Option<Looked<'w>>, ApplyError> {
        let settings = site.settings;
        let mut ready = Vec::new();
        for (work, result) in batch.iter().zip(looked) {
            match result {
                Ok(session) => {
                    self.report.gone += session.seen.gone.len() as u64;
                    if session.seen.deletions.is_empty() {
                        self.settled += 1;
                    } else {
                        ready.push(session);
                    }
                }
                Err(why) => self.skip(journal, work, why),
            }
        }
        if ready.is_empty() {
            return Ok(None);
        }
        // I23: nothing moves before the disk knows what will, and has room for what comes of it.
        let new = journal.is_none();
        let open = self.journal(site, journal)?;
        for session in &ready {
            session.intents().for_each(|intent| open.add(&Record::Intent(intent)));
        }
        let room = ready.iter().map(|session| room(session.seen.deletions.len())).sum();
        let reserved = open.reserve(settings.calls, room);
        if let Err(e) = reserved {
            // Nothing was begun, and no later command has to hear of it.
            if new && let Some(journal) = journal.take() {
                journal.discard(settings.calls);
                self.report.run =
                    self.report.run.take().filter(|_| self.report.moved.checkpoints > 0);
            }
            return Err(ApplyError::journal("reserve space for the journal")(e));
        }
        let journal = self.journal(site, journal)?;
        journal.commit(settings.calls).map_err(ApplyError::journal("write the journal"))?;

        let halt = AtomicBool::new(false);
        let within = settings.threads.div_ceil(ready.len());
        let done = parallel::map(settings.threads, &ready, |session| {
            session.carry_out(site, &self.begin.run, (&halt, within), self.progress)
        });
        let moved: Vec<_> = ready.iter().zip(done).collect();
        // I33: what moved has moved, whether or not the disk takes it: a run that stops here says so.
        for (session, done) in &moved {
            session.bytes_of(&done.moved).for_each(|bytes| self.report.moved.add(bytes));
            self.note(done);
        }
        // I24: the directories are on disk before a record says that anything moved.
        let all =
            || parallel::map(settings.threads, &moved, |(session, done)| sync(site, session, done));
        let goes_on = !site.stopped() && moved.iter().all(|(_, done)| done.halt.is_none());
        let (synced, ahead) = match then.filter(|_| goes_on) {
            Some(then) => {
                let (synced, ahead) = parallel::both(settings.threads, all, then);
                (synced, Some(ahead))
            }
            None => (all(), None),
        };
        synced
            .into_iter()
            .collect::<std::io::Result<()>>()
            .map_err(ApplyError::io("sync the trash"))?;
        // Written with what comes next, the intents of another batch or the end: until then
        // recovery goes by the file system, and finds all of it whole in the trash.
        let mut why = None;
        for (session, done) in moved {
            why = why.or(self.record(journal, session, done, kept));
        }
        match why {
            Some(why) => Err(super::halt(why)),
            None => Ok(ahead),
        }
    }

    /// Before the next batch is looked at: what of it has other links to what moved is as it was.
    fn note(&self, done: &Done) {
        if !done.linked.is_empty() {
            let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
            let past = Arc::make_mut(&mut past);
            done.linked.iter().for_each(|(inode, was, is)| past.note(*inode, *was, *is));
        }
    }

    fn skip(&mut self, journal: &mut Option<Journal>, work: &SessionWork, why: Why) {
        self.settled += 1;
        let Why { cause, text: why } = why;
        (self.progress)(Event::Skipped { session: &work.session, why: &why });
        if let Some(journal) = journal {
            journal.add(&Record::Skipped { session: work.session.clone(), why: short(&why) });
        }
        self.report.skipped.push(Skip { session: work.session.clone(), id: None, cause, why });
    }

    /// Queues the records of a session; gives the reason to stop, if there is one.
    fn record<'w>(
        &mut self,
        journal: &mut Journal,
        session: &Ready<'w>,
        done: Done,
        kept: &mut Kept<'w>,
    ) -> Option<String> {
        if !done.moved.is_empty() {
            kept.extend(session.seen.witnesses.iter().copied());
            journal.add(&Record::Moved { items: done.moved });
        }
        if !done.gone.is_empty() {
            self.report.gone += done.gone.len() as u64;
            journal.add(&Record::Gone { items: done.gone });
        }
        let (cause, why) = done.why.map_or((None, String::new()), |w| (Some(w.cause), w.text));
        if !done.kept.is_empty() {
            journal.add(&Record::Kept { items: done.kept, why: short(&why) });
        }
        self.settled += u64::from(!done.stopped && done.halt.is_none());
        if done.stopped {
            self.report.stopped = Some(why);
        } else if let (Some(cause), None) = (cause, &done.halt) {
            let session = &session.seen.work.session;
            (self.progress)(Event::Skipped { session, why: &why });
            journal.add(&Record::Skipped { session: session.clone(), why: short(&why) });
            self.report.skipped.push(Skip { session: session.clone(), id: None, cause, why });
        }
        done.halt
    }
}

/// Journal bytes that may come of a session with so many deletions.
fn room(deletions: usize) -> u64 {
    PER_SESSION + deletions as u64 * PER_ITEM
}

/// Texts of the system stay within the space that is reserved for a record.
fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

fn sync(site: &Site<'_>, session: &Ready<'_>, done: &Done) -> std::io::Result<()> {
    if !done.touched {
        return Ok(());
    }
    let calls = site.settings.calls;
    // Where things are now before where they were.
    done.slots.values().try_for_each(|slot: &Slot| slot.sync(calls))?;
    session.folders().try_for_each(|rel| calls.sync(session.seen.dirs.get(rel)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::dir::Rel;
    use crate::apply::work::{Deletion, Place};

    fn session(deletions: usize) -> SessionWork {
        let deletion = |item| Deletion {
            item,
            id: String::new(),
            bytes: 0,
            why: String::new(),
            parts: Vec::new(),
            fingerprint: Default::default(),
        };
        let deletions = (0..).take(deletions).map(deletion).collect();
        SessionWork { session: String::new(), deletions, witnesses: Vec::new() }
    }

    #[test]
    fn a_batch_has_few_sessions_and_few_checkpoints_or_one_session() {
        for (sizes, wanted) in [
            (vec![], vec![]),
            (vec![1; 64], vec![64]),
            (vec![1; 65], vec![64, 1]),
            (vec![1; 129], vec![64, 64, 1]),
            (vec![1024, 1024, 1], vec![2, 1]),
            (vec![1024, 1025, 1], vec![1, 2]),
            (vec![5000], vec![1]),
            (vec![1, 5000, 1], vec![1, 1, 1]),
            (vec![0, 2048, 0, 1], vec![3, 1]),
        ] {
            let all: Vec<SessionWork> = sizes.iter().map(|n| session(*n)).collect();
            assert_eq!(lengths(&all), wanted, "{sizes:?}");
        }
    }

    /// Each folder costs descriptors, whosever it is.
    #[test]
    fn a_batch_has_few_folders_or_one_session() {
        for (folders, wanted) in [
            (vec![8; 8], vec![8]),
            (vec![8; 9], vec![8, 1]),
            (vec![32, 32, 1], vec![2, 1]),
            (vec![100, 1, 63, 1], vec![1, 2, 1]),
        ] {
            let all: Vec<SessionWork> = folders.iter().map(|n| in_folders(*n)).collect();
            assert_eq!(lengths(&all), wanted, "{folders:?}");
        }
    }

    /// The lengths of the batches, which hold all sessions in their order.
    fn lengths(all: &[SessionWork]) -> Vec<usize> {
        let all: Vec<&SessionWork> = all.iter().collect();
        let batches = split(&all);
        assert!(batches.concat().iter().zip(&all).all(|(a, b)| std::ptr::eq(*a, *b)));
        assert_eq!(batches.concat().len(), all.len());
        batches.iter().map(|b| b.len()).collect()
    }

    /// A session of two checkpoints, both of which have a part in each of so many folders.
    fn in_folders(many: usize) -> SessionWork {
        let part = |n| Place { dir: Rel::parse(&format!("f-{n}")).unwrap(), name: c"x".into() };
        let mut out = session(2);
        out.deletions.iter_mut().for_each(|d| d.parts = (0..many).map(part).collect());
        out
    }

    #[test]
    fn what_could_not_be_read_beside_another_batch_is_looked_at_again_and_nothing_else() {
        let sessions = ["a", "b", "c", "d"];
        let work = sessions.map(|name| SessionWork { session: name.to_owned(), ..session(0) });
        let batch: Vec<&SessionWork> = work.iter().collect();
        let first = [Cause::Unreadable, Cause::Changed, Cause::Wanted, Cause::Unreadable];
        let looked: Looked<'_> = first.iter().map(|cause| Err(cause.because("first"))).collect();
        let look = |some: &[&SessionWork]| -> Looked<'_> {
            some.iter().map(|w| Err(Cause::Changed.because(w.session.as_str()))).collect()
        };
        let told = again(looked, &batch, look).into_iter().map(|one| one.err().unwrap().text);
        assert_eq!(told.collect::<Vec<_>>(), ["a", "first", "first", "d"]);
    }

    #[test]
    fn texts_fit_the_room_that_is_reserved() {
        assert_eq!([0, 1, 100].map(room), [PER_SESSION, PER_SESSION + 48, PER_SESSION + 4800]);
        assert_eq!(short("why"), "why");
        assert_eq!(short(&"\u{e9}".repeat(300)), "\u{e9}".repeat(200));
    }
}
