//! What deleting checkpoints safely costs at least: the looks, renames, removals and syncs that
//! docs/safety.md demands, made with plain calls, and nothing else.
//!
//! `floor DOOMED KEPT THREADS` reads two lists of absolute paths, each ended by a NUL, and removes the
//! first: what goes is looked at three times (against a plan, right before its rename, after it),
//! what stays four times; all go through a directory beside them. Whatever does all that and is not
//! slower than this is as fast as it can be; the difference to it is what `retain` could still save.

#![allow(clippy::print_stdout, reason = "it is a program of its own")]

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, StatxFlags};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

const DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Where checkpoints go before they are removed.
const TRASH: &CStr = c".floor";
const JOURNAL: &CStr = c".floor-journal";
/// As many sessions share one sync of the journal as in `retain`.
const BATCH: usize = 64;
const PURGE_BATCH: usize = 64;
/// Bytes of a journal for each checkpoint.
const RECORD: usize = 256;

/// A folder of checkpoints.
struct Session {
    fd: OwnedFd,
    doomed: Vec<CString>,
    kept: Vec<CString>,
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [doomed, kept, threads] = &args[..] else {
        return Err(io::Error::other("floor DOOMED KEPT THREADS"));
    };
    let threads = threads.parse().map_err(io::Error::other)?;
    let sessions = sessions(doomed, kept)?;
    let Some(first) = sessions.first() else { return Ok(()) };
    // On the same file system as the checkpoints, whose log its sync writes.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let journal = fs::openat(&first.fd, JOURNAL, flags, Mode::from(0o644))?;
    for batch in sessions.chunks(BATCH) {
        each(threads, batch, |s| {
            look_all(s.fd.as_fd(), &s.kept)?;
            look_all(s.fd.as_fd(), &s.doomed)
        })?;
        note(&journal, batch)?;
        let slots = each(threads, batch, shift)?;
        let moved: Vec<_> = batch.iter().zip(slots).collect();
        each(threads, &moved, |(s, slot)| {
            fs::fsync(slot)?;
            Ok(fs::fsync(&s.fd)?)
        })?;
    }
    note(&journal, &[])?;
    each(threads, &sessions, |s| look_all(s.fd.as_fd(), &s.kept))?;
    for batch in sessions.chunks(PURGE_BATCH) {
        note(&journal, batch)?;
        each(threads, batch, purge)?;
        each(threads, batch, |s| Ok(fs::fsync(&s.fd)?))?;
    }
    note(&journal, &[])?;
    each(threads, &sessions, |s| look_all(s.fd.as_fd(), &s.kept))?;
    fs::unlinkat(&first.fd, JOURNAL, AtFlags::empty())?;
    println!("{} checkpoints", sessions.iter().map(|s| s.doomed.len()).sum::<usize>());
    Ok(())
}

fn sessions(doomed: &str, kept: &str) -> io::Result<Vec<Session>> {
    let mut all: BTreeMap<Vec<u8>, (Vec<CString>, Vec<CString>)> = BTreeMap::new();
    for (list, goes) in [(doomed, true), (kept, false)] {
        for path in std::fs::read(list)?.split(|b| *b == 0).filter(|p| !p.is_empty()) {
            let cut = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
            let names = all.entry(path[..cut].to_vec()).or_default();
            let names = if goes { &mut names.0 } else { &mut names.1 };
            names.push(CString::new(&path[cut + 1..])?);
        }
    }
    let open = |(path, (doomed, kept)): (Vec<u8>, _)| {
        let fd = fs::open(OsStr::from_bytes(&path), DIR, Mode::empty())?;
        Ok(Session { fd, doomed, kept })
    };
    all.into_iter().filter(|(_, (doomed, _))| !doomed.is_empty()).map(open).collect()
}

/// The same for each item, on several threads.
fn each<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    f: impl Fn(&T) -> io::Result<R> + Sync,
) -> io::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        while let Some((i, item)) = Some(next.fetch_add(1, Ordering::Relaxed))
            .and_then(|i| items.get(i).map(|item| (i, item)))
        {
            mine.push((i, f(item)));
        }
        mine
    };
    let mut all: Vec<(usize, io::Result<R>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|t| t.join().ok()).flatten().collect()
    });
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, r)| r).collect()
}

fn note(journal: &OwnedFd, sessions: &[Session]) -> io::Result<()> {
    let items: usize = sessions.iter().map(|s| s.doomed.len()).sum();
    rustix::io::write(journal, &vec![b'x'; RECORD * (items + 1)])?;
    Ok(fs::fsync(journal)?)
}

/// A fresh slot, and each checkpoint into it: looked at, moved, looked at.
fn shift(s: &Session) -> io::Result<OwnedFd> {
    look_all(s.fd.as_fd(), &s.kept)?;
    fs::mkdirat(&s.fd, TRASH, Mode::RWXU)?;
    let slot = fs::openat(&s.fd, TRASH, DIR, Mode::empty())?;
    for name in &s.doomed {
        look(s.fd.as_fd(), name)?;
        fs::renameat_with(&s.fd, name, &slot, name, RenameFlags::NOREPLACE)?;
        look(slot.as_fd(), name)?;
    }
    Ok(slot)
}

fn purge(s: &Session) -> io::Result<()> {
    let slot = fs::openat(&s.fd, TRASH, DIR, Mode::empty())?;
    s.doomed.iter().try_for_each(|name| remove(slot.as_fd(), name))?;
    Ok(fs::unlinkat(&s.fd, TRASH, AtFlags::REMOVEDIR)?)
}

fn look_all(parent: BorrowedFd<'_>, names: &[CString]) -> io::Result<()> {
    names.iter().try_for_each(|name| look(parent, name))
}

/// Opens and lists a directory, and stats everything in it.
fn look(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    let fd = fs::openat(parent, name, DIR, Mode::empty())?;
    fs::statx(&fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    list(&fd, |name, kind| {
        if kind == FileType::Directory {
            return look(fd.as_fd(), name);
        }
        fs::statx(&fd, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
        Ok(())
    })
}

fn remove(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    let fd = fs::openat(parent, name, DIR, Mode::empty())?;
    list(&fd, |name, kind| match kind {
        FileType::Directory => remove(fd.as_fd(), name),
        _ => Ok(fs::unlinkat(&fd, name, AtFlags::empty())?),
    })?;
    Ok(fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn list(fd: &OwnedFd, mut each: impl FnMut(&CStr, FileType) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            each(name, entry.file_type())?;
        }
    }
    Ok(())
}
