//! One connection from handshake to end: a single task that reads, lets the session act, and writes what it pulls.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use async_tungstenite::tungstenite::{self, Error, error::ProtocolError};
use bytes::Bytes;
use smol::io::AsyncWrite;

use super::registry::Entry;
use super::wire::Wire;
use super::{Close, Message, Session, Settings};
use crate::metrics::Metrics;
use crate::net::socket::Socket;
use crate::net::timers::Timer;
use crate::net::wakeup::Wakeup;
use inkwire_frame::close_frame;

/// Bytes that tungstenite is given at once, and keeps room for in every connection: a message of a member that draws. Its default
/// is 128 KiB. What is read of the socket at once is another matter, see `wire`.
const READ_BUFFER: usize = 256;
/// Pongs that tungstenite keeps for a peer that does not read, in bytes; beyond them it keeps the latest.
const PONGS: usize = 512;
/// Times that a session is asked for more in one turn: a fast reader of much leaves the worker to others in between.
const PULLS_PER_TURN: usize = 8;
/// Maximum time of the peer to answer a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// Time and bytes that the peer may still send after the end. Closing with unread bytes would reset the
/// connection, and the reset can overtake the close code.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;
/// A ping without a payload (RFC 6455 section 5.5.2).
const PING: Bytes = Bytes::from_static(&[0x89, 0]);
/// Longest close reason (RFC 6455 section 5.5: a control frame has at most 125 bytes).
const REASON: usize = 123;

/// Serves an upgraded socket until it is over.
///
/// `rest` is what came behind the handshake, `entry` its own among the connections that are closed together; `open` makes the
/// session.
pub async fn serve<S: Session>(
    socket: Socket,
    rest: Vec<u8>,
    settings: &Settings,
    entry: Entry<'_>,
    metrics: &Metrics,
    open: impl FnOnce(Arc<Wakeup>, u64) -> S,
) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(PONGS)
        .max_message_size(Some(settings.max_message))
        .max_frame_size(Some(settings.max_message));
    let wire = Wire::new(socket, rest);
    let frames = WebSocketContext::new(Role::Server, Some(config));
    let session = open(entry.wakeup.clone(), entry.id);
    let now = Instant::now();
    let mut connection = Connection {
        frames,
        wire,
        session,
        settings,
        entry,
        metrics,
        phase: Phase::Open,
        is_opened: false,
        is_deaf: false,
        ending: None,
        close: None,
        now,
        last_heard: now,
        last_written: now,
        is_blocked: false,
        pinged: false,
        timer: Timer::default(),
    };
    // `Connection` is polled in place, so its size is the task's size and nothing is allocated for it again.
    std::future::poll_fn(|cx| connection.poll_guarded(cx)).await;
    let close = connection.close.take().unwrap_or_else(|| Close::new(Close::ABNORMAL, ""));
    // The panic hook has logged and counted it.
    _ = catch_unwind(AssertUnwindSafe(|| connection.session.on_close(&close)));
}

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Messages go both ways.
    Open,
    /// Our close frame is out; the peer's is awaited.
    Closing { until: Instant },
    /// Nothing more is to be said, and the rest of what the peer sends is thrown away: as long as the peer takes what is
    /// still on its way to it, and until a moment from then on.
    Lingering { until: Option<Instant>, left: usize },
}

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Nothing more has come; the socket wakes the task.
    Blocked,
    /// The session takes no more before it has been pulled from.
    Saturated,
    /// The phase has changed.
    Over,
}

struct Connection<'a, S> {
    /// Reads frames; it knows no socket.
    frames: WebSocketContext,
    wire: Wire,
    session: S,
    settings: &'a Settings,
    entry: Entry<'a>,
    metrics: &'a Metrics,
    phase: Phase,
    is_opened: bool,
    /// The peer has broken a rule, or the session is through with it: nothing more of it is handed over.
    is_deaf: bool,
    /// With what the connection is to end as soon as everything is out that the session has given.
    ending: Option<Close>,
    /// With what the connection ends; the first cause counts.
    close: Option<Close>,
    /// When this turn began; the clock is read once in each, but for how long the peer may take to end: a long turn is not its.
    now: Instant,
    last_heard: Instant,
    /// When the peer last took something, or nothing was on its way to it.
    last_written: Instant,
    /// The socket took no more when it was last written to.
    is_blocked: bool,
    pinged: bool,
    timer: Timer,
}

