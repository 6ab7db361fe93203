//! Nothing is deleted that nobody agreed to.

use crate::nsml::{self, IDS, SESSION, left, world};
use crate::support::{Snapshot, Tree};

#[test]
fn without_a_terminal_only_yes_is_consent() {
    let tree = nsml::storage();
    let before = Snapshot::of(tree.path());
    for args in [&["apply"][..], &["rm", SESSION, "*"], &["purge"], &["purge", "--all"]] {
        world(&tree).run(args).code(6).warns("--yes");
    }
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn yes_never_makes_a_root() {
    let tree = Tree::new();
    nsml::write_as(&tree, SESSION);
    let before = Snapshot::of(tree.path());
    world(&tree).run(["rm", SESSION, "0", "--yes"]).code(6).warns("retain init");
    before.assert_same(&Snapshot::of(tree.path()));
    world(&tree).run(["init"]).ok();
    world(&tree).run(["rm", SESSION, "0", "--yes"]).ok();
    assert_eq!(left(&tree, SESSION), IDS[1..]);
}

#[test]
fn the_brake_holds_against_yes() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy =
        nsml::policy(&world, &format!("{}[safety]\nmax-delete = \"50%\"\n", nsml::LAST_TWO));
    world.run(["plan", "--policy", &policy]).code(6).says("brake");
    world.run(["apply", "--yes", "--policy", &policy]).code(6);
    assert_eq!(left(&tree, SESSION), IDS);
}

#[test]
fn a_dry_run_of_everything_that_changes_anything_changes_nothing() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    world.run(["rm", SESSION, "0", "--yes"]).ok();
    let log = world.run(["log", "--json"]).ok().json();
    let run = log["runs"][0]["run"].as_str().unwrap().to_owned();
    let before = Snapshot::of(tree.path());
    for args in [
        &["apply", "-n", "--policy", &policy][..],
        &["rm", SESSION, "*", "-n"],
        &["undo", &run, "-n"],
        &["purge", "--all", "-n"],
        &["pin", SESSION, "1", "-n"],
        &["unpin", SESSION, "1", "-n"],
        &["tag", SESSION, "--add", "x", "-n"],
        &["submitted", SESSION, "1", "-n"],
    ] {
        world.run(args).ok();
        before.assert_same(&Snapshot::of(tree.path()));
    }
}
