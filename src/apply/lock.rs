//! One run at a time, where the file system has locks.
//!
//! The lock spares people surprises; no promise rests on it (I28). It is `flock` on a file that is
//! never removed: it dies with its process, so there is no age at which it could be broken.

use super::calls::{self, Calls};
use super::dir;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const NAME: &CStr = c"lock";
/// All but its owner.
const OTHERS: u32 = 0o077;
const PAUSE: Duration = Duration::from_millis(50);

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    file: OwnedFd,
    inode: u64,
    dir: OwnedFd,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum NoLock {
    /// Somebody else works here.
    Held {
        pid: Option<u32>,
    },
    /// Stopped while waiting.
    Stopped,
    Io(io::Error),
}

impl From<io::Error> for NoLock {
    fn from(e: io::Error) -> NoLock {
        NoLock::Io(e)
    }
}

impl Lock {
    /// Takes `.retain/lock`, waiting up to `wait` for whoever has it.
    ///
    /// # Errors
    /// Still held, told to stop, or the file cannot be opened.
    pub fn take(
        calls: &dyn Calls,
        ours: BorrowedFd<'_>,
        wait: Duration,
        stop: &AtomicBool,
    ) -> Result<Lock, NoLock> {
        let start = Instant::now();
        loop {
            let file = open(calls, ours)?;
            let got = match calls.lock(file.as_fd()) {
                Ok(()) => true,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
                // Lustre without flock, NFS without lockd: go on, the renames are the claim.
                Err(e) if calls::unsupported(&e) => {
                    tracing::warn!(error = %e, "this file system has no locks");
                    true
                }
                Err(e) => return Err(e.into()),
            };
            let inode = dir::stat_fd(file.as_fd())?.stx_ino;
            let mut lock = Lock {
                file,
                inode,
                dir: rustix::io::fcntl_dupfd_cloexec(ours, 0).map_err(io::Error::from)?,
            };
            if got && lock.still_held()? {
                if let Err(e) = lock.narrow(calls) {
                    tracing::debug!(error = %e, "the lock stays open to others");
                }
                let pid = format!("{:<20}\n", rustix::process::getpid().as_raw_nonzero());
                // Only for the message of whoever waits; it need not be durable, or work at all.
                if let Err(e) = calls.write(lock.file.as_fd(), pid.as_bytes(), 0) {
                    tracing::debug!(error = %e, "the lock does not say who has it");
                }
                return Ok(lock);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(NoLock::Stopped);
            }
            if start.elapsed() >= wait {
                return Err(NoLock::Held { pid: holder(ours) });
            }
            std::thread::sleep(PAUSE.min(wait));
        }
    }

    /// R15: the file that is locked is still the one that others would lock.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn still_held(&self) -> io::Result<bool> {
        Ok(dir::look(self.dir.as_fd(), NAME)?.is_some_and(|s| s.stx_ino == self.inode))
    }

    /// A lock of an earlier version, which everybody may open, gives way to one that they may not.
    /// Whoever waits for it looks at the name each time.
    fn narrow(&mut self, calls: &dyn Calls) -> io::Result<()> {
        let (ours, now) = (dir::stat_fd(self.dir.as_fd())?, dir::stat_fd(self.file.as_fd())?);
        let euid = rustix::process::geteuid().as_raw();
        let own = ours.stx_uid == euid && now.stx_uid == euid && ours.stx_mode & 0o022 == 0;
        if !own || u32::from(now.stx_mode) & OTHERS == 0 {
            return Ok(());
        }
        let name = CString::new(format!("lock.{}", super::random_hex(8)?))?;
        let file = create(calls, self.dir.as_fd(), &name)?;
        let done = calls
            .lock(file.as_fd())
            .and_then(|()| calls.rename(self.dir.as_fd(), &name, self.dir.as_fd(), NAME));
        if let Err(e) = done {
            calls.unlink(self.dir.as_fd(), &name)?;
            return Err(e);
        }
        self.inode = dir::stat_fd(file.as_fd())?.stx_ino;
        self.file = file;
        Ok(())
    }
}

/// Whoever can open a lock can hold it for ever: only those who may work here (I28). Root's lock in
/// what is somebody's would lock them out, and is theirs; a group that shares a root shares the lock.
fn create(calls: &dyn Calls, ours: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let dir = dir::stat_fd(ours)?;
    let shared = dir.stx_mode & 0o020 != 0;
    let file = calls.create(ours, name, if shared { 0o644 } else { 0o600 })?;
    if rustix::process::geteuid().is_root() && dir.stx_uid != 0 {
        calls.give(file.as_fd(), dir.stx_uid)?;
    }
    Ok(file)
}

fn open(calls: &dyn Calls, ours: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    for _ in 0..16 {
        let mut opened = fs::openat(ours, NAME, flags | OFlags::RDWR, Mode::empty());
        if matches!(opened, Err(Errno::ACCESS)) {
            opened = fs::openat(ours, NAME, flags | OFlags::RDONLY, Mode::empty());
        }
        match opened {
            Err(Errno::NOENT) => match create(calls, ours, NAME) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other,
            },
            other => return Ok(other?),
        }
    }
    Err(io::Error::other("the lock file comes and goes"))
}

/// The last one that wrote itself down, if it lives: another may hold the lock, and say nothing.
fn holder(ours: BorrowedFd<'_>) -> Option<u32> {
    let (bytes, _) = dir::read_file(ours, NAME, 64).ok()?;
    let pid: u32 = std::str::from_utf8(&bytes).ok()?.trim().parse().ok()?;
    Path::new(&format!("/proc/{pid}")).exists().then_some(pid)
}
