//! The operating system with one mishap at one call, and a memory of what is not yet on disk.

use retain::apply::calls::{Calls, Os};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happens at the k-th call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the call: it and all later calls do nothing.
    CrashBefore,
    CrashAfter,
    /// The machine dies before the call. File contents that were not synced are lost; of the
    /// changes to directories that were not synced the first `keep` (modulo their number) stay, in
    /// their order, as with a file system that has a log.
    PowerCut {
        keep: usize,
    },
    Fail(Errno),
    /// The call is done and says that it failed.
    DoneButFailed(Errno),
    /// The call does nothing and says that it succeeded.
    Lie,
}

/// A protocol that is wrong on purpose, to see whether the checker notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// No fsync reaches the disk.
    NoSync,
    /// Journal records of this kind are never written.
    Forgets(&'static str),
    /// A part called `.index` moves only after its `.data`.
    WrongOrder,
    /// Renames land on whatever is there.
    Overwrites,
}

/// Somebody else's deed in the middle of a command.
type Deed<'a> = Box<dyn FnOnce() + Send + 'a>;

pub struct Disk<'a> {
    fault: Option<(usize, Fault)>,
    broken: Option<Broken>,
    state: Mutex<State<'a>>,
}

#[derive(Default)]
struct State<'a> {
    calls: usize,
    dead: bool,
    hit: bool,
    meanwhile: Option<(usize, Deed<'a>)>,
    unsynced: Vec<Change>,
    /// Where removed things wait until their removal is synced.
    graveyard: Option<OwnedFd>,
    graves: usize,
    /// A rename that [`Broken::WrongOrder`] put off.
    late: Option<(OwnedFd, CString, OwnedFd)>,
}

/// A change that a power cut would take back.
enum Change {
    Moved { from: Side, to: Side },
    Made(Side),
    Removed { from: Side, grave: CString },
    Written { file: OwnedFd, inode: u64, at: u64, len: usize, size: u64 },
}

/// A name in a directory, and whether that directory was synced since.
struct Side {
    dir: OwnedFd,
    inode: u64,
    name: CString,
    synced: bool,
}

fn inode(fd: BorrowedFd<'_>) -> u64 {
    fs::fstat(fd).unwrap().st_ino
}

impl Side {
    fn new(dir: BorrowedFd<'_>, name: &CStr) -> Side {
        let dir = dir.try_clone_to_owned().unwrap();
        Side { inode: inode(dir.as_fd()), dir, name: name.to_owned(), synced: false }
    }
}

impl Change {
    /// Notes that a file or directory was synced; `true` once nothing can take the change back.
    fn synced(&mut self, synced: u64) -> bool {
        let mark = |side: &mut Side| {
            side.synced |= side.inode == synced;
            side.synced
        };
        match self {
            Change::Moved { from, to } => mark(from) & mark(to),
            Change::Made(side) | Change::Removed { from: side, .. } => mark(side),
            Change::Written { inode, .. } => *inode == synced,
        }
    }

    /// Takes it back, where what came later lets it.
    fn revert(self, graveyard: BorrowedFd<'_>) {
        let back = |from: BorrowedFd<'_>, name: &CStr, to: &Side| {
            let _ = fs::renameat_with(from, name, &to.dir, &to.name, fs::RenameFlags::NOREPLACE);
        };
        match self {
            Change::Moved { from, to } => back(to.dir.as_fd(), &to.name, &from),
            Change::Removed { from, grave } => back(graveyard, &grave, &from),
            Change::Made(side) => {
                for flags in [fs::AtFlags::empty(), fs::AtFlags::REMOVEDIR] {
                    let _ = fs::unlinkat(&side.dir, &side.name, flags);
                }
            }
            Change::Written { file, at, len, size, .. } => {
                let _ = rustix::io::pwrite(&file, &vec![0; len], at);
                let _ = fs::ftruncate(&file, size.max(at));
            }
        }
    }
}

