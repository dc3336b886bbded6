//! The requests of one connection, one after the other: the one loop that every listener of HTTP uses.

use std::time::Duration;

use smol::io::{AsyncRead, AsyncWrite};

use super::head::{Head, HeadError, HeadReader};
use super::reply::Reply;
use super::send::{send_last, send_reply};

/// Reads the requests of a connection and sends their replies. `R` returns the reply to a head that is refused.
#[derive(Debug)]
pub struct Requests<R = fn(HeadError) -> Reply> {
    reader: HeadReader,
    is_first: bool,
    refusal: R,
}

impl Requests {
    /// The requests of a new connection, which has `deadline` for the first head.
    pub fn new(deadline: Duration) -> Self {
        let refusal = |error: HeadError| Reply::text(error.status(), &error.to_string());
        Self { reader: HeadReader::new(deadline), is_first: true, refusal }
    }

    /// Replaces the replies to heads that are refused, which are plain text.
    #[must_use]
    pub fn refusing<R: Fn(HeadError) -> Reply>(self, refusal: R) -> Requests<R> {
        let Self { reader, is_first, .. } = self;
        Requests { reader, is_first, refusal }
    }
}

impl<R: Fn(HeadError) -> Reply> Requests<R> {
    /// Replaces the accepted methods, which are GET and HEAD.
    #[must_use]
    pub fn taking(self, methods: &'static [&'static str]) -> Self {
        Self { reader: self.reader.taking(methods), ..self }
    }

    /// Returns the next request; `None` after the end of the connection. A head that is refused ends it.
    pub async fn next(&mut self, socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Head> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        match self.reader.next(socket, is_first).await {
            Ok(Some(Ok(head))) => Some(head),
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "request refused");
                self.end(socket, (self.refusal)(error)).await;
                None
            }
            Ok(None) | Err(_) => None,
        }
    }

    /// Sends the reply to a request; `None` if the connection ends with it.
    pub async fn reply(
        &self,
        socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
        head: &Head,
        reply: Reply,
    ) -> Option<()> {
        if head.close {
            self.end(socket, reply).await;
            return None;
        }
        send_reply(socket, reply, self.reader.method(), false).await
    }

    /// Sends the last reply, and closes.
    pub async fn end(&self, socket: &mut (impl AsyncRead + AsyncWrite + Unpin), reply: Reply) {
        send_last(socket, reply, self.reader.method()).await;
    }

    /// Returns the bytes after the last head: what the client has sent without waiting for the upgrade.
    pub fn into_rest(self) -> Vec<u8> {
        self.reader.into_rest()
    }
}
