//! The bytes that are on their way into one socket: whole frames, shared with all others that get them too.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use smol::io::AsyncWrite;

/// As many bytes are taken from a session at once where nobody says more; a message that is larger goes out whole.
const CAPACITY: usize = 64 * 1024;
/// Frames of one system call.
const SLICES: usize = 16;

/// Frames on their way into a socket.
#[derive(Debug)]
pub struct Outgoing {
    /// The only one, mostly: it needs no memory of its own.
    first: Option<Bytes>,
    /// Those behind it; none where there is no first.
    others: VecDeque<Bytes>,
    bytes: usize,
    capacity: usize,
    pub(super) written: u64,
    pub(super) writes: u64,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { first: None, others: VecDeque::new(), bytes: 0, capacity: CAPACITY, written: 0, writes: 0 }
    }
}

impl Outgoing {
    /// Whether no more should be given now.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.capacity
    }

    /// Takes so many bytes at once.
    #[cfg(test)]
    pub(crate) fn of_at_most(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Takes so many bytes at once from now on.
    pub(super) fn widen(&mut self, capacity: usize) {
        self.capacity = capacity.max(CAPACITY);
    }

    /// Whether everything is in the kernel's hands.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Puts a frame behind those that are there.
    pub fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        match self.first {
            None => self.first = Some(frame),
            Some(_) => self.others.push_back(frame),
        }
    }

    /// Writes until nothing is left or the socket takes no more.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        mut socket: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = ready!(self.poll_write(cx, socket.as_mut()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.writes += 1;
            self.written += written as u64;
            self.advance(written);
        }
        self.others = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    /// One system call; that for one frame is cheaper than that for several.
    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        socket: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<usize>> {
        if let (Some(only), true) = (&self.first, self.others.is_empty()) {
            return socket.poll_write(cx, only);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = SLICES.min(1 + self.others.len());
        for (slice, frame) in slices.iter_mut().zip(self.first.iter().chain(&self.others)) {
            *slice = IoSlice::new(frame);
        }
        socket.poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(frame) = &mut self.first {
            if written < frame.len() {
                let _ = frame.split_to(written);
                return;
            }
            written -= frame.len();
            self.first = self.others.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that takes three bytes at a time.
    #[derive(Default)]
    struct Narrow(Vec<u8>);

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn frames_leave_whole_and_in_order_through_the_narrowest_socket() {
        let mut out = Outgoing::default();
        for frame in ["hello", "", "w", "orld!"] {
            out.push(Bytes::from_static(frame.as_bytes()));
        }
        let mut socket = Narrow::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(out.poll_drain(&mut cx, Pin::new(&mut socket)).is_ready());
        assert_eq!(socket.0, b"helloworld!");
        assert!(out.is_empty());
        assert_eq!(out.bytes, 0);
    }
}
