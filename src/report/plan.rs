//! A plan as a table for people.
//!
//! What is deleted is what a person must be able to check, so a session that loses something is
//! shown whole, kept checkpoints and their reasons included; sessions that lose nothing are counted.

use super::human;
use super::sanitize;
use super::table::{Align, Cell, Table};
use crate::core::name::natural_cmp;
use crate::core::plan::{PlanDecision, PlanFile, PlanReason};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Sessions that lose nothing, too.
    pub all: bool,
    /// Only totals and warnings.
    pub brief: bool,
}

/// The decisions of one session, in natural order of their ids.
pub(super) struct Group<'a> {
    pub session: &'a str,
    pub decisions: Vec<&'a PlanDecision>,
}

impl Group<'_> {
    pub fn deletes(&self) -> usize {
        self.decisions.iter().filter(|d| d.verdict == "delete").count()
    }
}

/// Splits a plan by session, keeping the plan's order of sessions.
pub(super) fn groups(plan: &PlanFile) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = plan
        .decisions
        .chunk_by(|a, b| a.session == b.session)
        .map(|d| Group { session: &d[0].session, decisions: d.iter().collect() })
        .collect();
    for group in &mut groups {
        group.decisions.sort_by(|a, b| natural_cmp(&a.id, &b.id));
    }
    groups
}

/// The whole plan: sessions, warnings, and the line of totals.
pub fn render(plan: &PlanFile, detail: Detail) -> String {
    let mut out = String::new();
    let (mut quiet_sessions, mut quiet_checkpoints) = (0, 0);
    if !detail.brief {
        for group in groups(plan) {
            if detail.all || group.deletes() > 0 {
                session(&mut out, &group);
            } else {
                quiet_sessions += 1;
                quiet_checkpoints += group.decisions.len() as u64;
            }
        }
    }
    if quiet_sessions > 0 && plan.totals.delete > 0 {
        let _ = writeln!(
            out,
            "{} more {} nothing ({}); --all shows them\n",
            human::grouped(quiet_sessions),
            if quiet_sessions == 1 { "session loses" } else { "sessions lose" },
            human::count(quiet_checkpoints, "checkpoint"),
        );
    }
    out.push_str(&warnings(plan));
    out.push_str(&totals(plan));
    out
}

fn session(out: &mut String, group: &Group<'_>) {
    let bold = Style::new().bold();
    let _ = writeln!(out, "{bold}{}{bold:#}", sanitize::terminal(group.session));
    let columns = [Align::Left, Align::Left, Align::Right, Align::Left].map(|a| ("", a));
    let mut table = Table::new(columns).headless().indent(2);
    for decision in &group.decisions {
        table.row([
            Cell::new(&decision.verdict).style(style(&decision.verdict)),
            Cell::new(&decision.id),
            Cell::new(human::size(decision.bytes)),
            Cell::new(reasons(&decision.reasons)).style(Style::new().dimmed()),
        ]);
    }
    out.push_str(&table.render());
    out.push('\n');
}

/// Red goes, green stays; the word says the same without colour.
fn style(verdict: &str) -> Style {
    match verdict {
        "delete" => AnsiColor::Red.on_default(),
        "keep" => AnsiColor::Green.on_default(),
        _ => Style::new(),
    }
}

/// `last 1/2 · best loss 1/3 (4.847)`.
pub fn reasons(reasons: &[PlanReason]) -> String {
    reasons.iter().map(|r| r.text.as_str()).collect::<Vec<_>>().join(" · ")
}

