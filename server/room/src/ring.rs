//! The room's latest flushes: the part of the log that members read from memory.

use std::collections::VecDeque;
use std::sync::Arc;

use inkwire_board::StateHash;

use crate::flush::{Flush, Packet};

/// Flushes are kept up to this many bytes; a member that is further behind gets a snapshot.
const CAPACITY: usize = 1024 * 1024;

/// The size of a flush beside its bytes: its frame's head, and the room's own records.
const OVERHEAD: usize = 256;

/// Flushes with dense numbers, oldest first.
#[derive(Debug)]
pub(crate) struct Ring {
    flushes: VecDeque<Arc<Flush>>,
    /// The sequence number and state hash before the oldest one.
    base: (u64, StateHash),
    /// The number of the oldest.
    start: u64,
    bytes: usize,
    /// All members have been told of the flushes before this number.
    told: u64,
    /// Those that most were told of at once, in one packet.
    merged: Option<MergedFlush>,
}

/// Flushes that go out as one to whoever has none of them.
#[derive(Debug)]
struct MergedFlush {
    from: u64,
    to: u64,
    packet: Packet,
}

impl Ring {
    /// An empty ring behind a board at a sequence number.
    pub(crate) fn behind(seq: u64, hash: StateHash) -> Self {
        Self { flushes: VecDeque::new(), base: (seq, hash), start: 0, bytes: 0, told: 0, merged: None }
    }

    /// The number of the oldest flush that is held.
    #[inline]
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// The number that the next flush will have.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.flushes.len() as u64
    }

    /// Returns the packet that begins with a flush, and the number of the flush after it.
    #[inline]
    pub(crate) fn from(&self, number: u64) -> Option<(&Packet, u64)> {
        if let Some(MergedFlush { to, packet, .. }) = self.merged.as_ref().filter(|merged| merged.from == number) {
            return Some((packet, *to));
        }
        let flush = self.flushes.get(usize::try_from(number.checked_sub(self.start)?).ok()?)?;
        Some((&flush.packet, number + 1))
    }

    /// Everybody is told now of what was flushed since that was last so: in one packet, if it is more than one.
    pub(crate) fn tells_all(&mut self) {
        let to = self.end();
        let from = std::mem::replace(&mut self.told, to);
        if from < self.start || to - from < 2 {
            return;
        }
        let packet = Flush::merged(self.flushes.range((from - self.start) as usize..).map(AsRef::as_ref));
        self.merged = packet.map(|packet| MergedFlush { from, to, packet });
    }

    /// The bytes of the flushes from a number on.
    pub(crate) fn bytes_from(&self, number: u64) -> usize {
        let skipped = number.saturating_sub(self.start) as usize;
        self.flushes.iter().skip(skipped).map(|flush| flush.packet.bytes.len()).sum()
    }

    pub(crate) fn push(&mut self, flush: Flush) {
        self.bytes += flush.packet.bytes.len() + OVERHEAD;
        self.flushes.push_back(Arc::new(flush));
        while self.bytes > CAPACITY && self.flushes.len() > 1 {
            let oldest = self.flushes.pop_front().expect("Bug: there are two");
            self.bytes -= oldest.packet.bytes.len() + OVERHEAD;
            self.base = (oldest.last_seq, oldest.hash);
            self.start += 1;
        }
    }

    /// The flush with which a member goes on that has everything up to `seq`; `None` where that is no longer held, or is
    /// not between two flushes.
    pub(crate) fn after(&self, seq: u64) -> Option<u64> {
        if seq == self.base.0 {
            return Some(self.start);
        }
        let at = self.flushes.binary_search_by_key(&seq, |flush| flush.last_seq).ok()?;
        Some(self.start + at as u64 + 1)
    }

    /// The board's state hash at a sequence number between two flushes, as far as it is known.
    pub(crate) fn hash_at(&self, seq: u64) -> Option<StateHash> {
        let before = self.after(seq)?.checked_sub(self.start + 1);
        Some(before.map_or(self.base.1, |at| self.flushes[at as usize].hash))
    }
}

#[cfg(test)]
mod tests {
    use inkwire_protocol::{ServerMessage, binary};

    use super::*;

    /// More than stands before the entries of a flush.
    const HEAD: usize = 16;

    fn hash(of: u8) -> StateHash {
        StateHash::from_bytes([of; 8])
    }

    fn ring(count: u64, size: usize) -> Ring {
        let mut ring = Ring::behind(0, hash(0));
        for at in 0..count {
            ring.push(Flush::of(at * 10 + 1, &vec![0; size.saturating_sub(HEAD)], at * 10 + 10, hash(at as u8 + 1)));
        }
        ring
    }

    #[test]
    fn a_member_goes_on_behind_what_it_has() {
        let ring = ring(3, 10);
        assert_eq!(ring.after(0), Some(0));
        assert_eq!(ring.after(10), Some(1));
        assert_eq!(ring.after(15), None, "nobody has half of a flush");
        assert_eq!(ring.after(30), Some(3));
        assert_eq!(ring.after(31), None, "ahead of the log");
    }

    #[test]
    fn the_state_hash_is_known_between_flushes() {
        let ring = ring(3, 10);
        assert_eq!(ring.hash_at(0), Some(hash(0)));
        assert_eq!(ring.hash_at(20), Some(hash(2)));
        assert_eq!(ring.hash_at(30), Some(hash(3)));
        assert_eq!(ring.hash_at(25), None);
        assert_eq!(ring.hash_at(40), None);
    }

    #[test]
    fn old_flushes_go_when_the_ring_is_full() {
        let ring = ring(100, CAPACITY / 10 - OVERHEAD);
        assert_eq!((ring.start(), ring.end()), (90, 100));
        assert_eq!(ring.after(5), None);
        assert!(ring.from(89).is_none());
        assert!(ring.from(90).is_some());
        assert_eq!(ring.after(900), Some(90), "from right before the oldest");
    }

    #[test]
    fn who_was_told_of_nothing_for_a_while_gets_it_as_one() {
        let mut ring = Ring::behind(0, hash(0));
        let entry = |seq: u8| {
            let mut entries = Vec::new();
            let operation = inkwire_protocol::Operation::Clear { gesture_back: 0 };
            binary::put_entry(&mut entries, &inkwire_protocol::Entry { author: u32::from(seq), skip: 0, operation });
            entries
        };
        let push = |ring: &mut Ring, seq: u8| ring.push(Flush::of(seq.into(), &entry(seq), seq.into(), hash(seq)));
        push(&mut ring, 1);
        ring.tells_all();
        assert_eq!(ring.from(0).map(|(_, next)| next), Some(1), "one is what it is");
        for seq in 2..=4 {
            push(&mut ring, seq);
        }
        ring.tells_all();
        let (packet, next) = ring.from(1).unwrap();
        assert_eq!(next, 4);
        let messages = binary::decode_server(&packet.bytes).unwrap();
        let [ServerMessage::Operations { first_seq: 2, entries }] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(entries.iter().map(|entry| entry.author).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(ring.from(2).map(|(_, next)| next), Some(3), "and who has a part of it gets the rest");
    }
}
