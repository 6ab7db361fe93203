//! Each rule by a table: rule, checkpoints, who stays.

use crate::support::{DAY, NOW, Root, ago, bare, best, checkpoint, edit, keeps, rule, steps};
use retain::core::calendar::{Period, Span};
use retain::core::model::{Marks, Step, Time};
use retain::core::policy::{
    Across, Anchor, Best, Bucket, Direction, Missing, Pick, Restarted, Rule, RuleKind, Ties,
};
use retain::core::select::{Globs, Scope};

/// Ids that a rule alone keeps, of `steps(12)`.
fn of_twelve(kind: RuleKind) -> String {
    Root::new().session("o/d/1", steps(12)).kept(&bare(vec![rule(kind)]))
}

#[test]
fn by_rank_and_step() {
    use RuleKind as K;
    let every = |n, pick| K::EverySteps { n, pick };
    let cases: Vec<(RuleKind, &str)> = vec![
        (K::Last(3), "10 11 12"),
        (K::Last(100), "1 2 3 4 5 6 7 8 9 10 11 12"),
        (K::First(2), "1 2"),
        (every(5, Pick::First), "1 5 10"),
        (every(5, Pick::Exact), "5 10"),
        (K::Steps(vec![Step::Whole(3), Step::Whole(99), Step::Whole(7)]), "3 7"),
        (K::Id(Globs::new(["?1", "1"], Scope::Id).unwrap()), "1 11"),
        (K::Within { span: Span::parse("12d").unwrap(), of: Anchor::Now }, "10 11 12"),
        (K::Within { span: Span::parse("2d").unwrap(), of: Anchor::Newest }, "10 11 12"),
        (K::Every { seconds: 4 * 86_400, pick: Pick::First }, "1 4 8 12"),
        (K::All, "1 2 3 4 5 6 7 8 9 10 11 12"),
        (K::Submitted, ""),
    ];
    for (kind, expected) in cases {
        let text = format!("{kind:?}");
        assert_eq!(of_twelve(kind), expected, "{text}");
    }
}

#[test]
fn every_steps_takes_the_first_at_or_after_each_multiple() {
    let cp = |step: u64| checkpoint(&step.to_string(), Some(step), DAY * 10 - step.cast_signed());
    let root = Root::new().session("o/d/1", [3, 7, 12, 19, 31, 33].map(cp).into());
    let every = RuleKind::EverySteps { n: 10, pick: Pick::First };
    assert_eq!(root.kept(&bare(vec![rule(every)])), "3 12 31");
}

#[test]
fn fractional_steps_and_epochs() {
    let mut root = Root::new().session("o/d/1", steps(4));
    for (c, x) in root.last().checkpoints.iter_mut().zip([0.25, 0.75, 1.25, 2.5]) {
        c.step = None;
        c.epoch = Step::from_f64(x);
    }
    let every = |pick| bare(vec![rule(RuleKind::EveryEpochs { n: 1, pick })]);
    assert_eq!(root.kept(&every(Pick::First)), "1 3 4");
    assert_eq!(root.kept(&every(Pick::Exact)), "");
}

/// Frameworks that save twice an epoch write 1, 1.5, 2: whole and fractional ones in one folder.
#[test]
fn whole_and_fractional_epochs_go_by_how_far_past_the_multiple_they_are() {
    let cases: [(u64, &[f64], &str); 4] = [
        (1, &[0.5, 1.0, 1.5, 2.0, 2.5], "0.5 1 2"),
        (2, &[2.5, 3.0, 3.5, 4.0], "2.5 4"),
        (3, &[3.5, 4.0, 6.5, 7.0], "3.5 6.5"),
        (3, &[4.0, 4.5, 7.0, 7.5], "4 7"),
    ];
    for (n, epochs, kept) in cases {
        let mut root = Root::new().session("o/d/1", steps(epochs.len() as u64));
        for (c, x) in root.last().checkpoints.iter_mut().zip(epochs) {
            c.id = x.to_string().into();
            c.step = None;
            c.epoch = Step::from_f64(*x);
        }
        let every = RuleKind::EveryEpochs { n, pick: Pick::First };
        assert_eq!(root.kept(&bare(vec![rule(every)])), kept, "{n} {epochs:?}");
    }
}

