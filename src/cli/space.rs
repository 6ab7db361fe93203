//! Makes room: purges expired trash, and under a `min-free` quota the oldest trash early.
//!
//! A move to the trash frees nothing by itself. Plans count the trash as free, so an apply has to
//! make that true where a policy demands free space. It takes somebody's undo away, and is said.

use super::carry::{self, amount};
use super::context::Context;
use super::failure::Failure;
use crate::apply::{self, ApplyError, PurgeReport, Root, Which, early};
use crate::core::plan::PlanFile;
use crate::steps::space::{self, Early};

/// So many runs are named.
const NAMED: usize = 5;

/// Purges what is past its grace.
///
/// # Errors
/// Another run is at work, or a journal cannot be written.
pub fn expired(context: &Context, root: &Root) -> Result<PurgeReport, Failure> {
    let report = purge(context, root, Which::Expired).map_err(carry::failure)?;
    if report.purged.checkpoints > 0 {
        let amount = amount(report.purged);
        context.ui.note(format!("purged {amount} from the trash, past its grace"));
    }
    Ok(report)
}

/// Purges the oldest trash until the `min-free` of the plan's policy holds, but none of `own`, the run
/// that this command has made. What went is said, and in `early`, also if it fails.
///
/// # Errors
/// As [`expired`], or the file system cannot be measured.
pub fn min_free(
    context: &Context,
    root: &Root,
    plan: &PlanFile,
    own: Option<&str>,
    early: &mut Early,
) -> (PurgeReport, Result<(), Failure>) {
    let mut all = PurgeReport::default();
    let threads = context.threads.unwrap_or_default();
    let done = space::make_room(root, plan, threads, (context.now, own), early, |runs| {
        let report = purge(context, root, Which::Runs(runs))?;
        let purged = report.purged;
        all.absorb(report);
        Ok(purged)
    });
    if early.count.checkpoints > 0 {
        context.ui.warn(format!(
            "purged {} from the trash early, for min-free; this can no longer be undone: {}",
            amount(early.count),
            named(&early.runs)
        ));
    }
    (all, done.map_err(carry::failure))
}

/// What [`min_free`] would purge, of a plan that is not carried out yet; `at_once` if what the plan
/// moves would not stay in the trash either.
///
/// # Errors
/// The root or its file system cannot be read.
pub fn foreseen(
    context: &Context,
    root: &Root,
    plan: &PlanFile,
    at_once: bool,
) -> Result<Early, Failure> {
    let demands = space::demands(plan);
    if demands.is_empty() || root.id.is_none() {
        return Ok(Early::default());
    }
    let mut measured = space::measure(root).map_err(carry::failure)?;
    let mut coming = plan.totals.delete_bytes;
    if at_once {
        measured.free = measured.free.saturating_add(std::mem::take(&mut coming));
    }
    let trash = early::trash(root, context.threads.unwrap_or_default(), context.now);
    let trash = trash.map_err(carry::failure)?;
    let early = space::choose(&demands, measured, &trash, (context.now, None, coming));
    if early.count.checkpoints > 0 {
        context.ui.warn(format!(
            "for min-free, {} would be purged from the trash early, and could no longer be undone: {}",
            amount(early.count),
            named(&early.runs)
        ));
    }
    Ok(early)
}

fn named(runs: &[String]) -> String {
    let more = runs.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", runs.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "))
}

fn purge(context: &Context, root: &Root, which: Which<'_>) -> Result<PurgeReport, ApplyError> {
    let critical = context.signals.critical();
    let settings = carry::settings(context, critical.stop());
    let report = apply::purge(root, which, &settings, &|_| {})?;
    drop(critical);
    carry::say_recovered(&context.ui, report.recovered.as_ref());
    carry::say_skipped(&context.ui, &report.kept);
    for fault in &report.faults {
        context.ui.warn(fault);
    }
    Ok(report)
}
