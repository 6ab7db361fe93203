//! A symlink anywhere below the root that has come to lead to a checkpoint since the plan was made
//! keeps it: at apply its session stays whole, at a purge it stays in the trash (I6, R5).

use crate::faulty::{Meanwhile, Moment};
use crate::privileged::{ALICE, as_user, give, given_store, have_root, is_inner};
use crate::support::*;
use retain::apply::{ApplyOptions, Settings, What, Which, purge, undo};
use retain::core::model::Time;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const SESSION: &str = "a/mnist/1";

/// `link` below the root, to `target`.
fn link(store: &Store, link: &str, target: impl AsRef<Path>) {
    let path = store.path(link);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

/// What is there when the plan is made, what happens then, and what is said; nothing: the session
/// loses what it was to lose.
type Case = (&'static str, fn(&Store), fn(&Store), Option<&'static str>);

fn nothing(_: &Store) {}

const CASES: &[Case] = &[
    (
        "elsewhere",
        nothing,
        |s| link(s, "exports/final", "../a/mnist/1/checkpoint-10"),
        Some("`exports/final` leads to 10 by now"),
    ),
    (
        "into it",
        nothing,
        |s| link(s, "exports/w.bin", "../a/mnist/1/checkpoint-20/opt/a/rank0"),
        Some("`exports/w.bin` leads to 20 by now"),
    ),
    (
        "absolute",
        nothing,
        |s| link(s, "exports/final", s.path("a/mnist/1/checkpoint-10")),
        Some("`exports/final` leads to 10 by now"),
    ),
    (
        "by another name of the root",
        nothing,
        |s| {
            let alias = s.dir.path().join("alias");
            symlink(&s.top, &alias).unwrap();
            link(s, "exports/final", alias.join("a/mnist/1/checkpoint-30"));
        },
        Some("`exports/final` leads to 30 by now"),
    ),
    (
        "into it by another name of the root",
        nothing,
        |s| {
            let alias = s.dir.path().join("alias");
            symlink(&s.top, &alias).unwrap();
            link(s, "exports/w.bin", alias.join("a/mnist/1/checkpoint-20/opt/a/rank0"));
        },
        Some("`exports/w.bin` leads to 20 by now"),
    ),
    (
        "out of the root and back",
        nothing,
        |s| {
            let top = s.top.file_name().unwrap().to_owned();
            let back = Path::new("../..").join(top).join("a/mnist/1/checkpoint-20");
            link(s, "exports/w.bin", back);
        },
        Some("`exports/w.bin` leads to 20 by now"),
    ),
    (
        "in the checkpoint of another session",
        nothing,
        |s| link(s, "b/mnist/2/new/checkpoint-99/base", "../../../../../a/mnist/1/checkpoint-10"),
        Some("`b/mnist/2/new/checkpoint-99/base` leads to 10 by now"),
    ),
    (
        "among the checkpoints, by any name",
        nothing,
        |s| link(s, "a/mnist/1/for bob", "checkpoint-10"),
        Some("`a/mnist/1/for bob` leads to 10 by now"),
    ),
    (
        "among the checkpoints, from another machine",
        nothing,
        |s| link(s, "a/mnist/1/latest", "/gone/checkpoint-20"),
        Some("`latest` names 20 by now"),
    ),
    (
        "a new text among the checkpoints",
        nothing,
        |s| s.file("a/mnist/1/latest", "checkpoint-20\n"),
        Some("`latest` names 20 by now"),
    ),
    (
        "a new text, to what lay in a directory that was called so",
        nothing,
        |s| s.file("a/mnist/1/latest", "/gone/checkpoint-20/dpo/checkpoint-7"),
        None,
    ),
    (
        "a link on its way is another",
        |s| {
            link(s, "cur", "b/mnist/2");
            link(s, "exports/final", "../cur/checkpoint-10");
        },
        |s| {
            fs::remove_file(s.path("cur")).unwrap();
            link(s, "cur", "a/mnist/1");
        },
        // That one leads to the other session's before.
        Some("`exports/final` leads to 10 by now"),
    ),
    (
        "its folder was moved here",
        |s| link(s, "x/exports/final", "../a/mnist/1/checkpoint-10"),
        |s| fs::rename(s.path("x/exports"), s.path("exports")).unwrap(),
        Some("`exports/final` leads to 10 by now"),
    ),
    ("to what stays", nothing, |s| link(s, "exports/final", "../a/mnist/1/checkpoint-40"), None),
    ("to the session", nothing, |s| link(s, "exports/final", "../a/mnist/1"), None),
    (
        "out of the root",
        nothing,
        |s| link(s, "exports/final", "../../a/mnist/1/checkpoint-10"),
        None,
    ),
    ("in a checkpoint that goes", nothing, |s| link(s, "trash/y", "/nowhere"), None),
    ("in our own state", nothing, |s| link(s, ".retain/x", "../a/mnist/1/checkpoint-10"), None),
    (
        "known when the plan was made",
        |s| link(s, "ex/f", "../a/mnist/1/checkpoint-10"),
        nothing,
        None,
    ),
    (
        "known, and something else happened beside it",
        |s| link(s, "a/mnist/1/ex/f", "../checkpoint-10"),
        |s| s.file("a/mnist/1/train.log", "more"),
        None,
    ),
];

/// The tree says of its own past what the clock of these tests does not: it is old when the plan
/// is made, three hours from now.
pub struct Clock {
    pub planned: Time,
    pub applied: Time,
}

pub fn clock() -> Clock {
    let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let at = |seconds: u64| {
        Time::from_nanos(i64::try_from(real + seconds).unwrap() * Time::NANOS_PER_SEC)
    };
    Clock { planned: at(3 * HOUR), applied: at(4 * HOUR) }
}

#[test]
fn r5_what_a_link_has_come_to_lead_to_is_not_moved() {
    for (what, before, deed, said) in CASES {
        for old in [false, true] {
            let store = Store::sample();
            before(&store);
            let mut plan = store.sample_plan();
            // A plan of the past: all there is was made, or may have been, since.
            let mut settings = settings(now());
            if old {
                let clock = clock();
                plan.now = clock.planned.to_string();
                settings = crate::support::settings(clock.applied);
                plan = plan.seal();
            }
            deed(&store);
            let picture = store.picture();
            let options = ApplyOptions { settings, grace: None, purge_now: false };
            let report =
                store.apply_with(&plan, &options).unwrap_or_else(|e| panic!("{what}: {e}"));
            // With the clock ahead nothing happens "since": what is there counts as known.
            let said = said.filter(|_| !old);
            // And with one in the past everything is new.
            let known = what.starts_with("known");
            match (said, report.skipped.as_slice()) {
                (None, []) if !known || old => assert_eq!(report.moved.checkpoints, 6, "{what}"),
                (None, [skip]) if known && !old => assert_eq!(skip.session, SESSION, "{what}"),
                (Some(said), [skip]) => {
                    assert_eq!(skip.session, SESSION, "{what}");
                    assert!(skip.why.contains(said), "{what}: {}", skip.why);
                    assert_eq!(report.moved.checkpoints, 3, "{what}");
                    let session = |p: &Picture| Picture::default().with(p, SESSION);
                    session(&picture).assert_same(&session(&store.picture()));
                }
                other => panic!("{what} {old}: {other:?}"),
            }
        }
    }
}

/// A plan made between what there was and what was done since, as the kernel's own times say it.
#[test]
fn r5_what_was_there_before_the_plan_is_known_and_what_happened_since_is_new() {
    let stores: Vec<Store> = CASES
        .iter()
        .map(|(_, before, _, _)| {
            let store = Store::sample();
            before(&store);
            store
        })
        .collect();
    // Servers' clocks may be behind by an hour, which counts as since the plan.
    let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let made = Time::from_nanos(i64::try_from(real.as_nanos()).unwrap());
    let ahead = |seconds: i64| {
        let hour = i64::try_from(HOUR).unwrap();
        Time::from_nanos(made.nanos() + (hour + seconds) * Time::NANOS_PER_SEC)
    };
    std::thread::sleep(std::time::Duration::from_millis(2100));
    for (store, (what, _, deed, said)) in stores.iter().zip(CASES) {
        let mut plan = store.sample_plan();
        plan.now = ahead(1).to_string();
        let plan = plan.seal();
        deed(store);
        let options = ApplyOptions { settings: settings(ahead(60)), grace: None, purge_now: false };
        let report = store.apply_with(&plan, &options).unwrap_or_else(|e| panic!("{what}: {e}"));
        let why = report.skipped.first().map(|skip| &*skip.why);
        match said {
            Some(said) => assert!(why.is_some_and(|why| why.contains(said)), "{what}: {why:?}"),
            None => assert_eq!(why, None, "{what}"),
        }
    }
}

/// A link that is a witness was there, and the plan decided in spite of it: `retain rm` does.
#[test]
fn a_link_that_the_plan_knows_does_not_stop_it() {
    let store = Store::sample();
    link(&store, "exports/final", "../a/mnist/1/checkpoint-10");
    let mut plan = Plan::of(&store);
    plan.delete(SESSION, "10", &["a/mnist/1/checkpoint-10"]);
    plan.keep(SESSION, "final", &["exports/final"]);
    let report = store.apply(&plan.seal()).unwrap();
    assert_eq!((report.moved.checkpoints, report.skipped.len()), (1, 0));
}

/// I3: what cannot be looked into may hold anything, for the session it belongs to.
#[test]
fn a_folder_of_the_session_that_cannot_be_read_keeps_it() {
    let test = "pointed::a_folder_of_the_session_that_cannot_be_read_keeps_it";
    if is_inner(test) {
        let store = given_store();
        let plan: retain::core::plan::PlanFile =
            serde_json::from_slice(&fs::read(store.path("plan.json")).unwrap()).unwrap();
        let report = store.apply(&plan).unwrap();
        let stays = store.path("a/mnist/1/private").exists();
        assert_eq!(report.skipped.len(), usize::from(stays), "{:?}", report.skipped);
        assert!(report.skipped.iter().all(|s| s.why.contains("private` cannot be looked into")));
        assert_eq!(report.moved.checkpoints, if stays { 3 } else { 6 });
        return;
    }
    if !have_root(test) {
        return;
    }
    for folder in ["a/mnist/1/private", "elsewhere/private"] {
        let store = Store::sample();
        store.file(format!("{folder}/x"), "");
        fs::write(store.path("plan.json"), "").unwrap();
        give(&store.top, ALICE);
        fs::set_permissions(store.path(folder), fs::Permissions::from_mode(0o000)).unwrap();
        // A plan knows ctimes, which giving it away has changed.
        let plan = store.sample_plan();
        fs::write(store.path("plan.json"), serde_json::to_vec(&plan).unwrap()).unwrap();
        as_user(test, ALICE, &store);
    }
}

type Deed = (&'static str, fn(&Store), &'static [&'static str]);

const IN_THE_TRASH: &[Deed] = &[
    ("elsewhere", |s| link(s, "exports/final", "../a/mnist/1/checkpoint-10"), &["10"]),
    ("into it", |s| link(s, "exports/w", "../a/mnist/1/checkpoint-20/model.bin"), &["20"]),
    (
        "in a keeper",
        |s| link(s, "b/mnist/2/checkpoint-40/base", "../../../../a/mnist/1/checkpoint-30"),
        &["30"],
    ),
    // The kernel finds nothing at its end.
    ("absolute", |s| link(s, "exports/final", s.path("a/mnist/1/checkpoint-10")), &["10"]),
    ("to what stayed", |s| link(s, "exports/final", "../a/mnist/1/checkpoint-40"), &[]),
    (
        "to what bears its name by now",
        |s| {
            s.ckpt("a/mnist/1/checkpoint-10");
            link(s, "exports/final", "../a/mnist/1/checkpoint-10");
        },
        &[],
    ),
];

#[test]
fn r5_what_a_link_elsewhere_leads_to_stays_in_the_trash() {
    for (what, deed, stays) in IN_THE_TRASH {
        for which in [Which::Expired, Which::All] {
            let store = Store::sample();
            let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
            deed(&store);
            let report = purge(&store.root(), which, &settings(later(30 * HOUR)), &silent).unwrap();
            let kept: Vec<&str> = report.kept.iter().filter_map(|k| k.id.as_deref()).collect();
            assert_eq!(kept, *stays, "{what}: {report:?}");
            assert_eq!(report.purged.checkpoints, 6 - stays.len() as u64, "{what}");
            let all = What { run: &run, session: None, checkpoint: None };
            let back = undo(&store.root(), &all, &settings(later(31 * HOUR)), &silent).unwrap();
            assert_eq!(back.restored.checkpoints, stays.len() as u64, "{what}");
        }
    }
}

/// By its own text, or by way of a link in a checkpoint that was to stay and was just read again.
#[test]
fn r5_a_link_made_between_the_move_and_the_purge_of_one_command() {
    for (before, target) in [
        (nothing as fn(&Store), "../a/mnist/1/checkpoint-10"),
        (
            |s| link(s, "b/mnist/2/checkpoint-40/up", "../../../.."),
            "../b/mnist/2/checkpoint-40/up/a/mnist/1/checkpoint-10",
        ),
    ] {
        let store = Store::sample();
        before(&store);
        let plan = store.sample_plan();
        let calls = Meanwhile::new(|moment, n| {
            if (moment, n) == (Moment::After, 2) {
                link(&store, "exports/final", target);
            }
        });
        let settings = Settings { calls: &calls, ..settings(now()) };
        let options = ApplyOptions { settings, grace: None, purge_now: true };
        let report = store.apply_with(&plan, &options).unwrap();
        assert_eq!((report.moved.checkpoints, report.purged.checkpoints), (6, 5), "{target}");
        let [skip] = &report.skipped[..] else { panic!("{target}: {:?}", report.skipped) };
        assert_eq!((skip.session.as_str(), skip.id.as_deref()), (SESSION, Some("10")), "{target}");
    }
}
