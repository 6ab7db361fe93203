//! One session's ladder, from protection down to the default.

use super::group::AcrossAnswers;
use super::rules::{self, Answer, Member, Setting, Sheet};
use super::{SessionView, protect};
use crate::core::decision::{Notice, Reason, SessionDecision, Verdict};
use crate::core::limit::{self, Blocker, Candidate, Standing};
use crate::core::model::{Names, Session};
use crate::core::order::Keys;
use crate::core::policy::RuleKind;

/// A decided session, and what quotas may still take from it.
#[derive(Default)]
pub struct Draft {
    pub decision: SessionDecision,
    /// In the order in which they would be evicted.
    pub candidates: Vec<Candidate>,
    /// For each checkpoint: why it cannot be evicted, if it stays and cannot.
    pub standings: Vec<Standing>,
    /// Of what stays; `None` if the session has files with several links, which only a count over
    /// all sessions gets right.
    pub bytes: Option<u64>,
    pub notices: Vec<Notice>,
}

/// Bytes of the checkpoints that `stays` takes, by index, if none has hard-linked files.
pub fn private_bytes(session: &Session, stays: impl Fn(usize) -> bool) -> Option<u64> {
    let mut bytes: u64 = 0;
    for (i, c) in session.checkpoints.iter().enumerate() {
        if !c.shared().is_empty() {
            return None;
        }
        if stays(i) {
            bytes = bytes.saturating_add(c.bytes);
        }
    }
    Some(bytes)
}

/// Lists that each session fills anew.
#[derive(Default)]
pub struct Scratch<'a> {
    pub keys: Keys,
    members: Vec<Member<'a>>,
    /// What every rule says of every member: one list for each rule, one after the other.
    sheet: Sheet,
    candidates: Vec<Candidate>,
    /// Where each checkpoint stands among the members.
    places: Vec<Option<u32>>,
    /// Why each checkpoint stays or is discarded; `ends` says where the reasons of each stop.
    reasons: Vec<Reason>,
    ends: Vec<usize>,
}

pub fn draft<'a>(
    scratch: &mut Scratch<'a>,
    view: &SessionView<'a>,
    names: &Names,
    across: &AcrossAnswers,
) -> Draft {
    let Scratch { members, sheet, candidates, places, reasons, ends, .. } = scratch;
    evaluate(view, names, across, members, sheet);
    let rules = view.policy.keep.len();
    let answers = Answers { all: &sheet.answers, members: members.len(), rules };
    let mut notices = notices(view, answers);
    let count = view.session.checkpoints.len();
    places.clear();
    places.resize(count, None);
    for (p, &i) in (0..).zip(&view.members) {
        places[i as usize] = Some(p);
    }

    reasons.clear();
    ends.clear();
    let mut standings = Vec::with_capacity(count);
    let limit = &view.policy.limit;
    let limited = limit.max_bytes.is_some() || limit.max_count.is_some() || limit.max_age.is_some();
    let may_evict = limited || !view.file.quotas.is_empty();
    candidates.clear();
    for (i, place) in (0..).zip(places.iter()) {
        let standing = stand(view, i, *place, answers, reasons);
        if may_evict && standing == Standing::Evictable {
            candidates.push(candidate(view, i, place.unwrap_or(u32::MAX), answers));
        }
        standings.push(standing);
        ends.push(reasons.len());
    }
    candidates.sort_unstable_by_key(Candidate::eviction_order);

    let mut evictions: Vec<Option<Reason>> = Vec::new();
    for (i, reason) in limit::enforce(view, &mut standings, candidates, &mut notices) {
        evictions.resize(count, None);
        evictions[i as usize] = Some(reason);
    }
    let gone = standings.iter().filter(|s| **s == Standing::Gone).count();
    let most = reasons.len() + candidates.len() + gone * view.policy.keep.len();
    let mut decision = SessionDecision::with_capacity(Some(view.policy_index), count, most);
    let mut start = 0;
    for (i, standing) in standings.iter().enumerate() {
        let why = &reasons[start..ends[i]];
        start = ends[i];
        match standing {
            Standing::Evictable => decision.push_evictable(why),
            Standing::Needed | Standing::Leaving | Standing::Stays(_) => {
                decision.push(Verdict::Keep, why.iter().copied());
            }
            Standing::Gone => {
                let eviction = evictions.get(i).copied().flatten();
                let misses = |p| answers.of(p).filter(|a| !a.hit).map(|a| a.reason);
                match (eviction, places[i]) {
                    // The default is nothing but its misses.
                    (None, Some(place)) if why.is_empty() => decision.push_missed(misses(place)),
                    // A discard is reason enough.
                    (None, _) => decision.push(Verdict::Delete, why.iter().copied()),
                    (Some(reason), place) => {
                        let misses = place.into_iter().flat_map(misses);
                        let why = why.iter().copied().chain(misses);
                        decision.push(Verdict::Delete, std::iter::once(reason).chain(why));
                    }
                }
            }
        }
    }
    // Only quotas ask for it.
    let quotas = !view.file.quotas.is_empty();
    let stays = |i: usize| standings[i] != Standing::Gone;
    let bytes = quotas.then(|| private_bytes(view.session, stays)).flatten();
    Draft { decision, candidates: candidates.clone(), standings, bytes, notices }
}

