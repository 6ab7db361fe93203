//! The operating system with one mishap at one call.

use retain::apply::calls::{Calls, Os};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The process dies before the call: it and all later calls do nothing.
    CrashBefore,
    /// The process dies after the call.
    CrashAfter,
    /// The call fails, once.
    Fail(Errno),
    /// The call and all later ones of its kind fail.
    FailEver(Errno),
    /// The call is done and says that it failed.
    DoneButFailed(Errno),
    /// The call does nothing and says that it succeeded.
    Lie,
}

/// [`Os`] with a mishap at the `at`-th call (from 0).
#[derive(Debug)]
pub struct Faulty {
    pub mishap: Mishap,
    pub at: usize,
    count: AtomicUsize,
    /// The kind of call that was hit.
    pub hit: Mutex<Option<&'static str>>,
    /// Every call so far, by kind; with the inode of the file that is written or synced.
    pub log: Mutex<Vec<(&'static str, u64)>>,
    /// The kinds of all calls that could fail, in their order.
    kinds: Mutex<Vec<&'static str>>,
}

impl Faulty {
    pub fn new(mishap: Mishap, at: usize) -> Faulty {
        Faulty {
            mishap,
            at,
            count: AtomicUsize::new(0),
            hit: Mutex::new(None),
            log: Mutex::default(),
            kinds: Mutex::default(),
        }
    }

    /// No mishap; only what was called is of interest.
    pub fn none() -> Faulty {
        Faulty::new(Mishap::Lie, usize::MAX)
    }

    /// What was called so far, and could fail.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.kinds.lock().unwrap().clone()
    }

    pub fn was_hit(&self) -> bool {
        self.hit.lock().unwrap().is_some()
    }

    fn note(&self, kind: &'static str, file: BorrowedFd<'_>) {
        let inode = rustix::fs::fstat(file).unwrap().st_ino;
        self.log.lock().unwrap().push((kind, inode));
    }

    fn call<T>(
        &self,
        kind: &'static str,
        nothing: Option<T>,
        real: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let n = self.count.fetch_add(1, Ordering::SeqCst);
        self.kinds.lock().unwrap().push(kind);
        let mut hit = self.hit.lock().unwrap();
        if n == self.at {
            *hit = Some(kind);
        }
        let same = *hit == Some(kind);
        let (before, here) = (n < self.at, n == self.at);
        drop(hit);
        let dead = || Err(Errno::IO.into());
        match self.mishap {
            _ if before => real(),
            Mishap::CrashAfter if here => real().and_then(|_| dead()),
            Mishap::CrashBefore | Mishap::CrashAfter => dead(),
            Mishap::Fail(e) if here => Err(e.into()),
            Mishap::FailEver(e) if same => Err(e.into()),
            Mishap::DoneButFailed(e) if here => real().and_then(|_| Err(e.into())),
            Mishap::Lie if here => nothing.map_or_else(real, Ok),
            _ => real(),
        }
    }
}

