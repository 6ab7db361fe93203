//! All real trees in one root: each session has its framework, all checkpoints and only they are
//! recognised, exactly the unfinished show as such; and what the default policy makes of them.

use crate::plans::in_a_month;
use crate::tree::Tree;
use retain::core::decide::decide;
use retain::core::decision::Verdict;
use retain::core::model::{Checkpoint, Session};
use retain::core::policy::{self, load};
use retain::scan::Scan;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// Session, framework, its unfinished checkpoints, and why what the default policy does is right.
const SESSIONS: [(&str, &str, &[&str], &str); 19] = [
    ("accelerate/auto_naming", "accelerate", &[], "nothing tells a metric: the last three"),
    (
        "deepspeed/zero1",
        "deepspeed",
        &[],
        "there are three; `latest` names the newest, and protects it",
    ),
    ("flax_legacy/msgpack", "flax", &[], "nothing tells a metric: the last three"),
    (
        "hf_trainer/all",
        "hf_trainer",
        &[],
        "the best three by `eval_loss`, 10, 9, 2.8, 5, 2.5, are the last three; the newest state names no best",
    ),
    (
        "hf_trainer/crashed_at_step15",
        "hf_trainer",
        &["checkpoint-15"],
        "two are whole; the save that was killed is neither counted nor deleted",
    ),
    (
        "hf_trainer/limit2_load_best",
        "hf_trainer",
        &[],
        "the Trainer pruned it itself; its best is named by a path of another machine",
    ),
    (
        "keras/keras_files",
        "keras",
        &[],
        "the best three by `val_loss` of `training.log` are the last three; `backup/` is no candidate",
    ),
    (
        "lightning/all_metric_in_name/lightning_logs/version_0",
        "lightning",
        &[],
        "the best three by `val_loss` of `metrics.csv` are the last three; `last.ckpt` is a copy, and takes nobody's place",
    ),
    (
        "lightning/last_is_symlink/lightning_logs/version_0",
        "lightning",
        &[],
        "as above, though the names tell no metric; the link protects the newest",
    ),
    (
        "mmengine/all_save_best",
        "mmengine",
        &[],
        "no loss: the best three by `acc` and the last two; `last_checkpoint` is a path of another machine and names epoch 5, `best_acc_epoch_4.pth` protects itself",
    ),
    ("orbax/best2", "orbax", &[], "Orbax kept the best two itself"),
    (
        "orbax/crashed_tmp",
        "orbax",
        &["2.orbax-checkpoint-tmp"],
        "one is whole; the save that was killed is neither counted nor deleted",
    ),
    (
        "ray_tune/all/f_67450_00000_0_a=1.0000_2026-11-22_16-33-10",
        "ray_tune",
        &[],
        "the best three by `val_loss` of `result.json` are the last three",
    ),
    (
        "ray_tune/all/f_67450_00001_1_a=0.5000_2026-11-22_16-33-10",
        "ray_tune",
        &[],
        "each trial is a session, and keeps its own best three",
    ),
    ("tf_checkpoint_manager/max2", "tensorflow", &[], "the manager pruned it itself"),
    (
        "tf_checkpoint_manager/max5",
        "tensorflow",
        &[],
        "nothing tells a metric: the last three; the manager's pointer names the newest",
    ),
    (
        "timm/max10",
        "timm",
        &[],
        "the best three by `eval_loss` of `summary.csv` are the last three epochs; the recovery file is of before an evaluation, `last` and `model_best` are names of epoch 4",
    ),
    (
        "torch_dcp",
        "torch_dcp",
        &["step_40"],
        "nothing tells a metric: the last three that are whole; the one without `.metadata` is neither counted nor deleted",
    ),
    (
        "ultralytics/runs/detect/train",
        "ultralytics",
        &[],
        "there are three epochs, and `last` and `best` protect themselves",
    ),
];

/// What frameworks leave beside checkpoints; a directory ends in `/`.
const BESIDE: [&str; 19] = [
    ".validate_storage_marker",
    "20261122_163216.py",
    "20261122_163216/",
    "args.yaml",
    "basic-variant-state-2026-11-22_16-33-10.json",
    "checkpoint",
    "events.out.tfevents.1795365196.vm",
    "events.out.tfevents.1795365197.vm",
    "experiment_state-2026-11-22_16-33-10.json",
    "hparams.yaml",
    "last_checkpoint",
    "latest",
    "metrics.csv",
    "params.json",
    "params.pkl",
    "progress.csv",
    "result.json",
    "results.csv",
    "summary.csv",
];

