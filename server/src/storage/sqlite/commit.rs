//! One transaction of the writer: all batches and jobs, each taken back alone if it fails.

use std::collections::{HashMap, VecDeque};

use inkwire_protocol::AuthorName;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::batch::Batch;
use super::queue::{Answer, Job};
use super::{checksum, chronicle, corruption, schema};
use crate::name::BoardName;

/// The log behind a snapshot is left alone until it is so long, in bytes, and as long as the snapshot itself: so all
/// compactions of a board together cost a small multiple of what was drawn.
const TAIL: i64 = 256 * 1024;

/// The outcome of a commit for one board.
pub(super) enum Written {
    /// It is durable up to a sequence number.
    Durable { name: BoardName, seq: u64, wants_compaction: bool },
    /// The database has something else there: another process, or another room, has written it.
    Fenced(BoardName),
}

/// Writes everything in one transaction, and returns the number of that commit.
pub(super) fn write_all(
    connection: &mut Connection,
    batches: &HashMap<BoardName, Batch>,
    jobs: &mut VecDeque<Job>,
    answers: &mut Vec<Answer>,
) -> rusqlite::Result<(Vec<Written>, u64)> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut written = Vec::with_capacity(batches.len());
    for (name, batch) in batches {
        let board = part_of(&transaction, |transaction| match write_batch(transaction, name, batch) {
            // A damaged page of one board is that board's alone: opened again, it is set aside.
            Err(error) if corruption::is_corrupt(&error) => Ok((false, Some(Written::Fenced(name.clone())))),
            board => board.map(|board| (!matches!(board, Some(Written::Fenced(_))), board)),
        });
        written.extend(board?);
    }
    while let Some(job) = jobs.pop_front() {
        part_of(&transaction, |transaction| {
            let outcome = job(Ok(transaction));
            answers.push(outcome.answer);
            Ok((outcome.is_done, ()))
        })?;
    }
    let number = schema::raise(&transaction)?;
    transaction.commit()?;
    Ok((written, number))
}

/// Does a part of a transaction, which is taken back alone if it says that it has failed.
fn part_of<T>(
    transaction: &Transaction<'_>,
    act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<(bool, T)>,
) -> rusqlite::Result<T> {
    let run = |statement: &str| transaction.prepare_cached(statement)?.execute([]).map(drop);
    run("SAVEPOINT part")?;
    let (is_done, value) = act(transaction)?;
    if transaction.is_autocommit() {
        // An error as bad as a full disk ends all of a transaction (SQLite, "Response To Errors Within A Transaction").
        return Err(rusqlite::Error::InvalidQuery);
    }
    if !is_done {
        run("ROLLBACK TO part")?;
    }
    run("RELEASE part")?;
    Ok(value)
}

fn write_batch(transaction: &Transaction<'_>, name: &BoardName, batch: &Batch) -> rusqlite::Result<Option<Written>> {
    let (Some(first), Some(last)) = (batch.records.first(), batch.last()) else { return Ok(None) };
    let last_author = batch.clients.iter().map(|(_, author)| *author).max().unwrap_or(0);
    // A row that is not there any more is not made again by what follows on its log. A commit that failed may be there all the
    // same, once the file is opened again: so the row may be anywhere from before the batch to its end. The size is no part of
    // the row's checksum: a damaged one must not run over.
    let board: Option<(i64, i64, i64)> = transaction
        .prepare_cached(
            "INSERT INTO boards (name, epoch, seq, hash, last_author, tail_bytes, reserved_author)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ?8 = 1 OR EXISTS (SELECT 1 FROM boards WHERE name = ?1)
             ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash, is_open = 1,
                 last_author = max(last_author, excluded.last_author), changed = unixepoch(),
                 reserved_author = max(reserved_author, excluded.reserved_author),
                 created = iif(seq = 0, unixepoch(), created),
                 tail_bytes = min(tail_bytes, 1 << 40) + excluded.tail_bytes
             WHERE seq = 0 OR (epoch = excluded.epoch AND seq BETWEEN ?8 - 1 AND excluded.seq)
             RETURNING id, tail_bytes, snapshot_bytes",
        )?
        .query_row(
            (
                name.as_str(),
                batch.epoch.0,
                last.last_seq as i64,
                last.hash.to_bytes(),
                last_author,
                batch.bytes() as i64,
                batch.reserved_author,
                first.first_seq as i64,
            ),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((id, tail_bytes, snapshot_bytes)) = board else { return Ok(Some(Written::Fenced(name.clone()))) };
    checksum::seal(transaction, id)?;
    if !write_log(transaction, id, batch)? {
        return Ok(Some(Written::Fenced(name.clone())));
    }
    let mut clients =
        transaction.prepare_cached("INSERT OR IGNORE INTO clients VALUES (?1, ?2, ?3, checksum(?1, ?2, ?3))")?;
    for (client, author) in &batch.clients {
        clients.execute((id, client.0, author))?;
    }
    chronicle::keep_moment(transaction, id, first.first_seq, batch.at)?;
    for AuthorName { author, name } in &batch.names {
        chronicle::keep_name(transaction, id, *author, name)?;
    }
    let wants_compaction = tail_bytes > TAIL.max(snapshot_bytes);
    Ok(Some(Written::Durable { name: name.clone(), seq: last.last_seq, wants_compaction }))
}

/// Writes the records of the log; false if another one is there already in the place of one of them.
fn write_log(transaction: &Transaction<'_>, id: i64, batch: &Batch) -> rusqlite::Result<bool> {
    let mut log = transaction.prepare_cached(
        "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) ON CONFLICT DO UPDATE SET last_seq = last_seq
         WHERE last_seq = excluded.last_seq AND hash = excluded.hash AND crc = excluded.crc",
    )?;
    for record in &batch.records {
        let crc = crc32fast::hash(&record.packets);
        let (first, last) = (record.first_seq as i64, record.last_seq as i64);
        if log.execute((id, first, last, record.hash.to_bytes(), crc, &record.packets))? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
