//! Verdicts and their reasons, as data.
//!
//! A reason holds numbers and indices, never text: [`super::explain`] turns it into words. One
//! reason is 16 bytes, so that a million checkpoints can carry all of theirs.

use super::model::{MetricId, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    Delete,
    /// No policy matches its session.
    Untouched,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Keep => "keep",
            Verdict::Delete => "delete",
            Verdict::Untouched => "untouched",
        }
    }
}

/// Why a checkpoint stays or goes. `rule` indexes the `keep` list of the session's policy.
#[derive(Clone, Copy, Debug, PartialEq)]
#[rustfmt::skip] // a table: one variant a line
pub enum Reason {
    NoPolicy,

    // Protections: absolute.
    /// `[[protect]]` with this index.
    Protected { protection: u16 },
    Pinned,
    /// Written less than `min-age` ago (`age` in nanoseconds; negative: in the future).
    Young { age: i64 },
    /// Nobody knows when it was written.
    UnknownAge,
    /// Named by the checkpoint's pointer with this index.
    Pointer { index: u16 },
    /// Marked as the latest or the best without a pointer's name.
    MarkedLatest,
    MarkedBest,
    /// Called `last*` or `best*`.
    NamedLastOrBest,
    /// Another checkpoint of the inventory cannot be loaded without it.
    Needed { session: u32, checkpoint: u32 },
    /// Unfinished, or being written.
    Incomplete,
    /// Unfinished for longer than `incomplete-for`, as is all of its session that could be counted.
    NothingWhole,
    /// The session could not be read whole.
    Tainted,
    Ambiguous,
    /// Its metric sources disagree, or something else about it is doubtful.
    Conflict,
    /// Newest complete checkpoint of a running session, or newer than that.
    Running,
    /// Two runs in one folder, or others without a number: this checkpoint's session has a save
    /// (`later`, an index into the session) whose place [`super::order::Disagreement`] puts in doubt.
    Restarted { later: u32 },

    // The rest of the ladder.
    /// Among the newest `of`.
    MinKeep { rank: u32, of: u32 },
    /// `discard` entry with this index.
    Discarded { discard: u16 },

    // Rules that keep.
    Last { rule: u16, rank: u32, of: u32 },
    First { rule: u16, rank: u32, of: u32 },
    /// The value is the checkpoint's.
    Best { rule: u16, metric: MetricId, rank: u32 },
    /// Kept by a `best` rule for want of a finite value.
    NoValueYet { rule: u16, metric: MetricId },
    /// The session has none of the rule's metrics: kept whole.
    NoMetric { rule: u16 },
    /// The first at or after multiple `index` of the rule's period, or exactly on it.
    Every { rule: u16, index: u64 },
    Step { rule: u16 },
    /// `age` in nanoseconds, from the rule's anchor.
    Within { rule: u16, age: i64 },
    /// Newest of the `rank`-th period counted back; `at` lies in it.
    Bucket { rule: u16, rank: u32, at: Time },
    /// The oldest, because the rule had periods left over.
    BucketOldest { rule: u16 },
    /// A time rule cannot place it: its time is unknown or in the future.
    NoTime { rule: u16 },
    Id { rule: u16 },
    Tag { rule: u16 },
    Submitted { rule: u16 },
    All { rule: u16 },
    /// The policy has no keep rules.
    ByDefault,

    // Why it goes although a rule kept it.
    EvictedByAge { age: i64 },
    /// It was the `order`-th to go, with so many left at that moment.
    EvictedByCount { order: u32, left: u64 },
    /// It was the `order`-th to go, with so many bytes left at that moment.
    EvictedByBytes { order: u32, left: u64 },
    EvictedByQuota { quota: u16, order: u32, left: u64 },

    // Why no rule keeps it: one for each rule, its nearest miss.
    MissedRank { rule: u16, rank: u32, of: u32 },
    /// `cutoff`: the worst value that was still kept; its own value is the checkpoint's.
    MissedBest { rule: u16, metric: MetricId, cutoff: f64 },
    /// It has no finite value and the rule does not wait for one (any more).
    MissedNoValue { rule: u16, metric: MetricId },
    /// Another one stands for multiple `index` (as `Every`), or it lies on none.
    MissedEvery { rule: u16, index: u64 },
    /// It has no step, epoch or time that the rule could go by.
    MissedNoStep { rule: u16 },
    MissedWithin { rule: u16, age: i64 },
    /// A newer one stands for its period.
    MissedBucket { rule: u16, rank: u32, at: Time },
    /// Its id, tag, step or submission is not what the rule asks for.
    MissedOther { rule: u16 },
}

