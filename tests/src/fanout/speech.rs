//! What a client of a server says and understands: that of a relay, or Inkwire's protocol.

use std::collections::{HashMap, VecDeque};

use inkwire_protocol::{
    ClientId, ClientMessage, Colour, Epoch, Operation, Points, SUBPROTOCOL_BINARY, ServerMessage, binary,
};

use super::heard::Heard;
use crate::pen::begin;
use crate::raw::{Raw, client_frame};

/// Points of a message: what a pen at 240 Hz draws in a frame of a display.
const POINTS: usize = 4;
/// Messages of a stroke: two seconds of a pen.
const LONG: u64 = 120;
/// Messages of a short stroke: one of handwriting.
pub(super) const SHORT: u64 = 8;
/// Flushes that are remembered: nobody lags by more and is not too far behind.
const REMEMBERED: usize = 65_536;
/// So many operations: more than are in those.
const OPERATIONS_REMEMBERED: usize = 1 << 18;

/// Tags of messages, by which a packet begins (PROTOCOL.md).
const SNAPSHOT: u8 = 33;
const OPERATIONS: u8 = 36;
const REJECT: u8 = 39;
const SLOW_DOWN: u8 = 45;

/// A hello of somebody who has nothing.
pub fn hello(at: usize) -> Vec<u8> {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&(at as u64).to_be_bytes());
    let (client_id, epoch, name) = (ClientId(id), Epoch::default(), format!("member {at}"));
    let (hash, colour) = ([0; 8], Colour(0xff));
    binary::encode_client(&[ClientMessage::Hello { client_id, epoch, seq: 0, hash, name, colour }])
}

/// The ink of a pen, a message at a time, in strokes of so many.
fn ink(at: u64, per_stroke: u64) -> Operation {
    match at % per_stroke {
        0 => begin(),
        last if last == per_stroke - 1 => Operation::End { slot: 0 },
        at => {
            let back_and_forth = if at.is_multiple_of(2) { 23 } else { -23 };
            Operation::Points(Points {
                slot: 0,
                steps: [[back_and_forth, 4]; POINTS][..].into(),
                pressures: Default::default(),
            })
        }
    }
}

/// How clients talk to a server.
#[derive(Debug)]
pub(super) enum Speech {
    /// Messages go to everybody as they are: each carries when it was sent.
    Relay,
    /// Operations go into a log, and come out of it.
    Inkwire(Boards),
}

/// What the clients of Inkwire know together, so that a flush that a hundred of them get is decoded once.
#[derive(Debug)]
pub(super) struct Boards {
    boards: HashMap<usize, Board>,
    people: Vec<Drawer>,
    per_stroke: u64,
}

impl Default for Boards {
    fn default() -> Self {
        Self { boards: HashMap::new(), people: Vec::new(), per_stroke: LONG }
    }
}

#[derive(Debug, Default)]
struct Board {
    /// When the operations of each author were sent that have not come back.
    sent: HashMap<u32, VecDeque<u64>>,
    /// When each was sent that has come back, the latest last, and the number of the first of them.
    came: VecDeque<u64>,
    first: u64,
    /// The same by packet: its first number and its length. Who draws gets in parts what others get as one.
    packets: VecDeque<((u64, usize), Vec<u64>)>,
}

#[derive(Debug)]
struct Drawer {
    author: u32,
    cseq: u64,
    /// Since when somebody waits for the board that came late; whoever did is not counted among those who hear.
    waits_since: Option<u64>,
}

impl Speech {
    /// From here on strokes are those of handwriting.
    pub(super) fn writes_by_hand(&mut self) {
        if let Self::Inkwire(boards) = self {
            boards.per_stroke = SHORT;
        }
    }

    /// Connects one more client, who joins a board.
    pub(super) fn join(&mut self, address: &str, board: usize) -> Raw {
        let mut raw = self.connect(address, board);
        if let Self::Inkwire(boards) = self {
            let at = boards.people.len() - 1;
            raw.send(&client_frame(0x82, &hello(at)));
            let welcome = raw.frame().expect("a welcome").payload;
            let welcome = binary::decode_server(&welcome).expect("a welcome decodes");
            let author = welcome.iter().find_map(|message| match message {
                ServerMessage::Welcome { author, .. } => Some(*author),
                _ => None,
            });
            boards.people[at].author = author.expect("a welcome comes first");
        }
        raw
    }

    /// Connects one more client, who says nothing yet.
    pub(super) fn connect(&mut self, address: &str, board: usize) -> Raw {
        if let Self::Inkwire(boards) = self {
            boards.people.push(Drawer { author: 0, cseq: 0, waits_since: None });
        }
        self.upgrade(address, board)
    }

    /// A connection that is none of the clients'.
    pub(super) fn upgrade(&self, address: &str, board: usize) -> Raw {
        match self {
            Self::Relay => Raw::upgrade(address, &format!("/board-{board}"), ""),
            Self::Inkwire(_) => {
                let protocol = format!("Sec-WebSocket-Protocol: {SUBPROTOCOL_BINARY}\r\n");
                Raw::upgrade(address, &format!("/ws/board-{board}"), &protocol)
            }
        }
    }

    /// The hello of somebody who was only connected.
    pub(super) fn join_late(&mut self, person: usize, now: u64, out: &mut Vec<u8>) {
        if let Self::Inkwire(boards) = self {
            boards.people[person].waits_since = Some(now);
        }
        out.extend_from_slice(&client_frame(0x82, &hello(person)));
    }

