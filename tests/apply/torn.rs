//! Journals that a crash cut off, at every byte, with the disk as it was then and as it is later
//! (F19, I23).

use crate::support::*;
use retain::apply::{ApplyError, What, Which, purge, recover, runs, undo};
use std::fs;
use std::path::PathBuf;

fn journals(store: &Store) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(store.path(".retain/journal")).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|path| !path.ends_with("spare"));
    all.sort();
    all
}

fn store() -> (Store, retain::core::plan::PlanFile) {
    let store = Store::quick();
    for n in [1, 2, 9] {
        store.ckpt(format!("s/checkpoint-{n}"));
    }
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &["s/checkpoint-1"]).delete("s", "2", &["s/checkpoint-2"]);
    plan.keep("s", "9", &["s/checkpoint-9"]);
    let plan = plan.seal();
    (store, plan)
}

/// Where the records of a journal begin and end.
fn ends(bytes: &[u8], name: &str) -> Vec<usize> {
    let mut ends = vec![0];
    let mut known = 0;
    for len in 0..=bytes.len() {
        let n = retain::apply::journal::decode(&bytes[..len], name).records.len();
        if n > known {
            known = n;
            ends.push(len);
        }
    }
    ends
}

/// Applies, cuts the journal down, and lets `check` look at what recovery makes of it.
fn cut(at: impl Fn(&[u8], &str) -> Vec<u8>, check: impl Fn(&Store, &Picture, &str)) {
    let (store, plan) = store();
    let before = store.picture();
    let run = store.apply(&plan).unwrap().run.unwrap();
    let [journal] = &journals(&store)[..] else { panic!() };
    let whole = fs::read(journal).unwrap();
    fs::write(journal, at(&whole, &format!("{run}.0000"))).unwrap();
    check(&store, &before, &run);
}

/// F1: a full disk had its journal begun in the room that was kept back, and it was cut off between the
/// rename and the first record.
#[test]
fn f19_room_that_was_kept_back_and_not_written_to_is_no_journal_of_anything() {
    let (store, plan) = store();
    let run = "20260101-000000-0badc0de";
    fs::create_dir_all(store.path(".retain/journal")).unwrap();
    fs::write(store.path(format!(".retain/journal/{run}.0000")), vec![0; 64 << 10]).unwrap();
    let (all, faults) = runs(&store.root(), 0).unwrap();
    assert_eq!((all.len(), faults), (1, Vec::new()));
    assert!(!all[0].damaged && all[0].items.is_empty(), "{:?}", all[0]);
    recover(&store.root(), &settings(now()), &silent).unwrap();
    assert_eq!(recover(&store.root(), &settings(now()), &silent).unwrap(), None, "told for ever");
    assert_eq!(store.apply(&plan).unwrap().moved.checkpoints, 2);
}

#[test]
fn f19_cut_at_any_byte_after_the_intents_everything_can_be_restored() {
    let mut len = 0;
    loop {
        let mut rest = 0;
        for tail in [0, 4096] {
            let rest = std::cell::Cell::from_mut(&mut rest);
            let torn = |whole: &[u8], name: &str| {
                // Begin, two intents; then moved and end.
                let start = ends(whole, name)[3];
                let at = (start + len).min(whole.len());
                rest.set(whole.len() - at);
                let mut torn = whole[..at].to_vec();
                torn.resize(at + tail, 0);
                torn
            };
            cut(torn, |store, before, run| {
                recover(&store.root(), &settings(now()), &silent).unwrap();
                assert_eq!(
                    recover(&store.root(), &settings(now()), &silent).unwrap(),
                    None,
                    "{len} bytes on"
                );
                let what = What { run, session: None, checkpoint: None };
                let done = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
                assert_eq!(done.restored.checkpoints, 2, "{len} bytes on");
                before.assert_same(&store.picture());
            });
        }
        if rest == 0 {
            assert!(len > 50);
            return;
        }
        len += 1;
    }
}

#[test]
fn f19_cut_before_the_intents_nothing_of_it_is_touched() {
    // No run of ours leaves this: the intents were synced before anything moved. A disk that lost
    // them leaves the trash to a person.
    for part in 0..3 {
        let torn = |whole: &[u8], name: &str| whole[..ends(whole, name)[part]].to_vec();
        cut(torn, |store, _, _| {
            let left = trash(store);
            recover(&store.root(), &settings(now()), &silent).unwrap();
            let done = retain::apply::purge(
                &store.root(),
                retain::apply::Which::All,
                &settings(now()),
                &silent,
            )
            .unwrap();
            let known = u64::from(part == 2);
            assert_eq!(done.purged.checkpoints, known, "{:?}", done.faults);
            let gone = left.len() - trash(store).len();
            assert_eq!(gone > 0, known > 0);
        });
    }
}

