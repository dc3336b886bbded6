//! The output of a room: parts to be kept, members to be woken, and counts.

use std::collections::VecDeque;

use crate::persist::Persist;

/// A wake-up: somebody has something to take, or is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Every member.
    All,
    /// One member.
    Member(u64),
}

/// Counts of events since they were taken last, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations that came into the log.
    pub operations: u64,
    /// Operations that the log had already.
    pub duplicates: u64,
    /// Operations that were rejected.
    pub rejects: u64,
    /// Those of them that were rejected because the board is as large as it may be.
    pub rejects_by_size: u64,
    /// Flushes of operations.
    pub flushes: u64,
    /// Snapshots that members were to be given.
    pub snapshots: u64,
    /// Members that came back with another past than the log's.
    pub resynchronised: u64,
    /// Members whose state hash was another one.
    pub diverged: u64,
}

/// All that waits to be polled. Most turns of a room leave nothing, which one look tells.
#[derive(Debug, Default)]
pub(crate) struct Output {
    has_any: bool,
    persist: VecDeque<Persist>,
    wakes_all: bool,
    wakes: Vec<u64>,
    counts: Counts,
}

impl Output {
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        self.has_any
    }

    pub(crate) fn persist(&mut self, persist: Persist) {
        self.has_any = true;
        self.persist.push_back(persist);
    }

    pub(crate) fn wake_all(&mut self) {
        self.has_any = true;
        self.wakes_all = true;
    }

    pub(crate) fn wake(&mut self, members: impl IntoIterator<Item = u64>) {
        self.has_any = true;
        self.wakes.extend(members);
    }

    pub(crate) fn count(&mut self) -> &mut Counts {
        self.has_any = true;
        &mut self.counts
    }

    /// Nothing of it is to be kept any more.
    pub(crate) fn forget_persist(&mut self) {
        self.persist.clear();
    }

    pub(crate) fn next_persist(&mut self) -> Option<Persist> {
        self.persist.pop_front()
    }

    pub(crate) fn next_wake(&mut self) -> Option<Wake> {
        if std::mem::take(&mut self.wakes_all) {
            self.wakes.clear();
            return Some(Wake::All);
        }
        self.wakes.pop().map(Wake::Member)
    }

    /// The counts, which are taken last.
    pub(crate) fn take_counts(&mut self) -> Counts {
        self.has_any = !self.persist.is_empty() || self.wakes_all || !self.wakes.is_empty();
        std::mem::take(&mut self.counts)
    }
}
