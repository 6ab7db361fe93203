//! Logs whose rows belong to checkpoints by a number that both have.
//!
//! Frameworks count from different ends: a log from zero and a file's name from one, or the other
//! way round. How they count is a [`Join`] in each layout, with its reason, and nowhere else.

use super::Claim;
use super::metric::Source;
use crate::core::model::Step;
use crate::format::csv::{CsvError, Reader, number};
use crate::store::Blob;
use std::collections::HashMap;

/// How a log's rows find their checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Join {
    /// The column or key that counts.
    pub column: &'static str,
    /// What is added to it to get the number of the checkpoint.
    pub offset: i64,
    /// Why they differ, or do not.
    pub why: &'static str,
}

impl Join {
    /// The number of the checkpoint that a row with this value belongs to.
    pub fn number(&self, row: f64) -> Option<u64> {
        match Step::from_f64(row)? {
            Step::Whole(n) => n.checked_add_signed(self.offset),
            Step::Fraction(_) => None,
        }
    }
}

/// What was logged, by the checkpoints' numbers.
#[derive(Debug, Default)]
pub struct Logged {
    /// The log, as a path relative to the session.
    pub source: String,
    rows: HashMap<u64, Vec<(String, f64)>>,
}

impl Logged {
    pub fn new(source: impl Into<String>) -> Logged {
        Logged { source: source.into(), rows: HashMap::new() }
    }

    /// Reads a table; `is_metric` tells its columns apart. Rows without a number, such as a header
    /// that a resumed run wrote again, belong to no checkpoint.
    ///
    /// # Errors
    /// It is no table, or lacks the column.
    pub fn csv(
        file: &dyn Blob,
        join: &Join,
        source: &str,
        is_metric: fn(&str) -> bool,
    ) -> Result<Logged, LogError> {
        let mut reader = Reader::new(file)?;
        let mut logged = Logged::new(source);
        let header = reader.header().to_vec();
        if header.is_empty() {
            return Ok(logged);
        }
        let column = reader.column(join.column).ok_or(LogError::NoColumn(join.column))?;
        while let Some(row) = reader.next_row()? {
            let Some(n) = row.field(column).and_then(|f| join.number(number(f))) else { continue };
            for (c, name) in header.iter().enumerate().filter(|(c, _)| *c != column) {
                if let Some(field) = row.field(c).filter(|_| is_metric(name)) {
                    logged.add(n, name, number(field));
                }
            }
        }
        Ok(logged)
    }

    /// Adds a value. A resumed run logs again: the later value is what the weights went on from.
    pub fn add(&mut self, number: u64, name: &str, value: f64) {
        let row = self.rows.entry(number).or_default();
        match row.iter_mut().find(|(n, _)| n == name) {
            Some(known) => known.1 = value,
            None => row.push((name.to_owned(), value)),
        }
    }

    /// Gives a checkpoint what was logged for its number.
    pub fn offer(&self, claim: &mut Claim, number: Option<Step>) {
        let Some(Step::Whole(number)) = number else { return };
        for (name, value) in self.rows.get(&number).into_iter().flatten() {
            claim.metrics.offer(name, *value, Source::File(self.source.clone()));
        }
    }
}

/// Why a log cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Csv(#[from] CsvError),
    #[error("has no column `{0}`")]
    NoColumn(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOIN: Join = Join { column: "epoch", offset: 1, why: "counts from zero" };

    struct Text(&'static str);

    impl Blob for Text {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, offset: u64, max: usize) -> std::io::Result<Vec<u8>> {
            let bytes = self.0.as_bytes().iter().skip(usize::try_from(offset).unwrap());
            Ok(bytes.take(max).copied().collect())
        }
    }

    fn at(csv: &'static str, number: u64) -> String {
        let logged = Logged::csv(&Text(csv), &JOIN, "log.csv", |c| c != "time").unwrap();
        let mut claim = Claim::default();
        logged.offer(&mut claim, Some(Step::Whole(number)));
        let shown = claim.metrics.readings().iter().map(|r| format!("{}={}", r.name, r.value));
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rows_find_their_checkpoints() {
        let csv =
            "epoch, time, loss,acc\n0,5,0.5,\n1,6,0.4,nan\nepoch,time,loss,acc\n1,7,0.3,x\n2,8";
        assert_eq!(at(csv, 1), "loss=0.5");
        assert_eq!(at(csv, 2), "loss=0.3 acc=NaN", "logged again after a restart");
        assert_eq!(at(csv, 0), "");
        assert_eq!(at(csv, 3), "", "the torn last line is dropped");
        assert_eq!(at("", 1), "");
    }

    #[test]
    fn numbers_that_no_checkpoint_has() {
        let back = Join { offset: -1, ..JOIN };
        assert_eq!(back.number(0.0), None);
        assert_eq!(back.number(3.0), Some(2));
        for row in [-1.0, 0.5, f64::NAN, f64::INFINITY, 1.0e300] {
            assert_eq!(back.number(row), None, "{row}");
        }
    }

    #[test]
    fn a_table_of_something_else() {
        let error = Logged::csv(&Text("a,b\n1,2\n"), &JOIN, "log.csv", |_| true).unwrap_err();
        assert_eq!(error.to_string(), "has no column `epoch`");
    }
}
