//! A round of traffic as a command: `cargo xtask leakcheck` runs it between two looks at the server.

use clap::Parser;
use inkwire_tests::traffic::Round;

/// Makes one of several equal rounds of traffic at a drawing server, and prints how many connections it took, and what
/// the server's gauges say when all of them are over.
///
/// Whatever does not do what it should ends it with a panic.
#[derive(Debug, Parser)]
struct Flags {
    /// HOST:PORT of the server.
    #[arg(long, env = "LEAKCHECK_ADDRESS")]
    address: String,
    /// Which round this is.
    #[arg(long, env = "LEAKCHECK_ROUND", default_value_t = 0)]
    round: u64,
    /// Of what is chosen at random.
    #[arg(long, env = "LEAKCHECK_SEED", default_value_t = 1)]
    seed: u64,
    /// How often each kind of traffic comes.
    #[arg(long, env = "LEAKCHECK_TIMES", default_value_t = 1)]
    times: u64,
    /// On the boards of the round before, as the same people.
    #[arg(long)]
    again: bool,
    /// With peers that fall silent, for which the server is waited for.
    #[arg(long, env = "LEAKCHECK_PATIENT")]
    silent: bool,
}

fn main() {
    let Flags { address, round, seed, times, again, silent } = Flags::parse();
    let done = Round { address, seed, number: round, times, again, silent }.run();
    println!("connections {}", done.connections);
    for (name, value) in done.gauges {
        println!("gauge {name} {value}");
    }
}
