//! What a quota that is over or near is told: which sessions would lose what.

use crate::support::*;
use retain::core::model::{Marks, Space};
use retain::core::monitor::{Advice, Finding, Input, Level, Loss, Near, judge};
use retain::core::policy::{self, Policy};
use retain::core::trend::{Forecast, Full, Trend};
use retain::core::usage::{self, By};

const NEAR: Near = Near { percent: 90, days: 7 };

fn policy() -> Policy {
    with_quota("name = \"each\"\nper = \"owner\"\nmax-bytes = \"500B\"\non-exceed = \"report\"\n")
}

fn with_quota(quota: &str) -> Policy {
    let text = format!(
        "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{{ last = 3 }}]\n\
         [[quota]]\n{quota}"
    );
    let loaded = policy::load(&text);
    loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// Of `a` 700 bytes, of `b` 400; the policy takes 200 of the one and 100 of the other.
fn storage() -> Root {
    Root::new().session("a/x/1", steps(5)).session("a/y/2", steps(2)).session("b/x/1", steps(4))
}

/// The level of each owner, and its advice.
fn judged(root: &Root) -> Vec<(String, Level, Option<Advice>)> {
    let found = judged_by(root, &policy(), &[]);
    found.into_iter().map(|f| (f.quota.owner.unwrap(), f.level, f.advice)).collect()
}

fn judged_by(root: &Root, policy: &Policy, forecasts: &[Option<Forecast>]) -> Vec<Finding> {
    let outcome = root.decide(policy);
    let report = usage::report(&usage::Input {
        inventory: &root.0,
        policy,
        outcome: &outcome,
        now: NOW,
        trash: None,
        unrecognised: None,
        by: &[By::Owner],
        top: 1,
    });
    let input = Input {
        inventory: &root.0,
        policy,
        outcome: &outcome,
        now: NOW,
        near: NEAR,
        quotas: &report.quotas,
        forecasts,
    };
    judge(&input).0
}

#[test]
fn advice_goes_just_below_the_line_and_says_what_the_policy_would_take_anyway() {
    let found = judged(&storage());
    let loss = Loss {
        session: "a/x/1".into(),
        checkpoints: 3,
        bytes: 300,
        by_policy: 2,
        beyond: vec!["3".into()],
    };
    // 90 % of 500 are 450; at 500 or 450 it would be near still.
    let advice = Advice { checkpoints: 3, after: 400, excess: 0, losses: vec![loss] };
    assert_eq!(found[0], ("a".to_owned(), Level::Over, Some(advice)));
    assert_eq!(found[1], ("b".to_owned(), Level::Ok, None));
}

/// A `min-free` that is near has something to give as well: what brings it below the line.
#[test]
fn free_space_is_advised_down_to_where_near_begins() {
    let mut root = storage();
    let mut judged = |quota: &str, free| {
        root.0.space = Some(Space { total: 10_000, free, trash: 0 });
        let finding = judged_by(&root, &with_quota(quota), &[]).remove(0);
        (finding.level, finding.advice.map(|a| (a.checkpoints, a.after, a.excess)))
    };
    let bytes = "min-free = \"9000B\"\non-exceed = \"report\"\n";
    // In use may be 1000; near begins at 900, and the policy takes 300 anyway.
    assert_eq!(judged(bytes, 9_200), (Level::Ok, None));
    assert_eq!(judged(bytes, 9_100), (Level::Near, Some((3, 600, 0))));
    assert_eq!(judged(bytes, 8_850), (Level::Over, Some((3, 850, 0))));
    assert_eq!(judged(bytes, 8_800), (Level::Over, Some((4, 800, 0))), "at 900 it would be near");
    assert_eq!(judged(bytes, 8_000), (Level::Over, Some((8, 1_200, 200))), "as far as may be");
    let percent = "min-free = \"90%\"\nlow = \"9300B\"\n";
    assert_eq!(judged(percent, 9_050), (Level::Near, Some((3, 650, 0))));
    assert_eq!(judged(percent, 8_750), (Level::Over, Some((6, 650, 0))), "down to its own low");
    root.0.space = None;
    assert_eq!(judged_by(&root, &with_quota(bytes), &[]), [], "nobody measured it");
    // Where near begins it is said that nothing would help.
    let sessions = root.0.sessions.iter_mut();
    sessions.flat_map(|s| &mut s.checkpoints).for_each(|c| c.marks.set(Marks::PINNED));
    root.0.space = Some(Space { total: 10_000, free: 9_100, trash: 0 });
    let finding = judged_by(&root, &with_quota(bytes), &[]).remove(0);
    let advice = finding.advice.map(|a| (a.checkpoints, a.after));
    assert_eq!((finding.level, advice), (Level::Near, Some((0, 900))));
}

/// What only the trend brings near needs no clean-up yet: that nothing would help is not true of it.
#[test]
fn what_is_near_by_its_trend_alone_is_not_said_to_be_beyond_help() {
    let root = Root::new().session("b/x/1", steps(3));
    let soon = Forecast {
        trend: Trend { per_day: 100.0, low: 100.0, high: 100.0, points: 9 },
        full: Full::In { days: 2, early: 1, late: None },
    };
    let finding = judged_by(&root, &policy(), &[Some(soon)]).remove(0);
    assert_eq!((finding.level, finding.advice), (Level::Near, None));
    let root = Root::new().session("b/x/1", steps(4));
    let finding = judged_by(&root, &policy(), &[Some(soon)]).remove(0);
    let advice = finding.advice.map(|a| (a.checkpoints, a.after));
    assert_eq!((finding.level, advice), (Level::Near, Some((1, 300))));
}

#[test]
fn what_may_not_go_is_too_much_even_then() {
    let mut root = storage();
    for session in &mut root.0.sessions[..2] {
        session.checkpoints.iter_mut().for_each(|c| c.marks.set(Marks::PINNED));
    }
    let found = judged(&root);
    let advice = Advice { checkpoints: 0, after: 700, excess: 200, losses: Vec::new() };
    assert_eq!(found[0].2, Some(advice));
}

#[test]
fn who_gives_most_comes_first() {
    let root = Root::new().session("a/x/1", steps(4)).session("a/y/2", steps(6));
    let advice = judged(&root).remove(0).2.unwrap();
    let order: Vec<(&str, u64)> = advice.losses.iter().map(|l| (&*l.session, l.bytes)).collect();
    assert_eq!(order[0], ("a/y/2", order[0].1));
    assert!(order.windows(2).all(|w| w[0].1 >= w[1].1), "{order:?}");
    assert_eq!(advice.checkpoints, advice.losses.iter().map(|l| l.checkpoints).sum::<u64>());
    assert!(advice.after < 450, "{advice:?}");
}

#[test]
fn levels_are_read_as_they_are_written() {
    for level in Level::ALL {
        assert_eq!(Level::parse(level.as_str()), Some(level));
    }
    assert_eq!(Level::parse("Over"), None);
}
