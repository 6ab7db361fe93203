//! Laws on trees of random names, nesting and content.

use crate::tree::Tree;
use proptest::prelude::*;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Names that mean something to a layout, and names that hurt.
const NAMES: &[&[u8]] = &[
    b"checkpoint-1",
    b"checkpoint-2",
    b"tmp-checkpoint-3",
    b"checkpoint-007",
    b"nsml_model",
    b"model",
    b"metadata.json",
    b"session.json",
    b"a_b_1",
    b"checkpoints",
    b"trainer_state.json",
    b"training_args.bin",
    b"model.safetensors",
    b"metrics.csv",
    b"epoch=1-step=2.ckpt",
    b"last.ckpt",
    b"latest",
    b"checkpoint",
    b"ckpt-1.index",
    b"ckpt-1.data-00000-of-00001",
    b"ckpt-2_temp",
    b"checkpoint_000001",
    b"result.json",
    b"progress.csv",
    b"checkpoint_manager_snapshot.json",
    b"checkpoint_2026-01-31_10-00-00.000001",
    b"epoch_1.pth",
    b"best_acc_epoch_1.pth",
    b"last_checkpoint",
    b"20260131_100000",
    b"vis_data",
    b"scalars.json",
    b"checkpoint-1.pth.tar",
    b"last.pth.tar",
    b"summary.csv",
    b"weights",
    b"epoch1.pt",
    b"last.pt",
    b"args.yaml",
    b"results.csv",
    b"01-0.5.keras",
    b"02-0.4.keras",
    b"best.keras",
    b"training.log",
    b"checkpoint_1",
    b"random_states_0.pkl",
    b"checkpoint1.pt",
    b"checkpoint1-shard1.pt",
    b"checkpoint_best.pt",
    b"checkpoint_5.pt",
    b"ep1-ba2-rank0.pt",
    b"ep1-ba2-rank1.pt",
    b"epoch_0_step_5",
    b".metadata",
    b"__0_0.distcp",
    b"ckpt.pt",
    b"model_state_e1_b0.th",
    b"training_state_e1_b0.th",
    b"metrics_epoch_0.json",
    b"best.th",
    b"checkpoint1-rank-0.pt",
    b"checkpoint1-shared.pt",
    b"hyp.yaml",
    b"opt.yaml",
    b"0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f",
    b".retain",
    b"marks.toml",
    b"7",
    b"ckpt_08",
    b"9.orbax-checkpoint-tmp",
    b"_CHECKPOINT_METADATA",
    b"_METADATA",
    b"manifest.ocdbt",
    b"metrics",
    b"trash",
    b"checkpoint_3",
    b"checkpoint_0.5",
    b"checkpoint_3_gda",
    b"__0_0.distcp",
    b".metadata",
    b"meta.pt",
    b"global_step4",
    b"mp_rank_00_model_states.pt",
    b"iter_0000005",
    b"release",
    b"latest_checkpointed_iteration.txt",
    b"common.pt",
    b"mp_rank_00",
    b"mp_rank_01",
    b"weights",
    b"context",
    b"a--x=1-epoch=2.ckpt",
    b"a--x=1-epoch=2-EMA.ckpt",
    b"a--x=1-epoch=2-last.ckpt",
    b"a--x=1-epoch=2-unfinished",
    b"a--x=1-epoch=2",
    b"epoch=0-val",
    b"loss=0.5.ckpt",
    b"metrics.json",
    b"metrics.jsonl",
    b"meta.yaml",
    b"artifacts",
    b"-rf",
    b"\xff\xfe",
    b"a\nb",
    b"\x1b[2J",
    b"...",
    b" ",
    b"#",
    b"\\x41",
];

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(NAMES);
    prop_oneof![4 => known.prop_map(<[u8]>::to_vec), 1 => "[a-z=.-]{1,6}".prop_map(String::into_bytes)]
        .prop_filter("no dots", |n| !matches!(&n[..], b"." | b".."))
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let pickle = b"\x80\x02}q\0(X\x05\0\0\0epochq\x01K\x04X\x0b\0\0\0global_stepq\x02K\x02\
        X\x19\0\0\0pytorch-lightning_versionq\x03";
    let torn = [&b"PK\x03\x04"[..], &[0; 22], b"\x10\0\0\0archive/data.pkl", pickle].concat();
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::sample::select(vec![
            br#"{"global_step": 1, "log_history": [{"step": 1, "eval_loss": NaN}]}"#.to_vec(),
            br#"{"global_step": 2, "best_model_checkpoint": "/x/checkpoint-1"}"#.to_vec(),
            br#"{"checkpoint": "checkpoint-1", "saved_at": "2019-08-02T11:29:05Z", "summary": {"loss": 1}}"#.to_vec(),
            br#"{"status": "running", "parent": {"session": "a_b_1", "checkpoint": "model"}}"#.to_vec(),
            b"epoch,step,val_loss\n1,1,0.5\n".to_vec(),
            br#"{"item_handlers": {"metrics": "x"}, "commit_timestamp_nsecs": 5}"#.to_vec(),
            b"\x81\xa1w\xc7\x01\x01a".to_vec(),
            b"5".to_vec(),
            b"global_step4".to_vec(),
            crate::tree::lightning_file(2, 9),
            b"1 0.5 3\n".to_vec(),
            b"version = 1\n[[mark]]\ncheckpoint = \"checkpoint-1\"\ntags = [\"x\"]\n".to_vec(),
            torn,
            crate::weights::torch(&["epoch", "arch", "state_dict", "optimizer", "epoch_length"]),
            crate::weights::torch(&["model_args", "iter_num", "best_val_loss", "mmengine_version"]),
            crate::weights::keras(9),
            crate::weights::index(),
            br#"{"checkpoint_dir_name": "checkpoint_000001", "loss": NaN, "steps_completed": 3}"#.to_vec(),
            br#"{"checkpoint_results": [{"checkpoint_dir_name": "x", "metrics": {}}]}"#.to_vec(),
            b"model_checkpoint_path: \"ckpt-1\"\n".to_vec(),
            b"epoch,time,val_loss\n1,2,0.5\n".to_vec(),
        ]),
    ]
}

