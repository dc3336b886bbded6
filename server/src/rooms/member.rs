//! A member: the drawing service's side of one connection.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_protocol::{
    Action, ClientMessage, ImageState, Operation, Reason, ServerMessage, Text, Token,
    binary::{self, ClientPacket},
    json,
};
use inkwire_room::{
    Access, Bucket, Caller, Cost, Digest, Encoding, Hello, Limits, OrderError, Packet, Refusal, Room, Someone,
    is_question,
};

use super::entrance;
use super::hashing::{HashError, Memory};
use super::images::{Images, Part};
use super::later::{Later, Told};
use super::questions::{Question, Questions, Turn};
use super::registry::{Place, Rooms};
use super::shared::{Due, Seated, SharedRoom, now};
use crate::metrics::Refused;
use crate::name::BoardName;
use crate::random;
use crate::storage::{self, Past, StorageError};
use crate::wakeup::Wakeup;
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
/// How long a client is asked to wait before it comes back to a server that restarts, in milliseconds.
const RESTART_RETRY: u64 = 250;

/// How long reading is delayed when the storage holds as much as it may.
const OVERFULL: Duration = Duration::from_secs(1);
/// The work of an order or a question beside its answer, in elements: a thread, the lock of the room, a look at the disk.
const ASKED: u64 = 250;
/// The work of hashing a password: some ten milliseconds of a processor.
const HASHED: u64 = 10_000;

/// How long a new connection may take to say hello: a person may type it.
const HELLO_PATIENCE: Duration = Duration::from_secs(60);

/// Answers that may wait for a member before nothing more is read from it. One packet adds a few thousand at most: 8
/// messages of 1,024 operations.
const ANSWERS: usize = 256;

/// A connection in a room.
#[derive(Debug)]
pub struct Member {
    id: u64,
    room: Place,
    rooms: Arc<Rooms>,
    encoding: Encoding,
    wakeup: Arc<Wakeup>,
    seat: Option<Seated>,
    /// Answers to this member alone; see [`Session::is_saturated`].
    answers: Vec<ServerMessage>,
    /// Operations that are still to be done, because those before them were much work.
    backlog: VecDeque<(u64, Operation)>,
    /// From the first part of an image on.
    images: Option<Box<Images>>,
    /// From the first question on.
    questions: Option<Box<Questions>>,
    /// From the first work elsewhere on; most who only look have none.
    later: Option<Arc<Later>>,
    address: Option<IpAddr>,
    /// Until it is seated.
    entering: Option<Box<Entering>>,
    allowance: Allowance,
    /// What has come and is not accounted for yet.
    cost: Cost,
    /// When this member was last told to slow down, and until when.
    signalled: Option<Box<(Instant, Instant)>>,
    /// Until when this member rests; a timer wakes it then.
    rests_until: Option<Instant>,
    /// See [`SharedRoom::dismisses`].
    asked: u64,
    said_goodbye: bool,
}

/// Somebody who is not seated yet.
#[derive(Debug)]
struct Entering {
    since: Instant,
    credentials: Credentials,
    /// Who waits to join until the password is checked.
    joining: Option<Hello>,
    /// What came behind that hello.
    held: Vec<ClientMessage>,
    /// Why this member is not let in.
    refused: Option<(Reason, Duration)>,
}

impl Entering {
    fn new(since: Instant) -> Self {
        Self { since, credentials: Credentials::default(), joining: None, held: Vec::new(), refused: None }
    }

    /// When it has said no hello for too long: it takes a place and does nothing with it.
    fn is_late_at(&self) -> Instant {
        self.since + HELLO_PATIENCE
    }
}

/// What a member has to show.
#[derive(Debug, Default)]
struct Credentials {
    token: Option<Token>,
    visitor: Option<Token>,
    password: String,
}

/// How much a member may still ask. Buckets that fill by the second: drawing takes a drop at a time and never finds one
/// empty.
#[derive(Debug)]
struct Allowance {
    /// Elements that are worked on, operations, and records that are read from the disk: undoing a gesture that touched thousands of them is cheap to ask, and clearing a large
    /// board and taking that back an ordinary thing to do.
    elements: Bucket,
    points: Bucket,
    bytes: Bucket,
}

