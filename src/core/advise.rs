//! Searches the numbers of a policy: how many best, how many last, at which intervals.
//!
//! The policy in force says what is managed, what is protected and which metric counts, and all
//! that stays. Of its rules those with numbers to choose are replaced; each combination is decided
//! on the inventory, and what it keeps is set against what is lost of each session's best.

mod held;
mod loss;

use super::calendar::Period;
use super::decide::decide;
use super::decision::Verdict;
use super::limit::usage::Usage;
use super::model::{Inventory, Time};
use super::policy::{Across, Best, Bucket, Policy, Rule, RuleKind, Ties};
use super::simulate::{self, SimulateError, simulate};
pub use held::Held;
use loss::{Ranked, loss, ranked};

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
    /// What the chosen one keeps, by why.
    pub held: Held,
}

/// The least loss within `fit` bytes, and of those what keeps most; of what is as good on this
/// inventory, the larger rules: what is young today shows only later what it would have needed.
///
/// # Errors
/// As [`simulate()`].
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
    let own = intervals(policy);
    let larger = |a: &Numbers, b: &Numbers| {
        let place = |n: &Numbers| INTERVALS.iter().position(|i| *i == n.interval);
        let by = |n: &Numbers| (n.best, n.last, own.contains(&n.interval), place(n));
        by(b).cmp(&by(a))
    };
    all.sort_by(|a, b| {
        let loss = a.loss.total_cmp(&b.loss);
        let size = a.bytes.cmp(&b.bytes).then(loss).then(b.kept.cmp(&a.kept));
        size.then_with(|| larger(&a.numbers, &b.numbers))
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
        candidate.past = Some(replay(inventory, policy, candidate, (now, every), &ranked)?);
    }
    let chosen = shown.iter().position(|i| *i == chosen).unwrap_or(0);
    let held = Held::of(inventory, &table[chosen].policy, now);
    Ok(Advice { table, chosen, fits, held })
}

/// Those that the policy has itself, or that it has none.
fn intervals(policy: &Policy) -> Vec<Option<(Period, u32)>> {
    let rules = policy.policies.iter().flat_map(|p| &p.keep);
    let own = rules.filter_map(|rule| match &rule.kind {
        RuleKind::Bucket(bucket) => Some(Some((bucket.period, bucket.n))),
        _ => None,
    });
    let own: Vec<_> = own.collect();
    if own.is_empty() { vec![None] } else { own }
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
    for (s, session) in inventory.sessions.iter().enumerate() {
        let mut staying = 0;
        for (_, c) in session.checkpoints.iter().enumerate().filter(|(c, _)| stays(s, *c)) {
            usage.add(c);
            staying += 1;
        }
        kept += staying;
        deleted += session.checkpoints.len() as u64 - staying;
    }
    let loss = loss(inventory, ranked, stays);
    Candidate { numbers, policy, bytes: usage.bytes(), kept, deleted, loss, past: None }
}

/// `policy` is the one in force: what a candidate without `best` rules would lose of the best is
/// not what that candidate asks for.
fn replay(
    inventory: &Inventory,
    policy: &Policy,
    candidate: &Candidate,
    (now, every): (Time, u64),
    ranked: &[Option<Ranked>],
) -> Result<Past, SimulateError> {
    let simulation = simulate(inventory, &candidate.policy, now, every)?;
    let regrets = simulate::regrets(inventory, policy, now, &simulation.deletions);
    let mut gone: Vec<Vec<bool>> =
        inventory.sessions.iter().map(|s| vec![false; s.checkpoints.len()]).collect();
    for d in &simulation.deletions {
        gone[d.session][d.checkpoint] = true;
    }
    let loss = loss(inventory, ranked, |s, c| !gone[s][c]);
    Ok(Past { peak: simulation.peak, loss, regrets: regrets.len() as u64 })
}
