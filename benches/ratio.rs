//! The two figures that are promised, as ratios: `tests/bench-peers`, or `cargo bench --bench ratio`.
//!
//! Time: deciding against sorting the same records once per session, the two in turn in one
//! process, median of the pair ratios. Memory: the highest resident size of a process that holds
//! the inventory and has decided, per checkpoint.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use retain::core::decide::decide;
use retain::core::decision::Verdict;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

mod records;

const CHECKPOINTS: u32 = 1_000_000;
const SESSIONS: u32 = 50_000;
const ROUNDS: usize = 9;
/// Promised: at most so many times as long as sorting, and so many bytes per checkpoint.
const MAX_RATIO: f64 = 3.0;
const MAX_BYTES: f64 = 400.0;

fn main() -> ExitCode {
    let before = peak();
    let inventory = records::inventory(CHECKPOINTS as usize, SESSIONS as usize);
    let policy = records::policy(&inventory);
    let held = peak();
    let outcome = decide(&inventory, &policy, records::NOW);
    let most = peak();
    let deleted: usize = outcome
        .sessions
        .iter()
        .map(|s| (0..s.len()).filter(|i| s.verdict(*i) == Verdict::Delete).count())
        .sum();
    drop(outcome);
    println!("{CHECKPOINTS} checkpoints in {SESSIONS} sessions, {deleted} to delete");

    let mut wall = Vec::new();
    let mut cpu = Vec::new();
    for round in 0..=ROUNDS {
        let ours = timed(|| decide(&inventory, &policy, records::NOW));
        let sort = timed(|| records::sort_once(&inventory));
        if round > 0 {
            wall.push(ours.0 / sort.0);
            cpu.push(ours.1 / sort.1);
        }
    }
    let (wall, cpu) = (median(&mut wall), median(&mut cpu));
    println!(
        "decide / sort once per session: wall {wall:.2}, cpu {cpu:.2} (promised: {MAX_RATIO})"
    );
    let bytes = (most - before) / f64::from(CHECKPOINTS);
    let inventory = (held - before) / f64::from(CHECKPOINTS);
    println!(
        "peak memory per checkpoint: {bytes:.0} bytes, of which the inventory {inventory:.0} \
         (promised: {MAX_BYTES})"
    );
    for (what, value, most) in [
        ("decide a million / sort them once per session, wall", wall, MAX_RATIO),
        ("decide a million / sort them once per session, CPU", cpu, MAX_RATIO),
        ("decide a million: peak bytes per checkpoint", bytes, MAX_BYTES),
    ] {
        row(what, value, most);
    }
    if wall <= MAX_RATIO && cpu <= MAX_RATIO && bytes <= MAX_BYTES {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A line of the table of `tests/bench-peers`, which says where to.
#[allow(clippy::disallowed_methods, reason = "a bench is no part of the command line")]
fn row(what: &str, value: f64, most: f64) {
    let Some(name) = std::env::var_os("RETAIN_BENCH_ROWS") else { return };
    let row = serde_json::json!({
        "path": "sort", "what": what, "measured": format!("{value:.2}"),
        "target": format!("<= {most}"), "holds": value <= most,
    });
    let mut out = std::fs::File::options().append(true).create(true).open(name).expect("a file");
    writeln!(out, "{row}").expect("a line is written");
}

/// Wall and CPU seconds; the result is dropped after the clock has stopped.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, f64) {
    let (start, busy) = (Instant::now(), cpu_seconds());
    let result = black_box(work());
    let times = (start.elapsed().as_secs_f64(), cpu_seconds() - busy);
    drop(result);
    times
}

fn cpu_seconds() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a short time")]
    let seconds = t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9;
    seconds
}

/// The highest resident size so far, in bytes.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("a peak");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024.0
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
