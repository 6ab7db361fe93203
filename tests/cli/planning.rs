//! `plan`: decides, shows, saves; changes nothing anywhere.

use crate::nsml::{self, LAST_TWO, SESSION, world};
use crate::support::{Snapshot, Tree};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_plan_is_shown_with_reasons_and_changes_nothing() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let before = Snapshot::of(tree.path());
    let run = world.run(["plan", "--policy", &policy]).ok();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], SESSION);
    assert!(lines[1].starts_with("  delete  0 "), "{run}");
    assert!(lines[1].ends_with("last: rank 9 of 2"), "{run}");
    assert!(lines[9].starts_with("  keep    41 "), "{run}");
    assert!(run.stdout.contains("9 checkpoints in 1 session: delete 7 ("), "{run}");
    for args in [&["--json"][..], &["--format", "markdown"], &["--all"], &["-q"]] {
        world.run([&["plan", "--policy", &policy], args].concat()).ok();
    }
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn planning_needs_no_right_to_write() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    tree.mode("", 0o555);
    let run = world.run(["plan", "--policy", &policy]);
    std::fs::set_permissions(tree.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    run.ok().says("delete 7");
}

#[test]
fn the_embedded_default_says_that_it_is_used() {
    let tree = nsml::storage();
    let run = world(&tree).run(["plan"]).ok().warns("embedded default");
    // Best three by loss and the last two: 4 and 41 share the best, 3 and 31 the next.
    assert!(run.stdout.contains("keep    41"), "{run}");
    assert!(world(&tree).run(["plan", "-q"]).ok().stderr.is_empty());
}

#[test]
fn nothing_to_delete_is_one_line() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, "[[policy]]\nname = \"all\"\nkeep = [{ all = true }]\n");
    let run = world.run(["plan", "--policy", &policy]).ok();
    assert!(run.stdout.starts_with("Nothing to delete: 9 checkpoints in 1 session"), "{run}");
    assert_eq!(run.stdout.lines().count(), 1, "{run}");
}

#[test]
fn an_empty_root_is_no_error() {
    let tree = Tree::new();
    world(&tree).run(["plan"]).ok().says("no checkpoints were found");
    world(&tree).run(["ls"]).ok().warns("no sessions");
}

#[test]
fn named_sessions_restrict_the_plan_and_not_the_decision() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    let world = world(&tree);
    // Across the folder only the best one of all: the manual's sessions tie, the newer name wins.
    let body = "min-age = \"0s\"\n[[policy]]\nname = \"sweep\"\n\
                keep = [{ best = 1, min = \"loss\", across = \"folder\" }]\n";
    let policy = nsml::policy(&world, body);
    let whole = world.run(["plan", "--json", "--policy", &policy]).ok().json();
    let part = world.run(["plan", "nsmlteam/mnist/4", "--json", "--policy", &policy]).ok().json();
    let of_four: Vec<_> = whole["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|d| d["session"] == "nsmlteam/mnist/4")
        .collect();
    let part: Vec<_> = part["decisions"].as_array().unwrap().iter().collect();
    assert_eq!(part, of_four);
}

#[test]
fn the_detailed_exit_code_tells_deletions_apart() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["plan", "--policy", &policy, "--detailed-exitcode"]).code(10);
    world.run(["apply", "--yes", "--policy", &policy]).ok();
    world.run(["plan", "--policy", &policy, "--detailed-exitcode"]).ok();
}

#[test]
fn an_unreachable_limit_ends_with_its_code() {
    let tree = nsml::storage();
    let world = world(&tree);
    let body = "min-age = \"0s\"\n[[policy]]\nname = \"p\"\nlimit = { max-count = 3 }\n";
    let policy = nsml::policy(&world, body);
    world.run(["pin", SESSION, "?1"]).ok();
    world.run(["plan", "--policy", &policy]).code(4).says("max-count");
}

/// What `min-keep` and a pin hold may be as old as it likes, night after night.
#[test]
fn what_a_max_age_leaves_on_purpose_is_no_failure() {
    let tree = nsml::storage();
    let world = world(&tree);
    let body = "min-age = \"0s\"\n[[policy]]\nname = \"p\"\nlimit = { max-age = \"30d\" }\n";
    let policy = nsml::policy(&world, body);
    world.run(["pin", SESSION, "11"]).ok();
    for _ in 0..2 {
        let run = world.run(["apply", "--yes", "--policy", &policy]).ok();
        assert!(!run.stderr.contains("max-age"), "{run}");
        assert_eq!(nsml::left(&tree, SESSION), ["11", "41"]);
    }
    world.run(["plan", "--policy", &policy]).ok();
}

#[test]
fn a_faulty_policy_is_told_before_the_root_is_touched() {
    let tree = Tree::new();
    let world = world(&tree);
    let body = "[[policy]]\nname = \"p\"\nkeep = [{ lst = 2 }, { best = 3 }]\n\
                limit = { max-bytes = \"5\" }\nmin-age = \"5m\"\ncolour = 1\n";
    let policy = nsml::policy(&world, body);
    for verb in [&["plan"][..], &["apply", "--yes"], &["why", "a", "b"]] {
        let missing = ["--policy", &policy, "-C", "/nonexistent/root"];
        let run = world.run([verb, &missing].concat()).code(2);
        assert!(!run.stderr.contains("/nonexistent/root"), "{run}");
        assert!(run.stderr.contains("policy.toml:4:"), "{run}");
        assert!(run.stderr.contains("5 errors"), "{run}");
    }
}

#[test]
fn a_damaged_metadata_file_keeps_its_session_and_is_said() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    tree.file(format!("{SESSION}/session.json"), "{\"status\": ");
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let run = world.run(["apply", "--yes", "--policy", &policy]).code(3);
    assert_eq!(nsml::left(&tree, SESSION), nsml::IDS, "{run}");
    assert_eq!(nsml::left(&tree, "nsmlteam/mnist/5"), ["31", "41"]);
    run.warns("session.json");
}
