//! `retain demo`: everything once, on a storage made for it.

mod place;
mod year;

use super::args::Consent;
use super::carry::{self, Carried, Job};
use super::context::{self, Context, InForce};
use super::exit::Exit;
use super::failure::Failure;
use super::serve::{self, ServeArgs};
use super::{machine, shell, work};
use crate::apply::{ApplyOptions, Root, Settings, Which};
use crate::config::{self, Config};
use crate::core::model::Time;
use crate::core::policy;
use crate::report::plan::Detail;
use crate::report::{human, listing};
use crate::serve::Address;
use crate::steps::{by_hand, pick};
use crate::{apply, demo};
use clap::Args;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to make it; it must not exist yet, or be empty, and lie in no root [default: retain-demo; with --serve retain-demo-page]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Open it as the Storage Management page, with one run in its trash
    #[arg(long)]
    serve: bool,

    /// With --serve: where to listen, as of `retain serve`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", requires = "serve", value_parser = serve::parse_address)]
    listen: Address,
}

impl DemoArgs {
    /// Both samples can be made one after the other, by who names no directory.
    fn dir(&self) -> &Path {
        let own = if self.serve { "retain-demo-page" } else { "retain-demo" };
        self.dir.as_deref().unwrap_or(Path::new(own))
    }
}

/// Sessions whose plan is shown, each on a few lines: an unfinished save, a submitted model, a pin.
const SHOWN: &[&str] =
    &["nlp/squad/roberta-lr3e-5", "nsmlteam/mnist/3", "vision/resnet50/lightning_logs/version_0"];

const MORE: [&str; 6] = [
    "  retain ls nsmlteam/mnist/4        # as NSML showed it",
    "  retain why nsmlteam/mnist/3 21    # why it was kept",
    "  retain why nsmlteam/mnist/3 20    # why it was not",
    "  retain log last                   # all that went, and why",
    "  retain undo last                  # everything back, then `retain plan` shows all of it",
    "  retain pin nsmlteam/mnist/4 0     # or change policy.toml, and plan again",
];

const SETTINGS: &str = "# Read by every retain command in this directory or below.\n\
                        roots  = [\"storage\"]\n\
                        policy = \"policy.toml\"\n";

pub fn run(context: &mut Context, args: &DemoArgs) -> Result<Exit, Failure> {
    let dir = args.dir();
    let place = context::shown(dir);
    let storage = dir.join("storage");
    place::check(dir)?;
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
    let policy = policy(context, dir, args.serve.then_some(sample.bytes))?;
    let ui = &context.ui;
    let made = format!(
        "made {place}/storage: {}, {}, {}",
        human::count(sample.sessions.into(), "session"),
        human::count(sample.checkpoints.into(), "checkpoint"),
        human::size(sample.bytes),
    );
    ui.notes(&[
        &*made,
        "policy: the embedded default with min-age = \"0s\", for everything here is brand-new",
        "",
    ]);
    let root = apply::init(&storage, machine::home().as_deref(), context.now, &apply::calls::Os)
        .map_err(context::root_failure)?;

    let config = Config { root: storage.clone(), ..Config::default() };
    if args.serve {
        return page(context, args, &config, root);
    }
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
    let exit = carry::carry_out(context, &job, &mut Carried::new(root))?;
    if !ui.json {
        ui.out("\n# after: retain ls\n")?;
        overview(context, &config)?;
    }
    let enter = format!("  cd {}", shell::quoted(&place));
    ui.notes(&[&["", "To try more:", &*enter][..], &MORE].concat());
    Ok(work::finish(context, seen).and(exit))
}

/// Checkpoints of one session go to the trash, so that the page has something to undo.
const TRASHED: (&str, &[&str]) = ("nsmlteam/mnist/4", &["0", "1", "2"]);
/// Earlier deletions, so many days ago and purged a day later, so that the page has a past.
const EARLIER: [(i64, &str, &[&str]); 3] = [
    (49, "nsmlteam/mnist/1", &["0", "1", "2", "3", "4"]),
    (28, "nsmlteam/mnist/2", &["0", "1", "2", "3"]),
    (7, "nsmlteam/mnist/3", &["0", "1", "2", "3", "4", "5"]),
];
const DAY: i64 = 86_400 * Time::NANOS_PER_SEC;

