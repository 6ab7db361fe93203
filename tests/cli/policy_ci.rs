//! Policies in a repository: annotations, JUnit, and what a change would do.

use crate::nsml::{self, world};
use crate::support::{Snapshot, Tree, World};

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

/// Each policy is about what it recognises itself, whatever is in force.
#[test]
fn a_change_of_layouts_is_shown_by_what_it_would_do() {
    const MINE: &str = "[[layout]]\nname = \"mine\"\nregex = 'net-(?<step>\\d+)\\.pt'\n";
    let rule = |body: &str, n: u32| {
        format!(
            "version = 1\n{body}[[policy]]\nname = \"p\"\nkeep = [{{ last = {n} }}]\nmin-age = \"0s\"\n"
        )
    };
    let tree = Tree::new();
    for n in 1..=3 {
        tree.file(format!("run/net-{n}.pt"), "weights");
    }
    let world = World::within(tree.path());
    let at = |name: &str| world.home().join(name).to_str().unwrap().to_owned();
    let (old, new, fewer) = (at("old.toml"), at("new.toml"), at("fewer.toml"));
    std::fs::write(&old, rule("", 1)).unwrap();
    std::fs::write(&new, rule(MINE, 2)).unwrap();
    std::fs::write(&fewer, rule(MINE, 1)).unwrap();
    let before = Snapshot::of(tree.path());
    let diff =
        |from: &str, to: &str| world.run(["policy", "diff", from, to, "--detailed-exitcode"]);
    diff(&old, &new).code(10).says("newly deleted: 1 checkpoint").says("net-1.pt");
    diff(&new, &old).ok().says("newly kept: 1 checkpoint").says("not recognised");
    diff(&new, &fewer).code(10).says("newly deleted: 1 checkpoint").says("net-2.pt");
    diff(&new, &new).ok().says("newly deleted: 0 checkpoints").says("newly kept: 0 checkpoints");
    // Another expression for the same files: what stays by either is no change.
    let narrow = at("narrow.toml");
    std::fs::write(&narrow, rule(&MINE.replace("net-", "net-0*"), 1)).unwrap();
    diff(&fewer, &narrow).ok().says("newly deleted: 0 checkpoints");
    diff(&new, &narrow).code(10).says("newly deleted: 1 checkpoint").says("net-2.pt");
    // The policy in force decides neither, faulty or not.
    for text in [rule(MINE, 1), "version = 1\n[[layout]]\n".to_owned()] {
        std::fs::write(at("force.toml"), text).unwrap();
        let args = ["policy", "diff", &old, &new, "--policy", &at("force.toml")];
        world.run(args).ok().says("newly deleted: 1 checkpoint");
    }
    let inventory = world.run(["inventory"]).ok().stdout;
    std::fs::write(at("inventory.jsonl"), inventory).unwrap();
    let args = ["policy", "diff", &old, &new, "--inventory", &at("inventory.jsonl")];
    world.run(args).code(2).warns("declare different layouts").warns("without --inventory");
    let args = ["policy", "diff", &new, &fewer, "--inventory", &at("inventory.jsonl")];
    world.run(args).ok();
    before.assert_same(&Snapshot::of(tree.path()));
}
