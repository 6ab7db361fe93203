//! Which runs a purge takes, where it looks for them, and what it leaves.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use retain::apply::{
    ApplyError, ApplyOptions, Event, Settings, What, Which, apply, purge, recover, runs, undo,
};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_purge_takes_the_runs_that_are_asked_for() {
    // Three runs of one checkpoint of 1000 bytes each.
    for (which, left) in [
        (None, [true, false, true]),
        (Some(0..0), [true, true, true]),
        (Some(0..1), [false, true, true]),
        (Some(1..3), [true, false, false]),
        (Some(0..3), [false, false, false]),
    ] {
        let store = Store::sample();
        let mut ids = Vec::new();
        for (n, id) in ["10", "20", "30"].into_iter().enumerate() {
            let at = later(60 * n as u64);
            let mut plan = Plan::of(&store);
            plan.plan.now = at.to_string();
            plan.delete("a/mnist/1", id, &[&format!("a/mnist/1/checkpoint-{id}")]);
            let options = ApplyOptions { settings: settings(at), ..options() };
            ids.push(store.apply_with(&plan.seal(), &options).unwrap().run.unwrap());
        }
        let which = which.map_or(Which::Run(&ids[1]), |some| Which::Runs(&ids[some]));
        purge(&store.root(), which, &settings(later(300)), &silent).unwrap();
        let found: Vec<bool> =
            runs(&store.root(), 0).unwrap().0.iter().map(|r| r.in_trash.checkpoints == 1).collect();
        assert_eq!(found, left, "{which:?}");
    }
}

/// The marker spares later commands a look at what is over.
#[test]
fn a_run_of_which_all_is_purged_or_restored_is_settled() {
    for restored in [None, Some("20")] {
        let store = Store::sample();
        let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
        if let Some(checkpoint) = restored {
            let what = What { run: &run, session: None, checkpoint: Some(checkpoint) };
            undo(&store.root(), &what, &settings(later(60)), &silent).unwrap();
        }
        let settled = store.path(format!(".retain/journal/{run}.settled"));
        assert!(!settled.exists());
        purge(&store.root(), Which::All, &settings(later(300)), &silent).unwrap();
        assert!(settled.exists(), "{restored:?}");
    }
}

/// I25: a person's file in the trash is no part of what is purged, and is said once all else is gone.
#[test]
fn i25_what_no_journal_names_stays_in_the_trash_and_is_said() {
    let store = Store::sample();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let slot = slot(&store, "a/mnist/1", &run);
    fs::write(slot.join("mine"), "precious").unwrap();
    let calls = Faulty::none();
    let watched = Settings { calls: &calls, ..settings(later(300)) };
    let done = purge(&store.root(), Which::All, &watched, &silent).unwrap();
    assert_eq!((done.purged.checkpoints, done.faults.len()), (6, 1), "{done:?}");
    // I24: what was removed from it is on disk before anything says so.
    let synced = ("sync", fs::metadata(&slot).unwrap().ino());
    assert!(calls.log.lock().unwrap().contains(&synced));
    let said = &done.faults[0];
    assert!(said.contains("a/mnist/1/") && said.contains("no journal names"), "{said}");
    assert_eq!(fs::read_to_string(slot.join("mine")).unwrap(), "precious");
}

/// What recovery found on its walk over the root spares the purge after it another, and hides nothing.
#[test]
fn a_purge_goes_where_recovery_found_journals_and_for_all_of_them_looks_itself() {
    for (which, beside) in [
        (Which::Expired, true),
        (Which::All, true),
        // Began after the recovery: it cannot have expired.
        (Which::All, false),
    ] {
        let store = Store::sample();
        let root = store.root();
        if !beside {
            fs::remove_dir_all(store.path(".retain/journal")).unwrap();
            recover(&root, &settings(now()), &silent).unwrap();
        }
        let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
        if beside {
            // As of a user who may not write at the root.
            let (from, to) = (store.path(".retain/journal"), "a/mnist/1/.retain/journal");
            fs::create_dir_all(store.path(to)).unwrap();
            let name = format!("{run}.0000");
            fs::rename(from.join(&name), store.path(to).join(&name)).unwrap();
            recover(&root, &settings(now()), &silent).unwrap();
        }
        let done = purge(&root, which, &settings(later(30 * HOUR)), &silent).unwrap();
        assert_eq!(done.purged.checkpoints, 6, "{which:?} {beside}");
    }
}

