//! Lines for people: one for each frame, in columns, safe to print on a terminal whatever the network sent.

use std::fmt::Write as _;

use crate::frame::deflate::Inflated;
use crate::frame::lint::Seen;
use crate::frame::message::{Message, Place};
use crate::frame::{Frame, Opcode, Sender, close};
use crate::hex;

/// The style of lines.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Most bytes of a payload that are shown.
    pub most: usize,
}

impl Style {
    /// One frame: its direction, opcode, flags, bytes of payload, and the payload.
    pub fn frame(self, frame: &Frame, sender: Option<Sender>, seen: &Seen) -> String {
        let place = seen.place;
        let header = &frame.header;
        let arrow = match sender {
            Some(Sender::Client) => "-->",
            Some(Sender::Server) => "<--",
            None => "---",
        };
        let payload = match &seen.inflated {
            Some(message) => self.inflated(message, place),
            None => self.payload(frame, place),
        };
        let told = [place.and_then(fragment), Some(payload)];
        let told = told.into_iter().flatten().collect::<Vec<_>>().join("  ");
        let line = format!("{arrow} {:<6} {:<14} {:>8}  {told}", header.opcode.name(), flags(frame), header.length);
        line.trim_end().to_owned()
    }

    /// One message: its direction, what it is, how many frames it came in, its bytes, and what it says.
    pub fn message(self, message: &Message, sender: Sender) -> String {
        let arrow = if sender == Sender::Client { "-->" } else { "<--" };
        let frames = if message.frames == 1 { String::new() } else { format!("{} frames", message.frames) };
        let told = match message.opcode {
            Opcode::CLOSE => close(&message.data),
            opcode => self.bytes(&message.data, message.length, opcode != Opcode::BINARY, false),
        };
        let line = format!("{arrow} {:<6} {frames:<14} {:>8}  {told}", message.opcode.name(), message.length);
        line.trim_end().to_owned()
    }

    /// Bytes that are most likely text.
    pub fn text(self, bytes: &[u8]) -> String {
        self.bytes(bytes, bytes.len() as u64, true, false)
    }

    fn payload(self, frame: &Frame, place: Option<Place>) -> String {
        if frame.header.opcode == Opcode::CLOSE {
            return close(&frame.payload);
        }
        let is_text = place.is_none_or(is_text) && !frame.header.rsv[0];
        let is_part = place.is_some_and(|place| !place.is_last);
        self.bytes(&frame.payload, frame.header.length, is_text, is_part)
    }

    /// A whole message without its compression, behind the bytes that it has then.
    fn inflated(self, message: &Inflated, place: Option<Place>) -> String {
        let written = self.bytes(&message.kept, message.length, place.is_some_and(is_text), false);
        format!("inflated to {}  {written}", message.length)
    }

    /// Some of so many bytes: letters where they are text, and a part of one may be cut at its end; else hex.
    fn bytes(self, kept: &[u8], length: u64, is_text: bool, is_part: bool) -> String {
        let shown = &kept[..kept.len().min(self.most)];
        let more = length - shown.len() as u64;
        let written = match utf8(shown, is_part || more > 0) {
            Some(text) if is_text && !shown.is_empty() => quoted(text),
            _ => hex::write(shown),
        };
        if more > 0 { format!("{written} and {} more", bytes_of(more)) } else { written }
    }
}

/// Returns the line of a remark under a frame.
pub fn remark(words: &str) -> String {
    format!("       !  {words}")
}

fn is_text(place: Place) -> bool {
    place.opcode == Some(Opcode::TEXT)
}

fn close(payload: &[u8]) -> String {
    let Some((code, reason)) = close::parse(payload) else {
        return if payload.is_empty() { "no code".into() } else { hex::write(payload) };
    };
    let name = close::name(code).unwrap_or_else(|| close::range(code));
    let reason = match std::str::from_utf8(reason) {
        Ok("") => String::new(),
        Ok(text) => format!(" {}", quoted(text)),
        Err(_) => format!(" {}", hex::write(reason)),
    };
    format!("{code} {name}{reason}")
}

