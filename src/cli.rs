//! The command line: arguments in, one exit code out.
//!
//! A verb looks things up (`context`), asks the library, and hands the result to
//! [`crate::report`]; it decides nothing. Errors become sentences with a remedy here and nowhere
//! below, and only [`exit`] knows the codes.

mod advise;
mod apply;
mod args;
mod cache;
mod carry;
mod completions;
mod context;
mod demo;
mod descriptors;
pub mod docs;
pub mod exit;
mod failure;
mod gone;
mod init;
mod inventory;
mod layout;
mod log;
mod ls;
mod machine;
mod man;
mod marks;
mod monitor;
mod past;
mod pins;
mod plan;
mod policy;
mod progress;
mod purge;
mod remember;
mod rm;
mod serve;
mod shell;
mod signal;
mod simulate;
mod space;
mod submitted;
mod tell;
mod ui;
mod unattended;
mod undo;
mod unfinished;
mod usage;
mod why;
mod work;

use args::{Cli, Command, LogFormat};
use clap::Parser as _;
use context::Context;
use exit::Exit;
use failure::Failure;
use std::process::ExitCode;

/// Runs the program with the arguments and streams of the process.
pub fn main() -> ExitCode {
    descriptors::make_room();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error).into(),
    };
    let ended = set_up(&cli)
        .and_then(|()| Context::new(&cli.global))
        .and_then(|context| dispatch(context, &cli.command));
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            ui::Ui::new(&cli.global).failure(&failure);
            failure.exit.into()
        }
    }
}

/// Help and version are output, everything else is a usage error. A stream that is closed leaves
/// nobody to tell.
fn unparsed(error: &clap::Error) -> Exit {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

fn set_up(cli: &Cli) -> Result<(), Failure> {
    let format = cli.global.log_format;
    let level = match (format, cli.global.verbose) {
        (LogFormat::Text, 0) => tracing::Level::WARN,
        (LogFormat::Text, 1) | (LogFormat::Json, 0 | 1) => tracing::Level::INFO,
        (_, 2) => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_writer(move || ui::LogSink(format))
        .with_ansi(false)
        .with_max_level(level)
        .with_target(false);
    match format {
        LogFormat::Text => log.without_time().init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
    if let Some(threads) = cli.global.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .map_err(anyhow::Error::from)?;
    }
    Ok(())
}

fn dispatch(mut context: Context, command: &Command) -> Result<Exit, Failure> {
    let context = &mut context;
    match command {
        Command::Ls(args) => ls::run(context, args),
        Command::Rm(args) => rm::run(context, args),
        Command::Plan(args) => plan::run(context, args),
        Command::Apply(args) => apply::run(context, args),
        Command::Why(args) => why::run(context, args),
        Command::Undo(args) => undo::run(context, args),
        Command::Purge(args) => purge::run(context, args),
        Command::Log(args) => log::run(context, args),
        Command::Pin(args) => marks::pin(context, args),
        Command::Unpin(args) => marks::unpin(context, args),
        Command::Tag(args) => marks::tag(context, args),
        Command::Usage(args) => usage::run(context, args),
        Command::Simulate(args) => simulate::run(context, args),
        Command::Advise(args) => advise::run(context, args),
        Command::Monitor(args) => monitor::run(context, args),
        Command::Submitted(args) => submitted::run(context, args),
        Command::Serve(args) => serve::run(context, args),
        Command::Init(args) => init::run(context, args),
        Command::Policy(command) => policy::run(context, command),
        Command::Layout(command) => layout::run(context, command),
        Command::Inventory(args) => inventory::run(context, args),
        Command::Demo(args) => demo::run(context, args),
        Command::Completions(args) => completions::run(context, args),
        Command::Man(args) => man::run(context, args),
    }
}
