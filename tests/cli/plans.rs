//! Saved plans: carried out once, unchanged, in time, on their own root, or not at all.

use crate::nsml::{self, IDS, LAST_TWO, SESSION, left, world};
use crate::support::{Snapshot, Tree, World};
use std::path::{Path, PathBuf};

/// A declared root, a world, and a saved plan that deletes seven of nine.
fn planned() -> (Tree, World, PathBuf) {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let file = world.home().join("plan.json");
    world.run(["plan", "--policy", &policy, "-o", file.to_str().unwrap()]).ok();
    (tree, world, file)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_saved_plan_is_carried_out_and_only_once() {
    let (tree, world, plan) = planned();
    world.run(["apply", text(&plan), "--yes"]).ok().says("7 checkpoints");
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
    let after = Snapshot::of(tree.path()).without(".retain");
    world.run(["apply", text(&plan), "--yes"]).code(5).warns("already");
    after.assert_same(&Snapshot::of(tree.path()).without(".retain"));
}

/// docs/exit-codes.md, 5: nothing was deleted, neither the trash of the run that did it already.
#[test]
fn a_plan_that_was_carried_out_purges_nothing_and_offers_what_there_is() {
    let (tree, world, plan) = planned();
    world.run(["apply", text(&plan), "--yes"]).ok().says("7 checkpoints");
    let before = Snapshot::of(tree.path()).without(".retain");
    let later = crate::nsml::world(&tree).at_time("2040-06-16T11:00:00Z");
    let run = later.run(["apply", text(&plan), "--yes"]).code(5).warns("already");
    let run = run.warns("retain undo");
    assert!(!run.stderr.contains("purged"), "{run}");
    before.assert_same(&Snapshot::of(tree.path()).without(".retain"));
    let log = later.run(["log", "--json"]).ok().json();
    assert_eq!(log["runs"][0]["in_trash"]["checkpoints"], 7);
    later.run(["purge", "--yes"]).ok().says("Purged 7 checkpoints");
    let run = later.run(["apply", text(&plan), "--yes"]).code(5).warns("make a new plan");
    assert!(!run.stderr.contains("undo"), "{run}");
}

#[test]
fn the_plan_knows_its_root() {
    let (tree, world, plan) = planned();
    let elsewhere = Tree::new();
    nsml::write_as(&elsewhere, SESSION);
    crate::nsml::world(&elsewhere).run(["init"]).ok();
    // Named on purpose, another root is refused; from anywhere else, the plan finds its own.
    let other = elsewhere.path().to_str().unwrap();
    let run = world.run(["apply", text(&plan), "--yes", "-C", other]).code(5).warns("another root");
    assert!(run.stdout.is_empty(), "the plan of another root is not even shown\n{run}");
    assert_eq!(left(&elsewhere, SESSION), IDS);
    // What it says to run next is about the same root, wherever that is run.
    let here = crate::nsml::world(&elsewhere);
    let run = here.run(["apply", text(&plan), "--yes"]).ok();
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
    let commands: Vec<&str> = run.stdout.split('`').filter(|c| c.starts_with("retain ")).collect();
    assert_eq!(commands.len(), 2, "{run}");
    here.run(commands[1].split(' ').skip(1).chain(["-n"])).ok();
    here.run(commands[0].split(' ').skip(1)).ok().says("Restored 7 checkpoints");
    assert_eq!((left(&tree, SESSION), left(&elsewhere, SESSION)), (ids(), ids()));
}

#[test]
fn what_was_changed_is_refused() {
    let (tree, world, plan) = planned();
    let saved = std::fs::read_to_string(&plan).unwrap();
    let before = Snapshot::of(tree.path()).without(".retain");
    for (from, to, code) in [
        ("\"verdict\": \"keep\"", "\"verdict\": \"delete\"", 5),
        ("\"grace_seconds\": 72000", "\"grace_seconds\": 0", 5),
        ("retain-plan/1", "retain-plan/2", 5),
        ("{", "", 2),
    ] {
        let edited = saved.replacen(from, to, 1);
        assert_ne!(edited, saved, "{from} is in the plan");
        std::fs::write(&plan, edited).unwrap();
        world.run(["apply", text(&plan), "--yes"]).code(code).warns("help:");
        before.assert_same(&Snapshot::of(tree.path()).without(".retain"));
    }
}

#[test]
fn a_plan_of_yesterday_is_stale() {
    let (tree, world, plan) = planned();
    let world = world.at_time("2040-06-16T12:00:01Z");
    world.run(["apply", text(&plan), "--yes"]).code(5).warns("24 hours");
    assert_eq!(left(&tree, SESSION), IDS);
}

#[test]
fn a_plan_of_tomorrow_is_refused() {
    let (tree, world, plan) = planned();
    let world = world.at_time("2040-06-15T11:00:00Z");
    world.run(["apply", text(&plan), "--yes"]).code(6);
    assert_eq!(left(&tree, SESSION), IDS);
}

#[test]
fn what_changed_since_it_was_planned_is_kept() {
    let (tree, world, plan) = planned();
    tree.append(format!("{SESSION}/nsml_model/0/model/weights"), "more");
    world.run(["apply", text(&plan), "--yes"]).code(3).warns(SESSION);
    assert_eq!(left(&tree, SESSION), IDS);
}

/// The first thing that is tried to clean one session.
#[test]
fn a_session_is_no_plan() {
    let tree = nsml::storage();
    let before = Snapshot::of(tree.path());
    for (cwd, what) in [("", SESSION), ("nsmlteam", SESSION), ("", "mnist/4"), ("", "retain.json")]
    {
        let world = World::within(tree.at(cwd));
        let run = world.run(["apply", what, "--yes"]).code(2).warns("cannot read the plan");
        run.warns("for one session: `retain plan SESSION -o plan.json`");
    }
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn a_foreign_inventorys_plan_cannot_be_carried_out() {
    let world = World::new();
    let inventory = world.home().join("foreign.jsonl");
    std::fs::write(
        &inventory,
        "{\"session\":\"a/b\",\"id\":\"1\"}\n{\"session\":\"a/b\",\"id\":\"2\"}\n",
    )
    .unwrap();
    let plan = world.home().join("plan.json");
    let policy =
        nsml::policy(&world, "min-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 1 }]\n");
    let args = ["plan", "--inventory", text(&inventory), "--policy", &policy, "-o", text(&plan)];
    let run = world.run(args).ok().says("delete 1").warns("saved to be read");
    assert!(!run.stderr.contains("within 24 hours"), "{run}");
    let tree = nsml::storage();
    let root = tree.path().to_str().unwrap();
    world.run(["apply", text(&plan), "--yes", "-C", root]).code(6).warns("inventory");
}

#[test]
fn the_plan_of_our_own_inventory_can_be_carried_out_on_its_root() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let (inventory, plan) = (world.home().join("i.jsonl"), world.home().join("plan.json"));
    world.run(["inventory", "-o", text(&inventory)]).ok();
    let elsewhere = World::new();
    let args = ["plan", "--inventory", text(&inventory), "--policy", &policy, "-o", text(&plan)];
    elsewhere.run(args).ok();

    let other = nsml::storage();
    let refused = elsewhere.run(["apply", text(&plan), "--yes", "-C", text(other.path())]);
    refused.code(5).warns("another root");
    assert_eq!(left(&other, SESSION), IDS);
    elsewhere.run(["apply", text(&plan), "--yes", "-C", text(tree.path())]).ok();
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
}

#[test]
fn a_plan_that_is_not_there() {
    World::new().run(["apply", "nowhere.json", "--yes"]).code(2).warns("nowhere.json");
}

/// R13: a pin set after the plan was made beats the plan (I10).
#[test]
fn r13_a_pin_set_since_keeps_the_session() {
    let (tree, world, plan) = planned();
    world.run(["pin", SESSION, "3"]).ok();
    let run = world.run(["apply", text(&plan), "--yes"]).code(3);
    run.warns("marks.toml").warns("since the plan was made");
    assert_eq!(left(&tree, SESSION), IDS);
    // Once there are marks, a change of them counts as well.
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["plan", "--policy", &policy, "-o", text(&plan)]).ok();
    world.run(["pin", SESSION, "4"]).ok();
    world.run(["apply", text(&plan), "--yes"]).code(3).warns("marks.toml");
    assert_eq!(left(&tree, SESSION), IDS);
}

/// An inventory file carries what apply has to look at again.
#[test]
fn a_pin_set_since_the_inventory_counts_too() {
    let (tree, world, plan) = planned();
    let inventory = world.home().join("inventory.jsonl");
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["inventory", "-o", text(&inventory)]).ok();
    let from = ["plan", "--policy", &policy, "--inventory", text(&inventory), "-o", text(&plan)];
    world.run(from).ok();
    world.run(["pin", SESSION, "3"]).ok();
    world.run(["apply", text(&plan), "--yes"]).code(3).warns("marks.toml");
    assert_eq!(left(&tree, SESSION), IDS);
}

fn ids() -> Vec<String> {
    IDS.map(str::to_owned).to_vec()
}
