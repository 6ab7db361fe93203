//! Carries a plan out: shows it, asks, does it, says what was done.
//!
//! Everything that deletes goes through here, so that the rules about consent are written once:
//! nothing is deleted that was not shown; where nobody can be asked, only `--yes` is consent; and
//! `--yes` never makes a new root.

mod became;

use super::args::Consent;
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::init;
use super::progress;
use super::space;
use super::ui::{self, Ui};
use super::work;
use crate::apply::{
    self, ApplyError, ApplyOptions, Kind, PurgeReport, Recovery, Report, Root, Settings, Skip,
};
use crate::core::plan::PlanFile;
use crate::report::{human, plan};
use crate::steps::space::{self as room, Early};
use crate::steps::told;
use became::Became;
use std::sync::atomic::AtomicBool;

pub use became::{amount, in_markdown};

/// A plan, and how it is to be carried out.
pub struct Job {
    pub plan: PlanFile,
    /// Completes "retain will ...?" where a person is asked.
    pub what: String,
    pub purge: bool,
    /// Carries out a policy, and so keeps the trash in order as well.
    pub upkeep: bool,
    pub consent: Consent,
    /// How much of the plan is shown; all that it deletes, unless it is only a sample.
    pub detail: plan::Detail,
}

/// What came of a job, also of one that failed half way.
pub struct Carried {
    /// As it is now: a first consent may have declared it.
    pub root: Root,
    pub report: Report,
    /// What the upkeep took from the trash of earlier runs, and what it left there although its time
    /// was over.
    pub trash: PurgeReport,
    /// What it took within its grace; in a dry run, what it would take.
    pub early: Early,
}

/// Refuses early what nobody could consent to later.
///
/// # Errors
/// No terminal and no `--yes`.
pub fn gate(consent: Consent) -> Result<(), Failure> {
    if consent.yes || consent.dry_run || ui::can_ask() {
        return Ok(());
    }
    Err(Failure::msg(Exit::Refused, "there is no terminal to ask on; nothing was deleted")
        .help("--yes consents beforehand, --dry-run shows what would be done"))
}

/// Shows the plan, asks, and carries it out.
///
/// # Errors
/// Refused or stopped; what had been done until then is in the message, and in `carried`.
pub fn carry_out(context: &Context, job: &Job, carried: &mut Carried) -> Result<Exit, Failure> {
    let ui = &context.ui;
    let exit = work::plan_exit(&job.plan);
    // A run without a question has said everything at its end; stdout is data with --json.
    let detail = plan::Detail { brief: ui.quiet, notes: ui.verbose > 0, ..job.detail };
    let shown = plan::render(&job.plan, detail);
    // What it does, not what it says of itself.
    let nothing = job.plan.deletions().next().is_none();
    match (ui.json, job.consent.yes) {
        (true, true) => {}
        (true, false) => ui.err(&shown),
        // A nightly run that says nothing has found nothing to do.
        (false, true) if ui.quiet && nothing && exit == Exit::Done => {}
        (false, _) => ui.out(&shown)?,
    }
    if nothing && job.upkeep && job.consent.yes && carried.root.id.is_some() {
        carried.trash.absorb(space::expired(context, &carried.root)?);
        carried.make_room(context, job)?;
    }
    let asks = job.consent.dry_run || !(nothing || job.consent.yes);
    if job.upkeep && asks {
        carried.early = space::foreseen(context, &carried.root, &job.plan, job.purge)?;
    }
    if job.consent.dry_run || nothing {
        say_stopped(context, carried);
        if ui.json {
            ui.json(&carried.json(job, job.consent.dry_run))?;
        } else if job.consent.dry_run && !nothing {
            ui.note("dry run: nothing was changed");
        }
        return Ok(exit.and_if(carried.is_behind(), Exit::Partly));
    }
    if let Some(brake) = &job.plan.brake {
        return Err(failure(ApplyError::Brake(brake.clone())));
    }
    if let Some(declared) = consent(context, &carried.root, job)? {
        carried.root = declared;
    }
    let before = job.upkeep && room::is_short(&carried.root);
    if before {
        let threads = context.threads.unwrap_or_default();
        apply::check_beforehand(&carried.root, &job.plan, threads, context.now).map_err(failure)?;
        carried.trash.absorb(space::expired(context, &carried.root)?);
    }
    let ran = run(context, &carried.root, job);
    if let Err(ApplyError::Stopped { report, .. }) = &ran {
        carried.report = (**report).clone();
    }
    // Whoever has the lock is not waited for twice, and what is refused deletes nothing on the way.
    let barred = ran.as_ref().is_err_and(|e| {
        e.kind() != Kind::Failed || matches!(e, ApplyError::Locked { .. } | ApplyError::Interrupted)
    });
    let expired = if job.upkeep && !before && !barred {
        space::expired(context, &carried.root).map(|purged| carried.trash.absorb(purged))
    } else {
        Ok(())
    };
    carried.report = ran.map_err(failure)?;
    let room = match expired {
        Ok(()) if job.upkeep => carried.make_room(context, job),
        done => done,
    };
    // What was moved is said whatever became of the room.
    say(context, job, carried)?;
    room?;
    let report = &carried.report;
    let kept = !report.skipped.is_empty() || report.stopped.is_some() || !report.faults.is_empty();
    Ok(exit.and_if(kept || carried.is_behind(), Exit::Partly))
}

