//! `retain inventory`: what a scan saw, as a value to keep, merge or plan elsewhere.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::work;
use crate::inventory as format;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(context: &Context, args: &InventoryArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    let seen = work::scan(context, &config)?;
    match &args.output {
        None => context.ui.raw(|out| format::write(&seen.inventory, out))?,
        Some(path) => {
            let shown = context::shown(path);
            let written = std::fs::File::create(path).and_then(|file| {
                let mut out = std::io::BufWriter::new(file);
                format::write(&seen.inventory, &mut out)?;
                std::io::Write::flush(&mut out)
            });
            written.map_err(|e| {
                anyhow::Error::new(e).context(format!("cannot write the inventory to {shown}"))
            })?;
            context
                .ui
                .note(format!("wrote {shown}; `retain plan --inventory {shown}` decides about it"));
        }
    }
    Ok(work::finish(context, seen))
}
