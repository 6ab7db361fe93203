//! What `retain` knows about sessions and checkpoints, independent of where they are stored.
//!
//! An [`Inventory`] is a value: a scan makes one, a file can hold one, two can be merged, and a
//! policy is evaluated on nothing else.

mod metrics;
mod names;
mod time;

pub use metrics::Metrics;
pub use names::{MetricId, Names, Renumbered};
pub use smol_str::SmolStr;
pub use time::Time;

use std::cmp::Ordering;
use std::fmt;

/// A training step or an epoch: non-negative; whole, or (Flax, Hugging Face epochs) fractional.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Whole(u64),
    /// Finite, positive, and not a whole number below 2^64: [`Step::from_f64`] normalises.
    Fraction(f64),
}

impl Step {
    /// `None` for negative, NaN and infinite values.
    pub fn from_f64(value: f64) -> Option<Step> {
        if !value.is_finite() || value < 0.0 {
            return None;
        }
        if value.fract() == 0.0 && value < 18_446_744_073_709_551_616.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, not negative, and below 2^64"
            )]
            return Some(Step::Whole(value as u64));
        }
        Some(Step::Fraction(value))
    }

    /// As a float; whole steps above 2^53 are rounded.
    #[expect(clippy::cast_precision_loss, reason = "documented")]
    pub fn as_f64(self) -> f64 {
        match self {
            Step::Whole(n) => n as f64,
            Step::Fraction(x) => x,
        }
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Step) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Step {}
impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Step) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Step {
    fn cmp(&self, other: &Step) -> Ordering {
        match (*self, *other) {
            (Step::Whole(a), Step::Whole(b)) => a.cmp(&b),
            // The greatest whole steps are rounded up to 2^64, and are still below it.
            (a @ Step::Whole(_), Step::Fraction(x)) => {
                a.as_f64().total_cmp(&x).then(Ordering::Less)
            }
            (Step::Fraction(_), Step::Whole(_)) => other.cmp(self).reverse(),
            (Step::Fraction(x), Step::Fraction(y)) => x.total_cmp(&y),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Whole(n) => write!(f, "{n}"),
            Step::Fraction(x) => write!(f, "{x}"),
        }
    }
}

/// Everything one scan, or one inventory file, saw.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The id in the root's `.retain/root.toml`, if it has one.
    pub root: Option<Box<str>>,
    /// When it was taken.
    pub now: Option<Time>,
    /// The file system the root lies on; `None` where nobody measured it.
    pub space: Option<Space>,
    pub names: Names,
    /// In natural order of their names, each name once.
    pub sessions: Vec<Session>,
}

/// Sizes of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    /// Available to an unprivileged writer; a scan adds what purging the trash would free.
    pub free: u64,
    /// How much of `free` is that.
    pub trash: u64,
}

impl Space {
    /// Free without a purge.
    pub fn free_now(&self) -> u64 {
        self.free.saturating_sub(self.trash)
    }
}

/// Whether a session's training is known to be going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    Running,
    Exited,
    #[default]
    Unknown,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Exited => "exited",
            Status::Unknown => "unknown",
        }
    }
}

/// One training run: the unit a policy is evaluated on.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Its path below the root (`/`-separated, see [`crate::core::name`] for odd bytes).
    pub name: Box<str>,
    pub owner: Box<str>,
    /// Name of the layout that recognised it (`nsml`, `hf_trainer`, ...); unknown in foreign files.
    pub layout: Option<Box<str>>,
    pub status: Status,
    /// The latest write to anything in the session, logs included.
    pub last_write: Option<Time>,
    /// Why the session could not be read whole; if not empty it loses nothing.
    pub tainted: Vec<Box<str>>,
    /// Tags of the session itself.
    pub tags: Vec<Box<str>>,
    /// Which of several series in one directory it is, as its marks call it; usually empty.
    pub series: Box<str>,
    /// Marks and pointers that decisions relied on; if one changes, what was planned is void.
    pub guards: Vec<Guard>,
    /// In any order; no decision depends on it.
    pub checkpoints: Vec<Checkpoint>,
}

/// A file beside the checkpoints that says something about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Relative to the root, as the paths of checkpoints are.
    pub path: Box<str>,
    /// `None`: there was no such file, and there must be none when the plan is carried out.
    pub fingerprint: Option<Fingerprint>,
}

/// Facts about a checkpoint that are not metrics, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    pub const PINNED: Marks = Marks(1);
    pub const SUBMITTED: Marks = Marks(2);
    /// Named as the latest by a pointer, or a copy of the latest.
    pub const LATEST: Marks = Marks(4);
    /// Named as the best by a pointer, or a copy of the best.
    pub const BEST: Marks = Marks(8);
    /// Two layouts claim it, its name and its content contradict each other, or a run lies in it.
    pub const AMBIGUOUS: Marks = Marks(16);

    const NAMES: [(Marks, &'static str); 5] = [
        (Marks::PINNED, "pinned"),
        (Marks::SUBMITTED, "submitted"),
        (Marks::LATEST, "latest"),
        (Marks::BEST, "best"),
        (Marks::AMBIGUOUS, "ambiguous"),
    ];

    pub fn has(self, mark: Marks) -> bool {
        self.0 & mark.0 == mark.0
    }
    pub fn set(&mut self, mark: Marks) {
        self.0 |= mark.0;
    }
    pub fn clear(&mut self, mark: Marks) {
        self.0 &= !mark.0;
    }
    pub fn parse(name: &str) -> Option<Marks> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(m, _)| *m)
    }
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(m, _)| self.has(*m)).map(|(_, n)| *n)
    }
}

/// A digest over relative path, inode, type, size, mtime and ctime of every file of a checkpoint.
pub type Fingerprint = [u8; 16];

