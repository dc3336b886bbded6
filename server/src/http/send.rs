//! Sends replies on a socket, with patience and without cutting the last one off.

use std::time::Duration;

use http_types::Method;
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reply::Reply;

/// Maximum time of a client to read a part of a reply.
const PATIENCE: Duration = Duration::from_secs(10);
/// The length of such a part, in bytes: whoever takes less than that in time is not reading.
const PART: usize = 64 * 1024;
/// Time and bytes that a refused client may still send: closing with unread bytes would reset the connection, and
/// the reset can overtake the reply.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// Writes bytes; `None` where the client takes them too slowly or is gone.
pub async fn send(socket: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Option<()> {
    for part in bytes.chunks(PART) {
        let patience = async {
            smol::Timer::after(PATIENCE).await;
            Err(std::io::ErrorKind::TimedOut.into())
        };
        socket.write_all(part).or(patience).await.ok()?;
    }
    Some(())
}

/// A body up to this length is copied behind its head: one system call costs more.
const COPIED: usize = 16 * 1024;

/// Sends a reply; `None` as for [`send`]. A long body is written from the buffer that its readers share.
pub async fn send_reply(
    socket: &mut (impl AsyncWrite + Unpin),
    reply: Reply,
    method: Method,
    close: bool,
) -> Option<()> {
    let (mut head, body) = reply.into_parts(method, close).await;
    if body.len() <= COPIED {
        head.extend_from_slice(&body);
        return send(socket, &head).await;
    }
    send(socket, &head).await?;
    send(socket, &body).await
}

/// Sends a last reply and closes.
pub(super) async fn send_last(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), reply: Reply, method: Method) {
    if send_reply(socket, reply, method, true).await.is_none() || socket.close().await.is_err() {
        return;
    }
    let drain = async {
        let mut scrap = [0; 4096];
        let mut left = LINGER_BYTES;
        while let Ok(read) = socket.read(&mut scrap).await {
            if read == 0 || read >= left {
                return;
            }
            left -= read;
        }
    };
    drain.or(async { _ = smol::Timer::after(LINGER).await }).await;
}
