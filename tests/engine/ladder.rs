//! The ladder: protection, min-keep, discard, hard keeps, limits, keeps, the default.

use crate::support::{DAY, NOW, Root, ago, best, checkpoint, edit, keeps, policy, rule, steps};
use retain::core::calendar::Span;
use retain::core::decision::{Reason, Verdict};
use retain::core::explain::{Explainer, notice};
use retain::core::model::{Marks, Pin, Pointer, Status, Step};
use retain::core::policy::{
    Discard, Match, Policy, Protection, Restarted, Rule, RuleKind, SessionPolicy,
};
use retain::core::select::{Globs, Scope};

fn last1() -> Policy {
    keeps(RuleKind::Last(1))
}

fn ids(patterns: &[&str]) -> Globs {
    Globs::new(patterns, Scope::Id).unwrap()
}

fn paths(patterns: &[&str]) -> Globs {
    Globs::new(patterns, Scope::Path).unwrap()
}

fn protection(name: &str) -> Protection {
    Protection {
        name: name.into(),
        sessions: Match::default(),
        id: None,
        tag: Vec::new(),
        submitted: false,
        until: None,
        why: None,
    }
}

/// Kept ids of `steps(4)` under `last = 1` after `change` to the session.
fn after(change: impl FnOnce(&mut retain::core::model::Session)) -> String {
    let mut root = Root::new().session("o/d/1", steps(4));
    change(root.last());
    root.kept(&last1())
}

#[test]
fn what_is_always_protected() {
    assert_eq!(after(|_| {}), "4");
    assert_eq!(after(|s| s.checkpoints[1].marks.set(Marks::PINNED)), "2 4");
    assert_eq!(after(|s| s.checkpoints[1].marks.set(Marks::LATEST)), "2 4");
    assert_eq!(after(|s| s.checkpoints[1].marks.set(Marks::BEST)), "2 4");
    assert_eq!(after(|s| s.checkpoints[1].marks.set(Marks::AMBIGUOUS)), "2 4");
    assert_eq!(after(|s| s.checkpoints[1].id = "last-v1".into()), "last-v1 4");
    assert_eq!(after(|s| s.checkpoints[1].id = "val/best_2".into()), "val/best_2 4");
    assert_eq!(after(|s| s.checkpoints[1].id = "lasting".into()), "lasting 4");
    assert_eq!(after(|s| s.checkpoints[1].id = "the-last".into()), "the-last 4");
    assert_eq!(after(|s| s.checkpoints[1].id = "model_Best.ckpt".into()), "model_Best.ckpt 4");
    assert_eq!(after(|s| s.checkpoints[1].id = "elastic".into()), "4");
    assert_eq!(after(|s| s.checkpoints[1].complete = false), "2 4");
    assert_eq!(after(|s| s.checkpoints[3].complete = false), "3 4", "unfinished is not the newest");
    assert_eq!(after(|s| s.checkpoints[0].extra_mut().needs = vec!["2".into()]), "2 4");
    assert_eq!(after(|s| s.checkpoints[0].extra_mut().needs = vec!["o/d/1/3".into()]), "3 4");
    assert_eq!(after(|s| s.checkpoints[0].extra_mut().needs = vec!["1".into(), "9".into()]), "4");
    assert_eq!(after(|s| s.checkpoints[0].extra_mut().conflicts = vec!["x".into()]), "1 4");
    assert_eq!(after(|s| s.tainted = vec!["EIO".into()]), "1 2 3 4");
    let pointer = |name: &str| Pointer { name: name.into(), external: false };
    assert_eq!(after(|s| s.checkpoints[1].extra_mut().pointers = vec![pointer("latest")]), "2 4");
}

#[test]
fn pins_expire() {
    let pinned = |until| {
        after(|s| {
            s.checkpoints[1].marks.set(Marks::PINNED);
            s.checkpoints[1].extra_mut().pin = Some(Pin { until, why: None });
        })
    };
    assert_eq!(pinned(None), "2 4");
    assert_eq!(pinned(Some(ago(-1))), "2 4");
    assert_eq!(pinned(Some(NOW)), "4");
}

