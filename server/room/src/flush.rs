//! Packets for all members: encoded once, shared by everybody, mirrored to JSON only if someone asks.

use std::sync::OnceLock;

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_frame::{Opcode, frame, frame_around};
use inkwire_protocol::{ServerMessage, binary, json};

use crate::budget::Budget;
use crate::encoding::Encoding;

/// A packet for many members, as a frame of either encoding.
#[derive(Debug)]
pub struct Packet {
    /// The packet in binary, without its frame's head: a part of `binary`.
    pub(crate) bytes: Bytes,
    binary: Bytes,
    json: OnceLock<Bytes>,
}

impl Packet {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self::framed(frame(Opcode::Binary, bytes), bytes.len())
    }

    /// The packet of one `operations` message: its entries are copied once.
    fn of_entries(first_seq: u64, entries: &[u8]) -> Self {
        const HEAD: usize = 24;
        let write = |out: &mut Vec<u8>| binary::put_entries(out, first_seq, entries);
        let (binary, head) = frame_around(Opcode::Binary, HEAD + entries.len(), write);
        Self { bytes: binary.slice(head..), binary, json: OnceLock::new() }
    }

    /// A frame whose payload has so many bytes.
    fn framed(binary: Bytes, payload: usize) -> Self {
        let head = binary.len() - payload;
        Self { bytes: binary.slice(head..), binary, json: OnceLock::new() }
    }

    /// A packet of a snapshot: it counts as being sent for as long as anybody holds a part of it.
    pub(crate) fn held(bytes: &[u8], budget: &dyn Budget) -> Self {
        Self::framed(budget.hold(frame(Opcode::Binary, bytes)), bytes.len())
    }

    /// The packet of some messages.
    pub fn of(messages: &[ServerMessage]) -> Self {
        Self::new(&binary::encode_server(messages))
    }

    /// The packet as a WebSocket frame. That of JSON is made once, when somebody asks for it.
    #[inline]
    pub fn frame(&self, encoding: Encoding) -> Bytes {
        let made = match encoding {
            Encoding::Binary => &self.binary,
            Encoding::Json => self.json.get_or_init(|| self.mirrored()),
        };
        made.clone()
    }

    /// As [`Packet::frame`], but what is mirrored is not kept: it is several times as long, and few ask for it.
    pub(crate) fn frame_once(&self, encoding: Encoding) -> Bytes {
        match encoding {
            Encoding::Binary => self.binary.clone(),
            Encoding::Json => self.mirrored(),
        }
    }

    fn mirrored(&self) -> Bytes {
        let messages = binary::decode_server(&self.bytes).expect("Bug: the room's own packet decodes");
        frame(Opcode::Text, json::encode(&messages).as_bytes())
    }
}

/// Operations that a room sent at once.
#[derive(Debug)]
pub(crate) struct Flush {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// The board's state hash behind it.
    pub(crate) hash: StateHash,
    pub(crate) packet: Packet,
    /// The encoded entries alone: the end of the packet.
    entries: Bytes,
}

impl Flush {
    /// A flush of entries that [`binary::put_encoded_entry`] has written, up to the board's last operation.
    pub(crate) fn of(first_seq: u64, entries: &[u8], last_seq: u64, hash: StateHash) -> Self {
        let packet = Packet::of_entries(first_seq, entries);
        let entries = packet.bytes.slice(packet.bytes.len() - entries.len()..);
        Self { first_seq, last_seq, hash, packet, entries }
    }

    /// One packet of several that lie behind each other.
    pub(crate) fn merged<'a>(flushes: impl Iterator<Item = &'a Self>) -> Option<Packet> {
        let mut flushes = flushes.peekable();
        let first_seq = flushes.peek()?.first_seq;
        let entries: Vec<u8> = flushes.flat_map(|flush| &flush.entries).copied().collect();
        Some(Packet::of_entries(first_seq, &entries))
    }
}
