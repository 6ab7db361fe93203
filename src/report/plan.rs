//! A plan as a table for people.
//!
//! What is deleted is what a person must be able to check, so a session that loses something is
//! shown whole, kept checkpoints and their reasons included; sessions that lose nothing are counted.
//! Where a person chose by name, what nobody chose is counted as well.

use super::human;
use super::sanitize;
use super::table::{Align, Cell, Table};
use crate::core::name::natural_cmp;
use crate::core::plan::{PlanDecision, PlanFile, PlanReason, PlanWarning};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Sessions that lose nothing, too.
    pub all: bool,
    /// Only totals and warnings.
    pub brief: bool,
    /// What is information rather than a warning, too.
    pub notes: bool,
    /// Only these sessions, and of more than three deletions in a row only the first and the last;
    /// the others are counted.
    pub sample: Option<&'static [&'static str]>,
}

/// A warning of this kind tells that a part of the policy has nothing to do here: so it is with
/// every policy that is made for more than one place.
const IDLE: &str = "idle-policy";
/// The reason of what a person who chose by name did not name.
const NOT_CHOSEN: &str = "not-chosen";

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
    let mut left_out: u64 = 0;
    if !detail.brief {
        for group in groups(plan) {
            if detail.sample.is_some_and(|only| !only.contains(&group.session)) {
                left_out += 1;
            } else if detail.all || group.deletes() > 0 {
                session(&mut out, &group, detail.sample.is_some());
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
    if left_out > 0 {
        let s = human::plural(left_out);
        let _ = writeln!(out, "... and {} more session{s}\n", human::grouped(left_out));
    }
    out.push_str(&warnings(plan, detail.notes));
    out.push_str(&totals(plan));
    out
}

fn session(out: &mut String, group: &Group<'_>, fold: bool) {
    let bold = Style::new().bold();
    let _ = writeln!(out, "{bold}{}{bold:#}", sanitize::terminal(group.session));
    let columns = [Align::Left, Align::Left, Align::Right, Align::Left].map(|a| ("", a));
    let mut table = Table::new(columns).headless().indent(2);
    let row = |d: &&PlanDecision| {
        [
            Cell::new(&d.verdict).style(style(&d.verdict)),
            Cell::new(&d.id),
            Cell::new(human::size(d.bytes)),
            Cell::new(reasons(&d.reasons)).style(Style::new().dimmed()),
        ]
    };
    let shown: Vec<_> = group.decisions.iter().filter(|d| !is_not_chosen(d)).copied().collect();
    for run in shown.chunk_by(|a, b| a.verdict == b.verdict) {
        match run {
            [first, between @ .., last]
                if fold && between.len() > 1 && first.verdict == "delete" =>
            {
                let bytes = between.iter().fold(0, |sum: u64, d| sum.saturating_add(d.bytes));
                table.row(row(first));
                table.row([
                    Cell::new(&first.verdict).style(style(&first.verdict)),
                    Cell::new(format!("... {} more", human::grouped(between.len() as u64))),
                    Cell::new(human::size(bytes)),
                ]);
                table.row(row(last));
            }
            all => all.iter().for_each(|d| table.row(row(d))),
        }
    }
    out.push_str(&table.render());
    out.push('\n');
}

fn is_not_chosen(decision: &PlanDecision) -> bool {
    decision.reasons.iter().any(|r| r.kind == NOT_CHOSEN)
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
///
/// That a checkpoint has not the name, tag or submission that a rule asks for is left to `why`,
/// unless it is all there is to say: it holds for nearly all of them, and has no number.
pub fn reasons(reasons: &[PlanReason]) -> String {
    let telling: Vec<&str> =
        reasons.iter().filter(|r| !is_plain_no(r)).map(|r| r.text.as_str()).collect();
    if telling.is_empty() {
        return reasons.iter().map(|r| r.text.as_str()).collect::<Vec<_>>().join(" · ");
    }
    telling.join(" · ")
}

fn is_plain_no(reason: &PlanReason) -> bool {
    let rule = reason.data.get("rule").and_then(|r| r.as_str());
    reason.kind == "missed" && rule.is_some_and(|r| ["id", "tag", "submitted"].contains(&r))
}

/// The warnings to show; `notes`: also what is information rather than a warning.
pub(super) fn shown_warnings(plan: &PlanFile, notes: bool) -> impl Iterator<Item = &PlanWarning> {
    plan.warnings.iter().filter(move |w| notes || w.kind != IDLE)
}

/// One line for each, ready for a terminal; ends with an empty line unless there are none.
fn warnings(plan: &PlanFile, notes: bool) -> String {
    let yellow = AnsiColor::Yellow.on_default();
    let mut out = String::new();
    for warning in shown_warnings(plan, notes) {
        let place = warning.session.as_ref().map(|s| format!("{s}: ")).unwrap_or_default();
        let text = format!("{place}{}", warning.text);
        if warning.kind == IDLE {
            let _ = writeln!(out, "note: {}", sanitize::terminal(&text));
            continue;
        }
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
            plain(Detail { all: true, ..Detail::default() })
                .contains("team/b\n  keep  0  366.74 MiB  tainted")
        );
        let brief = Detail { brief: true, ..Detail::default() };
        assert!(plain(brief).starts_with("warning: team/b"));
    }

    #[test]
    fn a_part_can_be_shown_folded() {
        let mut plan = sample();
        plan.decisions = (0..6).map(|i| decision("team/a", &i.to_string(), "delete", "")).collect();
        plan.decisions.push(decision("team/a", "6", "keep", "last 1/1"));
        plan.decisions.push(decision("team/b", "0", "delete", ""));
        plan.warnings.clear();
        let detail = Detail { sample: Some(&["team/a"]), ..Detail::default() };
        let text = anstream::adapter::strip_str(&render(&plan, detail)).to_string();
        let (rows, _) = text.split_once("\n4 checkpoints").unwrap();
        assert_eq!(
            rows,
            "team/a\n  \
             delete  0           366.74 MiB\n  \
             delete  ... 4 more    1.43 GiB\n  \
             delete  5           366.74 MiB\n  \
             keep    6           366.74 MiB  last 1/1\n\n\
             ... and 1 more session\n"
        );
    }

    #[test]
    fn that_it_was_not_submitted_is_no_news() {
        let missed = |rule: &str, text: &str| PlanReason {
            kind: "missed".to_owned(),
            text: text.to_owned(),
            data: [("rule".to_owned(), rule.into())].into_iter().collect(),
        };
        let submitted = missed("submitted", "submitted: no");
        let last = missed("last", "last: rank 3 of 2");
        assert_eq!(reasons(&[submitted.clone(), last]), "last: rank 3 of 2");
        assert_eq!(reasons(&[submitted]), "submitted: no");
    }

    #[test]
    fn what_nobody_chose_is_only_counted() {
        let mut plan = sample();
        for d in plan.decisions.iter_mut().filter(|d| d.session == "team/a") {
            if d.verdict == "keep" {
                d.reasons[0].kind = NOT_CHOSEN.to_owned();
            }
        }
        let text = anstream::adapter::strip_str(&render(&plan, Detail::default())).to_string();
        assert!(text.starts_with("team/a\n  delete  1\\u{1b}[2J  366.74 MiB"), "{text}");
        assert!(!text.contains("last 1/2") && text.contains("keep 3"), "{text}");
    }

    #[test]
    fn an_idle_policy_is_a_note_for_those_who_ask() {
        let mut plan = sample();
        let text = "policy \"p\" has no session".to_owned();
        plan.warnings = vec![PlanWarning { kind: IDLE.to_owned(), session: None, text }];
        assert!(!render(&plan, Detail::default()).contains("has no session"));
        let notes = Detail { notes: true, ..Detail::default() };
        assert!(render(&plan, notes).contains("note: policy \"p\" has no session"));
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
