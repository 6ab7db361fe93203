//! The shape of a policy file as types: the one description that `policy.schema.json` and the
//! reference in `docs/policy.md` are generated from.
//!
//! Nothing is deserialised into these types: one wrong value would hide every other fault of
//! the file. The checker walks the document by hand; a test compares the keys it reads with the
//! keys that stand here, so that neither can drift from the other.

use super::raw_layout::Layout;
use super::raw_test::PolicyTest;
use schemars::JsonSchema;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One value, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
pub enum OneOrMany<T> {
    One(T),
    Many(#[schemars(length(min = 1))] Vec<T>),
}

/// A length of time such as `"12h"`, with the units `s min h d w mo y`.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
pub struct Duration(
    #[schemars(regex(pattern = r"^\s*([0-9]+(s|min|h|d|w|mo|y))+\s*$"))] pub String,
);

/// A size with its unit, such as `"5GiB"` or `"1.5TB"`.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
pub struct Size(#[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)? ?([KMGTPE]i?)?B$"))] pub String);

/// A size, or a share such as `"90%"`.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
pub struct Amount(
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)? ?(%|([KMGTPE]i?)?B)$"))] pub String,
);

/// A count, or a share such as `"90%"`.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
pub enum CountOrPercent {
    Count(u64),
    Percent(#[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)? ?%$"))] String),
}

/// A policy for `retain`: which checkpoints to keep. Protection beats min-keep, min-keep beats
/// discard, discard beats hard keeps, hard keeps beat limits and quotas, these beat keeps, keeps
/// beat the default; what no policy matches is never touched.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyFile {
    /// Version of the policy language. Always 1.
    #[schemars(extend("const" = 1))]
    pub version: u64,
    /// Checkpoints that nothing below gets past.
    pub protect: Option<Vec<Protect>>,
    /// What to keep of which sessions. The first policy that matches a session has it.
    #[schemars(length(min = 1))]
    pub policy: Vec<Policy>,
    /// Space limits across sessions, evaluated in this order after all session limits.
    pub quota: Option<Vec<Quota>>,
    /// Layouts of one's own: what is recognised beside the built-in ones. `retain.toml` takes the same tables.
    pub layout: Option<Vec<Layout>>,
    /// Brakes, and settings for all policies.
    pub safety: Option<Safety>,
    /// Examples that `retain policy test` runs: checkpoints, and which must survive.
    pub test: Option<Vec<PolicyTest>>,
    /// How long the trash of a run can be restored before a purge reclaims it. Default: "20h".
    pub grace: Option<Duration>,
    /// For all policies: IANA time zone of the bucket rules and of dates. Default: "UTC"; the machine's own zone is never used.
    pub timezone: Option<String>,
    /// For all policies: nothing written less than this long ago is deleted. Default: "1h".
    pub min_age: Option<Duration>,
    /// For all policies: the newest N complete checkpoints of a session always stay. Default: 1.
    pub min_keep: Option<u32>,
    /// For all policies: with `min-keep = 0`, a session that has exited, or is matched by `idle` and not said to be running, may lose its newest checkpoint and its own pointers' targets too. Default: false.
    pub session_may_go_empty: Option<bool>,
    /// For all policies: what to do with two runs in one folder. Default: "keep".
    pub restarted: Option<Restarted>,
    /// For all `best` rules: what to do with a checkpoint that has no finite value. Default: "wait".
    pub missing: Option<Missing>,
    /// For all `best` rules: which of two equal checkpoints is better. Default: "newest".
    pub ties: Option<Ties>,
    /// For all `every` rules: which checkpoint stands for a multiple. Default: "first".
    pub pick: Option<Pick>,
}

/// Over either of the brakes, nothing is deleted at all (exit code 6) and the plan stays for review.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Safety {
    /// At most this many checkpoints, or this share of the checkpoints a run sees. Default: none.
    pub max_delete: Option<CountOrPercent>,
    /// At most this many bytes, or this share of the bytes a run sees. Default: none.
    pub max_delete_bytes: Option<Amount>,
    /// As at top level; it may stand in one of the two places.
    pub grace: Option<Duration>,
    /// As at top level; it may stand in one of the two places.
    pub min_age: Option<Duration>,
    /// As at top level; it may stand in one of the two places.
    pub min_keep: Option<u32>,
    /// As at top level; it may stand in one of the two places.
    pub session_may_go_empty: Option<bool>,
}

