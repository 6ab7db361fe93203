//! The sample must be what the frameworks write, and the same every time.

use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

const NOW: &str = "2026-03-01T12:00:00Z";

fn made() -> (tempfile::TempDir, Sample) {
    let dir = tempfile::tempdir().unwrap();
    let sample = make(dir.path(), Time::parse(NOW).unwrap()).unwrap();
    (dir, sample)
}

fn files(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let entries = walkdir::WalkDir::new(dir).into_iter().map(|e| e.unwrap());
    entries
        .filter(|e| e.file_type().is_file())
        .map(|e| {
            let path = e.path().strip_prefix(dir).unwrap().to_path_buf();
            let modified = e.metadata().unwrap().modified().unwrap();
            (path, (std::fs::read(e.path()).unwrap(), modified))
        })
        .collect()
}

#[test]
fn the_same_now_gives_the_same_tree() {
    let ((a, one), (b, two)) = (made(), made());
    assert_eq!(one, two);
    assert!(files(a.path()) == files(b.path()));
}

#[test]
fn counts_are_of_what_is_there() {
    let (dir, sample) = made();
    let files = files(dir.path());
    let is_checkpoint_part = |p: &&PathBuf| {
        let text = p.to_string_lossy();
        text.contains("/nsml_model/") || text.contains("/checkpoint-") || text.ends_with(".ckpt")
    };
    let bytes: usize =
        files.iter().filter(|(p, _)| is_checkpoint_part(p)).map(|(_, f)| f.0.len()).sum();
    assert_eq!(sample.bytes, bytes as u64);
    let ends = ["metadata.json", "config.json"];
    let units = files.keys().filter(|p| {
        ends.iter().any(|e| p.ends_with(e)) || p.extension().is_some_and(|e| e == "ckpt")
    });
    assert_eq!(sample.checkpoints as usize, units.count());
    assert_eq!(sample.sessions, 13);
    assert!((200..500).contains(&sample.checkpoints), "{sample:?}");
}

#[test]
fn nothing_is_newer_than_now() {
    let (dir, _) = made();
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_772_366_400);
    for (path, (_, modified)) in files(dir.path()) {
        assert!(modified <= now, "{}", path.display());
    }
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "").unwrap();
    let error = make(dir.path(), Time::parse(NOW).unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// What a scan makes of it, a line for each session: layout, status, checkpoints, and the ids that
/// are unfinished, pinned, submitted, or pointed at.
#[test]
fn the_layouts_recognise_all_of_it() {
    let (dir, sample) = made();
    let root = std::fs::File::open(dir.path()).unwrap();
    let store = crate::store::local::LocalStore::new(root.into());
    let scan = crate::scan::scan(&store, &crate::scan::ScanOptions::default(), &|_| {});
    assert_eq!(scan.faults.len(), 0, "{:?}", scan.faults);
    let sessions = &scan.inventory.sessions;
    let count: usize = sessions.iter().map(|s| s.checkpoints.len()).sum();
    assert_eq!((sessions.len(), count), (sample.sessions as usize, sample.checkpoints as usize));
    let owners: std::collections::BTreeSet<_> = sessions.iter().map(|s| &*s.owner).collect();
    assert_eq!(owners.into_iter().collect::<Vec<_>>(), ["nlp", "nsmlteam", "vision"]);

    let mut seen = Vec::new();
    for session in sessions {
        let mut marked = Vec::new();
        for c in &session.checkpoints {
            let pointers: Vec<&str> = c.pointers().iter().map(|p| &*p.name).collect();
            let what = match (c.complete, c.pin(), pointers.first()) {
                (false, ..) => "unfinished",
                (_, Some(_), _) => "pinned",
                _ if c.marks.has(crate::core::model::Marks::SUBMITTED) => "submitted",
                (.., Some(pointer)) => pointer,
                _ => continue,
            };
            marked.push(format!("{}: {what}", c.id));
        }
        let layout = session.layout.as_deref().unwrap();
        let metrics = session.checkpoints[0].metrics.len();
        let status = session.status.as_str();
        let line = format!("{} {layout} {status} {metrics} {marked:?}", session.name);
        seen.push(line);
    }
    let expected = [
        "nlp/news/gpt2-small hf_trainer unknown 1 []",
        r#"nlp/squad/bert-lr3e-5 hf_trainer unknown 3 ["checkpoint-7000: best_model_checkpoint"]"#,
        "nlp/squad/bert-lr5e-5 hf_trainer unknown 3 []",
        r#"nlp/squad/roberta-lr3e-5 hf_trainer unknown 3 ["checkpoint-8000: unfinished"]"#,
        "nsmlteam/mnist/1 nsml exited 1 []",
        "nsmlteam/mnist/2 nsml exited 1 []",
        r#"nsmlteam/mnist/3 nsml exited 1 ["21: submitted"]"#,
        "nsmlteam/mnist/4 nsml exited 1 []",
        "nsmlteam/mnist/5 nsml running 1 []",
        r#"vision/resnet50/lightning_logs/version_0 lightning unknown 1 ["epoch=9-step=3900-val_loss=1.28.ckpt: pinned"]"#,
        r#"vision/resnet50/lightning_logs/version_1 lightning unknown 1 ["epoch=29-step=11700-val_loss=0.96.ckpt: last.ckpt"]"#,
        "vision/unet/lightning_logs/version_0 lightning unknown 1 []",
        r#"vision/unet/lightning_logs/version_1 lightning unknown 0 ["epoch=19-step=2400.ckpt: last.ckpt"]"#,
    ];
    assert_eq!(seen, expected, "{seen:#?}");
}
