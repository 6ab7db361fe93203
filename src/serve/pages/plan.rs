//! The policy's plan: every decision with its reasons, and the form that carries it out.

use super::super::form::query;
use super::super::lang::fill;
use super::super::site::Site;
use super::super::view::index;
use super::super::view::{Standing, View};
use super::session::standing_text;
use super::{Answer, Frame, Pager, Visit, heavy, status};
use crate::report::{human, plan, sanitize};
use askama::Template;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;

/// Rows of one part of the list.
const LIMIT: usize = 200;

#[derive(Template)]
#[template(path = "plan.html")]
struct Page {
    f: Frame,
    digest: String,
    count: u64,
    lead: String,
    undo: String,
    button: &'static str,
    confirm: String,
    brake: Option<String>,
    warnings: Vec<String>,
    causes: Vec<CauseRow>,
    verdicts: Vec<(&'static str, &'static str, bool)>,
    cause: String,
    text: String,
    rows: Vec<Row>,
    pager: Pager,
    download: String,
}

struct CauseRow {
    /// As it goes into the address.
    value: String,
    name: String,
    kind: String,
    checkpoints: String,
    size: String,
    chosen: bool,
}

struct Row {
    session: String,
    url: String,
    id: String,
    size: String,
    standing: &'static str,
    standing_text: &'static str,
    reason: String,
}

pub async fn show(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    page(&visit, &site, &view, None, StatusCode::OK)
}

/// The plan as `retain plan --json` writes it; `retain apply` takes the file.
pub async fn download(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let plan = || serde_json::to_vec_pretty(&view.plan(visit.who()).plan);
    let text = heavy(plan).map_err(|e| super::super::answer::Problem::internal(&e))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"plan.json\""),
    ];
    Ok((headers, text).into_response())
}

/// # Errors
/// The template cannot be rendered.
pub fn page(
    visit: &Visit,
    site: &Site,
    view: &View,
    fault: Option<&str>,
    code: StatusCode,
) -> Answer {
    let t = visit.t();
    let mut f = visit.frame(t.plan, "plan", Some(site));
    if let Some(fault) = view.law.fault.as_deref().or(fault) {
        f = f.bad(sanitize::terminal(fault));
    }
    let head = view.head(&visit.who().scope);
    let sums = &head.sums;
    let rows = rows(visit, view, f.site());
    let link = |offset: usize| format!("{}/plan{}", f.site(), address(visit, offset));
    let offset = visit.query.number("offset", 0);
    let pager = Pager::new(visit, offset, rows.items.len(), LIMIT, rows.total, link);
    let count = human::grouped(sums.totals.delete);
    let cause = visit.query.get("cause").unwrap_or_default().to_owned();
    let chosen = visit.query.get("verdict").unwrap_or("delete").to_owned();
    let verdicts = [Standing::Delete, Standing::Keep, Standing::Protected, Standing::Untouched];
    let page = Page {
        digest: head.digest.clone(),
        count: sums.totals.delete,
        lead: fill(
            t.would_free,
            &[&visit.lang.checkpoints(sums.totals.delete), &human::size(sums.totals.delete_bytes)],
        ),
        undo: match sums.grace {
            0 => t.no_undo.to_owned(),
            grace => fill(t.undo_until, &[&human::length(grace)]),
        },
        button: if sums.grace == 0 { t.delete_now } else { t.move_to_trash },
        confirm: fill(t.confirm, &[&count]),
        brake: sums.brake.as_deref().map(|b| sanitize::terminal(b).into_owned()),
        warnings: sums.warnings.iter().map(|w| sanitize::terminal(w).into_owned()).collect(),
        causes: causes(visit, view, &cause),
        verdicts: verdicts
            .map(|s| (s.as_str(), standing_text(visit, s), s.as_str() == chosen))
            .into(),
        cause,
        text: visit.query.get("q").unwrap_or_default().to_owned(),
        rows: rows.items,
        pager,
        download: format!("{}/plan.json", f.site()),
        f,
    };
    status(code, &page)
}

fn address(visit: &Visit, offset: usize) -> String {
    let of = |key: &str| visit.query.get(key).unwrap_or_default().to_owned();
    let offset = offset.to_string();
    query(&[
        ("q", &of("q")),
        ("cause", &of("cause")),
        ("verdict", &of("verdict")),
        ("offset", &offset),
    ])
}

fn causes(visit: &Visit, view: &View, chosen: &str) -> Vec<CauseRow> {
    if !visit.who().is_administrator() {
        // Sums over all owners are not an owner's concern.
        return Vec::new();
    }
    (0_usize..)
        .zip(&view.index.causes)
        .map(|(i, cause)| CauseRow {
            value: i.to_string(),
            name: sanitize::terminal(&cause.name).into_owned(),
            kind: cause.kind.clone(),
            checkpoints: human::grouped(cause.checkpoints),
            size: human::size(cause.bytes),
            chosen: i.to_string() == chosen,
        })
        .collect()
}

/// The decisions that are asked for: deletions unless another verdict is named.
fn rows(visit: &Visit, view: &View, base: &str) -> index::Page<Row> {
    let who = visit.who();
    let text = visit.query.get("q").unwrap_or_default().to_lowercase();
    let cause: Option<u16> = visit.query.get("cause").and_then(|c| c.parse().ok());
    let offset = visit.query.number("offset", 0);
    let wanted = |s: usize| {
        let session = view.session(s);
        who.sees(&session.owner) && view.index.matches(s, &text)
    };
    let standing = visit.query.get("verdict").and_then(Standing::parse);
    let standing = standing.unwrap_or(Standing::Delete);
    let found = match cause {
        Some(cause) if standing == Standing::Delete => {
            view.index.caused(cause, wanted, offset, LIMIT)
        }
        _ => view.index.standing(&view.outcome, standing, wanted, offset, LIMIT),
    };
    let row = |(s, c): (usize, usize)| {
        let session = view.session(s);
        let checkpoint = &session.checkpoints[c];
        let standing = view.standing(s, c);
        Row {
            session: sanitize::terminal(&session.name).into_owned(),
            url: format!("{base}/session{}", query(&[("name", &session.name)])),
            id: sanitize::terminal(&checkpoint.id).into_owned(),
            size: human::size(checkpoint.bytes),
            standing: standing.as_str(),
            standing_text: standing_text(visit, standing),
            reason: sanitize::terminal(&plan::reasons(&view.reasons(s, c))).into_owned(),
        }
    };
    index::Page { items: found.items.into_iter().map(row).collect(), total: found.total }
}
