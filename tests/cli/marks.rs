//! `pin`, `unpin`, `tag`, `submitted`: what people say, and that policies hear it.

use crate::nsml::{self, IDS, LAST_TWO, SESSION, left, world};

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
