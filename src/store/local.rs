//! A directory of this machine as a [`Store`].
//!
//! Works on descriptors only: each directory is opened from the one that holds it, with
//! `O_NOFOLLOW`, and compared with the mount of the root. A path is never resolved by the kernel
//! twice, so nobody can swap a component in between (I18, I19, I20).

use super::unit::{self, Part, Unit};
use super::{Blob, Dir, Entry, Kind, Stat, Store};
use crate::core::model::Space;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, Statx, StatxFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;

/// Bytes of directory entries asked for at a time.
const LISTING_BUFFER: usize = 32 << 10;
/// A directory with more entries is refused: a listing that never ends would fill the memory.
const MAX_ENTRIES: usize = 20_000_000;
const BASIC: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// A local directory tree.
#[derive(Debug)]
pub struct LocalStore {
    root: OwnedFd,
    absolute: Option<Vec<u8>>,
}

impl LocalStore {
    /// The tree below an open directory.
    pub fn new(root: OwnedFd) -> LocalStore {
        use std::os::fd::AsRawFd as _;
        let link = format!("/proc/self/fd/{}", root.as_raw_fd());
        let absolute = fs::readlink(link, Vec::new()).ok().map(CString::into_bytes);
        LocalStore { root, absolute }
    }
}

impl Store for LocalStore {
    fn root(&self) -> io::Result<Box<dyn Dir>> {
        let fd = open_dir(self.root.as_fd(), c".")?;
        let stat = stat_fd(&fd)?;
        Ok(Box::new(LocalDir { mount: mount_of(&stat), fd, stat }))
    }

    fn space(&self) -> io::Result<Space> {
        let s = retry_on_intr(|| fs::fstatvfs(&self.root))?;
        let total = s.f_blocks.saturating_mul(s.f_frsize);
        Ok(Space { total, free: s.f_bavail.saturating_mul(s.f_frsize) })
    }

    fn absolute(&self) -> Option<&[u8]> {
        self.absolute.as_deref()
    }
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
        dir = open_dir(dir.as_fd(), &c_name(component)?)?;
    }
    Ok(dir)
}

/// An open directory of this machine.
#[derive(Debug)]
pub struct LocalDir {
    fd: OwnedFd,
    stat: Statx,
    /// The root's mount, which every directory below must share.
    mount: Mount,
}

type Mount = (u64, u32, u32);

impl LocalDir {
    /// A directory to look at by itself, not as part of a scan.
    ///
    /// # Errors
    /// `fd` is no directory.
    pub fn new(fd: impl AsFd) -> io::Result<LocalDir> {
        let fd = open_dir(fd.as_fd(), c".")?;
        let stat = stat_fd(&fd)?;
        Ok(LocalDir { mount: mount_of(&stat), fd, stat })
    }

    fn enter(&self, fd: &OwnedFd, name: &[u8]) -> io::Result<(OwnedFd, Statx)> {
        let fd = open_dir(fd.as_fd(), &c_name(name)?)?;
        let stat = stat_fd(&fd)?;
        if mount_of(&stat) != self.mount {
            return Err(io::Error::new(io::ErrorKind::CrossesDevices, "on another file system"));
        }
        Ok((fd, stat))
    }

    /// Opens a directory below this one, component by component.
    fn descend(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut components = path.split(|b| *b == b'/');
        let mut fd = self.enter(&self.fd, components.next().unwrap_or_default())?.0;
        for component in components {
            fd = self.enter(&fd, component)?.0;
        }
        Ok(fd)
    }
}

