//! Limits of one session: evict one at a time, weakest first, until at or below.
//!
//! A big checkpoint is never passed over for a smaller one: whoever is next in line goes, or the
//! limit is reported as unreachable.

mod held;
pub mod quota;
pub mod usage;

use super::decide::SessionView;
use super::decision::{Blockers, Limited, Notice, Reason};
use super::model::{Checkpoint, Time};
use held::Held;
use usage::Usage;

/// Where a checkpoint stands after the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Gone,
    Evictable,
    /// Stays, for nothing but that others of its session need it.
    Needed,
    /// Stays, for nothing but that others need it, all of which go or are leaving.
    Leaving,
    Stays(Blocker),
}

impl Standing {
    /// Whether a limit of its session counts it.
    fn counts(self) -> bool {
        !matches!(self, Standing::Gone | Standing::Leaving)
    }

    /// What keeps it in this run.
    fn blocker(self) -> Option<Blocker> {
        match self {
            Standing::Stays(blocker) => Some(blocker),
            Standing::Needed | Standing::Leaving => Some(Blocker::Protected),
            Standing::Gone | Standing::Evictable => None,
        }
    }
}

/// Why something that stays cannot be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocker {
    Protected,
    MinKeep,
    Hard,
}

/// A checkpoint that a limit or quota may take.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub checkpoint: u32,
    /// Of the strongest rule that keeps it from the policy's last rule; the lowest goes first, and
    /// -1 is below every rule.
    pub distance: i32,
    /// Within the tier, the greatest goes first.
    pub worse: u32,
    /// Newest is 0; settles what is left.
    pub place: u32,
    /// Of the checkpoint.
    pub bytes: u64,
}

impl Candidate {
    /// Ascending: who goes first.
    pub fn eviction_order(&self) -> (i32, std::cmp::Reverse<u32>, std::cmp::Reverse<u32>, u32) {
        use std::cmp::Reverse;
        (self.distance, Reverse(self.worse), Reverse(self.place), self.checkpoint)
    }
}

impl Blockers {
    fn add(&mut self, blocker: Blocker, amount: u64) {
        let field = match blocker {
            Blocker::Protected => &mut self.protected,
            Blocker::MinKeep => &mut self.min_keep,
            Blocker::Hard => &mut self.hard,
        };
        *field = field.saturating_add(amount);
    }

    /// The bytes of these, by what is in the way (`None`: no policy matches their session). A file
    /// with several links counts once, for the first in the order of the ladder.
    fn of_bytes<'c>(
        staying: impl Iterator<Item = (Option<Blocker>, &'c Checkpoint)> + Clone,
    ) -> Blockers {
        let mut blockers = Blockers::default();
        let mut usage = Usage::default();
        for class in [Some(Blocker::Protected), Some(Blocker::MinKeep), Some(Blocker::Hard), None] {
            let before = usage.bytes();
            let staying = staying.clone().filter(|(blocker, _)| *blocker == class);
            staying.for_each(|(_, c)| usage.add(c));
            let bytes = usage.bytes() - before;
            match class {
                Some(blocker) => blockers.add(blocker, bytes),
                None => blockers.untouched = bytes,
            }
        }
        blockers
    }
}

