//! The shape of `[[test]]` tables; see [`super::raw`].

use super::raw::{Duration, Metrics, OneOrMany, Size, Status};
use schemars::JsonSchema;
use serde_json::Value;

/// Checkpoints, and which of them must survive the policies of this file. The brakes of
/// `[safety]` are not applied.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyTest {
    /// What the result calls it. Unique among tests. Default: `test 1`, ...
    pub name: Option<String>,
    /// The time of the plan. Default: 2026-01-01T00:00:00Z.
    #[schemars(with = "Option<String>")]
    pub now: Option<Value>,
    /// Name of the session. Default: "owner/data/1".
    pub session: Option<String>,
    /// Owner of all sessions. Default: the first component of the session's name.
    pub owner: Option<String>,
    /// Layout that recognised the sessions. Default: unknown.
    pub layout: Option<String>,
    /// Whether training goes on. Default: "unknown".
    pub status: Option<Status>,
    /// The last write to anything in the sessions was that long before `now`. Default: the newest checkpoint's.
    pub idle: Option<Duration>,
    /// Tags of the sessions themselves.
    pub tags: Option<OneOrMany<String>>,
    /// The file system that the root lies on, for `min-free`.
    pub disk: Option<Disk>,
    /// The checkpoints.
    #[schemars(length(min = 1))]
    pub checkpoints: Vec<TestCheckpoint>,
    /// Exactly these survive: `"ID"`, or `"SESSION:ID"` where an id alone is ambiguous.
    pub keep: Option<Vec<String>>,
    /// Exactly these are deleted.
    pub delete: Option<Vec<String>>,
}

/// Sizes of a file system.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Disk {
    /// All of it.
    pub total: Size,
    /// What is free.
    pub free: Size,
}

/// A checkpoint of a test.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TestCheckpoint {
    /// Unique in its session.
    pub id: String,
    /// Its session. Default: the test's.
    pub session: Option<String>,
    /// Training step.
    pub step: Option<f64>,
    /// Epoch.
    pub epoch: Option<f64>,
    /// Saved that long before `now`. Default: 30 days, each later entry a minute less.
    pub age: Option<Duration>,
    /// When it was saved, instead of `age`.
    #[schemars(with = "Option<String>")]
    pub saved_at: Option<Value>,
    /// Allocated size. Default: "1GiB".
    pub bytes: Option<Size>,
    /// Metric values. Text stands for a value that is not a number.
    pub metrics: Option<Metrics>,
    /// Any of `pinned`, `submitted`, `latest`, `best`, `ambiguous`.
    pub marks: Option<OneOrMany<String>>,
    /// Tags of the checkpoint.
    pub tags: Option<OneOrMany<String>>,
    /// Whether it was saved to its end. Default: true.
    pub complete: Option<bool>,
    /// Names of pointers to it, such as `"last.ckpt"`.
    pub pointer: Option<OneOrMany<String>>,
    /// Ids (or `SESSION/ID`) of checkpoints that it cannot be loaded without.
    pub needs: Option<OneOrMany<String>>,
}
