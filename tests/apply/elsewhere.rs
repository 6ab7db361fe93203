//! What is not where, or not what, its journal says: nothing of it is lost, forgotten, or called
//! something that it is not.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use retain::apply::journal::decode;
use retain::apply::{What, Which, early, purge, recover, runs, undo};
use retain::core::plan::PlanFile;
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A session with one checkpoint of two files, and the plan to delete it.
fn planned() -> (Store, PlanFile) {
    let store = Store::new();
    for part in ["s/1.index", "s/1.data"] {
        store.file(part, part);
    }
    let plan = Plan::of(&store).delete("s", "1", &["s/1.index", "s/1.data"]).seal();
    (store, plan)
}

/// The same, moved to the trash.
fn pair() -> (Store, String) {
    let (store, plan) = planned();
    let run = store.apply(&plan).unwrap().run.unwrap();
    (store, run)
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

/// Of a session that was restored from a backup, no file is the one that was moved.
#[test]
fn p_undo_of_a_session_that_was_copied_brings_all_parts_back() {
    let (store, run) = pair();
    copy(&store.path("s"), &store.path("copy"));
    fs::remove_dir_all(store.path("s")).unwrap();
    fs::rename(store.path("copy"), store.path("s")).unwrap();
    let report = undo(&store.root(), &all_of(&run), &settings(now()), &silent).unwrap();
    for part in ["s/1.index", "s/1.data"] {
        assert_eq!(fs::read_to_string(store.path(part)).unwrap(), part);
    }
    assert_eq!(trash(&store), Vec::<String>::new());
    // I26: it is there, and not what was moved.
    assert_eq!((report.restored.checkpoints, report.skipped.len()), (0, 1), "{report:?}");
    assert!(report.skipped[0].why.contains("back at its path, but was copied"), "{report:?}");
    assert!(recover(&store.root(), &settings(now()), &silent).unwrap().is_none());
}

fn first_journal(store: &Store, run: &str) -> PathBuf {
    store.path(format!(".retain/journal/{run}.0000"))
}

/// Flips a bit in the middle of the n-th record of a run's first file.
fn damage(store: &Store, run: &str, nth: usize) {
    let path = first_journal(store, run);
    let mut bytes = fs::read(&path).unwrap();
    let name = format!("{run}.0000");
    let end_of = |n: usize| {
        (0..=bytes.len()).find(|len| decode(&bytes[..*len], &name).records.len() == n).unwrap()
    };
    let middle = usize::midpoint(end_of(nth), end_of(nth + 1));
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
}

/// What an undo, or a recovery, writes then knows no grace; it is not taken for none.
#[test]
fn a_run_whose_beginning_is_lost_does_not_expire_when_others_worked_on_it() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    damage(&store, &run, 0);
    let what = What { run: &run, session: None, checkpoint: Some("10") };
    let back = undo(&store.root(), &what, &settings(later(1)), &silent).unwrap();
    assert_eq!(back.restored.checkpoints, 2);
    let early = early::trash(&store.root(), 1, now()).unwrap();
    assert_eq!((early.len(), early[0].at), (1, None), "nor does it go early");
    let later = settings(later(1000 * HOUR));
    let report = purge(&store.root(), Which::Expired, &later, &silent).unwrap();
    assert_eq!(report.purged.checkpoints, 0, "{report:?}");
    let report = purge(&store.root(), Which::Run(&run), &later, &silent).unwrap();
    assert_eq!(report.purged.checkpoints, 4, "{report:?}");
    // There may be more that nobody remembers.
    assert!(!store.path(format!(".retain/journal/{run}.settled")).exists());
}

/// Of a checkpoint whose intent is lost nobody knows what lies in the trash.
#[test]
fn a_damaged_run_is_not_settled() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    damage(&store, &run, 2);
    let report = purge(&store.root(), Which::All, &settings(later(1)), &silent).unwrap();
    assert_eq!(report.purged.checkpoints, 5, "{report:?}");
    assert!(trash(&store).iter().any(|p| p.ends_with("/model.bin")));
    assert!(!store.path(format!(".retain/journal/{run}.settled")).exists());
}

