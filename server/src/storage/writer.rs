//! The one thread that writes: it takes all that waits, commits it in one transaction, and says what is durable.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use inkwire_board::StateHash;
use inkwire_protocol::{AuthorName, ClientId, Epoch, StorageState};
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::schema::{self, said_of};
use super::{Listener, News, Part, StorageError, chronicle};
use crate::metrics::Metrics;
use crate::name::BoardName;

/// Parts of one board go into one record until it is so long, in bytes.
const RECORD: usize = 256 * 1024;
/// Between two tries to write to a disk that takes nothing.
const RETRY: Duration = Duration::from_millis(500);

/// What waits to be written, shared by those who append and the one who writes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    woken: Condvar,
    state: AtomicU8,
    listener: OnceLock<Shout>,
}

struct Shout(Listener);

impl std::fmt::Debug for Shout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

#[derive(Default)]
struct Waiting {
    batches: HashMap<BoardName, Batch>,
    jobs: VecDeque<Job>,
    /// The writer has taken batches that it has not written yet.
    is_writing: bool,
    is_stopping: bool,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("batches", &self.batches.len()).field("jobs", &self.jobs.len()).finish()
    }
}

/// Something else that the writer does, between two commits, where the database can be opened.
type Job = Box<dyn FnOnce(Result<&mut Connection, StorageError>) + Send>;

/// What waits of one board.
#[derive(Debug)]
struct Batch {
    epoch: Epoch,
    records: Vec<Record>,
    clients: Vec<(ClientId, u32)>,
    names: Vec<AuthorName>,
    since: Instant,
    /// When it was drawn, in milliseconds since 1970.
    at: u64,
}

/// A row of the log to be.
#[derive(Debug)]
struct Record {
    first_seq: u64,
    last_seq: u64,
    hash: StateHash,
    packets: Vec<u8>,
}

impl Batch {
    fn new(epoch: Epoch) -> Self {
        let (records, clients, names) = (Vec::new(), Vec::new(), Vec::new());
        Self { epoch, records, clients, names, since: Instant::now(), at: super::now() }
    }

    fn take(&mut self, part: Part) {
        self.clients.extend(part.clients);
        self.names.extend(part.names);
        match self.records.last_mut().filter(|last| last.packets.len() < RECORD) {
            Some(last) => {
                last.packets.extend_from_slice(&part.packet);
                (last.last_seq, last.hash) = (part.last_seq, part.hash);
            }
            None => self.records.push(Record {
                first_seq: part.first_seq,
                last_seq: part.last_seq,
                hash: part.hash,
                packets: part.packet.to_vec(),
            }),
        }
    }

    /// Puts what came later behind this.
    fn absorb(&mut self, later: Self) {
        self.records.extend(later.records);
        self.clients.extend(later.clients);
        self.names.extend(later.names);
    }

    fn last(&self) -> Option<&Record> {
        self.records.last()
    }

    fn operations(&self) -> u64 {
        self.records.iter().map(|record| record.last_seq - record.first_seq + 1).sum()
    }
}

