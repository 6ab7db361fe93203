//! Which of two checkpoints is newer, and whether a folder holds two runs.
//!
//! Newness is a total order made of facts in the checkpoints; the order of a directory listing
//! never enters it.

use super::model::{Checkpoint, Session, Step, Time};
use super::name::natural_cmp;
use super::policy::Restarted;
use std::cmp::{Ordering, Reverse};

/// Lists of [`Order::newest_first`], for use again.
#[derive(Default)]
pub struct Keys {
    /// A key and an index each.
    sorted: Vec<(u64, u32)>,
    /// What it returns next: a list that is no longer needed.
    pub spare: Vec<u32>,
}

/// What newness goes by first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Step, then epoch, then time, then id.
    Step,
    /// Time, then step, then epoch, then id: where names are free text (NSML), or by request.
    Saved,
}

impl Order {
    pub fn of(session: &Session, restarted: Restarted) -> Order {
        let free_text = session.layout.as_deref() == Some("nsml");
        if free_text || restarted == Restarted::ByTime { Order::Saved } else { Order::Step }
    }

    /// Indices of the session's checkpoints that `wanted` takes, newest first.
    pub fn newest_first(
        self,
        session: &Session,
        wanted: impl Fn(&Checkpoint) -> bool,
        keys: &mut Keys,
    ) -> Vec<u32> {
        let Keys { sorted: keys, spare } = keys;
        keys.clear();
        let mut indices = std::mem::take(spare);
        indices.clear();
        for (i, c) in (0..).zip(&session.checkpoints) {
            if wanted(c) {
                keys.push((self.key(c), i));
            }
        }
        // Scans list the oldest first: backwards, there is nothing left to sort.
        if keys.is_sorted_by(|a, b| a.0 < b.0) {
            indices.extend(keys.iter().rev().map(|k| k.1));
            return indices;
        }
        keys.sort_unstable_by_key(|k| Reverse(k.0));
        let at = |i: u32| &session.checkpoints[i as usize];
        for equal in keys.chunk_by_mut(|a, b| a.0 == b.0).filter(|k| k.len() > 1) {
            equal.sort_unstable_by(|a, b| self.cmp(at(b.1), at(a.1)));
        }
        indices.extend(keys.iter().map(|k| k.1));
        indices
    }

    /// A number that is never lower for the newer of two; if equal, only [`Order::cmp`] knows.
    fn key(self, c: &Checkpoint) -> u64 {
        match self {
            // Floats that are not negative are ordered as their bits are.
            Order::Step => c.step.map_or(0, |s| s.as_f64().to_bits() + 1),
            Order::Saved => c.saved_at.map_or(0, Time::key),
        }
    }

    /// `Greater` if `a` is newer. What is unknown is older than anything known.
    pub fn cmp(self, a: &Checkpoint, b: &Checkpoint) -> Ordering {
        let step = || a.step.cmp(&b.step).then_with(|| a.epoch.cmp(&b.epoch));
        let saved = || a.saved_at.cmp(&b.saved_at);
        let order = match self {
            Order::Step => step().then_with(saved),
            Order::Saved => saved().then_with(step),
        };
        order.then_with(|| natural_cmp(&a.id, &b.id))
    }
}

/// Saves this close together say nothing about their order: file systems round times to two
/// seconds at worst.
const RESOLUTION: i64 = 2 * Time::NANOS_PER_SEC;
/// A session whose saves all lie within the time that copying its bytes takes is a copy that did
/// not keep its times. Nanoseconds per byte at 500 MB/s.
const COPY_NANOS_PER_BYTE: u64 = 2;

