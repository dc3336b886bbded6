//! A room with its members, the network between them and a disk, in simulated time: the same every time.
//!
//! The room and the sessions of its clients are the real ones. Each message takes the latency of its member; the disk takes its
//! own, and may fail; the server may be killed. A member is given what the room has for it only when the room wakes it, when it has
//! said something, or when its socket takes more, as on a real connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use inkwire_board::{Board, ClientSession, Refused, StateHash};
use inkwire_protocol::{Action, ClientMessage, Colour, Entry, Epoch, Operation, Reason, ServerMessage, Token, binary};
use inkwire_room::{
    Access, Cost, Digest, Encoding, Hello, Identity, JoinRequest, Joined, Kept, KeptAccess, LogBatch, Now,
    OrderContext, OrderError, Persist, Position, RESERVED, Refusal, Room, Submission, Surroundings, Wake,
};

use crate::client::client_id;

/// Microseconds in which a message comes to its member if nothing else is said.
pub const LATENCY: u64 = 5_000;
/// Microseconds of a commit.
const COMMIT: u64 = 4_000;
/// Between two turns of a member whose socket takes only a little.
const NARROW: u64 = 1_000;
/// The lineage of the log: a kill does not begin another one.
const EPOCH: Epoch = Epoch([1; 8]);

/// A client, and its connection if it has one.
#[derive(Debug)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The session.
    pub session: ClientSession,
    /// Microseconds that a message takes in each direction.
    pub latency: u64,
    /// Frames that its socket takes at once.
    pub capacity: usize,
    /// The secret of the link by which it comes.
    pub token: Option<Token>,
    /// Why the last connection was refused or ended by the room.
    pub farewell: Option<Reason>,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    member: u64,
    author: u32,
    position: Position,
    is_woken: bool,
    answers: Vec<ServerMessage>,
    to_room: VecDeque<(u64, Vec<ClientMessage>)>,
    to_person: VecDeque<(u64, Vec<ServerMessage>)>,
    /// The moment at which the socket takes more.
    writable: Option<u64>,
}

/// A disk that takes parts of the log one after the other.
#[derive(Debug, Default)]
struct Disk {
    parts: Vec<LogBatch>,
    writing: VecDeque<(u64, LogBatch)>,
    reserved_author: u32,
    access: KeptAccess,
    is_failing: bool,
}

/// The simulation.
#[derive(Debug)]
pub struct Simulation {
    start: Instant,
    /// Microseconds since the start.
    now: u64,
    room: Room,
    disk: Disk,
    /// Everybody who has ever been here.
    pub people: Vec<Person>,
    members: u64,
    /// State hashes that were another one than the room's.
    pub diverged: u64,
    /// Operations that the room has rejected: whose, and their client sequence numbers.
    rejected: BTreeSet<(usize, u64)>,
}

impl Default for Simulation {
    fn default() -> Self {
        let start = Instant::now();
        let room = Room::new(Kept::new(EPOCH), Surroundings::default(), at(start, 0));
        let disk = Disk { reserved_author: RESERVED, ..Disk::default() };
        Self { start, now: 0, room, disk, people: Vec::new(), members: 0, diverged: 0, rejected: BTreeSet::new() }
    }
}

fn at(start: Instant, now: u64) -> Now {
    Now { at: start + Duration::from_micros(now), since_1970: 1_000_000 + now / 1_000 }
}

impl Person {
    /// Whether it has a connection.
    pub fn is_here(&self) -> bool {
        self.connection.is_some()
    }
}

impl Simulation {
    /// The room.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// The board that is on the disk.
    ///
    /// # Panics
    /// If the parts of the log there do not follow each other, or do not come to their state hashes.
    pub fn kept(&self) -> Board {
        self.disk.board()
    }

    /// Operations of somebody that are neither on the disk nor were rejected.
    pub fn lost(&self, who: usize) -> Vec<u64> {
        let logged = self.disk.logged();
        let own = logged.get(&self.author(who));
        let is_known = |cseq: &u64| own.is_some_and(|own| own.contains(cseq)) || self.rejected.contains(&(who, *cseq));
        (1..=self.people[who].session.cseq()).filter(|cseq| !is_known(cseq)).collect()
    }

    /// A new person, who is not here yet.
    pub fn add(&mut self, name: &str, refused: Refused) -> usize {
        let session = ClientSession::new(client_id(name), refused);
        let (name, latency, capacity) = (name.to_owned(), LATENCY, usize::MAX);
        self.people.push(Person { name, session, latency, capacity, token: None, farewell: None, connection: None });
        self.people.len() - 1
    }

