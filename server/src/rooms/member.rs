//! A member: the drawing service's side of one connection.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_protocol::{
    ClientMessage, ImageState, Operation, Reason, ServerMessage, Text,
    binary::{self, ClientPacket},
    json,
};
use inkwire_room::{Cost, Encoding, Packet, Room, Submission};

use super::allowance::Allowance;
use super::auth_throttle;
use super::background::{Background, Completion};
use super::entering::Entering;
use super::images::{Images, Part};
use super::questions::Questions;
use super::registry::{RoomHandle, Rooms};
use super::shared::{Due, Seated, now};
use crate::net::wakeup::Wakeup;
use crate::ws::{Close, Message, Outgoing, Session};

/// Close code of a connection that another one of the same client replaced (RFC 6455 section 7.4.2: private use).
const REPLACED: u16 = 4000;
/// Close code of a connection to a board that was deleted.
const DELETED: u16 = 4001;
/// Close code of a connection that is not let in, or no longer.
const FORBIDDEN: u16 = 4003;
/// Close code of a connection to a board that has no room for it.
const FULL: u16 = 4004;
/// Between two signals to slow down.
const SIGNALS_APART: Duration = Duration::from_secs(1);
/// Wait of a client before it comes back to a server that restarts, in milliseconds.
const RESTART_RETRY: u64 = 250;

/// Delay of reading while the storage holds as much as it may.
const OVERFULL: Duration = Duration::from_secs(1);

/// Answers that may wait for a member before nothing more is read from it. One packet adds a few thousand at most: 8
/// messages of 1,024 operations.
const ANSWERS: usize = 256;

/// A connection in a room.
#[derive(Debug)]
pub struct Member {
    pub(super) id: u64,
    pub(super) room: RoomHandle,
    pub(super) rooms: Arc<Rooms>,
    pub(super) encoding: Encoding,
    pub(super) wakeup: Arc<Wakeup>,
    pub(super) seat: Option<Seated>,
    /// Answers to this member alone; see [`Session::is_saturated`].
    pub(super) answers: Vec<ServerMessage>,
    /// Operations that are still to be done, because those before them were much work.
    pub(super) backlog: VecDeque<Submission<'static>>,
    /// From the first part of an image on.
    pub(super) images: Option<Box<Images>>,
    /// From the first question on.
    pub(super) questions: Option<Box<Questions>>,
    /// From the first work elsewhere on; most who only look have none.
    pub(super) background: Option<Arc<Background>>,
    pub(super) address: Option<IpAddr>,
    /// Until it has joined.
    pub(super) entering: Option<Box<Entering>>,
    pub(super) allowance: Allowance,
    /// The cost of received messages that is not accounted for yet.
    pub(super) cost: Cost,
    /// When this member was last told to slow down, and until when.
    pub(super) signalled: Option<Box<(Instant, Instant)>>,
    /// Until when this member rests; a timer wakes it then.
    pub(super) rests_until: Option<Instant>,
    /// See [`SharedRoom::dismisses`].
    pub(super) asked: u64,
    pub(super) said_goodbye: bool,
}

impl Member {
    /// A connection to a room that has not said hello yet.
    pub fn new(
        rooms: Arc<Rooms>,
        room: RoomHandle,
        encoding: Encoding,
        address: Option<IpAddr>,
        wakeup: Arc<Wakeup>,
    ) -> Self {
        let id = rooms.member_id();
        let now = Instant::now();
        let allowance = Allowance::new(rooms.limits(), now);
        Self {
            id,
            room,
            rooms,
            encoding,
            images: None,
            questions: None,
            background: None,
            wakeup,
            seat: None,
            answers: Vec::new(),
            backlog: VecDeque::new(),
            address,
            entering: Some(Box::new(Entering::new(now))),
            allowance,
            cost: Cost::default(),
            signalled: None,
            rests_until: None,
            asked: 0,
            said_goodbye: false,
        }
    }