/// I33: whichever call fails, what was removed until then is told.
#[test]
fn a_purge_of_several_runs_that_cannot_go_on_says_what_is_gone() {
    let (mut at, mut told) = (0, 0);
    loop {
        let store = Store::sample();
        for (n, session) in ["a/mnist/1", "b/mnist/2"].into_iter().enumerate() {
            let made = later(60 * n as u64);
            let mut plan = Plan::of(&store);
            plan.plan.now = made.to_string();
            for id in ["10", "20"] {
                plan.delete(session, id, &[&format!("{session}/checkpoint-{id}")]);
            }
            let options = ApplyOptions { settings: settings(made), ..options() };
            store.apply_with(&plan.seal(), &options).unwrap();
        }
        let whole = || trash(&store).iter().filter(|p| p.ends_with("/model.bin")).count() as u64;
        assert_eq!(whole(), 4);
        let calls = Faulty::new(Mishap::Fail(Errno::IO), at);
        let mut settings = with_calls(&calls).settings;
        settings.now = later(300);
        match purge(&store.root(), Which::All, &settings, &silent) {
            Ok(report) => assert!(4 - whole() >= report.purged.checkpoints, "{at}: {report:?}"),
            Err(ApplyError::Purged { error, purged }) => {
                told += 1;
                assert!((1..=4 - whole()).contains(&purged.checkpoints), "{at}: {purged:?}");
                assert!(!matches!(*error, ApplyError::Purged { .. }), "{at}");
            }
            Err(e) => assert!(whole() >= 3, "call {at}: {} are gone, told was {e}", 4 - whole()),
        }
        if !calls.was_hit() {
            break;
        }
        at += 1;
    }
    assert!(told > 0);
}

/// I29: a signal that comes when all is moved leaves all restorable; one that comes during the purge
/// lets the batch finish. Both are told.
#[test]
fn i29_a_signal_before_or_during_the_purge_of_an_apply_is_told() {
    const SESSIONS: u64 = 70;
    for (at_purge, purged) in [(false, 0), (true, 64)] {
        let store = Store::quick();
        let mut plan = Plan::of(&store);
        for n in 0..SESSIONS {
            let path = format!("s{n:02}/checkpoint-1");
            store.file(format!("{path}/model.bin"), "weights");
            plan.delete(&format!("s{n:02}"), "1", &[&path]);
        }
        let (stop, last) = (AtomicBool::new(false), format!("s{}", SESSIONS - 1));
        let settings = Settings { stop: &stop, ..settings(now()) };
        let options = ApplyOptions { settings, purge_now: true, ..options() };
        let report = apply(&store.root(), &plan.seal(), &options, &|event| {
            let comes = match event {
                Event::Moved { session, .. } => !at_purge && session == last,
                Event::Purged { .. } => at_purge,
                _ => false,
            };
            stop.fetch_or(comes, Ordering::Relaxed);
        });
        let report = report.unwrap();
        assert_eq!((report.moved.checkpoints, report.purged.checkpoints), (SESSIONS, purged));
        assert_eq!(report.restorable(), SESSIONS - purged);
        assert_eq!(report.stopped.as_deref(), Some("a signal"));
        let left = &runs(&store.root(), 0).unwrap().0[0].in_trash;
        assert_eq!(left.checkpoints, SESSIONS - purged);
    }
}
