//! The WebSocket service layer by itself: callbacks, handles, channels, limits. The examples are tested as programs.

use std::io::Read;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use inkwire::http::{Head, Reply};
use inkwire::ws::{Close, Handle, Message, Opcode, Server as Listening, Service, Settings, WriteError};
use inkwire_tests::patience::wait_until;
use inkwire_tests::raw::{Frame, Raw, client_frame, handshake};
use inkwire_tests::server::Server;
use inkwire_tests::tools::root;
use rustix::process::Signal;

type Events = Arc<Mutex<Vec<String>>>;

/// Does what a message says, and notes what happens to it.
struct Probe {
    events: Events,
    kept: Mutex<Vec<Handle<Probe>>>,
}

impl Probe {
    fn note(&self, handle: &Handle<Self>, event: &str) {
        self.events.lock().unwrap().push(format!("{} {event}", handle.id()));
    }
}

impl Service for Probe {
    type Data = u32;

    fn protocols(&self) -> &[&'static str] {
        &["probe.v2", "probe.v1"]
    }

    fn on_upgrade(&self, request: &Head) -> Result<(), Reply> {
        let is_welcome = request.path != "/secret";
        let refusal = || Reply::text(inkwire::http::StatusCode::Unauthorized, "who are you?");
        if is_welcome { Ok(()) } else { Err(refusal().header("www-authenticate", "Basic")) }
    }

    fn on_open(&self, handle: &Handle<Self>) {
        self.note(handle, "open");
        self.kept.lock().unwrap().push(handle.clone());
    }

    fn on_message(&self, handle: &Handle<Self>, message: Message<'_>) {
        let Message::Text(text) = message else { return };
        let say = |words: &str| handle.write(Message::Text(words)).expect("it is open");
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["panic"] => panic!("as asked"),
            ["bye"] => {
                (0..3).for_each(|_| say(&"last words ".repeat(20_000)));
                handle.close(4001, "enough");
                assert_eq!(handle.write(Message::Text("too late")), Err(WriteError::Gone));
            }
            ["stream", bytes] => {
                let reader = std::io::repeat(7).take(bytes.parse().unwrap());
                handle.stream(Opcode::Binary, reader).expect("it is open");
                say("behind it");
            }
            ["subscribe"] => {
                handle.hub().subscribe(handle, "news");
                say("ok");
            }
            ["resubscribe"] => {
                let kept = self.kept.lock().unwrap();
                let gone = kept.first().expect("somebody was here");
                handle.hub().subscribe(gone, "news");
                handle.hub().subscribe_matching(gone, "*");
                say(&format!("{} {}", gone.is_gone(), gone.write(Message::Text("x")) == Err(WriteError::Gone)));
            }
            ["count"] => say(&handle.hub().count().to_string()),
            ["each"] => {
                handle.hub().each(Some(handle), |other| other.write(Message::Text("hello")).expect("it is open"));
            }
            ["data"] => say(&handle.with_data(|data| {
                *data += 1;
                data.to_string()
            })),
            ["fill"] => {
                let chunk = vec![0; 64 * 1024];
                let taken = (0..1000).take_while(|_| handle.write(Message::Binary(&chunk)).is_ok()).count();
                assert_eq!(handle.write(Message::Binary(&chunk)), Err(WriteError::Full));
                self.note(handle, &format!("took {taken}"));
            }
            ["close", code] => handle.close(code.parse().unwrap(), ""),
            ["request"] => say(&format!("{} {:?}", handle.target(), handle.header("X-Name"))),
            ["text", good] => {
                let bytes = if good == "good" { "é".repeat(20_000).into_bytes() } else { vec![0xc3; 20_000] };
                handle.stream(Opcode::Text, std::io::Cursor::new(bytes)).expect("it is open");
            }
            ["publish"] => say(&handle.hub().publish("news", Message::Text("grüß dich")).to_string()),
            ["protocol"] => say(handle.protocol().unwrap_or("none")),
            _ => say(text),
        }
    }

    fn on_ready(&self, handle: &Handle<Self>) {
        self.note(handle, "ready");
    }

    fn on_close(&self, handle: &Handle<Self>, close: &Close) {
        self.note(handle, &format!("close {} {}", close.code, close.reason));
    }
}

