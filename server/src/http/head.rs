//! The head of a request: read with a limit and a deadline, and checked by every rule before anyone acts on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_types::{Method, Request, StatusCode};
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Longest head, in bytes.
const LENGTH: usize = 8 * 1024;
/// Most headers of one request.
const HEADERS: usize = 64;
/// Most bytes read at once.
const READ: usize = 2 * 1024;
/// Maximum silence between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A head that is refused: one variant per rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Longer than 8 KiB, or more than 64 headers.
    #[error("the head is longer than 8 KiB or has more than 64 headers")]
    TooLarge,
    /// Not there in time.
    #[error("the head took too long")]
    Slow,
    /// Not HTTP (RFC 9112 section 2.2).
    #[error("this is not an HTTP request")]
    Malformed,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    #[error("only HTTP/1.1 and HTTP/1.0 are spoken here")]
    Version,
    /// A header value that is not ASCII.
    #[error("a header value is not ASCII")]
    NotAscii,
    /// No Host, two, or one that is none (RFC 9112 section 3.2).
    #[error("there must be exactly one valid Host")]
    Host,
    /// A target that is no plain path.
    #[error("the target is not a plain path")]
    Target,
    /// A method other than GET and HEAD.
    #[error("only GET and HEAD are served")]
    Method,
    /// Content-Length that is no number, or several, or with Transfer-Encoding (RFC 9112 section 6.3).
    #[error("the length of the body is ambiguous")]
    Framing,
    /// A request with a body.
    #[error("no request here has a body")]
    Body,
    /// Expect.
    #[error("nothing is promised to Expect")]
    Expect,
}

impl HeadError {
    /// The status that answers it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::RequestHeaderFieldsTooLarge,
            Self::Slow => StatusCode::RequestTimeout,
            Self::Version => StatusCode::HttpVersionNotSupported,
            Self::Method => StatusCode::MethodNotAllowed,
            Self::Body => StatusCode::PayloadTooLarge,
            Self::Expect => StatusCode::ExpectationFailed,
            Self::Malformed | Self::NotAscii | Self::Host | Self::Target | Self::Framing => StatusCode::BadRequest,
        }
    }
}

/// A checked request without a body.
#[derive(Debug)]
pub struct Head {
    /// The request as async-h1 reads it.
    pub request: Request,
    /// The path, without the query: plain segments, never `..` or `//`.
    pub path: String,
    /// The query of the target as it came, without its `?`; empty if there is none.
    pub query: String,
    /// The Host header; empty where a request in HTTP/1.0 has none.
    pub host: String,
    /// Whether it came in HTTP/1.0, as probes of load balancers do: it is answered and closed, and never upgraded.
    pub is_old: bool,
    /// The head as it came, without its empty line: the request line, and a line for each header. All of it is ASCII.
    pub text: Arc<str>,
    /// Whether the client wants the connection closed after the reply.
    pub close: bool,
}

impl Head {
    /// Whether the client says that it takes gzip; one that gives it a weight is sent files as they are.
    pub fn takes_gzip(&self) -> bool {
        let values = self.request.header("accept-encoding");
        values.is_some_and(|values| values.iter().any(|value| has_token(value.as_str(), "gzip")))
    }
}

/// Reads one head after the other from a connection; what comes behind a head stays in here.
#[derive(Debug)]
pub(super) struct HeadReader {
    buffer: Vec<u8>,
    /// Whether the last head asked for no body in the reply, also where it was refused.
    is_for_head: bool,
    /// Maximum time for a head from its first byte, and for a new connection to send one.
    deadline: Duration,
    /// The methods that are taken.
    methods: &'static [&'static str],
}

impl HeadReader {
    /// A reader of a new connection.
    pub(super) fn new(deadline: Duration) -> Self {
        Self { buffer: Vec::new(), is_for_head: false, deadline, methods: &["GET", "HEAD"] }
    }

