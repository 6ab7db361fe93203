//! Which directory a command works on, and which it refuses.

use crate::nsml::{self, SESSION, world};
use crate::support::{Snapshot, Tree, World};

#[test]
fn what_must_never_be_cleaned_is_refused() {
    let world = World::new();
    let home = world.home().to_str().unwrap().to_owned();
    let tree = nsml::storage();
    tree.file("file", "x").symlink("link", "nsmlteam");
    let at = |name: &str| tree.at(name).to_str().unwrap().to_owned();
    for (root, code, words) in [
        ("/", 6, "system directory"),
        ("/etc", 6, "system directory"),
        ("/usr/../", 6, "system directory"),
        (&home, 6, "home"),
        ("", 6, "empty"),
        ("/nonexistent/dir", 2, "does not exist"),
        (&at("file"), 2, "no directory"),
        (&at("link"), 6, "symlink"),
        (&at("nsmlteam"), 6, "lies inside the root"),
    ] {
        for args in [&["ls"][..], &["plan"], &["apply", "--yes"], &["init"]] {
            let run = world.run([args, &["-C", root]].concat()).code(code).warns(words);
            assert!(run.stdout.is_empty(), "{run}");
        }
    }
}

#[test]
fn an_unset_variable_is_no_root() {
    let world = World::new();
    let output = world.command(["plan"]).env("RETAIN_ROOT", "").output().unwrap();
    assert_eq!(output.status.code(), Some(6));
}

#[test]
fn the_environment_names_a_root() {
    let tree = nsml::storage();
    let output =
        World::new().command(["ls", "-q"]).env("RETAIN_ROOT", tree.path()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{SESSION}\n"));
}

#[test]
fn a_declared_root_is_found_from_below() {
    let tree = nsml::storage();
    let below = World::within(tree.at("nsmlteam/mnist"));
    assert_eq!(below.run(["ls", "-q"]).ok().stdout, format!("{SESSION}\n"));
}

#[test]
fn init_is_done_once() {
    let tree = Tree::new();
    nsml::write_as(&tree, SESSION);
    let first = world(&tree).run(["init", "--json"]).ok().json();
    assert_eq!(first["made"], true);
    let before = Snapshot::of(tree.path());
    let second = world(&tree).run(["init", "--json"]).ok().json();
    assert_eq!(second["made"], false);
    assert_eq!(first["id"], second["id"]);
    before.assert_same(&Snapshot::of(tree.path()));
}

/// In a root they would be refused, and what was moved in them could never be brought back.
#[test]
fn init_refuses_a_directory_with_roots_inside() {
    let tree = Tree::new();
    nsml::write_as(&tree, SESSION);
    let inner = tree.at("nsmlteam");
    let inside = World::within(&inner);
    inside.run(["init"]).ok();
    let policy = nsml::policy(&inside, nsml::LAST_TWO);
    inside.run(["apply", "--yes", "--policy", &policy]).ok().says("Moved 7");
    let before = Snapshot::of(tree.path());
    let run = world(&tree).run(["init", "."]).code(6).warns("has roots inside");
    run.warns(&format!("`{}`", inner.join(".retain/root.toml").display()));
    before.assert_same(&Snapshot::of(tree.path()));
    inside.run(["undo"]).ok().says("Restored 7 checkpoints");
    // A link leads to no root inside.
    let other = Tree::new();
    other.symlink("link", &inner);
    World::within(other.path()).run(["init", "."]).ok();
}

/// As it could come about before, or with a `.retain` that was moved there: each way back is named.
#[test]
fn a_root_inside_a_root_says_what_to_do() {
    let tree = Tree::new();
    nsml::write_as(&tree, SESSION);
    let (inside, outside) = (World::within(tree.at("nsmlteam")), World::new());
    inside.run(["init"]).ok();
    let policy = nsml::policy(&inside, nsml::LAST_TWO);
    inside.run(["apply", "--yes", "--policy", &policy]).ok();
    let (elsewhere, at) = (Tree::new(), tree.path().to_str().unwrap());
    std::fs::rename(tree.at("nsmlteam"), elsewhere.at("nsmlteam")).unwrap();
    outside.run(["init", at]).ok();
    std::fs::rename(elsewhere.at("nsmlteam"), tree.at("nsmlteam")).unwrap();
    let before = nsml::left(&tree, SESSION);
    let inner = tree.at("nsmlteam").to_str().unwrap().to_owned();
    let marker = format!("remove `{at}/.retain/root.toml`");
    outside.run(["undo", "-C", &inner]).code(6).warns(&marker);
    let run = outside.run(["undo", "-C", at]).code(6).warns("is of another root");
    assert!(!run.stderr.contains("plan"), "{run}");
    assert_eq!(nsml::left(&tree, SESSION), before);
    std::fs::remove_file(tree.at(".retain/root.toml")).unwrap();
    outside.run(["undo", "-C", &inner]).ok().says("Restored 7 checkpoints");
}

/// What the owner of one session puts into their folder keeps that session, and no other.
#[test]
fn an_empty_marker_of_one_stops_nobody_elsewhere() {
    const OTHER: &str = "nsmlteam/mnist/5";
    let tree = nsml::storage();
    nsml::write_as(&tree, OTHER);
    let world = world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let plan = world.home().join("plan.json");
    world.run(["plan", "--policy", &policy, "-o", plan.to_str().unwrap()]).ok();
    // A pin has made its `.retain`, and the index knows it, before the marker comes.
    world.run(["pin", SESSION, "0"]).ok();
    world.run(["ls", "-q"]).ok().says(SESSION);
    let marker = format!("{SESSION}/nsml_model/.retain/root.toml");
    tree.file(&marker, "");
    let remedy = format!("remove `{marker}`");
    let whole = nsml::left(&tree, SESSION);

    let shown = world.run(["plan", "--policy", &policy]).code(3).warns("a root of its own");
    shown.warns(&remedy).says("delete 7");
    let saved = world.run(["apply", "--yes", plan.to_str().unwrap()]).code(3);
    saved.says("Moved 7 checkpoints").warns(SESSION).warns("is a root of its own").warns(&remedy);
    assert_eq!(nsml::left(&tree, SESSION), whole);
    assert_eq!(nsml::left(&tree, OTHER), ["31", "41"]);

    world.run(["undo"]).ok();
    let world = nsml::world(&tree).at_time("2040-06-15T12:00:01Z");
    let nightly = world.run(["apply", "--yes", "-q", "--policy", &policy]).code(3);
    nightly.says("Moved 7 checkpoints").warns(&remedy);
    assert_eq!(nsml::left(&tree, SESSION), whole);
    assert_eq!(nsml::left(&tree, OTHER), ["31", "41"]);
    // I6: what a link in there points at elsewhere stays, whoever may delete beside it.
    world.run(["undo"]).ok();
    tree.symlink(
        format!("{SESSION}/nsml_model/current"),
        format!("../../../../{OTHER}/nsml_model/0"),
    );
    let world = nsml::world(&tree).at_time("2040-06-16T12:00:01Z");
    let plan = world.run(["apply", "--yes", "-q", "--policy", &policy]).code(3);
    plan.says("Moved 6 checkpoints");
    assert_eq!(nsml::left(&tree, OTHER), ["0", "31", "41"]);
    world.run(["undo"]).ok();
    std::fs::remove_file(tree.at(format!("{SESSION}/nsml_model/current"))).unwrap();
    // The remedy that is named is one.
    std::fs::remove_file(tree.at(&marker)).unwrap();
    world.run(["ls", "-q"]).ok().says(SESSION).says(OTHER);
}
