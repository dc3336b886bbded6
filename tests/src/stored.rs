//! What keeping boards costs: how soon ink is durable, and what a large board takes on disk and in memory.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inkwire::random;
use inkwire::storage::{Lease, Location, LogBatch, Opening};
use inkwire_board::{Board, Submitted};
use inkwire_protocol::{Begin, ClientId, Colour, Operation, Tool, binary};

use crate::client::Client;
use crate::dice::Dice;
use crate::pen::{chunks, recorded};
use crate::raw::{Raw, client_frame};
use crate::server::{Server, serve};
use crate::tools::folder_on_this_disk;

/// People who draw, and how often each does something: a thousand operations a second.
const PEOPLE: u64 = 10;
const EVERY: Duration = Duration::from_millis(10);

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

/// How soon operations are durable.
#[derive(Debug, Clone, Copy)]
pub struct Durable {
    /// From the moment at which a client sends an operation to the one at which it hears that it is durable.
    pub heard: Latency,
    /// Operations that the server has written.
    pub operations: f64,
    /// In how many commits.
    pub commits: f64,
    /// The share of commits in which nothing had waited longer than 51 ms.
    pub within: f64,
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "heard of after {}; {:.1} operations a commit, {:.2} % of {} commits within 51 ms",
            self.heard,
            self.operations / self.commits,
            self.within * 100.0,
            self.commits
        )
    }
}

/// Ten people on one board of a server do a thousand operations a second, for so long.
///
/// # Panics
/// If the server does not keep up at all.
pub fn durable(binary: &Path, lasts: Duration) -> Durable {
    let data = folder_on_this_disk();
    let usual = serve(&["--data", data.path().to_str().expect("a path of letters"), "--log", "warn"]);
    let server = Server::spawn(Command::new(binary).args(usual.get_args()));
    let all: Vec<Duration> = std::thread::scope(|scope| {
        let drawing: Vec<_> = (0..PEOPLE)
            .map(|number| {
                scope.spawn({
                    let address = &server.address;
                    move || draw(address, number, lasts)
                })
            })
            .collect();
        drawing.into_iter().flat_map(|drawing| drawing.join().expect("it draws")).collect()
    });
    let within = server.metric("inkwire_durable_lag_seconds_bucket{le=\"0.0512\"}");
    let commits = server.metric("inkwire_durable_lag_seconds_count");
    Durable {
        heard: Latency::of(all),
        operations: server.metric("inkwire_operations_total"),
        commits: server.metric("inkwire_commits_total"),
        within: within / commits,
    }
}

fn draw(address: &str, number: u64, lasts: Duration) -> Vec<Duration> {
    let mut client = Client::join(address, "hall", &format!("person {number}"));
    let (mut sent, mut all, start) = (Vec::new(), Vec::new(), Instant::now());
    let strokes = operations(&Dice::part(1, number));
    for (at, operation) in strokes.into_iter().cycle().enumerate() {
        let due = start + EVERY * at as u32;
        if due > start + lasts {
            break;
        }
        loop {
            let left = due.saturating_duration_since(Instant::now());
            client.listen(left.min(Duration::from_millis(2)).max(Duration::from_micros(100)));
            while all.len() < client.session.durable() as usize {
                let since: Instant = sent[all.len()];
                all.push(since.elapsed());
            }
            if Instant::now() >= due {
                break;
            }
        }
        sent.push(Instant::now());
        client.submit(operation);
    }
    all
}

/// A person's operations: whole strokes of a pen, as a page sends them.
fn operations(dice: &Dice) -> Vec<Operation> {
    let mut dice = dice.clone();
    (0..20).flat_map(|_| stroke(&mut dice, true)).collect()
}

