//! A board that follows another one through the server's messages: what every member's client is.

use inkwire_protocol::{Element, Epoch, ServerMessage};

use crate::board::{Board, ReplayError};
use crate::hash::StateHash;
use crate::snapshot::{Assembly, RestoreError};

/// The server said something that does not follow from what it said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// An operation does not follow.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A snapshot is none.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Elements or the end of a snapshot that never began.
    #[error("a snapshot without beginning")]
    Assembly,
}

/// A board, and the snapshot that is arriving.
#[derive(Debug, Clone, Default)]
pub struct Replica {
    board: Board,
    epoch: Epoch,
    arriving: Option<Assembly>,
}

impl Replica {
    /// The board as far as it is known.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The lineage of the log that it follows.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The board, when nothing more will come.
    pub fn into_board(self) -> Board {
        self.board
    }

    /// Takes one message of the server; those that say nothing about the board are passed over.
    ///
    /// # Errors
    /// If the message does not follow from what came before.
    pub fn receive(&mut self, message: ServerMessage) -> Result<(), ReplicaError> {
        match message {
            ServerMessage::Welcome { epoch, .. } if epoch != self.epoch => {
                *self = Self { epoch, ..Self::default() };
            }
            ServerMessage::Snapshot { seq, elements, authors } => {
                self.arriving = Some(Assembly::new(seq, elements, &authors)?);
            }
            ServerMessage::Elements { elements } => self.arrived(elements)?,
            ServerMessage::SnapshotEnd { hash } => self.assemble(hash)?,
            ServerMessage::Operations { first_seq, entries } => {
                for (seq, entry) in (first_seq..).zip(&entries) {
                    // A flush that straddles the position of a reconnect repeats what is known.
                    if seq > self.board.seq() {
                        self.board.replay(seq, entry)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn arrived(&mut self, elements: Vec<Element>) -> Result<(), ReplicaError> {
        let assembly = self.arriving.as_mut().ok_or(ReplicaError::Assembly)?;
        Ok(elements.into_iter().try_for_each(|element| assembly.add(element))?)
    }

    fn assemble(&mut self, hash: [u8; 8]) -> Result<(), ReplicaError> {
        let assembly = self.arriving.take().ok_or(ReplicaError::Assembly)?;
        self.board = assembly.finish(StateHash::from_bytes(hash))?;
        Ok(())
    }
}
