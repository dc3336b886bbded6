//! Reading what is on disk: every record is checked before it counts, and what is good of a damaged board is told apart.

use std::path::{Path, PathBuf};

use inkwire_board::{Board, Replica, StateHash};
use inkwire_protocol::{AuditRecord, ClientId, Epoch, ImageHash, binary};
use rusqlite::{Connection, OptionalExtension, Row};

use super::schema::{self, FILE, said_of};
use super::{access, checksum, chronicle, corruption, files, images};
use crate::name::BoardName;
use crate::storage::record::{LogRecord, check, unpack};
use crate::storage::{
    Archive, BoardRecord, Damage, Image, KeptAccess, Loaded, LogPage, OpenedBoard, RESERVED, StorageError, Timeline,
    Verified,
};

/// A part of the past has so many operations, or those of one record.
const PAST: usize = 4_096;
impl BoardRecord {
    const COLUMNS: &str = "id, name, epoch, seq, hash, last_author, snapshot_seq, snapshot_bytes, tail_bytes, is_open, \
                           created, changed, reserved_author";

    /// The question that is answered by records.
    pub(super) fn query(which: &str) -> String {
        format!("SELECT {}, {} FROM boards {which}", Self::COLUMNS, checksum::holds(checksum::BOARD))
    }

    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            epoch: Epoch(row.get(2)?),
            seq: row.get(3)?,
            hash: StateHash::from_bytes(row.get(4)?),
            last_author: row.get(5)?,
            snapshot_seq: row.get(6)?,
            snapshot_bytes: row.get(7)?,
            tail_bytes: row.get(8)?,
            is_open: row.get(9)?,
            created: row.get(10)?,
            changed: row.get(11)?,
            reserved_author: row.get(12)?,
            is_whole: row.get(13)?,
        })
    }
}

impl LogRecord {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (first_seq, last_seq) = (row.get(0)?, row.get(1)?);
        if first_seq == 0 || last_seq < first_seq {
            return Err(corruption::damaged_row());
        }
        Ok(Self {
            first_seq,
            last_seq,
            hash: StateHash::from_bytes(row.get(2)?),
            crc: row.get(3)?,
            is_packed: row.get(4)?,
            bytes: row.get(5)?,
        })
    }
}

/// A view of a data directory's database that never changes it, beside whatever else has it open.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    pub(super) connection: Connection,
}

