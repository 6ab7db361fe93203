//! Carries out a plan, step by step in the one order that keeps the promise.
//!
//! For each batch of sessions: look again; say in the journal what will move, and sync that; look
//! once more and rename, one checkpoint after the other within a session; verify each where it is
//! now; sync the directories; record what moved. Apply never ranks and never chooses: what is not
//! exactly as planned is left alone.

mod batch;
mod inner;
mod session;

use super::dir::Rel;
use super::home::{self, Home};
use super::journal::Journal;
use super::journal::history::{self, Item, Run, Settled, State};
use super::journal::record::{Begin, Record, Work};
use super::outcome::{ApplyError, Event, Progress, PurgeReport, Report, Settings};
use super::parallel;
use super::pointed::{self, Pointed};
use super::recover;
use super::revalidate;
use super::revalidate::Witness;
use super::root::Root;
use super::site::{self, Site};
use super::threads;
use super::work::{self, SessionWork};
use super::{purge, random_hex};
use crate::core::model::Time;
use crate::core::plan::PlanFile;
use crate::store::unit::{Past, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// How to carry out a plan.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions<'a> {
    pub settings: Settings<'a>,
    /// Seconds instead of the plan's own grace.
    pub grace: Option<u64>,
    /// Purge what was moved at once.
    pub purge_now: bool,
}

/// Carries out a plan.
///
/// # Errors
/// The plan or the root is refused, another run is at work, or (with a report of what was done)
/// something is not as it must be and the run stopped.
pub fn apply(
    root: &Root,
    plan: &PlanFile,
    options: &ApplyOptions<'_>,
    progress: Progress<'_>,
) -> Result<Report, ApplyError> {
    let threads = options.settings.threads_on(root);
    let (made, work) = parallel::both(
        threads,
        || check_plan(root, plan, options.settings.now),
        || work::read(plan),
    );
    let (made, mut work) = (made?, work?);
    let bytes = work.iter().flat_map(|w| &w.deletions).map(|d| d.bytes).sum();
    let checkpoints = work.iter().map(|w| w.deletions.len() as u64).sum();
    let mut report = Report::default();
    inner::leave(root, &mut work, threads, &mut report.skipped)?;
    progress(Event::Begin { checkpoints, bytes });
    let run = run_id(options.settings.now)?;
    let begin = Begin {
        run: run.clone(),
        work: Work::Apply,
        root: root.id.clone().unwrap_or_default(),
        now: options.settings.now.to_string(),
        uid: rustix::process::geteuid().as_raw(),
        pid: site::pid(),
        boot: site::boot(),
        tool: site::tool(),
        plan: plan.digest.clone(),
        // I17: of the policy as the plan has it; no file is read again.
        policy: plan.policy.source.clone(),
        policy_digest: plan.policy.digest.clone(),
        grace_seconds: options.grace.unwrap_or(plan.policy.grace_seconds),
        checkpoints,
        bytes,
    };
    let past = Mutex::default();
    for (home, work) in homes(root, options, &work, &mut report)? {
        let (begin, past) = (&begin, &past);
        let mut at =
            AtHome { begin, made, past, options, progress, report: &mut report, settled: 0 };
        let done = Site::enter(root, &home, options.settings).and_then(|site| at.run(&site, &work));
        if let Err(e) = done {
            // Before the first record nothing was changed: the error says all.
            return Err(if report.run.is_none() { e } else { with_report(&e, report) });
        }
    }
    Ok(report)
}

/// Everything that must hold of plan and root before a lock is taken; gives when the plan was made.
fn check_plan(root: &Root, plan: &PlanFile, now: Time) -> Result<Time, ApplyError> {
    // I13: nobody changed it, and it is of this format.
    plan.check()?;
    // I11: the policy's own limit on what one run may delete.
    if let Some(brake) = &plan.brake {
        return Err(ApplyError::Brake(brake.clone()));
    }
    if plan.root.is_none() {
        return Err(ApplyError::ForeignPlan);
    }
    // I1: a mount that is not there has no marker.
    if root.id.is_none() {
        return Err(ApplyError::NoMarker(root.path.display().to_string()));
    }
    check_root(root, plan)?;
    Ok(plan.check_age(now)?)
}

