//! Runs that were cut off, and what somebody did by hand before the next command: nothing is forgotten,
//! called what it is not, or taken for more than it is.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use retain::apply::journal::history::State;
use retain::apply::{Recovery, What, Which, purge, recover, runs, undo};
use retain::core::plan::PlanFile;
use std::fs;

const PARTS: [&str; 2] = ["s/1.index", "s/1.data"];

/// A session with a checkpoint of two files, the first of which makes it loadable, and one of one file.
fn planned() -> (Store, PlanFile) {
    let store = Store::new();
    for file in [PARTS[0], PARTS[1], "s/2.ckpt"] {
        store.file(file, file);
    }
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &PARTS).delete("s", "2", &["s/2.ckpt"]);
    let plan = plan.seal();
    (store, plan)
}

/// The same, moved to the trash.
fn moved() -> (Store, String) {
    let (store, plan) = planned();
    let run = store.apply(&plan).unwrap().run.unwrap();
    (store, run)
}

/// Which call of a whole apply is the n-th of its kind.
fn call_of_apply(kind: &str, nth: usize) -> usize {
    let (twin, plan) = planned();
    let calls = Faulty::none();
    twin.apply_with(&plan, &with_calls(&calls)).unwrap();
    nth_of(&calls, kind, nth)
}

fn nth_of(calls: &Faulty, kind: &str, nth: usize) -> usize {
    let kinds = calls.kinds();
    let mut found = kinds.iter().enumerate().filter(|(_, k)| **k == kind);
    found.nth(nth).unwrap_or_else(|| panic!("{kind} {nth}: {kinds:?}")).0
}

/// Cut off right after so many renames.
fn cut_after_renames(renames: usize) -> Store {
    let at = call_of_apply("rename", renames - 1);
    let (store, plan) = planned();
    let cut = Faulty::new(Mishap::CrashAfter, at);
    store.apply_with(&plan, &with_calls(&cut)).unwrap_err();
    store
}

fn recovered(store: &Store) -> Recovery {
    recover(&store.root(), &settings(now()), &silent).unwrap().unwrap()
}

/// Where the one run put what it moved.
fn slot_of(store: &Store) -> std::path::PathBuf {
    let run = runs(&store.root(), 0).unwrap().0.remove(0).id;
    slot(store, "s", &run)
}

/// Of a checkpoint that was half way, the other half was removed: what is left of it goes home.
#[test]
fn p_half_of_a_checkpoint_goes_back_although_the_other_half_was_removed() {
    let store = cut_after_renames(1);
    assert!(!store.path(PARTS[0]).exists());
    fs::remove_file(store.path(PARTS[1])).unwrap();
    let told = recovered(&store);
    assert_eq!((told.put_back, &*told.faults), (2, &[][..]), "{told:?}");
    assert_eq!(fs::read_to_string(store.path(PARTS[0])).unwrap(), PARTS[0]);
}

/// P: what was announced, lies whole in the trash, was changed there, and has its place taken.
#[test]
fn p_what_was_only_announced_and_cannot_go_back_keeps_the_run_open() {
    let store = cut_after_renames(3);
    fs::write(slot_of(&store).join("2.ckpt"), "changed").unwrap();
    store.file("s/2.ckpt", "another");
    let told = recovered(&store);
    assert_eq!((told.completed, told.put_back, told.faults.len()), (1, 0, 1), "{told:?}");
    for _ in 0..2 {
        let told = recovered(&store);
        assert_eq!((told.completed, told.put_back, told.faults.len()), (0, 0, 1), "{told:?}");
    }
    fs::remove_file(store.path("s/2.ckpt")).unwrap();
    let told = recovered(&store);
    assert_eq!((told.put_back, &*told.faults), (1, &[][..]), "{told:?}");
    assert_eq!(fs::read_to_string(store.path("s/2.ckpt")).unwrap(), "changed");
    assert!(recover(&store.root(), &settings(now()), &silent).unwrap().is_none());
}

