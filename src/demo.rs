//! Makes a sample storage, so that everything can be tried before it is let near real runs.
//!
//! The trees have the shape the frameworks write, down to the file whose absence means "unfinished",
//! because whoever tries `retain` on the sample wants to know what it would do to their own. All
//! values follow from one seed: the same `now` gives the same tree. Weights are a few KiB of
//! noise, written and not sparse, because sizes are counted in allocated bytes.
//!
//! Times reach back months from `now`, but a file's ctime is the moment it was made and cannot be
//! set. So a policy with a `min-age` protects everything in a fresh sample: plan it with
//! `min-age = "0s"`, or with a `now` that lies later by more than that.

mod curve;
mod disk;
mod hf;
mod lightning;
mod nsml;
mod zip;

use crate::core::model::Time;
use disk::Disk;
use std::io;
use std::path::Path;

/// What [`make`] made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub sessions: u32,
    /// Complete or not; a symlink to a checkpoint is none.
    pub checkpoints: u32,
    /// Lengths of all files of all checkpoints.
    pub bytes: u64,
}

/// Makes the sample in `dir`, which is created; `now` is when its newest checkpoint was just saved.
///
/// # Errors
/// `dir` exists and is not an empty directory, or anything cannot be written. What was made up to
/// then stays.
pub fn make(dir: &Path, now: Time) -> io::Result<Sample> {
    std::fs::create_dir_all(dir)?;
    if std::fs::read_dir(dir)?.next().is_some() {
        let text = format!("{} is not empty; name a directory that is new", dir.display());
        return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, text));
    }
    let mut disk = Disk::new(dir, now);
    nsml::write(&mut disk)?;
    hf::write(&mut disk)?;
    lightning::write(&mut disk)?;
    disk.finish()
}

#[cfg(test)]
mod tests;
