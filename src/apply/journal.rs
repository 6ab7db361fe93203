//! What a run is about to do and has done, on disk before and after it does it (I23).
//!
//! A run's journal is a set of files, `RUN.0000`, `RUN.0001`, ...: one for each process that worked
//! on the run (apply, undo, purge, recovery), each written by that process alone, from its creation
//! on. So nobody ever appends behind a torn end, and two processes that should have been kept apart
//! by the lock cannot garble each other's records. [`history`] folds the files into one state.

mod frame;
pub mod history;
pub mod record;
pub mod spare;

pub use frame::{Decoded, VERSION, decode};

use super::calls::Calls;
use super::dir;
use record::{Begin, Record};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::CString;
use std::io;

/// Room for what ends a batch, whatever it is.
const SLACK: u64 = 4096;

/// One journal file, being written.
#[derive(Debug)]
pub struct Journal {
    file: OwnedFd,
    dir: OwnedFd,
    name: String,
    /// How it begins: all that is written, until a record is.
    head: Vec<u8>,
    /// End of what was written.
    at: u64,
    /// Space is reserved up to here.
    reserved: u64,
    buffer: Vec<u8>,
    failed: bool,
    /// It has the room that was kept back.
    on_spare: bool,
}

impl Journal {
    /// Creates the run's next file and makes it durable.
    ///
    /// # Errors
    /// The directory cannot be written or synced.
    pub fn create(calls: &dyn Calls, dir: BorrowedFd<'_>, begin: &Begin) -> io::Result<Journal> {
        let (file, name, spare) = create_next(calls, dir, &begin.run)?;
        lock(calls, &file);
        let mut journal = Journal {
            file,
            dir: rustix::io::fcntl_dupfd_cloexec(dir, 0)?,
            name,
            head: Vec::new(),
            at: 0,
            reserved: spare.unwrap_or(0),
            buffer: frame::header(),
            failed: false,
            on_spare: spare.is_some(),
        };
        journal.add(&Record::Begin(begin.clone()));
        journal.head.clone_from(&journal.buffer);
        let done = journal.commit(calls).or_else(|e| journal.onto_spare(calls, e));
        match done.and_then(|()| calls.sync(dir)) {
            Ok(()) => Ok(journal),
            Err(e) => {
                journal.discard(calls);
                Err(e)
            }
        }
    }

    /// Takes away a file that says nothing but that it was begun: no run was. One that says more stays.
    /// Room that was kept back for it is kept back again.
    pub fn discard(self, calls: &dyn Calls) {
        if self.at > self.head.len() as u64 {
            return;
        }
        let dir = self.dir.as_fd();
        let gone = CString::new(self.name).map_err(io::Error::other).and_then(|name| {
            let (file, head) = (self.file.as_fd(), self.head.len());
            if self.on_spare && spare::give_back(calls, dir, &name, file, head) {
                return Ok(());
            }
            calls.unlink(dir, &name)
        });
        if let Err(e) = gone {
            tracing::debug!(error = %e, "an empty journal stays");
        }
    }

    /// Goes on in the room that was kept back, if `error` is that there is no other and nothing was
    /// recorded yet.
    fn onto_spare(&mut self, calls: &dyn Calls, error: io::Error) -> io::Result<()> {
        let begun = self.at == self.head.len() as u64;
        if !begun || self.on_spare || !spare::is_full(&error) {
            return Err(error);
        }
        let name = CString::new(self.name.as_str())?;
        let taken = spare::take(calls, self.dir.as_fd(), &name);
        let Ok(Some((file, room))) = taken else { return Err(error) };
        lock(calls, &file);
        (self.file, self.reserved, self.on_spare) = (file, room, true);
        let done = calls
            .write(self.file.as_fd(), &self.head, 0)
            .and_then(|()| calls.sync(self.file.as_fd()))
            .and_then(|()| calls.sync(self.dir.as_fd()));
        self.failed = done.is_err();
        done
    }

    /// Queues a record; [`Journal::commit`] writes it.
    pub fn add(&mut self, record: &Record) {
        let at = self.at + self.buffer.len() as u64;
        frame::encode(&mut self.buffer, record, &self.name, at);
    }

    /// I23: sees to it that so many bytes more can be written when the disk is full. The first time
    /// the room that is kept back may be taken for them.
    ///
    /// # Errors
    /// They cannot.
    pub fn reserve(&mut self, calls: &dyn Calls, bytes: u64) -> io::Result<()> {
        let end = self.at + self.buffer.len() as u64 + bytes + SLACK;
        self.reserve_to(calls, end).or_else(|e| {
            self.onto_spare(calls, e)?;
            self.reserve_to(calls, end)
        })
    }

    fn reserve_to(&mut self, calls: &dyn Calls, end: u64) -> io::Result<()> {
        let start = self.at.max(self.reserved);
        if end > start {
            calls.reserve(self.file.as_fd(), start, end - start)?;
            self.reserved = end;
        }
        Ok(())
    }

    /// Writes and syncs what is queued.
    ///
    /// # Errors
    /// Any failure is final: what the disk holds is then unknown, so nothing is written again (I24),
    /// and the caller goes no further (I29).
    pub fn commit(&mut self, calls: &dyn Calls) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("the journal failed before"));
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        let done = calls
            .write(self.file.as_fd(), &self.buffer, self.at)
            .and_then(|()| calls.sync(self.file.as_fd()));
        self.failed = done.is_err();
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        done
    }

    /// Gives back what was reserved and not needed; the records are on disk already. Sees to it that
    /// room is `kept` back for another one.
    pub fn close(self, calls: &dyn Calls, kept: bool) {
        if self.reserved > self.at
            && !self.failed
            && let Err(e) = calls.truncate(self.file.as_fd(), self.at)
        {
            tracing::debug!(error = %e, "the journal's spare space stays reserved");
        }
        if kept {
            spare::keep(calls, self.dir.as_fd(), self.on_spare);
        }
    }
}

/// A reader that finds it locked leaves the run alone: its writer lives. Where there are no locks,
/// recovery goes by the file system, which stays true (I28).
fn lock(calls: &dyn Calls, file: &OwnedFd) {
    if let Err(e) = calls.lock(file.as_fd()) {
        tracing::debug!(error = %e, "the journal cannot be locked");
    }
}

/// The file, its name, and if it is what was kept back, how much room it has.
fn create_next(
    calls: &dyn Calls,
    dir: BorrowedFd<'_>,
    run: &str,
) -> io::Result<(OwnedFd, String, Option<u64>)> {
    for attempt in 0..10_000 {
        let name = format!("{run}.{attempt:04}");
        let c_name = CString::new(name.as_str())?;
        if dir::look(dir, &c_name)?.is_some() {
            continue;
        }
        match calls.create(dir, &c_name, 0o644) {
            Ok(file) => return Ok((file, name, None)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) if spare::is_full(&e) => {
                let spare = spare::take(calls, dir, &c_name).unwrap_or_default();
                return spare.map(|(file, room)| (file, name, Some(room))).ok_or(e);
            }
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other("this run was worked on too often"))
}
