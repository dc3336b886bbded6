//! A server without a disk: boards live in their rooms, as long as the process does.

use inkwire_board::Board;
use inkwire_protocol::StorageState;

use super::{Listener, Part, Storage, StorageError, Stored, new_epoch};
use crate::name::BoardName;

/// Keeps nothing. Nothing ever becomes durable, so no room with a drawing is closed, and every client keeps what it drew
/// and brings it back to a server that was restarted.
#[derive(Debug, Default)]
pub struct Memory;

impl Storage for Memory {
    fn open(&self, _: &BoardName) -> Result<Stored, StorageError> {
        Ok(Stored { epoch: new_epoch(), board: Board::default() })
    }

    fn append(&self, _: &BoardName, _: Part) {}

    fn closed(&self, _: &[BoardName]) {}

    fn state(&self) -> StorageState {
        StorageState::Memory
    }

    fn listen(&self, _: Listener) {}
}