/// The letters of some bytes; where they are a part of more, without one that is cut at the end.
fn utf8(bytes: &[u8], is_part: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if is_part && error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

fn flags(frame: &Frame) -> String {
    let header = &frame.header;
    let all = [
        (header.fin, "FIN"),
        (header.rsv[0], "RSV1"),
        (header.rsv[1], "RSV2"),
        (header.rsv[2], "RSV3"),
        (header.mask.is_some(), "MASK"),
    ];
    let set: Vec<&str> = all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    if set.is_empty() { "-".into() } else { set.join(",") }
}

/// Which fragment of which message; nothing for a message of one frame.
fn fragment(place: Place) -> Option<String> {
    if place.fragment == 1 && place.is_last {
        return None;
    }
    let end = if place.is_last { " end" } else { "" };
    Some(format!("message {} fragment {}{end}", place.message, place.fragment))
}

/// A text in quotation marks. What moves a cursor, turns the direction of writing or breaks a line is escaped.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if is_unsafe(character) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// A text without quotation marks, safe on a terminal.
pub fn visible(text: &str) -> String {
    let quoted = quoted(text);
    quoted[1..quoted.len() - 1].replace("\\\"", "\"")
}

/// The same, of its first 2,000 bytes: what a report tells of a message.
pub fn excerpt(text: &str) -> String {
    const MOST: usize = 2000;
    let end = text.floor_char_boundary(MOST);
    let more = if end < text.len() { " …" } else { "" };
    visible(&text[..end]) + more
}

/// C0, DEL and C1; what orders the directions of writing (UAX 9); the separators of lines and paragraphs; the mark of a
/// file's byte order.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The bytes of a header and what each says, one line for each part.
pub fn explain(frame: &Frame) -> Vec<String> {
    let header = &frame.header;
    let bytes = header.to_bytes();
    let (first, rest) = bytes.split_at(1);
    let (second, rest) = rest.split_at(1);
    let (length, key) = rest.split_at(header.form.bytes());
    let fin = if header.fin { "the last frame of its message" } else { "more frames follow" };
    let rsv = (1..).zip(header.rsv).filter(|(_, is_set)| *is_set).map(|(bit, _)| format!("RSV{bit} is set, "));
    let rsv: String = rsv.collect();
    let opcode = format!("opcode {} ({}), {rsv}{fin}", header.opcode.number(), header.opcode.name());
    let is_masked = if header.mask.is_some() { "masked" } else { "not masked" };
    let short = match header.form.bytes() {
        0 => format!("{is_masked}, {} of payload", bytes_of(header.length)),
        own => format!("{is_masked}, the length stands in the next {own} bytes"),
    };
    let mut lines = vec![part(first, &opcode), part(second, &short)];
    if !length.is_empty() {
        lines.push(part(length, &format!("{} of payload", bytes_of(header.length))));
    }
    if !key.is_empty() {
        lines.push(part(key, "masking key"));
    }
    lines
}

/// So many bytes, in words.
pub fn bytes_of(count: u64) -> String {
    format!("{count} byte{}", if count == 1 { "" } else { "s" })
}

fn part(bytes: &[u8], words: &str) -> String {
    format!("          {:<24}{words}", hex::write(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frames;
    use crate::frame::lint::Lint;

    fn lines(bytes: &[u8], most: usize) -> Vec<String> {
        let (mut frames, mut lint, mut all) = (Frames::new(most), Lint::new(None, None), Vec::new());
        frames.push(bytes, |frame| {
            let seen = lint.check(&frame);
            all.push(Style { most }.frame(&frame, None, &seen));
        });
        all
    }

    #[test]
    fn nothing_of_the_network_reaches_the_terminal_as_an_order() {
        assert_eq!(
            quoted("a\x1b[2J\u{9b}1m\u{202e}\u{7f}\r\n\t\"\\ä"),
            r#""a\u{1b}[2J\u{9b}1m\u{202e}\u{7f}\r\n\t\"\\ä""#
        );
    }

    #[test]
    fn a_letter_that_a_fragment_cuts_makes_no_binary_of_it() {
        let all = lines(&[0x01, 2, b'a', 0xc3, 0x80, 1, 0xa4], 99);
        assert!(all[0].ends_with("message 1 fragment 1  \"a\""), "{}", all[0]);
        assert!(all[1].ends_with("message 1 fragment 2 end  a4"), "{}", all[1]);
    }

    #[test]
    fn of_a_long_payload_the_beginning_is_shown_and_how_much_more_there_is() {
        assert!(lines(&[0x81, 5, b'h', b'e', b'l', b'l', b'o'], 2)[0].ends_with("\"he\" and 3 bytes more"));
        assert!(lines(&[0x82, 3, 1, 2, 3], 2)[0].ends_with("01 02 and 1 byte more"));
    }

    #[test]
    fn a_close_says_its_code_in_words() {
        assert!(lines(&[0x88, 5, 0x03, 0xe9, b'b', b'y', b'e'], 99)[0].ends_with("1001 Going Away \"bye\""));
        assert!(lines(&[0x88, 2, 0x0f, 0xa1], 99)[0].ends_with("4001 private use"));
        assert!(lines(&[0x88, 0], 99)[0].ends_with("no code"));
    }
}
