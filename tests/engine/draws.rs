//! What the laws are tried on: random inventories and policies, small enough to collide.

use crate::support::{DAY, NOW, bare};
use proptest::prelude::*;
use retain::core::calendar::{Period, Span};
use retain::core::model::{Checkpoint, Inventory, Marks, Session, Status, Step, Time};
use retain::core::policy::{
    Across, Anchor, Best, Bucket, Cap, Direction, Discard, Limit, Missing, OnExceed, Per, Pick,
    Policy, Quota, Restarted, Rule, RuleKind, Ties,
};
use retain::core::select::{Globs, Scope};

/// A checkpoint before it has an id.
#[derive(Clone, Debug)]
struct Draw {
    step: Option<u64>,
    epoch: Option<u64>,
    age: Option<i64>,
    bytes: u64,
    loss: Option<f64>,
    acc: Option<f64>,
    marks: u8,
    complete: bool,
}

pub fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(f64::INFINITY)),
        8 => (0..6_i32).prop_map(|v| Some(f64::from(v) / 4.0)),
    ]
}

fn draw() -> impl Strategy<Value = Draw> {
    let age =
        prop_oneof![1 => Just(None), 1 => Just(Some(-DAY)), 14 => (0..900_000_i64).prop_map(Some)];
    let step = prop_oneof![1 => Just(None), 9 => (0..40_u64).prop_map(Some)];
    let epoch = prop_oneof![1 => Just(None), 2 => (0..9_u64).prop_map(Some)];
    (step, epoch, age, 1..200_u64, value(), value(), 0..24_u8, prop::bool::weighted(0.9)).prop_map(
        |(step, epoch, age, bytes, loss, acc, marks, complete)| Draw {
            step,
            epoch,
            age,
            bytes,
            loss,
            acc,
            marks,
            complete,
        },
    )
}

fn inventory(sessions: Vec<(Vec<Draw>, u8)>) -> Inventory {
    let mut inventory = Inventory { now: Some(NOW), ..Inventory::default() };
    let loss = inventory.names.intern("loss");
    let acc = inventory.names.intern("acc");
    for (s, (draws, kind)) in sessions.into_iter().enumerate() {
        let owner = ["o", "p"][s % 2];
        let checkpoints = draws
            .into_iter()
            .enumerate()
            .map(|(i, d)| {
                let mut marks = Marks::default();
                for (bit, mark) in [(1, Marks::PINNED), (2, Marks::SUBMITTED)] {
                    // Rare, so that most are free to go.
                    if d.marks == bit {
                        marks.set(mark);
                    }
                }
                let metrics = [(loss, d.loss), (acc, d.acc)];
                Checkpoint {
                    id: i.to_string().into(),
                    step: d.step.map(Step::Whole),
                    epoch: d.epoch.map(Step::Whole),
                    saved_at: d
                        .age
                        .map(|a| Time::from_nanos(NOW.nanos() - a * Time::NANOS_PER_SEC)),
                    bytes: d.bytes,
                    metrics: metrics.into_iter().filter_map(|(m, v)| Some((m, v?))).collect(),
                    marks,
                    complete: d.complete,
                    ..Checkpoint::default()
                }
            })
            .collect();
        inventory.sessions.push(Session {
            name: format!("{owner}/d{}/{s}", s % 3).into(),
            owner: owner.into(),
            status: [Status::Exited, Status::Unknown, Status::Running][usize::from(kind % 3)],
            layout: (kind % 4 == 0).then(|| "nsml".into()),
            checkpoints,
            ..Session::default()
        });
    }
    inventory
}

pub fn sessions() -> impl Strategy<Value = Inventory> {
    let session = (prop::collection::vec(draw(), 0..14), any::<u8>());
    prop::collection::vec(session, 1..5).prop_map(inventory)
}

