//! What another checkpoint cannot be loaded without stays, and it is said for whom.

use crate::real::{LAST, round_trip};
use crate::support::{Tree, World};

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
