//! `wsinspect replay`: one side of a recording, played again, and where the other side says something else.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json_path::JsonPath;
use wsinspect::formats::json::Stamp;
use wsinspect::frame::Sender;
use wsinspect::frame::message::{Assembly, Message};
use wsinspect::handshake::{Head, derive_accept_key};
use wsinspect::script::expect::named;
use wsinspect::script::replay::{Plan, is_compared, is_same};
use wsinspect::tap::{Event, Limits};
use wsinspect::view::line::excerpt;

use crate::failure::{Failure, Outcome, say};
use crate::flags::look::Look;
use crate::flags::reach::{Ask, Reach};
use crate::io::accept::listen;
use crate::io::halves::Halves;
use crate::io::output::Output;
use crate::io::peer::{Came, Peer, request, target};
use crate::io::recording::read;
use crate::io::route;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("side").required(true).args(["to", "serve"])))]
pub(crate) struct Replay {
    /// A recording: JSON lines, HAR, pcapng or pcap.
    pub(crate) file: PathBuf,
    /// Be the client, of this server.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Be the server, of the first client that connects here: HOST:PORT.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) serve: Option<String>,
    /// Which connection of the recording.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) connection: u64,
    /// How many times as fast as it was, or max. What was sent after a reply is sent after that reply in any case.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = parse_speed)]
    pub(crate) speed: Speed,
    /// A part of JSON messages that may be another one, such as $..time (RFC 9535).
    #[arg(long, value_name = "PATH", value_parser = parse_path)]
    pub(crate) ignore: Vec<JsonPath>,
    /// How long a message is waited for.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// The speed of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    /// So many times as fast as it was.
    Times(f64),
    /// Without any pauses but for replies.
    Most,
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Speed::Most),
        Ok(times) if times.is_finite() && times >= 0.001 => Ok(Speed::Times(times)),
        _ => Err("it is a number from 0.001 on, or max".into()),
    }
}

fn parse_path(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text).map_err(|error| format!("{} (RFC 9535)", error.message()))
}

/// Bytes that are kept of a payload: all of it must be sent again.
const LIMITS: Limits = Limits { keep: 256 * 1024 * 1024, inflate: 256 * 1024 * 1024 };

pub(crate) fn run(flags: &Replay) -> Result<Outcome, Failure> {
    let us = if flags.to.is_some() { Sender::Client } else { Sender::Server };
    let plan = plan(flags, us)?;
    let mut output = flags.look.output()?;
    let result = smol::block_on(async {
        let mut player = open(flags, &plan, us, &mut output).await?;
        player.play(&plan, flags.speed).await?;
        player.wait_for_the_rest(&plan).await?;
        Ok::<_, Failure>(player.came)
    });
    let shown = output.finish();
    let came = result?;
    let shown = shown?;
    let told = report(&plan.expected, &came, flags);
    io::stdout().write_all(told.1.as_bytes())?;
    Ok(if told.0 > 0 { Outcome::Unmet } else { shown })
}

/// Reads the recording of one connection.
fn plan(flags: &Replay, us: Sender) -> Result<Plan, Failure> {
    let (mut plan, mut result, mut is_there) = (Plan::new(us, LIMITS.keep), Ok(()), false);
    let name = flags.file.display();
    read(&flags.file, LIMITS, &mut |stamp, _, event| {
        if stamp.connection == flags.connection && result.is_ok() {
            is_there = true;
            result = plan.take(stamp, event);
        }
    })?;
    result.map_err(|error| Failure::Input(format!("{name}: {error}")))?;
    match is_there {
        true => Ok(plan),
        false => Err(Failure::Input(format!(
            "{name}: it has no connection {}; --connection N takes another",
            flags.connection
        ))),
    }
}

struct Player<'a> {
    peer: Peer,
    output: &'a mut Output,
    url: Option<&'a str>,
    us: Sender,
    patience: Duration,
    assembly: Assembly,
    came: Vec<Message>,
    has_ended: bool,
    /// Number of recorded messages.
    expected: usize,
}