/// Checkpoints that are never deleted, whatever the rest of the file says.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Protect {
    /// What reasons call it. Unique among protections. Default: `protection 1`, ...
    pub name: Option<String>,
    /// Which checkpoints. Without it: all of them.
    pub r#match: Option<ProtectMatch>,
    /// The last day (in `timezone`) on which it holds, or the first instant at which it does not.
    #[schemars(with = "Option<String>")]
    pub until: Option<Value>,
    /// Why; shown with every checkpoint it keeps.
    pub why: Option<String>,
}

/// Every key that is given must hold.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Match {
    /// Globs on the whole name of the session: `*` stays within a component, `**` crosses.
    pub session: Option<OneOrMany<String>>,
    /// Globs of sessions that are left out again.
    pub not: Option<OneOrMany<String>>,
    /// Globs on the owner.
    pub owner: Option<OneOrMany<String>>,
    /// Any of these layouts, called as docs/layouts.md calls them: `hf_trainer`.
    pub layout: Option<OneOrMany<String>>,
    /// All of these tags, each on the session or on one of its checkpoints.
    pub tag: Option<OneOrMany<String>>,
    /// The session has a finite value of one of these metrics.
    pub metric: Option<OneOrMany<String>>,
    /// Any of these states.
    pub status: Option<OneOrMany<Status>>,
    /// Nothing in the session was written for that long, logs included.
    pub idle: Option<Duration>,
    /// Only the N newest sessions of each owner and dataset.
    #[schemars(range(min = 1))]
    pub newest_sessions: Option<u32>,
}

/// Every key that is given must hold. `id`, `tag` and `submitted` choose checkpoints of the
/// matched sessions; without them, every one.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProtectMatch {
    /// Globs on the whole name of the session: `*` stays within a component, `**` crosses.
    pub session: Option<OneOrMany<String>>,
    /// Globs of sessions that are left out again.
    pub not: Option<OneOrMany<String>>,
    /// Globs on the owner.
    pub owner: Option<OneOrMany<String>>,
    /// Any of these layouts, called as docs/layouts.md calls them: `hf_trainer`.
    pub layout: Option<OneOrMany<String>>,
    /// The session has a finite value of one of these metrics.
    pub metric: Option<OneOrMany<String>>,
    /// Any of these states.
    pub status: Option<OneOrMany<Status>>,
    /// Nothing in the session was written for that long, logs included.
    pub idle: Option<Duration>,
    /// Only the N newest sessions of each owner and dataset.
    #[schemars(range(min = 1))]
    pub newest_sessions: Option<u32>,
    /// Globs on the checkpoint's id: `*` is any characters, `?` one.
    pub id: Option<OneOrMany<String>>,
    /// All of these tags, on the checkpoint or on its session.
    pub tag: Option<OneOrMany<String>>,
    /// Only checkpoints marked as submitted. Always `true`.
    #[schemars(extend("const" = true))]
    pub submitted: Option<bool>,
}

/// What to keep of the sessions it matches.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// What reasons call it. Unique among policies. Default: `policy 1`, ...
    pub name: Option<String>,
    /// Which sessions. Without it: all that no earlier policy has.
    pub r#match: Option<Match>,
    /// Rules; what any of them keeps is kept. Strongest first: a limit evicts from the last rule first. Without it everything is kept, and limits evict the oldest first.
    #[schemars(length(min = 1))]
    pub keep: Option<Vec<Rule>>,
    /// What goes although a rule keeps it.
    #[schemars(length(min = 1))]
    pub discard: Option<Vec<Discard>>,
    /// How much one session may hold.
    pub limit: Option<Limit>,
    /// Nothing written less than this long ago is deleted.
    pub min_age: Option<Duration>,
    /// The newest N complete checkpoints of a session always stay.
    pub min_keep: Option<u32>,
    /// With `min-keep = 0`, a session that has exited, or is matched by `idle` and not said to be running, may lose its newest checkpoint too.
    pub session_may_go_empty: Option<bool>,
    /// IANA time zone of the bucket rules.
    pub timezone: Option<String>,
    /// What to do with two runs in one folder.
    pub restarted: Option<Restarted>,
    /// For the `best` rules of this policy.
    pub missing: Option<Missing>,
    /// For the `best` rules of this policy.
    pub ties: Option<Ties>,
    /// For the `every` rules of this policy.
    pub pick: Option<Pick>,
}

