//! What recovery did, in one line.

use std::fmt;

/// What interrupted runs needed; shows as one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Runs that were looked after.
    pub runs: Vec<String>,
    /// Whole in the trash, and recorded so now.
    pub completed: u64,
    /// Moved back, or never moved.
    pub put_back: u64,
    /// Restored by an undo that was cut off.
    pub restored: u64,
    pub purged: u64,
    /// Neither in the trash nor at their path.
    pub lost: u64,
    /// What could not be brought to an end, each a sentence.
    pub faults: Vec<String>,
}

impl Recovery {
    pub fn is_empty(&self) -> bool {
        *self == Recovery::default()
    }

    pub(in crate::apply) fn absorb(&mut self, other: Recovery) {
        self.runs.extend(other.runs);
        self.completed += other.completed;
        self.put_back += other.put_back;
        self.restored += other.restored;
        self.purged += other.purged;
        self.lost += other.lost;
        self.faults.extend(other.faults);
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs.is_empty() {
            f.write_str("nothing was recovered")?;
        } else {
            write!(f, "run {} was interrupted: ", self.runs.join(", "))?;
            let parts = [
                (self.completed, "in the trash and restorable"),
                (self.put_back, "left or put back at their paths"),
                (self.restored, "restored"),
                (self.purged, "purged to the end"),
                (self.lost, "gone"),
            ];
            let said: Vec<String> = parts
                .iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, what)| format!("{n} {what}"))
                .collect();
            f.write_str(&if said.is_empty() {
                "nothing was left half way".to_owned()
            } else {
                said.join(", ")
            })?;
        }
        if !self.faults.is_empty() {
            write!(f, "; {}", self.faults.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_was_recovered() {
        let runs = |n: usize| (0..n).map(|n| format!("r{n}")).collect();
        let all = Recovery {
            runs: runs(2),
            completed: 1,
            put_back: 2,
            restored: 3,
            purged: 4,
            lost: 5,
            faults: vec!["a".to_owned(), "b".to_owned()],
        };
        let table = [
            (Recovery::default(), "nothing was recovered"),
            (
                Recovery { runs: runs(1), ..Recovery::default() },
                "run r0 was interrupted: nothing was left half way",
            ),
            (
                Recovery { runs: runs(1), purged: 1, ..Recovery::default() },
                "run r0 was interrupted: 1 purged to the end",
            ),
            (
                all.clone(),
                "run r0, r1 was interrupted: 1 in the trash and restorable, 2 left or put back at \
                 their paths, 3 restored, 4 purged to the end, 5 gone; a; b",
            ),
        ];
        for (recovery, said) in table {
            assert_eq!(recovery.to_string(), said);
        }
        let mut sum = Recovery::default();
        assert!(sum.is_empty());
        sum.absorb(all.clone());
        assert_eq!(sum, all);
        sum.absorb(all);
        assert_eq!(
            [sum.completed, sum.put_back, sum.restored, sum.purged, sum.lost],
            [2, 4, 6, 8, 10]
        );
        assert_eq!((sum.runs.len(), sum.faults.len(), sum.is_empty()), (4, 4, false));
    }
}
