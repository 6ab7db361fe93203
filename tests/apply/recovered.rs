//! What recovery finds and does, counted: each checkpoint once, under the right word.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use retain::apply::journal::history::State;
use retain::apply::{Recovery, What, Which, purge, recover, recover_for, runs, undo};
use std::fs;
use std::path::PathBuf;

/// The sample's apply, cut off after so many calls; its run.
fn cut_apply(store: &Store, calls: usize) -> String {
    let plan = store.sample_plan();
    let faulty = Faulty::new(Mishap::CrashAfter, calls);
    store.apply_with(&plan, &with_calls(&faulty)).unwrap_err();
    runs(&store.root(), 0).unwrap().0.remove(0).id
}

/// How many calls an apply takes until all is in the trash, and nothing of it is recorded.
fn until_moved(store: &Store) -> usize {
    let calls = Faulty::none();
    store.apply_with(&store.sample_plan(), &with_calls(&calls)).unwrap();
    calls.kinds().iter().rposition(|k| *k == "rename").unwrap()
}

fn recovered(store: &Store) -> Recovery {
    let done = recover(&store.root(), &settings(now()), &silent).unwrap().unwrap();
    assert_eq!(done.runs.len(), 1, "{done:?}");
    assert_eq!(done.faults, Vec::<String>::new());
    assert!(recover(&store.root(), &settings(now()), &silent).unwrap().is_none());
    done
}

/// completed, put back, restored, purged, lost
fn counts(r: &Recovery) -> [u64; 5] {
    [r.completed, r.put_back, r.restored, r.purged, r.lost]
}

fn in_trash(store: &Store, checkpoint: &str) -> PathBuf {
    let found = trash(store).into_iter().find(|p| p.ends_with(&format!("/{checkpoint}")));
    store.path(found.unwrap_or_else(|| panic!("{checkpoint} is not in the trash")))
}

fn states(store: &Store) -> Vec<State> {
    runs(&store.root(), 0).unwrap().0[0].items.iter().map(|i| i.state).collect()
}

#[test]
fn of_an_apply_each_is_completed_or_put_back() {
    let last = until_moved(&Store::sample());
    let mut seen = [false; 2];
    for calls in last - 12..=last {
        let store = Store::sample();
        let before = store.picture();
        cut_apply(&store, calls);
        let paths = trash(&store);
        let names = paths.iter().filter_map(|p| p.rsplit('/').next());
        let there = names.filter(|name| name.starts_with("checkpoint-")).count() as u64;
        let done = recovered(&store);
        assert_eq!(counts(&done), [there, 6 - there, 0, 0, 0], "cut off after {calls}");
        seen[usize::from(there == 6)] = true;
        let (all, _) = runs(&store.root(), 0).unwrap();
        assert_eq!((all[0].in_trash.checkpoints, all[0].left.checkpoints), (there, 6 - there));
        let what = What { run: &all[0].id, session: None, checkpoint: None };
        undo(&store.root(), &what, &settings(now()), &silent).unwrap();
        before.assert_same(&store.picture());
    }
    assert_eq!(seen, [true; 2]);
}

/// All was moved and recorded when it was cut off: it is not said that nothing was moved.
#[test]
fn of_a_run_that_had_only_to_end_nothing_was_left_half_way() {
    let twin = Store::sample();
    let calls = Faulty::none();
    twin.apply_with(&twin.sample_plan(), &with_calls(&calls)).unwrap();
    let end = calls.kinds().iter().rposition(|k| *k == "write").unwrap();
    let store = Store::sample();
    let plan = store.sample_plan();
    let cut = Faulty::new(Mishap::CrashBefore, end);
    store.apply_with(&plan, &with_calls(&cut)).unwrap_err();
    let told = recovered(&store);
    assert_eq!(counts(&told), [0; 5]);
    assert!(told.to_string().ends_with("was interrupted: nothing was left half way"), "{told}");
    assert_eq!(runs(&store.root(), 0).unwrap().0[0].in_trash.checkpoints, 6);
}

/// A command that carries out a plan recovers the same.
#[test]
fn recovery_for_a_plan_is_recovery() {
    let last = until_moved(&Store::sample());
    let store = Store::sample();
    let plan = store.sample_plan();
    cut_apply(&store, last);
    let done = recover_for(&store.root(), &plan, &settings(now()), &silent).unwrap().unwrap();
    assert_eq!(counts(&done), [6, 0, 0, 0, 0]);
    assert!(recover_for(&store.root(), &plan, &settings(now()), &silent).unwrap().is_none());
}

