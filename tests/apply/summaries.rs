//! What is told of a run afterwards.

use crate::support::*;
use retain::apply::{What, runs, undo};
use std::fs;

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

/// The journals of one run, kept beside the checkpoints of several sessions, are one run; what of
/// them is damaged is said, whichever it is.
#[test]
fn a_run_with_several_journals_is_damaged_if_one_of_them_is() {
    for damaged in [None, Some(0), Some(1)] {
        let store = Store::sample();
        let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
        let name = format!("{run}.0000");
        let whole = fs::read(store.path(format!(".retain/journal/{name}"))).unwrap();
        for (n, home) in ["", "a/mnist/1/"].into_iter().enumerate() {
            let mut bytes = whole.clone();
            if damaged == Some(n) {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            let journal = store.path(format!("{home}.retain/journal"));
            fs::create_dir_all(&journal).unwrap();
            fs::write(journal.join(&name), bytes).unwrap();
        }
        let (told, _) = runs(&store.root(), 0).unwrap();
        assert_eq!((told.len(), told[0].damaged), (1, damaged.is_some()), "{damaged:?}");
    }
}
