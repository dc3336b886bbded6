//! Sees that every frame of the peer states its length in the shortest form (RFC 6455 section 5.2), which tungstenite
//! does not look at: bytes of another form are not the same message to everybody who reads them.

/// Walks along the bytes of a connection, in pieces of any size, and never looks into a payload.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    at: At,
    /// Number of frames that have come to their end.
    pub(super) frames: u64,
}

/// The position of the next byte in a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    /// FIN, RSV and opcode.
    #[default]
    First,
    /// The mask flag and the short length.
    Second,
    /// A longer length: how many of its bytes are still to come, and what came so far.
    Length { left: u8, is_long: bool, is_masked: bool, value: u64 },
    /// Masking key and payload.
    Rest(u64),
}

/// The masking key of a client's frame.
const KEY: u64 = 4;

impl Lengths {
    /// Returns the number of bytes before a length that is not in its shortest form; all of them if there is none.
    pub(super) fn admit(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if let At::Rest(left) = self.at {
                let skipped = left.min((bytes.len() - at) as u64);
                self.at = if skipped == left { At::First } else { At::Rest(left - skipped) };
                at += skipped as usize;
            } else {
                let Some(next) = self.step(bytes[at]) else { return at };
                self.at = next;
                at += 1;
            }
            self.frames += u64::from(self.is_between_frames());
        }
        at
    }

    pub(super) fn is_between_frames(&self) -> bool {
        self.at == At::First
    }

    fn step(&self, byte: u8) -> Option<At> {
        Some(match self.at {
            At::First => At::Second,
            At::Second => {
                let is_masked = byte & 0x80 != 0;
                match byte & 0x7f {
                    126 => At::Length { left: 2, is_long: false, is_masked, value: 0 },
                    127 => At::Length { left: 8, is_long: true, is_masked, value: 0 },
                    length => rest(u64::from(length), is_masked),
                }
            }
            At::Length { left, is_long, is_masked, value } => {
                let value = value << 8 | u64::from(byte);
                match left - 1 {
                    0 if value <= if is_long { 0xffff } else { 125 } => return None,
                    0 => rest(value, is_masked),
                    left => At::Length { left, is_long, is_masked, value },
                }
            }
            At::Rest(_) => At::First,
        })
    }
}

fn rest(length: u64, is_masked: bool) -> At {
    match length.saturating_add(if is_masked { KEY } else { 0 }) {
        0 => At::First,
        left => At::Rest(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_forms_pass_however_they_are_cut() {
        let mut bytes = vec![0x89, 0x80, 1, 2, 3, 4, 0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o'];
        bytes.extend([0x82, 0xfe, 0, 126, 9, 9, 9, 9]);
        bytes.extend([0; 126]);
        bytes.extend([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9]);
        bytes.extend([0; 65_536]);
        bytes.extend([0x8a, 0x00, 0x81, 0x01, b'x']);
        for piece in [1, 2, 3, 7, 1000, bytes.len()] {
            let mut lengths = Lengths::default();
            for part in bytes.chunks(piece) {
                assert_eq!(lengths.admit(part), part.len());
            }
            assert_eq!(lengths.at, At::First);
        }
    }

    #[test]
    fn a_longer_form_is_seen_at_its_last_byte() {
        for header in [&[0x82, 0xfe, 0, 125][..], &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], &[0x89, 0xfe, 0, 2]] {
            let mut bytes = vec![0x81, 0x81, 0, 0, 0, 0, b'x'];
            bytes.extend(header);
            bytes.extend([0; 9]);
            assert_eq!(Lengths::default().admit(&bytes), 7 + header.len() - 1);
        }
    }
}
