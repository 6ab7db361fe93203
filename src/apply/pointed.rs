//! Symlinks anywhere below the root that have come to lead to a checkpoint since a plan was made.
//!
//! A plan knows the links that were there: what they lead to is protected, or they are witnesses. A
//! link that was made or moved since is known to nobody, wherever it lies; so the whole root is
//! looked at once more under the lock before the first rename, and again before a purge (I6).
//! Where a link leads is computed from its text and from those of the links on its way; by inode
//! if that leaves the root.

use super::cause::{Cause, Why};
use super::dir::{self, Rel};
use super::root::Root;
use super::survey;
use super::work::{Place, SessionWork};
use crate::core::lead::{self, Ground};
use crate::core::model::Time;
use crate::core::name;
use crate::store::{local, unit};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{self, AtFlags, Statx, StatxFlags, StatxTimestamp};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

/// The clock of the storage may be behind ours by so much: what is that much older than a plan
/// counts as new (C6). Nanoseconds.
const BEHIND: i64 = 3_600 * Time::NANOS_PER_SEC;

/// A symlink somewhere below the root.
#[derive(Debug)]
struct Link {
    place: Place,
    target: Vec<u8>,
    /// What the kernel finds at its end, if its text may lead through other places than the root.
    end: Option<u64>,
}

/// All symlinks below the root, as they are now.
#[derive(Debug)]
pub struct Pointed {
    links: BTreeMap<Vec<u8>, Link>,
    /// Folders that could not be looked into.
    unread: BTreeMap<Rel, String>,
    root: Vec<u8>,
}

impl Pointed {
    /// Looks at the whole root, but not into what lies at `skip`.
    ///
    /// # Errors
    /// The root cannot be read.
    pub fn look(root: &Root, threads: usize, skip: &BTreeSet<Rel>) -> io::Result<Pointed> {
        let device = device(&dir::stat_fd(root.fd())?);
        let visit = |at: &Rel, fd: &OwnedFd, listed: &survey::Listed| {
            let mut links = Vec::new();
            for name in &listed.links {
                let Some(target) = survey::target(fd, name)? else { continue };
                let end = if target.starts_with(b"/") { end(fd, name, device) } else { None };
                let place = Place { dir: at.clone(), name: name.clone() };
                links.push((path_of(&place), Link { place, target, end }));
            }
            Ok(links)
        };
        let (links, faults) = survey::walk(root, threads, skip, visit)?;
        // Gone since it was listed, or another file system: a plan does not look there either.
        let passed =
            |e: &io::Error| matches!(Errno::from_io_error(e), Some(Errno::NOENT | Errno::XDEV));
        let unread = faults.into_iter().filter(|(_, e)| !passed(e));
        Ok(Pointed {
            links: links.into_iter().flatten().collect(),
            unread: unread.map(|(at, e)| (at, e.to_string())).collect(),
            root: local::absolute(root.fd())
                .unwrap_or_else(|| root.path.as_os_str().as_bytes().to_vec()),
        })
    }

