//! `best` beyond who stays: the reasons it gives, whom a limit takes first, and what has no value.

use crate::support::{Root, bare, best, edit, policy, rule, steps};
use retain::core::decision::{Notice, Reason};
use retain::core::policy::{Across, Best, Missing, Policy, Rule, RuleKind, Ties};

fn measured(values: &[Option<f64>]) -> Root {
    Root::new().session("o/d/1", steps(values.len() as u64)).metric("loss", values)
}

/// All reasons of the first session's checkpoints.
fn reasons(root: &Root, policy: &Policy) -> Vec<Vec<Reason>> {
    let outcome = root.decide(policy);
    let decision = &outcome.sessions[0];
    (0..decision.len()).map(|c| decision.reasons(c).to_vec()).collect()
}

/// What is not kept is left unsorted, but equals of the N-th are kept, however far they lie apart.
#[test]
fn ties_take_the_ranks_that_follow_the_newest_first() {
    let values = [Some(0.2), Some(0.2), Some(0.5), Some(0.2), Some(0.9)];
    let kind = RuleKind::Best(Best { ties: Ties::All, ..best(1, &["loss"]) });
    let hit = |rank| vec![Reason::Best { rule: 0, metric: 0, rank }];
    let miss = || vec![Reason::MissedBest { rule: 0, metric: 0, cutoff: 0.2 }];
    assert_eq!(
        reasons(&measured(&values), &bare(vec![rule(kind)])),
        [hit(3), hit(2), miss(), hit(1), miss()]
    );
}

#[test]
fn what_has_no_value_is_told_from_what_was_not_good_enough() {
    let values = [Some(0.9), None, Some(0.1), Some(f64::NAN)];
    let kind = RuleKind::Best(Best { missing: Missing::Drop, ..best(1, &["loss"]) });
    assert_eq!(
        reasons(&measured(&values), &bare(vec![rule(kind)])),
        [
            [Reason::MissedBest { rule: 0, metric: 0, cutoff: 0.1 }],
            [Reason::MissedNoValue { rule: 0, metric: 0 }],
            [Reason::Best { rule: 0, metric: 0, rank: 1 }],
            [Reason::MissedNoValue { rule: 0, metric: 0 }],
        ]
    );
}

/// Each session waits for its own values: those of its neighbours say nothing about them.
#[test]
fn across_a_folder_a_missing_value_is_its_sessions_own_affair() {
    let root = Root::new()
        .session("o/d/1", steps(3))
        .metric("loss", &[None, Some(0.3), Some(0.2)])
        // Has a metric of the rule, but not the one that counts.
        .session("o/d/2", steps(2))
        .metric("acc", &[Some(1.0), None])
        .session("o/d/3", steps(2))
        .session("o/d/4", steps(2))
        .metric("loss", &[Some(0.5), None]);
    let none_at_all = "o/d/3:1 o/d/3:2";
    let cases = [
        (Missing::Drop, format!("3 {none_at_all}")),
        (Missing::Wait, format!("3 o/d/2:1 o/d/2:2 {none_at_all} o/d/4:2")),
        (Missing::Keep, format!("1 3 o/d/2:1 o/d/2:2 {none_at_all} o/d/4:2")),
    ];
    for (missing, kept) in cases {
        let kind = RuleKind::Best(Best { missing, ..best(1, &["loss", "acc"]) });
        let folder = Rule { across: Across::Folder, ..rule(kind) };
        assert_eq!(root.kept(&bare(vec![folder])), kept, "{missing:?}");
    }
}

/// Nobody knows how good they are; of what is measured, the worst is known.
#[test]
fn a_limit_takes_what_waits_for_a_value_first_and_of_it_the_oldest() {
    let root = measured(&[Some(0.2), None, Some(0.1), None, Some(0.9)]);
    let kind = RuleKind::Best(Best { missing: Missing::Keep, ..best(2, &["loss"]) });
    for (max, kept) in [(5, "1 2 3 4 5"), (4, "1 3 4 5"), (3, "1 3 5"), (2, "3 5"), (1, "5")] {
        let limited = edit(policy(vec![rule(kind.clone())]), |p| p.limit.max_count = Some(max));
        assert_eq!(root.kept(&limited), kept, "{max}");
    }
}

#[test]
fn a_missing_metric_is_said_of_the_sessions_that_lack_it_only() {
    let root = measured(&[Some(0.2), None]).session("o/d/2", steps(2));
    let keep = vec![rule(RuleKind::Last(1)), rule(RuleKind::Best(best(1, &["loss"])))];
    let expected = Notice::NoMetric { session: 1, policy: 0, rule: 1, whole: true };
    assert_eq!(root.decide(&policy(keep)).notices, [expected]);
}
