//! Rows of the test matrix in docs/safety.md that concern the whole program and its surroundings:
//! who may tell root what to delete, what a killed run leaves to be said, clocks, operators, mounts,
//! hostile files and names. `table.rs` holds the table of all rows against the tests there are.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

#[path = "../apply/faulty.rs"]
#[allow(dead_code, reason = "another test program uses the rest")]
mod faulty;
#[path = "../cli/nsml.rs"]
#[allow(dead_code, reason = "another test program uses the rest")]
mod nsml;
#[path = "../apply/support.rs"]
#[allow(dead_code, reason = "another test program uses the rest")]
mod storage;
#[path = "../support/mod.rs"]
mod trees;

/// Both kinds of helpers under the name that each other's files know.
mod support {
    pub use crate::storage::*;
    pub use crate::trees::*;
}

/// The sample of [`nsml`] but for `.retain`, and the time of the folder that lost and got back names.
fn nsml_picture(tree: &trees::Tree) -> trees::Snapshot {
    let folder = format!("{}/nsml_model", nsml::SESSION);
    trees::Snapshot::of(tree.path()).without(".retain").without_times_of(&[&folder])
}

mod clock;
mod confined;
mod metadata;
mod modes;
mod mounts;
mod named;
mod operator;
mod root_policy;
mod rows;
mod sinks;
mod table;
mod told;
