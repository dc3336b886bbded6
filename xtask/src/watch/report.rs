//! What is said: lines for people on standard error, or JSON lines on standard output.

use std::io::{IsTerminal, Write, stderr, stdout};

use serde_json::{Value, json};

/// Says things.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    is_json: bool,
    is_coloured: bool,
}

/// How something is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
}

impl Report {
    /// As JSON lines, or for people; in colour on a terminal, unless NO_COLOR is set (no-color.org).
    pub(super) fn new(is_json: bool) -> Self {
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_json, is_coloured: stderr().is_terminal() && !wants_none }
    }

    /// Says that something has happened. That nobody listens any more is no reason to end.
    pub(super) fn say(self, event: &str, tone: Tone, words: &str, more: Value) {
        if self.is_json {
            let mut told = json!({"event": event, "text": words});
            if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
                told.extend(more);
            }
            let _ = writeln!(stdout(), "{told}");
            return;
        }
        let colour = match tone {
            Tone::Plain => "",
            Tone::Good => "\x1b[32m",
            Tone::Bad => "\x1b[31m",
        };
        let _ = match self.is_coloured && !colour.is_empty() {
            true => writeln!(stderr(), "watch: {colour}{words}\x1b[0m"),
            false => writeln!(stderr(), "watch: {words}"),
        };
    }

    /// A line of another program.
    pub(super) fn line(self, whose: &str, line: &str) {
        if self.is_json {
            let _ = writeln!(stdout(), "{}", json!({"event": "line", "whose": whose, "text": line}));
        } else {
            let _ = writeln!(stderr(), "{whose} | {line}");
        }
    }
}
