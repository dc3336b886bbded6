//! Bytes that are being sent and are not kept anywhere else: images and snapshots, bounded for the whole process.
//!
//! Readers of the same bytes share one buffer, which counts once. When there is no room for another buffer, the reader that
//! has been reading for longest is dismissed.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use crate::metrics::Metrics;
use crate::net::wakeup::Wakeup;

/// Time after which a reader is slow, and is dismissed if others need the room.
pub(crate) const SLOW: Duration = Duration::from_secs(5);
/// Between two readers that are dismissed: the first one has to let go before it is known whether another one must.
const APART: Duration = Duration::from_millis(250);

/// The bound on shared buffers, and who reads them.
#[derive(Debug)]
pub struct InFlight {
    most_bytes: usize,
    bytes: AtomicUsize,
    readers: Mutex<Readers>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Readers {
    /// By numbers that grow: the oldest comes first.
    all: BTreeMap<u64, Arc<Reading>>,
    next: u64,
    /// When the last one was dismissed.
    dismissed: Option<Instant>,
}

#[derive(Debug)]
struct Reading {
    since: Instant,
    is_dismissed: AtomicBool,
    wakeup: Arc<Wakeup>,
}

/// Whether there is room for more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Enough,
    /// There soon will be: a reader was dismissed.
    Soon,
    /// There is not, and nobody can be dismissed.
    None,
}

impl Default for InFlight {
    fn default() -> Self {
        Self::of_at_most(256 << 20, Arc::default())
    }
}

impl InFlight {
    /// Takes at most about so many bytes; a single snapshot may be larger.
    pub fn of_at_most(most_bytes: usize, metrics: Arc<Metrics>) -> Self {
        Self { most_bytes, bytes: AtomicUsize::new(0), readers: Mutex::default(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock()
    }

    /// Looks for room for so many bytes. Where there is none, dismisses the oldest reader that has been reading for at least
    /// `patience`, one at a time.
    pub fn make_room(&self, bytes: usize, patience: Duration) -> Room {
        self.make_room_at(bytes, patience, Instant::now())
    }

    fn make_room_at(&self, bytes: usize, patience: Duration, now: Instant) -> Room {
        if self.held() + bytes <= self.most_bytes {
            return Room::Enough;
        }
        let mut readers = self.lock();
        if readers.dismissed.is_some_and(|last| now < last + APART) {
            return Room::Soon;
        }
        let is_slow = |reading: &Reading| now.saturating_duration_since(reading.since) >= patience;
        let Some(oldest) = readers.all.first_entry().filter(|oldest| is_slow(oldest.get())) else { return Room::None };
        let reading = oldest.remove();
        readers.dismissed = Some(now);
        drop(readers);
        reading.is_dismissed.store(true, Ordering::Release);
        self.metrics.slow_readers.inc();
        reading.wakeup.wake();
        Room::Soon
    }

    /// The bytes that are held.
    pub fn held(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts so many bytes from now on, if there is room for them.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        let more = |held: usize| Some(held + bytes).filter(|held| *held <= self.most_bytes);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        self.metrics.in_flight.inc_by(bytes as i64);
        Some(Reserved { in_flight: self.clone(), bytes })
    }

    /// Counts a buffer for as long as anybody holds a part of it, also above the bound.
    pub fn hold(self: &Arc<Self>, bytes: impl Into<Bytes>) -> Bytes {
        let bytes = bytes.into();
        self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        self.metrics.in_flight.inc_by(bytes.len() as i64);
        let reserved = Reserved { in_flight: self.clone(), bytes: bytes.len() };
        Bytes::from_owner(Counted { bytes, _reserved: reserved })
    }

    /// A reader of shared buffers. Its task is woken if it is dismissed.
    pub fn reader(self: &Arc<Self>, wakeup: Arc<Wakeup>) -> Reader {
        let reading = Arc::new(Reading { since: Instant::now(), is_dismissed: AtomicBool::new(false), wakeup });
        let mut readers = self.lock();
        readers.next += 1;
        let number = readers.next;
        readers.all.insert(number, reading.clone());
        drop(readers);
        Reader { in_flight: self.clone(), number, reading }
    }
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub struct Reserved {
    in_flight: Arc<InFlight>,
    bytes: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.in_flight.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.in_flight.metrics.in_flight.dec_by(self.bytes as i64);
    }
}

/// A buffer with its reservation.
struct Counted {
    bytes: Bytes,
    _reserved: Reserved,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Somebody who reads shared buffers, until this is dropped.
#[derive(Debug)]
pub struct Reader {
    in_flight: Arc<InFlight>,
    number: u64,
    reading: Arc<Reading>,
}

impl Reader {
    /// Whether it is to let go of its buffers, because others need the room.
    pub fn is_dismissed(&self) -> bool {
        self.reading.is_dismissed.load(Ordering::Acquire)
    }

    /// Waits until it is dismissed.
    pub async fn dismissed(&self) {
        poll_fn(|cx| {
            self.reading.wakeup.arm(cx.waker());
            if self.is_dismissed() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.in_flight.lock().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_at_most(bytes: usize) -> Arc<InFlight> {
        Arc::new(InFlight::of_at_most(bytes, Arc::default()))
    }

    #[test]
    fn a_buffer_counts_once_and_as_long_as_anybody_holds_a_part_of_it() {
        let in_flight = of_at_most(100);
        let buffer = in_flight.hold(vec![7; 60]);
        let part = buffer.slice(3..5);
        assert!(in_flight.reserve(41).is_none());
        drop(buffer);
        assert_eq!(in_flight.metrics.in_flight.get(), 60);
        drop(part);
        assert_eq!(in_flight.metrics.in_flight.get(), 0);
        assert!(in_flight.reserve(100).is_some());
    }

    #[test]
    fn the_oldest_reader_is_dismissed_and_the_next_one_only_if_that_was_not_enough() {
        let in_flight = of_at_most(100);
        let _buffer = in_flight.hold(vec![7; 100]);
        assert_eq!(in_flight.make_room(1, Duration::ZERO), Room::None, "nobody reads");
        let readers = [0; 3].map(|_| in_flight.reader(Arc::default()));
        let dismissed = |readers: &[Reader]| readers.iter().map(Reader::is_dismissed).collect::<Vec<_>>();
        assert_eq!(in_flight.make_room(1, Duration::from_secs(3600)), Room::None, "nobody has been slow for so long");
        let now = Instant::now();
        assert_eq!(in_flight.make_room_at(1, Duration::ZERO, now), Room::Soon);
        assert_eq!(in_flight.make_room_at(1, Duration::ZERO, now), Room::Soon);
        assert_eq!(dismissed(&readers), [true, false, false]);
        assert_eq!(in_flight.make_room_at(1, Duration::ZERO, now + APART), Room::Soon);
        assert_eq!(dismissed(&readers), [true, true, false], "also if the first one never lets go");
        assert_eq!(in_flight.metrics.slow_readers.get(), 2);
    }

    #[test]
    fn a_reader_that_waits_learns_that_it_is_dismissed() {
        let in_flight = of_at_most(0);
        let reader = in_flight.reader(Arc::default());
        let maker = in_flight.clone();
        let thread = std::thread::spawn(move || maker.make_room(1, Duration::ZERO));
        smol::block_on(reader.dismissed());
        assert_eq!(thread.join().unwrap(), Room::Soon);
    }
}
