//! How far each quota of a policy is used, before and after what the policy would delete.

use super::tally::{Links, Tally};
use super::{Amount, fate};
use crate::core::decision::{Outcome, Verdict};
use crate::core::limit::quota::amount;
use crate::core::model::Inventory;
use crate::core::policy::{Cap, OnExceed, Per, Policy};
use std::collections::BTreeMap;

/// One quota over one group: an owner, or the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// Index in the policy.
    pub quota: u16,
    pub name: String,
    /// `None`: the root.
    pub owner: Option<String>,
    /// Bytes in use; for `min-free` those of the file system that are not free.
    pub used: u64,
    /// What they may be.
    pub allowed: u64,
    /// What is left in use once the plan is carried out.
    pub after: u64,
    /// It demands free space of the file system.
    pub min_free: bool,
    /// It evicts by itself (`on-exceed = "evict"`), rather than to recommend.
    pub evicts: bool,
}

impl QuotaUse {
    pub fn is_over(&self) -> bool {
        self.used > self.allowed
    }

    /// Used in hundredths of what is allowed, rounded down; nothing allowed counts as full.
    pub fn percent(&self) -> u64 {
        let percent = u128::from(self.used) * 100 / u128::from(self.allowed.max(1));
        u64::try_from(percent).unwrap_or(u64::MAX)
    }
}

/// Every quota of the policy, in its order, over every group that it has; a `min-free` on a file
/// system that nobody measured is left out.
pub fn quotas(inventory: &Inventory, policy: &Policy, outcome: &Outcome) -> Vec<QuotaUse> {
    if policy.quotas.is_empty() {
        return Vec::new();
    }
    let links = Links::new(inventory, outcome);
    let mut owners: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut root = Tally::default();
    for (session, decision) in inventory.sessions.iter().zip(&outcome.sessions) {
        let mut whole = Tally::default();
        for (i, c) in session.checkpoints.iter().enumerate() {
            let goes = decision.verdict(i) == Verdict::Delete;
            whole.add(Tally::of(c, fate(decision, i).class(), goes, &links));
        }
        root.add(whole.clone());
        owners.entry(&session.owner).or_default().add(whole);
    }
    let root = root.amount();
    // Of `max-bytes` what stays in use is what the group's checkpoints hold, as a quota evicts: no
    // longer what has its last link elsewhere.
    let left = |a: &Amount| a.reclaimable.saturating_add(a.linked);
    let mut uses = Vec::new();
    for (quota, q) in (0..).zip(&policy.quotas) {
        let one = |owner: Option<&str>, used: u64, allowed: u64, freed: u64| QuotaUse {
            quota,
            name: q.name.to_string(),
            owner: owner.map(str::to_owned),
            used,
            allowed,
            after: used.saturating_sub(freed),
            min_free: matches!(q.cap, Cap::MinFree { .. }),
            evicts: q.on_exceed == OnExceed::Evict,
        };
        match q.cap {
            Cap::MaxBytes { per: Per::Root, max, .. } => {
                uses.push(one(None, root.bytes, max, left(&root)));
            }
            Cap::MaxBytes { per: Per::Owner, max, .. } => {
                for (owner, tally) in &owners {
                    let a = tally.amount();
                    uses.push(one(Some(owner), a.bytes, max, left(&a)));
                }
            }
            Cap::MinFree { min, .. } => {
                if let Some(space) = inventory.space {
                    let used = space.total.saturating_sub(space.free);
                    let allowed = space.total.saturating_sub(amount(min, space.total));
                    uses.push(one(None, used, allowed, root.reclaimable));
                }
            }
        }
    }
    uses
}
