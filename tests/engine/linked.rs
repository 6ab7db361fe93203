//! Limits and quotas where files have several links: they stop as soon as what stays is at or below,
//! wherever the other links lie.

use crate::draws::{limited, sessions};
use crate::support::{DAY, NOW, Root, checkpoint, edit, policy, rule, steps};
use proptest::prelude::*;
use proptest::sample::Index;
use retain::core::calendar::Span;
use retain::core::decide::decide;
use retain::core::decision::{Blockers, Limited, Notice, Outcome, Reason, Verdict};
use retain::core::model::{Checkpoint, Inventory, Marks, SharedFile, Space};
use retain::core::policy::{Amount, Cap, OnExceed, Per, Policy, Quota, RuleKind};
use retain::core::usage::quotas;
use std::collections::{BTreeMap, BTreeSet};

/// (session, checkpoint)
type Set = BTreeSet<(usize, usize)>;

fn link(c: &mut Checkpoint, inode: u64, bytes: u64, links: u32) {
    if c.shared().iter().all(|f| f.inode != inode) {
        c.bytes += bytes;
    }
    c.extra_mut().shared.push(SharedFile { inode, bytes, apparent: bytes, links });
}

/// Files with links from some of the checkpoints and so many from elsewhere.
fn linked() -> impl Strategy<Value = Inventory> {
    let file = (prop::collection::vec(any::<Index>(), 1..5), 1..400_u64, 0..3_u32);
    (sessions(), prop::collection::vec(file, 0..8)).prop_map(|(mut inventory, files)| {
        let places: Vec<(usize, usize)> = everything(&inventory).into_iter().collect();
        for (inode, (links, bytes, elsewhere)) in (1..).zip(files) {
            if places.is_empty() {
                break;
            }
            let count = u32::try_from(links.len()).unwrap() + elsewhere;
            for at in links {
                let (s, c) = *at.get(&places);
                link(&mut inventory.sessions[s].checkpoints[c], inode, bytes, count);
            }
        }
        inventory
    })
}

fn everything(inventory: &Inventory) -> Set {
    let sessions = inventory.sessions.iter().enumerate();
    sessions.flat_map(|(s, x)| (0..x.checkpoints.len()).map(move |c| (s, c))).collect()
}

/// What these hold, each file once; and how many links of which files they have.
fn weighed(inventory: &Inventory, set: &Set) -> (u64, BTreeMap<u64, (u64, u32, u32)>) {
    let mut files: BTreeMap<u64, (u64, u32, u32)> = BTreeMap::new();
    let mut private = 0;
    for &(s, c) in set {
        let c = &inventory.sessions[s].checkpoints[c];
        let own: BTreeMap<u64, u64> = c.shared().iter().map(|f| (f.inode, f.bytes)).collect();
        private += c.bytes - own.values().sum::<u64>();
        for f in c.shared() {
            files.entry(f.inode).or_insert((f.bytes, f.links, 0)).2 += 1;
        }
    }
    (private, files)
}

fn held(inventory: &Inventory, set: &Set) -> u64 {
    let (private, files) = weighed(inventory, set);
    private + files.values().map(|f| f.0).sum::<u64>()
}

/// What the disk gets back if all of these are gone.
fn freed(inventory: &Inventory, set: &Set) -> u64 {
    let (private, files) = weighed(inventory, set);
    private + files.values().filter(|f| f.2 >= f.1).map(|f| f.0).sum::<u64>()
}

fn kept(inventory: &Inventory, outcome: &Outcome) -> Set {
    let stays = |&(s, c): &(usize, usize)| outcome.sessions[s].verdict(c) != Verdict::Delete;
    everything(inventory).into_iter().filter(stays).collect()
}

/// What was evicted for a reason that `of` knows, in order, with what was left at that moment.
fn evicted(
    inventory: &Inventory,
    outcome: &Outcome,
    of: impl Fn(&Reason) -> Option<(u32, u64)>,
) -> Vec<((usize, usize), u64)> {
    let all = everything(inventory);
    let why = |&(s, c): &(usize, usize)| outcome.sessions[s].reasons(c).iter().find_map(&of);
    let mut list: Vec<_> = all.iter().filter_map(|at| why(at).map(|why| (why, *at))).collect();
    list.sort_unstable();
    list.into_iter().map(|((_, left), at)| (at, left)).collect()
}

