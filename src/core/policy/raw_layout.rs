//! The shape of `[[layout]]`, in policies and in `retain.toml`.

use super::raw::OneOrMany;
use schemars::JsonSchema;

/// A layout of one's own: files or directories that are recognised by their names.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Layout {
    /// What `layout = [".."]` in a `match` calls it. Unique, and not the name of a built-in layout.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Matches the whole name of a checkpoint; named groups `id`, `step`, `epoch` and `metric_NAME` say what it holds.
    pub regex: String,
    /// What one checkpoint is. Default: "file".
    pub unit: Option<LayoutUnit>,
    /// A file without which a checkpoint is unfinished: in a directory's, else beside it and with `{id}` in its name.
    pub complete: Option<String>,
    /// A file beside the checkpoints that names one of them, which is protected.
    pub pointer: Option<String>,
    /// Where metrics stand that are not in the name.
    pub metrics: Option<LayoutMetrics>,
}

/// A file with metrics, and how its records find their checkpoints.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LayoutMetrics {
    /// `NAME` beside the checkpoints, `../NAME` above them, or `{id}/NAME` in each directory.
    pub file: String,
    /// How it is written. Default: what its extension says.
    pub format: Option<LayoutFormat>,
    /// What of a checkpoint the records name. Required, but for `{id}/NAME`.
    pub join: Option<LayoutJoin>,
    /// Where it stands in a record. Default: "step", "epoch" or "checkpoint".
    pub column: Option<String>,
    /// What is added to a record's number to get the checkpoint's: a log that counts from 0 has offset 1. Default: 0.
    pub offset: Option<i64>,
    /// The metrics to take. Default: all numbers.
    pub keys: Option<OneOrMany<String>>,
}

/// What one checkpoint of a declared layout is.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
pub enum LayoutUnit {
    /// One file.
    File,
    /// All files of one `id`.
    Group,
    /// One directory.
    Directory,
}

/// How a metric file is written.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
pub enum LayoutFormat {
    /// A table with a header.
    Csv,
    /// A list of objects, or an object of objects by id.
    Json,
    /// One object a line.
    Jsonl,
}

/// What of a checkpoint a record names.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
pub enum LayoutJoin {
    /// Its id, or a path that ends in it.
    Id,
    /// Its step.
    Step,
    /// Its epoch.
    Epoch,
}
