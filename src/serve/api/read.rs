//! Reading: nothing here changes anything.

use super::super::answer::Problem;
use super::super::lang::Lang;
use super::super::pages::{Answer, Visit, plan as plans, sessions::filter};
use super::super::{curve as curves, runs as history};
use super::body;
use super::openapi::{QUERY_CURVE, QUERY_RUN, QUERY_SESSION, QUERY_SESSIONS, QUERY_WHY};
use crate::core::model::Session;
use crate::core::plan::PlanReason;
use crate::report::diagnostic;
use crate::report::json::{LsCheckpoint, LsSession, Why};
use crate::steps::{pick, told};
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use serde::Serialize;
use serde_json::{Value, json};

/// Sessions of one answer, and the most that may be asked for.
const LIMIT: usize = 100;
const MOST: usize = 1000;

/// # Errors
/// The value cannot be written as JSON.
pub fn answer(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|e| Problem::internal(&e))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], text).into_response())
}

fn ok(value: &impl Serialize) -> Answer {
    answer(StatusCode::OK, value)
}

pub async fn roots(visit: Visit) -> Answer {
    body::query(&visit.query, &[])?;
    let who = visit.who();
    let roots: Vec<Value> = visit
        .app
        .sites
        .iter()
        .map(|site| {
            let scanning = site.scanning.borrow().clone();
            let view = site.view();
            let sums = view.as_ref().map(|v| {
                let mine = || v.index.owners.iter().filter(|o| who.sees(&o.name));
                // A file that two owners share counts once in the whole.
                let (bytes, delete_bytes) = if who.is_administrator() {
                    (v.index.bytes, v.index.delete_bytes)
                } else {
                    (mine().map(|o| o.bytes).sum(), mine().map(|o| o.delete_bytes).sum())
                };
                json!({
                    "sessions": mine().map(|o| o.sessions.len() as u64).sum::<u64>(),
                    "checkpoints": mine().map(|o| o.checkpoints).sum::<u64>(),
                    "bytes": bytes,
                    "delete_bytes": delete_bytes,
                })
            });
            json!({
                "root": site.slug,
                "path": who.is_administrator().then_some(&site.shown),
                "scanned_at": view.as_ref().map(|v| v.now.to_string()),
                "scanning": scanning.running,
                "generation": scanning.generation,
                "fault": scanning.fault,
                "totals": sums,
            })
        })
        .collect();
    ok(&json!({
        "format": "retain-roots/1",
        "now": visit.app.now().to_string(),
        "who": who.name,
        "administrator": who.is_administrator(),
        "read_only": !visit.app.may_change(who),
        "roots": roots,
    }))
}

pub async fn sessions(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, QUERY_SESSIONS)?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let limit = visit.query.number("limit", LIMIT).clamp(1, MOST);
    let filter = filter(&visit.query, limit);
    let who = visit.who();
    let page = view.sessions(&who.scope, &filter);
    let list: Vec<LsSession> =
        page.items.iter().map(|s| LsSession::new(view.session(*s), None)).collect();
    let all = who.is_administrator();
    ok(&json!({
        "format": "retain-ls/1",
        "root": if all { site.shown.as_str() } else { site.slug.as_str() },
        "now": view.now.to_string(),
        "sessions": list,
        "unrecognised_files": if all { view.seen.unrecognised.files } else { 0 },
        "faults": if all { view.seen.faults.clone() } else { Vec::new() },
        "offset": filter.offset,
        "total": page.total,
    }))
}

pub async fn session(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, QUERY_SESSION)?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let s = visit.session(&view, visit.query.get("session"))?;
    let session: &Session = view.session(s);
    let names = &view.inventory().names;
    let protected = |c: usize| -> Vec<PlanReason> {
        let reasons = view.reasons(s, c);
        let hold = view.outcome.sessions[s].reasons(c).iter().zip(reasons);
        hold.filter(|(r, _)| r.is_protection()).map(|(_, said)| said).collect()
    };
    let checkpoints = pick::natural(session)
        .into_iter()
        .map(|c| LsCheckpoint::new(&session.checkpoints[c], names, Some(protected(c))))
        .collect();
    ok(&json!({
        "format": "retain-ls/1",
        "root": if visit.who().is_administrator() { &site.shown } else { &site.slug },
        "now": view.now.to_string(),
        "sessions": [LsSession::new(session, Some(checkpoints))],
        "unrecognised_files": 0,
        "faults": [],
    }))
}

