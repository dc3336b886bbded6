//! One run of the server: started, found ready, given rounds of traffic, and stopped so that a tool can still report.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::finding::Failure;
use super::program::{Effort, Program, Setting, Traffic, filled};
use crate::group::{Group, Guard};
use crate::process::{bounded, built, cargo, ended_within};

/// Maximum time of a round of traffic.
const ROUND: Duration = Duration::from_secs(180);
/// Lines that are kept of what it says, to be shown when it fails.
const LINES: usize = 20;

/// A server that runs.
pub(super) struct Server<'a> {
    program: &'a Program,
    setting: &'a Setting,
    child: Child,
    /// It ends with this, and with the process that checks.
    _group: Group,
    guard: Guard,
    /// `HOST:PORT`.
    address: String,
    said: Arc<Mutex<VecDeque<String>>>,
    /// What `{dir}` stands for.
    _folder: TempDir,
}

/// The result of a round of traffic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Round {
    pub(super) connections: u64,
    pub(super) gauges: Vec<(String, f64)>,
}

impl<'a> Server<'a> {
    /// Starts it, by a command that ends where its own arguments begin, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become so.
    pub(super) fn start(
        program: &'a Program,
        setting: &'a Setting,
        guard: &Guard,
        mut command: Command,
    ) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(runs()?)?;
        command.args(filled(&setting.server, folder.path()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| {
            Failure::Server(format!("{} could not be started: {error}", command.get_program().display()))
        })?;
        let group = guard.of(&child);
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, addresses) = channel();
        keep(child.stderr.take(), &said, |_| {});
        keep(child.stdout.take(), &said, move |line| {
            if let Some(address) = address(line) {
                let _ = sender.send(address);
            }
        });
        let address = String::new();
        let mut server =
            Self { program, setting, child, _group: group, guard: guard.clone(), address, said, _folder: folder };
        server.address = server.ready(&addresses)?;
        Ok(server)
    }

    /// Waits until it says where it listens, or listens where it was said to.
    fn ready(&mut self, addresses: &Receiver<String>) -> Result<String, Failure> {
        let deadline = Instant::now() + self.program.patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(Failure::Server(format!("the server ended before it was ready: {}", self.ended(status))));
            }
            match &self.program.address {
                Some(address) if TcpStream::connect(address).is_ok() => return Ok(address.clone()),
                Some(_) => thread::sleep(Duration::from_millis(50)),
                None => {
                    if let Ok(address) = addresses.recv_timeout(Duration::from_millis(50)) {
                        return Ok(address);
                    }
                }
            }
        }
        let how = match &self.program.address {
            Some(address) => format!("accepts nothing at {address}"),
            None => "prints no line with http://HOST:PORT or ws://HOST:PORT (or give --address)".into(),
        };
        Err(Failure::Server(format!(
            "the server did not get ready within {} s: it {how}",
            self.program.patience.as_secs()
        )))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives it a round of traffic.
    ///
    /// # Errors
    /// If the traffic did not do what it should; because the server has died, where it has.
    pub(super) fn round(&mut self, number: u64, effort: Effort) -> Result<Round, Failure> {
        let mut command = traffic(&self.setting.traffic)?;
        command.env("LEAKCHECK_ADDRESS", &self.address).env("LEAKCHECK_ROUND", number.to_string());
        command.env("LEAKCHECK_SEED", self.program.seed.to_string()).env("LEAKCHECK_TIMES", effort.times.to_string());
        command.env("LEAKCHECK_PID", self.pid().to_string());
        command.env("LEAKCHECK_PATIENT", if effort.is_patient { "true" } else { "false" });
        command.env("RUST_BACKTRACE", "0");
        let output =
            bounded(&mut command, ROUND, Some(&self.guard)).map_err(|error| Failure::Traffic(format!("{error:#}")))?;
        if !output.status.success() {
            // What kills the server makes its traffic fail a moment earlier.
            if let Some(status) = ended_within(&mut self.child, Duration::from_secs(2))? {
                return Err(Failure::Server(format!("the server ended under its traffic: {}", self.ended(status))));
            }
            let words = last_lines(&String::from_utf8_lossy(&output.stderr));
            return Err(Failure::Traffic(format!("round {number} of the traffic failed ({}): {words}", output.status)));
        }
        summary(&String::from_utf8_lossy(&output.stdout))
            .map_err(|why| Failure::Traffic(format!("round {number} of the traffic {why}")))
    }

    /// Asks it to stop, as an operator does, and waits until it has.
    ///
    /// # Errors
    /// If it does not, or was killed by a signal, which hides every exit code of a tool.
    pub(super) fn stop(mut self) -> Result<ExitStatus, Failure> {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        match ended_within(&mut self.child, self.program.patience)? {
            Some(status) if status.signal().is_some() => {
                Err(Failure::Server(format!("the server did not stop cleanly: {}", self.ended(status))))
            }
            Some(status) => Ok(status),
            None => Err(Failure::Server(format!(
                "the server did not stop within {} s of SIGTERM, and was killed; what leaks is reported by tools only where \
                 main returns",
                self.program.patience.as_secs()
            ))),
        }
    }

    /// Returns its exit status, and its last words.
    fn ended(&self, status: ExitStatus) -> String {
        // What it said last may still be on its way through the pipe.
        thread::sleep(Duration::from_millis(50));
        format!("{status}; {}", last_lines(&self.words()))
    }

    /// Everything that it has said of late.
    pub(super) fn words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

