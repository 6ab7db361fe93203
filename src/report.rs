//! Renders values for people and for programs; decides nothing.

pub mod diagnostic;
pub mod github;
pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod listing;
pub mod markdown;
pub mod message;
pub mod monitor;
pub mod plan;
pub mod prometheus;
pub mod sanitize;
pub mod table;
pub mod usage;
