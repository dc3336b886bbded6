//! `wsinspect connect`: a client that shows everything, ends when it is told to, and loses no reply.

mod conversation;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use clap::Args;
use smol::Timer;
use smol::channel::Receiver;
use wsinspect::handshake::Head;
use wsinspect::handshake::target::Target;
use wsinspect::hex::{self, HexError};
use wsinspect::script::say::{SayError, Shape, close_payload};

use self::conversation::Conversation;
use crate::failure::{Failure, Outcome};
use crate::flags::look::Look;
use crate::flags::reach::{Ask, Reach};
use crate::io::input::{self, InputFormat, Line};
use crate::io::output::Output;
use crate::io::peer::{Peer, request, target, unless_interrupted};

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
    /// Returns the shape of the frames of messages.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            opcode: self.send_opcode,
            rsv: [1, 2, 3].map(|bit| self.rsv.contains(&bit)),
            fragment: self.fragment.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
            is_unmasked: self.no_mask,
        }
    }

    /// Returns the format of standard input.
    pub(crate) fn input(&self) -> InputFormat {
        if self.binary && self.input == InputFormat::Lines { InputFormat::Binary } else { self.input }
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

/// The first pause before connecting again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// The progress towards the end, also over several connections.
struct Waited {
    begun: Instant,
    /// Messages that have come.
    came: u64,
    is_reached: bool,
    input_ended: bool,
    is_opened: bool,
}

/// The messages to send, over all connections together.
struct Input {
    first: Vec<Vec<u8>>,
    lines: Receiver<Line>,
}

/// The attempts that are left, and the pause before the next one.
struct Attempts {
    left: u32,
    pause: Duration,
}

pub(crate) fn run(flags: &Connect) -> Result<Outcome, Failure> {
    let target = target(&flags.url)?;
    let head = request(&flags.ask, &target)?;
    let mut output = flags.look.output()?;
    // Before anything is connected to: a file may be missing.
    let input = input(flags, &mut output)?;
    let result = smol::block_on(converse(flags, (&head, &target), &input, &mut output));
    ended(result, output)
}

fn input(flags: &Connect, output: &mut Output) -> Result<Input, Failure> {
    let first = flags.execute.iter().map(|text| input::argument(text)).collect::<Result<Vec<_>, _>>()?;
    let is_typed = flags.interactive || (std::io::stdin().is_terminal() && std::io::stdout().is_terminal());
    let lines = if !flags.execute.is_empty() || !flags.raw_hex.is_empty() {
        input::none()
    } else if is_typed {
        input::typed(flags.no_slash, output)?
    } else {
        input::piped(flags.input())
    };
    Ok(Input { first, lines })
}

/// Holds one conversation after the other, as long as connections are lost and may be made again.
async fn converse(
    flags: &Connect,
    asked: (&Head, &Target),
    input: &Input,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    let mut waited = Waited { begun: Instant::now(), came: 0, is_reached: false, input_ended: false, is_opened: false };
    let mut attempts = Attempts::new(flags);
    for number in 1.. {
        let result = hold(flags, number, asked, input, (&mut *output, &mut waited), &mut signals).await;
        if !attempts.may_go_on(flags, &result, &mut waited) {
            return result;
        }
        if let Err(failure) = &result {
            eprintln!("wsinspect: {failure}; connecting again in {:?}", attempts.pause);
        }
        output.flush()?;
        if unless_interrupted(&mut signals, Timer::after(attempts.pause)).await.is_none() {
            break;
        }
        attempts.next();
    }
    Ok(Outcome::Interrupted)
}

/// Connects, and holds one conversation.
async fn hold(
    flags: &Connect,
    number: u64,
    (head, target): (&Head, &Target),
    input: &Input,
    (output, waited): (&mut Output, &mut Waited),
    signals: &mut Signals,
) -> Result<Outcome, Failure> {
    let connecting = Peer::connect(&flags.reach, target, flags.look.limits(), number);
    let Some(client) = unless_interrupted(signals, connecting).await else { return Ok(Outcome::Interrupted) };
    Conversation::new(flags, client?, output, waited).hold((head, target), input, signals).await
}

impl Attempts {
    fn new(flags: &Connect) -> Self {
        Self { left: flags.reconnect.unwrap_or(0), pause: PAUSES.0 }
    }

    /// Whether a connection was lost, or could not be made, and another attempt is left. An open one gives all of them back.
    fn may_go_on(&mut self, flags: &Connect, result: &Result<Outcome, Failure>, waited: &mut Waited) -> bool {
        // A connection that takes too long before it is open counts as one that cannot be made.
        let is_late = matches!(result, Err(Failure::TimeOut(_))) && !waited.is_opened;
        let is_lost = is_late || matches!(result, Err(Failure::Unreachable(_) | Failure::Abnormal(_)));
        if !is_lost || self.left == 0 || waited.is_reached {
            return false;
        }
        if std::mem::take(&mut waited.is_opened) {
            *self = Self::new(flags);
        }
        true
    }

    fn next(&mut self) {
        self.left -= 1;
        self.pause = (self.pause * 2).min(PAUSES.1);
    }
}

fn ended(result: Result<Outcome, Failure>, output: Output) -> Result<Outcome, Failure> {
    match (result, output.finish()) {
        (Ok(Outcome::Done), shown) => shown,
        // The reader of our output has had enough; the rest of the reason is of no interest.
        (Err(_), Err(Failure::Io(error))) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(error.into()),
        (result, _) => result,
    }
}
