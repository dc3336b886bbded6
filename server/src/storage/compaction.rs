//! Putting a board's records in order, beside the drawing: a new snapshot, and the log behind it packed.
//!
//! The board is read and replayed from the disk, on a thread of its own, so no room waits for it; and what is written is
//! what the records came to, checked by the state hash. It is written in small transactions between the commits.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use inkwire_board::{Board, StateHash};
use inkwire_protocol::{Columns, Epoch};
use rusqlite::Transaction;

use super::load::{BoardRecord, Loaded, Reader};
use super::schema::FILE;
use super::writer::Queue;
use super::{Compacted, StorageError};
use crate::metrics::Metrics;
use crate::name::BoardName;

/// The log behind a snapshot is left alone until it is so long, in bytes, and as long as the snapshot itself: so all
/// compactions of a board together cost a small multiple of what was drawn.
pub(super) const TAIL: i64 = 256 * 1024;
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

/// A part of the log, packed: its two columns, each by itself; the length of the first one stands in front.
///
/// # Panics
/// Where the packets are no log; they were replayed before.
fn pack_log(packets: &[u8]) -> Vec<u8> {
    let columns = Columns::of(packets).expect("Bug: what was replayed is a log");
    let (heads, bodies) = (pack(&columns.heads), pack(&columns.bodies));
    [&(heads.len() as u32).to_be_bytes()[..], &heads, &bodies].concat()
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

/// Writes a whole board as a snapshot, in a transaction of the caller.
///
/// # Errors
/// What SQLite says.
pub(super) fn insert_board(
    transaction: &Transaction<'_>,
    name: &str,
    epoch: Epoch,
    board: &Board,
) -> rusqlite::Result<i64> {
    let (parts, size) = parts(board);
    let seq = board.seq() as i64;
    let id: i64 = transaction.query_row(
        "INSERT INTO boards (name, epoch, seq, hash, last_author, snapshot_seq, snapshot_bytes, is_open)
         VALUES (?1, ?2, ?3, ?4, ?5, ?3, ?6, 0) RETURNING id",
        (name, epoch.0, seq, board.hash().to_bytes(), board.last_author(), size as i64),
        |row| row.get(0),
    )?;
    for (part, bytes) in parts.iter().enumerate() {
        let crc = crc32fast::hash(bytes);
        transaction.execute("INSERT INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5)", (id, seq, part as i64, crc, bytes))?;
    }
    for (client, author) in board.clients() {
        transaction.execute("INSERT INTO clients VALUES (?1, ?2, ?3)", (id, client.0, author))?;
    }
    Ok(id)
}

/// Where and through whom a compaction reads and writes.
#[derive(Debug, Clone)]
pub(super) struct Compactor {
    pub(super) directory: PathBuf,
    pub(super) queue: Arc<Queue>,
    pub(super) metrics: Arc<Metrics>,
    /// One compaction at a time: what it reads, no other may replace meanwhile.
    pub(super) turn: Arc<Mutex<()>>,
}

impl Compactor {
    /// Compacts the boards that are asked for until nobody can ask any more.
    pub(super) fn run(self, asked: &mpsc::Receiver<BoardName>) {
        while let Ok(first) = asked.recv() {
            let names: HashSet<BoardName> = std::iter::once(first).chain(asked.try_iter()).collect();
            for name in names {
                // A server that stops does not make people wait for what the next one does as well.
                if self.queue.is_stopping() {
                    return;
                }
                match self.compact(name.as_str(), false) {
                    Ok(_) | Err(StorageError::Stopping | StorageError::NoBoard(_)) => {}
                    Err(error) => tracing::warn!(board = %name, %error, "the board could not be compacted"),
                }
            }
        }
    }

    /// Makes a snapshot of a board as it is on disk and packs the log up to it; or drops that, where its history is not
    /// wanted any more.
    ///
    /// # Errors
    /// Where there is no such board, its records are damaged, or the disk fails.
    pub(super) fn compact(&self, name: &str, forgets_history: bool) -> Result<Compacted, StorageError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
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
        tracing::debug!(board = name, seq, %hash, bytes = size, "compacted");
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

    /// Packs the unpacked records up to a sequence number, as many at once as make a chunk.
    fn pack_log(&self, reader: &Reader, record: &BoardRecord, until: u64) -> Result<(), StorageError> {
        let rows = reader.unpacked_log(record, until)?;
        let mut rows = rows.into_iter().peekable();
        while let Some((first, mut last, mut hash)) = rows.next() {
            let mut packets = reader.log_bytes(record, first)?;
            while packets.len() < CHUNK
                && let Some((next, next_last, next_hash)) = rows.next_if(|(next, ..)| *next == last + 1)
            {
                packets.extend(reader.log_bytes(record, next)?);
                (last, hash) = (next_last, next_hash);
            }
            self.replace_records(record.id, first, last, hash, pack_log(&packets))?;
        }
        Ok(())
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
            )
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
