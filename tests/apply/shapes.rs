//! Shapes and names that a tree can have (N1-N18, T1, T2, T12-T18, T21, T24).

use crate::support::*;
use retain::apply::{ApplyOptions, What, Which, purge, undo};
use retain::core::name;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

/// Deletes `paths` as one checkpoint; undone, the tree is what it was; purged, only they are gone.
#[track_caller]
fn goes_and_comes_back(store: &Store, about: &str, paths: &[&str]) {
    let before = store.picture();
    for last in [false, true] {
        let mut plan = Plan::of(store);
        plan.delete("s", "x", paths);
        // The second time it is another plan.
        plan.plan.tool = format!("{last}");
        let report = store.apply(&plan.seal()).unwrap_or_else(|e| panic!("{about}: {e}"));
        assert_eq!(
            (report.moved.checkpoints, report.skipped.len()),
            (1, 0),
            "{about}: {:?}",
            report.skipped
        );
        before.without(paths).assert_same(&store.picture());
        if last {
            let done = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
            assert!(
                done.faults.is_empty() && done.purged.checkpoints == 1,
                "{about}: {:?}",
                done.faults
            );
            before.without(paths).assert_same(&store.picture());
        } else {
            let run = report.run.unwrap();
            let done = undo(
                &store.root(),
                &What { run: &run, session: None, checkpoint: None },
                &settings(now()),
                &silent,
            )
            .unwrap();
            assert_eq!(done.restored.checkpoints, 1, "{about}: {:?}", done.skipped);
            before.assert_same(&store.picture());
        }
        assert_eq!(trash(store), Vec::<String>::new(), "{about}");
    }
}

#[test]
fn hostile_names_are_names() {
    let long = vec![b'n'; 255];
    let names: &[(&str, &[u8])] = &[
        ("N1", b"-rf"),
        ("N2", b" a\tb "),
        ("N3", b"step\n-1"),
        ("N4", b"ok\rstep-2"),
        ("N5", b"\x1b[2J\x1b]52;c;cm0=\x07"),
        ("N6", "\u{202e}gnp.1\u{200b}l\u{430}test".as_bytes()),
        ("N7", b"bad\xff\xfe"),
        ("N7 escaped", b"bad\\xff"),
        ("N8", &long),
        ("N10", b"=cmd|'/c calc'!A1"),
        ("N11", b"<img src=x onerror=alert(1)>{{7*7}}"),
        ("N12", b"$(rm -rf ~)`id`;%0a%s%n*?[a]"),
        ("N15", "step-\u{663}".as_bytes()),
        ("N17", b"..."),
        ("N17 dot", b"a."),
        ("N18", b"ckpt-1"),
    ];
    for (code, raw) in names {
        for inside in [false, true] {
            let store = Store::new();
            let session: &[u8] = if inside { raw } else { b"s" };
            let unit = [session, b"/", raw].concat();
            store.ckpt(&unit);
            store.file([&unit, &b"/"[..], raw].concat(), "inner");
            store.file([session, b"/ckpt-10"].concat(), "a neighbour");
            goes_and_comes_back(&store, code, &[&name::encode(&unit)]);
        }
    }
}

