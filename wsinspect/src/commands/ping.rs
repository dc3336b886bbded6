//! `wsinspect ping`: how long a server takes to answer pings (RFC 6455 section 5.5.2).

use std::io::{self, Write};
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use clap::Args;
use smol::future::FutureExt;
use smol::stream::StreamExt;
use wsinspect::formats::json::Stamp;
use wsinspect::frame::{Opcode, Sender, close};
use wsinspect::script::say::{Say, Shape};
use wsinspect::tap::{Event, Limits};
use wsinspect::view::line::visible;
use wsinspect::view::stats::Times;

use crate::failure::{Failure, Outcome};
use crate::flags::reach::{Ask, Reach};
use crate::io::peer::{Came, Peer, request, target, unless_interrupted};
use crate::io::route;

#[derive(Debug, Args)]
pub(crate) struct Ping {
    /// ws:// or wss://, HOST[:PORT][/PATH].
    pub(crate) url: String,
    /// End after so many.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// From one ping to the next.
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) interval: Duration,
    /// How long a pong is waited for.
    #[arg(short = 'W', long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Payloads are of no interest.
const LIMITS: Limits = Limits { keep: 1024, inflate: 1024 };

struct Pings {
    peer: Peer,
    sent: u64,
    times: Times,
    /// The one that is waited for, and since when.
    waiting: Option<(u64, Instant)>,
    has_ended: bool,
    /// The close frame of the server, in words.
    closed: Option<String>,
}

pub(crate) fn run(flags: &Ping) -> Result<Outcome, Failure> {
    let target = target(&flags.url)?;
    let head = request(&flags.ask, &target)?;
    smol::block_on(async {
        let mut signals = Signals::new([Signal::Int, Signal::Term])?;
        let opening = async {
            let mut peer = Peer::connect(&flags.reach, &target, LIMITS, 1).await?;
            let late = route::late(&flags.reach, &target);
            let (told, result) = peer.shake_hands(&head, flags.reach.connect_timeout, late).await;
            Ok::<_, Failure>((peer, told, result))
        };
        let Some(opened) = unless_interrupted(&mut signals, opening).await else {
            return Ok(Outcome::Interrupted);
        };
        let (peer, told, result) = opened?;
        result.map_err(|failure| failure.about(&visible(&flags.url)))?;
        let mut pings = Pings { peer, sent: 0, times: Times::default(), waiting: None, has_ended: false, closed: None };
        pings.take(&told)?;
        let pinging = async {
            pings.all(flags).await?;
            Ok::<_, Failure>(false)
        };
        let interrupted = async {
            signals.next().await;
            Ok(true)
        };
        let is_interrupted = pinging.or(interrupted).await?;
        if pings.closed.is_none() {
            pings.peer.say(&Say::Control(Opcode::CLOSE, 1000u16.to_be_bytes().to_vec()), &Shape::default());
        }
        pings.peer.end();
        pings.report(is_interrupted)
    })
}

impl Pings {
    async fn all(&mut self, flags: &Ping) -> Result<(), Failure> {
        while !self.has_ended && flags.count.is_none_or(|count| self.sent < count) {
            let begun = Instant::now();
            self.sent += 1;
            self.waiting = Some((self.sent, begun));
            self.peer.say(&Say::Control(Opcode::PING, self.sent.to_be_bytes().to_vec()), &Shape::default());
            while !self.has_ended && self.waiting.is_some() && begun.elapsed() < flags.timeout {
                self.hear(begun + flags.timeout).await?;
            }
            if let Some((number, _)) = self.waiting.take() {
                writeln!(io::stdout(), "no pong for ping {number}")?;
            }
            let is_last = flags.count.is_some_and(|count| self.sent >= count);
            while !is_last && !self.has_ended && begun.elapsed() < flags.interval {
                self.hear(begun + flags.interval).await?;
            }
        }
        Ok(())
    }

    async fn hear(&mut self, until: Instant) -> Result<(), Failure> {
        match self.peer.next(Some(until)).await {
            Came::Events(events) => self.take(&events)?,
            Came::End => self.has_ended = true,
            Came::Late => {}
        }
        Ok(())
    }

    fn take(&mut self, told: &[(Stamp, Event)]) -> Result<(), Failure> {
        for (_, event) in told {
            let Event::Frame { sender: Sender::Server, frame, .. } = event else { continue };
            self.peer.answer(frame, &Shape::default());
            if let Some((code, reason)) = close::parse(&frame.payload).filter(|_| frame.header.opcode == Opcode::CLOSE)
            {
                let name = close::name(code).unwrap_or_else(|| close::range(code));
                let reason = String::from_utf8_lossy(reason);
                self.closed = Some(format!("the server closed with {code} {name} {reason:?}"));
                self.has_ended = true;
            }
            let number = frame.payload.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
            if let Some((_, sent)) =
                self.waiting.take_if(|(waited, _)| frame.header.opcode == Opcode::PONG && number == Some(*waited))
            {
                let time = sent.elapsed();
                self.times.add(time);
                let milliseconds = time.as_secs_f64() * 1e3;
                writeln!(io::stdout(), "pong {}  {milliseconds:.3} ms", number.unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn report(&self, is_interrupted: bool) -> Result<Outcome, Failure> {
        let (sent, came) = (self.sent, self.times.count());
        let times = if came > 0 { format!("; {}", self.times.words()) } else { String::new() };
        writeln!(io::stdout(), "{sent} pings, {came} pongs{times}")?;
        match came {
            _ if is_interrupted => Ok(Outcome::Interrupted),
            _ if self.has_ended => {
                let words = self.closed.clone().unwrap_or_else(|| "the server ended the connection".into());
                Err(Failure::Abnormal(format!("{words} after {came} of {sent} pongs")))
            }
            0 if sent > 0 => Err(Failure::TimeOut("no ping was answered".into())),
            _ => Ok(Outcome::Done),
        }
    }
}
