//! What is measured: each scenario on each server that can do it.

use std::time::Duration;

use clap::ValueEnum;

use super::crowd::{Crowd, Plan};
use super::heard::Heard;
use super::machine::{Counting, on_core, processor_time};
use super::peers::Peer;
use super::speech::SHORT;
use crate::server::Server;

/// The core of the server, and that of the generator.
const SERVER: usize = 0;
pub(super) const GENERATOR: usize = 1;

/// Until those who have joined have been told of each other.
const SETTLES: Duration = Duration::from_millis(300);
/// Before the measurement, at the same load.
const WARMS_UP: Duration = Duration::from_millis(500);
/// How long what was sent may still take before it counts as not kept up with.
const PATIENCE: Duration = Duration::from_secs(2);
/// A step of the storm, what may be behind at its end, and the latency that it must keep.
const STEP: Duration = Duration::from_secs(1);
const STEP_PATIENCE: Duration = Duration::from_millis(250);
const STEP_P99: f64 = 100.0;
/// Messages a second of each drawer at which the storm begins, and above which it would be the generator's.
const STORM_FROM: f64 = 4.0;
const STORM_TO: f64 = 8192.0;

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// A board of two, one of whom draws with a pen.
    Quiet,
    /// A hundred on a board, ten of whom draw at 60 Hz.
    Room,
    /// The same on a board with a long log.
    LongLog,
    /// A thousand on a board, ten of whom draw at 20 Hz.
    Hall,
    /// A hundred on a board, all of whom draw, more and more until something falls behind.
    Storm,
    /// A thousand boards of five, one of whom draws.
    Boards,
    /// The same messages on ten boards of five.
    FewBoards,
    /// A hundred join a board of 10,000 strokes at once, on which ten draw.
    Late,
    /// A hundred on a board, ten of whom draw, and ten others never read.
    Slow,
    /// A board of two while eight connections send empty frames as fast as they can.
    Flood,
    /// Connections on which nothing happens.
    Idle,
}

/// What was measured, by name and unit.
pub type Measure = Vec<(&'static str, f64)>;

/// A step of the storm.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Deliveries a second.
    pub rate: f64,
    /// Microseconds of the server's processor for each.
    pub cost: f64,
}

impl Scenario {
    /// Whether a server can do it: relays keep no boards.
    pub fn fits(self, peer: Peer) -> bool {
        peer == Peer::Inkwire || !matches!(self, Self::Late | Self::LongLog)
    }

    /// What people do in it.
    pub fn title(self) -> String {
        let value = self.to_possible_value().expect("it is told on the command line");
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        format!("{}: {}", value.get_name(), help.trim_end_matches('.'))
    }

    /// Measures it once.
    ///
    /// # Panics
    /// If the server does not start, or refuses what this asks.
    pub fn measure(self, peer: Peer, connections: usize, with_calls: bool, steps: &mut Vec<Step>) -> Measure {
        match self {
            Self::Quiet => steady(peer, &[2], 1, 60.0, 3, with_calls),
            Self::Room => steady(peer, &[100], 10, 60.0, 4, with_calls),
            Self::LongLog => long_log(peer),
            Self::Hall => steady(peer, &[1000], 10, 20.0, 4, with_calls),
            Self::Storm => storm(peer, steps),
            Self::Boards => steady(peer, &[5; 1000], 1, 4.0, 4, with_calls),
            Self::FewBoards => steady(peer, &[5; 10], 1, 400.0, 4, with_calls),
            Self::Late => late(peer),
            Self::Slow => slow(peer),
            Self::Flood => flood(peer),
            Self::Idle => idle(peer, connections),
        }
    }
}

fn start(peer: Peer) -> (Server, Crowd) {
    (on_core(SERVER, || Server::spawn(&mut peer.command())), Crowd::new(peer))
}

/// The first so many of each board draw.
fn drawers(boards: &[usize], each: usize) -> Vec<usize> {
    let firsts = boards.iter().scan(0, |next, people| Some(std::mem::replace(next, *next + people)));
    firsts.flat_map(|first| first..first + each).collect()
}

fn steady(peer: Peer, boards: &[usize], drawing: usize, rate: f64, seconds: u64, with_calls: bool) -> Measure {
    let (server, mut crowd) = start(peer);
    for (board, people) in boards.iter().enumerate() {
        crowd.join(&server.address, board, *people);
    }
    let plan = Plan { who: drawers(boards, drawing), rate, lasts: Duration::from_secs(seconds) };
    crowd.listen(SETTLES);
    let mut measure = load(&server, &mut crowd, &plan);
    if with_calls {
        measure.extend(calls(&server, &mut crowd, &plan));
    }
    measure
}

