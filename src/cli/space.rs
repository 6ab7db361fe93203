//! Makes room: purges expired trash, and under a `min-free` quota the oldest trash early.
//!
//! A move to the trash frees nothing by itself. Plans count the trash as free, so an apply has to
//! make that true where a policy demands free space.

use super::carry;
use super::context::Context;
use super::failure::Failure;
use crate::apply::{self, PurgeReport, Root, Which};
use crate::core::plan::PlanFile;
use crate::report::human;
use crate::steps::space;

/// Purges what is past its grace.
///
/// # Errors
/// Another run is at work, or a journal cannot be written.
pub fn expired(context: &Context, root: &Root) -> Result<PurgeReport, Failure> {
    purge(context, root, Which::Expired, "past its grace")
}

/// Purges the oldest trash until the `min-free` of the plan's policy holds.
///
/// # Errors
/// As [`expired`], or the file system cannot be measured.
pub fn min_free(context: &Context, root: &Root, plan: &PlanFile) -> Result<PurgeReport, Failure> {
    match space::shortfall(root, plan)? {
        Some(bytes) => purge(context, root, Which::Oldest { bytes }, "early, for min-free"),
        None => Ok(PurgeReport::default()),
    }
}

fn purge(
    context: &Context,
    root: &Root,
    which: Which<'_>,
    why: &str,
) -> Result<PurgeReport, Failure> {
    let critical = context.signals.critical();
    let settings = carry::settings(context, critical.stop());
    let report = apply::purge(root, which, &settings, &|_| {}).map_err(carry::failure)?;
    drop(critical);
    carry::say_recovered(&context.ui, report.recovered.as_ref());
    carry::say_skipped(&context.ui, &report.kept);
    for fault in &report.faults {
        context.ui.warn(fault);
    }
    if report.purged.checkpoints > 0 {
        context.ui.note(format!(
            "purged {} ({}) from the trash, {why}",
            human::count(report.purged.checkpoints, "checkpoint"),
            human::size(report.purged.bytes)
        ));
    }
    Ok(report)
}
