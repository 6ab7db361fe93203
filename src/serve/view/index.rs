//! What pages ask of an inventory again and again, counted once after each scan.
//!
//! A page over fifty thousand sessions must answer like one over fifty: orders, sums and the list
//! of all deletions are made here, and a request only walks one of them.

use crate::core::decision::{Outcome, Reason, SessionDecision, Verdict};
use crate::core::limit::usage::Usage;
use crate::core::model::{Checkpoint, Inventory, Status, Time};
use crate::core::policy::Policy;
use crate::report::listing;
use std::cmp::Reverse;
use std::collections::HashMap;

/// How a checkpoint stands with the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Delete,
    Keep,
    /// Kept by something that no rule, limit or quota gets past.
    Protected,
    /// No policy matches its session.
    Untouched,
}

impl Standing {
    pub fn of(decision: &SessionDecision, c: usize) -> Standing {
        match decision.verdict(c) {
            Verdict::Delete => Standing::Delete,
            Verdict::Untouched => Standing::Untouched,
            Verdict::Keep if decision.reasons(c).iter().any(Reason::is_protection) => {
                Standing::Protected
            }
            Verdict::Keep => Standing::Keep,
        }
    }

    pub fn parse(text: &str) -> Option<Standing> {
        let all = [Standing::Delete, Standing::Keep, Standing::Protected, Standing::Untouched];
        all.into_iter().find(|s| s.as_str() == text)
    }

    /// Stable: for programs and style sheets.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Delete => "delete",
            Standing::Keep => "keep",
            Standing::Protected => "protected",
            Standing::Untouched => "untouched",
        }
    }
}

/// Sums of one session.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub bytes: u64,
    pub checkpoints: u32,
    pub last_write: Option<Time>,
    /// What the policy would delete of it.
    pub delete: u32,
    pub delete_bytes: u64,
    pub protected: u32,
    pub untouched: u32,
    /// Where its deletions begin in [`Index::going`].
    pub(super) going: u32,
    /// For searches that do not mind capitals.
    pub(super) lower: String,
}

impl Row {
    /// How many of its checkpoints stand so.
    pub fn count(&self, standing: Standing) -> u32 {
        match standing {
            Standing::Delete => self.delete,
            Standing::Protected => self.protected,
            Standing::Untouched => self.untouched,
            Standing::Keep => {
                self.checkpoints.saturating_sub(self.delete + self.protected + self.untouched)
            }
        }
    }
}

/// Sums of one owner.
#[derive(Clone, Debug)]
pub struct Owner {
    pub name: Box<str>,
    /// In the order of the inventory.
    pub sessions: Vec<u32>,
    pub checkpoints: u64,
    pub bytes: u64,
    pub delete: u64,
    pub delete_bytes: u64,
}

/// Why things go: a policy, and what of it deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Of the policy, or of the quota.
    pub name: String,
    /// `discard id`, `limit max-count`, `quota`, `no rule`: stable.
    pub kind: String,
    pub checkpoints: u64,
    pub bytes: u64,
}

/// One checkpoint that the policy would delete.
#[derive(Clone, Copy, Debug)]
pub struct Going {
    pub session: u32,
    pub checkpoint: u32,
    /// An index into [`Index::causes`].
    pub cause: u16,
}

#[derive(Debug, Default)]
pub struct Index {
    names: HashMap<Box<str>, u32>,
    pub rows: Vec<Row>,
    by_size: Vec<u32>,
    by_time: Vec<u32>,
    by_count: Vec<u32>,
    by_freed: Vec<u32>,
    /// The biggest first.
    pub owners: Vec<Owner>,
    /// What frees most first.
    pub causes: Vec<Cause>,
    /// In the order of the inventory.
    pub going: Vec<Going>,
    /// Sessions with a checkpoint that cannot be loaded without one of another session.
    pub needing: Vec<u32>,
    pub bytes: u64,
    pub delete_bytes: u64,
    pub checkpoints: u64,
}

/// What sessions are listed by; biggest, newest and most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Name,
    Size,
    Time,
    Count,
    /// What the policy would free.
    Freed,
}

impl Sort {
    pub const ALL: [Sort; 5] = [Sort::Name, Sort::Size, Sort::Time, Sort::Count, Sort::Freed];

    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::Size => "size",
            Sort::Time => "time",
            Sort::Count => "count",
            Sort::Freed => "freed",
        }
    }

    pub fn parse(text: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// Which sessions are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name, whatever its capitals.
    pub text: String,
    pub owner: Option<String>,
    pub status: Option<Status>,
    pub sort: Sort,
    pub reverse: bool,
    pub offset: usize,
    pub limit: usize,
}

/// A part of a list, and how long the list is.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub total: usize,
}