    /// The same, but with other methods. No request has a body all the same.
    #[must_use]
    pub(super) fn taking(self, methods: &'static [&'static str]) -> Self {
        Self { methods, ..self }
    }

    /// The next head; `None` where the client has closed the connection or stays silent between requests.
    ///
    /// # Errors
    /// The rule that the head breaks; the connection must be closed after the reply.
    pub(super) async fn next(
        &mut self,
        socket: &mut (impl AsyncRead + Unpin),
        first: bool,
    ) -> io::Result<Option<Result<Head, HeadError>>> {
        if self.buffer.is_empty() {
            let patience = if first { self.deadline } else { KEEP_ALIVE };
            match self.read(socket).or(after(patience)).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Ok(first.then_some(Err(HeadError::Slow)));
                }
                Err(error) => return Err(error),
            }
        }
        let deadline = self.deadline;
        let length = match self.whole(socket).or(after(deadline)).await {
            Ok(Some(length)) => length,
            Ok(None) => return Ok(Some(Err(HeadError::TooLarge))),
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::TimedOut => Ok(Some(Err(HeadError::Slow))),
                    io::ErrorKind::UnexpectedEof => Ok(None),
                    _ => Err(error),
                };
            }
        };
        self.is_for_head = self.buffer.starts_with(b"HEAD ");
        let rest = self.buffer.split_off(length);
        let head = std::mem::replace(&mut self.buffer, rest);
        Ok(Some(match check(&head, self.methods) {
            Ok(checked) => parse(head, checked).await,
            Err(error) => Err(error),
        }))
    }

    /// The method that decides whether the reply to the last head has a body.
    pub(super) fn method(&self) -> Method {
        if self.is_for_head { Method::Head } else { Method::Get }
    }

    /// Returns the bytes after the last head.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.buffer
    }

    /// Reads until the empty line that ends the head; `None` where the head is too long.
    async fn whole(&mut self, socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<usize>> {
        loop {
            let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) if end + 4 <= LENGTH => return Ok(Some(end + 4)),
                Some(_) => return Ok(None),
                None if self.buffer.len() >= LENGTH => return Ok(None),
                None if is_hopeless(&self.buffer) => return Ok(Some(self.buffer.len())),
                None if self.read(socket).await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => {}
            }
        }
    }

    async fn read(&mut self, socket: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        let start = self.buffer.len();
        self.buffer.resize(start + READ, 0);
        let read = socket.read(&mut self.buffer[start..]).await;
        self.buffer.truncate(start + read.as_ref().copied().unwrap_or(0));
        read
    }
}

async fn after<T>(patience: Duration) -> io::Result<T> {
    smol::Timer::after(patience).await;
    Err(io::ErrorKind::TimedOut.into())
}

/// Whether no more bytes can make a request of this (a TLS hello, random bytes): then there is nothing to wait for.
fn is_hopeless(bytes: &[u8]) -> bool {
    if has_bare_line_feed(bytes) {
        return true;
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    match httparse::Request::new(&mut headers).parse(bytes) {
        Ok(_) => false,
        Err(httparse::Error::TooManyHeaders) => false,
        Err(_) => true,
    }
}

/// A line feed alone ends a line for some readers and not for others: behind it could stand a second request that only
/// some of them see (RFC 9112 section 2.2 lets a server be strict).
fn has_bare_line_feed(bytes: &[u8]) -> bool {
    let is_bare = |at: usize| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r');
    (0..bytes.len()).any(is_bare)
}

struct Checked {
    path: String,
    query: String,
    host: String,
    is_old: bool,
    close: bool,
}

fn check(head: &[u8], methods: &[&str]) -> Result<Checked, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    if has_bare_line_feed(head) {
        return Err(HeadError::Malformed);
    }
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Err(httparse::Error::Version) => return Err(HeadError::Version),
        Ok(_) | Err(_) => return Err(HeadError::Malformed),
    }
    let is_old = request.version == Some(0);
    if request.headers.iter().any(|header| !header.value.is_ascii()) {
        return Err(HeadError::NotAscii);
    }
    let all = |name: &'static str| values(request.headers, name);
    check_body(&all("content-length"), &all("transfer-encoding"))?;
    if !all("expect").is_empty() {
        return Err(HeadError::Expect);
    }
    if !request.method.is_some_and(|method| methods.contains(&method)) {
        return Err(HeadError::Method);
    }
    let host = match all("host")[..] {
        [] if is_old => String::new(),
        ref hosts => check_host(hosts)?,
    };
    let target = request.path.unwrap_or_default();
    let path = check_target(target, &host)?;
    let query = target.split_once('?').map_or("", |(_, query)| query).to_owned();
    let close = is_old || all("connection").iter().any(|value| has_token(value, "close"));
    Ok(Checked { path, query, host, is_old, close })
}

