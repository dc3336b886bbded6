//! A client that speaks the protocol well: it keeps a replica of the board and resends what the server does not have.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::{self, Message, WebSocket, client::client};
use inkwire_board::{ClientSession, Refused};
use inkwire_protocol::{
    Action, Change, ClientId, ClientMessage, Colour, ImageHash, ImageState, Operation, Reaction, Reason, RejectReason,
    Role, SUBPROTOCOL_BINARY, SUBPROTOCOL_JSON, ServerMessage, Shape, Text, Token, binary, json, limits,
};

use crate::patience::PATIENCE;

/// The client id of a name in tests: the name itself, as often as it fits.
pub fn client_id(name: &str) -> ClientId {
    let mut id = [0; 16];
    id.iter_mut().zip(name.bytes().cycle()).for_each(|(to, from)| *to = from);
    ClientId(id)
}

/// An operation that writes a text.
pub fn text(words: &str) -> Operation {
    let text = words.to_owned();
    Operation::Text(Text { gesture_back: 0, colour: Colour(0xff), size: 99, scale: 3, x: 0, y: 0, text })
}

/// A member of a board.
#[derive(Debug)]
pub struct Client {
    socket: Option<WebSocket<TcpStream>>,
    address: String,
    board: String,
    json: bool,
    /// Its name.
    pub name: String,
    /// What it has of the board, and what it has done.
    pub session: ClientSession,
    /// Who is here, by author number.
    pub people: std::collections::BTreeMap<u32, String>,
    /// Where pointers are.
    pub cursors: std::collections::BTreeMap<u32, [i32; 2]>,
    /// Shapes that others are dragging out.
    pub drafts: std::collections::BTreeMap<u32, Shape>,
    /// Texts that others are writing.
    pub writings: std::collections::BTreeMap<u32, Text>,
    /// What others showed for a moment: reactions, and lasers as `None`.
    pub shown: Vec<(u32, Option<Reaction>)>,
    /// The secret of the link that it comes by.
    pub token: Option<Token>,
    /// The secret of its browser.
    pub visitor: Option<Token>,
    /// The password that it gives.
    pub password: String,
    /// What others may do, and whether they raise a hand: role, draws, muted, hand.
    pub standings: std::collections::BTreeMap<u32, (Role, bool, bool, bool)>,
    /// Everything it was told that is neither about the board nor about who is here.
    pub told: Vec<ServerMessage>,
    /// Why the server said goodbye.
    pub farewell: Option<Reason>,
    /// With what code the server closed the connection.
    pub closed: Option<u16>,
    pongs: u64,
}

impl Client {
    /// Joins a board with a name; the client id is made from that name.
    ///
    /// # Panics
    /// If the server does not welcome it.
    #[track_caller]
    pub fn join(address: &str, board: &str, name: &str) -> Self {
        Self::join_as(address, board, name, false)
    }

    /// Joins with the JSON mirror.
    ///
    /// # Panics
    /// If the server does not welcome it.
    #[track_caller]
    pub fn join_json(address: &str, board: &str, name: &str) -> Self {
        Self::join_as(address, board, name, true)
    }

    #[track_caller]
    fn join_as(address: &str, board: &str, name: &str, json: bool) -> Self {
        let mut client = Self::new(address, board, name, json);
        client.connect(address);
        client
    }

    /// A client that counts from the first number on: one of the same name repeats what the server has.
    fn new(address: &str, board: &str, name: &str, json: bool) -> Self {
        let mut session = ClientSession::new(client_id(name), Refused::LetGo);
        session.count_from(0);
        Self {
            socket: None,
            address: address.into(),
            board: board.into(),
            json,
            name: name.into(),
            session,
            people: Default::default(),
            cursors: Default::default(),
            shown: Vec::new(),
            drafts: Default::default(),
            writings: Default::default(),
            token: None,
            visitor: None,
            password: String::new(),
            standings: Default::default(),
            told: Vec::new(),
            farewell: None,
            closed: None,
            pongs: 0,
        }
    }

