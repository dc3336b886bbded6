//! `wsinspect`: what a WebSocket really carries, on the command line.

mod cli;
mod commands;
mod failure;
mod flags;
mod io;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::failure::{Failure, Outcome};

fn main() -> ExitCode {
    failure::end(run(Cli::parse_from(arguments(std::env::args_os())).command))
}

/// The arguments; a URL where a command should be means to connect to it.
fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = given.collect();
    let is_url = |argument: &OsString| argument.to_str().is_some_and(|text| text.contains("://"));
    if all.get(1).is_some_and(is_url) {
        all.insert(1, "connect".into());
    }
    all
}

fn run(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Connect(flags) => commands::connect::run(&flags),
        Command::Listen(flags) => commands::listen::run(&flags),
        Command::Proxy(flags) => commands::proxy::run(&flags),
        Command::Show(flags) => commands::show::run(&flags),
        Command::Convert(flags) => commands::convert::run(&flags),
        Command::Replay(flags) => commands::replay::run(&flags),
        Command::Ping(flags) => commands::ping::run(&flags),
        Command::Doctor(flags) => commands::doctor::run(&flags),
        Command::Test(flags) => commands::test::run(&flags),
        Command::Decode(flags) => commands::decode::run(&flags),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "wsinspect", &mut std::io::stdout());
            Ok(Outcome::Done)
        }
        Command::Man { command } => man(command.as_deref()),
    }
}

fn man(of: Option<&str>) -> Result<Outcome, Failure> {
    let mut all = Cli::command();
    all.build();
    let page = match of {
        None => Some(all),
        Some(name) => {
            all.find_subcommand(name).map(|command| command.clone().name(format!("wsinspect-{name}").leak() as &str))
        }
    };
    let unknown = || Failure::Usage(format!("there is no command {:?}", of.unwrap_or_default()));
    clap_mangen::Man::new(page.ok_or_else(unknown)?).render(&mut std::io::stdout())?;
    Ok(Outcome::Done)
}
