//! Policies in a repository: annotations, JUnit, and what a change would do.

use crate::nsml::{self, world};
use crate::support::{Tree, World};

#[test]
fn faults_are_annotations() {
    let tree = Tree::new();
    tree.file("p/bad.toml", "version = 1\n[[policy]]\nname = \"a\"\nkeep = [{ lst = 2 }]\n");
    let world = World::within(tree.path());
    let run = world.run(["policy", "check", "--format", "github", "p"]).code(2);
    assert!(run.stdout.starts_with("::error file=p/bad.toml,line=4,col="), "{run}");
    tree.file("p/bad.toml", "version = 1\n[[policy]]\nname = \"a\"\nkeep = [{ last = 2 }]\n");
    let run = world.run(["policy", "check", "--format", "github", "p"]).ok();
    assert!(run.stdout.is_empty(), "{run}");
}

#[test]
fn results_are_junit() {
    let tree = Tree::new();
    let test = "[[test]]\nname = \"one & only\"\ncheckpoints = [{ id = \"1\", step = 1 }, { id = \"2\", step = 2 }]\n";
    let policy = "version = 1\n[[policy]]\nname = \"p\"\nkeep = [{ last = 1 }]\n";
    tree.file("good.toml", format!("{policy}{test}delete = [\"1\"]\n"));
    tree.file("bad.toml", format!("{policy}{test}delete = [\"2\"]\n"));
    let world = World::within(tree.path());
    world.run(["policy", "test", "good.toml", "bad.toml", "--junit", "out.xml"]).code(2);
    let out = tree.read("out.xml");
    assert!(out.contains("<testsuites name=\"retain policy test\" tests=\"2\" failures=\"1\">"));
    assert!(out.contains("name=\"one &amp; only\" classname=\"good.toml\""), "{out}");
    assert!(out.contains("<failure message="), "{out}");
}

#[test]
fn a_change_is_shown_by_what_it_would_do() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = |n: u32| {
        format!(
            "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{{ last = {n} }}]\n"
        )
    };
    tree.file("old.toml", policy(4)).file("new.toml", policy(2));
    let diff = ["policy", "diff", "old.toml", "new.toml"];
    world.run(diff).ok().says("newly deleted: 2 checkpoints").says("newly kept: 0 checkpoints");
    let inventory = world.run(["inventory"]).ok().stdout;
    tree.file("inventory.jsonl", inventory);
    let with = |more: &[&str]| {
        let args = diff.iter().chain(&["--inventory", "inventory.jsonl"]).chain(more);
        world.run(args.copied().collect::<Vec<_>>())
    };
    let json = with(&["--json", "--detailed-exitcode"]).code(10).json();
    let ids: Vec<_> = json["changes"].as_array().unwrap().iter().map(|c| c["id"].clone()).collect();
    assert_eq!(ids, ["11", "21"], "{json}");
    assert_eq!(json["newly_deleted"]["checkpoints"], 2);
    with(&["--format", "markdown"]).ok().says("| delete | nsmlteam/mnist/4 | 11 |");
    let back = ["policy", "diff", "new.toml", "old.toml", "--detailed-exitcode"];
    world.run(back).ok().says("newly kept: 2 checkpoints");
    world.run(["policy", "diff", "old.toml", "missing.toml"]).code(2).warns("cannot read");
}
