//! Something is not as the plan says: before the rename the session is left alone, after it the
//! checkpoint is moved back and the run stops (I6, I9, I14, I22, I33, N16, R2, R3, R6, R15).

use crate::faulty::{Meanwhile, Moment};
use crate::support::*;
use retain::apply::{ApplyError, Kind, What, recover, runs, undo};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

const FIRST: &str = "a/mnist/1/checkpoint-10";
const KEEPER: &str = "a/mnist/1/checkpoint-40";

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let done = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

/// What happens to session `a` between plan and apply, and what is said about it.
type Case = (&'static str, fn(&Store), &'static str);

const CASES: &[Case] = &[
    ("a file rewritten", |s| s.file(format!("{FIRST}/model.bin"), "WEIGHTS"), "10 has changed"),
    (
        "the same size and mtime",
        |s| {
            let path = s.path(format!("{FIRST}/model.bin"));
            let mtime = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, "WEIGHTS").unwrap();
            fs::File::open(&path).unwrap().set_modified(mtime).unwrap();
        },
        "has changed",
    ),
    ("a file added", |s| s.file(format!("{FIRST}/opt/b"), ""), "has changed"),
    (
        "a file removed",
        |s| fs::remove_file(s.path(format!("{FIRST}/opt/a/rank0"))).unwrap(),
        "has changed",
    ),
    (
        "a file renamed inside",
        |s| fs::rename(s.path(format!("{FIRST}/model.bin")), s.path(format!("{FIRST}/m"))).unwrap(),
        "has changed",
    ),
    (
        "a mode changed inside",
        |s| {
            fs::set_permissions(
                s.path(format!("{FIRST}/model.bin")),
                fs::Permissions::from_mode(0o600),
            )
            .unwrap();
        },
        "has changed",
    ),
    (
        "replaced by a copy of the same name",
        |s| {
            copy(&s.path(FIRST), &s.path("copy"));
            fs::remove_dir_all(s.path(FIRST)).unwrap();
            fs::rename(s.path("copy"), s.path(FIRST)).unwrap();
        },
        "has changed",
    ),
    (
        "replaced by a symlink to a keeper",
        |s| {
            fs::remove_dir_all(s.path(FIRST)).unwrap();
            symlink("checkpoint-40", s.path(FIRST)).unwrap();
        },
        "has changed",
    ),
    (
        "replaced by a file",
        |s| {
            fs::remove_dir_all(s.path(FIRST)).unwrap();
            s.file(FIRST, "");
        },
        "has changed",
    ),
    (
        "its folder is a symlink now",
        |s| {
            fs::rename(s.path("a/mnist"), s.path("a/elsewhere")).unwrap();
            symlink("elsewhere", s.path("a/mnist")).unwrap();
        },
        "cannot be read",
    ),
    (
        "a keeper gone",
        |s| fs::remove_dir_all(s.path(KEEPER)).unwrap(),
        "1 40, which was to stay, cannot be read",
    ),
    (
        "a keeper written to",
        |s| s.file(format!("{KEEPER}/model.bin"), "WEIGHTS"),
        "1 40, which was to stay, has changed",
    ),
    (
        "a keeper replaced by its copy",
        |s| {
            copy(&s.path(KEEPER), &s.path("copy"));
            fs::remove_dir_all(s.path(KEEPER)).unwrap();
            fs::rename(s.path("copy"), s.path(KEEPER)).unwrap();
        },
        "1 40, which was to stay, has changed",
    ),
    ("N16 `.retain` is a file", |s| s.file("a/mnist/1/.retain", ""), "no trash can be made"),
    (
        "N16 `.retain` is a symlink",
        |s| symlink("/tmp", s.path("a/mnist/1/.retain")).unwrap(),
        "no trash can be made",
    ),
    (
        "N16 `.retain` may be written by everybody",
        |s| {
            let path = s.path("a/mnist/1/.retain");
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        },
        "everybody may write",
    ),
    (
        "N16 `trash` is a symlink",
        |s| {
            fs::create_dir(s.path("a/mnist/1/.retain")).unwrap();
            symlink("/tmp", s.path("a/mnist/1/.retain/trash")).unwrap();
        },
        "no trash can be made",
    ),
];

