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
use crate::store::unit::{self, Part, Unit};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::io;

/// The directories of a session's checkpoints, each opened once, and their owners.
#[derive(Debug, Default)]
pub struct Dirs(HashMap<Rel, (OwnedFd, u32)>);

impl Dirs {
    fn open(&mut self, root: &Root, rel: &Rel) -> io::Result<()> {
        if !self.0.contains_key(rel) {
            let fd = dir::open(root.fd(), rel, dir::how())?;
            let owner = dir::stat_fd(fd.as_fd())?.stx_uid;
            self.0.insert(rel.clone(), (fd, owner));
        }
        Ok(())
    }

    /// A directory that was opened before.
    ///
    /// # Errors
    /// It was not.
    pub fn get(&self, rel: &Rel) -> io::Result<BorrowedFd<'_>> {
        self.0.get(rel).map(|(fd, _)| fd.as_fd()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn owner(&self, rel: &Rel) -> Option<u32> {
        self.0.get(rel).map(|(_, owner)| *owner)
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
        unit::measure_parts(&parts)
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

/// Looks at a session; the text says why it is left alone.
///
/// # Errors
/// Anything that is not as planned.
pub fn look<'w>(root: &Root, work: &'w SessionWork) -> Result<Seen<'w>, Why> {
    let mut dirs = Dirs::default();
    let mut witnesses = Vec::new();
    // I14: what justified the deletions is there and unchanged.
    for w in &work.witnesses {
        let opened = open_all(root, &mut dirs, &w.parts);
        // I6, I10: a pin or pointer that was not there must not be there now.
        let Some(planned) = w.fingerprint else {
            let absent = match opened {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
                other => other.and_then(|()| all_gone(&dirs, &w.parts)),
            };
            match absent {
                Ok(true) => continue,
                Ok(false) => {
                    let text = format!("{} appeared since the plan was made", w.called);
                    return Err(Cause::Changed.because(text));
                }
                Err(e) => {
                    let text = format!("{} cannot be looked for: {e}", w.called);
                    return Err(Cause::of_reading(&e).because(text));
                }
            }
        };
        match opened.and_then(|()| dirs.measure(&w.parts)) {
            Ok(unit) if unit.fingerprint == planned => {
                witnesses.push((w, unit.identity, unit.lasting));
            }
            Ok(_) => return Err(keeper_changed(w)),
            Err(e) => return Err(keeper_unreadable(w, &e)),
        }
    }
    let (mut deletions, mut gone) = (Vec::new(), Vec::new());
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
        let unit = match dirs.measure(&d.parts) {
            Ok(unit) => unit,
            Err(e)
                if e.kind() == io::ErrorKind::NotFound
                    && all_gone(&dirs, &d.parts).map_err(fail)? =>
            {
                gone.push(d.item);
                continue;
            }
            Err(e) => return Err(fail(e)),
        };
        if unit.fingerprint != d.fingerprint {
            let text = format!("{} has changed since the plan was made", d.id);
            return Err(Cause::Changed.because(text));
        }
        check(&dirs, d, &unit)?;
        deletions.push((d, unit));
    }
    Ok(Seen { work, dirs, deletions, gone, witnesses })
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
        if top.kind == FileType::Directory {
            let same = dirs.get(&place.dir).and_then(|parent| same_device(parent, place));
            if !same.map_err(|e| Cause::of_reading(&e).because(e.to_string()))? {
                return refuse(Cause::Boundary, "is another file system than its folder");
            }
        }
    }
    // I30: objects of several users are nobody's to delete whole.
    let [owner] = unit.owners[..] else {
        return refuse(Cause::Owner, "holds files of several users");
    };
    if rustix::process::geteuid().is_root() {
        for place in &d.parts {
            if dirs.owner(&place.dir) != Some(owner) {
                return refuse(Cause::Owner, "belongs to another user than its folder");
            }
        }
    }
    Ok(())
}

fn same_device(parent: BorrowedFd<'_>, place: &Place) -> io::Result<bool> {
    let device = |s: &fs::Statx| (s.stx_dev_major, s.stx_dev_minor);
    let stat = dir::look(parent, &place.name)?.ok_or(io::ErrorKind::NotFound)?;
    Ok(device(&stat) == device(&dir::stat_fd(parent)?))
}

/// I14, again right before the renames: the witnesses are what [`look`] saw.
///
/// # Errors
/// One has changed or is gone.
pub fn witnesses_hold(seen: &Seen<'_>) -> Result<(), Why> {
    for (w, identity, _) in &seen.witnesses {
        match seen.dirs.measure(&w.parts) {
            Ok(unit) if unit.identity == *identity => {}
            Ok(_) => return Err(keeper_changed(w)),
            Err(e) => return Err(keeper_unreadable(w, &e)),
        }
    }
    Ok(())
}

fn keeper_changed(w: &Keeper) -> Why {
    Cause::Changed.because(format!("{}, which was to stay, has changed", w.called))
}

fn keeper_unreadable(w: &Keeper, e: &io::Error) -> Why {
    let text = format!("{}, which was to stay, cannot be read: {e}", w.called);
    Cause::of_reading(e).because(text)
}

/// Measures a checkpoint where it is now.
///
/// # Errors
/// It cannot be read whole.
pub fn measure(root: &Root, places: &[Place]) -> io::Result<Unit> {
    let mut dirs = Dirs::default();
    open_all(root, &mut dirs, places)?;
    dirs.measure(places)
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

/// T22: the root of somebody else that lies inside this one, on the way to any deletion.
///
/// # Errors
/// A directory cannot be looked into.
pub fn inner_root(root: &Root, work: &[SessionWork], threads: usize) -> io::Result<Option<Rel>> {
    let mut seen = BTreeSet::new();
    let places = work.iter().flat_map(|w| w.deletions.iter().flat_map(|d| &d.parts));
    for place in places {
        let mut at = place.dir.clone();
        while !at.components().is_empty() && seen.insert(at.clone()) {
            at = at.split().map(|(up, _)| up).unwrap_or_default();
        }
    }
    let on_the_way: Vec<Rel> = seen.into_iter().collect();
    let found = parallel::map(threads, &on_the_way, |at| is_root(root, at));
    for (at, found) in on_the_way.into_iter().zip(found) {
        if found? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Whether a directory below the root has a marker of its own.
fn is_root(root: &Root, at: &Rel) -> io::Result<bool> {
    let Ok(fd) = dir::open(root.fd(), at, dir::how()) else { return Ok(false) };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(ours) = fs::openat(&fd, OURS, flags, Mode::empty()) else { return Ok(false) };
    Ok(kind_is_dir(ours.as_fd())? && dir::look(ours.as_fd(), c"root.toml")?.is_some())
}

fn kind_is_dir(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(dir::kind(&dir::stat_fd(fd)?) == FileType::Directory)
}
