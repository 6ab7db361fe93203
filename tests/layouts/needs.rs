//! Checkpoints that others cannot be loaded without.

use crate::plans::deletions;
use crate::tree::{Tree, brief};
use retain::scan::Scan;
use std::fs;

/// `SESSION ID: NEEDS` of every checkpoint that needs one, and all faults.
pub fn needs(scan: &Scan) -> Vec<String> {
    let mut out = Vec::new();
    for session in &scan.inventory.sessions {
        for c in session.checkpoints.iter().filter(|c| !c.needs().is_empty()) {
            out.push(format!("{} {}: {}", session.name, c.id, c.needs().join(" ")));
        }
    }
    out.extend(scan.faults.iter().map(|f| format!("! {}: {}", f.path, f.text)));
    out
}

fn adapter(tree: &Tree, path: &str, step: u64, base: &str) {
    let config = serde_json::json!({ "peft_type": "LORA", "base_model_name_or_path": base });
    tree.hf(path, step).file(&format!("{path}/adapter_config.json"), config.to_string());
}

/// A base of ten checkpoints in one session, and an adapter in another.
fn with_base(base: &str) -> Tree {
    let tree = Tree::new();
    for step in 1..=10 {
        tree.hf(&format!("t/base/checkpoint-{step}"), step);
    }
    adapter(&tree, "t/lora/checkpoint-1", 1, base);
    tree
}

#[test]
fn an_adapter_needs_its_base() {
    let found = "t/lora checkpoint-1: t/base/checkpoint-3";
    let own = "t/lora/checkpoint-1/adapter_config.json";
    let gone = |path: &str| format!("! {own}: needs `{path}`, which is not here");
    let table = [
        ("t/base/checkpoint-3", found.to_owned()),
        ("./t/base/checkpoint-3/", found.to_owned()),
        ("base/checkpoint-3", found.to_owned()),
        ("../../base/checkpoint-3", found.to_owned()),
        ("../base/checkpoint-3/model.safetensors", found.to_owned()),
        // Of another machine: the end of the path tells.
        ("/gone/home/t/base/checkpoint-3", found.to_owned()),
        ("C:\\runs\\base\\checkpoint-3", found.to_owned()),
        ("/gone/elsewhere/checkpoint-3", String::new()),
        // Where one was.
        ("../../base/checkpoint-33", gone("../../base/checkpoint-33")),
        ("t/base/checkpoint-33", gone("t/base/checkpoint-33")),
        ("/gone/home/t/base/checkpoint-33/x", gone("/gone/home/t/base/checkpoint-33/x")),
        ("/gone/home/t/bass/checkpoint-33", String::new()),
        // What is no checkpoint.
        ("meta-llama/Llama-2-7b-hf", String::new()),
        ("gpt2", String::new()),
        ("", String::new()),
        (".", String::new()),
        ("../../..", String::new()),
        ("../../../../../../etc", String::new()),
        ("./model", String::new()),
        ("checkpoint-1", String::new()),
    ];
    for (base, want) in table {
        let scan = with_base(base).scan();
        assert_eq!(needs(&scan).join("\n"), want, "{base}");
    }
}

#[test]
fn a_base_stays_that_no_rule_keeps() {
    let tree = with_base("t/base/checkpoint-3");
    let gone = deletions(&tree.scan());
    let rest: Vec<String> = [1, 2, 4, 5, 6, 7].iter().map(|n| format!(" checkpoint-{n}")).collect();
    assert_eq!(gone, [format!("t/base:{}", rest.concat()), "t/lora:".to_owned()]);
}

#[test]
fn an_absolute_path_below_the_root() {
    let tree = with_base("");
    for (path, want) in [
        ("t/base/checkpoint-2", "t/lora checkpoint-1: t/base/checkpoint-2"),
        ("t/base/checkpoint-22", "which is not here"),
        ("models/llama", ""),
    ] {
        let base = tree.path().canonicalize().unwrap().join(path);
        adapter(&tree, "t/lora/checkpoint-1", 1, base.to_str().unwrap());
        let found = needs(&tree.scan()).join("\n");
        assert!(found.ends_with(want) && found.is_empty() == want.is_empty(), "{path}: {found}");
    }
}

#[test]
fn of_equal_endings_all_are_meant() {
    let tree = Tree::new();
    tree.hf("a/base/checkpoint-1", 1).hf("b/base/checkpoint-1", 1).hf("b/other/checkpoint-1", 1);
    adapter(&tree, "c/lora/checkpoint-1", 1, "/gone/base/checkpoint-1");
    assert_eq!(
        needs(&tree.scan()),
        ["c/lora checkpoint-1: a/base/checkpoint-1 b/base/checkpoint-1"]
    );
    adapter(&tree, "c/lora/checkpoint-1", 1, "/gone/b/base/checkpoint-1");
    assert_eq!(needs(&tree.scan()), ["c/lora checkpoint-1: b/base/checkpoint-1"]);
}

