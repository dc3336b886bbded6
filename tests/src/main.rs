//! The load generator as a command: `cargo xtask bench` runs it against a release build.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use inkwire_tests::chaos::{self, Survived, Trial};
use inkwire_tests::echo::{self, Spent};
use inkwire_tests::fanout::{self, Order, Peer, Scenario};
use inkwire_tests::pairs::{self, Builds};
use inkwire_tests::tools::folder_on_this_disk;
use inkwire_tests::{inspected, stored, turned};

/// Generates load on servers of its own and prints what it measured.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// From one socket to all the others: ours, other servers and the limits beside each other.
    Fanout {
        /// What people do; everything where nothing is said.
        scenarios: Vec<Scenario>,
        /// How often each, the servers in turns.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// How many idle connections.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Only Inkwire.
        #[arg(long)]
        alone: bool,
        /// The folder in which table, JSON and plot are written.
        #[arg(long, value_name = "FOLDER")]
        save: Option<PathBuf>,
    },
    /// Another build of the server beside this one: ratios of times in interleaved pairs, and exact counts.
    Compare {
        /// The server as it was; this one is INKWIRE_BIN.
        old: PathBuf,
        /// What people do.
        #[arg(default_values = ["quiet", "room", "idle"])]
        scenarios: Vec<Scenario>,
        /// How many pairs.
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(2..=15))]
        rounds: u64,
        /// How many idle connections.
        #[arg(long, default_value_t = 2_000)]
        connections: usize,
    },
    /// How soon ink is on disk, at 1,000 operations a second.
    Durable(Lasts),
    /// A large board: opening it, its file, its memory.
    Big {
        /// How many strokes it has.
        #[arg(long, default_value_t = 100_000)]
        strokes: u64,
    },
    /// Kills, turned bits and cuts, in rounds, until the time is over.
    Chaos(Lasts),
    /// Echo servers beside each other: ours, fastwebsockets, tokio-tungstenite, Node's ws.
    Echo(Lasts),
    /// The inspector: its proxy beside a plain relay, and frames printed as JSON lines.
    Inspect(Lasts),
}

#[derive(Debug, clap::Args)]
struct Lasts {
    /// How long, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

impl Lasts {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() -> std::io::Result<std::process::ExitCode> {
    match Flags::parse().what {
        What::Fanout { scenarios, rounds, connections, alone, save } => {
            let scenarios = if scenarios.is_empty() { Scenario::value_variants().to_vec() } else { scenarios };
            let peers = if alone { vec![Peer::Inkwire] } else { Peer::ALL.to_vec() };
            let report = fanout::measure(&Order { scenarios, peers, rounds: rounds.max(1), connections });
            println!("{}", report.to_markdown());
            save.map_or(Ok(()), |folder| report.write(&folder))?;
        }
        What::Compare { old, scenarios, rounds, connections } => {
            let builds = Builds { old, new: inkwire_tests::server::binary() };
            let worse = pairs::counts(&builds) + pairs::times(&builds, &scenarios, rounds as usize, connections);
            println!("{worse} values are worse");
            return Ok(u8::from(worse > 0).into());
        }
        What::Durable(lasts) => {
            println!("durable: {}", stored::durable(&inkwire_tests::server::binary(), lasts.duration()));
        }
        What::Big { strokes } => println!("big: {}", stored::big(strokes)),
        What::Chaos(lasts) => print_chaos(lasts.duration()),
        What::Echo(lasts) => print_echo(lasts.duration()),
        What::Inspect(lasts) => println!("inspect: {}", inspected::costs(lasts.duration())),
    }
    Ok(std::process::ExitCode::SUCCESS)
}

/// Rounds of a hundred kills, two hundred turned bits and two hundred cuts, each on a board of its own.
fn print_chaos(lasts: Duration) {
    let start = std::time::Instant::now();
    let first = inkwire_tests::dice::seed();
    let (mut kills, mut turns, mut cuts, mut operations) = (0, 0, 0, 0);
    for round in 0.. {
        let on_this_disk = |run: fn(&str, Trial) -> Survived, faults| {
            Trial { seed: first + round, faults, people: 10 }.survive(|trial| {
                let data = folder_on_this_disk();
                run(data.path().to_str().expect("a path of letters"), trial)
            })
        };
        let survived = on_this_disk(chaos::kills, 100);
        (kills, operations) = (kills + survived.faults, operations + survived.operations);
        let survived = on_this_disk(turned::turned, 200);
        (turns, operations) = (turns + survived.faults, operations + survived.operations);
        let survived = on_this_disk(chaos::cuts, 200);
        (cuts, operations) = (cuts + survived.faults, operations + survived.operations);
        println!(
            "chaos: {kills} kills, {turns} turned bits and {cuts} cuts survived, {operations} operations, none lost without a \
             report and none doubled"
        );
        if start.elapsed() >= lasts {
            return;
        }
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
