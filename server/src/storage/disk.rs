//! Storage in SQLite: one data directory, one writing thread with group commit, compaction in the background.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use inkwire_board::Board;
use inkwire_protocol::{AuditRecord, Epoch, ImageHash, StorageState};

use super::compaction::{Compactor, TAIL_WHEN_CLOSED, insert_board};
use super::load::{BoardRecord, Damage, Reader};
use super::lock::Lock;
use super::schema::{self, FILE, said_of};
use super::writer::{Queue, Writer};
use super::{
    Chronicle, Image, Listener, Part, Past, Storage, StorageError, Stored, access, chronicle, images, load, new_epoch,
    salvage,
};
use crate::metrics::Metrics;
use crate::name::BoardName;

/// Author numbers that are passed over when a board is opened that a server has not closed: some may have been given out
/// that never came to the disk, and other people's pages know elements by them.
const PASSED_OVER: u32 = 256;

/// Boards in the database of a data directory, which no other process writes as long as this lives.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    queue: Arc<Queue>,
    compactor: Compactor,
    compact: Mutex<Option<mpsc::Sender<BoardName>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    most_image_bytes: u64,
    _lock: Lock,
}

/// What came of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The sequence number of the snapshot.
    pub seq: u64,
    /// Its size, unpacked, in bytes.
    pub snapshot_bytes: u64,
}

impl Disk {
    /// Opens a data directory, which is made where there is none; waits for another process to let go of it, at most so
    /// long.
    ///
    /// # Errors
    /// Where another process has it, or it cannot be written.
    pub fn open(directory: &Path, patience: Duration, metrics: Arc<Metrics>) -> Result<Self, StorageError> {
        // It holds the secrets by which clients are known again.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| StorageError::Path { path: directory.into(), error: error.into() })?;
        let lock = Lock::take(directory, patience)?;
        let path = directory.join(FILE);
        let mut connection = salvage::open(directory)?;
        let renewed = schema::begin_new_lineages(&mut connection).map_err(said_of(&path))?;
        if renewed > 0 {
            tracing::info!(boards = renewed, "a backup was restored: every board in it is a new lineage");
        }
        let queue = Arc::new(Queue::default());
        let (compact, asked) = mpsc::channel();
        let writer = Writer::new(path, connection, queue.clone(), metrics.clone(), compact.clone());
        let compactor = Compactor { directory: directory.into(), queue: queue.clone(), metrics, turn: Arc::default() };
        let compacting = compactor.clone();
        let threads = [spawn("writer", move || writer.run()), spawn("compactor", move || compacting.run(&asked))];
        let threads = threads.into_iter().collect::<std::io::Result<Vec<_>>>();
        let threads = threads.map_err(|error| StorageError::Path { path: directory.into(), error: error.into() })?;
        Ok(Self {
            directory: directory.into(),
            queue,
            compactor,
            compact: Mutex::new(Some(compact)),
            threads: Mutex::new(threads),
            most_image_bytes: u64::MAX,
            _lock: lock,
        })
    }

    /// The same, but pictures are kept only as long as all of them together are at most so many bytes.
    #[must_use]
    pub fn with_image_bytes(self, most: u64) -> Self {
        Self { most_image_bytes: most, ..self }
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Deletes a board and everything that is kept of it.
    ///
    /// # Errors
    /// Where there is none of that name, or the disk fails.
    pub fn delete(&self, name: &BoardName) -> Result<(), StorageError> {
        let (queue, gone) = (self.queue.clone(), name.clone());
        let found = self.write(move |transaction| {
            let found = delete_rows(transaction, gone.as_str())?;
            access::forget(transaction, gone.as_str())?;
            // Here, on the writing thread, nothing of it can be on its way to the disk.
            queue.forget(&gone);
            Ok(found)
        })?;
        if found { Ok(()) } else { Err(StorageError::NoBoard(name.to_string())) }
    }

    /// Puts a board in under a name that is free, or in the place of what is there, as a new lineage.
    ///
    /// # Errors
    /// Where the name is taken, or the disk fails.
    pub fn import(
        &self,
        name: &BoardName,
        board: Board,
        pictures: Vec<(ImageHash, Image)>,
        replaces: bool,
    ) -> Result<(), StorageError> {
        if !replaces && Reader::open(&self.directory)?.record(name.as_str())?.is_some() {
            return Err(StorageError::Exists(name.to_string()));
        }
        let (queue, name) = (self.queue.clone(), name.clone());
        self.write(move |transaction| {
            delete_rows(transaction, name.as_str())?;
            queue.forget(&name);
            for (hash, image) in &pictures {
                images::insert(transaction, *hash, image, u64::MAX)?;
            }
            insert_board(transaction, name.as_str(), new_epoch(), &board).map(drop)
        })
    }

    /// Puts the records of a board in order, now; see `boards compact`.
    ///
    /// # Errors
    /// As for the compaction in the background.
    pub fn compact(&self, name: &BoardName, forgets_history: bool) -> Result<Compacted, StorageError> {
        self.compactor.compact(name.as_str(), forgets_history)
    }

    /// Waits until everything is on disk that was appended, at most so long; gives how many operations are not, because
    /// the disk takes nothing.
    pub fn unwritten(&self, patience: Duration) -> u64 {
        self.queue.drained(patience)
    }

    /// Ends the threads, once everything is written, and puts the file in order.
    pub fn stop(&self) {
        self.queue.stop();
        self.compact.lock().unwrap_or_else(PoisonError::into_inner).take();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }

    fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.queue.write(&self.directory.join(FILE), act)
    }

