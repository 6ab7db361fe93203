//! Opens directories below the root without trusting a single name on the way.
//!
//! A path that was safe when it was checked can be a symlink to `/` when it is used. So nothing is
//! checked and then used: a directory is opened in a way that cannot leave the root, follow a
//! symlink or cross a mount, and all that follows is relative to its descriptor (I18, I19, I20).

use crate::core::name;
use crate::store::{listing, local};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::sync::OnceLock;

/// Bytes of directory entries asked for at a time.
const LISTING_BUFFER: usize = 32 << 10;
/// The directory of our own state, in a root and beside checkpoints.
pub const OURS: &CStr = c".retain";

/// A directory below the root: plain components, none of them `.`, `..` or our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rel(Vec<CString>);

/// Why a plan's path is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path of a checkpoint below the root: {why}")]
pub struct BadPath {
    pub path: String,
    pub why: &'static str,
}

impl Rel {
    /// Reads a path as plans write it; `.` and the empty text are the root itself.
    ///
    /// # Errors
    /// Absolute, with `.`, `..` or empty components, with NUL, or into `.retain` (N16).
    pub fn parse(text: &str) -> Result<Rel, BadPath> {
        let bad = |why| BadPath { path: text.to_owned(), why };
        if text.is_empty() || text == "." {
            return Ok(Rel::default());
        }
        let mut parts = Vec::new();
        for part in name::decode(text).split(|b| *b == b'/') {
            match part {
                b"" => return Err(bad("it has an empty component, or is absolute")),
                b"." | b".." => return Err(bad("it has a `.` or `..` component")),
                b".retain" => return Err(bad("it lies in `.retain`")),
                _ => parts.push(CString::new(part).map_err(|_| bad("it holds a NUL"))?),
            }
        }
        Ok(Rel(parts))
    }

    /// A path below the root as the disk has it; empty for the root. `None` if it is none of that
    /// kind.
    pub(super) fn of_bytes(path: &[u8]) -> Option<Rel> {
        Rel::parse(&name::encode(path)).ok()
    }

    /// Goes up to the directory that holds it, and gives its name there; `None` for the root.
    pub fn pop(&mut self) -> Option<CString> {
        self.0.pop()
    }

    /// A path one level deeper.
    #[must_use]
    pub fn join(&self, name: CString) -> Rel {
        Rel(self.0.iter().cloned().chain([name]).collect())
    }

    pub fn components(&self) -> &[CString] {
        &self.0
    }
}

impl fmt::Display for Rel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        let joined = self.0.iter().map(|c| c.to_bytes()).collect::<Vec<_>>().join(&b'/');
        f.write_str(&name::encode(&joined))
    }
}

/// How directories are opened here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `openat2` resolves a whole path under all restrictions at once.
    Openat2,
    /// One component at a time, with `O_NOFOLLOW` and a look at each one's mount.
    Components,
}

/// Chosen once per process, by asking the kernel.
pub fn how() -> How {
    static HOW: OnceLock<How> = OnceLock::new();
    *HOW.get_or_init(|| {
        let probe =
            rustix::io::retry_on_intr(|| fs::openat2(fs::CWD, c".", PROBE, Mode::empty(), STRICT));
        let how = by_probe(probe.map(drop));
        tracing::debug!(?how, "opening directories below the root");
        how
    })
}

fn by_probe(probe: rustix::io::Result<()>) -> How {
    match probe {
        // Seccomp filters of containers answer EPERM for calls they do not know.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => How::Components,
        _ => How::Openat2,
    }
}

/// I19, for what is opened without `openat2`; for reading, which is no flag.
const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Asks whether there is `openat2`, where the current directory cannot be read too.
const PROBE: OFlags = DIR.union(OFlags::PATH);
/// I18, I19, I20, in one call that nobody can come between.
const STRICT: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);
/// Room for one resolution; a longer path is resolved in several (N9).
const MAX_PATH: usize = 3000;

/// Opens `rel` below `root`, for reading its entries and for fsync.
///
/// # Errors
/// A component is missing, no directory, a symlink, or on another mount.
pub fn open(root: BorrowedFd<'_>, rel: &Rel, how: How) -> io::Result<OwnedFd> {
    if rel.0.is_empty() {
        return step(root, c".", how);
    }
    match how {
        How::Components => {
            let mut at = step(root, &rel.0[0], how)?;
            for part in &rel.0[1..] {
                at = step(at.as_fd(), part, how)?;
            }
            Ok(at)
        }
        How::Openat2 => {
            let at = resolve(root, rel)?;
            // T10: a btrfs subvolume is no mount for the kernel, and another file system for us.
            if mount(root)? != mount(at.as_fd())? {
                return Err(Errno::XDEV.into());
            }
            Ok(at)
        }
    }
}

/// As [`open`], to be listed only: subvolumes are entered too.
///
/// # Errors
/// As [`open`].
pub fn open_to_list(root: BorrowedFd<'_>, rel: &Rel) -> io::Result<OwnedFd> {
    match how() {
        How::Openat2 if !rel.0.is_empty() => resolve(root, rel),
        how => open(root, rel, how),
    }
}

