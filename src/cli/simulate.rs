//! `retain simulate`: what a policy would have done, had it run all the time. Changes nothing.

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::work;
use super::work::Seen;
use crate::core::calendar::Span;
use crate::core::explain::Explainer;
use crate::core::policy::Policy;
use crate::core::simulate::{Deletion, Regret, SimulateError, Simulation, simulate};
use crate::report::human;
use crate::report::json::number;
use crate::report::table::{Align, Cell, Table};
use crate::steps::pick;
use clap::Args;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Sessions whose deletions are listed, by name, glob or range; all are simulated in any case
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,

    /// How often the policy would have run
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = interval)]
    every: u64,

    /// Simulate what this file of `retain inventory`, or of another tool, lists; reads no root
    ///
    /// Several, of parts of one storage, are put together.
    #[arg(long, value_name = "FILE")]
    inventory: Vec<PathBuf>,

    /// List every run and every deletion
    #[arg(short, long)]
    all: bool,
}

/// Seconds; months and years have no fixed length.
pub(super) fn interval(text: &str) -> Result<u64, String> {
    let span = Span::parse(text).map_err(|e| e.to_string())?;
    let seconds = span.fixed_seconds().filter(|s| *s > 0);
    seconds.ok_or_else(|| "write a length above zero in s, min, h, d or w".to_owned())
}

pub(super) fn failure(error: SimulateError) -> Failure {
    Failure::usage(error.to_string()).help("give a longer --every")
}

pub fn run(context: &Context, args: &SimulateArgs) -> Result<Exit, Failure> {
    let config = match args.inventory[..] {
        [] => context.config()?,
        _ => context.config_without_root()?,
    };
    let policy = context.announced_policy(&config)?;
    let seen = match &args.inventory[..] {
        [file, more @ ..] => work::read_inventories(file, more)?,
        [] => work::scan(context, &config)?,
    };
    let picked = pick::sessions(&seen.inventory, &args.sessions)?;
    let simulation =
        simulate(&seen.inventory, &policy.policy, context.now, args.every).map_err(failure)?;
    let view = View {
        seen: &seen,
        policy: &policy.policy,
        simulation: &simulation,
        picked: picked.into_iter().collect(),
        listed: args.all || !args.sessions.is_empty(),
        all_runs: args.all,
    };
    if context.ui.json {
        context.ui.json(&view.json(args.every))?;
    } else {
        context.ui.out(&view.text(args.every))?;
    }
    Ok(work::finish(context, seen))
}

/// So many runs are listed, the last ones.
const RUNS: usize = 20;

struct View<'a> {
    seen: &'a Seen,
    policy: &'a Policy,
    simulation: &'a Simulation,
    picked: HashSet<usize>,
    listed: bool,
    all_runs: bool,
}

