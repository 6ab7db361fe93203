use crate::tree::{Tree, brief, full};
use retain::core::model::Marks;
use retain::core::select::{Globs, Scope};
use retain::scan::ScanOptions;
use std::fs;

#[test]
fn real_trees() {
    let scan = Tree::unpacked("hf_trainer.tar.gz").scan();
    assert_eq!(scan.faults, []);
    assert_eq!(scan.unrecognised.files, 0);
    insta::assert_snapshot!(full(&scan.inventory));
}

#[test]
fn names_that_the_trainer_never_writes_are_left_alone() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-5", 5);
    for odd in [
        "checkpoint--5",
        "checkpoint-1e3",
        "checkpoint-٣",
        "checkpoint-18446744073709551616",
        "Checkpoint-6",
        "checkpoint_7",
    ] {
        // A real checkpoint inside must not be found either, but for names not of the Trainer's kind.
        tree.hf(&format!("run/{odd}"), 5).hf(&format!("run/{odd}/checkpoint-1"), 1);
    }
    tree.hf("run/checkpoint-007", 7);
    assert_eq!(
        brief(&tree.scan()),
        "run\n  checkpoint-5\n  checkpoint-007 ambiguous\n\
        run/Checkpoint-6\n  checkpoint-1\nrun/checkpoint_7\n  checkpoint-1\n"
    );
}

#[test]
fn a_name_without_a_trainer_file_is_not_ours() {
    let tree = Tree::new();
    tree.file("run/checkpoint-5/notes.txt", "").file("run/checkpoint-6/model.safetensors", "");
    assert_eq!(brief(&tree.scan()), "");
    assert_eq!(tree.scan().unrecognised.files, 2);
}

#[test]
fn unfinished_saves() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-5", 5)
        .hf("run/checkpoint-6", 6)
        .file("run/checkpoint-6/checkpoint-is-incomplete.txt", "")
        .file("run/checkpoint-7/training_args.bin", "")
        .file("run/checkpoint-8/model-00001-of-00002.safetensors", "")
        .hf("run/tmp-checkpoint-9", 9);
    assert_eq!(
        brief(&tree.scan()),
        "run\n  checkpoint-5\n  checkpoint-6 incomplete\n  \
        checkpoint-7 incomplete\n  checkpoint-8 incomplete\n  tmp-checkpoint-9 incomplete\n"
    );
}

#[test]
fn a_state_of_another_step_is_ambiguous() {
    let tree = Tree::new();
    let state = r#"{"global_step": 7, "best_model_checkpoint": "gone/checkpoint-3",
        "log_history": [{"step": 5, "eval_loss": 1.0}]}"#;
    tree.hf("run/checkpoint-4", 4).hf("run/checkpoint-5", 5);
    tree.file("run/checkpoint-6/trainer_state.json", state)
        .file("run/checkpoint-6/model.safetensors", "w");
    let scan = tree.scan();
    assert_eq!(brief(&scan), "run\n  checkpoint-4\n  checkpoint-5\n  checkpoint-6 ambiguous\n");
    assert!(scan.inventory.sessions[0].checkpoints.iter().all(|c| c.metrics.is_empty()));
}

