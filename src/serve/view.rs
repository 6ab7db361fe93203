//! One look at one root: what was seen, what the policy makes of it, and the indices pages need.
//!
//! A view never changes. Requests read the newest one while the next is being made, so that no
//! page waits for a disk, and every number on a page comes from the same instant.

pub mod cause;
pub mod index;
mod law;
pub mod lists;
mod names;
pub mod past;
pub mod tree;

pub use index::{Index, Standing};
pub use law::Law;

#[cfg(test)]
mod tests;

use super::auth::{Principal, Scope};
use super::lang::Lang;
use super::said::Said;
use crate::apply::{Root, RunSummary};
use crate::core::decide::decide;
use crate::core::decision::{Outcome, Verdict};
use crate::core::explain::Explainer;
use crate::core::model::{Inventory, Session, Time};
use crate::core::plan::{self, Brake, PlanFile, PlanReason, Totals};
use crate::report::sanitize::terminal;
use crate::steps::by_hand::{self, ByHand};
use crate::steps::see::Seen;
use index::Filter;
use lists::{Key, List, Lists, Page, What};
use past::Past;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tree::Node;

/// So many warnings are shown; the rest is counted.
const WARNINGS: usize = 100;

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
    lists: Lists,
    /// The whole plan as text, while somebody is being sent it.
    texts: Mutex<HashMap<Scope, Weak<Vec<u8>>>>,
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
    pub brake: Option<Brake>,
    pub warnings: Warnings,
}

/// Something to know about a plan, by its place in the view.
#[derive(Clone, Copy, Debug)]
pub enum Warning {
    /// The session could not be read whole.
    Tainted(u32),
    /// An index into the outcome's notices.
    Notice(u32),
}

/// The first of the warnings, and how many more there are.
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    pub first: Vec<Warning>,
    pub more: u64,
}

/// A plan, and what it is made of.
pub struct Planned {
    pub plan: PlanFile,
    /// What the plan does, whenever it was made: see [`essence`].
    pub digest: String,
    /// Of a choice by hand, what its reasons refer to.
    pub hand: Option<Hand>,
}

/// A person's own choice, judged, in the part of the inventory that matters for it.
pub struct Hand {
    pub inventory: Inventory,
    pub judged: ByHand,
}

