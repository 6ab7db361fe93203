//! What a run has to say about itself, gathered while it works.

use super::clerk::{Clerk, How};
use crate::apply::{Cause, Count, Report, Root, Skip};
use crate::cli::carry::{self, Carried, Job};
use crate::cli::context::{self, Context};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::machine;
use crate::core::limit::quota;
use crate::core::limit::usage::Usage;
use crate::core::model::Inventory;
use crate::core::plan::PlanFile;
use crate::core::policy::{Cap, Per, Policy};
use crate::report::prometheus::{self, Amount, Facts, Found};
use crate::report::{markdown, sanitize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

/// Why a run ended before it came to a session.
const UNREACHED: [&str; 3] = ["deadline", "signal", "fault"];

/// The facts of a run; what it did not come to stays empty.
pub struct Told {
    began: Instant,
    facts: Facts,
    plan: Option<PlanFile>,
    report: Report,
    carried_out_in: Option<Root>,
    /// Sessions that could not be read whole when the storage was scanned.
    unreadable: u64,
}

impl Default for Told {
    fn default() -> Told {
        Told {
            began: Instant::now(),
            facts: Facts::default(),
            plan: None,
            report: Report::default(),
            carried_out_in: None,
            unreadable: 0,
        }
    }
}

impl Told {
    pub fn root(&mut self, root: &Root) {
        self.facts.root = context::shown(&root.path);
    }

    /// What the storage looked like before anything was done.
    pub fn found(&mut self, inventory: &Inventory, policy: &Policy) {
        let mut owners: BTreeMap<&str, Usage> = BTreeMap::new();
        let mut all = Usage::default();
        for session in &inventory.sessions {
            let usage = owners.entry(&session.owner).or_default();
            for c in &session.checkpoints {
                usage.add(c);
                all.add(c);
            }
        }
        let facts = &mut self.facts;
        facts.quotas.clear();
        facts.min_free.clear();
        facts.found = Some(Found {
            sessions: inventory.sessions.len() as u64,
            checkpoints: inventory.sessions.iter().map(|s| s.checkpoints.len() as u64).sum(),
        });
        facts.space = inventory.space;
        facts.used = Some(all.bytes());
        facts.owners = owners.iter().map(|(o, u)| ((*o).to_owned(), u.bytes())).collect();
        for q in &policy.quotas {
            let name = q.name.to_string();
            match q.cap {
                Cap::MaxBytes { per: Per::Owner, max, .. } => {
                    let each = owners.keys().map(|o| (name.clone(), (*o).to_owned(), max));
                    facts.quotas.extend(each);
                }
                Cap::MaxBytes { per: Per::Root, max, .. } => {
                    facts.quotas.push((name, String::new(), max));
                }
                Cap::MinFree { min, .. } => {
                    if let Some(space) = inventory.space {
                        facts.min_free.push((name, quota::amount(min, space.total)));
                    }
                }
            }
        }
        let unreadable = inventory.sessions.iter().filter(|s| !s.tainted.is_empty()).count();
        self.unreadable = unreadable as u64;
        self.facts.skipped = self.reasons(&[], None);
    }

    /// Carries a job out and takes down what came of it.
    ///
    /// # Errors
    /// As [`carry::carry_out`].
    pub fn carry_out(&mut self, context: &Context, root: Root, job: Job) -> Result<Exit, Failure> {
        let mut carried = Carried::new(root);
        let ended = carry::carry_out(context, &job, &mut carried);
        self.plan = Some(job.plan);
        // Also of a run that stopped half way: what it moved until then has moved.
        self.done(context, carried);
        ended
    }

    /// The last job's run, if it changed something.
    pub fn run(&self) -> Option<&str> {
        self.report.run.as_deref()
    }

    /// The last job moved nothing.
    pub fn moved_nothing(&self) -> bool {
        self.report.moved.checkpoints == 0
    }

    /// The last job left something alone that it was to move.
    pub fn skipped(&self) -> bool {
        !self.report.skipped.is_empty()
    }

    fn done(&mut self, context: &Context, carried: Carried) {
        let facts = &mut self.facts;
        facts.moved = amount(carried.report.moved);
        let (now, earlier) = (carried.report.purged, carried.trash.purged);
        facts.purged = Amount {
            checkpoints: now.checkpoints + earlier.checkpoints,
            bytes: now.bytes.saturating_add(earlier.bytes),
        };
        self.carried_out_in = Some(carried.root);
        // A saved plan is carried out without a scan.
        let report = carried.report;
        let why = match (report.unreached, &report.stopped) {
            (0, _) => None,
            (_, None) => Some("fault"),
            (_, Some(_)) if context.signals.late() => Some("deadline"),
            (_, Some(_)) => Some("signal"),
        };
        let kept: Vec<&Skip> = report.skipped.iter().chain(&carried.trash.kept).collect();
        self.facts.skipped = self.reasons(&kept, why.map(|why| (why, report.unreached)));
        self.report = report;
    }

    /// What lies in the trash by now: a look at the whole root, which only those pay who ask.
    fn trash(&self, context: &Context) -> Option<Amount> {
        match context.runs(self.carried_out_in.as_ref()?) {
            Ok((runs, _)) => {
                let trash = runs.iter().map(|r| amount(r.in_trash));
                Some(trash.fold(Amount::default(), |sum, t| Amount {
                    checkpoints: sum.checkpoints + t.checkpoints,
                    bytes: sum.bytes.saturating_add(t.bytes),
                }))
            }
            Err(e) => {
                context.ui.warn(format!("the trash cannot be counted: {e}"));
                None
            }
        }
    }

    /// Sessions by why they kept something; every reason there is, so that no series comes and goes.
    fn reasons(&self, kept: &[&Skip], rest: Option<(&str, u64)>) -> Vec<(&'static str, u64)> {
        let sessions = |cause: Cause| {
            let of = kept.iter().filter(|skip| skip.cause == cause);
            of.map(|skip| &skip.session).collect::<BTreeSet<_>>().len() as u64
        };
        let known = Cause::ALL.map(|cause| {
            let seen = if cause == Cause::Unreadable { self.unreadable } else { 0 };
            (cause.as_str(), seen + sessions(cause))
        });
        let rest = UNREACHED.map(|why| (why, rest.filter(|r| r.0 == why).map_or(0, |r| r.1)));
        known.into_iter().chain(rest).collect()
    }

    /// Writes the metrics; the time of the last success stands in the file they replace.
    pub(super) fn metrics(&self, context: &Context, clerk: &Clerk, path: &Path, exit: Exit) {
        // The end of the run by the machine's clock, whatever `--now` it was given.
        let ended = machine::time().secs();
        let earlier = std::fs::read_to_string(path).unwrap_or_default();
        let mut facts = self.facts.clone();
        if facts.root.is_empty() {
            // It failed before it knew; a file is of one root.
            facts.root = prometheus::root_of(&earlier).unwrap_or_default();
        }
        let facts = Facts {
            ended,
            trash: self.trash(context),
            seconds: self.began.elapsed().as_secs_f64(),
            exit_code: exit.code(),
            last_success: if exit.did_its_work() {
                Some(ended)
            } else {
                prometheus::last_success(&earlier, &facts.root)
            },
            ..facts
        };
        if let Err(e) = clerk.write(path, prometheus::render(&facts), How::Replace) {
            context.ui.warn(format!("cannot write {}: {e}", context::shown(path)));
        }
    }

    /// Appends the plan, and what became of it, as Markdown.
    pub(super) fn summary(
        &self,
        context: &Context,
        clerk: &Clerk,
        path: &Path,
        ended: Result<Exit, &Failure>,
    ) {
        let mut text = match &self.plan {
            Some(plan) => markdown::plan(plan, false),
            None => "# Retention\n\n".to_owned(),
        };
        match ended {
            Err(failure) => {
                let _ = writeln!(text, "**{}**\n", sanitize::markdown(failure.render().trim()));
            }
            Ok(_) => {
                let run = self.report.run.as_deref().unwrap_or_default();
                let undo = context.command(&format!("undo {run}"));
                text.push_str(&carry::in_markdown(&self.report, run, &undo));
            }
        }
        for skip in &self.report.skipped {
            let (session, why) = (sanitize::markdown(&skip.session), sanitize::markdown(&skip.why));
            let _ = writeln!(text, "- kept {session}: {why}");
        }
        if let Err(e) = clerk.write(path, text, How::Append) {
            context.ui.warn(format!("cannot write {}: {e}", context::shown(path)));
        }
    }

    /// One line that says it all, for logs.
    pub(super) fn log(&self, exit: Exit) {
        tracing::info!(
            exit_code = exit.code(),
            root = self.facts.root,
            run = self.report.run,
            sessions = self.facts.found.map(|f| f.sessions),
            checkpoints = self.facts.found.map(|f| f.checkpoints),
            moved = self.facts.moved.checkpoints,
            moved_bytes = self.facts.moved.bytes,
            purged = self.facts.purged.checkpoints,
            freed_bytes = self.facts.purged.bytes,
            skipped = self.report.skipped.len(),
            unreached = self.report.unreached,
            stopped = self.report.stopped,
            seconds = self.began.elapsed().as_secs_f64(),
            "run ended"
        );
    }
}

fn amount(c: Count) -> Amount {
    Amount { checkpoints: c.checkpoints, bytes: c.bytes }
}
