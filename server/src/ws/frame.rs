//! Writing a server's frames (RFC 6455 section 5.2): never masked, always whole.

use bytes::{BufMut, Bytes, BytesMut};

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A text message.
    Text = 1,
    /// A binary message.
    Binary = 2,
}

/// A whole message as one frame, ready for the socket of every connection that it is meant for.
pub(crate) fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    fragment(Some(opcode), true, payload)
}

/// A part of a message (RFC 6455 section 5.4): the first one has the opcode, the last one ends the message.
pub(super) fn fragment(first: Option<Opcode>, is_last: bool, payload: &[u8]) -> Bytes {
    const FIN: u8 = 0x80;
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    let opcode = first.map_or(0, |opcode| opcode as u8);
    out.put_u8(if is_last { FIN | opcode } else { opcode });
    match payload.len() {
        length @ ..126 => out.put_u8(length as u8),
        length @ 126..=0xffff => {
            out.put_u8(126);
            out.put_u16(length as u16);
        }
        length => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
    out.put_slice(payload);
    out.freeze()
}

/// A close frame (RFC 6455 section 5.5.1); the reason must be at most 123 bytes.
pub(super) fn close_frame(code: u16, reason: &str) -> Bytes {
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
    fn lengths_take_the_shortest_of_three_forms() {
        assert_eq!(frame(Opcode::Text, b"hi")[..], [0x81, 2, b'h', b'i']);
        assert_eq!(frame(Opcode::Binary, &[0; 125])[..2], [0x82, 125]);
        assert_eq!(frame(Opcode::Binary, &[0; 126])[..4], [0x82, 126, 0, 126]);
        assert_eq!(frame(Opcode::Binary, &[0; 65_536])[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
