//! One session: NSML's columns, what the policy makes of each checkpoint, and what to do with them.

use super::super::choice;
use super::super::form::{Form, query};
use super::super::lang::fill;
use super::super::recipe::Recipe;
use super::super::said;
use super::super::site::Site;
use super::super::view::{Standing, View};
use super::{Answer, Frame, Pager, Visit, When, heavy, html, status};
use crate::core::model::{Checkpoint, Marks};
use crate::report::{human, listing, sanitize};
use crate::serve::marking;
use crate::steps::pick;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;

/// Rows of one part of the list.
const LIMIT: usize = 500;

#[derive(Template)]
#[template(path = "session.html")]
struct Page {
    f: Frame,
    /// The name as it is printed, and as it goes into forms.
    value: String,
    owner: String,
    layout: String,
    status: &'static str,
    size: String,
    checkpoints: String,
    tags: Vec<String>,
    tainted: Vec<String>,
    metrics: Vec<(String, bool)>,
    /// How many stand how, with the words of it; what none does is left out.
    standings: Vec<(&'static str, &'static str, String)>,
    curve_url: String,
    rows: Vec<Row>,
    pager: Pager,
    /// What was typed, so that nothing has to be typed twice.
    pattern: String,
}

struct Row {
    id: String,
    ticked: bool,
    modified: Option<When>,
    elapsed: String,
    summary: String,
    summary_full: String,
    size: String,
    on_disk: String,
    bytes: u64,
    standing: &'static str,
    standing_text: &'static str,
    reason: String,
    marks: Vec<String>,
    choose: String,
}

pub async fn show(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let s = visit.session(&view, visit.query.get("name"))?;
    let n = visit.query.number("n", 0) as u64;
    let did = visit.query.get("done").and_then(marking::Change::done);
    let flash = did.map(|word| fill(word(visit.t()), &[&visit.lang.checkpoints(n)]));
    let mut page = page(&visit, &site, &view, s, &Form::default());
    if let Some(text) = flash {
        page.f = page.f.good(text);
    }
    html(&page)
}

/// What is done with the chosen rows; `action` says what.
pub async fn act(visit: Visit, Path(slug): Path<String>, body: Bytes) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let form = Form::new(&body);
    let s = visit.session(&view, form.get("name"))?;
    let again = |text: String| {
        let mut page = page(&visit, &site, &view, s, &form);
        page.f = page.f.bad(text);
        status(StatusCode::UNPROCESSABLE_ENTITY, &page)
    };
    let chosen = match choice::of_form(&view, s, &form) {
        Ok(chosen) if chosen.is_empty() => return again(visit.t().nothing_chosen.to_owned()),
        Ok(chosen) => chosen,
        Err(e) => {
            return again(said::problem(visit.lang, &e.text, e.help.as_deref()));
        }
    };
    let action = form.get("action").unwrap_or("review");
    if action == "review" {
        let session = view.session(s);
        let ids = chosen.iter().map(|c| session.checkpoints[*c].id.to_string()).collect();
        let recipe = Recipe::Choice { session: session.name.to_string(), ids };
        let planned = heavy(|| view.choice(&[(s, chosen)], visit.app.now()));
        return super::choice::page(&visit, &site, &view, &recipe, &planned, None, StatusCode::OK);
    }
    visit.may_change()?;
    let change = match marking::Change::of_form(action, &form, visit.app.now()) {
        Ok(change) => change,
        Err(word) => return again(word(visit.t()).to_owned()),
    };
    let who = visit.who();
    let done = heavy(|| marking::mark(&visit.app, &site, &view, who, s, &chosen, &change))?;
    let name = &*view.session(s).name;
    let to = query(&[("name", name), ("done", change.action()), ("n", &done.to_string())]);
    Ok(super::login::redirect(&format!("{}/r/{}/session{to}", visit.app.prefix, site.slug)))
}

