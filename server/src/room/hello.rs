//! The greeting by which a client joins a room.

use inkwire_board::StateHash;
use inkwire_protocol::{ClientId, Colour, Epoch};

/// The `hello` of a client that joins.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) client_id: ClientId,
    pub(super) epoch: Epoch,
    pub(super) seq: u64,
    /// The state hash that it has there.
    pub(super) hash: StateHash,
    pub(super) name: String,
    pub(super) colour: Colour,
}
