//! Which quotas are over or near, what would bring them under, and who is to be told now.

use super::decide::decide;
use super::decision::{Outcome, Verdict};
use super::limit::quota::amount;
use super::model::{Inventory, Space, Time};
use super::policy::{Amount, Cap, OnExceed, Policy};
use super::trend::{Forecast, Full};
use super::usage::{QuotaUse, quotas};

/// How a quota stands for one owner, or for the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Ok,
    Near,
    Over,
}

impl Level {
    pub const ALL: [Level; 3] = [Level::Ok, Level::Near, Level::Over];

    pub fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Near => "near",
            Level::Over => "over",
        }
    }

    pub fn parse(text: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|l| l.as_str() == text)
    }
}

/// Where near begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// Of what is allowed, in hundredths, up to 100.
    pub percent: u64,
    /// As soon as the trend says that it is full within so many days.
    pub days: u64,
}

pub fn level(q: &QuotaUse, forecast: Option<&Forecast>, near: Near) -> Level {
    let soon = match forecast.map(|f| f.full) {
        Some(Full::In { days, .. }) => days <= near.days,
        Some(Full::Now | Full::Never) | None => false,
    };
    match () {
        () if q.is_over() => Level::Over,
        // Nothing used is near nothing.
        () if q.used > 0 && (q.percent() >= near.percent || soon) => Level::Near,
        () => Level::Ok,
    }
}

/// How one quota stands, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub level: Level,
    pub quota: QuotaUse,
    pub forecast: Option<Forecast>,
    /// Only for what is over or near, and not where only the trend says so and nothing would go.
    pub advice: Option<Advice>,
}

/// What would bring a quota under the line from which it is near.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    pub checkpoints: u64,
    /// What is in use then.
    pub after: u64,
    /// Bytes that are too much even then.
    pub excess: u64,
    /// The sessions that would lose something, who gives most first.
    pub losses: Vec<Loss>,
}

/// What a session would lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub session: String,
    pub checkpoints: u64,
    /// Of its checkpoints; a file that others share is freed only with the last of them.
    pub bytes: u64,
    /// Those that the policy deletes anyway.
    pub by_policy: u64,
    /// The others, by id.
    pub beyond: Vec<String>,
}

/// What is known of the present.
pub struct Input<'a> {
    pub inventory: &'a Inventory,
    pub policy: &'a Policy,
    pub outcome: &'a Outcome,
    pub now: Time,
    pub near: Near,
    /// The quotas of [`super::usage::report`].
    pub quotas: &'a [QuotaUse],
    /// For each of them.
    pub forecasts: &'a [Option<Forecast>],
}

/// Judges every quota; what is over or near comes with advice. The second value is the decision
/// that the advice is of, if any was needed.
pub fn judge(input: &Input<'_>) -> (Vec<Finding>, Option<(Policy, Outcome)>) {
    let forecasts = input.forecasts.iter().copied().chain(std::iter::repeat(None));
    let mut findings: Vec<Finding> = input
        .quotas
        .iter()
        .zip(forecasts)
        .map(|(q, forecast)| Finding {
            level: level(q, forecast.as_ref(), input.near),
            quota: q.clone(),
            forecast,
            advice: None,
        })
        .collect();
    if findings.iter().all(|f| f.level == Level::Ok) {
        return (findings, None);
    }
    let pressed = pressed(input.policy, input.near, input.inventory.space);
    let outcome = decide(input.inventory, &pressed, input.now);
    // Against the policy's own caps: the order is that of the quotas.
    let after = quotas(input.inventory, input.policy, &outcome);
    for (finding, after) in findings.iter_mut().zip(after) {
        if finding.level != Level::Ok {
            let advice = advice(input, &outcome, &after);
            // What only the trend brings near is below the line already: that nothing would help
            // would not be true of it.
            let below = finding.quota.percent() < input.near.percent;
            finding.advice = (advice.checkpoints > 0 || !below).then_some(advice);
        }
    }
    (findings, Some((pressed, outcome)))
}

