//! Parts of the page that have a twin in Rust: both go through the same random histories, and do the same at each step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::process::Command;

use inkwire_board::{Board, ClientSession, Refused, StateHash, Submitted};
use inkwire_protocol::{
    Begin, ClientId, ClientMessage, Colour, ElementRef, Entry, Epoch, Note, Operation, Patch, Picture, RejectReason,
    ServerMessage, Shape, Text, binary, hex, limits,
};
use inkwire_tests::client::Client;
use inkwire_tests::dice::{Dice, seed};
use inkwire_tests::server::{Server, binary as binary_of_server};
use inkwire_tests::tools::{are_there, on_path, root};
use serde_json::{Value, json};

use super::people;

/// Histories of sessions, and the events of each.
const HISTORIES: u64 = 100;
const EVENTS: u64 = 300;
/// Boards, the operations of each, and the people on it. The first of them does most, and passes the undo depth.
const BOARDS: u64 = 200;
const OPERATIONS: u64 = 600;
const PEOPLE: u64 = 3;
/// Packets that are changed, and the changes of each.
const PACKETS: u64 = 20_000;
/// The client whose session it is, and the author number of somebody else.
const CLIENT: ClientId = ClientId([7; 16]);
const OTHER: u32 = 2;

/// A server of one board and one connection, which may be killed or restored from a backup.
struct House {
    board: Board,
    log: Vec<Entry>,
    /// The state hash behind each operation; that of an empty board first.
    hashes: Vec<StateHash>,
    mark: u64,
    epoch: u8,
    author: u32,
    to_server: VecDeque<ClientMessage>,
    to_client: Vec<ServerMessage>,
    is_connected: bool,
}

impl House {
    fn new() -> Self {
        let (board, log) = (Board::default(), Vec::new());
        let hashes = vec![board.hash()];
        let (to_server, to_client) = Default::default();
        Self { board, log, hashes, mark: 0, epoch: 1, author: 1, to_server, to_client, is_connected: false }
    }

    fn submit(&mut self, author: u32, cseq: u64, operation: Operation) {
        match self.board.submit(author, cseq, operation) {
            Ok(Submitted::Logged(entry)) => {
                self.log.push(entry.clone());
                self.hashes.push(self.board.hash());
                self.to_client.push(ServerMessage::Operations { first_seq: self.board.seq(), entries: [entry].into() });
            }
            Ok(Submitted::Duplicate) => {}
            Err(reason) if author == self.author => self.to_client.push(ServerMessage::Reject { cseq, reason }),
            Err(_) => {}
        }
    }

    /// Takes one message of the client.
    fn take(&mut self) {
        match self.to_server.pop_front() {
            Some(ClientMessage::Operations { first_cseq, operations }) => {
                (first_cseq..).zip(operations).for_each(|(cseq, operation)| self.submit(self.author, cseq, operation));
            }
            Some(ClientMessage::Check { seq, hash }) => {
                assert_eq!(self.hashes[seq as usize].to_bytes(), hash, "the log at {seq}");
            }
            _ => {}
        }
    }

    /// Leaves out operations, so that those behind them do not follow.
    fn skip(&mut self) {
        if matches!(self.to_client.first(), Some(ServerMessage::Operations { .. })) {
            self.to_client.remove(0);
        }
    }

    fn make_durable(&mut self, seq: u64) {
        self.mark = seq;
        self.to_client.push(ServerMessage::Mark { seq });
    }

