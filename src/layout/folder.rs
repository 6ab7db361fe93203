//! A directory as recognisers see it: listed once, its subdirectories looked into at will.

use crate::core::name::encode;
use crate::format::json::{self, Value};
use crate::store::{self, Dir, Entry, Kind};
use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
}

/// A subdirectory, open while it is looked into.
pub struct Peek {
    pub dir: Box<dyn Dir>,
    entries: Arc<[Entry]>,
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
        let looked_above = AtomicBool::new(false);
        Ok(Folder { dir, path, parent, looked_above, entries, claimed_below: Vec::new() })
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
    pub fn claimed_in(&self, child: &[u8], claims: &HashSet<&[u8]>) -> Vec<Box<[u8]>> {
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

    /// Opens a subdirectory and lists it; the store does both once, however many layouts look.
    ///
    /// # Errors
    /// It cannot be opened or listed, or is a mount point.
    pub fn peek(&self, name: &[u8]) -> io::Result<Peek> {
        let dir = self.dir.open(name)?;
        let entries = dir.list()?;
        Ok(Peek { dir, entries })
    }

    /// Whether a subdirectory has an entry; opens nothing if it was looked into before.
    ///
    /// # Errors
    /// As [`Folder::peek`].
    pub fn holds(&self, subdirectory: &[u8], name: &[u8]) -> io::Result<bool> {
        Ok(self.peek(subdirectory)?.entry(name).is_some())
    }
}

impl Peek {
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn entry(&self, name: &[u8]) -> Option<&Entry> {
        find(&self.entries, name)
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
    entries.binary_search_by(|e| (*e.name).cmp(name)).ok().map(|i| &entries[i])
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
