//! What `contrib/` offers is run as it stands there, as far as this machine can.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../cli/nsml.rs"]
#[allow(dead_code, reason = "only its sessions are used here")]
mod nsml;

mod ci;
mod cron;
mod metrics;
mod shell;
mod ten_minutes;
mod timers;
