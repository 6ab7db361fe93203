//! Every reason there is, as a phrase and as data: programs read `kind` and the numbers, people the text.

use crate::support::{DAY, Root, ago, steps};
use retain::core::decision::{Notice, Reason};
use retain::core::explain::{Explained, Explainer, multiple, notice, within_limit};
use retain::core::model::{MetricId, Time};
use retain::core::policy::{self, Cap, Per, Policy};
use serde_json::{Value, json};

/// The rules by their number: 0 last, 1 best min, 2 best max, 3 best with the older of two equal ones,
/// 4 to 6 every, 7 within, 8 daily, 9 daily with a limit, 10 id, 11 tag, 12 all.
const POLICY: &str = r#"version = 1
[[protect]]
name = "the paper"
match = { id = "3" }
why = "table 2"
until = 2027-01-31
[[protect]]
name = "bare"
match = { id = "4" }
[[policy]]
name = "test"
timezone = "Asia/Seoul"
keep = [
  { last = 3 },
  { best = 2, min = ["loss", "val_loss"] },
  { best = 2, max = "loss" },
  { best = 2, min = "loss", ties = "oldest" },
  { every-steps = 1000 },
  { every-epochs = 5 },
  { every = "6h" },
  { within = "7d" },
  { daily = 7 },
  { daily = 7, within = "30d" },
  { id = ["keep-*", "*-final"] },
  { tag = ["a", "b"] },
  { all = true },
]
discard = [{ incomplete-for = "2d" }, { id = ["tmp-*", "x"] }, { tag = "scratch" }]
limit = { max-age = "90d", max-count = 5 }
[[quota]]
name = "per owner"
max-bytes = "1GiB"
per = "owner"
"#;

/// `loss`, the first metric that the root has.
const FIRST: MetricId = 0;

fn loaded() -> Policy {
    let loaded = policy::load(POLICY);
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    loaded.policy.unwrap()
}

/// One session of three checkpoints with losses, and what else reasons speak of.
fn root() -> Root {
    let mut root = Root::new()
        .session("o/d/1", steps(3))
        .metric("loss", &[Some(0.5), Some(0.25), None])
        .metric("val_loss", &[Some(1.0), None, None]);
    root.last().tainted = vec!["a/b: Permission denied".into(), "c".into()];
    root.last().checkpoints[0].extra_mut().conflicts = vec!["0.5 or 0.7".into(), "d".into()];
    root
}

/// What a reason of the first checkpoint says, under the first policy.
fn words(reason: Reason) -> Explained {
    let (root, policy) = (root(), loaded());
    let session = &root.0.sessions[0];
    let explainer = Explainer { inventory: &root.0, policy: &policy };
    explainer.reason(session, &session.checkpoints[0], Some(0), &reason)
}

/// 2026-01-01T18:30:00Z, the next day in Seoul.
fn evening() -> Time {
    ago(-(18 * 3600 + 1800))
}

fn check(table: &[(Reason, &str, &str, Value)]) {
    for (reason, kind, text, data) in table {
        let said = words(*reason);
        assert_eq!((said.kind, &*said.text), (*kind, *text), "{reason:?}");
        assert_eq!(Value::Object(said.data), *data, "{reason:?}");
    }
}

fn secs(n: i64) -> i64 {
    n * Time::NANOS_PER_SEC
}

#[test]
fn what_holds_against_every_rule() {
    check(&[
        (
            Reason::Protected { protection: 0 },
            "protected",
            "protected by \"the paper\": table 2",
            json!({"protection": "the paper", "why": "table 2", "until": "2027-02-01T00:00:00Z"}),
        ),
        (
            Reason::Protected { protection: 1 },
            "protected",
            "protected by \"bare\"",
            json!({"protection": "bare"}),
        ),
        (Reason::Pinned, "pinned", "pinned", json!({})),
        (
            Reason::Young { age: secs(90) },
            "young",
            "written 1min 30s ago, younger than min-age",
            json!({"age_seconds": 90}),
        ),
        (
            Reason::Young { age: 0 },
            "young",
            "written 0s ago, younger than min-age",
            json!({"age_seconds": 0}),
        ),
        (
            Reason::Young { age: -secs(90) },
            "young",
            "written 1min 30s in the future",
            json!({"age_seconds": -90}),
        ),
        (Reason::UnknownAge, "unknown-age", "nobody knows when it was written", json!({})),
        (Reason::MarkedLatest, "latest", "marked as the latest", json!({})),
        (Reason::MarkedBest, "marked-best", "marked as the best", json!({})),
        (Reason::NamedLastOrBest, "named", "named last, latest or best", json!({})),
        (
            Reason::Needed { session: 0, checkpoint: 2 },
            "needed",
            "needed by 3 of o/d/1",
            json!({"session": "o/d/1", "checkpoint": "3"}),
        ),
        (Reason::Incomplete, "incomplete", "unfinished or being written", json!({})),
        (
            Reason::NothingWhole,
            "incomplete",
            "unfinished, and nothing finished in its session",
            json!({}),
        ),
        (
            Reason::Tainted,
            "tainted",
            "its session could not be read whole: a/b: Permission denied",
            json!({}),
        ),
        (
            Reason::Ambiguous,
            "ambiguous",
            "what it is, or whether all of it is there, is not certain",
            json!({}),
        ),
        (Reason::Conflict, "conflict", "it is in doubt: 0.5 or 0.7", json!({})),
        (Reason::Running, "running", "newest of a running session", json!({})),
        (
            Reason::Restarted { later: 1 },
            "restarted",
            "two runs in one folder: 2 was saved later at a lower step",
            json!({"later": "2"}),
        ),
    ]);
}

