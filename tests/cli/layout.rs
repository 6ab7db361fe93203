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
        "run/7/weights: not recognised; no layout knows such a name\n",
        "run/net-1.pt: not recognised; no layout knows such a name\n",
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
        ("u/weights/best.pt", "u/weights/best.pt", "ultralytics", "neither args.yaml nor"),
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
        ("z/model_state_e1_b0.th", "z/model_state_e1_b0.th", "allennlp", "no pair of"),
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
        ("[[layout]]\nname = \"a\"\nregex = '('\n", "unclosed group"),
        ("[[layout]]\nname = \"a\"\n", "`regex` is missing"),
        ("[[layout]]\nname = \"nsml\"\nregex = 'x'\n", "a built-in layout called `nsml`"),
        (&format!("{MINE}{MINE}"), "two of [[layout]] are called `mine`"),
        ("layout = 3\n", "`layout` takes a list of tables"),
    ] {
        let tree = tree(settings);
        World::within(tree.path()).run(["layout", "test"]).code(2).warns(text);
    }
    // All of them at once, each with its place, as in a policy.
    let tree = tree("roots = [\".\"]\n[[layout]]\nname = \"a\"\nregex = '('\npointer = \"a/b\"\n");
    let run = World::within(tree.path()).run(["ls"]).code(2);
    for text in ["retain.toml:4:9", "retain.toml:5:11", "E0209-regex", "E0803-layout-file"] {
        assert!(run.stderr.contains(text), "{text}\n{}", run.stderr);
    }
}

const POLICY: &str = "version = 1\n[[policy]]\nmatch = { layout = \"mine\" }\n\
    keep = [{ last = 1 }]\nmin-age = \"0s\"\n";

/// A policy may bring the layout that its rules are about; a plan holds what was recognised by it.
#[test]
fn a_policy_declares_a_layout() {
    let tree = tree("policy = \"policy.toml\"\n");
    tree.file("policy.toml", format!("{POLICY}{MINE}"));
    let world = World::within(tree.path());
    world.run(["policy", "check"]).ok();
    world.run(["ls", "run"]).ok().says("net-1.pt");
    let run = world.run(["layout", "test"]).ok();
    assert!(
        run.stdout.contains("run/net-2.pt: mine, checkpoint net-2.pt, step 2, complete; loss=0.5")
    );
    world.run(["init"]).ok();
    let plan = world.home().join("plan.json");
    let plan = plan.to_str().unwrap();
    world.run(["plan", "-o", plan]).ok();

    // The plan is carried out as it was made, whatever is declared now.
    tree.file("policy.toml", POLICY);
    world.run(["apply", plan, "--yes"]).ok().says("1 checkpoint");
    assert!(!tree.path().join("run/net-1.pt").exists());
    assert!(tree.path().join("run/net-2.pt").exists());
    world.run(["undo", "last"]).ok();
    assert!(tree.path().join("run/net-1.pt").exists());
}

#[test]
fn two_declarations_of_one_name_are_refused() {
    let tree = tree(&format!("policy = \"policy.toml\"\n{MINE}"));
    tree.file("policy.toml", format!("{POLICY}{MINE}"));
    let world = World::within(tree.path());
    for verb in [&["ls"][..], &["plan"], &["layout", "test"]] {
        world.run(verb.iter().copied()).code(2).warns("both declare a layout `mine`");
    }
}

/// What is recognised depends on the layouts alone: other faults of a policy are for `plan`.
#[test]
fn a_faulty_policy_does_not_hide_its_layouts() {
    let tree = tree("policy = \"policy.toml\"\n");
    tree.file("policy.toml", format!("{MINE}[[policy]]\nkeep = 3\n"));
    let world = World::within(tree.path());
    world.run(["ls", "run"]).ok().says("net-1.pt");
    world.run(["plan"]).code(2);
    tree.file("policy.toml", "[[layout]]\nname = \"mine\"\nregex = '('\n");
    world.run(["ls"]).code(2).warns("unclosed group");
}

/// What scripts of their own leave; nothing here is a framework's.
fn strangers() -> Tree {
    let tree = Tree::new();
    for (n, acc) in [(1, "0.5"), (2, "0.75"), (10, "0.93")] {
        tree.file(format!("out/model_{n:04}.pth"), "weights")
            .file(format!("h5/weights_e{n}_acc{acc}.h5"), "weights")
            .file(format!("exp/run1/step-{n:06}/model.bin"), "weights")
            .file(format!("exp/run1/step-{n:06}/scores.json"), "{\"f1\": 0.5}")
            .file(format!("exp/run2/step-{n:06}/model.bin"), "weights")
            .file(format!("pairs/{n}.weights"), "weights")
            .file(format!("pairs/{n}.optim"), "state")
            .file(format!("ranks/net_it{n}_rank0.bin"), "weights")
            .file(format!("ranks/net_it{n}_rank1.bin"), "weights")
            .file(format!("marked/snap-{n}.npz"), "weights")
            .file(format!("images/{n:05}.png"), "image")
            .file(format!("classes/{n}/a.png"), "image");
    }
    tree.file("marked/snap-1.npz.done", "")
        .file("marked/snap-2.npz.done", "")
        .file("out/train.csv", "epoch,iter,loss\n0,0,0.9\n0,1,0.5\n1,9,0.25\n")
        .file("out/the_best.txt", "/old/place/model_0002.pth\n")
        .file("exp/run1/step-000001/DONE", "")
        .file("exp/run1/step-000002/DONE", "");
    tree
}

