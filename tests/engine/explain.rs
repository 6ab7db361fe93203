//! Reasons in words: what a person reads is what was decided.

use crate::support::{DAY, NOW, Root, ago, bare, best, checkpoint, edit, policy, rule, steps};
use retain::core::calendar::{Period, Span};
use retain::core::explain::{Explainer, notice};
use retain::core::model::{Marks, Pin, Pointer, Space};
use retain::core::policy::{
    Amount, Anchor, Bucket, Cap, Discard, OnExceed, Per, Policy, Quota, RuleKind,
};
use retain::core::select::{Globs, Scope};

/// The reasons of one checkpoint, as `why` joins them.
fn why(root: &Root, policy: &Policy, checkpoint: usize) -> String {
    let outcome = root.decide(policy);
    let explainer = Explainer { inventory: &root.0, policy };
    let session = &root.0.sessions[0];
    let decision = &outcome.sessions[0];
    let texts: Vec<String> = decision
        .reasons(checkpoint)
        .iter()
        .map(|r| {
            explainer.reason(session, &session.checkpoints[checkpoint], decision.policy, r).text
        })
        .collect();
    format!("{}: {}", decision.verdict(checkpoint).as_str(), texts.join(" · "))
}

fn losses(count: u64) -> Root {
    let values: Vec<Option<f64>> =
        (0..count).map(|i| Some(if i == 2 { 0.412 } else { 0.523 - 0.001 * i as f64 })).collect();
    Root::new().session("o/d/1", steps(count)).metric("val_loss", &values)
}

#[test]
fn the_phrases_of_the_design() {
    let keep = vec![
        rule(RuleKind::Best(best(2, &["val_loss"]))),
        rule(RuleKind::Last(3)),
        rule(RuleKind::Within { span: Span::parse("7d").unwrap(), of: Anchor::Now }),
        rule(RuleKind::Bucket(Bucket { period: Period::Day, n: 7, oldest: false, within: None })),
    ];
    let root = losses(12);
    let policy = policy(keep);
    assert_eq!(
        why(&root, &policy, 0),
        "delete: best: 0.523, cut-off 0.512 · last: rank 12 of 3 · within: 21d, limit 7d · daily: day 12 of 7"
    );
    assert_eq!(why(&root, &policy, 2), "keep: best val_loss 1/2 (0.412)");
    assert_eq!(why(&root, &policy, 10), "keep: last 2/3 · day 2025-12-21 2/7");
    assert_eq!(
        why(&root, &policy, 11),
        "keep: min-keep 1/1 · best val_loss 2/2 (0.512) · last 1/3 · day 2025-12-22 1/7"
    );
}

#[test]
fn protections_in_words() {
    let mut root = losses(4);
    let c = &mut root.last().checkpoints[0];
    c.marks.set(Marks::PINNED);
    c.last_write = Some(ago(60));
    let extra = c.extra_mut();
    extra.pin = Some(Pin { until: Some(ago(-DAY)), why: Some("paper".into()) });
    extra.pointers.push(Pointer { name: "last.ckpt".into(), external: false });
    let policy = edit(policy(vec![rule(RuleKind::Last(1))]), |p| p.min_age = Span::hours(1));
    assert_eq!(
        why(&root, &policy, 0),
        "keep: pinned until 2026-01-02T00:00:00Z: paper · written 1min ago, younger than min-age · pointer last.ckpt"
    );
}

#[test]
fn evictions_say_which_limit_and_what_kept_it() {
    let root = losses(4);
    let policy = edit(policy(vec![rule(RuleKind::All)]), |p| p.limit.max_bytes = Some(250));
    assert_eq!(
        why(&root, &policy, 0),
        "delete: limit max-bytes: evicted as no. 1, with 400 B left · all"
    );
    assert_eq!(
        why(&root, &policy, 1),
        "delete: limit max-bytes: evicted as no. 2, with 300 B left · all"
    );
}

/// `why` shows the value, so that nobody looks for it.
#[test]
fn a_value_that_is_no_number_is_called_by_its_name() {
    let root = Root::new()
        .session("o/d/1", steps(5))
        .metric("loss", &[Some(f64::NAN), None, Some(0.5), Some(f64::INFINITY), None]);
    let policy = bare(vec![rule(RuleKind::Best(best(1, &["loss"])))]);
    assert_eq!(why(&root, &policy, 0), "delete: best: loss is NaN");
    assert_eq!(why(&root, &policy, 1), "delete: best: no loss");
    assert_eq!(why(&root, &policy, 3), "keep: best: loss is inf so far");
    assert_eq!(why(&root, &policy, 4), "keep: best: no loss yet");
}

