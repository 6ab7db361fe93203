//! What is not there any more, and what only seems so: gone is what is seen to be gone (I33).

use crate::faulty::{Meanwhile, Moment};
use crate::support::*;
use retain::apply::journal::history::State;
use retain::apply::{Report, What, runs, undo};
use std::fs;
use std::path::Path;

/// A session with a checkpoint of one part, one of two in two folders, and one that stays.
fn store() -> Store {
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    store.ckpt("s/checkpoint-3");
    store.file("s/m/checkpoint-2.bin", "weights");
    store.file("s/o/checkpoint-2.opt", "moments");
    store
}

fn applied(store: &Store, change: impl FnOnce(&Store)) -> Report {
    let mut plan = Plan::of(store);
    plan.delete("s", "1", &["s/checkpoint-1"])
        .delete("s", "2", &["s/m/checkpoint-2.bin", "s/o/checkpoint-2.opt"])
        .keep("s", "3", &["s/checkpoint-3"])
        .absent("s", "a pin", "s/pins/pin");
    let plan = plan.seal();
    change(store);
    store.apply(&plan).unwrap()
}

#[test]
fn what_is_gone_is_no_fault_what_is_half_gone_is() {
    type Case = (&'static str, fn(&Store), Result<(u64, u64), &'static str>);
    let cases: [Case; 11] = [
        ("nothing", |_| {}, Ok((2, 0))),
        ("one", |s| fs::remove_dir_all(s.path("s/checkpoint-1")).unwrap(), Ok((1, 1))),
        (
            "both parts",
            |s| {
                fs::remove_file(s.path("s/m/checkpoint-2.bin")).unwrap();
                fs::remove_file(s.path("s/o/checkpoint-2.opt")).unwrap();
            },
            Ok((1, 1)),
        ),
        (
            "one part of two",
            |s| fs::remove_file(s.path("s/o/checkpoint-2.opt")).unwrap(),
            Err("2 cannot be read"),
        ),
        (
            "the other",
            |s| fs::remove_file(s.path("s/m/checkpoint-2.bin")).unwrap(),
            Err("2 cannot be read"),
        ),
        (
            "the folders of both parts",
            |s| {
                fs::remove_dir_all(s.path("s/m")).unwrap();
                fs::remove_dir_all(s.path("s/o")).unwrap();
            },
            Err("2 cannot be read"),
        ),
        (
            "a folder that is a file",
            |s| {
                fs::remove_dir_all(s.path("s/m")).unwrap();
                s.file("s/m", "");
            },
            Err("2 cannot be read"),
        ),
        ("a pin that appeared", |s| s.file("s/pins/pin", ""), Err("a pin appeared since")),
        ("a folder for pins", |s| fs::create_dir(s.path("s/pins")).unwrap(), Ok((2, 0))),
        ("a file where pins would be", |s| s.file("s/pins", ""), Err("cannot be looked for")),
        (
            "what was to stay",
            |s| fs::remove_dir_all(s.path("s/checkpoint-3")).unwrap(),
            Err("3, which was to stay, cannot be read"),
        ),
    ];
    for (what, change, wanted) in cases {
        let store = store();
        let report = applied(&store, change);
        match wanted {
            Ok(counts) => {
                assert_eq!((report.moved.checkpoints, report.gone), counts, "{what}");
                assert!(report.skipped.is_empty(), "{what}: {:?}", report.skipped);
            }
            Err(said) => {
                assert_eq!((report.moved.checkpoints, report.gone), (0, 0), "{what}");
                let why = &report.skipped[0].why;
                assert!(why.contains(said), "{what}: {why}");
            }
        }
        assert_eq!(report.unreached, 0, "{what}");
    }
}

/// All of a session is gone with its folder: somebody else's success, and nothing to record.
#[test]
fn a_whole_folder_that_is_gone_is_gone() {
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &["s/checkpoint-1"]);
    let plan = plan.seal();
    fs::remove_dir_all(store.path("s")).unwrap();
    let report = store.apply(&plan).unwrap();
    assert_eq!((report.gone, report.moved.checkpoints, report.unreached), (1, 0, 0));
    assert!(report.run.is_none() && report.skipped.is_empty(), "{:?}", report.skipped);
}