#[test]
fn age_goes_by_the_last_write_and_unsure_means_keep() {
    let day = edit(last1(), |p| {
        p.min_age = Span::parse("1d").unwrap();
        p.restarted = Restarted::ByStep;
    });
    let with = |change: &dyn Fn(&mut retain::core::model::Checkpoint)| {
        let mut root = Root::new().session("o/d/1", steps(3));
        change(&mut root.last().checkpoints[0]);
        root.kept(&day)
    };
    assert_eq!(with(&|_| {}), "3");
    assert_eq!(with(&|c| c.last_write = Some(ago(DAY - 1))), "1 3");
    assert_eq!(with(&|c| c.last_write = Some(ago(DAY))), "3", "exactly min-age is old enough");
    assert_eq!(with(&|c| c.last_write = Some(ago(-5))), "1 3", "the future");
    assert_eq!(with(&|c| (c.saved_at, c.last_write) = (None, None)), "1 3", "unknown");
    assert_eq!(with(&|c| (c.saved_at, c.last_write) = (Some(ago(5)), Some(ago(2 * DAY)))), "3");
    // Without a min-age only the future is too young.
    let mut root = Root::new().session("o/d/1", steps(3));
    root.last().checkpoints[0].last_write = Some(ago(-5));
    root.last().checkpoints[1].saved_at = None;
    assert_eq!(root.kept(&last1()), "1 3");
}

#[test]
fn running_sessions_keep_the_newest_and_what_is_newer() {
    let mut root = Root::new().session("o/d/1", steps(4));
    root.last().status = Status::Running;
    root.last().checkpoints[3].complete = false;
    let give_up = edit(last1(), |p| p.discard = vec![Discard::IncompleteFor(Span::hours(1))]);
    root.last().checkpoints[0].complete = false;
    assert_eq!(root.kept(&give_up), "1 3 4", "never given up while it runs");
    root.last().status = Status::Exited;
    assert_eq!(root.kept(&give_up), "3");
}

#[test]
fn incomplete_ones_are_given_up_by_their_own_rule_only() {
    let mut root = Root::new().session("o/d/1", steps(3));
    root.last().checkpoints[0].complete = false;
    let discard = |d: Discard| edit(last1(), |p| p.discard = vec![d]);
    assert_eq!(root.kept(&discard(Discard::Id(ids(&["*"])))), "1 3");
    assert_eq!(root.kept(&discard(Discard::IncompleteFor(Span::parse("12d").unwrap()))), "3");
    assert_eq!(root.kept(&discard(Discard::IncompleteFor(Span::parse("13d").unwrap()))), "1 3");
    root.last().checkpoints[0].marks.set(Marks::PINNED);
    assert_eq!(root.kept(&discard(Discard::IncompleteFor(Span::hours(1)))), "1 3");
}

/// A file that all of them lack is no save that was cut off: there would be nothing left.
#[test]
fn where_nothing_is_whole_nothing_is_given_up() {
    let give_up = |p: &mut SessionPolicy| p.discard = vec![Discard::IncompleteFor(Span::hours(1))];
    let mut root = Root::new().session("o/d/1", steps(3));
    for c in &mut root.last().checkpoints {
        c.complete = false;
    }
    assert_eq!(root.kept(&edit(last1(), give_up)), "1 2 3");
    let outcome = root.decide(&edit(last1(), give_up));
    assert_eq!(outcome.sessions[0].reasons(0), [Reason::NothingWhole]);
    // What contradicts itself proves nothing either.
    root.last().checkpoints[2].complete = true;
    root.last().checkpoints[2].marks.set(Marks::AMBIGUOUS);
    assert_eq!(root.kept(&edit(last1(), give_up)), "1 2 3");
    root.last().checkpoints[1].complete = true;
    assert_eq!(root.kept(&edit(last1(), give_up)), "2 3");
    // A session that may go empty is rid of them.
    root.last().checkpoints[1].complete = false;
    root.last().status = Status::Exited;
    let may_go_empty = edit(last1(), |p| {
        give_up(p);
        (p.min_keep, p.session_may_go_empty) = (0, true);
    });
    assert_eq!(root.kept(&may_go_empty), "3");
}