#[test]
fn what_is_not_as_planned_makes_its_session_stay_whole() {
    for (what, change, said) in CASES {
        let store = Store::sample();
        let plan = store.sample_plan();
        change(&store);
        let before = store.picture();
        let report = store.apply(&plan).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(report.moved.checkpoints, 3, "{what}");
        let [skip] = &report.skipped[..] else { panic!("{what}: {:?}", report.skipped) };
        assert!(skip.session == "a/mnist/1" && skip.why.contains(said), "{what}: {}", skip.why);
        let gone: Vec<String> =
            [10, 20, 30].iter().map(|n| format!("b/mnist/2/checkpoint-{n}")).collect();
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        before.without(&gone).assert_same(&store.picture());
        let (runs, _) = runs(&store.root(), 0).unwrap();
        assert!(
            runs[0].skipped.iter().any(|(s, why)| s == "a/mnist/1" && why.contains(said)),
            "{what}: {:?}",
            runs[0].skipped
        );
    }
}

#[test]
fn i6_i10_a_pointer_or_a_pin_that_a_decision_rests_on() {
    let pin = "a/mnist/1/.retain/marks.toml";
    let latest = "a/mnist/1/latest";
    // (there before, changed or made, removed) for each of both files.
    for file in [pin, latest] {
        for (there, change) in [(false, Some("x")), (true, Some("y")), (true, None), (false, None)]
        {
            let store = Store::sample();
            if there {
                store.file(file, "x");
            }
            let mut plan = Plan::of(&store);
            plan.delete("a/mnist/1", "10", &[FIRST]).keep("a/mnist/1", "40", &[KEEPER]);
            if there {
                plan.keep("a/mnist/1", "a file", &[file]);
            } else {
                plan.absent("a/mnist/1", "a file", file);
            }
            let plan = plan.seal();
            match change {
                Some(text) => store.file(file, text),
                None if there => fs::remove_file(store.path(file)).unwrap(),
                None => {}
            }
            let report = store.apply(&plan).unwrap();
            let same = !there && change.is_none();
            assert_eq!(report.moved.checkpoints, u64::from(same), "{file} {there} {change:?}");
            assert_eq!(report.skipped.len(), usize::from(!same), "{file} {there} {change:?}");
        }
    }
}

#[test]
fn what_the_plan_does_not_rely_on_may_change() {
    let store = Store::sample();
    let plan = store.sample_plan();
    store.file("a/mnist/1/train.log", "more log");
    store.ckpt("a/mnist/1/checkpoint-50");
    let report = store.apply(&plan).unwrap();
    assert_eq!((report.moved.checkpoints, report.skipped.len()), (6, 0));
}

#[test]
fn i9_a_locked_checkpoint_is_in_use() {
    let store = Store::sample();
    let plan = store.sample_plan();
    let held = fs::File::open(store.path(FIRST)).unwrap();
    held.lock_shared().unwrap();
    let before = store.picture();
    let report = store.apply(&plan).unwrap();
    assert_eq!(report.moved.checkpoints, 3);
    assert!(report.skipped[0].why.contains("in use"), "{:?}", report.skipped);
    assert_eq!(before.has(FIRST), store.picture().has(FIRST));
}

/// Applies while `then` happens at the first rename; the run must stop, and not lose anything.
fn meanwhile(then: impl Fn(&Store, Moment, usize) + Sync) -> (Store, ApplyError) {
    let store = Store::sample();
    let plan = store.sample_plan();
    let calls = Meanwhile::new(|moment, n| then(&store, moment, n));
    let stopped = store.apply_with(&plan, &with_calls(&calls)).unwrap_err();
    assert_eq!(stopped.kind(), Kind::Failed);
    (store, stopped)
}

#[test]
fn r6_a_file_added_at_the_last_moment_brings_the_checkpoint_back() {
    let (store, stopped) = meanwhile(|store, moment, n| {
        if (moment, n) == (Moment::Before, 1) {
            store.file("a/mnist/1/checkpoint-20/late", "");
        }
    });
    assert!(stopped.to_string().contains("20 changed while it was moved; it is back"), "{stopped}");
    // The first one had moved in order and can be restored.
    let ApplyError::Stopped { report, restorable, .. } = stopped else { panic!() };
    assert_eq!(report.moved.checkpoints, 1);
    assert!(
        restorable.contains("1 checkpoints are in the trash; `retain undo 2026"),
        "{restorable}"
    );
    let left = store.picture();
    assert!(
        left.has("a/mnist/1/checkpoint-20/late")
            && left.has("a/mnist/1/checkpoint-30")
            && !left.has(FIRST)
    );
    recover(&store.root(), &settings(now()), &silent).unwrap();
    let run = report.run.unwrap();
    undo(
        &store.root(),
        &What { run: &run, session: None, checkpoint: None },
        &settings(now()),
        &silent,
    )
    .unwrap();
    assert!(store.picture().has(&format!("{FIRST}/opt/a/rank0")));
    assert_eq!(trash(&store), Vec::<String>::new());
}

