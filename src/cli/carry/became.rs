//! What became of the checkpoints that a run took: gone for good, in the trash, or neither.
//!
//! A purge at once may leave some of them: what somebody has come to want, what it could not
//! remove, and what it did not come to. Only what is whole in the trash is said to come back.

use crate::apply::{Count, Report};
use crate::report::{human, sanitize};

/// How things stand at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    Nothing,
    Moved,
    Gone,
    /// Purged in part.
    Partly,
}

impl Became {
    pub fn of(report: &Report) -> Became {
        let (moved, purged) = (report.moved.checkpoints, report.purged.checkpoints);
        match (moved, purged, report.unpurged.checkpoints) {
            (0, ..) => Became::Nothing,
            (_, 0, 0) => Became::Moved,
            _ if purged == moved => Became::Gone,
            _ => Became::Partly,
        }
    }
}

pub fn amount(of: Count) -> String {
    format!("{} ({})", human::count(of.checkpoints, "checkpoint"), human::size(of.bytes))
}

/// Of what was purged in part, each part in a line. `undo`: the command; `later`: when what is left
/// goes, and how, after a space.
pub fn partly(report: &Report, run: &str, undo: &str, later: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if report.purged.checkpoints > 0 {
        lines.push(format!("Deleted {} for good, as run {run}.", amount(report.purged)));
    }
    let left = report.restorable();
    if left > 0 {
        let (left, them) =
            (human::count(left, "checkpoint"), if left == 1 { "it" } else { "them" });
        lines
            .push(format!("In the trash, of run {run}: {left}; {undo} brings {them} back.{later}"));
    }
    if report.unpurged.checkpoints > 0 {
        let amount = amount(report.unpurged);
        lines.push(format!("Not deleted to the end, of run {run}: {amount}, as said above."));
    }
    lines
}

/// The same as a paragraph of Markdown.
pub fn in_markdown(report: &Report, run: &str, undo: &str) -> String {
    let (run, undo) = (sanitize::markdown(run), sanitize::markdown(undo));
    let moved = report.moved.checkpoints;
    match Became::of(report) {
        Became::Nothing => "Nothing was deleted.\n\n".to_owned(),
        Became::Gone => format!("Deleted {moved} for good, as run {run}.\n\n"),
        Became::Moved => {
            format!("Moved {moved} to the trash as run {run}; {undo} brings them back.\n\n")
        }
        Became::Partly => partly(report, &run, &undo, "").join("\n") + "\n\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(moved: u64, purged: u64, unpurged: u64) -> Report {
        let [moved, purged, unpurged] =
            [moved, purged, unpurged].map(|n| Count { checkpoints: n, bytes: n * 1024 });
        Report { moved, purged, unpurged, ..Report::default() }
    }

    #[test]
    fn only_what_is_in_the_trash_comes_back() {
        for (of, became) in [
            ((0, 0, 0), Became::Nothing),
            ((6, 0, 0), Became::Moved),
            ((6, 6, 0), Became::Gone),
            ((6, 5, 0), Became::Partly),
            ((6, 5, 1), Became::Partly),
            ((6, 0, 1), Became::Partly),
        ] {
            assert_eq!(Became::of(&report(of.0, of.1, of.2)), became, "{of:?}");
        }
        let lines = |of: Report| partly(&of, "R", "`retain undo R`", " Later.");
        assert_eq!(
            lines(report(6, 3, 1)),
            [
                "Deleted 3 checkpoints (3.00 KiB) for good, as run R.",
                "In the trash, of run R: 2 checkpoints; `retain undo R` brings them back. Later.",
                "Not deleted to the end, of run R: 1 checkpoint (1.00 KiB), as said above.",
            ]
        );
        assert_eq!(lines(report(2, 1, 1)).len(), 2, "nothing can be undone");
        assert_eq!(
            lines(report(2, 0, 1))[0],
            "In the trash, of run R: 1 checkpoint; `retain undo R` brings it back. Later."
        );
    }
}
