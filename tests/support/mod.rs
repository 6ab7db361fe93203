//! What the tests of whole trees and of the program share.
//!
//! A deletion tool is tested by what it leaves behind. So a test states a tree ([`Tree`]), takes a
//! [`Snapshot`], runs the program cut off from the machine it happens to run on ([`World`]), and
//! compares snapshots. `tests/support_laws.rs` proves that these helpers notice what they should.
//!
//! A test file begins with `mod support;` and
//! `#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]`.

#![allow(dead_code, unused_imports, reason = "each test program uses its own part of this")]

mod run;
mod snapshot;
mod tree;

pub use run::{NOW, Run, World, ago};
pub use snapshot::{Entry, Kind, Snapshot};
pub use tree::Tree;