/// Exactly one rule key, and the options that belong to it.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, transform = exactly_one_rule)]
pub struct Rule {
    /// The newest N.
    #[schemars(range(min = 1))]
    pub last: Option<u32>,
    /// The oldest N.
    #[schemars(range(min = 1))]
    pub first: Option<u32>,
    /// The best N by a metric; `min` or `max` says which, and the direction.
    #[schemars(range(min = 1))]
    pub best: Option<u32>,
    /// One at each multiple of N steps.
    #[schemars(range(min = 1))]
    pub every_steps: Option<u64>,
    /// One at each multiple of N epochs.
    #[schemars(range(min = 1))]
    pub every_epochs: Option<u64>,
    /// One at each multiple of a fixed time (no months or years: they have `monthly`, `yearly`).
    pub every: Option<Duration>,
    /// Exactly these steps.
    #[schemars(length(min = 1))]
    pub steps: Option<Vec<f64>>,
    /// Saved no longer ago than that, inclusive. Beside a bucket rule: only among those.
    pub within: Option<Duration>,
    /// The newest of each of the last N hours that hold a checkpoint.
    #[schemars(range(min = 1))]
    pub hourly: Option<u32>,
    /// The newest of each of the last N days that hold a checkpoint.
    #[schemars(range(min = 1))]
    pub daily: Option<u32>,
    /// The newest of each of the last N ISO weeks that hold a checkpoint.
    #[schemars(range(min = 1))]
    pub weekly: Option<u32>,
    /// The newest of each of the last N months that hold a checkpoint.
    #[schemars(range(min = 1))]
    pub monthly: Option<u32>,
    /// The newest of each of the last N years that hold a checkpoint.
    #[schemars(range(min = 1))]
    pub yearly: Option<u32>,
    /// Globs on the id: `*` is any characters, `?` one.
    pub id: Option<OneOrMany<String>>,
    /// All of these tags.
    pub tag: Option<OneOrMany<String>>,
    /// What is marked as submitted. Always `true`.
    #[schemars(extend("const" = true))]
    pub submitted: Option<bool>,
    /// Everything. Always `true`.
    #[schemars(extend("const" = true))]
    pub all: Option<bool>,
    /// Of `best`: the lower the better; the first of these metrics that the session has.
    pub min: Option<OneOrMany<String>>,
    /// Of `best`: the higher the better; the first of these metrics that the session has.
    pub max: Option<OneOrMany<String>>,
    /// Of `best`: what to do with a checkpoint that has no finite value.
    pub missing: Option<Missing>,
    /// Of `best`: which of two equal checkpoints is better.
    pub ties: Option<Ties>,
    /// Of the `every` rules: which checkpoint stands for a multiple.
    pub pick: Option<Pick>,
    /// Of `within`: what it counts back from. Default: "now".
    pub of: Option<Anchor>,
    /// Of bucket rules: with periods left over, the oldest checkpoint is kept too. Default: false.
    pub oldest: Option<bool>,
    /// Limits and quotas do not evict what this rule keeps. Default: false.
    pub hard: Option<bool>,
    /// Over which sessions of the policy the rule is evaluated as one. Default: "session".
    pub across: Option<Across>,
}

/// Exactly one key: a property that a checkpoint has or has not, never a rank among others.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Discard {
    /// Unfinished, not written for that long, not in a running session, and beside something finished.
    pub incomplete_for: Option<Duration>,
    /// Globs on the id: `*` is any characters, `?` one.
    pub id: Option<OneOrMany<String>>,
    /// All of these tags.
    pub tag: Option<OneOrMany<String>>,
    /// Exactly these steps.
    #[schemars(length(min = 1))]
    pub steps: Option<Vec<f64>>,
    /// What is marked as submitted. Always `true`.
    #[schemars(extend("const" = true))]
    pub submitted: Option<bool>,
    /// Everything. Always `true`.
    #[schemars(extend("const" = true))]
    pub all: Option<bool>,
}

/// Evicted one at a time, weakest first, until at or below.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limit {
    /// Allocated bytes of one session, hard links once.
    pub max_bytes: Option<Size>,
    /// Checkpoints of one session.
    #[schemars(range(min = 1))]
    pub max_count: Option<u32>,
    /// Evicts what is older.
    pub max_age: Option<Duration>,
}