/// Limits, quotas and discards are stronger than the rule that keeps it all.
#[test]
fn what_a_session_without_the_metric_loses_is_not_called_kept_whole() {
    let root = Root::new().session("o/d/1", steps(4));
    let keep = || policy(vec![rule(RuleKind::All), rule(RuleKind::Best(best(1, &["loss"])))]);
    let said = |policy: &Policy| {
        let explainer = Explainer { inventory: &root.0, policy };
        let outcome = root.decide(policy);
        outcome.notices.iter().map(|n| notice(&explainer, n).text).collect::<Vec<_>>()
    };
    let whole = "has no finite value of loss; it is kept whole";
    let loses = "has no finite value of loss; keep rule 2 keeps all of it, but a limit, quota or discard takes some";
    assert_eq!(said(&keep()), [whole]);
    assert_eq!(said(&edit(keep(), |p| p.limit.max_bytes = Some(400))), [whole]);
    assert_eq!(said(&edit(keep(), |p| p.limit.max_bytes = Some(399))), [loses]);
    let globs = Globs::new(["2"], Scope::Id).unwrap();
    assert_eq!(said(&edit(keep(), |p| p.discard = vec![Discard::Id(globs)])), [loses]);
    let mut quota = keep();
    quota.quotas = vec![Quota {
        name: "q".into(),
        cap: Cap::MaxBytes { per: Per::Root, max: 399, low: 399 },
        on_exceed: OnExceed::Evict,
        evict_unreachable: false,
    }];
    assert_eq!(said(&quota), [loses]);
}

#[test]
fn a_quota_that_is_met_says_why_its_low_is_not() {
    let mut root = Root::new().session("o/d/1", steps(3));
    root.0.space = Some(Space { total: 10_000, free: 0, trash: 0 });
    let cap = Cap::MinFree { min: Amount::Bytes(100), low: Amount::Bytes(900) };
    let mut policy = policy(vec![]);
    let (on_exceed, evict_unreachable) = (OnExceed::Evict, false);
    policy.quotas = vec![Quota { name: "q".into(), cap, on_exceed, evict_unreachable }];
    let said = |policy: &Policy| {
        let explainer = Explainer { inventory: &root.0, policy };
        let said = root.decide(policy).notices.iter().map(|n| notice(&explainer, n)).next();
        said.map(|w| format!("{}: {}", w.kind, w.text)).unwrap()
    };
    assert_eq!(
        said(&policy),
        "quota-low-unreachable: quota \"q\" is met, but its low cannot be: 700 B too much; in the way: \
         100 B kept by min-keep; so no more goes than min-free needs (unreachable = \"evict\" goes as far as possible)"
    );
    policy.quotas[0].evict_unreachable = true;
    assert!(said(&policy).ends_with("100 B kept by min-keep; everything that may go, goes"));
}

#[test]
fn notices_in_words() {
    let mut root = Root::new().session("o/d/1", steps(3));
    root.last().checkpoints.push(checkpoint("early", Some(1), DAY));
    let keep = vec![rule(RuleKind::Best(best(1, &["loss", "acc"])))];
    let policy = edit(policy(keep), |p| p.limit.max_count = Some(1));
    let outcome = root.decide(&policy);
    let explainer = Explainer { inventory: &root.0, policy: &policy };
    let texts: Vec<String> = outcome
        .notices
        .iter()
        .map(|n| notice(&explainer, n))
        .map(|w| format!("{} {}: {}", w.kind, w.session.unwrap_or_default(), w.text))
        .collect();
    assert_eq!(
        texts,
        [
            "restarted o/d/1: holds two runs: a later save has a lower step; it is kept whole until the policy says restarted = \"by-time\", if the run was started again, or \"by-step\", if files were only added or touched later",
            "no-metric o/d/1: has no finite value of loss, acc; it is kept whole",
            "limit-unreachable o/d/1: limit max-count cannot be met: 3 checkpoints too much; in the way: 4 protected",
        ]
    );
    let policy = edit(policy.clone(), |p| p.limit.max_count = Some(3));
    let outcome = root.decide(&policy);
    let explainer = Explainer { inventory: &root.0, policy: &policy };
    let last = notice(&explainer, outcome.notices.last().unwrap()).text;
    assert!(last.starts_with("limit max-count cannot be met: 1 checkpoint too much; "), "{last}");
    assert!(NOW > ago(1));
}
