//! Bytes to frames (RFC 6455 section 5.2), whatever they say: every bit is kept, and nothing is refused.

pub mod close;
pub mod deflate;
pub mod lint;
pub mod message;

/// The sender of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The client: it masks every frame.
    Client,
    /// The server: it masks none.
    Server,
}

impl Sender {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The opcode of a frame; the opcodes 3 to 7 and 11 to 15 are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opcode(u8);

impl Opcode {
    /// More of the message that was begun.
    pub const CONTINUATION: Self = Self(0);
    /// The beginning of a text.
    pub const TEXT: Self = Self(1);
    /// The beginning of a binary message.
    pub const BINARY: Self = Self(2);
    /// The close frame.
    pub const CLOSE: Self = Self(8);
    /// A ping.
    pub const PING: Self = Self(9);
    /// A pong.
    pub const PONG: Self = Self(10);

    /// From the lower four bits of a frame's first byte.
    pub fn of(byte: u8) -> Self {
        Self(byte & 0x0f)
    }

    /// Its number, 0 to 15.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether it is a control frame (RFC 6455 section 5.5), also a reserved one.
    pub fn is_control(self) -> bool {
        self.0 >= 8
    }

    /// Whether no meaning is given to it.
    pub fn is_reserved(self) -> bool {
        !matches!(self.0, 0..=2 | 8..=10)
    }

    /// The name in a line.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 16] = [
            "cont", "text", "binary", "op3", "op4", "op5", "op6", "op7", "close", "ping", "pong", "op11", "op12",
            "op13", "op14", "op15",
        ];
        NAMES[usize::from(self.0)]
    }
}

/// The form of a length; only the shortest form that holds it is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthForm {
    /// In the second byte.
    Bits7,
    /// In two bytes of its own.
    Bits16,
    /// In eight bytes of its own.
    Bits64,
}

impl LengthForm {
    /// Bytes of its own.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bits7 => 0,
            Self::Bits16 => 2,
            Self::Bits64 => 8,
        }
    }

    /// Bits of the length: 7, 16 or 64.
    pub fn bits(self) -> u8 {
        match self {
            Self::Bits7 => 7,
            Self::Bits16 => 16,
            Self::Bits64 => 64,
        }
    }

    /// The form with so many bits.
    pub fn of_bits(bits: u8) -> Option<Self> {
        [Self::Bits7, Self::Bits16, Self::Bits64].into_iter().find(|form| form.bits() == bits)
    }

    /// The shortest form that holds a length.
    pub fn shortest(length: u64) -> Self {
        match length {
            ..126 => Self::Bits7,
            126..=0xffff => Self::Bits16,
            _ => Self::Bits64,
        }
    }
}

/// A frame's header, bit by bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3, which extensions give a meaning.
    pub rsv: [bool; 3],
    /// The opcode.
    pub opcode: Opcode,
    /// The masking key, where it is masked; it may be all zeroes.
    pub mask: Option<[u8; 4]>,
    /// The form of the length.
    pub form: LengthForm,
    /// Bytes of payload, as the frame says: 64 bits, also the topmost, which is forbidden.
    pub length: u64,
}

/// Most bytes of a header: two, eight of length, four of masking key.
const LONGEST_HEADER: usize = 14;

impl Header {
    /// Bytes of the header.
    pub fn size(&self) -> usize {
        2 + self.form.bytes() + if self.mask.is_some() { 4 } else { 0 }
    }