/// A probe that runs as long as the tests, and what it has noted.
fn probe(settings: Settings) -> (String, Events) {
    let events = Events::default();
    let server = Listening::bind("127.0.0.1:0").unwrap().settings(settings);
    let address = server.url().trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let service = Probe { events: events.clone(), kept: Mutex::default() };
    std::thread::spawn(move || server.run(service));
    (address, events)
}

fn open(address: &str) -> Raw {
    Raw::upgrade(address, "/", "")
}

fn say(raw: &mut Raw, words: &str) {
    raw.send(&client_frame(0x81, words.as_bytes()));
}

fn hear(raw: &mut Raw) -> String {
    String::from_utf8(raw.frame().expect("a frame").payload).expect("text")
}

fn has(events: &Events, event: &str) -> usize {
    events.lock().unwrap().iter().filter(|noted| noted.ends_with(event)).count()
}

#[test]
fn every_open_has_one_close_also_when_a_handler_panics() {
    let (address, events) = probe(Settings::default());
    let mut polite = open(&address);
    polite.send(&client_frame(0x88, &[&1000u16.to_be_bytes()[..], b"done"].concat()));
    assert_eq!(polite.close_code(), Some(1000));
    let mut rude = open(&address);
    say(&mut rude, "hello");
    assert_eq!(hear(&mut rude), "hello");
    drop(rude);
    let mut unlucky = open(&address);
    say(&mut unlucky, "panic");
    assert_eq!(unlucky.close_code(), Some(1011));
    wait_until("all are closed", || has(&events, "close 1000 done") == 1 && has(&events, "close 1011 ") == 1);
    wait_until("also who said nothing", || has(&events, "close 1006 ") == 1);
    assert_eq!(has(&events, " open"), 3);
    let mut next = open(&address);
    say(&mut next, "count");
    assert_eq!(hear(&mut next), "1", "the process and its counts are whole");
}

#[test]
fn numbers_are_never_given_out_again_and_data_is_each_ones_own() {
    let (address, events) = probe(Settings::default());
    for _ in 0..5 {
        let mut raw = open(&address);
        say(&mut raw, "data");
        say(&mut raw, "data");
        assert_eq!([hear(&mut raw), hear(&mut raw)], ["1", "2"]);
    }
    let mut ids: Vec<String> =
        events.lock().unwrap().iter().filter(|event| event.ends_with(" open")).cloned().collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn what_was_written_before_a_close_goes_out_first() {
    let (address, events) = probe(Settings::default());
    let mut raw = open(&address);
    say(&mut raw, "bye");
    for _ in 0..3 {
        assert_eq!(raw.frame().expect("its last words").payload.len(), 220_000);
    }
    let close = raw.frame().expect("a close frame");
    assert_eq!((close.close_code(), &close.payload[2..]), (Some(4001), &b"enough"[..]));
    wait_until("the service knows", || has(&events, "close 4001 enough") == 1);
}

#[test]
fn a_streamed_message_goes_in_fragments_and_pongs_go_between_them() {
    let (address, _) = probe(Settings::default());
    let mut raw = open(&address);
    say(&mut raw, "stream 40000000");
    raw.send(&client_frame(0x89, b"still there?"));
    let frames: Vec<Frame> = std::iter::from_fn(|| raw.frame()).take_while(|frame| frame.opcode() != 1).collect();
    let (pongs, data): (Vec<_>, Vec<_>) = frames.iter().partition(|frame| frame.opcode() == 10);
    assert_eq!(data.iter().map(|frame| frame.payload.len()).sum::<usize>(), 40_000_000);
    assert_eq!(data[0].first, 0x02, "the first has the opcode");
    assert!(data[1..data.len() - 1].iter().all(|frame| frame.first == 0), "then come continuations");
    assert_eq!(data.last().unwrap().first, 0x80, "the last one ends it");
    assert_eq!(pongs.len(), 1);
    assert!(frames.last().unwrap().opcode() != 10, "the pong did not wait for the end");
}

#[test]
fn a_connection_that_does_not_read_is_full_and_the_others_are_not() {
    let (address, events) = probe(Settings { max_outgoing: 512 * 1024, ..Settings::default() });
    let mut raw = open(&address);
    say(&mut raw, "fill");
    wait_until("it is full", || has(&events, "took 8") == 1 || has(&events, "took 7") == 1);
    let mut other = open(&address);
    say(&mut other, "each");
    say(&mut other, "hello");
    assert_eq!(hear(&mut other), "hello", "the originator is left out");
    wait_until("everything is out once it reads", || {
        let _ = raw.frame();
        has(&events, " ready") > 1
    });
}

#[test]
fn the_service_chooses_the_protocol_and_refuses_with_any_reply() {
    let (address, _) = probe(Settings::default());
    let mut raw = Raw::upgrade(&address, "/", "Sec-WebSocket-Protocol: other, probe.v1\r\n");
    say(&mut raw, "protocol");
    assert_eq!(hear(&mut raw), "probe.v1");
    let mut refused = Raw::connect(&address);
    refused.send(handshake("/secret", &address, "").as_bytes());
    let head = refused.head();
    assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("www-authenticate: Basic"), "{head}");
}

