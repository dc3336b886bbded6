//! Putting a board's records in order, beside the drawing: a new snapshot, and the log behind it packed.
//!
//! The board is read and replayed from the disk, on a thread of its own, so no room waits for it; and what is written is
//! what the records came to, checked by the state hash. It is written in small transactions between the commits.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use inkwire_board::{Board, StateHash};
use inkwire_protocol::{ClientId, Columns, Epoch};
use parking_lot::Mutex;
use rusqlite::Transaction;

use super::checksum;
use super::queue::Queue;
use super::reader::Reader;
use super::schema::FILE;
use crate::log::board_span;
use crate::metrics::Metrics;
use crate::name::BoardName;
use crate::storage::{Archive, BoardRecord, Compacted, Damage, Loaded, StorageError};

/// A board that is closed is put in order from so many bytes of log on: it opens the faster.
pub(super) const TAIL_WHEN_CLOSED: i64 = 16 * 1024;
/// Parts of a snapshot, and packed records of the log, hold about so much before they are packed, in bytes.
const CHUNK: usize = 512 * 1024;
/// Free pages that are given back to the file system between two commits.
const PAGES: u32 = 256;

/// Deflate (RFC 1951).
fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::default());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// A part of the log, packed: its two columns, each by itself; the length of the first one stands in front. None if the packets
/// are no log.
fn pack_log(packets: &[u8]) -> Option<Vec<u8>> {
    let columns = Columns::of(packets).ok()?;
    let (heads, bodies) = (pack(&columns.heads), pack(&columns.bodies));
    Some([&(heads.len() as u32).to_be_bytes()[..], &heads, &bodies].concat())
}

/// The parts of a board's snapshot, packed, and their size before.
fn parts(board: &Board) -> (Vec<Vec<u8>>, u64) {
    let (mut parts, mut chunk, mut size) = (Vec::new(), Vec::new(), 0);
    for packet in board.packets() {
        size += packet.len() as u64;
        chunk.extend_from_slice(&packet);
        if chunk.len() >= CHUNK {
            parts.push(pack(&chunk));
            chunk.clear();
        }
    }
    if !chunk.is_empty() {
        parts.push(pack(&chunk));
    }
    (parts, size)
}

/// A whole board as it is written: packed beforehand, so that the writing thread does not have to.
#[derive(Debug)]
pub(super) struct Encoded {
    seq: u64,
    hash: StateHash,
    last_author: u32,
    parts: Vec<Vec<u8>>,
    size: u64,
    clients: Vec<(ClientId, u32)>,
}

impl Encoded {
    pub(super) fn of(board: &Board) -> Self {
        let (parts, size) = parts(board);
        let clients = board.clients().collect();
        Self { seq: board.seq(), hash: board.hash(), last_author: board.last_author(), parts, size, clients }
    }
}

/// Writes a whole board as a snapshot, in a transaction of the caller.
///
/// # Errors
/// The error of SQLite.
pub(super) fn insert_board(
    transaction: &Transaction<'_>,
    name: &str,
    epoch: Epoch,
    board: &Encoded,
) -> rusqlite::Result<i64> {
    let seq = board.seq as i64;
    let id: i64 = transaction.query_row(
        "INSERT INTO boards (name, epoch, seq, hash, last_author, reserved_author, snapshot_seq, snapshot_bytes, is_open)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?3, ?6, 0) RETURNING id",
        (name, epoch.0, seq, board.hash.to_bytes(), board.last_author, board.size as i64),
        |row| row.get(0),
    )?;
    for (part, bytes) in board.parts.iter().enumerate() {
        let crc = crc32fast::hash(bytes);
        transaction.execute("INSERT INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5)", (id, seq, part as i64, crc, bytes))?;
    }
    for (client, author) in &board.clients {
        let insert = "INSERT INTO clients VALUES (?1, ?2, ?3, checksum(?1, ?2, ?3))";
        transaction.execute(insert, (id, client.0, author))?;
    }
    checksum::seal(transaction, id)?;
    Ok(id)
}

/// Records of the log that follow each other and are packed into one.
struct Chunk {
    first: u64,
    last: u64,
    hash: StateHash,
    packets: Vec<u8>,
}

/// The thread that compacts boards, and what it reads and writes through.
#[derive(Debug, Clone)]
pub(super) struct Compactor {
    pub(super) directory: PathBuf,
    pub(super) queue: Arc<Queue>,
    pub(super) metrics: Arc<Metrics>,
    /// One compaction at a time: what it reads, no other may replace meanwhile.
    pub(super) turn: Arc<Mutex<()>>,
}