#[test]
fn protections_of_the_policy() {
    let mut root = Root::new().session("o/d/1", steps(4)).session("o/e/1", steps(2));
    root.0.sessions[0].checkpoints[1].marks.set(Marks::SUBMITTED);
    root.0.sessions[0].checkpoints[2].extra_mut().tags = vec!["paper".into()];
    let with = |f: &dyn Fn(&mut Protection)| {
        let mut policy = last1();
        policy.protections.push(protection("p"));
        f(&mut policy.protections[0]);
        root.kept(&policy)
    };
    assert_eq!(with(&|_| {}), "1 2 3 4 o/e/1:1 o/e/1:2");
    assert_eq!(with(&|p| p.sessions.session = Some(paths(&["o/d/*"]))), "1 2 3 4 o/e/1:2");
    assert_eq!(with(&|p| p.submitted = true), "2 4 o/e/1:2");
    assert_eq!(with(&|p| p.tag = vec!["paper".into()]), "3 4 o/e/1:2");
    assert_eq!(with(&|p| p.id = Some(ids(&["1"]))), "1 4 o/e/1:1 o/e/1:2");
    assert_eq!(with(&|p| (p.id, p.submitted) = (Some(ids(&["1"])), true)), "4 o/e/1:2");
    assert_eq!(with(&|p| p.until = Some(NOW)), "4 o/e/1:2", "expired");
    assert_eq!(with(&|p| p.until = Some(ago(-1))), "1 2 3 4 o/e/1:1 o/e/1:2");
}

#[test]
fn discard_is_below_min_keep_and_above_hard_keeps() {
    let hard = Rule { hard: true, ..rule(RuleKind::Last(3)) };
    let all = edit(policy(vec![hard]), |p| p.discard = vec![Discard::All]);
    let root = || Root::new().session("o/d/1", steps(5));
    assert_eq!(root().kept(&all), "5");
    assert_eq!(root().kept(&edit(all, |p| p.min_keep = 2)), "4 5");
}

/// What a limit of nothing leaves is what is protected: that is what people are told holds it.
#[test]
fn what_no_limit_takes_says_that_it_is_protected_and_nothing_else_does() {
    let mut root = Root::new().session("o/d/1", steps(9));
    let list = &mut root.last().checkpoints;
    list[0].marks.set(Marks::PINNED);
    list[0].extra_mut().needs = vec!["3".into()];
    list[1].marks.set(Marks::LATEST);
    list[3].marks.set(Marks::SUBMITTED);
    list[4].complete = false;
    list[5].extra_mut().conflicts = vec!["x".into()];
    list[6].id = "best".into();
    let mut nothing = edit(keeps(RuleKind::All), |p| p.limit.max_bytes = Some(0));
    nothing.protections.push(Protection { submitted: true, ..protection("p") });
    let check = |root: &Root, kept: &str| {
        assert_eq!(root.kept(&nothing), kept);
        let decision = &root.decide(&nothing).sessions[0];
        for i in 0..decision.len() {
            let protected = decision.reasons(i).iter().any(Reason::is_protection);
            let kept = decision.verdict(i) == Verdict::Keep;
            assert_eq!(protected, kept, "{:?}", decision.reasons(i));
        }
    };
    check(&root, "1 2 3 4 5 6 best 9");
    // A tainted session is protected whole.
    root.last().tainted = vec!["EIO".into()];
    check(&root, "1 2 3 4 5 6 best 8 9");
}

#[test]
fn no_keep_rules_keep_everything() {
    assert_eq!(Root::new().session("o/d/1", steps(3)).kept(&policy(vec![])), "1 2 3");
}

#[test]
fn what_no_policy_matches_is_untouched() {
    let root = Root::new().session("o/d/1", steps(3));
    let other = edit(last1(), |p| p.sessions.session = Some(paths(&["p/**"])));
    let outcome = root.decide(&other);
    for i in 0..3 {
        assert_eq!(outcome.sessions[0].verdict(i), Verdict::Untouched);
        assert_eq!(outcome.sessions[0].reasons(i), [Reason::NoPolicy]);
    }
}

#[test]
fn the_first_policy_that_matches_has_the_session() {
    let root = Root::new().session("o/d/1", steps(3));
    let mut two = last1();
    two.policies.push(keeps(RuleKind::All).policies.remove(0));
    assert_eq!(root.kept(&two), "3");
    two.policies.swap(0, 1);
    assert_eq!(root.kept(&two), "1 2 3");
}

