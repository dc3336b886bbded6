//! A room that connections share: the one owner of its lock, with the clocks, the storage, and those who are to be woken.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use inkwire_board::StateHash;
use inkwire_protocol::{Action, AuditRecord, Reason, ServerMessage, StorageState};
use inkwire_room::{
    Access, AuditEvent, Budget, Cost, Counts, Encoding, Hello, JoinRequest, Joined, Kept, Limits, MemberRecord, Now,
    OrderContext, OrderError, OrderOutcome, Persist, Position, Refusal, Room, Submission, Surroundings, Wake, Work,
};

use crate::in_flight::{self, InFlight, Reader};
use crate::log::{Gate, board_span};
use crate::metrics::{Metrics, Refused};
use crate::name::BoardName;
use crate::net::wakeup::Wakeup;
use crate::random;
use crate::storage::{self, KeptAccess, Lease, OpenedBoard, Storage, StorageError, Timeline};
use crate::ws::Outgoing;

/// A chronicle that was read is told again for so long, unless something was drawn or became durable meanwhile.
const CHRONICLE_AGE: Duration = Duration::from_secs(1);

/// This moment.
pub(super) fn now() -> Now {
    Now { at: Instant::now(), since_1970: storage::now() }
}

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

/// The bound of the node. A single snapshot may be larger than it.
#[derive(Debug)]
struct NodeBudget(Arc<InFlight>);

impl Budget for NodeBudget {
    fn has_room(&self, bytes: usize) -> bool {
        self.0.make_room(bytes, in_flight::SLOW) != in_flight::Room::Soon
    }

    fn hold(&self, bytes: Bytes) -> Bytes {
        self.0.hold(bytes)
    }
}

/// A room and its surroundings.
#[derive(Debug)]
pub struct SharedRoom {
    name: BoardName,
    metrics: Arc<Metrics>,
    storage: Arc<dyn Storage>,
    in_flight: Arc<InFlight>,
    inner: Mutex<Inner>,
    /// [`Room::dismissals`], to be read without the lock.
    dismissals: AtomicU64,
    /// Whether a panic has left the room in a state that nobody knows.
    is_broken: AtomicBool,
    /// Counts this board as long as the storage does not.
    uncounted: parking_lot::Mutex<Option<Uncounted>>,
    /// The chronicle that was read last.
    chronicle: parking_lot::Mutex<Option<ReadChronicle>>,
    /// Held while the access is written, so that the last word is the last one written.
    keeping: parking_lot::Mutex<()>,
    lease: Lease,
    /// Whether a new board was counted for an address.
    is_made: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    room: Room,
    wakeups: HashMap<u64, Arc<Wakeup>>,
    /// The moment at which somebody has promised to flush.
    flush_scheduled: Option<Instant>,
    /// Somebody sees to it that the room is closed when nobody comes back.
    is_closing: bool,
}

/// A chronicle that was read, when, and the sequence number and the durable mark then.
#[derive(Debug)]
struct ReadChronicle {
    chronicle: Arc<Timeline>,
    since: Instant,
    stand: (u64, u64),
}

/// When the room must be flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing waits, or somebody has been told when.
    Nothing,
    /// At this moment, by the caller.
    At(Instant),
}

/// A member that has joined: its position, and what few members need.
#[derive(Debug)]
pub(super) struct Seated {
    pub(super) author: u32,
    pub(super) position: Position,
    /// While it reads a snapshot.
    reader: Option<Box<Reader>>,
    /// From the first wrong state hash on.
    lines: Option<Box<Gate>>,
}

impl Seated {
    pub(super) fn new(author: u32, position: Position) -> Self {
        Self { author, position, reader: None, lines: None }
    }

    /// Whether the member has read a snapshot for so long that others need the room; it lets go of it then.
    pub(super) fn is_slow(&mut self) -> bool {
        let is_slow = self.reader.take_if(|reader| reader.is_dismissed()).is_some();
        if is_slow {
            self.position.ends_snapshot();
        }
        is_slow
    }

    /// The connection ends: what it holds of a snapshot is for others.
    pub(super) fn ends_snapshot(&mut self) {
        self.position.ends_snapshot();
        self.reader = None;
    }
}

/// The room under its lock. What follows from what was done is seen to when this is dropped.
struct Locked<'a> {
    shared: &'a SharedRoom,
    inner: MutexGuard<'a, Inner>,
}