/// A stroke of a pen, some part of the recorded one, turned and stretched, so that no two have the same bytes; its tremor is
/// that of the recording: a quarter to three quarters of a second, 60 to 180 points.
fn stroke(dice: &mut Dice, is_pressed: bool) -> Vec<Operation> {
    static INK: std::sync::OnceLock<Vec<[i32; 3]>> = std::sync::OnceLock::new();
    let ink = INK.get_or_init(recorded);
    let count = 60 + dice.below(120) as usize;
    let from = dice.below((ink.len() - count) as u64) as usize;
    let place = [dice.below(40_000) as i32, dice.below(40_000) as i32];
    let (turn, stretch) = (dice.below(628) as f64 / 100.0, 0.5 + dice.below(100) as f64 / 100.0);
    let (sin, cos) = (turn.sin() * stretch, turn.cos() * stretch);
    let ink: Vec<[i32; 3]> = ink[from..from + count]
        .iter()
        .map(|[x, y, pressure]| {
            let [x, y] = [f64::from(*x), f64::from(*y)];
            let turned = [x * cos - y * sin, x * sin + y * cos].map(|way| way.round() as i32);
            [turned[0], turned[1], *pressure]
        })
        .collect();
    let begin = Begin {
        slot: 0,
        gesture_back: 0,
        tool: Tool::Pen,
        colour: Colour(dice.below(1 << 24) as u32 * 256 + 255),
        width: 32,
        scale: 3,
        x: ink[0][0] + place[0],
        y: ink[0][1] + place[1],
        pressure: is_pressed.then_some(ink[0][2] as u8),
    };
    let points = chunks(&ink, 4).into_iter().map(|mut operation| {
        if let Operation::Points(points) = &mut operation
            && !is_pressed
        {
            points.pressures.clear();
        }
        operation
    });
    std::iter::once(Operation::Begin(begin)).chain(points).chain([Operation::End { slot: 0 }]).collect()
}

/// What a large board costs.
#[derive(Debug, Clone, Copy)]
pub struct Big {
    /// Strokes on it.
    pub strokes: u64,
    /// Operations in its log.
    pub operations: u64,
    /// The size of its snapshot, in bytes.
    pub snapshot: u64,
    /// The size of the database with all of its history, in bytes.
    pub file: u64,
    /// Memory of the server's own that it takes once it is open, in bytes.
    pub memory: u64,
    /// From the request to the first byte of its snapshot.
    pub opened: Duration,
    /// To the last one.
    pub whole: Duration,
}

impl fmt::Display for Big {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
        write!(
            f,
            "{} strokes, {} operations: snapshot {:.1} MiB, file {:.1} MiB ({:.2} of it), memory {:.1} MiB ({:.2} of it); \
             first byte of it after {:.0} ms, all of it after {:.0} ms",
            self.strokes,
            self.operations,
            mib(self.snapshot),
            mib(self.file),
            self.file as f64 / self.snapshot as f64,
            mib(self.memory),
            self.memory as f64 / self.snapshot as f64,
            self.opened.as_secs_f64() * 1000.0,
            self.whole.as_secs_f64() * 1000.0
        )
    }
}

/// Draws a board of so many strokes into a data directory, as a server would, and opens it in one.
///
/// # Panics
/// If any of it fails.
pub fn big(strokes: u64) -> Big {
    let data = folder_on_this_disk();
    let operations = fill(data.path(), strokes);
    let kept = Location::Directory(data.path().into()).archive().expect("it was written");
    let record = kept.record("big").expect("it can be read").expect("it is there");
    let file = std::fs::metadata(data.path().join("boards.sqlite")).expect("it is there").len();
    drop(kept);
    let server = Server::start(&["--data", data.path().to_str().expect("a path of letters"), "--log", "warn"]);
    let before = server.memory();
    let (opened, whole) = open(&server, record.snapshot_bytes);
    // What the board takes, not what a newcomer does who is being given it.
    std::thread::park_timeout(Duration::from_secs(1));
    let memory = server.memory().saturating_sub(before);
    Big { strokes, operations, snapshot: record.snapshot_bytes, file, memory, opened, whole }
}