impl Reason {
    /// The top of the ladder: what holds against every rule, limit and quota.
    pub fn is_protection(&self) -> bool {
        matches!(
            self,
            Reason::Protected { .. }
                | Reason::Pinned
                | Reason::Young { .. }
                | Reason::UnknownAge
                | Reason::Pointer { .. }
                | Reason::MarkedLatest
                | Reason::MarkedBest
                | Reason::NamedLastOrBest
                | Reason::Needed { .. }
                | Reason::Incomplete
                | Reason::NothingWhole
                | Reason::Tainted
                | Reason::Ambiguous
                | Reason::Conflict
                | Reason::Running
                | Reason::Restarted { .. }
                | Reason::MinKeep { .. }
        )
    }
}

/// One checkpoint's verdict; its reasons stand in [`SessionDecision::reasons`].
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    pub verdict: Verdict,
    /// One more reason fits in front of the others.
    room: bool,
    len: u16,
    start: u32,
}

/// The decisions of one session, in the order of its checkpoints.
#[derive(Clone, Debug, Default)]
pub struct SessionDecision {
    /// Index of the policy that has the session.
    pub policy: Option<u16>,
    decisions: Vec<Decision>,
    reasons: Vec<Reason>,
}

impl SessionDecision {
    pub fn with_capacity(
        policy: Option<u16>,
        checkpoints: usize,
        reasons: usize,
    ) -> SessionDecision {
        SessionDecision {
            policy,
            decisions: Vec::with_capacity(checkpoints),
            reasons: Vec::with_capacity(reasons),
        }
    }

    /// Adds the next checkpoint's decision.
    pub fn push(&mut self, verdict: Verdict, reasons: impl IntoIterator<Item = Reason>) {
        let start = self.next_reason();
        self.reasons.extend(reasons);
        self.close(Decision { verdict, room: false, len: 0, start });
    }

    /// Adds the next checkpoint, which is kept for now and leaves room for the reason of
    /// [`SessionDecision::evict`].
    pub fn push_evictable(&mut self, reasons: &[Reason]) {
        self.reasons.push(Reason::NoPolicy);
        let start = self.next_reason();
        self.reasons.extend_from_slice(reasons);
        self.close(Decision { verdict: Verdict::Keep, room: true, len: 0, start });
    }

    fn next_reason(&self) -> u32 {
        u32::try_from(self.reasons.len()).expect("fewer than 2^32 reasons in a session")
    }

    fn close(&mut self, decision: Decision) {
        let len = u16::try_from(self.reasons.len() - decision.start as usize)
            .expect("fewer than 2^16 reasons for one checkpoint");
        self.decisions.push(Decision { len, ..decision });
    }

    /// Adds a checkpoint that no rule keeps, with each rule's nearest miss.
    pub fn push_missed(&mut self, misses: impl Iterator<Item = Reason>) {
        let start = self.next_reason();
        for reason in misses {
            self.reasons.push(reason);
        }
        self.close(Decision { verdict: Verdict::Delete, room: false, len: 0, start });
    }

    /// Turns a kept checkpoint into a deleted one: the reason comes in front of those that kept it.
    pub fn evict(&mut self, checkpoint: u32, reason: Reason) {
        let mut decision = self.decisions[checkpoint as usize];
        if decision.room {
            decision.start -= 1;
            self.reasons[decision.start as usize] = reason;
        } else {
            let start = decision.start as usize;
            decision.start = self.next_reason();
            self.reasons.push(reason);
            self.reasons.extend_from_within(start..start + usize::from(decision.len));
        }
        let len = decision.len.checked_add(1).expect("fewer than 2^16 reasons for one checkpoint");
        self.decisions[checkpoint as usize] =
            Decision { verdict: Verdict::Delete, room: false, len, ..decision };
    }

    pub fn verdict(&self, checkpoint: usize) -> Verdict {
        self.decisions[checkpoint].verdict
    }

    pub fn reasons(&self, checkpoint: usize) -> &[Reason] {
        let d = self.decisions[checkpoint];
        &self.reasons[d.start as usize..d.start as usize + usize::from(d.len)]
    }

    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }
}

/// What a policy makes of an inventory.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// One for each session of the inventory, in its order.
    pub sessions: Vec<SessionDecision>,
    pub notices: Vec<Notice>,
    /// Kept checkpoints whose absence would change a deletion: for each session with deletions,
    /// in order, its witnesses as (session, checkpoint) indices.
    pub witnesses: Vec<Vec<(u32, u32)>>,
}

