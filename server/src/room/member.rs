//! A member: the drawing service's side of one connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_protocol::{
    ClientId, ClientMessage, Colour, Epoch, Operation, Reason, SUBPROTOCOL_BINARY, SUBPROTOCOL_JSON, ServerMessage,
    binary, json,
};

use super::flush::Packet;
use super::images::{Images, Part};
use super::room::{Due, Position};
use super::rooms::{Place, Rooms};
use crate::wakeup::Wakeup;
use crate::ws::{Close, Message, Outgoing, Session};

/// Close code of a connection that another one of the same client replaced (RFC 6455 section 7.4.2: private use).
const REPLACED: u16 = 4000;
/// Close code of a connection to a board that was deleted.
const DELETED: u16 = 4001;
/// How long a client is asked to wait before it comes back to a server that restarts, in milliseconds.
const RESTART_RETRY: u64 = 250;

/// How long a new connection may take to say hello: a person may type it.
const HELLO_PATIENCE: Duration = Duration::from_secs(60);

/// Answers that may wait for a member before nothing more is read from it. One packet adds a few thousand at most: 8
/// messages of 1,024 operations.
const ANSWERS: usize = 256;

/// How a member's packets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `inkwire.v1`.
    Binary,
    /// `inkwire.v1.json`, and whoever asks for no sub-protocol: most likely a person who types.
    Json,
}

impl Encoding {
    /// The sub-protocols that are spoken.
    pub const SUBPROTOCOLS: [&str; 2] = [SUBPROTOCOL_BINARY, SUBPROTOCOL_JSON];

    /// The encoding of a sub-protocol that was agreed on.
    pub fn of(subprotocol: Option<&str>) -> Self {
        if subprotocol == Some(SUBPROTOCOL_BINARY) { Self::Binary } else { Self::Json }
    }
}

/// Who joins, and what it has.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) client_id: ClientId,
    pub(super) epoch: Epoch,
    pub(super) seq: u64,
    /// The state hash that it has there.
    pub(super) hash: StateHash,
    pub(super) name: String,
    pub(super) colour: Colour,
}

/// A connection in a room.
#[derive(Debug)]
pub struct Member {
    id: u64,
    room: Place,
    rooms: Arc<Rooms>,
    encoding: Encoding,
    wakeup: Arc<Wakeup>,
    seat: Option<(u32, Position)>,
    /// Answers to this member alone; see [`Session::is_saturated`].
    answers: Vec<ServerMessage>,
    /// Operations that are still to be done, because those before them were much work.
    backlog: VecDeque<(u64, Operation)>,
    images: Images,
    allowance: Allowance,
    /// Until when this member rests; a timer wakes it then.
    rests_until: Option<Instant>,
    said_goodbye: bool,
    since: Instant,
}

/// How much work a member may still make: undoing a gesture that touched thousands of elements is cheap to ask. A bucket
/// that fills by the second; drawing takes a drop at a time and never finds it empty.
#[derive(Debug)]
struct Allowance {
    elements: f64,
    since: Instant,
}

impl Allowance {
    /// What it holds at most: clearing a large board, and taking that back, is an ordinary thing to do.
    const MOST: f64 = 100_000.0;
    /// What comes back in a second.
    const PER_SECOND: f64 = 50_000.0;

    fn spend(&mut self, elements: u64) {
        let now = Instant::now();
        let back = (now - self.since).as_secs_f64() * Self::PER_SECOND;
        self.elements = (self.elements + back).min(Self::MOST) - elements as f64;
        self.since = now;
    }

    /// How long to wait until something is there again.
    fn pause(&self) -> Option<Duration> {
        (self.elements < 0.0).then(|| Duration::from_secs_f64(-self.elements / Self::PER_SECOND))
    }
}

