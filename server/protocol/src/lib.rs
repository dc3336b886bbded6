//! The Inkwire drawing protocol: messages, their binary encoding, and its lossless JSON mirror.
//!
//! This crate knows no socket, no thread and no clock. `PROTOCOL.md` beside it is the text for people;
//! `vectors.json` holds the bytes that this crate and the page's codec (`static/js/protocol/`) both pass.
//!
//! ```
//! use inkwire_protocol::{ClientMessage, binary, json};
//!
//! let ping = [ClientMessage::Ping { nonce: 7 }];
//! let bytes = binary::encode_client(&ping);
//! assert_eq!(bytes, [5, 1, 7]);
//! assert_eq!(binary::decode_client(&bytes).unwrap()[..], ping);
//! assert_eq!(json::encode(&ping), r#"[{"type":"ping","nonce":7}]"#);
//! ```

mod access;
pub mod binary;
mod bytes;
mod columns;
mod enumeration;
mod error;
pub mod hex;
mod ink;
pub mod json;
pub mod limits;
mod message;
mod operation;

pub use access::{Action, AuditRecord, AuthorName, BanRecord, LinkRecord, Reaction, Role, Timestamp, Token};
pub use columns::Columns;
pub use error::DecodeError;
pub use ink::Ink;
pub use message::{
    AuthorState, Change, ClientId, ClientMessage, Element, Entry, Epoch, GestureRef, GestureState, ImageState,
    PatchRecord, Reason, RejectReason, ServerMessage, StorageState,
};
pub use operation::{
    Begin, Colour, Content, Dash, ElementRef, ImageHash, ImageHashError, Note, Operation, Patch, Picture, Points,
    Property, Shape, ShapeKind, Text, Tool,
};

/// The WebSocket sub-protocol of the binary encoding.
pub const SUBPROTOCOL_BINARY: &str = "inkwire.v1";
/// The WebSocket sub-protocol of the JSON mirror.
pub const SUBPROTOCOL_JSON: &str = "inkwire.v1.json";
