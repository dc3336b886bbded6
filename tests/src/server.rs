//! A real server as a process on a free port, stopped when it is dropped.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};

use crate::patience::wait_until;
use crate::raw::Raw;
use crate::tools::root;

/// A server that is running.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `http://HOST:PORT/`, with the base path.
    pub url: String,
    /// `HOST:PORT`.
    pub address: String,
}

/// A port that is free now: somebody has just let go of it.
///
/// # Panics
/// If none is.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// The server's binary: INKWIRE_BIN, or a debug build that is made once.
///
/// # Panics
/// If it does not build.
pub fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            if let Some(path) = std::env::var_os("INKWIRE_BIN") {
                return path.into();
            }
            let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
            let built = Command::new(cargo)
                .args(["build", "--quiet"])
                .args(["inkwire", "wsinspect", "xtask", "faulty"].iter().flat_map(|package| ["--package", package]))
                .current_dir(root())
                .status();
            assert!(built.expect("cargo runs").success(), "the server does not build");
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
            target.join("debug/inkwire")
        })
        .clone()
}

/// The inspector, which is built beside the server.
pub fn inspector() -> PathBuf {
    binary().with_file_name("wsinspect")
}

/// The developer commands, likewise.
pub fn xtask() -> PathBuf {
    binary().with_file_name("xtask")
}

/// The command that starts a server with flags, on a free port and without a disk unless they say otherwise.
pub fn serve(flags: &[&str]) -> Command {
    let listen = if flags.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
    let data = if flags.contains(&"--data") { &[][..] } else { &["--data", ":memory:"] };
    let mut command = Command::new(binary());
    command.arg("serve").args(listen).args(data).args(flags);
    command
}

impl Server {
    /// Starts a server with flags, on a free port unless they say otherwise.
    ///
    /// # Panics
    /// If it does not say that it is listening.
    #[track_caller]
    pub fn start(flags: &[&str]) -> Self {
        Self::spawn(&mut serve(flags))
    }

    /// Starts a server from a command of one's own.
    ///
    /// # Panics
    /// If it does not say that it is listening.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let log = if std::env::var_os("INKWIRE_TEST_LOG").is_some() { Stdio::inherit() } else { Stdio::null() };
        Self::spawn_logging(command, log)
    }

    /// Starts a server whose log goes somewhere.
    ///
    /// # Panics
    /// If it does not say that it is listening.
    #[track_caller]
    pub fn spawn_logging(command: &mut Command, log: impl Into<Stdio>) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the server starts");
        Self::of(child).expect("it says where it listens")
    }

    /// Starts a server, or returns what it says on standard error when it ends instead of listening.
    ///
    /// # Errors
    /// Its text on standard error.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn try_spawn(command: &mut Command) -> Result<Self, String> {
        let log = if std::env::var_os("INKWIRE_TEST_LOG").is_some() { Stdio::inherit() } else { Stdio::piped() };
        let child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the server starts");
        Self::of(child).map_err(|child| {
            let output = child.wait_with_output().expect("it has ended");
            String::from_utf8_lossy(&output.stderr).into_owned()
        })
    }

    /// The server of a process, or the process if it ends without listening.
    fn of(mut child: Child) -> Result<Self, Child> {
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("its output is text");
        let Some((_, url)) = line.trim().rsplit_once(" at ") else { return Err(child) };
        let address = url.rsplit("://").next().and_then(|rest| rest.split('/').next()).expect("a host").to_owned();
        Ok(Self { child, url: url.to_owned(), address })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the server is there");
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// If it does not stop in time.
    pub fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until a server that was told to stop has.
    ///
    /// # Panics
    /// If it does not stop in time.
    pub fn wait(mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the server stops", || {
            status = self.child.try_wait().expect("the server is ours");
            status.is_some()
        });
        status.expect("just seen")
    }

    /// One of its metrics.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn metric(&self, name: &str) -> f64 {
        metric(&self.address, name)
    }

    /// The whole reply to a GET.
    pub fn get(&self, path: &str) -> String {
        get(&self.address, path)
    }

    /// Resident memory of the process that is its own, in bytes.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server is there");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon is there");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Leaves the process only so many bytes of addresses beside those that it has, or as many as it likes.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn limit_address_space(&self, more: Option<u64>) {
        use rustix::process::{Resource, Rlimit, prlimit};
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("VmSize is there");
        let has = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024;
        let limit = Rlimit { current: more.map(|more| has + more), maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::As, limit).expect("the server is there");
    }

    /// Processor time of the process so far, in the kernel's ticks.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the server is there");
        let after_name = stat.rsplit_once(')').expect("a name in parentheses").1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // utime and stime, fields 14 and 15 of proc(5), counted from the third one here.
        fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
    }

    /// How many descriptors the process has open.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the server is there").count()
    }
}

/// One of the metrics of the server at an address.
///
/// # Panics
/// If there is none of that name.
pub fn metric(address: &str, name: &str) -> f64 {
    let text = get(address, "/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no metric {name} in {text}")).trim().parse().expect("a number")
}

/// The whole reply to a GET.
///
/// # Panics
/// If it does not come, or is no text.
pub fn get(address: &str, path: &str) -> String {
    let mut raw = Raw::connect(address);
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes());
    let mut reply = String::new();
    raw.stream.read_to_string(&mut reply).expect("a reply in text");
    reply
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
