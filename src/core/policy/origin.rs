//! Where each value of an effective policy came from.

use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// Written at this line, counted from 1.
    Line(usize),
    /// Written at this line of another table, which passes it on.
    Inherited {
        table: &'static str,
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Line(line) => write!(f, "line {line}"),
            Origin::Inherited { table, line } => write!(f, "{table}, line {line}"),
        }
    }
}

/// Origins by path: `grace`, `policy.0.min-keep`, `policy.0.keep.1.ties`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    pub fn set(&mut self, path: String, origin: Origin) {
        self.0.insert(path, origin);
    }

    /// What was not written is a default.
    pub fn get(&self, path: &str) -> Origin {
        self.0.get(path).cloned().unwrap_or(Origin::Default)
    }
}
