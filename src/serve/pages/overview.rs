//! Who uses what, against which quota, and what could be reclaimed now and by which rule.

use super::super::form::query;
use super::super::lang::{Lang, fill};
use super::super::said;
use super::super::view::View;
use super::super::view::index::{Filter, Sort};
use super::map::{self, Map};
use super::{Answer, Frame, Visit, When, html, login};
use crate::core::trend::Forecast;
use crate::core::usage::QuotaUse;
use crate::report::{human, sanitize, usage};
use askama::Template;
use axum::extract::Path;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    f: Frame,
    used: String,
    used_by: String,
    freed: String,
    /// Empty: the policy frees nothing.
    freed_of: String,
    trash: String,
    trash_of: String,
    disk_free: Option<(String, String)>,
    owners: Vec<OwnerRow>,
    /// An owner has one of their own.
    owner_quotas: bool,
    more: Option<String>,
    quotas: Vec<Quota>,
    causes: Vec<CauseRow>,
    maps: [Map; 2],
    biggest: Vec<Biggest>,
    history_url: String,
    moments: Vec<Moment>,
    chart: Lines,
    disk: String,
    faults: Vec<String>,
    unrecognised: Option<String>,
    empty: bool,
    empty_how: String,
}

struct OwnerRow {
    name: String,
    url: String,
    sessions: String,
    checkpoints: String,
    size: String,
    freed: String,
    quota: Option<Quota>,
}

/// A quota as a bar with words.
struct Quota {
    name: String,
    text: String,
    /// In hundredths of the bar.
    filled: u64,
    over: bool,
    /// When it is full, as `retain usage` says it.
    forecast: String,
}

/// The lines of the chart beside usage.
struct Lines {
    trash: bool,
    quota: bool,
}

/// Usage at one time.
struct Moment {
    at: When,
    size: String,
    trash: String,
}

struct CauseRow {
    url: String,
    name: String,
    kind: String,
    checkpoints: String,
    size: String,
}

/// A session that takes much.
struct Biggest {
    name: String,
    url: String,
    owner: String,
    size: String,
    freed: String,
}

/// So many sessions are named beside the map.
const BIGGEST: usize = 10;
/// So many owners are listed; all are in the list of sessions.
const OWNERS: usize = 50;

pub async fn show(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let who = visit.who();
    let t = visit.t();
    let f = visit.frame(t.overview, "overview", Some(&site));
    let mine: Vec<_> = view.index.owners.iter().filter(|o| who.sees(&o.name)).collect();
    let sum = |of: &dyn Fn(&super::super::view::index::Owner) -> u64| {
        mine.iter().map(|o| of(o)).sum::<u64>()
    };
    let all = who.is_administrator();
    // A file that two owners share counts once in the whole.
    let bytes = if all { view.index.bytes } else { sum(&|o| o.bytes) };
    let freed = if all { view.index.delete_bytes } else { sum(&|o| o.delete_bytes) };
    let past = visit.past(&site, &view).await?;
    let trash = past.report.trash.unwrap_or_default();
    let of_owner = |name: &str| {
        past.quotas().find(|(q, _)| q.owner.as_deref() == Some(name)).map(|q| bar(visit.lang, q))
    };
    let rows = mine.iter().take(OWNERS).map(|o| OwnerRow {
        name: sanitize::terminal(&o.name).into_owned(),
        url: format!("{}/sessions{}", f.site(), query(&[("owner", &*o.name), ("sort", "size")])),
        sessions: human::grouped(o.sessions.len() as u64),
        checkpoints: human::grouped(o.checkpoints),
        size: human::size(o.bytes),
        freed: if o.delete == 0 { String::new() } else { human::size(o.delete_bytes) },
        quota: of_owner(&o.name),
    });
    let unrecognised = view.seen.unrecognised.files;
    let shown = sanitize::terminal(&site.shown).into_owned();
    html(&Page {
        used: human::size(bytes),
        used_by: fill(
            t.tile_used_of,
            &[
                &visit.lang.checkpoints(sum(&|o| o.checkpoints)),
                &visit.lang.sessions(sum(&|o| o.sessions.len() as u64)),
            ],
        ),
        freed: human::size(freed),
        freed_of: match sum(&|o| o.delete) {
            0 => String::new(),
            n => fill(t.by_the_policy, &[&visit.lang.checkpoints(n)]),
        },
        trash: match trash.checkpoints {
            0 => t.tile_trash_empty.to_owned(),
            _ => human::size(trash.bytes),
        },
        trash_of: match trash.checkpoints {
            0 => t.trash_holds_none.to_owned(),
            n => fill(t.trash_holds, &[&visit.lang.checkpoints(n)]),
        },
        disk_free: past.report.space.filter(|_| all).map(|space| {
            (human::size(space.free_now()), fill(t.tile_disk_of, &[&human::size(space.total)]))
        }),
        owner_quotas: past.quotas().any(|(q, _)| q.owner.is_some()),
        owners: rows.collect(),
        more: (mine.len() > OWNERS).then(|| human::grouped((mine.len() - OWNERS) as u64)),
        quotas: if all {
            past.quotas().filter(|(q, _)| q.owner.is_none()).map(|q| bar(visit.lang, q)).collect()
        } else {
            Vec::new()
        },
        causes: if all { causes(&visit, &view, f.site()) } else { Vec::new() },
        maps: map::maps(&view, &visit, f.site()),
        biggest: biggest(&visit, &view, f.site()),
        history_url: format!("{}/api/v1/roots/{}/usage", visit.app.prefix, site.slug),
        chart: Lines {
            trash: past.future.timeline.iter().any(|m| m.trash.is_some()),
            quota: past.quotas().any(|(q, _)| q.owner.is_none() && !q.min_free),
        },
        moments: moments(&visit, &past.future.timeline),
        disk: match &past.future.space {
            Some(foreseen) if all => said::forecast(visit.lang, foreseen),
            _ => String::new(),
        },
        faults: if all {
            let faults = view.seen.faults.iter().take(20);
            faults.map(|f| sanitize::terminal(&said::fault(visit.lang, f)).into_owned()).collect()
        } else {
            Vec::new()
        },
        unrecognised: (all && unrecognised > 0)
            .then(|| fill(t.unrecognised, &[&human::grouped(unrecognised)])),
        empty: mine.is_empty(),
        empty_how: fill(t.empty_root_how, &[&shown]),
        f,
    })
}

