//! `wsinspect show`: a recording, looked at again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use wsinspect::json::{Recorded, Stamp, read};
use wsinspect::lint::Sender;
use wsinspect::tap::{Event, Limits, Tap};

use crate::cli::Show;
use crate::failure::{Failure, Outcome};

/// Longest line of a recording, in bytes.
const LONGEST_LINE: u64 = 256 * 1024 * 1024;

/// A connection of the recording.
struct Connection {
    tap: Tap,
    last: Stamp,
}

pub(crate) fn run(flags: &Show) -> Result<Outcome, Failure> {
    let name = flags.file.display();
    let file: Box<dyn Read> = if flags.file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&flags.file).map_err(|error| Failure::Input(format!("{name}: {error}")))?)
    };
    let mut output = flags.look.output()?;
    let mut connections = BTreeMap::new();
    let (mut reader, mut line, mut number) = (BufReader::new(file), String::new(), 0u64);
    let told = loop {
        line.clear();
        number += 1;
        let at = |error: &dyn ToString| Failure::Input(format!("{name}:{number}: {}", error.to_string()));
        match reader.by_ref().take(LONGEST_LINE).read_line(&mut line) {
            Ok(0) => break Ok(()),
            Err(error) => break Err(at(&error)),
            Ok(_) if line.trim().is_empty() => continue,
            Ok(_) => {}
        }
        match read(&line) {
            Ok(Some((stamp, recorded))) => {
                for (stamp, url, event) in events(&mut connections, stamp, recorded, flags.look.limits()) {
                    output.take(&stamp, url.as_deref(), &event)?;
                }
            }
            Ok(None) => {}
            Err(error) => break Err(at(&error)),
        }
    };
    // A recording that is cut off ends like a connection that is.
    for (_, connection) in connections {
        for (stamp, url, event) in closed(connection) {
            output.take(&stamp, url.as_deref(), &event)?;
        }
    }
    let outcome = output.finish()?;
    told.map(|()| outcome)
}

/// An event, and with a handshake where it went.
type Told = (Stamp, Option<String>, Event);

fn events(all: &mut BTreeMap<u64, Connection>, stamp: Stamp, recorded: Recorded, limits: Limits) -> Vec<Told> {
    let number = stamp.connection;
    match recorded {
        Recorded::Handshake(handshake, url) => {
            let tap = Tap::opened(limits, &handshake.agreed);
            all.insert(number, Connection { tap, last: stamp });
            vec![(stamp, url, Event::Handshake(handshake))]
        }
        Recorded::Body(body) => vec![(stamp, None, Event::Body(body))],
        Recorded::Frame(sender, frame) => {
            let opened = || Connection { tap: Tap::opened(limits, &Default::default()), last: stamp };
            let connection = all.entry(number).or_insert_with(opened);
            connection.last = stamp;
            let mut told = Vec::new();
            connection.tap.frame(sender, frame, &mut |event| told.push((stamp, None, event)));
            told
        }
        Recorded::Closed => {
            all.remove(&number).map(|connection| closed(Connection { last: stamp, ..connection })).unwrap_or_default()
        }
    }
}

fn closed(mut connection: Connection) -> Vec<Told> {
    let (mut told, stamp) = (Vec::new(), connection.last);
    for sender in [Sender::Client, Sender::Server] {
        connection.tap.finish(sender, &mut |event| told.push((stamp, None, event)));
    }
    told
}
