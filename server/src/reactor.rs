//! One worker's epoll: the sockets that it watches, what the kernel has said of each, and how it sleeps and is woken.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use mio::event::{Event, Source};
use mio::{Events, Interest, Registry, Token};
use slab::Slab;

use crate::wakeup::Wakeup;

/// Events that are taken from the kernel at once.
const EVENTS: usize = 1024;
/// The token of the reactor's own bell; a slab never gets that far.
const BELL: Token = Token(usize::MAX);

/// The worker runs tasks, and looks for more before it sleeps.
const AWAKE: u8 = 0;
/// The worker sleeps in the kernel: only the bell or a socket wakes it.
const ASLEEP: u8 = 1;
/// There is something to do; a worker that wants to sleep looks at it first.
const RUNG: u8 = 2;

/// What a worker watches. Edge-triggered (`epoll(7)`): the kernel says once that something has come, so a read costs no
/// other call than itself.
#[derive(Debug)]
pub(crate) struct Reactor {
    registry: Registry,
    bell: mio::Waker,
    state: AtomicU8,
    watched: Mutex<Slab<Arc<Readiness>>>,
}

/// The side of a reactor on which its worker sleeps.
#[derive(Debug)]
pub(crate) struct Sleep {
    poll: mio::Poll,
    events: Events,
    /// Whom the events are for, gathered under the lock and woken outside of it.
    woken: Vec<(Arc<Readiness>, u8)>,
}

impl Reactor {
    /// A reactor that watches nothing yet.
    ///
    /// # Errors
    /// Where the kernel gives no descriptors.
    pub(crate) fn new() -> io::Result<(Arc<Self>, Sleep)> {
        let poll = mio::Poll::new()?;
        let reactor = Self {
            registry: poll.registry().try_clone()?,
            bell: mio::Waker::new(poll.registry(), BELL)?,
            state: AtomicU8::new(AWAKE),
            watched: Mutex::default(),
        };
        Ok((Arc::new(reactor), Sleep { poll, events: Events::with_capacity(EVENTS), woken: Vec::new() }))
    }

    /// Watches a socket until the registration is given back.
    ///
    /// # Errors
    /// Where the kernel does not watch it.
    pub(crate) fn watch(self: &Arc<Self>, source: &mut impl Source) -> io::Result<Registration> {
        let readiness = Arc::new(Readiness::default());
        let key = self.lock().insert(readiness.clone());
        if let Err(error) = self.registry.register(source, Token(key), Interest::READABLE | Interest::WRITABLE) {
            self.lock().remove(key);
            return Err(error);
        }
        Ok(Registration { reactor: self.clone(), key, readiness })
    }

    /// How many sockets are watched.
    pub(crate) fn watched(&self) -> usize {
        self.lock().len()
    }

    /// The worker goes through its tasks: what is rung from now on is seen before it sleeps.
    pub(crate) fn stays_awake(&self) {
        self.state.store(AWAKE, Ordering::SeqCst);
    }

    /// Sleeps until something has come or the bell is rung, and wakes who waits for what has come.
    pub(crate) fn sleep(&self, sleep: &mut Sleep) {
        let is_rung = self.state.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst).is_err();
        let patience = is_rung.then_some(Duration::ZERO);
        // Interrupted by a signal, most likely; whatever it is, the tasks are gone through again.
        let slept = sleep.poll.poll(&mut sleep.events, patience);
        self.stays_awake();
        if slept.is_ok() {
            let watched = self.lock();
            let known = |event: &Event| Some((watched.get(event.token().0)?.clone(), said(event)));
            sleep.woken.extend(sleep.events.iter().filter_map(known));
        }
        sleep.woken.drain(..).for_each(|(readiness, said)| readiness.learn(said));
    }

    /// There is something to do. A system call only where the worker sleeps.
    pub(crate) fn ring(&self) {
        if self.state.swap(RUNG, Ordering::SeqCst) == ASLEEP {
            // An eventfd takes 2^64 rings; there is nothing to do about an error, and none to be had.
            let _ = self.bell.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Arc<Readiness>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket's place in a reactor.
#[derive(Debug)]
pub(crate) struct Registration {
    reactor: Arc<Reactor>,
    key: usize,
    pub(crate) readiness: Arc<Readiness>,
}

impl Registration {
    /// Watches the socket no more.
    pub(crate) fn give_back(&self, source: &mut impl Source) {
        let _ = self.reactor.registry.deregister(source);
        self.reactor.lock().remove(self.key);
    }
}

const READABLE: u8 = 1;
const READ_CLOSED: u8 = 2;
const WRITABLE: u8 = 4;
const WRITE_CLOSED: u8 = 8;

/// A direction of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

impl Way {
    fn all(self) -> u8 {
        match self {
            Self::In => READABLE | READ_CLOSED,
            Self::Out => WRITABLE | WRITE_CLOSED,
        }
    }
}

fn said(event: &Event) -> u8 {
    let bits = [
        (event.is_readable(), READABLE),
        (event.is_read_closed(), READ_CLOSED),
        (event.is_writable(), WRITABLE),
        (event.is_write_closed(), WRITE_CLOSED),
        (event.is_error(), READABLE | READ_CLOSED | WRITABLE | WRITE_CLOSED),
    ];
    bits.into_iter().filter(|(is, _)| *is).fold(0, |all, (_, bits)| all | bits)
}

/// What the kernel has said of a socket and no call has used up since.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    said: AtomicU8,
    reader: Wakeup,
    writer: Wakeup,
}

/// What a call that is to be tried was told; it says how the call went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told(u8);

impl Readiness {
    /// Waits until the kernel has said that a call is worth trying. What was said is used up by that, *before* the call:
    /// an edge that comes during the call is kept.
    pub(crate) fn poll(&self, way: Way, cx: &mut Context<'_>) -> Poll<Told> {
        let take = || self.said.fetch_and(!way.all(), Ordering::AcqRel) & way.all();
        let mut told = take();
        if told == 0 {
            self.waiting(way).arm(cx.waker());
            told = take();
        }
        if told == 0 { Poll::Pending } else { Poll::Ready(Told(told)) }
    }

    /// Waits until a read is worth trying, and leaves what was said.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let is_said = || self.said.load(Ordering::Acquire) & Way::In.all() != 0;
        if !is_said() {
            self.reader.arm(cx.waker());
        }
        if is_said() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The call did something. It has used up everything if it did less than it could, and the end was not in sight.
    pub(crate) fn did(&self, told: Told, is_all: bool) {
        if !is_all || told.0 & (READ_CLOSED | WRITE_CLOSED) != 0 {
            self.said.fetch_or(told.0, Ordering::AcqRel);
        }
    }

    fn learn(&self, said: u8) {
        self.said.fetch_or(said, Ordering::AcqRel);
        for way in [Way::In, Way::Out] {
            if said & way.all() != 0 {
                self.waiting(way).wake();
            }
        }
    }

    fn waiting(&self, way: Way) -> &Wakeup {
        match way {
            Way::In => &self.reader,
            Way::Out => &self.writer,
        }
    }
}
