//! What pages ask of an inventory again and again, counted once after each scan.
//!
//! A page over fifty thousand sessions must answer like one over fifty: orders, sums and the list
//! of all deletions are made here, and a request only walks one of them.

use super::cause::{Cause, CauseKind, cause};
use super::lists::{List, Page};
use super::names::Names;
use crate::core::decision::{Outcome, Reason, SessionDecision, Verdict};
use crate::core::limit::usage::Usage;
use crate::core::model::{Checkpoint, Inventory, Status, Time};
use crate::core::policy::Policy;
use crate::report::listing;
use crate::report::sanitize::terminal;
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
    pub(super) status: Status,
    /// An index into [`Index::owners`].
    pub(super) owner: u32,
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
    searched: Names,
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

impl Index {
    pub fn new(inventory: &Inventory, policy: &Policy, outcome: &Outcome) -> Index {
        let mut index = Index::default();
        let mut usage = Usage::default();
        let mut owners: HashMap<Box<str>, (Owner, Usage)> = HashMap::new();
        let mut causes: HashMap<(String, CauseKind), u16> = HashMap::new();
        for (at, session) in (0..).zip(&inventory.sessions) {
            let decision = &outcome.sessions[at as usize];
            index.names.insert(session.name.clone(), at);
            index.searched.push(&session.name);
            let mut row = Row {
                bytes: listing::session_bytes(session),
                checkpoints: u32::try_from(session.checkpoints.len()).unwrap_or(u32::MAX),
                last_write: listing::last_write(session),
                status: session.status,
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
        known: &mut HashMap<(String, CauseKind), u16>,
        (name, kind): (String, CauseKind),
        checkpoint: &Checkpoint,
    ) -> u16 {
        let next = u16::try_from(self.causes.len()).unwrap_or(u16::MAX);
        let at = *known.entry((name.clone(), kind)).or_insert(next);
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
            self.delete_bytes = self.delete_bytes.saturating_add(usage.remove(checkpoint));
            if let Some(mine) = used.get_mut(&session.owner) {
                mine.remove(checkpoint);
            }
        }
        for owner in &mut self.owners {
            let left = used.get(&owner.name).map_or(0, Usage::occupied);
            owner.delete_bytes = owner.bytes.saturating_sub(left);
        }
        self.owners.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        for (at, owner) in (0..).zip(&self.owners) {
            for s in &owner.sessions {
                self.rows[*s as usize].owner = at;
            }
        }
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

    /// The sessions with checkpoints that stand so, and how many of them.
    pub fn with_standing(&self, standing: Standing, wanted: impl Fn(usize) -> bool) -> List {
        let rows = (0_u32..).zip(&self.rows).map(|(s, row)| (s, row.count(standing)));
        List::new(rows.filter(|(s, n)| *n > 0 && wanted(*s as usize)))
    }

    /// The sessions that lose something for one cause, and how much.
    pub fn with_cause(&self, cause: u16, wanted: impl Fn(usize) -> bool) -> List {
        let count = |row: &Row| self.of_row(row).filter(|g| g.cause == cause).count();
        let rows = (0_u32..).zip(&self.rows).filter(|(s, r)| r.delete > 0 && wanted(*s as usize));
        let counted = rows.map(|(s, row)| (s, u32::try_from(count(row)).unwrap_or(u32::MAX)));
        List::new(counted.filter(|(_, n)| *n > 0))
    }

    fn of_row(&self, row: &Row) -> impl Iterator<Item = &Going> {
        self.going.iter().skip(row.going as usize).take(row.delete as usize)
    }

    /// A part of what [`Index::with_standing`] counts.
    #[expect(clippy::unused_self, reason = "the counterpart of `caused`")]
    pub fn standing(
        &self,
        outcome: &Outcome,
        list: &List,
        standing: Standing,
        offset: usize,
        limit: usize,
    ) -> Page<(usize, usize)> {
        list.page(offset, limit, |s, out, skip, room| {
            let decision = &outcome.sessions[s];
            let here = (0..decision.len()).filter(|c| Standing::of(decision, *c) == standing);
            out.extend(here.skip(skip).take(room).map(|c| (s, c)));
        })
    }

    /// A part of what [`Index::with_cause`] counts.
    pub fn caused(
        &self,
        list: &List,
        cause: u16,
        offset: usize,
        limit: usize,
    ) -> Page<(usize, usize)> {
        list.page(offset, limit, |s, out, skip, room| {
            let here = self.of_row(&self.rows[s]).filter(|g| g.cause == cause);
            out.extend(here.skip(skip).take(room).map(|g| (s, g.checkpoint as usize)));
        })
    }

    /// For each session, whether it is theirs to see and has this text in its name.
    pub fn named(&self, text: &str, mine: impl Fn(&str) -> bool) -> Vec<bool> {
        let mine: Vec<bool> = self.owners.iter().map(|o| mine(&o.name)).collect();
        let mut named = self.searched.with(text);
        for (wanted, row) in named.iter_mut().zip(&self.rows) {
            *wanted = *wanted && mine[row.owner as usize];
        }
        named
    }

    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.names.get(name).map(|s| *s as usize)
    }

    /// The sessions a filter leaves of those that `mine` says are theirs to see; each counts once.
    pub fn filtered(&self, filter: &Filter, mine: impl Fn(&str) -> bool) -> List {
        let wanted = filter.owner.as_deref();
        let exact = self.owners.iter().any(|o| wanted == Some(&*o.name) && mine(&o.name));
        let owned = |owner: &str| {
            // A name as it is printed, from a form; only odd names differ from that.
            let printed = |w: &str| !exact && w.contains('\\') && terminal(owner) == w;
            wanted.is_none_or(|w| w == owner || printed(w))
        };
        let mut found = self.named(&filter.text, |owner| owned(owner) && mine(owner));
        if let Some(status) = filter.status {
            for (wanted, row) in found.iter_mut().zip(&self.rows) {
                *wanted = *wanted && row.status == status;
            }
        }
        let wanted = |s: &u32| found[*s as usize];
        let of =
            |order: &mut dyn Iterator<Item = u32>| List::new(order.filter(wanted).map(|s| (s, 1)));
        let sorted = |order: &[u32]| of(&mut order.iter().copied());
        match filter.sort {
            Sort::Name => of(&mut (0..).take(self.rows.len())),
            Sort::Size => sorted(&self.by_size),
            Sort::Time => sorted(&self.by_time),
            Sort::Count => sorted(&self.by_count),
            Sort::Freed => sorted(&self.by_freed),
        }
    }
}
