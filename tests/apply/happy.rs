//! Nothing goes wrong: what was planned goes, and comes back.

use crate::support::*;
use retain::apply::journal::history::State;
use retain::apply::{ApplyOptions, What, Which, purge, recover, runs, undo};

const GONE: [&str; 6] = [
    "a/mnist/1/checkpoint-10",
    "a/mnist/1/checkpoint-20",
    "a/mnist/1/checkpoint-30",
    "b/mnist/2/checkpoint-10",
    "b/mnist/2/checkpoint-20",
    "b/mnist/2/checkpoint-30",
];

fn whole(run: &str) -> What<'_> {
    What { run, session: None, checkpoint: None }
}

#[test]
fn exactly_the_planned_goes_and_undo_brings_back_the_identical_tree() {
    for threads in [1, 4] {
        let store = Store::sample();
        let before = store.picture();
        let mut options = options();
        options.settings.threads = threads;
        let report = store.apply_with(&store.sample_plan(), &options).unwrap();
        assert_eq!((report.moved.checkpoints, report.moved.bytes), (6, 6000));
        assert!(report.skipped.is_empty() && report.faults.is_empty() && report.stopped.is_none());
        assert_eq!(store.picture(), before.without(&GONE));

        let run = report.run.unwrap();
        let undone = undo(&store.root(), &whole(&run), &settings(now()), &silent).unwrap();
        assert_eq!(undone.restored.checkpoints, 6);
        assert!(undone.skipped.is_empty());
        assert_eq!(store.picture(), before);
        assert_eq!(trash(&store), Vec::<String>::new());

        // A second time there is nothing to do.
        let again = undo(&store.root(), &whole(&run), &settings(now()), &silent).unwrap();
        assert_eq!((again.restored.checkpoints, again.already), (0, 6));
        assert_eq!(store.picture(), before);
    }
}

#[test]
fn a_session_or_one_checkpoint_comes_back_alone() {
    let store = Store::sample();
    let before = store.picture();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let one = What { run: &run[..15], session: Some("a/mnist/1"), checkpoint: Some("20") };
    assert_eq!(
        undo(&store.root(), &one, &settings(now()), &silent).unwrap().restored.checkpoints,
        1
    );
    let mut gone = GONE.to_vec();
    gone.retain(|p| *p != "a/mnist/1/checkpoint-20");
    assert_eq!(store.picture(), before.without(&gone));
    let session = What { run: &run, session: Some("b/mnist/2"), checkpoint: None };
    assert_eq!(
        undo(&store.root(), &session, &settings(now()), &silent).unwrap().restored.checkpoints,
        3
    );
    assert_eq!(store.picture(), before.without(&GONE[..3]).with(&before, GONE[1]));
    let none = What { run: &run, session: Some("c"), checkpoint: None };
    assert!(undo(&store.root(), &none, &settings(now()), &silent).is_err());
}

#[test]
fn purge_waits_for_the_grace_and_leaves_no_trace() {
    let store = Store::sample();
    let before = store.picture();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let root = store.root();
    let early = purge(&root, Which::Expired, &settings(later(20 * HOUR - 1)), &silent).unwrap();
    assert_eq!(early.purged.checkpoints, 0);
    assert!(!trash(&store).is_empty());
    let due = purge(&root, Which::Expired, &settings(later(20 * HOUR)), &silent).unwrap();
    assert_eq!((due.purged.checkpoints, due.purged.bytes), (6, 6000));
    assert!(due.faults.is_empty(), "{:?}", due.faults);
    assert_eq!(trash(&store), Vec::<String>::new());
    assert_eq!(store.picture(), before.without(&GONE));
    let undone = undo(&root, &whole(&run), &settings(later(21 * HOUR)), &silent).unwrap();
    assert_eq!((undone.restored.checkpoints, undone.skipped.len()), (0, 6));
    assert_eq!(store.picture(), before.without(&GONE));
}

#[test]
fn purge_now_frees_at_once() {
    for threads in [1, 4] {
        let store = Store::sample();
        let before = store.picture();
        let mut options = ApplyOptions { purge_now: true, ..options() };
        options.settings.threads = threads;
        let report = store.apply_with(&store.sample_plan(), &options).unwrap();
        assert_eq!((report.moved.checkpoints, report.purged.checkpoints), (6, 6));
        assert_eq!(store.picture(), before.without(&GONE));
        assert_eq!(trash(&store), Vec::<String>::new());
    }
}

#[test]
fn the_log_tells_what_became_of_everything() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let one = What { run: &run, session: Some("a/mnist/1"), checkpoint: Some("20") };
    undo(&store.root(), &one, &settings(now()), &silent).unwrap();
    let (all, faults) = runs(&store.root(), 0).unwrap();
    assert!(faults.is_empty());
    let [seen] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&seen.id, seen.at, seen.policy.as_str()), (&run, Some(now()), "test"));
    assert_eq!(
        (seen.planned.checkpoints, seen.in_trash.checkpoints, seen.restored.checkpoints),
        (6, 5, 1)
    );
    assert_eq!(seen.expires, Some(later(20 * HOUR)));
    assert!(!seen.unfinished && !seen.damaged && seen.stopped.is_none());
    assert_eq!(
        seen.items
            .iter()
            .filter(|i| i.state == State::Restored)
            .map(|i| &*i.id)
            .collect::<Vec<_>>(),
        ["20"]
    );
}

#[test]
fn a_plan_without_deletions_writes_no_journal() {
    let store = Store::sample();
    let report = store.apply(&Plan::of(&store).seal()).unwrap();
    assert_eq!(report.run, None);
    assert!(runs(&store.root(), 0).unwrap().0.is_empty());
    assert!(recover(&store.root(), &settings(now()), &silent).unwrap().is_none());
}

#[test]
fn what_is_gone_already_is_success() {
    let store = Store::sample();
    let plan = store.sample_plan();
    std::fs::remove_dir_all(store.path(GONE[0])).unwrap();
    let report = store.apply(&plan).unwrap();
    assert_eq!((report.moved.checkpoints, report.gone), (5, 1));
    assert!(report.skipped.is_empty());
}
