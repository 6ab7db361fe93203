//! `metrics.csv` of Lightning's `CSVLogger`, and which of its rows belong to a checkpoint.
//!
//! A row's `step` is the index of the batch, a checkpoint's is the number of batches done: one
//! more. Validation has rows of its own. Where no row has the checkpoint's step, the epoch's value
//! is taken if there is exactly one, and it is not of later than the checkpoint. The same where that
//! row is of another epoch: with several optimizers a checkpoint's step counts more than batches.

use crate::core::model::Step;
use crate::format::csv::{CsvError, Reader, number};
use crate::store::Blob;
use std::collections::{HashMap, HashSet};

/// What was logged of the checkpoints' steps, and of every epoch.
#[derive(Debug, Default)]
pub struct History {
    columns: Vec<String>,
    /// By the row's step, then by column: the last value.
    by_step: HashMap<u64, HashMap<usize, f64>>,
    by_epoch: HashMap<u64, HashMap<usize, Only>>,
    /// By the row's step, its epoch.
    epochs: HashMap<u64, u64>,
}

/// The values of one column in one epoch.
#[derive(Clone, Copy, Debug)]
struct Only {
    first: f64,
    step: Option<u64>,
    many: bool,
}

impl History {
    /// Reads a log of any length, for checkpoints of these steps.
    ///
    /// # Errors
    /// It is no table.
    pub fn read(file: &dyn Blob, steps: &HashSet<u64>) -> Result<History, CsvError> {
        let mut reader = Reader::new(file)?;
        let mut history = History::default();
        // Both columns are always there; any other table is not this logger's.
        let columns = (reader.column("epoch"), reader.column("step"));
        let (Some(epoch_column), Some(step_column)) = columns else { return Ok(history) };
        history.columns = reader.header().to_vec();
        let width = history.columns.len();
        let whole = |text: &str| match Step::from_f64(text.parse().ok()?) {
            Some(Step::Whole(n)) => Some(n),
            _ => None,
        };
        while let Some(row) = reader.next_row()? {
            let step = row.field(step_column).and_then(whole);
            let epoch = row.field(epoch_column).and_then(whole);
            let wanted = step.filter(|s| s.checked_add(1).is_some_and(|s| steps.contains(&s)));
            if let Some((step, epoch)) = wanted.zip(epoch) {
                history.epochs.insert(step, epoch);
            }
            let mut at_step = wanted.map(|s| history.by_step.entry(s).or_default());
            let mut in_epoch = epoch.map(|e| history.by_epoch.entry(e).or_default());
            for column in (0..width).filter(|c| *c != epoch_column && *c != step_column) {
                let Some(value) = row.field(column).map(number) else { continue };
                if let Some(values) = &mut at_step {
                    values.insert(column, value);
                }
                if let Some(values) = &mut in_epoch {
                    let new = Only { first: value, step, many: false };
                    values.entry(column).and_modify(|only| only.many = true).or_insert(new);
                }
            }
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
        let same_epoch =
            |row: &u64| self.epochs.get(row).zip(epoch).is_none_or(|(row, own)| *row == own);
        let row = step.and_then(|s| s.checked_sub(1)).filter(same_epoch);
        let own = row.and_then(|s| self.by_step.get(&s));
        let in_epoch = epoch.and_then(|e| self.by_epoch.get(&e));
        let value = |column: usize| match own {
            Some(values) => values.get(&column).copied(),
            None => {
                let only = in_epoch?.get(&column)?;
                let later = only.step.zip(step).is_some_and(|(row, own)| row >= own);
                (!only.many && !later).then_some(only.first)
            }
        };
        let named = |(c, name): (usize, &String)| Some((name.clone(), value(c)?));
        self.columns.iter().enumerate().filter_map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::lines::tests::Memory;

    const CSV: &str = "epoch,step,train_loss,val_loss\n\
        0,3,0.5,\n0,3,,10.0\n\
        1,4,0.6,\n1,7,0.7,\n1,7,,nan\n\
        2,9,0.8,\n2,11,,2.799999952316284\n";

    fn at(step: Option<u64>, epoch: Option<u64>) -> String {
        let steps = step.into_iter().collect();
        let history = History::read(&Memory(CSV.into()), &steps).unwrap();
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
        assert_eq!(at(Some(8), Some(0)), "train_loss=0.5 val_loss=10", "two optimizers");
        assert_eq!(at(Some(8), None), "train_loss=0.7 val_loss=NaN");
        assert_eq!(at(Some(0), None), "");
        assert_eq!(at(None, None), "");
        assert_eq!(at(Some(99), Some(99)), "");
    }

    #[test]
    fn another_table_is_not_ours() {
        let file = Memory(b"time,value\n1,2\n".to_vec());
        let history = History::read(&file, &HashSet::from([2])).unwrap();
        assert!(history.at(Some(Step::Whole(2)), None).is_empty());
    }
}
