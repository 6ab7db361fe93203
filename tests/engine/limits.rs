//! Limits and quotas: who goes first, when they stop, and what they say when they cannot.

use crate::support::{DAY, Root, best, checkpoint, edit, keeps, policy, rule, steps};
use retain::core::calendar::Span;
use retain::core::decision::{Blockers, Limited, Notice, Reason};
use retain::core::model::{Marks, SharedFile, Space};
use retain::core::policy::{Amount, Cap, OnExceed, Per, Policy, Quota, Rule, RuleKind};

fn sized(bytes: &[u64]) -> Root {
    let mut root = Root::new().session("o/d/1", steps(bytes.len() as u64));
    for (c, b) in root.last().checkpoints.iter_mut().zip(bytes) {
        c.bytes = *b;
    }
    root
}

fn max_bytes(policy: Policy, max: u64) -> Policy {
    edit(policy, |p| p.limit.max_bytes = Some(max))
}

#[test]
fn a_limit_evicts_the_oldest_first_and_never_skips_a_big_one() {
    let all = || policy(vec![]);
    assert_eq!(sized(&[10, 10, 10, 10]).kept(&max_bytes(all(), 40)), "1 2 3 4");
    assert_eq!(sized(&[10, 10, 10, 10]).kept(&max_bytes(all(), 39)), "2 3 4");
    // 2 is next in line: it goes, although 1 and 3 would have been enough without it.
    assert_eq!(sized(&[10, 1000, 10, 10]).kept(&max_bytes(all(), 900)), "3 4");
    let count = edit(all(), |p| p.limit.max_count = Some(2));
    assert_eq!(sized(&[1, 1, 1, 1]).kept(&count), "3 4");
    let age = edit(all(), |p| p.limit.max_age = Some(Span::parse("12d").unwrap()));
    assert_eq!(sized(&[1; 5]).kept(&age), "3 4 5", "exactly max-age may stay");
}

#[test]
fn the_weakest_tier_goes_first_and_within_it_the_rules_own_worst() {
    let values = [Some(0.1), Some(0.5), Some(0.3), Some(0.9), Some(0.8), Some(0.7)];
    let root = sized(&[10; 6]).metric("loss", &values);
    let keep = || vec![rule(RuleKind::Best(best(3, &["loss"]))), rule(RuleKind::Last(3))];
    // best: 1 3 2; last: 4 5 6, of which 6 is also kept by min-keep.
    let kept = |max| root.kept(&max_bytes(policy(keep()), max));
    assert_eq!(kept(60), "1 2 3 4 5 6");
    assert_eq!(kept(50), "1 2 3 5 6", "last gives first, its oldest");
    assert_eq!(kept(40), "1 2 3 6");
    assert_eq!(kept(30), "1 3 6", "then best, its worst");
    assert_eq!(kept(20), "1 6");
    assert_eq!(kept(0), "6");
    let first = policy(vec![rule(RuleKind::First(3))]);
    assert_eq!(sized(&[10; 6]).kept(&max_bytes(first, 30)), "1 2 6");
}

#[test]
fn a_session_without_the_metric_is_the_weakest_tier() {
    let keep = vec![rule(RuleKind::Best(best(1, &["loss"]))), rule(RuleKind::Last(2))];
    assert_eq!(sized(&[10; 5]).kept(&max_bytes(policy(keep), 30)), "3 4 5");
}

#[test]
fn hard_keeps_and_protections_are_not_evicted_and_the_deficit_is_said() {
    let hard = Rule { hard: true, ..rule(RuleKind::Last(2)) };
    let mut root = sized(&[10; 5]);
    root.last().checkpoints[0].marks.set(Marks::PINNED);
    let policy = max_bytes(policy(vec![hard, rule(RuleKind::All)]), 15);
    assert_eq!(root.kept(&policy), "1 4 5");
    let outcome = root.decide(&policy);
    let blockers = Blockers { protected: 10, min_keep: 10, hard: 10, untouched: 0 };
    let expected =
        Notice::LimitUnreachable { session: 0, what: Limited::Bytes, excess: 15, blockers };
    assert!(outcome.notices.contains(&expected), "{:?}", outcome.notices);
}

