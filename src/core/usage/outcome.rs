//! What becomes of one checkpoint, as one word for its sum.

use crate::core::decision::{Reason, SessionDecision, Verdict};
use crate::core::policy::Policy;

/// What becomes of bytes. A file that several checkpoints share belongs to the last of these that
/// holds for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Reclaimable,
    /// Its checkpoints go, and another hard link stays.
    Linked,
    Unmatched,
    Kept,
    Protected,
}

/// What becomes of a checkpoint, with the one reason that says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// By the kind of reason that [`crate::core::explain`] would give.
    Protected(&'static str),
    /// By `[[protect]]` with this index.
    ProtectedBy(u16),
    /// By the policy with this index.
    Kept(u16, KeptBy),
    Reclaimable(&'static str),
    NoPolicy,
}

/// What keeps a checkpoint: the strongest of a policy's rules that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeptBy {
    /// `keep` entry with this index.
    Rule(u16),
    MinKeep,
    /// The policy has no keep rules.
    Default,
}

/// What becomes of a session's checkpoint.
pub fn fate(decision: &SessionDecision, checkpoint: usize) -> Fate {
    let reasons = decision.reasons(checkpoint);
    match decision.verdict(checkpoint) {
        Verdict::Untouched => Fate::NoPolicy,
        Verdict::Delete => Fate::Reclaimable(reasons.iter().find_map(why).unwrap_or("no rule")),
        Verdict::Keep => {
            if let Some(fate) = reasons.iter().find_map(protection) {
                return fate;
            }
            let by = reasons.iter().filter_map(kept_by).min().unwrap_or(KeptBy::Default);
            decision.policy.map_or(Fate::NoPolicy, |policy| Fate::Kept(policy, by))
        }
    }
}

impl Fate {
    pub fn class(self) -> Class {
        match self {
            Fate::Protected(_) | Fate::ProtectedBy(_) => Class::Protected,
            Fate::Kept(..) => Class::Kept,
            Fate::Reclaimable(_) => Class::Reclaimable,
            Fate::NoPolicy => Class::Unmatched,
        }
    }

    /// `kept: best (policy "hackathon", rule 1)`, `protected: pinned`.
    pub fn label(self, policy: &Policy) -> String {
        match self {
            Fate::Protected(why) => format!("protected: {why}"),
            Fate::ProtectedBy(i) => {
                let name = policy.protections.get(usize::from(i)).map_or("", |p| &*p.name);
                format!("protected: by \"{name}\"")
            }
            Fate::Kept(p, by) => {
                let of = policy.policies.get(usize::from(p));
                let name = of.map_or("", |p| &*p.name);
                match by {
                    KeptBy::Rule(r) => {
                        let rule = of.and_then(|p| p.keep.get(usize::from(r)));
                        let key = rule.map_or("", |r| r.kind.key());
                        format!("kept: {key} (policy \"{name}\", rule {})", u32::from(r) + 1)
                    }
                    KeptBy::MinKeep => format!("kept: min-keep (policy \"{name}\")"),
                    KeptBy::Default => format!("kept: no keep rules (policy \"{name}\")"),
                }
            }
            Fate::Reclaimable(why) => format!("reclaimable: {why}"),
            Fate::NoPolicy => "no policy matches".to_owned(),
        }
    }
}

/// Why a checkpoint goes, if not simply because no rule keeps it.
fn why(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::Discarded { .. } => Some("discarded"),
        Reason::EvictedByAge { .. }
        | Reason::EvictedByCount { .. }
        | Reason::EvictedByBytes { .. } => Some("over a limit"),
        Reason::EvictedByQuota { .. } => Some("over a quota"),
        _ => None,
    }
}

