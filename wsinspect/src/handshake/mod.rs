//! The handshake (RFC 6455 section 4): heads as they were sent, and what the two sides agreed on.

pub mod doctor;
pub mod target;

use std::fmt::Write as _;

use crate::frame::Sender;
use crate::frame::deflate::LARGEST_WINDOW;

/// The answer to a key (section 4.2.2, step 5.4).
pub use async_tungstenite::tungstenite::handshake::derive_accept_key;

/// Longest head that is read, in bytes.
pub const LONGEST_HEAD: usize = 64 * 1024;
/// Most headers of one.
const HEADERS: usize = 128;

/// A head: a request's or a response's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The first line, without its end.
    pub line: String,
    /// Names and values in their order; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
}

/// Why bytes are not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It is not what RFC 9112 says.
    #[error("this is not HTTP: {0}")]
    Http(#[from] httparse::Error),
    /// It has no end within [`LONGEST_HEAD`].
    #[error("the head is longer than {LONGEST_HEAD} bytes")]
    TooLong,
}

impl Head {
    /// Reads a request's head; gives its length too. `None` where it goes on behind the bytes' end.
    ///
    /// # Errors
    /// If the bytes are no such head.
    pub fn request(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(bytes)?;
        Self::parsed(bytes, status, request.headers)
    }

    /// Reads a response's head, likewise.
    ///
    /// # Errors
    /// If the bytes are no such head.
    pub fn response(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let status = response.parse(bytes)?;
        Self::parsed(bytes, status, response.headers)
    }

    fn parsed(
        bytes: &[u8],
        status: httparse::Status<usize>,
        headers: &[httparse::Header<'_>],
    ) -> Result<Option<(Self, usize)>, HeadError> {
        let httparse::Status::Complete(length) = status else {
            return if bytes.len() > LONGEST_HEAD { Err(HeadError::TooLong) } else { Ok(None) };
        };
        let line = bytes.split(|byte| *byte == b'\n').find(|line| !matches!(line, [] | [b'\r'])).unwrap_or_default();
        let pair = |header: &httparse::Header<'_>| {
            (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
        };
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        Ok(Some((Self { line, headers: headers.iter().map(pair).collect() }, length)))
    }

    /// The first value of a header.
    pub fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Every value of a header that may come more than once.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the elements between commas in all values of a header.
    pub fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
    }

    /// The status of a response; 0 where it has none.
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("")
    }

    /// The bytes of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        (text + "\r\n").into_bytes()
    }
}

/// permessage-deflate as it was agreed on (RFC 7692 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// The client's messages refer to those before them.
    pub client_keeps_context: bool,
    /// The server's do.
    pub server_keeps_context: bool,
    /// The window of the client, as an exponent of 2.
    pub client_window: u8,
    /// The server's.
    pub server_window: u8,
}

impl Deflate {
    /// Whether a side's messages refer to those before them, and its window.
    pub fn of(self, sender: Sender) -> (bool, u8) {
        match sender {
            Sender::Client => (self.client_keeps_context, self.client_window),
            Sender::Server => (self.server_keeps_context, self.server_window),
        }
    }
}

/// The outcome of a handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The sub-protocol.
    pub subprotocol: Option<String>,
    /// Compression.
    pub deflate: Option<Deflate>,
}

/// Why a response does not open a WebSocket (RFC 6455 section 4.1): the client must fail the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another status than 101.
    #[error("the server answers {0}")]
    Status(String),
    /// No `Upgrade: websocket`.
    #[error("the response has no Upgrade: websocket")]
    Upgrade,
    /// No `Connection: Upgrade`.
    #[error("the response has no Connection: Upgrade")]
    Connection,
    /// Not the answer to the key that was sent.
    #[error("Sec-WebSocket-Accept is {got:?}, for this key it is {expected:?}")]
    Accept {
        /// The value in the response.
        got: String,
        /// The right value.
        expected: String,
    },
    /// A sub-protocol that was not offered.
    #[error("the server chose the sub-protocol {0:?}, which was not offered")]
    Subprotocol(String),
    /// An extension that was not offered.
    #[error("the server chose the extension {0:?}, which was not offered")]
    Extension(String),
}

/// Looks at a response with its request. What was agreed on is given also where a rule is broken: both sides may go on
/// regardless.
pub fn check(request: &Head, response: &Head) -> (Agreed, Option<Refusal>) {
    let has = |name, token: &str| response.tokens(name).any(|other| other.eq_ignore_ascii_case(token));
    let subprotocol = response.get("Sec-WebSocket-Protocol").map(str::to_owned);
    let agreed = Agreed { deflate: deflate(response), subprotocol: subprotocol.clone() };
    let offered = |chosen: &str| request.tokens("Sec-WebSocket-Protocol").any(|offer| offer == chosen);
    let name = |extension: &str| extension.split(';').next().unwrap_or("").trim().to_owned();
    let extends = |chosen: &&str| !request.tokens("Sec-WebSocket-Extensions").any(|offer| name(offer) == name(chosen));
    let expected = derive_accept_key(request.get("Sec-WebSocket-Key").unwrap_or("").as_bytes());
    let got = response.get("Sec-WebSocket-Accept").unwrap_or("");
    let refusal = if response.status() != 101 {
        let status = response.line.split_once(' ').map_or(response.line.as_str(), |(_, status)| status);
        let location = response.get("Location").map(|location| format!(", and refers to {location}"));
        Some(Refusal::Status(status.to_owned() + &location.unwrap_or_default()))
    } else if !has("Upgrade", "websocket") {
        Some(Refusal::Upgrade)
    } else if !has("Connection", "upgrade") {
        Some(Refusal::Connection)
    } else if got != expected {
        Some(Refusal::Accept { got: got.to_owned(), expected })
    } else if let Some(chosen) = subprotocol.filter(|chosen| !offered(chosen)) {
        Some(Refusal::Subprotocol(chosen))
    } else {
        response.tokens("Sec-WebSocket-Extensions").find(extends).map(|chosen| Refusal::Extension(chosen.to_owned()))
    };
    (agreed, refusal)
}

