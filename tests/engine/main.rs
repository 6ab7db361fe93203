//! The engine, by tables, laws and independent oracles.

mod ladder;
mod laws;
mod limits;
mod restic;
mod rules;
mod support;
