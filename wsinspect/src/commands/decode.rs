//! `wsinspect decode`: the bytes of frames, explained bit by bit.

use std::io::{self, Read, Write};

use clap::Args;
use wsinspect::frame::deflate::Inflate;
use wsinspect::frame::lint::Lint;
use wsinspect::frame::{Frames, Rest, Sender};
use wsinspect::hex;
use wsinspect::view::line::{Style, bytes_of, explain, remark};

use crate::failure::{Failure, Outcome};
use crate::flags::{From, Severity};

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

/// Most bytes that are read.
const MOST_INPUT: u64 = 64 * 1024 * 1024;

/// Most bytes that a compressed message may become.
const MOST_INFLATED: u64 = 64 * 1024 * 1024;

/// Explains the bytes of one direction, frame by frame.
pub(crate) fn run(flags: &Decode) -> Result<Outcome, Failure> {
    let bytes = input(flags)?;
    let style = Style { most: flags.max_payload };
    let (mut frames, mut out) = (Frames::new(usize::MAX), Vec::new());
    let inflate = flags.deflate.then(|| Inflate::new(true, MOST_INFLATED as usize, MOST_INFLATED));
    let mut lint = Lint::new(flags.from.map(From::sender), inflate);
    let mut violations = 0;
    frames.push(&bytes, |frame| {
        let sender = flags.from.map_or(guessed(frame.header.mask.is_some()), From::sender);
        let seen = lint.check(&frame);
        out.push(format!("{:>8}  {}", frame.offset, style.frame(&frame, Some(sender), &seen)));
        if !flags.quiet {
            out.extend(explain(&frame));
        }
        if flags.lint != Severity::Off {
            violations += seen.broken.len();
            out.extend(seen.broken.iter().map(|violation| remark(&violation.to_string())));
        }
    });
    out.extend(rest(frames.finish(), flags.quiet));
    let mut stdout = io::stdout().lock();
    for line in out {
        writeln!(stdout, "{line}")?;
    }
    stdout.flush()?;
    Ok(if violations > 0 && flags.lint == Severity::Error { Outcome::Violation } else { Outcome::Done })
}

/// Clients mask, servers do not (RFC 6455 section 5.1).
fn guessed(is_masked: bool) -> Sender {
    if is_masked { Sender::Client } else { Sender::Server }
}

/// Explains the bytes after the last whole frame.
fn rest(rest: Rest, is_quiet: bool) -> Vec<String> {
    match rest {
        Rest::Nothing => Vec::new(),
        Rest::Header(header) => {
            vec![remark(&format!("cut off: {} is the beginning of a header", hex::write(&header)))]
        }
        Rest::Frame(frame) => {
            let there = bytes_of(frame.came);
            let told = remark(&format!("cut off: {there} of {} came", frame.header.length));
            let explained = if is_quiet { Vec::new() } else { explain(&frame) };
            explained.into_iter().chain([told]).collect()
        }
    }
}

/// The bytes to decode: from the arguments, or from standard input.
fn input(flags: &Decode) -> Result<Vec<u8>, Failure> {
    let is_stdin = flags.hex.is_empty() || flags.hex == ["-"];
    if !is_stdin {
        return hex::parse(&flags.hex.join(" ")).map_err(|error| Failure::Usage(error.to_string()));
    }
    let mut bytes = Vec::new();
    io::stdin().lock().take(MOST_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_INPUT {
        return Err(Failure::Input(format!("standard input is longer than {MOST_INPUT} bytes; cut it")));
    }
    if flags.raw {
        return Ok(bytes);
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::Input("standard input is no hex; raw bytes need --raw".into()))?;
    hex::parse(text).map_err(Failure::input)
}