#[test]
fn what_goes_whatever_rules_say_or_in_spite_of_them() {
    check(&[
        (Reason::NoPolicy, "no-policy", "no policy matches its session", json!({})),
        (Reason::ByDefault, "default", "the policy has no keep rules", json!({})),
        (
            Reason::Discarded { discard: 0 },
            "discard",
            "discard: unfinished and not written for 2d",
            json!({"entry": "incomplete-for", "index": 0}),
        ),
        (
            Reason::Discarded { discard: 1 },
            "discard",
            "discard: id tmp-*, x",
            json!({"entry": "id", "index": 1}),
        ),
        (
            Reason::Discarded { discard: 2 },
            "discard",
            "discard: tag",
            json!({"entry": "tag", "index": 2}),
        ),
        (
            Reason::EvictedByAge { age: secs(100 * DAY) },
            "limit-max-age",
            "100d old, limit max-age 90d",
            json!({"age_seconds": 100 * DAY}),
        ),
        (
            Reason::EvictedByCount { order: 2, left: 6 },
            "limit-max-count",
            "limit max-count: evicted as no. 2, with 6 left",
            json!({"order": 2, "left": 6}),
        ),
        (
            Reason::EvictedByBytes { order: 1, left: 2048 },
            "limit-max-bytes",
            "limit max-bytes: evicted as no. 1, with 2.00 KiB left",
            json!({"order": 1, "left_bytes": 2048}),
        ),
        (
            Reason::EvictedByQuota { quota: 0, order: 3, left: 1024 },
            "quota",
            "quota per owner: evicted as no. 3, with 1.00 KiB left",
            json!({"quota": "per owner", "order": 3, "left_bytes": 1024}),
        ),
    ]);
}

#[test]
fn the_rule_that_keeps_it() {
    let (loss, seoul) = (FIRST, evening());
    check(&[
        (
            Reason::Best { rule: 1, metric: loss, rank: 2 },
            "best",
            "best loss 2/2 (0.5)",
            json!({"metric": "loss", "rank": 2, "of": 2, "value": 0.5, "keep_index": 1}),
        ),
        (
            Reason::NoValueYet { rule: 1, metric: loss },
            "no-value-yet",
            "best: no loss yet",
            json!({"metric": "loss", "keep_index": 1}),
        ),
        (
            Reason::NoMetric { rule: 1 },
            "no-metric",
            "best: o/d/1 has none of loss, val_loss",
            json!({"metrics": "loss, val_loss", "keep_index": 1}),
        ),
        (
            Reason::Every { rule: 4, index: 7 },
            "every-steps",
            "every-steps 7000",
            json!({"multiple": 7, "keep_index": 4}),
        ),
        (
            Reason::Every { rule: 5, index: 7 },
            "every-epochs",
            "every-epochs 35",
            json!({"multiple": 7, "keep_index": 5}),
        ),
        (
            Reason::Every { rule: 6, index: 3 },
            "every",
            "every 1970-01-01T18:00:00Z",
            json!({"multiple": 3, "keep_index": 6}),
        ),
        (
            Reason::Within { rule: 7, age: secs(2 * DAY) },
            "within",
            "within 7d: 2d",
            json!({"age_seconds": 2 * DAY, "keep_index": 7}),
        ),
        // The day of the policy's own zone.
        (
            Reason::Bucket { rule: 8, rank: 2, at: seoul },
            "daily",
            "day 2026-01-02 2/7",
            json!({"period": "2026-01-02", "rank": 2, "of": 7, "keep_index": 8}),
        ),
        (
            Reason::BucketOldest { rule: 8 },
            "daily",
            "daily: the oldest",
            json!({"oldest": true, "keep_index": 8}),
        ),
        (
            Reason::NoTime { rule: 8 },
            "no-time",
            "daily: its time is unknown or in the future",
            json!({"keep_index": 8}),
        ),
        (
            Reason::Id { rule: 10 },
            "id",
            "id keep-*, *-final",
            json!({"matches": "keep-*, *-final", "keep_index": 10}),
        ),
        (Reason::Tag { rule: 11 }, "tag", "tag a, b", json!({"matches": "a, b", "keep_index": 11})),
        (Reason::All { rule: 12 }, "all", "all", json!({"keep_index": 12})),
    ]);
}

