//! Policy-driven retention and garbage collection for model checkpoints.
//!
//! Read in this order: [`core`] decides (pure), [`store`] and [`layout`] see what is on a disk,
//! [`scan`] turns that into an inventory, [`apply`] is the only module that deletes,
//! [`report`] renders, [`steps`] is what the command line and the page share, [`cli`] is the command
//! line.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        clippy::float_cmp,
        reason = "tests fail by panicking, break their own trees, and compare exact numbers"
    )
)]

pub mod apply;
pub mod cli;
pub mod config;
pub mod core;
pub mod demo;
pub mod format;
pub mod history;
pub mod inventory;
pub mod layout;
pub mod marks;
pub mod notify;
pub mod report;
pub mod scan;
pub mod serve;
pub mod steps;
pub mod store;
pub mod whole;
