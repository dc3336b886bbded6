//! A bucket that fills by the second: what is let through is fair over time, and a burst finds it full.

use std::collections::HashMap;
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

/// A bucket that many take from. Where it runs short, those wait who have taken more than an equal part of it lately, and
/// nobody else: one who floods it slows down no one who draws as people draw.
#[derive(Debug)]
pub(super) struct SharedBucket {
    bucket: Bucket,
    takers: HashMap<u64, Taken>,
}

/// What one has taken lately: what was taken longer ago than filling takes hardly counts any more.
#[derive(Debug, Clone, Copy)]
struct Taken {
    amount: f64,
    since: Instant,
}

impl Taken {
    fn add(&mut self, amount: f64, now: Instant) {
        let share_gone = now.saturating_duration_since(self.since).as_secs_f64() / BURST;
        self.amount = self.amount * (1.0 - share_gone).max(0.0) + amount;
        self.since = now;
    }
}

impl SharedBucket {
    /// A full one, which holds what comes in within 50 seconds.
    pub(super) fn of(per_second: f64, now: Instant) -> Self {
        Self { bucket: Bucket::of(per_second, now), takers: HashMap::new() }
    }

    /// Takes something out for somebody; gives how long that one is to wait, and whether it takes too much for long.
    pub(super) fn spend(&mut self, who: u64, amount: f64, now: Instant) -> (Option<Duration>, bool) {
        self.bucket.spend(amount, now);
        let among = self.takers.len() + usize::from(!self.takers.contains_key(&who));
        let part = self.bucket.most / among as f64;
        // Who comes when it is short has had its part: otherwise going and coming back would be a way round this.
        let had = if self.bucket.is_low() { part } else { 0.0 };
        let taken = self.takers.entry(who).or_insert(Taken { amount: had, since: now });
        taken.add(amount, now);
        if taken.amount > part { (self.bucket.pause(), self.bucket.is_low()) } else { (None, false) }
    }

    /// Somebody takes nothing any more.
    pub(super) fn leave(&mut self, who: u64) {
        self.takers.remove(&who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_more_than_a_part_of_a_shared_one_waits_and_nobody_else() {
        let now = Instant::now();
        let mut shared = SharedBucket::of(2.0, now);
        assert_eq!(shared.spend(1, 1.0, now), (None, false));
        assert_eq!(shared.spend(2, 90.0, now), (None, true), "it is low");
        assert_eq!(shared.spend(2, 19.0, now), (Some(Duration::from_secs(5)), true));
        assert_eq!(shared.spend(1, 1.0, now), (None, false), "who draws little does not wait for who draws much");
        shared.leave(2);
        assert_eq!(shared.spend(2, 1.0, now), (Some(Duration::from_secs(6)), true), "going does not help");
        let later = now + Duration::from_secs(40);
        assert_eq!(shared.spend(2, 1.0, later), (None, false), "waiting does");
    }

    #[test]
    fn as_many_as_there_are_cannot_take_more_together_than_comes_in() {
        let mut now = Instant::now();
        let mut shared = SharedBucket::of(10.0, now);
        let mut waits = [now; 4];
        let (begin, mut taken) = (now, 0.0);
        while now < begin + Duration::from_secs(1000) {
            for (who, until) in waits.iter_mut().enumerate().filter(|(_, until)| **until <= now) {
                let amount = [40.0, 30.0, 5.0, 1.0][who];
                taken += amount;
                *until = now + shared.spend(who as u64, amount, now).0.unwrap_or_default();
            }
            now += Duration::from_secs(1);
        }
        let most = 10.0 * (1000.0 + 2.0 * BURST);
        assert!(taken < most, "{taken} of {most}");
    }

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
