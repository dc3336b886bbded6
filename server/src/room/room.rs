//! A room: a board that is open, its members, and the tick at which it flushes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use inkwire_board::{Board, Presence, Submitted};
use inkwire_protocol::{ClientId, Colour, Epoch, Operation, Reason, RejectReason, ServerMessage, binary};

use super::flush::{Flush, Packet};
use super::member::Encoding;
use super::name::BoardName;
use super::ring::Ring;
use crate::metrics::Metrics;
use crate::storage::{Storage, Stored};
use crate::ws::{Outgoing, Wakeup};

/// One display frame: no operation waits longer for its flush.
const LONGEST_TICK: Duration = Duration::from_millis(16);
/// The tick of a room for each of its members. A flush costs a write of about 4 µs for each, so this keeps flushing at
/// a few hundredths of a core: a room of two sends at once, one of a hundred merges what comes within 16 ms.
const TICK_PER_MEMBER: Duration = Duration::from_micros(160);
/// Pointers are sent at most this often.
const PRESENCE_TICK: Duration = Duration::from_millis(33);
/// Most bytes of log that a newcomer gets behind a snapshot that others had before.
const TAIL: usize = 16 * 1024;
/// Operations between two snapshots to the storage.
const SNAPSHOT_EVERY: u64 = 10_000;
/// Bytes of log between them.
const SNAPSHOT_BYTES: usize = 4 * 1024 * 1024;
/// Elements that one call of [`Room::submit`] works on before it leaves the room to others: about a millisecond.
const WORK: u64 = 2_000;

/// A board that is open.
#[derive(Debug)]
pub struct Room {
    name: BoardName,
    metrics: Arc<Metrics>,
    storage: Arc<dyn Storage>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    board: Board,
    epoch: Epoch,
    /// Entries since the last flush, encoded as they will stand in it.
    gathered: Vec<u8>,
    gathered_first: u64,
    gathered_since: Instant,
    ring: Ring,
    presence: Presence,
    /// The version of the presence that members may send: it moves with the flushes, not with every pointer.
    presence_flushed: u64,
    /// The last change of presence, encoded once: from which version, to which.
    presence_packet: Option<(u64, u64, Arc<Packet>)>,
    presence_flush: Instant,
    mark: u64,
    mark_packet: Arc<Packet>,
    snapshot: Option<Arc<SnapshotPackets>>,
    snapshot_kept: u64,
    members: HashMap<u64, Seat>,
    last_flush: Instant,
    /// The moment at which somebody has promised to flush.
    flush_scheduled: Option<Instant>,
    /// Bytes of log since the last snapshot to the storage.
    unkept: usize,
    /// Somebody sees to it that the room is closed when nobody comes back.
    is_closing: bool,
}

/// A snapshot for members: encoded once for all that join or fall behind at about the same time.
#[derive(Debug)]
struct SnapshotPackets {
    packets: Vec<Packet>,
    /// The flush that goes on where it ends.
    then: u64,
}

#[derive(Debug)]
struct Seat {
    client: ClientId,
    author: u32,
    wakeup: Arc<Wakeup>,
    /// Another connection of the same client has taken the place.
    replaced: bool,
}

/// What of the room a member has sent: its place in the log and in what is not in the log.
#[derive(Debug)]
pub(super) struct Position {
    log: LogPosition,
    presence: u64,
    mark: u64,
}

#[derive(Debug)]
enum LogPosition {
    /// In the middle of a snapshot.
    Snapshot(Arc<SnapshotPackets>, usize),
    /// Before the flush of this number.
    Ring(u64),
}

/// What a newcomer is told.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) author: u32,
    pub(super) welcome: ServerMessage,
    pub(super) position: Position,
}

/// What [`Room::submit`] has done.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// On how many elements it has worked.
    pub(super) elements: u64,
    /// Which operations broke which rule.
    pub(super) rejects: Vec<(u64, RejectReason)>,
}

/// When the room must be flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing waits, or somebody has been told when.
    Nothing,
    /// At this moment, by the caller.
    At(Instant),
}