fn deflate(response: &Head) -> Option<Deflate> {
    let mut extensions =
        response.tokens("Sec-WebSocket-Extensions").map(|extension| extension.split(';').map(str::trim));
    let parameters: Vec<&str> =
        extensions.find_map(|mut parts| (parts.next() == Some("permessage-deflate")).then_some(parts))?.collect();
    let keeps = |side: &str| !parameters.iter().any(|parameter| *parameter == format!("{side}_no_context_takeover"));
    // Section 7.1.2: a value of 8 to 15, which may stand in quotation marks.
    let window = |side: &str| {
        let name = format!("{side}_max_window_bits");
        let mut values = parameters.iter().filter_map(|parameter| parameter.split_once('='));
        let value = values.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().trim_matches('"'));
        value.and_then(|value| value.parse().ok()).filter(|bits| (8..=LARGEST_WINDOW).contains(bits))
    };
    Some(Deflate {
        client_keeps_context: keeps("client"),
        server_keeps_context: keeps("server"),
        client_window: window("client").unwrap_or(LARGEST_WINDOW),
        server_window: window("server").unwrap_or(LARGEST_WINDOW),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3.
    fn request(more: &str) -> Head {
        let text = format!(
            "GET /chat HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
        );
        Head::request(text.as_bytes()).unwrap().unwrap().0
    }

    fn response(changed: &[(&str, &str)]) -> Head {
        let mut text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            .to_owned();
        changed.iter().for_each(|(from, to)| text = text.replacen(from, to, 1));
        Head::response(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn a_head_is_read_and_written_as_it_was() {
        let bytes = b"HTTP/1.1 101 Switching Protocols\r\nX-One: a\r\nx-one: b, c\r\n\r\n\x81\x00";
        let (head, length) = Head::response(bytes).unwrap().unwrap();
        assert_eq!((length, head.status()), (bytes.len() - 2, 101));
        assert_eq!(head.tokens("X-ONE").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(head.to_bytes(), bytes[..length]);
        assert_eq!(Head::response(&bytes[..length - 1]), Ok(None));
        assert_eq!(request("").target(), "/chat");
    }

    #[test]
    fn what_is_no_head_is_refused_and_none_is_endless() {
        assert!(matches!(Head::response(b"SSH-2.0-OpenSSH\r\n"), Err(HeadError::Http(_))));
        let endless = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; LONGEST_HEAD]].concat();
        assert_eq!(Head::request(&endless), Err(HeadError::TooLong));
    }

    #[test]
    fn the_example_of_the_rfc_is_agreed_on() {
        assert_eq!(check(&request(""), &response(&[])), (Agreed::default(), None));
    }

    #[test]
    fn every_rule_of_the_response_is_looked_at() {
        let refused =
            |changed: &[(&str, &str)]| check(&request(""), &response(changed)).1.map(|refusal| refusal.to_string());
        for (changed, says) in [
            (("101 Switching Protocols", "403 Forbidden"), "the server answers 403 Forbidden"),
            (("Upgrade: websocket", "Upgrade: h2c"), "the response has no Upgrade: websocket"),
            (("Connection: Upgrade", "Connection: close"), "the response has no Connection: Upgrade"),
            (
                ("s3pP", "s3pQ"),
                "Sec-WebSocket-Accept is \"s3pQLMBiTxaQ9kYGzzhZRbK+xOo=\", for this key it is \"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\"",
            ),
            (
                ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"),
                "the server chose the sub-protocol \"chat\", which was not offered",
            ),
            (
                ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
                "the server chose the extension \"permessage-deflate\", which was not offered",
            ),
        ] {
            assert_eq!(refused(&[changed]).as_deref(), Some(says));
        }
    }

    #[test]
    fn compression_is_agreed_on_with_the_context_of_each_side() {
        let offer = request(
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: v2, v1\r\n",
        );
        let chosen = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_max_window_bits=10\r\nSec-WebSocket-Protocol: v1\r\n\r\n";
        let (agreed, refusal) = check(&offer, &response(&[("\r\n\r\n", chosen)]));
        assert_eq!(refusal, None);
        let deflate = agreed.deflate.unwrap();
        assert_eq!((deflate.of(Sender::Client), deflate.of(Sender::Server)), ((false, 15), (true, 10)));
        assert_eq!(agreed.subprotocol.as_deref(), Some("v1"));
    }
}
