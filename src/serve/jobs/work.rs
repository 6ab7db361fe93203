//! The work of a job, from the fresh look to the report.

use super::{Job, Phase, Progress};
use crate::apply::{
    self, ApplyError, ApplyOptions, Event, Kind, PurgeReport, Root, Settings, What, Which,
};
use crate::core::plan::PlanFile;
use crate::serve::recipe::{Recipe, Take, Unplanned};
use crate::serve::site::Site;
use crate::serve::state::App;
use crate::serve::view::past;
use crate::steps::space::{self, Early};
use crate::steps::told;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Carry out the plan with this digest, and no other.
    Apply {
        recipe: Recipe,
        digest: String,
    },
    Undo {
        run: String,
        session: Option<String>,
        checkpoint: Option<String>,
    },
    Purge {
        run: String,
    },
}

impl Task {
    pub fn action(&self) -> &'static str {
        match self {
            Task::Apply { .. } => "apply",
            Task::Undo { .. } => "undo",
            Task::Purge { .. } => "purge",
        }
    }

    pub fn session(&self) -> Option<String> {
        match self {
            Task::Apply { recipe, .. } => recipe.session().map(str::to_owned),
            Task::Undo { session, .. } => session.clone(),
            Task::Purge { .. } => None,
        }
    }

    pub fn is_several(&self) -> bool {
        matches!(self, Task::Apply { recipe: Recipe::Sessions { .. }, .. })
    }

    /// For the audit.
    pub fn subject(&self) -> String {
        match self {
            Task::Apply { recipe: Recipe::Policy, digest } => format!("plan {digest}"),
            Task::Apply { recipe: Recipe::Choice { session, ids }, digest } => {
                format!("{session}: {} (plan {digest})", ids.join(", "))
            }
            Task::Apply { recipe: Recipe::Sessions { sessions, take }, digest } => {
                let what = match take {
                    Take::Policy => "what the policy says".to_owned(),
                    Take::All => "every checkpoint".to_owned(),
                    Take::Names(names) => names.join(" "),
                };
                format!("{what} of {} (plan {digest})", sessions.join(", "))
            }
            Task::Undo { run, session, checkpoint } => {
                let rest = [session, checkpoint].into_iter().flatten();
                rest.fold(run.clone(), |out, part| out + " " + part)
            }
            Task::Purge { run } => run.clone(),
        }
    }
}

/// Does it, and leaves in the job how it ended.
pub fn run(app: &App, site: &Site, job: &Job, task: &Task) {
    let _claim = site.claim();
    let ended = attempt(app, site, job, task);
    // It may have made journals where there were none.
    site.runs.forget();
    job.progress.send_modify(|p| match ended {
        Ok(end) => *p = Progress { done: p.done, total: p.total, ..end },
        Err(why) => {
            p.phase = Phase::Failed;
            p.fault = Some(why);
        }
    });
}

fn attempt(app: &App, site: &Site, job: &Job, task: &Task) -> Result<Progress, String> {
    let root = site.open().map_err(|e| e.to_string())?;
    match task {
        Task::Apply { recipe, digest } => {
            // What an interrupted run left is brought to an end before anything is looked at.
            confined(app, &root, |settings| {
                apply::recover(&root, settings, &|_| {}).map(|_| ()).map_err(|e| e.to_string())
            })?;
            job.progress.send_modify(|p| p.phase = Phase::Looking);
            let Some(plan) = fresh(app, site, job, recipe, digest)? else {
                return Ok(Progress { phase: Phase::Stale, ..Progress::default() });
            };
            job.progress.send_modify(|p| p.phase = Phase::Working);
            let end = carry_out(app, &root, job, &plan, recipe)?;
            if *recipe == Recipe::Policy && end.phase == Phase::Done {
                remember(app, site, &root);
            }
            Ok(end)
        }
        Task::Undo { run, session, checkpoint } => {
            job.progress.send_modify(|p| p.phase = Phase::Working);
            let (session, checkpoint) = (session.as_deref(), checkpoint.as_deref());
            let what = What { run, session, checkpoint };
            let report = confined(app, &root, |settings| {
                apply::undo(&root, &what, settings, &|event| note(job, &event))
                    .map_err(|e| e.to_string())
            })?;
            Ok(done(told::undo(run, false, &report), Some(run.clone())))
        }
        Task::Purge { run } => {
            job.progress.send_modify(|p| p.phase = Phase::Working);
            let report = confined(app, &root, |settings| {
                apply::purge(&root, Which::Run(run), settings, &|event| note(job, &event))
                    .map_err(|e| e.to_string())
            })?;
            let told = told::purge(report.purged, false, &report);
            Ok(done(told, Some(run.clone())))
        }
    }
}

