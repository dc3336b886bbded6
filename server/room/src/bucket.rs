//! A bucket that fills by the second: what is let through is fair over time, and a burst finds it full.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Seconds that it takes to fill an empty bucket, where nothing else is said: a drawing that is brought in is a burst.
const BURST: f64 = 50.0;

/// More may be taken out of it than it holds; then it takes a while until it holds something again.
#[derive(Debug, Clone)]
pub struct Bucket {
    level: f64,
    most: f64,
    per_second: f64,
    since: Instant,
}

impl Bucket {
    /// A full one, which holds what comes in within 50 seconds.
    pub fn of(per_second: f64, now: Instant) -> Self {
        Self::holding(per_second * BURST, per_second, now)
    }

    /// A full one.
    pub fn holding(most: f64, per_second: f64, now: Instant) -> Self {
        Self { level: most, most, per_second, since: now }
    }

    /// Takes something out.
    pub fn spend(&mut self, amount: f64, now: Instant) {
        let back = now.saturating_duration_since(self.since).as_secs_f64() * self.per_second;
        self.level = (self.level + back).min(self.most) - amount;
        self.since = now;
    }

    /// Returns the time until it holds something again; none if it does.
    pub fn pause(&self) -> Option<Duration> {
        (self.level < 0.0).then(|| Duration::from_secs_f64((-self.level / self.per_second).min(3600.0)))
    }

    /// Whether it will soon be empty: there is less in it than a quarter.
    pub fn is_low(&self) -> bool {
        self.level < self.most / 4.0
    }

    /// Whether it is as if nothing had been taken out.
    pub fn is_full(&self, now: Instant) -> bool {
        self.level + now.saturating_duration_since(self.since).as_secs_f64() * self.per_second >= self.most
    }
}

/// The share of a part that a newcomer counts as having had while there is little.
const HAD: f64 = 0.9;

/// A bucket that many take from. Where it runs short, those wait who have taken more than an equal part of it lately, and
/// nobody else: one who floods it slows down no one who draws as people draw.
#[derive(Debug)]
pub(crate) struct SharedBucket {
    bucket: Bucket,
    takers: HashMap<u64, Taken>,
}

/// The amount that one member has taken lately: after the time of filling it hardly counts any more.
#[derive(Debug, Clone, Copy)]
struct Taken {
    amount: f64,
    /// The amount that it counts as having had when it came, as a share of a part.
    had: f64,
    since: Instant,
}

impl Taken {
    fn at(&self, now: Instant) -> Self {
        let gone = now.saturating_duration_since(self.since).as_secs_f64() / BURST;
        let left = (1.0 - gone).max(0.0);
        Self { amount: self.amount * left, had: self.had * left, since: now }
    }
}

impl SharedBucket {
    /// A full one, which holds what comes in within 50 seconds.
    pub(crate) fn of(per_second: f64, now: Instant) -> Self {
        Self { bucket: Bucket::of(per_second, now), takers: HashMap::new() }
    }

    /// Takes something out for somebody; gives how long that one is to wait, and whether it will soon have to.
    pub(crate) fn spend(&mut self, who: u64, amount: f64, now: Instant) -> (Option<Duration>, bool) {
        self.bucket.spend(0.0, now);
        // Who comes when there is little has had most of its part: otherwise going and coming back would be a way round this.
        let had = if self.bucket.is_low() { HAD } else { 0.0 };
        let taken = self.takers.entry(who).or_insert(Taken { amount: 0.0, had, since: now });
        *taken = taken.at(now);
        taken.amount += amount;
        let Taken { amount: taken, had, .. } = *taken;
        self.bucket.spend(amount, now);
        // Those who wait need not wait for what others were let take beyond it.
        self.bucket.level = self.bucket.level.max(-2.0 * self.bucket.most);
        if !self.bucket.is_low() {
            return (None, false);
        }
        let part = self.part(now);
        let pause = self.bucket.pause().filter(|_| taken > part * (1.0 - had));
        (pause, taken > part * (0.75 - had))
    }

    /// An equal part of what the others have left for each of those who have taken at least half as much as that would be if
    /// all took alike.
    fn part(&self, now: Instant) -> f64 {
        let least = self.bucket.most / (2 * self.takers.len()).max(1) as f64;
        let amounts = self.takers.values().map(|taken| taken.at(now).amount);
        let (counts, others) =
            amounts.fold(
                (0, 0.0),
                |(counts, others), amount| {
                    if amount > least { (counts + 1, others) } else { (counts, others + amount) }
                },
            );
        (self.bucket.most - others).max(0.0) / f64::from(counts.max(1))
    }

    /// Somebody takes nothing any more.
    pub(crate) fn leave(&mut self, who: u64) {
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
        assert_eq!(shared.spend(2, 11.0, now), (Some(Duration::from_secs(11)), true), "going does not help");
        assert_eq!(shared.spend(3, 1.0, now), (None, true), "somebody new may begin");
        let later = now + Duration::from_secs(40);
        assert_eq!(shared.spend(2, 1.0, later), (None, false), "waiting does");
    }

    #[test]
    fn who_is_alone_is_told_before_it_waits() {
        let now = Instant::now();
        let mut shared = SharedBucket::of(2.0, now);
        assert_eq!(shared.spend(1, 76.0, now), (None, true));
        assert_eq!(shared.spend(1, 30.0, now), (Some(Duration::from_secs(3)), true));
    }

    #[test]
    fn who_takes_next_to_nothing_makes_nobody_s_part_smaller() {
        let now = Instant::now();
        let mut shared = SharedBucket::of(2.0, now);
        (10..40).for_each(|who| _ = shared.spend(who, 0.001, now));
        assert_eq!(shared.spend(1, 60.0, now), (None, false));
        assert_eq!(shared.spend(2, 45.0, now).0, None, "less than half");
        assert!(shared.spend(1, 1.0, now).0.is_some());
    }

    #[test]
    fn a_class_that_comes_while_one_floods_may_begin() {
        let now = Instant::now();
        let mut shared = SharedBucket::of(200.0, now);
        assert!(shared.spend(1, 12_000.0, now).0.is_some());
        for pupil in 2..32 {
            assert_eq!(shared.spend(pupil, 20.0, now).0, None, "pupil {}", pupil - 1);
        }
        let later = now + Duration::from_secs(3600);
        assert_eq!(shared.spend(99, 1.0, later), (None, false), "an hour later it is full again");
    }

    #[test]
    fn a_thousand_who_each_take_a_little_too_much_wait_as_well() {
        let mut now = Instant::now();
        let mut shared = SharedBucket::of(1000.0, now);
        let mut waited = 0;
        for _ in 0..100 {
            waited += (0..900).filter(|who| shared.spend(*who, 5.0, now).0.is_some()).count();
            now += Duration::from_secs(1);
        }
        assert!(waited > 20_000, "{waited}");
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
        // What was there, what came in, and the longest debt.
        let most = 10.0 * (BURST + 1000.0 + 2.0 * BURST);
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