    /// Appends the next message of somebody who draws.
    pub(super) fn say(&mut self, person: usize, board: usize, due: u64, out: &mut Vec<u8>) {
        match self {
            Self::Relay => {
                let mut payload = [0; 16];
                payload[..8].copy_from_slice(&due.to_be_bytes());
                out.extend_from_slice(&client_frame(0x82, &payload));
            }
            Self::Inkwire(boards) => {
                let drawer = &mut boards.people[person];
                let operations = [ink(drawer.cseq, boards.per_stroke)].into();
                drawer.cseq += 1;
                boards.boards.entry(board).or_default().sent.entry(drawer.author).or_default().push_back(due);
                let message = ClientMessage::Operations { first_cseq: drawer.cseq, operations };
                out.extend_from_slice(&client_frame(0x82, &binary::encode_client(&[message])));
            }
        }
    }

    /// Understands the payload of one frame.
    pub(super) fn hear(&mut self, person: usize, board: usize, payload: &[u8], now: u64, heard: &mut Heard) {
        match self {
            Self::Relay => {
                if let Some(sent) = payload.first_chunk() {
                    heard.delivery(now.saturating_sub(u64::from_be_bytes(*sent)));
                }
            }
            Self::Inkwire(boards) => boards.hear(person, board, payload, now, heard),
        }
    }
}

impl Boards {
    fn hear(&mut self, person: usize, board: usize, payload: &[u8], now: u64, heard: &mut Heard) {
        let drawer = &mut self.people[person];
        match payload.first() {
            Some(&OPERATIONS) if drawer.author == 0 => {
                if let Some(since) = drawer.waits_since.take() {
                    heard.joins.saturating_record((now - since) / 1000);
                }
            }
            Some(&OPERATIONS) => {
                for sent in self.boards.entry(board).or_default().flush(payload) {
                    heard.delivery(now.saturating_sub(*sent));
                }
            }
            Some(&SNAPSHOT) if drawer.author != 0 => heard.snapshots += 1,
            Some(&(REJECT | SLOW_DOWN)) => heard.refusals += 1,
            _ => {}
        }
    }
}

impl Board {
    /// When the operations of a flush were sent.
    fn flush(&mut self, packet: &[u8]) -> &[u64] {
        let key = (first_seq(packet).expect("a flush has a number"), packet.len());
        let at = match self.packets.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => at,
            Err(at) => {
                let sent = self.decode(packet);
                self.packets.insert(at, (key, sent));
                if self.packets.len() > REMEMBERED {
                    self.packets.pop_front();
                }
                at.min(self.packets.len() - 1)
            }
        };
        &self.packets[at].1
    }

    fn decode(&mut self, packet: &[u8]) -> Vec<u64> {
        let mut all = Vec::new();
        for message in binary::decode_server(packet).expect("a flush decodes") {
            let ServerMessage::Operations { first_seq, entries } = message else { continue };
            let numbered = (first_seq..).zip(&entries);
            all.extend(numbered.filter_map(|(seq, entry)| self.sent(seq, entry.author)));
        }
        all
    }

    /// When the operation of a number was sent; nothing where that was not counted.
    fn sent(&mut self, seq: u64, author: u32) -> Option<u64> {
        if self.came.is_empty() {
            self.first = seq;
        }
        if seq == self.first + self.came.len() as u64 {
            self.came.push_back(self.sent.get_mut(&author)?.pop_front()?);
        }
        if self.came.len() > OPERATIONS_REMEMBERED {
            self.came.pop_front();
            self.first += 1;
        }
        self.came.get(usize::try_from(seq.checked_sub(self.first)?).ok()?).copied()
    }
}

/// The number with which an `operations` message begins.
fn first_seq(packet: &[u8]) -> Option<u64> {
    let (_, rest) = number(&packet[1..])?;
    Some(number(rest)?.0)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let value = bytes[..length].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, &bytes[length..]))
}

#[cfg(test)]
mod tests {
    use inkwire_protocol::{Entry, Operation};

    use super::*;

    fn packet(first_seq: u64, authors: &[u32]) -> Vec<u8> {
        let mut entries = Vec::new();
        for author in authors {
            let operation = Operation::Clear { gesture_back: 0 };
            binary::put_entry(&mut entries, &Entry { author: *author, skip: 0, operation });
        }
        let mut packet = Vec::new();
        binary::put_entries(&mut packet, first_seq, &entries);
        packet
    }

    #[test]
    fn what_some_get_in_parts_and_others_as_one_was_due_at_the_same_times() {
        let mut board = Board::default();
        board.sent.insert(1, [10, 30].into());
        board.sent.insert(2, [20].into());
        assert_eq!(board.flush(&packet(1, &[1])), [10]);
        assert_eq!(board.flush(&packet(2, &[2, 1])), [20, 30]);
        assert_eq!(board.flush(&packet(1, &[1, 2, 1])), [10, 20, 30]);
        assert_eq!(board.flush(&packet(2, &[2, 1])), [20, 30], "and so it is for the next member");
    }

    #[test]
    fn what_nobody_counted_is_no_delivery() {
        let mut board = Board::default();
        assert!(board.flush(&packet(1, &[9])).is_empty());
        board.sent.insert(1, [10].into());
        assert_eq!(board.flush(&packet(2, &[1])), [10]);
    }
}
