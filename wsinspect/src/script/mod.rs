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

pub mod expect;
mod parse;
pub mod replay;
pub mod say;
pub mod write;

use std::fmt;
use std::time::Duration;

use self::expect::{Expectation, Kind};
use self::say::{Say, close_payload};
use crate::frame::Opcode;
use crate::hex;

/// Wait of an expectation without one of its own.
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
    /// The action.
    pub action: Action,
}

/// The action of a step.
#[derive(Debug, Clone)]
pub enum Action {
    /// Connects to a URL.
    Connect {
        /// The URL.
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
    /// The error, in words.
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

/// Returns the message of a step, once its variables are known.
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
