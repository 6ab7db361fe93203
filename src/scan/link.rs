//! Symlinks that name a checkpoint, found wherever they lie.
//!
//! A link is never followed into a directory. Where it leads is computed from the texts of the
//! links the scan saw; only if that does not tell is the kernel asked what lies at its end, and
//! the answer compared by inode, or by where it lies if the text left the root by another way in.
//! A link among checkpoints that leads nowhere and looks like a pointer keeps its session: nobody
//! knows what it was meant to protect (I6).

use super::draft::Draft;
use super::index::{Reader, Writer};
use crate::core::called;
use crate::core::lead;
pub use crate::core::lead::parent as parent_of;
use crate::core::model::{Guard, Pointer};
use crate::core::name::encode;
use crate::core::named;
use crate::layout::folder::{cannot_read, join, last_component};
use crate::layout::{Folder, Note, Notes};
use crate::store::{Dir, Kind, Stat, Store};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io;

/// A symlink outside of checkpoints.
pub struct Link {
    pub path: Vec<u8>,
    pub target: Vec<u8>,
    /// Whether it lies in a directory that holds checkpoints.
    among_checkpoints: bool,
    end: End,
}

/// What the kernel finds at the end of a link.
enum End {
    NotAsked,
    Object { inode: u64, device: (u32, u32) },
    Nothing,
}

impl Link {
    /// For the index of the last scan.
    pub fn put(&self, out: &mut Writer) {
        out.bytes(&self.path);
        out.bytes(&self.target);
        out.bool(self.among_checkpoints);
        out.u64(match self.end {
            End::NotAsked => 0,
            End::Nothing => 1,
            End::Object { .. } => 2,
        });
        if let End::Object { inode, device: (major, minor) } = self.end {
            out.u64(inode);
            out.u64(major.into());
            out.u64(minor.into());
        }
    }

    pub fn get(reader: &mut Reader<'_>) -> Option<Link> {
        Some(Link {
            path: reader.bytes()?.to_vec(),
            target: reader.bytes()?.to_vec(),
            among_checkpoints: reader.bool()?,
            end: match reader.u64()? {
                0 => End::NotAsked,
                1 => End::Nothing,
                2 => End::Object { inode: reader.u64()?, device: (reader.u32()?, reader.u32()?) },
                _ => return None,
            },
        })
    }
}

/// Reads the symlinks of one directory.
pub fn read_links(folder: &Folder<'_>, among_checkpoints: bool, notes: &mut Notes) -> Vec<Link> {
    let mut links = Vec::new();
    for entry in folder.entries().iter().filter(|e| e.kind == Kind::Symlink) {
        let path = folder.join(&entry.name);
        let target = match folder.dir.read_link(&entry.name) {
            Ok(target) => target,
            Err(e) => {
                notes.fault(path, cannot_read(&encode(&entry.name), &e));
                continue;
            }
        };
        let end = if among_checkpoints || target.starts_with(b"/") {
            end(&folder.dir.stat_target(&entry.name))
        } else {
            End::NotAsked
        };
        links.push(Link { path, target, among_checkpoints, end });
    }
    links
}

/// Errors other than "nothing there" count as nothing there: the target is not to be had.
fn end(stat: &io::Result<Stat>) -> End {
    match *stat {
        Ok(Stat { inode, device, .. }) => End::Object { inode, device },
        Err(_) => End::Nothing,
    }
}

/// Gives every checkpoint that a link leads to, or into, its pointer.
pub fn follow(store: &dyn Store, drafts: &mut [Draft], links: &[Link]) {
    if links.is_empty() || drafts.is_empty() {
        return;
    }
    let device = store.root().and_then(|d| d.stat()).map(|s| s.device).ok();
    let map = Map::new(store, drafts, links);
    let look = |link: &Link| {
        let walked = map.walk(parent_of(&link.path), &link.target);
        // By another way into the root: the text leaves it, and the kernel knows better.
        let leaves = matches!(walked, Err(None)) && !matches!(link.end, End::Nothing);
        let by_kernel = || {
            let real = leaves.then(|| store.whereabouts(&link.path)).flatten()?;
            map.walk(b"", &real).ok()
        };
        let by_inode = || match link.end {
            End::Object { inode, device: d } if Some(d) == device => {
                map.inodes.get(&inode).copied()
            }
            _ => None,
        };
        match walked.ok().or_else(by_inode).or_else(by_kernel) {
            Some(place) => (Some(place), true),
            // From another machine, or before the folder was moved.
            None if matches!(link.end, End::Nothing) && link.among_checkpoints => {
                map.in_same_folder(&*drafts, link)
            }
            None => (None, true),
        }
    };
    // Asking the kernel takes a while where the storage is slow.
    let looked: Vec<_> = links.par_iter().map(look).collect();
    let all = || links.iter().zip(looked.iter().copied());
    let lost: Vec<&Link> =
        all().filter(|(_, (_, is_sure))| !is_sure).map(|(link, _)| link).collect();
    let root = store.root();
    for (link, (d, c)) in all().filter_map(|(link, (place, _))| Some((link, place?))) {
        attach(&mut drafts[d], c, &link.path);
        // Those beside the checkpoints are guards already.
        if parent_of(&link.path) != drafts[d].folder {
            guard(&root, &mut drafts[d], &link.path);
        }
    }
    for link in lost {
        let folder = parent_of(&link.path);
        for draft in drafts.iter_mut().filter(|d| d.folder == folder) {
            if looks_like_pointer(draft, link) {
                let target = encode(&link.target).into_owned();
                let text = format!("points at `{target}`, which is not here");
                draft.faults.push(Note { path: link.path.clone(), text });
            }
        }
    }
}

