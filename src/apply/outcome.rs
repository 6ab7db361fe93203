//! What callers give to the mutating commands and get back from them.

use super::calls::{Calls, Os};
use super::cause::Cause;
use super::journal::{history, spare};
use super::recover::Recovery;
use super::root::{Root, RootError};
use super::threads;
use crate::core::model::Time;
use crate::core::plan::PlanError;
use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What every mutating command needs to know.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// The caller's clock; nothing below reads one.
    pub now: Time,
    /// Sessions, or trash slots, worked on at once. With 1 all system calls come from one thread;
    /// with 0 as many as the root's file system is good for.
    pub threads: usize,
    /// How long to wait for another run to end.
    pub lock_wait: Duration,
    /// Set by a signal: the current checkpoint is finished, the rest is kept (I29).
    pub stop: &'a AtomicBool,
    pub calls: &'a dyn Calls,
}

impl<'a> Settings<'a> {
    /// Defaults: threads by the file system, five seconds for the lock.
    pub fn new(now: Time, stop: &'a AtomicBool) -> Settings<'a> {
        Settings { now, threads: 0, lock_wait: Duration::from_secs(5), stop, calls: &Os }
    }

    pub(super) fn threads_on(&self, root: &Root) -> usize {
        threads::or_good(self.threads, root.fd())
    }
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("now", &self.now)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// Something happened; for progress bars and `-v`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// So much is going to be worked on.
    Begin {
        checkpoints: u64,
        bytes: u64,
    },
    Moved {
        session: &'a str,
        id: &'a str,
        bytes: u64,
    },
    Skipped {
        session: &'a str,
        why: &'a str,
    },
    Purged {
        session: &'a str,
        id: &'a str,
        bytes: u64,
    },
    Restored {
        session: &'a str,
        id: &'a str,
        bytes: u64,
    },
    Recovered(&'a Recovery),
}

/// Where events go; called from several threads.
pub type Progress<'a> = &'a (dyn Fn(Event<'_>) + Sync);

/// Checkpoints and their bytes as the plan counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub checkpoints: u64,
    pub bytes: u64,
}

impl Count {
    pub fn add(&mut self, bytes: u64) {
        self.checkpoints += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub fn absorb(&mut self, more: Count) {
        self.checkpoints += more.checkpoints;
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// A session, or one checkpoint of it, that was left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    pub session: String,
    /// `None`: the whole session.
    pub id: Option<String>,
    pub cause: Cause,
    pub why: String,
}

/// What an apply did; counts are of verified facts (I33).
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// For `undo` and `log`; `None` if nothing was to be done.
    pub run: Option<String>,
    /// What earlier, interrupted runs needed.
    pub recovered: Option<Recovery>,
    pub moved: Count,
    /// Of `moved`, what is purged already.
    pub purged: Count,
    /// Of `moved`, what was to be purged at once and could not be ([`PurgeReport::unpurged`]).
    pub unpurged: Count,
    /// Gone before this run came to it: somebody else deleted it.
    pub gone: u64,
    pub skipped: Vec<Skip>,
    /// Why it ended early; what was not reached is kept.
    pub stopped: Option<String>,
    /// Sessions that it did not come to, or not to the end of.
    pub unreached: u64,
    /// Things in the trash that no journal knows, and purges that failed.
    pub faults: Vec<String>,
}

impl Report {
    /// How many of what was moved lie whole in the trash, as far as the run knows. Their bytes are no
    /// difference: of what is purged those count that the disk got back.
    pub fn restorable(&self) -> u64 {
        let gone = self.purged.checkpoints.saturating_add(self.unpurged.checkpoints);
        self.moved.checkpoints.saturating_sub(gone)
    }
}

/// What a purge did.
#[derive(Clone, Debug, Default)]
pub struct PurgeReport {
    pub recovered: Option<Recovery>,
    pub purged: Count,
    /// What it began on and did not bring to an end, or did not find: not gone for good, and of it an undo
    /// takes only what nothing was taken of.
    pub unpurged: Count,
    /// Pinned, or pointed at, since they were moved: they stay in the trash, restorable.
    pub kept: Vec<Skip>,
    pub faults: Vec<String>,
    pub stopped: Option<String>,
}

impl PurgeReport {
    /// Adds what another purge of the same command did.
    pub fn absorb(&mut self, more: PurgeReport) {
        if let Some(recovered) = more.recovered {
            self.recovered.get_or_insert_default().absorb(recovered);
        }
        self.purged.absorb(more.purged);
        self.unpurged.absorb(more.unpurged);
        self.kept.extend(more.kept);
        // A home that is closed is met by each of them.
        let new: Vec<String> =
            more.faults.into_iter().filter(|fault| !self.faults.contains(fault)).collect();
        self.faults.extend(new);
        self.stopped = self.stopped.take().or(more.stopped);
    }
}

/// What an undo did.
#[derive(Clone, Debug, Default)]
pub struct UndoReport {
    pub recovered: Option<Recovery>,
    pub restored: Count,
    /// Asked for, and back at its path already.
    pub already: u64,
    /// Asked for and not restored: purged, or its place is taken.
    pub skipped: Vec<Skip>,
    /// Where more of the run may lie, and nobody could look.
    pub faults: Vec<String>,
    pub stopped: Option<String>,
}

/// Which exit code an error stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1
    Failed,
    /// 2: the caller named something that is not there.
    Usage,
    /// 5: make a new plan.
    Stale,
    /// 6: a safety rule refuses.
    Refused,
}

/// Why a mutating command did not do its work, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("{0}; make a new plan")]
    Plan(#[from] PlanError),
    #[error("the plan is for another root ({plan}) than `{root}`; make a plan of this root")]
    OtherRoot { plan: String, root: String },
    #[error("the plan was made from an inventory of another tool; it can be read, not applied")]
    ForeignPlan,
    /// `restorable`: some of what that run moved may still be brought back.
    #[error("{}", again(.run, *.restorable))]
    AlreadyApplied { run: String, restorable: bool },
    #[error("the plan cannot be carried out: {0}; make a new plan")]
    BadPlan(String),
    #[error(
        "`{0}` has no `.retain/root.toml`; if it is the right directory, run `retain init` there"
    )]
    NoMarker(String),
    #[error("the policy's brake holds: {0}; nothing was deleted")]
    Brake(String),
    #[error("the clock says {now}, which is {why}; set it right and run again")]
    Clock { now: Time, why: String },
    #[error("another run works on this root{}; wait for it, nothing was changed", .pid.map(|p| format!(" (process {p})")).unwrap_or_default())]
    Locked { pid: Option<u32> },
    #[error("stopped while waiting for another run; nothing was changed")]
    Interrupted,
    #[error(
        "the journal of run {run} was written by a newer retain; use that one, nothing was changed"
    )]
    NewerJournal { run: String },
    #[error(
        "`{file}` of run {run} cannot be read: {why}; nothing is done about that run until it can be, or is moved away"
    )]
    UnreadableRun { run: String, file: String, why: String },
    #[error("no run is called `{0}`; `retain log` lists them")]
    NoSuchRun(String),
    #[error("`{0}` stands for several runs; write more of it")]
    AmbiguousRun(String),
    #[error("run {run} has no session or checkpoint `{what}`; `retain log {run}` lists them")]
    NotInRun { run: String, what: String },
    #[error("run {run} belongs to user {uid}, who alone can act on it")]
    OthersRun { run: String, uid: u32 },
    #[error(
        "run {run} is of another root ({root}) and acted upon there alone: one inside this root, or one whose `.retain` was copied here"
    )]
    OtherRootsRun { run: String, root: String },
    #[error("failed to {what}: {source}")]
    Io { what: String, source: io::Error },
    #[error(
        "failed to {what}; free some room on this disk, or in this quota, by hand (128 KiB outside the checkpoints are enough) and run this again: {source}"
    )]
    NoRoom { what: String, source: io::Error },
    /// Something is not as it must be; the run stopped, and `report` says how far it came.
    #[error("stopped: {why}. {restorable}")]
    Stopped { why: String, restorable: String, report: Box<Report> },
    /// A purge that failed, after it had removed something.
    #[error("{error}; until then {} checkpoints ({} bytes) were purged", .purged.checkpoints, .purged.bytes)]
    Purged { error: Box<ApplyError>, purged: Count },
}