    /// The span of what this member does; it costs nothing while lines of its level are not written.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::debug_span!("member", board = %self.room.name(), member = self.id)
    }

    pub(super) fn background(&mut self) -> &Arc<Background> {
        self.background.get_or_insert_with(|| Background::new(self.wakeup.clone()))
    }

    fn decode(&self, message: Message<'_>) -> Result<ClientPacket, Close> {
        let packet = match (self.encoding, message) {
            (Encoding::Binary, Message::Binary(bytes)) => binary::decode_client(bytes),
            (Encoding::Json, Message::Text(text)) => json::decode_client(text),
            (Encoding::Binary, _) => return Err(Close::new(Close::UNSUPPORTED_DATA, "inkwire.v1 is binary")),
            (Encoding::Json, _) => return Err(Close::new(Close::UNSUPPORTED_DATA, "inkwire.v1.json is text")),
        };
        packet.map_err(|error| Close::new(Close::INVALID_PAYLOAD, error.name()))
    }

    /// Acts on a message. `encoded` are the bytes of its operations; none if it did not come in binary.
    pub(super) fn receive<'a>(
        &mut self,
        message: ClientMessage,
        encoded: &mut impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Close> {
        if let Some(entering) = self.entering.as_mut().filter(|entering| entering.joining.is_some()) {
            entering.held.push(message);
            return Ok(());
        }
        let Some(seat) = &mut self.seat else { return self.receive_first(message) };
        let author = seat.author;
        match message {
            ClientMessage::Hello { .. } => return Err(self.refuse("hello is said once")),
            ClientMessage::Credentials { .. } => return Err(self.refuse("credentials come before hello")),
            ClientMessage::Operations { first_cseq, operations } => {
                let numbered = (first_cseq..).zip(operations);
                self.work(numbered.map(|(cseq, operation)| match encoded.next() {
                    Some(bytes) => Submission::relayed(cseq, operation, bytes),
                    None => Submission::encoded(cseq, operation),
                }));
            }
            ClientMessage::Presence { cursor } => self.room.with(|room| room.cursor(author, cursor)),
            ClientMessage::View { view } => self.room.with(|room| room.view(author, view)),
            ClientMessage::Laser { at } => self.room.with(|room| room.laser(self.id, author, at, now())),
            ClientMessage::Draft { shape } => self.room.with(|room| room.draft(author, shape)),
            ClientMessage::Writing { text } => self.write(author, text),
            ClientMessage::Hand { raised } => self.room.with(|room| room.hand(author, raised)),
            ClientMessage::React { reaction } => self.room.with(|room| room.react(self.id, author, reaction, now())),
            ClientMessage::Moderate { action } => self.moderate(action),
            ClientMessage::Past { from } => self.ask_past(from),
            ClientMessage::Chronicle => self.ask_chronicle(),
            ClientMessage::Authors { from } => self.ask_authors(from),
            ClientMessage::Branch { seq } => self.branch(seq),
            ClientMessage::ImagePart { image, length, offset, bytes } => {
                self.take_part(Part { image, length: length as usize, offset: offset as usize, bytes });
            }
            ClientMessage::Profile { name, colour } => {
                self.room.with(|room| room.profile(self.id, author, &name, colour, now()));
            }
            ClientMessage::Check { seq, hash } => {
                self.room.check(seat, seq, StateHash::from_bytes(hash));
            }
            ClientMessage::Ping { nonce } => self.answers.push(ServerMessage::Pong { nonce }),
            ClientMessage::Unknown { .. } => {}
        }
        Ok(())
    }

    /// Shows the others what is being written. It costs what its bytes cost when they are drawn.
    fn write(&mut self, author: u32, text: Option<Text>) {
        let bytes = text.as_ref().map_or(0, |text| text.text.len());
        let pause = self.allowance.spend(1, Cost { points: 0, bytes });
        self.rest_for(pause);
        self.room.with(|room| room.writing(author, text));
    }

    /// Takes what work elsewhere has come to.
    fn take_completions(&mut self) {
        let Some(background) = &self.background else { return };
        for completion in background.take() {
            match completion {
                Completion::Answers(answers) => self.take_answers(answers),
                Completion::Answered(question, answers) => {
                    let questions = self.questions.as_mut();
                    let next = questions.and_then(|questions| questions.answered(question, &answers));
                    self.take_answers(answers);
                    next.into_iter().for_each(|from| self.ask_past(from));
                }
                Completion::Password(hash, fits) => self.password_checked(&hash, fits),
                Completion::Nothing => self.nothing_came(),
            }
        }
    }

    fn nothing_came(&mut self) {
        if self.entering.is_some() {
            return self.password_checked("", Err(auth_throttle::BUSY));
        }
        self.questions.iter_mut().for_each(|questions| questions.forget());
        let text = "the server has too much to do for this: try again in a few seconds".into();
        self.answers.push(ServerMessage::NotDone { text });
    }

    fn take_answers(&mut self, answers: Vec<ServerMessage>) {
        self.spend(answers.iter().map(work_of).sum());
        self.answers.extend(answers);
        // An order may have changed what the others see.
        self.see_to_flush();
    }

    fn take_part(&mut self, part: Part) {
        let image = part.image;
        if !self.room.with(|room| room.may_draw(self.id, now())) {
            self.answers.push(ServerMessage::Image { image, state: ImageState::Busy });
            return;
        }
        match self.images.get_or_insert_default().take(part, &self.rooms.arrivals, self.rooms.storage(), Instant::now())
        {
            Ok(Some(work)) => {
                self.background()
                    .begin_beside(move || Completion::Answers(vec![ServerMessage::Image { image, state: work() }]));
            }
            Ok(None) => {}
            Err(state) => self.answers.push(ServerMessage::Image { image, state }),
        }
    }

    /// Does some of the backlog and of what comes after it. The rest is done in later turns of the connection, between which others
    /// have theirs; until then nothing more is read from this member.
    fn work<'a>(&mut self, mut coming: impl Iterator<Item = Submission<'a>>) {
        let pause = self.submit(&mut coming);
        self.backlog.extend(coming.map(Submission::into_owned));
        if pause.is_none() && !self.backlog.is_empty() {
            self.wakeup.wake();
        }
    }

    /// Submits some operations; returns how long the next ones have to wait.
    fn submit<'a>(&mut self, coming: &mut impl Iterator<Item = Submission<'a>>) -> Option<Duration> {
        let rests = self.rests_until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(rest) = rests.filter(|rest| !rest.is_zero()) {
            return Some(rest);
        }
        if self.rooms.storage().is_overfull() {
            // The messages that were read are kept; more are read when the disk has taken some of the waiting ones.
            self.rest_for(Some(OVERFULL));
            self.signal(Some(OVERFULL));
            return Some(OVERFULL);
        }
        let cost = std::mem::take(&mut self.cost);
        let mut submissions = std::iter::from_fn(|| self.backlog.pop_front().or_else(|| coming.next()));
        let work = self.room.submit(self.id, &mut submissions, cost);
        let answers = work.rejects.into_iter().map(|(cseq, reason)| ServerMessage::Reject { cseq, reason });
        self.answers.extend(answers);
        if !work.events.is_empty() {
            let room = self.room.clone();
            self.keep(move || room.keep_events(work.events));
        }
        let pause = self.allowance.spend(work.elements, cost).max(work.pause);
        self.rest_for(pause);
        if work.is_low || self.allowance.is_low() {
            self.signal(pause);
        }
        pause
    }

    /// Takes work out of this member's allowance.
    pub(super) fn spend(&mut self, elements: u64) {
        let pause = self.allowance.spend(elements, Cost::default());
        self.rest_for(pause);
    }

    /// Nothing is read from this member for a while: TCP tells it to wait, and whatever it has sent is done later.
    fn rest_for(&mut self, pause: Option<Duration>) {
        // Never shorter than it was told before.
        self.rests_until = self.rests_until.max(pause.map(|pause| Instant::now() + pause));
    }

    /// Says that this member draws more than it may for long, now and then.
    fn signal(&mut self, pause: Option<Duration>) {
        let (now, pause) = (Instant::now(), pause.unwrap_or(SIGNALS_APART));
        // At once where it will be longer than it was told: it expects an answer sooner.
        let is_news =
            |(last, until): (Instant, Instant)| now >= last + SIGNALS_APART || now + pause > until + SIGNALS_APART;
        if self.signalled.as_deref().copied().is_none_or(is_news) {
            self.signalled = Some(Box::new((now, now + pause)));
            self.answers.push(ServerMessage::SlowDown { ms: pause.as_millis() as u64 });
            self.rooms.metrics().slowed.inc();
        }
    }

    pub(super) fn refuse(&mut self, why: &str) -> Close {
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

    /// The last words to somebody who is not let in, or no longer.
    fn dismiss(&mut self, reason: Reason, wait: Duration) -> Close {
        self.said_goodbye = true;
        let (code, text) = match reason {
            Reason::Replaced => (REPLACED, "joined again on another connection"),
            Reason::Deleted => (DELETED, "the board was deleted"),
            Reason::Forbidden => (FORBIDDEN, "this board lets nobody in without a link that holds"),
            Reason::Expired => (FORBIDDEN, "the link has expired"),
            Reason::PasswordNeeded => (FORBIDDEN, "the board has a password, and that was not it"),
            Reason::TooManyTries => (FORBIDDEN, "too many links or passwords were tried: wait"),
            Reason::Removed => (FORBIDDEN, "a host has ended this connection"),
            Reason::Banned => (FORBIDDEN, "a host lets this person in no more"),
            Reason::Full => (FULL, "as many people are on this board as may be"),
            Reason::TooManyBoards if !wait.is_zero() => {
                (FULL, "many new boards came from this address (--boards-per-address): try again later")
            }
            Reason::TooManyBoards => (FULL, "this server keeps no more boards (--max-boards)"),
            _ => {
                self.bye(reason, RESTART_RETRY, "the board was put in place anew");
                return Close::new(Close::RESTART, "");
            }
        };
        self.bye(reason, wait.as_millis() as u64, text);
        Close::new(code, reason.to_string())
    }

    fn see_to_flush(&self) {
        if let Due::At(due) = self.room.flush_if_due() {
            self.rooms.flush_at(self.room.room().clone(), due);
        }
    }
}

