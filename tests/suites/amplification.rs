//! The work that a client without any right causes: for every message and every request, the bytes that come out for those that
//! went in, to itself and to somebody else, the memory that stays, the lines in the log and the instructions, each with its bound in
//! one table.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use inkwire::rooms::Encoding;
use inkwire_protocol::{
    Action, ClientId, ClientMessage, Colour, Epoch, ImageHash, Operation, Reaction, Role, ServerMessage, Shape,
    ShapeKind, binary, json,
};
use inkwire_tests::client::{Client, text};
use inkwire_tests::image::png;
use inkwire_tests::patience::PATIENCE;
use inkwire_tests::raw::{Raw, client_frame};
use inkwire_tests::server::{Server, serve};
use inkwire_tests::tools::are_there;

/// Each message and each request is sent so often, by one connection.
const TIMES: usize = 64;
/// Bytes that may come out for each that goes in.
const PER_BYTE: usize = 20;
/// Memory that may stay, in bytes: allocators round up, and a first connection has its own needs.
const MEMORY: u64 = 6 << 20;
/// Nothing more comes after so long without anything.
const QUIET: Duration = Duration::from_millis(200);
/// Messages or requests of a kind whose instructions are counted, and how many each may take on all threads of the server, with the share of a
/// tick, of a commit and of the logs, in a build without optimisations; for each byte that comes out; and for each of the board's
/// elements, which a `clear` deletes once.
const COUNTED: usize = 16;
const INSTRUCTIONS: u64 = 1_000_000;
const INSTRUCTIONS_PER_BYTE_OUT: u64 = 1_000;
const INSTRUCTIONS_PER_ELEMENT: u64 = 200_000;
/// How many a request may take: it is a connection as well, and an image is looked up in the database.
const INSTRUCTIONS_PER_REQUEST: u64 = 3_000_000;
/// Instructions beside, for a page: a debug build reads and hashes all files of the page each time, and a release build once.
const PAGE: u64 = 100_000_000;
/// Bytes of the image on the board.
const IMAGE: usize = 200_000;
/// Elements of the board.
const ELEMENTS: u64 = 300;
/// Log lines of one connection and kind: one, and one for each second.
const LINES_PER_SECOND: u64 = 1;

/// Bytes that may come out beside [`PER_BYTE`].
#[derive(Debug, Clone, Copy)]
enum Beside {
    Nothing,
    /// So many snapshots of the board: the first hello brings one, a wrong state hash one more.
    Snapshots(usize),
    /// So many answers of the length of the board's whole past, or its chronicle: each once, and repeated now and then.
    Answers(usize),
    /// So many bytes for each request: a file of the page or an image is as long as it is.
    PerRequest(usize),
}

/// The measured values of a row of the table.
#[derive(Debug)]
struct Measured {
    sent: usize,
    came: usize,
    /// The bytes that were sent to somebody else on the board.
    others: usize,
    memory: u64,
    lines: u64,
    seconds: u64,
}

/// A server with its log in a file, and a board with history.
struct Place {
    server: Server,
    log: std::path::PathBuf,
    snapshot: usize,
    answer: usize,
    encoding: Encoding,
}

impl Place {
    fn begin(folder: &Path, encoding: Encoding) -> Self {
        Self::begin_under(&[], folder, encoding)
    }

    /// As [`Place::begin`], with the server as an argument of a command that runs it.
    fn begin_under(runner: &[&str], folder: &Path, encoding: Encoding) -> Self {
        let log = folder.join("log");
        let data = folder.join("data");
        let usual = serve(&["--data", data.to_str().expect("a path in text"), "--linger", "3600"]);
        let mut command = Command::new("sh");
        command.args(["-c", "log=$1; shift; exec \"$@\" 2> \"$log\"", "sh"]).arg(&log);
        command.args(runner).arg(usual.get_program()).args(usual.get_args());
        let server = Server::spawn(&mut command);
        let mut ada = Client::join(&server.address, "x", "ada");
        (0..ELEMENTS).for_each(|at| _ = ada.submit(text(&format!("{at} {}", "x".repeat(100)))));
        ada.wait("all is durable", |ada| ada.session.mark() == ELEMENTS);
        let (mut place, long) =
            (Self { server, log, snapshot: 0, answer: 0, encoding }, "a name of some length ".repeat(5));
        for at in 0..20 {
            Client::join(&place.server.address, "x", &format!("{at} {long}")).does(text("x")).expect("a text");
        }
        place.snapshot = Member::join(&place, 0).came;
        let mut member = Member::join(&place, 1);
        let before = member.came;
        member.say(&[ClientMessage::Past { from: 1 }]);
        member.say(&[ClientMessage::Chronicle]);
        member.hear_all();
        place.answer = member.came - before;
        place
    }

