//! One session's ladder, from protection down to the default.

use super::group::AcrossAnswers;
use super::rules::{self, Answer, Member, Setting};
use super::{SessionView, protect};
use crate::core::decision::{Notice, Reason, SessionDecision, Verdict};
use crate::core::limit::{self, Blocker, Candidate, Standing};
use crate::core::model::Names;
use crate::core::policy::RuleKind;
use std::borrow::Cow;

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
    let answers = Answers::new(view, names, across);
    let mut notices = notices(view, &answers);
    let count = view.session.checkpoints.len();
    // Where each checkpoint stands among the members.
    let mut places: Vec<Option<u32>> = vec![None; count];
    for (p, &i) in (0..).zip(&view.members) {
        places[i as usize] = Some(p);
    }

    let mut standings = Vec::with_capacity(count);
    // All reasons in one list; `ends` says where those of each checkpoint stop.
    let mut reasons: Vec<Reason> = Vec::with_capacity(count * 2);
    let mut ends: Vec<usize> = Vec::with_capacity(count);
    let limit = &view.policy.limit;
    let limited = limit.max_bytes.is_some() || limit.max_count.is_some() || limit.max_age.is_some();
    let may_evict = limited || !view.file.quotas.is_empty();
    let mut candidates = Vec::with_capacity(if may_evict { count } else { 0 });
    for (i, place) in (0..).zip(&places) {
        let standing = stand(view, i, *place, &answers, &mut reasons);
        if may_evict && standing == Standing::Evictable {
            candidates.push(candidate(view, i, place.unwrap_or(u32::MAX), &answers));
        }
        standings.push(standing);
        ends.push(reasons.len());
    }
    candidates.sort_unstable_by_key(Candidate::eviction_order);

    let mut evictions: Vec<Option<Reason>> = Vec::new();
    for (i, reason) in limit::enforce(view, &mut standings, &mut candidates, &mut notices) {
        evictions.resize(count, None);
        evictions[i as usize] = Some(reason);
    }
    let mut decision =
        SessionDecision::with_capacity(Some(view.policy_index), count, reasons.len());
    let mut start = 0;
    for (i, standing) in standings.iter().enumerate() {
        let why = reasons[start..ends[i]].iter().copied();
        start = ends[i];
        if *standing != Standing::Gone {
            decision.push(Verdict::Keep, why);
            continue;
        }
        let eviction = evictions.get(i).copied().flatten();
        // A discard is reason enough; the default is nothing but its misses.
        let discarded = eviction.is_none() && why.len() > 0;
        let misses = places[i].filter(|_| !discarded).into_iter();
        let misses = misses.flat_map(|p| answers.of(p).filter(|a| !a.hit).map(|a| a.reason));
        decision.push(Verdict::Delete, eviction.into_iter().chain(why).chain(misses));
    }
    Draft { decision, candidates, standings, notices }
}

/// What every rule says of every member.
struct Answers<'a> {
    /// One list for each rule, each with one answer for each member.
    by_rule: Vec<Cow<'a, [Answer]>>,
}

impl<'a> Answers<'a> {
    fn new(view: &SessionView<'_>, names: &Names, across: &'a AcrossAnswers) -> Answers<'a> {
        let members: Vec<Member<'_>> = view
            .members
            .iter()
            .map(|&i| Member { checkpoint: &view.session.checkpoints[i as usize], session: 0 })
            .collect();
        let setting = Setting { names, now: view.now, zone: view.policy.timezone };
        let by_rule = (0..)
            .zip(&view.policy.keep)
            .map(|(r, rule)| match across.get(view.index, r) {
                Some(answers) => Cow::Borrowed(answers),
                None => Cow::Owned(rules::evaluate(rule, r, &members, setting)),
            })
            .collect();
        Answers { by_rule }
    }

    /// All rules' answers for the member at `place`, in the order of the rules.
    fn of(&self, place: u32) -> impl Iterator<Item = &Answer> {
        self.by_rule.iter().map(move |answers| &answers[place as usize])
    }
}

/// Where a checkpoint stands, and why; a deletion's reasons are its misses, added later.
fn stand(
    view: &SessionView<'_>,
    index: u32,
    place: Option<u32>,
    answers: &Answers<'_>,
    why: &mut Vec<Reason>,
) -> Standing {
    let checkpoint = &view.session.checkpoints[index as usize];
    let start = why.len();
    protect::protections(view, index, why);
    let protected = why.len() > start;
    let min_keep = view.min_keep();
    let among_newest = place.filter(|p| *p < min_keep);
    if let Some(p) = among_newest {
        why.push(Reason::MinKeep { rank: p + 1, of: min_keep });
    }
    if why.len() == start
        && let Some(discard) = protect::discarded(view, checkpoint)
    {
        why.push(Reason::Discarded { discard });
        return Standing::Gone;
    }
    let mut hard = false;
    if let Some(place) = place {
        for (answer, rule) in answers.of(place).zip(&view.policy.keep) {
            if answer.hit {
                why.push(answer.reason);
                hard |= rule.hard;
            }
        }
        if view.policy.keep.is_empty() {
            why.push(Reason::ByDefault);
        }
    }
    if protected {
        Standing::Stays(Blocker::Protected)
    } else if among_newest.is_some() {
        Standing::Stays(Blocker::MinKeep)
    } else if hard {
        Standing::Stays(Blocker::Hard)
    } else if why.len() == start {
        Standing::Gone
    } else {
        Standing::Evictable
    }
}

/// How soon a limit takes a checkpoint: by the strongest rule that keeps it.
fn candidate(view: &SessionView<'_>, index: u32, place: u32, answers: &Answers<'_>) -> Candidate {
    let rules = view.policy.keep.len();
    let strongest = answers
        .of(place)
        .enumerate()
        .find(|(_, a)| a.hit && !matches!(a.reason, Reason::NoMetric { .. }));
    let (distance, worse) = match strongest {
        Some((rule, answer)) => (i32::try_from(rules - 1 - rule).unwrap_or(i32::MAX), answer.worse),
        // Kept by default, as by a single rule that keeps everything, or for want of a metric.
        None if rules == 0 => (0, place),
        None => (-1, place),
    };
    Candidate { checkpoint: index, distance, worse, place }
}

fn notices(view: &SessionView<'_>, answers: &Answers<'_>) -> Vec<Notice> {
    let session = view.index;
    let mut notices = Vec::new();
    if view.restarted.is_some() {
        notices.push(Notice::Restarted { session });
    }
    if view.members.is_empty() {
        return notices;
    }
    for ((index, rule), answers) in (0..).zip(&view.policy.keep).zip(&answers.by_rule) {
        let all = |f: &dyn Fn(&Reason) -> bool| answers.iter().all(|a| f(&a.reason));
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
