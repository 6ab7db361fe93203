//! Reads again, under the lock, what a plan says about a session.
//!
//! A plan may be hours old. Everything it relies on is measured anew: what is to go and what is to
//! stay, their owners, their mounts, whether somebody holds them. Whatever is not exactly as planned
//! makes the session stay whole (I14). Nothing here decides anew.

use super::calls::{self, Calls};
use super::cause::{Cause, Why};
use super::dir::{self, OURS, Rel};
use super::parallel;
use super::root::Root;
use super::work::{Deletion, Keeper, Place, SessionWork};
use crate::core::model::Fingerprint;
use crate::store::unit::{self, Part, Past, Unit};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

/// The directories of a session's checkpoints, each opened once, and what they are.
#[derive(Debug, Default)]
pub struct Dirs {
    open: HashMap<Rel, (OwnedFd, Owned)>,
    /// What the run itself did to the ctimes of files with several links.
    past: Arc<Past>,
}

#[derive(Clone, Copy, Debug)]
struct Owned {
    owner: u32,
    device: (u32, u32),
}

impl Dirs {
    fn open(&mut self, root: &Root, rel: &Rel) -> io::Result<()> {
        if !self.open.contains_key(rel) {
            let fd = dir::open(root.fd(), rel, dir::how())?;
            let stat = dir::stat_fd(fd.as_fd())?;
            let device = (stat.stx_dev_major, stat.stx_dev_minor);
            self.open.insert(rel.clone(), (fd, Owned { owner: stat.stx_uid, device }));
        }
        Ok(())
    }

    /// A directory that was opened before.
    ///
    /// # Errors
    /// It was not.
    pub fn get(&self, rel: &Rel) -> io::Result<BorrowedFd<'_>> {
        self.open.get(rel).map(|(fd, _)| fd.as_fd()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn owned(&self, rel: &Rel) -> Option<Owned> {
        self.open.get(rel).map(|(_, owned)| *owned)
    }

    /// Measures a checkpoint where it is now.
    ///
    /// # Errors
    /// It cannot be read whole.
    pub fn open_and_measure(&mut self, root: &Root, places: &[Place]) -> io::Result<Unit> {
        open_all(root, self, places)?;
        self.measure(places)
    }

    /// Measures the entries at `places` as one unit.
    ///
    /// # Errors
    /// One of them cannot be read whole.
    pub fn measure(&self, places: &[Place]) -> io::Result<Unit> {
        let parts = places
            .iter()
            .map(|p| Ok(Part { parent: self.get(&p.dir)?, name: &p.name }))
            .collect::<io::Result<Vec<_>>>()?;
        unit::measure_as_before(&parts, &self.past)
    }
}

/// A kept checkpoint with its identity and what of it lasts when links elsewhere go.
pub type Witness<'w> = (&'w Keeper, Fingerprint, Fingerprint);

/// A session whose checkpoints are as planned.
#[derive(Debug)]
pub struct Seen<'w> {
    pub work: &'w SessionWork,
    pub dirs: Dirs,
    /// Those still there, each with what it measured.
    pub deletions: Vec<(&'w Deletion, Unit)>,
    /// Gone already: somebody else's success.
    pub gone: Vec<u32>,
    pub witnesses: Vec<Witness<'w>>,
}

/// Looks at a session on so many threads, in a run that has done this before; the text says why it is
/// left alone.
///
/// # Errors
/// Anything that is not as planned.
pub fn look<'w>(
    root: &Root,
    work: &'w SessionWork,
    threads: usize,
    past: &Arc<Past>,
) -> Result<Seen<'w>, Why> {
    let mut dirs = Dirs { past: Arc::clone(past), ..Dirs::default() };
    let opened: Vec<_> =
        work.witnesses.iter().map(|w| (w, open_all(root, &mut dirs, &w.parts))).collect();
    let witnesses = parallel::map(threads, &opened, |(w, opened)| witness(&dirs, w, opened));
    let witnesses: Vec<_> = witnesses.into_iter().collect::<Result<_, Why>>()?;
    let (mut present, mut gone) = (Vec::new(), Vec::new());
    for d in &work.deletions {
        let fail =
            |e: io::Error| Cause::of_reading(&e).because(format!("{} cannot be read: {e}", d.id));
        // I33: gone is what is seen to be gone, twice; one answer may be wrong.
        let missing = |e: &io::Error| e.kind() == io::ErrorKind::NotFound && d.parts.len() == 1;
        match open_all(root, &mut dirs, &d.parts) {
            Err(e) if missing(&e) => {
                if open_all(root, &mut dirs, &d.parts).is_err_and(|e| missing(&e)) {
                    gone.push(d.item);
                    continue;
                }
                return Err(fail(e));
            }
            other => other.map_err(fail)?,
        }
        present.push(d);
    }
    let measured = parallel::map(threads, &present, |d| deletion(&dirs, d));
    let mut deletions = Vec::new();
    for (d, unit) in present.into_iter().zip(measured) {
        match unit? {
            Some(unit) => deletions.push((d, unit)),
            None => gone.push(d.item),
        }
    }
    let witnesses = witnesses.into_iter().flatten().collect();
    Ok(Seen { work, dirs, deletions, gone, witnesses })
}

