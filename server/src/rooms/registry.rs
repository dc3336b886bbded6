//! All rooms of the process: opened when somebody comes, closed a while after everybody has gone.

use std::collections::HashMap;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use inkwire_protocol::{Action, ImageHash, Reason, ServerMessage, StorageState, limits};
use parking_lot::{Mutex, MutexGuard};
use smol::lock::OnceCell;

use super::auth_throttle::AuthThrottle;
use super::creations::Creations;
use super::hashing::Hashing;
use super::images::Arrivals;
use super::shared::{Due, SharedRoom};
use inkwire_room::Limits;

use crate::in_flight::{self, InFlight, Reserved};
use crate::metrics::Metrics;
use crate::name::BoardName;
use crate::net::timers;
use crate::net::worker::Workers;
use crate::storage::{Image, Lease, Storage, StorageError, StorageEvent};

/// Waiting for room for an image: how long, and between two looks.
const IMAGE_PATIENCE: Duration = Duration::from_secs(10);
const IMAGE_LOOKS: Duration = Duration::from_millis(20);

/// An image that somebody reads, or that is being loaded: requests that come meanwhile wait for it and share its bytes.
type SharedImage = OnceCell<Option<Image>>;

/// One reader's share of an image. As long as there is one, the image is not loaded again.
struct Share {
    bytes: Bytes,
    _image: Arc<SharedImage>,
}

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why an image cannot be read now.
#[derive(Debug, Clone)]
pub enum ImageFailure {
    /// As many bytes are being sent as may be.
    InFlight,
    /// The storage failed.
    Storage(StorageError),
}

/// The rooms that are open.
#[derive(Debug)]
pub struct Rooms {
    open: Mutex<HashMap<BoardName, RoomHandle>>,
    storage: Arc<dyn Storage>,
    metrics: Arc<Metrics>,
    workers: Arc<Workers>,
    /// Time that a room stays open after its last member: most come back from a lost connection sooner.
    linger: Duration,
    closed: Mutex<Closed>,
    pub(super) arrivals: Arc<Arrivals>,
    limits: Arc<Limits>,
    /// Boards that are open and that the storage has nothing of yet.
    uncounted: Arc<AtomicU64>,
    creations: Creations,
    auth_throttle: AuthThrottle,
    hashing: Arc<Hashing>,
    next_member: AtomicU64,
    images: Mutex<HashMap<ImageHash, Weak<SharedImage>>>,
    in_flight: Arc<InFlight>,
}

/// A room, or one that is being opened: whoever comes meanwhile waits for it. As long as somebody beside [`Rooms`] holds
/// one, its room is not closed.
#[derive(Debug, Clone, Default)]
pub struct RoomHandle(Arc<OnceCell<Arc<SharedRoom>>>);

impl RoomHandle {
    /// The room.
    ///
    /// # Panics
    /// If it is not open yet; [`Rooms::room`] gives only places whose room is.
    pub fn room(&self) -> &Arc<SharedRoom> {
        self.0.get().expect("Bug: the room was opened before its place was given away")
    }

    fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1 || self.0.get().is_some_and(|room| Arc::strong_count(room) > 1)
    }
}

impl Deref for RoomHandle {
    type Target = SharedRoom;

    fn deref(&self) -> &SharedRoom {
        self.room()
    }
}

/// Boards that are closed, which the storage does not know yet.
#[derive(Debug, Default)]
struct Closed {
    boards: Vec<(BoardName, Lease)>,
    is_being_told: bool,
}

impl Rooms {
    /// No rooms yet; each stays open for `linger` when everybody has gone.
    pub fn new(
        storage: Arc<dyn Storage>,
        metrics: Arc<Metrics>,
        workers: Arc<Workers>,
        linger: Duration,
        limits: Limits,
    ) -> Arc<Self> {
        let in_flight = Arc::new(InFlight::of_at_most(limits.in_flight, metrics.clone()));
        let rooms = Arc::new(Self {
            images: Mutex::default(),
            in_flight,
            open: Mutex::default(),
            storage,
            metrics,
            workers,
            linger,
            closed: Mutex::default(),
            arrivals: Arc::default(),
            creations: Creations::new(limits.boards_per_address),
            limits: Arc::new(limits),
            uncounted: Arc::default(),
            auth_throttle: AuthThrottle::default(),
            hashing: Arc::default(),
            next_member: AtomicU64::new(1),
        });
        let hears = Arc::downgrade(&rooms);
        rooms.storage.listen(Box::new(move |news| {
            if let Some(rooms) = hears.upgrade() {
                rooms.heard(news);
            }
        }));
        rooms
    }

