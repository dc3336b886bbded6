//! The command line of `wsinspect`, and its exit codes.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use wsinspect::lint::Sender;

/// Exit code: a rule was broken, with `--lint error`.
pub(crate) const VIOLATION: u8 = 6;
/// Exit code: a local file, or what was read from it, is not what it should be.
pub(crate) const LOCAL_FILE: u8 = 9;

/// Shows WebSocket frames as they truly are.
#[derive(Debug, Parser)]
#[command(
    name = "wsinspect",
    version,
    after_help = "Exit codes: 0 done, 2 wrong usage, 6 a rule was broken (with --lint error), 9 the input cannot be read."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Explain the bytes of frames, bit by bit, and say which rules they break.
    Decode(Decode),
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Print the man page.
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// The bytes in hex (81 05 48, 8105, 0x81,0x05, \x81\x05); standard input where there are none, or with -.
    pub(crate) hex: Vec<String>,
    /// Standard input is the bytes themselves.
    #[arg(long, conflicts_with = "hex")]
    pub(crate) raw: bool,
    /// Who sent them; where it is not said, masks tell it and are not judged.
    #[arg(long, value_enum)]
    pub(crate) from: Option<From>,
    /// permessage-deflate was agreed on (RFC 7692): messages with RSV1 are inflated.
    #[arg(long)]
    pub(crate) deflate: bool,
    /// What broken rules are: off, warn, or error (exit code 6).
    #[arg(long, value_enum, default_value_t = Severity::Warn)]
    pub(crate) lint: Severity,
    /// Most bytes of a payload that are shown.
    #[arg(long, default_value_t = 256, value_name = "BYTES")]
    pub(crate) max_payload: usize,
    /// One line for each frame, without its header's bytes.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Who sent some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    Client,
    Server,
}

impl From {
    pub(crate) fn sender(self) -> Sender {
        match self {
            Self::Client => Sender::Client,
            Self::Server => Sender::Server,
        }
    }
}

/// What a broken rule is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Severity {
    Off,
    Warn,
    Error,
}
