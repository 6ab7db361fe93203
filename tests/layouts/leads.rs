//! Texts that name a checkpoint of another folder, or of none.

use crate::needs::needs;
use crate::plans::deletions;
use crate::tree::{Tree, brief};
use retain::scan::Scan;

/// Runs of ten checkpoints each; the newest of the last one names `best`.
fn runs(names: &[&str], best: &str) -> Tree {
    let tree = Tree::new();
    for run in names {
        for step in 1..=10 {
            tree.hf(&format!("{run}/checkpoint-{step}00"), step * 100);
        }
    }
    let state = serde_json::json!({ "global_step": 1000, "best_model_checkpoint": best });
    let last = names.last().unwrap();
    tree.file(&format!("{last}/checkpoint-1000/trainer_state.json"), state.to_string());
    tree
}

/// All pointers, as `PATH <- NAME`.
fn pointers(tree: &Tree) -> Vec<String> {
    let scan = tree.scan();
    assert_eq!(scan.faults, []);
    let mut out = Vec::new();
    for session in &scan.inventory.sessions {
        for c in &session.checkpoints {
            let shown = |p: &retain::core::model::Pointer| {
                let external = if p.external { " (external)" } else { "" };
                format!("{}/{} <- {}{external}", session.name, c.id, p.name)
            };
            out.extend(c.pointers().iter().map(shown));
        }
    }
    out
}

#[test]
fn the_best_is_found_where_its_whole_path_leads() {
    let own = "b/checkpoint-100 <- best_model_checkpoint";
    let other = "a/checkpoint-100 <- b/checkpoint-1000/trainer_state.json (external)";
    let table: [(&str, &[&str]); 9] = [
        ("b/checkpoint-100", &[own]),
        ("checkpoint-100", &[own]),
        ("/gone/root/b/checkpoint-100", &[own]),
        ("../b/./checkpoint-100/", &[own]),
        // Of the run that this one went on from.
        ("a/checkpoint-100", &[other, own]),
        ("../../a/checkpoint-100", &[other, own]),
        ("/gone/root/a/checkpoint-100", &[other, own]),
        // It was moved or renamed: its own name alone fits.
        ("/gone/c/checkpoint-100", &[own]),
        ("/old/checkpoint-200/dpo/checkpoint-100", &[own]),
    ];
    for (best, want) in table {
        assert_eq!(pointers(&runs(&["a", "b"], best)), want, "{best}");
    }
    let tree = runs(&["a", "b"], "");
    let best = tree.path().canonicalize().unwrap().join("a/checkpoint-100");
    let state = serde_json::json!({ "global_step": 1000, "best_model_checkpoint": best });
    tree.file("b/checkpoint-1000/trainer_state.json", state.to_string());
    assert_eq!(pointers(&tree), [other, own]);
}

#[test]
fn a_best_that_is_only_elsewhere_is_no_fault() {
    for best in ["a/checkpoint-5", "/gone/root/a/checkpoint-5"] {
        let tree = runs(&["b"], best);
        let lost = "best_model_checkpoint names";
        assert!(brief(&tree.scan()).contains(lost), "{best}");
        tree.hf("a/checkpoint-5", 5);
        let want = "a/checkpoint-5 <- b/checkpoint-1000/trainer_state.json (external)";
        assert_eq!(pointers(&tree), [want], "{best}");
    }
    let tree = runs(&["b"], "/gone/c/checkpoint-5");
    tree.hf("a/checkpoint-5", 5);
    assert!(brief(&tree.scan()).contains("(tainted)"), "only the last component fits");
    let tree = runs(&["a", "a/b"], "checkpoint-5");
    tree.hf("a/checkpoint-5", 5);
    assert!(brief(&tree.scan()).contains("a/b (tainted)"), "a name alone is one beside it");
}

