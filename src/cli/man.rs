//! `retain man`: generated from the same definition as the parser.

use super::args::Cli;
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use clap::{Args, CommandFactory as _};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page for each command into this directory, made if need be
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub fn run(context: &Context, args: &ManArgs) -> Result<Exit, Failure> {
    match &args.output {
        None => context.ui.raw(|out| clap_mangen::Man::new(Cli::command()).render(out))?,
        Some(dir) => {
            let shown = context::shown(dir);
            let made = std::fs::create_dir_all(dir);
            made.and_then(|()| clap_mangen::generate_to(Cli::command(), dir)).map_err(|e| {
                anyhow::Error::new(e).context(format!("cannot write pages to {shown}"))
            })?;
            context.ui.note(format!("wrote the pages to {shown}"));
        }
    }
    Ok(Exit::Done)
}
