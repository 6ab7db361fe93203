//! Inventories and policies in a few words.

use retain::core::calendar::Span;
use retain::core::decide::decide;
use retain::core::decision::{Outcome, Verdict};
use retain::core::model::{Checkpoint, Inventory, Session, Status, Step, Time};
use retain::core::policy::{
    Across, Best, Direction, Limit, Match, Missing, Policy, Restarted, Rule, RuleKind, Safety,
    SessionPolicy, Ties,
};

pub const DAY: i64 = 86_400;
/// 2026-01-01T00:00:00Z
pub const NOW: Time = Time::from_nanos(1_767_225_600 * 1_000_000_000);

pub fn ago(secs: i64) -> Time {
    Time::from_nanos(NOW.nanos() - secs * Time::NANOS_PER_SEC)
}

/// A complete checkpoint saved `age` seconds before [`NOW`].
pub fn checkpoint(id: &str, step: Option<u64>, age: i64) -> Checkpoint {
    Checkpoint {
        id: id.into(),
        step: step.map(Step::Whole),
        saved_at: Some(ago(age)),
        bytes: 100,
        files: 1,
        complete: true,
        ..Checkpoint::default()
    }
}

/// Checkpoints `1 2 3 ..` at those steps, the last one saved ten days ago, each a day apart.
pub fn steps(count: u64) -> Vec<Checkpoint> {
    (1..=count)
        .map(|i| checkpoint(&i.to_string(), Some(i), (count - i).cast_signed() * DAY + 10 * DAY))
        .collect()
}

pub struct Root(pub Inventory);

impl Root {
    pub fn new() -> Root {
        Root(Inventory { now: Some(NOW), ..Inventory::default() })
    }

    pub fn session(mut self, name: &str, checkpoints: Vec<Checkpoint>) -> Root {
        let owner = name.split('/').next().unwrap().into();
        self.0.sessions.push(Session {
            name: name.into(),
            owner,
            status: Status::Exited,
            checkpoints,
            ..Session::default()
        });
        self
    }

    pub fn last(&mut self) -> &mut Session {
        self.0.sessions.last_mut().unwrap()
    }

    /// Sets `metric` of the last session's checkpoints, by position.
    pub fn metric(mut self, metric: &str, values: &[Option<f64>]) -> Root {
        let id = self.0.names.intern(metric);
        for (c, value) in self.last().checkpoints.iter_mut().zip(values) {
            if let Some(v) = value {
                c.metrics = c.metrics.iter().chain([(id, *v)]).collect();
            }
        }
        self
    }

    pub fn decide(&self, policy: &Policy) -> Outcome {
        decide(&self.0, policy, NOW)
    }

    /// Ids that stay, in order; those of further sessions as `session:id`.
    pub fn kept(&self, policy: &Policy) -> String {
        let outcome = self.decide(policy);
        let mut kept = Vec::new();
        for (s, (session, decision)) in self.0.sessions.iter().zip(&outcome.sessions).enumerate() {
            for (i, c) in session.checkpoints.iter().enumerate() {
                if decision.verdict(i) != Verdict::Delete {
                    let prefix = if s == 0 { String::new() } else { format!("{}:", session.name) };
                    kept.push(format!("{prefix}{}", c.id));
                }
            }
        }
        kept.join(" ")
    }
}

pub fn rule(kind: RuleKind) -> Rule {
    Rule { kind, hard: false, across: Across::Session }
}

pub fn best(n: u32, metrics: &[&str]) -> Best {
    Best {
        n,
        direction: Direction::Min,
        metrics: metrics.iter().map(|m| (*m).into()).collect(),
        missing: Missing::Wait,
        ties: Ties::Newest,
    }
}

/// One policy for every session; min-keep 1, min-age 0.
pub fn policy(keep: Vec<Rule>) -> Policy {
    Policy {
        protections: Vec::new(),
        policies: vec![SessionPolicy {
            name: "test".into(),
            sessions: Match::default(),
            keep,
            discard: Vec::new(),
            limit: Limit::default(),
            min_keep: 1,
            session_may_go_empty: false,
            min_age: Span::default(),
            timezone: chrono_tz::UTC,
            restarted: Restarted::Keep,
        }],
        quotas: Vec::new(),
        safety: Safety::default(),
        layouts: Vec::new(),
        grace: Span::hours(20),
    }
}

/// As [`policy`], and a session may go empty: nothing but the rules keeps anything.
pub fn bare(keep: Vec<Rule>) -> Policy {
    let mut policy = policy(keep);
    policy.policies[0].min_keep = 0;
    policy.policies[0].session_may_go_empty = true;
    policy
}

pub fn keeps(kind: RuleKind) -> Policy {
    policy(vec![rule(kind)])
}

pub fn edit(mut policy: Policy, f: impl FnOnce(&mut SessionPolicy)) -> Policy {
    f(&mut policy.policies[0]);
    policy
}
