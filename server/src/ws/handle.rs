//! The handle of a connection: what a service writes to it with, from any thread, also long after it has closed.

use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

use super::hub::Hub;
use super::service::Service;
use super::{Close, Message, Outgoing};
use crate::net::wakeup::Wakeup;
use inkwire_frame::{Opcode, fragment, frame};
use parking_lot::{Mutex, MutexGuard};

/// Bytes of one fragment of a streamed message.
const FRAGMENT: usize = 16 * 1024;

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The connection is closed, or closing.
    #[error("the connection is gone")]
    Gone,
    /// As many bytes wait for this connection as may; it does not read as fast as it is written to.
    #[error("too much waits for this connection already")]
    Full,
}

/// A connection of a service. Cheap to clone, and to keep after the connection has closed.
pub struct Handle<S: Service> {
    shared: Arc<Shared<S>>,
}

pub(super) struct Shared<S: Service> {
    id: u64,
    peer: Option<SocketAddr>,
    protocol: Option<&'static str>,
    request: Arc<str>,
    pub(super) hub: Hub<S>,
    wakeup: Arc<Wakeup>,
    data: Mutex<S::Data>,
    max_outgoing: usize,
    outbox: Mutex<Outbox>,
    /// Bytes that wait in the outbox; a stream counts as one fragment. Changed under the outbox's lock, read without it:
    /// the connection looks at it several times in a turn.
    waiting: AtomicUsize,
    /// A close was asked for; likewise.
    is_closing: AtomicBool,
}

/// The outbox of a connection.
#[derive(Default)]
struct Outbox {
    items: VecDeque<Item>,
    close: Option<Close>,
    is_ending: bool,
    is_gone: bool,
}

enum Item {
    Frame(Bytes),
    Stream(Stream),
}

/// A message that is read while it goes out.
struct Stream {
    opcode: Opcode,
    reader: Box<dyn Read + Send>,
    /// Its first fragment has gone out.
    is_begun: bool,
    /// Of a text: the beginning of a letter that the last fragment has cut.
    cut: Vec<u8>,
}

impl Stream {
    /// The next fragment, and whether it is the last one; `None` where it cannot be read or is not the text it should be.
    fn next(&mut self) -> Option<(Bytes, bool)> {
        let mut chunk = Vec::with_capacity(FRAGMENT);
        self.reader.by_ref().take(FRAGMENT as u64).read_to_end(&mut chunk).ok()?;
        let is_last = chunk.len() < FRAGMENT;
        if self.opcode == Opcode::Text {
            self.check_text(&chunk, is_last)?;
        }
        let first = (!std::mem::replace(&mut self.is_begun, true)).then_some(self.opcode);
        Some((fragment(first, is_last, &chunk), is_last))
    }

    /// Text is UTF-8 as a whole (RFC 6455 section 8.1); a fragment may cut a letter (section 5.6).
    fn check_text(&mut self, chunk: &[u8], is_last: bool) -> Option<()> {
        self.cut.extend_from_slice(chunk);
        let good = match std::str::from_utf8(&self.cut) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() && !is_last => error.valid_up_to(),
            Err(_) => return None,
        };
        self.cut.drain(..good);
        Some(())
    }
}

impl<S: Service> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S: Service> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.shared.id).field("peer", &self.shared.peer).finish_non_exhaustive()
    }
}

impl<S: Service> PartialEq for Handle<S> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<S: Service> Handle<S> {
    pub(super) fn new(
        hub: Hub<S>,
        id: u64,
        wakeup: Arc<Wakeup>,
        (peer, protocol, request): (Option<SocketAddr>, Option<&'static str>, Arc<str>),
        max_outgoing: usize,
    ) -> Self {
        let (data, outbox, waiting, is_closing) = Default::default();
        let shared =
            Shared { id, peer, protocol, request, hub, wakeup, data, max_outgoing, outbox, waiting, is_closing };
        Self { shared: Arc::new(shared) }
    }

    /// The connection's number: unique for the life of the process, never given out again.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// The peer's IP address and port; `None` over a unix socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.shared.peer
    }

