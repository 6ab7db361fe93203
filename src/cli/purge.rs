//! `retain purge`: reclaims the trash; the one command after which nothing can be undone.

use super::args::Consent;
use super::carry;
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::{log, progress, unfinished};
use crate::apply::{self, Count, PurgeReport, Root, RunSummary, Which};
use crate::report::human;
use crate::steps::told;
use clap::Args;

#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// Only this run (its id, the beginning of it, or `last`), whether its grace has passed or not; `retain log` lists them
    #[arg(value_name = "RUN")]
    run: Option<String>,

    /// All runs, whether their grace has passed or not
    #[arg(long, conflicts_with = "run")]
    all: bool,

    #[command(flatten)]
    consent: Consent,
}

pub fn run(context: &Context, args: &PurgeArgs) -> Result<Exit, Failure> {
    carry::gate(args.consent)?;
    let config = context.config()?;
    let root = context::open(&config.root)?;
    let ui = &context.ui;
    // Before the question: what recovery brings into the trash is part of the answer.
    carry::recover(context, &root, args.consent.dry_run)?;
    let run = args.run.as_deref().map(|text| log::one(context, &root, text)).transpose()?;
    let (due, faults) = due(context, &root, args, run.as_ref())?;
    let amount =
        format!("{} ({})", human::count(due.checkpoints, "checkpoint"), human::size(due.bytes));
    if args.consent.dry_run {
        unfinished::tell(context, &root, None);
        if ui.json {
            ui.json(&told::purge(due, true, &PurgeReport::default()))?;
        } else {
            ui.out(&format!("{amount} in the trash would be purged.\n"))?;
        }
        faults.iter().for_each(|fault| ui.warn(fault));
        return Ok(Exit::Done.and_if(!faults.is_empty(), Exit::Partly));
    }
    let question = format!("Purge {amount} from the trash for good?");
    if due.checkpoints > 0 && !args.consent.yes && !ui.confirm(&question)? {
        return Err(Failure::msg(Exit::Refused, "not confirmed; nothing was purged"));
    }
    let which = match &run {
        Some(run) => Which::Run(&run.id),
        None if args.all => Which::All,
        None => Which::Expired,
    };
    let critical = context.signals.critical();
    let settings = carry::settings(context, critical.stop());
    context.confine(&root);
    let bar = progress::Deletion::new(ui);
    let done = apply::purge(&root, which, &settings, &|event| bar.event(&event));
    bar.finish();
    drop(critical);
    let report = done.map_err(carry::failure)?;

    carry::say_recovered(ui, report.recovered.as_ref());
    carry::say_skipped(ui, &report.kept);
    for fault in &report.faults {
        ui.warn(fault);
    }
    if let Some(why) = &report.stopped {
        ui.warn(format!("stopped before the end: {why}"));
    }
    let purged = report.purged;
    if ui.json {
        ui.json(&told::purge(purged, false, &report))?;
    } else if purged.checkpoints == 0 {
        ui.out("Nothing to purge.\n")?;
    } else {
        let count = human::count(purged.checkpoints, "checkpoint");
        ui.out(&format!("Purged {count} ({}).\n", human::size(purged.bytes)))?;
    }
    let left = !report.faults.is_empty() || !report.kept.is_empty() || report.stopped.is_some();
    Ok(Exit::Done.and_if(left, Exit::Partly))
}

/// What is about to be purged, and what could not be read.
fn due(
    context: &Context,
    root: &Root,
    args: &PurgeArgs,
    run: Option<&RunSummary>,
) -> Result<(Count, Vec<String>), Failure> {
    let mine = |run: &RunSummary| Count {
        checkpoints: run.in_trash.checkpoints.saturating_sub(run.out_of_reach.checkpoints),
        bytes: run.in_trash.bytes.saturating_sub(run.out_of_reach.bytes),
    };
    if let Some(run) = run {
        return Ok((mine(run), Vec::new()));
    }
    let (runs, faults) = context.runs(root).map_err(carry::failure)?;
    let expired = runs.iter().filter(|r| args.all || r.expires.is_some_and(|t| t <= context.now));
    let mut sum = Count::default();
    expired.for_each(|run| sum.absorb(mine(run)));
    Ok((sum, faults))
}
