//! Writes the sample's files with the times they should have, and counts what it wrote.

use super::Sample;
use super::curve::Rng;
use crate::core::model::{Pin, Time};
use crate::marks::{self, Subject};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The directory the sample is made in.
pub struct Disk {
    root: PathBuf,
    now: Time,
    made: Sample,
    rng: Rng,
    /// The latest time of anything in each directory; set last, as writing into one changes it.
    directories: BTreeMap<PathBuf, Time>,
}

impl Disk {
    pub fn new(root: &Path, now: Time) -> Disk {
        let made = Sample::default();
        let directories = BTreeMap::new();
        Disk { root: root.to_path_buf(), now, made, rng: Rng::new(2019), directories }
    }

    /// So many seconds before now.
    pub fn ago(&self, seconds: i64) -> Time {
        Time::from_nanos(
            self.now.nanos().saturating_sub(seconds.saturating_mul(Time::NANOS_PER_SEC)),
        )
    }

    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    pub fn session(&mut self) {
        self.made.sessions += 1;
    }

    /// A checkpoint that is a directory.
    pub fn checkpoint(&mut self, path: &str, files: &[(&str, &[u8])], at: Time) -> io::Result<()> {
        self.made.checkpoints += 1;
        for (name, content) in files {
            self.made.bytes += content.len() as u64;
            self.file(&format!("{path}/{name}"), content, at)?;
        }
        Ok(())
    }

    /// A checkpoint that is one file.
    pub fn checkpoint_file(&mut self, path: &str, content: &[u8], at: Time) -> io::Result<()> {
        self.made.checkpoints += 1;
        self.made.bytes += content.len() as u64;
        self.file(path, content, at)
    }

    /// A file that belongs to no checkpoint.
    pub fn file(&mut self, path: &str, content: &[u8], at: Time) -> io::Result<()> {
        let full = self.root.join(path);
        self.parents(&full, at)?;
        std::fs::write(&full, content)?;
        set_mtime(&full, at)
    }

    pub fn symlink(&mut self, path: &str, target: &str, at: Time) -> io::Result<()> {
        let full = self.root.join(path);
        self.parents(&full, at)?;
        symlink(target, &full)?;
        set_mtime(&full, at)
    }

    /// Pins a checkpoint, as `retain pin` does.
    pub fn pin(&mut self, folder: &str, id: &str, why: &str, at: Time) -> io::Result<()> {
        let folder = self.root.join(folder);
        let pin = Pin { until: None, why: Some(why.into()) };
        marks::edit(File::open(&folder)?, |file| {
            file.entry(Subject::new(Some(id))).pin = Some(pin);
        })
        .map_err(io::Error::other)?;
        let marks = folder.join(marks::DIRECTORY).join(marks::FILE);
        self.parents(&marks, at)?;
        set_mtime(&marks, at)
    }

    /// Gives the directories their times.
    pub fn finish(self) -> io::Result<Sample> {
        for (path, time) in &self.directories {
            set_mtime(path, *time)?;
        }
        Ok(self.made)
    }

    /// Makes the directories above `path`.
    fn parents(&mut self, path: &Path, at: Time) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        std::fs::create_dir_all(parent)?;
        for dir in parent.ancestors().take_while(|p| *p != self.root) {
            let time = self.directories.entry(dir.to_path_buf()).or_insert(at);
            *time = at.max(*time);
        }
        Ok(())
    }
}

fn set_mtime(path: &Path, time: Time) -> io::Result<()> {
    let nanos = time.nanos().rem_euclid(Time::NANOS_PER_SEC);
    let stamp = Timespec { tv_sec: time.secs(), tv_nsec: nanos };
    let times = Timestamps { last_access: stamp, last_modification: stamp };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
