//! One directory as a scan knows it: opened once, listed once, each entry statted at most once.
//!
//! Many layouts look at the same directory, and what they saw is measured afterwards. So a
//! directory remembers what was asked, and hands it out again, for as long as its folder is being
//! visited. Descriptors are kept as long as there are enough of them; a directory that had to be
//! closed is opened again from the one above, and must still be the same.

use super::{component, kind, kind_of, mount_of, open_dir, stat_at, stat_fd};
use crate::store::{Entry, Fact, Identity, Kind, Name, Observation, listing};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, RawDir, Statx};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Bytes of directory entries asked for at a time.
const LISTING_BUFFER: usize = 32 << 10;
/// So many subdirectories of one directory are kept open.
const MAX_KEPT: usize = 256;

pub type Mount = (u64, u32, u32);

/// What all directories of a store have in common.
#[derive(Debug)]
pub struct Spare {
    /// How many more directories may be kept open.
    descriptors: AtomicUsize,
    /// Whether account is kept of what was seen.
    pub account: bool,
}

impl Spare {
    pub fn new(descriptors: usize, account: bool) -> Arc<Spare> {
        Arc::new(Spare { descriptors: AtomicUsize::new(descriptors), account })
    }

    /// Takes one of the descriptors, which whoever has it gives back.
    fn take(&self) -> bool {
        let less = |n: usize| n.checked_sub(1);
        self.descriptors.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn give_back(&self) {
        self.descriptors.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Handle {
    Open(OwnedFd),
    /// One of the descriptors of [`Spare`].
    Spare(OwnedFd),
    /// Listed, and closed again.
    Closed {
        above: Weak<Node>,
        name: Name,
    },
}

#[derive(Debug)]
enum Listing {
    Unread,
    Known(Arc<[Entry]>),
    /// The descriptor stands somewhere in the middle.
    Failed,
}

#[derive(Debug, Default)]
struct Seen {
    dirs: BTreeMap<Name, Arc<Node>>,
    others: BTreeMap<Name, Box<Statx>>,
    /// Those of them that will only be measured, and of which no account is kept.
    glanced: BTreeSet<Name>,
    /// Where symlinks lead to.
    targets: BTreeMap<Name, Option<(u64, (u32, u32))>>,
    /// Of what was measured, and forgotten.
    measured: Vec<Observation>,
}

#[derive(Debug)]
pub struct Node {
    handle: Handle,
    /// From before it was listed.
    pub stat: Statx,
    /// The root's mount, which every directory below must share.
    mount: Mount,
    listing: Mutex<Listing>,
    seen: Mutex<Seen>,
    pub spare: Arc<Spare>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.handle, Handle::Spare(_)) {
            self.spare.give_back();
        }
    }
}

/// A descriptor of a directory.
pub enum Opened<'n> {
    Kept(BorrowedFd<'n>),
    Again(OwnedFd),
}

impl AsFd for Opened<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Opened::Kept(fd) => *fd,
            Opened::Again(fd) => fd.as_fd(),
        }
    }
}

impl Node {
    /// The top of a tree.
    pub fn top(fd: OwnedFd, spare: Arc<Spare>) -> io::Result<Arc<Node>> {
        let stat = stat_fd(&fd)?;
        Ok(Node::new(Handle::Open(fd), stat, mount_of(&stat), spare))
    }

    fn new(handle: Handle, stat: Statx, mount: Mount, spare: Arc<Spare>) -> Arc<Node> {
        let (listing, seen) = (Mutex::new(Listing::Unread), Mutex::default());
        Arc::new(Node { handle, stat, mount, listing, seen, spare })
    }

