//! Who uses what: as a table, CSV, Markdown and JSON. The page with charts is in [`super::html`].

use super::human;
use super::sanitize;
use super::table::{Align, Cell, Table};
use crate::core::model::Time;
use crate::core::trend::{Forecast, Full};
use crate::core::usage::{Amount, By, Group, QuotaUse, Report, Row};
use anstyle::Style;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A report and what goes with it.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    pub root: &'a str,
    pub report: &'a Report,
    /// For each quota of the report, in its order.
    pub quota_forecasts: &'a [Option<Forecast>],
    pub space_forecast: Option<Forecast>,
    /// Usage over time, oldest first; empty without a history.
    pub timeline: &'a [Moment],
}

/// Bytes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Time,
    pub bytes: u64,
    pub trash: Option<u64>,
}

impl Page<'_> {
    /// Quotas with what is foreseen for them.
    pub fn quotas(&self) -> impl Iterator<Item = (&QuotaUse, Option<Forecast>)> {
        let forecasts = self.quota_forecasts.iter().copied().chain(std::iter::repeat(None));
        self.report.quotas.iter().zip(forecasts)
    }
}

/// For people at a terminal.
pub fn table(page: &Page<'_>) -> String {
    let report = page.report;
    let mut out = String::new();
    for group in &report.groups {
        out.push_str(&group_table(group));
        out.push('\n');
    }
    let t = &report.total;
    let _ = writeln!(
        out,
        "{} in {}: {}{}, reclaimable now {}, protected {}",
        human::count(t.checkpoints, "checkpoint"),
        human::count(t.sessions, "session"),
        human::size(t.bytes),
        apparent(t),
        human::size(t.reclaimable),
        human::size(t.protected)
    );
    for line in facts(page) {
        let _ = writeln!(out, "{}", sanitize::terminal(&line));
    }
    out
}

/// ` (1.20 GiB apparent)` where that is known and differs.
fn apparent(a: &Amount) -> String {
    match a.apparent {
        0 => String::new(),
        n if a.unmeasured > 0 => format!(" (at least {} apparent)", human::size(n)),
        n => format!(" ({} apparent)", human::size(n)),
    }
}

fn group_table(group: &Group) -> String {
    use Align::{Left, Right};
    let trash = group.rows.iter().any(|r| r.trash.is_some_and(|t| t > 0));
    let mut columns = vec![
        (title(group.by), Left),
        ("Sessions", Right),
        ("Checkpoints", Right),
        ("Size", Right),
        ("Apparent", Right),
        ("Reclaimable", Right),
        ("Protected", Right),
        ("No policy", Right),
    ];
    if trash {
        columns.push(("In trash", Right));
    }
    let mut table = Table::new(columns);
    let mut row = |name: &str, a: &Amount, in_trash: Option<u64>, style: Style| {
        let mut cells = vec![Cell::new(name).style(style)];
        cells.extend(figures(a).into_iter().map(Cell::new));
        if trash {
            cells.push(Cell::new(in_trash.map(human::size).unwrap_or_default()));
        }
        table.row(cells);
    };
    for r in &group.rows {
        row(&r.name, &r.amount, r.trash, Style::new());
    }
    if let Some((count, amount)) = &group.rest {
        row(&rest(*count), amount, None, Style::new().dimmed());
    }
    table.render()
}

fn rest(count: u64) -> String {
    format!("... {} more", human::grouped(count))
}

fn title(by: By) -> &'static str {
    match by {
        By::Owner => "Owner",
        By::Dataset => "Dataset",
        By::Session => "Session",
        By::Layout => "Layout",
        By::Age => "Last write",
        By::Outcome => "Outcome",
    }
}

fn figures(a: &Amount) -> [String; 7] {
    let apparent = if a.apparent == 0 { "-".to_owned() } else { human::size(a.apparent) };
    [
        human::grouped(a.sessions),
        human::grouped(a.checkpoints),
        human::size(a.bytes),
        apparent,
        human::size(a.reclaimable),
        human::size(a.protected),
        human::size(a.unmatched),
    ]
}

