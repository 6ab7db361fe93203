//! `retain log`: what was done here, and what of it is still in the trash.

use super::carry;
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::unfinished;
use crate::apply::{ApplyError, Count, Root, RunItem, RunSummary};
use crate::report::table::{Align, Cell, Table};
use crate::report::{human, sanitize};
use crate::steps::told;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub struct LogArgs {
    /// One run, by its id, the beginning of it, or `last`: every checkpoint of it
    #[arg(value_name = "RUN")]
    run: Option<String>,
}

pub fn run(context: &Context, args: &LogArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    let root = context::open(&config.root)?;
    unfinished::tell(context, &root, None);
    let (mut runs, faults) = context.runs(&root).map_err(carry::failure)?;
    if let Some(text) = &args.run {
        runs = vec![known(context, pick(runs, &root, text), &faults)?];
    }
    if context.ui.json {
        let list: Vec<Value> = runs.iter().map(|r| told::run(r, args.run.is_some())).collect();
        context.ui.json(&json!({ "format": "retain-log/1", "runs": list, "faults": faults }))?;
    } else if args.run.is_some() {
        context.ui.out(&one_run(context, &runs[0]))?;
    } else if runs.is_empty() {
        context.ui.note("no runs yet");
    } else {
        context.ui.out(&overview(context, &runs))?;
    }
    for fault in &faults {
        context.ui.warn(fault);
    }
    Ok(Exit::Done.and_if(!faults.is_empty(), Exit::Partly))
}

/// The run that a person's text stands for.
///
/// # Errors
/// None, or several.
pub fn one(context: &Context, root: &Root, text: &str) -> Result<RunSummary, Failure> {
    let (runs, faults) = context.runs(root).map_err(carry::failure)?;
    let run = known(context, pick(runs, root, text), &faults)?;
    match run.unreadable {
        Some(why) if text == LAST => Err(Failure::msg(Exit::Error, why)
            .help("it may be the last one; `retain log` lists the others, which can be named")),
        Some(why) => Err(Failure::msg(Exit::Error, why)),
        None => Ok(run),
    }
}

/// That there is no such run is not known where something cannot be read.
fn known(
    context: &Context,
    found: Result<RunSummary, Failure>,
    faults: &[String],
) -> Result<RunSummary, Failure> {
    if found.is_ok() || faults.is_empty() {
        return found;
    }
    for fault in faults {
        context.ui.warn(fault);
    }
    let none = "of what can be read, no run, or not one alone, is called that";
    Err(Failure::msg(Exit::Error, none).help("`retain log` lists the runs"))
}

/// The word for the newest run that moved anything, among those that one may undo if there are any.
pub const LAST: &str = "last";

fn pick(runs: Vec<RunSummary>, root: &Root, text: &str) -> Result<RunSummary, Failure> {
    if text == LAST {
        return last(runs, root).ok_or_else(|| {
            Failure::usage("no run has deleted anything here").help("`retain log` lists the runs")
        });
    }
    let mut hits: Vec<RunSummary> = runs.into_iter().filter(|r| r.id.starts_with(text)).collect();
    if let Some(exact) = hits.iter().position(|r| r.id == text) {
        return Ok(hits.swap_remove(exact));
    }
    match (hits.pop(), hits.is_empty()) {
        (Some(run), true) if !text.is_empty() => Ok(run),
        (None, _) => Err(carry::failure(ApplyError::NoSuchRun(text.to_owned()))),
        _ => Err(carry::failure(ApplyError::AmbiguousRun(text.to_owned()))),
    }
}

fn last(runs: Vec<RunSummary>, root: &Root) -> Option<RunSummary> {
    let moved = |r: &RunSummary| {
        [r.in_trash, r.midway, r.purged, r.restored].iter().any(|c| c.checkpoints > 0)
    };
    let (mut runs, rest): (Vec<_>, Vec<_>) = runs.into_iter().partition(moved);
    // Of others' alone, the newest: whoever acts on it hears whose it is.
    let own = runs.iter().rposition(|r| r.may_act(root));
    let newest = if let Some(own) = own { Some(runs.swap_remove(own)) } else { runs.pop() };
    // What cannot be read may have moved anything. Its id alone says when; within one second any.
    let second = |run: &RunSummary| run.id.rsplit_once('-').map(|(at, _)| at.to_owned());
    let hidden = rest.into_iter().filter(|r| r.unreadable.is_some()).max_by_key(second);
    match (hidden, newest) {
        (Some(hidden), Some(newest)) if second(&hidden) < second(&newest) => Some(newest),
        (hidden, newest) => hidden.or(newest),
    }
}

fn overview(context: &Context, runs: &[RunSummary]) -> String {
    let mut table = Table::new([
        ("Run", Align::Left),
        ("When", Align::Left),
        ("Policy", Align::Left),
        ("In Trash", Align::Right),
        ("Purged", Align::Right),
        ("Restored", Align::Right),
        ("Restorable", Align::Left),
    ]);
    for run in runs {
        table.row([
            Cell::new(&run.id),
            Cell::new(run.at.map_or("-".to_owned(), |t| human::ago(context.now, t))),
            Cell::new(&run.policy),
            Cell::new(amount(run.in_trash)),
            Cell::new(amount(run.purged)),
            Cell::new(amount(run.restored)),
            Cell::new(restorable(context, run)),
        ]);
    }
    table.render()
}

/// `7 (2.50 GiB)`, `-` for nothing.
fn amount(count: Count) -> String {
    if count.checkpoints == 0 {
        return "-".to_owned();
    }
    format!("{} ({})", human::grouped(count.checkpoints), human::size(count.bytes))
}

fn restorable(context: &Context, run: &RunSummary) -> String {
    match run.expires {
        Some(t) if t > context.now => format!("until {}", human::time(t)),
        Some(_) => "until the next purge".to_owned(),
        None => String::new(),
    }
}

fn one_run(context: &Context, run: &RunSummary) -> String {
    let mut out = format!("run {}\n", sanitize::terminal(&run.id));
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "  {name:<10} {}", sanitize::terminal(&value));
        }
    };
    fact("when", run.at.map(human::time).unwrap_or_default());
    fact("policy", run.policy.clone());
    fact("planned", amount(run.planned));
    fact("in trash", amount(run.in_trash));
    fact("half-way", amount(run.midway));
    fact("restorable", restorable(context, run));
    fact("stopped", run.stopped.clone().unwrap_or_default());
    if run.unfinished {
        fact("state", "at work, or interrupted".to_owned());
    }
    if run.damaged {
        fact("journal", "some of its records are lost".to_owned());
    }
    for (session, why) in &run.skipped {
        fact("kept", format!("{session}: {why}"));
    }
    out.push('\n');
    out + &items(&run.items)
}

/// A table of a run's checkpoints.
pub fn items(items: &[RunItem]) -> String {
    let mut table = Table::new([
        ("State", Align::Left),
        ("Session", Align::Left),
        ("Checkpoint", Align::Left),
        ("Size", Align::Right),
        ("Why", Align::Left),
    ]);
    for item in items {
        table.row([
            Cell::new(item.state.as_str()),
            Cell::new(&item.session),
            Cell::new(&item.id),
            Cell::new(human::size(item.bytes)),
            Cell::new(&item.why),
        ]);
    }
    table.render()
}
