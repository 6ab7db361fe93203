//! How far each quota of the policy is used.

use super::Index;
use crate::core::limit::quota::amount;
use crate::core::model::Inventory;
use crate::core::policy::{Cap, Per, Policy};

/// One quota over one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    pub name: String,
    /// `None`: the root.
    pub owner: Option<String>,
    /// Bytes in use; for `min-free` those of the file system that are not free.
    pub used: u64,
    pub allowed: u64,
}

impl QuotaUse {
    pub fn is_over(&self) -> bool {
        self.used > self.allowed
    }

    /// Used in hundredths of what is allowed; nothing allowed counts as full.
    pub fn percent(&self) -> u64 {
        let percent = u128::from(self.used) * 100 / u128::from(self.allowed.max(1));
        u64::try_from(percent).unwrap_or(u64::MAX)
    }
}

/// Every quota over every group it has; a `min-free` that nobody can measure is left out.
pub fn quotas(inventory: &Inventory, policy: &Policy, index: &Index) -> Vec<QuotaUse> {
    let mut uses = Vec::new();
    for quota in &policy.quotas {
        let one = |owner: Option<&str>, used: u64, allowed: u64| QuotaUse {
            name: quota.name.to_string(),
            owner: owner.map(str::to_owned),
            used,
            allowed,
        };
        match quota.cap {
            Cap::MaxBytes { per: Per::Root, max, .. } => uses.push(one(None, index.bytes, max)),
            Cap::MaxBytes { per: Per::Owner, max, .. } => {
                uses.extend(index.owners.iter().map(|o| one(Some(&o.name), o.bytes, max)));
            }
            Cap::MinFree { min, .. } => {
                if let Some(space) = inventory.space {
                    let used = space.total.saturating_sub(space.free);
                    uses.push(one(
                        None,
                        used,
                        space.total.saturating_sub(amount(min, space.total)),
                    ));
                }
            }
        }
    }
    uses
}
