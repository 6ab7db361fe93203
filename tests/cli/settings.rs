//! `retain.toml`: roots, policy, owner and exclusions for everybody who works below it.

use crate::nsml::{self, LAST_TWO, SESSION};
use crate::support::{Snapshot, Tree, World};

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
        (
            "roots = 3\n",
            "retain.toml is not valid:\nTOML parse error at line 1, column 9\n  |\n1 | roots",
        ),
        ("\"a\\nhelp: b\" = 1\n", "\nunknown field `a\\nhelp: b`"),
    ] {
        let tree = project(text);
        World::within(tree.path()).run(["plan"]).code(2).warns(words).warns("retain.toml");
    }
}

/// What was to be spared would be cleaned.
#[test]
fn an_exclusion_that_spares_nothing_is_refused() {
    let tree = project("policy = \"policy.toml\"\n");
    let world = World::within(tree.path());
    world.run(["init", "."]).ok();
    let whole = nsml::left(&tree, &format!("runs/{SESSION}"));
    let absolute = tree.at("runs/nsmlteam").to_str().unwrap().to_owned();
    for (glob, help) in [
        (&*absolute, "from the root on"),
        ("/runs/nsmlteam", "from the root on"),
        ("runs/nsmlteam/", "such as \"runs/nsmlteam\""),
        ("./runs/nsmlteam", "such as \"runs/nsmlteam\""),
        (".", "\"**\" for all of it"),
        ("[", "special"),
    ] {
        let settings =
            format!("policy = \"policy.toml\"\nexclude = [\n  \"x\",\n  \"{glob}\",\n]\n");
        tree.file("retain.toml", settings);
        for args in [&["apply", "--yes"][..], &["plan"], &["ls"]] {
            let run = world.run(args).code(2).warns("retain.toml:4:3").warns("E0205-glob");
            run.warns(help).warns("excludes what no path below a root can be");
        }
    }
    assert_eq!(nsml::left(&tree, &format!("runs/{SESSION}")), whole);
    tree.file("retain.toml", "policy = \"policy.toml\"\nexclude = [\"runs/nsmlteam\"]\n");
    let run = world.run(["apply", "--yes"]).ok().says("Moved 7");
    assert!(!run.stdout.contains(SESSION), "{run}");
    assert_eq!(nsml::left(&tree, &format!("runs/{SESSION}")), whole);
}

/// A link whose file is on a disk that is not mounted still says that there are settings; without
/// them what they exclude would be deleted by another policy.
#[test]
fn settings_that_lead_nowhere_are_not_taken_for_absent() {
    let tree = project("");
    World::within(tree.path()).run(["-C", "runs", "init"]).ok();
    std::fs::remove_file(tree.at("retain.toml")).unwrap();
    tree.symlink("retain.toml", "site/settings.toml");
    let before = Snapshot::of(tree.path());
    for cwd in ["", "runs", "runs/nsmlteam"] {
        let world = World::within(tree.at(cwd));
        for args in [&["plan"][..], &["apply", "--yes"], &["ls"], &["policy", "check"]] {
            let run =
                world.run(args).code(2).warns("retain.toml is a symlink to site/settings.toml");
            run.warns("remove the symlink");
        }
    }
    // From elsewhere, by its name.
    World::new().run(["apply", "--yes", "-C", tree.at("runs").to_str().unwrap()]).code(2);
    // On the way to nowhere: a file where a directory should be.
    std::fs::remove_file(tree.at("retain.toml")).unwrap();
    tree.symlink("retain.toml", "policy.toml/settings.toml");
    World::within(tree.path()).run(["plan"]).code(2).warns("is a symlink to policy.toml/settings");
    std::fs::remove_file(tree.at("retain.toml")).unwrap();
    tree.symlink("retain.toml", "site/settings.toml");
    before
        .without_times_of(&[""])
        .without("retain.toml")
        .assert_same(&Snapshot::of(tree.path()).without_times_of(&[""]).without("retain.toml"));
    World::within(tree.path()).run(["plan", "-C", "runs"]).code(2);
}

/// The policy and the monitor that settings name, likewise.
#[test]
fn a_named_file_that_leads_nowhere_is_a_fault() {
    let tree = project("roots = [\"runs\"]\npolicy = \"p.toml\"\n");
    tree.symlink("p.toml", "site/p.toml");
    let world = World::within(tree.path());
    world.run(["plan"]).code(2).warns("cannot read").warns("p.toml");
    world.run(["plan", "--policy", "p.toml"]).code(2).warns("cannot read p.toml");
    tree.file(
        "retain.toml",
        "roots = [\"runs\"]\npolicy = \"policy.toml\"\nmonitor = \"m.toml\"\n",
    );
    tree.symlink("m.toml", "site/m.toml");
    world.run(["monitor"]).code(2).warns("m.toml");
}

/// Nobody looks past a root whose marker is gone: above it other settings would hold.
#[test]
fn a_marker_that_leads_nowhere_is_refused() {
    let tree = project("roots = [\"runs\"]\npolicy = \"policy.toml\"\n");
    World::within(tree.path()).run(["init"]).ok();
    std::fs::rename(tree.at("runs/.retain/root.toml"), tree.at("moved")).unwrap();
    tree.symlink("runs/.retain/root.toml", "nowhere");
    World::within(tree.at("runs/nsmlteam")).run(["apply", "--yes"]).code(6).warns("root.toml");
}