#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>, Vec<u8>),
    Link(Vec<u8>, Vec<u8>),
    Dir(Vec<u8>, Vec<Node>),
}

fn node() -> impl Strategy<Value = Node> {
    let target = proptest::collection::vec(prop_oneof![Just(b"..".to_vec()), name()], 1..4)
        .prop_map(|parts| parts.join(&b'/'));
    let leaf = prop_oneof![
        4 => (name(), content()).prop_map(|(n, c)| Node::File(n, c)),
        1 => (name(), target).prop_map(|(n, t)| Node::Link(n, t)),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        (name(), proptest::collection::vec(inner, 0..8)).prop_map(|(n, c)| Node::Dir(n, c))
    })
}

/// Names that are taken already are left out.
fn build(path: &Path, nodes: &[Node]) {
    for node in nodes {
        match node {
            Node::File(name, content) => {
                let path = path.join(OsStr::from_bytes(name));
                if path.symlink_metadata().is_err() {
                    std::fs::write(path, content).unwrap();
                }
            }
            Node::Link(name, target) => {
                let _ = std::os::unix::fs::symlink(
                    OsStr::from_bytes(target),
                    path.join(OsStr::from_bytes(name)),
                );
            }
            Node::Dir(name, children) => {
                let path = path.join(OsStr::from_bytes(name));
                if std::fs::create_dir(&path).is_ok() {
                    build(&path, children);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree(nodes in proptest::collection::vec(node(), 1..8)) {
        let tree = Tree::new();
        build(tree.path(), &nodes);
        let scan = tree.scan();

        let mut names = HashSet::new();
        let mut paths: Vec<Vec<u8>> = Vec::new();
        for session in &scan.inventory.sessions {
            prop_assert!(names.insert(&session.name), "{} twice", session.name);
            prop_assert!(!session.checkpoints.is_empty());
            let mut ids = HashSet::new();
            for c in &session.checkpoints {
                prop_assert!(ids.insert(&c.id), "{} twice in {}", c.id, session.name);
                prop_assert!(c.fingerprint.is_some());
                for path in c.paths() {
                    let raw = retain::core::name::decode(path).into_owned();
                    let on_disk = tree.path().join(OsStr::from_bytes(&raw));
                    let kind = on_disk.symlink_metadata().unwrap().file_type();
                    prop_assert!(!kind.is_symlink(), "{path} is a symlink");
                    paths.push(raw);
                }
            }
        }
        // Nothing is claimed twice, and nothing inside of what is claimed.
        paths.sort();
        for pair in paths.windows(2) {
            let inside = pair[1].strip_prefix(&pair[0][..]).is_some_and(|r| r.is_empty() || r[0] == b'/');
            prop_assert!(!inside, "{:?}", pair);
        }
        for fault in &scan.faults {
            prop_assert!(fault.session.as_ref().is_none_or(|s| names.contains(s)));
        }

        let mut text = Vec::new();
        retain::inventory::write(&scan.inventory, &mut text).unwrap();
        let read = retain::inventory::read(&mut &text[..]).unwrap();
        let mut again = Vec::new();
        retain::inventory::write(&read.inventory, &mut again).unwrap();
        prop_assert_eq!(text, again);
    }
}
