//! The one thread that writes: it takes all that waits, commits it in one transaction, and says what is durable.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use inkwire_board::StateHash;
use inkwire_protocol::{AuthorName, ClientId, Epoch, StorageState};
use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::files::Files;
use super::mark::Mark;
use super::schema::{self, said_of};
use super::{checksum, chronicle, corruption};
use crate::log::Gate;
use crate::metrics::Metrics;
use crate::name::BoardName;
use crate::storage::{self, Listener, News, Part, StorageError};

/// The log behind a snapshot is left alone until it is so long, in bytes, and as long as the snapshot itself: so all
/// compactions of a board together cost a small multiple of what was drawn.
const TAIL: i64 = 256 * 1024;
/// Parts of one board go into one record until it is so long, in bytes.
const RECORD: usize = 256 * 1024;
/// Between two tries to write to a disk that takes nothing.
const RETRY: Duration = Duration::from_millis(500);
/// Between two looks at the files of a server that writes nothing.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes that may wait for the disk before reading from those who draw is delayed. What came before that is kept.
const MOST_WAITING: u64 = 256 * 1024 * 1024;

/// What waits to be written, shared by those who append and the one who writes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    woken: Condvar,
    state: AtomicU8,
    /// Bytes that were appended and are not durable.
    bytes: AtomicU64,
    /// The size of the database, as it was after the last commit.
    database_bytes: AtomicU64,
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

/// Something else that the writer does in the transaction of the next commit; or it is told why there is none.
type Job = Box<dyn FnOnce(Result<&Transaction<'_>, StorageError>) -> Outcome + Send>;

/// The result of a job. It is answered when the commit is on the disk.
struct Outcome {
    is_done: bool,
    answer: Answer,
}

type Answer = Box<dyn FnOnce(Result<(), StorageError>)>;

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
    reserved_author: u32,
}

/// A row of the log to be.
#[derive(Debug)]
struct Record {
    first_seq: u64,
    last_seq: u64,
    hash: StateHash,
    packets: Vec<u8>,
    /// A commit of it has failed, and may be there all the same: it stays as it is.
    was_tried: bool,
}

impl Record {
    /// Whether a part goes on where this ends, and may become one with it.
    fn takes(&self, part: &Part) -> bool {
        !self.was_tried && self.packets.len() < RECORD && self.last_seq + 1 == part.first_seq
    }
}

impl Batch {
    fn new(epoch: Epoch) -> Self {
        let (records, clients, names) = (Vec::new(), Vec::new(), Vec::new());
        Self { epoch, records, clients, names, since: Instant::now(), at: storage::now(), reserved_author: 0 }
    }

    fn take(&mut self, mut part: Part) {
        self.reserved_author = self.reserved_author.max(part.reserved_author);
        self.clients.append(&mut part.clients);
        self.names.append(&mut part.names);
        match self.records.last_mut().filter(|last| last.takes(&part)) {
            Some(last) => {
                last.packets.extend_from_slice(&part.packet);
                (last.last_seq, last.hash) = (part.last_seq, part.hash);
            }
            None => self.records.push(Record {
                first_seq: part.first_seq,
                last_seq: part.last_seq,
                hash: part.hash,
                packets: part.packet.to_vec(),
                was_tried: false,
            }),
        }
    }

    /// Puts what came later behind this.
    fn absorb(&mut self, later: Self) {
        self.records.extend(later.records);
        self.clients.extend(later.clients);
        self.names.extend(later.names);
        self.reserved_author = self.reserved_author.max(later.reserved_author);
    }