impl Index {
    pub fn new(inventory: &Inventory, policy: &Policy, outcome: &Outcome) -> Index {
        let mut index = Index::default();
        let mut usage = Usage::default();
        let mut owners: HashMap<Box<str>, (Owner, Usage)> = HashMap::new();
        let mut causes: HashMap<(String, String), u16> = HashMap::new();
        for (at, session) in (0..).zip(&inventory.sessions) {
            let decision = &outcome.sessions[at as usize];
            index.names.insert(session.name.clone(), at);
            let mut row = Row {
                bytes: listing::session_bytes(session),
                checkpoints: u32::try_from(session.checkpoints.len()).unwrap_or(u32::MAX),
                last_write: listing::last_write(session),
                lower: session.name.to_lowercase(),
                going: u32::try_from(index.going.len()).unwrap_or(u32::MAX),
                ..Row::default()
            };
            let (owner, used) = owners.entry(session.owner.clone()).or_insert_with(|| {
                let name = session.owner.clone();
                let sessions = Vec::new();
                let new =
                    Owner { name, sessions, checkpoints: 0, bytes: 0, delete: 0, delete_bytes: 0 };
                (new, Usage::default())
            });
            owner.sessions.push(at);
            for c in &session.checkpoints {
                usage.add(c);
                used.add(c);
                owner.checkpoints += 1;
            }
            for (c, checkpoint) in (0..).zip(&session.checkpoints) {
                match Standing::of(decision, c as usize) {
                    Standing::Protected => row.protected += 1,
                    Standing::Delete => {
                        row.delete += 1;
                        row.delete_bytes = row.delete_bytes.saturating_add(checkpoint.bytes);
                        owner.delete += 1;
                        let cause = cause(policy, decision, c as usize);
                        let cause = index.cause(&mut causes, cause, checkpoint);
                        index.going.push(Going { session: at, checkpoint: c, cause });
                    }
                    Standing::Untouched => row.untouched += 1,
                    Standing::Keep => {}
                }
            }
            if session.checkpoints.iter().any(|c| c.needs().iter().any(|n| n.contains('/'))) {
                index.needing.push(at);
            }
            index.checkpoints += u64::from(row.checkpoints);
            index.rows.push(row);
        }
        index.bytes = usage.bytes();
        index.settle(inventory, owners.into_values().collect(), usage);
        index
    }

    fn cause(
        &mut self,
        known: &mut HashMap<(String, String), u16>,
        (name, kind): (String, String),
        checkpoint: &Checkpoint,
    ) -> u16 {
        let next = u16::try_from(self.causes.len()).unwrap_or(u16::MAX);
        let at = *known.entry((name.clone(), kind.clone())).or_insert(next);
        if usize::from(at) == self.causes.len() {
            self.causes.push(Cause { name, kind, checkpoints: 0, bytes: 0 });
        }
        if let Some(cause) = self.causes.get_mut(usize::from(at)) {
            cause.checkpoints += 1;
            cause.bytes = cause.bytes.saturating_add(checkpoint.bytes);
        }
        at
    }

    /// What can only be said when all is counted.
    fn settle(&mut self, inventory: &Inventory, owners: Vec<(Owner, Usage)>, mut usage: Usage) {
        let mut used: HashMap<Box<str>, Usage> = HashMap::new();
        for (mut owner, usage) in owners {
            owner.bytes = usage.bytes();
            used.insert(owner.name.clone(), usage);
            self.owners.push(owner);
        }
        for going in &self.going {
            let session = &inventory.sessions[going.session as usize];
            let checkpoint = &session.checkpoints[going.checkpoint as usize];
            // A file that a keeper shares is not freed.
            self.delete_bytes += usage.remove(checkpoint);
            if let Some(mine) = used.get_mut(&session.owner) {
                mine.remove(checkpoint);
            }
        }
        for owner in &mut self.owners {
            let left = used.get(&owner.name).map_or(0, Usage::bytes);
            owner.delete_bytes = owner.bytes.saturating_sub(left);
        }
        self.owners.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        let all = || (0..).take(self.rows.len()).collect::<Vec<u32>>();
        let row = |s: &u32| &self.rows[*s as usize];
        let sorted = |key: &dyn Fn(&Row) -> i128| {
            let mut list = all();
            list.sort_by_key(|s| Reverse(key(row(s))));
            list
        };
        let by_size = sorted(&|r| r.bytes.into());
        let by_time = sorted(&|r| r.last_write.map_or(i128::MIN, |t| t.nanos().into()));
        let by_count = sorted(&|r| r.checkpoints.into());
        let by_freed = sorted(&|r| r.delete_bytes.into());
        (self.by_size, self.by_time, self.by_count, self.by_freed) =
            (by_size, by_time, by_count, by_freed);
        self.rank_causes();
    }

    fn rank_causes(&mut self) {
        let mut order: Vec<usize> = (0..self.causes.len()).collect();
        order.sort_by_key(|i| Reverse(self.causes[*i].bytes));
        let mut place = vec![0_u16; order.len()];
        for (new, old) in (0..).zip(&order) {
            place[*old] = new;
        }
        self.causes = order.iter().map(|i| self.causes[*i].clone()).collect();
        for going in &mut self.going {
            going.cause = place.get(usize::from(going.cause)).copied().unwrap_or(going.cause);
        }
    }

