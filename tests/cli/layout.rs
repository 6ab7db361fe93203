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