#[test]
fn f19_a_flipped_bit_is_said_and_loses_no_file() {
    for record in 1..4 {
        let flipped = |whole: &[u8], name: &str| {
            let mut bytes = whole.to_vec();
            bytes[ends(whole, name)[record] + 20] ^= 1;
            bytes
        };
        cut(flipped, |store, before, run| {
            let (all, _) = runs(&store.root(), 0).unwrap();
            assert!(all[0].damaged, "record {record}");
            let what = What { run, session: None, checkpoint: None };
            let done = undo(&store.root(), &what, &settings(now()), &silent).unwrap();
            if record == 3 {
                assert_eq!(done.restored.checkpoints, 2);
                before.assert_same(&store.picture());
            } else {
                // One intent is lost: its checkpoint stays in the trash, whole.
                assert_eq!(done.restored.checkpoints, 1);
                assert!(trash(store).iter().any(|p| p.ends_with("rank0")));
            }
        });
    }
}

#[test]
fn a_newer_journal_stops_every_command() {
    let (store, plan) = store();
    let run = store.apply(&plan).unwrap().run.unwrap();
    let [journal] = &journals(&store)[..] else { panic!() };
    let text = fs::read(journal).unwrap();
    fs::write(journal, [b"retain-journal/9\n", &text[17..]].concat()).unwrap();
    let before = crate::trees::Snapshot::of(&store.top);
    let root = store.root();
    let newer = |e: ApplyError| assert!(matches!(e, ApplyError::NewerJournal { .. }), "{e}");
    newer(recover(&root, &settings(now()), &silent).unwrap_err());
    newer(
        undo(
            &root,
            &What { run: &run, session: None, checkpoint: None },
            &settings(now()),
            &silent,
        )
        .unwrap_err(),
    );
    newer(
        retain::apply::purge(&root, retain::apply::Which::All, &settings(now()), &silent)
            .unwrap_err(),
    );
    let mut other = Plan::of(&store);
    other.delete("s", "9", &["s/checkpoint-9"]);
    newer(store.apply(&other.seal()).unwrap_err());
    let diff = before.diff(&crate::trees::Snapshot::of(&store.top));
    assert!(!diff.contains("\n- ") && !diff.contains("+ s/"), "{diff}");
    let (_, faults) = runs(&root, 0).unwrap();
    assert!(faults[0].contains("newer retain"), "{faults:?}");
}

/// What cannot be read of one run says nothing about another; of itself, that it cannot be read.
#[test]
fn a_journal_that_cannot_be_read_stops_nobody_but_its_own_run() {
    let (store, plan) = store();
    let before = store.picture();
    let fine = store.apply(&plan).unwrap().run.unwrap();
    let file = "20200101-000000-0badc0de.0000";
    let what = |run| What { run, session: None, checkpoint: None };
    let stuck = |e: &ApplyError| {
        assert!(matches!(e, ApplyError::UnreadableRun { .. }), "{e}");
        assert!(e.to_string().contains(file), "{e}");
    };
    for n in 0..3 {
        let path = store.path(format!(".retain/journal/{file}"));
        match n {
            0 => std::os::unix::fs::symlink("elsewhere", &path).unwrap(),
            1 => fs::create_dir(&path).unwrap(),
            _ => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
        }
        let (known, faults) = runs(&store.root(), 1).unwrap();
        assert!(known.len() == 2 && faults[0].contains(file), "{faults:?}");
        let bad = &file[..file.len() - 5];
        stuck(&undo(&store.root(), &what(bad), &settings(now()), &silent).unwrap_err());
        // Which plan that was is not known.
        stuck(&store.apply(&plan).unwrap_err());
        let recovered = recover(&store.root(), &settings(now()), &silent).unwrap().unwrap();
        assert!(recovered.faults[0].contains(file), "{recovered}");
        let all = purge(&store.root(), Which::Expired, &settings(now()), &silent).unwrap();
        assert!(all.faults[0].contains(file) && all.purged.checkpoints == 0, "{all:?}");
        if n == 2 {
            let report = undo(&store.root(), &what(&fine), &settings(now()), &silent).unwrap();
            assert_eq!(report.restored.checkpoints, 2);
            before.assert_same(&store.picture());
        }
        if n == 1 { fs::remove_dir(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
    }
}