    /// The checkpoints of some sessions that stand so, a part of them; only sessions on that part
    /// are looked at one by one.
    pub fn standing(
        &self,
        outcome: &Outcome,
        standing: Standing,
        wanted: impl Fn(usize) -> bool,
        offset: usize,
        limit: usize,
    ) -> Page<(usize, usize)> {
        let mut page = Page { items: Vec::new(), total: 0 };
        for (s, row) in self.rows.iter().enumerate() {
            let count = row.count(standing) as usize;
            if count == 0 || !wanted(s) {
                continue;
            }
            if page.total + count > offset && page.items.len() < limit {
                let decision = &outcome.sessions[s];
                let here = (0..decision.len()).filter(|c| Standing::of(decision, *c) == standing);
                let skip = offset.saturating_sub(page.total);
                let room = limit - page.items.len();
                page.items.extend(here.skip(skip).take(room).map(|c| (s, c)));
            }
            page.total += count;
        }
        page
    }

    /// The deletions of some sessions for one cause, a part of them.
    pub fn caused(
        &self,
        cause: u16,
        wanted: impl Fn(usize) -> bool,
        offset: usize,
        limit: usize,
    ) -> Page<(usize, usize)> {
        let sessions = self.rows.iter().enumerate().filter(|(s, r)| r.delete > 0 && wanted(*s));
        let all = sessions
            .flat_map(|(_, r)| self.going.iter().skip(r.going as usize).take(r.delete as usize))
            .filter(|g| g.cause == cause)
            .map(|g| (g.session as usize, g.checkpoint as usize));
        page(all, offset, limit)
    }

    /// Whether a session's name has this text in it, which is in small letters.
    pub fn matches(&self, s: usize, lower: &str) -> bool {
        self.rows[s].lower.contains(lower)
    }

    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.names.get(name).map(|s| *s as usize)
    }

    /// The sessions a filter leaves of those that `mine` says are theirs to see.
    pub fn sessions(
        &self,
        inventory: &Inventory,
        filter: &Filter,
        mine: impl Fn(&str) -> bool,
    ) -> Page<usize> {
        let order: Box<dyn DoubleEndedIterator<Item = usize>> = match filter.sort {
            Sort::Name => Box::new(0..self.rows.len()),
            Sort::Size => Box::new(self.by_size.iter().map(|s| *s as usize)),
            Sort::Time => Box::new(self.by_time.iter().map(|s| *s as usize)),
            Sort::Count => Box::new(self.by_count.iter().map(|s| *s as usize)),
            Sort::Freed => Box::new(self.by_freed.iter().map(|s| *s as usize)),
        };
        let text = filter.text.to_lowercase();
        let wanted = |s: &usize| {
            let session = &inventory.sessions[*s];
            mine(&session.owner)
                && filter.owner.as_deref().is_none_or(|o| o == &*session.owner)
                && filter.status.is_none_or(|status| status == session.status)
                && self.matches(*s, &text)
        };
        if filter.reverse {
            page(order.rev().filter(wanted), filter.offset, filter.limit)
        } else {
            page(order.filter(wanted), filter.offset, filter.limit)
        }
    }
}

/// A part of what an iterator gives.
pub fn page<T>(all: impl Iterator<Item = T>, offset: usize, limit: usize) -> Page<T> {
    let mut page = Page { items: Vec::new(), total: 0 };
    for item in all {
        if page.total >= offset && page.items.len() < limit {
            page.items.push(item);
        }
        page.total += 1;
    }
    page
}

/// What of the policy deletes a checkpoint: its first reason says.
fn cause(policy: &Policy, decision: &SessionDecision, c: usize) -> (String, String) {
    let of = decision.policy.and_then(|p| policy.policies.get(usize::from(p)));
    let name = of.map(|p| p.name.to_string()).unwrap_or_default();
    let kind = match decision.reasons(c).first() {
        Some(Reason::Discarded { discard }) => {
            let entry = of.and_then(|p| p.discard.get(usize::from(*discard)));
            format!("discard {}", entry.map_or("", |d| d.key()))
        }
        Some(Reason::EvictedByAge { .. }) => "limit max-age".to_owned(),
        Some(Reason::EvictedByCount { .. }) => "limit max-count".to_owned(),
        Some(Reason::EvictedByBytes { .. }) => "limit max-bytes".to_owned(),
        Some(Reason::EvictedByQuota { quota, .. }) => {
            let quota = policy.quotas.get(usize::from(*quota));
            return (quota.map(|q| q.name.to_string()).unwrap_or_default(), "quota".to_owned());
        }
        _ => "no rule".to_owned(),
    };
    (name, kind)
}