    /// Sets aside what is not good of a board, so that it goes on from what is. Where something was lost, that is a new
    /// lineage: its sequence numbers were given to something else before.
    fn set_aside(
        &self,
        reader: &Reader,
        record: &BoardRecord,
        board: &Board,
        damage: &Damage,
    ) -> Result<Epoch, StorageError> {
        let good = board.seq();
        if good == record.seq && matches!(damage, Damage::Snapshot { .. }) {
            tracing::error!(board = record.name, %damage, "the board was replayed from its log; nothing is lost");
            self.forget_snapshot(record)?;
            return Ok(record.epoch);
        }
        let aside = self.copy_aside(reader, record, good)?;
        tracing::error!(board = record.name, %damage, good, of = record.seq, aside = %aside.display(), "the board is damaged: what is behind is set aside, and it goes on from what is good");
        let epoch = new_epoch();
        let (record, board) = (record.clone(), board.clone());
        self.write(move |transaction| {
            // Its rows may lie in pages that cannot even be deleted: they stay, under a name that no board can have.
            let name = format!("{} (damaged {})", record.name, record.id);
            transaction.execute("UPDATE boards SET name = ?2, is_open = 0 WHERE id = ?1", (record.id, name))?;
            insert_board(transaction, &record.name, epoch, &board).map(drop)
        })?;
        Ok(epoch)
    }

    fn forget_snapshot(&self, record: &BoardRecord) -> Result<(), StorageError> {
        let which = (record.id, record.snapshot_seq as i64);
        self.write(move |transaction| {
            let forget = "UPDATE boards SET snapshot_seq = 0, snapshot_bytes = 0 WHERE id = ?1 AND snapshot_seq = ?2";
            transaction.execute(forget, which)?;
            transaction.execute("DELETE FROM snapshots WHERE board = ?1 AND seq = ?2", which).map(drop)
        })
    }