#[test]
fn r2_another_of_the_same_name_at_the_last_moment_is_moved_back() {
    let (store, stopped) = meanwhile(|store, moment, n| {
        if (moment, n) == (Moment::Before, 0) {
            fs::rename(store.path(FIRST), store.path("hidden")).unwrap();
            store.ckpt(FIRST);
            store.file(format!("{FIRST}/precious"), "new");
        }
    });
    assert!(stopped.to_string().contains("it is back at its path"), "{stopped}");
    assert_eq!(fs::read_to_string(store.path(format!("{FIRST}/precious"))).unwrap(), "new");
    assert!(store.path("hidden/model.bin").exists());
}

#[test]
fn r2_another_of_the_same_name_is_moved_back_by_recovery_too() {
    let store = Store::sample();
    let plan = store.sample_plan();
    let calls = Meanwhile::new(|moment, n| {
        if (moment, n) == (Moment::Before, 0) {
            fs::rename(store.path(FIRST), store.path("hidden")).unwrap();
            store.file(format!("{FIRST}/precious"), "new");
        } else if (moment, n) == (Moment::After, 0) {
            // The end of the process, as far as the disk can tell: nothing more is done.
            std::panic::panic_any("killed");
        }
    });
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.apply_with(&plan, &with_calls(&calls))
    }));
    assert!(killed.is_err() && !store.path(FIRST).exists());
    let said = recover(&store.root(), &settings(now()), &silent).unwrap().unwrap();
    assert!(said.to_string().contains("6 left or put back at their paths"), "{said}");
    assert_eq!(fs::read_to_string(store.path(format!("{FIRST}/precious"))).unwrap(), "new");
    assert_eq!(trash(&store), Vec::<String>::new());
}

#[test]
fn moved_back_never_over_a_newcomer() {
    let (store, stopped) = meanwhile(|store, moment, n| {
        if (moment, n) == (Moment::Before, 0) {
            store.file(format!("{FIRST}/late"), "");
        } else if (moment, n) == (Moment::After, 0) {
            store.file(format!("{FIRST}/newcomer"), "new");
        }
    });
    assert!(stopped.to_string().contains("cannot be moved back"), "{stopped}");
    let check = |store: &Store| {
        assert_eq!(fs::read_to_string(store.path(format!("{FIRST}/newcomer"))).unwrap(), "new");
        assert!(trash(store).iter().any(|p| p.ends_with("checkpoint-10/late")));
    };
    check(&store);
    let said = recover(&store.root(), &settings(now()), &silent).unwrap().unwrap();
    assert_eq!(said.faults.len(), 1, "{said}");
    check(&store);
    // With the place free again, the next command brings it back.
    fs::remove_dir_all(store.path(FIRST)).unwrap();
    recover(&store.root(), &settings(now()), &silent).unwrap();
    undo_all(&store);
    assert!(store.path(format!("{FIRST}/late")).exists());
    assert_eq!(trash(&store), Vec::<String>::new());
}

fn undo_all(store: &Store) {
    for run in runs(&store.root(), 0).unwrap().0 {
        let what = What { run: &run.id, session: None, checkpoint: None };
        undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    }
}

#[test]
fn i33_a_keeper_lost_during_the_run_is_an_error_that_says_what_can_be_restored() {
    let (store, stopped) = meanwhile(|store, moment, n| {
        if (moment, n) == (Moment::After, 2) {
            fs::remove_dir_all(store.path(KEEPER)).unwrap();
        }
    });
    let text = stopped.to_string();
    assert!(text.contains("a/mnist/1 40 was to stay and cannot be read"), "{text}");
    assert!(text.contains("6 checkpoints are in the trash; `retain undo"), "{text}");
    undo_all(&store);
    assert!(store.picture().has(FIRST));
}

#[test]
fn i14_a_keeper_lost_after_the_intents_saves_its_session() {
    let store = Store::sample();
    let plan = store.sample_plan();
    let calls = Meanwhile::new(|moment, n| {
        // The first session moves; the second one's intents are written already.
        if (moment, n) == (Moment::After, 0) {
            fs::remove_dir_all(store.path("b/mnist/2/checkpoint-40")).unwrap();
        }
    });
    let report = store.apply_with(&plan, &with_calls(&calls)).unwrap();
    assert_eq!(report.moved.checkpoints, 3);
    assert!(
        report.skipped[0].why.contains("2 40, which was to stay, cannot"),
        "{:?}",
        report.skipped
    );
    assert!(store.path("b/mnist/2/checkpoint-10/model.bin").exists());
}

