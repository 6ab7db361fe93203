use crate::tree::{Tree, brief, full};
use retain::core::model::Marks;

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
    tree.file("run/checkpoint-6/trainer_state.json", state);
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
        (r#""/gone/checkpoint-8""#, "best_model_checkpoint `/gone/checkpoint-8` is not here"),
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
