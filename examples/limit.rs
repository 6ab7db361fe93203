//! What any scan costs at least: a walk that opens, lists and stats, and does nothing with it.
//!
//! `limit scan DIR [THREADS] [read]` walks: each directory below `DIR` is a unit of work, taken by
//! an atomic cursor and walked depth-first by one thread; `read` also reads each
//! `trainer_state.json`. `limit make DIR SESSIONS CHECKPOINTS FILES` makes a tree of Trainer runs,
//! dated some days back, with `FILES` files in each checkpoint.

#![allow(clippy::print_stdout, reason = "it is a program of its own")]

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, StatxFlags, Timespec, Timestamps};
use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

const DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const STATE: &CStr = c"trainer_state.json";
/// Further files of a checkpoint are called by numbers.
const NAMES: [&str; 8] = [
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "config.json",
    "training_args.bin",
    "tokenizer.json",
    "generation_config.json",
];

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    match (args.first().map(String::as_str), args.get(1)) {
        (Some("scan"), Some(root)) => {
            let seen = scan(root, number(2, 2), args.iter().any(|a| a == "read"))?;
            println!("{} entries, {} bytes, {} of state", seen.entries, seen.bytes, seen.read);
            Ok(())
        }
        (Some("make"), Some(root)) => make(root, number(2, 10), number(3, 20), number(4, 10)),
        _ => Err(io::Error::other("limit scan DIR [THREADS] [read] | limit make DIR S C F")),
    }
}

#[derive(Default)]
struct Seen {
    entries: u64,
    bytes: u64,
    read: u64,
}

fn scan(root: &str, threads: usize, read: bool) -> io::Result<Seen> {
    let root = fs::open(root, DIR, Mode::empty())?;
    let mut total = Seen::default();
    let units = one(root.as_fd(), read, &mut total)?;
    let next = AtomicUsize::new(0);
    let unit = || -> io::Result<Seen> {
        let mut seen = Seen::default();
        while let Some(name) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            below(root.as_fd(), name, read, &mut seen)?;
        }
        Ok(seen)
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(unit)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    for part in parts {
        let part = part.map_err(|_| io::Error::other("a thread panicked"))??;
        total.entries += part.entries;
        total.bytes += part.bytes;
        total.read += part.read;
    }
    Ok(total)
}

fn below(parent: BorrowedFd<'_>, name: &CStr, read: bool, seen: &mut Seen) -> io::Result<()> {
    let fd = fs::openat(parent, name, DIR, Mode::empty())?;
    one(fd.as_fd(), read, seen)?.iter().try_for_each(|d| below(fd.as_fd(), d, read, seen))
}

/// Stats the entries of one directory; its subdirectories.
fn one(fd: BorrowedFd<'_>, read: bool, seen: &mut Seen) -> io::Result<Vec<CString>> {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut list = RawDir::new(fd, buffer.spare_capacity_mut());
    let mut dirs = Vec::new();
    while let Some(entry) = list.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = fs::statx(fd, name, flags, StatxFlags::BASIC_STATS)?;
        seen.entries += 1;
        seen.bytes += stat.stx_blocks * 512;
        if entry.file_type() == FileType::Directory {
            dirs.push(name.to_owned());
        } else if read && name == STATE {
            let file = fs::openat(fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            let mut content = [0; 16 << 10];
            seen.read += rustix::io::pread(&file, &mut content, 0)? as u64;
        }
    }
    Ok(dirs)
}

fn make(root: &str, sessions: usize, checkpoints: usize, files: usize) -> io::Result<()> {
    let numbered = (0..).map(|n| format!("shard-{n:05}.bin"));
    let names: Vec<String> =
        NAMES.into_iter().map(str::to_owned).chain(numbered).take(files - 1).collect();
    for s in 0..sessions {
        let mut history = String::new();
        for c in 1..=checkpoints {
            let (step, dir) = (1000 * c, format!("{root}/session-{s:06}/checkpoint-{}", 1000 * c));
            std::fs::create_dir_all(&dir)?;
            let comma = if history.is_empty() { "" } else { ", " };
            let loss = 1000 / c + s % 97;
            let _ = write!(history, r#"{comma}{{"step": {step}, "eval_loss": 0.{loss}}}"#);
            let state = format!(r#"{{"global_step": {step}, "log_history": [{history}]}}"#);
            let dir = fs::open(&*dir, DIR, Mode::empty())?;
            file(&dir, "trainer_state.json", state.as_bytes(), 0)?;
            names.iter().try_for_each(|n| file(&dir, n, b"", 1 << 20))?;
            fs::futimens(&dir, &days_back())?;
        }
    }
    Ok(())
}

fn file(dir: &OwnedFd, name: &str, content: &[u8], len: u64) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = std::fs::File::from(fs::openat(dir, name, flags, Mode::from(0o644))?);
    file.write_all(content)?;
    if len > 0 {
        file.set_len(len)?;
    }
    Ok(fs::futimens(&file, &days_back())?)
}

fn days_back() -> Timestamps {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let then = Timespec { tv_sec: now.tv_sec - 3 * 86_400, tv_nsec: 0 };
    Timestamps { last_access: then, last_modification: then }
}
