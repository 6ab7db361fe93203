//! Which trash may go before its time, where free space is demanded.

use crate::support::*;
use retain::apply::journal::record::{Begin, Intent, Part, Record, Work};
use retain::apply::{ApplyOptions, Count, Which, early, purge};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

#[test]
fn the_trash_that_may_go_early_is_told_oldest_first() {
    let store = Store::sample();
    let mut plan = Plan::of(&store);
    plan.delete("a/mnist/1", "10", &["a/mnist/1/checkpoint-10"]);
    store.apply(&plan.seal()).unwrap();
    let mut plan = Plan::of(&store);
    plan.plan.now = later(60).to_string();
    plan.delete("a/mnist/1", "20", &["a/mnist/1/checkpoint-20"]);
    let options = ApplyOptions { settings: settings(later(60)), ..options() };
    let last = store.apply_with(&plan.seal(), &options).unwrap().run.unwrap();
    let trash = early::trash(&store.root(), 1, later(90)).unwrap();
    assert_eq!(trash.iter().map(|t| t.count.bytes).collect::<Vec<_>>(), [1000, 1000]);
    assert_eq!(trash[1].run, last);
    let go = |now, own| trash.iter().map(|t| t.may_go(now, own)).collect::<Vec<_>>();
    assert_eq!(go(later(60), None), [true, true]);
    assert_eq!(go(later(59), None), [true, false], "younger than the command that asks");
    assert_eq!(go(later(90), Some(&*last)), [true, false], "its own");
    purge(&store.root(), Which::Runs(&[last]), &settings(later(90)), &silent).unwrap();
    let trash = early::trash(&store.root(), 1, later(90)).unwrap();
    assert_eq!(trash.len(), 1, "what is purged is trash no longer");
    assert!(early::trash(&store.root(), 1, later(100 * HOUR)).unwrap()[0].expired);
}

/// A journal file of `run` in the home at `home`: so many checkpoints of 100 bytes were moved, and lie
/// in the trash there.
fn journal(store: &Store, home: &str, run: &str, begin: Begin, moved: u32) {
    let dir = store.path(format!("{home}/.retain/journal"));
    fs::create_dir_all(&dir).unwrap();
    let root = if begin.root.is_empty() { store.root().id.unwrap() } else { begin.root.clone() };
    let begin = Begin { run: run.to_owned(), now: now().to_string(), root, ..begin };
    let slot = store.path(format!("{home}/.retain/trash/{run}/slot"));
    let intent = |item| {
        fs::create_dir_all(&slot).unwrap();
        for private in [&*slot, slot.parent().unwrap()] {
            fs::set_permissions(private, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let file = slot.join(format!("{item}.ckpt"));
        fs::write(&file, "").unwrap();
        let (name, inode) = (format!("{item}.ckpt"), fs::metadata(&file).unwrap().ino());
        let part = Part { dir: home.to_owned(), name, slot: "slot".to_owned(), inode, kind: 'f' };
        Record::Intent(Intent { item, bytes: 100, parts: vec![part], ..Intent::default() })
    };
    let mut records: Vec<Record> = (0..moved).map(intent).collect();
    records.push(Record::Moved { items: (0..moved).collect() });
    records.push(Record::End { stopped: None });
    drop(write(&fs::File::open(dir).unwrap(), begin, &records));
}

/// With a grace of so many seconds.
fn grace(grace_seconds: u64) -> Begin {
    Begin { grace_seconds, ..Begin::default() }
}

/// A run beside the checkpoints has a journal at each: it is one run, and expired when all of it is.
#[test]
fn what_a_run_moved_in_several_places_is_counted_together() {
    for (graces, expired) in [([HOUR, HOUR], true), ([HOUR, 9 * HOUR], false)] {
        let store = Store::sample();
        journal(&store, "a/mnist/1", "local", grace(graces[0]), 2);
        journal(&store, "b/mnist/2", "local", grace(graces[1]), 3);
        let [trash] = &early::trash(&store.root(), 1, later(2 * HOUR)).unwrap()[..] else {
            panic!("{graces:?}")
        };
        assert_eq!(trash.count, Count { checkpoints: 5, bytes: 500 }, "{graces:?}");
        assert_eq!((&*trash.run, trash.at, trash.expired), ("local", Some(now()), expired));
    }
}

/// Of what this user cannot purge, or what holds nothing, nothing can go.
#[test]
fn a_newer_journal_one_of_another_root_and_a_run_that_left_nothing_are_no_trash() {
    let store = Store::sample();
    let at = |run: &str| store.path(format!(".retain/journal/{run}.0000"));
    journal(&store, ".", "mine", grace(HOUR), 1);
    journal(&store, ".", "newer", grace(HOUR), 1);
    let text = fs::read(at("newer")).unwrap();
    fs::write(at("newer"), [b"retain-journal/9\n", &text[17..]].concat()).unwrap();
    journal(&store, ".", "theirs", Begin { root: "0".repeat(32), ..grace(HOUR) }, 1);
    journal(&store, ".", "empty", grace(HOUR), 0);
    let trash = early::trash(&store.root(), 1, now()).unwrap();
    assert_eq!(trash.iter().map(|t| &*t.run).collect::<Vec<_>>(), ["mine"]);
}

/// An undo before any record of the apply: when it began nobody knows, and it goes for nobody.
#[test]
fn what_others_wrote_of_a_run_says_not_when_it_was() {
    let store = Store::sample();
    journal(&store, ".", "cut", Begin { work: Work::Undo, ..grace(HOUR) }, 1);
    let trash = early::trash(&store.root(), 1, later(9 * HOUR)).unwrap();
    assert_eq!((trash[0].at, trash[0].expired), (None, false));
    assert!(!trash[0].may_go(later(9 * HOUR), None));
}
