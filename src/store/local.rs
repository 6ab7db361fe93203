//! A directory of this machine as a [`Store`].
//!
//! Works on descriptors only: each directory is opened from the one that holds it, with
//! `O_NOFOLLOW`, and compared with the mount of the root. A path is never resolved by the kernel
//! twice, so nobody can swap a component in between (I18, I19, I20). [`leads_below`] alone follows
//! links: to be told where something lies, not to open it.

use super::unit::{self, Unit};
use super::{Blob, Dir, Entry, Fact, Identity, Kind, Observation, Stat, Store};
use crate::core::model::Space;
use node::{Mount, Node, Spare, identity};
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Statx, StatxFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;
use std::ffi::CString;
use std::io;
use std::sync::Arc;

mod measure;
mod node;

/// Bytes of a file read at a time.
const READ_BUFFER: usize = 256 << 10;

/// Half of the descriptors that a process may have; where there is no limit, of the usual one.
fn spare_descriptors(account: bool) -> Arc<Spare> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Spare::new(usize::try_from(limit.unwrap_or(1024) / 2).unwrap_or(usize::MAX), account)
}

// The same statx, without AT_STATX_DONT_SYNC, as apply makes: on local file systems the flag saves
// nothing, and on others it lets a size or a time be told that is no longer true.
const BASIC: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// A local directory tree.
#[derive(Debug)]
pub struct LocalStore {
    root: OwnedFd,
    absolute: Option<Vec<u8>>,
    spare: Arc<Spare>,
}

impl LocalStore {
    /// The tree below an open directory.
    pub fn new(root: OwnedFd) -> LocalStore {
        let absolute = absolute(root.as_fd());
        LocalStore { root, absolute, spare: spare_descriptors(false) }
    }

    /// Keeps account of what is seen, see [`Dir::seen`].
    #[must_use]
    pub fn keeping_account(self) -> LocalStore {
        LocalStore { spare: spare_descriptors(true), ..self }
    }
}

impl Store for LocalStore {
    fn root(&self) -> io::Result<Box<dyn Dir>> {
        let fd = open_dir(self.root.as_fd(), c".")?;
        Ok(Box::new(LocalDir(Node::top(fd, Arc::clone(&self.spare))?)))
    }

    fn space(&self) -> io::Result<Space> {
        let s = retry_on_intr(|| fs::fstatvfs(&self.root))?;
        let total = s.f_blocks.saturating_mul(s.f_frsize);
        Ok(Space { total, free: s.f_bavail.saturating_mul(s.f_frsize), trash: 0 })
    }

    fn absolute(&self) -> Option<&[u8]> {
        self.absolute.as_deref()
    }

    fn whereabouts(&self, path: &[u8]) -> Option<Vec<u8>> {
        leads_below(self.root.as_fd(), path, self.absolute()?)
    }
}

/// The path by which the kernel knows what is open, without links.
pub fn absolute(fd: BorrowedFd<'_>) -> Option<Vec<u8>> {
    use std::os::fd::AsRawFd as _;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    fs::readlink(link, Vec::new()).ok().map(CString::into_bytes)
}

/// Where below `top`, an absolute path, that lies to which a path from `dir` leads. It is found by
/// the kernel through whatever links there are, and neither opened nor waited for.
pub fn leads_below(dir: BorrowedFd<'_>, path: &[u8], top: &[u8]) -> Option<Vec<u8>> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let fd = retry_on_intr(|| fs::openat(dir, path, flags, Mode::empty())).ok()?;
    let real = absolute(fd.as_fd())?;
    let below = real.strip_prefix(top)?;
    let below = if top.ends_with(b"/") { below } else { below.strip_prefix(b"/")? };
    (!below.is_empty()).then(|| below.to_vec())
}

/// Opens a directory below `root`, component by component, never through a symlink.
///
/// `path` is relative, `/`-separated; empty or `.` is `root` itself.
///
/// # Errors
/// A component that is missing, no directory, a symlink, or `..`.
pub fn open_below(root: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    let mut dir = open_dir(root.as_fd(), c".")?;
    for component in path.split(|b| *b == b'/').filter(|c| !c.is_empty() && *c != b".") {
        dir = open_dir(dir.as_fd(), self::component(component)?)?;
    }
    Ok(dir)
}

/// A directory of this machine, and what was seen of it.
#[derive(Clone, Debug)]
pub struct LocalDir(Arc<Node>);

impl LocalDir {
    /// A directory to look at by itself, not as part of a scan.
    ///
    /// # Errors
    /// `fd` is no directory.
    pub fn new(fd: impl AsFd) -> io::Result<LocalDir> {
        let fd = open_dir(fd.as_fd(), c".")?;
        Ok(LocalDir(Node::top(fd, spare_descriptors(false))?))
    }

    /// Never follows a symlink, and never waits for a writer.
    fn open_file(&self, name: &[u8]) -> io::Result<OwnedFd> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let (dir, name) = (self.0.fd()?, component(name)?);
        Ok(retry_on_intr(|| fs::openat(&dir, name, flags, Mode::empty()))?)
    }
}

impl Dir for LocalDir {
    fn list(&self) -> io::Result<Arc<[Entry]>> {
        self.0.list()
    }

    fn open(&self, name: &[u8]) -> io::Result<Box<dyn Dir>> {
        Ok(Box::new(LocalDir(self.0.open(name)?)))
    }

    fn take(&self, name: &[u8]) -> io::Result<Box<dyn Dir>> {
        Ok(Box::new(LocalDir(self.0.take(name)?)))
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(facts(&self.0.stat))
    }

    fn stat_entry(&self, name: &[u8]) -> io::Result<Stat> {
        Ok(facts(&self.0.stat(name)?))
    }

