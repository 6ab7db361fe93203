//! What a policy would have done, had it run at every interval since the first checkpoint.
//!
//! At each run only what had been saved by then exists, less what earlier runs deleted, and the
//! decision is [`decide`]'s with that run's time for now. What an inventory does not tell about the
//! past is taken like this: a checkpoint's age goes by when it was saved, a session with later saves
//! was running, metrics, pins, tags and submissions were there from the start, and pointers named
//! nothing yet; what is called the last or the best was so from the start. The last run is at the end and sees everything as it is.

use super::decide::decide;
use super::decision::{Reason, Verdict};
use super::limit::usage::Usage;
use super::model::{Checkpoint, Inventory, Marks, MetricId, Session, Space, Status, Time};
use super::plan::{self, Totals};
use super::policy::Policy;

/// A policy's runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simulation {
    /// In order; the last one is at the end.
    pub runs: Vec<Run>,
    /// In the order of the runs.
    pub deletions: Vec<Deletion>,
    /// The deletions that the policy's own `best` rules would take back at the end.
    pub regrets: Vec<Regret>,
    /// The most that the sessions ever used, in bytes.
    pub peak: u64,
    /// As `peak`, with what lay in the trash.
    pub peak_with_trash: u64,
    /// What was left after a run: the median over the later half of the runs.
    pub steady: u64,
    /// Bytes and checkpoints that are left after the last run.
    pub left: (u64, u64),
    /// Checkpoints of which nobody knows when they were saved: there from the first run on.
    pub undated: u64,
}

/// One run; bytes are allocated bytes of the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub at: Time,
    pub before: u64,
    pub after: u64,
    pub deleted: u64,
    /// `[safety]` stopped it: nothing was deleted.
    pub braked: bool,
}

/// Indices are those of the inventory.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletion {
    pub run: usize,
    pub session: usize,
    pub checkpoint: usize,
    pub policy: Option<u16>,
    pub reasons: Vec<Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regret {
    /// Index of the deletion.
    pub deletion: usize,
    pub metric: MetricId,
    /// Among all checkpoints that ever were, 1 for the best.
    pub rank: u32,
}

/// More runs than anybody reads, or waits for.
pub const MAX_RUNS: i64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    #[error("an interval of nothing")]
    NoInterval,
    #[error("{0} runs; the most is {MAX_RUNS}")]
    TooManyRuns(i64),
}

/// One session as it is at some run.
struct Live {
    session: Session,
    /// Index in the inventory of each of its checkpoints.
    origin: Vec<usize>,
    /// Saves that are still to come.
    pending: usize,
}

/// Runs the policy every so many seconds, the last time at `end`.
///
/// # Errors
/// The interval is nothing, or makes more than [`MAX_RUNS`] runs.
pub fn simulate(
    inventory: &Inventory,
    policy: &Policy,
    end: Time,
    every: u64,
) -> Result<Simulation, SimulateError> {
    let every = i64::try_from(every).unwrap_or(i64::MAX).saturating_mul(Time::NANOS_PER_SEC);
    if every == 0 {
        return Err(SimulateError::NoInterval);
    }
    let (arrivals, undated) = arrivals(inventory, end);
    let first = arrivals.iter().map(|a| a.0).find(|t| *t > BEGINNING).unwrap_or(end);
    let intervals = end.since(first) / every;
    if intervals >= MAX_RUNS {
        return Err(SimulateError::TooManyRuns(intervals + 1));
    }
    let mut past = Past::new(inventory, policy);
    let mut arrivals = arrivals.into_iter().peekable();
    for back in (0..=intervals).rev() {
        let at = Time::from_nanos(end.nanos().saturating_sub(back.saturating_mul(every)));
        while let Some((_, s, c)) = arrivals.next_if(|a| a.0 <= at) {
            past.arrive(s, c);
        }
        past.run(at, at == end);
    }
    let mut simulation = past.simulation;
    simulation.undated = undated;
    simulation.steady = steady(&simulation.runs);
    simulation.regrets = regrets(inventory, policy, end, &simulation.deletions);
    Ok(simulation)
}

const BEGINNING: Time = Time::from_nanos(i64::MIN);

