//! The command line of `wsinspect`, and its exit codes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use wsinspect::hex::{self, HexError};
use wsinspect::lint::Sender;

/// Shows WebSocket frames as they truly are.
#[derive(Debug, Parser)]
#[command(
    name = "wsinspect",
    version,
    after_help = "Exit codes: 0 done, 2 wrong usage, 3 an address cannot be reached or listened on, 5 the handshake was refused, \
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
    Proxy(Proxy),
    /// Show a recording, with the same views and filters.
    Show(Show),
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

/// What is shown, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is shown")]
pub(crate) struct Look {
    /// Lines for people, or JSON lines (schema version 1).
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The time before each line.
    #[arg(long, value_enum, default_value_t = Time::Rel)]
    pub(crate) time: Time,
    /// Every header of both heads.
    #[arg(short = 'I', long)]
    pub(crate) handshake: bool,
    /// No pings, pongs and closes.
    #[arg(long)]
    pub(crate) hide_control: bool,
    /// Only frames of one side.
    #[arg(long, value_enum)]
    pub(crate) only: Option<From>,
    /// Only frames with these opcodes, by number.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(..16))]
    pub(crate) opcode: Vec<u8>,
    /// Only frames with at least so many bytes of payload.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub(crate) min_size: u64,
    /// Only frames in whose payload (of a compressed message: the message) this regular expression is found.
    #[arg(long = "match", value_name = "REGEX")]
    pub(crate) matching: Option<regex::bytes::Regex>,
    /// Most bytes of a payload that are shown to people; JSON lines have all that is kept.
    #[arg(long, default_value_t = 256, value_name = "BYTES")]
    pub(crate) max_payload: usize,
    /// Most bytes of a payload that are kept, and that a compressed message may become.
    #[arg(long, default_value_t = 1024 * 1024, value_name = "BYTES")]
    pub(crate) keep: usize,
    /// What broken rules are: off, warn, or error (exit code 6).
    #[arg(long, value_enum, default_value_t = Severity::Warn)]
    pub(crate) lint: Severity,
    /// What binary messages are read as: auto is the drawing protocol where inkwire.v1 was agreed on.
    #[arg(long, value_enum, default_value_t = Decoder::Auto)]
    pub(crate) decode: Decoder,
    /// Record everything into this file as JSON lines, whatever is shown.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Write everything as packets for Wireshark (pcapng) into this file, whatever is shown.
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// The server's port in those packets: Wireshark takes some ports for another protocol.
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    pub(crate) pcap_port: u16,
}

/// Bytes that a flag says. A type of its own: of a `Vec<u8>` clap would take each byte for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

fn parse_hex(text: &str) -> Result<Bytes, HexError> {
    hex::parse(text).map(Bytes)
}

/// The payload of a close frame (RFC 6455 section 5.5.1). Any code is taken: which are allowed is for the server to say.
fn parse_close(text: &str) -> Result<Bytes, String> {
    let (code, reason) = text.split_once(':').unwrap_or((text, ""));
    let code: u16 = code.parse().map_err(|_| format!("{code:?} is no code from 0 to 65535"))?;
    if reason.len() > 123 {
        return Err("a reason has at most 123 bytes".into());
    }
    Ok(Bytes([&code.to_be_bytes(), reason.as_bytes()].concat()))
}

/// What an event becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Jsonl,
}

/// What binary messages are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decoder {
    Auto,
    None,
}

/// Which time stands before a line: UTC, since the connection was made, since the line before, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Time {
    Abs,
    Rel,
    Delta,
    None,
}

#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// Where clients connect: HOST:PORT.
    pub(crate) listen: String,
    /// The server: HOST:PORT, or a ws:// URL, of which the path is left to the clients.
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A recording in JSON lines; standard input with -.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// ws://HOST[:PORT][/PATH].
    pub(crate) url: String,
    /// Send this text; more than once, in their order. Standard input is not read then.
    #[arg(short = 'x', long, value_name = "TEXT")]
    pub(crate) execute: Vec<String>,
    /// What is sent is binary, not text.
    #[arg(short, long)]
    pub(crate) binary: bool,
    /// Send these bytes as they are, before everything else: any frame, also one that breaks the rules. More than once.
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    pub(crate) raw_hex: Vec<Bytes>,
    /// Messages go in fragments of at most so many bytes.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) fragment: Option<u64>,
    /// The opcode of what is sent, whatever it means; 0 to 15.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..16))]
    pub(crate) send_opcode: Option<u8>,
    /// Reserved bits of what is sent: 1, 2, 3.
    #[arg(long, value_name = "BITS", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..4))]
    pub(crate) rsv: Vec<u8>,
    /// No frame is masked, which a server must refuse.
    #[arg(long)]
    pub(crate) no_mask: bool,
    /// Pings are not answered.
    #[arg(long)]
    pub(crate) no_auto_pong: bool,
    /// The close frame that is sent at the end, CODE or CODE:REASON.
    #[arg(long, value_name = "CODE", default_value = "1000", value_parser = parse_close)]
    pub(crate) close: Bytes,
    /// User and password, NAME:PASSWORD (RFC 7617).
    #[arg(short, long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Cookies, "NAME=VALUE; …".
    #[arg(long, value_name = "COOKIES")]
    pub(crate) cookie: Option<String>,
    /// A header of the request, "Name: value".
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// A sub-protocol that is offered.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) subprotocol: Vec<String>,
    /// The request's Origin.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// End when so many messages have come.
    #[arg(short, long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End when a message has come in which this regular expression is found.
    #[arg(long, value_name = "REGEX")]
    pub(crate) until: Option<regex::bytes::Regex>,
    /// End when nothing has come for so long.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) idle: Option<Duration>,
    /// End after so long.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// How long nothing may come after the end of the input before the connection is closed, where neither --count nor --until
    /// says when.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) linger: Duration,
    /// How long connecting may take, and the handshake, and the answer to our close.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) connect_timeout: Duration,
    #[command(flatten)]
    pub(crate) look: Look,
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
