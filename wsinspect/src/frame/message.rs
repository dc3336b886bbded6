//! Frames to messages (RFC 6455 section 5.4): which message a frame belongs to, and where in it.

use crate::frame::deflate::Inflated;
use crate::frame::{Frame, Opcode, Sender};

/// A data frame's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of its message in its direction, from 1 on.
    pub message: u64,
    /// The number of the frame in its message, from 1 on.
    pub fragment: u64,
    /// The opcode of the message's first frame; `None` for a continuation that continues nothing.
    pub opcode: Option<Opcode>,
    /// Its message ends with it.
    pub is_last: bool,
}

/// Links the frames of one direction. Control frames stand between, and belong to no message (section 5.5).
#[derive(Debug, Default)]
pub struct Messages {
    begun: u64,
    open: Option<(Opcode, u64)>,
}

impl Messages {
    /// Whether a message was begun and has not ended.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The place of the next frame; `None` for a control frame. A data frame that is not a continuation begins a message,
    /// also where another one is open, which it should not.
    pub fn place(&mut self, frame: &Frame) -> Option<Place> {
        let header = &frame.header;
        if header.opcode.is_control() {
            return None;
        }
        let continued = self.open.take_if(|_| header.opcode == Opcode::CONTINUATION);
        let (opcode, fragment) = match continued {
            Some((opcode, fragment)) => (Some(opcode), fragment + 1),
            None => {
                self.begun += 1;
                (Some(header.opcode).filter(|opcode| *opcode != Opcode::CONTINUATION), 1)
            }
        };
        self.open = opcode.filter(|_| !header.fin).map(|opcode| (opcode, fragment));
        Some(Place { message: self.begun, fragment, opcode, is_last: header.fin })
    }
}

/// A message, whatever frames it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The number of it in its direction, from 1 on.
    pub number: u64,
    /// Its opcode.
    pub opcode: Opcode,
    /// Its bytes, without compression, as far as they are kept.
    pub data: Vec<u8>,
    /// Its length in bytes.
    pub length: u64,
    /// Bytes of payload that came.
    pub wire: u64,
    /// Number of its frames.
    pub frames: u64,
}

impl Message {
    /// Whether all of it is kept.
    pub fn is_whole(&self) -> bool {
        self.data.len() as u64 == self.length
    }
}

/// Puts the messages of one direction together. A control frame is a message of its own (RFC 6455 section 5.5).
#[derive(Debug)]
pub struct Assembly {
    keep: usize,
    open: Option<Message>,
}

impl Assembly {
    /// Of each message `keep` bytes are kept.
    pub fn new(keep: usize) -> Self {
        Self { keep, open: None }
    }

    /// Takes the next frame with its place, and of a compressed message's last one the message; gives the message that
    /// has come to its end with it.
    pub fn push(&mut self, frame: &Frame, place: Option<Place>, inflated: Option<&Inflated>) -> Option<Message> {
        let (payload, length) = (&frame.payload, frame.came);
        let Some(place) = place else {
            let (opcode, data) = (frame.header.opcode, payload.clone());
            return Some(Message { number: 0, opcode, data, length, wire: length, frames: 1 });
        };
        let begun = self.open.take().filter(|message| message.number == place.message);
        let mut message = begun.unwrap_or_else(|| Message {
            number: place.message,
            opcode: place.opcode.unwrap_or(Opcode::CONTINUATION),
            data: Vec::new(),
            length: 0,
            wire: 0,
            frames: 0,
        });
        message.frames += 1;
        message.wire = message.wire.saturating_add(length);
        match inflated {
            Some(inflated) => (message.data, message.length) = (inflated.kept.clone(), inflated.length),
            None => {
                message.length = message.length.saturating_add(length);
                let room = self.keep - message.data.len().min(self.keep);
                // What stands behind bytes that are missing is no part of what is kept.
                if message.length - length == message.data.len() as u64 {
                    message.data.extend_from_slice(&payload[..payload.len().min(room)]);
                }
            }
        }
        if place.is_last {
            return Some(message);
        }
        self.open = Some(message);
        None
    }
}

/// The messages of both directions of a connection.
#[derive(Debug)]
pub struct Assemblies([Assembly; 2]);

impl Assemblies {
    /// Of each message `keep` bytes are kept.
    pub fn new(keep: usize) -> Self {
        Self([Assembly::new(keep), Assembly::new(keep)])
    }

    /// As [`Assembly::push`], for a direction.
    pub fn push(
        &mut self,
        sender: Sender,
        frame: &Frame,
        place: Option<Place>,
        inflated: Option<&Inflated>,
    ) -> Option<Message> {
        self.0[usize::from(sender == Sender::Server)].push(frame, place, inflated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frames;

    #[test]
    fn a_message_is_put_together_through_the_control_frames_between_its_fragments() {
        let bytes = [0x01, 2, b'h', b'e', 0x89, 1, b'?', 0x00, 1, b'y', 0x80, 1, b'!', 0x82, 0];
        let (mut frames, mut messages, mut assembly) = (Frames::new(9), Messages::default(), Assembly::new(3));
        let mut all = Vec::new();
        frames.push(&bytes, |frame| all.extend(assembly.push(&frame, messages.place(&frame), None)));
        let told: Vec<_> = all.iter().map(|it| (it.opcode, &it.data[..], it.length, it.frames)).collect();
        assert_eq!(
            told,
            [(Opcode::PING, &b"?"[..], 1, 1), (Opcode::TEXT, &b"hey"[..], 4, 3), (Opcode::BINARY, &b""[..], 0, 1)]
        );
        assert!(!all[1].is_whole());
    }

    fn places(bytes: &[u8]) -> Vec<Option<(u64, u64, bool)>> {
        let (mut frames, mut messages, mut all) = (Frames::new(9), Messages::default(), Vec::new());
        let place = |frame: &Frame, messages: &mut Messages| {
            messages.place(frame).map(|place| (place.message, place.fragment, place.is_last))
        };
        frames.push(bytes, |frame| all.push(place(&frame, &mut messages)));
        all
    }

    #[test]
    fn fragments_are_counted_through_the_control_frames_between_them() {
        let bytes = [0x01, 0, 0x89, 0, 0x00, 0, 0x80, 0, 0x82, 0];
        assert_eq!(
            places(&bytes),
            [Some((1, 1, false)), None, Some((1, 2, false)), Some((1, 3, true)), Some((2, 1, true))]
        );
    }

    #[test]
    fn what_breaks_the_rules_has_a_place_too() {
        // A continuation of nothing, and a message in the middle of another one.
        assert_eq!(places(&[0x80, 0, 0x00, 0]), [Some((1, 1, true)), Some((2, 1, false))]);
        assert_eq!(places(&[0x01, 0, 0x82, 0, 0x80, 0]), [Some((1, 1, false)), Some((2, 1, true)), Some((3, 1, true))]);
    }
}
