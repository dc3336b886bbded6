//! Replies: built from a few kinds, written by async-h1 into memory, with the headers that every reply carries.

use http_types::{Method, Response, StatusCode};
use smol::io::AsyncReadExt;

/// A reply to a request.
#[derive(Debug)]
pub struct Reply {
    response: Box<Response>,
}

impl Reply {
    /// A reply with a body of some media type.
    pub fn new(status: StatusCode, media_type: &str, body: &[u8]) -> Self {
        let mut response = Response::new(status);
        response.set_body(body);
        response.insert_header("content-type", media_type);
        response.insert_header("x-content-type-options", "nosniff");
        response.insert_header("referrer-policy", "no-referrer");
        response.insert_header("cross-origin-opener-policy", "same-origin");
        response.insert_header("cross-origin-resource-policy", "same-origin");
        response.insert_header("cache-control", "no-cache");
        Self { response: Box::new(response) }
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

    /// The bytes of the reply; without its body for HEAD.
    pub async fn into_bytes(mut self, method: Method, close: bool) -> Vec<u8> {
        if self.response.status() == StatusCode::MethodNotAllowed && self.response.header("allow").is_none() {
            self.response.insert_header("allow", "GET, HEAD");
        }
        if close {
            self.response.insert_header("connection", "close");
        }
        let mut bytes = Vec::new();
        let mut encoder = async_h1::server::Encoder::new(*self.response, method);
        encoder.read_to_end(&mut bytes).await.expect("Bug: a reply in memory cannot fail to be read");
        bytes
    }
}
