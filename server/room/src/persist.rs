//! Requests of a room to its storage: parts of the log, author numbers, and access, in forms that any engine takes.

use std::time::Duration;

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_protocol::{AuthorName, ClientId, Epoch};

/// Author numbers are reserved in blocks of so many, before the first of a block is given out: other people's pages know
/// elements by them, so none may be given out again that a killed server had given out and not written.
pub const RESERVED: u32 = 1_024;

/// The next part of a board's log.
#[derive(Debug)]
pub struct LogBatch {
    /// The lineage of the log.
    pub epoch: Epoch,
    /// The sequence number of its first operation.
    pub first_seq: u64,
    /// The sequence number of its last operation.
    pub last_seq: u64,
    /// A packet with one `operations` message.
    pub packet: Bytes,
    /// The board's state hash behind it.
    pub hash: StateHash,
    /// Clients that drew here for the first time, and their author numbers.
    pub clients: Vec<(ClientId, u32)>,
    /// Names of authors who drew here for the first time, or have a new name.
    pub names: Vec<AuthorName>,
    /// Author numbers up to this one are reserved; see [`RESERVED`].
    pub reserved_author: u32,
}

/// Something that is to be kept, in the order in which it comes.
#[derive(Debug)]
pub enum Persist {
    /// The next part of the log, and how long its oldest operation has waited for the flush.
    LogBatch(LogBatch, Duration),
    /// Author numbers up to this one are reserved.
    Authors(u32),
}

/// The access of a board, for the storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRecord {
    /// All of it, in the words of the room.
    pub text: String,
    /// Whether somebody hosts the board.
    pub hosted: bool,
    /// The hash of the host's link.
    pub host_link: Option<[u8; 32]>,
}

/// The access of a board, as far as the storage still has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeptAccess {
    /// Nobody hosts it: it is everybody's.
    #[default]
    Everybody,
    /// The record that was kept last.
    Record(AccessRecord),
    /// The text is damaged or gone; the hash of the host's link is not.
    HostLink([u8; 32]),
    /// Nothing of it can be read: nobody but the operator gets in.
    Unreadable,
}
