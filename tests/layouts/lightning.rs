use crate::tree::{Tree, brief, full, timeless};
use retain::core::model::Checkpoint;
use std::fs;

#[test]
fn real_trees() {
    let scan = Tree::unpacked("lightning.tar.gz").scan();
    assert_eq!(scan.faults, []);
    insta::assert_snapshot!(full(&scan.inventory));
}

const RUN: &str = "lightning/all_metric_in_name/lightning_logs/version_0";

#[test]
fn a_file_cut_short_is_incomplete() {
    let tree = Tree::unpacked("lightning.tar.gz");
    let checkpoints = tree.at(RUN).join("checkpoints");
    let cut = |name: &str, len: usize| {
        let path = checkpoints.join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(path, &whole[..len]).unwrap();
    };
    cut("epoch=4-step=20-val_loss=2.50.ckpt", 7000);
    cut("epoch=3-step=16-val_loss=5.00.ckpt", 100);
    cut("epoch=2-step=12-val_loss=2.80.ckpt", 10);
    cut("epoch=1-step=8-val_loss=9.00.ckpt", 0);
    fs::write(checkpoints.join("empty.ckpt"), "").unwrap();
    let scan = tree.scan();
    let shown = brief(&scan);
    let (first, _) = shown.split_once("lightning/last_is").unwrap();
    assert_eq!(
        first,
        format!(
            "{RUN}\n  \
        epoch=0-step=4-val_loss=10.00.ckpt\n  \
        epoch=1-step=8-val_loss=9.00.ckpt incomplete\n  \
        epoch=2-step=12-val_loss=2.80.ckpt incomplete\n  \
        epoch=3-step=16-val_loss=5.00.ckpt incomplete\n  \
        epoch=4-step=20-val_loss=2.50.ckpt incomplete\n  \
        last.ckpt latest\n"
        )
    );
}

#[test]
fn other_ckpt_files_are_not_ours() {
    let tree = Tree::unpacked("lightning.tar.gz");
    tree.file("a/model.ckpt", "TensorFlow wrote this")
        .file("a/epoch=1.ckpt", "")
        .file("a/pickle.ckpt", b"\x80\x02}q\0X\x19\0\0\0pytorch-lightning_versionq\x01.")
        .file("a/zip.ckpt", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert!(!brief(&tree.scan()).starts_with("a\n"));
}

#[test]
fn a_name_and_a_log_that_disagree_are_a_conflict() {
    let tree = Tree::unpacked("lightning.tar.gz");
    let path = tree.at(RUN).join("metrics.csv");
    let csv = fs::read_to_string(&path).unwrap();
    fs::write(&path, csv.replace("2.799999952316284", "3.1")).unwrap();
    let scan = tree.scan();
    let session = scan.inventory.sessions.iter().find(|s| *s.name == *RUN).unwrap();
    assert!(session.tainted.is_empty());
    let conflicts: Vec<_> = session.checkpoints.iter().flat_map(Checkpoint::conflicts).collect();
    assert_eq!(conflicts, [&Box::from("val_loss is 2.8 in its name and 3.1 in metrics.csv")]);
    let loss = scan.inventory.names.get("val_loss").unwrap();
    assert_eq!(session.checkpoints[2].metric(loss), Some(3.1));
}

#[test]
fn a_renamed_file_contradicts_its_content() {
    let tree = Tree::unpacked("lightning.tar.gz");
    let checkpoints = tree.at(RUN).join("checkpoints");
    fs::rename(
        checkpoints.join("epoch=1-step=8-val_loss=9.00.ckpt"),
        checkpoints.join("epoch=9-step=80.ckpt"),
    )
    .unwrap();
    assert!(brief(&tree.scan()).contains("epoch=9-step=80.ckpt ambiguous\n"));
}

#[test]
fn a_damaged_log_keeps_the_session() {
    for content in [&b"epoch,step,loss\n1,2,3,4\n"[..], b"\xff\xfee\0p\0o\0c\0h\0\n\0"] {
        let tree = Tree::unpacked("lightning.tar.gz");
        fs::write(tree.at(RUN).join("metrics.csv"), content).unwrap();
        let scan = tree.scan();
        let session = scan.inventory.sessions.iter().find(|s| *s.name == *RUN).unwrap();
        assert_eq!(session.tainted.len(), 1, "{content:?}");
        assert_eq!(session.checkpoints[2].metrics.len(), 1, "the name is still read");
    }
}

#[test]
fn a_copy_does_not_take_the_originals_place() {
    let tree = Tree::unpacked("lightning.tar.gz");
    let scan = tree.scan();
    let session = scan.inventory.sessions.iter().find(|s| *s.name == *RUN).unwrap();
    let last = session.checkpoints.iter().find(|c| &*c.id == "last.ckpt").unwrap();
    assert_eq!((last.step, last.metrics.len()), (None, 0));
    // Without the original it is what there is of that step.
    fs::remove_file(tree.at(RUN).join("checkpoints/epoch=4-step=20-val_loss=2.50.ckpt")).unwrap();
    let scan = tree.scan();
    let session = scan.inventory.sessions.iter().find(|s| *s.name == *RUN).unwrap();
    let last = session.checkpoints.iter().find(|c| &*c.id == "last.ckpt").unwrap();
    assert_eq!(last.step, Some(retain::core::model::Step::Whole(20)));
    assert_eq!(last.metrics.len(), 2);
}

#[test]
fn sharded_directories() {
    let tree = Tree::new();
    let meta = crate::tree::lightning_file(1, 20);
    for (name, files) in [
        ("epoch=1-step=20.ckpt", &[".metadata", "__0_0.distcp", "meta.pt"][..]),
        ("epoch=2-step=30.ckpt", &["__0_0.distcp"]),
        ("epoch=3-step=40.ckpt", &["__0_0.distcp", ".metadata"]),
        ("epoch=4-step=50.ckpt", &["checkpoint/mp_rank_00_model_states.pt", "latest"]),
        ("epoch=5-step=60.ckpt", &["checkpoint/mp_rank_00_model_states.pt"]),
        ("notes.ckpt", &["notes.txt"]),
    ] {
        for file in files {
            let content = if *file == "meta.pt" { &meta[..] } else { b"checkpoint" };
            tree.file(&format!("run/checkpoints/{name}/{file}"), content);
        }
    }
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  epoch=1-step=20.ckpt\n  epoch=2-step=30.ckpt incomplete\n  \
        epoch=3-step=40.ckpt incomplete ambiguous\n  epoch=4-step=50.ckpt\n  \
        epoch=5-step=60.ckpt incomplete\n"
    );
}