/// One line for each, ready for a terminal; ends with an empty line unless there are none.
pub fn warnings(plan: &PlanFile) -> String {
    let yellow = AnsiColor::Yellow.on_default();
    let mut out = String::new();
    for warning in &plan.warnings {
        let place = warning.session.as_ref().map(|s| format!("{s}: ")).unwrap_or_default();
        let text = format!("{place}{}", warning.text);
        let _ = writeln!(out, "{yellow}warning:{yellow:#} {}", sanitize::terminal(&text));
    }
    if let Some(brake) = &plan.brake {
        let red = AnsiColor::Red.on_default().bold();
        let _ = writeln!(out, "{red}brake:{red:#} {}", sanitize::terminal(brake));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// One line.
pub fn totals(plan: &PlanFile) -> String {
    let t = &plan.totals;
    let seen = format!(
        "{} in {}",
        human::count(t.checkpoints, "checkpoint"),
        human::count(t.sessions, "session")
    );
    if t.checkpoints == 0 {
        return "Nothing to delete: no checkpoints were found.\n".to_owned();
    }
    if t.delete == 0 {
        let young = |d: &&PlanDecision| d.reasons.iter().any(|r| r.kind == "young");
        let young = plan.decisions.iter().filter(young).count() as u64;
        // Who tries a policy on fresh files wonders why it does nothing.
        let hint = match young {
            0 => String::new(),
            n => format!("; {} younger than min-age", human::are(n)),
        };
        return format!("Nothing to delete: {seen}, {} in all{hint}.\n", human::size(t.bytes));
    }
    let mut out = format!(
        "{seen}: delete {} ({} of {}), keep {}",
        human::grouped(t.delete),
        human::size(t.delete_bytes),
        human::size(t.bytes),
        human::grouped(t.keep)
    );
    if t.untouched > 0 {
        let _ = write!(out, ", {} matched by no policy", human::grouped(t.untouched));
    }
    out + "\n"
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::core::plan::{PlanWarning, Totals};

    pub fn decision(session: &str, id: &str, verdict: &str, reason: &str) -> PlanDecision {
        PlanDecision {
            session: session.to_owned(),
            id: id.to_owned(),
            verdict: verdict.to_owned(),
            bytes: 384_554_762,
            reasons: vec![PlanReason { text: reason.to_owned(), ..PlanReason::default() }],
            ..PlanDecision::default()
        }
    }

    pub fn sample() -> PlanFile {
        PlanFile {
            now: "2019-08-02T12:00:00Z".to_owned(),
            totals: Totals {
                sessions: 2,
                checkpoints: 4,
                keep: 3,
                delete: 1,
                untouched: 0,
                bytes: 4 * 384_554_762,
                delete_bytes: 384_554_762,
            },
            warnings: vec![PlanWarning {
                kind: "tainted".to_owned(),
                session: Some("team/b".to_owned()),
                text: "metadata.json is damaged".to_owned(),
            }],
            decisions: vec![
                decision("team/a", "11", "keep", "last 1/2"),
                decision("team/a", "2", "keep", "last 2/2"),
                decision("team/a", "1\u{1b}[2J", "delete", "last: rank 3 of 2"),
                decision("team/b", "0", "keep", "tainted"),
            ],
            ..PlanFile::default()
        }
    }

    fn plain(detail: Detail) -> String {
        anstream::adapter::strip_str(&render(&sample(), detail)).to_string()
    }

    #[test]
    fn losing_sessions_are_shown_whole_and_the_rest_counted() {
        assert_eq!(
            plain(Detail::default()),
            "team/a\n  \
             delete  1\\u{1b}[2J  366.74 MiB  last: rank 3 of 2\n  \
             keep    2           366.74 MiB  last 2/2\n  \
             keep    11          366.74 MiB  last 1/2\n\n\
             1 more session loses nothing (1 checkpoint); --all shows them\n\n\
             warning: team/b: metadata.json is damaged\n\n\
             4 checkpoints in 2 sessions: delete 1 (366.74 MiB of 1.43 GiB), keep 3\n"
        );
        assert!(
            plain(Detail { all: true, brief: false })
                .contains("team/b\n  keep  0  366.74 MiB  tainted")
        );
        assert!(plain(Detail { all: false, brief: true }).starts_with("warning: team/b"));
    }

    #[test]
    fn nothing_to_delete_is_one_friendly_line() {
        let mut plan = sample();
        plan.warnings.clear();
        plan.decisions.retain(|d| d.verdict == "keep");
        plan.totals.delete = 0;
        assert_eq!(
            render(&plan, Detail::default()),
            "Nothing to delete: 4 checkpoints in 2 sessions, 1.43 GiB in all.\n"
        );
        plan.decisions[0].reasons[0].kind = "young".to_owned();
        assert!(totals(&plan).ends_with("in all; 1 is younger than min-age.\n"));
    }
}
