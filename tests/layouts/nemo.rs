//! Built from what `NeMo`'s source says that it writes.

use crate::plans::deletions;
use crate::tree::{Tree, brief, timeless};

fn nemo2(tree: &Tree, path: &str) {
    tree.file(&format!("{path}/weights/__0_0.distcp"), "")
        .file(&format!("{path}/weights/.metadata"), "")
        .file(&format!("{path}/context/model.yaml"), "");
}

#[test]
fn directories() {
    let tree = Tree::new();
    nemo2(&tree, "run/checkpoints/default--val_loss=0.0300-epoch=2-consumed_samples=80.0");
    nemo2(&tree, "run/checkpoints/default--val_loss=0.0200-epoch=3-consumed_samples=120.0");
    nemo2(&tree, "run/checkpoints/default--val_loss=0.0200-epoch=3-consumed_samples=120.0-last");
    nemo2(&tree, "run/checkpoints/default--val_loss=0.0100-epoch=4-consumed_samples=160.0");
    tree.file(
        "run/checkpoints/default--val_loss=0.0100-epoch=4-consumed_samples=160.0-unfinished",
        "",
    )
    .file("run/checkpoints/default--val_loss=0.0400-epoch=1/context/model.yaml", "")
    .dir("run/checkpoints/default--val_loss=0.0400-epoch=1/weights")
    .file("run/checkpoints/default.nemo", "");
    let scan = tree.scan();
    insta::assert_snapshot!(timeless(&scan.inventory));
    assert_eq!(scan.never.len(), 1);
    assert_eq!(scan.unrecognised.files, 0);
}

#[test]
fn files_of_all_ranks_are_one_checkpoint() {
    let tree = Tree::new();
    for rank in ["mp_rank_00", "mp_rank_01"] {
        for (name, step) in [("gpt--loss=0.3-step=10", 10), ("gpt--loss=0.2-step=20", 20)] {
            tree.ckpt(&format!("run/checkpoints/{rank}/{name}.ckpt"), 0, step);
        }
    }
    tree.ckpt("run/checkpoints/mp_rank_00/gpt--loss=0.1-step=30.ckpt", 0, 30)
        .ckpt("run/checkpoints/mp_rank_00/gpt--loss=0.2-step=20-last.ckpt", 0, 20)
        .ckpt("run/checkpoints/mp_rank_01/gpt--loss=0.2-step=20-last.ckpt", 0, 20)
        .ckpt("run/checkpoints/mp_rank_00/gpt--loss=0.3-step=10-EMA.ckpt", 0, 10)
        .ckpt("run/checkpoints/mp_rank_01/gpt--loss=0.3-step=10-EMA.ckpt", 0, 10)
        .file("run/checkpoints/gpt--loss=0.2-step=20-unfinished", "");
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  gpt--loss=0.1-step=30.ckpt incomplete\n  \
        gpt--loss=0.2-step=20-last.ckpt latest\n  gpt--loss=0.2-step=20.ckpt incomplete\n  \
        gpt--loss=0.3-step=10.ckpt\n"
    );
    assert_eq!(scan.unrecognised.files, 0);
    let paths = |i: usize| scan.inventory.sessions[0].checkpoints[i].paths().join(" ");
    let at = |rank: &str, name: &str| format!("run/checkpoints/{rank}gpt--loss={name}");
    assert_eq!(
        paths(3),
        [
            at("mp_rank_00/", "0.3-step=10.ckpt"),
            at("mp_rank_01/", "0.3-step=10.ckpt"),
            at("mp_rank_00/", "0.3-step=10-EMA.ckpt"),
            at("mp_rank_01/", "0.3-step=10-EMA.ckpt"),
        ]
        .join(" ")
    );
    assert!(paths(2).ends_with(&at("", "0.2-step=20-unfinished")));
    assert_eq!(scan.inventory.sessions[0].checkpoints[3].files, 4);
}

#[test]
fn files_in_one_folder() {
    let tree = Tree::new();
    tree.ckpt("run/asr--wer=0.30-epoch=1.ckpt", 1, 10)
        .ckpt("run/asr--wer=0.30-epoch=1-last.ckpt", 1, 10)
        .ckpt("run/asr--wer=0.20-epoch=2-EMA.ckpt", 2, 20)
        .file("run/asr--wer=0.10-epoch=3.ckpt", &crate::tree::lightning_file(3, 30)[..40]);
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  asr--wer=0.10-epoch=3.ckpt incomplete\n  asr--wer=0.30-epoch=1-last.ckpt latest\n  \
        asr--wer=0.30-epoch=1.ckpt\n"
    );
    assert_eq!(scan.never.len(), 1, "averaged weights without their checkpoint");
}

/// What `llm.import_ckpt` makes in `$NEMO_MODELS_CACHE`, one directory for each model.
#[test]
fn imported_models_are_no_run() {
    let tree = Tree::new();
    for model in ["Llama-2-7b-hf", "Llama-3.1-8B", "Llama-3.1-70B", "CodeLlama-7b", "Llama-3-8B"] {
        nemo2(&tree, &format!("cache/meta-llama/{model}"));
    }
    let scan = tree.scan();
    assert_eq!(brief(&scan).matches(" ambiguous\n").count(), 5);
    assert_eq!(deletions(&scan), ["cache/meta-llama:"]);
}