/// The policy as if all its quotas evicted, as far as they may, down to where near begins.
fn pressed(policy: &Policy, near: Near, space: Option<Space>) -> Policy {
    // One less: at the line itself it would be near still.
    let below = |allowed: u64| {
        let line = u128::from(allowed) * u128::from(near.percent) / 100;
        u64::try_from(line).unwrap_or(u64::MAX).saturating_sub(1)
    };
    let mut policy = policy.clone();
    for quota in &mut policy.quotas {
        quota.on_exceed = OnExceed::Evict;
        quota.evict_unreachable = true;
        match (&mut quota.cap, space) {
            (Cap::MaxBytes { max, low, .. }, _) => {
                *max = below(*max);
                *low = (*low).min(*max);
            }
            (Cap::MinFree { min, low }, Some(Space { total, .. })) => {
                let wanted = amount(*low, total);
                let free = total - below(total.saturating_sub(amount(*min, total)));
                *min = Amount::Bytes(free);
                *low = Amount::Bytes(wanted.max(free));
            }
            // Nobody measured the file system: it is judged by no such quota.
            (Cap::MinFree { .. }, None) => {}
        }
    }
    policy
}

fn advice(input: &Input<'_>, pressed: &Outcome, after: &QuotaUse) -> Advice {
    let mut advice = Advice {
        after: after.after,
        excess: after.after.saturating_sub(after.allowed),
        ..Advice::default()
    };
    let sessions = input.inventory.sessions.iter().enumerate();
    for (s, session) in
        sessions.filter(|(_, s)| after.owner.as_deref().is_none_or(|owner| *s.owner == *owner))
    {
        let mut loss = Loss {
            session: session.name.to_string(),
            checkpoints: 0,
            bytes: 0,
            by_policy: 0,
            beyond: Vec::new(),
        };
        for (i, c) in session.checkpoints.iter().enumerate() {
            if pressed.sessions[s].verdict(i) != Verdict::Delete {
                continue;
            }
            loss.checkpoints += 1;
            loss.bytes = loss.bytes.saturating_add(c.bytes);
            if input.outcome.sessions[s].verdict(i) == Verdict::Delete {
                loss.by_policy += 1;
            } else {
                loss.beyond.push(c.id.to_string());
            }
        }
        if loss.checkpoints > 0 {
            advice.checkpoints += loss.checkpoints;
            advice.losses.push(loss);
        }
    }
    advice.losses.sort_by_key(|l| std::cmp::Reverse(l.bytes));
    advice
}

/// Why somebody is told something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Another level than was told last.
    Changed,
    /// The same, after a while.
    Reminder,
    /// It is well again.
    Resolved,
}