/// The owner of such a directory copies what is proposed; it declares what was meant.
#[test]
fn a_stranger_is_shown_what_to_declare() {
    let tree = strangers();
    let world = World::within(tree.path());
    let run = world.run(["layout", "test"]).ok();
    assert!(run.stdout.contains("pairs/1.optim: not recognised; no layout knows such a name"));
    let (_, proposed) = run.stdout.split_once("\n\n").unwrap();
    insta::assert_snapshot!(proposed);

    tree.file("retain.toml", proposed);
    let json = world.run(["layout", "test", "--json"]).ok().json();
    assert_eq!(json["proposals"], serde_json::json!([]), "nothing is left to propose");
    let mut seen: Vec<String> = Vec::new();
    for entry in json["entries"].as_array().unwrap() {
        let path = entry["path"].as_str().unwrap();
        if entry["is"] == "checkpoint" {
            let complete = if entry["complete"] == true { "" } else { " unfinished" };
            let metrics = entry["metrics"].as_array().unwrap().iter();
            let metrics: Vec<String> = metrics
                .map(|m| format!(" {}={}", m["name"].as_str().unwrap(), m["value"]))
                .collect();
            seen.push(format!(
                "{path}: {} {} step {} epoch {}{complete}{}",
                entry["layout"],
                entry["id"],
                entry["step"],
                entry["epoch"],
                metrics.concat()
            ));
        } else {
            let is_data = ["images", "classes", "out/train.csv", "out/the_best.txt", "retain.toml"];
            assert!(is_data.iter().any(|d| path.starts_with(d)), "{path}");
        }
    }
    insta::assert_snapshot!(seen.join("\n"));
}

/// It reads only: a part of a root that works is looked at as that part.
#[test]
fn a_part_of_a_root_is_shown_as_such() {
    let tree = tree(MINE);
    tree.symlink("other/latest.pt", "../run/net-1.pt").file("runner/x", "");
    let outside = World::new();
    outside.run(["init", tree.path().to_str().unwrap()]).ok();
    let before = crate::support::Snapshot::of(tree.path());
    let part = tree.at("run").to_str().unwrap().to_owned();
    for (world, dir) in
        [(&outside, &*part), (&World::within(tree.path()), "run"), (&World::within(&part), ".")]
    {
        let run = world.run(["layout", "test", dir]).ok().warns("run in the root");
        // What stands beside it counts, and is not shown.
        run.says(
            "run/net-1.pt: mine, checkpoint net-1.pt, step 1, complete, latest, named by other/latest.pt",
        );
        let run = world.run(["layout", "test", dir]).ok().says("run/7/weights: not recognised");
        assert!(
            run.stdout.lines().all(|l| l.starts_with("run/") || l.starts_with("    ")),
            "{run}"
        );
        let json = world.run(["layout", "test", dir, "--json"]).ok().json();
        let entries = json["entries"].as_array().unwrap();
        assert!(entries.iter().all(|e| e["path"].as_str().unwrap().starts_with("run/")), "{json}");
    }
    let all = World::within(tree.path()).run(["layout", "test", "."]).ok();
    assert!(all.stdout.contains("other/") && all.stdout.contains("runner/"), "{all}");
    before.assert_same(&crate::support::Snapshot::of(tree.path()));
    outside.run(["layout", "test", "/etc"]).code(6);
}

/// What a script saves at the end of a run: the newest of all, though its name does not tell.
#[test]
fn a_last_save_without_a_number_is_not_taken_for_the_oldest() {
    let policy = |more: &str| {
        format!(
            "version = 1\nmin-age = \"0s\"\n{more}[[layout]]\nname = \"nets\"\n\
             regex = 'net-(?:(?<step>\\d+)|final)\\.pt'\n[[policy]]\nkeep = [{{ last = 1 }}]\n"
        )
    };
    let tree = Tree::new();
    let saves =
        ["net-100.pt", "net-200.pt", "net-300.pt", "net-final.pt"].map(|n| format!("run/{n}"));
    for (path, age) in saves.iter().zip([40, 30, 20, 10]) {
        tree.file(path, "weights").written_ago(path, age * 86_400);
    }
    tree.file("policy.toml", policy("")).file("retain.toml", "policy = \"policy.toml\"\n");
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    let kept = "kept whole until the policy says restarted = \"by-time\"";
    world.run(["apply", "--yes"]).ok().says(kept);
    assert!(saves.iter().all(|path| tree.exists(path)));
    tree.file("policy.toml", policy("restarted = \"by-time\"\n"));
    world.run(["apply", "--yes"]).ok();
    assert_eq!(saves.each_ref().map(|path| tree.exists(path)), [false, false, false, true]);
}

/// What is said of a part is a line, whatever the part is called.
#[test]
fn a_line_end_in_a_name_begins_no_line() {
    let tree = Tree::new();
    let name = "run\nerror: all is well";
    tree.file(format!("{name}/checkpoint-5/trainer_state.json"), "{");
    tree.file(format!("{name}/checkpoint-5/model.safetensors"), "");
    let world = World::new();
    world.run(["init", tree.path().to_str().unwrap()]).ok();
    let before = crate::support::Snapshot::of(tree.path());
    let run = world.run(["layout", "test", tree.at(name).to_str().unwrap()]).ok();
    let run = run.warns("run\\nerror: all is well in the root").warns("is damaged");
    let both = [&run.stdout, &run.stderr];
    assert!(!both.iter().any(|text| text.lines().any(|l| l.starts_with("error"))), "{run}");
    before.assert_same(&crate::support::Snapshot::of(tree.path()));
}
