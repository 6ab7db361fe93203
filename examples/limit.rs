//! What any scan costs at least: a walk that opens, lists and stats, and does nothing with it.
//!
//! `limit scan DIR [THREADS] [read|learn]` walks: each directory below `DIR` is a unit of work, taken
//! by an atomic cursor and walked depth-first by one thread. `read` also reads each
//! `trainer_state.json`. `learn` does with all of it what cannot be left out where checkpoints are to
//! be judged and deleted safely, by plain means: each state is parsed, and each directory's names,
//! inodes, sizes and times are hashed in the order of the names. It recognises nothing, and keeps of
//! each directory a name, a sum, a digest and the last loss. `limit make DIR SESSIONS CHECKPOINTS
//! FILES` makes a tree of Trainer runs, dated some days back, with `FILES` files in each checkpoint.

#![allow(clippy::print_stdout, reason = "it is a program of its own")]

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    self, AtFlags, FileType, Mode, OFlags, RawDir, Statx, StatxFlags, Timespec, Timestamps,
};
use serde::Deserialize;
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
            let how = match args.get(3).map(String::as_str) {
                None => How::Walk,
                Some("read") => How::Read,
                Some("learn") => How::Learn,
                Some(other) => return Err(io::Error::other(format!("what is `{other}`?"))),
            };
            let seen = scan(root, number(2, 2), how)?;
            let Seen { entries, bytes, read, learnt } = seen;
            println!("{entries} entries, {bytes} bytes, {read} of state, {}", learnt.len());
            Ok(())
        }
        (Some("make"), Some(root)) => make(root, number(2, 10), number(3, 20), number(4, 10)),
        _ => Err(io::Error::other("limit scan DIR [THREADS] [read|learn] | limit make DIR S C F")),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Walk,
    Read,
    Learn,
}

#[derive(Default)]
struct Seen {
    entries: u64,
    bytes: u64,
    read: u64,
    learnt: Vec<Learnt>,
}

/// What is kept of a directory that has files.
#[expect(dead_code, reason = "that it is kept is what is measured")]
struct Learnt {
    name: CString,
    bytes: u64,
    digest: [u8; 16],
    loss: Option<f64>,
}

/// As much of a state as a scan needs.
#[derive(Deserialize)]
struct State {
    log_history: Vec<Logged>,
}

#[derive(Deserialize)]
struct Logged {
    eval_loss: Option<f64>,
}

fn scan(root: &str, threads: usize, how: How) -> io::Result<Seen> {
    let root = fs::open(root, DIR, Mode::empty())?;
    let mut total = Seen::default();
    let units = one(root.as_fd(), c".", how, &mut total)?;
    let next = AtomicUsize::new(0);
    let unit = || -> io::Result<Seen> {
        let mut seen = Seen::default();
        while let Some(name) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            below(root.as_fd(), name, how, &mut seen)?;
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
        total.learnt.extend(part.learnt);
    }
    Ok(total)
}

fn below(parent: BorrowedFd<'_>, name: &CStr, how: How, seen: &mut Seen) -> io::Result<()> {
    let fd = fs::openat(parent, name, DIR, Mode::empty())?;
    one(fd.as_fd(), name, how, seen)?.iter().try_for_each(|d| below(fd.as_fd(), d, how, seen))
}

/// Stats the entries of one directory; its subdirectories.
fn one(fd: BorrowedFd<'_>, called: &CStr, how: How, seen: &mut Seen) -> io::Result<Vec<CString>> {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut list = RawDir::new(fd, buffer.spare_capacity_mut());
    let (mut dirs, mut files, mut loss) = (Vec::new(), Vec::new(), None);
    let before = seen.bytes;
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
            continue;
        }
        if how != How::Walk && name == STATE {
            let file = fs::openat(fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            let mut content = [0; 16 << 10];
            let length = rustix::io::pread(&file, &mut content, 0)?;
            seen.read += length as u64;
            if how == How::Learn {
                let state: State = serde_json::from_slice(&content[..length])?;
                loss = state.log_history.iter().rev().find_map(|logged| logged.eval_loss);
            }
        }
        if how == How::Learn {
            files.push((name.to_owned(), facts(&stat)));
        }
    }
    if !files.is_empty() {
        let (bytes, digest) = (seen.bytes - before, digest(files));
        seen.learnt.push(Learnt { name: called.to_owned(), bytes, digest, loss });
    }
    Ok(dirs)
}

/// What shows that a file is another one, or was written to.
fn facts(stat: &Statx) -> [u8; 40] {
    let mut facts = [0; 40];
    facts[..8].copy_from_slice(&stat.stx_ino.to_le_bytes());
    facts[8..16].copy_from_slice(&stat.stx_size.to_le_bytes());
    for (at, time) in [(16, stat.stx_mtime), (28, stat.stx_ctime)] {
        facts[at..at + 8].copy_from_slice(&time.tv_sec.to_le_bytes());
        facts[at + 8..at + 12].copy_from_slice(&time.tv_nsec.to_le_bytes());
    }
    facts
}

/// Of all files of a directory, in whatever order they were listed.
fn digest(mut files: Vec<(CString, [u8; 40])>) -> [u8; 16] {
    files.sort_unstable();
    let mut all = Vec::with_capacity(1 << 10);
    for (name, facts) in &files {
        all.extend_from_slice(name.to_bytes_with_nul());
        all.extend_from_slice(facts);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(&all).as_bytes()[..16]);
    short
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
