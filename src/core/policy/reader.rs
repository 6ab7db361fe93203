//! Reads tables and values of a TOML document, and notes every fault instead of stopping at one.
//!
//! What a table was asked for is what may stand in it: the rest is reported as unknown, so that
//! a key cannot be documented and silently ignored, or the reverse.

use super::codes::{self, Code};
use super::diagnostic::{Diagnostic, valid_span};
use super::origin::{Origin, Origins};
use super::schema;
use super::suggest::{alias, nearest};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// What is gathered while a file is checked.
pub(super) struct Context<'t> {
    pub text: &'t str,
    /// Where each line but the first begins: every key of a policy asks for its line.
    lines: Vec<usize>,
    pub diagnostics: Vec<Diagnostic>,
    pub origins: Origins,
    /// Names of the layouts that the file declares.
    pub declared: Vec<Box<str>>,
    /// The text is not TOML: what seems to be missing may be what could not be read.
    pub torn: bool,
    /// (shape, key) of everything any table was asked for.
    #[cfg(test)]
    pub asked: std::collections::BTreeSet<(&'static str, &'static str)>,
}

/// A table being read. Every value taken out of it gets the path `PATH.KEY`.
pub(super) struct Table<'d> {
    /// Name of its shape in [`super::raw`].
    shape: &'static str,
    items: &'d DeTable<'d>,
    pub span: Range<usize>,
    pub path: String,
    asked: Vec<&'static str>,
    claimed: Vec<&'static str>,
}

/// A value, and what messages call it.
#[derive(Clone)]
pub(super) struct Value<'d> {
    pub key: &'static str,
    pub key_span: Range<usize>,
    pub span: Range<usize>,
    pub toml: &'d DeValue<'d>,
    /// Where in the document: `policy.0.keep.1.best`.
    pub path: String,
}

