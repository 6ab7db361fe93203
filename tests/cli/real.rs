//! Trees that frameworks wrote: planned, applied and brought back.

use crate::nsml;
use crate::support::{Snapshot, Tree, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const POLICY: &str = "min-age = \"0s\"\n[[policy]]\nname = \"p\"\n\
    keep = [{ best = 2, min = [\"eval_loss\", \"val_loss\"] }, { last = 1 }]\n";

fn unpacked(archive: &str) -> Tree {
    let tree = Tree::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/real").join(archive);
    let tar = Command::new("tar").arg("xzf").arg(source).arg("-C").arg(tree.path()).status();
    assert!(tar.unwrap().success());
    World::within(tree.path()).run(["init"]).ok();
    tree
}

/// `SESSION ID` of every decision with this verdict.
fn with_verdict(plan: &Value, verdict: &str) -> Vec<String> {
    let decisions = plan["decisions"].as_array().unwrap().iter();
    let name =
        |d: &Value| format!("{} {}", d["session"].as_str().unwrap(), d["id"].as_str().unwrap());
    decisions.filter(|d| d["verdict"] == verdict).map(name).collect()
}

/// Plans, applies and undoes on an archive; see [`round_trip`].
fn plan_apply_undo(archive: &str, policy: &str, pointers: usize, deleted: &[&str]) {
    let tree = unpacked(archive);
    assert_eq!(resolved_pointers(tree.path()).len(), pointers);
    round_trip(&tree, policy, deleted);
}

/// Exactly `deleted` goes, as `SESSION ID`, whole and with nothing else; what the framework itself
/// follows still leads somewhere, the newest complete checkpoint of each session stays, and
/// undoing leaves the identical tree.
pub fn round_trip(tree: &Tree, policy: &str, deleted: &[&str]) {
    let world = World::within(tree.path());
    let policy = nsml::policy(&world, policy);
    let plan = world.run(["plan", "--all", "--json", "--policy", &policy]).ok().json();
    assert_eq!(with_verdict(&plan, "delete"), deleted);
    for newest in newest_complete(&world.run(["inventory"]).ok().stdout) {
        assert!(!deleted.contains(&&*newest), "{newest}");
    }

    let paths = |verdict: &str| -> BTreeSet<String> {
        let decisions = plan["decisions"].as_array().unwrap().iter();
        let of = |d: &Value| d["paths"].as_array().unwrap().clone();
        decisions
            .filter(|d| d["verdict"] == verdict)
            .flat_map(of)
            .map(|p| p.as_str().unwrap().to_owned())
            .collect()
    };
    let (going, staying) = (paths("delete"), paths("keep"));
    // A rename changes the times of the directory it happens in, and of nothing else.
    let parents: BTreeSet<&str> =
        going.iter().map(|p| p.rsplit_once('/').map_or("", |(parent, _)| parent)).collect();
    let parents: Vec<&str> = parents.into_iter().collect();
    let look = || Snapshot::of(tree.path()).without(".retain").without_times_of(&parents);
    let before = look();
    let pointers = resolved_pointers(tree.path());

    let applied = world.run(["apply", "--yes", "--json", "--policy", &policy]).ok().json();
    if deleted.is_empty() {
        return before.assert_same(&look());
    }
    assert_eq!(applied["moved"]["checkpoints"], deleted.len());
    let unnamed = |mut s: Snapshot| {
        // The first name of a file with several may be in the trash now.
        s.entries.values_mut().for_each(|e| e.same_as = None);
        s
    };
    let after = unnamed(look());
    let mut expected = unnamed(before.clone());
    expected.entries.retain(|path, _| !going.iter().any(|gone| path.starts_with(gone)));
    expected.assert_same(&after);
    assert!(staying.iter().all(|p| tree.exists(p)));
    assert_eq!(resolved_pointers(tree.path()), pointers);

    world.run(["plan", "--policy", &policy]).ok().says("Nothing to delete");
    world.run(["undo", applied["run"].as_str().unwrap()]).ok();
    before.assert_same(&look());
}

/// `SESSION ID` of the complete checkpoint with the highest step, or epoch, of each session.
fn newest_complete(inventory: &str) -> Vec<String> {
    let rows = inventory.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let mut newest: BTreeMap<String, ((f64, f64), String)> = BTreeMap::new();
    for row in rows.filter(|r| r["id"].is_string() && r["complete"] != false) {
        let number = |key: &str| row[key].as_f64().unwrap_or(-1.0);
        let (session, id) = (row["session"].as_str().unwrap(), row["id"].as_str().unwrap());
        let found = ((number("step"), number("epoch")), format!("{session} {id}"));
        match newest.get(session) {
            Some(known) if known.0 >= found.0 => {}
            _ => _ = newest.insert(session.to_owned(), found),
        }
    }
    newest.into_values().map(|(_, name)| name).collect()
}

/// What frameworks follow when they resume, read as they read it and apart from `retain`: pairs of
/// pointer and target. Paths of another machine mean what is called so beside the pointer.
fn resolved_pointers(root: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    let mut best: BTreeMap<PathBuf, (u64, Option<PathBuf>)> = BTreeMap::new();
    let hidden = |e: &walkdir::DirEntry| e.file_name() == ".retain";
    for entry in
        walkdir::WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|e| !hidden(e))
    {
        let entry = entry.unwrap();
        let (path, beside) = (entry.path(), entry.path().parent().unwrap());
        let text = || std::fs::read_to_string(path).unwrap();
        let called = |target: &str| beside.join(Path::new(target.trim()).file_name().unwrap());
        let target = match entry.file_name().to_str().unwrap() {
            _ if entry.path_is_symlink() => beside.join(std::fs::read_link(path).unwrap()),
            "latest" | "last_checkpoint" => called(&text()),
            "checkpoint" if entry.file_type().is_file() => {
                let text = text();
                let line = text.lines().next().unwrap();
                let name = line.strip_prefix("model_checkpoint_path: \"").unwrap();
                called(&format!("{}.index", name.strip_suffix('"').unwrap()))
            }
            "last.pth.tar" | "model_best.pth.tar" | "last.pt" | "best.pt" => path.to_path_buf(),
            "trainer_state.json" => {
                let state: Value = serde_json::from_str(&text().replace("NaN", "null")).unwrap();
                let step = state["global_step"].as_u64().unwrap();
                let run = beside.parent().unwrap();
                let named = state["best_model_checkpoint"].as_str();
                let named = named.map(|b| run.join(Path::new(b).file_name().unwrap()));
                // The Trainer resumes from the newest state, and believes that one.
                let known = best.entry(run.to_path_buf()).or_default();
                if step >= known.0 {
                    *known = (step, named);
                }
                continue;
            }
            _ => continue,
        };
        found.push((path.to_path_buf(), target));
    }
    found.extend(best.into_iter().filter_map(|(run, (_, named))| Some((run, named?))));
    for (pointer, target) in &found {
        assert!(target.exists(), "{} leads to {}", pointer.display(), target.display());
    }
    found
}

