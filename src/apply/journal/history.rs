//! Folds the files of a run into what is known about each of its checkpoints.
//!
//! Order does not matter: a state only ever moves forward, so files of several processes merge as
//! a union, whichever of them is read first.

use super::frame;
use super::record::{Begin, Intent, Record, Work};
use crate::apply::calls::Calls;
use crate::apply::dir;
use crate::apply::site;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashSet};
use std::ffi::{CStr, CString};
use std::io;
use std::path::Path;

/// A journal larger than this is somebody's attack on memory.
const MAX_FILE: u64 = 4 << 30;
/// The same for one that is not acted upon, which its owner may have written for that.
const MAX_FOREIGN: u64 = 16 << 20;
/// Enough of a settled run for its first record.
const HEAD: u64 = 64 << 10;
/// What a run's last file is called once nothing is left to do for it.
pub const SETTLED: &str = "settled";

/// Where a checkpoint of a run stands. Later states win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Announced; the file system knows more.
    Intent,
    /// Whole in the trash.
    Moved,
    /// Partly or wholly purged.
    Purging,
    Kept,
    Gone,
    Lost,
    Restored,
    Purged,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Intent => "intended",
            State::Moved => "moved",
            State::Purging => "purging",
            State::Kept => "kept",
            State::Gone => "gone",
            State::Lost => "lost",
            State::Restored => "restored",
            State::Purged => "purged",
        }
    }

    /// Nothing of it is in the trash (any more).
    pub fn is_final(self) -> bool {
        self >= State::Kept
    }
}

/// One checkpoint of a run.
#[derive(Clone, Debug)]
pub struct Item {
    pub intent: Intent,
    pub state: State,
}

/// A file without an end, and who began it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    pub name: CString,
    pub pid: u32,
    pub boot: String,
}

impl Open {
    /// For file systems without locks: its writer runs, on this machine, since it was booted.
    fn process_lives(&self) -> bool {
        let boot = site::boot();
        let proc = format!("/proc/{}", self.pid);
        !boot.is_empty() && self.boot == boot && Path::new(&proc).exists()
    }
}

/// All that a run's journal says.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub id: String,
    /// Of the apply that began it; `None` if its first file is torn at the start.
    pub begin: Option<Begin>,
    pub items: BTreeMap<u32, Item>,
    /// Sessions that were left alone, and why.
    pub skipped: Vec<(String, String)>,
    /// The apply came to its end; why it stopped early, if it did.
    pub ended: Option<Option<String>>,
    /// How many files of the apply did not come to their end by themselves, whoever brought it to one.
    pub cut_off: usize,
    /// A file has a hole: some records are missing.
    pub damaged: bool,
    pub newer: bool,
    /// The path of the first of its files that cannot be read, and why: what it did is not known.
    pub unreadable: Option<(String, String)>,
    /// A user who is not this one owns a file of it, so that its content is not acted upon (I30).
    pub foreign: Option<u32>,
    pub settled: bool,
    /// Files whose writer did not come to an end, or has not yet.
    pub open: Vec<Open>,
    /// States of items whose intent is missing.
    orphans: BTreeMap<u32, State>,
}

impl Run {
    fn take(&mut self, record: Record) {
        match record {
            Record::Begin(begin) => {
                if begin.work == Work::Apply || self.begin.is_none() {
                    self.begin = Some(begin);
                }
            }
            Record::Intent(intent) => {
                let state = self.orphans.remove(&intent.item).unwrap_or(State::Intent);
                self.items.entry(intent.item).or_insert(Item { intent, state });
            }
            Record::Moved { items } => self.advance(&items, State::Moved),
            Record::Kept { items, .. } => self.advance(&items, State::Kept),
            Record::Gone { items } => self.advance(&items, State::Gone),
            Record::Skipped { session, why } => self.skipped.push((session, why)),
            Record::Purging { items } => self.advance(&items, State::Purging),
            Record::Purged { items } => self.advance(&items, State::Purged),
            Record::Restored { items } => self.advance(&items, State::Restored),
            Record::Lost { items } => self.advance(&items, State::Lost),
            Record::End { stopped } => self.ended = Some(stopped),
        }
    }

