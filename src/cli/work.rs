//! The steps that several verbs share: scan, decide, plan, and say what could not be read.

use super::cache;
use super::carry;
use super::context::{self, Context, InForce};
use super::exit::Exit;
use super::failure::Failure;
use super::{progress, unfinished};
use crate::apply::Count;
use crate::apply::root::Root;
use crate::config::Config;
use crate::core::decide::decide;
use crate::core::decision::{Outcome, Reason};
use crate::core::declared::Definition;
use crate::core::explain::Explainer;
use crate::core::model::{Inventory, Session};
use crate::core::plan::{self, PlanFile, PlanReason, PlanRoot};
use crate::core::policy::Policy;
use crate::inventory as format;
use crate::layout::{self, Layout};
use crate::scan::index::{Index, Memory};
use crate::scan::{Owner, Unrecognised};
pub use crate::steps::see::Seen;
use crate::steps::see::{self, SeeError};
use crate::steps::space;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// The declared layouts and the built-in ones.
///
/// # Errors
/// As [`Context::declared`].
pub fn layouts(context: &Context, config: &Config) -> Result<Vec<Box<dyn Layout>>, Failure> {
    layout::with(&context.declared(config)?).map_err(|e| Failure::new(Exit::Usage, e))
}

/// Opens the configured root and scans it.
///
/// # Errors
/// The root is refused, or cannot be read at all.
pub fn scan(context: &Context, config: &Config) -> Result<Seen, Failure> {
    let root = context::open(&config.root)?;
    scan_root(context, config, &root)
}

/// Scans an open root.
///
/// # Errors
/// The root cannot be read at all; anything less is a fault in [`Seen`].
pub fn scan_root(context: &Context, config: &Config, root: &Root) -> Result<Seen, Failure> {
    scan_in_force(context, config, root, false)
}

/// As [`scan_root`], and measures what no layout recognises.
///
/// # Errors
/// As [`scan_root`].
pub fn weigh_root(context: &Context, config: &Config, root: &Root) -> Result<Seen, Failure> {
    scan_in_force(context, config, root, true)
}

fn scan_in_force(
    context: &Context,
    config: &Config,
    root: &Root,
    weigh: bool,
) -> Result<Seen, Failure> {
    let declared = context.declared(config)?;
    let index = context.may_use_index(config)?;
    let seen = look(context, config, root, How { declared: &declared, weigh, index })?;
    unfinished::tell(context, root, Some(&seen.inventory));
    Ok(seen)
}

/// As [`scan_root`], with these layouts instead of those of the policy in force. Says nothing of
/// runs that were cut off.
///
/// # Errors
/// As [`scan_root`].
pub fn scan_by(
    context: &Context,
    config: &Config,
    root: &Root,
    declared: &[Definition],
    index: bool,
) -> Result<Seen, Failure> {
    look(context, config, root, How { declared, weigh: false, index })
}

/// What a scan recognises by, and what it measures.
struct How<'a> {
    declared: &'a [Definition],
    /// What no layout recognises as well.
    weigh: bool,
    /// Uses and keeps the index. Not where a policy goes by bytes: a file that was rewritten in place,
    /// punched or linked elsewhere since is not noticed in it, and other checkpoints would go for bytes
    /// that are not there.
    index: bool,
}

fn look(context: &Context, config: &Config, root: &Root, how: How<'_>) -> Result<Seen, Failure> {
    let threads = context.threads.and_then(NonZeroUsize::new);
    let layouts = layout::with(how.declared).map_err(|e| Failure::new(Exit::Usage, e))?;
    let kept = how.index.then(|| cache::open(context, config, how.declared, root)).flatten();
    let (cache, index) = kept.unzip();
    let keep = |memory: &Memory, index: &Index| {
        if let Some(cache) = &cache {
            cache.write(context, memory, index);
        }
    };
    let bar = progress::Scan::new(&context.ui);
    let remember = see::Remember { index, keep: &keep, weigh: how.weigh };
    let event = |event| bar.event(event);
    let seen = see::scan(root, config, layouts, threads, context.now, remember, &event);
    bar.finish();
    let seen = seen.map_err(|e| match e {
        SeeError::Io(e) => e.into(),
        e @ SeeError::Exclude(_) => Failure::new(Exit::Usage, e),
    })?;
    for mount in &seen.other_mounts {
        context.ui.detail(format!("not entered, another file system: {mount}"));
    }
    Ok(seen)
}

/// Reads inventory files, `-` for stdin, and puts them together: parts of one storage. What they differ in
/// is a fault, and keeps its session.
///
/// # Errors
/// One cannot be read, or a line does not parse; all such lines are in the message.
pub fn read_inventories(file: &Path, more: &[PathBuf]) -> Result<Seen, Failure> {
    let mut all = read_inventory(file)?;
    for path in more {
        let next = read_inventory(path)?;
        let (inventory, conflicts) = format::merge(all.inventory, next.inventory);
        all.inventory = inventory;
        all.faults.extend(conflicts);
        all.root = all.root.filter(|root| next.root.as_ref().is_some_and(|of| of.id == root.id));
        all.root_shown = format!("{}, {}", all.root_shown, next.root_shown);
    }
    Ok(all)
}