    /// The room of a board, opened where it is not yet.
    ///
    /// # Errors
    /// If the storage cannot give the board now.
    pub async fn room(self: &Arc<Self>, name: &BoardName) -> Result<RoomHandle, StorageError> {
        loop {
            let place = self.lock().entry(name.clone()).or_default().clone();
            let opened = place.0.get_or_try_init(|| self.open_room(name.clone(), || Ok(()))).await;
            if let Err(error) = opened {
                drop(place);
                self.forget_unopened(name);
                return Err(error);
            }
            place.storage_became(self.storage.state());
            if place.is_broken() {
                self.forget_broken(&place);
                continue;
            }
            // Meanwhile the board may have been deleted or put in place anew: then this room is nobody's.
            if self.lock().get(name).is_some_and(|current| Arc::ptr_eq(&current.0, &place.0)) {
                return Ok(place);
            }
        }
    }

    /// The boards that are open and that the storage has nothing of yet.
    pub(super) fn uncounted(&self) -> u64 {
        self.uncounted.load(Ordering::Relaxed)
    }

    /// The room of a board, where it is open.
    pub fn open_room_of(&self, name: &BoardName) -> Option<Arc<SharedRoom>> {
        self.lock().get(name).and_then(|place| place.0.get().cloned())
    }

    /// All rooms that are open, by the names of their boards.
    pub fn open_rooms(&self) -> Vec<Arc<SharedRoom>> {
        let mut all = self.all();
        all.sort_by(|one, other| one.name().cmp(other.name()));
        all
    }

    /// Whether a board is open.
    pub fn is_open(&self, name: &BoardName) -> bool {
        self.lock().contains_key(name)
    }

    /// Puts a board in place anew: whoever is in its room is told why to go, and whoever comes meanwhile waits.
    ///
    /// # Errors
    /// The error of `act`; the board is as the storage has it then.
    pub async fn replace(
        self: &Arc<Self>,
        name: &BoardName,
        reason: Reason,
        act: impl FnOnce() -> Result<(), StorageError> + Send + 'static,
    ) -> Result<(), StorageError> {
        let place = RoomHandle::default();
        let before = self.lock().insert(name.clone(), place.clone());
        if let Some(room) = before.as_ref().and_then(|place| place.0.get()) {
            room.evict(reason);
        }
        let done = place.0.get_or_try_init(|| self.open_room(name.clone(), act)).await.map(drop);
        if done.is_ok() {
            self.release(&place);
        }
        drop(place);
        self.forget_unopened(name);
        done
    }

    async fn open_room(
        &self,
        name: BoardName,
        before: impl FnOnce() -> Result<(), StorageError> + Send + 'static,
    ) -> Result<Arc<SharedRoom>, StorageError> {
        let (storage, metrics, limits) = (self.storage.clone(), self.metrics.clone(), self.limits.clone());
        let (uncounted, in_flight) = (self.uncounted.clone(), self.in_flight.clone());
        smol::unblock(move || {
            before()?;
            let stored = storage.open(&name)?;
            Ok(Arc::new(SharedRoom::open(name, stored, storage, metrics, limits, &uncounted, in_flight)))
        })
        .await
    }

    fn forget_unopened(&self, name: &BoardName) {
        let mut open = self.lock();
        if open.get(name).is_some_and(|place| place.0.get().is_none() && !place.is_held()) {
            open.remove(name);
        }
    }

    /// A room that a panic has broken is not that of its board any more: the next who comes opens it again.
    fn forget_broken(&self, room: &SharedRoom) {
        let mut open = self.lock();
        let is_it = |place: &RoomHandle| place.0.get().is_some_and(|opened| std::ptr::eq(&**opened, room));
        if open.get(room.name()).is_some_and(is_it) {
            open.remove(room.name());
        }
    }

    /// Sends everybody what was gathered; for a server that stops.
    pub fn flush_all(&self) {
        self.all().iter().for_each(|room| room.flush_now());
    }

    /// Tells the storage that all boards are closed; for a server that stops, once everything is durable.
    pub fn close_all(&self) {
        let durable = self.all().into_iter().filter(|room| room.is_stored() && room.is_durable());
        self.storage.closed(&durable.map(|room| room.claim()).collect::<Vec<_>>());
    }

    fn all(&self) -> Vec<Arc<SharedRoom>> {
        self.lock().values().filter_map(|place| place.0.get().cloned()).collect()
    }