    fn bytes(&self) -> u64 {
        self.records.iter().map(|record| record.packets.len() as u64).sum()
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
        self.waiting.lock()
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

    pub(super) fn is_overfull(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > MOST_WAITING
    }

    pub(super) fn database_bytes(&self) -> u64 {
        self.database_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn append(&self, name: &BoardName, part: Part) {
        self.bytes.fetch_add(part.packet.len() as u64, Ordering::Relaxed);
        let mut waiting = self.lock();
        let batch = waiting.batches.entry(name.clone()).or_insert_with(|| Batch::new(part.epoch));
        batch.take(part);
        self.woken.notify_all();
    }

    /// Forgets what waits of a board.
    pub(super) fn forget(&self, name: &BoardName) {
        if let Some(batch) = self.lock().batches.remove(name) {
            self.bytes.fetch_sub(batch.bytes(), Ordering::Relaxed);
        }
    }

    /// Does something in the transaction of the next commit, and waits until that is on the disk. If it fails, the rest of the
    /// commit does not.
    ///
    /// # Errors
    /// What SQLite says; or the server stops.
    pub(super) fn write<T: Send + 'static>(
        &self,
        path: &std::path::Path,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (sender, receiver) = mpsc::channel();
        // A caller that has gone misses nothing.
        self.begin(path, act, move |result| drop(sender.send(result)))?;
        receiver.recv().map_err(|_| StorageError::Stopping)?
    }

    /// The same, without waiting; what came of it is told on the writing thread.
    ///
    /// # Errors
    /// The server stops.
    pub(super) fn begin<T: 'static>(
        &self,
        path: &std::path::Path,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        tell: impl FnOnce(Result<T, StorageError>) + Send + 'static,
    ) -> Result<(), StorageError> {
        let said = said_of(path);
        let job = move |transaction: Result<&Transaction<'_>, StorageError>| {
            let result = transaction.and_then(|transaction| act(transaction).map_err(&said));
            let is_done = result.is_ok();
            let answer =
                move |committed: Result<(), StorageError>| tell(result.and_then(|value| committed.map(|()| value)));
            Outcome { is_done, answer: Box::new(answer) }
        };
        let mut waiting = self.lock();
        if waiting.is_stopping {
            return Err(StorageError::Stopping);
        }
        waiting.jobs.push_back(Box::new(job));
        self.woken.notify_all();
        Ok(())
    }

    /// Whether something of a board waits to be written, or may be in the round that is being written now.
    pub(super) fn may_have_unwritten(&self, name: &BoardName) -> bool {
        let waiting = self.lock();
        waiting.is_writing || waiting.batches.contains_key(name)
    }

    /// Whether something of a board waits to be written.
    pub(super) fn has_waiting(&self, name: &BoardName) -> bool {
        self.lock().batches.contains_key(name)
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
            self.woken.wait_for(&mut waiting, left);
        }
        0
    }
}

/// The writing thread's side.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) path: PathBuf,
    /// Absent after a failure: a file descriptor whose sync has failed proves nothing any more, so it is opened again.
    pub(super) connection: Option<Connection>,
    pub(super) files: Files,
    pub(super) mark: Mark,
    pub(super) queue: Arc<Queue>,
    pub(super) metrics: Arc<Metrics>,
    /// Asks for the compaction of a board.
    pub(super) compact: mpsc::Sender<BoardName>,
}

/// What a commit has made of a board.
enum Written {
    /// It is durable up to a sequence number.
    Durable { name: BoardName, seq: u64, wants_compaction: bool },
    /// The database has something else there: another process, or another room, has written it.
    Fenced(BoardName),
}

/// The queue of the writer.
struct Round {
    batches: HashMap<BoardName, Batch>,
    jobs: VecDeque<Job>,
    is_stopping: bool,
}

impl Round {
    fn is_idle(&self) -> bool {
        self.batches.is_empty() && self.jobs.is_empty()
    }
}

impl Writer {
    /// Writes until it is told to stop and nothing waits any more.
    pub(super) fn run(mut self) {
        loop {
            let Round { batches, jobs, is_stopping } = match self.next() {
                round if round.is_idle() && round.is_stopping => break,
                round if round.is_idle() => {
                    self.look();
                    self.mark.sync();
                    continue;
                }
                round => round,
            };
            self.write(batches, jobs);
            self.queue.database_bytes.store(self.files.database_bytes(), Ordering::Relaxed);
            self.mark.sync();
            if is_stopping && self.queue.state() == StorageState::Failing {
                break;
            }
        }
        self.finish();
    }

