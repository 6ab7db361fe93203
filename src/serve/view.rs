//! One look at one root: what was seen, what the policy makes of it, and the indices pages need.
//!
//! A view never changes. Requests read the newest one while the next is being made, so that no
//! page waits for a disk, and every number on a page comes from the same instant.

pub mod index;
mod law;
pub mod past;
pub mod tree;

pub use index::{Index, Standing};
pub use law::Law;

#[cfg(test)]
mod tests;

use super::auth::{Principal, Scope};
use crate::apply::Root;
use crate::core::decide::decide;
use crate::core::decision::{Outcome, Verdict};
use crate::core::explain::Explainer;
use crate::core::model::{Inventory, Session, Time};
use crate::core::plan::{self, PlanFile, PlanReason, Totals};
use crate::report::sanitize::terminal;
use crate::steps::by_hand::{self, ByHand};
use crate::steps::see::Seen;
use past::Past;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tree::Node;

pub struct View {
    pub seen: Seen,
    /// The instant all decisions refer to.
    pub now: Time,
    pub law: Law,
    pub outcome: Outcome,
    pub index: Index,
    /// Made once for everybody who asks: over a million checkpoints they take a moment.
    heads: Mutex<HashMap<Scope, Arc<Head>>>,
    trees: Mutex<HashMap<Scope, Arc<Vec<Node>>>>,
    pasts: Mutex<HashMap<Scope, Arc<Past>>>,
}

/// What a plan says before its decisions, and what it would do, as a digest.
pub struct Head {
    pub sums: Sums,
    pub digest: String,
}

/// What a plan says before its decisions, without making all of it.
pub struct Sums {
    pub totals: Totals,
    /// Seconds for which the trash can be restored.
    pub grace: u64,
    pub brake: Option<String>,
    pub warnings: Vec<String>,
}

/// A plan and what stands against parts of it.
pub struct Planned {
    pub plan: PlanFile,
    /// What the plan does, whenever it was made: see [`essence`].
    pub digest: String,
    /// Ids that were chosen and stay.
    pub refused: Vec<String>,
}

impl View {
    pub fn new(seen: Seen, law: Law, now: Time) -> View {
        let outcome = decide(&seen.inventory, &law.policy, now);
        let index = Index::new(&seen.inventory, &law.policy, &outcome);
        let view = View {
            seen,
            now,
            law,
            outcome,
            index,
            heads: Mutex::default(),
            trees: Mutex::default(),
            pasts: Mutex::default(),
        };
        // While nobody waits for it.
        view.head(&Scope::Administrator);
        view.tree(&Scope::Administrator);
        view
    }

