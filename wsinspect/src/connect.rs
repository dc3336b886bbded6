//! `wsinspect connect`: a client that shows everything, ends when it is told to, and loses no reply.

use std::io::{BufRead, Read};
use std::net::Shutdown;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smol::Timer;
use smol::channel::{Receiver, Sender as Channel, bounded};
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use wsinspect::close;
use wsinspect::frame::{Frame, Header, LengthForm, Opcode, encode};
use wsinspect::handshake::Head;
use wsinspect::json::Stamp;
use wsinspect::lint::{Seen, Sender};
use wsinspect::tap::{Event, Handshake, Tap};

use crate::cli::{Bytes, Connect};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// How long the body of a refusal is waited for.
const BODY_PATIENCE: Duration = Duration::from_secs(1);
/// Longest line of standard input.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;
/// Inputs that may wait.
const WAITING: usize = 16;

/// What happens next.
enum Input {
    /// Bytes of the server; none where it has ended.
    Bytes(Vec<u8>),
    /// A line of standard input.
    Line(Vec<u8>),
    /// Nothing more is to be sent.
    End,
    /// A moment that was waited for.
    Late,
}

struct Client<'a> {
    flags: &'a Connect,
    socket: TcpStream,
    tap: Tap,
    output: Output,
    begun: Instant,
    /// Messages that have come.
    came: u64,
    /// The message that is coming, as far as `--until` looks at it.
    message: Vec<u8>,
    is_reached: bool,
    /// When something was last received or sent.
    last: Instant,
    last_received: Instant,
    input_ended: bool,
    /// Since when our close frame is out.
    closing: Option<Instant>,
    /// The close frame of the server.
    closed: Option<(u16, String)>,
}

pub(crate) fn run(flags: &Connect) -> Result<Outcome, Failure> {
    let (authority, path) = parse(&flags.url)?;
    let request = request(flags, &authority, &path)?;
    let output = flags.look.output()?;
    smol::block_on(async {
        let begun = Instant::now();
        let address = host_and_port(&authority);
        let connecting = async {
            TcpStream::connect(&address).await.map_err(|error| Failure::Unreachable(format!("{address}: {error}")))
        };
        let late = || Failure::TimeOut(format!("{address} does not answer within {:?}", flags.connect_timeout));
        let timed = async {
            Timer::after(flags.connect_timeout).await;
            Err(late())
        };
        let socket = connecting.or(timed).await?;
        socket.set_nodelay(true)?;
        let tap = Tap::new(flags.look.limits());
        let mut client = Client {
            flags,
            socket,
            tap,
            output,
            begun,
            came: 0,
            message: Vec::new(),
            is_reached: false,
            last: begun,
            last_received: begun,
            input_ended: false,
            closing: None,
            closed: None,
        };
        let result = client.converse(&request, late()).await;
        let shown = client.output.finish();
        result.and(shown)
    })
}

/// Host, with its port where it has one, and path.
fn parse(url: &str) -> Result<(String, String), Failure> {
    let Some(rest) = url.strip_prefix("ws://") else {
        return Err(Failure::Unreachable(format!("{url}: only ws:// URLs are understood")));
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if authority.is_empty() || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Failure::Unreachable(format!("{url:?} is no URL")));
    }
    Ok((authority.to_owned(), path))
}

/// What to connect to for a URL's authority: its port is 80 where it says none (RFC 6455 section 3).
pub(crate) fn host_and_port(authority: &str) -> String {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { authority.to_owned() } else { format!("{authority}:80") }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

fn request(flags: &Connect, authority: &str, path: &str) -> Result<Head, Failure> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![
        pair("Host", authority),
        pair("Upgrade", "websocket"),
        pair("Connection", "Upgrade"),
        pair("Sec-WebSocket-Key", &STANDARD.encode(random::<16>())),
        pair("Sec-WebSocket-Version", "13"),
    ];
    headers.extend(flags.origin.iter().map(|origin| pair("Origin", origin)));
    if !flags.subprotocol.is_empty() {
        headers.push(pair("Sec-WebSocket-Protocol", &flags.subprotocol.join(", ")));
    }
    let basic = |user: &String| pair("Authorization", &format!("Basic {}", STANDARD.encode(user)));
    headers.extend(flags.user.iter().map(basic));
    headers.extend(flags.cookie.iter().map(|cookie| pair("Cookie", cookie)));
    for header in &flags.header {
        let Some((name, value)) = header.split_once(':').filter(|_| !header.contains(['\r', '\n'])) else {
            return Err(Failure::Input(format!("{header:?} is no header; it is \"Name: value\"")));
        };
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name.trim()));
        headers.push(pair(name.trim(), value.trim()));
    }
    Ok(Head { line: format!("GET {path} HTTP/1.1"), headers })
}

