//! A mishap at every single mutating call of every command, one run each (I23, F14, F15, F17).
//!
//! After each: nothing but planned checkpoints has changed; each of those is whole at its path, or
//! whole or half in the trash with the part that makes it loadable gone first; recovery makes it
//! whole somewhere, and does nothing the second time; undo brings back the identical tree.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use retain::apply::{ApplyError, What, Which, purge, recover, runs, undo};
use retain::core::plan::PlanFile;
use rustix::io::Errno;

/// One checkpoint as a directory, one as two files, one over two folders, and keepers.
fn store() -> (Store, PlanFile) {
    let store = Store::quick();
    store.ckpt("s/checkpoint-1");
    store.ckpt("s/checkpoint-9");
    for n in ["1", "2"] {
        store.file(format!("tf/checkpoint-{n}.index"), "index");
        store.file(format!("tf/checkpoint-{n}.data"), "data");
    }
    for rank in ["mp_rank_00", "mp_rank_01"] {
        store.file(format!("nemo/{rank}/checkpoint-1.ckpt"), rank);
        store.file(format!("nemo/{rank}/checkpoint-2.ckpt"), rank);
    }
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &["s/checkpoint-1"]).keep("s", "9", &["s/checkpoint-9"]);
    plan.delete("tf", "1", &["tf/checkpoint-1.index", "tf/checkpoint-1.data"]);
    plan.keep("tf", "2", &["tf/checkpoint-2.index", "tf/checkpoint-2.data"]);
    plan.delete(
        "nemo",
        "1",
        &["nemo/mp_rank_00/checkpoint-1.ckpt", "nemo/mp_rank_01/checkpoint-1.ckpt"],
    );
    let plan = plan.seal();
    (store, plan)
}

const PLANNED: [&[&str]; 3] = [
    &["s/checkpoint-1"],
    &["tf/checkpoint-1.index", "tf/checkpoint-1.data"],
    &["nemo/mp_rank_00/checkpoint-1.ckpt", "nemo/mp_rank_01/checkpoint-1.ckpt"],
];

fn planned() -> Vec<&'static str> {
    PLANNED.concat()
}

/// Promise P, as far as it shows without looking into the trash.
#[track_caller]
fn promise(before: &Picture, store: &Store, about: &str) {
    let now = store.picture();
    assert_eq!(
        now.without(&planned()),
        before.without(&planned()),
        "{about}: something else changed"
    );
    for parts in PLANNED {
        let there: Vec<bool> = parts.iter().map(|p| now.has(p)).collect();
        let whole = there.iter().all(|t| *t);
        assert!(whole || !there[0], "{about}: {parts:?} is half there and loadable");
        let expected = before.without(&absent(&there, parts));
        let rest: Vec<&str> = planned().into_iter().filter(|p| !parts.contains(p)).collect();
        assert_eq!(
            now.without(&rest),
            expected.without(&rest),
            "{about}: {parts:?} is not what it was"
        );
    }
}

fn absent<'a>(there: &[bool], parts: &[&'a str]) -> Vec<&'a str> {
    there.iter().zip(parts).filter(|(t, _)| !**t).map(|(_, p)| *p).collect()
}

/// After any mishap: recover, recover again, undo everything; the tree is what it was.
#[track_caller]
fn heals(before: &Picture, store: &Store, about: &str) {
    promise(before, store, about);
    let root = store.root();
    recover(&root, &settings(now()), &silent).unwrap();
    promise(before, store, about);
    let now_whole = store.picture();
    for parts in PLANNED {
        let there = parts.iter().filter(|p| now_whole.has(p)).count();
        assert!(
            there == 0 || there == parts.len(),
            "{about}: {parts:?} is half there after recovery"
        );
    }
    assert_eq!(
        recover(&root, &settings(now()), &silent).unwrap(),
        None,
        "{about}: recovered twice"
    );
    for run in runs(&root, 0).unwrap().0 {
        assert!(!run.unfinished && !run.damaged, "{about}");
        let what = What { run: &run.id, session: None, checkpoint: None };
        let done = undo(&root, &what, &settings(now()), &silent).unwrap();
        assert!(done.skipped.is_empty(), "{about}: {:?}", done.skipped);
    }
    before.assert_same(&store.picture());
    assert_eq!(trash(store), Vec::<String>::new(), "{about}");
}

/// Runs `case` with the mishap at the 0th, 1st, 2nd ... call, until it was not reached.
fn sweep(mishap: Mishap, mut case: impl FnMut(&Faulty, &str)) {
    for at in 0.. {
        let faulty = Faulty::new(mishap, at);
        case(&faulty, &format!("{mishap:?} at call {at}"));
        if !faulty.was_hit() {
            assert!(at > 10, "the sweep of {mishap:?} hit nothing");
            return;
        }
    }
}

const CRASHES: [Mishap; 2] = [Mishap::CrashBefore, Mishap::CrashAfter];
const ERRORS: [Errno; 9] = [
    Errno::IO,
    Errno::NOSPC,
    Errno::ACCESS,
    Errno::ROFS,
    Errno::STALE,
    Errno::BUSY,
    Errno::XDEV,
    Errno::INVAL,
    Errno::NOENT,
];

#[test]
fn apply_cut_off_anywhere() {
    for mishap in CRASHES {
        sweep(mishap, |faulty, about| {
            let (store, plan) = store();
            let before = store.picture();
            let _ = store.apply_with(&plan, &with_calls(faulty));
            heals(&before, &store, about);
        });
    }
}

