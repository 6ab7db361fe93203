//! Which runs are said to have been cut off, and how.

use crate::support::*;
use retain::apply::calls::Os;
use retain::apply::dir::Rel;
use retain::apply::home::Home;
use retain::apply::journal::Journal;
use retain::apply::journal::history::State;
use retain::apply::journal::record::{Begin, Intent, Record, Work};
use retain::apply::{Interrupted, Root, RunItem, interrupted, runs};
use std::fs;

/// A journal of five checkpoints: two moved, one of them about to be purged, three announced.
fn write(store: &Store, at: &str, run: &str) -> Journal {
    let home = Home::make(&Os, &store.root(), &Rel::parse(at).unwrap()).unwrap();
    let begin = Begin { run: run.to_owned(), ..Begin::default() };
    let mut journal = Journal::create(&Os, home.journal(), &begin).unwrap();
    for item in 0..5 {
        let bytes = u64::from(item == 0);
        journal.add(&Record::Intent(Intent { item, bytes, ..Intent::default() }));
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
    // And is one run of the log, with all of its checkpoints.
    let (all, faults) = runs(&store.root(), 0).unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let counts: Vec<_> = all
        .iter()
        .map(|r| (&*r.id, r.in_trash.checkpoints, r.midway.checkpoints, r.items.len()))
        .collect();
    assert_eq!(counts, [(one, 2, 3, 5), (both, 4, 6, 10)]);
    assert_eq!(all.iter().map(|r| r.in_trash.bytes).collect::<Vec<_>>(), [1, 2]);
    assert!(all.iter().all(|r| r.unfinished && !r.damaged && r.stopped.is_none()));
    // Its journal at one place came to an end, at the other it was damaged.
    for (at, record) in [
        ("a/mnist/1", Record::Purged { items: vec![0, 1] }),
        ("a/mnist/1", Record::Restored { items: vec![2] }),
        ("b/mnist/2", Record::Kept { items: vec![3], why: String::new() }),
        ("b/mnist/2", Record::Skipped { session: "s".into(), why: "w".into() }),
        ("b/mnist/2", Record::End { stopped: Some("a signal".into()) }),
    ] {
        let home = Home::make(&Os, &store.root(), &Rel::parse(at).unwrap()).unwrap();
        let begin = Begin { run: both.to_owned(), work: Work::Recover, ..Begin::default() };
        let mut journal = Journal::create(&Os, home.journal(), &begin).unwrap();
        journal.add(&record);
        journal.add(&Record::End { stopped: Some("a signal".into()) });
        journal.commit(&Os).unwrap();
    }
    let first = store.path(format!("b/mnist/2/.retain/journal/{both}.0000"));
    let mut bytes = fs::read(&first).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&first, bytes).unwrap();
    let (all, _) = runs(&store.root(), 0).unwrap();
    let run = all.iter().find(|r| r.id == both).unwrap();
    assert_eq!((run.purged.checkpoints, run.restored.checkpoints), (2, 1));
    assert!(run.damaged && !run.unfinished, "{run:?}");
    assert_eq!(run.stopped.as_deref(), Some("a signal"));
    assert_eq!(run.skipped, [("s".to_owned(), "w".to_owned())]);
}

#[test]
fn what_is_in_the_trash_and_what_has_left() {
    let item = |state| RunItem {
        session: String::new(),
        id: String::new(),
        bytes: 0,
        state,
        why: String::new(),
    };
    for (state, in_trash, has_left) in [
        (State::Intent, true, false),
        (State::Moved, true, true),
        (State::Purging, true, true),
        (State::Purged, false, true),
        (State::Gone, false, true),
        (State::Kept, false, false),
        (State::Lost, false, false),
        (State::Restored, false, false),
    ] {
        let item = item(state);
        assert_eq!((item.in_trash(), item.has_left()), (in_trash, has_left), "{state:?}");
    }
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
