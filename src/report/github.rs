//! Faults of a policy as workflow commands, which GitHub draws beside the lines of a change.

use crate::core::policy::{Diagnostic, Position};
use std::fmt::Write as _;

/// One `::error` or `::warning` line for each diagnostic; `path` is relative to the repository.
pub fn annotations(path: &str, text: &str, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let (from, to) = (Position::of(text, d.span.start), Position::of(text, d.span.end));
        let level = if d.is_error() { "error" } else { "warning" };
        let mut message = d.message.clone();
        if let Some(help) = &d.help {
            let _ = write!(message, "\nhelp: {help}");
        }
        let _ = write!(out, "::{level} file={},line={},", property(path), from.line);
        // Columns are understood within one line only.
        if from.line == to.line {
            let _ = write!(out, "col={},endColumn={},", from.column, to.column.max(from.column));
        } else {
            let _ = write!(out, "endLine={},", to.line);
        }
        let _ = writeln!(out, "title={}::{}", property(d.code.as_str()), data(&message));
    }
    out
}

/// The line for a file that has no text to point into.
pub fn unreadable(path: &str, why: &str) -> String {
    format!("::error file={}::{}\n", property(path), data(why))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy::load;

    #[test]
    fn a_fault_is_one_line_that_nothing_in_it_can_end() {
        let text = "version = 1\n[[policy]]\nname = \"a\"\nkeep = [{ lst = 3 }]\n";
        let out = annotations("a,b:c\n::error::x.toml", text, &load(text).diagnostics);
        let line = out.lines().next().unwrap();
        assert!(
            line.starts_with("::error file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ax.toml,line=4,col="),
            "{out}"
        );
        assert!(line.contains("%0Ahelp: "), "{out}");
        assert!(
            out.lines().all(|l| l.starts_with("::error ") || l.starts_with("::warning ")),
            "{out}"
        );
    }
}
