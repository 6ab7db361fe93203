//! A job at work, or how it ended; reloads itself where there is no JavaScript.

use super::super::answer::Problem;
use super::super::form::{Form, query};
use super::super::jobs::{Phase, Task};
use super::super::lang::{Lang, fill};
use super::super::runs;
use super::super::said;
use super::super::site::Site;
use super::{Answer, Frame, Visit, choice, html, login};
use crate::apply::RunSummary;
use crate::report::{human, sanitize};
use crate::steps::taken;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use serde_json::Value;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    f: Frame,
    id: String,
    over: bool,
    phase: &'static str,
    text: String,
    done: u64,
    total: u64,
    events: String,
    /// What it did, each a sentence.
    results: Vec<String>,
    skipped: Vec<String>,
    fault: Option<String>,
    stale: bool,
    /// The run that can be undone from here.
    undo: Option<String>,
    run_url: String,
    again: String,
    session_url: Option<String>,
}

pub async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    let job = visit.app.jobs.get(visit.who(), &id).ok_or_else(Problem::not_found)?;
    let site = visit.site(&job.root)?;
    let progress = job.progress.borrow().clone();
    let t = visit.t();
    let text = match progress.phase {
        Phase::Waiting => t.waiting.to_owned(),
        Phase::Looking => t.looking.to_owned(),
        Phase::Working => fill(
            t.working,
            &[&human::grouped(progress.done), &visit.lang.checkpoints(progress.total)],
        ),
        _ => String::new(),
    };
    let report = &progress.report;
    let count = |key: &str| {
        let part = &report[key];
        let n = part["checkpoints"].as_u64().unwrap_or(0);
        let bytes = part["bytes"].as_u64().unwrap_or(0);
        (n > 0).then(|| (visit.lang.checkpoints(n), human::size(bytes)))
    };
    let say = |key: &str, text: &str| count(key).map(|(n, size)| fill(text, &[&n, &size]));
    let results = [
        say("moved", t.moved),
        say("restored", t.restored),
        say("purged", t.purged),
        say("early", t.purged_early),
    ];
    let lines = |value: &Value| -> Vec<String> {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|s| sanitize::terminal(&sentence(visit.lang, s)).into_owned()).collect()
    };
    let mut skipped = lines(&report["skipped"]);
    skipped.extend(lines(&report["faults"]));
    if let Some(why) = report["stopped"].as_str() {
        skipped.push(sanitize::terminal(&said::fault(visit.lang, why)).into_owned());
    }
    let title = match progress.phase {
        Phase::Done => t.job_done,
        Phase::Failed | Phase::Stale => t.error,
        _ => t.job,
    };
    let f = visit.frame(title, "", Some(&site));
    let again = match (&job.session, job.several) {
        (Some(session), _) => format!("{}/session{}", f.site(), query(&[("name", session)])),
        (None, true) => format!("{}/sessions", f.site()),
        (None, false) => format!("{}/plan", f.site()),
    };
    let restorable = report["restorable"].as_u64().is_some_and(|n| n > 0);
    html(&Page {
        over: progress.phase.is_over(),
        phase: progress.phase.as_str(),
        text,
        done: progress.done,
        total: progress.total,
        events: format!("{}/api/v1/jobs/{}/events", visit.app.prefix, job.id),
        results: results.into_iter().flatten().collect(),
        skipped,
        fault: progress
            .fault
            .map(|e| fill(t.failed, &[&sanitize::terminal(&said::fault(visit.lang, &e))])),
        stale: progress.phase == Phase::Stale,
        run_url: format!(
            "{}/run{}",
            f.site(),
            query(&[("run", progress.run.as_deref().unwrap_or_default())])
        ),
        undo: progress.run.filter(|_| restorable),
        session_url: job.session.is_some().then(|| again.clone()),
        again,
        id,
        f,
    })
}

/// `SESSION ID: why`, or a fault that is a sentence already.
fn sentence(lang: Lang, value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return said::fault(lang, text);
    }
    let part = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    format!("{} {}: {}", part("session"), part("id"), said::fault(lang, &part("why")))
}

/// Restores a run, a session of it, or one checkpoint.
pub async fn undo(visit: Visit, Path(slug): Path<String>, body: Bytes) -> Answer {
    let site = visit.site(&slug)?;
    visit.may_change()?;
    let form = Form::new(&body);
    let task = undo_task(&visit, &site, &form).await?;
    let job = choice::begin(&visit, &site, task)?;
    Ok(choice::follow(&visit, &job).await)
}

/// Empties the trash of one run for good; the number of checkpoints is typed.
pub async fn purge(visit: Visit, Path(slug): Path<String>, body: Bytes) -> Answer {
    let site = visit.site(&slug)?;
    visit.may_change()?;
    let form = Form::new(&body);
    let task = purge_task(&visit, &site, &form).await?;
    let job = choice::begin(&visit, &site, task)?;
    Ok(choice::follow(&visit, &job).await)
}

/// Asks for a scan, and goes back to where it was asked.
pub async fn scan(visit: Visit, Path(slug): Path<String>, body: Bytes) -> Answer {
    let site = visit.site(&slug)?;
    site.refresh();
    let form = Form::new(&body);
    let own = format!("/r/{}", site.slug);
    let mine = |b: &&str| b.strip_prefix(&own).is_some_and(|b| b.is_empty() || b.starts_with('/'));
    let to = form.get("back").filter(mine).unwrap_or(&own);
    Ok(login::redirect(&format!("{}{to}", visit.app.prefix)))
}

/// # Errors
/// There is no such run, or a part of it that was asked for is not theirs.
pub async fn undo_task(visit: &Visit, site: &Site, form: &Form) -> Result<Task, Problem> {
    let (run, whole) = run_of(visit, site, form).await?;
    // Forms carry a name as it is printed: a line end in it would not survive them.
    let session = form.get("session").map(|s| taken::session(&run, s));
    let checkpoint = form.get("id").map(|id| taken::checkpoint(&run, session, id));
    let mine = |s: &str| run.items.iter().any(|i| i.session == s);
    match session {
        Some(session) if !mine(session) => Err(Problem::not_found()),
        None if !whole => Err(Problem::forbidden(|t| t.restore_yours)),
        _ => Ok(Task::Undo {
            run: run.id.clone(),
            session: session.map(str::to_owned),
            checkpoint: checkpoint.map(str::to_owned),
        }),
    }
}

/// # Errors
/// As [`undo_task`], or the number typed is another.
pub async fn purge_task(visit: &Visit, site: &Site, form: &Form) -> Result<Task, Problem> {
    let (run, whole) = run_of(visit, site, form).await?;
    if !whole {
        return Err(Problem::forbidden(|t| t.purge_not_yours));
    }
    if form.get("confirm") != Some(&run.in_trash.checkpoints.to_string()) {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::of(status, "confirm", |t| t.confirm_wrong));
    }
    Ok(Task::Purge { run: run.id.clone() })
}

async fn run_of(
    visit: &Visit,
    site: &Site,
    form: &Form,
) -> Result<(Arc<RunSummary>, bool), Problem> {
    let view = site.view();
    let id = form.get("run").unwrap_or_default();
    let found = runs::one(site, view.as_deref(), visit.who(), id).await;
    let seen = found.map_err(|e| Problem::internal(&e))?.ok_or_else(Problem::not_found)?;
    Ok((seen.run, seen.whole))
}
