//! All rooms of the process: opened when somebody comes, closed a while after everybody has gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::{Executor, Timer};

use super::name::BoardName;
use super::room::{Due, Room};
use crate::metrics::Metrics;
use crate::storage::Storage;
use crate::ws::Wakeup;

/// How long a room stays open when everybody has gone: most come back from a lost connection sooner.
const LINGER: Duration = Duration::from_secs(30);

/// The rooms that are open.
#[derive(Debug)]
pub struct Rooms {
    open: Mutex<HashMap<BoardName, Arc<Room>>>,
    storage: Arc<dyn Storage>,
    metrics: Arc<Metrics>,
    executor: Arc<Executor<'static>>,
    next_member: AtomicU64,
}

impl Rooms {
    /// No rooms yet.
    pub fn new(storage: Arc<dyn Storage>, metrics: Arc<Metrics>, executor: Arc<Executor<'static>>) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), storage, metrics, executor, next_member: AtomicU64::new(1) })
    }

    /// The room of a board.
    pub fn room(&self, name: &BoardName) -> Arc<Room> {
        let mut open = self.lock();
        if let Some(room) = open.get(name) {
            return room.clone();
        }
        let room = Arc::new(Room::open(name.clone(), self.storage.clone(), self.metrics.clone()));
        open.insert(name.clone(), room.clone());
        room
    }

    /// Sends everybody what was gathered; for a server that stops.
    pub fn flush_all(&self) {
        self.all().iter().for_each(|room| room.flush_now());
    }

    /// Keeps all boards; for a server that stops.
    pub fn keep_all(&self) {
        self.all().iter().for_each(|room| room.keep());
    }

    fn all(&self) -> Vec<Arc<Room>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn member_id(&self) -> u64 {
        self.next_member.fetch_add(1, Ordering::Relaxed)
    }

    /// Flushes a room later.
    pub(super) fn flush_at(self: &Arc<Self>, room: Arc<Room>, due: Instant) {
        let flush = async move {
            let mut next = Due::At(due);
            while let Due::At(due) = next {
                Timer::at(due).await;
                next = room.flush_scheduled();
            }
        };
        self.executor.spawn(flush).detach();
    }

    /// Lets a connection take another turn later.
    pub(super) fn wake_after(&self, wakeup: Arc<Wakeup>, pause: Duration) {
        let wake = async move {
            Timer::after(pause).await;
            wakeup.wake();
        };
        self.executor.spawn(wake).detach();
    }

    /// A member has let go of a room: it is closed when nobody has come back a while later.
    pub(super) fn release(self: &Arc<Self>, room: &Room) {
        if !room.begins_closing() {
            return;
        }
        let (rooms, name) = (self.clone(), room.name().clone());
        let close = async move {
            Timer::after(LINGER).await;
            while !rooms.close_if_idle(&name) {
                Timer::after(LINGER).await;
            }
        };
        self.executor.spawn(close).detach();
    }

    /// Closes a room that only the map holds, and says whether there is nothing more to see to. Only [`Rooms::room`]
    /// hands rooms out, under the same lock, so a room that only the map holds stays so here.
    fn close_if_idle(&self, name: &BoardName) -> bool {
        let mut open = self.lock();
        let Some(room) = open.get(name) else { return true };
        if Arc::strong_count(room) > 1 {
            return !room.goes_on_closing();
        }
        room.keep();
        open.remove(name);
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BoardName, Arc<Room>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