fn resolve(root: BorrowedFd<'_>, rel: &Rel) -> io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    for path in pieces(&rel.0) {
        let from = at.as_ref().map_or(root, AsFd::as_fd);
        let next = openat2(from, &path)?;
        at = Some(next);
    }
    at.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// A path in as few pieces as the kernel takes.
fn pieces(components: &[CString]) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for component in components {
        let component = component.to_bytes();
        match pieces.last_mut() {
            Some(path) if path.len() + 1 + component.len() <= MAX_PATH => {
                path.push(b'/');
                path.extend_from_slice(component);
            }
            _ => pieces.push(component.to_vec()),
        }
    }
    pieces
}

/// Opens one entry of a directory, which must be a directory on the same mount.
///
/// # Errors
/// As [`open`].
pub fn step(dir: BorrowedFd<'_>, name: &CStr, how: How) -> io::Result<OwnedFd> {
    if how == How::Openat2 {
        return openat2(dir, name.to_bytes());
    }
    let fd = retry(|| fs::openat(dir, name, DIR, Mode::empty()))?;
    // I20, as the kernel tells it without `openat2`.
    if mount(dir)? != mount(fd.as_fd())? {
        return Err(Errno::XDEV.into());
    }
    Ok(fd)
}

/// [`step`] in the way this process chose.
///
/// # Errors
/// As [`open`].
pub fn child(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    step(dir, name, how())
}

fn openat2(dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    // EAGAIN: a rename elsewhere made the kernel unsure; bounded, against somebody who never stops.
    for _ in 0..128 {
        match retry(|| fs::openat2(dir, path, DIR, Mode::empty(), STRICT)) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN.into())
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(&mut call)?)
}

/// What tells one mount from another: its id, and the device (btrfs subvolumes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountId(u64, u32, u32);

/// # Errors
/// The kernel gives no mount ids, neither by `statx` nor in `/proc`.
pub fn mount(dir: BorrowedFd<'_>) -> io::Result<MountId> {
    mount_of(&stat_fd(dir)?, || mount_by_proc(dir))
}

fn mount_of(stat: &Statx, by_proc: impl FnOnce() -> io::Result<u64>) -> io::Result<MountId> {
    let told = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::MNT_ID);
    let id = if told { stat.stx_mnt_id } else { by_proc()? };
    Ok(MountId(id, stat.stx_dev_major, stat.stx_dev_minor))
}

/// Kernels before 5.8 tell the mount id of a descriptor only here.
fn mount_by_proc(dir: BorrowedFd<'_>) -> io::Result<u64> {
    use rustix::fd::AsRawFd as _;
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", dir.as_raw_fd()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        .ok_or_else(|| io::Error::other("the kernel does not tell mounts apart"))
}

/// I19: a symlink, and a place where something would be mounted, as they are.
const ITSELF: AtFlags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);
const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// # Errors
/// As `statx`.
pub fn stat_fd(fd: BorrowedFd<'_>) -> io::Result<Statx> {
    retry(|| fs::statx(fd, c"", AtFlags::EMPTY_PATH, WANTED))
}

/// The entry itself, not what a symlink leads to; `None` if there is none.
///
/// # Errors
/// As `statx`, but for a missing entry.
pub fn look(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<Statx>> {
    match retry(|| fs::statx(dir, name, ITSELF, WANTED)) {
        Ok(stat) => Ok(Some(stat)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Where a directory lies, to be shown: nothing is ever opened by it.
pub fn shown(dir: BorrowedFd<'_>) -> String {
    let path = local::absolute(dir);
    path.map_or_else(|| ".retain".to_owned(), name::encode_owned)
}

pub fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

/// Names in a directory, sorted, without `.` and `..`.
///
/// # Errors
/// Any entry that cannot be read.
pub fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut out = Vec::new();
    // A descriptor of its own: the one given stands wherever it was read to.
    let own = retry(|| fs::openat(dir, c".", DIR, Mode::empty()))?;
    let mut buffer: Vec<u8> = Vec::with_capacity(LISTING_BUFFER);
    listing::read(&mut RawDir::new(&own, buffer.spare_capacity_mut()), |entry| {
        out.push(entry.name.to_owned());
        Ok(())
    })?;
    out.sort_unstable();
    Ok(out)
}

/// I31: neither a symlink nor a pipe without a writer leads anywhere else.
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// A regular file of at most `limit` bytes, opened without following or blocking (I31).
///
/// # Errors
/// Missing, something else than a file, too long, or unreadable.
pub fn read_file(dir: BorrowedFd<'_>, name: &CStr, limit: u64) -> io::Result<(Vec<u8>, Statx)> {
    let (bytes, stat) = read_head(dir, name, limit)?;
    if stat.stx_size > limit {
        return Err(io::Error::other("larger than any file of its kind"));
    }
    Ok((bytes, stat))
}

/// The first `limit` bytes of a regular file.
///
/// # Errors
/// As [`read_file`], but for its length.
pub fn read_head(dir: BorrowedFd<'_>, name: &CStr, limit: u64) -> io::Result<(Vec<u8>, Statx)> {
    use std::io::Read as _;
    let fd = retry(|| fs::openat(dir, name, FILE, Mode::empty()))?;
    let stat = stat_fd(fd.as_fd())?;
    if kind(&stat) != FileType::RegularFile {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::from(fd).take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, stat))
}

#[cfg(test)]
mod tests;
