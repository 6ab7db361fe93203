//! Measures one checkpoint on disk: sizes, times, links, and its fingerprint.
//!
//! Scan and apply share this code, so that a fingerprint means the same in both. It works relative
//! to an open directory, never follows a symlink, never leaves the file system it started on, and
//! opens nothing but directories.

use super::listing;
pub use crate::core::model::hex;
use crate::core::model::{Fingerprint, SharedFile, Time};
use digest::{Digests, Fingerprints};
use pending::{Mark, Pending};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    self, AtFlags, FileType, Mode, OFlags, RawDir, Statx, StatxAttributes, StatxFlags,
};
use rustix::io::{Errno, retry_on_intr};
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::CStr;
use std::io;
use std::sync::Arc;

mod digest;
mod inner;
mod past;
mod pending;

pub use inner::Inner;
pub use past::{Past, Stamp};

/// Deeper checkpoints than this are refused: a recogniser's claim that is wrong, or an attack.
pub const MAX_DEPTH: usize = 64;

/// Bytes of directory entries asked for at a time.
const LISTING_BUFFER: usize = 32 << 10;

/// What [`measure`] found.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// Allocated bytes; a file with several links inside the unit counts once.
    pub bytes: u64,
    /// Sum of file lengths, counted the same way.
    pub apparent: u64,
    /// Entries that are not directories.
    pub files: u32,
    /// Newest mtime of the regular files.
    pub modified: Option<Time>,
    /// Newest mtime or ctime of all entries, directories included.
    pub last_write: Option<Time>,
    pub shared: Vec<SharedFile>,
    /// All of [`Fingerprint`]'s parts.
    pub fingerprint: Fingerprint,
    /// The same without the ctimes that moving this unit, or another link to one of its files,
    /// changes: those of the named entries and of files with several links.
    pub identity: Fingerprint,
    /// The same without any ctime: what still holds after other links to its files were removed.
    pub lasting: Fingerprint,
    /// The named entries themselves, in the order given.
    pub tops: Vec<Top>,
    /// Inodes and ctimes of those named entries that are files with several links: a move changes these
    /// for whoever has the other links.
    pub linked_tops: Vec<(u64, Stamp)>,
    /// The symlinks in it; none of them is followed.
    pub links: Vec<InnerLink>,
    /// Every uid that owns an entry.
    pub owners: Vec<u32>,
    /// At least one entry is a mount point or lies on another file system.
    pub crosses_mount: bool,
    /// The first thing of its own that lies inside; marks go before runs.
    pub inner: Option<Inner>,
    /// Of its directories, all of which have the same if it crosses no mount.
    pub device: Option<(u32, u32)>,
}

/// One named entry of a unit, apart from what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    pub inode: u64,
    pub kind: FileType,
}

/// A symlink inside a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerLink {
    /// Which of the named entries it lies in, by its place in the order given.
    pub top: usize,
    /// Below that entry.
    pub path: Vec<u8>,
    pub target: Vec<u8>,
}

/// An entry to measure: a name in an open directory.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub parent: BorrowedFd<'a>,
    pub name: &'a CStr,
}

/// Measures `names`, entries of `parent`, as one unit.
///
/// The digest depends on the names, so a unit measured in the trash must be given the names it has
/// there by `as_names`, what it was called before.
///
/// # Errors
/// Any entry that cannot be read, or is too deep; nothing is guessed.
pub fn measure(parent: impl AsFd, names: &[&CStr], as_names: Option<&[&CStr]>) -> io::Result<Unit> {
    fold_all(|walk| {
        for (i, name) in names.iter().enumerate() {
            let called = as_names.map_or(*name, |a| a[i]);
            walk.top(parent.as_fd(), name, called)?;
        }
        Ok(())
    })
}

