//! All sessions: search, filter, sort.

use super::super::form::query;
use super::super::view::View;
use super::super::view::index::{Filter, Sort};
use super::{Answer, Frame, Pager, Visit, When, html};
use crate::core::model::Status;
use crate::report::{human, sanitize};
use askama::Template;
use axum::extract::Path;

/// Rows of one part of the list.
const LIMIT: usize = 100;

#[derive(Template)]
#[template(path = "sessions.html")]
struct Page {
    f: Frame,
    text: String,
    owners: Vec<(String, bool)>,
    statuses: Vec<(&'static str, &'static str, bool)>,
    sorts: Vec<(&'static str, &'static str, bool)>,
    reverse: bool,
    rows: Vec<Row>,
    pager: Pager,
    /// There is nothing at all, whatever is searched for.
    empty: bool,
    empty_how: String,
}

struct Row {
    url: String,
    name: String,
    owner: String,
    checkpoints: String,
    size: String,
    last: Option<When>,
    status: &'static str,
    freed: String,
    tainted: bool,
}

/// The filter that a query asks for.
pub fn filter(visit: &Visit, limit: usize) -> Filter {
    let q = &visit.query;
    let status = match q.get("status") {
        Some("running") => Some(Status::Running),
        Some("exited") => Some(Status::Exited),
        Some("unknown") => Some(Status::Unknown),
        _ => None,
    };
    Filter {
        text: q.get("q").unwrap_or_default().to_owned(),
        owner: q.get("owner").map(str::to_owned),
        status,
        sort: q.get("sort").and_then(Sort::parse).unwrap_or_default(),
        reverse: q.has("reverse"),
        offset: q.number("offset", 0),
        limit,
    }
}

pub async fn show(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let f = visit.frame(visit.t().sessions, "sessions", Some(&site));
    let filter = filter(&visit, LIMIT);
    let who = visit.who();
    let page = view.index.sessions(view.inventory(), &filter, |owner| who.sees(owner));
    let link = |offset: usize| {
        let offset = offset.to_string();
        let reverse = if filter.reverse { "1" } else { "" };
        let pairs = [
            ("q", filter.text.as_str()),
            ("owner", filter.owner.as_deref().unwrap_or_default()),
            ("status", filter.status.map_or("", Status::as_str)),
            ("sort", filter.sort.as_str()),
            ("reverse", reverse),
            ("offset", &offset),
        ];
        format!("{}/sessions{}", f.site(), query(&pairs))
    };
    let pager = Pager::new(&visit, filter.offset, page.items.len(), LIMIT, page.total, link);
    let t = visit.t();
    let owners = view
        .index
        .owners
        .iter()
        .filter(|o| who.sees(&o.name))
        .map(|o| (o.name.to_string(), filter.owner.as_deref() == Some(&*o.name)));
    let statuses = [("running", t.running), ("exited", t.exited), ("unknown", t.unknown)];
    let chosen = filter.status.map_or("", Status::as_str);
    let words = [t.by_name, t.by_size, t.by_time, t.by_count, t.by_freed];
    let sorts = Sort::ALL.into_iter().zip(words);
    let shown = sanitize::terminal(&site.shown).into_owned();
    html(&Page {
        text: filter.text.clone(),
        owners: owners.collect(),
        statuses: statuses.map(|(value, word)| (value, word, value == chosen)).into(),
        sorts: sorts.map(|(s, word)| (s.as_str(), word, s == filter.sort)).collect(),
        reverse: filter.reverse,
        rows: page.items.iter().map(|s| row(&visit, &view, *s, f.site())).collect(),
        pager,
        empty: !view.index.owners.iter().any(|o| who.sees(&o.name)),
        empty_how: super::fill(t.empty_root_how, &[&shown]),
        f,
    })
}

fn row(visit: &Visit, view: &View, s: usize, base: &str) -> Row {
    let (session, sums) = (view.session(s), &view.index.rows[s]);
    let t = visit.t();
    Row {
        url: format!("{base}/session{}", query(&[("name", &session.name)])),
        name: sanitize::terminal(&session.name).into_owned(),
        owner: sanitize::terminal(&session.owner).into_owned(),
        checkpoints: human::grouped(sums.checkpoints.into()),
        size: human::size(sums.bytes),
        last: sums.last_write.map(|at| When::new(visit.lang, visit.app.now(), at)),
        status: match session.status {
            Status::Running => t.running,
            Status::Exited => t.exited,
            Status::Unknown => t.unknown,
        },
        freed: if sums.delete == 0 { String::new() } else { human::size(sums.delete_bytes) },
        tainted: !session.tainted.is_empty(),
    }
}
