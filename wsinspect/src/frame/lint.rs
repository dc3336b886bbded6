//! Which rules of RFC 6455 and RFC 7692 a frame breaks: one violation for each rule.

use std::fmt;

use crate::frame::deflate::{Inflate, InflateError, Inflated};
use crate::frame::message::{Messages, Place};
use crate::frame::{Frame, LengthForm, Opcode, Sender, close};

/// A rule that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A frame of the client is not masked.
    MaskMissing,
    /// A frame of the server is masked.
    MaskFromServer,
    /// RSV1 without an extension that gives it a meaning.
    Rsv1,
    /// RSV2.
    Rsv2,
    /// RSV3.
    Rsv3,
    /// RSV1 on a frame that does not begin a message, where it means "compressed".
    Rsv1NotAtTheBeginning,
    /// An opcode that nobody has given a meaning.
    ReservedOpcode,
    /// A length in more bytes than it needs.
    LengthNotShortest,
    /// The topmost bit of a length of 64 bits.
    LengthTopBit,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A control frame without FIN.
    ControlFragmented,
    /// A continuation where no message is open.
    ContinuationOfNothing,
    /// A message is begun where another one is open.
    MessageInterrupted,
    /// A compressed message that cannot be inflated.
    NotDeflated(InflateError),
    /// A compressed message refers to one before it, which `*_no_context_takeover` rules out.
    ContextTakenOver,
    /// A text that is not UTF-8.
    TextNotUtf8,
    /// A close frame of one byte: half a code.
    CloseHalfCode,
    /// A close code that must not be sent.
    CloseCode,
    /// A close reason that is not UTF-8.
    CloseReasonNotUtf8,
    /// A frame behind the close frame.
    AfterClose,
}

impl Violation {
    /// Name, section and words, in one place so that no rule is without one of them.
    fn describe(self) -> (&'static str, &'static str, &'static str) {
        use Violation as V;
        match self {
            V::MaskMissing => ("mask-missing", "RFC 6455 5.1", "a client masks every frame"),
            V::MaskFromServer => ("mask-from-server", "RFC 6455 5.1", "a server masks no frame"),
            V::Rsv1 => ("rsv1", "RFC 6455 5.2", "RSV1 is set, and no extension that uses it was agreed on"),
            V::Rsv2 => ("rsv2", "RFC 6455 5.2", "RSV2 is set, and no extension uses it"),
            V::Rsv3 => ("rsv3", "RFC 6455 5.2", "RSV3 is set, and no extension uses it"),
            V::Rsv1NotAtTheBeginning => (
                "rsv1-not-at-the-beginning",
                "RFC 7692 6.1",
                "only the first frame of a message says that it is compressed",
            ),
            V::ReservedOpcode => ("reserved-opcode", "RFC 6455 5.2", "the opcode is reserved"),
            V::LengthNotShortest => ("length-not-shortest", "RFC 6455 5.2", "the length has a shorter form"),
            V::LengthTopBit => ("length-top-bit", "RFC 6455 5.2", "the topmost bit of the length must be 0"),
            V::ControlTooLong => ("control-too-long", "RFC 6455 5.5", "a control frame has at most 125 bytes"),
            V::ControlFragmented => ("control-fragmented", "RFC 6455 5.5", "a control frame is never fragmented"),
            V::ContinuationOfNothing => ("continuation-of-nothing", "RFC 6455 5.4", "no message is open"),
            V::MessageInterrupted => {
                ("message-interrupted", "RFC 6455 5.4", "a message is begun before the one before it has ended")
            }
            V::NotDeflated(_) => ("not-deflated", "RFC 7692 7.2.2", "the message cannot be inflated"),
            V::ContextTakenOver => (
                "context-taken-over",
                "RFC 7692 7.1.1",
                "the message refers to one before it, and no_context_takeover was agreed on",
            ),
            V::TextNotUtf8 => ("text-not-utf8", "RFC 6455 8.1", "the text is not UTF-8"),
            V::CloseHalfCode => {
                ("close-half-code", "RFC 6455 5.5.1", "a close frame has two bytes of code, or nothing")
            }
            V::CloseCode => ("close-code", "RFC 6455 7.4", "this code must not be sent"),
            V::CloseReasonNotUtf8 => ("close-reason-not-utf8", "RFC 6455 5.5.1", "the reason is not UTF-8"),
            V::AfterClose => ("after-close", "RFC 6455 5.5.1", "nothing follows a close frame"),
        }
    }
}