impl Room {
    /// Opens a board from what the storage has of it.
    pub fn open(name: BoardName, storage: Arc<dyn Storage>, metrics: Arc<Metrics>) -> Self {
        let (board, epoch) = restore(storage.open(&name)).unwrap_or_else(|error| {
            // Memory cannot break; a storage with a disk sets a broken board aside. What goes on is a new lineage, so
            // that every client brings back what it has.
            tracing::error!(board = %name, %error, "a stored board could not be restored");
            storage.discard(&name);
            (Board::default(), storage.open(&name).epoch)
        });
        let now = Instant::now();
        let mark = storage.mark(&name);
        let state = State {
            snapshot_kept: board.seq(),
            board,
            epoch,
            gathered: Vec::new(),
            gathered_first: 0,
            gathered_since: now,
            ring: Ring::default(),
            presence: Presence::default(),
            presence_flushed: 0,
            presence_packet: None,
            presence_flush: now,
            mark,
            mark_packet: Arc::new(Packet::of(&[ServerMessage::Mark { seq: mark }])),
            snapshot: None,
            members: HashMap::new(),
            last_flush: now,
            flush_scheduled: None,
            unkept: 0,
            is_closing: false,
        };
        metrics.rooms.inc();
        Self { name, metrics, storage, state: Mutex::new(state) }
    }

    /// The board's name.
    pub fn name(&self) -> &BoardName {
        &self.name
    }

    /// Sends what was gathered, whether that is due or not; for a server that stops.
    pub fn flush_now(&self) {
        self.flush(&mut self.lock());
    }

    /// Keeps the board as it is now: the storage can go on from here without its log.
    pub fn keep(&self) {
        let mut state = self.lock();
        self.flush(&mut state);
        if state.board.seq() == 0 {
            self.storage.discard(&self.name);
        } else if state.board.seq() > state.snapshot_kept {
            self.keep_snapshot(&mut state);
        }
    }

