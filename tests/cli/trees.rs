//! Checkpoints that lie in several folders, planned, applied and brought back whole.

use crate::layout_files::lightning_file;
use crate::real::{LAST, round_trip};
use crate::support::{Snapshot, Tree, World};

/// Two ranks, each with a file of its own for every checkpoint and for its averaged weights.
fn nemo() -> Tree {
    let tree = Tree::new();
    let name = |step: u8| format!("gpt--val_loss=0.{step}-step={step}");
    for rank in ["tp_rank_00_pp_rank_000", "tp_rank_01_pp_rank_000"] {
        let at = |file: String| format!("run/checkpoints/{rank}/{file}.ckpt");
        for step in [10, 20, 30, 40] {
            tree.file(at(name(step)), lightning_file(0, step));
            tree.file(at(format!("{}-EMA", name(step))), lightning_file(0, step));
        }
        tree.file(at(format!("{}-last", name(40))), lightning_file(0, 40));
    }
    tree.written_ago("run", 7 * 86_400);
    World::within(tree.path()).run(["init"]).ok();
    tree
}

#[test]
fn nemos_ranks_and_averages_go_and_come_back_together() {
    let tree = nemo();
    let gone = [10, 20, 30].map(|n| format!("run gpt--val_loss=0.{n}-step={n}.ckpt"));
    round_trip(&tree, LAST, &gone.each_ref().map(String::as_str));
}

#[test]
fn a_rank_that_changed_keeps_the_whole_checkpoint() {
    let tree = nemo();
    let world = World::within(tree.path());
    let policy = crate::nsml::policy(&world, LAST);
    let plan = world.home().join("plan.json");
    let plan = plan.to_str().unwrap();
    world.run(["plan", "--policy", &policy, "-o", plan]).ok();
    let touched = "run/checkpoints/tp_rank_01_pp_rank_000/gpt--val_loss=0.20-step=20-EMA.ckpt";
    tree.append(touched, "more");
    let before = Snapshot::of(tree.at("run/checkpoints"));
    world.run(["apply", plan, "--yes"]).code(3);
    before.assert_same(&Snapshot::of(tree.at("run/checkpoints")));
}

/// `{epoch}-{val/loss:.2f}` and `{epoch}-{train/loss:.2f}-{val/acc:.1f}`.
#[test]
fn lightnings_folders_that_a_metrics_name_made() {
    let tree = Tree::new();
    let files = [
        ("epoch=0-val/loss=0.50", 4),
        ("epoch=1-val/loss=0.40", 8),
        ("epoch=2-train/loss=0.30-val/acc=0.9", 12),
        ("epoch=3-val/loss=0.20", 16),
    ];
    for (epoch, (file, step)) in (0..).zip(files) {
        tree.file(format!("run/checkpoints/{file}.ckpt"), lightning_file(epoch, step));
    }
    tree.symlink("run/checkpoints/last.ckpt", "epoch=1-val/loss=0.40.ckpt");
    tree.written_ago("run", 7 * 86_400);
    World::within(tree.path()).run(["init"]).ok();
    // The link protects the second, `last = 1` the fourth.
    let gone = ["run epoch=0-val/loss=0.50.ckpt", "run epoch=2-train/loss=0.30-val/acc=0.9.ckpt"];
    round_trip(&tree, LAST, &gone);
}

/// An incremental save that hard-links the shards which did not change.
#[test]
fn shards_that_checkpoints_share_stay_with_the_one_that_stays() {
    let tree = Tree::new();
    for step in 1..=3 {
        tree.sized(format!("run/step_{step}/__0_0.distcp"), 8192)
            .file(format!("run/step_{step}/.metadata"), "m");
    }
    tree.sized("run/step_1/__1_0.distcp", 1 << 20);
    for step in 2..=3 {
        tree.hard_link(format!("run/step_{step}/__1_0.distcp"), "run/step_1/__1_0.distcp");
    }
    tree.written_ago("run", 7 * 86_400);
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    round_trip(&tree, LAST, &["run step_1", "run step_2"]);

    let kept = || Snapshot::of(tree.at("run/step_3"));
    let before = kept();
    let policy = crate::nsml::policy(&world, LAST);
    let plan = world.run(["plan", "--json", "--policy", &policy]).ok().json();
    let bytes = plan["totals"]["delete_bytes"].as_u64().unwrap();
    assert!(bytes < 1 << 20, "the shared megabyte is not reclaimed: {bytes}");
    world.run(["apply", "--yes", "--purge", "--policy", &policy]).ok();
    assert!(!tree.exists("run/step_1") && !tree.exists("run/step_2"));
    // The file has fewer names now: that is all.
    let mut after = kept();
    let same = |s: &mut Snapshot| s.entries.values_mut().for_each(|e| e.same_as = None);
    let mut before = before;
    same(&mut before);
    same(&mut after);
    before.assert_same(&after);
}
