//! Trees as the frameworks themselves left them: what is seen, and what would go.

use crate::plans::deletions;
use crate::tree::{Tree, full};

fn check(archive: &str, gone: &[&str]) -> String {
    let scan = Tree::unpacked(archive).scan();
    assert_eq!(scan.faults, []);
    assert_eq!(deletions(&scan), gone);
    full(&scan.inventory)
}

#[test]
fn tensorflow() {
    let five = "tf_checkpoint_manager/max5: ckpt-300 ckpt-400";
    insta::assert_snapshot!(check(
        "tf_checkpoint_manager.tar.gz",
        &["tf_checkpoint_manager/max2:", five]
    ));
}

#[test]
fn ray_tune() {
    let trials = [
        "ray_tune/all/f_67450_00000_0_a=1.0000_2026-11-22_16-33-10: checkpoint_000000 checkpoint_000001",
        "ray_tune/all/f_67450_00001_1_a=0.5000_2026-11-22_16-33-10: checkpoint_000000 checkpoint_000001",
    ];
    insta::assert_snapshot!(check("ray_tune.tar.gz", &trials));
}

#[test]
fn mmengine() {
    let gone = ["mmengine/all_save_best: epoch_1.pth epoch_3.pth"];
    insta::assert_snapshot!(check("mmengine.tar.gz", &gone));
}

#[test]
fn timm() {
    let gone = ["timm/max10: checkpoint-0.pth.tar checkpoint-1.pth.tar recovery-2-50.pth.tar"];
    insta::assert_snapshot!(check("timm.tar.gz", &gone));
}

#[test]
fn ultralytics() {
    insta::assert_snapshot!(check("ultralytics.tar.gz", &["ultralytics/runs/detect/train:"]));
}

#[test]
fn keras() {
    let gone = ["keras/keras_files: 01-0.98.keras 02-0.97.keras"];
    insta::assert_snapshot!(check("keras.tar.gz", &gone));
}

#[test]
fn accelerate() {
    let gone = ["accelerate/auto_naming: checkpoint_0 checkpoint_1"];
    insta::assert_snapshot!(check("accelerate.tar.gz", &gone));
}
