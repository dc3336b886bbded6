//! Snapshots of a board for its members: encoded in parts between which others have their turn, and shared part by part.
//!
//! The encoded parts of a board stay as long as a member waits for a snapshot or reads one. The next snapshot takes over every part
//! whose elements have not changed since, so readers of different snapshots hold little more than one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

use inkwire_board::Board;

use super::flush::Packet;
use super::ring::Ring;
use crate::in_flight::{self, InFlight};

/// Bytes that are encoded in one turn of a member, under the room's lock: about a quarter of a millisecond.
const STEP: usize = 256 * 1024;
/// The last part is encoded again with what came after it if it is smaller than this, so that there are few parts.
const SMALL: usize = 8 * 1024;
/// Maximum bytes of log that a newcomer gets after a snapshot that others are being given, and that part of its size.
const TAIL: usize = 16 * 1024;
const TAIL_PART: usize = 4;

/// A board at one sequence number, as packets.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) packets: Vec<Arc<Packet>>,
    bytes: usize,
    /// The flush that follows it.
    pub(super) then: u64,
}

impl Snapshot {
    /// Whether a newcomer may be given this one as well: the ring goes on from it, and not for long.
    fn still_serves(&self, ring: &Ring) -> bool {
        self.then >= ring.start() && ring.bytes_from(self.then) <= TAIL.max(self.bytes / TAIL_PART)
    }
}

/// The encoded elements of a range of sequence numbers.
#[derive(Debug)]
struct Part {
    end: u64,
    packet: Arc<Packet>,
}

/// The encoded parts of a board.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// By their first sequence numbers.
    parts: BTreeMap<u64, Part>,
    /// Ranges of sequence numbers that are still to be encoded, by their first.
    gaps: BTreeMap<u64, u64>,
    /// Every sequence number below this is in a part or in a gap.
    end: u64,
    bytes: usize,
    /// Bytes that were encoded since the last snapshot was whole.
    encoded: usize,
    last: Weak<Snapshot>,
    /// One is held by each member that waits for a snapshot or reads one.
    users: Arc<()>,
    in_flight: Arc<InFlight>,
    /// How long somebody may read before others get its room.
    patience: Duration,
}

/// How far the parts of a board are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoded {
    /// Everything is encoded as the board is now.
    All,
    /// There is more to do.
    More,
    /// There is more to do, and no room for it yet.
    NoRoom,
}

impl Snapshots {
    /// Nothing is encoded yet. The board's changes are tracked from now on.
    pub(super) fn of(board: &mut Board, in_flight: &Arc<InFlight>) -> Self {
        board.track_changes(true);
        Self {
            parts: BTreeMap::new(),
            gaps: BTreeMap::new(),
            end: 0,
            bytes: 0,
            encoded: 0,
            last: Weak::new(),
            users: Arc::default(),
            in_flight: in_flight.clone(),
            patience: in_flight::SLOW,
        }
    }

    /// Held by a member while it needs these.
    pub(super) fn user(&self) -> Arc<()> {
        self.users.clone()
    }

    /// Whether nobody needs these any more.
    pub(super) fn are_unused(&self) -> bool {
        Arc::strong_count(&self.users) == 1
    }

    /// The last snapshot, if a newcomer can be given that one.
    pub(super) fn last(&self, ring: &Ring) -> Option<Arc<Snapshot>> {
        self.last.upgrade().filter(|last| last.still_serves(ring))
    }

    /// Encodes some of what is missing.
    pub(super) fn encode(&mut self, board: &mut Board) -> Encoded {
        board.take_changes().for_each(|range| self.reopen(range));
        self.extend_to(board.seq() + 1);
        // A board that changes faster than it is encoded is encoded in one turn after a while.
        let most = if self.encoded > 3 * self.bytes.max(STEP) { usize::MAX } else { STEP };
        let mut encoded = 0;
        while let Some((start, end)) = self.gaps.first_key_value().map(|(start, end)| (*start, *end)) {
            if encoded >= most {
                return Encoded::More;
            }
            if self.in_flight.make_room(STEP, self.patience) == in_flight::Room::Soon {
                return Encoded::NoRoom;
            }
            encoded += self.encode_first(board, start..end);
        }
        Encoded::All
    }