/// P15: what is called so in another run has nothing to do with it.
#[test]
fn a_best_that_is_gone_keeps_its_session_whatever_bears_its_name_elsewhere() {
    let absolute = |tree: &Tree, path: &str| {
        tree.path().canonicalize().unwrap().join(path).to_str().unwrap().to_owned()
    };
    let table: [&dyn Fn(&Tree) -> String; 6] = [
        &|tree| absolute(tree, "a/results/checkpoint-5"),
        &|_| "./results/checkpoint-5".to_owned(),
        &|_| "a/results/checkpoint-5".to_owned(),
        // The root was moved, and the run renamed; into the checkpoint.
        &|_| "/gone/root/a/results/checkpoint-5".to_owned(),
        &|_| "/gone/root/x/results/checkpoint-5".to_owned(),
        &|_| "/gone/root/a/results/checkpoint-5/pytorch_model/x.pt".to_owned(),
    ];
    for (by_text, best) in [false, true].into_iter().flat_map(|by| table.map(|best| (by, best))) {
        let tree = runs(&["a/results"], "");
        let best = best(&tree);
        if by_text {
            tree.hf("a/results/checkpoint-1000", 1000).file("a/results/latest", &best);
        } else {
            let state = serde_json::json!({ "global_step": 1000, "best_model_checkpoint": best });
            tree.file("a/results/checkpoint-1000/trainer_state.json", state.to_string());
        }
        let is_kept = |scan: &Scan| {
            let tainted = scan.inventory.sessions.iter().map(|s| s.tainted.len());
            deletions(scan)[0] == "a/results:" && tainted.sum::<usize>() == 1
        };
        assert!(is_kept(&tree.scan()), "{best}");
        for step in 5..10 {
            tree.hf(&format!("b/results/checkpoint-{step}"), step);
        }
        let scan = tree.scan();
        assert!(is_kept(&scan), "{best}: {}", brief(&scan));
        // Unsure means keep: it may be that one all the same.
        assert_eq!(deletions(&scan)[1], "b/results: checkpoint-6", "{best}");
    }
}

#[test]
fn what_was_moved_along_is_found() {
    let table = [
        ("/old/proj/a/checkpoint-5", false),
        ("/old/proj/a/checkpoint-5/x", false),
        // There is one at another place too.
        ("/old/a/checkpoint-5", false),
        ("/old/proj/c/checkpoint-5", true),
        ("/old/proj/c/a/b/checkpoint-5", true),
        // Passed through on the way to one that is not here.
        ("/old/proj/a/checkpoint-5/checkpoint-6", true),
        ("/old/proj/a/checkpoint-5/dpo/checkpoint-6", true),
    ];
    for (best, is_lost) in table {
        let tree = runs(&["moved/proj/b"], best);
        tree.hf("moved/proj/a/checkpoint-5", 5).hf("a/checkpoint-5", 5);
        let tainted = brief(&tree.scan()).contains("moved/proj/b (tainted)");
        assert_eq!(tainted, is_lost, "{best}");
    }
}

/// Where everybody saves to a directory of the same name, an ending says nothing.
#[test]
fn namesakes_of_a_best_that_is_here_are_not_protected_for_it() {
    let best = "/opt/ml/checkpoints/checkpoint-500";
    let own = "x/checkpoint-500 <- best_model_checkpoint";
    let tree = runs(&["x"], best);
    assert_eq!(pointers(&tree), [own]);
    tree.hf("y1/checkpoints/checkpoint-500", 500);
    let other = "y1/checkpoints/checkpoint-500 <- x/checkpoint-1000/trainer_state.json (external)";
    assert_eq!(pointers(&tree), [own, other], "it alone may be meant");
    tree.hf("y2/checkpoints/checkpoint-500", 500);
    assert_eq!(pointers(&tree), [own]);
}

/// One for each of as many runs would be the square of them.
#[test]
fn what_is_gone_and_has_many_namesakes_protects_its_session_and_none_of_them() {
    let tree = Tree::new();
    let best = "/opt/ml/checkpoints/checkpoint-500";
    tree.hf("x/checkpoints/checkpoint-100", 100).file("x/checkpoints/latest", best);
    for run in 1..=17 {
        let scan = tree.scan();
        assert_eq!(scan.inventory.sessions[0].tainted.len(), 1, "{run}");
        let found = brief(&scan).matches("<- x/checkpoints/latest").count();
        assert_eq!(found, run - 1, "{run}");
        tree.hf(&format!("y{run}/checkpoints/checkpoint-500"), 500);
    }
    let shown = brief(&tree.scan());
    assert!(shown.starts_with("x/checkpoints (tainted)"), "{shown}");
    assert!(!shown.contains("<-"), "{shown}");
    // But what was moved along is no namesake.
    tree.file("x/z/latest", "/old/checkpoints/checkpoint-500").hf("x/z/checkpoint-100", 100);
    tree.hf("x/checkpoints/checkpoint-500", 500);
    let shown = brief(&tree.scan());
    assert!(shown.contains("checkpoint-500 latest <- latest <- x/z/latest (external)"), "{shown}");
    assert!(!shown.contains("tainted"), "{shown}");
}