#[test]
fn a_metric_with_a_slash_makes_folders_of_one_run() {
    let tree = Tree::new();
    tree.ckpt("run/checkpoints/epoch=0-val/loss=0.50.ckpt", 0, 4)
        .ckpt("run/checkpoints/epoch=1-val/loss=0.25.ckpt", 1, 8)
        .ckpt("run/checkpoints/epoch=2-train/x=0.1-val/y=0.2.ckpt", 2, 12)
        .ckpt("run/checkpoints/last.ckpt", 2, 12)
        .file("run/metrics.csv", "epoch,step,val/loss\n0,3,0.501\n1,7,0.249\n");
    let scan = tree.scan();
    insta::assert_snapshot!(timeless(&scan.inventory));
    assert_eq!(scan.unrecognised.files, 1, "the log");

    // A sweep's directories are runs of their own.
    let sweep = Tree::new();
    sweep.ckpt("lr=0.1/epoch=0.ckpt", 0, 1).ckpt("lr=0.2/epoch=0.ckpt", 0, 1);
    assert_eq!(sweep.scan().inventory.sessions.len(), 2);
}

#[test]
fn free_names_have_their_step_from_the_content() {
    let tree = Tree::new();
    tree.ckpt("run/02-0.32.ckpt", 2, 30).ckpt("run/best-v1.ckpt", 1, 20);
    let scan = tree.scan();
    let steps: Vec<_> = scan.inventory.sessions[0]
        .checkpoints
        .iter()
        .map(|c| (c.step.unwrap().to_string(), c.epoch.unwrap().to_string()))
        .collect();
    assert_eq!(steps, [("30".into(), "2".into()), ("20".into(), "1".into())]);
}

#[test]
fn a_log_larger_than_metadata_may_be_is_read() {
    let tree = Tree::new();
    tree.ckpt("run/epoch=0-step=4.ckpt", 0, 4);
    let noise = "0,9,,".to_owned() + &"1".repeat(50) + "\n";
    let csv = format!("epoch,step,loss,noise\n{}0,3,0.5,\n", noise.repeat(400_000));
    assert!(csv.len() > 20 << 20);
    tree.file("run/metrics.csv", csv);
    let scan = tree.scan();
    assert_eq!(scan.faults, []);
    assert_eq!(scan.inventory.sessions[0].checkpoints[0].metrics.len(), 1);
}

#[test]
fn a_row_that_two_runs_may_have_logged_is_nobodys() {
    let tree = Tree::new();
    tree.ckpt("run/epoch=1-step=8.ckpt", 1, 8)
        .ckpt("run/epoch=2-step=12.ckpt", 2, 12)
        .ckpt("run/epoch=2-step=12-v1.ckpt", 2, 12)
        .ckpt("run/best-epoch=1-step=8.ckpt", 1, 8)
        .file("run/metrics.csv", "epoch,step,val_loss\n1,7,0.5\n2,11,0.1\n");
    let scan = tree.scan();
    let session = &scan.inventory.sessions[0];
    let shown: Vec<_> = session
        .checkpoints
        .iter()
        .map(|c| format!("{} {} {}", c.id, c.metrics.len(), c.conflicts().join(" ")))
        .collect();
    let rival = "what was logged of its step may be of";
    assert_eq!(
        shown,
        [
            "best-epoch=1-step=8.ckpt 1 ".to_owned(),
            "epoch=1-step=8.ckpt 1 ".to_owned(),
            format!("epoch=2-step=12-v1.ckpt 0 {rival} epoch=2-step=12.ckpt as well"),
            format!("epoch=2-step=12.ckpt 0 {rival} epoch=2-step=12-v1.ckpt as well"),
        ]
    );
    // Without a log there is nothing to be mistaken about.
    fs::remove_file(tree.at("run/metrics.csv")).unwrap();
    let scan = tree.scan();
    assert!(scan.inventory.sessions[0].checkpoints.iter().all(|c| c.conflicts().is_empty()));
}