    /// Encodes the first part of a gap; returns its bytes.
    fn encode_first(&mut self, board: &Board, gap: Range<u64>) -> usize {
        self.gaps.remove(&gap.start);
        let Some((packet, next)) = board.elements_packet(gap.clone()) else { return 0 };
        if next < gap.end {
            self.gaps.insert(next, gap.end);
        }
        let packet = Packet::held(&packet, &self.in_flight);
        let bytes = packet.bytes.len();
        self.bytes += bytes;
        self.encoded += bytes;
        self.parts.insert(gap.start, Part { end: next, packet: Arc::new(packet) });
        bytes
    }

    /// The elements of a range have changed: the parts that have some of them are gaps again.
    fn reopen(&mut self, range: Range<u64>) {
        while let Some((start, part)) = self.parts.range(..range.end).next_back()
            && part.end > range.start
        {
            let start = *start;
            self.reopen_part(start);
        }
    }

    fn reopen_part(&mut self, start: u64) {
        let Some(part) = self.parts.remove(&start) else { return };
        self.bytes -= part.packet.bytes.len();
        // With the gap after it, so that what became small does not stay small.
        let end = self.gaps.remove(&part.end).unwrap_or(part.end);
        self.gaps.insert(start, end);
    }

    /// The board has grown.
    fn extend_to(&mut self, end: u64) {
        if end <= self.end {
            return;
        }
        let mut start = self.end;
        let last = self.parts.last_key_value().filter(|(_, part)| part.packet.bytes.len() < SMALL);
        if let Some(last) = last.map(|(last, _)| *last) {
            self.reopen_part(last);
            self.gaps.split_off(&last);
            start = last;
        }
        self.gaps.insert(start, end);
        self.end = end;
    }

