//! What the frameworks can also leave: other names, other versions, damage.

use crate::plans::deletions;
use crate::tree::{Tree, brief};
use crate::weights::{cut, index, keras, torch};
use retain::core::model::Step;
use retain::scan::Scan;
use std::fs;

/// The texts that taint the only session.
fn taints(scan: &Scan) -> Vec<String> {
    scan.inventory.sessions[0].tainted.iter().map(ToString::to_string).collect()
}

/// `id metric=value ..` for each checkpoint of the first session that has any.
fn metrics(scan: &Scan) -> Vec<String> {
    let names = &scan.inventory.names;
    let of = |c: &retain::core::model::Checkpoint| {
        let values = c.metrics.iter().map(|(id, v)| format!(" {}={v}", names.name(id)));
        format!("{}{}", c.id, values.collect::<String>())
    };
    let checkpoints = &scan.inventory.sessions[0].checkpoints;
    checkpoints.iter().filter(|c| !c.metrics.is_empty()).map(of).collect()
}

fn tf(tree: &Tree, base: &str) {
    tree.file(&format!("{base}.index"), index()).file(&format!("{base}.data-00000-of-00001"), "w");
}

#[test]
fn tensorflow_saver_with_graphs_and_an_absolute_pointer() {
    let tree = Tree::new();
    for step in [1, 2, 10, 100] {
        tf(&tree, &format!("run/model.ckpt-{step}"));
        tree.file(&format!("run/model.ckpt-{step}.meta"), "graph");
    }
    tree.file("run/checkpoint", "model_checkpoint_path: \"/gone/run/model.ckpt-2\"\n");
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  model.ckpt-1\n  model.ckpt-2 latest <- checkpoint\n  model.ckpt-10\n  \
        model.ckpt-100\n"
    );
    let first = &scan.inventory.sessions[0].checkpoints[0];
    assert_eq!(first.files, 3);
    assert_eq!(&*first.paths()[0], "run/model.ckpt-1.index");
    assert_eq!(deletions(&scan), ["run: model.ckpt-1"]);
}

#[test]
fn tensorflow_unfinished_saves() {
    let tree = Tree::new();
    for step in 1..=4 {
        tf(&tree, &format!("run/ckpt-{step}"));
    }
    let remove = |name: &str| fs::remove_file(tree.at("run").join(name)).unwrap();
    remove("ckpt-2.data-00000-of-00001");
    remove("ckpt-3.index");
    tree.file("run/ckpt-4.index", &index()[..8])
        .file("run/ckpt-5.index", index())
        .file("run/ckpt-5.data-00000-of-00002", "w")
        .file("run/ckpt-6_temp/part-00000-of-00001.data-00000-of-00001", "w")
        .file("run/ckpt-7_temp/notes.txt", "a stranger's")
        .file("run/ckpt-8.index", index())
        .file("run/ckpt-8.data-00000-of-00001", "w")
        .file("run/ckpt-8.data-00000-of-00002", "w")
        .file("run/ckpt-8.data-00001-of-00002", "w")
        .file("run/ckpt-9.index", index())
        .link("run/ckpt-9.data-00000-of-00001", "../elsewhere")
        .file("elsewhere", "w");
    assert_eq!(
        brief(&tree.scan()),
        "run\n  ckpt-1\n  ckpt-2 incomplete\n  ckpt-3 incomplete\n  ckpt-4 incomplete\n  \
        ckpt-5 incomplete\n  ckpt-6 incomplete\n  ckpt-8 incomplete ambiguous\n"
    );
}

#[test]
fn tensorflow_prefixes_are_series() {
    let tree = Tree::new();
    tf(&tree, "run/gen-1");
    tf(&tree, "run/disc-1");
    tf(&tree, "run/w-0003.ckpt");
    tree.file("run/model.ckpt-5.index", index()).file("run/lone.index", index());
    let damages = [
        ("model_checkpoint_path: \"disc-1\"\n", ""),
        ("model_checkpoint_path: \"gen-7\"\n", "checkpoint names `gen-7`, which is not here"),
        ("\0\0\0", "checkpoint is damaged"),
        ("", "checkpoint is damaged"),
    ];
    for (text, taint) in damages {
        tree.file("run/checkpoint", text);
        let scan = tree.scan();
        let names: Vec<_> = scan.inventory.sessions.iter().map(|s| &*s.name).collect();
        assert_eq!(names, ["run#disc", "run#gen", "run#w"]);
        assert_eq!(scan.inventory.sessions[2].checkpoints[0].epoch, Some(Step::Whole(3)));
        for session in &scan.inventory.sessions {
            assert_eq!(session.tainted.len(), usize::from(!taint.is_empty()), "{text}");
            assert!(session.tainted.iter().all(|t| t.contains(taint)), "{text}");
        }
    }
}