/// I10: the folder of the marks did not exist when the session was looked at either.
#[test]
fn i10_a_pin_made_after_the_intents_saves_its_session() {
    let store = Store::sample();
    let mut plan = Plan::of(&store);
    for (session, id) in [("a/mnist/1", "10"), ("b/mnist/2", "10")] {
        plan.delete(session, id, &[&format!("{session}/checkpoint-{id}")]);
        plan.absent(session, "marks", &format!("{session}/.retain/marks.toml"));
    }
    let calls = Meanwhile::new(|moment, n| {
        if (moment, n) == (Moment::After, 0) {
            store.file("b/mnist/2/.retain/marks.toml", "");
        }
    });
    let report = store.apply_with(&plan.seal(), &with_calls(&calls)).unwrap();
    assert_eq!(report.moved.checkpoints, 1);
    let why = &report.skipped[0].why;
    assert!(why.contains("marks appeared since the plan was made"), "{why}");
    assert!(store.path("b/mnist/2/checkpoint-10/model.bin").exists());
}

#[test]
fn undo_moves_nothing_of_a_checkpoint_whose_place_is_taken() {
    let store = Store::new();
    let parts = ["s/checkpoint-1.index", "s/checkpoint-1.data"];
    for p in &parts {
        store.file(p, "old");
    }
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &parts);
    let run = store.apply(&plan.seal()).unwrap().run.unwrap();
    // Another run of the trainer began to write the same checkpoint: the index, in order of time.
    store.file(parts[0], "new");
    let what = What { run: &run, session: None, checkpoint: None };
    for _ in 0..2 {
        let done = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
        assert_eq!(done.restored.checkpoints, 0);
        assert!(done.skipped[0].why.contains("its place is taken"), "{:?}", done.skipped);
        assert!(!store.path(parts[1]).exists());
        assert_eq!(fs::read_to_string(store.path(parts[0])).unwrap(), "new");
    }
    fs::remove_file(store.path(parts[0])).unwrap();
    undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    for p in &parts {
        assert_eq!(fs::read_to_string(store.path(p)).unwrap(), "old");
    }
}

#[test]
fn r15_a_replaced_lock_or_a_lost_marker_stops_the_run() {
    for file in ["lock", "root.toml"] {
        let store = Store::new();
        let mut plan = Plan::of(&store);
        // More sessions than one batch holds, so that a batch follows the mishap.
        for n in 0..80 {
            store.ckpt(format!("s{n:02}/checkpoint-1"));
            plan.delete(&format!("s{n:02}"), "1", &[&format!("s{n:02}/checkpoint-1")]);
        }
        let plan = plan.seal();
        let calls = Meanwhile::new(|moment, n| {
            if (moment, n) == (Moment::After, 0) {
                fs::remove_file(store.path(format!(".retain/{file}"))).unwrap();
                if file == "lock" {
                    store.file(".retain/lock", "");
                }
            }
        });
        let stopped = store.apply_with(&plan, &with_calls(&calls)).unwrap_err();
        let ApplyError::Stopped { report, .. } = &stopped else { panic!("{file}: {stopped}") };
        assert!((1..80).contains(&report.moved.checkpoints), "{file}: {stopped}");
        assert!(store.path("s79/checkpoint-1/model.bin").exists(), "{file}");
    }
}

#[test]
fn i29_a_signal_finishes_the_item_and_keeps_the_rest() {
    use std::sync::atomic::{AtomicBool, Ordering};
    for at in 0..6 {
        let store = Store::sample();
        let before = store.picture();
        let plan = store.sample_plan();
        let stop = AtomicBool::new(false);
        let calls = Meanwhile::new(|moment, n| {
            if (moment, n) == (Moment::Before, at) {
                stop.store(true, Ordering::Relaxed);
            }
        });
        let mut options = with_calls(&calls);
        options.settings.stop = &stop;
        let report = store.apply_with(&plan, &options).unwrap();
        assert_eq!(report.moved.checkpoints, at as u64 + 1);
        assert_eq!(report.stopped.is_some(), at < 5);
        // Sessions of which it did not do all.
        assert_eq!(report.unreached, 2 - (at as u64 + 1) / 3, "{at}");
        assert_eq!(recover(&store.root(), &settings(now()), &silent).unwrap(), None);
        undo_all(&store);
        before.assert_same(&store.picture());
    }
}
