//! Scripts of sends and expectations: reading one, and writing one that does what was recorded.
//!
//! A script is lines; what stands indented belongs to the line above it, and `#` begins a comment.
//!
//! ```text
//! connect ws://{{host}}/chat
//!   header X-Name: ada
//!   subprotocol chat.v1
//! # text, binary (hex), ping, pong, close CODE REASON, or raw (hex)
//! --> text {"op": "join"}
//! # text, binary, ping, pong, close CODE, or nothing
//! <-- text within 2s
//!   # other messages may come before it
//!   skip
//!   # RFC 9535; ==, !=, <, <=, >, >=, contains, matches, exists; without a path all of it
//!   $.op == "joined"
//!   # `capture all = .` takes the whole message
//!   capture id = $.id
//! --> text {"op": "leave", "id": {{id}}}
//! <-- close 1000
//! wait 100ms
//! let name = value
//! # for more than one connection:
//! connect ada = ws://{{host}}/chat
//! ada --> text hello
//! ```

use std::fmt;
use std::time::Duration;

use regex::Regex;
use serde_json_path::JsonPath;

use crate::close;
use crate::expect::{Check, Comparison, Expectation, Kind, is_name, json, text};
use crate::frame::{Opcode, Sender};
use crate::hex;
use crate::message::Message;
use crate::say::{Say, close_payload};
use crate::tap::Handshake;

/// How long an expectation waits where it does not say.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A script: its steps in their order.
#[derive(Debug, Clone)]
pub struct Script {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub struct Step {
    /// The line that it stands in, from 1 on.
    pub line: usize,
    /// The line itself.
    pub text: String,
    /// The connection; empty for the one without a name.
    pub connection: String,
    /// What to do.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Connects to a URL.
    Connect {
        /// Where to.
        url: String,
        /// Headers of the request.
        headers: Vec<String>,
        /// Sub-protocols that are offered.
        subprotocols: Vec<String>,
        /// The status that is expected.
        status: u16,
    },
    /// Sends something.
    Send(Kind, String),
    /// Waits for something.
    Expect(Expectation),
    /// Does nothing for a while.
    Wait(Duration),
    /// Gives a name to something.
    Let(String, String),
}

/// Why a script cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScriptError {
    /// The line, from 1 on.
    pub line: usize,
    /// The column, in characters from 1 on.
    pub column: usize,
    /// The line itself.
    pub text: String,
    /// What is wrong with it.
    pub words: String,
}

/// As a compiler says it: the place, and the line with a caret under the column.
impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, text, words } = self;
        // Tabs stay tabs, so that the caret stands under its column.
        let margin: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "{line}:{column}: {words}\n  {text}\n  {margin}^")
    }
}

/// A line that is being read, and how far.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    text: &'a str,
    at: usize,
}

impl<'a> Line<'a> {
    fn wrong<T>(&self, words: impl Into<String>) -> Result<T, ScriptError> {
        let column = self.text[..self.at].chars().count() + 1;
        Err(ScriptError { line: self.number, column, text: self.text.to_owned(), words: words.into() })
    }

    fn rest(&self) -> &'a str {
        self.text[self.at..].trim_end()
    }

    fn skip_spaces(&mut self) {
        self.at += self.text[self.at..].len() - self.text[self.at..].trim_start().len();
    }

    /// The next word; empty at the end.
    fn word(&mut self) -> &'a str {
        self.skip_spaces();
        let rest = self.rest();
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// What the next word would be.
    fn peek(&self) -> &'a str {
        let mut ahead = *self;
        ahead.word()
    }

    fn all(&mut self) -> &'a str {
        self.skip_spaces();
        let rest = self.rest();
        self.at = self.text.len();
        rest
    }

    /// Nothing may follow.
    fn end(&mut self) -> Result<(), ScriptError> {
        self.skip_spaces();
        if self.rest().is_empty() { Ok(()) } else { self.wrong("nothing is expected here") }
    }

    fn duration(&mut self) -> Result<Duration, ScriptError> {
        self.skip_spaces();
        let here = *self;
        match humantime::parse_duration(self.word()) {
            Ok(duration) => Ok(duration),
            Err(_) => here.wrong("a time is expected here, such as 500ms or 2s"),
        }
    }

    fn name(&mut self) -> Result<String, ScriptError> {
        self.skip_spaces();
        let here = *self;
        let name = self.word();
        match is_name(name) {
            true => Ok(name.to_owned()),
            false => here.wrong("a name is expected here: letters, digits, - and _"),
        }
    }

    fn equals(&mut self) -> Result<(), ScriptError> {
        self.skip_spaces();
        let here = *self;
        if self.word() == "=" { Ok(()) } else { here.wrong("= is expected here") }
    }
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// At the first place that is not understood.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut steps: Vec<Step> = Vec::new();
        for (number, text) in (1..).zip(text.lines()) {
            let trimmed = text.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let mut line = Line { number, text, at: 0 };
            if text.starts_with([' ', '\t']) {
                line.skip_spaces();
                match steps.last_mut() {
                    Some(step) => detail(&mut line, &mut step.action)?,
                    None => return line.wrong("this belongs to a line above it, and there is none"),
                }
            } else {
                steps.push(step(line)?);
            }
        }
        Ok(Self { steps })
    }
}

