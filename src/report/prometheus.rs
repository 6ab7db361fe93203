//! How a run went, as Prometheus text (the OpenMetrics exposition format, gauges only).
//!
//! A run is a batch job: what counts is when it last did its work, and what the storage looked like
//! when it began. The file is replaced by each run, so the time of the last success is carried over
//! from the one before ([`last_success`]).

use crate::core::model::Space;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

const LAST_SUCCESS: &str = "retain_last_success_timestamp_seconds";
const LAST_RUN: &str = "retain_last_run_timestamp_seconds";

/// One run, in plain numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// As it was given; the label of every series.
    pub root: String,
    /// Seconds since the epoch.
    pub ended: i64,
    pub seconds: f64,
    pub exit_code: u8,
    /// When a run last did its work, this one included.
    pub last_success: Option<i64>,
    /// `None`: it was not looked at.
    pub found: Option<Found>,
    pub moved: Amount,
    /// Out of the trash, from this run or earlier ones.
    pub purged: Amount,
    /// In the trash when the run ended; `None`: it could not be read.
    pub trash: Option<Amount>,
    /// Sessions that kept something that was to go, by why.
    pub skipped: Vec<(&'static str, u64)>,
    /// Of the file system, when the run began.
    pub space: Option<Space>,
    /// Allocated bytes of all checkpoints, when the run began.
    pub used: Option<u64>,
    /// The same by owner: what owners share counts for each of them.
    pub owners: Vec<(String, u64)>,
    /// Quota, the owner it is about (empty: the whole root), and its bytes.
    pub quotas: Vec<(String, String, u64)>,
    /// Quota, and the bytes of the file system that are to be free.
    pub min_free: Vec<(String, u64)>,
}

/// What there was when the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub sessions: u64,
    pub checkpoints: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub checkpoints: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Root {
    root: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    root: String,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Owner {
    root: String,
    owner: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "the names of the labels")]
