//! More sessions than one batch has: what is done for one while the disk takes another.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use retain::apply::{ApplyError, ApplyOptions, Settings, What, Which, purge, recover, runs, undo};
use retain::core::plan::PlanFile;
use retain::store::unit::{self, Past};
use rustix::fd::AsFd as _;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::{CStr, OsStr};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;

/// Batches of a run have 64 sessions, those of a purge as many: of either there are several.
const SESSIONS: usize = 140;

fn doomed(n: usize) -> String {
    format!("s-{n:03}/model-1.ckpt")
}

fn kept(n: usize) -> String {
    format!("s-{n:03}/model-2.ckpt")
}

fn store() -> (Store, PlanFile) {
    let store = Store::quick();
    let mut plan = Plan::of(&store);
    for n in 0..SESSIONS {
        let session = format!("s-{n:03}");
        store.file(doomed(n), "weights");
        store.file(kept(n), "better weights");
        plan.delete(&session, "1", &[&doomed(n)]).keep(&session, "2", &[&kept(n)]);
    }
    let plan = plan.seal();
    (store, plan)
}

/// How many of what was to go lie in the trash, under whatever name.
fn in_trash(store: &Store) -> usize {
    let files = walkdir::WalkDir::new(&store.top).into_iter().map(Result::unwrap);
    let trash = |p: &std::path::Path| p.components().any(|c| c.as_os_str() == OsStr::new("trash"));
    files.filter(|e| e.file_type().is_file() && trash(e.path())).count()
}

fn all_are_kept(store: &Store, about: &str) {
    for n in 0..SESSIONS {
        assert!(store.path(kept(n)).exists(), "{about}: keeper {n} is gone");
    }
}

fn run_with(calls: &Faulty, threads: usize, purge_now: bool) -> ApplyOptions<'_> {
    let settings = Settings { calls, threads, ..settings(now()) };
    ApplyOptions { settings, grace: None, purge_now }
}

/// I33: a run that stops says how many can be brought back, also if that is because of the sync of what
/// the batch before removed, or because there is no room for a record.
#[test]
fn i33_a_purge_that_stops_has_counted_all_that_is_gone() {
    let (store, plan) = store();
    let calls = Faulty::none();
    assert_eq!(
        store.apply_with(&plan, &run_with(&calls, 1, true)).unwrap().purged.checkpoints,
        SESSIONS as u64
    );
    let kinds = calls.kinds();
    let first = kinds.iter().position(|k| *k == "unlink").unwrap();
    let rare = |n: &usize| matches!(kinds[*n], "write" | "reserve") || n.is_multiple_of(37);
    let chosen: Vec<usize> = (first..kinds.len()).filter(rare).collect();
    let (mut stopped, mut partly, mut unpurged) = (0, 0, 0);
    for at in chosen {
        let about = format!("{} at {at}", kinds[at]);
        let (store, plan) = self::store();
        let calls = Faulty::new(Mishap::Fail(Errno::IO), at);
        let done = store.apply_with(&plan, &run_with(&calls, 1, true));
        assert!(calls.was_hit(), "{about}");
        if let Ok(report) = &done {
            // Of what it began on none is said to come back, whether or not it came to its end.
            assert_eq!(report.restorable(), 0, "{about}");
            unpurged += report.unpurged.checkpoints;
        }
        if let Err(ApplyError::Stopped { report, restorable, .. }) = done {
            stopped += 1;
            let left = report.moved.checkpoints - report.purged.checkpoints;
            assert_eq!(in_trash(&store) as u64, left, "{about}");
            let said = if left == 0 { "Nothing".to_owned() } else { format!("{left} checkpoints") };
            assert!(restorable.starts_with(&said), "{about}: {restorable}");
            partly += usize::from(0 < left && left < SESSIONS as u64);
        }
        recover(&store.root(), &settings(later(60)), &silent).unwrap();
        purge(&store.root(), Which::All, &settings(later(60)), &silent).unwrap();
        assert_eq!(in_trash(&store), 0, "{about}");
        all_are_kept(&store, &about);
    }
    assert!(unpurged > 0);
    assert!(stopped > 3 && partly > 1, "{stopped} stopped, {partly} of them in the middle");
}