impl Violation {
    /// The rule's name, the same in every output.
    pub fn name(self) -> &'static str {
        self.describe().0
    }

    /// Returns the section of the rule, such as `RFC 6455 5.1`.
    pub fn section(self) -> &'static str {
        self.describe().1
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, section, words) = self.describe();
        match self {
            Self::NotDeflated(error) => write!(f, "{name}: {error} ({section})"),
            _ => write!(f, "{name}: {words} ({section})"),
        }
    }
}

/// The findings about a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its place in its message; `None` for a control frame.
    pub place: Option<Place>,
    /// Of the last frame of a compressed message: the message without its compression.
    pub inflated: Option<Inflated>,
    /// The rules that it breaks, in the order of its bytes.
    pub broken: Vec<Violation>,
}

/// Looks at the frames of one direction, one after the other.
#[derive(Debug)]
pub struct Lint {
    sender: Option<Sender>,
    inflate: Option<Inflate>,
    /// The message that is open is compressed.
    is_compressed: bool,
    messages: Messages,
    text: Text,
    is_closed: bool,
}

impl Lint {
    /// For the frames of a sender; without one, masks are not looked at. With what inflates them, where permessage-deflate
    /// was agreed on.
    pub fn new(sender: Option<Sender>, inflate: Option<Inflate>) -> Self {
        let (messages, text) = Default::default();
        Self { sender, inflate, is_compressed: false, messages, text, is_closed: false }
    }

    /// Looks at the next frame.
    pub fn check(&mut self, frame: &Frame) -> Seen {
        let was_open = self.messages.is_open();
        let place = self.messages.place(frame);
        let mut broken = Vec::new();
        broken.extend(self.is_closed.then_some(Violation::AfterClose));
        self.check_header(frame, was_open, &mut broken);
        let mut inflated = None;
        match place {
            Some(place) => {
                self.is_compressed = if place.fragment == 1 { frame.header.rsv[0] } else { self.is_compressed };
                inflated = self.inflate(frame, place).transpose().unwrap_or_else(|error| {
                    broken.push(match error {
                        InflateError::ContextTakenOver => Violation::ContextTakenOver,
                        other => Violation::NotDeflated(other),
                    });
                    None
                });
                broken.extend(self.check_text(frame, place, inflated.as_ref()));
            }
            None if frame.header.opcode == Opcode::CLOSE => broken.extend(check_close(frame)),
            None => {}
        }
        self.is_closed |= frame.header.opcode == Opcode::CLOSE;
        Seen { place, inflated, broken }
    }

    /// Inflates a frame of a compressed message; with its last one, gives the message.
    fn inflate(&mut self, frame: &Frame, place: Place) -> Option<Result<Inflated, InflateError>> {
        let inflate = self.inflate.as_mut().filter(|_| self.is_compressed)?;
        if frame.is_whole() {
            inflate.push(&frame.payload);
        } else {
            inflate.skip();
        }
        place.is_last.then(|| inflate.finish())
    }

    fn check_header(&self, frame: &Frame, was_open: bool, broken: &mut Vec<Violation>) {
        let header = &frame.header;
        let (opcode, is_masked) = (header.opcode, header.mask.is_some());
        let begins = !opcode.is_control() && opcode != Opcode::CONTINUATION;
        let is_deflated = self.inflate.is_some();
        let rules = [
            (header.rsv[0] && !is_deflated, Violation::Rsv1),
            (header.rsv[0] && is_deflated && !begins, Violation::Rsv1NotAtTheBeginning),
            (header.rsv[1], Violation::Rsv2),
            (header.rsv[2], Violation::Rsv3),
            (opcode.is_reserved(), Violation::ReservedOpcode),
            (opcode.is_control() && !header.fin, Violation::ControlFragmented),
            (opcode == Opcode::CONTINUATION && !was_open, Violation::ContinuationOfNothing),
            (begins && was_open, Violation::MessageInterrupted),
            (self.sender == Some(Sender::Client) && !is_masked, Violation::MaskMissing),
            (self.sender == Some(Sender::Server) && is_masked, Violation::MaskFromServer),
            (opcode.is_control() && header.length > 125, Violation::ControlTooLong),
            (header.form != LengthForm::shortest(header.length), Violation::LengthNotShortest),
            (header.length >> 63 == 1, Violation::LengthTopBit),
        ];
        broken.extend(rules.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, rule)| rule));
    }

    /// A letter may be cut by the end of a fragment, so what is checked is the whole message. One that is compressed is
    /// checked at its end, and one that is not kept whole is not checked from there on.
    fn check_text(&mut self, frame: &Frame, place: Place, inflated: Option<&Inflated>) -> Option<Violation> {
        let is_text = place.opcode == Some(Opcode::TEXT);
        if place.fragment == 1 {
            self.text = Text { is_checked: is_text && !self.is_compressed, cut: Vec::new() };
        }
        self.text.is_checked &= frame.is_whole();
        let is_broken = match inflated {
            Some(message) => {
                let is_whole = message.kept.len() as u64 == message.length;
                is_text && is_whole && std::str::from_utf8(&message.kept).is_err()
            }
            None => self.text.is_broken_by(&frame.payload, place.is_last),
        };
        is_broken.then_some(Violation::TextNotUtf8)
    }
}

