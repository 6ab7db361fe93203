//! `retain why`: one checkpoint's decision, with every reason and every near miss.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::{gone, work};
use crate::core::decide::decide;
use crate::core::decision::Verdict;
use crate::core::model::Checkpoint;
use crate::report::json::{LsCheckpoint, Why};
use crate::report::table::{Align, Cell, Table};
use crate::report::{human, listing, sanitize};
use crate::steps::pick;
use anstyle::{AnsiColor, Style};
use clap::Args;
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub struct WhyArgs {
    /// One session by name
    #[arg(value_name = "SESSION")]
    session: String,

    /// One checkpoint by name; one that a run deleted, too
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: String,
}

pub fn run(context: &Context, args: &WhyArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    let policy = context.announced_policy(&config)?;
    let root = context::open(&config.root)?;
    let seen = work::scan_root(context, &config, &root)?;
    let inventory = &seen.inventory;
    let found = pick::session(inventory, &args.session)
        .and_then(|s| Ok((s, pick::checkpoint(inventory, s, &args.checkpoint)?)));
    let (s, c) = match found {
        Ok(found) => found,
        Err(failure) => {
            let runs = gone::runs(context, &root, &seen);
            let gone = gone::checkpoint(&runs, &args.session, &args.checkpoint).ok_or(failure)?;
            if context.ui.json {
                context.ui.json(&gone.json(context))?;
            } else {
                context.ui.out(&gone.render(context))?;
            }
            return Ok(work::finish(context, seen));
        }
    };
    let (session, checkpoint) = (&inventory.sessions[s], &inventory.sessions[s].checkpoints[c]);
    let outcome = decide(inventory, &policy.policy, context.now);
    let decision = &outcome.sessions[s];
    let explain = |r| work::explain(inventory, &policy.policy, &outcome, (s, c), r);
    let why = Why {
        format: "retain-why/1",
        now: context.now.to_string(),
        session: session.name.to_string(),
        policy: decision.policy.map(|p| policy.policy.policies[usize::from(p)].name.to_string()),
        checkpoint: LsCheckpoint::new(checkpoint, &inventory.names, None),
        verdict: decision.verdict(c).as_str(),
        reasons: decision.reasons(c).iter().map(explain).collect(),
    };
    if context.ui.json {
        context.ui.json(&why)?;
    } else {
        let sources = listing::metric_sources(checkpoint, &inventory.names);
        context.ui.out(&render(context, &why, checkpoint, &sources, decision.verdict(c)))?;
    }
    Ok(work::finish(context, seen))
}

fn render(
    context: &Context,
    why: &Why,
    checkpoint: &Checkpoint,
    sources: &str,
    verdict: Verdict,
) -> String {
    let (word, style) = match verdict {
        Verdict::Keep => ("is kept", AnsiColor::Green.on_default()),
        Verdict::Delete => ("is deleted", AnsiColor::Red.on_default()),
        Verdict::Untouched => ("is not touched", Style::new()),
    };
    let policy = why.policy.as_ref().map(|p| format!(" by policy \"{p}\"")).unwrap_or_default();
    let mut out = format!(
        "{} {} {style}{word}{style:#}{}\n",
        sanitize::terminal(&why.session),
        sanitize::terminal(&why.checkpoint.id),
        sanitize::terminal(&policy),
    );
    let _ = writeln!(out, "  {}", facts(context, why, checkpoint));
    if !sources.is_empty() {
        let _ = writeln!(out, "  metrics from {}", sanitize::terminal(sources));
    }
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]).headless().indent(2);
    for reason in &why.reasons {
        let kind = Cell::new(&reason.kind).style(Style::new().dimmed());
        table.row([kind, Cell::new(&reason.text)]);
    }
    out + &table.render()
}

/// `saved 2026-02-10 14:03:22 UTC (9 days ago), step 4000, eval_loss=0.51, 366.74 MiB`.
fn facts(context: &Context, why: &Why, checkpoint: &Checkpoint) -> String {
    let mut facts = Vec::new();
    if let Some(t) = checkpoint.saved_at {
        facts.push(format!("saved {} ({})", human::time(t), human::ago(context.now, t)));
    }
    if let Some(step) = checkpoint.step {
        facts.push(format!("step {step}"));
    }
    if let Some(epoch) = checkpoint.epoch {
        facts.push(format!("epoch {epoch}"));
    }
    for (name, value) in &why.checkpoint.metrics {
        // `NaN` stands there as a string.
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        facts.push(format!("{name}={value}"));
    }
    facts.push(human::size(checkpoint.bytes));
    if !checkpoint.complete {
        facts.push("incomplete".to_owned());
    }
    sanitize::terminal(&facts.join(", ")).into_owned()
}
