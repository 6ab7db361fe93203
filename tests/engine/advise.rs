//! Advice: what is chosen fits, and nothing that fits loses less.

use crate::draws::{limited, sessions};
use crate::support::{NOW, Root, best, edit, policy, rule, steps};
use proptest::prelude::*;
use retain::core::advise::{Held, Numbers, Past, advise};
use retain::core::calendar::{Period, Span};
use retain::core::decide::decide;
use retain::core::decision::Verdict;
use retain::core::model::{Inventory, Marks, SharedFile};
use retain::core::policy::{Bucket, Policy, RuleKind, Ties};
use retain::core::select::{Globs, Scope};

const WEEK: u64 = 7 * 86_400;

fn bytes_kept(inventory: &Inventory, policy: &Policy) -> u64 {
    let outcome = decide(inventory, policy, NOW);
    let sessions = inventory.sessions.iter().zip(&outcome.sessions);
    let kept = sessions.flat_map(|(s, d)| {
        s.checkpoints.iter().enumerate().filter(|(c, _)| d.verdict(*c) != Verdict::Delete)
    });
    kept.map(|(_, c)| c.bytes).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_chosen_fits(
        inventory in sessions(), policy in limited(), fit in 1..4000_u64,
    ) {
        let advice = advise(&inventory, &policy, NOW, fit, WEEK).unwrap();
        let chosen = &advice.table[advice.chosen];
        prop_assert_eq!(chosen.bytes, bytes_kept(&inventory, &chosen.policy));
        prop_assert_eq!(chosen.bytes <= fit, advice.fits);
        for other in &advice.table {
            prop_assert!(!advice.fits || other.bytes > fit || other.loss >= chosen.loss);
            prop_assert!((0.0..=1.0).contains(&other.loss));
        }
        for pair in advice.table.windows(2) {
            prop_assert!(pair[0].bytes <= pair[1].bytes);
        }
        // What was hard, and what names checkpoints, is as it was.
        for (before, after) in policy.policies.iter().zip(&chosen.policy.policies) {
            let hard = |p: &retain::core::policy::SessionPolicy| p.keep.iter().filter(|r| r.hard).count();
            prop_assert_eq!(hard(before), hard(after));
            prop_assert_eq!(before.keep.is_empty(), after.keep.is_empty());
        }
    }
}

#[test]
fn a_tight_place_costs_the_best() {
    let values: Vec<_> = (0..20).map(|i| Some(f64::from((i * 7) % 20))).collect();
    let root = Root::new().session("o/d/1", steps(20)).metric("loss", &values);
    let of = |fit| {
        let policy =
            policy(vec![rule(RuleKind::Best(best(3, &["loss"]))), rule(RuleKind::Last(2))]);
        advise(&root.0, &policy, NOW, fit, WEEK).unwrap()
    };
    let wide = of(2000);
    let chosen = &wide.table[wide.chosen];
    assert!(wide.fits && chosen.loss == 0.0);
    assert_eq!((chosen.bytes, chosen.kept), (2000, 20), "what fits is kept");
    let tight = of(200);
    let chosen = &tight.table[tight.chosen];
    assert!(tight.fits && chosen.loss > 0.0 && chosen.bytes == 200, "{chosen:?}");
    assert_eq!((chosen.numbers.best, chosen.numbers.last), (1, 1));
    let past = chosen.past.unwrap();
    // Of the three that the policy in force wants, one stays.
    assert!(past.peak <= 2000 && past.regrets == 2 && past.loss >= chosen.loss, "{past:?}");
    let none = of(50);
    assert!(!none.fits);
    assert_eq!(none.table[none.chosen].bytes, 100, "the newest always stays");
}

#[test]
fn the_table_is_where_more_bytes_lose_less() {
    let values: Vec<_> = (0..20).map(|i| Some(f64::from((i * 7) % 20))).collect();
    let root = Root::new().session("o/d/1", steps(20)).metric("loss", &values);
    let policy = policy(vec![rule(RuleKind::Best(best(3, &["loss"]))), rule(RuleKind::Last(2))]);
    for fit in [50, 200, 500, 1000, 2000] {
        let advice = advise(&root.0, &policy, NOW, fit, WEEK).unwrap();
        let table = &advice.table;
        let mut least = f64::INFINITY;
        for (i, candidate) in table.iter().enumerate() {
            assert!(i == advice.chosen || candidate.loss < least, "{fit}: {candidate:?}");
            least = least.min(candidate.loss);
            assert_eq!(candidate.kept + candidate.deleted, 20);
        }
        // From the smallest there is to the smallest that loses nothing.
        let ends = (table[0].bytes, table[table.len() - 1].loss);
        assert_eq!(ends, (100, 0.0), "{fit}");
        assert!(table[0].loss > 0.0 && table.len() > 2, "{fit}");
    }
    let wide = advise(&root.0, &policy, NOW, 2000, WEEK).unwrap();
    let nothing_went = Some(Past { peak: 2000, loss: 0.0, regrets: 0 });
    assert_eq!(wide.table[wide.chosen].past, nothing_went);
}

