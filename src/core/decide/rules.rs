//! Evaluates one keep rule over the checkpoints it sees.
//!
//! Every rule gives an answer for every member: a hit with its reason, or the nearest miss. Rules
//! are monotone: taking a member away never turns another member's hit into a miss.

use crate::core::calendar::Span;
use crate::core::decision::Reason;
use crate::core::model::{Checkpoint, Marks, Names, Step, Time};
use crate::core::policy::{Anchor, Best, Bucket, Direction, Missing, Pick, Rule, RuleKind, Ties};
use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

/// A complete checkpoint, as a rule sees it.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    pub checkpoint: &'a Checkpoint,
    /// Which session of the group it belongs to; any numbering.
    pub session: u32,
}

/// One member's answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub hit: bool,
    pub reason: Reason,
    /// Among the hits, who is evicted first: the greater.
    pub worse: u32,
}

/// What rules may look at besides their members.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub names: &'a Names,
    pub now: Time,
    pub zone: chrono_tz::Tz,
}

/// One answer for each member; `members` are newest first.
pub fn evaluate(rule: &Rule, index: u16, members: &[Member<'_>], set: Setting<'_>) -> Vec<Answer> {
    let each = |f: &dyn Fn(usize, &Checkpoint) -> (bool, Reason)| {
        let answer = |(i, m): (usize, &Member<'_>)| {
            let (hit, reason) = f(i, m.checkpoint);
            Answer { hit, reason, worse: place(i) }
        };
        members.iter().enumerate().map(answer).collect::<Vec<_>>()
    };
    let rule_is = |hit: bool, reason: Reason| {
        let miss = Reason::MissedOther { rule: index };
        if hit { (true, reason) } else { (false, miss) }
    };
    let ranked = |rank: u32, of: u32, hit: Reason| {
        let miss = Reason::MissedRank { rule: index, rank, of };
        if rank <= of { (true, hit) } else { (false, miss) }
    };
    match &rule.kind {
        RuleKind::Last(n) => each(&|i, _| {
            let rank = place(i) + 1;
            ranked(rank, *n, Reason::Last { rule: index, rank, of: *n })
        }),
        RuleKind::First(n) => {
            let count = members.len();
            let mut answers = each(&|i, _| {
                let rank = place(count - i);
                ranked(rank, *n, Reason::First { rule: index, rank, of: *n })
            });
            // The first is what the rule is for: its own worst is the newest it keeps.
            for (i, answer) in answers.iter_mut().enumerate() {
                answer.worse = place(count - i);
            }
            answers
        }
        RuleKind::Best(best) => best_of(best, index, members, set.names),
        RuleKind::EverySteps { n, pick } => every(index, members, *pick, &|c| multiple(c.step, *n)),
        RuleKind::EveryEpochs { n, pick } => {
            every(index, members, *pick, &|c| multiple(c.epoch, *n))
        }
        RuleKind::Every { seconds, pick } => every_span(index, members, *seconds, *pick, set.now),
        RuleKind::Steps(steps) => each(&|_, c| match c.step {
            None => (false, Reason::MissedNoStep { rule: index }),
            Some(s) => rule_is(steps.contains(&s), Reason::Step { rule: index }),
        }),
        RuleKind::Within { span, of } => {
            let anchor = anchor(*of, members, set.now);
            each(&|_, c| within(index, c, *span, anchor, set.now))
        }
        RuleKind::Bucket(bucket) => buckets(bucket, index, members, set),
        RuleKind::Id(globs) => {
            each(&|_, c| rule_is(globs.is_match(&c.id), Reason::Id { rule: index }))
        }
        RuleKind::Tag(tags) => each(&|_, c| {
            let all = tags.iter().all(|t| c.tags().contains(t));
            rule_is(all, Reason::Tag { rule: index })
        }),
        RuleKind::Submitted => {
            each(&|_, c| rule_is(c.marks.has(Marks::SUBMITTED), Reason::Submitted { rule: index }))
        }
        RuleKind::All => each(&|_, _| (true, Reason::All { rule: index })),
    }
}

/// A position as the number that reasons carry.
fn place(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

fn best_of(best: &Best, rule: u16, members: &[Member<'_>], names: &Names) -> Vec<Answer> {
    let has = |id: &u32| members.iter().any(|m| rankable(m.checkpoint, *id).is_some());
    let known: Vec<u32> = best.metrics.iter().filter_map(|name| names.get(name)).collect();
    let unmeasured = |i: usize| u32::MAX - place(members.len() - i);
    // I7: no best without numbers.
    let Some(metric) = known.iter().copied().find(has) else {
        let reason = Reason::NoMetric { rule };
        let all = 0..members.len();
        return all.map(|i| Answer { hit: true, reason, worse: unmeasured(i) }).collect();
    };

    let mut ranking: Vec<(f64, u32)> = Vec::with_capacity(members.len());
    ranking
        .extend((0..).zip(members).filter_map(|(i, m)| Some((rankable(m.checkpoint, metric)?, i))));
    ranking.sort_unstable_by(|a, b| {
        let better = match best.direction {
            Direction::Min => a.0.partial_cmp(&b.0),
            Direction::Max => b.0.partial_cmp(&a.0),
        };
        let newer_first = a.1.cmp(&b.1);
        let tie = if best.ties == Ties::Oldest { newer_first.reverse() } else { newer_first };
        better.unwrap_or(Ordering::Equal).then(tie)
    });
    let cutoff = ranking.get(best.n as usize - 1).or(ranking.last()).map_or(f64::NAN, |r| r.0);

    // Placeholders: everyone with a value is overwritten by the ranking below.
    let no_value =
        Answer { hit: false, reason: Reason::MissedNoValue { rule, metric }, worse: u32::MAX };
    let mut answers = vec![no_value; members.len()];
    for (rank, &(value, i)) in (1..).zip(&ranking) {
        #[expect(clippy::float_cmp, reason = "a tie is an equal, unrounded value")]
        let tied = best.ties == Ties::All && value == cutoff;
        let hit = rank <= best.n || tied;
        let reason = if hit {
            Reason::Best { rule, metric, rank, value }
        } else {
            Reason::MissedBest { rule, metric, value, cutoff }
        };
        answers[i as usize] = Answer { hit, reason, worse: rank };
    }
    wait_for_values(best, rule, metric, &known, members, &mut answers);
    answers
}

/// Keeps the members without a value that the rule still waits for.
fn wait_for_values(
    best: &Best,
    rule: u16,
    metric: u32,
    metrics: &[u32],
    members: &[Member<'_>],
    answers: &mut [Answer],
) {
    let rankable_any =
        |m: &Member<'_>| metrics.iter().any(|id| rankable(m.checkpoint, *id).is_some());
    // Per session: has it any of the metrics at all, and has a newer member a value. A single
    // session has one, or there would be no ranking.
    let one_session = members.windows(2).all(|w| w[0].session == w[1].session);
    let mut sessions: HashMap<u32, (bool, bool)> = HashMap::new();
    if !one_session {
        for m in members {
            sessions.entry(m.session).or_default().0 |= rankable_any(m);
        }
    }
    let mut single = (true, false);
    for (i, m) in members.iter().enumerate() {
        let state = if one_session { &mut single } else { sessions.entry(m.session).or_default() };
        if rankable(m.checkpoint, metric).is_some() {
            state.1 = true;
            continue;
        }
        let worse = u32::MAX - place(members.len() - i);
        if !state.0 {
            answers[i] = Answer { hit: true, reason: Reason::NoMetric { rule }, worse };
        } else if best.missing == Missing::Keep || (best.missing == Missing::Wait && !state.1) {
            answers[i] = Answer { hit: true, reason: Reason::NoValueYet { rule, metric }, worse };
        }
    }
}

/// The value, unless sources disagree about it: a doubtful value must not push out a sound one.
fn rankable(c: &Checkpoint, metric: u32) -> Option<f64> {
    c.finite_metric(metric).filter(|_| c.conflicts().is_empty())
}

/// Which multiple of `n` a step has reached, how far past it is, and on it exactly.
fn multiple(step: Option<Step>, n: u64) -> Option<(u64, f64, bool)> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "steps are not negative, and a fraction is far below 2^53"
    )]
    match step? {
        Step::Whole(s) => Some((s / n, (s % n) as f64, s % n == 0)),
        Step::Fraction(x) => {
            let index = (x / n as f64).floor();
            Some((index as u64, x - index * n as f64, false))
        }
    }
}

type Reached<'a> = &'a dyn Fn(&Checkpoint) -> Option<(u64, f64, bool)>;

fn every(rule: u16, members: &[Member<'_>], pick: Pick, reached: Reached<'_>) -> Vec<Answer> {
    // For each multiple its first member: lowest, then oldest (members are newest first).
    let mut first: HashMap<u64, (f64, usize)> = HashMap::new();
    for (i, m) in members.iter().enumerate() {
        if let Some((index, past, _)) = reached(m.checkpoint) {
            let best = first.entry(index).or_insert((past, i));
            if past <= best.0 {
                *best = (past, i);
            }
        }
    }
    let answer = |(i, m): (usize, &Member<'_>)| {
        let worse = place(i);
        let Some((index, _, exact)) = reached(m.checkpoint) else {
            return Answer { hit: false, reason: Reason::MissedNoStep { rule }, worse };
        };
        let hit = match pick {
            Pick::Exact => exact,
            Pick::First => first.get(&index).is_some_and(|f| f.1 == i),
        };
        let reason =
            if hit { Reason::Every { rule, index } } else { Reason::MissedEvery { rule, index } };
        Answer { hit, reason, worse }
    };
    members.iter().enumerate().map(answer).collect()
}

/// As [`every`], by time; what has no usable time is kept and stands for nothing.
fn every_span(
    rule: u16,
    members: &[Member<'_>],
    seconds: u64,
    pick: Pick,
    now: Time,
) -> Vec<Answer> {
    let span = i64::try_from(seconds).unwrap_or(i64::MAX);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the index only names the multiple, and a span in nanoseconds needs no more digits"
    )]
    let reached = |c: &Checkpoint| {
        let t = placed(c, now)?;
        let past = t.0
            - t.secs().div_euclid(span).saturating_mul(span).saturating_mul(Time::NANOS_PER_SEC);
        Some((t.secs().div_euclid(span) as u64, past as f64, t.secs().rem_euclid(span) == 0))
    };
    let mut answers = every(rule, members, pick, &reached);
    for (answer, m) in answers.iter_mut().zip(members) {
        if placed(m.checkpoint, now).is_none() {
            *answer = Answer { hit: true, reason: Reason::NoTime { rule }, worse: answer.worse };
        }
    }
    answers
}

/// The time a rule may go by: known, and not in the future.
fn placed(c: &Checkpoint, now: Time) -> Option<Time> {
    c.saved_at.filter(|t| *t <= now)
}

fn anchor(of: Anchor, members: &[Member<'_>], now: Time) -> Time {
    match of {
        Anchor::Now => now,
        Anchor::Newest => {
            members.iter().filter_map(|m| placed(m.checkpoint, now)).max().unwrap_or(now)
        }
    }
}

fn within(rule: u16, c: &Checkpoint, span: Span, anchor: Time, now: Time) -> (bool, Reason) {
    match placed(c, now) {
        None => (true, Reason::NoTime { rule }),
        Some(t) => {
            let age = anchor.since(t);
            if t >= span.before(anchor) {
                (true, Reason::Within { rule, age })
            } else {
                (false, Reason::MissedWithin { rule, age })
            }
        }
    }
}

fn buckets(bucket: &Bucket, rule: u16, members: &[Member<'_>], set: Setting<'_>) -> Vec<Answer> {
    let horizon = bucket.within.map(|(span, of)| span.before(anchor(of, members, set.now)));
    let seen = |c: &Checkpoint| placed(c, set.now).filter(|t| horizon.is_none_or(|h| *t >= h));
    let period = |t: Time| bucket.period.index(t, set.zone);

    // For each period its newest member, the first one met.
    let mut newest: HashMap<i64, usize> = HashMap::new();
    for (i, m) in members.iter().enumerate() {
        if let Some(t) = seen(m.checkpoint) {
            newest.entry(period(t)).or_insert(i);
        }
    }
    let mut periods: Vec<i64> = newest.keys().copied().collect();
    periods.sort_unstable_by(|a, b| b.cmp(a));
    let rank_of = |p: i64| place(periods.partition_point(|q| *q > p)) + 1;
    let left_over = periods.len() < bucket.n as usize;
    let oldest = members
        .iter()
        .enumerate()
        .filter_map(|(i, m)| Some((placed(m.checkpoint, set.now)?, Reverse(i))))
        .min()
        .map(|(_, Reverse(i))| i)
        .filter(|i| bucket.oldest && left_over && seen(members[*i].checkpoint).is_some());

    let answer = |(i, m): (usize, &Member<'_>)| {
        let worse = place(i);
        let Some(at) = placed(m.checkpoint, set.now) else {
            return Answer { hit: true, reason: Reason::NoTime { rule }, worse };
        };
        if seen(m.checkpoint).is_none() {
            let age = set.now.since(at);
            return Answer { hit: false, reason: Reason::MissedWithin { rule, age }, worse };
        }
        let rank = rank_of(period(at));
        let stands_for = newest.get(&period(at)) == Some(&i);
        if stands_for && rank <= bucket.n {
            Answer { hit: true, reason: Reason::Bucket { rule, rank, at }, worse }
        } else if oldest == Some(i) {
            Answer { hit: true, reason: Reason::BucketOldest { rule }, worse }
        } else {
            Answer { hit: false, reason: Reason::MissedBucket { rule, rank, at }, worse }
        }
    };
    members.iter().enumerate().map(answer).collect()
}
