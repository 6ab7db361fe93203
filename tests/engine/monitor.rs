//! What a quota that is over or near is told: which sessions would lose what.

use crate::support::*;
use retain::core::model::Marks;
use retain::core::monitor::{Advice, Input, Level, Loss, Near, judge};
use retain::core::policy::{self, Policy};
use retain::core::usage::{self, By};

const NEAR: Near = Near { percent: 90, days: 7 };

fn policy() -> Policy {
    let text = "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 3 }]\n\
                [[quota]]\nname = \"each\"\nper = \"owner\"\nmax-bytes = \"500B\"\non-exceed = \"report\"\n";
    let loaded = policy::load(text);
    loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// Of `a` 700 bytes, of `b` 400; the policy takes 200 of the one and 100 of the other.
fn storage() -> Root {
    Root::new().session("a/x/1", steps(5)).session("a/y/2", steps(2)).session("b/x/1", steps(4))
}

/// The level of each owner, and its advice.
fn judged(root: &Root) -> Vec<(String, Level, Option<Advice>)> {
    let policy = policy();
    let outcome = root.decide(&policy);
    let report = usage::report(&usage::Input {
        inventory: &root.0,
        policy: &policy,
        outcome: &outcome,
        now: NOW,
        trash: None,
        unrecognised: None,
        by: &[By::Owner],
        top: 1,
    });
    let input = Input {
        inventory: &root.0,
        policy: &policy,
        outcome: &outcome,
        now: NOW,
        near: NEAR,
        quotas: &report.quotas,
        forecasts: &[],
    };
    let (findings, _) = judge(&input);
    findings.into_iter().map(|f| (f.quota.owner.unwrap(), f.level, f.advice)).collect()
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