#[test]
fn what_is_discarded_or_not_kept_counts_as_gone() {
    assert_eq!(sized(&[100, 100, 10, 10]).kept(&max_bytes(keeps(RuleKind::Last(2)), 20)), "3 4");
}

#[test]
fn hard_links_count_once_and_free_nothing_while_one_is_left() {
    let mut root = sized(&[100; 3]);
    for i in 1..3 {
        let shared = SharedFile { inode: 7, bytes: 90, apparent: 90, links: 2 };
        root.last().checkpoints[i].extra_mut().shared.push(shared);
    }
    // 100 + 10 + 10 + 90 shared.
    assert_eq!(root.kept(&max_bytes(policy(vec![]), 210)), "1 2 3");
    assert_eq!(root.kept(&max_bytes(policy(vec![]), 110)), "2 3");
    assert_eq!(root.kept(&max_bytes(policy(vec![]), 100)), "3");
}

/// `needs[i]`: what the checkpoint at that place needs.
fn needing(needs: &[&[&str]]) -> Root {
    let mut root = sized(&vec![10; needs.len()]);
    for (c, needs) in root.last().checkpoints.iter_mut().zip(needs) {
        c.extra_mut().needs = needs.iter().map(|n| (*n).into()).collect();
    }
    root
}

/// What the next run takes anyway, nothing else goes for.
#[test]
fn a_limit_takes_none_for_a_base_of_what_it_takes() {
    let limits = |max: u32| {
        [
            edit(policy(vec![]), |p| p.limit.max_count = Some(max)),
            max_bytes(policy(vec![]), u64::from(max) * 10),
        ]
    };
    let check = |root: &Root, max: u32, kept: &str, met: bool| {
        for policy in limits(max) {
            assert_eq!(root.kept(&policy), kept, "{:?}", policy.policies[0].limit);
            assert_eq!(root.decide(&policy).notices.is_empty(), met, "{kept}");
        }
    };
    // 2 needs 1.
    check(&needing(&[&[], &["1"], &[], &[]]), 2, "1 3 4", true);
    check(&needing(&[&[], &[], &[]]), 2, "2 3", true);
    check(&needing(&[&[], &["1"], &[]]), 1, "1 3", true);
    // A chain: 3 needs 2, which needs 1.
    check(&needing(&[&[], &["1"], &["2"], &[], &[]]), 2, "1 2 4 5", true);
    // What stays needs it too.
    check(&needing(&[&[], &["1"], &[], &["1"]]), 2, "1 4", true);
    check(&needing(&[&[], &["1"], &[], &["1"]]), 1, "1 4", false);
    // One that min-keep holds counts, whoever needs it.
    check(&needing(&[&[], &["4"], &[], &[]]), 1, "4", true);
    // Each needs the other: neither is ever taken, and both count.
    check(&needing(&[&["2"], &["1"], &[], &[]]), 2, "1 2 4", false);
    // Something else holds it.
    let mut root = needing(&[&[], &["1"], &[], &[]]);
    root.last().checkpoints[0].marks.set(Marks::PINNED);
    check(&root, 2, "1 4", true);
    // Another session's needs are not this one's to judge.
    let mut root = needing(&[&[], &["1"], &[], &[]]);
    root = root.session("o/d/2", vec![checkpoint("x", Some(1), 10 * DAY)]);
    let other = &mut root.last().checkpoints[0];
    (other.bytes, other.extra_mut().needs) = (10, vec!["o/d/1/1".into()]);
    check(&root, 2, "1 4 o/d/2:x", true);
    // What needed it is not kept by a rule in the first place.
    let last = edit(keeps(RuleKind::Last(2)), |p| p.limit.max_count = Some(2));
    assert_eq!(needing(&[&[], &["1"], &[], &[]]).kept(&last), "1 3 4");
    // A hard rule keeps it.
    let hard = Rule { hard: true, ..rule(RuleKind::First(1)) };
    let hard = edit(policy(vec![hard, rule(RuleKind::All)]), |p| p.limit.max_count = Some(2));
    assert_eq!(needing(&[&[], &["1"], &[], &[]]).kept(&hard), "1 4");
}

