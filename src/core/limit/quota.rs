//! Quotas across sessions: the weakest tier first, and within it the session that uses most.

use super::Standing;
use super::usage::Usage;
use crate::core::decide::Draft;
use crate::core::decision::{Blockers, Notice, Reason, Verdict};
use crate::core::model::{Inventory, Session};
use crate::core::policy::{Amount, Cap, OnExceed, Per, Policy, Quota};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// Applies every quota in turn; each sees what the earlier ones left.
pub fn enforce(
    inventory: &Inventory,
    policy: &Policy,
    drafts: &mut [Draft],
    notices: &mut Vec<Notice>,
) {
    for (index, quota) in (0..).zip(&policy.quotas) {
        match quota.cap {
            Cap::MaxBytes { per, max, low } => {
                for (group, sessions) in groups(inventory, per) {
                    let mut run = Run::new(inventory, drafts, quota, index, group, sessions);
                    let used = run.usage.bytes();
                    if used > max {
                        run.evict(used - low, used - max, max, notices);
                    }
                }
            }
            Cap::MinFree { min, low } => {
                let Some(space) = inventory.space else {
                    notices.push(Notice::QuotaNotMeasured { quota: index });
                    continue;
                };
                let (min, low) = (amount(min, space.total), amount(low, space.total));
                let all = (0..inventory.sessions.len()).collect();
                let mut run = Run::new(inventory, drafts, quota, index, "", all);
                let free = space.free.saturating_add(run.planned());
                if free < min {
                    run.evict(low.max(min) - free, min - free, min, notices);
                }
            }
        }
    }
}

fn groups(inventory: &Inventory, per: Per) -> BTreeMap<&str, Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, session) in inventory.sessions.iter().enumerate() {
        let group = match per {
            Per::Owner => &*session.owner,
            Per::Root => "",
        };
        groups.entry(group).or_default().push(i);
    }
    groups
}

/// An amount in bytes, of a whole of `total` bytes.
pub fn amount(amount: Amount, total: u64) -> u64 {
    match amount {
        Amount::Bytes(bytes) => bytes,
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a disk; a rounding of a few bytes does not matter"
        )]
        Amount::Percent(percent) => (total as f64 * percent / 100.0).ceil() as u64,
    }
}

/// Adds what stays of a session.
fn add_kept(usage: &mut Usage, session: &Session, draft: &Draft) {
    if let Some(bytes) = draft.bytes {
        return usage.add_private(bytes);
    }
    for (i, c) in session.checkpoints.iter().enumerate() {
        if draft.decision.verdict(i) != Verdict::Delete {
            usage.add(c);
        }
    }
}

/// One quota over one group of sessions.
struct Run<'a> {
    inventory: &'a Inventory,
    drafts: &'a mut [Draft],
    quota: &'a Quota,
    index: u16,
    group: &'a str,
    sessions: Vec<usize>,
    /// Of everything in the group that stays.
    usage: Usage,
}

