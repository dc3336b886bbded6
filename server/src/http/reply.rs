//! Replies: built from a few kinds, written by async-h1 into memory, with the headers that every reply carries.

use bytes::Bytes;
use http_types::{Body, Method, Response, StatusCode};
use smol::io::AsyncReadExt;

/// A reply to a request.
#[derive(Debug)]
pub struct Reply {
    response: Box<Response>,
    body: Bytes,
}

impl Reply {
    /// A reply with a body of some media type.
    pub fn new(status: StatusCode, media_type: &str, body: &[u8]) -> Self {
        Self::shared(status, media_type, Bytes::copy_from_slice(body))
    }

    /// A reply whose body is not copied.
    pub fn shared(status: StatusCode, media_type: &str, body: Bytes) -> Self {
        let mut response = Response::new(status);
        // Only its length is for async-h1, which would copy it.
        response.set_body(Body::from_reader(smol::io::empty(), Some(body.len())));
        response.insert_header("content-type", media_type);
        response.insert_header("x-content-type-options", "nosniff");
        response.insert_header("referrer-policy", "no-referrer");
        response.insert_header("cross-origin-opener-policy", "same-origin");
        response.insert_header("cross-origin-resource-policy", "same-origin");
        response.insert_header("cache-control", "no-cache");
        Self { response: Box::new(response), body }
    }

    /// A line of plain text.
    pub fn text(status: StatusCode, line: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{line}\n").as_bytes())
    }

    /// Sends the client to another path. The path must be plain: it goes into a header as it is.
    pub fn redirect(path: &str) -> Self {
        Self::text(StatusCode::SeeOther, path).header("location", path)
    }

    /// Adds or replaces a header. The value must be plain ASCII.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.response.insert_header(name, value);
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The bytes of the reply's head, and its body, which is empty for HEAD.
    pub(super) async fn into_parts(mut self, method: Method, close: bool) -> (Vec<u8>, Bytes) {
        if self.response.status() == StatusCode::MethodNotAllowed && self.response.header("allow").is_none() {
            self.response.insert_header("allow", "GET, HEAD");
        }
        if close {
            self.response.insert_header("connection", "close");
        }
        let mut head = Vec::new();
        let mut encoder = async_h1::server::Encoder::new(*self.response, Method::Head);
        encoder.read_to_end(&mut head).await.expect("Bug: a reply in memory cannot fail to be read");
        let body = if method == Method::Head { Bytes::new() } else { self.body };
        (head, body)
    }
}
