//! Reasons and notices in words.
//!
//! The engine speaks in numbers and indices; this is the one place where they become the short
//! phrases that tables, plans and `why` show. Each has a stable `kind` and its numbers as data, so
//! that no program needs to read the phrase.

mod notice;
pub mod number;

pub use notice::notice;

use super::decision::Reason;
use super::model::{Checkpoint, Inventory, MetricId, Session};
use super::order::Disagreement;
use super::policy::{Direction, Policy, Rule, RuleKind, Ties};
use number::{age, count_of, pair, value};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// A reason, ready for people and for programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Stable: the rule's key, `pinned`, `missed`, ...
    pub kind: &'static str,
    /// A phrase such as `best loss 1/3 (4.848)`.
    pub text: String,
    /// The numbers in it.
    pub data: Map<String, Value>,
}

/// Turns the reasons of one inventory under one policy into words.
#[derive(Clone, Copy)]
pub struct Explainer<'a> {
    pub inventory: &'a Inventory,
    pub policy: &'a Policy,
}

impl Explainer<'_> {
    /// Explains a reason of a checkpoint of `session`, which policy `policy` has.
    pub fn reason(
        &self,
        session: &Session,
        checkpoint: &Checkpoint,
        policy: Option<u16>,
        reason: &Reason,
    ) -> Explained {
        let rule = |i: u16| policy.and_then(|p| self.rule(p, i));
        match *reason {
            Reason::NoPolicy => say("no-policy", "no policy matches its session", json!({})),
            Reason::MinKeep { rank, of } => {
                say("min-keep", format!("min-keep {rank}/{of}"), json!({"rank": rank, "of": of}))
            }
            Reason::Discarded { discard } => self.discarded(policy, discard),
            Reason::ByDefault => say("default", "the policy has no keep rules", json!({})),
            Reason::EvictedByAge { age: nanos } => {
                let limit = policy
                    .and_then(|p| self.policy.policies[usize::from(p)].limit.max_age)
                    .map_or_else(String::new, |s| format!(", limit max-age {s}"));
                say(
                    "limit-max-age",
                    format!("{} old{limit}", age(nanos)),
                    seconds("age_seconds", nanos),
                )
            }
            Reason::EvictedByCount { order, left } => say(
                "limit-max-count",
                format!("limit max-count: evicted as no. {order}, with {left} left"),
                json!({"order": order, "left": left}),
            ),
            Reason::EvictedByBytes { order, left } => say(
                "limit-max-bytes",
                format!(
                    "limit max-bytes: evicted as no. {order}, with {} left",
                    number::size(left)
                ),
                json!({"order": order, "left_bytes": left}),
            ),
            Reason::EvictedByQuota { quota, order, left } => {
                let name = &self.policy.quotas[usize::from(quota)].name;
                say(
                    "quota",
                    format!(
                        "quota {name}: evicted as no. {order}, with {} left",
                        number::size(left)
                    ),
                    json!({"quota": name, "order": order, "left_bytes": left}),
                )
            }
            _ => self
                .protection(session, checkpoint, reason)
                .or_else(|| self.hit(rule(rule_of(reason)?)?, session, checkpoint, policy, reason))
                .or_else(|| self.miss(rule(rule_of(reason)?)?, checkpoint, policy, reason))
                .unwrap_or_else(|| say("other", format!("{reason:?}"), json!({}))),
        }
    }

    fn rule(&self, policy: u16, rule: u16) -> Option<&Rule> {
        self.policy.policies.get(usize::from(policy))?.keep.get(usize::from(rule))
    }

    fn discarded(&self, policy: Option<u16>, discard: u16) -> Explained {
        let entry = policy
            .and_then(|p| self.policy.policies[usize::from(p)].discard.get(usize::from(discard)));
        let key = entry.map_or("", |d| d.key());
        let text = match entry {
            Some(super::policy::Discard::IncompleteFor(span)) => {
                format!("discard: unfinished and not written for {span}")
            }
            Some(super::policy::Discard::Id(globs)) => {
                format!("discard: id {}", globs.patterns().join(", "))
            }
            _ => format!("discard: {key}"),
        };
        say("discard", text, json!({"entry": key, "index": discard}))
    }

    fn protection(&self, session: &Session, c: &Checkpoint, reason: &Reason) -> Option<Explained> {
        let none = || json!({});
        Some(match *reason {
            Reason::Protected { protection } => {
                let p = &self.policy.protections[usize::from(protection)];
                let why = p.why.as_ref().map_or_else(String::new, |w| format!(": {w}"));
                let data = json!({"protection": p.name, "why": p.why, "until": p.until.map(|t| t.to_string())});
                say("protected", format!("protected by \"{}\"{why}", p.name), data)
            }
            Reason::Pinned => {
                let pin = c.pin();
                let until = pin.and_then(|p| p.until);
                let mut text = "pinned".to_owned();
                if let Some(until) = until {
                    let _ = write!(text, " until {until}");
                }
                if let Some(why) = pin.and_then(|p| p.why.as_ref()) {
                    let _ = write!(text, ": {why}");
                }
                let why = pin.and_then(|p| p.why.as_ref());
                say("pinned", text, json!({"until": until.map(|t| t.to_string()), "why": why}))
            }
            Reason::Young { age: nanos } if nanos < 0 => {
                let text = format!("written {} in the future", age(nanos.saturating_neg()));
                say("young", text, seconds("age_seconds", nanos))
            }
            Reason::Young { age: nanos } => {
                let text = format!("written {} ago, younger than min-age", age(nanos));
                say("young", text, seconds("age_seconds", nanos))
            }
            Reason::UnknownAge => say("unknown-age", "nobody knows when it was written", none()),
            Reason::Pointer { index } => {
                let name = c.pointers().get(usize::from(index)).map_or("", |p| &p.name);
                say("pointer", format!("pointer {name}"), json!({"pointer": name}))
            }
            Reason::MarkedLatest => say("latest", "marked as the latest", none()),
            Reason::MarkedBest => say("marked-best", "marked as the best", none()),
            Reason::NamedLastOrBest => say("named", "named last, latest or best", none()),
            Reason::Needed { session, checkpoint } => {
                let other = &self.inventory.sessions[session as usize];
                let id = &other.checkpoints[checkpoint as usize].id;
                let text = format!("needed by {id} of {}", other.name);
                say("needed", text, json!({"session": other.name, "checkpoint": id}))
            }
            Reason::Incomplete => say("incomplete", "unfinished or being written", none()),
            Reason::NothingWhole => {
                say("incomplete", "unfinished, and nothing finished in its session", none())
            }
            Reason::Tainted => {
                let why = session.tainted.first().map_or("", |t| t);
                say("tainted", format!("its session could not be read whole: {why}"), none())
            }
            Reason::Ambiguous => say(
                "ambiguous",
                "what it is, or whether all of it is there, is not certain",
                none(),
            ),
            Reason::Conflict => {
                let why = c.conflicts().first().map_or("", |t| t);
                say("conflict", format!("it is in doubt: {why}"), none())
            }
            Reason::Running => say("running", "newest of a running session", none()),
            Reason::Restarted { later } => {
                let id = session.checkpoints.get(later as usize).map_or("", |c| &c.id);
                let text = match Disagreement::of(session, later) {
                    Disagreement::LowerStep => {
                        format!("two runs in one folder: {id} was saved later at a lower step")
                    }
                    Disagreement::LowerEpoch => {
                        format!("two runs in one folder: {id} was saved later at a lower epoch")
                    }
                    Disagreement::EpochOnly => {
                        format!("steps and epochs in one folder: {id} has an epoch only")
                    }
                    Disagreement::Neither => {
                        format!(
                            "not all in one folder have a number: {id} has neither step nor epoch"
                        )
                    }
                };
                say("restarted", text, json!({"later": id}))
            }
            _ => return None,
        })
    }

    fn hit(
        &self,
        rule: &Rule,
        session: &Session,
        checkpoint: &Checkpoint,
        policy: Option<u16>,
        reason: &Reason,
    ) -> Option<Explained> {
        let key = rule.kind.key();
        let rule_index = rule_of(reason);
        let text_and_data = match *reason {
            Reason::Last { rank, of, .. } | Reason::First { rank, of, .. } => {
                (format!("{key} {rank}/{of}"), json!({"rank": rank, "of": of}))
            }
            Reason::Best { metric, rank, .. } => {
                let v = measured(checkpoint, metric);
                let of = count_of(&rule.kind);
                let metric = self.inventory.names.name(metric);
                (
                    format!("best {metric} {rank}/{of} ({})", value(v)),
                    json!({"metric": metric, "rank": rank, "of": of, "value": v}),
                )
            }
            Reason::NoValueYet { metric, .. } => {
                let (name, nan) =
                    (self.inventory.names.name(metric), not_finite(checkpoint, metric));
                let text = match nan {
                    Some(v) => format!("best: {name} is {} so far", value(v)),
                    None => format!("best: no {name} yet"),
                };
                let metric = name;
                return Some(with_rule(
                    say("no-value-yet", text, json!({"metric": metric})),
                    rule_index,
                ));
            }
            Reason::NoMetric { .. } => {
                let wanted = match &rule.kind {
                    RuleKind::Best(best) => best.metrics.join(", "),
                    _ => String::new(),
                };
                let text = format!("best: {} has none of {wanted}", session.name);
                return Some(with_rule(
                    say("no-metric", text, json!({"metrics": wanted})),
                    rule_index,
                ));
            }
            Reason::Every { index, .. } => {
                (every_text(&rule.kind, index), json!({"multiple": index}))
            }
            Reason::Within { age: nanos, .. } => {
                let limit = within_limit(&rule.kind);
                (format!("within {limit}: {}", age(nanos)), seconds("age_seconds", nanos))
            }
            Reason::Bucket { rank, at, .. } => {
                let RuleKind::Bucket(bucket) = &rule.kind else { return None };
                let label = bucket.period.label(at, self.zone(policy));
                (
                    format!("{} {label} {rank}/{}", bucket.period.noun(), bucket.n),
                    json!({"period": label, "rank": rank, "of": bucket.n}),
                )
            }
            Reason::BucketOldest { .. } => (format!("{key}: the oldest"), json!({"oldest": true})),
            Reason::NoTime { .. } => {
                let text = format!("{key}: its time is unknown or in the future");
                return Some(with_rule(say("no-time", text, json!({})), rule_index));
            }
            Reason::Id { .. } | Reason::Tag { .. } => {
                let what = match &rule.kind {
                    RuleKind::Id(globs) => globs.patterns().join(", "),
                    RuleKind::Tag(tags) => tags.join(", "),
                    _ => String::new(),
                };
                (format!("{key} {what}"), json!({"matches": what}))
            }
            Reason::Step { .. } | Reason::Submitted { .. } | Reason::All { .. } => {
                (key.to_owned(), json!({}))
            }
            _ => return None,
        };
        Some(with_rule(say(key, text_and_data.0, text_and_data.1), rule_index))
    }

    fn miss(
        &self,
        rule: &Rule,
        checkpoint: &Checkpoint,
        policy: Option<u16>,
        reason: &Reason,
    ) -> Option<Explained> {
        let key = rule.kind.key();
        let (text, data) = match *reason {
            Reason::MissedRank { rank, of, .. } => {
                (format!("{key}: rank {rank} of {of}"), json!({"rank": rank, "of": of}))
            }
            Reason::MissedBest { metric, cutoff, .. } => {
                let v = measured(checkpoint, metric);
                let metric = self.inventory.names.name(metric);
                let (v_text, cutoff_text) = pair(v, cutoff);
                let (sign, ties) = match &rule.kind {
                    RuleKind::Best(b) if b.direction == Direction::Max => ("max", b.ties),
                    RuleKind::Best(b) => ("min", b.ties),
                    _ => ("min", Ties::Newest),
                };
                // Two equal numbers alone would look like a mistake.
                let tie = match ties {
                    Ties::Oldest if v.total_cmp(&cutoff).is_eq() => " of an older one",
                    _ if v.total_cmp(&cutoff).is_eq() => " of a newer one",
                    _ => "",
                };
                (
                    format!("best: {v_text}, cut-off {cutoff_text}{tie}"),
                    json!({"metric": metric, "direction": sign, "value": v, "cutoff": cutoff}),
                )
            }
            Reason::MissedNoValue { metric, .. } => {
                let name = self.inventory.names.name(metric);
                let text = match not_finite(checkpoint, metric) {
                    Some(v) => format!("best: {name} is {}", value(v)),
                    None => format!("best: no {name}"),
                };
                (text, json!({"metric": name}))
            }
            Reason::MissedEvery { index, .. } => {
                let text = format!("{key}: not the one for {}", multiple(&rule.kind, index));
                (text, json!({"multiple": index}))
            }
            Reason::MissedNoStep { .. } => {
                let what = if matches!(rule.kind, RuleKind::EveryEpochs { .. }) {
                    "epoch"
                } else {
                    "step"
                };
                (format!("{key}: it has no {what}"), json!({}))
            }
            Reason::MissedWithin { age: nanos, .. } => {
                let limit = within_limit(&rule.kind);
                (format!("{key}: {}, limit {limit}", age(nanos)), seconds("age_seconds", nanos))
            }
            Reason::MissedBucket { rank, at, .. } => {
                let RuleKind::Bucket(bucket) = &rule.kind else { return None };
                let label = bucket.period.label(at, self.zone(policy));
                let noun = bucket.period.noun();
                let text = if rank > bucket.n {
                    format!("{key}: {noun} {rank} of {}", bucket.n)
                } else {
                    format!("{key}: a newer one stands for {label}")
                };
                (text, json!({"period": label, "rank": rank, "of": bucket.n}))
            }
            Reason::MissedOther { .. } => (format!("{key}: no"), json!({})),
            _ => return None,
        };
        let mut explained = with_rule(say("missed", text, data), rule_of(reason));
        explained.data.insert("rule".into(), json!(key));
        Some(explained)
    }

    fn zone(&self, policy: Option<u16>) -> chrono_tz::Tz {
        policy.map_or(chrono_tz::UTC, |p| self.policy.policies[usize::from(p)].timezone)
    }
}

