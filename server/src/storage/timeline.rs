//! The past of a board: the times at which it was drawn, its authors' names, and parts of its log. Pure.

use inkwire_protocol::{AuthorName, Entry, Timestamp, limits};

/// The times and names beside a board's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// When its parts were drawn, in rising order.
    pub moments: Vec<Timestamp>,
    /// The names of its authors.
    pub names: Vec<AuthorName>,
}

impl Timeline {
    /// The names of authors from a number on, as many as are told at once.
    pub fn names_from(&self, from: u32) -> &[AuthorName] {
        let names = &self.names[self.names.partition_point(|name| name.author < from)..];
        &names[..names.len().min(limits::AUTHORS)]
    }

    /// The last operation that was drawn by a time, in milliseconds since 1970, as far as the moments say; nothing where all
    /// of them were.
    pub fn seq_by(&self, at: u64) -> Option<u64> {
        let after = self.moments.iter().find(|moment| moment.at > at)?;
        Some(after.seq - 1)
    }
}

/// A part of a board's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The sequence number of the first entry.
    pub first_seq: u64,
    /// The last one that there is at all.
    pub last_seq: u64,
    /// The state hash behind the last of these entries.
    pub hash: [u8; 8],
    /// The entries.
    pub entries: Vec<Entry>,
}

/// Moments in rising order of time, as they are told: a moment of a clock that was wrong gets the time of the moment before it.
/// Those that fit together are the longest rising run (patience sorting); most clocks are right most of the time.
pub(super) fn rising(mut moments: Vec<Timestamp>) -> Vec<Timestamp> {
    if moments.is_sorted_by_key(|moment| moment.at) {
        return moments;
    }
    // `ends[n]` is the moment with the smallest time at which a rising run of n + 1 moments ends.
    let (mut ends, mut before) = (Vec::<usize>::new(), vec![None; moments.len()]);
    for at in 0..moments.len() {
        let length = ends.partition_point(|end| moments[*end].at <= moments[at].at);
        before[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        ends.truncate(ends.len().max(length));
        if length == ends.len() { ends.push(at) } else { ends[length] = at }
    }
    let run: std::collections::BTreeSet<usize> =
        std::iter::successors(ends.last().copied(), |at| before[*at]).collect();
    let mut time = run.first().map_or(0, |first| moments[*first].at);
    for (at, moment) in moments.iter_mut().enumerate() {
        if run.contains(&at) {
            time = moment.at;
        }
        moment.at = time;
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_names_the_last_operation_that_was_drawn_by_then() {
        let moments = vec![Timestamp { seq: 1, at: 1_000 }, Timestamp { seq: 9, at: 5_000 }];
        let chronicle = Timeline { moments, names: Vec::new() };
        assert_eq!(chronicle.seq_by(999), Some(0));
        assert_eq!(chronicle.seq_by(1_000), Some(8));
        assert_eq!(chronicle.seq_by(5_000), None);
    }

    #[test]
    fn names_are_told_in_parts_of_a_bounded_length() {
        let names = (1..=1_100).map(|at| AuthorName { author: at * 2, name: at.to_string() }).collect();
        let chronicle = Timeline { moments: Vec::new(), names };
        let part = |from| {
            let names = chronicle.names_from(from);
            (names.len(), names.first().map(|name| name.author))
        };
        assert_eq!(
            [0, 3, 1_001, 2_001, 2_201].map(part),
            [(500, Some(2)), (500, Some(4)), (500, Some(1_002)), (100, Some(2_002)), (0, None)]
        );
    }

    #[test]
    fn a_clock_that_was_ahead_or_behind_once_changes_no_other_moment() {
        let of = |times: &[u64]| {
            let moments = times.iter().zip(1..).map(|(at, seq)| Timestamp { seq, at: *at }).collect();
            rising(moments).iter().map(|moment| moment.at).collect::<Vec<_>>()
        };
        assert_eq!(of(&[1, 2, 9_000, 3, 4]), [1, 2, 2, 3, 4], "ahead");
        assert_eq!(of(&[10, 11, 0, 12]), [10, 11, 11, 12], "behind");
        assert_eq!(of(&[9_000, 1, 2, 3]), [1, 1, 2, 3], "at the beginning");
        assert_eq!(of(&[5, 5, 6]), [5, 5, 6]);
        assert_eq!(of(&[]), [0; 0]);
    }
}