impl Client<'_> {
    async fn converse(&mut self, request: &Head, late: Failure) -> Result<Outcome, Failure> {
        self.send(&request.to_bytes()).await?;
        let (channel, inputs) = bounded(WAITING);
        smol::spawn(read(self.socket.clone(), channel.clone())).detach();
        self.shake_hands(&inputs, late).await?;
        for Bytes(bytes) in &self.flags.raw_hex {
            self.send(bytes).await?;
        }
        if self.flags.execute.is_empty() && self.flags.raw_hex.is_empty() {
            std::thread::spawn(move || read_lines(&channel));
        } else {
            for text in &self.flags.execute {
                self.message(text.as_bytes()).await?;
            }
            self.input_ended = true;
        }
        loop {
            match next(&inputs, self.due()).await {
                Input::Bytes(bytes) if bytes.is_empty() => {
                    self.finish()?;
                    return self.ending();
                }
                Input::Bytes(bytes) => self.receive(&bytes).await?,
                Input::Line(line) => self.message(&line).await?,
                Input::End => self.input_ended = true,
                Input::Late => {}
            }
            if inputs.is_empty() {
                self.output.flush()?;
            }
            if self.closing.is_some_and(|since| since.elapsed() >= self.flags.connect_timeout) {
                self.finish()?;
                return Err(Failure::Abnormal("the server does not answer our close frame".into()));
            }
            self.close_when_due().await?;
        }
    }

    /// Reads until the handshake is done; of a refusal also the body, as far as it comes.
    async fn shake_hands(&mut self, inputs: &Receiver<Input>, late: Failure) -> Result<(), Failure> {
        let mut deadline = Instant::now() + self.flags.connect_timeout;
        let (mut is_open, mut refused) = (false, None::<String>);
        loop {
            let bytes = match next(inputs, Some(deadline)).await {
                Input::Bytes(bytes) if !bytes.is_empty() => bytes,
                other => {
                    self.finish()?;
                    return Err(match (refused, other) {
                        (Some(refused), _) => Failure::Refused(refused),
                        (None, Input::Late) => late,
                        (None, _) => Failure::Refused("the server ended the connection during the handshake".into()),
                    });
                }
            };
            for event in self.look(Sender::Server, &bytes)? {
                match event {
                    Event::Handshake(handshake) => match handshake.as_ref() {
                        Handshake { refusal: None, .. } => {
                            is_open = true;
                            self.last_received = Instant::now();
                        }
                        Handshake { refusal: Some(refusal), .. } => {
                            refused = Some(refusal.to_string());
                            // A server that keeps the connection for a next request says by no end that its body has one.
                            let _ = self.socket.shutdown(Shutdown::Write);
                            deadline = Instant::now() + BODY_PATIENCE;
                        }
                    },
                    Event::NotHttp { error, .. } => return Err(Failure::Refused(error.to_string())),
                    Event::Frame { sender: Sender::Server, frame, seen } if refused.is_none() => {
                        self.heed(&frame, &seen).await?;
                    }
                    _ => {}
                }
            }
            if is_open {
                return Ok(());
            }
        }
    }

    fn waits_for_messages(&self) -> bool {
        self.flags.count.is_some() || self.flags.until.is_some()
    }

    fn due(&self) -> Option<Instant> {
        if let Some(since) = self.closing {
            return Some(since + self.flags.connect_timeout);
        }
        let linger = (self.input_ended && !self.waits_for_messages()).then(|| self.last + self.flags.linger);
        let duration = self.flags.duration.map(|duration| self.begun + duration);
        let idle = self.flags.idle.map(|idle| self.last_received + idle);
        [linger, duration, idle].into_iter().flatten().min()
    }

    async fn close_when_due(&mut self) -> Result<(), Failure> {
        let is_due = self.is_reached || self.due().is_some_and(|due| due <= Instant::now());
        if self.closing.is_some() || !is_due {
            return Ok(());
        }
        self.closing = Some(Instant::now());
        self.frame(Opcode::CLOSE, &self.flags.close.0).await
    }

    async fn receive(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.last = Instant::now();
        self.last_received = self.last;
        for event in self.look(Sender::Server, bytes)? {
            if let Event::Frame { frame, seen, .. } = event {
                self.heed(&frame, &seen).await?;
            }
        }
        Ok(())
    }

    /// Answers what must be answered (RFC 6455 section 5.5), and counts.
    async fn heed(&mut self, frame: &Frame, seen: &Seen) -> Result<(), Failure> {
        match frame.header.opcode {
            Opcode::PING if self.closed.is_none() && !self.flags.no_auto_pong => {
                self.frame(Opcode::PONG, &frame.payload).await?;
            }
            Opcode::CLOSE if self.closed.is_none() => {
                let (code, reason) = close::parse(&frame.payload).unwrap_or((1005, &[]));
                self.closed = Some((code, String::from_utf8_lossy(reason).into_owned()));
                if self.closing.is_none() {
                    self.closing = Some(Instant::now());
                    self.frame(Opcode::CLOSE, frame.payload.get(..2).unwrap_or_default()).await?;
                }
                let _ = self.socket.shutdown(Shutdown::Write);
            }
            _ => {}
        }
        let Some(place) = seen.place else { return Ok(()) };
        if place.fragment == 1 {
            self.message.clear();
        }
        let payload = seen.inflated.as_ref().map_or(&frame.payload, |message| &message.kept);
        let room = self.flags.look.keep.saturating_sub(self.message.len());
        self.message.extend_from_slice(&payload[..payload.len().min(room)]);
        if place.is_last {
            self.came += 1;
            self.is_reached |= self.flags.count.is_some_and(|count| self.came >= count);
            self.is_reached |= self.flags.until.as_ref().is_some_and(|until| until.is_match(&self.message));
        }
        Ok(())
    }

    /// How it has ended.
    fn ending(&self) -> Result<Outcome, Failure> {
        match &self.closed {
            None => Err(Failure::Abnormal("the server ended the connection without a close frame".into())),
            Some((code, reason)) if !matches!(code, 1000 | 1001 | 1005) => {
                let name = close::name(*code).unwrap_or_else(|| close::range(*code));
                Err(Failure::Abnormal(format!("the server closed with {code} {name} {reason:?}")))
            }
            Some(_) if self.waits_for_messages() && !self.is_reached => {
                Err(Failure::TimeOut(format!("{} messages came, and not what was waited for", self.came)))
            }
            Some(_) => Ok(Outcome::Done),
        }
    }

    /// Sends a message, as the flags say: in fragments, with bits and opcodes that it should not have.
    async fn message(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let said = self.flags.send_opcode.map(Opcode::of);
        let usual = if self.flags.binary { Opcode::BINARY } else { Opcode::TEXT };
        let rsv = [1, 2, 3].map(|bit| self.flags.rsv.contains(&bit));
        let size = self.flags.fragment.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX));
        let count = payload.len().div_ceil(size).max(1);
        for at in 0..count {
            let fragment = &payload[at * size..payload.len().min((at + 1).saturating_mul(size))];
            // RFC 7692 section 6.1, the one user of a reserved bit: only the first fragment has it.
            let (opcode, rsv) = if at == 0 { (said.unwrap_or(usual), rsv) } else { (Opcode::CONTINUATION, [false; 3]) };
            self.send(&self.encoded(opcode, at + 1 == count, rsv, fragment)).await?;
        }
        Ok(())
    }

    async fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Failure> {
        self.send(&self.encoded(opcode, true, [false; 3], payload)).await
    }

    fn encoded(&self, opcode: Opcode, fin: bool, rsv: [bool; 3], payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u64;
        let mask = (!self.flags.no_mask).then(random);
        encode(&Header { fin, rsv, opcode, mask, form: LengthForm::shortest(length), length }, payload)
    }

    /// Sends bytes, and shows them as it shows the server's. A server that has closed already is noticed in reading.
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.last = Instant::now();
        self.look(Sender::Client, bytes)?;
        let _ = self.socket.write_all(bytes).await;
        Ok(())
    }

    fn stamp(&self) -> Stamp {
        Stamp { connection: 1, at: SystemTime::now(), since: self.begun.elapsed() }
    }

    fn look(&mut self, sender: Sender, bytes: &[u8]) -> Result<Vec<Event>, Failure> {
        let (mut events, stamp) = (Vec::new(), self.stamp());
        self.tap.push(sender, bytes, &mut |event| events.push(event));
        events.iter().try_for_each(|event| self.output.take(&stamp, Some(&self.flags.url), event))?;
        Ok(events)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let (mut events, stamp) = (Vec::new(), self.stamp());
        for sender in [Sender::Client, Sender::Server] {
            self.tap.finish(sender, &mut |event| events.push(event));
        }
        events.iter().try_for_each(|event| self.output.take(&stamp, Some(&self.flags.url), event))
    }
}

/// The next input, or the moment at which something is due.
async fn next(inputs: &Receiver<Input>, due: Option<Instant>) -> Input {
    let next = async { inputs.recv().await.unwrap_or(Input::End) };
    let Some(due) = due else { return next.await };
    let timed = async {
        Timer::at(due).await;
        Input::Late
    };
    next.or(timed).await
}

/// Reads the server until it ends.
async fn read(mut socket: TcpStream, channel: Channel<Input>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = socket.read(&mut buffer).await.unwrap_or(0);
        if channel.send(Input::Bytes(buffer[..read].to_vec())).await.is_err() || read == 0 {
            return;
        }
    }
}

/// Reads standard input until it ends.
fn read_lines(channel: &Channel<Input>) {
    let mut stdin = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let is_over = !matches!(stdin.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line), Ok(read) if read > 0);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text).to_vec();
        let input = if is_over { Input::End } else { Input::Line(text) };
        if channel.send_blocking(input).is_err() || is_over {
            return;
        }
    }
}
