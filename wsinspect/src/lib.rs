//! WebSocket frames as they are on the wire: nothing corrected, nothing refused, no socket.
//!
//! Folders from the bottom up; each imports only those above it in this list:
//!
//! - [`hex`]: bytes as people paste them.
//! - [`frame`]: bytes to frames, compression, messages, close codes, and the rules that a frame breaks.
//! - [`handshake`]: URLs, heads, the outcome of a handshake, and variants of one.
//! - [`tap`]: the events of both directions of a connection.
//! - [`formats`]: events as JSON lines, HAR, pcapng and captures, of [many connections](formats::connections), without secrets.
//! - [`script`]: sends and expectations, scripts of them, and recordings that are played again.
//! - [`view`]: events for people, decoded, chosen by jq, and counted.

pub mod formats;
pub mod frame;
pub mod handshake;
pub mod hex;
pub mod script;
pub mod tap;
pub mod view;
