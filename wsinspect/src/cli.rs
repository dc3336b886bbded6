//! The command line of `wsinspect`: its commands, and its exit codes.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::connect::Connect;
use crate::commands::convert::Convert;
use crate::commands::decode::Decode;
use crate::commands::doctor::Doctor;
use crate::commands::listen::Listen;
use crate::commands::ping::Ping;
use crate::commands::proxy::Proxy;
use crate::commands::replay::Replay;
use crate::commands::show::Show;
use crate::commands::test::Test;

/// Shows WebSocket frames as they truly are.
#[derive(Debug, Parser)]
#[command(
    name = "wsinspect",
    version,
    after_help = "Exit codes: 0 done, 1 something expected does not hold, 2 wrong usage, 3 an address cannot be reached or listened on, 4 TLS failed, 5 the handshake was refused, \
                  6 a rule was broken (with --lint error), 7 closed abnormally, 8 waited in vain, \
                  9 a file or the input cannot be read or written, 130 interrupted. A closed pipe ends quietly with 0."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connect to a server: send messages, show everything that goes either way.
    Connect(Box<Connect>),
    /// Stand between clients and a server, pass every byte as it is, and show it.
    Proxy(Box<Proxy>),
    /// Be a server: show what clients send, and send it back, or answers from a file.
    Listen(Listen),
    /// Show a recording, with the same views and filters.
    Show(Show),
    /// Write a recording in another format.
    Convert(Convert),
    /// Play one side of a recording again, and say where the other side says something else.
    Replay(Box<Replay>),
    /// Run scripts of sends and expectations, and say which do not hold.
    Test(Test),
    /// Measure how long a server takes to answer pings.
    Ping(Box<Ping>),
    /// Say why a handshake fails: try variants of it, and name the header that decides.
    Doctor(Box<Doctor>),
    /// Explain the bytes of frames, bit by bit, and say which rules they break.
    Decode(Decode),
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Print the man page.
    Man {
        /// That of a command.
        command: Option<String>,
    },
}