/// The harshest policy there is: what stays beside the newest one is protected.
pub const LAST: &str = "min-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 1 }]\n";

#[test]
fn hugging_face_trainer() {
    plan_apply_undo(
        "hf_trainer.tar.gz",
        POLICY,
        1,
        &[
            "hf_trainer/all checkpoint-5",
            "hf_trainer/all checkpoint-10",
            "hf_trainer/all checkpoint-20",
        ],
    );
}

#[test]
fn lightning() {
    let metric = "lightning/all_metric_in_name/lightning_logs/version_0";
    let link = "lightning/last_is_symlink/lightning_logs/version_0";
    let deleted = [
        format!("{metric} epoch=0-step=4-val_loss=10.00.ckpt"),
        format!("{metric} epoch=1-step=8-val_loss=9.00.ckpt"),
        format!("{metric} epoch=3-step=16-val_loss=5.00.ckpt"),
        format!("{link} epoch=0-step=4.ckpt"),
        format!("{link} epoch=1-step=8.ckpt"),
        format!("{link} epoch=3-step=16.ckpt"),
    ];
    plan_apply_undo("lightning.tar.gz", POLICY, 1, &deleted.each_ref().map(String::as_str));
}

/// `SESSION ID` of several ids.
fn of(session: &str, ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| format!("{session} {id}")).collect()
}

#[test]
fn every_other_tree_under_the_harshest_policy() {
    let trial =
        |n: u8, a: &str| format!("ray_tune/all/f_67450_0000{n}_{n}_a={a}_2026-11-22_16-33-10");
    let four = ["checkpoint_000000", "checkpoint_000001", "checkpoint_000002", "checkpoint_000003"];
    let timm = [0, 1, 2, 3].map(|n| format!("checkpoint-{n}.pth.tar"));
    let keras = ["01-0.98.keras", "02-0.97.keras", "03-0.97.keras", "04-0.97.keras"];
    let mmengine = ["epoch_1.pth", "epoch_2.pth", "epoch_3.pth", "epoch_4.pth"];
    let tf = ["ckpt-300", "ckpt-400", "ckpt-500", "ckpt-600"];
    let table = [
        (
            "accelerate",
            0,
            of(
                "accelerate/auto_naming",
                &["checkpoint_0", "checkpoint_1", "checkpoint_2", "checkpoint_3"],
            ),
        ),
        ("deepspeed", 1, of("deepspeed/zero1", &["global_step1", "global_step2"])),
        (
            "flax_legacy",
            0,
            of("flax_legacy/msgpack", &["checkpoint_17", "checkpoint_22", "checkpoint_27"]),
        ),
        ("keras", 0, of("keras/keras_files", &keras)),
        // Its pointer is a path of another machine.
        ("mmengine", 1, of("mmengine/all_save_best", &mmengine)),
        // No layout knows the artifacts: they are not touched.
        ("mlflow", 0, Vec::new()),
        // The unfinished one stays beside the last whole one.
        ("orbax", 0, of("orbax/best2", &["1"])),
        ("ray_tune", 0, [of(&trial(0, "1.0000"), &four), of(&trial(1, "0.5000"), &four)].concat()),
        (
            "tf_checkpoint_manager",
            2,
            [
                of("tf_checkpoint_manager/max2", &["ckpt-600"]),
                of("tf_checkpoint_manager/max5", &tf),
            ]
            .concat(),
        ),
        // Links to the newest: the two other names of it stay.
        (
            "timm",
            2,
            [
                of("timm/max10", &timm.each_ref().map(String::as_str)),
                of("timm/max10", &["recovery-2-50.pth.tar"]),
            ]
            .concat(),
        ),
        ("torch_dcp", 0, of("torch_dcp", &["step_10", "step_20"])),
        ("ultralytics", 2, of("ultralytics/runs/detect/train", &["epoch0.pt", "epoch1.pt"])),
    ];
    for (archive, pointers, deleted) in table {
        let deleted: Vec<&str> = deleted.iter().map(String::as_str).collect();
        plan_apply_undo(&format!("{archive}.tar.gz"), LAST, pointers, &deleted);
    }
}

