//! What a policy costs: how much worse the best are that stay.

use super::DEPTH;
use crate::core::decide::decide;
use crate::core::model::{Inventory, MetricId, Session, Time};
use crate::core::policy::{Direction, Policy, RuleKind, SessionPolicy};

/// The metric that counts for a session.
#[derive(Clone, Copy, Debug)]
pub struct Ranked {
    metric: MetricId,
    direction: Direction,
}

/// For each session the first of its policy's `best` rules, with the first metric that it has.
pub fn ranked(inventory: &Inventory, policy: &Policy, now: Time) -> Vec<Option<Ranked>> {
    let outcome = decide(inventory, policy, now);
    let of = |(session, decision): (&Session, Option<u16>)| {
        let policy: &SessionPolicy = &policy.policies[usize::from(decision?)];
        policy.keep.iter().find_map(|rule| {
            let RuleKind::Best(best) = &rule.kind else { return None };
            let mut ids = best.metrics.iter().filter_map(|name| inventory.names.get(name));
            let metric = ids.find(|id| !values(session, *id, |_| true).is_empty())?;
            Some(Ranked { metric, direction: best.direction })
        })
    };
    let policies = outcome.sessions.iter().map(|d| d.policy);
    inventory.sessions.iter().zip(policies).map(of).collect()
}

/// Finite values of complete checkpoints.
fn values(session: &Session, metric: MetricId, wanted: impl Fn(usize) -> bool) -> Vec<f64> {
    let complete = session.checkpoints.iter().enumerate().filter(|(i, c)| c.complete && wanted(*i));
    complete.filter_map(|(_, c)| c.finite_metric(metric)).collect()
}

pub fn loss(
    inventory: &Inventory,
    ranked: &[Option<Ranked>],
    stays: impl Fn(usize, usize) -> bool,
) -> f64 {
    let (mut sum, mut sessions) = (0.0, 0.0);
    for (s, (session, ranked)) in inventory.sessions.iter().zip(ranked).enumerate() {
        let Some(ranked) = ranked else { continue };
        let sorted = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            if ranked.direction == Direction::Max {
                values.reverse();
            }
            values
        };
        let ever = sorted(values(session, ranked.metric, |_| true));
        let left = sorted(values(session, ranked.metric, |c| stays(s, c)));
        sum += shortfall(&ever, &left);
        sessions += 1.0;
    }
    if sessions > 0.0 { sum / sessions } else { 0.0 }
}

/// Of two lists, the best first: by how much the best few of the second are worse. A place that
/// nobody is left for counts as the worst there was.
fn shortfall(ever: &[f64], left: &[f64]) -> f64 {
    let (Some(best), Some(worst)) = (ever.first(), ever.last()) else { return 0.0 };
    let span = (worst - best).abs();
    if span == 0.0 || !span.is_finite() {
        return 0.0;
    }
    let depth = ever.len().min(DEPTH);
    let missing = (0..depth).map(|i| (left.get(i).unwrap_or(worst) - ever[i]).abs() / span);
    #[expect(clippy::cast_precision_loss, reason = "at most three")]
    let mean = missing.sum::<f64>() / depth as f64;
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_is_a_share_of_the_span() {
        let ever = [0.0, 1.0, 2.0, 10.0];
        assert_eq!(shortfall(&ever, &ever), 0.0);
        assert_eq!(shortfall(&ever, &[0.0, 1.0, 2.0]), 0.0, "the rest does not count");
        assert_eq!(shortfall(&ever, &[10.0]), (1.0 + 0.9 + 0.8) / 3.0);
        assert_eq!(shortfall(&ever, &[]), (1.0 + 0.9 + 0.8) / 3.0);
        assert_eq!(shortfall(&[5.0, 5.0], &[]), 0.0, "all are as good");
        assert_eq!(shortfall(&[], &[]), 0.0);
        assert_eq!(shortfall(&[9.0, 1.0], &[1.0]), 0.5, "the greater is better");
    }
}