struct Quota {
    root: String,
    quota: String,
    owner: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MinFree {
    root: String,
    quota: String,
}

/// A gauge of floats: bytes outgrow no `f64` that a disk could make.
type Number = Gauge<f64, AtomicU64>;

/// The whole file.
pub fn render(facts: &Facts) -> String {
    let mut registry = Registry::default();
    let root = || Root { root: facts.root.clone() };
    let mut one = |name: &str, help: &str, value: Option<f64>| {
        let family = Family::<Root, Number>::default();
        if let Some(value) = value {
            family.get_or_create(&root()).set(value);
            registry.register(name, help, family);
        }
    };
    one(LAST_RUN, "When the last run ended", Some(int(facts.ended)));
    one(LAST_SUCCESS, "When a run last did its work", facts.last_success.map(int));
    one("retain_last_run_exit_code", "Exit code of the last run", Some(facts.exit_code.into()));
    one("retain_last_run_duration_seconds", "How long the last run took", Some(facts.seconds));
    one("retain_sessions", "Sessions found", facts.found.map(|f| big(f.sessions)));
    one("retain_checkpoints", "Checkpoints found", facts.found.map(|f| big(f.checkpoints)));
    one(
        "retain_last_run_moved_checkpoints",
        "Moved to the trash",
        Some(big(facts.moved.checkpoints)),
    );
    one("retain_last_run_moved_bytes", "Moved to the trash", Some(big(facts.moved.bytes)));
    one(
        "retain_last_run_purged_checkpoints",
        "Removed for good",
        Some(big(facts.purged.checkpoints)),
    );
    one("retain_last_run_freed_bytes", "Removed for good", Some(big(facts.purged.bytes)));
    one("retain_trash_checkpoints", "In the trash", facts.trash.map(|t| big(t.checkpoints)));
    one("retain_trash_bytes", "In the trash", facts.trash.map(|t| big(t.bytes)));
    let space = |of: fn(&Space) -> u64| facts.space.as_ref().map(|space| big(of(space)));
    one("retain_free_bytes", "Free on the file system", space(Space::free_now));
    one("retain_free_with_trash_bytes", "Free once the trash is purged", space(|s| s.free));
    one("retain_size_bytes", "Size of the file system", space(|s| s.total));
    one("retain_root_usage_bytes", "Allocated bytes of all checkpoints", facts.used.map(big));

    let skipped = Family::<Reason, Number>::default();
    for (reason, sessions) in &facts.skipped {
        let labels = Reason { root: facts.root.clone(), reason: (*reason).to_owned() };
        skipped.get_or_create(&labels).set(big(*sessions));
    }
    registry.register(
        "retain_last_run_skipped_sessions",
        "Sessions that kept what was to go",
        skipped,
    );
    let usage = Family::<Owner, Number>::default();
    for (owner, bytes) in &facts.owners {
        let labels = Owner { root: facts.root.clone(), owner: owner.clone() };
        usage.get_or_create(&labels).set(big(*bytes));
    }
    registry.register("retain_usage_bytes", "Allocated bytes of an owner's checkpoints", usage);
    let quotas = Family::<Quota, Number>::default();
    for (quota, owner, bytes) in &facts.quotas {
        let labels = Quota { root: facts.root.clone(), quota: quota.clone(), owner: owner.clone() };
        quotas.get_or_create(&labels).set(big(*bytes));
    }
    registry.register("retain_quota_bytes", "What a quota allows", quotas);
    let min_free = Family::<MinFree, Number>::default();
    for (quota, bytes) in &facts.min_free {
        let labels = MinFree { root: facts.root.clone(), quota: quota.clone() };
        min_free.get_or_create(&labels).set(big(*bytes));
    }
    registry.register("retain_min_free_bytes", "What a quota wants free", min_free);

    let mut out = String::new();
    // A `String` takes everything.
    let _ = text::encode(&mut out, &registry);
    out
}

/// When a run last did its work, from an earlier file about the same root.
pub fn last_success(earlier: &str, root: &str) -> Option<i64> {
    let label = format!("{{root=\"{}\"}}", escaped(root));
    let value =
        earlier.lines().find_map(|l| l.strip_prefix(LAST_SUCCESS)?.strip_prefix(label.as_str()))?;
    let seconds: f64 = value.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and NaN becomes the epoch")]
    seconds.is_finite().then_some(seconds as i64)
}

/// The root that an earlier file is about.
pub fn root_of(earlier: &str) -> Option<String> {
    let label = earlier.lines().find_map(|l| l.strip_prefix(LAST_RUN)?.strip_prefix("{root=\""))?;
    let mut root = String::new();
    let mut chars = label.chars();
    loop {
        match chars.next()? {
            '"' => return (!root.is_empty()).then_some(root),
            '\\' => match chars.next()? {
                'n' => root.push('\n'),
                plain => root.push(plain),
            },
            plain => root.push(plain),
        }
    }
}

/// A label's value as the format writes it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn big(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "exact for any date")]
fn int(n: i64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            root: "/data/\"runs\"\n".to_owned(),
            ended: 1_700_000_000,
            last_success: Some(1_700_000_000),
            moved: Amount { checkpoints: 7, bytes: 7 << 40 },
            skipped: vec![("changed", 2)],
            owners: vec![("a\\b".to_owned(), 1 << 50)],
            quotas: vec![("team".to_owned(), "a\\b".to_owned(), 1 << 51)],
            ..Facts::default()
        }
    }

    #[test]
    fn every_series_stands_on_a_line_of_its_own() {
        let text = render(&facts());
        assert!(text.contains("# TYPE retain_usage_bytes gauge"), "{text}");
        let usage = "retain_usage_bytes{root=\"/data/\\\"runs\\\"\\n\",owner=\"a\\\\b\"} 1125899906842624.0";
        assert!(text.contains(usage), "{text}");
        assert!(text.contains("reason=\"changed\"} 2.0"), "{text}");
        assert!(!text.contains("retain_trash_bytes"), "what is not known is not said: {text}");
        assert!(!text.contains("retain_checkpoints"), "nor what was not looked at: {text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn the_last_success_outlives_a_failure() {
        let text = render(&facts());
        assert_eq!(last_success(&text, &facts().root), Some(1_700_000_000));
        assert_eq!(last_success(&text, "/other"), None);
        assert_eq!(last_success("nonsense", "/data"), None);
        assert_eq!(root_of(&text), Some(facts().root));
        assert_eq!(root_of("nonsense"), None);
        assert_eq!(root_of(&render(&Facts::default())), None, "not known then either");
    }
}