#[test]
fn n9_a_path_longer_than_the_system_takes() {
    let store = Store::new();
    let name = "d".repeat(200);
    let mut dir = fs::File::open(&store.top).unwrap();
    let mut rel = String::new();
    for _ in 0..30 {
        rustix::fs::mkdirat(&dir, name.as_str(), 0o755.into()).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        dir = rustix::fs::openat(&dir, name.as_str(), flags, 0.into()).unwrap().into();
        rel = format!("{rel}{name}/");
    }
    rustix::fs::mkdirat(&dir, "checkpoint-1", 0o755.into()).unwrap();
    let unit = retain::store::unit::measure(&dir, &[c"checkpoint-1"], None).unwrap();
    let mut plan = Plan::of(&store);
    plan.plan
        .sessions
        .push(retain::core::plan::PlanSession { session: "s".to_owned(), ..Default::default() });
    plan.plan.decisions.push(retain::core::plan::PlanDecision {
        session: "s".to_owned(),
        verdict: "delete".to_owned(),
        paths: vec![format!("{rel}checkpoint-1")],
        fingerprint: Some(retain::store::unit::hex(&unit.fingerprint)),
        ..Default::default()
    });
    let there = || rustix::fs::statat(&dir, "checkpoint-1", rustix::fs::AtFlags::empty()).is_ok();
    let run = store.apply(&plan.seal()).unwrap().run.unwrap();
    assert!(!there());
    undo(
        &store.root(),
        &What { run: &run, session: None, checkpoint: None },
        &settings(now()),
        &silent,
    )
    .unwrap();
    assert!(there());
    // tempfile goes by path, which is too long here.
    assert!(
        std::process::Command::new("rm")
            .arg("-rf")
            .arg(store.dir.path())
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn t2_symlinks_inside_go_and_their_targets_stay() {
    let store = Store::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("canary"), "alive").unwrap();
    store.ckpt("s/checkpoint-1");
    store.ckpt("s/checkpoint-2");
    symlink("/", store.path("s/checkpoint-1/root")).unwrap();
    symlink("../checkpoint-2", store.path("s/checkpoint-1/keeper")).unwrap();
    symlink("../checkpoint-2/opt", store.path("s/checkpoint-1/opt/keeper")).unwrap();
    symlink(outside.path(), store.path("s/checkpoint-1/outside")).unwrap();
    symlink("loop", store.path("s/checkpoint-1/loop")).unwrap();
    goes_and_comes_back(&store, "T2", &["s/checkpoint-1"]);
    assert_eq!(fs::read_to_string(outside.path().join("canary")).unwrap(), "alive");
}

#[test]
fn t1_a_checkpoint_that_is_a_symlink_stays() {
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    symlink("checkpoint-1", store.path("s/last")).unwrap();
    let before = store.picture();
    let mut plan = Plan::of(&store);
    plan.delete("s", "last", &["s/last"]);
    let report = store.apply(&plan.seal()).unwrap();
    assert!(
        report.skipped[0].why.contains("neither a directory nor a file"),
        "{:?}",
        report.skipped
    );
    before.assert_same(&store.picture());
}

#[test]
fn t12_hard_links_between_what_goes_and_what_stays() {
    // timm: last, best and the newest are one inode; the keeper is a witness all along.
    for purge_now in [false, true] {
        let store = Store::new();
        for n in [1, 2] {
            store.file(format!("s/checkpoint-{n}.pth.tar"), "weights");
        }
        store.ckpt("s/checkpoint-9");
        fs::hard_link(store.path("s/checkpoint-1.pth.tar"), store.path("s/last.pth.tar")).unwrap();
        fs::hard_link(store.path("s/checkpoint-1.pth.tar"), store.path("s/checkpoint-9/linked"))
            .unwrap();
        let mut plan = Plan::of(&store);
        plan.delete("s", "1", &["s/checkpoint-1.pth.tar"]).delete(
            "s",
            "2",
            &["s/checkpoint-2.pth.tar"],
        );
        plan.delete("s", "9", &["s/checkpoint-9"]);
        plan.keep("s", "last", &["s/last.pth.tar"]);
        let report =
            store.apply_with(&plan.seal(), &ApplyOptions { purge_now, ..options() }).unwrap();
        assert_eq!(
            (report.moved.checkpoints, report.skipped.len()),
            (3, 0),
            "{:?}",
            report.skipped
        );
        let kept = fs::metadata(store.path("s/last.pth.tar")).unwrap();
        assert_eq!((kept.len(), kept.nlink()), (7, if purge_now { 1 } else { 3 }));
    }
}

#[test]
fn t13_pipes_and_sockets_inside_are_never_opened() {
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    let mode = rustix::fs::Mode::from_raw_mode(0);
    rustix::fs::mkfifoat(rustix::fs::CWD, store.path("s/checkpoint-1/fifo"), mode).unwrap();
    let _socket =
        std::os::unix::net::UnixListener::bind(store.path("s/checkpoint-1/socket")).unwrap();
    goes_and_comes_back(&store, "T13", &["s/checkpoint-1"]);
}

#[test]
fn t15_t16_many_entries_and_holes() {
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    for n in 0..20_000 {
        fs::write(store.path(format!("s/checkpoint-1/opt/{n}")), "").unwrap();
    }
    for n in 0..5_000 {
        fs::create_dir(store.path(format!("s/checkpoint-1/opt/a/{n}"))).unwrap();
    }
    let sparse = fs::File::create(store.path("s/checkpoint-1/sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    goes_and_comes_back(&store, "T15", &["s/checkpoint-1"]);
}

#[test]
fn t14_purge_of_a_deep_tree_takes_few_descriptors_and_no_stack() {
    use retain::apply::calls::Os;
    use retain::apply::remove;
    const LEVELS: u32 = 50_000;
    let dir = tempfile::tempdir().unwrap();
    let top = fs::File::open(dir.path()).unwrap();
    let flags = rustix::fs::OFlags::DIRECTORY;
    let mut at = top.try_clone().unwrap();
    for level in 0..LEVELS {
        let name = if level == 0 { "deep" } else { "d" };
        rustix::fs::mkdirat(&at, name, 0o755.into()).unwrap();
        at = rustix::fs::openat(&at, name, flags, 0.into()).unwrap().into();
    }
    let create = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    drop(rustix::fs::openat(&at, "f", create, 0o644.into()).unwrap());
    drop(at);
    let dir_path = dir.path().to_path_buf();
    std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(move || {
            use std::os::fd::AsFd as _;
            // Other tests of this program open and close theirs meanwhile.
            let below = std::fs::canonicalize(dir_path).unwrap();
            let open_below = || {
                let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
                let paths = links.filter_map(|l| fs::read_link(l.path()).ok());
                paths.filter(|p| p.starts_with(&below) && *p != below).count()
            };
            assert_eq!(open_below(), 0);
            assert!(
                remove::tree(&Os, top.as_fd(), c"deep", 10).is_err(),
                "a bound on entries holds"
            );
            remove::tree(&Os, top.as_fd(), c"deep", u64::from(LEVELS) * 2).unwrap();
            assert_eq!(open_below(), 0);
        })
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn t24_a_checkpoint_is_a_file_a_group_or_spread_over_folders() {
    let store = Store::new();
    store.file("s/last.ckpt", "zip");
    store.file("s/ckpt-7.index", "i");
    store.file("s/ckpt-7.data-00000-of-00001", "d");
    for rank in 0..5 {
        store.file(format!("s/mp_rank_{rank:02}/model.ckpt"), "part");
    }
    goes_and_comes_back(&store, "file", &["s/last.ckpt"]);
    goes_and_comes_back(&store, "group", &["s/ckpt-7.index", "s/ckpt-7.data-00000-of-00001"]);
    let spread: Vec<String> = (0..5).map(|r| format!("s/mp_rank_{r:02}/model.ckpt")).collect();
    goes_and_comes_back(&store, "spread", &spread.iter().map(String::as_str).collect::<Vec<_>>());
    let at_root = Store::new();
    at_root.ckpt("checkpoint-1");
    goes_and_comes_back(&at_root, "in the root itself", &["checkpoint-1"]);
}

#[test]
fn t30_modes_times_and_attributes_come_back() {
    use std::os::unix::fs::PermissionsExt as _;
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    let file = store.path("s/checkpoint-1/model.bin");
    // tmpfs has user attributes since Linux 6.6; elsewhere they are old.
    let flags = rustix::fs::XattrFlags::empty();
    if let Err(e) = rustix::fs::setxattr(&file, "user.owner", b"me\0\xff", flags) {
        assert_eq!(e, rustix::io::Errno::OPNOTSUPP);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4401)).unwrap();
    fs::set_permissions(store.path("s/checkpoint-1/opt"), fs::Permissions::from_mode(0o2750))
        .unwrap();
    fs::File::open(&file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    goes_and_comes_back(&store, "T30", &["s/checkpoint-1"]);
}