fn sum(blockers: Blockers) -> u64 {
    blockers.protected + blockers.min_keep + blockers.hard + blockers.untouched
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_limit_stops_as_soon_as_what_stays_is_at_or_below(inventory in linked(), mut policy in limited()) {
        policy.quotas.clear();
        let Some(max) = policy.policies[0].limit.max_bytes else { return Ok(()) };
        let outcome = decide(&inventory, &policy, NOW);
        for s in 0..inventory.sessions.len() {
            let gone = evicted(&inventory, &outcome, |r| match *r {
                Reason::EvictedByBytes { order, left } => Some((order, left)),
                _ => None,
            });
            let mut set: Set = kept(&inventory, &outcome).into_iter().filter(|at| at.0 == s).collect();
            let end = held(&inventory, &set);
            for &(at, left) in gone.iter().rev().filter(|(at, _)| at.0 == s) {
                set.insert(at);
                prop_assert_eq!(left, held(&inventory, &set));
                prop_assert!(left > max);
            }
            let said = outcome.notices.iter().find_map(|n| match *n {
                Notice::LimitUnreachable { session, what: Limited::Bytes, excess, blockers }
                    if session as usize == s => Some((excess, sum(blockers))),
                _ => None,
            });
            prop_assert_eq!(said, (end > max).then(|| (end - max, end)));
        }
    }

    #[test]
    fn a_quota_stops_as_soon_as_what_stays_is_at_or_below(inventory in linked(), policy in limited()) {
        let outcome = decide(&inventory, &policy, NOW);
        let mut set = kept(&inventory, &outcome);
        // The last quota saw the least.
        for (index, quota) in (0_u16..).zip(&policy.quotas).collect::<Vec<_>>().into_iter().rev() {
            let Cap::MaxBytes { per, max, low } = quota.cap else { unreachable!() };
            let gone = evicted(&inventory, &outcome, |r| match *r {
                Reason::EvictedByQuota { quota, order, left } if quota == index => Some((order, left)),
                _ => None,
            });
            let groups: BTreeSet<&str> = match per {
                Per::Owner => inventory.sessions.iter().map(|s| &*s.owner).collect(),
                Per::Root => [""].into(),
            };
            for group in groups {
                let of = |s: usize| per == Per::Root || *inventory.sessions[s].owner == *group;
                let mut mine: Set = set.iter().copied().filter(|at| of(at.0)).collect();
                let end = held(&inventory, &mine);
                for &(at, left) in gone.iter().rev().filter(|(at, _)| of(at.0)) {
                    mine.insert(at);
                    prop_assert_eq!(left, held(&inventory, &mine));
                    prop_assert!(left > low);
                }
                let began = held(&inventory, &mine);
                prop_assert!(began > max || began == end, "{began} of {max}");
                let said = outcome.notices.iter().find_map(|n| match n {
                    Notice::QuotaUnreachable { quota, group: g, excess, blockers, .. }
                        if *quota == index && **g == *group => Some((true, *excess, sum(*blockers))),
                    Notice::LowUnreachable { quota, group: g, excess, blockers, .. }
                        if *quota == index && **g == *group => Some((false, *excess, sum(*blockers))),
                    _ => None,
                });
                let expected = if began <= max || end <= low {
                    None
                } else {
                    Some((end > max, if end > max { end - max } else { end - low }, end))
                };
                prop_assert_eq!(said, expected);
            }
            set.extend(gone.iter().map(|(at, _)| *at));
        }
        // What is told of the quotas is the same.
        let stays = kept(&inventory, &outcome);
        for told in quotas(&inventory, &policy, &outcome) {
            let of = |s: usize| told.owner.as_deref().is_none_or(|o| *inventory.sessions[s].owner == *o);
            let mine: Set = stays.iter().copied().filter(|at| of(at.0)).collect();
            prop_assert_eq!(told.after, held(&inventory, &mine));
        }
    }

    /// What the disk really gets back counts, links that the rules take along included.
    #[test]
    fn a_min_free_stops_as_soon_as_enough_is_free(
        inventory in linked(), mut policy in limited(), free in 0..1000_u64, min in 0..2500_u64,
        more in 0..1000_u64, anyway in any::<bool>(),
    ) {
        let mut inventory = inventory;
        inventory.space = Some(Space { total: 10_000, free, trash: 0 });
        let low = min + more;
        let cap = Cap::MinFree { min: Amount::Bytes(min), low: Amount::Bytes(low) };
        policy.quotas = vec![Quota { evict_unreachable: anyway, ..quota(cap) }];
        let outcome = decide(&inventory, &policy, NOW);
        let gone = evicted(&inventory, &outcome, |r| match *r {
            Reason::EvictedByQuota { order, left, .. } => Some((order, left)),
            _ => None,
        });
        let all = everything(&inventory);
        let mut set = kept(&inventory, &outcome);
        let free_now = |stays: &Set| free + freed(&inventory, &(&all - stays));
        let end = free_now(&set);
        for &(at, left) in gone.iter().rev() {
            set.insert(at);
            prop_assert_eq!(left, held(&inventory, &set));
            prop_assert!(free_now(&set) < low);
        }
        let began = free_now(&set);
        prop_assert!(gone.is_empty() || began < min);
        prop_assert!(gone.is_empty() || anyway || end >= min, "all or nothing");
        let unreachable = outcome.notices.iter().any(|n| matches!(n, Notice::QuotaUnreachable { .. }));
        prop_assert_eq!(unreachable, end < min);
        let low_is_not = outcome.notices.iter().any(|n| matches!(n, Notice::LowUnreachable { .. }));
        prop_assert_eq!(low_is_not, began < min && end >= min && end < low);
        if low_is_not && !anyway {
            let last: Set = gone.last().map(|g| g.0).into_iter().collect();
            prop_assert!(free_now(&(&kept(&inventory, &outcome) | &last)) < min, "in vain");
        }
    }
}

