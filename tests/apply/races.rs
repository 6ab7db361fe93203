//! Several processes' worth of commands at once, with the lock and without (I28, R9, R10, R12).

use crate::faulty::{Faulty, Meanwhile, Mishap};
use crate::support::*;
use retain::apply::calls::{Calls, Os};
use retain::apply::{
    ApplyError, ApplyOptions, Root, Settings, What, Which, apply, purge, recover, runs, undo,
};
use std::sync::Barrier;
use std::time::Duration;

/// Six sessions of two doomed directories, a doomed pair of files, and a keeper.
fn store() -> (Store, Vec<String>) {
    let store = Store::quick();
    let mut doomed = Vec::new();
    for session in 0..6 {
        for n in [1, 2, 9] {
            store.ckpt(format!("s{session}/checkpoint-{n}"));
        }
        for part in ["index", "data"] {
            store.file(format!("s{session}/checkpoint-3.{part}"), part);
            doomed.push(format!("s{session}/checkpoint-3.{part}"));
        }
        doomed.push(format!("s{session}/checkpoint-1"));
        doomed.push(format!("s{session}/checkpoint-2"));
    }
    (store, doomed)
}

fn plan(store: &Store, tool: &str) -> retain::core::plan::PlanFile {
    let mut plan = Plan::of(store);
    plan.plan.tool = tool.to_owned();
    for n in 0..6 {
        let session = format!("s{n}");
        plan.delete(&session, "1", &[&format!("{session}/checkpoint-1")]);
        plan.delete(&session, "2", &[&format!("{session}/checkpoint-2")]);
        plan.delete(
            &session,
            "3",
            &[&format!("{session}/checkpoint-3.index"), &format!("{session}/checkpoint-3.data")],
        );
        plan.keep(&session, "9", &[&format!("{session}/checkpoint-9")]);
    }
    plan.seal()
}

fn undo_everything(store: &Store) {
    recover(&store.root(), &settings(now()), &silent).unwrap();
    for run in runs(&store.root(), 0).unwrap().0 {
        let what = What { run: &run.id, session: None, checkpoint: None };
        undo(&store.root(), &what, &settings(now()), &silent).unwrap();
    }
}

