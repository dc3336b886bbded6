//! A member's position: what of the room it has sent, in the log and beside it.

use std::sync::Arc;
use std::time::Instant;

use inkwire_protocol::StorageState;

use crate::snapshots::Snapshot;

/// A member's position in the log and in presence.
#[derive(Debug)]
pub struct Position {
    pub(crate) member: u64,
    pub(crate) log: LogPosition,
    pub(crate) presence: u64,
    pub(crate) mark: u64,
    pub(crate) storage_state: Option<StorageState>,
    pub(crate) access: u64,
    pub(crate) changes_at: Option<Instant>,
    pub(crate) again_at: Option<Instant>,
    /// The moment at which it was last given a snapshot because its state hash was another one.
    pub(crate) corrected: Option<Box<Instant>>,
}

/// A place in the log.
#[derive(Debug)]
pub(crate) enum LogPosition {
    /// Before a snapshot that is not encoded yet.
    Waiting(Arc<()>),
    /// In the middle of a snapshot.
    Snapshot(Box<Reading>),
    /// Nothing more is sent.
    Over,
    /// Before the flush of this number.
    Ring(u64),
}

/// A place in a snapshot.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) at: usize,
    pub(crate) _user: Arc<()>,
}

impl Position {
    /// The moment at which this member may do something else by itself: a pen is given back, or a link expires. Then
    /// [`crate::Room::changes`] is due.
    pub fn changes_at(&self) -> Option<Instant> {
        self.changes_at
    }

    /// The moment at which to ask again for a snapshot for which there was no room.
    pub fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// Whether it is in the middle of a snapshot, and holds its bytes.
    pub fn reads_snapshot(&self) -> bool {
        matches!(self.log, LogPosition::Snapshot(_))
    }

    /// Lets go of a snapshot, if it waits for one or reads one: nothing more of the log is sent then.
    pub fn ends_snapshot(&mut self) {
        if matches!(self.log, LogPosition::Waiting(_) | LogPosition::Snapshot(_)) {
            self.log = LogPosition::Over;
        }
    }

    /// Whether it begins with a snapshot.
    #[cfg(test)]
    pub(crate) fn waits_for_snapshot(&self) -> bool {
        matches!(self.log, LogPosition::Waiting(_))
    }
}
