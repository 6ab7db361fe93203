//! What the command line and the web page both do between a scan and an apply.
//!
//! Neither may decide differently from the other: which checkpoints a text stands for, what a
//! person's own choice may delete, where a mark is written and how a run is told in JSON is
//! written here once. Nothing here prints, asks or reads a clock.

pub mod by_hand;
pub mod differ;
pub mod mark;
pub mod past;
pub mod pick;
pub mod see;
pub mod space;
pub mod taken;
pub mod told;

/// Where the policy of those who did not write one comes from.
pub const DEFAULT_SOURCE: &str = "embedded default";
