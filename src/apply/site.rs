//! A home under lock: where every mutating command begins.

use super::home::Home;
use super::journal::Journal;
use super::journal::history::{self, Run, SETTLED, Settled};
use super::journal::record::{Begin, Record, Work};
use super::lock::Lock;
use super::outcome::{ApplyError, Settings, refuse_newer};
use super::root::Root;
use crate::core::model::Time;
use std::ffi::CString;
use std::io;

/// No clock of a machine that trains models shows less: 2020-01-01.
const EARLIEST: Time = Time::from_nanos(1_577_836_800 * Time::NANOS_PER_SEC);
/// Two machines, or two commands that waited for each other, may differ by this much.
const SKEW: i64 = 600 * Time::NANOS_PER_SEC;

/// A root, one of its homes, and that home's lock.
pub(super) struct Site<'a> {
    pub root: &'a Root,
    pub home: &'a Home,
    pub settings: Settings<'a>,
    lock: Lock,
}

impl<'a> Site<'a> {
    /// Takes the lock, and only then looks whether this is still the root it was.
    pub fn enter(
        root: &'a Root,
        home: &'a Home,
        mut settings: Settings<'a>,
    ) -> Result<Site<'a>, ApplyError> {
        settings.threads = settings.threads_on(root);
        let lock = Lock::take(settings.calls, home.ours(), settings.lock_wait, settings.stop)?;
        let site = Site { root, home, settings, lock };
        site.check()?;
        Ok(site)
    }

    /// As [`Site::enter`]; `None`, and said, if it is another's home who is at work in it, or makes it
    /// seem so.
    pub fn enter_any(
        root: &'a Root,
        home: &'a Home,
        settings: Settings<'a>,
        faults: &mut Vec<String>,
    ) -> Result<Option<Site<'a>>, ApplyError> {
        match Site::enter(root, home, settings) {
            Err(e @ ApplyError::Locked { .. }) if home.is_anothers() => {
                faults.push(format!("{}: {e}", home.at));
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// I1, R15: the root is still marked, and the lock still the one others would take.
    pub fn check(&self) -> Result<(), ApplyError> {
        if !self.root.still_marked()? {
            return Err(ApplyError::NoMarker(self.root.path.display().to_string()));
        }
        if !self.lock.still_held().map_err(ApplyError::io("look at the lock"))? {
            let source = io::Error::other("somebody removed or replaced the lock file");
            return Err(ApplyError::Io { what: "keep the lock".to_owned(), source });
        }
        Ok(())
    }

    /// As [`runs_of`].
    pub fn runs(&self) -> Result<Vec<Run>, ApplyError> {
        runs_of(self.home)
    }

    /// As [`check_clock`].
    pub fn check_clock(&self, runs: &[Run]) -> Result<(), ApplyError> {
        check_clock(self.root, self.home, self.settings.now, runs)
    }

    /// A new file in a run's journal.
    pub fn journal(&self, run: &Run, work: Work) -> Result<Journal, ApplyError> {
        let begin = Begin {
            run: run.id.clone(),
            work,
            root: self.root.id.clone().unwrap_or_default(),
            now: self.settings.now.to_string(),
            uid: rustix::process::geteuid().as_raw(),
            pid: pid(),
            boot: boot(),
            tool: tool(),
            ..run.begin.clone().unwrap_or_default()
        };
        Journal::create(self.settings.calls, self.home.journal(), &begin)
            .map_err(ApplyError::journal("write the journal"))
    }

    /// Ends a file in order.
    pub fn end(&self, mut journal: Journal, stopped: Option<String>) -> Result<(), ApplyError> {
        journal.add(&Record::End { stopped });
        journal.commit(self.settings.calls).map_err(ApplyError::journal("write the journal"))?;
        // Not beside the checkpoints of each session: there may be thousands of those.
        journal.close(self.settings.calls, self.home.at.components().is_empty());
        Ok(())
    }

    /// Ends a file in order; marks the run if nothing is left to do for it.
    pub fn finish(
        &self,
        journal: Journal,
        run: &str,
        stopped: Option<String>,
    ) -> Result<(), ApplyError> {
        self.end(journal, stopped)?;
        let read = history::read_run(self.home.journal(), run)
            .map_err(ApplyError::io("read the journal"))?;
        if read.is_done() && !read.settled {
            self.settle(run)?;
        }
        Ok(())
    }

    /// Marks a run for which nothing is left to do.
    pub fn settle(&self, run: &str) -> Result<(), ApplyError> {
        let name = CString::new(format!("{run}.{SETTLED}"))
            .map_err(|e| ApplyError::io("name the journal")(e.into()))?;
        // Only spares later commands a look; that it may fail, or be lost, changes nothing.
        if let Err(e) = self.settings.calls.create(self.home.journal(), &name, 0o644) {
            tracing::debug!(error = %e, "the run is not marked as settled");
        }
        Ok(())
    }

    pub fn stopped(&self) -> bool {
        self.settings.stop.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// The runs of a home; settled ones by their beginning only.
pub(super) fn runs_of(home: &Home) -> Result<Vec<Run>, ApplyError> {
    let runs = history::read(home.journal(), Settled::Beginning)
        .map_err(ApplyError::io("read the journal"))?;
    refuse_newer(runs.iter().filter(|run| counts(home, run)))?;
    Ok(runs)
}

/// I30: not what the owner of a folder wrote there: it is shown, and decides nothing.
fn counts(home: &Home, run: &Run) -> bool {
    run.foreign.is_none() || !home.is_anothers()
}

/// I12: a clock that jumped back would purge, or keep, the wrong things.
pub(super) fn check_clock(
    root: &Root,
    home: &Home,
    now: Time,
    runs: &[Run],
) -> Result<(), ApplyError> {
    if now < EARLIEST {
        return Err(ApplyError::Clock { now, why: "before 2020".to_owned() });
    }
    for run in runs.iter().filter(|run| counts(home, run)) {
        let Some(at) = run.begin.as_ref().and_then(|b| Time::parse(&b.now)) else { continue };
        if at.since(now) > SKEW {
            let home = match home.at.to_string().as_str() {
                "." => root.path.clone(),
                at => root.path.join(at),
            };
            let why = format!(
                "before run {} of {at} (if that one's clock was wrong: undo or purge it, then remove `{}/.retain/journal/{}.*`)",
                run.id,
                home.display(),
                run.id
            );
            return Err(ApplyError::Clock { now, why });
        }
    }
    Ok(())
}

pub(super) fn pid() -> u32 {
    u32::try_from(rustix::process::getpid().as_raw_nonzero().get()).unwrap_or(0)
}

/// Empty where the kernel does not tell (no `/proc`).
pub(super) fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

pub(super) fn tool() -> String {
    format!("retain {}", env!("CARGO_PKG_VERSION"))
}

/// What a run did is known.
pub(super) fn may_read(run: &Run) -> Result<(), ApplyError> {
    match run.unreadable.clone() {
        Some((file, why)) => Err(ApplyError::UnreadableRun { run: run.id.clone(), file, why }),
        None => Ok(()),
    }
}

/// I30: only this user's journals are acted upon, and only those of this root, whatever it was called.
pub(super) fn may_act(root: &Root, run: &Run) -> Result<(), ApplyError> {
    may_read(run)?;
    if let Some(uid) = run.foreign {
        return Err(ApplyError::OthersRun { run: run.id.clone(), uid });
    }
    match &run.begin {
        Some(b) if !root.is_called(&b.root) => {
            Err(ApplyError::OtherRootsRun { run: run.id.clone(), root: b.root.clone() })
        }
        _ => Ok(()),
    }
}
