//! Who uses what, against which quota, and what could be reclaimed now and by which rule.

use super::super::form::query;
use super::super::lang::fill;
use super::super::treemap::{self, Rect};
use super::super::view::View;
use super::super::view::tree::Node;
use super::{Answer, Frame, Visit, When, heavy, html, login};
use crate::core::trend::Forecast;
use crate::core::usage::QuotaUse;
use crate::report::{human, sanitize, usage};
use askama::Template;
use axum::extract::Path;

/// The picture's size, in its own units.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 460.0;
/// The height of a title line in it, and the width of a character.
const LINE: f64 = 18.0;
const CHARACTER: f64 = 7.5;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    f: Frame,
    lead: String,
    reclaim: String,
    reclaim_url: Option<String>,
    owners: Vec<OwnerRow>,
    more: Option<String>,
    quotas: Vec<Quota>,
    causes: Vec<CauseRow>,
    cells: Vec<Cell>,
    history_url: String,
    moments: Vec<Moment>,
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

/// A rectangle of the map.
struct Cell {
    url: String,
    title: String,
    label: String,
    class: &'static str,
    x: String,
    y: String,
    w: String,
    h: String,
    text_x: String,
    text_y: String,
}

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
    let root = site.open().map_err(|e| super::Problem::internal(&e))?;
    let past = heavy(|| view.past(&root, &who.scope));
    let of_owner =
        |name: &str| past.quotas().find(|(q, _)| q.owner.as_deref() == Some(name)).map(bar);
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
        lead: fill(
            t.in_use,
            &[
                &human::size(bytes),
                &visit.lang.sessions(sum(&|o| o.sessions.len() as u64)),
                &visit.lang.checkpoints(sum(&|o| o.checkpoints)),
            ],
        ),
        reclaim: fill(
            t.reclaim_now,
            &[&human::size(freed), &visit.lang.checkpoints(sum(&|o| o.delete))],
        ),
        reclaim_url: (freed > 0).then(|| format!("{}/plan", f.site())),
        owners: rows.collect(),
        more: (mine.len() > OWNERS).then(|| human::grouped((mine.len() - OWNERS) as u64)),
        quotas: if all {
            past.quotas().filter(|(q, _)| q.owner.is_none()).map(bar).collect()
        } else {
            Vec::new()
        },
        causes: if all { causes(&view, f.site()) } else { Vec::new() },
        cells: cells(&view, &visit, f.site()),
        history_url: format!("{}/api/v1/roots/{}/usage", visit.app.prefix, site.slug),
        moments: moments(&visit, &past.future.timeline),
        disk: match (past.report.space, past.future.space) {
            (Some(space), foreseen) if all => {
                let free = fill(t.disk, &[&human::size(space.free), &human::size(space.total)]);
                let foreseen = foreseen.as_ref().map(usage::forecast);
                foreseen.map_or(free.clone(), |f| format!("{free} {f}"))
            }
            _ => String::new(),
        },
        faults: if all {
            let faults = view.seen.faults.iter().take(20);
            faults.map(|f| sanitize::terminal(f).into_owned()).collect()
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

fn bar((q, foreseen): (&QuotaUse, Option<Forecast>)) -> Quota {
    Quota {
        forecast: foreseen.as_ref().map(usage::forecast).unwrap_or_default(),
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

fn causes(view: &View, base: &str) -> Vec<CauseRow> {
    (0_usize..)
        .zip(&view.index.causes)
        .map(|(i, cause)| CauseRow {
            url: format!("{base}/plan?cause={i}"),
            name: sanitize::terminal(&cause.name).into_owned(),
            kind: cause.kind.clone(),
            checkpoints: human::grouped(cause.checkpoints),
            size: human::size(cause.bytes),
        })
        .collect()
}

fn cells(view: &View, visit: &Visit, base: &str) -> Vec<Cell> {
    let nodes = view.tree(&visit.who().scope);
    let mut cells = Vec::new();
    let whole = Rect { x: 0.0, y: 0.0, w: WIDTH, h: HEIGHT };
    place(&nodes, whole, 0, &mut cells, &Drawing { visit, base });
    cells
}

struct Drawing<'a> {
    visit: &'a Visit,
    base: &'a str,
}

fn place(nodes: &[Node], into: Rect, depth: usize, out: &mut Vec<Cell>, drawing: &Drawing<'_>) {
    #[expect(clippy::cast_precision_loss, reason = "areas on a screen")]
    let sizes: Vec<f64> = nodes.iter().map(|n| n.bytes as f64).collect();
    for (node, rect) in nodes.iter().zip(treemap::layout(&sizes, into)) {
        // What nobody could see or hit is left out.
        if rect.w < 3.0 || rect.h < 3.0 {
            continue;
        }
        out.push(cell(node, rect, depth, drawing));
        let room = rect.inside(2.0);
        let below = Rect { y: room.y + LINE, h: (room.h - LINE).max(0.0), ..room };
        if below.h > LINE && below.w > LINE {
            place(&node.children, below, depth + 1, out, drawing);
        }
    }
}

fn cell(node: &Node, rect: Rect, depth: usize, drawing: &Drawing<'_>) -> Cell {
    let t = drawing.visit.t();
    let base = drawing.base;
    let name = match node.name.as_str() {
        "" => t.the_rest.to_owned(),
        name => sanitize::terminal(name).into_owned(),
    };
    let url = match (depth, node.name.as_str()) {
        (_, "") => format!("{base}/sessions?sort=size"),
        (0, owner) => format!("{base}/sessions{}", query(&[("owner", owner), ("sort", "size")])),
        (1, folder) => {
            format!("{base}/sessions{}", query(&[("q", &format!("{folder}/")), ("sort", "size")]))
        }
        (_, session) => format!("{base}/session{}", query(&[("name", session)])),
    };
    let short = name.rsplit('/').next().unwrap_or(&name).to_owned();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few letters")]
    let fits = (rect.w / CHARACTER).max(0.0) as usize;
    let label = if rect.h < LINE || fits < 3 {
        String::new()
    } else if short.chars().count() > fits {
        short.chars().take(fits - 1).collect::<String>() + "…"
    } else {
        short
    };
    let number = |x: f64| format!("{x:.1}");
    Cell {
        url,
        title: format!("{name}: {}", human::size(node.bytes)),
        label,
        class: ["t-owner", "t-dataset", "t-session"][depth.min(2)],
        x: number(rect.x),
        y: number(rect.y),
        w: number(rect.w),
        h: number(rect.h),
        text_x: number(rect.x + 5.0),
        text_y: number(rect.y + LINE - 4.0),
    }
}
