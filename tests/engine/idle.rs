//! Protections and policies with nothing to do are said.

use crate::support::{DAY, NOW, Root, ago, checkpoint, edit, keeps, policy, steps};
use retain::core::decision::Notice;
use retain::core::policy::{Match, Policy, Protection, RuleKind};
use retain::core::select::{Globs, Scope};

fn paths(glob: &str) -> Match {
    Match { session: Some(Globs::new([glob], Scope::Path).unwrap()), ..Match::default() }
}

fn protection(sessions: Match) -> Protection {
    Protection {
        name: "held".into(),
        sessions,
        id: None,
        tag: Vec::new(),
        submitted: false,
        until: None,
        why: None,
    }
}

fn notices(policy: &Policy) -> Vec<Notice> {
    Root::new().session("o/d/1", steps(3)).session("p/d/1", steps(3)).decide(policy).notices
}

#[test]
fn a_protection_that_covers_nothing_is_idle() {
    let said = |held: Protection| {
        let mut policy = policy(vec![]);
        policy.protections = vec![protection(Match::default()), held];
        notices(&policy)
    };
    let idle = [Notice::IdleProtection { protection: 1 }];
    assert_eq!(said(protection(paths("o/**"))), []);
    assert_eq!(said(protection(paths("q/**"))), idle);
    let only = |id: &str| Some(Globs::new([id], Scope::Id).unwrap());
    assert_eq!(said(Protection { id: only("3"), ..protection(paths("o/**")) }), []);
    assert_eq!(said(Protection { id: only("9"), ..protection(paths("o/**")) }), idle);
    // It would cover a checkpoint of another session than those it is about.
    assert_eq!(said(Protection { submitted: true, ..protection(paths("o/**")) }), idle);
    // One that is over is said to be that, and no more.
    let expired = [Notice::ExpiredProtection { protection: 1 }];
    assert_eq!(said(Protection { until: Some(ago(1)), ..protection(paths("q/**")) }), expired);
    assert_eq!(said(Protection { until: Some(ago(-1)), ..protection(paths("q/**")) }), idle);
    assert_eq!(said(Protection { until: Some(NOW), ..protection(paths("o/**")) }), expired);
}

#[test]
fn a_policy_that_has_no_session_is_idle() {
    let mut two = edit(policy(vec![]), |p| p.sessions = paths("o/**"));
    two.policies.push(edit(policy(vec![]), |p| p.sessions = paths("**")).policies.remove(0));
    assert_eq!(notices(&two), []);
    two.policies.push(two.policies[0].clone());
    assert_eq!(notices(&two), [Notice::IdlePolicy { policy: 2 }]);
}

/// Where every checkpoint needs another one, and none stands alone.
#[test]
fn what_others_need_stays_also_if_all_need_something() {
    let one = |id: &str, step, need: &str| {
        let mut one = checkpoint(id, Some(step), 10 * DAY);
        one.extra_mut().needs = vec![need.into()];
        one
    };
    let root = |need: &str| {
        let first = vec![one("1", 1, need), one("2", 2, "1"), one("3", 3, "2")];
        Root::new().session("o/d/1", first).session("p/d/1", vec![one("1", 1, "o/d/1/3")])
    };
    assert_eq!(root("p/d/1/1").kept(&keeps(RuleKind::Last(1))), "1 2 3 p/d/1:1");
}
