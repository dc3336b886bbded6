//! Files of recordings: which format one is in, and reading and writing it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use wsinspect::formats::connections::{Connections, Each};
use wsinspect::formats::har::{self, Entry};
use wsinspect::formats::json::{JsonError, Recorded, Stamp, read as read_line};
use wsinspect::formats::packets;
use wsinspect::formats::pcapng::Capture;
use wsinspect::frame::message::Assemblies;
use wsinspect::script;
use wsinspect::tap::{Event, Limits};
use wsinspect::view::line::Style;
use wsinspect::view::{Format, Time, View};

use crate::failure::Failure;

/// Longest line of a recording, and longest HAR, in bytes.
const LONGEST: u64 = 256 * 1024 * 1024;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Jsonl,
    Har,
    Packets,
    Script,
}

impl Kind {
    /// By the name's end.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "har" => Some(Self::Har),
            "pcapng" | "pcap" | "cap" => Some(Self::Packets),
            "wst" => Some(Self::Script),
            _ => None,
        }
    }

    /// By how it begins: a capture's number, HAR's first key.
    fn by_beginning(beginning: &[u8]) -> Self {
        const CAPTURES: [[u8; 4]; 5] = [
            [0x0a, 0x0d, 0x0d, 0x0a],
            [0xd4, 0xc3, 0xb2, 0xa1],
            [0xa1, 0xb2, 0xc3, 0xd4],
            [0x4d, 0x3c, 0xb2, 0xa1],
            [0xa1, 0xb2, 0x3c, 0x4d],
        ];
        let text: Vec<u8> = beginning.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if CAPTURES.iter().any(|magic| beginning.starts_with(magic)) {
            Self::Packets
        } else if text.starts_with(b"{\"log\"") {
            Self::Har
        } else {
            Self::Jsonl
        }
    }
}

/// Gives the events of a recording. One that is cut off, or broken somewhere, gives what is before that, before the error is
/// returned.
pub(crate) fn read(path: &Path, limits: Limits, each: &mut Each<'_>) -> Result<(), Failure> {
    let mut connections = Connections::new(limits, None);
    let mut is_empty = true;
    read_records(path, &mut |stamp, recorded| {
        is_empty = false;
        connections.take(stamp, recorded, each);
    })?;
    match is_empty {
        true => Err(Failure::Input(format!("{}: it has no connection in it", path.display()))),
        false => Ok(()),
    }
}

/// Gives what is recorded, without what follows from it.
pub(crate) fn read_records(path: &Path, each: &mut dyn FnMut(Stamp, Recorded)) -> Result<(), Failure> {
    let name = path.display();
    let file: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| Failure::Input(format!("{name}: {error}")))?)
    };
    let mut reader = BufReader::new(file);
    let beginning = reader.fill_buf().map_err(|error| Failure::Input(format!("{name}: {error}")))?;
    let kind = Kind::by_beginning(beginning);
    let at = |error: &dyn ToString| Failure::Input(format!("{name}: {}", error.to_string()));
    match kind {
        Kind::Packets => packets::read(reader, each).map_err(|error| at(&error)),
        Kind::Har => {
            let all = har::read(reader.take(LONGEST)).map_err(|error| at(&error))?;
            all.into_iter().for_each(|(stamp, recorded)| each(stamp, recorded));
            Ok(())
        }
        Kind::Jsonl | Kind::Script => read_lines(reader, &name.to_string(), each),
    }
}

fn read_lines(mut reader: impl BufRead, name: &str, each: &mut dyn FnMut(Stamp, Recorded)) -> Result<(), Failure> {
    let mut line = String::new();
    for number in 1u64.. {
        line.clear();
        let at = |error: &dyn ToString| Failure::Input(format!("{name}:{number}: {}", error.to_string()));
        if reader.by_ref().take(LONGEST).read_line(&mut line).map_err(|error| at(&error))? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let read = read_line(&line).map_err(|error| match error {
            JsonError::Json(error) if error.is_eof() => at(&"the line is cut off"),
            // There is but one line in a line.
            other => at(&other.to_string().replace(" at line 1 column ", " at column ")),
        });
        if let Some((stamp, recorded)) = read? {
            each(stamp, recorded);
        }
    }
    Ok(())
}

/// Refuses to write a recording over the one that is read, by whatever name.
pub(crate) fn refuse_itself<'a>(from: &Path, to: impl Iterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    let place = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let read = place(from);
    for path in to {
        if read.is_some() && place(path) == read {
            let words = "it is what is read; write another file";
            return Err(Failure::Usage(format!("{}: {words}", path.display())));
        }
    }
    Ok(())
}

/// A sink of a recording.
pub(crate) trait Sink: Send {
    fn take(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event) -> io::Result<()>;
    /// Flushes the events to the file, as far as its format lets it.
    fn flush(&mut self) -> io::Result<()>;
    /// Nothing more comes.
    fn finish(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// A recording with its name, which an error has in it.
pub(crate) struct Named {
    path: PathBuf,
    sink: Box<dyn Sink>,
}

impl Named {
    pub(crate) fn new(path: &Path, sink: impl Sink + 'static) -> Self {
        Self { path: path.to_owned(), sink: Box::new(sink) }
    }

    /// Does something with it.
    pub(crate) fn with(&mut self, act: impl FnOnce(&mut dyn Sink) -> io::Result<()>) -> Result<(), Failure> {
        act(self.sink.as_mut()).map_err(|error| Failure::Input(format!("{}: {error}", self.path.display())))
    }
}

/// Opens a file to write.
pub(crate) fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    Ok(BufWriter::new(file))
}

/// JSON lines.
pub(crate) struct Lines {
    view: View,
    file: BufWriter<File>,
}

impl Lines {
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let mut view = View::new(Format::Jsonl, Time::Absolute, Style { most: 0 });
        // What messages say follows from them.
        view.reads_drawing = false;
        Ok(Self { view, file: create(path)? })
    }
}

