//! Messages to send, and their bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::frame::deflate::Deflater;
use crate::frame::{Header, LengthForm, Opcode, encode};
use crate::hex::{self, HexError};

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// A text or a binary message.
    Message(Opcode, Vec<u8>),
    /// A control frame with its payload.
    Control(Opcode, Vec<u8>),
    /// Bytes as they are, whether they are frames or not.
    Raw(Vec<u8>),
}

/// The shape of the frames of messages.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// The opcode of messages, whatever they are.
    pub opcode: Option<u8>,
    /// Reserved bits of a message's first frame.
    pub rsv: [bool; 3],
    /// Most bytes of a fragment; messages in one frame where there is none.
    pub fragment: Option<usize>,
    /// Nothing is masked, which a server must refuse (RFC 6455 section 5.1).
    pub is_unmasked: bool,
}

/// Why a line says nothing that can be sent.
#[derive(Debug, thiserror::Error)]
pub enum SayError {
    /// It is no hex.
    #[error("{0}")]
    Hex(#[from] HexError),
    /// It is no JSON of this kind.
    #[error(
        "this is not one of {{\"text\": …}}, {{\"binary\": BASE64}}, {{\"hex\": …}}, {{\"ping\": …}}, {{\"pong\": …}}, {{\"close\": {{\"code\": …}}}}, {{\"raw\": HEX}}: {0}"
    )]
    Json(#[from] serde_json::Error),
    /// It is no base64.
    #[error("the binary is no base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// A close code or a reason that does not fit into a frame.
    #[error("{0}")]
    Close(&'static str),
    /// A command that is not known.
    #[error(
        "/{0} is not known; there are /text, /binary, /ping, /pong, /close, /raw, /quit; a text that begins with a slash has two"
    )]
    Command(String),
}

/// A line of JSON that says what to send.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Text(String),
    Binary(String),
    Hex(String),
    Ping(String),
    Pong(String),
    Close { code: Option<u16>, reason: Option<String> },
    Raw(String),
}

impl Say {
    /// From an object such as `{"text": "hello"}`, `{"binary": "AAE="}` (base64), `{"hex": "00 01"}`, `{"ping": "?"}`,
    /// `{"close": {"code": 1000}}` or `{"raw": "81 00"}`.
    ///
    /// # Errors
    /// If the line is no such object.
    pub fn from_json(line: &str) -> Result<Self, SayError> {
        Ok(match serde_json::from_str(line)? {
            Line::Text(text) => Self::Message(Opcode::TEXT, text.into_bytes()),
            Line::Binary(data) => Self::Message(Opcode::BINARY, STANDARD.decode(data)?),
            Line::Hex(data) => Self::Message(Opcode::BINARY, hex::parse(&data)?),
            Line::Ping(text) => Self::Control(Opcode::PING, text.into_bytes()),
            Line::Pong(text) => Self::Control(Opcode::PONG, text.into_bytes()),
            Line::Close { code, reason } => Self::Control(Opcode::CLOSE, close(code, &reason.unwrap_or_default())?),
            Line::Raw(data) => Self::Raw(hex::parse(&data)?),
        })
    }

    /// From a line that somebody has typed: a text, or a command such as `/ping`, `/close 1000 bye`, `/binary 00 01`.
    /// `None` for `/quit`. A text that begins with a slash is typed with two.
    ///
    /// # Errors
    /// If the command is not known, or what stands behind it is not what it takes.
    pub fn from_typed(line: &str) -> Result<Option<Self>, SayError> {
        let Some(command) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
            let text = line.strip_prefix('/').unwrap_or(line);
            return Ok(Some(Self::Message(Opcode::TEXT, text.as_bytes().to_vec())));
        };
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        Ok(Some(match name {
            "text" => Self::Message(Opcode::TEXT, rest.as_bytes().to_vec()),
            "binary" => Self::Message(Opcode::BINARY, hex::parse(rest)?),
            "ping" => Self::Control(Opcode::PING, rest.as_bytes().to_vec()),
            "pong" => Self::Control(Opcode::PONG, rest.as_bytes().to_vec()),
            "close" => Self::Control(Opcode::CLOSE, close_payload(rest)?),
            "raw" => Self::Raw(hex::parse(rest)?),
            "quit" | "q" => return Ok(None),
            _ => return Err(SayError::Command(name.to_owned())),
        }))
    }

    /// The bytes of it, in frames as `shape` says; where compression was agreed on, messages are compressed. `key` gives a
    /// masking key for each frame.
    pub fn to_bytes(
        &self,
        shape: &Shape,
        deflater: Option<&mut Deflater>,
        key: &mut dyn FnMut() -> [u8; 4],
    ) -> Vec<u8> {
        let mut key = || (!shape.is_unmasked).then(&mut *key);
        match self {
            Self::Raw(bytes) => bytes.clone(),
            Self::Control(opcode, payload) => frame(*opcode, true, [false; 3], key(), payload),
            Self::Message(opcode, data) => {
                let mut rsv = shape.rsv;
                let deflated = deflater.map(|deflater| deflater.message(data));
                // RFC 7692 section 6: a message that does not become smaller may go as it is, but its context is there.
                let payload = deflated.as_ref().unwrap_or(data);
                rsv[0] |= deflated.is_some();
                let opcode = shape.opcode.map_or(*opcode, Opcode::of);
                let size = shape.fragment.unwrap_or(usize::MAX).max(1);
                let count = payload.len().div_ceil(size).max(1);
                let part = |at: usize| &payload[at * size..payload.len().min((at + 1).saturating_mul(size))];
                let mut one = |at: usize| match at {
                    0 => frame(opcode, count == 1, rsv, key(), part(0)),
                    // RFC 7692 section 6.1: only the first fragment says that the message is compressed.
                    _ => frame(Opcode::CONTINUATION, at + 1 == count, [false; 3], key(), part(at)),
                };
                (0..count).flat_map(&mut one).collect()
            }
        }
    }
}

