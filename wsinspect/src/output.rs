//! Where events go: standard output, and a recording beside it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use wsinspect::frame::Opcode;
use wsinspect::json::Stamp;
use wsinspect::line::Style;
use wsinspect::pcapng::Capture;
use wsinspect::tap::{Event, Limits};
use wsinspect::view::{Filter, Format, Time, View};

use crate::cli::{self, Decoder, From, Look, Severity};
use crate::failure::{Failure, Outcome};

/// What is shown and recorded of some connections.
pub(crate) struct Output {
    view: View,
    stdout: io::Stdout,
    recording: Option<(View, BufWriter<File>)>,
    capture: Option<(Capture, BufWriter<File>)>,
    violations: u64,
    fails: bool,
    buffer: Vec<u8>,
}

impl Look {
    /// What is kept of a connection.
    pub(crate) fn limits(&self) -> Limits {
        Limits { keep: self.keep, inflate: self.keep as u64 }
    }

    fn view(&self) -> View {
        let format = match self.format {
            cli::Format::Text => Format::Text,
            cli::Format::Jsonl => Format::Jsonl,
        };
        let time = match self.time {
            cli::Time::Abs => Time::Absolute,
            cli::Time::Rel => Time::Relative,
            cli::Time::Delta => Time::Delta,
            cli::Time::None => Time::Nothing,
        };
        let mut view = View::new(format, time, Style { most: self.max_payload });
        view.decodes = self.decode == Decoder::Auto;
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
        let recording = match &self.write {
            Some(path) => Some((View::new(Format::Jsonl, Time::Absolute, Style { most: self.keep }), create(path)?)),
            None => None,
        };
        let capture = match &self.pcap {
            Some(path) => {
                let (mut file, mut begin) = (create(path)?, Vec::new());
                Capture::begin(&mut begin);
                file.write_all(&begin)?;
                Some((Capture::new(self.pcap_port), file))
            }
            None => None,
        };
        let (view, fails) = (self.view(), self.lint == Severity::Error);
        Ok(Output { view, stdout: io::stdout(), recording, capture, violations: 0, fails, buffer: Vec::new() })
    }
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    Ok(BufWriter::new(file))
}

/// Bytes that are gathered before they are written.
const GATHERED: usize = 64 * 1024;

impl Output {
    /// Shows and records an event; it is out after [`Output::flush`].
    pub(crate) fn take(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event) -> Result<(), Failure> {
        if let Event::Frame { seen, .. } = event {
            self.violations += seen.broken.len() as u64;
        }
        self.view.write(stamp, url, event, &mut self.buffer);
        if let Some((view, file)) = &mut self.recording {
            let mut line = Vec::new();
            view.write(stamp, url, event, &mut line);
            file.write_all(&line)?;
        }
        if let Some((capture, file)) = &mut self.capture {
            let mut packets = Vec::new();
            capture.write(stamp, event, &mut packets);
            file.write_all(&packets)?;
        }
        if self.buffer.len() >= GATHERED { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Failure> {
        self.stdout.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes everything that was taken.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        // The recording first: whoever closes our standard output still has it.
        let files = [self.recording.as_mut().map(|(_, file)| file), self.capture.as_mut().map(|(_, file)| file)];
        files.into_iter().flatten().try_for_each(BufWriter::flush)?;
        self.write()?;
        Ok(self.stdout.flush()?)
    }

    /// Nothing more comes.
    pub(crate) fn finish(mut self) -> Result<Outcome, Failure> {
        self.flush()?;
        Ok(if self.fails && self.violations > 0 { Outcome::Violation } else { Outcome::Done })
    }
}