impl Reader {
    /// Opens the database of a data directory.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub(crate) fn open(directory: &Path) -> Result<Self, StorageError> {
        let path = directory.join(FILE);
        if let Err(error) = std::fs::metadata(&path) {
            return Err(StorageError::Path { path, error: error.into() });
        }
        Self::of_file(&path)
    }

    /// Opens a database wherever it lies.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn of_file(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { connection: schema::open_to_read(path)?, path: path.into() })
    }

    /// Returns the access of a board.
    pub(super) fn access(&self, name: &str) -> Result<KeptAccess, StorageError> {
        access::find(&self.connection, name).map_err(self.said())
    }

    /// The same of a name as the database has it.
    pub(super) fn orders(&self, name: &str) -> Result<Vec<AuditRecord>, StorageError> {
        access::audit(&self.connection, name).map_err(self.said())
    }

    /// Returns the number of boards, with those on which nothing was drawn yet.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(crate) fn count(&self) -> Result<u64, StorageError> {
        self.connection.query_row("SELECT count(*) FROM boards", [], |row| row.get(0)).map_err(self.said())
    }

    /// A part of a board's log: whole records, from the one on that has a sequence number.
    ///
    /// # Errors
    /// The error of SQLite, or the place of a damaged record.
    pub(crate) fn past(&self, name: &BoardName, from: u64) -> Result<LogPage, StorageError> {
        let Some(record) = self.record(name.as_str())? else { return Ok(LogPage::default()) };
        let mut past = LogPage { first_seq: from, last_seq: record.seq, ..LogPage::default() };
        let query = "SELECT first_seq, last_seq, hash, crc, is_packed, bytes FROM log
            WHERE board = ?1 AND last_seq >= ?2 ORDER BY first_seq";
        let mut statement = self.connection.prepare_cached(query).map_err(self.said())?;
        let rows = statement.query_map((record.id, from as i64), LogRecord::of).map_err(self.said())?;
        for row in rows {
            let row = row.map_err(self.said())?;
            let damaged = |damage| StorageError::Damaged { name: name.to_string(), damage };
            for (first_seq, entries) in row.messages().map_err(damaged)? {
                let numbered = (first_seq..).zip(entries).filter(|(seq, _)| *seq >= from);
                for (seq, entry) in numbered {
                    if past.entries.is_empty() {
                        past.first_seq = seq;
                    }
                    past.entries.push(entry);
                }
            }
            past.hash = row.hash.to_bytes();
            if past.entries.len() >= PAST {
                break;
            }
        }
        Ok(past)
    }

    pub(super) fn said(&self) -> impl Fn(rusqlite::Error) -> StorageError + use<> {
        said_of(&self.path)
    }

    /// The record of a board as it is in this transaction.
    fn fresh(&self, record: &BoardRecord) -> Result<BoardRecord, StorageError> {
        let fresh = self.connection.query_row(&BoardRecord::query("WHERE id = ?1"), [record.id], BoardRecord::of);
        match fresh.optional() {
            Ok(Some(fresh)) => Ok(BoardRecord { is_whole: fresh.is_whole || record.is_whole, ..fresh }),
            Ok(None) => Err(StorageError::NoBoard(record.name.clone())),
            // A damaged database is read as far as its record was.
            Err(error) if corruption::is_corrupt(&error) => Ok(record.clone()),
            Err(error) => Err(self.said()(error)),
        }
    }

    /// A record that does not have its checksum, or ends before its log does, is not believed: the log and the snapshots say
    /// how far the board goes.
    fn believed(&self, record: BoardRecord) -> Result<(BoardRecord, Option<Damage>), StorageError> {
        let last = |query: &str| -> Result<u64, StorageError> {
            match self.connection.query_row(query, [record.id], |row| row.get(0)).optional() {
                Ok(last) => Ok(last.unwrap_or(0)),
                Err(error) if corruption::is_corrupt(&error) => Ok(0),
                Err(error) => Err(self.said()(error)),
            }
        };
        let log = last("SELECT last_seq FROM log WHERE board = ?1 ORDER BY first_seq DESC LIMIT 1")?;
        if record.is_whole && log <= record.seq {
            return Ok((record, None));
        }
        let snapshot = |which: &str| {
            last(&format!("SELECT max(seq) FROM snapshots WHERE board = ?1 AND seq {which} GROUP BY board"))
        };
        // That of the record, if it is there: a later one may be half of one.
        let snapshot_seq = match snapshot(&format!("= {}", record.snapshot_seq as i64))? {
            0 => snapshot("> 0")?,
            known => known,
        };
        let whole = checksum::holds("board, client, author");
        let author =
            last(&format!("SELECT max(author) FROM clients WHERE board = ?1 AND {whole} GROUP BY board"))? as u32;
        let seq = log.max(snapshot_seq);
        let last_author = author.max(if record.is_whole { record.last_author } else { 0 });
        let reserved_author = last_author.saturating_add(RESERVED);
        let damage = Some(Damage::Record { seq });
        Ok((BoardRecord { seq, snapshot_seq, last_author, reserved_author, ..record }, damage))
    }

    fn load_in_transaction(&self, record: &BoardRecord, at: Option<u64>) -> Result<Loaded, StorageError> {
        let (record, of_record) = self.believed(record.clone())?;
        let loaded = self.load_believed(&record, at)?;
        Ok(Loaded { damage: loaded.damage.or(of_record), ..loaded })
    }

    fn load_believed(&self, record: &BoardRecord, at: Option<u64>) -> Result<Loaded, StorageError> {
        let until = at.unwrap_or(record.seq);
        let first = self.first_in_log(record)?;
        let out_of_range =
            |first| StorageError::OutOfRange { name: record.name.clone(), asked: until, first, last: record.seq };
        if until > record.seq {
            return Err(out_of_range(first.unwrap_or(record.snapshot_seq).min(record.snapshot_seq.max(1))));
        }
        let (start, damage) = self.start(record, until, first.unwrap_or(record.snapshot_seq + 1) == 1)?;
        let Some(start) = start else {
            return match damage {
                Some(damage) => Err(StorageError::Damaged { name: record.name.clone(), damage }),
                // There is neither a snapshot nor the beginning of the log.
                None if at.is_none() => {
                    let damage = Damage::Gap { from: 1, to: first.map_or(until, |first| first - 1) };
                    Err(StorageError::Damaged { name: record.name.clone(), damage })
                }
                None => Err(out_of_range(record.snapshot_seq)),
            };
        };
        let mut board = start;
        self.remember_clients(record, &mut board)?;
        let broken = self.replay(record, &mut board, until)?;
        match broken.or(damage) {
            Some(damage) if board.seq() < until || at.is_none() => self.good_part(record, board, damage),
            damage => Ok(Loaded { board, damage, record: record.clone() }),
        }
    }

    /// A record that does not come to its hash was replayed before that was known: so it is done again without it.
    fn good_part(&self, record: &BoardRecord, board: Board, damage: Damage) -> Result<Loaded, StorageError> {
        if let Damage::Log { first_seq, .. } = damage
            && board.seq() >= first_seq
        {
            let good = self.load_believed(record, Some(first_seq - 1))?;
            return Ok(Loaded { board: good.board, damage: Some(damage), record: record.clone() });
        }
        Ok(Loaded { board, damage: Some(damage), record: record.clone() })
    }

    /// Returns the board from which replaying begins: the snapshot, or an empty one if that is damaged or too late.
    fn start(
        &self,
        record: &BoardRecord,
        until: u64,
        has_all: bool,
    ) -> Result<(Option<Board>, Option<Damage>), StorageError> {
        if record.snapshot_seq == 0 || record.snapshot_seq > until {
            return Ok((has_all.then(Board::default), None));
        }
        match self.snapshot(record)? {
            Ok(board) => Ok((Some(board), None)),
            Err(damage) => Ok((has_all.then(Board::default), Some(damage))),
        }
    }

    fn first_in_log(&self, record: &BoardRecord) -> Result<Option<u64>, StorageError> {
        let query = "SELECT min(first_seq) FROM log WHERE board = ?1 AND first_seq > 0";
        match self.connection.query_row(query, [record.id], |row| row.get(0)) {
            Ok(first) => Ok(first),
            Err(error) if corruption::is_corrupt(&error) => Ok(None),
            Err(error) => Err(self.said()(error)),
        }
    }

    fn remember_clients(&self, record: &BoardRecord, board: &mut Board) -> Result<(), StorageError> {
        let whole = checksum::holds("board, client, author");
        let query = format!("SELECT client, author FROM clients WHERE board = ?1 AND {whole}");
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(&query)?;
            let mut rows = statement.query([record.id])?;
            while let Some(row) = rows.next()? {
                board.remember(ClientId(row.get(0)?), row.get(1)?);
            }
            Ok(())
        };
        match read() {
            // Whoever is not known gets a new number: no ink depends on it.
            Err(error) if !corruption::is_corrupt(&error) => Err(self.said()(error)),
            _ => Ok(()),
        }
    }

    /// The board of the snapshot.
    fn snapshot(&self, record: &BoardRecord) -> Result<Result<Board, Damage>, StorageError> {
        let damaged = |why| Damage::Snapshot { seq: record.snapshot_seq, why };
        let mut replica = Replica::default();
        let mut take = |bytes: &[u8], crc| -> Result<(), Damage> {
            let packets = check(bytes, crc).and_then(|()| unpack(bytes)).map_err(damaged)?;
            let messages = binary::decode_server(&packets).map_err(|_| damaged("its bytes are no snapshot"))?;
            messages
                .into_iter()
                .try_for_each(|message| replica.receive(message))
                .map_err(|_| damaged("it does not fit together"))
        };
        let mut read = || -> rusqlite::Result<Result<(), Damage>> {
            let query = "SELECT bytes, crc FROM snapshots WHERE board = ?1 AND seq = ?2 ORDER BY part";
            let mut statement = self.connection.prepare_cached(query)?;
            let mut rows = statement.query((record.id, record.snapshot_seq as i64))?;
            while let Some(row) = rows.next()? {
                if let Err(damage) = take(row.get_ref(0)?.as_blob()?, row.get(1)?) {
                    return Ok(Err(damage));
                }
            }
            Ok(Ok(()))
        };
        match read() {
            Ok(Err(damage)) => return Ok(Err(damage)),
            Err(error) if corruption::is_corrupt(&error) => {
                return Ok(Err(damaged("the database cannot be read there")));
            }
            Err(error) => return Err(self.said()(error)),
            Ok(Ok(())) => {}
        }
        let board = replica.into_board();
        Ok(if board.seq() == record.snapshot_seq { Ok(board) } else { Err(damaged("parts of it are missing")) })
    }

    /// Replays the records of the log behind a board; gives what is wrong with the first one that is not good.
    fn replay(&self, record: &BoardRecord, board: &mut Board, until: u64) -> Result<Option<Damage>, StorageError> {
        let query = "SELECT first_seq, last_seq, hash, crc, is_packed, bytes FROM log
                     WHERE board = ?1 AND last_seq > ?2 AND first_seq <= ?3 ORDER BY first_seq";
        let (from, to) = (board.seq() as i64, until as i64);
        let mut read = || -> rusqlite::Result<Option<Damage>> {
            let mut statement = self.connection.prepare_cached(query)?;
            let mut rows = statement.query((record.id, from, to))?;
            while let Some(row) = rows.next()? {
                if let Err(damage) = LogRecord::of(row)?.replay(board, until) {
                    return Ok(Some(damage));
                }
            }
            Ok(None)
        };
        let damage = match read() {
            Ok(damage) => damage,
            Err(error) if corruption::is_corrupt(&error) => Some(Damage::Unreadable { seq: board.seq() }),
            Err(error) => return Err(self.said()(error)),
        };
        let ends_early = || (board.seq() < until).then(|| Damage::Gap { from: board.seq() + 1, to: until });
        Ok(damage.or_else(ends_early))
    }

    fn verify_in_transaction(&self, record: &BoardRecord) -> Result<Verified, StorageError> {
        let mut problems = Vec::new();
        let snapshot = if record.snapshot_seq > 0 { Some(self.snapshot(record)?) } else { None };
        let first = self.first_in_log(record)?.unwrap_or(record.snapshot_seq + 1);
        let has_all = first == 1;
        if let Some(Err(damage)) = &snapshot {
            problems.push(damage.clone());
        }
        let mut board = match &snapshot {
            Some(Ok(board)) if !has_all => board.clone(),
            _ => Board::default(),
        };
        let start = board.seq();
        if has_all && let Some(Ok(snapshot)) = &snapshot {
            problems.extend(self.replay(record, &mut board, snapshot.seq())?);
            if problems.is_empty() && board.hash() != snapshot.hash() {
                let why = "the log comes to another state hash";
                problems.push(Damage::Snapshot { seq: snapshot.seq(), why });
            }
            board = if board.seq() < snapshot.seq() { snapshot.clone() } else { board };
        }
        problems.extend(self.replay(record, &mut board, record.seq)?);
        if problems.is_empty() && board.hash() != record.hash {
            let (first_seq, last_seq) = (board.seq(), board.seq());
            problems.push(Damage::Log { first_seq, last_seq, why: "the board does not come to its state hash" });
        }
        self.verify_beside(record, &mut problems)?;
        Ok(Verified { operations: board.seq() - start, first: start + 1, problems })
    }

    /// Walks what stands beside the log of a board.
    fn verify_beside(&self, record: &BoardRecord, problems: &mut Vec<Damage>) -> Result<(), StorageError> {
        let (_, of_record) = self.believed(record.clone())?;
        problems.extend(of_record);
        let whole = |found: rusqlite::Result<bool>| match found {
            Err(error) if corruption::is_corrupt(&error) => Ok(false),
            other => other.map_err(self.said()),
        };
        if !whole(access::is_whole(&self.connection, &record.name))? {
            problems.push(Damage::Access);
        }
        if !whole(chronicle::is_whole(&self.connection, record.id))? {
            problems.push(Damage::Timeline);
        }
        Ok(())
    }

    /// The bytes that the log and the snapshot of a board take, packed as they are.
    pub(super) fn bytes(&self, record: &BoardRecord) -> Result<u64, StorageError> {
        let sum = |table: &str| {
            let query = format!("SELECT coalesce(sum(length(bytes)), 0) FROM {table} WHERE board = ?1");
            self.connection.query_row(&query, [record.id], |row| row.get::<_, u64>(0))
        };
        match sum("log").and_then(|log| sum("snapshots").map(|snapshots| log + snapshots)) {
            Err(error) if corruption::is_corrupt(&error) => Ok(0),
            other => other.map_err(self.said()),
        }
    }

    /// The packets of the part up to a sequence number of the record that goes on behind it, with the number of its first
    /// operation; none if no record does.
    pub(super) fn begun(&self, record: &BoardRecord, until: u64) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
        let query = "SELECT first_seq, last_seq, hash, crc, is_packed, bytes FROM log
            WHERE board = ?1 AND first_seq <= ?2 AND last_seq > ?2";
        let row = self.connection.query_row(query, (record.id, until as i64), LogRecord::of).optional();
        let Some(row) = row.map_err(self.said())? else { return Ok(None) };
        let damaged = |damage| StorageError::Damaged { name: record.name.clone(), damage };
        let mut packets = Vec::new();
        for (first_seq, entries) in row.messages().map_err(damaged)? {
            let mut bytes = Vec::new();
            let part = (first_seq..=until).zip(&entries);
            part.for_each(|(_, entry)| binary::put_entry(&mut bytes, entry));
            if !bytes.is_empty() {
                binary::put_entries(&mut packets, first_seq, &bytes);
            }
        }
        Ok(Some((row.first_seq, packets)))
    }

    /// Reads everything of a board that a server needs.
    pub(super) fn stored(
        &self,
        record: &BoardRecord,
    ) -> Result<(OpenedBoard, Option<Damage>, BoardRecord), StorageError> {
        let Loaded { mut board, damage, record } = self.load(record, None)?;
        board.skip_authors(record.last_author.saturating_sub(board.last_author()));
        let stored =
            OpenedBoard { epoch: record.epoch, board, reserved_author: 0, ..OpenedBoard::new(KeptAccess::Everybody) };
        Ok((stored, damage, record))
    }

    /// The records of the log that a range of sequence numbers touches, as they are on disk.
    pub(super) fn raw_log(&self, record: &BoardRecord, from: u64) -> Vec<(u64, u64, Vec<u8>)> {
        let query = "SELECT first_seq, last_seq, bytes FROM log WHERE board = ?1 AND last_seq >= ?2 ORDER BY first_seq";
        let mut rows = Vec::new();
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(query)?;
            let mut found = statement.query((record.id, from as i64))?;
            while let Some(row) = found.next()? {
                rows.push((row.get(0)?, row.get(1)?, row.get(2)?));
            }
            Ok(())
        };
        // As far as it can be read: what is set aside is for people to look at.
        let _ = read();
        rows
    }

    /// The unpacked records of a board's log up to a sequence number, in runs of about one size.
    pub(super) fn unpacked_log(
        &self,
        record: &BoardRecord,
        until: u64,
    ) -> Result<Vec<(u64, u64, StateHash)>, StorageError> {
        let query = "SELECT first_seq, last_seq, hash FROM log WHERE board = ?1 AND is_packed = 0 AND last_seq <= ?2
                     ORDER BY first_seq";
        let read = || -> rusqlite::Result<Vec<(u64, u64, StateHash)>> {
            let row = |row: &Row<'_>| {
                let hash = StateHash::from_bytes(row.get(2)?);
                Ok((row.get(0)?, row.get(1)?, hash))
            };
            self.connection.prepare(query)?.query_map((record.id, until as i64), row)?.collect()
        };
        read().map_err(self.said())
    }

    /// The packets of one record, or what is wrong with it.
    pub(super) fn log_packets(
        &self,
        record: &BoardRecord,
        first_seq: u64,
    ) -> Result<Result<Vec<u8>, Damage>, StorageError> {
        let query =
            "SELECT first_seq, last_seq, hash, crc, is_packed, bytes FROM log WHERE board = ?1 AND first_seq = ?2";
        let row = self
            .connection
            .prepare_cached(query)
            .and_then(|mut statement| statement.query_row((record.id, first_seq as i64), LogRecord::of))
            .map_err(self.said())?;
        Ok(row.packets().map_err(|why| row.damage(why)))
    }
}