fn step(mut line: Line<'_>) -> Result<Step, ScriptError> {
    let (number, text) = (line.number, line.text.trim_end().to_owned());
    let made = |connection: &str, action| Step { line: number, text, connection: connection.to_owned(), action };
    let here = line;
    match line.word() {
        "wait" => {
            let action = Action::Wait(line.duration()?);
            line.end()?;
            Ok(made("", action))
        }
        "let" => {
            let name = line.name()?;
            line.equals()?;
            Ok(made("", Action::Let(name, line.all().to_owned())))
        }
        "connect" => connect(line, made),
        "-->" => Ok(made("", send(line)?)),
        "<--" => Ok(made("", expect(line)?)),
        name if is_name(name) => match line.word() {
            "-->" => Ok(made(name, send(line)?)),
            "<--" => Ok(made(name, expect(line)?)),
            _ => here
                .wrong("a step begins with connect, -->, <--, wait or let, or with a connection's name and an arrow"),
        },
        _ => here.wrong("a step begins with connect, -->, <--, wait or let, or with a connection's name and an arrow"),
    }
}

fn connect(mut line: Line<'_>, made: impl FnOnce(&str, Action) -> Step) -> Result<Step, ScriptError> {
    let mut name = String::new();
    let mut ahead = line;
    ahead.word();
    if ahead.peek() == "=" {
        name = line.name()?;
        line.equals()?;
    }
    let url = line.word().to_owned();
    if url.is_empty() {
        return line.wrong("a URL is expected here");
    }
    line.end()?;
    let action = Action::Connect { url, headers: Vec::new(), subprotocols: Vec::new(), status: 101 };
    Ok(made(&name, action))
}

fn send(mut line: Line<'_>) -> Result<Action, ScriptError> {
    line.skip_spaces();
    let here = line;
    let kind = match Kind::named(line.word()) {
        Some(kind) if kind != Kind::Nothing => kind,
        _ => return here.wrong("text, binary, ping, pong, close or raw is expected here"),
    };
    let mut payload = line;
    payload.skip_spaces();
    let text = line.all().to_owned();
    // What has variables in it is looked at when they are known.
    if !text.contains("{{")
        && let Err(words) = say(kind, &text)
    {
        return payload.wrong(words);
    }
    Ok(Action::Send(kind, text))
}

/// What a step sends, once its variables are known.
///
/// # Errors
/// If it cannot be sent.
pub fn say(kind: Kind, text: &str) -> Result<Say, String> {
    let bytes = || text.as_bytes().to_vec();
    let hex = || hex::parse(text).map_err(|error| error.to_string());
    Ok(match kind {
        Kind::Text => Say::Message(Opcode::TEXT, bytes()),
        Kind::Binary => Say::Message(Opcode::BINARY, hex()?),
        Kind::Ping => Say::Control(Opcode::PING, bytes()),
        Kind::Pong => Say::Control(Opcode::PONG, bytes()),
        Kind::Close => Say::Control(Opcode::CLOSE, close_payload(text).map_err(|error| error.to_string())?),
        Kind::Raw => Say::Raw(hex()?),
        Kind::Nothing => return Err("nothing is nothing to send".into()),
    })
}