/// P, with several threads: each checkpoint is whole at its path, or is brought back there.
#[test]
fn f17_a_run_of_several_threads_is_cut_off_or_fails_anywhere() {
    let (store, plan) = store();
    let calls = Faulty::none();
    store.apply_with(&plan, &run_with(&calls, 4, false)).unwrap();
    let most = calls.kinds().len();
    let (mut hit, mut cut_off) = (0, 0);
    for mishap in [Mishap::CrashBefore, Mishap::CrashAfter, Mishap::Fail(Errno::IO)] {
        for at in (0..most).step_by(most / 12) {
            let about = format!("{mishap:?} at {at}");
            let (store, plan) = self::store();
            let before = store.picture();
            let calls = Faulty::new(mishap, at);
            let done = store.apply_with(&plan, &run_with(&calls, 4, false));
            hit += usize::from(calls.was_hit());
            cut_off += usize::from(done.is_err());
            recover(&store.root(), &settings(later(60)), &silent).unwrap();
            let again = recover(&store.root(), &settings(later(60)), &silent).unwrap();
            assert_eq!(again, None, "{about}");
            let moved = (0..SESSIONS).filter(|n| !store.path(doomed(*n)).exists()).count();
            assert_eq!(in_trash(&store), moved, "{about}");
            all_are_kept(&store, &about);
            if moved > 0 {
                let run = runs(&store.root(), 0).unwrap().0.remove(0).id;
                let what = What { run: &run, session: None, checkpoint: None };
                undo(&store.root(), &what, &settings(later(60)), &silent).unwrap();
            }
            assert_eq!(store.picture(), before, "{about}");
        }
    }
    assert!(hit > 30 && cut_off > 20, "{hit} hit, {cut_off} ended with an error");
}

/// Each folder of a batch is held open, and its trash: more of them than a process may have.
#[test]
fn sessions_of_many_folders_take_no_more_descriptors_than_there_are() {
    let limits = getrlimit(Resource::Nofile);
    let current = limits.current.map_or(1024, |limit| limit.min(1024));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limits }).unwrap();
    let store = Store::quick();
    let mut plan = Plan::of(&store);
    for n in 0..400 {
        let (session, path) =
            (format!("s-{}", n / 10), format!("s-{}/f-{}/x.ckpt", n / 10, n % 10));
        store.file(&path, "weights");
        plan.delete(&session, &n.to_string(), &[&path]);
    }
    let report = store.apply_with(&plan.seal(), &run_with(&Faulty::none(), 2, false)).unwrap();
    assert_eq!((report.moved.checkpoints, report.skipped.as_slice()), (400, &[][..]));
}

fn four(calls: &Faulty) -> Settings<'_> {
    Settings { calls, threads: 4, ..settings(later(60)) }
}

/// A purge with several threads, cut off: what it had begun on is finished, the rest can be restored.
#[test]
fn f17_a_purge_of_several_threads_is_cut_off_or_fails_anywhere() {
    let moved = || {
        let (store, plan) = store();
        let run = store.apply(&plan).unwrap().run.unwrap();
        (store, run)
    };
    let (store, _) = moved();
    let calls = Faulty::none();
    purge(&store.root(), Which::All, &four(&calls), &silent).unwrap();
    let most = calls.kinds().len();
    let (mut tried, mut said) = (0, 0);
    for mishap in [Mishap::CrashBefore, Mishap::CrashAfter, Mishap::Fail(Errno::IO)] {
        for at in (0..most).step_by(most / 10) {
            let about = format!("{mishap:?} at {at}");
            let (store, run) = moved();
            let calls = Faulty::new(mishap, at);
            let done = purge(&store.root(), Which::All, &four(&calls), &silent);
            assert!(calls.was_hit(), "{about}");
            tried += 1;
            said += usize::from(!done.is_ok_and(|report| report.faults.is_empty()));
            recover(&store.root(), &settings(later(120)), &silent).unwrap();
            let whole = in_trash(&store);
            let what = What { run: &run, session: None, checkpoint: None };
            let back = undo(&store.root(), &what, &settings(later(120)), &silent);
            let back = back.map_or(0, |done| usize::try_from(done.restored.checkpoints).unwrap());
            // What could not be removed is past being brought back, and goes with the next purge.
            let stuck = usize::from(matches!(mishap, Mishap::Fail(_)));
            assert!(
                (whole.saturating_sub(stuck)..=whole).contains(&back),
                "{about}: {back} {whole}"
            );
            let there = (0..SESSIONS).filter(|n| store.path(doomed(*n)).exists()).count();
            assert_eq!((in_trash(&store), there), (whole - back, back), "{about}");
            purge(&store.root(), Which::All, &settings(later(180)), &silent).unwrap();
            assert_eq!(in_trash(&store), 0, "{about}");
            all_are_kept(&store, &about);
        }
    }
    // All but what spares a later command a look.
    assert!(said + 3 >= tried && tried > 25, "{said} of {tried}");
}

