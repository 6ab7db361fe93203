//! `retain ls`: what is there.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::gone;
use super::work::{self, Seen};
use crate::apply::Root;
use crate::core::decision::Outcome;
use crate::core::model::{Checkpoint, Session};
use crate::core::plan::PlanReason;
use crate::report::json::{self, LsCheckpoint};
use crate::report::{human, listing, sanitize};
use crate::steps::pick;
use clap::{Args, ValueEnum};
use std::cmp::Reverse;
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub struct LsArgs {
    /// Sessions by name, glob or range, such as 'team/mnist/{1..35}'; none: list the sessions
    ///
    /// A session's checkpoints are listed in NSML's columns, sizes as lengths in its KB of 1,024 bytes;
    /// `--long` has what they take on the disk.
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,

    /// Steps, epochs, all metrics, marks, and what protects each checkpoint; of every session if
    /// none is named
    #[arg(short, long)]
    long: bool,

    /// What to sort by; largest, newest and highest first
    #[arg(long, value_name = "KEY", default_value = "name")]
    sort: Sort,

    /// The other way round
    #[arg(short, long)]
    reverse: bool,

    /// What retain does not recognise, and hence never touches
    #[arg(long, conflicts_with_all = ["sessions", "long", "sort", "reverse"])]
    unrecognised: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Names, numbers in them by value
    Name,
    Size,
    /// The last write
    Time,
    /// The step, or the highest one of a session
    Step,
    /// Files of a checkpoint, checkpoints of a session
    Count,
}

pub fn run(context: &Context, args: &LsArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    // A faulty policy is said before the root is read.
    let policy = args.long.then(|| context.policy(&config)).transpose()?;
    let root = context::open(&config.root)?;
    let seen = work::scan_root(context, &config, &root)?;
    let picked = pick::sessions(&seen.inventory, &args.sessions)
        .map_err(|e| emptied(context, (&root, &seen), &args.sessions, e.into()))?;
    let outcome = policy
        .as_ref()
        .map(|p| crate::core::decide::decide(&seen.inventory, &p.policy, context.now));
    let view = View {
        args,
        seen: &seen,
        protections: policy
            .as_ref()
            .zip(outcome.as_ref())
            .map(|(p, outcome)| Protections { policy: &p.policy, outcome }),
    };
    if context.ui.json {
        context.ui.json(&view.json(context, picked))?;
    } else if args.unrecognised {
        context.ui.out(&view.unrecognised())?;
    } else if args.sessions.is_empty() && (!args.long || picked.is_empty()) {
        view.sessions(context, picked)?;
    } else {
        view.checkpoints(context, picked)?;
    }
    Ok(work::finish(context, seen))
}

/// Adds, to the error of a session that is not there, the run that emptied it.
fn emptied(
    context: &Context,
    (root, seen): (&Root, &Seen),
    sessions: &[String],
    failure: Failure,
) -> Failure {
    let runs = gone::runs(context, root, seen);
    let hint = |s: &String| gone::hint(context, &gone::of_session(&runs, s));
    match sessions.iter().find_map(hint) {
        Some(hint) => failure.help(hint),
        None => failure,
    }
}

struct Protections<'a> {
    policy: &'a crate::core::policy::Policy,
    outcome: &'a Outcome,
}

struct View<'a> {
    args: &'a LsArgs,
    seen: &'a Seen,
    protections: Option<Protections<'a>>,
}

