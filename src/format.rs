//! The file formats that training frameworks write, read leniently and within bounds.
//!
//! Metadata on a disk is not trusted: it may be torn, written by another version, or made to hurt.
//! These readers accept what frameworks are known to write (Python's bare `NaN`, a byte order
//! mark, a last line cut short), refuse the rest with a reason, and never run anything.

pub mod csv;
pub mod events;
pub mod json;
pub mod lines;
pub mod msgpack;
pub mod protobuf;
pub mod shape;
pub mod tfrecord;
pub mod torch;
pub mod zip;
