//! The index of the last scan, in the user's cache directory: `$XDG_CACHE_HOME/retain`.
//!
//! It is never needed. Whatever is wrong with it, or with its directory, costs time and nothing
//! else; nothing is ever written below the root (I15). Who can write it can make a scan see what is
//! not there, so it belongs to the user alone, and root does not use it where others can write.

use super::context::{self, Context};
use super::machine;
use crate::apply::root::Root;
use crate::config::Config;
use crate::core::declared::Definition;
use crate::core::model::hex;
use crate::scan::index::{GRAIN, Index, Key, Memory};
use crate::whole::{self, Synced, Whole};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags, Stat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A larger index is not read: it cannot be one.
const MAX_BYTES: u64 = 4 << 30;
const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Where the index of one root is kept.
pub struct Cache {
    dir: OwnedFd,
    name: String,
}

/// The index of a root, and where the next one goes; `None` if there is no safe place for one.
pub fn open(
    context: &Context,
    config: &Config,
    declared: &[Definition],
    root: &Root,
) -> Option<(Cache, Index)> {
    if context.no_index {
        return None;
    }
    key(config, declared, root).and_then(|key| kept(context, key, root))
}

fn kept(context: &Context, key: Key, root: &Root) -> Option<(Cache, Index)> {
    let dir = match directory(&machine::cache()?, &root.path) {
        Ok(dir) => dir,
        Err(e) => {
            context.ui.detail(format!("no index of the last scan: {e}"));
            return None;
        }
    };
    let digest = blake3::hash(root.path.as_os_str().as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest.as_bytes()[..16]);
    let cache = Cache { dir, name: format!("{}.index", hex(&short)) };
    let index = Index::new(key, machine::time(), GRAIN);
    match cache.read() {
        Ok(bytes) => Some((cache, index.with(bytes))),
        Err(e) => {
            if e.kind() != io::ErrorKind::NotFound {
                context.ui.detail(format!("the index of the last scan is not used: {e}"));
            }
            Some((cache, index))
        }
    }
}

/// Another program, other layouts or settings, another root: another index.
fn key(config: &Config, declared: &[Definition], root: &Root) -> Option<Key> {
    let program = std::fs::metadata("/proc/self/exe").ok()?;
    let mut hasher = blake3::Hasher::new();
    for number in [program.ino(), program.len(), root.inode] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&program.mtime().to_le_bytes());
    hasher.update(&program.mtime_nsec().to_le_bytes());
    let exclude = &config.exclude;
    hasher.update(format!("{exclude:?} {declared:?} {}", env!("CARGO_PKG_VERSION")).as_bytes());
    hasher.update(root.path.as_os_str().as_bytes());
    Some(hasher.finalize().into())
}

/// Opens `base/retain`, and makes it if `base`, or the directory that holds it, is there.
fn directory(base: &Path, root: &Path) -> io::Result<OwnedFd> {
    let flags = DIR | OFlags::NOFOLLOW;
    let make = |parent: &OwnedFd, name: &Path| match fs::mkdirat(parent, name, Mode::from(0o700)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(e) => Err(io::Error::from(e)),
    };
    let root = root.canonicalize()?;
    let outside = |dir: PathBuf| {
        let inside = dir.starts_with(&root);
        if inside { Err(io::Error::other("the cache directory lies in the root")) } else { Ok(dir) }
    };
    if let (Some(above), Some(name)) = (base.parent(), base.file_name())
        && !base.exists()
    {
        let above = outside(above.canonicalize()?)?;
        make(&fs::open(&above, DIR, Mode::empty())?, Path::new(name))?;
    }
    let real = outside(base.canonicalize()?)?;
    if rustix::process::geteuid().is_root() {
        real.ancestors().try_for_each(is_roots_alone)?;
    }
    let base = fs::open(&real, flags, Mode::empty())?;
    let name = Path::new("retain");
    make(&base, name)?;
    let dir = fs::openat(&base, name, flags, Mode::empty())?;
    if is_mine(&fs::fstat(&dir)?, OTHERS) {
        Ok(dir)
    } else {
        Err(io::Error::other("others can write in the cache directory"))
    }
}

fn is_roots_alone(dir: &Path) -> io::Result<()> {
    let stat = fs::stat(dir)?;
    if stat.st_uid == 0 && (stat.st_mode & OTHERS == 0 || stat.st_mode & STICKY != 0) {
        return Ok(());
    }
    Err(io::Error::other(format!("others than root can write in {}", context::shown(dir))))
}

fn is_mine(stat: &Stat, forbidden: u32) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & forbidden == 0
}

impl Cache {
    fn read(&self) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = fs::openat(&self.dir, &*self.name, flags, Mode::empty())?;
        let stat = fs::fstat(&fd)?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let len = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if !regular || !is_mine(&stat, 0o077) || len > MAX_BYTES {
            return Err(io::Error::other("it is not a file that only its owner can write"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        File::from(fd).take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Puts what a scan saw in place of the last index, whole or not at all; a failure is only told
    /// to who wants details.
    pub fn write(&self, context: &Context, memory: &Memory, used: &Index) {
        if memory.is_known_to(used) {
            return;
        }
        if let Err(e) = self.replace(memory, used) {
            context.ui.detail(format!("the index of this scan is not kept: {e}"));
        }
    }

    fn replace(&self, memory: &Memory, used: &Index) -> io::Result<()> {
        let name = OsStr::new(&self.name);
        let temporary = &whole::temporary(name)?;
        let synced = Synced::Nothing;
        // What a crash leaves of it has another digest than it says.
        let new = Whole { dir: self.dir.as_fd(), name, temporary, mode: 0o600, synced };
        new.replace(|file| {
            let mut out = io::BufWriter::with_capacity(1 << 20, file);
            memory.write(used, &mut out)?;
            out.flush()
        })
    }
}

/// `$XDG_CACHE_HOME` if it is a path to rely on, else `.cache` at home.
pub fn base(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    xdg.filter(|p| p.is_absolute()).or_else(|| home.map(|h| h.join(".cache")))
}
