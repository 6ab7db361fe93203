//! The requests: each waits, does below what it asks for, and answers.

use crate::slow::{Slow, TTL, done, entry, lock, stamp};
use fuser::{
    Errno, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, KernelConfig, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs as below;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

impl Filesystem for Slow {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Two names in one directory are looked up at a time, as on any network file system. Closing
        // is a request in the background, of which the kernel allows 12 at a time unless told.
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        let _ = config.set_max_background(512);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.wait();
        entry(self.look(parent, name), reply);
    }

    fn getattr(&self, _: &Request, number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        self.wait();
        let of = match handle.and_then(|h| self.file(h).ok()) {
            Some(file) => file.metadata(),
            None => self.metadata(number),
        };
        match of {
            Ok(of) => reply.attr(&TTL, &self.attr(&of)),
            Err(e) => reply.error(e.into()),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.wait();
        let set = || {
            let path = self.path(number)?;
            if uid.is_some() || gid.is_some() {
                std::os::unix::fs::lchown(&path, uid, gid)?;
            }
            if let Some(mode) = mode {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777))?;
            }
            if let Some(size) = size {
                match handle.and_then(|h| self.file(h).ok()) {
                    Some(file) => file.set_len(size)?,
                    None => File::options().write(true).open(&path)?.set_len(size)?,
                }
            }
            if accessed.is_some() || modified.is_some() {
                let times = below::Timestamps {
                    last_access: stamp(accessed),
                    last_modification: stamp(modified),
                };
                let nofollow = below::AtFlags::SYMLINK_NOFOLLOW;
                below::utimensat(below::CWD, &path, &times, nofollow)?;
            }
            fs::symlink_metadata(&path)
        };
        match set() {
            Ok(of) => reply.attr(&TTL, &self.attr(&of)),
            Err(e) => reply.error(e.into()),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        use std::os::unix::ffi::OsStrExt as _;
        self.wait();
        match self.path(number).and_then(fs::read_link) {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(e) => reply.error(e.into()),
        }
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        self.wait();
        let make = || {
            let path = self.join(parent, name)?;
            fs::create_dir(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & !umask & 0o7777))?;
            self.own(&path, request)?;
            self.look(parent, name)
        };
        entry(make(), reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.wait();
        done(self.remove(parent, name, |p| fs::remove_file(p)), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.wait();
        done(self.remove(parent, name, |p| fs::remove_dir(p)), reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        self.wait();
        let make = || {
            let path = self.join(parent, name)?;
            std::os::unix::fs::symlink(target, &path)?;
            self.own(&path, request)?;
            self.look(parent, name)
        };
        entry(make(), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.wait();
        let rename = || {
            let (from, to) = (self.join(parent, name)?, self.join(new_parent, new_name)?);
            let flags = below::RenameFlags::from_bits_retain(flags.bits());
            let moved = fs::symlink_metadata(&from)?;
            let replaced = fs::symlink_metadata(&to).ok();
            below::renameat_with(below::CWD, &from, below::CWD, &to, flags)?;
            let mut nodes = lock(&self.nodes);
            nodes.moved(moved.ino(), new_parent.0, new_name);
            match replaced {
                Some(other) if flags.contains(below::RenameFlags::EXCHANGE) => {
                    nodes.moved(other.ino(), parent.0, name);
                }
                Some(other) if other.ino() != moved.ino() => nodes.gone(other.ino()),
                _ => {}
            }
            Ok(())
        };
        done(rename(), reply);
    }

    fn link(&self, _: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.wait();
        let make = || {
            fs::hard_link(self.path(number)?, self.join(parent, name)?)?;
            self.look(parent, name)
        };
        entry(make(), reply);
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.wait();
        let open = || {
            let truncates = below::OFlags::TRUNC.bits() as i32;
            let wants = flags.0 & 3;
            File::options()
                .read(wants != 1)
                .write(wants != 0)
                .custom_flags(flags.0 & (below::OFlags::APPEND.bits() as i32 | truncates))
                .open(self.path(number)?)
        };
        match open() {
            Ok(file) => reply.opened(self.opened(number, file), FopenFlags::empty()),
            Err(e) => reply.error(e.into()),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        self.wait();
        let create = || {
            let path = self.join(parent, name)?;
            let mut options = File::options();
            options.read(true).write(true).mode(mode & !umask & 0o7777);
            if flags & below::OFlags::EXCL.bits() as i32 != 0 {
                options.create_new(true);
            } else {
                options.create(true).truncate(flags & below::OFlags::TRUNC.bits() as i32 != 0);
            }
            let file = options.open(&path)?;
            self.own(&path, request)?;
            Ok::<_, io::Error>((file, self.look(parent, name)?))
        };
        match create() {
            Ok((file, (attr, generation))) => {
                let handle = self.opened(attr.ino, file);
                reply.created(&TTL, &attr, generation, handle, FopenFlags::empty());
            }
            Err(e) => reply.error(e.into()),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.wait();
        let read = || {
            let (file, mut out) = (self.file(handle)?, vec![0; size as usize]);
            let mut len = 0;
            while len < out.len() {
                match file.read_at(&mut out[len..], offset + len as u64)? {
                    0 => break,
                    n => len += n,
                }
            }
            out.truncate(len);
            Ok::<_, io::Error>(out)
        };
        match read() {
            Ok(out) => reply.data(&out),
            Err(e) => reply.error(e.into()),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.wait();
        match self.file(handle).and_then(|f| f.write_all_at(data, offset)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(e) => reply.error(e.into()),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Asked once at each closing, if not told that there is nothing to it: then never again.
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        lock(&self.open).files.remove(&handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, data: bool, reply: ReplyEmpty) {
        self.wait();
        let sync = |f: Arc<File>| if data { f.sync_data() } else { f.sync_all() };
        done(self.file(handle).and_then(sync), reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.wait();
        let mode = below::FallocateFlags::from_bits_retain(mode as u32);
        let allocate = |f: Arc<File>| Ok(below::fallocate(&*f, mode, offset, length)?);
        done(self.file(handle).and_then(allocate), reply);
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.wait();
        match self.listing(number) {
            Ok(listing) => {
                let mut open = lock(&self.open);
                open.next += 1;
                let handle = open.next;
                open.listings.insert(handle, Arc::new(listing));
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(e) => reply.error(e.into()),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.wait();
        // From the beginning again: as it is now.
        if offset == 0
            && let Ok(listing) = self.listing(number)
        {
            lock(&self.open).listings.insert(handle.0, Arc::new(listing));
        }
        let listing = lock(&self.open).listings.get(&handle.0).map(Arc::clone);
        let Some(listing) = listing else { return reply.error(Errno::EBADF) };
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        for (next, e) in (1..).zip(&*listing).skip(skip) {
            if reply.add(INodeNo(e.number), next, e.kind, &e.name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        lock(&self.open).listings.remove(&handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.wait();
        done(self.path(number).and_then(File::open).and_then(|d| d.sync_all()), reply);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.wait();
        let of = self.path(INodeNo::ROOT).and_then(|p| Ok(below::statvfs(p)?));
        match of {
            Ok(s) => reply.statfs(
                s.f_blocks,
                s.f_bfree,
                s.f_bavail,
                s.f_files,
                s.f_ffree,
                s.f_bsize as u32,
                s.f_namemax as u32,
                s.f_frsize as u32,
            ),
            Err(e) => reply.error(e.into()),
        }
    }
}
