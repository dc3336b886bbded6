//! `cargo xtask watch`: builds and restarts on change, while the server stays reachable.
//!
//! [`core`] decides, and does nothing; [`act`] does what it says. [`files`] tells of changes, [`change`] and [`debounce`] of their
//! meaning; [`build`] builds; [`server`] runs a program on a socket that is ours; [`page`] tells the browser; [`crate::group`] leaves no
//! process behind; [`keys`] and [`report`] are for the person before it.

mod act;
mod build;
mod change;
mod core;
mod debounce;
mod files;
mod keys;
mod page;
mod report;
mod server;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::act::{Actor, Running};
use self::core::{Core, END, Event, Settings};
use self::files::Files;
use self::keys::Keys;
use self::page::Pages;
use self::report::Printer;
use crate::group::Guard;

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

/// A message of a thread.
enum Message {
    /// Something on the disk.
    File(notify::Result<notify::Event>),
    /// An event for the core.
    Event(Event),
}

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<u8> {
    let root = flags.dir.clone().unwrap_or_else(crate::root);
    let root = root.canonicalize().with_context(|| format!("{} is no directory", root.display()))?;
    if !root.join("Cargo.toml").is_file() {
        bail!("{} has no Cargo.toml; --dir says where the workspace is", root.display());
    }
    let listener = (!flags.no_serve).then(|| listen(&flags.listen)).transpose()?;
    let (events, messages) = channel();
    let files = Files::watch(&root, flags.poll.map(Duration::from_millis), &events)
        .with_context(|| format!("{} cannot be watched", root.display()))?;
    signals(&events)?;
    let pages = Pages::serve()?;
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let copies = format!("target/watch/served/{}-{}-", flags.package, std::process::id());
    let copies = root.join(copies).display().to_string();
    let core = Core::new(Settings {
        once: flags.once,
        serves: !flags.no_serve,
        tests: flags.test.clone(),
        clippy: flags.clippy,
        ready: Duration::from_secs(flags.ready_timeout),
        url: address.map(|address| format!("http://{address}/")).unwrap_or_default(),
        pages: pages.url.clone(),
        copies: copies.clone(),
    });
    let mut actor = Actor {
        flags,
        root,
        printer: Printer::new(flags.json),
        guard: Guard::start()?,
        pages,
        listener,
        files,
        copies,
        events: events.clone(),
        running: Running::default(),
    };
    let keys = Keys::listen(&events);
    let result = go_on(core, &mut actor, &messages);
    actor.leave(&messages);
    drop(keys);
    result
}

/// Has actions follow events until one of them ends the watch; returns the exit code.
fn go_on(mut core: Core, actor: &mut Actor<'_>, messages: &Receiver<Message>) -> anyhow::Result<u8> {
    let mut event = Event::Begin;
    loop {
        for action in core.next(Instant::now(), event) {
            if let Some(code) = actor.act(action)? {
                return Ok(code);
            }
        }
        let message = match core.due() {
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => messages.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        event = match message {
            Ok(message) => actor.event(message),
            Err(RecvTimeoutError::Timeout) => Event::Due,
            Err(RecvTimeoutError::Disconnected) => return Ok(1),
        };
    }
}

impl Flags {
    /// The arguments of the server: the socket that is passed to it, boards of its own, and the flags that were given.
    fn server_arguments(&self, root: &Path, listener: &TcpListener) -> Vec<String> {
        let mut arguments = vec!["--listen".to_owned(), "systemd".into()];
        // Another package has other flags.
        if self.package == "inkwire" {
            let boards = root.join("target/watch/boards").display().to_string();
            // Until the server before has let go of the boards.
            let patience = (self.ready_timeout + END.as_secs()).to_string();
            for (flag, value) in [("--data", boards), ("--data-wait", patience)] {
                if !self.gives(flag) {
                    arguments.extend([flag.to_owned(), value]);
                }
            }
            if !self.gives("--public-url") && !self.gives("--behind-proxy") {
                arguments.extend(public_urls(listener));
            }
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }

    /// Whether a flag of the server was given.
    fn gives(&self, flag: &str) -> bool {
        let is_it = |argument: &String| {
            argument.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        self.arguments.iter().any(is_it)
    }
}

/// The names of a server on loopback. The names by which others reach any other one are not known here.
fn public_urls(listener: &TcpListener) -> Vec<String> {
    let address = listener.local_addr().ok().filter(|address| address.ip().is_loopback());
    let urls = address.map(|address| [format!("http://{address}"), format!("http://localhost:{}", address.port())]);
    urls.into_iter().flatten().flat_map(|url| ["--public-url".to_owned(), url]).collect()
}

/// Binds the socket on which every server listens, one after the other.
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

fn signals(events: &Sender<Message>) -> anyhow::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let events = events.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal).into()).is_err() {
                return;
            }
        }
    });
    Ok(())
}
