//! The pure half of `retain`: what a checkpoint is, what a policy says, and what follows.
//!
//! Nothing below this module reads a clock, a file, the environment or a terminal; `now` is
//! always a parameter. That is what makes a plan reproducible, a decision testable by tables,
//! and a deletion explainable a year later.

pub mod advise;
pub mod calendar;
pub mod called;
pub mod decide;
pub mod decision;
pub mod declared;
pub mod explain;
pub mod lead;
pub mod limit;
pub mod model;
pub mod monitor;
pub mod name;
pub mod named;
pub mod order;
pub mod plan;
pub mod policy;
pub mod select;
pub mod simulate;
pub mod trend;
pub mod usage;
