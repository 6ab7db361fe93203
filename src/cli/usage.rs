//! `retain usage`: who uses what, and what of it could be reclaimed. Writes nothing but what `-o`
//! names.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::past;
use super::work::{self, Seen};
use crate::apply::Root;
use crate::core::decide::decide;
use crate::core::decision::Outcome;
use crate::core::policy::Policy;
use crate::core::usage::{self, By, Report, Trashed};
use crate::report::html;
use crate::report::usage::{self as render, Page};
use crate::whole::{self, Synced, Whole};
use clap::{Args, ValueEnum};
use std::ffi::OsStr;
use std::fs::{Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("form").args(["csv", "markdown", "html"]).conflicts_with("json"))]
pub struct UsageArgs {
    /// What to sum by, several with commas [default: owner,outcome; with --html all but session]
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    by: Vec<Dimension>,

    /// So many rows of each sum; the others are counted together
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,

    /// Comma-separated values; bare bytes
    #[arg(long)]
    csv: bool,

    /// Markdown tables
    #[arg(long)]
    markdown: bool,

    /// One self-contained page with charts
    #[arg(long)]
    html: bool,

    /// Write there instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Sum up what this file of `retain inventory`, or of another tool, lists; reads no root
    ///
    /// Several, of parts of one storage, are put together.
    #[arg(long, value_name = "FILE")]
    inventory: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dimension {
    Owner,
    /// The folder of a session
    Dataset,
    Session,
    Layout,
    /// Since a checkpoint was last changed, or copied or given another owner
    Age,
    /// What the policy makes of a checkpoint, and why
    Outcome,
}

impl From<Dimension> for By {
    fn from(dimension: Dimension) -> By {
        match dimension {
            Dimension::Owner => By::Owner,
            Dimension::Dataset => By::Dataset,
            Dimension::Session => By::Session,
            Dimension::Layout => By::Layout,
            Dimension::Age => By::Age,
            Dimension::Outcome => By::Outcome,
        }
    }
}

impl UsageArgs {
    fn by(&self) -> Vec<By> {
        if self.by.is_empty() && self.html {
            return By::ALL.into_iter().filter(|by| *by != By::Session).collect();
        }
        if self.by.is_empty() {
            return vec![By::Owner, By::Outcome];
        }
        self.by.iter().map(|by| By::from(*by)).collect()
    }
}

pub fn run(context: &Context, args: &UsageArgs) -> Result<Exit, Failure> {
    let config = match args.inventory[..] {
        [] => context.config()?,
        _ => context.config_without_root()?,
    };
    let policy = context.announced_policy(&config)?;
    let (seen, root) = match &args.inventory[..] {
        [file, more @ ..] => (work::read_inventories(file, more)?, None),
        [] => {
            let root = context::open(&config.root)?;
            (work::weigh_root(context, &config, &root)?, Some(root))
        }
    };
    let top = usize::try_from(args.top).unwrap_or(usize::MAX);
    let report = sums(context, &seen, &policy.policy, root.as_ref(), &args.by(), top);
    let future =
        root.as_ref().and_then(|root| past::foresee(context, root, &report)).unwrap_or_default();
    let page = Page {
        root: &seen.root_shown,
        report: &report,
        quota_forecasts: &future.quotas,
        space_forecast: future.space,
        timeline: &future.timeline,
    };
    put(context, args, &page)?;
    Ok(work::finish(context, seen))
}

/// What is used, as the policy sees it.
pub fn sums(
    context: &Context,
    seen: &Seen,
    policy: &Policy,
    root: Option<&Root>,
    by: &[By],
    top: usize,
) -> Report {
    let outcome = decide(&seen.inventory, policy, context.now);
    sums_of(context, seen, policy, &outcome, root, by, top)
}

/// As [`sums`], of a decision that was made already.
pub fn sums_of(
    context: &Context,
    seen: &Seen,
    policy: &Policy,
    outcome: &Outcome,
    root: Option<&Root>,
    by: &[By],
    top: usize,
) -> Report {
    let trash: Option<Vec<Trashed>> =
        root.map(|_| past::trash_of(&seen.runs, &seen.inventory, seen.owner));
    usage::report(&usage::Input {
        inventory: &seen.inventory,
        policy,
        outcome,
        now: context.now,
        trash: trash.as_deref(),
        unrecognised: root.is_some().then(|| seen.unrecognised.counted()),
        by,
        top,
    })
}

fn put(context: &Context, args: &UsageArgs, page: &Page<'_>) -> Result<(), Failure> {
    let text = if args.csv {
        render::csv(page)
    } else if args.markdown {
        render::markdown(page)
    } else if args.html {
        html::usage(page)
    } else if context.ui.json {
        let json =
            serde_json::to_string_pretty(&render::json(page)).map_err(anyhow::Error::from)?;
        json + "\n"
    } else {
        let table = render::table(page);
        match &args.output {
            // A file is no terminal.
            Some(_) => anstream::adapter::strip_str(&table).to_string(),
            None => table,
        }
    };
    match &args.output {
        Some(path) => save(path, &text),
        // What strips styles strips what names hold besides.
        None if args.csv => context.ui.raw(|out| out.write_all(text.as_bytes())),
        None => context.ui.out(&text),
    }
}

/// A report that was there is replaced whole, and goes on being its owner's, or stays; what is no file,
/// such as a pipe, is written to.
fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let known = std::fs::symlink_metadata(path).ok();
    let done = match (&known, path.file_name()) {
        (Some(known), _) if !known.is_file() => std::fs::write(path, text),
        (_, None) => std::fs::write(path, text),
        (_, Some(name)) => {
            let denied = |e: &io::Error| e.kind() == io::ErrorKind::PermissionDenied;
            match replace(path, name, (known.as_ref(), true), text) {
                // In a folder where others make files, one of ours can still be written to, and so
                // can one that may not be given to whose it is.
                Err(e) if known.is_some() && denied(&e) => match std::fs::write(path, text) {
                    Err(e) if denied(&e) => replace(path, name, (known.as_ref(), false), text),
                    done => done,
                },
                done => done,
            }
        }
    };
    done.map_err(|e| {
        anyhow::Error::new(e).context(format!("cannot write {}", context::shown(path))).into()
    })
}

/// `known`: what is there, and whether its owner and group are to be kept as well as its mode.
fn replace(
    path: &Path,
    name: &OsStr,
    (known, owned): (Option<&Metadata>, bool),
    text: &str,
) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = std::fs::File::open(folder)?;
    let mode = known.map_or(0o666, |known| known.permissions().mode() & 0o777);
    let (temporary, synced) = (&whole::temporary(name)?, Synced::Content);
    let new = Whole { dir: dir.as_fd(), name, temporary, mode, synced };
    new.replace(|file| {
        if let Some(known) = known {
            let own = file.metadata()?;
            let as_it_was = |known: u32, own: u32| (known != own).then_some(known);
            let (uid, gid) = (as_it_was(known.uid(), own.uid()), as_it_was(known.gid(), own.gid()));
            // Whoever may not give it away writes to the one that is there.
            if owned && uid.or(gid).is_some() {
                fchown(&*file, uid, gid)?;
            }
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        file.write_all(text.as_bytes())
    })
}
