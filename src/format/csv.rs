//! Tables as CSV loggers write them: a header, then rows, with quotes where a field needs them.
//!
//! Rows are sparse and may be cut short while a training writes them; a row's missing fields are
//! empty.

use std::borrow::Cow;

mod reader;

pub use reader::{Reader, Row};

/// The fields of one line.
type Record<'a> = Vec<Cow<'a, str>>;

/// Why a file is not a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    #[error("not UTF-8")]
    NotUtf8,
    #[error("a quote in line {0} is never closed")]
    OpenQuote(usize),
    #[error("line {line} has {found} fields, the header has {expected}")]
    TooManyFields { line: usize, found: usize, expected: usize },
    #[error("more than {MAX_COLUMNS} columns")]
    TooWide,
    #[error("{0}")]
    Log(String),
}

const MAX_COLUMNS: usize = 10_000;

/// Takes a text apart, record by record.
struct Records<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Records<'a> {
    /// The next record with the number of its first line.
    fn next_record(&mut self) -> Result<Option<(usize, Record<'a>)>, CsvError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (first, mut fields) = (self.line, Vec::new());
        loop {
            let field = if let Some(quoted) = self.rest.strip_prefix('"') {
                self.quoted(quoted)?
            } else {
                let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
                let (field, rest) = self.rest.split_at(end);
                self.rest = rest;
                Cow::Borrowed(field.strip_suffix('\r').unwrap_or(field))
            };
            fields.push(field);
            let separator = self.rest.chars().next();
            self.rest = self.rest.get(1..).unwrap_or("");
            if separator != Some(',') {
                self.line += 1;
                return Ok(Some((first, fields)));
            }
        }
    }

    /// Reads up to the closing quote, and leaves what follows it at a separator.
    fn quoted(&mut self, text: &'a str) -> Result<Cow<'a, str>, CsvError> {
        let mut out = String::new();
        let mut rest = text;
        loop {
            let Some(end) = rest.find('"') else {
                return Err(CsvError::OpenQuote(self.line));
            };
            out.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(more) => {
                    out.push('"');
                    rest = more;
                }
                None => break,
            }
        }
        self.line += out.matches('\n').count();
        // Text after a closing quote belongs to the field, as Python's reader has it.
        let end = rest.find([',', '\n']).unwrap_or(rest.len());
        out.push_str(rest[..end].trim_end_matches('\r'));
        self.rest = &rest[end..];
        Ok(Cow::Owned(out))
    }
}

/// A field as a number: Python's spelling of NaN and the infinities included, text is NaN.
pub fn number(field: &str) -> f64 {
    // Rust's parser knows `nan`, `inf` and `infinity` in any case.
    field.parse().unwrap_or(f64::NAN)
}
