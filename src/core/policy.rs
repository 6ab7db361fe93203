//! A valid policy: what is left after a TOML file was checked, with every default filled in.
//!
//! These types cannot express a broken policy; `policy/raw` and `policy/check` turn text into
//! them and collect every fault on the way.

mod codes;
mod declare;
mod diagnostic;
mod discard;
mod exclude;
mod expected;
mod load;
mod matching;
mod origin;
mod outcome;
pub mod raw;
mod raw_layout;
pub mod raw_test;
mod reader;
mod redundant;
mod rules;
mod scalar;
mod schema;
mod settings;
mod show;
mod size;
mod space;
mod suggest;
mod syntax;
mod tables;
mod testing;
mod when;

pub use codes::{ALL as ALL_CODES, Code};
pub use declare::layouts;
pub use diagnostic::{Diagnostic, Position, Severity};
pub use exclude::exclusions;
pub use load::{Loaded, VERSION, load};
pub use matching::LAYOUTS;
pub use origin::{Origin, Origins};
pub use outcome::{Failure, TestResult};
pub use schema::{KeyDoc, place, schema, tables};
pub use show::show;
pub use size::{SizeError, format as format_size, parse as parse_size};
pub use testing::PolicyTest;

pub use super::calendar::Span;

use super::calendar::Period;
use super::declared::Definition;
use super::model::{Status, Step, Time};
use super::select::Globs;

/// The policy that holds where none is given; a file of the repository with its own tests.
pub const DEFAULT: &str = include_str!("../../policies/default.toml");
/// What `retain policy new` prints: a policy to start from, every line explained.
pub const STARTER: &str = include_str!("policy/starter.toml");

/// A whole policy file.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Absolute: nothing below gets past these.
    pub protections: Vec<Protection>,
    /// The first one that matches a session has it.
    pub policies: Vec<SessionPolicy>,
    /// Evaluated in this order, after all session limits.
    pub quotas: Vec<Quota>,
    pub safety: Safety,
    /// Layouts that the file declares. A scan recognises by them; deciding does not need them.
    pub layouts: Vec<Definition>,
    /// How long the trash of a run can be restored.
    pub grace: Span,
}

impl Policy {
    /// Whether what goes depends on how many bytes something takes: not only what is deleted has to
    /// be measured then, but all that counts.
    pub fn counts_bytes(&self) -> bool {
        !self.quotas.is_empty() || self.policies.iter().any(|p| p.limit.max_bytes.is_some())
    }
}

/// `[[protect]]`.
#[derive(Clone, Debug)]
pub struct Protection {
    pub name: Box<str>,
    pub sessions: Match,
    /// Which checkpoints of a matched session; with all three empty, every one.
    pub id: Option<Globs>,
    /// All of these tags, on the checkpoint or on its session.
    pub tag: Vec<Box<str>>,
    pub submitted: bool,
    /// First instant at which it no longer holds.
    pub until: Option<Time>,
    pub why: Option<Box<str>>,
}

/// The `match` table of a policy or protection: every given key must hold.
#[derive(Clone, Debug, Default)]
pub struct Match {
    pub session: Option<Globs>,
    pub not: Option<Globs>,
    pub owner: Option<Globs>,
    /// Any of these layout names.
    pub layout: Vec<Box<str>>,
    /// All of these tags, each on the session or on one of its checkpoints (policies only).
    pub tag: Vec<Box<str>>,
    /// A finite value of any of these.
    pub metric: Vec<Box<str>>,
    /// Any of these.
    pub status: Vec<Status>,
    /// Nothing in the session was written for at least that long.
    pub idle: Option<Span>,
    /// The session is among the N newest of its owner and dataset.
    pub newest_sessions: Option<u32>,
}

/// `[[policy]]`.
#[derive(Clone, Debug)]
pub struct SessionPolicy {
    pub name: Box<str>,
    pub sessions: Match,
    /// Strongest first; empty: everything is kept until a limit evicts it.
    pub keep: Vec<Rule>,
    pub discard: Vec<Discard>,
    pub limit: Limit,
    /// The newest N complete checkpoints always stay.
    pub min_keep: u32,
    /// With `min_keep` 0: an exited or idle session may lose its newest too.
    pub session_may_go_empty: bool,
    pub min_age: Span,
    pub timezone: chrono_tz::Tz,
    pub restarted: Restarted,
}

/// What to do with two runs in one folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restarted {
    /// Keep the session whole.
    #[default]
    Keep,
    ByTime,
    ByStep,
}

/// One entry of `keep`.
#[derive(Clone, Debug)]
pub struct Rule {
    pub kind: RuleKind,
    /// Limits and quotas do not evict what it keeps.
    pub hard: bool,
    pub across: Across,
}