/// Applies plans at the same instant; gives how many checkpoints each says it moved.
fn at_once(
    store: &Store,
    calls: &dyn Calls,
    plans: &[retain::core::plan::PlanFile],
) -> Vec<Result<u64, ApplyError>> {
    let ready = Barrier::new(plans.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = plans
            .iter()
            .map(|plan| {
                let ready = &ready;
                scope.spawn(move || {
                    let root = store.root();
                    let options = ApplyOptions {
                        settings: Settings { calls, ..settings(now()) },
                        ..options()
                    };
                    ready.wait();
                    apply(&root, plan, &options, &silent).map(|r| r.moved.checkpoints)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

#[test]
fn r9_eight_applies_with_the_lock_move_each_checkpoint_once() {
    let (store, doomed) = store();
    let before = store.picture();
    let plans: Vec<_> = (0..8).map(|n| plan(&store, &n.to_string())).collect();
    let moved: Vec<u64> = at_once(&store, &Os, &plans).into_iter().map(Result::unwrap).collect();
    assert_eq!(moved.iter().sum::<u64>(), 18, "{moved:?}");
    let gone: Vec<&str> = doomed.iter().map(String::as_str).collect();
    before.without(&gone).assert_same(&store.picture());
    undo_everything(&store);
    before.assert_same(&store.picture());
}

#[test]
fn the_same_plan_at_once_is_carried_out_once() {
    let (store, _) = store();
    let plans = vec![plan(&store, "same"); 4];
    let results = at_once(&store, &Os, &plans);
    assert_eq!(results.iter().filter(|r| matches!(r, Ok(18))).count(), 1, "{results:?}");
    assert_eq!(
        results.iter().filter(|r| matches!(r, Err(ApplyError::AlreadyApplied { .. }))).count(),
        3
    );
}

#[test]
fn r9_eight_applies_without_locks_lose_nothing() {
    for round in 0..12 {
        let (store, _) = store();
        let before = store.picture();
        let plans: Vec<_> = (0..8).map(|n| plan(&store, &format!("{round} {n}"))).collect();
        // They may be in each other's way, and say so; nothing may be lost or doubled.
        let results = at_once(&store, &Meanwhile::without_locks(), &plans);
        let moved: u64 = results.iter().flatten().sum();
        assert!(moved <= 18 * 8, "{results:?}");
        undo_everything(&store);
        before.assert_same(&store.picture());
        assert_eq!(trash(&store), Vec::<String>::new(), "{results:?}");
    }
}

#[test]
fn r10_apply_purge_and_undo_at_once() {
    let no_locks = Meanwhile::without_locks();
    for (round, calls) in [&Os as &dyn Calls, &no_locks].into_iter().cycle().take(24).enumerate() {
        let (store, doomed) = store();
        let before = store.picture();
        let first = store.apply(&plan(&store, "first")).unwrap().run.unwrap();
        let ready = Barrier::new(4);
        let use_these = Settings { calls, lock_wait: Duration::from_secs(20), ..settings(now()) };
        let all = What { run: &first, session: None, checkpoint: None };
        let one = What { run: &first, session: Some("s3"), checkpoint: None };
        // What they answer depends on who comes first; what they leave does not.
        let jobs: [&(dyn Fn(&Root) + Sync); 4] = [
            &|root| drop(purge(root, Which::Run(&first), &use_these, &silent)),
            &|root| drop(undo(root, &all, &use_these, &silent)),
            &|root| drop(recover(root, &use_these, &silent)),
            &|root| drop(undo(root, &one, &use_these, &silent)),
        ];
        std::thread::scope(|scope| {
            for job in jobs {
                let (root, ready) = (store.root(), &ready);
                scope.spawn(move || {
                    ready.wait();
                    job(&root);
                });
            }
        });
        undo_everything(&store);
        let now_there = store.picture();
        for paths in doomed.iter().filter(|p| !p.ends_with("data")) {
            let mut unit = vec![paths.as_str()];
            let data = paths.replace("index", "data");
            if data != *paths {
                unit.push(&data);
            }
            let there = unit.iter().filter(|p| now_there.has(p)).count();
            assert!(there == 0 || there == unit.len(), "round {round}: {unit:?} is half there");
        }
        // What is there is what it was, whole; the rest is gone.
        let gone: Vec<&str> =
            doomed.iter().map(String::as_str).filter(|p| !now_there.has(p)).collect();
        before.without(&gone).assert_same(&now_there);
        purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
        assert_eq!(trash(&store), Vec::<String>::new(), "round {round}");
        before.without(&gone).assert_same(&store.picture());
    }
}

#[test]
fn r12_a_lock_is_waited_for_and_never_broken() {
    let (store, _) = store();
    let plan = plan(&store, "x");
    let held = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(store.path(".retain/lock"))
        .unwrap();
    held.lock().unwrap();
    let living = std::process::id();
    std::fs::write(store.path(".retain/lock"), format!("{living}\n")).unwrap();
    held.set_modified(std::time::UNIX_EPOCH).unwrap();
    let mut options = options();
    options.settings.lock_wait = Duration::from_millis(120);
    let before = store.picture();
    let error = store.apply_with(&plan, &options).unwrap_err();
    assert!(matches!(error, ApplyError::Locked { pid: Some(p) } if p == living), "{error}");
    // Whoever wrote its number there last is dead: it is somebody else who holds the lock.
    std::fs::write(store.path(".retain/lock"), format!("{}\n", u32::MAX)).unwrap();
    let error = store.apply_with(&plan, &options).unwrap_err();
    assert!(matches!(error, ApplyError::Locked { pid: None }), "{error}");
    before.assert_same(&store.picture());
    drop(held);
    assert_eq!(store.apply_with(&plan, &options).unwrap().moved.checkpoints, 18);
}

#[test]
fn a_run_that_is_alive_is_not_recovered() {
    use retain::apply::journal::history;
    let (store, _) = store();
    let plan = plan(&store, "x");
    let faulty = Faulty::new(Mishap::CrashAfter, 25);
    assert!(store.apply_with(&plan, &with_calls(&faulty)).is_err());
    // Its process still has its journal: hold that as it would.
    let dir = std::fs::File::open(store.path(".retain/journal")).unwrap();
    let id = history::ids(rustix::fd::AsFd::as_fd(&dir)).unwrap().remove(0);
    let journal = std::fs::File::open(store.path(format!(".retain/journal/{id}.0000"))).unwrap();
    journal.lock().unwrap();
    assert_eq!(recover(&store.root(), &settings(now()), &silent).unwrap(), None);
    drop(journal);
    assert!(recover(&store.root(), &settings(now()), &silent).unwrap().is_some());
}
