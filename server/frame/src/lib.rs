//! Writing a server's WebSocket frames (RFC 6455 section 5.2): never masked. Pure: no socket, and no rule of a connection.

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A text message.
    Text = 1,
    /// A binary message.
    Binary = 2,
}

/// The head of a frame of a server with its length in eight bytes.
const LONGEST_HEAD: usize = 10;

/// A whole message as one frame, ready for the socket of every connection that it is meant for.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    fragment(Some(opcode), true, payload)
}

/// A whole message as one frame whose payload is written in its place, and the length of the frame's head. The payload may have
/// more bytes than are expected.
pub fn frame_around(opcode: Opcode, expected: usize, fill: impl FnOnce(&mut Vec<u8>)) -> (Bytes, usize) {
    let mut out = Vec::with_capacity(LONGEST_HEAD + expected);
    out.extend_from_slice(&[0; LONGEST_HEAD]);
    fill(&mut out);
    let head = head(Some(opcode), true, out.len() - LONGEST_HEAD);
    let start = LONGEST_HEAD - head.len();
    out[start..LONGEST_HEAD].copy_from_slice(&head);
    (Bytes::from(out).slice(start..), head.len())
}

/// A part of a message (RFC 6455 section 5.4): the first one has the opcode, the last one ends the message.
pub fn fragment(first: Option<Opcode>, is_last: bool, payload: &[u8]) -> Bytes {
    let head = head(first, is_last, payload.len());
    let mut out = BytesMut::with_capacity(head.len() + payload.len());
    out.put_slice(&head);
    out.put_slice(payload);
    out.freeze()
}

fn head(first: Option<Opcode>, is_last: bool, length: usize) -> SmallVec<[u8; LONGEST_HEAD]> {
    const FIN: u8 = 0x80;
    let opcode = first.map_or(0, |opcode| opcode as u8);
    let mut head = SmallVec::new();
    head.push(if is_last { FIN | opcode } else { opcode });
    match length {
        ..126 => head.push(length as u8),
        126..=0xffff => {
            head.push(126);
            head.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    head
}

/// A close frame (RFC 6455 section 5.5.1); the reason must be at most 123 bytes.
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    const FIN_CLOSE: u8 = 0x88;
    let mut out = BytesMut::with_capacity(reason.len() + 4);
    out.put_u8(FIN_CLOSE);
    out.put_u8(reason.len() as u8 + 2);
    out.put_u16(code);
    out.put_slice(reason.as_bytes());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_is_written_in_its_place_has_the_same_frame() {
        for length in [0, 1, 125, 126, 0xffff, 0x1_0000] {
            let payload = vec![7; length];
            let (framed, head) = frame_around(Opcode::Binary, 3, |out| out.extend_from_slice(&payload));
            assert_eq!(framed, frame(Opcode::Binary, &payload));
            assert_eq!(framed[head..], payload);
        }
    }

    #[test]
    fn lengths_take_the_shortest_of_three_forms() {
        assert_eq!(frame(Opcode::Text, b"hi")[..], [0x81, 2, b'h', b'i']);
        assert_eq!(frame(Opcode::Binary, &[0; 125])[..2], [0x82, 125]);
        assert_eq!(frame(Opcode::Binary, &[0; 126])[..4], [0x82, 126, 0, 126]);
        assert_eq!(frame(Opcode::Binary, &[0; 65_536])[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
