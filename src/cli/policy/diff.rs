//! `retain policy diff`: what another policy would do otherwise, checkpoint by checkpoint.

use super::{Checked, read, valid};
use crate::cli::context::{self, Context};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::unfinished;
use crate::cli::work::{self, Seen};
use crate::core::decide::decide;
use crate::core::decision::Outcome;
use crate::core::model::Inventory;
use crate::core::policy::Policy;
use crate::report::table::{Align, Cell, Table};
use crate::report::{human, sanitize};
use crate::steps::differ;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::collections::HashSet;
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
    ///
    /// Several, of parts of one storage, are put together.
    #[arg(long, value_name = "FILE")]
    inventory: Vec<PathBuf>,

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
    let Sides { before, after } = match &args.inventory[..] {
        // What it lists was recognised by some layouts; nobody can tell what others would make of it.
        [_, ..] if old_policy.layouts != new_policy.layouts => {
            let what = "the policies declare different layouts, and an inventory holds only what was recognised when it was made";
            return Err(
                Failure::usage(what).help("compare them on the root itself, without --inventory")
            );
        }
        [file, more @ ..] => Sides { before: None, after: work::read_inventories(file, more)? },
        [] => scan(context, old, new)?,
    };
    let changes = match &before {
        None => changes(context, &after, old_policy, new_policy),
        Some(before) => changes_between(context, (before, old_policy), (&after, new_policy)),
    };
    match args.format {
        Format::Table if !context.ui.json => context.ui.out(&table(&changes))?,
        Format::Markdown => context.ui.out(&markdown(&changes, old, new))?,
        Format::Table | Format::Json => context.ui.json(&as_json(&changes, old, new))?,
    }
    let deletes = changes.iter().any(|c| c.deletes);
    let earlier = before.map_or(Exit::Done, |mut before| {
        // What both could not read is said once.
        let said: HashSet<&String> = after.faults.iter().collect();
        before.faults.retain(|fault| !said.contains(fault));
        work::finish(context, before)
    });
    let exit = work::finish(context, after).and(earlier);
    Ok(exit.and_if(args.detailed_exitcode && deletes, Exit::Deletes))
}

/// What each policy is about.
struct Sides {
    /// `None`: the same.
    before: Option<Seen>,
    after: Seen,
}

/// Looks at the root as each policy would: by the layouts that it declares, whatever is in force.
fn scan(context: &Context, old: &Checked, new: &Checked) -> Result<Sides, Failure> {
    let config = context.config()?;
    let by_old = context.declared_with(&config, &old.source, &old.text)?;
    let by_new = context.declared_with(&config, &new.source, &new.text)?;
    let root = context::open(&config.root)?;
    let same = by_old == by_new;
    // The index is of one set of layouts, and knows nothing that bytes could be held against.
    let counts = |c: &Checked| c.loaded.policy.as_ref().is_some_and(Policy::counts_bytes);
    let index = same && !counts(old) && !counts(new);
    let after = work::scan_by(context, &config, &root, &by_new, index)?;
    unfinished::tell(context, &root, Some(&after.inventory));
    let before = || work::scan_by(context, &config, &root, &by_old, false);
    Ok(Sides { before: if same { None } else { Some(before()?) }, after })
}

fn changes(context: &Context, seen: &Seen, old: &Policy, new: &Policy) -> Vec<Change> {
    let inventory = &seen.inventory;
    let before = decide(inventory, old, context.now);
    let after = decide(inventory, new, context.now);
    let one = |found: differ::Change| {
        let at = (found.session, found.checkpoint);
        Change::of(inventory, at, found.deletes, reasons((inventory, new, &after), at))
    };
    differ::changes(inventory, &before, &after).into_iter().map(one).collect()
}

fn changes_between(
    context: &Context,
    (earlier, old): (&Seen, &Policy),
    (later, new): (&Seen, &Policy),
) -> Vec<Change> {
    let (earlier, later) = (&earlier.inventory, &later.inventory);
    let before = decide(earlier, old, context.now);
    let after = decide(later, new, context.now);
    let said = |at| reasons((later, new, &after), at);
    let one = |found: differ::Moved| match found {
        differ::Moved::Deleted(at) => Change::of(later, at, true, said(at)),
        differ::Moved::Kept(at, now) => {
            let unknown = || "not recognised, and hence never touched".to_owned();
            Change::of(earlier, at, false, now.map_or_else(unknown, said))
        }
    };
    differ::between((earlier, &before), (later, &after)).into_iter().map(one).collect()
}

fn reasons(
    (inventory, policy, outcome): (&Inventory, &Policy, &Outcome),
    (s, c): differ::Place,
) -> String {
    let reasons = outcome.sessions[s].reasons(c).iter();
    let reasons = reasons.map(|r| work::explain(inventory, policy, outcome, (s, c), r).text);
    reasons.collect::<Vec<_>>().join(" · ")
}

impl Change {
    fn of(inventory: &Inventory, (s, c): differ::Place, deletes: bool, reasons: String) -> Change {
        let session = &inventory.sessions[s];
        let checkpoint = &session.checkpoints[c];
        Change {
            session: session.name.to_string(),
            id: checkpoint.id.to_string(),
            bytes: checkpoint.bytes,
            deletes,
            reasons,
        }
    }
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