/// Boards whose compaction fails, and when each is tried again: every commit to such a board would ask for it otherwise.
#[derive(Debug, Default)]
struct Failing(HashMap<BoardName, (Duration, Instant)>);

impl Failing {
    const FIRST: Duration = Duration::from_secs(60);
    const LONGEST: Duration = Duration::from_secs(60 * 60);

    fn is_due(&self, name: &BoardName, now: Instant) -> bool {
        self.0.get(name).is_none_or(|(_, again)| now >= *again)
    }

    fn failed(&mut self, name: BoardName, now: Instant) {
        let (pause, again) = self.0.entry(name).or_insert((Self::FIRST / 2, now));
        *pause = (*pause * 2).min(Self::LONGEST);
        *again = now + *pause;
    }

    fn recovered(&mut self, name: &BoardName) {
        self.0.remove(name);
    }

    fn count(&self) -> i64 {
        self.0.len() as i64
    }
}

impl Compactor {
    /// Compacts the boards that are asked for until nobody can ask any more.
    pub(super) fn run(self, asked: &mpsc::Receiver<BoardName>) {
        let mut failing = Failing::default();
        while let Ok(first) = asked.recv() {
            let names: HashSet<BoardName> = std::iter::once(first).chain(asked.try_iter()).collect();
            for name in names {
                if !failing.is_due(&name, Instant::now()) {
                    continue;
                }
                // A server that stops does not make people wait for what the next one does as well.
                if self.queue.is_stopping() {
                    return;
                }
                let _board = board_span(&name).entered();
                match self.compact_alone(&name) {
                    Ok(()) => failing.recovered(&name),
                    Err(error) => {
                        tracing::warn!(%error, "the board could not be compacted; it is tried again later");
                        self.metrics.compaction_failures.inc();
                        failing.failed(name, Instant::now());
                    }
                }
                self.metrics.compaction_failing.set(failing.count());
            }
        }
    }

