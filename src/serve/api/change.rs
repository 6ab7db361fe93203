//! Asking for changes. What is answered with 202 goes on as a job.

use super::super::answer::Problem;
use super::super::form::Form;
use super::super::jobs::Task;
use super::super::lang::Lang;
use super::super::marking::{self, Change};
use super::super::pages::{Answer, Visit, choice as choices, heavy, job};
use super::super::recipe::{MOST, Recipe, Take};
use super::super::{choice as chosen, view::View};
use super::body;
use super::openapi::{BODY_APPLY, BODY_CHOICE, BODY_MARKS, BODY_PURGE, BODY_UNDO};
use super::read::{answer, planned_answer};
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use serde_json::json;

pub async fn scan(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    site.refresh();
    let generation = site.scanning.borrow().generation;
    answer(StatusCode::ACCEPTED, &json!({ "format": "retain-scan/1", "generation": generation }))
}

/// The plan of a choice: nothing is deleted yet, so a read-only server answers it too.
pub async fn choice(visit: Visit, Path(slug): Path<String>, bytes: Bytes) -> Answer {
    let form = body::read(&bytes, BODY_CHOICE)?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let recipe = recipe(&visit, &view, &form)?;
    if recipe == Recipe::Policy {
        let text = "name a `session`, or `sessions`";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", text));
    }
    let planned = heavy(|| choices::planned(&visit, &view, &recipe))?;
    planned_answer(&planned)
}

/// What a body asks for: a choice in one session, in several, or the policy's plan.
fn recipe(visit: &Visit, view: &View, form: &Form) -> Result<Recipe, Problem> {
    if form.has("session") {
        let (s, picked) = picked(visit, view, form)?;
        let session = view.session(s);
        let ids = picked.iter().map(|c| session.checkpoints[*c].id.to_string()).collect();
        return Ok(Recipe::Choice { session: session.name.to_string(), ids });
    }
    if !form.has("sessions") {
        return Ok(Recipe::Policy);
    }
    let named = form.all("sessions").map(|name| {
        let s = visit.session(view, Some(name))?;
        Ok(view.session(s).name.to_string())
    });
    let sessions = named.collect::<Result<Vec<_>, Problem>>()?;
    if sessions.len() > MOST {
        let text = format!("{} sessions; at most {MOST} at once", sessions.len());
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-many", text));
    }
    let take = match form.get("take") {
        Some("all") => Take::All,
        Some("names") => Take::Names(form.all("checkpoint").map(str::to_owned).collect()),
        _ => Take::Policy,
    };
    Ok(Recipe::Sessions { sessions, take })
}

fn picked(visit: &Visit, view: &View, form: &Form) -> Result<(usize, Vec<usize>), Problem> {
    let s = visit.session(view, form.get("session"))?;
    let found = chosen::of_patterns(view, s, form.all("checkpoint"));
    let picked = found.map_err(|e| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-checkpoint", e.text).help(e.help)
    })?;
    if picked.is_empty() {
        let text = "no checkpoint was chosen";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-checkpoint", text));
    }
    Ok((s, picked))
}

/// Carries out the plan whose digest was shown, or none.
pub async fn apply(visit: Visit, Path(slug): Path<String>, bytes: Bytes) -> Answer {
    let form = body::read(&bytes, BODY_APPLY)?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    visit.may_change()?;
    let recipe = recipe(&visit, &view, &form)?;
    let digest = form.get("digest").unwrap_or_default().to_owned();
    let now = match &recipe {
        Recipe::Policy => view.head(&visit.who().scope).digest.clone(),
        _ => heavy(|| choices::planned(&visit, &view, &recipe))?.digest,
    };
    if now != digest {
        let problem = Problem::of(StatusCode::CONFLICT, "stale", |t| t.job_stale);
        return Err(problem.help(Some("make the plan again and look at it".to_owned())));
    }
    let job = choices::begin(&visit, &site, Task::Apply { recipe, digest })?;
    answer(StatusCode::ACCEPTED, &job.json())
}

pub async fn undo(visit: Visit, Path(slug): Path<String>, bytes: Bytes) -> Answer {
    let form = body::read(&bytes, BODY_UNDO)?;
    let site = visit.site(&slug)?;
    visit.may_change()?;
    let task = job::undo_task(&visit, &site, &form).await?;
    let job = choices::begin(&visit, &site, task)?;
    answer(StatusCode::ACCEPTED, &job.json())
}

pub async fn purge(visit: Visit, Path(slug): Path<String>, bytes: Bytes) -> Answer {
    let form = body::read(&bytes, BODY_PURGE)?;
    let site = visit.site(&slug)?;
    visit.may_change()?;
    let task = job::purge_task(&visit, &site, &form).await?;
    let job = choices::begin(&visit, &site, task)?;
    answer(StatusCode::ACCEPTED, &job.json())
}

pub async fn marks(visit: Visit, Path(slug): Path<String>, bytes: Bytes) -> Answer {
    let form = body::read(&bytes, BODY_MARKS)?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    visit.may_change()?;
    let (s, picked) = picked(&visit, &view, &form)?;
    let action = form.get("action").unwrap_or_default();
    let change = Change::of_form(action, &form, visit.app.now())
        .map_err(|word| Problem::of(StatusCode::UNPROCESSABLE_ENTITY, "mark", word))?;
    let who = visit.who();
    let done = heavy(|| marking::mark(&visit.app, &site, &view, who, s, &picked, &change))?;
    let done = format!("{action} {}", Lang::En.checkpoints(done));
    let session = &view.session(s).name;
    answer(
        StatusCode::OK,
        &json!({ "format": "retain-marks/1", "dry_run": false, "session": session, "done": done }),
    )
}
