use crate::plans::deletions;
use crate::tree::{Tree, brief, full};
use retain::core::model::Step;

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

/// What Composer and others put before the batch: it is counted on from one epoch to the next.
#[test]
fn epochs_are_one_run_while_steps_go_on() {
    let tree = Tree::new();
    let save = |name: &str| {
        tree.file(&format!("{name}/__0_0.distcp"), "").file(&format!("{name}/.metadata"), "");
    };
    for n in 1..=6 {
        save(&format!("run/ep{}-ba{}00", n / 3, n));
    }
    assert_eq!(deletions(&tree.scan()), ["run: ep0-ba100 ep0-ba200 ep1-ba300"]);
    let c = &tree.scan().inventory.sessions[0].checkpoints[5];
    assert_eq!((c.step, c.epoch), (Some(Step::Whole(600)), Some(Step::Whole(2))));
    // Here each epoch begins anew: the greatest step is not the newest.
    save("run/ep3-ba50");
    assert_eq!(
        deletions(&tree.scan()),
        ["run#ep0-ba:", "run#ep1-ba:", "run#ep2-ba:", "run#ep3-ba:"]
    );
}

/// Fabric's `meta.pt` comes after `.metadata`, and nothing is loaded without it.
#[test]
fn what_fabric_did_not_finish_is_not_counted_and_not_given_up() {
    let tree = Tree::new();
    for n in 1..=5 {
        tree.file(&format!("run/step-{n}/__0_0.distcp"), "")
            .file(&format!("run/step-{n}/.metadata"), "");
        if n < 5 {
            tree.file(&format!("run/step-{n}/meta.pt"), "");
        }
        tree.file(&format!("run/plain-{n}/__0_0.distcp"), "")
            .file(&format!("run/plain-{n}/.metadata"), "");
    }
    let scan = tree.scan();
    assert!(brief(&scan).ends_with("  step-4\n  step-5 incomplete ambiguous\n"));
    assert_eq!(deletions(&scan), ["run#plain: plain-1 plain-2", "run#step: step-1"]);
}

#[test]
fn inside_of_another_framework_it_is_not_seen() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-5", 5)
        .file("run/checkpoint-5/pytorch_model_fsdp_0/__0_0.distcp", "")
        .file("run/checkpoint-5/pytorch_model_fsdp_0/.metadata", "");
    assert_eq!(brief(&tree.scan()), "run\n  checkpoint-5\n");
}
