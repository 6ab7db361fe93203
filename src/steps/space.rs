//! How much trash has to go early, where a policy demands free space.

use super::see;
use crate::apply::Root;
use crate::core::limit::quota::amount;
use crate::core::model::Space;
use crate::core::plan::PlanFile;
use crate::core::policy::{self, Cap, OnExceed};
use crate::store::Store as _;
use crate::store::local::LocalStore;
use std::io;

/// Bytes that are missing to the `min-free` of the plan's policy; a move to the trash frees none.
///
/// # Errors
/// The file system cannot be measured.
pub fn shortfall(root: &Root, plan: &PlanFile) -> io::Result<Option<u64>> {
    let Some(policy) = policy::load(&plan.policy.text).policy else { return Ok(None) };
    let evicting = policy.quotas.iter().filter(|q| q.on_exceed == OnExceed::Evict);
    let demands: Vec<_> = evicting
        .filter_map(|q| match q.cap {
            Cap::MinFree { min, .. } => Some(min),
            Cap::MaxBytes { .. } => None,
        })
        .collect();
    if demands.is_empty() {
        return Ok(None);
    }
    let Space { total, free } = LocalStore::new(see::duplicate(root.fd())?).space()?;
    let wanted = demands.into_iter().map(|min| amount(min, total)).max().unwrap_or(0);
    Ok(wanted.checked_sub(free).filter(|bytes| *bytes > 0))
}
