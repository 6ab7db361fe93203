//! Moves a checkpoint into the trash beside it and out again.
//!
//! A rename is the only deletion that is atomic, that can be undone, and that frameworks notice at
//! once. The trash stands in the checkpoint's own parent directory, the one place that is surely on
//! the same mount, quota and metadata server (I21):
//! `PARENT/.retain/trash/RUN/SLOT/NAME`, one slot for the checkpoints of a session in one directory.

use super::calls::{self, Calls};
use super::dir::{self, OURS};
use super::home;
use super::root;
use crate::store::unit::Top;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;

const TRASH: &CStr = c"trash";

/// An open slot and the directories on the way to it.
#[derive(Debug)]
pub struct Slot {
    ours: OwnedFd,
    trash: OwnedFd,
    run: OwnedFd,
    inner: OwnedFd,
}

impl Slot {
    /// Makes a fresh slot, which only we can enter.
    ///
    /// # Errors
    /// The directory is not writable, what stands in the way is not ours (N16), the slot exists.
    pub fn create(
        calls: &dyn Calls,
        parent: BorrowedFd<'_>,
        run: &str,
        slot: &str,
    ) -> io::Result<Slot> {
        let names = [CString::new(run)?, CString::new(slot)?];
        // A purge may tidy up an empty trash at any moment between two of these calls.
        for _ in 0..8 {
            match Slot::try_create(calls, parent, &names) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        Err(Errno::NOENT.into())
    }

    fn try_create(
        calls: &dyn Calls,
        parent: BorrowedFd<'_>,
        names: &[CString; 2],
    ) -> io::Result<Slot> {
        let ours = home::make_ours(calls, parent)?;
        home::make_for_owner(calls, parent, ours.as_fd(), TRASH)?;
        let trash = dir::child(ours.as_fd(), TRASH)?;
        root::check_ours(parent, trash.as_fd())?;
        let run = enter(calls, trash.as_fd(), &names[0])?;
        private(run.as_fd())?;
        // I21: must not exist. A plain rename lands on an existing empty directory without a word.
        calls.mkdir(run.as_fd(), &names[1], 0o700)?;
        let inner = dir::child(run.as_fd(), &names[1])?;
        private(inner.as_fd())?;
        Ok(Slot { ours, trash, run, inner })
    }

    /// Opens a slot that a journal names; `None` if it is not there.
    ///
    /// # Errors
    /// Something on the way is not ours, no directory, or on another mount (R16).
    pub fn open(parent: BorrowedFd<'_>, run: &str, slot: &str) -> io::Result<Option<Slot>> {
        let names = [CString::new(run)?, CString::new(slot)?];
        let open = || -> io::Result<Slot> {
            let ours = root::open_ours(parent)?.ok_or(io::ErrorKind::NotFound)?;
            let trash = dir::child(ours.as_fd(), TRASH)?;
            root::check_ours(parent, trash.as_fd())?;
            let run = dir::child(trash.as_fd(), &names[0])?;
            private(run.as_fd())?;
            let inner = dir::child(run.as_fd(), &names[1])?;
            private(inner.as_fd())?;
            Ok(Slot { ours, trash, run, inner })
        };
        match open() {
            Ok(slot) => Ok(Some(slot)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }

    /// The slot's own directory.
    pub fn into_fd(self) -> OwnedFd {
        self.inner
    }

    /// Makes what was moved into the slot durable: the slot, and its name in each directory above.
    ///
    /// # Errors
    /// Fatal (I24).
    pub fn sync(&self, calls: &dyn Calls) -> io::Result<()> {
        [&self.inner, &self.run, &self.trash, &self.ours]
            .iter()
            .try_for_each(|d| calls.sync(d.as_fd()))
    }
}

/// Removes a slot and what above it is empty then, as far as any of that exists. Gives the
/// directory that was changed last, to be synced; `None` if the slot stays, because it is not empty.
///
/// # Errors
/// Anything else than a directory that is not empty, or gone.
pub fn tidy(
    calls: &dyn Calls,
    parent: BorrowedFd<'_>,
    run: &str,
    slot: &str,
) -> io::Result<Option<OwnedFd>> {
    let names = [OURS, TRASH, &CString::new(run)?, &CString::new(slot)?];
    let mut above = vec![rustix::io::fcntl_dupfd_cloexec(parent, 0)?];
    for name in &names[..3] {
        match dir::child(above[above.len() - 1].as_fd(), name) {
            Ok(fd) => above.push(fd),
            Err(e) if e.kind() == io::ErrorKind::NotFound => break,
            Err(e) => return Err(e),
        }
    }
    let mut changed = None;
    for (fd, name) in above.into_iter().zip(names).rev() {
        match calls.rmdir(fd.as_fd(), name) {
            Ok(()) => changed = Some(fd),
            Err(e)
                if e.kind() == io::ErrorKind::NotFound
                    && dir::look(fd.as_fd(), name)?.is_none() =>
            {
                changed = Some(fd);
            }
            // Other runs use it, or it holds what is not ours.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => break,
            Err(e) if calls::is(&e, Errno::EXIST) => break,
            Err(e) => return Err(e),
        }
    }
    Ok(changed)
}

/// A run's own, which only we can enter.
fn enter(calls: &dyn Calls, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    match calls.mkdir(dir, name, 0o700) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    dir::child(dir, name)
}

/// A directory that nobody else can have put anything into.
fn private(dir: BorrowedFd<'_>) -> io::Result<()> {
    let stat = dir::stat_fd(dir)?;
    let at = || dir::shown(dir);
    if stat.stx_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("`{}` belongs to somebody else", at())));
    }
    if stat.stx_mode & 0o022 != 0 {
        let at = at();
        return Err(io::Error::other(format!(
            "others may write in `{at}`: `chmod go-w {at}` if what is in it is meant"
        )));
    }
    Ok(())
}

