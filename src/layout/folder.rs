//! A directory as recognisers see it: listed once, its subdirectories looked into at will.

use crate::core::name::encode;
use crate::format::json::{self, Value};
use crate::store::{self, Dir, Entry, Kind, Name};
use std::borrow::Cow;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// An open directory of a scan, with its listing and the directories above it.
pub struct Folder<'a> {
    pub dir: Box<dyn Dir>,
    /// Path below the root, raw; empty for the root itself.
    pub path: Vec<u8>,
    parent: Option<&'a Folder<'a>>,
    looked_above: AtomicBool,
    entries: Arc<[Entry]>,
    /// What a directory above claimed below this one, as paths below this one.
    claimed_below: Vec<Box<[u8]>>,
    /// What is in the entries that were looked into, by their place in the listing.
    inside: OnceLock<Box<[OnceLock<Arc<[Entry]>>]>>,
    /// The place of the one that was looked into last: the next is often beside it.
    last: AtomicUsize,
}

/// A subdirectory that is looked into.
pub struct Peek<'f> {
    above: &'f dyn Dir,
    name: Name,
    entries: Inside<'f>,
}

enum Inside<'f> {
    Known(&'f [Entry]),
    Own(Arc<[Entry]>),
}

impl<'a> Folder<'a> {
    /// Lists a directory.
    ///
    /// # Errors
    /// The listing fails, or breaks off.
    pub fn new(
        dir: Box<dyn Dir>,
        path: Vec<u8>,
        parent: Option<&'a Folder<'a>>,
    ) -> io::Result<Folder<'a>> {
        let entries = dir.list()?;
        Ok(Folder {
            dir,
            path,
            parent,
            looked_above: AtomicBool::new(false),
            entries,
            claimed_below: Vec::new(),
            inside: OnceLock::new(),
            last: AtomicUsize::new(0),
        })
    }

    /// Takes what a directory above claimed, as paths below this one, out of the listing.
    pub fn hide(mut self, claimed: Vec<Box<[u8]>>) -> Folder<'a> {
        if !claimed.is_empty() {
            let is_claimed = |e: &&Entry| claimed.iter().any(|c| **c == *e.name);
            self.entries = self.entries.iter().filter(|e| !is_claimed(e)).cloned().collect();
            self.claimed_below = claimed;
        }
        self
    }

    /// What is claimed below `child`, by this directory's `claims` or by one above.
    pub fn claimed_in(&self, child: &[u8], claims: &[&[u8]]) -> Vec<Box<[u8]>> {
        let above = self.claimed_below.iter().map(|c| &**c);
        let below = |path: &[u8]| path.strip_prefix(child)?.strip_prefix(b"/").map(Into::into);
        claims.iter().copied().chain(above).filter_map(below).collect()
    }

    /// The directory that holds this one. What is found below this one depends on it from now on.
    pub fn parent(&self) -> Option<&'a Folder<'a>> {
        self.looked_above.store(true, Ordering::Relaxed);
        self.parent
    }

    /// Whether anybody asked for [`Folder::parent`].
    pub fn looked_above(&self) -> bool {
        self.looked_above.load(Ordering::Relaxed)
    }

    /// All entries, in byte order of their names.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn entry(&self, name: &[u8]) -> Option<&Entry> {
        find(&self.entries, name)
    }

    pub fn has_file(&self, name: &[u8]) -> bool {
        self.entry(name).is_some_and(|e| e.kind == Kind::File)
    }

    /// The subdirectories.
    pub fn dirs(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.kind == Kind::Dir)
    }

    /// Its own name; empty for the root.
    pub fn name(&self) -> &[u8] {
        last_component(&self.path)
    }

    /// The path below the root of one of its entries.
    pub fn join(&self, name: &[u8]) -> Vec<u8> {
        join(&self.path, name)
    }

    /// Lists a subdirectory; that is done once, however many layouts look.
    ///
    /// # Errors
    /// It cannot be opened or listed, or is a mount point.
    pub fn peek(&self, name: &[u8]) -> io::Result<Peek<'_>> {
        let list = || self.dir.open(name)?.list();
        let entries = match self.place(name) {
            None => Inside::Own(list()?),
            Some(i) => {
                let none = || self.entries.iter().map(|_| OnceLock::new()).collect();
                let inside = &self.inside.get_or_init(none)[i];
                // A failure is met again by whoever looks next.
                Inside::Known(match inside.get() {
                    Some(known) => known,
                    None => {
                        let listed = list()?;
                        inside.get_or_init(|| listed)
                    }
                })
            }
        };
        Ok(Peek { above: &*self.dir, name: name.into(), entries })
    }

    /// Where an entry stands in the listing.
    fn place(&self, name: &[u8]) -> Option<usize> {
        let last = self.last.load(Ordering::Relaxed);
        let is_at = |i: &usize| self.entries.get(*i).is_some_and(|e| *e.name == *name);
        let near = [last + 1, last].into_iter().find(is_at);
        let place = near.or_else(|| position(&self.entries, name))?;
        self.last.store(place, Ordering::Relaxed);
        Some(place)
    }

    /// Whether a subdirectory has an entry; opens nothing if it was looked into before.
    ///
    /// # Errors
    /// As [`Folder::peek`].
    pub fn holds(&self, subdirectory: &[u8], name: &[u8]) -> io::Result<bool> {
        Ok(self.peek(subdirectory)?.entry(name).is_some())
    }
}

impl Peek<'_> {
    /// The directory itself.
    ///
    /// # Errors
    /// As [`Folder::peek`], if it had to be closed meanwhile.
    pub fn dir(&self) -> io::Result<Box<dyn Dir>> {
        self.above.open(&self.name)
    }

    /// Reads a JSON file in it; the error is text for a person.
    ///
    /// # Errors
    /// As [`read_json`].
    pub fn read_json(&self, name: &[u8]) -> Result<Value, String> {
        let dir = self.dir().map_err(|e| cannot_read(&encode(name), &e))?;
        read_json(&*dir, name)
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.entries {
            Inside::Known(entries) => entries,
            Inside::Own(entries) => entries,
        }
    }

    pub fn entry(&self, name: &[u8]) -> Option<&Entry> {
        find(self.entries(), name)
    }

    pub fn has_file(&self, name: &[u8]) -> bool {
        self.entry(name).is_some_and(|e| e.kind == Kind::File)
    }
}

/// Reads a JSON file; the error is text for a person.
///
/// # Errors
/// It cannot be read, is too large, or is not JSON.
pub fn read_json(dir: &dyn Dir, name: &[u8]) -> Result<Value, String> {
    let shown = encode(name);
    let bytes = store::read_metadata(dir, name).map_err(|e| cannot_read(&shown, &e))?;
    json::parse(&bytes).map_err(|e| format!("{shown} is damaged: {e}"))
}

/// How a failure to read is said.
pub fn cannot_read(what: &str, e: &io::Error) -> String {
    format!("{what} cannot be read: {e}")
}

fn find<'e>(entries: &'e [Entry], name: &[u8]) -> Option<&'e Entry> {
    position(entries, name).map(|i| &entries[i])
}

fn position(entries: &[Entry], name: &[u8]) -> Option<usize> {
    Name::position(entries, name, |e| &e.name)
}

/// Joins a raw path below the root and a name.
pub fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

/// What follows the last `/`.
pub fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|b| *b == b'/').next().unwrap_or(path)
}

/// A raw path below the root as text; `.` for the root itself.
pub fn show(path: &[u8]) -> Cow<'_, str> {
    if path.is_empty() { Cow::Borrowed(".") } else { encode(path) }
}