#[test]
fn metrics_come_from_the_own_and_the_newest_state() {
    let tree = Tree::new();
    let state = |step: u64, history: &str| {
        format!(r#"{{"global_step": {step}, "epoch": 0.5, "log_history": [{history}]}}"#)
    };
    // Saved before it was evaluated; evaluated twice, differently; NaN; text; a training loss.
    let early = r#"{"step": 5, "loss": 0.5}, {"step": 5, "eval_a": 1.0}"#;
    let late = r#"{"step": 5, "loss": 0.5}, {"step": 5, "eval_a": 2.0}, {"step": 5, "eval_b": 3},
        {"step": 10, "eval_a": NaN, "eval_c": "text", "learning_rate": 1.0, "eval_flag": true}"#;
    tree.file("checkpoint-5/trainer_state.json", state(5, early));
    tree.file("checkpoint-10/trainer_state.json", state(10, late));
    let scan = tree.scan();
    let session = &scan.inventory.sessions[0];
    assert_eq!((&*session.name, &*session.owner), (".", "."));
    let shown = |i: usize| {
        let c = &session.checkpoints[i];
        let name = |id| scan.inventory.names.name(id).to_owned();
        let mut all: Vec<_> = c.metrics.iter().map(|m| format!("{}={}", name(m.0), m.1)).collect();
        all.sort();
        all.join(" ")
    };
    assert_eq!(shown(0), "eval_a=1 eval_b=3 loss=0.5");
    assert_eq!(shown(1), "eval_a=NaN eval_c=NaN");
    assert_eq!(*session.checkpoints[0].conflicts(), [
        "eval_a is 1 in checkpoint-5/trainer_state.json and 2 in checkpoint-10/trainer_state.json".into()
    ]);
}

#[test]
fn the_best_of_the_newest_state_is_found_by_its_name() {
    let tree = Tree::new();
    let state = |step: u64, best: &str| {
        format!(r#"{{"global_step": {step}, "best_model_checkpoint": {best}}}"#)
    };
    tree.file("run/checkpoint-9/trainer_state.json", state(9, r#""run/checkpoint-9""#))
        .file("run/checkpoint-10/trainer_state.json", state(10, r#""/gone/x/checkpoint-9""#));
    assert_eq!(
        brief(&tree.scan()),
        "run\n  checkpoint-9 best <- best_model_checkpoint\n  checkpoint-10\n"
    );

    for (best, text) in [
        (
            r#""/gone/checkpoint-8""#,
            "best_model_checkpoint names `/gone/checkpoint-8`, which is not here",
        ),
        ("7", "best_model_checkpoint in trainer_state.json is no path"),
    ] {
        tree.file("run/checkpoint-10/trainer_state.json", state(10, best));
        let scan = tree.scan();
        let session = &scan.inventory.sessions[0];
        assert!(session.tainted[0].ends_with(text), "{}", session.tainted[0]);
        assert_eq!(scan.faults.len(), 1);
        assert!(session.checkpoints.iter().all(|c| !c.marks.has(Marks::AMBIGUOUS)));
    }
}

/// A state and shards of these contents, of three that the index names.
fn sharded(tree: &Tree, path: &str, step: u64, shards: &[&str]) {
    let shard = |n: usize| format!("model-{n:05}-of-00003.safetensors");
    let map: serde_json::Value =
        (1..=3).map(|n| (format!("layer.{n}"), serde_json::Value::from(shard(n)))).collect();
    tree.file(&format!("{path}/trainer_state.json"), format!(r#"{{"global_step": {step}}}"#));
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    tree.file(&format!("{path}/model.safetensors.index.json"), index.to_string());
    for (n, content) in (1..).zip(shards) {
        tree.file(&format!("{path}/{}", shard(n)), content);
    }
}

#[test]
fn what_lacks_weights_is_neither_counted_nor_given_up() {
    let tree = Tree::new();
    let state = |path: &str, step: u64| {
        tree.file(&format!("{path}/trainer_state.json"), format!(r#"{{"global_step": {step}}}"#));
    };
    sharded(&tree, "run/checkpoint-1", 1, &["w", "w", "w"]);
    sharded(&tree, "run/checkpoint-2", 2, &["w", "w"]);
    sharded(&tree, "run/checkpoint-3", 3, &["w", "", "w"]);
    sharded(&tree, "run/checkpoint-4", 4, &["w", "w", "w"]);
    tree.file("run/checkpoint-4/model.safetensors.index.json", "");
    tree.hf("run/checkpoint-5", 5).file("run/checkpoint-5/model.safetensors", "");
    state("run/checkpoint-6", 6);
    tree.file("run/checkpoint-6/optimizer.pt", "o").file("run/checkpoint-6/rng_state_0.pth", "r");
    state("run/checkpoint-7", 7);
    tree.file("run/checkpoint-7/global_step7/mp_rank_00_model_states.pt", "w");
    let scan = tree.scan();
    let doubt = " incomplete ambiguous";
    assert_eq!(
        brief(&scan),
        format!(
            "run\n  checkpoint-1\n  checkpoint-2{doubt}\n  checkpoint-3{doubt}\n  \
            checkpoint-4{doubt}\n  checkpoint-5{doubt}\n  checkpoint-6{doubt}\n  checkpoint-7\n"
        )
    );
    let said: Vec<_> = scan.inventory.sessions[0]
        .checkpoints
        .iter()
        .flat_map(|c| c.conflicts().iter().map(ToString::to_string))
        .collect();
    let named = "which `model.safetensors.index.json` names, is missing or empty";
    assert_eq!(
        said,
        [
            format!("`model-00003-of-00003.safetensors`, {named}"),
            "`model-00002-of-00003.safetensors` is empty".to_owned(),
            "nobody knows which shards there should be: `model.safetensors.index.json` cannot be read"
                .to_owned(),
            "`model.safetensors` is empty".to_owned(),
            "it has no weights".to_owned(),
        ]
    );
    // Where none has any, they lie elsewhere.
    let bare = Tree::new();
    bare.file("run/checkpoint-1/trainer_state.json", r#"{"global_step": 1}"#);
    bare.file("run/checkpoint-2/trainer_state.json", r#"{"global_step": 2}"#);
    assert_eq!(brief(&bare.scan()), "run\n  checkpoint-1\n  checkpoint-2\n");
}

/// What other programs index is nothing of the model, and where a single file has the weights an
/// index of shards that are all gone was left over.
#[test]
fn an_index_that_says_nothing_of_the_weights_is_passed_over() {
    let tree = Tree::new();
    let index = |path: &str, shards: [&str; 2]| {
        let map = serde_json::json!({ "weight_map": { "a": shards[0], "b": shards[1] } });
        tree.file(path, map.to_string());
    };
    let gone = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
    for step in 1..=7 {
        tree.hf(&format!("run/checkpoint-{step}"), step);
    }
    tree.file("run/checkpoint-1/faiss.index.json", "[1, 2]");
    index("run/checkpoint-2/pytorch_model.bin.index.json", gone);
    index("run/checkpoint-3/model.safetensors.index.json", gone);
    // One of them is there; the other file is an adapter's; a loader takes the shards first.
    index("run/checkpoint-4/pytorch_model.bin.index.json", gone);
    tree.file(&format!("run/checkpoint-4/{}", gone[0]), "w");
    index("run/checkpoint-5/adapter_model.safetensors.index.json", gone);
    fs::rename(
        tree.at("run/checkpoint-6/model.safetensors"),
        tree.at("run/checkpoint-6/pytorch_model.bin"),
    )
    .unwrap();
    index("run/checkpoint-6/model.safetensors.index.json", gone);
    tree.file("run/checkpoint-7/other.safetensors.index.json", "[1, 2]");
    let doubt = " incomplete ambiguous";
    assert_eq!(
        brief(&tree.scan()),
        format!(
            "run\n  checkpoint-1\n  checkpoint-2\n  checkpoint-3\n  checkpoint-4{doubt}\n  \
            checkpoint-5{doubt}\n  checkpoint-6{doubt}\n  checkpoint-7{doubt}\n"
        )
    );
}

#[test]
fn weights_without_a_state_are_unfinished_only_after_all_that_are_finished() {
    let tree = Tree::new();
    tree.file("run/checkpoint-1/model.safetensors", "w")
        .file("run/checkpoint-2/model.safetensors", "w")
        .file("run/checkpoint-2/checkpoint-is-incomplete.txt", "")
        .file("run/tmp-checkpoint-3/model.safetensors", "w")
        .file("run/checkpoint-4/training_args.bin", "a")
        .hf("run/checkpoint-5", 5)
        .file("run/checkpoint-6/model.safetensors", "w");
    assert_eq!(
        brief(&tree.scan()),
        "run\n  checkpoint-1 incomplete ambiguous\n  checkpoint-2 incomplete\n  \
        checkpoint-4 incomplete\n  checkpoint-5\n  checkpoint-6 incomplete\n  \
        tmp-checkpoint-3 incomplete\n"
    );
}

#[test]
fn what_was_added_later_does_not_make_it_newer() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-1", 1).hf("run/checkpoint-2", 2);
    tree.file("run/checkpoint-1/lm_eval.json", "{}");
    let at = |path: &str, day: u64| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(day * 86_400);
        std::fs::File::open(tree.at(path)).unwrap().set_modified(time).unwrap();
    };
    for file in ["trainer_state.json", "model.safetensors", "training_args.bin"] {
        at(&format!("run/checkpoint-1/{file}"), 100);
        at(&format!("run/checkpoint-2/{file}"), 101);
    }
    at("run/checkpoint-1/lm_eval.json", 200);
    let scan = tree.scan();
    let saved: Vec<_> = scan.inventory.sessions[0]
        .checkpoints
        .iter()
        .map(|c| c.saved_at.unwrap().nanos() / 86_400_000_000_000)
        .collect();
    assert_eq!(saved, [100, 101]);
    assert!(
        scan.inventory.sessions[0].checkpoints[0].last_write
            > scan.inventory.sessions[0].checkpoints[0].saved_at
    );
}

#[test]
fn a_state_that_is_too_large_is_told_with_a_remedy() {
    let tree = Tree::new();
    let long = format!(r#"{{"global_step": 2, "x": "{}"}}"#, "x".repeat(17 << 20));
    tree.hf("run/checkpoint-1", 1).file("run/checkpoint-2/trainer_state.json", long);
    let scan = tree.scan();
    let want = "run/checkpoint-2: trainer_state.json cannot be read: larger than the 16 MiB that \
        metadata may have; take old entries out of its log_history, or name the checkpoint in \
        `exclude` of retain.toml";
    assert_eq!(*scan.inventory.sessions[0].tainted, [want.into()]);
    let exclude = Globs::new(["run/checkpoint-2"], Scope::Path).unwrap();
    let options = ScanOptions { exclude: Some(exclude), ..ScanOptions::default() };
    assert_eq!(brief(&tree.scan_with(&options)), "run\n  checkpoint-1\n");
}

#[test]
fn a_run_or_a_mark_inside_a_checkpoint_keeps_it() {
    let tree = Tree::new();
    tree.hf("sft/checkpoint-1", 1).hf("sft/checkpoint-2", 2).hf("sft/checkpoint-3", 3);
    tree.hf("sft/checkpoint-1/dpo/checkpoint-10", 10).hf("sft/checkpoint-1/dpo/checkpoint-20", 20);
    tree.file("sft/checkpoint-1/dpo/checkpoint-10/checkpoint-5/notes.txt", "");
    tree.file("sft/checkpoint-2/dpo/.retain/marks.toml", "");
    // As Ray saves it, and a directory that is only called so.
    tree.file("sft/checkpoint-3/checkpoint/trainer_state.json", "{}")
        .file("sft/checkpoint-3/checkpoint-7/notes.txt", "");
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "sft\n  checkpoint-1 ambiguous\n  checkpoint-2 ambiguous\n  checkpoint-3\n"
    );
    let said = |i: usize| scan.inventory.sessions[0].checkpoints[i].conflicts()[0].to_string();
    assert_eq!(said(0), "`checkpoint-1/dpo/checkpoint-10` in it is of a run of its own");
    assert_eq!(said(1), "`checkpoint-2/dpo/.retain` lies in it: something there was marked");
}
