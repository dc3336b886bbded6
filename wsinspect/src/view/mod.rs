//! Which events are shown, and how: lines for people, JSON lines, dumps, or nothing but what messages carry.

pub mod decoder;
pub mod drawing;
pub mod jq;
pub mod line;
pub mod stats;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anstyle::{AnsiColor, Style as Colour};
use regex::bytes::Regex;
use serde_json::Value;

use crate::formats::json::{self, Stamp};
use crate::frame::lint::Seen;
use crate::frame::message::{Assemblies, Message};
use crate::frame::{Frame, Opcode, Rest, Sender};
use crate::hex;
use crate::tap::{Closed, Event, Handshake};
use crate::view::decoder::{Decode, Drawing};
use crate::view::jq::Jq;
use crate::view::line::{Style, bytes_of, quoted, remark, visible};

/// The output format of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    Text,
    /// The same, and under it the bytes of the payload.
    Hex,
    /// JSON lines, see [`json`].
    Jsonl,
    /// Payloads of messages as they are, with a line break after each text; or the results of jq, a line each.
    Raw,
}

/// The units that are shown of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Frames, without a look at the messages that they are parts of.
    Frames,
    /// Whole messages.
    Messages,
    /// Frames, and with the last one of each message what follows from it.
    Both,
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
        let payload = seen.inflated.as_ref().map_or(&frame.payload, |message| &message.kept);
        self.passes(sender, frame.header.opcode, frame.header.length, payload)
    }

    fn passes(&self, sender: Sender, opcode: Opcode, length: u64, data: &[u8]) -> bool {
        !(self.hides_control && opcode.is_control())
            && self.only.is_none_or(|only| only == sender)
            && (self.opcodes.is_empty() || self.opcodes.contains(&opcode))
            && length >= self.least
            && self.matching.as_ref().is_none_or(|regex| regex.is_match(data))
    }
}

/// Shows events.
#[derive(Debug)]
pub struct View {
    /// The format.
    pub format: Format,
    /// When.
    pub time: Time,
    /// Which.
    pub filter: Filter,
    /// The style of payloads for people.
    pub style: Style,
    /// All of the handshake, not one line.
    pub has_heads: bool,
    /// Broken rules stand under their frame.
    pub has_lint: bool,
    /// Frames, messages or both.
    pub unit: Unit,
    /// The decoder of messages; without one, the drawing protocol if it was agreed on.
    pub decoder: Option<Box<dyn Decode>>,
    /// Packets of the drawing protocol are read, where it was agreed on.
    pub reads_drawing: bool,
    /// The expression that chooses among messages, and what is shown of them.
    pub jq: Option<Jq>,
    /// Lines for people have colours, one for each direction.
    pub is_coloured: bool,
    /// Bytes that are kept of each message.
    pub keep: usize,
    /// Messages of which [`Format::Raw`] has shown only the beginning.
    pub cut: u64,
    json: json::Writer,
    before: Duration,
    /// Connections that speak the drawing protocol.
    drawing: HashSet<u64>,
    /// Messages that are open, by connection, where they are looked at.
    open: HashMap<u64, Assemblies>,
}

/// A decoded message.
struct Reading {
    sender: Sender,
    name: &'static str,
    values: Result<Vec<Value>, String>,
    is_pretty: bool,
}

impl View {
    /// Shows everything.
    pub fn new(format: Format, time: Time, style: Style) -> Self {
        let (filter, json, drawing, open) = Default::default();
        Self {
            format,
            time,
            filter,
            style,
            has_heads: false,
            has_lint: true,
            unit: Unit::Both,
            decoder: None,
            reads_drawing: true,
            jq: None,
            is_coloured: false,
            keep: 1024 * 1024,
            cut: 0,
            json,
            before: Duration::ZERO,
            drawing,
            open,
        }
    }