fn protection(reason: &Reason) -> Option<Fate> {
    Some(Fate::Protected(match reason {
        Reason::Protected { protection } => return Some(Fate::ProtectedBy(*protection)),
        Reason::Pinned => "pinned",
        Reason::Young { .. } => "younger than min-age",
        Reason::UnknownAge => "of unknown age",
        Reason::Pointer { .. }
        | Reason::MarkedLatest
        | Reason::MarkedBest
        | Reason::NamedLastOrBest => "named latest or best",
        Reason::Needed { .. } => "needed by another",
        Reason::Incomplete | Reason::NothingWhole => "unfinished",
        Reason::Tainted => "session not read whole",
        Reason::Ambiguous => "ambiguous",
        Reason::Conflict => "metrics disagree",
        Reason::Running => "newest of a running session",
        Reason::Restarted { .. } => "two runs in one folder",
        _ => return None,
    }))
}

fn kept_by(reason: &Reason) -> Option<KeptBy> {
    match *reason {
        Reason::MinKeep { .. } => Some(KeptBy::MinKeep),
        Reason::ByDefault => Some(KeptBy::Default),
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
        | Reason::All { rule } => Some(KeptBy::Rule(rule)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Time;

    #[test]
    fn what_protects_is_told_by_its_kind() {
        let needed = Reason::Needed { session: 0, checkpoint: 0 };
        let (young, restarted) = (Reason::Young { age: 1 }, Reason::Restarted { later: 0 });
        for (reason, kind) in [
            (Reason::Pinned, "pinned"),
            (young, "younger than min-age"),
            (Reason::UnknownAge, "of unknown age"),
            (Reason::Pointer { index: 0 }, "named latest or best"),
            (Reason::MarkedLatest, "named latest or best"),
            (Reason::MarkedBest, "named latest or best"),
            (Reason::NamedLastOrBest, "named latest or best"),
            (needed, "needed by another"),
            (Reason::Incomplete, "unfinished"),
            (Reason::NothingWhole, "unfinished"),
            (Reason::Tainted, "session not read whole"),
            (Reason::Ambiguous, "ambiguous"),
            (Reason::Conflict, "metrics disagree"),
            (Reason::Running, "newest of a running session"),
            (restarted, "two runs in one folder"),
        ] {
            assert!(reason.is_protection());
            assert_eq!(protection(&reason), Some(Fate::Protected(kind)));
            assert_eq!((why(&reason), kept_by(&reason)), (None, None));
        }
        let named = Reason::Protected { protection: 3 };
        assert_eq!(protection(&named), Some(Fate::ProtectedBy(3)));
    }

    #[test]
    fn what_keeps_and_what_takes_away() {
        let (age, order, left, quota) = (1, 1, 1, 0);
        for (reason, says) in [
            (Reason::Discarded { discard: 0 }, "discarded"),
            (Reason::EvictedByAge { age }, "over a limit"),
            (Reason::EvictedByCount { order, left }, "over a limit"),
            (Reason::EvictedByBytes { order, left }, "over a limit"),
            (Reason::EvictedByQuota { quota, order, left }, "over a quota"),
        ] {
            assert_eq!((why(&reason), kept_by(&reason)), (Some(says), None));
            assert!(!reason.is_protection() && protection(&reason).is_none());
        }
        let (rank, of, at) = (1, 1, Time::from_nanos(1));
        for (reason, by) in [
            (Reason::MinKeep { rank, of }, KeptBy::MinKeep),
            (Reason::ByDefault, KeptBy::Default),
            (Reason::All { rule: 4 }, KeptBy::Rule(4)),
            (Reason::Bucket { rule: 5, rank, at }, KeptBy::Rule(5)),
        ] {
            assert_eq!((kept_by(&reason), why(&reason)), (Some(by), None));
            // Min-keep holds as a protection does, and is a part of the policy.
            assert_eq!(reason.is_protection(), by == KeptBy::MinKeep);
            assert_eq!(protection(&reason), None);
        }
        let missed = Reason::MissedOther { rule: 4 };
        assert_eq!((kept_by(&missed), why(&missed), protection(&missed)), (None, None, None));
    }
}
