//! Removes one tree that lies in a trash slot.
//!
//! Iterative, so that depth costs no stack; with few descriptors, so that it costs none of those;
//! straight from the directory listing, without a look at each file; and unable to leave the tree,
//! whatever somebody does to it meanwhile (I18, I19, I20, I25).

use super::calls::{self, Calls};
use super::dir;
use crate::store::listing::MAX_INTERRUPTED;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;

/// Descriptors held at once; directories above are reopened on the way back.
const MAX_OPEN: usize = 32;
/// Folders remembered of one directory before they are gone into.
const MAX_PENDING: usize = 4096;
/// How often one directory is listed again because it was not empty after all.
const MAX_PASSES: u32 = 16;
/// How often one listing may name `.` and `..`.
const MAX_DOTS: u32 = 16;
const BUFFER: usize = 32 * 1024;

/// A directory being emptied.
struct Level {
    fd: Option<OwnedFd>,
    name: CString,
    /// What it is, once its descriptor was given up.
    identity: Option<(u64, dir::MountId)>,
    pending: Vec<CString>,
    /// The listing was cut short: `pending` was full.
    cut: bool,
    passes: u32,
}

/// Removes the entry `name` of `slot` with all that is in it. An entry that is gone is removed.
///
/// `most` bounds how many entries are removed, against somebody who adds them as fast (R7).
///
/// # Errors
/// Something cannot be removed, is a mount, or there is no end to it; what is left can be removed
/// by a later call.
pub fn tree(calls: &dyn Calls, slot: BorrowedFd<'_>, name: &CStr, most: u64) -> io::Result<()> {
    let Some(stat) = dir::look(slot, name)? else { return Ok(()) };
    if dir::kind(&stat) != FileType::Directory {
        return gone_is_fine(calls.unlink(slot, name));
    }
    match dir::child(slot, name) {
        Ok(fd) => opened(calls, slot, name, fd, most),
        other => gone_is_fine(other.map(drop)),
    }
}

/// As [`tree`], for a directory that is open already.
///
/// # Errors
/// As [`tree`].
pub fn opened(
    calls: &dyn Calls,
    slot: BorrowedFd<'_>,
    name: &CStr,
    fd: OwnedFd,
    most: u64,
) -> io::Result<()> {
    let mut walk =
        Walk { calls, buffer: Vec::with_capacity(BUFFER), left: most, levels: Vec::new() };
    walk.descend(fd, name.to_owned())?;
    while let Some(level) = walk.levels.last_mut() {
        let Some(fd) = &level.fd else { return Err(Errno::BADF.into()) };
        if let Some(folder) = level.pending.pop() {
            // I19, I20: a symlink is not opened, a mount is not entered.
            match dir::child(fd.as_fd(), &folder) {
                Ok(fd) => walk.descend(fd, folder)?,
                other => gone_is_fine(other.map(drop))?,
            }
        } else if level.cut || !walk.leave(slot)? {
            walk.list()?;
        }
    }
    Ok(())
}

struct Walk<'a> {
    calls: &'a dyn Calls,
    buffer: Vec<u8>,
    left: u64,
    levels: Vec<Level>,
}

impl Walk<'_> {
    fn descend(&mut self, fd: OwnedFd, name: CString) -> io::Result<()> {
        if let Some(far) = self.levels.len().checked_sub(MAX_OPEN) {
            let far = &mut self.levels[far];
            if let Some(fd) = far.fd.take() {
                far.identity = Some(identity(fd.as_fd())?);
            }
        }
        let (pending, identity) = (Vec::new(), None);
        self.levels.push(Level { fd: Some(fd), name, identity, pending, cut: false, passes: 0 });
        self.list()
    }

    /// Unlinks the files of the deepest directory, and notes its folders.
    fn list(&mut self) -> io::Result<()> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let Some(fd) = &level.fd else { return Err(Errno::BADF.into()) };
        if !level.cut {
            level.passes += 1;
            if level.passes > MAX_PASSES {
                return Err(Errno::NOTEMPTY.into());
            }
        }
        if level.passes > 1 || level.cut {
            fs::seek(fd, fs::SeekFrom::Start(0))?;
        }
        level.cut = false;
        let (mut dots, mut interrupted) = (MAX_DOTS, MAX_INTERRUPTED);
        let mut entries = RawDir::new(fd, self.buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) if interrupted > 0 => {
                    interrupted -= 1;
                    continue;
                }
                other => other?,
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                // F24: these two are no entries, and must not be all that ever comes.
                dots =
                    dots.checked_sub(1).ok_or_else(|| io::Error::other("a listing without end"))?;
                continue;
            }
            self.left = self
                .left
                .checked_sub(1)
                .ok_or_else(|| io::Error::other("there is no end to it; somebody writes in it"))?;
            if entry.file_type() == FileType::Directory || !unlink(self.calls, fd.as_fd(), name)? {
                level.pending.push(name.to_owned());
                if level.pending.len() >= MAX_PENDING {
                    level.cut = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Removes the deepest directory, if it is empty, and goes back to the one above it.
    fn leave(&mut self, slot: BorrowedFd<'_>) -> io::Result<bool> {
        let depth = self.levels.len();
        if depth >= 2 && self.levels[depth - 2].fd.is_none() {
            let up = reopen(&self.levels[depth - 1], &self.levels[depth - 2])?;
            self.levels[depth - 2].fd = Some(up);
        }
        let above = match depth.checked_sub(2) {
            Some(i) => self.levels[i].fd.as_ref().map(AsFd::as_fd),
            None => Some(slot),
        };
        let (Some(above), Some(level)) = (above, self.levels.last()) else {
            return Err(Errno::BADF.into());
        };
        match gone_is_fine(self.calls.rmdir(above, &level.name)) {
            Ok(()) => {
                self.levels.pop();
                Ok(true)
            }
            Err(e)
                if e.kind() == io::ErrorKind::DirectoryNotEmpty || calls::is(&e, Errno::EXIST) =>
            {
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }
}

/// I18: `..` of a directory leads wherever somebody moved it; only the one we came from counts.
fn reopen(below: &Level, wanted: &Level) -> io::Result<OwnedFd> {
    let Some(fd) = &below.fd else { return Err(Errno::BADF.into()) };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let up = fs::openat(fd, c"..", flags, Mode::empty())?;
    if Some(identity(up.as_fd())?) != wanted.identity {
        return Err(io::Error::other("it was moved while it was purged"));
    }
    Ok(up)
}

fn identity(dir: BorrowedFd<'_>) -> io::Result<(u64, dir::MountId)> {
    Ok((dir::stat_fd(dir)?.stx_ino, dir::mount(dir)?))
}

/// `false`: it is a directory, which the listing did not say.
fn unlink(calls: &dyn Calls, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
    match gone_is_fine(calls.unlink(dir, name)) {
        Ok(()) => Ok(true),
        Err(e) if calls::is(&e, Errno::ISDIR) || calls::is(&e, Errno::PERM) => {
            match dir::look(dir, name)? {
                Some(stat) if dir::kind(&stat) == FileType::Directory => Ok(false),
                None => Ok(true),
                // I27: immutable, append-only: a wish to keep.
                Some(_) => Err(e),
            }
        }
        Err(e) => Err(e),
    }
}

fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