    /// Appends what an event becomes.
    pub fn write(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Frame { sender, frame, seen } => self.frame(stamp, *sender, (frame, seen, event), out),
            _ if self.format == Format::Raw => {}
            _ => {
                self.follow(stamp.connection, event);
                match self.format {
                    Format::Jsonl => self.json.write(stamp, url, event, out),
                    _ => {
                        let lines = self.lines(event, url);
                        self.put(stamp, &lines, None, out);
                    }
                }
            }
        }
    }

    /// Which connections speak the drawing protocol, and which are over.
    fn follow(&mut self, connection: u64, event: &Event) {
        match event {
            Event::Handshake(handshake) if drawing::is_agreed(handshake.agreed.subprotocol.as_deref()) => {
                self.drawing.insert(connection);
            }
            Event::Closed(_) => {
                self.drawing.remove(&connection);
                self.open.remove(&connection);
            }
            _ => {}
        }
    }

    fn frame(
        &mut self,
        stamp: &Stamp,
        sender: Sender,
        (frame, seen, event): (&Frame, &Seen, &Event),
        out: &mut Vec<u8>,
    ) {
        let message = self.message(stamp.connection, sender, frame, seen);
        let is_shown = match (self.unit, &message) {
            (Unit::Messages, None) => false,
            (Unit::Messages, Some(it)) => self.filter.passes(sender, it.opcode, it.length, &it.data),
            _ if self.format == Format::Raw => {
                message.as_ref().is_some_and(|it| self.filter.passes(sender, it.opcode, it.length, &it.data))
            }
            _ => self.filter.shows(sender, frame, seen),
        };
        if !is_shown {
            return;
        }
        let reading = message.as_ref().and_then(|message| self.read(stamp.connection, sender, message));
        let reading = match (&self.jq, reading) {
            // What jq makes nothing of is not shown, and neither is what is no JSON.
            (Some(_), Some(Reading { values: Ok(values), .. })) if values.is_empty() => return,
            (Some(_), None) => return,
            (_, reading) => reading,
        };
        match self.format {
            Format::Raw => self.raw(message.as_ref(), reading, out),
            Format::Jsonl => {
                match &message {
                    Some(message) if self.unit == Unit::Messages => {
                        json::message(stamp, sender, message, seen.inflated.is_some(), out);
                    }
                    _ => self.json.write(stamp, None, event, out),
                }
                if let Some(Reading { sender, name, values, .. }) = reading {
                    json::decoded(stamp, sender, name, &values, out);
                }
            }
            Format::Text | Format::Hex => {
                let mut lines = match &message {
                    Some(message) if self.unit == Unit::Messages => vec![self.style.message(message, sender)],
                    _ => self.lines(event, None),
                };
                if self.format == Format::Hex {
                    let bytes =
                        message.as_ref().filter(|_| self.unit == Unit::Messages).map_or(&frame.payload, |it| &it.data);
                    lines.extend(hex::dump(bytes).into_iter().map(|row| format!("          {row}")));
                }
                lines.extend(reading.into_iter().flat_map(|reading| self.values(reading)));
                self.put(stamp, &lines, Some(sender), out);
            }
        }
    }

    /// The message that ends with a frame, where messages are looked at at all.
    fn message(&mut self, connection: u64, sender: Sender, frame: &Frame, seen: &Seen) -> Option<Message> {
        let is_drawing = self.reads_drawing && self.drawing.contains(&connection);
        let is_looked_at = self.unit == Unit::Messages
            || self.format == Format::Raw
            || self.decoder.is_some()
            || self.jq.is_some()
            || is_drawing;
        // Frames alone tell nothing of messages, but where nothing but messages is asked for.
        let is_asked_for = self.format == Format::Raw || self.jq.is_some();
        if !is_looked_at || (self.unit == Unit::Frames && !is_asked_for) {
            return None;
        }
        let keep = self.keep;
        let open = self.open.entry(connection).or_insert_with(|| Assemblies::new(keep));
        open.push(sender, frame, seen.place, seen.inflated.as_ref())
    }

    /// Decodes a message, and applies jq to it.
    fn read(&mut self, connection: u64, sender: Sender, message: &Message) -> Option<Reading> {
        let is_drawing = self.reads_drawing && self.drawing.contains(&connection);
        let mut drawing = Drawing;
        let decoder = match &mut self.decoder {
            Some(decoder) => Some(decoder.as_mut()),
            None if is_drawing => Some(&mut drawing as &mut dyn Decode),
            None => None,
        };
        let decoded = decoder.and_then(|decoder| {
            let values = decoder.decode(sender, message)?;
            Some(Reading { sender, name: decoder.name(), values, is_pretty: decoder.is_pretty() })
        });
        let Some(jq) = &self.jq else { return decoded };
        let values = match decoded {
            Some(decoded) => decoded.values.ok()?,
            None if !message.opcode.is_control() => vec![serde_json::from_slice(&message.data).ok()?],
            None => return None,
        };
        // An error in one message is no error of the others; it is as if the expression had made nothing of it.
        let results = values.iter().flat_map(|value| jq.run(value).unwrap_or_default());
        let results = results.filter(|value| !matches!(value, Value::Null | Value::Bool(false)));
        Some(Reading { sender, name: "jq", values: Ok(results.collect()), is_pretty: false })
    }

    fn raw(&mut self, message: Option<&Message>, reading: Option<Reading>, out: &mut Vec<u8>) {
        if let (Some(_), Some(Reading { values: Ok(values), .. })) = (&self.jq, reading) {
            for value in values {
                // A text without its quotation marks, as with jq --raw-output.
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                out.extend_from_slice(text.as_bytes());
                out.push(b'\n');
            }
            return;
        }
        if let Some(message) = message.filter(|message| !message.opcode.is_control()) {
            self.cut += u64::from(!message.is_whole());
            out.extend_from_slice(&message.data);
            if message.opcode == Opcode::TEXT {
                out.push(b'\n');
            }
        }
    }

    /// Appends lines, the first one with its time.
    fn put(&mut self, stamp: &Stamp, lines: &[String], sender: Option<Sender>, out: &mut Vec<u8>) {
        let time = self.time(stamp);
        for (at, line) in lines.iter().enumerate() {
            let margin = if at == 0 { &time } else { &" ".repeat(time.len()) };
            out.extend_from_slice(margin.as_bytes());
            match self.colour(line, sender) {
                Some(colour) => out.extend_from_slice(format!("{colour}{line}{colour:#}").as_bytes()),
                None => out.extend_from_slice(line.as_bytes()),
            }
            out.push(b'\n');
        }
    }

    /// One colour for each direction, one for what is wrong.
    fn colour(&self, line: &str, sender: Option<Sender>) -> Option<Colour> {
        let colour = match sender {
            _ if line.trim_start().starts_with('!') => AnsiColor::Red,
            _ if line.starts_with("===") => return self.is_coloured.then(|| Colour::new().bold()),
            Some(Sender::Client) => AnsiColor::Cyan,
            Some(Sender::Server) => AnsiColor::Green,
            None => return None,
        };
        self.is_coloured.then(|| colour.on_default())
    }

    /// Values, a line for each, or several; JSON escapes what a terminal would obey, but for what [`quoted`] knows beside that.
    fn values(&self, reading: Reading) -> Vec<String> {
        let Reading { name, values, is_pretty, .. } = reading;
        let values = match values {
            // A program says for itself what is wrong.
            Err(error) if name == "exec" => return vec![remark(&visible(&error))],
            Err(error) => return vec![remark(&format!("this is no {name}: {}", visible(&error)))],
            Ok(values) => values,
        };
        let text = |value: &Value| match is_pretty {
            true => serde_json::to_string_pretty(value).unwrap_or_default(),
            false => value.to_string(),
        };
        let lines = |value: &Value| {
            let text = self.shortened(&text(value));
            text.lines().map(|line| format!("       =  {line}")).collect::<Vec<_>>()
        };
        values.iter().flat_map(lines).collect()
    }

    fn shortened(&self, text: &str) -> String {
        let end = text.floor_char_boundary(self.style.most);
        let more = text.len() - end;
        let safe = |line: &str| visible(line).replace("\\\\", "\\");
        let shown = text[..end].lines().map(safe).collect::<Vec<_>>().join("\n");
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
    let name = crate::frame::close::name(*code).unwrap_or_else(|| crate::frame::close::range(*code));
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
    use crate::formats::json::{Recorded, read};
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
        assert!(text.contains("!  this is no inkwire.v1: "), "{text}");
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