/// When which checkpoint is first seen, in order; and how many have no time. What a clock elsewhere
/// dated later than the end is there at the end.
fn arrivals(inventory: &Inventory, end: Time) -> (Vec<(Time, usize, usize)>, u64) {
    let mut undated = 0;
    let mut arrivals = Vec::new();
    for (s, session) in inventory.sessions.iter().enumerate() {
        for (c, checkpoint) in session.checkpoints.iter().enumerate() {
            let saved = checkpoint.saved_at.or(checkpoint.last_write);
            undated += u64::from(saved.is_none());
            arrivals.push((saved.unwrap_or(BEGINNING).min(end), s, c));
        }
    }
    arrivals.sort_unstable();
    (arrivals, undated)
}

struct Past<'a> {
    inventory: &'a Inventory,
    policy: &'a Policy,
    live: Vec<Live>,
    usage: Usage,
    /// Bytes that lie in the trash since when.
    trash: Vec<(Time, u64)>,
    /// What everything uses at the end, where the free space was measured.
    used_at_end: u64,
    simulation: Simulation,
}

impl<'a> Past<'a> {
    fn new(inventory: &'a Inventory, policy: &'a Policy) -> Past<'a> {
        let mut all = Usage::default();
        let live = inventory.sessions.iter().map(|session| {
            session.checkpoints.iter().for_each(|c| all.add(c));
            let blank = Session { checkpoints: Vec::new(), ..session.clone() };
            Live { session: blank, origin: Vec::new(), pending: session.checkpoints.len() }
        });
        let live = live.collect();
        let (usage, used_at_end) = (Usage::default(), all.bytes());
        let simulation = Simulation::default();
        Past { inventory, policy, live, usage, trash: Vec::new(), used_at_end, simulation }
    }

    fn arrive(&mut self, session: usize, checkpoint: usize) {
        let original = &self.inventory.sessions[session].checkpoints[checkpoint];
        self.usage.add(original);
        let live = &mut self.live[session];
        live.session.checkpoints.push(as_saved(original));
        live.origin.push(checkpoint);
        live.pending -= 1;
    }

    fn run(&mut self, at: Time, last: bool) {
        let before = self.usage.bytes();
        let in_trash =
            |trash: &[(Time, u64)]| trash.iter().fold(0, |s: u64, t| s.saturating_add(t.1));
        let with_trash = before.saturating_add(in_trash(&self.trash));
        let grace = self.policy.grace;
        self.trash.retain(|(since, _)| !grace.has_passed(*since, at));

        let (mut seen, there) = self.seen(at, last);
        let outcome = decide(&seen, self.policy, at);
        let going = there.iter().zip(&outcome.sessions).map(|(_, d)| {
            (0..d.len()).filter(|c| d.verdict(*c) == Verdict::Delete).collect::<Vec<_>>()
        });
        let going: Vec<Vec<usize>> = going.collect();
        let braked = self.brakes(&seen, &going);
        let mut deleted = 0;
        for (i, &s) in there.iter().enumerate() {
            let live = &mut self.live[s];
            live.session = std::mem::take(&mut seen.sessions[i]);
            if braked {
                continue;
            }
            let decision = &outcome.sessions[i];
            for &c in &going[i] {
                deleted += 1;
                let original = &self.inventory.sessions[s].checkpoints[live.origin[c]];
                let freed = self.usage.remove(original);
                self.trash.push((at, freed));
                self.simulation.deletions.push(Deletion {
                    run: self.simulation.runs.len(),
                    session: s,
                    checkpoint: live.origin[c],
                    policy: decision.policy,
                    reasons: decision.reasons(c).to_vec(),
                });
            }
            let gone = |c: &usize| going[i].binary_search(c).is_ok();
            let mut index = 0..;
            live.session.checkpoints.retain(|_| index.next().is_some_and(|c| !gone(&c)));
            let mut index = 0..;
            live.origin.retain(|_| index.next().is_some_and(|c| !gone(&c)));
        }
        let after = self.usage.bytes();
        let now_with_trash = after.saturating_add(in_trash(&self.trash));
        let s = &mut self.simulation;
        s.peak = s.peak.max(before);
        s.peak_with_trash = s.peak_with_trash.max(with_trash).max(now_with_trash);
        let left = self.live.iter().map(|l| l.origin.len() as u64).sum();
        s.left = (after, left);
        s.runs.push(Run { at, before, after, deleted, braked });
    }

    /// What a scan would have seen, and which sessions those are. They are taken out of `live`.
    fn seen(&mut self, at: Time, last: bool) -> (Inventory, Vec<usize>) {
        let original = self.inventory;
        let mut seen = Inventory {
            root: original.root.clone(),
            now: Some(at),
            space: original.space.map(|space| self.space(space)),
            names: original.names.clone(),
            sessions: Vec::new(),
        };
        let mut there = Vec::new();
        for (s, live) in self.live.iter_mut().enumerate() {
            let whole = &original.sessions[s];
            // A session that a run emptied, or that has not begun, is not seen.
            if live.origin.is_empty() && !(last && whole.checkpoints.is_empty()) {
                continue;
            }
            if last {
                let as_is = live.origin.iter().map(|c| whole.checkpoints[*c].clone());
                live.session.checkpoints = as_is.collect();
                live.session.status = whole.status;
                live.session.last_write = whole.last_write;
            } else {
                let running = live.pending > 0;
                live.session.status = if running { Status::Running } else { whole.status };
                live.session.last_write = None;
            }
            seen.sessions.push(std::mem::take(&mut live.session));
            there.push(s);
        }
        (seen, there)
    }

    /// The free space, had only the checkpoints differed.
    fn space(&self, at_end: Space) -> Space {
        let free =
            at_end.free.saturating_add(self.used_at_end).saturating_sub(self.usage.occupied());
        Space { free: free.min(at_end.total), ..at_end }
    }

    fn brakes(&self, seen: &Inventory, going: &[Vec<usize>]) -> bool {
        let safety = &self.policy.safety;
        if safety.max_delete.is_none() && safety.max_delete_bytes.is_none() {
            return false;
        }
        let mut usage = self.usage.clone();
        let mut totals = Totals { bytes: usage.bytes(), ..Totals::default() };
        for (session, going) in seen.sessions.iter().zip(going) {
            totals.checkpoints += session.checkpoints.len() as u64;
            for &c in going {
                totals.delete += 1;
                let freed = usage.remove(&session.checkpoints[c]);
                totals.delete_bytes = totals.delete_bytes.saturating_add(freed);
            }
        }
        plan::brake(self.policy, &totals).is_some()
    }
}