fn archive() -> Tree {
    let tree = Tree::new();
    for name in [
        "accelerate",
        "deepspeed",
        "flax_legacy",
        "hf_trainer",
        "keras",
        "lightning",
        "mlflow",
        "mmengine",
        "orbax",
        "ray_tune",
        "tf_checkpoint_manager",
        "timm",
        "torch_dcp",
        "ultralytics",
    ] {
        tree.unpack(&format!("{name}.tar.gz"));
    }
    tree
}

#[test]
fn every_session_has_its_framework_and_exactly_the_unfinished_are_incomplete() {
    let scan = archive().scan();
    assert_eq!(scan.faults, []);
    let seen: Vec<(String, String, Vec<&str>)> = scan
        .inventory
        .sessions
        .iter()
        .map(|s| {
            let unfinished = s.checkpoints.iter().filter(|c| !c.complete).map(|c| &*c.id);
            (s.name.to_string(), s.layout.as_deref().unwrap().to_owned(), unfinished.collect())
        })
        .collect();
    let want: Vec<(String, String, Vec<&str>)> =
        SESSIONS.iter().map(|s| (s.0.to_owned(), s.1.to_owned(), s.2.to_vec())).collect();
    assert_eq!(seen, want);
}

#[test]
fn all_checkpoints_and_only_they_are_recognised() {
    let tree = archive();
    let scan = tree.scan();
    let checkpoints = scan.inventory.sessions.iter().flat_map(|s| &s.checkpoints);
    let claimed: BTreeSet<&str> = checkpoints.flat_map(Checkpoint::paths).map(|p| &**p).collect();
    for path in &claimed {
        let name = path.rsplit('/').next().unwrap();
        assert!(!BESIDE.contains(&name), "{path} is no checkpoint");
        assert!(!path.starts_with("mlflow/"), "{path}");
    }
    let never: BTreeSet<&str> = scan.never.iter().map(|(path, _)| &**path).collect();
    assert!(never.len() == 4 && never.iter().all(|n| n.starts_with("keras/keras_files/backup/")));
    let is_in = |set: &BTreeSet<&str>, path: &Path| {
        path.ancestors().any(|a| set.contains(a.to_str().unwrap()))
    };
    for entry in walkdir::WalkDir::new(tree.path()) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(tree.path()).unwrap();
        if entry.file_type().is_dir() || is_in(&claimed, path) || is_in(&never, path) {
            continue;
        }
        let known = |beside: &&str| match beside.strip_suffix('/') {
            Some(dir) => path.components().any(|c| c.as_os_str() == dir),
            None => path.file_name().unwrap() == *beside,
        };
        // A link to a checkpoint, a metric source, logs.
        let explained = path
            .ends_with("last_is_symlink/lightning_logs/version_0/checkpoints/last.ckpt")
            || path.starts_with("mlflow")
            || path.ends_with("training.log")
            || path.ends_with("tuner.pkl")
            || BESIDE.iter().any(known);
        assert!(explained, "{} was not recognised", path.display());
    }
}

/// The table in docs/layouts.md.
#[test]
fn what_the_default_policy_makes_of_them() {
    let scan = archive().scan();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/layouts.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- real trees -->\n", "<!-- end of real trees -->");
    let (before, rest) = text.split_once(begin).expect("the table begins");
    let (_, after) = rest.split_once(end).expect("the table ends");
    let current = format!("{before}{begin}\n{}\n{end}{after}", table(&scan));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &current).unwrap();
    } else {
        let old = "docs/layouts.md is old: UPDATE_DOCS=1 cargo test --test layouts default_policy";
        assert!(text == current, "{old}");
    }
}

fn table(scan: &Scan) -> String {
    let policy = load(policy::DEFAULT).policy.unwrap();
    let outcome = decide(&scan.inventory, &policy, in_a_month(scan));
    let mut out = "| session | layout | stays | unfinished, stays | goes | why that is right |\n\
                   |---|---|---|---|---|---|\n"
        .to_owned();
    for (session, decided) in scan.inventory.sessions.iter().zip(&outcome.sessions) {
        let ids = |wanted: &dyn Fn(usize, &Checkpoint) -> bool| {
            let all = session.checkpoints.iter().enumerate();
            let ids: Vec<&str> = all.filter(|(i, c)| wanted(*i, c)).map(|(_, c)| &*c.id).collect();
            if ids.is_empty() { "-".to_owned() } else { ids.join(", ") }
        };
        let goes = |i: usize| decided.verdict(i) == Verdict::Delete;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            session.name,
            session.layout.as_deref().unwrap_or("-"),
            ids(&|i, c| !goes(i) && c.complete),
            ids(&|i, c| !goes(i) && !c.complete),
            ids(&|i, _| goes(i)),
            why(session),
        );
    }
    out
}

fn why(session: &Session) -> &'static str {
    SESSIONS.iter().find(|s| *s.0 == *session.name).expect("a known session").3
}