    /// The snapshot of a board of which everything is encoded.
    pub(super) fn whole(&mut self, board: &Board, then: u64) -> Arc<Snapshot> {
        debug_assert!(self.gaps.is_empty(), "Bug: everything is encoded");
        let [head, end] = board.packets_around().map(|packet| Arc::new(Packet::held(&packet, &self.in_flight)));
        let parts = self.parts.values().map(|part| part.packet.clone());
        let packets = std::iter::once(head).chain(parts).chain([end]).collect();
        self.encoded = 0;
        let snapshot = Arc::new(Snapshot { packets, bytes: self.bytes, then });
        self.last = Arc::downgrade(&snapshot);
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use inkwire_board::Replica;
    use inkwire_protocol::{Colour, ElementRef, Operation, Text, binary};

    use super::*;

    fn text(board: &mut Board, cseq: u64, length: usize) {
        let (colour, text) = (Colour(0xff), "x".repeat(length));
        let text = Text { gesture_back: 0, colour, size: 9, scale: 3, x: 0, y: 0, text };
        board.submit(1, cseq, Operation::Text(text)).expect("a text");
    }

    /// A board of as many texts of 4 KiB, and its snapshots.
    fn of_texts(count: u64) -> (Board, Snapshots, Arc<InFlight>) {
        let (mut board, in_flight) = (Board::default(), Arc::new(InFlight::default()));
        (1..=count).for_each(|cseq| text(&mut board, cseq, 4096));
        let snapshots = Snapshots::of(&mut board, &in_flight);
        (board, snapshots, in_flight)
    }

    fn whole(snapshots: &mut Snapshots, board: &mut Board) -> Arc<Snapshot> {
        while snapshots.encode(board) != Encoded::All {}
        snapshots.whole(board, 0)
    }

    fn hash_of(snapshot: &Snapshot) -> inkwire_board::StateHash {
        let mut replica = Replica::default();
        for packet in &snapshot.packets {
            for message in binary::decode_server(&packet.bytes).unwrap() {
                replica.receive(message).expect("a snapshot is consistent");
            }
        }
        replica.board().hash()
    }

    fn shared(one: &Snapshot, other: &Snapshot) -> usize {
        let is_in = |packet: &&Arc<Packet>| one.packets.iter().any(|same| Arc::ptr_eq(same, packet));
        other.packets.iter().filter(is_in).count()
    }

    #[test]
    fn a_large_board_is_encoded_in_parts_and_is_that_of_one_moment_whatever_is_drawn_between_them() {
        let (mut board, mut snapshots, _) = of_texts(600);
        let (mut turns, mut cseq) = (0, 600);
        while snapshots.encode(&mut board) != Encoded::All {
            turns += 1;
            cseq += 2;
            text(&mut board, cseq, 100);
            board.submit(1, cseq + 1, Operation::Undo { gesture: 500 + turns }).expect("an undo of an older text");
            cseq += 1;
        }
        assert!(turns > 5, "{turns} turns");
        assert_eq!(hash_of(&snapshots.whole(&board, 0)), board.hash());
    }

    #[test]
    fn the_next_snapshot_shares_what_has_not_changed_since_the_last() {
        // Changes are noted for 8 elements at once: three times that is little beside so many.
        let (mut board, mut snapshots, in_flight) = of_texts(1_200);
        let one = whole(&mut snapshots, &mut board);
        let elements = vec![ElementRef { author: 0, cseq: 1_100 }];
        board.submit(1, 1_201, Operation::Delete { gesture_back: 0, elements }).expect("it is there");
        text(&mut board, 1_202, 4096);
        let other = whole(&mut snapshots, &mut board);
        let (parts, shared) = (one.packets.len(), shared(&one, &other));
        assert!(parts > 50 && shared > parts * 9 / 10, "{shared} of {parts} parts are shared");
        assert_eq!(hash_of(&other), board.hash());
        let held = in_flight.held();
        assert!(held < one.bytes * 5 / 4, "{held} bytes for two snapshots of {}", one.bytes);
        drop((one, other, snapshots));
        assert_eq!(in_flight.held(), 0);
    }

    #[test]
    fn what_is_removed_for_good_is_in_no_later_snapshot() {
        let (mut board, mut snapshots, _) = of_texts(300);
        whole(&mut snapshots, &mut board);
        let mut cseq = 301;
        board.submit(1, cseq, Operation::Clear { gesture_back: 0 }).expect("a clear");
        // Gestures that cannot be undone any more take what they deleted with them.
        for _ in 0..2 * inkwire_protocol::limits::UNDO_DEPTH as u64 {
            cseq += 1;
            text(&mut board, cseq, 1);
        }
        let snapshot = whole(&mut snapshots, &mut board);
        assert_eq!(hash_of(&snapshot), board.hash());
        assert!(snapshot.bytes < 100_000, "{} bytes", snapshot.bytes);
    }

    #[test]
    fn a_board_that_grows_a_little_between_many_snapshots_has_few_parts() {
        let (mut board, mut snapshots, _) = of_texts(0);
        for cseq in 1..=500 {
            text(&mut board, cseq, 10);
            whole(&mut snapshots, &mut board);
        }
        assert!(snapshots.parts.len() < 10, "{} parts", snapshots.parts.len());
        assert_eq!(hash_of(&whole(&mut snapshots, &mut board)), board.hash());
    }

    #[test]
    fn where_there_is_no_room_the_oldest_reader_is_dismissed_first() {
        let mut board = Board::default();
        (1..=300).for_each(|cseq| text(&mut board, cseq, 4096));
        let in_flight = Arc::new(InFlight::of_at_most(STEP, Arc::default()));
        let reader = in_flight.reader(Arc::default());
        let mut snapshots = Snapshots { patience: Duration::ZERO, ..Snapshots::of(&mut board, &in_flight) };
        while !reader.is_dismissed() {
            assert_ne!(snapshots.encode(&mut board), Encoded::All);
        }
        assert_eq!(snapshots.encode(&mut board), Encoded::NoRoom, "it waits until that one has gone");
        drop(reader);
        let snapshot = whole(&mut snapshots, &mut board);
        assert_eq!(hash_of(&snapshot), board.hash(), "a single one may be larger than the bound");
    }
}
