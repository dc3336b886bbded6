//! `cargo xtask watch`: builds and restarts on change, and the server never goes away meanwhile.
//!
//! [`files`] tells what changes; [`change`] and [`debounce`] say what that asks for; [`build`] builds; [`server`] runs what was
//! built on a socket that is ours; [`page`] tells the browser; [`crate::group`] leaves no process behind; [`keys`] and [`report`] are
//! for whoever sits before it. Here is what is done with all of it: one thread, one thing after the other.

mod build;
mod change;
mod debounce;
mod files;
mod keys;
mod page;
mod report;
mod server;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::build::{Build, Built, CompilerError};
use self::debounce::{Changes, Debounce};
use self::files::Files;
use self::keys::{HELP, Keys};
use self::page::{Pages, plain};
use self::report::{Report, Tone};
use self::server::{Server, Start};
use crate::group::{Group, Guard};
use crate::process::cargo;

/// The lock file.
const LOCK: &str = "Cargo.lock";
/// How long a server may take to end once it is told to.
const END: Duration = Duration::from_secs(10);
/// The first pause before a server that has ended by itself is started again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// What a server says that lacks nothing but the data directory, which the other one has.
const WAITING: &str = "STATUS=waiting for the data directory";

/// The names by which a server on loopback is known. By which name others reach any other one, nobody here knows.
fn public_urls(listener: &TcpListener) -> Vec<String> {
    let address = listener.local_addr().ok().filter(|address| address.ip().is_loopback());
    let urls = address.map(|address| [format!("http://{address}"), format!("http://localhost:{}", address.port())]);
    urls.into_iter().flatten().flat_map(|url| ["--public-url".to_owned(), url]).collect()
}

#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal: r restart, b build, t tests, o open the page, c clear the screen, p pause, q quit, h help.
Exit codes: 0 quit, 1 failure (with --once: the build, the server or a check fails), 2 wrong usage, 130, 143 or 129 by SIGINT,
SIGTERM or SIGHUP."
)]
pub(crate) struct Flags {
    /// Where the server listens.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "HOST:PORT")]
    listen: String,
    /// Build, start, see that it is ready, stop.
    #[arg(long)]
    once: bool,
    /// Only build.
    #[arg(long)]
    no_serve: bool,
    /// After a good build run the tests, or those whose name has this in it.
    #[arg(long, value_name = "FILTER", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    test: Option<String>,
    /// After a good build run clippy.
    #[arg(long)]
    clippy: bool,
    /// Look at all files every so many milliseconds, instead of being told by the system.
    #[arg(long, value_name = "MILLISECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "500",
          value_parser = clap::value_parser!(u64).range(50..))]
    poll: Option<u64>,
    /// How many seconds a new server may take until it is ready.
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    ready_timeout: u64,
    /// Say what happens as JSON lines.
    #[arg(long)]
    json: bool,
    /// The workspace; this checkout where it is not said.
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// The package whose program is run.
    #[arg(long, default_value = "inkwire", value_name = "NAME")]
    package: String,
    /// Flags of the server.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What happens, from whatever thread.
