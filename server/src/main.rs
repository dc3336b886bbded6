//! The `inkwire` command: reads the command line, does what it says, and prints one line where that fails.

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use inkwire::cli::{Cli, Command};
use inkwire::exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => Exit::Clean.into(),
        Err(error) => {
            eprintln!("inkwire: {error:#}");
            Exit::Failure.into()
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        None => inkwire::serve::run(cli.serve),
        Some(Command::Serve(serve)) => inkwire::serve::run(serve),
        Some(Command::Boards(flags)) => inkwire::operate::boards::run(&flags),
        Some(Command::Draw(flags)) => inkwire::client::draw(flags),
        Some(Command::Watch(flags)) => inkwire::client::watch(flags),
        Some(Command::Health { url }) => inkwire::health::run(&url),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "inkwire", &mut std::io::stdout());
            Ok(())
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            Ok(std::io::stdout().write_all(&page)?)
        }
    }
}
