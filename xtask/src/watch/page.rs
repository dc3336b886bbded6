//! What pages are told: a script for them, and a stream of what happens (server-sent events), on a loopback port of our own.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::core::CompilerError;

const SCRIPT: &str = include_str!("page.js");
/// How often a page that hears nothing is told that the stream is still there, so that one that has gone is noticed.
const ALIVE: Duration = Duration::from_secs(15);
/// Longest line of a request.
const LONGEST: u64 = 8 * 1024;

/// What every page is told when it comes.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The number of the build that is served.
    pub(super) build: u64,
    /// How many times files of the page have changed.
    pub(super) page: u64,
    /// What the compiler says of the last build.
    pub(super) errors: Vec<CompilerError>,
}

#[derive(Debug, Default)]
struct Shared {
    state: State,
    pages: Vec<Sender<String>>,
}

/// The pages that listen.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    shared: Arc<Mutex<Shared>>,
    /// Where they listen.
    pub(super) url: String,
}

impl Pages {
    /// Serves them.
    ///
    /// # Errors
    /// If there is no free port.
    pub(super) fn serve() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let pages = Self { shared: Arc::default(), url: format!("http://{}", listener.local_addr()?) };
        let serving = pages.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = serving.clone();
                // An error is the end of that page's stream, which it opens again.
                thread::spawn(move || _ = pages.answer(stream));
            }
        });
        Ok(pages)
    }

    /// Changes what pages are told, and tells them.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut shared = self.lock();
        change(&mut shared.state);
        let event = state(&shared.state);
        shared.tell(&event);
    }

    /// A style sheet has changed.
    pub(super) fn style(&self, path: &str) {
        self.lock().tell(&event("style", &json!(path)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(std::io::Read::take(stream.try_clone()?, LONGEST));
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.split(' ').nth(1) {
            Some("/watch.js") => reply(stream, "text/javascript", SCRIPT),
            Some("/events") => self.stream(stream),
            _ => reply(stream, "text/plain", ""),
        }
    }

    fn stream(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (sender, events): (_, Receiver<String>) = channel();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nAccess-Control-Allow-Origin: *\r\n\r\n";
        stream.write_all(head.as_bytes())?;
        {
            // Nothing is written under the lock: a page that does not read must not hold up the others.
            let mut shared = self.lock();
            let _ = sender.send(state(&shared.state));
            shared.pages.push(sender);
        }
        loop {
            match events.recv_timeout(ALIVE) {
                Ok(event) => stream.write_all(event.as_bytes())?,
                Err(_) => stream.write_all(b":\n\n")?,
            }
        }
    }
}

impl Shared {
    fn tell(&mut self, event: &str) {
        self.pages.retain(|page| page.send(event.to_owned()).is_ok());
    }
}

fn state(state: &State) -> String {
    let errors = state.errors.iter().map(|error| json!({"place": error.place, "text": plain(&error.text)}));
    event("state", &json!({"build": state.build, "page": state.page, "errors": errors.collect::<Vec<_>>()}))
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn reply(mut stream: TcpStream, kind: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// A text without the colours that the compiler gives it for a terminal.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\x1b[") {
        out.push_str(before);
        // A sequence ends with a letter (ECMA-48, CSI).
        let end = behind.find(|c: char| ('\x40'..='\x7e').contains(&c)).map_or(behind.len(), |at| at + 1);
        rest = &behind[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_a_terminal_are_no_text() {
        assert_eq!(plain("\x1b[0m\x1b[1m\x1b[38;5;9merror\x1b[0m: no"), "error: no");
        assert_eq!(plain("\x1b["), "");
    }
}
