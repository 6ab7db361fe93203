//! The ctimes of files before this process changed them itself.
//!
//! To rename a file changes its inode's ctime, by whichever of its names: a plan that knows the inode by
//! another name too would find it changed by the run that carries the plan out. What is told here is
//! exact: a ctime of which nobody noted that we made it is as it is.

use rustix::fs::{Statx, StatxTimestamp};
use std::collections::HashMap;

/// Seconds and nanoseconds.
pub type Stamp = (i64, u32);

/// By inode, on one file system.
#[derive(Clone, Debug, Default)]
pub struct Past(HashMap<u64, Ours>);

#[derive(Clone, Copy, Debug)]
struct Ours {
    before: Stamp,
    /// The newest that we made.
    after: Stamp,
}

impl Past {
    /// Notes that a rename of ours changed an inode's ctime.
    pub fn note(&mut self, inode: u64, before: Stamp, after: Stamp) {
        let ours = self.0.entry(inode).or_insert(Ours { before, after });
        ours.after = ours.after.max(after);
    }

    /// The ctime that a file had, if nobody but us has changed it since.
    pub(super) fn ctime(&self, stat: &Statx) -> Stamp {
        let now = stamp(stat.stx_ctime);
        self.0.get(&stat.stx_ino).filter(|ours| ours.after == now).map_or(now, |ours| ours.before)
    }
}

pub(super) fn stamp(time: StatxTimestamp) -> Stamp {
    (time.tv_sec, time.tv_nsec)
}
