//! A table row by row: metric files of long runs are larger than memory should be asked for.

use super::{CsvError, MAX_COLUMNS, Records};
use crate::format::lines::{Lines, LogError};
use crate::store::Blob;

/// A quoted field that goes on for more lines than this was never closed.
const MAX_FIELD_LINES: usize = 64;

/// A table of which one row is in memory.
pub struct Reader<'b> {
    lines: Lines<'b>,
    header: Vec<String>,
    row: Row,
}

/// The fields of one row; those missing at its end are empty.
#[derive(Clone, Debug, Default)]
pub struct Row {
    fields: Vec<String>,
}

impl Row {
    /// A field without surrounding space; `None` if it is empty or missing.
    pub fn field(&self, column: usize) -> Option<&str> {
        let field = self.fields.get(column)?.trim();
        (!field.is_empty()).then_some(field)
    }
}

impl<'b> Reader<'b> {
    /// Reads the header; an empty file has none, and no rows.
    ///
    /// # Errors
    /// The header is none, or cannot be read.
    pub fn new(file: &'b dyn Blob) -> Result<Reader<'b>, CsvError> {
        let mut lines = Lines::new(file);
        let mut header = Vec::new();
        while let Some((_, record)) = next_record(&mut lines)? {
            if !is_blank(&record) {
                header = record.into_iter().map(|name| name.trim().to_owned()).collect();
                break;
            }
        }
        Ok(Reader { lines, header, row: Row::default() })
    }

    /// The names of the columns, without surrounding space.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|c| c == name)
    }

    /// The next row. A last line without its line feed was being written: it is left out.
    ///
    /// # Errors
    /// The first fault that leaves in doubt which value stands where.
    pub fn next_row(&mut self) -> Result<Option<&Row>, CsvError> {
        loop {
            let Some((line, fields)) = next_record(&mut self.lines)? else { return Ok(None) };
            if is_blank(&fields) {
                continue;
            }
            let (found, expected) = (fields.len(), self.header.len());
            if found > expected {
                return Err(CsvError::TooManyFields { line, found, expected });
            }
            self.row.fields = fields;
            return Ok(Some(&self.row));
        }
    }
}

fn is_blank(record: &[String]) -> bool {
    matches!(record, [only] if only.is_empty())
}

/// A record and the number of its first line.
fn next_record(lines: &mut Lines<'_>) -> Result<Option<(usize, Vec<String>)>, CsvError> {
    let mut text = Vec::new();
    let mut first = 0;
    for more in 0..MAX_FIELD_LINES {
        let line = lines.next_line().map_err(|e: LogError| CsvError::Log(e.to_string()))?;
        let Some(line) = line.filter(|l| l.ended) else {
            // What is open at the end was being written.
            return Ok(None);
        };
        if more == 0 {
            first = line.number;
        }
        text.extend_from_slice(line.bytes);
        text.push(b'\n');
        let rest = std::str::from_utf8(&text).map_err(|_| CsvError::NotUtf8)?;
        match (Records { rest, line: first }).next_record() {
            Ok(Some((_, record))) if record.len() > MAX_COLUMNS => return Err(CsvError::TooWide),
            Ok(Some((_, record))) => {
                return Ok(Some((first, record.into_iter().map(Into::into).collect())));
            }
            Ok(None) | Err(CsvError::OpenQuote(_)) => {}
            Err(e) => return Err(e),
        }
    }
    Err(CsvError::OpenQuote(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::csv::number;
    use crate::format::lines::tests::Memory;
    use proptest::prelude::*;

    fn rows(bytes: &[u8]) -> Result<Vec<Vec<String>>, CsvError> {
        let file = Memory(bytes.to_vec());
        let mut reader = Reader::new(&file)?;
        let mut out = vec![reader.header().to_vec()];
        while let Some(row) = reader.next_row()? {
            out.push((0..9).map_while(|c| row.fields.get(c).cloned()).collect());
        }
        Ok(out)
    }

    #[test]
    fn a_metrics_file() {
        let csv = b"\xef\xbb\xbfepoch, step,loss\r\n\n0,\"1\n2\",2.5\r\n1,4\n1,5";
        let want = [vec!["epoch", "step", "loss"], vec!["0", "1\n2", "2.5"], vec!["1", "4"]];
        assert_eq!(rows(csv).unwrap(), want);
        assert_eq!(rows(b"").unwrap(), [Vec::<String>::new()]);
        assert_eq!(rows(b"a,b\n1,\"2").unwrap().len(), 1, "a torn end is dropped");
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(
            rows(b"a,b\n1,2,3\n").unwrap_err().to_string(),
            "line 2 has 3 fields, the header has 2"
        );
        let open = [&b"a,b\n\"1"[..], &b"\n".repeat(99)].concat();
        assert_eq!(rows(&open).unwrap_err(), CsvError::OpenQuote(2));
        assert_eq!(rows(b"a\n\xff\xfe\n").unwrap_err(), CsvError::NotUtf8);
        let zeros = vec![0; 20 << 20];
        assert_eq!(rows(&zeros).unwrap_err().to_string(), "line 1 is longer than 16 MiB");
    }

    #[test]
    fn fields() {
        let csv =
            b"\xef\xbb\xbfepoch,step,\"a,\"\"b\"\"\",loss\r\n0,3,,nan\r\n\n0,4,\"1\n2\",2.5\n1,5";
        let file = Memory(csv.to_vec());
        let mut reader = Reader::new(&file).unwrap();
        assert_eq!(reader.header(), ["epoch", "step", "a,\"b\"", "loss"]);
        let loss = reader.column("loss").unwrap();
        let first = reader.next_row().unwrap().unwrap();
        assert_eq!((first.field(2), first.field(9)), (None, None));
        assert!(number(first.field(loss).unwrap()).is_nan());
        let second = reader.next_row().unwrap().unwrap();
        assert_eq!((second.field(2), second.field(loss)), (Some("1\n2"), Some("2.5")));
        assert!(reader.next_row().unwrap().is_none(), "the torn last line is dropped");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = rows(&bytes);
        }

        #[test]
        fn quoted_fields_survive(
            fields in proptest::collection::vec("[a\",\n é]{0,6}", 1..5),
        ) {
            let quoted: Vec<_> =
                fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            let rows = rows(format!("{},x\n{}\n", "c,".repeat(9), quoted.join(",")).as_bytes()).unwrap();
            let empty = matches!(&fields[..], [only] if only.is_empty());
            prop_assert_eq!(rows.get(1), (!empty).then_some(&fields));
        }

        /// A table is as many rows as lines, if nothing is quoted.
        #[test]
        fn a_row_for_each_line(text in "[a,\n]{0,30}") {
            let ended = text.rfind('\n').map_or("", |i| &text[..i]);
            let lines: Vec<&str> = ended.split('\n').filter(|l| !l.is_empty()).collect();
            let width = |l: &&str| l.split(',').count();
            let too_wide = lines.iter().skip(1).any(|l| width(l) > lines.first().map_or(0, width));
            match rows(text.as_bytes()) {
                Ok(rows) => prop_assert!(!too_wide && rows.len() == lines.len().max(1)),
                Err(e) => prop_assert!(too_wide, "{}", e),
            }
        }
    }
}
