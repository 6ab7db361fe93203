//! Numbers that tell folds, seeds, agents or parts apart: the lower one is no older save.

use crate::plans::deletions;
use crate::tree::{Tree, brief};
use crate::weights::{index, keras, torch};

/// Writes one checkpoint of this name.
type Save = fn(&Tree, &str);

fn shards(tree: &Tree, at: &str) {
    tree.file(&format!("{at}/__0_0.distcp"), "").file(&format!("{at}/.metadata"), "");
}

fn orbax(tree: &Tree, at: &str) {
    tree.file(&format!("{at}/_CHECKPOINT_METADATA"), r#"{"commit_timestamp_nsecs": 1}"#)
        .file(&format!("{at}/default/_METADATA"), "{}");
}

fn flax(tree: &Tree, at: &str) {
    tree.file(at, b"\x82\xa1w\xc7\x04\x01abcd\xa4step\x05");
}

fn tensorflow(tree: &Tree, at: &str) {
    tree.file(&format!("{at}.index"), index()).file(&format!("{at}.data-00000-of-00001"), "");
}

fn deepspeed(tree: &Tree, at: &str) {
    let (_, tag) = at.split_once('/').unwrap();
    tree.file(&format!("{at}/mp_rank_00_model_states.pt"), "").file("run/latest", tag);
}

fn ignite(tree: &Tree, at: &str) {
    tree.file(at, torch(&["model"]));
}

const SAVES: [(Save, &str, &[&str]); 6] = [
    (shards, "step_#", &["seed_#", "run#", "bestFold-#", "stage_#", "layer_#", "expert.#"]),
    (orbax, "ckpt_#", &["seed_#", "agent_#", "replica_#"]),
    (flax, "params_#", &["params_seed_#"]),
    (tensorflow, "ckpt-#", &["fold-#", "cv-#.ckpt"]),
    (deepspeed, "global_step#", &["seed_#", "fold#"]),
    (
        ignite,
        "resnet_#_acc=0.9#.pt",
        &["model_fold_#_acc=0.9#.pt", "model_fold#_acc=0.9#.pt", "resnet_seed_#_f1=0.9#.pth"],
    ),
];

/// A directory with the numbers from 1 to 5 in such a name.
fn numbered(save: Save, name: &str) -> Tree {
    let tree = Tree::new();
    for n in 1..=5 {
        save(&tree, &format!("run/{}", name.replace('#', &n.to_string())));
    }
    tree
}

#[test]
fn what_no_number_orders_is_kept_and_not_counted() {
    for (save, steps, others) in SAVES {
        let gone = |n: u32| steps.replace('#', &n.to_string());
        let want = format!("run: {} {}", gone(1), gone(2));
        assert_eq!(deletions(&numbered(save, steps).scan()), [want], "steps");
        for name in others {
            let scan = numbered(save, name).scan();
            let seen = brief(&scan);
            assert_eq!(seen.matches(" ambiguous").count(), 5, "{name}: {seen}");
            assert_eq!(deletions(&scan), ["run:"], "{name}");
        }
    }
}

/// Where nothing but a name and one size would prove it, such files are nobody's.
#[test]
fn models_of_one_size_are_no_run_of_keras() {
    let is_run = |names: [String; 3]| {
        let tree = Tree::new();
        for name in &names {
            tree.file(&format!("run/{name}.keras"), keras(1000));
        }
        !brief(&tree.scan()).is_empty()
    };
    let of = |name: &str| is_run([1, 2, 3].map(|n| name.replace('#', &n.to_string())));
    for name in ["step_#", "cp-#", "model_0#", "w.iter.#", "fold_2_ep#", "net_seed_3_0#"] {
        assert!(of(name), "{name}");
    }
    for name in [
        "model_fold_#",
        "fold_0#",
        "seed_#",
        "fold_#_acc_0.9#",
        "model_2025011#",
        "model_2025-01-1#",
        "model_2025_01_0#",
        "unet_#28",
        "generator_#0",
        "model_#",
    ] {
        assert!(!of(name), "{name}");
    }
}
