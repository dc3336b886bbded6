//! A data directory that this process writes: what a room and an operator ask of it goes to the writing thread.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use inkwire_board::{Board, StateHash};
use inkwire_protocol::{AuditRecord, Epoch, ImageHash, StorageState};
use parking_lot::Mutex;
use rusqlite::OptionalExtension;

use super::compaction::{Compactor, Encoded, TAIL_WHEN_CLOSED, insert_board};
use super::files::{self, Files};
use super::lock::Lock;
use super::proof::{self, Opened};
use super::queue::Queue;
use super::reader::Reader;
use super::schema::FILE;
use super::writer::Writer;
use super::{access, checksum, chronicle, images, mark, salvage};
use crate::log::{Gate, board_span};
use crate::metrics::Metrics;
use crate::name::BoardName;
use crate::random;
use crate::storage::record::SET_ASIDE;
use crate::storage::{
    AccessRecord, Archive, BoardRecord, Compacted, Damage, Engine, Image, KeptAccess, Lease, Listener, LogBatch,
    LogPage, OpenedBoard, Opening, RESERVED, Storage, StorageError, Timeline,
};

/// Boards in the database of a data directory, which no other process writes as long as this lives.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
    queue: Arc<Queue>,
    compactor: Compactor,
    compact: Mutex<Option<mpsc::Sender<BoardName>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    most_image_bytes: u64,
    most_bytes: u64,
    empty_boards: Option<Duration>,
    _lock: Lock,
}

impl Disk {
    /// Opens a data directory, which is made if there is none.
    ///
    /// # Errors
    /// If another process has it, or it cannot be written, or is not as [`Opening`] wants it.
    pub(crate) fn open(directory: &Path, opening: &Opening, metrics: Arc<Metrics>) -> Result<Self, StorageError> {
        // It holds the secrets by which clients are known again.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(files::failed(directory))?;
        if !opening.may_be_on_network {
            files::see_local(directory)?;
        }
        let lock = Lock::take(directory, opening.patience)?;
        let path = directory.join(FILE);
        let mark = opening.mark.clone().unwrap_or_else(|| directory.join(mark::FILE));
        let Opened { connection, mark, lost } = proof::open(directory, &mark)?;
        metrics.lost_commits.set(lost as i64);
        let files = Files::of(directory, &path)?;
        let queue = Arc::new(Queue::default());
        let (compact, asked) = mpsc::channel();
        let writer = Writer {
            path,
            connection: Some(connection),
            files,
            mark,
            queue: queue.clone(),
            metrics: metrics.clone(),
            compact: compact.clone(),
        };
        let compactor = Compactor { directory: directory.into(), queue: queue.clone(), metrics, turn: Arc::default() };
        let compacting = compactor.clone();
        let threads = [spawn("writer", move || writer.run()), spawn("compactor", move || compacting.run(&asked))];
        let threads = threads.into_iter().collect::<std::io::Result<Vec<_>>>();
        let threads = threads.map_err(|error| StorageError::Path { path: directory.into(), error: error.into() })?;
        let disk = Self {
            directory: directory.into(),
            queue,
            compactor,
            compact: Mutex::new(Some(compact)),
            threads: Mutex::new(threads),
            most_image_bytes: opening.most_image_bytes,
            most_bytes: opening.most_bytes,
            empty_boards: opening.empty_boards,
            _lock: lock,
        };
        // Nobody has a board open yet, whatever a killed server has left.
        if let Err(error) = disk.delete_empty_boards(true) {
            tracing::warn!(%error, "empty boards could not be deleted");
        }
        Ok(disk)
    }

