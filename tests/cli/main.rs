//! The program as a person or a script meets it: arguments, streams, exit codes, and the tree that
//! is left behind.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../layouts/tree.rs"]
#[allow(dead_code, reason = "only the files it writes are used here")]
mod layout_files;

mod calls;
mod consent;
mod demo;
mod docs;
mod exits;
mod foresight;
mod full;
mod index;
mod layout;
mod listing;
mod mail;
mod marks;
mod metrics;
mod monitor;
mod needs;
mod nights;
mod nsml;
mod partly;
mod parts;
mod planning;
mod plans;
mod policies;
mod policy_ci;
mod previews;
mod reading;
mod readme;
mod real;
mod removing;
mod roots;
mod servers;
mod settings;
mod several;
mod shared;
mod skips;
mod streams;
mod submitting;
mod terminal;
mod trees;
mod unattended;
mod undoing;
mod upkeep;
mod usage;
