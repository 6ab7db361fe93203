//! The policy's plan: every decision with its reasons, and the form that carries it out.

use super::super::answer::Problem;
use super::super::form::query;
use super::super::lang::fill;
use super::super::said::{self, Said};
use super::super::site::Site;
use super::super::view::lists::{self, What};
use super::super::view::{Standing, View, Warning, Warnings};
use super::session::standing_text;
use super::{Answer, Frame, Pager, Visit, heavy, status};
use crate::report::{human, sanitize};
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use std::sync::Arc;

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
    warning_count: String,
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
    let text = whole(&visit, &view).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"plan.json\""),
    ];
    Ok((headers, text).into_response())
}

/// The whole plan's text; one at a time is made.
///
/// # Errors
/// The plan cannot be written as JSON.
pub async fn whole(visit: &Visit, view: &View) -> Result<Bytes, Problem> {
    let _one = visit.app.large.acquire().await;
    let text = heavy(|| view.plan_text(visit.who())).map_err(|e| Problem::internal(&e))?;
    Ok(Bytes::from_owner(Shared(text)))
}

/// A text that several answers are sent from.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
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
        f = f.bad(sanitize::terminal(&said::fault(visit.lang, fault)));
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
            grace => fill(t.undo_until, &[&visit.lang.length(grace)]),
        },
        button: if sums.grace == 0 { t.delete_now } else { t.move_to_trash },
        confirm: fill(t.confirm, &[&count]),
        brake: sums.brake.as_ref().map(|b| said::brake(visit.lang, b)),
        warning_count: human::grouped(sums.warnings.first.len() as u64 + sums.warnings.more),
        warnings: warnings(visit, view, &sums.warnings),
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

/// Each with the session it is about, in the reader's language.
pub fn warnings(visit: &Visit, view: &View, warnings: &Warnings) -> Vec<String> {
    let said = Said::new(visit.lang, view.inventory(), &view.law.policy);
    let one = |warning: &Warning| match *warning {
        Warning::Tainted(s) => {
            let session = view.session(s as usize);
            let why = session.tainted.first().map_or("", |w| w);
            let why = said::fault(visit.lang, why);
            format!("{}: {}", session.name, fill(visit.t().kept_whole, &[&why]))
        }
        Warning::Notice(n) => {
            let notice = &view.outcome.notices[n as usize];
            let session = notice.session().map(|s| &view.session(s as usize).name);
            let text = said.notice(notice);
            session.map_or(text.clone(), |name| format!("{name}: {text}"))
        }
    };
    let mut list: Vec<String> =
        warnings.first.iter().map(|w| sanitize::terminal(&one(w)).into_owned()).collect();
    if warnings.more > 0 {
        list.push(fill(visit.t().more_warnings, &[&human::grouped(warnings.more)]));
    }
    list
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
            kind: said::cause(visit.lang, cause.kind),
            checkpoints: human::grouped(cause.checkpoints),
            size: human::size(cause.bytes),
            chosen: i.to_string() == chosen,
        })
        .collect()
}

/// The decisions that are asked for: deletions unless another verdict is named.
fn rows(visit: &Visit, view: &View, base: &str) -> lists::Page<Row> {
    let who = visit.who();
    let text = visit.query.get("q").unwrap_or_default();
    let cause: Option<u16> = visit.query.get("cause").and_then(|c| c.parse().ok());
    let offset = visit.query.number("offset", 0);
    let standing = visit.query.get("verdict").and_then(Standing::parse);
    let standing = standing.unwrap_or(Standing::Delete);
    let what = match cause {
        Some(cause) if standing == Standing::Delete => What::Cause(cause),
        _ => What::Standing(standing),
    };
    let found = view.decisions(&who.scope, text, what, offset, LIMIT);
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
            reason: sanitize::terminal(&view.said(visit.lang, s, c)).into_owned(),
        }
    };
    lists::Page { items: found.items.into_iter().map(row).collect(), total: found.total }
}
