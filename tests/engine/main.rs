//! The engine, by tables, laws and independent oracles.

mod explain;
mod ladder;
mod laws;
mod limits;
mod plan;
mod restic;
mod rules;
mod support;
