//! The kept checkpoints that justify a session's deletions.
//!
//! "Not among the best three" is true only while those three exist: apply looks at them again, and
//! a session whose witnesses changed loses nothing.

use super::group::AcrossAnswers;
use crate::core::decision::{Reason, SessionDecision, Verdict};

/// For each session that loses something, its witnesses in order; empty for all others.
pub fn collect(sessions: &[SessionDecision], across: &AcrossAnswers) -> Vec<Vec<(u32, u32)>> {
    let own: Vec<Vec<u32>> = sessions.iter().map(kept_by_rank).collect();
    (0..)
        .zip(sessions)
        .map(|(s, decision)| {
            let loses = (0..decision.len()).any(|c| decision.verdict(c) == Verdict::Delete);
            if !loses {
                return Vec::new();
            }
            let mut witnesses: Vec<(u32, u32)> = own[s as usize].iter().map(|&c| (s, c)).collect();
            for &group in across.groups_of.get(&s).map_or(&[][..], Vec::as_slice) {
                for &other in across.groups[group].iter().filter(|o| **o != s) {
                    witnesses.extend(own[other as usize].iter().map(|&c| (other, c)));
                }
            }
            witnesses.sort_unstable();
            witnesses.dedup();
            witnesses
        })
        .collect()
}

/// Kept checkpoints that hold a place another one would otherwise have.
fn kept_by_rank(decision: &SessionDecision) -> Vec<u32> {
    let holds_a_place = |reason: &Reason| {
        matches!(
            reason,
            Reason::MinKeep { .. }
                | Reason::Last { .. }
                | Reason::First { .. }
                | Reason::Best { .. }
                | Reason::Every { .. }
                | Reason::Bucket { .. }
                | Reason::BucketOldest { .. }
        )
    };
    (0..)
        .zip(0..decision.len())
        .filter(|(_, c)| decision.verdict(*c) == Verdict::Keep)
        .filter(|(_, c)| decision.reasons(*c).iter().any(holds_a_place))
        .map(|(c, _)| c)
        .collect()
}
