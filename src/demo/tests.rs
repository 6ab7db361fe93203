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
