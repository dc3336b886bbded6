//! A recording, played again by one of its sides: what is sent and when, and where the other side says something else.

use std::time::Duration;

use serde_json::Value;
use serde_json_path::{JsonPath, NormalizedPath};

use crate::formats::json::Stamp;
use crate::frame::message::{Assembly, Message};
use crate::frame::{Opcode, Sender, encode};
use crate::script::expect::{json, text};
use crate::tap::{Event, Handshake};

/// The part of one side of a recorded connection.
#[derive(Debug)]
pub struct Plan {
    us: Sender,
    /// The handshake of the connection.
    pub handshake: Option<Handshake>,
    /// The frames to send.
    pub moves: Vec<Move>,
    /// Messages of the other side, without pings and pongs, whose times nobody agrees on.
    pub expected: Vec<Message>,
    assembly: Assembly,
    begun: Option<Duration>,
}

/// A frame to send, with the bytes that it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// When, since the handshake.
    pub at: Duration,
    /// Number of messages of the other side before it.
    pub after: usize,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// Why a recording cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The recording has the beginning of a payload only.
    #[error("a frame of {0} bytes was not recorded whole; record with a larger --keep")]
    Cut(u64),
}

impl Plan {
    /// For the side that we are to play; of each message of the other one `keep` bytes are compared.
    pub fn new(us: Sender, keep: usize) -> Self {
        let (moves, expected) = Default::default();
        Self { us, handshake: None, moves, expected, assembly: Assembly::new(keep), begun: None }
    }

    /// Takes the next event of the recorded connection.
    ///
    /// # Errors
    /// If what we would have to send was not recorded whole.
    pub fn take(&mut self, stamp: &Stamp, event: &Event) -> Result<(), PlanError> {
        let begun = *self.begun.get_or_insert(stamp.since);
        match event {
            Event::Handshake(handshake) => self.handshake = Some(handshake.as_ref().clone()),
            Event::Frame { sender, frame, .. } if *sender == self.us => {
                if !frame.is_whole() {
                    return Err(PlanError::Cut(frame.header.length));
                }
                let bytes = encode(&frame.header, &frame.payload);
                let at = stamp.since.saturating_sub(begun);
                self.moves.push(Move { at, after: self.expected.len(), bytes });
            }
            Event::Frame { frame, seen, .. } => {
                let message = self.assembly.push(frame, seen.place, seen.inflated.as_ref());
                self.expected.extend(message.filter(is_compared));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether a message is one that the two sides agree on.
pub fn is_compared(message: &Message) -> bool {
    !matches!(message.opcode, Opcode::PING | Opcode::PONG)
}

/// Whether two messages say the same: as JSON, without what is ignored, where both are JSON; else byte by byte.
pub fn is_same(expected: &Message, got: &Message, ignored: &[JsonPath]) -> bool {
    if expected.opcode != got.opcode {
        return false;
    }
    if expected.data == got.data && expected.length == got.length {
        return true;
    }
    match (json(&text(expected)), json(&text(got))) {
        (Some(expected), Some(got)) if expected.is_object() || expected.is_array() => {
            without(expected, ignored) == without(got, ignored)
        }
        _ => false,
    }
}

/// A value with null in place of what is ignored.
fn without(mut value: Value, ignored: &[JsonPath]) -> Value {
    for path in ignored {
        let places: Vec<String> = path.query_located(&value).locations().map(NormalizedPath::to_json_pointer).collect();
        for place in places {
            if let Some(part) = value.pointer_mut(&place) {
                *part = Value::Null;
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::handshake::Agreed;
    use crate::tap::{Limits, Tap};

    fn plan(us: Sender, keep: usize, passed: &[(Sender, &[u8])]) -> Result<Plan, PlanError> {
        let mut tap = Tap::opened(Limits { keep, inflate: 99 }, &Agreed::default());
        let (mut plan, mut result) = (Plan::new(us, 99), Ok(()));
        for (at, (sender, bytes)) in (0..).zip(passed) {
            let stamp = Stamp { connection: 1, at: SystemTime::UNIX_EPOCH, since: Duration::from_millis(100 + at) };
            tap.push(*sender, bytes, &mut |event| result = result.and(plan.take(&stamp, &event)));
        }
        result.map(|()| plan)
    }

    #[test]
    fn each_side_sends_what_it_sent_after_what_it_had_heard() {
        let (hi, ping, answer) = ([0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2], [0x89, 0], [0x81, 1, b'a']);
        let passed =
            [(Sender::Client, &hi[..]), (Sender::Server, &ping), (Sender::Server, &answer), (Sender::Client, &hi)];
        let client = plan(Sender::Client, 9, &passed).unwrap();
        let at = |at, after, bytes: &[u8]| Move { at: Duration::from_millis(at), after, bytes: bytes.to_vec() };
        assert_eq!(client.moves, [at(0, 0, &hi), at(3, 1, &hi)], "with the same mask");
        assert_eq!(client.expected.len(), 1, "a ping is nothing that is waited for");
        let server = plan(Sender::Server, 9, &passed).unwrap();
        assert_eq!(server.moves, [at(1, 1, &ping), at(2, 1, &answer)]);
        assert_eq!(plan(Sender::Client, 1, &passed).unwrap_err(), PlanError::Cut(2));
    }

    #[test]
    fn messages_are_the_same_as_json_without_what_is_ignored() {
        let message = |opcode, data: &str| Message {
            number: 1,
            opcode,
            data: data.as_bytes().to_vec(),
            length: data.len() as u64,
            wire: 0,
            frames: 1,
        };
        let is_same = |one: &str, other: &str, paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| JsonPath::parse(path).unwrap()).collect();
            is_same(&message(Opcode::TEXT, one), &message(Opcode::TEXT, other), &paths)
        };
        assert!(is_same(r#"{"a":1,"b":2}"#, r#"{ "b": 2, "a": 1 }"#, &[]));
        assert!(!is_same(r#"{"a":1}"#, r#"{"a":2}"#, &[]));
        assert!(is_same(r#"{"a":1,"t":[{"at":5}]}"#, r#"{"a":1,"t":[{"at":9}]}"#, &["$..at"]));
        assert!(!is_same(r#"{"a":1,"t":5}"#, r#"{"a":1}"#, &["$.t"]), "that it is there is not ignored");
        assert!(!is_same("1", "1.0", &[]), "a number alone is text");
        assert!(!super::is_same(&message(Opcode::TEXT, "a"), &message(Opcode::BINARY, "a"), &[]));
    }
}
