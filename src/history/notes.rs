//! What was last found about each quota, and who was told of it.

use super::{History, HistoryError};
use crate::core::model::Time;
use rusqlite::params;

/// What is no longer looked at is remembered for so long: a look with another policy is no reason to
/// tell everybody again.
const REMEMBERED_SECS: i64 = 365 * 86_400;

/// What was last found about one quota and one owner (empty: the root).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub quota: String,
    pub owner: String,
    pub level: String,
    /// When it came to this level.
    pub since: Time,
}

/// What a sink was last told about one quota and one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub sink: String,
    pub quota: String,
    pub owner: String,
    pub level: String,
    pub at: Time,
}

impl History {
    /// # Errors
    /// The database cannot be read.
    pub fn notes(&self) -> Result<Vec<Note>, HistoryError> {
        let mut statement =
            self.db.prepare("SELECT quota, owner, level, since FROM note ORDER BY quota, owner")?;
        let rows = statement.query_map([], |row| {
            let since = seconds(row.get(3)?);
            Ok(Note { quota: row.get(0)?, owner: row.get(1)?, level: row.get(2)?, since })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Replaces all notes about the quotas that these are about; those about others stay for a year,
    /// and as long as somebody is reminded of them.
    ///
    /// # Errors
    /// The database refuses.
    pub fn set_notes(&mut self, notes: &[Note], now: Time) -> Result<(), HistoryError> {
        let tx = self.db.transaction()?;
        for n in notes {
            tx.execute("DELETE FROM note WHERE quota = ?1", params![n.quota])?;
        }
        tx.execute(
            "DELETE FROM note WHERE since < ?1 AND NOT EXISTS (
                 SELECT 1 FROM sent
                 WHERE sent.quota = note.quota AND sent.owner = note.owner AND sent.at >= ?1)",
            params![now.secs() - REMEMBERED_SECS],
        )?;
        for n in notes {
            tx.execute(
                "INSERT OR REPLACE INTO note VALUES (?1, ?2, ?3, ?4)",
                params![n.quota, n.owner, n.level, n.since.secs()],
            )?;
        }
        Ok(tx.commit()?)
    }

    /// # Errors
    /// The database cannot be read.
    pub fn sent(&self) -> Result<Vec<Sent>, HistoryError> {
        let query = "SELECT sink, quota, owner, level, at FROM sent ORDER BY sink, quota, owner";
        let mut statement = self.db.prepare(query)?;
        let rows = statement.query_map([], |row| {
            Ok(Sent {
                sink: row.get(0)?,
                quota: row.get(1)?,
                owner: row.get(2)?,
                level: row.get(3)?,
                at: seconds(row.get(4)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes that a sink was told.
    ///
    /// # Errors
    /// The database refuses.
    pub fn set_sent(&mut self, sent: &Sent) -> Result<(), HistoryError> {
        self.db.execute(
            "INSERT OR REPLACE INTO sent VALUES (?1, ?2, ?3, ?4, ?5)",
            params![sent.sink, sent.quota, sent.owner, sent.level, sent.at.secs()],
        )?;
        Ok(())
    }

    /// Forgets what sinks were told about quotas and owners that are no longer noted.
    ///
    /// # Errors
    /// The database refuses.
    pub fn forget_sent(&mut self) -> Result<(), HistoryError> {
        self.db.execute(
            "DELETE FROM sent WHERE NOT EXISTS (
                 SELECT 1 FROM note WHERE note.quota = sent.quota AND note.owner = sent.owner)",
            [],
        )?;
        Ok(())
    }
}

fn seconds(seconds: i64) -> Time {
    Time::from_nanos(seconds.saturating_mul(Time::NANOS_PER_SEC))
}