    /// Copies the records behind what is good into a file of their own: for each a line that says which, then its bytes.
    fn copy_aside(&self, reader: &Reader, record: &BoardRecord, good: u64) -> Result<PathBuf, StorageError> {
        let place = salvage::place_aside(&self.directory, &record.name, "log")?;
        let copy = || -> std::io::Result<()> {
            let mut file = fs::File::create_new(&place)?;
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

/// Copies the log of a board to another one, up to where that stands.
fn copy_log(transaction: &rusqlite::Transaction<'_>, from: i64, to: i64, board: &Board) -> rusqlite::Result<()> {
    let whole = "INSERT INTO log SELECT ?2, first_seq, last_seq, hash, crc, is_packed, bytes FROM log
        WHERE board = ?1 AND last_seq <= ?3";
    transaction.execute(whole, (from, to, board.seq() as i64))?;
    if let Some((first_seq, packets)) = load::begun(transaction, from, board.seq())? {
        let (crc, hash) = (crc32fast::hash(&packets), board.hash().to_bytes());
        let insert = "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)";
        transaction.execute(insert, (to, first_seq as i64, board.seq() as i64, hash, crc, packets))?;
    }
    Ok(())
}

fn delete_rows(transaction: &rusqlite::Transaction<'_>, name: &str) -> rusqlite::Result<bool> {
    for table in ["log", "snapshots", "clients", "moments", "authors"] {
        let board = "board = (SELECT id FROM boards WHERE name = ?1)";
        transaction.execute(&format!("DELETE FROM {table} WHERE {board}"), [name])?;
    }
    Ok(transaction.execute("DELETE FROM boards WHERE name = ?1", [name])? > 0)
}

impl Storage for Disk {
    fn open(&self, name: &BoardName) -> Result<Stored, StorageError> {
        let reader = Reader::open(&self.directory)?;
        let access = reader.access(name)?;
        let Some(record) = reader.record(name.as_str())? else {
            return Ok(Stored::new(access));
        };
        let (mut stored, damage, record) = match reader.stored(&record) {
            Err(StorageError::Damaged { damage, .. }) => {
                (Stored { epoch: record.epoch, ..Stored::new(None) }, Some(damage), record)
            }
            other => other?,
        };
        stored.access = access;
        if let Some(damage) = damage {
            stored.epoch = self.set_aside(&reader, &record, &stored.board, &damage)?;
        }
        if record.is_open {
            stored.board.skip_authors(PASSED_OVER);
            let (id, last_author) = (record.id, stored.board.last_author());
            let kept = self.write(move |transaction| {
                transaction.execute("UPDATE boards SET last_author = ?2 WHERE id = ?1", (id, last_author))
            });
            if let Err(error) = kept {
                // A full disk keeps nobody from a board; only a second kill before there is room could tell.
                tracing::warn!(board = %name, %error, "passed-over author numbers are not written");
            }
        }
        Ok(stored)
    }

    fn append(&self, name: &BoardName, part: Part) {
        self.queue.append(name, part);
    }

    fn closed(&self, names: &[BoardName]) {
        let closing = names.to_vec();
        let with_tail = self.write(move |transaction| {
            let mut close = transaction
                .prepare_cached("UPDATE boards SET is_open = 0 WHERE name = ?1 RETURNING tail_bytes > ?2")?;
            let mut with_tail = Vec::new();
            for name in closing {
                let mut rows = close.query((name.as_str(), TAIL_WHEN_CLOSED))?;
                let has_tail = rows.next()?.map(|row| row.get::<_, bool>(0)).transpose()?;
                drop(rows);
                with_tail.extend(has_tail.filter(|has_tail| *has_tail).map(|_| name));
            }
            Ok(with_tail)
        });
        match with_tail {
            Ok(with_tail) => {
                if let Some(compact) = &*self.compact.lock().unwrap_or_else(PoisonError::into_inner) {
                    with_tail.into_iter().for_each(|name| drop(compact.send(name)));
                }
            }
            // The next server passes over a few author numbers; nothing else comes of it.
            Err(error) => tracing::warn!(%error, "boards could not be marked as closed"),
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

    fn keep_access(&self, name: &BoardName, record: String, orders: Vec<AuditRecord>) -> Result<(), StorageError> {
        let name = name.clone();
        self.write(move |transaction| access::keep(transaction, name.as_str(), &record, &orders))
    }

    fn audit(&self, name: &BoardName) -> Result<Vec<AuditRecord>, StorageError> {
        Reader::open(&self.directory)?.audit(name)
    }

    fn count(&self) -> Result<u64, StorageError> {
        Reader::open(&self.directory)?.count()
    }

    fn past(&self, name: &BoardName, from: u64) -> Result<Past, StorageError> {
        Reader::open(&self.directory)?.past(name, from)
    }

    fn chronicle(&self, name: &BoardName) -> Result<Chronicle, StorageError> {
        Reader::open(&self.directory)?.chronicle(name)
    }

    fn branch(&self, name: &BoardName, seq: u64, branch: &BoardName) -> Result<(), StorageError> {
        let reader = Reader::open(&self.directory)?;
        let record = reader.record(name.as_str())?.ok_or_else(|| StorageError::NoBoard(name.to_string()))?;
        let loaded = reader.load(&record, Some(seq))?;
        if let Some(damage) = loaded.damage.filter(|_| loaded.board.seq() < seq) {
            return Err(StorageError::Damaged { name: record.name, damage });
        }
        let (branch, board) = (branch.clone(), loaded.board);
        self.write(move |transaction| {
            let id = insert_board(transaction, branch.as_str(), new_epoch(), &board)?;
            chronicle::copy(transaction, record.id, id, seq)?;
            copy_log(transaction, record.id, id, &board)
        })
    }

    fn listen(&self, listener: Listener) {
        self.queue.listen(listener);
    }
}