    /// The author number of a person, whether it has been welcomed yet or not.
    pub fn author(&self, who: usize) -> u32 {
        let person = &self.people[who];
        person.connection.as_ref().map_or(person.session.author(), |connection| connection.author)
    }

    /// Somebody joins, or comes back; says whether the room lets them in.
    pub fn join(&mut self, who: usize) -> bool {
        self.lose(who);
        self.members += 1;
        let (member, now) = (self.members, at(self.start, self.now));
        let person = &mut self.people[who];
        let hello = hello_of(&person.session.hello(&person.name, Colour(0x1971_c2ff)));
        let identity = Identity::new(hello.client_id, None);
        let (token, begins) =
            (person.token.map(|it| Digest::of(&it.0)), person.token.is_some_and(|it| !it.is_for_others()));
        let request = JoinRequest { identity, token, begins, address: None };
        person.farewell = None;
        match self.room.join(member, &hello, request, None, now) {
            Ok(Joined { author, welcome, access, storage, position, begins }) => {
                let answers = [welcome].into_iter().chain(access).chain([storage]).collect();
                let (to_room, to_person, writable) = Default::default();
                let connection =
                    Connection { member, author, position, is_woken: true, answers, to_room, to_person, writable };
                person.connection = Some(connection);
                if begins {
                    self.keep_access();
                }
                self.see_to();
                true
            }
            Err(refusal) => {
                let reason = match refusal {
                    Refusal::Reason(reason) => reason,
                    Refusal::Password(_) => Reason::PasswordNeeded,
                };
                person.farewell = Some(reason);
                false
            }
        }
    }

    /// Somebody's connection is gone, and what is on its way with it.
    pub fn lose(&mut self, who: usize) {
        let person = &mut self.people[who];
        person.session.left();
        if let Some(connection) = person.connection.take() {
            drop(connection.position);
            self.room.leave(connection.member);
            self.see_to();
        }
    }

    /// Somebody draws. Returns the client sequence number.
    pub fn submit(&mut self, who: usize, operation: Operation) -> u64 {
        let cseq = self.people[who].session.submit(operation);
        self.send(who);
        cseq
    }

    /// Somebody says something.
    pub fn say(&mut self, who: usize, messages: Vec<ClientMessage>) {
        let person = &mut self.people[who];
        if let Some(connection) = person.connection.as_mut().filter(|_| !messages.is_empty()) {
            connection.to_room.push_back((self.now + person.latency, messages));
        }
    }

    fn send(&mut self, who: usize) {
        let messages = self.people[who].session.take_messages();
        self.say(who, messages);
    }

