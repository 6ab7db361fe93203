//! File systems that are not like others: btrfs with its subvolumes and reflinks (T10, T29),
//! overlayfs with layers that cannot be renamed in (T11), a root that is unmounted and comes back in
//! the middle of a run (R14).

use crate::arena::{Arena, Image, arena};
use crate::many::Started;
use crate::oracle::{Case, PLANNED};
use crate::support::{Plan, Store, now, options, settings, silent, trash};
use crate::trees::Snapshot;
use retain::apply::{ApplyOptions, What, Which, apply, purge, undo};
use retain::scan::{ScanOptions, scan};
use retain::store::local::LocalStore;
use std::fs;
use std::path::Path;
use std::process::Command;

fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn btrfs(arena: &Arena) -> Image {
    arena.image("btrfs", "160M", &["mkfs.btrfs", "-q"])
}

/// A checkpoint that is a subvolume, one with a subvolume or a snapshot inside, and a whole session
/// in one: none of them is another file system by its mount, all of them are by their device.
#[test]
fn t10_btrfs_subvolumes_and_snapshots_needs_root() {
    arena(|arena| {
        let image = btrfs(arena);
        let store = Store::within(&image.at);
        for n in ["1", "2", "3", "9"] {
            store.ckpt(format!("s/checkpoint-{n}"));
        }
        let subvolume = |rel: &str| {
            run("btrfs", &["-q", "subvolume", "create", text(&store.path(rel))]);
        };
        subvolume("s/checkpoint-4");
        store.ckpt("s/checkpoint-4");
        subvolume("s/checkpoint-2/inner");
        store.file("s/checkpoint-2/inner/precious", "data");
        let (from, to) = (store.path("s/checkpoint-4"), store.path("s/checkpoint-3/snapshot"));
        run("btrfs", &["-q", "subvolume", "snapshot", "-r", text(&from), text(&to)]);
        // A plan that names them, as a scan would not.
        for (id, moved) in [("4", 0), ("2", 0), ("3", 0), ("1", 1)] {
            let item = format!("s/checkpoint-{id}");
            let mut plan = Plan::of(&store);
            plan.plan.policy.source = id.to_owned();
            plan.delete("s", id, &[&item]).keep("s", "9", &["s/checkpoint-9"]);
            let before = store.picture();
            let done = apply(&store.root(), &plan.seal(), &options(), &silent).unwrap();
            assert_eq!(done.moved.checkpoints, moved, "{id}: {done:?}");
            if moved == 0 {
                let why = &done.skipped[0].why;
                assert!(why.contains("another file system"), "{id}: {why}");
                before.assert_same(&store.picture());
            }
        }
        let seen = LocalStore::new(fs::File::open(&store.top).unwrap().into());
        let seen = scan(&seen, &ScanOptions::default(), &|_| ());
        assert!(seen.other_mounts.iter().any(|p| &**p == "s/checkpoint-4"), "{seen:?}");
        // Below a subvolume nothing is opened at all.
        subvolume("t");
        store.ckpt("t/checkpoint-1");
        store.ckpt("t/checkpoint-9");
        let mut plan = Plan::of(&store);
        plan.delete("t", "1", &["t/checkpoint-1"]).keep("t", "9", &["t/checkpoint-9"]);
        let before = store.picture();
        let done = apply(&store.root(), &plan.seal(), &options(), &silent).unwrap();
        assert_eq!((done.moved.checkpoints, done.skipped.len()), (0, 1), "{done:?}");
        before.assert_same(&store.picture());
    });
}

/// A reflink is an inode of its own: it goes, and what it shared its blocks with stays.
#[test]
fn t29_reflinks_of_a_keeper_needs_root() {
    arena(|arena| {
        let xfs = ["mkfs.xfs", "-q", "-m", "reflink=1"];
        for image in [btrfs(arena), arena.image("reflink", "320M", &xfs)] {
            let store = Store::within(&image.at);
            store.file("s/checkpoint-9/model.bin", &"weights".repeat(100_000));
            let (from, to) = (store.path("s/checkpoint-9"), store.path("s/checkpoint-1"));
            run("cp", &["-a", "--reflink=always", text(&from), text(&to)]);
            let mut plan = Plan::of(&store);
            plan.delete("s", "1", &["s/checkpoint-1"]).keep("s", "9", &["s/checkpoint-9"]);
            let plan = plan.seal();
            let before = store.picture();
            let run = store.apply(&plan).unwrap().run.unwrap();
            let what = What { run: &run, session: None, checkpoint: None };
            undo(&store.root(), &what, &settings(now()), &silent).unwrap();
            before.assert_same(&store.picture());
            let mut again = Plan::of(&store);
            again.plan.policy.source = "again".to_owned();
            again.delete("s", "1", &["s/checkpoint-1"]).keep("s", "9", &["s/checkpoint-9"]);
            let done = ApplyOptions { purge_now: true, ..options() };
            let report = store.apply_with(&again.seal(), &done).unwrap();
            assert_eq!(report.purged.checkpoints, 1);
            before.without(&["s/checkpoint-1"]).assert_same(&store.picture());
            assert_eq!(trash(&store), Vec::<String>::new());
        }
    });
}

