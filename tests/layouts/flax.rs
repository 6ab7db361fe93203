use crate::tree::{Tree, brief, full};

#[test]
fn real_trees() {
    let scan = Tree::unpacked("flax_legacy.tar.gz").scan();
    assert_eq!(scan.faults, []);
    assert_eq!(scan.unrecognised.files, 0);
    insta::assert_snapshot!(full(&scan.inventory));
}

const STATE: &[u8] = b"\x82\xa1w\xc7\x04\x01abcd\xa4step\x05";

#[test]
fn files_directories_and_what_travels_with_them() {
    let tree = Tree::new();
    tree.file("run/checkpoint_0.25", STATE)
        .file("run/checkpoint_9", STATE)
        .file("run/checkpoint_9_gda/array", "")
        .file("run/checkpoint_10", &STATE[..6])
        .file("run/checkpoint_11", "")
        .file("run/checkpoint_12/_CHECKPOINT_METADATA", "{}")
        .file("run/checkpoint_12/_METADATA", "{}")
        .file("run/checkpoint_13.orbax-checkpoint-tmp/_METADATA", "{}")
        .file("run/checkpoint_text", STATE)
        .file("run/checkpoint_14", "some text")
        .file("run/opt_3", STATE);
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run#checkpoint\n  checkpoint_0.25\n  checkpoint_9\n  checkpoint_10 incomplete\n  \
        checkpoint_11 incomplete\n  checkpoint_12\n  \
        checkpoint_13.orbax-checkpoint-tmp incomplete\nrun#opt\n  opt_3\n"
    );
    let nine = &scan.inventory.sessions[0].checkpoints[1];
    assert_eq!(*nine.paths(), ["run/checkpoint_9".into(), "run/checkpoint_9_gda".into()]);
    assert_eq!(scan.unrecognised.files, 2);
}

#[test]
fn a_number_and_some_bytes_are_no_checkpoint() {
    let tree = Tree::new();
    tree.file("data/part_1", b"\x81\xa1a\x05").file("data/part_2", "").file("data/a_3", "text");
    assert_eq!(brief(&tree.scan()), "");
}
