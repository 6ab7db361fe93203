//! What a choice would delete, before anything is decided; and the one form that begins it.

use super::super::answer::Problem;
use super::super::choice;
use super::super::form::Form;
use super::super::jobs::{Job, Jobs, Recipe, Task};
use super::super::lang::fill;
use super::super::site::Site;
use super::super::view::{Planned, View};
use super::{Answer, Frame, Visit, heavy, status};
use crate::core::plan::PlanDecision;
use crate::report::{human, plan, sanitize};
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// So long a page waits for a job, so that small ones need no second page.
const GRACE: Duration = Duration::from_millis(1500);

#[derive(Template)]
#[template(path = "choice.html")]
struct Page {
    f: Frame,
    name: String,
    url: String,
    digest: String,
    count: u64,
    lead: String,
    undo: String,
    button: &'static str,
    confirm: String,
    warnings: Vec<String>,
    goes: Vec<Line>,
    stays: Vec<Line>,
}

struct Line {
    id: String,
    size: String,
    reason: String,
}

/// The plan of a choice as a page, with the form that carries it out.
///
/// # Errors
/// The template cannot be rendered.
pub fn page(
    visit: &Visit,
    site: &Site,
    view: &View,
    recipe: &Recipe,
    planned: &Planned,
    fault: Option<&str>,
    code: StatusCode,
) -> Answer {
    let Recipe::Choice { session, .. } = recipe else { return Err(Problem::not_found()) };
    let t = visit.t();
    let shown = sanitize::terminal(session).into_owned();
    let mut f = visit.frame(&fill(t.choice_of, &[&shown]), "sessions", Some(site));
    // The page was posted to; what can be asked for again is the session.
    f.here = format!("/r/{}/session{}", site.slug, super::super::form::query(&[("name", session)]));
    if let Some(fault) = view.law.fault.as_deref().or(fault) {
        f = f.bad(sanitize::terminal(fault));
    }
    let totals = planned.plan.totals;
    let line = |d: &PlanDecision| Line {
        id: sanitize::terminal(&d.id).into_owned(),
        size: human::size(d.bytes),
        reason: sanitize::terminal(&plan::reasons(&d.reasons)).into_owned(),
    };
    let of = |verdict: &str, d: &&PlanDecision| d.verdict == verdict && d.session == *session;
    let decisions = &planned.plan.decisions;
    let grace = planned.plan.policy.grace_seconds;
    let count = human::grouped(totals.delete);
    let page = Page {
        url: format!("{}/session{}", f.site(), super::super::form::query(&[("name", session)])),
        digest: planned.digest.clone(),
        count: totals.delete,
        lead: fill(
            t.would_free,
            &[&visit.lang.checkpoints(totals.delete), &human::size(totals.delete_bytes)],
        ),
        undo: match grace {
            0 => t.no_undo.to_owned(),
            _ => fill(t.undo_until, &[&human::length(grace)]),
        },
        button: if grace == 0 { t.delete_now } else { t.move_to_trash },
        confirm: fill(t.confirm, &[&count]),
        warnings: planned
            .plan
            .warnings
            .iter()
            .map(|w| sanitize::terminal(&w.text).into_owned())
            .collect(),
        goes: decisions.iter().filter(|d| of("delete", d)).map(line).collect(),
        stays: decisions
            .iter()
            .filter(|d| of("keep", d) && planned.refused.contains(&d.id))
            .map(line)
            .collect(),
        name: shown,
        f,
    };
    status(code, &page)
}

/// Carries out exactly the plan that was shown, or shows the new one.
pub async fn apply(visit: Visit, Path(slug): Path<String>, body: Bytes) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    visit.may_change()?;
    let form = Form::new(&body);
    let recipe = super::session::recipe(&visit, &view, &form)?;
    // The policy's plan may be long: its digest and its sums are all that is needed here.
    let (planned, now, delete) = match &recipe {
        Recipe::Policy => {
            let head = view.head(&visit.who().scope);
            (None, head.digest.clone(), head.sums.totals.delete)
        }
        Recipe::Choice { .. } => {
            let planned = planned(&visit, &view, &recipe)?;
            let (digest, delete) = (planned.digest.clone(), planned.plan.totals.delete);
            (Some(planned), digest, delete)
        }
    };
    let again = |text: &str, code| match &planned {
        None => super::plan::page(&visit, &site, &view, Some(text), code),
        Some(planned) => page(&visit, &site, &view, &recipe, planned, Some(text), code),
    };
    let t = visit.t();
    let digest = form.get("digest").unwrap_or_default();
    if now != digest {
        return again(t.stale, StatusCode::CONFLICT);
    }
    let typed: String =
        form.get("confirm").unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    if typed != delete.to_string() || delete == 0 {
        return again(t.confirm_wrong, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let task = Task::Apply { recipe, digest: digest.to_owned() };
    let job = begin(&visit, &site, task)?;
    Ok(follow(&visit, &job).await)
}

/// The plan that a recipe makes of this view.
///
/// # Errors
/// A checkpoint of the choice is gone: then nothing is left that could be carried out as shown.
pub fn planned(visit: &Visit, view: &View, recipe: &Recipe) -> Result<Planned, Problem> {
    match recipe {
        Recipe::Policy => Ok(view.plan(visit.who())),
        Recipe::Choice { session, ids } => {
            let s = visit.session(view, Some(session))?;
            // What is gone cannot be chosen any more; the digest says that it is another choice.
            let there: Vec<usize> = ids
                .iter()
                .filter_map(|id| choice::exact(view.session(s), std::slice::from_ref(id)))
                .flatten()
                .collect();
            Ok(heavy(|| view.choice(s, &there, visit.app.now())))
        }
    }
}

/// # Errors
/// The audit cannot be written: nothing was begun.
pub fn begin(visit: &Visit, site: &Arc<Site>, task: Task) -> Result<Arc<Job>, Problem> {
    Jobs::start(&visit.app, site, &visit.login.who, task).map_err(|e| Problem::internal(&e))
}

/// To the job's page, after a moment in which most are done.
pub async fn follow(visit: &Visit, job: &Job) -> axum::response::Response {
    let mut progress = job.progress.subscribe();
    let over = progress.wait_for(|p| p.phase.is_over());
    let _ = tokio::time::timeout(GRACE, over).await;
    super::login::redirect(&format!("{}/jobs/{}", visit.app.prefix, job.id))
}