    /// Deletes boards on which nothing was ever drawn when they are old enough: all of them, or those that are not open.
    fn delete_empty_boards(&self, also_open: bool) -> Result<(), StorageError> {
        let Some(age) = self.empty_boards else { return Ok(()) };
        let expired = self.write(move |transaction| {
            let which = "SELECT name FROM boards WHERE seq = 0 AND changed < unixepoch() - ?1 AND (?2 OR NOT is_open)
                AND NOT EXISTS (SELECT 1 FROM log WHERE board = boards.id)";
            let row = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            let names: Vec<String> = transaction
                .prepare(which)?
                .query_map((age.as_secs() as i64, also_open), row)?
                .collect::<rusqlite::Result<_>>()?;
            for name in &names {
                delete_rows(transaction, name)?;
                access::forget(transaction, name)?;
            }
            Ok(names.len())
        })?;
        if expired > 0 {
            tracing::info!(boards = expired, "boards on which nothing was ever drawn are deleted: --empty-board-days");
        }
        Ok(())
    }

    fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.queue.write(&self.path(), act)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// Waits until what an earlier room has appended is on the disk: a room that is opened before that would go on from less.
    fn see_written(&self, name: &BoardName) -> Result<(), StorageError> {
        if self.queue.may_have_unwritten(name) {
            // Jobs and ink are taken in one round, so an empty one is behind all that waits, and behind the round before.
            _ = self.write(|_| Ok(()));
        }
        if self.queue.has_waiting(name) {
            return Err(StorageError::Order(format!(
                "what was drawn on board {name} is not on the disk yet: try again later"
            )));
        }
        Ok(())
    }

    /// Sets aside what is not good of a board, so that it goes on from what is. If something was lost, that is a new
    /// lineage: its sequence numbers were given to something else before.
    fn set_aside(
        &self,
        reader: &Reader,
        record: &BoardRecord,
        board: &Board,
        damage: &Damage,
        access: &KeptAccess,
    ) -> Result<Epoch, StorageError> {
        let good = board.seq();
        if matches!(damage, Damage::Record { .. }) || (!record.is_whole && good == record.seq) {
            tracing::error!(%damage, "the board goes on from its log, as a new lineage");
            let snapshot_seq = if matches!(damage, Damage::Snapshot { .. }) { 0 } else { record.snapshot_seq };
            return self.renew_record(&BoardRecord { snapshot_seq, ..record.clone() }, board, access);
        }
        if good == record.seq && matches!(damage, Damage::Snapshot { .. }) {
            tracing::error!(%damage, "the board was replayed from its log; nothing is lost");
            self.forget_snapshot(record)?;
            return Ok(record.epoch);
        }
        let aside = self.copy_aside(reader, record, good)?;
        tracing::error!(%damage, good, of = record.seq, aside = %aside.display(), "the board is damaged: what is behind is set aside, and it goes on from what is good");
        let epoch = random::epoch();
        let (record, board, access) = (record.clone(), Encoded::of(board), access.clone());
        self.write(move |transaction| {
            // Its rows may lie in pages that cannot even be deleted: they stay, under a name that no board can have.
            let name = format!("{}{SET_ASIDE}{})", record.name, record.id);
            transaction.execute("UPDATE boards SET name = ?2, is_open = 0 WHERE id = ?1", (record.id, name))?;
            if record.is_whole {
                checksum::seal(transaction, record.id)?;
            }
            insert_board(transaction, &record.name, epoch, &board)?;
            access::carry_over(transaction, &record.name, &access)
        })?;
        Ok(epoch)
    }

    /// Writes the record of a board again, from what its log came to.
    fn renew_record(&self, record: &BoardRecord, board: &Board, access: &KeptAccess) -> Result<Epoch, StorageError> {
        let (epoch, record, access) = (random::epoch(), record.clone(), access.clone());
        let (seq, hash) = (board.seq() as i64, board.hash().to_bytes());
        let (last_author, reserved_author) = (board.last_author(), record.reserved_author.max(board.last_author()));
        self.write(move |transaction| {
            let renew = "UPDATE boards SET epoch = ?2, seq = ?3, hash = ?4, last_author = ?5, reserved_author = ?6,
                snapshot_seq = ?7, is_open = 0, hosted = 0, host_link = NULL WHERE id = ?1";
            let snapshot_seq = record.snapshot_seq as i64;
            transaction.execute(renew, (record.id, epoch.0, seq, hash, last_author, reserved_author, snapshot_seq))?;
            checksum::seal(transaction, record.id)?;
            access::carry_over(transaction, &record.name, &access)
        })?;
        Ok(epoch)
    }