enum Happened {
    /// Something on the disk.
    File(notify::Result<notify::Event>),
    /// Something to be said.
    Told(String),
    /// A build has ended.
    Built(u64, Built),
    /// A server says how it stands.
    State(u64, String),
    /// A server has written a line on its standard error.
    Line(String),
    /// A server has ended.
    Ended(u64, Option<ExitStatus>),
    /// Tests or clippy have ended.
    Checked(u64, &'static str, bool),
    /// A key was pressed.
    Key(char),
    /// A signal has come.
    Signal(i32),
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<u8> {
    let root = flags.dir.clone().unwrap_or_else(crate::root);
    let root = root.canonicalize().with_context(|| format!("{} is no directory", root.display()))?;
    if !root.join("Cargo.toml").is_file() {
        bail!("{} has no Cargo.toml; --dir says where the workspace is", root.display());
    }
    let listener = (!flags.no_serve).then(|| listen(&flags.listen)).transpose()?;
    let (events, happened) = channel();
    let files = Files::watch(&root, flags.poll.map(Duration::from_millis), &events)
        .with_context(|| format!("{} cannot be watched", root.display()))?;
    signals(&events)?;
    let mut watch = Watch {
        flags,
        root,
        report: Report::new(flags.json),
        guard: Guard::start()?,
        pages: Pages::serve()?,
        listener,
        files,
        debounce: Debounce::default(),
        build: None,
        served: None,
        coming: None,
        leaving: Vec::new(),
        fallback: None,
        number: 0,
        checks: Vec::new(),
        lock: None,
        pause: PAUSES.0,
        again: None,
        is_paused: false,
        is_served: false,
        code: 0,
        events: events.clone(),
    };
    let keys = Keys::listen(&events);
    let result = watch.go_on(&happened);
    watch.leave(&happened);
    drop(keys);
    result
}

/// The socket on which every server listens, one after the other.
fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        let owner = owner(address).map(|owner| format!("; {owner} has it")).unwrap_or_default();
        format!("{address} cannot be listened on{owner}; --listen HOST:PORT takes another port")
    })
}

/// Who listens there, as far as it can be known (`ss(8)` of iproute2).
fn owner(address: &str) -> Option<String> {
    let port = address.rsplit(':').next()?;
    let output = std::process::Command::new("ss").args(["-Hltnp", &format!("sport = :{port}")]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, users) = text.split_once("users:((")?;
    let mut parts = users.split([',', ')']);
    Some(format!("{} ({})", parts.next()?.trim_matches('"'), parts.next()?))
}

fn signals(events: &Sender<Happened>) -> anyhow::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let events = events.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if events.send(Happened::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

struct Watch<'a> {
    flags: &'a Flags,
    root: PathBuf,
    report: Report,
    guard: Guard,
    pages: Pages,
    listener: Option<TcpListener>,
    files: Files,
    debounce: Debounce,
    build: Option<Build>,
    /// The server that answers.
    served: Option<Server>,
    /// The one that is to take its place.
    coming: Option<Server>,
    /// Those that were told to end.
    leaving: Vec<Server>,
    /// What is run again if the one that comes fails after its predecessor has made room for it.
    fallback: Option<PathBuf>,
    number: u64,
    /// Tests and clippy that run.
    checks: Vec<(u64, Group)>,
    /// The lock file as the last build has left it.
    lock: Option<Vec<u8>>,
    /// How long it is waited before a server that has ended by itself is started again, and since when.
    pause: Duration,
    again: Option<Instant>,
    is_paused: bool,
    /// With `--once`: all is done but the checks, and the exit code so far.
    is_served: bool,
    code: u8,
    events: Sender<Happened>,
}