#[test]
fn the_request_that_was_upgraded_can_be_asked_for() {
    let (address, _) = probe(Settings::default());
    let mut raw = Raw::upgrade(&address, "/path?query=1", "X-Name:  Ada \r\n");
    say(&mut raw, "request");
    assert_eq!(hear(&mut raw), r#"/path?query=1 Some("Ada")"#);
}

#[test]
fn a_close_code_that_must_not_be_sent_is_not() {
    let (address, _) = probe(Settings::default());
    for (asked, sent) in [("1000", 1000), ("4999", 4999), ("1005", 1011), ("1006", 1011), ("0", 1011), ("70", 1011)] {
        let mut raw = open(&address);
        say(&mut raw, &format!("close {asked}"));
        assert_eq!(raw.close_code(), Some(sent), "{asked}");
    }
}

#[test]
fn a_streamed_text_may_cut_letters_between_fragments_and_must_be_text() {
    let (address, _) = probe(Settings::default());
    let mut raw = open(&address);
    say(&mut raw, "text good");
    let frames: Vec<Frame> = std::iter::from_fn(|| raw.frame()).take(3).collect();
    let text = frames.into_iter().flat_map(|frame| frame.payload).collect::<Vec<_>>();
    assert_eq!(String::from_utf8(text).unwrap(), "é".repeat(20_000));
    say(&mut raw, "text bad");
    assert_eq!(raw.close_code(), Some(1011));
}

#[test]
fn a_connection_that_is_gone_takes_nothing_and_subscribes_to_nothing() {
    let (address, events) = probe(Settings::default());
    let mut gone = open(&address);
    say(&mut gone, "leave a subscription behind");
    hear(&mut gone);
    drop(gone);
    wait_until("it is closed", || has(&events, "close 1006 ") == 1);
    let mut raw = open(&address);
    say(&mut raw, "resubscribe");
    assert_eq!(hear(&mut raw), "true true");
    say(&mut raw, "publish");
    assert_eq!(hear(&mut raw), "0");
}

#[test]
fn what_is_published_as_text_arrives_as_text() {
    let (address, _) = probe(Settings::default());
    let mut raw = open(&address);
    say(&mut raw, "subscribe");
    assert_eq!(hear(&mut raw), "ok");
    say(&mut raw, "publish");
    let frames: Vec<Frame> = std::iter::from_fn(|| raw.frame()).take(2).collect();
    assert!(frames.contains(&Frame { first: 0x81, payload: "grüß dich".into() }), "{frames:?}");
}

#[test]
fn places_are_bounded_in_all() {
    let (address, _) = probe(Settings { max_connections: 1, ..Settings::default() });
    let _first = open(&address);
    let mut second = Raw::connect(&address);
    second.send(handshake("/", &address, "").as_bytes());
    assert!(second.head().starts_with("HTTP/1.1 503 "));
}

/// Half a second without a sign of life ends a connection.
fn impatient() -> Settings {
    let [ping_interval, pong_timeout] = [200, 300].map(std::time::Duration::from_millis);
    Settings { ping_interval, pong_timeout, ..Settings::default() }
}

#[test]
fn a_peer_that_is_slow_in_the_middle_of_a_message_is_alive() {
    let (address, _) = probe(impatient());
    let mut raw = open(&address);
    let words = "slowly ".repeat(30);
    for byte in client_frame(0x81, words.as_bytes()) {
        raw.send(&[byte]);
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    let echo = std::iter::from_fn(|| raw.frame()).find(|frame| frame.opcode() == 1);
    assert_eq!(echo.expect("its echo").payload, words.as_bytes());
}

#[test]
fn a_peer_that_reads_slowly_and_says_nothing_is_alive() {
    let (address, _) = probe(impatient());
    let mut raw = open(&address);
    say(&mut raw, "stream 8000000");
    let (mut came, mut chunk) = (0, [0; 32 * 1024]);
    while came < 8_000_000 {
        came += match raw.stream.read(&mut chunk) {
            Ok(0) | Err(_) => panic!("closed after {came} bytes"),
            Ok(read) => read,
        };
        std::thread::park_timeout(std::time::Duration::from_millis(8));
    }
}

#[test]
fn connections_of_one_address_are_bounded_and_come_back() {
    let (address, _) = probe(Settings { max_per_address: 2, ..Settings::default() });
    let first = open(&address);
    let _second = open(&address);
    let mut third = Raw::connect(&address);
    assert!(third.head().starts_with("HTTP/1.1 429 "));
    drop(first);
    wait_until("a place is free again", || {
        let mut raw = Raw::connect(&address);
        raw.send(handshake("/", &address, "").as_bytes());
        raw.head().starts_with("HTTP/1.1 101 ")
    });
}

#[test]
fn a_slow_handshake_is_answered_408() {
    let settings = Settings { handshake_timeout: std::time::Duration::from_millis(100), ..Settings::default() };
    let (address, _) = probe(settings);
    let mut raw = Raw::connect(&address);
    raw.send(b"GET / HTTP/1.1\r\n");
    assert!(raw.head().starts_with("HTTP/1.1 408 "));
}

/// An example as a program of its own.
fn example(name: &str) -> Server {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "inkwire", "--examples"]).current_dir(root());
        assert!(build.status().expect("cargo runs").success(), "the examples do not build");
    });
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), Into::into);
    Server::spawn(Command::new(target.join("debug/examples").join(name)).arg("127.0.0.1:0"))
}

