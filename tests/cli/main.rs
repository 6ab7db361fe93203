//! The program as a person or a script meets it: arguments, streams, exit codes, and the tree that
//! is left behind.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

mod consent;
mod demo;
mod docs;
mod exits;
mod layout;
mod listing;
mod marks;
mod monitor;
mod nsml;
mod planning;
mod plans;
mod policies;
mod reading;
mod readme;
mod real;
mod removing;
mod roots;
mod servers;
mod settings;
mod streams;
mod terminal;
mod undoing;
mod upkeep;
mod usage;