/// I14: what justified the deletions is there and unchanged. `None`: it is not there, as planned.
fn witness<'w>(
    dirs: &Dirs,
    w: &'w Keeper,
    opened: &io::Result<()>,
) -> Result<Option<Witness<'w>>, Why> {
    // I6, I10: a pin or pointer that was not there must not be there now.
    let Some(planned) = w.fingerprint else {
        let unknown = |e: &io::Error| {
            Cause::of_reading(e).because(format!("{} cannot be looked for: {e}", w.called))
        };
        let absent = match opened {
            Err(e) if e.kind() == io::ErrorKind::NotFound => true,
            Err(e) => return Err(unknown(e)),
            Ok(()) => all_gone(dirs, &w.parts).map_err(|e| unknown(&e))?,
        };
        let text = || format!("{} appeared since the plan was made", w.called);
        return if absent { Ok(None) } else { Err(Cause::Changed.because(text())) };
    };
    if let Err(e) = opened {
        return Err(keeper_unreadable(w, e));
    }
    match dirs.measure(&w.parts) {
        Ok(unit) if unit.fingerprint == planned => Ok(Some((w, unit.identity, unit.lasting))),
        Ok(_) => Err(keeper_changed(w)),
        Err(e) => Err(keeper_unreadable(w, &e)),
    }
}

/// I14: what is to go is what was planned; `None`: it is gone. I3: whatever cannot be read keeps all
/// of its session.
fn deletion(dirs: &Dirs, d: &Deletion) -> Result<Option<Unit>, Why> {
    let fail =
        |e: io::Error| Cause::of_reading(&e).because(format!("{} cannot be read: {e}", d.id));
    let unit = match dirs.measure(&d.parts) {
        Ok(unit) => unit,
        Err(e)
            if e.kind() == io::ErrorKind::NotFound && all_gone(dirs, &d.parts).map_err(fail)? =>
        {
            return Ok(None);
        }
        Err(e) => return Err(fail(e)),
    };
    // I2, I8: it is what was recognised, and was not written to since it was old enough.
    if unit.fingerprint != d.fingerprint {
        let text = format!("{} has changed since the plan was made", d.id);
        return Err(Cause::Changed.because(text));
    }
    check(dirs, d, &unit)?;
    Ok(Some(unit))
}

fn open_all(root: &Root, dirs: &mut Dirs, places: &[Place]) -> io::Result<()> {
    places.iter().try_for_each(|p| dirs.open(root, &p.dir))
}

/// I33: whether `error` is because the one entry of a checkpoint is not there any more, as a second
/// look shows.
pub fn is_gone(dirs: &Dirs, d: &Deletion, error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        && d.parts.len() == 1
        && all_gone(dirs, &d.parts).is_ok_and(|gone| gone)
}

