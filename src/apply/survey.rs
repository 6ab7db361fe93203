//! A look at every directory below the root: which folders and which symlinks it has.
//!
//! Journals of users who may not write at the root's top, and symlinks that lead to a checkpoint,
//! can lie anywhere. Nothing is followed, no mount is entered, and nothing of ours is walked.

use super::dir::{self, OURS, Rel};
use super::parallel;
use super::root::Root;
use crate::store::listing;
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{self, FileType, RawDir};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;

/// Bytes of directory entries asked for at a time.
const BUFFER: usize = 32 << 10;

/// What a directory has, each sorted.
#[derive(Debug, Default)]
pub struct Listed {
    pub folders: Vec<CString>,
    pub links: Vec<CString>,
}

/// Folders that could not be read, and why.
pub type Faults = Vec<(Rel, io::Error)>;

/// Shows `visit` each directory below the root, level by level, but those at `skip` and what is in
/// them. Directories that cannot be read are passed over and returned.
///
/// # Errors
/// The root itself cannot be read.
pub fn walk<T: Send>(
    root: &Root,
    threads: usize,
    skip: &BTreeSet<Rel>,
    visit: impl Fn(&Rel, &OwnedFd, &Listed) -> io::Result<T> + Sync,
) -> io::Result<(Vec<T>, Faults)> {
    let (mut out, mut faults) = (Vec::new(), Faults::new());
    let mut level = vec![Rel::default()];
    while !level.is_empty() {
        let seen = parallel::map(threads, &level, |at| {
            let fd = dir::open_to_list(root.fd(), at)?;
            let listed = list(&fd)?;
            let found = visit(at, &fd, &listed);
            io::Result::Ok((listed.folders, found))
        });
        let mut below = Vec::new();
        for (at, seen) in level.into_iter().zip(seen) {
            let (folders, found) = match seen {
                Ok(seen) => seen,
                Err(e) if at.components().is_empty() => return Err(e),
                Err(e) => {
                    faults.push((at, e));
                    continue;
                }
            };
            let inner = folders.into_iter().filter(|name| name.as_c_str() != OURS);
            below.extend(inner.map(|name| at.join(name)).filter(|rel| !skip.contains(rel)));
            match found {
                Ok(found) => out.push(found),
                Err(e) => faults.push((at, e)),
            }
        }
        level = below;
    }
    faults.sort_by(|a, b| a.0.cmp(&b.0));
    Ok((out, faults))
}

fn list(dir: &OwnedFd) -> io::Result<Listed> {
    let mut out = Listed::default();
    let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER);
    let read = listing::read(&mut RawDir::new(dir, buffer.spare_capacity_mut()), |entry| {
        let kind = match entry.kind {
            FileType::Unknown => dir::look(dir.as_fd(), entry.name)?.map(|s| dir::kind(&s)),
            kind => Some(kind),
        };
        match kind {
            Some(FileType::Directory) => out.folders.push(entry.name.to_owned()),
            Some(FileType::Symlink) => out.links.push(entry.name.to_owned()),
            _ => {}
        }
        Ok(())
    });
    // It was removed after it was opened.
    read.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
    out.folders.sort_unstable();
    out.links.sort_unstable();
    Ok(out)
}

/// Where a symlink says that it leads; `None` if it is none any more.
///
/// # Errors
/// It cannot be read.
pub fn target(dir: &OwnedFd, name: &CString) -> io::Result<Option<Vec<u8>>> {
    match rustix::io::retry_on_intr(|| fs::readlinkat(dir, name, Vec::new())) {
        Ok(target) => Ok(Some(target.into_bytes())),
        Err(Errno::NOENT | Errno::INVAL) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