/// Looks for a checkpoint that was clearly saved later than another and has a lower step: the mark
/// of a run that was started again in the same folder.
///
/// Returns the index of the later-saved checkpoint with the lower step. Sessions without steps are
/// compared by epoch. Times that are unknown or later than `now` say nothing. Where some have a step
/// and others an epoch only or neither, the order of the kinds is told by nothing but their times:
/// unless what lacks a number was clearly saved first, as it is ranked, it is returned (I5). In a
/// session that `may_go_empty` an epoch's name does not protect it, and so is no reason to pass it over.
pub fn restarted(session: &Session, members: &[u32], now: Time, may_go_empty: bool) -> Option<u32> {
    let at = |i: u32| &session.checkpoints[i as usize];
    let has_steps = members.iter().any(|&i| at(i).step.is_some());
    let progress = |c: &Checkpoint| if has_steps { c.step } else { c.epoch };
    // The common case, without a copy: newest first, with times that agree.
    let known = |i: u32| Some((progress(at(i))?, at(i).saved_at.filter(|t| *t <= now)?));
    let agree = |w: &[u32]| match (known(w[0]), known(w[1])) {
        (Some(newer), Some(older)) => newer.0 > older.0 && newer.1 >= older.1,
        _ => false,
    };
    if members.windows(2).all(agree) {
        return None;
    }
    let mut points: Vec<(Step, Time, u32)> =
        members.iter().filter_map(|&i| known(i).map(|(step, time)| (step, time, i))).collect();
    points.sort_unstable_by_key(|p| (p.0, p.1));
    let bytes: u64 = members.iter().fold(0, |sum, &i| sum.saturating_add(at(i).bytes));
    let copying = i64::try_from(bytes.saturating_mul(COPY_NANOS_PER_BYTE)).unwrap_or(i64::MAX);
    let within_a_copy = RESOLUTION.saturating_add(copying);
    if let Some(mixed) = mixed(session, members, now, within_a_copy, may_go_empty) {
        return Some(mixed);
    }

    let times = || points.iter().map(|p| p.1);
    let spread = times().max()?.since(times().min()?);
    if spread <= within_a_copy {
        return None;
    }

    // `latest` is the latest save among strictly lower steps.
    let mut latest: Option<(Time, u32)> = None;
    let mut group = 0;
    for i in 0..points.len() {
        while points[group].0 < points[i].0 {
            let (_, t, index) = points[group];
            if latest.is_none_or(|(best, _)| t > best) {
                latest = Some((t, index));
            }
            group += 1;
        }
        if let Some((t, index)) = latest
            && t.since(points[i].1) > RESOLUTION
        {
            return Some(index);
        }
    }
    None
}

/// The last saved of those that have an epoch only or neither, unless all of them were saved, by more
/// than `within_a_copy`, before all that are ranked above their kind.
fn mixed(
    session: &Session,
    members: &[u32],
    now: Time,
    within_a_copy: i64,
    may_go_empty: bool,
) -> Option<u32> {
    let at = |i: u32| &session.checkpoints[i as usize];
    let time = |i: u32| at(i).saved_at.filter(|t| *t <= now);
    [(Kind::Step, Kind::Epoch), (Kind::Epoch, Kind::Neither)].into_iter().find_map(
        |(kind, lacks)| {
            let above = members.iter().filter(|&&i| Kind::of(at(i)) >= kind);
            let first = above.map(|&i| time(i)).min()?;
            // What is called the last or the best is a copy or protected: it has no place to lose.
            let protects = lacks == Kind::Neither || !may_go_empty;
            let lacks = |i: u32| Kind::of(at(i)) == lacks && !(protects && at(i).is_last_or_best());
            let odd = members.iter().filter(|&&i| lacks(i));
            let last = *odd.max_by_key(|&&i| (time(i).is_none(), time(i), i))?;
            let is_older =
                time(last).zip(first).is_some_and(|(t, first)| first.since(t) > within_a_copy);
            (!is_older).then_some(last)
        },
    )
}

/// What tells a checkpoint's place, the lower the older.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Neither,
    Epoch,
    Step,
}

impl Kind {
    fn of(c: &Checkpoint) -> Kind {
        match (c.step, c.epoch) {
            (Some(_), _) => Kind::Step,
            (None, Some(_)) => Kind::Epoch,
            (None, None) => Kind::Neither,
        }
    }
}