#[test]
fn averaged_weights_are_part_of_their_checkpoint() {
    let tree = Tree::new();
    tree.ckpt("run/epoch=3-step=16.ckpt", 3, 16)
        .ckpt("run/epoch=3-step=16-EMA.ckpt", 3, 16)
        .ckpt("run/epoch=2-step=12-EMA.ckpt", 2, 12)
        .ckpt("own/model-EMA.ckpt", 3, 16);
    let scan = tree.scan();
    assert_eq!(brief(&scan), "own\n  model-EMA.ckpt\nrun\n  epoch=3-step=16.ckpt\n");
    assert_eq!(scan.inventory.sessions[1].checkpoints[0].paths().len(), 2);
    assert_eq!(scan.never.len(), 1, "one whose checkpoint is gone");
}

#[test]
fn what_is_called_the_last_or_the_best_is_a_copy_wherever_the_word_stands() {
    let tree = Tree::new();
    tree.ckpt("run/model-010.ckpt", 1, 10)
        .ckpt("run/model-020.ckpt", 2, 20)
        .ckpt("run/model_last.ckpt", 2, 20)
        .ckpt("run/model_best.ckpt", 1, 10)
        .ckpt("run/val_best.ckpt", 3, 30)
        .ckpt("run/m-best-epoch=1.ckpt", 1, 10);
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  m-best-epoch=1.ckpt best\n  model-010.ckpt\n  model-020.ckpt\n  \
        model_best.ckpt best\n  model_last.ckpt latest\n  val_best.ckpt best\n"
    );
    let copies = scan.inventory.sessions[0].checkpoints.iter().filter(|c| c.step.is_none());
    assert_eq!(copies.map(|c| &*c.id).collect::<Vec<_>>(), ["model_best.ckpt", "model_last.ckpt"]);
}

#[test]
fn several_models_in_one_directory_are_ambiguous() {
    let tree = Tree::new();
    tree.ckpt("run/resnet50-epoch=1.ckpt", 1, 10)
        .ckpt("run/resnet50-epoch=2.ckpt", 2, 20)
        .ckpt("run/vit-epoch=1.ckpt", 1, 10)
        .ckpt("run/vit-epoch=2.ckpt", 2, 20)
        .ckpt("run/epoch=2-step=20.ckpt", 2, 20)
        .ckpt("run/vit_best.ckpt", 2, 20);
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  epoch=2-step=20.ckpt\n  resnet50-epoch=1.ckpt ambiguous\n  \
        resnet50-epoch=2.ckpt ambiguous\n  vit-epoch=1.ckpt ambiguous\n  \
        vit-epoch=2.ckpt ambiguous\n  vit_best.ckpt best\n"
    );
}

#[test]
fn a_torn_half_of_a_pair_is_in_doubt_with_the_other() {
    let tree = Tree::new();
    let file = crate::tree::lightning_file;
    let torn = |len: usize| file(2, 20)[..len].to_vec();
    tree.ckpt("run/epoch=1.ckpt", 1, 10).ckpt("run/epoch=1-EMA.ckpt", 1, 10);
    for (epoch, len) in [(2, 40), (3, file(2, 20).len() - 50)] {
        tree.ckpt(&format!("run/epoch={epoch}.ckpt"), epoch, 20)
            .file(&format!("run/epoch={epoch}-EMA.ckpt"), torn(len));
    }
    tree.ckpt("run/epoch=4-val/loss=0.6-EMA.ckpt", 4, 40);
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  epoch=1.ckpt\n  epoch=2.ckpt incomplete ambiguous\n  \
        epoch=3.ckpt incomplete ambiguous\n  epoch=4-val/loss=0.6-EMA.ckpt ambiguous\n"
    );
    assert_eq!(scan.never, []);
}

/// A data set called `lastfm` makes none of its checkpoints a copy of another, nor of the last one.
#[test]
fn a_copy_is_called_so_in_a_word() {
    let tree = Tree::new();
    for epoch in 1..=4 {
        tree.ckpt(&format!("run/checkpoints/lastfm-epoch={epoch}.ckpt"), epoch, epoch * 10);
    }
    tree.ckpt("run/checkpoints/last.ckpt", 4, 40);
    let scan = tree.scan();
    let steps = scan.inventory.sessions[0].checkpoints.iter().map(|c| (&*c.id, c.step.is_some()));
    let told: Vec<(&str, bool)> = steps.collect();
    assert_eq!(told.iter().filter(|(_, has_step)| !has_step).count(), 1, "{told:?}");
    assert!(told.contains(&("last.ckpt", false)), "{told:?}");
}
