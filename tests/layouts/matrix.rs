//! Every file that a layout reads, damaged in every way: what is made of it, as a table.
//!
//! `kept`: the session is tainted, it is said why, and it loses nothing. `read`: the damage is one
//! that programs leave behind in normal life (a line that is still being written, a byte order
//! mark, a bare `NaN`), and the rest is used. Anything else is a fault of the reader.

use crate::tree::{Tree, lightning_file};
use crate::weights::{index, keras, torch};
use proptest::prelude::*;
use retain::scan::Scan;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A file, what a healthy one holds, and what lies around it.
struct Case {
    file: &'static str,
    healthy: &'static str,
    around: fn(&Tree),
}

const UUIDS: [&str; 2] =
    ["0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f", "1a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f"];

fn two(tree: &Tree, paths: [&str; 2], content: &[u8]) {
    for path in paths {
        tree.file(path, content);
    }
}

fn cases() -> Vec<Case> {
    let case = |file, healthy, around| Case { file, healthy, around };
    vec![
        case("run/metrics.csv", "epoch,step,val_loss\n1,1,0.5\n2,3,0.25\n", |t| {
            t.file("run/epoch=1-step=2.ckpt", lightning_file(1, 2))
                .file("run/epoch=2-step=4.ckpt", lightning_file(2, 4));
        }),
        case("run/1/_CHECKPOINT_METADATA", "{\"commit_timestamp_nsecs\": 5}", |t| {
            t.file("run/2/_CHECKPOINT_METADATA", "{}");
        }),
        case("run/1/metrics/metrics", "{\"loss\": 0.5}", |t| {
            two(t, ["run/1/_CHECKPOINT_METADATA", "run/2/_CHECKPOINT_METADATA"], b"{}");
        }),
        case("run/latest", "global_step1", |t| {
            let files = [
                "run/global_step1/mp_rank_00_model_states.pt",
                "run/global_step2/mp_rank_00_model_states.pt",
            ];
            two(t, files, b"");
            t.file("run/latest_universal", "global_step1");
        }),
        case("run/latest_checkpointed_iteration.txt", "2\n", |t| {
            two(t, ["run/iter_0000001/common.pt", "run/iter_0000002/common.pt"], b"");
            two(t, ["run/iter_0000001/metadata.json", "run/iter_0000002/metadata.json"], b"{}");
        }),
        case("run/checkpoint", "model_checkpoint_path: \"c-2\"\n", |t| {
            two(t, ["run/c-1.index", "run/c-2.index"], &index());
            two(t, ["run/c-1.data-00000-of-00001", "run/c-2.data-00000-of-00001"], b"");
        }),
        case(
            "run/result.json",
            "{\"checkpoint_dir_name\": \"checkpoint_000001\", \"loss\": 0.5}\n{\"a\": 1}\n",
            |t| two(t, ["run/checkpoint_000001/x", "run/checkpoint_000002/x"], b""),
        ),
        case(
            "run/progress.csv",
            "checkpoint_dir_name,loss\ncheckpoint_000001,0.5\ncheckpoint_000002,0.25\n",
            |t| two(t, ["run/checkpoint_000001/x", "run/checkpoint_000002/x"], b""),
        ),
        case(
            "run/checkpoint_manager_snapshot.json",
            "{\"checkpoint_results\": [], \"latest_checkpoint_result\": null}",
            |t| {
                let files = [
                    "run/checkpoint_2026-01-31_10-00-00.000001/x",
                    "run/checkpoint_2026-01-31_11-00-00.000001/x",
                ];
                two(t, files, b"");
            },
        ),
        case(
            "run/20260131_101500/vis_data/scalars.json",
            "{\"loss\": 1, \"epoch\": 1, \"step\": 9}\n{\"acc\": 0.5, \"step\": 1}\n",
            |t| {
                two(t, ["run/epoch_1.pth", "run/epoch_2.pth"], &torch(&["meta"]));
                t.file("run/last_checkpoint", "/x/epoch_2.pth");
            },
        ),
        case("run/last_checkpoint", "/x/epoch_2.pth", |t| {
            two(t, ["run/epoch_1.pth", "run/epoch_2.pth"], &torch(&["mmengine_version"]));
        }),
        case("run/summary.csv", "epoch,eval_top1\n0,0.5\n1,0.25\n", |t| {
            two(t, ["run/checkpoint-0.pth.tar", "run/checkpoint-1.pth.tar"], &torch(&["epoch"]));
            t.file("run/last.pth.tar", torch(&["x"]));
        }),
        case("run/results.csv", "epoch,time,fitness\n1,1,0.5\n2,2,0.25\n", |t| {
            two(t, ["run/weights/epoch0.pt", "run/weights/epoch1.pt"], &torch(&["x"]));
            t.file("run/args.yaml", "");
        }),
        case("run/training.log", "epoch,val_loss\n0,0.5\n1,0.25\n", |t| {
            two(t, ["run/01-0.5.keras", "run/02-0.25.keras"], &keras(9));
        }),
        case(
            "run/0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f/metadata.json",
            "{\"steps_completed\": 1}",
            |t| {
                t.file(&format!("run/{}/metadata.json", UUIDS[1]), "{\"steps_completed\": 2}")
                    .dir(&format!("run/{}", UUIDS[0]));
            },
        ),
        case("run/metrics.json", "{\"checkpoint-1\": {\"f1\": 0.5}}", |t| {
            t.hf("run/checkpoint-1", 1).hf("run/checkpoint-2", 2);
        }),
        case("run/metrics.jsonl", "{\"step\": 1, \"f1\": 0.5}\n{\"step\": 2, \"f1\": 1}\n", |t| {
            t.hf("run/checkpoint-1", 1).hf("run/checkpoint-2", 2);
        }),
        case("exp/r1/metrics/f1", "1 0.5 1\n2 0.25 2\n", |t| {
            t.file("exp/r1/meta.yaml", "lifecycle_stage: active\n")
                .hf("exp/r1/artifacts/run/checkpoint-1", 1)
                .hf("exp/r1/artifacts/run/checkpoint-2", 2);
        }),
    ]
}

