//! Snapshots of a board for its members: encoded in parts between which others have their turn, and shared part by part.
//!
//! The encoded parts of a board stay as long as a member waits for a snapshot or reads one. The next snapshot takes over every part
//! whose elements have not changed since, so readers of different snapshots hold little more than one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Weak};

use inkwire_board::Board;

use crate::budget::Budget;
use crate::flush::Packet;
use crate::ring::Ring;

/// Bytes that are encoded in one turn of a member, under the room's lock: about a quarter of a millisecond.
const STEP: usize = 256 * 1024;
/// The last part is encoded again with what came after it if it is smaller than this, so that there are few parts.
const SMALL: usize = 8 * 1024;
/// Maximum bytes of log that a newcomer gets after a snapshot that others are being given, and that part of its size.
const TAIL: usize = 16 * 1024;
const TAIL_PART: usize = 4;

/// A board at one sequence number, as packets.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) packets: Vec<Arc<Packet>>,
    bytes: usize,
    /// The flush that follows it.
    pub(crate) then: u64,
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
pub(crate) struct Snapshots {
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
    budget: Arc<dyn Budget>,
}

/// The progress of encoding a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoded {
    /// Everything is encoded as the board is now.
    All,
    /// There is more to do.
    More,
    /// There is more to do, and no room for it yet.
    NoRoom,
}

impl Snapshots {
    /// Nothing is encoded yet. The board's changes are tracked from now on.
    pub(crate) fn of(board: &mut Board, budget: &Arc<dyn Budget>) -> Self {
        board.track_changes(true);
        Self {
            parts: BTreeMap::new(),
            gaps: BTreeMap::new(),
            end: 0,
            bytes: 0,
            encoded: 0,
            last: Weak::new(),
            users: Arc::default(),
            budget: budget.clone(),
        }
    }

    /// Held by a member while it needs these.
    pub(crate) fn user(&self) -> Arc<()> {
        self.users.clone()
    }

    /// Whether nobody needs these any more.
    pub(crate) fn are_unused(&self) -> bool {
        Arc::strong_count(&self.users) == 1
    }

    /// The last snapshot, if a newcomer can be given that one.
    pub(crate) fn last(&self, ring: &Ring) -> Option<Arc<Snapshot>> {
        self.last.upgrade().filter(|last| last.still_serves(ring))
    }

    /// Encodes some of what is missing.
    pub(crate) fn encode(&mut self, board: &mut Board) -> Encoded {
        board.take_changes().for_each(|range| self.reopen(range));
        self.extend_to(board.seq() + 1);
        // A board that changes faster than it is encoded is encoded in one turn after a while.
        let most = if self.encoded > 3 * self.bytes.max(STEP) { usize::MAX } else { STEP };
        let mut encoded = 0;
        while let Some((start, end)) = self.gaps.first_key_value().map(|(start, end)| (*start, *end)) {
            if encoded >= most {
                return Encoded::More;
            }
            if !self.budget.has_room(STEP) {
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
        let packet = Packet::held(&packet, &*self.budget);
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
    pub(crate) fn whole(&mut self, board: &Board, then: u64) -> Arc<Snapshot> {
        debug_assert!(self.gaps.is_empty(), "Bug: everything is encoded");
        let [head, end] = board.packets_around().map(|packet| Arc::new(Packet::held(&packet, &*self.budget)));
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
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use bytes::Bytes;
    use inkwire_board::Replica;
    use inkwire_protocol::{Colour, ElementRef, Operation, Text, binary};

    use super::*;

    fn text(board: &mut Board, cseq: u64, length: usize) {
        let (colour, text) = (Colour(0xff), "x".repeat(length));
        let text = Text { gesture_back: 0, colour, size: 9, scale: 3, x: 0, y: 0, text };
        board.submit(1, cseq, Operation::Text(text)).expect("a text");
    }

    /// A budget that counts what is held.
    #[derive(Debug, Default)]
    struct Counted {
        held: Arc<AtomicUsize>,
        is_full: AtomicBool,
    }

    /// A buffer that counts until it is dropped.
    struct Held(Bytes, Arc<AtomicUsize>);

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            self.1.fetch_sub(self.0.len(), Ordering::Relaxed);
        }
    }

    impl Budget for Counted {
        fn has_room(&self, _: usize) -> bool {
            !self.is_full.load(Ordering::Relaxed)
        }

        fn hold(&self, bytes: Bytes) -> Bytes {
            self.held.fetch_add(bytes.len(), Ordering::Relaxed);
            Bytes::from_owner(Held(bytes, self.held.clone()))
        }
    }

    /// A board of as many texts of 4 KiB, and its snapshots.
    fn of_texts(count: u64) -> (Board, Snapshots, Arc<Counted>) {
        let (mut board, counted) = (Board::default(), Arc::new(Counted::default()));
        (1..=count).for_each(|cseq| text(&mut board, cseq, 4096));
        let snapshots = Snapshots::of(&mut board, &(counted.clone() as Arc<dyn Budget>));
        (board, snapshots, counted)
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
        let (mut board, mut snapshots, counted) = of_texts(1_200);
        let one = whole(&mut snapshots, &mut board);
        let elements = vec![ElementRef { author: 0, cseq: 1_100 }];
        board.submit(1, 1_201, Operation::Delete { gesture_back: 0, elements }).expect("it is there");
        text(&mut board, 1_202, 4096);
        let other = whole(&mut snapshots, &mut board);
        let (parts, shared) = (one.packets.len(), shared(&one, &other));
        assert!(parts > 50 && shared > parts * 9 / 10, "{shared} of {parts} parts are shared");
        assert_eq!(hash_of(&other), board.hash());
        let held = counted.held.load(Ordering::Relaxed);
        assert!(held < one.bytes * 5 / 4, "{held} bytes for two snapshots of {}", one.bytes);
        drop((one, other, snapshots));
        assert_eq!(counted.held.load(Ordering::Relaxed), 0);
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
    fn a_board_waits_for_room_before_each_part_of_its_snapshot() {
        let (mut board, mut snapshots, counted) = of_texts(300);
        counted.is_full.store(true, Ordering::Relaxed);
        assert_eq!(snapshots.encode(&mut board), Encoded::NoRoom);
        counted.is_full.store(false, Ordering::Relaxed);
        let snapshot = whole(&mut snapshots, &mut board);
        assert_eq!(hash_of(&snapshot), board.hash());
    }
}
