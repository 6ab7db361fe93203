//! Laws that hold for every policy and every inventory, and slow oracles that share no code with
//! the engine.

use crate::draws::{limited, ruled, sessions, value};
use crate::support::{NOW, Root, bare};
use proptest::prelude::*;
use retain::core::calendar::Period;
use retain::core::decide::decide;
use retain::core::decision::{Limited, Notice, Reason, Verdict};
use retain::core::model::{Checkpoint, Inventory, Marks, Step, Time};
use retain::core::policy::{
    Across, Best, Bucket, Direction, Missing, Policy, Restarted, Rule, RuleKind, Ties,
};
use std::collections::{BTreeMap, BTreeSet};

/// Verdict and reasons by (session, id).
type Decided = BTreeMap<(String, String), (Verdict, Vec<String>)>;

fn run(inventory: &Inventory, policy: &Policy) -> Decided {
    let outcome = decide(inventory, policy, NOW);
    let mut decided = Decided::new();
    for (session, decision) in inventory.sessions.iter().zip(&outcome.sessions) {
        assert_eq!(session.checkpoints.len(), decision.len());
        for (i, c) in session.checkpoints.iter().enumerate() {
            let reasons = decision.reasons(i).iter().map(|r| format!("{r:?}")).collect();
            let key = (session.name.to_string(), c.id.to_string());
            assert!(decided.insert(key, (decision.verdict(i), reasons)).is_none());
        }
    }
    decided
}

fn deleted(inventory: &Inventory, policy: &Policy) -> BTreeSet<(String, String)> {
    let gone = run(inventory, policy).into_iter().filter(|(_, (v, _))| *v == Verdict::Delete);
    gone.map(|(key, _)| key).collect()
}

/// A copy without the checkpoints that `drop` names.
fn without(inventory: &Inventory, drop: impl Fn(&str, &str) -> bool) -> Inventory {
    let mut copy = inventory.clone();
    for session in &mut copy.sessions {
        let name = session.name.clone();
        session.checkpoints.retain(|c| !drop(&name, &c.id));
    }
    copy
}

fn hard(policy: &Policy, reason: &Reason) -> bool {
    retain::core::explain::rule_of(reason)
        .is_some_and(|rule| policy.policies[0].keep[usize::from(rule)].hard)
}