fn check_close(frame: &Frame) -> Option<Violation> {
    let whole = frame.is_whole();
    match close::parse(&frame.payload) {
        None if whole && !frame.payload.is_empty() => Some(Violation::CloseHalfCode),
        Some((code, _)) if !close::may_be_sent(code) => Some(Violation::CloseCode),
        Some((_, reason)) if whole && std::str::from_utf8(reason).is_err() => Some(Violation::CloseReasonNotUtf8),
        _ => None,
    }
}

/// The text of a message, as far as it must be kept to check it: a letter that was cut.
#[derive(Debug, Default)]
struct Text {
    is_checked: bool,
    /// At most three bytes.
    cut: Vec<u8>,
}

impl Text {
    /// Says once whether a fragment makes the text none.
    fn is_broken_by(&mut self, payload: &[u8], is_last: bool) -> bool {
        if !self.is_checked {
            return false;
        }
        self.cut.extend_from_slice(payload);
        let good = match std::str::from_utf8(&self.cut) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() && !is_last => error.valid_up_to(),
            Err(_) => {
                self.is_checked = false;
                return true;
            }
        };
        self.cut.drain(..good);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Violation as V;
    use super::*;
    use crate::frame::Frames;

    fn lint(sender: Option<Sender>, is_deflated: bool) -> Lint {
        Lint::new(sender, is_deflated.then(|| Inflate::new(true, 1000, 1000)))
    }

    fn broken(sender: Option<Sender>, is_deflated: bool, bytes: &[u8]) -> Vec<Vec<V>> {
        let (mut frames, mut lint, mut all) = (Frames::new(1000), lint(sender, is_deflated), Vec::new());
        frames.push(bytes, |frame| all.push(lint.check(&frame).broken));
        all
    }

    fn of(bytes: &[u8]) -> Vec<V> {
        broken(None, false, bytes).concat()
    }

    #[test]
    fn what_keeps_the_rules_breaks_none() {
        let text = [0x01, 2, b'a', 0xc3, 0x89, 0, 0x80, 1, 0xa4];
        assert_eq!(of(&text), []);
        assert_eq!(of(&[0x82, 126, 0, 126].into_iter().chain([0; 126]).collect::<Vec<_>>()), []);
        assert_eq!(of(&[0x88, 0]), []);
        assert_eq!(of(&[0x88, 4, 0x03, 0xe8, b'o', b'k']), []);
        assert_eq!(broken(Some(Sender::Client), true, &[0xc1, 0x81, 0, 0, 0, 0, 0]).concat(), []);
        assert_eq!(broken(Some(Sender::Server), false, &[0x8a, 0]).concat(), []);
    }

    #[test]
    fn each_side_masks_as_it_must() {
        assert_eq!(broken(Some(Sender::Client), false, &[0x8a, 0]).concat(), [V::MaskMissing]);
        assert_eq!(broken(Some(Sender::Server), false, &[0x8a, 0x80, 0, 0, 0, 0]).concat(), [V::MaskFromServer]);
    }

    #[test]
    fn reserved_bits_and_opcodes_are_told_one_by_one() {
        assert_eq!(of(&[0xc2, 0]), [V::Rsv1]);
        assert_eq!(of(&[0xa2, 0]), [V::Rsv2]);
        assert_eq!(of(&[0x92, 0]), [V::Rsv3]);
        assert_eq!(of(&[0x83, 0, 0x8f, 0]), [V::ReservedOpcode, V::ReservedOpcode]);
    }