impl Member {
    /// A connection to a room that has not said hello yet.
    pub fn new(rooms: Arc<Rooms>, room: Place, encoding: Encoding, wakeup: Arc<Wakeup>) -> Self {
        let id = rooms.member_id();
        let images = Images::new(rooms.arrivals.clone(), wakeup.clone());
        Self {
            id,
            room,
            rooms,
            encoding,
            images,
            wakeup,
            seat: None,
            answers: Vec::new(),
            backlog: VecDeque::new(),
            allowance: Allowance { elements: Allowance::MOST, since: Instant::now() },
            rests_until: None,
            said_goodbye: false,
            since: Instant::now(),
        }
    }

    /// Whether it has said no hello for too long: it takes a place and does nothing with it.
    fn is_late(&self) -> bool {
        Instant::now() >= self.since + HELLO_PATIENCE
    }

    fn decode(&self, message: Message<'_>) -> Result<Vec<ClientMessage>, Close> {
        let packet = match (self.encoding, message) {
            (Encoding::Binary, Message::Binary(bytes)) => binary::decode_client(bytes),
            (Encoding::Json, Message::Text(text)) => json::decode_client(text),
            (Encoding::Binary, _) => return Err(Close::new(Close::UNSUPPORTED_DATA, "inkwire.v1 is binary")),
            (Encoding::Json, _) => return Err(Close::new(Close::UNSUPPORTED_DATA, "inkwire.v1.json is text")),
        };
        packet.map_err(|error| Close::new(Close::INVALID_PAYLOAD, error.name()))
    }

    fn receive(&mut self, message: ClientMessage) -> Result<(), Close> {
        let Some((author, position)) = &mut self.seat else {
            return match message {
                ClientMessage::Hello { client_id, epoch, seq, hash, name, colour } => {
                    let hash = StateHash::from_bytes(hash);
                    self.join(&Hello { client_id, epoch, seq, hash, name, colour });
                    Ok(())
                }
                _ => Err(self.refuse("the first message must be hello")),
            };
        };
        let author = *author;
        match message {
            ClientMessage::Hello { .. } => return Err(self.refuse("hello is said once")),
            ClientMessage::Operations { first_cseq, operations } => {
                self.backlog.extend((first_cseq..).zip(operations));
                self.work();
            }
            ClientMessage::Presence { cursor } => self.room.cursor(author, cursor),
            ClientMessage::View { view } => self.room.view(author, view),
            ClientMessage::Laser { at } => self.room.laser(author, at),
            ClientMessage::ImagePart { image, length, offset, bytes } => {
                self.take_part(Part { image, length: length as usize, offset: offset as usize, bytes });
            }
            ClientMessage::Profile { name, colour } => self.room.profile(author, &name, colour),
            ClientMessage::Check { seq, hash } => {
                self.room.check(author, position, seq, StateHash::from_bytes(hash));
            }
            ClientMessage::Ping { nonce } => self.answers.push(ServerMessage::Pong { nonce }),
            ClientMessage::Unknown { .. } => {}
        }
        Ok(())
    }

    fn take_part(&mut self, part: Part) {
        let image = part.image;
        match self.images.take(part, self.rooms.storage()) {
            Ok(Some(work)) => smol::unblock(work).detach(),
            Ok(None) => {}
            Err(state) => self.answers.push(ServerMessage::Image { image, state }),
        }
    }

    /// Does some of what is still to be done. What is left is done in later turns of the connection, in between which
    /// others have theirs; until then nothing more is read from this member.
    fn work(&mut self) {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let work = self.room.submit(self.id, &mut self.backlog);
        let answers = work.rejects.into_iter().map(|(cseq, reason)| ServerMessage::Reject { cseq, reason });
        self.answers.extend(answers);
        self.allowance.spend(work.elements);
        let pause = self.allowance.pause();
        self.rests_until = pause.map(|pause| Instant::now() + pause);
        if pause.is_none() && !self.backlog.is_empty() {
            self.wakeup.wake();
        }
    }