    fn forget_snapshot(&self, record: &BoardRecord) -> Result<(), StorageError> {
        let which = (record.id, record.snapshot_seq as i64);
        self.write(move |transaction| {
            let forget = "UPDATE boards SET snapshot_seq = 0, snapshot_bytes = 0 WHERE id = ?1 AND snapshot_seq = ?2";
            if transaction.execute(forget, which)? == 1 {
                checksum::seal(transaction, which.0)?;
            }
            transaction.execute("DELETE FROM snapshots WHERE board = ?1 AND seq = ?2", which).map(drop)
        })
    }

    /// Copies the records behind what is good into a file of their own: for each a line that says which, then its bytes.
    fn copy_aside(&self, reader: &Reader, record: &BoardRecord, good: u64) -> Result<PathBuf, StorageError> {
        let place = salvage::place_aside(&self.directory, &record.name, "log")?;
        let copy = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
            for (first, last, bytes) in reader.raw_log(record, good + 1) {
                writeln!(file, "operations {first} to {last}, {} bytes:", bytes.len())?;
                file.write_all(&bytes)?;
                writeln!(file)?;
            }
            file.sync_all()
        };
        copy().map_err(|error| StorageError::Path { path: place.clone(), error: error.into() })?;
        Ok(place)
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(run)
}

/// Copies the log of a board to another one, up to a sequence number with its state hash; the packets of a record that goes on
/// behind it come from the caller, with the number of their first operation.
fn copy_log(
    transaction: &rusqlite::Transaction<'_>,
    [from, to]: [i64; 2],
    (seq, hash): (u64, StateHash),
    begun: Option<&(u64, Vec<u8>)>,
) -> rusqlite::Result<()> {
    let whole = "INSERT INTO log SELECT ?2, first_seq, last_seq, hash, crc, is_packed, bytes FROM log
        WHERE board = ?1 AND last_seq <= ?3";
    transaction.execute(whole, (from, to, seq as i64))?;
    if let Some((first_seq, packets)) = begun {
        // Compaction may have packed the records into others meanwhile.
        let after = "SELECT max(last_seq) FROM log WHERE board = ?1";
        let copied: Option<i64> = transaction.query_row(after, [to], |row| row.get(0))?;
        if copied.is_some_and(|copied| copied + 1 != *first_seq as i64) {
            return Err(rusqlite::Error::StatementChangedRows(0));
        }
        let crc = crc32fast::hash(packets);
        let insert = "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)";
        transaction.execute(insert, (to, *first_seq as i64, seq as i64, hash.to_bytes(), crc, packets))?;
    }
    Ok(())
}

/// Reserves author numbers of a board that is open from now on.
fn reserve(transaction: &rusqlite::Transaction<'_>, name: &BoardName, until: u32) -> rusqlite::Result<()> {
    let reserve =
        "UPDATE boards SET reserved_author = max(reserved_author, ?2), is_open = 1 WHERE name = ?1 RETURNING id";
    let id = transaction.prepare_cached(reserve)?.query_row((name.as_str(), until), |row| row.get(0)).optional()?;
    id.map_or(Ok(()), |id| checksum::seal(transaction, id))
}

fn delete_rows(transaction: &rusqlite::Transaction<'_>, name: &str) -> rusqlite::Result<bool> {
    for table in ["log", "snapshots", "clients", "moments", "authors"] {
        let board = "board = (SELECT id FROM boards WHERE name = ?1)";
        transaction.execute(&format!("DELETE FROM {table} WHERE {board}"), [name])?;
    }
    Ok(transaction.execute("DELETE FROM boards WHERE name = ?1", [name])? > 0)
}