fn quota(cap: Cap) -> Quota {
    Quota { name: "q".into(), cap, on_exceed: OnExceed::Evict, evict_unreachable: false }
}

fn with_quota(mut policy: Policy, quota: Quota) -> Policy {
    policy.quotas.push(quota);
    policy
}

fn per_owner(max: u64, low: u64) -> Quota {
    quota(Cap::MaxBytes { per: Per::Owner, max, low })
}

/// o/d/1: 4 x 10, o/d/2: 2 x 30, p/d/1: 2 x 100.
fn three() -> Root {
    let of = |n: u64, bytes: u64| {
        let mut list = steps(n);
        for c in &mut list {
            c.bytes = bytes;
        }
        list
    };
    Root::new().session("o/d/1", of(4, 10)).session("o/d/2", of(2, 30)).session("p/d/1", of(2, 100))
}

#[test]
fn quotas_take_from_the_heaviest_session_down_to_low() {
    let all = || policy(vec![]);
    let rest = " p/d/1:1 p/d/1:2";
    let kept = |max, low| three().kept(&with_quota(all(), per_owner(max, low)));
    assert_eq!(kept(200, 200), "1 2 3 4 o/d/2:1 o/d/2:2".to_owned() + rest);
    assert_eq!(kept(99, 99), "1 2 3 4 o/d/2:2 p/d/1:2", "p is over as well");
    let kept = |max, low| {
        let mut root = three();
        root.0.sessions.truncate(2);
        root.kept(&with_quota(all(), per_owner(max, low)))
    };
    assert_eq!(kept(100, 100), "1 2 3 4 o/d/2:1 o/d/2:2");
    assert_eq!(kept(99, 90), "1 2 3 4 o/d/2:2");
    // 40 against 30: now the first session is the heavier.
    assert_eq!(kept(99, 60), "2 3 4 o/d/2:2");
    assert_eq!(kept(99, 50), "3 4 o/d/2:2");
}

#[test]
fn quotas_say_what_blocks_them_and_count_what_no_policy_matches() {
    let root = three();
    let only_p = edit(policy(vec![]), |p| {
        let globs = retain::core::select::Globs::new(["p/**"], retain::core::select::Scope::Path);
        p.sessions.session = Some(globs.unwrap());
    });
    let cap = Cap::MaxBytes { per: Per::Root, max: 50, low: 50 };
    let policy = with_quota(only_p, quota(cap));
    assert_eq!(root.kept(&policy), "1 2 3 4 o/d/2:1 o/d/2:2 p/d/1:2");
    let outcome = root.decide(&policy);
    let blockers = Blockers { protected: 0, min_keep: 100, hard: 0, untouched: 100 };
    let expected = Notice::QuotaUnreachable {
        quota: 0,
        group: "".into(),
        excess: 150,
        blockers,
        evicted: true,
    };
    assert!(outcome.notices.contains(&expected), "{:?}", outcome.notices);
}

