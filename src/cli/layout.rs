//! `retain layout`: what would be recognised in a directory, and why the rest would not.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::{unfinished, work};
use crate::apply::root;
use crate::core::model::Checkpoint;
use crate::layout::propose::Proposal;
use crate::report::{human, sanitize};
use crate::scan::examine::{Examined, Finding, What, examine};
use crate::scan::{Scan, ScanOptions};
use crate::store::local::LocalStore;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum LayoutCommand {
    /// Entry by entry, what a directory's files are taken for, and what is missing for the rest
    Test(TestArgs),
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// The directory, which may lie in a root; none: the root. Layouts of its retain.toml are tried first
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub fn run(context: &Context, command: &LayoutCommand) -> Result<Exit, Failure> {
    let LayoutCommand::Test(args) = command;
    let inside = args.directory.as_deref().map_or(Ok(None), enclosing)?;
    let (directory, below) = match &inside {
        Some((root, below)) => (Some(root.as_path()), below.as_str()),
        None => (args.directory.as_deref(), ""),
    };
    let config = context.config_of(directory)?;
    let root = context::open(&config.root)?;
    unfinished::tell(context, &root, None);
    let options = ScanOptions {
        index: None,
        now: Some(context.now),
        layouts: work::layouts(context, &config)?,
        ..ScanOptions::default()
    };
    let store = LocalStore::new(crate::steps::see::duplicate(root.fd())?);
    let Examined { seen, mut findings, mut proposals } = examine(&store, &options, &|_| ());
    if !below.is_empty() {
        let root = context::shown(&config.root);
        context.ui.note(format!("{below} in the root {root}: what lies elsewhere is not shown"));
        findings.retain(|f| lies_in(&f.path, below));
        proposals.retain(|p| p.entries.iter().any(|entry| lies_in(entry, below)));
    }
    if context.ui.json {
        let entries: Vec<Value> = findings.iter().map(|f| as_json(&seen, f)).collect();
        let proposals: Vec<Value> = proposals
            .iter()
            .map(|p| json!({ "toml": p.toml(), "entries": p.entries, "doubts": p.doubts }))
            .collect();
        let text = json!({
            "format": "retain-layout/1", "entries": entries, "proposals": proposals,
        });
        context.ui.json(&text)?;
    } else {
        context.ui.out(&as_text(&seen, &findings))?;
        context.ui.out(&as_proposals(&proposals))?;
    }
    for fault in seen.faults.iter().filter(|f| below.is_empty() || lies_in(&f.path, below)) {
        context.ui.warn(format!("{}: {}", fault.path, fault.text));
    }
    Ok(Exit::Done)
}

/// The root that a directory lies in, and where in it: what is recognised, and what its pointers and
/// links lead to, is a matter of the whole root.
fn enclosing(directory: &Path) -> Result<Option<(PathBuf, String)>, Failure> {
    let Ok(real) = directory.canonicalize() else { return Ok(None) };
    let above = real.parent().map_or(Ok(None), root::around)?;
    Ok(above.and_then(|root| {
        let below = context::shown(real.strip_prefix(&root).ok()?);
        Some((root, below))
    }))
}

fn lies_in(path: &str, below: &str) -> bool {
    path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn as_text(seen: &Scan, findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let path = sanitize::terminal(&finding.path);
        let _ = match &finding.what {
            What::Checkpoint { session, checkpoint } => {
                let session = &seen.inventory.sessions[*session];
                let c = &session.checkpoints[*checkpoint];
                let layout = session.layout.as_deref().unwrap_or("unknown");
                writeln!(out, "{path}: {layout}, {}", sanitize::terminal(&about(seen, c)))
            }
            What::Never(what) => writeln!(out, "{path}: never a candidate: {what}"),
            What::NotEntered => writeln!(out, "{path}: not entered"),
            What::Unrecognised(reasons) if reasons.is_empty() => {
                writeln!(out, "{path}: not recognised; no layout knows such a name")
            }
            What::Unrecognised(reasons) => {
                let _ = writeln!(out, "{path}: not recognised");
                for (layout, why) in reasons {
                    let _ = writeln!(out, "    {layout}: {}", sanitize::terminal(why));
                }
                Ok(())
            }
        };
    }
    out
}

/// What could be declared, ready to be copied; everything but the tables is a comment.
fn as_proposals(proposals: &[Proposal]) -> String {
    if proposals.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "\n# What nobody recognised has names like a series of checkpoints. If it is one, declare it,\n\
         # in retain.toml or in a policy. This is a guess from the names: check each line, and that\n\
         # nothing else below the root is called so; then run `retain layout test` again.\n",
    );
    for proposal in proposals {
        let first = proposal.entries.first().map_or("", |e| e);
        let many = human::count(proposal.entries.len() as u64, "name");
        let _ = writeln!(out, "\n# {many}, such as {}", sanitize::terminal(first));
        for doubt in &proposal.doubts {
            let _ = writeln!(out, "# {}", sanitize::terminal(doubt));
        }
        out.push_str(&sanitize::terminal_lines(&proposal.toml()));
    }
    out
}

/// `checkpoint 40, step 40, epoch 2, complete; loss=0.25 (metrics.csv)`.
fn about(seen: &Scan, c: &Checkpoint) -> String {
    let mut out = format!("checkpoint {}", c.id);
    if let Some(step) = c.step {
        let _ = write!(out, ", step {step}");
    }
    if let Some(epoch) = c.epoch {
        let _ = write!(out, ", epoch {epoch}");
    }
    out.push_str(if c.complete { ", complete" } else { ", incomplete" });
    for mark in c.marks.names() {
        let _ = write!(out, ", {mark}");
    }
    for pointer in c.pointers() {
        let _ = write!(out, ", named by {}", pointer.name);
    }
    for (name, value, source) in metrics(seen, c) {
        let _ = write!(out, "; {name}={value} ({source})");
    }
    for conflict in c.conflicts() {
        let _ = write!(out, "; {conflict}");
    }
    out
}

fn metrics<'s>(seen: &'s Scan, c: &'s Checkpoint) -> Vec<(&'s str, f64, &'s str)> {
    let sources = c.extra.as_ref().map_or(&[][..], |e| &e.sources);
    let source = |id| sources.iter().find(|s| s.0 == id).map_or("", |s| &*s.1);
    c.metrics.iter().map(|m| (seen.inventory.names.name(m.0), m.1, source(m.0))).collect()
}

fn as_json(seen: &Scan, finding: &Finding) -> Value {
    let path = &finding.path;
    match &finding.what {
        What::Checkpoint { session, checkpoint } => {
            let session = &seen.inventory.sessions[*session];
            let c = &session.checkpoints[*checkpoint];
            let metrics: Vec<Value> = metrics(seen, c)
                .into_iter()
                .map(
                    |(name, value, source)| json!({"name": name, "value": value, "source": source}),
                )
                .collect();
            json!({
                "path": path, "is": "checkpoint", "layout": session.layout,
                "session": session.name, "id": c.id, "complete": c.complete,
                "step": c.step.map(crate::core::model::Step::as_f64),
                "epoch": c.epoch.map(crate::core::model::Step::as_f64),
                "marks": c.marks.names().collect::<Vec<_>>(), "metrics": metrics,
            })
        }
        What::Never(what) => json!({"path": path, "is": "never", "what": what}),
        What::NotEntered => json!({"path": path, "is": "not-entered"}),
        What::Unrecognised(reasons) => {
            let reasons: Vec<Value> =
                reasons.iter().map(|(l, why)| json!({"layout": l, "why": why})).collect();
            json!({"path": path, "is": "unrecognised", "reasons": reasons})
        }
    }
}
