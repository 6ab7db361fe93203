//! Who is looked at again before anything goes: what a deletion leans on, and nothing else.
//!
//! One that is missing lets a checkpoint go for which there is room again; one too many voids a
//! plan for a change that has nothing to do with it.

use crate::support::{DAY, Root, ago, bare, best, edit, policy, rule, steps};
use retain::core::calendar::{Period, Span};
use retain::core::model::{Marks, Step};
use retain::core::policy::{Across, Anchor, Bucket, Pick, Policy, Rule, RuleKind};
use retain::core::select::{Globs, Scope};

/// Of each session, `session:id` of its witnesses.
fn witnesses(root: &Root, policy: &Policy) -> Vec<String> {
    let name = |&(s, c): &(u32, u32)| {
        let session = &root.0.sessions[s as usize];
        format!("{}:{}", session.name, session.checkpoints[c as usize].id)
    };
    let lists = root.decide(policy).witnesses;
    lists.iter().map(|list| list.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
}

/// A rule, and the witnesses among six of which it keeps some.
#[test]
fn what_holds_a_place_is_a_witness_and_what_stays_for_itself_is_not() {
    use RuleKind as K;
    let mut root = Root::new()
        .session("s", steps(6))
        .metric("loss", &[0.3, 0.1, 0.5, 0.2, 0.6, 0.4].map(Some));
    root.last().checkpoints[1].marks.set(Marks::SUBMITTED);
    root.last().checkpoints[1].extra_mut().tags = vec!["t".into()];
    let bucket = |period, n, oldest| K::Bucket(Bucket { period, n, oldest, within: None });
    let within = |span, of| K::Within { span: Span::parse(span).unwrap(), of };
    let cases = [
        (K::Last(2), "s:5 s:6"),
        (K::First(2), "s:1 s:2"),
        (K::Best(best(2, &["loss"])), "s:2 s:4"),
        (K::EverySteps { n: 3, pick: Pick::First }, "s:1 s:3 s:6"),
        (K::Every { seconds: 4 * DAY.cast_unsigned(), pick: Pick::First }, "s:1 s:2 s:6"),
        (bucket(Period::Day, 2, false), "s:5 s:6"),
        (bucket(Period::Year, 2, true), "s:1 s:6"),
        (within("12d", Anchor::Now), ""),
        (within("2d", Anchor::Newest), ""),
        (K::Steps(vec![Step::Whole(2)]), ""),
        (K::Id(Globs::new(["2"], Scope::Id).unwrap()), ""),
        (K::Tag(vec!["t".into()]), ""),
        (K::Submitted, ""),
    ];
    for (kind, expected) in cases {
        let text = format!("{kind:?}");
        assert_eq!(witnesses(&root, &bare(vec![rule(kind)])), [expected], "{text}");
    }
}

#[test]
fn what_is_protected_is_a_witness_only_for_a_place_it_has() {
    let mut root = Root::new().session("s", steps(4)).session("t", steps(1));
    root.0.sessions[0].checkpoints[0].marks.set(Marks::PINNED);
    root.0.sessions[0].checkpoints[3].marks.set(Marks::PINNED);
    let two = edit(policy(vec![rule(RuleKind::Submitted)]), |p| p.min_keep = 2);
    assert_eq!(witnesses(&root, &two), ["s:3 s:4", ""]);
}

#[test]
fn across_a_folder_the_witnesses_are_those_who_have_its_places() {
    let mut root = Root::new()
        .session("o/d/1", steps(3))
        .session("o/d/2", steps(4))
        .session("o/e/1", steps(2))
        // Loses nothing, and has no place.
        .session("o/d/3", steps(1));
    root.0.sessions[1].checkpoints[3].saved_at = Some(ago(DAY));
    let newest = Rule { across: Across::Folder, ..rule(RuleKind::Last(1)) };
    let first = rule(RuleKind::Id(Globs::new(["1"], Scope::Id).unwrap()));
    let policy = bare(vec![newest, first]);
    assert_eq!(root.kept(&policy), "1 o/d/2:1 o/d/2:4 o/e/1:1 o/e/1:2 o/d/3:1");
    assert_eq!(witnesses(&root, &policy), ["o/d/2:4", "o/d/2:4", "", ""]);
}
