//! Searches the numbers of a policy: how many best, how many last, at which intervals.
//!
//! The policy in force says what is managed, what is protected and which metric counts, and all
//! that stays. Of its rules those with numbers to choose are replaced; each combination is decided
//! on the inventory, and what it keeps is set against what is lost of each session's best.

use super::calendar::Period;
use super::decide::decide;
use super::decision::Verdict;
use super::limit::usage::Usage;
use super::model::{Inventory, MetricId, Session, Time};
use super::policy::{Across, Best, Bucket, Direction, Policy, Rule, RuleKind, SessionPolicy, Ties};
use super::simulate::{SimulateError, simulate};

/// How much is kept in one combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// 0: no `best` rule.
    pub best: u32,
    pub last: u32,
    pub interval: Option<(Period, u32)>,
}

const BEST: [u32; 6] = [0, 1, 2, 3, 5, 10];
const LAST: [u32; 6] = [1, 2, 3, 5, 10, 20];
const INTERVALS: [Option<(Period, u32)>; 4] =
    [None, Some((Period::Day, 7)), Some((Period::Day, 30)), Some((Period::Week, 8))];

/// So many of a session's best are looked at.
pub const DEPTH: usize = 3;

/// One combination, and what it comes to on the inventory.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub numbers: Numbers,
    pub policy: Policy,
    /// Allocated bytes and checkpoints that stay.
    pub bytes: u64,
    pub kept: u64,
    pub deleted: u64,
    /// How much worse the best [`DEPTH`] of a session's metric are that stay, as a share (0 to 1) of
    /// the span between its best and its worst; the mean over the sessions that have the metric.
    pub loss: f64,
    /// What came of it, had it run all the time.
    pub past: Option<Past>,
}

/// From a simulation of the candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    pub peak: u64,
    pub loss: f64,
    pub regrets: u64,
}

#[derive(Clone, Debug)]
pub struct Advice {
    /// No candidate with fewer bytes has as little loss; and the chosen one. Fewest bytes first.
    pub table: Vec<Candidate>,
    /// Index into `table`.
    pub chosen: usize,
    /// It stays within what was asked for; else it is the one with the fewest bytes.
    pub fits: bool,
}

/// The least loss within `fit` bytes, and of those what keeps most.
///
/// # Errors
/// As [`simulate`].
pub fn advise(
    inventory: &Inventory,
    policy: &Policy,
    now: Time,
    fit: u64,
    every: u64,
) -> Result<Advice, SimulateError> {
    let ranked: Vec<Option<Ranked>> = ranked(inventory, policy, now);
    let has_best = policy.policies.iter().flat_map(|p| &p.keep).any(is_best);
    let mut all = Vec::new();
    for best in if has_best { &BEST[..] } else { &BEST[..1] } {
        for last in LAST {
            for interval in INTERVALS {
                all.push(Numbers { best: *best, last, interval });
            }
        }
    }
    // One after the other: each decision is parallel by itself, and holds its outcome in memory.
    let mut all: Vec<Candidate> = all
        .into_iter()
        .map(|numbers| weigh(inventory, with(policy, numbers), numbers, now, &ranked))
        .collect();
    all.sort_by(|a, b| {
        let loss = a.loss.total_cmp(&b.loss);
        a.bytes.cmp(&b.bytes).then(loss).then(b.kept.cmp(&a.kept))
    });
    let fitting = (0..all.len()).filter(|i| all[*i].bytes <= fit);
    let most = fitting.min_by(|a, b| {
        let (a, b) = (&all[*a], &all[*b]);
        a.loss.total_cmp(&b.loss).then(b.kept.cmp(&a.kept)).then(a.bytes.cmp(&b.bytes))
    });
    let (chosen, fits) = most.map_or((0, false), |i| (i, true));
    let mut least = f64::INFINITY;
    let mut shown = Vec::new();
    for (i, candidate) in all.iter().enumerate() {
        let better = candidate.loss < least;
        if better || i == chosen {
            shown.push(i);
        }
        least = least.min(candidate.loss);
    }
    let mut table: Vec<Candidate> = shown.iter().map(|i| all[*i].clone()).collect();
    for candidate in &mut table {
        candidate.past = Some(replay(inventory, &candidate.policy, now, every, &ranked)?);
    }
    let chosen = shown.iter().position(|i| *i == chosen).unwrap_or(0);
    Ok(Advice { table, chosen, fits })
}