/// A space limit across sessions: `max-bytes` for each owner or the root, or `min-free` of the file system.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Quota {
    /// What reasons call it. Unique among quotas. Default: `quota 1`, ...
    pub name: Option<String>,
    /// Whose bytes are counted as one. Required with `max-bytes`; `min-free` is always per root.
    pub per: Option<Per>,
    /// At most this many allocated bytes.
    pub max_bytes: Option<Size>,
    /// At least this much of the file system stays free.
    pub min_free: Option<Amount>,
    /// Once over, evict down to here (with `min-free`: until this much is free). Default: `max-bytes` or `min-free`.
    pub low: Option<Amount>,
    /// Default: "evict".
    pub on_exceed: Option<OnExceed>,
    /// Of `min-free` when it cannot be reached. Default: "nothing".
    pub unreachable: Option<Unreachable>,
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(JsonSchema)]
            #[schemars(rename_all = "kebab-case", inline)]
            pub enum $name { $($(#[$case_doc])* $case),+ }
        )+
    };
}

choices! {
    /// What to do with two runs in one folder.
    Restarted {
        /// Keep the session whole and say so.
        Keep,
        /// The later save is the newer.
        ByTime,
        /// The higher step is the newer.
        ByStep,
    }
    /// What `best` does with a checkpoint that has no finite value.
    Missing {
        /// Keep it until a later checkpoint of the session has one.
        Wait,
        /// Keep it.
        Keep,
        /// Say nothing about it.
        Drop,
    }
    /// Which of two equal checkpoints is better.
    Ties {
        /// The newer.
        Newest,
        /// The older.
        Oldest,
        /// Both: what is as good as the N-th is kept too.
        All,
    }
    /// Which checkpoint stands for a multiple.
    Pick {
        /// The first at or after it.
        First,
        /// Only one that lies exactly on it.
        Exact,
    }
    /// What `within` counts back from.
    Anchor {
        /// The time of the plan.
        Now,
        /// The newest checkpoint that is not in the future.
        Newest,
    }
    /// Over which sessions of the policy a rule is evaluated as one.
    Across {
        /// Each session by itself.
        Session,
        /// All sessions in the same parent folder.
        Folder,
        /// All sessions of the same owner.
        Owner,
        /// All sessions of the policy.
        Policy,
    }
    /// Whose bytes are counted as one.
    Per {
        /// Each owner's.
        Owner,
        /// Everybody's.
        Root,
    }
    /// What a quota does when it is exceeded.
    OnExceed {
        /// Evict.
        Evict,
        /// Recommend only.
        Report,
    }
    /// What `min-free` does when it cannot be reached.
    Unreachable {
        /// Go as far as it may.
        Evict,
        /// Evict nothing.
        Nothing,
    }
    /// Whether a session's training is going on.
    Status {
        /// It is.
        Running,
        /// It ended.
        Exited,
        /// Nobody recorded it.
        Unknown,
    }
}

/// The rule keys, of which a rule has exactly one; `within` is an option beside a bucket.
pub const RULE_KEYS: [&str; 17] = [
    "last",
    "first",
    "best",
    "every-steps",
    "every-epochs",
    "every",
    "steps",
    "within",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "id",
    "tag",
    "submitted",
    "all",
];
/// The rule keys that stand for calendar periods.
pub const BUCKET_KEYS: [&str; 5] = ["hourly", "daily", "weekly", "monthly", "yearly"];

/// Lets an editor see what the checker will say: one rule key for each rule.
fn exactly_one_rule(schema: &mut schemars::Schema) {
    let one = RULE_KEYS.map(|key| {
        if key == "within" {
            let buckets = BUCKET_KEYS.map(|b| json!({ "required": [b] }));
            json!({ "required": [key], "not": { "anyOf": buckets } })
        } else {
            json!({ "required": [key] })
        }
    });
    schema.insert("oneOf".to_owned(), json!(one));
}

/// A metric value of a test: a number (`nan` and `inf` included), or text that is not one.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
pub enum MetricValue {
    Number(f64),
    Text(String),
}

/// Metrics by name.
pub type Metrics = BTreeMap<String, MetricValue>;
