//! One session, its checkpoints worked on by many threads at once: the promise is the same (P, I14,
//! I22, I29), whatever call of whichever thread meets a mishap.

use crate::faulty::{Faulty, Meanwhile, Mishap, Moment};
use crate::support::*;
use retain::apply::{
    ApplyError, ApplyOptions, Settings, What, Which, apply, purge, recover, runs, undo,
};
use rustix::io::Errno;

const MANY: usize = 12;

/// One session of so many checkpoints, of which all but the last are to go.
fn sample() -> (Store, retain::core::plan::PlanFile) {
    let store = Store::quick();
    for id in 1..=MANY {
        store.ckpt(format!("s/checkpoint-{id}"));
    }
    let mut plan = Plan::of(&store);
    for id in 1..MANY {
        plan.delete("s", &id.to_string(), &[&format!("s/checkpoint-{id}")]);
    }
    plan.keep("s", &MANY.to_string(), &[&format!("s/checkpoint-{MANY}")]);
    let plan = plan.seal();
    (store, plan)
}

fn many(settings: Settings<'_>) -> Settings<'_> {
    Settings { threads: 8, ..settings }
}

/// Brings back whatever a run has in the trash; a run that was never recorded has nothing there.
fn bring_back(store: &Store, what: &str) {
    recover(&store.root(), &settings(now()), &silent).unwrap_or_else(|e| panic!("{what}: {e}"));
    for run in runs(&store.root(), 0).unwrap().0 {
        let all = What { run: &run.id, session: None, checkpoint: None };
        undo(&store.root(), &all, &settings(now()), &silent)
            .unwrap_or_else(|e| panic!("{what}: {e}"));
    }
}

#[test]
fn a_session_that_several_threads_move_and_purge() {
    let (store, plan) = sample();
    let before = store.picture();
    let options = ApplyOptions { settings: many(settings(now())), grace: None, purge_now: false };
    let report = store.apply_with(&plan, &options).unwrap();
    assert_eq!(report.moved.checkpoints, MANY as u64 - 1);
    bring_back(&store, "whole");
    before.assert_same(&store.picture());
    assert_eq!(trash(&store), Vec::<String>::new());

    let (store, plan) = sample();
    let options = ApplyOptions { settings: many(settings(now())), grace: None, purge_now: true };
    let report = store.apply_with(&plan, &options).unwrap();
    assert_eq!(report.purged.checkpoints, MANY as u64 - 1);
    assert!(report.purged.bytes > 0 && report.purged.bytes == report.moved.bytes, "{report:?}");
    assert_eq!(trash(&store), Vec::<String>::new());
    assert!(store.picture().has(&format!("s/checkpoint-{MANY}")));
}

#[test]
fn p_holds_whatever_call_of_whichever_thread_fails() {
    let mishaps = [
        Mishap::CrashBefore,
        Mishap::CrashAfter,
        Mishap::Fail(Errno::IO),
        Mishap::FailEver(Errno::ACCESS),
        Mishap::DoneButFailed(Errno::NOENT),
        Mishap::Lie,
    ];
    let mut stopped = 0;
    for mishap in mishaps {
        for at in 0.. {
            let what = format!("{mishap:?} at {at}");
            let (store, plan) = sample();
            let before = store.picture();
            let calls = Faulty::new(mishap, at);
            let with = many(Settings { calls: &calls, ..settings(now()) });
            let options = ApplyOptions { settings: with, grace: None, purge_now: false };
            let done = apply(&store.root(), &plan, &options, &silent);
            stopped += usize::from(done.is_err());
            // The order of the calls is the threads' own; how many there are is not.
            if !calls.was_hit() {
                assert!(at > 2 * MANY, "{what}");
                break;
            }
            bring_back(&store, &what);
            before.assert_same(&store.picture());
        }
    }
    assert!(stopped > MANY, "{stopped}");
}

#[test]
fn p_holds_whatever_call_of_a_purge_by_several_threads_fails() {
    for mishap in [Mishap::CrashBefore, Mishap::Fail(Errno::IO), Mishap::Lie] {
        for at in (0..).step_by(3) {
            let what = format!("{mishap:?} at {at}");
            let (store, plan) = sample();
            store.apply(&plan).unwrap();
            let calls = Faulty::new(mishap, at);
            let with = many(Settings { calls: &calls, ..settings(now()) });
            let _ = purge(&store.root(), Which::All, &with, &silent);
            if !calls.was_hit() {
                break;
            }
            // Never at its own path again, and nothing is left in the end.
            let kept = [format!("s/checkpoint-{MANY}")];
            purge(&store.root(), Which::All, &many(settings(now())), &silent)
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            for id in 1..=MANY {
                let path = format!("s/checkpoint-{id}");
                assert_eq!(store.picture().has(&path), kept.contains(&path), "{what} {path}");
            }
            let left = trash(&store);
            let tops = |p: &&String| p.ends_with("/model.bin");
            assert!(!left.iter().any(|p| tops(&p)), "{what}: {left:?}");
        }
    }
}

/// I22: one of many is written to while it is moved; it goes back, the others stay restorable.
#[test]
fn i22_one_of_many_changes_while_it_is_moved() {
    let (store, plan) = sample();
    let before = store.picture();
    let calls = Meanwhile::new(|moment, n| {
        if (moment, n) == (Moment::Before, 4) {
            for id in 1..MANY {
                // Those that are moved already are not there.
                let _ = std::fs::write(store.path(format!("s/checkpoint-{id}/late")), "");
            }
        }
    });
    let with = many(Settings { calls: &calls, ..settings(now()) });
    let options = ApplyOptions { settings: with, grace: None, purge_now: false };
    match apply(&store.root(), &plan, &options, &silent) {
        Err(ApplyError::Stopped { why, .. }) => assert!(why.contains("changed while"), "{why}"),
        other => panic!("{other:?}"),
    }
    bring_back(&store, "late");
    for id in 1..MANY {
        let _ = std::fs::remove_file(store.path(format!("s/checkpoint-{id}/late")));
    }
    let plain = |p: &Picture| {
        let mut p = p.clone();
        p.0.entries.values_mut().for_each(|e| e.mtime = 0);
        p
    };
    plain(&before).assert_same(&plain(&store.picture()));
}