impl Dir for LocalDir {
    fn list(&self) -> io::Result<Vec<Entry>> {
        // A descriptor has one position: the listing gets a descriptor of its own.
        let fd = open_dir(self.fd.as_fd(), c".")?;
        let mut buffer = vec![MaybeUninit::uninit(); LISTING_BUFFER];
        let mut raw = RawDir::new(&fd, &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = raw.next() {
            let entry = match entry {
                // F10: nothing was read yet, and the next call reads it.
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    kind_of(&stat_at(fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)?)
                }
                known => kind(known),
            };
            entries.push(Entry { name: name.to_bytes().into(), kind, inode: entry.ino() });
            if entries.len() > MAX_ENTRIES {
                return Err(io::Error::other("more than 20 million entries"));
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if entries.windows(2).any(|w| w[0].name == w[1].name) {
            return Err(io::Error::other("the listing names an entry twice"));
        }
        Ok(entries)
    }

    fn open(&self, name: &[u8]) -> io::Result<Box<dyn Dir>> {
        let (fd, stat) = self.enter(&self.fd, name)?;
        Ok(Box::new(LocalDir { fd, stat, mount: self.mount }))
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(facts(&self.stat))
    }

    fn stat_entry(&self, name: &[u8]) -> io::Result<Stat> {
        Ok(facts(&stat_at(self.fd.as_fd(), &c_name(name)?, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn stat_target(&self, name: &[u8]) -> io::Result<Stat> {
        Ok(facts(&stat_at(self.fd.as_fd(), &c_name(name)?, AtFlags::empty())?))
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        let name = c_name(name)?;
        Ok(retry_on_intr(|| fs::readlinkat(&self.fd, &*name, Vec::new()))?.into_bytes())
    }

    fn file(&self, name: &[u8]) -> io::Result<Box<dyn Blob>> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let name = c_name(name)?;
        // Opening a device can act on it: look first, and again at what was opened.
        let regular = |s: &Statx| kind_of(s) == Kind::File;
        if !regular(&stat_at(self.fd.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW)?) {
            return Err(not_a_file());
        }
        let fd = retry_on_intr(|| fs::openat(&self.fd, &*name, flags, Mode::empty()))?;
        let stat = stat_fd(&fd)?;
        if !regular(&stat) {
            return Err(not_a_file());
        }
        Ok(Box::new(LocalFile { fd, len: stat.stx_size }))
    }

    fn measure(&self, names: &[&[u8]]) -> io::Result<Unit> {
        let mut parents = Vec::new();
        let mut leaves = Vec::new();
        for name in names {
            let (parent, leaf) = match name.iter().rposition(|b| *b == b'/') {
                Some(at) => (Some(self.descend(&name[..at])?), &name[at + 1..]),
                None => (None, *name),
            };
            parents.push(parent);
            leaves.push(c_name(leaf)?);
        }
        let parts: Vec<Part<'_>> = parents
            .iter()
            .zip(&leaves)
            .map(|(parent, name)| Part {
                parent: parent.as_ref().unwrap_or(&self.fd).as_fd(),
                name,
            })
            .collect();
        unit::measure_parts(&parts)
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
        let mut chunk = vec![0; max.min(64 << 10)];
        while out.len() < max {
            let want = chunk.len().min(max - out.len());
            let at = offset.saturating_add(out.len() as u64);
            match rustix::io::pread(&self.fd, &mut chunk[..want], at) {
                Ok(0) => break,
                Ok(n) => out.extend_from_slice(&chunk[..n]),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(out)
    }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

fn c_name(name: &[u8]) -> io::Result<CString> {
    if name.is_empty() || name == b".." || name.contains(&b'/') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of an entry"));
    }
    CString::new(name).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
}

fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| fs::openat(dir, name, flags, Mode::empty()))?)
}

fn stat_fd(fd: &OwnedFd) -> io::Result<Statx> {
    Ok(retry_on_intr(|| fs::statx(fd, c"", AtFlags::EMPTY_PATH, BASIC))?)
}

fn stat_at(dir: BorrowedFd<'_>, name: &CStr, follow: AtFlags) -> io::Result<Statx> {
    Ok(retry_on_intr(|| fs::statx(dir, name, follow | AtFlags::NO_AUTOMOUNT, BASIC))?)
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
