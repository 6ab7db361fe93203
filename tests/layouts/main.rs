//! What a scan makes of trees on a disk: real ones, built ones, damaged ones, hostile ones.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::float_cmp,
    reason = "tests fail by panicking, break their own trees, and compare exact numbers"
)]

mod damage;
mod fuzz;
mod hf_trainer;
mod lightning;
mod links;
mod nsml;
mod sessions;
mod tree;
