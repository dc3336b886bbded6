//! A room: a board that is open, its members, and the tick at which it flushes.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use inkwire_board::{Board, Presence, Standing, StateHash, Submitted};
use inkwire_protocol::{
    Action, AuditRecord, AuthorName, ClientId, Colour, Epoch, Operation, Reaction, Reason, RejectReason, Role,
    ServerMessage, Shape, StorageState, Text, binary,
};

use super::access::{self, Access, Caller, Digest, Done, Ingredients, OrderError, Target, Verdict};
use super::bucket::{Bucket, SharedBucket};
use super::encoding::Encoding;
use super::flush::{Flush, Packet};
use super::hello::Hello;
use super::limits::Limits;
use super::ring::Ring;
use super::snapshots::{Encoded, Snapshot, Snapshots};
use super::tick::Tick;
use crate::in_flight::{InFlight, Reader};
use crate::log::Gate;
use crate::metrics::{Metrics, Refused};
use crate::name::BoardName;
use crate::random;
use crate::storage::{self, Chronicle, KeptAccess, Lease, Part, RESERVED, Storage, StorageError, Stored};
use crate::wakeup::Wakeup;
use crate::ws::Outgoing;

/// Deletions of all that somebody drew that are remembered, so that the audit list says when one is undone.
const CLEARINGS: usize = 256;
/// People who have gone that are remembered, so that a host can still ban and mute them.
const GONE: usize = 64;
/// A chronicle that was read is told again for so long, unless something was drawn or became durable meanwhile.
const CHRONICLE_AGE: Duration = Duration::from_secs(1);
/// How long a member waits for room for its snapshot before it asks again.
const NO_ROOM: Duration = Duration::from_millis(20);
/// Pointers are sent at most this often.
const PRESENCE_TICK: Duration = Duration::from_millis(33);
/// Between two snapshots that a member is given because its state hash is another one.
const SNAPSHOTS_APART: Duration = Duration::from_secs(5);
/// New boards that may be made of one at once, and how many in a second for long: each copies all of it, with its past.
const BRANCHES: f64 = 5.0;
const BRANCHES_PER_SECOND: f64 = 1.0 / 60.0;
/// Elements that one call of [`Room::submit`] works on before it leaves the room to others: about a millisecond.
const WORK: u64 = 2_000;

/// One board that is open and that the storage has nothing of yet, among all that are. It is one until this is dropped.
#[derive(Debug)]
struct Uncounted(Arc<AtomicU64>);

impl Uncounted {
    /// One more, and how many there were.
    fn begin(all: &Arc<AtomicU64>) -> (Self, u64) {
        let before = all.fetch_add(1, Ordering::Relaxed);
        (Self(all.clone()), before)
    }
}

impl Drop for Uncounted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A board that is open.
#[derive(Debug)]
pub struct Room {
    name: BoardName,
    metrics: Arc<Metrics>,
    storage: Arc<dyn Storage>,
    limits: Arc<Limits>,
    in_flight: Arc<InFlight>,
    /// Whether this board would be one more than there may be.
    is_beyond: bool,
    state: Mutex<State>,
    /// See [`State::dismissals`].
    dismissals: Arc<AtomicU64>,
    /// Counts this board as long as the storage does not.
    uncounted: Mutex<Option<Uncounted>>,
    /// The chronicle that was read last.
    chronicle: Mutex<Option<ReadChronicle>>,
    /// Held while who may do what is written, so that the last word is the last one written.
    keeping: Mutex<()>,
    lease: Lease,
    /// Whether a new board was counted for an address.
    is_made: AtomicBool,
}

/// A chronicle that was read, when, and the sequence number and the durable mark then.
#[derive(Debug)]
struct ReadChronicle {
    chronicle: Arc<Chronicle>,
    since: Instant,
    stand: (u64, u64),
}

#[derive(Debug)]
struct State {
    board: Board,
    access: Access,
    /// Raised whenever somebody may do something else now; from 1.
    access_version: u64,
    /// Author numbers up to this one are reserved in the storage.
    reserved_author: u32,
    /// Bytes that the board takes on the disk, at most: compaction packs them.
    stored_bytes: u64,
    points: SharedBucket,
    bytes: SharedBucket,
    branches: Bucket,
    /// Names of authors that the storage does not know yet.
    names: Vec<AuthorName>,
    /// The last ones first.
    clearings: VecDeque<Clearing>,
    /// Who was here while the board was hosted, by their author numbers, the last ones first.
    gone: VecDeque<(u32, Target)>,
    epoch: Epoch,
    /// Entries since the last flush, encoded as they will stand in it.
    gathered: Vec<u8>,
    gathered_first: u64,
    gathered_since: Instant,
    /// Clients that drew here for the first time since the last flush.
    newcomers: Vec<(ClientId, u32)>,
    ring: Ring,
    presence: Presence,
    /// The version of the presence that members may send: it moves with the flushes, not with every pointer.
    presence_flushed: u64,
    /// The last change of presence, encoded once: from which version, to which.
    presence_packet: Option<(u64, u64, Arc<Packet>)>,
    presence_flush: Instant,
    /// Every operation up to this number is on disk.
    mark: u64,
    /// The mark that members may be told, and its packet: it moves with the flushes.
    mark_flushed: u64,
    mark_packet: Packet,
    storage_state: StorageState,
    /// As long as a member waits for a snapshot or reads one.
    snapshots: Option<Box<Snapshots>>,
    members: HashMap<u64, Seat>,
    /// Raised whenever connections are to end, from 1: only then each looks whether it is one of them.
    dismissals: Arc<AtomicU64>,
    tick: Tick,
    /// The moment at which somebody has promised to flush.
    flush_scheduled: Option<Instant>,
    /// The room is no longer that of its board: nobody draws here any more.
    evicted: Option<Reason>,
    /// Somebody sees to it that the room is closed when nobody comes back.
    is_closing: bool,
}

#[derive(Debug)]
struct Seat {
    client: ClientId,
    author: u32,
    wakeup: Arc<Wakeup>,
    /// Another connection of the same client has taken the place.
    replaced: bool,
    role: Role,
    caller: Caller,
    /// Why a host has ended this connection.
    dismissed: Option<Reason>,
}

impl Seat {
    fn is_taken(&self) -> bool {
        !self.replaced && self.dismissed.is_none()
    }
}

/// What of the room a member has sent: its place in the log and in what is not in the log.
#[derive(Debug)]
pub(super) struct Position {
    log: LogPosition,
    presence: u64,
    mark: u64,
    storage_state: Option<StorageState>,
    member: u64,
    access: u64,
    /// When this member may do something else by itself: a pen is given back, a link expires.
    changes_at: Option<Instant>,
    /// When to ask again for a snapshot for which there was no room.
    again_at: Option<Instant>,
    wrong: Option<Box<Wrong>>,
}

