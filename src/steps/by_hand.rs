//! What `rm` may delete: a person's choice passes the policy, but not everything.
//!
//! The choice passes min-keep, min-age, the newest and the brake, and a pointer to the checkpoint
//! is a warning. Pins, declared protections, sessions that could not be read, and what a running
//! training needs stay: nobody means those, and none of them can be seen in a name.

use crate::core::calendar::Span;
use crate::core::decide::decide;
use crate::core::decision::{Outcome, Reason, SessionDecision, Verdict};
use crate::core::model::{Inventory, Session, Status, Time};
use crate::core::plan::{self, PlanFile, PlanReason, PlanRoot, PlanWarning};
use crate::core::policy::{Limit, Match, Policy, Protection, Restarted, Safety, SessionPolicy};
use std::collections::HashSet;

/// What plans of a choice by hand name as their policy, and journals after them.
pub const SOURCE: &str = "rm";

/// A choice, and what stands against it.
pub struct ByHand {
    /// Only chosen checkpoints that may go are deleted; their reasons are the warnings. Chosen ones
    /// that stay have the reasons for that. All others have none.
    pub outcome: Outcome,
    /// What the reasons refer to.
    pub policy: Policy,
    pub refused: Vec<(usize, usize)>,
    pub warned: Vec<(usize, usize)>,
}

/// Judges a choice of (session, its checkpoints). `protections` are those of the policy in force.
pub fn judge(
    inventory: &Inventory,
    chosen: &[(usize, Vec<usize>)],
    protections: &[Protection],
    grace: Span,
    now: Time,
) -> ByHand {
    let policy = bare(protections, grace);
    let judged = decide(inventory, &policy, now);
    let chosen: HashSet<(usize, usize)> =
        chosen.iter().flat_map(|(s, list)| list.iter().map(|c| (*s, *c))).collect();
    let (mut refused, mut warned) = (Vec::new(), Vec::new());
    let mut outcome =
        Outcome { witnesses: vec![Vec::new(); inventory.sessions.len()], ..Outcome::default() };
    for (s, session) in inventory.sessions.iter().enumerate() {
        let running = session.status == Status::Running;
        let mut decision = SessionDecision::with_capacity(Some(0), session.checkpoints.len(), 0);
        for c in 0..session.checkpoints.len() {
            let at = (s, c);
            if !chosen.contains(&at) {
                decision.push(Verdict::Keep, []);
                continue;
            }
            let reasons = judged.sessions[s].reasons(c);
            let against: Vec<Reason> =
                reasons.iter().copied().filter(|r| forbids(r, running)).collect();
            if !against.is_empty() {
                refused.push(at);
                decision.push(Verdict::Keep, against);
                continue;
            }
            let warnings: Vec<Reason> = reasons.iter().copied().filter(warns).collect();
            if !warnings.is_empty() {
                warned.push(at);
            }
            decision.push(Verdict::Delete, warnings);
        }
        outcome.sessions.push(decision);
    }
    ByHand { outcome, policy, refused, warned }
}

/// One policy for everything that keeps all it sees, so that only protections speak.
fn bare(protections: &[Protection], grace: Span) -> Policy {
    Policy {
        protections: protections.to_vec(),
        policies: vec![SessionPolicy {
            name: SOURCE.into(),
            sessions: Match::default(),
            keep: Vec::new(),
            discard: Vec::new(),
            limit: Limit::default(),
            min_keep: 0,
            session_may_go_empty: false,
            min_age: Span::default(),
            timezone: chrono_tz::UTC,
            // A person who names a checkpoint knows which run it is of.
            restarted: Restarted::ByStep,
        }],
        quotas: Vec::new(),
        safety: Safety::default(),
        layouts: Vec::new(),
        grace,
    }
}

/// `running`: an unfinished checkpoint of a running session is being written.
fn forbids(reason: &Reason, running: bool) -> bool {
    match reason {
        Reason::Tainted
        | Reason::Protected { .. }
        | Reason::Pinned
        | Reason::Ambiguous
        | Reason::Running => true,
        Reason::Incomplete | Reason::NothingWhole => running,
        _ => false,
    }
}

fn warns(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Pointer { .. }
            | Reason::MarkedLatest
            | Reason::MarkedBest
            | Reason::Needed { .. }
            | Reason::Incomplete
            | Reason::NothingWhole
    )
}

