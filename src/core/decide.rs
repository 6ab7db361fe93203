//! From sessions and a policy to one decision, with its reasons, for every checkpoint.
//!
//! The ladder, top to bottom: protection, min-keep, discard, hard keeps, limits and quotas, keeps,
//! the default. What stays is established before anything goes, and sessions are decided
//! independently of each other except where a rule or a quota says `across` them.

mod group;
mod matching;
mod protect;
pub mod rules;
mod session;
mod witness;

pub use matching::last_write;

use super::decision::{Notice, Outcome, Reason, SessionDecision, Verdict};
use super::limit::quota;
use super::model::{Checkpoint, Inventory, Session, Status, Time};
use super::order::{Keys, Order};
use super::policy::{Across, Policy, SessionPolicy};
use group::AcrossAnswers;
use rayon::prelude::*;
pub(in crate::core) use session::Draft;
use session::{Scratch, private_bytes};
use std::collections::HashMap;

/// Decides about every checkpoint of the inventory.
///
/// The result depends on nothing but the arguments, and not on the order of sessions' checkpoints.
pub fn decide(inventory: &Inventory, policy: &Policy, now: Time) -> Outcome {
    let context = matching::Context::new(inventory, policy, now);
    let needed = needed(inventory);
    let question = Question { inventory, file: policy, needed: &needed, now };
    let view = |i: usize, keys: &mut Keys| {
        let index = context.policy_of(policy, i)?;
        let protections = context.protections(policy, i);
        Some(SessionView::new(question, i, index, protections, keys))
    };
    let all = 0..inventory.sessions.len();
    let looks_across = |p: &SessionPolicy| p.keep.iter().any(|r| r.across != Across::Session);
    let (across, mut drafts): (AcrossAnswers, Vec<Draft>) = if policy
        .policies
        .iter()
        .any(looks_across)
    {
        let views: Vec<_> =
            all.clone().into_par_iter().map_init(Keys::default, |keys, i| view(i, keys)).collect();
        let across = group::evaluate(&views, &inventory.names);
        let drafts = all
            .into_par_iter()
            .map_init(Scratch::default, |scratch, i| {
                draft(scratch, inventory, i, views[i].as_ref(), &across)
            })
            .collect();
        (across, drafts)
    } else {
        // A session at a time, while what was read of it is at hand.
        let none = AcrossAnswers::default();
        let drafts = all
            .into_par_iter()
            .map_init(Scratch::default, |scratch, i| {
                let view = view(i, &mut scratch.keys);
                let draft = draft(scratch, inventory, i, view.as_ref(), &none);
                scratch.keys.spare = view.map_or_else(Vec::new, |v| v.members);
                draft
            })
            .collect();
        (none, drafts)
    };

    let mut notices = Vec::new();
    for draft in &mut drafts {
        notices.append(&mut draft.notices);
    }
    quota::enforce(inventory, policy, &mut drafts, &mut notices);
    let sessions: Vec<SessionDecision> = drafts.into_iter().map(|d| d.decision).collect();
    for notice in &mut notices {
        if let Notice::NoMetric { session, whole, .. } = notice {
            let decided = &sessions[*session as usize];
            *whole = (0..decided.len()).all(|i| decided.verdict(i) != Verdict::Delete);
        }
    }
    idle_parts(inventory, policy, &sessions, &context, now, &mut notices);
    let witnesses = witness::collect(&sessions, &across);
    Outcome { sessions, notices, witnesses }
}

fn draft<'a>(
    scratch: &mut Scratch<'a>,
    inventory: &'a Inventory,
    index: usize,
    view: Option<&SessionView<'a>>,
    across: &AcrossAnswers,
) -> Draft {
    match view {
        Some(view) => session::draft(scratch, view, &inventory.names, across),
        None => untouched(&inventory.sessions[index]),
    }
}

/// What a decision is asked about.
#[derive(Clone, Copy)]
struct Question<'a> {
    inventory: &'a Inventory,
    file: &'a Policy,
    needed: &'a Needed,
    now: Time,
}

/// One session with everything its decision depends on.
pub struct SessionView<'a> {
    pub index: u32,
    pub session: &'a Session,
    pub file: &'a Policy,
    pub policy_index: u16,
    pub policy: &'a SessionPolicy,
    pub now: Time,
    /// What was written later is younger than `min-age`.
    pub min_age_ago: Time,
    pub order: Order,
    /// What rules see: complete checkpoints without contradictions, newest first.
    pub members: Vec<u32>,
    /// The newest complete checkpoint.
    pub newest: Option<u32>,
    /// Protections that cover the session and have not expired.
    pub protections: Vec<u16>,
    pub restarted: Option<u32>,
    pub may_go_empty: bool,
    needed: &'a Needed,
}

/// For a checkpoint, those that cannot be loaded without it, all as (session, checkpoint).
type Needed = HashMap<(u32, u32), Vec<(u32, u32)>>;

