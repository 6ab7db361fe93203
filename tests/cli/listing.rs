//! `ls`, `why` and `inventory`: what is shown, to people and to programs.

use crate::nsml::{self, IDS, LAST_TWO, MANUAL_NOW, SESSION, world};
use crate::support::{Snapshot, Tree};

#[test]
fn the_manuals_session_looks_as_the_manual_shows_it() {
    let tree = Tree::new();
    nsml::write_full_size(&tree);
    let run = world(&tree).at_time(MANUAL_NOW).run(["ls", SESSION]).ok();
    assert_eq!(
        run.stdout,
        "\
Checkpoint  Last Modified   Elapsed  Summary                       Size
0           32 minutes ago    3.785  epoch=0, loss=7.0152...  366.74 MB
1           31 minutes ago   25.032  epoch=1, loss=6.7623...  366.74 MB
2           31 minutes ago   24.942  epoch=2, loss=6.3771...  366.74 MB
3           30 minutes ago   25.053  epoch=3, loss=5.7428...  366.74 MB
4           30 minutes ago   24.971  epoch=4, loss=4.8476...  366.74 MB
11          30 minutes ago   25.032  epoch=1, loss=6.7623...  366.74 MB
21          29 minutes ago   24.942  epoch=2, loss=6.3771...  366.74 MB
31          29 minutes ago   25.053  epoch=3, loss=5.7428...  366.74 MB
41          28 minutes ago   24.971  epoch=4, loss=4.8476...  366.74 MB
"
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn sessions_are_one_line_each_in_natural_order() {
    let tree = Tree::new();
    for n in [10, 9, 1] {
        nsml::write_as(&tree, &format!("nsmlteam/mnist/{n}"));
    }
    tree.file("notes.txt", "not a checkpoint");
    let run = world(&tree).run(["ls"]).ok().warns("--unrecognised");
    let lines: Vec<Vec<&str>> =
        run.stdout.lines().map(|l| l.split_whitespace().take(5).collect()).collect();
    assert_eq!(lines[0], ["Session", "Owner", "Layout", "Status", "Checkpoints"]);
    assert_eq!(lines[1], ["nsmlteam/mnist/1", "nsmlteam", "nsml", "exited", "9"]);
    assert_eq!(lines[2][0], "nsmlteam/mnist/9");
    assert_eq!(lines[3][0], "nsmlteam/mnist/10");
    assert!(run.stdout.contains("3 sessions, 27 checkpoints"), "{run}");
    world(&tree).run(["ls", "--unrecognised"]).ok().says("notes.txt");
}

#[test]
fn quiet_is_names_and_nothing_else() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    let ids = world(&tree).run(["ls", "-q", SESSION]).ok();
    assert_eq!(ids.stdout.lines().collect::<Vec<_>>(), IDS);
    assert_eq!(ids.stderr, "");
    let sessions = world(&tree).run(["ls", "-q"]).ok();
    assert_eq!(sessions.stdout, "nsmlteam/mnist/4\nnsmlteam/mnist/5\n");
    let pairs = world(&tree).run(["ls", "-q", "nsmlteam/mnist/{4..5}"]).ok();
    assert_eq!(pairs.stdout.lines().next(), Some("nsmlteam/mnist/4\t0"));
    assert_eq!(pairs.stdout.lines().count(), 18);
}

#[test]
fn sorting() {
    let tree = nsml::storage();
    let ids = |args: &[&str]| {
        let run = world(&tree).run([&["ls", "-q", SESSION], args].concat()).ok();
        run.stdout.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&["--sort", "time"]), "41 31 21 11 4 3 2 1 0");
    assert_eq!(ids(&["--sort", "time", "--reverse"]), "0 1 2 3 4 11 21 31 41");
    assert_eq!(ids(&["--reverse"]), "41 31 21 11 4 3 2 1 0");
}

#[test]
fn long_shows_metrics_and_protections() {
    let tree = nsml::storage();
    world(&tree).run(["pin", SESSION, "3", "--why", "the paper"]).ok();
    let run = world(&tree).run(["ls", "--long", SESSION]).ok();
    let row = run.stdout.lines().find(|l| l.starts_with("3 ")).unwrap();
    assert!(row.contains("loss=5.742813685992816"), "{run}");
    assert!(row.contains("pinned: the paper"), "{run}");
    let newest = run.stdout.lines().find(|l| l.starts_with("41 ")).unwrap();
    assert!(newest.contains("min-keep"), "{run}");
}

