//! What a crowd hears: how many deliveries, how late, in how many bytes.

use hdrhistogram::Histogram;

/// The longest latency that is told from longer ones, in microseconds.
const LONGEST: u64 = 60_000_000;

/// What was said and heard while it was counted.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that could not be sent because the server does not read.
    pub unsent: u64,
    /// How many deliveries those that were sent come to.
    pub expected: u64,
    /// How many of them have come.
    pub deliveries: u64,
    /// Bytes that have come, frames and all.
    pub bytes: u64,
    /// From when a message was due to its delivery, in microseconds: who generates the load cannot hide that it comes late.
    pub latency: Histogram<u64>,
    /// The same, of those alone who draw.
    pub among_drawers: Histogram<u64>,
    /// Whether whoever hears just now draws.
    pub(super) is_drawer: bool,
    /// From a hello to the first thing behind the whole snapshot, in microseconds.
    pub joins: Histogram<u64>,
    /// Snapshots that members were given because they were too far behind.
    pub snapshots: u64,
    /// Operations that were refused, and requests to slow down: a measurement with any of them is none.
    pub refusals: u64,
}

impl Default for Heard {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST, 2).expect("bounds that are in order");
        Self {
            sent: 0,
            unsent: 0,
            expected: 0,
            deliveries: 0,
            bytes: 0,
            latency: histogram(),
            among_drawers: histogram(),
            is_drawer: false,
            joins: histogram(),
            snapshots: 0,
            refusals: 0,
        }
    }
}

impl Heard {
    pub(super) fn delivery(&mut self, nanoseconds: u64) {
        self.deliveries += 1;
        self.latency.saturating_record(nanoseconds / 1000);
        if self.is_drawer {
            self.among_drawers.saturating_record(nanoseconds / 1000);
        }
    }

    /// Whether everything that was sent came to everybody, and nobody had to begin anew.
    pub fn is_whole(&self) -> bool {
        self.deliveries == self.expected && self.unsent == 0 && self.snapshots == 0
    }

    /// A latency that so much of all is no longer than, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        milliseconds(&self.latency, share)
    }

    /// The same of the time that joining took.
    pub fn quantile_of_joins(&self, share: f64) -> f64 {
        milliseconds(&self.joins, share)
    }

    /// A latency as in [`Heard::quantile`], of those alone who draw.
    pub fn quantile_among_drawers(&self, share: f64) -> f64 {
        milliseconds(&self.among_drawers, share)
    }
}

fn milliseconds(times: &Histogram<u64>, share: f64) -> f64 {
    times.value_at_quantile(share) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_draw_are_counted_among_all_and_by_themselves() {
        let mut heard = Heard::default();
        for (is_drawer, milliseconds) in [(true, 2), (false, 9)] {
            heard.is_drawer = is_drawer;
            heard.delivery(milliseconds * 1_000_000);
        }
        assert_eq!((heard.quantile_among_drawers(1.0).round(), heard.quantile(1.0).round()), (2.0, 9.0));
    }

    #[test]
    fn what_was_sent_and_did_not_come_is_told() {
        let mut heard = Heard { expected: 2, ..Heard::default() };
        heard.delivery(1);
        assert!(!heard.is_whole());
        heard.delivery(1);
        assert!(heard.is_whole());
    }
}