/// The entry called `name`, if it is the one that is meant.
///
/// # Errors
/// It cannot be looked at.
pub fn is_there(dir: BorrowedFd<'_>, name: &CStr, top: Top) -> io::Result<bool> {
    Ok(dir::look(dir, name)?.is_some_and(|s| s.stx_ino == top.inode && dir::kind(&s) == top.kind))
}

/// Renames an entry into a slot. `Ok(false)`: it was gone, somebody else has it.
///
/// # Errors
/// It stays where it is.
pub fn put(
    calls: &dyn Calls,
    from: BorrowedFd<'_>,
    name: &CStr,
    top: Top,
    slot: BorrowedFd<'_>,
) -> io::Result<bool> {
    let mut done = calls.rename_new(from, name, slot, name);
    // NFS, Lustre, Gluster know no NOREPLACE; the slot is fresh and ours alone, so nothing is there.
    if done.as_ref().is_err_and(calls::unsupported) {
        done = calls.rename(from, name, slot, name);
    }
    match done {
        Ok(()) => Ok(true),
        // F15: done, but its answer was lost. The file system knows.
        Err(_) if is_there(slot, name, top).unwrap_or(false) => Ok(true),
        // Gone is what is seen to be gone (I33).
        Err(e) if e.kind() == io::ErrorKind::NotFound && dir::look(from, name)?.is_none() => {
            Ok(false)
        }
        // I21, I27: EXDEV, EACCES, EPERM, EBUSY: never copied, never forced.
        Err(e) => Err(e),
    }
}

/// Gives a directory in a slot a name that no undo knows, so that it is purged or restored, never
/// both, and opens it. `None`: it is gone, or somebody was quicker.
///
/// # Errors
/// It cannot be opened, is a mount point, or keeps its name.
pub fn claim(
    calls: &dyn Calls,
    slot: BorrowedFd<'_>,
    name: &CStr,
    top: Top,
    doomed: &CStr,
) -> io::Result<Option<OwnedFd>> {
    let Some(fd) = open_if(slot, name, top)? else {
        // A purge that was cut off had claimed it before.
        return open_if(slot, doomed, top);
    };
    let mut done = calls.rename_new(slot, name, slot, doomed);
    if done.as_ref().is_err_and(calls::unsupported) {
        done = calls.rename(slot, name, slot, doomed);
    }
    match done {
        _ if is_there(slot, doomed, top)? => Ok(Some(fd)),
        Err(e) if e.kind() == io::ErrorKind::NotFound && !is_there(slot, name, top)? => Ok(None),
        Err(e) => Err(e),
        Ok(()) => Err(io::Error::other("it was not renamed, although the system says so")),
    }
}

/// The directory called `name`, if it is the one that is meant.
fn open_if(dir: BorrowedFd<'_>, name: &CStr, top: Top) -> io::Result<Option<OwnedFd>> {
    match dir::child(dir, name) {
        Ok(fd) => Ok((dir::stat_fd(fd.as_fd())?.stx_ino == top.inode).then_some(fd)),
        // It is not there, or something else bears its name.
        Err(e)
            if matches!(
                Errno::from_io_error(&e),
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
            ) =>
        {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Renames what bears `name` in a slot back to that name; never over anything (I26). Only we can
/// have put it there, so whatever it is, it came from there. Done twice, it is done once: `Ok(false)`
/// if nothing bears the name.
///
/// # Errors
/// Its place is taken (`AlreadyExists`), or it cannot be moved; it stays in the slot.
pub fn take_back(
    calls: &dyn Calls,
    slot: BorrowedFd<'_>,
    name: &CStr,
    to: BorrowedFd<'_>,
) -> io::Result<bool> {
    let Some(stat) = dir::look(slot, name)? else { return Ok(false) };
    let top = Top { inode: stat.stx_ino, kind: dir::kind(&stat) };
    let done = match calls.rename_new(slot, name, to, name) {
        Err(e) if calls::unsupported(&e) => take_back_slowly(calls, slot, name, top, to),
        other => other,
    };
    // F14, F15: the file system knows better than the answer.
    match (done, is_there(to, name, top)?) {
        (Err(e), false) => Err(e),
        (Ok(()), false) => Err(io::Error::other("it was not moved, although the system says so")),
        // At both places: an earlier attempt was cut off between link and unlink.
        (_, true) if top.kind != FileType::Directory && is_there(slot, name, top)? => {
            calls.unlink(slot, name)?;
            Ok(true)
        }
        (_, true) => Ok(true),
    }
}

fn take_back_slowly(
    calls: &dyn Calls,
    slot: BorrowedFd<'_>,
    name: &CStr,
    top: Top,
    to: BorrowedFd<'_>,
) -> io::Result<()> {
    if dir::look(to, name)?.is_some() {
        return Err(Errno::EXIST.into());
    }
    // A directory can at worst take the place of an empty one that appeared this instant.
    if top.kind == FileType::Directory {
        return calls.rename(slot, name, to, name);
    }
    // A link is refused where something is; then the name in the slot can go.
    calls.link(slot, name, to, name)?;
    calls.unlink(slot, name)
}
