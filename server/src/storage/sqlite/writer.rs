//! The one thread that writes: it takes all that waits, commits it in one transaction, and says what is durable.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use inkwire_protocol::StorageState;
use rusqlite::Connection;

use super::batch::Batch;
use super::commit::{Written, write_all};
use super::files::Files;
use super::mark::Mark;
use super::queue::{Job, Queue, Waiting};
use super::schema::{self, said_of};
use crate::log::{Gate, board_span};
use crate::metrics::Metrics;
use crate::name::BoardName;
use crate::storage::{StorageError, StorageEvent};

/// Between two tries to write to a disk that takes nothing.
const RETRY: Duration = Duration::from_millis(500);
/// Between two looks at the files of a server that writes nothing.
const LOOK: Duration = Duration::from_secs(1);

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
                    self.queue.tell(&StorageEvent::Durable(name.clone(), seq));
                    if wants_compaction {
                        // Without a compactor, at the very end, nothing is compacted.
                        let _ = self.compact.send(name);
                    }
                }
                Written::Fenced(name) => {
                    self.metrics.fenced.inc();
                    static LINES: Gate = Gate::new();
                    if let Some(suppressed) = LINES.admit() {
                        let _board = board_span(&name).entered();
                        tracing::error!(
                            suppressed,
                            "another process or room has written this board: its room is opened again"
                        );
                    }
                    self.queue.tell(&StorageEvent::Fenced(name.clone()));
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
