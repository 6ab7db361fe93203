//! What a person should know about a plan besides its decisions, in words.

use super::Explainer;
use super::number::size;
use crate::core::decision::{Blockers, Limited, Notice};
use crate::core::model::Session;
use crate::core::order::Disagreement;
use crate::core::plan::PlanWarning;
use crate::core::policy::{Cap, Per, RuleKind};

/// Renders a notice; `kind` is stable.
#[expect(clippy::too_many_lines, reason = "a table: one notice an arm")]
pub fn notice(explainer: &Explainer<'_>, notice: &Notice) -> PlanWarning {
    let session_at = |i: u32| &explainer.inventory.sessions[i as usize];
    let quota_at = |i: u16| &explainer.policy.quotas[usize::from(i)];
    let in_session = |kind: &str, session: &Session, text: String| PlanWarning {
        kind: kind.to_owned(),
        session: Some(session.name.to_string()),
        text,
    };
    let general =
        |kind: &str, text: String| PlanWarning { kind: kind.to_owned(), session: None, text };
    match notice {
        Notice::LimitUnreachable { session, what, excess, blockers } => {
            let session = session_at(*session);
            let (limit, amount) = match what {
                Limited::Bytes => ("max-bytes", size(*excess)),
                Limited::Count if *excess == 1 => ("max-count", "1 checkpoint".to_owned()),
                Limited::Count => ("max-count", format!("{excess} checkpoints")),
            };
            let blocked = blocked(blockers, *what == Limited::Bytes);
            let text = format!("limit {limit} cannot be met: {amount} too much; {blocked}");
            in_session("limit-unreachable", session, text)
        }
        Notice::QuotaUnreachable { quota, group, excess, blockers, evicted } => {
            let quota = quota_at(*quota);
            let outcome = if *evicted {
                "everything that may go, goes"
            } else {
                "so nothing is evicted for it (unreachable = \"evict\" goes as far as possible)"
            };
            let whose = whose(group, quota.cap);
            general(
                "quota-unreachable",
                format!(
                    "quota \"{}\" cannot be met{whose}: {} too much; {}; {outcome}",
                    quota.name,
                    size(*excess),
                    blocked(blockers, true)
                ),
            )
        }
        Notice::LowUnreachable { quota, group, excess, blockers, evicted } => {
            let quota = quota_at(*quota);
            let outcome = if *evicted {
                "everything that may go, goes"
            } else {
                "so no more goes than min-free needs (unreachable = \"evict\" goes as far as possible)"
            };
            general(
                "quota-low-unreachable",
                format!(
                    "quota \"{}\" is met{}, but its low cannot be: {} too much; {}; {outcome}",
                    quota.name,
                    whose(group, quota.cap),
                    size(*excess),
                    blocked(blockers, true)
                ),
            )
        }
        Notice::QuotaExceeded { quota, group, used, allowed } => {
            let quota = quota_at(*quota);
            let whose = whose(group, quota.cap);
            let text = match quota.cap {
                Cap::MaxBytes { .. } => format!(
                    "quota \"{}\" is exceeded{whose}: {} used of {}",
                    quota.name,
                    size(*used),
                    size(*allowed)
                ),
                Cap::MinFree { .. } => format!(
                    "quota \"{}\": {} would be free, {} is asked for",
                    quota.name,
                    size(*used),
                    size(*allowed)
                ),
            };
            general("quota-exceeded", text)
        }
        Notice::QuotaNotMeasured { quota } => general(
            "quota-not-measured",
            format!(
                "quota \"{}\" was not evaluated: the size of the file system is unknown",
                quota_at(*quota).name
            ),
        ),
        Notice::NoMetric { session, policy, rule: index, whole } => {
            let rule = &explainer.policy.policies[usize::from(*policy)].keep[usize::from(*index)];
            let wanted = match &rule.kind {
                RuleKind::Best(best) => best.metrics.join(", "),
                _ => String::new(),
            };
            let kept = if *whole {
                "it is kept whole".to_owned()
            } else {
                format!(
                    "keep rule {} keeps all of it, but a limit, quota or discard takes some",
                    index + 1
                )
            };
            let text = format!("has no finite value of {wanted}; {kept}");
            in_session("no-metric", session_at(*session), text)
        }
        Notice::Restarted { session, later } => {
            let session = session_at(*session);
            in_session("restarted", session, restarted(Disagreement::of(session, *later)))
        }
        Notice::RuleIsSilent { session, rule } => in_session(
            "rule-is-silent",
            session_at(*session),
            format!("keep rule {} says nothing here: no checkpoint has what it goes by", rule + 1),
        ),
        Notice::IdleProtection { protection } => {
            let name = &explainer.policy.protections[usize::from(*protection)].name;
            general("idle-protection", format!("protection \"{name}\" matches nothing"))
        }
        Notice::ExpiredProtection { protection } => {
            let name = &explainer.policy.protections[usize::from(*protection)].name;
            general("expired-protection", format!("protection \"{name}\" has expired"))
        }
        Notice::IdlePolicy { policy } => {
            let name = &explainer.policy.policies[usize::from(*policy)].name;
            general("idle-policy", format!("policy \"{name}\" has no session"))
        }
    }
}

fn restarted(found: Disagreement) -> String {
    let lower = |number: &str| {
        format!(
            "holds two runs: a later save has a lower {number}; it is kept whole until the policy says \
             restarted = \"by-time\", if the run was started again, or \"by-step\", if files were \
             only added or touched later"
        )
    };
    let mixed = |what: &str| {
        format!(
            "has {what}: which are newer, their names do not tell; it is kept whole until \
             the policy says restarted = \"by-time\""
        )
    };
    match found {
        Disagreement::LowerStep => lower("step"),
        Disagreement::LowerEpoch => lower("epoch"),
        Disagreement::EpochOnly => mixed("epochs beside steps"),
        Disagreement::Neither => {
            mixed("checkpoints with neither step nor epoch beside others with one")
        }
    }
}

fn whose(group: &str, cap: Cap) -> String {
    match cap {
        Cap::MaxBytes { per: Per::Owner, .. } => format!(" for {group}"),
        Cap::MaxBytes { per: Per::Root, .. } | Cap::MinFree { .. } => String::new(),
    }
}

fn blocked(blockers: &Blockers, bytes: bool) -> String {
    let amount = |n: u64| if bytes { size(n) } else { n.to_string() };
    let parts: Vec<String> = [
        ("protected", blockers.protected),
        ("kept by min-keep", blockers.min_keep),
        ("kept by hard rules", blockers.hard),
        ("in sessions no policy matches", blockers.untouched),
    ]
    .into_iter()
    .filter(|(_, n)| *n > 0)
    .map(|(what, n)| format!("{} {what}", amount(n)))
    .collect();
    if parts.is_empty() {
        "nothing else may go".to_owned()
    } else {
        format!("in the way: {}", parts.join(", "))
    }
}