#[test]
fn match_keys() {
    let mut root =
        Root::new().session("o/d/1", steps(2)).metric("loss", &[Some(f64::NAN), Some(1.0)]);
    root.last().layout = Some("nsml".into());
    root.last().last_write = Some(ago(DAY));
    root.last().checkpoints[0].extra_mut().tags = vec!["t".into()];
    let matches = |f: &dyn Fn(&mut Match)| {
        let p = edit(last1(), |p| f(&mut p.sessions));
        root.decide(&p).sessions[0].policy.is_some()
    };
    let list = |s: &str| vec![Box::<str>::from(s)];
    assert!(matches(&|m| m.session = Some(paths(&["o/*/1"]))));
    assert!(!matches(&|m| m.session = Some(paths(&["o/*"]))));
    assert!(!matches(&|m| (m.session, m.not) = (Some(paths(&["**"])), Some(paths(&["o/d/**"])))));
    assert!(matches(&|m| m.owner = Some(paths(&["o"]))));
    assert!(!matches(&|m| m.owner = Some(paths(&["p"]))));
    assert!(matches(&|m| m.layout = list("nsml")));
    assert!(!matches(&|m| m.layout = list("orbax")));
    assert!(matches(&|m| m.tag = list("t")));
    assert!(!matches(&|m| m.tag = list("u")));
    assert!(matches(&|m| m.metric = list("loss")));
    assert!(!matches(&|m| m.metric = list("val_loss")));
    assert!(matches(&|m| m.status = vec![Status::Running, Status::Exited]));
    assert!(!matches(&|m| m.status = vec![Status::Running]));
    assert!(matches(&|m| m.idle = Some(Span::parse("1d").unwrap())));
    assert!(!matches(&|m| m.idle = Some(Span::parse("25h").unwrap())));
}

#[test]
fn everything_but_the_last_session_is_a_policy() {
    let mut root = Root::new()
        .session("o/d/9", steps(2))
        .session("o/d/10", steps(2))
        .session("o/e/1", steps(2))
        .session("p/d/1", steps(2));
    let newest = edit(keeps(RuleKind::All), |p| p.sessions.newest_sessions = Some(1));
    let mut two = newest;
    two.policies.push(last1().policies.remove(0));
    // Equal times: the higher number is the newer.
    assert_eq!(root.kept(&two), "2 o/d/10:1 o/d/10:2 o/e/1:1 o/e/1:2 p/d/1:1 p/d/1:2");
    root.0.sessions[0].last_write = Some(ago(5));
    assert_eq!(root.kept(&two), "1 2 o/d/10:2 o/e/1:1 o/e/1:2 p/d/1:1 p/d/1:2");
}

#[test]
fn a_session_may_go_empty_only_if_it_is_over() {
    let empty = edit(policy(vec![rule(RuleKind::Submitted)]), |p| {
        p.min_keep = 0;
        p.session_may_go_empty = true;
    });
    let mut root = Root::new().session("o/d/1", steps(3));
    let pointers = &mut root.last().checkpoints[1].extra_mut().pointers;
    pointers.push(Pointer { name: "latest".into(), external: false });
    root.last().checkpoints[0].id = "last".into();
    assert_eq!(root.kept(&empty), "");
    root.last().status = Status::Unknown;
    assert_eq!(root.kept(&empty), "last 2 3");
    let idle = edit(empty.clone(), |p| p.sessions.idle = Some(Span::parse("1d").unwrap()));
    assert_eq!(root.kept(&idle), "");
    root.last().status = Status::Running;
    assert_eq!(
        root.kept(&idle),
        "last 2 3",
        "it says that it is running, however long it was idle"
    );
    root.last().status = Status::Unknown;
    root.last().checkpoints[1].extra_mut().pointers[0].external = true;
    assert_eq!(root.kept(&idle), "2", "a pointer from elsewhere still holds");
    // min-keep = 0 alone never empties a session.
    root.last().status = Status::Exited;
    assert_eq!(root.kept(&edit(empty, |p| p.session_may_go_empty = false)), "last 2 3");
}

