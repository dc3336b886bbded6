//! The metrics of the server, as Prometheus text. No label ever holds what a client sent.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{Atomic, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

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

/// The server's counters and gauges; cheap to update from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Sockets that are open, HTTP and WebSocket.
    pub connections: Gauge,
    /// As many of them as may be: `--max-connections`, or fewer where descriptors are short.
    pub max_connections: Gauge,
    /// Members of rooms.
    pub members: Gauge,
    /// Rooms: boards that are open.
    pub rooms: Gauge,
    /// Tasks of the workers: one for each connection, and those of rooms.
    pub tasks: Gauge,
    /// Operations that went into a log.
    pub operations: Counter,
    /// Operations that were dropped because the log had them.
    pub duplicates: Counter,
    /// Operations that broke a rule of the board.
    pub rejects: Counter,
    /// Packets that broke a rule of the protocol.
    pub malformed: Counter,
    /// Times that a member was told to slow down.
    pub slowed: Counter,
    /// Bytes read from WebSocket connections.
    pub received: Tally,
    /// Bytes written to WebSocket connections.
    pub sent: Tally,
    /// System calls that wrote them.
    pub writes: Tally,
    /// Flushes of rooms.
    pub flushes: Counter,
    /// Snapshots sent to members.
    pub snapshots: Counter,
    /// Wait of the oldest operation of a flush.
    pub flush_lag: Histogram,
    /// Members that came back with a state that the log does not have, and were given a snapshot.
    pub resynchronised: Counter,
    /// Members whose state hash was not the room's; must stay 0.
    pub diverged: Counter,
    /// Commits to the disk.
    pub commits: Counter,
    /// Operations in one commit.
    pub commit_operations: Histogram,
    /// Wait of the oldest operation of a commit until it was durable.
    pub durable_lag: Histogram,
    /// Commits that the disk did not take.
    pub storage_failures: Counter,
    /// Boards that another process or room had written; must stay 0.
    pub fenced: Counter,
    /// Commits that were durable and are gone, as found at the start; must stay 0.
    pub lost_commits: Gauge,
    /// Boards whose records were put in order.
    pub compactions: Counter,
    /// Compactions that failed.
    pub compaction_failures: Counter,
    /// Boards whose last compaction failed.
    pub compaction_failing: Gauge,
    /// Lines of the log that were dropped because they were not written fast enough.
    pub log_dropped: Counter,
    /// Connections and requests that were refused, by the limit that did.
    refused: Family<[(&'static str, &'static str); 1], Counter>,
    /// Panics of any thread, counted by the panic hook; must stay 0.
    pub panics: Counter,
    /// Bytes of images and snapshots that are being sent (`in_flight.rs`).
    pub in_flight: Gauge,
    /// Readers that were disconnected because others needed that room.
    pub slow_readers: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("inkwire");
        let mut gauge = |name: &str, help: &str| {
            let gauge: Gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections = gauge("connections", "Open sockets, HTTP and WebSocket");
        let max_connections = gauge("max_connections", "Most open sockets, by --max-connections and the descriptors");
        let members = gauge("members", "Members of rooms");
        let rooms = gauge("rooms", "Boards that are open");
        let lost_commits = gauge("lost_commits", "Commits that were durable and are gone, as found at the start");
        let compaction_failing = gauge("compaction_failing", "Boards whose last compaction failed");
        let tasks = gauge("tasks", "Tasks of the workers: one for each connection, and those of rooms");
        let mut counter = |name: &str, help: &str| {
            let counter: Counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let operations = counter("operations", "Operations that went into a log");
        let duplicates = counter("duplicates", "Operations that were dropped because the log had them");
        let rejects = counter("rejects", "Operations that broke a rule of the board");
        let malformed = counter("malformed", "Packets that broke a rule of the protocol");
        let slowed = counter("slowed", "Times that a member was told to slow down");
        let flushes = counter("flushes", "Flushes of rooms");
        let snapshots = counter("snapshots", "Snapshots sent to members");
        let resynchronised =
            counter("resynchronised", "Members that came back with a state that the log does not have");
        let diverged = counter("diverged", "Members whose state hash was not the room's");
        let commits = counter("commits", "Commits to the disk");
        let storage_failures = counter("storage_failures", "Commits that the disk did not take");
        let fenced = counter("fenced", "Boards that another process or room had written");
        let compactions = counter("compactions", "Boards whose records were put in order");
        let compaction_failures = counter("compaction_failures", "Compactions that failed");
        let log_dropped =
            counter("log_dropped", "Lines of the log that were dropped because it was not read fast enough");
        let panics = counter("panics", "Panics of any thread");
        let slow_readers = counter("slow_readers", "Slow readers disconnected because --max-in-flight was reached");
        let refused = Family::<[(&'static str, &'static str); 1], Counter>::default();
        // All of them, so that also one that has refused nobody is seen.
        Refused::ALL.iter().for_each(|by| drop(refused.get_or_create(&by.label())));
        registry.register("refused", "Connections and requests that were refused, by limit", refused.clone());
        let in_flight: Gauge = Gauge::default();
        let help = "Images and snapshots that are being sent, each counted once for all its readers";
        registry.register_with_unit("in_flight", help, Unit::Bytes, in_flight.clone());
        let (received, sent, writes) = (Tally::default(), Tally::default(), Tally::default());
        registry.register_with_unit("received", "Read from WebSocket connections", Unit::Bytes, received.clone());
        registry.register_with_unit("sent", "Written to WebSocket connections", Unit::Bytes, sent.clone());
        registry.register("writes", "System calls that wrote to WebSocket connections", writes.clone());
        let mut seconds = |name: &str, help: &str| {
            let histogram = Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
            histogram
        };
        let flush_lag = seconds("flush_lag", "How long the oldest operation of a flush had waited for it");
        let durable_lag =
            seconds("durable_lag", "How long the oldest operation of a commit had waited until it was durable");
        let commit_operations = Histogram::new(exponential_buckets(1.0, 2.0, 14));
        registry.register("commit_operations", "Operations in one commit", commit_operations.clone());
        Self {
            registry,
            connections,
            max_connections,
            members,
            rooms,
            tasks,
            operations,
            duplicates,
            rejects,
            malformed,
            slowed,
            received,
            sent,
            writes,
            flushes,
            snapshots,
            flush_lag,
            resynchronised,
            diverged,
            commits,
            commit_operations,
            durable_lag,
            storage_failures,
            fenced,
            lost_commits,
            compactions,
            compaction_failures,
            compaction_failing,
            log_dropped,
            refused,
            panics,
            in_flight,
            slow_readers,
        }
    }
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
