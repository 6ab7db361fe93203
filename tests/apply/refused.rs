//! Plans and clocks that are refused before anything is touched (I1, I11, I12, I13, T21, T22, T28).

use crate::privileged::{ALICE, as_user, give, given_store, have_root, is_inner};
use crate::support::*;
use retain::apply::{ApplyError, ApplyOptions, Cause, Kind, Which, check_beforehand, purge};
use retain::core::plan::{PlanError, PlanFile};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// Nothing may differ, not even in `.retain`.
fn untouched(store: &Store, about: &str, run: impl FnOnce() -> ApplyError) -> ApplyError {
    let before = crate::trees::Snapshot::of(&store.top);
    let error = run();
    let after = crate::trees::Snapshot::of(&store.top);
    // The lock file may appear, and with it the times of its folder change.
    let lines = before.diff(&after);
    let mut changes =
        lines.lines().filter(|l| l.starts_with(['-', '+']) && !l.contains(".retain/lock"));
    assert_eq!(changes.next(), None, "{about}");
    error
}

fn sealed(store: &Store, change: impl FnOnce(&mut PlanFile)) -> PlanFile {
    let mut plan = store.sample_plan();
    change(&mut plan);
    plan.seal()
}

type Case = (&'static str, fn(&mut PlanFile), Kind, &'static str);

const PLANS: &[Case] = &[
    ("brake", |p| p.brake = Some("7 of 8".to_owned()), Kind::Refused, "brake holds: 7 of 8"),
    ("foreign", |p| p.root = None, Kind::Refused, "another tool"),
    (
        "other root",
        |p| p.root.as_mut().unwrap().id = Some("0".repeat(32)),
        Kind::Stale,
        "another root",
    ),
    ("other inode", |p| p.root.as_mut().unwrap().inode += 1, Kind::Stale, "another root"),
    (
        "other inode, no id",
        |p| {
            let root = p.root.as_mut().unwrap();
            (root.id, root.inode) = (None, root.inode + 1);
        },
        Kind::Stale,
        "another root",
    ),
    ("other format", |p| p.format = "retain-plan/2".to_owned(), Kind::Stale, "retain-plan/2"),
    ("old", |p| p.now = "2026-02-09T11:59:59Z".to_owned(), Kind::Stale, "24 hours"),
    ("of tomorrow", |p| p.now = "2026-02-11T12:00:00Z".to_owned(), Kind::Refused, "in the future"),
    ("no time", |p| p.now = "yesterday".to_owned(), Kind::Stale, "is not a time"),
    ("no session entry", |p| p.sessions.clear(), Kind::Refused, "no witnesses listed"),
    ("no fingerprint", |p| p.decisions[0].fingerprint = None, Kind::Refused, "no fingerprint"),
    (
        "odd fingerprint",
        |p| p.decisions[0].fingerprint = Some("zz".repeat(16)),
        Kind::Refused,
        "no fingerprint",
    ),
    ("no paths", |p| p.decisions[0].paths.clear(), Kind::Refused, "no paths"),
    ("the root", |p| p.decisions[0].paths = vec![".".to_owned()], Kind::Refused, "the root itself"),
    ("empty", |p| p.decisions[0].paths = vec![String::new()], Kind::Refused, "the root itself"),
    (
        "absolute",
        |p| p.decisions[0].paths = vec!["/etc/passwd".to_owned()],
        Kind::Refused,
        "absolute",
    ),
    ("above", |p| p.decisions[0].paths = vec!["a/../../x".to_owned()], Kind::Refused, "`..`"),
    ("dot", |p| p.decisions[0].paths = vec!["a/./x".to_owned()], Kind::Refused, "`.`"),
    (
        "double slash",
        |p| p.decisions[0].paths = vec!["a//x".to_owned()],
        Kind::Refused,
        "empty component",
    ),
    ("N16", |p| p.decisions[0].paths = vec!["a/.retain".to_owned()], Kind::Refused, "`.retain`"),
    (
        "escaped slash",
        |p| p.decisions[0].paths = vec!["a\\x2f..\\x2fx\\xff".to_owned()],
        Kind::Refused,
        "`..`",
    ),
    ("NUL", |p| p.decisions[0].paths = vec!["a/\0".to_owned()], Kind::Refused, "NUL"),
    (
        "T21 in another",
        |p| p.decisions[0].paths = vec!["a/mnist/1/checkpoint-20/opt".to_owned()],
        Kind::Refused,
        "`a/mnist/1 20` and `a/mnist/1 10` overlap",
    ),
    (
        "T21 around another",
        |p| p.decisions[0].paths = vec!["a/mnist".to_owned()],
        Kind::Refused,
        "overlap",
    ),
    (
        "the same twice",
        |p| p.decisions[0].paths = p.decisions[1].paths.clone(),
        Kind::Refused,
        "overlap",
    ),
    (
        "I4 a keeper",
        |p| p.decisions[0].paths = p.sessions[0].witnesses[0].paths.clone(),
        Kind::Refused,
        "overlap",
    ),
    (
        "I4 in a keeper",
        |p| p.decisions[0].paths = vec!["a/mnist/1/checkpoint-40/opt".to_owned()],
        Kind::Refused,
        "`a/mnist/1 40` and `a/mnist/1 10` overlap",
    ),
];