#[test]
fn restarted_runs_are_kept_whole_until_the_policy_says() {
    let cp = |id: &str, step, day: i64| checkpoint(id, Some(step), (30 - day) * DAY);
    let saves =
        vec![cp("a", 10, 1), cp("b", 20, 2), cp("c", 30, 3), cp("d", 15, 4), cp("e", 25, 5)];
    let root = Root::new().session("o/d/1", saves);
    let by = |restarted| edit(last1(), |p| p.restarted = restarted);
    assert_eq!(root.kept(&by(Restarted::Keep)), "a b c d e");
    assert_eq!(root.kept(&by(Restarted::ByTime)), "e");
    assert_eq!(root.kept(&by(Restarted::ByStep)), "c");
}

#[test]
fn epochs_beside_steps_are_kept_whole_until_the_policy_says() {
    let cp = |id: &str, step, day: i64| checkpoint(id, step, (30 - day) * DAY);
    let mut root = Root::new().session(
        "o/d/1",
        vec![cp("s1", Some(100), 1), cp("s2", Some(200), 2), cp("e5", None, 3), cp("e6", None, 4)],
    );
    for (c, epoch) in root.last().checkpoints[2..].iter_mut().zip(5..) {
        c.epoch = Some(Step::Whole(epoch));
    }
    let by = |restarted| edit(last1(), |p| p.restarted = restarted);
    assert_eq!(root.kept(&by(Restarted::Keep)), "s1 s2 e5 e6");
    assert_eq!(root.kept(&by(Restarted::ByTime)), "e6");
    let policy = by(Restarted::Keep);
    let outcome = root.decide(&policy);
    let explainer = Explainer { inventory: &root.0, policy: &policy };
    let said = notice(&explainer, &outcome.notices[0]).text;
    assert!(said.starts_with("has epochs beside steps: "), "{said}");
    let reason = outcome.sessions[0].reasons(0)[0];
    let session = &root.0.sessions[0];
    let said = explainer.reason(session, &session.checkpoints[0], Some(0), &reason).text;
    assert_eq!(said, "steps and epochs in one folder: e6 has an epoch only");
}

/// As a run's last save is often called: the newest of all, and the oldest by what its name tells.
#[test]
fn what_has_neither_step_nor_epoch_is_not_the_oldest_for_that() {
    let cp = |id: &str, step, day: i64| checkpoint(id, step, (30 - day) * DAY);
    let session = |unnumbered: &str, day| {
        let first = vec![cp("a", Some(100), 1), cp("b", Some(200), 2), cp("c", Some(300), 3)];
        let all = first.into_iter().chain([cp(unnumbered, None, day)]).collect();
        Root::new().session("o/d/1", all)
    };
    let by = |restarted| edit(last1(), |p| p.restarted = restarted);
    let policy = by(Restarted::Keep);
    for (status, min_keep) in [(Status::Exited, 1), (Status::Running, 1), (Status::Unknown, 2)] {
        let mut root = session("final", 4);
        root.last().status = status;
        assert_eq!(root.kept(&edit(last1(), |p| p.min_keep = min_keep)), "a b c final");
    }
    let root = session("final", 4);
    assert_eq!(root.kept(&by(Restarted::ByTime)), "final");
    assert_eq!(root.kept(&by(Restarted::ByStep)), "c");
    let outcome = root.decide(&policy);
    let explainer = Explainer { inventory: &root.0, policy: &policy };
    assert_eq!(
        notice(&explainer, &outcome.notices[0]).text,
        "has checkpoints with neither step nor epoch beside others with one: which are newer, their \
         names do not tell; it is kept whole until the policy says restarted = \"by-time\""
    );
    let reason = outcome.sessions[0].reasons(0)[0];
    let session_of = &root.0.sessions[0];
    let said = explainer.reason(session_of, &session_of.checkpoints[0], Some(0), &reason).text;
    assert_eq!(said, "not all in one folder have a number: final has neither step nor epoch");
    // Where the rest was trained from, and copies, which are protected by their name.
    assert_eq!(session("pretrained", 0).kept(&policy), "c");
    assert_eq!(session("last.pt", 4).kept(&policy), "c last.pt");
    let mut root = session("model_best.pt", 4);
    root.last().checkpoints[3].marks.set(Marks::BEST);
    assert_eq!(root.kept(&policy), "c model_best.pt");
}

