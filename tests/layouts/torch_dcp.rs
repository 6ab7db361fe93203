use crate::tree::{Tree, brief, full};

#[test]
fn real_trees() {
    let scan = Tree::unpacked("torch_dcp.tar.gz").scan();
    assert_eq!(scan.faults, []);
    assert_eq!(scan.unrecognised.files, 0);
    insta::assert_snapshot!(full(&scan.inventory));
}

#[test]
fn parts_of_one_checkpoint_are_never_told_apart_by_a_rule() {
    let tree = Tree::new();
    for part in ["step_1/model", "step_1/optim", "step_2/rank_0", "step_2/rank_1", "run/step-5"] {
        tree.file(&format!("{part}/__0_0.distcp"), "").file(&format!("{part}/.metadata"), "");
    }
    tree.file("run/step-6/__0_0.distcp", "").file("run/step-6/.metadata.tmp", "");
    tree.file("run/step-7/__0_0.distcp", "").file("run/step-7/__0.metadata", "");
    tree.file("run/step-8/_0_0.distcp", "").file("run/step-8/.metadata", "");
    assert_eq!(
        brief(&tree.scan()),
        "run\n  step-5\n  step-6 incomplete\n  step-7\n\
        step_1\n  model ambiguous\n  optim ambiguous\n\
        step_2\n  rank_0 ambiguous\n  rank_1 ambiguous\n"
    );
}

#[test]
fn inside_of_another_framework_it_is_not_seen() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-5", 5)
        .file("run/checkpoint-5/pytorch_model_fsdp_0/__0_0.distcp", "")
        .file("run/checkpoint-5/pytorch_model_fsdp_0/.metadata", "");
    assert_eq!(brief(&tree.scan()), "run\n  checkpoint-5\n");
}