    /// Sessions that may lose nothing, and why: some link leads to one of their deletions that did
    /// not when the plan was `made`. Witnesses are known to the plan, and looked at as such.
    pub fn sessions<'w>(
        &self,
        root: &Root,
        work: &[&'w SessionWork],
        made: Time,
    ) -> HashMap<&'w str, Why> {
        let mut out: HashMap<&str, Why> = HashMap::new();
        let folders = work.iter().flat_map(|w| &w.deletions).flat_map(|d| &d.parts).map(|p| &p.dir);
        let blind = self.blind(folders);
        let mut goals = HashMap::new();
        for session in work {
            for d in &session.deletions {
                for place in &d.parts {
                    if let Some(why) = blind.get(&place.dir) {
                        out.insert(&session.session, Cause::Unreadable.because(why.as_str()));
                    }
                    goals.insert(path_of(place), (place, (*session, &*d.id)));
                }
            }
        }
        let mut known: HashMap<&str, HashSet<Vec<u8>>> = HashMap::new();
        let look = |p: &Place| inode(root, p);
        for (path, (place, (session, id)), way) in self.leading(root, &goals, look) {
            let known = known.entry(&session.session).or_insert_with(|| {
                session.witnesses.iter().flat_map(|w| &w.parts).map(path_of).collect()
            });
            if !known.contains(path) && self.is_new(root, place, &way, made) {
                let why = format!("`{}` leads to {id} by now", name::encode(path));
                out.insert(&session.session, Cause::Wanted.because(why));
            }
        }
        out
    }

    /// Those of some places, by their number in the list, from which something was `moved` away and
    /// to which a link leads by now that did not then; and why that is said. Of a link at a path, `known`
    /// says whether it led to such a place then, and nobody has touched it since.
    pub fn places(
        &self,
        root: &Root,
        places: &[Place],
        moved: Option<Time>,
        known: impl Fn(usize, &[u8]) -> bool,
    ) -> HashMap<usize, String> {
        let mut out = HashMap::new();
        let blind = self.blind(places.iter().map(|place| &place.dir));
        let mut goals = HashMap::new();
        for (n, place) in places.iter().enumerate() {
            if let Some(why) = blind.get(&place.dir) {
                out.insert(n, why.clone());
            }
            goals.insert(path_of(place), (place, n));
        }
        for (path, (place, n), mut way) in self.leading(root, &goals, |_| None) {
            way.retain(|link| !known(n, link));
            if moved.is_none_or(|moved| self.is_new(root, place, &way, moved)) {
                out.insert(n, format!("`{}` leads to it by now", name::encode(path)));
            }
        }
        out
    }

    /// I3: of some folders, those above or below which something could not be looked into; it may
    /// hold anything.
    fn blind<'f>(&self, folders: impl Iterator<Item = &'f Rel>) -> HashMap<&'f Rel, String> {
        if self.unread.is_empty() {
            return HashMap::new();
        }
        let folders: HashSet<&Rel> = folders.collect();
        let why = |at: &Rel, e: &String| format!("`{at}` cannot be looked into: {e}");
        let mut out = HashMap::new();
        for (at, e) in &self.unread {
            for up in ups(at) {
                if let Some(folder) = folders.get(&up) {
                    out.insert(*folder, why(at, e));
                }
            }
        }
        for folder in folders {
            if let Some((at, e)) = ups(folder).find_map(|up| self.unread.get_key_value(&up)) {
                out.insert(folder, why(at, e));
            }
        }
        out
    }

    /// The links that lead to or into one of `goals`, and the links on the way of each, itself
    /// included.
    fn leading<'a, I: Copy>(
        &'a self,
        root: &'a Root,
        goals: &'a HashMap<Vec<u8>, (&'a Place, I)>,
        inode: impl Fn(&Place) -> Option<u64>,
    ) -> impl Iterator<Item = (&'a Vec<u8>, (&'a Place, I), Vec<Vec<u8>>)> {
        let ends = self.links.values().any(|link| link.end.is_some());
        let inodes: HashMap<u64, (&Place, I)> = goals
            .values()
            .filter(|_| ends)
            .filter_map(|goal| Some((inode(goal.0)?, *goal)))
            .collect();
        self.links.iter().filter_map(move |(path, link)| {
            let mut way = vec![path.clone()];
            let ground = Text { pointed: self, goals };
            let led = lead::walk(&ground, lead::parent(path), &link.target, |met| {
                way.push(met.to_vec());
            });
            let leaves = matches!(led, Err(None));
            let by_inode = || inodes.get(&link.end?).copied();
            // By another way into the root: the kernel knows where that leads.
            let by_kernel = || {
                let real = leaves.then(|| self.whereabouts(root, &link.place)).flatten()?;
                lead::walk(&ground, b"", &real, |_| {}).ok()
            };
            let goal = led.ok().or_else(by_inode).or_else(by_kernel)?;
            Some((path, goal, way))
        })
    }

    /// Where below the root that lies to which a link leads.
    fn whereabouts(&self, root: &Root, link: &Place) -> Option<Vec<u8>> {
        let dir = dir::open(root.fd(), &link.dir, dir::how()).ok()?;
        local::leads_below(dir.as_fd(), link.name.to_bytes(), &self.root)
    }

    /// Whether a link of `way`, or a folder that holds one, was made or moved since `time`. A folder
    /// above the goal too was not moved, or the goal would not be there.
    fn is_new(&self, root: &Root, goal: &Place, way: &[Vec<u8>], time: Time) -> bool {
        way.iter().filter_map(|path| self.links.get(path)).any(|link| {
            let link = &link.place;
            // What cannot be looked at may be new (I3).
            let new = |stat: io::Result<Option<Statx>>| match stat {
                Ok(Some(stat)) => is_since(stat.stx_ctime, time),
                Ok(None) => false,
                Err(_) => true,
            };
            let open = |at: &Rel| dir::open(root.fd(), at, dir::how());
            new(open(&link.dir).and_then(|fd| dir::look(fd.as_fd(), &link.name)))
                || ups(&link.dir)
                    .take_while(|at| !goal.dir.components().starts_with(at.components()))
                    .any(|at| new(open(&at).and_then(|fd| dir::stat_fd(fd.as_fd()).map(Some))))
        })
    }
}

