//! Scripts as text: their lines to steps, or the place of the first error.

use std::time::Duration;

use regex::Regex;
use serde_json_path::JsonPath;

use super::expect::{Check, Comparison, Expectation, Kind, is_name, json};
use super::{Action, Script, ScriptError, Step, say};

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

    /// Returns the next word without taking it.
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
    if expectation.kind == Kind::Nothing {
        return line.wrong("of nothing nothing can be expected");
    }
    match line.peek() {
        "skip" => {
            line.word();
            expectation.skips = true;
            line.end()
        }
        "capture" => {
            line.word();
            expectation.captures.push(capture(line)?);
            Ok(())
        }
        _ => {
            expectation.checks.push(check(line)?);
            Ok(())
        }
    }
}

/// `NAME = PATH`, or `NAME = .` for the whole message.
fn capture(line: &mut Line<'_>) -> Result<(String, Option<JsonPath>), ScriptError> {
    let name = line.name()?;
    line.equals()?;
    let path = if line.peek() == "." {
        line.word();
        None
    } else {
        Some(path(line)?)
    };
    line.end()?;
    Ok((name, path))
}

/// A comparison with a value, of the message or of a path in it.
fn check(line: &mut Line<'_>) -> Result<Check, ScriptError> {
    let path = if line.peek().starts_with('$') { Some(path(line)?) } else { None };
    let comparison = comparison(line, path.is_some())?;
    let mut place = *line;
    place.skip_spaces();
    let value = line.all().to_owned();
    // A value with variables is judged once they are known.
    let is_known = !value.contains("{{");
    match comparison {
        Comparison::Exists if !value.is_empty() => return place.wrong("nothing is expected here"),
        Comparison::Matches if is_known && Regex::new(&value).is_err() => {
            return place.wrong("this is no regular expression");
        }
        Comparison::Less | Comparison::AtMost | Comparison::More | Comparison::AtLeast
            if is_known && value.parse::<f64>().is_err() =>
        {
            return place.wrong("a number is expected here");
        }
        Comparison::Equal if path.is_some() && is_known && json(&value).is_none() => {
            return place.wrong("JSON is expected here: a text stands in quotation marks");
        }
        _ => {}
    }
    Ok(Check { line: line.number, path, comparison, value })
}

fn comparison(line: &mut Line<'_>, has_path: bool) -> Result<Comparison, ScriptError> {
    line.skip_spaces();
    let here = *line;
    Ok(match line.word() {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ">" => Comparison::More,
        ">=" => Comparison::AtLeast,
        "contains" => Comparison::Contains,
        "matches" => Comparison::Matches,
        "exists" if has_path => Comparison::Exists,
        _ if has_path => return here.wrong("==, !=, <, <=, >, >=, contains, matches or exists is expected here"),
        _ => return here.wrong("skip, capture, $ with a path, or ==, contains, matches and the like is expected here"),
    })
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
