//! What Ray's two layouts share: reported metrics.

use super::Claim;
use super::metric::Source;
use crate::core::model::Step;
use crate::format::json::Value;

/// What Ray adds to every report, which is no metric of anyone's.
const ADDED: [&str; 20] = [
    "checkpoint_dir_name",
    "config",
    "date",
    "done",
    "episodes_total",
    "experiment_id",
    "experiment_tag",
    "hostname",
    "iterations_since_restore",
    "node_ip",
    "pid",
    "should_checkpoint",
    "time_since_restore",
    "time_this_iter_s",
    "time_total_s",
    "timestamp",
    "timesteps_since_restore",
    "timesteps_total",
    "training_iteration",
    "trial_id",
];
/// Reports nested deeper than this are configuration.
const MAX_DEPTH: usize = 4;

/// Whether a column or key is a metric that the training reported.
pub fn is_metric(name: &str) -> bool {
    !ADDED.contains(&name) && !name.starts_with("config/") && name != "warmup_time"
}

/// Offers the numbers of a report; nested ones as Ray's own tables name them, `eval/loss`.
pub fn offer(claim: &mut Claim, report: &Value, source: &str) {
    offer_below(claim, report, "", source, 0);
    if claim.epoch.is_none() {
        claim.epoch = report.get("epoch").and_then(Value::as_f64).and_then(Step::from_f64);
    }
}

fn offer_below(claim: &mut Claim, value: &Value, prefix: &str, source: &str, depth: usize) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}/{key}") };
        if !is_metric(&name) || name == "epoch" {
            continue;
        }
        match value {
            Value::Object(_) if depth < MAX_DEPTH => {
                offer_below(claim, value, &name, source, depth + 1);
            }
            Value::Whole(_) | Value::Float(_) => {
                let number = value.as_f64().unwrap_or(f64::NAN);
                claim.metrics.offer(&name, number, Source::File(source.to_owned()));
            }
            _ => {}
        }
    }
}
