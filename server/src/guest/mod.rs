//! A member from the command line: what `inkwire draw` and `inkwire watch` are on somebody else's server.
//!
//! It follows the board as every page does, keeps what it draws until the log has it and the disk as well, and sends it again
//! under the same numbers where the connection was lost. One thread, one socket, and reads that wait a little.

mod draw;
mod lines;
mod route;
mod svg;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use async_tungstenite::tungstenite::client::{IntoClientRequest, client_with_config};
use async_tungstenite::tungstenite::{self, Message, WebSocket, protocol::WebSocketConfig};
use clap::Args;
use inkwire_board::Replica;
use inkwire_protocol::{
    Change, ClientId, ClientMessage, Colour, Operation, Reason, RejectReason, Role, SUBPROTOCOL_BINARY, ServerMessage,
    StorageState, binary, limits,
};

use crate::random;
pub use draw::{Draw, run as draw};
use route::{Route, Stream};
pub use watch::{Watch, run as watch};

/// How long a server that does not answer is waited for before it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long a server says nothing before it is asked whether it is there, and how long its answer is waited for.
const PING_AFTER: Duration = Duration::from_secs(10);
const PONG_PATIENCE: Duration = Duration::from_secs(5);
/// What a pong answers: whether the server is there, and whether all that it refused before it took things again is known.
const IS_THERE: u64 = 0;
const IS_BEHIND_REFUSALS: u64 = 1;
/// Bytes of operations in one packet, at most about.
const PACKET: usize = limits::CLIENT_PACKET / 2;
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
    id: ClientId,
    socket: Option<WebSocket<Stream>>,
    replica: Replica,
    author: u32,
    cseq: u64,
    /// Operations that the log does not have.
    pending: VecDeque<(u64, Operation)>,
    /// Operations that are in the log and not durable, with a sequence number at or below which they are there.
    received: VecDeque<(u64, Operation, u64)>,
    /// What it has of the log is of another past than the server's: a snapshot will come.
    is_stale: bool,
    sent: u64,
    mark: u64,
    storage: Option<StorageState>,
    is_welcome: bool,
    /// Why nothing that it draws is taken now.
    refusal: Option<&'static str>,
    /// Pending operations that were not taken because of that, and why: they are sent again when they may be taken.
    held: BTreeMap<u64, RejectReason>,
    rests_until: Instant,
    /// When something last came from the server, and whether it was asked for a sign since.
    heard: Instant,
    is_pinged: bool,
    pen: Pen,
    people: BTreeMap<u32, String>,
    rejects: Vec<(u64, RejectReason)>,
}

impl Guest {
    /// Joins the board, and waits until it is welcome.
    ///
    /// # Errors
    /// If the server cannot be reached in time, or does not let it in.
    fn join(who: Who) -> anyhow::Result<Self> {
        let mut guest = Self::new(who);
        while !guest.is_welcome || guest.storage.is_none() || !guest.people.contains_key(&guest.author) {
            guest.turn(Duration::from_millis(50))?;
        }
        Ok(guest)
    }

    fn new(who: Who) -> Self {
        Self {
            who,
            id: ClientId(random::bytes()),
            socket: None,
            replica: Replica::default(),
            author: 0,
            cseq: 0,
            pending: VecDeque::new(),
            received: VecDeque::new(),
            is_stale: false,
            sent: 0,
            mark: 0,
            storage: None,
            is_welcome: false,
            refusal: None,
            held: BTreeMap::new(),
            rests_until: Instant::now(),
            heard: Instant::now(),
            is_pinged: false,
            pen: Pen::default(),
            people: BTreeMap::new(),
            rejects: Vec::new(),
        }
    }

