//! `undo`, `log`, `purge`: after the deletion.

use crate::nsml::{self, IDS, LAST_TWO, SESSION, left, world};
use crate::support::{Snapshot, Tree, World};

/// A root from which a policy moved seven of nine checkpoints, and the run's id.
fn applied() -> (Tree, World, String) {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let json = world.run(["apply", "--yes", "--policy", &policy, "--json"]).ok().json();
    assert_eq!(json["moved"]["checkpoints"], 7);
    let run = json["run"].as_str().unwrap().to_owned();
    (tree, world, run)
}

#[test]
fn a_part_of_a_run_can_be_brought_back() {
    let (tree, world, run) = applied();
    world.run(["undo", &run, SESSION, "3"]).ok().says("Restored 1 checkpoint");
    assert_eq!(left(&tree, SESSION), ["3", "31", "41"]);
    world.run(["undo", &run, SESSION]).ok().says("Restored 6 checkpoints");
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["undo", &run]).ok().says("Nothing to restore");
    world.run(["undo", &run, "nsmlteam/mnist/9"]).code(2);
}

#[test]
fn the_last_run_needs_no_id() {
    let (tree, world, run) = applied();
    world.run(["undo", "-n"]).ok().says("moved");
    world.run(["undo"]).ok().says("Restored 7 checkpoints").says(&format!("of run {run}."));
    // Once more: still the last run, not the one before.
    world.run(["undo", "last"]).ok().says("Nothing to restore");
    let world = nsml::world(&tree).at_time("2040-06-15T12:00:01Z");
    world.run(["rm", SESSION, "0", "--yes"]).ok();
    world.run(["undo", "last"]).ok().says("Restored 1 checkpoint");
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["log", "last"]).ok().says("restored");
    let other = nsml::storage();
    nsml::world(&other).run(["undo"]).code(2).warns("no run").warns("retain log");
    world.run(["undo", "nsmlteam"]).code(2).warns("retain log");
}

#[test]
fn why_knows_what_a_run_took() {
    let (tree, world, run) = applied();
    let why = world.run(["why", SESSION, "3"]).ok().says(&format!("was deleted by run {run}"));
    why.clone().says("last: rank 6 of 2").says("policy.toml").says("2040-06-16 08:00:00 UTC");
    why.says(&format!("retain undo {run} {SESSION} 3"));
    let json = world.run(["why", SESSION, "3", "--json"]).ok().json();
    assert_eq!(json["verdict"], "deleted");
    assert_eq!(json["run"]["run"], run.as_str());
    assert_eq!(json["reasons"][0]["text"], "last: rank 6 of 2");
    // Purged, it is still known; restored, it is a checkpoint like any other.
    world.run(["undo", &run, SESSION, "0"]).ok();
    world.run(["purge", &run, "--yes"]).ok();
    world.run(["why", SESSION, "3"]).ok().says("cannot be restored");
    assert!(!world.run(["why", SESSION, "0"]).ok().stdout.contains("was deleted"));
    world.run(["why", SESSION, "51"]).code(2).warns("no checkpoint");
    let world = nsml::world(&tree).at_time("2040-06-15T12:00:01Z");
    world.run(["rm", SESSION, "*", "--yes"]).ok();
    assert!(left(&tree, SESSION).is_empty());
    world.run(["ls", SESSION]).code(2).warns("moved 3 checkpoints").warns("retain undo");
    world.run(["why", SESSION, "41"]).ok().says("chosen by hand");
    world.run(["purge", "--all", "--yes"]).ok();
    world.run(["ls", SESSION]).code(2).warns("deleted 3 checkpoints").warns("retain log");
}

#[test]
fn undo_never_overwrites() {
    let (tree, world, run) = applied();
    let path = format!("{SESSION}/nsml_model/3/model/weights");
    tree.file(&path, "a new checkpoint of that name");
    world.run(["undo", &run]).code(3).warns("not restored");
    assert_eq!(std::fs::read_to_string(tree.at(&path)).unwrap(), "a new checkpoint of that name");
}

#[test]
fn the_log_says_what_can_be_restored() {
    let (_tree, world, run) = applied();
    world.run(["log"]).ok().says(&run).says("until 2040-06-16 08:00:00 UTC");
    let one = world.run(["log", &run[..15]]).ok().says("moved").says(SESSION);
    assert_eq!(one.stdout.lines().filter(|l| l.starts_with("moved")).count(), 7);
    let json = world.run(["log", &run, "--json"]).ok().json();
    assert_eq!(json["runs"][0]["in_trash"]["checkpoints"], 7);
    assert_eq!(json["runs"][0]["items"].as_array().unwrap().len(), 7);
}

#[test]
fn a_purge_waits_for_the_grace_and_takes_only_the_trash() {
    let (tree, world, run) = applied();
    world.run(["purge", "--yes"]).ok().says("Nothing to purge");
    world.run(["undo", &run, SESSION, "0"]).ok();
    let next_day = nsml::world(&tree).at_time("2040-06-16T08:00:01Z");
    let dirs = ["nsmlteam/mnist/4/nsml_model"];
    let look = || Snapshot::of(tree.path()).without(".retain").without_times_of(&dirs);
    let before = look();
    next_day.run(["purge", "--yes"]).ok().says("Purged 6 checkpoints");
    before.assert_same(&look());
    next_day.run(["undo", &run]).code(3);
    assert_eq!(left(&tree, SESSION), ["0", "31", "41"]);
}

#[test]
fn a_run_can_be_purged_at_once() {
    let (tree, world, run) = applied();
    world.run(["purge", &run, "--yes"]).ok().says("Purged 7 checkpoints");
    world.run(["log"]).ok().says(&run);
    let trash = tree.at(format!("{SESSION}/nsml_model/.retain/trash"));
    let slots = std::fs::read_dir(trash).map_or(0, Iterator::count);
    assert_eq!(slots, 0);
}

#[test]
fn apply_with_purge_leaves_nothing_to_undo() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--purge", "--policy", &policy]).ok().says("for good");
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
}

/// It is not true that there is no such run, nor that there is nothing, where something cannot be read.
#[test]
fn a_journal_that_cannot_be_read_is_named_and_the_other_runs_go_on() {
    let (tree, world, run) = applied();
    let bad = "20200101-000000-0badc0de";
    let file = format!(".retain/journal/{bad}.0000");
    tree.symlink(&file, "elsewhere");
    let named = format!("`{file}` of run {bad} cannot be read");
    let before = Snapshot::of(tree.path());
    world.run(["log"]).code(3).says(&run).warns(&named);
    world.run(["undo", "-n", &run]).ok().says("moved");
    world.run(["undo", "-n", bad]).code(1).warns(&named);
    world.run(["undo", "-n", "2019"]).code(1).warns(&named).warns("of what can be read, no run");
    world.run(["purge", "--all", "-n"]).code(3).says("7 checkpoints").warns(&named);
    before.assert_same(&Snapshot::of(tree.path()));
    world.run(["undo", &run]).ok().says("Restored 7 checkpoints").warns(&named);
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["purge", "--all", "--yes"]).code(3).says("Nothing to purge").warns(&named);
    assert!(tree.exists(&file));
}
