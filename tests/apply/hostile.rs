//! What somebody puts into the state beside their own checkpoints keeps nobody else from cleaning, and
//! costs them no memory (I30, I31). Needs root.

use crate::privileged::{ALICE, give, have_root};
use crate::support::*;
use retain::apply::{Settings, Which, purge, recover, runs};
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

const JOURNAL: &str = "a/mnist/1/.retain/journal";
const RUN: &str = "20200101-000000-0badc0de";

fn fifo(at: &Path) {
    let path = std::ffi::CString::new(at.as_os_str().as_bytes()).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
}

/// A journal of Alice's own that was well made, of the year 2100.
fn of_the_future(at: &Path) {
    let store = Store::sample();
    let ahead = time("2100-01-01T00:00:00Z");
    let mut plan = store.sample_plan();
    plan.now = ahead.to_string();
    let options =
        retain::apply::ApplyOptions { settings: settings(ahead), grace: None, purge_now: false };
    let run = store.apply_with(&plan.seal(), &options).unwrap().run.unwrap();
    let made = store.path(format!(".retain/journal/{run}.0000"));
    fs::copy(made, at.with_file_name(format!("{run}.0000"))).unwrap();
}

const FILES: &[(&str, fn(&Path))] = &[
    ("newer", |at| fs::write(at, "retain-journal/2\nrJ").unwrap()),
    ("a fifo", fifo),
    ("a directory", |at| fs::create_dir(at).unwrap()),
    ("a symlink", |at| std::os::unix::fs::symlink("/dev/zero", at).unwrap()),
    ("without an end", |at| fs::File::create(at).unwrap().set_len(3 << 30).unwrap()),
    ("of the future", of_the_future),
];

/// An administrator's whole night: recovery, apply, purge.
fn night(store: &Store, what: &str) -> Vec<String> {
    let settings = Settings { lock_wait: Duration::ZERO, ..settings(now()) };
    let told = recover(&store.root(), &settings, &silent)
        .unwrap_or_else(|e| panic!("{what}: {e}"))
        .map(|r| r.faults)
        .unwrap_or_default();
    let report = store.apply(&store.sample_plan()).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(report.moved.checkpoints, 6, "{what}: {:?}", report.skipped);
    let done = purge(&store.root(), Which::All, &settings, &silent)
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(done.purged.checkpoints, 6, "{what}: {:?}", done.faults);
    runs(&store.root(), 0).unwrap_or_else(|e| panic!("{what}: {e}"));
    told
}

#[test]
fn i30_no_journal_beside_the_checkpoints_of_one_stops_another() {
    if !have_root("hostile::i30_no_journal_beside_the_checkpoints_of_one_stops_another") {
        return;
    }
    for (what, make) in FILES {
        let store = Store::sample();
        fs::create_dir_all(store.path(JOURNAL)).unwrap();
        make(&store.path(format!("{JOURNAL}/{RUN}.0000")));
        give(&store.path("a/mnist/1"), ALICE);
        if *what == "a symlink" {
            std::os::unix::fs::lchown(
                store.path(format!("{JOURNAL}/{RUN}.0000")),
                Some(ALICE),
                None,
            )
            .unwrap();
        }
        night(&store, what);
        // What cannot be read as a journal is told as a damaged one.
        let (told, _) = runs(&store.root(), 0).unwrap();
        let told = told.iter().find(|r| r.id == RUN);
        let is_read = ["newer", "of the future"].contains(what);
        assert_eq!(
            told.map(|r| r.damaged),
            (*what != "of the future").then_some(!is_read),
            "{what}"
        );
        // Memory that was taken for it would show as the peak of this process.
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 1 << 20, "{what}: {kib} KiB");
    }
}

#[test]
fn i30_a_lock_beside_the_checkpoints_of_one_stops_no_other() {
    if !have_root("hostile::i30_a_lock_beside_the_checkpoints_of_one_stops_no_other") {
        return;
    }
    let store = Store::sample();
    fs::create_dir_all(store.path(JOURNAL)).unwrap();
    let lock = fs::File::create(store.path("a/mnist/1/.retain/lock")).unwrap();
    give(&store.path("a/mnist/1"), ALICE);
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let told = night(&store, "a lock");
    assert!(told.iter().any(|f| f.contains("a/mnist/1: another run works")), "{told:?}");
}

/// The same among equals still stops: it may be a run of one's own, at work there.
#[test]
fn i23_i28_at_the_roots_own_home_a_newer_journal_and_a_lock_still_stop() {
    let test = "hostile::i23_i28_at_the_roots_own_home_a_newer_journal_and_a_lock_still_stop";
    let store = Store::sample();
    // Whoever wrote it.
    let owners = if have_root(test) { &[None, Some(ALICE)][..] } else { &[None] };
    for owner in owners {
        let journal = store.path(format!(".retain/journal/{RUN}.0000"));
        fs::write(&journal, "retain-journal/2\nrJ").unwrap();
        if let Some(uid) = owner {
            give(&journal, *uid);
        }
        assert!(recover(&store.root(), &settings(now()), &silent).is_err(), "{owner:?}");
        fs::remove_file(journal).unwrap();
    }
    let lock = fs::File::create(store.path(".retain/lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let settings = Settings { lock_wait: Duration::ZERO, ..settings(now()) };
    assert!(recover(&store.root(), &settings, &silent).is_err());
}