/// Evicts what the session's limits demand; returns whom and why, in order.
pub fn enforce(
    view: &SessionView<'_>,
    standings: &mut [Standing],
    candidates: &mut Vec<Candidate>,
    notices: &mut Vec<Notice>,
) -> Vec<(u32, Reason)> {
    let limit = &view.policy.limit;
    let mut evicted = Vec::new();
    if let Some(span) = limit.max_age {
        let horizon = span.before(view.now);
        by_age(view, horizon, standings, candidates, &mut evicted);
    }
    if limit.max_count.is_none() && limit.max_bytes.is_none() {
        return evicted;
    }
    let mut held = Held::new(view, standings);
    let held = &mut held;
    if let Some(max) = limit.max_count {
        let left = standings.iter().filter(|s| s.counts()).count() as u64;
        let one = |_: u32| 1;
        let mut run = Run { view, standings, held, candidates, evicted: &mut evicted, notices };
        run.down_to(u64::from(max), left, Limited::Count, one, |order, left| {
            Reason::EvictedByCount { order, left }
        });
    }
    if let Some(max) = limit.max_bytes {
        let mut usage = Usage::default();
        for (c, standing) in view.session.checkpoints.iter().zip(standings.iter()) {
            if standing.counts() {
                usage.add(c);
            }
        }
        let left = usage.bytes();
        // What the session holds, and not what that frees: a link elsewhere, in the trash or in
        // another session, is no reason to evict more.
        let free = |i: u32| {
            let before = usage.bytes();
            usage.remove(&view.session.checkpoints[i as usize]);
            before - usage.bytes()
        };
        let mut run = Run { view, standings, held, candidates, evicted: &mut evicted, notices };
        run.down_to(max, left, Limited::Bytes, free, |order, left| Reason::EvictedByBytes {
            order,
            left,
        });
    }
    evicted
}

/// What something stronger holds may be as old as it likes: unlike a size, an age is no aim that the
/// others could have been evicted for, so there is nothing to report.
fn by_age(
    view: &SessionView<'_>,
    horizon: Time,
    standings: &mut [Standing],
    candidates: &mut Vec<Candidate>,
    evicted: &mut Vec<(u32, Reason)>,
) {
    let saved = |i: u32| view.session.checkpoints[i as usize].saved_at;
    let too_old = |i: u32| saved(i).is_some_and(|t| t < horizon);
    candidates.retain(|candidate| {
        let i = candidate.checkpoint;
        let goes = too_old(i);
        if goes {
            standings[i as usize] = Standing::Gone;
            let age = saved(i).map_or(0, |t| view.now.since(t));
            evicted.push((i, Reason::EvictedByAge { age }));
        }
        !goes
    });
}

struct Run<'r, 'v> {
    view: &'r SessionView<'v>,
    standings: &'r mut [Standing],
    held: &'r mut Held,
    candidates: &'r mut Vec<Candidate>,
    evicted: &'r mut Vec<(u32, Reason)>,
    notices: &'r mut Vec<Notice>,
}

impl Run<'_, '_> {
    /// Evicts in order until `left` is at most `max`; `take` says how much one gives back.
    fn down_to(
        &mut self,
        max: u64,
        mut left: u64,
        what: Limited,
        mut take: impl FnMut(u32) -> u64,
        reason: impl Fn(u32, u64) -> Reason,
    ) {
        let mut order = 0;
        let mut gone = 0;
        while left > max && gone < self.candidates.len() {
            let i = self.candidates[gone].checkpoint;
            order += 1;
            self.evicted.push((i, reason(order, left)));
            self.standings[i as usize] = Standing::Gone;
            left = left.saturating_sub(take(i));
            for base in self.held.let_go(i, self.standings) {
                left = left.saturating_sub(take(base));
            }
            gone += 1;
        }
        self.candidates.drain(..gone);
        if left > max {
            let staying = self.view.session.checkpoints.iter().zip(self.standings.iter());
            let staying = staying
                .filter(|(_, standing)| standing.counts())
                .filter_map(|(c, standing)| Some((Some(standing.blocker()?), c)));
            let blockers = match what {
                Limited::Bytes => Blockers::of_bytes(staying),
                Limited::Count => {
                    let mut blockers = Blockers::default();
                    for blocker in staying.filter_map(|(blocker, _)| blocker) {
                        blockers.add(blocker, 1);
                    }
                    blockers
                }
            };
            let (session, excess) = (self.view.index, left - max);
            self.notices.push(Notice::LimitUnreachable { session, what, excess, blockers });
        }
    }
}
