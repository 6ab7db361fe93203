//! Usage now and over time, and when it will be full: what `retain usage` says of the same root.

use super::View;
use crate::apply::{self, Root, RunSummary};
use crate::core::decision::Outcome;
use crate::core::model::Inventory;
use crate::core::usage::{self, By, QuotaUse, Report, Trashed};
use crate::history::History;
use crate::report::usage::{Moment, Page, json};
use crate::serve::auth::Scope;
use crate::steps::past::{self, Future};
use serde_json::Value;
use std::os::fd::AsFd as _;
use std::sync::Arc;

/// Rows of each sum; the rest is one.
const TOP: usize = 50;

/// A report, and what the history foretells of it.
pub struct Past {
    pub report: Report,
    pub future: Future,
}

impl Past {
    /// Reads the history of an open root, and sums up what a view saw of it.
    pub fn read(root: &Root, runs: &[Arc<RunSummary>], view: &View) -> Past {
        let trash = past::trash_of(runs.iter().map(|r| &**r), view.inventory(), view.seen.owner);
        let report = report(view, view.inventory(), &view.outcome, &trash, true);
        // A history is a comfort: without one there is no trend, and everything else.
        let future = history(root).and_then(|h| past::future(&h, &report).ok());
        Past { report, future: future.unwrap_or_default() }
    }

    /// The same of one owner alone.
    pub fn of_owner(root: &Root, runs: &[Arc<RunSummary>], view: &View, owner: &str) -> Past {
        let whole = view.inventory();
        let mine: Vec<usize> =
            (0..whole.sessions.len()).filter(|s| *whole.sessions[*s].owner == *owner).collect();
        let inventory = Inventory {
            root: None,
            now: whole.now,
            space: None,
            names: whole.names.clone(),
            sessions: mine.iter().map(|s| whole.sessions[*s].clone()).collect(),
        };
        let outcome = Outcome {
            sessions: mine.iter().map(|s| view.outcome.sessions[*s].clone()).collect(),
            ..Outcome::default()
        };
        let mut trash = past::trash_of(runs.iter().map(|r| &**r), whole, view.seen.owner);
        trash.retain(|t| t.owner.as_deref() == Some(owner));
        let mut report = report(view, &inventory, &outcome, &trash, false);
        // What the whole root may use is not said in terms of one owner.
        report.quotas.retain(|q| q.owner.as_deref() == Some(owner));
        let history = history(root);
        let mut future =
            history.as_ref().and_then(|h| past::future(h, &report).ok()).unwrap_or_default();
        let since = crate::core::model::Time::from_nanos(i64::MIN);
        let points = history.and_then(|h| h.owner(owner, since).ok()).unwrap_or_default();
        let moment = |s: &crate::history::Sample<crate::history::OwnerPoint>| Moment {
            at: s.at,
            bytes: s.value.bytes,
            trash: s.value.trash,
        };
        future.timeline = points.iter().map(moment).collect();
        future.space = None;
        Past { report, future }
    }

    /// `retain-usage/1`.
    pub fn json(&self, root: &str) -> Value {
        json(&Page {
            root,
            report: &self.report,
            quota_forecasts: &self.future.quotas,
            space_forecast: self.future.space,
            timeline: &self.future.timeline,
        })
    }

    /// Every quota with what is foreseen for it.
    pub fn quotas(
        &self,
    ) -> impl Iterator<Item = (&QuotaUse, Option<crate::core::trend::Forecast>)> {
        let foreseen = self.future.quotas.iter().copied().chain(std::iter::repeat(None));
        self.report.quotas.iter().zip(foreseen)
    }
}

fn report(
    view: &View,
    inventory: &Inventory,
    outcome: &Outcome,
    trash: &[Trashed],
    whole: bool,
) -> Report {
    usage::report(&usage::Input {
        inventory,
        policy: &view.law.policy,
        outcome,
        now: view.now,
        trash: Some(trash),
        unrecognised: whole.then(|| view.seen.unrecognised.counted()),
        by: &[By::Owner, By::Outcome],
        top: TOP,
    })
}

fn history(root: &Root) -> Option<History> {
    let ours = root.ours().ok().flatten()?;
    match History::read(ours.as_fd()) {
        Ok(history) => history,
        Err(e) => {
            // An administrator's root is none of this user's to read.
            if !e.is_not_ours() {
                tracing::warn!("{e}");
            }
            None
        }
    }
}

/// Adds a point after a run of the policy, as `retain apply` does.
pub fn record(root: &Root, threads: usize, view: &View) {
    let Ok(Some(ours)) = root.ours() else { return };
    if root.id.is_none() {
        return;
    }
    let runs = apply::runs::after(root, threads, &view.seen.homes, None);
    let trash = past::trash_of(&runs, view.inventory(), view.seen.owner);
    let sums = usage::report(&usage::Input {
        inventory: view.inventory(),
        policy: &view.law.policy,
        outcome: &view.outcome,
        now: view.now,
        trash: Some(&trash),
        unrecognised: Some(view.seen.unrecognised.counted()),
        by: &[By::Owner, By::Session],
        top: usize::MAX,
    });
    let measured = past::measured("apply", &sums);
    let added = History::update(ours.as_fd(), view.now, |h| h.record(view.now, &measured));
    if let Err(e) = added
        && !e.is_not_ours()
    {
        tracing::warn!("{e}");
    }
}

/// What somebody may see of it.
pub fn of(view: &View, root: &Root, runs: &[Arc<RunSummary>], scope: &Scope) -> Past {
    match scope {
        Scope::Administrator => Past::read(root, runs, view),
        Scope::Owner(owner) => Past::of_owner(root, runs, view, owner),
    }
}