impl Storage for Disk {
    fn open(&self, name: &BoardName) -> Result<OpenedBoard, StorageError> {
        let _board = board_span(name).entered();
        self.see_written(name)?;
        let reader = Reader::open(&self.directory)?;
        let access = reader.access(name.as_str())?;
        let Some(record) = reader.record(name.as_str())? else {
            return Ok(OpenedBoard::new(access));
        };
        let (mut stored, damage, record) = match reader.stored(&record) {
            Err(StorageError::Damaged { damage, .. }) => {
                (OpenedBoard { epoch: record.epoch, ..OpenedBoard::new(KeptAccess::Everybody) }, Some(damage), record)
            }
            other => other?,
        };
        if let Some(damage) = damage {
            stored.epoch = self.set_aside(&reader, &record, &stored.board, &damage, &access)?;
        }
        stored.access = access;
        stored.bytes = reader.bytes(&record)?;
        if record.is_open {
            let given = record.reserved_author.saturating_sub(stored.board.last_author());
            stored.board.skip_authors(given);
        }
        stored.reserved_author = stored.board.last_author().saturating_add(RESERVED);
        let (opened, until) = (name.clone(), stored.reserved_author);
        if let Err(error) = self.write(move |transaction| reserve(transaction, &opened, until)) {
            // A full disk keeps nobody from a board; only a kill before there is room could tell.
            static LINES: Gate = Gate::new();
            if let Some(suppressed) = LINES.admit() {
                tracing::warn!(%error, suppressed, "author numbers could not be reserved");
            }
        }
        Ok(stored)
    }

    fn reserve_authors(&self, name: &BoardName, until: u32) {
        let opened = name.clone();
        // A server that stops gives out no more of them.
        let _ = self.queue.begin(&self.path(), move |transaction| reserve(transaction, &opened, until), |_| {});
    }

    fn is_overfull(&self) -> bool {
        self.queue.is_overfull()
    }

    fn is_full(&self) -> bool {
        self.most_bytes > 0 && self.queue.database_bytes() > self.most_bytes
    }

    fn append(&self, name: &BoardName, part: LogBatch) {
        self.queue.append(name, part);
    }

    fn closed(&self, boards: &[(BoardName, Lease)]) {
        let closing = boards.to_vec();
        let with_tail = self.write(move |transaction| {
            let mut close = transaction
                .prepare_cached("UPDATE boards SET is_open = 0 WHERE name = ?1 RETURNING id, tail_bytes > ?2")?;
            let mut with_tail = Vec::new();
            // A board whose lease has ended is another one by now, or none.
            for (name, _) in closing.into_iter().filter(|(_, lease)| lease.holds()) {
                let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?));
                let Some((id, has_tail)) = close.query_row((name.as_str(), TAIL_WHEN_CLOSED), row).optional()? else {
                    continue;
                };
                checksum::seal(transaction, id)?;
                with_tail.extend(has_tail.then_some(name));
            }
            Ok(with_tail)
        });
        match with_tail {
            Ok(with_tail) => {
                if let Some(compact) = &*self.compact.lock() {
                    with_tail.into_iter().for_each(|name| drop(compact.send(name)));
                }
            }
            // The next server passes over a few author numbers; nothing else comes of it.
            Err(error) => {
                static LINES: Gate = Gate::new();
                if let Some(suppressed) = LINES.admit() {
                    tracing::warn!(%error, suppressed, "boards could not be marked as closed");
                }
            }
        }
    }

    fn state(&self) -> StorageState {
        self.queue.state()
    }

    fn keep_image(&self, hash: ImageHash, image: Image) -> Result<bool, StorageError> {
        let most = self.most_image_bytes;
        self.write(move |transaction| images::insert(transaction, hash, &image, most))
    }

    fn image(&self, hash: ImageHash) -> Result<Option<Image>, StorageError> {
        Reader::open(&self.directory)?.image(hash)
    }

    fn keep_access(
        &self,
        name: &BoardName,
        record: AccessRecord,
        orders: Vec<AuditRecord>,
        lease: &Lease,
    ) -> Result<(), StorageError> {
        let (name, lease) = (name.clone(), lease.clone());
        self.write(move |transaction| {
            // Asked here, behind every deletion that was ordered before: an order on its way must not make the board again.
            if !lease.holds() {
                return Ok(Err(StorageError::Deleted(name.to_string())));
            }
            access::keep(transaction, name.as_str(), &record, &orders).map(Ok)
        })?
    }

    fn audit(&self, name: &BoardName) -> Result<Vec<AuditRecord>, StorageError> {
        Reader::open(&self.directory)?.audit(name)
    }

    fn count(&self) -> Result<u64, StorageError> {
        Reader::open(&self.directory)?.count()
    }

    fn past(&self, name: &BoardName, from: u64) -> Result<LogPage, StorageError> {
        Reader::open(&self.directory)?.past(name, from)
    }

    fn chronicle(&self, name: &BoardName) -> Result<Timeline, StorageError> {
        Reader::open(&self.directory)?.chronicle(name.as_str())
    }

    fn branch(&self, name: &BoardName, seq: u64, branch: &BoardName) -> Result<Lease, StorageError> {
        let reader = Reader::open(&self.directory)?;
        let record = reader.record(name.as_str())?.ok_or_else(|| StorageError::NoBoard(name.to_string()))?;
        let loaded = reader.load(&record, Some(seq))?;
        if let Some(damage) = loaded.damage.filter(|_| loaded.board.seq() < seq) {
            return Err(StorageError::Damaged { name: record.name, damage });
        }
        if self.is_full() {
            return Err(StorageError::Order("the boards are as large as --max-data-size allows".into()));
        }
        let (branch, board) = (branch.clone(), Encoded::of(&loaded.board));
        let begun = reader.begun(&record, seq)?;
        let hash = loaded.board.hash();
        self.write(move |transaction| {
            let id = insert_board(transaction, branch.as_str(), random::epoch(), &board)?;
            chronicle::copy(transaction, record.id, id, seq)?;
            copy_log(transaction, [record.id, id], (seq, hash), begun.as_ref())
        })?;
        Ok(Lease::default())
    }

    fn listen(&self, listener: Listener) {
        self.queue.listen(listener);
    }
}

