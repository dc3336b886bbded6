//! The frames of a member: the log from its position, a snapshot before that, and messages beside the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_protocol::ServerMessage;

use crate::clock::Now;
use crate::encoding::Encoding;
use crate::flush::Packet;
use crate::position::{LogPosition, Position, Reading};
use crate::presence_feed::News;
use crate::room::Room;
use crate::snapshots::{Encoded, Snapshot, Snapshots};

/// The time that a member waits for room for its snapshot before it asks again.
const NO_ROOM: Duration = Duration::from_millis(20);
/// Between two snapshots that a member is given because its state hash is another one.
const SNAPSHOTS_APART: Duration = Duration::from_secs(5);

impl Room {
    /// Compares a member's state hash with what the board had there. Returns that if it is another one: the member has met a mistake
    /// of ours, or says so, and is given a snapshot now and then.
    pub fn check(&mut self, position: &mut Position, seq: u64, hash: StateHash, now: Instant) -> Option<StateHash> {
        let expected = self.ring.hash_at(seq).filter(|expected| *expected != hash)?;
        self.output.count().diverged += 1;
        if position.corrected.as_deref().is_none_or(|last| now >= *last + SNAPSHOTS_APART) {
            position.corrected = Some(Box::new(now));
            position.log = self.waiting();
        }
        Some(expected)
    }

    /// The time has come at which a member may do something else by itself.
    pub fn changes(&mut self, position: &mut Position, now: Now) {
        position.changes_at = None;
        self.reassess(now.since_1970);
    }

    /// Returns the message about a member's permissions, and notes until when they hold.
    pub(crate) fn access_of(&mut self, position: &mut Position, now: Now) -> Option<ServerMessage> {
        position.access = self.access_version;
        let slot = self.slots.get(&position.member)?;
        let since_1970 = now.since_1970;
        let lent = self.access.lent_until(&slot.request.identity);
        let until = lent.into_iter().chain(self.access.link_expires(&slot.request)).filter(|it| *it > since_1970).min();
        position.changes_at = until.map(|until| now.at + Duration::from_millis(until - since_1970));
        Some(self.access.message(self.access.permissions(slot.role, &slot.request.identity, since_1970)))
    }

    /// Before a snapshot: for a newcomer, or a member that is too far behind.
    pub(crate) fn waiting(&mut self) -> LogPosition {
        self.output.count().snapshots += 1;
        let Self { snapshots, board, around, .. } = self;
        let snapshots = snapshots.get_or_insert_with(|| Box::new(Snapshots::of(board, &around.budget)));
        LogPosition::Waiting(snapshots.user())
    }

    /// Lets go of what was encoded for snapshots once nobody waits for one or reads one.
    pub fn drop_unused_snapshots(&mut self) {
        if self.snapshots.take_if(|snapshots| snapshots.are_unused()).is_some() {
            self.board.track_changes(false);
        }
    }

    /// The snapshot for a member that waits: the one that others are being given, or one that is encoded now. `None` if that takes
    /// more turns, of which the member is given the next.
    fn snapshot(&mut self, position: &mut Position, now: Instant) -> Option<Arc<Snapshot>> {
        let Self { snapshots, board, ring, output, .. } = self;
        let snapshots = snapshots.as_mut().expect("Bug: they are there while a member waits");
        if let Some(last) = snapshots.last(ring) {
            return Some(last);
        }
        match snapshots.encode(board) {
            Encoded::All => {}
            Encoded::More => {
                output.wake([position.member]);
                return None;
            }
            Encoded::NoRoom => {
                position.again_at = Some(now + NO_ROOM);
                return None;
            }
        }
        self.flush(now);
        let Self { snapshots, board, ring, .. } = self;
        snapshots.as_mut().map(|snapshots| snapshots.whole(board, ring.end()))
    }

    /// The next frame for a member, if there is one now. The clock is read only if something depends on it, which little does here.
    #[inline]
    pub fn next(&mut self, position: &mut Position, encoding: Encoding, clock: &dyn Fn() -> Now) -> Option<Bytes> {
        if let LogPosition::Ring(next) = position.log
            && next < self.ring.start()
        {
            position.log = self.waiting();
        }
        match &mut position.log {
            LogPosition::Over => None,
            LogPosition::Waiting(_) => {
                self.begin_reading(position, clock().at)?;
                self.next(position, encoding, clock)
            }
            LogPosition::Snapshot(reading) => {
                let frame = reading.snapshot.packets[reading.at].frame_once(encoding);
                reading.at += 1;
                if reading.at == reading.snapshot.packets.len() {
                    position.log = LogPosition::Ring(reading.snapshot.then);
                    self.drop_unused_snapshots();
                }
                Some(frame)
            }
            LogPosition::Ring(at) => match self.ring.from(*at) {
                Some((packet, next)) => {
                    *at = next;
                    Some(packet.frame(encoding))
                }
                // A member that has all of the log gets what is not in it; one that lags does not, and misses nothing that counts.
                None => self.next_beside_the_log(position, encoding, clock),
            },
        }
    }

    /// Has a member that waits for a snapshot read it, if it is encoded.
    #[cold]
    fn begin_reading(&mut self, position: &mut Position, now: Instant) -> Option<()> {
        position.again_at = None;
        let LogPosition::Waiting(user) = &position.log else { return None };
        let user = user.clone();
        let snapshot = self.snapshot(position, now)?;
        position.log = LogPosition::Snapshot(Box::new(Reading { snapshot, at: 0, _user: user }));
        Some(())
    }

    #[inline]
    fn next_beside_the_log(
        &mut self,
        position: &mut Position,
        encoding: Encoding,
        clock: &dyn Fn() -> Now,
    ) -> Option<Bytes> {
        if position.access < self.access_version
            && let Some(message) = self.access_of(position, clock())
        {
            return Some(Packet::of(&[message]).frame(encoding));
        }
        let state = self.around.storage_state;
        if position.storage_state.replace(state) != Some(state) {
            return Some(Packet::of(&[ServerMessage::Storage { state }]).frame(encoding));
        }
        if position.mark < self.mark_flushed {
            position.mark = self.mark_flushed;
            return Some(self.mark_packet.frame(encoding));
        }
        match self.feed.next(&mut position.presence)? {
            News::Shared(packet) => Some(packet.frame(encoding)),
            News::Own(packet) => Some(packet.frame(encoding)),
        }
    }
}
