use crate::tree::{Tree, brief, full};

#[test]
fn real_trees() {
    let scan = Tree::unpacked("orbax.tar.gz").scan();
    assert_eq!(scan.faults, []);
    assert_eq!(scan.unrecognised.files, 0);
    insta::assert_snapshot!(full(&scan.inventory));
}

const DONE: &str =
    r#"{"item_handlers": {"default": "x"}, "commit_timestamp_nsecs": 1795365147733128822}"#;

fn step(tree: &Tree, path: &str) {
    tree.file(&format!("{path}/_CHECKPOINT_METADATA"), DONE)
        .file(&format!("{path}/default/_METADATA"), "{}")
        .file(&format!("{path}/default/manifest.ocdbt"), "");
}

#[test]
fn prefixes_are_series() {
    let tree = Tree::new();
    step(&tree, "run/ckpt_00000100");
    step(&tree, "run/ckpt_00000020");
    assert_eq!(brief(&tree.scan()), "run\n  ckpt_00000020\n  ckpt_00000100\n");
    step(&tree, "run/7");
    assert_eq!(brief(&tree.scan()), "run\n  7\nrun#ckpt\n  ckpt_00000020\n  ckpt_00000100\n");
}

#[test]
fn what_is_unfinished_or_half_deleted() {
    let tree = Tree::new();
    for n in 1..=5 {
        step(&tree, &format!("run/{n}"));
    }
    let remove = |path: &str| {
        let path = tree.at(path);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .unwrap();
    };
    remove("run/2/_CHECKPOINT_METADATA");
    remove("run/3/default");
    tree.dir("run/4/params.orbax-checkpoint-tmp");
    tree.file("run/5/_CHECKPOINT_METADATA", r#"{"commit_timestamp_nsecs": null}"#)
        .dir("run/6.orbax-checkpoint-tmp")
        .file("run/7.orbax-checkpoint-tmp-1699999999/_CHECKPOINT_METADATA", "{}")
        .dir("run/8");
    assert_eq!(
        brief(&tree.scan()),
        "run\n  1\n  2 incomplete\n  3 incomplete ambiguous\n  4 incomplete\n  5 incomplete\n  \
        6.orbax-checkpoint-tmp incomplete\n  7.orbax-checkpoint-tmp-1699999999 incomplete\n"
    );
}

#[test]
fn the_trash_is_no_run() {
    let tree = Tree::new();
    step(&tree, "run/1");
    step(&tree, "run/trash/0");
    tree.file("run/metadata/_ROOT_METADATA", "{}");
    let scan = tree.scan();
    assert_eq!(brief(&scan), "run\n  1\n");
    assert_eq!(scan.unrecognised.files, 0);
    let never: Vec<&str> = scan.never.iter().map(|n| &*n.0).collect();
    assert_eq!(never, ["run/metadata", "run/trash/0"]);
}

#[test]
fn numbers_alone_are_nothing() {
    let tree = Tree::new();
    tree.file("data/1/part.bin", "").file("data/2/_METADATA", "").dir("data/3/default");
    assert_eq!(brief(&tree.scan()), "");
}

#[test]
fn damaged_metadata_keeps_the_session() {
    for (content, text) in [
        ("{", "run/1: _CHECKPOINT_METADATA is damaged"),
        ("[]", "run/1: _CHECKPOINT_METADATA is damaged: not an object"),
        (r#"{"commit_timestamp_nsecs": "now"}"#, "run/1: commit_timestamp_nsecs"),
    ] {
        let tree = Tree::new();
        step(&tree, "run/1");
        step(&tree, "run/2");
        tree.file("run/1/_CHECKPOINT_METADATA", content);
        let scan = tree.scan();
        let tainted = &scan.inventory.sessions[0].tainted;
        assert!(tainted.len() == 1 && tainted[0].starts_with(text), "{tainted:?}");
        assert!(brief(&scan).contains("  1 incomplete\n"));
    }
}
