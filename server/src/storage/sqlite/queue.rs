//! The queue of the writer: batches of boards and other jobs, and the state of the storage.

use std::collections::{HashMap, VecDeque};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use inkwire_protocol::StorageState;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::Transaction;

use super::batch::Batch;
use super::schema::said_of;
use crate::name::BoardName;
use crate::storage::{Listener, LogBatch, StorageError, StorageEvent};

/// Bytes that may wait for the disk before reading from those who draw is delayed. What came before that is kept.
const MOST_WAITING: u64 = 256 * 1024 * 1024;

/// Everything that waits to be written, shared by the rooms and the writer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    pub(super) woken: Condvar,
    state: AtomicU8,
    /// Bytes that were appended and are not durable.
    pub(super) bytes: AtomicU64,
    /// The size of the database, as it was after the last commit.
    pub(super) database_bytes: AtomicU64,
    listener: OnceLock<Shout>,
}

struct Shout(Listener);

impl std::fmt::Debug for Shout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

#[derive(Default)]
pub(super) struct Waiting {
    pub(super) batches: HashMap<BoardName, Batch>,
    pub(super) jobs: VecDeque<Job>,
    /// The writer has taken batches that it has not written yet.
    pub(super) is_writing: bool,
    pub(super) is_stopping: bool,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("batches", &self.batches.len()).field("jobs", &self.jobs.len()).finish()
    }
}

/// Something else that the writer does in the transaction of the next commit; or it is told why there is none.
pub(super) type Job = Box<dyn FnOnce(Result<&Transaction<'_>, StorageError>) -> Outcome + Send>;

/// The result of a job. It is answered when the commit is on the disk.
pub(super) struct Outcome {
    pub(super) is_done: bool,
    pub(super) answer: Answer,
}

pub(super) type Answer = Box<dyn FnOnce(Result<(), StorageError>)>;

const STATES: [StorageState; 2] = [StorageState::Disk, StorageState::Failing];

impl Queue {
    pub(super) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }

    pub(super) fn state(&self) -> StorageState {
        STATES[usize::from(self.state.load(Ordering::Relaxed))]
    }

    /// The first listener stays.
    pub(super) fn listen(&self, listener: Listener) {
        let _ = self.listener.set(Shout(listener));
    }

    pub(super) fn tell(&self, news: &StorageEvent) {
        if let Some(Shout(listener)) = self.listener.get() {
            listener(news);
        }
    }

    pub(super) fn become_state(&self, state: StorageState) {
        if self.state() != state {
            self.state.store(u8::from(state == StorageState::Failing), Ordering::Relaxed);
            self.tell(&StorageEvent::State(state));
        }
    }

    pub(super) fn is_overfull(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > MOST_WAITING
    }

    pub(super) fn database_bytes(&self) -> u64 {
        self.database_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn append(&self, name: &BoardName, part: LogBatch) {
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
    /// The error of SQLite, or that the server stops.
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

#[cfg(test)]
mod tests {
    use super::super::batch::tests::part;
    use super::*;

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
}
