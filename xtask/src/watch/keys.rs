//! Keys of a terminal, one by one.

use std::io::{IsTerminal, Read, stdin};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Message;
use super::core::Event;

/// The terminal as it was; given back when it is dropped.
pub(super) struct Keys(Termios);

impl Keys {
    /// Listens to keys, where standard input is a terminal. One that goes away is no end: what runs goes on.
    pub(super) fn listen(events: &Sender<Message>) -> Option<Self> {
        if !stdin().is_terminal() {
            return None;
        }
        let before = tcgetattr(stdin()).ok()?;
        let mut raw = before.clone();
        // Ctrl-C stays a signal.
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(stdin(), OptionalActions::Now, &raw).ok()?;
        let events = events.clone();
        thread::spawn(move || {
            let mut key = [0];
            while matches!(stdin().read(&mut key), Ok(1)) {
                if events.send(Event::Key(char::from(key[0])).into()).is_err() {
                    return;
                }
            }
        });
        Some(Self(before))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}
