//! `demo`: what a first-time user sees, and what is left to try.

use crate::support::{Tree, World};

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

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let tree = Tree::new();
    tree.file("mine/storage/x", "x");
    World::within(tree.path()).run(["demo", "mine"]).code(2).warns("is not empty");
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