#[test]
fn json_is_pure_and_versioned() {
    let tree = nsml::storage();
    let sessions = world(&tree).run(["ls", "--json"]).ok().json();
    assert_eq!(sessions["format"], "retain-ls/1");
    assert_eq!(sessions["sessions"][0]["session"], SESSION);
    assert_eq!(sessions["sessions"][0]["checkpoint_count"], 9);
    assert!(sessions["sessions"][0]["checkpoints"].is_null());
    let one = world(&tree).run(["ls", "--json", SESSION]).ok().json();
    let row = &one["sessions"][0]["checkpoints"][4];
    assert_eq!(row["id"], "4");
    assert_eq!(row["metrics"]["loss"], 4.847_646_936_640_009);
    assert_eq!(row["elapsed"], 24.971);
    assert_eq!(row["saved_at"], "2019-08-02T11:29:29.998Z");
}

#[test]
fn why_gives_the_numbers() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["pin", SESSION, "0"]).ok();
    let why = |id: &str| world.run(["why", SESSION, id, "--policy", &policy]).ok();
    why("41").says("is kept by policy \"two\"").says("last 1/2");
    why("21").says("is deleted").says("last: rank 3 of 2");
    why("0").says("is kept").says("pinned");
    let json = world.run(["why", SESSION, "21", "--policy", &policy, "--json"]).ok().json();
    assert_eq!(json["format"], "retain-why/1");
    assert_eq!(json["verdict"], "delete");
    assert_eq!(json["reasons"][0]["rank"], 3);
}

#[test]
fn hostile_names_cannot_move_the_cursor_or_make_a_row() {
    let tree = Tree::new();
    nsml::write_as(&tree, "team/mnist/4");
    let evil = "team/mnist/4/nsml_model/\u{1b}[2J\u{202e}\nfake";
    tree.file(format!("{evil}/model/w"), "x").file(
        format!("{evil}/metadata.json"),
        r#"{"checkpoint":"x","saved_at":"2019-08-02T11:00:00Z","summary":{"loss":1}}"#,
    );
    let before = Snapshot::of(tree.path());
    for args in [&["ls", "team/mnist/4"][..], &["ls", "-q", "team/mnist/4"], &["plan", "--all"]] {
        let run = world(&tree).run(args);
        let bad = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!run.stdout.contains(bad) && !run.stderr.contains(bad), "{run}");
        assert!(!run.stdout.lines().any(|l| l.trim_start().starts_with("fake")), "{run}");
    }
    let json = world(&tree).run(["ls", "--json", "team/mnist/4"]).json();
    let ids = json["sessions"][0]["checkpoints"].as_array().unwrap();
    assert!(ids.iter().any(|c| c["id"] == "\u{1b}[2J\u{202e}\nfake"), "lossless");
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn an_inventory_can_be_planned_without_its_root() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let file = world.home().join("inventory.jsonl");
    let file = file.to_str().unwrap();
    world.run(["inventory", "-o", file]).ok();
    let stdout = world.run(["inventory"]).ok().stdout;
    let saved = std::fs::read_to_string(file).unwrap();
    // The header tells how much is free on the disk, which other programs change.
    let body = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&stdout), body(&saved));

    let elsewhere = crate::support::World::new();
    let args = ["plan", "--inventory", file, "--policy", &policy, "--json"];
    let planned = elsewhere.run(args).ok().json();
    assert_eq!(planned["format"], "retain-plan/1");
    assert_eq!(planned["totals"]["delete"], 7);
    let here = world.run(["plan", "--policy", &policy, "--json"]).ok().json();
    assert_eq!(planned["decisions"], here["decisions"]);
}

#[test]
fn an_inventorys_faults_have_lines() {
    let world = crate::support::World::new();
    let file = world.home().join("broken.jsonl");
    std::fs::write(&file, "{\"v\":1,\"session\":\"a\",\"id\":\"1\"}\n{\"v\":1,\"session\":}\n")
        .unwrap();
    let run = world.run(["plan", "--inventory", file.to_str().unwrap()]);
    run.code(2).warns("broken.jsonl is not an inventory:\nline 2: ");
}

/// docs/layouts.md sends people here who declared a layout.
#[test]
fn a_long_listing_without_a_name_is_of_every_session() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    let world = world(&tree);
    let before = Snapshot::of(tree.path());
    let run = world.run(["ls", "--long"]).ok().says("nsmlteam/mnist/4:\n");
    run.says("\nnsmlteam/mnist/5:\n").says("From");
    let json = world.run(["ls", "--long", "--json"]).ok().json();
    let sessions = json["sessions"].as_array().unwrap();
    let count = |s: &serde_json::Value| s["checkpoints"].as_array().map(Vec::len);
    assert_eq!(sessions.iter().map(count).collect::<Vec<_>>(), [Some(9), Some(9)]);
    let pairs = world.run(["ls", "--long", "-q", "--reverse"]).ok().stdout;
    assert_eq!(pairs.lines().next(), Some("nsmlteam/mnist/5\t41"));
    assert_eq!(pairs.lines().count(), 18);
    before.assert_same(&Snapshot::of(tree.path()));
    crate::nsml::world(&Tree::new()).run(["ls", "--long"]).ok().warns("no sessions in");
}
