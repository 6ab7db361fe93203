//! From an outcome to the plan that is shown, saved and carried out.

use super::{
    Brake, FORMAT, PlanDecision, PlanFile, PlanPolicy, PlanReason, PlanRoot, PlanSession,
    PlanWarning, Totals, Witness,
};
use crate::core::decision::{Outcome, Verdict};
use crate::core::explain::{self, Explainer};
use crate::core::limit::quota::amount;
use crate::core::limit::usage::Usage;
use crate::core::model::{Guard, Inventory, Session, Time, hex};
use crate::core::policy::{MaxDelete, Policy};
use rayon::prelude::*;

/// What a plan is made of.
pub struct Input<'a> {
    pub inventory: &'a Inventory,
    pub policy: &'a Policy,
    pub outcome: &'a Outcome,
    pub now: Time,
    /// See [`PlanPolicy::source`].
    pub policy_source: &'a str,
    pub policy_text: &'a str,
    pub root: Option<PlanRoot>,
    /// Sessions the plan is about; decisions were made over all of them.
    pub select: Option<&'a (dyn Fn(&Session) -> bool + Sync)>,
}

/// Builds and seals the plan.
pub fn build(input: &Input<'_>) -> PlanFile {
    let Input { inventory, policy, outcome, .. } = input;
    let chosen = chosen(input);
    let explainer = Explainer { inventory, policy };
    let decisions: Vec<Vec<PlanDecision>> =
        chosen.par_iter().map(|&s| decisions_of(&explainer, outcome, s)).collect();
    PlanFile {
        sessions: chosen.iter().filter_map(|&s| session_of(inventory, outcome, s)).collect(),
        decisions: decisions.into_iter().flatten().collect(),
        ..head(input)
    }
    .seal()
}

fn chosen(input: &Input<'_>) -> Vec<usize> {
    let sessions = &input.inventory.sessions;
    (0..sessions.len())
        .filter(|&i| input.select.is_none_or(|select| select(&sessions[i])))
        .collect()
}

/// A plan without its decisions: totals, warnings and the brake. It is not sealed.
pub fn head(input: &Input<'_>) -> PlanFile {
    let Input { inventory, policy, outcome, .. } = input;
    let chosen = chosen(input);
    let explainer = Explainer { inventory, policy };
    let totals = totals(inventory, outcome, &chosen);
    PlanFile {
        format: FORMAT.to_owned(),
        tool: concat!("retain ", env!("CARGO_PKG_VERSION")).to_owned(),
        now: input.now.to_string(),
        root: input.root.clone(),
        policy: PlanPolicy {
            digest: blake3::hash(input.policy_text.as_bytes()).to_hex().to_string(),
            source: input.policy_source.to_owned(),
            text: input.policy_text.to_owned(),
            grace_seconds: grace_seconds(policy, input.now),
        },
        totals,
        warnings: warnings(input, &explainer, &chosen),
        brake: brake(policy, &totals).map(|b| b.to_string()),
        ..PlanFile::default()
    }
}

fn decisions_of(explainer: &Explainer<'_>, outcome: &Outcome, s: usize) -> Vec<PlanDecision> {
    let (session, decision) = (&explainer.inventory.sessions[s], &outcome.sessions[s]);
    let one = |(i, c): (usize, &crate::core::model::Checkpoint)| {
        let reason = |r| {
            let words = explainer.reason(session, c, decision.policy, r);
            PlanReason { kind: words.kind.to_owned(), text: words.text, data: words.data }
        };
        PlanDecision {
            session: session.name.to_string(),
            id: c.id.to_string(),
            verdict: decision.verdict(i).as_str().to_owned(),
            bytes: c.bytes,
            reasons: decision.reasons(i).iter().map(reason).collect(),
            paths: c.paths().iter().map(ToString::to_string).collect(),
            fingerprint: c.fingerprint.as_ref().map(hex),
        }
    };
    session.checkpoints.iter().enumerate().map(one).collect()
}

