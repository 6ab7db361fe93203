//! A slow store: a directory seen through FUSE, each request but flushes and closes
//! answered after a fixed delay.
//!
//!     slowfs DIR MOUNTPOINT [--delay-us 1000] [--threads 64]
//!
//! Mounts `DIR`, for reading and writing, until the mount point is unmounted (`umount MOUNTPOINT`),
//! and says `mounted` once it can be used. Must be root, for it mounts without libfuse's helper.
//! A benchmark uses it so:
//!
//!     slowfs /tmp/fast /tmp/slow & ... retain -C /tmp/slow ...; umount /tmp/slow
//!
//! A benchmark of deletion makes its tree in `DIR`, at full speed, and works on `MOUNTPOINT`: create,
//! mkdir, rename (`RENAME_NOREPLACE` too), unlink, rmdir, link, symlink, chmod, utimens, truncate,
//! fallocate and fsync of files and directories are passed on; locks are the kernel's own.
//!
//! Each request has a thread of its own for as long as it takes, up to `--threads`: give more than
//! the program that is measured has readers. Nothing is cached by the kernel: entries and attributes
//! are valid for 0 seconds, as where a store is shared with other machines, so that a name costs a
//! request each time it is used and its attributes another one.

mod fs;
mod nodes;
mod slow;

use fuser::{Config, MountOption, Session, SessionACL};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

struct Args {
    source: PathBuf,
    mountpoint: PathBuf,
    delay: Duration,
    threads: usize,
}

fn args() -> Option<Args> {
    let (mut paths, mut delay, mut threads) = (Vec::new(), 1000, 64);
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next()?.to_str()?.parse::<u32>().ok();
        match arg.to_str() {
            Some("--delay-us") => delay = number()?,
            Some("--threads") => threads = number()?.max(1),
            _ => paths.push(PathBuf::from(arg)),
        }
    }
    let [source, mountpoint] = paths.try_into().ok()?;
    let delay = Duration::from_micros(delay.into());
    Some(Args { source, mountpoint, delay, threads: threads as usize })
}

fn main() -> io::Result<()> {
    let usage = "slowfs DIR MOUNTPOINT [--delay-us N] [--threads N]";
    let args = args().ok_or_else(|| io::Error::other(usage))?;
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("slowfs".to_owned()),
        MountOption::DefaultPermissions,
        MountOption::NoDev,
        MountOption::NoSuid,
    ];
    config.acl = SessionACL::All;
    config.n_threads = Some(args.threads);
    config.clone_fd = true;
    let fs = slow::Slow::new(&args.source, args.delay)?;
    let session = Session::new(fs, &args.mountpoint, &config)?;
    println!("mounted");
    io::stdout().flush()?;
    session.run()
}
