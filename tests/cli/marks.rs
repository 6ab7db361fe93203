//! `pin`, `unpin`, `tag`, `submitted`: what people say, and that policies hear it.

use crate::nsml::{self, IDS, LAST_TWO, SESSION, left, world};
use crate::support::{Snapshot, Tree};

#[test]
fn pins_hold_until_their_last_day() {
    let tree = nsml::storage();
    let here = world(&tree);
    let policy = nsml::policy(&here, LAST_TWO);
    here.run(["pin", SESSION, "{0..2}", "--until", "2040-06-20", "--why", "thesis"]).ok();
    let why =
        |at: &str| world(&tree).at_time(at).run(["why", SESSION, "0", "--policy", &policy]).ok();
    why("2040-06-20T23:59:59Z").says("is kept").says("thesis");
    why("2040-06-21T00:00:00Z").says("is deleted");
}

#[test]
fn a_pinned_session_loses_nothing() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["pin", SESSION]).ok();
    world.run(["apply", "--yes", "--policy", &policy]).ok().says("Nothing to delete");
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["unpin", SESSION]).ok();
    world.run(["plan", "--policy", &policy]).ok().says("delete 7");
}

#[test]
fn policies_hear_tags_and_submissions() {
    let tree = nsml::storage();
    let world = world(&tree);
    let body = "min-age = \"0s\"\n[[policy]]\nname = \"p\"\n\
                keep = [{ tag = [\"paper\"] }, { submitted = true }]\n";
    let policy = nsml::policy(&world, body);
    world.run(["tag", SESSION, "1", "2", "--add", "paper", "--add", "final"]).ok();
    world.run(["tag", SESSION, "2", "--remove", "paper"]).ok();
    world.run(["submitted", SESSION, "3", "--score", "97.2"]).ok();
    let kept = || {
        let plan = world.run(["plan", "--json", "--policy", &policy]).ok().json();
        let decisions = plan["decisions"].as_array().unwrap().clone();
        let kept = decisions.iter().filter(|d| d["verdict"] == "keep");
        kept.map(|d| d["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(kept(), "1 3 41", "41 by min-keep");
    world.run(["submitted", SESSION, "3", "--remove"]).ok();
    assert_eq!(kept(), "1 41");
    let json = world.run(["ls", SESSION, "--json"]).ok().json();
    assert_eq!(json["sessions"][0]["checkpoints"][2]["tags"], serde_json::json!(["final"]));
}

#[test]
fn nothing_else_is_written() {
    let tree = nsml::storage();
    let before = crate::support::Snapshot::of(tree.path()).without(".retain");
    let dirs = ["nsmlteam/mnist/4/nsml_model"];
    world(&tree).run(["pin", SESSION, "0"]).ok();
    let after = crate::support::Snapshot::of(tree.path()).without(".retain");
    before.without_times_of(&dirs).assert_same(&after.without_times_of(&dirs));
    let marks = tree.at("nsmlteam/mnist/4/nsml_model/.retain/marks.toml");
    assert!(std::fs::read_to_string(marks).unwrap().contains("pin"));
}

/// A link that leads nowhere is no file that is missing: nobody knows what was pinned.
#[test]
fn marks_that_lead_nowhere_pin_everything() {
    for link in [".retain", ".retain/marks.toml"] {
        let tree = nsml::storage();
        let world = world(&tree);
        let policy = nsml::policy(&world, LAST_TWO);
        tree.symlink(format!("{SESSION}/nsml_model/{link}"), "nowhere");
        let before = Snapshot::of(tree.at(SESSION));
        world.run(["apply", "--yes", "--policy", &policy]).code(3).says("Nothing to delete");
        world.run(["pin", SESSION, "0"]).code(1).warns("cannot mark in");
        before.assert_same(&Snapshot::of(tree.at(SESSION)));
    }
}

/// Three sessions, of which the second has marks that nobody can read.
fn one_of_three_is_damaged() -> Tree {
    let tree = Tree::new();
    for session in ["t/a/1", "t/a/2", "t/a/3"] {
        nsml::write_as(&tree, session);
    }
    world(&tree).run(["init"]).ok();
    tree.file("t/a/2/nsml_model/.retain/marks.toml", "version = ");
    tree
}

const MARKS: [&str; 3] = ["t/a/1", "t/a/2", "t/a/3"];

fn marks(tree: &Tree) -> Vec<bool> {
    let said = |s: &&str| {
        std::fs::read_to_string(tree.at(s).join("nsml_model/.retain/marks.toml"))
            .is_ok_and(|text| text.contains("[[mark]]"))
    };
    MARKS.iter().map(said).collect()
}

/// Each protects something: the one after a failure as much as the one before.
#[test]
fn what_can_be_marked_is_marked_and_the_rest_is_named() {
    for args in [
        &["pin", "t/a/*"][..],
        &["tag", "t/a/*", "--add", "paper"],
        &["submitted", "t/a/*"],
        &["pin", "t/a/*", "0"],
    ] {
        let tree = one_of_three_is_damaged();
        let before = Snapshot::of(tree.path()).without(".retain");
        let run = world(&tree).run(args).code(3);
        let run =
            run.warns("error: cannot mark in t/a/2/nsml_model").warns("repair it").warns("2 of 3");
        assert!(!run.stderr.contains("cannot mark in t/a/1"), "{run}");
        assert_eq!(marks(&tree), [true, false, true], "{run}");
        assert_eq!(tree.read("t/a/2/nsml_model/.retain/marks.toml"), "version = ");
        let dirs = MARKS.map(|s| format!("{s}/nsml_model"));
        let dirs: Vec<&str> = dirs.iter().map(String::as_str).collect();
        let after = Snapshot::of(tree.path()).without(".retain");
        before.without_times_of(&dirs).assert_same(&after.without_times_of(&dirs));
    }
    let tree = one_of_three_is_damaged();
    let json = world(&tree).run(["pin", "t/a/*", "--json"]).code(3).json();
    let folders = |key: &str| -> Vec<&str> {
        json[key].as_array().unwrap().iter().map(|s| s["folder"].as_str().unwrap()).collect()
    };
    assert_eq!(folders("subjects"), ["t/a/1/nsml_model", "t/a/3/nsml_model"]);
    assert_eq!((folders("failed"), &json["files_changed"]), (vec!["t/a/2/nsml_model"], &2.into()));
    assert!(json["failed"][0]["error"].as_str().unwrap().contains("is damaged"), "{json}");
    // Nothing at all is no part.
    let json = world(&tree).run(["pin", "t/a/2", "--json"]).code(1).json();
    assert_eq!(
        (&json["subjects"], json["failed"].as_array().unwrap().len()),
        (&serde_json::json!([]), 1)
    );
    world(&tree).run(["pin", "t/a/2"]).code(1).warns("error: cannot mark in t/a/2");
}

/// What was handed in and has no mark would be deleted by the run that follows.
#[test]
fn nothing_is_tidied_when_a_submission_was_not_noted() {
    let tree = one_of_three_is_damaged();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let before = Snapshot::of(tree.path()).without(".retain");
    let run =
        world.run(["submitted", "t/a/*", "0", "--apply", "--yes", "--policy", &policy]).code(1);
    run.warns("cannot mark in t/a/2").warns("nothing was tidied up");
    assert_eq!(marks(&tree), [true, false, true]);
    let dirs = MARKS.map(|s| format!("{s}/nsml_model"));
    let dirs: Vec<&str> = dirs.iter().map(String::as_str).collect();
    let after = Snapshot::of(tree.path()).without(".retain");
    before.without_times_of(&dirs).assert_same(&after.without_times_of(&dirs));
}

/// What is said was done is what was done.
#[test]
fn only_what_changes_is_counted() {
    let tree = nsml::storage();
    let world = world(&tree);
    world.run(["unpin", SESSION, "3", "-n"]).ok().warns("dry run: 1 checkpoint: nothing to change");
    assert!(!tree.at(SESSION).join("nsml_model/.retain").exists());
    world.run(["pin", SESSION, "0", "1", "2"]).ok().warns("3 checkpoints pinned");
    let all = |verb: &str, more: &[&str]| world.run([&[verb, SESSION, "*"], more].concat()).ok();
    all("unpin", &["-n"])
        .warns("dry run: 3 of 9 checkpoints would be unpinned; nothing to change for 6");
    all("pin", &["-n"])
        .warns("dry run: 6 of 9 checkpoints would be pinned; nothing to change for 3");
    all("unpin", &[]).warns("3 of 9 checkpoints unpinned; nothing to change for 6");
    all("unpin", &[]).warns("9 checkpoints: nothing to change");
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    world.run(["pin", SESSION]).ok().warns("1 session pinned");
    world.run(["pin", "**", "-n"]).ok().warns("1 of 2 sessions would be pinned");
    world.run(["pin", "**"]).ok().warns("1 of 2 sessions pinned; nothing to change for 1");
}

#[test]
fn a_submission_that_is_taken_back_is_not_called_marked() {
    let tree = nsml::storage();
    let world = world(&tree);
    let remove =
        |more: &[&str]| world.run([&["submitted", SESSION, "--remove"], more].concat()).ok();
    world.run(["submitted", SESSION, "3"]).ok().warns("1 checkpoint marked as submitted");
    let run = remove(&["3", "-n"]).warns("1 checkpoint would no longer be marked as submitted");
    assert!(!run.stderr.contains("stays"), "{run}");
    let run = remove(&["3"]).warns("1 checkpoint no longer marked as submitted");
    assert!(!run.stderr.contains("stays"), "{run}");

    // Marks elsewhere say so as well.
    world.run(["submitted", SESSION]).ok();
    world.run(["submitted", SESSION, "3"]).ok();
    let run = remove(&["3"]).warns("1 checkpoint no longer marked as submitted");
    run.warns("nsmlteam/mnist/4 3 stays submitted: its session is marked as a whole");
    remove(&["3", "-n"]).warns("nothing to change").warns("its session is marked as a whole");
    world.run(["submitted", SESSION, "3"]).ok();
    remove(&[]).warns("nsmlteam/mnist/4 3 stays submitted: it is marked by itself");
    let run = remove(&["3"]).warns("1 checkpoint no longer marked");
    assert!(!run.stderr.contains("stays"), "{run}");

    // NSML's own record is not retain's to change.
    let record = "{\"status\":\"exited\",\"submissions\":[{\"checkpoint\":\"3\"}]}";
    tree.file("nsmlteam/mnist/4/session.json", record);
    let why = "nsmlteam/mnist/4 3 stays submitted: what its framework wrote says so";
    remove(&["3"]).warns("nothing to change").warns(why);
    remove(&["3", "-n"]).warns("nothing to change").warns(why);
    remove(&[]).warns(why);
    world.run(["submitted", SESSION, "3"]).ok();
    remove(&["3"]).warns("no longer marked as submitted").warns(why);
    assert_eq!(tree.read("nsmlteam/mnist/4/session.json"), record);
    assert_eq!(left(&tree, SESSION), IDS);
}
