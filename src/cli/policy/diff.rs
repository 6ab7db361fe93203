//! `retain policy diff`: what another policy would do otherwise, checkpoint by checkpoint.

use super::{Checked, read, valid};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::work::{self, Seen};
use crate::core::decide::decide;
use crate::core::policy::Policy;
use crate::report::table::{Align, Cell, Table};
use crate::report::{human, sanitize};
use crate::steps::differ;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The policy as it was
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The policy as it is to be
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Decide about what this file of `retain inventory` lists, instead of the root
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,

    #[arg(long, value_name = "FORMAT", default_value = "table", conflicts_with = "json")]
    format: Format,

    /// End with 10 if the new policy deletes something that the old one does not
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Markdown,
}

/// One checkpoint about which the policies do not agree.
struct Change {
    session: String,
    id: String,
    bytes: u64,
    /// The new policy deletes it, the old one did not; else the other way round.
    deletes: bool,
    /// Of the new policy.
    reasons: String,
}

pub fn run(context: &Context, args: &DiffArgs) -> Result<Exit, Failure> {
    let checked = read(context, &[args.old.clone(), args.new.clone()])?;
    let [old, new] = &checked[..] else {
        return Err(Failure::usage("OLD and NEW are one policy file each, not directories"));
    };
    let (old_policy, new_policy) = (valid(context, old)?, valid(context, new)?);
    let seen = match &args.inventory {
        Some(file) => work::read_inventory(file)?,
        None => work::scan(context, &context.config()?)?,
    };
    let changes = changes(context, &seen, old_policy, new_policy);
    match args.format {
        Format::Table if !context.ui.json => context.ui.out(&table(&changes))?,
        Format::Markdown => context.ui.out(&markdown(&changes, old, new))?,
        Format::Table | Format::Json => context.ui.json(&as_json(&changes, old, new))?,
    }
    let deletes = changes.iter().any(|c| c.deletes);
    Ok(work::finish(context, seen).and_if(args.detailed_exitcode && deletes, Exit::Deletes))
}

fn changes(context: &Context, seen: &Seen, old: &Policy, new: &Policy) -> Vec<Change> {
    let inventory = &seen.inventory;
    let before = decide(inventory, old, context.now);
    let after = decide(inventory, new, context.now);
    let one = |found: differ::Change| {
        let (s, c) = (found.session, found.checkpoint);
        let session = &inventory.sessions[s];
        let reasons = after.sessions[s].reasons(c).iter();
        let reasons: Vec<String> =
            reasons.map(|r| work::explain(inventory, new, &after, (s, c), r).text).collect();
        Change {
            session: session.name.to_string(),
            id: session.checkpoints[c].id.to_string(),
            bytes: session.checkpoints[c].bytes,
            deletes: found.deletes,
            reasons: reasons.join(" · "),
        }
    };
    differ::changes(inventory, &before, &after).into_iter().map(one).collect()
}

fn sum(changes: &[Change], deletes: bool) -> (u64, u64) {
    let of = changes.iter().filter(|c| c.deletes == deletes);
    of.fold((0, 0), |(n, bytes), c| (n + 1, bytes + c.bytes))
}

fn sentence(changes: &[Change]) -> String {
    let ((gone, gone_bytes), (kept, kept_bytes)) = (sum(changes, true), sum(changes, false));
    format!(
        "newly deleted: {} ({}), newly kept: {} ({})",
        human::count(gone, "checkpoint"),
        human::size(gone_bytes),
        human::count(kept, "checkpoint"),
        human::size(kept_bytes)
    )
}

fn word(change: &Change) -> &'static str {
    if change.deletes { "delete" } else { "keep" }
}

fn table(changes: &[Change]) -> String {
    let mut table = Table::new([
        ("Now", Align::Left),
        ("Session", Align::Left),
        ("Checkpoint", Align::Left),
        ("Size", Align::Right),
        ("Reasons", Align::Left),
    ]);
    for c in changes {
        table.row([
            Cell::new(word(c)),
            Cell::new(&c.session),
            Cell::new(&c.id),
            Cell::new(human::size(c.bytes)),
            Cell::new(&c.reasons),
        ]);
    }
    let mut out = if changes.is_empty() { String::new() } else { table.render() + "\n" };
    let _ = writeln!(out, "{}", sentence(changes));
    out
}

fn markdown(changes: &[Change], old: &Checked, new: &Checked) -> String {
    let safe = sanitize::markdown;
    let (from, to) = (safe(&old.source), safe(&new.source));
    let mut out = format!("# From {from} to {to}\n\n{}\n", sentence(changes));
    if !changes.is_empty() {
        out.push_str("\n| now | session | checkpoint | size | reasons |\n|---|---|---|---:|---|\n");
    }
    for c in changes {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            word(c),
            safe(&c.session),
            safe(&c.id),
            human::size(c.bytes),
            safe(&c.reasons)
        );
    }
    out
}

fn as_json(changes: &[Change], old: &Checked, new: &Checked) -> Value {
    let total = |deletes| {
        let (checkpoints, bytes) = sum(changes, deletes);
        json!({ "checkpoints": checkpoints, "bytes": bytes })
    };
    let list = changes.iter().map(|c| {
        json!({
            "session": c.session, "id": c.id, "bytes": c.bytes,
            "verdict": word(c), "reasons": c.reasons,
        })
    });
    json!({
        "format": "retain-policy-diff/1",
        "old": old.source,
        "new": new.source,
        "newly_deleted": total(true),
        "newly_kept": total(false),
        "changes": list.collect::<Vec<_>>(),
    })
}