    fn lines(&self) -> u64 {
        std::fs::read_to_string(&self.log).expect("the log is there").lines().count() as u64
    }

    /// Does something, and measures what is left of it.
    fn measure(&self, act: impl FnOnce() -> [usize; 3]) -> Measured {
        let (memory, lines, began) = (self.server.memory(), self.lines(), Instant::now());
        let [sent, came, others] = act();
        Measured {
            sent,
            came,
            others,
            memory: self.server.memory().saturating_sub(memory),
            lines: self.lines() - lines,
            seconds: began.elapsed().as_secs(),
        }
    }

    /// Prints a row, and holds it to its bounds.
    fn row(&self, what: &str, beside: Beside, measured: &Measured) {
        let Measured { sent, came, others, memory, lines, seconds } = *measured;
        let free = match beside {
            Beside::Nothing => 0,
            Beside::Snapshots(count) => count * self.snapshot,
            Beside::Answers(count) => count * self.answer,
            Beside::PerRequest(bytes) => TIMES * bytes,
        };
        let most = PER_BYTE * sent + free;
        println!(
            "{what:32} {sent:8} in {came:9} out, at most {most:9}   {others:7} to another   {:5} KiB, at most {:5}   {lines} lines",
            memory >> 10,
            MEMORY >> 10
        );
        assert!(came <= most, "{what}: {came} bytes for {sent}");
        assert!(others <= PER_BYTE * sent, "{what}: {others} bytes to another for {sent}");
        assert!(memory <= MEMORY, "{what}: {memory} bytes of memory");
        assert!(lines <= 1 + LINES_PER_SECOND * (seconds + 1), "{what}: {lines} lines in {seconds} s");
    }
}

/// Somebody who has come without a link, counted byte by byte.
struct Member {
    raw: Raw,
    encoding: Encoding,
    sent: usize,
    came: usize,
    nonce: u64,
}

impl Member {
    fn join(place: &Place, number: u8) -> Self {
        let encoding = place.encoding;
        let protocol = if encoding == Encoding::Json { "inkwire.v1.json" } else { "inkwire.v1" };
        let header = format!("Sec-WebSocket-Protocol: {protocol}\r\n");
        let raw = Raw::upgrade(&place.server.address, "/ws/x", &header);
        let mut member = Self { raw, encoding, sent: 0, came: 0, nonce: 0 };
        member.say(&[hello(number)]);
        member.hear_all();
        member
    }

    fn say(&mut self, messages: &[ClientMessage]) {
        let frame = match self.encoding {
            Encoding::Binary => client_frame(0x82, &binary::encode_client(messages)),
            Encoding::Json => client_frame(0x81, json::encode(messages).as_bytes()),
        };
        self.sent += frame.len();
        self.raw.send(&frame);
    }

    fn decoded(&self, packet: &[u8]) -> Vec<ServerMessage> {
        match self.encoding {
            Encoding::Binary => binary::decode_server(packet),
            Encoding::Json => json::decode_server(std::str::from_utf8(packet).expect("JSON is text")),
        }
        .expect("the server's packets decode")
    }

    /// Reads what comes behind the answer to a ping: pointers are told at a tick of their own, and some work is done elsewhere.
    fn hear_the_rest(&mut self) {
        self.raw.stream.set_read_timeout(Some(QUIET)).expect("a time limit");
        self.came += std::iter::from_fn(|| self.raw.frame()).map(|frame| frame.payload.len() + 2).sum::<usize>();
        self.raw.stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    }

    /// Reads all that comes until a ping is answered, or the connection ends.
    fn hear_all(&mut self) {
        self.nonce += 1;
        let nonce = self.nonce;
        self.say(&[ClientMessage::Ping { nonce }]);
        let mut is_whole = nonce > 1;
        let mut is_answered = false;
        // The answer overtakes a snapshot that is not encoded yet.
        while !is_answered || !is_whole {
            let Some(frame) = self.raw.frame() else { return };
            self.came += frame.payload.len() + 2;
            if frame.opcode() > 2 {
                continue;
            }
            for message in self.decoded(&frame.payload) {
                is_answered |= message == ServerMessage::Pong { nonce };
                is_whole |= matches!(message, ServerMessage::SnapshotEnd { .. });
            }
        }
    }

