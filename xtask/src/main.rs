//! The developer commands: `cargo xtask COMMAND`. Each is one file; none imports a crate of the product.

mod autobahn;
mod bench;
mod chaos;
mod fuzz;
mod inspect;
mod process;
mod screenshot;
mod setup;
mod test;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The developer commands of Inkwire.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", after_help = "Exit codes: 0 done, 1 failure, 2 wrong usage.")]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need and the machine lacks; says what it does.
    Setup,
    /// Run everything that must pass: format, lints, documentation, all tests.
    Test,
    /// Write the committed vectors of protocol and board anew.
    Vectors,
    /// Generate load on a release build and print what was measured.
    Bench(bench::Flags),
    /// Kill the server and cut its network again and again, and see that nothing that was drawn is lost.
    Chaos(chaos::Flags),
    /// Feed random packets to the decoder (needs a nightly toolchain).
    Fuzz(fuzz::Flags),
    /// Run `wsinspect`; without arguments, talk to the local drawing server.
    Inspect(inspect::Flags),
    /// Take the README's screenshot from the real page.
    Screenshot,
}

fn main() -> ExitCode {
    let result = std::env::set_current_dir(root()).map_err(Into::into).and_then(|()| run(Flags::parse().command));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Setup => setup::run(),
        Command::Test => test::run(),
        Command::Vectors => vectors::run(),
        Command::Bench(flags) => bench::run(&flags),
        Command::Chaos(flags) => chaos::run(&flags),
        Command::Fuzz(flags) => fuzz::run(&flags),
        Command::Inspect(flags) => inspect::run(&flags),
        Command::Screenshot => screenshot::run(),
    }
}

/// The root of the checkout, so that no command depends on where it is called.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the checkout").to_owned()
}