/// The policy with other numbers: what names checkpoints, and what is hard, stays as it is.
fn with(policy: &Policy, numbers: Numbers) -> Policy {
    let mut policy = policy.clone();
    for p in &mut policy.policies {
        // A policy without rules keeps everything, and so it should stay.
        if p.keep.is_empty() {
            continue;
        }
        let rules = p.keep.drain(..).filter_map(|rule| {
            if rule.hard {
                return Some(rule);
            }
            match rule.kind {
                RuleKind::Best(best) => {
                    let best = Best { n: numbers.best, ties: Ties::Newest, ..best };
                    (numbers.best > 0).then_some(Rule { kind: RuleKind::Best(best), ..rule })
                }
                RuleKind::Steps(_)
                | RuleKind::Id(_)
                | RuleKind::Tag(_)
                | RuleKind::Submitted
                | RuleKind::All => Some(rule),
                RuleKind::Last(_)
                | RuleKind::First(_)
                | RuleKind::EverySteps { .. }
                | RuleKind::EveryEpochs { .. }
                | RuleKind::Every { .. }
                | RuleKind::Within { .. }
                | RuleKind::Bucket(_) => None,
            }
        });
        let mut rules: Vec<Rule> = rules.collect();
        rules.push(plain(RuleKind::Last(numbers.last)));
        rules.extend(numbers.interval.map(|(period, n)| {
            plain(RuleKind::Bucket(Bucket { period, n, oldest: false, within: None }))
        }));
        p.keep = rules;
    }
    policy
}

fn plain(kind: RuleKind) -> Rule {
    Rule { kind, hard: false, across: Across::Session }
}

fn is_best(rule: &Rule) -> bool {
    matches!(rule.kind, RuleKind::Best(_))
}

fn weigh(
    inventory: &Inventory,
    policy: Policy,
    numbers: Numbers,
    now: Time,
    ranked: &[Option<Ranked>],
) -> Candidate {
    let outcome = decide(inventory, &policy, now);
    let stays = |s: usize, c: usize| outcome.sessions[s].verdict(c) != Verdict::Delete;
    let mut usage = Usage::default();
    let (mut kept, mut deleted) = (0, 0);
    let all = || inventory.sessions.iter().enumerate();
    for (s, session) in all() {
        session.checkpoints.iter().for_each(|c| usage.add(c));
        let staying = (0..session.checkpoints.len()).filter(|c| stays(s, *c)).count() as u64;
        kept += staying;
        deleted += session.checkpoints.len() as u64 - staying;
    }
    // A file that is also linked from elsewhere is not freed: as a quota counts.
    for (s, session) in all() {
        for (_, c) in session.checkpoints.iter().enumerate().filter(|(c, _)| !stays(s, *c)) {
            usage.remove(c);
        }
    }
    let loss = loss(inventory, ranked, stays);
    Candidate { numbers, policy, bytes: usage.bytes(), kept, deleted, loss, past: None }
}

fn replay(
    inventory: &Inventory,
    policy: &Policy,
    now: Time,
    every: u64,
    ranked: &[Option<Ranked>],
) -> Result<Past, SimulateError> {
    let simulation = simulate(inventory, policy, now, every)?;
    let mut gone: Vec<Vec<bool>> =
        inventory.sessions.iter().map(|s| vec![false; s.checkpoints.len()]).collect();
    for d in &simulation.deletions {
        gone[d.session][d.checkpoint] = true;
    }
    let loss = loss(inventory, ranked, |s, c| !gone[s][c]);
    Ok(Past { peak: simulation.peak, loss, regrets: simulation.regrets.len() as u64 })
}

/// The metric that counts for a session.
#[derive(Clone, Copy, Debug)]
struct Ranked {
    metric: MetricId,
    direction: Direction,
}

/// For each session the first of its policy's `best` rules, with the first metric that it has.
fn ranked(inventory: &Inventory, policy: &Policy, now: Time) -> Vec<Option<Ranked>> {
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

fn loss(
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