fn frame(opcode: Opcode, fin: bool, rsv: [bool; 3], mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64;
    encode(&Header { fin, rsv, opcode, mask, form: LengthForm::shortest(length), length }, payload)
}

/// The payload of a close frame from `CODE`, `CODE:REASON` or `CODE REASON`; nothing of nothing. Any code is taken: which are
/// allowed is for the other side to say.
///
/// # Errors
/// If it does not fit into a frame (RFC 6455 section 5.5.1).
pub fn close_payload(text: &str) -> Result<Vec<u8>, SayError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let (code, reason) = text.split_once([':', ' ']).unwrap_or((text, ""));
    close(Some(code.parse().map_err(|_| SayError::Close("a close code is a number from 0 to 65535"))?), reason)
}

fn close(code: Option<u16>, reason: &str) -> Result<Vec<u8>, SayError> {
    match code {
        _ if reason.len() > 123 => Err(SayError::Close("a reason has at most 123 bytes")),
        None if reason.is_empty() => Ok(Vec::new()),
        None => Err(SayError::Close("a reason needs a code before it")),
        Some(code) => Ok([&code.to_be_bytes(), reason.as_bytes()].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(say: &Say, shape: &Shape) -> Vec<u8> {
        say.to_bytes(shape, None, &mut || [0, 0, 0, 0])
    }

    #[test]
    fn json_and_typed_lines_say_the_same() {
        for (json, typed) in [
            (r#"{"text":"hello"}"#, "hello"),
            (r#"{"text":"/hello"}"#, "//hello"),
            (r#"{"hex":"00 ff"}"#, "/binary 00 ff"),
            (r#"{"binary":"AP8="}"#, "/binary 00ff"),
            (r#"{"ping":"?"}"#, "/ping ?"),
            (r#"{"close":{"code":1000,"reason":"good bye"}}"#, "/close 1000 good bye"),
            (r#"{"close":{}}"#, "/close"),
            (r#"{"raw":"8100"}"#, "/raw 81 00"),
        ] {
            assert_eq!(Some(Say::from_json(json).unwrap()), Say::from_typed(typed).unwrap(), "{json}");
        }
        assert_eq!(Say::from_typed("/quit").unwrap(), None);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_a_reason() {
        for typed in ["/nonsense", "/binary xy", "/close many", "/close 70000"] {
            assert!(Say::from_typed(typed).is_err(), "{typed}");
        }
        for json in ["{", r#"{"text":1}"#, r#"{"other":""}"#, r#"{"binary":"!"}"#, r#"{"close":{"reason":"why"}}"#] {
            assert!(Say::from_json(json).is_err(), "{json}");
        }
        assert!(Say::from_typed(&format!("/close 1000 {}", "x".repeat(124))).is_err());
    }

    #[test]
    fn a_message_is_shaped_as_it_is_told_to_be() {
        let hello = Say::Message(Opcode::TEXT, b"hello".to_vec());
        assert_eq!(bytes(&hello, &Shape::default()), [&[0x81, 0x85, 0, 0, 0, 0][..], b"hello"].concat());
        let fragments = Shape { fragment: Some(3), is_unmasked: true, ..Shape::default() };
        assert_eq!(bytes(&hello, &fragments), b"\x01\x03hel\x80\x02lo");
        let wrong = Shape { opcode: Some(3), rsv: [false, true, true], is_unmasked: true, fragment: Some(3) };
        assert_eq!(bytes(&hello, &wrong), b"\x33\x03hel\x80\x02lo");
        let empty = Say::Message(Opcode::BINARY, Vec::new());
        assert_eq!(bytes(&empty, &fragments), b"\x82\x00");
    }

    #[test]
    fn a_compressed_message_says_so_in_its_first_fragment() {
        let hello = Say::Message(Opcode::TEXT, b"Hello".to_vec());
        let shape = Shape { fragment: Some(4), is_unmasked: true, ..Shape::default() };
        let sent = hello.to_bytes(&shape, Some(&mut Deflater::new(true, 15)), &mut || [0; 4]);
        // RFC 7692 section 7.2.3.1.
        assert_eq!(sent, [0x41, 4, 0xf2, 0x48, 0xcd, 0xc9, 0x80, 3, 0xc9, 0x07, 0x00]);
    }
}
