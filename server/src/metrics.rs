//! What the server counts, as Prometheus text. No label ever holds what a client sent.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The server's counters and gauges; cheap to update from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Sockets that are open, HTTP and WebSocket.
    pub connections: Gauge,
    /// Members of rooms.
    pub members: Gauge,
    /// Rooms: boards that are open.
    pub rooms: Gauge,
    /// Operations that went into a log.
    pub operations: Counter,
    /// Operations that were dropped because the log had them.
    pub duplicates: Counter,
    /// Operations that broke a rule of the board.
    pub rejects: Counter,
    /// Packets that broke a rule of the protocol.
    pub malformed: Counter,
    /// Bytes read from WebSocket connections.
    pub received: Counter,
    /// Bytes written to WebSocket connections.
    pub sent: Counter,
    /// System calls that wrote them.
    pub writes: Counter,
    /// Flushes of rooms.
    pub flushes: Counter,
    /// Snapshots sent to members.
    pub snapshots: Counter,
    /// How long the oldest operation of a flush had waited for it.
    pub flush_lag: Histogram,
    /// Members that came back with a state that the log does not have, and were given a snapshot.
    pub resynchronised: Counter,
    /// Members whose state hash was not the room's; must stay 0.
    pub diverged: Counter,
    /// Commits to the disk.
    pub commits: Counter,
    /// Operations in one commit.
    pub commit_operations: Histogram,
    /// How long the oldest operation of a commit had waited until it was durable.
    pub durable_lag: Histogram,
    /// Commits that the disk did not take.
    pub storage_failures: Counter,
    /// Boards whose records were put in order.
    pub compactions: Counter,
    /// Handlers that panicked; must stay 0.
    pub panics: Counter,
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
        let members = gauge("members", "Members of rooms");
        let rooms = gauge("rooms", "Boards that are open");
        let mut counter = |name: &str, help: &str| {
            let counter: Counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let operations = counter("operations", "Operations that went into a log");
        let duplicates = counter("duplicates", "Operations that were dropped because the log had them");
        let rejects = counter("rejects", "Operations that broke a rule of the board");
        let malformed = counter("malformed", "Packets that broke a rule of the protocol");
        let writes = counter("writes", "System calls that wrote to WebSocket connections");
        let flushes = counter("flushes", "Flushes of rooms");
        let snapshots = counter("snapshots", "Snapshots sent to members");
        let resynchronised =
            counter("resynchronised", "Members that came back with a state that the log does not have");
        let diverged = counter("diverged", "Members whose state hash was not the room's");
        let commits = counter("commits", "Commits to the disk");
        let storage_failures = counter("storage_failures", "Commits that the disk did not take");
        let compactions = counter("compactions", "Boards whose records were put in order");
        let panics = counter("panics", "Handlers that panicked");
        let mut bytes = |name: &str, help: &str| {
            let counter: Counter = Counter::default();
            registry.register_with_unit(name, help, Unit::Bytes, counter.clone());
            counter
        };
        let received = bytes("received", "Read from WebSocket connections");
        let sent = bytes("sent", "Written to WebSocket connections");
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
            members,
            rooms,
            operations,
            duplicates,
            rejects,
            malformed,
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
            compactions,
            panics,
        }
    }
}

impl Metrics {
    /// Everything as Prometheus text (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("Bug: writing to a string cannot fail");
        text
    }
}