fn page(context: &Context, args: &DemoArgs, config: &Config, root: Root) -> Result<Exit, Failure> {
    let seen = work::scan_root(context, config, &root)?;
    year::record(&root, &seen.inventory, context.now)?;
    let grace = policy::load(policy::DEFAULT).policy.map(|p| p.grace).unwrap_or_default();
    // Not by `carry`, which confines this process to the storage for good: the server writes its
    // tokens beside it.
    let critical = context.signals.critical();
    let settings = carry::settings(context, critical.stop());
    let delete = |at: Time, (session, ids): (&str, &[&str])| -> Result<Option<String>, Failure> {
        let s = pick::session(&seen.inventory, session)?;
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let chosen = pick::checkpoints(&seen.inventory, &[s], &ids)?;
        let judged = by_hand::judge(&seen.inventory, &chosen, &[], grace, at);
        let plan = by_hand::plan(&seen.inventory, seen.root.clone(), &judged, at);
        let settings = Settings { now: at, ..settings };
        let options = ApplyOptions { settings, grace: None, purge_now: false };
        Ok(apply::apply(&root, &plan, &options, &|_| {}).map_err(carry::failure)?.run)
    };
    for (days, session, ids) in EARLIER {
        let at = Time::from_nanos(context.now.nanos().saturating_sub(days * DAY));
        let Some(run) = delete(at, (session, ids))? else { continue };
        let settings = Settings { now: Time::from_nanos(at.nanos() + DAY), ..settings };
        apply::purge(&root, Which::Run(&run), &settings, &|_| {}).map_err(carry::failure)?;
    }
    delete(context.now, TRASHED)?;
    drop(critical);
    let (session, ids) = TRASHED;
    context.ui.note(format!("moved {} of {session} to the trash, to be undone", ids.join(", ")));
    context.ui.notes(&["open the link in a browser; Ctrl-C ends it", ""]);
    let serving = ServeArgs {
        roots: vec![config.root.clone()],
        listen: args.listen.clone(),
        allow_delete: true,
        // Everything it serves was just made by whoever runs it.
        allow_root: true,
        tokens: Some(args.dir().join("serve-tokens.toml")),
        ..ServeArgs::default()
    };
    serve::run(context, &serving)
}

/// Puts the policy and the settings beside the storage.
/// `in_use`: with a quota of twice that, which recommends.
fn policy(context: &Context, dir: &Path, in_use: Option<u64>) -> Result<InForce, Failure> {
    let mut text = without_test(policy::DEFAULT, OF_MIN_AGE)
        .replacen("version = 1\n", "version = 1\nmin-age = \"0s\"\n", 1)
        .replacen("unfinished, younger than an hour or needed", "unfinished or needed", 1);
    if let Some(bytes) = in_use {
        let _ = write!(
            text,
            "\n[[quota]]\nname = \"team storage\"\nper = \"root\"\nmax-bytes = \"{}KiB\"\non-exceed = \"report\"\n",
            bytes * 2 / 1024
        );
    }
    let write = |name: &str, text: &str| {
        // The directory was empty a moment ago; what has come since is somebody's.
        std::fs::File::create_new(dir.join(name))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| anyhow::Error::new(e).context(format!("cannot write {name}")))
    };
    write("policy.toml", &text)?;
    write(config::FILE, SETTINGS)?;
    // What was written is what is followed: somebody else's directory could give back another text.
    let source = context::shown(&dir.join("policy.toml"));
    Ok(InForce { is_default: true, ..context.loaded(source, text)? })
}

/// The test of the default policy that holds only with the hour that the sample cannot wait.
const OF_MIN_AGE: &str = "what was written within the last hour stays";

fn without_test(text: &str, name: &str) -> String {
    let named = format!("\nname = \"{name}\"\n");
    let tables = text.split("[[test]]").filter(|table| !table.starts_with(&named));
    tables.collect::<Vec<_>>().join("[[test]]")
}

fn overview(context: &Context, config: &Config) -> Result<(), Failure> {
    let seen = work::scan(context, config)?;
    let all: Vec<usize> = (0..seen.inventory.sessions.len()).collect();
    context.ui.out(&listing::sessions(&seen.inventory, &all, context.now))?;
    context.ui.out(&format!("\n{}", listing::sessions_total(&seen.inventory, &all)))
}
