//! Everything about a tree that a user could miss, as a value to compare.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// One entry, without what a reader changes (atime) and what nobody can restore (ctime).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    pub owner: (u32, u32),
    /// Nanoseconds since the epoch.
    pub mtime: i128,
    /// A rename keeps it, a copy does not.
    pub inode: u64,
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// For a file with several hard links, the first of its names in this tree.
    pub same_as: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Dir,
    File { len: u64, hash: String },
    Symlink(PathBuf),
    Fifo,
    Other,
}

/// All entries below a directory (and the directory itself, as an empty path), by relative path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub entries: BTreeMap<PathBuf, Entry>,
}

impl Snapshot {
    pub fn of(root: impl AsRef<Path>) -> Snapshot {
        let root = root.as_ref();
        let mut entries = BTreeMap::new();
        let mut first_name: HashMap<(u64, u64), PathBuf> = HashMap::new();
        for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
            let entry = entry.expect("a readable tree");
            let path = entry.path().strip_prefix(root).expect("below the root").to_path_buf();
            let meta = entry.path().symlink_metadata().expect("an entry");
            let same_as = (!meta.is_dir() && meta.nlink() > 1).then(|| {
                let name = first_name.entry((meta.dev(), meta.ino()));
                name.or_insert_with(|| path.clone()).clone()
            });
            let seen = Entry {
                kind: kind(entry.path(), &meta),
                mode: meta.mode() & 0o7777,
                owner: (meta.uid(), meta.gid()),
                mtime: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
                inode: meta.ino(),
                xattrs: xattrs(entry.path()),
                same_as,
            };
            entries.insert(path, seen);
        }
        Snapshot { entries }
    }

    /// Without the entries that have a path component of this name, for example `.retain`.
    pub fn without(mut self, component: &str) -> Snapshot {
        self.entries.retain(|path, _| !path.iter().any(|c| c == component));
        self
    }

    /// Without the mtimes of directories that something was moved out of or into: no tool can keep
    /// those. Directories inside a checkpoint stay exact.
    pub fn without_times_of(mut self, directories: &[&str]) -> Snapshot {
        for path in directories {
            if let Some(entry) = self.entries.get_mut(Path::new(path)) {
                entry.mtime = 0;
            }
        }
        self
    }

    /// For a copy of a tree, which cannot have the same inodes.
    pub fn without_inodes(mut self) -> Snapshot {
        for entry in self.entries.values_mut() {
            entry.inode = 0;
        }
        self
    }

    /// Relative paths of all entries that are not directories, sorted.
    pub fn files(&self) -> Vec<&Path> {
        let files = self.entries.iter().filter(|(_, e)| e.kind != Kind::Dir);
        files.map(|(path, _)| path.as_path()).collect()
    }

    /// What `after` has more (`+`), less (`-`) or different (`~`), a line each; empty if equal.
    pub fn diff(&self, after: &Snapshot) -> String {
        let mut out = String::new();
        for (path, old) in &self.entries {
            match after.entries.get(path) {
                None => _ = writeln!(out, "- {}", path.display()),
                Some(new) if new != old => {
                    _ = writeln!(out, "~ {}\n    was {old:?}\n    is  {new:?}", path.display());
                }
                Some(_) => {}
            }
        }
        for path in after.entries.keys().filter(|p| !self.entries.contains_key(*p)) {
            _ = writeln!(out, "+ {}", path.display());
        }
        out
    }

    /// Panics with the differences.
    #[track_caller]
    pub fn assert_same(&self, after: &Snapshot) {
        let diff = self.diff(after);
        assert!(diff.is_empty(), "the tree changed:\n{diff}");
    }
}

fn kind(path: &Path, meta: &std::fs::Metadata) -> Kind {
    let file_type = meta.file_type();
    if file_type.is_dir() {
        Kind::Dir
    } else if file_type.is_symlink() {
        Kind::Symlink(std::fs::read_link(path).expect("a link"))
    } else if file_type.is_fifo() {
        Kind::Fifo
    } else if file_type.is_file() {
        let mut hasher = blake3::Hasher::new();
        let mut file = std::fs::File::open(path).expect("a readable file");
        std::io::copy(&mut file, &mut hasher).expect("a readable file");
        Kind::File { len: meta.len(), hash: hasher.finalize().to_hex()[..16].to_owned() }
    } else {
        Kind::Other
    }
}

/// Empty where the file system has none.
fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 64 * 1024];
    let Ok(len) = rustix::fs::llistxattr(path, &mut names[..]) else {
        return BTreeMap::new();
    };
    let names = names[..len].split(|b| *b == 0).filter(|n| !n.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 64 * 1024];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).expect("a listed xattr");
            value.truncate(len);
            (String::from_utf8_lossy(name).into_owned(), value)
        })
        .collect()
}
