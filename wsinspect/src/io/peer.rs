//! One connection of ours, as its client or its server: what is sent, what comes, and what both look like to the inspector.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime};

use async_signal::Signals;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smol::Timer;
use smol::channel::{Receiver, Sender as Channel, bounded, unbounded};
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::stream::StreamExt;
use wsinspect::formats::json::Stamp;
use wsinspect::frame::deflate::Deflater;
use wsinspect::frame::{Frame, Opcode, Sender};
use wsinspect::handshake::Head;
use wsinspect::handshake::target::Target;
use wsinspect::script::say::{Say, Shape};
use wsinspect::tap::{Event, Handshake, Limits, Tap};
use wsinspect::view::line::visible;

use crate::failure::Failure;
use crate::flags::reach::{Ask, Reach};
use crate::io::halves::Halves;
use crate::io::route;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait to be looked at.
const WAITING: usize = 16;
/// Sent pieces that may wait for a server that does not read; then no more input is taken, and pings are not answered.
pub(crate) const MOST_UNSENT: usize = 64;
/// Maximum wait for the body of a refusal.
const BODY_PATIENCE: Duration = Duration::from_secs(1);

/// Our end of a connection.
pub(crate) struct Peer {
    /// Which end it is.
    us: Sender,
    number: u64,
    begun: Instant,
    tap: Tap,
    incoming: Receiver<Vec<u8>>,
    outgoing: Channel<Vec<u8>>,
    deflater: Option<Deflater>,
    is_deaf: bool,
}

/// Something that has come.
#[derive(Debug)]
pub(crate) enum Came {
    /// Events of some bytes, and their times.
    Events(Vec<(Stamp, Event)>),
    /// The other side has ended.
    End,
    /// Nothing, until the moment that was given.
    Late,
}

/// Something that is done, unless a signal comes before it is.
pub(crate) async fn unless_interrupted<T>(signals: &mut Signals, act: impl Future<Output = T>) -> Option<T> {
    let interrupted = async {
        signals.next().await;
        None
    };
    async { Some(act.await) }.or(interrupted).await
}

/// Parses a URL.
pub(crate) fn target(url: &str) -> Result<Target, Failure> {
    Target::parse(url).map_err(|error| Failure::Usage(format!("{}: {error}", visible(url))))
}

/// The request for a URL, as the flags say.
pub(crate) fn request(ask: &Ask, target: &Target) -> Result<Head, Failure> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![
        pair("Host", &target.authority),
        pair("Upgrade", "websocket"),
        pair("Connection", "Upgrade"),
        pair("Sec-WebSocket-Key", &STANDARD.encode(random::<16>())),
        pair("Sec-WebSocket-Version", "13"),
    ];
    headers.extend(ask.origin.iter().map(|origin| pair("Origin", origin)));
    if !ask.subprotocol.is_empty() {
        headers.push(pair("Sec-WebSocket-Protocol", &ask.subprotocol.join(", ")));
    }
    headers.extend(ask.deflate.iter().map(|offer| pair("Sec-WebSocket-Extensions", offer)));
    let basic = |user: &String| pair("Authorization", &format!("Basic {}", STANDARD.encode(user)));
    headers.extend(ask.user.iter().chain(target.user.iter()).take(1).map(basic));
    headers.extend(ask.bearer.iter().map(|token| pair("Authorization", &format!("Bearer {token}"))));
    headers.extend(ask.cookie.iter().map(|cookie| pair("Cookie", cookie)));
    for header in &ask.header {
        let Some((name, value)) = header.split_once(':').filter(|_| !header.contains(['\r', '\n'])) else {
            return Err(Failure::Usage(format!("{header:?} is no header; it is \"Name: value\"")));
        };
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name.trim()));
        // A header without a value is left out, as with curl.
        if !value.trim().is_empty() {
            headers.push(pair(name.trim(), value.trim()));
        }
    }
    if let Some((name, _)) =
        headers.iter().find(|(name, value)| [name, value].iter().any(|it| it.contains(['\r', '\n'])))
    {
        return Err(Failure::Usage(format!("{name:?} has a line break in it; a header is one line")));
    }
    Ok(Head { line: format!("GET {} HTTP/1.1", target.path), headers })
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

