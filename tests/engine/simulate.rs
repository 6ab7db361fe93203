//! Simulations against a slow replay that shares no code with them, and their laws.

use crate::draws::{limited, sessions};
use crate::support::{DAY, NOW, Root, bare, best, checkpoint, edit, keeps, policy, rule};
use proptest::prelude::*;
use retain::core::decide::decide;
use retain::core::decision::Verdict;
use retain::core::model::{Inventory, Marks, Pointer, Space, Status, Time};
use retain::core::policy::{
    Across, Amount, Cap, MaxDelete, OnExceed, Policy, Quota, Rule, RuleKind, Safety,
};
use retain::core::simulate::{MAX_RUNS, SimulateError, Simulation, simulate};
use std::collections::BTreeSet;

const EVERY: u64 = 86_400;

/// What was deleted, as (run counted from the end, session, checkpoint).
type Gone = BTreeSet<(usize, usize, usize)>;

fn gone(s: &Simulation) -> Gone {
    let last = s.runs.len() - 1;
    s.deletions.iter().map(|d| (last - d.run, d.session, d.checkpoint)).collect()
}

/// Every run from scratch: what was saved by then and is not gone, decided as of then.
fn replay(inventory: &Inventory, policy: &Policy) -> Gone {
    let saved = |s: usize, c: usize| {
        let at = inventory.sessions[s].checkpoints[c].saved_at;
        at.map_or(i64::MIN, Time::nanos).min(NOW.nanos())
    };
    let all: Vec<(usize, usize)> = (0..inventory.sessions.len())
        .flat_map(|s| (0..inventory.sessions[s].checkpoints.len()).map(move |c| (s, c)))
        .collect();
    let known = all.iter().map(|&(s, c)| saved(s, c)).filter(|t| *t > i64::MIN);
    let first = known.min().unwrap_or(NOW.nanos());
    let mut gone: Gone = Gone::new();
    let mut runs = 0;
    let every = EVERY.cast_signed() * Time::NANOS_PER_SEC;
    while NOW.nanos() - (runs + 1) * every >= first {
        runs += 1;
    }
    let times = (0..=runs).map(|back| NOW.nanos() - back * every);
    for (back, at) in times.enumerate().collect::<Vec<_>>().into_iter().rev() {
        let there: Vec<(usize, usize)> = all
            .iter()
            .copied()
            .filter(|&(s, c)| saved(s, c) <= at && !gone.iter().any(|g| (g.1, g.2) == (s, c)))
            .collect();
        let mut seen = Inventory { sessions: Vec::new(), ..inventory.clone() };
        let mut keys = Vec::new();
        for (s, session) in inventory.sessions.iter().enumerate() {
            let mine: Vec<_> = there.iter().filter(|k| k.0 == s).copied().collect();
            // One that a run emptied is no session any more; one that never had any is seen at the end.
            if mine.is_empty() && !(back == 0 && session.checkpoints.is_empty()) {
                continue;
            }
            let mut copy = session.clone();
            let more = (0..session.checkpoints.len()).any(|c| saved(s, c) > at);
            copy.status = if more && back > 0 { Status::Running } else { session.status };
            copy.checkpoints = mine.iter().map(|k| session.checkpoints[k.1].clone()).collect();
            seen.sessions.push(copy);
            keys.push(mine);
        }
        let outcome = decide(&seen, policy, Time::from_nanos(at));
        for (keys, decision) in keys.iter().zip(&outcome.sessions) {
            for (i, &(s, c)) in keys.iter().enumerate() {
                if decision.verdict(i) == Verdict::Delete {
                    gone.insert((back, s, c));
                }
            }
        }
    }
    gone
}

