//! A member from the command line: what `inkwire draw` and `inkwire watch` are on somebody else's server.
//!
//! It follows the board as every page does, keeps what it draws until the log has it and the disk as well, and sends it again
//! under the same numbers where the connection was lost. One thread, one socket, and reads that wait a little.

mod draw;
mod lines;
mod route;
mod svg;
mod watch;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use async_tungstenite::tungstenite::client::{IntoClientRequest, client_with_config};
use async_tungstenite::tungstenite::{self, Message, WebSocket, protocol::WebSocketConfig};
use clap::Args;
use inkwire_board::{ClientSession, Refused};
use inkwire_protocol::{
    Change, ClientId, ClientMessage, Colour, Operation, Reason, Role, SUBPROTOCOL_BINARY, ServerMessage, StorageState,
    binary, limits,
};

use crate::random;
pub use draw::{Draw, run as draw};
use route::{Route, Stream};
pub use watch::{Watch, run as watch};

/// Pause before a server that does not answer is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Silence of a server after which it is sent a ping, and the maximum time for its answer.
const PING_AFTER: Duration = Duration::from_secs(10);
const PONG_PATIENCE: Duration = Duration::from_secs(5);
/// The nonce of a ping that asks whether the server is there.
const IS_THERE: u64 = 0;
/// Largest message of a server that is taken, in bytes: a snapshot comes in parts far below it.
const MESSAGE: usize = 256 << 20;

/// Who joins, and where.
#[derive(Debug, Clone, Args)]
pub struct Who {
    /// The board's page, as in the browser's address bar: http://HOST/b/NAME, with #t=… where a link has one.
    #[arg(value_name = "URL")]
    pub url: Route,
    /// The name that the others see.
    #[arg(long, env = "INKWIRE_NAME", default_value = "Script", value_name = "NAME")]
    pub name: String,
    /// The colour that the others see, as #rrggbb.
    #[arg(long, default_value = "#495057", value_name = "COLOUR", value_parser = colour)]
    pub colour: Colour,
    /// The board's password.
    #[arg(long, env = "INKWIRE_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// Seconds to try again where the server cannot be reached, at the beginning or later.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub patience: u64,
}

/// A colour as in the browser: `#rrggbb`, or `#rrggbbaa` with its opacity.
fn colour(text: &str) -> Result<Colour, String> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 || digits.len() == 8);
    let value = digits.filter(|digits| !digits.starts_with('+')).map(|digits| format!("{digits:f<8}"));
    let value = value.and_then(|digits| u32::from_str_radix(&digits, 16).ok());
    value.map(Colour).ok_or_else(|| "a colour is written #rrggbb".into())
}

/// A member.
pub(crate) struct Guest {
    who: Who,
    socket: Option<WebSocket<Stream>>,
    session: ClientSession,
    rests_until: Instant,
    /// The moment at which something last came from the server, and whether it was asked for a sign since.
    heard: Instant,
    is_pinged: bool,
    pen: Pen,
    people: BTreeMap<u32, String>,
}

impl Guest {
    /// Joins the board, and waits until it is welcome.
    ///
    /// # Errors
    /// If the server cannot be reached in time, or does not let it in.
    fn join(who: Who) -> anyhow::Result<Self> {
        let mut guest = Self::new(who);
        while !guest.knows_where_it_is() {
            guest.turn(Duration::from_millis(50))?;
        }
        Ok(guest)
    }

    fn new(who: Who) -> Self {
        Self {
            who,
            socket: None,
            session: ClientSession::new(ClientId(random::bytes()), Refused::Waits),
            rests_until: Instant::now(),
            heard: Instant::now(),
            is_pinged: false,
            pen: Pen::default(),
            people: BTreeMap::new(),
        }
    }

    fn knows_where_it_is(&self) -> bool {
        let session = &self.session;
        session.has_joined() && session.storage().is_some() && self.people.contains_key(&session.author())
    }

    /// Reads what has come, for at most so long, and sends what is to be sent. If there is no connection, makes one.
    ///
    /// # Errors
    /// If the server cannot be reached in time, or lets this member in no more.
    fn turn(&mut self, wait: Duration) -> anyhow::Result<Vec<ServerMessage>> {
        if self.socket.is_none() {
            self.connect()?;
        }
        self.send();
        let messages = self.read(wait)?;
        self.look_after();
        messages.iter().try_for_each(|message| self.take(message))?;
        let follows = self.session.receive(&messages);
        follows.with_context(|| format!("{}: the server's log does not follow", self.who.url))?;
        if self.session.storage() == Some(StorageState::Memory) {
            self.session.forget_received();
        }
        Ok(messages)
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(self.who.patience);
        loop {
            match self.try_connect() {
                Ok(socket) => {
                    self.socket = Some(socket);
                    self.greet();
                    return Ok(());
                }
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => std::thread::sleep(RETRY),
            }
        }
    }