impl Calls for Faulty {
    fn rename_new(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        self.note("from", from);
        self.note("to", to);
        self.call("rename", Some(()), || Os.rename_new(from, name, to, to_name))
    }
    fn rename(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        self.call("rename", Some(()), || Os.rename(from, name, to, to_name))
    }
    fn link(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        self.call("link", Some(()), || Os.link(from, name, to, to_name))
    }
    fn mkdir(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<()> {
        self.call("mkdir", Some(()), || Os.mkdir(dir, name, mode))
    }
    fn unlink(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        self.call("unlink", Some(()), || Os.unlink(dir, name))
    }
    fn rmdir(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        self.call("rmdir", Some(()), || Os.rmdir(dir, name))
    }
    fn create(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<OwnedFd> {
        self.call("create", None, || Os.create(dir, name, mode))
    }
    fn write(&self, file: BorrowedFd<'_>, bytes: &[u8], at: u64) -> io::Result<()> {
        self.note("write", file);
        self.call("write", None, || Os.write(file, bytes, at))
    }
    fn reserve(&self, file: BorrowedFd<'_>, at: u64, len: u64) -> io::Result<()> {
        self.call("reserve", Some(()), || Os.reserve(file, at, len))
    }
    fn truncate(&self, file: BorrowedFd<'_>, len: u64) -> io::Result<()> {
        self.call("truncate", Some(()), || Os.truncate(file, len))
    }
    fn sync(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        self.note("sync", file);
        self.call("sync", Some(()), || Os.sync(file))
    }
    fn lock(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        Os.lock(file)
    }
    fn give(&self, file: BorrowedFd<'_>, uid: u32) -> io::Result<()> {
        self.call("give", Some(()), || Os.give(file, uid))
    }
}

/// Calls that are only passed on to the operating system.
macro_rules! passed_on {
    ($($call:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        $(fn $call(&self, $($arg: $type),*) -> $out {
            Os.$call($($arg),*)
        })*
    };
}

/// The same, but for the names that are left out.
macro_rules! os {
    (rename_new) => { passed_on! { rename_new(from: BorrowedFd<'_>, name: &CStr, to: BorrowedFd<'_>, to_name: &CStr) -> io::Result<()>; } };
    (unlink) => { passed_on! { unlink(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()>; } };
    (rmdir) => { passed_on! { rmdir(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()>; } };
    (mkdir) => { passed_on! { mkdir(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<()>; } };
    (lock) => { passed_on! { lock(file: BorrowedFd<'_>) -> io::Result<()>; } };
    (rest) => { passed_on! {
        rename(from: BorrowedFd<'_>, name: &CStr, to: BorrowedFd<'_>, to_name: &CStr) -> io::Result<()>;
        link(from: BorrowedFd<'_>, name: &CStr, to: BorrowedFd<'_>, to_name: &CStr) -> io::Result<()>;
        create(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<OwnedFd>;
        write(file: BorrowedFd<'_>, bytes: &[u8], at: u64) -> io::Result<()>;
        reserve(file: BorrowedFd<'_>, at: u64, len: u64) -> io::Result<()>;
        truncate(file: BorrowedFd<'_>, len: u64) -> io::Result<()>;
        sync(file: BorrowedFd<'_>) -> io::Result<()>;
        give(file: BorrowedFd<'_>, uid: u32) -> io::Result<()>;
    } };
}

/// [`Os`] with something else happening right before and right after the renames.
pub struct Meanwhile<F: Fn(Moment, usize) + Sync> {
    /// Told the moment, and how many renames there were before.
    pub then: F,
    renames: AtomicUsize,
    /// From the n-th on, so every attempt to lock fails.
    unlocked: Option<(usize, Errno)>,
    locks: AtomicUsize,
}

impl Meanwhile<fn(Moment, usize)> {
    /// Nothing happens, but the file system has no locks.
    pub fn without_locks() -> Self {
        Meanwhile::with_locks_failing(0, Errno::NOLCK)
    }

    /// Nothing happens, but from the n-th on (from 0) all locks fail.
    pub fn with_locks_failing(from: usize, errno: Errno) -> Self {
        Meanwhile { unlocked: Some((from, errno)), ..Meanwhile::new(|_, _| {}) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

impl<F: Fn(Moment, usize) + Sync> Meanwhile<F> {
    pub fn new(then: F) -> Self {
        let (renames, locks) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Meanwhile { then, renames, unlocked: None, locks }
    }
}

impl<F: Fn(Moment, usize) + Sync> Calls for Meanwhile<F> {
    fn rename_new(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        let n = self.renames.fetch_add(1, Ordering::SeqCst);
        (self.then)(Moment::Before, n);
        let done = Os.rename_new(from, name, to, to_name);
        (self.then)(Moment::After, n);
        done
    }
    fn lock(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        let n = self.locks.fetch_add(1, Ordering::SeqCst);
        match self.unlocked {
            Some((from, errno)) if n >= from => Err(errno.into()),
            _ => Os.lock(file),
        }
    }
    os!(unlink);
    os!(rmdir);
    os!(mkdir);
    os!(rest);
}

/// [`Os`] with something happening after each file is unlinked, in its directory.
pub struct OnUnlink<F: Fn(BorrowedFd<'_>) + Sync>(pub F);

impl<F: Fn(BorrowedFd<'_>) + Sync> Calls for OnUnlink<F> {
    fn unlink(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        Os.unlink(dir, name)?;
        (self.0)(dir);
        Ok(())
    }
    os!(rename_new);
    os!(rmdir);
    os!(lock);
    os!(mkdir);
    os!(rest);
}

/// [`Os`] with something happening before each directory is removed, to it.
pub struct OnRmdir<F: Fn(BorrowedFd<'_>, &CStr) + Sync>(pub F);

impl<F: Fn(BorrowedFd<'_>, &CStr) + Sync> Calls for OnRmdir<F> {
    fn rmdir(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        (self.0)(dir, name);
        Os.rmdir(dir, name)
    }
    os!(rename_new);
    os!(unlink);
    os!(lock);
    os!(mkdir);
    os!(rest);
}

/// [`Os`] with something happening after each directory is made; told how many there were before.
pub struct OnMkdir<F: Fn(usize) + Sync> {
    then: F,
    made: AtomicUsize,
}

impl<F: Fn(usize) + Sync> OnMkdir<F> {
    pub fn new(then: F) -> Self {
        OnMkdir { then, made: AtomicUsize::new(0) }
    }
}

impl<F: Fn(usize) + Sync> Calls for OnMkdir<F> {
    fn mkdir(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<()> {
        Os.mkdir(dir, name, mode)?;
        (self.then)(self.made.fetch_add(1, Ordering::SeqCst));
        Ok(())
    }
    os!(rename_new);
    os!(unlink);
    os!(rmdir);
    os!(lock);
    os!(rest);
}