impl<'d> Value<'d> {
    /// The elements of an array.
    pub fn items(&self) -> Option<Vec<Value<'d>>> {
        let array = self.toml.as_array()?;
        let item = |(i, v): (usize, &'d toml::Spanned<DeValue<'d>>)| Value {
            key: self.key,
            key_span: v.span(),
            span: v.span(),
            toml: v.get_ref(),
            path: format!("{}.{i}", self.path),
        };
        Some(array.iter().enumerate().map(item).collect())
    }

    /// What it is, for a message: `a string`.
    pub fn kind(&self) -> &'static str {
        match self.toml {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

impl<'t> Context<'t> {
    pub fn new(text: &'t str) -> Context<'t> {
        Context {
            text,
            lines: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
            diagnostics: Vec::new(),
            origins: Origins::default(),
            declared: Vec::new(),
            torn: false,
            #[cfg(test)]
            asked: std::collections::BTreeSet::new(),
        }
    }

    /// Notes a fault; the result takes labels and help.
    pub fn fault(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let span = valid_span(self.text, span);
        self.diagnostics.push(Diagnostic::new(code, span, message));
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    /// Something that has to be there is not, unless it got lost in a syntax error.
    pub fn missing(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> Option<&mut Diagnostic> {
        (!self.torn).then(|| self.fault(code, span, message))
    }

    /// A key that a table cannot do without is not there.
    pub fn lacks(
        &mut self,
        table: &Range<usize>,
        key: &str,
        message: impl Into<String>,
        help: &str,
    ) {
        if let Some(fault) = self.missing(codes::MISSING_KEY, table, message) {
            fault.label(format!("`{key}` is missing")).help(help);
        }
    }

    pub fn line(&self, span: &Range<usize>) -> usize {
        self.lines.partition_point(|begin| *begin <= span.start) + 1
    }

    /// Opens a value as a table.
    pub fn table<'d>(&mut self, shape: &'static str, value: &Value<'d>) -> Option<Table<'d>> {
        let Some(items) = value.toml.as_table() else {
            self.wrong_type(value, "a table such as { key = \"value\" }");
            return None;
        };
        Some(Table::new(shape, items, value.span.clone(), value.path.clone()))
    }

    /// Opens a value as a list of tables, `[[key]]` or `key = [{ .. }]`.
    pub fn tables<'d>(&mut self, shape: &'static str, value: &Value<'d>) -> Vec<Table<'d>> {
        let items = match value.items() {
            Some(items) => items,
            None if value.toml.is_table() => {
                let key = value.key;
                let help = if value.path == key {
                    format!("write `[[{key}]]` with two brackets")
                } else {
                    format!("write a list: `{key} = [{{ .. }}]`")
                };
                self.fault(
                    codes::WRONG_TYPE,
                    &value.key_span,
                    format!("`{key}` takes a list of tables"),
                )
                .label("this is one table")
                .help(help);
                vec![value.clone().at_index(0)]
            }
            None => {
                self.wrong_type(value, "a list of tables");
                return Vec::new();
            }
        };
        if items.is_empty() {
            self.empty_list(value);
        }
        items.iter().filter_map(|item| self.table(shape, item)).collect()
    }

    pub fn wrong_type(&mut self, value: &Value, wanted: &str) {
        self.fault(codes::WRONG_TYPE, &value.span, format!("`{}` takes {wanted}", value.key))
            .label(format!("this is {}", value.kind()));
    }

    pub fn empty_list(&mut self, value: &Value) {
        self.fault(codes::EMPTY, &value.span, format!("`{}` is an empty list", value.key))
            .label("nothing can match this")
            .help(format!("leave `{}` out, or list something", value.key));
    }

    /// Reports what the table holds and was never asked for.
    pub fn finish(&mut self, table: &Table) {
        #[cfg(test)]
        self.asked.extend(table.asked.iter().map(|key| (table.shape, *key)));
        for (key, _) in table.items {
            let name: &str = key.get_ref();
            if table.asked.contains(&name) || table.claimed.contains(&name) {
                continue;
            }
            let place = schema::place(table.shape);
            let help = if let Some(near) = nearest(name, table.asked.iter().copied()) {
                format!("did you mean `{near}`?")
            } else if let Some(elsewhere) = schema::belongs_in(name, table.shape) {
                format!("`{name}` belongs in {elsewhere}")
            } else if let Some((ours, elsewhere)) =
                alias(name).and_then(|ours| Some((ours, schema::belongs_in(ours, table.shape)?)))
            {
                format!("write `{ours}` in {elsewhere}")
            } else {
                format!("{place} takes {}", list(&table.asked))
            };
            self.fault(codes::UNKNOWN_KEY, &key.span(), format!("unknown key `{name}` in {place}"))
                .label("not a key of this table")
                .help(help);
        }
    }
}

impl<'d> Value<'d> {
    fn at_index(mut self, i: usize) -> Value<'d> {
        self.path = format!("{}.{i}", self.path);
        self
    }
}

impl<'d> Table<'d> {
    pub fn new(
        shape: &'static str,
        items: &'d DeTable<'d>,
        span: Range<usize>,
        path: String,
    ) -> Table<'d> {
        Table { shape, items, span, path, asked: Vec::new(), claimed: Vec::new() }
    }

    /// The value of a key that belongs in this table.
    pub fn get(&mut self, cx: &mut Context, key: &'static str) -> Option<Value<'d>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let value = self.look_up(key)?;
        let line = cx.line(&value.key_span);
        cx.origins.set(value.path.clone(), Origin::Line(line));
        Some(value)
    }

    /// The value of a key that does not belong here and that the caller reports better than
    /// as unknown.
    pub fn claim(&mut self, key: &'static str) -> Option<Value<'d>> {
        let value = self.look_up(key)?;
        self.claimed.push(key);
        Some(value)
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Every entry, for tables whose keys are free.
    pub fn entries(&self) -> impl Iterator<Item = (&'d str, &'d toml::Spanned<DeValue<'d>>)> {
        let items: &'d DeTable<'d> = self.items;
        items.iter().map(|(k, v)| (k.get_ref().as_ref(), v))
    }

    fn look_up(&self, key: &'static str) -> Option<Value<'d>> {
        let items: &'d DeTable<'d> = self.items;
        let (name, value) = items.get_key_value(key)?;
        let path =
            if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Some(Value { key, key_span: name.span(), span: value.span(), toml: value.get_ref(), path })
    }
}

/// `a`, `b` and `c`, in backticks.
pub(super) fn list<S: AsRef<str>>(words: &[S]) -> String {
    joined(words, "and")
}

/// `a`, `b` or `c`, in backticks.
pub(super) fn either<S: AsRef<str>>(words: &[S]) -> String {
    joined(words, "or")
}

fn joined<S: AsRef<str>>(words: &[S], last_word: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{}`", w.as_ref())).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {last_word} {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::diagnostic::Position;
    use super::*;

    #[test]
    fn a_key_has_the_line_that_a_fault_there_would_be_shown_at() {
        for text in ["", "\n", "a\n", "\u{feff}a = 1\r\n\n한 = 2\nb", "\n\n\nc"] {
            let cx = Context::new(text);
            for at in 0..=text.len() {
                assert_eq!(cx.line(&(at..at)), Position::of(text, at).line, "{text:?} at {at}");
            }
        }
    }
}
