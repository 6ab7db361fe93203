//! A plan as Markdown, for a merge request or a chat.

use super::human;
use super::plan::{groups, reasons, shown_warnings};
use super::sanitize::markdown as safe;
use crate::core::plan::PlanFile;
use std::fmt::Write as _;

/// Totals, warnings, then one table for each session that loses something (`all`: every session).
pub fn plan(plan: &PlanFile, all: bool) -> String {
    let t = &plan.totals;
    let mut out = format!("# Retention plan\n\nAs of {}", safe(&plan.now));
    if let Some(root) = &plan.root {
        let _ = write!(out, ", for {}", safe(&root.path));
    }
    let _ = writeln!(out, ", policy {}.\n", safe(&plan.policy.source));
    let _ = writeln!(
        out,
        "| sessions | checkpoints | keep | delete | untouched | size | to reclaim |\n\
         |---:|---:|---:|---:|---:|---:|---:|\n\
         | {} | {} | {} | **{}** | {} | {} | **{}** |\n",
        t.sessions,
        t.checkpoints,
        t.keep,
        t.delete,
        t.untouched,
        human::size(t.bytes),
        human::size(t.delete_bytes)
    );
    warnings(&mut out, plan);
    for group in groups(plan) {
        if !all && group.deletes() == 0 {
            continue;
        }
        let _ = writeln!(
            out,
            "## {}\n\n| verdict | checkpoint | size | reasons |\n|---|---|---:|---|",
            safe(group.session)
        );
        for d in &group.decisions {
            let (on, off) = if d.verdict == "delete" { ("**", "**") } else { ("", "") };
            let _ = writeln!(
                out,
                "| {on}{}{off} | {} | {} | {} |",
                safe(&d.verdict),
                safe(&d.id),
                human::size(d.bytes),
                safe(&reasons(&d.reasons))
            );
        }
        out.push('\n');
    }
    out
}

fn warnings(out: &mut String, plan: &PlanFile) {
    let before = out.len();
    for warning in shown_warnings(plan, false) {
        let place = warning.session.as_ref().map(|s| format!("{}: ", safe(s))).unwrap_or_default();
        let _ = writeln!(out, "- warning: {place}{}", safe(&warning.text));
    }
    if let Some(brake) = &plan.brake {
        let _ = writeln!(out, "- **brake**: {}", safe(brake));
    }
    if out.len() > before {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{decision, sample};

    #[test]
    fn a_plan_is_a_document() {
        let text = super::plan(&sample(), false);
        assert!(text.contains("| 2 | 4 | 3 | **1** | 0 | 1.43 GiB | **366.74 MiB** |"), "{text}");
        assert!(text.contains("## team/a\n"), "{text}");
        assert!(!text.contains("## team/b"), "{text}");
        assert!(text.contains("- warning: team/b: metadata.json is damaged"), "{text}");
        assert!(super::plan(&sample(), true).contains("## team/b"));
    }

    #[test]
    fn a_name_cannot_leave_its_cell() {
        let mut plan = sample();
        plan.decisions = vec![decision("<b>", "a|b\n# x", "delete", "[x](y)")];
        let text = super::plan(&plan, false);
        assert!(text.contains("## &lt;b&gt;\n"), "{text}");
        let row = "| **delete** | a&#124;b\\\\n\\# x | 366.74 MiB | \\[x\\]\\(y\\) |\n";
        assert!(text.contains(row), "{text}");
    }
}
