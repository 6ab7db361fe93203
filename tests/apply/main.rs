//! What `retain::apply` promises, shown on real file systems.
//!
//! Every test builds a storage in a temporary directory, measures it into a plan, carries that out
//! with some mishap, and compares the whole tree, byte for byte and inode for inode, with what it
//! was or must be.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::assigning_clones, reason = "one line for each field that a test changes")]

mod support;
#[path = "../support/mod.rs"]
mod trees;

mod batches;
mod changed;
mod confined;
mod copied;
mod early;
mod elsewhere;
mod faulty;
mod gone;
mod halves;
mod happy;
mod homes;
mod hostile;
mod interrupted;
mod journals;
mod known;
mod lives;
mod locks;
mod moved_roots;
mod pointed;
mod privileged;
mod purging;
mod races;
mod recovered;
mod refused;
mod removal;
mod roots;
mod shapes;
mod slots;
mod summaries;
mod sweep;
mod torn;
mod undone;
mod wanted;
mod within;
