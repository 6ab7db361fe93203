//! The layouts together: what they are called, and that none takes another's.

use crate::tree::{Tree, brief};
use crate::weights::torch;
use retain::core::policy::LAYOUTS;
use retain::layout::builtin;
use std::collections::BTreeSet;

#[test]
fn policies_know_every_layout() {
    let asked = builtin();
    let names: BTreeSet<&str> = asked.iter().map(|l| l.name()).collect();
    assert_eq!(names.len(), asked.len(), "a name twice");
    assert_eq!(names, BTreeSet::from(LAYOUTS));
}

/// Session, layout, ids.
fn seen(tree: &Tree) -> Vec<String> {
    let scan = tree.scan();
    assert!(!brief(&scan).contains("ambiguous"), "{}", brief(&scan));
    let of = |s: &retain::core::model::Session| {
        let ids: Vec<&str> = s.checkpoints.iter().map(|c| &*c.id).collect();
        format!("{} {} {}", s.name, s.layout.as_deref().unwrap_or("-"), ids.join(" "))
    };
    scan.inventory.sessions.iter().map(of).collect()
}

#[test]
fn names_that_several_frameworks_use() {
    let tree = Tree::new();
    tree.file("accelerate/checkpoint_0/random_states_0.pkl", "")
        .file("accelerate/checkpoint_0/model.safetensors", "")
        .file("flax/checkpoint_0/_METADATA", "{}")
        .file("ray/checkpoint_000000/model.bin", "")
        .file("ray/result.json", "")
        .file("nobody/checkpoint_000000/model.bin", "")
        .hf("hf/checkpoint-5", 5)
        .file("timm/checkpoint-5.pth.tar", torch(&["epoch"]))
        .file("timm/last.pth.tar", torch(&["epoch"]))
        .file("tf/checkpoint-5.index", crate::weights::index())
        .file("tf/checkpoint-5.data-00000-of-00001", "")
        .file("tf/checkpoint", "model_checkpoint_path: \"checkpoint-5\"\n")
        .file("fairseq/checkpoint_1_500.pt", torch(&["model"]))
        .file("fairseq/checkpoint_last.pt", torch(&["model"]))
        .file("ignite/checkpoint_500.pt", torch(&["epoch_length"]))
        .file("allennlp/model_state_e1_b0.th", torch(&["w"]))
        .file("allennlp/training_state_e1_b0.th", torch(&["epochs_completed"]))
        .file("yolo/weights/epoch0.pt", torch(&["model"]))
        .file("yolo/hyp.yaml", "")
        .file("yolo/opt.yaml", "")
        .file("nobody/weights/last.pt", torch(&["model"]))
        .file("nobody/model_state_e1_b0.th", torch(&["w"]))
        .file("nobody/model_state_epoch_1.th", torch(&["w"]))
        .file("nobody/variables.index", crate::weights::index())
        .file("nobody/variables.data-00000-of-00001", "")
        .file("nobody/resnet50.pth", torch(&["epoch", "mmengine_version"]))
        .file("nobody/checkpoint_500.pth", torch(&["model"]))
        .file("numbers/5/data.bin", "");
    assert_eq!(
        seen(&tree),
        [
            "accelerate accelerate checkpoint_0",
            "allennlp allennlp e1_b0",
            "fairseq fairseq checkpoint_1_500.pt checkpoint_last.pt",
            "flax flax checkpoint_0",
            "hf hf_trainer checkpoint-5",
            "ignite ignite checkpoint_500.pt",
            "ray ray_tune checkpoint_000000",
            "tf tensorflow checkpoint-5",
            "timm timm checkpoint-5.pth.tar last.pth.tar",
            "yolo ultralytics epoch0.pt",
        ]
    );
}

#[test]
fn a_distributed_checkpoint_belongs_to_who_named_it() {
    let tree = Tree::new();
    for at in [
        "tnt/epoch_0_step_5",
        "trial/checkpoint_000003",
        "train/checkpoint_2026-01-31_10-00-00.000001",
        "plain/step_5",
    ] {
        tree.file(&format!("{at}/.metadata"), "").file(&format!("{at}/__0_0.distcp"), "");
    }
    let results = r#"{"checkpoint_results": [], "latest_checkpoint_result": null}"#;
    tree.file("trial/progress.csv", "").file("train/checkpoint_manager_snapshot.json", results);
    assert_eq!(
        seen(&tree),
        [
            "plain torch_dcp step_5",
            "tnt torchtnt epoch_0_step_5",
            "train ray_train checkpoint_2026-01-31_10-00-00.000001",
            "trial ray_tune checkpoint_000003",
        ]
    );
}