    fn join(&mut self, hello: &Hello) {
        let joined = self.room.join(self.id, hello, self.wakeup.clone());
        tracing::debug!(board = %self.room.name(), member = self.id, author = joined.author, "joined");
        self.answers.push(joined.welcome);
        self.seat = Some((joined.author, joined.position));
    }

    fn refuse(&mut self, why: &str) -> Close {
        self.bye(Reason::HelloExpected, 0, why);
        self.said_goodbye = true;
        Close::new(Close::INVALID_PAYLOAD, "helloExpected")
    }

    fn bye(&mut self, reason: Reason, retry_ms: u64, text: &str) {
        self.answers.push(ServerMessage::Bye { reason, retry_ms, text: text.into() });
    }

    fn answer(&mut self) -> Option<Bytes> {
        let answers = std::mem::take(&mut self.answers);
        (!answers.is_empty()).then(|| Packet::of(&answers).frame(self.encoding))
    }

    fn see_to_flush(&self) {
        if let Due::At(due) = self.room.flush_if_due() {
            self.rooms.flush_at(self.room.room().clone(), due);
        }
    }
}

impl Session for Member {
    fn on_message(&mut self, message: Message<'_>) -> Result<(), Close> {
        let packet = self.decode(message).inspect_err(|close| {
            self.rooms.metrics().malformed.inc();
            tracing::debug!(board = %self.room.name(), member = self.id, rule = %close.reason, "malformed packet");
        });
        let packet = match packet {
            Ok(packet) => packet,
            Err(close) => {
                self.bye(Reason::Malformed, 0, &close.reason);
                self.said_goodbye = true;
                return Err(close);
            }
        };
        packet.into_iter().try_for_each(|message| self.receive(message))
    }

    fn on_messages_end(&mut self) {
        self.see_to_flush();
    }

    fn pull(&mut self, out: &mut Outgoing) {
        if !self.backlog.is_empty() {
            self.work();
            self.see_to_flush();
        }
        let kept = self.images.take_answers().into_iter();
        self.answers.extend(kept.map(|(image, state)| ServerMessage::Image { image, state }));
        if let Some(answer) = self.answer() {
            out.push(answer);
        }
        if let Some((_, position)) = &mut self.seat
            && !self.said_goodbye
        {
            self.room.pull(position, self.encoding, out);
        }
    }

    fn is_saturated(&self) -> bool {
        self.answers.len() >= ANSWERS || !self.backlog.is_empty()
    }

    fn next_turn(&self) -> Option<Instant> {
        match self.seat {
            None if self.said_goodbye => None,
            None => Some(self.since + HELLO_PATIENCE),
            Some(_) if self.backlog.is_empty() => None,
            Some(_) => self.rests_until,
        }
    }

    fn wants_close(&mut self) -> Option<Close> {
        if self.said_goodbye {
            return None;
        }
        if self.seat.is_none() {
            return self.is_late().then(|| {
                self.bye(Reason::TimedOut, 0, "no hello came");
                self.said_goodbye = true;
                Close::new(Close::POLICY, "timedOut")
            });
        }
        let reason = self.room.dismisses(self.id)?;
        self.said_goodbye = true;
        Some(match reason {
            Reason::Replaced => {
                self.bye(reason, 0, "joined again on another connection");
                Close::new(REPLACED, "replaced")
            }
            Reason::Deleted => {
                self.bye(reason, 0, "the board was deleted");
                Close::new(DELETED, "deleted")
            }
            _ => {
                self.bye(reason, RESTART_RETRY, "the board was put in place anew");
                Close::new(Close::RESTART, "")
            }
        })
    }

    fn on_shutdown(&mut self) {
        self.bye(Reason::Restart, RESTART_RETRY, "the server stops");
    }

    fn on_close(&mut self, close: &Close) {
        tracing::debug!(board = %self.room.name(), member = self.id, code = close.code, reason = ?close.reason, "left");
        if self.seat.take().is_some() {
            self.room.leave(self.id);
            self.see_to_flush();
        }
        self.rooms.release(&self.room);
    }
}