    /// Welcomes the client, and sends it the tail of the log or a snapshot.
    fn welcome(&mut self, hello: &ClientMessage) {
        let ClientMessage::Hello { epoch, seq, hash, .. } = hello else { panic!("a hello: {hello:?}") };
        (self.to_server, self.to_client, self.is_connected) = (VecDeque::new(), Vec::new(), true);
        let (author, cseq, own) = (self.author, self.board.cseq(self.author), Epoch([self.epoch; 8]));
        self.to_client.push(ServerMessage::Welcome {
            author,
            epoch: own,
            seq: self.board.seq(),
            cseq,
            mark: self.mark,
        });
        let has_it = self.hashes.get(*seq as usize).is_some_and(|known| known.to_bytes() == *hash);
        if *epoch == own && has_it {
            let entries = self.log[*seq as usize..].to_vec();
            if !entries.is_empty() {
                self.to_client.push(ServerMessage::Operations { first_seq: seq + 1, entries });
            }
        } else {
            let packets: Vec<u8> = self.board.packets().flatten().collect();
            self.to_client.extend(binary::decode_server(&packets).expect("a snapshot decodes"));
        }
    }

    /// Begins again with the first operations of the log.
    fn begin_again(&mut self, seq: u64) {
        self.log.truncate(seq as usize);
        self.board = Board::default();
        self.hashes.truncate(1);
        for (seq, entry) in (1..).zip(&self.log) {
            self.board.replay(seq, entry).expect("the log replays");
            self.hashes.push(self.board.hash());
        }
        (self.mark, self.is_connected) = (seq, false);
    }
}

/// A session, the server that it talks to, and its history as lines for the twin.
struct History {
    house: House,
    session: ClientSession,
    dice: Dice,
    people: people::Dice,
    lines: String,
}

impl History {
    fn of(seed: u64, part: u64) -> Self {
        let mut dice = Dice::part(seed, part);
        let people = people::Dice(dice.below(1 << 31));
        let session = ClientSession::new(CLIENT, Refused::Waits);
        let mut history = Self { house: House::new(), session, dice, people, lines: String::new() };
        history.note(json!({ "event": "begins", "client": CLIENT }), String::new());
        history
    }

    fn note(&mut self, mut event: Value, sends: String) {
        let session = &self.session;
        event["sends"] = sends.into();
        event["state"] = json!({
            "pending": session.pending().iter().map(|it| it.cseq).collect::<Vec<_>>(),
            "received": session.received().iter().map(|it| [it.numbered.cseq, it.seq]).collect::<Vec<_>>(),
            "seq": session.board().seq(),
            "hash": session.board().hash().to_string(),
        });
        writeln!(self.lines, "{event}").expect("a string takes everything");
    }

    /// Sends what the session has to send, and returns the packet.
    fn sends(&mut self) -> String {
        let messages = self.session.take_messages();
        let packet = if messages.is_empty() { String::new() } else { hex::encode(&binary::encode_client(&messages)) };
        self.house.to_server.extend(messages);
        packet
    }

    /// One random event.
    fn goes_on(&mut self) {
        match self.dice.below(40) {
            0..=13 => self.submits(),
            14..=19 => (0..=self.dice.below(4)).for_each(|_| self.house.take()),
            20..=27 => self.receives(),
            28..=30 => {
                let cseq = self.house.board.cseq(OTHER) + 1;
                let operation = people::operation(&mut self.people, 2, cseq);
                self.house.submit(OTHER, cseq, operation);
            }
            31 | 32 => {
                let seq = self.house.mark + self.dice.below(self.house.board.seq() - self.house.mark + 1);
                self.house.make_durable(seq);
            }
            33 => self.leaves(),
            34..=36 if !self.house.is_connected => self.greets(),
            37 if self.dice.below(3) == 0 => self.is_killed(),
            38 if self.dice.below(6) == 0 => self.is_restored(),
            39 if self.dice.below(3) == 0 => self.house.skip(),
            _ => {}
        }
    }

