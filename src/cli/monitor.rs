//! `retain monitor`: how the quotas stand, and who is told what to do about it. Deletes nothing.

use super::context::{self, Context, InForce};
use super::exit::Exit;
use super::failure::Failure;
use super::past::{self, Future};
use super::shell;
use super::tell::{self, Delivery};
use super::work::{self, Seen};
use super::{machine, usage};
use crate::apply::Root;
use crate::config::Config;
use crate::config::trusted::{self, ReadError, Trust};
use crate::core::decide::decide;
use crate::core::decision::Outcome;
use crate::core::monitor::{self, Finding, Level, Occasion};
use crate::core::policy::Policy;
use crate::core::usage::By;
use crate::history::{Lock, Note};
use crate::notify::settings::Settings;
use crate::report::message::{Door, Item, Words, Writer};
use crate::report::{monitor as render, sanitize};
use clap::Args;
use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct MonitorArgs {
    /// Whom to tell, and how [default: `monitor` of retain.toml; without it, only stdout]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// Judge what this file of `retain inventory`, or of another tool, lists; reads no root and tells nobody
    ///
    /// Several, of parts of one storage, are put together.
    #[arg(long, value_name = "FILE")]
    inventory: Vec<PathBuf>,

    /// Say what would be sent; send and record nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// All that is known of this run, for those who are told.
pub struct Watch<'a> {
    pub context: &'a Context,
    pub settings: &'a Settings,
    /// What paths of the settings are relative to.
    pub beside: &'a Path,
    pub words: &'a Words,
    pub seen: &'a Seen,
    pub policy: &'a InForce,
    pub findings: &'a [Finding],
    /// For each finding.
    pub commands: &'a [Vec<String>],
    /// What the advice is made of.
    pub pressed: Option<&'a (Policy, Outcome)>,
}

impl Watch<'_> {
    pub fn writer(&self) -> Writer<'_> {
        Writer { words: self.words, root: &self.seen.root_shown, top: self.settings.top }
    }

    pub fn item(&self, finding: usize, occasion: Occasion) -> Item<'_> {
        let commands = &self.commands[finding];
        Item { finding: &self.findings[finding], occasion, commands }
    }
}

pub fn run(context: &Context, args: &MonitorArgs) -> Result<Exit, Failure> {
    let config = match args.inventory[..] {
        [] => context.config()?,
        _ => context.config_without_root()?,
    };
    let policy = context.announced_policy(&config)?;
    let (settings, words, beside) = settings(args, &config)?;
    let (seen, root) = match &args.inventory[..] {
        [file, more @ ..] => (work::read_inventories(file, more)?, None),
        [] => {
            let root = context::open(&config.root)?;
            (work::scan_root(context, &config, &root)?, Some(root))
        }
    };
    // Held to the end: two at once would tell everybody twice.
    let alone = match &root {
        Some(root) if !args.dry_run => alone(context, root),
        _ => Alone::Unknown,
    };
    let outcome = decide(&seen.inventory, &policy.policy, context.now);
    let by: &[By] = if root.is_some() { &[By::Owner, By::Session] } else { &[] };
    let sums =
        usage::sums_of(context, &seen, &policy.policy, &outcome, root.as_ref(), by, usize::MAX);
    let future = root.as_ref().and_then(|r| past::foresee(context, r, &sums)).unwrap_or_default();
    let Future { quotas: forecasts, .. } = future;
    let (findings, pressed) = monitor::judge(&monitor::Input {
        inventory: &seen.inventory,
        policy: &policy.policy,
        outcome: &outcome,
        now: context.now,
        near: settings.near,
        quotas: &sums.quotas,
        forecasts: &forecasts,
    });
    let commands: Vec<_> =
        findings.iter().map(|f| commands(context, &seen, f, settings.top)).collect();
    let watch = Watch {
        context,
        settings: &settings,
        beside: &beside,
        words: &words,
        seen: &seen,
        policy: &policy,
        findings: &findings,
        commands: &commands,
        pressed: pressed.as_ref(),
    };
    let deliveries = match (&root, &alone) {
        _ if !args.inventory.is_empty() => Vec::new(),
        (Some(_), _) if args.dry_run => tell::preview(&watch),
        (Some(_), Alone::Another) => {
            context.ui.warn("another monitor is at work; it tells whoever is to be told");
            Vec::new()
        }
        (Some(root), _) => {
            let measured = past::measured("monitor", &sums);
            let remembered = past::update(context, root, |history| {
                // A clock that went back adds no point, and what was told is still to be known.
                let recorded = history.record(context.now, &measured);
                let known = (history.notes()?, history.sent()?);
                history.set_notes(&notes(&findings, &known.0, context), context.now)?;
                history.forget_sent()?;
                Ok((recorded, known.1))
            });
            let sent = remembered.map(|(recorded, sent)| {
                if let Err(e) = recorded {
                    past::warn(context, root, &e);
                }
                sent
            });
            tell::everybody(&watch, root, sent)
        }
        (None, _) => Vec::new(),
    };
    drop(alone);
    show(&watch, &deliveries, args)?;
    let failed = deliveries.iter().any(|d| d.error.is_some());
    let too_much =
        |f: &Finding| f.level == Level::Over && f.advice.as_ref().is_some_and(|a| a.excess > 0);
    Ok(work::finish(context, seen)
        .and_if(failed, Exit::Partly)
        .and_if(findings.iter().any(too_much), Exit::Unreachable))
}

