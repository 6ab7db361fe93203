//! The one place where a run may change anything: a declared root (I1).
//!
//! Most disasters of cleaning tools began with a wrong root: an unset variable, `/`, a home, a
//! mount that was not there. So a root is opened once, refused if it looks like any of these, and
//! from then on it is a descriptor; its path is only shown.

mod inner;
mod marker;
mod refuse;

pub(super) use marker::NAME as MARKER;
pub use marker::{Marker, declare, init};
pub use refuse::around;

use super::calls;
use super::dir::{self, OURS, Rel};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Mode, OFlags, Statx};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// An open root. Scans may use it without marker; [`crate::apply::apply`] may not.
#[derive(Debug)]
pub struct Root {
    /// Absolute; for messages and plans, never opened again.
    pub path: PathBuf,
    /// The id in `.retain/root.toml`, if the root has one.
    pub id: Option<String>,
    /// Inode of the root directory.
    pub inode: u64,
    /// Owner of the root directory.
    pub uid: u32,
    /// The ids it had before it was moved.
    was: Vec<String>,
    fd: OwnedFd,
    /// Where the last recovery found journals.
    homes: Mutex<Option<Vec<Rel>>>,
}

/// Why a directory is no root. The CLI shows the text as it is.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error(
        "the root is empty; a variable may be unset. Name a directory that holds training runs"
    )]
    Empty,
    #[error("`{path}` does not exist; name an existing directory")]
    Missing { path: PathBuf },
    #[error("`{path}` is no directory; name the directory that holds the training runs")]
    NotADirectory { path: PathBuf },
    #[error("`{path}` is a symlink; name the directory it leads to")]
    Symlink { path: PathBuf },
    #[error("`{path}` is {what}; name a directory below it that holds only training runs")]
    System { path: PathBuf, what: String },
    #[error(
        "`{path}` is a home directory ({why}); name a directory below it that holds only training runs"
    )]
    Home { path: PathBuf, why: &'static str },
    #[error(
        "`{path}` lies inside the root `{outer}`; use that one and name sessions, or, if that is to be no root any more, undo or purge its runs and remove `{marker}`",
        marker = .outer.join(".retain/root.toml").display()
    )]
    Nested { path: PathBuf, outer: PathBuf },
    #[error(
        "`{path}` has roots inside, whose runs could not be undone any more: {inner}; use these, or undo or purge their runs, remove these files and run `retain init` again"
    )]
    Inside { path: PathBuf, inner: String },
    #[error(
        "`{path}/.retain/root.toml` is not usable: {why}; restore it from a backup, or move it away and run `retain init`"
    )]
    Marker { path: PathBuf, why: String },
    #[error("`{path}` cannot be used as a root: {why}")]
    Ours { path: PathBuf, why: String },
    #[error(
        "`{path}` was copied, or another disk is mounted here: its `.retain/root.toml` belongs to another directory; run `retain init` to make this one a root of its own"
    )]
    Moved { path: PathBuf },
    #[error("`{path}` cannot be read: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl Root {
    /// Opens a directory as a root; `home` is the caller's `$HOME`.
    ///
    /// # Errors
    /// Everything that I1 refuses; see [`RootError`].
    pub fn open(path: &Path, home: Option<&Path>) -> Result<Root, RootError> {
        let (fd, absolute) = open_dir(path)?;
        refuse::check(&absolute, fd.as_fd(), home)?;
        let stat = dir::stat_fd(fd.as_fd())
            .map_err(|source| RootError::Io { path: absolute.clone(), source })?;
        let mut root = Root::new(absolute, fd, &stat);
        if let Some(marker) = marker::read(&root)? {
            (root.id, root.was) = (Some(marker.id), marker.was);
        }
        Ok(root)
    }

    fn new(path: PathBuf, fd: OwnedFd, stat: &Statx) -> Root {
        let (inode, uid) = (stat.stx_ino, stat.stx_uid);
        Root { path, id: None, inode, uid, was: Vec::new(), fd, homes: Mutex::default() }
    }

    /// The places of journals that a walk over the whole root found, for the next step of the same
    /// command.
    pub(super) fn remember(&self, homes: Vec<Rel>) {
        *self.homes.lock().unwrap_or_else(PoisonError::into_inner) = Some(homes);
    }

    /// What was remembered; once, so that nothing old is relied on.
    pub(super) fn recall(&self) -> Option<Vec<Rel>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// By its id, or by one that it had before it was moved to another disk along with its journals.
    pub(super) fn is_called(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id) || self.was.iter().any(|was| was == id)
    }

    /// The descriptor everything else is relative to.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The root's `.retain`, checked to be one that we may work in (N16); `None` if it has none.
    ///
    /// # Errors
    /// It is no directory, a symlink, on another mount, writable by everybody, or somebody else's.
    pub fn ours(&self) -> io::Result<Option<OwnedFd>> {
        open_ours(self.fd())
    }

    /// I1: the marker that was there when the root was opened is still there, unchanged.
    ///
    /// # Errors
    /// It is gone, another, or unreadable.
    pub(super) fn still_marked(&self) -> Result<bool, RootError> {
        Ok(marker::read(self)?.map(|m| m.id) == self.id && self.id.is_some())
    }
}

