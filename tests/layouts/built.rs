//! Trees of frameworks that no archive has, built from how they name and write.

use crate::plans::deletions;
use crate::tree::{Tree, brief};
use crate::weights::{cut, torch, zip};
use retain::core::model::Step;

#[test]
fn fairseq() {
    let tree = Tree::new();
    let model = torch(&["model", "extra_state", "optimizer_history"]);
    for n in 1..=5 {
        tree.file(&format!("run/checkpoint{n}.pt"), &model);
    }
    for (epoch, update) in [(1, 500), (2, 1000), (3, 1500), (4, 2000)] {
        tree.file(&format!("run/checkpoint_{epoch}_{update}.pt"), &model);
    }
    tree.file("run/checkpoint_best.pt", &model)
        .file("run/checkpoint_last.pt", &model)
        .file("run/checkpoint.best_bleu_27.3019.pt", &model)
        .file("run/checkpoint6.pt.tmp", cut(&model))
        .file("run/train.log", "");
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  checkpoint.best_bleu_27.3019.pt best\n  checkpoint1.pt\n  checkpoint2.pt\n  \
        checkpoint3.pt\n  checkpoint4.pt\n  checkpoint5.pt\n  checkpoint6.pt.tmp incomplete\n  \
        checkpoint_best.pt best\n  checkpoint_last.pt latest\n\
        run#updates\n  checkpoint_1_500.pt\n  checkpoint_2_1000.pt\n  checkpoint_3_1500.pt\n  \
        checkpoint_4_2000.pt\n"
    );
    let owners: Vec<&str> = scan.inventory.sessions.iter().map(|s| &*s.owner).collect();
    assert_eq!(owners, ["run", "run"], "both are charged to whom the directory is");
    assert_eq!(
        deletions(&scan),
        ["run: checkpoint1.pt checkpoint2.pt", "run#updates: checkpoint_1_500.pt"]
    );
    let best = &scan.inventory.sessions[0].checkpoints[0];
    let bleu = scan.inventory.names.get("bleu").unwrap();
    assert_eq!(best.metric(bleu), Some(27.301), "the last digit is random");
}

#[test]
fn fairseq_shards_are_one_checkpoint() {
    let tree = Tree::new();
    let model = torch(&["model"]);
    for name in ["checkpoint1", "checkpoint2", "checkpoint3", "checkpoint4", "checkpoint_last"] {
        for shard in 0..11 {
            tree.file(&format!("run/{name}-shard{shard}.pt"), &model);
        }
    }
    let remove = |name: &str| std::fs::remove_file(tree.at("run").join(name)).unwrap();
    remove("checkpoint2-shard3.pt");
    remove("checkpoint3-shard10.pt");
    tree.file("run/checkpoint4-shard7.pt", cut(&model));
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  checkpoint1.pt\n  checkpoint2.pt incomplete\n  \
        checkpoint3.pt incomplete ambiguous\n  checkpoint4.pt incomplete\n  \
        checkpoint_last.pt latest\n"
    );
    let first = &scan.inventory.sessions[0].checkpoints[0];
    assert_eq!((first.files, &*first.paths()[10]), (11, "run/checkpoint1-shard10.pt"));
}

#[test]
fn fairseq_experts_are_parts() {
    let tree = Tree::new();
    let model = torch(&["model"]);
    for name in ["checkpoint_1_500", "checkpoint_2_1000", "checkpoint_last"] {
        for part in ["shared", "rank-0", "rank-1"] {
            tree.file(&format!("run/{name}-{part}.pt"), &model);
        }
    }
    std::fs::remove_file(tree.at("run/checkpoint_2_1000-rank-0.pt")).unwrap();
    tree.file("run/checkpoint_3_1500-rank-0-shard0.pt", &model);
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  checkpoint_1_500.pt\n  checkpoint_2_1000.pt incomplete\n  checkpoint_last.pt latest\n"
    );
    assert_eq!(scan.inventory.sessions[0].checkpoints[0].files, 3);
}

