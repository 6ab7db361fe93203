//! Tables as CSV loggers write them: a header, then rows, with quotes where a field needs them.
//!
//! Rows are sparse and may be cut short while a training writes them; a row's missing fields are
//! empty.

use std::borrow::Cow;

mod reader;

pub use reader::{Reader, Row};

/// The fields of one line.
type Record<'a> = Vec<Cow<'a, str>>;

/// A table with named columns.
#[derive(Clone, Debug, Default)]
pub struct Table<'a> {
    pub header: Record<'a>,
    rows: Vec<Record<'a>>,
}

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

impl<'a> Table<'a> {
    /// Parses a whole file. A last line without its newline was being written: it is dropped.
    ///
    /// # Errors
    /// The first fault that leaves in doubt which value stands where.
    pub fn parse(bytes: &'a [u8]) -> Result<Table<'a>, CsvError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| CsvError::NotUtf8)?;
        let mut lines = Records { rest: text, line: 1 };
        let mut table = Table::default();
        while let Some((line, record)) = lines.next_record()? {
            if record.len() > MAX_COLUMNS {
                return Err(CsvError::TooWide);
            }
            if matches!(&record[..], [only] if only.is_empty()) {
                continue;
            }
            if table.header.is_empty() {
                table.header = record;
                continue;
            }
            let (found, expected) = (record.len(), table.header.len());
            if found > expected {
                return Err(CsvError::TooManyFields { line, found, expected });
            }
            table.rows.push(record);
        }
        Ok(table)
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|c| c.trim() == name)
    }

    /// How many rows there are, the header not counted.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A field without surrounding space; `None` if it is empty or missing.
    pub fn field(&self, row: usize, column: usize) -> Option<&str> {
        let field = self.rows.get(row)?.get(column)?.trim();
        (!field.is_empty()).then_some(field)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_metrics_file() {
        let csv =
            b"\xef\xbb\xbfepoch,step,\"a,\"\"b\"\"\",loss\r\n0,3,,nan\r\n\n0,4,\"1\n2\",2.5\n1,5";
        let table = Table::parse(csv).unwrap();
        assert_eq!(table.header, ["epoch", "step", "a,\"b\"", "loss"]);
        assert_eq!(table.len(), 2, "the torn last line is dropped");
        assert_eq!(table.field(0, 2), None);
        assert!(number(table.field(0, 3).unwrap()).is_nan());
        assert_eq!(table.field(1, 2), Some("1\n2"));
        assert_eq!(table.field(1, table.column("loss").unwrap()), Some("2.5"));
        assert_eq!(table.field(1, 9), None);
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(
            Table::parse(b"a,b\n1,2,3\n").unwrap_err().to_string(),
            "line 2 has 3 fields, the header has 2"
        );
        assert_eq!(Table::parse(b"a,b\n\"1,2\n").unwrap_err(), CsvError::OpenQuote(2));
        assert_eq!(Table::parse(b"\xff\xfea\0\n").unwrap_err(), CsvError::NotUtf8);
        assert!(Table::parse(b"").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Table::parse(&bytes);
        }

        #[test]
        fn quoted_fields_survive(fields in proptest::collection::vec("[a\",\n é]{0,6}", 1..5)) {
            let quoted: Vec<_> =
                fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            let csv = format!("{}\n", quoted.join(","));
            let table = Table::parse(csv.as_bytes()).unwrap();
            let empty = matches!(&fields[..], [only] if only.is_empty());
            prop_assert_eq!(&table.header, &if empty { vec![] } else { fields });
        }
    }
}
