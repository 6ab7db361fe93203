//! One run at a time, where the file system has locks.
//!
//! The lock spares people surprises; no promise rests on it (I28). It is `flock` on a file that is
//! never removed: it dies with its process, so there is no age at which it could be broken.

use super::calls::{self, Calls};
use super::dir;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Mode, OFlags, Statx};
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
                if let Err(e) = lock.refit(calls) {
                    tracing::debug!(error = %e, "the lock stays as it is");
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

    /// A lock that is not as it would be made now gives way to one that is: one that everybody may
    /// open, one that is closed to a group that has come to share the directory, one of root's in what
    /// is somebody's. Whoever waits for it looks at the name each time.
    fn refit(&mut self, calls: &dyn Calls) -> io::Result<()> {
        let ours = dir::stat_fd(self.dir.as_fd())?;
        let now = dir::stat_fd(self.file.as_fd())?;
        let euid = rustix::process::geteuid().as_raw();
        let (shared, root) = (is_shared(&ours), euid == 0);
        // Who may work in another's directory does so because it is shared, or as root.
        if now.stx_uid != euid || !(shared || root || ours.stx_uid == euid) {
            return Ok(());
        }
        let fits = |lock: &Statx| {
            if shared { opens(lock, &ours) } else { u32::from(lock.stx_mode) & OTHERS == 0 }
        };
        let owner = if root { ours.stx_uid } else { euid };
        if now.stx_uid == owner && fits(&now) {
            return Ok(());
        }
        let (file, name) = fresh(calls, self.dir.as_fd())?;
        let done = dir::stat_fd(file.as_fd()).and_then(|new| {
            if !fits(&new) {
                return Err(io::Error::other("the umask closes the lock to the group"));
            }
            calls.lock(file.as_fd())?;
            calls.rename(self.dir.as_fd(), &name, self.dir.as_fd(), NAME)
        });
        if let Err(e) = done {
            calls.unlink(self.dir.as_fd(), &name)?;
            return Err(e);
        }
        self.inode = dir::stat_fd(file.as_fd())?.stx_ino;
        self.file = file;
        Ok(())
    }
}

/// A group has the directory in common.
fn is_shared(ours: &Statx) -> bool {
    ours.stx_mode & 0o020 != 0
}

/// Whether the group that shares the directory can open a lock in it.
fn opens(lock: &Statx, ours: &Statx) -> bool {
    let group = if lock.stx_gid == ours.stx_gid { 0o040 } else { 0o004 };
    lock.stx_mode & group != 0
}

/// Whoever can open a lock can hold it for ever: only those who may work here (I28). Root's lock in
/// what is somebody's would lock them out, and is theirs; a group that shares a root shares the lock.
fn mode_in(ours: &Statx) -> u32 {
    if is_shared(ours) { 0o644 } else { 0o600 }
}

/// Whom a lock here is to be given to.
fn heir(ours: &Statx) -> Option<u32> {
    (rustix::process::geteuid().is_root() && ours.stx_uid != 0).then_some(ours.stx_uid)
}

fn create(calls: &dyn Calls, ours: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let dir = dir::stat_fd(ours)?;
    if heir(&dir).is_none() {
        return calls.create(ours, NAME, mode_in(&dir));
    }
    // Not under its own name before it is given: a crash would leave one that only root can open.
    let (file, name) = fresh(calls, ours)?;
    let placed = match calls.rename_new(ours, &name, ours, NAME) {
        Err(e) if calls::unsupported(&e) => {
            calls.link(ours, &name, ours, NAME).and_then(|()| calls.unlink(ours, &name))
        }
        done => done,
    };
    if let Err(e) = placed {
        // The first error is the one to tell; a file left behind harms nobody.
        let _ = calls.unlink(ours, &name);
        return Err(e);
    }
    Ok(file)
}

/// One that nobody knows yet, and its name.
fn fresh(calls: &dyn Calls, ours: BorrowedFd<'_>) -> io::Result<(OwnedFd, CString)> {
    let dir = dir::stat_fd(ours)?;
    let name = CString::new(format!("lock.{}", super::random_hex(8)?))?;
    let file = calls.create(ours, &name, mode_in(&dir))?;
    if let Some(uid) = heir(&dir)
        && let Err(e) = calls.give(file.as_fd(), uid)
    {
        let _ = calls.unlink(ours, &name);
        return Err(e);
    }
    Ok((file, name))
}

fn open(calls: &dyn Calls, ours: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    for _ in 0..16 {
        let mut opened = fs::openat(ours, NAME, flags | OFlags::RDWR, Mode::empty());
        if matches!(opened, Err(Errno::ACCESS)) {
            opened = fs::openat(ours, NAME, flags | OFlags::RDONLY, Mode::empty());
        }
        match opened {
            Err(Errno::NOENT) => match create(calls, ours) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other,
            },
            Err(Errno::ACCESS) => return Err(closed(ours)),
            other => return Ok(other?),
        }
    }
    Err(io::Error::other("the lock file comes and goes"))
}

/// Why a lock cannot be opened, and what helps.
fn closed(ours: BorrowedFd<'_>) -> io::Error {
    let Ok(Some(lock)) = dir::look(ours, NAME) else { return Errno::ACCESS.into() };
    let (at, uid) = (dir::shown(ours), lock.stx_uid);
    let why = format!(
        "`{at}/lock` can be opened by user {uid} alone; where a group shares this directory, let that user run `chmod 644 {at}/lock`"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// The last one that wrote itself down, if it lives: another may hold the lock, and say nothing.
fn holder(ours: BorrowedFd<'_>) -> Option<u32> {
    let (bytes, _) = dir::read_file(ours, NAME, 64).ok()?;
    let pid: u32 = std::str::from_utf8(&bytes).ok()?.trim().parse().ok()?;
    Path::new(&format!("/proc/{pid}")).exists().then_some(pid)
}
