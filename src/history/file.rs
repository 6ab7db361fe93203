//! The file of the history: read whole, replaced whole, relative to an open directory.

use super::{FILE, HistoryError};
use crate::core::model::Time;
use crate::whole::{self, Synced, Whole};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

/// A history of ten years of a big storage has a tenth of that.
const LIMIT: u64 = 1 << 30;
const LOCK: &str = "history.lock";
const MONITOR: &str = "monitor.lock";
/// How often, and how far apart, the lock is tried for.
const TRIES: u32 = 250;
const PAUSE: Duration = Duration::from_millis(20);

/// The content; `None` if there is no such file.
pub fn read(ours: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = match fs::openat(ours, FILE, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(io::Error::other("it is a symlink")),
        Err(e) => return Err(e.into()),
    };
    let stat = fs::fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::from(fd).take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(io::Error::other("it is larger than 1 GiB"));
    }
    Ok(Some(bytes))
}

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing it lets go")] OwnedFd);

/// One writer at a time, where the file system has locks; else the last one wins whole.
pub fn lock(ours: BorrowedFd<'_>) -> Result<Lock, HistoryError> {
    take(ours, LOCK, TRIES)?.ok_or(HistoryError::Busy)
}

/// One monitor at a time; `None`: another is at work.
pub fn lock_monitor(ours: BorrowedFd<'_>) -> Result<Option<Lock>, HistoryError> {
    take(ours, MONITOR, 1)
}

fn take(ours: BorrowedFd<'_>, name: &str, tries: u32) -> Result<Option<Lock>, HistoryError> {
    check(ours)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = |e: Errno| HistoryError::Write(e.into());
    let fd = fs::openat(ours, name, flags | OFlags::NONBLOCK, Mode::from(0o644)).map_err(write)?;
    for n in 1..=tries {
        match fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => {
                return Ok(Some(Lock(fd)));
            }
            Err(Errno::AGAIN | Errno::INTR) if n < tries => std::thread::sleep(PAUSE),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(e) => return Err(write(e)),
        }
    }
    Ok(None)
}

/// I30: root writes only where nobody else can put anything in the way.
fn check(ours: BorrowedFd<'_>) -> Result<(), HistoryError> {
    let stat = fs::fstat(ours).map_err(|e| HistoryError::Read(e.into()))?;
    let root = rustix::process::geteuid().is_root();
    if root && (stat.st_uid != 0 || stat.st_mode & 0o022 != 0) {
        let why = "this `.retain` is not root's alone".to_owned();
        return Err(HistoryError::Unsafe(why));
    }
    Ok(())
}

/// Replaces the file in one step, after it has reached the disk; under the lock.
pub fn replace(ours: BorrowedFd<'_>, content: &[u8]) -> io::Result<()> {
    let (name, synced) = (OsStr::new(FILE), Synced::Place);
    let temporary = &whole::hidden(name, "new");
    // The web page of another user may show it.
    let new = Whole { dir: ours, name, temporary, mode: 0o644, synced };
    new.replace(|file| file.write_all(content))
}

/// Gives a damaged file another name, which is returned; never over anything.
pub fn set_aside(ours: BorrowedFd<'_>, now: Time) -> io::Result<String> {
    let time = now.to_chrono().format("%Y%m%d-%H%M%S").to_string();
    for n in 0..100 {
        let more = if n == 0 { String::new() } else { format!("-{n}") };
        let name = format!("{FILE}.damaged-{time}{more}");
        match fs::statat(ours, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => {}
            Ok(_) => continue,
            Err(e) => return Err(e.into()),
        }
        fs::renameat(ours, FILE, ours, &*name)?;
        fs::fsync(ours)?;
        return Ok(name);
    }
    Err(io::Error::other("there are too many damaged ones"))
}
