//! Builds trees, and shows what a scan saw as text.

use retain::core::model::{Checkpoint, Inventory, Session};
use retain::scan::{Scan, ScanOptions, scan};
use retain::store::local::LocalStore;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A temporary directory to build in.
pub struct Tree(TempDir);

impl Tree {
    pub fn new() -> Tree {
        Tree(tempfile::tempdir().unwrap())
    }

    /// Unpacks an archive of `tests/data/real`.
    pub fn unpacked(archive: &str) -> Tree {
        let tree = Tree::new();
        tree.unpack(archive);
        tree
    }

    /// Unpacks one more.
    pub fn unpack(&self, archive: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/real").join(archive);
        let tar = Command::new("tar").arg("xzf").arg(source).arg("-C").arg(self.path()).status();
        assert!(tar.expect("tar is installed").success());
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// Writes a file, and the directories above it.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Tree {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn dir(&self, path: &str) -> &Tree {
        fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    pub fn link(&self, path: &str, target: &str) -> &Tree {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// A checkpoint of the Trainer with a state of this step.
    pub fn hf(&self, path: &str, step: u64) -> &Tree {
        let state = format!(r#"{{"global_step": {step}, "log_history": []}}"#);
        self.file(&format!("{path}/trainer_state.json"), state)
            .file(&format!("{path}/model.safetensors"), "weights")
            .file(&format!("{path}/training_args.bin"), "arguments")
    }

    /// A checkpoint file of Lightning.
    pub fn ckpt(&self, path: &str, epoch: u8, step: u8) -> &Tree {
        self.file(path, lightning_file(epoch, step))
    }

    pub fn scan(&self) -> Scan {
        self.scan_with(&ScanOptions::default())
    }

    pub fn scan_with(&self, options: &ScanOptions) -> Scan {
        let store = LocalStore::new(File::open(self.path()).unwrap().into());
        scan(&store, options, &|_| ())
    }
}

/// What `torch.save` makes of a Lightning checkpoint: a zip of one stored pickle.
pub fn lightning_file(epoch: u8, step: u8) -> Vec<u8> {
    let pickle = [
        &b"\x80\x02}q\0(X\x05\0\0\0epochq\x01K"[..],
        &[epoch],
        b"X\x0b\0\0\0global_stepq\x02K",
        &[step],
        b"X\x19\0\0\0pytorch-lightning_versionq\x03X\x05\0\0\x002.6.6q\x04u.",
    ]
    .concat();
    let name = b"archive/data.pkl";
    let size = u32::try_from(pickle.len()).unwrap().to_le_bytes();
    let entry = [&b"PK\x03\x04"[..], &[0; 22], &[16, 0, 0, 0], name, &pickle].concat();
    let directory = [&b"PK\x01\x02"[..], &[0; 16], &size, &size, &[16, 0], &[0; 16], name].concat();
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let end = [&b"PK\x05\x06"[..], &[0; 8], &len(&directory), &len(&entry), &[0; 2]].concat();
    [entry, directory, end].concat()
}

/// All checkpoints as `session id flags`, one per line, and all faults.
pub fn brief(scan: &Scan) -> String {
    let mut out = String::new();
    for session in &scan.inventory.sessions {
        let taint = if session.tainted.is_empty() { "" } else { " (tainted)" };
        let _ = writeln!(out, "{}{taint}", session.name);
        for c in &session.checkpoints {
            let _ = writeln!(out, "  {}{}", c.id, flags(c));
        }
    }
    for fault in &scan.faults {
        let _ = writeln!(out, "! {}: {}", fault.path, fault.text);
    }
    out
}

fn flags(c: &Checkpoint) -> String {
    let mut out = String::new();
    if !c.complete {
        out.push_str(" incomplete");
    }
    for mark in c.marks.names() {
        let _ = write!(out, " {mark}");
    }
    for pointer in c.pointers() {
        let external = if pointer.external { " (external)" } else { "" };
        let _ = write!(out, " <- {}{external}", pointer.name);
    }
    out
}

/// Everything about an inventory that does not change from one unpacking to the next.
pub fn full(inventory: &Inventory) -> String {
    inventory.sessions.iter().map(|s| session(inventory, s)).collect::<Vec<_>>().join("\n")
}

/// As [`full`], without times: for trees that a test has just built.
pub fn timeless(inventory: &Inventory) -> String {
    let mut shown = full(inventory);
    for session in &inventory.sessions {
        let saved = session.checkpoints.iter().filter_map(|c| c.saved_at);
        for time in saved.chain(session.last_write) {
            shown = shown.replace(&time.to_string(), "TIME");
        }
    }
    shown
}

fn session(inventory: &Inventory, s: &Session) -> String {
    let mut out = format!(
        "{} | owner {} | {} | {} | written {}\n",
        s.name,
        s.owner,
        s.layout.as_deref().unwrap_or("-"),
        s.status.as_str(),
        s.last_write.map_or("-".to_owned(), |t| t.to_string()),
    );
    for taint in &s.tainted {
        let _ = writeln!(out, "  tainted: {taint}");
    }
    for c in &s.checkpoints {
        let step = c.step.map_or("-".to_owned(), |s| s.to_string());
        let epoch = c.epoch.map_or("-".to_owned(), |s| s.to_string());
        let _ = writeln!(out, "  {} | step {step} | epoch {epoch} |{}", c.id, flags(c));
        let at = c.saved_at.map_or("-".to_owned(), |t| t.to_string());
        let _ = writeln!(out, "    saved {at} | {} files | {}", c.files, c.paths().join(" "));
        if let Some(summary) = c.summary() {
            let elapsed = c.elapsed().map_or(String::new(), |e| format!(" | elapsed {e}"));
            let _ = writeln!(out, "    {summary}{elapsed}");
        }
        for (id, value) in c.metrics.iter() {
            let sources = &c.extra.as_ref().unwrap().sources;
            let source = sources.iter().find(|s| s.0 == id).map_or("?", |s| &s.1);
            let _ = writeln!(out, "    {} = {value} ({source})", inventory.names.name(id));
        }
        for conflict in c.conflicts() {
            let _ = writeln!(out, "    conflict: {conflict}");
        }
    }
    out
}
