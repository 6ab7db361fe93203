//! Usage over time, and what was last said about it: `ROOT/.retain/history.sqlite`.
//!
//! Each apply and each monitor adds a point; nothing else writes here. The database is read whole
//! into memory, changed there and put back in one step, as a finished file that is renamed over the
//! old one. So there is no write-ahead log and no journal that a network file system could lose,
//! no path that could be swapped for another while it is used, and a full disk leaves the old
//! history as it was. It stays small for ever (see [`crate::core::trend::thin`]), so that this costs
//! little; sessions are written down only when they changed.
//!
//! History is a comfort. No fault here may stop a clean-up: every error is one to be told, and a
//! damaged file is set aside.

mod file;
mod notes;
mod record;
mod schema;
mod series;

pub use file::Lock;
pub use notes::{Note, Sent};
pub use record::{Measured, OwnerPoint, Recorded, SessionPoint};
pub use series::Sample;

use rusqlite::Connection;
use rustix::fd::BorrowedFd;
use std::io;

/// Its name in `.retain`.
pub const FILE: &str = "history.sqlite";

/// Why there is no history, or nothing was added to it.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("cannot read the history of usage: {0}")]
    Read(#[source] io::Error),
    #[error("cannot write the history of usage: {0}")]
    Write(#[source] io::Error),
    #[error("the history of usage is not written: {0}")]
    Unsafe(String),
    #[error(
        "the history of usage was written by a newer retain (version {0}); it is left as it is"
    )]
    Newer(i64),
    #[error("the history of usage is damaged: {0}")]
    Damaged(String),
    #[error("the history of usage is in use by another run")]
    Busy,
    #[error(
        "the history of usage has a point of {newest}, which is later than now; nothing was added"
    )]
    Clock { newest: crate::core::model::Time },
    #[error("the history of usage refused a change: {0}")]
    Database(#[from] rusqlite::Error),
}

impl HistoryError {
    /// This user may not write here: an administrator's root, a read-only mount.
    pub fn is_not_ours(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self {
            HistoryError::Write(e) | HistoryError::Read(e) => {
                matches!(e.kind(), PermissionDenied | ReadOnlyFilesystem)
            }
            _ => false,
        }
    }
}

/// A history in memory.
#[derive(Debug)]
pub struct History {
    db: Connection,
}

impl History {
    /// What is there now; `None` if there is no history yet. `ours` is the root's `.retain`.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn read(ours: BorrowedFd<'_>) -> Result<Option<History>, HistoryError> {
        let Some(bytes) = file::read(ours).map_err(HistoryError::Read)? else { return Ok(None) };
        schema::open(&bytes).map(|db| Some(History { db }))
    }

    /// Held by the one monitor that may tell anybody; `None`: another has it.
    ///
    /// # Errors
    /// The lock cannot be made: this user may not write here.
    pub fn only_monitor(ours: BorrowedFd<'_>) -> Result<Option<Lock>, HistoryError> {
        file::lock_monitor(ours)
    }

    /// Changes the history, which is made if there is none. If `change` fails, nothing is written.
    ///
    /// A damaged file is renamed first and a new history begun; its new name is the second value.
    ///
    /// # Errors
    /// Any of [`HistoryError`] but [`HistoryError::Damaged`].
    pub fn update<T>(
        ours: BorrowedFd<'_>,
        now: crate::core::model::Time,
        change: impl FnOnce(&mut History) -> Result<T, HistoryError>,
    ) -> Result<(T, Option<String>), HistoryError> {
        let _lock = file::lock(ours)?;
        let bytes = file::read(ours).map_err(HistoryError::Read)?;
        let opened = bytes.as_deref().map_or_else(schema::create, schema::open);
        let (db, aside) = match opened {
            Ok(db) => (db, None),
            Err(HistoryError::Damaged(_)) => {
                let name = file::set_aside(ours, now).map_err(HistoryError::Write)?;
                (schema::create()?, Some(name))
            }
            Err(e) => return Err(e),
        };
        let mut history = History { db };
        let value = change(&mut history)?;
        let image = schema::image(&history.db)?;
        if bytes.as_deref() != Some(&image) {
            file::replace(ours, &image).map_err(HistoryError::Write)?;
        }
        Ok((value, aside))
    }
}

#[cfg(test)]
mod tests;