/// What stands beside the sums: trash, file system, quotas, what was not recognised. One sentence
/// each, not yet escaped.
pub fn facts(page: &Page<'_>) -> Vec<String> {
    let report = page.report;
    let mut facts = Vec::new();
    if let Some(trash) = report.trash.filter(|t| t.checkpoints > 0) {
        facts.push(format!(
            "in the trash besides: {} ({})",
            human::count(trash.checkpoints, "checkpoint"),
            human::size(trash.bytes)
        ));
    }
    if let Some(space) = report.space {
        let (free, total) = (human::size(space.free_now()), human::size(space.total));
        let mut fact = format!("file system: {free} free of {total}");
        if space.trash > 0 {
            let _ = write!(fact, ", {} with what the trash holds", human::size(space.free));
        }
        if let Some(f) = page.space_forecast {
            let _ = write!(fact, "; {}", forecast(&f));
        }
        facts.push(fact);
    }
    for (q, f) in page.quotas() {
        facts.push(quota(q, f));
    }
    if let Some(u) = report.unrecognised.filter(|u| u.files > 0) {
        let size = u.weight.map(|w| {
            let (size, apparent) = (human::size(w.bytes), human::size(w.apparent));
            let unread = match w.unmeasured {
                0 => String::new(),
                n => format!(", without {} that cannot be read", human::grouped(n)),
            };
            format!(", {size} ({apparent} apparent{unread})")
        });
        facts.push(format!(
            "not recognised, in no sum and never touched: {}{} (`retain ls --unrecognised`)",
            human::count(u.files, "file"),
            size.unwrap_or_default()
        ));
    }
    if report.tainted > 0 {
        facts.push(format!(
            "{} could not be read whole; their sums are of what was read",
            human::count(report.tainted, "session")
        ));
    }
    facts
}

/// `quota "team storage" of nlp: 190.00 GiB of 200.00 GiB (95 %), ...`.
pub fn quota(q: &QuotaUse, f: Option<Forecast>) -> String {
    let of = q.owner.as_ref().map(|o| format!(" of {o}")).unwrap_or_default();
    let mut text = format!(
        "quota \"{}\"{of}: {} of {} ({} %)",
        q.name,
        human::size(q.used),
        human::size(q.allowed),
        q.percent()
    );
    if q.after < q.used {
        let _ = write!(text, ", {} after a clean-up", human::size(q.after));
    }
    if let Some(f) = f {
        let _ = write!(text, "; {}", forecast(&f));
    }
    text
}

