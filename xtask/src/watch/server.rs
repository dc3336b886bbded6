//! One server process: started with our listening socket, and what it says of itself.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use command_fds::{CommandFdExt, FdMapping};

use super::Happened;
use crate::group::{Group, Guard};

/// Lines of its standard error that are kept, to be shown when it fails.
const LINES: usize = 20;
/// Longest state that it tells, in bytes.
const LONGEST_STATE: usize = 4096;

/// A server that runs.
pub(super) struct Server {
    pub(super) number: u64,
    pub(super) begun: Instant,
    pub(super) executable: PathBuf,
    /// It was told to end, at this moment.
    pub(super) told_to_end: Option<Instant>,
    group: Group,
    lines: Arc<Mutex<VecDeque<String>>>,
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
        executable: PathBuf,
        start: &Start<'_>,
        events: &Sender<Happened>,
    ) -> anyhow::Result<Self> {
        let (states, path) = states(start.root, number)?;
        let mut command = Command::new(&executable);
        command
            .args(start.arguments)
            .current_dir(start.root)
            .env("LISTEN_FDS", "1")
            .env_remove("LISTEN_PID")
            .env("NOTIFY_SOCKET", &path)
            .env("INKWIRE_WATCH", start.page)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let listener = OwnedFd::from(start.listener.try_clone()?);
        command.fd_mappings(vec![FdMapping { parent_fd: listener, child_fd: 3 }])?;
        let mut child = command.spawn()?;
        let group = start.guard.of(&child);
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (kept, stderr) = (lines.clone(), child.stderr.take());
        let tells = events.clone();
        let reading = thread::spawn(move || {
            for line in stderr.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line.clone());
                if kept.len() > LINES {
                    kept.pop_front();
                }
                drop(kept);
                let _ = tells.send(Happened::Line(line));
            }
        });
        let (tells, has_ended) = (events.clone(), Arc::<AtomicBool>::default());
        let is_over = has_ended.clone();
        thread::spawn(move || {
            let mut buffer = [0; LONGEST_STATE];
            while let Ok(length) = states.recv(&mut buffer) {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let _ = tells.send(Happened::State(number, text));
            }
        });
        let tells = events.clone();
        thread::spawn(move || {
            let status: Option<ExitStatus> = child.wait().ok();
            let _ = reading.join();
            // One more datagram ends the thread that waits for states.
            has_ended.store(true, Ordering::Relaxed);
            let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(&[], &path));
            let _ = std::fs::remove_file(&path);
            let _ = tells.send(Happened::Ended(number, status));
        });
        Ok(Self { number, begun: Instant::now(), executable, told_to_end: None, group, lines })
    }

    /// Asks it to end: it tells its clients to come back (1012), and writes what is to be written.
    pub(super) fn terminate(&mut self) {
        if self.told_to_end.is_none() {
            self.told_to_end = Some(Instant::now());
            self.group.terminate();
        }
    }

    /// Ends it.
    pub(super) fn kill(&self) {
        self.group.kill();
    }

    /// The last lines of its standard error.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
