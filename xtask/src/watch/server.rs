//! One server process: started with our listening socket, and what it says of itself.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use command_fds::{CommandFdExt, FdMapping};

use super::Message;
use super::core::Event;
use crate::group::{Group, Guard};

/// Longest state that it tells, in bytes.
const LONGEST_STATE: usize = 4096;

/// A server that runs; it is killed when this is dropped.
pub(super) struct Server {
    group: Group,
    is_told_to_end: bool,
}

/// What all servers are started with.
pub(super) struct Start<'a> {
    pub(super) root: &'a Path,
    pub(super) listener: &'a TcpListener,
    pub(super) arguments: &'a [String],
    /// Where the page finds what `watch` says.
    pub(super) page: &'a str,
    pub(super) guard: &'a Guard,
}

/// Longest path of a unix socket (`unix(7)`), with room for a number.
const LONGEST_PATH: usize = 100;

/// Where a server says how it stands; nobody else on this machine may.
fn states(root: &Path, number: u64) -> std::io::Result<(UnixDatagram, PathBuf)> {
    let name = format!("notify-{}-{number}", std::process::id());
    let usual = root.join("target/watch").join(&name);
    let path = if usual.as_os_str().len() < LONGEST_PATH { usual } else { std::env::temp_dir().join(name) };
    let _ = std::fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok((socket, path))
}

impl Server {
    /// Starts a server: it listens on our socket (`sd_listen_fds(3)`) and tells when it is ready (`sd_notify(3)`).
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(
        number: u64,
        executable: &Path,
        start: &Start<'_>,
        events: &Sender<Message>,
    ) -> anyhow::Result<Self> {
        let (states, path) = states(start.root, number)?;
        let mut child = spawn(executable, start, &path)?;
        let group = start.guard.of(&child);
        let reading = read_lines(number, &mut child, events.clone());
        let has_ended = Arc::<AtomicBool>::default();
        read_states(number, states, has_ended.clone(), events.clone());
        let events = events.clone();
        thread::spawn(move || {
            let status = child.wait().map_or_else(|_| "an unknown status".into(), |status| status.to_string());
            let _ = reading.join();
            // One more datagram ends the thread that waits for states.
            has_ended.store(true, Ordering::Relaxed);
            let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(&[], &path));
            let _ = std::fs::remove_file(&path);
            let _ = events.send(Event::Ended(number, status).into());
        });
        Ok(Self { group, is_told_to_end: false })
    }

    /// Tells it to end: it tells its clients to come back (1012), and writes everything that is not written. A second signal would
    /// stop it at once, so it is sent one only.
    pub(super) fn terminate(&mut self) {
        if !std::mem::replace(&mut self.is_told_to_end, true) {
            self.group.terminate();
        }
    }
}

fn spawn(executable: &Path, start: &Start<'_>, states: &Path) -> anyhow::Result<Child> {
    let mut command = Command::new(executable);
    command
        .args(start.arguments)
        .current_dir(start.root)
        .env("LISTEN_FDS", "1")
        .env_remove("LISTEN_PID")
        .env("NOTIFY_SOCKET", states)
        .env("INKWIRE_WATCH", start.page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    let listener = OwnedFd::from(start.listener.try_clone()?);
    command.fd_mappings(vec![FdMapping { parent_fd: listener, child_fd: 3 }])?;
    Ok(command.spawn()?)
}

/// Sends the lines of its standard error, until it closes that.
fn read_lines(number: u64, child: &mut Child, events: Sender<Message>) -> thread::JoinHandle<()> {
    let stderr = child.stderr.take();
    thread::spawn(move || {
        for line in stderr.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
            let _ = events.send(Event::Line(number, line).into());
        }
    })
}

/// Sends its states, until it has ended and one more datagram has come.
fn read_states(number: u64, states: UnixDatagram, has_ended: Arc<AtomicBool>, events: Sender<Message>) {
    thread::spawn(move || {
        let mut buffer = [0; LONGEST_STATE];
        while let Ok(length) = states.recv(&mut buffer) {
            if has_ended.load(Ordering::Relaxed) {
                return;
            }
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let _ = events.send(Event::State(number, text).into());
        }
    });
}