#[test]
fn plans_that_are_refused() {
    for (what, change, kind, said) in PLANS {
        let store = Store::sample();
        let plan = sealed(&store, change);
        let error = untouched(&store, what, || store.apply(&plan).unwrap_err());
        assert_eq!(error.kind(), *kind, "{what}: {error}");
        assert!(error.to_string().contains(said), "{what}: {error}");
        // Nothing is to be made room for either.
        let before = check_beforehand(&store.root(), &plan, 1, options().settings.now).unwrap_err();
        assert_eq!(before.to_string(), error.to_string(), "{what}");
    }
    let store = Store::sample();
    check_beforehand(&store.root(), &store.sample_plan(), 1, options().settings.now).unwrap();
}

#[test]
fn i13_any_field_changed_by_hand_is_noticed() {
    let store = Store::sample();
    let plan = store.sample_plan();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(PlanFile::parse(text.as_bytes()).is_ok());
    let changes: &[fn(&mut PlanFile)] = &[
        |p| p.decisions[3].verdict = "delete".to_owned(),
        |p| p.decisions[0].paths = vec!["b/mnist/2/checkpoint-40".to_owned()],
        |p| p.decisions[0].bytes += 1,
        |p| p.sessions[0].witnesses.clear(),
        |p| p.now = "2026-02-10T12:00:01Z".to_owned(),
        |p| p.policy.grace_seconds = 0,
        |p| p.root.as_mut().unwrap().id = None,
        |p| p.tool.push('x'),
        |p| p.digest.clear(),
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut edited = plan.clone();
        change(&mut edited);
        let error = untouched(&store, "edited", || store.apply(&edited).unwrap_err());
        assert!(matches!(error, ApplyError::Plan(PlanError::Digest)), "{n}: {error}");
        assert_eq!(error.kind(), Kind::Stale);
        assert!(PlanFile::parse(&serde_json::to_vec(&edited).unwrap()).is_err(), "{n}");
    }
}

#[test]
fn a_plan_is_carried_out_once() {
    let store = Store::sample();
    let plan = store.sample_plan();
    let run = store.apply(&plan).unwrap().run.unwrap();
    for purged in [false, true] {
        if purged {
            purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
        }
        let error = store.apply(&plan).unwrap_err();
        let ApplyError::AlreadyApplied { run: r, restorable } = &error else { panic!("{error}") };
        assert_eq!((r, *restorable), (&run, !purged));
        assert_eq!(error.to_string().contains("retain undo"), !purged, "{error}");
        assert_eq!(error.kind(), Kind::Stale);
    }
}

/// A plan that moved nothing, because all of it was in use, is still to be carried out.
#[test]
fn a_plan_that_moved_nothing_is_carried_out_when_it_can_be() {
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    store.ckpt("s/checkpoint-2");
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &["s/checkpoint-1"]).keep("s", "2", &["s/checkpoint-2"]);
    let plan = plan.seal();
    let held = fs::File::open(store.path("s/checkpoint-1")).unwrap();
    held.lock_shared().unwrap();
    for _ in 0..2 {
        let report = store.apply(&plan).unwrap();
        assert_eq!((report.moved.checkpoints, report.skipped.len()), (0, 1));
    }
    drop(held);
    let run = store.apply(&plan).unwrap().run.unwrap();
    let again = store.apply(&plan).unwrap_err();
    assert!(matches!(&again, ApplyError::AlreadyApplied { run: r, .. } if *r == run), "{again}");
}