    /// Carries out an order of somebody, if they host the board.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn order(&mut self, who: usize, action: &Action) -> Result<Option<Token>, OrderError> {
        let member = self.people[who].connection.as_ref().map_or(0, |connection| connection.member);
        let secret = Token([self.members as u8 + 100; 16]);
        let with = OrderContext { now: at(self.start, self.now).since_1970, secret, password: None };
        let (done, _) = self.room.moderate(member, action, with)?;
        self.keep_access();
        self.see_to();
        let token = |answer| if let ServerMessage::Link { token, .. } = answer { Some(token) } else { None };
        Ok(done.answer.and_then(token))
    }

    /// The disk takes nothing from now on, or takes everything again.
    pub fn disk_fails(&mut self, fails: bool) {
        self.disk.is_failing = fails;
    }

    /// The server is killed, and starts again with what is on its disk.
    ///
    /// # Panics
    /// If the parts of the log there do not follow each other, or do not come to their state hashes.
    pub fn kill(&mut self) {
        for who in 0..self.people.len() {
            let person = &mut self.people[who];
            (person.connection, person.farewell) = (None, None);
            person.session.left();
        }
        self.disk.writing.clear();
        let mut board = self.disk.board();
        board.skip_authors(self.disk.reserved_author.saturating_sub(board.last_author()));
        self.disk.reserved_author = board.last_author() + RESERVED;
        let (access, reserved_author) = (Access::of(&self.disk.access).0, self.disk.reserved_author);
        let kept = Kept { epoch: EPOCH, board, access, reserved_author, bytes: 0 };
        self.room = Room::new(kept, Surroundings::default(), at(self.start, self.now));
    }

    /// Lets so many microseconds pass.
    pub fn pass(&mut self, micros: u64) {
        let until = self.now + micros;
        while let Some(next) = self.next_event().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = until;
    }

    /// Lets time pass until nothing happens any more by itself.
    ///
    /// # Panics
    /// If something goes on happening for ever.
    pub fn rest(&mut self) {
        for _ in 0..100_000 {
            let Some(next) = self.next_event() else { return };
            self.now = self.now.max(next);
            self.step();
        }
        panic!("there is no end to what happens");
    }

    fn next_event(&self) -> Option<u64> {
        let micros = |due: Instant| due.saturating_duration_since(self.start).as_micros() as u64 + 1;
        let connections = self.people.iter().filter_map(|person| person.connection.as_ref());
        let of_one = |it: &Connection| {
            let [to_room, to_person] = [it.to_room.front().map(|(at, _)| *at), it.to_person.front().map(|(at, _)| *at)];
            let position = [it.position.changes_at(), it.position.again_at()].into_iter().flatten().map(micros);
            let woken = it.is_woken.then_some(self.now);
            to_room.into_iter().chain(to_person).chain(it.writable).chain(position).chain(woken).min()
        };
        let disk = self.disk.writing.front().filter(|_| !self.disk.is_failing).map(|(at, _)| *at);
        connections.filter_map(of_one).chain(disk).chain(self.room.poll_timeout().map(micros)).min()
    }

    /// Does all that is due now.
    fn step(&mut self) {
        while let Some((at, _)) = self.disk.writing.front()
            && *at <= self.now
            && !self.disk.is_failing
        {
            let (_, part) = self.disk.writing.pop_front().expect("it is there");
            self.room.persisted(part.last_seq);
            self.disk.parts.push(part);
        }
        (0..self.people.len()).for_each(|who| self.arrive_at_room(who));
        self.room.handle_timeout(at(self.start, self.now).at);
        self.see_to();
        (0..self.people.len()).for_each(|who| self.turn(who));
        (0..self.people.len()).for_each(|who| self.arrive_at_person(who));
    }

    fn arrive_at_room(&mut self, who: usize) {
        while let Some(connection) = &mut self.people[who].connection
            && let Some((arrives, _)) = connection.to_room.front()
            && *arrives <= self.now
        {
            let (_, messages) = connection.to_room.pop_front().expect("it is there");
            connection.is_woken = true;
            messages.into_iter().for_each(|message| self.take(who, message));
        }
    }

    fn take(&mut self, who: usize, message: ClientMessage) {
        let now = at(self.start, self.now);
        let Some(connection) = &mut self.people[who].connection else { return };
        let (member, author) = (connection.member, connection.author);
        match message {
            ClientMessage::Operations { first_cseq, operations } => {
                let (may_draw, before) = (self.room.may_draw(member, now), self.room.seq());
                let ends =
                    operations.iter().filter(|it| matches!(it, Operation::End { .. } | Operation::Cancel { .. }));
                let ends = ends.count() as u64;
                let submissions = (first_cseq..).zip(operations);
                let mut submissions =
                    submissions.map(|(cseq, operation)| Submission::encoded(cseq, operation)).peekable();
                while submissions.peek().is_some() {
                    let work = self.room.submit(member, &mut submissions, Cost::default(), false, now);
                    self.rejected.extend(work.rejects.iter().map(|(cseq, _)| (who, *cseq)));
                    let rejects = work.rejects.into_iter();
                    connection.answers.extend(rejects.map(|(cseq, reason)| ServerMessage::Reject { cseq, reason }));
                }
                assert!(may_draw || self.room.seq() - before <= ends, "only ends are taken of who may not draw");
            }
            ClientMessage::Check { seq, hash } => {
                let hash = StateHash::from_bytes(hash);
                let expected = self.room.check(&mut connection.position, seq, hash, now.at);
                self.diverged += u64::from(expected.is_some());
            }
            ClientMessage::Presence { cursor } => self.room.cursor(author, cursor),
            ClientMessage::Ping { nonce } => connection.answers.push(ServerMessage::Pong { nonce }),
            _ => {}
        }
    }

    /// Hands on what the room has to be kept, and wakes those who are to be woken.
    fn see_to(&mut self) {
        while let Some(persist) = self.room.poll_persist() {
            match persist {
                Persist::LogBatch(part, _) => self.disk.writing.push_back((self.now + COMMIT, part)),
                Persist::Authors(until) => self.disk.reserved_author = until,
            }
        }
        while let Some(wake) = self.room.poll_wake() {
            let connections = self.people.iter_mut().filter_map(|person| person.connection.as_mut());
            let is_meant = |member| wake == Wake::All || wake == Wake::Member(member);
            connections.filter(|it| is_meant(it.member)).for_each(|it| it.is_woken = true);
        }
    }

    fn keep_access(&mut self) {
        if !self.disk.is_failing {
            self.disk.access = KeptAccess::Record(self.room.access().record());
        }
    }

    /// A turn of a connection that was woken: it ends, or is given what the room has for it.
    fn turn(&mut self, who: usize) {
        let now = at(self.start, self.now);
        let Person { connection, capacity, latency, .. } = &mut self.people[who];
        let Some(it) = connection else { return };
        let is_due = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now.at);
        if is_due(it.position.changes_at()) {
            self.room.changes(&mut it.position, now);
            it.is_woken = true;
        }
        let is_writable = it.writable.is_some_and(|moment| moment <= self.now);
        if !it.is_woken && !is_writable && !is_due(it.position.again_at()) {
            return;
        }
        (it.is_woken, it.writable) = (false, None);
        if let Some(reason) = self.room.dismissal(it.member) {
            self.people[who].farewell = Some(reason);
            return self.lose(who);
        }
        let mut messages = std::mem::take(&mut it.answers);
        let mut frames = 0;
        while frames < *capacity
            && let Some(frame) = self.room.next(&mut it.position, Encoding::Binary, &|| now)
        {
            messages.extend(binary::decode_server(payload(&frame)).expect("the room's packets decode"));
            frames += 1;
        }
        if frames == *capacity {
            it.writable = Some(self.now + NARROW);
        }
        if !messages.is_empty() {
            // A connection keeps its order, also if it becomes faster.
            let last = it.to_person.back().map_or(0, |(arrives, _)| *arrives);
            it.to_person.push_back((last.max(self.now + *latency), messages));
        }
        self.see_to();
    }

    fn arrive_at_person(&mut self, who: usize) {
        while let Some(connection) = &mut self.people[who].connection
            && let Some((arrives, _)) = connection.to_person.front()
            && *arrives <= self.now
        {
            let (_, messages) = connection.to_person.pop_front().expect("it is there");
            let person = &mut self.people[who];
            let durable = person.session.durable();
            person.session.receive(&messages).unwrap_or_else(|error| panic!("{}: {error}", person.name));
            let (_, has) = person.session.welcomed_at();
            let is_welcome = messages.iter().any(|message| matches!(message, ServerMessage::Welcome { .. }));
            assert!(!is_welcome || has >= durable, "{}: {durable} was durable, {has} is there", person.name);
            self.send(who);
        }
    }
}

