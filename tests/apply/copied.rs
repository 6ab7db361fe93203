//! Trash that was copied along with its folder, as to another disk or from a backup: no entry of it is
//! the one that was moved. No purge takes it, no purge spoils it for an undo, and no plan counts on it.

use crate::support::*;
use retain::apply::journal::history::State;
use retain::apply::journal::record::{Begin, Record, Work};
use retain::apply::{PurgeReport, UndoReport, Which, early, purge, recover, runs, undo};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const FOLDER: &str = "a/mnist/1";

fn applied() -> (Store, String) {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    (store, run)
}

/// Puts a copy in the place of a folder.
fn copy(store: &Store, folder: &str) {
    let (from, to) = (store.path(folder), store.path("copy"));
    assert!(Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
    fs::remove_dir_all(&from).unwrap();
    fs::rename(to, from).unwrap();
}

fn purged(store: &Store, seconds: u64) -> PurgeReport {
    let which = Which::All;
    let due = purge::foresee(&store.root(), which, 1, later(seconds)).unwrap();
    let report = purge(&store.root(), which, &settings(later(seconds)), &silent).unwrap();
    // A preview says what comes.
    assert_eq!((due.count, &due.faults), (report.purged, &report.faults));
    assert_eq!(due.kept, report.kept);
    report
}

fn undone(store: &Store, run: &str) -> UndoReport {
    let seen = undo::foresee(&store.root(), &all_of(run), 1).unwrap().report;
    let report = undo(&store.root(), &all_of(run), &settings(later(9)), &silent).unwrap();
    let told = |r: &UndoReport| (r.restored, r.already, r.skipped.len());
    assert_eq!(told(&seen), told(&report), "{seen:?}\n{report:?}");
    report
}

fn journals(store: &Store) -> usize {
    fs::read_dir(store.path(".retain/journal")).unwrap().count()
}

#[test]
fn a_purge_leaves_copied_trash_to_undo_and_says_so_each_time() {
    let (store, run) = applied();
    copy(&store, FOLDER);
    let report = purged(&store, 1);
    assert_eq!((report.purged.checkpoints, report.faults.len()), (3, 1), "{report:?}");
    let said = format!("{FOLDER}: 3 in the trash are not what was moved there");
    assert!(report.faults[0].starts_with(&said), "{report:?}");
    assert!(report.faults[0].contains(&format!("`retain undo {run}` brings them back")));
    let written = journals(&store);
    for nightly in 2..4 {
        let report = purged(&store, nightly);
        assert_eq!((report.purged.checkpoints, report.faults.len()), (0, 1), "{report:?}");
    }
    assert_eq!(journals(&store), written, "each purge added a file");
    let state = |id: &str| {
        let known = runs(&store.root(), 1).unwrap().0.remove(0);
        known.items.iter().find(|i| i.session == FOLDER && i.id == id).unwrap().state
    };
    assert_eq!(["10", "20", "30"].map(state), [State::Moved; 3]);

    let report = undone(&store, &run);
    assert_eq!((report.restored.checkpoints, report.skipped.len()), (0, 6), "{report:?}");
    for id in ["10", "20", "30", "40"] {
        let model = store.path(format!("{FOLDER}/checkpoint-{id}/model.bin"));
        assert_eq!(fs::read_to_string(model).unwrap(), "weights");
    }
    assert_eq!(trash(&store), Vec::<String>::new());
    assert_eq!(purged(&store, 10).faults, Vec::<String>::new());
}

/// What no purge frees is no room, for the plan and for what goes early.
#[test]
fn copied_trash_is_not_counted_as_room() {
    let (store, _) = applied();
    let seen = |store: &Store| {
        let runs = retain::apply::runs::purgeable(&store.root(), 1, &[]);
        let early = early::trash(&store.root(), 1, now()).unwrap();
        let early: u64 = early.iter().map(|trash| trash.count.checkpoints).sum();
        (runs[0].in_trash.checkpoints, runs[0].out_of_reach.checkpoints, early)
    };
    assert_eq!(seen(&store), (6, 0, 6));
    copy(&store, FOLDER);
    assert_eq!(seen(&store), (6, 3, 3));
    fs::rename(store.path("b"), store.path("moved")).unwrap();
    assert_eq!(seen(&store), (6, 6, 0));
}

fn in_trash(store: &Store, run: &str, id: &str) -> PathBuf {
    slot(store, FOLDER, run).join(format!("checkpoint-{id}"))
}

/// A purge that came to its end, and said of these before that they can only be purged.
fn begun(store: &Store, run: &str, items: Vec<u32>) {
    let dir = fs::File::open(store.path(".retain/journal")).unwrap();
    let root = store.root().id.unwrap();
    let begin = Begin { run: run.to_owned(), work: Work::Purge, root, ..Begin::default() };
    write(&dir, begin, &[Record::Purging { items }, Record::End { stopped: None }]);
}

/// Versions before this one recorded a purge first and looked then.
#[test]
fn p_what_a_purge_could_not_begin_on_is_not_called_purged() {
    for copied in [false, true] {
        let (store, run) = applied();
        begun(&store, &run, vec![0, 1, 2]);
        if copied {
            copy(&store, FOLDER);
        }
        let report = undone(&store, &run);
        let wanted = if copied { (3, 3) } else { (6, 0) };
        let told = (report.restored.checkpoints, report.skipped.len());
        assert_eq!(told, wanted, "{copied} {report:?}");
        assert_eq!(fs::read_dir(store.path(FOLDER)).unwrap().count(), 5, "and the log");
        assert_eq!(trash(&store), Vec::<String>::new());
        assert!(recover(&store.root(), &settings(later(10)), &silent).unwrap().is_none());
    }
}

/// P: what a purge had begun on never goes back, whatever bears its name.
#[test]
fn p_what_is_half_purged_is_not_restored() {
    for (copied, anew) in [(false, false), (true, false), (false, true)] {
        let (store, run) = applied();
        begun(&store, &run, vec![0, 1, 2]);
        let whole = in_trash(&store, &run, "10");
        let slot = whole.parent().unwrap().to_owned();
        let doomed = slot.join(format!("{}.0.0", slot.file_name().unwrap().display()));
        fs::rename(&whole, &doomed).unwrap();
        fs::remove_file(doomed.join("model.bin")).unwrap();
        if anew {
            fs::create_dir(&whole).unwrap();
        }
        if copied {
            copy(&store, FOLDER);
        }
        let report = undone(&store, &run);
        let first = &report.skipped[0];
        assert_eq!((first.id.as_deref(), &*first.why), (Some("10"), "it was purged"));
        assert!(!store.path(format!("{FOLDER}/checkpoint-10")).exists());
        assert!(store.path(format!("{FOLDER}/checkpoint-20")).exists());
        // A purge ends what it began, and names what it may not.
        let report = purge(&store.root(), Which::All, &settings(later(10)), &silent).unwrap();
        assert_eq!(report.faults.is_empty(), !copied && !anew, "{report:?}");
        if copied {
            let said = format!("{}.0.0` is a copy of what", slot.file_name().unwrap().display());
            assert!(report.faults[0].contains(&said), "{report:?}");
        }
    }
}

/// What somebody took away is in no count beforehand either; brought back, it is restorable.
#[test]
fn a_preview_counts_nothing_that_is_not_there() {
    let (store, run) = applied();
    fs::remove_dir_all(in_trash(&store, &run, "10")).unwrap();
    fs::rename(in_trash(&store, &run, "20"), store.path(format!("{FOLDER}/checkpoint-20")))
        .unwrap();
    fs::rename(store.path("b"), store.path("moved")).unwrap();
    let report = purged(&store, 1);
    assert_eq!((report.purged.checkpoints, report.faults.len()), (1, 2), "{report:?}");
    assert!(report.faults.iter().all(|fault| fault.contains("cannot be found")), "{report:?}");
    fs::rename(store.path("moved"), store.path("b")).unwrap();
    let report = undone(&store, &run);
    assert_eq!((report.restored.checkpoints, report.already), (3, 1), "{report:?}");
}
