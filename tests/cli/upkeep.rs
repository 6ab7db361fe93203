//! What an apply does about the trash of earlier runs.

use crate::nsml::{self, LAST_TWO, SESSION, left, world};
use crate::support::{Snapshot, Tree, World};
use std::fs;

/// A root from which an earlier apply moved seven checkpoints.
fn applied() -> (Tree, World, String) {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--policy", &policy]).ok().says("Moved 7 checkpoints");
    (tree, world, policy)
}

fn in_trash(world: &World) -> u64 {
    let runs = world.run(["log", "--json"]).ok().json();
    let runs = runs["runs"].as_array().unwrap();
    runs.iter().map(|r| r["in_trash"]["checkpoints"].as_u64().unwrap()).sum()
}

#[test]
fn an_apply_purges_what_is_past_its_grace() {
    let (tree, world, policy) = applied();
    world.run(["apply", "--yes", "--policy", &policy]).ok();
    assert_eq!(in_trash(&world), 7, "within its grace");
    let next_day = nsml::world(&tree).at_time("2040-06-16T08:00:01Z");
    next_day.run(["plan", "--policy", &policy]).ok();
    next_day.run(["apply", "-n", "--policy", &policy]).ok();
    assert_eq!(in_trash(&next_day), 7, "neither a plan nor a dry run purges");
    let run = next_day.run(["apply", "--yes", "--policy", &policy]).ok();
    run.warns("purged 7 checkpoints").warns("past its grace");
    assert_eq!(in_trash(&next_day), 0);
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
}

/// To unlink what is past its grace changes the ctime of the other hard links of its files: of what the
/// same night had just planned by.
#[test]
fn nights_of_hard_linked_checkpoints_do_not_stand_in_their_own_way() {
    let tree = nsml::storage();
    let folder = format!("{SESSION}/nsml_model");
    tree.sized(format!("{folder}/0/model/vocabulary"), 5000);
    for id in &nsml::IDS[1..] {
        tree.hard_link(
            format!("{folder}/{id}/model/vocabulary"),
            format!("{folder}/0/model/vocabulary"),
        );
    }
    for (night, last) in (6..=8).rev().enumerate() {
        let world = nsml::world(&tree).at_time(&format!("2040-06-{}T08:00:00Z", 16 + night));
        let rules = LAST_TWO.replace("last = 2", &format!("last = {last}"));
        let policy = nsml::policy(&world, &rules);
        let run = world.run(["apply", "--yes", "--policy", &policy]).ok();
        let run = run.says("Moved 1 checkpoint");
        assert_eq!(run.stderr.contains("past its grace"), night > 0, "{run}");
        assert_eq!(in_trash(&world), 1);
        assert_eq!(left(&tree, SESSION).len(), last);
    }
}

/// I33: space that an apply was to free and did not is no success, whether or not it moves anything.
#[test]
fn trash_past_its_grace_that_cannot_be_found_makes_an_apply_end_with_3_once() {
    let last_one = LAST_TWO.replace("last = 2", "last = 1");
    for (rules, moves) in [(LAST_TWO, 0), (&last_one, 1)] {
        let (tree, world, _) = applied();
        let folder = tree.at(SESSION).join("nsml_model");
        fs::rename(folder.join(".retain/trash"), world.home().join("taken")).unwrap();
        let next_day = nsml::world(&tree).at_time("2040-06-16T08:00:01Z");
        let policy = nsml::policy(&world, rules);
        let run = next_day.run(["apply", "--yes", "--json", "--policy", &policy]).code(3);
        let json = run.clone().warns("7 cannot be found").json();
        assert_eq!(json["purged"]["checkpoints"], 0, "{json}");
        assert!(json["faults"][0].as_str().unwrap().contains("7 cannot be found"), "{json}");
        assert_eq!(json["moved"]["checkpoints"], moves, "{json}");
        next_day.run(["apply", "--yes", "--policy", &policy]).ok();
    }
}

/// The same of trash that was not reached, where there is nothing to move.
#[test]
fn an_upkeep_that_is_cut_off_says_so_and_is_done_the_next_time() {
    let (tree, world, policy) = applied();
    let next_day = nsml::world(&tree).at_time("2040-06-16T08:00:01Z");
    let late = ["apply", "--yes", "--json", "--policy", &policy, "--deadline", "0s"];
    let run = next_day.run(late).code(3).warns("the deadline passed; what was not reached is kept");
    assert!(!run.json()["stopped"].is_null());
    assert_eq!(in_trash(&world), 7);
    next_day.run(["apply", "--yes", "--policy", &policy]).ok().warns("purged 7 checkpoints");
}

/// A policy that keeps the last two and wants so much free space.
fn with_min_free(world: &World, min_free: &str) -> String {
    let quota = format!("[[quota]]\nname = \"room\"\nper = \"root\"\nmin-free = {min_free}\n");
    nsml::policy(world, &format!("{LAST_TWO}\n{quota}"))
}

const OUT_OF_REACH: &str = "\"9000PiB\"";
const AS_FAR: &str = "\"9000PiB\"\nunreachable = \"evict\"";

