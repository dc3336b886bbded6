//! When a board was drawn and by whom: beside its log, which knows neither clock nor names.

use inkwire_protocol::{AuthorName, Timestamp};
use rusqlite::{Connection, Transaction};

use super::checksum;
use crate::storage::Timeline;
use crate::storage::timeline::rising;

/// Between two moments of a board that are kept, in milliseconds.
const APART: i64 = 1_000;
/// Moments that are told of one board.
const TOLD: usize = 20_000;

/// The columns that the checksums of `moments` and `authors` cover.
const MOMENT: &str = "board, seq, at";
const AUTHOR: &str = "board, author, name";

/// Operations from this one on are drawn now, unless the last moment is only just past. The order of moments is that of the log;
/// the time is a label, because a clock that was ahead once must not end the record.
pub(super) fn keep_moment(transaction: &Transaction<'_>, board: i64, seq: u64, now: u64) -> rusqlite::Result<()> {
    let keep = "INSERT OR IGNORE INTO moments SELECT ?1, ?2, ?3, checksum(?1, ?2, ?3) WHERE ?4 <= abs(?3 - coalesce(
        (SELECT at FROM moments WHERE board = ?1 ORDER BY seq DESC LIMIT 1), 0))";
    transaction.prepare_cached(keep)?.execute((board, seq as i64, now as i64, APART)).map(drop)
}

/// An author is called so from now on.
pub(super) fn keep_name(transaction: &Transaction<'_>, board: i64, author: u32, name: &str) -> rusqlite::Result<()> {
    let keep = "INSERT OR REPLACE INTO authors VALUES (?1, ?2, ?3, checksum(?1, ?2, ?3))";
    transaction.prepare_cached(keep)?.execute((board, author, name)).map(drop)
}

/// Copies what is kept beside a board's log to another board, up to a sequence number.
pub(super) fn copy(transaction: &Transaction<'_>, from: i64, to: i64, seq: u64) -> rusqlite::Result<()> {
    let moments =
        "INSERT INTO moments SELECT ?2, seq, at, checksum(?2, seq, at) FROM moments WHERE board = ?1 AND seq <= ?3";
    transaction.execute(moments, (from, to, seq as i64))?;
    let authors =
        "INSERT INTO authors SELECT ?2, author, name, checksum(?2, author, name) FROM authors WHERE board = ?1";
    transaction.execute(authors, (from, to)).map(drop)
}

/// All that is kept beside a board's log, as far as it is told: of very many moments every second, fourth and so on.
pub(super) fn find(connection: &Connection, board: i64) -> rusqlite::Result<Timeline> {
    let moments: Vec<Timestamp> = connection
        .prepare(&format!("SELECT seq, at FROM moments WHERE board = ?1 AND {} ORDER BY seq", checksum::holds(MOMENT)))?
        .query_map([board], |row| Ok(Timestamp { seq: row.get(0)?, at: row.get(1)? }))?
        .collect::<rusqlite::Result<_>>()?;
    let every = moments.len().div_ceil(TOLD).max(1);
    let names = connection
        .prepare(&format!(
            "SELECT author, name FROM authors WHERE board = ?1 AND {} ORDER BY author",
            checksum::holds(AUTHOR)
        ))?
        .query_map([board], |row| Ok(AuthorName { author: row.get(0)?, name: row.get(1)? }))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Timeline { moments: rising(moments).into_iter().step_by(every).collect(), names })
}

/// Whether every row beside a board's log is what was written.
pub(super) fn is_whole(connection: &Connection, board: i64) -> rusqlite::Result<bool> {
    for (table, columns) in [("moments", MOMENT), ("authors", AUTHOR), ("clients", "board, client, author")] {
        let damaged = format!("SELECT count(*) FROM {table} WHERE board = ?1 AND NOT {}", checksum::holds(columns));
        if connection.query_row(&damaged, [board], |row| row.get::<_, i64>(0))? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