/// What happens right before the n-th rename: moved, gone, and why the rest stays.
type AtRename = (&'static str, usize, fn(&Path), (u64, u64), Option<&'static str>);

/// Renames: the directory `1`, the file `2`, the two parts of `3`.
const AT_RENAME: &[AtRename] = &[
    ("its own turn", 0, |s| fs::remove_dir_all(s.join("1")).unwrap(), (2, 1), None),
    ("a file's own turn", 1, |s| fs::remove_file(s.join("2")).unwrap(), (2, 1), None),
    ("the first part's own turn", 2, |s| fs::remove_file(s.join("3a")).unwrap(), (2, 1), None),
    (
        "the second part's own turn",
        3,
        |s| fs::remove_file(s.join("3b")).unwrap(),
        (2, 0),
        Some("a part of 3 vanished"),
    ),
    ("a file, early", 0, |s| fs::remove_file(s.join("2")).unwrap(), (2, 1), None),
    (
        "a part, early",
        0,
        |s| fs::remove_file(s.join("3a")).unwrap(),
        (2, 0),
        Some("3 cannot be read"),
    ),
    // Of several parts none is called gone: one answer may be wrong.
    (
        "both parts, early",
        0,
        |s| ["3a", "3b"].iter().for_each(|part| fs::remove_file(s.join(part)).unwrap()),
        (2, 0),
        Some("3 cannot be read"),
    ),
    (
        "a file is another, early",
        0,
        |s| fs::write(s.join("2"), "another").unwrap(),
        (1, 0),
        Some("2 has changed just now"),
    ),
    (
        "a part is another, early",
        1,
        |s| fs::write(s.join("3b"), "another").unwrap(),
        (2, 0),
        Some("3 has changed just now"),
    ),
];

#[test]
fn what_goes_or_changes_while_others_are_moved() {
    for (what, at, deed, counts, said) in AT_RENAME {
        let store = Store::new();
        store.ckpt("s/1");
        for name in ["2", "3a", "3b"] {
            store.file(format!("s/{name}"), name);
        }
        let mut plan = Plan::of(&store);
        plan.delete("s", "1", &["s/1"]).delete("s", "2", &["s/2"]).delete(
            "s",
            "3",
            &["s/3a", "s/3b"],
        );
        let calls = Meanwhile::new(|moment, n| {
            if (moment, n) == (Moment::Before, *at) {
                deed(&store.path("s"));
            }
        });
        let report = store.apply_with(&plan.seal(), &with_calls(&calls)).unwrap();
        assert_eq!((report.moved.checkpoints, report.gone), *counts, "{what}");
        let why = report.skipped.first().map(|s| &*s.why);
        assert_eq!(why.is_some(), said.is_some(), "{what}: {why:?}");
        assert!(why.is_none_or(|why| why.starts_with(said.unwrap())), "{what}: {why:?}");
        assert_eq!(report.unreached, 0, "{what}");
        // The log says the same of each.
        let (all, _) = runs(&store.root(), 0).unwrap();
        let count = |state| all[0].items.iter().filter(|i| i.state == state).count() as u64;
        let kept = 3 - counts.0 - counts.1;
        let found = (count(State::Moved), count(State::Gone), count(State::Kept));
        assert_eq!(found, (counts.0, counts.1, kept), "{what}");
        // And so does an undo: what is gone is nowhere, what was kept is where it was.
        let everything = What { run: &all[0].id, session: None, checkpoint: None };
        let back = undo(&store.root(), &everything, &settings(now()), &silent).unwrap();
        let told = (back.restored.checkpoints, back.skipped.len() as u64, back.already);
        assert_eq!(told, (counts.0, counts.1, kept), "{what}");
    }
    // The early loss of a directory shows when it is claimed.
    let store = Store::new();
    store.ckpt("s/1");
    store.ckpt("s/2");
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &["s/1"]).delete("s", "2", &["s/2"]);
    let calls = Meanwhile::new(|moment, n| {
        if (moment, n) == (Moment::Before, 0) {
            fs::remove_dir_all(store.path("s/2")).unwrap();
        }
    });
    let report = store.apply_with(&plan.seal(), &with_calls(&calls)).unwrap();
    assert_eq!((report.moved.checkpoints, report.gone, report.skipped.len()), (1, 1, 0));
}
