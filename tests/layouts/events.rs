//! Metrics from `TensorBoard`'s event files, where a framework left no log of its own.

use crate::tree::{Tree, brief};
use retain::core::model::Checkpoint;
use retain::format::events::for_each_scalar;
use retain::scan::Scan;
use retain::store::Store as _;
use retain::store::local::LocalStore;
use std::fs::{self, File};
use std::path::Path;

const EVENTS: &str = "events.out.tfevents.1795365196.host";

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events").join(name);
    fs::read(path).unwrap()
}

/// `ID: NAME=VALUE (SOURCE) ...` of every checkpoint of all sessions.
fn metrics(scan: &Scan) -> Vec<String> {
    let one = |c: &Checkpoint| {
        let sources = &c.extra.as_ref().unwrap().sources;
        let mut all: Vec<_> = c
            .metrics
            .iter()
            .zip(sources)
            .map(|(m, s)| format!("{}={} ({})", scan.inventory.names.name(m.0), m.1, s.1))
            .collect();
        all.sort();
        format!("{}: {}", c.id, all.join(" "))
    };
    scan.inventory.sessions.iter().flat_map(|s| &s.checkpoints).map(one).collect()
}

/// An event file with one value in each record: wall time, step, tag, value.
fn events(rows: &[(f64, u8, &str, f32)]) -> Vec<u8> {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let sum =
        |data: &[u8]| crc.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let field =
        |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let mut out = Vec::new();
    for (wall_time, step, tag, value) in rows {
        let scalar = [&field(10, tag.as_bytes())[..], &[0x15], &value.to_le_bytes()].concat();
        let summary = field(42, &field(10, &scalar));
        let event = [&[9][..], &wall_time.to_le_bytes(), &[16, *step], &summary].concat();
        let length = (event.len() as u64).to_le_bytes();
        out.extend([&length[..], &sum(&length), &event, &sum(&event)].concat());
    }
    out
}

fn lightning(tree: &Tree) {
    tree.ckpt("v/checkpoints/epoch=0-step=4.ckpt", 0, 4)
        .ckpt("v/checkpoints/epoch=1-step=8.ckpt", 1, 8)
        .ckpt("v/checkpoints/last.ckpt", 1, 8);
}

#[test]
fn lightning_logs_batches_from_zero() {
    let tree = Tree::new();
    lightning(&tree);
    tree.file(&format!("v/{EVENTS}"), data("tensorboardx"));
    let scan = tree.scan();
    assert_eq!(scan.faults, []);
    assert_eq!(
        metrics(&scan),
        [
            format!(
                "epoch=0-step=4.ckpt: train_loss=1.7000000476837158 ({EVENTS}) val_loss=8.5 ({EVENTS})"
            ),
            format!(
                "epoch=1-step=8.ckpt: train_loss=1.2999999523162842 ({EVENTS}) val_loss=6.5 ({EVENTS})"
            ),
            "last.ckpt: ".to_owned(),
        ]
    );
}

/// With two optimizers a checkpoint after four batches is `step=8`, and row 7 is of a later epoch.
#[test]
fn a_row_of_another_epoch_is_not_the_checkpoints() {
    let tree = Tree::new();
    tree.ckpt("v/checkpoints/epoch=0-step=8.ckpt", 0, 8)
        .ckpt("v/checkpoints/epoch=1-step=16.ckpt", 1, 16)
        .file(&format!("v/{EVENTS}"), data("tensorboardx"));
    assert_eq!(metrics(&tree.scan()), ["epoch=0-step=8.ckpt: ", "epoch=1-step=16.ckpt: "]);
    tree.file("v/metrics.csv", "epoch,step,val_loss\n0,3,0.5\n1,7,0.4\n2,11,0.3\n3,15,0.2\n");
    assert_eq!(
        metrics(&tree.scan()),
        [
            "epoch=0-step=8.ckpt: val_loss=0.5 (metrics.csv)",
            "epoch=1-step=16.ckpt: val_loss=0.4 (metrics.csv)"
        ]
    );
}

#[test]
fn the_table_of_csv_logger_comes_first() {
    let tree = Tree::new();
    lightning(&tree);
    tree.file("v/metrics.csv", "epoch,step,val_loss\n0,3,0.5\n").file(&format!("v/{EVENTS}"), "no");
    let scan = tree.scan();
    assert_eq!(scan.faults, [], "the event file was not even looked at");
    assert_eq!(metrics(&scan)[0], "epoch=0-step=4.ckpt: val_loss=0.5 (metrics.csv)");
}