impl Deref for Locked<'_> {
    type Target = Room;

    fn deref(&self) -> &Room {
        &self.inner.room
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Room {
        &mut self.inner.room
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        // After a panic nothing of it counts; the next one who comes finds the lock poisoned.
        if self.inner.room.has_output() && !std::thread::panicking() {
            self.shared.see_to(&mut self.inner);
        }
    }
}

impl SharedRoom {
    /// Opens a board as the storage has it; `uncounted` are the boards that are open and that it has nothing of yet.
    pub fn open(
        name: BoardName,
        stored: OpenedBoard,
        storage: Arc<dyn Storage>,
        metrics: Arc<Metrics>,
        limits: Arc<Limits>,
        uncounted: &Arc<AtomicU64>,
        in_flight: Arc<InFlight>,
    ) -> Self {
        let OpenedBoard { epoch, board, access, reserved_author, bytes, lease } = stored;
        let is_new = board.seq() == 0 && access == KeptAccess::Everybody;
        let uncounted = is_new.then(|| Uncounted::begin(uncounted));
        let others = |before: u64| storage.count().map(|count| count + before);
        let is_beyond =
            uncounted.as_ref().is_some_and(|(_, before)| others(*before).is_ok_and(|all| all >= limits.boards));
        // One that is refused does not keep another one out.
        let uncounted = uncounted.filter(|_| !is_beyond).map(|(one, _)| one);
        let access = access_of(&name, &access);
        let (storage_state, budget) = (storage.state(), Arc::new(NodeBudget(in_flight.clone())));
        let around = Surroundings { limits, budget, storage_state, is_beyond };
        let room = Room::new(Kept { epoch, board, access, reserved_author, bytes }, around, now());
        metrics.rooms.inc();
        Self {
            name,
            metrics,
            storage,
            in_flight,
            dismissals: AtomicU64::new(room.dismissals()),
            inner: Mutex::new(Inner { room, wakeups: HashMap::new(), flush_scheduled: None, is_closing: false }),
            is_broken: AtomicBool::new(false),
            uncounted: parking_lot::Mutex::new(uncounted),
            chronicle: Default::default(),
            keeping: Default::default(),
            lease,
            is_made: AtomicBool::new(false),
        }
    }

