//! Orders of `inkwire boards` to a running server: a unix socket in the data directory, an order a
//! connection, a line of JSON each way. Only who may read the directory can reach it.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use inkwire_protocol::{Action, Reason};
use parking_lot::Mutex;

use crate::name::BoardName;
use crate::operate::order::{LARGEST_IMPORT, Order, Outcome, carry_out};
use crate::rooms::Rooms;
use crate::storage::{self, Engine, StorageError};

/// The socket's name in the data directory.
const SOCKET: &str = "control.sock";
/// Maximum time of a server for its answer.
const PATIENCE: Duration = Duration::from_secs(600);
/// Maximum time of a peer for its whole order, however often it sends a byte of it.
const FIRST_LINE: Duration = Duration::from_secs(10);
/// Peers that are listened to at once.
const PEERS: usize = 16;
/// Bytes of an order that are read at once.
const READ: usize = 64 * 1024;

/// A socket's path has at most 107 bytes (unix(7)): a longer one is reached through the directory's descriptor.
fn path(directory: &Path) -> std::io::Result<(PathBuf, Option<std::fs::File>)> {
    use std::os::fd::AsRawFd;
    let path = directory.join(SOCKET);
    if path.as_os_str().len() < 100 {
        return Ok((path, None));
    }
    let held = std::fs::File::open(directory)?;
    Ok((format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd()).into(), Some(held)))
}

/// Has the server that has a directory do something.
///
/// # Errors
/// If no server answers, or what it says.
pub fn ask(directory: &Path, order: &Order) -> anyhow::Result<Outcome> {
    let nobody = || format!("{} is in use by a process that takes no orders", directory.display());
    let (path, _held) = path(directory)?;
    let mut stream = UnixStream::connect(path).with_context(nobody)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let line = serde_json::to_string(order)?;
    stream.write_all(line.as_bytes()).and_then(|()| stream.write_all(b"\n")).with_context(nobody)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).with_context(nobody)?;
    let answer: Result<Outcome, String> = serde_json::from_str(&answer).with_context(nobody)?;
    answer.map_err(|error| anyhow!(error))
}

/// Takes the socket away again, for a server that stops.
pub fn close(directory: &Path) {
    // One that is left is taken away by the next server.
    let _ = path(directory).and_then(|(path, _held)| std::fs::remove_file(path));
}

/// Takes orders until the process ends: from several peers at once, so that a silent one holds up nobody; carried out are they one
/// after the other.
///
/// # Errors
/// If the socket cannot be made.
pub fn listen(directory: &Path, engine: Arc<dyn Engine>, rooms: Arc<Rooms>) -> anyhow::Result<()> {
    let (path, held) = path(directory)?;
    // We hold the directory's lock, so whoever left a socket there is gone.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| path.display().to_string())?;
    // Also where the directory is open to others.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).with_context(|| path.display().to_string())?;
    let (peers, turn) = (Arc::new(()), Arc::new(Mutex::new(())));
    let take = move || {
        let _held = held;
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // No descriptors, for one: trying again at once would only keep a core busy.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            // Its count is how many threads there are, and this one.
            if Arc::strong_count(&peers) > PEERS {
                let words = format!("{PEERS} others are giving orders; try again in a moment");
                report(&stream, Err(words)).unwrap_or_else(|error| unanswered(&error));
                continue;
            }
            let (engine, rooms, peer, turn) = (engine.clone(), rooms.clone(), peers.clone(), turn.clone());
            let serve = move || {
                let _peer = peer;
                answer(&engine, &rooms, &turn, &stream).unwrap_or_else(|error| unanswered(&error));
            };
            if let Err(error) = std::thread::Builder::new().name("order".into()).spawn(serve) {
                unanswered(&error.into());
            }
        }
    };
    std::thread::Builder::new().name("control".into()).spawn(take).context("a thread could not be started")?;
    Ok(())
}

fn unanswered(error: &anyhow::Error) {
    tracing::warn!(%error, "an order could not be answered");
}

fn answer(engine: &Arc<dyn Engine>, rooms: &Arc<Rooms>, turn: &Mutex<()>, stream: &UnixStream) -> anyhow::Result<()> {
    let outcome = read_order(stream, Instant::now() + FIRST_LINE).and_then(|order| {
        let _turn = turn.lock();
        obey(engine, rooms, order)
    });
    report(stream, outcome.map_err(|error| format!("{error:#}")))
}

fn report(mut stream: &UnixStream, outcome: Result<Outcome, String>) -> anyhow::Result<()> {
    stream.set_write_timeout(Some(FIRST_LINE))?;
    Ok(stream.write_all(format!("{}\n", serde_json::to_string(&outcome)?).as_bytes())?)
}

/// Reads the one line of an order until a moment, which no number of bytes puts off.
fn read_order(mut stream: &UnixStream, until: Instant) -> anyhow::Result<Order> {
    let (mut line, mut part) = (Vec::new(), vec![0; READ]);
    while !line.ends_with(b"\n") {
        let left = until.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "an order is a line within {} s", FIRST_LINE.as_secs());
        stream.set_read_timeout(Some(left))?;
        let read = match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // The time is over, which is seen above.
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        line.extend_from_slice(&part[..read]);
        ensure!(line.len() as u64 <= 2 * LARGEST_IMPORT, "an order of more than {} bytes", 2 * LARGEST_IMPORT);
    }
    Ok(serde_json::from_slice(&line)?)
}

/// A board that is deleted or replaced is taken from its members first.
fn obey(engine: &Arc<dyn Engine>, rooms: &Arc<Rooms>, order: Order) -> anyhow::Result<Outcome> {
    let (name, reason) = match &order {
        // Nobody can be on it.
        Order::Delete { name } if storage::is_set_aside(name) => return carry_out(engine, order),
        Order::Delete { name } => (name.clone(), Reason::Deleted),
        Order::Import { name, replaces: true, .. } => (name.clone(), Reason::Restart),
        Order::Import { name, .. } if !rooms.is_open(&name.parse()?) => (name.clone(), Reason::Restart),
        // Somebody is on that board, though nothing may be drawn on it yet.
        Order::Import { name, .. } => return Err(StorageError::Exists(name.clone()).into()),
        Order::Compact { .. } => return carry_out(engine, order),
        Order::Link { name, role, seconds } => {
            let action = Action::MakeLink { role: *role, seconds: *seconds };
            return Ok(Outcome::link(rooms.operate(&name.parse()?, &action)?));
        }
    };
    let name: BoardName = name.parse()?;
    let engine = engine.clone();
    let act = move || {
        carry_out(&engine, order).map(drop).map_err(|error| match error.downcast() {
            Ok(error) => error,
            Err(error) => StorageError::Order(format!("{error:#}")),
        })
    };
    smol::block_on(rooms.replace(&name, reason, act))?;
    Ok(Outcome::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_whole_and_bytes_do_not_put_its_end_off() {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(b"{\"order\":\"delete\",").unwrap();
        let rest = std::thread::spawn(move || near.write_all(b"\"name\":\"one\"}\n").map(|()| near));
        let order = read_order(&far, Instant::now() + Duration::from_secs(60)).unwrap();
        assert!(matches!(order, Order::Delete { name } if name == "one"));
        let mut near = rest.join().unwrap().unwrap();
        let drip = std::thread::spawn(move || while near.write_all(b" ").is_ok() {});
        let refused = read_order(&far, Instant::now() + Duration::from_millis(50)).unwrap_err().to_string();
        drop(far);
        drip.join().unwrap();
        assert_eq!(refused, "an order is a line within 10 s");
    }
}
