//! Statistics of connections: frames, messages, bytes, compression, and round trips.

use std::collections::HashMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::formats::json::Stamp;
use crate::frame::{Opcode, Sender};
use crate::tap::Event;
use crate::view::line::bytes_of;

/// Round trips, in microseconds; a longer one counts as a minute.
const LONGEST: u64 = 60_000_000;
/// Longest payload of a ping (RFC 6455 section 5.5).
const LONGEST_PING: usize = 125;
/// Pings that may wait for their pongs.
const MOST_PINGS: usize = 1024;

/// Times, as percentiles. Its memory does not grow.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order"))
    }
}

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        self.0.saturating_record(micros.clamp(1, LONGEST));
    }

    /// Their number.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The smallest, the percentiles 50, 90 and 99, and the largest, in milliseconds.
    pub fn milliseconds(&self) -> [f64; 5] {
        let at = |percentile| self.0.value_at_quantile(percentile);
        [self.0.min(), at(0.5), at(0.9), at(0.99), self.0.max()].map(|micros| micros as f64 / 1e3)
    }

    /// The same in words.
    pub fn words(&self) -> String {
        let [min, p50, p90, p99, max] = self.milliseconds();
        format!("min {min:.3}, p50 {p50:.3}, p90 {p90:.3}, p99 {p99:.3}, max {max:.3} ms")
    }

    fn json(&self) -> Value {
        let [min, p50, p90, p99, max] = self.milliseconds();
        json!({"count": self.count(), "min": min, "p50": p50, "p90": p90, "p99": p99, "max": max})
    }
}

/// One direction.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    frames: u64,
    messages: u64,
    /// Payloads and headers.
    wire: u64,
    /// Bytes of messages without their compression, and with it.
    inflated: u64,
    deflated: u64,
}

/// Counts events.
#[derive(Debug, Default)]
pub struct Stats {
    ways: [Way; 2],
    connections: u64,
    violations: u64,
    last: Duration,
    round_trips: Times,
    /// When a ping was sent: by connection, sender and payload.
    pings: HashMap<(u64, bool, Vec<u8>), Duration>,
    /// Bytes of the compressed message that is open, by connection and sender.
    open: HashMap<(u64, bool), u64>,
}

impl Stats {
    /// Takes the next event.
    pub fn take(&mut self, stamp: &Stamp, event: &Event) {
        self.last = self.last.max(stamp.since);
        match event {
            Event::Handshake(_) => self.connections += 1,
            Event::Frame { sender, frame, seen } => {
                let is_server = *sender == Sender::Server;
                let way = &mut self.ways[usize::from(is_server)];
                way.frames += 1;
                way.wire = way.wire.saturating_add(frame.header.size() as u64).saturating_add(frame.came);
                self.violations += seen.broken.len() as u64;
                let open = self.open.entry((stamp.connection, is_server)).or_default();
                if let Some(place) = seen.place {
                    *open = if place.fragment == 1 { frame.came } else { open.saturating_add(frame.came) };
                    way.messages += u64::from(place.is_last);
                }
                if let Some(message) = &seen.inflated {
                    way.inflated = way.inflated.saturating_add(message.length);
                    way.deflated = way.deflated.saturating_add(*open);
                }
                self.round_trip(stamp, is_server, frame.header.opcode, &frame.payload);
            }
            Event::Closed(_) => {
                self.open.retain(|(connection, _), _| *connection != stamp.connection);
                self.pings.retain(|(connection, ..), _| *connection != stamp.connection);
            }
            _ => {}
        }
    }

    fn round_trip(&mut self, stamp: &Stamp, is_server: bool, opcode: Opcode, payload: &[u8]) {
        if opcode == Opcode::PING && payload.len() <= LONGEST_PING {
            if self.pings.len() == MOST_PINGS {
                // Whoever answers none of so many answers none.
                self.pings.clear();
            }
            self.pings.insert((stamp.connection, is_server, payload.to_vec()), stamp.since);
        } else if opcode == Opcode::PONG
            && let Some(sent) = self.pings.remove(&(stamp.connection, !is_server, payload.to_vec()))
        {
            self.round_trips.add(stamp.since.saturating_sub(sent));
        }
    }

    /// Lines for people.
    pub fn lines(&self) -> Vec<String> {
        let seconds = self.last.as_secs_f64();
        let mut lines =
            vec![format!("{} connections, {seconds:.3} s, {} violations", self.connections, self.violations)];
        for (arrow, way) in ["-->", "<--"].into_iter().zip(self.ways) {
            let Way { frames, messages, wire, inflated, deflated } = way;
            let rate = if seconds > 0.0 { messages as f64 / seconds } else { 0.0 };
            let mut line = format!("{arrow} {frames} frames, {messages} messages ({rate:.1}/s), {}", bytes_of(wire));
            if inflated > 0 {
                let percent = 100.0 * deflated as f64 / inflated as f64;
                line += &format!("; {} of messages went as {deflated} ({percent:.1} %)", bytes_of(inflated));
            }
            lines.push(line);
        }
        if self.round_trips.count() > 0 {
            lines.push(format!("{} round trips: {}", self.round_trips.count(), self.round_trips.words()));
        }
        lines
    }

    /// An object with the same: `ev` is `stats`.
    pub fn json(&self) -> Value {
        let way = |way: Way| {
            json!({"frames": way.frames, "messages": way.messages, "wire": way.wire, "inflated": way.inflated,
                "deflated": way.deflated})
        };
        let rtt = (self.round_trips.count() > 0).then(|| self.round_trips.json());
        json!({"v": crate::formats::json::VERSION, "ev": "stats", "connections": self.connections, "seconds": self.last.as_secs_f64(),
            "violations": self.violations, "send": way(self.ways[0]), "receive": way(self.ways[1]), "rtt_ms": rtt})
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::handshake::{Agreed, Deflate};
    use crate::tap::{Limits, Tap};

    #[test]
    fn what_passed_is_counted_with_what_compression_saved_and_how_long_pongs_took() {
        let deflate =
            Deflate { client_keeps_context: true, server_keeps_context: true, client_window: 15, server_window: 15 };
        let agreed = Agreed { deflate: Some(deflate), ..Agreed::default() };
        let mut tap = Tap::opened(Limits { keep: 99, inflate: 99 }, &agreed);
        let mut stats = Stats::default();
        let passed = [
            (0, Sender::Client, &[0x89, 0x81, 0, 0, 0, 0, b'a'][..]),
            (2, Sender::Server, &[0x41, 3, 0xf2, 0x48, 0xcd, 0x8a, 1, b'a', 0x80, 4, 0xc9, 0xc9, 0x07, 0x00]),
            (5, Sender::Client, &[0x81, 0x80, 0, 0, 0, 0, 0x83, 0]),
        ];
        for (at, sender, bytes) in passed {
            let stamp = Stamp { connection: 1, at: SystemTime::UNIX_EPOCH, since: Duration::from_millis(at) };
            tap.push(sender, bytes, &mut |event| stats.take(&stamp, &event));
        }
        assert_eq!(
            stats.lines(),
            [
                "0 connections, 0.005 s, 2 violations",
                "--> 3 frames, 2 messages (400.0/s), 15 bytes",
                "<-- 3 frames, 1 messages (200.0/s), 14 bytes; 5 bytes of messages went as 7 (140.0 %)",
                "1 round trips: min 2.000, p50 2.000, p90 2.000, p99 2.000, max 2.000 ms",
            ]
        );
        let told = stats.json();
        assert_eq!((told["receive"]["deflated"].as_u64(), told["rtt_ms"]["p50"].as_f64()), (Some(7), Some(2.0)));
    }
}
