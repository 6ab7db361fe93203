//! The tables, and the way in and out of memory.

use super::HistoryError;
use rusqlite::{Connection, MAIN_DB};

/// `user_version` of what this version writes.
const VERSION: i64 = 1;
/// `retn`, for `file(1)`.
const APPLICATION: i64 = 0x7265_746e;

/// Times are whole seconds since the epoch. A session has a row only where it differs from its row
/// before, so that a point of an idle storage of any size costs nothing.
const TABLES: &str = "
    CREATE TABLE point (
        at INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        apparent INTEGER NOT NULL,
        checkpoints INTEGER NOT NULL,
        sessions INTEGER NOT NULL,
        reclaimable INTEGER NOT NULL,
        trash INTEGER,
        fs_total INTEGER,
        fs_free INTEGER
    ) STRICT;
    CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE owner_point (
        owner INTEGER NOT NULL REFERENCES name,
        at INTEGER NOT NULL REFERENCES point,
        bytes INTEGER NOT NULL,
        apparent INTEGER NOT NULL,
        checkpoints INTEGER NOT NULL,
        sessions INTEGER NOT NULL,
        reclaimable INTEGER NOT NULL,
        trash INTEGER,
        PRIMARY KEY (owner, at)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE session_point (
        session INTEGER NOT NULL REFERENCES name,
        at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        checkpoints INTEGER NOT NULL,
        PRIMARY KEY (session, at)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX session_point_at ON session_point (at);
    CREATE TABLE note (
        quota TEXT NOT NULL,
        owner TEXT NOT NULL,
        level TEXT NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (quota, owner)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sent (
        sink TEXT NOT NULL,
        quota TEXT NOT NULL,
        owner TEXT NOT NULL,
        level TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (sink, quota, owner)
    ) STRICT, WITHOUT ROWID;
";

pub fn create() -> Result<Connection, HistoryError> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(TABLES)?;
    db.pragma_update(None, "application_id", APPLICATION)?;
    db.pragma_update(None, "user_version", VERSION)?;
    Ok(db)
}

/// A database from the bytes of its file.
pub fn open(bytes: &[u8]) -> Result<Connection, HistoryError> {
    let damaged = |e: rusqlite::Error| HistoryError::Damaged(e.to_string());
    if !bytes.starts_with(b"SQLite format 3\0") {
        return Err(HistoryError::Damaged("it is no SQLite database".to_owned()));
    }
    let mut db = Connection::open_in_memory()?;
    db.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false).map_err(damaged)?;
    // A schema is text that is run: none of it may reach beyond the database.
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(damaged)?;
    let version = number("user_version").map_err(damaged)?;
    if application != APPLICATION {
        return Err(HistoryError::Damaged("it is another program's database".to_owned()));
    }
    if version > VERSION {
        return Err(HistoryError::Newer(version));
    }
    let found: String =
        db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if found != "ok" {
        return Err(HistoryError::Damaged(found));
    }
    let as_made = tables(&create()?)?;
    if tables(&db).map_err(|e| HistoryError::Damaged(e.to_string()))? != as_made {
        return Err(HistoryError::Damaged("its tables are not those of this version".to_owned()));
    }
    Ok(db)
}

fn tables(db: &Connection) -> Result<Vec<String>, HistoryError> {
    let query = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name";
    let mut statement = db.prepare(query)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The bytes of its file.
pub fn image(db: &Connection) -> Result<Vec<u8>, HistoryError> {
    Ok(db.serialize(MAIN_DB)?.to_vec())
}