    #[inline]
    fn lock(&self) -> Locked<'_> {
        let inner = self.inner.lock().unwrap_or_else(|poisoned| self.broken(poisoned));
        Locked { shared: self, inner }
    }

    /// A panic has left the room in a state that nobody knows. It is nobody's from now on: members come back to what the storage has,
    /// and send again what it has not.
    #[cold]
    fn broken<'a>(&'a self, poisoned: PoisonError<MutexGuard<'a, Inner>>) -> MutexGuard<'a, Inner> {
        let _board = board_span(&self.name).entered();
        tracing::error!("a panic has broken the room: its members come back to what is kept");
        self.inner.clear_poison();
        self.is_broken.store(true, Ordering::Release);
        self.lease.end();
        let mut inner = poisoned.into_inner();
        inner.room.evict(Reason::Restart);
        inner
    }

    /// Whether a panic has broken the room, so that its board must be opened again.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    /// Hands on what the room has to be kept, wakes those who are to be woken, and counts.
    fn see_to(&self, inner: &mut Inner) {
        while let Some(persist) = inner.room.poll_persist() {
            match persist {
                Persist::LogBatch(part, lag) => {
                    self.storage.append(&self.name, part);
                    self.metrics.flush_lag.observe(lag.as_secs_f64());
                }
                Persist::Authors(until) => self.storage.reserve_authors(&self.name, until),
            }
        }
        // Counted first: a member that is woken asks without the lock, and sleeps on if nothing was.
        if self.dismissals.load(Ordering::Relaxed) != inner.room.dismissals() {
            self.dismissals.store(inner.room.dismissals(), Ordering::Release);
        }
        while let Some(wake) = inner.room.poll_wake() {
            match wake {
                Wake::All => inner.wakeups.values().for_each(|wakeup| wakeup.wake()),
                Wake::Member(member) => inner.wakeups.get(&member).into_iter().for_each(|wakeup| wakeup.wake()),
            }
        }
        let counts = inner.room.take_counts();
        if counts != Counts::default() {
            self.count(counts);
        }
    }

    fn count(&self, counts: Counts) {
        let metrics = &self.metrics;
        metrics.operations.inc_by(counts.operations);
        metrics.duplicates.inc_by(counts.duplicates);
        metrics.rejects.inc_by(counts.rejects);
        metrics.flushes.inc_by(counts.flushes);
        metrics.snapshots.inc_by(counts.snapshots);
        metrics.resynchronised.inc_by(counts.resynchronised);
        metrics.diverged.inc_by(counts.diverged);
        (0..counts.rejects_by_size).for_each(|_| metrics.refuse(Refused::Size));
    }

    /// The board's name.
    pub fn name(&self) -> &BoardName {
        &self.name
    }

    /// The last sequence number of the board.
    pub fn seq(&self) -> u64 {
        self.lock().seq()
    }

    /// Everybody who is here, by author number.
    pub fn members(&self) -> Vec<MemberRecord> {
        self.lock().members(now())
    }

    /// Does something with the room, under its lock.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Room) -> T) -> T {
        act(&mut self.lock())
    }

    /// Sends what was gathered, whether that is due or not; for a server that stops.
    pub fn flush_now(&self) {
        self.lock().flush_now(Instant::now());
    }

    /// Whether everything on the board is on disk, so that it can be opened from there again.
    pub(super) fn is_durable(&self) -> bool {
        self.lock().is_durable()
    }

    /// Whether the storage has a record of this board, once all is written.
    pub(super) fn is_stored(&self) -> bool {
        self.lock().is_stored()
    }

    /// Whether the next visitor would make this board, and none was counted for that.
    pub(super) fn is_unmade(&self) -> bool {
        let is_new = self.uncounted.lock().is_some();
        is_new && !self.is_made.load(Ordering::Relaxed)
    }

    /// A visitor was counted who makes this board.
    pub(super) fn is_made(&self) {
        self.is_made.store(true, Ordering::Relaxed);
    }

    /// The storage has every operation up to this number on disk.
    pub(super) fn became_durable(&self, seq: u64) {
        self.lock().persisted(seq);
        self.is_counted();
    }

    /// The storage has something of this board.
    fn is_counted(&self) {
        self.uncounted.lock().take();
    }

    /// The storage is in another state.
    pub(super) fn storage_became(&self, storage_state: StorageState) {
        self.lock().storage_became(storage_state);
    }

    /// The board, with the right to write it.
    pub(crate) fn claim(&self) -> (BoardName, Lease) {
        (self.name.clone(), self.lease.clone())
    }

    /// The room is no longer that of its board: its members are told so, and what they still send is dropped.
    pub(super) fn evict(&self, reason: Reason) {
        self.lease.end();
        self.lock().evict(reason);
    }

    /// A member joins; see [`Room::join`]. It is woken from now on.
    pub(super) fn join(
        &self,
        member: u64,
        hello: &Hello,
        request: JoinRequest,
        knows: Option<&str>,
        wakeup: Arc<Wakeup>,
    ) -> Result<Joined, Refusal> {
        let mut locked = self.lock();
        let joined = locked.join(member, hello, request, knows, now())?;
        locked.inner.wakeups.insert(member, wakeup);
        self.metrics.members.inc();
        Ok(joined)
    }

    /// A member has gone.
    pub(super) fn leave(&self, member: u64) {
        let mut locked = self.lock();
        locked.leave(member);
        if locked.inner.wakeups.remove(&member).is_some() {
            self.metrics.members.dec();
        }
    }

    /// Gives a member's operations their place in the log; see [`Room::submit`].
    pub(super) fn submit<'a>(
        &self,
        member: u64,
        submissions: &mut impl Iterator<Item = Submission<'a>>,
        cost: Cost,
    ) -> Work {
        let is_full = self.storage.is_full();
        self.lock().submit(member, submissions, cost, is_full, now())
    }

    /// Gives a member the next frames, until its outgoing bytes are enough for now.
    pub(super) fn pull(&self, seated: &mut Seated, encoding: Encoding, wakeup: &Arc<Wakeup>, out: &mut Outgoing) {
        let mut locked = self.lock();
        while !out.is_full() {
            match locked.next(&mut seated.position, encoding, &now) {
                Some(frame) => out.push(frame),
                None => break,
            }
        }
        drop(locked);
        match (seated.position.reads_snapshot(), &seated.reader) {
            (true, None) => seated.reader = Some(Box::new(self.in_flight.reader(wakeup.clone()))),
            (false, Some(_)) => seated.reader = None,
            _ => {}
        }
    }

    /// Compares a member's state hash with what the board had there; see [`Room::check`]. What is known is logged, now and then.
    pub(super) fn check(&self, seated: &mut Seated, seq: u64, hash: StateHash) {
        let mut locked = self.lock();
        let epoch = locked.epoch();
        let Some(expected) = locked.check(&mut seated.position, seq, hash, Instant::now()) else { return };
        drop(locked);
        if let Some(suppressed) = seated.lines.get_or_insert_default().admit() {
            let _board = board_span(&self.name).entered();
            tracing::error!(?epoch, author = seated.author, seq, %expected, found = %hash, suppressed, "a member's board is not the room's: it gets a snapshot");
        }
    }

    /// Why a member must go. Nothing is looked up if nobody was to go since this was last `asked`, from 0.
    pub(super) fn dismisses(&self, member: u64, asked: &mut u64) -> Option<Reason> {
        let dismissals = self.dismissals.load(Ordering::Acquire);
        if std::mem::replace(asked, dismissals) == dismissals {
            return None;
        }
        self.lock().dismissal(member)
    }

    /// Carries out an order of a host; see [`Room::moderate`].
    pub(super) fn moderate(
        &self,
        member: u64,
        action: &Action,
        password: Option<String>,
    ) -> Result<(OrderOutcome, AuditRecord), OrderError> {
        self.lock().moderate(member, action, context(password))
    }

    /// Carries out an order of the operator, and keeps what came of it; gives the link if one was made. Blocks.
    ///
    /// # Errors
    /// If it cannot be carried out or kept.
    pub fn operate(&self, action: &Action) -> Result<Option<ServerMessage>, StorageError> {
        let done = self.lock().operate(action, context(None));
        let (done, record) = done.map_err(|error| StorageError::Order(error.to_string()))?;
        self.keep_access(vec![record])?;
        Ok(done.answer)
    }

    /// Ends somebody's connections, also those of a host, and keeps that it was done; says whether there was one. Blocks.
    ///
    /// # Errors
    /// If the disk does not take that it was done.
    pub fn disconnect(&self, author: u32) -> Result<bool, StorageError> {
        let record = self.lock().disconnect(author, now());
        let found = record.is_some();
        record.map_or(Ok(()), |record| self.keep_access(vec![record]))?;
        Ok(found)
    }

    /// Keeps who may do what now, and what was ordered. Blocks.
    ///
    /// # Errors
    /// If the disk takes nothing now.
    pub(super) fn keep_access(&self, orders: Vec<AuditRecord>) -> Result<(), StorageError> {
        let _turn = self.keeping.lock();
        let record = self.lock().access().record();
        self.storage.keep_access(&self.name, record, orders, &self.lease)?;
        self.is_counted();
        Ok(())
    }

    /// Keeps what hosts did to what others drew, with the names of those who have gone. Blocks.
    pub(super) fn keep_events(&self, events: Vec<AuditEvent>) -> Result<(), StorageError> {
        let is_gone = events.iter().any(|event| event.record.whom.is_empty());
        let names = if is_gone { self.storage.chronicle(&self.name)?.names } else { Vec::new() };
        let named = |AuditEvent { mut record, whose }| {
            if record.whom.is_empty() {
                let known = names.iter().find(|known| known.author == whose);
                record.whom = known.map_or_else(|| format!("#{whose}"), |known| known.name.clone());
            }
            record
        };
        self.keep_access(events.into_iter().map(named).collect())
    }

    /// When the board was drawn and by whom. Many who ask at once are told what was read once. Blocks.
    ///
    /// # Errors
    /// If it cannot be read now.
    pub(super) fn chronicle(&self) -> Result<Arc<Timeline>, StorageError> {
        let mut last = self.chronicle.lock();
        let stand = self.with(|room| (room.seq(), room.mark()));
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

    /// Whether the caller must see to it that the room is closed: nobody is here, and nobody has promised it yet.
    pub(super) fn begins_closing(&self) -> bool {
        let mut locked = self.lock();
        let is_over = locked.is_empty() && !locked.is_evicted();
        is_over && !std::mem::replace(&mut locked.inner.is_closing, true)
    }

    /// Whether the room is still to be closed; a room to which somebody has come back is not.
    pub(super) fn goes_on_closing(&self) -> bool {
        let mut locked = self.lock();
        locked.inner.is_closing = locked.is_empty();
        locked.inner.is_closing
    }

    /// Flushes if that is due; otherwise says when it will be, once, to the caller that must see to it.
    pub(super) fn flush_if_due(&self) -> Due {
        let mut locked = self.lock();
        if locked.poll_timeout().is_some() {
            locked.handle_timeout(Instant::now());
        }
        let Some(due) = locked.poll_timeout() else { return Due::Nothing };
        // A promise for later does not do: ink does not wait for pointers.
        if locked.inner.flush_scheduled.is_some_and(|scheduled| scheduled <= due) {
            return Due::Nothing;
        }
        locked.inner.flush_scheduled = Some(due);
        Due::At(due)
    }

    /// The moment that [`SharedRoom::flush_if_due`] gave has come.
    pub(super) fn flush_scheduled(&self) -> Due {
        self.lock().inner.flush_scheduled = None;
        self.flush_if_due()
    }
}