/// Returns the folder of all runs.
///
/// # Errors
/// If it cannot be made.
pub(super) fn runs() -> Result<PathBuf, Failure> {
    let folder = crate::root().join("target/leakcheck");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn traffic(traffic: &Traffic) -> Result<Command, Failure> {
    Ok(match traffic {
        Traffic::Shell(line) => {
            let mut command = Command::new("sh");
            command.args(["-c", line]);
            command
        }
        Traffic::Own(more) => {
            static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
            if BUILT.get().is_none() {
                // As `cargo test` builds it: a build of its own would take longer than it saves.
                let mut build = cargo(&["build", "--quiet", "--package", "inkwire-tests", "--bin", "traffic"]);
                let path = built(build.current_dir(crate::root()), "traffic")?;
                BUILT.get_or_init(|| path);
            }
            let mut command = Command::new(BUILT.get().expect("just built"));
            command.args(more);
            command
        }
    })
}

/// Keeps the last lines of what a server says, and shows each to somebody.
fn keep(
    pipe: Option<impl std::io::Read + Send + 'static>,
    said: &Arc<Mutex<VecDeque<String>>>,
    mut show: impl FnMut(&str) + Send + 'static,
) {
    let (Some(pipe), said) = (pipe, said.clone()) else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            show(&line);
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_back(line);
            let more = said.len().saturating_sub(LINES);
            said.drain(..more);
        }
    });
}

/// `HOST:PORT` of a URL in a line.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://").or_else(|| line.split_once("ws://"))?;
    let address = rest.split(['/', ' ', '"', '\'']).next()?;
    let (host, port) = address.rsplit_once(':')?;
    (!host.is_empty() && port.parse::<u16>().is_ok()).then(|| address.to_owned())
}

/// `connections N` and any number of `gauge NAME VALUE`; other lines are its own affair.
fn summary(text: &str) -> Result<Round, String> {
    let mut round = Round { connections: 0, gauges: Vec::new() };
    for line in text.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["connections", number] => {
                round.connections = number.parse().map_err(|_| format!("says {line:?}, which is no number"))?;
            }
            ["gauge", name, value] => {
                let value = value.parse().map_err(|_| format!("says {line:?}, which is no number"))?;
                round.gauges.push((name.to_owned(), value));
            }
            _ => {}
        }
    }
    if round.connections == 0 {
        return Err("made no connection: it must print `connections N`".into());
    }
    Ok(round)
}

/// The last three lines that say something, in one.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE"))
        .collect();
    let from = lines.len().saturating_sub(4);
    if lines.is_empty() { "it said nothing".into() } else { lines[from..].join(" | ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_url_says_where_the_server_listens() {
        for (line, expected) in [
            ("inkwire: draw at http://127.0.0.1:8081/", Some("127.0.0.1:8081")),
            ("listening on ws://[::1]:9/x", Some("[::1]:9")),
            ("see https://example.org/", None),
            ("at http://localhost/", None),
            ("at http://:80/", None),
        ] {
            assert_eq!(address(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn traffic_that_says_nothing_has_done_nothing() {
        let round = summary("hello\nconnections 12\ngauge tasks 0\n").unwrap();
        assert_eq!(round, Round { connections: 12, gauges: vec![("tasks".into(), 0.0)] });
        assert!(summary("").unwrap_err().contains("made no connection"));
        assert!(summary("connections 0\n").is_err() && summary("connections many\n").is_err());
    }
}