fn run(inventory: &Inventory, policy: &Policy) -> Simulation {
    simulate(inventory, policy, NOW, EVERY).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn it_is_the_slow_replay(inventory in sessions(), policy in limited()) {
        let simulated = run(&inventory, &policy);
        prop_assert_eq!(gone(&simulated), replay(&inventory, &policy));
    }

    /// The last run, by itself, is the plan.
    #[test]
    fn one_run_is_a_plan(inventory in sessions(), policy in limited()) {
        let once = simulate(&inventory, &policy, NOW, 1 << 40).unwrap();
        let outcome = decide(&inventory, &policy, NOW);
        let planned: BTreeSet<_> = outcome.sessions.iter().enumerate()
            .flat_map(|(s, d)| (0..d.len()).filter(|c| d.verdict(*c) == Verdict::Delete).map(move |c| (0, s, c)))
            .collect();
        prop_assert_eq!(gone(&once), planned);
        prop_assert_eq!(once.runs.len(), 1);
    }

    #[test]
    fn nothing_pinned_goes_and_nothing_goes_twice(inventory in sessions(), policy in limited()) {
        let s = run(&inventory, &policy);
        let mut seen = BTreeSet::new();
        for d in &s.deletions {
            let c = &inventory.sessions[d.session].checkpoints[d.checkpoint];
            prop_assert!(!c.marks.has(Marks::PINNED));
            prop_assert!(seen.insert((d.session, d.checkpoint)));
            prop_assert!(c.saved_at.is_none_or(|t| t <= s.runs[d.run].at || t > NOW));
            prop_assert!(!d.reasons.is_empty());
        }
        for r in &s.runs {
            prop_assert!(r.after <= r.before && r.before <= s.peak && s.peak <= s.peak_with_trash);
        }
        let all: usize = inventory.sessions.iter().map(|s| s.checkpoints.len()).sum();
        prop_assert_eq!(s.left.1 + s.deletions.len() as u64, all as u64);
    }

    #[test]
    fn who_keeps_all_loses_nothing(inventory in sessions()) {
        let s = run(&inventory, &keeps(RuleKind::All));
        prop_assert!(s.deletions.is_empty() && s.regrets.is_empty());
        let bytes: u64 = inventory.sessions.iter().flat_map(|s| &s.checkpoints).map(|c| c.bytes).sum();
        prop_assert_eq!((s.peak, s.left.0), (bytes, bytes));
    }

    /// Along a run that only goes forwards, a greater number never loses more, and what is best at
    /// the end was best when it came.
    #[test]
    fn more_is_never_less(losses in prop::collection::vec(0..9_u8, 1..20), n in 1..4_u32) {
        let values: Vec<_> = losses.iter().map(|l| Some(f64::from(*l))).collect();
        let root = Root::new().session("o/d/1", crate::support::steps(losses.len() as u64)).metric("loss", &values);
        let lost = |policy: &Policy| -> BTreeSet<usize> {
            run(&root.0, policy).deletions.iter().map(|d| d.checkpoint).collect()
        };
        let last = |n| lost(&keeps(RuleKind::Last(n)));
        prop_assert!(last(n + 1).is_subset(&last(n)));
        let of = |n| keeps(RuleKind::Best(best(n, &["loss"])));
        prop_assert!(lost(&of(n + 1)).is_subset(&lost(&of(n))));
        prop_assert!(run(&root.0, &of(n)).regrets.is_empty());
    }
}

/// One checkpoint a day, the newest saved a day ago.
fn daily(losses: &[f64]) -> Root {
    let count = losses.len() as u64;
    let saved = |i: u64| (count - i).cast_signed() * DAY + DAY;
    let list = (1..=count).map(|i| checkpoint(&i.to_string(), Some(i), saved(i))).collect();
    let values: Vec<_> = losses.iter().copied().map(Some).collect();
    Root::new().session("o/d/1", list).metric("loss", &values)
}