    /// Compacts one board; whatever happens there stays there.
    fn compact_alone(&self, name: &BoardName) -> Result<(), StorageError> {
        match catch_unwind(AssertUnwindSafe(|| self.compact(name.as_str(), false))) {
            Ok(Ok(_) | Err(StorageError::Stopping | StorageError::NoBoard(_))) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StorageError::Order(format!("compaction of board {name} panicked"))),
        }
    }

    /// Makes a snapshot of a board as it is on disk and packs the log up to it; or drops that, where its history is not
    /// wanted any more.
    ///
    /// # Errors
    /// If there is no such board, its records are damaged, or the disk fails.
    pub(super) fn compact(&self, name: &str, forgets_history: bool) -> Result<Compacted, StorageError> {
        let _turn = self.turn.lock();
        let reader = Reader::open(&self.directory)?;
        let Some(record) = reader.record(name)? else { return Err(StorageError::NoBoard(name.into())) };
        let Loaded { board, damage, record } = reader.load(&record, None)?;
        if let Some(damage) = damage {
            return Err(StorageError::Damaged { name: name.into(), damage });
        }
        let (parts, size) = parts(&board);
        let (seq, hash) = (board.seq(), board.hash());
        drop(board);
        self.write_snapshot(&record, seq, parts)?;
        if !forgets_history {
            self.pack_log(&reader, &record, seq)?;
        }
        self.finish(&record, seq, size, forgets_history)?;
        self.metrics.compactions.inc();
        tracing::debug!(seq, %hash, bytes = size, "compacted");
        Ok(Compacted { seq, snapshot_bytes: size })
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let path: PathBuf = self.path();
        self.queue.write(Path::new(&path), act)
    }

    fn write_snapshot(&self, record: &BoardRecord, seq: u64, parts: Vec<Vec<u8>>) -> Result<(), StorageError> {
        if seq == record.snapshot_seq {
            return Ok(());
        }
        let id = record.id;
        for (part, bytes) in parts.into_iter().enumerate() {
            self.write(move |transaction| {
                let crc = crc32fast::hash(&bytes);
                transaction.execute(
                    "INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5)",
                    (id, seq as i64, part as i64, crc, &bytes),
                )
            })?;
        }
        Ok(())
    }

    /// Packs the unpacked records up to a sequence number, as many at once as make a chunk. A record that is damaged stays as it
    /// is, for `boards verify` to report: the snapshot does not need it.
    fn pack_log(&self, reader: &Reader, record: &BoardRecord, until: u64) -> Result<(), StorageError> {
        let mut chunk: Option<Chunk> = None;
        for (first, last, hash) in reader.unpacked_log(record, until)? {
            if chunk.as_ref().is_some_and(|chunk| chunk.packets.len() >= CHUNK || chunk.last + 1 != first) {
                self.pack_chunk(record, chunk.take())?;
            }
            match reader.log_packets(record, first)? {
                Ok(packets) => {
                    let chunk = chunk.get_or_insert(Chunk { first, last, hash, packets: Vec::new() });
                    chunk.packets.extend(packets);
                    (chunk.last, chunk.hash) = (last, hash);
                }
                Err(damage) => {
                    tracing::error!(%damage, "a part of the history is damaged, and stays as it is");
                    self.pack_chunk(record, chunk.take())?;
                }
            }
        }
        self.pack_chunk(record, chunk)
    }

    fn pack_chunk(&self, record: &BoardRecord, chunk: Option<Chunk>) -> Result<(), StorageError> {
        let Some(Chunk { first, last, hash, packets }) = chunk else { return Ok(()) };
        match pack_log(&packets) {
            Some(packed) => self.replace_records(record.id, first, last, hash, packed),
            None => {
                let damage = Damage::Log { first_seq: first, last_seq: last, why: "its bytes are no operations" };
                Err(StorageError::Damaged { name: record.name.clone(), damage })
            }
        }
    }

    fn replace_records(
        &self,
        id: i64,
        first: u64,
        last: u64,
        hash: StateHash,
        packed: Vec<u8>,
    ) -> Result<(), StorageError> {
        self.write(move |transaction| {
            let (first, last) = (first as i64, last as i64);
            transaction.execute(
                "DELETE FROM log WHERE board = ?1 AND first_seq >= ?2 AND last_seq <= ?3",
                (id, first, last),
            )?;
            transaction.execute(
                "INSERT INTO log SELECT id, ?2, ?3, ?4, ?5, 1, ?6 FROM boards WHERE id = ?1",
                (id, first, last, hash.to_bytes(), crc32fast::hash(&packed), &packed),
            )
        })
        .map(drop)
    }

    /// From now on the new snapshot counts; the old one goes, and the file shrinks.
    fn finish(&self, record: &BoardRecord, seq: u64, size: u64, forgets_history: bool) -> Result<(), StorageError> {
        let id = record.id;
        self.write(move |transaction| {
            if forgets_history {
                // Together with the snapshot that stands in for it, or not at all.
                transaction.execute("DELETE FROM log WHERE board = ?1 AND last_seq <= ?2", (id, seq as i64))?;
            }
            transaction.execute(
                "UPDATE boards SET snapshot_seq = ?2, snapshot_bytes = ?3, tail_bytes =
                     (SELECT coalesce(sum(length(bytes)), 0) FROM log WHERE board = ?1 AND first_seq > ?2)
                 WHERE id = ?1",
                (id, seq as i64, size as i64),
            )?;
            checksum::seal(transaction, id)
        })?;
        // Also what a board that was deleted meanwhile has left.
        self.write(move |transaction| {
            transaction.execute(
                "DELETE FROM snapshots WHERE board = ?1 AND seq IS NOT (SELECT snapshot_seq FROM boards WHERE id = ?1)",
                [id],
            )
        })?;
        loop {
            let left: i64 = self.write(|transaction| {
                // Each row that it gives is a page that it has freed.
                let mut vacuum = transaction.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
                let mut pages = vacuum.query([])?;
                while pages.next()?.is_some() {}
                transaction.pragma_query_value(None, "freelist_count", |row| row.get(0))
            })?;
            // A few pages stay for what is drawn next.
            if left <= i64::from(PAGES) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_whose_compaction_fails_is_tried_again_ever_more_seldom() {
        let (name, start): (BoardName, _) = ("x".parse().unwrap(), Instant::now());
        let mut failing = Failing::default();
        assert!(failing.is_due(&name, start));
        failing.failed(name.clone(), start);
        assert!(!failing.is_due(&name, start + Duration::from_secs(59)));
        assert!(failing.is_due(&name, start + Duration::from_secs(60)));
        (0..10).for_each(|_| failing.failed(name.clone(), start));
        assert!(failing.is_due(&name, start + Failing::LONGEST));
        assert_eq!(failing.count(), 1);
        failing.recovered(&name);
        assert!(failing.is_due(&name, start));
    }
}