/// Over which sessions a rule is evaluated as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Across {
    #[default]
    Session,
    /// All sessions of the policy in the same parent folder.
    Folder,
    Owner,
    Policy,
}

#[derive(Clone, Debug)]
pub enum RuleKind {
    /// The newest N.
    Last(u32),
    /// The oldest N.
    First(u32),
    Best(Best),
    EverySteps {
        n: u64,
        pick: Pick,
    },
    EveryEpochs {
        n: u64,
        pick: Pick,
    },
    /// Multiples of a fixed span since the Unix epoch, in seconds.
    Every {
        seconds: u64,
        pick: Pick,
    },
    Steps(Vec<Step>),
    /// Saved no longer ago than that, inclusive.
    Within {
        span: Span,
        of: Anchor,
    },
    Bucket(Bucket),
    Id(Globs),
    /// All of these tags.
    Tag(Vec<Box<str>>),
    Submitted,
    All,
}

impl RuleKind {
    /// The key that introduces the rule in a policy file.
    pub fn key(&self) -> &'static str {
        match self {
            RuleKind::Last(_) => "last",
            RuleKind::First(_) => "first",
            RuleKind::Best(_) => "best",
            RuleKind::EverySteps { .. } => "every-steps",
            RuleKind::EveryEpochs { .. } => "every-epochs",
            RuleKind::Every { .. } => "every",
            RuleKind::Steps(_) => "steps",
            RuleKind::Within { .. } => "within",
            RuleKind::Bucket(b) => b.period.key(),
            RuleKind::Id(_) => "id",
            RuleKind::Tag(_) => "tag",
            RuleKind::Submitted => "submitted",
            RuleKind::All => "all",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Best {
    pub n: u32,
    pub direction: Direction,
    /// The first of these that the group has is the one that counts.
    pub metrics: Vec<Box<str>>,
    pub missing: Missing,
    pub ties: Ties,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Min,
    Max,
}

/// What `best` does with a checkpoint that has no finite value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Keep until a newer checkpoint of the session has one.
    #[default]
    Wait,
    Keep,
    Drop,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    #[default]
    Newest,
    Oldest,
    /// Everything as good as the N-th is kept too.
    All,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pick {
    /// The first at or after each multiple.
    #[default]
    First,
    /// Only what lies exactly on a multiple.
    Exact,
}

/// What `within` counts back from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anchor {
    #[default]
    Now,
    /// The newest checkpoint that is not in the future.
    Newest,
}

/// `hourly`, `daily`, ...: the newest of each of the last N periods that hold a checkpoint.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub period: Period,
    pub n: u32,
    /// With periods left over, the oldest checkpoint is kept too.
    pub oldest: bool,
    /// Only among the checkpoints saved within this span.
    pub within: Option<(Span, Anchor)>,
}

/// One entry of `discard`.
#[derive(Clone, Debug)]
pub enum Discard {
    /// Incomplete, not written for that long, not in a running session, and beside something complete.
    IncompleteFor(Span),
    Id(Globs),
    Tag(Vec<Box<str>>),
    Steps(Vec<Step>),
    Submitted,
    All,
}

impl Discard {
    pub fn key(&self) -> &'static str {
        match self {
            Discard::IncompleteFor(_) => "incomplete-for",
            Discard::Id(_) => "id",
            Discard::Tag(_) => "tag",
            Discard::Steps(_) => "steps",
            Discard::Submitted => "submitted",
            Discard::All => "all",
        }
    }
}

/// `limit`, per session.
#[derive(Clone, Debug, Default)]
pub struct Limit {
    pub max_bytes: Option<u64>,
    pub max_count: Option<u32>,
    /// Evicts what is older, exclusive.
    pub max_age: Option<Span>,
}

/// `[[quota]]`.
#[derive(Clone, Debug)]
pub struct Quota {
    pub name: Box<str>,
    pub cap: Cap,
    pub on_exceed: OnExceed,
    /// Go as far as possible even if `min-free` cannot be reached.
    pub evict_unreachable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cap {
    /// Evict down to `low` when a group uses more than `max`.
    MaxBytes { per: Per, max: u64, low: u64 },
    /// Per root: evict until `low` is free when less than `min` is.
    MinFree { min: Amount, low: Amount },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    Owner,
    Root,
}

/// Bytes, or a share of a whole that is known only later.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Bytes(u64),
    /// 0 to 100.
    Percent(f64),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExceed {
    #[default]
    Evict,
    /// Recommend only.
    Report,
}

/// `[safety]`: over either of these, nothing is deleted at all.
#[derive(Clone, Debug, Default)]
pub struct Safety {
    /// Checkpoints: a count is written as a number, a share as a percentage.
    pub max_delete: Option<MaxDelete>,
    pub max_delete_bytes: Option<Amount>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxDelete {
    Count(u64),
    /// Of the checkpoints this run sees, 0 to 100.
    Percent(f64),
}