    fn try_connect(&self) -> anyhow::Result<WebSocket<Stream>> {
        let route = &self.who.url;
        let stream = route.open()?;
        let mut request = route.socket_url().into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL_BINARY.parse()?);
        let config = WebSocketConfig::default().max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE));
        match client_with_config(request, stream, Some(config)) {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::HandshakeError::Failure(error)) => bail!("{route}: {error}"),
            Err(tungstenite::HandshakeError::Interrupted(_)) => bail!("{route}: the server does not answer"),
        }
    }

    /// A connection may be dead without anybody saying so. A server that reads nothing for a while has said for how long.
    fn look_after(&mut self) {
        let quiet = Instant::now().saturating_duration_since(self.heard.max(self.rests_until));
        if quiet >= PING_AFTER + PONG_PATIENCE {
            self.lose();
        } else if quiet >= PING_AFTER && !std::mem::replace(&mut self.is_pinged, true) {
            self.say(&[ClientMessage::Ping { nonce: IS_THERE }]);
        }
    }

    fn is_heard(&mut self) {
        (self.heard, self.is_pinged) = (Instant::now(), false);
    }

    fn lose(&mut self) {
        self.socket = None;
        self.session.left();
    }

    fn greet(&mut self) {
        self.is_heard();
        let (token, password) = (self.who.url.token(), self.who.password.clone().unwrap_or_default());
        let credentials = ClientMessage::Credentials { token, visitor: None, password };
        let hello = self.session.hello(&self.who.name, self.who.colour);
        self.say(&[credentials, hello]);
    }

    fn say(&mut self, messages: &[ClientMessage]) {
        let packet = Message::binary(binary::encode_client(messages));
        let socket = self.socket.as_mut();
        // A lost connection is noticed when it is read.
        let _ = socket.map(|socket| socket.send(packet));
    }

    /// Does something. It is kept until the log has it.
    fn submit(&mut self, operation: Operation) -> u64 {
        self.pen.follow(&operation);
        self.session.submit(operation)
    }

    /// Sends what was not sent on this connection.
    fn send(&mut self) {
        if Instant::now() < self.rests_until {
            return;
        }
        for message in self.session.take_messages() {
            let is_drawing = matches!(message, ClientMessage::Operations { .. });
            self.say(&[message]);
            if is_drawing && let Some(cursor) = self.pen.shown(Instant::now()) {
                self.say(&[ClientMessage::Presence { cursor: Some(cursor) }]);
            }
        }
    }

    fn read(&mut self, wait: Duration) -> anyhow::Result<Vec<ServerMessage>> {
        let Some(socket) = &mut self.socket else { return Ok(Vec::new()) };
        socket.get_ref().wait_at_most(wait)?;
        let read = socket.read();
        if read.is_ok() {
            self.is_heard();
        }
        match read {
            Ok(Message::Binary(bytes)) => {
                let messages = binary::decode_server(&bytes);
                messages.with_context(|| format!("{}: this is not the drawing protocol", self.who.url))
            }
            Ok(_) => Ok(Vec::new()),
            // A read with a time limit is also interrupted if the process was stopped for a while (signal(7)).
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                Ok(Vec::new())
            }
            Err(_) => {
                self.lose();
                Ok(Vec::new())
            }
        }
    }

    fn take(&mut self, message: &ServerMessage) -> anyhow::Result<()> {
        match message {
            ServerMessage::SlowDown { ms } => {
                self.rests_until = Instant::now() + Duration::from_millis((*ms).min(5_000));
            }
            ServerMessage::Presence { all, changes } => self.hear(*all, changes),
            ServerMessage::Bye { reason: Reason::Restart | Reason::TimedOut, .. } => {}
            ServerMessage::Bye { text, .. } => bail!("{}: {text}", self.who.url),
            _ => {}
        }
        Ok(())
    }

    fn hear(&mut self, all: bool, changes: &[Change]) {
        if all {
            self.people.clear();
        }
        for change in changes {
            if let Change::Here { author, name, .. } = change {
                self.people.insert(*author, name.clone());
            }
        }
    }

    /// Returns why nothing that it draws is taken now, if that is so.
    fn refusal(&self) -> Option<&'static str> {
        let access = self.session.access().filter(|access| !access.draws)?;
        Some(match access.role {
            _ if access.muted => "a host has muted this member",
            Role::Viewer => "a member that comes by this link only looks",
            _ => "only hosts draw on this board now",
        })
    }

    /// Whether everything that was drawn is in the log, and on the disk if there is one.
    fn is_done(&self) -> bool {
        self.session.pending().is_empty() && self.session.received().is_empty()
    }

    /// Returns the name of an author.
    fn name(&self, author: u32) -> &str {
        self.people.get(&author).map_or("somebody", String::as_str)
    }
}

/// The position of a pen, for the others to see.
#[derive(Debug, Default)]
struct Pen {
    at: [i64; 2],
    scale: i8,
    shown_at: Option<Instant>,
}

impl Pen {
    /// The pen of everybody is seen so often.
    const EVERY: Duration = Duration::from_millis(50);

    fn follow(&mut self, operation: &Operation) {
        match operation {
            Operation::Begin(begin) => {
                (self.at, self.scale) = ([i64::from(begin.x), i64::from(begin.y)], begin.scale);
            }
            Operation::Points(points) => {
                for [dx, dy] in &points.steps {
                    self.at = [self.at[0] + i64::from(*dx), self.at[1] + i64::from(*dy)];
                }
            }
            _ => {}
        }
    }

    /// Returns its position in 1/64 board units, if it is time to show it.
    fn shown(&mut self, now: Instant) -> Option<[i32; 2]> {
        if self.shown_at.is_some_and(|at| now < at + Self::EVERY) {
            return None;
        }
        self.shown_at = Some(now);
        let unit = |value: i64| (value as f64 * 64.0 / f64::from(self.scale).exp2()).round();
        let within = |value: f64| (value.abs() <= f64::from(limits::COORDINATE)).then_some(value as i32);
        Some([within(unit(self.at[0]))?, within(unit(self.at[1]))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_written_as_in_the_browser() {
        assert_eq!(colour("#1971c2"), Ok(Colour(0x1971_c2ff)));
        assert_eq!(colour("#1971c280"), Ok(Colour(0x1971_c280)));
        for wrong in ["1971c2", "#1971c", "#+971c2", "red", ""] {
            assert!(colour(wrong).is_err(), "{wrong}");
        }
    }
}