fn page(visit: &Visit, site: &Site, view: &View, s: usize, form: &Form) -> Page {
    let session = view.session(s);
    let shown = sanitize::terminal(&session.name).into_owned();
    let mut f = visit.frame(&shown, "sessions", Some(site));
    if form.has("name") {
        // The page was posted to.
        f.here = format!("/r/{}/session{}", site.slug, query(&[("name", &*session.name)]));
    }
    let offset = visit.query.number("offset", 0);
    let all = pick::natural(session);
    let now = visit.app.now();
    let rows: Vec<Row> = all
        .iter()
        .skip(offset)
        .take(LIMIT)
        .map(|c| {
            let checkpoint = &session.checkpoints[*c];
            let ticked = form.all("id").any(|id| id == sanitize::terminal(&checkpoint.id));
            row(visit, view, s, *c, ticked, now)
        })
        .collect();
    let link = |offset: usize| {
        let offset = offset.to_string();
        format!("{}/session{}", f.site(), query(&[("name", &*session.name), ("offset", &offset)]))
    };
    let pager = Pager::new(visit, offset, rows.len(), LIMIT, all.len(), link);
    let metrics = super::super::curve::metrics(view, s);
    let wanted = visit.query.get("metric");
    let first = metrics.first().cloned();
    let printed = |m: &&String| wanted.is_some_and(|w| sanitize::terminal(m) == w);
    let exact = metrics.iter().find(|m| Some(m.as_str()) == wanted);
    let chosen = exact.or_else(|| metrics.iter().find(printed)).cloned().or(first);
    let curve = query(&[
        ("session", &*session.name),
        ("metric", chosen.as_deref().unwrap_or_default()),
        ("lang", visit.lang.code()),
    ]);
    let t = visit.t();
    Page {
        value: shown,
        owner: sanitize::terminal(&session.owner).into_owned(),
        layout: session.layout.as_deref().unwrap_or_default().to_owned(),
        status: match session.status {
            crate::core::model::Status::Running => t.running,
            crate::core::model::Status::Exited => t.exited,
            crate::core::model::Status::Unknown => t.unknown,
        },
        size: human::size(listing::session_bytes(session)),
        checkpoints: visit.lang.checkpoints(session.checkpoints.len() as u64),
        tags: session.tags.iter().map(|t| sanitize::terminal(t).into_owned()).collect(),
        tainted: session
            .tainted
            .iter()
            .map(|why| fill(t.tainted, &[&sanitize::terminal(&said::fault(visit.lang, why))]))
            .collect(),
        curve_url: format!("{}/api/v1/roots/{}/curve{curve}", visit.app.prefix, site.slug),
        metrics: metrics
            .iter()
            .map(|m| (sanitize::terminal(m).into_owned(), Some(m) == chosen.as_ref()))
            .collect(),
        standings: standings(visit, view, s),
        rows,
        pager,
        pattern: form.get("pattern").unwrap_or_default().to_owned(),
        f,
    }
}

fn row(
    visit: &Visit,
    view: &View,
    s: usize,
    c: usize,
    ticked: bool,
    now: crate::core::model::Time,
) -> Row {
    let checkpoint = &view.session(s).checkpoints[c];
    let standing = view.standing(s, c);
    let id = sanitize::terminal(&checkpoint.id).into_owned();
    let summary = checkpoint.summary().unwrap_or_default();
    let length = listing::length(checkpoint);
    Row {
        choose: fill(visit.t().choose_one, &[&id]),
        ticked,
        modified: checkpoint
            .saved_at
            .or(checkpoint.last_write)
            .map(|at| When::new(visit.lang, now, at)),
        elapsed: checkpoint.elapsed().map(human::elapsed).unwrap_or_default(),
        summary: sanitize::terminal(&human::summary(summary)).into_owned(),
        summary_full: sanitize::terminal(summary).into_owned(),
        size: human::nsml_size(length),
        on_disk: fill(visit.t().on_disk, &[&human::size(checkpoint.bytes)]),
        bytes: checkpoint.bytes,
        standing: standing.as_str(),
        standing_text: standing_text(visit, standing),
        reason: sanitize::terminal(&view.said(visit.lang, s, c)).into_owned(),
        marks: marks(visit, checkpoint),
        id,
    }
}

fn standings(visit: &Visit, view: &View, s: usize) -> Vec<(&'static str, &'static str, String)> {
    let row = &view.index.rows[s];
    let all = [Standing::Keep, Standing::Protected, Standing::Delete, Standing::Untouched];
    let some = all.into_iter().filter(|standing| row.count(*standing) > 0);
    let one = |standing: Standing| {
        let n = human::grouped(row.count(standing).into());
        (standing.as_str(), standing_text(visit, standing), n)
    };
    some.map(one).collect()
}

pub fn standing_text(visit: &Visit, standing: Standing) -> &'static str {
    let t = visit.t();
    match standing {
        Standing::Delete => t.to_delete,
        Standing::Keep => t.kept,
        Standing::Protected => t.protected,
        Standing::Untouched => t.untouched,
    }
}

fn marks(visit: &Visit, checkpoint: &Checkpoint) -> Vec<String> {
    let t = visit.t();
    let words = [
        (Marks::PINNED, t.pinned),
        (Marks::SUBMITTED, t.submitted),
        (Marks::LATEST, t.latest),
        (Marks::BEST, t.best),
        (Marks::AMBIGUOUS, t.ambiguous),
    ];
    let has = words.into_iter().filter(|(m, _)| checkpoint.marks.has(*m));
    let mut list: Vec<String> = has.map(|(_, word)| word.to_owned()).collect();
    if !checkpoint.complete {
        list.push(t.incomplete.to_owned());
    }
    list.extend(checkpoint.tags().iter().map(|tag| format!("#{}", sanitize::terminal(tag))));
    list
}