/// What [`restarted`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// Saved later than one with a higher step.
    LowerStep,
    /// The same by epoch: nothing in the session has a step.
    LowerEpoch,
    /// An epoch only, beside others with a step.
    EpochOnly,
    /// Neither step nor epoch, beside others with one.
    Neither,
}

impl Disagreement {
    /// `later` is what [`restarted`] returned for the session.
    pub fn of(session: &Session, later: u32) -> Disagreement {
        let has_steps = || session.checkpoints.iter().any(|c| c.is_seen() && c.step.is_some());
        match session.checkpoints.get(later as usize).map(Kind::of) {
            Some(Kind::Neither) => Disagreement::Neither,
            Some(Kind::Epoch) if has_steps() => Disagreement::EpochOnly,
            Some(Kind::Epoch) => Disagreement::LowerEpoch,
            Some(Kind::Step) | None => Disagreement::LowerStep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Marks;

    fn session(saves: &[(Option<u64>, Option<u64>, i64)], bytes: u64) -> Session {
        let checkpoints = saves
            .iter()
            .enumerate()
            .map(|(i, (step, epoch, secs))| Checkpoint {
                id: i.to_string().into(),
                step: step.map(Step::Whole),
                epoch: epoch.map(Step::Whole),
                saved_at: Some(Time::from_nanos(secs * Time::NANOS_PER_SEC)),
                bytes,
                complete: true,
                ..Checkpoint::default()
            })
            .collect();
        Session { checkpoints, ..Session::default() }
    }

    fn check(saves: &[(Option<u64>, Option<u64>, i64)], bytes: u64) -> Option<u32> {
        let s = session(saves, bytes);
        let members: Vec<u32> = (0..u32::try_from(saves.len()).unwrap()).collect();
        restarted(&s, &members, Time::from_nanos(1_000_000 * Time::NANOS_PER_SEC), false)
    }

    #[test]
    fn restarts() {
        let s = |step, secs| (Some(step), None, secs);
        let e = |epoch, secs| (None, Some(epoch), secs);
        assert_eq!(check(&[s(10, 100), s(20, 200), s(30, 300)], 1), None);
        assert_eq!(check(&[s(30, 300), s(10, 100), s(20, 200)], 1), None, "any order");
        assert_eq!(check(&[s(10, 100), s(20, 200), s(30, 300), s(15, 400)], 1), Some(3));
        assert_eq!(check(&[s(10, 100), s(20, 200), s(20, 900)], 1), None, "an equal step");
        assert_eq!(check(&[e(1, 100), e(2, 200), e(1, 300)], 1), Some(2), "epochs");
        assert_eq!(check(&[s(10, 102), s(20, 101), s(30, 103)], 1), None, "jitter");
        assert_eq!(check(&[s(10, 500), s(20, 501), s(30, 500)], 1), None, "a copy");
        assert_eq!(
            check(&[s(10, 110), s(20, 100), s(30, 105)], 5_000_000_000),
            None,
            "a slow copy"
        );
        assert_eq!(check(&[s(10, 110), s(20, 100), s(30, 105)], 1), Some(0), "too slow for a copy");
        assert_eq!(check(&[s(10, 2_000_000), s(20, 100)], 1), None, "a time in the future");
        assert_eq!(check(&[s(30, 100), s(20, 200), s(10, 300)], 1), Some(2), "newest step first");
        assert_eq!(check(&[s(10, 300), s(20, 200), s(30, 100)], 1), Some(0), "oldest step first");
        assert_eq!(check(&[s(10, 400), s(20, 400), s(30, 100)], 1), Some(0), "the first of equals");
        assert_eq!(check(&[s(10, 102), s(20, 100), s(30, 110)], 1), None, "two seconds");
        assert_eq!(check(&[s(10, 103), s(20, 100), s(30, 110)], 1), Some(0), "three seconds");
        assert_eq!(check(&[s(10, 1), s(20, 0)], 1), None, "one second in all");
        assert_eq!(check(&[s(100, 10), s(200, 20), e(5, 30)], 1), Some(2), "an epoch after steps");
        assert_eq!(check(&[e(1, 15), s(100, 10), e(2, 25), s(200, 20)], 1), Some(2), "interleaved");
        assert_eq!(check(&[e(1, 10), e(2, 20), s(100, 30)], 1), None, "steps after epochs");
        assert_eq!(check(&[e(1, 10), s(100, 12)], 1), Some(0), "times that tell nothing");
        assert_eq!(check(&[e(1, 10), s(100, 12)], 0), Some(0), "to the nanosecond");
        assert_eq!(check(&[e(1, 2_000_000), s(100, 12)], 1), Some(0), "a time in the future");
        assert_eq!(check(&[e(1, 10), e(2, 12), s(100, 20)], 4_000_000_000), Some(1), "a slow copy");
        assert_eq!(check(&[e(1, 10), e(2, 12), s(100, 23)], 1_000_000_000), None, "no copy");
        let n = |secs| (None, None, secs);
        assert_eq!(check(&[s(100, 10), s(200, 20), n(30)], 1), Some(2), "neither, and the last");
        assert_eq!(check(&[s(100, 10), n(15), s(200, 20)], 1), Some(1), "neither, between");
        assert_eq!(check(&[n(10), s(100, 20), s(200, 30)], 1), None, "neither, and the first");
        assert_eq!(check(&[n(10), n(40), s(100, 20)], 1), Some(1), "one of them the last");
        assert_eq!(check(&[n(10), s(100, 12)], 1), Some(0), "neither, times that tell nothing");
        assert_eq!(check(&[n(10), s(100, 20)], 5_000_000_000), Some(0), "neither, a slow copy");
        assert_eq!(check(&[n(2_000_000), s(100, 12)], 1), Some(0), "neither, in the future");
        assert_eq!(check(&[e(1, 10), e(2, 20), n(30)], 1), Some(2), "neither after epochs");
        assert_eq!(check(&[n(5), e(1, 10), s(100, 20)], 1), None, "each kind in its turn");
        assert_eq!(check(&[e(1, 5), n(10), s(100, 20)], 1), Some(1), "neither after an epoch");
        assert_eq!(check(&[n(30), n(10), n(20)], 1), None, "none of them has any");
    }

    #[test]
    fn what_is_called_the_last_or_the_best_makes_no_second_run() {
        let now = Time::from_nanos(1_000_000 * Time::NANOS_PER_SEC);
        let found_if = |may_go_empty, change: &dyn Fn(&mut Checkpoint)| {
            let mut s = session(&[(Some(100), None, 10), (None, None, 30)], 1);
            change(&mut s.checkpoints[1]);
            restarted(&s, &[0, 1], now, may_go_empty)
        };
        let found = |change: &dyn Fn(&mut Checkpoint)| found_if(false, change);
        assert_eq!(found(&|_| {}), Some(1));
        assert_eq!(found(&|c| c.id = "last.pt".into()), None);
        assert_eq!(found(&|c| c.id = "ema/Best_1".into()), None);
        assert_eq!(found(&|c| c.id = "net-last.pt".into()), None);
        assert_eq!(found(&|c| c.id = "net-blast.pt".into()), Some(1));
        assert_eq!(found(&|c| c.marks.set(Marks::LATEST)), None);
        assert_eq!(found(&|c| c.marks.set(Marks::BEST)), None);
        assert_eq!(found(&|c| c.marks.set(Marks::PINNED)), Some(1));
        let epoch = |c: &mut Checkpoint| c.epoch = Some(Step::Whole(2));
        assert_eq!(found(&epoch), Some(1));
        let best = |c: &mut Checkpoint| (c.id, c.epoch) = ("best_ep2".into(), Some(Step::Whole(2)));
        assert_eq!(found(&best), None);
        assert_eq!(found_if(true, &best), Some(1), "its name protects nothing there");
        assert_eq!(found_if(true, &|c| c.id = "last.pt".into()), None, "a copy, most likely");
    }
}
