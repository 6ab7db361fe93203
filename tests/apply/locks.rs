//! Locks: one run at a time, a checkpoint in use, and file systems without any (I9, I28, R15).

use crate::faulty::{Faulty, Meanwhile, Mishap};
use crate::privileged::{ALICE, give, have_root};
use crate::support::*;
use retain::apply::calls::Os;
use retain::apply::lock::{Lock, NoLock};
use retain::apply::{ApplyOptions, Settings, What, undo};
use rustix::fd::AsFd as _;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn told<T>(got: Result<T, NoLock>) -> String {
    match got {
        Ok(_) => "got it".to_owned(),
        Err(NoLock::Held { pid }) => format!("held by {pid:?}"),
        Err(NoLock::Stopped) => "stopped".to_owned(),
        Err(NoLock::Io(e)) => format!("{:?}", e.kind()),
    }
}

#[test]
fn a_lock_is_one_processs_and_says_whose() {
    let store = Store::new();
    let ours = fs::File::open(store.path(".retain")).unwrap();
    let stop = AtomicBool::new(false);
    let take = |stop: &AtomicBool| Lock::take(&Os, ours.as_fd(), Duration::ZERO, stop);
    let lock = take(&stop).unwrap();
    assert!(lock.still_held().unwrap());
    let pid = std::process::id();
    assert_eq!(told(take(&stop)), format!("held by Some({pid})"));
    assert_eq!(told(take(&AtomicBool::new(true))), "stopped");
    let path = store.path(".retain/lock");
    // A process that is always there, and one that never is.
    for (text, said) in [
        ("1\n", "held by Some(1)"),
        ("4294967295\n", "held by None"),
        ("x", "held by None"),
        ("", "held by None"),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(told(take(&stop)), said, "{text:?}");
    }
    // Too long to be a number of a process.
    fs::write(&path, "1".repeat(65)).unwrap();
    assert_eq!(told(take(&stop)), "held by None");
    // R15: removed, and made anew by somebody.
    fs::remove_file(&path).unwrap();
    assert!(!lock.still_held().unwrap());
    let second = take(&stop).unwrap();
    assert!(second.still_held().unwrap() && !lock.still_held().unwrap());
    drop((lock, second));
    // A signal does not give away what can be had.
    assert_eq!(told(take(&AtomicBool::new(true))), "got it");
    fs::remove_file(&path).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert_eq!(told(take(&stop)), "FilesystemLoop");
    assert!(!store.path(".retain/elsewhere").exists());
}

#[test]
fn where_there_are_no_locks_the_run_goes_on_and_where_they_fail_it_does_not() {
    for (errno, said) in [
        (Errno::NOLCK, "got it"),
        (Errno::NOSYS, "got it"),
        (Errno::OPNOTSUPP, "got it"),
        (Errno::IO, "Uncategorized"),
        (Errno::ACCESS, "PermissionDenied"),
    ] {
        let store = Store::new();
        let ours = fs::File::open(store.path(".retain")).unwrap();
        let calls = Meanwhile::with_locks_failing(0, errno);
        let got = Lock::take(&calls, ours.as_fd(), Duration::ZERO, &GO);
        assert_eq!(told(got), said, "{errno:?}");
    }
}

/// Two commands begin at once on a root without a lock file: one makes it, the other takes that.
#[test]
fn a_lock_file_that_another_makes_first_is_used_and_one_that_cannot_be_made_is_an_error() {
    let begin = |calls: &Faulty| {
        let store = Store::sample();
        let _ = fs::remove_file(store.path(".retain/lock"));
        let done = store.apply_with(&store.sample_plan(), &with_calls(calls));
        done.map(|report| report.moved.checkpoints).map_err(|e| e.to_string())
    };
    let plain = Faulty::none();
    assert_eq!(begin(&plain), Ok(6));
    let at = plain.kinds().iter().position(|kind| *kind == "create").unwrap();
    assert_eq!(begin(&Faulty::new(Mishap::DoneButFailed(Errno::EXIST), at)), Ok(6));
    let error = begin(&Faulty::new(Mishap::FailEver(Errno::NOSPC), at)).unwrap_err();
    assert!(error.contains("No space left"), "{error}");
}

#[test]
fn i9_a_checkpoint_that_may_be_in_use_stays() {
    // The first two locks are the run's and its journal's.
    for (errno, said) in [
        (Errno::NOLCK, None),
        (Errno::BADF, None),
        (Errno::INVAL, None),
        (Errno::WOULDBLOCK, Some("10 is in use: a process holds a lock on it")),
        (Errno::IO, Some("10 cannot be claimed")),
    ] {
        let store = Store::sample();
        let before = store.picture();
        let mut plan = Plan::of(&store);
        plan.delete("a/mnist/1", "10", &["a/mnist/1/checkpoint-10"]);
        let calls = Meanwhile::with_locks_failing(2, errno);
        let report = store.apply_with(&plan.seal(), &with_calls(&calls)).unwrap();
        let skipped = report.skipped.first().map(|s| s.why.clone());
        assert_eq!(skipped.is_some(), said.is_some(), "{errno:?}: {skipped:?}");
        if let Some(said) = said {
            assert!(skipped.unwrap().starts_with(said), "{errno:?}");
            // Nothing is left to do for it: no later command looks at it again.
            let run = report.run.unwrap();
            assert!(store.path(format!(".retain/journal/{run}.settled")).exists(), "{errno:?}");
            before.assert_same(&store.picture());
        } else {
            assert_eq!(report.moved.checkpoints, 1, "{errno:?}");
        }
    }
    // A file is nothing that a trainer locks as a whole: its own lock does not count.
    let store = Store::sample();
    store.file("a/mnist/1/last.ckpt", "weights");
    let mut plan = Plan::of(&store);
    plan.delete("a/mnist/1", "last", &["a/mnist/1/last.ckpt"]);
    let held = fs::File::open(store.path("a/mnist/1/last.ckpt")).unwrap();
    flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(store.apply(&plan.seal()).unwrap().moved.checkpoints, 1);
}

