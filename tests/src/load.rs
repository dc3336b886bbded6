//! Generates load on a server of its own, on loopback, bounded in time: latency, memory, and what slow readers cost.

use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use inkwire_protocol::{
    ClientId, ClientMessage, Colour, Epoch, Operation, Points, SUBPROTOCOL_BINARY, Shape, ShapeKind, binary,
};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Executor, Timer};

use crate::client::Client;
use crate::pen::begin;
use crate::raw::{Raw, client_frame};
use crate::server::Server;

/// A pen's chunks come with the frames of its display.
const CHUNK: Duration = Duration::from_micros(16_667);
/// Points of a chunk at 240 Hz.
const POINTS: usize = 4;

/// Half and 99 of a hundred of some latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Half of all are no longer.
    pub p50: Duration,
    /// 99 of 100 are no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// How many there were.
    pub count: usize,
}

impl Latency {
    pub(crate) fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        let at = |share: f64| all.get(((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1)));
        let or_zero = |one: Option<&Duration>| one.copied().unwrap_or_default();
        Self { p50: or_zero(at(0.5)), p99: or_zero(at(0.99)), max: or_zero(all.last()), count: all.len() }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        write!(
            f,
            "p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms of {}",
            ms(self.p50),
            ms(self.p99),
            ms(self.max),
            self.count
        )
    }
}

fn points(at: u64) -> Operation {
    let back_and_forth = if at.is_multiple_of(2) { 23 } else { -23 };
    Operation::Points(Points { slot: 0, steps: vec![[back_and_forth, 4]; POINTS], pressures: vec![] })
}

/// A short line: a whole element in one operation.
fn dash() -> Operation {
    let (kind, colour, fill, width, scale) = (ShapeKind::Line, Colour(0xff), Colour(0), 16, 3);
    Operation::Shape(Shape { gesture_back: 0, kind, colour, fill, width, scale, x: 0, y: 0, dx: 80, dy: 0 })
}

/// Points that begin a new stroke before the old one is full.
fn ink(at: u64) -> Vec<Operation> {
    const CHUNKS_PER_STROKE: u64 = 120;
    match at % CHUNKS_PER_STROKE {
        0 => vec![begin()],
        last if last == CHUNKS_PER_STROKE - 1 => vec![Operation::End { slot: 0 }],
        _ => vec![points(at)],
    }
}

/// From one member's socket to another's on a board of two, one of which draws with a pen.
pub fn quiet(server: &Server, lasts: Duration) -> Latency {
    let mut drawer = Client::join(&server.address, "quiet", "drawer");
    let mut viewer = Client::join(&server.address, "quiet", "viewer");
    let mut latencies = Vec::new();
    let start = Instant::now();
    let mut at = 0;
    while start.elapsed() < lasts {
        let sent = Instant::now();
        let mut cseq = 0;
        ink(at).into_iter().for_each(|operation| cseq = drawer.submit(operation));
        let author = drawer.author;
        viewer.wait("the ink", |viewer| viewer.replica.board().cseq(author) >= cseq);
        latencies.push(sent.elapsed());
        drawer.wait("its echo", |drawer| drawer.pending.is_empty());
        at += 1;
        std::thread::park_timeout(CHUNK.saturating_sub(sent.elapsed()));
    }
    Latency::of(latencies)
}

/// What an idle member costs.
#[derive(Debug)]
pub struct Idle {
    /// How many members there were.
    pub members: usize,
    /// Memory of the server's own for each, in bytes.
    pub bytes: u64,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} idle members: {:.2} KiB each", self.members, self.bytes as f64 / 1024.0)
    }
}

/// Members that have joined and do nothing, fifty to a board.
///
/// # Panics
/// Where the server does not take them.
pub fn idle(server: &Server, members: usize) -> Idle {
    allow_descriptors();
    // What the allocator and the code need once is there before the count begins.
    let warm: Vec<TcpStream> = (0..50).map(|at| joined(server, "warm", at)).collect();
    drop(warm);
    let before = server.memory();
    let held: Vec<TcpStream> = (0..members).map(|at| joined(server, &format!("idle-{}", at / 50), at)).collect();
    std::thread::park_timeout(Duration::from_secs(1));
    let bytes = server.memory().saturating_sub(before) / members as u64;
    drop(held);
    Idle { members, bytes }
}

