//! `retain plan`: decides about every checkpoint, and shows it. Writes nothing but what `-o` names.

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::{context, work};
use crate::core::plan::PlanFile;
use crate::report::{markdown, plan};
use crate::steps::pick;
use clap::{Args, ValueEnum};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Sessions to plan for, by name, glob or range; decisions are made over all sessions in any case
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,

    /// Save the plan, so that `retain apply FILE` carries out exactly this
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[arg(long, value_name = "FORMAT", default_value = "table", conflicts_with = "json")]
    format: Format,

    /// Show sessions that lose nothing, too
    #[arg(short, long)]
    all: bool,

    /// Decide about what this file of `retain inventory`, or of another tool, lists; reads no root
    ///
    /// Several, of parts of one storage, are put together.
    #[arg(long, value_name = "FILE")]
    inventory: Vec<PathBuf>,

    /// End with 10 if the plan deletes something
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Markdown,
}

pub fn run(context: &Context, args: &PlanArgs) -> Result<Exit, Failure> {
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
    let names: HashSet<&str> = picked.iter().map(|i| &*seen.inventory.sessions[*i].name).collect();
    let select = (!args.sessions.is_empty()).then_some(&names);
    let file = work::plan(context, &seen, &policy, select);
    if let Some(path) = &args.output {
        save(path, &file)?;
    }
    let detail = plan::Detail {
        all: args.all || !args.sessions.is_empty(),
        brief: context.ui.quiet,
        notes: context.ui.verbose > 0,
        ..plan::Detail::default()
    };
    match args.format {
        Format::Table if !context.ui.json => context.ui.out(&plan::render(&file, detail))?,
        Format::Markdown => context.ui.out(&markdown::plan(&file, detail.all))?,
        Format::Table | Format::Json => context.ui.json(&file)?,
    }
    if let Some(path) = &args.output
        && file.totals.delete > 0
    {
        context.ui.note(saved(&context::shown(path), &file));
    }
    let exit = work::plan_exit(&file)
        .and_if(args.detailed_exitcode && file.totals.delete > 0, Exit::Deletes);
    // As what was seen: nobody needs it any more.
    std::mem::forget(file);
    Ok(work::finish(context, seen).and(exit))
}

/// What can be done with a saved plan.
fn saved(path: &str, file: &PlanFile) -> String {
    if file.root.is_none() {
        "saved to be read: it is of an inventory of another tool, which `retain apply` does not take".to_owned()
    } else if file.brake.is_some() {
        "saved to be read: `retain apply` does not carry it out, for the policy's brake holds"
            .to_owned()
    } else {
        format!("saved; `retain apply {path}` carries it out within 24 hours")
    }
}

fn save(path: &Path, file: &PlanFile) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(file).map_err(anyhow::Error::from)?;
    text.push(b'\n');
    std::fs::write(path, text).map_err(|e| {
        anyhow::Error::new(e)
            .context(format!("cannot write the plan to {}", context::shown(path)))
            .into()
    })
}
