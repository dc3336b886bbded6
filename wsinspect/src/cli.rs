//! The command line of `wsinspect`, and its exit codes.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde_json_path::JsonPath;
use wsinspect::frame::Sender;
use wsinspect::hex::{self, HexError};
use wsinspect::jq::{Jq, JqError};
use wsinspect::pcapng::Capture;
use wsinspect::say::{SayError, Shape, close_payload};

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

/// Bytes that a flag says. A type of its own: of a `Vec<u8>` clap would take each byte for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

fn parse_hex(text: &str) -> Result<Bytes, HexError> {
    hex::parse(text).map(Bytes)
}

fn parse_close(text: &str) -> Result<Bytes, SayError> {
    close_payload(text).map(Bytes)
}

/// An address that a host's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolve {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) address: IpAddr,
}

fn parse_resolve(text: &str) -> Result<Resolve, String> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let [host, port, address] = parts[..] else { return Err("it is HOST:PORT:ADDRESS".into()) };
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    let address = address.trim_matches(['[', ']']).parse().map_err(|_| format!("{address:?} is no IP address"))?;
    Ok(Resolve { host: host.to_owned(), port, address })
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

#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// Where clients connect: HOST:PORT.
    pub(crate) listen: String,
    /// The server: HOST:PORT, or a ws:// or wss:// URL, of which the path is left to the clients.
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) identity: Identity,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A recording: JSON lines, HAR, pcapng or pcap, told apart by how it begins; standard input with -.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// A recording: JSON lines, HAR, pcapng or pcap, told apart by how it begins; standard input with -.
    pub(crate) from: PathBuf,
    /// The file to write; its format is what its name ends in: .jsonl, .har, .pcapng, or .wst for a script.
    pub(crate) to: PathBuf,
    /// Most bytes of a payload that are kept, and that a compressed message may become.
    #[arg(long, default_value_t = 64 * 1024 * 1024, value_name = "BYTES")]
    pub(crate) keep: usize,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// How a server is reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "How the server is reached")]
pub(crate) struct Reach {
    /// How long connecting may take, and the handshake, and the answer to our close.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) connect_timeout: Duration,
    /// Use this address for a host and port, instead of asking for it.
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = parse_resolve)]
    pub(crate) resolve: Vec<Resolve>,
    /// Connect to this unix socket; the URL still says host and path.
    #[arg(long, value_name = "PATH", conflicts_with = "proxy")]
    pub(crate) unix_socket: Option<PathBuf>,
    /// Go through a proxy: http://, socks5:// (names are looked up here) or socks5h:// (by the proxy), [USER:PASSWORD@]HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// With wss://, trust whoever answers.
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// With wss://, trust these certificates (PEM) instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) cacert: Option<PathBuf>,
    /// Our certificate (PEM), for a server that asks for one.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of our certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// The name that the server is asked for and must have, instead of the URL's host; off sends none.
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
}

/// What stands in the request.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What stands in the request")]
pub(crate) struct Ask {
    /// A header, "Name: value"; one that stands there already is replaced, and with no value left out.
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// A sub-protocol that is offered.
    #[arg(short, long, value_name = "NAME", visible_alias = "protocol")]
    pub(crate) subprotocol: Vec<String>,
    /// The Origin.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// User and password, NAME:PASSWORD (RFC 7617).
    #[arg(short, long, value_name = "USER", visible_alias = "auth")]
    pub(crate) user: Option<String>,
    /// A token (RFC 6750).
    #[arg(long, value_name = "TOKEN", conflicts_with = "user")]
    pub(crate) bearer: Option<String>,
    /// Cookies, "NAME=VALUE; …".
    #[arg(long, value_name = "COOKIES")]
    pub(crate) cookie: Option<String>,
    /// Offer compression, and compress what is sent where it is agreed on (RFC 7692).
    #[arg(long, value_name = "OFFER", num_args = 0..=1, require_equals = true, default_missing_value = "permessage-deflate")]
    pub(crate) deflate: Option<String>,
}

/// What we are to clients over TLS.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Identity {
    /// Our certificate (PEM): clients come with wss://.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of it (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// What standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// Every line is a text.
    Lines,
    /// Every line is a binary message.
    Binary,
    /// Texts with a NUL behind each.
    Nul,
    /// Every line is a binary message in hex.
    Hex,
    /// All of it is one binary message.
    Raw,
    /// Every line is {"text": …}, {"binary": BASE64}, {"hex": …}, {"ping": …}, {"pong": …}, {"close": {"code": …}} or {"raw": HEX}.
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// ws:// or wss://, HOST[:PORT][/PATH].
    pub(crate) url: String,
    /// Send this text, or what stands in @FILE; more than once, in their order. Standard input is not read then.
    #[arg(short = 'x', long, value_name = "TEXT")]
    pub(crate) execute: Vec<String>,
    /// What is sent is binary, not text.
    #[arg(short, long)]
    pub(crate) binary: bool,
    /// What standard input is.
    #[arg(long, value_enum, default_value_t = InputFormat::Lines)]
    pub(crate) input: InputFormat,
    /// Type, with line editing and a history, also where standard input or output is no terminal.
    #[arg(short, long, conflicts_with = "execute")]
    pub(crate) interactive: bool,
    /// What is typed is text also where it begins with a slash.
    #[arg(long)]
    pub(crate) no_slash: bool,
    /// Send these bytes as they are, before everything else: any frame, also one that breaks the rules. More than once.
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    pub(crate) raw_hex: Vec<Bytes>,
    /// Messages go in fragments of at most so many bytes.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) fragment: Option<u64>,
    /// The opcode of what is sent, whatever it means; 0 to 15.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=15))]
    pub(crate) send_opcode: Option<u8>,
    /// Reserved bits of what is sent: 1, 2, 3.
    #[arg(long, value_name = "BITS", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(crate) rsv: Vec<u8>,
    /// No frame is masked, which a server must refuse.
    #[arg(long)]
    pub(crate) no_mask: bool,
    /// Pings are not answered.
    #[arg(long)]
    pub(crate) no_auto_pong: bool,
    /// Send a ping so often.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) ping_interval: Option<Duration>,
    /// How long nothing may come after such a ping.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) ping_timeout: Duration,
    /// The close frame that is sent at the end, CODE or CODE:REASON.
    #[arg(long, value_name = "CODE", default_value = "1000", value_parser = parse_close)]
    pub(crate) close: Bytes,
    /// Connect again when the connection is lost or cannot be made, with longer and longer pauses; give up when so many
    /// attempts in a row have failed.
    #[arg(long, value_name = "TIMES", num_args = 0..=1, require_equals = true, default_missing_value = "10")]
    pub(crate) reconnect: Option<u32>,
    /// End when so many messages have come.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End when a message has come in which this regular expression is found.
    #[arg(long, value_name = "REGEX")]
    pub(crate) until: Option<regex::bytes::Regex>,
    /// End when nothing has come for so long.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) idle: Option<Duration>,
    /// Close after so long; the server has --connect-timeout to answer that.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// How long nothing may come after the end of the input before the connection is closed, where neither --count nor --until
    /// says when.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) linger: Duration,
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) look: Look,
}