/// A socket that has said hello and has heard the welcome.
fn joined(server: &Server, board: &str, at: usize) -> TcpStream {
    let protocol = format!("Sec-WebSocket-Protocol: {SUBPROTOCOL_BINARY}\r\n");
    let mut raw = Raw::upgrade(&server.address, &format!("/ws/{board}"), &protocol);
    raw.send(&client_frame(0x82, &hello(at)));
    raw.frame().expect("a welcome");
    raw.stream
}

pub(crate) fn hello(at: usize) -> Vec<u8> {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&(at as u64).to_be_bytes());
    let (epoch, name) = (Epoch::default(), format!("member {at}"));
    let client_id = ClientId(id);
    binary::encode_client(&[ClientMessage::Hello {
        client_id,
        epoch,
        seq: 0,
        hash: [0; 8],
        name,
        colour: Colour(0xff),
    }])
}

/// Raises the soft limit of descriptors to the hard one.
pub fn allow_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// What a member that never reads costs the others and the server.
#[derive(Debug)]
pub struct Stalled {
    /// How many members there were, and how many of them drew.
    pub members: usize,
    /// How many drew.
    pub drawers: usize,
    /// Operations in the log at the end.
    pub operations: u64,
    /// Readers that did not get the whole log.
    pub behind: usize,
    /// The others' latency while everybody reads.
    pub before: Latency,
    /// The others' latency while one does not.
    pub during: Latency,
    /// By how much the server's memory has grown while one did not read, in bytes.
    pub grown: u64,
    /// The size of the board's ink that was drawn meanwhile, as it stands in a snapshot, in bytes.
    pub board: u64,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} members, {} draw: {} operations", self.members, self.drawers, self.operations)?;
        writeln!(f, "  all read:        {}", self.before)?;
        writeln!(f, "  one never reads: {}", self.during)?;
        writeln!(f, "  {} readers have not got everything", self.behind)?;
        write!(f, "  memory grew by {} KiB, the board in a snapshot by {} KiB", self.grown / 1024, self.board / 1024)
    }
}

/// Lets members draw on one board, half of the time with one among them that never reads.
///
/// # Panics
/// Where the server does not take them.
pub fn stalled(server: &Server, members: usize, drawers: usize, lasts: Duration) -> Stalled {
    allow_descriptors();
    let readers = members - 1;
    let crowd = Crowd::start(server, readers, drawers);
    let mut drawer = Client::join(&server.address, "hall", "probe");
    let mut viewer = Client::join(&server.address, "hall", "viewer");
    let before = probe(&mut drawer, &mut viewer, lasts / 2);
    let (memory, ink) = (server.memory(), snapshot_size(&viewer));
    let never_reads = joined(server, "hall", 1_000_000);
    let during = probe(&mut drawer, &mut viewer, lasts / 2);
    let grown = server.memory().saturating_sub(memory);
    let board = snapshot_size(&viewer).saturating_sub(ink);
    drop(never_reads);
    let seq = crowd.stop_drawing(&mut viewer);
    let behind = crowd.behind(seq);
    Stalled { members, drawers, operations: seq, behind, before, during, grown, board }
}

fn snapshot_size(client: &Client) -> u64 {
    client.replica.board().packets().map(|packet| packet.len() as u64).sum()
}

/// Draws a little and takes the time until the viewer has it.
fn probe(drawer: &mut Client, viewer: &mut Client, lasts: Duration) -> Latency {
    let start = Instant::now();
    let mut latencies = Vec::new();
    while start.elapsed() < lasts {
        let sent = Instant::now();
        let cseq = drawer.submit(dash());
        let author = drawer.author;
        viewer.wait("the probe", |viewer| viewer.replica.board().cseq(author) >= cseq);
        latencies.push(sent.elapsed());
        drawer.wait("its echo", |drawer| drawer.pending.is_empty());
    }
    Latency::of(latencies)
}

