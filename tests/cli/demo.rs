//! `demo`: what a first-time user sees, and what is left to try.

use crate::nsml;
use crate::support::{Snapshot, Tree, World};

#[test]
fn each_part_fits_a_screen_and_the_rest_can_be_tried() {
    let tree = Tree::new();
    let world = World::within(tree.path()).in_real_time();
    let run = world.run(["demo", "try me"]).ok();
    for part in run.stdout.split("\n# ") {
        let lines = part.lines().count();
        assert!((10..=50).contains(&lines), "{lines} lines:\n{part}");
    }
    for words in ["# before", "... and 10 more sessions", "to the trash as run", "# after"] {
        assert!(run.stdout.contains(words), "`{words}` is missing\n{run}");
    }
    // The three shown are those with something to see.
    for words in ["unfinished or being written", "  submitted\n", "pinned: figure 3"] {
        assert!(run.stdout.contains(words), "`{words}` is missing\n{run}");
    }
    // The command it tells is one that works from here.
    let undo = run.stdout.split('`').find(|c| c.contains(" undo ")).unwrap();
    assert!(undo.starts_with("retain -C 'try me/storage' undo 2"), "{undo}");
    let id = undo.split(' ').next_back().unwrap();
    world.run(["-C", "try me/storage", "undo", id]).ok().says("Restored 266 checkpoints");
    // Its settings hold, wherever in it one stands.
    for cwd in ["try me", "try me/storage", "try me/storage/nlp"] {
        let run = World::within(tree.at(cwd)).in_real_time().run(["plan", "-v"]).ok();
        run.says("delete 266").warns("try me/retain.toml");
    }
}

/// Whatever it is that lies there: a policy and settings are somebody's decision.
#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let tree = Tree::new();
    tree.file("mine/storage/x", "x").file("policy/policy.toml", "version = 1\n");
    tree.file("settings/retain.toml", "roots = [\"runs\"]\n").file("file", "x");
    tree.symlink("dangling", "nowhere").dir("empty");
    let before = Snapshot::of(tree.path());
    let world = World::within(tree.path()).in_real_time();
    for dir in ["mine", "policy", "settings"] {
        world
            .run(["demo", dir])
            .code(2)
            .warns("is not empty")
            .warns("name a directory that is new");
    }
    world.run(["demo", "file"]).code(2).warns("cannot make the sample in file");
    world.run(["demo", "dangling"]).code(2).warns("cannot make the sample in dangling");
    before.assert_same(&Snapshot::of(tree.path()));
    world.run(["demo", "empty"]).ok();
    // Who names none and comes again is told, and finds the first one as it was.
    world.run(["demo"]).ok();
    let before = Snapshot::of(tree.path());
    world.run(["demo"]).code(2).warns("retain-demo is not empty");
    before.assert_same(&Snapshot::of(tree.path()));
}

/// Sample checkpoints among real ones would be planned with them.
#[test]
fn no_sample_is_made_inside_a_root() {
    let tree = Tree::new();
    nsml::write_as(&tree, &format!("storage/{}", nsml::SESSION));
    tree.dir("storage/empty").symlink("way", "storage/nsmlteam");
    tree.file("named/retain.toml", "roots = [\"runs\"]\n").dir("named/runs/empty");
    let world = World::within(tree.path()).in_real_time();
    world.run(["-C", "storage", "init"]).ok();
    let before = Snapshot::of(tree.path());
    let inside =
        ["storage", "storage/empty", "storage/new", "storage/a/b", "way/new", "named/runs/new"];
    for dir in inside {
        world.run(["demo", dir]).code(2).warns("lies inside the root").warns("nothing was written");
    }
    World::within(tree.at("storage/empty")).run(["demo"]).code(2).warns("lies inside the root");
    World::within(tree.at("storage"))
        .run(["demo", "--serve"])
        .code(2)
        .warns("lies inside the root");
    before.assert_same(&Snapshot::of(tree.path()));
    // Beside the roots that settings name there is room.
    world.run(["demo", "named/new"]).ok();
}

/// What it leaves is to be changed, and its tests say what the change breaks.
#[test]
fn the_policy_that_it_leaves_passes_its_tests() {
    let tree = Tree::new();
    World::within(tree.path()).in_real_time().run(["demo", "dm"]).ok();
    let world = World::within(tree.at("dm")).in_real_time();
    world.run(["policy", "check"]).ok();
    let tests = |run: crate::support::Run| {
        run.json()["tests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["test"].clone())
            .collect::<Vec<_>>()
    };
    let left = tests(world.run(["policy", "test", "--json"]).ok());
    let default = tests(World::new().run(["policy", "test", "--json"]).ok());
    let missing: Vec<_> = default.iter().filter(|t| !left.contains(t)).collect();
    assert_eq!(missing, ["what was written within the last hour stays"]);
    // Nor do its comments say what does not hold here.
    let text = std::fs::read_to_string(tree.at("dm/policy.toml")).unwrap();
    assert!(text.contains("min-age = \"0s\"") && !text.contains("hour"), "{text}");
}

/// Who names no directory can look at both samples, one after the other.
#[test]
fn the_page_s_sample_stands_beside_the_other_one() {
    let tree = Tree::new();
    let world = World::within(tree.path()).in_real_time();
    world.run(["demo"]).ok();
    assert!(tree.at("retain-demo/storage").is_dir());
    // The sample is made; where to listen is no place.
    let run = world.run(["demo", "--serve", "--listen", "unix:no/where"]).code(1);
    assert!(tree.at("retain-demo-page/storage").is_dir(), "{run}");
}