    /// Connects anew, from where it stands, and resends what the server does not have.
    ///
    /// # Panics
    /// If the server does not welcome it.
    #[track_caller]
    pub fn connect(&mut self, address: &str) {
        self.greet(address).expect("the server accepts and upgrades");
        self.wait("a welcome", |client| client.session.has_joined());
        self.send();
    }

    /// Connects anew as [`Client::connect`] does, where that can be done; says whether it could.
    pub fn try_connect(&mut self, address: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        if self.greet(address).is_err() {
            return false;
        }
        while !self.session.has_joined() && Instant::now() < deadline {
            if !self.read(deadline.saturating_duration_since(Instant::now())) {
                return false;
            }
        }
        self.send();
        self.session.has_joined()
    }

    /// Reads what comes, for so long; says whether it is still connected.
    pub fn listen(&mut self, lasts: Duration) -> bool {
        let until = Instant::now() + lasts;
        while self.is_connected() && Instant::now() < until {
            self.read(until.saturating_duration_since(Instant::now()));
        }
        self.is_connected()
    }

    /// Lets only a little come before it is read, so that the server meets a reader that takes nothing.
    ///
    /// # Panics
    /// If it is not connected.
    pub fn narrow(&mut self) {
        let socket = self.socket.as_ref().expect("it is connected");
        rustix::net::sockopt::set_socket_recv_buffer_size(socket.get_ref(), 32 * 1024).expect("a buffer may be small");
    }

    /// Opens a connection and says hello.
    fn greet(&mut self, address: &str) -> Result<(), String> {
        self.address = address.into();
        // Behind a proxy the address may go on with a path.
        let host = address.split('/').next().unwrap_or(address);
        let stream = TcpStream::connect(host).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        let mut request = format!("ws://{address}/ws/{}", self.board).into_client_request().expect("a request");
        let protocol = if self.json { SUBPROTOCOL_JSON } else { SUBPROTOCOL_BINARY };
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a header"));
        let (socket, _) = client(request, stream).map_err(|error| error.to_string())?;
        self.socket = Some(socket);
        let hello = self.session.hello(&self.name, Colour(0x1971_c2ff));
        let (token, visitor, password) = (self.token, self.visitor, self.password.clone());
        let has_something = token.is_some() || visitor.is_some() || !password.is_empty();
        let credentials = has_something.then_some(ClientMessage::Credentials { token, visitor, password });
        (self.farewell, self.closed) = (None, None);
        self.say(&credentials.into_iter().chain([hello]).collect::<Vec<_>>());
        Ok(())
    }

    /// Joins by a link.
    ///
    /// # Panics
    /// If the server does not welcome it.
    #[track_caller]
    pub fn join_by(address: &str, board: &str, name: &str, token: Token) -> Self {
        let mut client = Self::away(address, board, name);
        client.token = Some(token);
        client.connect(address);
        client.wait("what it may do", |client| client.session.access().is_some());
        client
    }

    /// Tries to come in; gives why the server did not let it, and with what code it closed.
    ///
    /// # Panics
    /// If it is let in.
    #[track_caller]
    pub fn is_kept_out(&mut self) -> (Reason, u16) {
        let address = self.address.clone();
        assert!(!self.try_connect(&address), "{} was let in", self.name);
        (self.farewell.expect("the server says why"), self.closed.unwrap_or(1006))
    }

    /// Gives an order as a host, and reads what it is told.
    ///
    /// # Panics
    /// If no answer comes in time.
    #[track_caller]
    pub fn orders(&mut self, action: Action) -> Vec<ServerMessage> {
        self.told.clear();
        self.say(&[ClientMessage::Moderate { action }]);
        let is_answer = |told: &ServerMessage| {
            use ServerMessage::{Audit, NotDone, Rules};
            matches!(told, Rules { .. } | NotDone { .. } | Audit { .. })
        };
        self.wait("an answer", |client| client.told.iter().any(is_answer));
        std::mem::take(&mut self.told)
    }

    /// Makes a link as a host.
    ///
    /// # Panics
    /// If none is made.
    #[track_caller]
    pub fn makes_link(&mut self, role: Role, seconds: u64) -> Token {
        let told = self.orders(Action::MakeLink { role, seconds });
        let link = told.iter().find_map(|told| match told {
            ServerMessage::Link { token, .. } => Some(*token),
            _ => None,
        });
        link.unwrap_or_else(|| panic!("a link is made: {told:?}"))
    }