/// Asks every rule of the session's policy.
fn evaluate<'a>(
    view: &SessionView<'a>,
    names: &Names,
    across: &AcrossAnswers,
    members: &mut Vec<Member<'a>>,
    sheet: &mut Sheet,
) {
    members.clear();
    let checkpoints = &view.session.checkpoints;
    let tags = &*view.session.tags;
    let member = |&i: &u32| Member { checkpoint: &checkpoints[i as usize], tags, session: 0 };
    members.extend(view.members.iter().map(member));
    let setting = Setting { names, now: view.now, zone: view.policy.timezone };
    sheet.answers.clear();
    for (r, rule) in (0..).zip(&view.policy.keep) {
        match across.get(view.index, r) {
            Some(known) => sheet.answers.extend_from_slice(known),
            None => rules::evaluate(rule, r, members, setting, sheet),
        }
    }
}

/// What every rule says of every member.
#[derive(Clone, Copy)]
struct Answers<'s> {
    all: &'s [Answer],
    members: usize,
    rules: usize,
}

impl<'s> Answers<'s> {
    /// All rules' answers for the member at `place`, in the order of the rules.
    fn of(self, place: u32) -> impl Iterator<Item = &'s Answer> {
        let at = move |rule| &self.all[rule * self.members + place as usize];
        (0..self.rules).map(at)
    }

    /// One list of all members' answers for each rule.
    fn by_rule(self) -> impl Iterator<Item = &'s [Answer]> {
        self.all.chunks(self.members.max(1))
    }
}

/// Where a checkpoint stands, and why; a deletion's reasons are its misses, added later.
fn stand(
    view: &SessionView<'_>,
    index: u32,
    place: Option<u32>,
    answers: Answers<'_>,
    why: &mut Vec<Reason>,
) -> Standing {
    let checkpoint = &view.session.checkpoints[index as usize];
    let start = why.len();
    protect::protections(view, index, why);
    let protected = why.len() > start;
    let only_needed = why[start..]
        .iter()
        .all(|r| matches!(r, Reason::Needed { session, .. } if *session == view.index));
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
    if protected && only_needed && among_newest.is_none() && !hard {
        Standing::Needed
    } else if protected {
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
fn candidate(view: &SessionView<'_>, index: u32, place: u32, answers: Answers<'_>) -> Candidate {
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
    let bytes = view.session.checkpoints[index as usize].bytes;
    Candidate { checkpoint: index, distance, worse, place, bytes }
}

fn notices(view: &SessionView<'_>, answers: Answers<'_>) -> Vec<Notice> {
    let session = view.index;
    let mut notices = Vec::new();
    if let Some(later) = view.restarted {
        notices.push(Notice::Restarted { session, later });
    }
    if view.members.is_empty() {
        return notices;
    }
    for ((index, rule), answers) in (0..).zip(&view.policy.keep).zip(answers.by_rule()) {
        let all = |f: &dyn Fn(&Reason) -> bool| answers.iter().all(|a| f(&a.reason));
        if matches!(rule.kind, RuleKind::Best(_)) && all(&|r| matches!(r, Reason::NoMetric { .. }))
        {
            let policy = view.policy_index;
            // Until limits and quotas have had their turn: see `decide`.
            notices.push(Notice::NoMetric { session, policy, rule: index, whole: true });
        }
        if all(&|r| matches!(r, Reason::MissedNoStep { .. })) {
            notices.push(Notice::RuleIsSilent { session, rule: index });
        }
    }
    notices
}
