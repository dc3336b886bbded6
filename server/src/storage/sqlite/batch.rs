//! The parts of one board that wait to be written, as rows of its log.

use std::time::Instant;

use inkwire_board::StateHash;
use inkwire_protocol::{AuthorName, ClientId, Epoch};

use crate::storage::{self, LogBatch};

/// Parts of one board go into one record until it is so long, in bytes.
const RECORD: usize = 256 * 1024;

/// The unwritten parts of one board.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) epoch: Epoch,
    pub(super) records: Vec<Record>,
    pub(super) clients: Vec<(ClientId, u32)>,
    pub(super) names: Vec<AuthorName>,
    pub(super) since: Instant,
    /// When it was drawn, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) reserved_author: u32,
}

/// A row of the log to be.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) hash: StateHash,
    pub(super) packets: Vec<u8>,
    /// A commit of it has failed, and may be there all the same: it stays as it is.
    pub(super) was_tried: bool,
}

impl Record {
    /// Whether a part goes on where this ends, and may become one with it.
    fn takes(&self, part: &LogBatch) -> bool {
        !self.was_tried && self.packets.len() < RECORD && self.last_seq + 1 == part.first_seq
    }
}

impl Batch {
    pub(super) fn new(epoch: Epoch) -> Self {
        let (records, clients, names) = (Vec::new(), Vec::new(), Vec::new());
        Self { epoch, records, clients, names, since: Instant::now(), at: storage::now(), reserved_author: 0 }
    }

    pub(super) fn take(&mut self, mut part: LogBatch) {
        self.reserved_author = self.reserved_author.max(part.reserved_author);
        self.clients.append(&mut part.clients);
        self.names.append(&mut part.names);
        match self.records.last_mut().filter(|last| last.takes(&part)) {
            Some(last) => {
                last.packets.extend_from_slice(&part.packet);
                (last.last_seq, last.hash) = (part.last_seq, part.hash);
            }
            None => self.records.push(Record {
                first_seq: part.first_seq,
                last_seq: part.last_seq,
                hash: part.hash,
                packets: part.packet.to_vec(),
                was_tried: false,
            }),
        }
    }

    /// Puts what came later behind this.
    pub(super) fn absorb(&mut self, later: Self) {
        self.records.extend(later.records);
        self.clients.extend(later.clients);
        self.names.extend(later.names);
        self.reserved_author = self.reserved_author.max(later.reserved_author);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.records.iter().map(|record| record.packets.len() as u64).sum()
    }

    pub(super) fn last(&self) -> Option<&Record> {
        self.records.last()
    }

    pub(super) fn operations(&self) -> u64 {
        self.records.iter().map(|record| record.last_seq - record.first_seq + 1).sum()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random;

    pub(in super::super) fn part(seq: u64, bytes: usize) -> LogBatch {
        let (clients, names) = (Vec::new(), Vec::new());
        let packet = vec![0; bytes].into();
        let (epoch, hash) = (random::epoch(), StateHash::default());
        LogBatch { epoch, first_seq: seq, last_seq: seq, packet, hash, clients, names, reserved_author: 0 }
    }

    #[test]
    fn a_record_whose_commit_was_tried_stays_as_it_is_and_so_does_one_that_is_not_followed() {
        let mut batch = Batch::new(random::epoch());
        [1, 2].iter().for_each(|seq| batch.take(part(*seq, 9)));
        batch.records.iter_mut().for_each(|record| record.was_tried = true);
        [3, 4, 9].iter().for_each(|seq| batch.take(part(*seq, 9)));
        let records: Vec<_> = batch.records.iter().map(|record| (record.first_seq, record.last_seq)).collect();
        assert_eq!(records, [(1, 2), (3, 4), (9, 9)]);
    }
}
