//! The engine, by tables, laws and independent oracles.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "tests fail by panicking, and their numbers are small and exact"
)]

mod advise;
mod amounts;
mod best;
mod calendar;
mod draws;
mod explain;
mod idle;
mod ladder;
mod laws;
mod limits;
mod linked;
mod monitor;
mod plan;
mod restic;
mod rules;
mod simulate;
mod support;
mod usage;
mod witnesses;
mod words;
mod year;