    /// Submits an operation, if it breaks no rule on what the person sees: the log and the pending operations on top of it.
    fn submits(&mut self) {
        let cseq = self.session.cseq() + 1;
        let operation = people::operation(&mut self.people, 2, cseq);
        let mut seen = self.session.board().clone();
        for it in self.session.pending() {
            let _ = seen.submit(self.session.author(), it.cseq, it.operation.clone());
        }
        if self.session.author() == 0 || seen.submit(self.session.author(), cseq, operation.clone()).is_err() {
            return;
        }
        self.session.submit(operation.clone());
        let sends = self.sends();
        self.note(json!({ "event": "submits", "operation": operation }), sends);
    }

    fn receives(&mut self) {
        let count = self.dice.below(self.house.to_client.len() as u64 + 1) as usize;
        let messages: Vec<_> = self.house.to_client.drain(..count).collect();
        if messages.is_empty() || !self.house.is_connected {
            return;
        }
        let packet = hex::encode(&binary::encode_server(&messages));
        let sends = match self.session.receive(&messages) {
            Ok(()) => self.sends(),
            Err(_) => "does not follow".into(),
        };
        let follows = sends != "does not follow";
        self.note(json!({ "event": "receives", "packet": packet }), sends);
        if !follows {
            self.leaves();
        }
    }

    fn greets(&mut self) {
        let hello = self.session.hello("Ada", Colour(0x1971_c2ff));
        self.house.welcome(&hello);
        self.note(json!({ "event": "greets" }), hex::encode(&binary::encode_client(&[hello])));
    }

    fn leaves(&mut self) {
        self.house.is_connected = false;
        self.session.left();
        self.note(json!({ "event": "leaves" }), String::new());
    }

    /// The server is killed, and has lost what was not durable.
    fn is_killed(&mut self) {
        self.house.begin_again(self.house.mark);
        self.leaves();
    }

    /// The server is restored from a backup: another lineage, in which the client may be another author.
    fn is_restored(&mut self) {
        let seq = self.dice.below(self.house.mark + 1);
        self.house.epoch += 1;
        self.house.author += if self.dice.below(2) == 0 { 0 } else { 10 };
        self.house.begin_again(seq);
        self.leaves();
    }

    /// All that is pending arrives and is durable, and both have the same board.
    fn ends(&mut self) {
        self.leaves();
        self.greets();
        while !self.house.to_client.is_empty() || !self.house.to_server.is_empty() {
            self.receives();
            self.house.take();
        }
        self.house.make_durable(self.house.board.seq());
        while !self.house.to_client.is_empty() {
            self.receives();
        }
        let left = (self.session.pending(), self.session.received());
        assert!(left.0.is_empty() && left.1.is_empty(), "all is durable: {left:?}");
        assert_eq!(self.session.board().hash(), self.house.board.hash());
    }
}