impl Peer {
    /// Connects. The number is that of the connection in what is shown.
    pub(crate) async fn connect(reach: &Reach, target: &Target, limits: Limits, number: u64) -> Result<Self, Failure> {
        let begun = Instant::now();
        Ok(Self::over(route::open(reach, target).await?, Sender::Client, (limits, number), begun))
    }

    /// Our end of a connection that is there.
    pub(crate) fn over((from, to): Halves, us: Sender, (limits, number): (Limits, u64), begun: Instant) -> Self {
        let (received, incoming) = bounded(WAITING);
        let (outgoing, sent) = unbounded();
        smol::spawn(read(from, received)).detach();
        smol::spawn(write(to, sent)).detach();
        Self { us, number, begun, tap: Tap::new(limits), incoming, outgoing, deflater: None, is_deaf: false }
    }

    /// Since the connection was begun.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Asks for the upgrade, and reads until it is granted or refused; of a refusal also the body, as far as it comes. What was
    /// told meanwhile is given in either case.
    pub(crate) async fn shake_hands(
        &mut self,
        request: &Head,
        patience: Duration,
        late: Failure,
    ) -> (Vec<(Stamp, Event)>, Result<(), Failure>) {
        let mut told: Vec<(Stamp, Event)> = self.send(request.to_bytes());
        let mut deadline = Instant::now() + patience;
        let mut refused = None;
        let result = loop {
            let events = match self.next(Some(deadline)).await {
                Came::Events(events) => events,
                other => {
                    told.extend(self.finish());
                    break Err(match (refused, other) {
                        (Some(refused), _) => Failure::Refused(refused),
                        (None, Came::Late) => late,
                        (None, _) => Failure::Refused("the server ended the connection during the handshake".into()),
                    });
                }
            };
            let mut is_open = false;
            for (_, event) in &events {
                match event {
                    Event::Handshake(handshake) => match &handshake.refusal {
                        None => {
                            self.agree(handshake);
                            is_open = true;
                        }
                        Some(refusal) => {
                            refused = Some(visible(&refusal.to_string()));
                            // A server that keeps the connection for a next request says by no end that its body has one.
                            self.end();
                            deadline = Instant::now() + BODY_PATIENCE;
                        }
                    },
                    Event::NotHttp { error, .. } => refused = Some(visible(&error.to_string())),
                    _ => {}
                }
            }
            let is_other = events.iter().any(|(_, event)| matches!(event, Event::NotHttp { .. }));
            told.extend(events);
            if is_open {
                break Ok(());
            }
            if is_other {
                break Err(Failure::Refused(refused.unwrap_or_default()));
            }
        };
        (told, result)
    }

    fn agree(&mut self, handshake: &Handshake) {
        let deflate = handshake.agreed.deflate.map(|deflate| deflate.of(self.us));
        // zlib has no window of 2^8 bytes: messages go without compression then, which is always allowed (RFC 7692 section 6).
        self.deflater = deflate.filter(|(_, window)| *window > 8).map(|(keeps, window)| Deflater::new(keeps, window));
    }

    /// As a server, waits for the request and answers it with what `respond` makes of it; whether that opens the connection.
    /// Bytes after the request are told too.
    pub(crate) async fn respond(&mut self, respond: impl FnOnce(&Head) -> Head) -> (Vec<(Stamp, Event)>, bool) {
        let mut told = Vec::new();
        while self.tap.request().is_none() {
            let Came::Events(events) = self.next(None).await else { return (told, false) };
            let is_other = events.iter().any(|(_, event)| matches!(event, Event::NotHttp { .. }));
            told.extend(events);
            if is_other {
                return (told, false);
            }
        }
        let response = self.tap.request().map(respond).unwrap_or_default();
        told.extend(self.send(response.to_bytes()));
        let handshakes = told.iter().filter_map(|(_, event)| match event {
            Event::Handshake(handshake) => Some(handshake.clone()),
            _ => None,
        });
        handshakes.collect::<Vec<_>>().iter().for_each(|handshake| self.agree(handshake));
        (told, response.status() == 101)
    }