/// Measures entries of several directories as one unit, in this order.
///
/// Only names enter the digest, not where their directories lie: entries of one directory give
/// what [`measure`] gives, and so does a unit that was moved with its names.
///
/// # Errors
/// As [`measure`].
pub fn measure_parts(parts: &[Part<'_>]) -> io::Result<Unit> {
    fold_all(|walk| parts.iter().try_for_each(|p| walk.top(p.parent, p.name, p.name)))
}

/// As [`measure_parts`], with the ctimes that files had before this process moved other links to them.
///
/// # Errors
/// As [`measure`].
pub fn measure_as_before(parts: &[Part<'_>], past: &Arc<Past>) -> io::Result<Unit> {
    fold_all(|walk| {
        walk.past = Some(Arc::clone(past));
        parts.iter().try_for_each(|p| walk.top(p.parent, p.name, p.name))
    })
}

thread_local! {
    /// For a walk; its room is used again.
    static ROOM: RefCell<Walk> = RefCell::default();
}

/// A unit of what `each` folds in.
pub(super) fn fold_all(each: impl FnOnce(&mut Walk) -> io::Result<()>) -> io::Result<Unit> {
    // What breaks off leaves a walk that is not used again.
    let mut walk = ROOM.take();
    each(&mut walk)?;
    let unit = walk.finish();
    ROOM.set(walk);
    Ok(unit)
}

/// A unit while its entries are folded in: the named ones in the order given, each followed by what
/// is in it, in byte order of the names.
#[derive(Default)]
pub(super) struct Walk {
    unit: Unit,
    digests: Digests,
    /// Room for directory entries as the kernel tells them.
    buffer: Vec<u8>,
    pending: Pending,
    /// Room for the path where it is.
    pub(super) path: Vec<u8>,
    /// Inodes of files with several links, to count each once.
    seen: HashSet<u64>,
    /// Mount id of the first entry; all others must agree.
    mount: Option<u64>,
    past: Option<Arc<Past>>,
}

/// A directory being walked, and where its pending entries begin.
struct Level {
    fd: OwnedFd,
    entries: Mark,
    path_len: usize,
}

impl Walk {
    fn top(&mut self, parent: BorrowedFd<'_>, name: &CStr, called: &CStr) -> io::Result<()> {
        let mut path = std::mem::take(&mut self.path);
        path.clear();
        path.extend_from_slice(called.to_bytes());
        let mut levels: Vec<Level> = Vec::new();
        // Most named entries are directories; what is none is not opened by asking.
        if let Some(fd) = self.entry(parent, name, FileType::Directory, &path, None)? {
            levels.push(Level { entries: inside(self.list(&fd))?, fd, path_len: path.len() });
        }
        let mut name = Vec::new();
        while let Some(level) = levels.last() {
            path.truncate(level.path_len);
            let Some(kind) = self.pending.pop(level.entries, &mut name) else {
                levels.pop();
                continue;
            };
            let entry = CStr::from_bytes_with_nul(&name).map_err(io::Error::other)?;
            path.push(b'/');
            path.extend_from_slice(entry.to_bytes());
            let below = called.to_bytes().len() + 1;
            let opened = inside(self.entry(level.fd.as_fd(), entry, kind, &path, Some(below)))?;
            if let Some(fd) = opened {
                if levels.len() >= MAX_DEPTH {
                    return Err(io::Error::other("directories nested too deeply"));
                }
                levels.push(Level { entries: inside(self.list(&fd))?, fd, path_len: path.len() });
            }
        }
        self.path = path;
        Ok(())
    }

    /// Folds one entry in; opens it if it is a directory. `below`: where the path below the named
    /// entry begins; `None` for that entry itself.
    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        likely: FileType,
        path: &[u8],
        below: Option<usize>,
    ) -> io::Result<Option<OwnedFd>> {
        let top = below.is_none();
        let (stat, opened) = look(dir, name, likely)?;
        if let (FileType::Symlink, Some(below)) = (file_type(&stat), below) {
            let target = retry_on_intr(|| fs::readlinkat(dir, name, Vec::new()))?.into_bytes();
            self.fold_link(&path[below..], target);
        }
        self.fold(&stat, path, top);
        Ok(opened)
    }

    /// Entries of a directory just opened, without `.` and `..`, in byte order.
    fn list(&mut self, dir: &OwnedFd) -> io::Result<Mark> {
        self.buffer.reserve(LISTING_BUFFER);
        let (mark, pending) = (self.pending.mark(), &mut self.pending);
        listing::read(&mut RawDir::new(dir, self.buffer.spare_capacity_mut()), |entry| {
            pending.push(entry.name, entry.kind);
            Ok(())
        })?;
        pending.order(mark);
        Ok(mark)
    }

    /// Adds where a symlink below the newest named entry leads to.
    pub(super) fn fold_link(&mut self, path: &[u8], target: Vec<u8>) {
        let top = self.unit.tops.len() - 1;
        self.unit.links.push(InnerLink { top, path: path.to_vec(), target });
    }

    /// Folds in one entry; `path` begins with the name of the one that is on `top`.
    pub(super) fn fold(&mut self, stat: &Statx, path: &[u8], top: bool) {
        self.mounts(stat);
        let linked = file_type(stat) != FileType::Directory && stat.stx_nlink > 1;
        if top {
            self.unit.tops.push(Top { inode: stat.stx_ino, kind: file_type(stat) });
            let linked = linked.then(|| (stat.stx_ino, past::stamp(stat.stx_ctime)));
            self.unit.linked_tops.extend(linked);
        } else {
            self.look_inside(stat, path);
        }
        self.count(stat);
        let ctime = match &self.past {
            Some(past) if linked => past.ctime(stat),
            _ => past::stamp(stat.stx_ctime),
        };
        self.digests.fold(stat, ctime, path, top);
    }

    fn look_inside(&mut self, stat: &Statx, path: &[u8]) {
        let found = match file_type(stat) {
            FileType::Directory => inner::in_dir(path),
            _ => inner::in_other(path),
        };
        let inner = &mut self.unit.inner;
        match found {
            Some(Inner::Marked(_)) if !matches!(inner, Some(Inner::Marked(_))) => *inner = found,
            Some(Inner::Run(_)) if inner.is_none() => *inner = found,
            _ => {}
        }
    }

    /// I20: a mount shows by its id; where the kernel gives none, by its device. Devices count for
    /// directories anyway (btrfs subvolumes), and not for files, which overlayfs gives their own.
    fn mounts(&mut self, stat: &Statx) {
        if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
            self.unit.crosses_mount = true;
        }
        let with_id = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        if with_id && *self.mount.get_or_insert(stat.stx_mnt_id) != stat.stx_mnt_id {
            self.unit.crosses_mount = true;
        }
        if !with_id || file_type(stat) == FileType::Directory {
            let device = (stat.stx_dev_major, stat.stx_dev_minor);
            if *self.unit.device.get_or_insert(device) != device {
                self.unit.crosses_mount = true;
            }
        }
    }

    fn count(&mut self, stat: &Statx) {
        let unit = &mut self.unit;
        let modified = time(stat.stx_mtime);
        unit.last_write = unit.last_write.max(latest(stat.stx_mtime)).max(latest(stat.stx_ctime));
        if !unit.owners.contains(&stat.stx_uid) {
            unit.owners.push(stat.stx_uid);
        }
        let kind = file_type(stat);
        let bytes = stat.stx_blocks.saturating_mul(512);
        if kind == FileType::Directory {
            unit.bytes = unit.bytes.saturating_add(bytes);
            return;
        }
        unit.files = unit.files.saturating_add(1);
        if kind == FileType::Symlink {
            return;
        }
        if kind == FileType::RegularFile {
            unit.modified = unit.modified.max(modified);
        }
        if stat.stx_nlink > 1 {
            let (inode, apparent, links) = (stat.stx_ino, stat.stx_size, stat.stx_nlink);
            unit.shared.push(SharedFile { inode, bytes, apparent, links });
            if !self.seen.insert(stat.stx_ino) {
                return;
            }
        }
        unit.bytes = unit.bytes.saturating_add(bytes);
        unit.apparent = unit.apparent.saturating_add(stat.stx_size);
    }

    /// What was measured; the walk begins again, in the room that it has.
    pub(super) fn finish(&mut self) -> Unit {
        let mut unit = std::mem::take(&mut self.unit);
        let Fingerprints { fingerprint, identity, lasting } = self.digests.finish();
        (unit.fingerprint, unit.identity, unit.lasting) = (fingerprint, identity, lasting);
        unit.owners.sort_unstable();
        self.mount = None;
        self.past = None;
        self.seen.clear();
        self.seen.shrink_to(1 << 10);
        self.pending.clear();
        unit
    }
}

