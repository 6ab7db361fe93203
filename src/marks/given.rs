//! Directories of retain's own that root makes beside somebody's checkpoints: theirs, for they must be
//! able to pin and delete there afterwards.
//!
//! Each is made under a name that nobody knows, given away, and only then put in its place. Who works
//! there at the same time finds it given or not at all, and a crash leaves an empty directory that is
//! in nobody's way. What [`crate::apply`] makes, it makes by its own calls.

use crate::whole;
use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;

/// What it takes to make one.
pub trait Maker {
    /// # Errors
    /// As `mkdirat`.
    fn mkdir(&self, at: BorrowedFd<'_>, name: &CStr) -> io::Result<()>;
    /// # Errors
    /// As `fchown`.
    fn give(&self, made: BorrowedFd<'_>, uid: u32) -> io::Result<()>;
    /// Gives it its name, which nothing else may bear by then.
    ///
    /// # Errors
    /// As `renameat2(RENAME_NOREPLACE)`.
    fn rename_new(&self, at: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()>;
    /// Where the file system does not know that.
    ///
    /// # Errors
    /// As `renameat`.
    fn rename(&self, at: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()>;
    /// Removes it, if it is empty.
    ///
    /// # Errors
    /// As `unlinkat(AT_REMOVEDIR)`.
    fn discard(&self, at: BorrowedFd<'_>, temporary: &CStr) -> io::Result<()>;
}

/// Makes `name` in `at` for the owner of `folder`; `false` if it is there already, whosever it is.
///
/// # Errors
/// It cannot be made, or not be given: then it is not there.
pub fn make(
    maker: &impl Maker,
    folder: BorrowedFd<'_>,
    at: BorrowedFd<'_>,
    name: &CStr,
) -> io::Result<bool> {
    let there = |made: io::Result<()>| match made {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    };
    if !rustix::process::geteuid().is_root() {
        return there(maker.mkdir(at, name));
    }
    let owner = fs::fstat(folder)?.st_uid;
    if owner == 0 {
        return there(maker.mkdir(at, name));
    }
    match fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => {}
        seen => return Ok(seen.map(|_| false)?),
    }
    let mut temporary = name.to_bytes().to_vec();
    temporary.extend(format!(".{}", whole::random()?).bytes());
    let temporary = CString::new(temporary)?;
    // F15: nobody else can have made it; it was done, and its answer was lost.
    there(maker.mkdir(at, &temporary))?;
    let given = give(maker, at, &temporary, owner);
    let Err(error) = given.and_then(|()| place(maker, at, &temporary, name)) else {
        return Ok(true);
    };
    match maker.discard(at, &temporary) {
        Ok(()) => there(Err(error)),
        // F15: what has left this name is in its place.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(_) => Err(error),
    }
}

/// NFS, Lustre and Gluster know no `NOREPLACE`. At worst an empty directory gives way there: over one that is
/// not empty nothing is renamed.
fn place(maker: &impl Maker, at: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()> {
    let done = maker.rename_new(at, temporary, name);
    let errno = done.as_ref().err().and_then(Errno::from_io_error);
    if !matches!(errno, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) {
        return done;
    }
    match fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => maker.rename(at, temporary, name),
        Err(e) => Err(e.into()),
        Ok(_) => Err(Errno::EXIST.into()),
    }
}

/// I30: whoever may write here can have put another directory of root's in its place by now. An empty
/// one is no loss, whichever it is.
fn give(maker: &impl Maker, at: BorrowedFd<'_>, temporary: &CStr, owner: u32) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = fs::openat(at, temporary, flags, Mode::empty())?;
    for entry in fs::Dir::read_from(&made)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Err(Errno::NOTEMPTY.into());
        }
    }
    maker.give(made.as_fd(), owner)
}

/// For marks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plainly;

impl Maker for Plainly {
    fn mkdir(&self, at: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        Ok(fs::mkdirat(at, name, Mode::from(0o755))?)
    }

    fn give(&self, made: BorrowedFd<'_>, uid: u32) -> io::Result<()> {
        Ok(fs::fchown(made, Some(fs::Uid::from_raw(uid)), None)?)
    }

    fn rename_new(&self, at: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()> {
        whole::rename_new(at, temporary, name)
    }

    fn rename(&self, at: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()> {
        whole::rename(at, temporary, name)
    }

    fn discard(&self, at: BorrowedFd<'_>, temporary: &CStr) -> io::Result<()> {
        whole::discard(at, temporary)
    }
}
