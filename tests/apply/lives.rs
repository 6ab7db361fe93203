//! Runs in a journal: which are alive, which are read whole, and in which order, who wrote them, and
//! what is said of the one that works.

use crate::faulty::{Meanwhile, Moment};
use crate::support::*;
use retain::apply::journal::decode;
use retain::apply::journal::history::{self, Settled, State};
use retain::apply::journal::record::{Begin, Intent, Record, Work};
use retain::apply::{ApplyError, What, Which, purge, recover, undo};
use rustix::fd::AsFd as _;
use rustix::io::Errno;
use std::fs;

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

#[test]
fn i28_a_run_is_alive_if_its_journal_is_locked_or_without_locks_its_process_runs() {
    let store = Store::new();
    let dir = fs::File::open(store.path(".retain/journal")).unwrap();
    let begin =
        |run: &str, pid| Begin { run: run.to_owned(), pid, boot: boot(), ..Begin::default() };
    drop(write(&dir, begin("mine", std::process::id()), &[]));
    drop(write(&dir, begin("dead", u32::MAX), &[]));
    for (run, errno, alive) in [
        ("mine", None, false),
        ("dead", None, false),
        ("mine", Some(Errno::WOULDBLOCK), true),
        ("dead", Some(Errno::WOULDBLOCK), true),
        ("mine", Some(Errno::NOLCK), true),
        ("dead", Some(Errno::NOLCK), false),
    ] {
        let read = history::read_run(dir.as_fd(), run).unwrap();
        let (from, errno) = errno.map_or((usize::MAX, Errno::IO), |errno| (0, errno));
        let calls = Meanwhile::with_locks_failing(from, errno);
        assert_eq!(read.is_live(&calls, dir.as_fd()).unwrap(), alive, "{run} {errno:?}");
    }
}

#[test]
fn runs_are_read_oldest_first_and_settled_ones_by_their_beginning() {
    let store = Store::new();
    let dir = fs::File::open(store.path(".retain/journal")).unwrap();
    let begin = |run: &str, now: &str, work| Begin {
        run: run.to_owned(),
        now: now.to_owned(),
        work,
        ..Begin::default()
    };
    let intent = Record::Intent(Intent::default());
    let end = Record::End { stopped: None };
    drop(write(&dir, begin("a", "2026-01-03T00:00:00Z", Work::Apply), &[intent, end.clone()]));
    let moved = Record::Moved { items: vec![0] };
    drop(write(&dir, begin("a", "2026-01-04T00:00:00Z", Work::Undo), &[moved, end.clone()]));
    drop(write(&dir, begin("b", "2026-01-01T00:00:00Z", Work::Apply), std::slice::from_ref(&end)));
    drop(write(&dir, begin("c", "2026-01-02T00:00:00Z", Work::Apply), &[end]));
    for settled in [false, true] {
        if settled {
            fs::write(store.path(".retain/journal/a.settled"), "").unwrap();
        }
        for part in [Settled::Beginning, Settled::Whole, Settled::But(Some("a"))] {
            let runs = history::read(dir.as_fd(), part).unwrap();
            let ids: Vec<&str> = runs.iter().map(|r| &*r.id).collect();
            assert_eq!(ids, ["b", "c", "a"]);
            let begun = settled && part == Settled::Beginning;
            let wanted = if begun { State::Intent } else { State::Moved };
            assert_eq!((runs[2].settled, runs[2].items[&0].state), (settled, wanted));
        }
        for but in [None, Some("b")] {
            let runs = history::read(dir.as_fd(), Settled::But(but)).unwrap();
            assert_eq!(runs.len(), if settled { 2 } else { 3 }, "{but:?}");
        }
    }
}

/// 100 KiB of it, of which a beginning is 64.
#[test]
fn of_a_settled_run_all_is_read_for_who_asks_for_all() {
    let store = Store::new();
    let dir = fs::File::open(store.path(".retain/journal")).unwrap();
    let begin = Begin { run: "a".to_owned(), ..Begin::default() };
    let long = "s".repeat(1000);
    let mut records: Vec<Record> = (0..100)
        .map(|item| Record::Intent(Intent { item, session: long.clone(), ..Intent::default() }))
        .collect();
    records.push(Record::End { stopped: None });
    drop(write(&dir, begin, &records));
    for settled in [false, true] {
        if settled {
            fs::write(store.path(".retain/journal/a.settled"), "").unwrap();
        }
        for part in [Settled::Beginning, Settled::Whole, Settled::But(Some("a"))] {
            let items = history::read(dir.as_fd(), part).unwrap()[0].items.len();
            let all = !settled || part != Settled::Beginning;
            assert_eq!(items == 100, all, "{settled} {part:?}: {items}");
        }
    }
}

