//! WebSocket connections, for any service: messages in, frames out, pings, close codes (RFC 6455).
//!
//! Most programs implement a [`Service`]: callbacks for open, message, ready, shutdown and close, a [`Handle`] to write
//! with, channels to publish on. `examples/echo.rs` is the whole of one, `examples/chat.rs` one with channels:
//!
//! ```no_run
#![doc = include_str!("../../examples/echo.rs")]
//! ```
//!
//! ```no_run
#![doc = include_str!("../../examples/chat.rs")]
//! ```
//!
//! Below that lies the [`Session`], a service's side of one connection. Everything that goes out is *pulled* from it when
//! the socket can take more, so a program with a log of its own, such as a room of the drawing server, needs no queue for
//! each connection. tungstenite reads frames and answers pings and closes; it writes into [`Outgoing`] like everybody
//! else.

mod addresses;
mod connection;
mod handle;
mod hub;
mod lengths;
mod outgoing;
mod registry;
mod server;
mod service;
mod wire;

pub use addresses::{Addresses, Full, host_of};
pub use connection::serve;
pub use handle::{Handle, WriteError};
pub use hub::Hub;
pub use inkwire_frame::Opcode;
pub use outgoing::Outgoing;
pub use registry::{Connections, Entry};
pub use server::Server;
pub use service::{Service, ServiceSession};

use std::time::{Duration, Instant};

/// A message of the peer. It is lent: what must stay is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl Message<'_> {
    /// Returns its length in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// Why a connection is closed (RFC 6455 section 7.4): a code, and at most 123 bytes for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The close code.
    pub code: u16,
    /// The reason.
    pub reason: String,
}

impl Close {
    /// The server goes away.
    pub const GOING_AWAY: u16 = 1001;
    /// A frame breaks RFC 6455.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// Text where binary is due, or the other way round.
    pub const UNSUPPORTED_DATA: u16 = 1003;
    /// The connection ended without a close frame; never sent.
    pub const ABNORMAL: u16 = 1006;
    /// A payload that is not what its message says it is.
    pub const INVALID_PAYLOAD: u16 = 1007;
    /// A message above the limit.
    pub const TOO_BIG: u16 = 1009;
    /// A handler failed.
    pub const INTERNAL: u16 = 1011;
    /// The server restarts.
    pub const RESTART: u16 = 1012;

    /// The peer breaks a rule of the service that no other code names.
    pub const POLICY: u16 = 1008;

    /// Whether a code may stand in a close frame (RFC 6455 section 7.4): those that are defined for it, and those that
    /// libraries and programs may use for themselves.
    pub fn may_be_sent(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// A close with a code and a reason.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// A service's side of one connection.
pub trait Session: Send {
    /// The connection is open. Called once, before anything else.
    fn on_open(&mut self) {}

    /// A message has come.
    ///
    /// # Errors
    /// The close with which the connection is to end; what [`Session::pull`] still gives goes out before it.
    fn on_message(&mut self, message: Message<'_>) -> Result<(), Close>;

    /// Everything that had come has been handed over: the moment to act on all of it at once.
    fn on_messages_end(&mut self) {}

    /// Gives the frames that are ready to go out, until `out` is full. Called whenever the socket has taken all that
    /// was given before, and after every wake-up.
    fn pull(&mut self, out: &mut Outgoing);

    /// Whether the session holds so many answers that the peer must read before anything more of it is read.
    fn is_saturated(&self) -> bool {
        false
    }

    /// The connection is about to be closed: what is pulled from now on is the last that goes out, so it must come to an
    /// end.
    fn on_ending(&mut self) {}

    /// When the session wants another turn, whatever comes until then; asked after each turn. An instant that has passed
    /// is a turn at once, so what was waited for is to be done in it.
    fn next_turn(&self) -> Option<Instant> {
        None
    }

    /// The session itself wants the connection closed, after everything that it still gives.
    fn wants_close(&mut self) -> Option<Close> {
        None
    }

    /// The server stops; what is pulled after this still goes out before the close.
    fn on_shutdown(&mut self) {}

    /// The connection is over. Called once, also after a handler has panicked.
    fn on_close(&mut self, close: &Close);
}

/// The limits of a service's connections.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest message of the peer, in bytes, also when it comes in fragments (close code 1009).
    pub max_message: usize,
    /// Bytes that may wait for one connection before [`Handle::write`] says so.
    pub max_outgoing: usize,
    /// Most connections at once; further ones are answered 503.
    pub max_connections: usize,
    /// Most connections from one IP address; further ones are answered 429.
    pub max_per_address: usize,
    /// Maximum time of a client for the request that upgrades.
    pub handshake_timeout: Duration,
    /// Silence after which the peer is pinged.
    pub ping_interval: Duration,
    /// Maximum time of the peer to send anything after that.
    pub pong_timeout: Duration,
    /// Maximum time for which the peer takes no bytes while some are on their way to it.
    pub write_timeout: Duration,
}

impl Settings {
    /// The limits of a service that sets none.
    pub const DEFAULT: Self = Self {
        max_message: 262_144,
        max_outgoing: 1024 * 1024,
        max_connections: 10_000,
        max_per_address: 10_000,
        handshake_timeout: Duration::from_secs(5),
        ping_interval: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(30),
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}