const STATES: [StorageState; 2] = [StorageState::Disk, StorageState::Failing];

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> StorageState {
        STATES[usize::from(self.state.load(Ordering::Relaxed))]
    }

    /// The first listener stays.
    pub(super) fn listen(&self, listener: Listener) {
        let _ = self.listener.set(Shout(listener));
    }

    fn tell(&self, news: &News) {
        if let Some(Shout(listener)) = self.listener.get() {
            listener(news);
        }
    }

    fn become_state(&self, state: StorageState) {
        if self.state() != state {
            self.state.store(u8::from(state == StorageState::Failing), Ordering::Relaxed);
            self.tell(&News::State(state));
        }
    }

    pub(super) fn append(&self, name: &BoardName, part: Part) {
        let mut waiting = self.lock();
        let batch = waiting.batches.entry(name.clone()).or_insert_with(|| Batch::new(part.epoch));
        batch.take(part);
        self.woken.notify_all();
    }

    /// Forgets what waits of a board.
    pub(super) fn forget(&self, name: &BoardName) {
        self.lock().batches.remove(name);
    }

    /// Does something between two commits, in a transaction of its own, and waits for it.
    ///
    /// # Errors
    /// What SQLite says; or the server stops.
    pub(super) fn write<T: Send + 'static>(
        &self,
        path: &std::path::Path,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (sender, receiver) = mpsc::channel();
        let said = said_of(path);
        let job = move |connection: Result<&mut Connection, StorageError>| {
            let result = connection.and_then(|connection| {
                let transaction = connection.transaction().map_err(&said)?;
                let value = act(&transaction).map_err(&said)?;
                transaction.commit().map(|()| value).map_err(&said)
            });
            // Whoever asked may have gone.
            let _ = sender.send(result);
        };
        {
            let mut waiting = self.lock();
            if waiting.is_stopping {
                return Err(StorageError::Stopping);
            }
            waiting.jobs.push_back(Box::new(job));
            self.woken.notify_all();
        }
        receiver.recv().map_err(|_| StorageError::Stopping)?
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Asks the writer to write what waits and to end.
    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
        self.woken.notify_all();
    }

    /// Waits until everything is written, at most so long; gives how many operations are not.
    pub(super) fn drained(&self, patience: Duration) -> u64 {
        let deadline = Instant::now() + patience;
        let mut waiting = self.lock();
        while waiting.is_writing || !waiting.batches.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return waiting.batches.values().map(Batch::operations).sum::<u64>().max(1);
            }
            waiting = self.woken.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        0
    }
}

/// The writing thread's side.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    /// Absent after a failure: a file descriptor whose sync has failed proves nothing any more, so it is opened anew.
    connection: Option<Connection>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    /// Asks for the compaction of a board.
    compact: mpsc::Sender<BoardName>,
}

/// What a commit has made of a board.
struct Committed {
    name: BoardName,
    seq: u64,
    wants_compaction: bool,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        queue: Arc<Queue>,
        metrics: Arc<Metrics>,
        compact: mpsc::Sender<BoardName>,
    ) -> Self {
        Self { path, connection: Some(connection), queue, metrics, compact }
    }

    /// Writes until it is told to stop and nothing waits any more.
    pub(super) fn run(mut self) {
        loop {
            let (batches, jobs, is_stopping) = self.next();
            let is_idle = batches.is_empty() && jobs.is_empty();
            if !batches.is_empty() {
                self.commit(batches);
            }
            for job in jobs {
                job(self.connection());
            }
            if is_stopping && is_idle {
                break;
            }
        }
        self.finish();
    }

    /// What waits; on a disk that takes nothing, not sooner than it is to be tried again.
    fn next(&self) -> (HashMap<BoardName, Batch>, VecDeque<Job>, bool) {
        let mut waiting = self.queue.lock();
        if self.queue.state() == StorageState::Failing && waiting.jobs.is_empty() {
            let woken = &self.queue.woken;
            waiting = woken
                .wait_timeout_while(waiting, RETRY, |waiting| waiting.jobs.is_empty())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        while waiting.batches.is_empty() && waiting.jobs.is_empty() && !waiting.is_stopping {
            waiting = self.queue.woken.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_writing = !waiting.batches.is_empty();
        (std::mem::take(&mut waiting.batches), std::mem::take(&mut waiting.jobs), waiting.is_stopping)
    }

    fn connection(&mut self) -> Result<&mut Connection, StorageError> {
        if self.connection.is_none() {
            self.connection = Some(schema::open_again(&self.path)?);
        }
        Ok(self.connection.as_mut().expect("just opened"))
    }

    fn commit(&mut self, batches: HashMap<BoardName, Batch>) {
        let path = self.path.clone();
        let written = self.connection().and_then(|connection| write_all(connection, &batches).map_err(said_of(&path)));
        match written {
            Ok(committed) => self.committed(&batches, committed),
            Err(error) => self.failed(batches, &error),
        }
    }

    fn committed(&mut self, batches: &HashMap<BoardName, Batch>, committed: Vec<Committed>) {
        let now = Instant::now();
        self.metrics.commits.inc();
        self.metrics.commit_operations.observe(batches.values().map(Batch::operations).sum::<u64>() as f64);
        for batch in batches.values() {
            self.metrics.durable_lag.observe((now - batch.since).as_secs_f64());
        }
        self.queue.lock().is_writing = false;
        self.queue.woken.notify_all();
        if self.queue.state() == StorageState::Failing {
            tracing::warn!(path = %self.path.display(), "the disk takes everything again");
        }
        self.queue.become_state(StorageState::Disk);
        for board in committed {
            self.queue.tell(&News::Durable(board.name.clone(), board.seq));
            if board.wants_compaction {
                // Without a compactor, at the very end, nothing is compacted.
                let _ = self.compact.send(board.name);
            }
        }
    }

    /// Keeps what could not be written; nothing of it is durable.
    fn failed(&mut self, batches: HashMap<BoardName, Batch>, error: &StorageError) {
        self.metrics.storage_failures.inc();
        if self.queue.state() != StorageState::Failing {
            tracing::error!(%error, "nothing can be written: drawing goes on, and is written when there is room again");
        }
        self.connection = None;
        {
            let mut waiting = self.queue.lock();
            for (name, mut batch) in batches {
                if let Some(later) = waiting.batches.remove(&name) {
                    batch.absorb(later);
                }
                waiting.batches.insert(name, batch);
            }
            waiting.is_writing = false;
        }
        self.queue.become_state(StorageState::Failing);
    }

    /// A server that stops cleanly leaves one file, without a log beside it.
    fn finish(mut self) {
        let Ok(connection) = self.connection() else { return };
        let left = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = left {
            tracing::warn!(%error, "the database could not be put in order; nothing is lost");
        }
    }
}

/// Writes everything in one transaction: one sync of the disk for whatever came since the last.
fn write_all(connection: &mut Connection, batches: &HashMap<BoardName, Batch>) -> rusqlite::Result<Vec<Committed>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut committed = Vec::with_capacity(batches.len());
    for (name, batch) in batches {
        committed.extend(write_batch(&transaction, name, batch)?);
    }
    transaction.commit()?;
    Ok(committed)
}

