//! Waiting for a condition, with a deadline instead of a guess.

use std::time::{Duration, Instant};

/// Maximum wait of a test for something that ought to happen at once; long, because machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Asks until the answer is yes.
///
/// # Panics
/// When the deadline has passed; `what` says what did not happen.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
