//! What is on the disk, cheaply: a world is looked at after each of a hundred thousand steps.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An entry as far as a move must keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub inode: u64,
    pub mode: u32,
    /// Nanoseconds; 0 for a folder that is no checkpoint's, which a move out of it changes.
    pub mtime: i128,
    /// Content, or where a symlink leads; `None` for a directory.
    pub content: Option<Arc<[u8]>>,
}

/// Entries by path.
pub type Tree = BTreeMap<PathBuf, Facts>;

/// The entry at `path` (as the empty path) and all below it; empty if there is none.
pub fn tree(path: &Path) -> Tree {
    let mut all = Tree::new();
    if path.symlink_metadata().is_ok() {
        walk(path, Path::new(""), &mut all, &mut |_| true);
    }
    all
}

/// All entries below `top` by their path from there, without our own directories.
pub fn without_ours(top: &Path) -> Tree {
    let mut all = Tree::new();
    walk(top, Path::new(""), &mut all, &mut |path| path.file_name() != Some(".retain".as_ref()));
    for (path, facts) in &mut all {
        let inside = path.iter().any(|c| c.to_string_lossy().starts_with("checkpoint"));
        if facts.content.is_none() && !inside {
            facts.mtime = 0;
        }
    }
    all
}

/// What a tree has at `path` and below it.
pub fn below<'t>(
    tree: &'t Tree,
    path: &'t Path,
) -> impl Iterator<Item = (&'t Path, &'t Facts)> + 't {
    // Paths are in the order of their components: what is below one follows it.
    let from = tree.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
    from.map(|(p, facts)| (p.as_path(), facts)).take_while(move |(p, _)| p.starts_with(path))
}

/// The files of one folder, by name.
pub fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    list(dir).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

thread_local! {
    /// Contents by inode, size and times: a world is looked at far more often than it is written to,
    /// and in memory no inode number is used twice.
    static READ: RefCell<HashMap<[i64; 6], Arc<[u8]>>> = RefCell::default();
}

/// Forgets what was read; another world may stand elsewhere.
pub fn forget() {
    READ.with_borrow_mut(HashMap::clear);
}

fn read(path: &Path, meta: &fs::Metadata) -> Arc<[u8]> {
    let (inode, size) = (meta.ino().cast_signed(), meta.size().cast_signed());
    let key = [inode, size, meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
    let content = || fs::read(path).unwrap().into();
    READ.with_borrow_mut(|read| Arc::clone(read.entry(key).or_insert_with(content)))
}

fn walk(path: &Path, rel: &Path, all: &mut Tree, wanted: &mut impl FnMut(&Path) -> bool) {
    if !wanted(rel) {
        return;
    }
    let meta = path.symlink_metadata().unwrap();
    let content = if meta.is_dir() {
        None
    } else if meta.is_symlink() {
        Some(fs::read_link(path).unwrap().into_os_string().into_encoded_bytes().into())
    } else {
        Some(read(path, &meta))
    };
    let mtime = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    let is_dir = content.is_none();
    let facts = Facts { inode: meta.ino(), mode: meta.mode(), mtime, content };
    all.insert(rel.to_path_buf(), facts);
    if is_dir {
        for entry in fs::read_dir(path).unwrap() {
            let name = entry.unwrap().file_name();
            walk(&path.join(&name), &rel.join(&name), all, wanted);
        }
    }
}

/// What a trash holds: the folder it stands in, the run, the name, and the tree.
pub struct Binned {
    pub parent: PathBuf,
    pub run: String,
    pub name: PathBuf,
    pub tree: Tree,
}

/// Everything in the slots of the trashes of these folders.
pub fn trash<'f>(top: &Path, folders: impl Iterator<Item = &'f Path>) -> Vec<Binned> {
    let mut out = Vec::new();
    for parent in folders {
        for run in list(&top.join(parent).join(".retain/trash")) {
            for slot in list(&run) {
                for entry in list(&slot) {
                    out.push(Binned {
                        parent: parent.to_path_buf(),
                        run: run.file_name().unwrap().to_string_lossy().into_owned(),
                        name: entry.file_name().unwrap().into(),
                        tree: tree(&entry),
                    });
                }
            }
        }
    }
    out
}

fn list(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut all: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}