#[test]
fn a_name_that_cannot_be_the_values_rounding_is_a_conflict() {
    let tree = Tree::new();
    tree.ckpt("v/checkpoints/epoch=0-step=4-val_loss=8.50.ckpt", 0, 4)
        .ckpt("v/checkpoints/epoch=1-step=8-val_loss=8.50.ckpt", 1, 8)
        .file(&format!("v/{EVENTS}"), data("tensorboardx"));
    let scan = tree.scan();
    let conflicts: Vec<_> =
        scan.inventory.sessions[0].checkpoints.iter().map(|c| c.conflicts().join(" ")).collect();
    let text = format!("val_loss is 8.5 in its name and 6.5 in {EVENTS}");
    assert_eq!(conflicts, [String::new(), text]);
}

#[test]
fn the_trainers_last_evaluation() {
    let state = |step: u64, eval: &str| {
        format!(
            r#"{{"global_step": {step}, "log_history": [{{"step": 5, "eval_loss": 1.0}}{eval}]}}"#
        )
    };
    let tree = Tree::new();
    for step in [5, 10] {
        tree.hf(&format!("out/checkpoint-{step}"), step)
            .file(&format!("out/checkpoint-{step}/trainer_state.json"), state(step, ""));
    }
    tree.file(&format!("out/runs/Nov22_host/{EVENTS}"), data("trainer"));
    let source = format!("runs/Nov22_host/{EVENTS}");
    assert_eq!(
        metrics(&tree.scan()),
        [
            "checkpoint-5: eval_loss=1 (checkpoint-5/trainer_state.json)".to_owned(),
            format!(
                "checkpoint-10: eval_loss=2 ({source}) eval_runtime=1 ({source}) loss=1 ({source})"
            ),
        ]
    );
    let evaluated = state(10, r#", {"step": 10, "eval_loss": 3.0}"#);
    tree.file("out/checkpoint-10/trainer_state.json", evaluated)
        .file(&format!("out/runs/Nov22_host/{EVENTS}"), "no");
    let scan = tree.scan();
    assert_eq!(scan.faults, [], "the states know everything: the event file was not looked at");
    assert_eq!(metrics(&scan)[1], "checkpoint-10: eval_loss=3 (checkpoint-10/trainer_state.json)");
}

#[test]
fn keras_logs_epochs_from_zero() {
    let run = "keras/keras_files";
    for logs in ["logs", "logs/fit/20260131-101500", "."] {
        let tree = Tree::unpacked("keras.tar.gz");
        fs::remove_file(tree.at(&format!("{run}/training.log"))).unwrap();
        for part in ["train", "validation"] {
            let content = data(&format!("keras-{part}"));
            tree.file(&format!("{run}/{logs}/{part}/{EVENTS}.7.0.v2"), content);
        }
        let scan = tree.scan();
        assert_eq!(scan.faults, []);
        let found = metrics(&scan);
        let shown = if logs == "." { String::new() } else { format!("{logs}/") };
        let of = |part: &str| format!("{shown}{part}/{EVENTS}.7.0.v2");
        let (train, validation) = (of("train"), of("validation"));
        let first = found.iter().find(|line| line.starts_with("01-")).unwrap();
        assert_eq!(
            *first,
            format!(
                "01-0.98.keras: loss=0.20000000298023224 ({train}) val_accuracy=0.5 ({validation}) val_loss=0.10000000149011612 ({validation})"
            )
        );
    }
}

#[test]
fn of_several_runs_nobody_knows_which_keras_means() {
    let run = "keras/keras_files";
    let tree = Tree::unpacked("keras.tar.gz");
    fs::remove_file(tree.at(&format!("{run}/training.log"))).unwrap();
    for start in ["a", "b"] {
        tree.file(&format!("{run}/logs/{start}/train/{EVENTS}"), data("keras-train"));
    }
    let scan = tree.scan();
    assert!(metrics(&scan).iter().all(|line| !line.contains("tfevents")), "{:?}", metrics(&scan));
}

#[test]
fn ultralytics_logs_epochs_from_one() {
    let run = "ultralytics/runs/detect/train";
    let tree = Tree::unpacked("ultralytics.tar.gz");
    fs::remove_file(tree.at(&format!("{run}/results.csv"))).unwrap();
    let rows =
        [(1.0, 1, "metrics/mAP50(B)", 0.25), (1.0, 3, "lr/pg0", 0.1), (2.0, 3, "val/loss", 2.0)];
    tree.file(&format!("{run}/{EVENTS}"), events(&rows));
    let found = metrics(&tree.scan());
    assert!(found.contains(&format!("epoch0.pt: metrics/mAP50(B)=0.25 ({EVENTS})")), "{found:?}");
    assert!(found.contains(&format!("epoch2.pt: val/loss=2 ({EVENTS})")), "{found:?}");
}

#[test]
fn of_two_values_for_one_step_the_later_one_counts() {
    let tree = Tree::new();
    lightning(&tree);
    // The file of the resumed run is listed first, and its clock is later.
    tree.file(
        "v/events.out.tfevents.1.host",
        events(&[(9.0, 3, "val_loss", 0.5), (9.5, 3, "x", 1.0)]),
    )
    .file(
        "v/events.out.tfevents.2.host",
        events(&[(5.0, 3, "val_loss", 0.75), (5.0, 3, "y", 2.0)]),
    );
    assert_eq!(
        metrics(&tree.scan())[0],
        "epoch=0-step=4.ckpt: val_loss=0.5 (events.out.tfevents.1.host) \
         x=1 (events.out.tfevents.1.host) y=2 (events.out.tfevents.2.host)"
    );
}

#[test]
fn damage_is_said_and_gives_no_value() {
    let whole = events(&[(1.0, 3, "val_loss", 0.5), (2.0, 7, "val_loss", 0.25)]);
    let mut flipped = whole.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    let half = whole.len() / 2;
    let table: [(&[u8], usize, &str); 5] = [
        (&whole, 2, ""),
        (&whole[..whole.len() - 1], 1, ""),
        (&whole[..half + 4], 1, ""),
        (&flipped, 0, "the checksum of record 2 is wrong"),
        (b"epoch,step,val_loss\n0,3,0.5\n", 0, "the checksum of record 1 is wrong"),
    ];
    for (content, values, fault) in table {
        let tree = Tree::new();
        lightning(&tree);
        tree.file(&format!("v/{EVENTS}"), content);
        let scan = tree.scan();
        let said: Vec<_> = scan.faults.iter().map(|f| f.text.to_string()).collect();
        let want = if fault.is_empty() { vec![] } else { vec![format!("{EVENTS}: {fault}")] };
        assert_eq!(said, want);
        assert_eq!(scan.inventory.sessions[0].tainted.is_empty(), fault.is_empty());
        assert_eq!(metrics(&scan).iter().filter(|l| l.contains("val_loss=")).count(), values);
    }
}

#[test]
fn what_is_no_file_and_what_is_too_large_is_said() {
    let tree = Tree::new();
    lightning(&tree);
    tree.link(&format!("v/{EVENTS}"), "/etc/hostname");
    assert!(brief(&tree.scan()).contains(&format!("! v/{EVENTS}: {EVENTS} cannot be read")));
    let tree = Tree::new();
    lightning(&tree);
    tree.file(&format!("v/{EVENTS}"), "");
    File::options()
        .write(true)
        .open(tree.at(&format!("v/{EVENTS}")))
        .unwrap()
        .set_len(2 << 30)
        .unwrap();
    let text = format!("! v/{EVENTS}: {EVENTS}: larger than the 1 GiB that a log may have\n");
    assert!(brief(&tree.scan()).ends_with(&text), "{}", brief(&tree.scan()));
}

#[test]
fn more_tags_than_any_run_logs() {
    let tags: Vec<String> = (0..100_001).map(|n| format!("t{n}")).collect();
    let rows = |n: usize| {
        let rows: Vec<_> = tags[..n].iter().map(|t| (1.0, 3, t.as_str(), 0.5)).collect();
        events(&rows)
    };
    for (n, values) in [(1000, 1000), (100_001, 0)] {
        let tree = Tree::new();
        lightning(&tree);
        tree.file(&format!("v/{EVENTS}"), rows(n));
        let scan = tree.scan();
        assert_eq!(scan.inventory.sessions[0].checkpoints[0].metrics.len(), values);
        assert_eq!(scan.faults.is_empty(), values > 0);
    }
}

/// The file of a framework's own run, to the last record.
#[test]
fn rays_event_file() {
    let tree = Tree::unpacked("ray_tune.tar.gz");
    let trial = "ray_tune/all/f_67450_00001_1_a=0.5000_2026-11-22_16-33-10";
    let store = LocalStore::new(File::open(tree.at(trial)).unwrap().into());
    let dir = store.root().unwrap();
    let file = dir.file(b"events.out.tfevents.1795365196.vm").unwrap();
    let mut losses = Vec::new();
    for_each_scalar(&*file, |s| {
        if s.tag == "ray/tune/val_loss" {
            losses.push((s.step, s.value));
        }
    })
    .unwrap();
    let logged = fs::read_to_string(tree.at(trial).join("result.json")).unwrap();
    let want: Vec<(i64, f64)> = logged
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| (row["training_iteration"].as_i64().unwrap(), row["val_loss"].as_f64().unwrap()))
        .collect();
    assert_eq!(losses.len(), 5);
    for ((step, value), (iteration, loss)) in losses.iter().zip(&want) {
        assert_eq!(step, iteration);
        assert!((value - loss).abs() <= 1.0e-6 * loss.abs(), "{value} {loss}");
    }
}