impl View<'_> {
    fn deletions(&self) -> impl Iterator<Item = &Deletion> {
        self.simulation.deletions.iter().filter(|d| self.picked.contains(&d.session))
    }

    fn regrets(&self) -> impl Iterator<Item = (&Regret, &Deletion)> {
        let all = self.simulation.regrets.iter();
        all.map(|r| (r, &self.simulation.deletions[r.deletion]))
            .filter(|(_, d)| self.picked.contains(&d.session))
    }

    fn reasons(&self, d: &Deletion) -> String {
        let explainer = Explainer { inventory: &self.seen.inventory, policy: self.policy };
        let session = &self.seen.inventory.sessions[d.session];
        let checkpoint = &session.checkpoints[d.checkpoint];
        let reasons = d.reasons.iter();
        let texts = reasons.map(|r| explainer.reason(session, checkpoint, d.policy, r).text);
        texts.collect::<Vec<_>>().join(" · ")
    }

    fn text(&self, every: u64) -> String {
        let s = self.simulation;
        let mut out = String::new();
        let time = |run: usize| s.runs.get(run).map_or_else(String::new, |r| human::time(r.at));
        let mut facts = Table::new([("", Align::Left), ("", Align::Left)]).headless();
        let mut fact = |name: &str, text: String| facts.row([Cell::new(name), Cell::new(text)]);
        let runs = human::count(s.runs.len() as u64, "run");
        let last = s.runs.len().saturating_sub(1);
        let span = format!("{} to {}", time(0), time(last));
        fact("Runs", format!("{runs}, one every {}, {span}", human::length(every)));
        let trash = human::size(s.peak_with_trash);
        fact("Peak", format!("{} ({trash} with the trash)", human::size(s.peak)));
        fact("Steady", human::size(s.steady));
        let (bytes, count) = s.left;
        fact("Left", format!("{} in {}", human::size(bytes), human::count(count, "checkpoint")));
        fact("Deleted", human::count(s.deletions.len() as u64, "checkpoint"));
        fact("Regret", human::count(s.regrets.len() as u64, "checkpoint"));
        if s.undated > 0 {
            fact(
                "Undated",
                format!("{}, there from the start", human::count(s.undated, "checkpoint")),
            );
        }
        out.push_str(&facts.render());
        self.runs(&mut out);
        if self.listed {
            let mut table = Table::new([
                ("Deleted", Align::Left),
                ("Session", Align::Left),
                ("Checkpoint", Align::Left),
                ("Reasons", Align::Left),
            ]);
            for d in self.deletions() {
                let session = &self.seen.inventory.sessions[d.session];
                let id = &session.checkpoints[d.checkpoint].id;
                let name = Cell::new(&session.name);
                table.row([time(d.run).into(), name, Cell::new(id), self.reasons(d).into()]);
            }
            if !table.is_empty() {
                let _ = write!(out, "\n{}", table.render());
            }
        }
        let mut table = Table::new([
            ("Among the best", Align::Right),
            ("Session", Align::Left),
            ("Checkpoint", Align::Left),
            ("Metric", Align::Left),
            ("Deleted", Align::Left),
            ("Reasons", Align::Left),
        ]);
        for (r, d) in self.regrets() {
            let session = &self.seen.inventory.sessions[d.session];
            let checkpoint = &session.checkpoints[d.checkpoint];
            let value = checkpoint.metric(r.metric).unwrap_or(f64::NAN);
            table.row([
                format!("{}.", r.rank).into(),
                Cell::new(&session.name),
                Cell::new(&checkpoint.id),
                format!("{} = {value}", self.seen.inventory.names.name(r.metric)).into(),
                time(d.run).into(),
                self.reasons(d).into(),
            ]);
        }
        if !table.is_empty() {
            let _ = write!(out, "\nDeleted on the way, although the rules would keep it now:\n");
            out.push_str(&table.render());
        }
        out
    }

    /// The runs that deleted something.
    fn runs(&self, out: &mut String) {
        let runs = &self.simulation.runs;
        let shown: Vec<_> =
            runs.iter().filter(|r| self.all_runs || r.deleted > 0 || r.braked).collect();
        let most = if self.all_runs { usize::MAX } else { RUNS };
        let skipped = shown.len().saturating_sub(most);
        let mut table = Table::new([
            ("Run", Align::Left),
            ("Before", Align::Right),
            ("Deleted", Align::Right),
            ("After", Align::Right),
        ]);
        for run in &shown[skipped..] {
            let deleted = if run.braked { "brake".to_owned() } else { human::grouped(run.deleted) };
            let (before, after) = (human::size(run.before), human::size(run.after));
            table.row([human::time(run.at).into(), before.into(), deleted.into(), after.into()]);
        }
        if !table.is_empty() {
            let _ = write!(out, "\n{}", table.render());
        }
        if skipped > 0 {
            let _ = writeln!(out, "and {skipped} runs before these that deleted something (--all)");
        }
    }

    fn json(&self, every: u64) -> Value {
        let s = self.simulation;
        let sessions = &self.seen.inventory.sessions;
        let runs = s.runs.iter().map(|r| {
            json!({
                "at": r.at.to_string(), "before": r.before, "after": r.after,
                "deleted": r.deleted, "braked": r.braked,
            })
        });
        let named = |d: &Deletion| {
            let session = &sessions[d.session];
            let c = &session.checkpoints[d.checkpoint];
            json!({
                "session": session.name, "id": c.id, "bytes": c.bytes,
                "at": s.runs[d.run].at.to_string(), "reasons": self.reasons(d),
            })
        };
        let regrets = self.regrets().map(|(r, d)| {
            let c = &sessions[d.session].checkpoints[d.checkpoint];
            let mut regret = named(d);
            regret["metric"] = self.seen.inventory.names.name(r.metric).into();
            regret["value"] = c.metric(r.metric).map_or(Value::Null, number);
            regret["rank"] = r.rank.into();
            regret
        });
        json!({
            "format": "retain-simulation/1",
            "every_seconds": every,
            "peak_bytes": s.peak,
            "peak_with_trash_bytes": s.peak_with_trash,
            "steady_bytes": s.steady,
            "left_bytes": s.left.0,
            "left_checkpoints": s.left.1,
            "undated": s.undated,
            "runs": runs.collect::<Vec<_>>(),
            "deletions": self.deletions().map(named).collect::<Vec<_>>(),
            "regrets": regrets.collect::<Vec<_>>(),
        })
    }
}
