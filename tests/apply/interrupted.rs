//! Which runs are said to have been cut off, and how.

use crate::support::*;
use retain::apply::calls::Os;
use retain::apply::dir::Rel;
use retain::apply::home::Home;
use retain::apply::journal::Journal;
use retain::apply::journal::record::{Begin, Intent, Record};
use retain::apply::{Interrupted, Root, interrupted};
use std::fs;

/// A journal of five checkpoints: two moved, one of them about to be purged, three announced.
fn write(store: &Store, at: &str, run: &str) -> Journal {
    let home = Home::make(&Os, &store.root(), &Rel::parse(at).unwrap()).unwrap();
    let begin = Begin { run: run.to_owned(), ..Begin::default() };
    let mut journal = Journal::create(&Os, home.journal(), &begin).unwrap();
    for item in 0..5 {
        journal.add(&Record::Intent(Intent { item, ..Intent::default() }));
    }
    journal.add(&Record::Moved { items: vec![0, 1] });
    journal.add(&Record::Purging { items: vec![1] });
    journal.commit(&Os).unwrap();
    journal
}

fn expected(run: &str, homes: u64) -> Interrupted {
    let run = run.to_owned();
    Interrupted { run, uid: None, moved: homes, midway: 3 * homes, purging: homes }
}

#[test]
fn only_what_was_cut_off_is_called_so() {
    let store = Store::sample();
    assert_eq!(interrupted(&store.root(), []), []);
    let cut = write(&store, ".", "20260101-000000-aaaa");
    assert_eq!(interrupted(&store.root(), []), [], "its writer lives");
    drop(cut);
    let mut ended = write(&store, ".", "20260101-000000-bbbb");
    ended.add(&Record::End { stopped: None });
    ended.commit(&Os).unwrap();
    drop(ended);
    drop(write(&store, ".", "20260101-000000-cccc"));
    fs::write(store.path(".retain/journal/20260101-000000-cccc.settled"), "").unwrap();
    let cut = [expected("20260101-000000-aaaa", 1)];
    assert_eq!(interrupted(&store.root(), []), cut);
    // Whoever may write in the root's own home has no journals elsewhere.
    drop(write(&store, "a/mnist/1", "20260101-000000-dddd"));
    assert_eq!(interrupted(&store.root(), ["a/mnist/1"]), cut);
    // Nothing of ours is believed in a root that is none.
    fs::remove_file(store.path(".retain/root.toml")).unwrap();
    let bare = Root::open(&store.top, None).unwrap();
    assert_eq!((bare.id.clone(), interrupted(&bare, [])), (None, vec![]));
}

#[test]
fn a_run_with_journals_beside_several_sessions_is_told_once() {
    let store = Store::sample();
    fs::remove_dir_all(store.path(".retain/journal")).unwrap();
    let (one, both) = ("20260101-000000-aaaa", "20260101-000000-bbbb");
    drop(write(&store, "a/mnist/1", both));
    drop(write(&store, "b/mnist/2", both));
    drop(write(&store, "b/mnist/2", one));
    let folders = ["b/mnist/2", "a/mnist/1", "b/mnist/2", "nowhere", "/bad"];
    let told = interrupted(&store.root(), folders);
    assert_eq!(told, [expected(both, 2), expected(one, 1)]);
    assert_eq!(interrupted(&store.root(), []), []);
}

#[test]
fn one_line_says_what_happened_and_who_can_help() {
    let table = [
        ((0, 0, 0), "nothing had been moved"),
        ((1, 0, 0), "1 in the trash and restorable"),
        ((0, 2, 0), "2 perhaps half-way there"),
        ((0, 0, 3), "3 being purged"),
        ((1, 2, 3), "1 in the trash and restorable, 2 perhaps half-way there, 3 being purged"),
    ];
    for ((moved, midway, purging), said) in table {
        let mut run = Interrupted { run: "R".to_owned(), uid: Some(7), moved, midway, purging };
        let wanted = format!("run R was interrupted: {said}; user 7 can bring it to an end");
        assert_eq!(run.to_string(), wanted);
        run.uid = None;
        let text = run.to_string();
        assert!(text.starts_with(&format!("run R was interrupted: {said}; the next")), "{text}");
        assert!(text.contains("`retain undo R`"), "{text}");
    }
}
