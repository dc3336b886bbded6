//! The actions of `watch`: processes, files, pages and the terminal.

use std::collections::HashMap;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Instant;

use anyhow::Context;

use super::build::Build;
use super::core::{Action, CompilerError, END, Event};
use super::files::Files;
use super::page::{Pages, plain};
use super::report::{Printer, Report, Tone};
use super::server::{Server, Start};
use super::{Flags, Message};
use crate::group::{Group, Guard};
use crate::process::cargo;

/// The lock file, which cargo writes while it builds.
const LOCK: &str = "Cargo.lock";

/// Carries out actions.
pub(super) struct Actor<'a> {
    pub(super) flags: &'a Flags,
    pub(super) root: PathBuf,
    pub(super) printer: Printer,
    pub(super) guard: Guard,
    pub(super) pages: Pages,
    /// The socket on which every server listens, one after the other.
    pub(super) listener: Option<TcpListener>,
    pub(super) files: Files,
    /// The beginning of the paths of the copies that are run.
    pub(super) copies: String,
    pub(super) events: Sender<Message>,
    pub(super) running: Running,
}

/// The processes that run, by their numbers.
#[derive(Default)]
pub(super) struct Running {
    build: Option<Build>,
    servers: HashMap<u64, Server>,
    checks: HashMap<u64, Group>,
    /// The lock file as the last build has left it.
    lock: Option<Vec<u8>>,
}

impl Actor<'_> {
    /// Turns a message into the event that it means, and forgets a process that has ended.
    pub(super) fn event(&mut self, message: Message) -> Event {
        match message {
            Message::File(Ok(event)) => {
                let changed = self.files.changed(&event);
                Event::Changed(changed.into_iter().filter(|path| !self.is_cargos(path)).collect())
            }
            Message::File(Err(error)) => {
                self.file_failed(&error);
                Event::Due
            }
            Message::Event(event) => {
                match &event {
                    Event::Built(number, _) => self.built(*number),
                    Event::Ended(number, _) => _ = self.running.servers.remove(number),
                    Event::Checked(number, ..) => _ = self.running.checks.remove(number),
                    _ => {}
                }
                event
            }
        }
    }

    /// Forgets a build that has ended, unless it was cancelled: then another one runs.
    fn built(&mut self, number: u64) {
        if self.running.build.take_if(|build| build.number == number).is_some() {
            self.running.lock = self.read_lock();
        }
    }

    /// Whether cargo itself has written a file: the lock file, while it builds.
    fn is_cargos(&self, path: &Path) -> bool {
        path == Path::new(LOCK) && (self.running.build.is_some() || self.running.lock == self.read_lock())
    }

    fn read_lock(&self) -> Option<Vec<u8>> {
        std::fs::read(self.root.join(LOCK)).ok()
    }

    /// Shows an error of the watcher, but for a folder that is gone: the folder above it tells of that too.
    fn file_failed(&self, error: &notify::Error) {
        let is_gone = match &error.kind {
            notify::ErrorKind::PathNotFound => true,
            notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        if !is_gone {
            self.notice(Tone::Bad, error.to_string());
        }
    }

    fn notice(&self, tone: Tone, words: String) {
        self.printer.report(Report { event: "told", tone, words, more: serde_json::Value::Null });
    }

    /// Carries out an action; `Some` is the exit code with which the watch ends.
    ///
    /// # Errors
    /// If a process cannot be started, or a program not copied.
    pub(super) fn act(&mut self, action: Action) -> anyhow::Result<Option<u8>> {
        match action {
            Action::Build(number) => {
                let what = (self.root.as_path(), self.flags.package.as_str());
                self.running.build = Some(Build::begin(number, what, &self.guard, &self.events)?);
            }
            Action::CancelBuild => self.cancel_build(),
            Action::Check(number, what, arguments) => self.check(number, what, &arguments)?,
            Action::CancelChecks => self.running.checks.clear(),
            Action::Copy { from, to } => copy(&from, &to)?,
            Action::Start(number, executable) => self.start(number, &executable)?,
            Action::Terminate(number) => self.running.servers.get_mut(&number).into_iter().for_each(Server::terminate),
            // A server that is dropped is killed.
            Action::Kill(number) => _ = self.running.servers.remove(&number),
            Action::Remove(copy) => _ = std::fs::remove_file(copy),
            Action::Style(path) => self.pages.style(&path),
            Action::Reload => self.pages.change(|state| state.page += 1),
            Action::Errors(errors) => self.show_errors(errors),
            Action::Serving(number) => self.pages.change(|state| state.build = number),
            Action::Report(report) => self.printer.report(report),
            Action::Line(whose, line) => self.printer.line(whose, &line),
            Action::Open(url) => self.open(&url),
            Action::Clear => eprint!("\x1b[2J\x1b[H"),
            Action::Exit(code) => return Ok(Some(code)),
        }
        Ok(None)
    }

    fn cancel_build(&mut self) {
        if let Some(build) = self.running.build.take() {
            build.cancel();
        }
    }

    fn check(&mut self, number: u64, what: &'static str, arguments: &[String]) -> anyhow::Result<()> {
        let mut command = cargo(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", self.root.join("target/watch/checks"));
        command.stdin(Stdio::null()).process_group(0);
        if self.flags.json {
            command.stdout(Stdio::null());
        }
        let mut child = command.spawn()?;
        self.running.checks.insert(number, self.guard.of(&child));
        let events = self.events.clone();
        thread::spawn(move || {
            let passed = child.wait().is_ok_and(|status| status.success());
            let _ = events.send(Event::Checked(number, what, passed).into());
        });
        Ok(())
    }

    fn start(&mut self, number: u64, executable: &Path) -> anyhow::Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        let arguments = self.flags.server_arguments(&self.root, listener);
        let start =
            Start { root: &self.root, listener, arguments: &arguments, page: &self.pages.url, guard: &self.guard };
        self.running.servers.insert(number, Server::start(number, executable, &start, &self.events)?);
        Ok(())
    }

    fn show_errors(&self, errors: Vec<CompilerError>) {
        let errors = errors.into_iter().map(|error| CompilerError { text: plain(&error.text), ..error });
        let errors: Vec<_> = errors.collect();
        self.pages.change(|state| state.errors = errors);
    }

    fn open(&self, url: &str) {
        if Command::new("xdg-open").arg(url).stderr(Stdio::null()).spawn().is_err() {
            self.notice(Tone::Plain, format!("there is no xdg-open; open {url}"));
        }
    }

    /// Ends everything that runs: servers are told to, and have time for it unless a second signal comes.
    pub(super) fn leave(&mut self, messages: &Receiver<Message>) {
        self.cancel_build();
        self.running.checks.clear();
        self.running.servers.values_mut().for_each(Server::terminate);
        let deadline = Instant::now() + END;
        while !self.running.servers.is_empty() {
            match messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Message::Event(Event::Ended(number, _))) => _ = self.running.servers.remove(&number),
                Ok(Message::Event(Event::Signal(_))) | Err(_) => break,
                Ok(_) => {}
            }
        }
        self.running.servers.clear();
        let copies = Path::new(&self.copies);
        let (Some(folder), Some(name)) = (copies.parent(), copies.file_name()) else { return };
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to.parent().unwrap_or(to))?;
    std::fs::copy(from, to).with_context(|| format!("{} cannot be written", to.display()))?;
    Ok(())
}
