//! What a scan makes of trees on a disk: real ones, built ones, damaged ones, hostile ones.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests build trees, and break and remove parts of them"
)]

mod built;
mod damage;
mod fuzz;
mod hf_trainer;
mod lightning;
mod links;
mod nsml;
mod plans;
mod real;
mod sessions;
mod tree;
mod variants;
mod weights;