type Damage = (&'static str, fn(&Path, &[u8]));

const DAMAGES: &[Damage] = &[
    ("empty", |path, _| fs::write(path, b"").unwrap()),
    ("truncated", |path, text| fs::write(path, &text[..text.len() * 2 / 3]).unwrap()),
    ("2 GiB", |path, text| {
        fs::write(path, text).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_len(2 << 30).unwrap();
    }),
    ("UTF-16", |path, text| {
        let wide = text.iter().flat_map(|b| [*b, 0]);
        fs::write(path, [0xff, 0xfe].into_iter().chain(wide).collect::<Vec<u8>>()).unwrap();
    }),
    ("BOM", |path, text| fs::write(path, [b"\xef\xbb\xbf", text].concat()).unwrap()),
    ("NaN", |path, text| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        fs::write(path, text.replace("0.5", "NaN")).unwrap();
    }),
    ("nested", |path, _| {
        fs::write(path, [b"[".repeat(1_000_000), b"\n".to_vec()].concat()).unwrap();
    }),
    ("NUL", |path, _| fs::write(path, [0; 4096]).unwrap()),
    ("NUL after", |path, text| fs::write(path, [text, &[0; 4096]].concat()).unwrap()),
    ("not UTF-8", |path, text| fs::write(path, [text, b"\xff\xfe\xfd\n"].concat()).unwrap()),
    ("directory", |path, _| fs::create_dir(path).unwrap()),
    ("symlink", |path, _| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
    ("fifo", |path, _| {
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &*name, fifo, 0o600.into(), 0).unwrap();
    }),
];

