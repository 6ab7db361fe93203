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
    let run = world.run(["apply", "--yes", "--policy", &policy]).code(6);
    assert!(!run.stderr.contains("the plan stays"), "none was saved\n{run}");
    run.warns("look at `retain plan`").warns("in a copy of the policy");
    let plan = world.home().join("plan.json");
    let plan = plan.to_str().unwrap();
    let run = world.run(["plan", "--policy", &policy, "-o", plan]).code(6);
    assert!(!run.stderr.contains("within 24 hours"), "{run}");
    run.warns("saved to be read: `retain apply` does not carry it out");
    world.run(["apply", plan, "--yes"]).code(6).warns("brake holds");
    assert_eq!(left(&tree, SESSION), IDS);
    // As the help says.
    let copy = world.home().join("copy.toml");
    let text = std::fs::read_to_string(&policy).unwrap().replace("50%", "80%");
    std::fs::write(&copy, text).unwrap();
    world.run(["--policy", copy.to_str().unwrap(), "apply", "--yes"]).ok().says("Moved 7");
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
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
