//! Connections as HAR 1.2 with the messages that Chrome's developer tools show: one entry for each connection.
//!
//! The format of the messages is written down nowhere but in the importer of the developer tools
//! (`front_end/models/har/{Importer,HARFormat}.ts`): without `_resourceType` it shows none, and one number that is missing
//! makes it refuse the whole file.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::formats::json::{Recorded, Stamp, bounded};
use crate::frame::message::Message;
use crate::frame::{Frame, Header, LengthForm, Opcode, Sender};
use crate::handshake::{Head, check};
use crate::tap::Handshake;

/// The beginning of a file; its entries follow, with commas between them, and then [`END`].
pub fn begin() -> String {
    let creator = json!({"name": "wsinspect", "version": env!("CARGO_PKG_VERSION")});
    format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"pages\":[],\"entries\":[")
}

/// The end of a file.
pub const END: &str = "]}}\n";

/// The end of an entry, after its messages.
pub const ENTRY_END: &str = "]}";

/// A connection without its messages.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When the handshake was done, and which connection it is.
    pub stamp: Stamp,
    /// Its URL.
    pub url: String,
    /// Its heads.
    pub handshake: Handshake,
    /// The body of a response that is no 101.
    pub body: Vec<u8>,
    /// Since the connection was made, when it ended.
    pub ended: Duration,
}

impl Entry {
    /// The entry's text up to its messages, which follow with commas between them, and then [`ENTRY_END`].
    pub fn begin(&self) -> String {
        let Handshake { request, response, .. } = &self.handshake;
        let milliseconds = |duration: Duration| duration.as_micros() as f64 / 1e3;
        let (wait, all) = (milliseconds(self.stamp.since), milliseconds(self.ended.max(self.stamp.since)));
        let begun = self.stamp.at.checked_sub(self.stamp.since).unwrap_or(SystemTime::UNIX_EPOCH);
        let query = self.url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or(query));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query: Vec<Value> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let reason = response.line.splitn(3, ' ').nth(2).unwrap_or("");
        let body = String::from_utf8_lossy(&self.body);
        let mut entry = json!({
            "_resourceType": "websocket",
            "_initiator": {"type": "other"},
            "_priority": "High",
            "connection": self.stamp.connection.to_string(),
            "startedDateTime": humantime::format_rfc3339_micros(begun).to_string(),
            "time": all,
            "request": {
                "method": request.line.split(' ').next().unwrap_or("GET"),
                "url": self.url,
                "httpVersion": "HTTP/1.1",
                "headers": headers(request),
                "queryString": query,
                "cookies": [],
                "headersSize": request.to_bytes().len(),
                "bodySize": 0,
            },
            "response": {
                "status": response.status(),
                "statusText": reason,
                "httpVersion": "HTTP/1.1",
                "headers": headers(response),
                "cookies": [],
                "content": {"size": self.body.len(), "mimeType": response.get("Content-Type").unwrap_or("x-unknown"), "text": body},
                "redirectURL": response.get("Location").unwrap_or(""),
                "headersSize": response.to_bytes().len(),
                "bodySize": self.body.len(),
                "_transferSize": 0,
                "_error": null,
            },
            "cache": {},
            "timings": {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": wait, "receive": all - wait},
        })
        .to_string();
        entry.pop();
        entry + ",\"_webSocketMessages\":["
    }
}