#[test]
fn a_limit_that_takes_the_best_is_regretted() {
    let root = daily(&[0.1, 0.9, 0.8, 0.7, 0.6]);
    let rules = vec![rule(RuleKind::Last(1)), rule(RuleKind::Best(best(1, &["loss"])))];
    let limited = edit(policy(rules), |p| p.limit.max_count = Some(1));
    let s = run(&root.0, &limited);
    assert_eq!(s.deletions.len(), 4);
    assert_eq!(s.regrets.len(), 1);
    let regret = s.regrets[0];
    assert_eq!((s.deletions[regret.deletion].checkpoint, regret.rank), (0, 1));
    assert_eq!(s.runs[s.deletions[regret.deletion].run].deleted, 1);
    // Each run finds the one that is left and a new one.
    assert_eq!((s.peak, s.steady, s.left), (200, 100, (100, 1)));
    // A day and a night: grace is 20 hours, so each night purges what the night before took.
    assert_eq!(s.peak_with_trash, 300);
}

#[test]
fn pointers_protect_only_at_the_end() {
    let mut root = daily(&[0.1, 0.2, 0.3]);
    root.last().checkpoints[0].extra_mut().pointers =
        vec![retain::core::model::Pointer { name: "best".into(), external: false }];
    let s = run(&root.0, &keeps(RuleKind::Last(1)));
    assert_eq!(s.deletions.iter().map(|d| d.checkpoint).collect::<Vec<_>>(), [0, 1]);
    let once = simulate(&root.0, &keeps(RuleKind::Last(1)), NOW, 1 << 40).unwrap();
    assert_eq!(once.deletions.iter().map(|d| d.checkpoint).collect::<Vec<_>>(), [1]);
}

/// `model_best.pth.tar` has no step of its own; else it would make every run keep all.
#[test]
fn what_is_called_the_best_was_so_from_the_start() {
    let mut root = daily(&[0.1, 0.2, 0.3]);
    let going = |root: &Root| {
        let s = run(&root.0, &keeps(RuleKind::Last(1)));
        s.deletions.iter().map(|d| (d.run, d.checkpoint)).collect::<Vec<_>>()
    };
    let before = going(&root);
    let mut copy = checkpoint("model_best", None, 3 * DAY);
    copy.marks.set(Marks::BEST);
    root.last().checkpoints.push(copy);
    assert_eq!(going(&root), before);
    assert_eq!(before.len(), 2);
}

/// What named them by then nobody knows, whether they have numbers or not.
#[test]
fn a_pointer_protects_at_the_end_alone() {
    for numbered in [true, false] {
        let mut root = daily(&[0.1, 0.2, 0.3, 0.4]);
        for c in &mut root.last().checkpoints {
            c.step = c.step.filter(|_| numbered);
        }
        let named = &mut root.last().checkpoints[1];
        named.marks.set(Marks::LATEST);
        let pointer = Pointer { name: "latest".into(), external: false };
        named.extra_mut().pointers = vec![pointer];
        let s = run(&root.0, &keeps(RuleKind::Last(1)));
        let went: Vec<_> = s.deletions.iter().map(|d| d.checkpoint).collect();
        assert_eq!(went, [0, 1, 2], "{numbered}");
    }
}

#[test]
fn the_brake_stops_a_simulated_run_too() {
    let root = daily(&[0.1, 0.2, 0.3]);
    let mut braked = keeps(RuleKind::Last(1));
    braked.safety.max_delete = Some(MaxDelete::Count(0));
    let s = run(&root.0, &braked);
    assert!(s.deletions.is_empty() && s.runs.iter().any(|r| r.braked));
}

type Brake = fn(&mut Safety);