fn some_key(inventory: &Inventory, pick: prop::sample::Index) -> Option<(String, String)> {
    let keys: Vec<_> = inventory
        .sessions
        .iter()
        .flat_map(|s| s.checkpoints.iter().map(|c| (s.name.to_string(), c.id.to_string())))
        .collect();
    (!keys.is_empty()).then(|| pick.get(&keys).clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_checkpoints_and_sessions_decides_nothing(
        inventory in sessions(), policy in ruled(), seed in any::<u64>(),
    ) {
        let mut shuffled = inventory.clone();
        let mut x = seed | 1;
        let mut next = |n: usize| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(x >> 33).unwrap() % n.max(1)
        };
        for session in &mut shuffled.sessions {
            for i in (1..session.checkpoints.len()).rev() {
                session.checkpoints.swap(i, next(i + 1));
            }
        }
        for i in (1..shuffled.sessions.len()).rev() {
            shuffled.sessions.swap(i, next(i + 1));
        }
        let verdicts = |i: &Inventory| -> BTreeMap<_, _> {
            run(i, &policy).into_iter().map(|(k, (v, _))| (k, v)).collect()
        };
        prop_assert_eq!(verdicts(&inventory), verdicts(&shuffled));
    }

    #[test]
    fn the_zone_matters_to_buckets_only(inventory in sessions(), mut policy in ruled()) {
        policy.policies[0].keep.retain(|r| !matches!(r.kind, RuleKind::Bucket(_)));
        let utc = run(&inventory, &policy);
        policy.policies[0].timezone = chrono_tz::Pacific::Kiritimati;
        prop_assert_eq!(utc, run(&inventory, &policy));
    }

    #[test]
    fn a_pin_removes_no_other(inventory in sessions(), policy in ruled(), pick in any::<prop::sample::Index>()) {
        if let Some(key) = some_key(&inventory, pick) {
            let mut pinned = inventory.clone();
            for session in pinned.sessions.iter_mut().filter(|s| *s.name == *key.0) {
                for c in session.checkpoints.iter_mut().filter(|c| *c.id == *key.1) {
                    c.marks.set(Marks::PINNED);
                }
            }
            let after = deleted(&pinned, &policy);
            prop_assert!(!after.contains(&key));
            prop_assert!(after.is_subset(&deleted(&inventory, &policy)));
        }
    }

    #[test]
    fn raising_n_never_removes(inventory in sessions(), policy in ruled(), more in 1..4_u32) {
        let mut raised = policy.clone();
        for rule in &mut raised.policies[0].keep {
            match &mut rule.kind {
                RuleKind::Last(n) | RuleKind::First(n) => *n += more,
                RuleKind::Best(b) => b.n += more,
                RuleKind::Bucket(b) => b.n += more,
                _ => {}
            }
        }
        raised.policies[0].min_keep += more;
        prop_assert!(deleted(&inventory, &raised).is_subset(&deleted(&inventory, &policy)));
    }

    #[test]
    fn not_seeing_one_deletes_no_other(
        inventory in sessions(), policy in ruled(), pick in any::<prop::sample::Index>(),
    ) {
        if let Some(key) = some_key(&inventory, pick) {
            let mut before = deleted(&inventory, &policy);
            before.remove(&key);
            let blind = without(&inventory, |s, id| s == key.0 && id == key.1);
            let after = deleted(&blind, &policy);
            // A running session's next newest takes over its protection, which only keeps more.
            prop_assert!(after.is_subset(&before), "{:?} but not {:?}", after, before);
        }
    }

    #[test]
    fn planning_again_after_applying_deletes_nothing_more(inventory in sessions(), policy in limited()) {
        let gone = deleted(&inventory, &policy);
        let left = without(&inventory, |s, id| gone.contains(&(s.to_owned(), id.to_owned())));
        let again = deleted(&left, &policy);
        prop_assert!(again.is_empty(), "first {:?}, then {:?}", gone, again);
    }

    #[test]
    fn a_nan_changes_no_other_decision_of_best(
        inventory in sessions(), missing in prop_oneof![Just(Missing::Keep), Just(Missing::Drop)],
        pick in any::<prop::sample::Index>(), n in 1..4_u32,
    ) {
        let best = Best {
            n, direction: Direction::Min, metrics: vec!["loss".into()], missing, ties: Ties::Newest,
        };
        let policy = bare(vec![Rule { kind: RuleKind::Best(best), hard: false, across: Across::Session }]);
        let loss = inventory.names.get("loss").unwrap();
        if let Some(key) = some_key(&inventory, pick) {
            let mut changed = inventory.clone();
            let session = changed.sessions.iter_mut().find(|s| *s.name == *key.0).unwrap();
            let c = session.checkpoints.iter_mut().find(|c| *c.id == *key.1).unwrap();
            // From no value to NaN: neither is a number.
            if c.finite_metric(loss).is_none() {
                c.metrics = c.metrics.iter().filter(|m| m.0 != loss).chain([(loss, f64::NAN)]).collect();
                prop_assert_eq!(deleted(&inventory, &policy), deleted(&changed, &policy));
            }
        }
    }

    #[test]
    fn a_limit_is_met_or_said_to_be_unreachable(inventory in sessions(), mut policy in limited()) {
        policy.quotas.clear();
        let outcome = decide(&inventory, &policy, NOW);
        let limit = &policy.policies[0].limit;
        for (s, (session, decision)) in inventory.sessions.iter().zip(&outcome.sessions).enumerate() {
            let kept = || session.checkpoints.iter().enumerate().filter(|(i, _)| decision.verdict(*i) == Verdict::Keep);
            let said = |what| outcome.notices.iter().any(|n| matches!(
                n, Notice::LimitUnreachable { session, what: w, .. } if *session as usize == s && *w == what
            ));
            if let Some(max) = limit.max_bytes {
                let used: u64 = kept().map(|(_, c)| c.bytes).sum();
                prop_assert_eq!(used > max, said(Limited::Bytes));
            }
            if let Some(max) = limit.max_count {
                prop_assert_eq!(kept().count() > max as usize, said(Limited::Count));
            }
            if let Some(span) = limit.max_age {
                // Only what something stronger keeps may be older, and that is no fault.
                for (i, _) in kept().filter(|(_, c)| c.saved_at.is_some_and(|t| t < span.before(NOW))) {
                    let stronger = |r: &Reason| r.is_protection() || hard(&policy, r);
                    prop_assert!(decision.reasons(i).iter().any(stronger));
                }
            }
        }
    }

    #[test]
    fn every_checkpoint_has_one_verdict_and_a_reason(inventory in sessions(), policy in limited()) {
        let decided = run(&inventory, &policy);
        let total: usize = inventory.sessions.iter().map(|s| s.checkpoints.len()).sum();
        prop_assert_eq!(decided.len(), total);
        let rules = policy.policies[0].keep.len();
        for (verdict, reasons) in decided.values() {
            prop_assert!(!reasons.is_empty() || (*verdict == Verdict::Delete && rules == 0));
            let misses = reasons.iter().filter(|r| r.starts_with("Missed")).count();
            let evicts = reasons.iter().filter(|r| r.starts_with("Evicted") || r.starts_with("Discarded")).count();
            match verdict {
                Verdict::Keep => prop_assert_eq!(misses + evicts, 0),
                Verdict::Delete if evicts == 0 => prop_assert_eq!(misses, rules),
                Verdict::Delete => prop_assert_eq!(evicts, 1),
                Verdict::Untouched => prop_assert!(false),
            }
        }
    }

    #[test]
    fn every_session_keeps_min_keep_and_whatever_is_pinned(inventory in sessions(), mut policy in limited()) {
        policy.policies[0].session_may_go_empty = false;
        let min = policy.policies[0].min_keep.max(1) as usize;
        let gone = deleted(&inventory, &policy);
        for session in &inventory.sessions {
            let stays = |c: &&Checkpoint| !gone.contains(&(session.name.to_string(), c.id.to_string()));
            let complete = session.checkpoints.iter().filter(|c| c.complete);
            prop_assert!(complete.clone().filter(stays).count() >= min.min(complete.count()));
            prop_assert!(session.checkpoints.iter().filter(|c| c.marks.has(Marks::PINNED)).all(|c| stays(&c)));
        }
    }

    #[test]
    fn a_tainted_session_loses_nothing(mut inventory in sessions(), policy in limited()) {
        inventory.sessions[0].tainted.push("it could not be read".into());
        let name = inventory.sessions[0].name.to_string();
        prop_assert!(deleted(&inventory, &policy).iter().all(|(s, _)| *s != name));
    }

    #[test]
    fn witnesses_are_kept(inventory in sessions(), policy in limited()) {
        let outcome = decide(&inventory, &policy, NOW);
        for (s, witnesses) in outcome.witnesses.iter().enumerate() {
            let loses = (0..outcome.sessions[s].len()).any(|i| outcome.sessions[s].verdict(i) == Verdict::Delete);
            prop_assert!(loses || witnesses.is_empty());
            for &(s, c) in witnesses {
                prop_assert_eq!(outcome.sessions[s as usize].verdict(c as usize), Verdict::Keep);
            }
        }
    }

    /// I5: unless the policy says what newness goes by, the last save stays, whatever it is called.
    #[test]
    fn what_was_clearly_saved_last_is_never_deleted(mut inventory in sessions(), mut policy in limited()) {
        let p = &mut policy.policies[0];
        (p.restarted, p.min_keep, p.session_may_go_empty) = (Restarted::Keep, p.min_keep.max(1), false);
        for session in &mut inventory.sessions {
            for (i, c) in (0..).zip(&mut session.checkpoints) {
                // Steps that differ, and times that are known and tell more than a copy's do.
                if let Some(Step::Whole(step)) = &mut c.step {
                    *step = *step * 100 + i;
                }
                c.saved_at = c.saved_at.filter(|t| *t < NOW).or(Some(Time::from_nanos(i.cast_signed())));
            }
        }
        let gone = deleted(&inventory, &policy);
        for session in &inventory.sessions {
            let mut saves: Vec<_> = session.checkpoints.iter().filter(|c| c.complete).collect();
            saves.sort_by_key(|c| c.saved_at);
            let Some((last, before)) = saves.split_last() else { continue };
            let gap = before.last().map(|c| last.saved_at.unwrap().since(c.saved_at.unwrap()));
            if gap.is_none_or(|gap| gap > 3 * Time::NANOS_PER_SEC) {
                prop_assert!(!gone.contains(&(session.name.to_string(), last.id.to_string())));
            }
        }
    }

    /// Needs as drawn, by position; the limit is met by what stays, less what is needed only by what
    /// goes, and was not before the last one went.
    #[test]
    fn a_limit_takes_no_more_than_it_has_to_also_among_bases(
        needs in prop::collection::vec((0..8_usize, 0..8_usize), 0..8), count in 1..9_usize, max in 0..9_u32,
    ) {
        let mut root = Root::new().session("o/d/1", crate::support::steps(count as u64));
        let needs: BTreeSet<_> =
            needs.into_iter().map(|(a, b)| (a % count, b % count)).filter(|(a, b)| a != b).collect();
        for (dependant, base) in &needs {
            let id = (base + 1).to_string().into();
            root.last().checkpoints[*dependant].extra_mut().needs.push(id);
        }
        let mut policy = bare(Vec::new());
        policy.policies[0].limit.max_count = Some(max);
        let outcome = decide(&root.0, &policy, NOW);
        let decision = &outcome.sessions[0];
        let mut going: Vec<usize> = (0..count).filter(|i| decision.verdict(*i) == Verdict::Delete).collect();
        prop_assert!(needs.iter().all(|(_, base)| !going.contains(base)));
        going.sort_by_key(|i| match decision.reasons(*i)[0] {
            Reason::EvictedByCount { order, .. } => order,
            other => panic!("{other:?}"),
        });
        let counted = |gone: &[usize]| {
            let mut out: BTreeSet<usize> = gone.iter().copied().collect();
            loop {
                let free = |base: &usize| {
                    let mut by = needs.iter().filter(|n| n.1 == *base).peekable();
                    by.peek().is_some() && by.all(|n| out.contains(&n.0))
                };
                let more: Vec<usize> = (0..count).filter(|b| !out.contains(b)).filter(free).collect();
                if more.is_empty() {
                    return count - out.len();
                }
                out.extend(more);
            }
        };
        prop_assert_eq!(outcome.notices.is_empty(), counted(&going) <= max as usize);
        if let Some((_, before)) = going.split_last() {
            prop_assert!(counted(before) > max as usize);
        }
    }

    /// An oracle by counting: kept if fewer than N are strictly better placed.
    #[test]
    fn best_against_an_oracle(
        values in prop::collection::vec(value(), 1..16), n in 1..5_u32, max in any::<bool>(), ties in 0..3_u8,
    ) {
        let (direction, ties) = (
            if max { Direction::Max } else { Direction::Min },
            [Ties::Newest, Ties::Oldest, Ties::All][usize::from(ties)],
        );
        let best = Best { n, direction, metrics: vec!["loss".into()], missing: Missing::Drop, ties };
        let policy = bare(vec![Rule { kind: RuleKind::Best(best), hard: false, across: Across::Session }]);
        let count = values.len() as u64;
        let root = Root::new().session("o/d/1", crate::support::steps(count)).metric("loss", &values);
        let finite = |i: usize| values[i].filter(|v| v.is_finite());
        let expected: Vec<String> = (0..values.len())
            .filter(|&i| {
                if (0..values.len()).all(|j| finite(j).is_none()) {
                    return true;
                }
                let Some(v) = finite(i) else { return false };
                let ahead = (0..values.len())
                    .filter(|&j| finite(j).is_some_and(|w| {
                        let better = if max { w > v } else { w < v };
                        let tie = w == v && match ties {
                            Ties::Newest => j > i,
                            Ties::Oldest => j < i,
                            Ties::All => false,
                        };
                        better || tie
                    }))
                    .count();
                ahead < n as usize
            })
            .map(|i| (i + 1).to_string())
            .collect();
        prop_assert_eq!(root.kept(&policy), expected.join(" "));
    }

    /// An oracle by text: the period is what a formatted date says it is.
    #[test]
    fn buckets_against_an_oracle(
        ages in prop::collection::vec(0..60_000_000_i64, 1..20), n in 1..6_u32, which in 0..5_usize,
        zone in prop::sample::select(vec![chrono_tz::UTC, chrono_tz::Asia::Seoul, chrono_tz::Asia::Kathmandu]),
    ) {
        let period = Period::ALL[which];
        let format = ["%Y-%m-%d %H", "%Y-%m-%d", "%G-%V", "%Y-%m", "%Y"][which];
        let mut ages = ages;
        ages.sort_unstable();
        ages.dedup();
        let checkpoints: Vec<Checkpoint> =
            ages.iter().map(|a| crate::support::checkpoint(&format!("a{a}"), None, *a)).collect();
        let mut policy = bare(vec![Rule {
            kind: RuleKind::Bucket(Bucket { period, n, oldest: false, within: None }),
            hard: false,
            across: Across::Session,
        }]);
        policy.policies[0].timezone = zone;
        let mut seen: Vec<String> = Vec::new();
        let mut expected = Vec::new();
        for c in &checkpoints {
            // Newest first.
            let label = c.saved_at.unwrap().to_chrono().with_timezone(&zone).format(format).to_string();
            if !seen.contains(&label) && seen.len() < n as usize {
                seen.push(label);
                expected.push(c.id.to_string());
            }
        }
        let root = Root::new().session("o/d/1", checkpoints);
        prop_assert_eq!(root.kept(&policy), expected.join(" "));
    }

    #[test]
    fn what_shares_a_finer_period_shares_the_coarser(
        a in 0..400_000_000_i64, gap in 0..4_000_i64,
        zone in prop::sample::select(vec![chrono_tz::UTC, chrono_tz::Asia::Kathmandu, chrono_tz::America::New_York]),
    ) {
        let (s, t) = (Time::from_nanos((1_500_000_000 + a) * 1_000_000_000), Time::from_nanos((1_500_000_000 + a + gap) * 1_000_000_000));
        let same = |p: Period| p.index(s, zone) == p.index(t, zone);
        for (finer, coarser) in [
            (Period::Hour, Period::Day), (Period::Day, Period::Week), (Period::Day, Period::Month), (Period::Month, Period::Year),
        ] {
            prop_assert!(!same(finer) || same(coarser), "{finer:?} {coarser:?}");
        }
        for p in Period::ALL {
            prop_assert!(p.index(s, zone) <= p.index(t, zone));
        }
    }
}

#[test]
fn laws_draw_deletions_at_all() {
    // The laws above would hold for an engine that never deletes; this shows that it does.
    let policy = bare(vec![Rule { kind: RuleKind::Last(1), hard: false, across: Across::Session }]);
    let root = Root::new().session("o/d/1", crate::support::steps(4));
    assert_eq!(deleted(&root.0, &policy).len(), 3);
    let outcome = decide(&root.0, &policy, NOW);
    assert!(matches!(outcome.sessions[0].reasons(0)[0], Reason::MissedRank { rank: 4, of: 1, .. }));
}