/// A plan is made of all links of a file; the first of them that are moved change the ctime of all.
#[test]
fn what_earlier_batches_moved_other_links_of_is_as_planned() {
    for threads in [1, 4] {
        let store = Store::quick();
        let links = |n: usize| [format!("s-{n:03}/net-1.pt"), format!("s-{n:03}/init.pt")];
        store.file(&links(0)[0], "weights");
        for link in (0..SESSIONS).flat_map(links).skip(1) {
            let link = store.path(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            fs::hard_link(store.path(&links(0)[0]), link).unwrap();
        }
        let mut plan = Plan::of(&store);
        for n in 0..SESSIONS {
            let (session, [doomed, kept]) = (format!("s-{n:03}"), links(n));
            plan.delete(&session, "1", &[&doomed]).keep(&session, "init", &[&kept]);
        }
        let before = store.picture();
        let settings = Settings { threads, ..settings(now()) };
        let options = ApplyOptions { settings, grace: None, purge_now: false };
        let report = store.apply_with(&plan.seal(), &options).unwrap();
        assert_eq!(report.moved.checkpoints, SESSIONS as u64, "{threads}: {:?}", report.skipped);
        assert_eq!((in_trash(&store), report.skipped.len()), (SESSIONS, 0), "{threads}");
        let run = report.run.unwrap();
        let back = undo(&store.root(), &all_of(&run), &settings, &silent).unwrap();
        assert_eq!((back.restored.checkpoints, back.skipped.len()), (SESSIONS as u64, 0));
        before.assert_same(&store.picture());
    }
}

/// What is taken for our own change is one that we made, and no later one.
#[test]
fn a_ctime_that_somebody_else_made_is_told() {
    let store = Store::quick();
    for name in ["a", "c"] {
        store.file(name, "weights");
    }
    fs::hard_link(store.path("a"), store.path("b")).unwrap();
    let top = fs::File::open(&store.top).unwrap();
    let measure = |name: &CStr, past: Past| {
        let part = unit::Part { parent: top.as_fd(), name };
        unit::measure_as_before(&[part], &Arc::new(past)).unwrap()
    };
    // The kernel's clock ticks some hundred times a second.
    let tick = || std::thread::sleep(std::time::Duration::from_millis(20));
    let planned = measure(c"b", Past::default());
    let was = measure(c"a", Past::default()).linked_tops[0];
    tick();
    fs::rename(store.path("a"), store.path("moved")).unwrap();
    let is = measure(c"moved", Past::default()).linked_tops[0];
    assert!(was.0 == is.0 && was.1 < is.1);
    let past = || {
        let mut past = Past::default();
        past.note(was.0, was.1, is.1);
        past
    };
    assert_ne!(measure(c"b", Past::default()).fingerprint, planned.fingerprint);
    assert_eq!(measure(c"b", past()).fingerprint, planned.fingerprint);
    // A file of one link was not moved by another name.
    let alone = measure(c"c", Past::default());
    let mut others = Past::default();
    let meta = fs::metadata(store.path("c")).unwrap();
    let ctime = (meta.ctime(), u32::try_from(meta.ctime_nsec()).unwrap());
    others.note(meta.ino(), (1, 1), ctime);
    assert_eq!(measure(c"c", others).fingerprint, alone.fingerprint);
    tick();
    fs::set_permissions(store.path("b"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_ne!(measure(c"b", past()).fingerprint, planned.fingerprint);
}
