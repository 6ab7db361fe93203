//! Names that several frameworks use, and what tells them apart: nothing is claimed by two.

use crate::tree::Tree;

/// Files with their contents, and the layout and id of every checkpoint seen.
type Case = (
    &'static str,
    &'static [(&'static str, &'static [u8])],
    &'static [(&'static str, &'static str)],
);

const MSGPACK: &[u8] = b"\x81\xa1w\xc7\x01\x01a";
const STATE: &[u8] = b"{\"global_step\": 5}";

const CASES: &[Case] = &[
    ("a file of Flax", &[("r/checkpoint_0", MSGPACK)], &[("flax", "checkpoint_0")]),
    (
        "a directory of Flax",
        &[("r/checkpoint_0/_METADATA", b"{}"), ("r/checkpoint_0/_sharding", b"")],
        &[("flax", "checkpoint_0")],
    ),
    (
        "Orbax with the prefix that Flax has",
        &[
            ("r/checkpoint_0/_CHECKPOINT_METADATA", b"{}"),
            ("r/checkpoint_0/default/_METADATA", b""),
        ],
        &[("orbax", "checkpoint_0")],
    ),
    ("any directory of that name", &[("r/checkpoint_0/weights", b"")], &[]),
    ("a text of that name", &[("r/checkpoint_0", b"text")], &[]),
    (
        "the Trainer",
        &[("r/checkpoint-5/trainer_state.json", STATE)],
        &[("hf_trainer", "checkpoint-5")],
    ),
    ("a numbered folder", &[("r/5/image.png", b"")], &[]),
    ("Orbax", &[("r/5/_CHECKPOINT_METADATA", b"{}")], &[("orbax", "5")]),
    (
        "shards in a numbered folder",
        &[("r/5/__0_0.distcp", b""), ("r/5/.metadata", b"")],
        &[("torch_dcp", "5")],
    ),
    (
        "shards that Megatron wrote",
        &[
            ("r/iter_0000005/__0_0.distcp", b""),
            ("r/iter_0000005/.metadata", b""),
            ("r/latest_checkpointed_iteration.txt", b"5"),
        ],
        &[("megatron", "iter_0000005")],
    ),
    (
        "shards that NeMo wrote",
        &[
            ("r/a--x=1-epoch=2/weights/__0_0.distcp", b""),
            ("r/a--x=1-epoch=2/weights/.metadata", b""),
            ("r/a--x=1-epoch=2/context/model.yaml", b""),
        ],
        &[("nemo", "a--x=1-epoch=2")],
    ),
    (
        "DeepSpeed inside of the Trainer's",
        &[
            ("r/checkpoint-5/trainer_state.json", STATE),
            ("r/checkpoint-5/latest", b"global_step5"),
            ("r/checkpoint-5/global_step5/mp_rank_00_model_states.pt", b""),
        ],
        &[("hf_trainer", "checkpoint-5")],
    ),
    (
        "DeepSpeed inside of Lightning's",
        &[
            ("r/epoch=1-step=5.ckpt/latest", b"checkpoint"),
            ("r/epoch=1-step=5.ckpt/checkpoint/mp_rank_00_model_states.pt", b""),
        ],
        &[("lightning", "epoch=1-step=5.ckpt")],
    ),
    (
        "the directory `checkpoint` of DeepSpeed alone",
        &[("r/latest", b"checkpoint"), ("r/checkpoint/mp_rank_00_model_states.pt", b"")],
        &[("deepspeed", "checkpoint")],
    ),
];

#[test]
fn each_is_claimed_by_one() {
    for (what, files, want) in CASES {
        let tree = Tree::new();
        for (path, content) in *files {
            tree.file(path, content);
        }
        let scan = tree.scan();
        assert_eq!(scan.faults, [], "{what}");
        let seen: Vec<(&str, &str)> = scan
            .inventory
            .sessions
            .iter()
            .flat_map(|s| s.checkpoints.iter().map(|c| (s.layout.as_deref().unwrap(), &*c.id)))
            .collect();
        assert_eq!(seen, *want, "{what}");
        let marked = scan.inventory.sessions.iter().flat_map(|s| &s.checkpoints);
        assert!(marked.into_iter().all(|c| c.marks.names().all(|m| m != "ambiguous")), "{what}");
    }
}
