//! Runs that were read before hold until a journal changes.

use crate::support::*;
use retain::apply::{KnownRuns, What, undo};
use std::fs;

/// What is done to a journal.
type Deed = fn(&std::path::Path);

#[test]
fn known_runs_hold_until_a_journal_changes() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let known = KnownRuns::find(&store.root(), 0).unwrap();
    assert_eq!((known.runs.len(), known.faults.len()), (1, 0));
    assert!(known.holds(&store.root()));
    let what = What { run: &run, session: None, checkpoint: Some("20") };
    undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    assert!(!known.holds(&store.root()));
    let again = known.again(&store.root());
    assert!(again.holds(&store.root()));
    assert_eq!(again.runs[0].restored.checkpoints, 2, "one of each session");
    // Each of what a look can tell.
    let journal = store.path(format!(".retain/journal/{run}.0000"));
    let deeds: [(&str, Deed); 4] = [
        ("longer", |j| fs::write(j, [fs::read(j).unwrap(), vec![0]].concat()).unwrap()),
        ("gone", |j| fs::remove_file(j).unwrap()),
        ("another", |j| fs::write(j.with_file_name("other.0000"), "").unwrap()),
        ("the directory", |j| fs::remove_dir_all(j.parent().unwrap()).unwrap()),
    ];
    for (what, deed) in deeds {
        let known = KnownRuns::find(&store.root(), 0).unwrap();
        assert!(known.holds(&store.root()), "{what}");
        deed(&journal);
        assert!(!known.holds(&store.root()), "{what}");
    }
}

#[test]
fn a_root_gets_a_journal_of_its_own_and_places_may_fail() {
    let store = Store::sample();
    fs::remove_dir_all(store.path(".retain/journal")).unwrap();
    let none = KnownRuns::find(&store.root(), 0).unwrap();
    assert!(none.runs.is_empty() && none.holds(&store.root()));
    fs::create_dir(store.path(".retain/journal")).unwrap();
    assert!(!none.holds(&store.root()));
    store.apply(&store.sample_plan()).unwrap();
    let again = none.again(&store.root());
    assert_eq!(again.runs.len(), 1);
    // Places that were found are looked at, and no others.
    fs::create_dir_all(store.path("a/mnist/1/.retain/journal")).unwrap();
    let known = KnownRuns::find(&store.root(), 0).unwrap();
    assert!(known.holds(&store.root()));
    fs::remove_dir(store.path("a/mnist/1/.retain/journal")).unwrap();
    fs::write(store.path("a/mnist/1/.retain/journal"), "").unwrap();
    assert!(!known.holds(&store.root()));
    let again = known.again(&store.root());
    assert!(again.faults[0].starts_with("a/mnist/1: "), "{:?}", again.faults);
    assert_eq!(again.again(&store.root()).faults, again.faults, "said once, however often read");
    fs::remove_file(store.path("a/mnist/1/.retain/journal")).unwrap();
    assert!(known.again(&store.root()).faults.is_empty(), "a fault that is mended is none");
}
