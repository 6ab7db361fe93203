//! How the quotas stand, as a table, Markdown and JSON.

use super::human;
use super::sanitize;
use super::table::{Align, Cell, Table};
use super::usage::{forecast, forecast_json};
use crate::core::model::Time;
use crate::core::monitor::{Finding, Level, Loss};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What quotas of the root stand for in the column of owners.
const ROOT: &str = "(root)";

/// One line for each quota and owner.
pub fn table(findings: &[Finding]) -> String {
    use Align::{Left, Right};
    let mut table = Table::new([
        ("State", Left),
        ("Quota", Left),
        ("Owner", Left),
        ("Used", Right),
        ("Allowed", Right),
        ("%", Right),
        ("After clean-up", Right),
        ("Trend", Left),
    ]);
    for f in findings {
        let q = &f.quota;
        let style = match f.level {
            Level::Over => AnsiColor::Red.on_default(),
            Level::Near => AnsiColor::Yellow.on_default(),
            Level::Ok => Style::new(),
        };
        table.row([
            Cell::new(f.level.as_str()).style(style),
            Cell::new(&q.name),
            Cell::new(q.owner.as_deref().unwrap_or(ROOT)),
            Cell::new(human::size(q.used)),
            Cell::new(human::size(q.allowed)),
            Cell::new(q.percent().to_string()),
            Cell::new(human::size(q.after)),
            Cell::new(f.forecast.as_ref().map(forecast).unwrap_or_default()),
        ]);
    }
    table.render()
}

/// For a wiki or a repository: all quotas, then what to do about each that is over or near.
pub fn markdown(root: &str, now: Time, findings: &[Finding], commands: &[Vec<String>]) -> String {
    let safe = sanitize::markdown;
    let mut out = format!(
        "# Quotas\n\nAs of {}, for {}.\n\n\
         | state | quota | owner | used | allowed | % | after a clean-up | trend |\n\
         |---|---|---|---:|---:|---:|---:|---|\n",
        safe(&now.to_string()),
        safe(root)
    );
    for f in findings {
        let q = &f.quota;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            f.level.as_str(),
            safe(&q.name),
            safe(q.owner.as_deref().unwrap_or(ROOT)),
            human::size(q.used),
            human::size(q.allowed),
            q.percent(),
            human::size(q.after),
            safe(&f.forecast.as_ref().map(forecast).unwrap_or_default())
        );
    }
    for (f, commands) in findings.iter().zip(commands) {
        let Some(advice) = &f.advice else { continue };
        let owner = f.quota.owner.as_deref().unwrap_or(ROOT);
        let _ = writeln!(
            out,
            "\n## {}, {}\n\nDeleting {} would bring it to {}.\n",
            safe(owner),
            safe(&f.quota.name),
            human::count(advice.checkpoints, "checkpoint"),
            human::size(advice.after)
        );
        for Loss { session, checkpoints, bytes, .. } in &advice.losses {
            let n = human::count(*checkpoints, "checkpoint");
            let _ = writeln!(out, "- {}: {n}, {}", safe(session), human::size(*bytes));
        }
        if advice.excess > 0 {
            let _ = writeln!(out, "- **{} too much even then**", human::size(advice.excess));
        }
        for command in commands {
            // Indented: there is no fence that a name could end.
            let _ = write!(out, "\n    {}", sanitize::terminal(command));
        }
        if !commands.is_empty() {
            out.push('\n');
        }
    }
    out
}

/// `retain monitor --json`: `retain-monitor/1`. Fields may be added and never change their meaning.
pub fn json(
    root: &str,
    now: Time,
    findings: &[Finding],
    commands: &[Vec<String>],
    deliveries: &[Value],
) -> Value {
    let loss = |l: &Loss| {
        json!({
            "session": l.session, "checkpoints": l.checkpoints, "bytes": l.bytes,
            "by_policy": l.by_policy, "beyond": l.beyond,
        })
    };
    let finding = |(f, commands): (&Finding, &Vec<String>)| {
        let q = &f.quota;
        json!({
            "quota": q.name, "owner": q.owner, "level": f.level.as_str(),
            "used_bytes": q.used, "allowed_bytes": q.allowed, "percent": q.percent(),
            "after_bytes": q.after, "min_free": q.min_free, "evicts": q.evicts,
            "forecast": f.forecast.as_ref().map(forecast_json),
            "advice": f.advice.as_ref().map(|a| json!({
                "checkpoints": a.checkpoints, "after_bytes": a.after, "excess_bytes": a.excess,
                "losses": a.losses.iter().map(loss).collect::<Vec<_>>(), "commands": commands,
            })),
        })
    };
    json!({
        "format": "retain-monitor/1", "root": root, "now": now.to_string(),
        "findings": findings.iter().zip(commands).map(finding).collect::<Vec<_>>(),
        "deliveries": deliveries,
    })
}