    /// Reads a header from the beginning of some bytes; `None` where it goes on behind their end.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [first, second, ..] = *bytes else { return None };
        let (form, length) = match second & 0x7f {
            126 => (LengthForm::Bits16, u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
            127 => (LengthForm::Bits64, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
            length => (LengthForm::Bits7, u64::from(length)),
        };
        let key = || bytes.get(2 + form.bytes()..)?.first_chunk().copied();
        let mask = if second & 0x80 == 0 { None } else { Some(key()?) };
        let rsv = [0x40, 0x20, 0x10].map(|bit| first & bit != 0);
        Some(Self { fin: first & 0x80 != 0, rsv, opcode: Opcode::of(first), mask, form, length })
    }
}

impl Header {
    /// The bytes of the header, as they were.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        let [rsv1, rsv2, rsv3] = self.rsv;
        let flags = bit(self.fin, 0x80) | bit(rsv1, 0x40) | bit(rsv2, 0x20) | bit(rsv3, 0x10);
        let short = match self.form {
            LengthForm::Bits7 => self.length as u8,
            LengthForm::Bits16 => 126,
            LengthForm::Bits64 => 127,
        };
        let mut bytes = vec![flags | self.opcode.number(), bit(self.mask.is_some(), 0x80) | short];
        bytes.extend_from_slice(&self.length.to_be_bytes()[8 - self.form.bytes()..]);
        bytes.extend(self.mask.into_iter().flatten());
        bytes
    }
}

/// The bytes of a frame, its payload masked where the header has a key (RFC 6455 section 5.3). The header may lie.
pub fn encode(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header.to_bytes();
    let key = header.mask.unwrap_or_default();
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A frame that has come to its end, or to that of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: Header,
    /// Its offset, in bytes since the beginning of its direction.
    pub offset: u64,
    /// The payload without its mask, as far as it is kept.
    pub payload: Vec<u8>,
    /// Bytes of payload that have come; fewer than the header's length only in a frame that was cut off.
    pub came: u64,
}

impl Frame {
    /// Whether all of the payload is kept.
    pub fn is_whole(&self) -> bool {
        self.payload.len() as u64 == self.header.length
    }
}

/// Cuts the bytes of one direction into frames. What it holds is bounded by `keep`, whatever lengths are announced.
#[derive(Debug)]
pub struct Frames {
    keep: usize,
    offset: u64,
    header: Vec<u8>,
    frame: Option<Frame>,
}

/// The rest at the end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: the last frame was whole.
    Nothing,
    /// The beginning of a header.
    Header(Vec<u8>),
    /// A frame whose payload does not come to its end.
    Frame(Frame),
}

impl Frames {
    /// Keeps so many bytes of each payload; of longer ones the beginning.
    pub fn new(keep: usize) -> Self {
        Self { keep, offset: 0, header: Vec::with_capacity(LONGEST_HEADER), frame: None }
    }

    /// Takes bytes and gives each frame that comes to its end in them.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
        loop {
            bytes = match &mut self.frame {
                None => match self.begin(bytes) {
                    Some(rest) => rest,
                    None => return,
                },
                Some(frame) => take_payload(frame, bytes, self.keep),
            };
            if let Some(frame) = self.frame.take_if(|frame| frame.came == frame.header.length) {
                self.offset += frame.header.size() as u64 + frame.came;
                each(frame);
            } else if bytes.is_empty() {
                return;
            }
        }
    }

    /// Takes the bytes of a header; gives what stands behind it, or nothing where it goes on.
    fn begin<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let before = self.header.len();
        self.header.extend(bytes.iter().take(LONGEST_HEADER - before));
        let header = Header::parse(&self.header)?;
        self.header.clear();
        self.frame = Some(Frame { header, offset: self.offset, payload: Vec::new(), came: 0 });
        Some(&bytes[header.size() - before..])
    }

    /// Returns the rest after the last byte.
    pub fn finish(self) -> Rest {
        match self.frame {
            Some(frame) => Rest::Frame(frame),
            None if self.header.is_empty() => Rest::Nothing,
            None => Rest::Header(self.header),
        }
    }
}

