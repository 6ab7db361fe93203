//! One process of `tests/bench-decide`: holds its data, says that it is ready, and does one piece of
//! work for each line that it reads, so that the peers can take turns.
//!
//! `measure WORK CHECKPOINTS SESSIONS [DIR]`; for each piece it prints wall and CPU seconds, and the
//! bytes that were read or written.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use bare::Columns;
use retain::core::decide::decide;
use retain::core::model::Inventory;
use retain::core::plan::{self, PlanFile};
use rustix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

mod bare;
mod records;

const USAGE: &str = "measure WORK CHECKPOINTS SESSIONS [DIR]";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [work, checkpoints, sessions, rest @ ..] = &arguments[..] else { return Err(USAGE.into()) };
    let before = peak();
    let inventory = records::inventory(checkpoints.parse()?, sessions.parse()?);
    let held = peak();
    let policy = records::global(&inventory);
    match &work[..] {
        "decide" => serve(|| timed(|| decide(&inventory, &policy, records::NOW), 0)),
        "sort" => serve(|| timed(|| records::sort_once(&inventory), 0)),
        "bare" | "bare-shuffled" => {
            let columns = Columns::new(&inventory, work == "bare-shuffled");
            let budget = records::bytes(&inventory) / 100 * 35;
            drop(inventory);
            serve(|| timed(|| bare::rank(&columns, budget), 0))
        }
        "memory" => {
            let outcome = decide(&inventory, &policy, records::NOW);
            let most = peak();
            black_box(outcome);
            let count: f64 = checkpoints.parse()?;
            println!("{:.0} {:.0}", (held - before) / count, (most - before) / count);
            Ok(())
        }
        "export" => export(&inventory, Path::new(rest.first().ok_or(USAGE)?)),
        "write" => serve(|| {
            let mut text = Vec::new();
            let (wall, cpu, _) = timed(|| retain::inventory::write(&inventory, &mut text), 0);
            (wall, cpu, text.len())
        }),
        "read" | "lines" | "parse" => {
            let mut text = Vec::new();
            retain::inventory::write(&inventory, &mut text)?;
            drop(inventory);
            serve(|| match &work[..] {
                "read" => timed(|| retain::inventory::read(&mut &text[..]), text.len()),
                "lines" => {
                    timed(|| std::str::from_utf8(&text).map(|t| t.lines().count()), text.len())
                }
                _ => timed(|| parse(&text), text.len()),
            })
        }
        "plan" => {
            let plan = plan_of(&inventory);
            serve(|| {
                let mut text = Vec::new();
                let (wall, cpu, _) = timed(|| serde_json::to_writer(&mut text, &plan), 0);
                (wall, cpu, text.len())
            })
        }
        _ => Err(USAGE.into()),
    }
}

/// What any program does that reads the lines as JSON: a tree of values for each.
fn parse(text: &[u8]) -> usize {
    let line = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).is_ok();
    text.split(|b| *b == b'\n').filter(|l| line(l)).count()
}

fn plan_of(inventory: &Inventory) -> PlanFile {
    let policy = records::global(inventory);
    let outcome = decide(inventory, &policy, records::NOW);
    plan::build(&plan::Input {
        inventory,
        policy: &policy,
        outcome: &outcome,
        now: records::NOW,
        policy_source: "bench",
        policy_text: "",
        root: None,
        select: None,
    })
}

/// Columns for the peers, little-endian, in no order.
fn export(inventory: &Inventory, dir: &Path) -> Result<(), Box<dyn Error>> {
    let columns = Columns::new(inventory, true);
    let file = |name: &str| File::create(dir.join(name)).map(BufWriter::new);
    let mut out = file("session")?;
    columns.session.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
    let mut out = file("step")?;
    columns.step.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
    let mut out = file("loss")?;
    columns.loss.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
    let mut out = file("bytes")?;
    columns.bytes.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
    let mut out = file("created")?;
    columns.created.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
    Ok(())
}

/// Answers each line with one measurement.
fn serve(mut work: impl FnMut() -> (f64, f64, usize)) -> Result<(), Box<dyn Error>> {
    println!("ready");
    for line in std::io::stdin().lines() {
        line?;
        let (wall, cpu, bytes) = work();
        println!("{wall} {cpu} {bytes}");
    }
    Ok(())
}

/// Wall and CPU seconds; the result is dropped after the clock has stopped.
fn timed<T>(work: impl FnOnce() -> T, bytes: usize) -> (f64, f64, usize) {
    let (start, busy) = (Instant::now(), cpu_seconds());
    let result = black_box(work());
    let times = (start.elapsed().as_secs_f64(), cpu_seconds() - busy, bytes);
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
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
    kib * 1024.0
}
