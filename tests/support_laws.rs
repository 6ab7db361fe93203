//! The helpers of these tests must notice what they are there to notice.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod support;

use support::{Kind, NOW, Snapshot, Tree, World, ago};

fn sample() -> Tree {
    let tree = Tree::new();
    tree.file("run/a.ckpt", "weights")
        .hard_link("run/b.ckpt", "run/a.ckpt")
        .symlink("run/last.ckpt", "a.ckpt")
        .fifo("run/pipe")
        .sized("run/deep/er/c.bin", 10_000)
        .sparse("run/hole", 8 << 20)
        .written_ago("run", 3600);
    tree
}

#[test]
fn a_snapshot_equals_itself() {
    let tree = sample();
    Snapshot::of(tree.path()).assert_same(&Snapshot::of(tree.path()));
}

/// A change to a tree.
type Change = fn(&Tree);

#[test]
fn a_snapshot_notices_every_kind_of_change() {
    let changes: &[(&str, Change)] = &[
        ("~ run/a.ckpt", |t| _ = t.file("run/a.ckpt", "WEIGHTS").mtime("run/a.ckpt", &ago(3600))),
        ("~ run/a.ckpt", |t| _ = t.mtime("run/a.ckpt", "2040-06-15T11:00:00.000000001Z")),
        ("~ run/deep/er", |t| _ = t.mode("run/deep/er", 0o700)),
        ("- run/deep/er/c.bin", |t| std::fs::remove_file(t.at("run/deep/er/c.bin")).unwrap()),
        ("+ run/new", |t| _ = t.file("run/new", "").mtime("run", &ago(3600))),
        ("~ run/last.ckpt", |t| {
            std::fs::remove_file(t.at("run/last.ckpt")).unwrap();
            t.symlink("run/last.ckpt", "b.ckpt").mtime("run/last.ckpt", &ago(3600));
        }),
        ("~ run/b.ckpt", |t| {
            std::fs::remove_file(t.at("run/b.ckpt")).unwrap();
            t.file("run/b.ckpt", "weights").written_ago("run", 3600);
        }),
        ("~ run/pipe", |t| {
            std::fs::remove_file(t.at("run/pipe")).unwrap();
            t.file("run/pipe", "").written_ago("run", 3600);
        }),
    ];
    for (expected, change) in changes {
        let tree = sample();
        let before = Snapshot::of(tree.path());
        change(&tree);
        let diff = before.diff(&Snapshot::of(tree.path()));
        assert!(diff.lines().any(|l| l == *expected), "`{expected}` not in:\n{diff}");
    }
}

#[test]
fn a_snapshot_notices_an_extended_attribute() {
    let tree = sample();
    let before = Snapshot::of(tree.path());
    let flags = rustix::fs::XattrFlags::empty();
    match rustix::fs::setxattr(tree.at("run/deep"), "user.retain", b"1", flags) {
        Ok(()) => assert!(before.diff(&Snapshot::of(tree.path())).contains("~ run/deep")),
        Err(e) => assert_eq!(e, rustix::io::Errno::NOTSUP, "this file system has no attributes"),
    }
}

#[test]
fn a_snapshot_can_leave_out_what_a_move_must_change() {
    let tree = sample();
    let before = Snapshot::of(tree.path()).without_times_of(&["run"]);
    tree.file("run/.retain/marks.toml", "");
    before.assert_same(&Snapshot::of(tree.path()).without(".retain").without_times_of(&["run"]));
}

#[test]
fn hard_links_sizes_and_times_are_what_was_asked_for() {
    let tree = sample();
    let seen = Snapshot::of(tree.path());
    let entry = |path: &str| seen.entries[std::path::Path::new(path)].clone();
    assert_eq!(entry("run/b.ckpt").same_as.unwrap(), std::path::Path::new("run/a.ckpt"));
    assert_eq!(entry("run/last.ckpt").kind, Kind::Symlink("a.ckpt".into()));
    assert_eq!(entry("run/pipe").kind, Kind::Fifo);
    assert_eq!(entry("run/a.ckpt").mtime, entry("run/deep").mtime);
    assert_eq!(ago(0), NOW);
    assert_eq!(ago(86_400), "2040-06-14T12:00:00Z");
    let allocated = |path: &str| {
        use std::os::unix::fs::MetadataExt as _;
        tree.at(path).metadata().unwrap().blocks() * 512
    };
    assert!(allocated("run/deep/er/c.bin") >= 10_000);
    assert!(allocated("run/hole") < 1 << 20);
}

#[test]
fn the_program_runs_without_the_environment_of_the_machine() {
    let world = World::new();
    let command = world.command(["--version"]);
    let set: Vec<_> = command.get_envs().map(|(k, _)| k.to_string_lossy()).collect();
    assert_eq!(set, ["HOME", "LC_ALL", "PATH", "TZ"]);
    assert!(command.get_args().any(|a| a == NOW));
}