/// The fingerprint that [`hex`] wrote; `None` for any other text.
pub fn unhex(text: &str) -> Option<Fingerprint> {
    let mut out = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |b: u8| (b as char).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(out)
}

/// The facts about an entry, and its descriptor if it is a directory. `likely` is what it was said
/// to be, and only spares a call: what counts is what the system says of it now.
fn look(
    dir: BorrowedFd<'_>,
    name: &CStr,
    likely: FileType,
) -> io::Result<(Statx, Option<OwnedFd>)> {
    if likely == FileType::Directory {
        match open_dir(dir, name) {
            Ok(fd) => return Ok((stat_fd(&fd)?, Some(fd))),
            // Something else, or a symlink: nothing was opened.
            Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::NOTDIR | Errno::LOOP)) => {}
            Err(e) => return Err(e),
        }
    }
    let found = stat(dir, name)?;
    if file_type(&found) != FileType::Directory {
        return Ok((found, None));
    }
    let fd = open_dir(dir, name)?;
    // What was opened is what counts, whatever the name means by now.
    let again = stat_fd(&fd)?;
    if again.stx_ino != found.stx_ino {
        return Err(changed());
    }
    Ok((again, Some(fd)))
}

fn changed() -> io::Error {
    io::Error::other("changed while it was read")
}

/// Missing is the unit itself; an entry of it that is not there any more is a change of the unit.
fn inside<T>(found: io::Result<T>) -> io::Result<T> {
    found.map_err(|e| if e.kind() == io::ErrorKind::NotFound { changed() } else { e })
}

const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

fn stat(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    Ok(retry_on_intr(|| fs::statx(dir, name, flags, WANTED))?)
}

fn stat_fd(fd: &OwnedFd) -> io::Result<Statx> {
    Ok(retry_on_intr(|| fs::statx(fd, c"", AtFlags::EMPTY_PATH, WANTED))?)
}

fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| fs::openat(dir, name, flags, Mode::empty()))?)
}

fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

/// As [`time`], for what must not seem old: an instant that is too late to be told is the last one.
fn latest(t: fs::StatxTimestamp) -> Option<Time> {
    let too_late = t.tv_sec > i64::MAX / Time::NANOS_PER_SEC;
    time(t).or(too_late.then_some(Time::from_nanos(i64::MAX)))
}

/// `None` for an instant out of range and for the epoch itself, which means "unknown".
pub fn time(t: fs::StatxTimestamp) -> Option<Time> {
    Time::from_secs_nanos(t.tv_sec, t.tv_nsec).filter(|t| t.nanos() != 0)
}
