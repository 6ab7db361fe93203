//! A layout as a person writes it in `retain.toml`, checked.

use crate::layout::record::{Fact, Format};
use serde::Deserialize;

/// `[[layout]]` in `retain.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// What inventories and policies call it.
    pub name: String,
    /// Matches the whole name of an entry; groups `id`, `step`, `epoch`, `metric_NAME`.
    pub regex: String,
    #[serde(default)]
    pub unit: UnitKind,
    /// A file without which a checkpoint is unfinished: in a directory's, else beside it and with
    /// `{id}` in its name.
    pub complete: Option<String>,
    /// A file beside the checkpoints with the name of one of them, which is protected.
    pub pointer: Option<String>,
    pub metrics: Option<MetricFile>,
}

/// What one checkpoint is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitKind {
    #[default]
    File,
    /// All files of one `id`.
    Group,
    Directory,
}

/// Where metrics stand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricFile {
    /// `NAME` beside the checkpoints, `../NAME` above them, `{id}/NAME` in each.
    pub file: String,
    /// By default what the extension says.
    pub format: Option<Format>,
    /// What of a checkpoint the records name; of no meaning for `{id}/NAME`.
    pub join: Option<Fact>,
    /// Where it stands in a record; by default the join's own name.
    pub column: Option<String>,
    /// What is added to a record's number to get the checkpoint's.
    #[serde(default)]
    pub offset: i64,
    /// The metrics to take; by default all numbers.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// What is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    #[error("layout.name is empty; write a word that policies can match")]
    NoName,
    #[error("there is a built-in layout `{0}`; choose another name")]
    BuiltIn(String),
    #[error("layout `{0}` is there twice; give each a name of its own")]
    Twice(String),
    #[error("layout `{name}`: {text}")]
    Regex { name: String, text: String },
    #[error(
        "layout `{name}`: group `{group}` is not known; there are id, step, epoch and metric_NAME"
    )]
    Group { name: String, group: String },
    #[error("layout `{name}`: unit = \"group\" needs a group `(?<id>..)` that its files share")]
    NoId { name: String },
    #[error("layout `{name}`: {key} = \"{value}\" is no name of a file; {remedy}")]
    File { name: String, key: &'static str, value: String, remedy: &'static str },
    #[error(
        "layout `{name}`: the format of {file} is not known; add format = \"csv\", \"json\" or \"jsonl\""
    )]
    Format { name: String, file: String },
    #[error(
        "layout `{name}`: metrics need join = \"{fact}\" and a group `(?<{fact}>..)` in the regex"
    )]
    Join { name: String, fact: &'static str },
}

impl MetricFile {
    /// The format that is written, or that the extension says.
    pub fn format(&self) -> Option<Format> {
        self.format.or_else(|| Format::of(&self.file))
    }
}

/// Whether a text is a single component that can be a file.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !matches!(text, "." | "..") && !text.contains(['/', '\0'])
}