/// I6: what points from elsewhere, at `path`, may lead to what is to go if it is changed after the
/// plan was made.
pub fn guard(root: &io::Result<Box<dyn Dir>>, draft: &mut Draft, path: &[u8]) {
    let measured = match root {
        Ok(root) => root.measure(&[path]).map_err(|e| cannot_read("a link", &e)),
        Err(e) => Err(cannot_read("the root", e)),
    };
    match measured {
        Ok(unit) => {
            let (path, fingerprint) = (encode(path).into(), Some(unit.fingerprint));
            let guard = Guard { path, fingerprint };
            if !draft.session.guards.contains(&guard) {
                draft.session.guards.push(guard);
            }
        }
        Err(text) => draft.faults.push(Note { path: path.to_vec(), text }),
    }
}

/// Draft and checkpoint.
pub type Place = (usize, u32);

/// Where checkpoints and links lie, to walk a link's text with.
pub struct Map<'l> {
    links: HashMap<&'l [u8], &'l Link>,
    units: HashMap<Vec<u8>, Place>,
    inodes: HashMap<u64, Place>,
    absolute: Option<Vec<u8>>,
}

impl<'l> Map<'l> {
    pub fn new(store: &dyn Store, drafts: &[Draft], links: &'l [Link]) -> Map<'l> {
        let mut units = HashMap::new();
        let mut inodes = HashMap::new();
        for (d, draft) in drafts.iter().enumerate() {
            for top in &draft.tops {
                units.insert(join(&draft.folder, &top.name), (d, top.checkpoint));
                inodes.insert(top.inode, (d, top.checkpoint));
            }
        }
        inodes.remove(&0);
        let links = links.iter().map(|l| (&*l.path, l)).collect();
        Map { links, units, inodes, absolute: store.absolute().map(<[u8]>::to_vec) }
    }

    /// All checkpoints by the paths of their entries below the root.
    pub fn units(&self) -> impl Iterator<Item = (&[u8], Place)> {
        self.units.iter().map(|(path, place)| (&**path, *place))
    }

    /// The checkpoint with an entry at this path, and the path.
    pub fn unit(&self, path: &[u8]) -> Option<(&[u8], Place)> {
        self.units.get_key_value(path).map(|(path, place)| (&**path, *place))
    }

    pub fn is_unit(&self, path: &[u8]) -> bool {
        self.units.contains_key(path)
    }

    /// Walks a path from a directory, through links, until it is at or in a checkpoint. If it
    /// comes to none: where it ends below the root, or nothing if it leaves it or is a loop.
    pub fn walk(&self, from: &[u8], target: &[u8]) -> Result<Place, Option<Vec<u8>>> {
        lead::walk(self, from, target, |_| {})
    }

    /// The checkpoint beside the link that its target names, and whether it surely does.
    fn in_same_folder(&self, drafts: &[Draft], link: &Link) -> (Option<Place>, bool) {
        let (folder, target) = (parent_of(&link.path), &*link.target);
        let place = |c: &[u8]| self.units.get(&join(folder, c)).copied();
        let at = named::inside(target, |name| place(name).is_some());
        let found = at.and_then(|at| place(named::components(target).nth(at)?));
        let found = found.filter(|p| drafts[p.0].folder == folder);
        (found, found.is_some() && at.is_some_and(|at| named::is_sure(target, at, folder)))
    }
}

impl lead::Ground for Map<'_> {
    type Goal = Place;

    fn goal(&self, path: &[u8]) -> Option<Place> {
        self.units.get(path).copied()
    }

    fn link(&self, path: &[u8]) -> Option<&[u8]> {
        self.links.get(path).map(|link| &*link.target)
    }

    fn absolute(&self) -> Option<&[u8]> {
        self.absolute.as_deref()
    }
}

/// Notes on a checkpoint that what lies at `link`, below the root, leads to it.
pub fn attach(draft: &mut Draft, checkpoint: u32, link: &[u8]) {
    let home = draft.home();
    let inside = home.is_empty() || link.strip_prefix(home).is_some_and(|r| r.starts_with(b"/"));
    let short = last_component(link);
    let shown = if parent_of(link) == draft.folder {
        encode(short)
    } else if inside && !home.is_empty() {
        encode(&link[home.len() + 1..])
    } else {
        encode(link)
    };
    let pointer = Pointer { name: shown.into(), external: !inside };
    let checkpoint = &mut draft.session.checkpoints[checkpoint as usize];
    let mark = called::mark(short).unwrap_or_default();
    checkpoint.marks.set(mark);
    let pointers = &mut checkpoint.extra_mut().pointers;
    if !pointers.contains(&pointer) {
        pointers.push(pointer);
    }
}

/// Whether a name differs from that of one of the checkpoints in its digits only.
pub fn is_like_a_checkpoint(draft: &Draft, name: &[u8]) -> bool {
    draft.tops.iter().any(|t| named::is_alike(&t.name, name))
}

/// Called like a pointer, or leading to, or through, what is called like one of the checkpoints.
fn looks_like_pointer(draft: &Draft, link: &Link) -> bool {
    let name = last_component(&link.path);
    let known = |n: &[u8]| is_like_a_checkpoint(draft, n);
    let lower = name.to_ascii_lowercase();
    let called = called::last_or_best(name)
        || ["current", "newest"].iter().any(|word| lower.starts_with(word.as_bytes()));
    // Further up, digits alone may be a date.
    let says = |n: &[u8]| known(n) && !n.iter().all(u8::is_ascii_digit);
    let mut target = named::components(&link.target);
    called || known(name) || target.next().is_some_and(known) || target.any(says)
}