    /// Says messages; returns the bytes sent, and those that came to this member and to another one.
    fn exchange(&mut self, another: &mut Self, messages: impl Iterator<Item = ClientMessage>) -> [usize; 3] {
        (self.sent, self.came, another.came) = (0, 0, 0);
        messages.for_each(|message| self.say(&[message]));
        self.hear_all();
        self.hear_the_rest();
        another.hear_the_rest();
        [self.sent, self.came, another.came]
    }
}

fn hello(number: u8) -> ClientMessage {
    let (client_id, name) = (ClientId([number; 16]), "Eve".into());
    ClientMessage::Hello { client_id, epoch: Epoch::default(), seq: 0, hash: [0; 8], name, colour: Colour(1) }
}

fn shape() -> Shape {
    let (kind, colour, fill) = (ShapeKind::Rectangle, Colour(0xff), Colour(0));
    Shape { gesture_back: 0, kind, colour, fill, width: 32, scale: 3, x: 0, y: 0, dx: 9, dy: 9 }
}

/// A message, by how many of its kind came before it.
type Message = Box<dyn Fn(usize) -> ClientMessage>;

/// Every message of a client: what it is called, what is sent at a turn, and what may come out beside the bytes. A message that is
/// new does not compile here until it has a row.
fn rows() -> Vec<(&'static str, Message, Beside)> {
    let _every_message_has_a_row = |message: ClientMessage| match message {
        ClientMessage::Hello { .. }
        | ClientMessage::Operations { .. }
        | ClientMessage::Presence { .. }
        | ClientMessage::View { .. }
        | ClientMessage::Laser { .. }
        | ClientMessage::Draft { .. }
        | ClientMessage::Writing { .. }
        | ClientMessage::ImagePart { .. }
        | ClientMessage::Credentials { .. }
        | ClientMessage::Hand { .. }
        | ClientMessage::React { .. }
        | ClientMessage::Moderate { .. }
        | ClientMessage::Past { .. }
        | ClientMessage::Chronicle
        | ClientMessage::Authors { .. }
        | ClientMessage::Branch { .. }
        | ClientMessage::Profile { .. }
        | ClientMessage::Check { .. }
        | ClientMessage::Ping { .. }
        | ClientMessage::Unknown { .. } => (),
    };
    let operation = |at: usize, operation: Operation| ClientMessage::Operations {
        first_cseq: at as u64 + 1,
        operations: [operation].into(),
    };
    let image = |at: usize, bytes: Vec<u8>| ClientMessage::ImagePart {
        image: ImageHash([at as u8; 32]),
        length: 4 << 20,
        offset: 0,
        bytes,
    };
    let order = |action: Action| move |_: usize| ClientMessage::Moderate { action: action.clone() };
    vec![
        (
            "check, of another state",
            Box::new(|_| ClientMessage::Check { seq: 320, hash: [7; 8] }),
            Beside::Snapshots(1),
        ),
        ("hello, said again", Box::new(|_| hello(9)), Beside::Nothing),
        (
            "credentials, after hello",
            Box::new(|_| ClientMessage::Credentials { token: None, visitor: None, password: "x".into() }),
            Beside::Nothing,
        ),
        ("operations: a text", Box::new(move |at| operation(at, text("x"))), Beside::Nothing),
        (
            "operations: undo of nothing",
            Box::new(move |at| operation(at, Operation::Undo { gesture: 1 })),
            Beside::Nothing,
        ),
        ("operations: clear", Box::new(move |at| operation(at, Operation::Clear { gesture_back: 0 })), Beside::Nothing),
        ("presence", Box::new(|at| ClientMessage::Presence { cursor: Some([at as i32, 0]) }), Beside::Nothing),
        ("view", Box::new(|at| ClientMessage::View { view: Some([at as i32, 0, 99, 99]) }), Beside::Nothing),
        ("laser", Box::new(|at| ClientMessage::Laser { at: [at as i32, 0] }), Beside::Nothing),
        ("draft", Box::new(|_| ClientMessage::Draft { shape: Some(shape()) }), Beside::Nothing),
        (
            "writing",
            Box::new(|at| match text(&format!("{at} {}", "x".repeat(at * 16))) {
                Operation::Text(text) => ClientMessage::Writing { text: Some(text) },
                _ => unreachable!("a text is a text"),
            }),
            Beside::Nothing,
        ),
        ("imagePart: announced", Box::new(move |at| image(at, vec![0])), Beside::Nothing),
        ("imagePart: 32 KiB", Box::new(move |at| image(at, vec![0; 32 << 10])), Beside::Nothing),
        ("hand", Box::new(|at| ClientMessage::Hand { raised: at % 2 == 0 }), Beside::Nothing),
        ("react", Box::new(|_| ClientMessage::React { reaction: Reaction::Heart }), Beside::Nothing),
        ("moderate: rules", Box::new(order(Action::Rules)), Beside::Nothing),
        ("moderate: audit", Box::new(order(Action::Audit)), Beside::Nothing),
        ("moderate: password", Box::new(order(Action::Password { password: "x".into() })), Beside::Nothing),
        ("moderate: a link", Box::new(order(Action::MakeLink { role: Role::Host, seconds: 0 })), Beside::Nothing),
        ("past, from the first", Box::new(|_| ClientMessage::Past { from: 1 }), Beside::Answers(10)),
        ("chronicle", Box::new(|_| ClientMessage::Chronicle), Beside::Answers(10)),
        ("authors", Box::new(|_| ClientMessage::Authors { from: 0 }), Beside::Answers(10)),
        ("branch", Box::new(|_| ClientMessage::Branch { seq: 1 }), Beside::Nothing),
        (
            "profile",
            Box::new(|at| ClientMessage::Profile { name: format!("Eve {at}"), colour: Colour(at as u32) }),
            Beside::Nothing,
        ),
        ("ping", Box::new(|at| ClientMessage::Ping { nonce: 1 << 40 | at as u64 }), Beside::Nothing),
        (
            "a message of a later version",
            Box::new(|_| ClientMessage::Unknown { tag: 99, body: vec![0; 9] }),
            Beside::Nothing,
        ),
    ]
}

