//! Reports: lines for people on standard error, or JSON lines on standard output.

use std::io::{IsTerminal, Write, stderr, stdout};

use serde_json::{Value, json};

/// Something that has happened, for people and as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    /// The name of the event.
    pub(super) event: &'static str,
    pub(super) tone: Tone,
    pub(super) words: String,
    /// Fields of the JSON object beside `event` and `text`; null for none.
    pub(super) more: Value,
}

/// The meaning of a report, which decides on its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
}

/// Prints reports. An output that nobody reads any more is no reason to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    is_json: bool,
    is_coloured: bool,
}

impl Printer {
    /// Prints JSON lines, or lines for people: in colour on a terminal, unless NO_COLOR is set (no-color.org).
    pub(super) fn new(is_json: bool) -> Self {
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_json, is_coloured: stderr().is_terminal() && !wants_none }
    }

    /// Prints a report.
    pub(super) fn report(self, report: Report) {
        let Report { event, tone, words, more } = report;
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

    /// Prints a line of another program.
    pub(super) fn line(self, whose: &str, line: &str) {
        if self.is_json {
            let _ = writeln!(stdout(), "{}", json!({"event": "line", "whose": whose, "text": line}));
        } else {
            let _ = writeln!(stderr(), "{whose} | {line}");
        }
    }
}
