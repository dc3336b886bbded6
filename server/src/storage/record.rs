//! The records of a board, whatever keeps them: each is checked before it counts, and is replayed on a board. Pure.

use std::io::Read;

use flate2::read::DeflateDecoder;
use inkwire_board::{Board, StateHash};
use inkwire_protocol::{Columns, Entry, Epoch, ServerMessage, binary};

/// A packed record holds at most so much; more is not one that this program wrote.
const UNPACKED: u64 = 64 * 1024 * 1024;

/// Stands between the name of a board that was set aside and its number.
pub(super) const SET_ASIDE: &str = " (damaged ";

/// Whether a name is that of a board that was set aside because its records are damaged.
pub fn is_set_aside(name: &str) -> bool {
    name.contains(SET_ASIDE)
}

/// The record of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardRecord {
    /// The number that the engine has for it.
    pub(super) id: i64,
    /// Its name.
    pub name: String,
    /// The lineage of its log.
    pub epoch: Epoch,
    /// Its last sequence number.
    pub seq: u64,
    /// Its state hash there.
    pub hash: StateHash,
    /// The highest author number that was given out for good.
    pub last_author: u32,
    /// The highest author number that may have been given out.
    pub reserved_author: u32,
    /// The sequence number of its snapshot; 0 for none.
    pub snapshot_seq: u64,
    /// The size of that snapshot, unpacked, in bytes.
    pub snapshot_bytes: u64,
    /// The size of the log behind it, in bytes.
    pub tail_bytes: u64,
    /// Whether a server has written to it and not closed it.
    pub is_open: bool,
    /// When it was first drawn on, or made where nothing is drawn yet, in seconds since 1970.
    pub created: i64,
    /// When it was last drawn on, or made where nothing is drawn yet, in seconds since 1970.
    pub changed: i64,
    /// Whether it has its checksum.
    pub is_whole: bool,
}

/// The damage of a board's records, and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A part of the snapshot is not what was written.
    #[error("the snapshot at operation {seq} is damaged: {why}")]
    Snapshot {
        /// The sequence number that it stands at.
        seq: u64,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A record of the log is not what was written.
    #[error("the log is damaged between operations {first_seq} and {last_seq}: {why}")]
    Log {
        /// The first operation of the record.
        first_seq: u64,
        /// The last one.
        last_seq: u64,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A part of the log is missing.
    #[error("the log lacks operations {from} to {to}")]
    Gap {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// The record of the board itself is not what was written.
    #[error("the record of the board is damaged: its log comes to operation {seq}")]
    Record {
        /// The last operation of the log.
        seq: u64,
    },
    /// The access record or an order is not what was written.
    #[error("the records of who may do what are damaged")]
    Access,
    /// Times, names or author numbers are not what was written.
    #[error("the records of when it was drawn and by whom are damaged")]
    Timeline,
    /// The database itself is damaged where the log of the board lies.
    #[error("the database cannot be read behind operation {seq}")]
    Unreadable {
        /// The last operation that can be read.
        seq: u64,
    },
}

/// A board as far as its records are good.
#[derive(Debug)]
pub struct Loaded {
    /// The board.
    pub board: Board,
    /// The damage after it.
    pub damage: Option<Damage>,
    /// The record of the board when it was read.
    pub record: BoardRecord,
}

/// The result of a walk through all records of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Operations whose records were read and replayed.
    pub operations: u64,
    /// The first operation that there is a record of; behind a snapshot that was imported, or whose history was dropped.
    pub first: u64,
    /// Everything that is wrong, in the order of the log.
    pub problems: Vec<Damage>,
}

/// A record of the log.
#[derive(Debug)]
pub(super) struct LogRecord {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) hash: StateHash,
    pub(super) crc: u32,
    pub(super) is_packed: bool,
    pub(super) bytes: Vec<u8>,
}

impl LogRecord {
    pub(super) fn damage(&self, why: &'static str) -> Damage {
        Damage::Log { first_seq: self.first_seq, last_seq: self.last_seq, why }
    }

    /// The packets of the record.
    pub(super) fn packets(&self) -> Result<Vec<u8>, &'static str> {
        check(&self.bytes, self.crc)?;
        if !self.is_packed {
            return Ok(self.bytes.clone());
        }
        let (length, packed) = self.bytes.split_first_chunk::<4>().ok_or(NOT_PACKED)?;
        let columns = packed.split_at_checked(u32::from_be_bytes(*length) as usize);
        let (heads, bodies) = columns.ok_or(NOT_PACKED)?;
        let columns = Columns { heads: unpack(heads)?, bodies: unpack(bodies)? };
        columns.into_packets().map_err(|_| NOT_PACKED)
    }

    /// The operations of the record, in parts of the log.
    pub(super) fn messages(&self) -> Result<Vec<(u64, Vec<Entry>)>, Damage> {
        const NONE: &str = "its bytes are no operations";
        let packets = self.packets().map_err(|why| self.damage(why))?;
        let messages = binary::decode_server(&packets).map_err(|_| self.damage(NONE))?;
        let parts = messages.into_iter().map(|message| match message {
            ServerMessage::Operations { first_seq, entries } => Ok((first_seq, entries)),
            _ => Err(self.damage(NONE)),
        });
        parts.collect()
    }

    /// Replays the record on a board, up to a sequence number.
    pub(super) fn replay(&self, board: &mut Board, until: u64) -> Result<(), Damage> {
        if self.first_seq > board.seq() + 1 {
            return Err(Damage::Gap { from: board.seq() + 1, to: self.first_seq - 1 });
        }
        for (first_seq, entries) in self.messages()? {
            for (seq, entry) in (first_seq..).zip(&entries) {
                if (board.seq() + 1..=until).contains(&seq) {
                    board.replay(seq, entry).map_err(|_| self.damage("an operation does not follow"))?;
                }
            }
        }
        let is_whole = board.seq() == self.last_seq;
        if is_whole && board.hash() != self.hash {
            return Err(self.damage("the board does not come to its state hash"));
        }
        if !is_whole && board.seq() < until {
            return Err(self.damage("it ends too early"));
        }
        Ok(())
    }
}

const NOT_PACKED: &str = "it does not unpack";

/// Sees that a record is what was written.
pub(super) fn check(bytes: &[u8], crc: u32) -> Result<(), &'static str> {
    if crc32fast::hash(bytes) == crc { Ok(()) } else { Err("its checksum does not fit") }
}

/// Unpacks bytes (deflate, RFC 1951).
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut unpacked = Vec::new();
    let done = DeflateDecoder::new(bytes).take(UNPACKED).read_to_end(&mut unpacked);
    done.map(|_| unpacked).map_err(|_| NOT_PACKED)
}