    #[test]
    fn compression_is_said_by_the_first_frame_of_a_message() {
        assert_eq!(broken(None, true, &[0x42, 0, 0xc0, 0]), [vec![], vec![V::Rsv1NotAtTheBeginning]]);
        assert_eq!(broken(None, true, &[0xc9, 0]).concat(), [V::Rsv1NotAtTheBeginning]);
    }

    #[test]
    fn a_compressed_message_is_inflated_at_its_end_and_its_text_is_checked() {
        let fragments = [0x41, 3, 0xf2, 0x48, 0xcd, 0x80, 4, 0xc9, 0xc9, 0x07, 0x00];
        let (mut frames, mut lint, mut all) = (Frames::new(1000), lint(None, true), Vec::new());
        frames.push(&fragments, |frame| all.push(lint.check(&frame)));
        assert_eq!(all[0].inflated, None);
        assert_eq!(all[1].inflated, Some(Inflated { kept: b"Hello".to_vec(), length: 5 }));
        assert_eq!(all[1].broken, []);
        // An uncompressed block of one byte, 0xff.
        assert_eq!(broken(None, true, &[0xc1, 7, 0, 1, 0, 0xfe, 0xff, 0xff, 0]).concat(), [V::TextNotUtf8]);
        assert_eq!(
            broken(None, true, &[0xc1, 1, 0xff, 0xc1, 1, 0]).concat(),
            [V::NotDeflated(InflateError::Corrupt), V::NotDeflated(InflateError::ContextLost)]
        );
    }

    #[test]
    fn a_message_refers_to_no_other_where_that_was_agreed_on() {
        let (mut frames, mut all) = (Frames::new(99), Vec::new());
        let mut lint = Lint::new(None, Some(Inflate::new(false, 99, 99)));
        let (hello, again) =
            ([0xc1, 7, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], [0xc1, 5, 0xf2, 0x00, 0x11, 0x00, 0x00]);
        frames.push(&[&hello[..], &again].concat(), |frame| all.extend(lint.check(&frame).broken));
        assert_eq!(all, [V::ContextTakenOver]);
    }

    #[test]
    fn lengths_are_in_their_shortest_form_and_below_two_to_the_63() {
        assert_eq!(of(&[0x82, 126, 0, 0]), [V::LengthNotShortest]);
        assert_eq!(of(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0]), [V::LengthNotShortest]);
        let header = Frame {
            header: crate::frame::Header::parse(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]).unwrap(),
            offset: 0,
            payload: Vec::new(),
            came: 0,
        };
        assert_eq!(lint(None, false).check(&header).broken, [V::LengthTopBit]);
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        assert_eq!(of(&[0x09, 0]), [V::ControlFragmented]);
        assert_eq!(of(&[0x89, 126, 0, 126].into_iter().chain([0; 126]).collect::<Vec<_>>()), [V::ControlTooLong]);
    }

    #[test]
    fn messages_follow_one_another() {
        assert_eq!(of(&[0x80, 0]), [V::ContinuationOfNothing]);
        assert_eq!(broken(None, false, &[0x01, 0, 0x81, 0]), [vec![], vec![V::MessageInterrupted]]);
    }

    #[test]
    fn text_is_utf8_as_a_whole_and_told_once() {
        assert_eq!(of(&[0x81, 1, 0xc3]), [V::TextNotUtf8]);
        assert_eq!(broken(None, false, &[0x01, 1, 0xff, 0x80, 1, 0xff]), [vec![V::TextNotUtf8], vec![]]);
        assert_eq!(broken(None, false, &[0x01, 1, 0xc3, 0x80, 1, b'a']), [vec![], vec![V::TextNotUtf8]]);
        assert_eq!(of(&[0x82, 1, 0xff]), []);
    }

    #[test]
    fn close_frames_have_a_code_that_may_be_sent_and_a_reason_of_text() {
        assert_eq!(of(&[0x88, 1, 3]), [V::CloseHalfCode]);
        assert_eq!(of(&[0x88, 2, 0x03, 0xed]), [V::CloseCode]);
        assert_eq!(of(&[0x88, 3, 0x03, 0xe8, 0xff]), [V::CloseReasonNotUtf8]);
        assert_eq!(broken(None, false, &[0x88, 0, 0x89, 0]), [vec![], vec![V::AfterClose]]);
    }

    #[test]
    fn every_violation_says_its_name_its_section_and_what_the_rule_is() {
        assert_eq!(V::CloseCode.to_string(), "close-code: this code must not be sent (RFC 6455 7.4)");
    }
}