fn quota(cap: Cap) -> Quota {
    Quota { name: "q".into(), cap, on_exceed: OnExceed::Evict, evict_unreachable: false }
}

fn with_quota(mut policy: Policy, cap: Cap) -> Policy {
    policy.quotas.push(quota(cap));
    policy
}

/// 1 and 2 share a file of 1000; each of the eight has 100 of its own.
fn eight() -> Root {
    let mut root = Root::new().session("o/d/1", steps(8));
    for c in &mut root.last().checkpoints[..2] {
        link(c, 7, 1000, 2);
    }
    root
}

/// 1 goes by the rule, and with 2 the file that they share.
#[test]
fn a_link_that_goes_by_a_rule_costs_no_others() {
    let last = policy(vec![rule(RuleKind::Last(7))]);
    let limited = edit(last.clone(), |p| p.limit.max_bytes = Some(900));
    assert_eq!(eight().kept(&limited), "3 4 5 6 7 8");
    assert_eq!(eight().decide(&limited).notices, []);
    for per in [Per::Owner, Per::Root] {
        let policy = with_quota(last.clone(), Cap::MaxBytes { per, max: 900, low: 900 });
        assert_eq!(eight().kept(&policy), "3 4 5 6 7 8", "{per:?}");
        assert_eq!(eight().decide(&policy).notices, []);
    }
    let mut root = eight();
    root.0.space = Some(Space { total: 10_000, free: 0, trash: 0 });
    let free = Amount::Bytes(1200);
    let policy = with_quota(last, Cap::MinFree { min: free, low: free });
    assert_eq!(root.kept(&policy), "3 4 5 6 7 8", "1200 are free with 1 and 2");
}