/// The step says otherwise: by it, `a` is the newer one.
#[test]
fn every_span_takes_the_earliest_save_whatever_its_step() {
    let hour = 3600 * Time::NANOS_PER_SEC;
    for (a, b) in [(hour, 5 * hour), (0, 1), (10, 20), (hour, hour + 1)] {
        let at = |id: &str, step, nanos| {
            let mut c = checkpoint(id, Some(step), 0);
            c.saved_at = Some(Time::from_nanos(ago(10 * DAY).nanos() + nanos));
            c
        };
        let root = Root::new().session("o/d/1", vec![at("a", 2, a), at("b", 1, b)]);
        let every = RuleKind::Every { seconds: 86_400, pick: Pick::First };
        let by_step = edit(bare(vec![rule(every)]), |p| p.restarted = Restarted::ByStep);
        assert_eq!(root.kept(&by_step), "a", "{a} {b}");
    }
}

#[test]
fn every_span_exactly_takes_what_was_saved_in_the_second_it_begins() {
    let mut root = Root::new().session("o/d/1", steps(6));
    let kept = |root: &Root, days: u64| {
        let every = RuleKind::Every { seconds: days * 86_400, pick: Pick::Exact };
        root.kept(&bare(vec![rule(every)]))
    };
    // All at midnight UTC; the last on a day of an even number since the epoch.
    assert_eq!((kept(&root, 1), kept(&root, 2)), ("1 2 3 4 5 6".into(), "2 4 6".into()));
    root.last().checkpoints[1].saved_at = Some(ago(14 * DAY - 1));
    root.last().checkpoints[2].saved_at = Some(ago(13 * DAY + 1));
    assert_eq!((kept(&root, 1), kept(&root, 2)), ("1 4 5 6".into(), "4 6".into()));
}

fn measured(values: &[Option<f64>]) -> Root {
    Root::new().session("o/d/1", steps(values.len() as u64)).metric("loss", values)
}

