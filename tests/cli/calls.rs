//! System calls, counted: what a scan costs on any machine and on any network file system.

use crate::layout_files;
use crate::support::World;
use std::process::Command;
use std::time::Duration;

const SESSIONS: u64 = 20;
const CHECKPOINTS: u64 = 20;
const FILES: u64 = 10;

/// Trainer runs like any: each checkpoint is a directory of ten files.
fn storage() -> layout_files::Tree {
    let tree = layout_files::Tree::new();
    for session in 0..SESSIONS {
        for step in 1..=CHECKPOINTS {
            let path = format!("run-{session}/checkpoint-{step}");
            tree.hf(&path, step);
            for file in 3..FILES {
                tree.file(&format!("{path}/shard-{file}.bin"), "");
            }
        }
    }
    tree
}

/// The calls that reach a file system, of one `retain ls` with these arguments.
fn calls(world: &World, args: &[&str]) -> u64 {
    calls_of(world, &[&["ls"], args].concat())
}

fn calls_of(world: &World, args: &[&str]) -> u64 {
    let inner = world.command(args);
    let log = world.home().join("calls");
    let mut command = Command::new("strace");
    let kinds = "trace=openat,openat2,getdents64,statx,newfstatat,pread64,read,close,readlinkat";
    command.args(["-f", "-qq", "-e", kinds, "-o"]).arg(&log);
    command.arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.env("HOME", world.home()).env("PATH", "/usr/bin:/bin");
    let output = command.current_dir(inner.get_current_dir().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = std::fs::read_to_string(log).unwrap();
    log.lines().filter(|l| !l.contains("resumed>") && !l.contains("+++")).count() as u64
}

/// docs/performance.md names these bounds.
#[test]
fn each_directory_is_opened_once_and_each_file_statted_once_needs_strace() {
    let tree = storage();
    let world = World::within(tree.path());
    let empty = tempfile::tempdir().unwrap();
    let start = calls(&World::within(empty.path()), &["--no-index"]);
    // What was changed so lately is not remembered: the storage's clock may be a coarse one.
    std::thread::sleep(Duration::from_millis(2100));

    // A directory is opened, statted, listed (a second call says that this was all) and closed.
    let directory = 5;
    // Metadata is statted with all other files, and opened, read and closed once.
    let checkpoint = directory + FILES + 3;
    let bound = SESSIONS * (directory + CHECKPOINTS * checkpoint);
    for args in [&["--no-index"][..], &["--no-index", "--threads", "1"], &[]] {
        let calls = calls(&world, args) - start;
        assert!(calls <= bound + 50, "{args:?}: {calls} calls, more than {bound}");
        assert!(calls > bound - SESSIONS * CHECKPOINTS, "{calls}: not all was looked at");
    }

    // A second scan stats the directories and the metadata.
    let bound = SESSIONS * (1 + CHECKPOINTS * 2);
    let calls = calls(&world, &[]) - start;
    assert!(calls <= bound + 50, "{calls} calls of a second scan, more than {bound}");
    assert!(calls >= SESSIONS * CHECKPOINTS * 2, "{calls}: metadata is always looked at");
}

/// The journals of a declared root may lie anywhere in it. A scan has seen where while it looked, so
/// that what reads them walks no directory again, the second scan none at all.
#[test]
fn a_declared_root_is_walked_once_needs_strace() {
    let tree = storage();
    let world = World::within(tree.path());
    std::thread::sleep(Duration::from_millis(2100));
    for command in [&["ls", "--no-index"][..], &["usage", "--no-index"], &["ls"], &["ls"]] {
        let _ = std::fs::remove_dir_all(tree.path().join(".retain"));
        if command == ["ls"] {
            calls_of(&world, command);
        }
        let undeclared = calls_of(&world, command);
        world.run(["init", "."]).ok();
        let declared = calls_of(&world, command);
        // Its own `.retain`, settings and journals are read.
        assert!(declared < undeclared + 100, "{command:?}: {declared}, {undeclared} undeclared");
    }
}
