//! `usage`: who uses what, in every format; writes nothing; and the history that apply writes.

use crate::nsml::{self, LAST_TWO, SESSION, world};
use crate::support::{Run, Snapshot, Tree, World};
use serde_json::Value;

fn storage() -> Tree {
    let tree = nsml::storage();
    nsml::write_as(&tree, "other/cifar/1");
    tree
}

fn group<'a>(json: &'a Value, by: &str) -> &'a Vec<Value> {
    let groups = json["groups"].as_array().unwrap();
    groups.iter().find(|g| g["by"] == by).unwrap()["rows"].as_array().unwrap()
}

#[test]
fn who_uses_what_and_what_could_go() {
    let tree = storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let before = Snapshot::of(tree.path());
    let run = world.run(["usage", "--policy", &policy]).ok();
    assert!(run.stdout.starts_with("Owner "), "{run}");
    run.says("nsmlteam").says("reclaimable: no rule").says("kept: last (policy \"two\", rule 1)");
    let json = world.run(["usage", "--json", "--policy", &policy]).ok().json();
    assert_eq!(json["format"], "retain-usage/1");
    assert_eq!(json["total"]["checkpoints"], 18);
    assert_eq!(json["total"]["delete_checkpoints"], 14);
    let plan = world.run(["plan", "--json", "--policy", &policy]).ok().json();
    assert_eq!(json["total"]["reclaimable_bytes"], plan["totals"]["delete_bytes"]);
    assert_eq!(json["total"]["bytes"], plan["totals"]["bytes"]);
    assert!(json["total"]["apparent_bytes"].as_u64().unwrap() > 18 * 5000);
    for args in [
        &["--csv"][..],
        &["--markdown"],
        &["--html"],
        &["--by", "session,age,layout,dataset"],
        &["-q"],
    ] {
        world.run([&["usage", "--policy", &policy], args].concat()).ok();
    }
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn the_formats_exclude_each_other() {
    let tree = storage();
    world(&tree).run(["usage", "--csv", "--html"]).code(2);
    world(&tree).run(["usage", "--csv", "--json"]).code(2);
    world(&tree).run(["usage", "--by", "weather"]).code(2);
    world(&tree).run(["usage", "--top", "0"]).code(2);
}

#[test]
fn csv_is_one_table() {
    let tree = storage();
    let world = world(&tree);
    let run = world.run(["usage", "--csv", "--by", "owner,session", "--top", "1"]).ok();
    let lines: Vec<Vec<&str>> = run.stdout.lines().map(|l| l.split(',').collect()).collect();
    assert!(lines.iter().all(|l| l.len() == 15), "{run}");
    assert_eq!(lines.len(), 6, "header, two of each, total\n{run}");
    assert_eq!(lines[5][..4], ["total", "", "2", "18"]);
}

#[test]
fn from_an_inventory_file_as_from_the_root() {
    let tree = storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let file = world.home().join("inventory.jsonl");
    let file = file.to_str().unwrap();
    world.run(["inventory", "-o", file]).ok();
    let own = world.run(["usage", "--json", "--policy", &policy]).ok().json();
    let args = ["usage", "--json", "--policy", &policy, "--inventory", file];
    let read = World::new().run(args).ok().json();
    assert_eq!(read["total"], own["total"]);
    // What is not recognised stands in no inventory.
    let (last, known) = group(&own, "outcome").split_last().unwrap();
    assert_eq!(last["name"], "not recognised");
    assert_eq!(group(&read, "outcome"), known);
    assert_eq!(read["trash"], Value::Null, "an inventory does not know");
    assert_eq!(own["trash"]["bytes"], 0);
}

#[test]
fn trash_is_apart_and_apply_writes_history() {
    let tree = storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--policy", &policy]).ok();
    assert!(tree.at(".retain/history.sqlite").is_file());
    let json = world.run(["usage", "--json", "--policy", &policy]).ok().json();
    assert_eq!(json["total"]["checkpoints"], 4);
    assert_eq!(json["trash"]["checkpoints"], 14);
    let owners = group(&json, "owner");
    assert!(owners.iter().all(|o| o["trash_bytes"].as_u64().unwrap() > 0), "{owners:?}");
    // The point is of what was left, and says what went.
    let timeline = json["timeline"].as_array().unwrap();
    assert_eq!(timeline.len(), 1);
    assert_eq!(timeline[0]["bytes"], json["total"]["bytes"]);
    assert_eq!(timeline[0]["trash_bytes"], json["trash"]["bytes"]);
    let told = world.run(["usage", "--policy", &policy]).ok();
    told.says("in the trash besides: 14 checkpoints").says("with what the trash holds");
    // It is not free before it is purged, in an inventory neither.
    let trash = json["trash"]["bytes"].as_u64().unwrap();
    let held = |json: &Value| {
        let space = |key: &str| json["space"][key].as_u64().unwrap();
        space("free_with_trash_bytes") - space("free_bytes")
    };
    assert_eq!(held(&json), trash);
    let file = world.home().join("inventory.jsonl");
    world.run(["inventory", "-o", file.to_str().unwrap()]).ok();
    let read = ["usage", "--json", "--policy", &policy, "--inventory", file.to_str().unwrap()];
    assert_eq!(held(&World::new().run(read).ok().json()), trash);
    world.run(["purge", "--all", "--yes"]).ok();
    assert_eq!(held(&world.run(["usage", "--json", "--policy", &policy]).ok().json()), 0);
}

/// A saved plan is carried out without a scan, a hand-in tidies one session: both add a point of the
/// whole root as it is then.
#[test]
fn saved_plans_and_hand_ins_add_points_too() {
    let tree = storage();
    let home = world(&tree);
    let policy = nsml::policy(&home, LAST_TWO);
    let at = |hour: u32| world(&tree).at_time(&format!("2040-06-15T{hour:02}:00:00Z"));
    let timeline = |hour| {
        let json = at(hour).run(["usage", "--json", "--policy", &policy]).ok().json();
        let points = json["timeline"].as_array().unwrap().clone();
        (points, json["total"]["bytes"].clone(), json["trash"]["bytes"].clone())
    };
    at(12).run(["plan", "--policy", &policy, "nsmlteam/**", "-o", "plan.json"]).ok();
    at(12).run(["apply", "plan.json", "--dry-run", "--policy", &policy]).ok();
    assert_eq!(timeline(12).0.len(), 0, "a dry run adds none");
    at(12).run(["apply", "plan.json", "--yes", "--policy", &policy]).ok();
    let (points, bytes, trash) = timeline(12);
    assert_eq!(points.len(), 1, "{points:?}");
    assert_eq!((&points[0]["bytes"], &points[0]["trash_bytes"]), (&bytes, &trash));

    let hand_in = ["submitted", "other/cifar/1", "3", "--apply", "--policy", &policy];
    at(14).run(hand_in.iter().chain(&["--dry-run"])).ok();
    assert_eq!(timeline(14).0.len(), 1, "a dry run adds none");
    at(14).run(hand_in.iter().chain(&["--yes"])).ok();
    let (points, bytes, trash) = timeline(14);
    assert_eq!(points.len(), 2, "{points:?}");
    assert_eq!((&points[1]["bytes"], &points[1]["trash_bytes"]), (&bytes, &trash));
    assert!(points[1]["bytes"].as_u64() < points[0]["bytes"].as_u64(), "{points:?}");
}

/// What no layout recognises is weighed, each file once, and is in no sum.
#[test]
fn what_is_not_recognised_is_weighed() {
    let tree = storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let usage = || {
        let args = ["usage", "--json", "--by", "outcome,owner", "--policy", &policy];
        world.run(args).ok().json()
    };
    let before = usage();
    let known = before["unrecognised_files"].as_u64().unwrap();
    let length = before["unrecognised_apparent_bytes"].as_u64().unwrap();
    tree.sized("data/set.bin", 300_000).sized(format!("{SESSION}/core"), 5_000);
    std::fs::hard_link(tree.at("data/set.bin"), tree.at("data/again.bin")).unwrap();
    tree.sparse("data/hole", 1 << 30);
    // Twice: the second scan has an index to go by.
    for _ in 0..2 {
        let json = usage();
        assert_eq!(json["total"], before["total"], "in no sum");
        assert_eq!(json["unrecognised_files"], known + 4);
        let grown = json["unrecognised_apparent_bytes"].as_u64().unwrap() - length;
        assert_eq!(grown, 305_000 + (1 << 30));
        let bytes = json["unrecognised_bytes"].as_u64().unwrap();
        assert!((305_000..2_000_000).contains(&bytes), "{bytes}");
        let row = group(&json, "outcome").last().unwrap();
        assert_eq!((&row["name"], &row["bytes"]), (&"not recognised".into(), &bytes.into()));
        assert_eq!(row["apparent_bytes"], json["unrecognised_apparent_bytes"]);
        assert!(group(&json, "owner").iter().all(|r| r["name"] != "not recognised"));
    }
    let run = world.run(["usage", "--policy", &policy]).ok();
    run.says("not recognised, in no sum and never touched").says("1.00 GiB apparent");
    world.run(["usage", "--csv", "--policy", &policy]).ok().says("outcome,\"not recognised\",0,0,");
}

#[test]
fn what_changes_nothing_writes_no_history() {
    let tree = storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let before = Snapshot::of(tree.path());
    world.run(["plan", "--policy", &policy]).ok();
    world.run(["usage", "--policy", &policy]).ok();
    world.run(["apply", "-n", "--policy", &policy]).ok();
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn a_trend_says_when_it_is_full() {
    let tree = Tree::new();
    nsml::write_as(&tree, SESSION);
    world(&tree).run(["init"]).ok();
    let keep_all = "[[policy]]\nname = \"all\"\nkeep = [{ all = true }]\n\
                    [[quota]]\nname = \"team\"\nper = \"owner\"\nmax-bytes = \"1MiB\"\n";
    for day in 1..=6 {
        nsml::write_as(&tree, &format!("nsmlteam/mnist/{}", 10 + day));
        let world = world(&tree).at_time(&format!("2040-06-{:02}T03:00:00Z", 15 + day));
        let policy = nsml::policy(&world, keep_all);
        world.run(["apply", "--yes", "--policy", &policy]).ok();
    }
    let world = world(&tree).at_time("2040-06-21T04:00:00Z");
    let policy = nsml::policy(&world, keep_all);
    let run = world.run(["usage", "--policy", &policy]).ok();
    run.says("quota \"team\" of nsmlteam: ").says("; full in ").says("growing ");
    let json = world.run(["usage", "--json", "--policy", &policy]).ok().json();
    let forecast = &json["quotas"][0]["forecast"];
    assert_eq!(forecast["points"], 6, "{forecast}");
    let (used, rate) = (
        json["quotas"][0]["used_bytes"].as_f64().unwrap(),
        forecast["bytes_per_day"].as_f64().unwrap(),
    );
    let days = ((1_048_576.0 - used) / rate).floor();
    assert_eq!(forecast["days"].as_f64(), Some(days), "{forecast}");
    world.run(["usage", "--html", "--policy", &policy]).ok().says("class=\"line\" d=\"M");
}

/// A damaged history never stops a clean-up: it is set aside, and said.
#[test]
fn a_damaged_history_is_set_aside_and_the_clean_up_done() {
    let tree = storage();
    tree.file(".retain/history.sqlite", "not a database");
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let run = world.run(["usage", "--policy", &policy]).ok();
    run.warns("damaged");
    assert_eq!(std::fs::read(tree.at(".retain/history.sqlite")).unwrap(), b"not a database");
    let run = world.run(["apply", "--yes", "--policy", &policy]).ok();
    run.warns("/.retain/history.sqlite.damaged-20400615-120000, and a new one");
    let aside = tree.at(".retain/history.sqlite.damaged-20400615-120000");
    assert_eq!(std::fs::read(aside).unwrap(), b"not a database");
    assert_eq!(nsml::left(&tree, SESSION), ["31", "41"]);
    let json = world.run(["usage", "--json", "--policy", &policy]).ok().json();
    assert_eq!(json["timeline"].as_array().unwrap().len(), 1);
}

#[test]
fn a_history_that_is_a_symlink_is_left_alone() {
    let tree = storage();
    let outside = Tree::new();
    outside.file("precious", "data");
    std::os::unix::fs::symlink(outside.at("precious"), tree.at(".retain/history.sqlite")).unwrap();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--policy", &policy]).ok().warns("symlink");
    assert_eq!(std::fs::read(outside.at("precious")).unwrap(), b"data");
    assert_eq!(nsml::left(&tree, SESSION), ["31", "41"]);
}

/// Runs a script as root in a mount namespace of its own, on a file system of `size` at `$M`.
pub fn on_a_small_disk(size: &str, script: &str) -> Run {
    let place = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_retain");
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--", "sh", "-euc"])
        .arg(format!("mount -t tmpfs -o size={size} none \"$M\"; mountpoint -q \"$M\"; {script}"))
        .env("M", place.path())
        .env("RETAIN", program);
    let output = command.output().expect("unshare starts");
    Run::new(&command, &output)
}

/// A disk that is full while the history is written: it is said, the clean-up is done, and the
/// history is as it was.
#[test]
fn f1_a_full_disk_costs_a_point_and_nothing_else_needs_root() {
    let tree = storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let keep = world.home().join("keep.toml");
    std::fs::write(&keep, "version = 1\n[[policy]]\nname = \"k\"\nkeep = [{ all = true }]\n")
        .unwrap();
    let script = format!(
        "mkdir \"$M/r\"; cp -a {tree}/. \"$M/r\"; rm -r \"$M/r/.retain\"; cd \"$M/r\"; now='--now 2040-06-1'\n\
         $RETAIN init . ${{now}}5T12:00:00Z >&2\n\
         $RETAIN apply --yes -q --policy {keep} ${{now}}5T13:00:00Z\n\
         before=$(sha256sum < .retain/history.sqlite)\n\
         # Room for the journal of a run and not for another history.\n\
         dd if=/dev/zero of=fill bs=4k 2>/dev/null || true; truncate -s -24k fill\n\
         $RETAIN monitor --policy {keep} ${{now}}6T12:00:00Z; echo monitor=$?\n\
         $RETAIN apply --yes -q --policy {policy} ${{now}}7T12:00:00Z; echo apply=$?\n\
         test \"$before\" = \"$(sha256sum < .retain/history.sqlite)\"; echo same\n\
         ls nsmlteam/mnist/4/nsml_model; ls -A .retain\n\
         rm fill; $RETAIN apply --yes -q --policy {policy} ${{now}}8T12:00:00Z\n\
         test \"$before\" != \"$(sha256sum < .retain/history.sqlite)\"; echo added",
        tree = tree.path().display(),
        keep = keep.display(),
    );
    let run = on_a_small_disk("2m", &script).ok();
    assert_eq!(
        run.stderr.matches("cannot write the history of usage: No space left").count(),
        2,
        "{run}"
    );
    let run =
        run.says("monitor=0").says("apply=0").says("same\n").says("added\n").says("\n31\n41\n");
    assert!(!run.stdout.contains("history.sqlite.new"), "{run}");
}

/// Who may not write in the root's `.retain` cleans up without a history, and only -v says so.
#[test]
fn a_user_of_an_administrators_root_has_no_history_needs_root() {
    use std::os::unix::fs::{PermissionsExt as _, lchown};
    let tree = storage();
    let world = world(&tree);
    for entry in walkdir::WalkDir::new(tree.at("nsmlteam")) {
        lchown(entry.unwrap().path(), Some(1234), Some(1234)).unwrap();
    }
    std::fs::set_permissions(tree.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let public = tempfile::tempdir().unwrap();
    std::fs::set_permissions(public.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (program, policy) = (public.path().join("retain"), public.path().join("p.toml"));
    std::fs::copy(env!("CARGO_BIN_EXE_retain"), &program).unwrap();
    std::fs::write(&policy, format!("version = 1\n{LAST_TWO}")).unwrap();
    let as_user = |args: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", "1234", "--regid", "1234", "--clear-groups"]).arg(&program);
        command.args(args).arg("--policy").arg(&policy).args(["--now", crate::support::NOW]);
        let output = command.current_dir(tree.path()).env_clear().output().unwrap();
        Run::new(&command, &output)
    };
    let quiet = as_user(&["monitor"]);
    assert!(!quiet.stderr.contains("history"), "{quiet}");
    let said =
        as_user(&["monitor", "-v"]).warns("cannot write the history of usage: Permission denied");
    drop(said);
    let run = as_user(&["apply", "--yes"]);
    assert!(!run.stderr.contains("history"), "{run}");
    assert_eq!(nsml::left(&tree, SESSION), ["31", "41"], "{run}");
    assert!(!tree.at(".retain/history.sqlite").exists());
    // Root itself does not write where somebody else could put something in the way.
    lchown(tree.at(".retain"), Some(1234), Some(1234)).unwrap();
    lchown(tree.path(), Some(1234), Some(1234)).unwrap();
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["monitor", "--policy", &policy]).warns("not root's alone");
    assert!(!tree.at(".retain/history.sqlite").exists());
}

/// What only tells of runs goes by the journals that its scan came past: of a journal beside the
/// checkpoints, in a directory that was excluded since, nothing is counted. What acts on runs finds it.
#[test]
fn a_journal_in_an_excluded_directory_counts_nowhere_and_can_be_undone() {
    let tree = storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--policy", &policy]).ok();
    // As of a user who may not write at the root.
    let beside = tree.at("nsmlteam/.retain/journal");
    std::fs::create_dir_all(beside.parent().unwrap()).unwrap();
    std::fs::rename(tree.at(".retain/journal"), &beside).unwrap();
    std::fs::create_dir(tree.at(".retain/journal")).unwrap();
    let trash = || world.run(["usage", "--json"]).ok().json()["trash"]["checkpoints"].clone();
    assert_ne!(trash(), 0);
    tree.file("retain.toml", "exclude = [\"nsmlteam\"]\n");
    assert_eq!(trash(), 0);
    let undone = world.run(["undo", "last"]).ok();
    assert!(undone.stdout.contains("Restored"), "{undone}");
}

/// A name from a disk is text on the page, and the page loads nothing and runs nothing.
#[test]
fn the_page_is_self_contained_and_escaped() {
    let tree = Tree::new();
    let nasty = "<img src=x onerror=alert(1)>\"'&\u{202e}";
    nsml::write_as(&tree, &format!("{nasty}/mnist/1"));
    let page = world(&tree).run(["usage", "--html"]).ok().stdout;
    assert!(page.starts_with("<!doctype html>"));
    for bad in [
        "<img",
        "onerror=alert(1)>",
        "<script",
        "http://",
        "https://",
        "\u{202e}",
        "url(",
        "@import",
    ] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"), "{page}");
    assert!(page.contains("prefers-color-scheme: dark"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    let csv = world(&tree).run(["usage", "--csv"]).ok().stdout;
    assert!(csv.contains("\"<img src=x onerror=alert(1)>\"\"'&"), "{csv}");
    let markdown = world(&tree).run(["usage", "--markdown"]).ok().stdout;
    assert!(!markdown.contains("<img"), "{markdown}");
}

#[test]
fn output_goes_to_a_file_and_a_full_disk_is_an_error() {
    let tree = storage();
    let world = world(&tree);
    let file = world.home().join("usage.html");
    let run = world.run(["usage", "--html", "-o", file.to_str().unwrap()]).ok();
    assert!(run.stdout.is_empty());
    assert!(std::fs::read_to_string(&file).unwrap().ends_with("</html>\n"));
    world.run(["usage", "--html", "-o", "/dev/full"]).code(1).warns("cannot write /dev/full");
}

#[test]
fn an_empty_root_is_no_error() {
    let tree = Tree::new();
    world(&tree).run(["usage"]).ok().says("0 checkpoints in 0 sessions");
    world(&tree).run(["usage", "--html"]).ok().says("Nothing is there.");
}

#[test]
fn the_trash_of_an_emptied_session_is_charged_as_the_settings_say() {
    for (setting, owner) in [("path:2", Some("alice")), ("path:1", Some("lab")), ("uid", None)] {
        let tree = Tree::new();
        nsml::write_as(&tree, "lab/alice/1");
        tree.file("retain.toml", format!("owner = \"{setting}\"\n"));
        let world = world(&tree);
        world.run(["init"]).ok();
        world.run(["rm", "lab/alice/1", "*", "--yes"]).ok();
        let json = world.run(["usage", "--json", "--by", "owner"]).ok().json();
        let rows: Vec<&str> =
            group(&json, "owner").iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert_eq!(rows, owner.into_iter().collect::<Vec<_>>(), "{setting}");
        assert_eq!(json["trash"]["checkpoints"], 9);
    }
}

#[test]
fn a_report_replaces_the_last_one_whole() {
    let tree = storage();
    let world = world(&tree);
    let out = tempfile::tempdir().unwrap();
    let (file, other) = (out.path().join("usage.csv"), out.path().join("link"));
    std::fs::write(&file, "the last one").unwrap();
    std::fs::hard_link(&file, &other).unwrap();
    let before = Snapshot::of(tree.path());
    world.run(["usage", "--csv", "-o", file.to_str().unwrap()]).ok();
    // Nothing was written into it: a disk that is full half way leaves it as it is.
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "the last one");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("by,name"));
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 2);
    world.run(["usage", "--csv", "-o", "/dev/stdout"]).ok().says("by,name");
    world.run(["usage", "--csv", "-o", "/dev/full"]).code(1).warns("cannot write /dev/full");
    world.run(["usage", "-o", "nowhere/at/all"]).code(1).warns("cannot write nowhere/at/all");
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn csv_has_every_name_the_same_on_a_pipe_and_in_a_file() {
    let tree = storage();
    for odd in ["a\u{1b}[31mb", "ab"] {
        nsml::write_as(&tree, &format!("team/{odd}/1"));
    }
    let world = world(&tree);
    let file = world.home().join("usage.csv");
    let args = ["usage", "--csv", "--by", "session"];
    let piped = world.run(args).ok().says("team/ab/1,").says("team/a\\u{1b}[31mb/1,");
    world.run(args.iter().chain(&["-o", file.to_str().unwrap()])).ok();
    assert_eq!(std::fs::read_to_string(file).unwrap(), piped.stdout);
}
