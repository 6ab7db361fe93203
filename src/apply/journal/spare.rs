//! Room that is kept back for one journal, so that a full disk can be emptied.
//!
//! Nothing is purged before a journal says so, and a disk without room for one is what a purge is
//! for. So the root's own journal directory holds a file whose room is its own. Where a journal finds
//! none, this file takes its place, by a rename, and is made again once there is room. Its name is
//! no journal's: whoever reads journals, of any version, passes it over.

use crate::apply::calls::Calls;
use crate::apply::dir;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags, Statx};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;

const NAME: &CStr = c"spare";
/// What the journal has of it: records of some thousand checkpoints.
pub(super) const ROOM: u64 = 64 << 10;
/// The rest is let go when it is needed: a move wants folders for its trash.
const SIZE: u64 = 2 * ROOM;
/// With less it is of no use.
const LEAST: u64 = ROOM / 4;
/// Where there is less than this it would itself be what fills the disk.
const PLENTY: u64 = 64 * SIZE;

/// The disk, or somebody's share of it, is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}

/// Makes it unless it is there; `again`, as large as may be, out of what a journal left that had it.
/// That it may fail changes nothing but what a full disk lets.
pub fn keep(calls: &dyn Calls, dir: BorrowedFd<'_>, again: bool) {
    if let Err(e) = make(calls, dir, again) {
        tracing::debug!(error = %e, "no room is kept back for a journal");
    }
}

fn make(calls: &dyn Calls, dir: BorrowedFd<'_>, again: bool) -> io::Result<()> {
    match dir::look(dir, NAME)? {
        Some(stat) if is_whole(&stat) || !is_own(&stat) => return Ok(()),
        // Cut off while it was made.
        Some(_) => calls.unlink(dir, NAME)?,
        None => {}
    }
    let space = fs::fstatvfs(dir)?;
    if !again && space.f_bavail.saturating_mul(space.f_frsize) < PLENTY {
        return Ok(());
    }
    // As a journal's mode.
    let file = calls.create(dir, NAME, 0o644)?;
    let sizes = if again { &[SIZE, ROOM, LEAST][..] } else { &[SIZE] };
    let full = |made: &io::Result<()>| made.as_ref().is_err_and(is_full);
    let mut made = Ok(());
    for size in sizes {
        made = calls.reserve(file.as_fd(), 0, *size);
        if !full(&made) {
            break;
        }
    }
    if let Err(e) = made.and_then(|()| calls.sync(file.as_fd())) {
        calls.unlink(dir, NAME)?;
        return Err(e);
    }
    Ok(())
}

/// Puts it in the place of the journal file `name`, or of none, and opens it, with how much room it
/// has. `None`: there is none that can be used. The rename is the claim: without locks, too, one alone gets it.
pub(super) fn take(
    calls: &dyn Calls,
    dir: BorrowedFd<'_>,
    name: &CStr,
) -> io::Result<Option<(OwnedFd, u64)>> {
    if !dir::look(dir, NAME)?.is_some_and(|stat| is_own(&stat) && is_whole(&stat)) {
        return Ok(None);
    }
    calls.rename(dir, NAME, dir, name)?;
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::io::retry_on_intr(|| fs::openat(dir, name, flags, Mode::empty()))?;
    let stat = dir::stat_fd(file.as_fd())?;
    if !is_own(&stat) || !is_whole(&stat) {
        return Ok(None);
    }
    if stat.stx_size > ROOM {
        calls.truncate(file.as_fd(), ROOM)?;
    }
    Ok(Some((file, stat.stx_size.min(ROOM))))
}

/// Puts the journal file `name` that had it back in its place: its work was not begun, and with no
/// room kept back nothing could empty the disk. Cut off at any point it is one or the other. `false`:
/// there is another by now, or it cannot be renamed.
pub(super) fn give_back(
    calls: &dyn Calls,
    dir: BorrowedFd<'_>,
    name: &CStr,
    file: BorrowedFd<'_>,
    written: usize,
) -> bool {
    let back = || match dir::look(dir, NAME)? {
        Some(_) => Ok(false),
        None => calls.rename(dir, name, dir, NAME).map(|()| true),
    };
    let done = back();
    if matches!(done, Ok(true))
        && let Err(e) = refill(calls, dir, file, written)
    {
        tracing::debug!(error = %e, "the room that is kept back stays smaller");
    }
    done.unwrap_or_else(|e: io::Error| {
        tracing::debug!(error = %e, "a journal's room is not kept back again");
        false
    })
}

/// As large as may be, and without what was `written` in it.
fn refill(
    calls: &dyn Calls,
    dir: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    written: usize,
) -> io::Result<()> {
    calls.write(file, &vec![0; written], 0)?;
    // An attempt to reserve more may have left a part of it.
    let has = dir::stat_fd(file)?.stx_size;
    let resized =
        if has > SIZE { calls.truncate(file, SIZE) } else { calls.reserve(file, 0, SIZE) };
    calls.sync(file)?;
    calls.sync(dir)?;
    resized
}

/// A journal of somebody else's file would not be acted upon (I30).
fn is_own(stat: &Statx) -> bool {
    stat.stx_uid == rustix::process::geteuid().as_raw()
        && dir::kind(stat) == FileType::RegularFile
        && stat.stx_nlink == 1
}

fn is_whole(stat: &Statx) -> bool {
    stat.stx_size >= LEAST
}
