//! All connections of the process: how each is woken, and how all are told that the server stops.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use smol::Timer;

use crate::net::wakeup::Wakeup;

/// Time that connections have to notice that they are over: a turn of their worker.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// The number of the next connection, of whatever service.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Connections that are closed together.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<HashMap<u64, Arc<Wakeup>>>,
    /// Nothing more is waited for.
    is_over: AtomicBool,
    /// The close code of a server that stops; 0 while it runs.
    stopping: AtomicU16,
}

/// That a connection is one of [`Connections`], until this is dropped.
#[derive(Debug)]
pub struct Entry<'a> {
    pub(super) connections: &'a Connections,
    /// Unique for the life of the process.
    pub(super) id: u64,
    pub(super) wakeup: Arc<Wakeup>,
}

impl Connections {
    /// One more. It is entered before it is told that it is upgraded: a server that stops between the two closes it properly.
    pub fn enter(&self) -> Entry<'_> {
        let (id, wakeup) = (NEXT.fetch_add(1, Ordering::Relaxed), Arc::<Wakeup>::default());
        self.lock().insert(id, wakeup.clone());
        Entry { connections: self, id, wakeup }
    }

    /// Returns the number of open connections.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Closes every connection, and every one that is still to come, with this code.
    pub fn stop(&self, code: u16) {
        self.stopping.store(code, Ordering::SeqCst);
        self.lock().values().for_each(|wakeup| wakeup.wake());
    }

    /// Waits until none is open any more, at most for so long; those that are left are ended then, each with its
    /// `on_close`.
    pub async fn drained_or_ended(&self, patience: Duration) {
        self.drained(patience).await;
        self.is_over.store(true, Ordering::SeqCst);
        self.lock().values().for_each(|wakeup| wakeup.wake());
        self.drained(END_PATIENCE).await;
    }

    async fn drained(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.count() > 0 && Instant::now() < deadline {
            Timer::after(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn are_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The close code of a server that stops.
    pub fn stopping(&self) -> Option<u16> {
        Some(self.stopping.load(Ordering::SeqCst)).filter(|code| *code > 0)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Wakeup>>> {
        self.open.lock()
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.id);
    }
}
