//! Reading what is on disk: every record is checked before it counts, and what is good of a damaged board is told apart.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use inkwire_board::{Board, Replica, StateHash};
use inkwire_protocol::{AuditRecord, ClientId, Columns, Entry, Epoch, ImageHash, ServerMessage, binary};
use rusqlite::{Connection, OptionalExtension, Row};

use super::chronicle::{self, Chronicle, Past};
use super::schema::{self, FILE, said_of};
use super::{Image, KeptAccess, StorageError, Stored, access, checksum, corruption, files, images};
use crate::name::BoardName;

/// A part of the past has so many operations, or those of one record.
const PAST: usize = 4_096;
/// A packed record holds at most so much; more is not one that this program wrote.
const UNPACKED: u64 = 64 * 1024 * 1024;

/// What the database says of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardRecord {
    pub(super) id: i64,
    /// Its name.
    pub name: String,
    /// The lineage of its log.
    pub epoch: Epoch,
    /// Its last sequence number.
    pub seq: u64,
    /// Its state hash there.
    pub hash: StateHash,
    /// The highest author number that was given out for good.
    pub last_author: u32,
    /// The highest author number that may have been given out.
    pub reserved_author: u32,
    /// The sequence number of its snapshot; 0 for none.
    pub snapshot_seq: u64,
    /// The size of that snapshot, unpacked, in bytes.
    pub snapshot_bytes: u64,
    /// The size of the log behind it, in bytes.
    pub tail_bytes: u64,
    /// Whether a server has written to it and not closed it.
    pub is_open: bool,
    /// When it was first drawn on, or made where nothing is drawn yet, in seconds since 1970.
    pub created: i64,
    /// When it was last drawn on, or made where nothing is drawn yet, in seconds since 1970.
    pub changed: i64,
    /// Whether it has its checksum.
    pub is_whole: bool,
}

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

/// What is wrong with the records of a board, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A part of the snapshot is not what was written.
    #[error("the snapshot at operation {seq} is damaged: {why}")]
    Snapshot {
        /// The sequence number that it stands at.
        seq: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A record of the log is not what was written.
    #[error("the log is damaged between operations {first_seq} and {last_seq}: {why}")]
    Log {
        /// The first operation of the record.
        first_seq: u64,
        /// The last one.
        last_seq: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A part of the log is missing.
    #[error("the log lacks operations {from} to {to}")]
    Gap {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// The record of the board itself is not what was written.
    #[error("the record of the board is damaged: its log comes to operation {seq}")]
    Record {
        /// The last operation of the log.
        seq: u64,
    },
    /// The access record or an order is not what was written.
    #[error("the records of who may do what are damaged")]
    Access,
    /// Times, names or author numbers are not what was written.
    #[error("the records of when it was drawn and by whom are damaged")]
    Chronicle,
    /// The database itself is damaged where the log of the board lies.
    #[error("the database cannot be read behind operation {seq}")]
    Unreadable {
        /// The last operation that can be read.
        seq: u64,
    },
}

/// A board as far as its records are good.
#[derive(Debug)]
pub struct Loaded {
    /// The board.
    pub board: Board,
    /// What is wrong behind it.
    pub damage: Option<Damage>,
    /// What the database said of it when it was read.
    pub record: BoardRecord,
}

/// What [`Reader::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Operations whose records were read and replayed.
    pub operations: u64,
    /// The first operation that there is a record of; behind a snapshot that was imported, or whose history was dropped.
    pub first: u64,
    /// Everything that is wrong, in the order of the log.
    pub problems: Vec<Damage>,
}

/// A record of the log.
struct LogRow {
    first_seq: u64,
    last_seq: u64,
    hash: StateHash,
    crc: u32,
    is_packed: bool,
    bytes: Vec<u8>,
}

impl LogRow {
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

    fn damage(&self, why: &'static str) -> Damage {
        Damage::Log { first_seq: self.first_seq, last_seq: self.last_seq, why }
    }

    /// The packets of the record.
    fn packets(&self) -> Result<Vec<u8>, &'static str> {
        check(&self.bytes, self.crc)?;
        if !self.is_packed {
            return Ok(self.bytes.clone());
        }
        let (length, packed) = self.bytes.split_first_chunk::<4>().ok_or(NOT_PACKED)?;
        let columns = packed.split_at_checked(u32::from_be_bytes(*length) as usize);
        let (heads, bodies) = columns.ok_or(NOT_PACKED)?;
        let columns = Columns { heads: unpack(heads)?, bodies: unpack(bodies)? };
        columns.into_packets().map_err(|_| NOT_PACKED)
    }

    /// The operations of the record, in parts of the log.
    fn messages(&self) -> Result<Vec<(u64, Vec<Entry>)>, Damage> {
        const NONE: &str = "its bytes are no operations";
        let packets = self.packets().map_err(|why| self.damage(why))?;
        let messages = binary::decode_server(&packets).map_err(|_| self.damage(NONE))?;
        let parts = messages.into_iter().map(|message| match message {
            ServerMessage::Operations { first_seq, entries } => Ok((first_seq, entries)),
            _ => Err(self.damage(NONE)),
        });
        parts.collect()
    }

    /// Replays the record on a board, up to a sequence number.
    fn replay(&self, board: &mut Board, until: u64) -> Result<(), Damage> {
        if self.first_seq > board.seq() + 1 {
            return Err(Damage::Gap { from: board.seq() + 1, to: self.first_seq - 1 });
        }
        for (first_seq, entries) in self.messages()? {
            for (seq, entry) in (first_seq..).zip(&entries) {
                if (board.seq() + 1..=until).contains(&seq) {
                    board.replay(seq, entry).map_err(|_| self.damage("an operation does not follow"))?;
                }
            }
        }
        let is_whole = board.seq() == self.last_seq;
        if is_whole && board.hash() != self.hash {
            return Err(self.damage("the board does not come to its state hash"));
        }
        if !is_whole && board.seq() < until {
            return Err(self.damage("it ends too early"));
        }
        Ok(())
    }
}

