//! Many clients on one thread: an event loop that sends what is due and reads many frames a call.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::heard::Heard;
use super::peers::Peer;
use super::speech::Speech;
use crate::raw::{client_frame, whole_frame};

/// The token of the clock; nobody's place in a crowd.
const CLOCK: Token = Token(usize::MAX);
/// What one read takes at most.
const READ: usize = 256 * 1024;
/// For so long others read than those who draw before these have their turn.
const READS_ON: Duration = Duration::from_micros(100);
/// A client whose server does not read says no more than this ahead, in bytes.
const AHEAD: usize = 256 * 1024;
/// What the kernel holds for somebody who never reads, in bytes.
const NARROW: usize = 4096;
/// The board on which flooders are, alone.
const FLOODED: usize = 999_999;
/// Bytes that a flooder has in hand.
const FLOOD: usize = 64 * 1024;

/// Who sends, how often each, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// By their place in the crowd.
    pub who: Vec<usize>,
    /// Messages of each in a second.
    pub rate: f64,
    /// How long.
    pub lasts: Duration,
}

/// Clients of one server.
#[derive(Debug)]
pub struct Crowd {
    poll: Poll,
    /// What ends a wait between two whole milliseconds.
    clock: OwnedFd,
    events: Events,
    people: Vec<Person>,
    /// Who has something to read, and draws nothing: those who draw need not wait while a hundred others are given a board.
    unread: VecDeque<usize>,
    /// Who sends empty frames as fast as the server takes them.
    flooders: Vec<Flooder>,
    speech: Speech,
    began: Instant,
    scratch: Vec<u8>,
    heard: Heard,
}

#[derive(Debug)]
struct Person {
    stream: TcpStream,
    board: usize,
    /// The beginning of a frame that has not come whole.
    partial: Vec<u8>,
    unsent: Vec<u8>,
    /// Never reads.
    is_deaf: bool,
    /// Its deliveries count.
    counts: bool,
    /// It has a part in the plan.
    draws: bool,
}

#[derive(Debug)]
struct Flooder {
    stream: std::net::TcpStream,
    /// How much of a frame has gone out by itself.
    within: usize,
}