/// P: a purge had said that it begins, and half of a checkpoint was brought home by hand.
#[test]
fn p_half_of_a_checkpoint_at_its_path_is_not_called_restored() {
    let (twin, _) = moved();
    let calls = Faulty::none();
    purge(&twin.root(), Which::All, &with_calls(&calls).settings, &silent).unwrap();
    let (store, _) = moved();
    let cut = Faulty::new(Mishap::CrashBefore, nth_of(&calls, "unlink", 0));
    purge(&store.root(), Which::All, &with_calls(&cut).settings, &silent).unwrap_err();
    let slot = slot_of(&store);
    fs::rename(slot.join("1.data"), store.path(PARTS[1])).unwrap();
    fs::remove_file(slot.join("1.index")).unwrap();
    let told = recovered(&store);
    assert_eq!((told.restored, told.faults.len()), (0, 1), "{told:?}");
    assert!(told.faults[0].contains("only a part of it is at its path"), "{told:?}");
}

/// A purge of a run that is still open, because one checkpoint cannot go back, takes the others.
#[test]
fn a_purge_takes_what_is_whole_beside_what_is_half_way() {
    let (twin, run) = moved();
    let calls = Faulty::none();
    let one = What { run: &run, session: Some("s"), checkpoint: Some("1") };
    undo(&twin.root(), &one, &with_calls(&calls).settings, &silent).unwrap();
    let (store, run) = moved();
    let one = What { run: &run, ..one };
    let cut = Faulty::new(Mishap::CrashAfter, nth_of(&calls, "rename", 0));
    undo(&store.root(), &one, &with_calls(&cut).settings, &silent).unwrap_err();
    store.file(PARTS[0], "another");
    let report = purge(&store.root(), Which::All, &settings(later(1)), &silent).unwrap();
    assert_eq!((report.purged.checkpoints, report.kept.len()), (1, 1), "{report:?}");
    assert_eq!(report.kept[0].id.as_deref(), Some("1"));
}

/// What an undo had begun to bring back is lost if somebody removed it, and not "gone before".
#[test]
fn what_vanished_from_the_trash_is_lost() {
    let (twin, run) = moved();
    let calls = Faulty::none();
    undo(&twin.root(), &all_of(&run), &with_calls(&calls).settings, &silent).unwrap();
    let (store, run) = moved();
    let cut = Faulty::new(Mishap::CrashBefore, nth_of(&calls, "rename", 0));
    undo(&store.root(), &all_of(&run), &with_calls(&cut).settings, &silent).unwrap_err();
    fs::remove_file(slot_of(&store).join("2.ckpt")).unwrap();
    recovered(&store);
    let run = runs(&store.root(), 0).unwrap().0.remove(0);
    let state = |id: &str| run.items.iter().find(|i| i.id == id).unwrap().state;
    assert_eq!((state("1"), state("2")), (State::Moved, State::Lost));
}

/// All that a session had in the trash was brought home by hand, and the empty slot removed.
#[test]
fn what_is_back_by_hand_with_its_slot_gone_is_not_missing() {
    let (store, run) = moved();
    for file in ["1.index", "1.data", "2.ckpt"] {
        fs::rename(slot_of(&store).join(file), store.path("s").join(file)).unwrap();
    }
    fs::remove_dir_all(store.path("s/.retain")).unwrap();
    let report = purge(&store.root(), Which::All, &settings(later(1)), &silent).unwrap();
    assert_eq!((report.purged.checkpoints, &*report.faults), (0, &[][..]), "{report:?}");
    let run = runs(&store.root(), 0).unwrap().0.into_iter().find(|r| r.id == run).unwrap();
    assert!(run.items.iter().all(|i| i.state == State::Restored), "{run:?}");
}

/// I25: a stranger in the slot is named also if a part of the session was brought home by hand.
#[test]
fn i25_a_stranger_in_the_trash_is_said_beside_what_is_back_by_hand() {
    let (store, _) = moved();
    let slot = slot_of(&store);
    fs::rename(slot.join("2.ckpt"), store.path("s/2.ckpt")).unwrap();
    fs::write(slot.join("notes.txt"), "mine").unwrap();
    let report = purge(&store.root(), Which::All, &settings(later(1)), &silent).unwrap();
    assert_eq!((report.purged.checkpoints, report.faults.len()), (1, 1), "{report:?}");
    assert!(report.faults[0].contains("no journal names; it stays"), "{report:?}");
    assert!(slot.join("notes.txt").exists());
}
