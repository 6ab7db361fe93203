//! Evaluates one keep rule over the checkpoints it sees.
//!
//! Every rule gives an answer for every member: a hit with its reason, or the nearest miss. Rules
//! are monotone: taking a member away never turns another member's hit into a miss.

use crate::core::decision::Reason;
use crate::core::model::{Checkpoint, Marks, Names, Step, Time};
use crate::core::policy::{Anchor, Best, Bucket, Direction, Missing, Pick, Rule, RuleKind, Ties};
use std::collections::HashMap;

/// A complete checkpoint, as a rule sees it.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    pub checkpoint: &'a Checkpoint,
    /// Of its session: every checkpoint of it has them.
    pub tags: &'a [Box<str>],
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

/// Where answers are written; kept for use again.
#[derive(Default)]
pub struct Sheet {
    pub answers: Vec<Answer>,
    ranking: Vec<Ranked>,
}

/// What rules may look at besides their members.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub names: &'a Names,
    pub now: Time,
    pub zone: chrono_tz::Tz,
}

/// Adds one answer for each member; `members` are newest first.
pub fn evaluate(
    rule: &Rule,
    index: u16,
    members: &[Member<'_>],
    set: Setting<'_>,
    sheet: &mut Sheet,
) {
    let out = &mut sheet.answers;
    let rule_is = |hit: bool, reason: Reason| {
        let miss = Reason::MissedOther { rule: index };
        if hit { (true, reason) } else { (false, miss) }
    };
    let ranked = |rank: u32, of: u32, hit: Reason| {
        let miss = Reason::MissedRank { rule: index, rank, of };
        if rank <= of { (true, hit) } else { (false, miss) }
    };
    match &rule.kind {
        RuleKind::Last(n) => each(members, out, |i, _| {
            let rank = place(i) + 1;
            ranked(rank, *n, Reason::Last { rule: index, rank, of: *n })
        }),
        RuleKind::First(n) => {
            let count = members.len();
            let start = out.len();
            each(members, out, |i, _| {
                let rank = place(count - i);
                ranked(rank, *n, Reason::First { rule: index, rank, of: *n })
            });
            // The first is what the rule is for: its own worst is the newest it keeps.
            for (i, answer) in out[start..].iter_mut().enumerate() {
                answer.worse = place(count - i);
            }
        }
        RuleKind::Best(best) => best_of(best, index, members, set.names, sheet),
        RuleKind::EverySteps { n, pick } => {
            out.extend(every(index, members, *pick, &|c| multiple(c.step, *n)));
        }
        RuleKind::EveryEpochs { n, pick } => {
            out.extend(every(index, members, *pick, &|c| multiple(c.epoch, *n)));
        }
        RuleKind::Every { seconds, pick } => {
            out.extend(every_span(index, members, *seconds, *pick, set.now));
        }
        RuleKind::Steps(steps) => each(members, out, |_, c| match c.step {
            None => (false, Reason::MissedNoStep { rule: index }),
            Some(s) => rule_is(steps.contains(&s), Reason::Step { rule: index }),
        }),
        RuleKind::Within { span, of } => {
            let anchor = anchor(*of, members, set.now);
            let horizon = span.before(anchor);
            each(members, out, |_, c| within(index, c, horizon, anchor, set.now));
        }
        RuleKind::Bucket(bucket) => out.extend(buckets(bucket, index, members, set)),
        RuleKind::Id(globs) => {
            each(members, out, |_, c| {
                let hit = globs.is_match(&c.id);
                rule_is(hit, Reason::Id { rule: index })
            });
        }
        RuleKind::Tag(tags) => out.extend(members.iter().enumerate().map(|(i, m)| {
            let all = tags.iter().all(|t| m.tags.contains(t) || m.checkpoint.tags().contains(t));
            let (hit, reason) = rule_is(all, Reason::Tag { rule: index });
            Answer { hit, reason, worse: place(i) }
        })),
        RuleKind::Submitted => each(members, out, |_, c| {
            rule_is(c.marks.has(Marks::SUBMITTED), Reason::Submitted { rule: index })
        }),
        RuleKind::All => each(members, out, |_, _| (true, Reason::All { rule: index })),
    }
}

/// Adds the answers of a rule whose own worst is the oldest.
fn each(
    members: &[Member<'_>],
    out: &mut Vec<Answer>,
    f: impl Fn(usize, &Checkpoint) -> (bool, Reason),
) {
    out.extend(members.iter().enumerate().map(|(i, m)| {
        let (hit, reason) = f(i, m.checkpoint);
        Answer { hit, reason, worse: place(i) }
    }));
}

/// A position as the number that reasons carry.
fn place(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

fn best_of(best: &Best, rule: u16, members: &[Member<'_>], names: &Names, sheet: &mut Sheet) {
    let has = |id: &u32| members.iter().any(|m| rankable(m.checkpoint, *id).is_some());
    let known = || best.metrics.iter().filter_map(|name| names.get(name));
    // I7: no best without numbers.
    let Some(metric) = known().find(has) else {
        each(members, &mut sheet.answers, |_, _| (true, Reason::NoMetric { rule }));
        return;
    };

    let Sheet { answers: out, ranking } = sheet;
    ranking.clear();
    for (i, m) in (0..).zip(members) {
        if let Some(value) = rankable(m.checkpoint, metric) {
            ranking.push(Ranked::new(best, value, i));
        }
    }
    // What is not kept needs no rank, so the rest is left unsorted; ties are found in order.
    let kept = ranking.len().min(best.n as usize);
    let all = ranking.len();
    if best.ties == Ties::All || kept == all {
        ranking.sort_unstable();
    } else {
        ranking.select_nth_unstable(kept - 1);
        ranking[..kept].sort_unstable();
    }
    let worst = ranking[kept - 1];
    let value = |r: Ranked| rankable(members[r.place(best)].checkpoint, metric);
    let cutoff = value(worst).unwrap_or(f64::NAN);

    // Those with a value overwrite it.
    let start = out.len();
    let reason = Reason::MissedNoValue { rule, metric };
    out.resize(start + members.len(), Answer { hit: false, reason, worse: u32::MAX });
    let answers = &mut out[start..];
    for (rank, ranked) in (1..).zip(ranking.iter()) {
        let hit = rank <= best.n || (best.ties == Ties::All && ranked.ties_with(worst));
        let reason = if hit {
            Reason::Best { rule, metric, rank }
        } else {
            Reason::MissedBest { rule, metric, cutoff }
        };
        answers[ranked.place(best)] = Answer { hit, reason, worse: rank };
    }
    if all < members.len() {
        let known: Vec<u32> = known().collect();
        wait_for_values(best, rule, metric, &known, members, answers);
    }
}

/// A value and whose it is, as one number: the lower the better, of equal values the lower the
/// earlier in line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked(u128);

impl Ranked {
    /// `value` is finite; `place` is 0 for the newest.
    fn new(best: &Best, value: f64, place: u32) -> Ranked {
        // 0.0 and -0.0 are equal.
        let bits = (value + 0.0).to_bits();
        let ascending = if value < 0.0 { !bits } else { bits | (1 << 63) };
        let value = if best.direction == Direction::Max { !ascending } else { ascending };
        let place = if best.ties == Ties::Oldest { !place } else { place };
        Ranked(u128::from(value) << 32 | u128::from(place))
    }

    fn place(self, best: &Best) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the place")]
        let place = self.0 as u32;
        (if best.ties == Ties::Oldest { !place } else { place }) as usize
    }

    fn ties_with(self, other: Ranked) -> bool {
        self.0 >> 32 == other.0 >> 32
    }
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
        let past = t.nanos()
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

fn within(rule: u16, c: &Checkpoint, horizon: Time, anchor: Time, now: Time) -> (bool, Reason) {
    match placed(c, now) {
        None => (true, Reason::NoTime { rule }),
        Some(t) => {
            let age = anchor.since(t);
            if t >= horizon {
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
        .rposition(|m| placed(m.checkpoint, set.now).is_some())
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
