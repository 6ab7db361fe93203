//! What lies on a storage, seen without changing it.

pub mod unit;
