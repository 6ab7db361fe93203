//! `retain layout test`: the tool to write a layout of one's own with.

use crate::support::{Tree, World};

fn tree(settings: &str) -> Tree {
    let tree = Tree::new();
    tree.file("run/net-1.pt", "")
        .file("run/net-2.pt", "")
        .file("run/7/weights", "")
        .file("run/log.jsonl", "{\"iter\": 1, \"loss\": 0.5}\n")
        .file("other/checkpoint-5/trainer_state.json", "{\"global_step\": 5}")
        .file("retain.toml", settings);
    tree
}

const MINE: &str = "[[layout]]\nname = \"mine\"\nregex = 'net-(?<step>\\d+)\\.pt'\n\
    metrics = { file = \"log.jsonl\", join = \"step\", column = \"iter\", offset = 1 }\n";

#[test]
fn every_entry_is_explained() {
    let tree = tree("");
    let run = World::within(tree.path()).run(["layout", "test"]).ok();
    for line in [
        "other/checkpoint-5: hf_trainer, checkpoint checkpoint-5, step 5, complete\n",
        "run/7: not recognised\n    orbax: no _CHECKPOINT_METADATA in it\n",
        "run/7/weights: not recognised\n",
        "run/net-1.pt: not recognised\n",
    ] {
        assert!(run.stdout.contains(line), "{line}{}", run.stdout);
    }
}

/// What is missing, for names that each framework writes and content that it does not.
#[test]
fn near_misses_are_explained() {
    let tree = Tree::new();
    let empty = [
        ("n/nsml_model/best/weights.bin", "n/nsml_model/best", "nsml", "neither model/ nor"),
        ("h/checkpoint-5/x", "h/checkpoint-5", "hf_trainer", "neither trainer_state.json nor"),
        ("l/epoch=1.ckpt", "l/epoch=1.ckpt", "lightning", "no zip of torch.save"),
        ("o/40/x", "o/40", "orbax", "no _CHECKPOINT_METADATA in it"),
        ("f/model_7", "f/model_7", "flax", "no MessagePack map"),
        ("d/any/.metadata", "d/any", "torch_dcp", "no shard in it"),
        ("s/t/mp_rank_00_model_states.pt", "s/t", "deepspeed", "no file `latest` beside"),
        ("m/iter_0000004/x", "m/iter_0000004", "megatron", "no latest_checkpointed_iteration.txt"),
        ("e/a--x=1/y", "e/a--x=1", "nemo", "no weights/ and context/"),
        ("t/ckpt-3.index", "t/ckpt-3.index", "tensorflow", "of one `ckpt-<n>`"),
        ("t/model.index", "t/model.index", "tensorflow", "does not end in `-` and a number"),
        ("r/checkpoint_000001/x", "r/checkpoint_000001", "ray_tune", "neither result.json nor"),
        (
            "r/checkpoint_2026-01-31_10-00-00.000001/x",
            "r/checkpoint_2026-01-31_10-00-00.000001",
            "ray_train",
            "no checkpoint_manager_snapshot.json beside",
        ),
        ("w/epoch_3.pth", "w/epoch_3.pth", "mmengine", "no last_checkpoint beside"),
        ("i/checkpoint-3.pth.tar", "i/checkpoint-3.pth.tar", "timm", "no last.pth.tar beside"),
        ("u/weights/best.pt", "u/weights/best.pt", "ultralytics", "no args.yaml above"),
        ("u/epoch3.pt", "u/epoch3.pt", "ultralytics", "not in a folder `weights`"),
        ("k/01-0.5.h5", "k/01-0.5.h5", "keras", "no HDF5 file with keras_version"),
        ("k/01-0.5.keras", "k/01-0.5.keras", "keras", "no zip as Keras writes"),
        ("q/checkpoint3.pt", "q/checkpoint3.pt", "fairseq", "no checkpoint_last.pt or"),
        ("a/step_10/x", "a/step_10", "accelerate", "no random_states_<rank>.pkl"),
        (
            "v/0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f/x",
            "v/0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f",
            "determined",
            "no metadata.json with steps_completed",
        ),
        ("y/epoch_1_step_5/x", "y/epoch_1_step_5", "torchtnt", "neither .snapshot_metadata nor"),
        ("g/model_5.pt", "g/model_5.pt", "ignite", "no file of torch.save with a named score"),
        ("c/ep1-ba2-rank0.pt", "c/ep1-ba2-rank0.pt", "composer", "no file of torch.save"),
        ("p/ckpt.pt", "p/ckpt.pt", "nanogpt", "no model_args, iter_num, best_val_loss"),
    ];
    let mut layouts: Vec<&str> = empty.iter().map(|row| row.2).collect();
    layouts.sort_unstable();
    layouts.dedup();
    assert_eq!(layouts.len(), retain::core::policy::LAYOUTS.len(), "each layout has a near miss");
    for (file, ..) in empty {
        tree.file(file, "some content that no framework writes");
    }
    let json = World::within(tree.path()).run(["layout", "test", "--json"]).ok().json();
    let entries = json["entries"].as_array().unwrap();
    for (_, path, layout, text) in empty {
        let entry = entries.iter().find(|e| e["path"] == path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(entry["is"], "unrecognised", "{path}");
        let reasons = entry["reasons"].as_array().unwrap();
        let why =
            reasons.iter().find(|r| r["layout"] == layout).map(|r| r["why"].as_str().unwrap());
        assert!(why.is_some_and(|why| why.contains(text)), "{path} {layout}: {reasons:?}");
    }
}

#[test]
fn a_declared_layout_is_used_by_every_command() {
    let tree = tree(MINE);
    let world = World::within(tree.path());
    let run = world.run(["layout", "test"]).ok();
    for line in [
        "run/net-2.pt: mine, checkpoint net-2.pt, step 2, complete; loss=0.5 (log.jsonl)\n",
        "    mine: its name does not match `net-(?<step>\\d+)\\.pt`\n",
    ] {
        assert!(run.stdout.contains(line), "{line}{}", run.stdout);
    }
    world.run(["ls", "run"]).ok().says("net-1.pt");
    let json = world.run(["layout", "test", "--json"]).ok().json();
    let entries = json["entries"].as_array().unwrap();
    let net = entries.iter().find(|e| e["path"] == "run/net-2.pt").unwrap();
    assert_eq!((&net["is"], &net["layout"]), (&"checkpoint".into(), &"mine".into()));
    assert_eq!(net["metrics"][0]["source"], "log.jsonl");
}

#[test]
fn a_faulty_layout_is_a_usage_error() {
    for (settings, text) in [
        ("[[layout]]\nname = \"a\"\nregex = '('\n", "layout `a`: regex parse error"),
        ("[[layout]]\nname = \"a\"\n", "missing field `regex`"),
        ("[[layout]]\nname = \"nsml\"\nregex = 'x'\n", "built-in layout `nsml`"),
        (&format!("{MINE}{MINE}"), "layout `mine` is there twice"),
    ] {
        let tree = tree(settings);
        World::within(tree.path()).run(["layout", "test"]).code(2).warns(text);
    }
}
