//! Room for descriptors, made while there is one thread.
//!
//! The kernel enlarges a process's table of descriptors as they are opened. With several threads it
//! then waits until no processor can still look at the old table, which takes milliseconds, three or
//! four times before a scan has a few hundred directories open, and whoever opens meanwhile waits too.

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit};

/// What a scan usually has open at once fits in; a table of 32 KiB.
const ROOM: u64 = 4096;

/// Best effort: where a table cannot be had at once, it grows as it always does.
pub fn make_room() {
    let most = getrlimit(Resource::Nofile).current.map_or(ROOM, |limit| limit.min(ROOM));
    if let Some(highest) = most.checked_sub(1).and_then(|n| i32::try_from(n).ok()) {
        // Closed again at once; the table stays.
        drop(fcntl_dupfd_cloexec(std::io::stderr(), highest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_large_as_it_may_be_and_nothing_of_it_is_taken() {
        let size = || -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|l| l.strip_prefix("FDSize:")).unwrap();
            line.trim().parse().unwrap()
        };
        make_room();
        let wanted = getrlimit(Resource::Nofile).current.map_or(ROOM, |limit| limit.min(ROOM));
        assert!(size() >= wanted, "{} of {wanted}", size());
        assert!(std::fs::read_link(format!("/proc/self/fd/{}", wanted - 1)).is_err());
    }
}