/// The value a `best` rule ranked.
pub fn measured(checkpoint: &Checkpoint, metric: MetricId) -> f64 {
    checkpoint.metric(metric).unwrap_or(f64::NAN)
}

/// The value that is there and that no rule ranks.
pub fn not_finite(checkpoint: &Checkpoint, metric: MetricId) -> Option<f64> {
    checkpoint.metric(metric).filter(|v| !v.is_finite())
}

fn say(kind: &'static str, text: impl Into<String>, data: Value) -> Explained {
    let data = match data {
        Value::Object(map) => map.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        _ => Map::new(),
    };
    Explained { kind, text: text.into(), data }
}

/// Adds which entry of `keep` it was, from 0.
fn with_rule(mut explained: Explained, rule: Option<u16>) -> Explained {
    if let Some(rule) = rule {
        explained.data.insert("keep_index".into(), json!(rule));
    }
    explained
}

fn seconds(name: &str, nanos: i64) -> Value {
    json!({ name: nanos.div_euclid(1_000_000_000) })
}

fn every_text(kind: &RuleKind, index: u64) -> String {
    format!("{} {}", kind.key(), multiple(kind, index))
}

/// The multiple itself: step 2000, or the instant.
pub fn multiple(kind: &RuleKind, index: u64) -> String {
    match kind {
        RuleKind::EverySteps { n, .. } | RuleKind::EveryEpochs { n, .. } => {
            index.saturating_mul(*n).to_string()
        }
        RuleKind::Every { seconds, .. } => {
            let secs = index.cast_signed().saturating_mul(seconds.cast_signed());
            super::model::Time::from_secs_nanos(secs, 0).map_or_else(String::new, |t| t.to_string())
        }
        _ => index.to_string(),
    }
}

