//! The time, as the caller of a room reads it from its clocks.

use std::time::Instant;

/// A moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The clock that only goes on: ticks and buckets follow it.
    pub at: Instant,
    /// Milliseconds since 1970: links expire and orders are dated by it.
    pub since_1970: u64,
}
