//! `wsinspect listen`: a server that shows what clients send, and sends it back, or answers from a file.

use std::fs::read_to_string;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use async_signal::{Signal, Signals};
use futures_rustls::TlsAcceptor;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use smol::stream::StreamExt;
use wsinspect::deflate::Deflater;
use wsinspect::frame::Opcode;
use wsinspect::handshake::{Head, derive_accept_key};
use wsinspect::json::Stamp;
use wsinspect::lint::Sender;
use wsinspect::message::{Assembly, Message};
use wsinspect::say::{Say, Shape};
use wsinspect::tap::{Event, Limits, Tap};

use crate::cli::Listen;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::proxy::{accept, listen, say, welcome};

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// What all connections share.
struct Listener {
    acceptor: Option<TlsAcceptor>,
    subprotocols: Vec<String>,
    deflate: bool,
    echo: bool,
    replies: Vec<Say>,
    limits: Limits,
    output: Mutex<Option<Output>>,
    failed: smol::channel::Sender<Failure>,
}

pub(crate) fn run(flags: &Listen) -> Result<Outcome, Failure> {
    let (failed, failures) = smol::channel::bounded(1);
    let shared = Arc::new(Listener {
        acceptor: crate::tls::acceptor(&flags.identity)?,
        subprotocols: flags.subprotocol.clone(),
        deflate: flags.deflate,
        echo: flags.echo,
        replies: flags.reply.as_deref().map(replies).transpose()?.unwrap_or_default(),
        limits: flags.look.limits(),
        output: Mutex::new(Some(flags.look.output()?)),
        failed,
    });
    smol::block_on(async {
        let mut signals = Signals::new([Signal::Int, Signal::Term])?;
        let listener = listen(&flags.listen).await?;
        let scheme = if shared.acceptor.is_some() { "wss" } else { "ws" };
        say(&format!("listening at {scheme}://{}", listener.local_addr()?));
        let accepting = async {
            accept(&listener, |client, number| serve(client, shared.clone(), number)).await;
            Ok(())
        };
        let interrupted = async {
            signals.next().await;
            Ok(())
        };
        let failed = async { Err(failures.recv().await.unwrap_or_else(|_| Failure::input("nobody shows anything"))) };
        let result: Result<(), Failure> = accepting.or(interrupted).or(failed).await;
        let output = shared.output.lock().expect("nobody panics with it").take();
        let shown = output.map_or(Ok(Outcome::Done), Output::finish);
        result?;
        match shown? {
            Outcome::Done => Ok(Outcome::Interrupted),
            outcome => Ok(outcome),
        }
    })
}

/// The lines of a file; in one that is JSON lines each says what it is.
fn replies(path: &Path) -> Result<Vec<Say>, Failure> {
    let name = path.display();
    let text = read_to_string(path).map_err(|error| Failure::Input(format!("{name}: {error}")))?;
    let is_json = path.extension().is_some_and(|end| end == "jsonl");
    let say = |(at, line): (usize, &str)| match is_json {
        false => Ok(Say::Message(Opcode::TEXT, line.as_bytes().to_vec())),
        true => Say::from_json(line).map_err(|error| Failure::Input(format!("{name}:{}: {error}", at + 1))),
    };
    text.lines().enumerate().map(say).collect()
}

/// A client's connection.
struct Connection {
    shared: Arc<Listener>,
    number: u64,
    begun: Instant,
    tap: Tap,
    deflater: Option<Deflater>,
    assembly: Assembly,
    /// Messages that were answered.
    answered: usize,
    is_closed: bool,
}

async fn serve(client: TcpStream, shared: Arc<Listener>, number: u64) -> Result<(), String> {
    let (mut from, mut to) = welcome(client, shared.acceptor.as_ref()).await?;
    let mut connection = Connection {
        number,
        begun: Instant::now(),
        tap: Tap::new(shared.limits),
        deflater: None,
        assembly: Assembly::new(shared.limits.keep),
        answered: 0,
        is_closed: false,
        shared,
    };
    let (mut head, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    let mut is_open = false;
    loop {
        let read = from.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            break;
        }
        let events = connection.look(Sender::Client, &chunk[..read]);
        let mut answer = Vec::new();
        if !is_open {
            head.extend_from_slice(&chunk[..read]);
            let Some((request, _)) = Head::request(&head).map_err(|error| error.to_string())? else { continue };
            let response = connection.respond(&request);
            is_open = response.status() == 101;
            answer.push(response.to_bytes());
        }
        for bytes in &answer {
            // What came behind the request is told now.
            let told = connection.look(Sender::Server, bytes);
            to.write_all(bytes).await.map_err(|error| error.to_string())?;
            answer_all(&mut connection, &mut to, told).await?;
        }
        answer_all(&mut connection, &mut to, events).await?;
        if connection.is_closed || !is_open {
            break;
        }
    }
    let _ = to.close().await;
    connection.finish();
    Ok(())
}

