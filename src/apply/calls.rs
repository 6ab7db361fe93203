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
    /// Renames over whatever bears `to_name`: only into directories nobody else can write, or of names
    /// that are ours there, whoever else may write.
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
        // O_EXCL follows no symlink either.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        again(|| fs::openat(dir, name, flags, Mode::from_raw_mode(mode)))
    }

    fn write(&self, file: BorrowedFd<'_>, bytes: &[u8], at: u64) -> io::Result<()> {
        write_all(bytes, at, |some, at| again(|| rustix::io::pwrite(file, some, at)))
    }

    fn reserve(&self, file: BorrowedFd<'_>, at: u64, len: u64) -> io::Result<()> {
        let direct = again(|| fs::fallocate(file, FallocateFlags::empty(), at, len));
        or_by_writing(direct, || zeros(at, len, |some, at| self.write(file, some, at)))
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

/// What to do about space where the file system cannot reserve any.
fn or_by_writing(direct: io::Result<()>, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match direct {
        Err(e) if unsupported(&e) => write(),
        other => other,
    }
}

/// Repeats a write that may end early until all is written.
fn write_all(
    mut bytes: &[u8],
    mut at: u64,
    mut write: impl FnMut(&[u8], u64) -> io::Result<usize>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = write(bytes, at)?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[n..];
        at += n as u64;
    }
    Ok(())
}

/// Writes so many zeros, some at a time.
fn zeros(
    mut at: u64,
    len: u64,
    mut write: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let zeros = [0; 16 * 1024];
    let end = at.checked_add(len).ok_or(Errno::FBIG)?;
    while at < end {
        let n = (end - at).min(zeros.len() as u64);
        write(&zeros[..usize::try_from(n).unwrap_or(zeros.len())], at)?;
        at += n;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;

    fn errno<T>(result: io::Result<T>) -> Option<Errno> {
        Errno::from_io_error(&result.err()?)
    }

    #[test]
    fn a_file_is_created_only_where_there_is_none_and_for_this_process_alone() {
        let dir = tempfile::tempdir().unwrap();
        let fd = File::open(dir.path()).unwrap();
        let create = |name: &CStr| Os.create(fd.as_fd(), name, 0o640);
        let file = create(c"new").unwrap();
        assert!(rustix::io::fcntl_getfd(&file).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        Os.write(file.as_fd(), b"text", 0).unwrap();
        let mut back = [0; 4];
        assert_eq!(rustix::io::pread(&file, &mut back, 0).unwrap(), 4, "it is open for reading");
        assert_eq!(errno(create(c"new")), Some(Errno::EXIST));
        assert_eq!(std::fs::read(dir.path().join("new")).unwrap(), b"text");
        std::os::unix::fs::symlink("elsewhere", dir.path().join("dangling")).unwrap();
        assert_eq!(errno(create(c"dangling")), Some(Errno::EXIST));
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn writes_that_end_early_are_taken_up_where_they_ended() {
        let mut file = vec![b'.'; 5];
        write_all(b"0123456789", 5, |some, at| {
            assert_eq!(at, file.len() as u64);
            let n = some.len().min(3);
            file.extend_from_slice(&some[..n]);
            Ok(n)
        })
        .unwrap();
        assert_eq!(file, b".....0123456789");
        let none = write_all(b"x", 0, |_, _| Ok(0)).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WriteZero);
        write_all(b"", 0, |_, _| panic!("nothing is to be written")).unwrap();
    }

    #[test]
    fn zeros_fill_all_that_was_asked_for_and_no_more() {
        for len in [0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 50_000] {
            let mut written = Vec::new();
            zeros(7, len, |some, at| {
                assert_eq!(at, 7 + written.len() as u64);
                assert!(!some.is_empty() && some.iter().all(|b| *b == 0));
                written.extend_from_slice(some);
                Ok(())
            })
            .unwrap();
            assert_eq!(written.len() as u64, len);
        }
        assert_eq!(errno(zeros(u64::MAX, 1, |_, _| Ok(()))), Some(Errno::FBIG));
    }

    #[test]
    fn space_is_reserved_by_the_file_system_or_by_writing() {
        let mut file = tempfile::tempfile().unwrap();
        Os.write(file.as_fd(), b"text", 0).unwrap();
        Os.reserve(file.as_fd(), 4, 100_000).unwrap();
        let stat = file.metadata().unwrap();
        assert!(stat.len() == 100_004 && stat.blocks() * 512 >= 100_000, "{stat:?}");
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("text\0"));
        let wrote = || Err(Errno::DQUOT.into());
        for (direct, wanted) in [
            (Ok(()), None),
            (Err(Errno::OPNOTSUPP), Some(Errno::DQUOT)),
            (Err(Errno::NOSPC), Some(Errno::NOSPC)),
        ] {
            assert_eq!(errno(or_by_writing(direct.map_err(io::Error::from), wrote)), wanted);
        }
    }

    #[test]
    fn what_cannot_be_made_durable_is_an_error() {
        let (end, _other) = std::io::pipe().unwrap();
        assert_eq!(errno(Os.sync(end.as_fd())), Some(Errno::INVAL));
        let file = tempfile::tempfile().unwrap();
        Os.sync(file.as_fd()).unwrap();
    }

    #[test]
    fn which_errors_mean_that_a_call_is_not_known() {
        for unknown in [Errno::NOSYS, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOLCK] {
            assert!(unsupported(&unknown.into()), "{unknown:?}");
        }
        for other in [Errno::PERM, Errno::NOSPC, Errno::IO, Errno::NODEV] {
            assert!(!unsupported(&other.into()), "{other:?}");
        }
        assert!(!unsupported(&io::Error::other("no errno")));
        assert!(is(&Errno::IO.into(), Errno::IO) && !is(&Errno::IO.into(), Errno::PERM));
    }
}
