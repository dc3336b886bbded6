//! `wsinspect proxy`: between clients and a server. Every byte passes as it is; what is shown is made from a copy.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant, SystemTime};

use async_signal::{Signal, Signals};
use smol::channel::{Receiver, Sender as Channel, bounded};
use smol::future::{FutureExt, zip};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt;
use wsinspect::json::Stamp;
use wsinspect::lint::Sender;
use wsinspect::tap::{Event, Limits, Tap};

use crate::cli::Proxy;
use crate::connect::host_and_port;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait to be shown; a reader of ours that is slower than that slows the connections down, and
/// nothing is lost.
const WAITING: usize = 128;

/// What has passed.
struct Passed {
    connection: u64,
    at: SystemTime,
    since: Duration,
    sender: Sender,
    /// Empty where the direction has ended.
    bytes: Vec<u8>,
}

pub(crate) fn run(flags: &Proxy) -> Result<Outcome, Failure> {
    let server = server(&flags.server)?;
    let output = flags.look.output()?;
    let limits = flags.look.limits();
    smol::block_on(async {
        let mut signals = Signals::new([Signal::Int, Signal::Term])?;
        let listen = |error| Failure::Unreachable(format!("{} cannot be listened on: {error}", flags.listen));
        let listener = TcpListener::bind(&flags.listen).await.map_err(listen)?;
        say(&format!("listening on {} for {server}", listener.local_addr()?));
        let (channel, passed) = bounded(WAITING);
        let url = format!("ws://{server}");
        let shown = smol::unblock(move || show(&passed, output, limits, &url));
        let accepting = async {
            accept(&listener, &server, &channel).await;
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

/// Host and port of what may be a URL.
fn server(text: &str) -> Result<String, Failure> {
    let authority = match text.split_once("://") {
        None | Some(("ws" | "http", _)) => text.rsplit("://").next().unwrap_or(text),
        Some(_) => return Err(Failure::Unreachable(format!("{text}: only ws:// URLs are understood"))),
    };
    let authority = authority.split('/').next().unwrap_or(authority);
    Ok(host_and_port(authority))
}

/// Says something on standard error; that nobody listens there is no reason to end.
fn say(words: &str) {
    let _ = writeln!(io::stderr(), "wsinspect: {words}");
}

async fn accept(listener: &TcpListener, server: &str, channel: &Channel<Passed>) {
    let mut connection = 0;
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // No descriptors, most likely; some come back.
            smol::Timer::after(Duration::from_millis(50)).await;
            continue;
        };
        connection += 1;
        let (server, channel) = (server.to_owned(), channel.clone());
        smol::spawn(async move {
            if let Err(error) = relay(client, &server, connection, &channel).await {
                say(&format!("connection {connection}: {server}: {error}"));
            }
        })
        .detach();
    }
}

/// Passes both directions until both have ended.
async fn relay(client: TcpStream, server: &str, connection: u64, channel: &Channel<Passed>) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let begun = Instant::now();
    let pass = |from, to, sender| {
        pass(
            from,
            to,
            move |bytes| Passed { connection, at: SystemTime::now(), since: begun.elapsed(), sender, bytes },
            channel,
        )
    };
    zip(pass(client.clone(), server.clone(), Sender::Client), pass(server, client, Sender::Server)).await;
    Ok(())
}

/// Passes one direction. What is read is written before it is shown, and the end is passed on as an end.
async fn pass(mut from: TcpStream, mut to: TcpStream, passed: impl Fn(Vec<u8>) -> Passed, channel: &Channel<Passed>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let told = passed(buffer[..read].to_vec());
        let is_over = read == 0 || to.write_all(&buffer[..read]).await.is_err();
        if channel.send(told).await.is_err() {
            return;
        }
        if is_over {
            if read > 0 {
                let _ = channel.send(passed(Vec::new())).await;
            }
            // A side that takes no more is not read from either.
            let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
            return;
        }
    }
}

/// Shows what has passed, and writes whenever nothing more waits.
fn show(passed: &Receiver<Passed>, mut output: Output, limits: Limits, url: &str) -> Result<Outcome, Failure> {
    let mut taps: HashMap<u64, (Tap, u8)> = HashMap::new();
    while let Ok(Passed { connection, at, since, sender, bytes }) = passed.recv_blocking() {
        let stamp = Stamp { connection, at, since };
        let (tap, ended) = taps.entry(connection).or_insert_with(|| (Tap::new(limits), 0));
        let mut result = Ok(());
        let mut each = |event| {
            // Only the handshake says where it goes.
            let url = match &event {
                Event::Handshake(handshake) => Some(format!("{url}{}", handshake.request.target())),
                _ => None,
            };
            if result.is_ok() {
                result = output.take(&stamp, url.as_deref(), &event);
            }
        };
        if bytes.is_empty() {
            tap.finish(sender, &mut each);
            *ended += 1;
        } else {
            tap.push(sender, &bytes, &mut each);
        }
        if *ended == 2 {
            taps.remove(&connection);
        }
        result?;
        if passed.is_empty() {
            output.flush()?;
        }
    }
    output.finish()
}