    /// Sends the bytes of an image in parts, and reads what became of it.
    ///
    /// # Panics
    /// If no answer comes in time.
    #[track_caller]
    pub fn sends_image(&mut self, image: ImageHash, bytes: &[u8]) -> ImageState {
        self.told.clear();
        let length = bytes.len() as u64;
        for (at, part) in bytes.chunks(limits::IMAGE_PART).enumerate() {
            let offset = (at * limits::IMAGE_PART) as u64;
            self.say(&[ClientMessage::ImagePart { image, length, offset, bytes: part.to_vec() }]);
        }
        let state = |told: &ServerMessage| match told {
            ServerMessage::Image { state, .. } => Some(*state),
            _ => None,
        };
        self.wait("what became of the image", |client| client.told.iter().any(|told| state(told).is_some()));
        self.told.iter().find_map(state).expect("just seen")
    }

    /// A member that is not connected yet.
    pub fn away(address: &str, board: &str, name: &str) -> Self {
        Self::new(address, board, name, false)
    }

    /// Sends what was not sent on this connection.
    fn send(&mut self) {
        for message in self.session.take_messages() {
            self.say(&[message]);
        }
    }

    /// Goes on as a client of another secret, which has nothing of the board.
    pub fn is_now(&mut self, id: ClientId) {
        self.session = ClientSession::new(id, Refused::LetGo);
    }

    /// Its role, and whether what it draws is taken, as it was told last.
    pub fn rights(&self) -> Option<(Role, bool)> {
        self.session.access().map(|access| (access.role, access.draws))
    }

    /// Whether it is connected.
    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends a packet.
    pub fn say(&mut self, messages: &[ClientMessage]) {
        let message = if self.json {
            Message::text(json::encode(messages))
        } else {
            Message::binary(binary::encode_client(messages))
        };
        self.send_raw(message);
    }

    /// Sends any WebSocket message.
    pub fn send_raw(&mut self, message: Message) {
        if let Some(socket) = &mut self.socket {
            // A connection that the server has closed is seen when it is read.
            let _ = socket.send(message);
        }
    }

    /// Does something, without waiting for the server. Gives back its client sequence number.
    pub fn submit(&mut self, operation: Operation) -> u64 {
        let cseq = self.session.submit(operation.clone());
        if cseq > self.session.welcomed_at().1 {
            self.send();
        } else {
            // The server has one of that number: it is sent all the same, as by a client that does not know.
            self.say(&[ClientMessage::Operations { first_cseq: cseq, operations: [operation].into() }]);
        }
        cseq
    }

    /// Does something and waits until it is in the log or rejected.
    ///
    /// # Errors
    /// Why it was rejected.
    ///
    /// # Panics
    /// If neither happens in time.
    #[track_caller]
    pub fn does(&mut self, operation: Operation) -> Result<u64, RejectReason> {
        let cseq = self.submit(operation);
        self.wait("the operation comes back", |client| client.session.pending().iter().all(|it| it.cseq != cseq));
        match self.session.rejects().iter().find(|(rejected, _)| *rejected == cseq) {
            Some((_, reason)) => Err(*reason),
            None => Ok(cseq),
        }
    }