async fn answer_all(
    connection: &mut Connection,
    to: &mut (impl AsyncWriteExt + Unpin + ?Sized),
    events: Vec<Event>,
) -> Result<(), String> {
    for bytes in events.into_iter().filter_map(|event| connection.answer(&event)).collect::<Vec<_>>() {
        connection.look(Sender::Server, &bytes);
        to.write_all(&bytes).await.map_err(|error| error.to_string())?;
        to.flush().await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

impl Connection {
    /// The response to a request (RFC 6455 section 4.2.2).
    fn respond(&mut self, request: &Head) -> Head {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let Some(key) = request.get("Sec-WebSocket-Key") else {
            let headers = vec![pair("Content-Length", "0"), pair("Connection", "close")];
            return Head { line: "HTTP/1.1 400 Bad Request".into(), headers };
        };
        let mut headers = vec![
            pair("Upgrade", "websocket"),
            pair("Connection", "Upgrade"),
            pair("Sec-WebSocket-Accept", &derive_accept_key(key.as_bytes())),
        ];
        let ours = |offer: &&str| self.shared.subprotocols.iter().any(|known| known == offer);
        let chosen = request.tokens("Sec-WebSocket-Protocol").find(ours);
        headers.extend(chosen.map(|name| pair("Sec-WebSocket-Protocol", name)));
        let offers = |offer: &str| offer.split(';').next().is_some_and(|name| name.trim() == "permessage-deflate");
        if self.shared.deflate && request.tokens("Sec-WebSocket-Extensions").any(offers) {
            headers.push(pair("Sec-WebSocket-Extensions", "permessage-deflate"));
            self.deflater = Some(Deflater::new(true));
        }
        Head { line: "HTTP/1.1 101 Switching Protocols".into(), headers }
    }

    /// What is sent for an event.
    fn answer(&mut self, event: &Event) -> Option<Vec<u8>> {
        let Event::Frame { sender: Sender::Client, frame, seen } = event else { return None };
        let message = self.assembly.push(frame, seen.place, seen.inflated.as_ref())?;
        let say = match message.opcode {
            Opcode::PING => Say::Control(Opcode::PONG, message.data),
            Opcode::CLOSE => {
                self.is_closed = true;
                Say::Control(Opcode::CLOSE, message.data.get(..2).unwrap_or_default().to_vec())
            }
            opcode if opcode.is_control() => return None,
            _ => self.reply(message)?,
        };
        let shape = Shape { is_unmasked: true, ..Shape::default() };
        Some(say.to_bytes(&shape, self.deflater.as_mut(), &mut || [0; 4]))
    }

    fn reply(&mut self, message: Message) -> Option<Say> {
        self.answered += 1;
        if self.shared.echo {
            return Some(Say::Message(message.opcode, message.data));
        }
        self.shared.replies.get(self.answered - 1).cloned()
    }

    fn stamp(&self) -> Stamp {
        Stamp { connection: self.number, at: SystemTime::now(), since: self.begun.elapsed() }
    }

    /// Shows bytes of either side; what they are.
    fn look(&mut self, sender: Sender, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        self.tap.push(sender, bytes, &mut |event| events.push(event));
        self.show(&events);
        events
    }

    fn finish(&mut self) {
        let mut events = Vec::new();
        for sender in [Sender::Client, Sender::Server] {
            self.tap.finish(sender, &mut |event| events.push(event));
        }
        self.show(&events);
    }

    fn show(&self, events: &[Event]) {
        let stamp = self.stamp();
        let mut output = self.shared.output.lock().expect("nobody panics with it");
        let Some(output) = output.as_mut() else { return };
        let url = |event: &Event| match event {
            Event::Handshake(handshake) => {
                let host = handshake.request.get("Host").unwrap_or("-");
                Some(format!("ws://{host}{}", handshake.request.target()))
            }
            _ => None,
        };
        let mut take = |event: &Event| output.take(&stamp, url(event).as_deref(), event);
        if let Err(failure) = events.iter().try_for_each(&mut take).and_then(|()| output.flush()) {
            let _ = self.shared.failed.try_send(failure);
        }
    }
}