impl Archive for Reader {
    fn boards(&self) -> Result<Vec<BoardRecord>, StorageError> {
        let query = BoardRecord::query("ORDER BY name");
        let read = || -> rusqlite::Result<Vec<BoardRecord>> {
            self.connection.prepare(&query)?.query_map([], BoardRecord::of)?.collect()
        };
        read().map_err(self.said())
    }

    fn record(&self, name: &str) -> Result<Option<BoardRecord>, StorageError> {
        let query = BoardRecord::query("WHERE name = ?1");
        self.connection.query_row(&query, [name], BoardRecord::of).optional().map_err(self.said())
    }

    fn load(&self, record: &BoardRecord, at: Option<u64>) -> Result<Loaded, StorageError> {
        // One transaction, so that compaction does not change the records in between.
        let transaction = self.connection.unchecked_transaction().map_err(self.said())?;
        let loaded = self.fresh(record).and_then(|record| self.load_in_transaction(&record, at));
        drop(transaction);
        loaded
    }

    fn verify(&self, record: &BoardRecord) -> Result<Verified, StorageError> {
        let transaction = self.connection.unchecked_transaction().map_err(self.said())?;
        let verified = self.fresh(record).and_then(|record| self.verify_in_transaction(&record));
        drop(transaction);
        verified
    }

