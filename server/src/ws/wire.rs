//! The socket that tungstenite is given: reads are rationed, writes go to the connection's outgoing frames.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use smol::io::AsyncRead;

use super::lengths::Lengths;
use super::outgoing::Outgoing;
use crate::net::socket::Socket;

/// Reads of one turn. Without a ration, eight peers that flood empty frames were measured to hold up all others of
/// their worker for seconds, because such frames never leave tungstenite's loop.
const READS_PER_TURN: u32 = 2;
/// Bytes of one read. They lie in memory of the worker: what a connection keeps is only what it has not looked at in its turn.
const READ: usize = 16 * 1024;

thread_local! {
    /// The buffer into which each worker reads.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

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
    /// Bytes after the handshake, or beyond the last read, that were not looked at yet.
    rest: Bytes,
    lengths: Lengths,
    /// The next byte breaks the rule of [`Lengths`].
    is_breaking: bool,
    /// The peer has broken it, and tungstenite has been told; who reads on reads bytes, not frames.
    pub(super) is_broken: bool,
    /// A frame of tungstenite was not taken because `outgoing` was full: it must be asked again.
    pub(super) refused: bool,
    ration: u32,
    /// The connection's task: tungstenite is given no waker, so that this one is kept here for its reads.
    waker: Waker,
    /// The last read found nothing, or gave one whole message and nothing else: once tungstenite has handed that over, it has
    /// nothing left.
    has_nothing: bool,
    /// A frame that was not taken is still to be written.
    owes: bool,
}

impl Wire {
    pub(super) fn new(socket: Socket, rest: Vec<u8>) -> Self {
        Self {
            socket,
            rest: rest.into(),
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
            has_nothing: false,
            owes: false,
        }
    }

    /// A new turn of the connection's task: as many reads may follow as one turn has.
    pub(super) fn begin_turn(&mut self, waker: &Waker) {
        self.ration = READS_PER_TURN;
        self.waker.clone_from(waker);
    }

    /// Waits for the socket, where tungstenite holds nothing that it was given and has nothing to say: asking it would only
    /// find that out. Ready where it must be asked.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What came behind the handshake is no news to the socket, nor is that a message ends here.
        let must_be_asked = !self.has_nothing || self.owes || self.is_breaking || !self.rest.is_empty();
        if must_be_asked { Poll::Ready(()) } else { self.socket.poll_readable(cx) }
    }

    /// Reads what has come, within the ration.
    pub(super) fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.ration == 0 && self.rest.is_empty() {
            self.waker.wake_by_ref();
            return Poll::Pending;
        }
        if self.is_breaking {
            return Poll::Ready(Err(self.break_off()));
        }
        // Whoever asks has nothing left of what it was given.
        self.has_nothing = true;
        let read = ready!(self.poll_bytes(buffer))?;
        if self.is_broken {
            return Poll::Ready(Ok(read));
        }
        let (is_between, frames) = (self.lengths.is_between_frames(), self.lengths.frames);
        // What stands before the broken length still counts; it is read first, and the next read fails.
        let good = self.lengths.admit(&buffer[..read]);
        self.is_breaking = good < read;
        let is_one_frame = is_between && self.lengths.is_between_frames() && self.lengths.frames == frames + 1;
        self.has_nothing = is_one_frame && matches!(buffer[0], WHOLE_TEXT | WHOLE_BINARY);
        Poll::Ready(if good == 0 && read > 0 { Err(self.break_off()) } else { Ok(good) })
    }

    /// The next byte breaks the rule of [`Lengths`], and tungstenite is told.
    fn break_off(&mut self) -> io::Error {
        self.is_breaking = false;
        self.is_broken = true;
        io::ErrorKind::InvalidData.into()
    }

    /// Gives what is there already, or reads all that has come; what of that does not fit is there then.
    fn poll_bytes(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.rest.is_empty() {
            return SCRATCH.with_borrow_mut(|scratch| {
                let cx = &mut Context::from_waker(&self.waker);
                let read = ready!(Pin::new(&mut self.socket).poll_read(cx, scratch))?;
                self.ration -= 1;
                self.received += read as u64;
                let length = read.min(buffer.len());
                buffer[..length].copy_from_slice(&scratch[..length]);
                if length < read {
                    self.rest = Bytes::copy_from_slice(&scratch[length..read]);
                }
                Poll::Ready(Ok(length))
            });
        }
        let length = self.rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
        Poll::Ready(Ok(length))
    }

    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_drain(cx, Pin::new(&mut self.socket))
    }
}

/// Whatever is not there yet is [`io::ErrorKind::WouldBlock`]: the connection's task is woken when it is.
impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.poll_read(buffer) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Wire {
    /// Takes whole frames of tungstenite: pongs and closes. A peer that pings and never reads is left without pongs;
    /// tungstenite keeps a few and then only the latest. Whoever drains `outgoing` asks again, see `refused`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        if self.outgoing.is_full() && !self.takes_all {
            self.refused = true;
            self.owes = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.owes = false;
        self.outgoing.push(Bytes::copy_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