fn values<'a>(headers: &[httparse::Header<'a>], name: &str) -> Vec<&'a str> {
    let named = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| std::str::from_utf8(header.value).unwrap_or_default().trim()).collect()
}

/// Whether a comma-separated header value has a token, in any case of letters (RFC 9110 section 5.6.1).
pub(super) fn has_token(value: &str, token: &str) -> bool {
    value.split(',').any(|one| one.trim().eq_ignore_ascii_case(token))
}

/// No request here has a body; what could be read in two ways is refused before what is merely too much, so that
/// nothing behind this head is ever taken for a request (RFC 9112 section 11.2).
fn check_body(lengths: &[&str], encodings: &[&str]) -> Result<(), HeadError> {
    match (lengths, encodings) {
        ([], []) => Ok(()),
        ([], _) => Err(HeadError::Body),
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            if length.bytes().all(|byte| byte == b'0') { Ok(()) } else { Err(HeadError::Body) }
        }
        _ => Err(HeadError::Framing),
    }
}

fn check_host(hosts: &[&str]) -> Result<String, HeadError> {
    let [host] = hosts else { return Err(HeadError::Host) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if !host.is_empty() && host.len() <= 255 && host.bytes().all(plain) {
        Ok((*host).to_owned())
    } else {
        Err(HeadError::Host)
    }
}

/// The path of a target in origin form or absolute form (RFC 9112 section 3.2), without its query.
fn check_target(target: &str, host: &str) -> Result<String, HeadError> {
    let target = match target.split_once("://") {
        Some((scheme, absolute)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            let (authority, path) = absolute.split_at(absolute.find(['/', '?']).unwrap_or(absolute.len()));
            // Whoever is named twice must be the same: a proxy may have looked at the other one.
            if !authority.eq_ignore_ascii_case(host) {
                return Err(HeadError::Host);
            }
            if path.starts_with('/') { path } else { "/" }
        }
        _ => target,
    };
    let path = target.split('?').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
    let climbs = path.split('/').any(|segment| segment == "." || segment == "..");
    let escapes_a_separator = ["%2e", "%2f", "%5c", "%00"].iter().any(|one| path.to_ascii_lowercase().contains(one));
    if path.starts_with('/') && path.bytes().all(plain) && !climbs && !path.contains("//") && !escapes_a_separator {
        Ok(path.to_owned())
    } else {
        Err(HeadError::Target)
    }
}

async fn parse(head: Vec<u8>, checked: Checked) -> Result<Head, HeadError> {
    let text = std::str::from_utf8(&head).map_err(|_| HeadError::NotAscii)?.trim_end();
    // async-h1 is given the path that was checked, so that the two can never mean something else.
    let (line, headers) = text.split_once("\r\n").unwrap_or((text, ""));
    let method = line.split(' ').next().unwrap_or_default();
    // It also wants a Host, which HTTP/1.0 need not have and nobody reads there.
    let host = if checked.host.is_empty() { "Host: localhost\r\n" } else { "" };
    let plain = format!("{method} {} HTTP/1.1\r\n{host}{headers}\r\n\r\n", checked.path);
    let text = text.into();
    let memory = Memory { bytes: plain.into_bytes().into(), at: 0 };
    match async_h1::server::decode(memory).await {
        Ok(Some((request, _))) => {
            let Checked { path, query, host, is_old, close } = checked;
            Ok(Head { request, path, query, host, is_old, text, close })
        }
        _ => Err(HeadError::Malformed),
    }
}

/// A head in memory, in the shape that async-h1 wants a socket to have.
#[derive(Debug, Clone)]
struct Memory {
    bytes: std::sync::Arc<[u8]>,
    at: usize,
}

impl AsyncRead for Memory {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let rest = &self.bytes[self.at..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(head: &str, error: HeadError) {
        assert_eq!(check(head.as_bytes(), &["GET", "HEAD"]).err(), Some(error), "{head:?}");
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        let get = |headers: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        refuses("GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", HeadError::Host);
        refuses("GET http://h/ HTTP/1.0\r\n\r\n", HeadError::Host);
        refuses("GET / HTTP/2.0\r\nHost: h\r\n\r\n", HeadError::Version);
        refuses("nonsense\r\n\r\n", HeadError::Malformed);
        refuses("GET / HTTP/1.1\nHost: h\n\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", HeadError::Malformed);
        refuses("GET / HTTP/1.1\r\n\r\n", HeadError::Host);
        refuses(&get("Host: other\r\n"), HeadError::Host);
        refuses("GET / HTTP/1.1\r\nHost: x/admin?\r\n\r\n", HeadError::Host);
        refuses(&get("X-Name: café\r\n"), HeadError::NotAscii);
        refuses(&get("Content-Length: 5\r\n"), HeadError::Body);
        refuses(&get("Transfer-Encoding: gzip, chunked\r\n"), HeadError::Body);
        refuses(&get("Content-Length: +5\r\n"), HeadError::Framing);
        refuses(&get("Content-Length: 0\r\nContent-Length: 0\r\n"), HeadError::Framing);
        refuses(&get("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), HeadError::Framing);
        refuses(&get("Expect: 100-continue\r\n"), HeadError::Expect);
        refuses("BREW / HTTP/1.1\r\nHost: h\r\n\r\n", HeadError::Method);
        refuses(&get(&"A: b\r\n".repeat(HEADERS)), HeadError::TooLarge);
        refuses(&get(" folded: line\r\n"), HeadError::Malformed);
    }

    #[test]
    fn a_request_in_http_1_0_is_the_last_one_and_may_lack_a_host() {
        for (head, host) in [
            ("GET /healthz HTTP/1.0\r\n\r\n", ""),
            ("GET /healthz HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "h"),
        ] {
            let checked = check(head.as_bytes(), &["GET", "HEAD"]).unwrap();
            assert!(checked.is_old && checked.close && checked.host == host, "{head:?}");
            let head = smol::block_on(parse(head.as_bytes().to_vec(), checked)).unwrap();
            assert_eq!((head.path.as_str(), head.host.as_str()), ("/healthz", host));
        }
    }

    #[test]
    fn targets_are_plain_paths() {
        for (target, path) in
            [("/", "/"), ("/b/x?y=z", "/b/x"), ("http://h/b/x", "/b/x"), ("HTTP://H", "/"), ("http://h?x=/b", "/")]
        {
            assert_eq!(check_target(target, "h").as_deref(), Ok(path));
        }
        for target in ["", "*", "b", "/..", "/a/../b", "/%2e%2e/b", "/a%2Fb", "/a//b", "/\\", "/a%00", "/b c", "/é"] {
            assert_eq!(check_target(target, "h"), Err(HeadError::Target), "{target}");
        }
        for target in ["http:///b", "http://other/b", "https://h@other/"] {
            assert_eq!(check_target(target, "h"), Err(HeadError::Host), "{target}");
        }
    }
}
