//! Landlock around everything that changes something: a second line, which nothing relies on.

use crate::nsml;
use crate::nsml_picture;
use crate::support::*;
use std::fs;

/// Whether the kernel lists it, or nobody can tell.
fn has_landlock() -> bool {
    fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|l| l.contains("landlock"))
}

#[test]
fn whoever_asks_is_told_and_everything_works_under_it() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let before = nsml_picture(&tree);
    let said = |run: &Run| {
        let lines = run.stderr.lines().filter(|l| l.contains("confined by Landlock"));
        assert_eq!(lines.count(), 1, "{run}");
    };
    said(&world.run(["apply", "--yes", "-v", "--policy", &policy]).ok());
    let run = world.run(["log", "--json"]).ok().json()["runs"][0]["run"].clone();
    said(&world.run(["undo", run.as_str().unwrap(), "-v"]).ok());
    before.assert_same(&nsml_picture(&tree));
    said(&world.run(["purge", "--yes", "-v"]).ok());
    let quiet = world.run(["rm", nsml::SESSION, "0", "--yes"]).ok();
    assert!(!quiet.stderr.contains("Landlock"), "{quiet}");
    // Reading commands need no fence.
    assert!(!world.run(["ls", "-v"]).ok().stderr.contains("Landlock"));
}

/// The fence stands before the first change, in the thread that makes it.
#[test]
fn needs_strace_the_fence_stands_before_the_first_rename() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let log = world.home().join("trace");
    let plain = world.command(["apply", "--yes", "--policy", &policy]);
    let calls = "trace=landlock_restrict_self,mkdirat,unlinkat,renameat2,renameat";
    let mut traced = std::process::Command::new("strace");
    traced.args(["-f", "-qq", "-e", calls, "-o"]).arg(&log).arg(plain.get_program());
    traced.args(plain.get_args()).current_dir(tree.path()).env_clear().env("HOME", world.home());
    let output = traced.output().unwrap();
    Run::new(&traced, &output).ok();
    let trace = fs::read_to_string(log).unwrap();
    let at = |call: &str| trace.lines().position(|l| l.contains(call));
    let fence = at("landlock_restrict_self(").expect("Landlock is asked for");
    assert!(at("renameat2(").is_some_and(|first| fence < first), "{trace}");
    if has_landlock() {
        assert!(trace.lines().nth(fence).unwrap().ends_with("= 0"), "{trace}");
    }
}