/// Goes through the table of messages in an encoding.
fn no_message_brings_much(encoding: Encoding) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::begin(folder.path(), encoding);
    println!("a snapshot is {} bytes, past and chronicle together are {}", place.snapshot, place.answer);
    let mut another = Member::join(&place, 98);
    for (number, (what, message, beside)) in rows().into_iter().enumerate() {
        let mut member = Member::join(&place, 100 + number as u8);
        another.hear_the_rest();
        let measured = place.measure(|| member.exchange(&mut another, (0..TIMES).map(&message)));
        place.row(what, beside, &measured);
    }
    // Eight of them in one packet do not bring eight times as much.
    let mut member = Member::join(&place, 99);
    let measured = place.measure(|| {
        (member.sent, member.came) = (0, 0);
        member.say(&[const { ClientMessage::Chronicle }; 8]);
        member.hear_all();
        [member.sent, member.came, 0]
    });
    place.row("chronicle, eight times at once", Beside::Answers(1), &measured);
    assert_eq!(place.server.metric("inkwire_panics_total"), 0.0);
}

#[test]
fn no_message_of_a_member_brings_it_much_more_than_it_costs() {
    no_message_brings_much(Encoding::Binary);
}

#[test]
fn no_message_in_json_brings_much_more_than_it_costs() {
    no_message_brings_much(Encoding::Json);
}

/// A server under callgrind, which counts its instructions.
struct Counted {
    place: Place,
    folder: tempfile::TempDir,
    dumps: u32,
}

