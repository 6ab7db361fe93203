//! Policy files as a person writes them: what loads, what is said about what does not, and
//! everything that is generated from the shape of the language.
//!
//! Generated files are compared by these tests, never written; to write them anew:
//! `cargo test --test policies -- --ignored regenerate`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod policies {
    mod covered;
    mod declared;
    mod docs;
    mod edges;
    mod files;
    mod generated;
    mod inner;
    mod laws;
    mod rows;
    mod support;
}
