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

/// What its name calls the best stays, wherever the word stands, and a last one takes nobody's place.
#[test]
fn what_is_called_the_best_stays_wherever_the_word_stands() {
    let tree = Tree::new();
    for (epoch, best) in
        (1..).zip(["model_best", "checkpoint-best", "val_acc_best", "m-best-epoch=4"])
    {
        let run = format!("{best}/checkpoints");
        for i in 1..=6 {
            tree.file(format!("{run}/epoch={i}.ckpt"), lightning_file(i, 10 * i));
        }
        tree.file(format!("{run}/{best}.ckpt"), lightning_file(epoch, 10 * epoch));
    }
    // The twin of `model_best` is gone: it is the first of them.
    std::fs::remove_file(tree.at("model_best/checkpoints/epoch=1.ckpt")).unwrap();
    for i in [0, 10, 20, 30] {
        tree.file(format!("twin/checkpoints/model-{i:03}.ckpt"), lightning_file(i, 2 * i));
    }
    tree.file("twin/checkpoints/model_last.ckpt", lightning_file(30, 60));
    // A tag of DeepSpeed.
    for tag in ["global_step10", "global_step20", "global_step30", "model_best"] {
        tree.file(format!("tags/{tag}/mp_rank_00_model_states.pt"), "states")
            .file(format!("tags/{tag}/zero_pp_rank_0_mp_rank_00_optim_states.pt"), "states");
    }
    tree.file("tags/latest", "global_step30");
    tree.written_ago("", 7 * 86_400);
    World::within(tree.path()).run(["init"]).ok();
    let mut gone: Vec<String> = Vec::new();
    for (best, epochs) in [
        ("checkpoint-best", 1..=4),
        ("m-best-epoch=4", 1..=4),
        ("model_best", 2..=4),
        ("val_acc_best", 1..=4),
    ] {
        gone.extend(epochs.map(|i| format!("{best} epoch={i}.ckpt")));
    }
    let others = ["tags global_step10", "twin model-000.ckpt", "twin model-010.ckpt"];
    gone.extend(others.map(str::to_owned));
    gone.sort_unstable();
    let policy = crate::nsml::LAST_TWO;
    round_trip(&tree, policy, &gone.iter().map(String::as_str).collect::<Vec<_>>());
    let why = World::within(tree.path()).run(["why", "val_acc_best", "val_acc_best.ckpt"]).ok();
    why.says("named last, latest or best");
}

/// The newest of several models are not the newest of each: nobody can tell which belong together.
#[test]
fn several_models_in_one_directory_of_lightning_are_kept() {
    let tree = Tree::new();
    for model in ["resnet50", "vit_b"] {
        for i in 1..=3 {
            tree.file(format!("models/checkpoints/{model}-epoch={i}.ckpt"), lightning_file(i, i));
        }
    }
    for i in 0..4 {
        tree.file(format!("folds/checkpoints/fold{i}.ckpt"), lightning_file(9, 90 + i));
        let pair = format!("pairs/fold={i}-epoch=9-val_loss=0.{i}.ckpt");
        tree.file(pair, lightning_file(9, 90));
        // One name does not keep the series beside it.
        tree.file(format!("series/m-epoch={i}.ckpt"), lightning_file(i, i));
    }
    tree.file("series/pretrained.ckpt", lightning_file(0, 200));
    tree.written_ago("", 7 * 86_400);
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    round_trip(
        &tree,
        LAST,
        &["series m-epoch=0.ckpt", "series m-epoch=1.ckpt", "series m-epoch=2.ckpt"],
    );
    let why = world.run(["why", "models", "vit_b-epoch=1.ckpt"]).ok();
    why.says("resnet50-epoch=1.ckpt beside it may be of another model or run");
}

/// Where one of a pair is torn the other can be loaded: it is not given up with it.
#[test]
fn a_checkpoint_and_its_averaged_weights_are_not_given_up_for_each_other() {
    let tree = Tree::new();
    let cut = |bytes: Vec<u8>, by: usize| bytes[..bytes.len() - by].to_vec();
    for i in 1..=5 {
        // The third lacks the end of its averaged weights, the fourth its own, the fifth both.
        let (own, averaged) = (lightning_file(i, i), lightning_file(i, i));
        let own = cut(own, if i > 3 { 50 } else { 0 });
        let averaged = cut(averaged, if matches!(i, 3 | 5) { 50 } else { 0 });
        tree.file(format!("run/epoch={i}.ckpt"), own)
            .file(format!("run/epoch={i}-EMA.ckpt"), averaged);
    }
    // Averaged weights whose checkpoint is gone, in a folder that the metric's name made.
    for name in ["epoch=0-val/loss=0.6-EMA", "epoch=0-val/loss=0.5-EMA"] {
        tree.file(format!("slash/{name}.ckpt"), lightning_file(0, 5));
    }
    for (i, name) in (1..).zip(["epoch=1-val/loss=0.4", "epoch=2-val/loss=0.3"]) {
        tree.file(format!("slash/{name}.ckpt"), lightning_file(i, 10 * i))
            .file(format!("slash/{name}-EMA.ckpt"), lightning_file(i, 10 * i));
    }
    tree.written_ago("", 7 * 86_400);
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    let policy = format!("{LAST}discard = [{{ incomplete-for = \"1d\" }}]\n");
    round_trip(
        &tree,
        &policy,
        &["run epoch=1.ckpt", "run epoch=5.ckpt", "slash epoch=1-val/loss=0.4.ckpt"],
    );
    let why = world.run(["why", "run", "epoch=3.ckpt"]).ok();
    why.says("it and its averaged weights epoch=3-EMA.ckpt are not both whole");
    let why = world.run(["why", "slash", "epoch=0-val/loss=0.6-EMA.ckpt"]).ok();
    why.says("averaged weights without their checkpoint");
}