impl Sink for Lines {
    fn take(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event) -> io::Result<()> {
        let mut line = Vec::new();
        self.view.write(stamp, url, event, &mut line);
        self.file.write_all(&line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Packets for Wireshark.
pub(crate) struct Packets {
    capture: Capture,
    file: BufWriter<File>,
}

impl Packets {
    pub(crate) fn create(path: &Path, capture: Capture) -> Result<Self, Failure> {
        let (mut file, mut begin) = (create(path)?, Vec::new());
        Capture::begin(&mut begin);
        file.write_all(&begin)?;
        Ok(Self { capture, file })
    }
}

impl Sink for Packets {
    fn take(&mut self, stamp: &Stamp, _: Option<&str>, event: &Event) -> io::Result<()> {
        let mut packets = Vec::new();
        self.capture.write(stamp, event, &mut packets);
        self.file.write_all(&packets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// HAR. Its messages stand in their connection's entry, so until the end they wait in a file for each connection.
pub(crate) struct Har {
    file: BufWriter<File>,
    has_control: bool,
    keep: usize,
    /// By connection.
    waiting: BTreeMap<u64, Waiting>,
    has_entries: bool,
}

struct Waiting {
    entry: Entry,
    open: Assemblies,
    /// Once there are some.
    messages: Option<BufWriter<File>>,
}

impl Har {
    /// With `has_control` also pings, pongs and closes, which browsers leave out.
    pub(crate) fn create(path: &Path, has_control: bool, keep: usize) -> Result<Self, Failure> {
        let mut file = create(path)?;
        file.write_all(har::begin().as_bytes())?;
        Ok(Self { file, has_control, keep, waiting: BTreeMap::new(), has_entries: false })
    }

    /// Writes the entry of a connection that is over.
    fn end(&mut self, waiting: Waiting) -> io::Result<()> {
        if std::mem::replace(&mut self.has_entries, true) {
            self.file.write_all(b",\n")?;
        }
        self.file.write_all(waiting.entry.begin().as_bytes())?;
        if let Some(mut messages) = waiting.messages {
            messages.flush()?;
            messages.get_mut().rewind()?;
            io::copy(messages.get_mut(), &mut self.file)?;
        }
        self.file.write_all(har::ENTRY_END.as_bytes())
    }
}

impl Sink for Har {
    fn take(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event) -> io::Result<()> {
        if let Event::Handshake(handshake) = event {
            let (url, handshake) = (url.unwrap_or_default().to_owned(), handshake.as_ref().clone());
            let entry = Entry { stamp: *stamp, url, handshake, body: Vec::new(), ended: stamp.since };
            let open = Assemblies::new(self.keep);
            self.waiting.insert(stamp.connection, Waiting { entry, open, messages: None });
            return Ok(());
        }
        let Some(waiting) = self.waiting.get_mut(&stamp.connection) else { return Ok(()) };
        waiting.entry.ended = stamp.since;
        match event {
            Event::Frame { sender, frame, seen } => {
                let message = waiting.open.push(*sender, frame, seen.place, seen.inflated.as_ref());
                if let Some(message) = message.filter(|it| self.has_control || !it.opcode.is_control()) {
                    let text = har::message(stamp, *sender, &message);
                    match &mut waiting.messages {
                        Some(messages) => write!(messages, ",\n{text}")?,
                        None => write!(waiting.messages.insert(BufWriter::new(tempfile::tempfile()?)), "\n{text}")?,
                    }
                }
            }
            Event::Body(_) | Event::Closed(_) => {
                if let Event::Body(body) = event {
                    waiting.entry.body.clone_from(body);
                }
                if let Some(waiting) = self.waiting.remove(&stamp.connection) {
                    self.end(waiting)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            self.end(waiting)?;
        }
        self.file.write_all(har::END.as_bytes())?;
        self.file.flush()
    }
}

/// A script that sends what the client sent, and expects what the server did.
pub(crate) struct Script {
    file: BufWriter<File>,
    keep: usize,
    /// By connection.
    open: BTreeMap<u64, Assemblies>,
}

impl Script {
    pub(crate) fn create(path: &Path, keep: usize) -> Result<Self, Failure> {
        Ok(Self { file: create(path)?, keep, open: BTreeMap::new() })
    }
}

impl Sink for Script {
    fn take(&mut self, stamp: &Stamp, url: Option<&str>, event: &Event) -> io::Result<()> {
        let number = stamp.connection;
        match event {
            Event::Handshake(handshake) => {
                self.open.insert(number, Assemblies::new(self.keep));
                self.file.write_all(script::write::connect_step(number, url.unwrap_or_default(), handshake).as_bytes())
            }
            Event::Frame { sender, frame, seen } => {
                let Some(open) = self.open.get_mut(&number) else { return Ok(()) };
                match open.push(*sender, frame, seen.place, seen.inflated.as_ref()) {
                    Some(message) => self.file.write_all(
                        script::write::message_step(number, *sender, &message).unwrap_or_default().as_bytes(),
                    ),
                    None => Ok(()),
                }
            }
            Event::Closed(_) => {
                self.open.remove(&number);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
