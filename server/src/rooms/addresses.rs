//! A bucket for each address, of tries or of new boards.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use inkwire_room::Bucket;
use parking_lot::Mutex;

/// Addresses that are remembered; beyond them those are forgotten whose buckets are full.
const REMEMBERED: usize = 10_000;

/// A bucket for each address.
#[derive(Debug)]
pub(crate) struct AddressBuckets {
    most: f64,
    per_second: f64,
    buckets: Mutex<HashMap<Option<IpAddr>, Bucket>>,
}

impl AddressBuckets {
    pub(crate) fn holding(most: f64, per_second: f64) -> Self {
        Self { most, per_second, buckets: Mutex::default() }
    }

    /// Takes one from an address; or returns how long it has to wait if it has none left.
    pub(crate) fn take(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= REMEMBERED {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        if buckets.len() >= REMEMBERED {
            buckets.clear();
        }
        let new = || Bucket::holding(self.most, self.per_second, now);
        let bucket = buckets.entry(address).or_insert_with(new);
        bucket.spend(0.0, now);
        let pause = bucket.pause();
        if pause.is_none() {
            bucket.spend(1.0, now);
        }
        pause
    }

    /// Returns the time that an address has to wait if it has none left; takes nothing.
    pub(crate) fn wait(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let mut buckets = self.buckets.lock();
        let bucket = buckets.get_mut(&address)?;
        bucket.spend(0.0, now);
        bucket.pause()
    }

    /// Gives one back.
    pub(crate) fn give_back(&self, address: Option<IpAddr>, now: Instant) {
        let mut buckets = self.buckets.lock();
        if let Some(bucket) = buckets.get_mut(&address) {
            bucket.spend(-1.0, now);
        }
    }
}