    fn image(&self, hash: ImageHash) -> Result<Option<Image>, StorageError> {
        images::find(&self.connection, hash).map_err(self.said())
    }

    fn damaged_images(&self) -> Result<Vec<ImageHash>, StorageError> {
        let names = self.image_names().into_iter();
        names.filter_map(|name| self.image(name).map(|image| image.is_none().then_some(name)).transpose()).collect()
    }

    fn audit(&self, name: &BoardName) -> Result<Vec<AuditRecord>, StorageError> {
        self.orders(name.as_str())
    }

    fn chronicle(&self, name: &str) -> Result<Timeline, StorageError> {
        let Some(record) = self.record(name)? else { return Ok(Timeline::default()) };
        chronicle::find(&self.connection, record.id).map_err(self.said())
    }

    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        if to.exists() {
            let error = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "there is such a file already");
            return Err(StorageError::Path { path: to.into(), error: error.into() });
        }
        let name = to.to_str().ok_or_else(|| {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not UTF-8");
            StorageError::Path { path: to.into(), error: error.into() }
        })?;
        files::create_private(to)?;
        // Another file is written, and this one is not; SQLite does not tell them apart here.
        self.connection.pragma_update(None, "query_only", false).map_err(self.said())?;
        let copied = self.connection.execute("VACUUM INTO ?1", [name]).map_err(said_of(to));
        self.connection.pragma_update(None, "query_only", true).map_err(self.said())?;
        if let Err(error) = copied {
            // What there is of it is no backup.
            let _ = std::fs::remove_file(to);
            return Err(error);
        }
        let copy = Connection::open(to).map_err(said_of(to))?;
        schema::mark_as_backup(&copy).map_err(said_of(to))
    }
}
