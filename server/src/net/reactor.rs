//! One worker's epoll: the sockets that it watches, what the kernel has said of each, and how it sleeps and is woken.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mio::event::{Event, Source};
use mio::unix::SourceFd;
use mio::{Events, Interest, Registry, Token};
use parking_lot::{Mutex, MutexGuard};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use slab::Slab;

use crate::net::wakeup::Wakeup;

/// Events that are taken from the kernel at once.
const EVENTS: usize = 1024;
/// The token of the reactor's own clock; a slab never gets that far.
const CLOCK: Token = Token(usize::MAX);

/// The worker runs tasks, and looks for more before it sleeps.
const AWAKE: u8 = 0;
/// The worker sleeps in the kernel: only the clock or a socket wakes it.
const ASLEEP: u8 = 1;
/// There is something to do; a worker that wants to sleep looks at it first.
const RUNG: u8 = 2;

/// The sockets that a worker watches. Edge-triggered (`epoll(7)`): the kernel says once that something has come, so a read costs no
/// other call than itself.
#[derive(Debug)]
pub(crate) struct Reactor {
    registry: Registry,
    clock: Clock,
    state: AtomicU8,
    watched: Mutex<Slab<Arc<Readiness>>>,
}

/// The side of a reactor on which its worker sleeps.
#[derive(Debug)]
pub(crate) struct Sleep {
    poll: mio::Poll,
    /// When the clock rings, where that is known.
    rings_at: Option<Instant>,
    events: Events,
    /// The tasks of the events, gathered under the lock and woken outside of it.
    woken: Vec<(Arc<Readiness>, u8)>,
}

impl Reactor {
    /// A reactor that watches nothing yet.
    ///
    /// # Errors
    /// If the kernel gives no descriptors.
    pub(crate) fn new() -> io::Result<(Arc<Self>, Sleep)> {
        let poll = mio::Poll::new()?;
        let reactor = Self {
            registry: poll.registry().try_clone()?,
            clock: Clock::watched_by(poll.registry())?,
            state: AtomicU8::new(AWAKE),
            watched: Mutex::default(),
        };
        let events = Events::with_capacity(EVENTS);
        Ok((Arc::new(reactor), Sleep { poll, rings_at: None, events, woken: Vec::new() }))
    }

    /// Watches a socket until the registration is given back.
    ///
    /// # Errors
    /// If the kernel does not watch it.
    pub(crate) fn watch(self: &Arc<Self>, source: &mut impl Source) -> io::Result<Registration> {
        let readiness = Arc::new(Readiness::default());
        let key = self.lock().insert(readiness.clone());
        if let Err(error) = self.registry.register(source, Token(key), Interest::READABLE | Interest::WRITABLE) {
            self.lock().remove(key);
            return Err(error);
        }
        Ok(Registration { reactor: self.clone(), key, readiness })
    }

    /// Returns the number of watched sockets.
    pub(crate) fn watched(&self) -> usize {
        self.lock().len()
    }

    /// The worker goes through its tasks: what is rung from now on is seen before it sleeps.
    pub(crate) fn stays_awake(&self) {
        self.state.store(AWAKE, Ordering::SeqCst);
    }

    /// Sleeps until something has come, somebody rings or a moment is there, and wakes who waits for what has come.
    pub(crate) fn sleep(&self, sleep: &mut Sleep, until: Option<Instant>) {
        // Before it sleeps: whoever rings from then on sets the clock behind this.
        self.rings_by(until, &mut sleep.rings_at);
        let is_rung = self.state.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst).is_err();
        let patience = is_rung.then_some(Duration::ZERO);
        // Interrupted by a signal, most likely; whatever it is, the tasks are gone through again.
        let slept = sleep.poll.poll(&mut sleep.events, patience);
        self.stays_awake();
        if slept.is_ok() {
            let watched = self.lock();
            let known = |event: &Event| Some((watched.get(event.token().0)?.clone(), said(event)));
            sleep.woken.extend(sleep.events.iter().filter_map(known));
            // Whoever rang may have set it to another moment than was known here.
            if sleep.events.iter().any(|event| event.token() == CLOCK) {
                sleep.rings_at = None;
            }
        }
        sleep.woken.drain(..).for_each(|(readiness, said)| readiness.learn(said));
    }

    /// There is something to do. A system call only where the worker sleeps.
    pub(crate) fn ring(&self) {
        if self.state.swap(RUNG, Ordering::SeqCst) == ASLEEP {
            self.clock.ring_in(Duration::ZERO);
        }
    }

    /// Has the clock ring at this moment at the latest. What it was set to earlier than that is let come: it costs a look, as
    /// setting it does.
    fn rings_by(&self, until: Option<Instant>, rings_at: &mut Option<Instant>) {
        let Some(until) = until else { return };
        let now = Instant::now();
        if rings_at.is_some_and(|at| now < at && at <= until) {
            return;
        }
        self.clock.ring_in(until.saturating_duration_since(now));
        *rings_at = Some(until);
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Arc<Readiness>>> {
        self.watched.lock()
    }
}

/// A timer that ends a sleep, at a moment or at once: a timer of the kernel, because epoll's own patience counts in milliseconds.
#[derive(Debug)]
struct Clock(OwnedFd);

impl Clock {
    fn watched_by(registry: &Registry) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), CLOCK, Interest::READABLE)?;
        Ok(Self(timer))
    }

    fn ring_in(&self, wait: Duration) {
        // Nothing at all would disarm it.
        let wait = wait.max(Duration::from_nanos(1));
        let it_value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        let never_again = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: never_again, it_value };
        // Setting it also takes back that it has rung: nobody has to read it.
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once).expect("Bug: the timer is one");
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

/// The readiness that the kernel has reported of a socket and that no call has used up since.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    said: AtomicU8,
    /// Of the task whose socket it is: it looks at both directions when it is woken.
    task: Wakeup,
}

/// Permission to try a call; its result is reported here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told(u8);

impl Readiness {
    /// Waits until the kernel has said that a call is worth trying. What was said is used up by that, *before* the call:
    /// an edge that comes during the call is kept.
    pub(crate) fn poll(&self, way: Way, cx: &mut Context<'_>) -> Poll<Told> {
        let take = || self.said.fetch_and(!way.all(), Ordering::AcqRel) & way.all();
        let mut told = take();
        if told == 0 {
            self.task.arm(cx.waker());
            told = take();
        }
        if told == 0 { Poll::Pending } else { Poll::Ready(Told(told)) }
    }

    /// Waits until a read is worth trying, and leaves what was said.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let is_said = || self.said.load(Ordering::Acquire) & Way::In.all() != 0;
        if !is_said() {
            self.task.arm(cx.waker());
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
        self.task.wake();
    }
}
