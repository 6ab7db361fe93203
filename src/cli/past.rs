//! The history of usage, as commands read and write it. Nothing here can make a command fail.

use super::context::Context;
use crate::apply::{self, Root};
use crate::core::model::{Inventory, Time};
use crate::core::trend::{self, Forecast, Point};
use crate::core::usage::{By, Report, Trash, Trashed};
use crate::history::{History, HistoryError, Measured, OwnerPoint, SessionPoint};
use crate::report::usage::Moment;
use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsFd as _;

/// Trends are of so many days: what grew last year says little about the next weeks.
const TREND_DAYS: i64 = 30;
const DAY: i64 = 86_400 * Time::NANOS_PER_SEC;

/// What lies in the trash, by session.
pub fn trash(root: &Root, inventory: &Inventory) -> Vec<Trashed> {
    let owners: HashMap<&str, &str> =
        inventory.sessions.iter().map(|s| (&*s.name, &*s.owner)).collect();
    // What cannot be read is not counted; `log` says why.
    let runs = apply::runs(root).map(|(runs, _)| runs).unwrap_or_default();
    let mut sessions: BTreeMap<String, Trash> = BTreeMap::new();
    for item in runs.iter().flat_map(|r| &r.items).filter(|i| i.in_trash()) {
        let sum = sessions.entry(item.session.clone()).or_default();
        sum.checkpoints += 1;
        sum.bytes = sum.bytes.saturating_add(item.bytes);
    }
    let trashed = |(session, trash): (String, Trash)| {
        // A session that has nothing left is charged as its name says.
        let own = || session.split('/').next().unwrap_or(&session);
        let owner = owners.get(&*session).copied().unwrap_or_else(own).to_owned();
        Trashed { session, owner, trash }
    };
    sessions.into_iter().map(trashed).collect()
}

/// What a report says, for the history. It must have all owners and all sessions.
pub fn measured(source: &'static str, report: &Report) -> Measured {
    let point = |a: &crate::core::usage::Amount, trash| OwnerPoint {
        bytes: a.bytes,
        apparent: a.apparent,
        checkpoints: a.checkpoints,
        sessions: a.sessions,
        reclaimable: a.reclaimable,
        trash,
    };
    let rows = |by| report.groups.iter().filter(move |g| g.by == by).flat_map(|g| &g.rows);
    Measured {
        source,
        total: point(&report.total, report.trash.map(|t| t.bytes)),
        space: report.space,
        owners: rows(By::Owner).map(|r| (r.name.clone(), point(&r.amount, r.trash))).collect(),
        sessions: rows(By::Session)
            .filter(|r| r.amount.checkpoints > 0)
            .map(|r| {
                let (bytes, checkpoints) = (r.amount.bytes, r.amount.checkpoints);
                (r.name.clone(), SessionPoint { bytes, checkpoints })
            })
            .collect(),
    }
}

/// Adds a point to the history of a declared root.
pub fn record(context: &Context, root: &Root, measured: &Measured) {
    update(context, root, |history| history.record(context.now, measured));
}

/// Changes the history, and says what is to be said; `None` if nothing was changed.
pub fn update<T>(
    context: &Context,
    root: &Root,
    change: impl FnOnce(&mut History) -> Result<T, HistoryError>,
) -> Option<T> {
    let ours = match root.ours() {
        Ok(Some(ours)) if root.id.is_some() => ours,
        Ok(_) => {
            context.ui.detail("no history of usage: this is no declared root (`retain init`)");
            return None;
        }
        Err(e) => {
            let text = format!("no history of usage: {e}");
            if e.kind() == std::io::ErrorKind::PermissionDenied {
                context.ui.detail(text);
            } else {
                context.ui.warn(text);
            }
            return None;
        }
    };
    match History::update(ours.as_fd(), context.now, change) {
        Ok((value, aside)) => {
            if let Some(name) = aside {
                context.ui.warn(format!(
                    "the history of usage was damaged; it is now .retain/{name}, and a new one was begun"
                ));
            }
            Some(value)
        }
        Err(e) if e.is_not_ours() => {
            context.ui.detail(format!("{e}"));
            None
        }
        Err(e) => {
            context.ui.warn(e.to_string());
            None
        }
    }
}

/// The history, if there is one that can be read.
fn read(context: &Context, root: &Root) -> Option<History> {
    let ours = root.ours().ok().flatten()?;
    match History::read(ours.as_fd()) {
        Ok(history) => history,
        Err(e) if e.is_not_ours() => {
            context.ui.detail(e.to_string());
            None
        }
        Err(e) => {
            context.ui.warn(e.to_string());
            None
        }
    }
}

/// What the history foretells.
#[derive(Default)]
pub struct Future {
    pub timeline: Vec<Moment>,
    pub space: Option<Forecast>,
    /// For each quota of the report.
    pub quotas: Vec<Option<Forecast>>,
}

/// The trends of a report, as far as there is a history.
pub fn foresee(context: &Context, root: &Root, report: &Report) -> Option<Future> {
    match future(&read(context, root)?, report) {
        Ok(future) => Some(future),
        Err(e) => {
            context.ui.warn(e.to_string());
            None
        }
    }
}

fn future(history: &History, report: &Report) -> Result<Future, HistoryError> {
    let all = history.totals(Time::from_nanos(i64::MIN))?;
    let recent = Time::from_nanos(report.now.nanos().saturating_sub(TREND_DAYS * DAY));
    // What a clock that was ahead wrote is no past.
    let in_past = |at: Time| at >= recent && at <= report.now;
    let disk: Vec<Point> = all
        .iter()
        .filter(|s| in_past(s.at))
        .filter_map(|s| {
            let space = s.value.1?;
            Some(Point { at: s.at, bytes: space.total.saturating_sub(space.free) })
        })
        .collect();
    let root: Vec<Point> = all
        .iter()
        .filter(|s| in_past(s.at))
        .map(|s| Point { at: s.at, bytes: s.value.0.bytes })
        .collect();
    let forecast = |points: &[Point], used, end| {
        let trend = trend::fit(points)?;
        Some(Forecast { trend, full: trend.full(used, end) })
    };
    let mut quotas = Vec::new();
    for q in &report.quotas {
        let of_owner: Vec<Point>;
        let points = match &q.owner {
            Some(owner) => {
                let samples = history.owner(owner, recent)?;
                let past = samples.iter().filter(|s| in_past(s.at));
                of_owner = past.map(|s| Point { at: s.at, bytes: s.value.bytes }).collect();
                &of_owner
            }
            None if q.min_free => &disk,
            None => &root,
        };
        quotas.push(forecast(points, q.used, q.allowed));
    }
    let space = report.space.and_then(|s| forecast(&disk, s.total.saturating_sub(s.free), s.total));
    let timeline = all
        .iter()
        .map(|s| Moment { at: s.at, bytes: s.value.0.bytes, trash: s.value.0.trash })
        .collect();
    Ok(Future { timeline, space, quotas })
}
