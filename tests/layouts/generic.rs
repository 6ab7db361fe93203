//! Layouts that a person declares.

use crate::tree::{Tree, brief, timeless};
use retain::core::declared::Definition;
use retain::core::policy;
use retain::layout::{self};
use retain::scan::{Scan, ScanOptions};

fn definition(text: &str) -> Definition {
    let (mut layouts, faults) = policy::layouts(&format!("[[layout]]\n{text}"));
    assert_eq!(faults, []);
    layouts.pop().unwrap()
}

fn scan(tree: &Tree, text: &str) -> Scan {
    let layouts = layout::with(&[definition(text)]).unwrap();
    tree.scan_with(&ScanOptions { layouts, ..ScanOptions::default() })
}

#[test]
fn files_with_a_metric_table() {
    let tree = Tree::new();
    for n in 1..=3 {
        tree.file(&format!("run/net-{n}-acc0.{n}.pt"), "weights");
    }
    tree.file("run/net-2-acc0.2.pt.done", "")
        .file("run/net-x-acc0.1.pt", "")
        .file("run/current", "net-2-acc0.2.pt\n")
        .file("results.csv", "iter,loss,note\n0,0.5,a\n1,0.25,b\n2,0.125,c\n");
    let text = r#"
        name = "mine"
        regex = '(?<id>net-(?<step>\d+))-acc(?<metric_acc>[\d.]+)\.pt'
        complete = "{id}-acc0.2.pt.done"
        pointer = "current"
        [layout.metrics]
        file = "../results.csv"
        join = "step"
        column = "iter"
        offset = 1
        keys = ["loss"]
    "#;
    let scan = scan(&tree, text);
    assert_eq!(scan.faults, []);
    insta::assert_snapshot!(timeless(&scan.inventory));
}

#[test]
fn groups_and_directories() {
    let tree = Tree::new();
    tree.file("run/5.weights", "")
        .file("run/5.optim", "")
        .file("run/6.weights", "")
        .file("run/d7/DONE", "")
        .file("run/d7/scores.json", r#"{"f1": 0.75, "name": "x"}"#)
        .file("run/d8/weights", "");
    let groups = r#"
        name = "pairs"
        unit = "group"
        regex = '(?<id>(?<epoch>\d+))\.(weights|optim)'
    "#;
    let found = scan(&tree, groups);
    assert_eq!(brief(&found), "run\n  5\n  6\n");
    let paths = found.inventory.sessions[0].checkpoints[0].paths();
    assert_eq!(*paths, ["run/5.optim".into(), "run/5.weights".into()]);
    let directories = r#"
        name = "dirs"
        unit = "directory"
        regex = 'd(?<step>\d+)'
        complete = "DONE"
        metrics = { file = "{id}/scores.json" }
    "#;
    let found = scan(&tree, directories);
    assert_eq!(brief(&found), "run\n  d7\n  d8 incomplete\n");
    assert_eq!(found.inventory.sessions[0].checkpoints[0].metrics.len(), 1);
}

#[test]
fn what_cannot_be_told_apart_is_kept() {
    let tree = Tree::new();
    tree.file("run/a1.pt", "").file("run/b1.pt", "").file("run/c2.pt", "");
    let text = "name = \"mine\"\nregex = '[abc](?<id>\\d)\\.pt'";
    assert_eq!(brief(&scan(&tree, text)), "run\n  2\n  a1.pt ambiguous\n  b1.pt ambiguous\n");
    // A built-in layout claims it as well.
    tree.hf("hf/checkpoint-5", 5);
    let both = "name = \"mine\"\nunit = \"directory\"\nregex = 'checkpoint-(?<step>\\d+)'";
    assert_eq!(brief(&scan(&tree, both)), "hf\n  checkpoint-5 ambiguous\n");
}

#[test]
fn a_pointer_may_lead_deep_into_a_checkpoint() {
    let text = "name = \"mine\"\nregex = 'd(?<step>\\d)'\nunit = \"directory\"\npointer = \"now\"";
    for (target, is_found, tainted) in [
        ("d1/rank0/model.pt", true, false),
        ("/gone/run/d1/rank0/model.pt", true, false),
        ("/gone/d1/rank0/model.pt", true, true),
        ("/gone/run/d1/d9/model.pt", false, true),
    ] {
        let tree = Tree::new();
        tree.file("run/d1/model.pt", "").file("run/d2/model.pt", "").file("run/now", target);
        let scan = scan(&tree, text);
        let session = &scan.inventory.sessions[0];
        let found = session.checkpoints[0].pointers().len();
        assert_eq!((found, session.tainted.len()), (is_found.into(), tainted.into()), "{target}");
    }
}

#[test]
fn a_pointer_or_a_log_that_cannot_be_read_keeps_the_session() {
    let text = "name = \"mine\"\nregex = 'a(?<step>\\d)'\npointer = \"now\"\n\
        metrics = { file = \"log.csv\", join = \"step\" }";
    for (file, content, part) in [
        ("run/now", "a9", "now names `a9`, which is not here"),
        ("run/log.csv", "step,x\n1,2,3\n", "log.csv: line 2 has 3 fields"),
    ] {
        let tree = Tree::new();
        tree.file("run/a1", "").file(file, content);
        let scan = scan(&tree, text);
        let tainted = &scan.inventory.sessions[0].tainted;
        assert!(tainted.len() == 1 && tainted[0].contains(part), "{tainted:?}");
    }
}
