//! States a tree of files in a few lines; it is gone when the test ends.

use super::run::ago;
use rustix::fs::{self, AtFlags, CWD, Mode, Timespec, Timestamps};
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// A temporary directory. Paths are relative to it; missing parents are made on the way. Every
/// method panics with the path if the file system refuses.
pub struct Tree {
    dir: tempfile::TempDir,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

impl Tree {
    pub fn new() -> Tree {
        let dir = tempfile::Builder::new().prefix("retain-test-").tempdir();
        Tree { dir: dir.expect("a temporary directory") }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path().join(path)
    }

    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.at(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub fn dir(&self, path: impl AsRef<Path>) -> &Tree {
        let at = self.at(path);
        std::fs::create_dir_all(&at).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        self
    }

    /// Creates the file or replaces its content.
    pub fn file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Tree {
        let at = self.with_parent(path);
        std::fs::write(&at, content).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        self
    }

    /// A file of `bytes` written bytes, so that it takes room on the disk.
    pub fn sized(&self, path: impl AsRef<Path>, bytes: usize) -> &Tree {
        self.file(path, vec![0xa5; bytes])
    }

    /// A file of that length without any block of its own.
    pub fn sparse(&self, path: impl AsRef<Path>, len: u64) -> &Tree {
        let at = self.with_parent(path);
        let file = File::create(&at).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        file.set_len(len).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        self
    }

    pub fn append(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Tree {
        let at = self.with_parent(path);
        let file = File::options().append(true).create(true).open(&at);
        file.and_then(|mut f| f.write_all(content.as_ref()))
            .unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        self
    }

    /// `target` is written into the link as it stands.
    pub fn symlink(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &Tree {
        let at = self.with_parent(path);
        symlink(target, &at).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        self
    }

    /// `existing` is relative to the tree.
    pub fn hard_link(&self, path: impl AsRef<Path>, existing: impl AsRef<Path>) -> &Tree {
        let at = self.with_parent(path);
        std::fs::hard_link(self.at(existing), &at)
            .unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        self
    }

    pub fn fifo(&self, path: impl AsRef<Path>) -> &Tree {
        let at = self.with_parent(path);
        fs::mkfifoat(CWD, &at, Mode::RUSR | Mode::WUSR)
            .unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        self
    }

    pub fn mode(&self, path: impl AsRef<Path>, mode: u32) -> &Tree {
        let at = self.at(path);
        std::fs::set_permissions(&at, Permissions::from_mode(mode))
            .unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        self
    }

    /// Sets the mtime of one entry (of a symlink itself); RFC 3339. The ctime cannot be set.
    pub fn mtime(&self, path: impl AsRef<Path>, time: &str) -> &Tree {
        set_mtime(&self.at(path), time);
        self
    }

    /// Sets the mtime of an entry and of everything in it.
    pub fn mtime_all(&self, path: impl AsRef<Path>, time: &str) -> &Tree {
        for entry in walkdir::WalkDir::new(self.at(path)).contents_first(true) {
            set_mtime(entry.expect("a readable tree").path(), time);
        }
        self
    }

    /// As [`Tree::mtime_all`], so many seconds before [`super::NOW`].
    pub fn written_ago(&self, path: impl AsRef<Path>, seconds: i64) -> &Tree {
        self.mtime_all(path, &ago(seconds))
    }

    fn with_parent(&self, path: impl AsRef<Path>) -> PathBuf {
        let at = self.at(path);
        if let Some(parent) = at.parent() {
            self.dir(parent);
        }
        at
    }
}

fn set_mtime(path: &Path, time: &str) {
    let time = retain::core::model::Time::parse(time).expect("an RFC 3339 time");
    let nanos = time.nanos().rem_euclid(retain::core::model::Time::NANOS_PER_SEC);
    let stamp = Timespec { tv_sec: time.secs(), tv_nsec: nanos };
    let times = Timestamps { last_access: stamp, last_modification: stamp };
    fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
