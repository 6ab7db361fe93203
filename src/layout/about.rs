//! What a layout says of itself, for people: the table in `docs/layouts.md` is made of it.

use super::Layout;
use std::fmt::Write as _;

/// Each a phrase in Markdown; `-` where there is nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// What one checkpoint is.
    pub unit: &'static str,
    /// What its name is like.
    pub name: &'static str,
    /// What proves that it is one, beside the name.
    pub signature: &'static str,
    /// Where step and epoch come from.
    pub order: &'static str,
    pub metrics: &'static str,
    /// What names one of them from outside, and which of them are copies.
    pub pointers: &'static str,
    /// What shows that a save was not finished.
    pub unfinished: &'static str,
    /// What is ambiguous, never a candidate, or would surprise.
    pub traps: &'static str,
}

/// A Markdown table with a row for each layout.
pub fn table(layouts: &[Box<dyn Layout>]) -> String {
    let mut out = String::from(
        "| layout | unit | name | signature | step, epoch | metrics | pointers, copies | unfinished | traps |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for layout in layouts {
        let a = layout.about();
        let cells =
            [a.unit, a.name, a.signature, a.order, a.metrics, a.pointers, a.unfinished, a.traps];
        let _ = writeln!(out, "| {} | {} |", layout.name(), cells.join(" | "));
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::layout::builtin;

    #[test]
    fn every_layout_says_everything() {
        for layout in builtin() {
            let a = layout.about();
            for text in [a.unit, a.name, a.signature] {
                assert!(text.len() > 1, "{}", layout.name());
            }
            for text in [a.order, a.metrics, a.pointers, a.unfinished, a.traps] {
                assert!(!text.is_empty() && !text.contains(['|', '\n']), "{}", layout.name());
            }
        }
    }
}