#[test]
fn i12_a_clock_that_jumped_stops_apply_and_purge() {
    let store = Store::sample();
    let plan = sealed(&store, |p| p.now = "2019-12-31T23:00:00Z".to_owned());
    let at = time("2019-12-31T23:59:59Z");
    let early = ApplyOptions { settings: settings(at), ..options() };
    assert!(matches!(store.apply_with(&plan, &early).unwrap_err(), ApplyError::Clock { .. }));
    store.apply(&store.sample_plan()).unwrap();
    store.ckpt("c/checkpoint-1");
    let mut back = Plan::of(&store);
    back.delete("c", "1", &["c/checkpoint-1"]);
    back.plan.now = "2026-02-10T11:00:00Z".to_owned();
    let back = back.seal();
    let at = time("2026-02-10T11:00:00Z");
    let error =
        store.apply_with(&back, &ApplyOptions { settings: settings(at), ..options() }).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(error.to_string().contains("before run 20260210-120000"), "{error}");
    let journal = format!("remove `{}20260210-120000", store.path(".retain/journal/").display());
    assert!(error.to_string().contains(&journal), "{error}");
    assert!(purge(&store.root(), Which::All, &settings(at), &silent).is_err());
    // Two machines need not agree to the second.
    assert!(
        purge(&store.root(), Which::Expired, &settings(time("2026-02-10T11:59:00Z")), &silent)
            .is_ok()
    );
}

#[test]
fn t28_a_root_without_its_marker_is_refused() {
    let store = Store::sample();
    let plan = store.sample_plan();
    fs::remove_file(store.path(".retain/root.toml")).unwrap();
    let error = untouched(&store, "no marker", || store.apply(&plan).unwrap_err());
    assert!(matches!(error, ApplyError::NoMarker(_)), "{error}");
    assert_eq!(error.kind(), Kind::Refused);
    // Made anew it is another root.
    store.init();
    let error = store.apply(&plan).unwrap_err();
    assert!(matches!(error, ApplyError::OtherRoot { .. }), "{error}");
}

#[test]
fn a_plan_of_a_directory_that_became_a_root_since_is_good() {
    let store = Store::sample();
    let plan = sealed(&store, |p| p.root.as_mut().unwrap().id = None);
    assert_eq!(store.apply(&plan).unwrap().moved.checkpoints, 6);
}

/// I30: whoever declares one keeps their own sessions out of it, and nobody else's.
#[test]
fn t22_a_root_inside_the_root_is_left_alone() {
    let store = Store::sample();
    let plan = store.sample_plan();
    store.file("b/.retain/root.toml", "");
    let before = store.picture();
    let report = store.apply(&plan).unwrap();
    let [skip] = &report.skipped[..] else { panic!("{report:?}") };
    assert_eq!((skip.session.as_str(), skip.cause), ("b/mnist/2", Cause::Boundary));
    assert!(skip.why.contains("`b` is a root of its own"), "{skip:?}");
    assert!(skip.why.contains("`b/.retain/root.toml`"), "{skip:?}");
    assert_eq!((report.moved.checkpoints, report.unreached), (3, 0));
    let gone = ["10", "20", "30"].map(|id| format!("a/mnist/1/checkpoint-{id}"));
    assert_eq!(store.picture(), before.without(&gone.each_ref().map(String::as_str)));
}

/// I3, I30: what its owner closed to others may be a root, and keeps nobody from working elsewhere.
#[test]
fn t22_what_may_be_a_root_inside_the_root_is_left_alone() {
    let test = "refused::t22_what_may_be_a_root_inside_the_root_is_left_alone";
    if is_inner(test) {
        let store = given_store();
        let plan = serde_json::from_slice(&fs::read(store.path("plan.json")).unwrap()).unwrap();
        let report = store.apply(&plan).unwrap();
        let [skip] = &report.skipped[..] else { panic!("{report:?}") };
        assert_eq!((skip.session.as_str(), skip.cause), ("b/mnist/2", Cause::Boundary));
        assert!(skip.why.contains("`b` is a root of its own"), "{skip:?}");
        assert_eq!(report.moved.checkpoints, 3);
        return;
    }
    if !have_root(test) {
        return;
    }
    let store = Store::sample();
    fs::write(store.path("plan.json"), "").unwrap();
    give(&store.top, ALICE);
    fs::create_dir(store.path("b/.retain")).unwrap();
    fs::set_permissions(store.path("b/.retain"), fs::Permissions::from_mode(0o700)).unwrap();
    let plan = store.sample_plan();
    fs::write(store.path("plan.json"), serde_json::to_vec(&plan).unwrap()).unwrap();
    as_user(test, ALICE, &store);
}

