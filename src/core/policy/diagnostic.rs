//! What is wrong with a policy file, as data.
//!
//! A fault knows its place in the text, what to write instead, and the code whose page in
//! `docs/errors.md` explains it. Drawing it is the business of the report.

use super::codes::{self, Code};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// There is no policy; nothing may be planned with it.
    Error,
    /// The policy holds, but probably not as it was meant.
    Warning,
}

/// One fault of a policy file. Spans are byte ranges of its text, on character boundaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub message: String,
    pub span: Range<usize>,
    /// What stands at `span`; may be empty.
    pub label: String,
    /// Other places that explain the fault.
    pub secondary: Vec<(Range<usize>, String)>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn new(code: Code, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            message: message.into(),
            span,
            label: String::new(),
            secondary: Vec::new(),
            help: None,
        }
    }

    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// The text is not TOML: what stands in it is known in part at the most.
    pub fn is_of_syntax(&self) -> bool {
        [codes::SYNTAX, codes::DUPLICATE_KEY].contains(&self.code)
    }

    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Diagnostic {
        self.label = label.into();
        self
    }

    pub(super) fn also(&mut self, span: Range<usize>, label: impl Into<String>) -> &mut Diagnostic {
        self.secondary.push((span, label.into()));
        self
    }

    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Diagnostic {
        self.help = Some(help.into());
        self
    }
}

/// Where a byte of a text stands for a person: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// A byte order mark takes no column; an offset past the end stands behind the last character.
    pub fn of(text: &str, offset: usize) -> Position {
        let before = &text[..floor_boundary(text, offset)];
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[start..].trim_start_matches('\u{feff}').chars().count() + 1;
        Position { line, column }
    }
}

/// The nearest character boundary at or before `offset`, within the text.
pub(super) fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A span that can be sliced out of the text, whatever a parser said.
pub(super) fn valid_span(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor_boundary(text, span.start);
    let mut end = span.end.clamp(start, text.len().max(start));
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        let text = "\u{feff}ab\né한x\r\n";
        let at = |needle: &str| Position::of(text, text.find(needle).unwrap());
        assert_eq!(at("b"), Position { line: 1, column: 2 });
        assert_eq!(at("é"), Position { line: 2, column: 1 });
        assert_eq!(at("x"), Position { line: 2, column: 3 });
        assert_eq!(Position::of(text, 9999), Position { line: 3, column: 1 });
    }

    #[test]
    fn spans_never_cut_a_character() {
        let text = "é한";
        for start in 0..8 {
            for end in 0..8 {
                let span = valid_span(text, &(start..end));
                assert!(text.get(span).is_some(), "{start}..{end}");
            }
        }
        // What is cut by either end is within.
        for (span, whole) in [(1..2, 0..2), (0..1, 0..2), (1..3, 0..5), (2..4, 2..5), (9..9, 5..5)]
        {
            assert_eq!(valid_span(text, &span), whole, "{span:?}");
        }
        assert_eq!(Position::of(text, 1), Position { line: 1, column: 1 });
        assert_eq!(Position::of(text, 4), Position { line: 1, column: 2 });
    }
}