/// A directory of a lower layer answers EXDEV to a rename, and stays; what the upper layer has is
/// moved like anything else. The lower layer is never written to.
#[test]
fn t11_overlayfs_needs_root() {
    arena(|arena| {
        let at = |name: &str| arena.path().join(name);
        for name in ["lower", "upper", "work", "merged"] {
            fs::create_dir(at(name)).unwrap();
        }
        let lower = Store::within(&at("lower"));
        for n in ["1", "9"] {
            lower.ckpt(format!("s/checkpoint-{n}"));
        }
        lower.file("s/checkpoint-3.ckpt", "weights");
        let canary = Snapshot::of(at("lower"));
        let layers = ["lower", "upper", "work"].map(|n| format!("{n}dir={}", text(&at(n))));
        let layers = format!("{},redirect_dir=off", layers.join(","));
        run("mount", &["-t", "overlay", "overlay", "-o", &layers, text(&at("merged"))]);
        let mut store = Store::within(&at("merged"));
        store.top = at("merged").join(lower.top.strip_prefix(at("lower")).unwrap());
        store.init();
        store.ckpt("s/checkpoint-2");
        let before = store.picture();
        for (id, item) in
            [("1", "s/checkpoint-1"), ("2", "s/checkpoint-2"), ("3", "s/checkpoint-3.ckpt")]
        {
            let mut plan = Plan::of(&store);
            plan.plan.policy.source = id.to_owned();
            plan.delete("s", id, &[item]).keep("s", "9", &["s/checkpoint-9"]);
            let done = apply(&store.root(), &plan.seal(), &options(), &silent);
            let moved = done.as_ref().map_or(0, |done| done.moved.checkpoints);
            assert_eq!(moved, u64::from(!store.path(item).exists()), "{id}: {done:?}");
            match id {
                "1" => {
                    let done = done.unwrap();
                    assert!(done.skipped[0].why.contains("cannot be moved"), "{done:?}");
                    before.assert_same(&store.picture());
                }
                "2" => assert_eq!(moved, 1, "{done:?}"),
                // A copy-up is a change of the file; it is noticed, or it makes no difference.
                _ => assert!(moved == 1 || store.path(item).exists(), "{done:?}"),
            }
        }
        let root = store.root();
        for one in retain::apply::runs(&root, 0).unwrap().0 {
            let what = What { run: &one.id, session: None, checkpoint: None };
            undo(&root, &what, &settings(now()), &silent).unwrap();
        }
        let same = |p: &crate::support::Picture| p.0.clone().without_inodes();
        same(&before).assert_same(&same(&store.picture()));
        purge(&root, Which::All, &settings(now()), &silent).unwrap();
        canary.assert_same(&Snapshot::of(at("lower")));
        drop(root);
        run("umount", &[text(&at("merged"))]);
    });
}

/// The root is unmounted lazily while the program stands before one of its renames, and another
/// file system, or the same one again, is mounted in its place.
#[test]
fn r14_the_root_is_unmounted_and_comes_back_needs_root_needs_strace() {
    arena(|arena| {
        for another in [false, true] {
            for nth in [1, 2, 4] {
                let image = arena.image(
                    &format!("disk-{another}-{nth}"),
                    "64M",
                    &["mkfs.ext4", "-q", "-F"],
                );
                let case = Case::with(Store::within(&image.at));
                let device = {
                    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
                    let line = mounts.lines().find(|l| l.contains(text(&image.at))).unwrap();
                    line.split(' ').next().unwrap().to_owned()
                };
                let pause = format!("inject=renameat2:delay_enter=400000:when={nth}");
                let started = Started::new(&case, 0, &case.apply(), &["trace=renameat2", &pause]);
                started.reached("renameat2", nth);
                run("umount", &["-l", text(&image.at)]);
                if another {
                    run("mount", &["-t", "tmpfs", "none", text(&image.at)]);
                    fs::create_dir_all(&case.store.top).unwrap();
                    case.store.file("s/checkpoint-1/precious", "of somebody else");
                } else {
                    run("mount", &[&device, text(&image.at)]);
                }
                let strange = another.then(|| Snapshot::of(&case.store.top));
                let ran = started.finish();
                let about = format!("another {another}, before rename {nth}\n{ran}");
                if let Some(strange) = strange {
                    strange.assert_same(&Snapshot::of(&case.store.top));
                    let next = case.world.run(case.apply_as(1));
                    assert!(matches!(next.code, Some(5 | 6)), "{about}\n{next}");
                    strange.assert_same(&Snapshot::of(&case.store.top));
                    run("umount", &[text(&image.at)]);
                    // Nobody holds the disk any more, and so its loop device is gone.
                    image.mount();
                }
                // The descriptor of the root led to the same disk all the time.
                assert_eq!((ran.code, case.gone()), (Some(0), PLANNED.len()), "{about}");
                case.heals(true, &about);
            }
        }
    });
}