/// A brake is held against what is there at its run, not at the end.
#[test]
fn a_simulated_brake_is_a_part_of_what_was_there_then() {
    // From the second run on there are two of 100 bytes, and one goes.
    let root = daily(&[0.1, 0.2, 0.3]);
    let brakes: [(Brake, bool); 6] = [
        (|s| s.max_delete = Some(MaxDelete::Percent(49.0)), true),
        (|s| s.max_delete = Some(MaxDelete::Percent(50.0)), false),
        (|s| s.max_delete_bytes = Some(Amount::Bytes(99)), true),
        (|s| s.max_delete_bytes = Some(Amount::Bytes(100)), false),
        (|s| s.max_delete_bytes = Some(Amount::Percent(49.0)), true),
        (|s| s.max_delete_bytes = Some(Amount::Percent(50.0)), false),
    ];
    for (n, (brake, stops)) in brakes.into_iter().enumerate() {
        let mut braked = keeps(RuleKind::Last(1));
        brake(&mut braked.safety);
        let s = run(&root.0, &braked);
        assert_eq!(s.runs[1].braked, stops, "{n}");
        assert_eq!(s.runs[1].deleted, u64::from(!stops), "{n}");
    }
}

#[test]
fn what_is_typical_is_the_median_of_the_later_half() {
    let s = run(&daily(&[0.1; 6]).0, &keeps(RuleKind::All));
    let after: Vec<u64> = s.runs.iter().map(|r| r.after).collect();
    assert_eq!(after, [100, 200, 300, 400, 500, 600, 600]);
    assert_eq!((s.steady, s.undated), (600, 0));
}

#[test]
fn checkpoints_without_any_time_are_counted() {
    let mut root = daily(&[0.1, 0.2, 0.3, 0.4]);
    for c in &mut root.last().checkpoints[..2] {
        c.saved_at = None;
    }
    root.last().checkpoints[2].last_write = root.last().checkpoints[2].saved_at.take();
    assert_eq!(run(&root.0, &keeps(RuleKind::All)).undated, 2);
}

/// The free space of an earlier run is that of the end and what was not there yet.
#[test]
fn an_earlier_run_had_the_room_of_what_came_later() {
    let mut root = daily(&[0.1; 5]);
    root.0.space = Some(Space { total: 1000, free: 0, trash: 0 });
    let mut roomy = policy(Vec::new());
    let cap = Cap::MinFree { min: Amount::Bytes(200), low: Amount::Bytes(200) };
    let (name, on_exceed) = ("room".into(), OnExceed::Evict);
    roomy.quotas.push(Quota { name, cap, on_exceed, evict_unreachable: false });
    let s = run(&root.0, &roomy);
    let gone: Vec<_> = s.deletions.iter().map(|d| (d.run, d.checkpoint)).collect();
    assert_eq!(gone, [(3, 0), (4, 1)]);
    assert_eq!((s.peak, s.left), (400, (300, 3)));
}

/// A session that a run emptied is no session any more: it has no say in what a group goes by.
#[test]
fn a_session_that_was_emptied_is_not_seen_again() {
    let last = bare(vec![Rule { across: Across::Folder, ..rule(RuleKind::Last(1)) }]);
    // The newer one comes at a run between, or at the last.
    for age in [3 * DAY, DAY / 2] {
        let list = vec![checkpoint("old", Some(12), 5 * DAY), checkpoint("new", None, age)];
        let mut root = Root::new().session("o/d/1", list);
        root.last().layout = Some("nsml".into());
        let root = root.session("o/d/2", vec![checkpoint("x", None, 6 * DAY)]);
        let s = run(&root.0, &last);
        let gone: Vec<_> = s.deletions.iter().map(|d| (d.session, d.checkpoint)).collect();
        assert_eq!(gone, [(1, 0), (0, 0)], "{age}");
    }
}

#[test]
fn an_interval_must_be_sensible() {
    let root = daily(&[0.1, 0.2]);
    let of = |every| simulate(&root.0, &keeps(RuleKind::All), NOW, every);
    assert_eq!(of(0), Err(SimulateError::NoInterval));
    assert_eq!(of(1), Err(SimulateError::TooManyRuns(2 * DAY + 1)));
    assert!(2 * DAY > MAX_RUNS && of(60).is_ok());
    let empty = simulate(&Inventory::default(), &keeps(RuleKind::All), NOW, EVERY).unwrap();
    assert_eq!((empty.runs.len(), empty.peak), (1, 0));
}