/// I29: the flag is looked at between checkpoints, also of an undo.
#[test]
fn an_undo_that_is_told_to_stop_says_so_and_goes_on_the_next_time() {
    let store = Store::sample();
    let before = store.picture();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let what = What { run: &run, session: None, checkpoint: None };
    let stop = AtomicBool::new(true);
    let stopped = Settings { stop: &stop, ..settings(now()) };
    let report = undo(&store.root(), &what, &stopped, &silent).unwrap();
    assert_eq!((report.stopped.as_deref(), report.restored.checkpoints), (Some("a signal"), 0));
    let report = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    assert_eq!((report.stopped, report.restored.checkpoints), (None, 6));
    before.assert_same(&store.picture());
    let again = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    assert_eq!((again.already, again.restored.checkpoints, again.skipped.len()), (6, 0, 0));
    // And of an apply: nothing was begun, nothing is said to be.
    let mut plan = store.sample_plan();
    plan.tool.push('+');
    let options = ApplyOptions { settings: stopped, grace: None, purge_now: false };
    let report = store.apply_with(&plan.seal(), &options).unwrap();
    assert_eq!((report.stopped.as_deref(), report.unreached), (Some("a signal"), 2));
}

/// Whoever can open the lock can hold it for ever: nobody else can, nor one that an earlier version
/// made for everybody.
#[test]
fn i28_nobody_else_can_open_the_lock() {
    let store = Store::new();
    let ours = fs::File::open(store.path(".retain")).unwrap();
    let path = store.path(".retain/lock");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let take = || Lock::take(&Os, ours.as_fd(), Duration::ZERO, &AtomicBool::new(false));
    drop(take().unwrap());
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let stranger = fs::File::open(&path).unwrap();
    let lock = take().unwrap();
    assert_eq!(mode(), 0o600);
    assert!(lock.still_held().unwrap());
    assert!(told(take()).starts_with("held by"), "it is locked as the one before was");
    drop(lock);
    flock(&stranger, FlockOperation::NonBlockingLockShared).unwrap();
    drop(take().expect("what the stranger holds is no lock any more"));
    let names = fs::read_dir(store.path(".retain")).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(names.filter(|n| n.to_string_lossy().starts_with("lock")).count(), 1);
    // Where a group may write, all of it has the lock in common; also where it came to that later.
    let shared = |mode: u32| {
        fs::set_permissions(store.path(".retain"), fs::Permissions::from_mode(mode)).unwrap();
    };
    shared(0o775);
    let lock = take().unwrap();
    assert_eq!(mode(), 0o644);
    assert!(lock.still_held().unwrap());
    assert!(told(take()).starts_with("held by"), "it is locked as the one before was");
    drop(lock);
    shared(0o755);
    drop(take().unwrap());
    assert_eq!(mode(), 0o600);
    fs::remove_file(&path).unwrap();
    shared(0o775);
    drop(take().unwrap());
    assert_eq!(mode(), 0o644);
}

/// Root's lock in what is somebody's is theirs, wherever root was cut off, and whoever made it when.
#[test]
fn i30_no_lock_of_roots_is_left_in_what_is_somebodys() {
    if !have_root("locks::i30_no_lock_of_roots_is_left_in_what_is_somebodys") {
        return;
    }
    let theirs = || {
        let store = Store::new();
        let _ = fs::remove_file(store.path(".retain/lock"));
        give(&store.path(".retain"), ALICE);
        store
    };
    let take = |store: &Store, calls: &Faulty| {
        let ours = fs::File::open(store.path(".retain")).unwrap();
        Lock::take(calls, ours.as_fd(), Duration::ZERO, &GO)
    };
    let seen = |store: &Store| {
        let lock = fs::metadata(store.path(".retain/lock")).ok();
        lock.map(|lock| (lock.uid(), lock.permissions().mode() & 0o777))
    };
    let plain = Faulty::none();
    let store = theirs();
    drop(take(&store, &plain).unwrap());
    assert_eq!(seen(&store), Some((ALICE, 0o600)));
    assert_eq!(plain.kinds(), ["create", "give", "rename", "write"]);
    for at in 0..3 {
        for mishap in [Mishap::CrashBefore, Mishap::CrashAfter] {
            let store = theirs();
            assert!(take(&store, &Faulty::new(mishap, at)).is_err());
            assert!(seen(&store).is_none_or(|(uid, _)| uid == ALICE), "{mishap:?} {at}");
        }
    }
    // Without NOREPLACE; and where somebody else makes one first.
    for errno in [Errno::INVAL, Errno::EXIST] {
        let store = theirs();
        drop(take(&store, &Faulty::new(Mishap::Fail(errno), 2)).unwrap());
        assert_eq!(seen(&store), Some((ALICE, 0o600)), "{errno:?}");
        let names = fs::read_dir(store.path(".retain")).unwrap().map(|e| e.unwrap().file_name());
        let locks = names.filter(|name| name.to_string_lossy().starts_with("lock")).count();
        assert_eq!(locks, 1, "{errno:?}");
    }
    // One that an earlier version left.
    for mode in [0o600, 0o644] {
        let store = theirs();
        fs::write(store.path(".retain/lock"), "").unwrap();
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(store.path(".retain/lock"), permissions).unwrap();
        let lock = take(&store, &Faulty::none()).unwrap();
        assert!(lock.still_held().unwrap());
        assert_eq!(seen(&store), Some((ALICE, 0o600)), "{mode:o}");
    }
}
