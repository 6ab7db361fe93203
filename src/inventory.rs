//! The inventory as a file: JSON Lines that any tool can write and read.
//!
//! One line for each session and each checkpoint, so that a file of ten million checkpoints
//! streams, can be cut up and put together, and can come from a tool that has never heard of
//! `retain`. A file that `retain` wrote opens with a header and closes with a trailer; if the
//! trailer is missing, so is an unknown number of checkpoints, and the file is refused.

use crate::core::model::Inventory;
use std::fmt;

mod merge;
mod read;
mod wire;
mod write;

pub use merge::merge;
pub use read::read;
pub use write::write;

/// The version of the format, in header and checkpoint lines.
pub const VERSION: u64 = 1;
/// So many faults are told one by one; the rest are counted.
pub const MAX_FAULTS: usize = 100;
/// Longer lines are refused.
pub const MAX_LINE: usize = 16 << 20;

/// An inventory from a file.
#[derive(Clone, Debug, Default)]
pub struct InventoryFile {
    pub inventory: Inventory,
    /// It has a header, so it was made by a scan of a root: its plan may be applied.
    pub applicable: bool,
}

/// Why a file is not an inventory: all faults of all lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadErrors {
    /// In the order of their lines, at most [`MAX_FAULTS`].
    pub faults: Vec<LineFault>,
    /// Faults beyond those.
    pub more: u64,
}

/// One faulty line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// From 1; the line after the last one for what is missing at the end.
    pub line: u64,
    pub text: String,
}

impl fmt::Display for ReadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for ReadErrors {}

impl ReadErrors {
    /// Each fault, and how many more there are.
    pub fn lines(&self) -> Vec<String> {
        let told = self.faults.iter().map(|fault| format!("line {}: {}", fault.line, fault.text));
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        told.chain(more).collect()
    }

    fn push(&mut self, line: u64, text: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(LineFault { line, text: text.into() });
        } else {
            self.more += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}
