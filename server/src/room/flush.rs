//! What a room sends to all at once: encoded once, shared by everybody, mirrored to JSON only where someone asks.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_protocol::{ServerMessage, binary, json};

use super::member::Encoding;
use crate::in_flight::InFlight;
use crate::ws::{Opcode, frame};

/// A packet for many members, as a frame of either encoding.
#[derive(Debug)]
pub(super) struct Packet {
    /// The packet in binary, without its frame's head: a part of `binary`.
    pub(super) bytes: Bytes,
    binary: Bytes,
    json: OnceLock<Bytes>,
}

impl Packet {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let binary = frame(Opcode::Binary, bytes);
        let head = binary.len() - bytes.len();
        Self { bytes: binary.slice(head..), binary, json: OnceLock::new() }
    }

    /// A packet of a snapshot: it counts as being sent for as long as anybody holds a part of it.
    pub(super) fn held(bytes: &[u8], in_flight: &Arc<InFlight>) -> Self {
        let binary = in_flight.hold(frame(Opcode::Binary, bytes));
        let head = binary.len() - bytes.len();
        Self { bytes: binary.slice(head..), binary, json: OnceLock::new() }
    }

    pub(super) fn of(messages: &[ServerMessage]) -> Self {
        Self::new(&binary::encode_server(messages))
    }

    pub(super) fn frame(&self, encoding: Encoding) -> Bytes {
        let made = match encoding {
            Encoding::Binary => &self.binary,
            Encoding::Json => self.json.get_or_init(|| self.mirrored()),
        };
        made.clone()
    }

    /// As [`Packet::frame`], but what is mirrored is not kept: it is several times as long, and few ask for it.
    pub(super) fn frame_once(&self, encoding: Encoding) -> Bytes {
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
pub(super) struct Flush {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    /// The board's state hash behind it.
    pub(super) hash: StateHash,
    pub(super) packet: Packet,
    /// The encoded entries alone: the end of the packet.
    entries: Bytes,
}

impl Flush {
    /// What [`binary::put_entry`] has written of a board up to where it is now.
    pub(super) fn of(first_seq: u64, entries: &[u8], last_seq: u64, hash: StateHash) -> Self {
        let mut packet = Vec::with_capacity(entries.len() + 12);
        binary::put_entries(&mut packet, first_seq, entries);
        let packet = Packet::new(&packet);
        let entries = packet.bytes.slice(packet.bytes.len() - entries.len()..);
        Self { first_seq, last_seq, hash, packet, entries }
    }

    /// One packet of several that lie behind each other.
    pub(super) fn together<'a>(flushes: impl Iterator<Item = &'a Self>) -> Option<Packet> {
        let mut flushes = flushes.peekable();
        let first_seq = flushes.peek()?.first_seq;
        let entries: Vec<u8> = flushes.flat_map(|flush| &flush.entries).copied().collect();
        let mut packet = Vec::with_capacity(entries.len() + 12);
        binary::put_entries(&mut packet, first_seq, &entries);
        Some(Packet::new(&packet))
    }
}
