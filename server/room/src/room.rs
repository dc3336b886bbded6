//! The room: what comes into the log, and when that is flushed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inkwire_board::{Board, StateHash, Submitted};
use inkwire_protocol::{
    AuthorName, ClientId, Colour, Epoch, Operation, Reaction, Reason, RejectReason, ServerMessage, Shape, StorageState,
    Text, binary,
};

use crate::access::Access;
use crate::bucket::{Bucket, SharedBucket};
use crate::budget::{Budget, Unbounded};
use crate::clock::Now;
use crate::flush::{Flush, Packet};
use crate::limits::Limits;
use crate::moderation::{AuditEvent, Moderation};
use crate::output::{Counts, Output, Wake};
use crate::persist::{LogBatch, Persist, RESERVED};
use crate::presence_feed::PresenceFeed;
use crate::ring::Ring;
use crate::slots::MemberSlots;
use crate::snapshots::Snapshots;
use crate::submission::Submission;
use crate::tick::Tick;

/// New boards that may be made of one at once, and how many in a second for long: each copies all of it, with its past.
const BRANCHES: f64 = 5.0;
const BRANCHES_PER_SECOND: f64 = 1.0 / 60.0;
/// Elements that one call of [`Room::submit`] works on before it leaves the room to others: about a millisecond.
pub(crate) const WORK: u64 = 2_000;

/// A board as a room begins with it.
#[derive(Debug)]
pub struct Kept {
    /// The lineage of its log.
    pub epoch: Epoch,
    /// The board; everything on it is durable.
    pub board: Board,
    /// Its access.
    pub access: Access,
    /// Author numbers up to this one are reserved for the room.
    pub reserved_author: u32,
    /// Bytes that its log and its snapshot take.
    pub bytes: u64,
}

impl Kept {
    /// A board on which nothing was ever drawn, and that nobody hosts.
    pub fn new(epoch: Epoch) -> Self {
        let (board, access) = (Board::default(), Access::default());
        Self { epoch, board, access, reserved_author: RESERVED, bytes: 0 }
    }
}

/// The surroundings of a room.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The limits of the operator.
    pub limits: Arc<Limits>,
    /// The bound on snapshots that are being sent.
    pub budget: Arc<dyn Budget>,
    /// The place at which the log is kept.
    pub storage_state: StorageState,
    /// Whether this board would be one more than there may be: it is let nobody in as long as it is empty.
    pub is_beyond: bool,
}

impl Default for Surroundings {
    fn default() -> Self {
        let (limits, budget) = (Arc::default(), Arc::new(Unbounded));
        Self { limits, budget, storage_state: StorageState::Memory, is_beyond: false }
    }
}

/// A room. See the crate for how it is driven.
#[derive(Debug)]
pub struct Room {
    pub(crate) around: Surroundings,
    pub(crate) board: Board,
    pub(crate) epoch: Epoch,
    pub(crate) access: Access,
    /// Raised whenever somebody may do something else now; from 1.
    pub(crate) access_version: u64,
    /// Author numbers up to this one are reserved in the storage.
    pub(crate) reserved_author: u32,
    /// Bytes that the board takes on the disk, at most: compaction packs them.
    pub(crate) stored_bytes: u64,
    pub(crate) points: SharedBucket,
    pub(crate) bytes: SharedBucket,
    pub(crate) branches: Bucket,
    pub(crate) moderation: Moderation,
    pub(crate) gathered: Gathered,
    pub(crate) ring: Ring,
    pub(crate) feed: PresenceFeed,
    /// Every operation up to this number is durable.
    pub(crate) mark: u64,
    /// The mark that members may be told, and its packet: it moves with the flushes.
    pub(crate) mark_flushed: u64,
    pub(crate) mark_packet: Packet,
    /// As long as a member waits for a snapshot or reads one.
    pub(crate) snapshots: Option<Box<Snapshots>>,
    pub(crate) slots: MemberSlots,
    /// Raised whenever connections are to end, from 1: only then each needs to look whether it is one of them.
    pub(crate) dismissals: u64,
    pub(crate) tick: Tick,
    /// The room is no longer that of its board: nobody draws here any more.
    pub(crate) evicted: Option<Reason>,
    pub(crate) output: Output,
}

/// The operations since the last flush.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// The entries, encoded as they will stand in it.
    entries: Vec<u8>,
    first_seq: u64,
    since: Instant,
    /// Clients that drew here for the first time.
    newcomers: Vec<(ClientId, u32)>,
    /// Names of authors that the storage does not know yet.
    names: Vec<AuthorName>,
}

