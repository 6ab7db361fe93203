//! The directory below, and what requests have in common: numbers, open files, answers.

use crate::nodes::{Nodes, ROOT};
use fuser::{
    FileAttr, FileHandle, FileType, Generation, INodeNo, ReplyEmpty, ReplyEntry, Request, TimeOrNow,
};
use rustix::fs as below;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the kernel may believe an answer.
pub const TTL: Duration = Duration::ZERO;

pub struct Slow {
    pub delay: Duration,
    /// The root's number below.
    pub root: u64,
    pub nodes: Mutex<Nodes>,
    pub open: Mutex<Open>,
}

#[derive(Default)]
pub struct Open {
    pub next: u64,
    /// Each with its number.
    pub files: HashMap<u64, (u64, Arc<File>)>,
    pub listings: HashMap<u64, Arc<Vec<Listed>>>,
}

pub struct Listed {
    pub number: u64,
    pub kind: FileType,
    pub name: OsString,
}

impl Slow {
    pub fn new(source: &Path, delay: Duration) -> io::Result<Slow> {
        let source = source.canonicalize()?;
        let root = fs::metadata(&source)?.ino();
        let (nodes, open) = (Mutex::new(Nodes::new(&source)), Mutex::default());
        Ok(Slow { delay, root, nodes, open })
    }

    pub fn wait(&self) {
        std::thread::sleep(self.delay);
    }

    pub fn path(&self, number: INodeNo) -> io::Result<PathBuf> {
        lock(&self.nodes).path(number.0)
    }

    pub fn join(&self, parent: INodeNo, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.path(parent)?.join(name))
    }

    pub fn number(&self, inode: u64) -> u64 {
        if inode == self.root { ROOT } else { inode }
    }

    /// What a name is now.
    pub fn look(&self, parent: INodeNo, name: &OsStr) -> io::Result<(FileAttr, Generation)> {
        let attr = self.attr(&fs::symlink_metadata(self.join(parent, name)?)?);
        let generation = lock(&self.nodes).found(attr.ino.0, parent.0, name);
        Ok((attr, Generation(generation)))
    }

    pub fn attr(&self, of: &Metadata) -> FileAttr {
        FileAttr {
            ino: INodeNo(self.number(of.ino())),
            size: of.size(),
            blocks: of.blocks(),
            atime: time(of.atime(), of.atime_nsec()),
            mtime: time(of.mtime(), of.mtime_nsec()),
            ctime: time(of.ctime(), of.ctime_nsec()),
            crtime: UNIX_EPOCH,
            kind: kind(of.file_type()),
            perm: (of.mode() & 0o7777) as u16,
            nlink: of.nlink() as u32,
            uid: of.uid(),
            gid: of.gid(),
            rdev: of.rdev() as u32,
            blksize: 4096,
            flags: 0,
        }
    }

    pub fn file(&self, handle: FileHandle) -> io::Result<Arc<File>> {
        let known = lock(&self.open).files.get(&handle.0).map(|(_, file)| Arc::clone(file));
        known.ok_or_else(|| io::Error::from_raw_os_error(below_errno(rustix::io::Errno::BADF)))
    }

    pub fn opened(&self, number: INodeNo, file: File) -> FileHandle {
        let mut open = lock(&self.open);
        open.next += 1;
        let handle = open.next;
        open.files.insert(handle, (number.0, Arc::new(file)));
        FileHandle(handle)
    }

    /// What a number is now; the kernel asks so for files that are open and have no name any more.
    pub fn metadata(&self, number: INodeNo) -> io::Result<Metadata> {
        let by_path = self.path(number).and_then(fs::symlink_metadata);
        by_path.or_else(|e| {
            let open = lock(&self.open);
            let file = open.files.values().find(|(n, _)| *n == number.0);
            file.ok_or(e)?.1.metadata()
        })
    }

    pub fn listing(&self, number: INodeNo) -> io::Result<Vec<Listed>> {
        let path = self.path(number)?;
        let above = path.parent().unwrap_or(&path);
        let listed = |name: &str, inode| Listed {
            number: self.number(inode),
            kind: FileType::Directory,
            name: name.into(),
        };
        let above = if number.0 == ROOT { &path } else { above };
        let mut all =
            vec![listed(".", fs::metadata(&path)?.ino()), listed("..", fs::metadata(above)?.ino())];
        for entry in fs::read_dir(&path)? {
            use std::os::unix::fs::DirEntryExt as _;
            let entry = entry?;
            let number = self.number(entry.ino());
            all.push(Listed { number, kind: kind(entry.file_type()?), name: entry.file_name() });
        }
        Ok(all)
    }

    pub fn own(&self, path: &Path, request: &Request) -> io::Result<()> {
        std::os::unix::fs::lchown(path, Some(request.uid()), Some(request.gid()))
    }

    /// Removes a name; `how` does it below.
    pub fn remove(
        &self,
        parent: INodeNo,
        name: &OsStr,
        how: fn(PathBuf) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.join(parent, name)?;
        let was = fs::symlink_metadata(&path)?;
        how(path)?;
        let mut nodes = lock(&self.nodes);
        if was.is_dir() || was.nlink() < 2 {
            nodes.gone(was.ino());
        } else {
            nodes.unlinked(was.ino(), parent.0, name);
        }
        Ok(())
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn below_errno(e: rustix::io::Errno) -> i32 {
    e.raw_os_error()
}

pub fn time(secs: i64, nanos: i64) -> SystemTime {
    let nanos = Duration::from_nanos(nanos as u64);
    match u64::try_from(secs) {
        Ok(secs) => UNIX_EPOCH + Duration::from_secs(secs) + nanos,
        Err(_) => UNIX_EPOCH - Duration::from_secs(secs.unsigned_abs()) + nanos,
    }
}

pub fn kind(of: fs::FileType) -> FileType {
    match of {
        k if k.is_dir() => FileType::Directory,
        k if k.is_symlink() => FileType::Symlink,
        k if k.is_fifo() => FileType::NamedPipe,
        k if k.is_socket() => FileType::Socket,
        k if k.is_block_device() => FileType::BlockDevice,
        k if k.is_char_device() => FileType::CharDevice,
        _ => FileType::RegularFile,
    }
}

/// As `utimensat` has it.
pub fn stamp(time: Option<TimeOrNow>) -> below::Timespec {
    let special = |tv_nsec| below::Timespec { tv_sec: 0, tv_nsec };
    match time {
        None => special(below::UTIME_OMIT.into()),
        Some(TimeOrNow::Now) => special(below::UTIME_NOW.into()),
        Some(TimeOrNow::SpecificTime(at)) => match at.duration_since(UNIX_EPOCH) {
            Ok(since) => below::Timespec {
                tv_sec: since.as_secs() as i64,
                tv_nsec: since.subsec_nanos().into(),
            },
            Err(e) => below::Timespec { tv_sec: -(e.duration().as_secs() as i64), tv_nsec: 0 },
        },
    }
}

/// Answers a request that has nothing to say but whether it worked.
pub fn done(result: io::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(e.into()),
    }
}

pub fn entry(result: io::Result<(FileAttr, Generation)>, reply: ReplyEntry) {
    match result {
        Ok((attr, generation)) => reply.entry(&TTL, &attr, generation),
        Err(e) => reply.error(e.into()),
    }
}