/// Lets a plan run after a shorter one that is not counted.
fn load(server: &Server, crowd: &mut Crowd, plan: &Plan) -> Measure {
    crowd.run(&Plan { lasts: WARMS_UP, ..plan.clone() });
    crowd.drain(PATIENCE);
    let before = processor_time(server.pid());
    let during = crowd.run(plan);
    let spent = processor_time(server.pid()) - before;
    let heard = crowd.drain(PATIENCE);
    let mut measure = vec![("µs/delivery", spent.as_secs_f64() * 1e6 / during.deliveries.max(1) as f64)];
    measure.extend(latencies(&heard));
    measure.push(("p99 ms among drawers", heard.quantile_among_drawers(0.99)));
    measure.push(("deliveries/s", during.deliveries as f64 / plan.lasts.as_secs_f64()));
    measure.push(("delivered %", delivered(&heard)));
    measure.push(("bytes/delivery", heard.bytes as f64 / heard.deliveries.max(1) as f64));
    assert_eq!(heard.refusals, 0, "the server refuses what is drawn, or slows it down");
    measure
}

/// How much of what was or should have been drawn has arrived, in percent.
fn delivered(heard: &Heard) -> f64 {
    100.0 * heard.deliveries as f64 / (heard.expected + heard.unsent).max(1) as f64
}

fn latencies(heard: &Heard) -> Measure {
    [("p50 ms", 0.5), ("p99 ms", 0.99), ("p99.9 ms", 0.999)].map(|(name, share)| (name, heard.quantile(share))).into()
}

/// System calls, counted in a shorter run of their own: strace holds up each of them.
fn calls(server: &Server, crowd: &mut Crowd, plan: &Plan) -> Option<(&'static str, f64)> {
    let counting = Counting::begin(server.pid())?;
    // It has to find its threads first.
    crowd.listen(SETTLES);
    let lasts = Duration::from_secs(1);
    crowd.run(&Plan { lasts, ..plan.clone() });
    let heard = crowd.drain(PATIENCE);
    Some(("calls/delivery", counting.end()? as f64 / heard.deliveries as f64))
}

fn long_log(peer: Peer) -> Measure {
    const MESSAGES: f64 = 200_000.0;
    let (server, mut crowd) = start(peer);
    crowd.join(&server.address, 0, 1);
    fill(&mut crowd, MESSAGES);
    crowd.join(&server.address, 0, 99);
    crowd.listen(SETTLES);
    load(&server, &mut crowd, &Plan { who: (0..10).collect(), rate: 60.0, lasts: Duration::from_secs(4) })
}

/// The first of the crowd draws so many messages, quickly.
fn fill(crowd: &mut Crowd, messages: f64) {
    const A_SECOND: f64 = 40_000.0;
    let lasts = Duration::from_secs_f64(messages / A_SECOND);
    crowd.run(&Plan { who: vec![0], rate: A_SECOND, lasts });
    let heard = crowd.drain(PATIENCE);
    assert!(heard.deliveries as f64 >= messages * 0.9, "the board is not filled: {heard:?}");
}

fn storm(peer: Peer, steps: &mut Vec<Step>) -> Measure {
    let (mut best, mut p99, mut behind) = (0.0, 0.0, f64::INFINITY);
    let mut rate = STORM_FROM;
    // Doubled until something falls behind; then halfway, by ratio, three times.
    let mut halvings = 0;
    while halvings < 3 && rate <= STORM_TO {
        let (step, latency) = storm_at(peer, rate);
        match step {
            Some(step) => {
                steps.push(step);
                if step.rate > best {
                    (best, p99) = (step.rate, latency);
                }
                if behind.is_finite() {
                    halvings += 1;
                }
                rate = if behind.is_finite() { (rate * behind).sqrt() } else { rate * 2.0 };
            }
            None => {
                let held = if behind.is_finite() { rate / (behind / rate) } else { rate / 2.0 };
                behind = rate;
                rate = (held * behind).sqrt();
                halvings += 1;
            }
        }
    }
    vec![
        ("largest deliveries/s", best),
        ("p99 ms", p99),
        ("generator's limit", f64::from(u8::from(behind.is_infinite()))),
    ]
}