/// Whether somebody is to be told of a level; `told`: what they were told last, and when.
pub fn due(
    level: Level,
    told: Option<(Level, Time)>,
    remind_after_secs: Option<u64>,
    now: Time,
) -> Option<Occasion> {
    match (level, told) {
        (Level::Ok, None | Some((Level::Ok, _))) => None,
        (Level::Ok, Some(_)) => Some(Occasion::Resolved),
        (level, Some((last, at))) if level == last => {
            // A clock that went back reminds later, never at once.
            let age = u64::try_from(now.since(at) / Time::NANOS_PER_SEC).unwrap_or(0);
            remind_after_secs.is_some_and(|after| age >= after).then_some(Occasion::Reminder)
        }
        _ => Some(Occasion::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::trend::Trend;
    use proptest::prelude::*;

    fn used(used: u64, allowed: u64) -> QuotaUse {
        QuotaUse {
            quota: 0,
            name: "q".to_owned(),
            owner: None,
            used,
            allowed,
            after: used,
            min_free: false,
            evicts: true,
        }
    }

    #[test]
    fn levels() {
        let near = Near { percent: 90, days: 7 };
        let full = |days| Forecast {
            trend: Trend { per_day: 1.0, low: 1.0, high: 1.0, points: 9 },
            full: Full::In { days, early: 0, late: None },
        };
        for (q, forecast, expected) in [
            (used(0, 0), None, Level::Ok),
            (used(1, 0), None, Level::Over),
            (used(89, 100), None, Level::Ok),
            (used(90, 100), None, Level::Near),
            (used(100, 100), None, Level::Near),
            (used(101, 100), None, Level::Over),
            (used(10, 100), Some(full(7)), Level::Near),
            (used(10, 100), Some(full(8)), Level::Ok),
            (used(0, 100), Some(full(1)), Level::Ok),
            (used(u64::MAX, 1), None, Level::Over),
        ] {
            assert_eq!(level(&q, forecast.as_ref(), near), expected, "{q:?} {forecast:?}");
        }
    }

    proptest! {
        /// A year of nights, deliveries failing at random, the clock jumping: whoever could be
        /// reached knows how it stands, and nobody is told the same again before it is time.
        #[test]
        fn neither_lost_nor_repeated(
            nights in prop::collection::vec((0usize..3, any::<bool>(), -2i64..3), 1..365),
            remind_days in 1u64..30,
        ) {
            const NIGHT: i64 = 86_400 * Time::NANOS_PER_SEC;
            let remind = remind_days * 86_400;
            let mut told: Option<(Level, Time)> = None;
            let mut now = Time::from_nanos(2_000_000_000 * Time::NANOS_PER_SEC);
            for (level, reached, jump) in nights {
                let level = Level::ALL[level];
                now = Time::from_nanos(now.nanos() + (1 + jump) * NIGHT);
                let occasion = due(level, told, Some(remind), now);
                if let (Some(Occasion::Reminder), Some((_, at))) = (occasion, told) {
                    prop_assert!(now.since(at) >= i64::try_from(remind).unwrap() * Time::NANOS_PER_SEC);
                }
                if occasion == Some(Occasion::Changed) {
                    prop_assert_ne!(told.map(|t| t.0), Some(level));
                }
                if occasion.is_some() && reached {
                    told = Some((level, now));
                }
                if reached {
                    prop_assert_eq!(told.map_or(Level::Ok, |t| t.0), level);
                    prop_assert_eq!(due(level, told, Some(remind), now), None, "twice in one night");
                }
            }
        }
    }

    #[test]
    fn told_once_and_reminded() {
        use Level::{Near, Ok, Over};
        use Occasion::{Changed, Reminder, Resolved};
        const WEEK: i64 = 7 * 86_400;
        let now = Time::from_nanos(2_000_000_000 * Time::NANOS_PER_SEC);
        #[rustfmt::skip]
        let rows = [
            // Level now, what was told and how many seconds ago, and whether that is news.
            (Ok,   None,                    None),
            (Ok,   Some((Ok, 10)),          None),
            (Ok,   Some((Near, 10)),        Some(Resolved)),
            (Ok,   Some((Over, 9 * WEEK)),  Some(Resolved)),
            (Near, None,                    Some(Changed)),
            (Near, Some((Ok, 10)),          Some(Changed)),
            (Near, Some((Over, 10)),        Some(Changed)),
            (Over, Some((Near, 10)),        Some(Changed)),
            (Over, Some((Over, WEEK - 1)),  None),
            (Over, Some((Over, WEEK)),      Some(Reminder)),
            // The clock went back by a day, or by years.
            (Over, Some((Over, -86_400)),   None),
            (Near, Some((Near, -99 * WEEK)), None),
        ];
        for (level, told, expected) in rows {
            let told =
                told.map(|(l, ago)| (l, Time::from_nanos(now.nanos() - ago * Time::NANOS_PER_SEC)));
            assert_eq!(due(level, told, Some(604_800), now), expected, "{level:?} {told:?}");
        }
        let long_ago = Some((Over, Time::from_nanos(0)));
        assert_eq!(due(Over, long_ago, None, now), None, "no reminders were asked for");
    }
}
