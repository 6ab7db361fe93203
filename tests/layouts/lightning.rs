use crate::tree::{Tree, brief, full};
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