impl Carried {
    pub fn new(root: Root) -> Carried {
        let (report, trash, early) = Default::default();
        Carried { root, report, trash, early }
    }

    /// I33: the upkeep could not do what it is there for. What is wanted by now stays as it should.
    fn is_behind(&self) -> bool {
        !self.trash.faults.is_empty() || self.trash.stopped.is_some()
    }

    fn make_room(&mut self, context: &Context, job: &Job) -> Result<(), Failure> {
        let own = self.report.run.as_deref();
        let (purged, done) = space::min_free(context, &self.root, &job.plan, own, &mut self.early);
        self.trash.absorb(purged);
        done
    }

    fn json(&self, job: &Job, dry_run: bool) -> serde_json::Value {
        told::apply(&job.plan, &self.report, (&self.trash, &self.early), dry_run)
    }
}

/// Asks unless `--yes`; a first consent at a terminal declares the root, which is then given back.
fn consent(context: &Context, root: &Root, job: &Job) -> Result<Option<Root>, Failure> {
    let new = root.id.is_none();
    let place = context::shown(&root.path);
    if job.consent.yes {
        if new {
            return Err(failure(ApplyError::NoMarker(place.clone())).help(format!(
                "--yes never declares a new root; look at it, then `retain init {place}`"
            )));
        }
        return Ok(None);
    }
    // What could not be shown is not consented to.
    gate(job.consent)?;
    if context.ui.is_closed() {
        return Err(Failure::msg(
            Exit::Refused,
            "the plan could not be shown; nothing was deleted",
        ));
    }
    if new {
        context
            .ui
            .note(format!("{place} becomes a root: .retain/ in it will hold its id and journal, and unattended runs (--yes) may clean it from now on"));
    }
    let until = if job.purge { ", at once and for good" } else { "" };
    if !context.ui.confirm(&format!("{}{until}?", capitalised(&job.what)))? {
        return Err(Failure::msg(Exit::Refused, "not confirmed; nothing was deleted"));
    }
    if !new {
        return Ok(None);
    }
    init::declare(context, &root.path).map(Some)
}

fn run(context: &Context, root: &Root, job: &Job) -> Result<Report, ApplyError> {
    let critical = context.signals.critical();
    let settings = settings(context, critical.stop());
    context.confine(root);
    let bar = progress::Deletion::new(&context.ui);
    let options = ApplyOptions { settings, grace: None, purge_now: job.purge };
    let done = apply::apply(root, &job.plan, &options, &|event| bar.event(&event));
    bar.finish();
    done
}

/// How a mutating command works here.
pub fn settings<'a>(context: &Context, stop: &'a AtomicBool) -> Settings<'a> {
    let mut settings = Settings::new(context.now, stop);
    if let Some(threads) = context.threads {
        settings.threads = threads;
    }
    if let Some(wait) = context.lock_wait {
        settings.lock_wait = wait;
    }
    settings
}

/// Finishes what an interrupted run left, before anything is looked at.
///
/// # Errors
/// The journal cannot be read, or another run is at work.
pub fn recover(context: &Context, root: &Root, dry_run: bool) -> Result<(), Failure> {
    recover_by(context, root, dry_run, |settings| apply::recover(root, settings, &|_| {}))
}

/// The same, before `plan` is carried out.
///
/// # Errors
/// As [`recover`].
pub fn recover_for(
    context: &Context,
    root: &Root,
    plan: &PlanFile,
    dry_run: bool,
) -> Result<(), Failure> {
    recover_by(context, root, dry_run, |settings| apply::recover_for(root, plan, settings, &|_| {}))
}