#[test]
fn min_free_purges_nothing_in_vain() {
    let (tree, world, _) = applied();
    world.run(["apply", "--yes", "--policy", &with_min_free(&world, "\"1B\"")]).ok();
    assert_eq!(in_trash(&world), 7, "there is room enough");
    let report = format!("{OUT_OF_REACH}\non-exceed = \"report\"");
    world.run(["apply", "--yes", "--policy", &with_min_free(&world, &report)]).ok();
    assert_eq!(in_trash(&world), 7, "a report recommends only");
    let policy = with_min_free(&world, OUT_OF_REACH);
    let run = world.run(["apply", "--yes", "--policy", &policy]).code(4).says("cannot be met");
    assert!(!run.stderr.contains("purged"), "{run}");
    assert_eq!(in_trash(&world), 7, "it would not be met all the same");
    assert_eq!(left(&tree, SESSION), ["31", "41"], "what the quota cannot reach stays");
}

#[test]
fn min_free_purges_earlier_trash_and_says_whose_undo_that_takes() {
    let (tree, world, _) = applied();
    let first = world.run(["log", "--json"]).ok().json()["runs"][0]["run"].clone();
    let first = first.as_str().unwrap();
    let policy = with_min_free(&world, AS_FAR);
    let before = Snapshot::of(tree.path());
    let dry = world.run(["apply", "-n", "-q", "--policy", &policy]).code(4);
    dry.warns("7 checkpoints").warns("would be purged from the trash early").warns(first);
    let dry = world.run(["apply", "-n", "--json", "--policy", &policy]).code(4).json();
    assert_eq!(
        (&dry["early"]["runs"][0], &dry["purged"]["checkpoints"]),
        (&first.into(), &0.into())
    );
    before.assert_same(&Snapshot::of(tree.path()));
    let run = world.run(["apply", "--yes", "--json", "-q", "--policy", &policy]).code(4);
    run.clone().warns("early, for min-free; this can no longer be undone").warns(first);
    let json = run.json();
    assert_eq!(json["purged"]["checkpoints"], 7);
    assert_eq!(json["early"]["checkpoints"], 7);
    assert_eq!(in_trash(&world), 1, "what this run moved");
    assert_eq!(left(&tree, SESSION), ["41"], "as far as it may");
}

/// What a run has just moved comes back whatever its policy demands: that is what it says.
#[test]
fn min_free_never_purges_what_the_run_itself_moved() {
    for min_free in [OUT_OF_REACH, AS_FAR] {
        let tree = nsml::storage();
        let world = world(&tree);
        let before = left(&tree, SESSION);
        let policy = with_min_free(&world, min_free);
        let json = world.run(["apply", "--yes", "--json", "--policy", &policy]).code(4).json();
        assert_eq!(json["purged"]["checkpoints"], 0, "{min_free}");
        assert_eq!(json["restorable"], json["moved"]["checkpoints"], "{min_free}");
        world.run(["undo"]).ok().says("Restored");
        assert_eq!(left(&tree, SESSION), before, "{min_free}");
        let world = nsml::world(&tree).at_time("2040-06-15T12:00:01Z");
        let run = world.run(["apply", "--yes", "--policy", &policy]).code(4);
        run.says("or sooner if a later `apply` needs the room");
        world.run(["undo"]).ok().says("Restored");
        assert_eq!(left(&tree, SESSION), before, "{min_free}");
    }
}

/// Where the demand can be met, the oldest trash goes for it, no more than is needed.
#[test]
fn min_free_takes_the_oldest_first_and_no_more_needs_root() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = |last: u32, more: &str| {
        let path = world.home().join(format!("{last}.toml"));
        let rules = format!("min-age = \"0s\"\n[[policy]]\nkeep = [{{ last = {last} }}]\n");
        std::fs::write(&path, format!("version = 1\n{rules}{more}")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let quota = "[[quota]]\nper = \"root\"\nmin-free = \"1110KiB\"\n";
    let script = format!(
        "mkdir \"$M/r\"; cp -a {tree}/nsmlteam \"$M/r\"; cd \"$M/r\"; now='--now 2040-06-15T1'\n\
         for f in nsmlteam/mnist/4/nsml_model/*/model/weights; do\n\
         dd if=/dev/zero of=$f bs=1k count=100 2>/dev/null; done\n\
         $RETAIN init . ${{now}}0:00:00Z >&2\n\
         $RETAIN apply --yes -q --policy {eight} ${{now}}1:00:00Z\n\
         $RETAIN apply --yes -q --policy {seven} ${{now}}2:00:00Z\n\
         $RETAIN apply --yes --policy {six} ${{now}}3:00:00Z\n\
         $RETAIN log --json ${{now}}4:00:00Z | grep -A1 in_trash",
        tree = tree.path().display(),
        eight = policy(8, ""),
        seven = policy(7, ""),
        six = policy(6, quota),
    );
    let run = crate::usage::on_a_small_disk("2m", &script).ok();
    let run = run.warns("purged 1 checkpoint (104.00 KiB) from the trash early, for min-free");
    let trash: Vec<&str> = run.stdout.lines().filter(|l| l.contains("\"bytes\": ")).collect();
    let trash: Vec<&str> = trash.iter().map(|l| l.trim().trim_end_matches(',')).collect();
    assert_eq!(trash, ["\"bytes\": 0", "\"bytes\": 106496", "\"bytes\": 106496"], "{run}");
}

#[test]
fn no_grace_means_at_once() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy =
        nsml::policy(&world, &LAST_TWO.replacen("[[policy]]", "grace = \"0s\"\n\n[[policy]]", 1));
    world.run(["apply", "--yes", "--policy", &policy]).ok().says("Deleted 7 checkpoints");
    assert_eq!(in_trash(&world), 0);
}
