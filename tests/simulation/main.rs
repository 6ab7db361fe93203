//! A seeded simulation of the apply protocol: small worlds, every command, every mishap, an
//! outside writer, and promise P checked after each step.
//!
//! A world ([`world`]) is a few sessions of checkpoints in a directory in memory; what may be true
//! of it is kept in a model beside it and compared with all that is there ([`check`]). Commands
//! run on a [`disk`] that fails, crashes, loses power, lies, or lets somebody else in at the k-th
//! call. [`act`] is the alphabet of operations.
//!
//! [`exhaustive`] runs all short sequences and all single mishaps, [`random`] longer ones from
//! seeds, [`broken`] shows that the checker finds protocols that are broken on purpose.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod act;
mod broken;
mod check;
mod disk;
mod exhaustive;
mod outside;
mod random;
mod tree;
mod world;
