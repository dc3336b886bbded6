//! One connection of `wsinspect connect`: what is sent and answered on it, and when it ends.

use std::time::{Duration, Instant};

use async_signal::Signals;
use smol::channel::Receiver;
use smol::future::race;
use smol::stream::StreamExt;
use wsinspect::formats::json::Stamp;
use wsinspect::frame::lint::Seen;
use wsinspect::frame::message::{Assembly, Message};
use wsinspect::frame::{Frame, Opcode, Sender, close};
use wsinspect::handshake::Head;
use wsinspect::handshake::target::Target;
use wsinspect::script::say::{Say, Shape};
use wsinspect::tap::Event;
use wsinspect::view::line::visible;

use super::{Bytes, Connect, Input, Waited};
use crate::failure::{Failure, Outcome};
use crate::io::input::Line;
use crate::io::output::Output;
use crate::io::peer::{Came, MOST_UNSENT, Peer, unless_interrupted};
use crate::io::route;

/// The next thing to act on.
enum Next {
    Came(Came),
    Line(Line),
    Interrupted,
}

/// One connection.
pub(super) struct Conversation<'a> {
    flags: &'a Connect,
    client: Peer,
    output: &'a mut Output,
    waited: &'a mut Waited,
    shape: Shape,
    /// The messages of the server.
    assembly: Assembly,
    /// When something was last received or sent.
    last: Instant,
    last_received: Instant,
    /// When anything came, also an answer to our ping.
    last_heard: Instant,
    last_pinged: Instant,
    /// Since when our close frame is out.
    closing: Option<Instant>,
    /// The close frame of the server, unless it answers ours.
    closed: Option<(u16, String)>,
    is_answered: bool,
    /// The part of the input that could not be sent.
    wrong: Option<String>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(flags: &'a Connect, client: Peer, output: &'a mut Output, waited: &'a mut Waited) -> Self {
        let now = client.begun();
        Self {
            flags,
            client,
            output,
            waited,
            shape: flags.shape(),
            assembly: Assembly::new(flags.look.keep),
            last: now,
            last_received: now,
            last_heard: now,
            last_pinged: now,
            closing: None,
            closed: None,
            is_answered: false,
            wrong: None,
        }
    }

    /// Shakes hands, sends and shows until the connection ends.
    pub(super) async fn hold(
        &mut self,
        (head, target): (&Head, &Target),
        input: &Input,
        signals: &mut Signals,
    ) -> Result<Outcome, Failure> {
        let reach = &self.flags.reach;
        let shaking = self.client.shake_hands(head, reach.connect_timeout, route::late(reach, target));
        let Some((told, result)) = unless_interrupted(signals, shaking).await else {
            return Ok(Outcome::Interrupted);
        };
        if let Err(failure) = result {
            self.show(&told)?;
            return Err(failure.about(&visible(&self.flags.url)));
        }
        (self.last_received, self.waited.is_opened) = (Instant::now(), true);
        self.take(&told)?;
        self.begin(&input.first)?;
        loop {
            self.close_when_due()?;
            if self.client.is_idle() {
                self.output.flush()?;
            }
            let next = self.next(&input.lines, signals).await;
            if let Some(outcome) = self.act(next)? {
                return Ok(outcome);
            }
        }
    }

    /// Sends what the flags say.
    fn begin(&mut self, first: &[Vec<u8>]) -> Result<(), Failure> {
        for Bytes(bytes) in &self.flags.raw_hex {
            self.say(&Say::Raw(bytes.clone()))?;
        }
        let opcode = if self.flags.binary { Opcode::BINARY } else { Opcode::TEXT };
        for message in first {
            // After a close frame nothing goes out (RFC 6455 section 5.5.1).
            if self.closing.is_none() {
                self.say(&Say::Message(opcode, message.clone()))?;
            }
        }
        Ok(())
    }

    /// Does what something asks for; returns how the conversation has ended, once it has.
    fn act(&mut self, next: Next) -> Result<Option<Outcome>, Failure> {
        match next {
            Next::Came(Came::Events(events)) => {
                self.last_heard = Instant::now();
                // An answer to our own ping is no news.
                if !events.iter().all(|(_, event)| is_pong(event)) {
                    (self.last, self.last_received) = (self.last_heard, self.last_heard);
                }
                self.take(&events)?;
            }
            Next::Came(Came::End) => {
                self.finish()?;
                return self.ending().map(Some);
            }
            Next::Came(Came::Late) => self.be_late()?,
            Next::Line(Line::Say(say)) => self.say(&say)?,
            Next::Line(Line::Wrong(words)) => {
                // Replies on their way are still waited for, as at the end of the input.
                self.wrong = Some(words);
                self.waited.input_ended = true;
            }
            Next::Line(Line::End) => self.waited.input_ended = true,
            Next::Interrupted => {
                self.finish()?;
                return Ok(Some(Outcome::Interrupted));
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let told = self.client.finish();
        self.show(&told)
    }

    async fn next(&mut self, lines: &Receiver<Line>, signals: &mut Signals) -> Next {
        let due = self.due();
        // Of a server that does not read no more is taken to send.
        let takes_lines = !self.waited.input_ended && self.closing.is_none() && self.client.unsent() < MOST_UNSENT;
        let line = async {
            match takes_lines {
                true => Next::Line(lines.recv().await.unwrap_or(Line::End)),
                false => std::future::pending().await,
            }
        };
        let interrupted = async {
            signals.next().await;
            Next::Interrupted
        };
        let came = async { Next::Came(self.client.next(due).await) };
        race(race(came, line), interrupted).await
    }

    fn waits_for_messages(&self) -> bool {
        self.flags.count.is_some() || self.flags.until.is_some()
    }

    fn due(&self) -> Option<Instant> {
        if let Some(since) = self.closing {
            return Some(since + self.flags.reach.connect_timeout);
        }
        let pong = self.is_pinged().then(|| self.last_pinged + self.flags.ping_timeout);
        let ping = self.flags.ping_interval.map(|interval| self.last_pinged + interval);
        // A server that does not read is looked at again and again until it does.
        let unsent = (self.client.unsent() >= MOST_UNSENT).then(|| Instant::now() + Duration::from_millis(50));
        [self.end_due(), pong, ping, unsent].into_iter().flatten().min()
    }

    fn is_pinged(&self) -> bool {
        self.flags.ping_interval.is_some() && self.last_heard < self.last_pinged
    }

    /// When we close.
    fn end_due(&self) -> Option<Instant> {
        let is_said = self.waited.input_ended && !self.waits_for_messages();
        let linger = is_said.then(|| self.last + self.flags.linger);
        let duration = self.flags.duration.map(|duration| self.waited.begun + duration);
        let idle = self.flags.idle.map(|idle| self.last_received + idle);
        [linger, duration, idle].into_iter().flatten().min()
    }

    fn be_late(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if self.closing.is_some_and(|since| now >= since + self.flags.reach.connect_timeout) {
            self.finish()?;
            return Err(Failure::Abnormal("the server does not answer our close frame".into()));
        }
        if self.closing.is_some() {
            return Ok(());
        }
        if self.is_pinged() && now >= self.last_pinged + self.flags.ping_timeout {
            self.finish()?;
            let words = format!("the server has not answered a ping within {:?}", self.flags.ping_timeout);
            return Err(Failure::Abnormal(words));
        }
        if self.flags.ping_interval.is_some_and(|interval| now >= self.last_pinged + interval) {
            self.last_pinged = now;
            let told = self.client.say(&Say::Control(Opcode::PING, b"wsinspect".to_vec()), &self.shape);
            self.show(&told)?;
        }
        Ok(())
    }

    fn close_when_due(&mut self) -> Result<(), Failure> {
        let is_due = self.waited.is_reached || self.end_due().is_some_and(|due| due <= Instant::now());
        if self.closing.is_some() || !is_due {
            return Ok(());
        }
        self.say(&Say::Control(Opcode::CLOSE, self.flags.close.0.clone()))
    }

    /// Shows what was told, and answers it. Messages beyond those that were asked for are not shown.
    fn take(&mut self, told: &[(Stamp, Event)]) -> Result<(), Failure> {
        for (stamp, event) in told {
            let Event::Frame { sender: Sender::Server, frame, seen } = event else {
                self.output.take(stamp, Some(&self.flags.url), event)?;
                continue;
            };
            if !self.waited.is_reached || frame.header.opcode.is_control() {
                self.output.take(stamp, Some(&self.flags.url), event)?;
            }
            self.respond(frame, seen)?;
        }
        Ok(())
    }

    /// Answers what must be answered (RFC 6455 section 5.5), and counts.
    fn respond(&mut self, frame: &Frame, seen: &Seen) -> Result<(), Failure> {
        match frame.header.opcode {
            Opcode::PING if self.closing.is_none() && !self.flags.no_auto_pong => {
                let told = self.client.answer(frame, &self.shape);
                self.show(&told)?;
            }
            Opcode::CLOSE if self.closed.is_none() && !self.is_answered => {
                if self.closing.is_some() {
                    self.is_answered = true;
                } else {
                    let (code, reason) = close::parse(&frame.payload).unwrap_or((1005, &[]));
                    self.closed = Some((code, String::from_utf8_lossy(reason).into_owned()));
                    self.closing = Some(Instant::now());
                    let told = self.client.answer(frame, &self.shape);
                    self.show(&told)?;
                }
                self.client.end();
            }
            _ => {}
        }
        match self.assembly.push(frame, seen.place, seen.inflated.as_ref()) {
            Some(message) if !message.opcode.is_control() => self.count(&message),
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, message: &Message) {
        self.waited.came += 1;
        self.waited.is_reached |= self.flags.count.is_some_and(|count| self.waited.came >= count);
        self.waited.is_reached |= self.flags.until.as_ref().is_some_and(|until| until.is_match(&message.data));
    }

    /// Returns the end of the conversation.
    fn ending(&self) -> Result<Outcome, Failure> {
        if let Some(words) = &self.wrong {
            return Err(Failure::Input(words.clone()));
        }
        match &self.closed {
            None if !self.is_answered => {
                Err(Failure::Abnormal("the server ended the connection without a close frame".into()))
            }
            Some((code, reason)) if !matches!(code, 1000 | 1001 | 1005) => {
                let name = close::name(*code).unwrap_or_else(|| close::range(*code));
                Err(Failure::Abnormal(format!("the server closed with {code} {name} {reason:?}")))
            }
            _ if self.waits_for_messages() && !self.waited.is_reached => {
                Err(Failure::TimeOut(format!("{} messages came, and not what was waited for", self.waited.came)))
            }
            _ => Ok(Outcome::Done),
        }
    }

    fn say(&mut self, say: &Say) -> Result<(), Failure> {
        self.last = Instant::now();
        if matches!(say, Say::Control(Opcode::CLOSE, _)) {
            self.closing.get_or_insert(self.last);
        }
        let told = self.client.say(say, &self.shape);
        self.show(&told)
    }

    fn show(&mut self, told: &[(Stamp, Event)]) -> Result<(), Failure> {
        told.iter().try_for_each(|(stamp, event)| self.output.take(stamp, Some(&self.flags.url), event))
    }
}

fn is_pong(event: &Event) -> bool {
    matches!(event, Event::Frame { frame, .. } if frame.header.opcode == Opcode::PONG)
}
