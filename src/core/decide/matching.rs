//! Which policy has a session, and which sessions and checkpoints a protection covers.

use crate::core::model::{Checkpoint, Inventory, Marks, Session, Time};
use crate::core::name::natural_cmp;
use crate::core::policy::{Match, Policy, Protection};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Facts about all sessions that one session's match may depend on.
pub struct Context<'a> {
    inventory: &'a Inventory,
    now: Time,
    /// For each session its place among the sessions of its owner and dataset, newest is 0; empty
    /// if no match asks for it.
    age_rank: Vec<u32>,
}

impl<'a> Context<'a> {
    pub fn new(inventory: &'a Inventory, policy: &Policy, now: Time) -> Context<'a> {
        let matches = policy
            .policies
            .iter()
            .map(|p| &p.sessions)
            .chain(policy.protections.iter().map(|p| &p.sessions));
        let ranked = matches.into_iter().any(|m| m.newest_sessions.is_some());
        let age_rank = if ranked { age_ranks(inventory) } else { Vec::new() };
        Context { inventory, now, age_rank }
    }

    /// The first policy that matches.
    pub fn policy_of(&self, policy: &Policy, session: usize) -> Option<u16> {
        let i = policy.policies.iter().position(|p| self.matches(&p.sessions, session, true))?;
        u16::try_from(i).ok()
    }

    /// The protections that hold at `now` and cover something of the session.
    pub fn protections(&self, policy: &Policy, session: usize) -> Vec<u16> {
        (0..)
            .zip(&policy.protections)
            .filter(|(_, p)| !expired(p, self.now) && self.protects(p, session))
            .map(|(i, _)| i)
            .collect()
    }

    /// Whether the protection's match holds for the session, its checkpoints aside.
    pub fn protects(&self, protection: &Protection, session: usize) -> bool {
        self.matches(&protection.sessions, session, false)
    }

    fn matches(&self, m: &Match, index: usize, tags: bool) -> bool {
        let session = &self.inventory.sessions[index];
        let any = |list: &[Box<str>], value: Option<&str>| {
            list.is_empty() || list.iter().any(|x| Some(&**x) == value)
        };
        m.session.as_ref().is_none_or(|g| g.is_match(&session.name))
            && !m.not.as_ref().is_some_and(|g| g.is_match(&session.name))
            && m.owner.as_ref().is_none_or(|g| g.is_match(&session.owner))
            && any(&m.layout, session.layout.as_deref())
            && (m.status.is_empty() || m.status.contains(&session.status))
            && m.idle.is_none_or(|span| {
                last_write(session).is_some_and(|t| span.has_passed(t, self.now))
            })
            && m.newest_sessions.is_none_or(|n| self.age_rank[index] < n)
            && (!tags || m.tag.iter().all(|t| session_has_tag(session, t)))
            && (m.metric.is_empty() || m.metric.iter().any(|name| self.has_metric(session, name)))
    }

    fn has_metric(&self, session: &Session, name: &str) -> bool {
        self.inventory.names.get(name).is_some_and(|id| {
            let mut complete = session.checkpoints.iter().filter(|c| c.complete);
            complete.any(|c| c.finite_metric(id).is_some())
        })
    }
}

/// The latest write to a session: recorded, else the latest of its checkpoints if all are known.
pub fn last_write(session: &Session) -> Option<Time> {
    session.last_write.or_else(|| {
        let mut latest = None;
        for c in &session.checkpoints {
            latest = latest.max(Some(c.written()?));
        }
        latest
    })
}

pub fn expired(protection: &Protection, now: Time) -> bool {
    protection.until.is_some_and(|until| now >= until)
}

/// Whether a protection that covers the session covers this checkpoint of it.
pub fn covers(protection: &Protection, session: &Session, checkpoint: &Checkpoint) -> bool {
    let has = |tags: &[Box<str>], tag: &str| tags.iter().any(|t| **t == *tag);
    let tagged = |tag: &str| has(&session.tags, tag) || has(checkpoint.tags(), tag);
    protection.id.as_ref().is_none_or(|g| g.is_match(&checkpoint.id))
        && protection.tag.iter().all(|t| tagged(t))
        && (!protection.submitted || checkpoint.marks.has(Marks::SUBMITTED))
}

fn session_has_tag(session: &Session, tag: &str) -> bool {
    let has = |tags: &[Box<str>]| tags.iter().any(|t| **t == *tag);
    has(&session.tags) || session.checkpoints.iter().any(|c| has(c.tags()))
}

/// Owner and parent folder: the dataset of `TEAM/DATASET/N`.
fn family(session: &Session) -> (&str, &str) {
    let folder = session.name.rsplit_once('/').map_or("", |(folder, _)| folder);
    (&session.owner, folder)
}

fn age_ranks(inventory: &Inventory) -> Vec<u32> {
    let mut families: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (i, session) in inventory.sessions.iter().enumerate() {
        families.entry(family(session)).or_default().push(i);
    }
    let mut ranks = vec![0; inventory.sessions.len()];
    for members in families.values_mut() {
        members.sort_by(|&a, &b| {
            let (a, b) = (&inventory.sessions[a], &inventory.sessions[b]);
            let time = Reverse(last_write(a)).cmp(&Reverse(last_write(b)));
            time.then_with(|| natural_cmp(&b.name, &a.name))
        });
        for (rank, &i) in (0..).zip(members.iter()) {
            ranks[i] = rank;
        }
    }
    ranks
}
