//! All sessions: search, filter, sort; and choosing several to free space in.

use super::super::form::{Form, query};
use super::super::recipe::{MOST, Recipe, Take};
use super::super::said;
use super::super::site::Site;
use super::super::view::View;
use super::super::view::index::{Filter, Sort};
use super::{Answer, Frame, Pager, Visit, When, heavy, html, status};
use crate::core::model::Status;
use crate::report::{human, sanitize};
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;

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
    heads: Vec<Head>,
    rows: Vec<Row>,
    pager: Pager,
    choice: Choice,
    /// There is nothing at all, whatever is searched for.
    empty: bool,
    empty_how: String,
}

/// The head of a column.
struct Head {
    word: &'static str,
    /// Sorts by it, and then the other way round; empty: it cannot be sorted by.
    url: String,
    /// As `aria-sort` has it; empty: it is not sorted by.
    sorted: &'static str,
    number: bool,
}

/// What is chosen of the sessions; after a mistake, what was.
struct Choice {
    /// The filter, as hidden fields.
    filter: Vec<(&'static str, String)>,
    /// So many would be taken by it; too many have a text instead.
    all: Result<String, String>,
    /// What was asked for before, so that nothing has to be asked for twice.
    take: &'static str,
    pattern: String,
    every: bool,
}

struct Row {
    url: String,
    ticked: bool,
    choose: String,
    bytes: u64,
    freed_bytes: u64,
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
pub fn filter(q: &Form, limit: usize) -> Filter {
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
    html(&page(&visit, &site, &view, &visit.query, &Form::default()))
}

/// Shows what would be freed in the chosen sessions; nothing is deleted by it.
pub async fn review(visit: Visit, Path(slug): Path<String>, body: Bytes) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let form = Form::new(&body);
    let t = visit.t();
    let again = |text: String| {
        let mut page = page(&visit, &site, &view, &form, &form);
        page.f = page.f.bad(text);
        status(StatusCode::UNPROCESSABLE_ENTITY, &page)
    };
    let who = visit.who();
    let mut chosen: Vec<usize> = if form.has("every") {
        let filter = Filter { offset: 0, ..filter(&form, MOST) };
        let found = view.sessions(&who.scope, &filter);
        if found.total > MOST {
            return again(super::fill(
                t.too_many_found,
                &[&visit.lang.sessions(found.total as u64)],
            ));
        }
        found.items
    } else {
        let named = form.all("s").map(|name| visit.session(&view, Some(name)));
        named.collect::<Result<_, _>>()?
    };
    chosen.sort_unstable();
    chosen.dedup();
    if chosen.is_empty() {
        return again(t.nothing_chosen_sessions.to_owned());
    }
    let take = Take::of_form(&form).ok_or_else(super::Problem::not_found)?;
    if take == Take::Names(Vec::new()) {
        return again(t.no_names.to_owned());
    }
    let sessions = chosen.iter().take(MOST).map(|s| view.session(*s).name.to_string()).collect();
    let recipe = Recipe::Sessions { sessions, take };
    match heavy(|| recipe.plan(&view, who, visit.app.now())) {
        Ok(planned) => {
            super::choice::page(&visit, &site, &view, &recipe, &planned, None, StatusCode::OK)
        }
        Err(why) => {
            let problem = super::choice::unplanned(&visit, why);
            again(said::problem(visit.lang, &problem.text, problem.help.as_deref()))
        }
    }
}

/// `asked` holds the filter, `form` what was chosen.
fn page(visit: &Visit, site: &Site, view: &View, asked: &Form, form: &Form) -> Page {
    let mut f = visit.frame(visit.t().sessions, "sessions", Some(site));
    let filter = filter(asked, LIMIT);
    let who = visit.who();
    let page = view.sessions(&who.scope, &filter);
    let base = f.site().to_owned();
    let address = |sort: Sort, reverse: bool, offset: &str| {
        let pairs = [
            ("q", filter.text.as_str()),
            ("owner", filter.owner.as_deref().unwrap_or_default()),
            ("status", filter.status.map_or("", Status::as_str)),
            ("sort", sort.as_str()),
            ("reverse", if reverse { "1" } else { "" }),
            ("offset", offset),
        ];
        format!("{base}/sessions{}", query(&pairs))
    };
    let link = |offset: usize| address(filter.sort, filter.reverse, &offset.to_string());
    let head = |word: &'static str, sort: Option<Sort>, number: bool| {
        let own = sort == Some(filter.sort);
        let url = sort.map(|sort| address(sort, own && !filter.reverse, ""));
        // Names from A on, all else from the most down.
        let up = (sort == Some(Sort::Name)) != filter.reverse;
        let sorted = match (own, up) {
            (false, _) => "",
            (true, true) => "ascending",
            (true, false) => "descending",
        };
        Head { word, url: url.unwrap_or_default(), sorted, number }
    };
    if form.has("csrf") {
        // The page was posted to.
        let own = link(filter.offset);
        f.here = own.strip_prefix(&visit.app.prefix).unwrap_or(&own).to_owned();
    }
    let pager = Pager::new(visit, filter.offset, page.items.len(), LIMIT, page.total, link);
    let t = visit.t();
    let owners = view.index.owners.iter().filter(|o| who.sees(&o.name)).map(|o| {
        let (printed, wanted) = (sanitize::terminal(&o.name), filter.owner.as_deref());
        let on = wanted == Some(&*o.name) || wanted == Some(&*printed);
        (printed.into_owned(), on)
    });
    let statuses = [("running", t.running), ("exited", t.exited), ("unknown", t.unknown)];
    let chosen = filter.status.map_or("", Status::as_str);
    let words = [t.by_name, t.by_size, t.by_time, t.by_count, t.by_freed];
    let sorts = Sort::ALL.into_iter().zip(words);
    let shown = sanitize::terminal(&site.shown).into_owned();
    let total = visit.lang.sessions(page.total as u64);
    let choice = Choice {
        filter: vec![
            ("q", filter.text.clone()),
            ("owner", sanitize::terminal(filter.owner.as_deref().unwrap_or_default()).into_owned()),
            ("status", filter.status.map_or("", Status::as_str).to_owned()),
            ("sort", filter.sort.as_str().to_owned()),
            ("offset", filter.offset.to_string()),
        ],
        all: if page.total > MOST {
            Err(super::fill(t.too_many_found, &[&total]))
        } else {
            Ok(super::fill(t.all_found, &[&total]))
        },
        take: Take::of_form(form).map_or("policy", |take| take.key()),
        pattern: form.get("pattern").unwrap_or_default().to_owned(),
        every: form.has("every"),
    };
    Page {
        choice,
        text: filter.text.clone(),
        owners: owners.collect(),
        statuses: statuses.map(|(value, word)| (value, word, value == chosen)).into(),
        sorts: sorts.map(|(s, word)| (s.as_str(), word, s == filter.sort)).collect(),
        reverse: filter.reverse,
        heads: vec![
            head(t.session, Some(Sort::Name), false),
            head(t.size, Some(Sort::Size), true),
            head(t.reclaimable, Some(Sort::Freed), true),
            head(t.checkpoints, Some(Sort::Count), true),
            head(t.owner, None, false),
            head(t.by_time, Some(Sort::Time), false),
            head(t.status, None, false),
        ],
        rows: page.items.iter().map(|s| row(visit, view, *s, f.site(), form)).collect(),
        pager,
        empty: !view.index.owners.iter().any(|o| who.sees(&o.name)),
        empty_how: super::fill(t.empty_root_how, &[&shown]),
        f,
    }
}

fn row(visit: &Visit, view: &View, s: usize, base: &str, form: &Form) -> Row {
    let (session, sums) = (view.session(s), &view.index.rows[s]);
    let t = visit.t();
    let name = sanitize::terminal(&session.name).into_owned();
    Row {
        ticked: form.all("s").any(|n| n == name),
        choose: super::fill(t.choose_one, &[&name]),
        bytes: sums.bytes,
        freed_bytes: sums.delete_bytes,
        url: format!("{base}/session{}", query(&[("name", &session.name)])),
        name,
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