    fn len_of(&self, name: &[u8]) -> io::Result<u64> {
        Ok(self.0.glance(name)?.stx_size)
    }

    fn stat_target(&self, name: &[u8]) -> io::Result<Stat> {
        let stat = stat_at(self.0.fd()?.as_fd(), component(name)?, AtFlags::empty());
        self.0.remember_target(name, stat.as_ref().ok().map(object));
        Ok(facts(&stat?))
    }

    fn seen(&self) -> Option<Vec<Observation>> {
        let mut out = Vec::new();
        self.0.spare.account.then(|| self.0.observe(&[], &mut out))?;
        Some(out)
    }

    fn expect(&self, name: &[u8], known: &Identity, listing: Vec<Entry>) -> bool {
        // What cannot be seen now is seen when it is looked at.
        self.0.expect(name, known, listing).unwrap_or(false)
    }

    fn forget(&self, name: &[u8]) {
        self.0.forget(name);
    }

    fn is_still(&self, observation: &Observation) -> bool {
        let stat = |follow| stat_at(self.0.fd()?.as_fd(), &*observation.path, follow);
        match observation.fact {
            Fact::Is(known) => match self.0.known(&observation.path) {
                Some(node) => identity(&node.stat) == known,
                None => stat(AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|s| identity(&s) == known && self.0.is_on_mount(&s)),
            },
            Fact::LeadsTo(known) => stat(AtFlags::empty()).ok().as_ref().map(object) == known,
        }
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        let (dir, name) = (self.0.fd()?, component(name)?);
        Ok(retry_on_intr(|| fs::readlinkat(&dir, name, Vec::new()))?.into_bytes())
    }

    fn file(&self, name: &[u8]) -> io::Result<Box<dyn Blob>> {
        // Opening a device can act on it: look first, and again at what was opened.
        let known = match self.0.kind(name) {
            Some(kind) => kind == Kind::File,
            None => is_regular(&self.0.stat_now(name)?),
        };
        if !known {
            return Err(not_a_file());
        }
        let fd = self.open_file(name)?;
        let stat = stat_fd(&fd)?;
        if !is_regular(&stat) {
            return Err(not_a_file());
        }
        self.0.remember(name, &stat);
        Ok(Box::new(LocalFile { fd, len: stat.stx_size }))
    }

    fn read(&self, name: &[u8], max: usize) -> io::Result<Vec<u8>> {
        let stat = self.0.stat(name)?;
        if !is_regular(&stat) {
            return Err(not_a_file());
        }
        if stat.stx_size > max as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let file = LocalFile { fd: self.open_file(name)?, len: stat.stx_size };
        let content = file.read_at(0, max + 1)?;
        // As long as it was said to be is what was looked at; anything else is looked at again.
        if content.len() as u64 != stat.stx_size && !is_regular(&stat_fd(&file.fd)?) {
            return Err(not_a_file());
        }
        if content.len() > max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
    }

    fn measure(&self, names: &[&[u8]]) -> io::Result<Unit> {
        measure::measure(&self.0, names)
    }
}

struct LocalFile {
    fd: OwnedFd,
    len: u64,
}

impl Blob for LocalFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        while out.len() < max {
            let at = offset.saturating_add(out.len() as u64);
            let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
            // One byte more than there should be, so that the end of the file shows.
            let want = left.saturating_add(1).min(max - out.len()).min(READ_BUFFER);
            out.reserve_exact(want);
            let read = rustix::io::pread(&self.fd, spare_capacity(&mut out), at);
            match read {
                Ok(0) => break,
                Ok(n) if n < want && n >= left => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        // There may have been more room than was asked for.
        out.truncate(max);
        Ok(out)
    }
}

fn is_regular(stat: &Statx) -> bool {
    kind_of(stat) == Kind::File
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// A name that leads to an entry of a directory and nowhere else.
fn component(name: &[u8]) -> io::Result<&[u8]> {
    if name.is_empty() || name == b".." || name.iter().any(|b| matches!(b, b'/' | 0)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of an entry"));
    }
    Ok(name)
}

fn open_dir(dir: BorrowedFd<'_>, name: impl Arg + Copy) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| fs::openat(dir, name, flags, Mode::empty()))?)
}

fn stat_fd(fd: &OwnedFd) -> io::Result<Statx> {
    Ok(retry_on_intr(|| fs::statx(fd, c"", AtFlags::EMPTY_PATH, BASIC))?)
}

fn stat_at(dir: BorrowedFd<'_>, name: impl Arg + Copy, follow: AtFlags) -> io::Result<Statx> {
    Ok(retry_on_intr(|| fs::statx(dir, name, follow | AtFlags::NO_AUTOMOUNT, BASIC))?)
}

/// Inode and device.
fn object(stat: &Statx) -> (u64, (u32, u32)) {
    (stat.stx_ino, (stat.stx_dev_major, stat.stx_dev_minor))
}

fn mount_of(stat: &Statx) -> Mount {
    (stat.stx_mnt_id, stat.stx_dev_major, stat.stx_dev_minor)
}

fn facts(stat: &Statx) -> Stat {
    Stat {
        kind: kind_of(stat),
        inode: stat.stx_ino,
        device: (stat.stx_dev_major, stat.stx_dev_minor),
        uid: stat.stx_uid,
        bytes: stat.stx_blocks.saturating_mul(512),
        modified: unit::time(stat.stx_mtime),
    }
}

fn kind_of(stat: &Statx) -> Kind {
    kind(FileType::from_raw_mode(stat.stx_mode.into()))
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::Directory => Kind::Dir,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    }
}
