//! When a board was drawn and by whom: beside its log, which knows neither clock nor names.

use inkwire_protocol::{AuthorName, Entry, Moment};
use rusqlite::{Connection, Transaction};

/// Between two moments of a board that are kept, in milliseconds.
const APART: i64 = 1_000;
/// Moments that are told of one board.
const TOLD: usize = 20_000;

/// What is kept beside a board's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chronicle {
    /// When its parts were drawn, in rising order.
    pub moments: Vec<Moment>,
    /// What its authors are called.
    pub names: Vec<AuthorName>,
}

impl Chronicle {
    /// The last operation that was drawn by a time, in milliseconds since 1970, as far as the moments say; nothing where all
    /// of them were.
    pub fn seq_by(&self, at: u64) -> Option<u64> {
        let after = self.moments.iter().find(|moment| moment.at > at)?;
        Some(after.seq - 1)
    }
}

/// A part of a board's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// The sequence number of the first entry.
    pub first_seq: u64,
    /// The last one that there is at all.
    pub last_seq: u64,
    /// The state hash behind the last of these entries.
    pub hash: [u8; 8],
    /// The entries.
    pub entries: Vec<Entry>,
}

/// Operations from this one on are drawn now, unless the last moment is only just past.
pub(super) fn keep_moment(transaction: &Transaction<'_>, board: i64, seq: u64, now: u64) -> rusqlite::Result<()> {
    let keep = "INSERT OR IGNORE INTO moments SELECT ?1, ?2, ?3 WHERE ?3 >= ?4 + coalesce(
        (SELECT at FROM moments WHERE board = ?1 ORDER BY seq DESC LIMIT 1), 0)";
    transaction.prepare_cached(keep)?.execute((board, seq as i64, now as i64, APART)).map(drop)
}

/// An author is called so from now on.
pub(super) fn keep_name(transaction: &Transaction<'_>, board: i64, author: u32, name: &str) -> rusqlite::Result<()> {
    let keep = "INSERT OR REPLACE INTO authors VALUES (?1, ?2, ?3)";
    transaction.prepare_cached(keep)?.execute((board, author, name)).map(drop)
}

/// Copies what is kept beside a board's log to another board, up to a sequence number.
pub(super) fn copy(transaction: &Transaction<'_>, from: i64, to: i64, seq: u64) -> rusqlite::Result<()> {
    let moments = "INSERT INTO moments SELECT ?2, seq, at FROM moments WHERE board = ?1 AND seq <= ?3";
    transaction.execute(moments, (from, to, seq as i64))?;
    transaction
        .execute("INSERT INTO authors SELECT ?2, author, name FROM authors WHERE board = ?1", (from, to))
        .map(drop)
}

/// All that is kept beside a board's log, as far as it is told: of very many moments every second, fourth and so on.
pub(super) fn find(connection: &Connection, board: i64) -> rusqlite::Result<Chronicle> {
    let moments: Vec<Moment> = connection
        .prepare("SELECT seq, at FROM moments WHERE board = ?1 ORDER BY seq")?
        .query_map([board], |row| Ok(Moment { seq: row.get::<_, i64>(0)? as u64, at: row.get::<_, i64>(1)? as u64 }))?
        .collect::<rusqlite::Result<_>>()?;
    let every = moments.len().div_ceil(TOLD).max(1);
    let names = connection
        .prepare("SELECT author, name FROM authors WHERE board = ?1 ORDER BY author")?
        .query_map([board], |row| Ok(AuthorName { author: row.get(0)?, name: row.get(1)? }))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Chronicle { moments: moments.into_iter().step_by(every).collect(), names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_names_the_last_operation_that_was_drawn_by_then() {
        let moments = vec![Moment { seq: 1, at: 1_000 }, Moment { seq: 9, at: 5_000 }];
        let chronicle = Chronicle { moments, names: Vec::new() };
        assert_eq!(chronicle.seq_by(999), Some(0));
        assert_eq!(chronicle.seq_by(1_000), Some(8));
        assert_eq!(chronicle.seq_by(5_000), None);
    }
}