/// One for each rule; `rule` says which key it has.
#[test]
fn the_nearest_miss_of_each_rule() {
    let (loss, seoul) = (FIRST, evening());
    let missed = |n: usize, key: &str, mut data: Value| {
        data["rule"] = json!(key);
        data["keep_index"] = json!(n);
        data
    };
    let best = |direction: &str, cutoff: f64| json!({"metric": "loss", "direction": direction, "value": 0.5, "cutoff": cutoff});
    let table = [
        (
            Reason::MissedBest { rule: 1, metric: loss, cutoff: 0.25 },
            "best: 0.5, cut-off 0.25",
            missed(1, "best", best("min", 0.25)),
        ),
        (
            Reason::MissedBest { rule: 2, metric: loss, cutoff: 0.75 },
            "best: 0.5, cut-off 0.75",
            missed(2, "best", best("max", 0.75)),
        ),
        // Two equal numbers alone would look like a mistake.
        (
            Reason::MissedBest { rule: 2, metric: loss, cutoff: 0.5 },
            "best: 0.5, cut-off 0.5 of a newer one",
            missed(2, "best", best("max", 0.5)),
        ),
        (
            Reason::MissedBest { rule: 3, metric: loss, cutoff: 0.5 },
            "best: 0.5, cut-off 0.5 of an older one",
            missed(3, "best", best("min", 0.5)),
        ),
        (
            Reason::MissedBest { rule: 3, metric: loss, cutoff: 0.25 },
            "best: 0.5, cut-off 0.25",
            missed(3, "best", best("min", 0.25)),
        ),
        (
            Reason::MissedNoValue { rule: 1, metric: loss },
            "best: no loss",
            missed(1, "best", json!({"metric": "loss"})),
        ),
        (
            Reason::MissedEvery { rule: 4, index: 7 },
            "every-steps: not the one for 7000",
            missed(4, "every-steps", json!({"multiple": 7})),
        ),
        (
            Reason::MissedNoStep { rule: 4 },
            "every-steps: it has no step",
            missed(4, "every-steps", json!({})),
        ),
        (
            Reason::MissedNoStep { rule: 5 },
            "every-epochs: it has no epoch",
            missed(5, "every-epochs", json!({})),
        ),
        (
            Reason::MissedWithin { rule: 7, age: secs(8 * DAY) },
            "within: 8d, limit 7d",
            missed(7, "within", json!({"age_seconds": 8 * DAY})),
        ),
        (
            Reason::MissedWithin { rule: 9, age: secs(31 * DAY) },
            "daily: 31d, limit 30d",
            missed(9, "daily", json!({"age_seconds": 31 * DAY})),
        ),
        (
            Reason::MissedBucket { rule: 8, rank: 8, at: seoul },
            "daily: day 8 of 7",
            missed(8, "daily", json!({"period": "2026-01-02", "rank": 8, "of": 7})),
        ),
        (
            Reason::MissedBucket { rule: 8, rank: 7, at: seoul },
            "daily: a newer one stands for 2026-01-02",
            missed(8, "daily", json!({"period": "2026-01-02", "rank": 7, "of": 7})),
        ),
        (Reason::MissedOther { rule: 10 }, "id: no", missed(10, "id", json!({}))),
    ];
    check(&table.map(|(reason, text, data)| (reason, "missed", text, data)));
}

#[test]
fn what_no_rule_has_is_said_as_nothing() {
    let policy = loaded();
    let kind = |n: usize| &policy.policies[0].keep[n].kind;
    let limits: Vec<String> = [0, 7, 8, 9].map(|n| within_limit(kind(n))).to_vec();
    assert_eq!(limits, ["", "7d", "", "30d"]);
    assert_eq!(multiple(kind(0), 3), "3");
    // Beyond the end of time.
    assert_eq!(multiple(kind(6), u64::MAX / 2), "");
}

#[test]
fn a_quota_says_whose_it_is_unless_it_is_everybodys() {
    let (root, mut policy) = (root(), loaded());
    let said = |policy: &Policy| {
        let exceeded =
            Notice::QuotaExceeded { quota: 0, group: "o".into(), used: 3 << 30, allowed: 1 << 30 };
        notice(&Explainer { inventory: &root.0, policy }, &exceeded).text
    };
    assert_eq!(said(&policy), "quota \"per owner\" is exceeded for o: 3.00 GiB used of 1.00 GiB");
    policy.quotas[0].cap = Cap::MaxBytes { per: Per::Root, max: 1 << 30, low: 1 << 30 };
    assert_eq!(said(&policy), "quota \"per owner\" is exceeded: 3.00 GiB used of 1.00 GiB");
}