#[test]
fn ray_results_that_are_damaged() {
    let tree = Tree::new();
    for n in 0..3 {
        tree.file(&format!("trial/checkpoint_00000{n}/model.bin"), "");
    }
    tree.dir("trial/checkpoint_000003").dir("other/checkpoint_000003");
    let row = |n: u32, rest: &str| {
        format!("{{\"checkpoint_dir_name\": \"checkpoint_00000{n}\", \"done\": false{rest}}}\n")
    };
    let nested =
        ", \"eval\": {\"loss\": NaN}, \"epoch\": 2, \"note\": \"x\", \"config\": {\"a\": 1}";
    let results = row(0, ", \"loss\": 3") + &row(0, ", \"loss\": 1") + &row(1, nested);
    let csv = "checkpoint_dir_name,loss,done\ncheckpoint_000000,4,False\n,5,False\n";
    tree.file("trial/progress.csv", csv).file("trial/result.json", format!("{results}{{\"che"));
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "trial\n  checkpoint_000000\n  checkpoint_000001\n  checkpoint_000002\n  \
        checkpoint_000003 incomplete\n"
    );
    assert_eq!(metrics(&scan), ["checkpoint_000000 loss=1", "checkpoint_000001 eval/loss=NaN"]);

    tree.file("trial/result.json", format!("{{\"che\n{results}"));
    let scan = tree.scan();
    assert_eq!(taints(&scan).len(), 1);
    assert_eq!(metrics(&scan), ["checkpoint_000000 loss=4"], "the table stands in");
    fs::remove_file(tree.at("trial/result.json")).unwrap();
    assert!(taints(&tree.scan()).is_empty());
}

fn mm(tree: &Tree, name: &str) {
    tree.file(&format!("run/{name}"), torch(&["meta", "mmengine_version", "state_dict"]));
}

#[test]
fn mmengine_by_iteration_and_resumed() {
    let tree = Tree::new();
    mm(&tree, "iter_1000.pth");
    mm(&tree, "iter_2000.pth");
    mm(&tree, "best_mIoU_iter_1000.pth");
    tree.file("run/iter_3000.pth/mp_rank_00_model_states.pt", "")
        .file("run/iter_4000.pth/notes.txt", "a stranger's")
        .file("run/resnet50_8xb32-0a1b2c3d.pth", torch(&["state_dict"]))
        .file("run/last_checkpoint", "/gone/run/iter_3000.pth");
    let log = |rows: &str| format!("{{\"loss\": 1.0, \"iter\": 50, \"step\": 50}}\n{rows}");
    tree.file(
        "run/20260101_000000/vis_data/scalars.json",
        log("{\"mIoU\": 0.1, \"step\": 1000}\n{\"mIoU\": 0.2, \"step\": 2000}\n"),
    )
    .file(
        "run/20260102_000000/vis_data/scalars.json",
        log("{\"mIoU\": 0.3, \"time\": 1, \"step\": 2000}\n{\"mIoU\": 0.4, \"st"),
    );
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "run\n  best_mIoU_iter_1000.pth best\n  iter_1000.pth\n  iter_2000.pth\n  \
        iter_3000.pth latest <- last_checkpoint\n"
    );
    assert_eq!(metrics(&scan), ["iter_1000.pth mIoU=0.1", "iter_2000.pth mIoU=0.3"]);
    tree.file("run/20260102_000000/vis_data/scalars.json", "{\"mIoU\"\n{}\n");
    assert!(taints(&tree.scan())[0].contains("scalars.json: line 1 is damaged"));
    tree.file("run/last_checkpoint", "/gone/run/iter_9000.pth");
    assert_eq!(taints(&tree.scan()).len(), 2);
}

