//! Expectations of a script about a message, and whether they hold.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::frame::message::Message;
use crate::frame::{Opcode, close};
use crate::hex;

/// Names and what they stand for.
pub type Variables = BTreeMap<String, String>;

/// Whether a text is a name, of a connection or of a variable.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

/// The kind of a message that is sent or expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A binary message, in hex.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close frame, or the end without one.
    Close,
    /// Bytes as they are, in hex; only sent.
    Raw,
    /// That nothing comes; only expected.
    Nothing,
}

impl Kind {
    /// The kind with a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "binary" => Self::Binary,
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "close" => Self::Close,
            "raw" => Self::Raw,
            "nothing" => Self::Nothing,
            _ => return None,
        })
    }

    /// Whether a message is of this kind.
    pub fn is(self, opcode: Opcode) -> bool {
        match self {
            Self::Text => opcode == Opcode::TEXT,
            Self::Binary => opcode == Opcode::BINARY,
            Self::Ping => opcode == Opcode::PING,
            Self::Pong => opcode == Opcode::PONG,
            Self::Close => opcode == Opcode::CLOSE,
            Self::Raw | Self::Nothing => false,
        }
    }
}

/// An expectation about a message.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// Of which kind.
    pub kind: Kind,
    /// The code of a close.
    pub code: Option<u16>,
    /// Maximum wait for it.
    pub within: Option<Duration>,
    /// Others may come before it.
    pub skips: bool,
    /// Comparisons that must hold.
    pub checks: Vec<Check>,
    /// Names for parts of it; `None` for all of it.
    pub captures: Vec<(String, Option<JsonPath>)>,
}

/// Something that holds for a message.
#[derive(Debug, Clone)]
pub struct Check {
    /// The line that it stands in.
    pub line: usize,
    /// A part of it; without one all of it.
    pub path: Option<JsonPath>,
    /// The comparison.
    pub comparison: Comparison,
    /// With what; variables in it stand for what they mean then.
    pub value: String,
}

/// A comparison of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`; as JSON where both are JSON.
    Equal,
    /// `!=`
    NotEqual,
    /// `<`, of numbers.
    Less,
    /// `<=`, of numbers.
    AtMost,
    /// `>`, of numbers.
    More,
    /// `>=`, of numbers.
    AtLeast,
    /// The text has it in it, the list has it, or the object has such a key.
    Contains,
    /// A regular expression is found in it.
    Matches,
    /// There is something at the path.
    Exists,
}

/// Why a message is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The line that expected it.
    pub line: usize,
    /// The expectation, in words.
    pub expected: String,
    /// The message that came, in words.
    pub got: String,
}

/// A text as JSON, where it is some.
pub(crate) fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// A text with its variables replaced, or the name of one that is not known.
///
/// # Errors
/// The name that nothing stands for.
pub fn filled(text: &str, variables: &Variables) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("{{") {
        out.push_str(before);
        match behind.split_once("}}") {
            Some((name, behind)) if is_name(name.trim()) => {
                let value = variables.get(name.trim()).ok_or_else(|| name.trim().to_owned())?;
                out.push_str(value);
                rest = behind;
            }
            // Braces of something else.
            _ => {
                out.push_str("{{");
                rest = behind;
            }
        }
    }
    Ok(out + rest)
}

/// The text of a message: of a binary one in hex, of a close frame its reason.
pub fn text(message: &Message) -> String {
    match message.opcode {
        Opcode::BINARY => hex::write(&message.data),
        Opcode::CLOSE => {
            let (_, reason) = close::parse(&message.data).unwrap_or((1005, &[]));
            String::from_utf8_lossy(reason).into_owned()
        }
        _ => String::from_utf8_lossy(&message.data).into_owned(),
    }
}

/// Returns the kind of a message, and its text.
pub fn named(message: &Message) -> String {
    let code = match message.opcode {
        Opcode::CLOSE => close::parse(&message.data).map_or(String::new(), |(code, _)| format!(" {code}")),
        _ => String::new(),
    };
    format!("{}{code} {}", message.opcode.name(), text(message)).trim_end().to_owned()
}

