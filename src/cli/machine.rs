//! The one place of the command line that asks the machine: its clock, its environment.
//!
//! Everything else takes these as values, so that a run can be repeated and a test can choose them.

use crate::core::model::Time;
use std::path::PathBuf;

/// The machine's own time; the earliest there is if that lies outside the years 1677 to 2262.
#[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
pub fn time() -> Time {
    Time::from_chrono(&chrono::Utc::now()).unwrap_or(Time::from_nanos(i64::MIN))
}

/// The caller's home directory, if the environment names one.
#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
pub fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|h| !h.is_empty()).map(PathBuf::from)
}

/// Where what outlives a run is kept, if the environment names a place.
#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
pub fn state() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    given.or_else(|| home().map(|h| h.join(".local/state"))).map(|p| p.join("retain"))
}

/// Where the caller's caches are kept, if the environment tells.
#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
pub fn cache() -> Option<PathBuf> {
    super::cache::base(std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from), home())
}

/// A variable that is set to something, in UTF-8.
#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// # Errors
/// It was removed, or may not be read.
pub fn working_directory() -> std::io::Result<PathBuf> {
    std::env::current_dir()
}