#[test]
fn allennlp() {
    let tree = Tree::new();
    let (model, training) = (torch(&["w"]), torch(&["epochs_completed"]));
    tree.file("run/model_state_e0_b7.th", &model);
    for n in 1..=5 {
        tree.file(&format!("run/model_state_e{n}_b0.th"), &model)
            .file(&format!("run/training_state_e{n}_b0.th"), &training)
            .file(
                &format!("run/metrics_epoch_{}.json", n - 1),
                format!(
                    "{{\"epoch\": {}, \"validation_loss\": 0.{}, \"best_epoch\": 0}}",
                    n - 1,
                    9 - n
                ),
            );
    }
    tree.file("run/model_state_e5_b100.th", cut(&model))
        .file("run/best.th", &model)
        .file("run/weights.th", &model)
        .file("alone/model_state_e1_b0.th", &model)
        .file("text/model_state_e1_b0.th", "text")
        .file("text/training_state_e1_b0.th", "text");
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  best.th best\n  e0_b7 incomplete ambiguous\n  e1_b0\n  e2_b0\n  e3_b0\n  e4_b0\n  \
        e5_b0\n  e5_b100 incomplete\n"
    );
    let session = &scan.inventory.sessions[0];
    let loss = scan.inventory.names.get("validation_loss").unwrap();
    let of = |id: &str| session.checkpoints.iter().find(|c| &*c.id == id).unwrap().metric(loss);
    assert_eq!((of("e1_b0"), of("e5_b0")), (Some(0.8), Some(0.4)), "the log counts from zero");
    assert_eq!((of("e5_b100"), of("best.th")), (None, None));
    assert_eq!(deletions(&scan), ["run: e1_b0 e2_b0"]);
}

#[test]
fn allennlp_workers_are_parts() {
    let tree = Tree::new();
    let state = torch(&["w"]);
    for n in 1..=2 {
        for worker in 0..2 {
            tree.file(&format!("run/model_state_e{n}_b0_w{worker}.th"), &state)
                .file(&format!("run/training_state_e{n}_b0_w{worker}.th"), &state);
        }
    }
    std::fs::remove_file(tree.at("run/training_state_e2_b0_w1.th")).unwrap();
    assert_eq!(brief(&tree.scan()), "run\n  e1_b0\n  e2_b0 incomplete\n");
}

#[test]
fn yolov5() {
    let tree = Tree::new();
    for name in ["epoch0", "epoch1", "last", "best"] {
        tree.file(&format!("exp/weights/{name}.pt"), torch(&["model"]));
    }
    tree.file("exp/hyp.yaml", "")
        .file("exp/opt.yaml", "")
        .file("exp/results.csv", "   epoch,   metrics/mAP_0.5\n   0,   0.25\n   1,   0.5\n")
        .file("half/weights/last.pt", torch(&["model"]))
        .file("half/hyp.yaml", "");
    let scan = tree.scan();
    assert_eq!(brief(&scan), "exp\n  best.pt best\n  epoch0.pt\n  epoch1.pt\n  last.pt latest\n");
    let map = scan.inventory.names.get("metrics/mAP_0.5").unwrap();
    let first = &scan.inventory.sessions[0].checkpoints[1];
    assert_eq!(first.metric(map), Some(0.25), "the log counts as the names do");
}

#[test]
fn mmengine_by_a_template() {
    let tree = Tree::new();
    for n in [1_u8, 2, 3] {
        tree.file(&format!("run/det_{n}.pth"), mmengine_file(n, 50 * n))
            .file(&format!("iters/det_{}.pth", 50 * n), mmengine_file(n, 50 * n));
    }
    tree.file("run/last_checkpoint", "/x/det_3.pth")
        .file("run/resnet50.pth", mmengine_file(1, 50))
        .file("run/both_4.pth", mmengine_file(4, 4))
        .file("iters/last_checkpoint", "/x/det_150.pth")
        .file("none/det_1.pth", mmengine_file(1, 50));
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "iters\n  det_50.pth\n  det_100.pth\n  det_150.pth latest <- last_checkpoint\n\
        run\n  det_1.pth\n  det_2.pth\n  det_3.pth latest <- last_checkpoint\n"
    );
    let [iters, run] = &scan.inventory.sessions[..] else { panic!() };
    assert_eq!(iters.checkpoints[0].step, Some(Step::Whole(50)));
    assert_eq!(run.checkpoints[0].epoch, Some(Step::Whole(1)));
}