/// A checkpoint as it was when it had just been saved.
fn as_saved(original: &Checkpoint) -> Checkpoint {
    let mut c = original.clone();
    c.saved_at = c.saved_at.or(c.last_write);
    c.last_write = None;
    c.marks.clear(Marks::LATEST);
    c.marks.clear(Marks::BEST);
    if let Some(extra) = &mut c.extra {
        extra.pointers.clear();
    }
    c
}

/// The median of what was left, over the later half of the runs.
fn steady(runs: &[Run]) -> u64 {
    let mut left: Vec<u64> = runs[runs.len() / 2..].iter().map(|r| r.after).collect();
    left.sort_unstable();
    left.get(left.len() / 2).copied().unwrap_or(0)
}

/// Which deletions the `best` rules would take back, looking at everything that ever was.
pub(super) fn regrets(
    inventory: &Inventory,
    policy: &Policy,
    end: Time,
    deletions: &[Deletion],
) -> Vec<Regret> {
    if deletions.is_empty() {
        return Vec::new();
    }
    let outcome = decide(inventory, policy, end);
    let mut regrets = Vec::new();
    for (deletion, d) in deletions.iter().enumerate() {
        // Each reason to keep is there, also for what a limit takes; a rank is 1 or more.
        let reasons = outcome.sessions[d.session].reasons(d.checkpoint).iter();
        let best = reasons.filter_map(|r| match *r {
            Reason::Best { metric, rank, .. } => Some((rank, metric)),
            _ => None,
        });
        if let Some((rank, metric)) = best.min() {
            regrets.push(Regret { deletion, metric, rank });
        }
    }
    regrets
}
