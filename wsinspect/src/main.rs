//! `wsinspect`: what a WebSocket really carries, on the command line.

mod cli;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use wsinspect::deflate::Inflate;
use wsinspect::frame::{Frames, Rest};
use wsinspect::hex;
use wsinspect::line::{Style, bytes_of, explain, remark};
use wsinspect::lint::{Lint, Sender};

use crate::cli::{Cli, Command, Decode, From, Severity};

/// Most bytes that `decode` reads.
const MOST_INPUT: u64 = 64 * 1024 * 1024;

/// Most bytes that a compressed message may become.
const MOST_INFLATED: u64 = 64 * 1024 * 1024;

/// How a command ended.
enum Outcome {
    Done,
    /// A rule was broken, and that was to be an error.
    Violation,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Decode(flags) => decode(&flags),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "wsinspect", &mut io::stdout());
            Ok(Outcome::Done)
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()).map(|()| Outcome::Done).map_err(Into::into)
        }
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Violation) => ExitCode::from(cli::VIOLATION),
        // Whoever reads our output has had enough: a quiet end.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wsinspect: {error:#}");
            ExitCode::from(cli::LOCAL_FILE)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Explains the bytes of one direction, frame by frame.
fn decode(flags: &Decode) -> anyhow::Result<Outcome> {
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

/// What stands behind the last whole frame.
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
fn input(flags: &Decode) -> anyhow::Result<Vec<u8>> {
    let is_stdin = flags.hex.is_empty() || flags.hex == ["-"];
    if !is_stdin {
        return Ok(hex::parse(&flags.hex.join(" "))?);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().take(MOST_INPUT + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(bytes.len() as u64 <= MOST_INPUT, "standard input is longer than {MOST_INPUT} bytes; cut it");
    if flags.raw {
        return Ok(bytes);
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| anyhow::anyhow!("standard input is no hex; raw bytes need --raw"))?;
    Ok(hex::parse(text)?)
}
