//! The flags for what is shown and recorded, and how.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wsinspect::formats::pcapng::Capture;
use wsinspect::view::jq::{Jq, JqError};

use crate::flags::{From, Severity};

/// What is shown, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is shown")]
pub(crate) struct Look {
    /// How events are shown.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Frames, whole messages, or frames with what follows from each message's last one.
    #[arg(long, value_enum, default_value_t = Unit::Both)]
    pub(crate) view: Unit,
    /// Colours, one for each direction; auto: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t = Colours::Auto, value_name = "WHEN")]
    pub(crate) color: Colours,
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
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(0..=15))]
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
    /// What messages are read as: json, msgpack, inkwire, exec:COMMAND (each message on its standard input, JSON or text from its
    /// standard output), none; auto is the drawing protocol where inkwire.v1 was agreed on.
    #[arg(long, value_name = "WHAT", default_value = "auto", value_parser = parse_decoder)]
    pub(crate) decode: Decoder,
    /// Only messages of which this expression of jq makes something, and what it makes; of those that --decode reads, or JSON.
    #[arg(long, value_name = "EXPRESSION", value_parser = parse_jq)]
    pub(crate) jq: Option<String>,
    /// Say at the end how much has passed: frames, messages, bytes, compression, round trips of pings. On standard error, or as
    /// the last JSON line.
    #[arg(long)]
    pub(crate) stats: bool,
    #[command(flatten)]
    pub(crate) record: Record,
}

/// What is recorded.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is recorded, whatever is shown")]
pub(crate) struct Record {
    /// Record everything into this file as JSON lines.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Write the messages into this file as HAR, which browsers' developer tools open.
    #[arg(long, value_name = "FILE")]
    pub(crate) har: Option<PathBuf>,
    /// Write everything as packets for Wireshark (pcapng) into this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// How recordings are written.
#[derive(Debug, Args)]
pub(crate) struct Manner {
    /// Pings, pongs and closes too, which browsers leave out of a HAR.
    #[arg(long)]
    pub(crate) har_all: bool,
    /// The server's port in packets: Wireshark takes some ports for another protocol.
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    pub(crate) pcap_port: u16,
    /// Messages whole and without compression in packets, for a Wireshark that cannot inflate them.
    #[arg(long)]
    pub(crate) pcap_decoded: bool,
    /// Passwords, cookies and tokens of the handshake are written too.
    #[arg(long)]
    pub(crate) keep_secrets: bool,
}

impl Manner {
    /// How packets are written; of each message at most so many bytes, where they are written whole.
    pub(crate) fn capture(&self, keep: usize) -> Capture {
        let capture = Capture::new(self.pcap_port);
        if self.pcap_decoded { capture.decoded(keep) } else { capture }
    }
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// The same, with a dump of each payload.
    Hex,
    /// JSON lines (schema version 1).
    Jsonl,
    /// Only what messages carry, as it is: not for a terminal.
    Raw,
}

/// What is shown of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    Frames,
    Messages,
    Both,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colours {
    Auto,
    Always,
    Never,
}

/// What messages are read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decoder {
    Auto,
    None,
    Json,
    MessagePack,
    Inkwire,
    Command(String),
}

fn parse_decoder(text: &str) -> Result<Decoder, String> {
    Ok(match text {
        "auto" => Decoder::Auto,
        "none" => Decoder::None,
        "json" => Decoder::Json,
        "msgpack" => Decoder::MessagePack,
        "inkwire" => Decoder::Inkwire,
        _ => match text.strip_prefix("exec:") {
            Some(command) if !command.trim().is_empty() => Decoder::Command(command.to_owned()),
            _ => return Err("it is auto, none, json, msgpack, inkwire or exec:COMMAND".into()),
        },
    })
}

fn parse_jq(text: &str) -> Result<String, JqError> {
    Jq::parse(text).map(|_| text.to_owned())
}

/// Which time stands before a line: UTC, since the connection was made, since the line before, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Time {
    Abs,
    Rel,
    Delta,
    None,
}