    /// Reads what has come, for at most so long, and sends what is to be sent. Where there is no connection, makes one.
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
        for message in &messages {
            self.take(message)?;
            let follows = self.replica.receive(message.clone());
            follows.with_context(|| format!("{}: the server's log does not follow", self.who.url))?;
        }
        self.settle();
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
            self.socket = None;
        } else if quiet >= PING_AFTER && !std::mem::replace(&mut self.is_pinged, true) {
            self.say(&[ClientMessage::Ping { nonce: IS_THERE }]);
        }
    }

    fn is_heard(&mut self) {
        (self.heard, self.is_pinged) = (Instant::now(), false);
    }

    fn greet(&mut self) {
        (self.is_welcome, self.sent) = (false, 0);
        self.held.clear();
        self.is_heard();
        let (token, password) = (self.who.url.token(), self.who.password.clone().unwrap_or_default());
        let credentials = ClientMessage::Credentials { token, visitor: None, password };
        let board = self.replica.board();
        let (epoch, seq, hash) = (self.replica.epoch(), board.seq(), board.hash().to_bytes());
        let (client_id, name, colour) = (self.id, self.who.name.clone(), self.who.colour);
        let hello = ClientMessage::Hello { client_id, epoch, seq, hash, name, colour };
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
        self.cseq += 1;
        self.pending.push_back((self.cseq, operation));
        self.cseq
    }

    /// Sends what was not sent on this connection.
    fn send(&mut self) {
        let is_held = self.refusal.is_some() || !self.held.is_empty();
        if !self.is_welcome || is_held || Instant::now() < self.rests_until {
            return;
        }
        let unsent: Vec<_> = self.pending.iter().filter(|(cseq, _)| *cseq > self.sent).cloned().collect();
        for run in runs(unsent) {
            let (first_cseq, last) = (run[0].0, run[run.len() - 1].0);
            let operations = run.into_iter().map(|(_, operation)| operation).collect();
            self.say(&[ClientMessage::Operations { first_cseq, operations }]);
            self.sent = last;
            if let Some(cursor) = self.pen.shown(Instant::now()) {
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
            // Also where the process was stopped for a while (signal(7), on reads with a time limit).
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                Ok(Vec::new())
            }
            Err(_) => {
                self.socket = None;
                Ok(Vec::new())
            }
        }
    }

    fn take(&mut self, message: &ServerMessage) -> anyhow::Result<()> {
        match message {
            ServerMessage::Welcome { author, seq, cseq, mark, .. } => {
                (self.author, self.mark, self.sent, self.is_welcome) = (*author, *mark, *cseq, true);
                self.welcomed(*seq, *cseq);
            }
            ServerMessage::SnapshotEnd { .. } => self.is_stale = false,
            ServerMessage::Access { role, draws, muted, .. } => {
                self.refusal = (!draws).then_some(match role {
                    _ if *muted => "a host has muted this member",
                    Role::Viewer => "whoever comes by this link only looks",
                    _ => "only hosts draw on this board now",
                });
                if !self.held.is_empty() {
                    self.asks_for_refusals();
                }
            }
            ServerMessage::Pong { nonce: IS_BEHIND_REFUSALS } => self.take_up(),
            ServerMessage::Storage { state } => self.storage = Some(*state),
            ServerMessage::Mark { seq } => self.mark = *seq,
            ServerMessage::SlowDown { ms } => {
                self.rests_until = Instant::now() + Duration::from_millis((*ms).min(5_000));
            }
            ServerMessage::Reject { cseq, reason } => self.rejected(*cseq, *reason),
            ServerMessage::Presence { all, changes } => self.hear(*all, changes),
            ServerMessage::Bye { reason: Reason::Restart | Reason::TimedOut, .. } => {}
            ServerMessage::Bye { text, .. } => bail!("{}: {text}", self.who.url),
            _ => {}
        }
        Ok(())
    }

    /// What may be taken later is kept, and with it all that is refused behind it: that builds on it.
    fn rejected(&mut self, cseq: u64, reason: RejectReason) {
        let is_for_now = matches!(reason, RejectReason::ReadOnly | RejectReason::BoardLocked | RejectReason::Muted);
        if is_for_now || !self.held.is_empty() {
            if self.held.is_empty() {
                // It may be drawn again already, and that been said before this.
                self.asks_for_refusals();
            }
            self.held.insert(cseq, reason);
        } else {
            self.pending.retain(|(waiting, _)| *waiting != cseq);
            self.rejects.push((cseq, reason));
        }
    }

    /// Has the server say when everything is known that it has refused, where it takes things.
    fn asks_for_refusals(&mut self) {
        if self.refusal.is_none() {
            self.say(&[ClientMessage::Ping { nonce: IS_BEHIND_REFUSALS }]);
        }
    }

    /// Everything from the first operation on that was not taken is sent again, under the numbers it had.
    fn take_up(&mut self) {
        if self.refusal.is_none()
            && let Some((first, _)) = self.held.pop_first()
        {
            self.sent = first - 1;
            self.held.clear();
        }
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

    /// What the server lost that it had before is sent again; what it still has lies at or below its end.
    fn welcomed(&mut self, seq: u64, cseq: u64) {
        let there = self.received.partition_point(|(own, ..)| *own <= cseq);
        for (own, operation, _) in self.received.split_off(there).into_iter().rev() {
            self.pending.push_front((own, operation));
        }
        self.received.iter_mut().for_each(|(.., at)| *at = seq.min(*at));
        self.is_stale = self.replica.board().cseq(self.author) > cseq;
    }

    /// What the log has is pending no longer, and what is durable is let go.
    fn settle(&mut self) {
        if self.is_stale {
            return;
        }
        let (cseq, seq) = (self.replica.board().cseq(self.author), self.replica.board().seq());
        let there = self.pending.partition_point(|(own, _)| *own <= cseq);
        for (own, operation) in self.pending.drain(..there) {
            match self.held.remove(&own) {
                // One behind it was taken, a stroke's end for example: its number has passed.
                Some(reason) => self.rejects.push((own, reason)),
                None => self.received.push_back((own, operation, seq)),
            }
        }
        let keeps = self.storage != Some(StorageState::Memory);
        let durable = self.received.partition_point(|(.., at)| !keeps || *at <= self.mark);
        self.received.drain(..durable);
    }

    /// Whether everything that was drawn is in the log, and on the disk where there is one.
    fn is_done(&self) -> bool {
        self.pending.is_empty() && self.received.is_empty()
    }

    /// What somebody is called.
    fn name(&self, author: u32) -> &str {
        self.people.get(&author).map_or("somebody", String::as_str)
    }
}