/// The cost of drawing: points, and bytes as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Points of strokes.
    pub points: usize,
    /// Bytes of messages.
    pub bytes: usize,
}

/// The result of [`Room::submit`].
#[derive(Debug, Default)]
pub struct Work {
    /// On how many elements it has worked; at least 1 for each operation.
    pub elements: u64,
    /// Which operations broke which rule.
    pub rejects: Vec<(u64, RejectReason)>,
    /// The wait because all of the board together draw too much, and this member more than its part.
    pub pause: Option<Duration>,
    /// Whether that will soon be so.
    pub is_low: bool,
    /// Records for the audit list.
    pub events: Vec<AuditEvent>,
}

impl Room {
    /// A room of a board, without members.
    pub fn new(kept: Kept, around: Surroundings, now: Now) -> Self {
        let Kept { epoch, mut board, access, reserved_author, bytes } = kept;
        board.take_at_most(around.limits.elements);
        let (mark, at) = (board.seq(), now.at);
        Self {
            ring: Ring::behind(mark, board.hash()),
            board,
            epoch,
            access,
            access_version: 1,
            reserved_author,
            stored_bytes: bytes,
            points: SharedBucket::of(around.limits.board_points, at),
            bytes: SharedBucket::of(around.limits.board_bytes, at),
            branches: Bucket::holding(BRANCHES, BRANCHES_PER_SECOND, at),
            moderation: Moderation::default(),
            gathered: Gathered {
                entries: Vec::new(),
                first_seq: 0,
                since: at,
                newcomers: Vec::new(),
                names: Vec::new(),
            },
            feed: PresenceFeed::new(at),
            mark,
            mark_flushed: mark,
            mark_packet: Packet::of(&[ServerMessage::Mark { seq: mark }]),
            snapshots: None,
            slots: MemberSlots::new(),
            dismissals: 1,
            tick: Tick::new(at),
            evicted: None,
            output: Output::default(),
            around,
        }
    }

    /// The last sequence number of the board.
    pub fn seq(&self) -> u64 {
        self.board.seq()
    }

    /// The state hash of the board.
    pub fn hash(&self) -> StateHash {
        self.board.hash()
    }

    /// The lineage of the log.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Every operation up to this sequence number is durable.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// Returns the access of the board: to be kept after a change.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether everything on the board is durable, so that it can be opened from the storage again.
    pub fn is_durable(&self) -> bool {
        self.gathered.entries.is_empty() && self.mark >= self.board.seq()
    }

    /// Whether the storage has a record of this board, once all is kept.
    pub fn is_stored(&self) -> bool {
        self.board.seq() > 0 || self.access.is_hosted()
    }

    /// Raised whenever somebody is to go; only then [`Room::dismissal`] needs to be asked.
    #[inline]
    pub fn dismissals(&self) -> u64 {
        self.dismissals
    }

    /// Whether the room is no longer that of its board.
    pub fn is_evicted(&self) -> bool {
        self.evicted.is_some()
    }

    /// The counts since they were taken last; to be taken when the rest is polled.
    pub fn take_counts(&mut self) -> Counts {
        self.output.take_counts()
    }

    /// Whether polling gives anything now: what is to be kept, wake-ups, or counts.
    #[inline]
    pub fn has_output(&self) -> bool {
        self.output.has_any()
    }

    /// The next thing to be kept: parts of the log come in their order.
    pub fn poll_persist(&mut self) -> Option<Persist> {
        self.output.next_persist()
    }

    /// The next wake-up.
    pub fn poll_wake(&mut self) -> Option<Wake> {
        self.output.next_wake()
    }