/// The plan of a choice: the sessions it concerns, and no others.
pub fn plan(inventory: &Inventory, root: Option<PlanRoot>, judged: &ByHand, now: Time) -> PlanFile {
    let loses = |d: &SessionDecision| (0..d.len()).any(|c| d.verdict(c) == Verdict::Delete);
    let losing = inventory.sessions.iter().zip(&judged.outcome.sessions);
    let concerned: HashSet<&str> = losing
        .filter(|(_, d)| loses(d))
        .map(|(s, _)| &*s.name)
        .chain(judged.refused.iter().map(|(s, _)| &*inventory.sessions[*s].name))
        .collect();
    let mut file = plan::build(&plan::Input {
        inventory,
        policy: &judged.policy,
        outcome: &judged.outcome,
        now,
        policy_source: SOURCE,
        policy_text: "",
        root,
        select: Some(&|s: &Session| concerned.contains(&*s.name)),
    });
    for (s, c) in &judged.warned {
        let session = &inventory.sessions[*s];
        file.warnings.push(PlanWarning {
            kind: "pointer".to_owned(),
            session: Some(session.name.to_string()),
            text: format!("{} is still referred to", session.checkpoints[*c].id),
        });
    }
    let reason = |kind: &str, text: &str| PlanReason {
        kind: kind.to_owned(),
        text: text.to_owned(),
        ..PlanReason::default()
    };
    for decision in &mut file.decisions {
        if decision.verdict == "delete" {
            decision.reasons.insert(0, reason("by-hand", "chosen by hand"));
        } else if decision.reasons.is_empty() {
            decision.reasons.push(reason("not-chosen", "not chosen"));
        }
    }
    file.seal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Checkpoint, Marks, Pointer};

    const NOW: Time = Time::from_nanos(2_000_000_000 * Time::NANOS_PER_SEC);

    fn session() -> Session {
        let checkpoints = (0..4).map(|i| Checkpoint {
            id: i.to_string().into(),
            saved_at: Some(Time::from_nanos(NOW.nanos() - (10 - i) * Time::NANOS_PER_SEC)),
            complete: true,
            ..Checkpoint::default()
        });
        Session { name: "t/x/1".into(), checkpoints: checkpoints.collect(), ..Session::default() }
    }

    fn verdicts(session: Session, chosen: &[usize]) -> String {
        let inventory = Inventory { sessions: vec![session], ..Inventory::default() };
        let judged = judge(&inventory, &[(0, chosen.to_vec())], &[], Span::default(), NOW);
        let decision = &judged.outcome.sessions[0];
        let letter = |c: usize| match decision.verdict(c) {
            Verdict::Delete if judged.warned.contains(&(0, c)) => 'w',
            Verdict::Delete => 'd',
            _ if judged.refused.contains(&(0, c)) => 'R',
            _ => '.',
        };
        (0..decision.len()).map(letter).collect()
    }

    #[test]
    fn a_person_may_delete_everything_even_the_newest() {
        assert_eq!(verdicts(session(), &[0, 1, 2, 3]), "dddd");
        assert_eq!(verdicts(session(), &[2]), "..d.");
    }

    #[test]
    fn pins_taint_and_the_newest_of_a_running_session_stay() {
        let mut s = session();
        s.checkpoints[1].marks.set(Marks::PINNED);
        assert_eq!(verdicts(s, &[0, 1]), "dR..");

        let mut s = session();
        s.tainted.push("metadata.json is damaged".into());
        assert_eq!(verdicts(s, &[0, 1]), "RR..");

        let mut s = session();
        s.status = Status::Running;
        assert_eq!(verdicts(s.clone(), &[0, 1, 2, 3]), "dddR");
        s.checkpoints[2].complete = false;
        assert_eq!(verdicts(s, &[0, 2]), "d.R.");
    }

    #[test]
    fn pointers_and_dependants_are_warnings() {
        let mut s = session();
        s.checkpoints[0].extra_mut().pointers =
            vec![Pointer { name: "latest".into(), external: false }];
        s.checkpoints[2].extra_mut().needs = vec!["1".into()];
        assert_eq!(verdicts(s, &[0, 1, 2]), "wwd.");
    }
}