fn session_of(inventory: &Inventory, outcome: &Outcome, s: usize) -> Option<PlanSession> {
    let (session, decision) = (&inventory.sessions[s], &outcome.sessions[s]);
    let loses = (0..decision.len()).any(|i| decision.verdict(i) == Verdict::Delete);
    let witness = |&(s, c): &(u32, u32)| {
        let session = &inventory.sessions[s as usize];
        let checkpoint = &session.checkpoints[c as usize];
        Witness {
            session: session.name.to_string(),
            id: checkpoint.id.to_string(),
            paths: checkpoint.paths().iter().map(ToString::to_string).collect(),
            fingerprint: checkpoint.fingerprint.as_ref().map(hex).unwrap_or_default(),
        }
    };
    // I6, I10: a pin set, or a pointer moved, after the plan was made.
    let guard = |guard: &Guard| Witness {
        session: session.name.to_string(),
        id: guard.path.rsplit('/').next().unwrap_or(&guard.path).to_owned(),
        paths: vec![guard.path.to_string()],
        fingerprint: guard.fingerprint.as_ref().map(hex).unwrap_or_default(),
    };
    let witnesses = outcome.witnesses[s].iter().map(witness);
    loses.then(|| PlanSession {
        session: session.name.to_string(),
        owner: session.owner.to_string(),
        witnesses: witnesses.chain(session.guards.iter().map(guard)).collect(),
    })
}

/// Counts, and bytes with each hard-linked file once; what is shared with a keeper is not freed.
fn totals(inventory: &Inventory, outcome: &Outcome, chosen: &[usize]) -> Totals {
    let mut totals = Totals { sessions: chosen.len() as u64, ..Totals::default() };
    let mut usage = Usage::default();
    let mut going = Vec::new();
    for &s in chosen {
        let decision = &outcome.sessions[s];
        for (i, c) in inventory.sessions[s].checkpoints.iter().enumerate() {
            usage.add(c);
            totals.checkpoints += 1;
            match decision.verdict(i) {
                Verdict::Keep => totals.keep += 1,
                Verdict::Untouched => totals.untouched += 1,
                Verdict::Delete => {
                    totals.delete += 1;
                    going.push(c);
                }
            }
        }
    }
    totals.bytes = usage.bytes();
    for c in going {
        totals.delete_bytes = totals.delete_bytes.saturating_add(usage.remove(c));
    }
    totals
}

/// I11: by how much `[safety]` is exceeded, if it is.
pub fn brake(policy: &Policy, totals: &Totals) -> Option<Brake> {
    let Totals { delete, checkpoints, delete_bytes, bytes, .. } = *totals;
    #[expect(clippy::cast_precision_loss, reason = "counts of checkpoints")]
    let too_many = policy.safety.max_delete.and_then(|max| match max {
        MaxDelete::Count(max) => (delete > max).then_some(Brake::Count { delete, max }),
        MaxDelete::Percent(max) => (delete as f64 * 100.0 > max * checkpoints as f64)
            .then_some(Brake::Percent { delete, checkpoints, max }),
    });
    too_many.or_else(|| {
        let max = amount(policy.safety.max_delete_bytes?, bytes);
        (delete_bytes > max).then_some(Brake::Bytes { delete_bytes, max })
    })
}

/// Calendar months of the grace are those after `now`, on the safe side.
fn grace_seconds(policy: &Policy, now: Time) -> u64 {
    policy.grace.fixed_seconds().unwrap_or_else(|| {
        let back = now.since(policy.grace.before(now)) / Time::NANOS_PER_SEC;
        // A month is at most three days longer than another.
        u64::try_from(back).unwrap_or(0) + 3 * 86_400
    })
}

fn warnings(input: &Input<'_>, explainer: &Explainer<'_>, chosen: &[usize]) -> Vec<PlanWarning> {
    let mut warnings = Vec::new();
    for &s in chosen {
        let session = &input.inventory.sessions[s];
        for why in &session.tainted {
            warnings.push(PlanWarning {
                kind: "tainted".to_owned(),
                session: Some(session.name.to_string()),
                text: format!("is kept whole: {why}"),
            });
        }
    }
    let name = |s: usize| &*input.inventory.sessions[s].name;
    let about = chosen.iter().map(|&s| name(s)).collect::<std::collections::HashSet<_>>();
    warnings.extend(
        input
            .outcome
            .notices
            .iter()
            .map(|n| explain::notice(explainer, n))
            .filter(|w| w.session.as_deref().is_none_or(|s| about.contains(s))),
    );
    warnings
}
