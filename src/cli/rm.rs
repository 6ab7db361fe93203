//! `retain rm`: a person's own choice, carried out as a plan like any other.

use super::args::Consent;
use super::carry::{self, Carried, Job};
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::{gone, pins, work};
use crate::apply::Root;
use crate::core::model::Session;
use crate::core::plan::PlanFile;
use crate::report::plan::Detail;
use crate::report::{self, human};
use crate::steps::{by_hand, mark, pick};
use clap::Args;

#[derive(Debug, Args)]
pub struct RmArgs {
    /// One session, a glob or a range, such as 'team/mnist/{1..35}'
    #[arg(value_name = "SESSION")]
    session: String,

    /// Checkpoints by name, glob (`*` any characters, `?` one) or range
    #[arg(value_name = "CHECKPOINT", required = true)]
    checkpoints: Vec<String>,

    #[command(flatten)]
    consent: Consent,

    /// Reclaim the space at once; nothing can be undone then
    #[arg(long)]
    purge: bool,
}

pub fn run(context: &Context, args: &RmArgs) -> Result<Exit, Failure> {
    carry::gate(args.consent)?;
    let config = context.config()?;
    let policy = context.policy(&config)?;
    let root = context::open(&config.root)?;
    carry::recover(context, &root, args.consent.dry_run)?;
    let seen = work::scan_root(context, &config, &root)?;
    let chosen = pick::sessions(&seen.inventory, std::slice::from_ref(&args.session))
        .and_then(|s| pick::checkpoints(&seen.inventory, &s, &args.checkpoints))
        .map_err(|e| {
            gone::explained(context, &root, &seen, (&args.session, &args.checkpoints), e)
        })?;
    // The embedded default declares no protections: only a policy that somebody chose does.
    let judged = by_hand::judge(
        &seen.inventory,
        &chosen,
        &policy.policy.protections,
        policy.policy.grace,
        context.now,
    );
    let file = by_hand::plan(&seen.inventory, seen.root.clone(), &judged, context.now);
    let refused = judged.refused.len();
    let job = Job {
        plan: file,
        what: format!(
            "delete {} of {}",
            human::count(
                (chosen.iter().map(|(_, l)| l.len()).sum::<usize>() - refused) as u64,
                "checkpoint"
            ),
            human::count(chosen.len() as u64, "session")
        ),
        purge: args.purge,
        upkeep: false,
        consent: args.consent,
        // A session in which everything chosen stays is shown, too.
        detail: Detail { all: true, ..Detail::default() },
    };
    let mut carried = Carried::new(root);
    let exit = carry::carry_out(context, &job, &mut carried)?;
    for (s, c) in &judged.refused {
        explain_refusal(context, &carried.root, &seen.inventory.sessions[*s], *c, &job.plan);
    }
    Ok(work::finish(context, seen).and(exit).and_if(refused > 0, Exit::Refused))
}

fn explain_refusal(
    context: &Context,
    root: &Root,
    session: &Session,
    checkpoint: usize,
    plan: &PlanFile,
) {
    let c = &session.checkpoints[checkpoint];
    let decision = plan.decisions.iter().find(|d| d.session == *session.name && d.id == *c.id);
    let reasons = decision.map(|d| &d.reasons[..]).unwrap_or_default();
    let why = report::plan::reasons(reasons);
    context.ui.warn(format!("{} {} stays: {why}", session.name, c.id));
    // Marks that nobody can read pin as well, and there is no pin that could be taken away.
    let pinned = reasons.iter().any(|r| r.kind == "pinned");
    if let Some(held) = mark::pinned(root, &session.series, c, context.now).filter(|_| pinned) {
        pins::say_remedy(context, session, &[&c.id], &held);
    }
}