/// The answers to a member's wrong state hashes.
#[derive(Debug, Default)]
struct Wrong {
    /// When it was last given a snapshot for one.
    snapshot: Option<Instant>,
    lines: Gate,
}

impl Position {
    /// When this member may do something else by itself: a pen is given back, a link expires.
    pub(super) fn changes_at(&self) -> Option<Instant> {
        self.changes_at
    }

    /// When to ask again for a snapshot for which there was no room.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// The connection ends: what it holds of a snapshot is for others.
    pub(super) fn ends_snapshot(&mut self) {
        if matches!(self.log, LogPosition::Waiting(_) | LogPosition::Snapshot(_)) {
            self.log = LogPosition::Over;
        }
    }

    /// Whether the member has read a snapshot for so long that others need the room; it lets go of it then.
    pub(super) fn is_slow(&mut self) -> bool {
        let is_dismissed = matches!(&self.log, LogPosition::Snapshot(reading) if reading.reader.is_dismissed());
        if is_dismissed {
            self.log = LogPosition::Over;
        }
        is_dismissed
    }
}

#[derive(Debug)]
enum LogPosition {
    /// Before a snapshot that is not encoded yet.
    Waiting(Arc<()>),
    /// In the middle of a snapshot.
    Snapshot(Box<Reading>),
    /// Nothing more is sent.
    Over,
    /// Before the flush of this number.
    Ring(u64),
}

/// A member's place in a snapshot.
#[derive(Debug)]
struct Reading {
    snapshot: Arc<Snapshot>,
    at: usize,
    reader: Reader,
    _user: Arc<()>,
}

/// Somebody who is here, as the operator sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRecord {
    /// The author number.
    pub author: u32,
    /// The name, cleaned.
    pub name: String,
    /// The address, where it is known.
    pub address: Option<IpAddr>,
    /// What they may do.
    pub standing: Standing,
}

/// What a newcomer is told.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) author: u32,
    pub(super) welcome: ServerMessage,
    pub(super) access: Option<ServerMessage>,
    pub(super) storage: ServerMessage,
    pub(super) position: Position,
    /// Whether this member has begun to host the board, which is to be kept.
    pub(super) begins: bool,
}

/// Why somebody has not joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// For good, as far as this connection goes.
    Reason(Reason),
    /// Not before the password is known to be that of this hash.
    Password(String),
}

/// What drawing costs: points, and bytes as they came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) points: usize,
    pub(super) bytes: usize,
}

/// What [`Room::submit`] has done.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// On how many elements it has worked; at least 1 for each operation.
    pub(super) elements: u64,
    /// Which operations broke which rule.
    pub(super) rejects: Vec<(u64, RejectReason)>,
    /// How long to wait because all of the board together draw too much, and this member more than its part.
    pub(super) pause: Option<Duration>,
    /// Whether that will soon be so.
    pub(super) is_low: bool,
    /// What the audit list is to say of it.
    pub(super) deeds: Vec<Deed>,
}

/// What a host did to all that somebody else drew, who may have gone long ago.
#[derive(Debug)]
pub(super) struct Deed {
    record: AuditRecord,
    whose: u32,
}

