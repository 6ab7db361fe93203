//! Every system call that changes something, one method each.
//!
//! The rest of [`crate::apply`] mutates only through this trait, so that a test can fail, cut off
//! or count any single call, and a reader can see all there is. Nothing here follows a symlink,
//! takes a path of more than one component, changes a mode or forces anything (I18, I19, I27).

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FallocateFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;

/// Names are single components of an open directory.
pub trait Calls: Sync {
    /// Renames; an existing `to_name` is an error, `EINVAL` where the file system cannot promise that.
    ///
    /// # Errors
    /// As `renameat2(RENAME_NOREPLACE)`.
    fn rename_new(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()>;
    /// Renames over whatever bears `to_name`: only into directories nobody else can write.
    ///
    /// # Errors
    /// As `renameat`.
    fn rename(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()>;
    /// Gives a file a second name.
    ///
    /// # Errors
    /// As `linkat`.
    fn link(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()>;
    /// # Errors
    /// As `mkdirat`.
    fn mkdir(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<()>;
    /// # Errors
    /// As `unlinkat`.
    fn unlink(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()>;
    /// # Errors
    /// As `unlinkat(AT_REMOVEDIR)`.
    fn rmdir(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()>;
    /// Creates a file that did not exist, open for reading and writing.
    ///
    /// # Errors
    /// As `openat(O_CREAT | O_EXCL)`.
    fn create(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<OwnedFd>;
    /// Writes all of `bytes` at an offset.
    ///
    /// # Errors
    /// As `pwrite`; a write that makes no progress is `WriteZero`.
    fn write(&self, file: BorrowedFd<'_>, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Makes sure that `len` bytes at `at` can be written later on a full disk.
    ///
    /// # Errors
    /// As `fallocate`.
    fn reserve(&self, file: BorrowedFd<'_>, at: u64, len: u64) -> io::Result<()>;
    /// # Errors
    /// As `ftruncate`.
    fn truncate(&self, file: BorrowedFd<'_>, len: u64) -> io::Result<()>;
    /// Makes a file, or a directory's entries, durable.
    ///
    /// # Errors
    /// As `fsync`; fatal, and never retried (I24).
    fn sync(&self, file: BorrowedFd<'_>) -> io::Result<()>;
    /// Takes `flock(LOCK_EX | LOCK_NB)`.
    ///
    /// # Errors
    /// `WouldBlock` if somebody has it; others where the file system has no locks.
    fn lock(&self, file: BorrowedFd<'_>) -> io::Result<()>;
    /// Gives a directory that was just made to a user (as root only).
    ///
    /// # Errors
    /// As `fchown`.
    fn give(&self, file: BorrowedFd<'_>, uid: u32) -> io::Result<()>;
}

/// The operating system itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

/// Repeats a call that a signal interrupted before it did anything (F10).
fn again<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(&mut call)?)
}

impl Calls for Os {
    fn rename_new(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        again(|| fs::renameat_with(from, name, to, to_name, RenameFlags::NOREPLACE))
    }

    fn rename(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        again(|| fs::renameat(from, name, to, to_name))
    }

    fn link(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        again(|| fs::linkat(from, name, to, to_name, AtFlags::empty()))
    }

    fn mkdir(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<()> {
        again(|| fs::mkdirat(dir, name, Mode::from_raw_mode(mode)))
    }

    fn unlink(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        again(|| fs::unlinkat(dir, name, AtFlags::empty()))
    }

    fn rmdir(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        again(|| fs::unlinkat(dir, name, AtFlags::REMOVEDIR))
    }

    fn create(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<OwnedFd> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        again(|| fs::openat(dir, name, flags, Mode::from_raw_mode(mode)))
    }

    fn write(&self, file: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = again(|| rustix::io::pwrite(file, bytes, at))?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[n..];
            at += n as u64;
        }
        Ok(())
    }

    fn reserve(&self, file: BorrowedFd<'_>, at: u64, len: u64) -> io::Result<()> {
        match again(|| fs::fallocate(file, FallocateFlags::empty(), at, len)) {
            Err(e) if unsupported(&e) => {
                let zeros = [0; 16 * 1024];
                let mut done = 0;
                while done < len {
                    let n = (len - done).min(zeros.len() as u64);
                    self.write(
                        file,
                        &zeros[..usize::try_from(n).unwrap_or(zeros.len())],
                        at + done,
                    )?;
                    done += n;
                }
                Ok(())
            }
            other => other,
        }
    }

    fn truncate(&self, file: BorrowedFd<'_>, len: u64) -> io::Result<()> {
        again(|| fs::ftruncate(file, len))
    }

    fn sync(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        // I24: EINTR alone says that nothing was lost; every other failure may have dropped pages.
        again(|| fs::fsync(file))
    }

    fn lock(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        again(|| fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive))
    }

    fn give(&self, file: BorrowedFd<'_>, uid: u32) -> io::Result<()> {
        again(|| fs::fchown(file, Some(rustix::fs::Uid::from_raw(uid)), None))
    }
}

/// The file system does not know this call or this flag.
pub(super) fn unsupported(error: &io::Error) -> bool {
    let known = [Errno::NOSYS, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOTSUP, Errno::NOLCK];
    Errno::from_io_error(error).is_some_and(|e| known.contains(&e))
}

/// Whether an error is the system's `errno`.
pub(super) fn is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}
