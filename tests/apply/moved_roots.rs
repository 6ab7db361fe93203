//! What changed about a root or its trash from outside: other modes, another disk, other ids.

use crate::support::*;
use retain::apply::{ApplyError, Root, RootError, Which, early, purge, runs, undo};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn edit(store: &Store, old: &str, new: &str) {
    let path = store.path(".retain/root.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{text}");
    fs::write(path, text.replace(old, new)).unwrap();
}

/// As if it had been copied from another disk.
fn carried_over(store: &Store) {
    let inode = store.root().inode;
    edit(store, "filesystem = \"", "filesystem = \"1");
    edit(store, &format!("inode = {inode}"), "inode = 1");
    assert!(matches!(Root::open(&store.top, None), Err(RootError::Moved { .. })));
}

fn chmod(store: &Store, path: &str, change: impl Fn(u32) -> u32) {
    let path = store.path(path);
    let mode = change(fs::metadata(&path).unwrap().permissions().mode());
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Where others may write, that is said, with the place and what to do about it.
#[test]
fn n16_what_others_may_write_in_is_named_with_its_remedy() {
    let store = Store::sample();
    let before = store.picture();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    for session in ["a/mnist/1", "b/mnist/2"] {
        chmod(&store, &format!("{session}/.retain/trash/{run}"), |mode| mode | 0o020);
    }
    let report = undo(&store.root(), &all_of(&run), &settings(now()), &silent).unwrap();
    let at = store.path(format!("a/mnist/1/.retain/trash/{run}")).display().to_string();
    let said = format!("others may write in `{at}`: `chmod go-w {at}`");
    assert!(report.skipped.len() == 6 && report.skipped[0].why.contains(&said), "{report:?}");
    chmod(&store, ".retain", |mode| mode | 0o002);
    let at = store.path(".retain").display().to_string();
    let error = Root::open(&store.top, None).unwrap_err().to_string();
    assert!(error.contains(&format!("everybody may write in `{at}`: `chmod o-w {at}`")), "{error}");
    assert!(!error.contains("retain init"), "{error}");
    // As it says.
    chmod(&store, ".retain", |mode| mode & !0o002);
    for session in ["a/mnist/1", "b/mnist/2"] {
        chmod(&store, &format!("{session}/.retain/trash/{run}"), |mode| mode & !0o022);
    }
    let report = undo(&store.root(), &all_of(&run), &settings(now()), &silent).unwrap();
    assert_eq!(report.restored.checkpoints, 6, "{report:?}");
    before.assert_same(&store.picture());
}

/// A root that moved to another disk, and was declared there as its message says, has its trash still.
#[test]
fn the_runs_of_a_root_that_moved_are_its_own() {
    for again in [false, true] {
        let store = Store::sample();
        let before = store.picture();
        let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
        let first = store.root().id;
        carried_over(&store);
        assert_ne!(store.init().id, first);
        if again {
            carried_over(&store);
            store.init();
        }
        assert_eq!(early::trash(&store.root(), 1, now()).unwrap().len(), 1);
        let what = retain::apply::What { checkpoint: Some("10"), ..all_of(&run) };
        let report = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
        assert_eq!(report.restored.checkpoints, 2);
        let report = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
        assert_eq!((report.purged.checkpoints, report.faults.len()), (4, 0), "{report:?}");
        let gone: Vec<String> = ["a/mnist/1", "b/mnist/2"]
            .iter()
            .flat_map(|s| ["20", "30"].map(|id| format!("{s}/checkpoint-{id}")))
            .collect();
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        before.without(&gone).assert_same(&store.picture());
    }
}

/// Trash that nobody will ever purge is said, and not counted.
#[test]
fn trash_of_a_root_that_is_no_more_is_said() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    fs::remove_file(store.path(".retain/root.toml")).unwrap();
    store.init();
    let (known, _) = runs(&store.root(), 1).unwrap();
    assert_eq!(known[0].out_of_reach, known[0].in_trash);
    let within = purge(&store.root(), Which::Expired, &settings(now()), &silent).unwrap();
    assert!(within.faults.is_empty(), "{within:?}");
    for which in [Which::All, Which::Run(&run), Which::Expired] {
        let report = purge(&store.root(), which, &settings(later(100 * HOUR)), &silent).unwrap();
        assert_eq!(report.purged.checkpoints, 0);
        assert!(report.faults[0].contains(&format!("run {run} is of another root")), "{report:?}");
    }
    let error = undo(&store.root(), &all_of(&run), &settings(now()), &silent).unwrap_err();
    assert!(matches!(error, ApplyError::OtherRootsRun { .. }), "{error}");
}