impl View {
    pub fn new(mut seen: Seen, law: Law, now: Time) -> View {
        // Pages read the runs anew.
        seen.runs = Vec::new();
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
            lists: Lists::default(),
            texts: Mutex::default(),
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

    /// [`View::past`], if somebody asked before.
    pub fn known_past(&self, scope: &Scope) -> Option<Arc<Past>> {
        self.pasts.lock().unwrap_or_else(PoisonError::into_inner).get(scope).map(Arc::clone)
    }

    /// Usage over time, of what is theirs, as it was when somebody first asked.
    pub fn past(&self, root: &Root, runs: &[Arc<RunSummary>], scope: &Scope) -> Arc<Past> {
        let mut pasts = self.pasts.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(past::of(self, root, runs, scope));
        Arc::clone(pasts.entry(scope.clone()).or_insert_with(make))
    }

    /// The sessions that a filter finds of those that are theirs.
    pub fn sessions(&self, scope: &Scope, filter: &Filter) -> Page<usize> {
        let what = What::Sessions {
            owner: filter.owner.clone(),
            status: filter.status,
            sort: filter.sort,
        };
        let key = Key { scope: scope.clone(), text: filter.text.to_lowercase(), what };
        let make = || self.index.filtered(filter, |o| scope.sees(o));
        let list = self.lists.get(key, make);
        list.sessions(filter.offset, filter.limit, filter.reverse)
    }

    /// Decisions that stand so, or deletions for a cause, in sessions with this text in their name.
    pub fn decisions(
        &self,
        scope: &Scope,
        text: &str,
        what: What,
        offset: usize,
        limit: usize,
    ) -> Page<(usize, usize)> {
        let key = Key { scope: scope.clone(), text: text.to_lowercase(), what };
        let (text, what) = (key.text.clone(), key.what.clone());
        let list = self.lists.get(key, || {
            let named = self.index.named(&text, |o| scope.sees(o));
            match what {
                What::Standing(standing) => self.index.with_standing(standing, |s| named[s]),
                What::Cause(cause) => self.index.with_cause(cause, |s| named[s]),
                What::Sessions { .. } => List::default(),
            }
        });
        match what {
            What::Standing(standing) => {
                self.index.standing(&self.outcome, &list, standing, offset, limit)
            }
            What::Cause(cause) => self.index.caused(&list, cause, offset, limit),
            What::Sessions { .. } => Page { items: Vec::new(), total: 0 },
        }
    }

    /// The whole plan as JSON. A million decisions are some hundred megabytes: all who ask at once
    /// are sent the same ones.
    ///
    /// # Errors
    /// The plan cannot be written as JSON.
    pub fn plan_text(&self, who: &Principal) -> serde_json::Result<Arc<Vec<u8>>> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = texts.get(&who.scope).and_then(Weak::upgrade) {
            return Ok(text);
        }
        let text = Arc::new(serde_json::to_vec_pretty(&self.plan(who).plan)?);
        texts.insert(who.scope.clone(), Arc::downgrade(&text));
        Ok(text)
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

    /// The same in one line, in the reader's language.
    pub fn said(&self, lang: Lang, s: usize, c: usize) -> String {
        let (session, decision) = (self.session(s), &self.outcome.sessions[s]);
        let said = Said::new(lang, self.inventory(), &self.law.policy);
        said.reasons(session, &session.checkpoints[c], decision.policy, decision.reasons(c))
    }

    pub fn standing(&self, s: usize, c: usize) -> Standing {
        Standing::of(&self.outcome.sessions[s], c)
    }

    /// The policy's plan, of the sessions that are theirs.
    pub fn plan(&self, who: &Principal) -> Planned {
        let mine = |s: &Session| who.sees(&s.owner);
        let all = who.is_administrator();
        let plan = self.build((!all).then_some(&mine));
        Planned { plan, digest: self.head(&who.scope).digest.clone(), hand: None }
    }

    /// The policy's plan of these sessions alone, as it is decided over all.
    pub fn plan_of(&self, sessions: &[usize]) -> Planned {
        let names: HashSet<&str> = sessions.iter().map(|s| &*self.session(*s).name).collect();
        let chosen = |s: &Session| names.contains(&*s.name);
        let digest = essence(self.inventory(), &self.outcome, &self.law.digest, chosen);
        Planned { plan: self.build(Some(&chosen)), digest, hand: None }
    }

    fn build(&self, select: Option<&(dyn Fn(&Session) -> bool + Sync)>) -> PlanFile {
        let plan = plan::build(&self.input(select));
        if select.is_none() {
            return plan;
        }
        // What is said of the whole root names other owners.
        let warnings = plan.warnings.iter().filter(|w| w.session.is_some()).cloned().collect();
        PlanFile { warnings, ..plan }.seal()
    }

    fn input<'a>(
        &'a self,
        select: Option<&'a (dyn Fn(&Session) -> bool + Sync)>,
    ) -> plan::Input<'a> {
        plan::Input {
            inventory: self.inventory(),
            policy: &self.law.policy,
            outcome: &self.outcome,
            now: self.now,
            policy_source: &self.law.source,
            policy_text: &self.law.text,
            root: self.seen.root.clone(),
            select,
        }
    }

    fn sums(&self, scope: &Scope) -> Sums {
        let mine = |s: &Session| scope.sees(&s.owner);
        let all = *scope == Scope::Administrator;
        let head = plan::head(&self.input((!all).then_some(&mine)));
        Sums {
            totals: head.totals,
            grace: head.policy.grace_seconds,
            brake: plan::brake(&self.law.policy, &head.totals),
            warnings: self.warnings(all, |s| mine(self.session(s))),
        }
    }

    /// What to know about these sessions; `whole`: and about the root.
    pub fn warnings(&self, whole: bool, about: impl Fn(usize) -> bool) -> Warnings {
        let sessions = (0_u32..).zip(&self.inventory().sessions);
        let tainted = sessions
            .filter(|(i, s)| !s.tainted.is_empty() && about(*i as usize))
            .map(|(i, _)| Warning::Tainted(i));
        let notices = (0_u32..)
            .zip(&self.outcome.notices)
            .filter(|(_, n)| n.session().map_or(whole, |s| about(s as usize)))
            .map(|(i, _)| Warning::Notice(i));
        let mut warnings = Warnings::default();
        for warning in tainted.chain(notices) {
            if warnings.first.len() < WARNINGS {
                warnings.first.push(warning);
            } else {
                warnings.more += 1;
            }
        }
        warnings
    }

    /// The plan of a person's own choice: checkpoints of sessions, each session once.
    pub fn choice(&self, picks: &[(usize, Vec<usize>)], now: Time) -> Planned {
        let (inventory, places) = self.excerpt(picks.iter().map(|(s, _)| *s));
        let chosen: Vec<(usize, Vec<usize>)> =
            picks.iter().zip(places).map(|((_, list), at)| (at, list.clone())).collect();
        let law = &self.law.policy;
        let judged = by_hand::judge(&inventory, &chosen, &law.protections, law.grace, now);
        let plan = by_hand::plan(&inventory, self.seen.root.clone(), &judged, now);
        let digest = essence(&inventory, &judged.outcome, &self.law.digest, |_| true);
        Planned { digest, plan, hand: Some(Hand { inventory, judged }) }
    }

    /// These sessions, and all others that may need something of them: what a choice in them
    /// depends on. And where each is in it.
    fn excerpt(&self, sessions: impl Iterator<Item = usize> + Clone) -> (Inventory, Vec<usize>) {
        let whole = self.inventory();
        let needing = self.index.needing.iter().map(|s| *s as usize);
        let picked: BTreeSet<usize> = needing.chain(sessions.clone()).collect();
        let picked: Vec<usize> = picked.into_iter().collect();
        let places = sessions.map(|s| picked.partition_point(|p| *p < s)).collect();
        let excerpt = Inventory {
            root: whole.root.clone(),
            now: whole.now,
            space: whole.space,
            names: whole.names.clone(),
            sessions: picked.iter().map(|s| whole.sessions[*s].clone()).collect(),
        };
        (excerpt, places)
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