    fn advance(&mut self, items: &[u32], state: State) {
        for item in items {
            let known = match self.items.get_mut(item) {
                Some(item) => &mut item.state,
                None => self.orphans.entry(*item).or_insert(State::Intent),
            };
            *known = (*known).max(state);
        }
    }

    /// Somebody still writes one of its files: it is locked, or, where there are no locks, its
    /// writer is a process of this machine that lives. Writers elsewhere cannot be told then; that
    /// is why each step goes by the file system, and a claim is a rename (I28).
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn is_live(&self, calls: &dyn Calls, dir: BorrowedFd<'_>) -> io::Result<bool> {
        for open in &self.open {
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = fs::openat(dir, open.name.as_c_str(), flags, Mode::empty())?;
            match calls.lock(file.as_fd()) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(_) if open.process_lives() => return Ok(true),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    /// As [`Run::is_live`], for those who may only read and must not get in a writer's way. What
    /// cannot be looked at is not alive: better said too often than not.
    pub fn seems_live(&self, dir: BorrowedFd<'_>) -> bool {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        self.open.iter().any(|open| {
            let file = fs::openat(dir, open.name.as_c_str(), flags, Mode::empty());
            match file.and_then(|f| fs::flock(f, FlockOperation::NonBlockingLockShared)) {
                Ok(()) => false,
                Err(Errno::WOULDBLOCK) => true,
                Err(_) => open.process_lives(),
            }
        })
    }

    /// Nothing is left in the trash, as far as its journal tells: of a damaged one nobody knows.
    pub fn is_done(&self) -> bool {
        self.is_done_with(&HashSet::new())
    }

    /// As [`Run::is_done`], once these items are gone as well.
    pub fn is_done_with(&self, gone: &HashSet<u32>) -> bool {
        let done = |i: &Item| i.state.is_final() || gone.contains(&i.intent.item);
        !self.damaged && self.orphans.is_empty() && self.items.values().all(done)
    }

    /// It moved something, as far as its journal tells: of a damaged one nobody knows, nor of one that
    /// was cut off, whatever was put back since.
    pub fn moved_any(&self) -> bool {
        let stayed = |i: &Item| matches!(i.state, State::Kept | State::Gone);
        let known = self.cut_off == 0 && !self.damaged && self.orphans.is_empty();
        !known || !self.items.values().all(stayed)
    }

    /// The beginning of the apply itself. The others repeat it as far as they know it: with a
    /// beginning that was lost they knew nothing, and no grace.
    pub fn applied(&self) -> Option<&Begin> {
        self.begin.as_ref().filter(|begin| begin.work == Work::Apply)
    }
}

/// How much is read of runs for which nothing is left to do. Journals are never pruned: what reads
/// the whole of each takes longer every night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled<'a> {
    /// Nothing, but of the run with this id all of it; the others are left out.
    But(Option<&'a str>),
    /// The beginning: when, by whom, and of which plan.
    Beginning,
    Whole,
}

/// The runs in a journal directory, oldest first. A file that cannot be read is noted in its run.
///
/// # Errors
/// The directory cannot be read.
pub fn read(dir: BorrowedFd<'_>, settled: Settled<'_>) -> io::Result<Vec<Run>> {
    let mut files: BTreeMap<String, Vec<CString>> = BTreeMap::new();
    for name in dir::names(dir)? {
        if let Some((run, _)) = name.to_str().ok().and_then(parse_name) {
            files.entry(run.to_owned()).or_default().push(name);
        }
    }
    if let Settled::But(one) = settled {
        files.retain(|id, names| one == Some(id) || !names.iter().any(|n| is_mark(n)));
    }
    let whole = settled != Settled::Beginning;
    let mut runs =
        files.into_iter().map(|(id, names)| fold(dir, id, &names, whole)).collect::<Vec<Run>>();
    runs.sort_by(|a, b| when(a).cmp(&when(b)));
    Ok(runs)
}

/// Ids of the runs in a journal directory, each once.
///
/// # Errors
/// The directory cannot be read.
pub fn ids(dir: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut ids: Vec<String> = dir::names(dir)?
        .iter()
        .filter_map(|n| Some(parse_name(n.to_str().ok()?)?.0.to_owned()))
        .collect();
    ids.dedup();
    Ok(ids)
}