fn all_gone(dirs: &Dirs, places: &[Place]) -> io::Result<bool> {
    for place in places {
        if dir::look(dirs.get(&place.dir)?, &place.name)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Properties that a unit must have, whatever the plan says.
fn check(dirs: &Dirs, d: &Deletion, unit: &Unit) -> Result<(), Why> {
    let refuse = |cause: Cause, what: &str| Err(cause.because(format!("{} {what}", d.id)));
    // I19: a unit that is a symlink is no candidate.
    if unit.tops.iter().any(|t| !matches!(t.kind, FileType::Directory | FileType::RegularFile)) {
        return refuse(Cause::Boundary, "is neither a directory nor a file");
    }
    // I20: a mount anywhere in it.
    if unit.crosses_mount {
        return refuse(Cause::Boundary, "has another file system mounted in it");
    }
    // T10: a btrfs subvolume is no mount; it shows by its device. Files of overlayfs differ in theirs.
    for (place, top) in d.parts.iter().zip(&unit.tops) {
        let device = dirs.owned(&place.dir).map(|folder| folder.device);
        if top.kind == FileType::Directory && unit.device != device {
            return refuse(Cause::Boundary, "is another file system than its folder");
        }
    }
    // I30: objects of several users are nobody's to delete whole.
    let [owner] = unit.owners[..] else {
        return refuse(Cause::Owner, "holds files of several users");
    };
    if rustix::process::geteuid().is_root() {
        for place in &d.parts {
            if dirs.owned(&place.dir).is_none_or(|folder| folder.owner != owner) {
                return refuse(Cause::Owner, "belongs to another user than its folder");
            }
        }
    }
    Ok(())
}

/// I14, again right before the renames: the witnesses are what [`look`] saw, and what was absent is.
///
/// # Errors
/// One has changed, is gone, or has appeared.
pub fn witnesses_hold(root: &Root, seen: &Seen<'_>, threads: usize) -> Result<(), Why> {
    for w in seen.work.witnesses.iter().filter(|w| w.fingerprint.is_none()) {
        // By its path: the folder itself may have appeared.
        let mut dirs = Dirs::default();
        let opened = open_all(root, &mut dirs, &w.parts);
        witness(&dirs, w, &opened)?;
    }
    let held = parallel::map(threads, &seen.witnesses, |(w, identity, _)| {
        match seen.dirs.measure(&w.parts) {
            Ok(unit) if unit.identity == *identity => Ok(()),
            Ok(_) => Err(keeper_changed(w)),
            Err(e) => Err(keeper_unreadable(w, &e)),
        }
    });
    held.into_iter().collect()
}

fn keeper_changed(w: &Keeper) -> Why {
    Cause::Changed.because(format!("{}, which was to stay, has changed", w.called))
}

fn keeper_unreadable(w: &Keeper, e: &io::Error) -> Why {
    let text = format!("{}, which was to stay, cannot be read: {e}", w.called);
    Cause::of_reading(e).because(text)
}

/// I9: takes `flock(LOCK_EX | LOCK_NB)` on the directories of a unit, for as long as the result
/// lives. A trainer may hold `LOCK_SH` to say "do not clean".
///
/// # Errors
/// Somebody holds one.
pub fn claim(
    calls: &dyn Calls,
    dirs: &Dirs,
    d: &Deletion,
    unit: &Unit,
) -> io::Result<Vec<OwnedFd>> {
    let mut held = Vec::new();
    for (place, top) in d.parts.iter().zip(&unit.tops) {
        if top.kind != FileType::Directory {
            continue;
        }
        let fd = dir::child(dirs.get(&place.dir)?, &place.name)?;
        match calls.lock(fd.as_fd()) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
            // Best effort where there are no locks on directories (NFS answers EBADF).
            Err(e) if calls::unsupported(&e) || calls::is(&e, Errno::BADF) => {}
            Err(e) => return Err(e),
            Ok(()) => held.push(fd),
        }
    }
    Ok(held)
}

/// T22: roots of somebody else that lie inside this one, on the way to any deletion.
///
/// # Errors
/// No descriptor is left.
pub fn inner_roots(root: &Root, work: &[SessionWork], threads: usize) -> io::Result<Vec<Rel>> {
    let mut seen = BTreeSet::new();
    let places = work.iter().flat_map(|w| w.deletions.iter().flat_map(|d| &d.parts));
    for place in places {
        let mut at = place.dir.clone();
        while !at.components().is_empty() && seen.insert(at.clone()) {
            at.pop();
        }
    }
    let on_the_way: Vec<Rel> = seen.into_iter().collect();
    let found = parallel::map(threads, &on_the_way, |at| is_root(root, at));
    let mut roots = Vec::new();
    for (at, found) in on_the_way.into_iter().zip(found) {
        if found? {
            roots.push(at);
        }
    }
    Ok(roots)
}

/// Whether a directory below the root has a marker of its own.
fn is_root(root: &Root, at: &Rel) -> io::Result<bool> {
    // What is gone, closed, or leads elsewhere is met again by who opens it. All else is no answer.
    let absent = |e: &io::Error| {
        let none = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::XDEV, Errno::ACCESS];
        Errno::from_io_error(e).is_some_and(|errno| none.contains(&errno))
    };
    let fd = match dir::open(root.fd(), at, dir::how()) {
        Ok(fd) => fd,
        Err(e) if absent(&e) => return Ok(false),
        Err(e) => return Err(e),
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let ours = match fs::openat(&fd, OURS, flags, Mode::empty()).map_err(io::Error::from) {
        Ok(ours) => ours,
        Err(e) if absent(&e) => return Ok(false),
        Err(e) => return Err(e),
    };
    if !kind_is_dir(ours.as_fd())? {
        return Ok(false);
    }
    match dir::look(ours.as_fd(), c"root.toml") {
        Ok(found) => Ok(found.is_some()),
        // I30: it may be one, and whoever closed it stops nobody elsewhere.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(true),
        Err(e) => Err(e),
    }
}

fn kind_is_dir(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(dir::kind(&dir::stat_fd(fd)?) == FileType::Directory)
}