impl Engine for Disk {
    fn archive(&self) -> Result<Box<dyn Archive>, StorageError> {
        Ok(Box::new(Reader::open(&self.directory)?))
    }

    fn delete(&self, name: &str) -> Result<(), StorageError> {
        let (queue, gone) = (self.queue.clone(), name.to_owned());
        let found = self.write(move |transaction| {
            let found = delete_rows(transaction, &gone)?;
            access::forget(transaction, &gone)?;
            // Here, on the writing thread, nothing of it can be on its way to the disk.
            if let Ok(open) = gone.parse() {
                queue.forget(&open);
            }
            Ok(found)
        })?;
        if found { Ok(()) } else { Err(StorageError::NoBoard(name.to_string())) }
    }

    fn import(
        &self,
        name: &BoardName,
        board: Board,
        pictures: Vec<(ImageHash, Image)>,
        replaces: bool,
    ) -> Result<(), StorageError> {
        if !replaces && Reader::open(&self.directory)?.record(name.as_str())?.is_some() {
            return Err(StorageError::Exists(name.to_string()));
        }
        let (queue, name, board) = (self.queue.clone(), name.clone(), Encoded::of(&board));
        self.write(move |transaction| {
            // The access of the board that was there holds for the one that comes.
            let access = access::find(transaction, name.as_str())?;
            delete_rows(transaction, name.as_str())?;
            queue.forget(&name);
            for (hash, image) in &pictures {
                images::insert(transaction, *hash, image, u64::MAX)?;
            }
            insert_board(transaction, name.as_str(), random::epoch(), &board)?;
            access::carry_over(transaction, name.as_str(), &access)
        })
    }

    fn compact(&self, name: &BoardName, forgets_history: bool) -> Result<Compacted, StorageError> {
        self.compactor.compact(name.as_str(), forgets_history)
    }

    fn expire_empty_boards(&self) -> Result<(), StorageError> {
        self.delete_empty_boards(false)
    }

    fn unwritten(&self, patience: Duration) -> u64 {
        self.queue.drained(patience)
    }

    fn stop(&self) {
        self.queue.stop();
        self.compact.lock().take();
        let threads = std::mem::take(&mut *self.threads.lock());
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}