impl Allowance {
    fn new(limits: &Limits, now: Instant) -> Self {
        let elements = Bucket::holding(100_000.0, 50_000.0, now);
        Self { elements, points: Bucket::of(limits.points, now), bytes: Bucket::of(limits.bytes, now) }
    }

    /// Takes out what something cost; gives how long to rest.
    fn spend(&mut self, elements: u64, cost: Cost) -> Option<Duration> {
        let now = Instant::now();
        self.elements.spend(elements as f64, now);
        self.points.spend(cost.points as f64, now);
        self.bytes.spend(cost.bytes as f64, now);
        self.elements.pause().max(self.points.pause()).max(self.bytes.pause())
    }

    fn is_low(&self) -> bool {
        self.points.is_low() || self.bytes.is_low()
    }
}

impl Member {
    /// A connection to a room that has not said hello yet.
    pub fn new(
        rooms: Arc<Rooms>,
        room: Place,
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
            later: None,
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

    /// Not let in, for this reason.
    fn stays_out(&mut self, reason: Reason, wait: Duration) {
        if let Some(entering) = &mut self.entering {
            entering.refused = Some((reason, wait));
        }
    }

    fn later(&mut self) -> &Arc<Later> {
        self.later.get_or_insert_with(|| Later::new(self.wakeup.clone()))
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

    fn receive(&mut self, message: ClientMessage) -> Result<(), Close> {
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
                self.backlog.extend((first_cseq..).zip(operations));
                self.work();
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

    /// What may be said before one has joined.
    fn receive_first(&mut self, message: ClientMessage) -> Result<(), Close> {
        match message {
            ClientMessage::Hello { client_id, epoch, seq, hash, name, colour } => {
                let hash = StateHash::from_bytes(hash);
                self.join(Hello { client_id, epoch, seq, hash, name, colour }, None);
            }
            ClientMessage::Credentials { token, visitor, password } => {
                if let Some(entering) = &mut self.entering {
                    entering.credentials = Credentials { token, visitor, password };
                }
            }
            _ if self.entering.as_ref().is_some_and(|entering| entering.refused.is_some()) => {}
            _ => return Err(self.refuse("the first message must be hello")),
        }
        Ok(())
    }

    /// Whether a question is to be answered now. One that is asked too often is told so.
    fn begins(&mut self, question: Question) -> bool {
        let now = Instant::now();
        let turn = self.questions.get_or_insert_with(|| Box::new(Questions::new(now))).begin(question, now);
        if turn == Turn::TooOften {
            self.answers.push(ServerMessage::NotDone { text: "asked too often: wait a few seconds".into() });
        }
        turn == Turn::Now
    }

    fn ask_past(&mut self, from: u64) {
        if self.begins(Question::Past(from)) {
            self.ask_storage(Question::Past(from), move |storage, name| past(storage.past(name, from)?));
        }
    }

    fn ask_chronicle(&mut self) {
        if !self.begins(Question::Chronicle) {
            return;
        }
        let room = self.room.clone();
        self.ask_storage(Question::Chronicle, move |_, _| {
            let chronicle = room.chronicle()?;
            let (moments, names) = (chronicle.moments.clone(), chronicle.names_from(0).to_vec());
            Ok(ServerMessage::Chronicle { moments, names })
        });
    }

    fn ask_authors(&mut self, from: u32) {
        if !self.begins(Question::Authors(from)) {
            return;
        }
        let room = self.room.clone();
        self.ask_storage(Question::Authors(from), move |_, _| {
            Ok(ServerMessage::Authors { names: room.chronicle()?.names_from(from).to_vec() })
        });
    }

    /// Shows the others what is being written. It costs what its bytes cost when they are drawn.
    fn write(&mut self, author: u32, text: Option<Text>) {
        let bytes = text.as_ref().map_or(0, |text| text.text.len());
        let pause = self.allowance.spend(1, Cost { points: 0, bytes });
        self.rest_for(pause);
        self.room.with(|room| room.writing(author, text));
    }

    /// Has a host's order carried out, and kept, before it is answered.
    fn moderate(&mut self, action: Action) {
        self.spend(ASKED);
        // Before any work: a member that does not host has nothing hashed, and no thread.
        if !self.room.with(|room| room.is_host(self.id)) {
            return self.answers.push(not_done(&StorageError::Order(OrderError::NotHost.to_string())));
        }
        let question = match action {
            Action::Rules => Some(Question::Rules),
            Action::Audit => Some(Question::Audit),
            _ => None,
        };
        if question.is_some_and(|question| !self.begins(question)) {
            return;
        }
        let (rooms, room, member) = (self.rooms.clone(), self.room.clone(), self.id);
        match action {
            Action::Password { password } if !password.is_empty() => {
                self.spend(HASHED);
                let hashing = self.rooms.hashing().clone();
                let hash = move |memory: &mut Memory| memory.hash(&password);
                let then = move |hash: Result<String, HashError>| {
                    let done = hash.map_err(|error| StorageError::Order(error.to_string())).and_then(|hash| {
                        let action = Action::Password { password: String::new() };
                        obey(&rooms, &room, member, &action, Some(hash))
                    });
                    Told::Answers(done.unwrap_or_else(|error| vec![not_done(&error)]))
                };
                self.later().begin_hashing(&hashing, hash, then);
            }
            action => self.later().begin(move || {
                let done = obey(&rooms, &room, member, &action, None);
                let answers = done.unwrap_or_else(|error| vec![not_done(&error)]);
                match question {
                    Some(question) => Told::Answered(question, answers),
                    None => Told::Answers(answers),
                }
            }),
        }
    }

    fn ask_storage(
        &mut self,
        question: Question,
        ask: impl FnOnce(&dyn storage::Storage, &BoardName) -> Result<ServerMessage, StorageError> + Send + 'static,
    ) {
        self.spend(ASKED);
        let (storage, name) = (self.rooms.storage().clone(), self.room.name().clone());
        self.later().begin(move || {
            let answer = ask(&*storage, &name);
            Told::Answered(question, vec![answer.unwrap_or_else(|error| not_done(&error))])
        });
    }

    fn branch(&mut self, seq: u64) {
        if !self.begins(Question::Branch) {
            let text = "a new board is being made of this one already".into();
            return self.answers.push(ServerMessage::NotDone { text });
        }
        if let Some(text) = self.refuses_branch() {
            self.questions.iter_mut().for_each(|questions| _ = questions.done(Question::Branch));
            return self.answers.push(ServerMessage::NotDone { text: text.into() });
        }
        let (most, uncounted) = (self.rooms.limits().boards, self.rooms.uncounted());
        self.ask_storage(Question::Branch, move |storage, name| {
            if storage.count()? + uncounted >= most {
                return Err(StorageError::Order("this server keeps no more boards".into()));
            }
            let (branch, token) = (BoardName::unguessable(), random::token());
            let lease = storage.branch(name, seq, &branch)?;
            // Nobody knows its name yet who could become its host.
            let access = Access::hosted_by(&token, now().since_1970).record();
            storage.keep_access(&branch, access, Vec::new(), &lease)?;
            Ok(ServerMessage::Branched { name: branch.to_string(), token })
        });
    }

    /// Why no board may be made of this one now. The address is asked first: what it may not do costs the others nothing.
    fn refuses_branch(&self) -> Option<&'static str> {
        if self.rooms.creations().begin(self.address, Instant::now()).is_some() {
            self.rooms.metrics().refuse(Refused::Boards);
            return Some("many new boards came from this address (--boards-per-address): try again later");
        }
        let is_too_often = !self.room.with(|room| room.may_branch(Instant::now()));
        is_too_often.then_some("many new boards were made of this one just now: wait a minute")
    }

    /// Takes what work elsewhere has come to.
    fn take_told(&mut self) {
        let Some(later) = &self.later else { return };
        for told in later.take() {
            match told {
                Told::Answers(answers) => self.take_answers(answers),
                Told::Answered(question, answers) => {
                    let questions = self.questions.as_mut();
                    let next = questions.and_then(|questions| questions.answered(question, &answers));
                    self.take_answers(answers);
                    next.into_iter().for_each(|from| self.ask_past(from));
                }
                Told::Password(hash, fits) => self.password_checked(&hash, fits),
                Told::Nothing => self.nothing_came(),
            }
        }
    }

    fn nothing_came(&mut self) {
        if self.entering.is_some() {
            return self.password_checked("", Err(entrance::BUSY));
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

    fn password_checked(&mut self, hash: &str, fits: Result<bool, Duration>) {
        let Some(entering) = &mut self.entering else { return };
        let Some(hello) = entering.joining.take() else { return };
        let held = std::mem::take(&mut entering.held);
        match fits {
            Ok(true) => self.join(hello, Some(hash)),
            Ok(false) => self.stays_out(Reason::PasswordNeeded, Duration::ZERO),
            Err(wait) => self.stays_out(Reason::TooManyTries, wait),
        }
        // Whether it goes was asked before this was known.
        self.wakeup.wake();
        for message in held {
            if self.receive(message).is_err() {
                break;
            }
        }
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
                self.later().begin_beside(move || Told::Answers(vec![ServerMessage::Image { image, state: work() }]));
            }
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
        if self.rooms.storage().is_overfull() {
            // The messages that were read are kept; more are read when the disk has taken some of the waiting ones.
            self.rest_for(Some(OVERFULL));
            return self.signal(Some(OVERFULL));
        }
        let cost = std::mem::take(&mut self.cost);
        let work = self.room.submit(self.id, &mut self.backlog, cost);
        let answers = work.rejects.into_iter().map(|(cseq, reason)| ServerMessage::Reject { cseq, reason });
        self.answers.extend(answers);
        if !work.deeds.is_empty() {
            let room = self.room.clone();
            self.keep(move || room.keep_deeds(work.deeds));
        }
        let pause = self.allowance.spend(work.elements, cost).max(work.pause);
        self.rest_for(pause);
        if work.is_low || self.allowance.is_low() {
            self.signal(pause);
        }
        if pause.is_none() && !self.backlog.is_empty() {
            self.wakeup.wake();
        }
    }

    /// Takes work out of this member's allowance.
    fn spend(&mut self, elements: u64) {
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

    /// How long this address has to wait until it may make a board, if this is a new one.
    fn makes_too_many(&self) -> Option<Duration> {
        if !self.room.is_unmade() {
            return None;
        }
        let wait = self.rooms.creations().begin(self.address, Instant::now());
        match wait {
            Some(_) => self.rooms.metrics().refuse(Refused::Boards),
            None => self.room.is_made(),
        }
        wait
    }

    /// Joins, or has the password checked first, or is not let in.
    fn join(&mut self, hello: Hello, knows: Option<&str>) {
        if let Some(wait) = self.makes_too_many() {
            return self.stays_out(Reason::TooManyBoards, wait);
        }
        let Some(entering) = &self.entering else { return };
        let Credentials { token, visitor, .. } = &entering.credentials;
        let (is_with_link, someone) = (token.is_some(), Someone::new(hello.client_id, *visitor));
        let begins = token.is_some_and(|token| !token.is_for_others());
        let token = token.map(|token| Digest::of(&token.0));
        let caller = Caller { someone, token, begins, address: self.address };
        match self.room.join(self.id, &hello, caller, knows, self.wakeup.clone()) {
            Ok(joined) => {
                tracing::debug!(board = %self.room.name(), member = self.id, author = joined.author, "joined");
                self.answers.push(joined.welcome);
                self.answers.extend(joined.access);
                self.answers.push(joined.storage);
                self.seat = Some(Seated::new(joined.author, joined.position));
                self.entering = None;
                if joined.begins {
                    let room = self.room.clone();
                    self.keep(move || room.keep_access(Vec::new()));
                }
            }
            Err(Refusal::Password(hash)) => self.check_password(hello, hash),
            Err(Refusal::Reason(reason)) => {
                let now = Instant::now();
                let wait = self.rooms.entrance().wait(self.address, now);
                let is_try = reason == Reason::Forbidden && is_with_link;
                if is_try {
                    self.rooms.entrance().tried(self.address, now);
                }
                match wait.filter(|_| is_try) {
                    Some(wait) => self.stays_out(Reason::TooManyTries, wait),
                    None => self.stays_out(reason, Duration::ZERO),
                }
            }
        }
    }

    fn check_password(&mut self, hello: Hello, hash: String) {
        let Some(entering) = &mut self.entering else { return };
        let password = std::mem::take(&mut entering.credentials.password);
        if password.is_empty() {
            return self.stays_out(Reason::PasswordNeeded, Duration::ZERO);
        }
        if let Some(wait) = self.rooms.entrance().wait(self.address, Instant::now()) {
            return self.stays_out(Reason::TooManyTries, wait);
        }
        entering.joining = Some(hello);
        let (rooms, address) = (self.rooms.clone(), self.address);
        let hashing = rooms.hashing().clone();
        let check = move |memory: &mut Memory| {
            let fits = rooms.entrance().try_password(memory, address, &password, &hash);
            (hash, fits)
        };
        self.later().begin_hashing(&hashing, check, |(hash, fits)| Told::Password(hash, fits));
    }

    /// Keeps something of who may do what, and says where that cannot be.
    fn keep(&mut self, keeps: impl FnOnce() -> Result<(), StorageError> + Send + 'static) {
        self.later().begin(move || {
            let kept = keeps();
            Told::Answers(kept.err().map(|error| not_done(&error)).into_iter().collect())
        });
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
        self.cost.points += packet.iter().map(points_of).sum::<usize>();
        packet.into_iter().try_for_each(|message| self.receive(message))?;
        if self.cost.bytes > 0 {
            // What is not operations costs bytes as well.
            self.work();
        }
        Ok(())
    }

    fn on_messages_end(&mut self) {
        self.see_to_flush();
    }

    fn pull(&mut self, out: &mut Outgoing) {
        self.take_told();
        if !self.backlog.is_empty() {
            self.work();
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
            || self.later.as_ref().is_some_and(|later| later.is_busy())
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
            tracing::debug!(board = %self.room.name(), member = self.id, "slow reader: disconnected while it read a snapshot");
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
        tracing::debug!(board = %self.room.name(), member = self.id, code = close.code, reason = ?close.reason, "left");
        if self.seat.take().is_some() {
            self.room.leave(self.id);
            self.see_to_flush();
        }
        self.rooms.release(&self.room);
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

fn past(past: Past) -> Result<ServerMessage, StorageError> {
    let Past { first_seq, last_seq, hash, entries } = past;
    Ok(ServerMessage::Past { first_seq, last_seq, hash, entries })
}

/// Has a host's order carried out and kept, with the hash of a password that is set; gives what the host is told.
fn obey(
    rooms: &Rooms,
    room: &SharedRoom,
    member: u64,
    action: &Action,
    password: Option<String>,
) -> Result<Vec<ServerMessage>, StorageError> {
    let (done, record) =
        room.moderate(member, action, password).map_err(|error| StorageError::Order(error.to_string()))?;
    if *action == Action::Audit {
        return Ok(vec![ServerMessage::Audit { records: rooms.storage().audit(room.name())? }]);
    }
    // It holds as long as the room is open also where the disk takes nothing now; a secret that was made must be told.
    let kept = if is_question(action) { Ok(()) } else { room.keep_access(vec![record]) };
    let not_kept = kept.err().map(|error| not_done(&error));
    Ok(done.answer.into_iter().chain(not_kept).chain([room.with(|room| room.rules())]).collect())
}

fn not_done(error: &StorageError) -> ServerMessage {
    let mut text = error.to_string();
    while text.len() > inkwire_protocol::limits::REASON_TEXT {
        text.pop();
    }
    ServerMessage::NotDone { text }
}