impl<'a> Disk<'a> {
    /// `graveyard` is where a power cut finds what was removed; on the same file system.
    pub fn new(
        fault: Option<(usize, Fault)>,
        broken: Option<Broken>,
        graveyard: OwnedFd,
    ) -> Disk<'a> {
        let state = State { graveyard: Some(graveyard), ..State::default() };
        Disk { fault, broken, state: Mutex::new(state) }
    }

    /// Something that happens right before the `at`-th call.
    pub fn meanwhile(self, at: usize, deed: impl FnOnce() + Send + 'a) -> Disk<'a> {
        self.state().meanwhile = Some((at, Box::new(deed)));
        self
    }

    /// The fault, or the deed, took place.
    pub fn was_hit(&self) -> bool {
        self.state().hit
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(
        &self,
        nothing: Option<T>,
        real: impl FnOnce() -> io::Result<T>,
        change: impl FnOnce() -> Option<Change>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let n = state.calls;
        state.calls += 1;
        if state.meanwhile.as_ref().is_some_and(|(at, _)| *at == n) {
            state.hit = true;
            if let Some((_, deed)) = state.meanwhile.take() {
                deed();
            }
        }
        let power = matches!(self.fault, Some((_, Fault::PowerCut { .. })));
        let here = self.fault.filter(|(at, _)| *at == n).map(|(_, fault)| fault);
        state.hit |= here.is_some();
        let dead = || Err(Errno::IO.into());
        if state.dead {
            return dead();
        }
        let act = || {
            let change = if power { change() } else { None };
            let done = real()?;
            state.unsynced.extend(change);
            Ok(done)
        };
        match here {
            None => act(),
            Some(Fault::Fail(e)) => Err(e.into()),
            Some(Fault::Lie) => nothing.map_or_else(act, Ok),
            Some(Fault::DoneButFailed(e)) => act().and_then(|_: T| Err(e.into())),
            Some(Fault::CrashBefore) => {
                state.dead = true;
                dead()
            }
            Some(Fault::CrashAfter) => {
                let _ = act();
                state.dead = true;
                dead()
            }
            Some(Fault::PowerCut { keep }) => {
                state.lose_power(keep);
                dead()
            }
        }
    }

    fn remove(
        &self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        real: impl Fn() -> io::Result<()>,
        flags: fs::AtFlags,
    ) -> io::Result<()> {
        let grave = {
            let mut state = self.state();
            state.graves += 1;
            CString::new(format!("{}", state.graves)).unwrap()
        };
        let yard = self.state().graveyard.as_ref().map(|g| g.as_fd().try_clone_to_owned().unwrap());
        let power = matches!(self.fault, Some((_, Fault::PowerCut { .. })));
        let bury = || match &yard {
            // A rename keeps the inode, so that it can rise again; the rest is as when removed.
            Some(yard) if power => {
                let stat = fs::statat(dir, name, fs::AtFlags::SYMLINK_NOFOLLOW)?;
                let is_dir = fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::Directory;
                if is_dir != (flags == fs::AtFlags::REMOVEDIR) {
                    return Err(if is_dir { Errno::ISDIR } else { Errno::NOTDIR }.into());
                }
                if is_dir {
                    let fd = fs::openat(dir, name, fs::OFlags::DIRECTORY, fs::Mode::empty())?;
                    if fs::Dir::read_from(&fd)?.count() > 2 {
                        return Err(Errno::NOTEMPTY.into());
                    }
                }
                Ok(fs::renameat(dir, name, yard, &grave)?)
            }
            _ => real(),
        };
        let removed = || Some(Change::Removed { from: Side::new(dir, name), grave: grave.clone() });
        self.call(Some(()), bury, removed)
    }

    fn moved(from: BorrowedFd<'_>, name: &CStr, to: BorrowedFd<'_>, to_name: &CStr) -> Change {
        Change::Moved { from: Side::new(from, name), to: Side::new(to, to_name) }
    }
}

impl State<'_> {
    fn lose_power(&mut self, keep: usize) {
        self.dead = true;
        let Some(graveyard) = &self.graveyard else { return };
        let (data, names): (Vec<Change>, Vec<Change>) =
            self.unsynced.drain(..).partition(|c| matches!(c, Change::Written { .. }));
        let keep = keep % (names.len() + 1);
        let lost = names.into_iter().skip(keep).collect::<Vec<_>>();
        data.into_iter().chain(lost).rev().for_each(|c| c.revert(graveyard.as_fd()));
    }
}