    /// The head of the policy's plan of the sessions that are theirs.
    pub fn head(&self, scope: &Scope) -> Arc<Head> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(head) = heads.get(scope) {
            return Arc::clone(head);
        }
        let mine = |s: &Session| scope.sees(&s.owner);
        let digest = essence(self.inventory(), &self.outcome, &self.law.digest, mine);
        let head = Arc::new(Head { sums: self.sums(scope), digest });
        heads.insert(scope.clone(), Arc::clone(&head));
        head
    }

    /// Who has the bytes, of what is theirs.
    pub fn tree(&self, scope: &Scope) -> Arc<Vec<Node>> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || tree::tree(self.inventory(), &self.index.rows, |o| scope.sees(o));
        Arc::clone(trees.entry(scope.clone()).or_insert_with(|| Arc::new(make())))
    }

    /// Usage over time, of what is theirs, as it was when somebody first asked.
    pub fn past(&self, root: &Root, scope: &Scope) -> Arc<Past> {
        let mut pasts = self.pasts.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(past::of(self, root, scope));
        Arc::clone(pasts.entry(scope.clone()).or_insert_with(make))
    }

    pub fn inventory(&self) -> &Inventory {
        &self.seen.inventory
    }

    pub fn session(&self, s: usize) -> &Session {
        &self.seen.inventory.sessions[s]
    }

    /// A session by its name, if it is there and theirs: to others both look the same.
    pub fn find(&self, who: &Principal, name: &str) -> Option<usize> {
        let printed = || {
            // A name as it is printed, from a form; only odd names differ from that.
            let sessions = &self.inventory().sessions;
            name.contains('\\').then(|| sessions.iter().position(|s| terminal(&s.name) == name))?
        };
        let s = self.index.by_name(name).or_else(printed)?;
        who.sees(&self.session(s).owner).then_some(s)
    }

    /// The reasons of one checkpoint in words.
    pub fn reasons(&self, s: usize, c: usize) -> Vec<PlanReason> {
        let explainer = Explainer { inventory: self.inventory(), policy: &self.law.policy };
        let (session, decision) = (self.session(s), &self.outcome.sessions[s]);
        let one = |r| {
            let said = explainer.reason(session, &session.checkpoints[c], decision.policy, r);
            PlanReason { kind: said.kind.to_owned(), text: said.text, data: said.data }
        };
        decision.reasons(c).iter().map(one).collect()
    }

    pub fn standing(&self, s: usize, c: usize) -> Standing {
        Standing::of(&self.outcome.sessions[s], c)
    }

    /// The policy's plan, of the sessions that are theirs.
    pub fn plan(&self, who: &Principal) -> Planned {
        let mine = |s: &Session| who.sees(&s.owner);
        let mut plan = plan::build(&plan::Input {
            inventory: self.inventory(),
            policy: &self.law.policy,
            outcome: &self.outcome,
            now: self.now,
            policy_source: &self.law.source,
            policy_text: &self.law.text,
            root: self.seen.root.clone(),
            select: (!who.is_administrator()).then_some(&mine),
        });
        if let Scope::Owner(_) = who.scope {
            // What is said of the whole root names other owners.
            plan.warnings.retain(|w| w.session.is_some());
            plan = plan.seal();
        }
        Planned { plan, digest: self.head(&who.scope).digest.clone(), refused: Vec::new() }
    }

    fn sums(&self, scope: &Scope) -> Sums {
        let mine = |s: &Session| scope.sees(&s.owner);
        let input = plan::Input {
            inventory: self.inventory(),
            policy: &self.law.policy,
            outcome: &self.outcome,
            now: self.now,
            policy_source: &self.law.source,
            policy_text: &self.law.text,
            root: self.seen.root.clone(),
            select: (*scope != Scope::Administrator).then_some(&mine),
        };
        let head = plan::head(&input);
        let all = *scope == Scope::Administrator;
        let warnings = head.warnings.into_iter().filter(|w| all || w.session.is_some());
        let said = warnings.map(|w| match w.session {
            Some(session) => format!("{session}: {}", w.text),
            None => w.text,
        });
        Sums {
            totals: head.totals,
            grace: head.policy.grace_seconds,
            brake: head.brake,
            warnings: said.collect(),
        }
    }

    /// The plan of a person's own choice in one session.
    pub fn choice(&self, s: usize, chosen: &[usize], now: Time) -> Planned {
        let (inventory, at) = self.excerpt(s);
        let judged: ByHand = by_hand::judge(
            &inventory,
            &[(at, chosen.to_vec())],
            &self.law.policy.protections,
            self.law.policy.grace,
            now,
        );
        let plan = by_hand::plan(&inventory, self.seen.root.clone(), &judged, now);
        let id = |(s, c): &(usize, usize)| inventory.sessions[*s].checkpoints[*c].id.to_string();
        Planned {
            digest: essence(&inventory, &judged.outcome, &self.law.digest, |_| true),
            refused: judged.refused.iter().map(id).collect(),
            plan,
        }
    }

    /// The session, and all others that may need something of it: what a choice in it depends on.
    fn excerpt(&self, s: usize) -> (Inventory, usize) {
        let whole = self.inventory();
        let mut picked: Vec<usize> = self.index.needing.iter().map(|s| *s as usize).collect();
        if let Err(at) = picked.binary_search(&s) {
            picked.insert(at, s);
        }
        let at = picked.binary_search(&s).unwrap_or(0);
        let excerpt = Inventory {
            root: whole.root.clone(),
            now: whole.now,
            space: whole.space,
            names: whole.names.clone(),
            sessions: picked.iter().map(|s| whole.sessions[*s].clone()).collect(),
        };
        (excerpt, at)
    }
}

/// A digest of what a plan would do: what goes with its fingerprint, and what must still be there.
///
/// Two looks at an unchanged disk have the same one, though their plans are of different instants;
/// one other checkpoint, file, mark or policy, and it differs.
fn essence(
    inventory: &Inventory,
    outcome: &Outcome,
    policy: &str,
    chosen: impl Fn(&Session) -> bool,
) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(policy.as_bytes());
    for (s, session) in inventory.sessions.iter().enumerate().filter(|(_, s)| chosen(s)) {
        let decision = &outcome.sessions[s];
        let going: Vec<usize> =
            (0..decision.len()).filter(|c| decision.verdict(*c) == Verdict::Delete).collect();
        if going.is_empty() {
            continue;
        }
        add(session.name.as_bytes());
        for c in going {
            let checkpoint = &session.checkpoints[c];
            add(checkpoint.id.as_bytes());
            add(&checkpoint.fingerprint.unwrap_or_default());
        }
        for &(s, c) in &outcome.witnesses[s] {
            let session = &inventory.sessions[s as usize];
            let checkpoint = &session.checkpoints[c as usize];
            add(session.name.as_bytes());
            add(checkpoint.id.as_bytes());
            add(&checkpoint.fingerprint.unwrap_or_default());
        }
        for guard in &session.guards {
            add(guard.path.as_bytes());
            add(&guard.fingerprint.unwrap_or_default());
        }
    }
    hasher.finalize().to_hex().to_string()
}
