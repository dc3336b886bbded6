//! How `inkwire boards` has a running server change its boards: a unix socket in the data directory, an order a
//! connection, a line of JSON each way. Only who may read the directory can reach it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use inkwire_protocol::{Action, Reason, Role, ServerMessage, Token};
use serde::{Deserialize, Serialize};

use crate::boards::{self, LARGEST_IMPORT};
use crate::name::BoardName;
use crate::room::Rooms;
use crate::storage::{self, Disk, StorageError};

/// The socket's name in the data directory.
const SOCKET: &str = "control.sock";
/// How long either side may take for its line.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a server is to do with its boards.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "camelCase")]
pub enum Order {
    /// Delete a board.
    Delete {
        /// Its name.
        name: String,
    },
    /// Put a board in.
    Import {
        /// Its name.
        name: String,
        /// In the place of one of that name.
        replaces: bool,
        /// The board, as `boards export` writes it.
        archive: String,
    },
    /// Make a link of a board anew.
    Link {
        /// Its name.
        name: String,
        /// What the link makes of whoever has it.
        role: Role,
        /// After how many seconds it expires; 0 for never.
        seconds: u64,
    },
    /// Put a board's records in order.
    #[serde(rename_all = "camelCase")]
    Compact {
        /// Its name.
        name: String,
        /// And let go of how it came about.
        forgets_history: bool,
    },
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The sequence number of the snapshot that was made.
    pub seq: u64,
    /// Its size, in bytes.
    pub snapshot_bytes: u64,
    /// The secret of a link that was made.
    pub token: Option<Token>,
}

impl Outcome {
    /// That a link was made.
    pub(crate) fn link(answer: Option<ServerMessage>) -> Self {
        let token = answer.and_then(|answer| match answer {
            ServerMessage::Link { token, .. } => Some(token),
            _ => None,
        });
        Self { token, ..Self::default() }
    }
}

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
/// Where no server answers, or what it says.
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

/// Takes orders until the process ends, one after the other.
///
/// # Errors
/// Where the socket cannot be made.
pub fn listen(disk: Arc<Disk>, rooms: Arc<Rooms>) -> anyhow::Result<()> {
    let (path, held) = path(disk.directory())?;
    // We hold the directory's lock, so whoever left a socket there is gone.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| path.display().to_string())?;
    let take = move || {
        let _held = held;
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // No descriptors, for one: trying again at once would only keep a core busy.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            if let Err(error) = answer(&disk, &rooms, stream) {
                tracing::warn!(%error, "an order could not be answered");
            }
        }
    };
    std::thread::Builder::new().name("control".into()).spawn(take).context("a thread could not be started")?;
    Ok(())
}

fn answer(disk: &Arc<Disk>, rooms: &Arc<Rooms>, mut stream: UnixStream) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut line = String::new();
    BufReader::new(&stream).take(2 * LARGEST_IMPORT).read_line(&mut line)?;
    let outcome = serde_json::from_str(&line)
        .map_err(anyhow::Error::from)
        .and_then(|order| obey(disk, rooms, order))
        .map_err(|error| format!("{error:#}"));
    Ok(stream.write_all(format!("{}\n", serde_json::to_string(&outcome)?).as_bytes())?)
}

/// A board that is deleted or replaced is taken from its members first.
fn obey(disk: &Arc<Disk>, rooms: &Arc<Rooms>, order: Order) -> anyhow::Result<Outcome> {
    let (name, reason) = match &order {
        // Nobody can be on it.
        Order::Delete { name } if storage::is_set_aside(name) => return boards::carry_out(disk, order),
        Order::Delete { name } => (name.clone(), Reason::Deleted),
        Order::Import { name, replaces: true, .. } => (name.clone(), Reason::Restart),
        Order::Import { name, .. } if !rooms.is_open(&name.parse()?) => (name.clone(), Reason::Restart),
        // Somebody is on that board, though nothing may be drawn on it yet.
        Order::Import { name, .. } => return Err(StorageError::Exists(name.clone()).into()),
        Order::Compact { .. } => return boards::carry_out(disk, order),
        Order::Link { name, role, seconds } => {
            let action = Action::MakeLink { role: *role, seconds: *seconds };
            return Ok(Outcome::link(rooms.operate(&name.parse()?, &action)?));
        }
    };
    let name: BoardName = name.parse()?;
    let disk = disk.clone();
    let act = move || {
        boards::carry_out(&disk, order).map(drop).map_err(|error| match error.downcast() {
            Ok(error) => error,
            Err(error) => StorageError::Order(format!("{error:#}")),
        })
    };
    smol::block_on(rooms.replace(&name, reason, act))?;
    Ok(Outcome::default())
}