fn recover_by(
    context: &Context,
    root: &Root,
    dry_run: bool,
    recover: impl FnOnce(&Settings<'_>) -> Result<Option<Recovery>, ApplyError>,
) -> Result<(), Failure> {
    // Nothing of ours can be in a root that was never declared, and a dry run changes nothing.
    if dry_run || root.id.is_none() {
        return Ok(());
    }
    let critical = context.signals.critical();
    let settings = settings(context, critical.stop());
    context.confine(root);
    let recovered = recover(&settings).map_err(failure)?;
    drop(critical);
    say_recovered(&context.ui, recovered.as_ref());
    Ok(())
}

/// One line about what an interrupted run needed.
pub fn say_recovered(ui: &Ui, recovered: Option<&Recovery>) {
    if let Some(recovery) = recovered {
        ui.warn(recovery.to_string());
    }
}

fn say(context: &Context, job: &Job, carried: &Carried) -> Result<(), Failure> {
    let (ui, report) = (&context.ui, &carried.report);
    say_recovered(ui, report.recovered.as_ref());
    say_skipped(ui, &report.skipped);
    for fault in &report.faults {
        ui.warn(fault);
    }
    say_stopped(context, carried);
    if ui.json {
        return ui.json(&carried.json(job, false));
    }
    ui.out(&ended(context, job, report))?;
    let missing = carried.early.missing.saturating_sub(carried.early.count.bytes);
    // Where not even that closes the gap, the plan has said so.
    if report.restorable() > 0 && (1..=report.moved.bytes).contains(&missing) {
        ui.note(format!(
            "{} are still missing to min-free; `{}` frees what this run moved at once, for good",
            human::size(missing),
            context.command(&format!("purge {}", report.run.as_deref().unwrap_or_default()))
        ));
    }
    Ok(())
}

/// What was deleted, and what of it comes back how.
fn ended(context: &Context, job: &Job, report: &Report) -> String {
    let run = report.run.as_deref().unwrap_or_default();
    let grace = human::length(job.plan.policy.grace_seconds);
    let (undo, purge) = (context.command(&format!("undo {run}")), context.command("purge"));
    let sooner = match room::demands(&job.plan)[..] {
        [] => "",
        _ => ", or sooner if a later `apply` needs the room for min-free",
    };
    let moved = amount(report.moved);
    match Became::of(report) {
        Became::Nothing => "Nothing was deleted.\n".to_owned(),
        Became::Gone => {
            format!("Deleted {} for good, as run {run}.\n", amount(report.purged))
        }
        Became::Moved => format!(
            "Moved {moved} to the trash as run {run}.\n\
             `{undo}` brings everything back; after {grace}{sooner}, `{purge}` reclaims the space.\n"
        ),
        Became::Partly => {
            let later = format!(" After {grace}{sooner}, `{purge}` reclaims the space.");
            became::partly(report, run, &format!("`{undo}`"), &later).join("\n") + "\n"
        }
    }
}

/// Why not all was done, if the run was told to stop.
fn say_stopped(context: &Context, carried: &Carried) {
    if let Some(why) = carried.report.stopped.as_ref().or(carried.trash.stopped.as_ref()) {
        let why = if context.signals.late() { "the deadline passed" } else { why };
        context.ui.warn(format!("stopped before the end: {why}; what was not reached is kept"));
    }
}

/// One line for each session or checkpoint that was left alone.
pub fn say_skipped(ui: &Ui, skipped: &[Skip]) {
    for skip in skipped {
        let id = skip.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        ui.warn(format!("kept {}{id}: {}", skip.session, skip.why));
    }
}

/// A mutating command's error with its exit code.
pub fn failure(error: ApplyError) -> Failure {
    let exit = match error.kind() {
        Kind::Failed => Exit::Error,
        Kind::Usage => Exit::Usage,
        Kind::Stale => Exit::Stale,
        Kind::Refused => Exit::Refused,
    };
    let help = match &error {
        ApplyError::Clock { .. } => {
            "if an earlier run was given a --now ahead of the clock, give one here too"
        }
        ApplyError::Brake(_) => {
            "look at `retain plan`; if all of it is meant, raise max-delete or max-delete-bytes in a copy of the policy, for one run: `retain --policy COPY apply`"
        }
        _ => return Failure::new(exit, error),
    };
    Failure::new(exit, error).help(help)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}