/// Whether something changed at an instant that may be after `time`; one that cannot be told may be.
pub fn is_since(ctime: StatxTimestamp, time: Time) -> bool {
    let since = time.nanos().saturating_sub(BEHIND);
    unit::time(ctime).is_none_or(|at| at.nanos() >= since)
}

/// The links as what a text meets on its way.
struct Text<'a, I> {
    pointed: &'a Pointed,
    goals: &'a HashMap<Vec<u8>, (&'a Place, I)>,
}

impl<'a, I: Copy> Ground for Text<'a, I> {
    type Goal = (&'a Place, I);

    fn goal(&self, path: &[u8]) -> Option<(&'a Place, I)> {
        self.goals.get(path).copied()
    }

    fn link(&self, path: &[u8]) -> Option<&[u8]> {
        self.pointed.links.get(path).map(|link| &*link.target)
    }

    fn absolute(&self) -> Option<&[u8]> {
        Some(&self.pointed.root)
    }
}

/// A directory and those above it, up to the root.
fn ups(at: &Rel) -> impl Iterator<Item = Rel> {
    std::iter::successors(Some(at.clone()), |at| {
        let mut up = at.clone();
        up.pop().map(|_| up)
    })
}

/// The places that a walk need not enter: what is in a checkpoint that goes protects nothing.
pub fn going(work: &[&SessionWork]) -> BTreeSet<Rel> {
    let parts = work.iter().flat_map(|w| &w.deletions).flat_map(|d| &d.parts);
    parts.map(|place| place.dir.join(place.name.clone())).collect()
}

/// Below the root.
pub(super) fn path_of(place: &Place) -> Vec<u8> {
    let parents = place.dir.components().iter();
    let all = parents.chain([&place.name]).map(|c| c.to_bytes());
    all.collect::<Vec<_>>().join(&b'/')
}

fn inode(root: &Root, place: &Place) -> Option<u64> {
    let fd = dir::open(root.fd(), &place.dir, dir::how()).ok()?;
    Some(dir::look(fd.as_fd(), &place.name).ok()??.stx_ino)
}

fn device(stat: &Statx) -> (u32, u32) {
    (stat.stx_dev_major, stat.stx_dev_minor)
}

/// What lies at the end of a symlink, if it is on the root's file system: looked at, not opened.
fn end(dir: &OwnedFd, name: &CString, root: (u32, u32)) -> Option<u64> {
    let stat = fs::statx(dir, name, AtFlags::NO_AUTOMOUNT, StatxFlags::INO).ok()?;
    (device(&stat) == root).then_some(stat.stx_ino)
}
