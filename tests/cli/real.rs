//! Trees that frameworks wrote: planned, applied and brought back.

use crate::nsml;
use crate::support::{Snapshot, Tree, World};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
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

fn plan_apply_undo(archive: &str, deleted: &[&str]) {
    let tree = unpacked(archive);
    let world = World::within(tree.path());
    let policy = nsml::policy(&world, POLICY);
    let plan = world.run(["plan", "--json", "--policy", &policy]).ok().json();
    assert_eq!(with_verdict(&plan, "delete"), deleted);

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

    let applied = world.run(["apply", "--yes", "--json", "--policy", &policy]).ok().json();
    assert_eq!(applied["moved"]["checkpoints"], deleted.len());
    let after = look();
    let mut expected = before.clone();
    expected.entries.retain(|path, _| !going.iter().any(|gone| path.starts_with(gone)));
    expected.assert_same(&after);
    assert!(staying.iter().all(|p| tree.exists(p)));

    world.run(["plan", "--policy", &policy]).ok().says("Nothing to delete");
    world.run(["undo", applied["run"].as_str().unwrap()]).ok();
    before.assert_same(&look());
}

#[test]
fn hugging_face_trainer() {
    plan_apply_undo(
        "hf_trainer.tar.gz",
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
    plan_apply_undo("lightning.tar.gz", &deleted.each_ref().map(String::as_str));
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
