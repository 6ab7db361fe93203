//! Where a run keeps its lock and its journal.
//!
//! Usually that is `.retain/` of the root. A user of an administrator's root cannot write there;
//! then each directory of checkpoints that the user can write has its own lock and journal in its
//! own `.retain/`, and [`find`] gathers them again.

use super::calls::Calls;
use super::dir::{self, OURS, Rel};
use super::parallel;
use super::root::{self, Root};
use super::survey::{self, Faults};
use crate::marks::given;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Access, AtFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::io;

const JOURNAL: &CStr = c"journal";

/// A `.retain/` with lock and journal.
#[derive(Debug)]
pub struct Home {
    /// The directory it stands in; the root itself for the root's own.
    pub at: Rel,
    ours: OwnedFd,
    journal: OwnedFd,
    anothers: bool,
}

impl Home {
    /// The root's own, if the root has one that we may at least read.
    ///
    /// # Errors
    /// It is there and no directory of ours, or unreadable.
    pub fn central(root: &Root) -> io::Result<Option<Home>> {
        Home::existing(root, &Rel::default())
    }

    /// The one in a directory, if it has one.
    ///
    /// # Errors
    /// As [`Home::central`].
    pub fn existing(root: &Root, at: &Rel) -> io::Result<Option<Home>> {
        let parent = dir::open(root.fd(), at, dir::how())?;
        let Some(ours) = root::open_ours(parent.as_fd())? else { return Ok(None) };
        match dir::child(ours.as_fd(), JOURNAL) {
            Ok(journal) => {
                root::check_ours(parent.as_fd(), journal.as_fd())?;
                Ok(Some(Home::new(at, ours, journal)?))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The one in a directory, made if need be.
    ///
    /// # Errors
    /// It cannot be made, or is not ours.
    pub fn make(calls: &dyn Calls, root: &Root, at: &Rel) -> io::Result<Home> {
        let parent = dir::open(root.fd(), at, dir::how())?;
        let ours = make_ours(calls, parent.as_fd())?;
        match calls.mkdir(ours.as_fd(), JOURNAL, 0o755) {
            Ok(()) => calls.sync(ours.as_fd())?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        let journal = dir::child(ours.as_fd(), JOURNAL)?;
        root::check_ours(parent.as_fd(), journal.as_fd())?;
        Home::new(at, ours, journal)
    }

    fn new(at: &Rel, ours: OwnedFd, journal: OwnedFd) -> io::Result<Home> {
        let owner = dir::stat_fd(journal.as_fd())?.stx_uid;
        let anothers = !at.components().is_empty() && owner != rustix::process::geteuid().as_raw();
        Ok(Home { at: at.clone(), ours, journal, anothers })
    }

    /// I30: a user's own, beside the user's checkpoints. What its owner does in it must not keep
    /// anybody else from working elsewhere.
    pub fn is_anothers(&self) -> bool {
        self.anothers
    }

    /// Whether we may write here.
    pub fn is_writable(&self) -> bool {
        may_write(self.ours.as_fd()) && may_write(self.journal.as_fd())
    }

    /// Ours, and closed to us: the file system is read-only, or somebody changed its mode. Whoever
    /// passes it over has to say so.
    pub fn closed(&self) -> Option<String> {
        let euid = rustix::process::geteuid().as_raw();
        let ours = dir::stat_fd(self.journal.as_fd()).is_ok_and(|stat| stat.stx_uid == euid);
        (ours && !self.is_writable()).then(|| {
            let at = if self.at.components().is_empty() {
                String::new()
            } else {
                format!("{}/", self.at)
            };
            format!("`{at}.retain` cannot be written: what lies in the trash that it knows stays")
        })
    }

    /// It is a root's own.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn is_a_roots(&self) -> io::Result<bool> {
        Ok(dir::look(self.ours.as_fd(), root::MARKER)?.is_some())
    }

    pub fn ours(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    pub fn journal(&self) -> BorrowedFd<'_> {
        self.journal.as_fd()
    }
}

pub(super) fn may_write(dir: BorrowedFd<'_>) -> bool {
    fs::accessat(dir, c".", Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// Opens `.retain` of a directory, made if need be, and sees to it that it is ours (N16).
///
/// # Errors
/// It cannot be made, or is somebody else's.
pub(super) fn make_ours(calls: &dyn Calls, parent: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    if let Some(ours) = root::open_ours(parent)? {
        return Ok(ours);
    }
    make_for_owner(calls, parent, parent, OURS)?;
    root::open_ours(parent)?.ok_or_else(|| Errno::NOENT.into())
}

/// Makes a directory in `at` unless it is there. Root cleans for the owner of the folder, who must be
/// able to pin and delete checkpoints there afterwards: what root makes here is theirs.
///
/// # Errors
/// It cannot be made, or not be given.
pub(super) fn make_for_owner(
    calls: &dyn Calls,
    folder: BorrowedFd<'_>,
    at: BorrowedFd<'_>,
    name: &CStr,
) -> io::Result<()> {
    given::make(&ByCalls(calls), folder, at, name).map(drop)
}

struct ByCalls<'a>(&'a dyn Calls);

impl given::Maker for ByCalls<'_> {
    fn mkdir(&self, at: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        self.0.mkdir(at, name, 0o755)
    }

    fn give(&self, made: BorrowedFd<'_>, uid: u32) -> io::Result<()> {
        self.0.give(made, uid)
    }

    fn rename_new(&self, at: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()> {
        self.0.rename_new(at, temporary, at, name)
    }

    fn rename(&self, at: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()> {
        self.0.rename(at, temporary, at, name)
    }

    fn discard(&self, at: BorrowedFd<'_>, temporary: &CStr) -> io::Result<()> {
        self.0.rmdir(at, temporary)
    }
}

/// Every home below the root: the root's own first, then those of directories of checkpoints. What
/// lies at `skip` is not looked into. Directories that cannot be read are passed over and returned.
///
/// # Errors
/// The root itself cannot be read.
pub fn find(root: &Root, threads: usize, skip: &BTreeSet<Rel>) -> io::Result<(Vec<Home>, Faults)> {
    let visit = |at: &Rel, _: &OwnedFd, listed: &survey::Listed| {
        let ours = listed.folders.iter().any(|name| name.as_c_str() == OURS);
        if ours { Home::existing(root, at) } else { Ok(None) }
    };
    let (homes, faults) = survey::walk(root, threads, skip, visit)?;
    let mut homes: Vec<Home> = homes.into_iter().flatten().collect();
    homes.sort_by(|a, b| a.at.cmp(&b.at));
    Ok((homes, faults))
}

/// The homes at these places, as far as they are there still; looked at on so many threads.
pub fn at(root: &Root, threads: usize, places: &[Rel]) -> (Vec<Home>, Faults) {
    let found = parallel::map(threads, places, |place| Home::existing(root, place));
    let (mut homes, mut faults) = (Vec::new(), Vec::new());
    for (place, found) in places.iter().zip(found) {
        match found {
            Ok(home) => homes.extend(home),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => faults.push((place.clone(), e)),
        }
    }
    (homes, faults)
}
