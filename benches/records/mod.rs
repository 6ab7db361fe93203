//! A large inventory and the policy of the speed promise, for every bench alike.
#![allow(dead_code, reason = "each bench uses its own part")]

use retain::core::calendar::Span;
use retain::core::model::{Checkpoint, Inventory, Session, Step, Time};
use retain::core::policy::{
    Across, Best, Cap, Direction, Limit, Match, Missing, OnExceed, Per, Policy, Quota, Restarted,
    Rule, RuleKind, Safety, SessionPolicy, Ties,
};

pub const NOW: Time = Time::from_nanos(1_800_000_000 * Time::NANOS_PER_SEC);
const OWNERS: u64 = 50;

/// A small seeded generator (SplitMix64).
struct Rng(u64);

impl Rng {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// At least 0 and below 1.
    fn share(&mut self) -> f64 {
        let [a, b, c, d, ..] = self.bits().to_le_bytes();
        f64::from(u32::from_le_bytes([a, b, c, d])) / 4_294_967_296.0
    }
}

/// `checkpoints` in `sessions`, unevenly: a few sessions are long, most are short. Checkpoints
/// come as a directory lists them, which is no order at all.
pub fn inventory(checkpoints: usize, sessions: usize) -> Inventory {
    let mut rng = Rng(7);
    let mut inventory = Inventory { now: Some(NOW), ..Inventory::default() };
    let loss = inventory.names.intern("eval_loss");
    for (index, count) in counts(checkpoints, sessions, &mut rng).into_iter().enumerate() {
        let owner = format!("owner-{:02}", rng.below(OWNERS));
        let start = 1_700_000_000 + i64::try_from(rng.below(80_000_000)).unwrap_or(0);
        let mut session = Session {
            name: format!("{owner}/task/{index:06}").into(),
            owner: owner.into(),
            layout: Some("hf_trainer".into()),
            ..Session::default()
        };
        session.checkpoints.reserve_exact(count);
        for k in 0..count as u64 {
            let step = (k + 1) * 1000;
            let at = Time::from_nanos(
                (start + i64::try_from(k).unwrap_or(0) * 1800) * Time::NANOS_PER_SEC,
            );
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "a few hundred, and a value that all peers can hold"
            )]
            let value = f64::from((3.0 / (1.0 + k as f64 * 0.02) + rng.share() * 0.1) as f32);
            session.checkpoints.push(Checkpoint {
                id: format!("checkpoint-{step}").into(),
                step: Some(Step::Whole(step)),
                saved_at: Some(at),
                last_write: Some(at),
                bytes: (50 << 20) + rng.below(20 << 30),
                files: 7,
                metrics: [(loss, value)].into(),
                complete: true,
                fingerprint: Some([7; 16]),
                ..Checkpoint::default()
            });
        }
        for k in (1..count).rev() {
            let other = usize::try_from(rng.below(k as u64 + 1)).unwrap_or(0);
            session.checkpoints.swap(k, other);
        }
        inventory.sessions.push(session);
    }
    inventory
}

/// How many checkpoints each session has: at least one, `total` in all.
fn counts(total: usize, sessions: usize, rng: &mut Rng) -> Vec<usize> {
    let weights: Vec<f64> = (0..sessions).map(|_| -(1.0 - rng.share()).ln()).collect();
    let sum: f64 = weights.iter().sum();
    let mut counts: Vec<usize> = weights
        .iter()
        .map(|w| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a small number"
            )]
            let n = (w / sum * (total - sessions) as f64) as usize;
            n + 1
        })
        .collect();
    let rest = total - counts.iter().sum::<usize>();
    for i in 0..rest {
        counts[i % sessions] += 1;
    }
    counts
}

/// Best 3, last 2, and a quota that each owner is well above.
pub fn policy(inventory: &Inventory) -> Policy {
    // Three rules' keeps are more than half of that, so that every owner has to give.
    let max = bytes(inventory) / OWNERS / 6;
    keep(3, 2, Per::Owner, max)
}

/// Last 5, best 3, and one quota of half of what these keep of 100 checkpoints a session.
pub fn global(inventory: &Inventory) -> Policy {
    keep(3, 5, Per::Root, bytes(inventory) / 25)
}

pub fn bytes(inventory: &Inventory) -> u64 {
    inventory.sessions.iter().flat_map(|s| &s.checkpoints).map(|c| c.bytes).sum()
}

fn keep(best: u32, last: u32, per: Per, max: u64) -> Policy {
    let rule = |kind| Rule { kind, hard: false, across: Across::Session };
    let best = Best {
        n: best,
        direction: Direction::Min,
        metrics: vec!["eval_loss".into()],
        missing: Missing::Wait,
        ties: Ties::Newest,
    };
    Policy {
        layouts: Vec::new(),
        protections: Vec::new(),
        policies: vec![SessionPolicy {
            name: "all".into(),
            sessions: Match::default(),
            keep: vec![rule(RuleKind::Best(best)), rule(RuleKind::Last(last))],
            discard: Vec::new(),
            limit: Limit::default(),
            min_keep: 1,
            session_may_go_empty: false,
            min_age: Span::hours(1),
            timezone: chrono_tz::UTC,
            restarted: Restarted::Keep,
        }],
        quotas: vec![Quota {
            name: "quota".into(),
            cap: Cap::MaxBytes { per, max, low: max },
            on_exceed: OnExceed::Evict,
            evict_unreachable: false,
        }],
        safety: Safety::default(),
        grace: Span::hours(20),
    }
}

/// The measure: every session's checkpoints sorted once by their metric, in plain Rust.
pub fn sort_once(inventory: &Inventory) -> usize {
    let mut kept = 0;
    for session in &inventory.sessions {
        let mut sorted: Vec<&Checkpoint> = session.checkpoints.iter().collect();
        sorted.sort_by(|a, b| {
            let value = |c: &Checkpoint| c.metrics.iter().next().map_or(f64::INFINITY, |m| m.1);
            value(a).total_cmp(&value(b)).then_with(|| b.step.cmp(&a.step))
        });
        kept += std::hint::black_box(sorted).len().min(3);
    }
    kept
}
