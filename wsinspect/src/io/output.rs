//! The output of events: standard output, and recordings beside it.

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use wsinspect::formats::json::Stamp;
use wsinspect::formats::redact;
use wsinspect::frame::Opcode;
use wsinspect::frame::lint::Violation;
use wsinspect::tap::{Event, Limits};
use wsinspect::view::decoder::{Drawing, Json, MessagePack};
use wsinspect::view::jq::Jq;
use wsinspect::view::line::Style;
use wsinspect::view::stats::Stats;
use wsinspect::view::{Filter, Format, Time, Unit, View};

use crate::failure::{Failure, Outcome, say};
use crate::flags::look::{self, Colours, Decoder, Look};
use crate::flags::{From, Severity};
use crate::io::program::Program;
use crate::io::recording::{Har, Lines, Named, Packets};
use crate::io::terminal::{SETTLED, Terminal};

/// The view and the recordings of some connections.
pub(crate) struct Output {
    view: View,
    stdout: Box<dyn Write + Send>,
    /// Given back at the end.
    terminal: Option<Terminal>,
    recordings: Vec<Named>,
    redacts: bool,
    violations: u64,
    first: Option<Violation>,
    stats: Option<Stats>,
    fails: bool,
    buffer: Vec<u8>,
}

impl Look {
    /// Returns the limits of a connection.
    pub(crate) fn limits(&self) -> Limits {
        Limits { keep: self.keep, inflate: self.keep as u64 }
    }

    fn view(&self) -> View {
        let format = match self.format {
            look::Format::Text => Format::Text,
            look::Format::Hex => Format::Hex,
            look::Format::Raw => Format::Raw,
            look::Format::Jsonl => Format::Jsonl,
        };
        let time = match self.time {
            look::Time::Abs => Time::Absolute,
            look::Time::Rel => Time::Relative,
            look::Time::Delta => Time::Delta,
            look::Time::None => Time::Nothing,
        };
        let mut view = View::new(format, time, Style { most: self.max_payload });
        view.unit = match self.view {
            look::Unit::Frames => Unit::Frames,
            look::Unit::Messages => Unit::Messages,
            look::Unit::Both => Unit::Both,
        };
        view.is_coloured = match self.color {
            Colours::Always => true,
            Colours::Never => false,
            Colours::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        };
        view.keep = self.keep;
        view.reads_drawing = self.decode == Decoder::Auto;
        view.decoder = match &self.decode {
            Decoder::Auto | Decoder::None => None,
            Decoder::Json => Some(Box::new(Json)),
            Decoder::MessagePack => Some(Box::new(MessagePack)),
            Decoder::Inkwire => Some(Box::new(Drawing)),
            Decoder::Command(command) => Some(Box::new(Program::new(command))),
        };
        // It was read once already, when the flags were.
        view.jq = self.jq.as_deref().and_then(|code| Jq::parse(code).ok());
        view.has_heads = self.handshake;
        view.has_lint = self.lint != Severity::Off;
        view.filter = Filter {
            hides_control: self.hide_control,
            only: self.only.map(From::sender),
            opcodes: self.opcode.iter().map(|opcode| Opcode::of(*opcode)).collect(),
            least: self.min_size,
            matching: self.matching.clone(),
        };
        view
    }

    /// Opens what the flags say.
    pub(crate) fn output(&self) -> Result<Output, Failure> {
        let mut recordings: Vec<Named> = Vec::new();
        if let Some(path) = &self.record.write {
            recordings.push(Named::new(path, Lines::create(path)?));
        }
        if let Some(path) = &self.record.har {
            recordings.push(Named::new(path, Har::create(path, self.record.manner.har_all, self.keep)?));
        }
        if let Some(path) = &self.record.pcap {
            recordings.push(Named::new(path, Packets::create(path, self.record.manner.capture(self.keep))?));
        }
        Ok(Output {
            view: self.view(),
            stdout: Box::new(io::stdout()),
            terminal: None,
            recordings,
            redacts: !self.record.manner.keep_secrets,
            violations: 0,
            first: None,
            stats: self.stats.then(Stats::default),
            fails: self.lint == Severity::Error,
            buffer: Vec::new(),
        })
    }
}

/// Hands an event to recordings, without its secrets where `redacts` says so.
pub(crate) fn record(
    sinks: &mut [Named],
    redacts: bool,
    (stamp, url, event): (&Stamp, Option<&str>, &Event),
) -> Result<(), Failure> {
    match event {
        Event::Handshake(handshake) if redacts && !sinks.is_empty() => {
            let (url, handshake) = (url.map(redact::url), redact::handshake(handshake));
            let event = Event::Handshake(Box::new(handshake));
            sinks.iter_mut().try_for_each(|sink| sink.with(|sink| sink.take(stamp, url.as_deref(), &event)))
        }
        _ => sinks.iter_mut().try_for_each(|sink| sink.with(|sink| sink.take(stamp, url, event))),
    }
}

/// The reader of our output has gone, or it cannot be written.
fn of_stdout(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Io(error),
        _ => Failure::Input(format!("standard output: {error}")),
    }
}

/// Bytes that are gathered before they are written.
const GATHERED: usize = 64 * 1024;

impl Output {
    /// Shows everything elsewhere, on a terminal that is given back at the end.
    pub(crate) fn show_on(&mut self, screen: Box<dyn Write + Send>, terminal: Option<Terminal>) {
        (self.stdout, self.terminal) = (screen, terminal);
    }

    /// Shows and records an event; it is out after [`Output::flush`].
    pub(crate) fn take(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event) -> Result<(), Failure> {
        if let Event::Frame { seen, .. } = event {
            self.violations += seen.broken.len() as u64;
            self.first = self.first.or(seen.broken.first().copied());
        }
        if let Some(stats) = &mut self.stats {
            stats.take(stamp, event);
        }
        self.view.write(stamp, url, event, &mut self.buffer);
        record(&mut self.recordings, self.redacts, (stamp, url, event))?;
        if self.buffer.len() >= GATHERED { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            self.stdout.write_all(&self.buffer).map_err(of_stdout)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes everything that was taken.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        // The recordings first: whoever closes our standard output still has them.
        self.recordings.iter_mut().try_for_each(|sink| sink.with(|sink| sink.flush()))?;
        self.write()?;
        self.stdout.flush().map_err(of_stdout)
    }

    /// Nothing more comes.
    pub(crate) fn finish(mut self) -> Result<Outcome, Failure> {
        self.recordings.iter_mut().try_for_each(|sink| sink.with(|sink| sink.finish()))?;
        match self.stats.take() {
            Some(stats) if self.view.format == Format::Jsonl => writeln!(self.buffer, "{}", stats.json())?,
            Some(stats) => stats.lines().iter().for_each(|line| say(line)),
            None => {}
        }
        self.write()?;
        if self.terminal.is_some() {
            SETTLED.iter().try_for_each(|piece| self.stdout.write_all(piece))?;
        }
        self.stdout.flush().map_err(of_stdout)?;
        self.terminal.take();
        if self.view.cut > 0 {
            say(&format!("{} messages are cut; --keep {} is less than they have", self.view.cut, self.view.keep));
        }
        if self.fails && self.violations > 0 {
            let first = self.first.map(Violation::name).unwrap_or_default();
            say(&format!("rules were broken {} times, the first is {first}", self.violations));
            return Ok(Outcome::Violation);
        }
        Ok(Outcome::Done)
    }
}