#[test]
fn min_free_is_all_or_nothing() {
    let cap = |min| quota(Cap::MinFree { min: Amount::Bytes(min), low: Amount::Bytes(min) });
    let mut root = three();
    let all = || policy(vec![]);
    let everything = "1 2 3 4 o/d/2:1 o/d/2:2 p/d/1:1 p/d/1:2";
    assert_eq!(root.kept(&with_quota(all(), cap(150))), everything, "nobody measured it");
    root.0.space = Some(Space { total: 1000, free: 60, trash: 0 });
    assert_eq!(root.kept(&with_quota(all(), cap(60))), everything);
    assert_eq!(root.kept(&with_quota(all(), cap(61))), "1 2 3 4 o/d/2:1 o/d/2:2 p/d/1:2");
    // 160 bytes can be freed at most.
    assert_eq!(root.kept(&with_quota(all(), cap(221))), everything);
    let anyway = Quota { evict_unreachable: true, ..cap(221) };
    assert_eq!(root.kept(&with_quota(all(), anyway)), "4 o/d/2:2 p/d/1:2");
    let percent = quota(Cap::MinFree { min: Amount::Percent(10.0), low: Amount::Percent(17.0) });
    assert_eq!(root.kept(&with_quota(all(), percent)), "1 2 3 4 o/d/2:2 p/d/1:2");
}

#[test]
fn what_the_rules_delete_counts_as_free() {
    let mut root = three();
    root.0.space = Some(Space { total: 1000, free: 0, trash: 0 });
    let cap = Cap::MinFree { min: Amount::Bytes(120), low: Amount::Bytes(120) };
    assert_eq!(
        root.kept(&with_quota(keeps(RuleKind::Last(2)), quota(cap))),
        "3 4 o/d/2:1 o/d/2:2 p/d/1:2"
    );
}

#[test]
fn report_recommends_only() {
    let policy =
        with_quota(policy(vec![]), Quota { on_exceed: OnExceed::Report, ..per_owner(150, 150) });
    let root = three();
    assert_eq!(root.kept(&policy), "1 2 3 4 o/d/2:1 o/d/2:2 p/d/1:1 p/d/1:2");
    let expected = Notice::QuotaExceeded { quota: 0, group: "p".into(), used: 200, allowed: 150 };
    assert_eq!(root.decide(&policy).notices, [expected]);
}

#[test]
fn report_on_free_space_says_how_much_there_is() {
    let mut root = three();
    root.0.space = Some(Space { total: 1000, free: 60, trash: 0 });
    let cap = Cap::MinFree { min: Amount::Bytes(100), low: Amount::Bytes(100) };
    let policy = with_quota(policy(vec![]), Quota { on_exceed: OnExceed::Report, ..quota(cap) });
    let expected = Notice::QuotaExceeded { quota: 0, group: "".into(), used: 60, allowed: 100 };
    assert_eq!(root.decide(&policy).notices, [expected]);
}

/// A session is as heavy as it is on the disk: a file with several links counts once.
#[test]
fn quotas_weigh_hard_links_once() {
    // o/d/1 has 4 x 10; the two of o/d/2 share 25 bytes.
    for (bytes, max, kept) in
        [(30, 74, "2 3 4 o/d/2:1 o/d/2:2 p/d/1:2"), (60, 134, "1 2 3 4 o/d/2:2 p/d/1:2")]
    {
        let mut root = three();
        for c in &mut root.0.sessions[1].checkpoints {
            c.bytes = bytes;
            c.extra_mut().shared.push(SharedFile { inode: 7, bytes: 25, apparent: 25, links: 2 });
        }
        let policy = with_quota(policy(vec![]), per_owner(max, max));
        assert_eq!(root.kept(&policy), kept, "{bytes}");
    }
}

#[test]
fn tiers_of_different_policies_compare_by_distance_from_their_last_rule() {
    let mut two = policy(vec![rule(RuleKind::Last(1)), rule(RuleKind::All)]);
    let globs =
        |p: &str| retain::core::select::Globs::new([p], retain::core::select::Scope::Path).unwrap();
    two.policies[0].sessions.session = Some(globs("o/d/1"));
    two.policies
        .push(policy(vec![rule(RuleKind::All), rule(RuleKind::Last(1))]).policies.remove(0));
    let mut root = Root::new()
        .session(
            "o/d/1",
            vec![checkpoint("a", Some(1), 3 * DAY), checkpoint("b", Some(2), 2 * DAY)],
        )
        .session(
            "o/d/2",
            vec![checkpoint("c", Some(1), 3 * DAY), checkpoint("d", Some(2), 2 * DAY)],
        );
    // o/d/2 is heavier, but `a` is kept by a last rule only.
    root.0.sessions[1].checkpoints[0].bytes = 1000;
    assert_eq!(root.kept(&with_quota(two.clone(), per_owner(1299, 1299))), "b o/d/2:c o/d/2:d");
    assert_eq!(root.kept(&with_quota(two, per_owner(1199, 1199))), "b o/d/2:d");
}

