//! `retain undo`: brings back what a run moved to the trash.

use super::carry;
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::ui::Ui;
use super::{log, progress, unfinished};
use crate::apply::undo::{self, Foreseen};
use crate::apply::{self, Root, RunSummary, UndoReport, What};
use crate::report::human;
use crate::steps::{pick, taken, told};
use clap::Args;

#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The run, by its id, the beginning of it, or `last`; `retain log` lists them
    #[arg(value_name = "RUN", default_value = log::LAST)]
    run: String,

    /// Only this session
    #[arg(value_name = "SESSION")]
    session: Option<String>,

    /// Only this checkpoint of it
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: Option<String>,

    /// Show what would be brought back and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub fn run(context: &Context, args: &UndoArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    let root = context::open(&config.root)?;
    // Before anything can be refused: whoever killed a run is told of it by any command.
    carry::recover(context, &root, args.dry_run)?;
    let run = log::one(context, &root, &args.run)?;
    let session = args.session.as_deref().map(|s| taken::session(&run, pick::tidy(s)));
    let checkpoint = args.checkpoint.as_deref().map(|c| taken::checkpoint(&run, session, c));
    let what = What { run: &run.id, session, checkpoint };
    if args.dry_run {
        unfinished::tell(context, &root, None);
        return preview(context, &root, &run, &what);
    }
    let critical = context.signals.critical();
    let settings = carry::settings(context, critical.stop());
    context.confine(&root);
    let bar = progress::Deletion::new(&context.ui);
    let done = apply::undo(&root, &what, &settings, &|event| bar.event(&event));
    bar.finish();
    drop(critical);
    let report = done.map_err(carry::failure)?;

    let ui = &context.ui;
    carry::say_recovered(ui, report.recovered.as_ref());
    say_left(ui, &report);
    if let Some(why) = &report.stopped {
        ui.warn(format!(
            "stopped before the end: {why}; what was not reached is still in the trash"
        ));
    }
    let restored = report.restored;
    if ui.json {
        ui.json(&told::undo(&run.id, false, &report))?;
    } else if restored.checkpoints == 0 && report.already > 0 && report.skipped.is_empty() {
        let run = &run.id;
        ui.out(&format!(
            "Nothing to restore: everything of run {run} is back at its place already.\n"
        ))?;
    } else {
        let count = human::count(restored.checkpoints, "checkpoint");
        let size = human::size(restored.bytes);
        ui.out(&format!("Restored {count} ({size}) of run {}.\n", run.id))?;
    }
    Ok(exit(&report))
}

fn say_left(ui: &Ui, report: &UndoReport) {
    for skip in &report.skipped {
        let id = skip.id.as_deref().unwrap_or_default();
        ui.warn(format!("not restored: {} {id}: {}", skip.session, skip.why));
    }
    report.faults.iter().for_each(|fault| ui.warn(fault));
}

fn preview(
    context: &Context,
    root: &Root,
    run: &RunSummary,
    what: &What<'_>,
) -> Result<Exit, Failure> {
    let threads = context.threads.unwrap_or(0);
    let Foreseen { items, report } = undo::foresee(root, what, threads).map_err(carry::failure)?;
    say_left(&context.ui, &report);
    if context.ui.json {
        context.ui.json(&told::undo(&run.id, true, &report))?;
    } else {
        context.ui.out(&log::items(&items))?;
        context.ui.note("dry run: nothing was changed");
    }
    Ok(exit(&report))
}

fn exit(report: &UndoReport) -> Exit {
    let left = !report.skipped.is_empty() || !report.faults.is_empty() || report.stopped.is_some();
    Exit::Done.and_if(left, Exit::Partly)
}