/// Values, N, direction, ties, missing, who stays.
type Case = (Vec<Option<f64>>, u32, Direction, Ties, Missing, &'static str);

#[test]
fn best_by_value_with_ties_and_missing_values() {
    let nan = Some(f64::NAN);
    let (min, max) = (Direction::Min, Direction::Max);
    let rule_of = |n, direction, ties, missing| {
        let kind = RuleKind::Best(Best { n, direction, ties, missing, ..best(n, &["loss"]) });
        bare(vec![rule(kind)])
    };
    let (newest, oldest, all) = (Ties::Newest, Ties::Oldest, Ties::All);
    let (wait, keep, drop) = (Missing::Wait, Missing::Keep, Missing::Drop);
    let s = Some;
    let cases: Vec<Case> = vec![
        (vec![s(0.5), s(0.2), s(0.9), s(0.3)], 2, min, newest, wait, "2 4"),
        (vec![s(0.5), s(0.2), s(0.9), s(0.3)], 2, max, newest, wait, "1 3"),
        // A NaN is not the best, and does not take a place.
        (vec![s(0.3), nan, s(0.9), s(0.8), s(0.7)], 2, min, newest, wait, "1 5"),
        (vec![s(f64::INFINITY), s(0.3), s(f64::NEG_INFINITY), s(0.4)], 1, min, newest, drop, "2"),
        (vec![s(0.0), s(-0.0), s(1.0)], 1, min, newest, wait, "2"),
        (vec![s(0.2), s(0.2), s(0.2), s(0.9)], 2, min, newest, wait, "2 3"),
        (vec![s(0.2), s(0.2), s(0.2), s(0.9)], 2, min, oldest, wait, "1 2"),
        (vec![s(0.2), s(0.2), s(0.2), s(0.9)], 2, min, all, wait, "1 2 3"),
        // Not rounded: closer than any display.
        (vec![s(0.1 + 0.2), s(0.3), s(0.9)], 1, min, newest, wait, "2"),
        // wait: until a newer one has a value; keep: for good; drop: at once.
        (vec![s(0.2), None, s(0.3), None, nan], 1, min, newest, wait, "1 4 5"),
        (vec![s(0.2), None, s(0.3), None, nan], 1, min, newest, keep, "1 2 4 5"),
        (vec![s(0.2), None, s(0.3), None, nan], 1, min, newest, drop, "1"),
        // None at all: everything.
        (vec![None, nan, None], 1, min, newest, drop, "1 2 3"),
    ];
    for (values, n, direction, ties, missing, expected) in cases {
        let kept = measured(&values).kept(&rule_of(n, direction, ties, missing));
        assert_eq!(kept, expected, "{values:?} best {n} {direction:?} {ties:?} {missing:?}");
    }
}

#[test]
fn best_takes_the_first_metric_the_session_has() {
    let root = Root::new()
        .session("o/d/1", steps(3))
        .metric("loss", &[Some(1.0), Some(2.0), Some(3.0)])
        .metric("val_loss", &[Some(f64::NAN), Some(9.0), Some(8.0)]);
    let policy = |metrics| bare(vec![rule(RuleKind::Best(best(1, metrics)))]);
    assert_eq!(root.kept(&policy(&["eval_loss", "loss", "val_loss"])), "1");
    assert_eq!(root.kept(&policy(&["val_loss", "loss"])), "3");
}

#[test]
fn a_disputed_value_does_not_push_out_a_sound_one() {
    let mut root = measured(&[Some(0.1), Some(0.2), Some(0.3)]);
    root.last().checkpoints[0].extra_mut().conflicts.push("0.1 in its name, 0.9 in a log".into());
    assert_eq!(root.kept(&bare(vec![rule(RuleKind::Best(best(1, &["loss"])))])), "1 2");
}

fn bucket(period: Period, n: u32, oldest: bool) -> RuleKind {
    RuleKind::Bucket(Bucket { period, n, oldest, within: None })
}

#[test]
fn buckets_by_zone_and_iso_week() {
    let at = |id: &str, time: &str| {
        let mut c = checkpoint(id, None, 0);
        c.saved_at = retain::core::model::Time::parse(time);
        assert!(c.saved_at.is_some(), "{time}");
        c
    };
    // ISO weeks: 2014-12-29 is in week 1 of 2015, and 2014-01-01 in week 1 of 2014.
    let root = Root::new().session(
        "o/d/1",
        vec![
            at("a", "2014-01-01T12:00:00Z"),
            at("b", "2014-12-29T12:00:00Z"),
            at("c", "2015-01-02T12:00:00Z"),
        ],
    );
    assert_eq!(root.kept(&bare(vec![rule(bucket(Period::Week, 9, false))])), "a c");
    assert_eq!(root.kept(&bare(vec![rule(bucket(Period::Year, 9, false))])), "b c");

    // 16:00 in London is the next day in Seoul.
    let root = Root::new().session(
        "o/d/1",
        vec![
            at("a", "2025-03-01T10:00:00Z"),
            at("b", "2025-03-01T16:00:00Z"),
            at("c", "2025-03-02T10:00:00Z"),
        ],
    );
    let mut policy = bare(vec![rule(bucket(Period::Day, 9, false))]);
    assert_eq!(root.kept(&policy), "b c");
    policy.policies[0].timezone = chrono_tz::Asia::Seoul;
    assert_eq!(root.kept(&policy), "a c");

    // The hour that New York's clocks repeat is two hours.
    let root = Root::new()
        .session("o/d/1", vec![at("a", "2025-11-02T05:30:00Z"), at("b", "2025-11-02T06:30:00Z")]);
    let mut policy = bare(vec![rule(bucket(Period::Hour, 9, false))]);
    policy.policies[0].timezone = chrono_tz::America::New_York;
    assert_eq!(root.kept(&policy), "a b");
}

#[test]
fn left_over_periods_keep_the_oldest() {
    let root = Root::new().session(
        "o/d/1",
        vec![
            checkpoint("a", None, 9 * DAY),
            checkpoint("b", None, 9 * DAY - 7),
            checkpoint("c", None, DAY),
        ],
    );
    assert_eq!(root.kept(&bare(vec![rule(bucket(Period::Day, 3, false))])), "b c");
    assert_eq!(root.kept(&bare(vec![rule(bucket(Period::Day, 3, true))])), "a b c");
    assert_eq!(root.kept(&bare(vec![rule(bucket(Period::Day, 2, true))])), "b c");
}

/// As `first` does: it is the first of the run, whenever its file was touched.
#[test]
fn the_oldest_of_left_over_periods_goes_by_the_step_where_newness_does() {
    let root = Root::new().session(
        "o/d/1",
        vec![
            checkpoint("a", Some(0), 9 * DAY - 7),
            checkpoint("b", Some(1), 9 * DAY),
            checkpoint("c", Some(2), DAY),
        ],
    );
    let kept = |restarted| {
        let policy = bare(vec![rule(bucket(Period::Day, 3, true))]);
        root.kept(&edit(policy, |p| p.restarted = restarted))
    };
    assert_eq!(kept(Restarted::ByStep), "a b c");
    assert_eq!(kept(Restarted::ByTime), "a b c");
    let kept = |restarted| {
        let policy = bare(vec![rule(bucket(Period::Year, 2, true))]);
        root.kept(&edit(policy, |p| p.restarted = restarted))
    };
    assert_eq!(kept(Restarted::ByStep), "a c");
    assert_eq!(kept(Restarted::ByTime), "b c");
}

#[test]
fn a_time_that_is_unknown_or_in_the_future_is_kept_and_stands_for_nothing() {
    let mut future = checkpoint("future", None, -DAY);
    future.last_write = Some(ago(DAY));
    let mut unknown = checkpoint("unknown", None, 0);
    unknown.saved_at = None;
    let old = checkpoint("old", None, 30 * DAY);
    let recent = checkpoint("recent", None, DAY);
    let root = Root::new().session("o/d/1", vec![future, unknown, old, recent]);
    for kind in [
        bucket(Period::Day, 1, false),
        RuleKind::Within { span: Span::parse("2d").unwrap(), of: Anchor::Newest },
        RuleKind::Within { span: Span::parse("2d").unwrap(), of: Anchor::Now },
    ] {
        let text = format!("{kind:?}");
        assert_eq!(root.kept(&bare(vec![rule(kind)])), "future unknown recent", "{text}");
    }
}

#[test]
fn across_a_folder() {
    let root = || {
        Root::new()
            .session("o/sweep/1", steps(2))
            .metric("loss", &[Some(0.9), Some(0.8)])
            .session("o/sweep/2", steps(2))
            .metric("loss", &[Some(0.1), Some(0.2)])
            .session("o/other/1", steps(2))
            .metric("loss", &[Some(0.5), Some(0.6)])
            .session("p/sweep/1", steps(2))
    };
    let across = |across| bare(vec![Rule { across, ..rule(RuleKind::Best(best(2, &["loss"]))) }]);
    assert_eq!(
        root().kept(&across(Across::Folder)),
        "o/sweep/2:1 o/sweep/2:2 o/other/1:1 o/other/1:2 p/sweep/1:1 p/sweep/1:2"
    );
    assert_eq!(
        root().kept(&across(Across::Owner)),
        "o/sweep/2:1 o/sweep/2:2 p/sweep/1:1 p/sweep/1:2"
    );
    // A session without any metric is kept whole in every group.
    assert_eq!(
        root().kept(&across(Across::Policy)),
        "o/sweep/2:1 o/sweep/2:2 p/sweep/1:1 p/sweep/1:2"
    );
}

#[test]
fn the_newest_of_a_folder_goes_by_time_only_where_every_session_does() {
    let root = |layouts: [&str; 2]| {
        let mut root = Root::new()
            .session("o/d/1", vec![checkpoint("low", Some(1), DAY)])
            .session("o/d/2", vec![checkpoint("high", Some(2), 9 * DAY)]);
        for (session, layout) in root.0.sessions.iter_mut().zip(layouts) {
            session.layout = Some(layout.into());
        }
        let newest = Rule { across: Across::Folder, ..rule(RuleKind::Last(1)) };
        root.kept(&bare(vec![newest]))
    };
    assert_eq!(root(["nsml", "nsml"]), "low");
    assert_eq!(root(["nsml", "hf_trainer"]), "o/d/2:high");
    assert_eq!(root(["hf_trainer", "hf_trainer"]), "o/d/2:high");
}

/// Else the last one of a session that goes by steps, once it cannot be seen, would make the others
/// go by time, and another one of them would be deleted.
#[test]
fn what_a_group_goes_by_does_not_hang_on_what_is_seen_of_a_session() {
    let nsml = || {
        let old_and_new = vec![checkpoint("old", Some(12), 200), checkpoint("new", None, 100)];
        let mut root = Root::new().session("o/d/1", old_and_new);
        root.last().layout = Some("nsml".into());
        root
    };
    let last = bare(vec![Rule { across: Across::Folder, ..rule(RuleKind::Last(1)) }]);
    assert_eq!(nsml().kept(&last), "new");
    let seen = vec![checkpoint("x", None, 300)];
    assert_eq!(nsml().session("o/d/2", seen).kept(&last), "old");
    assert_eq!(nsml().session("o/d/2", Vec::new()).kept(&last), "old");
}

#[test]
fn newer_goes_by_step_then_epoch_then_time_then_natural_id() {
    let mut root = Root::new().session(
        "o/d/1",
        vec![
            checkpoint("ckpt-100", Some(100), 9 * DAY),
            checkpoint("ckpt-9", Some(9), 10 * DAY),
            checkpoint("ckpt-99", Some(99), 9 * DAY),
            checkpoint("b10", Some(100), 9 * DAY),
            checkpoint("b9", Some(100), 9 * DAY),
        ],
    );
    assert_eq!(root.kept(&keeps(RuleKind::Last(1))), "ckpt-100");
    root.last().checkpoints[3].epoch = Some(Step::Whole(1));
    root.last().checkpoints[4].epoch = Some(Step::Whole(1));
    assert_eq!(root.kept(&keeps(RuleKind::Last(1))), "b10");
    root.last().checkpoints[4].saved_at = Some(ago(9 * DAY - 1));
    assert_eq!(root.kept(&keeps(RuleKind::Last(1))), "b9");
}

#[test]
fn nsml_goes_by_the_recorded_time() {
    let mut root = Root::new().session("o/d/1", steps(3));
    for (c, age) in root.last().checkpoints.iter_mut().zip([DAY, 2 * DAY, 3 * DAY]) {
        c.step = None;
        c.epoch = Some(Step::Whole(age.cast_unsigned()));
        c.saved_at = Some(ago(age));
    }
    root.last().layout = Some("nsml".into());
    assert_eq!(root.kept(&keeps(RuleKind::Last(1))), "1");
}

#[test]
fn tags_and_submissions() {
    let mut root = Root::new().session("o/d/1", steps(3));
    root.last().checkpoints[0].marks.set(Marks::SUBMITTED);
    root.last().checkpoints[1].extra_mut().tags = vec!["a".into(), "b".into()];
    root.last().checkpoints[2].extra_mut().tags = vec!["a".into()];
    let tag = |tags: &[&str]| {
        let list = tags.iter().map(|t| (*t).into()).collect();
        bare(vec![rule(RuleKind::Tag(list))])
    };
    assert_eq!(root.kept(&tag(&["a"])), "2 3");
    assert_eq!(root.kept(&tag(&["a", "b"])), "2");
    assert_eq!(root.kept(&bare(vec![rule(RuleKind::Submitted)])), "1");
    // What the session is tagged with, all of it is.
    root.last().tags = vec!["b".into()];
    assert_eq!(root.kept(&tag(&["b"])), "1 2 3");
    assert_eq!(root.kept(&tag(&["a", "b"])), "2 3");
    assert_eq!(root.kept(&tag(&["c"])), "");
    let mut across = tag(&["b"]);
    across.policies[0].keep[0].across = Across::Policy;
    assert_eq!(root.session("o/d/2", steps(1)).kept(&across), "1 2 3");
    assert!(NOW > ago(1));
}
