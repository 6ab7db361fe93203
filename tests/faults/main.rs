//! The program itself, with the machine failing under it.
//!
//! `tests/apply` fails calls inside the process; here the real binary runs under `strace`, crashes
//! on real file systems, and shares its tree with an attacker. Names begin with their code in the
//! test matrix (`docs/safety.md`). All of it needs root: every test works in a mount namespace of
//! its own, in which everything but the test's own memory is read-only ([`arena`]).

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod arena;
mod crash;
mod disks;
mod limits;
mod many;
mod oracle;
mod race;
mod strace;
#[path = "../apply/support.rs"]
#[allow(dead_code, reason = "the other program uses all of it")]
mod support;
mod sweep;
#[path = "../support/mod.rs"]
mod trees;
