//! The input: lines of standard input in one of several formats, or typed lines.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor, ExternalPrinter};
use smol::channel::{Receiver, Sender as Channel, bounded};
use wsinspect::frame::Opcode;
use wsinspect::hex;
use wsinspect::script::say::Say;

use crate::failure::Failure;
use crate::io::output::Output;
use crate::io::terminal::Terminal;

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

/// Longest line, or message, of standard input.
const LONGEST: u64 = 16 * 1024 * 1024;
/// Inputs that may wait.
const WAITING: usize = 16;
/// Lines that are kept from one time to the next.
const HISTORY: usize = 1000;

/// A line of an input.
#[derive(Debug)]
pub(crate) enum Line {
    Say(Say),
    /// It cannot be sent, and why.
    Wrong(String),
    End,
}

/// Returns the bytes of an argument: itself, or with `@FILE` the content of a file.
pub(crate) fn argument(text: &str) -> Result<Vec<u8>, Failure> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.as_bytes().to_vec()) };
    let read = File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map(|_| bytes)
    });
    read.map_err(|error| Failure::Input(format!("{path}: {error}")))
}

/// No input at all: what is sent is said elsewhere.
pub(crate) fn none() -> Receiver<Line> {
    bounded(1).1
}

/// Standard input in a format.
pub(crate) fn piped(format: InputFormat) -> Receiver<Line> {
    let (channel, lines) = bounded(WAITING);
    std::thread::spawn(move || read(format, &channel));
    lines
}

fn read(format: InputFormat, channel: &Channel<Line>) {
    let mut stdin = io::stdin().lock();
    for number in 1u64.. {
        let line = match piece(format, &mut stdin) {
            Ok(None) => Line::End,
            Ok(Some(piece)) => match say(format, piece) {
                Ok(None) => continue,
                Ok(Some(say)) => Line::Say(say),
                Err(words) => Line::Wrong(format!("standard input:{number}: {words}")),
            },
            Err(error) => Line::Wrong(format!("standard input:{number}: {error}")),
        };
        let is_over = !matches!(line, Line::Say(_));
        if channel.send_blocking(line).is_err() || is_over {
            return;
        }
    }
}

/// The next line, or whatever stands for one; `None` at the end.
fn piece(format: InputFormat, stdin: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let (mut piece, mut stdin) = (Vec::new(), stdin.take(LONGEST));
    let read = match format {
        InputFormat::Raw => stdin.read_to_end(&mut piece)?,
        InputFormat::Nul => stdin.read_until(0, &mut piece)?,
        _ => stdin.read_until(b'\n', &mut piece)?,
    };
    if read as u64 == LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("this is longer than {LONGEST} bytes")));
    }
    Ok((read > 0).then_some(piece))
}

fn say(format: InputFormat, mut piece: Vec<u8>) -> Result<Option<Say>, String> {
    let opcode = match format {
        InputFormat::Raw => return Ok(Some(Say::Message(Opcode::BINARY, piece))),
        InputFormat::Nul => {
            piece.pop_if(|byte| *byte == 0);
            return Ok(Some(Say::Message(Opcode::TEXT, piece)));
        }
        InputFormat::Binary => Opcode::BINARY,
        _ => Opcode::TEXT,
    };
    piece.pop_if(|byte| *byte == b'\n');
    piece.pop_if(|byte| *byte == b'\r');
    if !matches!(format, InputFormat::Hex | InputFormat::Jsonl) {
        return Ok(Some(Say::Message(opcode, piece)));
    }
    let text = String::from_utf8(piece).map_err(|error| error.to_string())?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    if format == InputFormat::Jsonl {
        return Say::from_json(&text).map(Some).map_err(|error| error.to_string());
    }
    hex::parse(&text).map(|bytes| Some(Say::Message(Opcode::BINARY, bytes))).map_err(|error| error.to_string())
}

/// Returns the file of the typed lines: $XDG_STATE_HOME, or ~/.local/state (XDG Base Directory Specification).
fn history() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    Some(state.or_else(home)?.join("wsinspect/history"))
}

/// Writes above the line that is being typed.
struct Above<P>(P);

impl<P: ExternalPrinter> Write for Above<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.print(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines that somebody types, with a history from one time to the next; what is shown meanwhile stands above them.
pub(crate) fn typed(no_slash: bool, output: &mut Output) -> Result<Receiver<Line>, Failure> {
    let failed = |error: ReadlineError| Failure::Input(format!("the terminal: {error}"));
    let config = Config::builder().max_history_size(HISTORY).map_err(failed)?.auto_add_history(true).build();
    let mut editor = Editor::<(), FileHistory>::with_config(config).map_err(failed)?;
    output.show_on(Box::new(Above(editor.create_external_printer().map_err(failed)?)), Terminal::keep());
    let history = history();
    if let Some(path) = &history {
        // The first time there is none.
        let _ = editor.load_history(path);
    }
    let (channel, lines) = bounded(WAITING);
    std::thread::spawn(move || {
        loop {
            let line = match editor.readline("> ") {
                Ok(text) if text.is_empty() => continue,
                Ok(text) if no_slash => Line::Say(Say::Message(Opcode::TEXT, text.into_bytes())),
                Ok(text) => match Say::from_typed(&text) {
                    Ok(Some(say)) => Line::Say(say),
                    Ok(None) => Line::End,
                    Err(error) => {
                        eprintln!("{error}");
                        continue;
                    }
                },
                // Ctrl-C, Ctrl-D, or a terminal that has gone.
                Err(_) => Line::End,
            };
            if let Some(path) = &history {
                let _ = path.parent().map(std::fs::create_dir_all);
                let _ = editor.append_history(path);
            }
            let is_over = matches!(line, Line::End);
            if channel.send_blocking(line).is_err() || is_over {
                return;
            }
        }
    });
    Ok(lines)
}
