//! What an undo says of what it cannot bring back, and what it leaves alone.

use crate::support::*;
use retain::apply::{Settings, UndoReport, What, undo};
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const HOME: &str = "a/mnist/1/checkpoint-10";

fn applied() -> (Store, String) {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    (store, run)
}

/// Of checkpoint 10 of session `a`.
fn back(store: &Store, run: &str) -> UndoReport {
    let what = What { run, session: Some("a/mnist/1"), checkpoint: Some("10") };
    undo(&store.root(), &what, &settings(now()), &silent).unwrap()
}

fn in_trash(store: &Store, run: &str) -> PathBuf {
    slot(store, "a/mnist/1", run).join("checkpoint-10")
}

fn journals(store: &Store) -> usize {
    fs::read_dir(store.path(".retain/journal")).unwrap().count()
}

#[test]
fn what_somebody_took_out_of_the_trash_is_nowhere_and_no_journal_is_written() {
    let (store, run) = applied();
    fs::remove_dir_all(in_trash(&store, &run)).unwrap();
    let before = journals(&store);
    let report = back(&store, &run);
    assert_eq!((report.restored.checkpoints, report.already, report.skipped.len()), (0, 0, 1));
    assert!(report.skipped[0].why.contains("neither in the trash"), "{report:?}");
    assert_eq!(journals(&store), before);
}

#[test]
fn what_was_gone_before_the_run_came_to_it_is_not_called_restored() {
    let store = Store::sample();
    let plan = store.sample_plan();
    fs::remove_dir_all(store.path(HOME)).unwrap();
    let run = store.apply(&plan).unwrap().run.unwrap();
    let what = What { run: &run, session: None, checkpoint: None };
    let report = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    // It never became the run's, or it is told as nowhere.
    assert_eq!((report.restored.checkpoints, report.already), (5, 0), "{report:?}");
}

/// Another directory under its name in the trash is not what was moved, and is not put in its place
/// over what is there.
#[test]
fn a_stranger_in_the_trash_takes_no_place() {
    let (store, run) = applied();
    let trash = in_trash(&store, &run);
    assert_eq!(back(&store, &run).restored.checkpoints, 1);
    fs::create_dir_all(&trash).unwrap();
    fs::write(trash.join("stranger"), "").unwrap();
    let report = back(&store, &run);
    assert_eq!((report.restored.checkpoints, report.already, report.skipped.len()), (0, 0, 1));
    assert!(report.skipped[0].why.contains("its place is taken"), "{report:?}");
    assert!(store.path(HOME).join("model.bin").exists() && trash.join("stranger").exists());
}

/// Somebody works beside their own checkpoints, in a run that has nothing to do with this one.
#[test]
fn an_undo_waits_for_no_lock_where_its_run_is_unknown() {
    let (store, run) = applied();
    fs::create_dir_all(store.path("b/mnist/2/.retain/journal")).unwrap();
    let lock = fs::File::create(store.path("b/mnist/2/.retain/lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let what = What { run: &run, session: None, checkpoint: None };
    let settings = Settings { lock_wait: Duration::ZERO, ..settings(now()) };
    let report = undo(&store.root(), &what, &settings, &silent).unwrap();
    assert_eq!(report.restored.checkpoints, 6);
}