async fn open<'a>(flags: &'a Replay, plan: &Plan, us: Sender, output: &'a mut Output) -> Result<Player<'a>, Failure> {
    let recorded = plan.handshake.clone().unwrap_or_default();
    let (peer, told, result) = match (&flags.to, &flags.serve) {
        (Some(url), _) => {
            let target = target(url)?;
            let mut head = request(&flags.ask, &target)?;
            // What was agreed on is asked for again, unless the flags say otherwise.
            for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin"] {
                if head.get(name).is_none() {
                    head.headers.extend(recorded.request.get(name).map(|value| (name.to_owned(), value.to_owned())));
                }
            }
            let mut peer = Peer::connect(&flags.reach, &target, LIMITS, 1).await?;
            let late = route::late(&flags.reach, &target);
            let (told, result) = peer.shake_hands(&head, flags.reach.connect_timeout, late).await;
            (peer, told, result)
        }
        (None, Some(address)) => {
            let listener = listen(address).await?;
            say(&format!("listening at ws://{}", listener.local_addr()?));
            let (client, _) = listener.accept().await?;
            let ways: Halves = (Box::new(client.clone()), Box::new(client));
            let mut peer = Peer::over(ways, Sender::Server, (LIMITS, 1), Instant::now());
            let (told, is_open) = peer.respond(|request| response(request, &recorded.response)).await;
            let refused = || Failure::Refused("the client does not ask for a WebSocket".into());
            (peer, told, is_open.then_some(()).ok_or_else(refused))
        }
        (None, None) => return Err(Failure::input("--to URL or --serve ADDRESS says which side is played")),
    };
    let (assembly, patience) = (Assembly::new(LIMITS.keep), flags.timeout);
    let url = flags.to.as_deref();
    let mut player = Player {
        peer,
        output,
        url,
        us,
        patience,
        assembly,
        came: Vec::new(),
        has_ended: false,
        expected: plan.expected.len(),
    };
    player.take(&told)?;
    result.map(|()| player)
}

/// The recorded response, with the answer to this request's key.
fn response(request: &Head, recorded: &Head) -> Head {
    let key = request.get("Sec-WebSocket-Key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let mut headers = recorded.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Sec-WebSocket-Accept"));
    headers.push(("Sec-WebSocket-Accept".into(), accept));
    if recorded.line.is_empty() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        headers.extend([pair("Upgrade", "websocket"), pair("Connection", "Upgrade")]);
        return Head { line: "HTTP/1.1 101 Switching Protocols".into(), headers };
    }
    Head { line: recorded.line.clone(), headers }
}

impl Player<'_> {
    async fn play(&mut self, plan: &Plan, speed: Speed) -> Result<(), Failure> {
        let begun = Instant::now();
        for part in &plan.moves {
            let at = match speed {
                Speed::Most => begun,
                Speed::Times(times) => begun + wsinspect::formats::json::bounded(part.at.div_f64(times)),
            };
            // What the other side has not said by then it never will; the report says so.
            let deadline = at.max(Instant::now()) + self.patience;
            while !self.has_ended && self.came.len() < part.after && Instant::now() < deadline {
                self.hear(deadline).await?;
            }
            while !self.has_ended && Instant::now() < at {
                self.hear(at).await?;
            }
            if self.has_ended {
                return Ok(());
            }
            let told = self.peer.send(part.bytes.clone());
            self.take(&told)?;
        }
        Ok(())
    }

    async fn wait_for_the_rest(&mut self, plan: &Plan) -> Result<(), Failure> {
        let mut deadline = Instant::now() + self.patience;
        while !self.has_ended && self.came.len() < plan.expected.len() && Instant::now() < deadline {
            let before = self.came.len();
            self.hear(deadline).await?;
            if self.came.len() > before {
                deadline = Instant::now() + self.patience;
            }
        }
        self.peer.end();
        // What is said beyond what was recorded is a difference too.
        let last = Instant::now() + Duration::from_millis(500).min(self.patience);
        while !self.has_ended && Instant::now() < last {
            self.hear(last).await?;
        }
        let told = self.peer.finish();
        self.take(&told)
    }

    async fn hear(&mut self, until: Instant) -> Result<(), Failure> {
        match self.peer.next(Some(until)).await {
            Came::Events(events) => {
                self.take(&events)?;
                self.output.flush()
            }
            Came::End => {
                self.has_ended = true;
                Ok(())
            }
            Came::Late => Ok(()),
        }
    }

    fn take(&mut self, told: &[(Stamp, Event)]) -> Result<(), Failure> {
        for (stamp, event) in told {
            self.output.take(stamp, self.url, event)?;
            if let Event::Frame { sender, frame, seen } = event
                && *sender != self.us
            {
                let message = self.assembly.push(frame, seen.place, seen.inflated.as_ref());
                // Beyond what was recorded, one is enough to say that more came.
                self.came.extend(message.filter(|it| is_compared(it) && self.came.len() <= self.expected));
            }
        }
        Ok(())
    }
}

/// Returns the number of differences, and each in words.
fn report(expected: &[Message], came: &[Message], flags: &Replay) -> (usize, String) {
    let (mut count, mut told) = (0, String::new());
    for at in 0..expected.len().max(came.len()) {
        let (expected, got) = (expected.get(at), came.get(at));
        let is_equal = matches!((expected, got), (Some(expected), Some(got)) if is_same(expected, got, &flags.ignore));
        if is_equal {
            continue;
        }
        count += 1;
        let line = |message: Option<&Message>| message.map_or("nothing".into(), |message| excerpt(&named(message)));
        told += &format!("message {}\n  - {}\n  + {}\n", at + 1, line(expected), line(got));
    }
    told += &format!("{} messages were recorded, {} came, {count} differ\n", expected.len(), came.len());
    (count, told)
}