fn expect(mut line: Line<'_>) -> Result<Action, ScriptError> {
    line.skip_spaces();
    let here = line;
    let kind = match Kind::named(line.word()) {
        Some(kind) if kind != Kind::Raw => kind,
        _ => return here.wrong("text, binary, ping, pong, close or nothing is expected here"),
    };
    let mut expectation =
        Expectation { kind, code: None, within: None, skips: false, checks: Vec::new(), captures: Vec::new() };
    loop {
        line.skip_spaces();
        let here = line;
        match line.word() {
            "" => return Ok(Action::Expect(expectation)),
            "within" => expectation.within = Some(line.duration()?),
            code if kind == Kind::Close && code.parse::<u16>().is_ok() => expectation.code = code.parse().ok(),
            _ if kind == Kind::Close => return here.wrong("a close code or within TIME is expected here"),
            _ => return here.wrong("within TIME is expected here; what the message says stands in the next lines"),
        }
    }
}

fn detail(line: &mut Line<'_>, action: &mut Action) -> Result<(), ScriptError> {
    let here = *line;
    match action {
        Action::Connect { headers, subprotocols, status, .. } => match line.word() {
            "header" => {
                let mut value = *line;
                value.skip_spaces();
                let header = line.all();
                if !header.contains(':') {
                    return value.wrong("a header is \"Name: value\"");
                }
                headers.push(header.to_owned());
                Ok(())
            }
            "origin" => {
                headers.push(format!("Origin: {}", line.all()));
                Ok(())
            }
            "subprotocol" => {
                subprotocols.push(line.all().to_owned());
                Ok(())
            }
            "status" => {
                let mut value = *line;
                value.skip_spaces();
                match line.word().parse() {
                    Ok(number) => *status = number,
                    Err(_) => return value.wrong("a status is expected here, such as 403"),
                }
                line.end()
            }
            _ => here.wrong("header, origin, subprotocol or status is expected here"),
        },
        Action::Expect(expectation) => expected(line, expectation),
        _ => here.wrong("nothing can belong to the line above"),
    }
}

fn expected(line: &mut Line<'_>, expectation: &mut Expectation) -> Result<(), ScriptError> {
    let here = *line;
    if expectation.kind == Kind::Nothing {
        return here.wrong("of nothing nothing can be expected");
    }
    match line.peek() {
        "skip" => {
            line.word();
            expectation.skips = true;
            return line.end();
        }
        "capture" => {
            line.word();
            let name = line.name()?;
            line.equals()?;
            let path = if line.peek() == "." { None } else { Some(path(line)?) };
            if path.is_none() {
                line.word();
            }
            line.end()?;
            expectation.captures.push((name, path));
            return Ok(());
        }
        _ => {}
    }
    let path = if line.peek().starts_with('$') { Some(path(line)?) } else { None };
    line.skip_spaces();
    let here = *line;
    let comparison = match line.word() {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ">" => Comparison::More,
        ">=" => Comparison::AtLeast,
        "contains" => Comparison::Contains,
        "matches" => Comparison::Matches,
        "exists" if path.is_some() => Comparison::Exists,
        _ if path.is_some() => return here.wrong("==, !=, <, <=, >, >=, contains, matches or exists is expected here"),
        _ => return here.wrong("skip, capture, $ with a path, or ==, contains, matches and the like is expected here"),
    };
    let mut behind = *line;
    behind.skip_spaces();
    let value = line.all().to_owned();
    match comparison {
        Comparison::Exists if !value.is_empty() => return behind.wrong("nothing is expected here"),
        Comparison::Matches if !value.contains("{{") && Regex::new(&value).is_err() => {
            return behind.wrong("this is no regular expression");
        }
        Comparison::Less | Comparison::AtMost | Comparison::More | Comparison::AtLeast
            if !value.contains("{{") && value.parse::<f64>().is_err() =>
        {
            return behind.wrong("a number is expected here");
        }
        _ if path.is_some() && comparison == Comparison::Equal && !value.contains("{{") && json(&value).is_none() => {
            return behind.wrong("JSON is expected here: a text stands in quotation marks");
        }
        _ => {}
    }
    expectation.checks.push(Check { line: line.number, path, comparison, value });
    Ok(())
}

/// A path as far as it is one: it may have spaces in its brackets.
fn path(line: &mut Line<'_>) -> Result<JsonPath, ScriptError> {
    line.skip_spaces();
    let rest = line.rest();
    let (mut depth, mut quote) = (0i32, None);
    let end = rest.char_indices().find(|(_, c)| {
        match (quote, c) {
            (Some(open), c) if open == *c => quote = None,
            (None, '"' | '\'') if depth > 0 => quote = Some(*c),
            (None, '[') => depth += 1,
            (None, ']') => depth -= 1,
            _ => {}
        }
        c.is_whitespace() && depth <= 0
    });
    let text = &rest[..end.map_or(rest.len(), |(at, _)| at)];
    match JsonPath::parse(text) {
        Ok(path) => {
            line.at += text.len();
            Ok(path)
        }
        Err(error) => {
            line.at += error.position().min(text.len());
            line.wrong(format!("this is no path (RFC 9535): {}", error.message()))
        }
    }
}