/// The number that is chosen is how many stay, also where many values are equal.
#[test]
fn equal_values_do_not_swell_what_is_advised() {
    let values: Vec<_> = (0..20).map(|i| Some(if i < 10 { 0.0 } else { f64::from(i) })).collect();
    let root = Root::new().session("o/d/1", steps(20)).metric("loss", &values);
    let mut all = best(3, &["loss"]);
    all.ties = Ties::All;
    let policy = policy(vec![rule(RuleKind::Best(all))]);
    let advice = advise(&root.0, &policy, NOW, 400, WEEK).unwrap();
    let chosen = &advice.table[advice.chosen];
    // Three of the ten best, and the newest.
    assert_eq!((advice.fits, chosen.loss, chosen.kept), (true, 0.0, 4), "{chosen:?}");
}

/// What is young stays whatever the rules are: of rules that come to the same, the careful ones.
#[test]
fn what_is_as_good_today_goes_to_the_larger_rules() {
    let values: Vec<_> = (0..20).map(|i| Some(f64::from((i * 7) % 20))).collect();
    let mut root = Root::new().session("o/d/1", steps(20)).metric("loss", &values);
    for c in &mut root.last().checkpoints {
        c.last_write = Some(NOW);
    }
    let rules = || vec![rule(RuleKind::Best(best(3, &["loss"]))), rule(RuleKind::Last(2))];
    let young = edit(policy(rules()), |p| p.min_age = Span::hours(1));
    let advice = advise(&root.0, &young, NOW, 2000, WEEK).unwrap();
    let numbers = advice.table[advice.chosen].numbers;
    assert_eq!(numbers, Numbers { best: 10, last: 20, interval: None });
    assert_eq!(advice.table.len(), 1, "nothing is better than another");
    assert_eq!(advice.held, Held { young: 2000, ..Held::default() });
    assert!(advice.held.is_mostly_young());
    // The interval that the policy has itself.
    let weekly =
        rule(RuleKind::Bucket(Bucket { period: Period::Day, n: 7, oldest: false, within: None }));
    let own = edit(young, |p| p.keep.push(weekly));
    let advice = advise(&root.0, &own, NOW, 2000, WEEK).unwrap();
    assert_eq!(advice.table[advice.chosen].numbers.interval, Some((Period::Day, 7)));
}

/// A candidate without `best` rules would miss nothing by its own.
#[test]
fn regret_goes_by_the_rules_in_force() {
    // The best comes first.
    let values: Vec<_> = (0..20).map(|i| Some(f64::from(i))).collect();
    let root = Root::new().session("o/d/1", steps(20)).metric("loss", &values);
    let policy = policy(vec![rule(RuleKind::Best(best(3, &["loss"])))]);
    let advice = advise(&root.0, &policy, NOW, 100, 86_400).unwrap();
    let least = &advice.table[0];
    assert_eq!((least.numbers.best, least.numbers.last), (0, 1));
    assert_eq!(least.past.unwrap().regrets, 3, "{least:?}");
}

#[test]
fn what_nothing_can_give_back_is_told_by_why_it_stays() {
    let mut root = Root::new().session("o/d/1", steps(6)).session("p/d/1", steps(2));
    let first = &mut root.0.sessions[0].checkpoints;
    first[0].marks.set(Marks::PINNED);
    first[0].last_write = Some(NOW);
    first[1].last_write = Some(NOW);
    // One file of 50 in both of them.
    for c in &mut first[..2] {
        c.extra_mut().shared.push(SharedFile { inode: 7, bytes: 50, apparent: 50, links: 2 });
    }
    let only = Globs::new(["o/**"], Scope::Path).unwrap();
    let policy = edit(policy(vec![rule(RuleKind::Last(2))]), |p| {
        p.min_age = Span::hours(1);
        p.sessions.session = Some(only);
    });
    let advice = advise(&root.0, &policy, NOW, 10, WEEK).unwrap();
    let held = Held { protected: 100, young: 50, untouched: 200, rules: 100 };
    assert_eq!((advice.fits, advice.held), (false, held));
    assert_eq!(advice.table[advice.chosen].bytes, held.sum());
    assert!(!advice.held.is_mostly_young());
}

/// A session that loses as much as another makes it no more, and one without a metric loses nothing.
#[test]
fn loss_is_the_mean_of_sessions() {
    let values: Vec<Option<f64>> = (0..20).map(|n| Some(f64::from(n))).collect();
    let policy = policy(vec![rule(RuleKind::Best(best(3, &["loss"]))), rule(RuleKind::Last(2))]);
    let of = |root: &Root, fit| {
        let advice = advise(&root.0, &policy, NOW, fit, WEEK).unwrap();
        advice.table[advice.chosen].loss
    };
    let runs = |n| {
        let names = (1..=n).map(|run| format!("o/d/{run}"));
        names.fold(Root::new(), |root, name| root.session(&name, steps(20)).metric("loss", &values))
    };
    let (one, two, three) = (runs(1), runs(2), runs(3));
    let loss = of(&one, 200);
    assert!(loss > 0.0);
    assert!((of(&two, 400) - loss).abs() < 1e-9 && (of(&three, 600) - loss).abs() < 1e-9);
    assert_eq!(of(&Root::new().session("o/d/1", steps(20)), 200), 0.0);
}
