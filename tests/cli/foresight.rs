//! `simulate` and `advise`: what a policy would have done, and what would fit.

use crate::nsml::{self, IDS, LAST_TWO, SESSION, left, world};
use crate::support::{Snapshot, Tree, World, ago};
use std::fmt::Write as _;

const DAY: i64 = 86_400;

/// Two sessions with a checkpoint a day of 1000 bytes each; the loss of the first falls and rises.
fn inventory(tree: &Tree) -> World {
    let mut lines = String::new();
    for day in 1..=20 {
        let saved = ago((21 - day) * DAY);
        let loss = (day - 7).abs();
        for (session, metrics) in
            [("lab/a", format!("{{\"val_loss\":{loss}}}")), ("lab/b", "{}".into())]
        {
            let _ = writeln!(
                lines,
                "{{\"session\":\"{session}\",\"id\":\"{day}\",\"step\":{day},\"saved_at\":\"{saved}\",\
                 \"bytes\":1000,\"metrics\":{metrics}}}"
            );
        }
    }
    tree.file("inventory.jsonl", lines);
    World::within(tree.path())
}

#[test]
fn a_simulation_says_what_went_when() {
    let tree = Tree::new();
    let world = inventory(&tree);
    tree.file("p.toml", "version = 1\n[[policy]]\nname = \"two\"\nkeep = [{ last = 2 }]\n");
    let simulate = ["simulate", "--inventory", "inventory.jsonl", "--policy", "p.toml"];
    let json = world.run(simulate.iter().chain(&["--json"])).ok().json();
    assert_eq!(json["format"], "retain-simulation/1");
    // Three of each session at a time: two, and the newest, of which one goes at once.
    assert_eq!(json["peak_bytes"], 6000);
    assert_eq!((&json["steady_bytes"], &json["left_checkpoints"]), (&4000.into(), &4.into()));
    assert_eq!(json["deletions"].as_array().unwrap().len(), 36);
    let first = &json["deletions"][0];
    assert_eq!((&first["id"], &first["at"]), (&"1".into(), &ago(18 * DAY).into()));
    assert_eq!(json["regrets"].as_array().unwrap().len(), 0, "no rule asks for the best");

    let run = world.run(simulate).ok().says("one every 1 day").says("Steady   3.91 KiB");
    assert!(!run.stdout.contains("lab/a"), "{run}");
    let run = world.run(simulate.iter().chain(&["lab/a", "--every", "1w"])).ok();
    assert!(run.stdout.contains("lab/a") && !run.stdout.contains("lab/b"), "{run}");
    world.run(simulate.iter().chain(&["--every", "1mo"])).code(2).warns("min, h, d or w");
    world.run(simulate.iter().chain(&["--every", "1s"])).code(2).warns("longer --every");
    world.run(simulate.iter().chain(&["nobody"])).code(2).warns("no session matches");
}

#[test]
fn a_simulation_says_what_would_be_missed() {
    let tree = Tree::new();
    let world = inventory(&tree);
    let policy = "version = 1\n[[policy]]\nname = \"best\"\nlimit = { max-count = 2 }\n\
                  keep = [{ last = 2 }, { best = 1, min = [\"val_loss\"] }]\n";
    tree.file("p.toml", policy);
    let simulate = ["simulate", "--inventory", "inventory.jsonl", "--policy", "p.toml"];
    let json = world.run(simulate.iter().chain(&["--json"])).ok().json();
    let regrets = json["regrets"].as_array().unwrap();
    assert_eq!(regrets.len(), 1, "{json}");
    assert_eq!((&regrets[0]["id"], &regrets[0]["rank"]), (&"7".into(), &1.into()));
    assert_eq!(regrets[0]["metric"], "val_loss");
    world.run(simulate).ok().says("val_loss = 0").says("although the rules would keep it now");
}