impl Crowd {
    /// Nobody yet, who will speak as clients of such a server do.
    ///
    /// # Panics
    /// If the kernel gives no epoll.
    pub fn new(of: Peer) -> Self {
        let poll = Poll::new().expect("an epoll");
        let clock = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).expect("a clock");
        poll.registry().register(&mut SourceFd(&clock.as_raw_fd()), CLOCK, Interest::READABLE).expect("a clock");
        Self {
            poll,
            clock,
            events: Events::with_capacity(4096),
            people: Vec::new(),
            unread: VecDeque::new(),
            flooders: Vec::new(),
            speech: of.speech(),
            began: Instant::now(),
            scratch: vec![0; READ],
            heard: Heard::default(),
        }
    }

    /// From here on strokes are short.
    pub fn writes_by_hand(&mut self) {
        self.speech.writes_by_hand();
    }

    /// People join a board.
    pub fn join(&mut self, address: &str, board: usize, count: usize) {
        for _ in 0..count {
            let stream = self.speech.join(address, board).stream;
            self.add(stream, board, true, false);
        }
    }

    /// People join a board who will never read.
    pub fn join_deaf(&mut self, address: &str, board: usize, count: usize) {
        for _ in 0..count {
            let stream = self.speech.join(address, board).stream;
            set_socket_recv_buffer_size(&stream, NARROW).expect("a socket");
            self.add(stream, board, false, true);
        }
    }

    /// People connect to a board who have not joined it yet; they come after all others.
    pub fn connect(&mut self, address: &str, board: usize, count: usize) {
        for _ in 0..count {
            let stream = self.speech.connect(address, board).stream;
            self.add(stream, board, false, false);
        }
    }

    /// Those of the given places say hello, all at once.
    pub fn join_late(&mut self, who: std::ops::Range<usize>) {
        let now = self.now();
        for at in who {
            let mut hello = Vec::new();
            self.speech.join_late(at, now, &mut hello);
            self.people[at].send(&hello);
        }
    }

    /// Clients that send empty frames as fast as they can: a fragmented message without an end (RFC 6455 section 5.4).
    pub fn flood(&mut self, address: &str, count: usize) {
        for _ in 0..count {
            let mut raw = self.speech.upgrade(address, FLOODED);
            raw.send(&client_frame(0x02, &[]));
            raw.stream.set_nonblocking(true).expect("a socket");
            self.flooders.push(Flooder { stream: raw.stream, within: 0 });
        }
    }

    fn add(&mut self, stream: std::net::TcpStream, board: usize, counts: bool, is_deaf: bool) {
        stream.set_nonblocking(true).expect("a socket");
        let mut stream = TcpStream::from_std(stream);
        let interest = if is_deaf { Interest::WRITABLE } else { Interest::READABLE | Interest::WRITABLE };
        self.poll.registry().register(&mut stream, Token(self.people.len()), interest).expect("a socket");
        let (partial, unsent) = (Vec::new(), Vec::new());
        self.people.push(Person { stream, board, partial, unsent, is_deaf, counts, draws: false });
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.people.len()
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    /// Carries out a plan, and gives what was heard meanwhile.
    pub fn run(&mut self, plan: &Plan) -> Heard {
        self.heard = Heard::default();
        let period = Duration::from_secs_f64(1.0 / plan.rate);
        let start = Instant::now();
        // Pens of different people are not in step.
        let share = period / plan.who.len().max(1) as u32;
        let mut due: Vec<Instant> = (0..plan.who.len()).map(|at| start + share * at as u32).collect();
        let hearers = self.hearers();
        plan.who.iter().for_each(|who| self.people[*who].draws = true);
        loop {
            let now = Instant::now();
            if now >= start + plan.lasts {
                return self.heard.clone();
            }
            let mut next = start + plan.lasts;
            for (who, due) in plan.who.iter().zip(&mut due) {
                while *due <= now {
                    self.say(*who, hearers[self.people[*who].board], *due);
                    *due += period;
                }
                self.people[*who].write();
                next = next.min(*due);
            }
            self.flood_on();
            self.turn(next.saturating_duration_since(Instant::now()));
        }
    }

    /// Listens until everything has come that was sent, or the patience is over; gives all that was heard since the last plan
    /// began.
    pub fn drain(&mut self, patience: Duration) -> Heard {
        let end = Instant::now() + patience;
        while self.heard.deliveries < self.heard.expected && Instant::now() < end {
            self.turn(Duration::from_millis(1));
        }
        self.heard.clone()
    }

    /// Listens for so long.
    pub fn listen(&mut self, lasts: Duration) {
        let end = Instant::now() + lasts;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(left);
        }
    }

    /// How many hear what is said on each board.
    fn hearers(&self) -> Vec<u64> {
        let boards = self.people.iter().map(|person| person.board + 1).max().unwrap_or(0);
        let mut hearers = vec![0; boards];
        self.people.iter().filter(|person| person.counts).for_each(|person| hearers[person.board] += 1);
        hearers
    }

    fn say(&mut self, who: usize, hearers: u64, due: Instant) {
        let due = due.duration_since(self.began).as_nanos() as u64;
        let person = &mut self.people[who];
        if person.unsent.len() > AHEAD {
            self.heard.unsent += 1;
            return;
        }
        self.speech.say(who, person.board, due, &mut person.unsent);
        self.heard.sent += 1;
        self.heard.expected += hearers;
    }

    fn flood_on(&mut self) {
        let empty = client_frame(0x00, &[]);
        let flood = empty.repeat(FLOOD / empty.len());
        for Flooder { stream, within } in &mut self.flooders {
            while let Ok(written) = stream.write(&flood[*within..]) {
                *within = (*within + written) % empty.len();
            }
        }
    }

    /// Waits for what comes, and takes it.
    fn turn(&mut self, timeout: Duration) {
        // An epoll waits for whole milliseconds, and messages are due in between. Who waited awake would take from the server's core
        // what the two share.
        let once = |wait| Itimerspec { it_interval: Timespec::default(), it_value: wait };
        let timeout = if self.unread.is_empty() { timeout } else { Duration::ZERO };
        let wait = Timespec::try_from(timeout).expect("less than centuries");
        timerfd_settime(&self.clock, TimerfdTimerFlags::empty(), &once(wait)).expect("a clock");
        let _ = self.poll.poll(&mut self.events, Some(timeout));
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let at = event.token().0;
            if event.token() == CLOCK {
                continue;
            }
            if event.is_writable() {
                self.people[at].write();
            }
            if event.is_readable() && !self.people[at].is_deaf {
                if self.people[at].draws { while self.read(at) {} } else { self.unread.push_back(at) }
            }
        }
        self.events = events;
        self.read_on();
    }

    /// Lets others read than those who draw, until it is time to look whether there is something for these again.
    fn read_on(&mut self) {
        let until = Instant::now() + READS_ON;
        while let Some(at) = self.unread.pop_front() {
            if self.read(at) {
                self.unread.push_back(at);
            }
            if Instant::now() >= until {
                return;
            }
        }
    }

    /// Takes what one read gives; says whether there may be more.
    fn read(&mut self, at: usize) -> bool {
        let person = &mut self.people[at];
        let Ok(count @ 1..) = person.stream.read(&mut self.scratch) else { return false };
        self.heard.bytes += count as u64;
        self.heard.is_drawer = person.draws;
        let now = self.began.elapsed().as_nanos() as u64;
        let (board, is_short) = (person.board, count < self.scratch.len());
        let mut partial = std::mem::take(&mut person.partial);
        let bytes = match partial.is_empty() {
            true => &self.scratch[..count],
            false => {
                partial.extend_from_slice(&self.scratch[..count]);
                &partial[..]
            }
        };
        let mut taken = 0;
        while let Some((start, end)) = whole_frame(&bytes[taken..]) {
            let (first, payload) = (bytes[taken], &bytes[taken + start..taken + end]);
            match first {
                0x89 => person.send(&client_frame(0x8a, payload)),
                0x82 => self.speech.hear(at, board, payload, now, &mut self.heard),
                _ => {}
            }
            taken += end;
        }
        person.partial = match partial.is_empty() {
            true => self.scratch[taken..count].to_vec(),
            false => {
                partial.drain(..taken);
                partial
            }
        };
        !is_short
    }
}

impl Person {
    fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        self.write();
    }

    fn write(&mut self) {
        let mut written = 0;
        while written < self.unsent.len() {
            match self.stream.write(&self.unsent[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.unsent.drain(..written);
    }
}
