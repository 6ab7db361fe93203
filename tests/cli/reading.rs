//! Reading commands write nothing (I15): not one file is opened for writing, and the tree keeps its
//! times.

use crate::nsml::{self, SESSION, world};
use crate::support::Snapshot;
use std::process::Command;

const READING: &[&[&str]] = &[
    &["ls"],
    &["ls", SESSION, "--long"],
    &["ls", "--unrecognised"],
    &["plan"],
    &["plan", "--json"],
    &["why", SESSION, "3"],
    &["log"],
    &["inventory"],
    &["policy", "show"],
    &["rm", SESSION, "*", "-n"],
    &["apply", "-n"],
    &["undo", "-n"],
    &["purge", "-n"],
];

/// What a call must have in its arguments to change anything.
const WRITES: &[&str] = &[
    "O_WRONLY",
    "O_RDWR",
    "O_CREAT",
    "O_TRUNC",
    "rename",
    "unlink",
    "mkdir",
    "rmdir",
    "link(",
    "linkat(",
    "symlink",
    "chmod",
    "chown",
    "utime",
    "truncate",
    "mknod",
    "setxattr",
    "fallocate",
];

#[test]
fn reading_commands_write_nothing_needs_strace() {
    let tree = nsml::storage();
    // Something in the trash, so that everything has something to read.
    world(&tree).run(["rm", SESSION, "0", "--yes"]).ok();
    let before = Snapshot::of(tree.path());
    let trace = world(&tree).home().join("trace");
    std::fs::create_dir_all(trace.parent().unwrap()).unwrap();
    for args in READING {
        let inner = world(&tree).command(*args);
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=%file,ftruncate,fallocate", "-o"]).arg(&trace);
        command.arg(inner.get_program()).args(inner.get_args());
        command.env_clear().env("HOME", "/nonexistent").env("PATH", "/usr/bin:/bin");
        let output = command.current_dir(tree.path()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let calls = std::fs::read_to_string(&trace).unwrap();
        assert!(calls.contains("openat"), "{args:?}: nothing was traced");
        for call in calls.lines().filter(|c| !c.contains("readlink")) {
            let writes = WRITES.iter().any(|w| call.contains(w));
            assert!(!writes, "{args:?}: {call}");
        }
    }
    before.assert_same(&Snapshot::of(tree.path()));
}