/// One rate of a hundred drawers, and its p99; no step where something falls behind.
fn storm_at(peer: Peer, rate: f64) -> (Option<Step>, f64) {
    const PEOPLE: usize = 100;
    let (server, mut crowd) = start(peer);
    crowd.join(&server.address, 0, PEOPLE);
    crowd.listen(SETTLES);
    let plan = Plan { who: (0..PEOPLE).collect(), rate, lasts: STEP };
    crowd.run(&Plan { lasts: WARMS_UP, ..plan.clone() });
    crowd.drain(STEP_PATIENCE);
    let before = processor_time(server.pid());
    let during = crowd.run(&plan);
    let spent = processor_time(server.pid()) - before;
    let heard = crowd.drain(STEP_PATIENCE);
    let p99 = heard.quantile(0.99);
    let keeps_up = heard.is_whole() && p99 < STEP_P99;
    let cost = spent.as_secs_f64() * 1e6 / during.deliveries.max(1) as f64;
    let step = Step { rate: heard.deliveries as f64 / STEP.as_secs_f64(), cost };
    (keeps_up.then_some(step), p99)
}

fn late(peer: Peer) -> Measure {
    const STROKES: f64 = 10_000.0;
    const NEWCOMERS: usize = 100;
    let (server, mut crowd) = start(peer);
    crowd.writes_by_hand();
    crowd.join(&server.address, 0, 1);
    fill(&mut crowd, STROKES * SHORT as f64);
    crowd.join(&server.address, 0, 19);
    crowd.connect(&server.address, 0, NEWCOMERS);
    crowd.listen(SETTLES);
    let plan = Plan { who: (0..10).collect(), rate: 60.0, lasts: Duration::from_secs(1) };
    crowd.run(&plan);
    let before = crowd.drain(PATIENCE);
    crowd.join_late(20..20 + NEWCOMERS);
    let mut heard = crowd.run(&plan);
    assert_eq!(heard.joins.len(), NEWCOMERS as u64, "not everybody got the board within a second");
    heard = crowd.drain(PATIENCE);
    crowd.run(&plan);
    let after = crowd.drain(PATIENCE);
    vec![
        ("joined p50 ms", heard.quantile_of_joins(0.5)),
        ("joined last ms", heard.quantile_of_joins(1.0)),
        ("p99 ms among drawers before", before.quantile_among_drawers(0.99)),
        ("p99 ms meanwhile", heard.quantile_among_drawers(0.99)),
        ("p99 ms after", after.quantile_among_drawers(0.99)),
        ("p99 ms of all after", after.quantile(0.99)),
        ("delivered %", delivered(&heard)),
    ]
}

fn slow(peer: Peer) -> Measure {
    const DEAF: usize = 10;
    let (server, mut crowd) = start(peer);
    crowd.join(&server.address, 0, 90);
    crowd.join_deaf(&server.address, 0, DEAF);
    crowd.listen(SETTLES);
    let memory = server.memory();
    let plan = Plan { who: (0..10).collect(), rate: 60.0, lasts: Duration::from_secs(4) };
    let mut measure = load(&server, &mut crowd, &plan);
    let grown = server.memory().saturating_sub(memory);
    measure.push(("KiB grown", grown as f64 / 1024.0));
    measure
}

fn flood(peer: Peer) -> Measure {
    const FLOODERS: usize = 8;
    let (server, mut crowd) = start(peer);
    crowd.join(&server.address, 0, 2);
    crowd.flood(&server.address, FLOODERS);
    crowd.listen(SETTLES);
    let heard = crowd.run(&Plan { who: vec![0], rate: 60.0, lasts: Duration::from_secs(3) });
    // Where next to nothing arrives, what does may be quick.
    let mut measure = latencies(&heard);
    measure.push(("delivered %", delivered(&heard)));
    measure
}

fn idle(peer: Peer, connections: usize) -> Measure {
    const A_BOARD: usize = 50;
    let (server, mut crowd) = start(peer);
    // What the allocator and the code need once is there before the count begins.
    crowd.join(&server.address, 0, A_BOARD);
    crowd.listen(SETTLES);
    let memory = server.memory();
    for board in 1..=connections.div_ceil(A_BOARD) {
        crowd.join(&server.address, board, A_BOARD.min(connections - (board - 1) * A_BOARD));
    }
    crowd.listen(Duration::from_secs(1));
    let before = processor_time(server.pid());
    crowd.listen(Duration::from_secs(2));
    let spent = processor_time(server.pid()) - before;
    let bytes = server.memory().saturating_sub(memory) as f64 / connections as f64;
    vec![("KiB/connection", bytes / 1024.0), ("% of a core", spent.as_secs_f64() / 2.0 * 100.0)]
}
