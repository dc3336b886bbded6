//! The developer commands: `cargo xtask COMMAND`. Each is one file; none imports a crate of the product.

mod autobahn;
mod bench;
mod chaos;
mod deploy;
mod fuzz;
mod group;
mod inspect;
mod leakcheck;
mod process;
mod screenshot;
mod setup;
mod test;
mod vectors;
mod watch;

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
    /// Write what hosting the server takes: nginx, systemd, Caddy, Docker, and how to install it.
    #[command(name = deploy::NAME)]
    Deploy(Box<deploy::Flags>),
    /// Run `wsinspect`; without arguments, talk to the local drawing server.
    Inspect(inspect::Flags),
    /// Take the README's screenshot from the real page.
    Screenshot,
    /// Build and restart the server whenever something changes, and never leave a client without it.
    Watch(watch::Flags),
    /// Look for leaks and memory errors in the server under real traffic, with file and line.
    Leakcheck(leakcheck::Flags),
    /// Ends what another command has left behind.
    #[command(hide = true, name = group::GUARD)]
    Guard,
}

fn main() -> ExitCode {
    let command = Flags::parse().command;
    // These may be meant for another workspace, whose path is said from where they are called.
    let stays = matches!(command, Command::Watch(_) | Command::Leakcheck(_) | Command::Deploy(_));
    let moved = if stays { Ok(()) } else { std::env::set_current_dir(root()) };
    let result = moved.map_err(Into::into).and_then(|()| run(command));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Watch(flags) => return watch::run(&flags),
        Command::Guard => group::guard(),
        Command::Leakcheck(flags) => return leakcheck::run(&flags),
        Command::Deploy(flags) => return deploy::run(*flags),
        Command::Setup => setup::run()?,
        Command::Test => test::run()?,
        Command::Vectors => vectors::run()?,
        Command::Bench(flags) => bench::run(&flags)?,
        Command::Chaos(flags) => chaos::run(&flags)?,
        Command::Fuzz(flags) => fuzz::run(&flags)?,
        Command::Inspect(flags) => inspect::run(&flags)?,
        Command::Screenshot => screenshot::run()?,
    }
    Ok(0)
}

/// The root of the checkout, so that no command depends on where it is called.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the checkout").to_owned()
}
