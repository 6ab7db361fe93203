//! What of the policy deletes a checkpoint, for sums and filters.

use crate::core::decision::{Reason, SessionDecision};
use crate::core::policy::Policy;
use std::fmt;

/// What of a policy deletes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CauseKind {
    /// The entry's key.
    Discard(&'static str),
    MaxAge,
    MaxCount,
    MaxBytes,
    Quota,
    /// No rule keeps it.
    NoRule,
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CauseKind::Discard(key) => return write!(f, "discard {key}"),
            CauseKind::MaxAge => "limit max-age",
            CauseKind::MaxCount => "limit max-count",
            CauseKind::MaxBytes => "limit max-bytes",
            CauseKind::Quota => "quota",
            CauseKind::NoRule => "no rule keeps it",
        })
    }
}

/// Why things go: a policy, and what of it deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Of the policy, or of the quota.
    pub name: String,
    pub kind: CauseKind,
    pub checkpoints: u64,
    pub bytes: u64,
}

/// What of the policy deletes a checkpoint: its first reason says.
pub fn cause(policy: &Policy, decision: &SessionDecision, c: usize) -> (String, CauseKind) {
    let of = decision.policy.and_then(|p| policy.policies.get(usize::from(p)));
    let name = of.map(|p| p.name.to_string()).unwrap_or_default();
    let kind = match decision.reasons(c).first() {
        Some(Reason::Discarded { discard }) => {
            let entry = of.and_then(|p| p.discard.get(usize::from(*discard)));
            CauseKind::Discard(entry.map_or("", |d| d.key()))
        }
        Some(Reason::EvictedByAge { .. }) => CauseKind::MaxAge,
        Some(Reason::EvictedByCount { .. }) => CauseKind::MaxCount,
        Some(Reason::EvictedByBytes { .. }) => CauseKind::MaxBytes,
        Some(Reason::EvictedByQuota { quota, .. }) => {
            let quota = policy.quotas.get(usize::from(*quota));
            return (quota.map(|q| q.name.to_string()).unwrap_or_default(), CauseKind::Quota);
        }
        _ => CauseKind::NoRule,
    };
    (name, kind)
}