/// That the plan was made of this root and of no other; apply checks it too.
///
/// # Errors
/// It was not, or it was made of no root at all.
pub fn check_root(root: &Root, plan: &PlanFile) -> Result<(), ApplyError> {
    let Some(planned) = &plan.root else { return Err(ApplyError::ForeignPlan) };
    // A root that had no id when the plan was made has got one since; then its inode must do.
    let same_id = planned.id.is_none() || planned.id == root.id;
    // A plan of an inventory file knows the id alone.
    let same_inode = planned.inode == root.inode || (planned.inode == 0 && planned.id.is_some());
    if !same_id || !same_inode {
        let known = [Some(&planned.path), planned.id.as_ref()];
        let plan = known.into_iter().flatten().find(|name| !name.is_empty());
        return Err(ApplyError::OtherRoot {
            plan: plan.cloned().unwrap_or_default(),
            root: root.path.display().to_string(),
        });
    }
    Ok(())
}

/// Which work is recorded where: all of it in the root's own home, or, for a user who may not write
/// there, beside the checkpoints of each session.
fn homes<'w>(
    root: &Root,
    options: &ApplyOptions<'_>,
    work: &'w [SessionWork],
    report: &mut Report,
) -> Result<Vec<(Home, Vec<&'w SessionWork>)>, ApplyError> {
    let calls = options.settings.calls;
    let central = match Home::central(root).map_err(ApplyError::io("open `.retain`"))? {
        Some(home) => Some(home),
        None => Home::make(calls, root, &Rel::default()).ok(),
    };
    if let Some(home) = central.filter(Home::is_writable) {
        return Ok(vec![(home, work.iter().collect())]);
    }
    let mut local: BTreeMap<_, Vec<&SessionWork>> = BTreeMap::new();
    for session in work {
        if let Some(place) = session.deletions.first().and_then(|d| d.parts.first()) {
            local.entry(&place.dir).or_default().push(session);
        }
    }
    let mut out = Vec::new();
    for (dir, sessions) in local {
        match Home::make(calls, root, dir) {
            Ok(home) => out.push((home, sessions)),
            Err(e) => report.skipped.extend(sessions.iter().map(|s| super::Skip {
                session: s.session.clone(),
                id: None,
                cause: super::Cause::Refused,
                why: format!("its folder cannot be written: {e}"),
            })),
        }
    }
    Ok(out)
}

/// `20260131-100000-` and 32 random bits: sorts by time, and is short enough to be typed.
fn run_id(now: Time) -> Result<String, ApplyError> {
    let random = random_hex(4).map_err(ApplyError::io("get random bytes"))?;
    Ok(format!("{}-{random}", now.to_chrono().format("%Y%m%d-%H%M%S")))
}

/// The run at one home.
struct AtHome<'a> {
    begin: &'a Begin,
    /// When the plan was.
    made: Time,
    /// What this run itself did to files that others of the plan have links to.
    past: &'a Mutex<Arc<Past>>,
    options: &'a ApplyOptions<'a>,
    progress: Progress<'a>,
    report: &'a mut Report,
    /// Sessions whose end is known: done, skipped, or nothing of them was left.
    settled: u64,
}

/// Witnesses of sessions that lost something, and what they were.
type Kept<'w> = Vec<Witness<'w>>;