const NOT_PACKED: &str = "it does not unpack";

/// Sees that a record is what was written.
fn check(bytes: &[u8], crc: u32) -> Result<(), &'static str> {
    if crc32fast::hash(bytes) == crc { Ok(()) } else { Err("its checksum does not fit") }
}

/// What was packed (deflate, RFC 1951).
fn unpack(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut unpacked = Vec::new();
    let done = DeflateDecoder::new(bytes).take(UNPACKED).read_to_end(&mut unpacked);
    done.map(|_| unpacked).map_err(|_| NOT_PACKED)
}

/// A view of a data directory's database that never changes it, beside whatever else has it open.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: Connection,
}

impl Reader {
    /// Opens the database of a data directory.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, StorageError> {
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
    pub fn of_file(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { connection: schema::open_to_read(path)?, path: path.into() })
    }

    /// The bytes of a picture; none where they are not what they were.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn image(&self, hash: ImageHash) -> Result<Option<Image>, StorageError> {
        images::find(&self.connection, hash).map_err(self.said())
    }

    /// The names of all pictures, as far as they can be read.
    pub(super) fn image_names(&self) -> Vec<ImageHash> {
        images::names(&self.connection)
    }

    /// The boards of a damaged database: from the first on as far as they can be read, and from the last back.
    pub(super) fn readable_boards(&self) -> Vec<BoardRecord> {
        let mut all: Vec<BoardRecord> = Vec::new();
        for (compare, order, mut id) in [(">", "ASC", i64::MIN), ("<", "DESC", i64::MAX)] {
            let query = BoardRecord::query(&format!("WHERE id {compare} ?1 ORDER BY id {order} LIMIT 1"));
            while let Some(record) = self.readable_board(&query, compare, order, &mut id)
                && !all.iter().any(|known| known.id == record.id)
            {
                id = record.id;
                let name = if record.is_whole { None } else { self.indexed_name(&record) };
                let is_whole = record.is_whole || name.is_some();
                all.push(BoardRecord { name: name.unwrap_or(record.name), is_whole, ..record });
            }
        }
        all
    }

    /// The next record of a board that can be read. One that cannot is reported: its row, not its name, is known.
    fn readable_board(&self, query: &str, compare: &str, order: &str, id: &mut i64) -> Option<BoardRecord> {
        loop {
            if let Ok(record) = self.connection.query_row(query, [*id], BoardRecord::of) {
                return Some(record);
            }
            let next = format!("SELECT id FROM boards WHERE id {compare} ?1 ORDER BY id {order} LIMIT 1");
            *id = self.connection.query_row(&next, [*id], |row| row.get(0)).ok()?;
            // Its log counts, and its name if that can be read.
            for name in ["name", "'recovered-' || id"] {
                let lenient = format!(
                    "SELECT id, {name}, zeroblob(8), 0, zeroblob(8), 0, 0, 0, 0, 1, 0, 0, 0, 0 FROM boards WHERE id = ?1"
                );
                if let Ok(record) = self.connection.query_row(&lenient, [*id], BoardRecord::of) {
                    tracing::error!(row = *id, board = record.name, "the record of a board cannot be read: its log is");
                    return Some(record);
                }
            }
        }
    }

    /// Who may do what on a board.
    pub(super) fn access(&self, name: &str) -> Result<KeptAccess, StorageError> {
        access::find(&self.connection, name).map_err(self.said())
    }

    /// The names of the boards that have a record of who may do what, as far as they can be read from either end.
    pub(super) fn access_names(&self) -> Vec<String> {
        let read = |order: &str| -> rusqlite::Result<Vec<String>> {
            let mut query = self.connection.prepare(&format!("SELECT board FROM access ORDER BY board {order}"))?;
            let rows = query.query_map([], |row| row.get(0))?;
            Ok(rows.map_while(Result::ok).collect())
        };
        let mut names: Vec<String> =
            ["ASC", "DESC"].into_iter().flat_map(|order| read(order).unwrap_or_default()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The name that the index has of a board, if the record has its checksum with that name.
    fn indexed_name(&self, record: &BoardRecord) -> Option<String> {
        let names = "SELECT name, id FROM boards INDEXED BY sqlite_autoindex_boards_1";
        let mut names = self.connection.prepare(names).ok()?;
        let rows = names.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).ok()?;
        let (name, _) = rows.map_while(Result::ok).find(|(_, id)| *id == record.id)?;
        let with_name = format!(
            "SELECT crc = checksum({}) FROM boards NOT INDEXED WHERE id = ?1",
            checksum::BOARD.replace("name", "?2")
        );
        let fits = self.connection.query_row(&with_name, (record.id, &name), |row| row.get::<_, bool>(0));
        fits.is_ok_and(|fits| fits).then_some(name)
    }

    /// Checks the index of the boards' names; a name that has changed in one of the two is another board.
    pub(super) fn broken_names(connection: &Connection) -> rusqlite::Result<Option<String>> {
        let found: String = connection.query_row("PRAGMA integrity_check(boards)", [], |row| row.get(0))?;
        Ok((found != "ok").then_some(found))
    }

    /// What was ordered on a board, newest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn audit(&self, name: &BoardName) -> Result<Vec<AuditRecord>, StorageError> {
        self.orders(name.as_str())
    }

    /// The same of a name as the database has it.
    pub(super) fn orders(&self, name: &str) -> Result<Vec<AuditRecord>, StorageError> {
        access::audit(&self.connection, name).map_err(self.said())
    }

    /// How many boards there are, with those on which nothing was drawn yet.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn count(&self) -> Result<u64, StorageError> {
        self.connection.query_row("SELECT count(*) FROM boards", [], |row| row.get(0)).map_err(self.said())
    }

    /// When a board was drawn, and by whom.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn chronicle(&self, name: &str) -> Result<Chronicle, StorageError> {
        let Some(record) = self.record(name)? else { return Ok(Chronicle::default()) };
        chronicle::find(&self.connection, record.id).map_err(self.said())
    }

    /// A part of a board's log: whole records, from the one on that has a sequence number.
    ///
    /// # Errors
    /// What SQLite says, or where a record is damaged.
    pub fn past(&self, name: &BoardName, from: u64) -> Result<Past, StorageError> {
        let Some(record) = self.record(name.as_str())? else { return Ok(Past::default()) };
        let mut past = Past { first_seq: from, last_seq: record.seq, ..Past::default() };
        let query = "SELECT first_seq, last_seq, hash, crc, is_packed, bytes FROM log
            WHERE board = ?1 AND last_seq >= ?2 ORDER BY first_seq";
        let mut statement = self.connection.prepare_cached(query).map_err(self.said())?;
        let rows = statement.query_map((record.id, from as i64), LogRow::of).map_err(self.said())?;
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

    fn said(&self) -> impl Fn(rusqlite::Error) -> StorageError + use<> {
        said_of(&self.path)
    }

    /// All boards, by name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn boards(&self) -> Result<Vec<BoardRecord>, StorageError> {
        let query = BoardRecord::query("ORDER BY name");
        let read = || -> rusqlite::Result<Vec<BoardRecord>> {
            self.connection.prepare(&query)?.query_map([], BoardRecord::of)?.collect()
        };
        read().map_err(self.said())
    }

    /// What the database says of a board; `None` where it has none of that name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn record(&self, name: &str) -> Result<Option<BoardRecord>, StorageError> {
        let query = BoardRecord::query("WHERE name = ?1");
        self.connection.query_row(&query, [name], BoardRecord::of).optional().map_err(self.said())
    }

    /// A board as it was at a sequence number, or is now, as far as its records are good.
    ///
    /// # Errors
    /// If the records do not reach so far back or forth, or the disk fails.
    pub fn load(&self, record: &BoardRecord, at: Option<u64>) -> Result<Loaded, StorageError> {
        // One transaction, so that compaction does not change the records in between.
        let transaction = self.connection.unchecked_transaction().map_err(self.said())?;
        let loaded = self.fresh(record).and_then(|record| self.load_in_transaction(&record, at));
        drop(transaction);
        loaded
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
        let reserved_author = last_author.saturating_add(super::RESERVED);
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

    /// Where replaying begins: at the snapshot, or at nothing where that is damaged or too late.
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
                if let Err(damage) = LogRow::of(row)?.replay(board, until) {
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

    /// Walks all records of a board: every checksum, every operation, every state hash.
    ///
    /// # Errors
    /// If the disk fails; what is wrong with the records is in the result.
    pub fn verify(&self, record: &BoardRecord) -> Result<Verified, StorageError> {
        let transaction = self.connection.unchecked_transaction().map_err(self.said())?;
        let verified = self.fresh(record).and_then(|record| self.verify_in_transaction(&record));
        drop(transaction);
        verified
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
            problems.push(Damage::Chronicle);
        }
        Ok(())
    }

    /// The images whose bytes are not those of their names.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn damaged_images(&self) -> Result<Vec<ImageHash>, StorageError> {
        let names = self.image_names().into_iter();
        names.filter_map(|name| self.image(name).map(|image| image.is_none().then_some(name)).transpose()).collect()
    }

    /// Copies the database as it is at this moment into a new file.
    ///
    /// # Errors
    /// If the file is there already or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), StorageError> {
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
        let row = self.connection.query_row(query, (record.id, until as i64), LogRow::of).optional();
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

    /// What a server needs of a board.
    pub(super) fn stored(&self, record: &BoardRecord) -> Result<(Stored, Option<Damage>, BoardRecord), StorageError> {
        let Loaded { mut board, damage, record } = self.load(record, None)?;
        board.skip_authors(record.last_author.saturating_sub(board.last_author()));
        let access = KeptAccess::Everybody;
        Ok((Stored { epoch: record.epoch, board, access, reserved_author: 0, bytes: 0 }, damage, record))
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
            .and_then(|mut statement| statement.query_row((record.id, first_seq as i64), LogRow::of))
            .map_err(self.said())?;
        Ok(row.packets().map_err(|why| row.damage(why)))
    }
}
