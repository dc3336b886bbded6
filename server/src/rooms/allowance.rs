//! The work that a member may still ask for: buckets that fill by the second.

use std::time::{Duration, Instant};

use inkwire_room::{Bucket, Cost, Limits};

/// The work that a member may still ask for. Buckets that fill by the second: drawing takes a drop at a time and never finds one
/// empty.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Elements that are worked on, operations, and records that are read from the disk: undoing a gesture that touched thousands of them is cheap to ask, and clearing a large
    /// board and taking that back an ordinary thing to do.
    elements: Bucket,
    points: Bucket,
    bytes: Bucket,
}

impl Allowance {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let elements = Bucket::holding(100_000.0, 50_000.0, now);
        Self { elements, points: Bucket::of(limits.points, now), bytes: Bucket::of(limits.bytes, now) }
    }

    /// Takes out what something cost; gives how long to rest.
    pub(super) fn spend(&mut self, elements: u64, cost: Cost) -> Option<Duration> {
        let now = Instant::now();
        self.elements.spend(elements as f64, now);
        self.points.spend(cost.points as f64, now);
        self.bytes.spend(cost.bytes as f64, now);
        self.elements.pause().max(self.points.pause()).max(self.bytes.pause())
    }

    pub(super) fn is_low(&self) -> bool {
        self.points.is_low() || self.bytes.is_low()
    }
}
