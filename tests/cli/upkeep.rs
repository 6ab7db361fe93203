//! What an apply does about the trash of earlier runs.

use crate::nsml::{self, LAST_TWO, SESSION, left, world};
use crate::support::{Tree, World};

/// A root from which an earlier apply moved seven checkpoints.
fn applied() -> (Tree, World, String) {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--policy", &policy]).ok().says("Moved 7 checkpoints");
    (tree, world, policy)
}

fn in_trash(world: &World) -> u64 {
    let runs = world.run(["log", "--json"]).ok().json();
    let runs = runs["runs"].as_array().unwrap();
    runs.iter().map(|r| r["in_trash"]["checkpoints"].as_u64().unwrap()).sum()
}

#[test]
fn an_apply_purges_what_is_past_its_grace() {
    let (tree, world, policy) = applied();
    world.run(["apply", "--yes", "--policy", &policy]).ok();
    assert_eq!(in_trash(&world), 7, "within its grace");
    let next_day = nsml::world(&tree).at_time("2040-06-16T08:00:01Z");
    next_day.run(["plan", "--policy", &policy]).ok();
    next_day.run(["apply", "-n", "--policy", &policy]).ok();
    assert_eq!(in_trash(&next_day), 7, "neither a plan nor a dry run purges");
    let run = next_day.run(["apply", "--yes", "--policy", &policy]).ok();
    run.warns("purged 7 checkpoints").warns("past its grace");
    assert_eq!(in_trash(&next_day), 0);
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
}

#[test]
fn min_free_purges_the_oldest_trash_early() {
    let (tree, world, _) = applied();
    let quota = "[[quota]]\nname = \"room\"\nper = \"root\"\n";
    let with = |more: &str| nsml::policy(&world, &format!("{LAST_TWO}\n{quota}{more}\n"));
    world.run(["apply", "--yes", "--policy", &with("min-free = \"1B\"")]).ok();
    assert_eq!(in_trash(&world), 7, "there is room enough");
    let report = "min-free = \"9000PiB\"\non-exceed = \"report\"";
    world.run(["apply", "--yes", "--policy", &with(report)]).ok();
    assert_eq!(in_trash(&world), 7, "a report recommends only");
    let run = world.run(["apply", "--yes", "--policy", &with("min-free = \"9000PiB\"")]).code(4);
    run.warns("early, for min-free");
    assert_eq!(in_trash(&world), 0);
    assert_eq!(left(&tree, SESSION), ["31", "41"], "what the quota cannot reach stays");
}

#[test]
fn no_grace_means_at_once() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy =
        nsml::policy(&world, &LAST_TWO.replacen("[[policy]]", "grace = \"0s\"\n\n[[policy]]", 1));
    world.run(["apply", "--yes", "--policy", &policy]).ok().says("Deleted 7 checkpoints");
    assert_eq!(in_trash(&world), 0);
}
