//! The kept checkpoints that justify a session's deletions.
//!
//! "Not among the best three" is true only while those three exist: apply looks at them again, and
//! a session whose witnesses changed loses nothing.

use super::group::AcrossAnswers;
use crate::core::decision::{Reason, SessionDecision, Verdict};
use rayon::prelude::*;

/// For each session that loses something, its witnesses in order; empty for all others.
pub fn collect(sessions: &[SessionDecision], across: &AcrossAnswers) -> Vec<Vec<(u32, u32)>> {
    let kept = |&(s, c): &(u32, u32)| sessions[s as usize].verdict(c as usize) == Verdict::Keep;
    (0..sessions.len())
        .into_par_iter()
        .map_init(Vec::new, |witnesses: &mut Vec<(u32, u32)>, index| {
            let decision = &sessions[index];
            let loses = (0..decision.len()).any(|c| decision.verdict(c) == Verdict::Delete);
            let Some(s) = u32::try_from(index).ok().filter(|_| loses) else { return Vec::new() };
            let own = (0..).zip(0..decision.len()).filter(|(_, c)| {
                decision.verdict(*c) == Verdict::Keep
                    && decision.reasons(*c).iter().any(holds_a_place)
            });
            witnesses.clear();
            witnesses.extend(own.map(|(c, _)| (s, c)));
            if let Some(groups) = across.groups_of.get(&s) {
                for &group in groups {
                    witnesses.extend(across.places[group].iter().copied().filter(kept));
                }
                witnesses.sort_unstable();
                witnesses.dedup();
            }
            witnesses.clone()
        })
        .collect()
}

/// Whether it keeps a place that another checkpoint would otherwise have.
pub fn holds_a_place(reason: &Reason) -> bool {
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
}
