//! What a room sends to all at once: encoded once, shared by everybody, mirrored to JSON only where someone asks.

use std::sync::OnceLock;

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_protocol::{ServerMessage, binary, json};

use super::member::Encoding;
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

    /// Packets that lie behind each other in one buffer: a large one is given back to the system whole, where thousands of
    /// small ones would leave holes.
    pub(super) fn many(packets: impl Iterator<Item = Vec<u8>>) -> Vec<Self> {
        let (mut buffer, mut ends) = (Vec::new(), Vec::new());
        for packet in packets {
            let start = buffer.len();
            buffer.extend_from_slice(&frame(Opcode::Binary, &packet));
            ends.push((start, buffer.len() - packet.len(), buffer.len()));
        }
        let buffer = Bytes::from(buffer);
        let packet = |(start, head, end)| Self {
            bytes: buffer.slice(head..end),
            binary: buffer.slice(start..end),
            json: OnceLock::new(),
        };
        ends.into_iter().map(packet).collect()
    }

    pub(super) fn of(messages: &[ServerMessage]) -> Self {
        Self::new(&binary::encode_server(messages))
    }

    pub(super) fn frame(&self, encoding: Encoding) -> Bytes {
        let made = match encoding {
            Encoding::Binary => &self.binary,
            Encoding::Json => self.json.get_or_init(|| {
                let messages = binary::decode_server(&self.bytes).expect("Bug: the room's own packet decodes");
                frame(Opcode::Text, json::encode(&messages).as_bytes())
            }),
        };
        made.clone()
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