/// Writes the log of a board, flush by flush, and closes it; gives how many operations it has.
fn fill(data: &Path, strokes: u64) -> u64 {
    let disk = Location::Directory(data.into()).open(&Opening::default(), Arc::default()).expect("a new directory");
    let (name, epoch, client, mut dice) = ("big".parse().expect("a name"), random::epoch(), ClientId([7; 16]), Dice(3));
    let (mut board, mut cseq) = (Board::default(), 0);
    for at in 0..strokes {
        let first_seq = board.seq() + 1;
        let (mut entries, mut packet) = (Vec::new(), Vec::new());
        for operation in stroke(&mut dice, at % 2 == 0) {
            cseq += 1;
            match board.submit(1, cseq, operation).expect("it breaks no rule") {
                Submitted::Logged(entry) => binary::put_entry(&mut entries, &entry),
                Submitted::Duplicate => panic!("it is new"),
            }
        }
        binary::put_entries(&mut packet, first_seq, &entries);
        let clients = if at == 0 { vec![(client, 1)] } else { Vec::new() };
        let part = LogBatch {
            epoch,
            first_seq,
            last_seq: board.seq(),
            packet: packet.into(),
            hash: board.hash(),
            clients,
            names: Vec::new(),
            reserved_author: 0,
        };
        disk.append(&name, part);
        // As slowly as a disk takes it: what waits is not to be one record.
        if at % 64 == 0 {
            disk.unwritten(Duration::from_secs(60));
        }
    }
    assert_eq!(disk.unwritten(Duration::from_secs(60)), 0);
    disk.compact(&name, false).expect("it is compacted");
    disk.closed(&[(name, Lease::default())]);
    disk.stop();
    board.seq()
}

/// Memory of a server with so many boards on its disk beyond that of one with none, in bytes; nobody has opened any of them.
///
/// # Panics
/// If they cannot be written.
pub fn unopened(boards: u64) -> u64 {
    let memory = |boards: u64| {
        let data = folder_on_this_disk();
        let disk = Location::Directory(data.path().into());
        let disk = disk.open(&Opening::default(), Arc::default()).expect("a new directory");
        for number in 0..boards {
            let (mut board, mut entries, mut packet) = (Board::default(), Vec::new(), Vec::new());
            for (cseq, operation) in (1..).zip(stroke(&mut Dice(number), false)) {
                if let Ok(Submitted::Logged(entry)) = board.submit(1, cseq, operation) {
                    binary::put_entry(&mut entries, &entry);
                }
            }
            binary::put_entries(&mut packet, 1, &entries);
            let (last_seq, hash, clients) = (board.seq(), board.hash(), vec![(ClientId([1; 16]), 1)]);
            let part = LogBatch {
                epoch: random::epoch(),
                first_seq: 1,
                last_seq,
                packet: packet.into(),
                hash,
                clients,
                names: Vec::new(),
                reserved_author: 0,
            };
            disk.append(&format!("board-{number}").parse().expect("a name"), part);
        }
        assert_eq!(disk.unwritten(Duration::from_secs(60)), 0);
        disk.stop();
        drop(disk);
        let server = Server::start(&["--data", data.path().to_str().expect("a path of letters"), "--log", "warn"]);
        Client::join(&server.address, "board-7", "somebody").round_trip();
        server.memory()
    };
    memory(boards).saturating_sub(memory(0))
}

/// Joins a board as a client that reads and keeps nothing; gives when the first byte of its snapshot came, and the last.
fn open(server: &Server, snapshot: u64) -> (Duration, Duration) {
    let start = Instant::now();
    let mut raw = Raw::upgrade(&server.address, "/ws/big", "Sec-WebSocket-Protocol: inkwire.v1\r\n");
    raw.send(&client_frame(0x82, &crate::fanout::hello(9)));
    // The welcome comes first, in a frame of its own: the snapshot begins behind it.
    raw.frame().expect("a welcome");
    let (mut read, mut opened) = (0, None);
    let mut buffer = vec![0; 256 * 1024];
    while read < snapshot {
        let count = raw.stream.read(&mut buffer).expect("the snapshot comes") as u64;
        assert!(count > 0, "the server closes");
        opened.get_or_insert_with(|| start.elapsed());
        read += count;
    }
    (opened.unwrap_or_default(), start.elapsed())
}
