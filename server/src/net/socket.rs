//! A connected socket, TCP or unix, that is watched by a worker's reactor.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mio::net::{TcpStream, UnixStream};
use smol::io::{AsyncRead, AsyncWrite};

use crate::net::reactor::{Reactor, Registration, Way};

/// The kernel's send buffer of one connection, in bytes (the kernel doubles it). Bounds what a slow reader holds:
/// 4 MB were measured at the kernel's own choice, 135 kB at this one.
const SEND_BUFFER: usize = 64 * 1024;

/// Slices of one call: fewer than any system's IOV_MAX.
const SLICES: usize = 1024;

/// A stream that was accepted and is not watched yet.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

macro_rules! with_stream {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self {
            Stream::Tcp($stream) => $do,
            Stream::Unix($stream) => $do,
        }
    };
}

impl Stream {
    /// From a TCP stream of the standard library.
    ///
    /// # Errors
    /// If the kernel refuses an option.
    pub fn tcp(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
        Ok(Self::Tcp(TcpStream::from_std(stream)))
    }

    /// From a unix stream of the standard library.
    ///
    /// # Errors
    /// If the kernel refuses an option.
    pub fn unix(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
        Ok(Self::Unix(UnixStream::from_std(stream)))
    }
}

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    registration: Registration,
    /// System calls on it, for tests of what a connection costs.
    #[cfg(test)]
    pub(crate) calls: Arc<std::sync::atomic::AtomicUsize>,
}

impl Socket {
    pub(crate) fn watched_by(reactor: &Arc<Reactor>, mut stream: Stream) -> io::Result<Self> {
        let registration = with_stream!(&mut stream, stream => reactor.watch(stream))?;
        Ok(Self {
            stream,
            registration,
            #[cfg(test)]
            calls: Arc::default(),
        })
    }

    fn count_call(&self) {
        #[cfg(test)]
        self.calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }

    /// The peer's IP address and port; `None` for a unix socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        match &self.stream {
            Stream::Tcp(stream) => stream.peer_addr().ok(),
            Stream::Unix(_) => None,
        }
    }

    /// Waits until a read is worth trying.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.registration.readiness.poll_readable(cx)
    }

    /// Tries a call whenever it is worth it. `call` says how many bytes it moved, of how many that it could: less means
    /// that the kernel has no more now, and will say so when it has (`epoll(7)`, question 9).
    fn poll_call(
        &mut self,
        way: Way,
        cx: &mut Context<'_>,
        mut call: impl FnMut(&mut Stream) -> io::Result<(usize, usize)>,
    ) -> Poll<io::Result<usize>> {
        let readiness = &self.registration.readiness;
        loop {
            let told = ready!(readiness.poll(way, cx));
            self.count_call();
            let result = call(&mut self.stream);
            match &result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => readiness.did(told, false),
                Ok((moved, of)) => readiness.did(told, moved < of),
            }
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
                return Poll::Ready(result.map(|(moved, _)| moved));
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        with_stream!(&mut self.stream, stream => self.registration.give_back(stream));
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let all = buffer.len();
        self.get_mut().poll_call(Way::In, cx, |stream| Ok((with_stream!(stream, stream => stream.read(buffer))?, all)))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let all = bytes.len();
        self.get_mut().poll_call(Way::Out, cx, |stream| Ok((with_stream!(stream, stream => stream.write(bytes))?, all)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // No call takes more of them (IOV_MAX); what it leaves does not mean that the kernel is full.
        let slices = &slices[..slices.len().min(SLICES)];
        let all = slices.iter().map(|slice| slice.len()).sum();
        self.get_mut()
            .poll_call(Way::Out, cx, |stream| Ok((with_stream!(stream, stream => stream.write_vectored(slices))?, all)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing more comes.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.count_call();
        Poll::Ready(with_stream!(&self.stream, stream => stream.shutdown(Shutdown::Write)))
    }
}
