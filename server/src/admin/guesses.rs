//! How often an address may send a wrong token: looked at before any token is compared.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::room::Bucket;

/// Addresses that are remembered; beyond them those are forgotten that have not guessed lately.
const REMEMBERED: usize = 10_000;

/// The wrong tokens of each address. They have nothing to do with what is tried wrongly on boards, so that a class that mistypes a
/// password does not keep its operator out.
#[derive(Debug)]
pub(super) struct Guesses {
    per_minute: f64,
    buckets: Mutex<HashMap<Option<IpAddr>, Bucket>>,
}

impl Guesses {
    /// So many wrong tokens a minute, and as many at once.
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        Self { per_minute: per_minute.get().into(), buckets: Mutex::default() }
    }

    /// Takes one try of an address, before its token is looked at: many at once are no more than as many after each other. Gives how
    /// long it has to wait where it has none left.
    pub(super) fn begin(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        if buckets.len() >= REMEMBERED {
            buckets.clear();
        }
        let new = || Bucket::holding(self.per_minute, self.per_minute / 60.0, now);
        let bucket = buckets.entry(address).or_insert_with(new);
        bucket.spend(0.0, now);
        let pause = bucket.pause();
        if pause.is_none() {
            bucket.spend(1.0, now);
        }
        pause
    }

    /// The token was right: that try is given back.
    pub(super) fn was_right(&self, address: Option<IpAddr>, now: Instant) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&address) {
            bucket.spend(-1.0, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_are_bounded_for_each_address_and_right_ones_are_not() {
        let (guesses, now) = (Guesses::new(NonZeroU32::new(10).unwrap()), Instant::now());
        let [guesser, operator] = [1, 2].map(|last| Some(IpAddr::from([10, 0, 0, last])));
        for _ in 0..100 {
            assert_eq!(guesses.begin(operator, now), None);
            guesses.was_right(operator, now);
        }
        let taken = (0..100).take_while(|_| guesses.begin(guesser, now).is_none()).count();
        assert_eq!(taken, 11);
        assert_eq!(guesses.begin(guesser, now), Some(Duration::from_secs(6)));
        assert_eq!(guesses.begin(operator, now), None, "others do not wait");
        assert_eq!(guesses.begin(guesser, now + Duration::from_secs(7)), None, "it comes back");
    }
}
