//! Layouts that a person declares, in a policy or in `retain.toml`: a regular expression for names,
//! and where the rest stands.
//!
//! Only what is declared; `policy::declare` checks it, and the shell recognises by it. Deciding
//! needs none of it: an inventory holds what was recognised.

/// `[[layout]]`, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// What inventories and policies call it.
    pub name: String,
    /// Matches the whole name of an entry; groups `id`, `step`, `epoch`, `metric_NAME`.
    pub regex: String,
    pub unit: UnitKind,
    /// A file without which a checkpoint is unfinished: in a directory's, else beside it and with
    /// `{id}` in its name.
    pub complete: Option<String>,
    /// A file beside the checkpoints with the name of one of them, which is protected.
    pub pointer: Option<String>,
    pub metrics: Option<MetricFile>,
}

/// What one checkpoint is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitKind {
    #[default]
    File,
    /// All files of one `id`.
    Group,
    Directory,
}

/// Where metrics stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricFile {
    pub file: MetricPlace,
    pub format: Format,
    /// `None` only for files in each checkpoint, which need no join.
    pub join: Option<Join>,
    /// The metrics to take; all numbers if it is empty.
    pub keys: Vec<String>,
}

/// Which file; as text `NAME`, `../NAME` or `{id}/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricPlace {
    /// Beside the checkpoints.
    Beside(String),
    /// In the directory above them.
    Above(String),
    /// In each checkpoint, a directory: one JSON object.
    Inside(String),
}

/// Which checkpoint a record belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub fact: Fact,
    /// Where the fact stands in a record.
    pub column: String,
    /// What is added to the record's number to get the checkpoint's.
    pub offset: i64,
}

/// How a metric file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    /// A list of objects, or an object of objects by their checkpoint's id.
    Json,
    /// JSON Lines.
    Jsonl,
}

/// What of a checkpoint a record names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    Id,
    Step,
    Epoch,
}

/// In names of other files, the checkpoint's id.
pub const ID: &str = "{id}";
/// What groups of metrics are called before the metric's name.
pub const METRIC: &str = "metric_";
/// Compiled, a larger expression is refused.
const MAX_REGEX: usize = 1 << 20;

impl Definition {
    /// The expression, for whole names.
    ///
    /// # Errors
    /// It is none, or too large.
    pub fn compile(&self) -> Result<regex::Regex, regex::Error> {
        compile(&self.regex)
    }
}

/// An expression that has to match whole names.
///
/// # Errors
/// It is none, or too large.
pub fn compile(regex: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{regex})$")).size_limit(MAX_REGEX).build()
}

impl UnitKind {
    pub fn as_str(self) -> &'static str {
        match self {
            UnitKind::File => "file",
            UnitKind::Group => "group",
            UnitKind::Directory => "directory",
        }
    }
}

impl MetricPlace {
    /// Reads `NAME`, `../NAME` or `{id}/NAME`; `None` if the name is none.
    pub fn parse(text: &str) -> Option<MetricPlace> {
        let (place, name): (fn(String) -> MetricPlace, &str) =
            if let Some(name) = text.strip_prefix("../") {
                (MetricPlace::Above, name)
            } else if let Some(name) = text.strip_prefix("{id}/") {
                (MetricPlace::Inside, name)
            } else {
                (MetricPlace::Beside, text)
            };
        is_name(name).then(|| place(name.to_owned()))
    }

    /// The file's own name.
    pub fn name(&self) -> &str {
        match self {
            MetricPlace::Beside(name) | MetricPlace::Above(name) | MetricPlace::Inside(name) => {
                name
            }
        }
    }
}

impl std::fmt::Display for MetricPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MetricPlace::Beside(name) => f.write_str(name),
            MetricPlace::Above(name) => write!(f, "../{name}"),
            MetricPlace::Inside(name) => write!(f, "{ID}/{name}"),
        }
    }
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
        }
    }

    /// By the file's extension.
    pub fn of(file: &str) -> Option<Format> {
        match file.rsplit_once('.')?.1 {
            "csv" => Some(Format::Csv),
            "json" => Some(Format::Json),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            _ => None,
        }
    }
}

impl Fact {
    pub fn as_str(self) -> &'static str {
        match self {
            Fact::Id => "id",
            Fact::Step => "step",
            Fact::Epoch => "epoch",
        }
    }

    /// Where a record has it if nothing else is said.
    pub fn column(self) -> &'static str {
        match self {
            Fact::Id => "checkpoint",
            Fact::Step => "step",
            Fact::Epoch => "epoch",
        }
    }
}

/// Whether a text is a single component that can be a file.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !matches!(text, "." | "..") && !text.contains(['/', '\0'])
}