    /// Sends bytes as they are; what they look like.
    pub(crate) fn send(&mut self, bytes: Vec<u8>) -> Vec<(Stamp, Event)> {
        let (mut events, stamp) = (Vec::new(), self.stamp());
        self.tap.push(self.us, &bytes, &mut |event| events.push((stamp, event)));
        if !bytes.is_empty() {
            // A side that has closed already is noticed in reading.
            let _ = self.outgoing.try_send(bytes);
        }
        events
    }

    /// Sends what is said, in the shape that it is to have.
    pub(crate) fn say(&mut self, say: &Say, shape: &Shape) -> Vec<(Stamp, Event)> {
        let bytes = say.to_bytes(shape, self.deflater.as_mut(), &mut random);
        self.send(bytes)
    }

    /// Answers a ping, and a close frame (RFC 6455 section 5.5); whoever has sent one already does not ask for that.
    pub(crate) fn answer(&mut self, frame: &Frame, shape: &Shape) -> Vec<(Stamp, Event)> {
        match frame.header.opcode {
            Opcode::PING if self.unsent() < MOST_UNSENT => {
                self.say(&Say::Control(Opcode::PONG, frame.payload.clone()), shape)
            }
            Opcode::CLOSE => {
                let code = frame.payload.get(..2).unwrap_or_default();
                self.say(&Say::Control(Opcode::CLOSE, code.to_vec()), shape)
            }
            _ => Vec::new(),
        }
    }

    /// Nothing more is sent.
    pub(crate) fn end(&self) {
        let _ = self.outgoing.try_send(Vec::new());
    }

    /// Pieces that wait for the other side to read.
    pub(crate) fn unsent(&self) -> usize {
        if self.outgoing.is_closed() { 0 } else { self.outgoing.len() }
    }

    /// Whether nothing waits to be looked at.
    pub(crate) fn is_idle(&self) -> bool {
        self.incoming.is_empty()
    }

    /// Waits for the next events, or for an instant.
    pub(crate) async fn next(&mut self, due: Option<Instant>) -> Came {
        if self.is_deaf {
            return Came::End;
        }
        // A peer that never pauses must not keep what is due from being done.
        if due.is_some_and(|due| due <= Instant::now()) {
            return Came::Late;
        }
        let bytes = async { Some(self.incoming.recv().await.unwrap_or_default()) };
        let bytes = match due {
            None => bytes.await,
            Some(due) => {
                let timed = async {
                    Timer::at(due).await;
                    None
                };
                bytes.or(timed).await
            }
        };
        match bytes {
            None => Came::Late,
            Some(bytes) if bytes.is_empty() => {
                self.is_deaf = true;
                Came::End
            }
            Some(bytes) => {
                let (mut events, stamp) = (Vec::new(), self.stamp());
                self.tap.push(self.us.other(), &bytes, &mut |event| events.push((stamp, event)));
                Came::Events(events)
            }
        }
    }

    /// Both directions have ended.
    pub(crate) fn finish(&mut self) -> Vec<(Stamp, Event)> {
        let (mut events, stamp) = (Vec::new(), self.stamp());
        for sender in [Sender::Client, Sender::Server] {
            self.tap.finish(sender, &mut |event| events.push((stamp, event)));
        }
        events
    }

    fn stamp(&self) -> Stamp {
        Stamp { connection: self.number, at: SystemTime::now(), since: self.begun.elapsed() }
    }
}

/// Reads until the other side ends.
async fn read(mut from: impl AsyncRead + Unpin, received: Channel<Vec<u8>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if received.send(buffer[..read].to_vec()).await.is_err() || read == 0 {
            return;
        }
    }
}

/// Writes what is sent; nothing at all ends the direction.
async fn write(mut to: impl AsyncWrite + Unpin, sent: Receiver<Vec<u8>>) {
    while let Ok(bytes) = sent.recv().await {
        if bytes.is_empty() || to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            let _ = to.close().await;
            return;
        }
    }
}
