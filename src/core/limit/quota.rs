//! Quotas across sessions: the weakest tier first, and within it the session that uses most.

use super::usage::Usage;
use super::{Candidate, Standing};
use crate::core::decide::Draft;
use crate::core::decision::{Blockers, Notice, Reason, Verdict};
use crate::core::model::{Inventory, Session};
use crate::core::policy::{Amount, Cap, OnExceed, Per, Policy, Quota};
use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
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
                let free = space.free.saturating_add(run.planned);
                if free < min {
                    run.evict(low.max(min) - free, min - free, min, notices);
                }
            }
        }
    }
}

/// The sessions of each group, by its name.
fn groups(inventory: &Inventory, per: Per) -> Vec<(&str, Vec<usize>)> {
    let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, session) in inventory.sessions.iter().enumerate() {
        let group = match per {
            Per::Owner => &*session.owner,
            Per::Root => "",
        };
        groups.entry(group).or_default().push(i);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_unstable_by_key(|g| g.0);
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

/// A session while a quota chooses from it.
struct Source<'d> {
    session: usize,
    /// Those it still has.
    candidates: &'d [Candidate],
    heft: Heft,
}

/// What stays of a session, in bytes.
enum Heft {
    Private(u64),
    /// It has files with several links.
    Shared(Box<Usage>),
}

impl Heft {
    fn bytes(&self) -> u64 {
        match self {
            Heft::Private(bytes) => *bytes,
            Heft::Shared(usage) => usage.bytes(),
        }
    }
}

/// One that a quota takes.
struct Taken {
    session: usize,
    candidate: Candidate,
    /// From 1.
    order: u32,
    /// Bytes the group used at that moment.
    left: u64,
    /// With those before it.
    freed: u64,
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
    /// Bytes that what is already to be deleted will free; only a `min-free` asks for those of
    /// sessions without shared files.
    planned: u64,
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
        let measured = matches!(quota.cap, Cap::MinFree { .. });
        let (mut usage, mut planned) = (Usage::default(), 0_u64);
        for &s in &sessions {
            let draft = &drafts[s];
            let checkpoints = inventory.sessions[s].checkpoints.iter().enumerate();
            let goes = |i: usize| draft.decision.verdict(i) == Verdict::Delete;
            if let Some(bytes) = draft.bytes {
                usage.add_private(bytes);
                if measured {
                    let going = checkpoints.filter(|(i, _)| goes(*i)).map(|(_, c)| c.bytes);
                    planned = going.fold(planned, u64::saturating_add);
                }
                continue;
            }
            // Also what goes: its links are gone for whoever has the others.
            for (i, c) in checkpoints {
                usage.add(c);
                if goes(i) {
                    planned = planned.saturating_add(usage.remove(c));
                }
            }
        }
        Run { inventory, drafts, quota, index, group, sessions, usage, planned }
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
        let (mut taken, freed) = self.choose(wanted);
        let all_or_nothing =
            matches!(self.quota.cap, Cap::MinFree { .. }) && !self.quota.evict_unreachable;
        let evicted = !all_or_nothing;
        if freed < needed {
            let (excess, blockers) = (needed - freed, self.blockers());
            notices.push(Notice::QuotaUnreachable { quota, group, excess, blockers, evicted });
            if all_or_nothing {
                return;
            }
        } else if freed < wanted {
            let (excess, blockers) = (wanted - freed, self.blockers());
            notices.push(Notice::LowUnreachable { quota, group, excess, blockers, evicted });
            if all_or_nothing {
                // What goes beyond the bound would go in vain.
                taken.truncate(taken.partition_point(|t| t.freed < needed) + 1);
            }
        }
        self.take(taken);
    }

    /// Whom to evict, in order; and what that frees.
    fn choose(&mut self, wanted: u64) -> (Vec<Taken>, u64) {
        let mut sources: Vec<Source<'_>> = Vec::with_capacity(self.sessions.len());
        // Sessions by the tiers they have candidates in.
        let mut tiers: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for &session in &self.sessions {
            let draft = &self.drafts[session];
            let mut last = None;
            for candidate in &draft.candidates {
                if last != Some(candidate.distance) {
                    last = Some(candidate.distance);
                    tiers.entry(candidate.distance).or_default().push(sources.len());
                }
            }
            if last.is_some() {
                let heft = match draft.bytes {
                    Some(bytes) => Heft::Private(bytes),
                    None => Heft::Shared(Box::new(self.usage_of(session))),
                };
                sources.push(Source { session, candidates: &draft.candidates, heft });
            }
        }
        let (mut taken, mut freed) = (Vec::new(), 0_u64);
        for (tier, sessions) in tiers {
            let heaviest = sessions.into_iter().map(|k| (sources[k].heft.bytes(), Reverse(k)));
            let mut heaviest: BinaryHeap<(u64, Reverse<usize>)> = heaviest.collect();
            while freed < wanted
                && let Some(mut top) = heaviest.peek_mut()
            {
                let source = &mut sources[top.1.0];
                let Some((first, rest)) = source.candidates.split_first() else { break };
                source.candidates = rest;
                let left = self.usage.bytes();
                let gained = match &mut source.heft {
                    Heft::Private(bytes) => {
                        *bytes = bytes.saturating_sub(first.bytes);
                        self.usage.remove_private(first.bytes)
                    }
                    Heft::Shared(usage) => {
                        let session = &self.inventory.sessions[source.session];
                        let checkpoint = &session.checkpoints[first.checkpoint as usize];
                        usage.remove(checkpoint);
                        let freed = self.usage.remove(checkpoint);
                        match self.quota.cap {
                            Cap::MinFree { .. } => freed,
                            // What the group holds, wherever else its files have links.
                            Cap::MaxBytes { .. } => left.saturating_sub(self.usage.bytes()),
                        }
                    }
                };
                freed = freed.saturating_add(gained);
                let order = u32::try_from(taken.len() + 1).unwrap_or(u32::MAX);
                let session = source.session;
                taken.push(Taken { session, candidate: *first, order, left, freed });
                if rest.first().is_some_and(|c| c.distance == tier) {
                    top.0 = source.heft.bytes();
                } else {
                    PeekMut::pop(top);
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

    fn take(&mut self, mut taken: Vec<Taken>) {
        // One session after the other: their decisions lie far apart.
        taken.sort_unstable_by_key(|t| (t.session, t.order));
        for evicted in taken.chunk_by(|a, b| a.session == b.session) {
            let draft = &mut self.drafts[evicted[0].session];
            // They were taken from the front, in order.
            draft.candidates.drain(..evicted.len());
            for &Taken { candidate, order, left, .. } in evicted {
                draft.standings[candidate.checkpoint as usize] = Standing::Gone;
                draft.bytes = draft.bytes.map(|kept| kept.saturating_sub(candidate.bytes));
                let reason = Reason::EvictedByQuota { quota: self.index, order, left };
                draft.decision.evict(candidate.checkpoint, reason);
            }
        }
    }

    /// The bytes of what stays, by what keeps it from being evicted.
    fn blockers(&self) -> Blockers {
        let staying = self.sessions.iter().flat_map(|&s| {
            let standings = &self.drafts[s].standings;
            let checkpoints = self.inventory.sessions[s].checkpoints.iter().enumerate();
            checkpoints.filter_map(move |(i, c)| match standings.get(i) {
                Some(standing) => Some((Some(standing.blocker()?), c)),
                None => Some((None, c)),
            })
        });
        Blockers::of_bytes(staying)
    }
}