impl Counted {
    /// Returns nothing if valgrind is not there.
    fn begin() -> Option<Self> {
        if !are_there("counting instructions", &[Path::new("/usr/bin/valgrind"), Path::new("/usr/bin/vgdb")]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let out = format!("--callgrind-out-file={}", folder.path().join("callgrind").display());
        let runner = ["valgrind", "--quiet", "--tool=callgrind", &out];
        Some(Self { place: Place::begin_under(&runner, folder.path(), Encoding::Binary), folder, dumps: 0 })
    }

    /// Instructions that were done since they were counted last, on all threads.
    fn instructions(&mut self) -> u64 {
        self.dumps += 1;
        let pid = format!("--pid={}", self.place.server.pid());
        let dumped = Command::new("vgdb").args([&pid, "dump", "row"]).output().expect("vgdb runs");
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        let file = self.folder.path().join(format!("callgrind.{}", self.dumps));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a dump has its total");
        total.trim().parse().expect("a number")
    }

    /// Counts the instructions of something done [`COUNTED`] times, prints a row, and holds it to its bound;
    /// `beside` instructions are free.
    fn row(&mut self, what: &str, beside: u64, act: impl FnOnce(&Place) -> [usize; 3]) {
        self.instructions();
        let [_, came, _] = act(&self.place);
        let done = self.instructions();
        let most = COUNTED as u64 * INSTRUCTIONS + came as u64 * INSTRUCTIONS_PER_BYTE_OUT + beside;
        println!("{what:32} {:9} instructions each, {came:9} bytes out", done / COUNTED as u64);
        assert!(done <= most, "{what}: {done} instructions for {COUNTED}, at most {most}");
    }
}

#[test]
fn no_message_of_a_member_is_much_work() {
    let Some(mut counted) = Counted::begin() else { return };
    let mut another = Member::join(&counted.place, 98);
    for (number, (what, message, _)) in rows().into_iter().enumerate() {
        let mut member = Member::join(&counted.place, 100 + number as u8);
        another.hear_the_rest();
        let beside = if what.ends_with("clear") { ELEMENTS * INSTRUCTIONS_PER_ELEMENT } else { 0 };
        counted.row(what, beside, |_| member.exchange(&mut another, (0..COUNTED).map(&message)));
    }
}

#[test]
fn no_request_is_much_work() {
    let Some(mut counted) = Counted::begin() else { return };
    for (what, path, _) in requests(&counted.place) {
        let is_page = matches!(&*path, "/" | "/b/x");
        let beside = INSTRUCTIONS_PER_REQUEST - INSTRUCTIONS + if is_page { PAGE } else { 0 };
        counted.row(what, COUNTED as u64 * beside, |place| ask(place, &path, COUNTED));
    }
}

/// Requests that anybody may make: what each is called, its path, and what may come out beside the bytes.
fn requests(place: &Place) -> Vec<(&'static str, String, Beside)> {
    let (image, bytes) = png(IMAGE, 1);
    Client::join(&place.server.address, "x", "ada").sends_image(image, &bytes);
    let page = Beside::PerRequest(64 << 10);
    vec![
        ("the start page", "/".into(), page),
        ("a new board", "/new".into(), Beside::Nothing),
        ("the page of a board", "/b/x".into(), page),
        ("a board of an invalid name", "/b/a.b".into(), Beside::Nothing),
        ("a socket without an upgrade", "/ws/x".into(), Beside::Nothing),
        ("the echo without an upgrade", "/echo".into(), Beside::Nothing),
        ("an image", format!("/images/{image}"), Beside::PerRequest(IMAGE)),
        ("an image that is not there", format!("/images/{}", ImageHash([0; 32])), Beside::Nothing),
        ("a file of the page", "/static/js/main.js".into(), page),
        ("a file that is not there", "/static/js/x.js".into(), Beside::Nothing),
        ("healthz", "/healthz".into(), Beside::Nothing),
        ("readyz", "/readyz".into(), Beside::Nothing),
        ("metrics", "/metrics".into(), Beside::PerRequest(16 << 10)),
        ("nothing", "/nothing".into(), Beside::Nothing),
        ("an invalid path", "/%00".into(), Beside::Nothing),
    ]
}

/// Makes a request so often, each on a connection of its own; returns the bytes sent and those that came.
fn ask(place: &Place, path: &str, times: usize) -> [usize; 3] {
    let host = &place.server.address;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    (0..times).fold([0; 3], |[sent, came, _], _| {
        let mut raw = Raw::connect(host);
        raw.stream.write_all(request.as_bytes()).unwrap();
        let mut reply = Vec::new();
        raw.stream.read_to_end(&mut reply).unwrap();
        [sent + request.len(), came + reply.len(), 0]
    })
}

#[test]
fn no_request_brings_much_more_than_it_costs() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::begin(folder.path(), Encoding::Binary);
    for (what, path, beside) in requests(&place) {
        let measured = place.measure(|| ask(&place, &path, TIMES));
        place.row(what, beside, &measured);
    }
}
