//! The servers that are measured beside each other, and how each is started.

use std::path::Path;
use std::process::Command;

use super::speech::{Boards, Speech};
use crate::server::{binary, serve};
use crate::tools::root;

/// Flags that lift every limit which a load generator on one address meets and people do not.
pub const UNLIMITED: &[&str] = &[
    "--max-connections=20000",
    "--max-per-address=20000",
    "--max-members=20000",
    "--points-rate=4000000000",
    "--bytes-rate=4000000000",
    "--board-points-rate=4000000000",
    "--board-bytes-rate=4000000000",
    "--log=warn",
];

/// A server beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Ours.
    Inkwire,
    /// A bare epoll loop with one write for each delivery.
    Limit,
    /// The same, merging what is pending in a room for this many milliseconds.
    Merging(u32),
    /// Bun's own server.
    Bun,
    /// fastwebsockets on hyper and tokio.
    Fastwebsockets,
    /// tokio-tungstenite.
    TokioTungstenite,
    /// ws on Node.
    NodeWs,
}

impl Peer {
    /// All, ours first and then the limits.
    pub const ALL: [Self; 7] = [
        Self::Inkwire,
        Self::Limit,
        Self::Merging(16),
        Self::Bun,
        Self::Fastwebsockets,
        Self::TokioTungstenite,
        Self::NodeWs,
    ];

    /// What it is called in tables.
    pub fn name(self) -> String {
        match self {
            Self::Inkwire => "Inkwire".into(),
            Self::Limit => "limit".into(),
            Self::Merging(ms) => format!("limit, merging {ms} ms"),
            Self::Bun => "Bun".into(),
            Self::Fastwebsockets => "fastwebsockets".into(),
            Self::TokioTungstenite => "tokio-tungstenite".into(),
            Self::NodeWs => "Node ws".into(),
        }
    }

    /// Whether it is a product that someone could use, and not ours.
    pub fn is_product(self) -> bool {
        !matches!(self, Self::Inkwire | Self::Limit | Self::Merging(_))
    }

    /// Whether it writes once for each delivery.
    pub fn writes_per_delivery(self) -> bool {
        !matches!(self, Self::Inkwire | Self::Merging(_))
    }

    /// The command that starts it as a relay, or as the server that it is.
    pub fn command(self) -> Command {
        let rust = |name: &str| Command::new(root().join("tests/peers/target/release").join(name));
        let mut command = match self {
            Self::Inkwire => serve(UNLIMITED),
            Self::Limit => rust("limit"),
            Self::Merging(ms) => {
                let mut command = rust("limit");
                command.arg(ms.to_string());
                command
            }
            Self::Fastwebsockets => rust("relay-fastwebsockets"),
            Self::TokioTungstenite => rust("relay-tokio-tungstenite"),
            Self::Bun => script(&root().join("tests/peers/node_modules/@oven/bun-linux-x64/bin/bun"), "relay-bun.mjs"),
            Self::NodeWs => script(Path::new("node"), "relay-ws.mjs"),
        };
        command.current_dir(root());
        command
    }

    /// Whether it is built or installed.
    pub fn is_there(self) -> bool {
        match self {
            Self::Inkwire => binary().exists(),
            Self::NodeWs => root().join("tests/peers/node_modules/ws").exists(),
            _ => Path::new(self.command().get_program()).exists(),
        }
    }

    pub(super) fn speech(self) -> Speech {
        if self == Self::Inkwire { Speech::Inkwire(Boards::default()) } else { Speech::Relay }
    }
}

fn script(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(root().join("tests/peers").join(name));
    command
}