/// A fingerprint as plans and inventories write it: 32 lower-case hex digits.
pub fn hex(fingerprint: &Fingerprint) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    fingerprint.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The unit that is kept or deleted whole.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// Unique in its session; the name its framework gave it.
    pub id: SmolStr,
    pub step: Option<Step>,
    pub epoch: Option<Step>,
    /// When it was saved: recorded by the framework, else the newest mtime of its files.
    pub saved_at: Option<Time>,
    /// The newest mtime or ctime of its files; `None` where only `saved_at` is known.
    pub last_write: Option<Time>,
    /// Allocated bytes, each hard-linked file once.
    pub bytes: u64,
    pub files: u32,
    pub metrics: Metrics,
    pub marks: Marks,
    pub complete: bool,
    pub fingerprint: Option<Fingerprint>,
    /// What few checkpoints have; boxed to keep the many small.
    pub extra: Option<Box<Extra>>,
}

/// The rarer facts about a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    pub summary: Option<Box<str>>,
    /// Seconds since the previous save.
    pub elapsed: Option<f64>,
    pub tags: Vec<Box<str>>,
    /// Ids (same session) or `SESSION/ID` of checkpoints that this one cannot be loaded without.
    pub needs: Vec<Box<str>>,
    pub pointers: Vec<Pointer>,
    pub pin: Option<Pin>,
    /// Metric sources that disagree beyond rounding, each a sentence.
    pub conflicts: Vec<Box<str>>,
    /// One entry for each link of a file that has several; the bytes of each such file are
    /// included in `bytes` once.
    pub shared: Vec<SharedFile>,
    /// What is moved, relative to the root; what makes it loadable comes first. Empty when foreign.
    pub paths: Vec<Box<str>>,
    /// Sum of file lengths; differs from `bytes` for sparse or compressed files.
    pub apparent: u64,
    /// Where a metric's value was read: (metric, path relative to the session, or "name").
    pub sources: Vec<(MetricId, Box<str>)>,
}

/// Something on disk that names a checkpoint: a symlink, a `latest` file, a best path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// What it is called: `last.ckpt`, `latest`, `best_model_checkpoint`.
    pub name: Box<str>,
    /// It lies outside the session, so an emptied session does not take it along.
    pub external: bool,
}

/// A pin set by a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// First instant at which it no longer holds.
    pub until: Option<Time>,
    pub why: Option<Box<str>>,
}

/// A file that has more than one hard link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedFile {
    /// Identifies the inode within one inventory.
    pub inode: u64,
    /// Allocated bytes.
    pub bytes: u64,
    /// Its length.
    pub apparent: u64,
    /// All its hard links, those outside any checkpoint included.
    pub links: u32,
}

impl Checkpoint {
    /// Called or marked the last or the best: most often a copy, which has no step of its own so that
    /// it takes nobody's place in a rule.
    pub fn is_last_or_best(&self) -> bool {
        self.is_named_last_or_best() || self.marks.has(Marks::LATEST) || self.marks.has(Marks::BEST)
    }

    /// Rules see it: complete, and without contradictions.
    pub fn is_seen(&self) -> bool {
        self.complete && !self.marks.has(Marks::AMBIGUOUS)
    }

    /// It is called the last or the best.
    pub fn is_named_last_or_best(&self) -> bool {
        super::called::last_or_best(self.id.as_bytes())
    }

    pub fn metric(&self, id: MetricId) -> Option<f64> {
        self.metrics.get(id)
    }

    /// The value if it can be ranked: present and finite.
    pub fn finite_metric(&self, id: MetricId) -> Option<f64> {
        self.metric(id).filter(|v| v.is_finite())
    }

    /// When anything in it was last written, as far as is known.
    pub fn written(&self) -> Option<Time> {
        self.last_write.or(self.saved_at)
    }

    /// Gives the metrics their ids in another table of names.
    pub fn renumber(&mut self, ids: &mut Renumbered<'_>) {
        self.metrics = self.metrics.iter().map(|(id, value)| (ids.of(id), value)).collect();
        if let Some(extra) = &mut self.extra {
            for source in &mut extra.sources {
                source.0 = ids.of(source.0);
            }
            extra.sources.sort_by_key(|s| s.0);
        }
    }

    pub fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub fn tags(&self) -> &[Box<str>] {
        self.extra.as_ref().map_or(&[], |e| &e.tags)
    }
    pub fn needs(&self) -> &[Box<str>] {
        self.extra.as_ref().map_or(&[], |e| &e.needs)
    }
    pub fn pointers(&self) -> &[Pointer] {
        self.extra.as_ref().map_or(&[], |e| &e.pointers)
    }
    pub fn conflicts(&self) -> &[Box<str>] {
        self.extra.as_ref().map_or(&[], |e| &e.conflicts)
    }
    pub fn sources(&self) -> &[(MetricId, Box<str>)] {
        self.extra.as_ref().map_or(&[], |e| &e.sources)
    }
    pub fn shared(&self) -> &[SharedFile] {
        self.extra.as_ref().map_or(&[], |e| &e.shared)
    }
    pub fn paths(&self) -> &[Box<str>] {
        self.extra.as_ref().map_or(&[], |e| &e.paths)
    }
    /// Seconds since the previous save.
    pub fn elapsed(&self) -> Option<f64> {
        self.extra.as_ref().and_then(|e| e.elapsed)
    }
    pub fn summary(&self) -> Option<&str> {
        self.extra.as_ref().and_then(|e| e.summary.as_deref())
    }
    pub fn pin(&self) -> Option<&Pin> {
        self.extra.as_ref().and_then(|e| e.pin.as_ref())
    }
}

#[cfg(test)]
mod tests;