/// `full in 12 days (95 %: 9 to 20 days), growing 1.20 GiB a day`.
pub fn forecast(f: &Forecast) -> String {
    let rate = rate(f.trend.per_day);
    let days = |n: u64| human::count(n, "day");
    match f.full {
        Full::Now => format!("full; {rate}"),
        Full::Never => rate,
        Full::In { days: n, early, late } => {
            let late = late.map_or("never".to_owned(), days);
            format!("full in {} (95 %: {} to {late}), {rate}", days(n), human::grouped(early))
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size is shown with two decimals"
)]
fn rate(per_day: f64) -> String {
    let size = human::size(per_day.abs() as u64);
    match per_day {
        r if r >= 1.0 => format!("growing {size} a day"),
        r if r <= -1.0 => format!("shrinking {size} a day"),
        _ => "not growing".to_owned(),
    }
}

/// One header, then one line for each row of each group; numbers are bare bytes.
pub fn csv(page: &Page<'_>) -> String {
    let mut out = String::from(
        "by,name,sessions,checkpoints,files,bytes,apparent_bytes,unmeasured_checkpoints,delete_checkpoints,\
         reclaimable_bytes,linked_bytes,unmatched_bytes,kept_bytes,protected_bytes,trash_bytes\n",
    );
    let mut line = |by: &str, name: &str, a: &Amount, trash: Option<u64>| {
        let _ = write!(out, "{},{}", by, sanitize::csv(name));
        for n in numbers(a) {
            let _ = write!(out, ",{n}");
        }
        let _ = writeln!(out, ",{}", trash.map(|t| t.to_string()).unwrap_or_default());
    };
    for group in &page.report.groups {
        let by = group.by.as_str();
        for Row { name, amount, trash } in &group.rows {
            line(by, name, amount, *trash);
        }
        if let Some((count, amount)) = &group.rest {
            line(by, &rest(*count), amount, None);
        }
    }
    line("total", "", &page.report.total, page.report.trash.map(|t| t.bytes));
    out
}

fn numbers(a: &Amount) -> [u64; 12] {
    [
        a.sessions,
        a.checkpoints,
        a.files,
        a.bytes,
        a.apparent,
        a.unmeasured,
        a.deletes,
        a.reclaimable,
        a.linked,
        a.unmatched,
        a.kept,
        a.protected,
    ]
}

/// For a merge request, a chat or a wiki.
pub fn markdown(page: &Page<'_>) -> String {
    let safe = sanitize::markdown;
    let report = page.report;
    let mut out = format!(
        "# Storage usage\n\nAs of {}, for {}.\n\n",
        safe(&report.now.to_string()),
        safe(page.root)
    );
    for group in &report.groups {
        let _ = writeln!(
            out,
            "| {} | sessions | checkpoints | size | apparent | reclaimable | protected | no policy |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|",
            title(group.by).to_lowercase()
        );
        let mut row = |name: &str, a: &Amount| {
            let _ = writeln!(out, "| {} | {} |", safe(name), figures(a).join(" | "));
        };
        group.rows.iter().for_each(|r| row(&r.name, &r.amount));
        if let Some((count, amount)) = &group.rest {
            row(&rest(*count), amount);
        }
        out.push('\n');
    }
    let t = &report.total;
    let _ = writeln!(
        out,
        "- **{}** in {}, of which **{}** could be reclaimed now",
        human::size(t.bytes),
        human::count(t.checkpoints, "checkpoint"),
        human::size(t.reclaimable)
    );
    for fact in facts(page) {
        let _ = writeln!(out, "- {}", safe(&fact));
    }
    out
}

/// `retain usage --json`: `retain-usage/1`. Fields may be added and never change their meaning.
pub fn json(page: &Page<'_>) -> Value {
    let report = page.report;
    let group = |g: &Group| {
        let row = |r: &Row| {
            let mut value = amount(&r.amount);
            value["name"] = json!(r.name);
            value["trash_bytes"] = json!(r.trash);
            value
        };
        let rest = g.rest.as_ref().map(|(count, a)| {
            let mut value = amount(a);
            value["rows"] = json!(count);
            value
        });
        json!({ "by": g.by.as_str(), "rows": g.rows.iter().map(row).collect::<Vec<_>>(), "rest": rest })
    };
    let quota = |(q, f): (&QuotaUse, Option<Forecast>)| {
        json!({
            "quota": q.name, "owner": q.owner, "used_bytes": q.used, "allowed_bytes": q.allowed,
            "after_bytes": q.after, "percent": q.percent(), "over": q.is_over(),
            "min_free": q.min_free, "evicts": q.evicts, "forecast": f.as_ref().map(forecast_json),
        })
    };
    let weight = report.unrecognised.and_then(|u| u.weight);
    json!({
        "format": "retain-usage/1",
        "root": page.root,
        "now": report.now.to_string(),
        "total": amount(&report.total),
        "trash": report.trash.map(|t| json!({ "checkpoints": t.checkpoints, "bytes": t.bytes })),
        "space": report.space.map(|s| json!({
            "total_bytes": s.total, "free_bytes": s.free_now(), "free_with_trash_bytes": s.free,
            "forecast": page.space_forecast.as_ref().map(forecast_json),
        })),
        "unrecognised_files": report.unrecognised.map(|u| u.files),
        "unrecognised_bytes": weight.map(|w| w.bytes),
        "unrecognised_apparent_bytes": weight.map(|w| w.apparent),
        "unrecognised_unmeasured_files": weight.map(|w| w.unmeasured),
        "tainted_sessions": report.tainted,
        "groups": report.groups.iter().map(group).collect::<Vec<_>>(),
        "quotas": page.quotas().map(quota).collect::<Vec<_>>(),
        "timeline": page.timeline.iter().map(|m| json!({
            "at": m.at.to_string(), "bytes": m.bytes, "trash_bytes": m.trash,
        })).collect::<Vec<_>>(),
    })
}

fn amount(a: &Amount) -> Value {
    json!({
        "sessions": a.sessions, "checkpoints": a.checkpoints, "files": a.files,
        "bytes": a.bytes, "apparent_bytes": a.apparent,
        "unmeasured_checkpoints": a.unmeasured, "delete_checkpoints": a.deletes,
        "reclaimable_bytes": a.reclaimable, "linked_bytes": a.linked,
        "unmatched_bytes": a.unmatched, "kept_bytes": a.kept, "protected_bytes": a.protected,
    })
}

/// Days until it is full, with the 95 % interval; `null` where that is never or unknown.
pub fn forecast_json(f: &Forecast) -> Value {
    let (full, days) = match f.full {
        Full::Now => (true, (Some(0), Some(0), Some(0))),
        Full::Never => (false, (None, None, None)),
        Full::In { days, early, late } => (false, (Some(days), Some(early), late)),
    };
    json!({
        "full": full, "days": days.0, "days_early": days.1, "days_late": days.2,
        "bytes_per_day": f.trend.per_day.round(), "bytes_per_day_low": f.trend.low.round(),
        "bytes_per_day_high": f.trend.high.round(), "points": f.trend.points,
    })
}
