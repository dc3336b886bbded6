//! The greeting by which a client joins a room.

use inkwire_board::StateHash;
use inkwire_protocol::{ClientId, Colour, Epoch};

/// The `hello` of a client that joins.
#[derive(Debug, Clone)]
pub struct Hello {
    /// The secret by which the client is known again.
    pub client_id: ClientId,
    /// The lineage of the log that it has.
    pub epoch: Epoch,
    /// The last sequence number that it has of it.
    pub seq: u64,
    /// The state hash that it has there.
    pub hash: StateHash,
    /// The name that the others are to see.
    pub name: String,
    /// The colour that the others are to see.
    pub colour: Colour,
}