/// The first root; a reader of one root never sees a list of one.
pub async fn home(visit: Visit) -> Answer {
    let first = visit.app.sites.first().ok_or_else(super::Problem::not_found)?;
    Ok(login::redirect(&format!("{}/r/{}", visit.app.prefix, first.slug)))
}

fn bar(lang: Lang, (q, foreseen): (&QuotaUse, Option<Forecast>)) -> Quota {
    Quota {
        forecast: foreseen.as_ref().map(|f| said::forecast(lang, f)).unwrap_or_default(),
        name: sanitize::terminal(&q.name).into_owned(),
        text: format!("{} / {}", human::size(q.used), human::size(q.allowed)),
        filled: q.percent().min(100),
        over: q.is_over(),
    }
}

/// The newest first, no more than a table can show.
fn moments(visit: &Visit, timeline: &[usage::Moment]) -> Vec<Moment> {
    let now = visit.app.now();
    let one = |m: &usage::Moment| Moment {
        at: When::new(visit.lang, now, m.at),
        size: human::size(m.bytes),
        trash: m.trash.map(human::size).unwrap_or_default(),
    };
    timeline.iter().rev().take(60).map(one).collect()
}

fn causes(visit: &Visit, view: &View, base: &str) -> Vec<CauseRow> {
    (0_usize..)
        .zip(&view.index.causes)
        .map(|(i, cause)| CauseRow {
            url: format!("{base}/plan?cause={i}"),
            name: sanitize::terminal(&cause.name).into_owned(),
            kind: said::cause(visit.lang, cause.kind),
            checkpoints: human::grouped(cause.checkpoints),
            size: human::size(cause.bytes),
        })
        .collect()
}

/// What the map shows in areas, as words.
fn biggest(visit: &Visit, view: &View, base: &str) -> Vec<Biggest> {
    let filter = Filter { sort: Sort::Size, limit: BIGGEST, ..Filter::default() };
    let found = view.sessions(&visit.who().scope, &filter);
    let one = |s: usize| {
        let (session, sums) = (view.session(s), &view.index.rows[s]);
        Biggest {
            name: sanitize::terminal(&session.name).into_owned(),
            url: format!("{base}/session{}", query(&[("name", &*session.name)])),
            owner: sanitize::terminal(&session.owner).into_owned(),
            size: human::size(sums.bytes),
            freed: if sums.delete == 0 { String::new() } else { human::size(sums.delete_bytes) },
        }
    };
    found.items.into_iter().map(one).collect()
}
