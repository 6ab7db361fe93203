//! What the history of usage is fed with, and what it foretells.

use crate::apply::RunSummary;
use crate::core::model::{Inventory, Time};
use crate::core::trend::{self, Forecast, Point};
use crate::core::usage::{By, Report, Trash, Trashed};
use crate::history::{History, HistoryError, Measured, OwnerPoint, SessionPoint};
use crate::report::usage::Moment;
use crate::scan::Owner;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Trends are of so many days: what grew last year says little about the next weeks.
const TREND_DAYS: i64 = 30;
const DAY: i64 = 86_400 * Time::NANOS_PER_SEC;

/// What lies in the trash, by session, charged as `owner` says.
pub fn trash_of<'a>(
    runs: impl IntoIterator<Item = &'a RunSummary>,
    inventory: &Inventory,
    owner: Owner,
) -> Vec<Trashed> {
    let owners: HashMap<&str, &str> =
        inventory.sessions.iter().map(|s| (&*s.name, &*s.owner)).collect();
    let mut sessions: BTreeMap<String, Trash> = BTreeMap::new();
    for item in runs.into_iter().flat_map(|r| &r.items).filter(|i| i.in_trash()) {
        let sum = sessions.entry(item.session.clone()).or_default();
        sum.checkpoints += 1;
        sum.bytes = sum.bytes.saturating_add(item.bytes);
    }
    let known: HashSet<&str> = owners.values().copied().collect();
    // A session that has nothing left is charged as its name says. If it was one of several in a
    // directory, those that are left say whose that is.
    let by_name = |session: &str| {
        let cut = session.rsplit_once('#').and_then(|(folder, _)| owner.by_name(folder));
        cut.filter(|o| known.contains(&**o)).or_else(|| owner.by_name(session))
    };
    let trashed = |(session, trash): (String, Trash)| {
        let owner = owners.get(&*session).map(|o| (*o).to_owned());
        Trashed { owner: owner.or_else(|| by_name(&session)), session, trash }
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

/// What the history foretells.
#[derive(Default)]
pub struct Future {
    pub timeline: Vec<Moment>,
    pub space: Option<Forecast>,
    /// For each quota of the report.
    pub quotas: Vec<Option<Forecast>>,
}

/// Reads the history and draws the trends of a report.
///
/// # Errors
/// The database cannot be read.
pub fn future(history: &History, report: &Report) -> Result<Future, HistoryError> {
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