/// Something a person should know about an outcome; rendered by [`super::explain`].
#[derive(Clone, Debug, PartialEq)]
#[rustfmt::skip] // a table: one variant a line
pub enum Notice {
    /// A limit of the session cannot be met.
    LimitUnreachable { session: u32, what: Limited, excess: u64, blockers: Blockers },
    /// A quota cannot be met; `group` is the owner or the root.
    QuotaUnreachable { quota: u16, group: Box<str>, excess: u64, blockers: Blockers, evicted: bool },
    /// A quota is met, and cannot be brought to its `low`; `evicted`: it goes as far as it may.
    LowUnreachable { quota: u16, group: Box<str>, excess: u64, blockers: Blockers, evicted: bool },
    /// `on-exceed = "report"`.
    QuotaExceeded { quota: u16, group: Box<str>, used: u64, allowed: u64 },
    /// `min-free` without a known file system.
    QuotaNotMeasured { quota: u16 },
    /// A `best` rule keeps a whole session for want of its metrics; `whole`: nothing else takes from it.
    NoMetric { session: u32, policy: u16, rule: u16, whole: bool },
    /// Two runs in one folder, as [`Reason::Restarted`].
    Restarted { session: u32, later: u32 },
    /// A rule that goes by steps, epochs or times says nothing about a session that has none.
    RuleIsSilent { session: u32, rule: u16 },
    /// A protection that matches nothing.
    IdleProtection { protection: u16 },
    ExpiredProtection { protection: u16 },
    /// A policy that no session is left for.
    IdlePolicy { policy: u16 },
}

impl Notice {
    /// The session it is about, if it is about one.
    pub fn session(&self) -> Option<u32> {
        match *self {
            Notice::LimitUnreachable { session, .. }
            | Notice::NoMetric { session, .. }
            | Notice::Restarted { session, .. }
            | Notice::RuleIsSilent { session, .. } => Some(session),
            Notice::QuotaUnreachable { .. }
            | Notice::LowUnreachable { .. }
            | Notice::QuotaExceeded { .. }
            | Notice::QuotaNotMeasured { .. }
            | Notice::IdleProtection { .. }
            | Notice::ExpiredProtection { .. }
            | Notice::IdlePolicy { .. } => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    Bytes,
    Count,
}

/// What is in the way of a limit, in the limit's unit (bytes or checkpoints).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blockers {
    pub protected: u64,
    pub min_keep: u64,
    pub hard: u64,
    pub untouched: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stays_small() {
        assert!(std::mem::size_of::<Reason>() <= 16, "{}", std::mem::size_of::<Reason>());
    }

    /// Quotas take what has room for it, once; still no reason may cost a neighbour its own.
    #[test]
    fn an_eviction_puts_its_reason_in_front_and_leaves_all_others_as_they_are() {
        let quota = |order| Reason::EvictedByQuota { quota: 0, order, left: 100 };
        let hits = [Reason::Last { rule: 0, rank: 2, of: 3 }, Reason::All { rule: 1 }];
        for room in [true, false] {
            let mut decision = SessionDecision::default();
            assert!(decision.is_empty());
            decision.push(Verdict::Keep, [Reason::Pinned]);
            if room {
                decision.push_evictable(&hits);
            } else {
                decision.push(Verdict::Keep, hits);
            }
            decision.push(Verdict::Keep, [Reason::Tainted]);
            decision.evict(1, quota(1));
            decision.evict(1, quota(2));
            assert_eq!(decision.reasons(1), [quota(2), quota(1), hits[0], hits[1]], "{room}");
            assert_eq!(decision.verdict(1), Verdict::Delete, "{room}");
            for (i, reason) in [(0, Reason::Pinned), (2, Reason::Tainted)] {
                assert_eq!(decision.reasons(i), [reason], "{room}");
                assert_eq!(decision.verdict(i), Verdict::Keep, "{room}");
            }
            assert!(!decision.is_empty());
        }
    }

    /// Whoever may see only some sessions is shown the notices of those.
    #[test]
    fn a_notice_is_about_the_session_it_names_or_about_none() {
        let (blockers, excess, group) = (Blockers::default(), 1, || "o".into());
        let of_session = [
            Notice::LimitUnreachable { session: 7, what: Limited::Count, excess, blockers },
            Notice::NoMetric { session: 7, policy: 1, rule: 2, whole: true },
            Notice::Restarted { session: 7, later: 1 },
            Notice::RuleIsSilent { session: 7, rule: 2 },
        ];
        let of_none = [
            Notice::QuotaUnreachable { quota: 7, group: group(), excess, blockers, evicted: true },
            Notice::LowUnreachable { quota: 7, group: group(), excess, blockers, evicted: true },
            Notice::QuotaExceeded { quota: 7, group: group(), used: 2, allowed: 1 },
            Notice::QuotaNotMeasured { quota: 7 },
            Notice::IdleProtection { protection: 7 },
            Notice::ExpiredProtection { protection: 7 },
            Notice::IdlePolicy { policy: 7 },
        ];
        assert_eq!(of_session.map(|n| n.session()), [Some(7); 4]);
        assert_eq!(of_none.map(|n| n.session()), [None; 7]);
    }
}