    fn keep_snapshot(&self, state: &mut State) {
        state.snapshot_kept = state.board.seq();
        state.unkept = 0;
        self.storage.snapshot(&self.name, state.board.seq(), state.board.to_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in a handler ends that connection; the board changes only by whole operations, so it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member joins with what it has: its client id, and the epoch and sequence number it knows.
    pub(super) fn join(&self, member: u64, hello: &super::member::Hello, wakeup: Arc<Wakeup>) -> Joined {
        let mut state = self.lock();
        self.flush(&mut state);
        let author = state.seat(member, hello.client_id, wakeup);
        state.presence.here(author, &hello.name, hello.colour);
        let log = match state.ring.after(hello.seq) {
            Some(next) if hello.epoch == state.epoch => LogPosition::Ring(next),
            _ if hello.epoch == state.epoch && hello.seq == state.board.seq() => LogPosition::Ring(state.ring.end()),
            _ => LogPosition::Snapshot(self.snapshot(&mut state), 0),
        };
        let welcome = ServerMessage::Welcome {
            author,
            epoch: state.epoch,
            seq: state.board.seq(),
            cseq: state.board.cseq(author),
            mark: state.mark,
        };
        self.metrics.members.inc();
        let position = Position { log, presence: 0, mark: state.mark };
        Joined { author, welcome, position }
    }

    /// A member has gone.
    pub(super) fn leave(&self, member: u64) {
        let mut state = self.lock();
        let Some(seat) = state.members.remove(&member) else { return };
        self.metrics.members.dec();
        if !seat.replaced {
            state.presence.gone(seat.author);
        }
    }

    /// Whether the caller must see to it that the room is closed: nobody is here, and nobody has promised it yet.
    pub(super) fn begins_closing(&self) -> bool {
        let mut state = self.lock();
        state.members.is_empty() && !std::mem::replace(&mut state.is_closing, true)
    }

    /// Whether the room is still to be closed; a room to which somebody has come back is not.
    pub(super) fn goes_on_closing(&self) -> bool {
        let mut state = self.lock();
        state.is_closing = state.members.is_empty();
        state.is_closing
    }

    /// Whether another connection has taken a member's place.
    pub(super) fn is_replaced(&self, member: u64) -> bool {
        self.lock().members.get(&member).is_some_and(|seat| seat.replaced)
    }

    /// Gives a member's operations their place in the log, first come, first served, until the work is enough for one
    /// go; tells which ones broke a rule, and on how many elements it has worked.
    pub(super) fn submit(&self, member: u64, operations: &mut VecDeque<(u64, Operation)>) -> Work {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut work = Work::default();
        let Some(seat) = state.members.get(&member) else {
            operations.clear();
            return work;
        };
        let (author, client) = (seat.author, seat.client);
        let before = state.board.work();
        while work.elements < WORK
            && let Some((cseq, operation)) = operations.pop_front()
        {
            match state.board.submit(author, cseq, operation) {
                Ok(Submitted::Logged(entry)) => {
                    state.board.remember(client, author);
                    if state.gathered.is_empty() {
                        state.gathered_first = state.board.seq();
                        state.gathered_since = Instant::now();
                    }
                    binary::put_entry(&mut state.gathered, &entry);
                    self.metrics.operations.inc();
                }
                Ok(Submitted::Duplicate) => {
                    self.metrics.duplicates.inc();
                }
                Err(reason) => {
                    self.metrics.rejects.inc();
                    work.rejects.push((cseq, reason));
                }
            }
            work.elements = state.board.work() - before;
        }
        work
    }

    /// A member's pointer moved.
    pub(super) fn cursor(&self, author: u32, at: Option<[i32; 2]>) {
        self.lock().presence.cursor(author, at);
    }

    /// A member has a new name or colour.
    pub(super) fn profile(&self, author: u32, name: &str, colour: Colour) {
        self.lock().presence.here(author, name, colour);
    }

    /// Flushes when that is due; otherwise says when it will be, once, to the caller that must see to it.
    pub(super) fn flush_if_due(&self) -> Due {
        let mut state = self.lock();
        while let Some(due) = state.due() {
            if due > Instant::now() {
                // A promise for later does not do: ink does not wait for pointers.
                let is_promised = state.flush_scheduled.is_some_and(|scheduled| scheduled <= due);
                state.flush_scheduled = if is_promised { state.flush_scheduled } else { Some(due) };
                return if is_promised { Due::Nothing } else { Due::At(due) };
            }
            self.flush(&mut state);
        }
        Due::Nothing
    }

    /// The moment that [`Room::flush_if_due`] gave has come.
    pub(super) fn flush_scheduled(&self) -> Due {
        self.lock().flush_scheduled = None;
        self.flush_if_due()
    }

    /// Makes what was gathered one packet for everybody, and wakes all members.
    fn flush(&self, state: &mut State) {
        let now = Instant::now();
        let mut news = false;
        if !state.gathered.is_empty() {
            self.flush_operations(state, now);
            news = true;
        }
        if state.presence.version() > state.presence_flushed && now >= state.presence_flush + PRESENCE_TICK {
            state.flush_presence(now);
            news = true;
        }
        let mark = self.storage.mark(&self.name);
        if mark > state.mark {
            state.mark = mark;
            state.mark_packet = Arc::new(Packet::of(&[ServerMessage::Mark { seq: mark }]));
            news = true;
        }
        if news {
            state.last_flush = now;
            state.members.values().for_each(|seat| seat.wakeup.wake());
        }
    }

    fn flush_operations(&self, state: &mut State, now: Instant) {
        let mut packet = Vec::with_capacity(state.gathered.len() + 12);
        binary::put_entries(&mut packet, state.gathered_first, &state.gathered);
        state.gathered.clear();
        let last_seq = state.board.seq();
        let packet = Packet::new(&packet);
        state.unkept += packet.bytes.len();
        self.storage.append(&self.name, last_seq, packet.bytes.clone());
        state.ring.push(Flush { first_seq: state.gathered_first, last_seq, packet });
        self.metrics.flushes.inc();
        self.metrics.flush_lag.observe((now - state.gathered_since).as_secs_f64());
        if last_seq >= state.snapshot_kept + SNAPSHOT_EVERY || state.unkept >= SNAPSHOT_BYTES {
            self.keep_snapshot(state);
        }
    }

    /// The snapshot for a newcomer: the last one, as long as the ring goes on from it and not for long.
    fn snapshot(&self, state: &mut State) -> Arc<SnapshotPackets> {
        self.metrics.snapshots.inc();
        let ring = &state.ring;
        let serves = |last: &SnapshotPackets| last.then >= ring.start() && ring.bytes_from(last.then) <= TAIL;
        if let Some(last) = state.snapshot.as_ref().filter(|last| serves(last)) {
            return last.clone();
        }
        self.flush(state);
        let messages = state.board.snapshot().into_messages();
        let packets = messages.into_iter().map(|message| Packet::of(&[message])).collect();
        let snapshot = Arc::new(SnapshotPackets { packets, then: state.ring.end() });
        state.snapshot = Some(snapshot.clone());
        snapshot
    }

    /// Gives a member the next frames, until its outgoing bytes are enough for now.
    pub(super) fn pull(&self, position: &mut Position, encoding: Encoding, out: &mut Outgoing) {
        let mut state = self.lock();
        while !out.is_full() {
            match self.next(&mut state, position, encoding) {
                Some(frame) => out.push(frame),
                None => return,
            }
        }
    }

    fn next(&self, state: &mut State, position: &mut Position, encoding: Encoding) -> Option<Bytes> {
        if let LogPosition::Ring(next) = position.log
            && next < state.ring.start()
        {
            position.log = LogPosition::Snapshot(self.snapshot(state), 0);
        }
        match &mut position.log {
            LogPosition::Snapshot(snapshot, at) => {
                let frame = snapshot.packets[*at].frame(encoding);
                *at += 1;
                if *at == snapshot.packets.len() {
                    position.log = LogPosition::Ring(snapshot.then);
                }
                Some(frame)
            }
            LogPosition::Ring(next) => match state.ring.get(*next) {
                Some(flush) => {
                    *next += 1;
                    Some(flush.packet.frame(encoding))
                }
                // Who has all of the log gets what is not in it; who lags does not, and misses nothing that counts.
                None => state.next_beside_the_log(position, encoding),
            },
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.metrics.rooms.dec();
    }
}

impl State {
    /// Seats a member, in the place of an earlier connection of the same client where there is one.
    fn seat(&mut self, member: u64, client: ClientId, wakeup: Arc<Wakeup>) -> u32 {
        let mut author = None;
        for seat in self.members.values_mut().filter(|seat| seat.client == client && !seat.replaced) {
            seat.replaced = true;
            author = Some(seat.author);
            seat.wakeup.wake();
        }
        let author = author.unwrap_or_else(|| self.board.author_for(client));
        self.members.insert(member, Seat { client, author, wakeup, replaced: false });
        author
    }

    fn tick(&self) -> Duration {
        (TICK_PER_MEMBER * self.members.len() as u32).min(LONGEST_TICK)
    }

    /// When what waits must be flushed.
    fn due(&self) -> Option<Instant> {
        let operations = (!self.gathered.is_empty()).then(|| self.last_flush + self.tick());
        let presence = (self.presence.version() > self.presence_flushed).then(|| self.presence_flush + PRESENCE_TICK);
        operations.into_iter().chain(presence).min()
    }

    fn flush_presence(&mut self, now: Instant) {
        let (from, to) = (self.presence_flushed, self.presence.version());
        let (all, changes) = self.presence.changes_since(from);
        let packet = Arc::new(Packet::of(&[ServerMessage::Presence { all, changes }]));
        self.presence_packet = Some((from, to, packet));
        self.presence_flushed = to;
        self.presence_flush = now;
    }

    fn next_beside_the_log(&mut self, position: &mut Position, encoding: Encoding) -> Option<Bytes> {
        if position.mark < self.mark {
            position.mark = self.mark;
            return Some(self.mark_packet.frame(encoding));
        }
        if position.presence >= self.presence_flushed {
            return None;
        }
        let seen = std::mem::replace(&mut position.presence, self.presence_flushed);
        if let Some((from, to, packet)) = &self.presence_packet
            && *from == seen
            && *to == self.presence_flushed
        {
            return Some(packet.frame(encoding));
        }
        position.presence = self.presence.version();
        let (all, changes) = self.presence.changes_since(seen);
        Some(Packet::of(&[ServerMessage::Presence { all, changes }]).frame(encoding))
    }
}

fn restore(stored: Stored) -> Result<(Board, Epoch), Box<dyn std::error::Error>> {
    let mut board = if stored.snapshot.is_empty() { Board::default() } else { Board::from_bytes(&stored.snapshot)? };
    for packet in stored.tail {
        for message in binary::decode_server(&packet)? {
            if let ServerMessage::Operations { first_seq, entries } = message {
                for (seq, entry) in (first_seq..).zip(&entries) {
                    board.replay(seq, entry)?;
                }
            }
        }
    }
    Ok((board, stored.epoch))
}

/// The last words to a member that another connection of the same client has replaced.
pub(super) fn replaced() -> ServerMessage {
    ServerMessage::Bye { reason: Reason::Replaced, retry_ms: 0, text: "joined again on another connection".into() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use inkwire_protocol::Text;

    use super::super::member::Hello;
    use super::*;
    use crate::storage::new_epoch;

    /// A disk on which everything is as soon as a test says so.
    #[derive(Debug, Default)]
    struct Disk {
        mark: AtomicU64,
    }

    impl Storage for Disk {
        fn open(&self, _: &BoardName) -> Stored {
            Stored { epoch: new_epoch(), snapshot: Vec::new(), tail: Vec::new() }
        }
        fn append(&self, _: &BoardName, _: u64, _: Bytes) {}
        fn snapshot(&self, _: &BoardName, _: u64, _: Vec<u8>) {}
        fn discard(&self, _: &BoardName) {}
        fn mark(&self, _: &BoardName) -> u64 {
            self.mark.load(Ordering::SeqCst)
        }
    }

    fn hello() -> Hello {
        let (client_id, epoch, colour) = (ClientId([1; 16]), Epoch::default(), Colour(0xff));
        Hello { client_id, epoch, seq: 0, name: "Ada".into(), colour }
    }

    fn text() -> Operation {
        let (gesture_back, colour, size, scale) = (0, Colour(0xff), 9, 3);
        Operation::Text(Text { gesture_back, colour, size, scale, x: 0, y: 0, text: "x".into() })
    }

    fn pulled(room: &Room, position: &mut Position) -> Vec<ServerMessage> {
        let mut messages = Vec::new();
        while let Some(frame) = room.next(&mut room.lock(), position, Encoding::Binary) {
            messages.extend(binary::decode_server(&frame[2..]).expect("a small frame"));
        }
        messages
    }

    #[test]
    fn the_durable_mark_is_told_when_the_storage_moves_it_and_not_before() {
        let disk = Arc::new(Disk::default());
        let room = Room::open("x".parse().unwrap(), disk.clone(), Arc::default());
        let mut joined = room.join(1, &hello(), Arc::default());
        room.submit(1, &mut VecDeque::from([(1, text()), (2, text())]));
        room.flush_now();
        let is_mark = |message: &ServerMessage| matches!(message, ServerMessage::Mark { .. });
        assert!(!pulled(&room, &mut joined.position).iter().any(is_mark));
        disk.mark.store(2, Ordering::SeqCst);
        room.flush_now();
        assert_eq!(pulled(&room, &mut joined.position), [ServerMessage::Mark { seq: 2 }]);
        assert_eq!(pulled(&room, &mut joined.position), [], "once");
    }

    #[test]
    fn ink_does_not_wait_for_a_flush_that_was_promised_for_pointers() {
        let room = Room::open("x".parse().unwrap(), Arc::new(Disk::default()), Arc::default());
        let joined = room.join(1, &hello(), Arc::default());
        room.flush_now();
        room.cursor(joined.author, Some([1, 1]));
        let Due::At(pointers) = room.flush_if_due() else { panic!("a flush is promised for the pointer") };
        room.lock().last_flush = Instant::now() + Duration::from_millis(5);
        room.submit(1, &mut VecDeque::from([(1, text())]));
        let Due::At(ink) = room.flush_if_due() else { panic!("an earlier one is promised for the ink") };
        assert!(ink < pointers);
        assert_eq!(room.flush_if_due(), Due::Nothing, "once");
    }

    #[test]
    fn a_snapshot_is_shared_by_those_who_join_together() {
        let room = Room::open("x".parse().unwrap(), Arc::new(Disk::default()), Arc::default());
        room.join(1, &hello(), Arc::default());
        room.submit(1, &mut VecDeque::from([(1, text())]));
        let one = room.snapshot(&mut room.lock());
        let other = room.snapshot(&mut room.lock());
        assert!(Arc::ptr_eq(&one, &other));
    }
}