#[test]
fn the_echo_example_echoes_up_to_its_limit_per_message() {
    let echo = example("echo");
    let mut raw = open(&echo.address);
    for (first, payload) in [(0x81, "grüß dich".as_bytes()), (0x82, &[0, 255]), (0x81, b""), (0x82, &[7; 262_144])] {
        raw.send(&client_frame(first, payload));
        assert_eq!(raw.frame(), Some(Frame { first, payload: payload.to_vec() }));
    }
    let half = vec![7; 131_073];
    raw.send(&client_frame(0x02, &half));
    raw.send(&client_frame(0x80, &half));
    assert_eq!(raw.close_code(), Some(1009), "the limit is for the message, not for the frame");
}

#[test]
fn the_chat_example_publishes_by_name_and_by_pattern() {
    let chat = example("chat");
    let [mut ada, mut bob, mut eve] = std::array::from_fn(|at| {
        let mut raw = open(&chat.address);
        assert_eq!(hear(&mut raw), format!("you are number {at} of {}", at + 1));
        raw
    });
    say(&mut ada, "/join rust");
    say(&mut bob, "/join ru*");
    say(&mut bob, "/join rust");
    say(&mut ada, "rust: hello");
    assert_eq!(hear(&mut ada), "rust 0#1: hello");
    // Bob joined before he hears his own line, on whatever worker.
    say(&mut bob, "ruby: and this");
    loop {
        let line = hear(&mut bob);
        assert!(line.starts_with("rust 0#1") || line.starts_with("ruby 1#1"), "once each: {line}");
        if line.starts_with("ruby") {
            break;
        }
    }
    say(&mut bob, "/leave ru*");
    say(&mut bob, "/leave rust");
    say(&mut bob, "rust: I hear nothing");
    assert_eq!(hear(&mut ada), "rust 1#2: I hear nothing");
    say(&mut eve, "/join rust");
    say(&mut eve, "rust: three");
    assert_eq!(hear(&mut eve), "rust 2#1: three");
    chat.signal(Signal::TERM);
    for raw in [&mut ada, &mut bob, &mut eve] {
        let frames: Vec<Frame> = std::iter::from_fn(|| raw.frame()).collect();
        let last_two = &frames[frames.len() - 2..];
        assert_eq!(last_two[0].payload, b"the chat closes", "delivered before the close");
        assert_eq!(last_two[1].close_code(), Some(1001));
    }
    assert!(chat.wait().success());
}
