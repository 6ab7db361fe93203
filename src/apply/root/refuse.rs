//! Directories that are never a root, told by what they are and not by how they are written.
//!
//! `/home/../`, a bind mount of `/etc` and `//` are all caught by device and inode.

use super::RootError;
use crate::apply::dir::{self, OURS};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Mode, OFlags};
use std::io;
use std::path::{Path, PathBuf};

/// Refused themselves; what lies below may be a root.
const SYSTEM: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/dev/shm",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/lost+found",
    "/media",
    "/mnt",
    "/nix",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/run/user",
    "/sbin",
    "/snap",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/src",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/mail",
    "/var/opt",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];

/// Refused with everything below.
const TREES: &[&str] = &[
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share",
    "/var/lib/dpkg",
    "/var/lib/rpm",
    "/var/lib/systemd",
];

/// More levels than any mounted tree has.
const MAX_ABOVE: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Id(u32, u32, u64);

/// I1: refuses system directories, homes, and roots inside roots.
pub(super) fn check(path: &Path, fd: BorrowedFd<'_>, home: Option<&Path>) -> Result<(), RootError> {
    let io = |source| RootError::Io { path: path.to_path_buf(), source };
    let own = id(fd).map_err(io)?;
    let system = |what: String| RootError::System { path: path.to_path_buf(), what };
    if let Some(dir) = SYSTEM.iter().find(|p| id_of(Path::new(p)) == Some(own)) {
        return Err(system(format!("the system directory {dir}")));
    }
    let at_home = |why| RootError::Home { path: path.to_path_buf(), why };
    // The Steam installer of 2015 deleted below "$STEAMROOT/" with the variable unset.
    if home.and_then(id_of) == Some(own) {
        return Err(at_home("$HOME"));
    }
    if homes().iter().filter_map(|h| id_of(h)).any(|h| h == own) {
        return Err(at_home("in /etc/passwd"));
    }
    let trees: Vec<Id> = TREES.iter().filter_map(|p| id_of(Path::new(p))).collect();
    let all_homes = id_of(Path::new("/home"));
    let mut at: Option<OwnedFd> = None;
    let mut at_id = own;
    for level in 0..MAX_ABOVE {
        let here = at.as_ref().map_or(fd, AsFd::as_fd);
        if trees.contains(&at_id) {
            return Err(system("part of the operating system".to_owned()));
        }
        if level == 1 && Some(at_id) == all_homes {
            return Err(at_home("it stands in /home"));
        }
        // T22: two roots that overlap would each think the other's checkpoints its own.
        if level > 0 && holds_marker(here).map_err(io)? {
            let outer = path.ancestors().nth(level).unwrap_or(path).to_path_buf();
            return Err(RootError::Nested { path: path.to_path_buf(), outer });
        }
        let up = fs::openat(here, c"..", UP, Mode::empty()).map_err(|e| io(e.into()))?;
        let up_id = id(up.as_fd()).map_err(io)?;
        if up_id == at_id {
            break;
        }
        (at, at_id) = (Some(up), up_id);
    }
    if [c".ssh", c".bashrc", c".profile"].iter().any(|n| matches!(dir::look(fd, n), Ok(Some(_)))) {
        return Err(at_home("it holds a shell's or ssh's files"));
    }
    Ok(())
}

/// The nearest root that a directory is or lies in; the path has no symlinks.
///
/// # Errors
/// It is no directory, or no descriptor is left.
pub fn around(dir: &Path) -> io::Result<Option<PathBuf>> {
    for above in dir.ancestors() {
        let fd = fs::openat(fs::CWD, above, UP, Mode::empty())?;
        if holds_marker(fd.as_fd())? {
            return Ok(Some(above.to_path_buf()));
        }
    }
    Ok(None)
}

const UP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether a directory is a root; one that we may not look into is none we could know of.
pub(super) fn holds_marker(dir: BorrowedFd<'_>) -> io::Result<bool> {
    let flags = UP | OFlags::NOFOLLOW;
    match fs::openat(dir, OURS, flags, Mode::empty()) {
        Ok(ours) => Ok(matches!(dir::look(ours.as_fd(), super::marker::NAME), Ok(Some(_)))),
        Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            Err(io::Error::other("too many open files"))
        }
        Err(_) => Ok(false),
    }
}

fn id(fd: BorrowedFd<'_>) -> io::Result<Id> {
    let stat = dir::stat_fd(fd)?;
    Ok(Id(stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
}

fn id_of(path: &Path) -> Option<Id> {
    let fd = fs::openat(fs::CWD, path, UP, Mode::empty()).ok()?;
    id(fd.as_fd()).ok()
}

fn homes() -> Vec<PathBuf> {
    let text = std::fs::read("/etc/passwd").unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.split(':').nth(5))
        .filter(|home| home.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}
