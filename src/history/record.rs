//! Adds a point, and thins out what is old.

use super::{History, HistoryError};
use crate::core::model::{Space, Time};
use crate::core::trend::thin;
use rusqlite::{OptionalExtension as _, Statement, Transaction, params};
use std::collections::{HashMap, HashSet};

/// What a run saw, ready to be written down.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// `apply` or `monitor`.
    pub source: &'static str,
    pub total: OwnerPoint,
    pub space: Option<Space>,
    pub owners: Vec<(String, OwnerPoint)>,
    pub sessions: Vec<(String, SessionPoint)>,
}

/// What an owner, or a whole root, used at one time; bytes are allocated bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerPoint {
    pub bytes: u64,
    pub apparent: u64,
    pub checkpoints: u64,
    pub sessions: u64,
    /// What the policy would have freed then.
    pub reclaimable: u64,
    /// `None`: not known.
    pub trash: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionPoint {
    pub bytes: u64,
    pub checkpoints: u64,
}

/// Whether a point was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Added,
    /// There is a point of this very second.
    AlreadyThere,
}

/// Names of what is gone for that long are forgotten.
const FORGOTTEN_AFTER: i64 = 366 * 86_400;

impl History {
    /// Adds a point at `now`.
    ///
    /// # Errors
    /// `now` lies before the newest point: usage is not rewritten backwards.
    pub fn record(&mut self, now: Time, measured: &Measured) -> Result<Recorded, HistoryError> {
        let at = now.secs();
        let newest: Option<i64> =
            self.db.query_row("SELECT max(at) FROM point", [], |row| row.get(0))?;
        match newest {
            Some(newest) if newest == at => return Ok(Recorded::AlreadyThere),
            Some(newest) if newest > at => {
                let newest = Time::from_nanos(newest.saturating_mul(Time::NANOS_PER_SEC));
                return Err(HistoryError::Clock { newest });
            }
            _ => {}
        }
        let tx = self.db.transaction()?;
        insert(&tx, at, measured)?;
        thin_out(&tx, at)?;
        tx.commit()?;
        Ok(Recorded::Added)
    }
}

fn insert(tx: &Transaction<'_>, at: i64, measured: &Measured) -> Result<(), HistoryError> {
    let t = &measured.total;
    tx.execute(
        "INSERT INTO point VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            at,
            measured.source,
            number(t.bytes),
            number(t.apparent),
            number(t.checkpoints),
            number(t.sessions),
            number(t.reclaimable),
            t.trash.map(number),
            measured.space.map(|s| number(s.total)),
            measured.space.map(|s| number(s.free)),
        ],
    )?;
    let mut names = Names::load(tx)?;
    let mut put = tx.prepare("INSERT INTO owner_point VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for (owner, p) in &measured.owners {
        put.execute(params![
            names.id(owner)?,
            at,
            number(p.bytes),
            number(p.apparent),
            number(p.checkpoints),
            number(p.sessions),
            number(p.reclaimable),
            p.trash.map(number),
        ])?;
    }
    sessions(tx, at, measured, &mut names)
}

/// Only what changed, and zeros for what is gone.
fn sessions(
    tx: &Transaction<'_>,
    at: i64,
    measured: &Measured,
    names: &mut Names<'_>,
) -> Result<(), HistoryError> {
    let mut last: HashMap<i64, (i64, i64)> = HashMap::new();
    {
        // SQLite takes the bare columns from the row that has the maximum.
        let query =
            "SELECT session, bytes, checkpoints, max(at) FROM session_point GROUP BY session";
        let mut statement = tx.prepare(query)?;
        let rows = statement.query_map([], |r| Ok((r.get(0)?, (r.get(1)?, r.get(2)?))))?;
        for row in rows {
            let (session, point) = row?;
            last.insert(session, point);
        }
    }
    let mut put = tx.prepare("INSERT INTO session_point VALUES (?1, ?2, ?3, ?4)")?;
    let mut here = HashSet::new();
    for (session, p) in &measured.sessions {
        let id = names.id(session)?;
        let new = (number(p.bytes), number(p.checkpoints));
        here.insert(id);
        if last.get(&id) != Some(&new) {
            put.execute(params![id, at, new.0, new.1])?;
        }
    }
    for (id, point) in last {
        if !here.contains(&id) && point != (0, 0) {
            put.execute(params![id, at, 0, 0])?;
        }
    }
    Ok(())
}

/// Names that are known, each stored once.
struct Names<'a> {
    ids: HashMap<String, i64>,
    next: i64,
    insert: Statement<'a>,
}

impl<'a> Names<'a> {
    fn load(tx: &'a Transaction<'_>) -> Result<Names<'a>, HistoryError> {
        let mut statement = tx.prepare("SELECT name, id FROM name")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let ids: HashMap<String, i64> = rows.collect::<Result<_, _>>()?;
        let next = ids.values().max().map_or(1, |id| id + 1);
        let insert = tx.prepare("INSERT INTO name VALUES (?1, ?2)")?;
        Ok(Names { ids, next, insert })
    }

    fn id(&mut self, name: &str) -> Result<i64, HistoryError> {
        if let Some(&id) = self.ids.get(name) {
            return Ok(id);
        }
        let id = self.next;
        self.insert.execute(params![id, name])?;
        self.ids.insert(name.to_owned(), id);
        self.next += 1;
        Ok(id)
    }
}

/// Drops points, and gives what sessions changed at them to the next point that stays.
fn thin_out(tx: &Transaction<'_>, now: i64) -> Result<(), HistoryError> {
    let times: Vec<i64> = {
        let mut statement = tx.prepare("SELECT at FROM point ORDER BY at")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    // The latest first: a session's last change before the next point is the one that stays.
    for at in thin(&times, now).into_iter().rev() {
        let next: Option<i64> = tx
            .query_row("SELECT min(at) FROM point WHERE at > ?1", [at], |row| row.get(0))
            .optional()?
            .flatten();
        if let Some(next) = next {
            tx.execute("UPDATE OR IGNORE session_point SET at = ?2 WHERE at = ?1", [at, next])?;
        }
        tx.execute("DELETE FROM session_point WHERE at = ?1", [at])?;
        tx.execute("DELETE FROM owner_point WHERE at = ?1", [at])?;
        tx.execute("DELETE FROM point WHERE at = ?1", [at])?;
    }
    // What has been gone for a year is forgotten, with its name.
    tx.execute(
        "DELETE FROM session_point WHERE session IN (
             SELECT session FROM (
                 SELECT session, bytes + checkpoints AS sum, max(at) AS at
                 FROM session_point GROUP BY session
             ) WHERE sum = 0 AND at < ?1)",
        [now.saturating_sub(FORGOTTEN_AFTER)],
    )?;
    tx.execute(
        "DELETE FROM name WHERE id NOT IN (SELECT session FROM session_point)
             AND id NOT IN (SELECT owner FROM owner_point)",
        [],
    )?;
    Ok(())
}

/// Integers in the database are signed.
pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