impl<'a> Run<'a> {
    fn new(
        inventory: &'a Inventory,
        drafts: &'a mut [Draft],
        quota: &'a Quota,
        index: u16,
        group: &'a str,
        sessions: Vec<usize>,
    ) -> Run<'a> {
        let mut usage = Usage::default();
        for &s in &sessions {
            add_kept(&mut usage, &inventory.sessions[s], &drafts[s]);
        }
        Run { inventory, drafts, quota, index, group, sessions, usage }
    }

    /// Bytes that what is already to be deleted will free.
    fn planned(&self) -> u64 {
        let mut all = Usage::default();
        let mut going = Vec::new();
        for &s in &self.sessions {
            for (i, c) in self.inventory.sessions[s].checkpoints.iter().enumerate() {
                all.add(c);
                if self.drafts[s].decision.verdict(i) == Verdict::Delete {
                    going.push(c);
                }
            }
        }
        going.into_iter().fold(0, |sum: u64, c| sum.saturating_add(all.remove(c)))
    }

    /// Frees `wanted` bytes, of which `needed` are what brings the group within `allowed`.
    fn evict(&mut self, wanted: u64, needed: u64, allowed: u64, notices: &mut Vec<Notice>) {
        let (quota, group) = (self.index, Box::from(self.group));
        if self.quota.on_exceed == OnExceed::Report {
            let used = match self.quota.cap {
                Cap::MaxBytes { .. } => self.usage.bytes(),
                Cap::MinFree { .. } => allowed - needed,
            };
            notices.push(Notice::QuotaExceeded { quota, group, used, allowed });
            return;
        }
        let (taken, freed) = self.choose(wanted);
        let reachable = freed >= needed;
        let all_or_nothing = matches!(self.quota.cap, Cap::MinFree { .. });
        let evicted = reachable || !all_or_nothing || self.quota.evict_unreachable;
        if !reachable {
            let excess = needed - freed;
            let blockers = self.blockers();
            notices.push(Notice::QuotaUnreachable { quota, group, excess, blockers, evicted });
        }
        if evicted {
            self.take(&taken);
        }
    }

    /// Whom to evict, in order, with the bytes the group uses at that moment; and what that frees.
    fn choose(&mut self, wanted: u64) -> (Vec<(usize, u32, u64)>, u64) {
        // Sessions by the tiers they have candidates in.
        let mut tiers: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for &s in &self.sessions {
            let mut last = None;
            for candidate in &self.drafts[s].candidates {
                if last != Some(candidate.distance) {
                    last = Some(candidate.distance);
                    tiers.entry(candidate.distance).or_default().push(s);
                }
            }
        }
        let mut usages: HashMap<usize, Usage> = HashMap::new();
        let mut next: HashMap<usize, usize> = HashMap::new();
        let (mut taken, mut freed) = (Vec::new(), 0_u64);
        for (tier, sessions) in tiers {
            let mut heaviest: BinaryHeap<(u64, Reverse<usize>)> = BinaryHeap::new();
            for s in sessions {
                let usage = usages.entry(s).or_insert_with(|| self.usage_of(s));
                heaviest.push((usage.bytes(), Reverse(s)));
            }
            while freed < wanted
                && let Some((_, Reverse(s))) = heaviest.pop()
            {
                let position = next.entry(s).or_default();
                let i = self.drafts[s].candidates[*position].checkpoint;
                let checkpoint = &self.inventory.sessions[s].checkpoints[i as usize];
                taken.push((s, i, self.usage.bytes()));
                freed = freed.saturating_add(self.usage.remove(checkpoint));
                *position += 1;
                let more = self.drafts[s].candidates.get(*position);
                let usage = usages.entry(s).or_default();
                usage.remove(checkpoint);
                if more.is_some_and(|c| c.distance == tier) {
                    heaviest.push((usage.bytes(), Reverse(s)));
                }
            }
            if freed >= wanted {
                break;
            }
        }
        (taken, freed)
    }

    fn usage_of(&self, session: usize) -> Usage {
        let mut usage = Usage::default();
        add_kept(&mut usage, &self.inventory.sessions[session], &self.drafts[session]);
        usage
    }

    fn take(&mut self, taken: &[(usize, u32, u64)]) {
        let mut by_session: BTreeMap<usize, Vec<(u32, Reason)>> = BTreeMap::new();
        for (order, &(s, i, left)) in (1..).zip(taken) {
            let reason = Reason::EvictedByQuota { quota: self.index, order, left };
            by_session.entry(s).or_default().push((i, reason));
        }
        for (s, evicted) in by_session {
            let draft = &mut self.drafts[s];
            // They were taken from the front, in order.
            draft.candidates.drain(..evicted.len());
            let session = &self.inventory.sessions[s];
            for (i, _) in &evicted {
                draft.standings[*i as usize] = Standing::Gone;
                let bytes = session.checkpoints[*i as usize].bytes;
                draft.bytes = draft.bytes.map(|kept| kept.saturating_sub(bytes));
            }
            draft.decision.evict(&evicted);
        }
    }

    /// The bytes of what stays, by what keeps it from being evicted.
    fn blockers(&self) -> Blockers {
        let mut blockers = Blockers::default();
        for &s in &self.sessions {
            let standings = &self.drafts[s].standings;
            for (i, c) in self.inventory.sessions[s].checkpoints.iter().enumerate() {
                match standings.get(i) {
                    Some(Standing::Stays(blocker)) => blockers.add(*blocker, c.bytes),
                    Some(Standing::Gone | Standing::Evictable) => {}
                    None => blockers.untouched = blockers.untouched.saturating_add(c.bytes),
                }
            }
        }
        blockers
    }
}
