//! Opening a data directory with proof that nothing durable is missing: the log, the durable mark and the database are held
//! against each other before anything is written.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::files::{failed, log_of};
use super::mark::{self, Mark, Position};
use super::salvage;
use super::schema::{self, FILE, said_of};
use super::wal::{self, Verdict};
use crate::storage::StorageError;

/// A database that is open, and what was found missing in it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) mark: Mark,
    /// Commits that were durable and are gone.
    pub(super) lost: u64,
}

/// Why durable commits are known to be gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The mark is above the database.
    #[error(
        "{lost} commits that were durable are missing: the log was damaged or removed, or an older database was put in place"
    )]
    BehindMark {
        /// Their number.
        lost: u64,
    },
    /// The mark is that of another database.
    #[error("the database of the durable mark is gone, with {lost} commits")]
    OtherDatabase {
        /// The number of its last commit.
        lost: u64,
    },
    /// The log is damaged in its middle.
    #[error(
        "the write-ahead log is damaged at frame {frame}: at least {commits} commits that were durable are missing"
    )]
    Log {
        /// The first frame that is not good.
        frame: u64,
        /// The commits from there on.
        commits: u64,
    },
}

impl Loss {
    /// Commits that are missing, at least.
    pub(super) fn commits(&self) -> u64 {
        match self {
            Self::BehindMark { lost } | Self::OtherDatabase { lost } => *lost,
            Self::Log { commits, .. } => *commits,
        }
    }
}

/// Holds the three against each other. A mark below the database is normal: the process ended between the two writes.
fn judge(mark: Option<Position>, database: Position, log: Verdict) -> Option<Loss> {
    match (mark, log) {
        (Some(mark), _) if mark.database != database.database => Some(Loss::OtherDatabase { lost: mark.number }),
        (Some(mark), _) if mark.number > database.number => {
            Some(Loss::BehindMark { lost: mark.number - database.number })
        }
        // The first frame may be that of a log that was just begun; then the mark has the last word.
        (Some(_), Verdict::Damaged { frame: 0, .. }) => None,
        (_, Verdict::Damaged { frame, commits }) => Some(Loss::Log { frame, commits }),
        _ => None,
    }
}

/// Opens the database of a directory that is locked. If something durable is missing, it is reported, the log is set aside, and
/// every board begins a new lineage: its pages offer their own ink again.
///
/// # Errors
/// If the disk fails, or the database is not ours.
pub(super) fn open(directory: &Path, mark_path: &Path) -> Result<Opened, StorageError> {
    let path = directory.join(FILE);
    let known = mark::read(mark_path).map_err(failed(mark_path))?;
    let had_mark = fs::exists(mark_path).unwrap_or(false);
    let strays = salvage::set_stray_log_aside(directory)?;
    let verdict = inspect_log(directory)?;
    // SQLite writes over what it does not take for a part of the log.
    let copy = if verdict == Verdict::Whole { None } else { Some(salvage::copy_log_aside(directory)?) };
    let (mut connection, was_salvaged) = salvage::open(directory)?;
    let position = schema::position(&connection).map_err(said_of(&path))?;
    if schema::is_backup(&connection).map_err(said_of(&path))? {
        let boards = schema::begin_new_lineages(&mut connection).map_err(said_of(&path))?;
        // At once: a log that is found beside a database that still says so is not its own.
        schema::checkpoint(&connection, &path)?;
        tracing::info!(boards, "a backup was restored: every board in it is a new lineage");
        let mark = begin_mark(&connection, &path, mark_path)?;
        return Ok(Opened { connection, mark, lost: 0 });
    }
    if known.is_none() && (had_mark || position.number > 0) {
        tracing::error!(path = %mark_path.display(), "the durable mark is damaged or gone: whether commits are missing is not known");
    }
    let known = known.map(|mark| if was_salvaged { Position { database: position.database, ..mark } } else { mark });
    let loss = judge(known, position, verdict);
    match (&loss, copy) {
        (Some(loss), _) => {
            let boards = schema::begin_new_lineages(&mut connection).map_err(said_of(&path))?;
            tracing::error!(%loss, boards, aside = %directory.join(salvage::ASIDE).display(), "operations that were durable are lost: every board is a new lineage, and its pages offer their own ink again");
        }
        // A transaction that nobody was told of.
        (None, Some(copy)) => drop(fs::remove_file(copy)),
        (None, None) => {}
    }
    if let Some(stray) = strays {
        tracing::warn!(aside = %stray.display(), "a log that belongs to another database was found, and is set aside");
    }
    let mark = begin_mark(&connection, &path, mark_path)?;
    Ok(Opened { connection, mark, lost: loss.map_or(0, |loss| loss.commits()) })
}

fn begin_mark(connection: &Connection, path: &Path, mark_path: &Path) -> Result<Mark, StorageError> {
    let position = schema::position(connection).map_err(said_of(path))?;
    Mark::begin(mark_path, position).map_err(failed(mark_path))
}

fn inspect_log(directory: &Path) -> Result<Verdict, StorageError> {
    let path = log_of(&directory.join(FILE));
    match fs::File::open(&path) {
        Ok(file) => wal::inspect(std::io::BufReader::with_capacity(1 << 16, file)).map_err(failed(&path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Verdict::Whole),
        Err(error) => Err(failed(&path)(error)),
    }
}

/// Returns the loss that a directory without a server shows, for `boards verify`; nothing is changed. The mark lies in the
/// directory unless its path is given.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn loss(directory: &Path, mark: Option<&Path>) -> Result<Option<Loss>, StorageError> {
    let path = directory.join(FILE);
    let mark_path = mark.map_or_else(|| directory.join(mark::FILE), Path::to_owned);
    if !path.exists() || schema::says_backup(&path) {
        return Ok(None);
    }
    // Before the database: beside a running server, that can only be further on.
    let mark = mark::read(&mark_path).map_err(failed(&mark_path))?;
    let is_free = fs::File::open(directory).is_ok_and(|directory| directory.try_lock_shared().is_ok());
    let verdict = if is_free { inspect_log(directory)? } else { Verdict::Whole };
    let connection = schema::open_to_read(&path)?;
    // A database of an older format has no number.
    let Ok(position) = schema::position(&connection) else { return Ok(None) };
    Ok(judge(mark, position, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_above_the_database_is_a_loss_and_one_below_is_not() {
        let at = |name, number| Position { database: [name; 16], number };
        let of = |mark, log| judge(mark, at(1, 10), log);
        assert_eq!(of(Some(at(1, 10)), Verdict::Whole), None);
        assert_eq!(of(Some(at(1, 9)), Verdict::Torn), None);
        assert_eq!(of(Some(at(1, 12)), Verdict::Whole), Some(Loss::BehindMark { lost: 2 }));
        assert_eq!(of(Some(at(2, 3)), Verdict::Whole), Some(Loss::OtherDatabase { lost: 3 }));
        assert_eq!(of(None, Verdict::Whole), None, "an older version wrote none");
        let damaged = Verdict::Damaged { frame: 5, commits: 2 };
        assert_eq!(of(Some(at(1, 8)), damaged), Some(Loss::Log { frame: 5, commits: 2 }), "the mark is a second old");
        assert_eq!(of(Some(at(1, 10)), Verdict::Damaged { frame: 0, commits: 2 }), None);
    }
}