/// Where a pen is, for the others to see.
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

    /// Where it is in 1/64 board units, where it is time to show that.
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

/// Numbered operations in runs that fit a message each.
fn runs(operations: Vec<(u64, Operation)>) -> Vec<Vec<(u64, Operation)>> {
    let mut runs: Vec<Vec<(u64, Operation)>> = Vec::new();
    let mut weight = 0;
    for (cseq, operation) in operations {
        weight += weight_of(&operation);
        let follows = |run: &Vec<(u64, Operation)>| {
            run.last().is_some_and(|(last, _)| last + 1 == cseq) && run.len() < limits::OPERATIONS
        };
        match runs.last_mut().filter(|run| weight < PACKET && follows(run)) {
            Some(run) => run.push((cseq, operation)),
            None => {
                weight = weight_of(&operation);
                runs.push(vec![(cseq, operation)]);
            }
        }
    }
    runs
}

/// The bytes that an operation may take at most.
fn weight_of(operation: &Operation) -> usize {
    64 + match operation {
        Operation::Points(points) => points.steps.len() * 20,
        Operation::Delete { elements, .. } => elements.len() * 16,
        Operation::Text(_) | Operation::Note(_) | Operation::Patch(_) => limits::TEXT,
        _ => 0,
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

    /// A guest who is welcome and has sent the three operations of a stroke, without a server.
    fn drawing() -> Guest {
        let url = "http://h/b/x".parse().expect("a board's page");
        let colour = Colour(0x1971_c2ff);
        let mut guest = Guest::new(Who { url, name: "Script".into(), colour, password: None, patience: 0 });
        guest.is_welcome = true;
        (0..3).for_each(|_| _ = guest.submit(Operation::End { slot: 0 }));
        guest.sent = 3;
        guest
    }

    fn hears(guest: &mut Guest, draws: bool) {
        let access = ServerMessage::Access { role: Role::Editor, draws, locked: !draws, muted: false, hosted: true };
        guest.take(&access).expect("it goes on");
    }

    fn refuses(guest: &mut Guest, cseq: u64, reason: RejectReason) {
        guest.take(&ServerMessage::Reject { cseq, reason }).expect("it goes on");
    }

    #[test]
    fn what_is_on_its_way_when_a_board_is_locked_is_sent_again_behind_the_last_refusal() {
        let mut guest = drawing();
        hears(&mut guest, false);
        refuses(&mut guest, 1, RejectReason::BoardLocked);
        refuses(&mut guest, 2, RejectReason::SlotFree);
        hears(&mut guest, true);
        refuses(&mut guest, 3, RejectReason::SlotFree);
        assert_eq!((guest.sent, guest.pending.len()), (3, 3), "another refusal may be on its way");
        guest.take(&ServerMessage::Pong { nonce: IS_BEHIND_REFUSALS }).expect("it goes on");
        assert_eq!((guest.sent, guest.pending.len(), guest.rejects.len()), (0, 3, 0));
        refuses(&mut guest, 1, RejectReason::BoardFull);
        assert_eq!((guest.pending.len(), &guest.rejects[..]), (2, &[(1, RejectReason::BoardFull)][..]));
    }

    #[test]
    fn a_refusal_that_comes_when_it_may_be_drawn_again_holds_nothing_up() {
        let mut guest = drawing();
        hears(&mut guest, true);
        refuses(&mut guest, 1, RejectReason::BoardLocked);
        guest.take(&ServerMessage::Pong { nonce: IS_BEHIND_REFUSALS }).expect("it goes on");
        assert_eq!((guest.sent, guest.held.len()), (0, 0));
    }

    #[test]
    fn a_lock_that_falls_again_before_that_is_waited_for() {
        let mut guest = drawing();
        refuses(&mut guest, 1, RejectReason::Muted);
        hears(&mut guest, true);
        hears(&mut guest, false);
        guest.take(&ServerMessage::Pong { nonce: IS_BEHIND_REFUSALS }).expect("it goes on");
        assert_eq!((guest.sent, guest.held.len()), (3, 1));
    }

    #[test]
    fn what_is_sent_goes_into_messages_that_are_not_too_large_and_have_dense_numbers() {
        let end = || Operation::End { slot: 0 };
        let all = (1..=2_000).filter(|cseq| *cseq != 7).map(|cseq| (cseq, end())).collect();
        let lengths: Vec<usize> = runs(all).iter().map(Vec::len).collect();
        assert_eq!(lengths[0], 6, "a number that is missing ends a run");
        assert_eq!(lengths.iter().sum::<usize>(), 1_999);
        assert!(lengths.iter().all(|length| length * 64 <= PACKET));
    }
}
