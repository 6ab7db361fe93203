//! Reads a file that decides what is deleted, and for root sees to it that root alone wrote it.
//!
//! Whoever may change a policy, or any directory on the way to it, decides what its reader deletes.
//! For an ordinary user that is nobody new. Root's policy must be root's alone (I16): each
//! directory on the way is opened without following anything, looked at, and the next one opened in
//! it, so that what was looked at is what is read.

use crate::core::name;
use rustix::fd::OwnedFd;
use rustix::fs::{self, FileType, Mode, OFlags, Stat};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

/// No policy is longer.
const LIMIT: u64 = 16 << 20;
/// As the kernel's own limit.
const MAX_LINKS: usize = 40;
const OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// How much is asked of a file before it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// That it is a regular file: its reader acts with no other rights than who wrote it could have.
    Anybody,
    /// That root alone can change it or put another in its place.
    RootAlone,
}

impl Trust {
    /// What this process must ask.
    pub fn of_process() -> Trust {
        if rustix::process::geteuid().is_root() { Trust::RootAlone } else { Trust::Anybody }
    }
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Somebody else decides, or could decide, what it says.
    #[error("{path} {why}; root follows only what root alone can change")]
    Untrusted { path: String, why: String },
}

impl ReadError {
    fn untrusted(path: &Path, why: impl Into<String>) -> ReadError {
        ReadError::Untrusted { path: shown(path), why: why.into() }
    }
}

/// Reads a text file.
///
/// # Errors
/// It is not there, no regular file, larger than 16 MiB, not UTF-8, or not to be trusted.
pub fn read(path: &Path, trust: Trust) -> Result<String, ReadError> {
    let fd = match trust {
        Trust::Anybody => fs::open(path, READ, Mode::empty()).map_err(io::Error::from)?,
        Trust::RootAlone => open_as_root(path)?,
    };
    let stat = fs::fstat(&fd).map_err(io::Error::from)?;
    if kind(&stat) != FileType::RegularFile {
        return Err(irregular().into());
    }
    let mut text = String::new();
    std::fs::File::from(fd).take(LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 16 MiB").into());
    }
    Ok(text)
}

/// For a file that root follows although it may lie anywhere, such as a plan of its own in `/tmp`:
/// that it is root's, and nobody else can write it.
///
/// # Errors
/// It is not, and this process is root's.
pub fn check_owner(path: &Path, file: &std::fs::File) -> Result<(), ReadError> {
    let stat = fs::fstat(file).map_err(io::Error::from)?;
    let asked = Trust::of_process() == Trust::RootAlone && kind(&stat) == FileType::RegularFile;
    if asked && (stat.st_uid != 0 || stat.st_mode & OTHERS != 0) {
        return Err(ReadError::untrusted(path, "can be written by others"));
    }
    Ok(())
}

/// `NONBLOCK`: a fifo is refused, not waited for.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory on the way.
struct Passed {
    fd: OwnedFd,
    path: PathBuf,
    /// Others may create in it, and only the sticky bit keeps them from replacing what is there.
    shared: bool,
}

fn open_as_root(path: &Path) -> Result<OwnedFd, ReadError> {
    let mut above = vec![root()?];
    let mut todo: VecDeque<OsString> = parts(&std::path::absolute(path)?);
    let mut links = 0;
    while let Some(name) = todo.pop_front() {
        if name == ".." {
            if above.len() > 1 {
                above.pop();
            }
            continue;
        }
        let Some(at) = above.last() else { break };
        let path = at.path.join(&name);
        let fd =
            fs::openat(&at.fd, name.as_os_str(), LOOK, Mode::empty()).map_err(io::Error::from)?;
        let stat = fs::fstat(&fd).map_err(io::Error::from)?;
        // No owner and no mode would make a device, a fifo or a socket one that is read.
        if !matches!(kind(&stat), FileType::Directory | FileType::Symlink | FileType::RegularFile) {
            return Err(irregular().into());
        }
        if stat.st_uid != 0 {
            return Err(ReadError::untrusted(&path, format!("belongs to user {}", stat.st_uid)));
        }
        if kind(&stat) == FileType::Directory {
            above.push(passed(fd, path, &stat)?);
            continue;
        }
        // Others may give a name of their own in a shared directory to a file or link of root's.
        if at.shared {
            return Err(ReadError::untrusted(&at.path, "is a directory that others may write in"));
        }
        if kind(&stat) == FileType::Symlink {
            links += 1;
            if links > MAX_LINKS {
                return Err(io::Error::from(rustix::io::Errno::LOOP).into());
            }
            let target = fs::readlinkat(&fd, c"", Vec::new()).map_err(io::Error::from)?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            if target.is_absolute() {
                above.truncate(1);
            }
            for part in parts(&target).into_iter().rev() {
                todo.push_front(part);
            }
            continue;
        }
        if !todo.is_empty() {
            return Err(io::Error::from(rustix::io::Errno::NOTDIR).into());
        }
        let file = fs::openat(&at.fd, name.as_os_str(), READ | OFlags::NOFOLLOW, Mode::empty())
            .map_err(io::Error::from)?;
        let stat = fs::fstat(&file).map_err(io::Error::from)?;
        if stat.st_uid != 0 || stat.st_mode & OTHERS != 0 {
            return Err(ReadError::untrusted(&path, "can be written by others"));
        }
        return Ok(file);
    }
    Err(io::Error::from(rustix::io::Errno::ISDIR).into())
}

fn root() -> Result<Passed, ReadError> {
    let path = PathBuf::from("/");
    let fd = fs::open(&path, LOOK, Mode::empty()).map_err(io::Error::from)?;
    let stat = fs::fstat(&fd).map_err(io::Error::from)?;
    if stat.st_uid != 0 {
        return Err(ReadError::untrusted(&path, format!("belongs to user {}", stat.st_uid)));
    }
    passed(fd, path, &stat)
}

/// A directory of root's. The group's bit also stands for all that an ACL grants.
fn passed(fd: OwnedFd, path: PathBuf, stat: &Stat) -> Result<Passed, ReadError> {
    let shared = stat.st_mode & OTHERS != 0;
    if shared && stat.st_mode & STICKY == 0 {
        return Err(ReadError::untrusted(&path, "is a directory that others may write in"));
    }
    Ok(Passed { fd, path, shared })
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|c| match c {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::from_bytes(b"..").to_owned()),
        _ => None,
    });
    names.collect()
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn shown(path: &Path) -> String {
    name::encode(path.as_os_str().as_bytes()).into_owned()
}