/// The reasons and the warning of a session's doubtful order speak of the same.
#[test]
fn a_doubtful_order_is_told_by_what_the_session_has() {
    let said = |saves: &[(Option<u64>, Option<u64>)]| {
        let cp = |(i, (step, epoch)): (usize, &(Option<u64>, Option<u64>))| {
            let age = (30 - i64::try_from(i).unwrap()) * DAY;
            let mut c = checkpoint(&format!("c{i}"), *step, age);
            c.epoch = epoch.map(Step::Whole);
            c
        };
        let root = Root::new().session("o/d/1", saves.iter().enumerate().map(cp).collect());
        let policy = last1();
        let outcome = root.decide(&policy);
        let explainer = Explainer { inventory: &root.0, policy: &policy };
        let warning = notice(&explainer, &outcome.notices[0]).text;
        let (reason, session) = (outcome.sessions[0].reasons(0)[0], &root.0.sessions[0]);
        let reason = explainer.reason(session, &session.checkpoints[0], Some(0), &reason).text;
        (reason, warning.split_once(';').unwrap().0.to_owned())
    };
    let told = |reason: &str, warning: &str| (reason.to_owned(), warning.to_owned());
    let lower = |id: &str, number: &str| {
        told(
            &format!("two runs in one folder: {id} was saved later at a lower {number}"),
            &format!("holds two runs: a later save has a lower {number}"),
        )
    };
    assert_eq!(said(&[(None, Some(5)), (None, Some(2))]), lower("c1", "epoch"));
    assert_eq!(said(&[(Some(5), Some(5)), (Some(2), Some(2))]), lower("c1", "step"));
    // Epochs first, as they are ranked: it is the steps that disagree.
    let epoch_first = [(None, Some(1)), (Some(300), None), (Some(100), None)];
    assert_eq!(said(&epoch_first), lower("c2", "step"));
    assert_eq!(
        said(&[(Some(300), None), (None, Some(1))]),
        told(
            "steps and epochs in one folder: c1 has an epoch only",
            "has epochs beside steps: which are newer, their names do not tell"
        )
    );
}

#[test]
fn every_reason_is_given() {
    let mut root =
        Root::new().session("o/d/1", steps(3)).metric("loss", &[Some(1.0), Some(3.0), Some(2.0)]);
    root.last().checkpoints[0].marks.set(Marks::PINNED);
    let keep = vec![rule(RuleKind::Best(best(2, &["loss"]))), rule(RuleKind::Last(1))];
    let policy = policy(keep);
    let outcome = root.decide(&policy);
    let decision = &outcome.sessions[0];
    assert_eq!(decision.reasons(0), [Reason::Pinned, Reason::Best { rule: 0, metric: 0, rank: 1 }]);
    assert_eq!(
        decision.reasons(1),
        [
            Reason::MissedBest { rule: 0, metric: 0, cutoff: 2.0 },
            Reason::MissedRank { rule: 1, rank: 2, of: 1 }
        ]
    );
    assert_eq!(
        decision.reasons(2),
        [
            Reason::MinKeep { rank: 1, of: 1 },
            Reason::Best { rule: 0, metric: 0, rank: 2 },
            Reason::Last { rule: 1, rank: 1, of: 1 }
        ]
    );
    // With the values, which stand in the checkpoints.
    let explainer = Explainer { inventory: &root.0, policy: &policy };
    let said = |i: usize| {
        let session = &root.0.sessions[0];
        let text = |r| explainer.reason(session, &session.checkpoints[i], Some(0), r).text;
        decision.reasons(i).iter().map(text).collect::<Vec<_>>().join(" · ")
    };
    assert_eq!(said(0), "pinned · best loss 1/2 (1)");
    assert_eq!(said(1), "best: 3, cut-off 2 · last: rank 2 of 1");
    assert_eq!(said(2), "min-keep 1/1 · best loss 2/2 (2) · last 1/1");
    assert_eq!(outcome.witnesses[0], [(0, 0), (0, 2)]);
}

#[test]
fn a_discard_is_reason_enough() {
    let discard = edit(last1(), |p| p.discard = vec![Discard::Id(ids(&["2"]))]);
    let outcome = Root::new().session("o/d/1", steps(4)).decide(&discard);
    let decision = &outcome.sessions[0];
    assert_eq!(decision.verdict(1), Verdict::Delete);
    // What the rules would have said of it as well is not why it goes.
    assert_eq!(decision.reasons(1), [Reason::Discarded { discard: 0 }]);
}