impl AtHome<'_> {
    fn run(&mut self, site: &Site<'_>, work: &[&SessionWork]) -> Result<(), ApplyError> {
        if let Some(recovered) = recover::at(site, self.progress)? {
            self.report.recovered.get_or_insert_default().absorb(recovered);
        }
        let runs = site.runs()?;
        site.check_clock(&runs)?;
        self.refuse_twice(site, &runs)?;
        let mut journal: Option<Journal> = None;
        let mut kept: Kept<'_> = Vec::new();
        let before = self.report.moved.checkpoints;
        let ended = self.batches(site, work, &mut journal, &mut kept);
        // What was moved here lies in the trash: the run is not settled.
        let is_settled = self.report.moved.checkpoints == before;
        self.report.unreached += (work.len() as u64).saturating_sub(self.settled);
        let Some(mut journal) = journal else { return ended };
        // What the last batch did is recorded, also if the run ends with it. With an error the
        // journal stays open: the next command sees that this run was cut off.
        let recorded = journal.commit(site.settings.calls);
        ended?;
        recorded.map_err(ApplyError::journal("write the journal"))?;
        let verified = verify_keepers(site, &kept, |unit, was| unit.identity == was.1);
        let stopped =
            verified.as_ref().err().map(ToString::to_string).or(self.report.stopped.clone());
        if is_settled {
            site.finish(journal, &self.begin.run, stopped)?;
        } else {
            site.end(journal, stopped)?;
        }
        verified?;
        if self.options.purge_now && site.stopped() {
            self.report.stopped.get_or_insert_with(|| "a signal".to_owned());
        } else if self.options.purge_now {
            let mut purged = PurgeReport::default();
            let done = purge::purge_now(site, &self.begin.run, self.progress, &mut purged);
            self.report.purged.absorb(purged.purged);
            self.report.unpurged.absorb(purged.unpurged);
            self.report.faults.extend(purged.faults);
            self.report.skipped.extend(purged.kept);
            self.report.stopped = self.report.stopped.take().or(purged.stopped);
            done?;
            // A removed hard link changes the ctime of a keeper's file, and nothing else.
            verify_keepers(site, &kept, |unit, was| unit.lasting == was.2)?;
        }
        Ok(())
    }

    /// I13: a plan that moved anything is not carried out again.
    fn refuse_twice(&self, site: &Site<'_>, runs: &[Run]) -> Result<(), ApplyError> {
        // Of one that nobody can read it is not known which plan it was.
        runs.iter().try_for_each(site::may_read)?;
        let others = runs.iter().filter(|r| r.id != self.begin.run);
        refuse_carried_out(site.home, others, &self.begin.plan)
    }

    fn batches<'w>(
        &mut self,
        site: &Site<'_>,
        work: &[&'w SessionWork],
        journal: &mut Option<Journal>,
        kept: &mut Kept<'w>,
    ) -> Result<(), ApplyError> {
        // I6, R5: what a link leads to by now that the plan does not know stays.
        let pointed = Pointed::look(site.root, site.settings.threads, &pointed::going(work))
            .map_err(ApplyError::io("look for symlinks"))?;
        let pointed = pointed.sessions(site.root, work, self.made);
        let (since, threads) = ((self.made, self.past), site.settings.threads);
        let look = |batch: &[&'w SessionWork]| batch::look(site, batch, &pointed, since);
        let batches = batch::split(work);
        let mut ahead = None;
        for (n, batch) in batches.iter().enumerate() {
            // I29: a signal, between two batches and between two checkpoints of one.
            if site.stopped() {
                self.report.stopped = Some("a signal".to_owned());
                break;
            }
            site.check()?;
            let looked = match ahead.take() {
                Some(looked) => batch::again(looked, batch, look),
                None => look(batch),
            };
            let next = batches.get(n + 1).filter(|_| threads > 1);
            let then = next.map(|next| || look(next));
            ahead = self.batch(site, batch, looked, then, journal, kept)?;
        }
        Ok(())
    }

    /// The journal, created by the first batch that has something to say.
    fn journal<'j>(
        &mut self,
        site: &Site<'_>,
        journal: &'j mut Option<Journal>,
    ) -> Result<&'j mut Journal, ApplyError> {
        if journal.is_none() {
            let mut new = Journal::create(site.settings.calls, site.home.journal(), self.begin)
                .map_err(ApplyError::journal("write the journal"))?;
            for skip in &self.report.skipped {
                new.add(&Record::Skipped { session: skip.session.clone(), why: skip.why.clone() });
            }
            *journal = Some(new);
        }
        self.report.run = Some(self.begin.run.clone());
        journal.as_mut().ok_or(ApplyError::Interrupted)
    }
}

