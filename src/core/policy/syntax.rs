//! The TOML layer: a document as far as it can be read, and every syntax error in it.

use super::codes;
use super::diagnostic::valid_span;
use super::reader::Context;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Parses the text; what could not be read is left out and noted.
pub(super) fn parse<'t>(cx: &mut Context<'t>) -> Spanned<DeTable<'t>> {
    let (document, errors) = DeTable::parse_recoverable(cx.text);
    cx.torn = !errors.is_empty();
    for error in errors {
        let span = valid_span(cx.text, &error.span().unwrap_or(cx.text.len()..cx.text.len()));
        let message = error.message();
        if message == "duplicate key" {
            let name = cx.text[span.clone()].to_owned();
            let first = first_definition(cx.text, document.get_ref(), &span, &name);
            let fault = cx.fault(codes::DUPLICATE_KEY, &span, format!("`{name}` is set twice"));
            fault.label("again").help("keep one of them; a list takes several values");
            if let Some(first) = first {
                fault.also(first, "first set here");
            }
        } else {
            cx.fault(codes::SYNTAX, &span, format!("not TOML: {message}"));
        }
    }
    document
}

/// Where a key that is set again at `span` was first set, as far as that can be told.
fn first_definition(
    text: &str,
    document: &DeTable,
    span: &Range<usize>,
    name: &str,
) -> Option<Range<usize>> {
    let mut search =
        Search { text, span, name: name.trim_matches(['"', '\'']), inline: None, nearest: None };
    search.table(document, None);
    search.nearest.or_else(|| header(text, span, name))
}

/// The nearest key of the same name before `span`, in the same inline table if it is in one.
struct Search<'a> {
    text: &'a str,
    span: &'a Range<usize>,
    name: &'a str,
    /// The innermost inline table around `span` that was seen so far.
    inline: Option<Range<usize>>,
    nearest: Option<Range<usize>>,
}

impl Search<'_> {
    /// `inline`: the braces of the table, if it is written with some.
    fn table(&mut self, table: &DeTable, inline: Option<&Range<usize>>) {
        if let Some(braces) = inline.filter(|b| b.contains(&self.span.start)) {
            self.inline = Some(braces.clone());
            self.nearest = None;
        }
        if inline == self.inline.as_ref() {
            for (key, _) in table {
                let (name, at): (&str, _) = (key.get_ref(), key.span());
                let nearer = self.nearest.as_ref().is_none_or(|n| n.start < at.start);
                if name == self.name && at.start < self.span.start && nearer {
                    self.nearest = Some(at);
                }
            }
        }
        table.values().for_each(|value| self.value(value));
    }

    fn value(&mut self, value: &Spanned<DeValue>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                let span = value.span();
                let braces = self.text.as_bytes().get(span.start) == Some(&b'{');
                self.table(table, braces.then_some(&span));
            }
            DeValue::Array(items) => items.iter().for_each(|item| self.value(item)),
            _ => {}
        }
    }
}

/// An earlier `[name]` line, for a table that is opened twice.
fn header(text: &str, span: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let at = text[..span.start].find(&format!("[{name}]"))? + 1;
    Some(at..at + name.len())
}
