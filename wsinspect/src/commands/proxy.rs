//! `wsinspect proxy`: between clients and a server. Every byte passes as it is; what is shown is made from a copy.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_signal::{Signal, Signals};
use clap::Args;
use futures_rustls::TlsAcceptor;
use smol::channel::{Receiver, Sender as Channel, bounded};
use smol::future::{FutureExt, zip};
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::net::TcpStream;
use smol::stream::StreamExt;
use wsinspect::formats::connections::Connections;
use wsinspect::formats::json::{Recorded, Stamp};
use wsinspect::frame::Sender;
use wsinspect::handshake::target::Target;
use wsinspect::tap::Limits;

use crate::failure::{Failure, Outcome, say};
use crate::flags::look::Look;
use crate::flags::reach::{Identity, Reach};
use crate::io::accept::{accept, listen, welcome};
use crate::io::output::Output;
use crate::io::peer::target;
use crate::io::{route, tls};

#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// Where clients connect: HOST:PORT.
    pub(crate) listen: String,
    /// The server: HOST:PORT, or a ws:// or wss:// URL, of which the path is left to the clients.
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) identity: Identity,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait to be shown; a reader of ours that is slower than that slows the connections down, and
/// nothing is lost.
const WAITING: usize = 128;

/// Bytes that have passed.
struct Passed {
    connection: u64,
    at: SystemTime,
    since: Duration,
    sender: Sender,
    /// Empty where the direction has ended.
    bytes: Vec<u8>,
}

pub(crate) fn run(flags: &Proxy) -> Result<Outcome, Failure> {
    let url = if flags.server.contains("://") { flags.server.clone() } else { format!("ws://{}", flags.server) };
    let target = target(&url)?;
    let acceptor = tls::acceptor(&flags.identity)?;
    let output = flags.look.output()?;
    let limits = flags.look.limits();
    smol::block_on(async {
        let mut signals = Signals::new([Signal::Int, Signal::Term])?;
        let listener = listen(&flags.listen).await?;
        say(&format!("listening on {} for {}", listener.local_addr()?, target.authority));
        let (channel, passed) = bounded(WAITING);
        let origin = target.origin();
        let shown = smol::unblock(move || show(&passed, output, limits, &origin));
        let server = Arc::new(Server { target, reach: flags.reach.clone(), acceptor });
        let accepting = async {
            accept(&listener, |client, number| relay(client, server.clone(), number, channel.clone())).await;
            None
        };
        let interrupted = async {
            signals.next().await;
            None
        };
        let mut shown = shown;
        let ended = accepting.or(interrupted).or(async { Some((&mut shown).await) }).await;
        channel.close();
        match ended {
            // Whoever shows has failed.
            Some(result) => result,
            None => match shown.await? {
                Outcome::Done => Ok(Outcome::Interrupted),
                outcome => Ok(outcome),
            },
        }
    })
}

/// The server that stands behind, how it is reached, and what we are to clients.
struct Server {
    target: Target,
    reach: Reach,
    acceptor: Option<TlsAcceptor>,
}

/// Passes both directions until both have ended.
async fn relay(client: TcpStream, server: Arc<Server>, number: u64, channel: Channel<Passed>) -> Result<(), String> {
    let begun = Instant::now();
    let (from_client, mut to_client) = welcome(client, server.acceptor.as_ref()).await?;
    let (from_server, to_server) = match route::open(&server.reach, &server.target).await {
        Ok(ways) => ways,
        Err(error) => {
            // The only bytes that are ours: there is nobody else who could say it to the client.
            let body = format!("{error}\n");
            let head = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            let _ = to_client.write_all(answer.as_bytes()).await;
            let _ = to_client.close().await;
            return Err(error.to_string());
        }
    };
    let pass = |from, to, sender| {
        pass(
            from,
            to,
            move |bytes| Passed { connection: number, at: SystemTime::now(), since: begun.elapsed(), sender, bytes },
            &channel,
        )
    };
    zip(pass(from_client, to_server, Sender::Client), pass(from_server, to_client, Sender::Server)).await;
    Ok(())
}

/// Passes one direction. What is read is written before it is shown, and the end is passed on as an end.
async fn pass(
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    mut to: Box<dyn AsyncWrite + Send + Unpin>,
    passed: impl Fn(Vec<u8>) -> Passed,
    channel: &Channel<Passed>,
) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let is_over = read == 0 || to.write_all(&buffer[..read]).await.is_err() || to.flush().await.is_err();
        if channel.send(passed(buffer[..read].to_vec())).await.is_err() {
            return;
        }
        if is_over {
            if read > 0 {
                let _ = channel.send(passed(Vec::new())).await;
            }
            let _ = to.close().await;
            return;
        }
    }
}

/// Shows what has passed, and writes whenever nothing more waits.
fn show(passed: &Receiver<Passed>, mut output: Output, limits: Limits, origin: &str) -> Result<Outcome, Failure> {
    let mut connections = Connections::new(limits, Some(origin.to_owned()));
    while let Ok(Passed { connection, at, since, sender, bytes }) = passed.recv_blocking() {
        let mut result = Ok(());
        connections.take(Stamp { connection, at, since }, Recorded::Bytes(sender, bytes), &mut |stamp, url, event| {
            if result.is_ok() {
                result = output.take(stamp, url, event);
            }
        });
        result?;
        if passed.is_empty() {
            output.flush()?;
        }
    }
    output.finish()
}
