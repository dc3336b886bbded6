//! What a room has done since it was last asked, for metrics.

/// Counts of events.
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