impl Expectation {
    /// Whether a message is what is expected; what was captured is added to the variables then.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn judge(&self, line: usize, message: &Message, variables: &mut Variables) -> Result<(), Mismatch> {
        let mismatch = |line, expected: String, got: String| Err(Mismatch { line, expected, got });
        if !self.kind.is(message.opcode) {
            let expected = format!("{:?}", self.kind).to_lowercase();
            return mismatch(line, expected, named(message));
        }
        let code = close::parse(&message.data).map_or(1005, |(code, _)| code);
        if let Some(expected) = self.code.filter(|expected| *expected != code) {
            return mismatch(line, format!("close {expected}"), named(message));
        }
        let text = text(message);
        let value = json(&text);
        for check in &self.checks {
            check.judge(&text, value.as_ref(), variables)?;
        }
        for (name, path) in &self.captures {
            let captured = match path {
                None => Some(text.clone()),
                Some(path) => value.as_ref().and_then(|value| path.query(value).first()).map(plain),
            };
            match captured {
                Some(captured) => _ = variables.insert(name.clone(), captured),
                None => return mismatch(line, format!("something to capture as {name}"), text),
            }
        }
        Ok(())
    }
}

/// A value as a variable has it: of a text the text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Check {
    fn judge(&self, text: &str, value: Option<&Value>, variables: &Variables) -> Result<(), Mismatch> {
        let path = self.path.as_ref().map(|path| format!("{path} ")).unwrap_or_default();
        let expected = match filled(&self.value, variables) {
            Ok(expected) => expected,
            Err(name) => {
                let expected = format!("a value for {{{{{name}}}}}");
                return Err(Mismatch { line: self.line, expected, got: "nothing stands for it".into() });
            }
        };
        let found = self.path.as_ref().map(|path| value.and_then(|value| path.query(value).first()));
        let holds = match found {
            // All of the message.
            None => self.comparison.holds(&Value::String(text.to_owned()), value, &expected),
            Some(None) => self.comparison == Comparison::NotEqual,
            Some(Some(found)) => self.comparison.holds(found, Some(found), &expected),
        };
        if holds {
            return Ok(());
        }
        let got = match found {
            None => text.to_owned(),
            Some(None) if value.is_none() => format!("no JSON: {text}"),
            Some(None) => format!("nothing there in {text}"),
            Some(Some(found)) => found.to_string(),
        };
        let expected = format!("{path}{} {expected}", self.comparison.sign());
        Err(Mismatch { line: self.line, expected: expected.trim_end().to_owned(), got })
    }
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Contains => "contains",
            Self::Matches => "matches",
            Self::Exists => "exists",
        }
    }

    /// `found` as a value; `as_json` is what it is where it is JSON.
    fn holds(self, found: &Value, as_json: Option<&Value>, expected: &str) -> bool {
        let text = plain(found);
        let number = || Some((found.as_f64().or_else(|| text.parse().ok())?, expected.parse::<f64>().ok()?));
        let is_equal = || match (as_json, json(expected)) {
            (Some(found), Some(expected)) => *found == expected,
            _ => text == expected,
        };
        match self {
            Self::Equal => is_equal(),
            Self::NotEqual => !is_equal(),
            Self::Less => number().is_some_and(|(found, expected)| found < expected),
            Self::AtMost => number().is_some_and(|(found, expected)| found <= expected),
            Self::More => number().is_some_and(|(found, expected)| found > expected),
            Self::AtLeast => number().is_some_and(|(found, expected)| found >= expected),
            Self::Contains => {
                let bare = json(expected).and_then(|value| value.as_str().map(str::to_owned));
                let word = bare.as_deref().unwrap_or(expected);
                match found {
                    Value::Array(list) => list.iter().any(|item| Some(item) == json(expected).as_ref()),
                    Value::Object(object) => object.contains_key(word),
                    _ => text.contains(word),
                }
            }
            Self::Matches => Regex::new(expected).is_ok_and(|regex| regex.is_match(&text)),
            Self::Exists => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Action, Script};

    fn message(opcode: Opcode, data: &[u8]) -> Message {
        Message { number: 1, opcode, data: data.to_vec(), length: data.len() as u64, wire: 0, frames: 1 }
    }

    /// The expectation that stands in the only step.
    fn judged(script: &str, opcode: Opcode, data: &str) -> Result<Variables, (usize, String, String)> {
        let script = Script::parse(script).unwrap();
        let Action::Expect(expectation) = &script.steps[0].action else { panic!("{script:?}") };
        let mut variables = Variables::from([("known".to_owned(), "7".to_owned())]);
        let result = expectation.judge(1, &message(opcode, data.as_bytes()), &mut variables);
        result.map(|()| variables).map_err(|mismatch| (mismatch.line, mismatch.expected, mismatch.got))
    }

    #[test]
    fn what_holds_for_a_message_is_said_by_paths_and_words() {
        let data = r#"{"op":"joined","id":7,"names":["ada","bob"],"deep":{"a b":1.5}}"#;
        for check in [
            r#"$.op == "joined""#,
            "$.id == {{known}}",
            "$.id != 8",
            "$.id < 7.5",
            "$.id <= 7",
            "$.id > 6",
            "$.id >= 7",
            r#"$.names contains "bob""#,
            "$.deep contains a b",
            r#"$.deep["a b"] == 1.5"#,
            "$.op matches ^j.*d$",
            "$.names[1] exists",
            "$.nothing != 1",
            "contains joined",
            r#"== {"id":7, "op":"joined", "deep":{"a b":1.5}, "names":["ada","bob"]}"#,
            "matches \"op\"",
            "capture id = $.id",
        ] {
            let script = format!("<-- text\n  {check}\n");
            assert!(judged(&script, Opcode::TEXT, data).is_ok(), "{check}");
        }
        let captured = judged("<-- text\n  capture who = $.names[0]\n  capture all = .\n", Opcode::TEXT, data).unwrap();
        assert_eq!((captured["who"].as_str(), captured["all"].as_str()), ("ada", data));
    }

    #[test]
    fn what_does_not_hold_is_told_with_what_came() {
        let told = |script: &str, opcode, data: &str| judged(script, opcode, data).unwrap_err();
        let of = |line, expected: &str, got: &str| (line, expected.to_owned(), got.to_owned());
        assert_eq!(told("<-- text\n\n  $.a == 2\n", Opcode::TEXT, r#"{"a":1}"#), of(3, "$.a == 2", "1"));
        assert_eq!(
            told("<-- text\n  $.b exists\n", Opcode::TEXT, r#"{"a":1}"#),
            of(2, "$.b exists", "nothing there in {\"a\":1}")
        );
        assert_eq!(told("<-- text\n  $.b exists\n", Opcode::TEXT, "hm"), of(2, "$.b exists", "no JSON: hm"));
        assert_eq!(told("<-- text\n  == hello\n", Opcode::TEXT, "hi"), of(2, "== hello", "hi"));
        assert_eq!(told("<-- text", Opcode::BINARY, "\0"), of(1, "text", "binary 00"));
        assert_eq!(told("<-- close 1000", Opcode::CLOSE, "\u{3}\u{7f}"), of(1, "close 1000", "close 895"));
        let unknown = told("<-- text\n  == {{other}}\n", Opcode::TEXT, "hi");
        assert_eq!(unknown, of(2, "a value for {{other}}", "nothing stands for it"));
    }

    #[test]
    fn variables_are_filled_in_and_an_unknown_one_is_told() {
        let variables = Variables::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(filled("x{{a}}y{{ a }}{{", &variables), Ok("x1y1{{".into()));
        assert_eq!(filled(r#"{{"a":{"b":1}}"#, &variables), Ok(r#"{{"a":{"b":1}}"#.into()), "JSON is no name");
        assert_eq!(filled("{{b}}", &variables), Err("b".into()));
    }
}
