//! Built from what `NeMo`'s source says that it writes.

use crate::needs::needs;
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
    // Nor do they keep the run beside them.
    for epoch in 1..=5 {
        nemo2(&tree, &format!("cache/meta-llama/llama-8b--x=0.{epoch}-epoch={epoch}"));
    }
    let gone = [1, 2].map(|epoch| format!("llama-8b--x=0.{epoch}-epoch={epoch}"));
    assert_eq!(deletions(&tree.scan()), [format!("cache/meta-llama: {}", gone.join(" "))]);
}

/// The newest of all are not those of each model, or of each fold.
#[test]
fn several_models_in_one_directory_are_kept() {
    let names = |model: &str| (1..=5).map(|n| format!("{model}--x=0.{n}-epoch={n}.ckpt")).collect();
    let folds: Vec<String> = (1..=5).map(|n| format!("fold{n}--x=0.{n}-epoch={n}.ckpt")).collect();
    let models: [Vec<String>; 2] = [names("gpt"), names("bert")];
    for (all, want) in [
        (folds, "run:"),
        (models.concat(), "run:"),
        (names("gpt"), "run: gpt--x=0.1-epoch=1.ckpt gpt--x=0.2-epoch=2.ckpt"),
    ] {
        let tree = Tree::new();
        for (n, name) in (1..).zip(all) {
            tree.ckpt(&format!("run/checkpoints/{name}"), n, n * 10);
        }
        assert_eq!(deletions(&tree.scan()), [want]);
    }
}

/// `NeMo` resumes an adapter from the path that it noted when training began.
#[test]
fn an_adapter_needs_its_base() {
    let tree = Tree::new();
    let name = |run: &str, n: u32| format!("{run}/checkpoints/{run}--x=0.{n}-epoch={n}");
    for n in 1..=6 {
        nemo2(&tree, &name("sft", n));
    }
    let own = name("lora", 1);
    nemo2(&tree, &own);
    let metadata = |base: &str| serde_json::json!({ "model_ckpt_path": base }).to_string();
    let here = tree.path().canonicalize().unwrap().join(name("sft", 1));
    let here = here.to_str().unwrap();
    let found = "lora lora--x=0.1-epoch=1: sft/sft--x=0.1-epoch=1".to_owned();
    let gone = format!("needs `{here}1`, which is not here");
    for (base, want) in [
        (here.to_owned(), &found),
        (format!("{here}/weights"), &found),
        (format!("/gone/home/{}", name("sft", 1)), &found),
        (format!("{here}1"), &gone),
        ("nemo://meta-llama/Llama-3.1-8B".to_owned(), &String::new()),
    ] {
        for at in ["weights/adapter_metadata.json", "adapter_metadata.json"] {
            let path = format!("{own}/{at}");
            tree.file(&path, metadata(&base));
            let found = needs(&tree.scan()).join("\n");
            assert!(found.ends_with(&**want) && found.is_empty() == want.is_empty(), "{found}");
            std::fs::remove_file(tree.at(&path)).unwrap();
        }
    }
    tree.file(&format!("{own}/weights/adapter_metadata.json"), metadata(here));
    let scan = tree.scan();
    assert_eq!(
        deletions(&scan),
        ["lora:", "sft: sft--x=0.2-epoch=2 sft--x=0.3-epoch=3"],
        "the first one is the base"
    );
    tree.file(&format!("{own}/weights/adapter_metadata.json"), "{\"model_ckpt_path\": 7}");
    let fault = "adapter_metadata.json is damaged: model_ckpt_path is no path";
    assert!(needs(&tree.scan())[0].ends_with(fault));
    // An adapter alone, in a directory that is no checkpoint.
    std::fs::remove_dir_all(tree.at("lora/checkpoints")).unwrap();
    tree.file("lora/final/adapter_metadata.json", metadata(here));
    assert!(brief(&tree.scan()).contains("<- lora/final/adapter_metadata.json (external)"));
    // PEFT's beside it names something else.
    tree.file("lora/final/adapter_config.json", r#"{"base_model_name_or_path": "meta/x"}"#);
    assert!(brief(&tree.scan()).contains("<- lora/final/adapter_metadata.json (external)"));
}
