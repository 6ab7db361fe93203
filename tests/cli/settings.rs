//! `retain.toml`: roots, policy, owner and exclusions for everybody who works below it.

use crate::nsml::{self, LAST_TWO, SESSION};
use crate::support::{Tree, World};

fn project(settings: &str) -> Tree {
    let tree = Tree::new();
    nsml::write_as(&tree, &format!("runs/{SESSION}"));
    nsml::write_as(&tree, "runs/cache/copy/1");
    tree.file("retain.toml", settings).file("policy.toml", format!("version = 1\n{LAST_TWO}"));
    tree
}

#[test]
fn settings_hold_for_the_directory_and_below() {
    let tree = project("roots = [\"runs\"]\npolicy = \"policy.toml\"\nexclude = [\"cache\"]\n");
    for cwd in ["", "runs", "runs/nsmlteam"] {
        let world = World::within(tree.at(cwd));
        assert_eq!(world.run(["ls", "-q"]).ok().stdout, format!("{SESSION}\n"));
        let run = world.run(["plan"]).ok().says("delete 7");
        assert!(!run.stderr.contains("embedded default"), "{run}");
    }
}

#[test]
fn settings_hold_in_a_declared_root_too() {
    let tree = project("roots = [\"runs\"]\npolicy = \"policy.toml\"\nexclude = [\"cache\"]\n");
    World::within(tree.path()).run(["init"]).ok();
    let run = World::within(tree.at("runs/nsmlteam")).run(["plan", "-v"]).ok().says("delete 7");
    run.warns("from .retain/root.toml").warns("settings: ").says(SESSION);
}

#[test]
fn the_owner_is_what_the_settings_say() {
    let tree = project("roots = [\"runs\"]\nowner = \"path:2\"\n");
    let json = World::within(tree.path()).run(["ls", "--json"]).ok().json();
    let owners: Vec<_> = json["sessions"].as_array().unwrap().iter().map(|s| &s["owner"]).collect();
    assert_eq!(owners, ["copy", "mnist"]);
}

#[test]
fn a_named_policy_beats_the_settings() {
    let tree = project("roots = [\"runs\"]\npolicy = \"missing.toml\"\n");
    let world = World::within(tree.path());
    world.run(["plan"]).code(2).warns("missing.toml");
    world.run(["plan", "--policy", "policy.toml"]).ok().says("delete 14");
}

#[test]
fn several_roots_need_a_choice() {
    let tree = project("roots = [\"runs\", \"other\"]\n");
    let world = World::within(tree.path());
    world.run(["ls"]).code(2).warns("--root");
    world.run(["ls", "-C", "runs"]).ok();
}

#[test]
fn faulty_settings_are_told_with_their_place() {
    for (text, words) in [
        ("polcy = \"x\"\n", "polcy"),
        ("owner = \"gid\"\n", "path:1"),
        ("exclude = [\"[\"]\n", "exclude"),
        ("roots = 3\n", "roots"),
    ] {
        let tree = project(text);
        World::within(tree.path()).run(["plan"]).code(2).warns(words).warns("retain.toml");
    }
}
