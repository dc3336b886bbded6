//! When a room flushes, and to whom: people who draw see each other's ink sooner than an audience does.
//!
//! A flush costs a write of about 4 µs for each who is told of it. The time between two grows with how many that are, so
//! that flushing stays at a few hundredths of a core: a room of two sends at once, one of a hundred merges what comes
//! within one display frame. Few draw where many look on, so what these wait for need not grow with the audience.

use std::time::{Duration, Instant};

/// One display frame: no operation waits longer for its flush.
const LONGEST: Duration = Duration::from_millis(16);
/// The time between two flushes for each who is told.
const PER_MEMBER: Duration = Duration::from_micros(200);
/// The same for each who draws, among many who do not: what they are told beside the others is about a hundredth of a core.
const PER_DRAWER: Duration = Duration::from_micros(700);
/// The time of a flush to one member, with what the others' reading holds up: the last of a thousand is written to several
/// milliseconds behind the first, and the tick is shorter by that, so that also the last one waits for one display frame.
const WRITE_PER_MEMBER: Duration = Duration::from_micros(8);
/// No tick of a large room is shorter: it would spend its time on writing.
const SHORTEST_LARGE: Duration = Duration::from_millis(8);
/// A member that has drawn within this time counts as drawing.
const LATELY: Duration = Duration::from_secs(1);
/// If so many draw, they wait as long as all members do.
const MOST_DRAWERS: usize = (LONGEST.as_micros() / PER_DRAWER.as_micros()) as usize;

/// The time between the flushes of one room.
#[derive(Debug)]
pub(crate) struct Tick {
    /// When something was last flushed, and when everybody was last told.
    flushed: Instant,
    told: Instant,
    /// Those who do not draw have not been told of the last flush.
    others_wait: bool,
    /// Members that have drawn lately, and when; not all of them if they are many.
    drawers: Vec<(u64, Instant)>,
}

impl Tick {
    pub(crate) fn new(now: Instant) -> Self {
        Self { flushed: now, told: now, others_wait: false, drawers: Vec::new() }
    }

    /// A member has drawn.
    pub(crate) fn drew(&mut self, member: u64, now: Instant) {
        let is_full = self.drawers.len() >= MOST_DRAWERS;
        match self.drawers.iter_mut().find(|(drawer, _)| *drawer == member) {
            Some((_, at)) => *at = now,
            None if is_full => {}
            None => self.drawers.push((member, now)),
        }
    }

    /// A member has gone.
    pub(crate) fn left(&mut self, member: u64) {
        self.drawers.retain(|(drawer, _)| *drawer != member);
    }

    /// When there is to be a flush among so many members, where something `waits` for one.
    pub(crate) fn due(&self, waits: bool, members: usize) -> Option<Instant> {
        let first = waits.then(|| self.flushed + self.for_drawers(members));
        let others = self.others_wait.then(|| self.told + for_all(members));
        first.into_iter().chain(others).min()
    }

    /// Something was flushed, of which those who draw are told now.
    pub(crate) fn flushes(&mut self, now: Instant) {
        (self.flushed, self.others_wait) = (now, true);
        self.drawers.retain(|(_, at)| now.duration_since(*at) < LATELY);
    }

    /// Whether everybody is to be told now of what was flushed; they are.
    pub(crate) fn tells_all(&mut self, members: usize, now: Instant) -> bool {
        let is_time = now >= self.told + for_all(members) || self.for_drawers(members) == for_all(members);
        let tells = self.others_wait && is_time;
        if tells {
            (self.told, self.others_wait) = (now, false);
        }
        tells
    }

    /// Returns the members that have drawn lately, if they are few.
    pub(crate) fn drawers(&self) -> impl Iterator<Item = u64> {
        self.drawers.iter().map(|(member, _)| *member)
    }

    /// Nobody waits for the ink of who draws alone.
    fn for_drawers(&self, members: usize) -> Duration {
        match self.drawers.len() {
            ..2 => for_all(members),
            drawers => for_all(members).min(PER_DRAWER * drawers as u32),
        }
    }
}

fn for_all(members: usize) -> Duration {
    let members = members as u32;
    let longest = LONGEST.saturating_sub(WRITE_PER_MEMBER * members).max(SHORTEST_LARGE);
    (PER_MEMBER * members).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn drawn_by(drawers: u64) -> (Tick, Instant) {
        let now = Instant::now();
        let mut tick = Tick::new(now);
        (0..drawers).for_each(|member| tick.drew(member, now));
        (tick, now)
    }

    #[test]
    fn a_small_room_waits_for_nothing_to_speak_of_and_a_full_one_for_a_display_frame() {
        assert!(for_all(2) < MS);
        assert!((15 * MS..=LONGEST).contains(&for_all(100)));
        assert_eq!(for_all(1_000), SHORTEST_LARGE);
    }

    #[test]
    fn those_who_draw_do_not_wait_longer_for_each_other_where_more_look_on() {
        let (tick, now) = drawn_by(10);
        assert_eq!(tick.due(true, 120), Some(now + 7 * MS));
        assert_eq!(tick.due(true, 5_000), Some(now + 7 * MS));
        assert_eq!(tick.due(true, 20), Some(now + for_all(20)), "nor than all of them do");
        assert_eq!(tick.due(false, 120), None);
    }

    #[test]
    fn an_audience_is_told_at_its_own_time_of_all_that_was_flushed_meanwhile() {
        let (mut tick, now) = drawn_by(10);
        let mut tells_all = |after| {
            tick.flushes(now + after);
            tick.tells_all(100, now + after)
        };
        assert!(!tells_all(5 * MS));
        assert!(!tells_all(10 * MS));
        assert_eq!(tick.due(false, 100), Some(now + for_all(100)), "also when nothing more is drawn");
        assert!(tick.tells_all(100, now + for_all(100)));
        assert_eq!(tick.due(false, 100), None);
        assert!(!tick.tells_all(100, now + LATELY), "once");
    }

    #[test]
    fn who_draws_alone_and_where_most_draw_all_are_told_at_once() {
        for drawers in [0, 1, MOST_DRAWERS as u64, 100] {
            let (mut tick, now) = drawn_by(drawers);
            assert_eq!(tick.due(true, 100), Some(now + for_all(100)));
            tick.flushes(now + MS);
            assert!(tick.tells_all(100, now + MS), "{drawers}");
        }
    }

    #[test]
    fn who_has_stopped_drawing_or_left_is_of_the_audience() {
        let (mut tick, now) = drawn_by(10);
        tick.left(3);
        assert!(!tick.drawers().any(|member| member == 3));
        tick.drew(5, now + LATELY);
        tick.flushes(now + LATELY);
        assert_eq!(tick.drawers().collect::<Vec<_>>(), [5]);
    }
}