    fn heard(self: &Arc<Self>, news: &StorageEvent) {
        match news {
            StorageEvent::Durable(name, seq) => {
                let room = self.lock().get(name).and_then(|place| place.0.get().cloned());
                if let Some(room) = room {
                    room.became_durable(*seq);
                    if let Due::At(due) = room.flush_if_due() {
                        self.flush_at(room, due);
                    }
                }
            }
            StorageEvent::Fenced(name) => {
                // Its pages come back, are given the board as it is on the disk, and send again what is not there.
                let place = self.lock().remove(name);
                if let Some(room) = place.as_ref().and_then(|place| place.0.get()) {
                    room.evict(Reason::Restart);
                }
            }
            StorageEvent::State(state) => self.all().iter().for_each(|room| room.storage_became(*state)),
        }
    }

    /// Returns the state of the storage.
    pub fn storage_state(&self) -> StorageState {
        self.storage.state()
    }

    /// The bytes of an image, in a buffer that all its readers share.
    ///
    /// # Errors
    /// If there is no room for them, or the storage cannot read them now.
    pub async fn image(&self, hash: ImageHash) -> Result<Option<Image>, ImageFailure> {
        let shared = self.shared_image(hash);
        let image = shared.get_or_try_init(|| self.load_image(hash)).await?;
        Ok(image.as_ref().map(|Image { media_type, bytes }| {
            let share = Share { bytes: bytes.clone(), _image: shared.clone() };
            Image { media_type, bytes: Bytes::from_owner(share) }
        }))
    }

    fn shared_image(&self, hash: ImageHash) -> Arc<SharedImage> {
        let mut images = self.images.lock();
        if let Some(shared) = images.get(&hash).and_then(Weak::upgrade) {
            return shared;
        }
        images.retain(|_, image| image.strong_count() > 0);
        let shared = Arc::default();
        images.insert(hash, Arc::downgrade(&shared));
        shared
    }

    async fn load_image(&self, hash: ImageHash) -> Result<Option<Image>, ImageFailure> {
        let reserved = self.room_for_image().await.ok_or(ImageFailure::InFlight)?;
        let storage = self.storage.clone();
        let image = smol::unblock(move || storage.image(hash)).await.map_err(ImageFailure::Storage)?;
        drop(reserved);
        Ok(image.map(|image| Image { bytes: self.in_flight.hold(image.bytes), ..image }))
    }

    /// Room for an image of any size, which is not known yet.
    async fn room_for_image(&self) -> Option<Reserved> {
        let until = Instant::now() + IMAGE_PATIENCE;
        loop {
            let room = self.in_flight.make_room(limits::IMAGE_BYTES, in_flight::SLOW);
            if room == in_flight::Room::Enough
                && let Some(reserved) = self.in_flight.reserve(limits::IMAGE_BYTES)
            {
                return Some(reserved);
            }
            if Instant::now() >= until {
                return None;
            }
            timers::until(Instant::now() + IMAGE_LOOKS).await;
        }
    }

    /// The bound on what is being sent.
    pub fn in_flight(&self) -> &Arc<InFlight> {
        &self.in_flight
    }

    /// Carries out an operator's order on who may do what on a board; gives the secret of a link that was made. Blocks.
    ///
    /// # Errors
    /// If it cannot be carried out or kept.
    pub fn operate(self: &Arc<Self>, name: &BoardName, action: &Action) -> Result<Option<ServerMessage>, StorageError> {
        let place = smol::block_on(self.room(name))?;
        let done = place.operate(action);
        if let Due::At(due) = place.flush_if_due() {
            self.flush_at(place.room().clone(), due);
        }
        self.release(&place);
        done
    }