#[test]
fn each_file_of_a_run_says_who_wrote_it_and_a_run_that_is_done_is_marked() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let settled = store.path(format!(".retain/journal/{run}.settled"));
    for (checkpoint, done) in [(Some("20"), false), (None, true)] {
        let what = What { run: &run, session: None, checkpoint };
        undo(&store.root(), &what, &settings(later(60)), &silent).unwrap();
        assert_eq!(settled.exists(), done, "{checkpoint:?}");
    }
    for (file, work, at) in [("0000", Work::Apply, now()), ("0001", Work::Undo, later(60))] {
        let name = format!("{run}.{file}");
        let bytes = fs::read(store.path(format!(".retain/journal/{name}"))).unwrap();
        let Record::Begin(begin) = decode(&bytes, &name).records.remove(0) else {
            panic!("{file}")
        };
        assert_eq!((begin.work, begin.now, begin.boot), (work, at.to_string(), boot()));
        assert_eq!(
            (begin.pid, begin.uid),
            (std::process::id(), rustix::process::geteuid().as_raw())
        );
        assert!(begin.tool.starts_with("retain "), "{}", begin.tool);
    }
    // Another process of another boot was cut off.
    let store = Store::new();
    let dir = fs::File::open(store.path(".retain/journal")).unwrap();
    let begin = Begin {
        run: "cut".to_owned(),
        root: store.root().id.clone().unwrap(),
        pid: u32::MAX,
        uid: 77,
        boot: "another".to_owned(),
        ..Begin::default()
    };
    drop(write(&dir, begin, &[Record::Intent(Intent::default())]));
    recover(&store.root(), &settings(later(60)), &silent).unwrap().unwrap();
    let bytes = fs::read(store.path(".retain/journal/cut.0001")).unwrap();
    let Record::Begin(begin) = decode(&bytes, "cut.0001").records.remove(0) else { panic!() };
    assert_eq!((begin.work, begin.now, begin.boot), (Work::Recover, later(60).to_string(), boot()));
    assert_eq!((begin.pid, begin.uid), (std::process::id(), rustix::process::geteuid().as_raw()));
    assert!(begin.tool.starts_with("retain "), "{}", begin.tool);
}

/// I30: a copy of another root's `.retain` names checkpoints that are not this one's.
#[test]
fn i30_a_journal_of_another_root_is_not_acted_upon() {
    let store = Store::new();
    let dir = fs::File::open(store.path(".retain/journal")).unwrap();
    let root = "0".repeat(32);
    let begin = Begin { run: "theirs".to_owned(), root, ..Begin::default() };
    drop(write(&dir, begin, &[Record::Intent(Intent::default())]));
    let journals = || {
        let all = fs::read_dir(store.path(".retain/journal")).unwrap().map(|e| e.unwrap());
        all.filter(|e| e.file_name() != "spare").count()
    };
    let recovered = recover(&store.root(), &settings(now()), &silent).unwrap();
    let faults = recovered.unwrap().faults;
    assert!(faults[0].starts_with("run theirs is of another root"), "{faults:?}");
    let what = What { run: "theirs", session: None, checkpoint: None };
    let error = undo(&store.root(), &what, &settings(now()), &silent).unwrap_err();
    assert!(matches!(error, ApplyError::OtherRootsRun { .. }), "{error}");
    purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
    assert_eq!(journals(), 1);
}

/// I14, I33: a keeper that is written to while others are moved.
#[test]
fn a_keeper_that_changes_during_the_run_is_noticed() {
    let keeper = "b/mnist/2/checkpoint-40/model.bin";
    // Before session `b` begins: it stays whole. With its last rename: an error.
    for (at, moment) in [(0, Moment::Before), (5, Moment::After)] {
        let store = Store::sample();
        let calls = Meanwhile::new(|now, n| {
            if (now, n) == (moment, at) {
                store.file(keeper, "WEIGHTS");
            }
        });
        let done = store.apply_with(&store.sample_plan(), &with_calls(&calls));
        if at == 0 {
            let report = done.unwrap();
            assert_eq!(report.moved.checkpoints, 3);
            assert!(report.skipped[0].why.contains("which was to stay, has changed"));
        } else {
            let Err(ApplyError::Stopped { why, report, .. }) = done else { panic!("{done:?}") };
            assert!(why.contains("b/mnist/2 40 was to stay and has changed"), "{why}");
            assert_eq!(report.moved.checkpoints, 6);
        }
    }
}

#[test]
fn an_undo_whose_folder_is_gone_says_so_and_restores_the_rest() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    fs::remove_dir_all(store.path("a")).unwrap();
    let what = What { run: &run, session: None, checkpoint: None };
    let report = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    assert_eq!((report.restored.checkpoints, report.skipped.len()), (3, 3));
    assert!(report.skipped.iter().all(|s| s.why.contains("neither in the trash")), "{report:?}");
    // What stands where the folder was is not gone, and not restored into either.
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    fs::rename(store.path("a"), store.path("moved")).unwrap();
    store.file("a", "");
    let what = What { run: &run, session: None, checkpoint: None };
    let report = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    assert_eq!((report.restored.checkpoints, report.skipped.len()), (3, 3));
    assert!(report.skipped.iter().all(|s| s.why.contains("Not a directory")), "{report:?}");
}
