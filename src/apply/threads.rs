//! How many threads are worth while on a file system.
//!
//! Where a call waits for another machine, many at a time hide the wait. Where it waits for a lock
//! of the file system, more than a few only wait for each other.

use rustix::fd::BorrowedFd;

/// On other machines' disks: the answer takes far longer than the work.
const REMOTE: usize = 32;
/// Local file systems, most of which serialise changes in their log at some point.
const LOCAL: usize = 8;

/// `threads`, or for 0 the number for the file system that an open directory lies on.
pub(super) fn or_good(threads: usize, dir: BorrowedFd<'_>) -> usize {
    if threads == 0 { good_for(dir) } else { threads }
}

fn good_for(dir: BorrowedFd<'_>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // The magic numbers are 32 bits wide, whatever the type of the field; see statfs(2).
    #[expect(clippy::cast_possible_truncation, reason = "the upper half, if any, is the sign")]
    #[expect(clippy::cast_sign_loss, reason = "as above")]
    let kind = rustix::fs::fstatfs(dir).map_or(0, |s| s.f_type as u32);
    by_kind(kind, cores)
}

fn by_kind(kind: u32, cores: usize) -> usize {
    match kind {
        // btrfs: one tree of all metadata, one lock on its way.
        0x9123_683e => 1,
        // xfs: few allocation groups, one log.
        0x5846_5342 => cores.min(2),
        // NFS, CIFS and SMB, AFS, Ceph, FUSE, Lustre, GPFS, BeeGFS, 9P, OrangeFS.
        0x6969 | 0xff53_4d42 | 0xfe53_4d42 | 0x5346_414f | 0x00c3_6400 | 0x6573_5546
        | 0x0bd0_0bd0 | 0x4750_4653 | 0x1983_0326 | 0x0102_1997 | 0x2003_0528 => REMOTE,
        _ => cores.min(LOCAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_disks_have_processors_remote_ones_have_waiting_to_hide() {
        for (kind, cores, wanted) in [
            (0xef53, 1, 1),
            (0xef53, 4, 4),
            (0xef53, 64, 8),
            (0x0102_1994, 2, 2),
            (0x5846_5342, 1, 1),
            (0x5846_5342, 16, 2),
            (0x9123_683e, 16, 1),
            (0x6969, 2, 32),
            (0x6573_5546, 2, 32),
            (0, 4, 4),
        ] {
            assert_eq!(by_kind(kind, cores), wanted, "{kind:x} {cores}");
        }
    }
}
