//! What is pinned, or pointed at, after it was moved to the trash is not purged (I6, I10, R5, R13),
//! and a purge has an end (R7).

use crate::faulty::{Meanwhile, Moment};
use crate::support::*;
use retain::apply::calls::{Calls as _, Os};
use retain::apply::{ApplyOptions, PurgeReport, Settings, What, Which, purge, remove, undo};
use retain::core::model::Time;
use rustix::fd::AsFd as _;
use std::fs;
use std::os::unix::fs::symlink;

const SESSION: &str = "a/mnist/1";
const MARKS: &str = "a/mnist/1/.retain/marks.toml";

fn mark(store: &Store, body: &str) {
    store.file(MARKS, &format!("version = 1\n{body}"));
}

/// What somebody does while the sample lies in the trash, which of session `a` stays by that, and
/// what is said about it.
type Case = (&'static str, fn(&Store), &'static [&'static str], &'static str);

const CASES: &[Case] = &[
    ("a pin", |s| mark(s, "[[mark]]\ncheckpoint = \"10\"\npin = {}\n"), &["10"], "it is pinned"),
    (
        "a pin that holds",
        |s| mark(s, "[[mark]]\ncheckpoint = \"20\"\npin = { until = 2040-01-01T00:00:00Z }\n"),
        &["20"],
        "it is pinned",
    ),
    (
        "a pin that has run out",
        |s| mark(s, "[[mark]]\ncheckpoint = \"10\"\npin = { until = 2026-01-01T00:00:00Z }\n"),
        &[],
        "",
    ),
    (
        "a pin until this instant",
        |s| mark(s, "[[mark]]\ncheckpoint = \"10\"\npin = { until = 2026-02-11T18:00:00Z }\n"),
        &[],
        "",
    ),
    (
        "a pin for a second more",
        |s| mark(s, "[[mark]]\ncheckpoint = \"10\"\npin = { until = 2026-02-11T18:00:01Z }\n"),
        &["10"],
        "it is pinned",
    ),
    ("a pinned session", |s| mark(s, "[[mark]]\npin = {}\n"), &["10", "20", "30"], "it is pinned"),
    (
        "a pin of another series",
        |s| mark(s, "[[mark]]\nseries = \"ema\"\npin = {}\n"),
        &["10", "20", "30"],
        "it is pinned",
    ),
    ("a tag", |s| mark(s, "[[mark]]\ncheckpoint = \"10\"\ntags = [\"paper\"]\n"), &[], ""),
    ("marks that cannot be read", |s| mark(s, "[[mark"), &["10", "20", "30"], "is damaged"),
    (
        "a symlink",
        |s| symlink("checkpoint-10", s.path("a/mnist/1/latest")).unwrap(),
        &["10"],
        "`latest` names it",
    ),
    (
        "a symlink by any name, from another machine, into it",
        |s| symlink("/gone/checkpoint-20/model.bin", s.path("a/mnist/1/for bob")).unwrap(),
        &["20"],
        "`for bob` names it",
    ),
    (
        "a symlink from another machine, deep into it",
        |s| symlink("/gone/1/checkpoint-20/opt/a/rank0", s.path("a/mnist/1/for bob")).unwrap(),
        &["20"],
        "`for bob` names it",
    ),
    (
        "to what lay in a directory that was called so, and is elsewhere",
        |s| s.file("a/mnist/1/best", "/gone/checkpoint-20/dpo/checkpoint-7"),
        &[],
        "",
    ),
    (
        "to what lay in it where it was",
        |s| {
            let path = s.top.canonicalize().unwrap().join("a/mnist/1/checkpoint-20/x/checkpoint-7");
            s.file("a/mnist/1/best", path.to_str().unwrap());
        },
        &["20"],
        "`best` names it",
    ),
    (
        "to what lay in it, by its name",
        |s| s.file("a/mnist/1/best", "checkpoint-20/dpo/checkpoint-7"),
        &["20"],
        "`best` names it",
    ),
    (
        "a text",
        |s| s.file("a/mnist/1/latest_checkpoint.txt", "checkpoint-30\n"),
        &["30"],
        "`latest_checkpoint.txt` names it",
    ),
    (
        "TensorFlow's own, which lists old ones too",
        |s| {
            let text = "model_checkpoint_path: \"checkpoint-20\"\n\
                        all_model_checkpoint_paths: \"checkpoint-10\"\n";
            s.file("a/mnist/1/checkpoint", text);
        },
        &["20"],
        "`checkpoint` names it",
    ),
    (
        "a text as long as a pointer may be",
        |s| s.file("a/mnist/1/latest", &format!("{:4096}", "checkpoint-30")),
        &["30"],
        "`latest` names it",
    ),
    ("a longer one", |s| s.file("a/mnist/1/latest", &format!("{:4097}", "checkpoint-30")), &[], ""),
    (
        "a text of several lines, one of which would be a path into it",
        |s| s.file("a/mnist/1/latest", "checkpoint-10/a\nb"),
        &[],
        "",
    ),
    ("a pointer at a keeper", |s| s.file("a/mnist/1/best", "checkpoint-40"), &[], ""),
    (
        "another of the same name, which is what the pointer means",
        |s| {
            s.ckpt("a/mnist/1/checkpoint-10");
            symlink("checkpoint-10", s.path("a/mnist/1/latest")).unwrap();
        },
        &[],
        "",
    ),
    (
        "what is no pointer",
        |s| {
            s.file("a/mnist/1/notes.txt", "checkpoint-10");
            s.file("a/mnist/1/best_of.log", "checkpoint-10\ncheckpoint-20\n");
        },
        &[],
        "",
    ),
];

fn purged(store: &Store, which: Which<'_>) -> PurgeReport {
    purge(&store.root(), which, &settings(later(30 * HOUR)), &silent).unwrap()
}

#[test]
fn r5_r13_what_is_wanted_since_the_move_stays_in_the_trash() {
    for (nth, (what, deed, stays, said)) in CASES.iter().enumerate() {
        for way in [nth % 3, (nth + 1) % 3] {
            let store = Store::sample();
            let before = store.picture();
            let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
            deed(&store);
            let one = std::slice::from_ref(&run);
            let which = [Which::Expired, Which::All, Which::Runs(one)][way];
            let report = purged(&store, which);
            let kept: Vec<&str> = report.kept.iter().filter_map(|k| k.id.as_deref()).collect();
            assert_eq!(kept, *stays, "{what}: {report:?}");
            assert!(report.kept.iter().all(|k| k.session == SESSION && k.why.contains(said)));
            assert_eq!(report.purged.checkpoints, 6 - stays.len() as u64, "{what}");
            assert_eq!(report.faults, Vec::<String>::new(), "{what}");
            // Again, and it is still there; no journal grows by that.
            let journals = || fs::read_dir(store.path(".retain/journal")).unwrap().count();
            let many = journals();
            assert_eq!(purged(&store, which).kept, report.kept, "{what}");
            assert_eq!(journals(), many, "{what}");
            let all = What { run: &run, session: None, checkpoint: None };
            let back = undo(&store.root(), &all, &settings(later(31 * HOUR)), &silent).unwrap();
            assert_eq!(back.restored.checkpoints, stays.len() as u64, "{what}");
            for id in *stays {
                let part = format!("{SESSION}/checkpoint-{id}");
                let only = |p: &Picture| Picture::default().with(p, &part);
                only(&before).assert_same(&only(&store.picture()));
            }
        }
    }
}

/// What the plan knew to name it when it was moved has said nothing new, until somebody touches it.
#[test]
fn what_named_a_checkpoint_already_when_it_was_moved_keeps_nothing_unless_it_is_touched() {
    type Deed = fn(&Store);
    let makers: [(&str, Deed); 3] = [
        ("latest", |s| symlink("checkpoint-10", s.path("a/mnist/1/latest")).unwrap()),
        ("link", |s| symlink("/gone/checkpoint-10", s.path("a/mnist/1/link")).unwrap()),
        ("last", |s| s.file("a/mnist/1/last", "checkpoint-10\n")),
    ];
    for (name, make) in makers {
        let path = format!("{SESSION}/{name}");
        let again = |store: &Store| {
            fs::remove_file(store.path(&path)).unwrap();
            make(store);
        };
        let other = |store: &Store| symlink("checkpoint-10", store.path("a/mnist/1/best")).unwrap();
        // Whether the plan knows it, what somebody does then, and whether it stays.
        let cases: [(bool, &dyn Fn(&Store), bool); 4] = [
            (true, &|_| {}, false),
            (true, &again, true),
            (true, &other, true),
            (false, &|_| {}, true),
        ];
        for (known, deed, stays) in cases {
            let store = Store::sample();
            make(&store);
            let (plan, at) = if known {
                let mut plan = Plan::of(&store);
                plan.plan = store.sample_plan();
                plan.keep(SESSION, name, &[&path]);
                (plan.seal(), now())
            } else {
                // Older than the plan, which it was not shown to.
                let mut plan = store.sample_plan();
                let clock = crate::pointed::clock();
                plan.now = clock.planned.to_string();
                (plan.seal(), clock.applied)
            };
            let options = ApplyOptions { settings: settings(at), grace: None, purge_now: false };
            assert_eq!(store.apply_with(&plan, &options).unwrap().moved.checkpoints, 6, "{name}");
            // The kernel's clock ticks some hundred times a second.
            std::thread::sleep(std::time::Duration::from_millis(20));
            deed(&store);
            let tomorrow = settings(Time::from_nanos(at.nanos() + 30 * 3600 * Time::NANOS_PER_SEC));
            let report = purge(&store.root(), Which::All, &tomorrow, &silent).unwrap();
            let kept: Vec<&str> = report.kept.iter().filter_map(|k| k.id.as_deref()).collect();
            let wanted: &[&str] = if stays { &["10"] } else { &[] };
            assert_eq!(kept, wanted, "{name} {known}: {report:?}");
            assert_eq!(report.purged.checkpoints, 6 - kept.len() as u64, "{name} {known}");
            assert!(fs::symlink_metadata(store.path(&path)).is_ok(), "the pointer stays: {name}");
        }
    }
}

/// Of two series in one folder, a mark of one says nothing of the other.
#[test]
fn i10_a_pin_of_one_series_keeps_none_of_another() {
    for (series, kept) in [("x", "s#x"), ("y", "s#y")] {
        let store = Store::new();
        let mut plan = Plan::of(&store);
        for series in ["x", "y"] {
            let path = format!("s/{series}-1.ckpt");
            store.file(&path, "weights");
            plan.delete(&format!("s#{series}"), "1", &[&path]);
        }
        store.apply(&plan.seal()).unwrap();
        let mark = format!("[[mark]]\nseries = \"{series}\"\ncheckpoint = \"1\"\npin = {{}}\n");
        store.file("s/.retain/marks.toml", &format!("version = 1\n{mark}"));
        let report = purged(&store, Which::All);
        let of: Vec<&str> = report.kept.iter().map(|k| &*k.session).collect();
        assert_eq!((of, report.purged.checkpoints), (vec![kept], 1));
    }
}

/// I33: nobody can want what lies in a folder that is not there, but it was not purged either: it
/// moved along with its folder, and comes back with it.
#[test]
fn the_trash_of_a_folder_that_is_gone_is_not_called_purged_and_one_that_cannot_be_entered_stays() {
    type Deed = fn(&Store);
    let deeds: [(Deed, Option<&str>); 2] = [
        (|s| fs::rename(s.path("a"), s.path("moved")).unwrap(), None),
        (
            |s| {
                fs::rename(s.path("a"), s.path("moved")).unwrap();
                symlink("moved", s.path("a")).unwrap();
            },
            Some("its folder cannot be looked at"),
        ),
    ];
    for (deed, why) in deeds {
        let store = Store::sample();
        let first = store.picture();
        let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
        deed(&store);
        let report = purged(&store, Which::All);
        assert_eq!(report.purged.checkpoints, 3, "{report:?}");
        let missing =
            report.faults.iter().filter(|f| f.contains("moved, 3 cannot be found")).count();
        assert_eq!(missing, usize::from(why.is_none()), "{report:?}");
        // It is said once.
        let again = purged(&store, Which::All);
        assert_eq!((again.purged.checkpoints, &*again.faults), (0, &[][..]), "{again:?}");
        assert_eq!(!report.kept.is_empty(), why.is_some(), "{report:?}");
        assert!(report.kept.iter().all(|k| k.why.contains(why.unwrap_or_default())));
        let trash = walkdir::WalkDir::new(store.path("moved/mnist/1/.retain/trash"));
        assert!(trash.into_iter().any(|e| e.unwrap().path().ends_with("checkpoint-10/model.bin")));
        let _ = fs::remove_file(store.path("a"));
        fs::rename(store.path("moved"), store.path("a")).unwrap();
        let what = What { run: &run, session: Some("a/mnist/1"), checkpoint: None };
        let back = undo(&store.root(), &what, &settings(later(0)), &silent).unwrap();
        assert_eq!((back.restored.checkpoints, back.skipped.len()), (3, 0), "{back:?}");
        let gone = ["10", "20", "30"].map(|id| format!("b/mnist/2/checkpoint-{id}"));
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        first
            .without(&gone)
            .without(&[".retain"])
            .assert_same(&store.picture().without(&[".retain"]));
    }
}

#[test]
fn what_is_wanted_no_more_goes_with_the_next_purge() {
    let store = Store::sample();
    store.apply(&store.sample_plan()).unwrap();
    mark(&store, "[[mark]]\ncheckpoint = \"10\"\npin = {}\n");
    assert_eq!(purged(&store, Which::Expired).purged.checkpoints, 5);
    mark(&store, "");
    assert_eq!(purged(&store, Which::Expired).purged.checkpoints, 1);
    assert_eq!(trash(&store), Vec::<String>::new());
}

/// R5 with the purge in the same command: the pointer moves right after the rename.
#[test]
fn r5_a_pointer_moved_between_the_move_and_the_purge_of_one_command() {
    let store = Store::sample();
    let plan = store.sample_plan();
    let calls = Meanwhile::new(|moment, n| {
        if (moment, n) == (Moment::After, 2) {
            symlink("checkpoint-10", store.path("a/mnist/1/latest")).unwrap();
        }
    });
    let settings = Settings { calls: &calls, ..settings(now()) };
    let report =
        store.apply_with(&plan, &ApplyOptions { settings, grace: None, purge_now: true }).unwrap();
    assert_eq!((report.moved.checkpoints, report.purged.checkpoints), (6, 5));
    let [skip] = &report.skipped[..] else { panic!("{:?}", report.skipped) };
    assert_eq!((skip.session.as_str(), skip.id.as_deref()), (SESSION, Some("10")));
    let all = What { run: &report.run.unwrap(), session: None, checkpoint: None };
    let back = undo(&store.root(), &all, &crate::support::settings(now()), &silent).unwrap();
    assert_eq!(back.restored.checkpoints, 1);
}

/// R7: somebody adds a file for each that is removed; after so many there is an end to it, and the
/// next purge goes on from there.
#[test]
fn r7_a_purge_gives_up_after_so_many_entries() {
    struct Writer(std::sync::atomic::AtomicU64);
    impl Writer {
        fn more(&self, dir: rustix::fd::BorrowedFd<'_>) {
            let n = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let name = std::ffi::CString::new(format!("new-{n}")).unwrap();
            drop(Os.create(dir, &name, 0o644).unwrap());
        }
    }
    // Sixteen times the six entries are listed again, if there is no other end.
    for (writes, most, ends) in [
        (false, 6, Ok(())),
        (false, 5, Err("no end to it")),
        (true, 50, Err("no end to it")),
        (true, 500, Err("not empty")),
    ] {
        let store = Store::quick();
        for n in 0..6 {
            store.file(format!("slot/tree/{n}"), "");
        }
        let writer = Writer(0.into());
        let calls = crate::faulty::OnUnlink(|dir| {
            if writes {
                writer.more(dir);
            }
        });
        let slot = fs::File::open(store.path("slot")).unwrap();
        let done = remove::tree(&calls, slot.as_fd(), c"tree", most);
        match (&done, ends) {
            (Ok(()), Ok(())) => {}
            (Err(e), Err(said)) => assert!(e.to_string().contains(said), "{writes} {most}: {e}"),
            other => panic!("{writes} {most}: {other:?}"),
        }
        assert_eq!(store.path("slot/tree").exists(), done.is_err());
        assert!(writer.0.into_inner() <= most);
        let left: Vec<_> = fs::read_dir(store.path("slot/tree")).into_iter().flatten().collect();
        remove::tree(&Os, slot.as_fd(), c"tree", 1000)
            .unwrap_or_else(|e| panic!("{writes} {most}: {e}; {left:?}"));
        assert!(!store.path("slot/tree").exists());
    }
}
