//! Events as JSON lines, one object for each; version 1 of the schema. What is written can be read back.
//!
//! Every object has `v` (the version), `ev` (what it is), `conn` (the connection, from 1 on), `ts` (UTC, RFC 3339) and `t` (seconds
//! since the connection was made). Readers ignore keys and events that they do not know. `dir` is `send` for what the client sent, `receive`
//! for what the server did, in every mode. Data is `{"enc": "utf8" | "base64", "data": …}`; where not all of it was kept, `kept` says how
//! many bytes were.
//!
//! | `ev` | keys |
//! |---|---|
//! | `handshake` | `url`, `status`, `request` and `response` (first line as `["", line]`, then names and values), `subprotocol`, `deflate`, `refused` |
//! | `body` | `data`: of a response that is no 101 |
//! | `frame` | `seq` (of the connection, from 1 on), `dir`, `opcode`, `op`, `fin`, `rsv1`, `rsv2`, `rsv3`, `mask` (hex or null), `len`, `lenbits` (7, 16, 64), `hdr` (bytes), `off` (bytes since the direction's first frame), `msg` and `frag` (null for control frames), `payload` (unmasked) |
//! | `message` | `msg`, `dir`, `op`, `frames`, `wire` (bytes of payload that came), `len` (bytes of the message), `compressed`, `data` (of a compressed one; else its frames have it; always where only messages are shown) |
//! | `decoded` | `dir`, `as` (the sub-protocol, `json`, `msgpack`, `exec` or `jq`), `messages`: what the message before it says; or `error` |
//! | `lint` | `seq`, `dir`, `rule`, `section`, `text` |
//! | `cut` | `dir`, `len` (as announced), `came`: the direction ended within a frame |
//! | `close` | `by` (`send`, `receive` or null), `code`, `name`, `reason`, `clean` |
//! | `error` | `dir`, `text`: the direction is no HTTP |
//! | `stats` | `connections`, `seconds`, `violations`, `send` and `receive` (`frames`, `messages`, `wire`, `inflated`, `deflated`), `rtt_ms`; without `conn`, `ts` and `t` |

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::frame::lint::Seen;
use crate::frame::message::Message;
use crate::frame::{Frame, Header, LengthForm, Opcode, Rest, Sender, close};
use crate::handshake::{Head, check};
use crate::hex;
use crate::tap::{Closed, Event, Handshake};

/// The version of the schema.
pub const VERSION: u32 = 1;

/// When, and on which connection, something has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The connection, from 1 on.
    pub connection: u64,
    /// The moment.
    pub at: SystemTime,
    /// Since the connection was made, by a clock that never goes back.
    pub since: Duration,
}

#[derive(Debug, Serialize)]
struct Line<T> {
    v: u32,
    ev: &'static str,
    conn: u64,
    ts: String,
    t: f64,
    #[serde(flatten)]
    event: T,
}

#[derive(Debug, Serialize, Deserialize)]
struct Data {
    enc: String,
    data: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FrameLine {
    #[serde(default)]
    seq: u64,
    dir: Dir,
    opcode: u8,
    #[serde(default)]
    op: String,
    fin: bool,
    rsv1: bool,
    rsv2: bool,
    rsv3: bool,
    mask: Option<String>,
    len: u64,
    lenbits: u8,
    #[serde(default)]
    hdr: usize,
    #[serde(default)]
    off: u64,
    #[serde(default)]
    msg: Option<u64>,
    #[serde(default)]
    frag: Option<u64>,
    payload: Data,
}

#[derive(Debug, Serialize, Deserialize)]
struct HandshakeLine {
    url: Option<String>,
    #[serde(default)]
    status: u16,
    request: Vec<(String, String)>,
    response: Vec<(String, String)>,
    #[serde(default)]
    subprotocol: Option<String>,
    #[serde(default)]
    deflate: bool,
    #[serde(default)]
    refused: Option<String>,
}

/// HAR's words, from the client's side in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Dir {
    Send,
    Receive,
}

impl From<Sender> for Dir {
    fn from(sender: Sender) -> Self {
        match sender {
            Sender::Client => Self::Send,
            Sender::Server => Self::Receive,
        }
    }
}

impl From<Dir> for Sender {
    fn from(dir: Dir) -> Self {
        match dir {
            Dir::Send => Self::Client,
            Dir::Receive => Self::Server,
        }
    }
}

impl Data {
    /// Text where it is some, else base64; `length` is what there was of it.
    fn of(bytes: &[u8], length: u64, is_text: bool) -> Self {
        let kept = (bytes.len() as u64 != length).then_some(bytes.len() as u64);
        let text = std::str::from_utf8(bytes).ok().filter(|_| is_text);
        let (enc, data) = match text {
            Some(text) => ("utf8", text.to_owned()),
            None => ("base64", STANDARD.encode(bytes)),
        };
        Self { enc: enc.into(), data, kept }
    }

    fn bytes(self) -> Result<Vec<u8>, JsonError> {
        match self.enc.as_str() {
            "utf8" => Ok(self.data.into_bytes()),
            "base64" => Ok(STANDARD.decode(self.data)?),
            _ => Err(JsonError::Encoding(self.enc)),
        }
    }
}