enum Alone {
    Yes(#[expect(dead_code, reason = "dropping it lets go")] Lock),
    Another,
    /// There is no place for a lock here: an administrator's root, or none that was declared.
    Unknown,
}

fn alone(context: &Context, root: &Root) -> Alone {
    let Ok(Some(ours)) = root.ours() else { return Alone::Unknown };
    match crate::history::History::only_monitor(ours.as_fd()) {
        Ok(Some(lock)) => Alone::Yes(lock),
        Ok(None) => Alone::Another,
        Err(e) => {
            context.ui.detail(e.to_string());
            Alone::Unknown
        }
    }
}

/// The settings, the words, and the folder that their paths are relative to.
fn settings(args: &MonitorArgs, config: &Config) -> Result<(Settings, Words, PathBuf), Failure> {
    let file = args.settings.as_ref().or(config.monitor.as_ref());
    let settings = match file {
        None => Settings::default(),
        Some(file) => Settings::parse(&read(file)?).map_err(|e| {
            let what = format!("{} is not valid", context::shown(file));
            Failure::new(Exit::Usage, anyhow::Error::new(e).context(what))
                .help("docs/operations.md describes the settings of a monitor")
        })?,
    };
    let beside = file.and_then(|f| f.parent()).map(Path::to_path_buf).unwrap_or_default();
    let mut words = Words::shipped(settings.lang).map_err(anyhow::Error::new)?;
    if let Some(own) = &settings.words {
        let own = beside.join(own);
        words = words.with(&read(&own)?).map_err(|e| {
            let what = format!("{} is not valid", context::shown(&own));
            Failure::new(Exit::Usage, anyhow::Error::new(e).context(what))
        })?;
    }
    Ok((settings, words, beside))
}

/// I16: settings name a program and addresses; root follows only what root alone can change.
pub fn read(path: &Path) -> Result<String, Failure> {
    trusted::read(path, Trust::of_process()).map_err(|e| match e {
        ReadError::Io(e) => {
            let what = format!("cannot read {}", context::shown(path));
            Failure::new(Exit::Usage, anyhow::Error::new(e).context(what))
        }
        e @ ReadError::Untrusted { .. } => context::untrusted(e),
    })
}

/// The secret that settings name.
///
/// # Errors
/// It is not there; the sentence does not have it in it.
pub fn secret(
    from: &crate::notify::settings::SecretFrom,
    beside: &Path,
) -> Result<crate::notify::Secret, String> {
    use crate::notify::settings::SecretFrom;
    let text = match from {
        SecretFrom::Environment(name) => machine::variable(name)
            .ok_or_else(|| format!("{name} is not set in the environment"))?,
        SecretFrom::File(file) => read(&beside.join(file)).map_err(|e| format!("{:#}", e.error))?,
    };
    let secret = crate::notify::Secret::new(&text);
    if secret.reveal().is_empty() { Err("the secret is empty".to_owned()) } else { Ok(secret) }
}

/// What is noted now; a level that stays keeps the time it began.
fn notes(findings: &[Finding], before: &[Note], context: &Context) -> Vec<Note> {
    let known: HashMap<(&str, &str), &Note> =
        before.iter().map(|n| ((&*n.quota, &*n.owner), n)).collect();
    let note = |f: &Finding| {
        let (quota, owner) = tell::key(f);
        let level = f.level.as_str();
        let same = known.get(&(quota, owner)).filter(|n| n.level == level);
        Note {
            quota: quota.to_owned(),
            owner: owner.to_owned(),
            level: level.to_owned(),
            since: same.map_or(context.now, |n| n.since),
        }
    };
    findings.iter().map(note).collect()
}

/// What to run about a finding: the policy's own plan first, then by hand what goes beyond it.
fn commands(context: &Context, seen: &Seen, finding: &Finding, top: usize) -> Vec<String> {
    let Some(advice) = &finding.advice else { return Vec::new() };
    let retain = match &seen.root {
        Some(root) if !root.path.is_empty() => format!("retain -C {}", shell::quoted(&root.path)),
        _ => "retain".to_owned(),
    };
    // What was judged by a policy that nobody finds by themselves is to be done by the same.
    let policy = match context.named_policy() {
        Some(path) => format!(" --policy {}", shell::quoted(&context::shown(&path))),
        None => String::new(),
    };
    let mut commands = Vec::new();
    if advice.losses.iter().any(|l| l.by_policy > 0) {
        let of = finding.quota.owner.as_ref().map(|o| format!("{o}/"));
        let below = |of: &String| advice.losses.iter().all(|l| l.session.starts_with(&**of));
        let plain = |of: &String| {
            !of.starts_with('-') && !of.contains(['*', '?', '[', ']', '{', '}', '\\'])
        };
        let sessions = match of.filter(|of| below(of) && plain(of)) {
            Some(of) => format!(" {}", shell::quoted(&format!("{of}**"))),
            // Whatever is selected, the policy decides over all sessions.
            None => String::new(),
        };
        commands.push(format!("{retain} plan{policy}{sessions} -o plan.json"));
        commands.push(format!("{retain} apply plan.json"));
    }
    for loss in advice.losses.iter().filter(|l| !l.beyond.is_empty()).take(top) {
        let ids = loss.beyond.iter().map(|id| &**id);
        let words: Vec<&str> = std::iter::once(&*loss.session).chain(ids).collect();
        commands.push(format!("{retain} rm{policy} {}", shell::words(&words)));
    }
    commands
}

fn show(watch: &Watch<'_>, deliveries: &[Delivery], args: &MonitorArgs) -> Result<(), Failure> {
    let ui = &watch.context.ui;
    for delivery in deliveries {
        match &delivery.error {
            Some(e) => ui.warn(format!("{}: not delivered: {e}", delivery.target)),
            None if args.dry_run => {
                ui.note(format!("would tell {} of {}", delivery.target, delivery.items));
            }
            None => ui.detail(format!("told {} of {}", delivery.target, delivery.items)),
        }
    }
    if ui.json {
        let sent: Vec<_> = deliveries.iter().map(Delivery::json).collect();
        let now = watch.context.now;
        let root = &watch.seen.root_shown;
        return ui.json(&render::json(root, now, watch.findings, watch.commands, &sent));
    }
    let well = watch.findings.iter().all(|f| f.level == Level::Ok);
    if watch.findings.is_empty() {
        ui.note(
            "the policy has no quota that could be checked; docs/policy.md describes [[quota]]",
        );
    } else if !(ui.quiet && well) {
        ui.out(&render::table(watch.findings))?;
    }
    // Whoever chose sinks chose where the long texts go.
    if watch.settings.sinks.is_empty() {
        for (i, _) in watch.findings.iter().enumerate().filter(|(_, f)| f.level != Level::Ok) {
            let body = watch.writer().body(&watch.item(i, Occasion::Changed), Door::Plain);
            ui.out(&format!("\n{}", sanitize::terminal_lines(&body)))?;
        }
    }
    Ok(())
}
