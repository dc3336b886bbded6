//! `wsinspect listen`: a server that shows what clients send, and sends it back, or answers from a file.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use clap::Args;
use futures_rustls::TlsAcceptor;
use smol::future::FutureExt;
use smol::net::TcpStream;
use smol::stream::StreamExt;
use wsinspect::formats::json::Stamp;
use wsinspect::frame::message::{Assembly, Message};
use wsinspect::frame::{Opcode, Sender};
use wsinspect::handshake::{Head, derive_accept_key};
use wsinspect::script::say::{Say, Shape};
use wsinspect::tap::{Event, Limits};

use crate::failure::{Failure, Outcome, say};
use crate::flags::look::Look;
use crate::flags::reach::Identity;
use crate::io::accept::{accept, listen, welcome};
use crate::io::output::Output;
use crate::io::peer::{Came, MOST_UNSENT, Peer};

/// The arguments of `listen`.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Where clients connect: HOST:PORT.
    pub(crate) listen: String,
    /// Send every message back.
    #[arg(long, conflicts_with = "reply")]
    pub(crate) echo: bool,
    /// Answer the messages in turn with the lines of this file; where its name ends in .jsonl they are objects as of connect --input jsonl.
    #[arg(long, value_name = "FILE")]
    pub(crate) reply: Option<PathBuf>,
    /// Sub-protocols that are spoken: the first of the client's that is among them is agreed on.
    #[arg(short, long, value_name = "NAME", visible_alias = "protocol")]
    pub(crate) subprotocol: Vec<String>,
    /// Agree on compression where it is offered (RFC 7692).
    #[arg(long)]
    pub(crate) deflate: bool,
    #[command(flatten)]
    pub(crate) identity: Identity,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// Maximum time of the client to end after the close.
const PATIENCE: Duration = Duration::from_secs(1);
/// Interval of looking at a client that does not read.
const UNSENT_PAUSE: Duration = Duration::from_millis(10);

/// The state that all connections share.
struct Listener {
    acceptor: Option<TlsAcceptor>,
    scheme: &'static str,
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
    let acceptor = crate::io::tls::acceptor(&flags.identity)?;
    let shared = Arc::new(Listener {
        scheme: if acceptor.is_some() { "wss" } else { "ws" },
        acceptor,
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
        say(&format!("listening at {}://{}", shared.scheme, listener.local_addr()?));
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
    assembly: Assembly,
    /// Messages that were answered.
    answered: usize,
    is_closed: bool,
}

async fn serve(client: TcpStream, shared: Arc<Listener>, number: u64) -> Result<(), String> {
    let begun = Instant::now();
    let ways = welcome(client, shared.acceptor.as_ref()).await?;
    let mut peer = Peer::over(ways, Sender::Server, (shared.limits, number), begun);
    let assembly = Assembly::new(shared.limits.keep);
    let mut connection = Connection { assembly, answered: 0, is_closed: false, shared };
    let (told, is_open) = peer.respond(|request| connection.response(request)).await;
    connection.take(&mut peer, &told);
    connection.is_closed |= !is_open;
    while !connection.is_closed {
        // Of a client that does not read what it is answered no more is read.
        while peer.unsent() >= MOST_UNSENT {
            smol::Timer::after(UNSENT_PAUSE).await;
        }
        let Came::Events(told) = peer.next(None).await else { break };
        connection.take(&mut peer, &told);
    }
    peer.end();
    connection.drain(&mut peer).await;
    connection.show(&peer.finish());
    Ok(())
}

impl Connection {
    /// The response to a request (RFC 6455 section 4.2.2).
    fn response(&self, request: &Head) -> Head {
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
        }
        Head { line: "HTTP/1.1 101 Switching Protocols".into(), headers }
    }

    /// Shows what was told, and answers it.
    fn take(&mut self, peer: &mut Peer, told: &[(Stamp, Event)]) {
        self.show(told);
        for (_, event) in told {
            if let Some(say) = self.answer(event) {
                let shape = Shape { is_unmasked: true, ..Shape::default() };
                self.show(&peer.say(&say, &shape));
            }
        }
    }

    /// Returns the answer to an event.
    fn answer(&mut self, event: &Event) -> Option<Say> {
        let Event::Frame { sender: Sender::Client, frame, seen } = event else { return None };
        let message = self.assembly.push(frame, seen.place, seen.inflated.as_ref())?;
        match message.opcode {
            _ if self.is_closed => None,
            Opcode::PING => Some(Say::Control(Opcode::PONG, message.data)),
            Opcode::CLOSE => {
                self.is_closed = true;
                Some(Say::Control(Opcode::CLOSE, message.data.get(..2).unwrap_or_default().to_vec()))
            }
            opcode if opcode.is_control() => None,
            _ if !message.is_whole() => {
                // RFC 6455 section 7.4.1: too big to process.
                say(&format!("a message of {} bytes is larger than --keep: closing with 1009", message.length));
                self.is_closed = true;
                let close = [&1009u16.to_be_bytes()[..], b"larger than --keep"].concat();
                Some(Say::Control(Opcode::CLOSE, close))
            }
            _ => self.reply(message),
        }
    }

    fn reply(&mut self, message: Message) -> Option<Say> {
        self.answered += 1;
        if self.shared.echo {
            return Some(Say::Message(message.opcode, message.data));
        }
        self.shared.replies.get(self.answered - 1).cloned()
    }

    /// Reads until the client has ended too, for a while.
    async fn drain(&mut self, peer: &mut Peer) {
        let due = Instant::now() + PATIENCE;
        while let Came::Events(told) = peer.next(Some(due)).await {
            self.show(&told);
        }
    }

    fn show(&self, told: &[(Stamp, Event)]) {
        let mut output = self.shared.output.lock().expect("nobody panics with it");
        let Some(output) = output.as_mut() else { return };
        let url = |event: &Event| match event {
            Event::Handshake(handshake) => {
                let host = handshake.request.get("Host").unwrap_or("-");
                Some(format!("{}://{host}{}", self.shared.scheme, handshake.request.target()))
            }
            _ => None,
        };
        let mut take = |(stamp, event): &(Stamp, Event)| output.take(stamp, url(event).as_deref(), event);
        if let Err(failure) = told.iter().try_for_each(&mut take).and_then(|()| output.flush()) {
            let _ = self.shared.failed.try_send(failure);
        }
    }
}
