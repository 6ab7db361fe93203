use crate::tree::{Tree, brief, full};

#[test]
fn real_trees() {
    let scan = Tree::unpacked("deepspeed.tar.gz").scan();
    assert_eq!(scan.faults, []);
    insta::assert_snapshot!(full(&scan.inventory));
}

fn tag(tree: &Tree, name: &str) {
    tree.file(&format!("run/{name}/mp_rank_00_model_states.pt"), "")
        .file(&format!("run/{name}/zero_pp_rank_0_mp_rank_00_optim_states.pt"), "");
}

#[test]
fn what_is_newer_than_the_pointer_may_be_unfinished() {
    let tree = Tree::new();
    for name in ["global_step9", "global_step10", "global_step11", "global_step9_universal"] {
        tag(&tree, name);
    }
    std::fs::remove_file(tree.at("run/global_step9/mp_rank_00_model_states.pt")).unwrap();
    tree.file("run/latest", "global_step10")
        .file("run/latest_universal", "global_step9_universal")
        .file("run/zero_to_fp32.py", "")
        .dir("run/logs");
    assert_eq!(
        brief(&tree.scan()),
        "run\n  global_step9 incomplete\n  global_step10 latest <- latest\n  \
        global_step11 incomplete ambiguous\n\
        run#universal\n  global_step9_universal latest <- latest_universal\n"
    );
}

#[test]
fn tags_without_numbers() {
    let tree = Tree::new();
    tag(&tree, "warm");
    tag(&tree, "cold");
    tree.file("run/latest", "cold");
    assert!(brief(&tree.scan()).contains("cold latest <- latest\n"));
}

#[test]
fn a_pointer_to_nothing_keeps_the_session() {
    let tree = Tree::new();
    tag(&tree, "global_step1");
    tree.file("run/latest", "global_step2");
    let scan = tree.scan();
    assert_eq!(
        *scan.inventory.sessions[0].tainted,
        ["run/latest: latest names `global_step2`, which is not here".into()]
    );
}

#[test]
fn without_the_pointer_it_is_not_ours() {
    let tree = Tree::new();
    tag(&tree, "global_step1");
    assert_eq!(brief(&tree.scan()), "");
}