/// A `clearAuthor` of what another one drew: who did it, in which gesture, and whose ink it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clearing {
    by: u32,
    gesture: u64,
    whose: u32,
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
    /// Opens a board as the storage has it; `uncounted` are the boards that are open and that it has nothing of yet.
    pub fn open(
        name: BoardName,
        stored: Stored,
        storage: Arc<dyn Storage>,
        metrics: Arc<Metrics>,
        limits: Arc<Limits>,
        uncounted: &Arc<AtomicU64>,
        in_flight: Arc<InFlight>,
    ) -> Self {
        let Stored { epoch, mut board, access, reserved_author, bytes, lease } = stored;
        board.take_at_most(limits.elements);
        let is_new = board.seq() == 0 && access == KeptAccess::Everybody;
        let uncounted = is_new.then(|| Uncounted::begin(uncounted));
        let others = |before: u64| storage.count().map(|count| count + before);
        let is_beyond =
            uncounted.as_ref().is_some_and(|(_, before)| others(*before).is_ok_and(|all| all >= limits.boards));
        // One that is refused does not keep another one out.
        let uncounted = uncounted.filter(|_| !is_beyond).map(|(one, _)| one);
        let (access, problem) = Access::of(&access);
        if let Some(problem) = problem {
            static LINES: Gate = Gate::new();
            if let Some(suppressed) = LINES.admit() {
                tracing::error!(board = %name, problem, suppressed, "who may do what is damaged");
            }
        }
        let now = Instant::now();
        let mark = board.seq();
        let dismissals = Arc::new(AtomicU64::new(1));
        let state = State {
            ring: Ring::behind(mark, board.hash()),
            board,
            access,
            access_version: 1,
            reserved_author,
            stored_bytes: bytes,
            points: SharedBucket::of(limits.board_points, now),
            bytes: SharedBucket::of(limits.board_bytes, now),
            branches: Bucket::holding(BRANCHES, BRANCHES_PER_SECOND, now),
            names: Vec::new(),
            clearings: VecDeque::new(),
            gone: VecDeque::new(),
            epoch,
            gathered: Vec::new(),
            gathered_first: 0,
            gathered_since: now,
            newcomers: Vec::new(),
            presence: Presence::default(),
            presence_flushed: 0,
            presence_packet: None,
            presence_flush: now,
            mark,
            mark_flushed: mark,
            mark_packet: Packet::of(&[ServerMessage::Mark { seq: mark }]),
            storage_state: storage.state(),
            snapshots: None,
            members: HashMap::new(),
            dismissals: dismissals.clone(),
            tick: Tick::new(now),
            flush_scheduled: None,
            evicted: None,
            is_closing: false,
        };
        metrics.rooms.inc();
        let (state, uncounted) = (Mutex::new(state), Mutex::new(uncounted));
        let (chronicle, keeping) = Default::default();
        Self {
            name,
            metrics,
            storage,
            limits,
            in_flight,
            is_beyond,
            state,
            dismissals,
            uncounted,
            chronicle,
            keeping,
            lease,
            is_made: AtomicBool::new(false),
        }
    }

    /// The board's name.
    pub fn name(&self) -> &BoardName {
        &self.name
    }

    /// Sends what was gathered, whether that is due or not; for a server that stops.
    pub fn flush_now(&self) {
        let mut state = self.lock();
        self.flush(&mut state);
        state.members.values().for_each(|seat| seat.wakeup.wake());
    }

    /// Whether everything on the board is on disk, so that it can be opened from there again.
    pub(super) fn is_durable(&self) -> bool {
        let state = self.lock();
        state.gathered.is_empty() && state.mark >= state.board.seq()
    }

    /// Whether the storage has a record of this board, once all is written.
    pub(super) fn is_stored(&self) -> bool {
        let state = self.lock();
        state.board.seq() > 0 || state.access.is_hosted()
    }

    /// Whether the next visitor would make this board, and none was counted for that.
    pub(super) fn is_unmade(&self) -> bool {
        let is_new = self.uncounted.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        is_new && !self.is_made.load(Ordering::Relaxed)
    }

    /// A visitor was counted who makes this board.
    pub(super) fn is_made(&self) {
        self.is_made.store(true, Ordering::Relaxed);
    }

    /// The storage has every operation up to this number on disk.
    pub(super) fn became_durable(&self, seq: u64) {
        let mut state = self.lock();
        state.mark = state.mark.max(seq);
        drop(state);
        self.is_counted();
    }

    /// The storage has something of this board.
    fn is_counted(&self) {
        self.uncounted.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The storage is in another state.
    pub(super) fn storage_became(&self, storage_state: StorageState) {
        let mut state = self.lock();
        if state.storage_state == storage_state {
            return;
        }
        state.storage_state = storage_state;
        state.members.values().for_each(|seat| seat.wakeup.wake());
    }

    /// The board, with the right to write it.
    pub(crate) fn claim(&self) -> (BoardName, Lease) {
        (self.name.clone(), self.lease.clone())
    }

    /// The room is no longer that of its board: its members are told so, and what they still send is dropped.
    pub(super) fn evict(&self, reason: Reason) {
        self.lease.end();
        let mut state = self.lock();
        state.evicted = Some(reason);
        state.gathered.clear();
        state.lets_go();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in a handler ends that connection; the board changes only by whole operations, so it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member joins with what it has: its client id, the epoch and sequence number it knows, what it has to show, and the
    /// hash of the password that it is known to know.
    pub(super) fn join(
        &self,
        member: u64,
        hello: &Hello,
        caller: Caller,
        knows: Option<&str>,
        wakeup: Arc<Wakeup>,
    ) -> Result<Joined, Refusal> {
        let mut state = self.lock();
        let now = storage::now();
        let others = state.members.values().filter(|seat| seat.is_taken() && seat.client != hello.client_id).count();
        if self.is_beyond && state.board.seq() == 0 {
            return Err(Refusal::Reason(Reason::TooManyBoards));
        }
        // There is always room for whoever keeps order in it.
        let is_host = || matches!(state.access.admit(&caller, now), Verdict::Welcome(Role::Host));
        if others >= self.limits.members && !is_host() {
            return Err(Refusal::Reason(Reason::Full));
        }
        let begins = state.begins_hosting(&caller, now);
        let role = match state.access.admit(&caller, now) {
            Verdict::Welcome(role) => role,
            Verdict::WithPassword(role, hash) if knows == Some(hash.as_str()) => role,
            Verdict::WithPassword(_, hash) => return Err(Refusal::Password(hash)),
            Verdict::Refused(reason) => return Err(Refusal::Reason(reason)),
        };
        self.flush(&mut state);
        let author = state.seat(member, hello.client_id, role, caller, wakeup);
        self.reserve_authors(&mut state);
        let standing = state.access.standing(role, &caller.someone, now);
        // A name is speech too: leaving and coming back is no way round a mute.
        let known = if standing.muted { state.known_name(&caller) } else { None };
        state.presence.here(author, known.as_deref().unwrap_or(&hello.name), hello.colour);
        state.presence.standing(author, standing);
        if state.board.remembers(hello.client_id) {
            state.keep_name(author);
        }
        let log = match state.ring.after(hello.seq) {
            Some(next) if hello.epoch == state.epoch && state.ring.hash_at(hello.seq) == Some(hello.hash) => {
                LogPosition::Ring(next)
            }
            _ => {
                if hello.epoch == state.epoch && state.has_another_past(hello) {
                    self.metrics.resynchronised.inc();
                }
                self.waiting(&mut state)
            }
        };
        let welcome = ServerMessage::Welcome {
            author,
            epoch: state.epoch,
            seq: state.board.seq(),
            cseq: state.board.cseq(author),
            mark: state.mark,
        };
        self.metrics.members.inc();
        let (mark, changes_at, storage_state, wrong) = (state.mark, None, Some(state.storage_state), None);
        let mut position =
            Position { log, presence: 0, mark, storage_state, member, access: 0, changes_at, again_at: None, wrong };
        let storage = ServerMessage::Storage { state: state.storage_state };
        // Before the log, so that nothing is sent that would not be taken.
        let access = state.access_of(&mut position);
        Ok(Joined { author, welcome, access, storage, position, begins })
    }

    /// Has the next block of author numbers reserved while half of the last one is left.
    fn reserve_authors(&self, state: &mut State) {
        if state.board.last_author().saturating_add(RESERVED / 2) > state.reserved_author {
            state.reserved_author = state.reserved_author.saturating_add(RESERVED);
            self.storage.reserve_authors(&self.name, state.reserved_author);
        }
    }

    /// Returns whether a member hosts the board now.
    pub(super) fn is_host(&self, member: u64) -> bool {
        self.lock().host(member).is_some()
    }

    /// Carries out an order of a host. What came of it, and what the audit list is to say, is to be kept.
    pub(super) fn moderate(
        &self,
        member: u64,
        action: &Action,
        with: Ingredients,
    ) -> Result<(Done, AuditRecord), OrderError> {
        let mut state = self.lock();
        let host = state.host(member).ok_or(OrderError::NotHost)?;
        let who = state.name(host);
        let (done, whom) = state.order(Some(member), action, with.clone())?;
        let record = AuditRecord { at: with.now, who, what: done.what.clone(), whom };
        Ok((done, record))
    }

    /// Carries out an order of the operator, and keeps what came of it; gives the link where one was made. Blocks.
    ///
    /// # Errors
    /// If it cannot be carried out or kept.
    pub fn operate(&self, action: &Action) -> Result<Option<ServerMessage>, StorageError> {
        let said = |error: OrderError| StorageError::Order(error.to_string());
        let with = Ingredients { now: storage::now(), secret: random::token(), password: None };
        let (done, whom) = self.lock().order(None, action, with.clone()).map_err(said)?;
        let record = AuditRecord { at: with.now, who: "operator".into(), what: done.what.clone(), whom };
        self.keep_access(vec![record])?;
        Ok(done.answer)
    }

    /// Keeps who may do what now, and what was ordered. Blocks.
    ///
    /// # Errors
    /// If the disk takes nothing now.
    pub(super) fn keep_access(&self, orders: Vec<AuditRecord>) -> Result<(), StorageError> {
        let _turn = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.lock().access.record();
        self.storage.keep_access(&self.name, record, orders, &self.lease)?;
        self.is_counted();
        Ok(())
    }

    /// Keeps what hosts did to what others drew, with the names of those who have gone. Blocks.
    pub(super) fn keep_deeds(&self, deeds: Vec<Deed>) -> Result<(), StorageError> {
        let is_gone = deeds.iter().any(|deed| deed.record.whom.is_empty());
        let names = if is_gone { self.storage.chronicle(&self.name)?.names } else { Vec::new() };
        let named = |Deed { mut record, whose }| {
            if record.whom.is_empty() {
                let known = names.iter().find(|known| known.author == whose);
                record.whom = known.map_or_else(|| format!("#{whose}"), |known| known.name.clone());
            }
            record
        };
        self.keep_access(deeds.into_iter().map(named).collect())
    }

    /// Who is here.
    pub fn members(&self) -> Vec<MemberRecord> {
        let state = self.lock();
        let now = storage::now();
        let mut all: Vec<MemberRecord> = state
            .members
            .values()
            .filter(|seat| seat.is_taken())
            .map(|seat| MemberRecord {
                author: seat.author,
                name: state.name(seat.author),
                address: seat.caller.address,
                standing: state.access.standing(seat.role, &seat.caller.someone, now),
            })
            .collect();
        all.sort_by_key(|member| member.author);
        all
    }

    /// The last sequence number of the board.
    pub fn seq(&self) -> u64 {
        self.lock().board.seq()
    }

    /// Ends somebody's connections, also those of a host, and keeps that it was done; says whether there was one. Blocks.
    ///
    /// # Errors
    /// If the disk does not take that it was done.
    pub fn disconnect(&self, author: u32) -> Result<bool, StorageError> {
        let mut state = self.lock();
        let whom = state.name(author);
        let mut found = false;
        for seat in state.members.values_mut().filter(|seat| seat.author == author && seat.is_taken()) {
            seat.dismissed = Some(Reason::Removed);
            found = true;
        }
        state.lets_go();
        drop(state);
        if found {
            let record = AuditRecord { at: storage::now(), who: "operator".into(), what: "remove".into(), whom };
            self.keep_access(vec![record])?;
        }
        Ok(found)
    }

    /// When the board was drawn and by whom. Many who ask at once are told what was read once. Blocks.
    ///
    /// # Errors
    /// If it cannot be read now.
    pub(super) fn chronicle(&self) -> Result<Arc<Chronicle>, StorageError> {
        let mut last = self.chronicle.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.lock();
        let stand = (state.board.seq(), state.mark);
        drop(state);
        if let Some(last) = &*last
            && last.stand == stand
            && last.since.elapsed() < CHRONICLE_AGE
        {
            return Ok(last.chronicle.clone());
        }
        *last = None;
        let chronicle = Arc::new(self.storage.chronicle(&self.name)?);
        *last = Some(ReadChronicle { chronicle: chronicle.clone(), since: Instant::now(), stand });
        Ok(chronicle)
    }

    /// What hosts have set.
    pub(super) fn rules(&self) -> ServerMessage {
        self.lock().access.rules()
    }

    /// The time has come at which a member may do something else by itself.
    pub(super) fn changes(&self, position: &mut Position) {
        position.changes_at = None;
        self.lock().stand_anew();
    }

    /// Lets go of the parts of a snapshot that nobody needs.
    pub(super) fn drop_unused_snapshots(&self) {
        self.lock().drop_unused_snapshots();
    }

    /// A member has gone.
    pub(super) fn leave(&self, member: u64) {
        let mut state = self.lock();
        let Some(seat) = state.members.remove(&member) else { return };
        state.points.leave(member);
        state.tick.left(member);
        state.bytes.leave(member);
        self.metrics.members.dec();
        state.drop_unused_snapshots();
        if !seat.replaced {
            state.goes(&seat);
        }
    }

    /// Whether the caller must see to it that the room is closed: nobody is here, and nobody has promised it yet.
    pub(super) fn begins_closing(&self) -> bool {
        let mut state = self.lock();
        let is_over = state.members.is_empty() && state.evicted.is_none();
        is_over && !std::mem::replace(&mut state.is_closing, true)
    }

    /// Whether the room is still to be closed; a room to which somebody has come back is not.
    pub(super) fn goes_on_closing(&self) -> bool {
        let mut state = self.lock();
        state.is_closing = state.members.is_empty();
        state.is_closing
    }

    /// Why a member must go: another connection has taken its place, a host says so, or the room is no longer that of its
    /// board. Nothing is looked up where nobody was to go since this was last `asked`, from 0.
    pub(super) fn dismisses(&self, member: u64, asked: &mut u64) -> Option<Reason> {
        let dismissals = self.dismissals.load(Ordering::Acquire);
        if std::mem::replace(asked, dismissals) == dismissals {
            return None;
        }
        let state = self.lock();
        let seat = state.members.get(&member);
        let own = || seat.and_then(|seat| if seat.replaced { Some(Reason::Replaced) } else { seat.dismissed });
        state.evicted.or_else(own)
    }

    /// Compares a member's state hash with what the board had there. A member that has another state has met a mistake of
    /// ours, or says so: it is given a snapshot, and what is known is logged, both now and then.
    pub(super) fn check(&self, author: u32, position: &mut Position, seq: u64, hash: StateHash) {
        let (mut state, now) = (self.lock(), Instant::now());
        let Some(expected) = state.ring.hash_at(seq).filter(|expected| *expected != hash) else { return };
        self.metrics.diverged.inc();
        let wrong = position.wrong.get_or_insert_default();
        if wrong.snapshot.is_none_or(|last| now >= last + SNAPSHOTS_APART) {
            wrong.snapshot = Some(now);
            position.log = self.waiting(&mut state);
        }
        let epoch = state.epoch;
        drop(state);
        if let Some(suppressed) = wrong.lines.admit() {
            tracing::error!(board = %self.name, ?epoch, author, seq, %expected, found = %hash, suppressed, "a member's board is not the room's: it gets a snapshot");
        }
    }

    /// Gives a member's operations their place in the log, first come, first served, until the work is enough for one
    /// go; tells which ones broke a rule, and on how many elements it has worked.
    pub(super) fn submit(&self, member: u64, operations: &mut VecDeque<(u64, Operation)>, cost: Cost) -> Work {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(seat) = state.members.get(&member).filter(|seat| seat.is_taken() && state.evicted.is_none()) else {
            operations.clear();
            return Work::default();
        };
        let (author, client, role) = (seat.author, seat.client, seat.role);
        let rejection = state.access.rejects(role, &seat.caller.someone, storage::now());
        let is_full = state.stored_bytes > self.limits.board_size || self.storage.is_full();
        let now = Instant::now();
        let mut work = state.spend(member, cost, now);
        while work.elements < WORK
            && let Some((cseq, operation)) = operations.pop_front()
        {
            let before = state.board.work();
            let is_new = cseq > state.board.cseq(author);
            let deeds = state.deeds_of(author, cseq, &operation);
            let by_access = state.access.rejects_operation(rejection, role, author, &operation);
            let by_size = (is_full && adds(&operation)).then_some(RejectReason::BoardFull);
            if let Some(reason) = by_access.or(by_size)
                && is_new
            {
                if by_access.is_none() {
                    self.metrics.refuse(Refused::Size);
                }
                self.metrics.rejects.inc();
                work.rejects.push((cseq, reason));
                work.elements += 1;
                continue;
            }
            match state.board.submit(author, cseq, operation) {
                Ok(Submitted::Logged(entry)) => {
                    if !state.board.remembers(client) {
                        state.board.remember(client, author);
                        state.newcomers.push((client, author));
                        state.keep_name(author);
                    }
                    if state.gathered.is_empty() {
                        state.gathered_first = state.board.seq();
                        state.gathered_since = now;
                    }
                    work.deeds.extend(deeds.into_iter().map(|(what, clearing)| state.did(what, clearing)));
                    binary::put_entry(&mut state.gathered, &entry);
                    state.tick.drew(member, now);
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
            // An operation that touches nothing, or is refused, is work as well.
            work.elements += (state.board.work() - before).max(1);
        }
        work
    }

    /// A member's pointer moved.
    pub(super) fn cursor(&self, author: u32, at: Option<[i32; 2]>) {
        self.lock().presence.cursor(author, at);
    }

    /// A member's laser points at a place. That of somebody who is muted is a pointer like any other.
    pub(super) fn laser(&self, member: u64, author: u32, at: [i32; 2]) {
        let mut state = self.lock();
        match state.is_muted(member) {
            true => state.presence.cursor(author, Some(at)),
            false => state.presence.laser(author, at),
        }
    }

    /// A member drags a shape out, or does no longer.
    pub(super) fn draft(&self, author: u32, shape: Option<Shape>) {
        self.lock().presence.draft(author, shape);
    }

    pub(super) fn writing(&self, author: u32, text: Option<Text>) {
        self.lock().presence.writing(author, text);
    }

    /// A member raises a hand, or takes it down.
    pub(super) fn hand(&self, author: u32, raised: bool) {
        self.lock().presence.hand(author, raised);
    }

    /// A member shows something for a moment; nobody sees what somebody shows who is muted.
    pub(super) fn react(&self, member: u64, author: u32, reaction: Reaction) {
        let mut state = self.lock();
        if !state.is_muted(member) {
            state.presence.react(author, reaction);
        }
    }

    /// Whether another board may be made of this one now; then it counts.
    pub(super) fn may_branch(&self) -> bool {
        let (mut state, now) = (self.lock(), Instant::now());
        state.branches.spend(0.0, now);
        let may = state.branches.pause().is_none();
        if may {
            state.branches.spend(1.0, now);
        }
        may
    }

    /// Whether what a member draws is taken now.
    pub(super) fn may_draw(&self, member: u64) -> bool {
        self.lock().standing_of(member).is_some_and(|standing| standing.draws)
    }

    /// A member sees another part of the board.
    pub(super) fn view(&self, author: u32, view: Option<[i32; 4]>) {
        self.lock().presence.view(author, view);
    }

    /// A member has a new name or colour. Somebody who is muted keeps those that the others see.
    pub(super) fn profile(&self, member: u64, author: u32, name: &str, colour: Colour) {
        let mut state = self.lock();
        if state.is_muted(member) {
            return;
        }
        state.presence.here(author, name, colour);
        if state.board.cseq(author) > 0 {
            state.keep_name(author);
        }
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

    /// Makes what was gathered one packet for everybody, and wakes those for whom it is time.
    fn flush(&self, state: &mut State) {
        let now = Instant::now();
        let has_operations = !state.gathered.is_empty();
        let has_pointers =
            state.presence.version() > state.presence_flushed && now >= state.presence_flush + PRESENCE_TICK;
        let has_mark = state.mark > state.mark_flushed;
        if has_operations {
            self.flush_operations(state, now);
        }
        if has_pointers {
            state.flush_presence(now);
        }
        if has_mark {
            state.mark_flushed = state.mark;
            state.mark_packet = Packet::of(&[ServerMessage::Mark { seq: state.mark }]);
        }
        state.tell(has_operations || has_pointers || has_mark, now);
    }

    fn flush_operations(&self, state: &mut State, now: Instant) {
        let (first_seq, last_seq, hash) = (state.gathered_first, state.board.seq(), state.board.hash());
        let flush = Flush::of(first_seq, &state.gathered, last_seq, hash);
        state.gathered.clear();
        let (epoch, packet) = (state.epoch, flush.packet.bytes.clone());
        let (clients, names) = (std::mem::take(&mut state.newcomers), std::mem::take(&mut state.names));
        let reserved_author = state.reserved_author;
        state.stored_bytes += packet.len() as u64;
        let part = Part { epoch, first_seq, last_seq, packet, hash, clients, names, reserved_author };
        self.storage.append(&self.name, part);
        state.ring.push(flush);
        self.metrics.flushes.inc();
        self.metrics.flush_lag.observe((now - state.gathered_since).as_secs_f64());
    }

    /// Before a snapshot: for a newcomer, or a member that is too far behind.
    fn waiting(&self, state: &mut State) -> LogPosition {
        self.metrics.snapshots.inc();
        let State { snapshots, board, .. } = state;
        let snapshots = snapshots.get_or_insert_with(|| Box::new(Snapshots::of(board, &self.in_flight)));
        LogPosition::Waiting(snapshots.user())
    }

    /// The snapshot for a member that waits: the one that others are being given, or one that is encoded now. `None` if that takes
    /// more turns, of which the member is given the next.
    fn snapshot(&self, state: &mut State, member: u64, again_at: &mut Option<Instant>) -> Option<Arc<Snapshot>> {
        let snapshots = state.snapshots.as_mut().expect("Bug: they are there while a member waits");
        if let Some(last) = snapshots.last(&state.ring) {
            return Some(last);
        }
        match snapshots.encode(&mut state.board) {
            Encoded::All => {}
            Encoded::More => {
                state.members.get(&member).into_iter().for_each(|seat| seat.wakeup.wake());
                return None;
            }
            Encoded::NoRoom => {
                *again_at = Some(Instant::now() + NO_ROOM);
                return None;
            }
        }
        self.flush(state);
        let State { snapshots, board, ring, .. } = state;
        snapshots.as_mut().map(|snapshots| snapshots.whole(board, ring.end()))
    }

    /// Gives a member the next frames, until its outgoing bytes are enough for now.
    pub(super) fn pull(&self, position: &mut Position, encoding: Encoding, out: &mut Outgoing) {
        let mut state = self.lock();
        position.again_at = None;
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
            position.log = self.waiting(state);
        }
        match &mut position.log {
            LogPosition::Over => None,
            LogPosition::Waiting(_) => {
                self.begin_reading(state, position)?;
                self.next(state, position, encoding)
            }
            LogPosition::Snapshot(reading) => {
                let frame = reading.snapshot.packets[reading.at].frame_once(encoding);
                reading.at += 1;
                if reading.at == reading.snapshot.packets.len() {
                    position.log = LogPosition::Ring(reading.snapshot.then);
                    state.drop_unused_snapshots();
                }
                Some(frame)
            }
            LogPosition::Ring(at) => match state.ring.from(*at) {
                Some((packet, next)) => {
                    *at = next;
                    Some(packet.frame(encoding))
                }
                // Who has all of the log gets what is not in it; who lags does not, and misses nothing that counts.
                None => state.next_beside_the_log(position, encoding),
            },
        }
    }

    /// Has a member that waits for a snapshot read it, if it is encoded.
    #[cold]
    fn begin_reading(&self, state: &mut State, position: &mut Position) -> Option<()> {
        let LogPosition::Waiting(user) = &position.log else { return None };
        let (snapshot, user) = (self.snapshot(state, position.member, &mut position.again_at)?, user.clone());
        let wakeup = state.members.get(&position.member)?.wakeup.clone();
        let reader = self.in_flight.reader(wakeup);
        position.log = LogPosition::Snapshot(Box::new(Reading { snapshot, at: 0, reader, _user: user }));
        Some(())
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

impl Drop for Room {
    fn drop(&mut self) {
        self.metrics.rooms.dec();
    }
}

impl State {
    /// Lets go of what was encoded for snapshots once nobody waits for one or reads one.
    fn drop_unused_snapshots(&mut self) {
        if self.snapshots.take_if(|snapshots| snapshots.are_unused()).is_some() {
            self.board.track_changes(false);
        }
    }

    /// Seats a member, in the place of an earlier connection of the same client where there is one.
    fn seat(&mut self, member: u64, client: ClientId, role: Role, caller: Caller, wakeup: Arc<Wakeup>) -> u32 {
        let mut author = None;
        for seat in self.members.values_mut().filter(|seat| seat.client == client && !seat.replaced) {
            seat.replaced = true;
            author = Some(seat.author);
        }
        if author.is_some() {
            self.lets_go();
        }
        let author = author.unwrap_or_else(|| self.board.author_for(client));
        self.members.insert(member, Seat { client, author, wakeup, replaced: false, role, caller, dismissed: None });
        author
    }

    /// Whoever comes first to a board that nobody has drawn on or hosts, with a secret that is not that of a link for others, is its
    /// host: a board that is gone must not come back as that of whoever had only looked on.
    fn begins_hosting(&mut self, caller: &Caller, now: u64) -> bool {
        let is_free = !self.access.is_hosted() && self.board.seq() == 0 && self.members.is_empty();
        let secret = caller.token.filter(|_| is_free && caller.begins);
        secret.into_iter().for_each(|secret| self.access.begin(secret, now));
        secret.is_some()
    }

    /// Those who are to go are told so. It is counted first: who is woken asks without the lock, and sleeps on where nothing was.
    fn lets_go(&self) {
        self.dismissals.fetch_add(1, Ordering::Release);
        let goes = |seat: &&Seat| self.evicted.is_some() || !seat.is_taken();
        self.members.values().filter(goes).for_each(|seat| seat.wakeup.wake());
    }

    /// Carries out an order of a member, or of the operator; gives what came of it, and the name of whom it was about.
    fn order(&mut self, by: Option<u64>, action: &Action, with: Ingredients) -> Result<(Done, String), OrderError> {
        let whom = access::target_of(action);
        let target = whom.and_then(|author| self.target(author).or_else(|| self.gone_target(action, author)));
        let name = match (action, &target) {
            (_, Some((_, target))) => target.name.clone(),
            (Action::Unban { ban }, None) => self.access.banned(*ban).unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let done = self.access.order(action, target.as_ref().map(|(_, target)| target), with)?;
        if let Some((author, target)) = target {
            self.let_go(action, author, &target);
        }
        for (id, seat) in &mut self.members {
            if done.revoked.is_some() && seat.caller.token == done.revoked {
                match &done.answer {
                    // Whoever made a link anew has the new one.
                    Some(ServerMessage::Link { token, .. }) if Some(*id) == by => {
                        seat.caller.token = Some(Digest::of(&token.0));
                    }
                    _ => seat.dismissed = Some(Reason::Forbidden),
                }
            }
        }
        self.stand_anew();
        Ok((done, name))
    }

    fn target(&self, author: u32) -> Option<(u32, Target)> {
        let seat = self.members.values().find(|seat| seat.author == author && seat.is_taken())?;
        Some((author, self.target_at(seat)))
    }

    fn target_at(&self, seat: &Seat) -> Target {
        let Caller { someone, address, .. } = seat.caller;
        Target { someone, address, name: self.name(seat.author), role: seat.role }
    }

    /// Whom an order is about that also holds for those who are going or have gone: whoever spoils a board does not wait for a host.
    fn gone_target(&self, action: &Action, author: u32) -> Option<(u32, Target)> {
        if !matches!(action, Action::Ban { .. } | Action::Mute { .. }) {
            return None;
        }
        let goes = self.members.values().find(|seat| seat.author == author && !seat.replaced);
        let gone = || self.gone.iter().find(|(gone, _)| *gone == author).cloned();
        goes.map(|seat| (author, self.target_at(seat))).or_else(gone)
    }

    /// Nobody is at a seat any more. Where nobody hosts, nobody will ask for whoever it was.
    fn goes(&mut self, seat: &Seat) {
        let author = seat.author;
        if self.access.is_hosted() {
            self.gone.retain(|(gone, _)| *gone != author);
            self.gone.truncate(GONE - 1);
            self.gone.push_front((author, self.target_at(seat)));
        }
        self.presence.gone(author);
    }

    /// What an order does to whom it names, beside what is kept of it.
    fn let_go(&mut self, action: &Action, author: u32, target: &Target) {
        let (reason, by_address) = match action {
            Action::Remove { .. } => (Reason::Removed, false),
            Action::Ban { address, .. } => (Reason::Banned, *address),
            Action::LowerHand { .. } => return self.presence.hand(author, false),
            _ => return,
        };
        // Also in another tab, which is another client; but no host goes along.
        let is_same = |seat: &Seat| {
            let caller = &seat.caller;
            caller.someone.is(&target.someone) || (by_address && caller.address == target.address)
        };
        for seat in self.members.values_mut() {
            if seat.author == author || (seat.role != Role::Host && is_same(seat)) {
                seat.dismissed = seat.dismissed.or(Some(reason));
            }
        }
    }

    /// Everybody may do something else now, perhaps: what lets newcomers in, and as what, holds for those who are here, but for
    /// the password.
    fn stand_anew(&mut self) {
        self.access_version += 1;
        let now = storage::now();
        for seat in self.members.values_mut().filter(|seat| seat.is_taken()) {
            match self.access.admit(&seat.caller, now) {
                Verdict::Welcome(role) | Verdict::WithPassword(role, _) => seat.role = role,
                Verdict::Refused(reason) => seat.dismissed = Some(reason),
            }
        }
        self.lets_go();
        for seat in self.members.values().filter(|seat| !seat.replaced) {
            self.presence.standing(seat.author, self.access.standing(seat.role, &seat.caller.someone, now));
            seat.wakeup.wake();
        }
    }

    /// What somebody is called; nothing where that is not known.
    fn name(&self, author: u32) -> String {
        self.presence.name(author).unwrap_or_default().to_owned()
    }

    /// The author number of a member who hosts the board.
    fn host(&self, member: u64) -> Option<u32> {
        let host = self.members.get(&member).filter(|seat| seat.is_taken() && seat.role == Role::Host)?;
        self.access.is_hosted().then_some(host.author)
    }

    /// The name by which somebody is known here: that of another connection, or of one that has gone.
    fn known_name(&self, caller: &Caller) -> Option<String> {
        let is_same = |seat: &&Seat| seat.caller.someone.is(&caller.someone);
        let here = self.members.values().filter(is_same).find_map(|seat| self.presence.name(seat.author));
        let gone = || self.gone.iter().find(|(_, gone)| gone.someone.is(&caller.someone)).map(|(_, gone)| &*gone.name);
        here.or_else(gone).map(ToOwned::to_owned)
    }

    fn standing_of(&self, member: u64) -> Option<Standing> {
        let seat = self.members.get(&member)?;
        Some(self.access.standing(seat.role, &seat.caller.someone, storage::now()))
    }

    /// What an operation does that the audit list tells of: it deletes all that somebody else drew, or turns that over.
    fn deeds_of(&self, by: u32, cseq: u64, operation: &Operation) -> Vec<(&'static str, Clearing)> {
        let known = |what, gesture| {
            let those = self.clearings.iter().filter(move |it| (it.by, it.gesture) == (by, gesture));
            those.map(|it| (what, *it)).collect()
        };
        match *operation {
            Operation::ClearAuthor { author: whose, gesture_back } if whose != 0 && whose != by => {
                vec![("clearAuthor", Clearing { by, gesture: cseq.saturating_sub(gesture_back), whose })]
            }
            Operation::Undo { gesture } => known("undoClearAuthor", gesture),
            Operation::Redo { gesture } => known("redoClearAuthor", gesture),
            _ => Vec::new(),
        }
    }

    fn did(&mut self, what: &str, clearing: Clearing) -> Deed {
        let Clearing { by, whose, .. } = clearing;
        if !self.clearings.contains(&clearing) {
            self.clearings.truncate(CLEARINGS - 1);
            self.clearings.push_front(clearing);
        }
        let record = AuditRecord { at: storage::now(), who: self.name(by), what: what.into(), whom: self.name(whose) };
        Deed { record, whose }
    }

    fn is_muted(&self, member: u64) -> bool {
        self.standing_of(member).is_some_and(|standing| standing.muted)
    }

    /// The storage is told with the next flush what somebody is called.
    fn keep_name(&mut self, author: u32) {
        let name = self.presence.name(author).map(ToOwned::to_owned);
        self.names.retain(|known| known.author != author);
        self.names.extend(name.map(|name| AuthorName { author, name }));
    }

    /// What a member draws counts for all of the board together.
    fn spend(&mut self, member: u64, cost: Cost, now: Instant) -> Work {
        if cost.bytes == 0 {
            return Work::default();
        }
        let (points, many_points) = self.points.spend(member, cost.points as f64, now);
        let (bytes, many_bytes) = self.bytes.spend(member, cost.bytes as f64, now);
        Work { pause: points.max(bytes), is_low: many_points || many_bytes, ..Work::default() }
    }

    /// What a member may do now, and until when.
    fn access_of(&self, position: &mut Position) -> Option<ServerMessage> {
        position.access = self.access_version;
        let seat = self.members.get(&position.member)?;
        let now = storage::now();
        let lent = self.access.lent_until(&seat.caller.someone);
        let until = lent.into_iter().chain(self.access.link_expires(&seat.caller)).filter(|until| *until > now).min();
        position.changes_at = until.map(|until| Instant::now() + Duration::from_millis(until - now));
        Some(self.access.message(self.access.standing(seat.role, &seat.caller.someone, now)))
    }

    /// Wakes whom it is time to tell.
    fn tell(&mut self, is_news: bool, now: Instant) {
        if is_news {
            self.tick.flushes(now);
        }
        if self.tick.tells_all(self.members.len(), now) {
            self.ring.tells_all();
            self.members.values().for_each(|seat| seat.wakeup.wake());
        } else if is_news {
            self.tick.drawers().filter_map(|member| self.members.get(&member)).for_each(|seat| seat.wakeup.wake());
        }
    }

    /// Whether somebody of this lineage has what the log does not: it was told what a server that was killed had not
    /// written yet.
    fn has_another_past(&self, hello: &Hello) -> bool {
        hello.seq > self.board.seq() || self.ring.hash_at(hello.seq).is_some_and(|hash| hash != hello.hash)
    }

    /// When what waits must be flushed.
    fn due(&self) -> Option<Instant> {
        let waits = !self.gathered.is_empty() || self.mark > self.mark_flushed;
        let operations = self.tick.due(waits, self.members.len());
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
        if position.access < self.access_version
            && let Some(message) = self.access_of(position)
        {
            return Some(Packet::of(&[message]).frame(encoding));
        }
        if position.storage_state != Some(self.storage_state) {
            position.storage_state = Some(self.storage_state);
            return Some(Packet::of(&[ServerMessage::Storage { state: self.storage_state }]).frame(encoding));
        }
        if position.mark < self.mark_flushed {
            position.mark = self.mark_flushed;
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

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use inkwire_protocol::Text;

    use super::super::access::Someone;
    use super::*;
    use crate::storage::Memory;

    fn open() -> Room {
        Room::open(
            "x".parse().unwrap(),
            Stored::new(KeptAccess::Everybody),
            Arc::new(Memory::new(0)),
            Arc::default(),
            Arc::default(),
            &Arc::default(),
            Arc::default(),
        )
    }

    fn hello() -> Hello {
        let (client_id, epoch, colour) = (ClientId([1; 16]), Epoch::default(), Colour(0xff));
        Hello { client_id, epoch, seq: 0, hash: StateHash::default(), name: "Ada".into(), colour }
    }

    fn join(room: &Room, member: u64, hello: &Hello) -> Joined {
        join_woken_by(room, member, hello, Arc::default())
    }

    fn join_woken_by(room: &Room, member: u64, hello: &Hello, wakeup: Arc<Wakeup>) -> Joined {
        let caller = Caller { someone: Someone::new(hello.client_id, None), token: None, begins: false, address: None };
        room.join(member, hello, caller, None, wakeup).expect("everybody is let in")
    }

    fn submit(room: &Room, operations: impl Into<VecDeque<(u64, Operation)>>) {
        room.submit(1, &mut operations.into(), Cost::default());
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

    /// Looks at what is counted of those who are to go, whenever it is woken.
    struct Look(Arc<AtomicU64>, Mutex<Vec<u64>>);

    impl Wake for Look {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0.load(Ordering::Relaxed));
        }
    }

    fn ends(reason: Reason, end: impl Fn(&Room)) {
        let room = open();
        let look = Arc::new(Look(room.dismissals.clone(), Mutex::default()));
        let (wakeup, mut asked) = (Arc::<Wakeup>::default(), 0);
        join_woken_by(&room, 1, &hello(), wakeup.clone());
        assert_eq!(room.dismisses(1, &mut asked), None);
        wakeup.arm(&Waker::from(look.clone()));
        end(&room);
        assert!(look.1.lock().unwrap().first().is_some_and(|counted| *counted > asked), "{reason:?}");
        assert_eq!(room.dismisses(1, &mut asked), Some(reason));
    }

    #[test]
    fn whoever_is_woken_to_go_finds_that_somebody_is_to_go() {
        ends(Reason::Removed, |room| assert!(room.disconnect(1).expect("it is kept")));
        ends(Reason::Replaced, |room| _ = join(room, 2, &hello()));
        ends(Reason::Restart, |room| room.evict(Reason::Restart));
    }

    #[test]
    fn the_durable_mark_is_told_when_the_storage_moves_it_and_not_before() {
        let room = open();
        let mut joined = join(&room, 1, &hello());
        submit(&room, [(1, text()), (2, text())]);
        room.flush_now();
        let is_mark = |message: &ServerMessage| matches!(message, ServerMessage::Mark { .. });
        assert!(!pulled(&room, &mut joined.position).iter().any(is_mark));
        assert!(!room.is_durable());
        room.became_durable(2);
        room.flush_now();
        assert!(room.is_durable());
        assert_eq!(pulled(&room, &mut joined.position), [ServerMessage::Mark { seq: 2 }]);
        assert_eq!(pulled(&room, &mut joined.position), [], "once");
    }

    #[test]
    fn ink_does_not_wait_for_a_flush_that_was_promised_for_pointers() {
        let room = open();
        let joined = join(&room, 1, &hello());
        room.flush_now();
        room.cursor(joined.author, Some([1, 1]));
        let Due::At(pointers) = room.flush_if_due() else { panic!("a flush is promised for the pointer") };
        room.lock().tick = Tick::new(Instant::now() + Duration::from_millis(5));
        submit(&room, [(1, text())]);
        let Due::At(ink) = room.flush_if_due() else { panic!("an earlier one is promised for the ink") };
        assert!(ink < pointers);
        assert_eq!(room.flush_if_due(), Due::Nothing, "once");
    }

    #[test]
    fn a_member_with_another_past_gets_a_snapshot_and_one_with_this_past_does_not() {
        let room = open();
        join(&room, 1, &hello());
        submit(&room, [(1, text())]);
        room.flush_now();
        let (epoch, hash) = {
            let state = room.lock();
            (state.epoch, state.board.hash())
        };
        let is_snapshot = |hello: &Hello| {
            let joined = join(&room, 2, hello);
            matches!(joined.position.log, LogPosition::Waiting(_))
        };
        assert!(!is_snapshot(&Hello { epoch, seq: 1, hash, ..hello() }));
        assert!(is_snapshot(&Hello { epoch, seq: 1, ..hello() }), "another state at the same number");
        assert!(is_snapshot(&Hello { epoch, seq: 2, hash, ..hello() }), "ahead of the log");
        assert!(is_snapshot(&Hello { seq: 1, hash, ..hello() }), "another lineage");
        assert_eq!(room.metrics.resynchronised.get(), 2);
    }

    #[test]
    fn a_member_whose_board_is_another_is_noticed_and_given_a_snapshot() {
        let room = open();
        let mut joined = join(&room, 1, &hello());
        submit(&room, [(1, text())]);
        room.flush_now();
        pulled(&room, &mut joined.position);
        let hash = room.lock().board.hash();
        room.check(1, &mut joined.position, 1, hash);
        assert_eq!((room.metrics.diverged.get(), pulled(&room, &mut joined.position).len()), (0, 0));
        room.check(1, &mut joined.position, 1, StateHash::default());
        assert_eq!(room.metrics.diverged.get(), 1);
        let first = pulled(&room, &mut joined.position).swap_remove(0);
        assert!(matches!(first, ServerMessage::Snapshot { seq: 1, .. }));
        for _ in 0..8 {
            room.check(1, &mut joined.position, 1, StateHash::default());
        }
        assert_eq!(room.metrics.diverged.get(), 9);
        assert_eq!(pulled(&room, &mut joined.position), [], "it has been given one just now");
    }

    #[test]
    fn operations_that_touch_nothing_or_are_refused_are_work_as_well() {
        let room = open();
        join(&room, 1, &hello());
        let clear = Operation::ClearAuthor { gesture_back: 0, author: 0 };
        for operation in [clear, Operation::End { slot: 0 }] {
            let cseq = room.seq() + 1;
            let mut storm: VecDeque<_> = (cseq..).zip(std::iter::repeat_n(operation, 8 * 1024)).collect();
            let work = room.submit(1, &mut storm, Cost::default());
            assert_eq!((work.elements, storm.len()), (WORK, 8 * 1024 - WORK as usize));
        }
    }

    #[test]
    fn a_snapshot_is_shared_by_those_who_join_together_and_dropped_after_the_last_of_them() {
        let room = open();
        let mut joined =
            [1, 2].map(|member| join(&room, member, &Hello { client_id: ClientId([member as u8; 16]), ..hello() }));
        submit(&room, [(1, text())]);
        let first = |joined: &mut Joined| {
            let mut state = room.lock();
            let frame = room.next(&mut state, &mut joined.position, Encoding::Binary).expect("a small board");
            frame.as_ptr()
        };
        let firsts = joined.each_mut().map(first);
        assert_eq!(firsts[0], firsts[1], "the same bytes");
        let [mut one, other] = joined;
        pulled(&room, &mut one.position);
        assert!(room.in_flight.held() > 0);
        drop(other);
        room.leave(2);
        assert_eq!(room.in_flight.held(), 0);
    }

    #[test]
    fn a_slow_reader_of_a_snapshot_lets_go_of_it_when_others_need_the_room() {
        let room = open();
        let mut joined = join(&room, 1, &hello());
        submit(&room, [(1, text())]);
        assert!(room.next(&mut room.lock(), &mut joined.position, Encoding::Binary).is_some());
        assert!(!joined.position.is_slow());
        room.in_flight.make_room(usize::MAX / 2, Duration::ZERO);
        assert!(joined.position.is_slow());
        assert_eq!(pulled(&room, &mut joined.position), [], "and is sent nothing more");
    }
}