#[test]
fn advice_is_a_policy_that_fits() {
    let tree = Tree::new();
    let world = inventory(&tree);
    let before = Snapshot::of(tree.path());
    for (fit, least) in [("40KB", 0), ("12KB", 0), ("3KB", 10)] {
        let advise = ["advise", "--inventory", "inventory.jsonl", "--fit", fit];
        let json = world.run(advise.iter().chain(&["--json"])).ok().json();
        let chosen = &json["table"][usize::try_from(json["chosen"].as_u64().unwrap()).unwrap()];
        assert!(chosen["bytes"].as_u64().unwrap() <= json["fit_bytes"].as_u64().unwrap());
        let loss = chosen["loss"].as_f64().unwrap();
        assert_eq!(loss > 0.0, least > 0, "{fit}: {json}");
        before.assert_same(&Snapshot::of(tree.path()));

        let page = world.run(advise).ok();
        std::fs::write(world.home().join("advised.toml"), &page.stdout).unwrap();
        let advised = world.home().join("advised.toml");
        let advised = advised.to_str().unwrap();
        world.run(["policy", "check", advised]).ok();
        let plan = ["plan", "--inventory", "inventory.jsonl", "--policy", advised, "--json"];
        let plan = world.run(plan).ok().json();
        let total = |name: &str| plan["totals"][name].as_u64().unwrap();
        assert_eq!(total("bytes") - total("delete_bytes"), chosen["bytes"].as_u64().unwrap());
        assert_eq!(total("delete"), chosen["deleted"].as_u64().unwrap());
    }
    let rules = "version = 1\n[[policy]]\nname = \"p\"\nkeep = [{ last = 2 }, { first = 1 }, \
        { within = \"1d\" }, { every-steps = 5, hard = true }]\n";
    std::fs::write(world.home().join("p.toml"), rules).unwrap();
    let policy = world.home().join("p.toml");
    let advise = ["advise", "--inventory", "inventory.jsonl", "--fit", "40KB", "--policy"];
    let page = world.run([&advise[..], &[policy.to_str().unwrap()]].concat()).ok();
    let json = [&advise[..], &[policy.to_str().unwrap(), "--json"]].concat();
    assert_eq!(world.run(json).ok().json()["left_out"], serde_json::json!(["first", "within"]));
    page.says("for these numbers stand in their place: first, within.").says("every-steps = 5");

    let none = ["advise", "--inventory", "inventory.jsonl", "--fit", "1KB"];
    world.run(none).code(4).warns("nothing fits into");
    world.run(["advise", "--fit", "5"]).code(2).warns("a size has no unit");
}

#[test]
fn both_change_nothing_on_a_storage() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let before = Snapshot::of(tree.path());
    let simulate = ["simulate", "--policy", &policy, "--every", "52w", SESSION];
    world.run(simulate).ok().says("Deleted  7 checkpoints");
    world.run(["advise", "--policy", &policy, "--every", "52w", "--fit", "1TiB"]).ok();
    before.assert_same(&Snapshot::of(tree.path()));
    assert_eq!(left(&tree, SESSION), IDS);
}

/// What cannot be true is no reason to fall over.
#[test]
fn sizes_beyond_all_measure_are_counted_as_far_as_a_number_goes() {
    let tree = Tree::new();
    let world = inventory(&tree);
    let lines = tree.read("inventory.jsonl");
    tree.file("inventory.jsonl", lines.replace("1000,", "18446744073709551615,"));
    let policy = nsml::policy(
        &world,
        "[safety]\nmax-delete-bytes = \"99%\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 2 }]\n\
         limit = { max-bytes = \"1GiB\" }\n[[quota]]\nname = \"q\"\nper = \"owner\"\nmax-bytes = \"1GiB\"\n",
    );
    for args in [
        &["plan"][..],
        &["plan", "--json"],
        &["plan", "-v"],
        &["simulate"],
        &["simulate", "lab/a"],
        &["usage"],
        &["usage", "--json"],
        &["monitor"],
        &["advise", "--fit", "1GiB"],
    ] {
        let run =
            world.run(args.iter().chain(&["--inventory", "inventory.jsonl", "--policy", &policy]));
        assert!([Some(0), Some(4), Some(6)].contains(&run.code), "{run}");
        assert!(!run.stderr.contains("panicked"), "{run}");
    }
}
