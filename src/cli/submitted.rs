//! `retain submitted`: notes a hand-in, and tidies the session up if it is told to.
//!
//! What a CI job calls after each submission. It may be run again, and by two jobs at once: the
//! same hand-in is noted once, and a plan that another job overtook is made anew.

use super::args::Consent;
use super::carry::{self, Job};
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::marks::{self, Marked, Target};
use super::unattended::{Told, UnattendedArgs};
use super::{remember, work};
use crate::apply::Root;
use crate::apply::lock::{Lock, NoLock};
use crate::core::model::{Checkpoint, Marks, Time};
use crate::core::plan::PlanFile;
use crate::marks::{Mark, Submission};
use crate::report::human;
use crate::report::plan::Detail;
use crate::steps::mark::{self, parse_until};
use crate::steps::pick;
use clap::Args;
use std::collections::HashSet;
use std::os::fd::AsFd as _;

/// So often a plan is made while other jobs overtake it.
const ATTEMPTS: u32 = 5;

#[derive(Debug, Args)]
pub struct SubmittedArgs {
    #[command(flatten)]
    target: Target,

    /// What the leaderboard said
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    score: Option<f64>,

    /// When it was handed in [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    at: Option<Time>,

    /// Forget all submissions instead
    #[arg(long, conflicts_with_all = ["score", "at"])]
    remove: bool,

    /// Then plan and carry out the policy for the session
    #[arg(long)]
    apply: bool,

    /// Do not ask; needed where there is no terminal
    #[arg(short = 'y', long, requires = "apply", conflicts_with = "dry_run")]
    yes: bool,

    #[command(flatten)]
    unattended: UnattendedArgs,
}

pub fn run(context: &mut Context, args: &SubmittedArgs) -> Result<Exit, Failure> {
    if args.score.is_some_and(|s| !s.is_finite()) {
        return Err(Failure::usage("--score must be a finite number"));
    }
    let consent = Consent { dry_run: args.target.dry_run, yes: args.yes };
    if args.apply {
        carry::gate(consent)?;
        if context.ui.json {
            return Err(Failure::usage("--apply and --json cannot be combined here")
                .help("`retain submitted --json`, then `retain apply --json`"));
        }
    }
    let clerk = args.unattended.begin(context)?;
    let mut told = Told::default();
    if let Ok(root) = context.config().and_then(|config| context::open(&config.root)) {
        told.root(&root);
    }
    let held = if args.apply && !consent.dry_run { held(context) } else { Ok(None) };
    let noted = held.and_then(|held| {
        let noted = noted(context, args);
        drop(held);
        noted
    });
    let ended = noted.and_then(|noted| {
        // A dry run sees what it would take away.
        if args.remove && !(args.target.dry_run && noted.changed) {
            tell_still(context, &args.target)?;
        }
        if !args.apply {
            return Ok(noted.exit);
        }
        // Without its mark, what was handed in could be deleted now.
        if !noted.whole {
            context.ui.warn("nothing was tidied up, for not all of it was marked as submitted");
            return Ok(noted.exit.and(Exit::Error));
        }
        // What could not be read then may have been what another job was moving.
        tidied(context, args, consent, &mut told)
    });
    args.unattended.end(context, clerk.as_ref(), &told, ended.as_ref().copied());
    ended
}

/// The root's lock, so that no run is in the middle of moving what is about to be marked; `None`
/// where there is none to take, or not for this user.
fn held(context: &Context) -> Result<Option<Lock>, Failure> {
    let root = context::open(&context.config()?.root)?;
    let ours = match root.ours() {
        Ok(Some(ours)) if root.id.is_some() => ours,
        // What is wrong with it is said by whoever works there.
        _ => return Ok(None),
    };
    let critical = context.signals.critical();
    let settings = carry::settings(context, critical.stop());
    match Lock::take(settings.calls, ours.as_fd(), settings.lock_wait, settings.stop) {
        Ok(lock) => Ok(Some(lock)),
        Err(NoLock::Io(e)) if e.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
        Err(e) => Err(carry::failure(e.into())),
    }
}

fn noted(context: &Context, args: &SubmittedArgs) -> Result<Marked, Failure> {
    let words = if args.remove {
        ["no longer marked as submitted", "would no longer be marked as submitted"]
    } else {
        ["marked as submitted", "would be marked as submitted"]
    };
    marks::change(context, &args.target, words, edit(context, args))
}

/// What it does to a mark.
fn edit(context: &Context, args: &SubmittedArgs) -> impl Fn(&mut Mark) {
    let submission = Submission { score: args.score, at: Some(args.at.unwrap_or(context.now)) };
    // A job that is run again hands nothing in a second time, though the clock has gone on.
    let (remove, any_time) = (args.remove, args.at.is_none());
    let same = move |known: &Submission| {
        known.score == submission.score && (any_time || known.at == submission.at)
    };
    move |mark: &mut Mark| {
        if remove {
            mark.submissions.clear();
        } else if !mark.submissions.iter().any(same) {
            mark.submissions.push(submission);
        }
    }
}

