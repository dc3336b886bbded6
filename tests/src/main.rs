//! The load generator as a command: `cargo xtask bench` runs it against a release build.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use inkwire_tests::chaos::{self, Survived, Trial};
use inkwire_tests::echo::{self, Spent};
use inkwire_tests::server::Server;
use inkwire_tests::{inspected, load, stored};

/// Generates load on a server of its own and prints what it measured.
#[derive(Debug, Parser)]
struct Flags {
    /// What to measure; everything where nothing is said.
    scenarios: Vec<Scenario>,
    /// How long each lasts, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many strokes the big board has.
    #[arg(long, default_value_t = 100_000)]
    strokes: u64,
    /// How many idle connections.
    #[arg(long, default_value_t = 5000)]
    connections: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Latency from socket to socket on a board of two.
    Quiet,
    /// Memory of idle connections.
    Idle,
    /// A hundred members, one of which never reads.
    Stalled,
    /// How soon ink is on disk, at 1,000 operations a second.
    Durable,
    /// A board of 100,000 strokes: opening it, its file, its memory.
    Big,
    /// Kills and cuts, in rounds, until the time is over.
    Chaos,
    /// Echo servers beside each other: ours, fastwebsockets, tokio-tungstenite, Node's ws.
    Echo,
    /// The inspector: its proxy beside a plain relay, and frames printed as JSON lines.
    Inspect,
}

fn main() {
    let flags = Flags::parse();
    let lasts = Duration::from_secs(flags.seconds);
    let all = [Scenario::Quiet, Scenario::Idle, Scenario::Stalled, Scenario::Durable, Scenario::Big];
    let scenarios = if flags.scenarios.is_empty() { &all[..] } else { &flags.scenarios };
    for scenario in scenarios {
        match scenario {
            Scenario::Echo => print_echo(lasts),
            Scenario::Inspect => println!("inspect: {}", inspected::costs(lasts)),
            Scenario::Chaos => print_chaos(lasts),
            Scenario::Durable => println!("durable: {}", stored::durable(lasts)),
            Scenario::Big => println!("big: {}", stored::big(flags.strokes)),
            _ => print_load(*scenario, &flags, lasts),
        }
    }
}

/// Rounds of a hundred kills and two hundred cuts, each on a board of its own.
fn print_chaos(lasts: Duration) {
    let start = std::time::Instant::now();
    let first = inkwire_tests::dice::seed();
    let (mut kills, mut cuts, mut operations) = (0, 0, 0);
    for round in 0.. {
        let on_this_disk = |run: fn(&str, Trial) -> Survived, faults| {
            Trial { seed: first + round, faults, people: 10 }.survive(|trial| {
                let data = tempfile::tempdir_in(".").expect("a folder on this disk");
                run(data.path().to_str().expect("a path of letters"), trial)
            })
        };
        let survived = on_this_disk(chaos::kills, 100);
        (kills, operations) = (kills + survived.faults, operations + survived.operations);
        let survived = on_this_disk(chaos::cuts, 200);
        (cuts, operations) = (cuts + survived.faults, operations + survived.operations);
        println!("chaos: {kills} kills and {cuts} cuts survived, {operations} operations, none lost and none doubled");
        if start.elapsed() >= lasts {
            return;
        }
    }
}

fn print_load(scenario: Scenario, flags: &Flags, lasts: Duration) {
    let server = Server::start(&["--max-connections", "20000", "--max-per-address", "20000", "--log", "warn"]);
    match scenario {
        Scenario::Quiet => println!("quiet: {}", load::quiet(&server, lasts)),
        Scenario::Idle => println!("idle: {}", load::idle(&server, flags.connections)),
        _ => println!("stalled: {}", load::stalled(&server, 100, 10, lasts)),
    }
}

/// Nine rounds in turns; the ratio is to the best of the others.
fn print_echo(lasts: std::time::Duration) {
    let all = echo::compare(9, lasts / 9);
    println!(
        "echo: microseconds of the server's processor for each message of 64 bytes (median, least and most of nine rounds), \
         and the ratio to the best peer"
    );
    for spent in &all {
        let peers = all.iter().filter(|other| other.connections == spent.connections && other.name != "inkwire");
        let best = peers.map(|other| other.microseconds).fold(f64::INFINITY, f64::min);
        let ratio = spent.microseconds / best;
        let Spent { name, connections, microseconds, range: [least, most] } = spent;
        println!(
            "  {connections:>4} connections  {name:18} {microseconds:6.2} ({least:5.2} to {most:5.2})  {ratio:.2}x"
        );
    }
}
