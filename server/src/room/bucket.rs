//! A bucket that fills by the second: what is let through is fair over time, and a burst finds it full.

use std::time::{Duration, Instant};

/// Seconds that it takes to fill an empty bucket, where nothing else is said: a drawing that is brought in is a burst.
const BURST: f64 = 50.0;

/// What may be taken out of it may be more than it holds; then it is a while until it holds something again.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    level: f64,
    most: f64,
    per_second: f64,
    since: Instant,
}

impl Bucket {
    /// A full one, which holds what comes in within 50 seconds.
    pub(super) fn of(per_second: f64, now: Instant) -> Self {
        Self::holding(per_second * BURST, per_second, now)
    }

    /// A full one.
    pub(super) fn holding(most: f64, per_second: f64, now: Instant) -> Self {
        Self { level: most, most, per_second, since: now }
    }

    /// Takes something out.
    pub(super) fn spend(&mut self, amount: f64, now: Instant) {
        let back = now.saturating_duration_since(self.since).as_secs_f64() * self.per_second;
        self.level = (self.level + back).min(self.most) - amount;
        self.since = now;
    }

    /// How long it is until it holds something again; nothing where it does.
    pub(super) fn pause(&self) -> Option<Duration> {
        (self.level < 0.0).then(|| Duration::from_secs_f64((-self.level / self.per_second).min(3600.0)))
    }

    /// Whether it will soon be empty: there is less in it than a quarter.
    pub(super) fn is_low(&self) -> bool {
        self.level < self.most / 4.0
    }

    /// Whether it is as if nothing had been taken out.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.level + now.saturating_duration_since(self.since).as_secs_f64() * self.per_second >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_what_is_taken_beyond_it_is_waited_for() {
        let now = Instant::now();
        let mut bucket = Bucket::holding(100.0, 10.0, now);
        bucket.spend(70.0, now);
        assert!(!bucket.is_low() && bucket.pause().is_none());
        bucket.spend(20.0, now);
        assert!(bucket.is_low() && bucket.pause().is_none());
        bucket.spend(30.0, now);
        assert_eq!(bucket.pause(), Some(Duration::from_secs(2)));
        bucket.spend(0.0, now + Duration::from_secs(3));
        assert_eq!(bucket.pause(), None);
        assert!(!bucket.is_full(now + Duration::from_secs(9)) && bucket.is_full(now + Duration::from_secs(13)));
    }
}