/// P: a session that cannot be looked into for once is looked at again.
#[test]
fn recovery_comes_back_to_what_it_could_not_look_at() {
    let plain = Faulty::none();
    let (twin, plan) = planned();
    twin.apply_with(&plan, &with_calls(&plain)).unwrap();
    let first = plain.kinds().iter().position(|k| *k == "rename").unwrap();
    let (store, plan) = planned();
    let before = store.picture();
    store.apply_with(&plan, &with_calls(&Faulty::new(Mishap::CrashAfter, first))).unwrap_err();
    let ours = store.path("s/.retain");
    let mode = |mode| fs::set_permissions(&ours, fs::Permissions::from_mode(mode)).unwrap();
    let journals = || fs::read_dir(store.path(".retain/journal")).unwrap().count();
    mode(0o777);
    let written = journals();
    for _ in 0..2 {
        let told = recover(&store.root(), &settings(now()), &silent).unwrap().unwrap();
        assert_eq!((told.put_back, told.faults.len()), (0, 1), "{told:?}");
    }
    mode(0o755);
    // Nor can it be moved back: after the lock's own, the first call is the rename.
    let dead = Faulty::new(Mishap::FailEver(Errno::IO), 1);
    let told = recover(&store.root(), &with_calls(&dead).settings, &silent).unwrap().unwrap();
    assert_eq!((told.put_back, told.faults.len(), dead.kinds()[1]), (0, 1, "rename"), "{told:?}");
    assert_eq!(journals(), written, "each command added a file");
    let told = recover(&store.root(), &settings(now()), &silent).unwrap().unwrap();
    assert_eq!((told.put_back, told.faults.len()), (1, 0), "{told:?}");
    before.assert_same(&store.picture());
}

/// P: an undo was cut off, and a part's place is taken: a purge does not write the rest off.
#[test]
fn a_purge_leaves_what_is_half_way_home() {
    let (twin, run) = pair();
    let plain = Faulty::none();
    undo(&twin.root(), &all_of(&run), &with_calls(&plain).settings, &silent).unwrap();
    let first = plain.kinds().iter().position(|k| *k == "rename").unwrap();
    let (store, run) = pair();
    let cut = Faulty::new(Mishap::CrashAfter, first);
    undo(&store.root(), &all_of(&run), &with_calls(&cut).settings, &silent).unwrap_err();
    assert!(!store.path("s/1.index").exists() && store.path("s/1.data").exists());
    store.file("s/1.index", "another");
    for _ in 0..2 {
        let report = purge(&store.root(), Which::All, &settings(later(1)), &silent).unwrap();
        assert_eq!((report.purged.checkpoints, report.kept.len()), (0, 1), "{report:?}");
    }
    fs::remove_file(store.path("s/1.index")).unwrap();
    let told = recover(&store.root(), &settings(later(2)), &silent).unwrap().unwrap();
    assert_eq!((told.restored, told.faults.len()), (1, 0), "{told:?}");
    assert_eq!(fs::read_to_string(store.path("s/1.index")).unwrap(), "s/1.index");
}

/// It had been brought back by hand (U5): the purge that meets it says so to those who come after.
#[test]
fn what_is_back_by_hand_is_not_called_purged() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let slot = slot(&store, "a/mnist/1", &run);
    fs::rename(slot.join("checkpoint-10"), store.path("a/mnist/1/checkpoint-10")).unwrap();
    let report = purge(&store.root(), Which::All, &settings(later(1)), &silent).unwrap();
    assert_eq!((report.purged.checkpoints, &*report.faults), (5, &[][..]), "{report:?}");
    let back = undo(&store.root(), &all_of(&run), &settings(later(2)), &silent).unwrap();
    assert_eq!((back.already, back.skipped.len()), (1, 5), "{back:?}");
    assert_eq!(runs(&store.root(), 0).unwrap().0[0].in_trash.checkpoints, 0);
    assert!(store.path(format!(".retain/journal/{run}.settled")).exists());
}