fn headers(head: &Head) -> Vec<Value> {
    head.headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// A message; the time is that of its last frame. Bytes that were not kept are missing in it.
pub fn message(stamp: &Stamp, sender: Sender, message: &Message) -> String {
    let since = stamp.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let kind = if sender == Sender::Client { "send" } else { "receive" };
    let data = match message.opcode {
        Opcode::TEXT => String::from_utf8_lossy(&message.data).into_owned(),
        _ => STANDARD.encode(&message.data),
    };
    let time = since.as_micros() as f64 / 1e6;
    json!({"type": kind, "time": time, "opcode": message.opcode.number(), "data": data}).to_string()
}

/// Why a HAR cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HarError {
    /// It is no JSON, or a key is missing or of another type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A time that is none.
    #[error("startedDateTime is no moment: {0}")]
    Moment(#[from] humantime::TimestampError),
    /// Data that is not base64.
    #[error("a message's data is no base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// No entry is one of a WebSocket.
    #[error("it has no WebSocket in it")]
    Nothing,
}

#[derive(Deserialize)]
struct File {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    started_date_time: String,
    #[serde(default)]
    time: f64,
    request: ReadHead,
    response: ReadHead,
    #[serde(default)]
    timings: Timings,
    #[serde(rename = "_webSocketMessages", default)]
    messages: Vec<ReadMessage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadHead {
    #[serde(default)]
    method: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    status_text: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    content: Content,
}

#[derive(Deserialize, Default)]
struct Timings {
    #[serde(default)]
    wait: f64,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Deserialize, Default)]
struct Content {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct ReadMessage {
    #[serde(rename = "type")]
    kind: String,
    time: f64,
    opcode: i16,
    data: String,
}

/// Reads a file, also one of a browser or of mitmproxy: entries without messages and of other resources are passed over. Whole
/// messages become frames; the masks of the client's are not known, and are taken for zero.
///
/// # Errors
/// If it is no HAR.
pub fn read(reader: impl std::io::Read) -> Result<Vec<(Stamp, Recorded)>, HarError> {
    let file: File = serde_json::from_reader(reader)?;
    let is_socket = |entry: &&Value| entry["_resourceType"] == "websocket" || entry["_webSocketMessages"].is_array();
    let (mut all, mut connection) = (Vec::new(), 0);
    for entry in file.log.entries.iter().filter(is_socket) {
        connection += 1;
        entry_events(Read::deserialize(entry)?, connection, &mut all)?;
    }
    if connection == 0 { Err(HarError::Nothing) } else { Ok(all) }
}

fn entry_events(entry: Read, connection: u64, all: &mut Vec<(Stamp, Recorded)>) -> Result<(), HarError> {
    let begun = moment(&entry.started_date_time)?;
    let stamp = |since: f64| {
        let since = bounded(Duration::try_from_secs_f64(since).unwrap_or_default());
        Stamp { connection, at: begun + since, since }
    };
    let url = entry.request.url.clone();
    let target = crate::handshake::target::Target::parse(&url).map_or_else(|_| "/".into(), |target| target.path);
    let line = format!("{} {target} HTTP/1.1", entry.request.method);
    let request = head(line, entry.request.headers);
    let reason = if entry.response.status_text.is_empty() { "-" } else { &entry.response.status_text };
    let response = head(format!("HTTP/1.1 {} {reason}", entry.response.status), entry.response.headers);
    let (mut agreed, refusal) = check(&request, &response);
    // The messages are plain, whatever was agreed on.
    agreed.deflate = None;
    let wait = entry.timings.wait.max(0.0) / 1e3;
    all.push((stamp(wait), Recorded::Handshake(Box::new(Handshake { request, response, agreed, refusal }), Some(url))));
    if entry.response.status != 101 {
        all.push((stamp(0.0), Recorded::Body(entry.response.content.text.into_bytes())));
    }
    let origin = begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    for message in entry.messages {
        let sender = match message.kind.as_str() {
            "send" => Sender::Client,
            "receive" => Sender::Server,
            _ => continue,
        };
        let Ok(opcode) = u8::try_from(message.opcode) else { continue };
        let payload = if opcode == 1 { message.data.into_bytes() } else { STANDARD.decode(message.data)? };
        all.push((stamp(message.time - origin), Recorded::Frame(sender, whole(sender, Opcode::of(opcode), payload))));
    }
    // Browsers leave control frames out: how the connection was closed is not known then.
    let is_told = all.iter().any(|(stamp, recorded)| stamp.connection == connection && is_close(recorded));
    all.push((stamp(entry.time / 1e3), if is_told { Recorded::Closed } else { Recorded::Over }));
    Ok(())
}

/// A moment with whatever offset from UTC (RFC 3339 section 5.6).
fn moment(text: &str) -> Result<SystemTime, humantime::TimestampError> {
    let offset =
        text.get(text.len().saturating_sub(6)..).filter(|end| end.starts_with(['+', '-']) && end.is_char_boundary(3));
    let Some(offset) = offset else { return humantime::parse_rfc3339_weak(text) };
    let local = humantime::parse_rfc3339_weak(&text[..text.len() - 6])?;
    let part = |from: usize| offset.get(from..from + 2).and_then(|part| part.parse::<u64>().ok()).unwrap_or(0);
    let distance = Duration::from_secs((part(1) * 60 + part(4)) * 60);
    let moved = if offset.starts_with('+') { local.checked_sub(distance) } else { local.checked_add(distance) };
    Ok(moved.unwrap_or(local))
}

fn is_close(recorded: &Recorded) -> bool {
    matches!(recorded, Recorded::Frame(_, frame) if frame.header.opcode == Opcode::CLOSE)
}

/// A message as one frame.
fn whole(sender: Sender, opcode: Opcode, payload: Vec<u8>) -> Frame {
    let length = payload.len() as u64;
    let mask = (sender == Sender::Client).then_some([0; 4]);
    let header = Header { fin: true, rsv: [false; 3], opcode, mask, form: LengthForm::shortest(length), length };
    Frame { header, offset: 0, payload, came: length }
}

fn head(line: String, headers: Vec<Pair>) -> Head {
    // HTTP/2 has headers that are none of HTTP/1.1.
    let headers = headers.into_iter().filter(|pair| !pair.name.starts_with(':'));
    Head { line, headers: headers.map(|pair| (pair.name, pair.value)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let request = Head {
            line: "GET /chat?room=a HTTP/1.1".into(),
            headers: vec![("Host".into(), "x".into()), ("Sec-WebSocket-Key".into(), "dGhlIHNhbXBsZSBub25jZQ==".into())],
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let response = Head {
            line: "HTTP/1.1 101 Switching Protocols".into(),
            headers: vec![
                pair("Upgrade", "websocket"),
                pair("Connection", "Upgrade"),
                pair("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ],
        };
        let since = Duration::from_micros(3100);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045) + since;
        Entry {
            stamp: Stamp { connection: 1, at, since },
            url: "ws://x/chat?room=a".into(),
            handshake: Handshake { request, response, ..Handshake::default() },
            body: Vec::new(),
            ended: Duration::from_micros(12_500),
        }
    }

    fn text() -> String {
        let entry = entry();
        let at = |opcode, data: &[u8]| Message {
            number: 1,
            opcode,
            data: data.to_vec(),
            length: data.len() as u64,
            wire: 0,
            frames: 1,
        };
        let messages = [
            message(&entry.stamp, Sender::Client, &at(Opcode::TEXT, b"{\"n\":1}")),
            message(&entry.stamp, Sender::Server, &at(Opcode::BINARY, &[0, 1, 2, 0xff])),
        ];
        format!("{}{}{}{ENTRY_END}{END}", begin(), entry.begin(), messages.join(","))
    }

    #[test]
    fn a_file_has_all_that_the_importer_of_the_developer_tools_asks_for() {
        let file: Value = serde_json::from_str(&text()).unwrap();
        insta::assert_snapshot!(
            serde_json::to_string_pretty(&file).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
        );
        let entry = &file["log"]["entries"][0];
        for number in [
            &entry["time"],
            &entry["request"]["headersSize"],
            &entry["request"]["bodySize"],
            &entry["response"]["status"],
            &entry["response"]["headersSize"],
            &entry["response"]["bodySize"],
            &entry["response"]["content"]["size"],
            &entry["timings"]["send"],
            &entry["timings"]["wait"],
            &entry["timings"]["receive"],
            &entry["_webSocketMessages"][1]["time"],
        ] {
            assert!(number.is_number(), "{number}");
        }
    }

    #[test]
    fn a_file_is_read_back_as_the_messages_that_it_has() {
        let all = read(text().as_bytes()).unwrap();
        let [(_, Recorded::Handshake(handshake, url)), (_, one), (stamp, two), (ended, Recorded::Over)] = &all[..]
        else {
            panic!("{all:?}")
        };
        assert_eq!((handshake.refusal.clone(), url.as_deref()), (None, Some("ws://x/chat?room=a")));
        assert_eq!(handshake.request.target(), "/chat?room=a");
        assert_eq!(*one, Recorded::Frame(Sender::Client, whole(Sender::Client, Opcode::TEXT, b"{\"n\":1}".to_vec())));
        assert_eq!(*two, Recorded::Frame(Sender::Server, whole(Sender::Server, Opcode::BINARY, vec![0, 1, 2, 0xff])));
        assert!(stamp.since.abs_diff(Duration::from_micros(3100)) < Duration::from_millis(1), "{stamp:?}");
        assert_eq!(ended.since, Duration::from_micros(12_500));
    }

    #[test]
    fn moments_of_any_offset_are_the_same_one() {
        let utc = moment("2009-04-16T11:07:25.123Z").unwrap();
        assert_eq!(moment("2009-04-16T12:07:25.123+01:00").unwrap(), utc);
        assert_eq!(moment("2009-04-16T05:37:25.123-05:30").unwrap(), utc);
        assert!(moment("yesterday").is_err());
    }

    #[test]
    fn no_time_is_too_large() {
        for time in ["1e19", "1e300", "-5", "1e12"] {
            let har = text().replace("1767323045.0031", time).replace("12.5", time);
            let all = read(har.as_bytes()).unwrap();
            assert!(
                all.iter().all(|(stamp, _)| !humantime::format_rfc3339_micros(stamp.at).to_string().is_empty()),
                "{time}"
            );
        }
    }

    #[test]
    fn what_is_no_har_is_refused_with_a_reason() {
        assert!(matches!(read(&b"{\"log\":"[..]), Err(HarError::Json(_))));
        assert!(matches!(read(&b"{\"log\":{\"entries\":[{\"request\":{}}]}}"[..]), Err(HarError::Nothing)));
        assert!(matches!(
            read(&b"{\"log\":{\"entries\":[{\"_resourceType\":\"websocket\"}]}}"[..]),
            Err(HarError::Json(_))
        ));
    }
}
