//! stdout is data, stderr the rest; a reader may leave, a disk may be full.

use crate::nsml::{self, LAST_TWO, SESSION, left, world};
use std::process::Stdio;

#[test]
fn a_reader_that_leaves_is_no_error() {
    let tree = nsml::storage();
    for args in [
        &["ls"][..],
        &["ls", SESSION],
        &["plan", "--all"],
        &["plan", "--json"],
        &["inventory"],
        &["--help"],
        &["completions", "bash"],
        &["man"],
        &["policy", "schema"],
    ] {
        let mut command = world(&tree).command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}\n{stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("error:"), "{args:?}\n{stderr}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let tree = nsml::storage();
    for args in [&["ls"][..], &["plan", "--json"], &["inventory"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = world(&tree).command(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}\n{stderr}");
        assert!(stderr.contains("cannot write to stdout"), "{args:?}\n{stderr}");
    }
}

#[test]
fn what_cannot_be_shown_is_not_done() {
    let tree = nsml::storage();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = world(&tree).command(["rm", SESSION, "*", "--yes"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(left(&tree, SESSION), nsml::IDS);
}

#[test]
fn json_is_one_value_whatever_else_is_said() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    tree.file("nsmlteam/mnist/5/session.json", "{").file("stray", "x");
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let last = |args: &[&str], code: i32, format: &str| {
        let run = world.run([args, &["--json", "-vv"]].concat()).code(code);
        assert_eq!(run.json()["format"], format, "{run}");
        run
    };
    last(&["ls"], 3, "retain-ls/1");
    last(&["ls", SESSION, "--long"], 3, "retain-ls/1");
    last(&["why", SESSION, "0"], 3, "retain-why/1");
    last(&["plan", "--policy", &policy], 3, "retain-plan/1");
    last(&["apply", "--policy", &policy, "--yes"], 3, "retain-apply/1");
    last(&["log"], 0, "retain-log/1");
    last(&["purge", "--yes"], 0, "retain-purge/1");
    last(&["pin", SESSION, "41"], 3, "retain-marks/1");
    last(&["policy", "check"], 0, "retain-policy-check/1");
    last(&["policy", "test"], 0, "retain-policy-test/1");
    last(&["policy", "show"], 0, "retain-policy-show/1");
}

#[test]
fn colour_is_for_terminals_or_on_request() {
    let tree = nsml::storage();
    let plain = world(&tree).run(["plan"]).ok();
    assert!(!plain.stdout.contains('\u{1b}') && !plain.stderr.contains('\u{1b}'), "{plain}");
    let coloured = world(&tree).run(["plan", "--color", "always"]).ok();
    assert!(coloured.stdout.contains("\u{1b}[31mdelete\u{1b}[0m"), "{coloured}");
    let never =
        world(&tree).command(["plan", "--color", "never"]).env("CLICOLOR_FORCE", "1").output();
    assert!(!String::from_utf8(never.unwrap().stdout).unwrap().contains('\u{1b}'));
}
