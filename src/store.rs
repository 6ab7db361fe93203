//! What lies on a storage, seen without changing it.
//!
//! Everything that recognises, measures or reports goes through these traits and through nothing
//! else, so that one place answers for what reading may do: keys are raw bytes and never paths, a
//! symlink is never entered, a mount is never crossed, only regular files are opened, and no more
//! of them is read than [`MAX_METADATA`]. A bucket can be a [`Store`] as well as a directory.

use crate::core::model::{Space, Time};
use std::io;

pub mod local;
pub mod unit;

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

/// One entry of a directory. The name is what the storage has: any bytes but `/` and NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Box<[u8]>,
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
}

/// An open directory. Names are single components.
pub trait Dir: Send + Sync {
    /// All entries, in byte order of their names.
    ///
    /// # Errors
    /// Also if the listing breaks off: a part of a listing is never handed out.
    fn list(&self) -> io::Result<Vec<Entry>>;

    /// Opens a directory in this one; a symlink is not one.
    ///
    /// # Errors
    /// [`io::ErrorKind::CrossesDevices`] for a mount point; and whatever the storage says.
    fn open(&self, name: &[u8]) -> io::Result<Box<dyn Dir>>;

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
    let file = dir.file(name)?;
    let limit = usize::try_from(MAX_METADATA).unwrap_or(usize::MAX);
    if file.len() > MAX_METADATA {
        return Err(too_large());
    }
    // A file may grow while it is read, and its length may be a lie.
    let content = file.read_at(0, limit + 1)?;
    if content.len() > limit { Err(too_large()) } else { Ok(content) }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "larger than the 16 MiB that metadata may have")
}
