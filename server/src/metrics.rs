//! The metrics of the server, as Prometheus text. No label ever holds what a client sent.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{Atomic, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};

/// Threads beyond so many share a stripe.
const STRIPES: usize = 8;

/// A counter that every worker counts with in every turn: each on a line of its own, because two processors that write
/// to one line wait for each other's cache.
pub type Tally = Counter<u64, Striped>;

/// See [`Tally`].
#[derive(Debug, Default)]
pub struct Striped([CachePadded<AtomicU64>; STRIPES]);

impl Striped {
    fn own(&self) -> &AtomicU64 {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static STRIPE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
        }
        &self.0[STRIPE.with(|stripe| *stripe)]
    }
}

impl Atomic<u64> for Striped {
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    fn inc_by(&self, by: u64) -> u64 {
        self.own().fetch_add(by, Ordering::Relaxed)
    }

    fn get(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.load(Ordering::Relaxed)).sum()
    }
}

/// Defines the metrics, each with its name, which is that of its field, its type and unit, and its help.
macro_rules! metrics {
    ($($name:ident: $metric:ident = $new:expr, $help:literal;)+) => {
        /// The server's counters and gauges; cheap to update from any thread.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            /// Connections and requests that were refused, by limit.
            refused: Family<[(&'static str, &'static str); 1], Counter>,
            $(#[doc = $help] pub $name: $metric,)+
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::with_prefix("inkwire");
                $(let $name: $metric = register(&mut registry, stringify!($name), $help, $new);)+
                let refused = Family::<[(&'static str, &'static str); 1], Counter>::default();
                // All of them, so that also one that has refused nobody is seen.
                Refused::ALL.iter().for_each(|by| drop(refused.get_or_create(&by.label())));
                registry.register("refused", "Connections and requests that were refused, by limit", refused.clone());
                Self { registry, refused, $($name,)+ }
            }
        }
    };
}

metrics! {
    connections: Gauge = plain(), "Open sockets, HTTP and WebSocket";
    max_connections: Gauge = plain(), "Most open sockets, by --max-connections and the descriptors";
    members: Gauge = plain(), "Members of rooms";
    rooms: Gauge = plain(), "Boards that are open";
    tasks: Gauge = plain(), "Tasks of the workers: one for each connection, and those of rooms";
    operations: Counter = plain(), "Operations that went into a log";
    duplicates: Counter = plain(), "Operations that were dropped because the log had them";
    rejects: Counter = plain(), "Operations that broke a rule of the board";
    malformed: Counter = plain(), "Packets that broke a rule of the protocol";
    slowed: Counter = plain(), "Times that a member was told to slow down";
    received: Tally = bytes(), "Read from WebSocket connections";
    sent: Tally = bytes(), "Written to WebSocket connections";
    writes: Tally = plain(), "System calls that wrote to WebSocket connections";
    flushes: Counter = plain(), "Flushes of rooms";
    snapshots: Counter = plain(), "Snapshots sent to members";
    flush_lag: Histogram = seconds(), "How long the oldest operation of a flush had waited for it";
    resynchronised: Counter = plain(), "Members that came back with a state that the log does not have";
    diverged: Counter = plain(), "Members whose state hash was not the room's";
    commits: Counter = plain(), "Commits to the disk";
    commit_operations: Histogram = sizes(), "Operations in one commit";
    durable_lag: Histogram = seconds(), "How long the oldest operation of a commit had waited until it was durable";
    storage_failures: Counter = plain(), "Commits that the disk did not take";
    fenced: Counter = plain(), "Boards that another process or room had written";
    lost_commits: Gauge = plain(), "Commits that were durable and are gone, as found at the start";
    compactions: Counter = plain(), "Boards whose records were put in order";
    compaction_failures: Counter = plain(), "Compactions that failed";
    compaction_failing: Gauge = plain(), "Boards whose last compaction failed";
    log_dropped: Counter = plain(), "Lines of the log that were dropped because it was not read fast enough";
    panics: Counter = plain(), "Panics of any thread";
    in_flight: Gauge = bytes(), "Images and snapshots that are being sent, each counted once for all its readers";
    slow_readers: Counter = plain(), "Slow readers disconnected because --max-in-flight was reached";
}

fn register<M: Metric + Clone>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    (metric, unit): (M, Option<Unit>),
) -> M {
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric.clone()),
        None => registry.register(name, help, metric.clone()),
    }
    metric
}

fn plain<M: Default>() -> (M, Option<Unit>) {
    (M::default(), None)
}

fn bytes<M: Default>() -> (M, Option<Unit>) {
    (M::default(), Some(Unit::Bytes))
}

fn seconds() -> (Histogram, Option<Unit>) {
    (Histogram::new(exponential_buckets(0.000_1, 2.0, 16)), Some(Unit::Seconds))
}

fn sizes() -> (Histogram, Option<Unit>) {
    (Histogram::new(exponential_buckets(1.0, 2.0, 14)), None)
}

/// The limits by which a connection or a request is refused before anything else is done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A Host that the server is not known by (`--public-url`).
    Host,
    /// As many connections as may be (`--max-connections`, or the descriptors).
    Connections,
    /// As many from one address as may be (`--max-per-address`).
    Address,
    /// Too many wrong tokens of the operator's API (`--admin-guesses`).
    Token,
    /// Too many new boards of one address (`--boards-per-address`).
    Boards,
    /// A board, or all of them, as large as they may be (`--max-board-size`, `--max-data-size`).
    Size,
}

impl Refused {
    const ALL: &[Self] = &[Self::Host, Self::Connections, Self::Address, Self::Token, Self::Boards, Self::Size];

    fn label(self) -> [(&'static str, &'static str); 1] {
        let name = match self {
            Self::Host => "host",
            Self::Connections => "connections",
            Self::Address => "address",
            Self::Token => "token",
            Self::Boards => "boards",
            Self::Size => "size",
        };
        [("limit", name)]
    }
}

impl Metrics {
    /// Counts somebody who was refused.
    pub fn refuse(&self, by: Refused) {
        self.refused.get_or_create(&by.label()).inc();
    }

    /// Everything as Prometheus text (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("Bug: writing to a string cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_have_counted_is_counted_once() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..STRIPES + 3 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        tally.inc_by(2);
                    }
                });
            }
        });
        assert_eq!(tally.get(), (STRIPES as u64 + 3) * 2000);
    }
}