fn again(run: &str, restorable: bool) -> String {
    if restorable {
        return format!(
            "the plan was carried out already, as run {run}; make a new plan, or `retain undo {run}`"
        );
    }
    format!("the plan was carried out already, as run {run}; make a new plan")
}

impl ApplyError {
    pub fn kind(&self) -> Kind {
        match self {
            ApplyError::Plan(PlanError::Future { .. }) | ApplyError::Clock { .. } => Kind::Refused,
            ApplyError::Plan(_)
            | ApplyError::OtherRoot { .. }
            | ApplyError::AlreadyApplied { .. } => Kind::Stale,
            ApplyError::Root(RootError::Io { .. })
            | ApplyError::Io { .. }
            | ApplyError::NoRoom { .. }
            | ApplyError::UnreadableRun { .. }
            | ApplyError::Stopped { .. }
            | ApplyError::Locked { .. }
            | ApplyError::Interrupted => Kind::Failed,
            ApplyError::NoSuchRun(_)
            | ApplyError::AmbiguousRun(_)
            | ApplyError::NotInRun { .. } => Kind::Usage,
            ApplyError::Purged { error, .. } => error.kind(),
            _ => Kind::Refused,
        }
    }

    /// The same error of a purge that had removed so much.
    pub(super) fn after(self, purged: Count) -> ApplyError {
        match self {
            error if purged.checkpoints > 0 => {
                ApplyError::Purged { error: Box::new(error), purged }
            }
            error => error,
        }
    }

    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> ApplyError {
        let what = what.into();
        move |source| ApplyError::Io { what, source }
    }