pub fn within_limit(kind: &RuleKind) -> String {
    match kind {
        RuleKind::Within { span, .. } => span.to_string(),
        RuleKind::Bucket(b) => b.within.map_or_else(String::new, |(span, _)| span.to_string()),
        _ => String::new(),
    }
}

/// The keep rule a reason speaks of.
pub fn rule_of(reason: &Reason) -> Option<u16> {
    match *reason {
        Reason::Last { rule, .. }
        | Reason::First { rule, .. }
        | Reason::Best { rule, .. }
        | Reason::NoValueYet { rule, .. }
        | Reason::NoMetric { rule }
        | Reason::Every { rule, .. }
        | Reason::Step { rule }
        | Reason::Within { rule, .. }
        | Reason::Bucket { rule, .. }
        | Reason::BucketOldest { rule }
        | Reason::NoTime { rule }
        | Reason::Id { rule }
        | Reason::Tag { rule }
        | Reason::Submitted { rule }
        | Reason::All { rule }
        | Reason::MissedRank { rule, .. }
        | Reason::MissedBest { rule, .. }
        | Reason::MissedNoValue { rule, .. }
        | Reason::MissedEvery { rule, .. }
        | Reason::MissedNoStep { rule }
        | Reason::MissedWithin { rule, .. }
        | Reason::MissedBucket { rule, .. }
        | Reason::MissedOther { rule } => Some(rule),
        _ => None,
    }
}