/// One run, all of it; an empty one if there is no such run.
///
/// # Errors
/// As [`read`].
pub fn read_run(dir: BorrowedFd<'_>, id: &str) -> io::Result<Run> {
    let mut names = dir::names(dir)?;
    names.retain(|n| n.to_str().ok().and_then(parse_name).is_some_and(|(run, _)| run == id));
    Ok(fold(dir, id.to_owned(), &names, true))
}

/// Whether a file of a journal only says that nothing is left to do.
fn is_mark(name: &CStr) -> bool {
    name.to_bytes().ends_with(SETTLED.as_bytes())
}

/// `whole`: also if it is settled.
fn fold(dir: BorrowedFd<'_>, id: String, names: &[CString], whole: bool) -> Run {
    let uid = rustix::process::geteuid().as_raw();
    let settled = names.iter().any(|n| is_mark(n));
    let mut run = Run { id, settled, ..Run::default() };
    for name in names.iter().filter(|n| !is_mark(n)) {
        let (decoded, owner) = match read_file(dir, name, settled && !whole) {
            Ok(read) => read,
            // It says nothing about any other run.
            Err(e) => {
                let file = format!("{}/{}", dir::shown(dir), name.to_string_lossy());
                run.unreadable.get_or_insert((file, e.to_string()));
                run.damaged = true;
                continue;
            }
        };
        run.foreign = run.foreign.or((owner != uid).then_some(owner));
        run.damaged |= decoded.damaged;
        run.newer |= decoded.newer;
        let (mut work, mut ended, mut writer) = (Work::Apply, false, Open::default());
        for record in decoded.records {
            match &record {
                Record::Begin(begin) => {
                    work = begin.work;
                    (writer.pid, writer.boot) = (begin.pid, begin.boot.clone());
                }
                Record::End { .. } => ended = true,
                _ => {}
            }
            run.take(record);
        }
        run.cut_off += usize::from(!ended && work == Work::Apply);
        match (ended, work) {
            (false, _) => run.open.push(Open { name: name.clone(), ..writer }),
            // A recovery that came to its end has looked after all files before its own.
            (true, Work::Recover) => run.open.clear(),
            (true, _) => {}
        }
        if settled && !whole {
            break;
        }
    }
    run
}

fn when(run: &Run) -> (&str, &str) {
    (run.begin.as_ref().map_or("", |b| b.now.as_str()), &run.id)
}

/// I30, I31: a file of somebody else that is no journal, or one without an end, counts as damaged; it
/// must not stop those who may not act on it anyway.
fn read_file(dir: BorrowedFd<'_>, name: &CStr, head: bool) -> io::Result<(frame::Decoded, u32)> {
    let text = name.to_str().map_err(io::Error::other)?;
    let owner = dir::look(dir, name)?.map(|stat| stat.stx_uid);
    let own = rustix::process::geteuid().as_raw();
    let theirs = owner.filter(|uid| *uid != own);
    let read = match (head, theirs) {
        (true, _) => dir::read_head(dir, name, HEAD),
        (false, Some(_)) => dir::read_file(dir, name, MAX_FOREIGN),
        (false, None) => dir::read_file(dir, name, MAX_FILE),
    };
    match (read, theirs) {
        (Ok((bytes, stat)), _) => Ok((frame::decode(&bytes, text), stat.stx_uid)),
        (Err(_), Some(uid)) => {
            Ok((frame::Decoded { damaged: true, ..frame::Decoded::default() }, uid))
        }
        (Err(e), None) => Err(e),
    }
}

