//! `retain purge`: reclaims the trash; the one command after which nothing can be undone.

use super::args::Consent;
use super::carry;
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::ui::Ui;
use super::{log, progress, unfinished};
use crate::apply::purge::Due;
use crate::apply::{self, PurgeReport, Root, Which, purge};
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
    let which = match &run {
        Some(run) => Which::Run(&run.id),
        None if args.all => Which::All,
        None => Which::Expired,
    };
    // Nobody is asked with --yes: then only a run that is not theirs is of interest beforehand.
    let due = if args.consent.yes && run.is_none() {
        Due::default()
    } else {
        let threads = context.threads.unwrap_or(0);
        purge::foresee(&root, which, threads, context.now).map_err(carry::failure)?
    };
    let count = due.count;
    let amount = carry::amount(count);
    if args.consent.dry_run {
        unfinished::tell(context, &root, None);
        let report = PurgeReport { kept: due.kept, faults: due.faults, ..PurgeReport::default() };
        say_left(ui, &report);
        if ui.json {
            ui.json(&told::purge(count, true, &report))?;
        } else {
            ui.out(&format!("{amount} in the trash would be purged.\n"))?;
        }
        return Ok(exit(&report));
    }
    let question = format!("Purge {amount} from the trash for good?");
    let report = if args.consent.yes || (count.checkpoints > 0 && ui.confirm(&question)?) {
        purged(context, &root, which)?
    } else if count.checkpoints > 0 {
        return Err(Failure::msg(Exit::Refused, "not confirmed; nothing was purged"));
    } else {
        // What somebody lets go in this moment was in no question.
        PurgeReport { kept: due.kept, faults: due.faults, ..PurgeReport::default() }
    };

    carry::say_recovered(ui, report.recovered.as_ref());
    say_left(ui, &report);
    let purged = report.purged;
    if ui.json {
        ui.json(&told::purge(purged, false, &report))?;
    } else if purged.checkpoints == 0 {
        ui.out("Nothing to purge.\n")?;
    } else {
        let count = human::count(purged.checkpoints, "checkpoint");
        ui.out(&format!("Purged {count} ({}).\n", human::size(purged.bytes)))?;
    }
    Ok(exit(&report))
}

fn purged(context: &Context, root: &Root, which: Which<'_>) -> Result<PurgeReport, Failure> {
    let critical = context.signals.critical();
    let settings = carry::settings(context, critical.stop());
    context.confine(root);
    let bar = progress::Deletion::new(&context.ui);
    let done = apply::purge(root, which, &settings, &|event| bar.event(&event));
    bar.finish();
    done.map_err(carry::failure)
}

fn say_left(ui: &Ui, report: &PurgeReport) {
    carry::say_skipped(ui, &report.kept);
    for fault in &report.faults {
        ui.warn(fault);
    }
    if let Some(why) = &report.stopped {
        ui.warn(format!("stopped before the end: {why}"));
    }
}

fn exit(report: &PurgeReport) -> Exit {
    let left = !report.faults.is_empty() || !report.kept.is_empty() || report.stopped.is_some();
    Exit::Done.and_if(left, Exit::Partly)
}