#[test]
fn mmengine_proves_itself_or_is_left_alone() {
    let tree = Tree::new();
    mm(&tree, "epoch_1.pth");
    mm(&tree, "epoch_2.pth");
    let whole = fs::read(tree.at("run/epoch_1.pth")).unwrap();
    tree.file("run/epoch_3.pth", cut(&whole)).file("run/epoch_4.pth", "text");
    tree.file("other/epoch_1.pth", torch(&["state_dict"]));
    assert_eq!(
        brief(&tree.scan()),
        "run\n  epoch_1.pth\n  epoch_2.pth\n  epoch_3.pth incomplete\n  epoch_4.pth ambiguous\n"
    );
}

#[test]
fn timm_without_hard_links() {
    let tree = Tree::unpacked("timm.tar.gz");
    let at = |name: &str| tree.at("timm/max10").join(name);
    for copy in ["last.pth.tar", "model_best.pth.tar"] {
        let content = fs::read(at(copy)).unwrap();
        fs::remove_file(at(copy)).unwrap();
        fs::write(at(copy), content).unwrap();
    }
    let last = |scan: &Scan| {
        let checkpoints = &scan.inventory.sessions[0].checkpoints;
        let last = checkpoints.iter().find(|c| &*c.id == "last.pth.tar").unwrap();
        (last.epoch, last.summary().map(str::to_owned))
    };
    assert_eq!(last(&tree.scan()), (None, Some("copy of checkpoint-4.pth.tar".to_owned())));
    fs::remove_file(at("checkpoint-4.pth.tar")).unwrap();
    assert_eq!(last(&tree.scan()), (Some(Step::Whole(4)), None));
}

#[test]
fn timm_damaged_and_lookalikes() {
    let tree = Tree::unpacked("timm.tar.gz");
    tree.file("timm/max10/tmp.pth.tar", "PK")
        .file("a/checkpoint.pth.tar", torch(&["state_dict"]))
        .file("a/model_best.pth.tar", torch(&["state_dict"]))
        .file("b/checkpoint-1.pth.tar", torch(&["state_dict"]))
        .file("c/checkpoint-1.pth.tar", torch(&["epoch", "arch", "state_dict", "optimizer"]));
    let scan = tree.scan();
    let shown = brief(&scan);
    assert!(shown.starts_with("c\n  checkpoint-1.pth.tar\ntimm/max10\n"), "{shown}");
    assert!(shown.contains("  tmp.pth.tar incomplete\n"), "{shown}");
    for (csv, text) in [
        ("epoch,eval_loss\n1,2,3\n", "line 2 has 3 fields"),
        ("time,eval_loss\n1,2\n", "has no column `epoch`"),
        ("epoch,eval_loss\n1,\"2\n3,4\n", "is never closed"),
    ] {
        tree.file("timm/max10/summary.csv", csv);
        let scan = tree.scan();
        let tainted = &scan.inventory.sessions[1].tainted;
        assert!(text == "is never closed" || tainted[0].contains(text), "{csv}: {tainted:?}");
        assert!(scan.inventory.sessions[0].tainted.is_empty());
    }
    // A header that a resumed run wrote again, and a torn last line.
    let csv = "epoch,eval_loss\n3,0.5\nepoch,eval_loss\n4,0.25\n5,0.";
    tree.file("timm/max10/summary.csv", csv);
    let scan = tree.scan();
    assert!(scan.faults.is_empty());
    let loss = scan.inventory.names.get("eval_loss").unwrap();
    assert_eq!(scan.inventory.sessions[1].checkpoints[4].metric(loss), Some(0.25));
}

#[test]
fn ultralytics_versions_and_damage() {
    let tree = Tree::new();
    let model = torch(&["epoch", "model", "train_args"]);
    for n in 0..3 {
        tree.file(&format!("exp/train2/weights/epoch{n}.pt"), &model);
    }
    tree.file("exp/train2/args.yaml", "task: detect\n")
        .file("exp/train2/weights/epoch3.pt", cut(&model))
        .file("exp/train2/weights/last.pt", "")
        .file("exp/train2/weights/best.onnx", "")
        .file("exp/train2/results.csv", "   epoch,   val/loss\n  0,  0.5\n   1,   0.4\n")
        .file("yolov5/weights/epoch1.pt", &model);
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "exp/train2\n  epoch0.pt\n  epoch1.pt\n  epoch2.pt\n  epoch3.pt incomplete\n  \
        last.pt incomplete latest\n"
    );
    assert_eq!(metrics(&scan), ["epoch0.pt val/loss=0.5", "epoch1.pt val/loss=0.4"]);
    tree.file("exp/train2/results.csv", "epoch,val/loss\n1,0.5\n2,0.4\n");
    assert_eq!(metrics(&tree.scan()), ["epoch0.pt val/loss=0.5", "epoch1.pt val/loss=0.4"]);
    tree.file("exp/train2/results.csv", "time\n1\n");
    assert!(taints(&tree.scan())[0].contains("results.csv: has no column `epoch`"));
}

