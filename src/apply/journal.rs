//! What a run is about to do and has done, on disk before and after it does it (I23).
//!
//! A run's journal is a set of files, `RUN.0000`, `RUN.0001`, ...: one for each process that worked
//! on the run (apply, undo, purge, recovery), each written by that process alone, from its creation
//! on. So nobody ever appends behind a torn end, and two processes that should have been kept apart
//! by the lock cannot garble each other's records. [`history`] folds the files into one state.

mod frame;
pub mod history;
pub mod record;

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
    name: String,
    /// End of what was written.
    at: u64,
    /// Space is reserved up to here.
    reserved: u64,
    buffer: Vec<u8>,
    failed: bool,
}

impl Journal {
    /// Creates the run's next file and makes it durable.
    ///
    /// # Errors
    /// The directory cannot be written or synced.
    pub fn create(calls: &dyn Calls, dir: BorrowedFd<'_>, begin: &Begin) -> io::Result<Journal> {
        let (file, name) = create_next(calls, dir, &begin.run)?;
        // A reader that finds it locked leaves the run alone: its writer lives. Where there are no
        // locks, recovery goes by the file system, which stays true (I28).
        if let Err(e) = calls.lock(file.as_fd()) {
            tracing::debug!(error = %e, "the journal cannot be locked");
        }
        let mut journal =
            Journal { file, name, at: 0, reserved: 0, buffer: frame::header(), failed: false };
        journal.add(&Record::Begin(begin.clone()));
        journal.commit(calls)?;
        calls.sync(dir)?;
        Ok(journal)
    }

    /// Queues a record; [`Journal::commit`] writes it.
    pub fn add(&mut self, record: &Record) {
        let at = self.at + self.buffer.len() as u64;
        frame::encode(&mut self.buffer, record, &self.name, at);
    }

    /// I23: sees to it that so many bytes more can be written when the disk is full.
    ///
    /// # Errors
    /// They cannot.
    pub fn reserve(&mut self, calls: &dyn Calls, bytes: u64) -> io::Result<()> {
        let start = self.at.max(self.reserved);
        let end = self.at + self.buffer.len() as u64 + bytes + SLACK;
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

    /// Gives back what was reserved and not needed; the records are on disk already.
    pub fn close(self, calls: &dyn Calls) {
        if self.reserved > self.at
            && !self.failed
            && let Err(e) = calls.truncate(self.file.as_fd(), self.at)
        {
            tracing::debug!(error = %e, "the journal's spare space stays reserved");
        }
    }
}

fn create_next(calls: &dyn Calls, dir: BorrowedFd<'_>, run: &str) -> io::Result<(OwnedFd, String)> {
    for attempt in 0..10_000 {
        let name = format!("{run}.{attempt:04}");
        let c_name = CString::new(name.as_str())?;
        if dir::look(dir, &c_name)?.is_some() {
            continue;
        }
        match calls.create(dir, &c_name, 0o644) {
            Ok(file) => return Ok((file, name)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other("this run was worked on too often"))
}
