//! Reads points back, for trends and charts.

use super::{History, HistoryError, OwnerPoint, SessionPoint};
use crate::core::model::{Space, Time};
use rusqlite::{Row, params};

/// A value at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample<T> {
    pub at: Time,
    pub value: T,
}

impl History {
    /// The whole root over time, oldest first, with its file system where it was measured.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn totals(
        &self,
        since: Time,
    ) -> Result<Vec<Sample<(OwnerPoint, Option<Space>)>>, HistoryError> {
        let query = "SELECT at, bytes, apparent, checkpoints, sessions, reclaimable, trash,
                            fs_total, fs_free
                     FROM point WHERE at >= ?1 ORDER BY at";
        let mut statement = self.db.prepare(query)?;
        let rows = statement.query_map([since.secs()], |row| {
            let space = match (optional(row, 7)?, optional(row, 8)?) {
                // How much of it lay in the trash is not remembered apart.
                (Some(total), Some(free)) => Some(Space { total, free, trash: 0 }),
                _ => None,
            };
            Ok(Sample { at: time(row)?, value: (owner_point(row)?, space) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One owner over time, oldest first.
    ///
    /// # Errors
    /// As [`History::totals`].
    pub fn owner(&self, owner: &str, since: Time) -> Result<Vec<Sample<OwnerPoint>>, HistoryError> {
        let query = "SELECT at, bytes, apparent, checkpoints, sessions, reclaimable, trash
                     FROM owner_point JOIN name ON owner = id
                     WHERE name = ?1 AND at >= ?2 ORDER BY at";
        let mut statement = self.db.prepare(query)?;
        let rows = statement.query_map(params![owner, since.secs()], |row| {
            Ok(Sample { at: time(row)?, value: owner_point(row)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The changes of one session, oldest first; between them it stayed as it was.
    ///
    /// # Errors
    /// As [`History::totals`].
    pub fn session(&self, session: &str) -> Result<Vec<Sample<SessionPoint>>, HistoryError> {
        let query = "SELECT at, bytes, checkpoints FROM session_point JOIN name ON session = id
                     WHERE name = ?1 ORDER BY at";
        let mut statement = self.db.prepare(query)?;
        let rows = statement.query_map([session], |row| {
            let value = SessionPoint { bytes: unsigned(row, 1)?, checkpoints: unsigned(row, 2)? };
            Ok(Sample { at: time(row)?, value })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn owner_point(row: &Row<'_>) -> rusqlite::Result<OwnerPoint> {
    Ok(OwnerPoint {
        bytes: unsigned(row, 1)?,
        apparent: unsigned(row, 2)?,
        checkpoints: unsigned(row, 3)?,
        sessions: unsigned(row, 4)?,
        reclaimable: unsigned(row, 5)?,
        trash: optional(row, 6)?,
    })
}

fn time(row: &Row<'_>) -> rusqlite::Result<Time> {
    let seconds: i64 = row.get(0)?;
    Ok(Time::from_nanos(seconds.saturating_mul(Time::NANOS_PER_SEC)))
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(optional(row, column)?.unwrap_or(0))
}

fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let n: Option<i64> = row.get(column)?;
    Ok(n.map(|n| u64::try_from(n).unwrap_or(0)))
}
