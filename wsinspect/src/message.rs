//! Frames to messages (RFC 6455 section 5.4): which message a frame belongs to, and where in it.

use crate::frame::{Frame, Opcode};

/// A data frame's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of its message in its direction, from 1 on.
    pub message: u64,
    /// The number of the frame in its message, from 1 on.
    pub fragment: u64,
    /// What the message was begun as; `None` where a continuation continues nothing.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frames;

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