impl Watch<'_> {
    fn go_on(&mut self, happened: &Receiver<Happened>) -> anyhow::Result<u8> {
        self.begin_build()?;
        loop {
            let next = match self.due() {
                None => happened.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => happened.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            let end = match next {
                Ok(happened) => self.take(happened)?,
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(1),
            };
            if let Some(code) = end {
                return Ok(code);
            }
            if let Some(code) = self.do_what_is_due()? {
                return Ok(code);
            }
        }
    }

    /// When something is to be done that nothing will tell.
    fn due(&self) -> Option<Instant> {
        let coming = self.coming.as_ref().map(|server| server.begun + self.ready());
        let leaving = self.leaving.iter().filter_map(|server| server.told_to_end).map(|told| told + END).min();
        let debounce = self.debounce.due().filter(|_| !self.is_paused);
        [coming, leaving, debounce, self.again].into_iter().flatten().min()
    }

    fn ready(&self) -> Duration {
        Duration::from_secs(self.flags.ready_timeout)
    }

    fn do_what_is_due(&mut self) -> anyhow::Result<Option<u8>> {
        let now = Instant::now();
        for server in self.leaving.iter().filter(|server| server.told_to_end.is_some_and(|told| told + END <= now)) {
            server.kill();
        }
        if self.coming.as_ref().is_some_and(|server| server.begun + self.ready() <= now) {
            let words = format!("the new server is not ready after {:?}", self.ready());
            if let Some(code) = self.coming_failed(&words) {
                return Ok(Some(code));
            }
        }
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            if let (None, None, Some(executable)) = (&self.served, &self.coming, self.fallback.clone()) {
                self.start(executable)?;
            }
        }
        if !self.is_paused
            && let Some(changes) = self.debounce.take(now)
        {
            self.change(&changes)?;
        }
        Ok(None)
    }

    fn take(&mut self, happened: Happened) -> anyhow::Result<Option<u8>> {
        match happened {
            Happened::File(event) => self.file(event),
            Happened::Told(words) => self.report.say("told", Tone::Plain, &words, Value::Null),
            Happened::Built(number, built) if self.build.as_ref().is_some_and(|build| build.number == number) => {
                return self.built(built);
            }
            // One that was cancelled.
            Happened::Built(..) => {}
            Happened::State(number, state) => return self.state(number, &state),
            Happened::Line(line) => self.report.line("server", &line),
            Happened::Ended(number, status) => return self.ended(number, status),
            Happened::Checked(number, what, is_good) => {
                let before = self.checks.len();
                self.checks.retain(|(other, _)| *other != number);
                if self.checks.len() == before {
                    // It was cancelled.
                    return Ok(None);
                }
                let (tone, words) = if is_good { (Tone::Good, "passed") } else { (Tone::Bad, "failed") };
                self.code |= u8::from(!is_good);
                self.report.say("checked", tone, &format!("{what} {words}"), json!({"what": what, "good": is_good}));
                if self.is_served {
                    return Ok(self.once());
                }
            }
            Happened::Key(key) => return self.key(key),
            Happened::Signal(SIGINT) => return Ok(Some(130)),
            Happened::Signal(signal) => return Ok(Some(128 + signal as u8)),
        }
        Ok(None)
    }

    fn file(&mut self, event: notify::Result<notify::Event>) {
        let event = match event {
            Ok(event) => event,
            // A folder that has gone, which the folder above it tells too.
            Err(error) if matches!(&error.kind, notify::ErrorKind::PathNotFound) => return,
            Err(notify::Error { kind: notify::ErrorKind::Io(error), .. })
                if error.kind() == std::io::ErrorKind::NotFound =>
            {
                return;
            }
            Err(error) => return self.report.say("told", Tone::Bad, &error.to_string(), Value::Null),
        };
        let now = Instant::now();
        let changed = self.files.changed(&event);
        // cargo itself writes the lock file while it builds.
        let is_cargos = |path: &PathBuf| {
            path == Path::new(LOCK) && (self.build.is_some() || self.lock == std::fs::read(self.root.join(LOCK)).ok())
        };
        for path in changed.into_iter().filter(|path| !is_cargos(path)) {
            self.debounce.push(now, change::class(&path), path);
        }
    }

    fn change(&mut self, changes: &Changes) -> anyhow::Result<()> {
        let shown = |path: &PathBuf| path.display().to_string();
        for path in &changes.styles {
            self.pages.style(&shown(path));
            self.report.say(
                "style",
                Tone::Plain,
                &format!("{} is taken over", shown(path)),
                json!({"path": shown(path)}),
            );
        }
        if changes.page {
            self.pages.change(|state| state.page += 1);
            self.report.say("page", Tone::Plain, "the page is loaded anew", Value::Null);
        }
        if !changes.build.is_empty() {
            let all: Vec<String> = changes.build.iter().map(shown).collect();
            let more = if all.len() > 1 { format!(" and {} more", all.len() - 1) } else { String::new() };
            self.report.say("changed", Tone::Plain, &format!("{}{more} changed", all[0]), json!({"paths": all}));
            if all.iter().any(|path| path.starts_with("xtask/")) {
                self.report.say(
                    "told",
                    Tone::Plain,
                    "xtask itself has changed: start it again to run what it is now",
                    Value::Null,
                );
            }
            self.begin_build()?;
        }
        Ok(())
    }

    /// One build at a time: what is built already is not what is wanted any more.
    fn begin_build(&mut self) -> anyhow::Result<()> {
        if let Some(build) = self.build.take() {
            build.cancel();
            self.report.say("cancelled", Tone::Plain, "the build is begun anew", Value::Null);
        }
        self.checks.clear();
        self.number += 1;
        let what = (self.root.as_path(), self.flags.package.as_str());
        self.build = Some(Build::begin(self.number, what, &self.guard, &self.events)?);
        self.report.say("building", Tone::Plain, "building …", Value::Null);
        Ok(())
    }

    fn built(&mut self, built: Built) -> anyhow::Result<Option<u8>> {
        self.lock = std::fs::read(self.root.join(LOCK)).ok();
        let took = self.build.take().map(|build| build.begun.elapsed()).unwrap_or_default();
        match built {
            Built::Bad(errors) => {
                errors.iter().for_each(|error| self.report.line("cargo", error.text.trim_end()));
                let places: Vec<&str> = errors.iter().filter_map(|error| error.place.as_deref()).collect();
                let stays = if self.served.is_some() { "; the server that runs stays" } else { "" };
                let first = places.first().map(|place| format!(" at {place}")).unwrap_or_default();
                let words = format!("the build fails{first} after {}{stays}", seconds(took));
                self.report.say("failed", Tone::Bad, &words, json!({"places": places, "seconds": took.as_secs_f64()}));
                let errors = errors.into_iter().map(|error| CompilerError { text: plain(&error.text), ..error });
                let errors: Vec<_> = errors.collect();
                self.pages.change(|state| state.errors = errors);
                Ok(self.flags.once.then_some(1))
            }
            Built::Good(executable) => {
                self.report.say(
                    "built",
                    Tone::Good,
                    &format!("built in {}", seconds(took)),
                    json!({"seconds": took.as_secs_f64()}),
                );
                self.pages.change(|state| state.errors.clear());
                self.check()?;
                self.serve(&executable)
            }
        }
    }

    /// Tests and clippy, beside the server; another change cancels them.
    fn check(&mut self) -> anyhow::Result<()> {
        if let Some(filter) = &self.flags.test {
            self.run_check("test", &["test", "--quiet", "--workspace", filter])?;
        }
        if self.flags.clippy {
            self.run_check("clippy", &["clippy", "--quiet", "--workspace", "--all-targets"])?;
        }
        Ok(())
    }

    fn run_check(&mut self, what: &'static str, arguments: &[&str]) -> anyhow::Result<()> {
        use std::os::unix::process::CommandExt;
        let mut command = cargo(&arguments.iter().copied().filter(|argument| !argument.is_empty()).collect::<Vec<_>>());
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", self.root.join("target/watch/checks"));
        command.stdin(Stdio::null()).process_group(0);
        if self.flags.json {
            command.stdout(Stdio::null());
        }
        let mut child = command.spawn()?;
        self.number += 1;
        let (number, events) = (self.number, self.events.clone());
        self.checks.push((number, self.guard.of(&child)));
        std::thread::spawn(move || {
            let is_good = child.wait().is_ok_and(|status| status.success());
            let _ = events.send(Happened::Checked(number, what, is_good));
        });
        Ok(())
    }

    /// Runs what was built, if it is another program than the one that runs.
    fn serve(&mut self, executable: &Path) -> anyhow::Result<Option<u8>> {
        if self.flags.no_serve {
            return Ok(self.once());
        }
        let runs = self.coming.as_ref().or(self.served.as_ref()).map(|server| server.executable.clone());
        if let Some(runs) = runs
            && is_same(&runs, executable)
        {
            self.report.say("unchanged", Tone::Plain, "the program is the same; nothing is restarted", Value::Null);
            return Ok(None);
        }
        // The next build writes over it while this one runs.
        let copy = self.root.join(format!(
            "target/watch/served/{}-{}-{}",
            self.flags.package,
            std::process::id(),
            self.number
        ));
        std::fs::create_dir_all(copy.parent().unwrap_or(&copy))?;
        std::fs::copy(executable, &copy).with_context(|| format!("{} cannot be written", copy.display()))?;
        self.start(copy)?;
        Ok(None)
    }

    fn start(&mut self, executable: PathBuf) -> anyhow::Result<()> {
        if let Some(mut before) = self.coming.take() {
            before.terminate();
            self.leaving.push(before);
        }
        let Some(listener) = &self.listener else { return Ok(()) };
        self.number += 1;
        let mut arguments = vec!["--listen".to_owned(), "systemd".into()];
        let says = |flag: &str| {
            self.flags
                .arguments
                .iter()
                .any(|it| it == flag || it.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')))
        };
        // Boards of its own, and patience until the server before has let go of them. Another package has other flags.
        let boards = self.root.join("target/watch/boards").display().to_string();
        let patience = (self.ready() + END).as_secs().to_string();
        for (flag, value) in [("--data", boards), ("--data-wait", patience)] {
            if self.flags.package == "inkwire" && !says(flag) {
                arguments.extend([flag.to_owned(), value]);
            }
        }
        if self.flags.package == "inkwire" && !says("--public-url") && !says("--behind-proxy") {
            arguments.extend(public_urls(listener));
        }
        arguments.extend(self.flags.arguments.iter().cloned());
        let start =
            Start { root: &self.root, listener, arguments: &arguments, page: &self.pages.url, guard: &self.guard };
        self.coming = Some(Server::start(self.number, executable, &start, &self.events)?);
        Ok(())
    }

    /// What a server says: that it is ready, or that it waits for what the other one has.
    fn state(&mut self, number: u64, state: &str) -> anyhow::Result<Option<u8>> {
        if self.coming.as_ref().is_none_or(|server| server.number != number) {
            return Ok(None);
        }
        if state.lines().any(|line| line == WAITING) {
            self.make_room();
        }
        if !state.lines().any(|line| line == "READY=1") {
            return Ok(None);
        }
        self.make_room();
        self.served = self.coming.take();
        let took = self.served.as_ref().map(|server| server.begun.elapsed()).unwrap_or_default();
        let address = self.listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let url = address.map(|address| format!("http://{address}/")).unwrap_or_default();
        let words = format!("ready in {} at {url}", seconds(took));
        self.report.say(
            "ready",
            Tone::Good,
            &words,
            json!({"url": url, "seconds": took.as_secs_f64(), "page": self.pages.url}),
        );
        self.fallback = self.served.as_ref().map(|server| server.executable.clone());
        self.pages.change(|state| state.build = number);
        Ok(self.once())
    }

    /// With `--once`, the exit code as soon as nothing more is waited for.
    fn once(&mut self) -> Option<u8> {
        self.is_served = true;
        (self.flags.once && self.checks.is_empty()).then_some(self.code)
    }

    /// Tells the server that runs to end; its clients come back to the one that comes.
    fn make_room(&mut self) {
        if let Some(mut server) = self.served.take() {
            server.terminate();
            self.leaving.push(server);
        }
    }

    fn ended(&mut self, number: u64, status: Option<ExitStatus>) -> anyhow::Result<Option<u8>> {
        let is_it = |server: &Server| server.number == number;
        if let Some(at) = self.leaving.iter().position(is_it) {
            let gone = self.leaving.swap_remove(at);
            self.forget(&gone.executable);
        }
        let status = status.map_or_else(|| "an unknown status".into(), |status| status.to_string());
        if self.coming.as_ref().is_some_and(|server| server.number == number) {
            return Ok(self.coming_failed(&format!("the new server ends before it is ready ({status})")));
        }
        if let Some(server) = self.served.take_if(|server| server.number == number) {
            if server.begun.elapsed() > PAUSES.1 {
                self.pause = PAUSES.0;
            }
            let words = format!("the server has ended ({status}); it is started again in {}", seconds(self.pause));
            self.report.say("ended", Tone::Bad, &words, Value::Null);
            self.again = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(PAUSES.1);
        }
        Ok(None)
    }

    /// Nothing runs a copy any more.
    fn forget(&self, executable: &Path) {
        let servers = self.served.iter().chain(&self.coming).map(|server| &server.executable);
        if servers.chain(&self.fallback).all(|other| other != executable) {
            let _ = std::fs::remove_file(executable);
        }
    }

    /// The one that was to come does not: whichever runs stays, or ran last is run again.
    fn coming_failed(&mut self, words: &str) -> Option<u8> {
        // With it goes what is left of its group.
        let server = self.coming.take()?;
        let lines = server.last_lines();
        let stays = match (&self.served, &self.fallback) {
            (Some(_), _) => "; the old one stays",
            (None, Some(fallback)) if *fallback != server.executable => "; the last good one is run again",
            _ => "; waiting for a change",
        };
        let words = format!("{words}{stays}");
        self.report.say("crashed", Tone::Bad, &words, json!({"lines": lines}));
        if self.served.is_none() && self.fallback.as_ref().is_some_and(|fallback| *fallback != server.executable) {
            self.again = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(PAUSES.1);
        }
        self.flags.once.then_some(1)
    }

    fn key(&mut self, key: char) -> anyhow::Result<Option<u8>> {
        match key {
            'q' => return Ok(Some(0)),
            'b' => self.begin_build()?,
            'r' => {
                if let Some(executable) = self.fallback.clone() {
                    self.start(executable)?;
                }
            }
            't' => self.run_check("test", &["test", "--quiet", "--workspace"])?,
            'o' => {
                let url = self.listener.as_ref().and_then(|listener| listener.local_addr().ok());
                let url = url.map(|address| format!("http://{address}/")).unwrap_or_default();
                let opened = std::process::Command::new("xdg-open").arg(&url).stderr(Stdio::null()).spawn();
                if opened.is_err() {
                    self.report.say("told", Tone::Plain, &format!("there is no xdg-open; open {url}"), Value::Null);
                }
            }
            'c' => eprint!("\x1b[2J\x1b[H"),
            'p' => {
                self.is_paused = !self.is_paused;
                let words = if self.is_paused { "paused; p goes on" } else { "goes on" };
                self.report.say("paused", Tone::Plain, words, json!({"paused": self.is_paused}));
            }
            'h' | '?' => self.report.say("help", Tone::Plain, HELP, Value::Null),
            _ => {}
        }
        Ok(None)
    }

    /// Ends everything that runs, each server properly.
    fn leave(&mut self, happened: &Receiver<Happened>) {
        if let Some(build) = self.build.take() {
            build.cancel();
        }
        self.checks.clear();
        self.leaving.extend(self.served.take().into_iter().chain(self.coming.take()));
        self.leaving.iter_mut().for_each(Server::terminate);
        let deadline = Instant::now() + END;
        while !self.leaving.is_empty() {
            match happened.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Happened::Ended(number, _)) => self.leaving.retain(|server| server.number != number),
                // A second Ctrl-C waits for nothing.
                Ok(Happened::Signal(_)) | Err(_) => break,
                Ok(_) => {}
            }
        }
        self.leaving.clear();
        let copies = format!("{}-{}-", self.flags.package, std::process::id());
        for entry in std::fs::read_dir(self.root.join("target/watch/served")).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&copies) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether two files have the same content.
fn is_same(one: &Path, other: &Path) -> bool {
    let length = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len()).ok();
    length(one) == length(other)
        && matches!((std::fs::read(one), std::fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
