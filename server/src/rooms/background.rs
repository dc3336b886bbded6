//! Work of a member that blocks: it is done on another thread, and the member is woken when it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use inkwire_protocol::ServerMessage;
use parking_lot::Mutex;

use super::hashing::{Hashing, Memory};
use super::questions::Question;
use crate::net::wakeup::Wakeup;

/// The result of work.
#[derive(Debug)]
pub(super) enum Completion {
    /// This is to be said.
    Answers(Vec<ServerMessage>),
    /// This is the answer to a question.
    Answered(Question, Vec<ServerMessage>),
    /// Whether the password that was checked is that of this hash.
    Password(String, Result<bool, Duration>),
    /// Nothing: it has panicked, or no thread could be had for it.
    Nothing,
}

/// One member's work elsewhere.
#[derive(Debug)]
pub(super) struct Background {
    completions: Mutex<Vec<Completion>>,
    under_way: AtomicUsize,
    wakeup: Arc<Wakeup>,
}

impl Background {
    pub(super) fn new(wakeup: Arc<Wakeup>) -> Arc<Self> {
        Arc::new(Self { completions: Mutex::default(), under_way: AtomicUsize::new(0), wakeup })
    }

    /// Does something elsewhere. Until it is done, nothing more should be read from the member.
    pub(super) fn begin(self: &Arc<Self>, work: impl FnOnce() -> Completion + Send + 'static) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay { background: self.clone(), has_completed: false };
        smol::unblock(move || under_way.complete(work())).detach();
    }

    /// Hashes a password on a thread for that, and then does something with what came of it elsewhere. If that cannot be begun now,
    /// [`Completion::Nothing`] is told.
    pub(super) fn begin_hashing<T: Send + 'static>(
        self: &Arc<Self>,
        hashing: &Arc<Hashing>,
        hash: impl FnOnce(&mut Memory) -> T + Send + 'static,
        then: impl FnOnce(T) -> Completion + Send + 'static,
    ) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay { background: self.clone(), has_completed: false };
        let begun = hashing.begin(move |memory| {
            let hashed = hash(memory);
            smol::unblock(move || under_way.complete(then(hashed))).detach();
        });
        // Work that is dropped tells so itself, whether now or later.
        drop(begun);
    }

    /// Does something elsewhere, while more is read from the member.
    pub(super) fn begin_beside(self: &Arc<Self>, work: impl FnOnce() -> Completion + Send + 'static) {
        let background = self.clone();
        smol::unblock(move || background.complete(work())).detach();
    }

    fn complete(&self, completion: Completion) {
        self.completions.lock().push(completion);
        self.wakeup.wake();
    }

    /// Whether something is being done.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Takes the results that have come.
    pub(super) fn take(&self) -> Vec<Completion> {
        std::mem::take(&mut *self.completions.lock())
    }
}

/// Work that is over when this is let go.
struct UnderWay {
    background: Arc<Background>,
    has_completed: bool,
}

impl UnderWay {
    fn complete(mut self, completion: Completion) {
        self.has_completed = true;
        self.background.complete(completion);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.has_completed {
            self.background.complete(Completion::Nothing);
        }
        self.background.under_way.fetch_sub(1, Ordering::Relaxed);
        self.background.wakeup.wake();
    }
}