/// What became of the session that the file belongs to.
fn outcome(scan: &Scan, healthy: usize) -> String {
    let of_run = |name: &str| name != "other";
    let sessions = scan.inventory.sessions.iter().filter(|s| of_run(&s.name));
    let (mut listed, mut tainted, mut unfinished, mut ambiguous) = (0, false, false, false);
    for session in sessions {
        listed += session.checkpoints.len();
        tainted |= !session.tainted.is_empty();
        unfinished |= session.checkpoints.iter().any(|c| !c.complete);
        ambiguous |=
            session.checkpoints.iter().all(|c| c.marks.names().any(|mark| mark == "ambiguous"));
    }
    let how = if listed == 0 {
        "nobody's"
    } else if listed < healthy {
        "FEWER"
    } else if tainted {
        "kept"
    } else if ambiguous {
        "ambiguous"
    } else if unfinished {
        "unfinished"
    } else {
        "read"
    };
    how.to_owned()
}

#[test]
fn what_becomes_of_damaged_files() {
    let mut table = String::new();
    for case in cases() {
        let build = || {
            let tree = Tree::new();
            (case.around)(&tree);
            tree.file(case.file, case.healthy).hf("other/checkpoint-1", 1);
            tree
        };
        let scan = build().scan();
        assert_eq!(scan.faults, [], "{} is healthy", case.file);
        let sessions = scan.inventory.sessions.iter().filter(|s| &*s.name != "other");
        let healthy: usize = sessions.map(|s| s.checkpoints.len()).sum();
        assert!(healthy >= 2, "{}", case.file);
        let _ = writeln!(table, "{}", case.file);
        for (what, damage) in DAMAGES {
            let tree = build();
            let path = tree.at(case.file);
            fs::remove_file(&path).unwrap();
            damage(&path, case.healthy.as_bytes());
            let scan = tree.scan();
            let other = scan.inventory.sessions.iter().find(|s| &*s.name == "other").unwrap();
            assert!(other.tainted.is_empty(), "{what} {}: {:?}", case.file, other.tainted);
            let said = scan.faults.iter().map(|f| &*f.text).collect::<Vec<_>>().join("; ");
            let outcome = outcome(&scan, healthy);
            assert_ne!(outcome, "FEWER", "{what} {}", case.file);
            assert_eq!(outcome == "kept", !said.is_empty(), "{what} {}: {said}", case.file);
            let said = said.replace(char::is_control, ".");
            table.push_str(format!("  {what}: {outcome} {said}").trim_end());
            table.push('\n');
        }
    }
    insta::assert_snapshot!(table);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes of any kind at any place of any of these files: nothing panics, no checkpoint is lost
    /// sight of, what cannot be read is said, and no other session suffers.
    #[test]
    fn any_bytes_in_any_reader(
        at in 0.0_f64..1.0,
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..12),
            "[-+.,:;0-9eE\"{}\\[\\]\\\\n\n\r ]{1,12}".prop_map(String::into_bytes),
        ],
        cut in 0_usize..8,
    ) {
        for case in cases() {
            let tree = Tree::new();
            (case.around)(&tree);
            tree.file(case.file, case.healthy).hf("other/checkpoint-1", 1);
            let before: usize =
                tree.scan().inventory.sessions.iter().map(|s| s.checkpoints.len()).sum();
            let mut damaged = case.healthy.as_bytes().to_vec();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short text")]
            let from = (at * damaged.len() as f64) as usize;
            damaged.splice(from..(from + cut).min(damaged.len()), bytes.iter().copied());
            tree.file(case.file, &damaged);
            let scan = tree.scan();
            let after: usize = scan.inventory.sessions.iter().map(|s| s.checkpoints.len()).sum();
            prop_assert_eq!(after, before, "{} {:?}", case.file, damaged);
            for session in &scan.inventory.sessions {
                let is_other = &*session.name == "other";
                prop_assert!(!is_other || session.tainted.is_empty());
            }
            for fault in &scan.faults {
                prop_assert!(fault.session.is_some() && !fault.text.is_empty(), "{:?}", fault);
            }
        }
    }
}