/// `RUN` and what follows its dot, for names that are a journal's.
pub fn parse_name(name: &str) -> Option<(&str, &str)> {
    let (run, suffix) = name.split_once('.')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let number = suffix.len() == 4 && suffix.bytes().all(|b| b.is_ascii_digit());
    (!run.is_empty() && run.bytes().all(plain) && (number || suffix == SETTLED))
        .then_some((run, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_names_are_a_journals() {
        for (name, wanted) in [
            ("20260131-100000-aabbccdd.0000", Some(("20260131-100000-aabbccdd", "0000"))),
            ("r.0123", Some(("r", "0123"))),
            ("r.settled", Some(("r", "settled"))),
            (".0000", None),
            ("r", None),
            ("r.000", None),
            ("r.00000", None),
            ("r.00a0", None),
            ("r.0000.0000", None),
            ("r_s.0000", None),
            ("r/s.0000", None),
            ("r.Settled", None),
        ] {
            assert_eq!(parse_name(name), wanted, "{name}");
        }
    }

    #[test]
    fn states_only_move_on_whatever_is_read_first() {
        let all = [
            (State::Intent, "intended", false),
            (State::Moved, "moved", false),
            (State::Purging, "purging", false),
            (State::Kept, "kept", true),
            (State::Gone, "gone", true),
            (State::Lost, "lost", true),
            (State::Restored, "restored", true),
            (State::Purged, "purged", true),
        ];
        for (n, (state, word, last)) in all.iter().enumerate() {
            assert_eq!((state.as_str(), state.is_final()), (*word, *last));
            assert!(all[..n].iter().all(|(earlier, ..)| earlier < state), "{word}");
        }
        let items = || vec![1];
        let records = [
            Record::Intent(Intent { item: 1, id: "ten".into(), ..Intent::default() }),
            Record::Moved { items: items() },
            Record::Purging { items: items() },
            Record::Purged { items: items() },
        ];
        // Every rotation, forwards and backwards.
        for turn in 0..records.len() {
            for back in [false, true] {
                let mut order = records.to_vec();
                order.rotate_left(turn);
                if back {
                    order.reverse();
                }
                let mut run = Run::default();
                for record in order {
                    run.take(record);
                }
                let item = &run.items[&1];
                assert_eq!((&*item.intent.id, item.state), ("ten", State::Purged), "{turn} {back}");
                assert!(run.is_done() && run.orphans.is_empty());
            }
        }
        let mut run = Run::default();
        run.take(records[0].clone());
        assert!(!run.is_done());
    }

    #[test]
    fn each_record_does_what_it_says() {
        let intent = |item| Record::Intent(Intent { item, ..Intent::default() });
        let mut run = Run::default();
        for n in 0..7 {
            run.take(intent(n));
        }
        let (kept, why) = (vec![1], "why".to_owned());
        run.take(Record::Moved { items: vec![0] });
        run.take(Record::Kept { items: kept, why: why.clone() });
        run.take(Record::Gone { items: vec![2] });
        run.take(Record::Purging { items: vec![3] });
        run.take(Record::Purged { items: vec![4] });
        run.take(Record::Restored { items: vec![5] });
        run.take(Record::Lost { items: vec![6] });
        run.take(Record::Skipped { session: "s".into(), why: why.clone() });
        run.take(Record::End { stopped: Some(why) });
        let states: Vec<State> = run.items.values().map(|i| i.state).collect();
        let wanted = [
            State::Moved,
            State::Kept,
            State::Gone,
            State::Purging,
            State::Purged,
            State::Restored,
            State::Lost,
        ];
        assert_eq!(states, wanted);
        assert_eq!(run.skipped, [("s".to_owned(), "why".to_owned())]);
        assert_eq!(run.ended, Some(Some("why".to_owned())));
        // The apply's own beginning counts, whichever file is read first.
        let begin = |work, pid| Record::Begin(Begin { work, pid, ..Begin::default() });
        let began = |run: &Run| run.begin.as_ref().map(|b| b.pid);
        for order in [[(Work::Undo, 1), (Work::Apply, 2)], [(Work::Apply, 2), (Work::Undo, 1)]] {
            let mut run = Run::default();
            for (work, pid) in order {
                run.take(begin(work, pid));
            }
            assert_eq!(began(&run), Some(2));
        }
    }

    #[test]
    fn a_writer_lives_if_it_runs_here_since_this_machine_was_booted() {
        let (pid, boot) = (site::pid(), site::boot());
        assert!(!boot.is_empty());
        let lives = |pid, boot: &str| {
            Open { name: CString::default(), pid, boot: boot.to_owned() }.process_lives()
        };
        assert!(lives(pid, &boot));
        assert!(!lives(pid, "another boot") && !lives(pid, "") && !lives(u32::MAX, &boot));
    }
}
