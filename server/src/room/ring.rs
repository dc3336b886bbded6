//! The room's latest flushes: the part of the log that members read from memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::flush::Flush;

/// Flushes are kept up to this many bytes; a member that is further behind gets a snapshot.
const CAPACITY: usize = 1024 * 1024;

/// What a flush costs beside its bytes: its frame's head, and the room's own records.
const OVERHEAD: usize = 256;

/// Flushes with dense numbers, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ring {
    flushes: VecDeque<Arc<Flush>>,
    /// The number of the oldest.
    start: u64,
    bytes: usize,
}

impl Ring {
    /// The number of the oldest flush that is held.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The number that the next flush will have.
    pub(super) fn end(&self) -> u64 {
        self.start + self.flushes.len() as u64
    }

    pub(super) fn get(&self, number: u64) -> Option<&Arc<Flush>> {
        self.flushes.get(usize::try_from(number.checked_sub(self.start)?).ok()?)
    }

    /// The bytes of the flushes from a number on.
    pub(super) fn bytes_from(&self, number: u64) -> usize {
        let skipped = number.saturating_sub(self.start) as usize;
        self.flushes.iter().skip(skipped).map(|flush| flush.packet.bytes.len()).sum()
    }

    pub(super) fn push(&mut self, flush: Flush) {
        self.bytes += flush.packet.bytes.len() + OVERHEAD;
        self.flushes.push_back(Arc::new(flush));
        while self.bytes > CAPACITY && self.flushes.len() > 1 {
            let oldest = self.flushes.pop_front().expect("Bug: there are two");
            self.bytes -= oldest.packet.bytes.len() + OVERHEAD;
            self.start += 1;
        }
    }

    /// The flush with which a member goes on that has everything up to `seq`; `None` where it is no longer held.
    pub(super) fn after(&self, seq: u64) -> Option<u64> {
        let behind = self.flushes.partition_point(|flush| flush.last_seq <= seq);
        match self.flushes.get(behind) {
            Some(flush) if flush.first_seq > seq + 1 => None,
            Some(_) => Some(self.start + behind as u64),
            None => self.flushes.back().filter(|last| last.last_seq == seq).map(|_| self.end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::flush::Packet;

    fn ring(count: u64, size: usize) -> Ring {
        let mut ring = Ring::default();
        for at in 0..count {
            let packet = Packet::new(&vec![0; size]);
            ring.push(Flush { first_seq: at * 10 + 1, last_seq: at * 10 + 10, packet });
        }
        ring
    }

    #[test]
    fn a_member_goes_on_behind_what_it_has() {
        let ring = ring(3, 10);
        assert_eq!(ring.after(0), Some(0));
        assert_eq!(ring.after(10), Some(1));
        assert_eq!(ring.after(15), Some(1), "from the middle of a flush, which then repeats what is known");
        assert_eq!(ring.after(30), Some(3));
        assert_eq!(ring.after(31), None, "ahead of the log");
    }

    #[test]
    fn old_flushes_go_when_the_ring_is_full() {
        let ring = ring(100, CAPACITY / 10 - OVERHEAD);
        assert_eq!((ring.start(), ring.end()), (90, 100));
        assert_eq!(ring.after(5), None);
        assert!(ring.get(89).is_none());
        assert!(ring.get(90).is_some());
    }
}
