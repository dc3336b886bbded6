//! Where boards are kept: one small interface, and the storage that keeps them in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use inkwire_protocol::Epoch;

use crate::room::BoardName;

/// What was kept of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The lineage of its log.
    pub epoch: Epoch,
    /// The last snapshot ([`inkwire_board::Board::to_bytes`]); empty for a board that has none yet.
    pub snapshot: Vec<u8>,
    /// The log behind the snapshot: packets of `operations` messages, in order.
    pub tail: Vec<Bytes>,
}

/// A place for boards. Calls never block for long: a storage with a disk does its work elsewhere and moves the durable
/// mark when it is done.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// What is kept of a board; a new lineage where nothing is.
    fn open(&self, name: &BoardName) -> Stored;

    /// Takes the next part of a board's log: a packet with one `operations` message that ends at `last_seq`.
    fn append(&self, name: &BoardName, last_seq: u64, packet: Bytes);

    /// Takes a snapshot of the board at `seq`; the log up to there is needed no more.
    fn snapshot(&self, name: &BoardName, seq: u64, snapshot: Vec<u8>);

    /// Forgets a board on which nothing was ever drawn.
    fn discard(&self, name: &BoardName);

    /// The durable mark of a board: every operation up to this sequence number is on disk.
    fn mark(&self, name: &BoardName) -> u64;
}

/// Keeps boards as long as the process lives. Its durable mark stays 0, because nothing is on a disk: so every client
/// keeps what it drew, and brings it back to a server that was restarted.
#[derive(Debug, Default)]
pub struct Memory {
    boards: Mutex<HashMap<BoardName, Stored>>,
}

impl Memory {
    fn with<T>(&self, name: &BoardName, act: impl FnOnce(&mut Stored) -> T) -> T {
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Stored { epoch: new_epoch(), snapshot: Vec::new(), tail: Vec::new() };
        act(boards.entry(name.clone()).or_insert_with(new))
    }
}

impl Storage for Memory {
    fn open(&self, name: &BoardName) -> Stored {
        self.with(name, |stored| stored.clone())
    }

    fn append(&self, name: &BoardName, _: u64, packet: Bytes) {
        self.with(name, |stored| stored.tail.push(packet));
    }

    fn snapshot(&self, name: &BoardName, _: u64, snapshot: Vec<u8>) {
        self.with(name, |stored| {
            stored.snapshot = snapshot;
            stored.tail.clear();
        });
    }

    fn discard(&self, name: &BoardName) {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn mark(&self, _: &BoardName) -> u64 {
        0
    }
}

/// A lineage that no other log has.
pub fn new_epoch() -> Epoch {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    Epoch(bytes)
}
