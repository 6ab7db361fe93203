//! Makes room: purges expired trash, and under a `min-free` quota the oldest trash early.
//!
//! A move to the trash frees nothing by itself. Plans count the trash as free, so an apply has to
//! make that true where a policy demands free space.

use super::carry;
use super::context::Context;
use super::failure::Failure;
use crate::apply::{self, Count, PurgeReport, Root, Which};
use crate::core::limit::quota::amount;
use crate::core::model::Space;
use crate::core::plan::PlanFile;
use crate::core::policy::{self, Cap, OnExceed};
use crate::report::human;
use crate::store::Store as _;
use crate::store::local::LocalStore;

/// Bytes that purging all of a root's trash would free.
pub fn trash(root: &Root) -> u64 {
    // What cannot be read does not count as free.
    let runs = apply::runs(root).map(|(runs, _)| runs).unwrap_or_default();
    runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.in_trash.bytes))
}

/// Purges what is past its grace.
///
/// # Errors
/// Another run is at work, or a journal cannot be written.
pub fn expired(context: &Context, root: &Root) -> Result<PurgeReport, Failure> {
    purge(context, root, Which::Expired, "past its grace")
}

/// Purges the oldest trash until the `min-free` of the plan's policy holds; gives back how much.
///
/// # Errors
/// As [`expired`], or the file system cannot be measured.
pub fn min_free(context: &Context, root: &Root, plan: &PlanFile) -> Result<Count, Failure> {
    let none = Count::default();
    let Some(policy) = policy::load(&plan.policy.text).policy else { return Ok(none) };
    let evicting = policy.quotas.iter().filter(|q| q.on_exceed == OnExceed::Evict);
    let demands: Vec<_> = evicting
        .filter_map(|q| match q.cap {
            Cap::MinFree { min, .. } => Some(min),
            Cap::MaxBytes { .. } => None,
        })
        .collect();
    if demands.is_empty() {
        return Ok(none);
    }
    let Space { total, free } = LocalStore::new(super::work::duplicate(root.fd())?).space()?;
    let wanted = demands.into_iter().map(|min| amount(min, total)).max().unwrap_or(0);
    if let Some(bytes) = wanted.checked_sub(free).filter(|bytes| *bytes > 0) {
        return Ok(purge(context, root, Which::Oldest { bytes }, "early, for min-free")?.purged);
    }
    Ok(none)
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