/// Writes the events of connections; counts their frames.
#[derive(Debug, Default)]
pub struct Writer {
    connections: HashMap<u64, Counts>,
}

/// The counts of a connection: its frames, and those and the bytes of each direction's open message.
#[derive(Debug, Default)]
struct Counts {
    frames: u64,
    open: [(u64, u64); 2],
}

impl Writer {
    /// Appends the lines of an event. `url` is where the connection goes.
    pub fn write(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Handshake(handshake) => line(stamp, "handshake", HandshakeLine::of(handshake, url), out),
            Event::Body(body) => line(stamp, "body", json!({"data": Data::of(body, body.len() as u64, true)}), out),
            Event::Frame { sender, frame, seen } => self.frame(stamp, *sender, frame, seen, out),
            Event::CutOff { sender, rest } => {
                let (len, came) = match rest {
                    Rest::Frame(frame) => (Some(frame.header.length), frame.came),
                    Rest::Header(header) => (None, header.len() as u64),
                    Rest::Nothing => (None, 0),
                };
                line(stamp, "cut", json!({"dir": Dir::from(*sender), "len": len, "came": came}), out);
            }
            Event::Closed(closed) => {
                let Closed { by, code, reason, is_clean } = closed;
                let (by, name) = (by.map(Dir::from), close::name(*code));
                let told = json!({"by": by, "code": code, "name": name, "reason": reason, "clean": is_clean});
                self.connections.remove(&stamp.connection);
                line(stamp, "close", told, out);
            }
            Event::NotHttp { sender, error } => {
                line(stamp, "error", json!({"dir": Dir::from(*sender), "text": error.to_string()}), out);
            }
        }
    }

    fn frame(&mut self, stamp: &Stamp, sender: Sender, frame: &Frame, seen: &Seen, out: &mut Vec<u8>) {
        let counts = self.connections.entry(stamp.connection).or_default();
        counts.frames += 1;
        let (seq, dir) = (counts.frames, Dir::from(sender));
        line(stamp, "frame", FrameLine::of(seq, dir, frame, seen), out);
        for violation in &seen.broken {
            let (rule, section) = (violation.name(), violation.section());
            let told = json!({"seq": seq, "dir": dir, "rule": rule, "section": section, "text": violation.to_string()});
            line(stamp, "lint", told, out);
        }
        let Some(place) = seen.place else { return };
        let open = &mut counts.open[dir as usize];
        *open = if place.fragment == 1 { (1, frame.came) } else { (open.0 + 1, open.1.saturating_add(frame.came)) };
        if !place.is_last {
            return;
        }
        let (frames, wire) = *open;
        let op = place.opcode.unwrap_or(Opcode::CONTINUATION);
        let len = seen.inflated.as_ref().map_or(wire, |message| message.length);
        let data = seen.inflated.as_ref().map(|message| Data::of(&message.kept, len, op == Opcode::TEXT));
        let told = json!({"msg": place.message, "dir": dir, "op": op.name(), "frames": frames, "wire": wire, "len": len,
            "compressed": seen.inflated.is_some(), "data": data});
        line(stamp, "message", told, out);
    }
}

/// Appends a whole message, with its data.
pub fn message(stamp: &Stamp, sender: Sender, message: &Message, is_compressed: bool, out: &mut Vec<u8>) {
    let Message { number, opcode, data, length, wire, frames } = message;
    let data = Data::of(data, *length, *opcode != Opcode::BINARY);
    let told = json!({"msg": number, "dir": Dir::from(sender), "op": opcode.name(), "frames": frames, "wire": wire,
        "len": length, "compressed": is_compressed, "data": data});
    line(stamp, "message", told, out);
}

/// Appends what the message of the last frame says by the sub-protocol, or why it says nothing.
pub fn decoded(stamp: &Stamp, sender: Sender, name: &str, messages: &Result<Vec<Value>, String>, out: &mut Vec<u8>) {
    let (messages, error) = (messages.as_ref().ok(), messages.as_ref().err());
    let told = json!({"dir": Dir::from(sender), "as": name, "messages": messages, "error": error});
    line(stamp, "decoded", told, out);
}

fn line(stamp: &Stamp, ev: &'static str, event: impl Serialize, out: &mut Vec<u8>) {
    let ts = humantime::format_rfc3339_micros(stamp.at).to_string();
    let t = stamp.since.as_micros() as f64 / 1e6;
    let line = Line { v: VERSION, ev, conn: stamp.connection, ts, t, event };
    serde_json::to_writer(&mut *out, &line).expect("it has string keys, and a Vec takes all");
    out.push(b'\n');
}

impl FrameLine {
    fn of(seq: u64, dir: Dir, frame: &Frame, seen: &Seen) -> Self {
        let header = &frame.header;
        let [rsv1, rsv2, rsv3] = header.rsv;
        let is_text = header.opcode != Opcode::BINARY && !rsv1;
        Self {
            seq,
            dir,
            opcode: header.opcode.number(),
            op: header.opcode.name().into(),
            fin: header.fin,
            rsv1,
            rsv2,
            rsv3,
            mask: header.mask.map(|key| hex::write(&key).replace(' ', "")),
            len: header.length,
            lenbits: header.form.bits(),
            hdr: header.size(),
            off: frame.offset,
            msg: seen.place.map(|place| place.message),
            frag: seen.place.map(|place| place.fragment),
            payload: Data::of(&frame.payload, header.length, is_text),
        }
    }

