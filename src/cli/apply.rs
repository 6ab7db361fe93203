//! `retain apply`: a saved plan, or plan, show, ask and carry out.

use super::args::Consent;
use super::carry::{self, Job};
use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::unattended::{Told, UnattendedArgs};
use super::{remember, unfinished, work};
use crate::config::{How, trusted};
use crate::core::name;
use crate::core::plan::{PlanError, PlanFile};
use crate::report::human;
use crate::report::plan::Detail;
use clap::Args;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A plan that `retain plan -o` saved; without it, plan now
    ///
    /// It is carried out on its own root, wherever you stand; one that `--root` names must be that.
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    consent: Consent,

    /// Reclaim the space at once instead of after the policy's grace; nothing can be undone then
    #[arg(long)]
    purge: bool,

    #[command(flatten)]
    unattended: UnattendedArgs,
}

pub fn run(context: &mut Context, args: &ApplyArgs) -> Result<Exit, Failure> {
    carry::gate(args.consent)?;
    let clerk = args.unattended.begin(context)?;
    let mut told = Told::default();
    let ended = match &args.plan {
        Some(path) => saved(context, args, path, &mut told),
        None => fresh(context, args, &mut told),
    };
    args.unattended.end(context, clerk.as_ref(), &told, ended.as_ref().copied());
    ended
}

fn fresh(context: &Context, args: &ApplyArgs, told: &mut Told) -> Result<Exit, Failure> {
    let config = context.config()?;
    // Before the policy is read: a run that fails there is about this root, too.
    let root = context::open(&config.root);
    if let Ok(root) = &root {
        told.root(root);
    }
    let policy = context.announced_policy(&config)?;
    let root = root?;
    carry::recover(context, &root, args.consent.dry_run)?;
    let mut seen = work::scan_root(context, &config, &root)?;
    told.found(&seen.inventory, &policy.policy);
    let job = job(work::plan(context, &seen, &policy, None), args);
    let exit = told.carry_out(context, root, job)?;
    if !args.consent.dry_run {
        remember::less(context, &config.root, &policy.policy, &mut seen, told.run());
    }
    Ok(work::finish(context, seen).and(exit))
}

fn saved(
    context: &Context,
    args: &ApplyArgs,
    path: &Path,
    told: &mut Told,
) -> Result<Exit, Failure> {
    let shown = context::shown(path);
    let text = read(path)?;
    let plan = PlanFile::parse(&text).map_err(|e| {
        let exit = if matches!(e, PlanError::Syntax(_)) { Exit::Usage } else { Exit::Stale };
        Failure::new(exit, anyhow::Error::new(e).context(shown))
            .help("`retain plan -o FILE` makes a new one")
    })?;
    // Before anybody is asked about it.
    plan.check_age(context.now).map_err(|e| carry::failure(e.into()))?;
    let config = context.config()?;
    // A plan knows its root; only a root that was named on purpose is held against it.
    let root = match (&plan.root, config.how) {
        (Some(root), how) if how != How::Given && !root.path.is_empty() => {
            let root = context::open(Path::new(OsStr::from_bytes(&name::decode(&root.path))))?;
            context.is_planned_on(&root);
            root
        }
        _ => context::open(&config.root)?,
    };
    crate::apply::check_root(&root, &plan).map_err(carry::failure)?;
    if args.consent.dry_run {
        unfinished::tell(context, &root, None);
    }
    told.root(&root);
    carry::recover_for(context, &root, &plan, args.consent.dry_run)?;
    let place = root.path.clone();
    let exit = told.carry_out(context, root, job(plan, args))?;
    if !args.consent.dry_run {
        remember::afresh(context, &place);
    }
    Ok(exit)
}

/// I16: a plan is what root follows, as a policy is.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |e: std::io::Error| {
        use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
        // A session looks like this: a directory here, or nothing where the root is another.
        let is_session = matches!(e.kind(), IsADirectory | NotADirectory | NotFound);
        let what = format!("cannot read the plan {}", context::shown(path));
        let failure = Failure::new(Exit::Usage, anyhow::Error::new(e).context(what));
        if !is_session {
            return failure;
        }
        failure
            .help("`apply` takes a saved plan; for one session: `retain plan SESSION -o plan.json`")
    };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    trusted::check_owner(path, &file).map_err(context::untrusted)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn job(plan: PlanFile, args: &ApplyArgs) -> Job {
    let t = plan.totals;
    let what = format!(
        "delete {} ({})",
        human::count(t.delete, "checkpoint"),
        human::size(t.delete_bytes)
    );
    // Without a grace there is nothing that could be undone later either.
    let purge = args.purge || plan.policy.grace_seconds == 0;
    let detail = Detail::default();
    Job { plan, what, purge, upkeep: true, consent: args.consent, detail }
}