/// With every checkpoint but a protected one wanted away, what the pointers name is still there.
#[test]
fn a_pointer_to_an_old_checkpoint_holds_under_the_harshest_policy() {
    let tree = unpacked("deepspeed.tar.gz");
    tree.file("deepspeed/zero1/latest", "global_step1");
    // What is newer than the pointer says may be unfinished.
    round_trip(&tree, LAST, &[]);
    let tree = unpacked("tf_checkpoint_manager.tar.gz");
    let five = "tf_checkpoint_manager/max5";
    tree.file(format!("{five}/checkpoint"), "model_checkpoint_path: \"ckpt-300\"\n");
    let deleted = of(five, &["ckpt-400", "ckpt-500", "ckpt-600"]);
    let deleted: Vec<&str> = deleted.iter().map(String::as_str).collect();
    round_trip(&tree, LAST, &[&["tf_checkpoint_manager/max2 ckpt-600"], &deleted[..]].concat());
}

#[test]
fn what_was_not_finished_is_protected() {
    let tree = unpacked("hf_trainer.tar.gz");
    let world = World::within(tree.path());
    let policy = nsml::policy(&world, POLICY);
    let why = ["why", "hf_trainer/crashed_at_step15", "checkpoint-15", "--policy", &policy];
    world.run(why).ok().says("is kept").says("unfinished");
}

#[test]
fn which_file_a_value_came_from() {
    let tree = unpacked("lightning.tar.gz");
    let world = World::within(tree.path());
    let (run, id) = (
        "lightning/all_metric_in_name/lightning_logs/version_0",
        "epoch=2-step=12-val_loss=2.80.ckpt",
    );
    world.run(["why", run, id]).ok().says("metrics from metrics.csv\n");
    world.run(["ls", "--long", run]).ok().says("From").says("metrics.csv");
    let json = world.run(["why", run, id, "--json"]).ok().json();
    assert_eq!(json["checkpoint"]["sources"]["val_loss"], "metrics.csv");

    let folder = tree.path().join(run);
    std::fs::remove_file(folder.join("metrics.csv")).unwrap();
    let rounded = world.run(["ls", "--long", run]).ok();
    let row = rounded.stdout.lines().find(|l| l.starts_with(id)).unwrap();
    assert!(row.contains("val_loss=2.8  name"), "{rounded}");

    let events = "events.out.tfevents.1795382755.vm";
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events/tensorboardx");
    std::fs::copy(data, folder.join(events)).unwrap();
    let why = world.run(["why", run, id]).ok();
    why.clone().says(&format!("metrics from {events}\n"));
    why.says("val_loss is 2.8 in its name and 4.5 in events.out.tfevents");
}

/// R5: a pointer moved to a doomed checkpoint after the plan was made (I6).
#[test]
fn r5_a_pointer_moved_since_keeps_the_session() {
    let tree = unpacked("lightning.tar.gz");
    let world = World::within(tree.path());
    let policy = nsml::policy(&world, POLICY);
    let plan = world.home().join("plan.json");
    let session = "lightning/last_is_symlink/lightning_logs/version_0";
    world.run(["plan", session, "--policy", &policy, "-o", plan.to_str().unwrap()]).ok();
    let folder = tree.path().join(session).join("checkpoints");
    let before = Snapshot::of(&folder);
    std::fs::remove_file(folder.join("last.ckpt")).unwrap();
    std::os::unix::fs::symlink("epoch=0-step=4.ckpt", folder.join("last.ckpt")).unwrap();
    world.run(["apply", plan.to_str().unwrap(), "--yes"]).code(3).warns("last.ckpt");
    let changed = before.diff(&Snapshot::of(&folder));
    let others = changed
        .lines()
        .filter(|l| l.starts_with(['-', '~', '+']) && !l.contains("last") && *l != "~ ");
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new(), "nothing but the link");
}
