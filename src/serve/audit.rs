//! One line for each thing that was done, and by whom: written before it is done, and after.

use crate::core::model::Time;
use rustix::fs::{self, Mode, OFlags};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub struct Audit {
    file: Mutex<File>,
}

/// What is written down; no secrets are among it.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    pub who: &'a str,
    pub root: &'a str,
    /// `apply`, `undo`, `purge`, `pin`, `unpin`, `tag`, `untag`.
    pub action: &'a str,
    /// What it is done to: a digest, a run, a session.
    pub subject: &'a str,
}

impl Audit {
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(path: &Path) -> io::Result<Audit> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let flags =
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::open(path, flags, Mode::from(0o600))?;
        Ok(Audit { file: Mutex::new(File::from(file)) })
    }

    /// Writes one line and syncs it.
    ///
    /// # Errors
    /// It could not be written: what it stands for must not be done (I29).
    pub fn write(&self, now: Time, act: &Act<'_>, result: &Value) -> io::Result<()> {
        let line = json!({
            "format": "retain-audit/1",
            "at": now.to_string(),
            "who": act.who,
            "root": act.root,
            "action": act.action,
            "subject": act.subject,
            "result": result,
        });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // One call, so that lines of two servers on one file do not mix.
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()
    }
}