/// Members on a thread of their own, some of which draw.
struct Crowd {
    drawing: Arc<AtomicBool>,
    /// The first number of the last flush that each has got.
    seen: Vec<Arc<AtomicU64>>,
    stop: Option<smol::channel::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Crowd {
    fn start(server: &Server, readers: usize, drawers: usize) -> Self {
        let drawing = Arc::new(AtomicBool::new(true));
        let seen: Vec<Arc<AtomicU64>> = (0..readers).map(|_| Arc::default()).collect();
        let sockets: Vec<TcpStream> = (0..readers).map(|at| joined(server, "hall", at)).collect();
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let (flags, counters) = (drawing.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            let executor = Executor::new();
            for (at, (socket, seen)) in sockets.into_iter().zip(counters).enumerate() {
                let socket = Arc::new(Async::new(socket).expect("a socket"));
                executor.spawn(read(socket.clone(), seen)).detach();
                if at < drawers {
                    executor.spawn(draw(socket, flags.clone())).detach();
                }
            }
            smol::block_on(executor.run(async { _ = stopped.recv().await }));
        });
        Self { drawing, seen, stop: Some(stop), thread: Some(thread) }
    }

    /// Ends the drawing with one last operation, and gives its number in the log.
    fn stop_drawing(&self, viewer: &mut Client) -> u64 {
        self.drawing.store(false, Ordering::SeqCst);
        // What is on its way comes first: a flush is at most a tick away.
        std::thread::park_timeout(Duration::from_millis(200));
        viewer.does(dash()).expect("the last operation");
        viewer.replica.board().seq()
    }

    /// How many have not got the operation of that number, which was flushed alone.
    fn behind(&self, seq: u64) -> usize {
        let deadline = Instant::now() + crate::patience::PATIENCE;
        let count = || self.seen.iter().filter(|seen| seen.load(Ordering::SeqCst) < seq).count();
        while count() > 0 && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        count()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn draw(socket: Arc<Async<TcpStream>>, drawing: Arc<AtomicBool>) {
    let mut cseq = 1;
    let mut next = Instant::now();
    let mut at = 0;
    while drawing.load(Ordering::SeqCst) {
        let operations = ink(at);
        let count = operations.len() as u64;
        let packet = binary::encode_client(&[ClientMessage::Operations { first_cseq: cseq, operations }]);
        if (&*socket).write_all(&client_frame(0x82, &packet)).await.is_err() {
            return;
        }
        cseq += count;
        at += 1;
        next += CHUNK;
        Timer::at(next).await;
    }
}

/// Reads frames, answers pings, and notes with which number the latest flush began.
async fn read(socket: Arc<Async<TcpStream>>, seen: Arc<AtomicU64>) {
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = (&*socket).read(&mut chunk).await {
        buffer.extend_from_slice(&chunk[..read]);
        let mut at = 0;
        while let Some((payload, end)) = whole_frame(&buffer[at..]) {
            const PING: u8 = 0x89;
            if buffer[at] == PING {
                let _ = (&*socket).write_all(&client_frame(0x8a, &buffer[at + payload..at + end])).await;
            } else if let Some(first_seq) = first_seq(&buffer[at + payload..at + end]) {
                seen.store(first_seq, Ordering::SeqCst);
            }
            at += end;
        }
        buffer.drain(..at);
    }
}

/// Where the payload of the first frame begins and ends, where it is all there.
fn whole_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (4, u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        length => (2, u64::from(length)),
    };
    let end = start + usize::try_from(length).ok()?;
    (bytes.len() >= end).then_some((start, end))
}

/// The number with which an `operations` message begins.
fn first_seq(packet: &[u8]) -> Option<u64> {
    const OPERATIONS: u8 = 36;
    let (tag, rest) = packet.split_first()?;
    let (_, rest) = (*tag == OPERATIONS).then(|| number(rest))??;
    Some(number(rest)?.0)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let value = bytes[..length].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, &bytes[length..]))
}
