//! The web page as a browser, a program or an attacker meets it: a real server on a real socket,
//! and the tree that is left behind. The codes W1 to W14 are those of docs/safety.md.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "shared with the tests of the command line")]
#[path = "../cli/nsml.rs"]
mod nsml;

mod api;
mod attacks;
mod audits;
mod entry;
mod flows;
mod http;
mod journals;
mod owners;
mod proxy;
mod server;
mod torn;