impl Drop for SharedRoom {
    fn drop(&mut self) {
        self.metrics.rooms.dec();
    }
}

fn context(password: Option<String>) -> OrderContext {
    OrderContext { now: now().since_1970, secret: random::token(), password }
}

/// The access of a board; what is damaged of it is reported.
fn access_of(name: &BoardName, kept: &KeptAccess) -> Access {
    static LINES: Gate = Gate::new();
    let (access, problem) = Access::of(kept);
    if let Some(problem) = problem
        && let Some(suppressed) = LINES.admit()
    {
        let _board = board_span(name).entered();
        tracing::error!(problem, suppressed, "who may do what is damaged");
    }
    access
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;

    use inkwire_protocol::{ClientId, Colour, Epoch, Operation};
    use inkwire_room::Identity;

    use super::*;
    use crate::storage::Memory;

    fn open() -> SharedRoom {
        SharedRoom::open(
            "x".parse().unwrap(),
            OpenedBoard::new(KeptAccess::Everybody),
            Arc::new(Memory::new(0)),
            Arc::default(),
            Arc::default(),
            &Arc::default(),
            Arc::default(),
        )
    }

    fn join(room: &SharedRoom, member: u64, wakeup: Arc<Wakeup>) -> Joined {
        let (client_id, epoch, colour) = (ClientId([member as u8; 16]), Epoch::default(), Colour(0xff));
        let hello = Hello { client_id, epoch, seq: 0, hash: StateHash::default(), name: "Ada".into(), colour };
        let request =
            JoinRequest { identity: Identity::new(client_id, None), token: None, begins: false, address: None };
        room.join(member, &hello, request, None, wakeup).expect("everybody is let in")
    }

    /// Looks at what is counted of those who are to go, whenever it is woken.
    struct Look(Arc<SharedRoom>, Mutex<Vec<u64>>);

    impl std::task::Wake for Look {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0.dismissals.load(Ordering::Relaxed));
        }
    }

    #[test]
    fn a_member_that_is_woken_to_go_finds_that_somebody_is_to_go() {
        let room = Arc::new(open());
        let look = Arc::new(Look(room.clone(), Mutex::default()));
        let (wakeup, mut asked) = (Arc::<Wakeup>::default(), 0);
        join(&room, 1, wakeup.clone());
        assert_eq!(room.dismisses(1, &mut asked), None);
        wakeup.arm(&Waker::from(look.clone()));
        room.evict(Reason::Restart);
        assert!(look.1.lock().unwrap().first().is_some_and(|counted| *counted > asked));
        assert_eq!(room.dismisses(1, &mut asked), Some(Reason::Restart));
    }

    #[test]
    fn a_panic_under_the_lock_ends_the_room_and_not_what_is_kept() {
        let room = open();
        let mut asked = 0;
        join(&room, 1, Arc::default());
        let (_, lease) = room.claim();
        catch_unwind(AssertUnwindSafe(|| room.with(|_| panic!("planned")))).expect_err("it panics");
        assert!(!room.is_broken(), "nobody has come since");
        room.seq();
        assert!(room.is_broken() && !lease.holds(), "nothing of it is kept any more");
        assert_eq!(room.dismisses(1, &mut asked), Some(Reason::Restart));
        let mut ink = std::iter::once(Submission::encoded(1, Operation::Clear { gesture_back: 0 }));
        room.submit(1, &mut ink, Cost::default());
        assert_eq!((room.seq(), ink.len()), (0, 0), "what is still sent is dropped");
    }

    #[test]
    fn a_slow_reader_of_a_snapshot_lets_go_of_it_when_others_need_the_room() {
        let room = open();
        let joined = join(&room, 1, Arc::default());
        let mut seated = Seated::new(joined.author, joined.position);
        let mut narrow = Outgoing::of_at_most(1);
        room.pull(&mut seated, Encoding::Binary, &Arc::default(), &mut narrow);
        assert!(seated.position.reads_snapshot() && !seated.is_slow());
        room.in_flight.make_room(usize::MAX / 2, Duration::ZERO);
        assert!(seated.is_slow() && !seated.position.reads_snapshot());
    }
}