    /// The moment at which what waits must be flushed, by [`Room::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = !self.gathered.entries.is_empty() || self.mark > self.mark_flushed;
        let operations = self.tick.due(waits, self.slots.len());
        operations.into_iter().chain(self.feed.due()).min()
    }

    /// Flushes if that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|due| due <= now) {
            self.flush(now);
        }
    }

    /// Flushes whether that is due or not, and wakes everybody: the server stops.
    pub fn flush_now(&mut self, now: Instant) {
        self.flush(now);
        self.output.wake_all();
    }

    /// The storage has every operation up to this number on disk.
    pub fn persisted(&mut self, seq: u64) {
        self.mark = self.mark.max(seq);
    }

    /// The storage is in another state.
    pub fn storage_became(&mut self, storage_state: StorageState) {
        if self.around.storage_state != storage_state {
            self.around.storage_state = storage_state;
            self.output.wake_all();
        }
    }

    /// The room is no longer that of its board: its members are told so, and what they still send is dropped.
    pub fn evict(&mut self, reason: Reason) {
        self.evicted = Some(reason);
        self.gathered.entries.clear();
        self.output.forget_persist();
        self.lets_go();
    }

    /// Gives a member's operations their place in the log, first come, first served, until the work is enough for one go. `is_full`
    /// says that the storage takes nothing that adds to a board.
    pub fn submit<'a>(
        &mut self,
        member: u64,
        submissions: &mut impl Iterator<Item = Submission<'a>>,
        cost: Cost,
        is_full: bool,
        now: Now,
    ) -> Work {
        let Some(slot) = self.slots.get(&member).filter(|slot| slot.is_taken() && self.evicted.is_none()) else {
            submissions.for_each(drop);
            return Work::default();
        };
        let (author, client, role) = (slot.author, slot.client, slot.role);
        let rejection = self.access.rejects(role, &slot.request.identity, now.since_1970);
        let is_full = is_full || self.stored_bytes > self.around.limits.board_size;
        let mut work = self.spend(member, cost, now.at);
        while work.elements < WORK
            && let Some(Submission { cseq, operation, bytes }) = submissions.next()
        {
            let before = self.board.work();
            let events = self.moderation.events_of(author, cseq, &operation);
            let by_access = self.access.rejects_operation(rejection, role, author, &operation);
            let by_size = (is_full && adds(&operation)).then_some(RejectReason::BoardFull);
            if let Some(reason) = by_access.or(by_size)
                && cseq > self.board.cseq(author)
            {
                self.output.count().rejects_by_size += u64::from(by_access.is_none());
                self.reject(&mut work, cseq, reason);
                work.elements += 1;
                continue;
            }
            match self.board.submit(author, cseq, operation) {
                Ok(Submitted::Logged(entry)) => {
                    self.gather((client, author), entry.skip, &bytes, now.at);
                    work.events.extend(events.into_iter().map(|(what, it)| self.did(what, it, now.since_1970)));
                    self.tick.drew(member, now.at);
                }
                Ok(Submitted::Duplicate) => self.output.count().duplicates += 1,
                Err(reason) => self.reject(&mut work, cseq, reason),
            }
            // An operation that touches nothing, or is refused, is work as well.
            work.elements += (self.board.work() - before).max(1);
        }
        work
    }

    fn reject(&mut self, work: &mut Work, cseq: u64, reason: RejectReason) {
        self.output.count().rejects += 1;
        work.rejects.push((cseq, reason));
    }

    /// Puts an operation that is in the log into the next flush.
    fn gather(&mut self, (client, author): (ClientId, u32), skip: u64, operation: &[u8], now: Instant) {
        if !self.board.remembers(client) {
            self.board.remember(client, author);
            self.gathered.newcomers.push((client, author));
            self.keep_name(author);
        }
        let gathered = &mut self.gathered;
        if gathered.entries.is_empty() {
            (gathered.first_seq, gathered.since) = (self.board.seq(), now);
        }
        binary::put_encoded_entry(&mut gathered.entries, author, skip, operation);
        self.output.count().operations += 1;
    }

    /// Takes the cost of a member's operations out of the buckets of the board.
    fn spend(&mut self, member: u64, cost: Cost, now: Instant) -> Work {
        if cost.bytes == 0 {
            return Work::default();
        }
        let (points, many_points) = self.points.spend(member, cost.points as f64, now);
        let (bytes, many_bytes) = self.bytes.spend(member, cost.bytes as f64, now);
        Work { pause: points.max(bytes), is_low: many_points || many_bytes, ..Work::default() }
    }

    /// The storage is told with the next flush what somebody is called.
    pub(crate) fn keep_name(&mut self, author: u32) {
        let name = self.feed.presence.name(author).map(ToOwned::to_owned);
        self.gathered.names.retain(|known| known.author != author);
        self.gathered.names.extend(name.map(|name| AuthorName { author, name }));
    }

    /// A member's pointer moved.
    pub fn cursor(&mut self, author: u32, at: Option<[i32; 2]>) {
        self.feed.presence.cursor(author, at);
    }

    /// A member's laser points at a place. That of somebody who is muted is a pointer like any other.
    pub fn laser(&mut self, member: u64, author: u32, at: [i32; 2], now: Now) {
        match self.is_muted(member, now) {
            true => self.feed.presence.cursor(author, Some(at)),
            false => self.feed.presence.laser(author, at),
        }
    }

    /// A member drags a shape out, or does no longer.
    pub fn draft(&mut self, author: u32, shape: Option<Shape>) {
        self.feed.presence.draft(author, shape);
    }

    /// A member writes a text, or does no longer.
    pub fn writing(&mut self, author: u32, text: Option<Text>) {
        self.feed.presence.writing(author, text);
    }

    /// A member sees another part of the board.
    pub fn view(&mut self, author: u32, view: Option<[i32; 4]>) {
        self.feed.presence.view(author, view);
    }

    /// A member raises a hand, or takes it down.
    pub fn hand(&mut self, author: u32, raised: bool) {
        self.feed.presence.hand(author, raised);
    }

    /// A member shows something for a moment; nobody sees what somebody shows who is muted.
    pub fn react(&mut self, member: u64, author: u32, reaction: Reaction, now: Now) {
        if !self.is_muted(member, now) {
            self.feed.presence.react(author, reaction);
        }
    }

    /// A member has a new name or colour. Somebody who is muted keeps those that the others see.
    pub fn profile(&mut self, member: u64, author: u32, name: &str, colour: Colour, now: Now) {
        if self.is_muted(member, now) {
            return;
        }
        self.feed.presence.here(author, name, colour);
        if self.board.cseq(author) > 0 {
            self.keep_name(author);
        }
    }

    /// Whether another board may be made of this one now; then it counts.
    pub fn may_branch(&mut self, now: Instant) -> bool {
        self.branches.spend(0.0, now);
        let may = self.branches.pause().is_none();
        if may {
            self.branches.spend(1.0, now);
        }
        may
    }

    /// Whether what a member draws is taken now.
    pub fn may_draw(&self, member: u64, now: Now) -> bool {
        let slot = self.slots.get(&member);
        slot.is_some_and(|slot| self.access.permissions(slot.role, &slot.request.identity, now.since_1970).draws)
    }

    fn is_muted(&self, member: u64, now: Now) -> bool {
        let slot = self.slots.get(&member);
        slot.is_some_and(|slot| self.access.permissions(slot.role, &slot.request.identity, now.since_1970).muted)
    }

    /// Makes what was gathered one packet for everybody, and wakes those for whom it is time.
    pub(crate) fn flush(&mut self, now: Instant) {
        let has_operations = !self.gathered.entries.is_empty();
        if has_operations {
            self.flush_operations(now);
        }
        let has_pointers = self.feed.flush(now);
        let has_mark = self.mark > self.mark_flushed;
        if has_mark {
            self.mark_flushed = self.mark;
            self.mark_packet = Packet::of(&[ServerMessage::Mark { seq: self.mark }]);
        }
        self.tell(has_operations || has_pointers || has_mark, now);
    }

    fn flush_operations(&mut self, now: Instant) {
        let Gathered { entries, first_seq, since, newcomers, names } = &mut self.gathered;
        let (first_seq, last_seq, hash) = (*first_seq, self.board.seq(), self.board.hash());
        let flush = Flush::of(first_seq, entries, last_seq, hash);
        entries.clear();
        let (clients, names) = (std::mem::take(newcomers), std::mem::take(names));
        let (epoch, packet, reserved_author) = (self.epoch, flush.packet.bytes.clone(), self.reserved_author);
        self.stored_bytes += packet.len() as u64;
        let part = LogBatch { epoch, first_seq, last_seq, packet, hash, clients, names, reserved_author };
        self.output.persist(Persist::LogBatch(part, now.saturating_duration_since(*since)));
        self.ring.push(flush);
        self.output.count().flushes += 1;
    }

    /// Wakes those whom it is time to tell.
    fn tell(&mut self, is_news: bool, now: Instant) {
        if is_news {
            self.tick.flushes(now);
        }
        if self.tick.tells_all(self.slots.len(), now) {
            self.ring.tells_all();
            self.output.wake_all();
        } else if is_news {
            self.output.wake(self.tick.drawers());
        }
    }
}

/// Whether an operation adds an element, or to one: a board that is full takes no more of these. What takes away goes on.
fn adds(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Begin(_)
            | Operation::Points(_)
            | Operation::Shape(_)
            | Operation::Text(_)
            | Operation::Patch(_)
            | Operation::Note(_)
            | Operation::Picture(_)
    )
}