#[test]
fn a_relative_output_directory_of_many_is_each_ones_own() {
    let tree = runs(&["u/results", "v/results"], "./results/checkpoint-100");
    assert_eq!(pointers(&tree), ["v/results/checkpoint-100 <- best_model_checkpoint"]);
}

#[test]
fn a_text_that_only_passes_through_a_checkpoint_leads_nowhere() {
    let table = [
        ("/data/checkpoint-2/x/checkpoint-9", true),
        ("/data/checkpoint-2/checkpoint-9", true),
        ("/data/checkpoint-2/x/y", true),
        ("/data/checkpoint-2/x/checkpoint-9/y", true),
        ("/data/checkpoint-9/checkpoint-2", false),
        // The folder's own name stands before it.
        ("/data/run/checkpoint-2/x/y", false),
        ("checkpoint-2/x/y", false),
        ("checkpoint-2/model.safetensors", false),
        // Elsewhere below the root.
        ("../other/checkpoint-9", false),
    ];
    for (content, tainted) in table {
        let tree = Tree::new();
        tree.hf("run/checkpoint-2", 2).hf("other/checkpoint-9", 9).file("run/latest", content);
        let scan = tree.scan();
        let run = scan.inventory.sessions.iter().find(|s| &*s.name == "run").unwrap();
        assert_eq!(!run.tainted.is_empty(), tainted, "{content}: {:?}", run.tainted);
        // Where it may be meant it is protected, whether or not the rest is.
        let named = !run.checkpoints[0].pointers().is_empty();
        let is_other = content.contains("checkpoint-9") && !content.ends_with("checkpoint-2");
        assert_eq!(named, !is_other, "{content}");
    }
    let tree = Tree::new();
    tree.hf("run/checkpoint-2", 2).hf("other/checkpoint-9", 9);
    tree.file("run/latest", "../other/checkpoint-9");
    assert_eq!(pointers(&tree), ["other/checkpoint-9 <- run/latest (external)"]);
}

#[test]
fn what_is_led_to_stays() {
    let all = |run: &str, steps: &[u64]| {
        let gone: Vec<String> = steps.iter().map(|n| format!(" checkpoint-{n}00")).collect();
        format!("{run}:{}", gone.concat())
    };
    let tree = runs(&["a", "b"], "/gone/root/a/checkpoint-300");
    let rest = [1, 2, 4, 5, 6, 7];
    assert_eq!(deletions(&tree.scan()), [all("a", &rest), all("b", &rest)]);
}

fn config(base: &str) -> String {
    serde_json::json!({ "peft_type": "LORA", "base_model_name_or_path": base }).to_string()
}

#[test]
fn an_adapter_with_a_name_lies_one_level_down() {
    let tree = runs(&["a"], "a/checkpoint-1000");
    tree.hf("lora/checkpoint-1", 1)
        .file("lora/checkpoint-1/style/adapter_config.json", config("a/checkpoint-300"))
        .file("lora/checkpoint-1/style/adapter_model.safetensors", "w");
    assert_eq!(needs(&tree.scan()), ["lora checkpoint-1: a/checkpoint-300"]);
    tree.file("lora/checkpoint-1/style/adapter_config.json", "{");
    assert!(needs(&tree.scan())[0].contains("style/adapter_config.json: adapter_config.json is"));
}

#[test]
fn an_adapter_that_is_no_checkpoint_protects_its_base() {
    let want = "a/checkpoint-300 <- lora-final/adapter_config.json (external)";
    let table: [(&str, &[&str]); 6] = [
        ("a/checkpoint-300", &[want]),
        ("../a/checkpoint-300", &[want]),
        ("/gone/root/a/checkpoint-300", &[want]),
        ("a/checkpoint-31", &[]),
        ("meta-llama/Llama-2-7b-hf", &[]),
        ("gpt2", &[]),
    ];
    for (base, want) in table {
        let tree = runs(&["a"], "a/checkpoint-300");
        tree.hf("a/checkpoint-1000", 1000)
            .file("lora-final/adapter_config.json", config(base))
            .file("lora-final/adapter_model.safetensors", "w");
        assert_eq!(pointers(&tree), want, "{base}");
    }
}
