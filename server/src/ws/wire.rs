//! What tungstenite takes for a socket: reads are rationed, writes go to the connection's outgoing frames.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use smol::io::{AsyncRead, AsyncWrite};

use super::lengths::Lengths;
use super::outgoing::Outgoing;
use crate::socket::Socket;

/// Reads of one turn. Without a ration, eight peers that flood empty frames were measured to hold up all others of
/// their worker for seconds, because such frames never leave tungstenite's loop.
const READS_PER_TURN: u32 = 16;

/// First bytes of a message in one frame (RFC 6455 section 5.2).
const WHOLE_TEXT: u8 = 0x81;
const WHOLE_BINARY: u8 = 0x82;

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) socket: Socket,
    pub(super) outgoing: Outgoing,
    pub(super) received: u64,
    /// Takes frames even when it is full: for the answer to the peer's close frame, which is the last one.
    pub(super) takes_all: bool,
    /// Our close frame is out: what comes behind it is thrown away.
    pub(super) closed: bool,
    /// What came behind the handshake and was not read yet.
    rest: Vec<u8>,
    lengths: Lengths,
    /// The next byte breaks the rule of [`Lengths`].
    is_breaking: bool,
    /// The peer has broken it, and tungstenite has been told; who reads on reads bytes, not frames.
    pub(super) is_broken: bool,
    /// A frame of tungstenite was not taken because `outgoing` was full: it must be asked again.
    pub(super) refused: bool,
    ration: u32,
    /// The connection's task. tungstenite has wakers of its own between it and us, which are not needed: there is no other.
    waker: Waker,
    /// The last read gave one whole message and nothing else: once tungstenite has handed it over, it has nothing left.
    gave_one_message: bool,
}

impl Wire {
    pub(super) fn new(socket: Socket, rest: Vec<u8>) -> Self {
        Self {
            socket,
            rest,
            lengths: Lengths::default(),
            is_breaking: false,
            is_broken: false,
            outgoing: Outgoing::default(),
            received: 0,
            takes_all: false,
            closed: false,
            refused: false,
            ration: 0,
            waker: Waker::noop().clone(),
            gave_one_message: false,
        }
    }

    /// A new turn of the connection's task: as many reads may follow as one turn has.
    pub(super) fn begin_turn(&mut self, waker: &Waker) {
        self.ration = READS_PER_TURN;
        self.waker.clone_from(waker);
    }

    /// Waits for the socket, where tungstenite holds nothing that it was given: asking it would only find that out. Ready
    /// where it must be asked.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What came behind the handshake is no news to the socket.
        if self.gave_one_message && self.rest.is_empty() { self.socket.poll_readable(cx) } else { Poll::Ready(()) }
    }

    /// The next byte breaks the rule of [`Lengths`], and tungstenite is told.
    fn break_off(&mut self) -> io::Error {
        self.is_breaking = false;
        self.is_broken = true;
        io::ErrorKind::InvalidData.into()
    }

    fn poll_bytes(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.rest.is_empty() {
            return Pin::new(&mut self.socket).poll_read(&mut Context::from_waker(&self.waker), buffer);
        }
        let length = self.rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.rest[..length]);
        self.rest.drain(..length);
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
        Poll::Ready(Ok(length))
    }

    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_drain(cx, Pin::new(&mut self.socket))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.ration == 0 {
            self.waker.wake_by_ref();
            return Poll::Pending;
        }
        if self.is_breaking {
            return Poll::Ready(Err(self.break_off()));
        }
        let read = ready!(self.poll_bytes(buffer))?;
        self.ration -= 1;
        self.received += read as u64;
        if self.is_broken {
            return Poll::Ready(Ok(read));
        }
        let (is_between, frames) = (self.lengths.is_between_frames(), self.lengths.frames);
        // What stands before the broken length still counts; it is read first, and the next read fails.
        let good = self.lengths.admit(&buffer[..read]);
        self.is_breaking = good < read;
        let is_one_frame = is_between && self.lengths.is_between_frames() && self.lengths.frames == frames + 1;
        self.gave_one_message = is_one_frame && !self.is_breaking && matches!(buffer[0], WHOLE_TEXT | WHOLE_BINARY);
        Poll::Ready(if good == 0 && read > 0 { Err(self.break_off()) } else { Ok(good) })
    }
}

impl AsyncWrite for Wire {
    /// Takes whole frames of tungstenite: pongs and closes. A peer that pings and never reads is left without pongs;
    /// tungstenite keeps a few and then only the latest. Whoever drains `outgoing` asks again, see `refused`.
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.closed {
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.outgoing.is_full() && !self.takes_all {
            self.refused = true;
            return Poll::Pending;
        }
        self.outgoing.push(Bytes::copy_from_slice(bytes));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
