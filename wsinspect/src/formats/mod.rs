//! The formats of recordings, and the order of many connections in one.

pub mod connections;
pub mod har;
pub mod json;
pub mod packets;
pub mod pcapng;
pub mod redact;