    /// The limits of the operator.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn creations(&self) -> &Creations {
        &self.creations
    }

    pub(super) fn auth_throttle(&self) -> &AuthThrottle {
        &self.auth_throttle
    }

    pub(super) fn hashing(&self) -> &Arc<Hashing> {
        &self.hashing
    }

    pub(super) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn member_id(&self) -> u64 {
        self.next_member.fetch_add(1, Ordering::Relaxed)
    }

    /// Flushes a room later.
    pub(super) fn flush_at(self: &Arc<Self>, room: Arc<SharedRoom>, due: Instant) {
        let flush = async move {
            let mut next = Due::At(due);
            while let Due::At(due) = next {
                timers::until(due).await;
                next = room.flush_scheduled();
            }
        };
        self.workers.spawn(flush);
    }

    /// A member has let go of a room: it is closed when nobody has come back a while later.
    pub fn release(self: &Arc<Self>, room: &SharedRoom) {
        if room.is_broken() {
            return self.forget_broken(room);
        }
        if !room.begins_closing() {
            return;
        }
        let (rooms, name) = (self.clone(), room.name().clone());
        let close = async move {
            timers::until(Instant::now() + rooms.linger).await;
            while !rooms.close_if_idle(&name) {
                timers::until(Instant::now() + rooms.linger).await;
            }
        };
        self.workers.spawn(close);
    }

    /// Closes a room that nobody else holds and that can be opened from the storage again; says whether there is nothing
    /// more to see to. Only [`Rooms::room`] gives rooms away, under the same lock, so one that is not held stays so here.
    fn close_if_idle(self: &Arc<Self>, name: &BoardName) -> bool {
        let mut open = self.lock();
        let Some(place) = open.get(name) else { return true };
        let Some(room) = place.0.get() else { return true };
        if place.is_held() || !room.is_durable() {
            return !room.goes_on_closing();
        }
        let (is_stored, claim) = (room.is_stored(), room.claim());
        open.remove(name);
        drop(open);
        if is_stored {
            self.tell_closed(claim);
        }
        true
    }

    /// Tells the storage that a board is closed. What closes while it is busy goes with the next commit: people leave many
    /// boards at once when a connection breaks, and a commit and a waiting thread for each would be that many.
    fn tell_closed(self: &Arc<Self>, claim: (BoardName, Lease)) {
        let mut closed = self.lock_closed();
        closed.boards.push(claim);
        if !std::mem::replace(&mut closed.is_being_told, true) {
            let rooms = self.clone();
            self.workers.spawn(smol::unblock(move || rooms.tell_all_closed()));
        }
    }

    fn tell_all_closed(&self) {
        loop {
            let mut closed = self.lock_closed();
            let mut boards = std::mem::take(&mut closed.boards);
            closed.is_being_told = !boards.is_empty();
            drop(closed);
            if boards.is_empty() {
                return;
            }
            boards.retain(|(name, _)| !self.is_open(name));
            if boards.is_empty() {
                continue;
            }
            _ = catch_unwind(AssertUnwindSafe(|| self.storage.closed(&boards)));
        }
    }

    fn lock_closed(&self) -> MutexGuard<'_, Closed> {
        self.closed.lock()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BoardName, RoomHandle>> {
        self.open.lock()
    }
}

#[cfg(test)]
mod tests {

    use inkwire_board::StateHash;
    use inkwire_protocol::{ClientId, Colour, Epoch, Operation};
    use inkwire_room::{Cost, Hello, Identity, JoinRequest, Submission};

    use super::*;
    use crate::storage::{Location, Opening};

    fn draw(room: &SharedRoom, count: u64) {
        let (client_id, epoch, colour) = (ClientId([1; 16]), Epoch::default(), Colour(0xff));
        let hello = Hello { client_id, epoch, seq: 0, hash: StateHash::default(), name: "Ada".into(), colour };
        let request =
            JoinRequest { identity: Identity::new(client_id, None), token: None, begins: false, address: None };
        room.join(1, &hello, request, None, Arc::default()).expect("everybody is let in");
        let mut ink = (1..=count).map(|cseq| Submission::encoded(cseq, Operation::Clear { gesture_back: 0 }));
        room.submit(1, &mut ink, Cost::default());
        room.flush_now();
    }

    #[test]
    fn a_board_whose_room_a_panic_has_broken_is_opened_again_from_what_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let metrics = Arc::<Metrics>::default();
        let engine = Location::Directory(data.path().into()).open(&Opening::default(), metrics.clone()).unwrap();
        let workers = Workers::start(std::num::NonZero::new(1), metrics.tasks.clone()).unwrap();
        let rooms = Rooms::new(engine.clone(), metrics, workers, Duration::from_secs(3600), Limits::default());
        let name = "x".parse().unwrap();
        let place = smol::block_on(rooms.room(&name)).unwrap();
        draw(&place, 5);
        _ = catch_unwind(AssertUnwindSafe(|| place.with(|_| panic!("planned")))).expect_err("it panics");
        let again = smol::block_on(rooms.room(&name)).unwrap();
        assert!(place.is_broken() && !again.is_broken());
        assert_eq!(again.seq(), 5, "all that it had flushed is there");
        rooms.release(&place);
        assert!(rooms.is_open(&name), "the new one stays");
        engine.stop();
    }
}