    /// Returns the waiting jobs, or nothing for a while; on a disk that takes nothing, not sooner than it is to be tried again.
    fn next(&self) -> Round {
        let woken = &self.queue.woken;
        let mut waiting = self.queue.lock();
        if self.queue.state() == StorageState::Failing && waiting.jobs.is_empty() {
            woken.wait_while_for(&mut waiting, |waiting| waiting.jobs.is_empty(), RETRY);
        }
        let is_idle =
            |waiting: &mut Waiting| waiting.batches.is_empty() && waiting.jobs.is_empty() && !waiting.is_stopping;
        woken.wait_while_for(&mut waiting, is_idle, LOOK);
        waiting.is_writing = !waiting.batches.is_empty();
        let (batches, jobs) = (std::mem::take(&mut waiting.batches), std::mem::take(&mut waiting.jobs));
        Round { batches, jobs, is_stopping: waiting.is_stopping }
    }

    /// Nothing is written now: a directory that has gone is noticed all the same.
    fn look(&mut self) {
        if let Err(error) = self.files.check()
            && self.queue.state() != StorageState::Failing
        {
            self.failed(HashMap::new(), &error);
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, StorageError> {
        self.files.check()?;
        if self.connection.is_none() {
            self.connection = Some(schema::open_again(&self.path)?);
        }
        Ok(self.connection.as_mut().expect("just opened"))
    }

    /// One commit: one sync of the disk for everything that came since the last one, with one answer for each job.
    fn write(&mut self, batches: HashMap<BoardName, Batch>, mut jobs: VecDeque<Job>) {
        let has_jobs = !jobs.is_empty();
        let mut written = self.commit(&batches, &mut jobs);
        if has_jobs && !batches.is_empty() && written.is_err() {
            // Neither depends on the other: ink not on an order that fails, and an order that makes room not on the ink.
            written = self.commit(&batches, &mut VecDeque::new());
            if !jobs.is_empty() {
                _ = self.commit(&HashMap::new(), &mut jobs);
            }
        }
        match written {
            Ok(written) => self.committed(&batches, written),
            Err(error) if batches.is_empty() => tracing::debug!(%error, "an order could not be written"),
            Err(error) => self.failed(batches, &error),
        }
    }

    /// Commits, and raises the durable mark behind it; answers the jobs that were begun. A panic is a failure like any other:
    /// what waits is kept. Jobs are left only if the ink has failed before them.
    fn commit(
        &mut self,
        batches: &HashMap<BoardName, Batch>,
        jobs: &mut VecDeque<Job>,
    ) -> Result<Vec<Written>, StorageError> {
        let (path, mut answers) = (self.path.clone(), Vec::new());
        let committed = match self.connection() {
            Ok(connection) => {
                let write = || write_all(connection, batches, jobs, &mut answers);
                let committed = catch_unwind(AssertUnwindSafe(write));
                committed.unwrap_or_else(|_| Err(rusqlite::Error::UnwindingPanic)).map_err(said_of(&path))
            }
            Err(error) => {
                answers.extend(jobs.drain(..).map(|job| job(Err(error.clone())).answer));
                Err(error)
            }
        };
        let done = match &committed {
            Ok((_, number)) => {
                self.mark.raise(*number);
                Ok(())
            }
            Err(error) => {
                self.connection = None;
                Err(error.clone())
            }
        };
        answers.into_iter().for_each(|answer| answer(done.clone()));
        committed.map(|(written, _)| written)
    }

    fn committed(&mut self, batches: &HashMap<BoardName, Batch>, written: Vec<Written>) {
        let now = Instant::now();
        self.metrics.commits.inc();
        if !batches.is_empty() {
            self.metrics.commit_operations.observe(batches.values().map(Batch::operations).sum::<u64>() as f64);
        }
        for batch in batches.values() {
            self.metrics.durable_lag.observe((now - batch.since).as_secs_f64());
        }
        self.queue.bytes.fetch_sub(batches.values().map(Batch::bytes).sum(), Ordering::Relaxed);
        self.queue.lock().is_writing = false;
        self.queue.woken.notify_all();
        if self.queue.state() == StorageState::Failing {
            tracing::warn!(path = %self.path.display(), "the disk takes everything again");
        }
        self.queue.become_state(StorageState::Disk);
        for board in written {
            match board {
                Written::Durable { name, seq, wants_compaction } => {
                    self.queue.tell(&News::Durable(name.clone(), seq));
                    if wants_compaction {
                        // Without a compactor, at the very end, nothing is compacted.
                        let _ = self.compact.send(name);
                    }
                }
                Written::Fenced(name) => {
                    self.metrics.fenced.inc();
                    static LINES: Gate = Gate::new();
                    if let Some(suppressed) = LINES.admit() {
                        tracing::error!(board = %name, suppressed, "another process or room has written this board: its room is opened again");
                    }
                    self.queue.tell(&News::Fenced(name.clone()));
                    // Parts that its room has appended meanwhile follow the ones that were not written.
                    self.queue.forget(&name);
                }
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
                batch.records.iter_mut().for_each(|record| record.was_tried = true);
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

/// Writes everything in one transaction, and returns the number of that commit.
fn write_all(
    connection: &mut Connection,
    batches: &HashMap<BoardName, Batch>,
    jobs: &mut VecDeque<Job>,
    answers: &mut Vec<Answer>,
) -> rusqlite::Result<(Vec<Written>, u64)> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut written = Vec::with_capacity(batches.len());
    for (name, batch) in batches {
        let board = part_of(&transaction, |transaction| match write_batch(transaction, name, batch) {
            // A damaged page of one board is that board's alone: opened again, it is set aside.
            Err(error) if corruption::is_corrupt(&error) => Ok((false, Some(Written::Fenced(name.clone())))),
            board => board.map(|board| (!matches!(board, Some(Written::Fenced(_))), board)),
        });
        written.extend(board?);
    }
    while let Some(job) = jobs.pop_front() {
        part_of(&transaction, |transaction| {
            let outcome = job(Ok(transaction));
            answers.push(outcome.answer);
            Ok((outcome.is_done, ()))
        })?;
    }
    let number = schema::raise(&transaction)?;
    transaction.commit()?;
    Ok((written, number))
}

/// Does a part of a transaction, which is taken back alone if it says that it has failed.
fn part_of<T>(
    transaction: &Transaction<'_>,
    act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<(bool, T)>,
) -> rusqlite::Result<T> {
    let run = |statement: &str| transaction.prepare_cached(statement)?.execute([]).map(drop);
    run("SAVEPOINT part")?;
    let (is_done, value) = act(transaction)?;
    if transaction.is_autocommit() {
        // An error as bad as a full disk ends all of a transaction (SQLite, "Response To Errors Within A Transaction").
        return Err(rusqlite::Error::InvalidQuery);
    }
    if !is_done {
        run("ROLLBACK TO part")?;
    }
    run("RELEASE part")?;
    Ok(value)
}

fn write_batch(transaction: &Transaction<'_>, name: &BoardName, batch: &Batch) -> rusqlite::Result<Option<Written>> {
    let (Some(first), Some(last)) = (batch.records.first(), batch.last()) else { return Ok(None) };
    let last_author = batch.clients.iter().map(|(_, author)| *author).max().unwrap_or(0);
    // A row that is not there any more is not made again by what follows on its log. A commit that failed may be there all the
    // same, once the file is opened again: so the row may be anywhere from before the batch to its end. The size is no part of
    // the row's checksum: a damaged one must not run over.
    let board: Option<(i64, i64, i64)> = transaction
        .prepare_cached(
            "INSERT INTO boards (name, epoch, seq, hash, last_author, tail_bytes, reserved_author)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ?8 = 1 OR EXISTS (SELECT 1 FROM boards WHERE name = ?1)
             ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash, is_open = 1,
                 last_author = max(last_author, excluded.last_author), changed = unixepoch(),
                 reserved_author = max(reserved_author, excluded.reserved_author),
                 created = iif(seq = 0, unixepoch(), created),
                 tail_bytes = min(tail_bytes, 1 << 40) + excluded.tail_bytes
             WHERE seq = 0 OR (epoch = excluded.epoch AND seq BETWEEN ?8 - 1 AND excluded.seq)
             RETURNING id, tail_bytes, snapshot_bytes",
        )?
        .query_row(
            (
                name.as_str(),
                batch.epoch.0,
                last.last_seq as i64,
                last.hash.to_bytes(),
                last_author,
                batch.bytes() as i64,
                batch.reserved_author,
                first.first_seq as i64,
            ),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((id, tail_bytes, snapshot_bytes)) = board else { return Ok(Some(Written::Fenced(name.clone()))) };
    checksum::seal(transaction, id)?;
    if !write_log(transaction, id, batch)? {
        return Ok(Some(Written::Fenced(name.clone())));
    }
    let mut clients =
        transaction.prepare_cached("INSERT OR IGNORE INTO clients VALUES (?1, ?2, ?3, checksum(?1, ?2, ?3))")?;
    for (client, author) in &batch.clients {
        clients.execute((id, client.0, author))?;
    }
    chronicle::keep_moment(transaction, id, first.first_seq, batch.at)?;
    for AuthorName { author, name } in &batch.names {
        chronicle::keep_name(transaction, id, *author, name)?;
    }
    let wants_compaction = tail_bytes > TAIL.max(snapshot_bytes);
    Ok(Some(Written::Durable { name: name.clone(), seq: last.last_seq, wants_compaction }))
}

/// Writes the records of the log; false if another one is there already in the place of one of them.
fn write_log(transaction: &Transaction<'_>, id: i64, batch: &Batch) -> rusqlite::Result<bool> {
    let mut log = transaction.prepare_cached(
        "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) ON CONFLICT DO UPDATE SET last_seq = last_seq
         WHERE last_seq = excluded.last_seq AND hash = excluded.hash AND crc = excluded.crc",
    )?;
    for record in &batch.records {
        let crc = crc32fast::hash(&record.packets);
        let (first, last) = (record.first_seq as i64, record.last_seq as i64);
        if log.execute((id, first, last, record.hash.to_bytes(), crc, &record.packets))? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn part(seq: u64, bytes: usize) -> Part {
        let (clients, names) = (Vec::new(), Vec::new());
        let packet = vec![0; bytes].into();
        let (epoch, hash) = (random::epoch(), StateHash::default());
        Part { epoch, first_seq: seq, last_seq: seq, packet, hash, clients, names, reserved_author: 0 }
    }

    #[test]
    fn more_than_may_wait_for_the_disk_delays_reading_until_it_is_written_or_forgotten() {
        let (queue, name) = (Queue::default(), "x".parse().unwrap());
        for seq in 1..=257 {
            assert!(!queue.is_overfull(), "at {seq} MiB");
            queue.append(&name, part(seq, 1 << 20));
        }
        assert!(queue.is_overfull());
        queue.forget(&name);
        assert_eq!(queue.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_record_whose_commit_was_tried_stays_as_it_is_and_so_does_one_that_is_not_followed() {
        let mut batch = Batch::new(random::epoch());
        [1, 2].iter().for_each(|seq| batch.take(part(*seq, 9)));
        batch.records.iter_mut().for_each(|record| record.was_tried = true);
        [3, 4, 9].iter().for_each(|seq| batch.take(part(*seq, 9)));
        let records: Vec<_> = batch.records.iter().map(|record| (record.first_seq, record.last_seq)).collect();
        assert_eq!(records, [(1, 2), (3, 4), (9, 9)]);
    }
}