    /// Reads until something is so.
    ///
    /// # Panics
    /// If it is not so in time, or the connection ends before.
    #[track_caller]
    pub fn wait(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} waited in vain: {what}", self.name);
            let goes_on = self.read(left);
            assert!(goes_on, "{} lost the connection ({:?}, {:?}): {what}", self.name, self.closed, self.farewell);
        }
    }

    /// Waits until it has the log up to a sequence number.
    ///
    /// # Panics
    /// If it does not come in time.
    #[track_caller]
    pub fn wait_for_seq(&mut self, seq: u64) {
        self.wait(&format!("operation {seq}"), |client| client.session.board().seq() >= seq);
    }

    /// Sends a ping message and waits for the pong: everything that was on its way to this client before is here.
    ///
    /// # Panics
    /// If it does not come in time.
    #[track_caller]
    pub fn round_trip(&mut self) {
        let pongs = self.pongs;
        self.say(&[ClientMessage::Ping { nonce: 1 }]);
        // A pong overtakes a snapshot, which is pulled behind the answers.
        self.wait("a pong", |client| client.pongs > pongs && client.session.is_caught_up());
    }

    /// Reads until the server closes, and gives the code.
    ///
    /// # Panics
    /// If it does not close in time.
    #[track_caller]
    pub fn wait_for_close(&mut self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        while self.is_connected() {
            assert!(Instant::now() < deadline, "{} was not closed", self.name);
            self.read(PATIENCE);
        }
        self.closed.unwrap_or(1006)
    }

    /// Closes properly.
    pub fn leave(&mut self) {
        if let Some(mut socket) = self.socket.take() {
            let _ = socket.close(None);
            let _ = socket.flush();
        }
        self.session.left();
    }

    /// Drops the connection without a word.
    pub fn vanish(&mut self) {
        self.socket = None;
        self.session.left();
    }

    /// Reads one message; `false` where the connection is gone.
    fn read(&mut self, patience: Duration) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let _ = socket.get_mut().set_read_timeout(Some(patience.max(Duration::from_millis(1))));
        match socket.read() {
            Ok(Message::Close(frame)) => {
                self.closed = Some(frame.map_or(1005, |frame| frame.code.into()));
                true
            }
            Ok(message) => {
                self.receive(message);
                true
            }
            // A read with a time limit is also interrupted where the process was stopped for a while (signal(7)).
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                true
            }
            Err(_) => {
                self.vanish();
                false
            }
        }
    }

    fn receive(&mut self, message: Message) {
        let messages = match message {
            Message::Binary(bytes) => binary::decode_server(&bytes).expect("the server's packets decode"),
            Message::Text(text) => json::decode_server(&text).expect("the server's packets decode"),
            _ => return,
        };
        messages.iter().for_each(|message| self.take(message));
        self.session.receive(&messages).expect("the server's messages follow");
        self.send();
    }

    fn take(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Bye { reason, .. } => self.farewell = Some(*reason),
            ServerMessage::Pong { .. } => self.pongs += 1,
            ServerMessage::SlowDown { .. }
            | ServerMessage::Image { .. }
            | ServerMessage::Link { .. }
            | ServerMessage::Rules { .. }
            | ServerMessage::Audit { .. }
            | ServerMessage::NotDone { .. }
            | ServerMessage::Past { .. }
            | ServerMessage::Chronicle { .. }
            | ServerMessage::Authors { .. }
            | ServerMessage::Branched { .. } => self.told.push(message.clone()),
            ServerMessage::Presence { all, changes } => {
                if *all {
                    self.people.clear();
                }
                changes.iter().for_each(|change| self.change(change));
            }
            _ => {}
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Here { author, name, .. } => {
                self.people.insert(*author, name.clone());
            }
            Change::Cursor { author, at: Some(at) } => {
                self.cursors.insert(*author, *at);
            }
            Change::Cursor { author, at: None } => {
                self.cursors.remove(author);
            }
            Change::Laser { author, at } => {
                self.cursors.insert(*author, *at);
                self.shown.push((*author, None));
            }
            Change::Reaction { author, reaction } => self.shown.push((*author, Some(*reaction))),
            Change::Draft { author, shape: Some(shape) } => drop(self.drafts.insert(*author, shape.clone())),
            Change::Draft { author, shape: None } => drop(self.drafts.remove(author)),
            Change::Writing { author, text: Some(text) } => drop(self.writings.insert(*author, text.clone())),
            Change::Writing { author, text: None } => drop(self.writings.remove(author)),
            Change::View { .. } => {}
            Change::Standing { author, role, draws, muted, hand } => {
                self.standings.insert(*author, (*role, *draws, *muted, *hand));
            }
            Change::Gone { author } => {
                self.standings.remove(author);
                self.people.remove(author);
                self.cursors.remove(author);
            }
        }
    }
}