pub async fn why(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, QUERY_WHY)?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let s = visit.session(&view, visit.query.get("session"))?;
    let session = view.session(s);
    let wanted = visit.query.get("checkpoint").unwrap_or_default();
    let c = session.checkpoints.iter().position(|c| &*c.id == wanted);
    let c = c.ok_or_else(Problem::not_found)?;
    let decision = &view.outcome.sessions[s];
    let policies = &view.law.policy.policies;
    ok(&Why {
        format: "retain-why/1",
        now: view.now.to_string(),
        session: session.name.to_string(),
        policy: decision
            .policy
            .and_then(|p| policies.get(usize::from(p)))
            .map(|p| p.name.to_string()),
        checkpoint: LsCheckpoint::new(&session.checkpoints[c], &view.inventory().names, None),
        verdict: decision.verdict(c).as_str(),
        reasons: view.reasons(s, c),
    })
}

pub async fn curve(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, QUERY_CURVE)?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let s = visit.session(&view, visit.query.get("session"))?;
    // A program says which language it reads; what a browser accepts is a person's wish.
    let lang = visit.query.get("lang").and_then(Lang::parse).unwrap_or_default();
    ok(&curves::json(&view, lang, s, visit.query.get("metric")))
}

pub async fn usage(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, &[])?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let past = visit.past(&site, &view).await?;
    let all = visit.who().is_administrator();
    ok(&past.json(if all { &site.shown } else { &site.slug }))
}

/// The plan, with the digest that `apply` asks for in a header: the plan's own digest is of its
/// text, and changes with its date.
pub async fn plan(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, &[])?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    if let Some(fault) = &view.law.fault {
        return Err(Problem::new(StatusCode::CONFLICT, "policy", fault.clone()));
    }
    let digest = view.head(&visit.who().scope).digest.clone();
    let text = plans::whole(&visit, &view).await?;
    let kind = (header::CONTENT_TYPE.as_str(), "application/json");
    Ok(([kind, ("x-retain-digest", digest.as_str())], text).into_response())
}

/// # Errors
/// The plan cannot be written as JSON.
pub fn planned_answer(planned: &super::super::view::Planned) -> Answer {
    let text = serde_json::to_vec(&planned.plan).map_err(|e| Problem::internal(&e))?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/json"),
        ("x-retain-digest", planned.digest.as_str()),
    ];
    Ok((headers, text).into_response())
}

pub async fn policy(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, &[])?;
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let law = &view.law;
    ok(&json!({
        "format": "retain-policy/1",
        "source": law.source,
        "digest": law.digest,
        "text": law.text,
        "effective": law.effective,
        "holds": law.holds(),
        "diagnostics": diagnostic::json(&law.source, &law.text, &law.diagnostics),
    }))
}

pub async fn runs(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, &[])?;
    let site = visit.site(&slug)?;
    let view = site.view();
    let found = history::all(&site, view.as_deref(), visit.who()).await;
    let (list, faults) = found.map_err(|e| Problem::internal(&e))?;
    // Oldest first, as `retain log --json` has them.
    let list: Vec<Value> = list.iter().rev().map(|s| told::run(&s.run, false)).collect();
    ok(&json!({ "format": "retain-log/1", "runs": list, "faults": faults }))
}

pub async fn run(visit: Visit, Path(slug): Path<String>) -> Answer {
    body::query(&visit.query, QUERY_RUN)?;
    let site = visit.site(&slug)?;
    let view = site.view();
    let id = visit.query.get("run").unwrap_or_default();
    let found = history::one(&site, view.as_deref(), visit.who(), id).await;
    let seen = found.map_err(|e| Problem::internal(&e))?.ok_or_else(Problem::not_found)?;
    ok(&json!({ "format": "retain-log/1", "runs": [told::run(&seen.run, true)], "faults": [] }))
}

pub async fn job(visit: Visit, Path(id): Path<String>) -> Answer {
    body::query(&visit.query, &[])?;
    let job = visit.app.jobs.get(visit.who(), &id).ok_or_else(Problem::not_found)?;
    ok(&job.json())
}