/// Takes what belongs to a frame, and gives the rest.
fn take_payload<'a>(frame: &mut Frame, bytes: &'a [u8], keep: usize) -> &'a [u8] {
    let mine = (frame.header.length - frame.came).min(bytes.len() as u64) as usize;
    let (mine, rest) = bytes.split_at(mine);
    let kept = &mine[..mine.len().min(keep - frame.payload.len().min(keep))];
    match frame.header.mask {
        // RFC 6455 section 5.3; `came` is the place in the payload, and kept is its beginning.
        Some(key) => frame.payload.extend((frame.came..).zip(kept).map(|(at, byte)| byte ^ key[(at % 4) as usize])),
        None => frame.payload.extend_from_slice(kept),
    }
    frame.came += mine.len() as u64;
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(pieces: &[&[u8]], keep: usize) -> (Vec<Frame>, Rest) {
        let (mut frames, mut all) = (Frames::new(keep), Vec::new());
        pieces.iter().for_each(|piece| frames.push(piece, |frame| all.push(frame)));
        (all, frames.finish())
    }

    /// Every opcode, length form, mask and flag, right or wrong, one behind the other.
    fn corpus() -> Vec<u8> {
        let mut bytes = Vec::new();
        for first in 0..=255u8 {
            for header in [
                &[0][..],
                &[3],
                &[126, 0, 0],
                &[126, 0, 126],
                &[127, 0, 0, 0, 0, 0, 0, 0, 5],
                &[0x80, 1, 2, 3, 4],
                &[0x82, 0, 0, 0, 0],
                &[0xfe, 0, 2, 9, 8, 7, 6],
            ] {
                let length = Header::parse(&[&[first], header].concat()).unwrap().length;
                bytes.extend([&[first], header, &vec![first ^ 0x5a; length as usize]].concat());
            }
        }
        bytes
    }

    #[test]
    fn every_bit_of_the_header_is_told_and_every_byte_belongs_to_a_frame() {
        let bytes = corpus();
        let (frames, rest) = frames(&[&bytes], usize::MAX);
        assert_eq!((frames.len(), rest), (256 * 8, Rest::Nothing));
        let mut at = 0;
        for frame in frames {
            assert_eq!(frame.offset, at as u64);
            let header = frame.header.to_bytes();
            assert_eq!(header.len(), frame.header.size());
            assert_eq!(header, bytes[at..at + header.len()]);
            at += header.len() + frame.came as usize;
        }
        assert_eq!(at, bytes.len());
    }

    #[test]
    fn wherever_the_bytes_are_cut_the_frames_are_the_same() {
        let bytes = &corpus()[..2000];
        let whole = frames(&[bytes], usize::MAX);
        for at in 0..bytes.len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(frames(&[one, two], usize::MAX), whole, "cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(frames(&single, usize::MAX), whole);
    }

    #[test]
    fn of_a_long_payload_only_its_beginning_is_kept_and_none_is_reserved_for_it() {
        let header = [0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
        let (all, rest) = frames(&[&header, &[b'a' ^ 1; 5000], &[b'b' ^ 1; 5000]], 6000);
        assert!(all.is_empty());
        let Rest::Frame(frame) = rest else { panic!("{rest:?}") };
        assert_eq!((frame.header.length, frame.came), (0xff00_0000_0000_0000, 10_000));
        assert_eq!(frame.payload, [vec![b'a'; 5000], vec![b'b'; 1000]].concat());
        assert!(frame.payload.capacity() < 20_000);
    }

    #[test]
    fn what_is_left_at_the_end_is_told() {
        assert_eq!(frames(&[&[0x81, 0x7f, 0]], 9).1, Rest::Header(vec![0x81, 0x7f, 0]));
        assert!(matches!(frames(&[&[0x81, 5, b'a']], 9).1, Rest::Frame(frame) if frame.payload == b"a"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_are_lost(bytes: Vec<u8>, cut: prop::sample::Index) {
            let (one, two) = bytes.split_at(cut.index(bytes.len() + 1));
            let (all, rest) = frames(&[one, two], usize::MAX);
            let sizes = all.iter().map(|frame| frame.header.size() as u64 + frame.came).sum::<u64>();
            let left = match rest {
                Rest::Nothing => 0,
                Rest::Header(header) => header.len() as u64,
                Rest::Frame(frame) => frame.header.size() as u64 + frame.came,
            };
            prop_assert_eq!(sizes + left, bytes.len() as u64);
        }
    }
}