/// The link of another owner, of another session, or in the trash: what stays is what counts.
#[test]
fn a_link_elsewhere_costs_no_others() {
    let all = || policy(vec![]);
    let mut root = Root::new().session("ann/d/1", steps(4)).session("bob/d/1", steps(2));
    link(&mut root.0.sessions[0].checkpoints[0], 7, 1000, 2);
    link(&mut root.0.sessions[1].checkpoints[0], 7, 1000, 2);
    let cap = Cap::MaxBytes { per: Per::Owner, max: 300, low: 300 };
    let last = edit(with_quota(all(), cap), |p| p.keep = vec![rule(RuleKind::Last(9))]);
    assert_eq!(root.kept(&last), "2 3 4 bob/d/1:2");
    // Nobody but ann has it any more: the other one lies in the trash.
    root.0.sessions.pop();
    assert_eq!(root.kept(&last), "2 3 4");
    let limited = edit(all(), |p| p.limit.max_bytes = Some(300));
    assert_eq!(root.kept(&limited), "2 3 4");
    assert_eq!(root.decide(&limited).notices, []);
}

#[test]
fn what_is_in_the_way_counts_a_file_once() {
    let mut root = eight();
    for c in &mut root.last().checkpoints[..2] {
        c.marks.set(Marks::PINNED);
    }
    let limited = edit(policy(vec![]), |p| p.limit.max_bytes = Some(50));
    let blockers = Blockers { protected: 1200, min_keep: 100, ..Blockers::default() };
    let what = Limited::Bytes;
    let expected = Notice::LimitUnreachable { session: 0, what, excess: 1250, blockers };
    assert_eq!(root.decide(&limited).notices, [expected]);
    let policy = with_quota(policy(vec![]), Cap::MaxBytes { per: Per::Root, max: 50, low: 50 });
    let (group, evicted) = ("".into(), true);
    let expected = Notice::QuotaUnreachable { quota: 0, group, excess: 1250, blockers, evicted };
    assert_eq!(root.decide(&policy).notices, [expected]);
}

/// Best checkpoints do not go for a `low` that cannot be reached.
#[test]
fn an_unreachable_low_takes_no_more_than_the_bound_needs_and_is_said() {
    let mut root = Root::new().session("o/d/1", steps(5));
    root.0.space = Some(Space { total: 10_000, free: 0, trash: 0 });
    let of = |min, low, evict_unreachable| {
        let cap = Cap::MinFree { min: Amount::Bytes(min), low: Amount::Bytes(low) };
        let mut policy = policy(vec![]);
        policy.quotas.push(Quota { evict_unreachable, ..quota(cap) });
        policy
    };
    let blockers = Blockers { min_keep: 100, ..Blockers::default() };
    let said = |excess, evicted| {
        vec![Notice::LowUnreachable { quota: 0, group: "".into(), excess, blockers, evicted }]
    };
    for (min, low, anyway, stay, notices) in [
        (150, 400, false, "5", vec![]),
        (150, 401, false, "3 4 5", said(1, false)),
        (200, 900, false, "3 4 5", said(500, false)),
        (400, 401, false, "5", said(1, false)),
        (150, 401, true, "5", said(1, true)),
    ] {
        let policy = of(min, low, anyway);
        assert_eq!(root.kept(&policy), stay, "{min} {low}");
        assert_eq!(root.decide(&policy).notices, notices, "{min} {low}");
    }
    // Of `max-bytes` it is said as well; that goes as far as it may.
    let policy = with_quota(policy(vec![]), Cap::MaxBytes { per: Per::Root, max: 450, low: 50 });
    assert_eq!(root.kept(&policy), "5");
    assert_eq!(root.decide(&policy).notices, said(50, true));
}

/// What something stronger keeps may be as old as it likes.
#[test]
fn a_max_age_is_no_aim_that_could_be_missed() {
    let mut root = Root::new().session("o/d/1", vec![checkpoint("only", Some(1), 900 * DAY)]);
    let aged = edit(policy(vec![]), |p| p.limit.max_age = Some(Span::parse("30d").unwrap()));
    assert_eq!((root.kept(&aged), root.decide(&aged).notices), ("only".to_owned(), vec![]));
    root = Root::new().session("o/d/1", steps(3));
    for c in &mut root.last().checkpoints {
        c.saved_at = Some(crate::support::ago(900 * DAY));
    }
    root.last().checkpoints[0].marks.set(Marks::PINNED);
    assert_eq!((root.kept(&aged), root.decide(&aged).notices), ("1 3".to_owned(), vec![]));
}
