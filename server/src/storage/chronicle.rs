//! When a board was drawn and by whom: beside its log, which knows neither clock nor names.

use inkwire_protocol::{AuthorName, Entry, Moment, limits};
use rusqlite::{Connection, Transaction};

use super::checksum;

/// Between two moments of a board that are kept, in milliseconds.
const APART: i64 = 1_000;
/// Moments that are told of one board.
const TOLD: usize = 20_000;

/// The columns that the checksums of `moments` and `authors` cover.
const MOMENT: &str = "board, seq, at";
const AUTHOR: &str = "board, author, name";

/// What is kept beside a board's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chronicle {
    /// When its parts were drawn, in rising order.
    pub moments: Vec<Moment>,
    /// What its authors are called.
    pub names: Vec<AuthorName>,
}

impl Chronicle {
    /// The names of authors from a number on, as many as are told at once.
    pub fn names_from(&self, from: u32) -> &[AuthorName] {
        let names = &self.names[self.names.partition_point(|name| name.author < from)..];
        &names[..names.len().min(limits::AUTHORS)]
    }

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
pub(super) fn find(connection: &Connection, board: i64) -> rusqlite::Result<Chronicle> {
    let moments: Vec<Moment> = connection
        .prepare(&format!("SELECT seq, at FROM moments WHERE board = ?1 AND {} ORDER BY seq", checksum::holds(MOMENT)))?
        .query_map([board], |row| Ok(Moment { seq: row.get(0)?, at: row.get(1)? }))?
        .collect::<rusqlite::Result<_>>()?;
    let every = moments.len().div_ceil(TOLD).max(1);
    let names = connection
        .prepare(&format!(
            "SELECT author, name FROM authors WHERE board = ?1 AND {} ORDER BY author",
            checksum::holds(AUTHOR)
        ))?
        .query_map([board], |row| Ok(AuthorName { author: row.get(0)?, name: row.get(1)? }))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Chronicle { moments: rising(moments).into_iter().step_by(every).collect(), names })
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

/// Moments in rising order of time, as they are told: a moment of a clock that was wrong gets the time of the moment before it.
/// Those that fit together are the longest rising run (patience sorting); most clocks are right most of the time.
fn rising(mut moments: Vec<Moment>) -> Vec<Moment> {
    if moments.is_sorted_by_key(|moment| moment.at) {
        return moments;
    }
    // `ends[n]` is the moment with the smallest time at which a rising run of n + 1 moments ends.
    let (mut ends, mut before) = (Vec::<usize>::new(), vec![None; moments.len()]);
    for at in 0..moments.len() {
        let length = ends.partition_point(|end| moments[*end].at <= moments[at].at);
        before[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        ends.truncate(ends.len().max(length));
        if length == ends.len() { ends.push(at) } else { ends[length] = at }
    }
    let run: std::collections::BTreeSet<usize> =
        std::iter::successors(ends.last().copied(), |at| before[*at]).collect();
    let mut time = run.first().map_or(0, |first| moments[*first].at);
    for (at, moment) in moments.iter_mut().enumerate() {
        if run.contains(&at) {
            time = moment.at;
        }
        moment.at = time;
    }
    moments
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

    #[test]
    fn names_are_told_in_parts_of_a_bounded_length() {
        let names = (1..=1_100).map(|at| AuthorName { author: at * 2, name: at.to_string() }).collect();
        let chronicle = Chronicle { moments: Vec::new(), names };
        let part = |from| {
            let names = chronicle.names_from(from);
            (names.len(), names.first().map(|name| name.author))
        };
        assert_eq!(
            [0, 3, 1_001, 2_001, 2_201].map(part),
            [(500, Some(2)), (500, Some(4)), (500, Some(1_002)), (100, Some(2_002)), (0, None)]
        );
    }

    #[test]
    fn a_clock_that_was_ahead_or_behind_once_changes_no_other_moment() {
        let of = |times: &[u64]| {
            let moments = times.iter().zip(1..).map(|(at, seq)| Moment { seq, at: *at }).collect();
            rising(moments).iter().map(|moment| moment.at).collect::<Vec<_>>()
        };
        assert_eq!(of(&[1, 2, 9_000, 3, 4]), [1, 2, 2, 3, 4], "ahead");
        assert_eq!(of(&[10, 11, 0, 12]), [10, 11, 11, 12], "behind");
        assert_eq!(of(&[9_000, 1, 2, 3]), [1, 1, 2, 3], "at the beginning");
        assert_eq!(of(&[5, 5, 6]), [5, 5, 6]);
        assert_eq!(of(&[]), [0; 0]);
    }
}