/// What MMEngine saves: its meta first, with epoch and iteration.
fn mmengine_file(epoch: u8, iteration: u8) -> Vec<u8> {
    let pickle = [
        &b"\x80\x02}q\0(X\x05\0\0\0epochq\x01K"[..],
        &[epoch],
        b"X\x04\0\0\0iterq\x02K",
        &[iteration],
        b"X\x10\0\0\0mmengine_versionq\x03X\x06\0\0\x000.10.7q\x04u.",
    ]
    .concat();
    zip("archive/data.pkl", &pickle)
}

#[test]
fn fairseq_needs_more_than_a_name() {
    let tree = Tree::new();
    tree.file("a/checkpoint1.pt", torch(&["model", "epoch"]))
        .file("b/checkpoint_best.pt", torch(&["state"]))
        .file("b/checkpoint_last.pt", torch(&["state"]))
        .file("c/checkpoint1.pt", torch(&["extra_state", "optimizer_history"]));
    assert_eq!(brief(&tree.scan()), "c\n  checkpoint1.pt\n");
}

#[test]
fn composer() {
    let tree = Tree::new();
    let state = torch(&["state", "rng"]);
    for batch in [10, 20, 30, 40, 50] {
        for rank in 0..2 {
            tree.file(&format!("run/checkpoints/ep1-ba{batch}-rank{rank}.pt"), &state);
        }
    }
    tree.file("run/checkpoints/ep1-ba60-rank1.pt", &state)
        .link("run/checkpoints/latest-rank0.pt", "ep1-ba50-rank0.pt")
        .link("run/checkpoints/latest-rank1.pt", "ep1-ba50-rank1.pt");
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  ep1-ba10\n  ep1-ba20\n  ep1-ba30\n  ep1-ba40\n  \
        ep1-ba50 latest <- latest-rank0.pt <- latest-rank1.pt\n  ep1-ba60 incomplete\n"
    );
    let newest = &scan.inventory.sessions[0].checkpoints[4];
    assert_eq!(newest.step, Some(Step::Whole(50)));
    assert_eq!(
        newest.paths(),
        ["run/checkpoints/ep1-ba50-rank0.pt".into(), "run/checkpoints/ep1-ba50-rank1.pt".into()]
    );
    assert_eq!(deletions(&scan), ["run: ep1-ba10 ep1-ba20"]);
    // The same names with something else in them.
    let tree = Tree::new();
    tree.file("run/ep1-ba1-rank0.pt", "text");
    assert_eq!(brief(&tree.scan()), "");
}

#[test]
fn ignite() {
    let tree = Tree::new();
    let engine = torch(&["model", "trainer", "epoch_length", "max_epochs"]);
    for step in [100, 200, 300, 400, 500] {
        tree.file(&format!("run/checkpoint_{step}.pt"), &engine);
    }
    tree.file("run/best_model_3_val_acc=0.8300.pt", torch(&["weight"]))
        .file("run/tmpab_9x2zq", cut(&engine))
        .file("run/tmpnotours", "text")
        .file("other/checkpoint_100.pt", torch(&["weight"]))
        .file("other/model_5_acc=0.5.pt", "text");
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run#best_model\n  best_model_3_val_acc=0.8300.pt best\n  tmpab_9x2zq incomplete\n\
        run#checkpoint\n  checkpoint_100.pt\n  checkpoint_200.pt\n  checkpoint_300.pt\n  \
        checkpoint_400.pt\n  checkpoint_500.pt\n"
    );
    assert_eq!(
        deletions(&scan),
        ["run#best_model:", "run#checkpoint: checkpoint_100.pt checkpoint_200.pt"]
    );
}

#[test]
fn torchtnt() {
    let tree = Tree::new();
    for (step, loss) in [(10, "0.9"), (20, "0.8"), (30, "0.7"), (40, "0.75"), (50, "0.6")] {
        let at = format!("run/epoch_0_train_step_{step}_val_loss={loss}");
        tree.file(&format!("{at}/.snapshot_metadata"), "").file(&format!("{at}/0/w"), "");
    }
    tree.file("run/epoch_0_train_step_60_val_loss=0.5/0/w", "")
        .file("run/epoch_0_step_70/notes.txt", "")
        .file("other/epoch_0_step_1/0/w", "");
    let scan = tree.scan();
    let gone = "run: epoch_0_train_step_10_val_loss=0.9 epoch_0_train_step_20_val_loss=0.8";
    assert_eq!(deletions(&scan), [gone]);
    assert_eq!(scan.unrecognised.files, 2);
}