    /// The sub-protocol that was agreed on (RFC 6455 section 1.9).
    pub fn protocol(&self) -> Option<&'static str> {
        self.shared.protocol
    }

    /// The target of the request that was upgraded: path and query (RFC 9112 section 3.2).
    pub fn target(&self) -> &str {
        self.shared.request.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header of that request; the first one where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.shared.request.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    /// All connections of this one's service, and its channels.
    pub fn hub(&self) -> &Hub<S> {
        &self.shared.hub
    }

    /// Gives `act` the data of the service for this connection. Held no longer than `act` runs; a handler that panicked in it leaves
    /// it as it was then.
    pub fn with_data<T>(&self, act: impl FnOnce(&mut S::Data) -> T) -> T {
        act(&mut self.shared.data.lock())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the connection is gone, or as much waits for it as may ([`super::Settings::max_outgoing`]).
    pub fn write(&self, message: Message<'_>) -> Result<(), WriteError> {
        self.write_frame(match message {
            Message::Text(text) => frame(Opcode::Text, text.as_bytes()),
            Message::Binary(bytes) => frame(Opcode::Binary, bytes),
        })
    }

    /// Sends a whole frame that may be shared with other connections.
    pub(super) fn write_frame(&self, frame: Bytes) -> Result<(), WriteError> {
        let mut outbox = self.outbox();
        self.shared.admit(&outbox, frame.len())?;
        outbox.items.push_back(Item::Frame(frame));
        drop(outbox);
        self.shared.wakeup.wake();
        Ok(())
    }

    /// Sends a message that is read while it goes out, in fragments of 16 KiB (RFC 6455 section 5.4): a large one takes
    /// no more memory than that. Pings and pongs go between its fragments, later messages behind it. An error of the
    /// reader closes the connection with 1011, because half a message cannot be taken back; so does text that is not
    /// UTF-8. The reader must not block. A stream that waits counts as one fragment.
    ///
    /// # Errors
    /// As for [`Handle::write`].
    pub fn stream(&self, opcode: Opcode, reader: impl Read + Send + 'static) -> Result<(), WriteError> {
        let mut outbox = self.outbox();
        self.shared.admit(&outbox, FRAGMENT)?;
        outbox.items.push_back(Item::Stream(Stream {
            opcode,
            reader: Box::new(reader),
            is_begun: false,
            cut: Vec::new(),
        }));
        drop(outbox);
        self.shared.wakeup.wake();
        Ok(())
    }

    /// Closes the connection (RFC 6455 section 7.1.2); what was written before still goes out first. The first close
    /// counts. A code that must not be sent (section 7.4.1) becomes 1011.
    pub fn close(&self, code: u16, reason: &str) {
        let code = if Close::may_be_sent(code) { code } else { Close::INTERNAL };
        let mut outbox = self.outbox();
        outbox.close.get_or_insert_with(|| Close::new(code, reason));
        self.shared.is_closing.store(true, Ordering::Release);
        drop(outbox);
        self.shared.wakeup.wake();
    }

    /// Whether the connection is closed, or closing.
    pub fn is_gone(&self) -> bool {
        let outbox = self.outbox();
        outbox.is_gone || outbox.close.is_some() || outbox.is_ending
    }

    /// The connection will be closed, by the peer or for what it did: nothing more is taken, what waits still goes out.
    pub(super) fn begin_ending(&self) {
        self.outbox().is_ending = true;
    }

    /// Whether half of what may wait for it does.
    pub(super) fn is_half_full(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) > self.shared.max_outgoing / 2
    }

    /// The close that is asked for, once everything before it has been pulled.
    pub(super) fn due_close(&self) -> Option<Close> {
        if !self.shared.is_closing.load(Ordering::Acquire) {
            return None;
        }
        let outbox = self.outbox();
        outbox.close.clone().filter(|_| outbox.items.is_empty() && !outbox.is_gone)
    }

    /// The connection has ended: nothing more is taken, and what waited is let go.
    pub(super) fn end(&self) {
        let mut outbox = self.outbox();
        *outbox = Outbox { is_gone: true, ..Outbox::default() };
        self.shared.waiting.store(0, Ordering::Relaxed);
    }

    /// Gives what waits, as far as there is room; says whether there was anything.
    pub(super) fn pull(&self, out: &mut Outgoing) -> bool {
        let mut gave = false;
        if self.shared.waiting.load(Ordering::Acquire) == 0 && !self.shared.is_closing.load(Ordering::Acquire) {
            return gave;
        }
        let mut outbox = self.outbox();
        while !out.is_full()
            && let Some(item) = outbox.items.pop_front()
        {
            let frame = match item {
                Item::Frame(frame) => {
                    self.shared.release(frame.len());
                    frame
                }
                Item::Stream(stream) => {
                    // Read without the lock: who writes meanwhile does not wait for it.
                    drop(outbox);
                    let frame = self.next_fragment(stream);
                    outbox = self.outbox();
                    match frame {
                        Some(frame) => frame,
                        None => break,
                    }
                }
            };
            gave = true;
            out.push(frame);
        }
        if outbox.items.is_empty() && outbox.close.is_some() {
            self.shared.wakeup.wake();
        }
        gave
    }

    fn next_fragment(&self, mut stream: Stream) -> Option<Bytes> {
        let next = stream.next();
        let mut outbox = self.outbox();
        match &next {
            Some((_, false)) => outbox.items.push_front(Item::Stream(stream)),
            Some((_, true)) => self.shared.release(FRAGMENT),
            None => {
                outbox.items.clear();
                outbox.close = Some(Close::new(Close::INTERNAL, "a message could not be read to its end"));
                self.shared.waiting.store(0, Ordering::Relaxed);
                self.shared.is_closing.store(true, Ordering::Release);
            }
        }
        next.map(|(frame, _)| frame)
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.shared.outbox.lock()
    }
}

impl<S: Service> Shared<S> {
    /// Counts so many more bytes as waiting in this outbox, if they may.
    fn admit(&self, outbox: &Outbox, bytes: usize) -> Result<(), WriteError> {
        if outbox.is_gone || outbox.is_ending || outbox.close.is_some() {
            return Err(WriteError::Gone);
        }
        // A single message above the bound still goes, when nothing else waits.
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting + bytes > self.max_outgoing {
            return Err(WriteError::Full);
        }
        self.waiting.store(waiting + bytes, Ordering::Release);
        Ok(())
    }

    /// So many bytes wait no more. Only under the outbox's lock, which makes load and store one.
    fn release(&self, bytes: usize) {
        self.waiting.store(self.waiting.load(Ordering::Relaxed) - bytes, Ordering::Relaxed);
    }
}