/// Has the page's twin go through the lines.
fn compare(twin: &str, lines: &str) {
    if !are_there("the page's twins", &[&on_path("node")]) {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    let script = root().join("tests/twins").join(twin);
    let output = Command::new("node").arg(script).arg(file.path()).output().expect("node runs");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{errors}");
    println!("{out}");
}

#[test]
fn sessions_of_the_page_and_of_the_command_line_do_the_same() {
    let seed = seed();
    println!("seed {seed} (INKWIRE_SEED={seed} does it again)");
    let mut lines = String::new();
    for part in 0..HISTORIES {
        let mut history = History::of(seed, part);
        (0..EVENTS).for_each(|_| history.goes_on());
        history.ends();
        lines += &history.lines;
    }
    compare("session.mjs", &lines);
}

/// A board, and operations that mean what is on it.
struct Boards {
    dice: Dice,
    board: Board,
    cseqs: [u64; PEOPLE as usize + 1],
    /// Elements and gestures that were made, also those that are deleted or forgotten by now.
    elements: Vec<ElementRef>,
    gestures: Vec<(u32, u64)>,
    /// The gestures that each person has just undone: the next one that is made makes an end of redo.
    undone: [Vec<u64>; PEOPLE as usize + 1],
    /// Slots with a live stroke.
    live: BTreeSet<(u32, u8)>,
    /// Accepted operations of each kind.
    accepted: BTreeMap<&'static str, u64>,
}

impl Boards {
    fn of(seed: u64, part: u64) -> Self {
        let (elements, gestures, undone, live, accepted) = Default::default();
        let (dice, board, cseqs) = (Dice::part(seed, part), Board::default(), [0; 4]);
        Self { dice, board, cseqs, elements, gestures, undone, live, accepted }
    }

    /// The next operation, and its outcome: the state hash after it, or the reason for which it is rejected.
    fn step(&mut self) -> Value {
        let (author, cseq, operation) = self.next();
        let message = ClientMessage::Operations { first_cseq: cseq, operations: [operation.clone()].into() };
        let packet = hex::encode(&binary::encode_client(&[message]));
        let outcome = match self.submit(author, cseq, operation) {
            Ok(()) => self.board.hash().to_string(),
            Err(reason) => reason.to_string(),
        };
        json!({ "author": author, "cseq": cseq, "outcome": outcome, "packet": packet })
    }

    /// The next operation, with its author and number.
    fn next(&mut self) -> (u32, u64, Operation) {
        let author = if self.dice.below(4) > 0 { 1 } else { 1 + self.dice.below(PEOPLE) as u32 };
        let cseq = self.cseqs[author as usize] + 1;
        self.cseqs[author as usize] = cseq;
        (author, cseq, self.operation(author, cseq))
    }

    fn submit(&mut self, author: u32, cseq: u64, operation: Operation) -> Result<(), RejectReason> {
        self.board.submit(author, cseq, operation.clone())?;
        self.note(author, cseq, &operation);
        Ok(())
    }

    fn note(&mut self, author: u32, cseq: u64, operation: &Operation) {
        let kind = match operation {
            Operation::Patch(_) => "patch",
            Operation::Undo { .. } => "undo",
            Operation::Redo { .. } => "redo",
            _ => "other",
        };
        *self.accepted.entry(kind).or_default() += 1;
        match operation {
            Operation::Begin(begin) => _ = self.live.insert((author, begin.slot)),
            Operation::End { slot } | Operation::Cancel { slot } => _ = self.live.remove(&(author, *slot)),
            Operation::Undo { gesture } => self.undone[author as usize].push(*gesture),
            Operation::Redo { .. } => _ = self.undone[author as usize].pop(),
            _ => self.undone[author as usize].clear(),
        }
        if gesture_back(&mut operation.clone()) == Some(&mut 0) {
            self.gestures.push((author, cseq));
        }
        use Operation::{Begin, Note, Picture, Shape, Text};
        if matches!(operation, Begin(_) | Shape(_) | Text(_) | Note(_) | Picture(_)) {
            self.elements.push(ElementRef { author, cseq });
        }
    }

    /// An operation of a person. One in eight is as the dice fall; the others mean what is there.
    fn operation(&mut self, author: u32, cseq: u64) -> Operation {
        let mut raw = people::Dice(self.dice.below(1 << 31) << 31 | self.dice.below(1 << 31));
        let mut operation = people::operation(&mut raw, PEOPLE, cseq);
        if self.dice.below(8) == 0 {
            return operation;
        }
        if let Some(gesture) = self.undone[author as usize].last().filter(|_| self.dice.below(2) == 0) {
            return Operation::Redo { gesture: *gesture };
        }
        let live = self.live.iter().find(|(by, _)| *by == author).map(|(_, slot)| *slot);
        if self.dice.below(8) > 0 {
            gesture_back(&mut operation).into_iter().for_each(|back| *back = 0);
        }
        match (&mut operation, live) {
            (Operation::Begin(begin), _) if self.live.contains(&(author, begin.slot)) => {
                operation = Operation::End { slot: begin.slot };
            }
            (Operation::Points(points), Some(slot)) => points.slot = slot,
            (Operation::End { slot: it } | Operation::Cancel { slot: it }, Some(slot)) => *it = slot,
            (Operation::Points(_) | Operation::End { .. } | Operation::Cancel { .. }, None) => {
                return Operation::Begin(people::begin(&mut raw, 0));
            }
            (Operation::Patch(patch), _) => patch.element = self.element().unwrap_or(patch.element),
            (Operation::Delete { elements, .. }, _) => {
                elements.iter_mut().for_each(|element| *element = self.element().unwrap_or(*element));
            }
            (Operation::Undo { gesture } | Operation::Redo { gesture }, _) => {
                *gesture = self.gesture(author).unwrap_or(*gesture);
            }
            _ => {}
        }
        operation
    }

    /// An element that is there, or was: mostly one of the last.
    fn element(&mut self) -> Option<ElementRef> {
        let reach = if self.dice.below(4) == 0 { self.elements.len() } else { self.elements.len().min(8) };
        let back = self.dice.below(reach.max(1) as u64) as usize;
        self.elements.iter().rev().nth(back).copied()
    }

    /// A gesture of a person: mostly one of the last, and often one of those at the undo depth.
    fn gesture(&mut self, author: u32) -> Option<u64> {
        let own: Vec<u64> = self.gestures.iter().filter(|(by, _)| *by == author).map(|(_, cseq)| *cseq).collect();
        let near = self.dice.below(own.len().clamp(1, 8) as u64) as usize;
        let back = if self.dice.below(3) == 0 { limits::UNDO_DEPTH + near - 4 } else { near };
        own.iter().rev().nth(back).copied()
    }
}

/// How far back the gesture of an operation began, if it has one.
fn gesture_back(operation: &mut Operation) -> Option<&mut u64> {
    match operation {
        Operation::Begin(Begin { gesture_back, .. })
        | Operation::Shape(Shape { gesture_back, .. })
        | Operation::Text(Text { gesture_back, .. })
        | Operation::Note(Note { gesture_back, .. })
        | Operation::Picture(Picture { gesture_back, .. })
        | Operation::Patch(Patch { gesture_back, .. })
        | Operation::Delete { gesture_back, .. }
        | Operation::Clear { gesture_back }
        | Operation::ClearAuthor { gesture_back, .. } => Some(gesture_back),
        _ => None,
    }
}

#[test]
fn boards_of_the_page_and_of_the_server_are_the_same_after_each_operation() {
    let seed = seed();
    println!("seed {seed} (INKWIRE_SEED={seed} does it again)");
    let (mut lines, mut reasons) = (String::new(), BTreeMap::<String, u64>::new());
    let mut kinds = BTreeMap::<&str, u64>::new();
    for part in 0..BOARDS {
        let mut boards = Boards::of(seed, part);
        lines += "begins\n";
        for _ in 0..OPERATIONS {
            let step = boards.step();
            let outcome = step["outcome"].as_str().unwrap();
            let is_hash = outcome.bytes().all(|byte| byte.is_ascii_hexdigit());
            *reasons.entry(if is_hash { "accepted".into() } else { outcome.to_owned() }).or_default() += 1;
            writeln!(lines, "{step}").unwrap();
        }
        boards.accepted.iter().for_each(|(kind, count)| *kinds.entry(kind).or_default() += count);
    }
    println!("{reasons:?} {kinds:?}");
    assert!(["patch", "undo", "redo"].iter().all(|kind| kinds[kind] > 10 * BOARDS), "each comes often: {kinds:?}");
    assert!(reasons["accepted"] > BOARDS * OPERATIONS / 2, "most of it is within the rules: {reasons:?}");
    assert!(reasons.len() > 5, "rules are broken in many ways: {reasons:?}");
    compare("board.mjs", &lines);
}

/// A packet of either side, with some bytes changed, left out or doubled.
fn changed(dice: &mut Dice, boards: &mut Boards) -> (&'static str, Vec<u8>) {
    let step = boards.step();
    let packet = hex::decode(step["packet"].as_str().unwrap()).expect("hex");
    let (side, mut bytes) = if dice.below(2) == 0 {
        ("client", packet)
    } else {
        let messages = binary::decode_client(&packet).expect("a packet");
        let Some(ClientMessage::Operations { operations, .. }) = messages.first() else { panic!("operations") };
        let entries = operations.iter().map(|it| Entry { author: 1, skip: dice.below(2), operation: it.clone() });
        let entries = entries.collect();
        let message = ServerMessage::Operations { first_seq: 1 + dice.below(300), entries };
        ("server", binary::encode_server(&[message]))
    };
    for _ in 0..dice.below(4) {
        let at = dice.below(bytes.len().max(1) as u64) as usize;
        match dice.below(3) {
            0 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            1 if at < bytes.len() => _ = bytes.remove(at),
            _ => bytes.insert(at.min(bytes.len()), dice.below(256) as u8),
        }
    }
    (side, bytes)
}

#[test]
fn codecs_of_the_page_and_of_the_server_name_the_same_rule_for_packets_that_were_changed() {
    let seed = seed();
    println!("seed {seed} (INKWIRE_SEED={seed} does it again)");
    let (mut dice, mut boards) = (Dice::part(seed, 0), Boards::of(seed, 1));
    let (mut lines, mut rules) = (String::new(), BTreeMap::<&str, u64>::new());
    for number in 0..PACKETS {
        if number % OPERATIONS == 0 {
            boards = Boards::of(seed, number + 1);
        }
        let (side, bytes) = changed(&mut dice, &mut boards);
        let rule = match side {
            "client" => binary::decode_client(&bytes).err(),
            _ => binary::decode_server(&bytes).err(),
        };
        let rule = rule.map_or("", |error| error.name());
        *rules.entry(rule).or_default() += 1;
        let packet = hex::encode(&bytes);
        writeln!(lines, "{}", json!({ "packet": packet, "rule": rule, "side": side })).unwrap();
    }
    println!("{rules:?}");
    assert!(rules.len() > 10, "many rules are broken: {rules:?}");
    compare("packets.mjs", &lines);
}

/// Boards that are exported, and the operations of each.
const EXPORTS: u64 = 8;
const DRAWN: u64 = 120;

#[test]
fn the_page_and_inkwire_boards_export_a_board_as_the_same_svg() {
    let seed = seed();
    println!("seed {seed} (INKWIRE_SEED={seed} does it again)");
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(&["--data", data.path().to_str().expect("a path of letters")]);
    let snapshots: Vec<String> = (0..EXPORTS)
        .map(|part| {
            let mut boards = Boards::of(seed, part);
            let mut people = ["ada", "bob", "eve"].map(|name| Client::join(&server.address, &format!("b{part}"), name));
            for _ in 0..DRAWN {
                let (author, cseq, operation) = boards.next();
                // One after the other, so that all of them mean what is there. Rules beside those of the board reject some.
                if people[author as usize - 1].does(operation.clone()).is_ok() {
                    boards.submit(author, cseq, operation).expect("the server accepted it");
                }
            }
            people[0].wait_for_seq(boards.board.seq());
            assert_eq!(people[0].session.board().hash(), boards.board.hash());
            let packets = boards.board.packets().map(|packet| hex::encode(&packet));
            packets.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert!(server.stop().success());
    let mut lines = String::new();
    for (part, snapshot) in snapshots.into_iter().enumerate() {
        let mut export = Command::new(binary_of_server());
        export.args(["boards", "--data"]).arg(data.path()).args(["export", &format!("b{part}"), "--format", "svg"]);
        let output = export.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let svg = String::from_utf8(output.stdout).expect("text");
        writeln!(lines, "{}", json!({ "snapshot": snapshot, "svg": svg })).unwrap();
    }
    compare("svg.mjs", &lines);
}