/// The step that makes a connection like one that was recorded.
pub fn connect_step(number: u64, url: &str, handshake: &Handshake) -> String {
    let has_control = |text: &str| text.contains(char::is_control);
    let url = if has_control(url) { "ws://-" } else { url };
    let mut step = format!("connect {} = {url}\n", name(number));
    let request = &handshake.request;
    // Of what somebody else has recorded no line becomes two.
    let offered = request.tokens("Sec-WebSocket-Protocol").filter(|name| !has_control(name));
    step.extend(offered.map(|name| format!("  subprotocol {name}\n")));
    let origin = request.get("Origin").filter(|origin| !has_control(origin));
    step.extend(origin.map(|origin| format!("  origin {origin}\n")));
    if handshake.response.status() != 101 {
        step.push_str(&format!("  status {}\n", handshake.response.status()));
    }
    step
}

/// The step that sends a message of the client, or expects one of the server; none for pongs, and for what cannot be said in
/// a line. Pings of the server are passed over by whoever runs it.
pub fn message_step(number: u64, sender: Sender, message: &Message) -> Option<String> {
    let (text, name) = (text(message), name(number));
    let code = close::parse(&message.data).map_or(String::new(), |(code, _)| format!(" {code}"));
    if !message.is_whole() {
        return Some(format!(
            "# {name}: a {} of {} bytes was not recorded whole\n",
            message.opcode.name(),
            message.length
        ));
    }
    let is_line = !text.contains(['\n', '\r']) && text.trim() == text && !text.contains("{{");
    if !is_line && !matches!(message.opcode, Opcode::PONG) {
        let what = if sender == Sender::Client { "-->" } else { "<--" };
        return Some(format!("# {name} {what} {}, which no line can say: {text:?}\n", message.opcode.name()));
    }
    Some(match (sender, message.opcode) {
        (Sender::Client, Opcode::TEXT | Opcode::BINARY | Opcode::PING) => {
            format!("{name} --> {} {text}\n", message.opcode.name())
        }
        (Sender::Client, Opcode::CLOSE) => format!("{}\n", format!("{name} --> close{code} {text}").trim_end()),
        (Sender::Server, Opcode::TEXT | Opcode::BINARY) => {
            format!("{name} <-- {}\n  == {text}\n", message.opcode.name())
        }
        (Sender::Server, Opcode::CLOSE) => format!("{name} <-- close{code}\n"),
        _ => return None,
    })
}

fn name(number: u64) -> String {
    format!("c{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_is_wrong_is_told_with_its_place_and_a_caret() {
        for (script, told) in [
            (
                "hello",
                "1:1: a step begins with connect, -->, <--, wait or let, or with a connection's name and an arrow\n  hello\n  ^",
            ),
            ("\n--> test x", "2:5: text, binary, ping, pong, close or raw is expected here\n  --> test x\n      ^"),
            ("--> binary 0g", "1:12: "),
            ("--> close soon", "1:11: a close code is a number from 0 to 65535"),
            ("<-- text within", "1:16: a time is expected here, such as 500ms or 2s"),
            ("<-- text hello", "1:10: within TIME is expected here"),
            ("<-- nothing\n  == a", "2:3: of nothing nothing can be expected"),
            ("<-- text\n  $.a = 1", "2:7: ==, !=, <, <=, >, >=, contains, matches or exists is expected here"),
            ("<-- text\n  $.a == joined", "2:10: JSON is expected here: a text stands in quotation marks"),
            ("<-- text\n\t$[ == 1", "2:"),
            ("<-- text\n  matches (", "2:11: this is no regular expression"),
            ("<-- text\n  $.a < b", "2:9: a number is expected here"),
            ("  header a: b", "1:3: this belongs to a line above it, and there is none"),
            ("connect ws://x\n  header a", "2:10: a header is \"Name: value\""),
            ("connect ws://x y", "1:16: nothing is expected here"),
            ("connect", "1:8: a URL is expected here"),
            ("let a b", "1:7: = is expected here"),
            ("wait soon", "1:6: a time is expected here"),
        ] {
            let error = Script::parse(script).unwrap_err().to_string();
            assert!(error.starts_with(told), "{script:?}: {error}");
        }
    }
}
