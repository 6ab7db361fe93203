//! What another checkpoint cannot be loaded without stays, and it is said for whom.

use crate::real::{LAST, round_trip};
use crate::support::{Snapshot, Tree, World};

/// Bases 1 to 4 in one session, an adapter on the first in another, links inside a checkpoint.
fn storage() -> Tree {
    let tree = Tree::new();
    let trainer = |path: &str, step: u8| {
        let state = format!(r#"{{"global_step": {step}, "log_history": []}}"#);
        tree.file(format!("{path}/trainer_state.json"), state)
            .sized(format!("{path}/model.safetensors"), 5000);
    };
    for step in 1..=4 {
        trainer(&format!("team/base/checkpoint-{step}"), step);
    }
    trainer("team/lora/checkpoint-9", 9);
    tree.file(
        "team/lora/checkpoint-9/adapter_config.json",
        r#"{"base_model_name_or_path": "/home/me/runs/team/base/checkpoint-1"}"#,
    );
    tree.file("team/base/checkpoint-2/tokenizer", "words");
    tree.symlink("team/base/checkpoint-4/tokenizer", "../checkpoint-2/tokenizer");
    tree.written_ago("team", 7 * 86_400);
    World::within(tree.path()).run(["init"]).ok();
    tree
}

#[test]
fn a_base_and_what_links_lead_to_stay() {
    let tree = storage();
    round_trip(&tree, LAST, &["team/base checkpoint-3"]);
    let world = World::within(tree.path());
    let why = |id: &str| world.run(["why", "team/base", id]).ok();
    why("checkpoint-1").says("needed by checkpoint-9 of team/lora");
    why("checkpoint-2").says("needed by checkpoint-4 of team/base");
    let json = world.run(["why", "team/lora", "checkpoint-9", "--json"]).ok().json();
    assert_eq!(json["checkpoint"]["needs"][0], "team/base/checkpoint-1");
}

#[test]
fn by_hand_it_may_go_and_it_is_said() {
    let tree = storage();
    let world = World::within(tree.path());
    let run = world.run(["rm", "team/base", "checkpoint-1", "--yes"]).ok();
    run.says("needed by checkpoint-9 of team/lora").says("is still referred to");
    // Now the adapter misses it, and nothing of its session goes.
    let run = world.run(["plan", "--all"]);
    run.warns("team/lora is kept whole").warns("team/base/checkpoint-1`, which is not here");
}

#[test]
fn a_base_that_is_gone_is_said_and_keeps_the_adapters_session() {
    let tree = storage();
    std::fs::remove_dir_all(tree.at("team/base/checkpoint-2")).unwrap();
    let world = World::within(tree.path());
    let policy = crate::nsml::policy(&world, LAST);
    let plan = world.run(["plan", "--policy", &policy]).code(3).says("Nothing to delete");
    plan.warns("needs `../checkpoint-2/tokenizer`, which is not here");
}

/// Of each run only the newest is asked for: the best ones stay, wherever they lie, and so does what
/// can be loaded, and what holds another run.
#[test]
fn the_best_of_another_run_what_can_be_loaded_and_an_inner_run_stay() {
    let tree = Tree::new();
    let trainer = |path: &str, step: u16, best: &str| {
        let state = format!(r#"{{"global_step": {step}, "best_model_checkpoint": {best}}}"#);
        tree.file(format!("{path}/trainer_state.json"), state)
            .sized(format!("{path}/model.safetensors"), 5000);
    };
    for step in [100, 200, 300] {
        trainer(&format!("a/checkpoint-{step}"), step, "null");
        trainer(&format!("b/checkpoint-{step}"), step, r#""/gone/root/a/checkpoint-100""#);
        trainer(&format!("sft/checkpoint-{step}"), step, "null");
        trainer(&format!("torn/checkpoint-{step}"), step, "null");
    }
    trainer("sft/checkpoint-100/dpo/checkpoint-10", 10, "null");
    // Called like a checkpoint, before the state in the order of names.
    tree.file("sft/checkpoint-100/dpo/checkpoint-10/checkpoint-5/notes.txt", "");
    tree.file("torn/checkpoint-300/model.safetensors", "");
    tree.written_ago("", 7 * 86_400);
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    round_trip(
        &tree,
        LAST,
        &["a checkpoint-200", "b checkpoint-200", "sft checkpoint-200", "torn checkpoint-100"],
    );
    let why = |session: &str, id: &str| world.run(["why", session, id]).ok();
    why("a", "checkpoint-100").says("b/checkpoint-300/trainer_state.json");
    why("sft", "checkpoint-100").says("dpo/checkpoint-10` in it is of a run of its own");
    why("torn", "checkpoint-300").says("`model.safetensors` is empty");
}

fn trainer(tree: &Tree, run: &str, steps: &[u16], best: Option<&str>) {
    for step in steps {
        let state = serde_json::json!({ "global_step": step, "best_model_checkpoint": best });
        tree.file(format!("{run}/checkpoint-{step}/trainer_state.json"), state.to_string())
            .sized(format!("{run}/checkpoint-{step}/model.safetensors"), 5000);
    }
}

/// P15: every other run of a project has a checkpoint that is called so.
#[test]
fn a_run_whose_best_is_gone_loses_nothing_whatever_bears_its_name_elsewhere() {
    for best in ["ROOT/a/results/checkpoint-500", "./results/checkpoint-500"] {
        let tree = Tree::new();
        let root = tree.path().canonicalize().unwrap();
        let best = best.replace("ROOT", root.to_str().unwrap());
        trainer(&tree, "a/results", &[100, 200, 300], Some(&best));
        trainer(&tree, "b/results", &[400, 500, 600], None);
        tree.written_ago("", 7 * 86_400);
        let world = World::within(tree.path());
        world.run(["init"]).ok();
        let look = || Snapshot::of(tree.path()).without(".retain").without_times_of(&["b/results"]);
        let mut expected = look();
        expected.entries.retain(|path, _| !path.starts_with("b/results/checkpoint-400"));
        let policy = crate::nsml::policy(&world, LAST);
        let run = world.run(["apply", "--yes", "--policy", &policy]).code(3);
        run.warns("a/results is kept whole").warns("which is not here");
        expected.assert_same(&look());
    }
}

/// What the plan reads into a path, the purge reads into it too.
#[test]
fn what_a_pointer_is_taken_for_is_the_same_for_plan_apply_and_purge() {
    let tree = Tree::new();
    trainer(&tree, "sft", &[100, 300], None);
    tree.file("sft/best_checkpoint", "/data/old/checkpoint-100/dpo/checkpoint-700");
    trainer(&tree, "checkpoint-100/dpo", &[700, 800], None);
    trainer(&tree, "run", &[100, 200, 300], None);
    tree.symlink("run/serving", "/mnt/old/run/checkpoint-100/global_step100/states.pt");
    tree.written_ago("", 7 * 86_400);
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    let look = || {
        let folders = ["sft", "run", "checkpoint-100/dpo"];
        Snapshot::of(tree.path()).without(".retain").without_times_of(&folders)
    };
    let mut expected = look();
    let gone = ["sft/checkpoint-100", "run/checkpoint-200"];
    expected.entries.retain(|path, _| !gone.iter().any(|gone| path.starts_with(gone)));
    let policy = crate::nsml::policy(&world, LAST);
    // The pointers are as new as can be, and older than the plan.
    world.run(["apply", "--yes", "--purge", "--policy", &policy]).ok();
    expected.assert_same(&look());
    world.run(["purge", "--all", "--yes"]).ok().says("othing");
    let why = world.run(["why", "run", "checkpoint-100"]).ok();
    why.says("serving");
}

/// A run that began inside a checkpoint after the plan was made is not lost with it.
#[test]
fn a_run_that_begins_inside_a_checkpoint_after_the_plan_stays() {
    let tree = Tree::new();
    for step in 1..=3 {
        let state = format!(r#"{{"global_step": {step}}}"#);
        tree.file(format!("sft/checkpoint-{step}/trainer_state.json"), state)
            .sized(format!("sft/checkpoint-{step}/model.safetensors"), 5000);
    }
    tree.written_ago("", 7 * 86_400);
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    let policy = crate::nsml::policy(&world, LAST);
    let plan = world.home().join("plan.json");
    let plan = plan.to_str().unwrap();
    world.run(["plan", "--policy", &policy, "-o", plan]).ok();
    tree.file("sft/checkpoint-1/dpo/checkpoint-10/trainer_state.json", r#"{"global_step": 10}"#);
    let run = world.run(["apply", plan, "--yes"]);
    assert!(run.code != Some(0) && format!("{run}").contains("has changed"), "{run}");
    assert!(tree.exists("sft/checkpoint-1/dpo/checkpoint-10/trainer_state.json"));
}
