//! The durable mark: the number of the last commit, in a file of its own beside the database.
//!
//! Every transaction raises `commits.number` in the database, and after it the mark. If the mark is above the number, commits
//! that were durable are gone: the write-ahead log was damaged or removed, or an older database was put in place. If it is
//! below, the process ended between the two writes, and nothing is missing.
//!
//! The mark is written with each commit and synced once a second: after a killed process it is exact, after a power cut it
//! may be a second old. A data directory that is deleted takes the mark along unless the mark lies elsewhere.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file of a data directory that holds the mark, unless the operator names another one.
pub(super) const FILE: &str = "durable.mark";

/// Two copies are written in turns, so that a torn write leaves the other one.
const SLOTS: [u64; 2] = [0, 512];
const SLOT_LENGTH: usize = MAGIC.len() + 16 + 8 + 4;
const MAGIC: &[u8; 8] = b"inkmark1";
/// The time between two syncs of the mark.
const SYNC: Duration = Duration::from_secs(1);

/// A position in the commits of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The random name of the database.
    pub(super) database: [u8; 16],
    /// The number of its last commit.
    pub(super) number: u64,
}

impl Position {
    fn encode(&self) -> [u8; SLOT_LENGTH] {
        let mut bytes = [0; SLOT_LENGTH];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..24].copy_from_slice(&self.database);
        bytes[24..32].copy_from_slice(&self.number.to_be_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// The position in a slot; none if it is not what was written.
    fn decode(bytes: &[u8; SLOT_LENGTH]) -> Option<Self> {
        let (content, crc) = bytes.split_at(32);
        let is_whole = content.starts_with(MAGIC) && crc == crc32fast::hash(content).to_be_bytes();
        let database = content[8..24].try_into().ok()?;
        let number = u64::from_be_bytes(content[24..32].try_into().ok()?);
        is_whole.then_some(Self { database, number })
    }
}

/// Reads the mark of a file; none if there is no file, or none of its two copies is whole.
///
/// # Errors
/// If the file is there and cannot be read.
pub(super) fn read(path: &Path) -> io::Result<Option<Position>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let slot = |at| {
        let mut bytes = [0; SLOT_LENGTH];
        file.read_exact_at(&mut bytes, at).ok().and_then(|()| Position::decode(&bytes))
    };
    Ok(SLOTS.into_iter().filter_map(slot).max_by_key(|position| position.number))
}

/// The mark of a database that this process writes.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    file: File,
    database: [u8; 16],
    synced: Instant,
    is_dirty: bool,
    has_failed: bool,
}

impl Mark {
    /// Begins at a position, in place of what the file held.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn begin(path: &Path, position: Position) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        for at in SLOTS {
            file.write_all_at(&position.encode(), at)?;
        }
        file.sync_all()?;
        let (path, database) = (path.to_owned(), position.database);
        Ok(Self { path, file, database, synced: Instant::now(), is_dirty: false, has_failed: false })
    }

    /// Raises the mark. A mark that cannot be written proves less later, and stops nobody now: it is reported once.
    pub(super) fn raise(&mut self, number: u64) {
        let position = Position { database: self.database, number };
        self.is_dirty = true;
        let written = self.file.write_all_at(&position.encode(), SLOTS[(number % 2) as usize]);
        self.report(written);
    }

    /// Syncs the mark if that is due.
    pub(super) fn sync(&mut self) {
        if self.is_dirty && self.synced.elapsed() >= SYNC {
            (self.synced, self.is_dirty) = (Instant::now(), false);
            let synced = self.file.sync_data();
            self.report(synced);
        }
    }

    fn report(&mut self, result: io::Result<()>) {
        let failed = result.is_err();
        if let Err(error) = result
            && !self.has_failed
        {
            tracing::error!(path = %self.path.display(), %error, "the durable mark cannot be written: lost commits would not be noticed");
        }
        self.has_failed = failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: [u8; 16] = [7; 16];

    fn at(number: u64) -> Option<Position> {
        Some(Position { database: DATABASE, number })
    }

    #[test]
    fn the_mark_is_the_higher_of_two_copies_and_one_is_left_if_the_other_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(read(&path).unwrap(), None, "there is no file");
        let mut mark = Mark::begin(&path, at(4).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), at(4));
        mark.raise(5);
        mark.raise(6);
        assert_eq!(read(&path).unwrap(), at(6));
        for bit in 0..8 * SLOT_LENGTH {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let damaged = folder.path().join("damaged");
            std::fs::write(&damaged, &bytes).unwrap();
            assert_eq!(read(&damaged).unwrap(), at(5), "bit {bit}");
            bytes[SLOTS[1] as usize] ^= 1;
            std::fs::write(&damaged, &bytes).unwrap();
            assert_eq!(read(&damaged).unwrap(), None, "bit {bit} and the other copy");
        }
    }
}