/// What is left is a point of the history; that it cannot be written is no failure of the run.
fn remember(app: &App, site: &Site, root: &Root) {
    match site.look(&app.clock) {
        Ok(view) => past::record(root, site.threads(), &view),
        Err(e) => tracing::warn!("{e}"),
    }
}

/// The plan of a fresh look, if it does what was shown.
fn fresh(
    app: &App,
    site: &Site,
    job: &Job,
    recipe: &Recipe,
    digest: &str,
) -> Result<Option<PlanFile>, String> {
    let view = site.look(&app.clock).map_err(|e| e.to_string())?;
    if let Some(fault) = &view.law.fault {
        return Err(format!("{fault}; nothing was deleted"));
    }
    // The whole plan may be long: it is not made only to be refused.
    if *recipe == Recipe::Policy && view.head(&job.who.scope).digest != digest {
        return Ok(None);
    }
    let planned = match recipe.plan(&view, &job.who, app.now()) {
        Ok(planned) => planned,
        Err(Unplanned::NoSession | Unplanned::Pick(_)) => return Ok(None),
    };
    Ok((planned.digest == digest).then_some(planned.plan))
}

fn carry_out(
    app: &App,
    root: &Root,
    job: &Job,
    plan: &PlanFile,
    recipe: &Recipe,
) -> Result<Progress, String> {
    let (mut trash, mut early) = (PurgeReport::default(), Early::default());
    let ran = confined(app, root, |settings| {
        let upkeep = *recipe == Recipe::Policy && job.who.is_administrator();
        let mut purge = |which: Which<'_>| {
            let report = apply::purge(root, which, settings, &|_| {})?;
            report.faults.iter().for_each(|fault| tracing::warn!("{fault}"));
            let purged = report.purged;
            trash.absorb(report);
            Ok::<_, ApplyError>(purged)
        };
        // A run of the policy keeps the trash in order, as `retain apply` does.
        let before = upkeep && space::is_short(root);
        if before {
            apply::check_beforehand(root, plan, settings.threads, settings.now)?;
            purge(Which::Expired)?;
        }
        // Without a grace there is nothing that could be undone later either.
        let purge_now = plan.policy.grace_seconds == 0;
        let options = ApplyOptions { settings: *settings, grace: None, purge_now };
        let ran = apply::apply(root, plan, &options, &|event| note(job, &event));
        let after = upkeep && !before && matches!(ran, Ok(_) | Err(ApplyError::Stopped { .. }));
        let expired = if after { purge(Which::Expired).map(drop) } else { Ok(()) };
        let report = ran?;
        let room = expired.and_then(|()| {
            if !upkeep {
                return Ok(());
            }
            let when = (settings.now, report.run.as_deref());
            let purge = |runs: &[String]| purge(Which::Runs(runs));
            space::make_room(root, plan, settings.threads, when, &mut early, purge)
        });
        Ok((report, room.err()))
    });
    match ran {
        // I33: what was moved is said whatever became of the room.
        Ok((report, failed)) => Ok(Progress {
            phase: if failed.is_some() { Phase::Failed } else { Phase::Done },
            fault: failed.map(|e| e.to_string()),
            run: report.run.clone(),
            report: told::apply(plan, &report, (&trash, &early), false),
            ..Progress::default()
        }),
        Err(e) if e.kind() == Kind::Stale => {
            Ok(Progress { phase: Phase::Stale, ..Progress::default() })
        }
        Err(ApplyError::Stopped { why, restorable, report }) => Ok(Progress {
            phase: Phase::Failed,
            fault: Some(format!("stopped: {why}. {restorable}")),
            run: report.run.clone(),
            report: told::apply(plan, &report, (&trash, &early), false),
            ..Progress::default()
        }),
        Err(e) => Err(e.to_string()),
    }
}

fn done(report: Value, run: Option<String>) -> Progress {
    Progress { phase: Phase::Done, report, run, ..Progress::default() }
}

fn note(job: &Job, event: &Event<'_>) {
    match event {
        Event::Begin { checkpoints, .. } => {
            job.progress.send_modify(|p| (p.done, p.total) = (0, *checkpoints));
        }
        Event::Moved { .. } | Event::Purged { .. } | Event::Restored { .. } => {
            job.progress.send_modify(|p| p.done += 1);
        }
        Event::Skipped { .. } | Event::Recovered(_) => {}
    }
}

/// Runs on a thread that the kernel lets change nothing outside the root.
fn confined<T: Send, E: Send>(
    app: &App,
    root: &Root,
    f: impl FnOnce(&Settings<'_>) -> Result<T, E> + Send,
) -> Result<T, E> {
    let settings = Settings::new(app.now(), &app.stop);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            if let Err(e) = apply::confine(root) {
                tracing::info!("not confined by Landlock, which needs Linux 5.19: {e}");
            }
            f(&settings)
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
