//! Built from what Megatron-LM's source says that it writes.

use crate::tree::{Tree, brief};

fn legacy(tree: &Tree, path: &str) {
    for rank in ["mp_rank_00", "mp_rank_01"] {
        tree.file(&format!("{path}/{rank}/model_optim_rng.pt"), "");
    }
}

fn dist(tree: &Tree, path: &str) {
    for file in [".metadata", "__0_0.distcp", "common.pt", "metadata.json"] {
        tree.file(&format!("{path}/{file}"), "");
    }
}

#[test]
fn what_is_above_the_pointer_is_unfinished() {
    let tree = Tree::new();
    legacy(&tree, "run/iter_0000010");
    dist(&tree, "run/iter_0000020");
    dist(&tree, "run/iter_0000030");
    tree.file("run/iter_0000015/mp_rank_00/model_optim_rng.pt", "")
        .dir("run/iter_0000015/mp_rank_01");
    tree.file("run/iter_0000016/__0_0.distcp", "").file("run/iter_0000016/common.pt", "");
    tree.dir("run/iter_0000017").dir("run/iter_5");
    tree.file("run/iter_0000040/__0_0.distcp", "").file("run/iter_0000040/common.pt", "");
    tree.file("run/latest_checkpointed_iteration.txt", "20\n")
        .file("run/progress.txt", "")
        .dir("run/tensorboard");
    assert_eq!(
        brief(&tree.scan()),
        "run\n  iter_0000010\n  iter_0000015 incomplete\n  iter_0000016 incomplete\n  \
        iter_0000020 latest <- latest_checkpointed_iteration.txt\n  iter_0000030 incomplete ambiguous\n  \
        iter_0000040 incomplete\n"
    );
}

#[test]
fn links_releases_and_short_lived_ones_are_never_candidates() {
    let tree = Tree::new();
    dist(&tree, "run/iter_0000010");
    dist(&tree, "store/x");
    legacy(&tree, "run/release");
    dist(&tree, "run/non_persistent/iter_0000012");
    tree.file("run/non_persistent/latest_checkpointed_iteration.txt", "12");
    tree.link("run/iter_0000020", "../store/x");
    tree.file("run/latest_checkpointed_iteration.txt", "20");
    let scan = tree.scan();
    assert_eq!(brief(&scan), "run\n  iter_0000010\n");
    let never: Vec<&str> = scan.never.iter().map(|n| &*n.0).collect();
    assert_eq!(never, ["run/non_persistent", "run/release"]);
}

#[test]
fn a_pointer_that_does_not_resolve_keeps_the_session() {
    for (content, text) in [
        ("30", "iteration 30 is not here"),
        ("", "`` is no iteration"),
        ("-1", "`-1` is no iteration"),
        ("metadata", "`metadata` is no iteration"),
    ] {
        let tree = Tree::new();
        dist(&tree, "run/iter_0000010");
        tree.file("run/latest_checkpointed_iteration.txt", content);
        let scan = tree.scan();
        let tainted = &scan.inventory.sessions[0].tainted;
        assert!(tainted.len() == 1 && tainted[0].ends_with(text), "{content}: {tainted:?}");
    }
    let tree = Tree::new();
    dist(&tree, "run/iter_0000010");
    tree.file("run/latest_checkpointed_iteration.txt", "release");
    assert_eq!(brief(&tree.scan()), "run\n  iter_0000010\n");
}

#[test]
fn without_the_pointer_it_is_not_ours() {
    let tree = Tree::new();
    dist(&tree, "run/iter_0000010");
    legacy(&tree, "old/iter_0000010");
    assert_eq!(brief(&tree.scan()), "");
}