#[test]
fn determined() {
    let tree = Tree::new();
    let uuid = |n: u32| format!("0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5{n}");
    let save = |n: u32, steps: u32| {
        let metadata = format!(r#"{{"steps_completed": {steps}, "format": "pickle"}}"#);
        let at = format!("store/{}", uuid(n));
        tree.file(&format!("{at}/metadata.json"), metadata).file(&format!("{at}/w"), "");
    };
    for n in 1..=4 {
        save(n, 100 * n);
    }
    // They may be of one trial or of four: shown, and kept.
    assert_eq!(deletions(&tree.scan()), ["store:"]);
    assert_eq!(brief(&tree.scan()).matches("ambiguous").count(), 4);
    // Not yet written, or another tool's: kept.
    tree.file(&format!("store/{}/w", uuid(5)), "");
    let scan = tree.scan();
    assert_eq!(deletions(&scan), ["store:"]);
    assert!(brief(&scan).contains(&format!("{} incomplete ambiguous\n", uuid(5))));
    // No uuid, or no metadata of Determined's.
    let tree = Tree::new();
    tree.file("store/run-1/metadata.json", r#"{"steps_completed": 1}"#)
        .file(&format!("store/{}/metadata.json", uuid(1)), "{}");
    assert_eq!(brief(&tree.scan()), "");
}

#[test]
fn ray_train() {
    let tree = Tree::new();
    let name = |n: u32| format!("checkpoint_2026-01-31_10-00-0{n}.123456");
    for n in 1..=6 {
        tree.file(&format!("exp/{}/model.pt", name(n)), "");
    }
    let listed = |n: u32, loss: &str| {
        format!(
            r#"{{"checkpoint_dir_name": "{}", "metrics": {{"loss": {loss}, "eval": {{"acc": 0.5}}, "done": false}}}}"#,
            name(n)
        )
    };
    let snapshot = |results: &[String], latest: &str| {
        format!(
            r#"{{"version": 0, "checkpoint_results": [{}], "latest_checkpoint_result": {latest}}}"#,
            results.join(", ")
        )
    };
    let results = [listed(2, "0.5"), listed(4, "NaN"), listed(5, "0.7")];
    let file = "exp/checkpoint_manager_snapshot.json";
    tree.file(file, snapshot(&results, &listed(5, "0.7")));
    let scan = tree.scan();
    let by = "<- checkpoint_manager_snapshot.json";
    let shown = [
        "exp".to_owned(),
        format!("  {}", name(1)),
        format!("  {} {by}", name(2)),
        format!("  {}", name(3)),
        format!("  {} {by}", name(4)),
        format!("  {} latest {by}", name(5)),
        format!("  {} incomplete", name(6)),
    ];
    assert_eq!(brief(&scan).trim_end().lines().collect::<Vec<_>>(), shown);
    let acc = scan.inventory.names.get("eval/acc").unwrap();
    assert_eq!(scan.inventory.sessions[0].checkpoints[1].metric(acc), Some(0.5));
    assert!(deletions(&scan)[0].ends_with(&format!("{} {}", name(1), name(3))));

    for (damage, text) in [
        (snapshot(&[listed(9, "1")], "null"), "which is not here"),
        ("{\"version\": 0".to_owned(), "is damaged"),
        ("{}".to_owned(), "no list of checkpoint_results"),
        (snapshot(&["{}".to_owned()], "null"), "a result without checkpoint_dir_name"),
    ] {
        tree.file(file, damage);
        let scan = tree.scan();
        assert!(scan.inventory.sessions[0].tainted[0].contains(text));
        assert_eq!(deletions(&scan), ["exp:"]);
    }
}

#[test]
fn nanogpt_is_never_a_candidate() {
    let tree = Tree::new();
    let keys = ["model", "model_args", "iter_num", "best_val_loss", "config"];
    tree.file("out/ckpt.pt", torch(&keys)).file("other/ckpt.pt", torch(&["model"]));
    let scan = tree.scan();
    assert_eq!(brief(&scan), "");
    assert_eq!(scan.never, [("out/ckpt.pt".into(), "overwritten in place by nanoGPT".into())]);
    assert_eq!(scan.unrecognised.files, 1);
}
