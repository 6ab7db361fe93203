//! What a policy keeps, by why: so that nobody looks for more room where there is none.

use crate::core::decide::decide;
use crate::core::decision::{Reason, Verdict};
use crate::core::limit::usage::Usage;
use crate::core::model::{Inventory, Time};
use crate::core::policy::Policy;

/// Bytes, each hard-linked file once and for the first of these that holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub protected: u64,
    /// By `min-age` and nothing stronger.
    pub young: u64,
    /// In sessions that no policy matches.
    pub untouched: u64,
    /// By `min-keep` and the rules.
    pub rules: u64,
}

impl Held {
    pub(super) fn of(inventory: &Inventory, policy: &Policy, now: Time) -> Held {
        let outcome = decide(inventory, policy, now);
        // One list for each field.
        let mut kept = [const { Vec::new() }; 4];
        for (session, decision) in inventory.sessions.iter().zip(&outcome.sessions) {
            for (i, c) in session.checkpoints.iter().enumerate() {
                let reasons = || decision.reasons(i).iter();
                let stronger = |r: &Reason| {
                    r.is_protection() && !matches!(r, Reason::Young { .. } | Reason::MinKeep { .. })
                };
                let class = match decision.verdict(i) {
                    Verdict::Delete => continue,
                    Verdict::Untouched => 2,
                    Verdict::Keep if reasons().any(stronger) => 0,
                    Verdict::Keep if reasons().any(|r| matches!(r, Reason::Young { .. })) => 1,
                    Verdict::Keep => 3,
                };
                kept[class].push(c);
            }
        }
        let mut usage = Usage::default();
        let [protected, young, untouched, rules] = kept.map(|checkpoints| {
            let before = usage.bytes();
            for c in checkpoints {
                usage.add(c);
            }
            usage.bytes() - before
        });
        Held { protected, young, untouched, rules }
    }

    pub fn sum(&self) -> u64 {
        let Held { protected, young, untouched, rules } = *self;
        [protected, young, untouched, rules].into_iter().fold(0, u64::saturating_add)
    }

    /// Most of it is too young to be deleted: how much the rules keep shows only later.
    pub fn is_mostly_young(&self) -> bool {
        self.young > self.sum() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_not_most() {
        let young = |young, rules| Held { young, rules, ..Held::default() }.is_mostly_young();
        assert!(young(6, 5) && !young(5, 5) && !young(5, 6) && !Held::default().is_mostly_young());
    }
}
