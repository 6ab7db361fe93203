//! `metrics.csv` of Lightning's `CSVLogger`, and which of its rows belong to a checkpoint.
//!
//! A row's `step` is the index of the batch, a checkpoint's is the number of batches done: one
//! more. Validation has rows of its own. Where no row has the checkpoint's step, the epoch's value
//! is taken if there is exactly one, and it is not of later than the checkpoint.

use crate::core::model::Step;
use crate::format::csv::{CsvError, Table, number};
use std::collections::HashMap;

/// What was logged, by step and by epoch.
#[derive(Debug, Default)]
pub struct History {
    columns: Vec<String>,
    rows: Vec<Row>,
    by_step: HashMap<u64, Vec<usize>>,
    by_epoch: HashMap<u64, Vec<usize>>,
}

#[derive(Debug)]
struct Row {
    step: Option<u64>,
    /// Column, value.
    values: Vec<(usize, f64)>,
}

impl History {
    /// # Errors
    /// It is no table.
    pub fn parse(bytes: &[u8]) -> Result<History, CsvError> {
        let table = Table::parse(bytes)?;
        let mut history = History::default();
        let (epoch, step) = (table.column("epoch"), table.column("step"));
        // Both columns are always there; any other table is not this logger's.
        let (Some(epoch), Some(step)) = (epoch, step) else { return Ok(history) };
        history.columns = table.header.iter().map(|c| c.trim().to_owned()).collect();
        let whole = |text: &str| Step::from_f64(text.parse().ok()?);
        for i in 0..table.len() {
            let at = |column| match table.field(i, column).and_then(whole) {
                Some(Step::Whole(n)) => Some(n),
                _ => None,
            };
            let values = (0..history.columns.len())
                .filter(|&c| c != epoch && c != step)
                .filter_map(|c| Some((c, number(table.field(i, c)?))))
                .collect();
            let index = history.rows.len();
            if let Some(step) = at(step) {
                history.by_step.entry(step).or_default().push(index);
            }
            if let Some(epoch) = at(epoch) {
                history.by_epoch.entry(epoch).or_default().push(index);
            }
            history.rows.push(Row { step: at(step), values });
        }
        Ok(history)
    }

    /// The names of all columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The metrics of a checkpoint, in the order of the columns.
    pub fn at(&self, step: Option<Step>, epoch: Option<Step>) -> Vec<(String, f64)> {
        let whole = |s| match s {
            Some(Step::Whole(n)) => Some(n),
            _ => None,
        };
        let (step, epoch) = (whole(step), whole(epoch));
        let own = step.and_then(|s| s.checked_sub(1)).and_then(|s| self.by_step.get(&s));
        let values = match own {
            Some(rows) => self.last_values(rows),
            None => epoch
                .and_then(|e| self.by_epoch.get(&e))
                .map_or_else(HashMap::new, |rows| self.only_values(rows, step)),
        };
        let named = |(c, name): (usize, &String)| Some((name.clone(), *values.get(&c)?));
        self.columns.iter().enumerate().filter_map(named).collect()
    }

    fn last_values(&self, rows: &[usize]) -> HashMap<usize, f64> {
        rows.iter().flat_map(|&r| self.rows[r].values.iter().copied()).collect()
    }

    fn only_values(&self, rows: &[usize], step: Option<u64>) -> HashMap<usize, f64> {
        let mut found: HashMap<usize, (f64, usize)> = HashMap::new();
        for &r in rows {
            let later = self.rows[r].step.zip(step).is_some_and(|(row, own)| row >= own);
            for &(c, value) in &self.rows[r].values {
                // A later value is counted but never taken: the epoch has no single one.
                let times = if later { 2 } else { 1 };
                let entry = found.entry(c).or_insert((value, 0));
                entry.1 += times;
            }
        }
        found.into_iter().filter(|(_, (_, n))| *n == 1).map(|(c, (v, _))| (c, v)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "epoch,step,train_loss,val_loss\n\
        0,3,0.5,\n0,3,,10.0\n\
        1,4,0.6,\n1,7,0.7,\n1,7,,nan\n\
        2,9,0.8,\n2,11,,2.799999952316284\n";

    fn at(step: Option<u64>, epoch: Option<u64>) -> String {
        let history = History::parse(CSV.as_bytes()).unwrap();
        let found = history.at(step.map(Step::Whole), epoch.map(Step::Whole));
        found.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rows_of_a_checkpoint() {
        assert_eq!(at(Some(4), Some(0)), "train_loss=0.5 val_loss=10", "csv step + 1");
        assert_eq!(at(Some(8), Some(1)), "train_loss=0.7 val_loss=NaN");
        assert_eq!(at(Some(12), Some(2)), "val_loss=2.799999952316284");
        assert_eq!(at(None, Some(2)), "train_loss=0.8 val_loss=2.799999952316284");
        assert_eq!(at(None, Some(1)), "val_loss=NaN", "two training values: none is the epoch's");
        assert_eq!(at(Some(11), Some(2)), "train_loss=0.8", "validated only later");
        assert_eq!(at(Some(0), None), "");
        assert_eq!(at(None, None), "");
        assert_eq!(at(Some(99), Some(99)), "");
    }

    #[test]
    fn another_table_is_not_ours() {
        let history = History::parse(b"time,value\n1,2\n").unwrap();
        assert!(history.at(Some(Step::Whole(2)), None).is_empty());
    }
}