/// What bears its name elsewhere may be meant, or may not.
#[test]
fn a_base_that_is_gone_is_missed_whatever_bears_its_name_elsewhere() {
    for base in
        ["../../base/checkpoint-33", "/gone/t/base/checkpoint-33", "ROOT/t/base/checkpoint-33"]
    {
        let tree = with_base("");
        let root = tree.path().canonicalize().unwrap();
        let base = base.replace("ROOT", root.to_str().unwrap());
        adapter(&tree, "t/lora/checkpoint-1", 1, &base);
        tree.hf("u/base/checkpoint-33", 33);
        let found = needs(&tree.scan()).join("\n");
        assert!(found.contains("which is not here"), "{base}: {found}");
        let is_needed = found.starts_with("t/lora checkpoint-1: u/base/checkpoint-33\n");
        assert!(is_needed, "{base}: {found}");
    }
}

#[test]
fn in_one_session_and_through_a_link_and_in_a_loop() {
    let tree = Tree::new();
    adapter(&tree, "run/checkpoint-1", 1, "checkpoint-2");
    adapter(&tree, "run/checkpoint-2", 2, "/gone/renamed/checkpoint-1");
    adapter(&tree, "run/checkpoint-3", 3, "../best");
    adapter(&tree, "run/checkpoint-4", 4, "../checkpoint-4");
    tree.link("run/best", "checkpoint-1").link("run/round", "round");
    adapter(&tree, "run/checkpoint-5", 5, "../round/x");
    let scan = tree.scan();
    assert_eq!(
        needs(&scan),
        [
            "run checkpoint-1: checkpoint-2",
            "run checkpoint-2: checkpoint-1",
            "run checkpoint-3: checkpoint-1",
        ]
    );
    assert_eq!(deletions(&scan), ["run:"], "1 and 2 need each other, and the last three stay");
}

#[test]
fn a_configuration_that_cannot_be_read_keeps_its_session() {
    let long = format!(r#"{{"base_model_name_or_path": "{}"}}"#, "/a".repeat(1 << 20));
    let deep = format!(r#"{{"base_model_name_or_path": "{}"}}"#, "/a".repeat(2000));
    let table = [
        (&*long, "base_model_name_or_path is no path"),
        (&*deep, ""),
        ("{\"base_model_name_or_path\": null}", ""),
        ("{}", ""),
        ("{\"base_model_name_or_path\": 7}", "base_model_name_or_path is no path"),
        ("[]", "base_model_name_or_path is no path"),
        ("{\"base_model", "adapter_config.json is damaged"),
        ("\u{0}\u{0}", "adapter_config.json is damaged"),
    ];
    for (content, want) in table {
        let tree = with_base("");
        tree.file("t/lora/checkpoint-1/adapter_config.json", content);
        let found = needs(&tree.scan()).join("\n");
        assert!(found.contains(want) && found.is_empty() == want.is_empty(), "{content}: {found}");
    }
    let tree = with_base("");
    let path = tree.at("t/lora/checkpoint-1/adapter_config.json");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let scan = tree.scan();
    assert!(needs(&scan)[0].contains("cannot be read"), "{:?}", needs(&scan));
    let tainted: Vec<_> = scan.inventory.sessions.iter().map(|s| !s.tainted.is_empty()).collect();
    assert_eq!(tainted, [false, true]);
}

#[test]
fn a_link_from_inside_a_checkpoint_needs_what_it_leads_to() {
    let shard = "model.safetensors";
    let absolute = |tree: &Tree, path: &str| {
        tree.path().canonicalize().unwrap().join(path).to_str().unwrap().to_owned()
    };
    let found = "run checkpoint-2: checkpoint-1";
    let table: [(&dyn Fn(&Tree) -> String, &str); 9] = [
        (&|_| format!("../checkpoint-1/{shard}"), found),
        (&|t| absolute(t, &format!("run/checkpoint-1/{shard}")), found),
        (&|_| format!("/gone/home/run/checkpoint-1/{shard}"), found),
        (&|_| "../../other/checkpoint-7/x".to_owned(), "run checkpoint-2: other/checkpoint-7"),
        (&|_| "../best/x".to_owned(), found),
        (&|_| "training_args.bin".to_owned(), ""),
        (&|_| "link".to_owned(), ""),
        (&|_| "/etc/hostname".to_owned(), ""),
        (&|_| format!("../checkpoint-9/{shard}"), "which is not here"),
    ];
    for (target, want) in table {
        let tree = Tree::new();
        for step in 1..=6 {
            tree.hf(&format!("run/checkpoint-{step}"), step);
        }
        tree.hf("other/checkpoint-7", 7).link("run/best", "checkpoint-1");
        let target = target(&tree);
        tree.link("run/checkpoint-2/link", &target);
        let found = needs(&tree.scan()).join("\n");
        assert!(found.ends_with(want) && found.is_empty() == want.is_empty(), "{target}: {found}");
    }
}

#[test]
fn shards_that_an_incremental_save_links_to() {
    let tree = Tree::new();
    for step in 1..=6 {
        tree.file(&format!("run/step_{step}/__0_0.distcp"), [7; 5000])
            .file(&format!("run/step_{step}/.metadata"), "m");
    }
    tree.dir("run/step_6/base").link("run/step_6/base/__1_0.distcp", "../../step_1/__0_0.distcp");
    let scan = tree.scan();
    assert_eq!(needs(&scan), ["run step_6: step_1"]);
    assert_eq!(deletions(&scan), ["run: step_2 step_3"]);
    assert!(brief(&scan).starts_with("run\n  step_1\n"));
}