fn write_batch(transaction: &Transaction<'_>, name: &BoardName, batch: &Batch) -> rusqlite::Result<Option<Committed>> {
    let Some(last) = batch.last() else { return Ok(None) };
    let bytes: usize = batch.records.iter().map(|record| record.packets.len()).sum();
    let last_author = batch.clients.iter().map(|(_, author)| *author).max().unwrap_or(0);
    let board: Option<(i64, i64, i64)> = transaction
        .prepare_cached(
            "INSERT INTO boards (name, epoch, seq, hash, last_author, tail_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash, is_open = 1,
                 last_author = max(last_author, excluded.last_author), changed = unixepoch(),
                 created = iif(seq = 0, unixepoch(), created), tail_bytes = tail_bytes + excluded.tail_bytes
             WHERE epoch = excluded.epoch OR seq = 0
             RETURNING id, tail_bytes, snapshot_bytes",
        )?
        .query_row(
            (name.as_str(), batch.epoch.0, last.last_seq as i64, last.hash.to_bytes(), last_author, bytes as i64),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((id, tail_bytes, snapshot_bytes)) = board else {
        tracing::error!(board = %name, "the board on disk is of another lineage; what was drawn is not written");
        return Ok(None);
    };
    // A commit that failed may be there all the same, once the file is opened again.
    let mut log = transaction.prepare_cached("INSERT OR REPLACE INTO log VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)")?;
    for record in &batch.records {
        let crc = crc32fast::hash(&record.packets);
        let (first, last) = (record.first_seq as i64, record.last_seq as i64);
        log.execute((id, first, last, record.hash.to_bytes(), crc, &record.packets))?;
    }
    let mut clients = transaction.prepare_cached("INSERT OR IGNORE INTO clients VALUES (?1, ?2, ?3)")?;
    for (client, author) in &batch.clients {
        clients.execute((id, client.0, author))?;
    }
    if let Some(first) = batch.records.first() {
        chronicle::keep_moment(transaction, id, first.first_seq, batch.at)?;
    }
    for AuthorName { author, name } in &batch.names {
        chronicle::keep_name(transaction, id, *author, name)?;
    }
    let wants_compaction = tail_bytes > super::compaction::TAIL.max(snapshot_bytes);
    Ok(Some(Committed { name: name.clone(), seq: last.last_seq, wants_compaction }))
}
