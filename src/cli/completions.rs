//! `retain completions`: generated from the same definition as the parser.

use super::args::Cli;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    shell: Shell,
}

pub fn run(context: &Context, args: &CompletionsArgs) -> Result<Exit, Failure> {
    // The generator takes any writer and panics when it fails; memory does not.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "retain", &mut script);
    context.ui.raw(|out| out.write_all(&script))?;
    Ok(Exit::Done)
}
