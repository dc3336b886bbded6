//! Which events are shown, and how: lines for people or JSON lines.

use std::collections::HashSet;
use std::time::Duration;

use inkwire_protocol::SUBPROTOCOL_BINARY;
use regex::bytes::Regex;
use serde_json::Value;

use crate::drawing;
use crate::frame::{Frame, Opcode, Rest};
use crate::json::{self, Stamp};
use crate::line::{Style, bytes_of, quoted, remark, visible};
use crate::lint::{Seen, Sender};
use crate::tap::{Closed, Event, Handshake};

/// What an event becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    Text,
    /// JSON lines, see [`json`].
    Jsonl,
}

/// Which time stands before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// UTC.
    Absolute,
    /// Seconds since the connection was made.
    Relative,
    /// Seconds since the line before.
    Delta,
    /// None.
    Nothing,
}

/// Which frames are shown; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// No pings, pongs and closes.
    pub hides_control: bool,
    /// Only what this side sent.
    pub only: Option<Sender>,
    /// Only these opcodes, where there are some.
    pub opcodes: Vec<Opcode>,
    /// Fewest bytes of payload.
    pub least: u64,
    /// Only payloads, or inflated messages, in which this is found.
    pub matching: Option<Regex>,
}

impl Filter {
    /// Whether a frame is shown.
    pub fn shows(&self, sender: Sender, frame: &Frame, seen: &Seen) -> bool {
        let header = &frame.header;
        let payload = seen.inflated.as_ref().map_or(&frame.payload, |message| &message.kept);
        !(self.hides_control && header.opcode.is_control())
            && self.only.is_none_or(|only| only == sender)
            && (self.opcodes.is_empty() || self.opcodes.contains(&header.opcode))
            && header.length >= self.least
            && self.matching.as_ref().is_none_or(|regex| regex.is_match(payload))
    }
}

/// Shows events.
#[derive(Debug)]
pub struct View {
    /// How.
    pub format: Format,
    /// When.
    pub time: Time,
    /// Which.
    pub filter: Filter,
    /// How payloads are written for people.
    pub style: Style,
    /// All of the handshake, not one line.
    pub has_heads: bool,
    /// Broken rules stand under their frame.
    pub has_lint: bool,
    /// Packets of the drawing protocol are read, where it was agreed on.
    pub decodes: bool,
    json: json::Writer,
    before: Duration,
    /// Connections that speak the drawing protocol.
    drawing: HashSet<u64>,
}

impl View {
    /// Shows everything.
    pub fn new(format: Format, time: Time, style: Style) -> Self {
        let (filter, json) = Default::default();
        Self {
            format,
            time,
            filter,
            style,
            has_heads: false,
            has_lint: true,
            decodes: true,
            json,
            before: Duration::ZERO,
            drawing: HashSet::new(),
        }
    }