impl Session for Member {
    fn on_message(&mut self, message: Message<'_>) -> Result<(), Close> {
        self.cost.bytes += message.size();
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(_) => &[],
        };
        let packet = self.decode(message).inspect_err(|close| {
            self.rooms.metrics().malformed.inc();
            self.span().in_scope(|| tracing::debug!(rule = %close.reason, "malformed packet"));
        });
        let packet = match packet {
            Ok(packet) => packet,
            Err(close) => {
                self.bye(Reason::Malformed, 0, &close.reason);
                self.said_goodbye = true;
                return Err(close);
            }
        };
        self.cost.points += packet.iter().map(points_of).sum::<usize>();
        let mut encoded = binary::operations_in(bytes);
        packet.into_iter().try_for_each(|message| {
            // Each message has the bytes of its own operations, also if it is dropped.
            let mut own = encoded.by_ref().take(operations_of(&message));
            let received = self.receive(message, &mut own);
            own.for_each(drop);
            received
        })?;
        if self.cost.bytes > 0 {
            // Messages other than operations cost bytes as well.
            self.work(std::iter::empty());
        }
        Ok(())
    }

    fn on_messages_end(&mut self) {
        self.see_to_flush();
    }

    fn pull(&mut self, out: &mut Outgoing) {
        self.take_completions();
        if !self.backlog.is_empty() {
            self.work(std::iter::empty());
            self.see_to_flush();
        }
        if let Some(seat) = &mut self.seat
            && seat.position.changes_at().is_some_and(|until| until <= Instant::now())
        {
            self.room.with(|room| room.changes(&mut seat.position, now()));
            self.see_to_flush();
        }
        if let Some(answer) = self.answer() {
            out.push(answer);
        }
        if let Some(seat) = &mut self.seat
            && !self.said_goodbye
        {
            self.room.pull(seat, self.encoding, &self.wakeup, out);
        }
    }

    fn is_saturated(&self) -> bool {
        let is_resting = self.rests_until.is_some_and(|until| Instant::now() < until);
        self.answers.len() >= ANSWERS
            || !self.backlog.is_empty()
            || is_resting
            || self.background.as_ref().is_some_and(|background| background.is_busy())
    }

    fn next_turn(&self) -> Option<Instant> {
        match &self.seat {
            None if self.said_goodbye => None,
            None => {
                let waits = self.entering.as_ref().filter(|entering| entering.joining.is_none());
                waits.map(|entering| entering.is_late_at())
            }
            Some(Seated { position, .. }) => {
                let rested = self.rests_until.filter(|until| !self.backlog.is_empty() || *until > Instant::now());
                rested.into_iter().chain(position.changes_at()).chain(position.again_at()).min()
            }
        }
    }

    fn wants_close(&mut self) -> Option<Close> {
        if self.said_goodbye {
            return None;
        }
        if let Some(entering) = &mut self.entering {
            if let Some((reason, wait)) = entering.refused.take() {
                return Some(self.dismiss(reason, wait));
            }
            let is_late = entering.joining.is_none() && Instant::now() >= entering.is_late_at();
            return is_late.then(|| {
                self.bye(Reason::TimedOut, 0, "no hello came");
                self.said_goodbye = true;
                Close::new(Close::POLICY, "timedOut")
            });
        }
        if let Some(seat) = &mut self.seat
            && seat.is_slow()
        {
            self.span().in_scope(|| tracing::debug!("slow reader: disconnected while it read a snapshot"));
            self.bye(Reason::TimedOut, 0, "slow reader: others need the room (--max-in-flight)");
            self.said_goodbye = true;
            self.room.with(Room::drop_unused_snapshots);
            return Some(Close::new(Close::POLICY, "slowReader"));
        }
        let reason = self.room.dismisses(self.id, &mut self.asked)?;
        Some(self.dismiss(reason, Duration::ZERO))
    }

    fn on_ending(&mut self) {
        // Nobody is dismissed who is ending already, so nothing is held that others may need.
        if let Some(seat) = &mut self.seat {
            seat.ends_snapshot();
            self.room.with(Room::drop_unused_snapshots);
        }
    }

    fn on_shutdown(&mut self) {
        self.bye(Reason::Restart, RESTART_RETRY, "the server stops");
    }

    fn on_close(&mut self, close: &Close) {
        self.span().in_scope(|| tracing::debug!(code = close.code, reason = ?close.reason, "left"));
        if self.seat.take().is_some() {
            self.room.leave(self.id);
            self.see_to_flush();
        }
        self.rooms.release(&self.room);
    }
}

/// Returns the number of operations in a message.
fn operations_of(message: &ClientMessage) -> usize {
    match message {
        ClientMessage::Operations { operations, .. } => operations.len(),
        _ => 0,
    }
}

/// The points that a message draws.
fn points_of(message: &ClientMessage) -> usize {
    let ClientMessage::Operations { operations, .. } = message else { return 0 };
    let points = operations.iter().map(|operation| match operation {
        Operation::Points(points) => points.steps.len(),
        _ => 1,
    });
    points.sum()
}

/// The work of an answer that was read from the disk, in elements.
fn work_of(answer: &ServerMessage) -> u64 {
    let records = match answer {
        ServerMessage::Past { entries, .. } => entries.len(),
        ServerMessage::Chronicle { moments, names } => moments.len() + names.len(),
        ServerMessage::Authors { names } => names.len(),
        ServerMessage::Audit { records } => records.len(),
        _ => 0,
    };
    records as u64
}
