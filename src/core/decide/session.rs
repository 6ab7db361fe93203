//! One session's ladder, from protection down to the default.

use super::group::AcrossAnswers;
use super::rules::{self, Answer, Member, Setting};
use super::{SessionView, protect};
use crate::core::decision::{Notice, Reason, SessionDecision, Verdict};
use crate::core::limit::{self, Blocker, Candidate, Standing};
use crate::core::model::Names;
use crate::core::policy::RuleKind;

/// A decided session, and what quotas may still take from it.
#[derive(Default)]
pub struct Draft {
    pub decision: SessionDecision,
    /// In the order in which they would be evicted.
    pub candidates: Vec<Candidate>,
    /// For each checkpoint: why it cannot be evicted, if it stays and cannot.
    pub standings: Vec<Standing>,
    pub notices: Vec<Notice>,
}

pub fn draft(view: &SessionView<'_>, names: &Names, across: &AcrossAnswers) -> Draft {
    let answers = answers(view, names, across);
    let mut notices = notices(view, &answers);
    let count = view.session.checkpoints.len();
    // Where each checkpoint stands among the members.
    let mut place: Vec<Option<u32>> = vec![None; count];
    for (p, &i) in (0..).zip(&view.members) {
        place[i as usize] = Some(p);
    }

    let mut standings = Vec::with_capacity(count);
    let mut reasons: Vec<Vec<Reason>> = Vec::with_capacity(count);
    let mut candidates = Vec::new();
    for (i, place) in (0..).zip(&place) {
        let mut why = Vec::new();
        let hits = place.map_or(&[][..], |p| {
            &answers[p as usize * view.policy.keep.len()..][..view.policy.keep.len()]
        });
        let standing = stand(view, i, *place, hits, &mut why);
        if let Standing::Evictable = standing {
            candidates.push(candidate(view, i, place.unwrap_or(u32::MAX), hits));
        }
        standings.push(standing);
        reasons.push(why);
    }
    candidates.sort_unstable_by_key(Candidate::eviction_order);

    let evicted = limit::enforce(view, &mut standings, &mut candidates, &mut notices);
    for (i, reason) in evicted {
        let place = place[i as usize];
        let misses = misses(view, place, &answers);
        let why = &mut reasons[i as usize];
        why.insert(0, reason);
        why.extend(misses);
    }
    let mut decision = SessionDecision::with_capacity(Some(view.policy_index), count);
    for ((standing, mut why), place) in standings.iter().zip(reasons).zip(&place) {
        let verdict = if *standing == Standing::Gone { Verdict::Delete } else { Verdict::Keep };
        if verdict == Verdict::Delete && why.is_empty() {
            why.extend(misses(view, *place, &answers));
        }
        decision.push(verdict, why);
    }
    Draft { decision, candidates, standings, notices }
}

/// The answers of all rules, member after member: member `m`'s answer of rule `r` is at
/// `m * rules + r`.
fn answers(view: &SessionView<'_>, names: &Names, across: &AcrossAnswers) -> Vec<Answer> {
    let members: Vec<Member<'_>> = view
        .members
        .iter()
        .map(|&i| Member { checkpoint: &view.session.checkpoints[i as usize], session: 0 })
        .collect();
    let setting = Setting { names, now: view.now, zone: view.policy.timezone };
    let by_rule: Vec<Vec<Answer>> = (0..)
        .zip(&view.policy.keep)
        .map(|(r, rule)| match across.get(view.index, r) {
            Some(answers) => answers.to_vec(),
            None => rules::evaluate(rule, r, &members, setting),
        })
        .collect();
    (0..members.len()).flat_map(|m| by_rule.iter().map(move |answers| answers[m])).collect()
}

/// Where a checkpoint stands, and why; a deletion's reasons are its misses, added later.
fn stand(
    view: &SessionView<'_>,
    index: u32,
    place: Option<u32>,
    answers: &[Answer],
    why: &mut Vec<Reason>,
) -> Standing {
    let checkpoint = &view.session.checkpoints[index as usize];
    protect::protections(view, index, why);
    let protected = !why.is_empty();
    let min_keep = view.min_keep();
    let among_newest = place.filter(|p| *p < min_keep);
    if let Some(p) = among_newest {
        why.push(Reason::MinKeep { rank: p + 1, of: min_keep });
    }
    let discarded = protect::discarded(view, checkpoint);
    if let (Some(discard), true) = (discarded, why.is_empty()) {
        why.push(Reason::Discarded { discard });
        return Standing::Gone;
    }
    let hits = answers.iter().filter(|a| a.hit);
    why.extend(hits.clone().map(|a| a.reason));
    if view.policy.keep.is_empty() && place.is_some() {
        why.push(Reason::ByDefault);
    }
    let hard = answers.iter().zip(&view.policy.keep).any(|(a, rule)| a.hit && rule.hard);
    if protected {
        Standing::Stays(Blocker::Protected)
    } else if among_newest.is_some() {
        Standing::Stays(Blocker::MinKeep)
    } else if hard {
        Standing::Stays(Blocker::Hard)
    } else if why.is_empty() {
        Standing::Gone
    } else {
        Standing::Evictable
    }
}

/// How soon a limit takes a checkpoint: by the strongest rule that keeps it.
fn candidate(view: &SessionView<'_>, index: u32, place: u32, answers: &[Answer]) -> Candidate {
    let rules = answers.len();
    let strongest = answers
        .iter()
        .enumerate()
        .find(|(_, a)| a.hit && !matches!(a.reason, Reason::NoMetric { .. }));
    let (distance, worse) = match strongest {
        Some((rule, answer)) => (i32::try_from(rules - 1 - rule).unwrap_or(i32::MAX), answer.worse),
        // Kept by default, as by a single rule that keeps everything, or for want of a metric.
        None if view.policy.keep.is_empty() => (0, place),
        None => (-1, place),
    };
    Candidate { checkpoint: index, distance, worse, place }
}

fn misses<'a>(
    view: &SessionView<'_>,
    place: Option<u32>,
    answers: &'a [Answer],
) -> impl Iterator<Item = Reason> + 'a {
    let rules = view.policy.keep.len();
    let start = place.map_or(0, |p| p as usize * rules);
    let len = if place.is_some() { rules } else { 0 };
    answers[start..start + len].iter().filter(|a| !a.hit).map(|a| a.reason)
}

fn notices(view: &SessionView<'_>, answers: &[Answer]) -> Vec<Notice> {
    let session = view.index;
    let mut notices = Vec::new();
    if view.restarted.is_some() {
        notices.push(Notice::Restarted { session });
    }
    let rules = view.policy.keep.len();
    for (r, rule) in view.policy.keep.iter().enumerate() {
        let index = u16::try_from(r).unwrap_or(u16::MAX);
        let all = |f: &dyn Fn(&Reason) -> bool| {
            !view.members.is_empty() && answers.iter().skip(r).step_by(rules).all(|a| f(&a.reason))
        };
        if matches!(rule.kind, RuleKind::Best(_)) && all(&|r| matches!(r, Reason::NoMetric { .. }))
        {
            notices.push(Notice::NoMetric { session, policy: view.policy_index, rule: index });
        }
        if all(&|r| matches!(r, Reason::MissedNoStep { .. })) {
            notices.push(Notice::RuleIsSilent { session, rule: index });
        }
    }
    notices
}
