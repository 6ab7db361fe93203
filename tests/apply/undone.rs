//! What an undo says of what it cannot bring back, and what it leaves alone.

use crate::support::*;
use retain::apply::{ApplyOptions, Settings, UndoReport, What, Which, purge, undo};
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

/// Two checkpoints of two runs share a file. When one is purged the ctime of the other's file changes, in
/// the trash, and it has one link by then.
#[test]
fn what_shared_a_file_with_something_that_was_purged_is_what_it_was() {
    let store = Store::sample();
    let path = |id: u8| format!("a/mnist/1/checkpoint-{id}");
    let shared = store.path(format!("{}/shared.bin", path(10)));
    fs::write(&shared, "shared").unwrap();
    fs::hard_link(&shared, store.path(format!("{}/shared.bin", path(20)))).unwrap();
    let before = store.picture();
    let [first, second] = [10, 20].map(|id| {
        let mut plan = Plan::of(&store);
        plan.plan.now = later(id.into()).to_string();
        plan.delete("a/mnist/1", &id.to_string(), &[&path(id)]);
        let options = ApplyOptions { settings: settings(later(id.into())), ..options() };
        store.apply_with(&plan.seal(), &options).unwrap().run.unwrap()
    });
    // The kernel's clock ticks some hundred times a second.
    std::thread::sleep(Duration::from_millis(20));
    purge(&store.root(), Which::Run(&second), &settings(later(30)), &silent).unwrap();
    let report = undo(&store.root(), &all_of(&first), &settings(later(40)), &silent).unwrap();
    assert_eq!((report.restored.checkpoints, report.skipped.len()), (1, 0), "{report:?}");
    assert!(store.path(path(10)).join("shared.bin").exists());
    let mut after = store.picture();
    let mut before = before.without(&[&path(20)]);
    // It has one name less.
    for picture in [&mut before, &mut after] {
        picture.0.entries.values_mut().for_each(|entry| entry.same_as = None);
    }
    before.assert_same(&after);
}

/// What is written to in the trash is told, whatever other links its files had.
#[test]
fn what_was_written_to_in_the_trash_is_not_called_restored() {
    for shared in [false, true] {
        let store = Store::sample();
        if shared {
            let other = store.path("a/mnist/1/other");
            fs::hard_link(store.path(HOME).join("model.bin"), other).unwrap();
        }
        let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(in_trash(&store, &run).join("model.bin"), "WEIGHTS").unwrap();
        let report = back(&store, &run);
        assert_eq!((report.restored.checkpoints, report.skipped.len()), (0, 1), "{shared}");
        assert!(report.skipped[0].why.contains("written to"), "{report:?}");
    }
}