impl Disk {
    /// The board that the parts on the disk come to.
    fn board(&self) -> Board {
        let mut board = Board::default();
        for part in &self.parts {
            assert_eq!(part.first_seq, board.seq() + 1, "the parts of the log follow each other");
            part.clients.iter().for_each(|(client, author)| board.remember(*client, *author));
            for message in binary::decode_server(&part.packet).expect("a part decodes") {
                let ServerMessage::Operations { first_seq, entries } = message else { panic!("operations alone") };
                let numbered = (first_seq..).zip(&entries);
                numbered.for_each(|(seq, entry)| board.replay(seq, entry).expect("the log replays"));
            }
            assert_eq!((board.seq(), board.hash()), (part.last_seq, part.hash), "a part comes to its state hash");
        }
        board
    }

    /// The client sequence numbers of the operations on the disk, by author.
    fn logged(&self) -> BTreeMap<u32, BTreeSet<u64>> {
        let mut all: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for message in self.parts.iter().flat_map(|part| binary::decode_server(&part.packet).expect("a part decodes")) {
            let ServerMessage::Operations { entries, .. } = message else { continue };
            for Entry { author, skip, .. } in entries {
                let own = all.entry(author).or_default();
                let cseq = own.last().unwrap_or(&0) + 1 + skip;
                assert!(own.insert(cseq), "each once");
            }
        }
        all
    }
}

fn hello_of(message: &ClientMessage) -> Hello {
    let ClientMessage::Hello { client_id, epoch, seq, hash, name, colour } = message.clone() else {
        panic!("a hello: {message:?}")
    };
    Hello { client_id, epoch, seq, hash: StateHash::from_bytes(hash), name, colour }
}

/// The payload of a server's frame (RFC 6455 section 5.2).
fn payload(frame: &[u8]) -> &[u8] {
    let head = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    &frame[head..]
}