fn read_inventory(path: &Path) -> Result<Seen, Failure> {
    let shown = context::shown(path);
    let read = if shown == "-" {
        format::read(&mut std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(path).map_err(|e| {
            let what = format!("cannot read {shown}");
            Failure::new(Exit::Usage, anyhow::Error::new(e).context(what))
        })?;
        format::read(&mut std::io::BufReader::new(file))
    };
    let file = read.map_err(|e| {
        let what = format!("{shown} is not an inventory");
        Failure::new(Exit::Usage, anyhow::Error::new(e).context(what))
    })?;
    // A file of our own names its root, which apply will hold against the one it finds.
    let id = file.inventory.root.as_deref().filter(|_| file.applicable);
    let root = id.map(|id| PlanRoot { id: Some(id.to_owned()), ..PlanRoot::default() });
    Ok(Seen {
        inventory: file.inventory,
        unrecognised: Unrecognised::default(),
        faults: Vec::new(),
        root,
        root_shown: shown,
        other_mounts: Vec::new(),
        runs: Vec::new(),
        homes: Vec::new(),
        owner: Owner::default(),
    })
}

/// Decides over everything that was seen, and plans for `select` (`None`: for all of it).
pub fn plan(
    context: &Context,
    seen: &Seen,
    policy: &InForce,
    select: Option<&HashSet<&str>>,
) -> PlanFile {
    let outcome = decide(&seen.inventory, &policy.policy, context.now);
    let chosen = |session: &Session| select.is_none_or(|names| names.contains(&*session.name));
    let plan = plan::build(&plan::Input {
        inventory: &seen.inventory,
        policy: &policy.policy,
        outcome: &outcome,
        now: context.now,
        policy_source: &policy.source,
        policy_text: &policy.text,
        root: seen.root.clone(),
        select: select.is_some().then_some(&chosen),
    });
    tell_out_of_reach(context, seen, &plan);
    plan
}

/// Trash counts as free where it can be made so: whose free space is demanded learns what cannot.
fn tell_out_of_reach(context: &Context, seen: &Seen, plan: &PlanFile) {
    let mut count = Count::default();
    seen.runs.iter().for_each(|run| count.absorb(run.out_of_reach));
    if count.checkpoints > 0 && !space::demands(plan).is_empty() {
        context.ui.note(format!(
            "{} in the trash do not count as free for min-free: no purge of yours takes them, as of another's run, or where copies lie in place of what was moved",
            carry::amount(count)
        ));
    }
}

/// The code that carrying out the plan would end with if all of it went well.
pub fn plan_exit(plan: &PlanFile) -> Exit {
    let has = |kinds: &[&str]| plan.warnings.iter().any(|w| kinds.contains(&w.kind.as_str()));
    Exit::Done
        .and_if(plan.brake.is_some(), Exit::Refused)
        .and_if(has(&["tainted"]), Exit::Partly)
        .and_if(has(&["limit-unreachable", "quota-unreachable"]), Exit::Unreachable)
}

/// A reason in words and numbers; `at` is a session and a checkpoint of it.
pub fn explain(
    inventory: &Inventory,
    policy: &Policy,
    outcome: &Outcome,
    at: (usize, usize),
    reason: &Reason,
) -> PlanReason {
    let session = &inventory.sessions[at.0];
    let checkpoint = &session.checkpoints[at.1];
    let explained = Explainer { inventory, policy }.reason(
        session,
        checkpoint,
        outcome.sessions[at.0].policy,
        reason,
    );
    PlanReason { kind: explained.kind.to_owned(), text: explained.text, data: explained.data }
}

/// So many faults are shown; with `-v`, all of them.
const FAULTS: usize = 10;

/// Says what could not be read; the last thing a command does.
pub fn finish(context: &Context, seen: Seen) -> Exit {
    let exit = say_faults(context, &seen);
    // The process ends next: a million checkpoints need not be given back one by one.
    std::mem::forget(seen);
    exit
}

/// Says what could not be read.
pub fn say_faults(context: &Context, seen: &Seen) -> Exit {
    let shown = if context.ui.verbose > 0 { usize::MAX } else { FAULTS };
    for fault in seen.faults.iter().take(shown) {
        context.ui.warn(fault);
    }
    if seen.faults.len() > shown {
        context.ui.warn(format!("{} more like these (-v shows them)", seen.faults.len() - shown));
    }
    let tainted = seen.inventory.sessions.iter().any(|s| !s.tainted.is_empty());
    Exit::Done.and_if(tainted || !seen.faults.is_empty(), Exit::Partly)
}