    /// Appends what an event becomes.
    pub fn write(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event, out: &mut Vec<u8>) {
        if let Event::Frame { sender, frame, seen } = event
            && !self.filter.shows(*sender, frame, seen)
        {
            return;
        }
        let decoded = self.decode(stamp, event);
        match self.format {
            Format::Jsonl => {
                self.json.write(stamp, url, event, out);
                if let Some((sender, messages)) = &decoded {
                    json::decoded(stamp, *sender, SUBPROTOCOL_BINARY, messages, out);
                }
            }
            Format::Text => {
                let mut lines = self.lines(event, url);
                lines.extend(decoded.into_iter().flat_map(|(_, messages)| self.messages(messages)));
                let time = self.time(stamp);
                for (at, line) in lines.iter().enumerate() {
                    let margin = if at == 0 { &time } else { &" ".repeat(time.len()) };
                    out.extend_from_slice(margin.as_bytes());
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
            }
        }
    }

    /// What a packet of the drawing protocol says; whether a connection speaks it, its handshake has said.
    fn decode(&mut self, stamp: &Stamp, event: &Event) -> Option<(Sender, Result<Vec<Value>, String>)> {
        match event {
            Event::Handshake(handshake) if drawing::is_agreed(handshake.agreed.subprotocol.as_deref()) => {
                self.drawing.insert(stamp.connection);
            }
            Event::Closed(_) => _ = self.drawing.remove(&stamp.connection),
            Event::Frame { sender, frame, seen } if self.decodes && self.drawing.contains(&stamp.connection) => {
                let messages = drawing::decode(*sender, drawing::packet(frame, seen)?);
                return Some((*sender, messages.map_err(|error| error.to_string())));
            }
            _ => {}
        }
        None
    }

    /// Messages, a line for each; JSON escapes what a terminal would obey, but for what [`quoted`] knows beside that.
    fn messages(&self, messages: Result<Vec<Value>, String>) -> Vec<String> {
        match messages {
            Err(error) => vec![remark(&format!("no packet of {SUBPROTOCOL_BINARY}: {error}"))],
            Ok(messages) => {
                messages.iter().map(|message| format!("       =  {}", self.shortened(&message.to_string()))).collect()
            }
        }
    }

    fn shortened(&self, text: &str) -> String {
        let end = text.floor_char_boundary(self.style.most);
        let more = text.len() - end;
        let shown = visible(&text[..end]).replace("\\\\", "\\");
        if more > 0 { format!("{shown} and {} more", bytes_of(more as u64)) } else { shown }
    }

    /// Time and connection, as they stand before a line.
    fn time(&mut self, stamp: &Stamp) -> String {
        let delta = stamp.since.saturating_sub(std::mem::replace(&mut self.before, stamp.since));
        let time = match self.time {
            Time::Absolute => format!("{}  ", humantime::format_rfc3339_micros(stamp.at)),
            Time::Relative => format!("{:>10.6}  ", stamp.since.as_secs_f64()),
            Time::Delta => format!("{:>+10.6}  ", delta.as_secs_f64()),
            Time::Nothing => String::new(),
        };
        format!("{time}{:>3} ", stamp.connection)
    }

    fn lines(&self, event: &Event, url: Option<&str>) -> Vec<String> {
        match event {
            Event::Handshake(handshake) => self.handshake(handshake, url),
            Event::Body(body) => vec![format!("<-- {}", self.style.text(body))],
            Event::Frame { sender, frame, seen } => {
                let remarks = seen.broken.iter().filter(|_| self.has_lint).map(|broken| remark(&broken.to_string()));
                std::iter::once(self.style.frame(frame, Some(*sender), seen)).chain(remarks).collect()
            }
            Event::CutOff { rest, .. } => vec![match rest {
                Rest::Frame(frame) => {
                    remark(&format!("cut off: {} of {} came", bytes_of(frame.came), frame.header.length))
                }
                _ => remark("cut off within a header"),
            }],
            Event::Closed(closed) => vec![ending(closed)],
            Event::NotHttp { error, .. } => vec![remark(&error.to_string())],
        }
    }

    fn handshake(&self, handshake: &Handshake, url: Option<&str>) -> Vec<String> {
        let Handshake { request, response, agreed, refusal } = handshake;
        let mut lines = vec![format!(
            "=== {}  {}",
            url.map_or_else(|| visible(request.target()), visible),
            visible(&response.line)
        )];
        if self.has_heads {
            for (arrow, head) in [("-->", request), ("<--", response)] {
                lines.push(format!("{arrow} {}", visible(&head.line)));
                lines.extend(
                    head.headers.iter().map(|(name, value)| format!("{arrow} {}: {}", visible(name), visible(value))),
                );
            }
        }
        if let Some(protocol) = &agreed.subprotocol {
            lines.push(format!("=== sub-protocol {}", visible(protocol)));
        }
        if agreed.deflate.is_some() {
            lines.push("=== permessage-deflate".into());
        }
        lines.extend(refusal.iter().map(|refusal| remark(&visible(&refusal.to_string()))));
        lines
    }
}

fn ending(closed: &Closed) -> String {
    let Closed { by, code, reason, is_clean } = closed;
    let name = crate::close::name(*code).unwrap_or_else(|| crate::close::range(*code));
    let reason = if reason.is_empty() { String::new() } else { format!(" {}", quoted(reason)) };
    match by {
        None => "=== ended without a close frame (1006)".into(),
        Some(by) => {
            let who = if *by == Sender::Client { "the client" } else { "the server" };
            let answered = if *is_clean { "was answered" } else { "was not answered" };
            format!("=== {who} closed with {code} {name}{reason}, and {answered}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::json::{Recorded, read};
    use crate::tap::{Limits, Tap};

    const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

    fn stamp(micros: u64) -> Stamp {
        let since = Duration::from_micros(micros);
        Stamp { connection: 1, at: SystemTime::UNIX_EPOCH + since, since }
    }

    fn events() -> Vec<Event> {
        let (mut tap, mut all) = (Tap::new(Limits { keep: 1000, inflate: 1000 }), Vec::new());
        let from_client =
            [0x01, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'e' ^ 2, 0x89, 0x80, 0, 0, 0, 0, 0x80, 0x81, 0, 0, 0, 0, b'y'];
        let from_server = [
            &[0xc1, 7, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x83, 0, 0x82, 2, 0, 0xff][..],
            &[0x88, 4, 3, 0xe9, b'g', b'o'],
        ]
        .concat();
        let mut each = |event| all.push(event);
        tap.push(Sender::Client, REQUEST, &mut each);
        tap.push(Sender::Server, RESPONSE, &mut each);
        tap.push(Sender::Client, &from_client, &mut each);
        tap.push(Sender::Server, &from_server, &mut each);
        tap.finish(Sender::Client, &mut each);
        tap.finish(Sender::Server, &mut each);
        all
    }

    fn shown(mut view: View, events: &[Event]) -> String {
        let mut out = Vec::new();
        for (at, event) in events.iter().enumerate() {
            view.write(&stamp(at as u64 * 1000), Some("ws://x/chat"), event, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_connection_for_people() {
        insta::assert_snapshot!(shown(View::new(Format::Text, Time::Delta, Style { most: 99 }), &events()));
    }

    #[test]
    fn a_connection_as_json_lines() {
        insta::assert_snapshot!(shown(View::new(Format::Jsonl, Time::Absolute, Style { most: 99 }), &events()));
    }

    #[test]
    fn json_lines_are_read_back_as_what_they_were() {
        let events = events();
        let lines = shown(View::new(Format::Jsonl, Time::Absolute, Style { most: 99 }), &events);
        let read: Vec<Recorded> =
            lines.lines().filter_map(|line| read(line).unwrap()).map(|(_, event)| event).collect();
        let expected = events.into_iter().map(|event| match event {
            Event::Handshake(handshake) => Recorded::Handshake(handshake, Some("ws://x/chat".into())),
            Event::Frame { sender, frame, .. } => Recorded::Frame(sender, frame),
            _ => Recorded::Closed,
        });
        assert_eq!(read, expected.collect::<Vec<_>>());
    }

    #[test]
    fn the_drawing_protocol_is_read_where_it_was_agreed_on() {
        let protocol = "Sec-WebSocket-Protocol: inkwire.v1\r\n\r\n";
        let with = |head: &[u8]| [&head[..head.len() - 2], protocol.as_bytes()].concat();
        let messages = r#"[{"type":"presence","cursor":[64,-64]},{"type":"presence"}]"#;
        let messages = inkwire_protocol::json::decode_client(messages).unwrap();
        let packet = inkwire_protocol::binary::encode_client(&messages);
        let from_client =
            [&[0x82, 0x80 | packet.len() as u8, 0, 0, 0, 0][..], &packet, &[0x82, 0x81, 0, 0, 0, 0, 0xff]].concat();
        let told = |request: &[u8], response: &[u8], format| {
            let (mut tap, mut all) = (Tap::new(Limits { keep: 1000, inflate: 1000 }), Vec::new());
            let mut each = |event| all.push(event);
            tap.push(Sender::Client, request, &mut each);
            tap.push(Sender::Server, response, &mut each);
            tap.push(Sender::Client, &from_client, &mut each);
            shown(View::new(format, Time::Nothing, Style { most: 99 }), &all)
        };
        let text = told(&with(REQUEST), &with(RESPONSE), Format::Text);
        assert!(text.contains(r#"=  {"cursor":[64,-64],"type":"presence"}"#), "{text}");
        assert!(text.contains(r#"=  {"type":"presence"}"#), "{text}");
        assert!(text.contains("!  no packet of inkwire.v1: "), "{text}");
        let lines = told(&with(REQUEST), &with(RESPONSE), Format::Jsonl);
        assert!(
            lines.contains(r#""as":"inkwire.v1""#)
                && lines.contains(r#""messages":[{"cursor":[64,-64],"type":"presence"}"#),
            "{lines}"
        );
        assert!(!told(REQUEST, RESPONSE, Format::Text).contains("presence"), "not where it was not");
    }

    #[test]
    fn a_filter_shows_what_it_is_told_to() {
        let count = |filter: Filter| {
            let mut view = View::new(Format::Text, Time::Nothing, Style { most: 99 });
            (view.filter, view.has_lint) = (filter, false);
            shown(view, &events()).lines().filter(|line| !line.contains("===")).count()
        };
        assert_eq!(count(Filter::default()), 7);
        assert_eq!(count(Filter { hides_control: true, ..Filter::default() }), 5);
        assert_eq!(count(Filter { only: Some(Sender::Server), ..Filter::default() }), 4);
        assert_eq!(count(Filter { opcodes: vec![Opcode::BINARY], ..Filter::default() }), 1);
        assert_eq!(count(Filter { least: 4, ..Filter::default() }), 2);
        assert_eq!(count(Filter { matching: Some(Regex::new("^Hel+o$").unwrap()), ..Filter::default() }), 1);
    }
}