impl Connect {
    /// What messages are made like.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            opcode: self.send_opcode,
            rsv: [1, 2, 3].map(|bit| self.rsv.contains(&bit)),
            fragment: self.fragment.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
            is_unmasked: self.no_mask,
        }
    }

    /// What standard input is.
    pub(crate) fn input(&self) -> InputFormat {
        if self.binary && self.input == InputFormat::Lines { InputFormat::Binary } else { self.input }
    }
}

/// What a listener answers.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Where clients connect: HOST:PORT.
    pub(crate) listen: String,
    /// Send every message back.
    #[arg(long, conflicts_with = "reply")]
    pub(crate) echo: bool,
    /// Answer the messages in turn with the lines of this file; where its name ends in .jsonl they are objects as of connect --input jsonl.
    #[arg(long, value_name = "FILE")]
    pub(crate) reply: Option<PathBuf>,
    /// Sub-protocols that are spoken: the first of the client's that is among them is agreed on.
    #[arg(short, long, value_name = "NAME", visible_alias = "protocol")]
    pub(crate) subprotocol: Vec<String>,
    /// Agree on compression where it is offered (RFC 7692).
    #[arg(long)]
    pub(crate) deflate: bool,
    #[command(flatten)]
    pub(crate) identity: Identity,
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Debug, Args)]
pub(crate) struct Ping {
    /// ws:// or wss://, HOST[:PORT][/PATH].
    pub(crate) url: String,
    /// End after so many.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// From one ping to the next.
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) interval: Duration,
    /// How long a pong is waited for.
    #[arg(short = 'W', long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// ws:// or wss://, HOST[:PORT][/PATH].
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    /// So many times as fast as it was.
    Times(f64),
    /// Without any pauses but for replies.
    Most,
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Speed::Most),
        Ok(times) if times.is_finite() && times >= 0.001 => Ok(Speed::Times(times)),
        _ => Err("it is a number from 0.001 on, or max".into()),
    }
}

fn parse_path(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text).map_err(|error| format!("{} (RFC 9535)", error.message()))
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("side").required(true).args(["to", "serve"])))]
pub(crate) struct Replay {
    /// A recording: JSON lines, HAR, pcapng or pcap.
    pub(crate) file: PathBuf,
    /// Be the client, of this server.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Be the server, of the first client that connects here: HOST:PORT.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) serve: Option<String>,
    /// Which connection of the recording.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) connection: u64,
    /// How many times as fast as it was, or max. What was sent after a reply is sent after that reply in any case.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = parse_speed)]
    pub(crate) speed: Speed,
    /// A part of JSON messages that may be another one, such as $..time (RFC 9535).
    #[arg(long, value_name = "PATH", value_parser = parse_path)]
    pub(crate) ignore: Vec<JsonPath>,
    /// How long a message is waited for.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Debug, Args)]
#[command(after_help = "A script:

  connect ws://{{host}}/chat
    subprotocol chat.v1
  # text, binary (hex), ping, pong, close CODE REASON, raw (hex)
  --> text {\"op\": \"join\"}
  # text, binary, ping, pong, close CODE, nothing
  <-- text within 2s
    # other messages may come before it
    skip
    # RFC 9535; ==, !=, <, <=, >, >=, contains, matches, exists; without a path all of it
    $.op == \"joined\"
    # or capture NAME = . for all of it
    capture id = $.id
  --> text {\"op\": \"leave\", \"id\": {{id}}}
  <-- close 1000
  wait 100ms
  let name = value
  # more than one connection, each with a name; below connect: header, origin, subprotocol, status
  connect ada = ws://{{host}}/chat
  ada --> text hello

Pings are answered and, like pongs, passed over unless they are expected.")]
pub(crate) struct Test {
    /// Scripts; convert writes one from a recording.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What {{NAME}} stands for.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(crate) var: Vec<(String, String)>,
    /// How long an expectation waits that does not say; 5s.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Write what came of it into this file, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Say what came of it in the Test Anything Protocol.
    #[arg(long)]
    pub(crate) tap: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
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