/// I3: a folder of which the system does not say whether it is there.
#[test]
fn t22_what_cannot_be_asked_is_no_answer() {
    let store = Store::sample();
    let plan = sealed(&store, |p| {
        p.decisions[0].paths[0] = format!("{}/checkpoint-10", "x".repeat(300));
    });
    let error = untouched(&store, "too long", || store.apply(&plan).unwrap_err());
    assert!(error.to_string().contains("failed to look for other roots"), "{error}");
}

/// A symlink that leads to the state of another root makes no root of the folder that it stands in.
#[test]
fn t22_a_link_to_another_roots_state_is_none() {
    let other = Store::new();
    let store = Store::sample();
    std::os::unix::fs::symlink(other.path(".retain"), store.path("a/.retain")).unwrap();
    assert_eq!(store.apply(&store.sample_plan()).unwrap().moved.checkpoints, 6);
}

type Change = fn(&mut retain::core::plan::PlanRoot);

#[test]
fn which_root_a_plan_is_for() {
    let store = Store::sample();
    let root = store.root();
    let cases: [(&str, Change, bool); 8] = [
        ("as it was", |_| {}, true),
        ("without an id", |r| r.id = None, true),
        ("of an inventory, which knows the id alone", |r| r.inode = 0, true),
        ("with neither", |r| (r.id, r.inode) = (None, 0), false),
        ("another id", |r| r.id = Some("0".repeat(32)), false),
        ("another id, no inode", |r| (r.id, r.inode) = (Some("0".repeat(32)), 0), false),
        ("another inode", |r| r.inode += 1, false),
        ("another inode, no id", |r| (r.id, r.inode) = (None, r.inode + 1), false),
    ];
    for (what, change, good) in cases {
        for path in ["/elsewhere/runs", ""] {
            let mut plan = store.sample_plan();
            let planned = plan.root.as_mut().unwrap();
            planned.path = path.to_owned();
            change(planned);
            let done = retain::apply::check_root(&root, &plan);
            assert_eq!(done.is_ok(), good, "{what}");
            // Both are named: the one by its path, or, where a plan has none, by its id.
            let named = [path.to_owned(), plan.root.unwrap().id.unwrap_or_default()];
            let named = named.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
            if let Err(e) = done {
                let both = [&named, root.path.to_str().unwrap()];
                assert!(both.iter().all(|name| e.to_string().contains(*name)), "{what}: {e}");
            }
        }
    }
    let mut plan = store.sample_plan();
    plan.root = None;
    assert!(matches!(retain::apply::check_root(&root, &plan), Err(ApplyError::ForeignPlan)));
}

/// I12: two machines, or two commands that waited for each other, differ by a little.
#[test]
fn i12_how_far_a_clock_may_be_behind() {
    for (behind, good) in [(0, true), (599, true), (600, true), (601, false)] {
        let store = Store::sample();
        let mut plan = store.sample_plan();
        plan.now = later(1000).to_string();
        let options = ApplyOptions { settings: settings(later(1000)), ..options() };
        store.apply_with(&plan.seal(), &options).unwrap();
        let done = purge(&store.root(), Which::Expired, &settings(later(1000 - behind)), &silent);
        assert_eq!(done.is_ok(), good, "{behind}");
    }
    let store = Store::sample();
    store.apply(&Plan::of(&store).seal()).unwrap();
    for (at, good) in [("2019-12-31T23:59:59Z", false), ("2020-01-01T00:00:00Z", true)] {
        let done = purge(&store.root(), Which::Expired, &settings(time(at)), &silent);
        assert_eq!(done.is_ok(), good, "{at}");
    }
}
