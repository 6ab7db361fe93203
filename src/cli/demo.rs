//! `retain demo`: everything once, on a storage made for it.

use super::args::Consent;
use super::carry::{self, Job};
use super::context::{self, Context, InForce};
use super::exit::Exit;
use super::failure::Failure;
use super::{machine, work};
use crate::config::{self, Config};
use crate::core::policy;
use crate::report::plan::Detail;
use crate::report::{human, listing};
use crate::{apply, demo};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to make it; it must not exist yet, or be empty
    #[arg(value_name = "DIR", default_value = "retain-demo")]
    dir: PathBuf,
}

/// Sessions whose plan is shown, each on a few lines: an unfinished save, a submitted model, a pin.
const SHOWN: &[&str] =
    &["nlp/squad/roberta-lr3e-5", "nsmlteam/mnist/3", "vision/resnet50/lightning_logs/version_0"];

const SETTINGS: &str = "# Read by every retain command in this directory or below.\n\
                        roots  = [\"storage\"]\n\
                        policy = \"policy.toml\"\n";

pub fn run(context: &mut Context, args: &DemoArgs) -> Result<Exit, Failure> {
    let dir = &args.dir;
    let place = context::shown(dir);
    let storage = dir.join("storage");
    let sample = demo::make(&storage, context.now).map_err(|e| {
        let exit = match e.kind() {
            std::io::ErrorKind::DirectoryNotEmpty => Exit::Usage,
            _ => Exit::Error,
        };
        Failure::new(exit, anyhow::Error::new(e).context("cannot make the sample storage"))
    })?;
    // The sample is younger than this command, and what lies in the future is protected.
    context.look_at_clock();
    context.work_on(&storage);
    let context = &*context;
    let policy = policy(context, dir)?;
    let ui = &context.ui;
    ui.note(format!(
        "made {place}/storage: {}, {}, {}\n\
         policy: the embedded default with min-age = \"0s\", for everything here is brand-new\n",
        human::count(sample.sessions.into(), "session"),
        human::count(sample.checkpoints.into(), "checkpoint"),
        human::size(sample.bytes),
    ));
    let root = apply::init(&storage, machine::home().as_deref(), context.now, &apply::calls::Os)
        .map_err(context::root_failure)?;

    let config = Config { root: storage.clone(), ..Config::default() };
    if !ui.json {
        ui.out("# before: retain ls\n")?;
        overview(context, &config)?;
        ui.out("\n# the plan, three sessions of it: retain plan, retain apply\n")?;
    }
    let seen = work::scan_root(context, &config, &root)?;
    let plan = work::plan(context, &seen, &policy, None);
    let consent = Consent { yes: true, dry_run: false };
    let detail = Detail { sample: Some(SHOWN), ..Detail::default() };
    let job = Job { plan, what: String::new(), purge: false, upkeep: false, consent, detail };
    let exit = carry::carry_out(context, root, &job)?.exit;
    if !ui.json {
        ui.out("\n# after: retain ls\n")?;
        overview(context, &config)?;
    }
    ui.note(format!(
        "\nTo try more:\n  \
         cd {place}\n  \
         retain ls nsmlteam/mnist/4        # as NSML showed it\n  \
         retain why nsmlteam/mnist/3 21    # why it was kept\n  \
         retain why nsmlteam/mnist/3 20    # why it was not\n  \
         retain log last                   # all that went, and why\n  \
         retain undo last                  # everything back, then `retain plan` shows all of it\n  \
         retain pin nsmlteam/mnist/4 0     # or change policy.toml, and plan again"
    ));
    Ok(work::finish(context, &seen).and(exit))
}

/// Puts the policy and the settings beside the storage.
fn policy(context: &Context, dir: &Path) -> Result<InForce, Failure> {
    let text = policy::DEFAULT.replacen("version = 1\n", "version = 1\nmin-age = \"0s\"\n", 1);
    let write = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text)
            .map_err(|e| anyhow::Error::new(e).context(format!("cannot write {name}")))
    };
    write("policy.toml", &text)?;
    write(config::FILE, SETTINGS)?;
    // What was written is what is followed: somebody else's directory could give back another text.
    let source = context::shown(&dir.join("policy.toml"));
    Ok(InForce { is_default: true, ..context.loaded(source, text)? })
}

fn overview(context: &Context, config: &Config) -> Result<(), Failure> {
    let seen = work::scan(context, config)?;
    let all: Vec<usize> = (0..seen.inventory.sessions.len()).collect();
    context.ui.out(&listing::sessions(&seen.inventory, &all, context.now))?;
    context.ui.out(&format!("\n{}", listing::sessions_total(&seen.inventory, &all)))
}
