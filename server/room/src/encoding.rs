//! The two encodings of a member's packets.

use inkwire_protocol::{SUBPROTOCOL_BINARY, SUBPROTOCOL_JSON};

/// The encoding of a member's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `inkwire.v1`.
    Binary,
    /// `inkwire.v1.json`, also of a client that asks for no sub-protocol: most likely a person who types.
    Json,
}

impl Encoding {
    /// The sub-protocols that are spoken.
    pub const SUBPROTOCOLS: [&str; 2] = [SUBPROTOCOL_BINARY, SUBPROTOCOL_JSON];

    /// The encoding of a sub-protocol that was agreed on.
    pub fn of(subprotocol: Option<&str>) -> Self {
        if subprotocol == Some(SUBPROTOCOL_BINARY) { Self::Binary } else { Self::Json }
    }
}
