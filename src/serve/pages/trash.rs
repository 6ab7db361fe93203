//! What was done here, what of it is in the trash, and how it comes back or goes for good.

use super::super::answer::Problem;
use super::super::form::query;
use super::super::lang::fill;
use super::super::runs::{self, Seen};
use super::super::said;
use super::{Answer, Frame, Pager, Visit, When, html};
use crate::apply::Count;
use crate::apply::journal::history::State;
use crate::report::{human, sanitize};
use crate::steps::by_hand;
use askama::Template;
use axum::extract::Path;

/// Rows of one part of a list.
const LIMIT: usize = 200;

#[derive(Template)]
#[template(path = "trash.html")]
struct Page {
    f: Frame,
    lead: String,
    rows: Vec<Row>,
    faults: Vec<String>,
    pager: Pager,
}

struct Row {
    id: String,
    url: String,
    when: Option<When>,
    policy: String,
    in_trash: String,
    purged: String,
    restored: String,
    until: String,
    state: &'static str,
    /// It can be restored whole from here.
    restorable: bool,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    f: Frame,
    id: String,
    row: Row,
    stopped: String,
    skipped: Vec<String>,
    sessions: Vec<SessionRow>,
    items: Vec<Item>,
    pager: Pager,
    count: u64,
    confirm: String,
    purge_lead: String,
    /// All of the run is theirs.
    whole: bool,
}

struct SessionRow {
    name: String,
    checkpoints: String,
}

struct Item {
    session: String,
    id: String,
    size: String,
    state: &'static str,
    why: String,
    restorable: bool,
}

pub async fn show(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    let view = site.view();
    let t = visit.t();
    let f = visit.frame(t.trash, "trash", Some(&site));
    let found = runs::all(&site, view.as_deref(), visit.who()).await;
    let (list, faults) = found.map_err(|e| Problem::internal(&e))?;
    let sum = list.iter().fold(Count::default(), |sum, s| Count {
        checkpoints: sum.checkpoints + s.run.in_trash.checkpoints,
        bytes: sum.bytes.saturating_add(s.run.in_trash.bytes),
    });
    let offset = visit.query.number("offset", 0);
    let rows: Vec<Row> =
        list.iter().skip(offset).take(LIMIT).map(|s| row(&visit, s, f.site())).collect();
    let link = |offset: usize| format!("{}/trash?offset={offset}", f.site());
    let pager = Pager::new(&visit, offset, rows.len(), LIMIT, list.len(), link);
    html(&Page {
        lead: match sum.checkpoints {
            0 => t.trash_empty.to_owned(),
            n => fill(t.in_trash_lead, &[&visit.lang.checkpoints(n), &human::size(sum.bytes)]),
        },
        rows,
        faults: faults
            .iter()
            .map(|f| sanitize::terminal(&said::fault(visit.lang, f)).into_owned())
            .collect(),
        pager,
        f,
    })
}

pub async fn run(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    let view = site.view();
    let t = visit.t();
    let id = visit.query.get("run").unwrap_or_default();
    let found = runs::one(&site, view.as_deref(), visit.who(), id).await;
    let seen = found.map_err(|e| Problem::internal(&e))?.ok_or_else(Problem::not_found)?;
    let f = visit.frame(&fill(t.run_title, &[&seen.run.id]), "trash", Some(&site));
    let run = &seen.run;
    let offset = visit.query.number("offset", 0);
    let items: Vec<Item> = run
        .items
        .iter()
        .skip(offset)
        .take(LIMIT)
        .map(|i| Item {
            session: sanitize::terminal(&i.session).into_owned(),
            id: sanitize::terminal(&i.id).into_owned(),
            size: human::size(i.bytes),
            state: state(&visit, i.state),
            why: sanitize::terminal(&said::journal(visit.lang, &i.why)).into_owned(),
            restorable: is_restorable(i.state),
        })
        .collect();
    let link = |offset: usize| {
        let offset = offset.to_string();
        format!("{}/run{}", f.site(), query(&[("run", &run.id), ("offset", &offset)]))
    };
    let pager = Pager::new(&visit, offset, items.len(), LIMIT, run.items.len(), link);
    let mut sessions: Vec<SessionRow> = Vec::new();
    for item in run.items.iter().filter(|i| is_restorable(i.state)) {
        let name = sanitize::terminal(&item.session);
        if sessions.last().is_none_or(|s| s.name != name) {
            let count = run.items.iter().filter(|i| i.session == item.session);
            let count = count.filter(|i| is_restorable(i.state)).count() as u64;
            let name = name.into_owned();
            sessions.push(SessionRow { name, checkpoints: visit.lang.checkpoints(count) });
        }
        if sessions.len() > LIMIT {
            break;
        }
    }
    let count = run.in_trash.checkpoints;
    html(&RunPage {
        row: row(&visit, &seen, f.site()),
        stopped: run.stopped.as_deref().map_or_else(String::new, |why| {
            sanitize::terminal(&said::fault(visit.lang, why)).into_owned()
        }),
        skipped: run
            .skipped
            .iter()
            .map(|(s, why)| {
                let why = said::fault(visit.lang, why);
                sanitize::terminal(&format!("{s}: {why}")).into_owned()
            })
            .collect(),
        sessions,
        items,
        pager,
        count,
        confirm: fill(t.confirm, &[&human::grouped(count)]),
        purge_lead: fill(
            t.purge_lead,
            &[&visit.lang.checkpoints(count), &human::size(run.in_trash.bytes)],
        ),
        whole: seen.whole,
        id: run.id.clone(),
        f,
    })
}

fn is_restorable(state: State) -> bool {
    matches!(state, State::Moved | State::Intent)
}

fn row(visit: &Visit, seen: &Seen, base: &str) -> Row {
    let run = &seen.run;
    let t = visit.t();
    let now = visit.app.now();
    let amount = |c: Count| match c.checkpoints {
        0 => String::new(),
        n => format!("{} ({})", human::grouped(n), human::size(c.bytes)),
    };
    Row {
        url: format!("{base}/run{}", query(&[("run", &run.id)])),
        when: run.at.map(|at| When::new(visit.lang, now, at)),
        policy: match run.policy.as_str() {
            by_hand::SOURCE => t.by_hand.to_owned(),
            policy => sanitize::terminal(policy).into_owned(),
        },
        in_trash: amount(run.in_trash),
        purged: amount(run.purged),
        restored: amount(run.restored),
        until: match run.expires {
            Some(at) if at > now => human::time(at),
            Some(_) => t.next_purge.to_owned(),
            None => String::new(),
        },
        state: if run.unfinished {
            t.unfinished
        } else if run.damaged {
            t.damaged
        } else {
            ""
        },
        restorable: seen.whole && run.in_trash.checkpoints > 0,
        id: run.id.clone(),
    }
}

fn state(visit: &Visit, state: State) -> &'static str {
    let t = visit.t();
    match state {
        State::Moved | State::Intent => t.state_trash,
        State::Purging | State::Purged => t.state_purged,
        State::Restored => t.state_restored,
        State::Kept => t.state_kept,
        State::Gone | State::Lost => t.state_gone,
    }
}