fn open_dir(path: &Path) -> Result<(OwnedFd, PathBuf), RootError> {
    use std::os::unix::ffi::OsStrExt as _;
    if path.as_os_str().as_bytes().iter().all(u8::is_ascii_whitespace) {
        return Err(RootError::Empty);
    }
    // Drops `/.` and trailing slashes, which would make the kernel follow a symlink at the end.
    let plain: PathBuf = path.components().collect();
    let fail = |source: io::Error| {
        let path = plain.clone();
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT) => RootError::Missing { path },
            Some(Errno::LOOP) => RootError::Symlink { path },
            Some(Errno::NOTDIR) => match std::fs::symlink_metadata(&path) {
                Ok(m) if m.is_symlink() => RootError::Symlink { path },
                _ => RootError::NotADirectory { path },
            },
            _ => RootError::Io { path, source },
        }
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd =
        fs::openat(fs::CWD, plain.as_path(), flags, Mode::empty()).map_err(|e| fail(e.into()))?;
    let dots = plain.components().any(|c| c == std::path::Component::ParentDir);
    let absolute = if dots { std::fs::canonicalize(&plain) } else { std::path::absolute(&plain) };
    let absolute = absolute.map_err(fail)?;
    // `.` alone stays as it is when made absolute.
    Ok((fd, absolute.components().collect()))
}

/// Opens `.retain` of a directory, if it is one we may work in.
///
/// # Errors
/// It is no directory, a symlink, on another mount, writable by everybody, or somebody else's (N16).
pub(super) fn open_ours(parent: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let fd = match dir::child(parent, OURS) {
        Ok(fd) => fd,
        Err(e) if calls::is(&e, Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e),
    };
    check_ours(parent, fd.as_fd())?;
    Ok(Some(fd))
}

/// N16, I30: a directory of ours belongs to us, to root, or to the owner of what it stands in.
///
/// # Errors
/// It does not, or everybody may write in it.
pub(super) fn check_ours(parent: BorrowedFd<'_>, ours: BorrowedFd<'_>) -> io::Result<()> {
    let stat = dir::stat_fd(ours)?;
    let allowed = [0, rustix::process::geteuid().as_raw(), dir::stat_fd(parent)?.stx_uid];
    if !allowed.contains(&stat.stx_uid) {
        let at = dir::shown(ours);
        return Err(io::Error::other(format!("`{at}` belongs to somebody else")));
    }
    if stat.stx_mode & 0o002 != 0 {
        let at = dir::shown(ours);
        return Err(io::Error::other(format!(
            "everybody may write in `{at}`: `chmod o-w {at}` if what is in it is meant"
        )));
    }
    Ok(())
}