/// Says why what stays submitted does: not all that says so is the mark that was taken away.
fn tell_still(context: &Context, target: &Target) -> Result<(), Failure> {
    let config = context.config()?;
    let root = context::open(&config.root)?;
    let index = context.may_use_index(&config)?;
    let seen = work::scan_by(context, &config, &root, &context.declared(&config)?, index)?;
    let inventory = &seen.inventory;
    let picked = pick::chosen(inventory, &target.session, &target.checkpoints)?;
    for (s, checkpoints) in picked {
        let session = &inventory.sessions[s];
        let of = |c: &usize| &session.checkpoints[*c];
        let still = checkpoints.iter().map(of).filter(|c| c.marks.has(Marks::SUBMITTED));
        let (marked, recorded): (Vec<&Checkpoint>, Vec<&Checkpoint>) =
            still.partition(|c| mark::says_submitted(&root, &session.series, c));
        let name = &session.name;
        if !recorded.is_empty() {
            let what =
                "what its framework wrote says so (NSML: session.json), which retain never changes";
            context.ui.note(format!("{name} {} stays submitted: {what}", ids(&recorded)));
        }
        if !marked.is_empty() {
            let remedy = if target.checkpoints.is_empty() {
                "it is marked by itself; `retain submitted SESSION CHECKPOINT --remove` forgets that"
            } else {
                "its session is marked as a whole; `retain submitted SESSION --remove` forgets that"
            };
            context.ui.note(format!("{name} {} stays submitted: {remedy}", ids(&marked)));
        }
    }
    Ok(())
}

/// The first few of them.
fn ids(checkpoints: &[&Checkpoint]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = checkpoints.iter().take(SHOWN).map(|c| &*c.id).collect();
    let more = checkpoints.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &more
}

fn tidied(
    context: &Context,
    args: &SubmittedArgs,
    consent: Consent,
    told: &mut Told,
) -> Result<Exit, Failure> {
    let config = context.config()?;
    let policy = context.announced_policy(&config)?;
    let mut attempt = 1;
    loop {
        let root = context::open(&config.root)?;
        told.root(&root);
        carry::recover(context, &root, consent.dry_run)?;
        let mut seen = work::scan_root(context, &config, &root)?;
        if consent.dry_run {
            as_if_noted(context, &root, &mut seen, args)?;
        }
        told.found(&seen.inventory, &policy.policy);
        let picked = pick::sessions(&seen.inventory, std::slice::from_ref(&args.target.session))?;
        let names: HashSet<&str> =
            picked.iter().map(|i| &*seen.inventory.sessions[*i].name).collect();
        if !args.remove && !args.target.checkpoints.is_empty() {
            // Recovery has waited for every run that could have moved it before the mark was there.
            pick::checkpoints(&seen.inventory, &picked, &args.target.checkpoints).map_err(|e| {
                Failure::from(e).help(
                    "another job moved it while it was noted: `retain log` names the run, \
                     `retain undo RUN SESSION CHECKPOINT` brings it back",
                )
            })?;
        }
        let job = job(work::plan(context, &seen, &policy, Some(&names)), consent);
        let planned = job.plan.totals.delete;
        let exit = told.carry_out(context, root, job);
        // Another job marked or moved something in between, or while it was looked at; what it left
        // is looked at anew.
        let torn = picked.iter().any(|i| !seen.inventory.sessions[*i].tainted.is_empty());
        let overtaken = match &exit {
            Ok(_) => told.moved_nothing() && (torn || (planned > 0 && told.skipped())),
            Err(failure) => failure.exit == Exit::Stale,
        };
        if !overtaken || consent.dry_run || attempt == ATTEMPTS || context.signals.late() {
            let exit = exit?;
            if !consent.dry_run {
                remember::less(context, &config.root, &policy.policy, &mut seen, told.run());
            }
            return Ok(work::finish(context, seen).and(exit));
        }
        attempt += 1;
        context.ui.note("something changed meanwhile; planning again");
    }
}

/// A dry run decides as if the marks were written, whatever they are set on or taken from.
fn as_if_noted(
    context: &Context,
    root: &Root,
    seen: &mut work::Seen,
    args: &SubmittedArgs,
) -> Result<(), Failure> {
    let folders = marks::folders(&seen.inventory, &args.target)?;
    mark::foresee(root, &folders, &mut seen.inventory, edit(context, args))
        .map_err(|e| Failure::new(Exit::Error, e).help("nothing would be tidied up"))
}

fn job(plan: PlanFile, consent: Consent) -> Job {
    let t = plan.totals;
    let what = format!(
        "delete {} ({})",
        human::count(t.delete, "checkpoint"),
        human::size(t.delete_bytes)
    );
    let purge = plan.policy.grace_seconds == 0;
    Job {
        plan,
        what,
        purge,
        upkeep: false,
        consent,
        detail: Detail { all: true, ..Detail::default() },
    }
}
