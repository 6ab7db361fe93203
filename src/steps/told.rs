//! What was done, as the versioned JSON of `log`, `apply` and `undo`.

use super::space::Early;
use crate::apply::{Count, PurgeReport, Report, RunSummary, Skip, UndoReport};
use crate::core::plan::PlanFile;
use serde_json::{Value, json};

/// A run in `retain-log/1`.
pub fn run(run: &RunSummary, with_items: bool) -> Value {
    let count = |c: Count| json!({ "checkpoints": c.checkpoints, "bytes": c.bytes });
    let mut value = json!({
        "run": run.id,
        "at": run.at.map(|t| t.to_string()),
        "uid": run.uid,
        "policy": run.policy,
        "plan": run.plan,
        "planned": count(run.planned),
        "in_trash": count(run.in_trash),
        "midway": count(run.midway),
        "purged": count(run.purged),
        "restored": count(run.restored),
        "left": count(run.left),
        "expires": run.expires.map(|t| t.to_string()),
        "unfinished": run.unfinished,
        "stopped": run.stopped,
        "damaged": run.damaged,
    });
    if with_items {
        value["items"] = run
            .items
            .iter()
            .map(|i| {
                json!({
                    "session": i.session, "id": i.id, "bytes": i.bytes, "state": i.state.as_str(),
                    "why": i.why,
                })
            })
            .collect();
        value["skipped"] =
            run.skipped.iter().map(|(s, why)| json!({ "session": s, "why": why })).collect();
    }
    value
}

/// `retain-apply/1`: what a run did, and its `upkeep` of the trash of earlier ones, some of it `early`.
pub fn apply(
    plan: &PlanFile,
    report: &Report,
    (upkeep, early): (&PurgeReport, &Early),
    dry_run: bool,
) -> Value {
    let faults: Vec<&String> = report.faults.iter().chain(&upkeep.faults).collect();
    json!({
        "format": "retain-apply/1",
        "dry_run": dry_run,
        "run": report.run,
        "plan": { "digest": plan.digest, "totals": plan.totals, "warnings": plan.warnings },
        "moved": { "checkpoints": report.moved.checkpoints, "bytes": report.moved.bytes },
        "purged": {
            "checkpoints": report.purged.checkpoints + upkeep.purged.checkpoints,
            "bytes": report.purged.bytes.saturating_add(upkeep.purged.bytes),
        },
        "early": early.json(),
        "restorable": report.restorable(),
        "gone": report.gone,
        "skipped": skipped(&report.skipped),
        "stopped": report.stopped.as_ref().or(upkeep.stopped.as_ref()),
        "faults": faults,
    })
}

/// `retain-undo/1`: what was restored, or would be.
pub fn undo(run: &str, dry_run: bool, report: &UndoReport) -> Value {
    json!({
        "format": "retain-undo/1",
        "dry_run": dry_run,
        "run": run,
        "restored": {
            "checkpoints": report.restored.checkpoints, "bytes": report.restored.bytes,
        },
        "already": report.already,
        "skipped": skipped(&report.skipped),
        "faults": report.faults,
        "stopped": report.stopped,
    })
}

/// What was left alone: `cause` is a word to count by, `why` a sentence.
pub fn skipped(skipped: &[Skip]) -> Value {
    let told = |s: &Skip| json!({ "session": s.session, "id": s.id, "cause": s.cause.as_str(), "why": s.why });
    skipped.iter().map(told).collect()
}

/// `retain-purge/1`: what was purged, or would be.
pub fn purge(count: Count, dry_run: bool, report: &PurgeReport) -> Value {
    json!({
        "format": "retain-purge/1",
        "dry_run": dry_run,
        "purged": { "checkpoints": count.checkpoints, "bytes": count.bytes },
        "kept": skipped(&report.kept),
        "stopped": report.stopped,
        "faults": report.faults,
    })
}
