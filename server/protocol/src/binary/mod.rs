//! The binary form: a packet is one WebSocket message and holds one or more messages, each a tag, a length and a body.
//!
//! Every message and operation has exactly one encoding, so the server relays the bytes of an operation as they came.

mod access;
mod client;
mod element;
mod operation;
mod packet;
mod server;
mod tag;
mod value;

pub use client::operations_in;
pub use operation::{decode_operation, encode_operation, put_encoded_entry, put_entry};
use packet::{Result, decode};
pub use server::{encode_elements, put_entries, put_server};
use smallvec::SmallVec;

use crate::limits;
use crate::{ClientMessage, ServerMessage};

/// The messages that a client sends at once, mostly one.
pub type ClientPacket = SmallVec<[ClientMessage; 1]>;

/// The tag of a message that carries a part of the log.
pub(crate) const OPERATIONS: u8 = tag::OPERATIONS;

/// Reads a client's packet.
///
/// # Errors
/// The rule that the packet breaks. Never panics, and allocates no more than a small multiple of the packet's length.
pub fn decode_client(packet: &[u8]) -> Result<ClientPacket> {
    decode(packet, limits::CLIENT_MESSAGES, client::client_message)
}

/// Reads a server's packet; see [`decode_client`].
///
/// # Errors
/// As for [`decode_client`].
pub fn decode_server(packet: &[u8]) -> Result<Vec<ServerMessage>> {
    decode(packet, usize::MAX, server::server_message)
}

/// Writes a client's packet.
pub fn encode_client(messages: &[ClientMessage]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    messages.iter().for_each(|message| client::put_client(&mut out, message));
    out
}

/// Writes a server's packet.
pub fn encode_server(messages: &[ServerMessage]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    messages.iter().for_each(|message| put_server(&mut out, message));
    out
}