#[test]
fn keras_templates_and_what_is_none() {
    let tree = Tree::new();
    // An epoch, or a metric, in the name.
    for n in 1..=3 {
        tree.file(&format!("named/model-epoch{n:02}.keras"), keras(100 * n))
            .file(&format!("scored/w.{n:02}-val_loss=0.{n}.keras"), keras(100 * n))
            .file(&format!("sized/m_{n:02}.keras"), keras(1000 + n))
            .file(&format!("zoo/vgg_1{}.keras", 5 + n), keras(1000 * n))
            .file(&format!("zoo/resnet{n}.keras"), keras(1000))
            .file(&format!("sweep/lstm_{}_epochs_10.keras", 32 * n), keras(1000 * n))
            .file(&format!("lengths/cnn_epochs_{n}0.keras"), keras(1000))
            .file(&format!("lengths/cnn_epochs{n}0.keras"), keras(1000))
            .file(&format!("text/epoch{n}.keras"), "not a zip");
    }
    tree.file("named/best_model.keras", keras(100))
        .file("named/bestiary.keras", keras(100))
        .file("named/model-epoch04.keras", cut(&keras(5000)))
        .file("logged/best.weights.h5", "\u{89}HDF\r\n")
        .file("lone/model.keras", keras(9))
        .file("data/part-1.h5", b"\x89HDF\r\n\x1a\ndata".repeat(10))
        .file("data/part-2.h5", b"\x89HDF\r\n\x1a\ndata".repeat(10));
    let scan = tree.scan();
    assert_eq!(
        brief(&scan),
        "named\n  best_model.keras best\n  model-epoch01.keras\n  model-epoch02.keras\n  \
        model-epoch03.keras\n  model-epoch04.keras incomplete\n\
        scored\n  w.01-val_loss=0.1.keras\n  w.02-val_loss=0.2.keras\n  w.03-val_loss=0.3.keras\n\
        sized\n  m_01.keras\n  m_02.keras\n  m_03.keras\n"
    );
    let loss = scan.inventory.names.get("val_loss").unwrap();
    assert_eq!(scan.inventory.sessions[1].checkpoints[1].metric(loss), Some(0.2));
    // The log is of before: its epochs count from zero.
    tree.file("scored/training.log", "epoch,val_loss\n0,0.104\n1,0.204\n2,0.39\n");
    let scan = tree.scan();
    let conflicts: Vec<_> =
        scan.inventory.sessions[1].checkpoints.iter().map(|c| c.conflicts().len()).collect();
    assert_eq!(conflicts, [0, 0, 1]);
}

#[test]
fn keras_backups_are_never_candidates() {
    let scan = Tree::unpacked("keras.tar.gz").scan();
    assert_eq!(scan.never.len(), 4);
    assert!(scan.never.iter().all(|(path, _)| path.starts_with("keras/keras_files/backup/")));
}

#[test]
fn accelerate_names_and_cut_saves() {
    let tree = Tree::new();
    for n in [1, 2, 4] {
        let at = format!("run/step_{n}");
        tree.file(&format!("{at}/model.safetensors"), "")
            .file(&format!("{at}/random_states_0.pkl"), "")
            .file(&format!("{at}/random_states_1.pkl"), "");
    }
    tree.file("run/step_3/model.safetensors", "")
        .file("run/step_5/model.safetensors", "")
        .file("run/step_6/notes.txt", "")
        .file("other/step_1/model.safetensors", "");
    assert_eq!(
        brief(&tree.scan()),
        "run\n  step_1\n  step_2\n  step_3 incomplete ambiguous\n  step_4\n  step_5 incomplete\n"
    );
}
