//! The log: lines are queued for a thread of their own, so that a standard error that nobody reads holds up no worker; and what a
//! client can cause is one line a second.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use prometheus_client::metrics::counter::Counter;

/// Bytes of lines that may wait to be written; further lines are dropped and counted.
const WAITING: usize = 1024 * 1024;
/// Maximum wait of a process that ends for its last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two lines that a client caused.
const APART: Duration = Duration::from_secs(1);

/// A writer that never blocks. Each call of `write` is one line, as `tracing-subscriber` writes them.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    lines: Mutex<Lines>,
    changed: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// Lines that were dropped since the last one that was written.
    dropped: u64,
    is_writing: bool,
}

impl Log {
    /// Starts the thread that writes to `out`; `dropped` counts the lines that it could not take.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(out: impl Write + Send + 'static, dropped: Counter) -> io::Result<Self> {
        let queue = Arc::new(Queue { lines: Mutex::default(), changed: Condvar::new(), dropped });
        let writes = queue.clone();
        thread::Builder::new().name("log".into()).spawn(move || writes.write_to(out))?;
        Ok(Self(queue))
    }

    /// Waits until all lines are written, for at most a second.
    pub(crate) fn flush(&self) {
        let waits = |lines: &mut Lines| !lines.waiting.is_empty() || lines.is_writing;
        self.0.changed.wait_while_for(&mut self.0.lock(), waits, PATIENCE);
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock();
        if lines.waiting.len() + line.len() > WAITING {
            lines.dropped += 1;
            self.0.dropped.inc();
        } else {
            lines.waiting.extend_from_slice(line);
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn write_to(&self, mut out: impl Write) {
        let mut lines = self.lock();
        loop {
            self.changed.wait_while(&mut lines, |lines| lines.waiting.is_empty());
            lines.is_writing = true;
            let (taken, dropped) = (std::mem::take(&mut lines.waiting), std::mem::take(&mut lines.dropped));
            drop(lines);
            // An error has nowhere to be logged.
            _ = out.write_all(&taken);
            if dropped > 0 {
                _ = writeln!(out, "inkwire: {dropped} lines of the log were dropped: it is not read fast enough");
            }
            lines = self.lock();
            lines.is_writing = false;
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock()
    }
}

/// Returns the span of what concerns one board: every line in it names the board.
pub(crate) fn board_span(name: &(impl std::fmt::Display + ?Sized)) -> tracing::Span {
    tracing::error_span!("board", board = %name)
}

/// Lets one line a second through; for lines of one kind that clients cause.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Passed>);

#[derive(Debug, Default)]
struct Passed {
    last: Option<Instant>,
    suppressed: u64,
}

impl Gate {
    /// A gate through which nothing has come.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Passed { last: None, suppressed: 0 }))
    }

    /// Whether a line may be written now: then it returns the number of lines that were suppressed since the last one.
    pub(crate) fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut passed = self.0.lock();
        if passed.last.is_some_and(|last| now < last + APART) {
            passed.suppressed += 1;
            return None;
        }
        passed.last = Some(now);
        Some(std::mem::take(&mut passed.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Somebody who reads what is written only when they are told to.
    struct Reader {
        goes: Receiver<()>,
        read: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            _ = self.goes.recv();
            _ = self.read.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_holds_up_nobody_and_what_is_dropped_is_counted() {
        let ((go, goes), (read, all)) = (channel(), channel());
        let dropped = Counter::default();
        let mut log = Log::start(Reader { goes, read }, dropped.clone()).unwrap();
        let line = [b'x'; 1024];
        for _ in 0..3 * WAITING / line.len() {
            log.write_all(&line).unwrap();
        }
        assert!(dropped.get() as usize >= WAITING / line.len(), "{}", dropped.get());
        // It goes on once somebody reads.
        drop(go);
        log.flush();
        let text = String::from_utf8(all.try_iter().flatten().collect()).unwrap();
        let kept = text.matches('x').count() / line.len();
        assert_eq!(kept as u64 + dropped.get(), 3 * (WAITING / line.len()) as u64);
        assert!(text.contains("lines of the log were dropped"));
    }

    #[test]
    fn a_flush_waits_for_all_lines_but_not_for_ever() {
        let ((go, goes), (read, all)) = (channel(), channel());
        let mut log = Log::start(Reader { goes, read }, Counter::default()).unwrap();
        log.write_all(b"first\n").unwrap();
        log.flush();
        assert!(all.try_recv().is_err(), "nobody reads");
        go.send(()).unwrap();
        log.flush();
        assert_eq!(all.try_recv().unwrap(), b"first\n");
    }

    #[test]
    fn one_line_a_second_comes_through_and_says_how_many_did_not() {
        let (gate, now) = (Gate::new(), Instant::now());
        assert_eq!(gate.admit_at(now), Some(0));
        assert!((0..5).all(|_| gate.admit_at(now + Duration::from_millis(999)).is_none()));
        assert_eq!(gate.admit_at(now + APART), Some(5));
        assert_eq!(gate.admit_at(now + 2 * APART), Some(0));
    }
}