    pub fn fd(&self) -> io::Result<Opened<'_>> {
        match &self.handle {
            Handle::Open(fd) | Handle::Spare(fd) => Ok(Opened::Kept(fd.as_fd())),
            Handle::Closed { above, name } => {
                let above = above.upgrade().ok_or_else(changed)?;
                let fd = open_dir(above.fd()?.as_fd(), &**name)?;
                let stat = stat_fd(&fd)?;
                let same = stat.stx_ino == self.stat.stx_ino && mount_of(&stat) == self.mount;
                if same { Ok(Opened::Again(fd)) } else { Err(changed()) }
            }
        }
    }

    /// A subdirectory on this mount, remembered.
    pub fn open(self: &Arc<Node>, name: &[u8]) -> io::Result<Arc<Node>> {
        let kept = {
            let seen = self.seen();
            if let Some(node) = seen.dirs.get(name) {
                return Ok(Arc::clone(node));
            }
            seen.dirs.len()
        };
        let node = if kept < MAX_KEPT && self.spare.take() {
            // Given back by the node; here, if there is none.
            self.enter(name, Handle::Spare).inspect_err(|_| self.spare.give_back())?
        } else {
            self.enter_and_close(name)?
        };
        self.seen().dirs.insert(name.into(), Arc::clone(&node));
        Ok(node)
    }

    /// A subdirectory on this mount, open, and no longer remembered.
    pub fn take(&self, name: &[u8]) -> io::Result<Arc<Node>> {
        match self.forget(name) {
            Some(node) if !matches!(node.handle, Handle::Closed { .. }) => Ok(node),
            _ => self.enter(name, Handle::Open),
        }
    }

    pub fn forget(&self, name: &[u8]) -> Option<Arc<Node>> {
        self.seen().dirs.remove(name)
    }

    /// What is remembered of a subdirectory.
    pub fn known(&self, name: &[u8]) -> Option<Arc<Node>> {
        self.seen().dirs.get(name).map(Arc::clone)
    }

    /// Remembers a subdirectory by an earlier listing, if it is what it was then.
    pub fn expect(
        self: &Arc<Node>,
        name: &[u8],
        known: &Identity,
        listing: Vec<Entry>,
    ) -> io::Result<bool> {
        let stat = self.stat_now(name)?;
        if identity(&stat) != *known || !self.is_on_mount(&stat) {
            return Ok(false);
        }
        let handle = Handle::Closed { above: Arc::downgrade(self), name: name.into() };
        let node = Node::new(handle, stat, self.mount, Arc::clone(&self.spare));
        *lock(&node.listing) = Listing::Known(listing.into());
        self.seen().dirs.insert(name.into(), node);
        Ok(true)
    }

    fn enter(&self, name: &[u8], handle: fn(OwnedFd) -> Handle) -> io::Result<Arc<Node>> {
        let (fd, stat) = self.open_any(name)?;
        if mount_of(&stat) != self.mount {
            return Err(io::Error::new(io::ErrorKind::CrossesDevices, "on another file system"));
        }
        Ok(Node::new(handle(fd), stat, self.mount, Arc::clone(&self.spare)))
    }

    fn enter_and_close(self: &Arc<Node>, name: &[u8]) -> io::Result<Arc<Node>> {
        let open = self.enter(name, Handle::Open)?;
        let known = Listing::Known(open.list()?);
        let handle = Handle::Closed { above: Arc::downgrade(self), name: name.into() };
        let node = Node::new(handle, open.stat, self.mount, Arc::clone(&self.spare));
        *lock(&node.listing) = known;
        Ok(node)
    }

    /// A subdirectory, also if it lies on another mount.
    fn enter_any(&self, name: &[u8]) -> io::Result<Arc<Node>> {
        let (fd, stat) = self.open_any(name)?;
        Ok(Node::new(Handle::Open(fd), stat, self.mount, Arc::clone(&self.spare)))
    }

    fn open_any(&self, name: &[u8]) -> io::Result<(OwnedFd, Statx)> {
        let fd = open_dir(self.fd()?.as_fd(), component(name)?)?;
        let stat = stat_fd(&fd)?;
        Ok((fd, stat))
    }

    /// What is measured as part of a unit, where a mount is told and not refused. It is not needed
    /// again after that, and forgotten.
    pub fn last_look(&self, name: &[u8]) -> io::Result<Look> {
        let known = {
            let mut seen = self.seen();
            let dir = seen.dirs.remove(name).map(Look::Dir);
            let other = seen.others.get(name).filter(|s| kind_of(s) != Kind::Dir);
            dir.or_else(|| other.map(|s| Look::Other(s.clone())))
        };
        match (known, self.kind(name)) {
            (Some(known), _) => Ok(known),
            (None, Some(Kind::Dir)) => self.enter_any(name).map(Look::Dir),
            (None, _) => {
                let stat = self.stat_now(name)?;
                if kind_of(&stat) != Kind::Dir {
                    return Ok(Look::Other(Box::new(stat)));
                }
                let node = self.enter_any(name)?;
                let same = node.stat.stx_ino == stat.stx_ino;
                if same { Ok(Look::Dir(node)) } else { Err(changed()) }
            }
        }
    }

    /// An entry as it was when it was first asked for.
    pub fn stat(&self, name: &[u8]) -> io::Result<Statx> {
        {
            let mut seen = self.seen();
            if let Some(known) = seen.others.get(name).map(|known| **known) {
                seen.glanced.remove(name);
                return Ok(known);
            }
        }
        let stat = self.stat_now(name)?;
        self.remember(name, &stat);
        Ok(stat)
    }

    /// The same of what is going to be measured, and is not to be looked at again for the next scan.
    pub fn glance(&self, name: &[u8]) -> io::Result<Statx> {
        if let Some(known) = self.seen().others.get(name) {
            return Ok(**known);
        }
        let stat = self.stat_now(name)?;
        let mut seen = self.seen();
        seen.others.insert(name.into(), Box::new(stat));
        seen.glanced.insert(name.into());
        Ok(stat)
    }

    /// Hands everything that it holds to `each`, in the order of the names; `each` is given what is
    /// remembered of an entry, or looks for itself.
    pub fn inside(
        &self,
        mut each: impl FnMut(&Entry, BorrowedFd<'_>, Inside<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let (entries, fd) = (self.list()?, self.fd()?);
        let mut seen = self.seen();
        for entry in &*entries {
            let known = match entry.kind {
                Kind::Dir => {
                    let known = seen.dirs.remove(&*entry.name);
                    Inside::Dir(match known {
                        Some(known) => known,
                        None => self.enter_any(&entry.name)?,
                    })
                }
                _ => seen.others.get(&entry.name).map_or(Inside::Unknown, |s| Inside::Other(s)),
            };
            each(entry, fd.as_fd(), known)?;
        }
        Ok(())
    }

    pub fn stat_now(&self, name: &[u8]) -> io::Result<Statx> {
        stat_at(self.fd()?.as_fd(), component(name)?, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// What [`Node::stat`] answers from now on.
    pub fn remember(&self, name: &[u8], stat: &Statx) {
        let mut seen = self.seen();
        seen.glanced.remove(name);
        seen.others.insert(name.into(), Box::new(*stat));
    }

    /// Where a symlink leads to in the end; `None` for nowhere that can be told.
    pub fn remember_target(&self, name: &[u8], to: Option<(u64, (u32, u32))>) {
        self.seen().targets.insert(name.into(), to);
    }

    pub fn remember_measured(&self, mut observations: Vec<Observation>) {
        self.seen().measured.append(&mut observations);
    }

    /// This directory, what was asked about its entries, and what was measured below it; `path` is
    /// put in front.
    pub fn observe_own(&self, path: &[u8], out: &mut Vec<Observation>) {
        let join = |name: &[u8]| match path {
            [] => name.to_vec(),
            path => [path, b"/", name].concat(),
        };
        out.push(Observation { path: path.to_vec(), fact: Fact::Is(identity(&self.stat)) });
        let seen = self.seen();
        let accounted = seen.others.iter().filter(|(name, _)| !seen.glanced.contains(*name));
        let others = accounted.map(|(name, stat)| (name, Fact::Is(identity(stat))));
        let targets = seen.targets.iter().map(|(name, to)| (name, Fact::LeadsTo(*to)));
        out.extend(others.chain(targets).map(|(n, fact)| Observation { path: join(n), fact }));
        out.extend(seen.measured.iter().map(|o| Observation { path: join(&o.path), fact: o.fact }));
    }

    /// As [`Node::observe_own`], for this directory and all that are remembered below it.
    pub fn observe(&self, path: &[u8], out: &mut Vec<Observation>) {
        self.observe_own(path, out);
        for (name, node) in &self.seen().dirs {
            let below = if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
            node.observe(&below, out);
        }
    }

    /// Whether it is on the mount of this directory; where the kernel has no ids, by device.
    pub fn is_on_mount(&self, stat: &Statx) -> bool {
        match (stat.stx_mnt_id, self.mount.0) {
            (0, 0) => mount_of(stat) == self.mount,
            (theirs, ours) => theirs == ours,
        }
    }

    /// What the listing says an entry is, if there is one.
    pub fn kind(&self, name: &[u8]) -> Option<Kind> {
        match &*lock(&self.listing) {
            Listing::Known(entries) => {
                let at = Name::position(entries, name, |e| &e.name)?;
                Some(entries[at].kind)
            }
            Listing::Unread | Listing::Failed => None,
        }
    }

    pub fn list(&self) -> io::Result<Arc<[Entry]>> {
        let mut listing = lock(&self.listing);
        if let Listing::Known(entries) = &*listing {
            return Ok(Arc::clone(entries));
        }
        let fd = self.fd()?;
        let again = match *listing {
            Listing::Failed => Some(open_dir(fd.as_fd(), c".")?),
            _ => None,
        };
        *listing = Listing::Failed;
        let entries = read(again.as_ref().map_or(fd.as_fd(), AsFd::as_fd))?;
        *listing = Listing::Known(Arc::clone(&entries));
        Ok(entries)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

pub fn identity(stat: &Statx) -> Identity {
    let at = |t: rustix::fs::StatxTimestamp| (t.tv_sec, t.tv_nsec);
    Identity {
        kind: kind_of(stat),
        inode: stat.stx_ino,
        device: (stat.stx_dev_major, stat.stx_dev_minor),
        len: stat.stx_size,
        modified: at(stat.stx_mtime),
        changed: at(stat.stx_ctime),
    }
}

/// What [`Node::last_look`] found.
pub enum Look {
    Dir(Arc<Node>),
    Other(Box<Statx>),
}

/// An entry of what is measured.
pub enum Inside<'n> {
    Dir(Arc<Node>),
    /// As it was when it was first asked for.
    Other(&'n Statx),
    /// Not asked for yet, and no directory.
    Unknown,
}

/// What is remembered is whole whatever panicked while it was locked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn changed() -> io::Error {
    io::Error::other("changed while it was read")
}

thread_local! {
    static ROOM: RefCell<(Vec<u8>, Vec<Entry>)> =
        RefCell::new((Vec::with_capacity(LISTING_BUFFER), Vec::new()));
}

/// All entries, from where the descriptor stands.
fn read(fd: BorrowedFd<'_>) -> io::Result<Arc<[Entry]>> {
    ROOM.with_borrow_mut(|(buffer, entries)| {
        entries.clear();
        read_with(fd, buffer.spare_capacity_mut(), entries)?;
        let listing = entries.drain(..).collect();
        entries.shrink_to(LISTING_BUFFER / size_of::<Entry>());
        Ok(listing)
    })
}

fn read_with(
    fd: BorrowedFd<'_>,
    buffer: &mut [MaybeUninit<u8>],
    entries: &mut Vec<Entry>,
) -> io::Result<()> {
    listing::read(&mut RawDir::new(fd, buffer), |entry| {
        let kind = match entry.kind {
            FileType::Unknown => kind_of(&stat_at(fd, entry.name, AtFlags::SYMLINK_NOFOLLOW)?),
            known => kind(known),
        };
        entries.push(Entry { name: entry.name.to_bytes().into(), kind, inode: entry.inode });
        Ok(())
    })?;
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if entries.windows(2).any(|w| w[0].name == w[1].name) {
        return Err(io::Error::other("the listing names an entry twice"));
    }
    Ok(())
}
