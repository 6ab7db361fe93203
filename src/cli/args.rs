//! The command line as it was written, before anything is looked up.
//!
//! Only shapes are checked here. What a value means (which root, which policy, what time it is) is
//! decided once in [`super::context`]; each verb keeps its own arguments in its own file.

use super::exit::Exit;
use super::{
    advise, apply, completions, demo, init, inventory, layout, log, ls, man, marks, monitor, plan,
    policy, purge, rm, serve, simulate, submitted, undo, usage, why,
};
use crate::core::model::Time;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Keeps the model checkpoints that are worth keeping and reclaims the rest.
///
/// Point it at a directory of training runs: `retain ls` shows the sessions, `retain plan` decides
/// about every checkpoint and says why, `retain apply` moves the rest to a trash that `retain undo`
/// brings back.
#[derive(Debug, Parser)]
#[command(
    name = "retain",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_long_help = Exit::help(),
    after_help = "Exit codes: see `retain --help`.",
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where the sessions are
    ///
    /// Otherwise the nearest `retain.toml` or `.retain/root.toml` in the working directory or above
    /// says where, else it is the working directory itself.
    #[arg(short = 'C', long, global = true, value_name = "DIR", env = "RETAIN_ROOT", hide_env_values = true, value_parser = any_path())]
    pub root: Option<PathBuf>,

    /// The policy file
    ///
    /// Otherwise the one that `retain.toml` names, else an embedded default.
    #[arg(long, global = true, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Print JSON: versioned, on stdout, with nothing else there; what makes a file (`completions`, `man`,
    /// `policy new`) makes that file all the same
    #[arg(long, global = true)]
    pub json: bool,

    /// Say less; `ls` prints names only
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Say more; twice for the inner workings
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// Colours and styles
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,

    /// How what is said on stderr is written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Take this instant (RFC 3339) for the machine's time
    ///
    /// Ages, calendar periods and expiries are counted to it, and what a run records about itself
    /// is recorded with it. The rules about clocks hold for it as they do for the machine's: a root
    /// refuses a run that is dated before an earlier one.
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Time>,

    /// Threads that scan and delete
    ///
    /// By default a scan reads with four for each processor, at most 32, for it waits more than it
    /// computes; apply goes by the
    /// file system as well. A spinning disk reads fastest with 1, a
    /// network file system with 32 or more.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Look at every file, whatever the last scan saw
    ///
    /// What a scan saw of sessions at rest is kept in `$XDG_CACHE_HOME/retain`. The next scan looks at
    /// their directories, metadata and single files, and at the rest only if one of these changed.
    /// Before anything is deleted, all of it is looked at in any case.
    #[arg(long, global = true)]
    pub no_index: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that wants them (`NO_COLOR`, `CLICOLOR_FORCE` and `TERM` are honoured)
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Sentences for people
    #[default]
    Text,
    /// One JSON object a line, with its time and level
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List sessions, or the checkpoints of a session
    Ls(ls::LsArgs),
    /// Delete checkpoints by name; asks first
    Rm(rm::RmArgs),
    /// Decide about every checkpoint and show it; changes nothing
    Plan(plan::PlanArgs),
    /// Carry out a saved plan, or plan, show, ask and carry out
    Apply(apply::ApplyArgs),
    /// Every reason to keep one checkpoint, and for a deletion the nearest miss of every rule
    Why(why::WhyArgs),
    /// Bring back what a run moved to the trash
    Undo(undo::UndoArgs),
    /// Reclaim the trash whose grace has passed
    Purge(purge::PurgeArgs),
    /// What was done here, and what is in the trash
    Log(log::LogArgs),
    /// Keep a session or checkpoints, whatever any policy says
    Pin(marks::PinArgs),
    /// Take pins away
    Unpin(marks::UnpinArgs),
    /// Add or remove tags, which policies can match
    Tag(marks::TagArgs),
    /// Note that checkpoints were submitted, which policies can match
    Submitted(submitted::SubmittedArgs),
    /// The Storage Management page, in a browser
    Serve(serve::ServeArgs),
    /// Who uses what, what of it could be reclaimed, and when it will be full
    Usage(usage::UsageArgs),
    /// Check the quotas, and tell whoever is over or near what would bring them under
    Monitor(monitor::MonitorArgs),
    /// What a policy would have done, had it run all the time; changes nothing
    Simulate(simulate::SimulateArgs),
    /// Numbers for the policy in force, so that what it keeps fits; changes nothing
    Advise(advise::AdviseArgs),
    /// Declare a directory a root, so that unattended runs may clean it
    Init(init::InitArgs),
    /// Check, test, show or begin a policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// What is recognised in a directory, and why the rest is not
    #[command(subcommand)]
    Layout(layout::LayoutCommand),
    /// Write what a scan sees as JSON Lines
    Inventory(inventory::InventoryArgs),
    /// Make a sample storage and try all of it there
    Demo(demo::DemoArgs),
    /// Print a shell's completion script
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(man::ManArgs),
}

/// Options of every command that deletes.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Consent {
    /// Show what would be done and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Do not ask; needed where there is no terminal
    #[arg(short = 'y', long, conflicts_with = "dry_run")]
    pub yes: bool,
}

/// An empty path comes from an unset variable: it is refused as a root, not as a spelling.
fn any_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

fn parse_time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "write it as 2026-01-31T10:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