impl Calls for Disk<'_> {
    fn rename_new(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().unwrap();
        if self.broken == Some(Broken::WrongOrder) {
            if name.to_bytes().ends_with(b".index") {
                self.state().late = Some((own(from), name.to_owned(), own(to)));
                return Ok(());
            }
            let late = self.state().late.take();
            if let Some((from_late, index, to_late)) = late {
                let data = || Os.rename_new(from, name, to, to_name);
                self.call(Some(()), data, || None)?;
                let index = || Os.rename_new(from_late.as_fd(), &index, to_late.as_fd(), &index);
                return self.call(Some(()), index, || None);
            }
        }
        let real = || match self.broken {
            Some(Broken::Overwrites) => Os.rename(from, name, to, to_name),
            _ => Os.rename_new(from, name, to, to_name),
        };
        self.call(Some(()), real, || Some(Disk::moved(from, name, to, to_name)))
    }

    fn rename(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        let real = || Os.rename(from, name, to, to_name);
        self.call(Some(()), real, || Some(Disk::moved(from, name, to, to_name)))
    }

    fn link(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        to_name: &CStr,
    ) -> io::Result<()> {
        let made = || Some(Change::Made(Side::new(to, to_name)));
        self.call(Some(()), || Os.link(from, name, to, to_name), made)
    }

    fn mkdir(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<()> {
        let made = || Some(Change::Made(Side::new(dir, name)));
        self.call(Some(()), || Os.mkdir(dir, name, mode), made)
    }

    fn unlink(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        self.remove(dir, name, || Os.unlink(dir, name), fs::AtFlags::empty())
    }

    fn rmdir(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        self.remove(dir, name, || Os.rmdir(dir, name), fs::AtFlags::REMOVEDIR)
    }

    fn create(&self, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<OwnedFd> {
        let made = || Some(Change::Made(Side::new(dir, name)));
        self.call(None, || Os.create(dir, name, mode), made)
    }

    fn write(&self, file: BorrowedFd<'_>, bytes: &[u8], at: u64) -> io::Result<()> {
        if let Some(Broken::Forgets(kind)) = self.broken {
            let kind = format!("\"k\":\"{kind}\"");
            if bytes.windows(kind.len()).any(|w| w == kind.as_bytes()) {
                return Ok(());
            }
        }
        let written = || {
            let size = u64::try_from(fs::fstat(file).unwrap().st_size).unwrap();
            let (inode, len) = (inode(file), bytes.len());
            let file = file.try_clone_to_owned().unwrap();
            Some(Change::Written { file, inode, at, len, size })
        };
        self.call(None, || Os.write(file, bytes, at), written)
    }

    fn reserve(&self, file: BorrowedFd<'_>, at: u64, len: u64) -> io::Result<()> {
        self.call(Some(()), || Os.reserve(file, at, len), || None)
    }

    fn truncate(&self, file: BorrowedFd<'_>, len: u64) -> io::Result<()> {
        self.call(Some(()), || Os.truncate(file, len), || None)
    }

    fn sync(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        // In memory there is nothing to wait for.
        self.call(Some(()), || Ok(()), || None)?;
        if self.broken != Some(Broken::NoSync) {
            let synced = inode(file);
            self.state().unsynced.retain_mut(|c| !c.synced(synced));
        }
        Ok(())
    }

    fn lock(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        Os.lock(file)
    }

    fn give(&self, file: BorrowedFd<'_>, uid: u32) -> io::Result<()> {
        self.call(Some(()), || Os.give(file, uid), || None)
    }
}