    /// The same, where it may be for want of room: a journal is what a full disk lacks first.
    pub(super) fn journal(what: impl Into<String>) -> impl FnOnce(io::Error) -> ApplyError {
        let what = what.into();
        move |source| {
            if spare::is_full(&source) {
                ApplyError::NoRoom { what, source }
            } else {
                ApplyError::Io { what, source }
            }
        }
    }
}

impl From<super::lock::NoLock> for ApplyError {
    fn from(e: super::lock::NoLock) -> ApplyError {
        use super::lock::NoLock;
        match e {
            NoLock::Held { pid } => ApplyError::Locked { pid },
            NoLock::Stopped => ApplyError::Interrupted,
            NoLock::Io(source) => ApplyError::Io { what: "take the lock".to_owned(), source },
        }
    }
}

/// I23: refuses to work beside journals that this version cannot read.
pub(super) fn refuse_newer<'r>(
    runs: impl IntoIterator<Item = &'r history::Run>,
) -> Result<(), ApplyError> {
    match runs.into_iter().find(|r| r.newer) {
        Some(run) => Err(ApplyError::NewerJournal { run: run.id.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn each_error_has_its_exit_code() {
        let text = || "x".to_owned();
        let io = || io::Error::other("x");
        let now = Time::from_nanos(0);
        let report = Box::new(Report::default());
        let table = [
            (ApplyError::Root(RootError::Io { path: "p".into(), source: io() }), Kind::Failed),
            (ApplyError::io("x")(io()), Kind::Failed),
            (ApplyError::journal("x")(Errno::DQUOT.into()), Kind::Failed),
            (ApplyError::Stopped { why: text(), restorable: text(), report }, Kind::Failed),
            (ApplyError::Locked { pid: None }, Kind::Failed),
            (ApplyError::Interrupted, Kind::Failed),
            (ApplyError::NoSuchRun(text()), Kind::Usage),
            (ApplyError::AmbiguousRun(text()), Kind::Usage),
            (ApplyError::NotInRun { run: text(), what: text() }, Kind::Usage),
            (ApplyError::OtherRoot { plan: text(), root: text() }, Kind::Stale),
            (ApplyError::AlreadyApplied { run: text(), restorable: true }, Kind::Stale),
            (ApplyError::Root(RootError::Empty), Kind::Refused),
            (ApplyError::ForeignPlan, Kind::Refused),
            (ApplyError::BadPlan(text()), Kind::Refused),
            (ApplyError::NoMarker(text()), Kind::Refused),
            (ApplyError::Brake(text()), Kind::Refused),
            (ApplyError::Clock { now, why: text() }, Kind::Refused),
            (ApplyError::NewerJournal { run: text() }, Kind::Refused),
            (ApplyError::OthersRun { run: text(), uid: 1 }, Kind::Refused),
            (ApplyError::OtherRootsRun { run: text(), root: text() }, Kind::Refused),
            (ApplyError::NoSuchRun(text()).after(Count { checkpoints: 1, bytes: 0 }), Kind::Usage),
            (ApplyError::io("x")(io()).after(Count { checkpoints: 1, bytes: 0 }), Kind::Failed),
        ];
        for (error, kind) in table {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn a_full_disk_has_its_remedy() {
        let said = |e: Errno| ApplyError::journal("write the journal")(e.into()).to_string();
        for full in [Errno::NOSPC, Errno::DQUOT] {
            assert!(said(full).contains("; free some room on this disk"), "{}", said(full));
        }
        assert!(!said(Errno::IO).contains("free"));
    }

    #[test]
    fn settings_show_what_a_log_wants_to_know() {
        let stop = AtomicBool::new(false);
        let settings = Settings { threads: 7, ..Settings::new(Time::from_nanos(0), &stop) };
        let shown = format!("{settings:?}");
        assert!(shown.contains("threads: 7"), "{shown}");
    }

    #[test]
    fn who_holds_the_lock_is_said_where_it_is_known() {
        let said = |pid| ApplyError::Locked { pid }.to_string();
        assert!(said(Some(7)).contains("root (process 7);") && said(None).contains("root; wait"));
    }

    #[test]
    fn counts_add_up() {
        let mut count = Count::default();
        for bytes in [3, 0, u64::MAX] {
            count.add(bytes);
        }
        assert_eq!(count, Count { checkpoints: 3, bytes: u64::MAX });
    }
}