#[test]
fn apply_with_any_call_failing() {
    let ever = [Errno::IO, Errno::NOSPC, Errno::INVAL].map(Mishap::FailEver);
    let done = [Errno::IO, Errno::NOENT].map(Mishap::DoneButFailed);
    for mishap in ERRORS.map(Mishap::Fail).into_iter().chain(ever).chain(done) {
        sweep(mishap, |faulty, about| {
            let (store, plan) = store();
            let before = store.picture();
            let done = store.apply_with(&plan, &with_calls(faulty));
            let now = store.picture();
            // I33: what is said to have moved has moved, also by a run that stopped.
            let report = match (done, mishap) {
                (Ok(report), _) => Some(report),
                (Err(ApplyError::Stopped { report, .. }), Mishap::Fail(_)) => Some(*report),
                (Err(_), _) => None,
            };
            if let Some(report) = report {
                let gone = PLANNED.iter().filter(|parts| !now.has(parts[0])).count();
                assert_eq!(report.moved.checkpoints, gone as u64, "{about}");
            }
            heals(&before, &store, about);
        });
    }
}

#[test]
fn apply_with_any_call_that_lies() {
    sweep(Mishap::Lie, |faulty, about| {
        let (store, plan) = store();
        let before = store.picture();
        if let Ok(report) = store.apply_with(&plan, &with_calls(faulty)) {
            let gone = PLANNED.iter().filter(|parts| !store.picture().has(parts[0])).count();
            assert_eq!(report.moved.checkpoints, gone as u64, "{about}");
        }
        heals(&before, &store, about);
    });
}

#[test]
fn recovery_cut_off_anywhere() {
    for at in (0..60).step_by(3) {
        let mut reached = false;
        for again in 0.. {
            let (store, plan) = store();
            let before = store.picture();
            let first = Faulty::new(Mishap::CrashAfter, at);
            let _ = store.apply_with(&plan, &with_calls(&first));
            reached = first.was_hit();
            let second = Faulty::new(Mishap::CrashAfter, again);
            let options = with_calls(&second);
            let _ = recover(&store.root(), &options.settings, &silent);
            heals(&before, &store, &format!("apply cut off at {at}, recovery at {again}"));
            if !second.was_hit() {
                break;
            }
        }
        if !reached {
            break;
        }
    }
}

#[test]
fn undo_cut_off_anywhere() {
    let errors = [Errno::IO, Errno::NOSPC, Errno::INVAL].map(Mishap::Fail);
    for mishap in CRASHES.into_iter().chain(errors) {
        sweep(mishap, |faulty, about| {
            let (store, plan) = store();
            let before = store.picture();
            let run = store.apply(&plan).unwrap().run.unwrap();
            let what = What { run: &run, session: None, checkpoint: None };
            let _ = undo(&store.root(), &what, &with_calls(faulty).settings, &silent);
            heals(&before, &store, about);
        });
    }
}

#[test]
fn purge_cut_off_anywhere() {
    let errors = ERRORS.into_iter().flat_map(|e| [Mishap::Fail(e), Mishap::DoneButFailed(e)]);
    for mishap in CRASHES.into_iter().chain(errors).chain([Mishap::Lie]) {
        sweep(mishap, |faulty, about| {
            let (store, plan) = store();
            let before = store.picture();
            store.apply(&plan).unwrap();
            let root = store.root();
            let done = purge(&root, Which::All, &with_calls(faulty).settings, &silent);
            let left = before.without(&planned());
            assert_eq!(store.picture(), left, "{about}");
            if let Ok(done) = &done {
                let stays: usize = runs(&root, 0)
                    .unwrap()
                    .0
                    .iter()
                    .map(|r| usize::try_from(r.in_trash.checkpoints).unwrap())
                    .sum();
                assert_eq!(done.purged.checkpoints + stays as u64, 3, "{about}");
            }
            recover(&root, &settings(now()), &silent).unwrap();
            let rest = purge(&root, Which::All, &settings(now()), &silent).unwrap();
            assert!(rest.faults.is_empty(), "{about}: {:?}", rest.faults);
            // An empty folder that was said to be removed may stay; nothing else.
            let stays: Vec<String> =
                trash(&store).into_iter().filter(|p| !store.path(p).is_dir()).collect();
            assert!(stays.is_empty(), "{about}: {stays:?}");
            assert!(mishap == Mishap::Lie || trash(&store).is_empty(), "{about}");
            assert_eq!(store.picture(), left, "{about}");
        });
    }
}

/// What a power cut would find: the journal is synced between its last write and any rename that
/// follows, and both folders of every rename before the journal is written again (I23, I24, F18).
#[test]
fn f18_nothing_is_recorded_before_it_is_on_disk() {
    let (store, plan) = store();
    let calls = Faulty::new(Mishap::Lie, usize::MAX);
    let run = store.apply_with(&plan, &with_calls(&calls)).unwrap().run.unwrap();
    let what = What { run: &run, session: None, checkpoint: None };
    undo(&store.root(), &what, &with_calls(&calls).settings, &silent).unwrap();
    let lock = std::os::unix::fs::MetadataExt::ino(
        &std::fs::metadata(store.path(".retain/lock")).unwrap(),
    );
    let (mut written, mut moved, mut renames) = (Vec::new(), Vec::new(), 0);
    for (kind, inode) in calls.log.into_inner().unwrap() {
        match kind {
            "write" if inode != lock => {
                assert!(
                    moved.is_empty(),
                    "the journal is written before folders {moved:?} are synced"
                );
                written.push(inode);
            }
            "sync" => {
                written.retain(|w| *w != inode);
                moved.retain(|m| *m != inode);
            }
            "from" | "to" => {
                assert!(written.is_empty(), "a rename comes before the journal is synced");
                moved.push(inode);
                renames += 1;
            }
            _ => {}
        }
    }
    assert!(written.is_empty() && moved.is_empty());
    // Five parts there and back, from and to.
    assert_eq!(renames, 20);
}
