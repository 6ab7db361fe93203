//! What a run adds to the history of usage: what is left after it. It makes no command fail.

use super::context::{self, Context};
use super::failure::Failure;
use super::work::{self, Seen};
use super::{past, usage};
use crate::apply::{self, Root};
use crate::core::policy::Policy;
use crate::core::usage::By;
use std::collections::HashSet;
use std::path::Path;

/// Adds to the history what is left now: what was seen, less what this run moved.
pub fn less(context: &Context, root: &Path, policy: &Policy, seen: &mut Seen, run: Option<&str>) {
    // It was opened a moment ago; a first consent has declared it since.
    let Ok(root) = context::open(root) else { return };
    // Also where nothing was moved, what had expired may have been purged.
    seen.runs = apply::runs::after(&root, context.threads.unwrap_or(0), &seen.homes, run);
    if let Some(run) = run {
        let items = seen.runs.iter().filter(|r| r.id == run).flat_map(|r| &r.items);
        let left: Vec<_> = items.filter(|i| i.has_left()).collect();
        if let Some(space) = &mut seen.inventory.space {
            // Trash counts as free, as it did when the space was measured.
            let freed = left.iter().fold(0, |sum: u64, i| sum.saturating_add(i.bytes));
            space.free = space.free.saturating_add(freed).min(space.total);
            space.trash = space.trash.saturating_add(freed).min(space.free);
        }
        let moved: HashSet<(&str, &str)> = left.iter().map(|i| (&*i.session, &*i.id)).collect();
        for session in &mut seen.inventory.sessions {
            let name = &session.name;
            session.checkpoints.retain(|c| !moved.contains(&(&**name, &*c.id)));
        }
    }
    record(context, &root, policy, seen);
}

/// Adds what a look at the root finds, for a run that looked at nothing but its plan. What could be
/// reclaimed is what the policy in force says.
pub fn afresh(context: &Context, root: &Path) {
    let look = || -> Result<(), Failure> {
        let config = context.config_of(Some(root))?;
        let policy = context.policy(&config)?;
        let root = context::open(root)?;
        let seen = work::scan_root(context, &config, &root)?;
        record(context, &root, &policy.policy, &seen);
        Ok(())
    };
    if let Err(failure) = look() {
        context.ui.detail(format!("nothing is added to the history: {}", failure.chain()));
    }
}

fn record(context: &Context, root: &Root, policy: &Policy, seen: &Seen) {
    let by = [By::Owner, By::Session];
    let report = usage::sums(context, seen, policy, Some(root), &by, usize::MAX);
    past::record(context, root, &past::measured("apply", &report));
}
