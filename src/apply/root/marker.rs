//! `.retain/root.toml`: what makes a directory a root on purpose.
//!
//! An empty mount point has no marker, so nothing is ever deleted, or believed deleted, because a
//! disk was not there (T28).

use super::{Root, RootError, inner};
use crate::apply::calls::Calls;
use crate::apply::dir::{self, OURS};
use crate::apply::journal::spare;
use crate::core::model::Time;
use rustix::fd::{AsFd, BorrowedFd};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, CString};
use std::io;

pub(in crate::apply) const NAME: &CStr = c"root.toml";
const VERSION: u32 = 1;
const LIMIT: u64 = 64 * 1024;
/// So many former ids are kept.
const FORMER: usize = 16;

/// The content of `root.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub version: u32,
    /// 128 random bits in hex.
    pub id: String,
    /// RFC 3339.
    pub created: String,
    /// Who made it.
    pub uid: u32,
    /// Id of the file system it was made on; `0` where there is none (NFS).
    pub filesystem: String,
    /// Inode of the root directory when it was made.
    pub inode: u64,
    /// The ids it had at other places, the last one first: its journals and its trash came along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<String>,
}

/// The marker of a root; `None` if it has none.
///
/// # Errors
/// It is there and cannot be trusted: that is no directory to delete in.
pub(super) fn read(root: &Root) -> Result<Option<Marker>, RootError> {
    let Some(marker) = stored(root)? else { return Ok(None) };
    // Some file systems give themselves a new id at each boot; a copy also has another inode.
    let here = filesystem(root.fd())
        .map_err(|e| RootError::Marker { path: root.path.clone(), why: e.to_string() })?;
    if marker.filesystem != here && marker.inode != root.inode {
        return Err(RootError::Moved { path: root.path.clone() });
    }
    Ok(Some(marker))
}

/// The same, wherever it was made.
fn stored(root: &Root) -> Result<Option<Marker>, RootError> {
    let bad = |why: String| RootError::Marker { path: root.path.clone(), why };
    let ours = super::open_ours(root.fd())
        .map_err(|e| RootError::Ours { path: root.path.clone(), why: e.to_string() })?;
    let Some(ours) = ours else {
        return Ok(None);
    };
    let (bytes, stat) = match dir::read_file(ours.as_fd(), NAME, LIMIT) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(bad(e.to_string())),
    };
    let allowed = [0, rustix::process::geteuid().as_raw(), root.uid];
    if !allowed.contains(&stat.stx_uid) || stat.stx_mode & 0o002 != 0 {
        return Err(bad("it belongs to somebody else, or everybody may write it".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
    let marker: Marker = toml::from_str(&text).map_err(|e| bad(e.message().to_owned()))?;
    if marker.version > VERSION {
        return Err(bad(format!("it has version {}, this retain knows {VERSION}", marker.version)));
    }
    if marker.id.len() != 32 || !marker.id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad("its id is no id".to_owned()));
    }
    Ok(Some(marker))
}

/// Makes a directory a root: `.retain/` with `root.toml` and `journal/`. A root stays as it is; a
/// copy of one gets an id of its own.
///
/// # Errors
/// Refused by I1, or not writable.
pub fn init(
    path: &std::path::Path,
    home: Option<&std::path::Path>,
    now: Time,
    calls: &dyn Calls,
) -> Result<Root, RootError> {
    declare(path, home, now, calls).map(|(root, _)| root)
}

/// As [`init`], and says where no other root could be looked for.
///
/// # Errors
/// As [`init`].
pub fn declare(
    path: &std::path::Path,
    home: Option<&std::path::Path>,
    now: Time,
    calls: &dyn Calls,
) -> Result<(Root, Vec<String>), RootError> {
    let unread = match Root::open(path, home) {
        Ok(root) if root.id.is_some() => return Ok((root, Vec::new())),
        Ok(root) => write(&root, Vec::new(), now, calls)?,
        Err(RootError::Moved { .. }) => {
            let (fd, path) = super::open_dir(path)?;
            super::refuse::check(&path, fd.as_fd(), home)?;
            let io = |source| RootError::Io { path: path.clone(), source };
            let stat = dir::stat_fd(fd.as_fd()).map_err(io)?;
            let copy = Root::new(path.clone(), fd, &stat);
            let old = stored(&copy)?;
            let was = old.into_iter().flat_map(|old| [old.id].into_iter().chain(old.was));
            write(&copy, was.take(FORMER).collect(), now, calls)?
        }
        Err(e) => return Err(e),
    };
    Ok((Root::open(path, home)?, unread))
}

fn write(
    root: &Root,
    was: Vec<String>,
    now: Time,
    calls: &dyn Calls,
) -> Result<Vec<String>, RootError> {
    let unread = inner::refuse(root)?;
    let io = |source| RootError::Io { path: root.path.join(".retain"), source };
    let marker = Marker {
        version: VERSION,
        id: crate::apply::random_hex(16).map_err(io)?,
        created: now.to_string(),
        uid: rustix::process::geteuid().as_raw(),
        filesystem: filesystem(root.fd()).map_err(io)?,
        inode: root.inode,
        was,
    };
    let text = toml::to_string(&marker).map_err(|e| io(io::Error::other(e)))?;
    store(root, calls, text.as_bytes()).map_err(io)?;
    Ok(unread)
}

fn store(root: &Root, calls: &dyn Calls, text: &[u8]) -> io::Result<()> {
    make(calls, root.fd(), OURS)?;
    let ours = super::open_ours(root.fd())?.ok_or(io::ErrorKind::NotFound)?;
    make(calls, ours.as_fd(), c"journal")?;
    let name = CString::new(format!("root.toml.{}", crate::apply::random_hex(8)?))?;
    let file = calls.create(ours.as_fd(), &name, 0o644)?;
    calls.write(file.as_fd(), text, 0)?;
    calls.sync(file.as_fd())?;
    calls.rename(ours.as_fd(), &name, ours.as_fd(), NAME)?;
    calls.sync(ours.as_fd())?;
    calls.sync(root.fd())?;
    spare::keep(calls, dir::child(ours.as_fd(), c"journal")?.as_fd(), false);
    Ok(())
}

fn make(calls: &dyn Calls, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    match calls.mkdir(dir, name, 0o755) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Type and id of the file system, `0` for each that it does not tell.
fn filesystem(dir: BorrowedFd<'_>) -> io::Result<String> {
    let kind = rustix::fs::fstatfs(dir)?.f_type;
    let id = rustix::fs::fstatvfs(dir)?.f_fsid;
    Ok(format!("{kind:x}-{id:016x}"))
}
