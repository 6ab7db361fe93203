//! What lies on a storage, seen without changing it.
//!
//! Everything that recognises, measures or reports goes through these traits and through nothing
//! else, so that one place answers for what reading may do: keys are raw bytes and never paths, a
//! symlink is never entered, a mount is never crossed, only regular files are opened, and no more
//! of them is read than [`MAX_METADATA`]. A bucket can be a [`Store`] as well as a directory.

use crate::core::model::{Space, Time};
use std::io;
use std::sync::Arc;

pub mod listing;
pub mod local;
mod name;
pub mod unit;

pub use name::Name;
pub use unit::Unit;

/// Larger metadata files are refused: no framework writes them, an attacker may.
pub const MAX_METADATA: u64 = 16 << 20;

/// What an entry is, as its directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Dir,
    File,
    Symlink,
    /// A fifo, a socket, a device: never opened.
    Other,
}

/// One entry of a directory. The name is what the storage has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Name,
    pub kind: Kind,
    /// As [`Stat::inode`]; of no meaning for a mount point.
    pub inode: u64,
}

/// The facts about one entry that recognition and ages need.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    pub kind: Kind,
    /// Identifies the object within one storage, together with `device`.
    pub inode: u64,
    /// Differs between clients of one file system: compare it within one process only.
    pub device: (u32, u32),
    pub uid: u32,
    pub bytes: u64,
    /// `None`: unknown (zero, or out of range).
    pub modified: Option<Time>,
}

/// What tells one state of an object from another: while it is the same, so is a directory's listing,
/// and so is a file, unless it was written twice within one tick of the storage's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub kind: Kind,
    pub inode: u64,
    pub device: (u32, u32),
    /// Length in bytes.
    pub len: u64,
    /// Seconds and nanoseconds since the epoch.
    pub modified: (i64, u32),
    pub changed: (i64, u32),
}

/// Something that was seen, and how to tell whether it is still so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Below the directory through which it was seen; empty for that directory itself.
    pub path: Vec<u8>,
    pub fact: Fact,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A directory that was listed, or another entry that was statted or read.
    Is(Identity),
    /// A symlink, and the inode and device that it led to in the end, if anything.
    LeadsTo(Option<(u64, (u32, u32))>),
}

/// A place that holds sessions.
pub trait Store: Sync {
    /// The top directory.
    ///
    /// # Errors
    /// It cannot be opened (any more).
    fn root(&self) -> io::Result<Box<dyn Dir>>;

    /// Size and free bytes of the whole storage.
    ///
    /// # Errors
    /// The storage does not tell.
    fn space(&self) -> io::Result<Space>;

    /// What absolute symlinks call the top directory, if it is called anything.
    fn absolute(&self) -> Option<&[u8]>;

    /// Where below the top directory that lies to which a path below it leads, by whatever way.
    /// `None`: elsewhere, nowhere, or nobody can tell.
    fn whereabouts(&self, path: &[u8]) -> Option<Vec<u8>>;
}

/// A directory. Names are single components.
///
/// It may be seen once: what was listed, opened or statted through it before may be handed out
/// again, as it was then, for as long as the directory that it was opened from is held.
pub trait Dir: Send + Sync {
    /// All entries, in byte order of their names.
    ///
    /// # Errors
    /// Also if the listing breaks off: a part of a listing is never handed out.
    fn list(&self) -> io::Result<Arc<[Entry]>>;

    /// Opens a directory in this one; a symlink is not one.
    ///
    /// # Errors
    /// [`io::ErrorKind::CrossesDevices`] for a mount point; and whatever the storage says.
    fn open(&self, name: &[u8]) -> io::Result<Box<dyn Dir>>;

    /// As [`Dir::open`], for the last time: nothing about it has to be remembered here.
    ///
    /// # Errors
    /// As [`Dir::open`].
    fn take(&self, name: &[u8]) -> io::Result<Box<dyn Dir>> {
        self.open(name)
    }

    /// This directory itself.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn stat(&self) -> io::Result<Stat>;

    /// An entry; of a symlink, the link itself.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn stat_entry(&self, name: &[u8]) -> io::Result<Stat>;

    /// How long a file is. It will be measured with all the others: it is looked at once, and the next
    /// scan does not go by it.
    ///
    /// # Errors
    /// As [`Dir::file`].
    fn len_of(&self, name: &[u8]) -> io::Result<u64> {
        Ok(self.file(name)?.len())
    }

    /// What a symlink leads to in the end; opens nothing.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] for a dangling link; and whatever the storage says.
    fn stat_target(&self, name: &[u8]) -> io::Result<Stat>;

    /// The text of a symlink.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>>;

    /// Opens a regular file for reading; never waits for a writer.
    ///
    /// # Errors
    /// Anything but a regular file; and whatever the storage says.
    fn file(&self, name: &[u8]) -> io::Result<Box<dyn Blob>>;

    /// All that was seen of this directory and, through it, of those below, except through what was
    /// given away by [`Dir::take`]. `None`: the store does not keep account.
    fn seen(&self) -> Option<Vec<Observation>> {
        None
    }

    /// Takes an earlier listing of a subdirectory for granted if that is still what it was then; and
    /// says whether. `false` is never wrong.
    fn expect(&self, name: &[u8], known: &Identity, listing: Vec<Entry>) -> bool {
        let _ = (name, known, listing);
        false
    }

    /// Nothing about a subdirectory has to be remembered any more.
    fn forget(&self, name: &[u8]) {
        let _ = name;
    }

    /// Whether what was observed below this directory is still so. Here a name may be a path; what
    /// a symlink in it leads to is no directory's identity, so that none can deceive.
    fn is_still(&self, observation: &Observation) -> bool {
        let _ = observation;
        false
    }

    /// Reads a whole regular file of at most `max` bytes, see [`read_metadata`].
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`]; and as [`Dir::file`].
    fn read(&self, name: &[u8], max: usize) -> io::Result<Vec<u8>> {
        let file = self.file(name)?;
        if file.len() > max as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // A file may grow while it is read, and its length may be a lie.
        let content = file.read_at(0, max + 1)?;
        if content.len() > max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
    }

    /// Measures entries of this directory, and of directories below it, as one unit, see
    /// [`unit::measure_parts`]. Here alone a name may be a path, with `/` between its components.
    ///
    /// # Errors
    /// Any entry that cannot be read.
    fn measure(&self, names: &[&[u8]]) -> io::Result<Unit>;
}

/// An open regular file.
pub trait Blob {
    /// Its length when it was opened.
    fn len(&self) -> u64;

    /// Whether it was empty when it was opened.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `max` bytes from `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>>;
}

/// Reads a whole metadata file.
///
/// # Errors
/// Not a regular file, longer than [`MAX_METADATA`], or unreadable.
pub fn read_metadata(dir: &dyn Dir, name: &[u8]) -> io::Result<Vec<u8>> {
    let limit = usize::try_from(MAX_METADATA).unwrap_or(usize::MAX);
    dir.read(name, limit).map_err(|e| match e.kind() {
        io::ErrorKind::FileTooLarge => {
            io::Error::new(e.kind(), "larger than the 16 MiB that metadata may have")
        }
        _ => e,
    })
}