impl View<'_> {
    fn sessions(&self, context: &Context, mut picked: Vec<usize>) -> Result<(), Failure> {
        let inventory = &self.seen.inventory;
        self.sort_sessions(&mut picked);
        if context.ui.quiet {
            let names = picked.iter().map(|i| &*inventory.sessions[*i].name);
            return context.ui.out(&lines(names));
        }
        if picked.is_empty() {
            context.ui.note(format!("no sessions in {}", self.seen.root_shown));
        } else {
            let table = listing::sessions(inventory, &picked, context.now);
            context.ui.out(&table)?;
            context.ui.out(&format!("\n{}", listing::sessions_total(inventory, &picked)))?;
        }
        let unrecognised = self.seen.unrecognised.files;
        if unrecognised > 0 {
            let files = human::count(unrecognised, "file");
            context.ui.note(format!(
                "not recognised, and never touched: {files} (`retain ls --unrecognised`)"
            ));
        }
        Ok(())
    }

    fn checkpoints(&self, context: &Context, mut picked: Vec<usize>) -> Result<(), Failure> {
        let inventory = &self.seen.inventory;
        // A session that was named goes without saying.
        let named = picked.len() == 1 && !self.args.sessions.is_empty();
        if self.args.sessions.is_empty() {
            self.sort_sessions(&mut picked);
        }
        let mut out = String::new();
        for (n, &i) in picked.iter().enumerate() {
            let session = &inventory.sessions[i];
            let rows = self.sorted(session);
            let of = |c: &usize| &session.checkpoints[*c];
            if context.ui.quiet {
                for c in &rows {
                    // Several sessions: the pair that `rm` takes, apart at the tab.
                    if !named {
                        let _ = write!(out, "{}\t", sanitize::terminal(&session.name));
                    }
                    let _ = writeln!(out, "{}", sanitize::terminal(&of(c).id));
                }
                continue;
            }
            if !named {
                let gap = if n > 0 { "\n" } else { "" };
                let _ = writeln!(out, "{gap}{}:", sanitize::terminal(&session.name));
            }
            if self.args.long {
                let long: Vec<_> = rows
                    .iter()
                    .map(|c| listing::Protected {
                        checkpoint: of(c),
                        reasons: crate::report::plan::reasons(&self.reasons(i, *c)),
                    })
                    .collect();
                out += &listing::checkpoints_long(&long, &inventory.names, context.now);
            } else {
                out += &listing::checkpoints(rows.iter().map(of), context.now);
            }
        }
        context.ui.out(&out)
    }

    fn unrecognised(&self) -> String {
        let unrecognised = &self.seen.unrecognised;
        let mut out = lines(unrecognised.examples.iter().map(AsRef::as_ref));
        let _ = writeln!(out, "\n{} in all", human::count(unrecognised.files, "file"));
        out
    }

    fn json(&self, context: &Context, mut picked: Vec<usize>) -> json::Ls {
        self.sort_sessions(&mut picked);
        let inventory = &self.seen.inventory;
        let checkpoints = |i: usize| {
            let session = &inventory.sessions[i];
            (self.args.long || !self.args.sessions.is_empty()).then(|| {
                let of = |c: &usize| {
                    let protected = self.args.long.then(|| self.reasons(i, *c));
                    LsCheckpoint::new(&session.checkpoints[*c], &inventory.names, protected)
                };
                self.sorted(session).iter().map(of).collect()
            })
        };
        let unrecognised = &self.seen.unrecognised;
        json::Ls {
            format: "retain-ls/1",
            root: self.seen.root_shown.clone(),
            now: context.now.to_string(),
            sessions: json::sessions(inventory, &picked, checkpoints),
            unrecognised: self
                .args
                .unrecognised
                .then(|| unrecognised.examples.iter().map(ToString::to_string).collect()),
            unrecognised_files: unrecognised.files,
            faults: self.seen.faults.clone(),
        }
    }

    /// Why nothing may delete the checkpoint, by the policy in force.
    fn reasons(&self, session: usize, checkpoint: usize) -> Vec<PlanReason> {
        let Some(Protections { policy, outcome }) = self.protections else {
            return Vec::new();
        };
        let protective =
            outcome.sessions[session].reasons(checkpoint).iter().filter(|r| r.is_protection());
        protective
            .map(|r| work::explain(&self.seen.inventory, policy, outcome, (session, checkpoint), r))
            .collect()
    }

    fn sort_sessions(&self, picked: &mut [usize]) {
        let of = |i: &usize| &self.seen.inventory.sessions[*i];
        match self.args.sort {
            Sort::Name => {}
            Sort::Size => picked.sort_by_cached_key(|i| Reverse(listing::session_bytes(of(i)))),
            Sort::Time => picked.sort_by_cached_key(|i| Reverse(listing::last_write(of(i)))),
            Sort::Step => picked.sort_by_cached_key(|i| {
                Reverse(of(i).checkpoints.iter().filter_map(|c| c.step).max())
            }),
            Sort::Count => picked.sort_by_key(|i| Reverse(of(i).checkpoints.len())),
        }
        if self.args.reverse {
            picked.reverse();
        }
    }

    fn sorted(&self, session: &Session) -> Vec<usize> {
        let mut rows = pick::natural(session);
        let of = |i: &usize| &session.checkpoints[*i];
        match self.args.sort {
            Sort::Name => {}
            Sort::Size => rows.sort_by_key(|i| Reverse(of(i).bytes)),
            Sort::Time => {
                rows.sort_by_key(|i| {
                    Reverse(of(i).saved_at.or_else(|| Checkpoint::written(of(i))))
                });
            }
            Sort::Step => rows.sort_by_key(|i| Reverse((of(i).step, of(i).epoch))),
            Sort::Count => rows.sort_by_key(|i| Reverse(of(i).files)),
        }
        if self.args.reverse {
            rows.reverse();
        }
        rows
    }
}

/// One escaped name on each line: a line end in a name must not make a second name.
fn lines<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.fold(String::new(), |out, name| out + &sanitize::terminal(name) + "\n")
}