    fn frame(self) -> Result<Frame, JsonError> {
        let form = LengthForm::of_bits(self.lenbits).ok_or(JsonError::Length)?;
        let key = |text: String| hex::parse(&text).ok()?.try_into().ok();
        let mask = self.mask.map(|text| key(text).ok_or(JsonError::Mask)).transpose()?;
        let payload = self.payload.bytes()?;
        let rsv = [self.rsv1, self.rsv2, self.rsv3];
        let header = Header { fin: self.fin, rsv, opcode: Opcode::of(self.opcode), mask, form, length: self.len };
        if payload.len() as u64 > self.len || LengthForm::shortest(self.len).bytes() > form.bytes() {
            return Err(JsonError::Length);
        }
        Ok(Frame { header, offset: self.off, payload, came: self.len })
    }
}

impl HandshakeLine {
    fn of(handshake: &Handshake, url: Option<&str>) -> Self {
        Self {
            url: url.map(str::to_owned),
            status: handshake.response.status(),
            request: headers(&handshake.request),
            response: headers(&handshake.response),
            subprotocol: handshake.agreed.subprotocol.clone(),
            deflate: handshake.agreed.deflate.is_some(),
            refused: handshake.refusal.as_ref().map(ToString::to_string),
        }
    }
}

/// The first line under an empty name, then the headers.
fn headers(head: &Head) -> Vec<(String, String)> {
    std::iter::once((String::new(), head.line.clone())).chain(head.headers.iter().cloned()).collect()
}

fn head(headers: Vec<(String, String)>) -> Head {
    let (first, headers): (Vec<_>, _) = headers.into_iter().partition(|(name, _)| name.is_empty());
    Head { line: first.into_iter().next().map_or_else(String::new, |(_, line)| line), headers }
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is no JSON, or a key is missing or of another type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A later version of the schema.
    #[error("version {0} of the schema is not known here; this is version {VERSION}")]
    Version(u32),
    /// An encoding that is not known.
    #[error("{0:?} is no encoding; there are utf8 and base64")]
    Encoding(String),
    /// Data that is not base64.
    #[error("the data is no base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// A length that its form, or its payload, contradicts.
    #[error("the frame's length, its form and its payload do not fit together")]
    Length,
    /// A masking key that is not four bytes of hex.
    #[error("the mask is not four bytes of hex")]
    Mask,
    /// A moment that is none.
    #[error("ts is no moment: {0}")]
    Moment(#[from] humantime::TimestampError),
}

/// The recorded fields that follow from no other.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// A handshake, and where the connection went.
    Handshake(Box<Handshake>, Option<String>),
    /// The body of a refusal.
    Body(Vec<u8>),
    /// A frame.
    Frame(Sender, Frame),
    /// Bytes of one direction as they passed, in a capture; none where it has ended.
    Bytes(Sender, Vec<u8>),
    /// The end of the connection.
    Closed,
    /// The end of what is recorded of it.
    Over,
}

#[derive(Debug, Deserialize)]
struct Kind {
    v: u32,
    ev: String,
    conn: u64,
    ts: String,
    t: f64,
}

/// A time since the connection was made, as a recording says it: nobody records for a hundred years, and no sum of moments
/// is to overflow.
pub fn bounded(since: Duration) -> Duration {
    since.min(Duration::from_secs(100 * 365 * 24 * 60 * 60))
}

/// Reads a line back; `None` for one that follows from the others, or is not known.
///
/// # Errors
/// If it is not what the schema says.
pub fn read(line: &str) -> Result<Option<(Stamp, Recorded)>, JsonError> {
    let Kind { v, ev, conn, ts, t } = serde_json::from_str(line)?;
    if v != VERSION {
        return Err(JsonError::Version(v));
    }
    let since = bounded(Duration::try_from_secs_f64(t).unwrap_or_default());
    let stamp = Stamp { connection: conn, at: humantime::parse_rfc3339(&ts)?, since };
    let recorded = match ev.as_str() {
        "handshake" => {
            let HandshakeLine { url, request, response, .. } = serde_json::from_str(line)?;
            let (request, response) = (head(request), head(response));
            let (agreed, refusal) = check(&request, &response);
            Recorded::Handshake(Box::new(Handshake { request, response, agreed, refusal }), url)
        }
        "body" => {
            #[derive(Deserialize)]
            struct Body {
                data: Data,
            }
            Recorded::Body(serde_json::from_str::<Body>(line)?.data.bytes()?)
        }
        "frame" => {
            let frame: FrameLine = serde_json::from_str(line)?;
            Recorded::Frame(frame.dir.into(), frame.frame()?)
        }
        "close" => Recorded::Closed,
        _ => return Ok(None),
    };
    Ok(Some((stamp, recorded)))
}