/// P: of two parts one was moved when the run was cut off, and its place has been taken since. The
/// next command does not forget it.
#[test]
fn what_is_half_way_and_cannot_be_put_back_is_tried_again() {
    let store = || {
        let store = Store::new();
        for part in ["s/1.index", "s/1.data"] {
            store.file(part, "old");
        }
        let mut plan = Plan::of(&store);
        plan.delete("s", "1", &["s/1.index", "s/1.data"]);
        let plan = plan.seal();
        (store, plan)
    };
    let plain = Faulty::none();
    let (twin, plan) = store();
    twin.apply_with(&plan, &with_calls(&plain)).unwrap();
    let first = plain.kinds().iter().position(|k| *k == "rename").unwrap();
    let (store, plan) = store();
    let calls = Faulty::new(Mishap::CrashAfter, first);
    store.apply_with(&plan, &with_calls(&calls)).unwrap_err();
    let moved = ["s/1.index", "s/1.data"].into_iter().find(|p| !store.path(p).exists()).unwrap();
    store.file(moved, "new");
    for _ in 0..2 {
        let told = recover(&store.root(), &settings(now()), &silent).unwrap().unwrap();
        assert_eq!((told.put_back, told.faults.len()), (0, 1), "{told:?}");
        assert_eq!(fs::read_to_string(store.path(moved)).unwrap(), "new");
    }
    fs::remove_file(store.path(moved)).unwrap();
    assert_eq!(counts(&recovered(&store)), [0, 1, 0, 0, 0]);
    assert_eq!(fs::read_to_string(store.path(moved)).unwrap(), "old");
}

/// I24: that something is gone for good is recorded when the directory that held it is on disk.
#[test]
fn i24_what_a_purge_empties_is_synced_before_that_is_recorded() {
    use std::os::unix::fs::MetadataExt as _;
    let store = Store::sample();
    store.apply(&store.sample_plan()).unwrap();
    let calls = Faulty::none();
    let settings = with_calls(&calls).settings;
    purge(&store.root(), Which::All, &settings, &silent).unwrap();
    let log = calls.log.lock().unwrap();
    let last = log.iter().rposition(|(kind, _)| *kind == "write").unwrap();
    for session in ["a/mnist/1", "b/mnist/2"] {
        // All of `.retain` was the trash: it is gone as well.
        let parent = fs::metadata(store.path(session)).unwrap().ino();
        let synced = log.iter().position(|call| *call == ("sync", parent));
        assert!(synced.is_some_and(|at| at < last), "{session}: {log:?}");
    }
}

#[test]
fn what_somebody_removed_is_lost_and_what_is_back_is_back() {
    let last = until_moved(&Store::sample());
    let store = Store::sample();
    cut_apply(&store, last);
    fs::remove_dir_all(in_trash(&store, "checkpoint-20")).unwrap();
    fs::rename(in_trash(&store, "checkpoint-30"), store.path("a/mnist/1/checkpoint-30")).unwrap();
    let done = recovered(&store);
    assert_eq!(counts(&done), [4, 1, 0, 0, 1]);
    let gone = states(&store).iter().filter(|s| **s == State::Gone).count();
    assert_eq!(gone, 1, "{:?}", states(&store));
}

/// A purge that died after its record: what it meant goes, what somebody restored stays.
#[test]
fn of_a_purge_all_goes_to_its_end() {
    for restored in [false, true] {
        let store = Store::sample();
        store.apply(&store.sample_plan()).unwrap();
        // Calls: write of the lock; create, write, sync, sync of the directory, reserve, write, sync.
        let faulty = Faulty::new(Mishap::CrashAfter, 7);
        let cut = retain::apply::Settings { calls: &faulty, ..settings(now()) };
        purge(&store.root(), Which::All, &cut, &silent).unwrap_err();
        assert!(states(&store).iter().all(|s| *s == State::Purging), "{:?}", states(&store));
        if restored {
            fs::rename(in_trash(&store, "checkpoint-10"), store.path("a/mnist/1/checkpoint-10"))
                .unwrap();
        }
        let done = recovered(&store);
        let back = u64::from(restored);
        assert_eq!(counts(&done), [0, 0, back, 6 - back, 0]);
        assert_eq!(store.path("a/mnist/1/checkpoint-10").exists(), restored);
        assert_eq!(trash(&store), Vec::<String>::new());
        let back = states(&store).iter().filter(|s| **s == State::Restored).count();
        assert_eq!(back, usize::from(restored));
    }
}

/// An undo that died between its renames and its record.
#[test]
fn of_an_undo_what_is_back_is_restored_and_the_rest_stays() {
    let store = Store::sample();
    let before = store.picture();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let what = What { run: &run, session: None, checkpoint: None };
    // Calls: write of the lock; create, write, sync, sync of the directory, then the renames.
    let faulty = Faulty::new(Mishap::CrashAfter, 6);
    let cut = retain::apply::Settings { calls: &faulty, ..settings(now()) };
    undo(&store.root(), &what, &cut, &silent).unwrap_err();
    assert_eq!(faulty.kinds()[..7].last(), Some(&"rename"));
    let done = recovered(&store);
    assert_eq!(counts(&done), [0, 0, 2, 0, 0]);
    let restored = states(&store).iter().filter(|s| **s == State::Restored).count();
    assert_eq!(restored, 2);
    undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    before.assert_same(&store.picture());
}