impl<S: Session> Connection<'_, S> {
    /// A turn; a panic in it ends this connection and no other.
    fn poll_guarded(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        catch_unwind(AssertUnwindSafe(|| self.poll_turn(cx))).unwrap_or_else(|_| {
            if self.phase != Phase::Open {
                return Poll::Ready(());
            }
            // The session is not asked any more: only the close frame still goes out.
            self.say_close(Close::new(Close::INTERNAL, ""));
            self.linger();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is written to this connection by its own handlers needs no other turn: it is pulled in this one.
        self.entry.wakeup.disarm();
        self.now = Instant::now();
        if !std::mem::replace(&mut self.is_opened, true) {
            self.session.on_open();
        }
        self.wire.begin_turn(cx.waker());
        let before = self.counts();
        let alive = self.poll_phase(cx);
        self.count(before);
        if self.counts().0 > before.0 {
            // Also half a message is a sign of life.
            self.last_heard = self.now;
            self.pinged = false;
        }
        if alive.is_ready() {
            return Poll::Ready(());
        }
        self.poll_timer(cx)
    }

    fn poll_phase(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let phase = self.phase;
            match phase {
                Phase::Open | Phase::Closing { .. } => {
                    let reading = self.poll_read(cx);
                    if self.check(cx).is_ready() || self.poll_write(cx).is_err() {
                        return Poll::Ready(());
                    }
                    if self.phase == phase && !self.may_read_on(reading) {
                        return Poll::Pending;
                    }
                }
                Phase::Lingering { .. } => {
                    return if self.check(cx).is_ready() { Poll::Ready(()) } else { self.poll_linger(cx) };
                }
            }
        }
    }

    /// Whether reading stopped for a reason that writing has taken away since: no waker will say so.
    fn may_read_on(&mut self, reading: Reading) -> bool {
        if self.is_deaf {
            return false;
        }
        let wire = &mut self.wire;
        let may_pong = wire.refused && !wire.outgoing.is_full();
        wire.refused &= !may_pong;
        may_pong || (reading == Reading::Saturated && !self.session.is_saturated())
    }

    /// Reads and hands over until nothing more has come, or the connection is no longer open for messages.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Reading {
        if self.is_deaf {
            return Reading::Blocked;
        }
        let mut handed_over = false;
        let result = loop {
            if self.phase == Phase::Open && self.session.is_saturated() {
                // The peer asks more than it takes: TCP tells it to wait.
                break Reading::Saturated;
            }
            if self.wire.poll_more(cx).is_pending() {
                break Reading::Blocked;
            }
            match self.frames.read(&mut self.wire) {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break Reading::Blocked,
                next => {
                    handed_over = true;
                    if !self.take(next) {
                        break Reading::Over;
                    }
                }
            }
        };
        if handed_over {
            self.session.on_messages_end();
        }
        result
    }

    /// Deals with one result of reading; `false` where the phase has changed.
    fn take(&mut self, next: Result<tungstenite::Message, Error>) -> bool {
        let message = match next {
            Ok(message) => message,
            // Both have said all that they have to say.
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                self.end_without_close();
                return false;
            }
            Err(error) => {
                self.fail(&error);
                return false;
            }
        };
        let result = match &message {
            tungstenite::Message::Text(text) if self.phase == Phase::Open => {
                self.session.on_message(Message::Text(text.as_str()))
            }
            tungstenite::Message::Binary(bytes) if self.phase == Phase::Open => {
                self.session.on_message(Message::Binary(bytes))
            }
            tungstenite::Message::Close(frame) => {
                // The answer to it, which tungstenite writes when it is asked to read again, is the last frame.
                self.wire.takes_all = true;
                self.give_the_rest();
                let frame = frame.as_ref();
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                let reason = frame.map_or(String::new(), |frame| frame.reason.to_string());
                self.close.get_or_insert(Close { code, reason });
                Ok(())
            }
            _ => Ok(()),
        };
        match result {
            Ok(()) => true,
            Err(close) => {
                self.begin_ending(close);
                false
            }
        }
    }

    /// Nothing more is taken from the peer; everything that the session still has goes out, and then the close.
    fn begin_ending(&mut self, close: Close) {
        self.is_deaf = true;
        if self.phase == Phase::Open {
            self.session.on_ending();
            self.ending.get_or_insert(close);
        } else {
            self.linger();
        }
    }

    /// The last frames of the session go out after the peer has ended, unless our close frame is out.
    fn give_the_rest(&mut self) {
        let wire = &mut self.wire;
        if wire.closed {
            return;
        }
        self.session.on_ending();
        wire.outgoing.widen(self.settings.max_outgoing);
        self.session.pull(&mut wire.outgoing);
    }

    /// The peer says no more, without a close frame. It may have asked something right before, and read on.
    fn end_without_close(&mut self) {
        self.give_the_rest();
        self.linger();
    }

    /// tungstenite says nothing to the peer about what it refuses: the close code is sent here (RFC 6455 section 7.4.1; for
    /// text that is not UTF-8 section 8.1, for a length that is not in its shortest form section 5.2).
    fn fail(&mut self, error: &Error) {
        let close = match error {
            Error::Capacity(_) => Close::new(Close::TOO_BIG, "the message is above the limit"),
            Error::Utf8(_) => Close::new(Close::INVALID_PAYLOAD, "the text is not UTF-8"),
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Close::new(Close::PROTOCOL_ERROR, "a length is not in its shortest form")
            }
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return self.end_without_close(),
            Error::Protocol(error) => Close::new(Close::PROTOCOL_ERROR, error.to_string()),
            _ => return self.linger(),
        };
        self.begin_ending(close);
    }

    /// Sends the close frame; everything before it has gone out. A peer that broke a rule is not asked to answer it.
    fn start_close(&mut self, close: Close) {
        self.say_close(close);
        if self.is_deaf {
            self.linger();
        } else {
            self.phase = Phase::Closing { until: Instant::now() + CLOSE_PATIENCE };
        }
    }

    fn say_close(&mut self, close: Close) {
        let mut reason = close.reason.clone();
        reason.truncate(reason.floor_char_boundary(REASON));
        let wire = &mut self.wire;
        wire.outgoing.push(close_frame(close.code, &reason));
        // RFC 6455 section 5.5.1: nothing goes out behind a close frame.
        wire.closed = true;
        self.close.get_or_insert(close);
    }

    fn linger(&mut self) {
        self.last_written = self.now;
        self.phase = Phase::Lingering { until: None, left: LINGER_BYTES };
    }

    /// Looks at what was to be known before whoever wakes the connection gives it another turn.
    fn check(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.entry.wakeup.arm(cx.waker());
        if self.entry.connections.are_over() {
            self.close.get_or_insert(Close::new(Close::ABNORMAL, "the server has stopped"));
            return Poll::Ready(());
        }
        self.check_shutdown();
        Poll::Pending
    }

    fn check_shutdown(&mut self) {
        if self.phase != Phase::Open || self.ending.is_some() {
            return;
        }
        self.ending = self.session.wants_close();
        if self.ending.is_some() {
            self.session.on_ending();
        }
        if self.ending.is_none()
            && let Some(code) = self.entry.connections.stopping()
        {
            self.session.on_shutdown();
            self.session.on_ending();
            self.ending = Some(Close::new(code, "the server stops"));
        }
    }

    /// Writes, and pulls more, until the socket takes no more or nothing is left.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let before = self.wire.outgoing.written;
        let was_blocked = std::mem::take(&mut self.is_blocked);
        for _ in 0..PULLS_PER_TURN {
            let wire = &mut self.wire;
            let drained = wire.poll_drain(cx);
            if drained.is_ready() || wire.outgoing.written > before {
                self.last_written = self.now;
            }
            if was_blocked && wire.outgoing.written > before {
                // The kernel's buffer was full and is not: the peer takes, slowly, and lives. It may have no pong for us
                // yet, for a ping that stands behind all this, and of one that is saturated not even pongs are read.
                self.last_heard = self.now;
                self.pinged = false;
            }
            match drained {
                Poll::Pending => {
                    self.is_blocked = true;
                    return Ok(());
                }
                Poll::Ready(result) => result?,
            }
            if self.phase != Phase::Open {
                return Ok(());
            }
            self.session.pull(&mut wire.outgoing);
            if wire.outgoing.is_empty() {
                match self.ending.take() {
                    Some(close) => self.start_close(close),
                    None => return Ok(()),
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Lets everything go out, shuts our side down, and reads until the peer has done the same.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Phase::Lingering { until, mut left } = self.phase else { return Poll::Ready(()) };
        let wire = &mut self.wire;
        let before = wire.outgoing.written;
        let drained = wire.poll_drain(cx);
        if drained.is_ready() || wire.outgoing.written > before {
            self.last_written = self.now;
        }
        if ready!(drained).is_err() {
            return Poll::Ready(());
        }
        if until.is_none() {
            // Once: every shutdown(2) is an event of the socket, so a second one would wake this task to call the next.
            if ready!(Pin::new(&mut wire.socket).poll_close(cx)).is_err() {
                return Poll::Ready(());
            }
        }
        let until = until.or_else(|| Some(Instant::now() + LINGER));
        let mut scrap = [0; 4096];
        loop {
            match wire.poll_read(&mut scrap) {
                Poll::Pending => break,
                Poll::Ready(Ok(read)) if read > 0 && left > read => left -= read,
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
        self.phase = Phase::Lingering { until, left };
        Poll::Pending
    }

    /// Rings when the peer has been silent for too long, or has taken too long to end.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let next = match self.phase {
                Phase::Closing { until } | Phase::Lingering { until: Some(until), .. } => until,
                Phase::Lingering { until: None, .. } => self.last_written + self.settings.write_timeout,
                Phase::Open if self.pinged => {
                    self.last_heard + self.settings.ping_interval + self.settings.pong_timeout
                }
                Phase::Open => self.last_heard + self.settings.ping_interval,
            };
            if self.phase == Phase::Open && self.takes_nothing() {
                self.close.get_or_insert(Close::new(Close::ABNORMAL, "takes nothing"));
                return Poll::Ready(());
            }
            // What is blocked is woken by its socket, and what ends has no turns of its own: asking would be asking for ever.
            let is_idle = self.phase == Phase::Open && self.ending.is_none() && !self.is_blocked;
            let session = if is_idle { self.session.next_turn() } else { None };
            if session.is_some_and(|at| at <= self.now) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let next = session.map_or(next, |at| at.min(next));
            if next > self.now {
                // An alarm that rings by then is let come; it only comes round here again.
                if !self.timer.at().is_some_and(|at| self.now < at && at <= next) {
                    self.timer.set(next, cx.waker());
                }
                return Poll::Pending;
            }
            match self.phase {
                Phase::Open if !self.pinged => self.ping(cx),
                Phase::Open if self.session.is_saturated() => {
                    // Nothing is read from it, not even its pongs: that it is silent says nothing of it.
                    self.last_heard = self.now;
                    self.pinged = false;
                }
                Phase::Open => {
                    // Should it still hear something, it is told why.
                    self.is_deaf = true;
                    self.say_close(Close::new(Close::POLICY, "no sign of life"));
                    self.linger();
                    if self.poll_linger(cx).is_ready() {
                        return Poll::Ready(());
                    }
                }
                Phase::Closing { .. } => {
                    self.linger();
                    if self.poll_linger(cx).is_ready() {
                        return Poll::Ready(());
                    }
                }
                Phase::Lingering { .. } => return Poll::Ready(()),
            }
        }
    }

    /// Whether the peer has taken nothing of what is on its way to it for too long: it would hold that for ever, and
    /// what it shares of old snapshots. Looked at in every turn, and within one more ping interval where there is none.
    fn takes_nothing(&self) -> bool {
        !self.wire.outgoing.is_empty() && self.now > self.last_written + self.settings.write_timeout
    }

    fn ping(&mut self, cx: &mut Context<'_>) {
        self.pinged = true;
        self.wire.outgoing.push(PING);
        let _ = self.poll_write(cx);
    }

    fn counts(&self) -> (u64, u64, u64) {
        let wire = &self.wire;
        (wire.received, wire.outgoing.written, wire.outgoing.writes)
    }

    fn count(&self, before: (u64, u64, u64)) {
        let now = self.counts();
        for (counter, before, now) in [
            (&self.metrics.received, before.0, now.0),
            (&self.metrics.sent, before.1, now.1),
            (&self.metrics.writes, before.2, now.2),
        ] {
            if now > before {
                counter.inc_by(now - before);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::net::listen::Listener;
    use crate::net::worker::Workers;
    use crate::ws::Connections;
    use crate::ws::Outgoing;
    use inkwire_frame::{Opcode, frame};

    /// Has something to say every other time that it is asked, and wants to be closed.
    #[derive(Clone, Default)]
    struct Talker {
        has_talked: bool,
    }

    impl Session for Talker {
        fn on_message(&mut self, _: Message<'_>) -> Result<(), Close> {
            Ok(())
        }

        fn pull(&mut self, out: &mut Outgoing) {
            self.has_talked = !self.has_talked;
            if self.has_talked {
                out.push(frame(Opcode::Text, b"more"));
            }
        }

        fn wants_close(&mut self) -> Option<Close> {
            Some(Close::new(4000, ""))
        }

        fn on_close(&mut self, _: &Close) {}
    }

    /// Always has more to say than anybody takes, and always wants another turn at once; counts how often it is asked.
    #[derive(Clone, Default)]
    struct Insistent(Arc<std::sync::atomic::AtomicUsize>);

    impl Session for Insistent {
        fn on_message(&mut self, _: Message<'_>) -> Result<(), Close> {
            Ok(())
        }

        fn pull(&mut self, out: &mut Outgoing) {
            out.push(frame(Opcode::Binary, &[7; 64 * 1024]));
        }

        fn next_turn(&self) -> Option<Instant> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Some(Instant::now())
        }

        fn on_close(&mut self, _: &Close) {}
    }

    /// A peer of a connection that is past its handshake and has this session.
    fn connected_to(session: impl Session + Clone + 'static) -> TcpStream {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.url("").trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            let talk = move |socket| {
                let session = session.clone();
                async move {
                    let (connections, metrics) = (Connections::default(), Metrics::default());
                    let (settings, entry) = (Settings::default(), connections.enter());
                    serve(socket, Vec::new(), &settings, entry, &metrics, |_, _| session).await;
                }
            };
            let workers = Workers::start(None, Default::default()).unwrap();
            smol::block_on(workers.serve_all::<_, ()>(&listener, talk));
        });
        TcpStream::connect(address.trim_end_matches('/')).unwrap()
    }

    #[test]
    fn a_peer_that_reads_nothing_costs_no_turns_whatever_the_session_wants() {
        let session = Insistent::default();
        let asked = session.0.clone();
        let silent = connected_to(session);
        silent.peek(&mut [0]).unwrap();
        // Time for millions of turns, where one asks for the next; there are as many as the kernel takes writes.
        std::thread::sleep(Duration::from_millis(500));
        let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
        assert!(asked < 1000, "it was asked {asked} times");
    }

    /// The cost of one connection from its first turn to its end: calls of its socket, and turns, each of which is at most a
    /// look at the epoll and a setting of its clock.
    struct Cost {
        calls: usize,
        turns: usize,
    }

    /// Serves one connection to its end, while `act` is its peer; the peer keeps its side open until then.
    fn cost_of(session: impl Session + Clone + 'static, act: impl FnOnce(&mut TcpStream)) -> Cost {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
        let (over, is_over) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let settings = Settings {
                ping_interval: Duration::from_millis(300),
                pong_timeout: Duration::from_millis(300),
                write_timeout: Duration::from_millis(300),
                ..Settings::default()
            };
            let talk = move |socket: Socket| {
                let (session, settings, over) = (session.clone(), settings.clone(), over.clone());
                async move {
                    let (connections, metrics) = (Connections::default(), Metrics::default());
                    let (entry, calls, mut turns) = (connections.enter(), socket.calls.clone(), 0);
                    let mut served = Box::pin(serve(socket, Vec::new(), &settings, entry, &metrics, |_, _| session));
                    std::future::poll_fn(|cx| {
                        turns += 1;
                        served.as_mut().poll(cx)
                    })
                    .await;
                    over.send(Cost { calls: calls.load(std::sync::atomic::Ordering::SeqCst), turns }).unwrap();
                }
            };
            let workers = Workers::start(None, Default::default()).unwrap();
            smol::block_on(workers.serve_all::<_, ()>(&listener, talk));
        });
        let mut peer = TcpStream::connect(address).unwrap();
        act(&mut peer);
        is_over.recv_timeout(Duration::from_secs(60)).expect("it ends")
    }

    /// Says nothing and wants nothing.
    #[derive(Clone)]
    struct Quiet;

    impl Session for Quiet {
        fn on_message(&mut self, _: Message<'_>) -> Result<(), Close> {
            Ok(())
        }

        fn pull(&mut self, _: &mut Outgoing) {}

        fn on_close(&mut self, _: &Close) {}
    }

    /// Every way to an end lasts until a time-out here, in which only what the peer sends may cost anything: 24,000 calls of
    /// shutdown(2) were counted in a second of lingering.
    #[test]
    fn closing_costs_a_few_system_calls_in_every_phase_and_none_while_the_peer_is_silent() {
        const RSV1: &[u8] = &[0xc1, 0x81, 0, 0, 0, 0, b'x'];
        const ENDLESS: &[u8] = &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        const NOT_SHORTEST: &[u8] = &[0x82, 0xfe, 0, 2, 0, 0, 0, 0, 7, 7];
        const CLOSE: &[u8] = &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
        type Act = fn(&mut TcpStream);
        let send: fn(&mut TcpStream, &[u8]) = |peer, bytes| peer.write_all(bytes).unwrap();
        let quiet: [(&str, Act); 6] = [
            ("lingering behind a frame with RSV1", |peer| peer.write_all(RSV1).unwrap()),
            ("lingering behind a length of 2^64-1", |peer| peer.write_all(ENDLESS).unwrap()),
            ("lingering behind a length that is too long", |peer| peer.write_all(NOT_SHORTEST).unwrap()),
            ("lingering behind the peer's close", |peer| peer.write_all(CLOSE).unwrap()),
            ("no sign of life, and lingering", |_| {}),
            ("the end of the peer", |peer| peer.shutdown(std::net::Shutdown::Write).unwrap()),
        ];
        let talker: [(&str, Act); 2] =
            [("our close, never answered", |_| {}), ("our close, answered", |peer| peer.write_all(CLOSE).unwrap())];
        std::thread::scope(|scope| {
            let check = |what: &'static str, most: usize, cost: Cost| {
                assert!(cost.calls <= most, "{what}: {} calls of the socket", cost.calls);
                assert!(cost.turns <= most, "{what}: {} turns", cost.turns);
            };
            for (what, act) in quiet {
                scope.spawn(move || check(what, 10, cost_of(Quiet, act)));
            }
            for (what, act) in talker {
                scope.spawn(move || check(what, 10, cost_of(Talker::default(), act)));
            }
            // Writes until the kernel takes no more are no cost of the end.
            scope.spawn(move || {
                check("the peer takes nothing", 300, cost_of(Insistent::default(), |peer| send(peer, RSV1)));
            });
            scope.spawn(move || {
                let trickle = |peer: &mut TcpStream| {
                    send(peer, RSV1);
                    for _ in 0..20 {
                        std::thread::sleep(Duration::from_millis(10));
                        let _ = peer.write_all(b"x");
                    }
                };
                check("twenty bytes that come one by one", 10 + 2 * 20, cost_of(Quiet, trickle));
            });
        });
    }

    #[test]
    fn nothing_goes_out_behind_the_close_frame_also_when_the_peer_answers_it() {
        let mut near = connected_to(Talker::default());
        let mut came = [0; 10];
        near.read_exact(&mut came).unwrap();
        assert_eq!(came, *b"\x81\x04more\x88\x02\x0f\xa0");
        near.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0]).unwrap();
        let mut behind = Vec::new();
        near.read_to_end(&mut behind).unwrap();
        assert_eq!(behind, b"");
    }
}