fn kind() -> impl Strategy<Value = RuleKind> {
    let pick = prop_oneof![Just(Pick::First), Just(Pick::Exact)];
    let missing = prop_oneof![Just(Missing::Wait), Just(Missing::Keep), Just(Missing::Drop)];
    let ties = prop_oneof![Just(Ties::Newest), Just(Ties::Oldest), Just(Ties::All)];
    let direction = prop_oneof![Just(Direction::Min), Just(Direction::Max)];
    let best = (1..4_u32, direction, missing, ties).prop_map(|(n, direction, missing, ties)| {
        RuleKind::Best(Best { n, direction, metrics: vec!["loss".into()], missing, ties })
    });
    let of = prop_oneof![Just(Anchor::Now), Just(Anchor::Newest)];
    let period = prop::sample::select(Period::ALL.to_vec());
    prop_oneof![
        4 => best,
        2 => (1..5_u32).prop_map(RuleKind::Last),
        1 => (1..5_u32).prop_map(RuleKind::First),
        1 => (1..12_u64, pick.clone()).prop_map(|(n, pick)| RuleKind::EverySteps { n, pick }),
        1 => (1..5_u64, pick.clone()).prop_map(|(n, pick)| RuleKind::EveryEpochs { n, pick }),
        1 => (3600..200_000_u64, pick).prop_map(|(seconds, pick)| RuleKind::Every { seconds, pick }),
        1 => prop::collection::vec((0..40_u64).prop_map(Step::Whole), 1..3).prop_map(RuleKind::Steps),
        2 => (0..12_u64, of).prop_map(|(d, of)| RuleKind::Within { span: Span::hours(d * 24), of }),
        2 => (period, 1..5_u32, any::<bool>()).prop_map(|(period, n, oldest)| {
            RuleKind::Bucket(Bucket { period, n, oldest, within: None })
        }),
        1 => Just(RuleKind::Id(Globs::new(["1*"], Scope::Id).unwrap())),
        1 => Just(RuleKind::Submitted),
    ]
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let across = prop_oneof![6 => Just(Across::Session), 1 => Just(Across::Folder), 1 => Just(Across::Owner), 1 => Just(Across::Policy)];
    let rule = (kind(), prop::bool::weighted(0.2), across).prop_map(|(kind, hard, across)| Rule {
        kind,
        hard,
        across,
    });
    prop::collection::vec(rule, 0..4)
}

/// Rules only: no limits, no quotas.
pub fn ruled() -> impl Strategy<Value = Policy> {
    let restarted = prop_oneof![Just(Restarted::ByTime), Just(Restarted::ByStep)];
    (rules(), 0..3_u32, any::<bool>(), restarted).prop_map(
        |(keep, min_keep, discard, restarted)| {
            let mut policy = bare(keep);
            let p = &mut policy.policies[0];
            p.min_keep = min_keep;
            p.restarted = restarted;
            if discard {
                p.discard = vec![
                    Discard::IncompleteFor(Span::hours(48)),
                    Discard::Id(Globs::new(["7"], Scope::Id).unwrap()),
                ];
            }
            policy
        },
    )
}

pub fn limited() -> impl Strategy<Value = Policy> {
    let limit =
        (prop::option::of(0..900_u64), prop::option::of(0..9_u32), prop::option::of(0..12_u64));
    let cap = (0..1500_u64, 0..1500_u64, any::<bool>()).prop_map(|(max, low, owner)| {
        let per = if owner { Per::Owner } else { Per::Root };
        Cap::MaxBytes { per, max, low: low.min(max) }
    });
    let quotas = prop::collection::vec(cap, 0..3);
    (ruled(), limit, quotas, any::<bool>()).prop_map(|(mut policy, limit, caps, stay)| {
        let (max_bytes, max_count, days) = limit;
        policy.policies[0].limit =
            Limit { max_bytes, max_count, max_age: days.map(|d| Span::hours(d * 24)) };
        policy.policies[0].session_may_go_empty = !stay;
        policy.policies[0].min_keep = policy.policies[0].min_keep.max(u32::from(stay));
        policy.quotas = caps
            .into_iter()
            .map(|cap| Quota {
                name: "q".into(),
                cap,
                on_exceed: OnExceed::Evict,
                evict_unreachable: false,
            })
            .collect();
        policy
    })
}
