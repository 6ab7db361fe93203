//! What is told of a run afterwards.

use crate::support::*;
use retain::apply::runs::{after, pending, told};
use retain::apply::{What, runs, undo};
use std::fs;

/// Journals are never pruned: whoever looks every night for what is in the trash must not read all
/// that ever was.
#[test]
fn runs_that_left_nothing_are_not_read_to_tell_what_is_pending() {
    let store = Store::sample();
    let mut plan = Plan::of(&store);
    plan.delete("x", "1", &["a/mnist/1/checkpoint-10"]);
    let first = store.apply(&plan.seal()).unwrap().run.unwrap();
    let mut plan = Plan::of(&store);
    plan.delete("x", "2", &["a/mnist/1/checkpoint-20"]);
    let second = store.apply(&plan.seal()).unwrap().run.unwrap();
    let what = What { run: &first, session: None, checkpoint: None };
    undo(&store.root(), &what, &settings(later(60)), &silent).unwrap();
    let of = |told: Vec<retain::apply::RunSummary>| {
        let mut ids: Vec<String> = told.into_iter().map(|r| r.id).collect();
        ids.sort();
        ids
    };
    let mut both = vec![first.clone(), second.clone()];
    both.sort();
    assert_eq!(of(runs(&store.root(), 0).unwrap().0), both);
    assert_eq!(of(told(&store.root(), 0, &[])), both);
    assert_eq!(of(pending(&store.root(), 0, &[])), std::slice::from_ref(&second));
    assert_eq!(of(after(&store.root(), 0, &[], None)), [second]);
    // Whoever asks for one is told of it.
    let all = after(&store.root(), 0, &[], Some(&first));
    let one = all.iter().find(|r| r.id == first).unwrap();
    assert_eq!((all.len(), one.restored.checkpoints, one.items.len()), (2, 1, 1));
    // Neither opened nor missed.
    fs::remove_file(store.path(format!(".retain/journal/{first}.0000"))).unwrap();
    fs::create_dir(store.path(format!(".retain/journal/{first}.0000"))).unwrap();
    assert!(!runs(&store.root(), 0).unwrap().1.is_empty());
    assert_eq!(pending(&store.root(), 0, &[]).len(), 1);
}

#[test]
fn a_run_says_until_when_while_something_of_it_can_be_restored() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    for (checkpoint, left) in [(Some("10"), true), (Some("20"), true), (None, false)] {
        let what = What { run: &run, session: None, checkpoint };
        undo(&store.root(), &what, &settings(later(60)), &silent).unwrap();
        let told = runs(&store.root(), 0).unwrap().0.remove(0);
        assert_eq!(told.in_trash.checkpoints > 0, left, "{checkpoint:?}");
        assert_eq!(told.expires, left.then(|| later(20 * HOUR)), "{checkpoint:?}");
    }
}

/// What is done to a journal.
type Deed = (&'static str, fn(&mut Vec<u8>));

/// The journals of one run, kept beside the checkpoints of several sessions, are one run: what is
/// wrong with one of them, whichever it is, is wrong with the run.
#[test]
fn a_run_with_several_journals_is_as_good_as_the_worst_of_them() {
    let flip: Deed = ("damaged", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    // Its last record is its end.
    let cut: Deed = ("unfinished", |bytes| bytes.truncate(bytes.len() - 4));
    for (what, deed) in [flip, cut] {
        for nth in [None, Some(0), Some(1)] {
            let store = Store::sample();
            let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
            let name = format!("{run}.0000");
            let whole = fs::read(store.path(format!(".retain/journal/{name}"))).unwrap();
            for (n, home) in ["", "a/mnist/1/"].into_iter().enumerate() {
                let mut bytes = whole.clone();
                if nth == Some(n) {
                    deed(&mut bytes);
                }
                let journal = store.path(format!("{home}.retain/journal"));
                fs::create_dir_all(&journal).unwrap();
                fs::write(journal.join(&name), bytes).unwrap();
            }
            let (told, _) = runs(&store.root(), 0).unwrap();
            assert_eq!(told.len(), 1);
            let is = if what == "damaged" { told[0].damaged } else { told[0].unfinished };
            assert_eq!(is, nth.is_some(), "{what} {nth:?}");
        }
    }
}