impl<'a> SessionView<'a> {
    fn new(
        question: Question<'a>,
        index: usize,
        policy_index: u16,
        protections: Vec<u16>,
        keys: &mut Keys,
    ) -> SessionView<'a> {
        let Question { inventory, file, needed, now } = question;
        let session = &inventory.sessions[index];
        let policy = &file.policies[usize::from(policy_index)];
        let order = Order::of(session, policy.restarted);
        let members = order.newest_first(session, Checkpoint::is_seen, keys);
        let over = match session.status {
            Status::Exited => true,
            Status::Unknown => policy.sessions.idle.is_some(),
            // I5: however long it has been idle.
            Status::Running => false,
        };
        let may_go_empty = policy.min_keep == 0 && policy.session_may_go_empty && over;
        let restarted = (order == Order::Step
            && policy.restarted == super::policy::Restarted::Keep)
            .then(|| super::order::restarted(session, &members, now, may_go_empty))
            .flatten();
        SessionView {
            index: u32::try_from(index).expect("fewer than 2^32 sessions"),
            session,
            file,
            policy_index,
            policy,
            now,
            min_age_ago: policy.min_age.before(now),
            order,
            newest: members.first().copied(),
            members,
            protections,
            restarted,
            may_go_empty,
            needed,
        }
    }

    /// I5: a session keeps its newest unless the policy lets it go empty.
    fn min_keep(&self) -> u32 {
        if self.may_go_empty { 0 } else { self.policy.min_keep.max(1) }
    }

    /// Which (session, checkpoint) cannot be loaded without it.
    pub fn needed_by(&self, checkpoint: u32) -> &[(u32, u32)] {
        self.needed.get(&(self.index, checkpoint)).map_or(&[], Vec::as_slice)
    }

    fn pin_expired(&self, c: &Checkpoint) -> bool {
        c.pin().and_then(|p| p.until).is_some_and(|until| self.now >= until)
    }
}

fn untouched(session: &Session) -> Draft {
    let count = session.checkpoints.len();
    let mut decision = SessionDecision::with_capacity(None, count, count);
    for _ in &session.checkpoints {
        decision.push(Verdict::Untouched, [Reason::NoPolicy]);
    }
    let bytes = private_bytes(session, |_| true);
    Draft { decision, bytes, ..Draft::default() }
}

/// Resolves every `needs`: an id of the same session, else `SESSION/ID`.
fn needed(inventory: &Inventory) -> Needed {
    let mut needed = Needed::new();
    let has_needs = |s: &Session| s.checkpoints.iter().any(|c| !c.needs().is_empty());
    if !inventory.sessions.par_iter().any(has_needs) {
        return needed;
    }
    let mut by_name: HashMap<(&str, &str), (u32, u32)> = HashMap::new();
    for (s, session) in (0..).zip(&inventory.sessions) {
        for (c, checkpoint) in (0..).zip(&session.checkpoints) {
            by_name.insert((&session.name, &checkpoint.id), (s, c));
        }
    }
    for (s, session) in (0..).zip(&inventory.sessions) {
        for (c, checkpoint) in (0..).zip(&session.checkpoints) {
            for need in checkpoint.needs() {
                let elsewhere = || {
                    let cuts = need.match_indices('/').map(|(i, _)| (&need[..i], &need[i + 1..]));
                    cuts.rev().find_map(|name| by_name.get(&name))
                };
                let found = by_name.get(&(&*session.name, &**need)).or_else(elsewhere);
                if let Some(&target) = found.filter(|t| **t != (s, c)) {
                    needed.entry(target).or_default().push((s, c));
                }
            }
        }
    }
    needed
}

/// Protections and policies that have nothing to do: said, because that is rarely meant.
fn idle_parts(
    inventory: &Inventory,
    policy: &Policy,
    sessions: &[SessionDecision],
    context: &matching::Context<'_>,
    now: Time,
    notices: &mut Vec<Notice>,
) {
    for (i, protection) in (0..).zip(&policy.protections) {
        if matching::expired(protection, now) {
            notices.push(Notice::ExpiredProtection { protection: i });
            continue;
        }
        let covers_any = (0..inventory.sessions.len()).any(|s| {
            let session = &inventory.sessions[s];
            let mut checkpoints = session.checkpoints.iter();
            context.protects(protection, s)
                && checkpoints.any(|c| matching::covers(protection, session, c))
        });
        if !covers_any {
            notices.push(Notice::IdleProtection { protection: i });
        }
    }
    let mut used = vec![false; policy.policies.len()];
    for index in sessions.iter().filter_map(|s| s.policy) {
        used[usize::from(index)] = true;
    }
    let idle = (0..).zip(used).filter(|(_, used)| !used);
    notices.extend(idle.map(|(policy, _)| Notice::IdlePolicy { policy }));
}