/// For whoever has something to do before a plan is carried out: one that will be refused is no reason
/// for it. Apply looks again, under the lock.
///
/// # Errors
/// Plan or root are refused, or it was carried out, as far as the journals tell that apply would write
/// to.
pub fn check_beforehand(
    root: &Root,
    plan: &PlanFile,
    threads: usize,
    now: Time,
) -> Result<(), ApplyError> {
    check_plan(root, plan, now)?;
    let work = work::read(plan)?;
    let firsts = work.iter().flat_map(|w| &w.deletions).filter_map(|d| d.parts.first());
    let mut places: BTreeSet<Rel> = firsts.map(|place| place.dir.clone()).collect();
    places.insert(Rel::default());
    let places: Vec<Rel> = places.into_iter().collect();
    let (homes, _) = home::at(root, threads::or_good(threads, root.fd()), &places);
    for home in homes.iter().filter(|home| home.is_writable()) {
        let runs = history::read(home.journal(), Settled::Beginning)
            .map_err(ApplyError::io("read the journal"))?;
        refuse_carried_out(home, runs.iter(), &plan.digest)?;
    }
    Ok(())
}

fn refuse_carried_out<'r>(
    home: &Home,
    runs: impl Iterator<Item = &'r Run>,
    plan: &str,
) -> Result<(), ApplyError> {
    for run in runs.filter(|r| r.begin.as_ref().is_some_and(|b| b.plan == plan)) {
        // Of a settled one only the beginning is known so far.
        let whole = history::read_run(home.journal(), &run.id)
            .map_err(ApplyError::io("read the journal"))?;
        if whole.moved_any() {
            let left = |i: &Item| matches!(i.state, State::Intent | State::Moved);
            let restorable = whole.items.values().any(left);
            return Err(ApplyError::AlreadyApplied { run: run.id.clone(), restorable });
        }
    }
    Ok(())
}

/// I33: everything that was to stay is read again, from a folder opened anew.
fn verify_keepers(
    site: &Site<'_>,
    kept: &Kept<'_>,
    same: impl Fn(&Unit, &Witness<'_>) -> bool + Sync,
) -> Result<(), ApplyError> {
    fn folder<'w>(was: &Witness<'w>) -> Option<&'w Rel> {
        was.0.parts.first().map(|place| &place.dir)
    }
    // Several of a folder share its descriptor, but not so many that a thread has nothing to do.
    let many = kept.len().div_ceil(4 * site.settings.threads.max(1)).clamp(1, 8);
    let folders: Vec<&[Witness<'_>]> =
        kept.chunk_by(|a, b| folder(a) == folder(b)).flat_map(|f| f.chunks(many)).collect();
    let wrong = parallel::map(site.settings.threads, &folders, |folder| {
        let mut dirs = revalidate::Dirs::default();
        folder.iter().find_map(|was| match dirs.open_and_measure(site.root, &was.0.parts) {
            Ok(unit) if same(&unit, was) => None,
            Ok(_) => Some(format!("{} was to stay and has changed", was.0.called)),
            Err(e) => Some(format!("{} was to stay and cannot be read: {e}", was.0.called)),
        })
    });
    wrong.into_iter().flatten().next().map_or(Ok(()), |why| Err(halt(why)))
}

/// Stops the run; [`with_report`] adds how far it came.
fn halt(why: String) -> ApplyError {
    ApplyError::Stopped { why, restorable: String::new(), report: Box::default() }
}

fn with_report(error: &ApplyError, report: Report) -> ApplyError {
    let why = match error {
        ApplyError::Stopped { why, .. } => why.clone(),
        other => other.to_string(),
    };
    let left = report.restorable();
    let restorable = match (&report.run, left) {
        (Some(run), 1..) => {
            format!("{left} checkpoints are in the trash; `retain undo {run}` brings them back")
        }
        _ if report.unpurged.checkpoints > 0 => {
            "Nothing that is known to be whole is in the trash".to_owned()
        }
        _ => "Nothing is in the trash".to_owned(),
    };
    ApplyError::Stopped { why, restorable, report: Box::new(report) }
}