/// The light session's rules, and who stays when a quota has to take one of 30 or one of 100.
#[test]
fn what_is_kept_by_default_is_as_strong_as_a_last_rule_and_what_lacks_a_metric_is_weaker() {
    let globs =
        |p: &str| retain::core::select::Globs::new([p], retain::core::select::Scope::Path).unwrap();
    let (all, measured) = (|| rule(RuleKind::All), || rule(RuleKind::Best(best(1, &["loss"]))));
    let (heavy, light) = ("1 2 3 o/d/2:2", "2 3 o/d/2:1 o/d/2:2");
    let cases = [
        ("default", vec![], heavy),
        ("all", vec![all()], heavy),
        ("best, then all", vec![measured(), all()], heavy),
        ("all, then best", vec![all(), measured()], heavy),
        ("best", vec![measured()], light),
    ];
    for (name, keep, kept) in cases {
        let mut two = edit(policy(keep), |p| p.sessions.session = Some(globs("o/d/1")));
        two.policies.push(policy(vec![all()]).policies.remove(0));
        let mut root = Root::new().session("o/d/1", steps(3)).session("o/d/2", steps(2));
        for c in &mut root.0.sessions[0].checkpoints {
            c.bytes = 10;
        }
        assert_eq!(root.kept(&with_quota(two, per_owner(229, 229))), kept, "{name}");
    }
}

#[test]
fn a_quota_that_is_reached_is_not_exceeded() {
    let mut root = three();
    root.0.sessions.truncate(2);
    root.0.space = Some(Space { total: 1000, free: 60, trash: 0 });
    let min_free = |min| quota(Cap::MinFree { min: Amount::Bytes(min), low: Amount::Bytes(70) });
    let everything = "1 2 3 4 o/d/2:1 o/d/2:2";
    for (reached, exceeded) in
        [(per_owner(100, 50), per_owner(99, 50)), (min_free(60), min_free(61))]
    {
        let at = |quota: &Quota, on_exceed| {
            with_quota(policy(vec![]), Quota { on_exceed, ..quota.clone() })
        };
        // Once it acts it goes on to `low`: the difference is whole checkpoints, not a byte.
        assert_eq!(root.kept(&at(&reached, OnExceed::Evict)), everything, "{reached:?}");
        assert_ne!(root.kept(&at(&exceeded, OnExceed::Evict)), everything, "{exceeded:?}");
        assert_eq!(root.decide(&at(&reached, OnExceed::Report)).notices, [], "{reached:?}");
    }
}

/// In front of the rules that kept it, all of which are still said.
#[test]
fn what_a_quota_takes_says_which_how_soon_and_what_had_kept_it() {
    let mut root = three();
    root.0.sessions.truncate(2);
    let keep = vec![rule(RuleKind::Last(9)), rule(RuleKind::All)];
    let outcome = root.decide(&with_quota(policy(keep), per_owner(99, 60)));
    let by_rules = |rank| [Reason::Last { rule: 0, rank, of: 9 }, Reason::All { rule: 1 }];
    let taken = |order, left, rank| {
        let quota = Reason::EvictedByQuota { quota: 0, order, left };
        std::iter::once(quota).chain(by_rules(rank)).collect::<Vec<_>>()
    };
    assert_eq!(outcome.sessions[1].reasons(0), taken(1, 100, 2));
    assert_eq!(outcome.sessions[0].reasons(0), taken(2, 70, 4));
    assert_eq!(outcome.sessions[0].reasons(1), by_rules(3));
}
